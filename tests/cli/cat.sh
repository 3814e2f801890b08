#!/bin/bash
# revfs cat: bytes of revisions, whole or not at all.
. "${0%/*}/../cli/harness"

test_files_of_datasets_and_of_git() {
	new_dataset
	expect revfs cat HEAD:data/a.txt plain.txt data/sub/b.txt <<-'END'
	one
	hello
	two
	END
	revfs cat data/large | cmp - data/large
}

test_old_revisions_keep_their_bytes() {
	new_dataset
	git tag v1
	echo changed >data/a.txt
	tick
	revfs -q snapshot -m second
	expect revfs cat v1:data/a.txt HEAD:data/a.txt HEAD~1:data/a.txt <<-'END'
	one
	changed
	one
	END
}

test_links_are_written_as_their_target() {
	new_dataset
	expect revfs cat data/link <<-'END'
	a.txt
	\ no newline
	END
}

test_empty_file() {
	new_repo
	mkdir data
	: >data/void
	revfs -q snapshot -m void data
	expect revfs cat data/void <<-'END'
	END
}

test_large_files_in_many_chunks() {
	new_repo
	mkdir data
	# Ten megabytes that do not repeat, and do not depend on the machine.
	openssl enc -aes-128-ctr -K 00 -iv 00 -in /dev/zero 2>/dev/null | head -c 10000000 >data/random || :
	truncate -s 30M data/holes
	printf end >>data/holes
	revfs -q snapshot -m large data
	revfs cat data/random | cmp - data/random
	revfs cat data/holes | cmp - data/holes
	revfs cat data/random >copy
	cmp copy data/random
}

test_a_large_blob_of_git_is_streamed() {
	new_repo
	head -c 40000000 /dev/zero >blob
	new_commit
	revfs cat HEAD:blob | cmp - blob
}

test_a_directory_is_refused_and_the_others_are_written() {
	new_dataset
	expect revfs cat data plain.txt <<-'END'
	hello
	--- stderr
	revfs: 'HEAD:data' is a directory: 'revfs export' copies one, 'revfs archive' makes a tar of it
	--- status 3
	END
	expect revfs cat HEAD: <<-'END'
	--- stderr
	revfs: 'HEAD:' is a directory: 'revfs export' copies one, 'revfs archive' makes a tar of it
	--- status 11
	END
}

test_missing_files_are_named_and_the_others_are_written() {
	new_dataset
	expect revfs cat HEAD:data/b.txt plain.txt HEAD:nowhere <<-'END'
	hello
	--- stderr
	revfs: path 'data/b.txt' does not exist in 'HEAD'; did you mean 'data/a.txt'?
	revfs: path 'nowhere' does not exist in 'HEAD'
	--- status 3
	END
	expect revfs cat HEAD:nowhere data <<-'END'
	--- stderr
	revfs: path 'nowhere' does not exist in 'HEAD'
	revfs: 'HEAD:data' is a directory: 'revfs export' copies one, 'revfs archive' makes a tar of it
	--- status 4
	END
}

test_nothing_named_is_a_usage_error() {
	new_repo
	expect revfs cat <<-'END'
	--- stderr
	revfs: no file named
	see 'revfs help cat'
	--- status 2
	END
}

test_a_full_disk_ends_it() {
	new_dataset
	full() { revfs cat "$@" >/dev/full; }
	expect full data/large plain.txt nowhere <<-'END'
	--- stderr
	revfs: cannot write the output: No space left on device
	--- status 8
	END
	expect full plain.txt data/large <<-'END'
	--- stderr
	revfs: cannot write the output: No space left on device
	--- status 8
	END
	expect full data/a.txt <<-'END'
	--- stderr
	revfs: cannot write the output: No space left on device
	--- status 8
	END
}

test_a_limit_on_file_sizes_ends_it() {
	new_dataset
	limited() { (ulimit -f 4 && revfs cat data/large >copy); }
	expect limited <<-'END'
	--- stderr
	revfs: cannot write the output: File too large, or above the file-size limit (ulimit -f)
	--- status 8
	END
}

test_a_closed_stdout_is_an_error() {
	new_dataset
	closed() { revfs cat "$@" >&-; }
	expect closed data/large <<-'END'
	--- stderr
	revfs: cannot write the output: Bad file descriptor
	--- status 12
	END
	expect closed plain.txt <<-'END'
	--- stderr
	revfs: cannot write the output: Bad file descriptor
	--- status 12
	END
}

test_the_reader_may_go_away() {
	new_dataset
	for file in data/large plain.txt; do
		mkfifo fifo
		(
			exec 3<>fifo
			exec 4>fifo
			exec 3<&-
			revfs cat "$file" >&4 2>err || echo $? >status
		)
		[ "$(cat status)" = 141 ]
		[ ! -s err ]
		rm fifo status
	done
}

run_tests
