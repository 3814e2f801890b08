#!/bin/bash
# revfs status: each state of a dataset, in words and as JSON; what is named; what is mounted.
. "${0%/*}/../cli/harness"

# Its id, files and bytes are always the same.
ROOT=47c3707d4ef5c938f39118e81d9eb6eba708bcc715732cb1eb991794b3c4ba80

# expect_json STATE REST: the document of the one dataset `data`.
expect_json() {
	expect revfs status --json <<-END
	{"datasets":[{"path":"data","state":"$1"$2}],"mounts":[],"remotes":[]}
	END
}

numbers=",\"committed\":true,\"root\":\"$ROOT\",\"files\":4,\"bytes\":100008"

test_no_datasets() {
	new_repo
	expect revfs status <<-'END'
	no datasets: 'revfs snapshot DIR' makes one of a directory
	END
	expect revfs -q status </dev/null
	expect revfs status --json <<-'END'
	{"datasets":[],"mounts":[],"remotes":[]}
	END
}

test_unchanged() {
	new_dataset
	expect revfs status <<-'END'
	data: unchanged
	END
	expect_json unchanged "$numbers"',"added":0,"modified":0,"deleted":0,"unrecordable":0,"folders":0,"became_other":false'
}

test_changes_are_counted() {
	new_dataset
	echo new >data/new
	mkdir data/folder data/empty
	echo new >data/folder/new
	chmod +x data/a.txt
	ln -sfn sub/b.txt data/link
	rm -r data/sub
	mkfifo data/fifo
	expect revfs status <<-'END'
	data: 2 added, 2 modified, 1 deleted, 1 that cannot be recorded
	END
	expect_json changed "$numbers"',"added":2,"modified":2,"deleted":1,"unrecordable":1,"folders":3,"became_other":false'
}

test_an_empty_folder_is_a_change() {
	new_dataset
	mkdir data/empty
	expect revfs status <<-'END'
	data: 1 folder added or deleted
	END
	expect_json changed "$numbers"',"added":0,"modified":0,"deleted":0,"unrecordable":0,"folders":1,"became_other":false'
	revfs -q snapshot -m empty
	rmdir data/empty
	expect revfs status <<-'END'
	data: 1 folder added or deleted
	END
}

test_a_change_of_type() {
	new_repo
	echo 1 >data
	revfs -q snapshot -m file data
	rm data
	mkdir data
	echo 1 >data/1
	expect revfs status <<-'END'
	data: became a directory
	END
	revfs -q snapshot -m folder data
	rm -r data
	echo 1 >data
	expect revfs status <<-'END'
	data: became a file
	END
	revfs status --json | grep -q '"added":0,"modified":0,"deleted":0,"unrecordable":0,"folders":0,"became_other":true'
}

test_excluded_files_are_no_change() {
	new_dataset
	git config revfs.snapshot.exclude '*.tmp'
	echo 1 >data/x.tmp
	expect revfs status <<-'END'
	data: unchanged
	END
}

test_absent_and_empty() {
	new_dataset
	mv data ../kept
	expect revfs status <<-'END'
	data: not checked out ('revfs checkout data')
	END
	expect_json absent "$numbers"
	mkdir data
	expect revfs status <<-'END'
	data: empty ('revfs checkout data' brings the files back)
	END
	expect_json empty "$numbers"
}

test_files_that_were_never_the_same_as_the_pointer() {
	new_dataset
	rm .git/revfs/worktree/*
	expect revfs status <<-'END'
	data: never compared with its pointer ('revfs checkout data')
	END
	expect_json unknown "$numbers"
}

test_a_pointer_that_moved() {
	new_dataset
	git tag v1
	echo more >data/more
	revfs -q snapshot -m more
	git checkout -q v1 -- data.revfs
	expect revfs status <<-'END'
	data: the pointer changed since ('revfs checkout data', or 'revfs snapshot --force data'); pointer not committed
	END
	expect_json pointer_changed "${numbers/true/false}"
	# A checkout of a part of it: not finished.
	revfs -q checkout data/more
	expect revfs status <<-'END'
	data: a checkout was not finished ('revfs checkout data' finishes it); pointer not committed
	END
	expect_json unfinished "${numbers/true/false}"
}

test_a_pointer_that_is_gone() {
	new_dataset
	rm data.revfs
	expect revfs status <<-'END'
	data: the pointer file is gone ('git checkout HEAD -- data.revfs', or 'git rm data.revfs')
	END
	expect_json pointer_missing ''
}

test_a_pointer_that_does_not_read() {
	new_dataset
	cp data.revfs ../pointer
	sed -i '3s/.*/root many/' data.revfs
	expect revfs status <<-'END'
	data: data.revfs, line 3: expected "root sha256:" and 64 lower-case hex digits
	END
	printf '<<<<<<< ours\n' >data.revfs
	expect revfs status <<-'END'
	data: data.revfs, line 1: conflict markers
	END
	expect_json conflict ',"line":1,"message":"conflict markers"'
	cp ../pointer data.revfs
	echo 'color blue' >>data.revfs
	expect revfs status <<-'END'
	data: written by a later version of revfs
	END
	expect_json later_version ''
	echo 'revfs 2' >data.revfs
	expect_json later_version ''
}

test_a_pointer_that_no_commit_has() {
	new_dataset
	echo more >data/more
	revfs -q snapshot --no-commit
	expect revfs status <<-'END'
	data: unchanged; pointer not committed
	END
	echo again >data/more
	expect revfs status <<-'END'
	data: 1 modified; pointer not committed
	END
}

test_before_the_first_commit() {
	new_repo
	mkdir data
	echo 1 >data/1
	revfs -q snapshot --no-commit data
	expect revfs status <<-'END'
	data: unchanged; pointer not committed
	END
}

test_datasets_are_named_or_found_in_folders() {
	new_repo
	mkdir -p sets/one sets/two other
	echo 1 >sets/one/1
	echo 2 >sets/two/2
	echo 3 >other/3
	revfs -q snapshot -m all sets/one sets/two other
	echo more >sets/two/more
	expect revfs status <<-'END'
	other: unchanged
	sets/one: unchanged
	sets/two: 1 added
	END
	expect revfs status sets <<-'END'
	sets/one: unchanged
	sets/two: 1 added
	END
	cd sets
	expect revfs status two.revfs ../other/3 <<-'END'
	other: unchanged
	sets/two: 1 added
	END
	expect revfs status . <<-'END'
	sets/one: unchanged
	sets/two: 1 added
	END
	expect revfs status one/1 <<-'END'
	sets/one: unchanged
	END
	expect revfs status nowhere <<-'END'
	--- stderr
	revfs: there is no dataset at 'sets/nowhere'
	--- status 4
	END
	expect revfs status one nowhere ../plain <<-'END'
	sets/one: unchanged
	--- stderr
	revfs: there is no dataset at 'sets/nowhere'
	revfs: there is no dataset at 'plain'
	--- status 3
	END
	expect revfs status ../.. <<-'END'
	--- stderr
	revfs: '../..' is outside the repository 'SCRATCH/test_datasets_are_named_or_found_in_folders/repo'
	--- status 2
	END
}

test_odd_names() {
	new_repo
	mkdir $'odd\xe9\n'
	echo 1 >$'odd\xe9\n/1'
	revfs -q snapshot -m odd -- $'odd\xe9\n'
	expect revfs status <<-'END'
	"odd\351\n": unchanged
	END
	FILTER='s/"root":"[0-9a-f]*"/ROOT/' expect revfs status --json <<-'END'
	{"datasets":[{"path":"odd%E9\n","path_encoding":"percent","state":"unchanged","committed":true,ROOT,"files":1,"bytes":2,"added":0,"modified":0,"deleted":0,"unrecordable":0,"folders":0,"became_other":false}],"mounts":[],"remotes":[]}
	END
}

# A time of change is trusted when it is some seconds old, as git does.
is_unread() {
	revfs -q snapshot --full -m again
	[ "$(as_user revfs status)" = 'data: unchanged' ]
}

test_what_stat_shows_unchanged_is_not_read() {
	need_root
	new_dataset
	git config --file "$HOME/.gitconfig" safe.directory '*'
	export GIT_CONFIG_GLOBAL=$HOME/.gitconfig
	give_to_user ..
	chmod 000 data/large
	not as_user cat data/large 2>/dev/null
	wait_for 30 is_unread
	touch data/large
	expect as_user revfs status <<-'END'
	data: 1 that cannot be recorded
	END
}

test_nothing_is_written() {
	new_dataset
	echo more >data/more
	find . -printf '%p %s %T@ %C@\n' | sort >../before
	revfs status >../out
	revfs status --json >../out
	find . -printf '%p %s %T@ %C@\n' | sort | diff ../before -
}

test_no_store() {
	new_dataset
	git clone -q . ../clone
	expect revfs -C ../clone status <<-'END'
	data: not checked out ('revfs checkout data')
	END
	rm -r .git/revfs/packs .git/revfs/roots
	echo more >data/more
	expect revfs status <<-'END'
	--- stderr
	revfs: cannot read 'data': the data is missing from the store; 'revfs verify' names all that is damaged or missing
	--- status 7
	END
}

test_mounts_of_this_repository_are_listed() {
	need_fuse
	new_dataset
	mkdir ../mnt $'../odd\xe9'
	revfs mount ../mnt
	expect revfs status <<-'END'
	data: unchanged
	mounted at SCRATCH/test_mounts_of_this_repository_are_listed/mnt
	END
	FILTER='s/"pid":[0-9]+/"pid":N/' expect revfs status --json <<-END
	{"datasets":[{"path":"data","state":"unchanged"$numbers,"added":0,"modified":0,"deleted":0,"unrecordable":0,"folders":0,"became_other":false}],"mounts":[{"mountpoint":"SCRATCH/test_mounts_of_this_repository_are_listed/mnt","pid":N,"alive":true}],"remotes":[]}
	END
	new_repo ../second
	expect revfs status <<-'END'
	no datasets: 'revfs snapshot DIR' makes one of a directory
	END
	revfs umount ../mnt
	expect revfs -C ../repo status <<-'END'
	data: unchanged
	END
}

# Data of commits that no push has brought to a remote; a clone that reads from it has nothing of that kind.
test_what_is_on_no_remote_is_said() {
	new_dataset
	revfs remote add lab ../store
	git commit -q -m where .revfs/config
	expect revfs status <<-'END'
	data: unchanged
	not known to be at 'lab': the data of 1 commit ('revfs push lab')
	END
	revfs status --json | grep -qF '"remotes":[{"name":"lab","unconfirmed_commits":1}]'
	revfs -q push
	expect revfs status <<-'END'
	data: unchanged
	END
	echo 1 >>data/b
	revfs -q snapshot -m second
	echo 2 >>data/b
	revfs -q snapshot -m third
	git commit -q --allow-empty -m 'no data'
	expect revfs status <<-'END'
	data: unchanged
	not known to be at 'lab': the data of 2 commits ('revfs push lab')
	END
	revfs -q push
	git clone -q . ../clone
	cd ../clone
	expect revfs status <<-'END'
	data: not checked out ('revfs checkout data')
	END
}

test_usage() {
	new_repo
	expect revfs status -n <<-'END'
	--- stderr
	revfs: unknown option '-n'
	usage: revfs status [--json] [PATH...]
	--- status 2
	END
	cd ..
	expect revfs status --json <<-'END'
	--- stderr
	revfs: not in a git repository: 'git init' makes one here, 'revfs -C DIR' works in another folder
	{"error":{"code":10,"message":"not in a git repository: 'git init' makes one here, 'revfs -C DIR' works in another folder"}}
	--- status 10
	END
}

run_tests
