#!/bin/bash
# slow
# Commands on attached datasets that are killed before their changes in turn (every STEPth, 3rd without it): nothing that
# was written is lost, the same command again finishes, and nothing stays mounted.
. "${0%/*}/attach_world"

# at_each_change BEFORE AFTER COMMAND...: call BEFORE, kill COMMAND before its first change, its second..., and call AFTER.
at_each_change() {
	local before=$1 after=$2 number=1 status=137
	shift 2
	while [ $status = 137 ]; do
		"$before"
		status=0
		ASAN_OPTIONS="${ASAN_OPTIONS:-}:detect_leaks=0" "$tool" "$number" "$@" >../out 2>&1 || status=$?
		case $status in 0 | 137) ;; *) echo "change $number: status $status" && cat ../out && return 1 ;; esac
		if ! ("$after"); then
			echo "after a kill before change $number of: $*"
			return 1
		fi
		if ! { revfs -q detach -f && nothing_is_left; } then
			echo "not detached after a kill before change $number of: $*"
			return 1
		fi
		number=$((number + ${STEP:-3}))
	done
	[ $number -gt "$LEAST" ]
}

new_world() {
	need_tool cut
	new_lab
	git config gc.auto 0
	revfs -q attach
	echo two >data/a
	echo two >data/two
	revfs -q snapshot -m two >/dev/null
	git tag v2
	revfs -q detach
}

nothing() { :; }

attached_again() {
	set -e
	[ "$(count_mounts)" -le 2 ]
	revfs -q attach
	[ "$(cat data/a data/two data/sub/b)" = "$(printf 'two\ntwo\nb')" ]
	[ "$(revfs snapshot -m nothing)" = 'nothing changed' ]
	[ "$(git rev-parse HEAD)" = "$(git rev-parse v2)" ]
}

test_an_attach() {
	new_world
	LEAST=5 at_each_change nothing attached_again revfs -q attach
}

# Based on v1, with v2 as a snapshot above it.
above_v1() {
	git reset -q --hard v1
	revfs -q attach
	git reset -q --hard v2
	echo two >data/a
	echo two >data/two
	revfs -q snapshot --force >/dev/null
	[ "$(git rev-parse HEAD)" = "$(git rev-parse v2)" ]
}

test_a_detach() {
	new_world
	LEAST=5 at_each_change above_v1 attached_again revfs -q detach
}

test_an_attach_that_follows() {
	new_world
	LEAST=5 at_each_change above_v1 attached_again revfs -q attach
}

above_v1_unmounted() {
	above_v1
	unmount_all
}

test_an_attach_after_a_restart() {
	new_world
	LEAST=5 at_each_change above_v1_unmounted attached_again revfs -q attach
}

with_edits() {
	git reset -q --hard v1
	revfs -q attach
	echo mine >data/mine
	touch data/numbers
	rm data/sub/b
	git reset -q --hard v2
}

edits_are_there() {
	set -e
	revfs -q attach >../out 2>&1 || [ $? = 11 ]
	[ "$(cat data/mine)" = mine ] && [ ! -e data/sub/b ]
	cmp data/numbers ../repo/data/numbers
	revfs -q attach --rebase
	[ "$(cat data/mine data/a data/two)" = "$(printf 'mine\ntwo\ntwo')" ] && [ ! -e data/sub/b ]
	[ "$(revfs status | head -n 1)" = 'data: 1 added, 1 deleted; attached' ]
}

test_a_rebase() {
	new_world
	LEAST=5 at_each_change with_edits edits_are_there revfs -q attach --rebase
}

both_or_none() {
	set -e
	revfs -q attach >../out 2>&1 || [ $? = 11 ]
	if [ -e data/mine ]; then
		[ ! -e data/sub/b ]
	else
		[ -e data/sub/b ]
	fi
}

test_a_detach_that_drops() {
	new_world
	LEAST=5 at_each_change with_edits both_or_none revfs -q detach -f
}

to_be_recorded() {
	git reset -q --hard v2
	revfs -q attach
	echo mine >data/mine
	rm data/sub/b
}

is_recorded() {
	set -e
	[ "$(cat data/mine)" = mine ] && [ ! -e data/sub/b ]
	rm -f .git/index.lock .git/HEAD.lock .git/refs/heads/main.lock
	revfs -q snapshot -m mine >../out 2>&1
	[ "$(revfs cat HEAD:data/mine)" = mine ] && [ "$(git rev-parse HEAD~1)" = "$(git rev-parse v2)" ]
	revfs -q attach
	[ "$(cat data/mine)" = mine ] && [ ! -e data/sub/b ]
}

test_a_snapshot() {
	new_world
	LEAST=5 STEP=7 at_each_change to_be_recorded is_recorded revfs -q snapshot -m mine
}

run_tests
