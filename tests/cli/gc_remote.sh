#!/bin/bash
# slow
# revfs gc --remote: what no root there needs is condemned, and deleted later; roots go only when they are forgotten.
. "${0%/*}/../cli/harness"

random() {
	head -c "$1" /dev/zero | openssl enc -aes-128-ctr -pass "pass:$2" -nosalt -iter 1 2>/dev/null
}

# Two snapshots of data that do not compress, tagged v1 and v2, both at the remote.
pushed() {
	new_repo
	mkdir data
	random 60000 one >data/one
	revfs -q snapshot -m one data >/dev/null
	git tag v1
	rm data/one
	random 100000 two >data/two
	tick
	revfs -q snapshot -m two >/dev/null
	git tag v2
	revfs remote add lab ../store
	revfs -q push
}

# Packs of a third snapshot, without its root: what a push that was killed leaves.
half_pushed() {
	pushed
	random 80000 three >data/three
	tick
	revfs -q snapshot -m three >/dev/null
	cp -r ../store/roots ../roots
	revfs -q push
	rm -rf ../store/roots .git/revfs/pushed
	mv ../roots ../store/roots
}

packs() { find ../store/packs -type f | wc -l; }
roots() { find ../store/roots -type f | wc -l; }
lists() { find ../store/condemned -type f 2>/dev/null | wc -l; }

# all_there REV...: a clone reads them from the remote alone.
all_there() {
	local revision
	rm -rf ../clone ../home2
	git clone -q . ../clone
	git -C ../clone config revfs.remote.lab.url "$PWD/../store"
	for revision in $(git rev-parse "$@"); do
		rm -rf ../here ../there
		revfs -q export "$revision" ../here
		XDG_CACHE_HOME=$PWD/../home2 revfs -q -C ../clone export "$revision" "$PWD/../there"
		diff -r ../here ../there
	done
}

SIZES='s/[0-9.]+ KiB/N KiB/g'

test_nothing_to_remove() {
	pushed
	expect revfs gc --remote lab <<-'END'
	nothing to remove
	END
	expect revfs gc --remote lab --keep 0 <<-'END'
	nothing to remove
	END
	[ "$(packs)" = 4 ]
	[ "$(lists)" = 0 ]
	all_there v1 v2
}

test_condemned_first_deleted_later() {
	half_pushed
	[ "$(packs)" = 6 ]
	# Young ones may be a push's that is under way.
	expect revfs gc --remote lab <<-'END'
	nothing to remove
	END
	FILTER=$SIZES expect revfs gc --remote lab --keep 0 <<-'END'
	condemned: 2 packs, N KiB; the next run deletes them
	END
	[ "$(packs)" = 6 ]
	[ "$(lists)" = 1 ]
	FILTER=$SIZES expect revfs gc --remote lab <<-'END'
	waiting: 2 packs, N KiB, condemned by an earlier run
	END
	# The time of the list counts, not what stands in it.
	touch -d '13 days ago' ../store/condemned/*
	FILTER=$SIZES expect revfs gc --remote lab <<-'END'
	waiting: 2 packs, N KiB, condemned by an earlier run
	END
	touch -d '15 days ago' ../store/condemned/*
	FILTER=$SIZES expect revfs gc --remote lab -n <<-'END'
	would be deleted: 2 packs, N KiB
	END
	[ "$(packs)" = 6 ]
	FILTER=$SIZES expect revfs gc --remote lab <<-'END'
	deleted: 2 packs, N KiB
	END
	[ "$(packs)" = 4 ]
	[ "$(lists)" = 0 ]
	all_there v1 v2
	# What was deleted can be pushed again.
	revfs -q push
	all_there HEAD v1 v2
}

test_dry_run_changes_nothing() {
	half_pushed
	find ../store -printf '%p %s %T@\n' | sort >../before
	FILTER=$SIZES expect revfs gc --remote lab -n --keep 0 <<-'END'
	would be condemned: 2 packs, N KiB; the next run deletes them
	END
	expect_status 0 revfs gc --remote lab --forget v1
	find ../store -printf '%p %s %T@\n' | sort >../after
	cmp ../before ../after
}

# A clock of the remote that went back: nothing is old enough.
test_a_list_from_the_future_waits() {
	half_pushed
	revfs -q gc --remote lab --keep 0
	touch -d 'next year' ../store/condemned/*
	FILTER=$SIZES expect revfs gc --remote lab --keep 0 <<-'END'
	waiting: 2 packs, N KiB, condemned by an earlier run
	END
	[ "$(packs)" = 6 ]
}

# A push does not rely on what is condemned: the same records go again, under other names.
test_a_push_puts_condemned_packs_anew() {
	half_pushed
	revfs -q gc --remote lab --keep 0
	revfs -q push
	[ "$(find ../store/packs -type f ! -name '*.moved' | wc -l)" = 8 ]
	all_there HEAD v1 v2
	# The pack of data is needed again by name; only what is not goes.
	revfs -q gc --remote lab --keep 0
	revfs -q gc --remote lab --keep 0
	revfs -q gc --remote lab --keep 0
	all_there HEAD v1 v2
	expect revfs push <<-'END'
	lab: has everything
	END
	revfs -q verify
}

# From a clone that has not got what is condemned there.
test_a_push_that_needs_condemned_packs_fails() {
	local list
	pushed
	git clone -q . ../theirs
	git -C ../theirs config revfs.remote.lab.url "$PWD/../store"
	# Their snapshot goes on from data that only the remote has.
	revfs -q -C ../theirs checkout
	random 5000 theirs >../theirs/data/theirs
	revfs -q -C ../theirs snapshot -m theirs
	rm -r ../store/roots
	revfs -q gc --remote lab --keep 0
	list=$(basename ../store/condemned/*)
	cd ../theirs
	expect_status 9 revfs push
	grep -q "^revfs: the pack [0-9a-f]*, which is needed, is about to be removed from the remote 'lab' by the collection $list: push again after 'revfs gc --remote lab' has deleted it\$" "$SCRATCH/said.err"
}

test_what_is_needed_again_stays() {
	half_pushed
	revfs -q gc --remote lab --keep 0
	# The root arrives: a push that did not see the list.
	mkdir -p ../store/roots
	cp -rn .git/revfs/roots/. ../store/roots
	FILTER=$SIZES expect revfs gc --remote lab --keep 0 <<-'END'
	needed again: 2 packs, N KiB, condemned by an earlier run
	END
	[ "$(lists)" = 0 ]
	all_there HEAD v1 v2
}

test_forget_a_revision() {
	local root
	pushed
	root=$(git show v1:data.revfs | sed -n 's/^root sha256://p')
	FILTER='s/[0-9.]+ (KiB|bytes)/N/' expect revfs gc --remote lab --forget v1 <<-'END'
	would be condemned: 1 root, N; a run after 14 days deletes them
	nothing was changed: '--yes' condemns them
	END
	[ "$(lists)" = 0 ]
	FILTER='s/[0-9.]+ (KiB|bytes)/N/' expect revfs gc --remote lab --keep 0 --forget v1 --yes <<-'END'
	condemned: 1 root, N; the next run deletes them
	END
	[ "$(roots)" = 2 ]
	# A push that needs it is refused.
	expect revfs push lab v1 <<-END
	--- stderr
	revfs: the root $root, which is needed, is about to be removed from the remote 'lab' by the collection $(basename ../store/condemned/*): push again after 'revfs gc --remote lab' has deleted it
	--- status 9
	END
	# Another that does not, is not.
	random 3000 more >data/more
	revfs -q snapshot -m more
	revfs -q push
	# First the root, then what only it needed.
	revfs -q gc --remote lab --keep 0
	[ "$(roots)" = 2 ]
	FILTER=$SIZES expect revfs gc --remote lab --keep 0 <<-'END'
	deleted: 2 packs, N KiB
	END
	all_there HEAD v2
	expect revfs gc --remote lab --keep 0 <<-'END'
	nothing to remove
	END
	# It can be brought back.
	rm .git/revfs/pushed/*
	revfs -q push
	all_there HEAD v1 v2
}

# A page that nothing needs, in a pack that stays: a push that finds it there looks no further, so all below it stays.
test_what_dead_pages_in_living_packs_name_stays() {
	new_repo
	mkdir x a b
	random 10000 x >x/x
	revfs -q snapshot -m x x >/dev/null
	cp x/x a/x
	random 40000 a >a/a
	random 30000 b >b/b
	tick
	revfs -q snapshot -m both a b >/dev/null
	git tag both
	git rm -q --cached a.revfs x.revfs
	rm a.revfs x.revfs
	tick
	git commit -qm b
	revfs remote add lab ../store
	revfs -q push
	revfs -q gc --remote lab --forget both --yes
	touch -d '15 days ago' ../store/condemned/*
	revfs -q gc --remote lab --keep 0
	revfs -q gc --remote lab --keep 0
	revfs -q gc --remote lab --keep 0
	[ "$(roots)" = 1 ]
	# The pages of x are gone, its data is named by a's.
	[ "$(packs)" = 3 ]
	rm .git/revfs/pushed/*
	revfs -q push lab both
	all_there both HEAD
}

test_what_other_revisions_use_is_not_forgotten() {
	pushed
	git tag v1-again v1
	expect revfs gc --remote lab --forget v1 --yes <<-'END'
	nothing to remove
	END
	# main and v2 are the same.
	expect revfs gc --remote lab --forget v2 --yes <<-'END'
	nothing to remove
	END
	git tag -d v1-again >/dev/null
	# A later commit that goes back to the same data.
	git checkout -q v1 -- data.revfs
	tick
	git commit -q -m back
	expect revfs gc --remote lab --forget v1 --yes <<-'END'
	nothing to remove
	END
	[ "$(roots)" = 2 ]
}

test_damage_there_stops_it() {
	local root pack
	half_pushed
	root=$(git show v2:data.revfs | sed -n 's/^root sha256://p')
	chmod u+w "../store/roots/${root:0:2}/$root"
	printf x | dd of="../store/roots/${root:0:2}/$root" bs=1 seek=120 conv=notrunc status=none
	expect revfs gc --remote lab --keep 0 <<-END
	--- stderr
	revfs: nothing was removed: the root $root cannot be read at the remote 'lab': it is damaged; 'revfs verify --remote lab' says what that touches
	--- status 7
	END
	[ "$(lists)" = 0 ]
	cp ".git/revfs/roots/${root:0:2}/$root" "../store/roots/${root:0:2}/"
	pack=$(find ../store/packs -type f -size +90k -printf '%f\n')
	mv "../store/packs/${pack:0:2}/$pack" ../away
	expect revfs gc --remote lab --keep 0 <<-END
	--- stderr
	revfs: nothing was removed: the pack $pack, which the root $root needs, cannot be read at the remote 'lab': it is missing; 'revfs verify --remote lab' says what that touches
	--- status 7
	END
	[ "$(packs)" = 5 ]
	[ "$(lists)" = 0 ]
}

test_a_damaged_page_stops_it() {
	local page
	new_repo
	mkdir -p data/sub
	random 5000 a >data/sub/a
	seq 3000 | while read -r n; do echo "$n" >"data/$n"; done
	revfs -q snapshot -m one data >/dev/null
	revfs remote add lab ../store
	revfs -q push
	# The pack of pages: the one with compressible records.
	page=$(find ../store/packs -type f -size -1000k -printf '%s %p\n' | sort -n | tail -1 | cut -d' ' -f2)
	chmod u+w "$page"
	printf xxxxxxxx | dd of="$page" bs=1 seek=200 conv=notrunc status=none
	expect_status 7 revfs gc --remote lab --keep 0
	grep -q "^revfs: nothing was removed: the page [0-9a-f]* of the root [0-9a-f]* cannot be read at the remote 'lab': it is damaged;" "$SCRATCH/said.err"
	[ "$(lists)" = 0 ]
}

# Killed at any moment: the next two runs do what was left, and nothing that is needed goes.
test_a_killed_run_is_finished_by_the_next() {
	local round hits=0 top=$PWD
	for round in 1 2 3 4 5 6; do
		cd "$top"
		rm -rf repo store home2
		half_pushed
		revfs -q gc --remote lab --keep 0
		revfs -q gc --remote lab --keep 0 &
		sleep "0.0$((round * 2 % 10))"
		kill -9 $! 2>/dev/null && hits=$((hits + 1))
		wait $! || true
		revfs -q gc --remote lab --keep 0
		revfs -q gc --remote lab --keep 0
		[ "$(packs)" = 4 ]
		[ "$(lists)" = 0 ]
		all_there v1 v2
	done
	[ $hits -gt 0 ]
}

test_gc_and_push_at_once() {
	local round pushing collecting
	pushed
	for round in 1 2 3 4 5; do
		random 50000 "round $round" >"data/$round"
		tick
		revfs -q snapshot -m "$round" >/dev/null
		revfs -q push 2>../said &
		pushing=$!
		revfs -q gc --remote lab --keep 1s &
		collecting=$!
		wait $pushing || grep -q 'about to be removed\|go on removing' ../said
		wait $collecting
		revfs -q push
		all_there HEAD v1 v2
	done
}

# Through ssh: lists, times and replaced files go over the wire.
test_by_ssh() {
	half_pushed
	printf '#!/bin/bash\nwhile [ $# -gt 2 ]; do shift; done\ncd || exit 255\nexec sh -c "$2"\n' >../ssh
	chmod +x ../ssh
	export GIT_SSH_COMMAND="$PWD/../ssh"
	revfs remote set-url lab "ssh://lab.example.org$(realpath ..)/store"
	FILTER=$SIZES expect revfs gc --remote lab --keep 0 <<-'END'
	condemned: 2 packs, N KiB; the next run deletes them
	END
	expect revfs -q verify --remote lab v1 v2
	touch -d '15 days ago' ../store/condemned/*
	FILTER=$SIZES expect revfs gc --remote lab <<-'END'
	deleted: 2 packs, N KiB
	END
	[ "$(packs)" = 4 ]
	[ "$(lists)" = 0 ]
	revfs -q push
	all_there HEAD v1 v2
}

# In a bucket: the service's clock, and its lists.
test_in_a_bucket() {
	new_repo
	mkdir -p data ../s3/lab
	random 60000 one >data/one
	revfs -q snapshot -m one data >/dev/null
	"$TESTS_DIR/servers/s3" "$(realpath ../s3)" "$PWD/../ready" anonymous &
	wait_for 20 test -e ../ready
	git config revfs.remote.lab.endpoint "$(cat ../ready)"
	revfs remote add lab s3://lab/some/where
	revfs -q push
	revfs -q gc --remote lab --forget main
	git checkout -q -b other HEAD~0
	rm -r data
	git rm -q data.revfs
	git commit -q -m none
	git branch -q -D main
	git reflog expire --expire=now --all
	git tag gone HEAD~1
	FILTER='s/[0-9.]+ bytes/N bytes/' expect revfs gc --remote lab --keep 0 --forget gone --yes <<-'END'
	condemned: 1 root, N bytes; the next run deletes them
	END
	expect_status 9 revfs push lab gone
	revfs -q gc --remote lab --keep 0
	revfs -q gc --remote lab --keep 0
	expect revfs gc --remote lab --keep 0 <<-'END'
	nothing to remove
	END
	[ "$(find ../s3/lab -type f ! -name revfs-store | wc -l)" = 0 ]
}

# What puts that were killed left in ../store/tmp, of which two files are old enough; and what is none of ours.
left_behind() {
	pushed
	mkdir -p ../store/tmp
	head -c 3000 /dev/zero >../store/tmp/0123456789abcdef0123456789abcdef
	head -c 3000 /dev/zero >../store/tmp/1123456789abcdef0123456789abcdef
	head -c 3000 /dev/zero >../store/tmp/young56789abcdef0123456789abcdef
	cp ../store/tmp/0* ../store/tmp/2123456789abcdef0123456789abcdef
	cp ../store/tmp/0* ../store/tmp/notes.txt
	touch -d '15 days ago' ../store/tmp/0* ../store/tmp/1* ../store/tmp/notes.txt
	touch -d '13 days ago' ../store/tmp/2*
}

sweep() {
	expect revfs gc --remote lab -n <<-'END'
	would be swept: 2 unfinished files, 5.8 KiB
	END
	[ "$(find ../store/tmp -type f | wc -l)" = 5 ]
	expect revfs gc --remote lab <<-'END'
	swept: 2 unfinished files, 5.8 KiB
	END
	[ "$(find ../store/tmp -type f | wc -l)" = 3 ]
	[ -e ../store/tmp/notes.txt ]
	# Whatever is asked for, one that may be written to now stays.
	touch ../store/tmp/2*
	expect revfs gc --remote lab --keep 0 <<-'END'
	nothing to remove
	END
	touch -d '25 hours ago' ../store/tmp/2*
	expect revfs gc --remote lab --keep 0 <<-'END'
	swept: 1 unfinished file, 2.9 KiB
	END
	expect revfs gc --remote lab <<-'END'
	nothing to remove
	END
	[ "$(packs)" = 4 ]
	all_there v1 v2
}

test_what_killed_pushes_left_is_swept() {
	left_behind
	sweep
}

test_what_killed_pushes_left_on_another_machine_is_swept() {
	left_behind
	printf '#!/bin/bash\nwhile [ $# -gt 2 ]; do shift; done\ncd || exit 255\nexec sh -c "$2"\n' >../ssh
	chmod +x ../ssh
	export GIT_SSH_COMMAND="$PWD/../ssh"
	revfs remote set-url lab "ssh://lab.example.org$(realpath ..)/store"
	sweep
}

# What one really leaves, killed between the file's beginning and its name.
test_a_killed_push_leaves_what_can_be_swept() {
	local number=1
	pushed
	need_tool cut
	until [ -n "$(ls -A ../store/tmp)" ]; do
		rm -rf ../store .git/revfs/pushed
		mkdir -p ../store/tmp
		ASAN_OPTIONS="${ASAN_OPTIONS:-}:detect_leaks=0" "$tool" $number revfs -q push || [ $? = 137 ]
		number=$((number + 1))
		[ $number -lt 200 ]
	done
	find ../store/tmp -type f -exec touch -d '15 days ago' {} +
	revfs -q push
	expect_status 0 revfs gc --remote lab
	grep -q '^swept: 1 unfinished file' "$SCRATCH/said.out"
	[ -z "$(ls -A ../store/tmp)" ]
	all_there v1 v2
}

test_unfinished_uploads_are_aborted() {
	local pack=00/0123456789abcdef0123456789abcdef url
	new_repo
	mkdir -p data ../s3/lab
	random 60000 one >data/one
	revfs -q snapshot -m one data >/dev/null
	"$TESTS_DIR/servers/s3" "$(realpath ../s3)" "$PWD/../ready" anonymous begun=1300000 page=2 &
	wait_for 20 test -e ../ready
	url=$(cat ../ready)
	git config revfs.remote.lab.endpoint "$url"
	revfs remote add lab s3://lab/some/where
	revfs -q push
	# By the service's clock, at which files never change, they are 15 days old.  Five of packs, one beside the store, one of what is no pack.
	for key in where/packs/$pack where/packs/$pack where/packs/$pack where/packs/$pack where/packs/$pack \
		else/packs/$pack where/packs/notes; do
		python3 - "$url/lab/some/$key?uploads=" <<-'END'
		import hashlib, sys, urllib.request
		sha = hashlib.sha256(b"").hexdigest()
		urllib.request.urlopen(urllib.request.Request(sys.argv[1], b"", {"x-amz-content-sha256": sha})).read()
		END
	done
	expect revfs gc --remote lab --keep 20d <<-'END'
	nothing to remove
	END
	expect revfs gc --remote lab -n <<-'END'
	would be swept: 5 unfinished files
	END
	not grep -q '^abort' ../ready.log
	expect revfs gc --remote lab <<-'END'
	swept: 5 unfinished files
	END
	[ "$(grep -c '^abort.* 204' ../ready.log)" = 5 ]
	not grep '^abort' ../ready.log | grep -v "^abort /lab/some/where/packs/$pack?"
	expect revfs gc --remote lab <<-'END'
	nothing to remove
	END
	# Who may not look for them collects all the same, and is told.
	echo uploads 403:AccessDenied >../ready.plan
	expect revfs gc --remote lab <<-'END'
	nothing to remove
	--- stderr
	revfs: warning: cannot remove what pushes that were killed left at the remote 'lab': not authorised
	END
	echo uploads loop >../ready.plan
	expect_status 0 revfs gc --remote lab
	grep -q "warning: cannot remove what pushes .*: an answer that makes no sense\$" "$SCRATCH/said.err"
}

test_json() {
	half_pushed
	FILTER='s/"seconds":[0-9.]+/"seconds":S/;s/"bytes":[1-9][0-9]*/"bytes":N/g' expect revfs gc --remote lab --keep 0 --json <<-'END'
	{"remote":"lab","dry_run":false,"keep_seconds":0,"store":{"packs":6,"roots":2,"bytes":N},"live_pages":3,"live_chunks":0,"deleted":{"packs":0,"roots":0,"bytes":0},"condemned":{"packs":2,"roots":0,"bytes":N},"waiting":{"packs":0,"roots":0,"bytes":0},"reprieved":{"packs":0,"roots":0,"bytes":0},"repacked_packs":0,"written_bytes":0,"unreadable_packs":0,"swept":0,"seconds":S}
	END
}

test_the_shared_files_word_is_not_enough() {
	half_pushed
	git commit -qm shared .revfs/config
	git config --remove-section revfs.remote.lab
	expect revfs gc --remote lab --keep 0 <<-'END'
	--- stderr
	revfs: only the shared '.revfs/config' names 'SCRATCH/test_the_shared_files_word_is_not_enough/store' for the remote 'lab': '--yes' says that garbage is to be removed there
	--- status 11
	END
	[ "$(lists)" = 0 ]
	revfs -q gc --remote lab --keep 0 --yes
	[ "$(lists)" = 1 ]
}

test_usage() {
	new_repo
	expect revfs gc --remote lab <<-'END'
	--- stderr
	revfs: there is no remote 'lab': 'revfs remote' lists them
	--- status 4
	END
	revfs remote add lab ../store
	expect revfs gc --remote lab <<-'END'
	--- stderr
	revfs: there is no store at the remote 'lab' (SCRATCH/test_usage/store): is it mounted?
	--- status 5
	END
	expect revfs gc --forget v1 <<-'END'
	--- stderr
	revfs: --forget wants --remote
	see 'revfs help gc'
	--- status 2
	END
	expect revfs gc --remote lab --forget <<-'END'
	--- stderr
	revfs: --forget wants revisions
	see 'revfs help gc'
	--- status 2
	END
	revfs remote add web http://127.0.0.1:1/store
	expect_status 5 revfs gc --remote web
}

run_tests
