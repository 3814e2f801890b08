#!/bin/bash
# Where a mount is not possible, the message says why and what to do.
. "${0%/*}/../cli/harness"

# In a mount namespace of its own, with a /dev of its own.
without_fuse() {
	unshare -m sh -c 'mount -t tmpfs tmpfs /dev && mknod -m 666 /dev/null c 1 3 && exec "$@"' sh "$@"
}

test_no_dev_fuse() {
	need_root
	unshare -m true || skip "no mount namespaces here"
	new_dataset
	mkdir ../mnt
	expect without_fuse revfs mount ../mnt <<-'END'
	--- stderr
	revfs: cannot mount: there is no /dev/fuse here; 'revfs export', 'cat' and 'archive' read revisions without a mount
	--- status 12
	END
	# Other tests' mounts may be in the list.
	revfs mounts >../listed
	not grep -qF "$SCRATCH" ../listed
	# All that needs no mount works.
	expect without_fuse revfs cat data/a.txt <<-'END'
	one
	END
}

test_dev_fuse_that_may_not_be_opened() {
	need_root
	unshare -m true || skip "no mount namespaces here"
	new_dataset
	mkdir ../mnt
	give_to_user ..
	forbidden() {
		unshare -m sh -c 'mount -t tmpfs tmpfs /dev && mknod -m 666 /dev/null c 1 3 && mknod -m 600 /dev/fuse c 10 229 &&
			exec setpriv --reuid 65534 --regid 65534 --clear-groups --no-new-privs -- "$@"' sh "$@"
	}
	expect_status 6 forbidden revfs mount ../mnt
	grep -q '^revfs: cannot mount' "$SCRATCH/said.err"
}

test_bad_mountpoints_are_named_with_the_reason() {
	need_fuse
	new_dataset
	here=SCRATCH/test_bad_mountpoints_are_named_with_the_reason
	expect revfs mount ../nowhere <<-'END'
	--- stderr
	revfs: there is no folder '../nowhere' to mount on: 'mkdir' makes one
	--- status 4
	END
	expect revfs mount plain.txt <<-'END'
	--- stderr
	revfs: cannot mount on 'plain.txt': it is no folder
	--- status 11
	END
	expect revfs mount .git/refs <<-END
	--- stderr
	revfs: cannot mount on '$here/repo/.git/refs': it lies in the repository's Git directory
	--- status 11
	END
	expect revfs mount .. <<-END
	--- stderr
	revfs: cannot mount on '$here': the repository's Git directory lies in it, and would be hidden
	--- status 11
	END
	expect revfs umount data <<-END
	--- stderr
	revfs: nothing of revfs is mounted on '$here/repo/data': 'revfs mounts' lists what is
	--- status 4
	END
}

test_a_repository_without_a_commit_can_be_mounted() {
	need_fuse
	new_repo
	mkdir ../mnt
	revfs mount ../mnt
	[ -z "$(ls ../mnt)" ]
	expect_status 2 ls ../mnt/@HEAD/
	echo x >x
	new_commit
	wait_for 10 test -e ../mnt/@HEAD/x
	revfs umount ../mnt
}

run_tests
