#!/bin/bash
# Trees 60 levels deep, with long names, and as deep as is allowed.
# limit 300
. "${0%/*}/common"

# Folders below each other in a dataset; the dataset's own does not count.
deepest=1024

# deepen LEVELS NAME: folders within folders below the current one, a file and a link in each.
deepen() {
	python3 - "$@" <<'END'
import os, sys
for i in range(int(sys.argv[1])):
    name = sys.argv[2] % i
    with open("file", "w") as f:
        f.write(f"level {i}\n")
    os.symlink("file", "link")
    os.mkdir(name)
    os.chdir(name)
with open("bottom", "w") as f:
    f.write("the bottom\n")
END
}

test_sixty_levels_with_long_names() {
	need_mount
	new_repo
	mkdir data
	(cd data && deepen 60 "%02d-$(printf 'n%.0s' {1..60})")
	revfs -q snapshot -m deep data
	git tag v1
	mount_here
	diff -r "$MNT/@v1/data" data
	[ "$(find "$MNT/@v1/data" | wc -l)" = "$(find data | wc -l)" ]
	unmount_here
	revfs -q export v1:data ../out
	diff -r ../out data
	rm -rf data
	revfs -q checkout data
	diff -r ../out data
	[ "$(revfs ls -R v1:data | wc -l)" -ge 180 ]
}

# bottom_of DIR LEVELS: what the file at the bottom of so many folders `d` says, reached a folder at a time.
bottom_of() {
	python3 - "$@" <<'END'
import os, sys
folder = os.open(sys.argv[1], os.O_RDONLY)
for i in range(int(sys.argv[2])):
    below = os.open("d", os.O_RDONLY, dir_fd=folder)
    with open(os.open("file", os.O_RDONLY, dir_fd=folder)) as f:
        if f.read() != f"level {i}\n":
            sys.exit(f"level {i} is wrong")
    os.close(folder)
    folder = below
with open(os.open("bottom", os.O_RDONLY, dir_fd=folder)) as f:
    sys.stdout.write(f.read())
END
}

test_the_deepest_tree_that_is_allowed() {
	need python3
	need_mount
	new_repo
	mkdir data
	(cd data && deepen "$deepest" d%.0s)
	[ "$(bottom_of data "$deepest")" = 'the bottom' ]
	revfs -q snapshot -m deepest data
	git tag v1
	revfs -q verify --full
	mount_here
	[ "$(bottom_of "$MNT/@v1/data" "$deepest")" = 'the bottom' ]
	unmount_here
	revfs -q export v1:data ../out
	[ "$(bottom_of ../out "$deepest")" = 'the bottom' ]
	rm -r data
	revfs -q checkout data
	[ "$(bottom_of data "$deepest")" = 'the bottom' ]
	[ "$(revfs status)" = 'data: unchanged' ]
	rm -r data ../out
}

test_a_folder_above_the_depth_limit_is_refused_by_name() {
	new_repo
	mkdir data
	(cd data && deepen $((deepest + 1)) d%.0s)
	expect_status 11 revfs snapshot -m "too deep" data
	[ ! -e data.revfs ]
	# rm -r needs no path as a whole.
	rm -r data
}

run_tests
