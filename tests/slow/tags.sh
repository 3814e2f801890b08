#!/bin/bash
# Ten thousand tags, listed and looked up, while more appear.
# limit 300
. "${0%/*}/common"

count=10000

# lists N: the mount lists N of the tags, the new one, and not the one that went.
lists() {
	ls "$MNT" >../names
	[ "$(grep -c '^@tag-' ../names)" = "$1" ] && grep -qx '@one-more' ../names && ! grep -qx '@tag-6' ../names
}

test_ten_thousand_tags_are_listed_and_found() {
	local i commit
	need_mount
	new_dataset
	commit=$(git rev-parse HEAD)
	for ((i = 0; i < count; i++)); do
		echo "create refs/tags/tag-$i $commit"
	done | git update-ref --stdin
	mount_here
	timed ls "$MNT" >../names
	remark "ls of the mount: $MS ms"
	[ "$(grep -c '^@tag-' ../names)" = "$count" ]
	[ -z "$(sort ../names | uniq -d)" ]
	timed cmp "$MNT/@tag-7777/data/a.txt" data/a.txt
	remark "one file below one tag: $MS ms"

	# Packed, moved, added, deleted while mounted.
	git pack-refs --all
	git tag one-more
	wait_for 10 test -e "$MNT/@one-more/data/a.txt"
	echo changed >data/a.txt
	tick
	revfs -q snapshot -m changed
	git tag -f tag-5 >/dev/null
	wait_for 10 cmp "$MNT/@tag-5/data/a.txt" data/a.txt
	git tag -d tag-6 >/dev/null
	wait_for 10 test ! -e "$MNT/@tag-6"
	# A listing may be a second old.
	wait_for 10 lists "$((count - 1))"
	below 'memory of the daemon' "$(peak_mib "$MOUNT_PID")" 200 MiB
	unmount_here
}

run_tests
