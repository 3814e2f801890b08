#!/bin/bash
# revfs verify --repair: good copies take the place of what is damaged, here and at remotes; what has none is named.
. "${0%/*}/../cli/harness"

random() {
	head -c "$1" /dev/zero | openssl enc -aes-128-ctr -pass "pass:$2" -nosalt -iter 1 2>/dev/null
}

# Two snapshots, v1 and v2, at the remote lab.
pushed() {
	new_repo
	mkdir -p data/sub
	random 12000 one >data/sub/one
	random 13000 more >data/more
	revfs -q snapshot -m one data >/dev/null
	git tag v1
	random 20000 two >data/two
	tick
	revfs -q snapshot -m two >/dev/null
	git tag v2
	revfs remote add lab ../store
	revfs -q push
}

# pack_of STORE BYTES: its pack of about that size.
pack_of() { find "$1/packs" -type f ! -name '*.moved' -size "+$(($2 - 1))c" -size "-$(($2 + 900))c"; }

# The biggest pack of pages.
pages_of() { find "$1/packs" -type f ! -name '*.moved' -size -2000c -printf '%s %p\n' | sort -n | tail -1 | cut -d' ' -f2; }

# damage FILE OFFSET
damage() {
	chmod u+w "$1"
	printf 'XXXXXXXX' | dd of="$1" bs=1 seek="$2" conv=notrunc status=none
	chmod 444 "$1"
}

root_of() { git show "$1:data.revfs" | sed -n 's/^root sha256://p'; }

here=.git/revfs

good() {
	revfs -q verify
	cmp <(random 12000 one) <(revfs cat v2:data/sub/one)
	cmp <(random 13000 more) <(revfs cat v1:data/more)
	cmp <(random 20000 two) <(revfs cat v2:data/two)
	[ -z "$(ls $here/tmp)" ]
}

test_a_damaged_pack_comes_whole_from_a_remote() {
	local pack
	pushed
	pack=$(pack_of $here 25000)
	damage "$pack" 500
	expect_status 1 revfs verify
	FILTER='s/, [0-9.]+ KiB:/, N:/' expect revfs verify --repair <<-'END'
	repaired: 1 pack
	checked 2 revisions, 2 datasets, 3 pages, 3 chunks, N: no damage
	END
	good
	cmp "$pack" "../store/${pack#"$here"/}"
	[ "$(stat -c %a "$pack")" = 444 ]
}

test_pages_roots_and_cut_packs_come_back() {
	local root pack
	pushed
	damage "$(pages_of $here)" 100
	root=$(root_of v1)
	damage "$here/roots/${root:0:2}/$root" 100
	root=$(root_of v2)
	damage "$here/roots/${root:0:2}/$root" 0
	pack=$(pack_of $here 20000)
	chmod u+w "$pack"
	truncate -s 10000 "$pack"
	expect_status 1 revfs verify
	expect_status 0 revfs verify --repair
	good
	cmp "$here/roots/${root:0:2}/$root" "../store/roots/${root:0:2}/$root"
}

test_a_missing_root_comes_from_its_page() {
	local root
	pushed
	git config --remove-section revfs.remote.lab
	rm .revfs/config
	root=$(root_of v2)
	rm -f "$here/roots/${root:0:2}/$root"
	expect_status 1 revfs verify
	FILTER='s/, [0-9.]+ KiB:/, N:/' expect revfs verify --repair <<-'END'
	repaired: 1 root
	checked 2 revisions, 2 datasets, 3 pages, 3 chunks, N: no damage
	END
	good
}

# No remote has the pack as it is; records are found one by one: in the cache, and in another pack.
test_records_come_from_the_cache() {
	local pack
	pushed
	# A clone's mount would have read them: here the cache knows them by the remote's place.
	git clone -q . ../clone
	git -C ../clone config revfs.remote.lab.url "$PWD/../store"
	revfs -q -C ../clone export v2 "$PWD/../copy"
	pack=$(pack_of $here 25000)
	damage "$pack" 500
	rm -f ../store/packs/*/"${pack##*/}"
	FILTER='s/, [0-9.]+ KiB:/, N:/' expect revfs verify --repair <<-'END'
	repaired: 1 record
	checked 2 revisions, 2 datasets, 3 pages, 3 chunks, N: no damage
	END
	good
	# What was good in it is in the new pack, too, and the damaged one is gone.
	[ ! -e "$pack" ]
	[ -e "$pack.moved" ]
	expect revfs -q verify --rebuild --full
}

test_what_has_no_copy_is_named() {
	local pack
	pushed
	rm -rf ../store
	git config --remove-section revfs.remote.lab
	rm .revfs/config
	pack=$(pack_of $here 25000)
	damage "$pack" 500
	expect_status 1 revfs verify --repair
	grep -q '^damaged: the chunk' "$SCRATCH/said.out"
	not grep -q '^repaired' "$SCRATCH/said.out"
	# Nothing that is good was lost.
	[ -e "$pack" ]
	cmp <(random 20000 two) <(revfs cat v2:data/two)
}

test_a_remote_gets_good_packs_again() {
	local pack lost root
	pushed
	pack=$(pack_of ../store 25000)
	damage "$pack" 500
	lost=$(pages_of ../store)
	rm "$lost"
	root=$(root_of v2)
	damage "../store/roots/${root:0:2}/$root" 90
	expect_status 1 revfs verify --remote lab
	FILTER='s/, [0-9.]+ KiB:/, N:/' expect revfs verify --remote lab --repair <<-'END'
	repaired: 2 packs, 1 root
	checked 2 revisions, 2 datasets, 3 pages, 3 chunks, N: no damage
	END
	cmp "$pack" $here/"${pack#../store/}"
	cmp "$lost" $here/"${lost#../store/}"
	cmp "../store/roots/${root:0:2}/$root" "$here/roots/${root:0:2}/$root"
	[ "$(stat -c %a "$pack")" = 444 ]
	expect revfs -q verify --remote lab --full
}

test_a_remote_is_repaired_from_another() {
	local pack
	pushed
	revfs remote add backup ../backup
	revfs -q push backup
	git clone -q . ../clone
	cd ../clone
	git config revfs.remote.lab.url "$PWD/../store"
	git config revfs.remote.backup.url "$PWD/../backup"
	pack=$(pack_of ../store 25000)
	damage "$pack" 500
	rm -f "$(pack_of ../store 20000)"
	expect_status 0 revfs -q verify --remote lab --repair
	diff -r ../store ../backup
	# A bad copy there does not replace anything.
	damage "$pack" 500
	damage "../backup/${pack#../store/}" 600
	cp "$pack" ../before
	expect_status 1 revfs -q verify --remote lab --repair
	cmp "$pack" ../before
}

# A damaged copy here is no good either.
test_a_damaged_local_pack_does_not_go() {
	local pack
	pushed
	pack=$(pack_of ../store 25000)
	damage "$pack" 500
	damage "$here/${pack#../store/}" 14000
	cp "$pack" ../before
	expect_status 1 revfs -q verify --remote lab --repair
	cmp "$pack" ../before
}

# A pack there that held the public part of one of ours: ours does not go in its place.
test_what_was_never_published_does_not_leak() {
	new_repo
	mkdir public secret
	random 30000 a >public/a
	random 20000 b >secret/b
	revfs -q snapshot -m both public secret >/dev/null
	git rm -q secret.revfs
	git commit -q --amend -m public
	revfs remote add lab ../store
	revfs -q push
	rm -f ../store/packs/*/*
	expect_status 1 revfs -q verify --remote lab --repair HEAD
	[ -z "$(find ../store/packs -type f -size +40k)" ]
	random 20000 b | head -c 40 >../needle
	find ../store/packs -type f -exec cat {} + >../all
	python3 -c 'import sys; sys.exit(open(sys.argv[1],"rb").read() in open(sys.argv[2],"rb").read())' ../needle ../all
}

test_the_shared_files_word_is_not_enough() {
	pushed
	git commit -qm shared .revfs/config
	git config --remove-section revfs.remote.lab
	damage "$(pack_of ../store 25000)" 500
	expect_status 11 revfs verify --remote lab --repair
}

test_a_busy_store_is_left_alone() {
	pushed
	damage "$(pack_of $here 25000)" 500
	flock -s $here/lock sleep 30 &
	sleep 0.3
	expect_status 9 revfs verify --repair
	kill %1 || true
}

test_json() {
	pushed
	damage "$(pack_of $here 25000)" 500
	FILTER='s/"(bytes|seconds)":[0-9.]+/"\1":N/g' expect revfs verify --repair --json <<-'END'
	{"revisions":2,"datasets":2,"pages":3,"chunks":3,"unread_chunks":0,"elsewhere":0,"bytes":N,"packs":4,"damaged":0,"damage":[],"repaired":{"packs":1,"records":0,"roots":0},"seconds":N}
	END
}

run_tests
