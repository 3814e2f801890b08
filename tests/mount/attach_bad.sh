#!/bin/bash
# Attached datasets where something is gone, full, damaged, killed or in the way: nothing is lost, and it is said.
. "${0%/*}/attach_world"

PLACES="s|SCRATCH/[^ ']*/[a-z]+/[0-9a-f]{32}|FOLDER|g; /^mounted at/d; /^not known/d"

test_an_upper_folder_that_is_gone_is_not_passed_over() {
	local folder command
	new_lab
	revfs -q attach
	echo one >data/a
	revfs -q snapshot -m one >/dev/null
	echo two >data/new
	unmount_all
	folder=$(holder)
	mv "$folder/upper" ../upper
	for command in attach detach 'attach --rebase'; do
		# shellcheck disable=SC2086
		FILTER=$PLACES expect revfs $command <<-'END'
		--- stderr
		revfs: the folder 'FOLDER/upper', which has what was changed in 'data', is gone: 'revfs detach -f data' gives that up
		--- status 11
		END
	done
	[ "$(count_mounts)" = 0 ]
	expect_status 11 revfs snapshot -m nothing
	mv ../upper "$folder/upper"
	revfs -q attach
	[ "$(cat data/a data/new)" = "$(printf 'one\ntwo')" ]
	unmount_all
	rm -r "$(holder)/upper"
	revfs -q detach -f
	nothing_is_left
}

# As where its disk is not mounted after a restart.
test_a_disk_that_is_not_there_is_waited_for() {
	new_lab
	small_disk 1m ../fast
	git config revfs.attachDir "$(realpath ../fast)"
	revfs -q attach
	echo two >data/new
	unmount_all
	mkdir ../kept
	mount --bind ../fast ../kept
	umount ../fast
	FILTER=$PLACES expect revfs attach <<-'END'
	--- stderr
	revfs: the folder 'FOLDER/upper', which has what was changed in 'data', is gone: 'revfs detach -f data' gives that up
	--- status 11
	END
	[ -z "$(ls -A ../fast)" ]
	mount --bind ../kept ../fast
	revfs -q attach
	[ "$(cat data/new)" = two ]
	revfs -q detach -f
	nothing_is_left
}

# let_go: an upper folder that was emptied by an attach or a detach, which was killed then.
let_go() {
	local folder
	folder=$(holder)
	rm -rf "$folder/upper" "$folder/work"
	mkdir "$folder/dropped"
}

test_what_was_let_go_of_is_no_loss() {
	new_lab
	revfs -q attach
	echo one >data/a
	revfs -q snapshot -m one >/dev/null
	unmount_all
	let_go
	FILTER='s/[0-9a-f]{12}/ID/' expect revfs attach <<-'END'
	data: now at ID (3 files, 3.8 KiB)
	END
	[ "$(cat data/a)" = one ]
	FILTER=$PLACES expect revfs status <<-'END'
	data: unchanged; attached
	END
	unmount_all
	let_go
	revfs -q detach
	nothing_is_left
	# What is staged is not seen without it, which is no edit.
	revfs -q attach
	echo staged >data/a
	revfs -q snapshot --no-commit >/dev/null
	unmount_all
	let_go
	revfs -q attach
	expect_status 11 revfs snapshot -m older
	[ "$(git rev-list --count HEAD)" = 3 ]
}

# An edit that leads back to an older version is one, too.
test_what_was_undone_stays_undone() {
	new_lab
	revfs -q attach
	echo new >data/new
	revfs -q snapshot -m new >/dev/null
	rm data/new
	expect revfs attach <<-'END'
	data: attached already
	END
	[ ! -e data/new ]
	unmount_all
	FILTER='s/[0-9a-f]{12}/ID/' expect revfs attach <<-'END'
	data: attached again at ID (3 files, 3.8 KiB)
	END
	[ ! -e data/new ]
	revfs snapshot -m undone | grep -qx 'data: 1 deleted'
	revfs -q detach
	nothing_is_left
}

test_what_was_changed_after_a_snapshot_is_no_older_version() {
	new_lab
	revfs -q attach
	echo new >data/new
	revfs -q snapshot -m new >/dev/null
	echo more >data/more
	expect revfs attach <<-'END'
	data: attached already
	END
	unmount_all
	FILTER='s/[0-9a-f]{12}/ID/' expect revfs attach <<-'END'
	data: attached again, with what was changed, at ID (3 files, 3.8 KiB)
	END
	[ "$(cat data/new data/more)" = "$(printf 'new\nmore')" ]
}

test_files_in_the_place_of_one_that_is_not_mounted_are_not_covered() {
	new_lab
	revfs -q attach
	echo one >data/a
	unmount_all
	echo mine >data/mine
	expect revfs attach <<-'END'
	--- stderr
	revfs: the folder 'data' was written to while the dataset was not mounted there: move it away, 'revfs attach data' again, and take from it what you want
	--- status 11
	END
	expect_status 11 revfs snapshot -m mine
	expect_status 11 revfs checkout -f data
	[ "$(cat data/mine)" = mine ]
	mv data mine
	revfs -q attach
	[ "$(cat data/a mine/mine)" = "$(printf 'one\nmine')" ]
}

test_a_damaged_record_hides_nothing() {
	local folder
	new_lab
	revfs -q attach
	echo one >data/a
	folder=$(holder)
	cp "$folder/record" ../record
	echo x >>"$folder/record"
	expect_status 11 revfs snapshot -m nothing
	FILTER=$PLACES expect revfs attach <<-'END'
	--- stderr
	revfs: warning: 1 of the records in 'SCRATCH/test_a_damaged_record_hides_nothing/clone/.git/revfs/attached' cannot be read, and are left as they are
	revfs: 'FOLDER/upper' holds changes of another attachment of 'data', whose record is lost: move that folder away
	--- status 11
	END
	expect_status 7 revfs gc --keep 0
	# What it stands on stays.
	revfs -q detach 2>/dev/null
	[ "$(count_mounts)" = 2 ] && [ "$(cat data/sub/b)" = b ]
	cp ../record "$folder/record"
	expect revfs attach <<-'END'
	data: attached already
	END
	unmount_all
	: >"$folder/record"
	expect_status 11 revfs snapshot -m nothing
	expect_status 11 revfs attach
	cp ../record "$folder/record"
	revfs -q attach
	[ "$(cat data/a)" = one ]
}

run_tests
