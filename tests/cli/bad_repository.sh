#!/bin/bash
# Where there is nothing to work on: no repository, no commit, no such revision, no work tree.
. "${0%/*}/../cli/harness"

# Each command, with arguments it would take anywhere; those that need no repository are left out.
mkdir "$SCRATCH/mnt"
commands=("archive HEAD" "cat HEAD:x" "checkout" "diff" "du" "export HEAD $SCRATCH/out" "gc" "init" "log" "ls" "ls HEAD"
	"mount $SCRATCH/mnt" "snapshot x" "snapshot" "status" "verify")

test_not_a_repository_is_status_10_everywhere() {
	mkdir data
	for command in "${commands[@]}"; do
		# shellcheck disable=SC2086 # words
		expect revfs $command <<-'END'
		--- stderr
		revfs: not in a git repository: 'git init' makes one here, 'revfs -C DIR' works in another folder
		--- status 10
		END
	done
	for command in "${commands[@]}"; do
		# shellcheck disable=SC2086
		GIT_DIR=/nowhere expect_status 10 revfs $command
	done
}

test_no_commit_yet_says_what_to_do() {
	new_repo
	for command in "archive HEAD" "cat HEAD:x" "export HEAD $SCRATCH/out" ls "ls HEAD" "du" "log" "diff HEAD HEAD"; do
		# shellcheck disable=SC2086
		expect revfs $command <<-'END'
		--- stderr
		revfs: there is no commit yet: 'revfs snapshot PATH' or 'git commit' makes the first
		--- status 4
		END
	done
	[ ! -e "$SCRATCH/out" ]
	# With nothing to do, these are done.
	for command in status checkout verify gc; do
		expect_status 0 revfs "$command"
	done
}

test_unknown_revisions_are_status_4_everywhere() {
	new_dataset
	git tag v1
	for command in "archive v9" "export v9 $SCRATCH/out" "diff v9" "diff v1 v9" "log v9" "verify v9" "du v9:" "ls v9:" \
		"cat v9:data/a.txt" "archive v9:data" "export v9:data $SCRATCH/out"; do
		# shellcheck disable=SC2086
		expect_status 4 revfs $command
		grep -q "v9.*did you mean 'v1'" "$SCRATCH/said.err"
		[ ! -s "$SCRATCH/said.out" ]
	done
	[ ! -e "$SCRATCH/out" ]
}

test_unknown_paths_are_status_4_everywhere() {
	new_dataset
	for command in "archive HEAD:dada" "export HEAD:dada $SCRATCH/out" "ls HEAD:dada" "cat HEAD:dada" "du HEAD:dada"; do
		# shellcheck disable=SC2086
		expect revfs $command <<-'END'
		--- stderr
		revfs: path 'dada' does not exist in 'HEAD'; did you mean 'data'?
		--- status 4
		END
	done
	for command in "snapshot dada" "checkout dada" "status dada"; do
		# shellcheck disable=SC2086
		expect_status 4 revfs $command
		grep -q "'dada'" "$SCRATCH/said.err"
	done
	[ ! -e "$SCRATCH/out" ]
}

test_a_bare_repository_has_no_work_tree() {
	git init -q --bare bare
	for command in "checkout" "init" "snapshot" "snapshot x" "status"; do
		# shellcheck disable=SC2086
		expect revfs -C bare $command <<-'END'
		--- stderr
		revfs: 'SCRATCH/test_a_bare_repository_has_no_work_tree/bare' is a bare repository, without a work tree: run this in a clone or worktree of it
		--- status 11
		END
	done
}

test_a_repository_of_another_owner_is_refused_everywhere() {
	need_root
	new_repo
	for command in "${commands[@]}"; do
		# shellcheck disable=SC2086
		expect_status 11 as_user revfs $command
		grep -q 'git config --global --add safe.directory' "$SCRATCH/said.err"
	done
}

test_a_repository_that_git_cannot_read() {
	new_repo
	echo '[core' >.git/config
	for command in ls status "snapshot x"; do
		# shellcheck disable=SC2086
		expect_status 7 revfs $command
		grep -q 'bad config line 1' "$SCRATCH/said.err"
	done
}

test_no_git_in_PATH() {
	new_dataset
	ln -s "$REVFS" ../only-revfs
	for command in ls status "snapshot data"; do
		# shellcheck disable=SC2086
		expect_status 12 env PATH=/nowhere ../only-revfs $command
		grep -q "no 'git' in PATH" "$SCRATCH/said.err"
	done
}

run_tests
