#!/bin/bash
# What REV, REV:PATH and PATH name, by way of `revfs ls` and `revfs cat`: on a repository of Git's files alone.
. "${0%/*}/../cli/harness"

# Two commits, a tag and branches; the second has dir/c.
small_repo() {
	new_repo
	mkdir -p dir/sub
	echo a >dir/a
	echo b >dir/sub/b
	echo top >top
	new_commit one
	git tag v1
	echo c >dir/c
	new_commit two
	git branch feature/x v1
}

test_a_revision_alone_is_its_top() {
	small_repo
	for revision in v1 HEAD~1 HEAD^ main~1 feature/x refs/tags/v1 "$(git rev-parse v1)" "$(git rev-parse --short v1)" \
		v1: HEAD~1:. HEAD^:./; do
		expect revfs ls "$revision" <<-'END'
		dir
		top
		END
	done
}

test_no_argument_is_the_current_directory_in_HEAD() {
	small_repo
	expect revfs ls <<-'END'
	dir
	top
	END
	expect revfs -C dir ls <<-'END'
	a
	c
	sub
	END
	expect revfs -C dir/sub ls <<-'END'
	b
	END
}

test_a_path_alone_is_relative_and_of_HEAD() {
	small_repo
	for path in dir ./dir dir/ dir/. dir//sub/.. "$PWD/dir"; do
		expect revfs ls "$path" <<-'END'
		a
		c
		sub
		END
	done
	expect revfs -C dir cat c sub/b ../top ../dir/a <<-'END'
	c
	b
	top
	a
	END
	expect revfs -C dir/sub ls .. <<-'END'
	a
	c
	sub
	END
}

test_a_path_of_a_revision_counts_from_the_root() {
	small_repo
	expect revfs -C dir ls v1:dir <<-'END'
	a
	sub
	END
	expect revfs -C dir ls v1:./sub <<-'END'
	b
	END
	expect revfs -C dir ls v1:../dir/sub <<-'END'
	b
	END
	expect revfs -C dir ls HEAD:sub <<-'END'
	--- stderr
	revfs: path 'sub' does not exist in 'HEAD'
	--- status 4
	END
}

test_what_is_both_is_an_error_and_both_ways_out_work() {
	small_repo
	mkdir v1
	echo x >v1/x
	git add -A
	git commit -q -m three
	expect revfs ls v1 <<-'END'
	--- stderr
	revfs: 'v1' is both a revision and a path: write 'v1:' for the revision, './v1' for the path
	--- status 2
	END
	expect revfs ls ./v1 <<-'END'
	x
	END
	expect revfs ls v1: <<-'END'
	dir
	top
	END
	# Only in HEAD, not on disk, is as ambiguous.
	rm -r v1
	expect_status 2 revfs ls v1
	expect revfs ls ./v1 <<-'END'
	x
	END
}

test_names_with_colons() {
	small_repo
	echo x >'v1:top'
	echo y >'a:b'
	git add -A
	git commit -q -m colons
	expect revfs cat v1:top <<-'END'
	--- stderr
	revfs: 'v1:top' is both a revision's path and a file: write './v1:top' for the file
	--- status 2
	END
	expect revfs cat ./v1:top a:b HEAD:a:b <<-'END'
	x
	y
	y
	END
}

test_unknown_revisions_name_what_is_near() {
	small_repo
	expect revfs ls v2 <<-'END'
	--- stderr
	revfs: 'v2' is neither a revision nor a path; did you mean 'v1'?
	--- status 4
	END
	expect revfs ls mian:dir <<-'END'
	--- stderr
	revfs: there is no revision 'mian'; did you mean 'main'?
	--- status 4
	END
	expect revfs ls qqqqqq:dir <<-'END'
	--- stderr
	revfs: there is no revision 'qqqqqq': 'git branch -a' and 'git tag' list them
	--- status 4
	END
	expect revfs ls HEAD~2 <<-'END'
	--- stderr
	revfs: there is no revision 'HEAD~2': the history of 'HEAD' does not go back that far
	--- status 4
	END
	expect revfs ls v1^2: <<-'END'
	--- stderr
	revfs: there is no revision 'v1^2': the history of 'v1' does not go back that far
	--- status 4
	END
	expect revfs ls --json 0000000000000000000000000000000000000000:x <<-'END'
	--- stderr
	revfs: there is no revision '0000000000000000000000000000000000000000': 'git branch -a' and 'git tag' list them
	{"error":{"code":4,"message":"there is no revision '0000000000000000000000000000000000000000': 'git branch -a' and 'git tag' list them"}}
	--- status 4
	END
}

test_unknown_paths_name_what_is_near() {
	small_repo
	expect revfs ls v1:dri/sub <<-'END'
	--- stderr
	revfs: path 'dri/sub' does not exist in 'v1'; did you mean 'dir'?
	--- status 4
	END
	expect revfs ls v1:dir/sbu/b <<-'END'
	--- stderr
	revfs: path 'dir/sbu/b' does not exist in 'v1'; did you mean 'dir/sub'?
	--- status 4
	END
	expect revfs ls v1:dir/a/x <<-'END'
	--- stderr
	revfs: path 'dir/a/x' does not exist in 'v1': 'dir/a' is no directory
	--- status 4
	END
	expect revfs ls v1:dir/c <<-'END'
	--- stderr
	revfs: path 'dir/c' exists on disk, but not in 'v1': 'revfs snapshot' or 'git commit' records it
	--- status 4
	END
	expect revfs ls zzz <<-'END'
	--- stderr
	revfs: 'zzz' is neither a revision nor a path of 'HEAD'
	--- status 4
	END
}

test_paths_outside_the_repository_are_usage_errors() {
	small_repo
	expect revfs ls /etc/passwd <<-'END'
	--- stderr
	revfs: '/etc/passwd' is outside the repository 'SCRATCH/test_paths_outside_the_repository_are_usage_errors/repo'
	--- status 2
	END
	expect revfs -C dir ls ../.. <<-'END'
	--- stderr
	revfs: '../..' is outside the repository 'SCRATCH/test_paths_outside_the_repository_are_usage_errors/repo'
	--- status 2
	END
	expect revfs ls HEAD:../x <<-'END'
	--- stderr
	revfs: '../x' is outside the repository 'SCRATCH/test_paths_outside_the_repository_are_usage_errors/repo'
	--- status 2
	END
	expect revfs ls HEAD:/top <<-'END'
	--- stderr
	revfs: '/top' is outside the repository 'SCRATCH/test_paths_outside_the_repository_are_usage_errors/repo'
	--- status 2
	END
	expect revfs ls '' <<-'END'
	--- stderr
	revfs: an empty argument names nothing
	see 'revfs help ls'
	--- status 2
	END
	expect revfs ls :top <<-'END'
	--- stderr
	revfs: ':top' names no revision before its colon; 'HEAD:top' does
	see 'revfs help ls'
	--- status 2
	END
}

test_no_commit_yet_says_what_to_do() {
	new_repo
	echo x >x
	for argument in '' HEAD HEAD:x x main HEAD~1; do
		# shellcheck disable=SC2086 # nothing is no argument
		expect_status 4 revfs ls $argument
	done
	expect revfs ls <<-'END'
	--- stderr
	revfs: there is no commit yet: 'revfs snapshot PATH' or 'git commit' makes the first
	--- status 4
	END
	expect revfs cat x <<-'END'
	--- stderr
	revfs: there is no commit yet: 'revfs snapshot PATH' or 'git commit' makes the first
	--- status 4
	END
}

test_ambiguous_abbreviations_ask_for_more_digits() {
	new_repo
	# Of 300 commits two begin with the same 4 digits (in this fixed world; the loop finds which).
	tree=$(git mktree </dev/null)
	for ((i = 0; i < 600; i++)); do
		git commit-tree -m "$i" "$tree"
	done >ids
	while read -r id; do
		echo "create refs/heads/$id $id"
	done <ids | git update-ref --stdin
	short=$(cut -c1-4 ids | sort | uniq -d | head -1)
	[ -n "$short" ]
	expect revfs ls "$short:" <<-END
	--- stderr
	revfs: more than one commit's id begins with '$short': give more digits
	--- status 4
	END
}

test_a_bare_repository_has_revisions_and_no_current_directory() {
	small_repo
	git clone -q --bare . ../bare
	expect revfs -C ../bare ls main:dir <<-'END'
	a
	c
	sub
	END
	expect revfs -C ../bare ls <<-'END'
	dir
	top
	END
	expect revfs -C ../bare cat dir/a <<-'END'
	a
	END
}

test_a_worktree_has_a_HEAD_of_its_own() {
	small_repo
	git worktree add -q --detach ../tree v1
	expect revfs -C ../tree/dir ls <<-'END'
	a
	sub
	END
	expect revfs -C ../tree ls main:dir <<-'END'
	a
	c
	sub
	END
}

test_a_detached_HEAD() {
	small_repo
	git switch -q --detach v1
	expect revfs ls dir <<-'END'
	a
	sub
	END
}

test_a_shallow_clone_says_so() {
	small_repo
	git clone -q --depth 1 "file://$PWD" ../shallow
	expect revfs -C ../shallow ls HEAD~1 <<-'END'
	--- stderr
	revfs: there is no revision 'HEAD~1': the history of 'HEAD' does not go back that far in this shallow clone
	--- status 4
	END
}

test_not_in_a_repository() {
	expect revfs ls <<-'END'
	--- stderr
	revfs: not in a git repository: 'git init' makes one here, 'revfs -C DIR' works in another folder
	--- status 10
	END
	GIT_DIR=nowhere expect_status 10 revfs ls
}

test_links_are_what_they_are() {
	small_repo
	ln -s dir link
	ln -s top file
	git add -A
	git commit -q -m links
	expect revfs ls link <<-'END'
	link
	END
	expect revfs cat link file <<-'END'
	dirtop
	\ no newline
	END
	expect revfs ls link/a <<-'END'
	--- stderr
	revfs: path 'link/a' is beyond the symbolic link 'link' of 'HEAD', and links are not followed
	--- status 4
	END
}

run_tests
