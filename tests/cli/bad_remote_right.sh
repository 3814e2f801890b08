#!/bin/bash
# A remote that may not be written to any more in the middle of a push: as where its disk is full.
. "${0%/*}/../cli/harness"
. "$TESTS_DIR/cli/push_world"

# lost_right KIND: packs may be put there, roots not any more.
lost_right() {
	local store=$PWD/store AS=as_user
	need openssl
	mkdir store
	two_revisions "$1" "$store"
	give_to_user ..
	chmod -R a-w "$store/roots"
	objects "$store" >../before
	expect_status 12 as_user revfs push
	grep -q "^revfs: cannot bring 'roots/[0-9a-f/]*' to the remote 'lab' (.*/store): Permission denied; what is there stays, run this again\$" "$SCRATCH/said.err" || { cat "$SCRATCH/said.err"; return 1; }
	[ "$(wc -l <"$SCRATCH/said.err")" = 1 ]
	objects "$store" >../during
	comm -23 ../before ../during | not grep .
	grep roots ../during | cmp - <(grep roots ../before)
	[ -z "$(ls -A "$store/tmp")" ]
	whole "$store"
	all_there v1
	# Nothing may be written: what is there is read.
	chmod -R a-w "$store"
	all_there v1
	expect_status 12 as_user revfs push
	chmod -R u+w "$store"
	FILTER='s/, [0-9.]+ [A-Za-z]+, [0-9.]+ s/, N, N s/' expect as_user revfs push <<-'END'
	lab: 0 packs, 2 roots, N, N s
	END
	all_there v1 HEAD
}

test_a_folder_that_may_not_be_written_to_any_more() {
	lost_right by_folder
}

test_a_folder_of_another_machine_that_may_not_be_written_to_any_more() {
	lost_right by_ssh
}

run_tests
