#!/bin/bash
# slow
# A snapshot or checkout that is killed at any moment: nothing half-done is visible, the same command again finishes it.
. "${0%/*}/../cli/harness"

make_data() {
	local i
	mkdir -p data/many
	for i in $(seq 300); do echo "$1 $i" >"data/many/$i"; done
	head -c 3000000 /dev/urandom >"data/large$1"
	seq 200000 >data/text
	echo "$1" >>data/text
}

# killed SIGNAL SECONDS COMMAND...: run it, send the signal after that time; true where it hit.
killed() {
	local signal=$1 after=$2 pid status=0
	shift 2
	"$@" >/dev/null 2>&1 &
	pid=$!
	sleep "$after"
	kill -"$signal" $pid 2>/dev/null
	wait $pid || status=$?
	[ $status -gt 128 ]
}

# What can be seen of the repository is sound: each commit reads, the work tree has only what belongs there.
assert_sound() {
	local revision
	git fsck --no-progress --no-dangling >/dev/null
	for revision in $(git rev-list --all); do
		rm -rf ../out
		revfs -q export "$revision:data" ../out
	done
	find . -name '.git' -prune -o -name '*~' -print -o -name '*tmp*' -print >../left
	[ ! -s ../left ] || { cat ../left; return 1; }
}

kill_snapshots() {
	local signal=$1 round hits=0
	new_repo
	make_data first
	revfs -q snapshot -m first data
	for round in 1 2 3 4 5; do
		rm -r data
		make_data "$round"
		if killed "$signal" "0.0$((round * 2 % 10))$round" revfs -q snapshot -m "round $round"; then
			hits=$((hits + 1))
		fi
		rm -f .git/index.lock .git/HEAD.lock .git/refs/heads/main.lock # as git itself asks for after a kill
		revfs -q snapshot -m "round $round again"
		rm -rf ../out
		revfs -q export HEAD:data ../out
		diff -r data ../out
		[ -z "$(git status --porcelain)" ]
	done
	[ $hits -gt 0 ]
	assert_sound
}

test_snapshots_survive_sigkill() {
	kill_snapshots KILL
}

test_snapshots_survive_sigterm() {
	kill_snapshots TERM
}

test_the_first_snapshot_survives_sigkill() {
	local round hits=0
	new_repo
	make_data first
	for round in 1 2 3 4 5; do
		killed KILL "0.0$round" revfs -q snapshot -m first data && hits=$((hits + 1))
		rm -f .git/index.lock .git/HEAD.lock .git/refs/heads/main.lock
	done
	revfs -q snapshot -m first data
	revfs -q export HEAD:data ../out
	diff -r data ../out
	[ -z "$(git status --porcelain)" ]
	[ "$(git rev-list --count HEAD)" = 1 ]
}

# Git's commit is there, the sync behind it is not: the next run has nothing to record, and syncs all the same.
test_a_commit_that_was_not_synced_is_synced_by_the_next_run() {
	new_repo
	make_data first
	revfs -q snapshot -m first data
	[ ! -e .git/revfs/worktree/unsynced ]
	cat >.git/hooks/post-commit <<-'END'
	#!/bin/sh
	kill -9 "$(cut -d ' ' -f 4 /proc/$PPID/stat)"
	END
	chmod +x .git/hooks/post-commit
	echo more >data/more
	revfs -q snapshot -m second >../said 2>&1 && return 1
	rm .git/hooks/post-commit
	wait_for 20 sh -c '[ "$(git log -1 --format=%s)" = second ] && [ ! -e .git/index.lock ]'
	[ -e .git/revfs/worktree/unsynced ]
	revfs snapshot -n >../said
	[ -e .git/revfs/worktree/unsynced ]
	expect revfs snapshot <<-'END'
	nothing changed
	END
	[ ! -e .git/revfs/worktree/unsynced ]
}

test_checkouts_survive_sigkill() {
	local round hits=0
	new_repo
	make_data first
	revfs -q snapshot -m first data
	git tag first
	cp -a data ../first
	rm -r data/many
	make_data second
	rm data/many/1*
	revfs -q snapshot -m second
	git tag second
	cp -a data ../second
	for round in 1 2 3 4 5; do
		git checkout -q "$([ $((round % 2)) = 1 ] && echo first || echo second)"
		killed KILL "0.0$((round % 4))$round" revfs -q checkout && hits=$((hits + 1))
		# Only where it is finished may it be recorded.
		revfs -q checkout
		diff -r data "../$([ $((round % 2)) = 1 ] && echo first || echo second)"
		expect revfs status <<-'END'
		data: unchanged
		END
	done
	[ $hits -gt 0 ]
	assert_sound
}

run_tests
