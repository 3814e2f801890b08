#!/bin/bash
# Readers that wait for a network that does not answer: they can be ended, and nobody else has to wait.
. "${0%/*}/common"

# A partial clone without blobs, whose remote does not answer before ../go is there.
new_stalled() {
	new_partial 41
	cd ..
	mkdir bin
	cat >bin/git-remote-stall <<END
#!/bin/sh
touch '$PWD/asked'
while [ -e '$PWD/asked' ] && [ ! -e '$PWD/go' ]; do
	sleep 0.2
done
exit 1
END
	chmod +x bin/git-remote-stall
	git -C partial config remote.origin.url stall://nowhere
	cd partial
	PATH=$(realpath ../bin):$PATH mount_here
	trap 'touch "${MNT%/*}/go"; end_mount "$MNT"' EXIT
	cat "$MNT/@v1/data/file" >/dev/null
}

# ended PID...: none of them is there, but for one that nobody has reaped yet.
ended() {
	local pid
	for pid in "$@"; do
		gone "$pid" || return 1
	done
}

# waits PID: in a look-up that the server has not answered.
waits() {
	grep -q '^State:	[DS]' "/proc/$1/status" && grep -qE 'request_wait_answer|fuse|d_alloc' "/proc/$1/wchan"
}

test_killed_readers_end() {
	local readers=()
	new_stalled
	for i in {1..12}; do
		stat "$MNT/@v1/own/$i/file" >/dev/null 2>&1 &
		readers+=($!)
	done
	stat "$MNT/@v1/own/1/file" >/dev/null 2>&1 &
	readers+=($!)
	wait_for 20 test -e ../asked
	for reader in "${readers[@]}"; do
		wait_for 20 waits "$reader"
	done
	kill -9 "${readers[@]}"
	wait_for 20 ended "${readers[@]}"
	[ "$(counter interrupt)" -ge 1 ]
}

test_others_are_served_meanwhile() {
	local readers=()
	new_stalled
	for i in {1..40}; do
		stat "$MNT/@v1/own/$i/file" >/dev/null 2>&1 &
		readers+=($!)
	done
	wait_for 20 test -e ../asked
	for reader in "${readers[@]}"; do
		wait_for 20 waits "$reader"
	done
	[ "$(timeout 20 cat "$MNT/@main/data/file")" = recorded ]
	timeout 20 ls -l "$MNT/@v1/data" >/dev/null
	kill "${readers[@]}"
	wait_for 20 ended "${readers[@]}"
	# No thread stays for each of them.
	few_threads() {
		ls "$MNT" >/dev/null
		[ "$(ls "/proc/$(server_of "$MNT")/task" | wc -l)" -le $(($(nproc) * 4 + 20)) ]
	}
	wait_for 20 few_threads
}

run_tests
