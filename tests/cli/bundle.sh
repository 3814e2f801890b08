#!/bin/bash
# revfs bundle and unbundle: one file carries data and commits to where no remote can be reached.
. "${0%/*}/../cli/harness"

NUMBERS='s/ roots, [0-9.]+ [A-Za-z]+/ roots, N/;s/, [0-9.]+ s$/, N s/;s/"(bytes|seconds)":[0-9.e-]+/"\1":N/g;s/[0-9a-f]{40}/COMMIT/g'

# Tags v1 to v3, each with data of its own.
three_versions() {
	new_repo
	mkdir -p data/sub
	seq 3000 >data/sub/numbers
	head -c 400000 /dev/urandom >data/large
	echo one >data/a.txt
	revfs -q snapshot -m first data
	git tag v1
	tick
	head -c 100000 /dev/urandom >data/new
	rm data/a.txt
	revfs -q snapshot -m second
	git tag v2
	tick
	seq 2999 >data/sub/numbers
	revfs -q snapshot -m third
	git tag v3
}

# there COMMAND...: in the repository that has no remote.
there() {
	[ -e ../there ] || git init -q -b main ../there
	(cd ../there && "$@")
}

# there_equals REV REF: what REF is there is what REV is here.
there_equals() {
	rm -rf ../x ../y
	revfs -q export "$1" ../x
	there revfs -q export "$2" ../y
	diff -r ../x ../y
}

test_all_of_it_goes_in_steps() {
	three_versions
	FILTER=$NUMBERS expect revfs bundle v1 ../one.revfs <<-'END'
	../one.revfs: 1 commits, 2 packs, 1 roots, N, N s
	END
	FILTER=$NUMBERS expect revfs bundle -n v3 --since v1 ../two.revfs <<-'END'
	../two.revfs: 2 commits, 4 packs, 2 roots, N, N s
	nothing was written
	END
	[ ! -e ../two.revfs ]
	FILTER=$NUMBERS expect revfs bundle --json --since v1 -o ../two.revfs v3 v2 <<-'END'
	{"file":"../two.revfs","dry_run":false,"git":true,"commits":2,"packs":4,"roots":2,"bytes":N,"seconds":N}
	END
	[ "$(stat -c %s ../two.revfs)" -lt 150000 ]
	[ -z "$(ls .git/revfs/tmp)" ]
	FILTER=$NUMBERS expect there revfs unbundle -n ../two.revfs <<-'END'
	has v3 (COMMIT)
	has v2 (COMMIT)
	goes on from v1 (COMMIT), which is not here
	../two.revfs: 4 packs, 2 roots, N, and commits
	nothing was taken in
	END
	FILTER=$NUMBERS expect there revfs unbundle ../two.revfs <<-'END'
	--- stderr
	revfs: '../two.revfs' goes on from 'v1' (COMMIT), whose commit is not here: take that in first
	--- status 11
	END
	[ -z "$(find ../there/.git/revfs/packs -type f)" ]
	FILTER=$NUMBERS expect there revfs unbundle ../one.revfs <<-'END'
	../one.revfs: 2 packs, 1 roots, N; commits in refs/bundles/one
	END
	there_equals v1 refs/bundles/one/tags/v1
	FILTER=$NUMBERS expect there revfs unbundle --json ../two.revfs <<-'END'
	{"file":"../two.revfs","dry_run":false,"revisions":[{"name":"v3","commit":"COMMIT"},{"name":"v2","commit":"COMMIT"}],"since":[{"name":"v1","commit":"COMMIT","here":true}],"git":true,"packs":4,"roots":2,"bytes":N,"seconds":N}
	END
	there_equals v2 refs/bundles/two/tags/v2
	there_equals v3 refs/bundles/two/tags/v3
	[ -z "$(ls ../there/.git/revfs/tmp)" ]
	# Once more changes nothing.
	there find .git/revfs/packs .git/revfs/roots -type f | sort >../before
	there revfs -q unbundle ../two.revfs
	there find .git/revfs/packs .git/revfs/roots -type f | sort | diff ../before -
	there revfs -q verify --full
	# What was taken in can go on from there.
	there git reset -q --hard refs/bundles/two/tags/v3
	there revfs remote add lab ../lab
	there revfs -q push
	diff -r .git/revfs/roots ../lab/roots
}

# A pack has what was never published beside what goes.
test_what_is_not_to_go_does_not_leak() {
	new_repo
	mkdir public secret
	head -c 300000 /dev/urandom >public/a
	head -c 300000 /dev/urandom >secret/b
	revfs -q snapshot -m both public secret
	git tag all
	git rm -q secret.revfs
	git commit -q --amend -m public
	revfs -q bundle main ../some.revfs
	head -c 40 secret/b >../needle
	not python3 -c 'import sys; sys.exit(open(sys.argv[1],"rb").read() not in open(sys.argv[2],"rb").read())' \
		../needle ../some.revfs
	there revfs -q unbundle ../some.revfs
	there_equals main refs/bundles/some/heads/main
	# The rest of the pack follows alone.
	revfs -q bundle all --since main ../rest.revfs
	[ "$(stat -c %s ../rest.revfs)" -lt 350000 ]
	there revfs -q unbundle ../rest.revfs
	there_equals all refs/bundles/rest/tags/all
	# It stays through a collection of garbage, and goes on to where more take it from.
	there revfs -q gc --keep 0s
	there revfs -q gc --keep 0s
	there_equals main refs/bundles/some/heads/main
	there_equals all refs/bundles/rest/tags/all
	there revfs remote add lab ../lab
	there git reset -q --hard refs/bundles/rest/tags/all
	there revfs -q push
	git clone -q ../there ../clone
	git -C ../clone config revfs.remote.lab.url "$PWD/../lab"
	rm -rf ../x ../y
	revfs -q export all ../x
	revfs -q -C ../clone export HEAD "$PWD/../y"
	diff -r -x .revfs ../x ../y
}

# A bundle of packs that a collection of garbage repacked, and from what a bundle brought.
test_what_was_repacked_goes_on() {
	new_repo
	mkdir data
	seq 20000 >data/numbers
	head -c 900000 /dev/urandom >data/junk
	revfs -q snapshot -m both data
	rm data/junk
	revfs -q snapshot -m old
	git reset -q --soft HEAD~1
	git commit -q --amend -m old
	git branch -q old
	seq 5000 >data/more
	revfs -q snapshot -m fork
	git tag fork
	git reflog expire --expire=now --all
	rm -f .git/ORIG_HEAD
	revfs -q gc --keep 0s
	revfs -q gc --keep 0s
	[ -n "$(find .git/revfs/packs -name '*.moved')" ]
	revfs -q bundle old ../old.revfs
	revfs -q bundle fork --since old ../fork.revfs
	there revfs -q unbundle ../old.revfs
	there revfs -q unbundle ../fork.revfs
	there_equals old refs/bundles/old/heads/old
	there_equals fork refs/bundles/fork/tags/fork
	there revfs -q bundle refs/bundles/fork/tags/fork ../again.revfs
	git init -q ../third
	revfs -q -C ../third unbundle "$PWD/../again.revfs"
	rm -rf ../y
	revfs -q -C ../third export refs/bundles/again/bundles/fork/tags/fork "$PWD/../y"
	diff -r ../x ../y
}

test_data_alone() {
	three_versions
	revfs -q bundle --no-git HEAD~1 ../data.revfs
	FILTER=$NUMBERS expect there revfs unbundle ../data.revfs <<-'END'
	../data.revfs: 4 packs, 2 roots, N
	END
	there git fetch -q ../repo 'refs/tags/*:refs/tags/*'
	there_equals v2 v2
	# And the other way round: its commits are not wanted.
	revfs -q bundle v3 --since v2 ../more.revfs
	there git tag -d v3 >/dev/null
	there revfs -q unbundle --no-git ../more.revfs
	[ -z "$(there git for-each-ref refs/bundles)" ]
	there git fetch -q ../repo 'refs/tags/*:refs/tags/*'
	there_equals v3 v3
}

test_what_cannot_be() {
	three_versions
	expect revfs bundle v1 <<-'END'
	--- stderr
	revfs: no revision named
	see 'revfs help bundle'
	--- status 2
	END
	expect revfs bundle HEAD~1 ../x <<-'END'
	--- stderr
	revfs: 'HEAD~1' is no branch and no tag, and git bundles nothing else: name one, or --no-git for the data alone
	--- status 11
	END
	expect revfs bundle v1 --since v2 ../x <<-'END'
	--- stderr
	revfs: there is nothing to bundle: --since has all of it
	--- status 11
	END
	expect revfs bundle nowhere ../x <<-'END'
	--- stderr
	revfs: there is no revision 'nowhere': 'git branch -a' and 'git tag' list them
	--- status 4
	END
	expect revfs bundle v1 ../none/x <<-'END'
	--- stderr
	revfs: cannot write '../none/x': No such file or directory
	--- status 4
	END
	[ -z "$(ls .git/revfs/tmp)" ]
	git clone -q . ../clone
	expect revfs -C ../clone bundle v1 "$PWD/../x" <<-'END'
	--- stderr
	revfs: cannot bundle 'data': not all of its data is in the store here
	--- status 3
	END
	ls .. >../names
	not grep '^x' ../names
	expect there revfs unbundle ../none <<-'END'
	--- stderr
	revfs: cannot open '../none': No such file or directory
	--- status 4
	END
	echo text >../text
	expect there revfs unbundle ../text <<-'END'
	--- stderr
	revfs: '../text' is damaged, or no bundle, at 'its beginning or end': no revision of it was taken in
	--- status 7
	END
}

# Without the data of what it goes on from, though its commit is here.
test_since_without_its_data() {
	three_versions
	revfs -q bundle v2 --since v1 ../two.revfs
	there git fetch -q ../repo 'refs/tags/v1:refs/tags/v1'
	FILTER=$NUMBERS expect there revfs unbundle ../two.revfs <<-'END'
	--- stderr
	revfs: '../two.revfs' goes on from 'v1' (COMMIT), whose data are not here: take that in first
	--- status 11
	END
	# Its root is here, some of its chunks are not.
	revfs -q bundle v1 ../one.revfs
	there revfs -q unbundle ../one.revfs
	find ../there/.git/revfs/packs -type f -size +100k -delete
	rm -r ../there/.git/revfs/hints
	FILTER=$NUMBERS expect there revfs unbundle ../two.revfs <<-'END'
	--- stderr
	revfs: '../two.revfs' goes on from 'v1' (COMMIT), whose data are not here: take that in first
	--- status 11
	END
	# They may come from a remote.
	revfs remote add lab ../lab
	revfs -q push lab v1
	there git config revfs.remote.lab.url "$PWD/../lab"
	there revfs -q unbundle ../two.revfs
	there_equals v2 refs/bundles/two/tags/v2
}

# Wherever it is cut off or changed, no revision of it is there.
test_damage_is_refused() {
	local size at
	three_versions
	revfs -q bundle v1 ../one.revfs
	size=$(stat -c %s ../one.revfs)
	for at in 0 100 600 1500 2100 50000 $((size - 3000)) $((size - 1500)) $((size - 1025)); do
		rm -rf ../there
		head -c "$at" ../one.revfs >../cut.revfs
		expect_status 7 there revfs unbundle ../cut.revfs
		[ -z "$(find ../there/.git/revfs/roots -type f)" ]
		[ -z "$(ls ../there/.git/revfs/tmp)" ]
		[ -z "$(there git for-each-ref)" ]
	done
	# Names, sizes, texts, packs.
	for at in 3 130 520 1030 1545 2100 2600 3000 100000 300000; do
		rm -rf ../there
		cp ../one.revfs ../bad.revfs
		python3 -c 'import sys; f = open(sys.argv[1], "r+b"); at = int(sys.argv[2]); f.seek(at); b = f.read(1)[0]
f.seek(at); f.write(bytes([b ^ 1]))' ../bad.revfs "$at"
		cmp -s ../one.revfs ../bad.revfs && return 1
		expect_status 7 there revfs unbundle ../bad.revfs
		[ -z "$(find ../there/.git/revfs/roots -type f)" ]
	done
}

# forge NAME TYPE SIZE: the bundle with one more file in front of the roots.
forge() {
	python3 - "$@" <<-'END'
	import io, sys, tarfile
	name, kind, size = sys.argv[1:]
	src, dst = tarfile.open("../one.revfs"), tarfile.open("../forged.revfs", "w", format=tarfile.PAX_FORMAT)
	done = False
	for member in src:
	    if member.name.startswith("roots/") and not done:
	        done = True
	        extra = tarfile.TarInfo(name)
	        extra.type = {"file": tarfile.REGTYPE, "link": tarfile.SYMTYPE, "hard": tarfile.LNKTYPE,
	                      "folder": tarfile.DIRTYPE}[kind]
	        extra.linkname = "/etc/passwd" if kind in ("link", "hard") else ""
	        extra.size = int(size)
	        if extra.size <= 1000:
	            dst.addfile(extra, io.BytesIO(b"x" * extra.size))
	        else:
	            # What is said to be longer than all there is has no bytes.
	            header = extra.tobuf(dst.format, dst.encoding, dst.errors)
	            dst.fileobj.write(header)
	            dst.offset += len(header)
	    dst.addfile(member, src.extractfile(member))
	dst.close()
	END
}

test_hostile_files_are_refused() {
	local pack=packs/ab/ab000000000000000000000000000000
	three_versions
	revfs -q bundle v1 ../one.revfs
	while read -r name kind size; do
		rm -rf ../there
		forge "$name" "$kind" "$size"
		expect_status 7 there revfs unbundle ../forged.revfs
		grep -q 'no revision of it was taken in' "$SCRATCH/said.err"
		[ -z "$(find ../there/.git/revfs/roots -type f)" ]
		[ ! -e ../there/evil ]
		[ ! -e ../evil ]
	done <<-END
	../evil file 10
	packs/../../evil file 10
	evil file 10
	/evil file 10
	$pack link 0
	$pack hard 0
	$pack file 10
	$pack folder 0
	$pack file 99999999999999
	$pack.moved file 10
	$pack.more file 10
	packs/ac/ab000000000000000000000000000000 file 10
	packs/AB/AB000000000000000000000000000000 file 10
	revfs-store file 16
	bundle file 10
	commits.bundle file 10
	END
}

# As long as the file has one too many, or one too few, of its parts.
test_parts_that_lack_are_missed() {
	three_versions
	revfs -q bundle v1 ../one.revfs
	for part in bundle revfs-store packs roots commits.bundle end; do
		rm -rf ../there
		python3 - "$part" <<-'END'
		import sys, tarfile
		src, dst = tarfile.open("../one.revfs"), tarfile.open("../less.revfs", "w", format=tarfile.PAX_FORMAT)
		for member in src:
		    if not member.name.startswith(sys.argv[1]):
		        dst.addfile(member, src.extractfile(member))
		dst.close()
		END
		expect_status 7 there revfs unbundle ../less.revfs
		[ -z "$(find ../there/.git/revfs/roots -type f)" ]
	done
}

test_a_killed_unbundle_is_finished_by_the_next() {
	local round hits=0
	three_versions
	revfs -q bundle v3 ../all.revfs
	for round in 1 2 3 4 5 6 7 8; do
		rm -rf ../there
		there true
		(cd ../there && exec revfs -q unbundle ../all.revfs) &
		sleep "0.0$((round * 3 % 7))"
		kill -9 $! 2>/dev/null && hits=$((hits + 1))
		wait $! || true
		there revfs -q unbundle ../all.revfs
		there_equals v3 refs/bundles/all/tags/v3
	done
	[ $hits -gt 0 ]
}

test_a_killed_bundle_leaves_the_file_as_it_was() {
	three_versions
	echo before >../all.revfs
	revfs -q bundle v3 ../all.revfs &
	kill -9 $!
	wait $! || true
	grep -qx before ../all.revfs || there revfs -q unbundle ../all.revfs
	revfs -q bundle v3 ../all.revfs
	there revfs -q unbundle ../all.revfs
}

run_tests
