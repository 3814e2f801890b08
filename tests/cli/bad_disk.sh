#!/bin/bash
# Full disks and limits on file sizes, at any write: what was recorded stays, and the same command again finishes the job.
. "${0%/*}/../cli/harness"

# A repository on a disk of SIZE, with data elsewhere that is copied in.
small_repo() {
	small_disk "$1" disk
	cd disk
	new_repo
	mkdir data
	seq 1 3000 >data/first
	tick
	revfs -q snapshot -m first data
}

# Bytes that do not compress, the same in every run: incompressible N FILE.
incompressible() {
	openssl enc -aes-128-ctr -K 00 -iv 00 -in /dev/zero 2>/dev/null | head -c "$1" >"$2" || :
}

sound() {
	expect revfs cat HEAD:data/first <<-END
	$(seq 1 3000)
	END
	git fsck --no-progress >/dev/null
	[ -z "$(git ls-files -u)" ]
}

test_a_full_disk_stops_a_snapshot_and_it_is_finished_later() {
	need openssl
	small_repo 4m
	head=$(git rev-parse HEAD)
	incompressible 1500000 data/new
	# Fill it up to what is left after the copy, less than the snapshot needs.
	dd if=/dev/zero of=../filler bs=1k count=1400 status=none
	expect_status 8 revfs snapshot -m second
	grep -q '^revfs: .*No space left on device' "$SCRATCH/said.err"
	[ "$(git rev-parse HEAD)" = "$head" ]
	sound
	rm ../filler
	expect_status 0 revfs snapshot -m second
	revfs cat HEAD:data/new | cmp - data/new
	sound
	cd ../..
}

test_a_disk_full_at_any_byte_leaves_the_repository_sound() {
	small_repo 2m
	seq 1 20000 >data/second
	failed=0
	# From no room at all to room enough, in steps that end in every stage: packs, roots, pointer, index, commit.
	for ((room = 0; room <= 160; room += 4)); do
		available=$(df --output=avail -k . | tail -n 1)
		dd if=/dev/zero of=../filler bs=1k count=$((available - room)) status=none
		head=$(git rev-parse HEAD)
		status=0
		revfs snapshot -m "room for $room" >"$SCRATCH/out" 2>"$SCRATCH/err" || status=$?
		rm -f ../filler
		case $status in
		0) break ;;
		8 | 11 | 12) failed=$((failed + 1)) ;;
		*) cat "$SCRATCH/err" && return 1 ;;
		esac
		[ -s "$SCRATCH/err" ]
		[ "$(git rev-parse HEAD)" = "$head" ]
		rm -f .git/index.lock
		sound
	done
	[ $status = 0 ]
	[ $failed -gt 3 ]
	revfs cat HEAD:data/second | cmp - data/second
	sound
	cd ../..
}

test_a_limit_on_file_sizes_stops_a_snapshot() {
	need openssl
	new_repo
	mkdir data
	seq 1 3000 >data/first
	revfs -q snapshot -m first data
	head=$(git rev-parse HEAD)
	incompressible 3000000 data/new
	limited() { (ulimit -f 1000 && revfs snapshot -m second); }
	expect_status 8 limited
	grep -q '^revfs: .*limit' "$SCRATCH/said.err"
	[ "$(git rev-parse HEAD)" = "$head" ]
	sound
	expect_status 0 revfs snapshot -m second
	revfs cat HEAD:data/new | cmp - data/new
}

test_a_full_disk_stops_a_checkout_and_it_is_finished_later() {
	need openssl
	new_repo
	mkdir data
	seq 1 3000 >data/first
	tick
	revfs -q snapshot -m first data
	git branch before
	incompressible 700000 data/one
	incompressible 600000 data/two
	tick
	revfs -q snapshot -m second
	small_disk 1m ../disk
	# A worktree whose data does not fit.
	git worktree add -q ../disk/tree
	cd ../disk/tree
	expect_status 8 revfs checkout
	grep -q '^revfs: .*No space left on device' "$SCRATCH/said.err"
	[ -z "$(git status --porcelain)" ]
	# What is there of the data is whole.
	for file in data/*; do
		cmp "$file" "../../repo/$file"
	done
	# And it is not taken for a dataset in which files were deleted.
	expect_status 11 revfs snapshot -m wrong
	mount -o remount,size=4m ../../disk
	expect_status 0 revfs checkout
	diff -r data ../../repo/data
	expect revfs status <<-'END'
	data: unchanged
	END
	cd ../..
}

test_a_limit_on_file_sizes_stops_a_checkout() {
	need openssl
	new_repo
	mkdir data
	incompressible 700000 data/large
	seq 1 10 >data/small
	revfs -q snapshot -m first data
	rm -r data
	limited() { (ulimit -f 100 && revfs checkout); }
	# What is below the limit is written.
	expect limited <<-'END'
	data: 1 written, 0 removed
	--- stderr
	revfs: cannot write 'data/large': File too large, or above the file-size limit (ulimit -f)
	--- status 3
	END
	[ ! -e data/large ]
	expect_status 0 revfs checkout
	[ "$(stat -c %s data/large)" = 700000 ]
}

test_reading_needs_no_space() {
	need_fuse
	small_repo 1m
	dd if=/dev/zero of=../filler bs=1k status=none 2>/dev/null || :
	sound
	expect revfs ls data <<-'END'
	first
	END
	expect_status 0 revfs status
	mkdir "$SCRATCH/mnt"
	expect_status 0 revfs mount "$SCRATCH/mnt"
	cmp "$SCRATCH/mnt/@HEAD/data/first" data/first
	expect_status 0 revfs umount "$SCRATCH/mnt"
	cd ../..
}

run_tests
