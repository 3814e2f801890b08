#!/bin/bash
# A million commits: mounting and reading walk no history unless asked.
# limit 600
. "${0%/*}/common"

count=1000000

test_a_million_commits_do_not_slow_the_mount() {
	local walk
	need python3
	need_mount
	new_dataset
	python3 - "$count" "$(git rev-parse HEAD)" <<'END' | git fast-import --quiet --force
import sys
count, start = int(sys.argv[1]), sys.argv[2]
out = sys.stdout
for i in range(count):
    out.write("commit refs/heads/main\ncommitter Ada <ada@example.org> %d +0000\ndata 2\nm\n" % (1767226000 + i))
    if i == 0:
        out.write("from %s\n" % start)
END
	git reset -q --hard
	# What may take a fifth of the time of one walk does not walk, however busy the machine is.
	timed git rev-list --count HEAD >../count
	walk=$MS
	remark "a walk by git: $walk ms"
	[ "$(cat ../count)" -gt "$count" ]

	timed mount_here
	below 'mounting' "$MS" $((walk / 5)) ms
	timed cmp "$MNT/@main/data/a.txt" data/a.txt
	below 'the first file' "$MS" $((walk / 5)) ms
	timed cmp "$MNT/@main~9999/data/a.txt" data/a.txt
	remark "10,000 commits back: $MS ms"
	[ ! -e "$MNT/@main~10000" ]
	timed ls "$MNT" >../names
	below 'ls of the mount' "$MS" $((walk / 5)) ms
	below 'memory of the daemon' "$(peak_mib "$MOUNT_PID")" 200 MiB
	unmount_here

	echo changed >data/a.txt
	tick
	timed revfs -q snapshot -m changed
	below 'a snapshot' "$MS" $((walk / 5)) ms
	timed revfs ls HEAD:data >../names
	below 'ls' "$MS" $((walk / 5)) ms
	timed revfs status >../names
	below 'status' "$MS" $((walk / 5)) ms
	timed revfs diff --stat HEAD~1 HEAD >../names
	below 'diff' "$MS" $((walk / 5)) ms
}

run_tests
