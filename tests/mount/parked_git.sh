#!/bin/bash
# Readers of what a partial clone lacks, while the remote that git fetches it from hangs: they cost no thread, hold up
# nobody, can be ended, and get what they asked for.
. "${0%/*}/common"

FILES=40

# A partial clone without blobs, mounted on $MNT with the options given, whose promisor answers once ../go is there;
# each time it is asked it leaves ../asked/PID.
new_hanging() {
	new_partial "$FILES"
	cd ..
	mkdir asked
	cat >upload-pack <<-END
		#!/bin/sh
		: >'$PWD/asked/'\$\$
		until [ -e '$PWD/go' ]; do sleep 0.1; done
		exec git-upload-pack "\$@"
	END
	chmod +x upload-pack
	git -C partial config remote.origin.uploadpack "$PWD/upload-pack"
	git -C partial config fetch.writeCommitGraph false
	git -C partial config maintenance.auto false
	cd partial
	mount_here "$@"
	trap 'touch "${MNT%/*}/go"; end_mount "$MNT"' EXIT
	[ "$(cat "$MNT/@v1/data/file")" = recorded ]
}

# count_parked N: so many are.
count_parked() {
	[ "$(counter parked)" = "$1" ]
}

# read_all: every file by a process of its own; READERS are their numbers, ../got/N is what they got.
read_all() {
	READERS=()
	mkdir -p ../got
	for ((i = 0; i < FILES; i++)); do
		cat "$MNT/@v1/own/$i/file" >"../got/$i" 2>/dev/null &
		READERS+=($!)
	done
	wait_for 30 count_parked "$FILES"
}

# ended PID...: none of them is there.
ended() {
	local pid
	for pid in "$@"; do
		gone "$pid" || return 1
	done
}

# Whom git asked: nobody of them is left.
promisors_gone() {
	local asked
	for asked in ../asked/*; do
		gone "${asked##*/}" || return 1
	done
}

check_no_thread_is_held() {
	local reader
	read_all
	[ "$(ls "/proc/$(server_of "$MNT")/task" | wc -l)" -le $((4 * $(nproc) + 8 + 20)) ]
	# Nobody else waits, in the same folders neither.
	[ "$(timeout 20 cat "$MNT/@main/data/file")" = recorded ]
	timeout 20 ls -l "$MNT/@v1/data" "$MNT" >/dev/null
	[ "$(ls ../asked | wc -l)" -le 8 ]
	touch ../go
	for reader in "${READERS[@]}"; do
		wait "$reader"
	done
	for ((i = 0; i < FILES; i++)); do
		[ "$(cat "../got/$i")" = "content $i" ]
	done
	count_parked 0
}

test_waiting_for_git_costs_no_thread() {
	new_hanging
	check_no_thread_is_held
}

test_waiting_for_git_costs_no_thread_where_git_reads() {
	export REVFS_GIT_READER=command
	new_hanging
	check_no_thread_is_held
}

# With them ends what git had begun for them.
test_killed_readers_end_and_so_does_git() {
	new_hanging
	read_all
	wait_for 20 eval '[ "$(ls ../asked)" ]'
	kill -9 "${READERS[@]}"
	wait_for 20 ended "${READERS[@]}"
	wait_for 20 count_parked 0
	wait_for 20 promisors_gone
	touch ../go
	[ "$(timeout 60 cat "$MNT/@v1/own/7/file")" = "content 7" ]
}

# Two wait for one fetch: it goes on for the one who stays.
test_one_who_gives_up_takes_nobody_along() {
	local first second
	new_hanging
	cat "$MNT/@v1/own/1/file" >/dev/null 2>&1 &
	first=$!
	wait_for 20 count_parked 1
	cat "$MNT/@main/own/1/file" >../second &
	second=$!
	wait_for 20 count_parked 2
	kill -9 "$first"
	wait_for 20 ended "$first"
	wait_for 20 count_parked 1
	touch ../go
	wait "$second"
	[ "$(cat ../second)" = "content 1" ]
	[ "$(ls ../asked | wc -l)" = 1 ]
}

test_a_wait_for_git_ends_and_says_why() {
	new_hanging -o io-timeout=1s
	not timeout 60 cat "$MNT/@v1/own/3/file" 2>../said
	cat ../said "$MNT/.revfs/errors"
	grep -q 'Input/output error' ../said
	grep -q 'own/3/file.*timed out' "$MNT/.revfs/errors"
	wait_for 20 promisors_gone
	touch ../go
	[ "$(timeout 60 cat "$MNT/@v1/own/3/file")" = "content 3" ]
}

test_the_mount_ends_while_readers_wait_for_git() {
	local server
	new_hanging
	read_all
	server=$(server_of "$MNT")
	umount -l "$MNT" 2>/dev/null || fusermount3 -uz "$MNT"
	kill -9 "${READERS[@]}"
	wait_for 20 ended "${READERS[@]}"
	wait_for 60 gone "$server"
	wait_for 20 promisors_gone
}

run_tests
