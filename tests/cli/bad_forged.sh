#!/bin/bash
# Forged pages: the hashes are right, what the pages say is not.  Each is an error at its path; what is beside it reads.
#
# (A cycle cannot be forged: a page names what is below it by SHA-256, so a page that leads back to itself would have to
# contain its own hash.)
. "${0%/*}/../cli/harness"

pages="slash parent unsorted duplicate empty-name totals count surplus kind last-name"
files="chunk-size list-size list-overflow chunk-is-page"

# forged CASE: a repository with a dataset `data` of `bad` and `good`.
forged() {
	rm -rf "$1"
	new_repo "$1"
	"$tool" .git/revfs "$1" >data.revfs
	new_commit "$1"
}

message() {
	echo "revfs: cannot read 'HEAD:data/bad': damaged data; 'revfs verify' names all that is damaged or missing"
}

test_forged_folders_are_damage_and_their_siblings_read() {
	need_tool forge
	top=$PWD
	for case in $pages; do
		cd "$top"
		forged "$case"
		expect revfs cat data/good <<-'END'
		good
		END
		expect revfs ls data <<-'END'
		bad
		good
		END
		expect revfs ls data/bad <<-END
		--- stderr
		$(message)
		--- status 7
		END
		expect revfs ls -R data <<-END
		bad
		good
		--- stderr
		$(message)
		--- status 3
		END
	done
}

test_forged_files_are_damage_and_their_siblings_read() {
	need_tool forge
	top=$PWD
	for case in $files; do
		cd "$top"
		forged "$case"
		expect revfs ls -R data <<-'END'
		bad
		good
		END
		expect_status 3 revfs cat data/bad data/good
		[ "$(tail -n 1 "$SCRATCH/said.out")" = good ]
		# A page is no chunk, whatever its id: the chunk of that id is missing.
		grep -qE "^revfs: cannot read 'HEAD:data/bad': (damaged data|the data is missing from the store); 'revfs verify'" \
			"$SCRATCH/said.err"
		[ "$(wc -l <"$SCRATCH/said.err")" = 1 ]
		expect_status 7 revfs cat data/bad
	done
}

test_a_depth_bomb_ends_at_the_limit() {
	need_tool forge
	forged deep
	expect_status 3 revfs ls -R data
	[ "$(tail -n 1 "$SCRATCH/said.out")" = good ]
	[ "$(wc -l <"$SCRATCH/said.out")" -le 1030 ]
	grep -qE "^revfs: cannot read 'HEAD:data/bad/d/d/.*: " "$SCRATCH/said.err"
	[ "$(wc -l <"$SCRATCH/said.err")" = 1 ]
}

test_a_pointer_that_lies_is_damage() {
	need_tool forge
	new_repo
	"$tool" .git/revfs totals >sound
	for edit in 's/^files .*/files 7/' 's/^bytes .*/bytes 7/' 's/^type .*/type file/'; do
		sed "$edit" sound >data.revfs
		rm -rf data
		new_commit "$edit"
		expect_status 7 revfs ls data/good
		grep -q "^revfs: cannot read 'HEAD:data" "$SCRATCH/said.err"
	done
}

test_a_mount_shows_forged_data_as_EIO_at_that_path_only() {
	need_tool forge
	need_fuse
	top=$PWD
	mkdir mnt
	for case in $pages $files deep; do
		cd "$top"
		forged "$case"
		revfs mount "$top/mnt"
		at=$top/mnt/@HEAD/data
		[ "$(cat "$at/good")" = good ]
		[ "$(ls "$at")" = "$(printf 'bad\ngood')" ]
		if [ "$case" = deep ]; then
			# Served as far as somebody goes: nothing in the mount is as deep as the data.
			grep -r nothing "$at/bad" >/dev/null 2>&1 || :
		else
			expect_status 2 grep -r nothing "$at/bad"
			grep -qi 'input/output error' "$SCRATCH/said.err"
		fi
		[ "$(cat "$at/good")" = good ]
		if [ "$case" != deep ] && command -v getfattr >/dev/null; then
			getfattr --absolute-names --only-values -n user.revfs.error "$at/bad" | grep -q 'damaged data\|in no store'
			expect_status 1 getfattr -n user.revfs.error "$at/good"
		fi
		revfs umount "$top/mnt"
	done
}

run_tests
