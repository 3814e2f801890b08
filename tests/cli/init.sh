#!/bin/bash
# revfs init
. "${0%/*}/../cli/harness"

test_init_writes_and_stages_the_tracked_file() {
	new_repo
	expect revfs init <<-'END'
	wrote '.revfs/config' and added it to the index
	END
	expect git status --short <<-'END'
	A  .revfs/config
	END
	expect git config -f .revfs/config --list <<-'END'
	END
	expect stat -c %a .revfs .revfs/config <<-'END'
	755
	644
	END
	expect ls -A .revfs <<-'END'
	config
	END
}

test_init_twice_is_harmless() {
	new_repo
	revfs -q init
	git config -f .revfs/config snapshot.level 5
	cp .revfs/config before
	expect revfs init <<-'END'
	'.revfs/config' is there already
	END
	cmp before .revfs/config
	expect revfs init --json <<-'END'
	{"config":".revfs/config","created":false}
	END
}

test_init_works_from_below_and_goes_to_the_top() {
	new_repo
	mkdir -p a/b
	expect revfs -C a/b init --json <<-'END'
	{"config":".revfs/config","created":true}
	END
	expect git status --short <<-'END'
	A  .revfs/config
	END
}

test_init_quietly() {
	new_repo
	expect revfs -q init <<-'END'
	END
}

test_init_stages_what_gitignore_covers() {
	new_repo
	echo '.*' >.gitignore
	expect revfs init <<-'END'
	wrote '.revfs/config' and added it to the index
	END
	expect git ls-files <<-'END'
	.revfs/config
	END
}

test_init_leaves_other_staged_files_alone() {
	new_repo
	echo x >x
	echo y >y
	git add x
	revfs -q init
	expect git status --short <<-'END'
	A  .revfs/config
	A  x
	?? y
	END
}

test_init_in_a_worktree() {
	new_repo
	new_commit
	git worktree add -q ../tree
	expect revfs -C ../tree init <<-'END'
	wrote '.revfs/config' and added it to the index
	END
	expect git -C ../tree status --short <<-'END'
	A  .revfs/config
	END
	expect git status --short <<-'END'
	END
}

test_init_honours_GIT_DIR_GIT_WORK_TREE_and_GIT_INDEX_FILE() {
	git init -q --bare git
	git -C git config core.bare false
	mkdir tree
	GIT_DIR=git GIT_WORK_TREE=tree GIT_INDEX_FILE=$PWD/index expect revfs init <<-'END'
	wrote '.revfs/config' and added it to the index
	END
	[ -f tree/.revfs/config ]
	[ ! -e git/index ]
	GIT_DIR=git GIT_INDEX_FILE=$PWD/index expect git ls-files <<-'END'
	.revfs/config
	END
}

test_bare_repository_is_refused() {
	git init -q --bare bare
	expect revfs -C bare init <<-'END'
	--- stderr
	revfs: 'SCRATCH/test_bare_repository_is_refused/bare' is a bare repository, without a work tree: run this in a clone or worktree of it
	--- status 11
	END
}

test_outside_a_repository_is_refused() {
	expect revfs init --json <<-'END'
	--- stderr
	revfs: not in a git repository: 'git init' makes one here, 'revfs -C DIR' works in another folder
	{"error":{"code":10,"message":"not in a git repository: 'git init' makes one here, 'revfs -C DIR' works in another folder"}}
	--- status 10
	END
}

test_links_in_the_place_of_the_file_are_refused() {
	new_repo
	mkdir ../elsewhere
	ln -s ../elsewhere .revfs
	expect revfs init <<-'END'
	--- stderr
	revfs: '.revfs/config' must be a file in a folder of its own: remove what is in its place
	--- status 11
	END
	[ -z "$(ls -A ../elsewhere)" ]
	rm .revfs
	echo x >.revfs
	expect revfs init <<-'END'
	--- stderr
	revfs: '.revfs/config' must be a file in a folder of its own: remove what is in its place
	--- status 11
	END
	rm .revfs
	mkdir -p .revfs/config
	expect revfs init <<-'END'
	--- stderr
	revfs: '.revfs/config' must be a file in a folder of its own: remove what is in its place
	--- status 11
	END
}

test_index_that_is_locked_is_gits_message() {
	new_repo
	touch .git/index.lock
	expect_status 11 revfs init
	grep -q "revfs: wrote '.revfs/config', but 'git add' refused it: .*index.lock" "$SCRATCH/said.err"
	rm .git/index.lock
	expect revfs init <<-'END'
	'.revfs/config' is there already
	END
	expect git status --short <<-'END'
	A  .revfs/config
	END
}

test_read_only_work_tree() {
	new_repo
	give_to_user .
	chmod 555 .
	expect as_user revfs init <<-'END'
	--- stderr
	revfs: cannot write '.revfs/config': Permission denied
	--- status 12
	END
	chmod 755 .
	expect as_user revfs init <<-'END'
	wrote '.revfs/config' and added it to the index
	END
}

test_full_disk() {
	small_disk 64k disk
	git init -q -b main repo
	git -C repo config core.worktree "$PWD/disk"
	head -c 65536 /dev/zero >disk/filler 2>/dev/null || true
	expect revfs -C repo init <<-'END'
	--- stderr
	revfs: cannot write '.revfs/config': No space left on device
	--- status 8
	END
	[ -z "$(ls -A disk/.revfs)" ]
	rm disk/filler
	expect revfs -C repo init <<-'END'
	wrote '.revfs/config' and added it to the index
	END
}

test_repository_of_another_owner_is_refused_in_gits_words() {
	need_root
	new_repo
	FILTER='s/^\t/TAB /' expect as_user revfs init <<-'END'
	--- stderr
	revfs: detected dubious ownership in repository at 'SCRATCH/test_repository_of_another_owner_is_refused_in_gits_words/repo'
	To add an exception for this directory, call:
	
	TAB git config --global --add safe.directory SCRATCH/test_repository_of_another_owner_is_refused_in_gits_words/repo
	--- status 11
	END
}

run_tests
