#!/bin/bash
# long
# revfs snapshot in a clone whose data only a remote has: what the parent revision has is named again, and not stored and
# pushed again, unless it cannot be relied on.
. "${0%/*}/../cli/harness"
. "${0%/*}/remote_world"

# The same bytes in every run, so that they are cut at the same places.
random() { # random BYTES NAME
	head -c "$1" /dev/zero | openssl enc -aes-128-ctr -pass "pass:$2" -nosalt -iter 1 2>/dev/null
}

# A pushed dataset and a clone of it with its files, where the test stands; the clone has nothing of the data in its store.
new_clone() { # new_clone BYTES
	new_repo origin
	mkdir -p data/sub
	random "$1" a >data/sub/large
	random 15000 b >data/medium
	seq 2000 >data/small
	revfs -q snapshot -m first data
	push_and_clone
	revfs -q checkout
}

# Change 4 KiB in the middle of FILE, each time to other bytes.
CHANGES=0
change() {
	local size
	CHANGES=$((CHANGES + 1))
	size=$(stat -c %s "$1")
	random 4096 "change $CHANGES" | dd of="$1" bs=4096 seek=$((size / 8192)) conv=notrunc status=none
}

stored() { find .git/revfs/packs -type f -printf '%s\n' 2>/dev/null | awk '{ s += $1 } END { print s + 0 }'; }

# pushes_less_than BYTES [ARGUMENT...]
pushes_less_than() {
	local limit=$1
	shift
	revfs push --json "$@" >../pushed
	[ "$(sed 's/.*"bytes":\([0-9]*\).*/\1/' ../pushed)" -lt "$limit" ]
}

# third_reads REV FILE...: a new clone, with a cache of its own, reads REV from the remote; each FILE of the work tree is in it.
third_reads() {
	local revision=$1 file
	shift
	rm -rf ../third ../there ../cache3
	git clone -q . ../third
	git -C ../third config revfs.remote.lab.url "$PWD/../store"
	git -C ../third config revfs.io-timeout 1
	XDG_CACHE_HOME=$PWD/../cache3 revfs -q -C ../third export "$(git rev-parse "$revision")" "$PWD/../there"
	for file; do
		cmp "$file" "../there/$file"
	done
}

# The pack of the remote that has most of the bytes.
largest_pack() { find ../store/packs -type f ! -name '*.moved' -printf '%s %p\n' | sort -rn | sed 's/^[0-9]* //;q'; }

no_damage() {
	revfs verify >../said 2>&1 && revfs verify --full >>../said 2>&1 && revfs verify --full --remote lab >>../said 2>&1
	not grep -q damaged ../said
}

test_a_changed_large_file_goes_in_part() {
	new_clone 16M
	cp data/sub/large ../before
	change data/sub/large
	revfs -q snapshot -m second
	[ "$(stored)" -lt 524288 ]
	pushes_less_than 524288
	third_reads HEAD data/sub/large data/medium data/small
	third_reads HEAD~1 data/medium
	cmp ../before ../there/data/sub/large
	no_damage
	# The root is in the store here by now, and its chunks still are not: that is no reason to store them.
	change data/medium
	change data/sub/large
	revfs -q snapshot -m third
	[ "$(stored)" -lt 1048576 ]
	pushes_less_than 524288
	third_reads HEAD data/sub/large data/medium
}

# Whatever way a file changes, and whether or not lstat(2) was ever believed.
test_any_change_goes_in_part() {
	local before
	new_clone 3M
	find .git/revfs -name '*.stat' -delete
	{ random 50000 d && cat data/sub/large; } >../longer
	mv ../longer data/sub/large
	touch data/medium
	revfs -q snapshot -m front
	[ "$(stored)" -lt 400000 ]
	before=$(stored)
	random 500000 e >>data/sub/large
	revfs -q snapshot -m back
	[ $(($(stored) - before)) -lt 900000 ]
	before=$(stored)
	truncate -s 1000000 data/sub/large
	revfs -q snapshot -m less
	[ $(($(stored) - before)) -lt 400000 ]
	revfs -q push
	third_reads HEAD data/sub/large data/medium data/small
	third_reads HEAD~1
	third_reads HEAD~3
	cmp ../there/data/sub/large ../origin/data/sub/large
	no_damage
}

# Another name in the same folder, and a copy there.
test_a_renamed_file_is_named_again() {
	new_clone 2M
	mv data/sub/large data/sub/renamed
	cp data/medium data/copy
	revfs -q snapshot -m second
	[ "$(stored)" -lt 10000 ]
	pushes_less_than 10000
	third_reads HEAD data/sub/renamed data/copy data/small
	no_damage
}

test_what_was_moved_is_named_again() {
	local i
	new_repo origin
	mkdir -p data/train/{cats,dogs}/deep data/other
	for i in {1..20}; do
		random 20000 "cat $i" >data/train/cats/$i
		random 20000 "dog $i" >data/train/dogs/$i
		random 20000 "deep $i" >data/train/dogs/deep/$i
	done
	random 2M large >data/train/large
	for i in one two three; do
		mkdir data/$i
		random 500000 $i >data/$i/shard
	done
	seq 2000 >data/small
	revfs -q snapshot -m first data
	push_and_clone
	revfs -q checkout
	# All have the same size, and three folders the same names.
	mv data/train data/training
	mv data/training/dogs/deep data/other/far
	mv data/training/large data/other/large
	mv data/two data/zwei
	cp -r data/three data/drei
	revfs -q snapshot -m second
	[ "$(stored)" -lt 40000 ]
	pushes_less_than 40000
	third_reads HEAD data/training/cats/7 data/training/dogs/8 data/other/far/9 data/other/large data/zwei/shard data/drei/shard
	no_damage
}

# Of many files those of folders that are gone are looked at first.
test_a_renamed_folder_of_many_is_named_again() {
	local i
	new_repo origin
	mkdir -p data/{a,m/n/o,m/p,z}
	seq -f 'data/a/%g' 9000 | xargs touch
	for i in {1..20}; do
		random 10000 "o $i" >data/m/n/o/$i
		random 10000 "z $i" >data/z/$i
	done
	revfs -q snapshot -m first data
	push_and_clone
	revfs -q checkout
	mv data/z data/zed
	mv data/m/n data/a/n
	revfs -q snapshot -m second
	[ "$(stored)" -lt 40000 ]
	pushes_less_than 40000
	third_reads HEAD data/zed/7 data/a/n/o/8
	no_damage
}

test_a_dataset_of_one_file() {
	new_repo origin
	random 3M f >large
	revfs -q snapshot -m first large
	push_and_clone
	revfs -q checkout
	change large
	revfs -q snapshot -m second
	[ "$(stored)" -lt 500000 ]
	pushes_less_than 500000
	third_reads HEAD large
	no_damage
}

# --full brings everything read into the store here.
test_full_stores_what_it_reads() {
	new_clone 2M
	change data/sub/large
	revfs -q snapshot --full -m second
	[ "$(stored)" -gt 2000000 ]
	alone revfs -q export HEAD:data/sub/large ../all
	cmp data/sub/large ../all
}

# What a collection there has condemned counts as absent, and so does what is gone, or where nobody answers.
test_what_cannot_be_relied_on_is_stored() {
	new_clone 2M
	mv ../store/roots ../roots
	revfs -q gc --remote lab --keep 0
	mv ../roots ../store/roots
	change data/sub/large
	revfs -q snapshot -m condemned
	[ "$(stored)" -gt 2000000 ]
	git reset -q --hard HEAD~1
	rm -rf .git/revfs/packs .git/revfs/roots .git/revfs/hints ../store/condemned
	mv "$(largest_pack)" ../gone
	revfs -q snapshot --force -m gone
	[ "$(stored)" -gt 2000000 ]
	git reset -q --hard HEAD~1
	rm -rf .git/revfs/packs .git/revfs/roots .git/revfs/hints
	alone revfs -q snapshot --force -m silent
	[ "$(stored)" -gt 2000000 ]
	alone revfs -q export HEAD:data/sub/large ../all
	cmp data/sub/large ../all
}

# Repacked there: the moved file leads to it.
test_what_was_moved_is_relied_on() {
	new_repo origin
	mkdir public secret
	random 2M g >public/a
	random 200000 h >secret/b
	revfs -q snapshot -m both public secret
	git rm -q secret.revfs
	git commit -q --amend -m public
	push_and_clone
	[ "$(find ../store -name '*.moved' | wc -l)" = 2 ]
	revfs -q checkout
	change public/a
	revfs -q snapshot -m second
	[ "$(stored)" -lt 500000 ]
	pushes_less_than 500000
	third_reads HEAD public/a
	no_damage
}

# What pages name is nowhere any more, and stored anew here: push says at the remote where that is.
test_a_pack_that_is_nowhere_is_replaced_by_what_is_here() {
	local gone
	new_clone 2M
	cp data/sub/large ../before
	change data/sub/large
	revfs -q snapshot -m second
	gone=$(largest_pack)
	rm "$gone"
	expect revfs push <<-END
	--- stderr
	revfs: cannot push 'data': the pack $(basename "$gone"), which has some of it, is neither here nor there: 'revfs fetch' brings what another remote has, 'revfs snapshot --full' stores again what the files in the work tree have
	--- status 3
	END
	revfs -q snapshot --full
	revfs -q push
	[ -e "$gone.moved" ]
	third_reads HEAD data/sub/large data/medium data/small
	revfs -q verify --full
}

# The same of what was lost here, before it went anywhere.
test_a_pack_that_was_lost_here_is_replaced() {
	new_repo
	mkdir data
	random 1M i >data/large
	revfs -q snapshot -m first data
	revfs remote add lab ../store
	find .git/revfs/packs -type f -size +500k -delete
	revfs push 2>../said && return 1
	grep -q 'neither here nor there' ../said
	revfs -q snapshot --full
	revfs -q push
	third_reads HEAD data/large
	no_damage
}

# The same of one that is condemned there, and deleted later.
test_a_condemned_pack_is_replaced_by_what_is_here() {
	new_clone 2M
	change data/sub/large
	revfs -q snapshot -m second
	mv ../store/roots ../roots
	revfs -q gc --remote lab --keep 0
	mv ../roots ../store/roots
	revfs push --tip 2>../said && return 1
	grep -q 'about to be removed' ../said
	revfs -q snapshot --full
	revfs -q fetch
	revfs -q push --tip
	touch -d '15 days ago' ../store/condemned/*
	revfs -q gc --remote lab --keep 0
	third_reads HEAD data/sub/large data/medium data/small
	no_damage
}

# A moved file there says of some of a pack's records where they are: the rest is said, too.
test_a_moved_file_that_lacks_something_is_completed() {
	new_repo origin
	mkdir public secret
	random 300000 j >public/a
	random 300000 k >secret/b
	revfs -q snapshot -m both public secret
	git tag both
	git rm -q secret.revfs
	git commit -q --amend -m public
	revfs remote add lab ../store
	revfs -q push
	rm "$(find .git/revfs/packs -type f -size +500k)"
	git reset -q --hard both
	revfs push 2>../said && return 1
	grep -q 'neither here nor there' ../said
	revfs -q snapshot --full
	revfs -q push
	third_reads HEAD public/a secret/b
	third_reads HEAD
	no_damage
}

run_tests
