#!/bin/bash
# long
# revfs push: a clone that has no data reads what was pushed, and nothing else was.
. "${0%/*}/../cli/harness"

two_snapshots() {
	new_repo
	mkdir -p data/sub
	seq 3000 >data/sub/numbers
	head -c 600000 /dev/urandom >data/large
	echo one >data/a.txt
	revfs -q snapshot -m first data
	git tag v1
	head -c 100000 /dev/urandom >data/new
	rm data/a.txt
	revfs -q snapshot -m second
	revfs remote add lab ../store
}

# One pack has what was never published beside what was pushed.
publish_a_part() {
	new_repo
	mkdir public secret
	head -c 300000 /dev/urandom >public/a
	seq 1000 >public/b
	head -c 300000 /dev/urandom >secret/b
	revfs -q snapshot -m both public secret
	git rm -q secret.revfs
	git commit -q --amend -m public
	revfs remote add lab ../store
	revfs -q push
}

# clone_equals REV...: a clone reads REV from the remote alone, and it is the same as here.
clone_equals() {
	local revision
	rm -rf ../clone ../here ../there
	git clone -q . ../clone
	git -C ../clone config revfs.remote.lab.url "$PWD/../store"
	for revision in $(git rev-parse "$@"); do
		rm -rf ../here ../there
		revfs -q export "$revision" ../here
		revfs -q -C ../clone export "$revision" "$PWD/../there"
		diff -r ../here ../there
	done
}

# What varies from run to run.
NUMBERS='s/ roots, [0-9.]+ [A-Za-z]+(, [0-9.]+ s)?/ roots, N, N s/;s/"(bytes|requests|seconds)":[0-9.e-]+/"\1":N/g'

objects() { (cd ../store && find . -type f | sort); }

test_what_is_pushed_is_read_by_a_clone() {
	two_snapshots
	FILTER=$NUMBERS expect revfs push -n <<-'END'
	lab: 4 packs, 2 roots, N, N s
	nothing was sent
	END
	[ ! -e ../store ]
	FILTER=$NUMBERS expect revfs push <<-'END'
	lab: 4 packs, 2 roots, N, N s
	END
	clone_equals HEAD v1
	expect revfs push <<-'END'
	lab: has everything
	END
	[ "$(objects | wc -l)" = 7 ]
	[ -z "$(ls ../store/tmp)" ]
}

test_only_the_named_revision_with_its_history_goes() {
	two_snapshots
	revfs -q push lab v1
	clone_equals v1
	[ "$(find ../store/roots -type f | wc -l)" = 1 ]
	revfs -q -C ../clone export main "$PWD/../none" 2>../said && return 1
	# The rest follows.
	FILTER=$NUMBERS expect revfs push --json <<-'END'
	{"remote":"lab","dry_run":false,"commits":1,"packs":2,"roots":1,"bytes":N,"replaced":0,"requests":N,"seconds":N}
	END
	clone_equals HEAD v1
}

test_the_tip_alone_goes_without_history() {
	two_snapshots
	revfs -q push --tip
	clone_equals HEAD
	[ "$(find ../store/roots -type f | wc -l)" = 1 ]
	# It confirms nothing of the history.
	revfs -q push
	clone_equals HEAD v1
}

test_all_refs_go() {
	two_snapshots
	git checkout -q -b side v1
	revfs -q checkout
	echo side >data/side
	head -c 50000 /dev/urandom >data/noise
	revfs -q snapshot -m side
	git checkout -q main
	revfs -q push --all
	clone_equals main v1 side
}

# A pack holds what was never published: only the rest of it goes.
test_what_was_never_published_does_not_leak() {
	local pack
	publish_a_part
	clone_equals HEAD
	# The bytes of the secret do not compress: they would stand there as they are.
	head -c 40 secret/b >../needle
	for pack in ../store/packs/*/*; do
		python3 -c 'import sys; sys.exit(open(sys.argv[1],"rb").read() in open(sys.argv[2],"rb").read())' \
			../needle "$pack"
	done
	[ "$(find ../store -name '*.moved' | wc -l)" = 2 ]
	# Published later, the rest of the pack follows, and nothing goes twice.
	git tag public
	git reset -q --hard 'HEAD@{1}'
	revfs -q push
	clone_equals HEAD public
	[ "$(find ../store -name '*.moved' | wc -l)" = 2 ]
	[ "$(find ../store/packs -type f ! -name '*.moved' -size +200k | wc -l)" = 2 ]
	[ -z "$(ls .git/revfs/tmp)" ]
}

test_what_was_repacked_here_is_found_there() {
	two_snapshots
	git tag -d v1 >/dev/null
	git reset -q --hard HEAD~1
	revfs -q checkout -f
	git tag old
	git reflog expire --expire=now --all
	rm -f .git/ORIG_HEAD
	revfs -q gc --keep 0s
	revfs -q gc --keep 0s
	revfs -q push
	clone_equals HEAD
}

test_a_second_remote_gets_everything() {
	two_snapshots
	revfs -q push
	revfs remote add backup ../backup
	revfs -q push backup
	diff -r ../store ../backup
}

# The remote has a part of a pack, in another: a clone's pages go on to name the first.
test_a_clone_pushes_to_a_remote_of_moved_packs() {
	publish_a_part
	git clone -q . ../theirs
	cd ../theirs || return 1
	git config revfs.remote.lab.url "$PWD/../store"
	revfs -q checkout
	head -c 5000 /dev/urandom >public/theirs
	revfs -q snapshot -m theirs
	revfs -q push
	clone_equals HEAD HEAD~1
}

# Somebody else's moved file leads nowhere: what it speaks of goes again.
test_a_moved_file_that_leads_nowhere_is_mended() {
	publish_a_part
	# As if the push had been killed, and the disk had lost what came before.
	find ../store/packs -type f ! -name '*.moved' -delete
	rm -r ../store/roots .git/revfs/pushed
	revfs -q push
	clone_equals HEAD
}

# From a clone that holds a part only: what it made goes, what it lacks is there already.
test_a_clone_that_holds_a_part_pushes_its_own() {
	two_snapshots
	revfs -q push
	git clone -q . ../theirs
	cd ../theirs || return 1
	git config revfs.remote.lab.url "$PWD/../store"
	revfs -q checkout
	head -c 200000 /dev/urandom >data/theirs
	revfs -q snapshot -m theirs
	FILTER=$NUMBERS expect revfs push <<-'END'
	lab: 2 packs, 1 roots, N, N s
	END
	clone_equals HEAD HEAD~2
	# A remote that lacks what only the other has cannot be served from here.
	revfs remote add empty ../empty
	revfs push empty 2>../said && return 1
	grep -q "cannot push 'data': " ../said
}

# What is only there may name what is here: it is looked at before anything is removed.
test_garbage_is_collected_in_a_clone_that_holds_a_part() {
	two_snapshots
	revfs -q push
	git clone -q . ../theirs
	cd ../theirs || return 1
	git config revfs.remote.lab.url "$PWD/../store"
	revfs -q checkout
	head -c 200000 /dev/urandom >data/theirs
	revfs -q snapshot -m theirs
	head -c 200000 /dev/urandom >data/dropped
	revfs -q snapshot -m dropped
	git reset -q --hard HEAD~1
	git reflog expire --expire=now --all
	rm -f .git/ORIG_HEAD
	revfs -q checkout -f
	revfs -q gc --keep 0s
	revfs -q gc --keep 0s
	[ "$(find .git/revfs/packs -size +150k -type f | wc -l)" = 1 ]
	revfs -q export HEAD ../all
	cmp ../all/data/theirs data/theirs
	# Nothing is removed where that cannot be looked at.
	mv ../store ../away
	revfs -q cache clear
	git config revfs.io-timeout 1
	revfs gc --keep 0s 2>../said && return 1
	grep -q 'nothing was removed' ../said
}

test_the_shared_files_word_is_not_enough() {
	two_snapshots
	git commit -qm shared .revfs/config
	git config --remove-section revfs.remote.lab
	expect revfs push <<-'END'
	--- stderr
	revfs: only the shared '.revfs/config' names 'SCRATCH/test_the_shared_files_word_is_not_enough/store' for the remote 'lab': 'revfs push --yes' pushes there, now and later
	--- status 11
	END
	[ ! -e ../store ]
	revfs -q push --yes
	revfs -q push
	clone_equals HEAD
}

test_a_store_that_is_gone_is_not_made_again() {
	two_snapshots
	revfs -q push
	rm -rf ../store
	mkdir ../store
	echo more >data/more
	revfs -q snapshot -m more
	expect revfs push <<-'END'
	--- stderr
	revfs: there is no store at the remote 'lab' (SCRATCH/test_a_store_that_is_gone_is_not_made_again/store), where there was one: is it mounted?  'revfs remote set-url' names another
	--- status 5
	END
	[ -z "$(ls ../store)" ]
	# Another URL begins anew.
	revfs remote set-url lab ../elsewhere
	revfs -q push
}

# Somebody emptied the remote and began anew: what it once confirmed counts no more.
test_a_remote_that_was_made_anew_gets_everything() {
	two_snapshots
	revfs -q push
	rm -rf ../store/packs ../store/roots
	revfs -q push
	clone_equals HEAD v1
}

# The version goes beside the first packs: who was killed in between left some without one.
test_packs_without_a_version_are_taken_as_they_are() {
	two_snapshots
	revfs -q push
	rm -r ../store/revfs-store ../store/roots .git/revfs/pushed
	objects ../store >../before
	revfs -q push
	objects ../store >../after
	[ "$(comm -23 ../before ../after)" = '' ]
	clone_equals HEAD v1
}

test_what_cannot_be_written_is_told() {
	two_snapshots
	echo plain >../store
	revfs push 2>../said && return 1
	grep -q "the remote 'lab'" ../said
	rm ../store
	mkdir ../store
	echo 'revfs-store 2.0' >../store/revfs-store
	expect revfs push <<-'END'
	--- stderr
	revfs: the store at the remote 'lab' was written by a later version of revfs: upgrade this one
	--- status 11
	END
}

# Killed at any moment: what is there is whole, and the same push again finishes it.
test_a_killed_push_is_finished_by_the_next() {
	local round hits=0
	two_snapshots
	for round in 1 2 3 4 5 6 7 8; do
		rm -rf ../store .git/revfs/pushed
		revfs -q push &
		sleep "0.00$((round * 3 % 10))"
		kill -9 $! 2>/dev/null && hits=$((hits + 1))
		wait $! || true
		revfs -q push
		clone_equals HEAD v1
	done
	[ $hits -gt 0 ]
}

# Thirty files of one chunk each, which the page of their folder names: a pack of 450 KB.
thirty_chunks() {
	local n
	new_repo
	mkdir data
	for n in {10..39}; do
		head -c 15000 /dev/urandom >data/$n
	done
	revfs -q snapshot -m thirty data
	git tag v1
	revfs remote add lab ../store
}

# more: another commit, whose page names all of them again.
more() {
	echo more >>data/more
	tick
	revfs -q snapshot -m more
}

# cut_off FILE SIZE
cut_off() {
	chmod u+w "$1"
	truncate -s "$2" "$1"
	chmod u-w "$1"
}

CUT="revfs: warning: 1 pack at the remote 'lab' was cut off, or no copy of what is here, and put again: 'revfs verify --remote lab' says whether there is more"

test_a_pack_that_was_cut_off_there_is_put_again() {
	local pack size
	thirty_chunks
	revfs -q push
	pack=$(find ../store/packs -type f -size +400k)
	for size in 1000 0 700000; do
		more
		cut_off "$pack" $size
		FILTER=$NUMBERS expect revfs push -n <<-END
		lab: 2 packs, 1 roots, N, N s
		nothing was sent
		--- stderr
		${CUT/put again/would be put again}
		END
		[ "$(stat -c %s "$pack")" = $size ]
		FILTER=$NUMBERS expect revfs push <<-END
		lab: 2 packs, 1 roots, N, N s
		--- stderr
		$CUT
		END
		cmp "$pack" ".git/revfs/${pack#../store/}"
		[ "$(stat -c %a "$pack")" = 444 ]
	done
	clone_equals HEAD v1
	expect revfs -q verify --remote lab <<-'END'
	END
}

# Of pages: where nothing is known to be there, all below is looked at, too.
test_packs_of_pages_that_were_cut_off_are_put_again() {
	local pack
	two_snapshots
	revfs -q push
	for pack in ../store/packs/*/*; do
		cut_off "$pack" 20
	done
	rm -r .git/revfs/pushed
	FILTER=$NUMBERS expect revfs push <<-END
	lab: 4 packs, 0 roots, N, N s
	--- stderr
	revfs: warning: 4 packs at the remote 'lab' were cut off, or no copy of what is here, and put again: 'revfs verify --remote lab' says whether there is more
	END
	clone_equals HEAD v1
}

test_a_pack_that_was_cut_off_in_a_bucket_is_put_again() {
	local pack
	thirty_chunks
	mkdir -p ../s3/lab
	"$TESTS_DIR/servers/s3" "$(realpath ../s3)" "$PWD/../ready" anonymous &
	wait_for 20 test -e ../ready
	git config revfs.remote.lab.endpoint "$(cat ../ready)"
	revfs remote set-url lab s3://lab/some/where
	revfs -q push
	pack=$(find ../s3/lab -type f -size +400k)
	truncate -s 5000 "$pack"
	more
	FILTER=$NUMBERS expect revfs push <<-END
	lab: 2 packs, 1 roots, N, N s
	--- stderr
	$CUT
	END
	cmp "$pack" ".git/revfs/${pack#../s3/lab/some/where/}"
}

test_what_is_cut_off_there_and_not_here_is_named() {
	local pack end
	thirty_chunks
	revfs -q push
	git clone -q . ../theirs
	cd ../theirs
	git config revfs.remote.lab.url "$PWD/../store"
	revfs -q checkout
	more
	pack=$(find ../store/packs -type f -size +400k)
	cut_off "$pack" 300000
	expect revfs push <<-END
	--- stderr
	revfs: cannot push 'data': the pack ${pack##*/}, which has some of it, is cut off at the remote 'lab', and not here: 'revfs verify --remote lab --repair' looks for it elsewhere
	--- status 7
	END
	[ "$(find ../store/roots -type f | wc -l)" = 1 ]
	# Also where it lacks no more than a byte of the last record, behind which the trailer says the index begins.
	end=$(python3 -c 'import struct, sys; print(struct.unpack("<Q", open(sys.argv[1], "rb").read()[-56:-48])[0])' \
		"../repo/.git/revfs/${pack#../store/}")
	rm -f "$pack"
	cp "../repo/.git/revfs/${pack#../store/}" "$pack"
	cut_off "$pack" $((end - 1))
	expect_status 7 revfs push
	[ "$(find ../store/roots -type f | wc -l)" = 1 ]
}

# A part of a pack went in another one, which was cut off since: it goes again, from the whole one here.
test_a_part_that_was_cut_off_there_goes_again() {
	publish_a_part
	cut_off "$(find ../store/packs -type f -size +200k)" 150000
	rm -r .git/revfs/pushed
	tick
	git commit -q --allow-empty -m again
	revfs -q push
	clone_equals HEAD
}

# What is damaged here replaces nothing.
test_a_pack_that_is_damaged_on_both_sides_stays() {
	local pack here
	thirty_chunks
	revfs -q push
	pack=$(find ../store/packs -type f -size +400k)
	here=.git/revfs/${pack#../store/}
	cut_off "$pack" 400000
	chmod u+w "$here"
	printf xxxxxxxx | dd of="$here" bs=1 seek=420000 conv=notrunc status=none
	more
	expect revfs push <<-END
	--- stderr
	revfs: '${pack#../store/}' is of another size at the remote 'lab' than here, where it is damaged: 'revfs verify --repair' looks for a good one, then run this again
	--- status 7
	END
	[ "$(stat -c %s "$pack")" = 400000 ]
}

test_two_push_at_once() {
	local one two
	two_snapshots
	revfs -q push &
	one=$!
	revfs -q push &
	two=$!
	wait $one
	wait $two
	clone_equals HEAD v1
	[ -z "$(ls ../store/tmp)" ]
}

run_tests
