#!/bin/bash
# revfs checkout -f: what it replaces and what it stores first; what else stands in the way.
. "${0%/*}/../cli/harness"
. "${0%/*}/checkout_world"

test_force_stores_what_it_destroys() {
	two_revisions
	echo precious >data/a.txt
	echo untracked >data/untracked
	mv data ../mine && cp -a ../mine data
	point_to v1
	expect revfs checkout -n -f <<-'END'
	would write data/a.txt
	would write data/large
	would write data/link
	would remove data/more/new
	would write data/sub/b.txt
	END
	FILTER='s/[0-9a-f]{64}/ROOT/' expect revfs checkout -f <<-'END'
	what was in 'data' is kept for 14 days: 'revfs export --root ROOT DIR'
	data: 4 written, 1 removed
	END
	rm data/untracked
	assert_is v1
	root=$(sed -n "s/^what .*--root \([0-9a-f]*\) DIR'$/\1/p" "$SCRATCH/said.out")
	revfs -q export --root "$root" ../kept
	diff -r --no-dereference ../mine ../kept
	expect revfs status <<-'END'
	data: unchanged; pointer not committed
	END
	# gc leaves it for that time, and no longer.
	revfs -q gc
	revfs -q export --root "$root" ../kept2
	find .git/revfs/packs .git/revfs/roots -type f -exec touch -d '15 days ago' {} +
	revfs -q gc
	find .git/revfs/condemned -type f -exec touch -d '15 days ago' {} +
	revfs -q gc --keep 0
	expect_status 4 revfs export --root "$root" ../kept3
}

test_force_undoes_changes_of_a_pointer_in_step() {
	new_dataset
	echo mine >data/a.txt
	rm data/large
	expect revfs checkout -n -f <<-'END'
	would write data/a.txt
	would write data/large
	END
	expect revfs checkout --force --json <<-'END'
	{"dry_run":false,"datasets":[{"path":"data","written":2,"bytes":100004,"removed":0,"conflicts":0,"failed":0,"kept":"7c0b669d8a42d80b99e55e681fb36cdd810b01c58bfd1070381b185f9c29335d"}]}
	END
	assert_is HEAD
}

test_force_prints_the_id_also_quietly() {
	new_dataset
	echo mine >data/a.txt
	FILTER='s/[0-9a-f]{64}/ROOT/' expect revfs -q checkout -f <<-'END'
	what was in 'data' is kept for 14 days: 'revfs export --root ROOT DIR'
	END
}

test_force_that_destroys_nothing_stores_nothing() {
	two_revisions
	echo untracked >data/untracked
	point_to v1
	find .git/revfs/packs -type f | sort >../before
	expect revfs checkout -f <<-'END'
	data: 4 written, 1 removed
	END
	find .git/revfs/packs -type f | sort | diff ../before -
	[ "$(cat data/untracked)" = untracked ]
}

test_force_replaces_nothing_that_it_cannot_store() {
	new_dataset
	echo precious >data/a.txt
	mkdir -p data/sub/.git
	expect revfs checkout -f <<-'END'
	--- stderr
	revfs: 'data/sub/.git' is a name that git or a file system takes for .git: rename or remove it
	revfs: 'data' is left as it was: -f stores what it replaces, and cannot store that
	--- status 11
	END
	[ "$(cat data/a.txt)" = precious ]
	rmdir data/sub/.git
	expect_status 0 revfs checkout -f
	[ "$(cat data/a.txt)" = one ]
}

test_force_stores_what_a_change_of_kind_destroys() {
	local root
	new_dataset
	git tag dir
	rm -r data
	printf 'a file\n' >data
	tick
	revfs -q snapshot -m file data >/dev/null
	git tag file
	point_to dir
	revfs -q checkout
	assert_is dir
	echo untracked >data/sub/untracked
	point_to file
	expect revfs checkout <<-'END'
	data: 0 written, 4 removed
	--- stderr
	revfs: 'data' is neither what it was nor what it should be, and is left: move it away, or let 'revfs checkout -f' replace it
	--- status 3
	END
	[ "$(cat data/sub/untracked)" = untracked ]
	expect revfs checkout <<-'END'
	--- stderr
	revfs: 'data' is neither what it was nor what it should be, and is left: move it away, or let 'revfs checkout -f' replace it
	--- status 3
	END
	revfs -q checkout -f >../said
	[ "$(cat data)" = 'a file' ]
	root=$(sed -n "s/^what .*--root \([0-9a-f]*\) DIR'$/\1/p" ../said)
	revfs -q export --root "$root" ../kept
	[ "$(cat ../kept/sub/untracked)" = untracked ]
	# And a file of the user's where a folder shall be.
	echo 'my file' >data
	point_to dir
	revfs -q checkout -f >../said
	assert_is dir
	root=$(sed -n "s/^what .*--root \([0-9a-f]*\) DIR'$/\1/p" ../said)
	revfs -q export --root "$root" ../kept-file
	[ "$(cat ../kept-file)" = 'my file' ]
}

test_links_of_the_user_are_not_followed() {
	new_dataset
	mkdir ../outside
	echo safe >../outside/b.txt
	rm -r data/sub
	ln -s ../../outside data/sub
	expect revfs checkout <<-'END'
	data: nothing to do
	END
	FILTER='s/[0-9a-f]{64}/ROOT/' expect revfs checkout -f <<-'END'
	what was in 'data' is kept for 14 days: 'revfs export --root ROOT DIR'
	data: 1 written, 0 removed
	END
	assert_is HEAD
	[ "$(cat ../outside/b.txt)" = safe ]
	mv data moved
	ln -s moved data
	expect revfs checkout <<-'END'
	--- stderr
	revfs: 'data' is, or lies behind, a symlink or something else: move it away
	--- status 11
	END
}

test_a_dataset_that_is_a_file() {
	new_repo
	printf 'id,label\n' >labels.csv
	revfs -q snapshot -m labels labels.csv
	rm labels.csv
	expect revfs status <<-'END'
	labels.csv: not checked out ('revfs checkout labels.csv')
	END
	expect revfs checkout -n <<-'END'
	would write labels.csv
	END
	expect revfs checkout <<-'END'
	labels.csv: 1 written, 0 removed
	END
	[ "$(cat labels.csv)" = id,label ]
	echo mine >labels.csv
	expect revfs checkout labels.csv <<-'END'
	labels.csv: nothing to do
	END
	FILTER='s/[0-9a-f]{64}/ROOT/' expect revfs checkout -f labels.csv <<-'END'
	what was in 'labels.csv' is kept for 14 days: 'revfs export --root ROOT DIR'
	labels.csv: 1 written, 0 removed
	END
	root=$(sed -n "s/^what .*--root \([0-9a-f]*\) DIR'$/\1/p" "$SCRATCH/said.out")
	revfs -q export --root "$root" ../kept
	[ "$(cat labels.csv ../kept)" = $'id,label\nmine' ]
	expect revfs checkout labels.csv/x <<-'END'
	--- stderr
	revfs: there is no 'x' in the dataset 'labels.csv'
	--- status 4
	END
}

test_a_second_checkout_waits_and_then_says_busy() {
	new_dataset
	(
		flock 9
		exec sleep 60
	) 9<.git/revfs/worktree/lock &
	holder=$!
	wait_for 5 sh -c '! flock -n .git/revfs/worktree/lock true'
	expect revfs checkout -n </dev/null
	expect revfs checkout <<-'END'
	--- stderr
	revfs: another snapshot or checkout is at work in this work tree
	--- status 9
	END
	kill $holder
	wait $holder || true
}

run_tests
