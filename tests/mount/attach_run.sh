#!/bin/bash
# Datasets that are attached for a shell or a command, in a namespace of mounts of its own: by root, by everybody, and
# where no program gets another's rights.
# Namespaces of mounts are made here, which have copies of all there is: of what other tests have mounted, too, were it seen.
if [ -z "${OWN_MOUNTS-}" ] && unshare -m true 2>/dev/null; then
	OWN_MOUNTS=1 exec unshare -m bash "$0"
fi
. "${0%/*}/common"
[ -z "${OWN_MOUNTS-}" ] || let_go_of_others

need_namespace() {
	need_mount
	unshare -m true 2>/dev/null || unshare -Um true 2>/dev/null || skip "no namespaces can be made here"
}

# new_clone: a repository with the dataset data, whose commits are tagged v1 and v2, in the test's folder as `repo`;
# current is its clone `clone`, which has the data from the folder `lab`.
new_clone() {
	need_namespace
	new_repo
	mkdir -p data/sub ../lab
	echo a >data/a
	echo b >data/sub/b
	revfs -q snapshot -m one data >/dev/null
	revfs remote add lab "$(realpath ../lab)" >/dev/null
	git commit -q -m "where the data is" .revfs/config
	git tag v1
	echo two >data/a
	revfs -q snapshot -m two data >/dev/null
	git tag v2
	revfs -q push >/dev/null
	cd ..
	git clone -q repo clone
	cd clone
	TOP=$PWD
	export SHELL=/bin/sh
	trap 'leave' EXIT
}

# Whatever state it is in.
leave() {
	local job mounted
	exec 7>&- 8<&-
	for job in $(jobs -p); do
		kill "$job" 2>/dev/null || true
	done
	wait
	cd "$SCRATCH"
	awk -v top="${TOP%/*}/" 'index($5, top) == 1 { print $5 }' /proc/self/mountinfo | sort -r | while read -r mounted; do
		umount -l "$mounted" 2>/dev/null || fusermount3 -uz "$mounted" 2>/dev/null || true
	done
}

# Who is root of the machine has attributes of his own, and needs no namespace for the rest.
is_root() {
	[ "$(id -u)" = 0 ] && unshare -m true 2>/dev/null && grep -q 4294967295 /proc/self/uid_map
}

# Whether programs get the rights to mount: root has them.
can_attach_for_all() {
	is_root || { command -v fuse-overlayfs >/dev/null && grep -q 'NoNewPrivs:.0' /proc/self/status; }
}

server() {
	revfs mounts --json | python3 -c '
import json, sys
print(*[m["worker"] for m in json.load(sys.stdin)["mounts"] if m["mountpoint"].startswith(sys.argv[1])])' "${TOP%/*}/"
}

nothing_is_mounted() {
	not grep -q " ${TOP%/*}/" /proc/self/mountinfo
}

# The last process of the namespace ended a moment ago.
server_ends() {
	local end=$((SECONDS + 10))
	while [ -n "$(server)" ]; do
		[ "$SECONDS" -lt "$end" ]
		sleep 0.02
	done
}

at() {
	git rev-parse "$1" | cut -c -12
}

# hold: a command that waits in the namespace until release; its id is $HELD.
hold() {
	mkfifo ../begun ../go
	revfs run -- sh -c 'echo >../begun; read line <../go' &
	HELD=$!
	read -r _ <../begun
}

release() {
	echo >../go
	wait "$HELD"
}

test_a_command_has_datasets_in_place_and_nobody_else() {
	new_clone
	expect revfs run -- cat data/a data/sub/b <<-END
	two
	b
	END
	expect revfs run -- sh -c 'grep -c " $PWD/data .* overlay " /proc/self/mountinfo' <<-END
	1
	END
	nothing_is_mounted
	[ -z "$(ls -A data)" ]
	server_ends
	expect revfs detach <<-END
	data: detached
	END
	[ ! -e data ]
	[ "$(ls -A .git/revfs/attached)" = lock ]
}

test_a_command_ends_as_it_ends() {
	new_clone
	expect revfs run -- sh -c 'exit 7' <<-END
	--- status 7
	END
	not bash -c 'revfs run -- sh -c "kill -TERM \$\$"; [ $? != 143 ]'
	expect revfs run -- /none/such <<-END
	--- stderr
	revfs: cannot run '/none/such': No such file or directory
	--- status 127
	END
	expect revfs run -- ./data <<-END
	--- stderr
	revfs: cannot run './data': Permission denied
	--- status 126
	END
}

test_no_process_stands_between() {
	new_clone
	hold
	[ "$(cat "/proc/$HELD/comm")" = sh ]
	[ "$(cat "/proc/$HELD/root$PWD/data/a")" = two ]
	release
}

test_a_command_sees_the_revision_and_paths_that_are_named() {
	new_clone
	expect revfs run v1 data -- cat data/a <<-END
	a
	END
	expect revfs run v9 -- cat data/a <<-END
	--- stderr
	revfs: there is no dataset at 'v9'
	--- status 4
	END
	expect revfs run data <<-END
	--- stderr
	revfs: '--' and the command to run are missing
	see 'revfs help run'
	--- status 2
	END
	expect revfs run data -- <<-END
	--- stderr
	revfs: the command to run is missing
	see 'revfs help run'
	--- status 2
	END
}

test_where_one_stands_is_in_the_dataset() {
	new_clone
	revfs -q checkout
	cd data/sub
	expect revfs run -- sh -c 'cat b; echo new >new' <<-END
	b
	END
	[ ! -e new ]
	expect revfs run -- cat new <<-END
	new
	END
	cd "$TOP"
	revfs -q detach -f
}

test_what_was_written_stays() {
	new_clone
	revfs run -- sh -c 'echo new >data/new; rm -r data/sub; mkdir data/sub; echo in >data/sub/in'
	server_ends
	expect revfs status <<-END
	data: 2 added, 1 deleted; attached, not mounted ('revfs attach data')
	END
	expect revfs snapshot -m lost <<-END
	--- stderr
	revfs: 'data' is attached, and not mounted here now: 'revfs attach data' brings it back with all that was changed
	--- status 11
	END
	if [ "$(id -u)" != 0 ] && can_attach_for_all; then
		expect revfs attach <<-END
		--- stderr
		revfs: cannot attach 'data': it was attached for a shell, and has changes: 'revfs attach --shell data' brings it back
		--- status 11
		END
	fi
	expect revfs detach <<-END
	--- stderr
	revfs: 'data' has changes that are in no snapshot (2 added, 0 modified, 1 deleted): 'revfs snapshot data' records them, 'revfs detach -f data' drops them
	--- status 11
	END
	expect revfs run -- sh -c "find data -type f | sort" <<-END
	data/a
	data/new
	data/sub/in
	END
	revfs run -- revfs -q snapshot -m edit >/dev/null
	[ "$(revfs cat HEAD:data/new HEAD:data/sub/in)" = "$(printf 'new\nin')" ]
	expect revfs detach <<-END
	data: detached
	END
}

test_a_shell_is_that_of_the_user() {
	new_clone
	printf 'cat data/a; exit 3\n' >../script
	expect sh -c 'revfs attach --shell <../script' <<-END
	data: attached at $(at HEAD) (2 files, 6 bytes)
	two
	--- status 3
	END
	nothing_is_mounted
	expect sh -c 'revfs attach --shell nowhere <../script' <<-END
	--- stderr
	revfs: there is no dataset at 'nowhere'
	--- status 4
	END
}

test_everything_can_be_done_inside() {
	new_clone
	cat >../script <<-'END'
	set -e
	echo new >data/new
	revfs -q snapshot -m new >/dev/null
	revfs attach | sed 's/ at .* (/ (/'
	git switch -q --detach v1
	revfs attach
	cat data/a
	echo mine >data/mine
	git switch -q main
	revfs attach 2>&1 || echo "$?"
	revfs attach --rebase | sed 's/ at .* (/ (/'
	cat data/a data/new data/mine
	revfs detach 2>/dev/null || echo "$?"
	revfs detach -f
	ls -A .git/revfs/attached
	revfs attach | sed 's/ at .* (/ (/'
	revfs run -- cat data/new
	END
	expect revfs run -- sh ../script <<-END
	data: now (3 files, 10 bytes)
	data: now at $(at v1) (2 files, 4 bytes)
	a
	revfs: 'data' has changes that are in no snapshot, and is based on another version than that of HEAD: 'revfs attach --rebase data' carries the changes over
	11
	data: now, with what was changed, (3 files, 10 bytes)
	two
	new
	mine
	11
	data: detached
	lock
	data: attached (3 files, 10 bytes)
	new
	END
}

test_all_share_one_namespace() {
	new_clone
	hold
	expect revfs run -- readlink /proc/self/ns/mnt <<-END
	$(readlink "/proc/$HELD/ns/mnt")
	END
	expect revfs detach -f <<-END
	--- stderr
	revfs: cannot detach 'data': it is attached in a shell of its own, for process $HELD (sh); 'revfs attach --shell' enters there
	--- status 9
	END
	expect revfs attach <<-END
	--- stderr
	revfs: cannot attach 'data': it is attached in a shell of its own, for process $HELD (sh); 'revfs attach --shell' enters there
	--- status 9
	END
	[ -n "$(server)" ]
	# Nor is it moved under those who use it.
	expect revfs run v1 -- cat data/a <<-END
	--- stderr
	revfs: 'data' is attached at another version than that of v1 for a command or shell that runs: wait until it has ended, or use another work tree ('git worktree add')
	--- status 9
	END
	revfs run -- sh -c 'echo new >data/new; revfs -q snapshot -m new' >/dev/null
	expect revfs run -- cat data/new <<-END
	new
	END
	release
	server_ends
	expect revfs run v1 -- ls data <<-END
	a
	sub
	END
	revfs -q detach
}

test_two_versions_at_once_in_two_work_trees() {
	new_clone
	hold
	git worktree add -q ../second v1
	cd ../second
	expect revfs run -- cat data/a "$TOP/data/a" <<-END
	a
	two
	END
	cd "$TOP"
	release
	server_ends
}

test_what_serves_all_is_left_to_them() {
	new_clone
	can_attach_for_all || skip "datasets cannot be attached for all here"
	mkdir other
	echo other >other/file
	revfs -q snapshot -m other other >/dev/null
	revfs -q attach other
	hold
	[ "$(server | wc -w)" = 1 ]
	revfs -q detach other
	[ "$(cat "/proc/$HELD/root$PWD/data/a")" = two ]
	[ -n "$(server)" ]
	release
	revfs -q detach
	server_ends
	nothing_is_mounted
}

test_many_may_begin_at_once() {
	local pids=() pid i
	new_clone
	for i in 1 2 3 4; do
		revfs run -- sh -c 'echo "$1" >"data/$1"; until [ "$(ls data | wc -l)" = 6 ]; do sleep 0.01; done' sh "$i" &
		pids+=("$!")
	done
	for pid in "${pids[@]}"; do
		wait "$pid"
	done
	server_ends
	expect revfs run -- ls data <<-END
	1
	2
	3
	4
	a
	sub
	END
	revfs -q detach -f
}

test_what_goes_on_behind_keeps_it() {
	new_clone
	mkfifo ../go
	revfs run -- sh -c '(read line <../go; cat data/a >../seen) >/dev/null 2>&1 &'
	[ -n "$(server)" ]
	echo >../go
	server_ends
	[ "$(cat ../seen)" = two ]
}

test_a_server_that_died_is_started_anew_inside() {
	new_clone
	cat >../script <<-'END'
	set -e
	echo new >data/new
	kill -9 "$(sed -n 's/^pid //p' .git/revfs/attached/mount/.revfs/status)"
	revfs attach
	cat data/new data/a
	END
	expect revfs run -- sh ../script <<-END
	data: attached again, with what was changed, at $(at HEAD) (2 files, 6 bytes)
	new
	two
	END
	server_ends
	revfs -q detach -f
}

test_what_others_see_is_seen_here_too() {
	new_clone
	can_attach_for_all || skip "datasets cannot be attached for all here"
	revfs -q attach
	echo new >data/new
	expect revfs run -- sh -c 'cat data/new; echo more >data/more' <<-END
	new
	END
	[ "$(cat data/more)" = more ]
	# Changes in a form that the other overlay does not know.
	if ! is_root; then
		fusermount3 -u data
		expect revfs run -- cat data/new <<-END
		--- stderr
		revfs: cannot attach 'data' in here: it was attached with fuse-overlayfs, and has changes: 'revfs attach data' outside brings it back, for shells, too
		--- status 11
		END
		revfs -q attach
	fi
	revfs -q detach -f
	nothing_is_mounted
}

test_a_system_that_forbids_it_is_named() {
	new_clone
	unshare -Ur true 2>/dev/null || skip "no namespaces of users can be made here"
	expect unshare -Ur sh -c 'echo 0 >/proc/sys/user/max_user_namespaces &&
		exec setpriv --bounding-set=-all revfs run -- true' <<-END
	--- stderr
	revfs: cannot make a namespace of mounts: 'user.max_user_namespaces' allows no more of them; root can 'sysctl -w' it higher, or install fuse-overlayfs, for 'revfs attach'
	--- status 6
	END
}

run_tests
