#!/bin/bash
# A limit of file sizes, wherever it hits: a message, status 8, nothing half done, and the next run completes.
. "${0%/*}/../cli/harness"

test_snapshot_past_the_file_size_limit_fails_and_goes_on() {
	local kib
	need python3
	new_dataset
	head -c 300000 /dev/urandom >data/noise
	cp -a data ../truth
	git rev-parse HEAD >../before
	for kib in 1 4 40 200; do
		expect_status 8 bash -c "ulimit -f $kib; exec revfs snapshot -m more data"
		grep -q 'above the file-size limit' "$SCRATCH/said.err"
		git rev-parse HEAD | cmp - ../before
		[ -z "$(git status --porcelain)" ]
		[ -z "$(find .git/revfs/tmp -type f)" ]
	done
	revfs -q snapshot -m more data
	python3 -B "$TESTS_DIR/reader/reader.py" .git HEAD ../out >/dev/null
	diff -r --no-dereference ../truth ../out/data
}

run_tests
