#!/bin/bash
# long
# revfs checkout: what it writes, what it leaves, the paths it takes; checkout_force.sh has -f.
. "${0%/*}/../cli/harness"
. "${0%/*}/checkout_world"

test_nothing_to_do() {
	new_dataset
	expect revfs checkout <<-'END'
	data: nothing to do
	END
	expect revfs -q checkout </dev/null
	expect revfs checkout --json <<-'END'
	{"dry_run":false,"datasets":[{"path":"data","written":0,"bytes":0,"removed":0,"conflicts":0,"failed":0}]}
	END
	expect revfs checkout -n </dev/null
}

test_no_datasets() {
	new_repo
	expect revfs checkout <<-'END'
	no datasets
	END
	expect revfs checkout . <<-'END'
	no datasets
	END
	expect revfs checkout --json <<-'END'
	{"dry_run":false,"datasets":[]}
	END
	expect revfs -q checkout </dev/null
}

test_a_clone_with_the_store_gets_its_files() {
	two_revisions
	git clone -q . ../clone
	cp -r .git/revfs ../clone/.git/
	rm -r ../clone/.git/revfs/worktree
	cd ../clone
	expect revfs checkout -n <<-'END'
	would write data/a.txt
	would write data/link
	would write data/more/new
	would write data/sub/b.txt
	END
	[ ! -e data ]
	expect revfs checkout <<-'END'
	data: 4 written, 0 removed
	END
	assert_is v2
	[ -z "$(git status --porcelain)" ]
	expect revfs status <<-'END'
	data: unchanged
	END
}

test_a_clone_without_the_store_says_what_it_lacks() {
	new_dataset
	git clone -q . ../clone
	expect revfs -C ../clone checkout <<-'END'
	--- stderr
	revfs: cannot read 'data': there is no store here, since 'git clone' copies pointers to data alone; 'revfs remote add' names where the data is
	--- status 7
	END
	[ ! -e ../clone/data ]
}

test_only_what_differs_is_written() {
	two_revisions
	point_to v1
	kept=$(stat -c '%i %Z' data/sub)
	expect revfs checkout -n <<-'END'
	would write data/a.txt
	would write data/large
	would write data/link
	would remove data/more/new
	would write data/sub/b.txt
	END
	expect revfs checkout -n --json <<-'END'
	{"dry_run":true,"datasets":[{"path":"data","written":4,"bytes":100009,"removed":1,"conflicts":0,"failed":0}]}
	END
	assert_is v2
	expect revfs status <<-'END'
	data: the pointer changed since ('revfs checkout data', or 'revfs snapshot --force data'); pointer not committed
	END
	expect revfs checkout <<-'END'
	data: 4 written, 1 removed
	END
	assert_is v1
	[ ! -e data/more ]
	# Only the executable bit of b.txt changed: the file is the one it was.
	[ "$kept" = "$(stat -c '%i %Z' data/sub)" ]
	point_to v2
	expect revfs checkout --json <<-'END'
	{"dry_run":false,"datasets":[{"path":"data","written":4,"bytes":17,"removed":1,"conflicts":0,"failed":0}]}
	END
	assert_is v2
	point_to v1
	expect revfs -q checkout </dev/null
	assert_is v1
}

test_files_have_the_time_of_writing() {
	new_dataset
	rm -r data
	touch -d '1 minute ago' ../before
	revfs -q checkout
	[ data/a.txt -nt ../before ]
	[ "$(stat -c %a data/a.txt data/sub | tr '\n' ' ')" = '644 755 ' ]
}

test_missing_files_come_back_and_changes_stay() {
	new_dataset
	rm data/large data/link
	echo mine >data/a.txt
	echo untracked >data/new
	expect revfs checkout <<-'END'
	data: 2 written, 0 removed
	END
	expect cat data/a.txt data/new <<-'END'
	mine
	untracked
	END
	expect revfs status <<-'END'
	data: 1 added, 1 modified
	END
}

test_what_changed_on_both_sides_is_left_and_named() {
	two_revisions
	echo mine >data/a.txt
	echo mine >data/more/new
	point_to v1
	expect revfs checkout -n <<-'END'
	would write data/large
	would write data/link
	would write data/sub/b.txt
	--- stderr
	revfs: 'data/a.txt' is neither what it was nor what it should be, and is left: move it away, or let 'revfs checkout -f' replace it
	revfs: 'data/more/new' is neither what it was nor what it should be, and is left: move it away, or let 'revfs checkout -f' replace it
	--- status 3
	END
	expect revfs checkout <<-'END'
	data: 3 written, 0 removed
	--- stderr
	revfs: 'data/a.txt' is neither what it was nor what it should be, and is left: move it away, or let 'revfs checkout -f' replace it
	revfs: 'data/more/new' is neither what it was nor what it should be, and is left: move it away, or let 'revfs checkout -f' replace it
	--- status 3
	END
	expect cat data/a.txt data/more/new <<-'END'
	mine
	mine
	END
	expect revfs status <<-'END'
	data: a checkout was not finished ('revfs checkout data' finishes it); pointer not committed
	END
	expect revfs checkout --json <<-'END'
	{"dry_run":false,"datasets":[{"path":"data","written":0,"bytes":0,"removed":0,"conflicts":2,"failed":0}]}
	--- stderr
	revfs: 'data/a.txt' is neither what it was nor what it should be, and is left: move it away, or let 'revfs checkout -f' replace it
	revfs: 'data/more/new' is neither what it was nor what it should be, and is left: move it away, or let 'revfs checkout -f' replace it
	{"error":{"code":3,"message":"'data/a.txt' is neither what it was nor what it should be, and is left: move it away, or let 'revfs checkout -f' replace it"}}
	--- status 3
	END
	# What the pointer says in the meantime is no conflict any more.
	printf 'one\n' >data/a.txt
	rm data/more/new
	expect revfs checkout <<-'END'
	data: nothing to do
	END
	assert_is v1
	expect revfs status <<-'END'
	data: unchanged; pointer not committed
	END
}

test_an_edit_of_what_both_revisions_share_is_kept() {
	two_revisions
	printf 'three\n' >data/third
	revfs -q snapshot -m third
	echo edit >>data/sub/b.txt
	point_to v2
	expect revfs checkout <<-'END'
	data: 0 written, 1 removed
	END
	expect cat data/sub/b.txt <<-'END'
	two
	edit
	END
}

test_the_number_of_threads_changes_nothing() {
	new_dataset
	cp -a data ../before
	for jobs in '-j 1' '-j7' '--jobs 2'; do
		rm -r data
		# shellcheck disable=SC2086 # words they are
		expect revfs checkout $jobs <<-'END'
		data: 4 written, 0 removed
		END
		diff -r data ../before
		echo "$jobs" >data/a.txt
		# shellcheck disable=SC2086
		revfs -q snapshot $jobs -m "$jobs"
		cp data/a.txt ../before
	done
	for jobs in '-j 0' '-j 1025' '-j 1x'; do
		# shellcheck disable=SC2086
		expect_status 2 revfs checkout $jobs
		# shellcheck disable=SC2086
		expect_status 2 revfs snapshot $jobs -m x
	done
}

test_a_path_inside_changes_only_that_part() {
	new_dataset
	echo mine >data/a.txt
	echo mine >data/sub/b.txt
	rm data/large
	expect revfs checkout data/sub <<-'END'
	data: nothing to do
	END
	FILTER='s/[0-9a-f]{64}/ROOT/' expect revfs checkout -f data/sub <<-'END'
	what was in 'data' is kept for 14 days: 'revfs export --root ROOT DIR'
	data: 1 written, 0 removed
	END
	[ "$(cat data/sub/b.txt data/a.txt)" = $'two\nmine' ]
	[ ! -e data/large ]
	cd data/sub
	expect revfs checkout ../large <<-'END'
	data: 1 written, 0 removed
	END
	[ -e ../large ]
	cd ..
	rm -r sub
	expect revfs checkout sub/b.txt <<-'END'
	data: 1 written, 0 removed
	END
	[ "$(cat sub/b.txt)" = two ]
}

test_a_path_inside_of_a_moved_pointer_leaves_the_rest_to_be_done() {
	two_revisions
	point_to v1
	expect revfs checkout data/a.txt <<-'END'
	data: 1 written, 0 removed
	END
	[ "$(cat data/a.txt)" = one ]
	[ -e data/more/new ] && [ ! -e data/large ]
	expect revfs status <<-'END'
	data: a checkout was not finished ('revfs checkout data' finishes it); pointer not committed
	END
	expect revfs snapshot -m no <<-'END'
	--- stderr
	revfs: a checkout of 'data' was not finished: 'revfs checkout data' finishes it
	--- status 11
	END
	expect revfs checkout data/more <<-'END'
	data: 0 written, 1 removed
	END
	expect revfs checkout <<-'END'
	data: 3 written, 0 removed
	END
	assert_is v1
	expect revfs status <<-'END'
	data: unchanged; pointer not committed
	END
}

test_a_dataset_and_a_path_in_it_at_once() {
	two_revisions
	point_to v1
	expect revfs checkout data data/a.txt <<-'END'
	data: 4 written, 1 removed
	data: nothing to do
	END
	expect revfs status <<-'END'
	data: unchanged; pointer not committed
	END
	point_to v2
	expect revfs checkout data/a.txt data <<-'END'
	data: 1 written, 0 removed
	data: 3 written, 1 removed
	END
	expect revfs status <<-'END'
	data: unchanged
	END
	assert_is v2
}

test_another_revision_in_the_middle_of_a_checkout() {
	two_revisions
	printf 'third\n' >data/a.txt
	tick
	revfs -q snapshot -m third
	git tag v3
	point_to v1
	revfs -q checkout data/a.txt data/large
	# Some files are those of v1 now, some those of v3; the user changes none.
	point_to v2
	expect revfs checkout <<-'END'
	data: 1 written, 1 removed
	END
	assert_is v2
}

test_paths_that_are_in_no_dataset() {
	new_dataset
	echo mine >data/a.txt
	expect revfs checkout nowhere <<-'END'
	--- stderr
	revfs: 'nowhere' is no dataset, nor in one
	--- status 4
	END
	expect revfs checkout plain.txt data <<-'END'
	data: nothing to do
	--- stderr
	revfs: 'plain.txt' is no dataset, nor in one
	--- status 3
	END
	expect revfs checkout data/nowhere <<-'END'
	--- stderr
	revfs: there is no 'nowhere' in the dataset 'data'
	--- status 4
	END
	expect revfs checkout -f data/a.txt/below <<-'END'
	--- stderr
	revfs: there is no 'a.txt/below' in the dataset 'data'
	--- status 4
	END
	[ "$(cat data/a.txt)" = mine ]
	expect revfs checkout ../elsewhere <<-'END'
	--- stderr
	revfs: '../elsewhere' is outside the repository 'SCRATCH/test_paths_that_are_in_no_dataset/repo'
	--- status 2
	END
	expect revfs status <<-'END'
	data: 1 modified
	END
	git clone -q . ../clone
	cp -r .git/revfs ../clone/.git/
	rm -r ../clone/.git/revfs/worktree
	expect_status 4 revfs -C ../clone checkout data/nowhere
	expect revfs -C ../clone status <<-'END'
	data: not checked out ('revfs checkout data')
	END
}

test_folders_stand_for_the_datasets_in_them() {
	new_repo
	mkdir -p sets/one sets/deep/two other
	echo 1 >sets/one/1
	echo 2 >sets/deep/two/2
	echo 3 >other/3
	revfs -q snapshot -m all sets/one sets/deep/two other
	rm -r sets/one sets/deep other/3
	git checkout -q -- sets
	expect revfs checkout sets <<-'END'
	sets/deep/two: 1 written, 0 removed
	sets/one: 1 written, 0 removed
	END
	[ ! -e other/3 ]
	cd sets
	rm one/1
	expect revfs checkout . <<-'END'
	sets/deep/two: nothing to do
	sets/one: 1 written, 0 removed
	END
	expect revfs checkout .. <<-'END'
	other: 1 written, 0 removed
	sets/deep/two: nothing to do
	sets/one: nothing to do
	END
}

test_pointer_files_name_their_datasets() {
	new_dataset
	printf 'pointer-like\n' >data/x.revfs
	printf 'x\n' >data/x
	revfs -q snapshot -m more
	rm data/x data/x.revfs
	expect revfs checkout data/x.revfs <<-'END'
	data: 1 written, 0 removed
	END
	[ -e data/x.revfs ] && [ ! -e data/x ]
	expect revfs checkout ./data.revfs <<-'END'
	data: 1 written, 0 removed
	END
	[ -e data/x ]
}

test_excluded_files_are_never_removed() {
	two_revisions
	git config revfs.snapshot.exclude '*.tmp'
	echo mine >data/more/x.tmp
	point_to v1
	expect revfs checkout <<-'END'
	data: 4 written, 1 removed
	END
	[ "$(cat data/more/x.tmp)" = mine ]
	revfs -q checkout -f
	[ "$(cat data/more/x.tmp)" = mine ]
}

test_an_interrupted_checkout_of_files_in_step_refuses_a_snapshot() {
	local i
	new_repo
	mkdir data
	for i in {1..600}; do echo "$i" >"data/$i"; done
	revfs -q snapshot -m many data
	cp -r data ../truth
	rm -r data
	revfs -q checkout &
	wait_for 20 test -e data/300
	kill -9 $! || skip "it was done sooner"
	wait $! || true
	[ "$(ls data | wc -l)" -lt 600 ] || skip "it was done sooner"
	expect revfs snapshot -m no <<-'END'
	--- stderr
	revfs: a checkout of 'data' was not finished: 'revfs checkout data' finishes it
	--- status 11
	END
	revfs -q checkout
	diff -r data ../truth
	[ "$(ls -A data | wc -l)" = 600 ]
	expect revfs status <<-'END'
	data: unchanged
	END
}

# Begun to one revision and then to another, and neither was finished: what the first wrote is not taken for an edit.
test_what_several_unfinished_checkouts_wrote_is_no_conflict() {
	two_revisions
	printf 'three\n' >data/a.txt
	revfs -q snapshot -m third
	git tag v3
	point_to v1
	revfs -q checkout data/a.txt
	[ "$(cat data/a.txt)" = one ]
	point_to v2
	revfs -q checkout data/sub
	revfs -q checkout
	assert_is v2
	# What neither wrote is an edit still.
	point_to v1
	revfs -q checkout data/sub
	point_to v3
	echo mine >data/a.txt
	expect revfs -q checkout data <<-'END'
	--- stderr
	revfs: 'data/a.txt' is neither what it was nor what it should be, and is left: move it away, or let 'revfs checkout -f' replace it
	--- status 3
	END
}

test_a_forced_snapshot_does_not_record_what_a_killed_checkout_left() {
	two_revisions
	point_to v1
	revfs -q checkout data/a.txt # the rest is yet to come
	echo half >data/.revfs-tmp-17-0
	ln -s nowhere data/more/.revfs-tmp-17-1
	revfs -q snapshot --force -m 'as it is'
	[ ! -e data/.revfs-tmp-17-0 ] && [ ! -L data/more/.revfs-tmp-17-1 ]
	revfs ls HEAD:data >../listed
	if grep tmp ../listed; then return 1; fi
	# Where no checkout is under way it is a file like any other.
	echo mine >data/.revfs-tmp-17-0
	revfs -q snapshot -m 'one of mine'
	expect revfs cat HEAD:data/.revfs-tmp-17-0 <<-'END'
	mine
	END
}

# Of a dataset that is one file, what is unfinished stands beside it.
test_what_a_killed_checkout_left_of_a_file_is_swept() {
	new_repo
	echo one >labels.csv
	revfs -q snapshot -m one labels.csv
	echo two >labels.csv
	revfs -q snapshot -m two
	rm labels.csv
	# As a kill leaves it: the record says that a checkout began.
	for record in .git/revfs/worktree/*.step; do
		sed -i 's/^root \(.*\)/&\ncheckout \1/' "$record"
	done
	echo tw >.revfs-tmp-17-0
	echo mine >.revfs-tmp-mine
	revfs -q checkout
	[ "$(cat labels.csv)" = two ] && [ ! -e .revfs-tmp-17-0 ] && [ -e .revfs-tmp-mine ]
}

test_a_part_of_what_is_of_another_type_now_is_refused() {
	new_repo
	mkdir -p data/sub
	echo 1 >data/sub/1
	echo 2 >data/2
	revfs -q snapshot -m folder data
	git tag folder
	rm -r data
	echo file >data
	revfs -q snapshot -m file --force data
	git checkout -q folder -- data.revfs
	expect revfs checkout data/sub <<-'END'
	--- stderr
	revfs: 'data' is, or was, a single file: 'revfs checkout data' brings all of it
	--- status 11
	END
	expect revfs checkout -f data/sub <<-'END'
	--- stderr
	revfs: 'data' is, or was, a single file: 'revfs checkout data' brings all of it
	--- status 11
	END
	[ "$(cat data)" = file ]
	revfs -q checkout data
	[ "$(cat data/sub/1)" = 1 ]
}

test_a_bad_path_leaves_the_others_to_be_done() {
	two_revisions
	rm data/a.txt
	expect revfs checkout ../outside data <<-'END'
	data: 1 written, 0 removed
	--- stderr
	revfs: '../outside' is outside the repository 'SCRATCH/test_a_bad_path_leaves_the_others_to_be_done/repo'
	--- status 3
	END
	[ -e data/a.txt ]
}

test_the_store_may_lie_behind_a_link() {
	two_revisions
	mv .git/revfs ../moved
	ln -s ../../moved .git/revfs
	rm data/a.txt
	revfs -q checkout
	[ -e data/a.txt ]
	echo more >data/more.txt
	revfs -q snapshot -m more
	revfs -q init
	expect revfs cat HEAD:data/more.txt <<-'END'
	more
	END
}

test_odd_names() {
	new_repo
	mkdir data
	printf 1 >data/$'new\nline'
	printf 2 >data/$'latin\xe9'
	revfs -q snapshot -m odd data
	rm data/*
	expect revfs checkout -n <<-'END'
	would write "data/latin\351"
	would write "data/new\nline"
	END
	expect revfs checkout data/$'latin\xe9' <<-'END'
	data: 1 written, 0 removed
	END
	mkdir $'odd\xe9'
	printf 3 >$'odd\xe9/3'
	revfs -q snapshot -m odd $'odd\xe9'
	expect revfs checkout --json $'odd\xe9' <<-'END'
	{"dry_run":false,"datasets":[{"path":"odd%E9","path_encoding":"percent","written":0,"bytes":0,"removed":0,"conflicts":0,"failed":0}]}
	END
}

test_damage_costs_one_file() {
	new_dataset
	seq 3000 >data/numbers
	tick
	revfs -q snapshot -m numbers
	rm -r data
	chmod -R u+w .git/revfs
	# The pack that has the numbers and nothing else.
	pack=$(find .git/revfs/packs -type f -newer .git/revfs/revfs-store -printf '%T@ %p\n' | sort -n | cut -d' ' -f2- |
		while read -r pack; do [ "$(od -An -tu1 -j64 -N1 "$pack" | tr -d ' ')" != 1 ] || echo "$pack"; done | tail -n 1)
	rm "$pack"
	expect revfs checkout <<-'END'
	data: 4 written, 0 removed
	--- stderr
	revfs: cannot read 'data/numbers': the data is missing from the store; 'revfs verify' names all that is damaged or missing
	--- status 3
	END
	[ "$(cat data/sub/b.txt)" = two ] && [ ! -e data/numbers ]
	# What could not be written must not be taken for deleted.
	expect revfs status <<-'END'
	data: a checkout was not finished ('revfs checkout data' finishes it)
	END
	expect_status 11 revfs snapshot -m no
	seq 3000 >data/numbers
	expect revfs checkout <<-'END'
	data: nothing to do
	END
	expect revfs status <<-'END'
	data: unchanged
	END
}

test_pointers_that_do_not_read() {
	new_dataset
	echo junk >data.revfs
	expect revfs checkout <<-'END'
	--- stderr
	revfs: 'data.revfs', line 1: not a pointer file; 'git checkout HEAD -- data.revfs' takes the committed one
	--- status 11
	END
	rm data.revfs
	expect revfs checkout </dev/null
	expect revfs checkout data <<-'END'
	--- stderr
	revfs: there is no 'data.revfs' in the work tree
	--- status 4
	END
}

test_usage() {
	new_repo
	expect revfs checkout --jobs 4x <<-'END'
	--- stderr
	revfs: '--jobs 4x': a number from 1 to 1024 is wanted
	see 'revfs help checkout'
	--- status 2
	END
	expect_status 2 revfs checkout -j 0
	expect_status 2 revfs checkout --jobs=-1
	expect_status 2 revfs checkout -j 1025
	expect revfs checkout -j 3 --no-pro <<-'END'
	no datasets
	END
	expect revfs checkout -x <<-'END'
	--- stderr
	revfs: unknown option '-x'
	usage: revfs checkout [-f | --ours | --theirs] [-n] [-j N] [--json] [--progress | --no-progress] [PATH...]
	--- status 2
	END
	cd ..
	expect revfs checkout <<-'END'
	--- stderr
	revfs: not in a git repository: 'git init' makes one here, 'revfs -C DIR' works in another folder
	--- status 10
	END
}

run_tests
