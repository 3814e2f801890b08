#!/bin/bash
# Pointer files and the files beside them, case by case: what git tracks, what it moved, what is missing.
. "${0%/*}/../cli/harness"

# Twenty files in a dataset, committed.
new_data() {
	local i
	new_repo
	mkdir data
	for i in $(seq 20); do echo "$i" >"data/$i"; done
	revfs -q snapshot -m first data
}

test_files_that_git_tracks_are_refused() {
	new_repo
	mkdir data
	echo 1 >data/1
	echo 2 >data/2
	git add data/1
	expect revfs snapshot -m first data <<-'END'
	--- stderr
	revfs: git tracks files in 'data': run 'git rm -r --cached data' and 'git commit' first
	--- status 11
	END
	git commit -q -m tracked
	expect_status 11 revfs snapshot -m first data
	git rm -r -q --cached data
	expect revfs snapshot -m first data <<-'END'
	--- stderr
	revfs: the removal of 'data' from git is only staged: run 'git commit' first
	--- status 11
	END
	git commit -q -m untracked
	revfs -q snapshot -m first data
	expect revfs ls HEAD:data <<-'END'
	1
	2
	END
	[ ! -e .git/index.lock ]
}

test_git_has_the_name_beside_a_pointer() {
	new_data
	echo git >other
	cp data.revfs other.revfs
	new_commit both
	expect revfs cat HEAD:other <<-'END'
	git
	END
	# The dataset of that name is not snapshotted over Git's file.
	expect revfs snapshot other <<-'END'
	--- stderr
	revfs: git tracks files in 'other': run 'git rm -r --cached other' and 'git commit' first
	--- status 11
	END
}

test_what_is_no_pointer_is_an_ordinary_file_and_an_error_in_the_work_tree() {
	new_repo
	echo notes >notes.revfs
	mkdir notes
	echo 1 >notes/1
	git add notes.revfs
	git commit -q -m notes
	expect revfs cat HEAD:notes.revfs <<-'END'
	notes
	END
	expect revfs snapshot notes <<-'END'
	--- stderr
	revfs: 'notes.revfs', line 1: not a pointer file; 'git checkout HEAD -- notes.revfs' takes the committed one
	--- status 11
	END
	[ "$(cat notes.revfs)" = notes ]
}

test_conflict_markers_are_named_by_line() {
	new_data
	git switch -q -c other
	echo more >data/more
	revfs -q snapshot -m other
	git switch -q main
	revfs -q checkout
	echo else >data/else
	revfs -q snapshot -m main
	expect_status 1 git merge -q other
	expect revfs snapshot <<-'END'
	--- stderr
	revfs: 'data.revfs', line 3: conflict markers; 'git checkout HEAD -- data.revfs' takes the committed one
	--- status 11
	END
	expect revfs status <<-'END'
	data: data.revfs, line 3: conflict markers
	END
	expect revfs checkout <<-'END'
	--- stderr
	revfs: 'data.revfs', line 3: conflict markers; 'git checkout HEAD -- data.revfs' takes the committed one
	--- status 11
	END
	grep -q '^<<<<<<<' data.revfs
}

test_a_pointer_of_a_later_version_is_shown_and_not_written_over() {
	new_data
	echo 'future something' >>data.revfs
	git commit -q -a -m later
	expect revfs cat HEAD:data/7 <<-'END'
	7
	END
	echo more >data/more
	expect revfs snapshot -m more <<-'END'
	--- stderr
	revfs: 'data.revfs' was written by a later version of revfs: upgrade this one
	--- status 11
	END
	grep -q '^future' data.revfs
	expect revfs status <<-'END'
	data: written by a later version of revfs
	END
}

test_missing_files_are_never_taken_for_a_deletion() {
	new_data
	mv data ../kept
	expect revfs snapshot <<-'END'
	nothing changed
	END
	expect revfs snapshot data <<-'END'
	--- stderr
	revfs: 'data' is not in the work tree, which is not taken for a deletion: 'revfs checkout data' brings it back, 'git rm data.revfs' deletes the dataset
	--- status 11
	END
	mkdir data
	expect revfs snapshot <<-'END'
	--- stderr
	revfs: 'data' is empty, and had 20 files: 'revfs checkout data' brings them back, --force records the empty directory
	--- status 11
	END
	cp -p ../kept/7 ../kept/8 data
	expect revfs snapshot <<-'END'
	--- stderr
	revfs: 18 of 20 files in 'data' are gone, which is not taken for a deletion: 'revfs checkout data' brings them back, --force records what is there
	--- status 11
	END
	[ "$(git rev-list --count HEAD)" = 1 ]
	cp -p ../kept/9 data
	revfs -q snapshot -m 'seventeen are gone'
	expect revfs ls HEAD:data <<-'END'
	7
	8
	9
	END
	rm data/*
	revfs -q snapshot --force -m 'all gone'
	expect revfs ls HEAD:data <<-'END'
	END
}

test_moving_every_file_is_no_loss() {
	new_data
	mkdir data/folder
	mv data/[0-9]* data/folder
	FILTER='s/^read.*/read/;s/^commit .*/commit ID/' expect revfs snapshot -m moved <<-'END'
	data: 20 renamed
	read
	commit ID
	END
}

test_a_pointer_that_came_without_its_files() {
	new_data
	git clone -q . ../clone
	cd ../clone
	mkdir data
	echo mine >data/mine
	expect revfs snapshot -m mine data <<-'END'
	--- stderr
	revfs: 'data.revfs' came without its files, and 'data' was never the same as it: 'revfs checkout data' brings them together, --force records what is there
	--- status 11
	END
	expect revfs status <<-'END'
	data: never compared with its pointer ('revfs checkout data')
	END
}

test_git_rm_deletes_and_git_mv_renames() {
	new_data
	git rm -q data.revfs
	git commit -q -m removed
	expect revfs status <<-'END'
	no datasets: 'revfs snapshot DIR' makes one of a directory
	END
	[ -e data/7 ] # the files are left alone, and git leaves them alone
	[ -z "$(git status --porcelain)" ]
	git revert --no-edit HEAD >/dev/null
	expect revfs status <<-'END'
	data: unchanged
	END
	git mv data.revfs renamed.revfs
	mv data renamed
	git commit -q -m renamed
	expect revfs status <<-'END'
	renamed: never compared with its pointer ('revfs checkout renamed')
	END
	expect revfs checkout <<-'END'
	renamed: nothing to do
	END
	expect revfs status <<-'END'
	renamed: unchanged
	END
	echo more >renamed/more
	revfs -q snapshot -m more
	expect git show --name-only --format= HEAD <<-'END'
	.gitignore
	renamed.revfs
	END
}

test_another_branch_moved_the_pointer() {
	new_data
	git switch -q -c other
	echo more >data/more
	revfs -q snapshot -m other
	git switch -q main
	echo edit >>data/7
	expect revfs snapshot -m mine <<-'END'
	--- stderr
	revfs: 'data.revfs' changed since 'data' was last the same as it (another branch?): 'revfs checkout data' takes the pointer's files, --force records these
	--- status 11
	END
	expect revfs status <<-'END'
	data: the pointer changed since ('revfs checkout data', or 'revfs snapshot --force data')
	END
	expect revfs checkout <<-'END'
	data: 0 written, 1 removed
	END
	expect revfs status <<-'END'
	data: 1 modified
	END
	revfs -q snapshot -m mine
	expect revfs cat HEAD:data/7 <<-'END'
	7
	edit
	END
	[ ! -e data/more ]
	git switch -q other
	expect revfs checkout <<-'END'
	data: 2 written, 0 removed
	END
	expect cat data/7 data/more <<-'END'
	7
	more
	END
}

test_force_records_the_files_over_a_moved_pointer() {
	new_data
	git switch -q -c other
	echo more >data/more
	revfs -q snapshot -m other
	git switch -q main
	revfs -q snapshot --force -m both
	expect revfs cat HEAD:data/more <<-'END'
	more
	END
}

test_an_unfinished_checkout_refuses_a_snapshot() {
	new_data
	echo mine >data/more
	git switch -q -c other
	revfs -q snapshot -m other
	echo yours >data/more
	revfs -q snapshot -m other2
	git checkout -q HEAD~
	echo edit >data/more
	expect revfs checkout <<-'END'
	--- stderr
	revfs: 'data/more' is neither what it was nor what it should be, and is left: move it away, or let 'revfs checkout -f' replace it
	--- status 3
	END
	expect revfs snapshot -m no <<-'END'
	--- stderr
	revfs: a checkout of 'data' was not finished: 'revfs checkout data' finishes it
	--- status 11
	END
	mv data/more ../kept
	expect revfs checkout <<-'END'
	data: 1 written, 0 removed
	END
	[ "$(cat data/more)" = mine ]
	expect revfs status <<-'END'
	data: unchanged
	END
}

run_tests
