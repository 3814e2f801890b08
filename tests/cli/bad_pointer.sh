#!/bin/bash
# Pointer files edited by hand, in conflict, of a later version, or something else altogether.
. "${0%/*}/../cli/harness"

# bad_pointer TEXT: the pointer in the work tree is TEXT, in HEAD it is sound.
bad_pointer() {
	printf '%b' "$1" >data.revfs
}

test_conflict_markers_are_named_with_their_line() {
	new_dataset
	git switch -q -c side
	echo side >data/a.txt
	tick
	revfs -q snapshot -m side
	git switch -q main
	revfs -q checkout
	echo main >data/a.txt
	tick
	revfs -q snapshot -m main
	git merge -q side >/dev/null && return 1
	grep -q '<<<<<<<' data.revfs
	for command in snapshot "snapshot data" checkout "checkout data"; do
		expect_status 11 revfs $command
		grep -qE "^revfs: .*'data.revfs'.*line 3.*conflict" "$SCRATCH/said.err"
	done
	expect_status 0 revfs status
	grep -q 'data.*conflict' "$SCRATCH/said.out"
	[ "$(cat data/a.txt)" = main ]
	# What is committed is as readable as ever.
	expect revfs cat HEAD:data/a.txt side:data/a.txt <<-'END'
	main
	side
	END
}

test_edited_pointers_are_refused_by_what_writes() {
	new_dataset
	cp data.revfs sound
	while IFS= read -r text; do
		bad_pointer "$text"
		for command in snapshot "snapshot data" checkout "checkout data"; do
			expect_status 11 revfs $command
			grep -q "'data.revfs'.*line 1" "$SCRATCH/said.err"
		done
		[ "$(printf '%b' "$text")" = "$(cat data.revfs)" ]
	done <<-'END'
	hello\n
	\0\0\0\0
	revfs one\n
	REVFS 1\n
	END
	cp sound data.revfs
	expect_status 0 revfs snapshot
}

test_each_wrong_line_is_named_by_its_number() {
	new_dataset
	cp data.revfs sound
	while read -r line script; do
		sed "$script" sound >data.revfs
		expect_status 11 revfs snapshot
		grep -q "'data.revfs'.*line $line" "$SCRATCH/said.err"
	done <<-'END'
	2 s/^type .*/type folder/
	2 2d
	3 s/^root .*/root sha256:zz/
	3 s/^root sha256:/root md5:/
	4 s/^files .*/files 01/
	4 s/^files .*/files -1/
	4 s/^files .*/files 99999999999999999999/
	5 s/^bytes .*/bytes/
	5 s/^bytes .*/bytes 5 5/
	END
}

test_an_empty_pointer_is_refused() {
	new_dataset
	: >data.revfs
	expect_status 11 revfs snapshot
	grep -q "'data.revfs'" "$SCRATCH/said.err"
}

test_a_later_version_is_refused_with_what_to_do() {
	new_dataset
	sed -i 's/^revfs 1/revfs 2/' data.revfs
	for command in snapshot checkout; do
		expect_status 11 revfs $command
		grep -q "'data.revfs'.*later version.*upgrade" "$SCRATCH/said.err"
	done
}

test_keys_of_a_later_version_are_read_and_not_snapshotted_over() {
	new_dataset
	echo 'colour blue' >>data.revfs
	new_commit
	expect revfs cat HEAD:data/a.txt <<-'END'
	one
	END
	echo changed >data/a.txt
	expect_status 11 revfs snapshot
	grep -q "'data.revfs'" "$SCRATCH/said.err"
	grep -q 'colour blue' data.revfs
}

test_a_pointer_to_nothing_is_missing_data() {
	new_dataset
	sed -i 's/^root .*/root sha256:0000000000000000000000000000000000000000000000000000000000000000/' data.revfs
	new_commit
	expect revfs ls data <<-'END'
	--- stderr
	revfs: cannot read 'HEAD:data': the data is missing from the store; 'revfs verify' names all that is damaged or missing
	--- status 7
	END
	expect_status 7 revfs checkout -f
	[ "$(cat data/a.txt)" = one ]
}

test_what_is_no_pointer_is_an_ordinary_file() {
	new_dataset
	echo 'notes about revfs' >notes.revfs
	ln -s data.revfs link.revfs
	mkdir folder.revfs
	echo x >folder.revfs/x
	git add -A
	git commit -q -m notes
	expect revfs ls <<-'END'
	.gitignore
	.revfs
	data.revfs
	data
	folder.revfs
	link.revfs
	notes.revfs
	plain.txt
	END
	expect revfs cat notes.revfs <<-'END'
	notes about revfs
	END
}

test_a_name_with_both_is_gits_file() {
	new_dataset
	git add -f data/a.txt
	git commit -q -m both
	expect revfs ls -R data <<-'END'
	a.txt
	END
}

run_tests
