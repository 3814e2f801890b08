#!/bin/bash
# revfs export: whole revisions and parts, what stands at DIR, interruption, disks that fill up, damage.
. "${0%/*}/../cli/harness"

FILTER='s/[0-9]+\.[0-9]+ s$/T s/;s/"seconds":[0-9.]+/"seconds":T/;s/[0-9a-f]{40}/COMMIT/'

test_a_revision_is_written_with_data_in_the_place_of_pointers() {
	new_dataset
	printf x >>plain.txt
	expect revfs export HEAD ../out <<-'END'
	7 files, 97.9 KiB, written to '../out', T s
	END
	(cd ../out && find . | sort) >../names
	diff - ../names <<-'END'
	.
	./.gitignore
	./.revfs
	./.revfs/config
	./data
	./data/a.txt
	./data/large
	./data/link
	./data/sub
	./data/sub/b.txt
	./plain.txt
	END
	diff -r data ../out/data
	[ "$(cat ../out/plain.txt)" = hello ]
	[ -z "$(find .. -name '*.revfs-export')" ]
}

test_part_of_a_revision() {
	new_dataset
	revfs -q export HEAD:data/sub ../deep/er/sub
	diff -r data/sub ../deep/er/sub
	revfs -q export HEAD:data/large ../large
	cmp data/large ../large
	revfs -q export HEAD:data/link ../link
	[ "$(readlink ../link)" = a.txt ]
	revfs -q export HEAD:data.revfs ../pointer
	cmp data.revfs ../pointer
}

test_times_modes_and_holes() {
	new_dataset
	chmod +x data/a.txt
	truncate -s 100M data/sparse
	touch -d '2001-02-03 04:05:06.789' data/sparse
	# What is the same as before keeps the time that was recorded.
	touch -d '2002-02-02 02:02:02' data/large
	revfs -q snapshot -m more
	revfs -q export HEAD:data ../out
	for name in a.txt sparse sub/b.txt link; do
		[ "$(stat -c '%a %Y %s' data/$name)" = "$(stat -c '%a %Y %s' ../out/$name)" ] || { stat data/$name ../out/$name; exit 1; }
	done
	[ "$(stat -c %Y ../out/large)" = 1767225600 ]
	[ "$(stat -c %y ../out/sparse)" = '2001-02-03 04:05:06.789000000 +0000' ]
	[ "$(stat -c %b ../out/sparse)" = 0 ]
	(umask 077 && revfs -q export HEAD:data ../private)
	[ "$(stat -c %a ../private ../private/a.txt ../private/large | xargs)" = '700 700 600' ]
}

test_json() {
	new_dataset
	expect revfs export --json HEAD:data ../out <<-'END'
	{"directory":"../out","commit":"COMMIT","files":4,"directories":1,"bytes":100008,"kept":0,"failed":0,"seconds":T}
	END
}

test_a_root_by_its_id() {
	new_dataset
	printf 'id\n' >one.csv
	revfs -q snapshot -m one one.csv
	id=$(sed -n 's/^root sha256://p' data.revfs)
	revfs -q export --root "$id" ../out
	diff -r data ../out
	id=$(sed -n 's/^root sha256://p' one.csv.revfs)
	revfs -q export --root "$id" ../one.csv
	cmp one.csv ../one.csv
	expect revfs export --root 1234 ../x <<-'END'
	--- stderr
	revfs: '--root 1234': 64 lower-case hex digits are wanted
	see 'revfs help export'
	--- status 2
	END
	id=${id//[0-9]/0}
	FILTER='' expect revfs export --root "$id" ../x <<-END
	--- stderr
	revfs: there is no root '$id' in the store
	--- status 4
	END
}

test_what_stands_at_the_folder() {
	new_dataset
	mkdir ../full ../empty ../here
	touch ../full/file ../file
	expect revfs export HEAD ../full <<-'END'
	--- stderr
	revfs: '../full' exists and is not empty: name a new one, or remove it first
	--- status 11
	END
	expect revfs export HEAD ../file <<-'END'
	--- stderr
	revfs: '../file' exists: name a new one, or remove it first
	--- status 11
	END
	expect revfs export HEAD:data/large ../empty <<-'END'
	--- stderr
	revfs: '../empty' exists: name a new one, or remove it first
	--- status 11
	END
	revfs -q export HEAD:data ../empty/
	diff -r data ../empty
	git init -q bare.git --bare
	mkdir stand
	expect env -C stand revfs export HEAD . <<-'END'
	--- stderr
	revfs: '.' is the current folder: go to the one above, and name it from there
	--- status 11
	END
	expect revfs export HEAD:data <<-'END'
	--- stderr
	revfs: no folder named
	see 'revfs help export'
	--- status 2
	END
	expect revfs export <<-'END'
	--- stderr
	revfs: no revision named
	see 'revfs help export'
	--- status 2
	END
	expect revfs export HEAD a b <<-'END'
	--- stderr
	revfs: too many arguments behind the folder
	see 'revfs help export'
	--- status 2
	END
}

test_a_symlink_to_an_empty_folder_is_followed() {
	new_dataset
	mkdir ../real
	ln -s real ../link
	revfs -q export HEAD:data ../link
	[ -L ../link ]
	diff -r data ../real
}

# Stopped while it writes; what is whole is not written again, and meanwhile DIR is not there.
test_an_interrupted_export_is_continued() {
	new_repo
	mkdir -p data
	for i in {1..400}; do head -c 20000 /dev/urandom >data/$i; done
	revfs -q snapshot -m data data
	# Each file is one write; stopped behind some of them by a disk that is full.
	small_disk 4M ../disk
	expect_status 8 revfs export HEAD:data ../disk/out
	grep -qi "no space" "$SCRATCH/said.err"
	grep -q "run this again to go on, or remove '.out.revfs-export' beside it" "$SCRATCH/said.err"
	[ ! -e ../disk/out ]
	[ "$(find ../disk/.out.revfs-export/tree -type f | wc -l)" -gt 20 ]
	mount -o remount,size=64M ../disk
	revfs export --json HEAD:data ../disk/out >../json
	grep -qE '"kept":[1-9][0-9]+,' ../json
	diff -r data ../disk/out
	[ "$(ls -A ../disk)" = out ]
}

test_a_signal_leaves_what_can_be_continued() {
	new_repo
	mkdir -p data
	for i in {1..200}; do head -c 300000 /dev/urandom >data/$i; done
	revfs -q snapshot -m data data
	revfs export HEAD:data ../out >../log 2>&1 &
	wait_for 20 test -e ../.out.revfs-export/tree/1
	kill -TERM $! 2>/dev/null || true
	status=0
	wait $! || status=$?
	if [ $status = 143 ]; then
		[ ! -e ../out ]
	else
		# It was done before the signal came.
		[ $status = 0 ]
		rm -r ../out
	fi
	revfs -q export HEAD:data ../out
	diff -r data ../out
}

# Another revision under the same name begins anew; what an earlier one wrote does not show.
test_another_export_does_not_go_on_with_it() {
	new_dataset
	mkdir -p ../.out.revfs-export/tree/stray
	echo other >../.out.revfs-export/state
	revfs -q export HEAD:data ../out
	diff -r data ../out
	[ ! -e ../.out.revfs-export ]
}

test_two_at_once() {
	new_dataset
	mkdir ../.out.revfs-export
	expect flock ../.out.revfs-export revfs export HEAD ../out <<-'END'
	--- stderr
	revfs: another export writes to '../out': wait for it, or name another folder
	--- status 9
	END
}

test_a_folder_that_may_not_be_written() {
	new_dataset
	mkdir ../closed
	give_to_user .
	chmod 555 ../closed
	expect as_user revfs export HEAD ../closed/out <<-'END'
	--- stderr
	revfs: cannot make the folder '.out.revfs-export' beside '../closed/out': Permission denied
	--- status 12
	END
}

# One chunk is damaged: its file is named and left out, the others are there.
test_damage_costs_one_file() {
	new_repo
	mkdir -p data/sub
	for i in {1..20}; do head -c 20000 /dev/urandom >data/sub/$i; done
	revfs -q snapshot -m data data
	pack=$(find .git/revfs/packs -type f -size +100k)
	chmod u+w "$pack"
	head -c 16 /dev/zero | dd of="$pack" bs=1 seek=50000 conv=notrunc status=none
	expect_status 3 revfs export HEAD:data ../out
	[ "$(grep -c "cannot read 'HEAD:data/sub/" "$SCRATCH/said.err")" = 1 ]
	[ "$(find ../out/sub -type f | wc -l)" = 19 ]
}

test_no_store() {
	new_dataset
	git clone -q . ../clone
	cd ../clone
	expect_status 3 revfs export HEAD ../out
	grep -q "there is no store here" "$SCRATCH/said.err"
	[ "$(cat ../out/plain.txt)" = hello ]
	[ ! -e ../out/data ]
}

run_tests
