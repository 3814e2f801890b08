#!/bin/bash
# revfs fetch: what was fetched is read with no remote and no cache; what is wrong is not taken in.
. "${0%/*}/../cli/harness"
. "${0%/*}/remote_world"

# A repository of two snapshots that was pushed to ../store; a clone of it, which has no data, is where the test stands.
new_clone() {
	new_repo origin
	mkdir -p data/sub other
	seq 3000 >data/sub/numbers
	head -c 600000 /dev/urandom >data/large
	echo one >data/a.txt
	seq 500 >other/list
	revfs -q snapshot -m first data other
	git tag v1
	head -c 300000 /dev/urandom >data/new
	revfs -q snapshot -m second
	push_and_clone
}

# without_cache COMMAND...: as if there were no remote and no cache.
without_cache() {
	rm -rf "$HOME/.cache/revfs"
	alone "$@"
}

# reads_alone REV: all of it, and it is what the origin has.
reads_alone() {
	rm -rf ../here ../there
	without_cache revfs -q export "$1" ../here && revfs -q -C ../origin export "$1" "$PWD/../there" &&
		diff -r ../here ../there
}

# The packs of the remote that have most of the bytes, the largest first.
largest_packs() { find ../store/packs -type f ! -name '*.moved' -printf '%s %p\n' | sort -rn | cut -d' ' -f2; }

NUMBERS='s/[0-9.]+ (bytes|[KM]iB)/N/g;s/[0-9.]+ s$/N s/;s/"(bytes|wanted_bytes|seconds)":[0-9.e-]+/"\1":N/g;s/[0-9a-f]{32}/PACK/g'

test_what_was_fetched_needs_no_remote() {
	new_clone
	FILTER=$NUMBERS expect revfs fetch <<-'END'
	4 packs, 2 roots, N, of which N are wanted, N s
	END
	reads_alone HEAD
	expect revfs fetch <<-'END'
	everything is here
	END
	without_cache revfs -q verify HEAD
	# Packs are the remote's, byte for byte.
	diff -r ../store/packs .git/revfs/packs
	[ -z "$(ls .git/revfs/tmp)" ]
}

test_a_dry_run_brings_nothing() {
	new_clone
	FILTER=$NUMBERS expect revfs fetch -n lab v1 <<-'END'
	2 packs, 2 roots, N, of which N are wanted, N s
	nothing was fetched
	END
	[ ! -e .git/revfs ]
	FILTER=$NUMBERS expect revfs fetch -n --json lab v1 HEAD <<-'END'
	{"remote":"lab","dry_run":true,"packs":4,"roots":3,"bytes":N,"wanted_bytes":N,"failed":0,"seconds":N}
	END
	FILTER=$NUMBERS expect revfs fetch --json v1 <<-'END'
	{"remote":null,"dry_run":false,"packs":2,"roots":2,"bytes":N,"wanted_bytes":N,"failed":0,"seconds":N}
	END
	reads_alone v1
}

test_a_path_brings_what_it_needs() {
	new_clone
	revfs -q fetch HEAD:data/new
	without_cache revfs cat HEAD:data/new | cmp - ../origin/data/new
	not without_cache revfs -q cat HEAD:data/large >/dev/null 2>&1
	revfs -q fetch HEAD:data/sub
	without_cache revfs cat HEAD:data/sub/numbers | cmp - ../origin/data/sub/numbers
	revfs -q fetch v1:other
	[ "$(find .git/revfs/roots -type f | wc -l)" = 2 ]
	FILTER=$NUMBERS expect revfs fetch HEAD:.revfs <<-'END'
	everything is here
	END
	expect revfs fetch HEAD:nowhere <<-'END'
	--- stderr
	revfs: path 'nowhere' does not exist in 'HEAD'
	--- status 4
	END
}

test_a_large_folder_is_gone_down_by_name() {
	new_repo origin
	mkdir -p data/many
	seq -f 'data/many/%05g' 5000 | while read -r name; do echo "$name" >"$name"; done
	head -c 200000 /dev/urandom >data/many/02500
	revfs -q snapshot -m many data
	push_and_clone
	revfs -q fetch HEAD:data/many/02500
	without_cache revfs cat HEAD:data/many/02500 | cmp - ../origin/data/many/02500
	revfs -q fetch
	reads_alone HEAD
}

# The remote has a part of a pack, in another: pages go on to name the first.
test_moved_packs_are_followed() {
	new_repo origin
	mkdir public secret
	head -c 300000 /dev/urandom >public/a
	seq 1000 >public/b
	head -c 300000 /dev/urandom >secret/b
	revfs -q snapshot -m both public secret
	git rm -q secret.revfs
	git commit -q --amend -m public
	revfs remote add lab ../store
	revfs -q push
	[ "$(find ../store -name '*.moved' | wc -l)" = 2 ]
	git clone -q . ../clone
	cd ../clone || return 1
	git config revfs.remote.lab.url "$PWD/../store"
	git config revfs.io-timeout 1
	revfs -q fetch
	reads_alone HEAD
	diff -r ../store/packs .git/revfs/packs
	# From here it goes elsewhere.
	revfs remote add second ../second
	without_cache revfs -q push second
	rm -rf ../store
	mv ../second ../store
	rm -rf .git/revfs
	revfs -q fetch lab
	reads_alone HEAD
}

test_a_wrong_pack_is_refused_and_named() {
	local pack
	new_clone
	pack=$(largest_packs | sed -n 2p)
	cp "$pack" ../good
	chmod u+w "$pack"
	truncate -s -100 "$pack"
	FILTER=$NUMBERS expect revfs fetch <<-'END'
	3 packs, 1 roots, N, of which N are wanted, N s
	--- stderr
	revfs: cannot bring the pack PACK from the remote 'lab': damaged data
	revfs: not all of 'HEAD:data' is here: run this again once a remote has the rest
	--- status 3
	END
	[ "$(find .git/revfs/roots -type f | wc -l)" = 1 ]
	without_cache revfs -q cat HEAD:other/list >/dev/null
	[ -z "$(ls .git/revfs/tmp)" ]
	# A byte of a record is another, and then one of the index.
	for offset in 5000 $(($(stat -c %s ../good) - 80)); do
		cp -f ../good "$pack"
		chmod u+w "$pack"
		printf X | dd of="$pack" bs=1 seek="$offset" conv=notrunc status=none
		cmp -s ../good "$pack" && printf Y | dd of="$pack" bs=1 seek="$offset" conv=notrunc status=none
		expect_status 7 revfs -q fetch
	done
	# Another pack under its name.
	cp -f "$(largest_packs | tail -1)" "$pack"
	expect_status 7 revfs -q fetch
	cp -f ../good "$pack"
	revfs -q fetch
	reads_alone HEAD
}

test_another_remote_has_it_whole() {
	local pack
	new_clone
	cp -r ../store ../backup
	git config revfs.remote.zbackup.url "$PWD/../backup"
	pack=$(largest_packs | head -1)
	chmod u+w "$pack"
	truncate -s 1000 "$pack"
	FILTER=$NUMBERS expect revfs fetch v1 <<-'END'
	2 packs, 2 roots, N, of which N are wanted, N s
	--- stderr
	revfs: warning: the pack PACK of the remote 'lab' is passed over: damaged data
	END
	reads_alone v1
	# Only the one that is named is asked.
	rm -rf .git/revfs
	expect_status 3 revfs -q fetch lab v1
	revfs -q fetch zbackup v1
	reads_alone v1
}

test_an_unfinished_pack_is_gone_on_with() {
	local pack id
	new_clone
	pack=$(largest_packs | sed -n 2p)
	id=${pack##*/}
	# Right so far; wrong; longer than the pack.
	for unfinished in "head -c 5000 $pack" "head -c 5000 /dev/zero" "cat $pack $pack"; do
		rm -rf .git/revfs
		revfs -q fetch HEAD:other
		$unfinished >".git/revfs/tmp/$id.adopt"
		revfs -q fetch
		reads_alone HEAD
		[ -z "$(ls .git/revfs/tmp)" ]
	done
}

test_a_damaged_cache_does_no_harm() {
	local copy
	new_clone
	revfs -q export HEAD ../all
	# What the cache has is wrong.
	for copy in "$HOME"/.cache/revfs/packs/*/*; do
		dd if=/dev/urandom of="$copy" bs=3000 seek=1 count=1 conv=notrunc status=none
	done
	revfs -q fetch
	reads_alone HEAD
}

test_what_the_cache_has_is_not_asked_for() {
	local pack copy
	new_clone
	revfs -q export HEAD ../all
	# Whole copies in the cache, and packs of zeros at the remote.
	for pack in $(largest_packs); do
		copy=$HOME/.cache/revfs/packs/${pack#../store/packs/}
		mkdir -p "${copy%/*}"
		cp -f "$pack" "$copy"
		chmod u+w "$pack"
		dd if=/dev/zero of="$pack" bs="$(stat -c %s "$pack")" count=1 status=none
	done
	revfs -q fetch
	reads_alone HEAD
}

# What can be seen in the store is whole: packs are the remote's, and of each root everything is here.
whole_as_far_as_seen() {
	local file
	[ -d .git/revfs ] || return 0
	find .git/revfs -path '*/packs/*' -type f >../packs
	while read -r file; do
		cmp "$file" "../store/${file#.git/revfs/}"
	done <../packs
	find .git/revfs -path '*/roots/*' -type f >../roots
	while read -r file; do
		rm -rf ../part
		without_cache revfs -q export --root "${file##*/}" ../part
	done <../roots
}

# Killed at any moment: nothing half is visible, and the same command again brings the rest.
test_a_killed_fetch_is_finished_by_the_next() {
	local round hits=0
	new_clone
	for round in 1 2 3 4 5 6 7 8 9 10; do
		rm -rf .git/revfs "$HOME/.cache/revfs"
		revfs -q fetch HEAD v1 &
		sleep "0.0$((round * 7 % 10))"
		kill -9 $! 2>/dev/null && hits=$((hits + 1))
		wait $! || true
		whole_as_far_as_seen
		revfs -q fetch HEAD v1
		reads_alone HEAD
		reads_alone v1
	done
	[ $hits -gt 0 ]
}

test_two_fetch_at_once() {
	local one two
	new_clone
	revfs -q fetch &
	one=$!
	revfs -q fetch v1 HEAD &
	two=$!
	wait $one
	wait $two
	reads_alone HEAD
	reads_alone v1
	[ -z "$(ls .git/revfs/tmp)" ]
}

test_garbage_collection_spares_what_was_fetched() {
	new_clone
	revfs -q fetch
	revfs -q gc --keep 0s
	revfs -q gc --keep 0s
	reads_alone HEAD
	# Of a commit that nothing else keeps, for as long as what is young is kept.
	git checkout -q --detach v1
	rm -rf .git/revfs
	revfs -q fetch "$(git rev-parse main)"
	git update-ref -d refs/heads/main
	git update-ref -d refs/remotes/origin/main
	git update-ref -d refs/remotes/origin/HEAD
	git reflog expire --expire=now --all
	rm -f .git/ORIG_HEAD .git/FETCH_HEAD
	revfs -q gc
	rm -rf ../here
	without_cache revfs -q export "$(git -C ../origin rev-parse main)" ../here
	diff -r ../here/data ../origin/data
}

test_what_cannot_be_done_is_said() {
	new_dataset
	expect revfs fetch <<-'END'
	--- stderr
	revfs: there is no remote: 'revfs remote add NAME URL' names one
	--- status 4
	END
	cd .. && new_clone
	expect revfs fetch nothing <<-'END'
	--- stderr
	revfs: 'nothing' is neither a revision nor a path of 'HEAD'
	--- status 4
	END
	rm -rf ../store/packs
	expect_status 7 revfs -q fetch
	[ -z "$(find .git/revfs/packs .git/revfs/roots -type f)" ]
	rm -rf ../store
	expect_status 5 revfs -q fetch
	git config revfs.remote.lab.url gopher://lab/store
	expect revfs fetch lab <<-'END'
	--- stderr
	revfs: warning: the remote 'lab' is left out: no such kind of URL is known: 'gopher://lab/store'
	revfs: the remote 'lab' cannot be used
	--- status 11
	END
}

test_a_full_disk_ends_it() {
	need_root
	new_clone
	small_disk 300k .git/revfs
	expect_status 8 revfs -q fetch
	umount .git/revfs
	revfs -q fetch
	reads_alone HEAD
}

run_tests
