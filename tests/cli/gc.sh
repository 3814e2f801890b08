#!/bin/bash
# revfs gc: what it says, condemning first and deleting later, what stops it.
. "${0%/*}/../cli/harness"

random() {
	head -c "$1" /dev/zero | openssl enc -aes-128-ctr -pass "pass:$2" -nosalt -iter 1 2>/dev/null
}

# Two snapshots of data that do not compress; the second is forgotten by Git and by the work tree.
new_garbage() {
	new_repo
	mkdir data
	random 60000 one >data/one
	revfs -q snapshot -m one data >/dev/null
	mkdir more
	random 100000 two >more/two
	tick
	revfs -q snapshot -m two more >/dev/null
	git reset -q --hard HEAD~1
	rm -r more .git/revfs/worktree/*
	git reflog expire --expire=now --all
}

stored() {
	find .git/revfs/packs -type f | wc -l
}

test_nothing_to_remove() {
	new_dataset
	expect revfs gc <<-'END'
	nothing to remove
	END
	expect revfs -q gc
}

test_no_store_yet() {
	new_repo
	expect revfs gc <<-'END'
	nothing to remove
	END
}

test_condemned_first_deleted_later() {
	new_garbage
	[ "$(stored)" = 4 ]
	expect revfs gc <<-'END'
	nothing to remove
	END
	expect revfs gc --keep 0 <<-'END'
	condemned: 2 packs and 1 root, 98.5 KiB; the next run deletes them
	END
	[ "$(stored)" = 4 ]
	find .git/revfs/packs .git/revfs/roots -type f -exec touch -d '2 hours ago' {} +
	expect revfs gc --keep 1h <<-'END'
	waiting: 2 packs and 1 root, 98.5 KiB, condemned by an earlier run
	END
	expect revfs gc --keep 0s <<-'END'
	deleted: 2 packs and 1 root, 98.5 KiB
	END
	[ "$(stored)" = 2 ]
	expect revfs gc --keep 0 <<-'END'
	nothing to remove
	END
	cmp <(random 60000 one) <(revfs cat HEAD:data/one)
}

test_dry_run_changes_nothing() {
	new_garbage
	find .git/revfs -printf '%p %s %T@\n' | sort >../before
	expect revfs gc -n --keep 0 <<-'END'
	would be condemned: 2 packs and 1 root, 98.5 KiB; the next run deletes them
	END
	find .git/revfs -printf '%p %s %T@\n' | sort >../after
	cmp ../before ../after
}

test_needed_again() {
	local commit
	new_garbage
	commit=$(git fsck --unreachable --no-reflogs 2>/dev/null | sed -n 's/^unreachable commit //p')
	revfs -q gc --keep 0
	git branch back "$commit"
	expect revfs gc --keep 0 <<-'END'
	needed again: 2 packs and 1 root, 98.5 KiB, condemned by an earlier run
	END
	cmp <(random 100000 two) <(revfs cat back:more/two)
}

test_mostly_dead_packs_are_written_anew() {
	new_repo
	mkdir data
	random 60000 one >data/one
	random 500000 two >data/two
	revfs -q snapshot -m both data >/dev/null
	rm data/two
	tick
	revfs -q snapshot -m one >/dev/null
	git reset -q --soft HEAD~1
	git commit -q --amend -m one
	git reflog expire --expire=now --all
	FILTER='s/[0-9.]+ KiB/N KiB/g' expect revfs gc --keep 0 <<-'END'
	condemned: 2 packs and 1 root, N KiB; the next run deletes them
	written: N KiB, what is alive in 1 mostly dead pack
	END
	revfs -q gc --keep 0
	[ "$(du -sk .git/revfs | cut -f1)" -lt 200 ]
	cmp <(random 60000 one) <(revfs cat HEAD:data/one)
}

test_json() {
	new_garbage
	FILTER='s/"seconds":[0-9.]+/"seconds":S/;s/"bytes":[1-9][0-9]*/"bytes":N/g' expect revfs gc --keep 0 --json <<-'END'
	{"dry_run":false,"keep_seconds":0,"store":{"packs":4,"roots":2,"bytes":N},"live_pages":1,"live_chunks":1,"deleted":{"packs":0,"roots":0,"bytes":0},"condemned":{"packs":2,"roots":1,"bytes":N},"waiting":{"packs":0,"roots":0,"bytes":0},"reprieved":{"packs":0,"roots":0,"bytes":0},"repacked_packs":0,"written_bytes":0,"unreadable_packs":0,"swept":0,"seconds":S}
	END
}

test_unreadable_page_stops_it() {
	local root
	new_garbage
	root=$(sed -n 's/^root sha256://p' data.revfs)
	rm -r .git/revfs/packs .git/revfs/roots .git/revfs/hints
	expect revfs gc --keep 0 <<-END
	--- stderr
	revfs: nothing was removed: the page $root of the dataset 'data' of the commit $(git rev-parse HEAD) cannot be read: it is missing; 'revfs verify' says what that touches
	--- status 7
	END
}

test_pointer_of_a_later_version_stops_it() {
	new_garbage
	printf 'revfs 2\n' >x.revfs
	expect revfs gc --keep 0 <<-'END'
	--- stderr
	revfs: nothing was removed: the pointer file 'SCRATCH/test_pointer_of_a_later_version_stops_it/repo/x.revfs' is of a later version of revfs, upgrade this one
	--- status 11
	END
	[ "$(stored)" = 4 ]
}

test_usage() {
	new_repo
	expect revfs gc --keep soon <<-'END'
	--- stderr
	revfs: 'soon' is no length of time: a number and s, m, h or d
	see 'revfs help gc'
	--- status 2
	END
	expect revfs gc HEAD <<-'END'
	--- stderr
	revfs: gc takes no arguments: 'HEAD'
	see 'revfs help gc'
	--- status 2
	END
}

test_outside_of_a_repository() {
	expect revfs gc <<-'END'
	--- stderr
	revfs: not in a git repository: 'git init' makes one here, 'revfs -C DIR' works in another folder
	--- status 10
	END
}

run_tests
