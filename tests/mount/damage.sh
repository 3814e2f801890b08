#!/bin/bash
# A server whose repository or store is damaged, gone, or back again goes on serving what can be served.
. "${0%/*}/common"

# data: good and bad, each in a pack of its own; tags v1 (good alone) and v2.
new_two_packs() {
	new_repo
	mkdir data
	head -c 100000 /dev/urandom >data/good
	revfs -q snapshot -m one data >/dev/null
	git tag v1
	head -c 3000000 /dev/urandom >data/bad
	tick
	revfs -q snapshot -m two data >/dev/null
	git tag v2
	# The largest pack is that of bad's chunks.
	PACK=$(find .git/revfs/packs -type f -printf '%s %p\n' | sort -n | tail -1 | cut -d' ' -f2)
}

flip() { # flip FILE OFFSET: change one byte
	chmod u+w "$1"
	printf '\0\377' | dd of="$1" bs=1 seek="$2" conv=notrunc status=none
}

fails() { # fails FILE ERROR: reading it says ERROR
	not cat "$1" >/dev/null 2>../said
	grep -q "$2" ../said || { cat ../said; return 1; }
}

test_damaged_chunk_is_an_error_of_its_file_alone() {
	need getfattr
	new_two_packs
	cp "$PACK" ../kept
	flip "$PACK" 1000000
	mount_here
	exec 7<"$MNT/@v2/data/bad" # what is open the kernel does not forget
	fails "$MNT/@v2/data/bad" 'Input/output error'
	[ "$(getfattr --only-values -n user.revfs.error "$MNT/@v2/data/bad")" = "can't read: damaged data" ]
	exec 7<&-
	grep -q "Z @v2/data/bad: can't read: damaged data" "$MNT/.revfs/errors"
	cmp data/good "$MNT/@v2/data/good"
	[ "$(sed -n 's/^failures //p' "$MNT/.revfs/status")" -ge 1 ]
	# The tools that copy say so, and go on.
	not cp -r "$MNT/@v2/data" ../copy 2>../said
	grep -q "bad.*Input/output error" ../said
	cmp data/good ../copy/good
	# Repaired while mounted.
	cat ../kept >"$PACK"
	cmp data/bad "$MNT/@v2/data/bad"
}

test_lost_pack_is_an_error_until_it_is_back() {
	new_two_packs
	mv "$PACK" ../kept
	mount_here
	fails "$MNT/@v2/data/bad" 'Input/output error'
	cmp data/good "$MNT/@v2/data/good"
	mv ../kept "$PACK"
	wait_for 70 cmp data/bad "$MNT/@v2/data/bad"
}

test_lost_store_is_an_error_until_it_is_back() {
	new_two_packs
	mount_here
	cat "$MNT/@v1/data/good" >/dev/null
	mkdir ../kept
	mv .git/revfs/packs .git/revfs/roots ../kept
	cmp data/good "$MNT/@v1/data/good"
	fails "$MNT/@v2/data/bad" 'Input/output error'
	grep -q '^requests ' "$MNT/.revfs/status"
	mv ../kept/* .git/revfs/
	wait_for 70 cmp data/bad "$MNT/@v2/data/bad"
}

test_lost_repository_is_an_error_until_it_is_back() {
	local server
	new_two_packs
	mount_here
	server=$(server_of "$MNT")
	cat "$MNT/@v1/data/good" >/dev/null
	mv .git ../kept
	ls "$MNT/@v2/data" >/dev/null 2>&1 || true
	ls "$MNT" >/dev/null 2>&1 || true
	not test -e "$MNT/@nothing"
	[ "$(server_of "$MNT")" = "$server" ]
	mv ../kept .git
	wait_for 10 cmp data/bad "$MNT/@v2/data/bad"
	wait_for 10 test -L "$MNT/@main"
	rm -rf .git
	revfs umount "$MNT"
}

# What cannot be told of a range is shown, and says why when it is read; what stands beside it is as it is.
test_damage_in_a_range_is_an_error_of_its_place_alone() {
	local before
	new_repo
	mkdir -p one/sub one/same two
	echo a >one/sub/file
	echo a >one/same/file
	echo a >one/beside
	echo x >two/file
	revfs -q snapshot -m one one two >/dev/null
	git tag v1
	before=$(find .git/revfs/packs -type f)
	echo b >one/sub/file
	echo b >one/beside
	tick
	revfs -q snapshot -m two one >/dev/null
	find .git/revfs/packs -type f | grep -vxF "$before" >../lost
	echo y >two/file
	tick
	revfs -q snapshot -m three two >/dev/null
	git tag v2
	mkdir ../kept
	xargs mv -t ../kept <../lost
	mount_here
	expect ls -A "$MNT/@v1..v2/modified" <<'END'
one
two
END
	expect ls -A "$MNT/@v1..v2/modified/one" <<'END'
beside
sub
END
	[ "$(cat "$MNT/@v1..v2/modified/one/beside" "$MNT/@v1..v2/modified/two/file")" = "b
y" ]
	not ls "$MNT/@v1..v2/modified/one/sub" 2>../said
	grep -q 'Input/output error' ../said
	end_mount "$MNT"
	# The root of one side is lost: everything would look changed.
	cd "$OLDPWD"
	rm .git/revfs/roots/*/"$(sed -n 's/^root sha256://p' <(git show v1:one.revfs))"
	xargs rm -f <<<"$before"
	mount_here
	for side in added modified; do
		ls -A "$MNT/@v1..v2/$side" >../listed
		grep -qx one ../listed
		not ls "$MNT/@v1..v2/$side/one" 2>../said
		grep -q 'Input/output error' ../said
		not test -e "$MNT/@v1..v2/$side/one/beside"
	done
	[ "$(cat "$MNT/@v1..v2/modified/two/file")" = y ]
}

# Memory for far less than what is read at once.
test_little_memory_is_enough() {
	new_two_packs
	mount_here -o memory=8m
	for _ in {1..4}; do
		cmp data/bad "$MNT/@v2/data/bad" &
		cmp data/good "$MNT/@v2/data/good" &
	done
	for job in $(jobs -p); do
		wait "$job"
	done
}

test_limits_of_the_caller_are_no_end() {
	new_two_packs
	need_mount
	MNT=$(realpath ..)/mnt
	mkdir "$MNT"
	trap 'end_mount "$MNT"' EXIT
	(ulimit -n 64 && revfs mount "$MNT")
	for i in {1..30}; do
		cp data/good data/copy$i
	done
	for i in {1..10}; do
		tick
		echo $i >data/more$i
		revfs -q snapshot -m "$i" data >/dev/null
		git tag "t$i"
	done
	for i in {1..10}; do
		[ "$(cat "$MNT/@t$i/data/more$i")" = "$i" ]
		cmp data/bad "$MNT/@t$i/data/bad"
	done
}

# Git's entry beside a pointer of its name is shown; the pointer says why the dataset is not.
test_dataset_hidden_by_git_is_told() {
	need getfattr
	new_repo
	mkdir data
	echo recorded >data/file
	revfs -q snapshot -m one data >/dev/null
	: >.gitignore
	: >.git/info/exclude
	echo tracked >data/file
	git add -A
	git commit -q -m both
	git tag both
	mount_here
	[ "$(cat "$MNT/@both/data/file")" = tracked ]
	[ "$(getfattr --only-values -n user.revfs.error "$MNT/@both/data.revfs")" = "not shown: git has 'data' itself" ]
}

run_tests
