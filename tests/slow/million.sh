#!/bin/bash
# One folder of a million files.
# limit 900
# In memory where there is room for it: a disk takes minutes to remove a million files.
room=$(df --output=avail -B1G /dev/shm 2>/dev/null | tail -n 1)
if [ "${room:-0}" -ge 8 ] && [ -w /dev/shm ]; then
	export TMPDIR=/dev/shm
fi
. "${0%/*}/common"

count=1000000

make_files() {
	mkdir data
	python3 - "$count" <<'END'
import os, sys
top = os.open("data", os.O_RDONLY)
for i in range(int(sys.argv[1])):
    f = os.open(f"record-{i:07}.txt", os.O_WRONLY | os.O_CREAT, 0o644, dir_fd=top)
    os.write(f, b"the content of record %d\n" % i)
    os.close(f)
END
}

test_a_million_files_in_one_folder() {
	local changed=data/record-0500000.txt
	need python3
	need_mount
	new_repo
	make_files
	timed in_memory 200 revfs -q snapshot -m all data
	remark "first snapshot: $MS ms"
	git tag v1

	echo 'a second line' >>"$changed"
	tick
	timed in_memory 200 revfs -q snapshot -m one
	remark "snapshot of one changed file: $MS ms"
	git tag v2
	[ "$(revfs diff --name-status v1 v2)" = "M	$changed" ]

	mount_here
	timed cat "$MNT/@v2/$changed" >../read
	remark "the first file read after mounting: $MS ms"
	diff ../read "$changed"
	[ "$(cat "$MNT/@v1/$changed")" = 'the content of record 500000' ]
	[ ! -e "$MNT/@v2/data/record-1000000.txt" ]
	timed find "$MNT/@v2/data" -type f -printf '%f %s\n' >../found
	remark "find with sizes: $MS ms"
	[ "$(wc -l <../found)" = "$count" ]
	diff <(sort ../found) <(find data -type f -printf '%f %s\n' | sort)
	find "$MNT/@v1/data" -type f >/dev/null
	below 'memory of the daemon' "$(peak_mib "$MOUNT_PID")" 200 MiB
	unmount_here
}

run_tests
