#!/bin/bash
# Refs that appear, move and go while they are mounted.
. "${0%/*}/common"

# A repository with commits one, two; tags v1 (annotated), v2; the branch main on two.
new_history() {
	new_repo
	mkdir data
	echo one >data/file
	echo plain >plain
	git add plain
	git commit -q -m plain
	revfs -q snapshot -m one data >/dev/null
	git tag -a -m 'annotated' v1
	tick
	echo two >data/file
	revfs -q snapshot -m two data >/dev/null
	git tag v2
}

reads() { # reads PATH TEXT
	[ "$(cat "$MNT/$1")" = "$2" ]
}

test_listing_of_the_root() {
	new_history
	git branch feature/x
	git branch feature/deep/y
	git tag odd%25name
	git tag blob "$(git rev-parse HEAD:plain)"
	git update-ref refs/remotes/origin/main main
	mount_here
	expect ls -A1F --indicator-style=classify "$MNT" <<'END'
@HEAD@
@feature/
@main@
@odd%2525name/
@origin/
@v1/
@v2/
END
	expect find "$MNT" -mindepth 1 -maxdepth 3 -path '*feature*' -printf '%y %P\n' <<'END'
d @feature
d @feature/deep
l @feature/deep/y
l @feature/x
END
	expect readlink "$MNT/@feature/deep/y" <<END
../../@$(git rev-parse main)
END
	expect cat "$MNT/@feature/deep/y/data/file" "$MNT/@origin/main/data/file" "$MNT/@odd%2525name/data/file" <<'END'
two
two
two
END
	[ ! -e "$MNT/@blob" ]
}

test_revisions_that_are_not_listed() {
	new_history
	mount_here
	local id
	id=$(git rev-parse 'v1^{commit}')
	git branch feature/x v1
	for name in "@$id" "@${id:0:7}" @main~1 @HEAD^ @v2~ @feature%2Fx @feature/x @refs%2Ftags%2Fv1 @v1; do
		reads "$name/data/file" one
	done
	for name in @main~7 @nothing @v3 @0123456789012345678901234567890123456789 @main..nothing x .git; do
		[ ! -e "$MNT/$name" ]
	done
	[ -z "$(find "$MNT/" -maxdepth 1 -name "*$id*")" ]
	# Names with a slash and nothing behind them are no revisions.
	[ -d "$MNT/@feature" ] && [ ! -e "$MNT/@feature/y" ]
}

test_branch_that_moves() {
	new_history
	mount_here
	local old new
	old=$(git rev-parse main)
	[ "$(realpath "$MNT/@main")" = "$MNT/@$old" ]
	cd "$MNT/@main/data"
	exec 7<file
	git -C "$OLDPWD" commit -q --allow-empty -m three
	new=$(git -C "$OLDPWD" rev-parse main)
	wait_for 5 test "$MNT/@main" -ef "$MNT/@$new"
	[ "$(readlink "$MNT/@main")" = "@$new" ]
	# Who is in the old one stays there.
	# Who is in the old one stays there.  (The shell's own pwd -P goes through $PWD, links and all.)
	[ "$(/bin/pwd -P)" = "$MNT/@$old/data" ]
	[ "$(readlink /proc/self/cwd)" = "$MNT/@$old/data" ]
	[ "$(cat file)" = two ]
	[ "$(cat <&7)" = two ]
	exec 7<&-
}

test_new_and_deleted_refs_are_seen() {
	new_history
	mount_here
	[ ! -e "$MNT/@v3" ]
	git tag v3
	wait_for 3 test -d "$MNT/@v3"
	wait_for 3 sh -c "ls '$MNT' | grep -qx @v3"
	git tag -d v3 >/dev/null
	wait_for 3 test ! -e "$MNT/@v3"
	wait_for 3 sh -c "! ls '$MNT' | grep -qx @v3"
	git pack-refs --all
	git branch feature/x
	wait_for 3 test -d "$MNT/@feature/x/"
	git branch -d feature/x >/dev/null
	wait_for 3 test ! -e "$MNT/@feature"
	reads @v1/data/file one
}

test_tag_moved_by_force() {
	new_history
	mount_here
	reads @v1/data/file one
	cd "$MNT/@v1/data"
	exec 7<file
	git -C "$OLDPWD" tag -f v1 main >/dev/null
	wait_for 3 sh -c "[ \"\$(cat '$MNT/@v1/data/file')\" = two ]"
	[ "$(cat <&7)" = one ]
	[ "$(cat file)" = one ]
	exec 7<&-
}

test_listing_while_refs_come_and_go() {
	new_history
	for i in {1..300}; do
		echo "create refs/tags/many-$i $(git rev-parse main)"
	done | git update-ref --stdin
	mount_here
	# Every name that stands throughout is listed exactly once, whatever comes and goes meanwhile.
	need python3
	python3 - "$MNT" <<'END'
import os, subprocess, sys, threading

mnt = sys.argv[1]
stop = threading.Event()
failed = []

def churn():
    n = 0
    while not stop.is_set():
        subprocess.run(["git", "tag", "-f", f"churn-{n % 20}", "main"], stdout=subprocess.DEVNULL, check=True)
        n += 1
        if n % 20 == 0:
            subprocess.run("git tag -l 'churn-*' | xargs git tag -d", shell=True, stdout=subprocess.DEVNULL, check=True)

thread = threading.Thread(target=churn)
thread.start()
for _ in range(30):
    names = os.listdir(mnt)
    steady = [name for name in names if name.startswith("@many-")]
    if len(steady) != 300 or len(set(steady)) != 300 or len(set(names)) != len(names):
        failed.append((len(steady), len(set(steady)), len(names)))
stop.set()
thread.join()
assert not failed, failed
END
}

test_head_of_a_worktree() {
	new_history
	git worktree add -q --detach ../second v1
	cd ../second
	mount_here
	reads @HEAD/data/file one
	reads @main/data/file two
}

test_unborn_and_bare() {
	git init -q -b main repo
	cd repo
	mount_here
	expect ls -A "$MNT" <<'END'
END
	[ ! -e "$MNT/@HEAD" ]
	git commit -q --allow-empty -m one
	wait_for 3 test -d "$MNT/@HEAD/"
	end_mount "$MNT"
	cd "$SCRATCH/test_unborn_and_bare"
	rm -rf repo
	(new_history)
	git clone -q --bare repo bare.git
	cp -r repo/.git/revfs bare.git/
	cd bare.git
	mount_here
	reads @v1/data/file one
}

test_shallow_clone_ends_where_it_ends() {
	(new_history)
	git clone -q --depth 1 "file://$PWD/repo" shallow
	cp -r repo/.git/revfs shallow/.git/
	cd shallow
	mount_here
	reads @main/data/file two
	[ ! -e "$MNT/@main~1" ]
}

# REVFS_GIT_READER=command: the same through git's own programs.
test_second_reader() {
	new_history
	git branch feature/x
	export REVFS_GIT_READER=command
	mount_here
	grep -qx 'reader git' "$MNT/.revfs/status"
	reads @v1/data/file one
	reads @main/data/file two
	reads @main~1/data/file one
	reads @feature/x/plain plain
	git commit -q --allow-empty -m three
	wait_for 5 test "$MNT/@main" -ef "$MNT/@$(git rev-parse main)"
	[ ! -e "$MNT/@nothing" ]
}

test_sha256_repository() {
	need_mount
	git init -q -b main --object-format=sha256 repo 2>/dev/null || skip "this git has no SHA-256"
	cd repo
	mkdir data
	echo one >data/file
	revfs -q snapshot -m one data >/dev/null
	git tag v1
	mount_here
	reads @v1/data/file one
	reads "@$(git rev-parse v1)/data/file" one
	[ "$(readlink "$MNT/@main")" = "@$(git rev-parse main)" ]
}

run_tests
