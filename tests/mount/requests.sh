#!/bin/bash
# How often the kernel asks: the design's few requests, counted.
. "${0%/*}/common"

new_small() {
	new_repo
	mkdir data
	for i in {1..200}; do
		echo "$i" >data/f$i
	done
	revfs -q snapshot -m one data >/dev/null
	git tag v1
	mount_here
	ID=$(git rev-parse v1)
}

# All requests but forgetting.  To look at a file of .revfs costs two look-ups (what was there, what is there) and a read.
asked() {
	awk '$1 ~ /^(lookup|getattr|readlink|open|opendir|read|readdir|readdirplus|getxattr|statfs|access|flush|lseek)$/ { n += $2 }
		END { print n }' "$MNT/.revfs/counters"
}

# one_of_three CHECK: the kernel may forget what it knows at any time, where memory is short: whose numbers are above what
# at_most() says is run again, with a new mount.
one_of_three() {
	local i above
	for i in 1 2 3; do
		above=
		"$1"
		[ -n "$above" ] || return 0
		revfs umount "$MNT"
		revfs mount "$MNT"
	done
	return 1
}

# at_most BOUND NUMBER
at_most() {
	[ "$2" -le "$1" ] || { above=$2 && echo "$2, of $1 at most"; }
}

warm_reads_and_stats() {
	local before i
	cat "$MNT/@$ID"/data/* >../truth
	find "$MNT/@$ID/data" -printf '%s %p\n' >../found
	before=$(asked)
	for i in {1..5}; do
		cat "$MNT/@$ID"/data/* | cmp - ../truth
		find "$MNT/@$ID/data" -printf '%s %p\n' | cmp - ../found
		ls -lR "$MNT/@$ID/data" >/dev/null
	done
	# Each ls asks for extended attributes until it is told that there are none; the mount's root is asked for again
	# each second, and what rereads all would come to thousands.
	at_most 60 $(($(asked) - before))
}

test_warm_reads_and_stats_cost_nothing() {
	new_small
	one_of_three warm_reads_and_stats
}

cold_file() {
	local lookups reads
	cat "$MNT/@$ID/data/f1" >/dev/null
	lookups=$(counter lookup) reads=$(counter read)
	cat "$MNT/@$ID"/data/f{2..101} >/dev/null
	# The time a machine takes adds those for the mount's root.
	at_most 130 $(($(counter lookup) - lookups))
	at_most 130 $(($(counter read) - reads))
}

test_a_cold_file_costs_a_look_up_and_a_read() {
	new_small
	one_of_three cold_file
}

file_after_a_listing() {
	local lookups
	ls -l "$MNT/@$ID/data" >/dev/null
	lookups=$(counter lookup)
	cat "$MNT/@$ID"/data/* >/dev/null
	find "$MNT/@$ID/data" -size +100k
	at_most 20 $(($(counter lookup) - lookups))
	at_most 1 "$(counter open)"
	at_most 1 "$(counter opendir)"
}

test_after_a_listing_a_file_costs_a_read_alone() {
	new_small
	one_of_three file_after_a_listing
}

files_of_two_revisions() {
	local reads
	cat "$MNT/@v1"/data/* >/dev/null
	ls -l "$MNT/@v2/data" >/dev/null
	reads=$(counter read)
	cat "$MNT/@v2"/data/* >/dev/null
	at_most 20 $(($(counter read) - reads))
}

test_revisions_share_the_memory_of_a_file() {
	new_small
	echo more >data/f1
	tick
	revfs -q snapshot -m two data >/dev/null
	git tag v2
	one_of_three files_of_two_revisions
	# What is one file is not even compared.
	diff -r "$MNT/@v1/data" "$MNT/@v2/data" | grep -v '^[<>-]' >../said || true
	[ "$(grep -c . ../said)" = 2 ]
}

test_absent_names_are_remembered() {
	local lookups
	new_small
	lookups=$(counter lookup)
	for i in {1..20}; do
		[ ! -e "$MNT/@$ID/data/nothing" ]
		[ ! -e "$MNT/nothing" ]
	done
	[ $(($(counter lookup) - lookups)) -le 20 ]
}

# The kernel forgets what it knows of one file system, unlike by drop_caches, which others on the machine would notice.
forget_names() {
	python3 - "$MNT" <<-'END'
		import ctypes, os, sys
		RDONLY, NOSUID, NODEV, REMOUNT = 1, 2, 4, 32
		libc = ctypes.CDLL(None, use_errno=True)
		if libc.mount(b"revfs", os.fsencode(sys.argv[1]), None, REMOUNT | RDONLY | NOSUID | NODEV, None):
		    sys.exit(os.strerror(ctypes.get_errno()))
	END
}

# What was looked up is let go when the kernel forgets it.
test_forgotten_nodes_are_freed() {
	local nodes
	need_root
	new_small
	find "$MNT/@$ID" -type f -exec cat {} + >/dev/null
	nodes=$(sed -n 's/^nodes //p' "$MNT/.revfs/status")
	[ "$nodes" -gt 200 ]
	few_nodes() {
		forget_names
		[ "$(sed -n 's/^nodes //p' "$MNT/.revfs/status")" -lt 20 ]
	}
	wait_for 20 few_nodes
	[ "$(cat "$MNT/@$ID/data/f7")" = 7 ]
}

run_tests
