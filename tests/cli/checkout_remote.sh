#!/bin/bash
# revfs checkout where what the files came of lies at a remote that cannot be reached.
. "${0%/*}/../cli/harness"
. "${0%/*}/remote_world"

# A clone with two revisions: the store has the data of v1, only the remote that of v2.
new_clone() {
	export HOME=$PWD/home
	mkdir home
	new_repo origin
	mkdir data
	echo one >data/a
	revfs -q snapshot -m first data
	git tag v1
	echo two >data/a
	echo new >data/b
	revfs -q snapshot -m second
	git tag v2
	push_and_clone
	revfs -q fetch v1
}

# offline COMMAND...: nobody answers for the remote, and the cache has nothing.
offline() {
	local status=0
	revfs -q cache clear
	git config revfs.remote.lab.url http://127.0.0.1:9
	"$@" || status=$?
	git config revfs.remote.lab.url "$PWD/../store"
	return $status
}

refuses() {
	expect revfs checkout <<-'END'
	--- stderr
	revfs: cannot read 'data': Connection refused
	--- status 5
	END
}

test_leftovers_of_what_is_out_of_reach_are_nobodys_additions() {
	local root record
	new_clone
	root=$(git show v2:data.revfs | sed -n 's/^root sha256://p')
	git checkout -q v1
	revfs -q checkout
	# As a kill leaves it: one of two files is written.
	echo new >data/b
	record=$(echo .git/revfs/worktree/*.step)
	sed -i "/^root/a checkout $root" "$record"
	cp "$record" ../record
	offline refuses
	cmp "$record" ../record
	[ -e data/b ]
	revfs -q checkout
	[ ! -e data/b ]
	revfs status | grep -qx 'data: unchanged'
}

test_files_of_what_is_out_of_reach_are_nobodys_edits() {
	new_clone
	revfs -q checkout
	git checkout -q v1
	cp .git/revfs/worktree/*.step ../record
	offline refuses
	cmp .git/revfs/worktree/*.step ../record
	[ "$(cat data/a data/b)" = "two"$'\n'"new" ]
	expect revfs checkout <<-'END'
	data: 1 written, 1 removed
	END
}

run_tests
