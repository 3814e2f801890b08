#!/bin/bash
# revfs pin and unpin: what is pinned stays in the cache, whatever else it needs room for.
. "${0%/*}/../cli/harness"
. "${0%/*}/remote_world"

# A repository of two snapshots that was pushed to ../store; a clone of it, which has no data, is where the test stands.
new_clone() {
	# A cache of its own.
	export HOME=$PWD/home
	mkdir home
	new_repo origin
	mkdir -p data/sub
	seq 3000 >data/sub/numbers
	head -c 600000 /dev/urandom >data/large
	revfs -q snapshot -m first data
	git tag v1
	head -c 300000 /dev/urandom >data/new
	revfs -q snapshot -m second
	push_and_clone
}

NUMBERS='s/[0-9a-f]{40}/COMMIT/;s/[0-9.]+ (bytes|[KM]iB)/N/g;s/"bytes":[0-9]+/"bytes":N/'

test_what_is_pinned_stays() {
	new_clone
	expect revfs pin v1 <<-'END'
	END
	revfs -q prefetch HEAD
	alone revfs -q cat HEAD:data/new >/dev/null
	revfs -q cache clear
	alone revfs -q export v1 ../out
	diff -r ../out/data/sub ../origin/data/sub
	cmp ../out/data/large ../origin/data/large
	not alone revfs -q cat HEAD:data/new >/dev/null 2>&1
	# Nor does it go to make room.
	git config revfs.cacheSize 1000
	revfs -q prefetch HEAD
	rm -rf ../out
	alone revfs -q export v1 ../out
	cmp ../out/data/large ../origin/data/large
	not alone revfs -q cat HEAD:data/new >/dev/null 2>&1
}

TAKES='s/(takes )?[0-9.]+ KiB (of|would)/\1N \2/'

test_more_than_the_cache_may_hold() {
	new_clone
	FILTER=$TAKES expect revfs pin -n v1 HEAD:data/new <<-'END'
	v1: N would be kept
	HEAD:data/new: N would be kept
	END
	expect revfs pin <<-'END'
	END
	git config revfs.cacheSize 500000
	FILTER=$TAKES expect revfs pin -n v1 <<-'END'
	v1: N would be kept
	--- stderr
	revfs: warning: this takes N of the cache, whose limit is 488.2 KiB (revfs.cacheSize): nothing else stays there
	END
	FILTER=$TAKES expect revfs pin v1 HEAD:data/new <<-'END'
	--- stderr
	revfs: warning: this takes N of the cache, whose limit is 488.2 KiB (revfs.cacheSize): nothing else stays there
	END
	alone revfs -q export v1 ../out
}

PINNED='s/[0-9a-f]{40}/COMMIT/g;s/"bytes":[0-9]+/"bytes":N/g'

test_what_is_pinned_as_json() {
	new_clone
	FILTER=$PINNED expect revfs pin -n --json v1 HEAD:data/sub <<-'END'
	{"dry_run":true,"pins":[{"repository":"SCRATCH/test_what_is_pinned_as_json/clone/.git","commit":"COMMIT","path":"","packs":2,"bytes":N},{"repository":"SCRATCH/test_what_is_pinned_as_json/clone/.git","commit":"COMMIT","path":"data/sub","packs":2,"bytes":N}]}
	END
	expect revfs pin </dev/null
	FILTER=$PINNED expect revfs pin --json v1 HEAD:nowhere <<-'END'
	{"dry_run":false,"pins":[{"repository":"SCRATCH/test_what_is_pinned_as_json/clone/.git","commit":"COMMIT","path":"","packs":2,"bytes":N}]}
	--- stderr
	revfs: path 'nowhere' does not exist in 'HEAD'
	{"error":{"code":3,"message":"path 'nowhere' does not exist in 'HEAD'"}}
	--- status 3
	END
	expect revfs pin --json HEAD:nowhere <<-'END'
	--- stderr
	revfs: path 'nowhere' does not exist in 'HEAD'
	{"error":{"code":4,"message":"path 'nowhere' does not exist in 'HEAD'"}}
	--- status 4
	END
}

test_pins_are_listed_and_removed() {
	new_clone
	expect revfs pin <<-'END'
	END
	revfs -q pin HEAD HEAD:data/sub
	FILTER=$NUMBERS expect revfs pin <<-'END'
	SCRATCH/test_pins_are_listed_and_removed/clone/.git	COMMIT:	N
	SCRATCH/test_pins_are_listed_and_removed/clone/.git	COMMIT:data/sub	N
	END
	FILTER='s/[0-9a-f]{40}/COMMIT/g;s/"bytes":[0-9]+/"bytes":N/g' expect revfs pin --json <<-'END'
	{"pins":[{"repository":"SCRATCH/test_pins_are_listed_and_removed/clone/.git","commit":"COMMIT","path":"","packs":4,"bytes":N},{"repository":"SCRATCH/test_pins_are_listed_and_removed/clone/.git","commit":"COMMIT","path":"data/sub","packs":2,"bytes":N}]}
	END
	FILTER='s/"(bytes|limit|pinned_bytes)":[0-9]+/"\1":N/g' expect revfs cache --json <<-'END'
	{"path":"SCRATCH/test_pins_are_listed_and_removed/home/.cache/revfs","bytes":N,"packs":4,"pins":2,"pinned_bytes":N,"limit":N,"freed":0}
	END
	revfs cache info | grep -qx "pinned: .* in 2 pins ('revfs pin' lists them)"
	# Of another repository nothing is unpinned.
	cp -r . ../second
	expect_status 4 revfs -C ../second unpin HEAD
	revfs unpin HEAD
	expect revfs unpin HEAD <<-'END'
	--- stderr
	revfs: 'HEAD' is not pinned: 'revfs pin' lists what is
	--- status 4
	END
	# As it is listed, though no ref leads to the commit any more.
	revfs unpin "$(git rev-parse HEAD):data/sub"
	expect revfs pin <<-'END'
	END
	revfs -q cache clear
	[ -z "$(find "$HOME/.cache/revfs" -type f)" ]
}

test_clear_takes_pinned_ones_where_it_is_told_to() {
	new_clone
	revfs -q pin v1
	revfs -q cache clear
	alone revfs -q cat v1:data/large >/dev/null
	revfs -q cache clear --pinned
	[ -z "$(find "$HOME/.cache/revfs/packs" -type f)" ]
	# The pin stays, and is good for what comes again.
	revfs -q prefetch v1
	revfs -q cache clear
	alone revfs -q cat v1:data/large >/dev/null
	expect revfs cache info --pinned <<-'END'
	--- stderr
	revfs: --pinned belongs to 'clear'
	see 'revfs help cache'
	--- status 2
	END
}

# A damaged pin protects nothing and hurts nothing.
test_a_damaged_pin_counts_for_nothing() {
	local pin
	new_clone
	revfs -q pin v1
	pin=$(find "$HOME/.cache/revfs/pins" -type f)
	sed -i 's/^bytes ./bytes 9/;s/^pack ./pack 0/' "$pin"
	expect revfs pin <<-'END'
	END
	revfs -q cache clear
	[ -z "$(find "$HOME/.cache/revfs/packs" -type f)" ]
	revfs -q cat v1:data/large | cmp - ../origin/data/large
	# Pinned again it is whole.
	revfs -q pin v1
	revfs -q cache clear
	alone revfs -q cat v1:data/large >/dev/null
	rm -rf "$HOME/.cache/revfs/pins"
	ln -s / "$HOME/.cache/revfs/pins"
	revfs -q cache clear
	[ -z "$(find "$HOME/.cache/revfs/packs" -type f)" ]
	expect_status 4 revfs -q pin v1
	rm "$HOME/.cache/revfs/pins"
}

# What the store has need not be kept twice.
test_what_the_store_has_is_not_pinned() {
	new_clone
	revfs -q fetch v1
	revfs -q pin v1
	FILTER=$NUMBERS expect revfs pin --json <<-'END'
	{"pins":[{"repository":"SCRATCH/test_what_the_store_has_is_not_pinned/clone/.git","commit":"COMMIT","path":"","packs":0,"bytes":N}]}
	END
}

test_what_cannot_be_pinned_is_said() {
	new_clone
	expect revfs pin HEAD:nowhere <<-'END'
	--- stderr
	revfs: path 'nowhere' does not exist in 'HEAD'
	--- status 4
	END
	expect_status 3 revfs -q pin v1 HEAD:nowhere
	expect revfs unpin <<-'END'
	--- stderr
	revfs: no revision named
	see 'revfs help unpin'
	--- status 2
	END
	rm -rf ../store "$HOME/.cache/revfs"
	expect_status 5 revfs -q pin HEAD
	expect revfs pin <<-'END'
	END
}

run_tests
