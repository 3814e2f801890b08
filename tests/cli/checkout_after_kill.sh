#!/bin/bash
# revfs checkout where a snapshot was killed when its data was stored, and its pointer file not there yet: no pointer
# names what it stored, so the files are the user's edits still.
. "${0%/*}/../cli/harness"

# As if a snapshot of the files as they are was killed before it replaced the pointer file (without one: wrote it).
kill_snapshot() {
	local old=none
	[ ! -e data.revfs ] || { old=$(sed -n 's/^root sha256://p' data.revfs) && cp data.revfs ../old; }
	git rev-parse -q --verify HEAD >../head || rm ../head
	tick
	revfs -q snapshot -m killed data
	if [ -e ../head ]; then git update-ref HEAD "$(cat ../head)"; else git update-ref -d HEAD; fi
	git read-tree HEAD 2>/dev/null || git read-tree --empty
	sed -i "/^root/a replaces $old" .git/revfs/worktree/*.step
	[ "$old" = none ] && rm data.revfs || mv ../old data.revfs
}

new_first() {
	new_repo
	mkdir data
	echo one >data/a
	echo two >data/b
	revfs -q snapshot -m first data
}

test_edits_stay_and_the_snapshot_is_made_again() {
	new_first
	echo edited >data/a
	echo new >data/c
	kill_snapshot
	expect revfs checkout <<-'END'
	data: nothing to do
	END
	grep -qx edited data/a
	grep -qx new data/c
	expect revfs status <<-'END'
	data: 1 added, 1 modified
	END
	revfs -q snapshot -m second
	[ "$(revfs cat HEAD:data/a)" = edited ]
}

test_what_is_missing_comes_back_and_edits_stay() {
	new_first
	echo edited >data/a
	rm data/b
	kill_snapshot
	expect revfs checkout <<-'END'
	data: 1 written, 0 removed
	END
	grep -qx edited data/a
	grep -qx two data/b
	expect revfs status <<-'END'
	data: 1 modified
	END
}

test_edits_are_in_conflict_with_another_pointer() {
	new_first
	git branch -q first
	echo three >data/a
	revfs -q snapshot -m second
	git branch -q second
	git reset -q --hard first
	revfs -q checkout
	echo edited >data/a
	echo new >data/c
	kill_snapshot
	git checkout -q second
	expect revfs checkout <<-'END'
	--- stderr
	revfs: 'data/a' is neither what it was nor what it should be, and is left: move it away, or let 'revfs checkout -f' replace it
	--- status 3
	END
	grep -qx edited data/a
	grep -qx new data/c
	# What the record says from now on makes a conflict of it again.
	expect_status 3 revfs -q checkout
	grep -qx edited data/a
}

test_force_keeps_edits() {
	local kept
	new_first
	echo edited >data/a
	kill_snapshot
	kept=$(revfs checkout -f --json | sed -n 's/.*"kept":"\([0-9a-f]*\)".*/\1/p')
	[ -n "$kept" ]
	grep -qx one data/a
}

test_a_first_snapshot_names_nothing_yet() {
	new_first
	git branch -q theirs
	git checkout -q --orphan mine
	git rm -q -r --cached .
	rm -r data data.revfs .gitignore .revfs .git/revfs/worktree/*.step
	mkdir data
	echo mine >data/a
	echo two >data/b
	echo alone >data/c
	kill_snapshot
	rm -rf .gitignore .revfs
	git checkout -q theirs
	expect revfs checkout <<-'END'
	--- stderr
	revfs: 'data/a' is neither what it was nor what it should be, and is left: move it away, or let 'revfs checkout -f' replace it
	--- status 3
	END
	grep -qx mine data/a
	grep -qx alone data/c
}

test_a_first_snapshot_is_made_again() {
	new_repo
	mkdir data
	echo one >data/a
	kill_snapshot
	revfs -q snapshot -m first data
	expect revfs status <<-'END'
	data: unchanged
	END
	not grep -q replaces .git/revfs/worktree/*.step
}

run_tests
