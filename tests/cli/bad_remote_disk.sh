#!/bin/bash
# slow
# A remote whose disk is full in the middle of a push: what was there reads on, what came stays, and the next push brings
# what lacks.
[ "$(id -u)" = 0 ] || ! unshare -rm true 2>/dev/null || exec unshare -rm bash "$0"
. "${0%/*}/../cli/harness"
. "$TESTS_DIR/cli/push_world"

# fill DISK LEFT: but for LEFT KiB.
fill() {
	dd if=/dev/zero of="$1/filler" bs=1k count=$(($(df --output=avail -k "$1" | tail -n 1) - $2)) status=none
}

# full KIND: the disk is full in the middle of the second of three packs.
full() {
	local disk store counted try
	need openssl
	disk=$PWD/disk
	small_disk 5m "$disk"
	store=$disk/store
	mkdir "$store"
	two_revisions "$1" "$store"
	fill "$disk" 1500
	objects "$store" >../before
	# Two go at a time, and the large one may have taken the room of the other.
	for try in {1..9}; do
		expect_status 8 revfs push
		grep -q "^revfs: cannot bring 'packs/[0-9a-f/]*' to the remote 'lab' (.*/disk/store): No space left on device; what is there stays, run this again\$" "$SCRATCH/said.err"
		[ "$(wc -l <"$SCRATCH/said.err")" = 1 ]
		objects "$store" >../during
		cmp -s ../before ../during || break
	done
	# What was there is as it was; what came is whole, and nothing else stays.
	comm -23 ../before ../during >../lost
	[ ! -s ../lost ]
	whole "$store"
	[ "$(wc -l <../during)" -gt "$(wc -l <../before)" ]
	[ -z "$(ls -A "$store/tmp")" ]
	all_there v1
	# With room, only what lacks is sent.
	rm "$disk/filler"
	counted=$(revfs push --json | sed -n 's/.*"packs":\([0-9]*\),.*/\1/p')
	[ "$(find "$store/packs" -type f | wc -l)" = $((counted + $(grep -c packs ../during))) ]
	objects "$store" >../after
	comm -23 ../during ../after >../lost
	[ ! -s ../lost ]
	whole "$store"
	all_there v1 HEAD
	expect revfs push <<-'END'
	lab: has everything
	END
	umount "$disk"
}

test_a_folders_disk_is_full_in_the_middle_of_a_push() {
	full by_folder
}

test_another_machines_disk_is_full_in_the_middle_of_a_push() {
	full by_ssh
}

# From no room at all to room enough: nothing is ever there in part.
test_a_disk_full_at_any_byte_has_no_half_of_anything() {
	local disk=$PWD/disk store=$PWD/disk/store room status failed=0
	need openssl
	small_disk 2m "$disk"
	mkdir "$store"
	new_repo
	mkdir one
	random 20000 one >one/file
	seq 5000 >one/numbers
	revfs -q snapshot -m one one
	revfs remote add lab "$store"
	for ((room = 0; room <= 80; room += 8)); do
		fill "$disk" $room
		status=0
		revfs -q push 2>../said || status=$?
		rm "$disk/filler"
		[ $status != 0 ] || break
		[ $status = 8 ]
		grep -q "No space left on device" ../said
		failed=$((failed + 1))
		[ ! -e "$store/packs" ] || whole "$store"
		objects "$store" | not grep ' ./roots/\| ./tmp/'
	done
	[ $status = 0 ]
	[ $failed -gt 3 ]
	all_there HEAD
	umount "$disk"
}

run_tests
