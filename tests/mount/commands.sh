#!/bin/bash
# revfs mount, umount, mounts and mount.revfs: what they say, and how a mount ends.
. "${0%/*}/common"

HERE_FILTER='s/[0-9]{4}-[0-9-]+T[0-9:]+Z/TIME/;s/\t[0-9]+\t[0-9]+\tTIME\t[0-9,]+ requests?\t.*/\tPID\tPID\tTIME\tN requests\tSIZE/'

new_mounted() {
	need_mount
	new_dataset
	git tag v1
	mount_here "$@"
	HERE=SCRATCH/${PWD#"$SCRATCH/"}
	HERE=${HERE%/repo}
}

is_mounted() {
	grep -q " $1 .* fuse.revfs " /proc/self/mountinfo
}

test_mount_returns_when_the_mount_answers() {
	local server
	new_mounted
	cmp data/large "$MNT/@v1/data/large"
	server=$(server_of "$MNT")
	# Nobody's child, in no session of ours, nothing of ours open, no folder held.
	[ "$(awk '{ print $4 }' "/proc/$server/stat")" != $$ ]
	[ "$(awk '{ print $6 }' "/proc/$server/stat")" != "$(awk '{ print $6 }' /proc/$$/stat)" ]
	[ "$(readlink "/proc/$server/cwd")" = / ]
	[ "$(readlink "/proc/$server/fd/0")" = /dev/null ]
	[ "$(readlink "/proc/$server/fd/2")" = /dev/null ]
	expect revfs umount "$MNT" <<'END'
END
	gone "$server"
	not is_mounted "$MNT"
}

test_who_leaves_in_a_moment_is_waited_for() {
	new_mounted
	sleep 0.4 <"$MNT/@v1/data/large" &
	expect revfs umount "$MNT" <<'END'
END
	not is_mounted "$MNT"
}

# What the caller had open is not kept: a pipeline behind the command ends.
test_server_keeps_no_descriptor_of_the_caller() {
	need_mount
	new_dataset
	mkdir ../mnt
	trap 'end_mount ../mnt' EXIT
	exec 9> >(cat >/dev/null)
	timeout 20 bash -c "revfs mount ../mnt 8>&1 | cat; revfs mount ../mnt 2>&1 | cat"
	exec 9>&-
	revfs umount ../mnt
}

test_mounts_are_listed() {
	local server
	new_mounted
	server=$(server_of "$MNT")
	cat "$MNT/@v1/data/large" >/dev/null
	revfs mounts | grep -F "$MNT	" >../listed
	FILTER=$HERE_FILTER expect cat ../listed <<END
$HERE/mnt	$HERE/repo	PID	PID	TIME	N requests	SIZE
END
	need python3
	revfs mounts --json | python3 -c '
import json, sys
mounts = json.load(sys.stdin)["mounts"]
mount = next(m for m in mounts if m["mountpoint"] == sys.argv[1])
assert sorted(mount) == ["bytes", "keeper", "mountpoint", "repository", "requests", "since", "worker"], mount
assert mount["repository"] == sys.argv[2] and mount["worker"] == mount["keeper"] == int(sys.argv[3])
assert mount["bytes"] >= 100000 and mount["requests"] >= 4
' "$MNT" "$PWD" "$server"
	revfs umount "$MNT"
	revfs mounts >../listed
	not grep -F "$MNT" ../listed
}

test_repository_is_named_or_found() {
	need_mount
	new_dataset
	git tag v1
	mkdir ../mnt sub
	trap 'end_mount "$SCRATCH/test_repository_is_named_or_found/mnt"' EXIT
	cd ..
	revfs mount repo mnt
	cmp repo/data/large mnt/@v1/data/large
	revfs umount mnt
	revfs -C repo/sub mount ../../mnt
	cmp repo/data/large mnt/@v1/data/large
	revfs umount mnt/
	GIT_DIR=$PWD/nowhere revfs mount repo mnt
	cmp repo/data/large mnt/@v1/data/large
	ln -s mnt link
	revfs umount link
	GIT_DIR=$PWD/repo/.git revfs mount mnt
	cmp repo/data/large mnt/@v1/data/large
	(cd mnt && revfs mounts | grep -qF "$PWD")
	revfs umount ./mnt
	expect revfs mount nowhere mnt <<'END'
--- stderr
revfs: cannot enter the repository 'nowhere': No such file or directory
--- status 4
END
	expect revfs mount mnt <<'END'
--- stderr
revfs: not in a git repository: 'git init' makes one here, 'revfs -C DIR' works in another folder
--- status 10
END
}

test_wrong_calls() {
	new_mounted
	expect_status 2 revfs mount
	expect_status 2 revfs mount a b c
	expect_status 2 revfs umount
	expect_status 2 revfs umount --all x
	expect_status 2 revfs mounts x
	expect revfs mount -o rw ../mnt <<'END'
--- stderr
revfs: mount option 'rw': a mount of revfs is read-only
see 'revfs help mount'
--- status 2
END
	expect_status 2 revfs mount -o uid=root ../mnt
	expect_status 2 revfs mount -o online ../mnt
	expect revfs mount ../mnt <<END
--- stderr
revfs: '$HERE/mnt' is mounted already: 'revfs umount' ends that
--- status 9
END
	expect revfs umount .. <<END
--- stderr
revfs: nothing of revfs is mounted on '$HERE': 'revfs mounts' lists what is
--- status 4
END
	cmp data/large "$MNT/@v1/data/large"
}

test_options() {
	need_mount
	need_root
	new_mounted -o allow_other,uid=1234,gid=4321,memory=16m,noauto,nofail,x-gvfs-hide
	[ "$(stat -c '%u %g' "$MNT/@v1/data/large")" = '1234 4321' ]
	[ "$(stat -c '%u %g' "$MNT")" = '1234 4321' ]
	chmod 755 .. "$SCRATCH"
	as_user cmp "$MNT/@v1/data/large" - <data/large
	end_mount "$MNT"
	cd "$SCRATCH/test_options/repo"
	revfs mount "$MNT"
	[ "$(stat -c '%u %g' "$MNT/@v1/data/large")" = "$(id -u) $(id -g)" ]
	not as_user cat "$MNT/@v1/data/large" 2>../said
	grep -q 'Permission denied' ../said
}

test_mountpoint_within_the_work_tree_is_left_alone_by_git() {
	need_mount
	new_dataset
	git tag v1
	mkdir 'look [here]'
	MNT=$PWD/'look [here]'
	trap 'end_mount "$MNT"' EXIT
	revfs mount "$MNT"
	cmp data/large "$MNT/@v1/data/large"
	[ -z "$(git status --porcelain)" ]
	git add -A
	[ -z "$(git status --porcelain)" ]
	end_mount "$MNT"
}

test_busy_mount_stays() {
	local holder server
	new_mounted
	server=$(server_of "$MNT")
	tail -f "$MNT/@v1/data/large" >/dev/null &
	holder=$!
	expect revfs umount "$MNT" <<END
--- stderr
revfs: cannot unmount '$HERE/mnt': it is in use; 'fuser -vm' there tells by whom
--- status 9
END
	cmp data/large "$MNT/@v1/data/large"
	[ "$(server_of "$MNT")" = "$server" ]
	kill $holder
	wait $holder 2>/dev/null || true
	revfs umount "$MNT"
	gone "$server"
}

test_umount_of_all() {
	local first second
	need_mount
	# Root's list of mounts is one for the machine: a list of our own, so that no other test loses its mount.
	need_root
	new_dataset
	unshare -m true || skip 'no mount namespaces here'
	mkdir ../a ../b
	cat >../script <<'END'
set -e
mkdir -p /run/revfs
mount -t tmpfs -o mode=700 tmpfs /run/revfs
revfs mount ../a
revfs mount ../b
[ "$(revfs mounts | wc -l)" = 2 ]
revfs umount --all
[ "$(revfs mounts | wc -l)" = 0 ]
[ "$(awk -v top="${PWD%/repo}/" 'index($5, top) == 1' /proc/self/mountinfo | wc -l)" = 0 ]
END
	unshare -m bash ../script
}

test_dead_mount_is_cleared() {
	local server
	new_mounted
	server=$(server_of "$MNT")
	kill -9 "$server"
	wait_for 10 gone "$server"
	wait_for 10 sh -c "ls '$MNT/' 2>&1 | grep -q 'Transport endpoint is not connected'"
	revfs mounts | grep -F "$MNT	" >../listed
	FILTER=$HERE_FILTER expect cat ../listed <<END
$HERE/mnt	$HERE/repo	dead	dead	TIME
END
	revfs mount "$MNT"
	cmp data/large "$MNT/@v1/data/large"
	[ "$(revfs mounts | grep -cF "$MNT	")" = 1 ]
	server=$(server_of "$MNT")
	kill -9 "$server"
	wait_for 10 gone "$server"
	expect revfs umount "$MNT" <<'END'
END
	not is_mounted "$MNT"
	revfs mounts >../listed
	not grep -F "$MNT" ../listed
}

# A server that hangs is told of, and holds nobody up.
test_hung_server() {
	local server status=0
	new_mounted
	server=$(server_of "$MNT")
	kill -STOP "$server"
	timeout 30 revfs mounts >../listed || status=$?
	timeout 30 revfs mounts --json >../json || status=$?
	kill -CONT "$server"
	[ $status = 0 ]
	grep -F "$MNT	" ../listed | sed -E 's/(\t[0-9]+){2}\t[0-9TZ:-]+/\tPID\tPID\tTIME/' >../one
	expect cat ../one <<END
$HERE/mnt	$HERE/repo	PID	PID	TIME	does not answer
END
	need python3
	python3 -c '
import json, sys
mounts = json.load(sys.stdin)["mounts"]
mount = next(m for m in mounts if m["mountpoint"] == sys.argv[1])
assert mount["requests"] is None and mount["bytes"] is None and mount["worker"] == int(sys.argv[2])
' "$MNT" "$server" <../json
	cmp data/large "$MNT/@v1/data/large"
}

test_unmounted_by_other_means() {
	local server
	new_mounted
	server=$(server_of "$MNT")
	if [ "$(id -u)" = 0 ]; then
		umount "$MNT"
	else
		fusermount3 -u "$MNT"
	fi
	wait_for 10 gone "$server"
	revfs mounts >../listed
	not grep -F "$MNT" ../listed
}

test_sigterm_ends_an_idle_mount_at_once() {
	local server signal
	for signal in TERM INT HUP; do
		(new_mounted && trap - EXIT)
		MNT=$PWD/mnt
		server=$(server_of "$MNT")
		kill -$signal "$server"
		wait_for 5 gone "$server"
		not is_mounted "$MNT"
		rm -rf repo
	done
}

test_sigterm_serves_what_is_open() {
	local server
	new_mounted
	server=$(server_of "$MNT")
	exec 7<"$MNT/@v1/data/large"
	kill -TERM "$server"
	wait_for 5 test ! -e "$MNT/@v1"
	not is_mounted "$MNT"
	# Nothing of it was read before: every byte comes from the server that is ending.
	cmp data/large - <&7
	not gone "$server"
	exec 7<&-
	wait_for 5 gone "$server"
}

test_second_signal_ends_it_whatever_is_open() {
	local server
	new_mounted
	server=$(server_of "$MNT")
	exec 7<"$MNT/@v1/data/large"
	kill -TERM "$server"
	wait_for 5 test ! -e "$MNT/@v1"
	kill -TERM "$server"
	wait_for 5 gone "$server"
	not cat <&7 >/dev/null 2>../said
	exec 7<&-
}

test_foreground() {
	local server status=0
	need_mount
	new_dataset
	git tag v1
	MNT=$(realpath ..)/mnt
	mkdir "$MNT"
	trap 'end_mount "$MNT"' EXIT
	revfs mount -f "$MNT" >../said 2>&1 &
	server=$!
	wait_for 10 test -e "$MNT/@v1/data/large"
	[ "$(server_of "$MNT")" = $server ]
	cmp data/large "$MNT/@v1/data/large"
	kill -INT $server
	wait $server || status=$?
	[ $status = 0 ]
	[ ! -s ../said ]
	revfs mount -f "$MNT" &
	server=$!
	wait_for 10 test -e "$MNT/@v1"
	revfs umount "$MNT"
	wait $server
}

test_mount_helper() {
	need_mount
	new_dataset
	git tag v1
	MNT=$(realpath ..)/mnt
	mkdir "$MNT"
	trap 'end_mount "$MNT"' EXIT
	cd ..
	mount.revfs repo mnt -o rw,noauto
	cmp repo/data/large mnt/@v1/data/large
	expect_status 32 mount.revfs repo mnt
	revfs umount mnt
	mount.revfs -s -o rw,bogus=1 repo mnt
	revfs umount mnt
	mount.revfs -f repo mnt
	not is_mounted "$MNT"
	mount.revfs -n -v repo mnt -o rw,uid=77
	[ "$(stat -c %u mnt/@v1/data)" = 77 ]
	revfs umount mnt
	expect_status 1 mount.revfs repo
	expect_status 1 mount.revfs repo mnt -o bogus
	expect_status 32 mount.revfs nowhere mnt
	expect_status 32 mount.revfs repo nowhere
	expect_status 32 mount.revfs -f repo repo/.git
}

# As mount(8) calls it, where it is installed.
test_mount_of_the_type() {
	need_mount
	need_root
	unshare -m true || skip 'no mount namespaces here'
	new_dataset
	git tag v1
	mkdir ../mnt
	cat >../script <<'END'
set -e
for folder in /sbin; do
	cp -r --preserve=links "$(realpath $folder)" "$SCRATCH/sbin" 2>/dev/null || true
done
ln -sf "$REVFS" "$SCRATCH/sbin/mount.revfs"
mount --bind "$SCRATCH/sbin" "$(realpath /sbin)"
mount -t revfs -o noauto "$PWD" ../mnt
cmp data/large ../mnt/@v1/data/large
umount ../mnt
END
	export REVFS
	du -sm "$(realpath /sbin)" | awk '$1 > 100 { exit 1 }' || skip '/sbin is too large to copy'
	unshare -m bash ../script
}

run_tests
