#!/bin/bash
# A store with packs and roots missing, cut, flipped, of another version; one that may not be read or written.
. "${0%/*}/../cli/harness"

# A repository with two datasets; each file is one chunk.  `data` has two files, `other` one.
two_datasets() {
	new_repo
	mkdir data other
	seq 1 2000 >data/first
	seq 2000 4000 >data/second
	seq 5 3000 >other/file
	revfs -q snapshot -m data data >/dev/null
	tick
	revfs -q snapshot -m other other >/dev/null
	store=$PWD/.git/revfs
	chmod -R u+w "$store"
	root=$(sed -n 's/^root sha256://p' data.revfs)
	data_pack=$(pack_of 1 "$(sha256sum <data/first | cut -d' ' -f1)")
	page_pack=$(pack_of 2 "$root")
}

# pack_of KIND ID: the pack of data (1) or pages (2) whose index names ID.  The first record, behind a header of 64 bytes,
# begins with its kind.
pack_of() {
	local pack
	# shellcheck disable=SC2001 # each pair of digits
	LC_ALL=C grep -rlaP "$(sed 's/../\\x&/g' <<<"$2")" "$store/packs" | while read -r pack; do
		[ "$(od -An -tu1 -j64 -N1 "$pack" | tr -d ' ')" != "$1" ] || echo "$pack"
	done
}

# flip FILE OFFSET: all bits of one byte.
flip() {
	local byte
	byte=$(od -An -tu1 -j"$2" -N1 "$1" | tr -d ' ')
	# shellcheck disable=SC2059 # the format is the byte
	printf "\\$(printf %o $((byte ^ 255)))" | dd of="$1" bs=1 seek="$2" conv=notrunc status=none
}

damaged() {
	echo "revfs: cannot read 'HEAD:$1': damaged data; 'revfs verify' names all that is damaged or missing"
}

missing() {
	echo "revfs: cannot read 'HEAD:$1': the data is missing from the store; 'revfs verify' names all that is damaged or missing"
}

test_a_flipped_byte_of_data_is_damage_of_its_file_only() {
	two_datasets
	flip "$data_pack" 100
	expect revfs cat data/first <<-END
	--- stderr
	$(damaged data/first)
	--- status 7
	END
	revfs cat data/second | cmp - data/second
	revfs cat other/file | cmp - other/file
	expect revfs ls data <<-'END'
	first
	second
	END
}

test_a_pack_of_data_that_is_gone_is_missing_data() {
	two_datasets
	rm "$data_pack"
	expect revfs cat data/first <<-END
	--- stderr
	$(missing data/first)
	--- status 7
	END
	revfs cat other/file | cmp - other/file
	expect revfs ls data <<-'END'
	first
	second
	END
}

test_a_pack_that_is_cut_is_damage() {
	two_datasets
	for size in 0 10 64 500; do
		truncate -s $size "$data_pack"
		expect_status 7 revfs cat data/second
		grep -q "^revfs: cannot read 'HEAD:data/second': " "$SCRATCH/said.err"
		[ ! -s "$SCRATCH/said.out" ]
		revfs cat other/file | cmp - other/file
	done
}

test_a_pack_of_another_version_is_refused() {
	two_datasets
	printf '\002' | dd of="$data_pack" bs=1 seek=8 conv=notrunc status=none
	expect_status 7 revfs cat data/first
	grep -q "^revfs: cannot read 'HEAD:data/first': " "$SCRATCH/said.err"
	revfs cat other/file | cmp - other/file
}

test_something_else_in_the_place_of_a_pack() {
	two_datasets
	rm "$data_pack"
	mkfifo "$data_pack"
	expect_status 7 revfs cat data/first
	rm "$data_pack"
	mkdir "$data_pack"
	expect_status 7 revfs cat data/first
	rmdir "$data_pack"
	ln -s /dev/zero "$data_pack"
	expect_status 7 revfs cat data/first
	revfs cat other/file | cmp - other/file
}

test_a_root_that_is_gone_or_damaged_is_found_in_its_pack() {
	two_datasets
	file=$store/roots/${root:0:2}/$root
	flip "$file" 100
	expect revfs ls data <<-'END'
	first
	second
	END
	rm "$file"
	expect revfs ls data <<-'END'
	first
	second
	END
}

test_roots_and_pages_that_are_gone_are_missing_data() {
	two_datasets
	rm "$store/roots/${root:0:2}/$root" "$page_pack"
	expect revfs ls data <<-END
	--- stderr
	$(missing data)
	--- status 7
	END
	expect revfs ls -R <<-END
	.gitignore
	.revfs
	.revfs/config
	data.revfs
	data
	other.revfs
	other
	other/file
	--- stderr
	$(missing data)
	--- status 3
	END
	revfs cat other/file | cmp - other/file
}

test_a_flipped_page_is_damage() {
	two_datasets
	rm "$store/roots/${root:0:2}/$root"
	flip "$page_pack" 100
	expect revfs ls data <<-END
	--- stderr
	$(damaged data)
	--- status 7
	END
	revfs cat other/file | cmp - other/file
}

test_a_snapshot_mends_what_the_files_still_hold() {
	two_datasets
	rm "$data_pack"
	expect_status 7 revfs cat data/first
	tick
	expect_status 0 revfs snapshot --full -m again data
	revfs cat data/first | cmp - data/first
}

test_derived_files_are_of_no_consequence() {
	two_datasets
	for file in "$store"/hints/*; do
		flip "$file" 70
	done
	revfs cat data/first | cmp - data/first
	echo more >>data/first
	revfs -q snapshot -m more
	rm -rf "$store/hints"
	revfs cat data/first | cmp - data/first
}

test_a_store_of_a_later_version_is_refused() {
	two_datasets
	printf 'revfs-store 2.0\n' >"$store/revfs-store"
	expect revfs ls data <<-'END'
	--- stderr
	revfs: the store 'SCRATCH/test_a_store_of_a_later_version_is_refused/repo/.git/revfs' was written by a later version of revfs: upgrade this one
	--- status 11
	END
	expect_status 11 revfs snapshot -m x data
	printf 'revfs-store 1.0\nrequire time-travel\n' >"$store/revfs-store"
	expect_status 11 revfs ls data
	printf 'revfs-store 1.7\n' >"$store/revfs-store"
	expect_status 0 revfs ls data
	printf 'junk\n' >"$store/revfs-store"
	expect revfs ls data <<-'END'
	--- stderr
	revfs: the store's version file 'SCRATCH/test_a_store_of_a_later_version_is_refused/repo/.git/revfs/revfs-store' is damaged
	--- status 7
	END
}

test_a_store_that_may_not_be_read() {
	two_datasets
	give_to_user ..
	chmod 000 "$data_pack"
	expect as_user revfs cat data/first <<-'END'
	--- stderr
	revfs: cannot read 'HEAD:data/first': Permission denied
	--- status 12
	END
	as_user revfs cat other/file | cmp - other/file
	chmod 000 "$store"
	expect_status 12 as_user revfs cat data/first
	grep -q "revfs: cannot open the store '.*/repo/.git/revfs': Permission denied" "$SCRATCH/said.err"
	chmod 755 "$store"
}

test_a_read_only_store_is_read_and_not_written() {
	two_datasets
	give_to_user ..
	rm -rf "$store/hints"
	chmod -R a-w .git
	as_user revfs cat data/first | cmp - data/first
	expect as_user revfs ls data <<-'END'
	first
	second
	END
	echo more >>data/first
	expect_status 12 as_user revfs snapshot -m more
	grep -q 'Permission denied' "$SCRATCH/said.err"
	chmod -R u+w .git
	expect_status 0 as_user revfs snapshot -m more
	as_user revfs cat data/first | cmp - data/first
}

test_a_read_only_file_system() {
	need_root
	two_datasets
	mount --bind . . && mount -o remount,ro,bind . || skip "bind mounts are not possible here"
	cd "$PWD"
	revfs cat data/first | cmp - data/first
	expect_status 12 revfs snapshot -m more --full data
	grep -q 'Read-only file system' "$SCRATCH/said.err"
	cd ..
	umount repo
}

test_a_mount_shows_damage_as_EIO_at_that_path_only() {
	need_fuse
	two_datasets
	mkdir ../mnt
	flip "$data_pack" 100
	revfs mount ../mnt
	at=../mnt/@HEAD
	expect_status 1 cat $at/data/first
	grep -q 'Input/output error' "$SCRATCH/said.err"
	cmp $at/data/second data/second
	cmp $at/other/file other/file
	if command -v getfattr >/dev/null; then
		expect getfattr --absolute-names --only-values -n user.revfs.error $at/data/first <<-'END'
		can't read: damaged data
		\ no newline
		END
	fi
	grep -q "data/first: can't read: damaged data" ../mnt/.revfs/errors
	revfs umount ../mnt
}

run_tests
