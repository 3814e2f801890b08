#!/bin/bash
# long
# revfs verify: what it counts, what it says of damage and of whom that touches
. "${0%/*}/../cli/harness"

# Pack names are random.
PACKS='s/(pack":"|pack )[0-9a-f]{32}/\1PACK/;s/"seconds":[0-9.e-]+/"seconds":S/'

# Three commits: the tag v1 has data/a.txt, sub/b.txt, link and large (one chunk); the tag v2 and main also data/numbers.
two_revisions() {
	new_dataset
	git tag v1
	seq 2000 >data/numbers
	touch -d '2026-01-01' data/numbers
	tick
	revfs -q snapshot -m second >/dev/null
	git tag v2
	store=$PWD/.git/revfs
	chmod -R u+w "$store"
	large=$(sha256sum <data/large | cut -d' ' -f1)
	numbers=$(sha256sum <data/numbers | cut -d' ' -f1)
	first=$(git show v1:data.revfs | sed -n 's/^root sha256://p')
	second=$(git show v2:data.revfs | sed -n 's/^root sha256://p')
}

# pack_of KIND ID: the pack of data (1) or pages (2) whose index names ID.
pack_of() {
	local pack
	find "$store/packs" -type f | while read -r pack; do
		[ "$(od -An -tu1 -j64 -N1 "$pack" | tr -d ' ')" = "$1" ] || continue
		! od -An -v -tx1 "$pack" | tr -d ' \n' | grep -q "$2" || echo "$pack"
	done
}

# root_file ID: the file of a root.
root_file() {
	echo "$store/roots/${1:0:2}/$1"
}

# flip FILE OFFSET: all bits of one byte.
flip() {
	local byte
	byte=$(od -An -tu1 -j"$2" -N1 "$1" | tr -d ' ')
	# shellcheck disable=SC2059 # the format is the byte
	printf "\\$(printf %o $((byte ^ 255)))" | dd of="$1" bs=1 seek="$2" conv=notrunc status=none
}

test_a_sound_store() {
	two_revisions
	expect revfs verify <<-'END'
	checked 3 revisions, 2 datasets, 3 pages, 2 chunks, 106.8 KiB: no damage
	END
	expect revfs -q verify </dev/null
	FILTER=$PACKS expect revfs verify --json <<-'END'
	{"revisions":3,"datasets":2,"pages":3,"chunks":2,"unread_chunks":0,"elsewhere":0,"bytes":109384,"packs":4,"damaged":0,"damage":[],"seconds":S}
	END
	expect revfs verify -j 1 --full --rebuild <<-'END'
	checked 3 revisions, 2 datasets, 3 pages, 2 chunks, 106.8 KiB: no damage
	END
}

test_a_revision_stands_for_itself_and_its_history() {
	two_revisions
	expect revfs verify v1 <<-'END'
	checked 2 revisions, 1 dataset, 2 pages, 1 chunk, 97.8 KiB: no damage
	END
	expect revfs verify v1~1 <<-'END'
	checked 1 revision, 0 datasets, 0 pages, 0 chunks, 0 bytes: no damage
	END
	expect revfs verify v1 v2 HEAD~2 <<-'END'
	checked 3 revisions, 2 datasets, 3 pages, 2 chunks, 106.8 KiB: no damage
	END
	# What no ref leads to is not looked at, what HEAD alone leads to is.
	git checkout -q --detach v1
	git branch -q -D main
	git tag -d v2 >/dev/null
	expect revfs verify <<-'END'
	checked 2 revisions, 1 dataset, 2 pages, 1 chunk, 97.8 KiB: no damage
	END
	git commit -q --allow-empty -m detached
	expect revfs verify <<-'END'
	checked 3 revisions, 1 dataset, 2 pages, 1 chunk, 97.8 KiB: no damage
	END
}

test_nothing_to_check() {
	new_repo
	expect revfs verify <<-'END'
	checked 0 revisions, 0 datasets, 0 pages, 0 chunks, 0 bytes: no damage
	END
	new_commit
	expect revfs verify <<-'END'
	checked 1 revision, 0 datasets, 0 pages, 0 chunks, 0 bytes: no damage
	END
	FILTER=$PACKS expect revfs verify --json HEAD <<-'END'
	{"revisions":1,"datasets":0,"pages":0,"chunks":0,"unread_chunks":0,"elsewhere":0,"bytes":0,"packs":0,"damaged":0,"damage":[],"seconds":S}
	END
}

test_a_flipped_chunk_is_named_with_paths_and_revisions() {
	two_revisions
	flip "$(pack_of 1 "$large")" 100
	FILTER=$PACKS expect revfs verify <<-END
	damaged: the chunk $large in the pack PACK at 64
	    data/large in main, v1
	checked 3 revisions, 2 datasets, 3 pages, 2 chunks, 9.1 KiB: 1 damaged
	--- status 1
	END
	FILTER=$PACKS expect revfs -q verify <<-END
	damaged: the chunk $large in the pack PACK at 64
	    data/large in main, v1
	--- status 1
	END
	FILTER=$PACKS expect revfs verify v1 <<-END
	damaged: the chunk $large in the pack PACK at 64
	    data/large in v1
	checked 2 revisions, 1 dataset, 2 pages, 1 chunk, 231 bytes: 1 damaged
	--- status 1
	END
	FILTER=$PACKS expect revfs verify --json <<-END
	{"revisions":3,"datasets":2,"pages":3,"chunks":2,"unread_chunks":0,"elsewhere":0,"bytes":9384,"packs":4,"damaged":1,"damage":[{"kind":"chunk","state":"damaged","id":"sha256:$large","pack":"PACK","offset":64,"message":"damaged data","other_copy":false,"touches":[{"path":"data/large","revisions":["$(git rev-parse v2)","$(git rev-parse v1)"]}]}],"seconds":S}
	--- status 1
	END
}

test_a_missing_chunk() {
	two_revisions
	pack=$(pack_of 1 "$numbers")
	mv "$pack" ../kept
	FILTER=$PACKS expect revfs verify <<-END
	missing: the chunk $numbers in the pack PACK at 64
	    data/numbers in main
	checked 3 revisions, 2 datasets, 3 pages, 2 chunks, 98.1 KiB: 1 damaged
	--- status 1
	END
	expect revfs verify v1 <<-'END'
	checked 2 revisions, 1 dataset, 2 pages, 1 chunk, 97.8 KiB: no damage
	END
	FILTER=$PACKS expect revfs verify --rebuild <<-END
	missing: the chunk $numbers in the pack PACK at 64
	    data/numbers in main
	checked 3 revisions, 2 datasets, 3 pages, 2 chunks, 98.1 KiB: 1 damaged
	--- status 1
	END
	mv ../kept "$pack"
	expect revfs -q verify </dev/null
}

test_rebuild_writes_the_look_up_files_anew() {
	two_revisions
	rm -f "$(pack_of 1 "$numbers")"
	# Written once more, into another pack than the pages of v2 say.
	revfs -q snapshot --full -m again data
	expect revfs verify <<-'END'
	checked 3 revisions, 2 datasets, 3 pages, 2 chunks, 106.8 KiB: no damage
	END
	rm -f "$store"/hints/*
	expect revfs verify --rebuild <<-'END'
	checked 3 revisions, 2 datasets, 3 pages, 2 chunks, 106.8 KiB: no damage
	END
	[ "$(find "$store/hints" -type f | wc -l)" -ge 1 ]
	for hint in "$store"/hints/*; do echo junk >"$hint"; done
	expect revfs verify <<-'END'
	checked 3 revisions, 2 datasets, 3 pages, 2 chunks, 106.8 KiB: no damage
	END
	expect revfs verify --rebuild <<-'END'
	checked 3 revisions, 2 datasets, 3 pages, 2 chunks, 106.8 KiB: no damage
	END
	not grep -rqx junk "$store/hints"
	revfs cat v2:data/numbers | cmp - data/numbers
}

test_damaged_and_missing_roots() {
	two_revisions
	flip "$(root_file "$first")" 100
	FILTER=$PACKS expect revfs verify <<-END
	damaged: the root file $first, another copy is good
	    data in v1
	checked 3 revisions, 2 datasets, 3 pages, 2 chunks, 106.8 KiB: 1 damaged
	--- status 1
	END
	rm "$(root_file "$first")"
	FILTER=$PACKS expect revfs verify --json <<-END
	{"revisions":3,"datasets":2,"pages":3,"chunks":2,"unread_chunks":0,"elsewhere":0,"bytes":109384,"packs":4,"damaged":1,"damage":[{"kind":"root","state":"missing","id":"sha256:$first","message":"the data is missing from the store","other_copy":true,"touches":[{"path":"data","revisions":["$(git rev-parse v1)"]}]}],"seconds":S}
	--- status 1
	END
	rm "$(pack_of 2 "$first")"
	FILTER=$PACKS expect revfs verify <<-END
	missing: the page 68078f453ab31ab2a6b12838475ab809639dc0ab3b14b8f1855e44757fcea654 in the pack PACK at 64
	    data/sub in main
	missing: the page $first
	    data in v1
	missing: the root file $first
	    data in v1
	checked 3 revisions, 2 datasets, 1 page, 2 chunks, 106.5 KiB: 3 damaged
	--- status 1
	END
	revfs cat v2:data/numbers | cmp - data/numbers
}

test_damaged_pages() {
	two_revisions
	flip "$(pack_of 2 "$second")" 100
	FILTER=$PACKS expect revfs verify <<-END
	damaged: the page $second in the pack PACK at 64, another copy is good
	    data in main
	checked 3 revisions, 2 datasets, 2 pages, 2 chunks, 106.5 KiB: 1 damaged
	--- status 1
	END
	rm "$(root_file "$second")"
	FILTER=$PACKS expect revfs verify <<-END
	damaged: the page $second in the pack PACK at 64
	    data in main
	missing: the root file $second
	    data in main
	checked 3 revisions, 2 datasets, 2 pages, 1 chunk, 97.8 KiB: 2 damaged
	--- status 1
	END
}

test_an_index_of_a_pack() {
	two_revisions
	truncate -s -1 "$(pack_of 1 "$numbers")"
	FILTER=$PACKS expect revfs verify <<-END
	damaged: the index of the pack PACK
	damaged: the chunk $numbers in the pack PACK at 64
	    data/numbers in main
	checked 3 revisions, 2 datasets, 3 pages, 2 chunks, 98.1 KiB: 2 damaged
	--- status 1
	END
}

test_pages_and_chunks_of_a_large_file_and_folder() {
	local i
	new_repo
	mkdir -p data/many
	for i in {1..3000}; do echo "file $i" >"data/many/$i"; done
	head -c 3000000 /dev/zero | openssl enc -aes-128-ctr -pass pass:x -nosalt -iter 1 2>/dev/null >data/large
	revfs -q snapshot -m many data
	store=$PWD/.git/revfs
	chmod -R u+w "$store"
	expect revfs verify --full <<-'END'
	checked 1 revision, 1 dataset, 6 pages, 42 chunks, 2.9 MiB: no damage
	END
	for pack in "$store"/packs/*/*; do
		[ "$(od -An -tu1 -j64 -N1 "$pack" | tr -d ' ')" != 1 ] || flip "$pack" 1000
	done
	FILTER="$PACKS;s/[0-9a-f]{64}/ID/" expect revfs verify <<-'END'
	damaged: the chunk ID in the pack PACK at 64
	    data/large in main
	checked 1 revision, 1 dataset, 6 pages, 42 chunks, 2.9 MiB: 1 damaged
	--- status 1
	END
}

test_much_damage_is_cut_short_unless_asked_for() {
	local i
	new_repo
	mkdir data
	seq 2000 >data/00
	for i in {01..24}; do cp data/00 "data/$i"; done
	revfs -q snapshot -m first data
	for i in {1..7}; do
		tick
		echo "$i" >data/count
		revfs -q snapshot -m "$i"
	done
	store=$PWD/.git/revfs
	numbers=$(sha256sum <data/00 | cut -d' ' -f1)
	rm -f "$(pack_of 1 "$numbers")"
	FILTER="$PACKS;s/[0-9a-f]{64}/ID/;s/[0-9a-f]{12}/COMMIT/g;s/[0-9.]+ KiB/SIZE/" expect revfs verify <<-END
	missing: the chunk ID in the pack PACK at 64
	    data/00 in main, COMMIT, COMMIT, COMMIT, COMMIT and 3 more revisions
	    data/01 in main, COMMIT, COMMIT, COMMIT, COMMIT and 3 more revisions
	    data/02 in main, COMMIT, COMMIT, COMMIT, COMMIT and 3 more revisions
	    data/03 in main, COMMIT, COMMIT, COMMIT, COMMIT and 3 more revisions
	    data/04 in main, COMMIT, COMMIT, COMMIT, COMMIT and 3 more revisions
	    data/05 in main, COMMIT, COMMIT, COMMIT, COMMIT and 3 more revisions
	    data/06 in main, COMMIT, COMMIT, COMMIT, COMMIT and 3 more revisions
	    data/07 in main, COMMIT, COMMIT, COMMIT, COMMIT and 3 more revisions
	    data/08 in main, COMMIT, COMMIT, COMMIT, COMMIT and 3 more revisions
	    data/09 in main, COMMIT, COMMIT, COMMIT, COMMIT and 3 more revisions
	    data/10 in main, COMMIT, COMMIT, COMMIT, COMMIT and 3 more revisions
	    data/11 in main, COMMIT, COMMIT, COMMIT, COMMIT and 3 more revisions
	    data/12 in main, COMMIT, COMMIT, COMMIT, COMMIT and 3 more revisions
	    data/13 in main, COMMIT, COMMIT, COMMIT, COMMIT and 3 more revisions
	    data/14 in main, COMMIT, COMMIT, COMMIT, COMMIT and 3 more revisions
	    data/15 in main, COMMIT, COMMIT, COMMIT, COMMIT and 3 more revisions
	    data/16 in main, COMMIT, COMMIT, COMMIT, COMMIT and 3 more revisions
	    data/17 in main, COMMIT, COMMIT, COMMIT, COMMIT and 3 more revisions
	    data/18 in main, COMMIT, COMMIT, COMMIT, COMMIT and 3 more revisions
	    data/19 in main, COMMIT, COMMIT, COMMIT, COMMIT and 3 more revisions
	    and 5 more paths: -v shows them
	checked 8 revisions, 8 datasets, 8 pages, 1 chunk, SIZE: 1 damaged
	--- status 1
	END
	FILTER="$PACKS;s/[0-9a-f]{64}/ID/;s/[0-9a-f]{12}/COMMIT/g;s/[0-9.]+ KiB/SIZE/" expect revfs -v verify <<-END
	missing: the chunk ID in the pack PACK at 64
	    data/00 in main, COMMIT, COMMIT, COMMIT, COMMIT, COMMIT, COMMIT, COMMIT
	    data/01 in main, COMMIT, COMMIT, COMMIT, COMMIT, COMMIT, COMMIT, COMMIT
	    data/02 in main, COMMIT, COMMIT, COMMIT, COMMIT, COMMIT, COMMIT, COMMIT
	    data/03 in main, COMMIT, COMMIT, COMMIT, COMMIT, COMMIT, COMMIT, COMMIT
	    data/04 in main, COMMIT, COMMIT, COMMIT, COMMIT, COMMIT, COMMIT, COMMIT
	    data/05 in main, COMMIT, COMMIT, COMMIT, COMMIT, COMMIT, COMMIT, COMMIT
	    data/06 in main, COMMIT, COMMIT, COMMIT, COMMIT, COMMIT, COMMIT, COMMIT
	    data/07 in main, COMMIT, COMMIT, COMMIT, COMMIT, COMMIT, COMMIT, COMMIT
	    data/08 in main, COMMIT, COMMIT, COMMIT, COMMIT, COMMIT, COMMIT, COMMIT
	    data/09 in main, COMMIT, COMMIT, COMMIT, COMMIT, COMMIT, COMMIT, COMMIT
	    data/10 in main, COMMIT, COMMIT, COMMIT, COMMIT, COMMIT, COMMIT, COMMIT
	    data/11 in main, COMMIT, COMMIT, COMMIT, COMMIT, COMMIT, COMMIT, COMMIT
	    data/12 in main, COMMIT, COMMIT, COMMIT, COMMIT, COMMIT, COMMIT, COMMIT
	    data/13 in main, COMMIT, COMMIT, COMMIT, COMMIT, COMMIT, COMMIT, COMMIT
	    data/14 in main, COMMIT, COMMIT, COMMIT, COMMIT, COMMIT, COMMIT, COMMIT
	    data/15 in main, COMMIT, COMMIT, COMMIT, COMMIT, COMMIT, COMMIT, COMMIT
	    data/16 in main, COMMIT, COMMIT, COMMIT, COMMIT, COMMIT, COMMIT, COMMIT
	    data/17 in main, COMMIT, COMMIT, COMMIT, COMMIT, COMMIT, COMMIT, COMMIT
	    data/18 in main, COMMIT, COMMIT, COMMIT, COMMIT, COMMIT, COMMIT, COMMIT
	    data/19 in main, COMMIT, COMMIT, COMMIT, COMMIT, COMMIT, COMMIT, COMMIT
	    data/20 in main, COMMIT, COMMIT, COMMIT, COMMIT, COMMIT, COMMIT, COMMIT
	    data/21 in main, COMMIT, COMMIT, COMMIT, COMMIT, COMMIT, COMMIT, COMMIT
	    data/22 in main, COMMIT, COMMIT, COMMIT, COMMIT, COMMIT, COMMIT, COMMIT
	    data/23 in main, COMMIT, COMMIT, COMMIT, COMMIT, COMMIT, COMMIT, COMMIT
	    data/24 in main, COMMIT, COMMIT, COMMIT, COMMIT, COMMIT, COMMIT, COMMIT
	checked 8 revisions, 8 datasets, 8 pages, 1 chunk, SIZE: 1 damaged
	--- status 1
	END
}

test_a_sample_reads_less() {
	two_revisions
	flip "$(pack_of 1 "$large")" 100
	flip "$(pack_of 1 "$numbers")" 100
	expect revfs verify --sample 0.0001 <<-'END'
	checked 3 revisions, 2 datasets, 3 pages, 0 chunks, 491 bytes: no damage
	not in the sample: 2 chunks
	END
	FILTER=$PACKS expect revfs verify --json --sample=0.0001% v1 <<-'END'
	{"revisions":2,"datasets":1,"pages":2,"chunks":0,"unread_chunks":1,"elsewhere":0,"bytes":231,"packs":4,"damaged":0,"damage":[],"seconds":S}
	END
	expect_status 1 revfs verify --sample 100%
	# All pages are checked.
	rm "$(root_file "$first")"
	expect_status 1 revfs verify --sample 0.0001
}

test_no_store() {
	new_dataset
	git clone -q . ../clone
	FILTER=$PACKS expect revfs -C ../clone verify <<-END
	missing: the page 47c3707d4ef5c938f39118e81d9eb6eba708bcc715732cb1eb991794b3c4ba80
	    data in main
	checked 2 revisions, 1 dataset, 0 pages, 0 chunks, 0 bytes: 1 damaged
	--- status 1
	END
}

test_git_that_is_damaged() {
	two_revisions
	git tag -f broken >/dev/null
	object=$(git rev-parse HEAD:data.revfs)
	rm -f ".git/objects/${object:0:2}/${object:2}"
	FILTER=$PACKS expect revfs verify <<-END
	damaged: what Git has of data
	    data in main
	checked 3 revisions, 1 dataset, 2 pages, 1 chunk, 97.8 KiB: 1 damaged
	--- status 1
	END
	object=$(git rev-parse HEAD~1)
	rm -f ".git/objects/${object:0:2}/${object:2}"
	FILTER=$PACKS expect revfs verify <<-END
	--- stderr
	revfs: the commit that 'refs/tags/v1' leads to is missing: 'git fsck' says more
	revfs: Git's history cannot be read to its end: 'git fsck' says more
	--- status 7
	END
}

test_a_pointer_whose_numbers_are_wrong() {
	new_dataset
	sed -i 's/^files .*/files 40/' data.revfs
	new_commit
	FILTER=$PACKS expect revfs verify <<-END
	damaged: the pointer of data: it holds other numbers of entries, files or bytes than is said where it is named
	    data in main
	checked 3 revisions, 2 datasets, 2 pages, 1 chunk, 97.8 KiB: 1 damaged
	--- status 1
	END
}

test_unknown_revisions_and_usage() {
	two_revisions
	expect revfs verify v9 <<-'END'
	--- stderr
	revfs: there is no revision 'v9'; did you mean 'v1'?
	--- status 4
	END
	expect revfs verify --json v1 HEAD:data <<-'END'
	--- stderr
	revfs: there is no revision 'HEAD:data': 'git branch -a' and 'git tag' list them
	{"error":{"code":4,"message":"there is no revision 'HEAD:data': 'git branch -a' and 'git tag' list them"}}
	--- status 4
	END
	for sample in 0 101 101% nan -1 '' 5x; do
		expect revfs verify --sample "$sample" <<-END
		--- stderr
		revfs: '--sample $sample': a number above 0 and up to 100 is wanted
		see 'revfs help verify'
		--- status 2
		END
	done
	expect revfs verify --jobs many <<-'END'
	--- stderr
	revfs: '--jobs many': a number from 1 to 1024 is wanted
	see 'revfs help verify'
	--- status 2
	END
	cd ..
	expect revfs verify <<-'END'
	--- stderr
	revfs: not in a git repository: 'git init' makes one here, 'revfs -C DIR' works in another folder
	--- status 10
	END
}

test_a_bare_repository() {
	new_dataset
	git clone -q --bare . ../bare
	cp -r .git/revfs ../bare/
	cd ../bare
	expect revfs verify <<-'END'
	checked 2 revisions, 1 dataset, 2 pages, 1 chunk, 97.8 KiB: no damage
	END
}

# A clone that has a part: what is at a remote is no damage, what is here is checked all the same.
test_what_is_at_a_remote_is_no_damage() {
	local pack
	new_dataset
	revfs remote add lab ../store
	revfs -q push
	git clone -q . ../clone
	cd ../clone
	git config revfs.remote.lab.url "$PWD/../store"
	expect revfs verify <<-'END'
	checked 2 revisions, 1 dataset, 0 pages, 0 chunks, 0 bytes: no damage
	not here, and not looked for at remotes: 1 page and chunks
	END
	revfs -q checkout
	head -c 1000 /dev/urandom >data/more
	revfs -q snapshot -m more
	FILTER='s/"(bytes|seconds)":[0-9.e-]+/"\1":N/g' expect revfs verify --json <<-'END'
	{"revisions":3,"datasets":2,"pages":1,"chunks":1,"unread_chunks":0,"elsewhere":3,"bytes":N,"packs":2,"damaged":0,"damage":[],"seconds":N}
	END
	for pack in .git/revfs/packs/*/*; do
		chmod u+w "$pack"
		printf X | dd of="$pack" bs=1 seek=100 conv=notrunc status=none
	done
	revfs verify >../said && return 1
	grep -q 'damaged' ../said
}

run_tests
