#!/bin/bash
# revfs cache verify: damage in the cache is found, told and removed.
. "${0%/*}/../cli/harness"
. "${0%/*}/remote_world"

# A clone without data, and a cache of its own that holds all of HEAD.
new_clone() {
	export HOME=$PWD/home
	mkdir home
	new_repo origin
	mkdir -p data/sub
	seq 3000 >data/sub/numbers
	head -c 600000 /dev/urandom >data/large
	revfs -q snapshot -m first data
	push_and_clone
	revfs -q prefetch HEAD
}

NUMBERS='s/[0-9.]+ (bytes|[KM]iB)/N/g;s/packs\/[0-9a-f\/]+/PACK/;s/"(records|checked_bytes|removed_bytes)":[0-9]+/"\1":N/g;s/[0-9]+ records/N records/'

test_what_is_whole_stays() {
	new_clone
	FILTER=$NUMBERS expect revfs cache verify <<-'END'
	checked 2 packs, 1 roots, N records, N: 0 damaged, N removed
	END
	FILTER=$NUMBERS expect revfs cache verify --json <<-'END'
	{"packs":2,"roots":1,"records":N,"checked_bytes":N,"damaged":0,"removed_bytes":N}
	END
	revfs cache verify | grep -qv ' 0 records'
	expect revfs -q cache verify <<-'END'
	END
	rm -rf "$HOME/.cache"
	expect revfs cache verify <<-'END'
	checked 0 packs, 0 roots, 0 records, 0 bytes: 0 damaged, 0 bytes removed
	END
}

test_damage_is_told_and_removed() {
	local copy
	new_clone
	copy=$(find "$HOME/.cache/revfs/packs" -type f -size +100k)
	dd if=/dev/urandom of="$copy" bs=100 seek=1000 count=1 conv=notrunc status=none
	FILTER=$NUMBERS expect revfs cache verify <<-'END'
	checked 2 packs, 1 roots, N records, N: 1 damaged, N removed
	--- stderr
	revfs: 'SCRATCH/test_damage_is_told_and_removed/home/.cache/revfs/PACK' was damaged, and is removed: it is fetched again
	--- status 1
	END
	[ ! -e "$copy" ]
	expect_status 0 revfs -q cache verify
	revfs -q cat HEAD:data/large | cmp - ../origin/data/large
}

test_what_is_pinned_is_checked_as_well() {
	local copy
	new_clone
	revfs -q pin HEAD
	for copy in "$HOME"/.cache/revfs/packs/*/* "$HOME"/.cache/revfs/roots/*/*; do
		printf X | dd of="$copy" bs=1 seek=70 conv=notrunc status=none
	done
	expect_status 1 revfs -q cache verify --json
	grep -q '"damaged":3' "$SCRATCH/said.out"
	revfs -q pin HEAD
	expect_status 0 revfs -q cache verify
}

test_words_are_checked() {
	new_clone
	expect revfs cache frobnicate <<-'END'
	--- stderr
	revfs: 'frobnicate' is not one of info, clear, verify
	see 'revfs help cache'
	--- status 2
	END
}

run_tests
