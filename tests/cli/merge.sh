#!/bin/bash
# Git merges and shows datasets: the drivers that 'revfs install' sets up.
. "${0%/*}/../cli/harness"

# edit MESSAGE COMMAND: a snapshot of what COMMAND does in data/.
edit() {
	tick
	(cd data && eval "$2")
	revfs -q snapshot -m "$1"
}

# switch ARGUMENT...: with the data.
switch() {
	git switch -q "$@"
	revfs -q checkout
}

# Two branches from one dataset: main has OURS and topic THEIRS done in it.
two_branches() {
	new_dataset
	revfs -q install
	git branch topic
	edit ours "$1"
	switch topic
	edit theirs "$2"
	switch main
}

# is WANTED...: what the data are, from the revision alone.
tree_is() {
	local rev=$1
	shift
	rm -rf ../out
	revfs -q export "$rev:data" ../out
	diff <(printf '%s\n' "$@") <(cd ../out && grep -rs . --exclude=large --exclude=link | sort)
}

test_different_files_merge_by_themselves() {
	two_branches 'echo ours >a.txt; echo new >sub/n.txt' 'echo theirs >sub/b.txt; mkdir t; echo t >t/t'
	git merge -q topic 2>../said
	[ ! -s ../said ]
	tree_is HEAD a.txt:ours sub/b.txt:theirs sub/n.txt:new t/t:t
	# The same as if somebody had made it by hand.
	revfs -q checkout
	diff -r data ../out
	expect revfs snapshot <<-'END'
	nothing changed
	END
	expect revfs verify HEAD <<-'END'
	checked 5 revisions, 4 datasets, 9 pages, 1 chunk, 98.7 KiB: no damage
	END
}

test_rebase_and_cherry_pick_merge_too() {
	two_branches 'echo ours >a.txt' 'echo theirs >sub/b.txt'
	edit more 'echo more >more'
	git branch before
	git rebase -q topic >../said 2>&1
	tree_is HEAD a.txt:ours more:more sub/b.txt:theirs
	[ "$(git rev-list --count topic..HEAD)" = 2 ]
	git switch -q topic
	git cherry-pick before >../said 2>&1
	tree_is HEAD a.txt:one more:more sub/b.txt:theirs
	git revert --no-edit HEAD >../said 2>&1
	[ "$(git rev-parse HEAD:data.revfs)" = "$(git rev-parse HEAD~2:data.revfs)" ]
}

test_nothing_but_pages_is_fetched() {
	two_branches 'head -c 200000 /dev/urandom >ours' 'head -c 200000 /dev/urandom >theirs'
	git remote add origin .
	revfs remote add lab ../store
	revfs -q push lab main topic
	git clone -q . ../clone
	cd ../clone
	git config revfs.remote.lab.url "$SCRATCH/$(basename "$(dirname "$PWD")")/store"
	git config revfs.io-timeout 5
	revfs -q install
	export XDG_CACHE_HOME=$PWD/../cache
	# The data is not even there.
	mkdir ../packs
	find ../store/packs -type f -size +90k -exec mv -t ../packs {} +
	[ "$(find ../packs -type f | wc -l)" -ge 2 ]
	git merge -q origin/topic 2>../said
	[ ! -s ../said ]
	[ "$(du -sk .git/revfs | cut -f1)" -lt 90 ]
	expect_status 0 git diff HEAD^ HEAD
	grep -q '^A data/theirs (195.3 KiB)$' "$SCRATCH/said.out"
	not revfs -q export HEAD:data ../none 2>/dev/null
	for pack in ../packs/*; do
		name=${pack##*/}
		mv "$pack" "../store/packs/${name:0:2}/"
	done
	revfs -q export HEAD:data ../out
	cmp ../repo/data/ours ../out/ours
	git -C ../repo switch -q topic
	revfs -q -C ../repo checkout
	cmp ../repo/data/theirs ../out/theirs
	# What was merged is pushed like a snapshot.
	revfs -q push lab
	git clone -q . ../third
	git -C ../third config revfs.remote.lab.url "$(git config revfs.remote.lab.url)"
	revfs -q -C ../third export HEAD:data "$PWD/../whole"
	diff -r ../out ../whole
}

conflicts() {
	two_branches 'echo ours >a.txt; rm sub/b.txt; echo x >both; echo o >own' \
		'echo theirs, long >a.txt; echo changed >sub/b.txt; echo y >both; echo t >theirs'
	expect_status 1 git merge topic
}

test_conflicts_are_named() {
	conflicts
	diff - "$SCRATCH/said.err" <<-'END'
	revfs: conflict in 'data/a.txt': ours has a file of 5 bytes, theirs has a file of 13 bytes
	revfs: conflict in 'data/both': ours has a file of 2 bytes, theirs has a file of 2 bytes
	revfs: conflict in 'data/sub/b.txt': ours deleted it, theirs has a file of 8 bytes
	'data' is merged, with ours where there is a conflict: 'revfs checkout data' brings it, then 'revfs checkout --theirs PATH' takes theirs, and 'revfs snapshot data' says that it is resolved
	END
	grep -q 'Merge conflict in data.revfs' "$SCRATCH/said.out"
	[ "$(git ls-files -u data.revfs | wc -l)" = 3 ]
	not git commit -q -m 'too early' 2>/dev/null
	git diff --ours >../diff
	[ "$(head -n 1 ../diff)" = 'data.revfs: in conflict' ]
	grep -q '^A data/theirs (2 bytes)$' ../diff
	expect revfs status <<-'END'
	data: the pointer changed since ('revfs checkout data', or 'revfs snapshot --force data'); in conflict, until 'revfs snapshot data' says that it is resolved
	  conflict in 'data/a.txt': ours has a file of 5 bytes, theirs has a file of 13 bytes
	  conflict in 'data/both': ours has a file of 2 bytes, theirs has a file of 2 bytes
	  conflict in 'data/sub/b.txt': ours deleted it, theirs has a file of 8 bytes
	END
	revfs status --json | grep -q '"conflicts":\[{"path":"a.txt"},{"path":"both"},{"path":"sub/b.txt"}\]'
}

test_conflicts_are_resolved_file_by_file() {
	conflicts
	expect revfs checkout --theirs data/a.txt <<-'END'
	--- stderr
	revfs: the files of 'data' are not what was merged: 'revfs checkout data' first
	--- status 11
	END
	revfs -q checkout data
	diff <(cd data && grep -rs . --exclude=large --exclude=link | sort) - <<-'END'
	a.txt:ours
	both:x
	own:o
	theirs:t
	END
	expect revfs checkout --theirs data/a.txt data/sub/b.txt <<-'END'
	data: 1 written, 0 removed
	data: 1 written, 0 removed
	END
	[ "$(cat data/a.txt data/sub/b.txt data/both)" = $'theirs, long\nchanged\nx' ]
	[ "$(revfs cat topic:data/both HEAD:data/both)" = $'y\nx' ]
	# Back and forth; what is the user's own is kept first.
	revfs -q checkout --ours data/sub/b.txt
	[ ! -e data/sub/b.txt ]
	echo mine >data/a.txt
	revfs checkout --ours data/a.txt >../said
	grep -q '^what was in .data. is kept for 14 days' ../said
	[ "$(cat data/a.txt)" = ours ]
	revfs -q checkout --theirs data/a.txt
	echo by hand >data/both
	expect revfs snapshot <<-'END'
	--- stderr
	revfs: 'data.revfs' is in conflict: 'revfs snapshot data' says that it is resolved
	--- status 11
	END
	revfs snapshot data >../said 2>&1
	grep -q 'staged, not committed: a merge is in progress' ../said
	[ -z "$(git ls-files -u)" ]
	git commit -q --no-edit
	tree_is HEAD 'a.txt:theirs, long' 'both:by hand' own:o theirs:t
	expect revfs checkout --ours data/a.txt <<-'END'
	--- stderr
	revfs: 'data.revfs' is not in conflict, so there is no such side: 'revfs checkout PATH' takes what it says
	--- status 11
	END
}

test_sides_are_of_paths_in_a_dataset() {
	conflicts
	revfs -q checkout
	expect revfs checkout --ours <<-'END'
	--- stderr
	revfs: --ours and --theirs need the paths that are in conflict
	see 'revfs help checkout'
	--- status 2
	END
	expect revfs checkout --theirs data <<-'END'
	--- stderr
	revfs: 'data' is a whole dataset: name the files in it that are in conflict, or take all of one side with 'git checkout --theirs -- data.revfs'
	--- status 11
	END
	expect revfs checkout --theirs data/none <<-'END'
	--- stderr
	revfs: there is no 'none' in the dataset 'data'
	--- status 4
	END
	# Nothing of that left a trace.
	expect revfs checkout --theirs --ours data/a.txt <<-'END'
	--- stderr
	revfs: --ours and --theirs are two sides: give one of them
	see 'revfs help checkout'
	--- status 2
	END
	revfs -q snapshot data
	git commit -q --no-edit
	tree_is HEAD a.txt:ours both:x own:o theirs:t
}

test_many_conflicts_are_counted() {
	two_branches 'for i in $(seq 30); do echo o >f$i; done' 'for i in $(seq 30); do echo tt >f$i; done'
	expect_status 1 git merge topic
	grep -q "^revfs: and 10 more in 'data'$" "$SCRATCH/said.err"
	[ "$(wc -l <"$SCRATCH/said.err")" = 22 ]
}

# Two merges of the same two commits, each resolved in its way: what both came from is no side's.
test_a_merge_of_merges_asks_again() {
	two_branches 'echo ours >a.txt' 'echo theirs >a.txt; echo t >t'
	git branch other topic
	expect_status 1 git merge topic
	revfs -q checkout
	echo first >data/a.txt
	revfs -q snapshot data
	git commit -q --no-edit
	switch other
	expect_status 1 git merge main^
	revfs -q checkout
	# What is HEAD's already is staged all the same.
	revfs -q checkout --ours data/a.txt
	revfs -q snapshot data
	git commit -q --no-edit
	switch main
	expect_status 1 git merge other
	diff <(grep -v is.merged "$SCRATCH/said.err") - <<-'END'
	revfs: conflict in 'data/a.txt': ours has a file of 6 bytes, theirs has a file of 7 bytes
	END
}

test_without_the_pages_nobody_takes_it_for_merged() {
	two_branches 'echo ours >a.txt' 'echo theirs >sub/b.txt'
	git clone -q . ../clone
	cd ../clone
	revfs -q install
	git config revfs.io-timeout 1
	expect_status 1 git merge origin/topic
	grep -q "^revfs: cannot read 'data'" "$SCRATCH/said.err"
	grep -q '^<<<<<<< ours$' data.revfs
	[ "$(grep -c ^root data.revfs)" = 2 ]
	expect_status 11 revfs checkout
	expect_status 11 revfs snapshot data
	# With them it can be tried again.
	cp -r ../repo/.git/revfs/. .git/revfs/
	git checkout -q -m -- data.revfs
	git add data.revfs
	git commit -q --no-edit
	tree_is HEAD a.txt:ours sub/b.txt:theirs
}

test_files_and_what_is_no_pointer() {
	new_repo
	echo one >file
	revfs -q snapshot -m one file
	printf '1\n2\n3\n4\n5\n' >text.revfs
	git add text.revfs
	git commit -q -m text
	revfs -q install
	git branch topic
	echo two >file
	sed -i 1s/.*/one/ text.revfs
	git commit -q -a -m ours
	revfs -q snapshot -m ours file
	git switch -q topic
	revfs -q checkout file
	echo three >file
	sed -i 5s/.*/five/ text.revfs
	git commit -q -a -m theirs
	revfs -q snapshot -m theirs file
	git switch -q main
	expect_status 1 git merge topic
	[ "$(tr '\n' ' ' <text.revfs)" = 'one 2 3 4 five ' ]
	diff "$SCRATCH/said.err" - <<-'END'
	revfs: conflict in 'file': changed by both sides, and not as a directory; it is left as ours has it
	'git checkout --theirs -- file.revfs' takes theirs, 'git add' says that it is resolved, and 'revfs checkout file' brings it
	END
	git checkout -q --theirs -- file.revfs
	git add file.revfs
	git commit -q --no-edit
	revfs -q checkout file
	[ "$(cat file)" = three ]
	git diff HEAD^ HEAD >../diff
	grep -q '^M file (4 bytes -> 6 bytes)$' ../diff
	grep -q '^+five$' ../diff
	[ "$(git diff HEAD^2 HEAD --no-ext-diff | grep '^[-+][^-+]')" = $'-1\n+one' ]
}

test_diff_shows_what_changed() {
	two_branches 'echo ours >a.txt; rm sub/b.txt; chmod +x large; echo n >n' 'true'
	expect git diff HEAD^ HEAD -- data.revfs <<-'END'
	data: 1 added, 2 modified, 1 deleted, +97.6 KiB, -97.6 KiB
	M data/a.txt (4 bytes -> 5 bytes)
	M data/large (now executable)
	A data/n (2 bytes)
	D data/sub/b.txt (4 bytes)
	END
	FILTER='s/^index .*/index B/' expect git log -p -1 --format=%s -- data.revfs <<-'END'
	ours
	
	diff --git a/data.revfs b/data.revfs
	index B
	--- a/data.revfs
	+++ b/data.revfs
	@@ -1,6 +1,6 @@
	 4 files, 97.6 KiB
	-a.txt 4 bytes 2c8b08da5ce6
	-large 97.6 KiB 7e9470bdc204
	+a.txt 5 bytes 13102ad5e68a
	+large 97.6 KiB 7e9470bdc204 executable
	 link symlink 18b7cb099a9e
	+n 2 bytes a4fb621495a0
	 sub/
	-sub/b.txt 4 bytes 27dd8ed44a83
	END
	git log -p --format= -- data.revfs >../log
	not grep -q sha256 ../log
}

test_diff_of_many_is_cut() {
	new_dataset
	revfs -q install
	tick
	(cd data/sub && seq 60 | xargs touch && mkdir many && cd many && seq 1100 | xargs touch)
	revfs -q snapshot -m many
	git diff HEAD^ HEAD -- data.revfs >../diff
	[ "$(wc -l <../diff)" = 52 ]
	[ "$(tail -n 1 ../diff)" = "and 1,110 more, which 'revfs diff' names" ]
	git log -p -1 --format= -- data.revfs >../log
	grep -qE '^\+sub/ 1,161 files, 4 bytes [0-9a-f]{12}$' ../log
	[ "$(wc -l <../log)" -lt 30 ]
	# A dataset that comes and one that goes.
	git rm -q data.revfs
	git commit -q -m gone
	git diff HEAD^ HEAD -- data.revfs | grep -q '^data: 1,164 deleted'
}

test_diff_without_the_pages_has_the_numbers() {
	two_branches 'echo ours >a.txt' 'true'
	rm -rf .git/revfs
	FILTER='s/ \(what.*//' expect git diff HEAD^ HEAD -- data.revfs <<-'END'
	data: 4 files, 97.6 KiB -> 4 files, 97.6 KiB
	END
	git log -p -1 --format= -- data.revfs >../log
	[ "$(grep -cE '^[-+]4 files, 97.6 KiB [0-9a-f]{12}$' ../log)" = 2 ]
}

test_uninstall_leaves_no_trace() {
	new_dataset
	mkdir -p .git/info
	printf '*.bin -text' >.git/info/attributes
	cp -r .git ../before
	revfs -q install
	git check-attr merge diff -- deep/x.revfs >../said
	[ "$(grep -c ': revfs$' ../said)" = 2 ]
	[ "$(git config merge.revfs.driver)" = 'revfs merge-driver %O %A %B %L %P' ]
	FILTER='s/,"hooks".*/}/' expect revfs install --json <<-'END'
	{"hook":"SCRATCH/test_uninstall_leaves_no_trace/repo/.git/hooks/pre-push","changed":false,"attributes":"SCRATCH/test_uninstall_leaves_no_trace/repo/.git/info/attributes","attributes_changed":false}
	END
	FILTER='\|/hooks/post-|d' expect revfs uninstall <<-'END'
	SCRATCH/test_uninstall_leaves_no_trace/repo/.git/hooks/pre-push: removed
	SCRATCH/test_uninstall_leaves_no_trace/repo/.git/info/attributes: removed
	END
	[ "$(cat .git/info/attributes)" = '*.bin -text' ]
	cmp .git/config ../before/config
	rm .git/info/attributes
	revfs -q install
	revfs -q uninstall
	[ ! -e .git/info/attributes ]
	# What somebody set otherwise stays.
	git config merge.revfs.driver mine
	FILTER='\|/hooks/post-|d' expect revfs install <<-'END'
	SCRATCH/test_uninstall_leaves_no_trace/repo/.git/hooks/pre-push: 'git push' pushes the data first
	--- stderr
	revfs: 'merge.revfs.driver' is set to something else: 'git config --unset-all merge.revfs.driver' first
	--- status 11
	END
	revfs -q uninstall
	[ "$(git config merge.revfs.driver)" = mine ]
}

test_arguments_are_git_s() {
	new_repo
	expect revfs merge-driver a b <<-'END'
	--- stderr
	revfs: Git gives five arguments: %O %A %B %L %P
	see 'revfs help merge-driver'
	--- status 2
	END
	expect revfs diff-driver a b <<-'END'
	--- stderr
	revfs: Git gives one argument with --textconv; one, seven or nine without
	see 'revfs help diff-driver'
	--- status 2
	END
}

run_tests
