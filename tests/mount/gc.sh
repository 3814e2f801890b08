#!/bin/bash
# What a mount shows is not collected under its readers.
. "${0%/*}/common"

collect() { # condemns, then deletes
	revfs gc --keep 0 >/dev/null
	revfs gc --keep 0 >/dev/null
}

packs() {
	find .git/revfs/packs -type f ! -name '*.moved' | wc -l
}

test_shown_commit_is_kept_until_the_mount_ends() {
	local id before
	new_dataset
	git checkout -q -b passing
	head -c 200000 /dev/urandom >data/passing
	tick
	revfs -q snapshot -m passing data >/dev/null
	id=$(git rev-parse passing)
	cp data/passing ../truth
	rm data/passing
	before=$(packs)
	mount_here
	[ -d "$MNT/@$id/data" ]
	git checkout -q main
	revfs -q checkout data >/dev/null 2>&1 || revfs -q checkout -f data >/dev/null
	git branch -q -D passing
	git reflog expire --expire=now --all
	collect
	[ "$(packs)" -ge "$before" ]
	cmp ../truth "$MNT/@$id/data/passing"
	end_mount "$MNT"
	cd "$SCRATCH/test_shown_commit_is_kept_until_the_mount_ends/repo"
	collect
	[ "$(packs)" -lt "$before" ]
	[ "$(revfs cat HEAD:data/a.txt)" = one ]
}

run_tests
