#!/bin/bash
# slow
# All of attached datasets again: what the kernel does for root does fuse-overlayfs for everybody, and where no program gets
# rights, a namespace does.
. "${0%/*}/common"

test_attached_by_a_user() {
	without_roots_rights "$TESTS_DIR/mount/attached.sh"
}

test_attach_bad_by_a_user() {
	without_roots_rights "$TESTS_DIR/mount/attach_bad.sh"
}

test_attach_git_by_a_user() {
	without_roots_rights "$TESTS_DIR/mount/attach_git.sh"
}

# run_again NAME SETPRIV_OPTION...: all of attach_run.sh, by one with such rights, with a /dev/fuse that may be opened.
run_again() {
	local name=$1
	shift
	[ "$(id -u)" = 0 ] || skip "these are all without"
	need_mount
	need setpriv unshare python3
	unshare -m true 2>/dev/null || skip "no namespace of mounts can be made here"
	mknod -m 666 fuse c 10 229 2>/dev/null || skip "no device can be made here"
	mkdir tmp
	mkdir -m 700 run
	[ "$name" = root ] || give_to_user . tmp run
	TMPDIR=$PWD/tmp XDG_RUNTIME_DIR=$PWD/run unshare -m bash -c 'let_go_of_others; mount --bind fuse /dev/fuse &&
		: <>/dev/fuse && exec setpriv "${@:2}" bash "$1"' run "$TESTS_DIR/mount/attach_run.sh" "$@" >said 2>&1 || true
	cat said
	grep -q '^PASS' said
	not grep -v '^PASS\|^SKIP' said
}

test_run_by_a_user() {
	run_again user --reuid 65534 --regid 65534 --clear-groups
}

# As in many containers: fusermount3, too, gets no rights.
test_run_where_no_program_gets_rights() {
	run_again user --reuid 65534 --regid 65534 --clear-groups --no-new-privs
}

test_run_by_a_root_without_rights() {
	run_again root --bounding-set=-all,+setfcap --no-new-privs
}

run_tests
