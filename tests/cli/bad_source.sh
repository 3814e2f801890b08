#!/bin/bash
# Sources that cannot be recorded: unreadable, changing, special.  The dataset stays as it was, the others are recorded.
. "${0%/*}/../cli/harness"

# The pointer and the commit as they are now, to compare with later; nothing_recorded [as_user].
remember() {
	cp data.revfs "$SCRATCH/pointer"
	git rev-parse HEAD >"$SCRATCH/head"
}

nothing_recorded() {
	cmp data.revfs "$SCRATCH/pointer"
	"$@" git rev-parse HEAD | cmp - "$SCRATCH/head"
	[ -z "$("$@" git status --porcelain)" ]
}

test_unreadable_files_are_all_named() {
	new_dataset
	touch data/secret data/sub/private
	remember
	chmod 000 data/secret data/sub/private
	give_to_user ..
	expect as_user revfs snapshot -m more <<-'END'
	--- stderr
	revfs: cannot read 'data/secret': Permission denied
	revfs: cannot read 'data/sub/private': Permission denied
	revfs: 'data' was left as it was
	--- status 12
	END
	nothing_recorded as_user
	chmod 644 data/secret data/sub/private
	expect_status 0 as_user revfs snapshot -m more
	expect as_user revfs cat HEAD:data/secret <<-'END'
	END
}

test_unreadable_folders_are_named() {
	new_dataset
	remember
	chmod 000 data/sub
	give_to_user ..
	expect as_user revfs snapshot -m more <<-'END'
	--- stderr
	revfs: cannot read 'data/sub': Permission denied
	revfs: 'data' was left as it was
	--- status 12
	END
	chmod 755 data/sub
	nothing_recorded as_user
}

test_the_other_datasets_are_recorded() {
	new_dataset
	mkdir other
	echo 1 >other/1
	revfs -q snapshot -m other other
	remember
	mkfifo data/fifo
	echo 2 >other/2
	FILTER='s/^commit .*/commit ID/;s/^read .*/read/' expect revfs snapshot -m more <<-'END'
	other: 1 added
	read
	commit ID
	--- stderr
	revfs: 'data/fifo' is a FIFO, socket or device: remove it, or leave it out with --skip-special
	revfs: 'data' was left as it was
	--- status 3
	END
	cmp data.revfs "$SCRATCH/pointer"
	expect revfs cat HEAD:other/2 <<-'END'
	2
	END
	expect_status 4 revfs cat HEAD:data/fifo
}

test_a_file_that_changes_all_the_time_is_named() {
	local try status writer
	new_dataset
	truncate -s 64M data/log
	# A hole would be passed over without reading.
	dd if=/dev/zero of=data/log bs=1M count=64 conv=notrunc status=none
	: >"$SCRATCH/go"
	(
		while [ -e "$SCRATCH/go" ]; do
			echo more >>data/log
		done
	) &
	writer=$!
	# Where others take the processor, nothing may be written for as long as one read takes.
	for try in {1..20}; do
		remember
		status=0
		revfs snapshot -m "try $try" >out 2>err || status=$?
		[ $status = 0 ] || break
	done
	rm "$SCRATCH/go"
	wait "$writer"
	[ "$(head -n 1 err)" = "revfs: 'data/log' changed while it was read: run this again when nobody writes to it" ]
	[ "$(tail -n +2 err)" = "revfs: 'data' was left as it was" ]
	[ $status = 5 ]
	[ ! -s out ]
	git rev-parse HEAD | cmp - "$SCRATCH/head"
	expect_status 0 revfs snapshot -m more
	revfs cat data/log | cmp - data/log
}

test_files_that_vanish_and_appear_do_no_harm() {
	new_dataset
	: >"$SCRATCH/go"
	(
		while [ -e "$SCRATCH/go" ]; do
			echo 1 >data/flicker
			rm data/flicker
			mkdir data/folder
			rmdir data/folder
		done
	) &
	writer=$!
	for round in 1 2 3 4 5; do
		echo "$round" >data/a.txt
		status=0
		revfs snapshot -m "$round" >out 2>err || status=$?
		# It is recorded as it was at some moment, or refused by name.
		[ $status = 0 ] || grep -qE "'data(/flicker|/folder)?'" err
	done
	rm "$SCRATCH/go"
	wait "$writer"
	echo last >data/a.txt
	revfs -q snapshot -m last
	expect revfs ls data <<-'END'
	a.txt
	large
	link
	sub
	END
}

test_odd_names_are_quoted_in_messages() {
	new_dataset
	remember
	mkfifo data/$'new\nline' data/$'\e[31mred' data/$'latin\xe9'
	expect revfs snapshot -m more <<-'END'
	--- stderr
	revfs: '"data/\033[31mred"' is a FIFO, socket or device: remove it, or leave it out with --skip-special
	revfs: '"data/latin\351"' is a FIFO, socket or device: remove it, or leave it out with --skip-special
	revfs: '"data/new\nline"' is a FIFO, socket or device: remove it, or leave it out with --skip-special
	revfs: 'data' was left as it was
	--- status 11
	END
	nothing_recorded
}

run_tests
