#!/bin/bash
# @A..B against what diff finds between the two plain folders.
. "${0%/*}/common"

# The paths below folder A (first) and B that SIDE must hold, with what they are: files and links by content and bit, folders
# where one side has none; and the folders that lead there.  Written by a rule of its own, from the plain folders alone.
wanted() {
	python3 - "$@" <<'END'
import os, stat, sys

side, top_a, top_b = sys.argv[1:]

def what(path):
    try:
        st = os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    if stat.S_ISDIR(st.st_mode):
        return ("folder",)
    if stat.S_ISLNK(st.st_mode):
        return ("link", os.readlink(path))
    with open(path, "rb") as file:
        return ("file", bool(st.st_mode & 0o100), file.read())

def names(top):
    found = set()
    for at, folders, files in os.walk(top):
        for name in folders + files:
            found.add(os.path.relpath(os.path.join(at, name), top))
    return found

shown = set()
for path in names(top_a) | names(top_b):
    a, b = what(os.path.join(top_a, path)), what(os.path.join(top_b, path))
    if a == b:
        continue
    same_kind = a and b and a[0] == b[0]
    if {"added": b and not same_kind, "deleted": a and not same_kind, "modified": same_kind and a[0] != "folder"}[side]:
        shown.add(path)
for path in list(shown):
    while "/" in path:
        path = os.path.dirname(path)
        shown.add(path)
print("\n".join(sorted(shown)))
END
}

# check A B: each side of @A..B, for the dataset data whose plain copies are ../A and ../B.
check() {
	local side shown
	for side in added modified deleted; do
		shown=$2
		[ $side != deleted ] || shown=$1
		wanted $side "../$1" "../$2" >../wanted
		if [ -e "$MNT/@$1..$2/$side/data" ]; then
			(cd "$MNT/@$1..$2/$side/data" && find . -mindepth 1 | sed 's|^\./||' | LC_ALL=C sort) >../found
		else
			echo >../found
		fi
		diff -u ../wanted ../found
		# Every file in it has the bytes of its side.
		while IFS= read -r path; do
			if [ -n "$path" ] && [ -f "../$shown/$path" ] && [ ! -L "../$shown/$path" ]; then
				cmp "../$shown/$path" "$MNT/@$1..$2/$side/data/$path"
				[ "$(stat -c %i "$MNT/@$1..$2/$side/data/$path")" = "$(stat -c %i "$MNT/@$shown/data/$path")" ]
			fi
		done <../found
	done
}

# record TAG: the data as it is, and a plain copy of it.
record() {
	tick
	revfs -q snapshot --force -m "$1" data >/dev/null
	git tag "$1"
	cp -a data "../$1"
}

test_sides_hold_exactly_what_changed() {
	need python3
	new_repo
	mkdir -p data/a/b/c data/same/below data/gone/deep data/kind data/empty
	for i in {1..400}; do
		echo "$i" >data/a/b/f$i
		echo "same $i" >data/same/below/f$i
	done
	echo x >data/gone/deep/x
	echo k >data/kind/k
	echo file >data/turns
	ln -s turns data/link
	echo bit >data/bit
	head -c 2000000 /dev/urandom >data/large
	record one
	echo changed >data/a/b/f77
	rm data/a/b/f78
	echo new >data/a/b/f999
	rm -r data/gone data/empty data/turns
	mkdir data/turns data/void
	echo t >data/turns/t
	rm -r data/kind
	echo k >data/kind
	ln -sf bit data/link
	chmod +x data/bit
	printf x | dd of=data/large bs=1 seek=1000000 conv=notrunc status=none
	touch data/same/below/f5
	record two
	mkdir data/a/b/c/d
	record three
	mount_here
	check one two
	check two one
	check two three
	check one three
	check one one
	expect ls "$MNT/@one..two" <<'END'
added
deleted
modified
END
	[ "$(readlink "$MNT/@one..main")" = "@$(git rev-parse one)..$(git rev-parse main)" ]
	diff -r --no-dereference "$MNT/@one..main/modified" "$MNT/@one..three/modified"
}

# A random walk: what is shown is right whatever was done.
test_random_changes() {
	local step i
	need python3
	new_repo
	mkdir data
	RANDOM=7
	for step in {1..6}; do
		for i in {1..25}; do
			local dir=data/$((RANDOM % 3)) file
			file=$dir/$((RANDOM % 12))
			case $((RANDOM % 6)) in
			0) rm -rf "$file" ;;
			1) rm -rf "$dir" ;;
			2) [ -f "$dir" ] || { rm -rf "$file" && mkdir -p "$file/sub" && echo "$RANDOM" >"$file/sub/x"; } ;;
			3) [ ! -d "$dir" ] && rm -f "$dir" && echo "$RANDOM" >"$dir" ;;
			*) { [ ! -e "$dir" ] || [ -d "$dir" ]; } && rm -rf "$file" && mkdir -p "$dir" && echo $((RANDOM % 4)) >"$file" ;;
			esac || true
		done
		echo "$step" >data/step
		record "s$step"
	done
	mount_here
	for step in {1..5}; do
		check "s$step" "s$((step + 1))"
		check "s6" "s$step"
	done
}

run_tests
