#!/bin/bash
# Remotes are opened by the first reader who needs one: one who gives up, or whom git keeps waiting, spoils it for nobody.
. "${0%/*}/common"

TAGS=40

# A repository whose data lies at ../store alone, with tags v0, v1...; the test stands beside it.
new_pushed() {
	need_mount
	new_repo origin
	mkdir data
	echo recorded >data/file
	revfs -q snapshot -m one data >/dev/null
	revfs remote add lab "$(realpath ..)/store"
	revfs -q push
	git add .revfs/config
	git commit -q -m remote
	for ((i = 0; i < TAGS; i++)); do
		git tag "v$i"
	done
	cd ..
}

# A git in front of the real one that waits where it is to tell settings while ../hang is there, once ../asked is.
hanging_git() {
	local real
	real=$(command -v git)
	mkdir bin
	cat >bin/git <<-END
		#!/bin/sh
		if [ "\$1" = config ] && [ -e '$PWD/hang' ]; then
			: >'$PWD/asked'
			while [ -e '$PWD/hang' ]; do sleep 0.1; done
		fi
		exec '$real' "\$@"
	END
	chmod +x bin/git
}

check_interrupted() {
	local reader
	touch ../hang
	cat "$MNT/@v2/data/file" >/dev/null 2>&1 &
	reader=$!
	wait_for 20 test -e ../asked
	kill -9 "$reader"
	wait_for 20 gone "$reader"
	# The server has given up, too: who comes now is served.
	rm ../hang
	[ "$(timeout 60 cat "$MNT/@v2/data/file")" = recorded ]
}

test_first_reader_who_gives_up_leaves_the_remotes_to_others() {
	new_pushed
	git clone -q origin clone
	hanging_git
	cd clone
	PATH=$(realpath ../bin):$PATH mount_here
	check_interrupted
}

# new_bare: a partial clone of it without a work tree, whose settings git has to fetch, mounted; its promisor fails until
# ../hang is there, hangs then, and answers once ../go is.
new_bare() {
	local settings
	new_pushed
	git -C origin config uploadpack.allowFilter true
	git clone -q --bare --filter=blob:none "file://$PWD/origin" partial
	# All but the settings is here.
	settings=$(git -C partial rev-parse v2:.revfs/config)
	git -C origin rev-list --objects --all --no-object-names | grep -v "$settings" |
		git -C partial cat-file --batch >/dev/null
	[ "$(GIT_NO_LAZY_FETCH=1 git -C partial rev-list --objects --all --missing=print | grep '^?')" = "?$settings" ]
	cat >upload-pack <<-END
		#!/bin/sh
		[ -e '$PWD/hang' ] || [ -e '$PWD/go' ] || exit 1
		: >'$PWD/asked'
		until [ -e '$PWD/go' ]; do sleep 0.1; done
		exec git-upload-pack "\$@"
	END
	chmod +x upload-pack
	git -C partial config remote.origin.uploadpack "$PWD/upload-pack"
	git -C partial config fetch.writeCommitGraph false
	git -C partial config maintenance.auto false
	cd partial
	mount_here "$@" 2>/dev/null
	trap 'touch "${MNT%/*}/go"; end_mount "$MNT"' EXIT
	touch ../hang
}

count_parked() { [ "$(counter parked)" = "$1" ]; }

test_settings_that_git_fetches_hold_up_nobody() {
	local readers=()
	new_bare
	for ((i = 0; i < TAGS; i++)); do
		cat "$MNT/@v$i/data/file" >"../got$i" 2>/dev/null &
		readers+=($!)
	done
	wait_for 20 test -e ../asked
	wait_for 20 count_parked "$TAGS"
	timeout 20 ls "$MNT" "$MNT/@main/data.revfs" >/dev/null
	touch ../go
	for reader in "${readers[@]}"; do
		wait "$reader"
	done
	for ((i = 0; i < TAGS; i++)); do
		[ "$(cat "../got$i")" = recorded ]
	done
}

test_settings_that_git_did_not_fetch_in_time_are_fetched_later() {
	new_bare -o io-timeout=1s
	not timeout 60 cat "$MNT/@v2/data/file" 2>../said
	cat ../said "$MNT/.revfs/errors"
	grep -q 'Input/output error' ../said
	touch ../go
	[ "$(timeout 60 cat "$MNT/@v2/data/file")" = recorded ]
}

run_tests
