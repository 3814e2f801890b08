#!/bin/bash
# Attached datasets: in place at once, writable, back again after what may happen, gone without a trace.
. "${0%/*}/common"

# How overlays are mounted: by root with the kernel, else with fuse-overlayfs; each test of both runs with either.
need_overlay() {
	need_mount
	if [ "$(id -u)" != 0 ]; then
		command -v fuse-overlayfs >/dev/null || skip "there is no fuse-overlayfs here"
	fi
}

# new_clone: a repository with the dataset data, whose commits are tagged v1, in $SCRATCH's folder of the test as `repo`;
# current is its clone `clone`, which has the data from the folder `lab`.
new_clone() {
	need_overlay
	new_repo
	mkdir -p data/sub ../lab
	echo a >data/a
	echo b >data/sub/b
	seq 1000 >data/numbers
	ln -s a data/link
	revfs -q snapshot -m one data >/dev/null
	revfs remote add lab "$(realpath ../lab)" >/dev/null
	git commit -q -m "where the data is" .revfs/config
	revfs -q push >/dev/null
	git tag v1
	cd ..
	git clone -q repo clone
	cd clone
	TOP=$PWD
	trap 'end_attached' EXIT
}

# Whatever state it is in.
end_attached() {
	local mounted
	cd "$SCRATCH"
	awk -v top="${TOP%/*}/" 'index($5, top) == 1 { print $5 }' /proc/self/mountinfo | sort -r |
		while IFS= read -r mounted; do
			printf -v mounted %b "$mounted"
			umount -l "$mounted" 2>/dev/null || fusermount3 -uz "$mounted" 2>/dev/null || true
		done
}

# What is mounted below the folder of the test: type and place.
mounted() {
	awk -v top="${TOP%/*}/" 'index($5, top) == 1 { sub(/.* - /, "&"); split($0, half, " - "); split(half[2], of, " ");
		print of[1], substr($5, length(top) + 1) }' /proc/self/mountinfo | sort
}

server() {
	revfs mounts --json | python3 -c '
import json, sys
print(*[m["worker"] for m in json.load(sys.stdin)["mounts"] if m["mountpoint"].startswith(sys.argv[1])])' "${TOP%/*}/"
}

nothing_is_left() {
	[ -z "$(mounted)" ] && [ -z "$(server)" ] && [ "$(ls -A .git/revfs/attached)" = lock ]
}

test_datasets_appear_in_place_and_go_without_a_trace() {
	new_clone
	expect revfs attach <<-END
	data: attached at $(git rev-parse HEAD | cut -c -12) (4 files, 3.8 KiB)
	END
	[ "$(cat data/a data/sub/b data/link)" = "$(printf 'a\nb\na')" ]
	cmp data/numbers ../repo/data/numbers
	[ -z "$(git status --porcelain)" ]
	expect revfs attach <<-END
	data: attached already
	END
	expect revfs detach <<-END
	data: detached
	END
	nothing_is_left
	[ ! -e data ]
	expect revfs detach data <<-END
	--- stderr
	revfs: 'data' is not attached
	--- status 4
	END
}

test_changes_in_no_snapshot_are_not_dropped() {
	new_clone
	revfs -q attach
	echo new >data/new
	rm data/a
	expect revfs detach <<-END
	--- stderr
	revfs: 'data' has changes that are in no snapshot (1 added, 0 modified, 1 deleted): 'revfs snapshot data' records them, 'revfs detach -f data' drops them
	--- status 11
	END
	[ "$(cat data/new)" = new ]
	expect revfs detach -n -f <<-END
	data: would be detached
	END
	revfs -q snapshot -m edit >/dev/null
	expect revfs detach <<-END
	data: detached
	END
	nothing_is_left
	revfs -q attach
	[ "$(ls data)" = "$(printf 'link\nnew\nnumbers\nsub')" ]
	echo newer >data/new
	expect revfs detach -f data <<-END
	data: detached
	END
	nothing_is_left
	[ "$(revfs cat HEAD:data/new)" = new ]
}

test_what_cannot_be_recorded_is_not_dropped() {
	new_clone
	revfs -q attach
	mkfifo data/pipe
	expect revfs detach <<-END
	--- stderr
	revfs: 'data' has 1 that no snapshot can record: 'revfs snapshot data' names what; 'revfs detach -f data' drops all that was changed
	--- status 11
	END
	revfs -q detach -f
	nothing_is_left
}

test_the_mount_below_stays_while_it_is_needed() {
	local status=0
	new_clone
	revfs -q attach
	revfs umount .git/revfs/attached/mount 2>../said || status=$?
	[ "$status" = 9 ]
	grep -q "^revfs: cannot unmount '$TOP/.git/revfs/attached/mount': " ../said
	[ "$(cat data/a)" = a ]
	expect revfs detach <<-END
	data: detached
	END
	nothing_is_left
}

test_one_in_use_is_named_and_stays() {
	new_clone
	revfs -q attach
	exec 9<data/a
	expect revfs detach <<-END
	--- stderr
	revfs: cannot detach 'data': it is in use; 'fuser -vm data' tells by whom
	--- status 9
	END
	[ "$(cat data/sub/b)" = b ]
	exec 9<&-
	revfs -q detach
	nothing_is_left
}

# Kill the server, and, with UNMOUNT, take away all mounts, as if the machine had been started anew.
break_it() {
	local pid mounted
	pid=$(server)
	kill -9 "$pid"
	until gone "$pid"; do :; done
	[ "${1-}" = unmount ] || return 0
	for mounted in "$TOP/data" "$TOP/.git/revfs/attached/mount"; do
		umount -l "$mounted" || fusermount3 -uz "$mounted"
	done
}

test_all_changes_are_back_after_the_server_died() {
	new_clone
	revfs -q attach
	echo changed >data/a
	rm data/numbers
	mkdir data/sub/deep
	break_it
	expect revfs attach <<-END
	data: attached again, with what was changed, at $(git rev-parse HEAD | cut -c -12) (4 files, 3.8 KiB)
	END
	[ "$(cat data/a)" = changed ] && [ ! -e data/numbers ] && [ -d data/sub/deep ] && [ "$(cat data/sub/b)" = b ]
	revfs -q detach -f
	nothing_is_left
}

test_all_changes_are_back_after_the_machine_was_started_anew() {
	new_clone
	revfs -q attach
	echo changed >data/a
	rm data/numbers
	break_it unmount
	[ -z "$(mounted)" ]
	expect revfs snapshot -m nothing <<-END
	--- stderr
	revfs: 'data' is attached, and not mounted here now: 'revfs attach data' brings it back with all that was changed
	--- status 11
	END
	expect revfs detach <<-END
	--- stderr
	revfs: 'data' has changes that are in no snapshot (0 added, 1 modified, 1 deleted): 'revfs snapshot data' records them, 'revfs detach -f data' drops them
	--- status 11
	END
	revfs -q attach
	[ "$(cat data/a)" = changed ] && [ ! -e data/numbers ] && [ "$(cat data/sub/b)" = b ]
	revfs -q snapshot -m edit >/dev/null
	[ "$(revfs cat HEAD:data/a)" = changed ]
	break_it unmount
	expect revfs detach <<-END
	data: detached
	END
	nothing_is_left
}

# A second version, v2, in the clone.
new_version() {
	revfs -q attach
	echo two >data/a
	echo two >data/two
	revfs -q snapshot -m two >/dev/null
	git tag v2
	revfs -q detach
}

test_an_unchanged_one_follows_the_branch() {
	new_clone
	new_version
	revfs -q attach
	git switch -q --detach v1
	expect revfs attach <<-END
	data: now at $(git rev-parse v1 | cut -c -12) (4 files, 3.8 KiB)
	END
	[ "$(cat data/a)" = a ] && [ ! -e data/two ]
	# What was changed is in a snapshot, of another branch by now.
	git switch -q main
	revfs -q attach
	git switch -q -c other
	echo other >data/other
	revfs -q snapshot -m other >/dev/null
	git switch -q main
	expect revfs attach <<-END
	data: now at $(git rev-parse v2 | cut -c -12) (5 files, 3.8 KiB)
	END
	[ ! -e data/other ] && [ "$(cat data/a)" = two ]
	revfs -q detach
	nothing_is_left
}

test_a_changed_one_does_not_follow() {
	new_clone
	new_version
	revfs -q attach
	echo mine >data/mine
	git switch -q --detach v1
	expect revfs attach <<-END
	--- stderr
	revfs: 'data' has changes that are in no snapshot, and is based on another version than that of HEAD: 'revfs attach --rebase data' carries the changes over
	--- status 11
	END
	[ "$(cat data/mine data/a)" = "$(printf 'mine\ntwo')" ]
	# Nor is it lost to a restart.
	break_it unmount
	expect revfs attach <<-END
	data: attached again, with what was changed, at $(git rev-parse v2 | cut -c -12) (5 files, 3.8 KiB)
	--- stderr
	revfs: 'data' has changes that are in no snapshot, and is based on another version than that of HEAD: 'revfs attach --rebase data' carries the changes over
	--- status 11
	END
	[ "$(cat data/mine data/a)" = "$(printf 'mine\ntwo')" ]
	revfs -q detach -f
}

test_one_that_the_branch_does_not_have_goes() {
	new_clone
	git switch -q -c without
	git rm -q data.revfs
	git commit -q -m without
	git switch -q main
	revfs -q attach
	git switch -q without
	expect revfs attach <<-END
	data: detached
	END
	nothing_is_left
	git switch -q main
	revfs -q attach
	echo mine >data/mine
	git switch -q without
	expect revfs attach <<-END
	--- stderr
	revfs: 'data' has changes that are in no snapshot, and HEAD has no such dataset: 'revfs snapshot data' makes one of it again, 'revfs detach -f data' drops them
	--- status 11
	END
	[ "$(cat data/mine)" = mine ]
}

# A clone at v2, attached, whose HEAD goes back to v1, where a is other and two is not there; with SCRIPT run before that.
moved() {
	new_clone
	new_version
	revfs -q attach
	eval "$1"
	git switch -q --detach v1
}

is_rebased() {
	expect revfs attach --rebase <<-END
	data: now, with what was changed, at $(git rev-parse v1 | cut -c -12) (4 files, 3.8 KiB)
	END
	expect revfs attach <<-END
	data: attached already
	END
}

test_changes_are_carried_over() {
	moved 'echo mine >data/mine; echo mine >>data/numbers; rm data/sub/b; mkdir data/folder; echo in >data/folder/in'
	is_rebased
	[ "$(cat data/mine data/a data/folder/in)" = "$(printf 'mine\na\nin')" ]
	[ "$(tail -n 1 data/numbers)" = mine ] && [ ! -e data/two ] && [ ! -e data/sub/b ] && [ -d data/sub ]
	git switch -q -c mine
	revfs snapshot -m mine | sed 1q >../said
	[ "$(cat ../said)" = 'data: 2 added, 1 modified, 1 deleted' ]
	revfs -q detach
	nothing_is_left
}

test_what_was_only_opened_is_no_change() {
	moved 'touch data/a data/two; echo mine >data/mine'
	is_rebased
	[ "$(cat data/mine data/a)" = "$(printf 'mine\na')" ] && [ ! -e data/two ]
	revfs -q detach -f
	nothing_is_left
}

test_what_both_changed_is_a_conflict() {
	moved 'echo mine >data/a; echo mine >data/mine'
	expect revfs attach --rebase <<-END
	--- stderr
	revfs: conflict in 'data/a': ours has a file of 5 bytes, theirs has a file of 2 bytes
	revfs: 'data' is left as it was: undo your side of it; or go back with 'git switch', and merge what 'revfs snapshot' records there
	--- status 1
	END
	[ "$(cat data/a data/mine data/two)" = "$(printf 'mine\nmine\ntwo')" ]
	echo two >data/a
	is_rebased
	[ "$(cat data/a data/mine)" = "$(printf 'a\nmine')" ] && [ ! -e data/two ]
	# One that is in use is named before anything is changed.
	git switch -q --detach v2
	exec 9<data/mine
	expect revfs attach --rebase <<-END
	--- stderr
	revfs: cannot remount 'data': it is in use; 'fuser -vm data' tells by whom
	--- status 9
	END
	exec 9<&-
	[ "$(cat data/a data/mine)" = "$(printf 'a\nmine')" ]
}

test_a_folder_that_hides_what_changed_is_a_conflict() {
	moved 'rm -r data/sub; mkdir data/sub; echo b >data/sub/b; echo mine >data/sub/mine'
	git switch -q -c other
	revfs -q detach -f
	revfs -q attach
	echo deep >data/sub/deep
	revfs -q snapshot -m deep >/dev/null
	revfs -q detach
	git switch -q --detach v1
	revfs -q attach
	rm -r data/sub
	mkdir data/sub
	echo b >data/sub/b
	echo mine >data/sub/mine
	git switch -q other
	expect revfs attach --rebase <<-END
	--- stderr
	revfs: conflict in 'data/sub/deep': it cannot be carried over by itself
	revfs: 'data' is left as it was: undo your side of it; or go back with 'git switch', and merge what 'revfs snapshot' records there
	--- status 1
	END
}

test_a_snapshot_that_is_not_committed_stays() {
	new_clone
	revfs -q attach
	echo staged >data/a
	revfs -q snapshot --no-commit >/dev/null
	expect revfs attach <<-END
	data: attached already
	END
	break_it unmount
	revfs -q attach
	[ "$(cat data/a)" = staged ]
	git commit -q -m staged
	expect revfs attach <<-END
	data: now at $(git rev-parse HEAD | cut -c -12) (4 files, 3.8 KiB)
	END
	[ "$(cat data/a)" = staged ]
}

test_worktrees_stand_on_two_versions_at_once() {
	new_clone
	new_version
	git worktree add -q ../second v1
	revfs -q attach
	cd ../second
	expect revfs attach v1 data <<-END
	data: attached at $(git rev-parse v1 | cut -c -12) (4 files, 3.8 KiB)
	END
	[ "$(cat data/a "$TOP/data/a")" = "$(printf 'a\ntwo')" ]
	[ "$(mounted | grep -c fuse.revfs)" = 1 ]
	revfs -q detach
	[ "$(cat "$TOP/data/a")" = two ]
	cd "$TOP"
	revfs -q detach
	nothing_is_left
}

test_a_work_tree_that_was_removed_leaves_nothing() {
	new_clone
	git worktree add -q ../second main^{commit}
	cd ../second
	revfs -q attach
	echo mine >data/mine
	cd "$TOP"
	not git worktree remove ../second 2>/dev/null
	expect revfs detach "${TOP%/*}/second/data" <<-END
	--- stderr
	revfs: warning: 'SCRATCH/${FUNCNAME[0]}/second/data' is attached, and its work tree is gone: 'revfs detach SCRATCH/${FUNCNAME[0]}/second/data' ends that
	revfs: 'data' has changes that are in no snapshot (0 added, 0 modified, 4 deleted): 'revfs snapshot data' records them, 'revfs detach -f data' drops them
	--- status 11
	END
	revfs -q detach -f "${TOP%/*}/second/data"
	nothing_is_left
	[ ! -e ../second/data ]
}

test_changes_come_along_with_a_clone_that_is_moved() {
	new_clone
	revfs -q attach
	echo mine >data/mine
	break_it unmount
	cd ..
	mv clone moved
	cd moved
	expect revfs attach <<-END
	data: attached again, with what was changed, at $(git rev-parse HEAD | cut -c -12) (4 files, 3.8 KiB)
	END
	[ "$(cat data/mine data/a)" = "$(printf 'mine\na')" ]
	revfs -q detach -f
	nothing_is_left
}

test_files_that_are_in_no_snapshot_are_not_covered() {
	new_clone
	mkdir data
	echo mine >data/mine
	expect revfs attach <<-END
	--- stderr
	revfs: the folder 'data' holds files that are in no snapshot, and would be covered: 'revfs snapshot data' records them, 'revfs checkout -f data' drops them; or move the folder away
	--- status 11
	END
	nothing_is_left
	rm -r data
	revfs -q checkout
	revfs -q attach
	echo over >data/a
	revfs -q detach -f
	[ "$(cat data/a)" = a ]
	echo mine >data/a
	not revfs -q attach 2>/dev/null
	[ "$(cat data/a)" = mine ]
	nothing_is_left
}

test_what_is_asked_for_wrongly_is_said() {
	new_clone
	expect revfs attach nowhere/x <<-END
	--- stderr
	revfs: there is no dataset at 'nowhere/x'
	--- status 4
	END
	expect revfs attach data/sub <<-END
	--- stderr
	revfs: 'data/sub' lies in a dataset: name the dataset, which is attached as a whole
	--- status 11
	END
	expect revfs attach v9 -- data <<-END
	--- stderr
	revfs: there is no revision 'v9'; did you mean 'v1'?
	--- status 4
	END
	echo changed >>data.revfs
	expect revfs attach <<-END
	--- stderr
	revfs: 'data.revfs' is not as HEAD has it: 'git commit' it first, or 'git checkout HEAD -- data.revfs', or name a revision
	--- status 11
	END
	nothing_is_left
}

test_two_at_once_wait_for_each_other() {
	local pids=() pid i
	new_clone
	for i in 1 2 3 4; do
		revfs attach >/dev/null &
		pids+=("$!")
	done
	for pid in "${pids[@]}"; do
		wait "$pid"
	done
	[ "$(mounted | wc -l)" = 2 ]
	revfs -q detach
	nothing_is_left
}

test_names_with_any_byte_do() {
	new_clone
	cd ../repo
	git mv data.revfs $'d,a:t\\a \n\xff.revfs'
	git commit -q -m named
	cd "$TOP"
	git pull -q
	revfs -q attach
	[ "$(cat $'d,a:t\\a \n\xff/a')" = a ]
	echo x >$'d,a:t\\a \n\xff/x'
	[ "$(revfs attach)" = "$(printf '%s' '"d,a:t\\a \n\377": attached already')" ]
	break_it
	revfs -q attach
	[ "$(cat $'d,a:t\\a \n\xff/x')" = x ]
	revfs -q detach -f
	nothing_is_left
}

test_the_upper_folder_may_lie_elsewhere() {
	new_clone
	mkdir ../fast
	git config revfs.attachDir "$(realpath ../fast)"
	revfs -q attach
	echo x >data/x
	[ "$(cat ../fast/*/upper/x)" = x ]
	revfs -q detach -f
	[ -z "$(ls -A ../fast)" ]
	nothing_is_left
	git config revfs.attachDir fast
	expect revfs attach <<-END
	--- stderr
	revfs: revfs.attachDir is 'fast': an absolute path is wanted
	--- status 2
	END
	nothing_is_left
}

# A single file holds nobody up who attaches all.
test_files_are_passed_over() {
	new_clone
	echo file >one
	revfs -q snapshot -m file one >/dev/null
	rm one
	expect revfs attach <<-END
	data: attached at $(git rev-parse --short=12 HEAD) (4 files, 3.8 KiB)
	one: a single file, not attached: 'revfs checkout' brings it
	END
	[ ! -e one ]
	revfs -q checkout one
	expect revfs attach <<-END
	data: attached already
	END
	[ "$(cat one)" = file ]
	expect revfs attach one <<-END
	--- stderr
	revfs: 'one' is a single file, and only directories can be attached: 'revfs checkout one' brings it
	--- status 11
	END
}

# What the kernel does for root does fuse-overlayfs for everybody.
test_everything_without_roots_rights() {
	without_roots_rights "$TESTS_DIR/mount/attach.sh"
}

run_tests
