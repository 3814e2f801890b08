#!/bin/bash
# revfs snapshot: what it prints, what it commits, its options.
. "${0%/*}/../cli/harness"

# What depends on the clock or on the compressor is taken out.
FILTER='s/^commit [0-9a-f]+$/commit ID/;s/"seconds":[0-9.e-]+/"seconds":N/;s/"commit":"[0-9a-f]+"/"commit":"ID"/'
FILTER+=';s/^read .*(, .* new, .* stored), [0-9.]+ s$/read N, N new, N stored, N s/;s/"(read|new|stored)_bytes":[0-9]+/"\1_bytes":N/g'
export FILTER

make_data() {
	mkdir -p data/sub
	printf 'one\n' >data/a
	printf 'two\n' >data/sub/b
	head -c 1000 /dev/zero | tr '\0' z >data/sub/c
}

test_first_and_second_snapshot() {
	new_repo
	make_data
	expect revfs snapshot -m first data <<-'END'
	data: 3 added
	read N, N new, N stored, N s
	commit ID
	END
	expect git log --format=%s --name-status <<-'END'
	first

	A	.gitignore
	A	.revfs/config
	A	data.revfs
	END
	expect cat .gitignore <<-'END'
	/data
	END
	expect sed 's/sha256:.*/sha256:ID/' data.revfs <<-'END'
	revfs 1
	type directory
	root sha256:ID
	files 3
	bytes 1008
	END
	expect git status --porcelain <<-'END'
	END
	expect revfs snapshot <<-'END'
	nothing changed
	END
	echo three >data/a
	mv data/sub/c data/moved
	rm data/sub/b
	echo new >data/new
	expect revfs snapshot -m second <<-'END'
	data: 1 added, 1 modified, 1 deleted, 1 renamed
	read N, N new, N stored, N s
	commit ID
	END
	expect git log -1 --format=%s --name-status <<-'END'
	second

	M	data.revfs
	END
}

test_json() {
	new_repo
	make_data
	mkdir other
	echo o >other/o
	FILTER+=';s/"root":"[0-9a-f]+"/"root":"ID"/g' expect revfs snapshot --json -m first data other <<-'END'
	{"commit":"ID","datasets":[{"path":"data","root":"ID","files":3,"bytes":1008,"added":3,"modified":0,"deleted":0,"renamed":0,"read_bytes":N,"new_bytes":N,"stored_bytes":N},{"path":"other","root":"ID","files":1,"bytes":2,"added":1,"modified":0,"deleted":0,"renamed":0,"read_bytes":N,"new_bytes":N,"stored_bytes":N}],"seconds":N}
	END
	expect revfs snapshot --json <<-'END'
	{"commit":null,"datasets":[],"seconds":N}
	END
	mkfifo data/fifo
	expect revfs snapshot --json -m more <<-'END'
	--- stderr
	revfs: 'data/fifo' is a FIFO, socket or device: remove it, or leave it out with --skip-special
	revfs: 'data' was left as it was
	{"error":{"code":11,"message":"'data/fifo' is a FIFO, socket or device: remove it, or leave it out with --skip-special"}}
	--- status 11
	END
}

test_dry_run_writes_nothing() {
	new_repo
	make_data
	expect revfs snapshot -n data <<-'END'
	data: 3 added
	read N, N new, N stored, N s
	nothing was written
	END
	[ "$(ls -A)" = "$(printf '.git\ndata')" ]
	[ ! -e .git/revfs ]
	revfs -q snapshot -m first data
	find . -type f -printf '%p %T@ %s\n' | sort >../before
	echo more >data/more
	expect revfs snapshot -n <<-'END'
	data: 1 added
	read N, N new, N stored, N s
	nothing was written
	END
	rm data/more
	find . -type f -printf '%p %T@ %s\n' | sort | diff ../before -
	expect revfs snapshot -n <<-'END'
	nothing changed
	END
}

test_messages_come_from_option_file_and_editor() {
	new_repo
	make_data
	printf 'from a file\n\nwith a body\n' >../message
	revfs -q snapshot -F ../message data
	expect git log -1 --format=%B <<-'END'
	from a file

	with a body

	END
	echo 2 >data/2
	# The editor opens on a summary.
	EDITOR=true revfs -q snapshot
	expect git log -1 --format=%B <<-'END'
	Snapshot of data

	data: 1 added

	END
	echo 3 >data/3
	# A capital letter and a full stop or not, as the version of git has them.
	FILTER="s|^error: There|error: there|; s|editor 'false'$|&.|" expect revfs snapshot <<-'END'
	--- stderr
	error: there was a problem with the editor 'false'.
	Please supply the message using either -m or -F option.
	revfs: git refused the commit; everything is staged: 'revfs snapshot' or 'git commit' commits it
	--- status 11
	END
	expect git status --porcelain <<-'END'
	M  data.revfs
	END
	expect revfs snapshot -m 'at last' <<-'END'
	data: 1 added
	read N, N new, N stored, N s
	commit ID
	END
	INPUT=../message expect revfs -q snapshot -F - <<-'END'
	END
	echo 4 >data/4
	INPUT=../message expect revfs -q snapshot -F - <<-'END'
	END
	expect git log -1 --format=%s <<-'END'
	from a file
	END
}

# As a sparse checkout leaves it: in HEAD, and not in the work tree.
test_settings_that_the_work_tree_lacks_are_those_of_head() {
	new_repo
	make_data
	revfs -q init
	printf '[snapshot]\n\texclude = *.tmp\n' >.revfs/config
	git commit -qm settings .revfs/config
	rm .revfs/config
	touch data/x.tmp
	revfs -q snapshot -m 'without them' data
	[ ! -e .revfs/config ]
	revfs ls HEAD:data >../listed
	if grep tmp ../listed; then return 1; fi
	[ "$(git show HEAD:.revfs/config | tail -n 1)" = $'\texclude = *.tmp' ]
	expect revfs init <<-'END'
	--- stderr
	revfs: '.revfs/config' is in HEAD, and not in the work tree: 'git checkout HEAD -- .revfs/config' brings it back
	--- status 11
	END
	git checkout -q HEAD -- .revfs/config
	revfs -q init
}

test_what_a_killed_run_left_in_the_folder_of_the_worktree_is_in_nobodys_way() {
	new_repo
	make_data
	revfs -q snapshot -m one data
	local name
	for name in paths message unsynced file.new step.new; do
		ln -s nowhere ".git/revfs/worktree/$name"
	done
	echo 2 >data/2
	revfs -q snapshot -m two
	expect git log -1 --format=%s <<-'END'
	two
	END
}

test_a_message_is_read_before_anything_is_done() {
	new_repo
	make_data
	expect revfs snapshot -F ../absent data <<-'END'
	--- stderr
	revfs: cannot read the message file '../absent': No such file or directory
	--- status 4
	END
	expect git status --porcelain <<-'END'
	?? data/
	END
}

test_a_message_file_may_be_a_link_or_a_pipe() {
	new_repo
	make_data
	echo 'by a link' >../message
	ln -s message ../link
	expect revfs -q snapshot -F ../link data <<-'END'
	END
	echo 2 >data/2
	expect revfs -q snapshot -F <(echo 'by a pipe') <<-'END'
	END
	expect git log --format=%s <<-'END'
	by a pipe
	by a link
	END
}

test_a_group_shares_what_stands_in_the_git_directory() {
	umask 077
	git init -q -b main --shared=group repo
	cd repo
	make_data
	revfs -q snapshot -m first data
	expect find .git/revfs -type d ! -perm -2070 <<-'END'
	END
	expect find .git/revfs -type f ! -perm -0040 <<-'END'
	END
	# And nobody else's umask is widened.
	cd ..
	git init -q -b main alone
	cd alone
	mkdir data
	echo 1 >data/1
	revfs -q snapshot -m first data
	expect find .git/revfs -type d -perm /0077 <<-'END'
	END
}

test_usage() {
	new_repo
	expect revfs snapshot -m a -F b <<-'END'
	--- stderr
	revfs: -m and -F exclude each other
	see 'revfs help snapshot'
	--- status 2
	END
	expect revfs snapshot --no-commit -m a <<-'END'
	--- stderr
	revfs: --no-commit takes no message
	see 'revfs help snapshot'
	--- status 2
	END
	for jobs in 0 x 1025 -1 3x; do
		expect revfs snapshot --jobs "$jobs" <<-END
		--- stderr
		revfs: '--jobs $jobs': a number from 1 to 1024 is wanted
		see 'revfs help snapshot'
		--- status 2
		END
	done
	expect revfs snapshot nowhere <<-'END'
	--- stderr
	revfs: there is no 'nowhere'
	--- status 4
	END
	cd ..
	mkdir plain
	cd plain
	expect_status 10 revfs snapshot data
}

test_no_datasets() {
	new_repo
	expect revfs snapshot <<-'END'
	nothing changed
	END
	[ -z "$(git status --porcelain)" ]
}

test_paths_are_relative_to_the_current_directory() {
	new_repo
	mkdir -p deep/er
	(cd deep/er && make_data)
	cd deep/er
	expect revfs snapshot -m first ./data/ <<-'END'
	deep/er/data: 3 added
	read N, N new, N stored, N s
	commit ID
	END
	expect cat .gitignore <<-'END'
	/data
	END
	echo 1 >data/1
	cd data/sub
	expect revfs -q snapshot -m second ../../data.revfs <<-'END'
	END
	expect git log -1 --format=%s --name-only <<-'END'
	second

	deep/er/data.revfs
	END
	cd "$SCRATCH"/test_paths*/repo
	echo 2 >deep/er/data/2
	expect revfs -q -C deep snapshot -m third er/data <<-'END'
	END
}

test_one_file_is_a_dataset() {
	new_repo
	seq 100000 >big.csv
	expect revfs snapshot -m first big.csv <<-'END'
	big.csv: 1 added
	read N, N new, N stored, N s
	commit ID
	END
	expect sed 's/sha256:.*/sha256:ID/' big.csv.revfs <<-'END'
	revfs 1
	type file
	root sha256:ID
	files 1
	bytes 588895
	END
	expect revfs cat HEAD:big.csv <big.csv
	echo more >>big.csv
	expect revfs snapshot -m second <<-'END'
	big.csv: 1 modified
	read N, N new, N stored, N s
	commit ID
	END
	expect revfs cat HEAD:big.csv <big.csv
}

test_a_dataset_becomes_a_file_and_a_directory_again() {
	new_repo
	make_data
	revfs -q snapshot -m first data
	mv data ../kept
	echo file >data
	expect revfs snapshot -m second <<-'END'
	data: 1 added, 3 deleted
	read N, N new, N stored, N s
	commit ID
	END
	expect revfs cat HEAD:data <<-'END'
	file
	END
	rm data
	mv ../kept data
	revfs -q snapshot -m third
	expect revfs ls -R HEAD:data <<-'END'
	a
	sub
	sub/b
	sub/c
	END
}

test_a_level_out_of_range_is_refused() {
	new_repo
	make_data
	git config revfs.snapshot.level 77
	expect revfs snapshot -m first data <<-'END'
	--- stderr
	revfs: snapshot.level is 77: a number from 1 to 19 is wanted
	see 'revfs help snapshot'
	--- status 2
	END
	git config revfs.snapshot.level 19
	revfs -q snapshot -m first data
}

test_excluded_names_are_left_out() {
	new_repo
	make_data
	touch data/x.tmp data/sub/y.tmp data/sub/keep.tmp
	mkdir -p data/cache
	mkfifo data/cache/pipe
	git config revfs.snapshot.exclude '*.tmp'
	git config --add revfs.snapshot.exclude '!keep.tmp'
	git config --add revfs.snapshot.exclude /data/cache/
	revfs -q snapshot -m first data
	expect revfs ls -R HEAD:data <<-'END'
	a
	sub
	sub/b
	sub/c
	sub/keep.tmp
	END
	expect revfs status <<-'END'
	data: unchanged
	END
	# What is left out is not deleted by a checkout.
	git commit -q --allow-empty -m other
	rm data/a
	revfs -q checkout
	[ -e data/x.tmp ] && [ -p data/cache/pipe ] && [ -e data/a ]
}

test_many_problems_are_named_and_counted() {
	new_repo
	mkdir data
	for i in $(seq 1000 1304); do ln -s /outside "data/$i"; done
	expect_status 11 revfs snapshot -m first data
	[ "$(grep -c 'leads out of the dataset' "$SCRATCH/said.err")" = 300 ]
	tail -2 "$SCRATCH/said.err" >tail
	expect cat tail <<-'END'
	revfs: and 5 more in 'data'
	revfs: 'data' was left as it was
	END
}

test_hard_links_are_mentioned_once() {
	new_repo
	mkdir data
	echo a >data/a
	ln data/a data/b
	expect revfs snapshot -m first data <<-'END'
	data: 2 added
	read N, N new, N stored, N s
	2 files have other hard links: they are recorded as separate files
	commit ID
	END
}

run_tests
