#!/bin/bash
# Copies of damaged and forged data, and copies that find no room: whole, or not there; nothing outside of where they go.
. "${0%/*}/../cli/harness"

cases="slash parent unsorted duplicate empty-name totals count surplus kind last-name
	chunk-size list-size list-overflow chunk-is-page deep"

# forged CASE: a repository with a dataset `data` of `bad` and `good`.
forged() {
	rm -rf "$1"
	new_repo "$1"
	"$tool" .git/revfs "$1" >data.revfs
	new_commit "$1"
}

test_exports_of_forged_data_stay_inside_their_folder() {
	need_tool forge
	top=$PWD
	for case in $cases; do
		cd "$top"
		forged "$case"
		mkdir out
		expect_status 3 revfs export HEAD:data out/copy
		[ "$(wc -l <"$SCRATCH/said.err")" = 1 ]
		grep -q "^revfs: cannot read 'HEAD:data/bad" "$SCRATCH/said.err"
		[ "$(ls -A out)" = copy ]
		[ "$(cat out/copy/good)" = good ]
		[ -d out/copy/bad ] || [ ! -e out/copy/bad ]
		[ -z "$(find out -type f ! -name good)" ] || [ "$case" = deep ]
	done
}

test_archives_of_forged_data_hold_no_names_that_lead_out() {
	need_tool forge
	top=$PWD
	for case in $cases; do
		cd "$top"
		forged "$case"
		status=0
		revfs archive HEAD:data >copy.tar 2>err || status=$?
		[ $status = 3 ]
		grep -q "^revfs: cannot read 'HEAD:data/bad" err
		tar -tf copy.tar >list
		[ "$(tail -n 1 list)" = good ]
		if grep -qE '(^|/)\.\.?(/|$)|^/|//' list; then
			cat list
			return 1
		fi
	done
}

test_an_export_that_finds_no_room_is_not_there_and_is_continued() {
	need openssl
	new_repo
	mkdir data
	for i in 1 2 3 4; do
		openssl enc -aes-128-ctr -K 0$i -iv 00 -in /dev/zero 2>/dev/null | head -c 300000 >data/$i || :
	done
	revfs -q snapshot -m data data
	small_disk 1m disk
	expect_status 8 revfs export HEAD:data disk/copy
	grep -q '^revfs: .*No space left on device' "$SCRATCH/said.err"
	[ ! -e disk/copy ]
	mount -o remount,size=3m disk
	expect_status 0 revfs export HEAD:data disk/copy
	diff -r data disk/copy
	[ "$(ls -A disk)" = copy ]
	umount disk
}

test_an_export_above_the_limit_on_file_sizes_is_not_there() {
	need openssl
	new_repo
	mkdir data
	openssl enc -aes-128-ctr -K 00 -iv 00 -in /dev/zero 2>/dev/null | head -c 300000 >data/large || :
	revfs -q snapshot -m data data
	limited() { (ulimit -f 100 && revfs export HEAD:data copy); }
	expect_status 8 limited
	[ ! -e copy ]
	expect_status 0 revfs export HEAD:data copy
	diff -r data copy
}

test_an_archive_on_a_full_disk_is_an_error() {
	new_dataset
	full() { revfs archive HEAD "$@" >/dev/full; }
	expect_status 8 full
	grep -q '^revfs: .*No space left on device' "$SCRATCH/said.err"
}

test_a_read_only_place_is_named() {
	new_dataset
	give_to_user ..
	mkdir ../place
	chmod 555 ../place
	expect_status 12 as_user revfs export HEAD:data ../place/copy
	grep -q "^revfs: .*place.*Permission denied" "$SCRATCH/said.err"
}

run_tests
