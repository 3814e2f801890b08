#!/bin/bash
# slow
# Commands that are killed before each of their changes in turn (before every STEPth, 17 without it): what was there is
# whole, and the same command again finishes.
. "${0%/*}/../cli/harness"

# The state before the command: two commits of a dataset with some of everything, and changes in the work tree.
make_world() {
	need_tool cut
	new_repo
	mkdir -p data/sub data/empty
	echo one >data/a
	seq 10000 >data/sub/b
	openssl enc -aes-128-ctr -K 00 -iv 00 -in /dev/zero 2>/dev/null | head -c 300000 >data/large
	ln -s a data/link
	tick
	revfs -q snapshot -m first data
	git tag first
	cp -a data ../first
	tick
	echo changed >data/a
	rm -r data/sub
	mkdir data/new
	seq 20000 30000 >data/new/c
	cd ..
}

# at_each_change CHECK COMMAND...: kill COMMAND before its first change, its second..., each time in a copy of the world, and
# call CHECK there, which runs COMMAND again.
at_each_change() {
	local check=$1 number=1 status=137
	shift
	while [ $status = 137 ]; do
		rm -rf at
		cp -a repo at
		cd at
		status=0
		# A leak sanitizer cannot work in what is traced.
		ASAN_OPTIONS="${ASAN_OPTIONS:-}:detect_leaks=0" "$tool" "$number" "$@" >"$SCRATCH/out" 2>"$SCRATCH/err" ||
			status=$?
		case $status in 0 | 137) ;; *) echo "change $number: status $status" && cat "$SCRATCH/err" && return 1 ;; esac
		if ! "$check" "$@"; then
			echo "after a kill before change $number of: $*"
			return 1
		fi
		cd ..
		number=$((number + ${STEP:-17}))
	done
	[ $number -gt "$LEAST" ]
}

# Each commit reads, and says what it said; the work tree has nothing that does not belong there.
sound() {
	git fsck --no-progress --no-dangling >/dev/null || return 1
	rm -rf ../out
	revfs -q export first:data ../out || return 1
	diff -r --no-dereference ../first ../out || return 1
	if [ "$(git rev-list --count HEAD)" = 2 ]; then
		rm -rf ../out
		revfs -q export HEAD:data ../out || return 1
		diff -r --no-dereference data ../out || return 1
	fi
	[ "$(find . -name .git -prune -o -path ./data -prune -o -type f -print | sort | xargs)" = \
		'./.gitignore ./.revfs/config ./data.revfs' ] || return 1
}

snapshot_again() {
	sound || return 1
	"$@" >"$SCRATCH/out" 2>&1 || { cat "$SCRATCH/out" && return 1; }
	sound || return 1
	[ "$(git rev-list --count HEAD)" = 2 ] || return 1
	[ -z "$(git status --porcelain)" ] || return 1
	[ "$(revfs snapshot)" = 'nothing changed' ] || return 1
	revfs -q verify >"$SCRATCH/out" 2>&1 || { cat "$SCRATCH/out" && return 1; }
}

test_a_snapshot_killed_before_any_change() {
	make_world
	LEAST=50 at_each_change snapshot_again revfs -q snapshot -m second
}

# What the user had in the files is there, whatever pointer is checked out.
edits_stay() {
	local file
	[ -e data.revfs ] || cp ../theirs.revfs data.revfs
	revfs -q checkout >"$SCRATCH/out" 2>&1 || [ $? = 3 ] || { cat "$SCRATCH/out" && return 1; }
	while IFS= read -r file; do
		cmp "../edited/$file" "data/$file" || return 1
	done < <(cd ../edited && find . -type f)
}

test_a_checkout_after_a_snapshot_that_was_killed() {
	make_world
	cp -a repo/data edited
	LEAST=50 at_each_change edits_stay revfs -q snapshot -m second
}

test_a_checkout_after_a_first_snapshot_that_was_killed() {
	make_world
	cd repo
	mv data.revfs ../theirs.revfs
	git checkout -q --orphan mine
	git rm -q -r --cached .
	rm -r .gitignore .revfs .git/revfs/worktree/*.step
	cp -a data ../edited
	cd ..
	LEAST=50 at_each_change edits_stay revfs -q snapshot -m mine data
}

first_again() {
	[ -z "$(git rev-list --all)" ] || [ "$(git rev-list --count HEAD)" = 1 ] || return 1
	"$@" >"$SCRATCH/out" 2>&1 || { cat "$SCRATCH/out" && return 1; }
	git tag -f first >/dev/null
	sound || return 1
	[ "$(git rev-list --count HEAD)" = 1 ] || return 1
	[ -z "$(git status --porcelain)" ] || return 1
	revfs -q verify >"$SCRATCH/out" 2>&1 || { cat "$SCRATCH/out" && return 1; }
}

test_the_first_snapshot_killed_before_any_change() {
	make_world
	rm -rf repo/.git repo/data repo/data.revfs repo/.gitignore repo/.revfs
	git init -q -b main repo
	cp -a first repo/data
	LEAST=80 at_each_change first_again revfs -q snapshot -m first data
}

# Every file that is there is the whole file of one of the two revisions.
checkout_again() {
	local file
	find . -path './data/*' -type f -printf '%P\0' >../files
	while IFS= read -r -d '' file; do
		case $file in */.revfs-tmp-*) continue ;; esac # what is not finished has no other name
		cmp -s "$file" "../first/${file#data/}" || cmp -s "$file" "../second/${file#data/}" ||
			{ echo "$file is neither" && return 1; }
	done <../files
	if revfs status | grep -qx 'data: unchanged'; then
		diff -r --no-dereference data ../first || return 1
	fi
	"$@" >"$SCRATCH/out" 2>&1 || { cat "$SCRATCH/out" && return 1; }
	diff -r --no-dereference data ../first || return 1
	[ -z "$(git status --porcelain)" ] || return 1
	[ "$(revfs snapshot)" = 'nothing changed' ] || return 1
}

test_a_checkout_killed_before_any_change() {
	make_world
	cd repo
	revfs -q snapshot -m second
	cp -a data ../second
	git checkout -q first
	cd ..
	LEAST=15 at_each_change checkout_again revfs -q checkout
}

export_again() {
	if [ -e made ]; then
		diff -r --no-dereference made/data ../first || return 1
		rm -r made
	fi
	"$@" >"$SCRATCH/out" 2>&1 || { cat "$SCRATCH/out" && return 1; }
	diff -r --no-dereference made/data ../first || return 1
	[ -z "$(find . -maxdepth 1 -name '.*revfs-export*')" ] || return 1
}

test_an_export_killed_before_any_change() {
	make_world
	LEAST=15 at_each_change export_again revfs -q export first made
}

gc_again() {
	sound || return 1
	revfs -q verify >"$SCRATCH/out" 2>&1 || { cat "$SCRATCH/out" && return 1; }
	"$@" >"$SCRATCH/out" 2>&1 || { cat "$SCRATCH/out" && return 1; }
	sound || return 1
	"$@" >"$SCRATCH/out" 2>&1 || { cat "$SCRATCH/out" && return 1; }
	[ "$(revfs gc --keep 0)" = 'nothing to remove' ] || return 1
	sound || return 1
	revfs -q verify >"$SCRATCH/out" 2>&1 || { cat "$SCRATCH/out" && return 1; }
}

forget_second() {
	revfs -q snapshot -m second
	git reset -q --hard first
	rm -r data
	revfs -q checkout
	git reflog expire --expire=now --all
}

test_a_collection_killed_before_any_change() {
	make_world
	cd repo
	forget_second
	cd ..
	LEAST=5 at_each_change gc_again revfs -q gc --keep 0
}

test_a_deletion_killed_before_any_change() {
	make_world
	cd repo
	forget_second
	revfs -q gc --keep 0
	cd ..
	LEAST=5 at_each_change gc_again revfs -q gc --keep 0
}

run_tests
