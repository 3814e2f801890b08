#!/bin/bash
# revfs archive: what tar and Python read back, the same bytes each time, odd names, holes, damage.
. "${0%/*}/../cli/harness"

test_tar_reads_it_back() {
	new_dataset
	chmod +x data/a.txt
	mkdir data/empty
	: >data/nothing
	head -c 3000000 /dev/urandom >data/big
	touch -d '2001-02-03 04:05:06.123456789' data/big
	touch -d '1960-01-01' data/old
	revfs -q snapshot -m more
	revfs archive HEAD:data >../data.tar
	mkdir ../out
	tar -C ../out -xf ../data.tar 2>/dev/null
	diff -r data ../out
	[ -x ../out/a.txt ]
	[ ! -x ../out/large ]
	[ "$(readlink ../out/link)" = a.txt ]
	[ "$(stat -c %y ../out/big)" = '2001-02-03 04:05:06.123456789 +0000' ]
	[ "$(stat -c %Y ../out/old)" = "$(stat -c %Y data/old)" ]
	tar -tvf ../data.tar | head -1 >../first
	diff - ../first <<-'END'
	-rwxr-xr-x 0/0               4 2026-01-01 00:00 a.txt
	END
}

test_a_revision_has_data_in_the_place_of_pointers() {
	new_dataset
	revfs archive HEAD | tar -t >../names
	diff - ../names <<-'END'
	.gitignore
	.revfs/
	.revfs/config
	data/
	data/a.txt
	data/large
	data/link
	data/sub/
	data/sub/b.txt
	plain.txt
	END
}

test_the_same_place_gives_the_same_bytes() {
	new_dataset
	revfs archive HEAD:data >../one
	git commit -q --allow-empty -m more
	git clone -q . ../clone
	cp -r .git/revfs ../clone/.git/revfs
	(cd ../clone && revfs archive HEAD:data >../two)
	cmp ../one ../two
}

test_a_single_file() {
	new_dataset
	revfs archive HEAD:data/sub/b.txt | tar -t >../names
	[ "$(cat ../names)" = b.txt ]
	[ "$(revfs archive HEAD:data/sub/b.txt | tar -xO)" = two ]
	[ "$(revfs archive HEAD:plain.txt | tar -xO)" = hello ]
}

test_odd_names() {
	new_repo
	mkdir data
	echo 1 >"data/a b"
	echo 2 >data/$'new\nline'
	echo 3 >data/-dash
	echo 4 >data/$'\xff\xfe'
	echo 5 >data/"$(printf 'x%.0s' {1..255})"
	echo 6 >data/ü
	echo 7 >data/$'\\'
	ln -s "$(printf 'to/%.0s' {1..100})" data/link
	revfs -q snapshot -m odd data
	revfs archive HEAD:data >../data.tar
	mkdir ../out ../python
	tar -C ../out -xf ../data.tar 2>/dev/null
	diff -r --no-dereference data ../out
	need python3
	python3 -c 'import sys, tarfile; tarfile.open(sys.argv[1]).extractall(sys.argv[2])' ../data.tar ../python 2>/dev/null
	diff -r --no-dereference data ../python
}

test_holes_take_no_room() {
	new_repo
	mkdir data
	truncate -s 50M data/all
	truncate -s 20M data/end
	printf middle >>data/end
	printf begin >data/begin
	truncate -s 30M data/begin
	revfs -q snapshot -m holes data
	revfs archive HEAD:data >../data.tar
	[ "$(stat -c %s ../data.tar)" -lt 3000000 ]
	mkdir ../out
	tar -C ../out -xf ../data.tar
	diff -r data ../out
	[ "$(stat -c %b ../out/all)" = 0 ]
}

test_damage_is_named_and_the_rest_is_there() {
	new_repo
	mkdir data
	for i in {10..29}; do head -c 20000 /dev/urandom >data/$i; done
	revfs -q snapshot -m data data
	pack=$(find .git/revfs/packs -type f -size +100k)
	chmod u+w "$pack"
	head -c 16 /dev/zero | dd of="$pack" bs=1 seek=50000 conv=notrunc status=none
	expect_status 3 revfs archive HEAD:data
	[ "$(grep -c "cannot read 'HEAD:data/" "$SCRATCH/said.err")" = 1 ]
	[ "$(tar -tf "$SCRATCH/said.out" | wc -l)" = 19 ]
}

test_a_closed_pipe_and_a_full_disk_end_it() {
	new_dataset
	head -c 3000000 /dev/urandom >data/big
	revfs -q snapshot -m big
	status=0
	revfs archive HEAD:data >/dev/full 2>../err || status=$?
	[ $status = 8 ]
	[ "$(wc -l <../err)" = 1 ]
	{ revfs archive HEAD:data || echo $? >../status; } | head -c 100 >/dev/null
	[ "$(cat ../status)" = 141 ]
}

test_usage() {
	new_dataset
	expect revfs archive <<-'END'
	--- stderr
	revfs: no revision named
	see 'revfs help archive'
	--- status 2
	END
	expect revfs archive HEAD:nowhere <<-'END'
	--- stderr
	revfs: path 'nowhere' does not exist in 'HEAD'
	--- status 4
	END
}

run_tests
