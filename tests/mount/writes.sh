#!/bin/bash
# What would write: answered as a read-only tmpfs answers, never heard of by the server, without a trace.
. "${0%/*}/common"

need_namespace() {
	need_root
	[ -x "$BUILD/tests/mount/write_calls" ] || skip "make tests builds what this needs"
}

# A dataset `data` with everything that write_calls looks for, committed and tagged v1; the same in Git's own `own`.
new_victims() {
	new_repo
	mkdir -p data/dir own/dir
	for top in data own; do
		echo text >$top/file
		echo '#!/bin/sh' >$top/exec
		chmod +x $top/exec
		: >$top/empty
		ln -s file $top/link
		echo inner >$top/dir/inner
	done
	git add own
	git commit -q -m own
	revfs -q snapshot -m data data >/dev/null
	git tag v1
}

# What counts as having reached the server; looking and reading do not.
written_counters() {
	grep -vE '^(requests|bytes|failures|lookup|forget|batch_forget|getattr|readlink|open|opendir|read|readdir|readdirplus|flush|access|lseek|interrupt|statfs|getxattr|listxattr|init|memory_[a-z]*) ' "$MNT/.revfs/counters"
}

compare_with_tmpfs() {
	local below=$1 truth=$PWD/../truth outside
	mkdir "$truth" "$truth.outside" "$truth.mounted"
	mount -t tmpfs none "$truth"
	cp -a "$MNT/@v1/$below/." "$truth"
	mount -o remount,ro "$truth"
	cp data/file "$truth.outside/source"
	cp data/file "$truth.mounted/source"
	"$BUILD/tests/mount/write_calls" "$truth" "$truth.outside" >../expected
	umount "$truth"
	"$BUILD/tests/mount/write_calls" "$MNT/@v1/$below" "$truth.mounted" >../actual
	diff -u ../expected ../actual
	[ "$(wc -l <../expected)" -ge 100 ]
	grep -q 'EROFS' ../expected
}

test_writes_are_refused_as_a_read_only_tmpfs_does() {
	need_namespace
	new_victims
	mount_here
	ls -lR "$MNT/@v1/" >/dev/null
	written_counters >../before
	compare_with_tmpfs data
	rm -r ../truth ../truth.*
	compare_with_tmpfs own
	diff -r --no-dereference data "$MNT/@v1/data"
	diff -r --no-dereference own "$MNT/@v1/own"
	written_counters >../after
	diff ../before ../after
}

# Root may take the flag away; the server refuses then.
test_remounted_writable_it_is_still_read_only() {
	need_root
	new_victims
	mount_here
	mount -i -o remount,rw "$MNT" || skip "this kernel does not remount it"
	local path=$MNT/@v1/data
	for command in "mkdir '$path/new'" "rm '$path/file'" "chmod 600 '$path/file'" "mv '$path/file' '$path/new'" \
		"ln '$path/file' '$path/new'" "ln -s x '$path/new'" "echo x >'$path/file'" "echo x >>'$path/file'" \
		"echo x >'$path/new'" "touch '$path/file'" "mkfifo '$path/new'" "truncate -s 1 '$path/file'" \
		"rmdir '$path/dir'" "setfattr -n user.x -v 1 '$path/file'" "fallocate -l 1m '$path/file'" "mkdir '$MNT/new'"; do
		if bash -c "$command" 2>../said; then
			echo "done: $command"
			return 1
		fi
		grep -q 'Read-only file system' ../said || { echo "$command"; cat ../said; return 1; }
	done
	diff -r --no-dereference data "$MNT/@v1/data"
}

# What the user gets when tools are pointed at a revision by mistake.
test_tools_say_read_only() {
	new_victims
	mount_here
	expect_status 1 rm "$MNT/@v1/data/file"
	grep -q 'Read-only file system' "$SCRATCH/said.err"
	expect_status 1 cp data/file "$MNT/@v1/data/new"
	grep -q 'Read-only file system' "$SCRATCH/said.err"
	expect_status 1 mkdir "$MNT/@new"
	grep -q 'Read-only file system' "$SCRATCH/said.err"
}

run_tests
