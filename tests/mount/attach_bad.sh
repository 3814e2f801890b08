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

test_a_full_upper_folder() {
	new_lab
	small_disk 1m ../fast
	git config revfs.attachDir "$(realpath ../fast)"
	revfs -q attach
	dd if=/dev/zero of=data/big bs=64k 2>../said && return 1
	grep -q 'No space left' ../said
	rm data/a
	FILTER='/^mounted at/d' expect revfs status <<-'END'
	data: 1 added, 1 deleted; attached
	END
	revfs snapshot -m full | grep -qx 'data: 1 added, 1 deleted'
	# What is in a snapshot makes room for more.
	revfs -q attach
	[ "$(stat -c %s data/big)" = "$(revfs cat HEAD:data/big | wc -c)" ]
	# A namespace of mounts that others made meanwhile has a copy of what was unmounted, which holds its files.
	wait_for 60 dd if=/dev/zero of=data/more bs=64k count=8
	revfs -q detach -f
	nothing_is_left
}

# The records, the packs and Git's objects find no room; the upper folders are elsewhere.
test_a_full_git_directory() {
	local before
	small_disk 8m clone
	new_lab
	mkdir ../uppers
	git config revfs.attachDir "$(realpath ../uppers)"
	revfs -q attach
	echo one >data/a
	cp -r data ../as_it_was
	before=$(git rev-parse HEAD)
	dd if=/dev/zero of=.git/filler bs=4k 2>/dev/null && return 1
	expect revfs snapshot -m full <<-'END'
	--- stderr
	revfs: cannot write to the store: No space left on device
	--- status 8
	END
	[ "$(git rev-parse HEAD)" = "$before" ]
	diff -r data ../as_it_was
	echo two >data/new
	expect_status 11 revfs detach
	# As after a restart.
	unmount_all
	expect revfs attach <<-'END'
	--- stderr
	revfs: cannot note in the Git directory that 'data' is attached: No space left on device
	--- status 8
	END
	[ "$(count_mounts)" = 0 ]
	rm .git/filler
	revfs -q attach
	[ "$(cat data/a data/new)" = "$(printf 'one\ntwo')" ]
	revfs -q snapshot -m room
	[ "$(revfs cat HEAD:data/a HEAD:data/new)" = "$(printf 'one\ntwo')" ]
	dd if=/dev/zero of=.git/filler bs=4k 2>/dev/null && return 1
	revfs -q detach
	rm .git/filler
	nothing_is_left
}

test_an_upper_folder_that_nobody_may_write_to() {
	new_lab
	small_disk 1m ../fast
	git config revfs.attachDir "$(realpath ../fast)"
	revfs -q attach
	echo one >data/a
	mount -o remount,ro ../fast
	if echo two >data/two; then return 1; fi 2>/dev/null
	revfs snapshot -m one | grep -qx 'data: 1 modified'
	expect revfs detach <<-END
	--- stderr
	revfs: cannot remove '$(holder ../fast | sed "s,^\.\./,SCRATCH/test_an_upper_folder_that_nobody_may_write_to/,")': Read-only file system
	--- status 12
	END
	mount -o remount,rw ../fast
	revfs -q attach
	[ "$(cat data/a)" = one ]
	revfs -q detach
	nothing_is_left
}

test_what_is_no_file_is_named() {
	new_lab
	revfs -q attach
	mkfifo data/fifo
	python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind("data/socket")'
	echo x >data/x
	expect revfs snapshot -m special <<-'END'
	--- stderr
	revfs: 'data/fifo' is a FIFO, socket or device: remove it, or leave it out with --skip-special
	revfs: 'data/socket' is a FIFO, socket or device: remove it, or leave it out with --skip-special
	revfs: 'data' was left as it was
	--- status 11
	END
	revfs snapshot --skip-special -m special | grep -qx 'data: 1 added'
	[ -p data/fifo ] && [ -S data/socket ]
	expect_status 11 revfs detach
	[ -p data/fifo ] && [ "$(cat data/x)" = x ]
	# Those would be lost by it.
	revfs -q attach
	[ -p data/fifo ]
}

test_foreign_marks_hide_nothing() {
	local upper
	need_root
	need setfattr
	new_lab
	revfs -q attach
	echo w >data/.wh.a
	mkdir data/sub/.wh..wh..opq
	echo q >data/.wh..opq
	setfattr -n user.overlay.opaque -v y data/sub
	setfattr -n user.overlay.whiteout -v y data/numbers
	setfattr -n trusted.overlay.opaque -v y data/sub
	[ -e data/sub/b ]
	upper=$(holder)/upper
	for mark in redirect/sub metacopy/numbers; do
		setfattr -n trusted.overlay.${mark%/*} -v /a "$upper/${mark#*/}"
		expect_status 11 revfs snapshot -m $mark
		expect_status 11 revfs detach
		setfattr -x trusted.overlay.${mark%/*} "$upper/${mark#*/}"
	done
	revfs snapshot -m marks | grep -qx 'data: 2 added'
	revfs -q attach
	ls -AR data >../seen
	revfs -q detach
	revfs -q checkout
	ls -AR data | diff ../seen -
}

test_a_server_that_is_killed_under_open_files() {
	new_lab
	revfs -q attach
	exec 8>>data/log 7<data/numbers
	echo before >&8
	pid=$(servers)
	kill -9 "$pid"
	until gone "$pid"; do :; done
	echo after >&8
	revfs -q snapshot -m log >/dev/null
	expect revfs attach <<-'END'
	--- stderr
	revfs: cannot remount 'data': it is in use; 'fuser -vm data' tells by whom
	--- status 9
	END
	echo later >&8
	exec 8>&- 7<&-
	revfs -q attach
	[ "$(cat data/log)" = "$(printf 'before\nafter\nlater')" ]
	[ "$(revfs cat HEAD:data/log)" = "$(printf 'before\nafter')" ]
	[ "$(cat data/sub/b)" = b ] && [ "$(count_mounts)" = 2 ]
	revfs -q detach -f
	nothing_is_left
}

test_commands_at_once() {
	local round
	new_lab
	for round in 1 2 3; do
		revfs -q attach
		echo $round >data/a
		echo $round >data/$round
		revfs snapshot -m one >../one 2>&1 &
		revfs snapshot -m other >../other 2>&1 &
		revfs attach >../again 2>&1 &
		revfs detach >../detach 2>&1 &
		wait
		revfs -q attach
		revfs -q snapshot -m rest >/dev/null
		[ "$(cat data/a data/$round)" = "$(printf '%s\n%s' $round $round)" ]
		[ "$(revfs cat HEAD:data/a)" = $round ]
		[ "$(count_mounts)" = 2 ]
		[ -z "$(git status --porcelain)" ]
	done
	[ "$(git rev-list --count HEAD ^v1)" = 3 ]
	revfs -q detach
	nothing_is_left
}

test_interrupts() {
	local after
	new_lab
	for after in 0.01 0.03 0.06 0.1 0.2; do
		timeout -s INT --foreground $after revfs -q attach || true
		revfs -q attach
		echo $after >data/a
		timeout -s INT --foreground $after revfs -q snapshot -m $after || true
		timeout -s INT --foreground $after revfs -q detach || true
		# A snapshot may have come as far as the pointer file.
		if [ ! -e data ]; then git commit -q -m $after data.revfs || true; fi
		revfs -q attach || [ $? = 11 ]
		[ "$(cat data/a)" = $after ]
		timeout -s INT --foreground $after revfs -q detach -f || true
		# What that pointer file says is not HEAD's: what to type then is said.
		revfs -q attach || { git checkout -q HEAD -- data.revfs && revfs -q attach; }
		revfs -q detach -f
		nothing_is_left
		git reset -q --hard v1
	done
}

test_a_branch_that_moves_during_a_snapshot() {
	new_lab
	revfs -q attach
	# A git that commits something else where a snapshot asks it for the last time before it reads.
	cat >../git <<-END
	#!/bin/bash
	if [[ \$* == *check-ignore* ]] && [ -e "$PWD/../move" ]; then
		rm "$PWD/../move"
		env -u GIT_DIR -u GIT_WORK_TREE -u GIT_INDEX_FILE "$(command -v git)" -C "$PWD" commit -q --allow-empty -m meanwhile
	fi
	exec "$(command -v git)" "\$@"
	END
	chmod +x ../git
	echo one >data/a
	touch ../move
	PATH=$PWD/..:$PATH revfs -q snapshot -m one || revfs -q snapshot -m one
	[ ! -e ../move ]
	[ "$(git log --format=%s HEAD ^v1)" = "$(printf 'one\nmeanwhile')" ]
	[ "$(revfs cat HEAD:data/a)" = one ]
}

test_many_new_files() {
	new_lab
	revfs -q attach
	mkdir data/many
	python3 -c '
for i in range(20000):
    with open(f"data/many/{i}", "w") as f:
        print(i, file=f)'
	# Bounded memory, in KiB.
	python3 -c '
import resource, subprocess
said = subprocess.run(["revfs", "snapshot", "-m", "many"], check=True, stdout=subprocess.PIPE).stdout
assert said.startswith(b"data: 20,000 added\n"), said
peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
assert peak < 200000, peak'
	[ "$(revfs cat HEAD:data/many/19999)" = 19999 ]
	revfs -q attach
	[ "$(cat data/many/777)" = 777 ]
	revfs -q detach
	nothing_is_left
}

run_tests
