#!/bin/bash
# revfs verify --remote: what is damaged or missing there is named, whatever is here; --repair puts good packs again.
. "${0%/*}/../cli/harness"

random() {
	head -c "$1" /dev/zero | openssl enc -aes-128-ctr -pass "pass:$2" -nosalt -iter 1 2>/dev/null
}

# Two snapshots, v1 and v2, at the remote lab; of two chunks one is shared.
pushed() {
	new_repo
	mkdir data
	random 12000 one >data/one
	revfs -q snapshot -m one data >/dev/null
	git tag v1
	random 14000 two >data/two
	tick
	revfs -q snapshot -m two >/dev/null
	git tag v2
	revfs remote add lab ../store
	revfs -q push
}

chunk_of() { sha256sum "$1" | cut -d' ' -f1; }

# pack_of BYTES: the pack at the remote whose file has about that size.
pack_of() { find ../store/packs -type f -size "+$(($1 - 1))c" -size "-$(($1 + 600))c" -printf '%f\n'; }

in_store() { echo "../store/packs/${1:0:2}/$1"; }

# damage FILE OFFSET
damage() {
	chmod u+w "$1"
	printf 'XXXXXXXX' | dd of="$1" bs=1 seek="$2" conv=notrunc status=none
	chmod 444 "$1"
}

NUMBERS='s/[0-9.]+ (KiB|bytes): /N: /'

test_no_damage() {
	pushed
	FILTER=$NUMBERS expect revfs verify --remote lab <<-'END'
	checked 2 revisions, 2 datasets, 2 pages, 2 chunks, N: no damage
	END
	FILTER=$NUMBERS expect revfs verify --remote lab v1 <<-'END'
	checked 1 revision, 1 dataset, 1 page, 1 chunk, N: no damage
	END
	expect revfs -q verify --remote lab --full
	expect revfs -q verify --remote lab --sample 50%
}

# Neither the store here nor the cache is asked.
test_only_the_remote_is_read() {
	pushed
	git clone -q . ../clone
	cd ../clone
	git config revfs.remote.lab.url "$PWD/../store"
	revfs -q checkout
	rm -rf data
	FILTER=$NUMBERS expect revfs verify --remote lab <<-'END'
	checked 2 revisions, 2 datasets, 2 pages, 2 chunks, N: no damage
	END
	damage "$(in_store "$(pack_of 14000)")" 500
	expect_status 1 revfs verify --remote lab
	# What was read is still good here.
	revfs -q cat v2:data/two | cmp - <(random 14000 two)
}

test_a_damaged_chunk_is_named() {
	local pack
	pushed
	pack=$(pack_of 14000)
	damage "$(in_store "$pack")" 500
	FILTER=$NUMBERS expect revfs verify --remote lab <<-END
	damaged: the chunk $(chunk_of data/two) in the pack $pack at 64
	    data/two in main
	checked 2 revisions, 2 datasets, 2 pages, 2 chunks, N: 1 damaged
	--- status 1
	END
	# It is not of v1.
	expect revfs -q verify --remote lab v1
	# The store here is good.
	expect revfs -q verify
}

test_what_is_missing_is_named() {
	local pack
	pushed
	pack=$(pack_of 12000)
	rm -f "$(in_store "$pack")"
	FILTER=$NUMBERS expect revfs verify --remote lab <<-END
	missing: the chunk $(chunk_of data/one) in the pack $pack at 64
	    data/one in main, v1
	checked 2 revisions, 2 datasets, 2 pages, 2 chunks, N: 1 damaged
	--- status 1
	END
	# A pack that is gone is seen whatever the sample is.
	expect_status 1 revfs verify --remote lab --sample 0.000001
	grep -qx "missing: the pack $pack" "$SCRATCH/said.out"
}

test_a_damaged_root_and_index_are_named() {
	local root pack
	pushed
	root=$(git show v1:data.revfs | sed -n 's/^root sha256://p')
	damage "../store/roots/${root:0:2}/$root" 100
	pack=$(pack_of 14000)
	damage "$(in_store "$pack")" $(($(stat -c %s "$(in_store "$pack")") - 80))
	FILTER=$NUMBERS expect revfs verify --remote lab <<-END
	damaged: the root file $root
	    data in v1
	damaged: the index of the pack $pack
	checked 2 revisions, 2 datasets, 1 page, 2 chunks, N: 2 damaged
	--- status 1
	END
}

test_moved_packs_are_followed() {
	new_repo
	mkdir public secret
	random 30000 a >public/a
	random 20000 b >secret/b
	revfs -q snapshot -m both public secret >/dev/null
	git rm -q secret.revfs
	git commit -q --amend -m public
	revfs remote add lab ../store
	revfs -q push
	[ "$(find ../store -name '*.moved' | wc -l)" = 2 ]
	expect revfs -q verify --remote lab
	rm -f "$(find ../store/packs -type f -size +29k)"
	expect_status 1 revfs verify --remote lab
	grep -q '^missing: the chunk' "$SCRATCH/said.out"
}

test_json() {
	local pack
	pushed
	pack=$(pack_of 14000)
	damage "$(in_store "$pack")" 500
	FILTER='s/"(bytes|seconds)":[0-9.]+/"\1":N/g' expect revfs verify --remote lab --json v2 <<-END
	{"remote":"lab","revisions":2,"datasets":2,"pages":2,"chunks":2,"unread_chunks":0,"elsewhere":0,"bytes":N,"packs":2,"damaged":1,"damage":[{"kind":"chunk","state":"damaged","id":"sha256:$(chunk_of data/two)","pack":"$pack","offset":64,"message":"damaged data","other_copy":false,"touches":[{"path":"data/two","revisions":["$(git rev-parse v2)"]}]}],"seconds":N}
	--- status 1
	END
}

test_a_remote_that_is_not_there_is_no_damage() {
	pushed
	mv ../store ../away
	expect revfs verify --remote lab <<-'END'
	--- stderr
	revfs: there is no store at the remote 'lab' (SCRATCH/test_a_remote_that_is_not_there_is_no_damage/store): is it mounted?
	--- status 5
	END
	expect_status 4 revfs verify --remote other
	expect_status 2 revfs verify --remote lab --rebuild
}

run_tests
