#!/bin/bash
# Attached datasets and what git, mv, cp and rm do to the work tree around them.
. "${0%/*}/attach_world"

IDS='s/[0-9a-f]{12}/ID/; s/[0-9.]+ s$/S s/; s/read .*/READ/; s/^commit .*/commit/; /^mounted at/d; /^not known/d'

# The data stays where it is: at the remote.
test_a_renamed_folder_is_not_stored_again() {
	new_lab
	revfs -q attach
	head -c 3000000 /dev/urandom >data/sub/large
	for i in {1..30}; do
		head -c 20000 /dev/urandom >data/sub/$i
	done
	revfs -q snapshot -m large
	revfs -q push --yes
	revfs -q detach
	cd ..
	git clone -q clone again
	cd again
	git config revfs.remote.lab.url "$(realpath ../lab)"
	revfs -q attach
	mv data/sub data/moved
	FILTER='s/^read .*/read/;s/^commit.*/commit/' expect revfs snapshot -m moved <<-'END'
	data: 32 renamed
	read
	commit
	END
	[ "$(du -bs .git/revfs/packs | cut -f 1)" -lt 30000 ]
	[ "$(du -bs ../lab | cut -f 1)" -gt 3000000 ]
	revfs -q push --yes
	[ "$(du -bs ../lab | cut -f 1)" -lt 3700000 ]
	cmp data/moved/large <(revfs cat HEAD:data/moved/large)
	revfs -q detach
	revfs -q checkout
	cmp data/moved/large <(revfs cat HEAD~1:data/sub/large)
}

test_a_clone_that_is_moved_while_attached() {
	new_lab
	revfs -q attach
	echo one >data/a
	cd ..
	mv clone moved
	cd moved
	TOP=$PWD
	exec 9<data/sub/b
	expect revfs attach <<-'END'
	--- stderr
	revfs: 'data' was moved while it was attached, and is in use: 'fuser -vm data' tells by whom
	--- status 9
	END
	expect_status 9 revfs detach -f
	exec 9<&-
	[ "$(cat data/a)" = one ]
	FILTER=$IDS expect revfs attach <<-'END'
	data: attached again, with what was changed, at ID (3 files, 3.8 KiB)
	END
	[ "$(cat data/a data/sub/b)" = "$(printf 'one\nb')" ]
	[ "$(count_mounts)" = 2 ]
	revfs snapshot -m one | grep -qx 'data: 1 modified'
	revfs -q detach
	nothing_is_left
}

test_a_clone_that_is_moved_after_a_restart() {
	new_lab
	revfs -q attach
	echo one >data/a
	unmount_all
	cd ..
	mkdir other
	mv clone other/moved
	ln -s other/moved clone
	cd clone
	# What is in its place is empty, which is no deletion.
	expect_status 11 revfs snapshot -m nothing
	revfs -q attach
	[ "$(cat data/a)" = one ]
	revfs snapshot -m one | grep -qx 'data: 1 modified'
	revfs -q detach
	nothing_is_left
}

test_a_copy_is_a_clone_of_its_own() {
	new_lab
	revfs -q attach
	echo one >data/a
	cp -ax ../clone ../copy
	cd ../copy
	expect_status 11 revfs snapshot -m nothing
	revfs -q attach
	[ "$(cat data/a)" = a ]
	echo copy >data/copy
	revfs snapshot -m copy | grep -qx 'data: 1 added'
	revfs -q detach
	[ "$(count_mounts)" = 2 ]
	[ "$(cat ../clone/data/a)" = one ] && [ ! -e ../clone/data/copy ]
	cd ../clone
	revfs snapshot -m one | grep -qx 'data: 1 modified'
	revfs -q detach
	nothing_is_left
}

test_links_lead_to_the_same() {
	new_lab
	ln -s clone ../link
	cd ../link
	revfs -q attach
	echo one >data/a
	cd ../clone
	expect revfs attach <<-'END'
	data: attached already
	END
	cd ../link
	revfs snapshot -m one | grep -qx 'data: 1 modified'
	revfs -q detach
	nothing_is_left
}

test_a_work_tree_of_any_name() {
	new_lab $'w,x:y\\z \n\xff q'
	# fuse-overlayfs takes no colon there.
	[ "$(id -u)" = 0 ] || git config revfs.attachDir "$(realpath ../lab)"
	revfs -q attach
	expect revfs attach <<-'END'
	data: attached already
	END
	echo one >data/a
	FILTER=$IDS expect revfs status <<-'END'
	data: 1 modified; attached
	END
	unmount_all
	revfs -q attach
	revfs snapshot -m one | grep -qx 'data: 1 modified'
	revfs -q detach
	nothing_is_left
}

test_commands_work_inside() {
	new_lab
	revfs -q attach
	cd data/sub
	echo two >b
	FILTER=$IDS expect revfs status <<-'END'
	data: 1 modified; attached
	END
	expect revfs attach <<-'END'
	data: attached already
	END
	revfs snapshot -m two | grep -qx 'data: 1 modified'
	[ "$(revfs cat HEAD:./b)" = two ] || [ "$(revfs cat HEAD:data/sub/b)" = two ]
	# This shell is in it.
	expect revfs detach <<-'END'
	--- stderr
	revfs: cannot detach 'data': it is in use; 'fuser -vm data' tells by whom
	--- status 9
	END
}

test_no_work_tree_and_one_elsewhere() {
	new_lab
	git clone -q --bare ../repo ../bare
	expect_status 11 revfs -C ../bare attach
	expect_status 11 revfs -C ../bare detach
	mkdir ../elsewhere
	cd ../elsewhere
	TOP=$PWD
	export GIT_DIR=$PWD/../bare GIT_WORK_TREE=$PWD
	git checkout -q -f main
	revfs -q attach
	echo one >data/a
	FILTER=$IDS expect revfs snapshot -m one <<-'END'
	data: 1 modified
	READ
	commit
	END
	expect revfs detach <<-'END'
	data: detached
	END
	nothing_is_left
}

test_a_submodule() {
	new_lab
	git init -q ../super
	cd ../super
	git -c protocol.file.allow=always submodule --quiet add ../repo mod
	cd mod
	revfs -q attach
	echo one >data/a
	[ -z "$(git status --porcelain)" ]
	revfs snapshot -m one | grep -qx 'data: 1 modified'
	[ "$(git -C .. status --porcelain mod)" = 'AM mod' ]
	revfs -q detach
	nothing_is_left
}

test_git_clean_and_rm_are_as_in_a_folder() {
	new_lab
	revfs -q attach
	echo one >data/a
	git stash -q -u
	[ "$(cat data/a)" = one ]
	not git clean -qxdf 2>/dev/null
	[ -z "$(ls -A data)" ]
	before=$(git rev-parse HEAD)
	expect_status 11 revfs snapshot -m cleaned
	find . -mindepth 1 -maxdepth 1 ! -name .git -exec rm -rf {} + 2>/dev/null || true
	git checkout -q .
	expect_status 11 revfs snapshot -m removed
	[ "$(git rev-parse HEAD)" = "$before" ]
	revfs -q detach -f
	nothing_is_left
	revfs -q attach
	[ "$(cat data/a)" = a ]
}

test_what_rm_leaves_of_a_clone_can_be_unmounted() {
	new_lab
	revfs -q attach
	echo one >data/a
	cd ..
	not rm -rf clone 2>/dev/null
	expect_status 10 revfs -C clone detach
	umount clone/data 2>/dev/null || fusermount3 -u clone/data
	revfs umount clone/.git/revfs/attached/mount
	rm -rf clone
	[ "$(count_mounts)" = 0 ] && [ -z "$(servers)" ]
}

test_a_worktree_that_git_removed() {
	local option
	new_lab
	revfs -q attach
	for option in '' --force; do
		git worktree add -q -f ../second HEAD
		revfs -C ../second -q attach
		# shellcheck disable=SC2086
		not git worktree remove $option ../second 2>/dev/null
		expect revfs attach <<-'END'
		data: attached already
		--- stderr
		revfs: warning: 'SCRATCH/test_a_worktree_that_git_removed/second/data' is attached, and its work tree is gone: 'revfs detach SCRATCH/test_a_worktree_that_git_removed/second/data' ends that
		END
		revfs -q detach -f "${TOP%/*}/second/data" 2>/dev/null
		[ "$(cat data/a)" = a ]
		rm -r ../second
		git worktree prune
	done
	revfs -q detach
	nothing_is_left
}

test_a_dataset_that_git_renames() {
	new_lab
	revfs -q attach
	cat data/a data/sub/b >/dev/null
	# No data but what is here.
	mv ../lab ../lab.away
	git mv data.revfs other.revfs
	git commit -q -m renamed
	expect_status 0 revfs snapshot -m nothing
	FILTER=$IDS expect revfs attach <<-'END'
	other: attached at ID (3 files, 3.8 KiB)
	data: detached
	END
	[ "$(cat other/a other/sub/b)" = "$(printf 'a\nb')" ] && [ ! -e data ]
	# With changes it waits for somebody to say what they are.
	echo mine >other/mine
	git mv other.revfs third.revfs
	git commit -q -m 'renamed again'
	FILTER=$IDS expect revfs attach <<-'END'
	third: attached at ID (3 files, 3.8 KiB)
	--- stderr
	revfs: 'other' has changes that are in no snapshot, and HEAD has no such dataset: 'revfs snapshot other' makes one of it again, 'revfs detach -f other' drops them
	--- status 3
	END
	[ "$(cat other/mine)" = mine ]
}

# A folder of it moved within: its data is where it was.
test_a_folder_that_moves_needs_no_data() {
	new_lab
	git -C "$TOP" config revfs.fetchWait 1 || true
	revfs -q attach
	mv data/sub data/moved
	revfs snapshot -m moved >../said
	grep -qx 'data: 1 renamed' ../said
	[ "$(cat data/moved/b)" = b ]
}

test_a_pointer_in_conflict() {
	new_lab
	git switch -q -c theirs
	revfs -q attach
	echo theirs >data/a
	revfs -q snapshot -m theirs >/dev/null
	git switch -q main
	revfs -q attach
	echo ours >data/a
	revfs -q snapshot -m ours >/dev/null
	not git merge -q theirs >/dev/null
	FILTER=$IDS expect revfs attach <<-'END'
	data: now at ID (3 files, 3.8 KiB)
	END
	[ "$(cat data/a)" = ours ]
	expect_status 11 revfs snapshot -m early
	expect_status 11 revfs snapshot -m early data
	revfs -q detach
	expect revfs attach <<-'END'
	--- stderr
	revfs: 'data.revfs' is in conflict: 'revfs checkout data' and 'revfs snapshot data' resolve it, 'git merge --abort' goes back; or name a revision
	--- status 11
	END
	nothing_is_left
	git merge --abort
	revfs -q attach
}

test_a_pointer_that_is_gone() {
	new_lab
	revfs -q attach
	echo one >data/a
	rm data.revfs
	FILTER=$IDS expect revfs status <<-'END'
	data: the pointer file is gone ('git checkout HEAD -- data.revfs', or 'git rm data.revfs'); attached
	END
	expect_status 11 revfs detach
	[ "$(cat data/a)" = one ]
	git checkout -q HEAD -- data.revfs
	revfs snapshot -m one | grep -qx 'data: 1 modified'
}

# As in a plain folder, git writes over what it ignores; what it wrote and took away again is no loss of what is recorded.
test_a_folder_of_git_in_its_place() {
	new_lab
	git switch -q -c plain
	git rm -q data.revfs
	mkdir data
	echo plain >data/a
	git add -f data
	git commit -q -m plain
	git switch -q main
	revfs -q attach
	echo mine >data/mine
	git switch -q plain
	expect_status 11 revfs attach
	expect_status 11 revfs snapshot -m plain data
	[ "$(cat data/mine)" = mine ]
	git switch -q main
	[ "$(cat data/mine)" = mine ]
	FILTER=$IDS expect revfs status <<-'END'
	data: 1 added, 1 deleted; attached
	END
}

test_a_dataset_that_becomes_a_file() {
	new_lab
	git switch -q -c file
	git rm -q data.revfs
	echo file >data
	revfs -q snapshot -m file data >/dev/null
	rm data
	expect_status 11 revfs attach data
	expect revfs attach <<-'END'
	data: a single file, not attached: 'revfs checkout' brings it
	END
	nothing_is_left
	git switch -q main
	revfs -q attach
	git switch -q file
	expect revfs attach <<-'END'
	data: detached
	END
	revfs -q checkout data
	[ "$(cat data)" = file ]
	nothing_is_left
}

run_tests
