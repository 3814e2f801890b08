#!/bin/bash
# What other commands do with an attached dataset: snapshot, status, diff, checkout, gc.
. "${0%/*}/common"

FIGURES='s/[0-9.]+ s$/S s/; s/^commit [0-9a-f]+/commit ID/; s/read .*,/read N,/'

# attach_data: `data`, until the test ends; skips where nothing can.
attach_data() {
	need_mount
	trap 'cd "$SCRATCH"; leave' EXIT
	[ "$(id -u)" = 0 ] || command -v fuse-overlayfs >/dev/null || skip "there is no fuse-overlayfs"
	WORK=$PWD
	revfs -q attach data
}

# A process that a failure left behind would hold the mounts.
leave() {
	local job
	for job in $(jobs -p); do
		kill "$job" 2>/dev/null || true
	done
	wait
	revfs -C "$WORK" detach -f >/dev/null 2>&1 || true
	# What the test unmounted itself.
	revfs umount "$WORK/.git/revfs/attached/mount" >/dev/null 2>&1 || true
}

# unmount_data: as a restart of the machine leaves it.
unmount_data() {
	if [ "$(id -u)" = 0 ]; then
		umount data
	else
		fusermount3 -u data
	fi
}

# new_attached: a clone that has nothing but the pointer, `data` attached.
new_attached() {
	new_dataset
	tick
	mkdir data/deep
	seq 1000 >data/deep/numbers
	echo gone >data/deep/gone
	revfs -q snapshot -m second >/dev/null
	cd ..
	git clone -q repo clone
	cp -r repo/.git/revfs clone/.git/
	rm -rf clone/.git/revfs/worktree
	cd clone
	attach_data
}

# root_of FOLDER: what a plain snapshot of a copy of it records.
root_of() {
	rm -rf "$SCRATCH/plain"
	git init -q "$SCRATCH/plain"
	cp -a "$1" "$SCRATCH/plain/data"
	revfs -C "$SCRATCH/plain" -q snapshot -m plain data >/dev/null
	sed -n 's/^root //p' "$SCRATCH/plain/data.revfs"
}

# as_plain: HEAD has what is seen.
as_plain() {
	[ "$(git show HEAD:data.revfs | sed -n 's/^root //p')" = "$(root_of data)" ]
}

# Of every kind.
change_much() {
	echo new >data/new
	echo ONE >data/a.txt
	rm data/deep/gone data/link
	mv data/sub data/moved
	chmod +x data/deep/numbers
	mkdir data/link data/empty
	ln -s ../moved data/link/up
	rm -r data/large
	mkdir data/large
	echo in >data/large/in
}

test_a_snapshot_has_what_is_seen() {
	new_attached
	expect revfs status data <<-'END'
	data: unchanged; attached
	mounted at SCRATCH/test_a_snapshot_has_what_is_seen/clone/.git/revfs/attached/mount
	END
	FILTER=$FIGURES expect revfs snapshot -m none <<-'END'
	nothing changed
	END
	change_much
	FILTER='/^mounted/d' expect revfs status <<-'END'
	data: 4 added, 2 modified, 4 deleted; attached
	END
	FILTER=$FIGURES expect revfs snapshot -n <<-'END'
	data: 3 added, 2 modified, 3 deleted, 1 renamed
	read N, S s
	nothing was written
	END
	tick
	FILTER=$FIGURES expect revfs snapshot -m much <<-'END'
	data: 3 added, 2 modified, 3 deleted, 1 renamed
	read N, S s
	commit ID
	END
	as_plain
	FILTER='/^mounted/d' expect revfs status <<-'END'
	data: unchanged; attached
	END
	[ -z "$(git status --porcelain)" ]
}

# reads_little: a snapshot of one more line reads no more than that file.
reads_little() {
	echo more >>data/new
	revfs snapshot -m again | grep -qE '^read [0-9]+ bytes,'
}

test_a_later_snapshot_reads_what_changed_since() {
	new_attached
	change_much
	tick
	revfs -q snapshot -m much >/dev/null
	# As long as they are young, all are read again, and one has more than a KiB.
	[ "$(stat -c %s data/deep/numbers)" -gt 3000 ]
	wait_for 10 reads_little
	as_plain
	rm data/moved/b.txt
	tick
	FILTER="$FIGURES" expect revfs snapshot -m less <<-'END'
	data: 1 deleted
	read N, S s
	commit ID
	END
	as_plain
	# All is as it was at first.
	[ "$(revfs cat HEAD~1:data/moved/b.txt)" = two ]
}

test_what_is_not_mounted_is_no_deletion() {
	local before
	new_attached
	echo new >data/new
	rm -r data/sub
	unmount_data
	before=$(git rev-parse HEAD)
	expect revfs snapshot -m lost <<-'END'
	--- stderr
	revfs: 'data' is attached, and not mounted here now: 'revfs attach data' brings it back with all that was changed
	--- status 11
	END
	expect_status 11 revfs snapshot --force -m lost data
	[ "$(git rev-parse HEAD)" = "$before" ]
	FILTER='/^mounted/d' expect revfs status <<-'END'
	data: 1 added, 1 deleted; attached, not mounted ('revfs attach data')
	END
	expect revfs diff <<-'END'
	A data/new (4 bytes)
	D data/sub/b.txt (4 bytes)
	END
	# Others are recorded.
	mkdir more
	echo more >more/more
	expect_status 0 revfs snapshot -m more more
	echo and >>more/more
	expect_status 3 revfs snapshot -m more
	[ "$(revfs cat HEAD:more/more | wc -l)" = 2 ]
	revfs -q attach data
	tick
	revfs -q snapshot -m both data >/dev/null
	as_plain
	[ "$(cat data/new)" = new ]
}

test_a_status_says_what_is_attached() {
	new_attached
	echo new >data/new
	FILTER='s/"mounts".*//' expect revfs status --json <<-END
	{"datasets":[{"path":"data","state":"changed","committed":true,"root":"$(sed -n 's/^root sha256://p' data.revfs)","files":6,"bytes":103906,"attached":true,"mounted":true,"added":1,"modified":0,"deleted":0,"unrecordable":0,"folders":0,"became_other":false}],
	END
	mkfifo data/fifo
	FILTER='/^mounted/d' expect revfs status <<-'END'
	data: 1 added, 1 that cannot be recorded; attached
	END
	FILTER="$FIGURES" expect revfs snapshot -m fifo <<-'END'
	--- stderr
	revfs: 'data/fifo' is a FIFO, socket or device: remove it, or leave it out with --skip-special
	revfs: 'data' was left as it was
	--- status 11
	END
}

test_differences_are_those_of_plain_files() {
	new_attached
	change_much
	rm -rf ../repo/data
	cp -a data ../repo/data
	for revision in HEAD HEAD~1; do
		revfs diff "$revision" >../attached.diff
		revfs -C ../repo diff "$revision" >../plain.diff
		diff -u ../plain.diff ../attached.diff
	done
	[ "$(wc -l <../attached.diff)" -gt 8 ]
	tick
	revfs -q snapshot -m much >/dev/null
	expect revfs diff </dev/null
	revfs diff HEAD~1 >../attached.diff
	revfs diff HEAD~1 HEAD >../plain.diff
	diff -u ../plain.diff ../attached.diff
}

test_another_version_is_not_recorded_over() {
	local before
	new_attached
	echo new >data/new
	git checkout -q HEAD~1
	before=$(git rev-parse HEAD)
	expect revfs snapshot -m wrong <<-'END'
	--- stderr
	revfs: 'data.revfs' is another version than 'data' shows (another branch?): 'revfs attach data' follows it where nothing was changed, with --rebase carries changes over, and 'revfs snapshot --force data' records what is there
	--- status 11
	END
	FILTER='/^mounted/d' expect revfs status <<-'END'
	data: 1 added, based on another version than the pointer's ('revfs attach --rebase data'); attached
	END
	[ "$(git rev-parse HEAD)" = "$before" ]
	rm data/new
	FILTER='/^mounted/d' expect revfs status <<-'END'
	data: another version than the pointer's ('revfs attach data' follows it); attached
	END
	git checkout -q -
	FILTER='/^mounted/d' expect revfs status <<-'END'
	data: unchanged; attached
	END
}

test_a_revision_without_the_dataset_says_so() {
	new_attached
	git checkout -q "$(git rev-list --max-parents=0 HEAD)"
	[ ! -e data.revfs ]
	[ -z "$(git status --porcelain)" ]
	FILTER='/^mounted/d' expect revfs status <<-'END'
	data: no dataset of this revision ('revfs detach data'); attached
	END
	expect revfs snapshot -m nothing <<-'END'
	nothing changed
	END
	git checkout -q -
	FILTER='/^mounted/d' expect revfs status <<-'END'
	data: unchanged; attached
	END
}

test_a_pointer_that_moves_meanwhile_is_kept() {
	local before
	new_attached
	# A git that moves the pointer where a snapshot asks it for the last time before it reads.
	cat >../git <<-END
	#!/bin/bash
	if [[ \$* == *check-ignore* ]] && [ -e "$PWD/../move" ]; then
		rm "$PWD/../move"
		env -u GIT_DIR -u GIT_WORK_TREE "$(command -v git)" -C "$PWD" checkout -q HEAD~1 -- data.revfs
	fi
	exec "$(command -v git)" "\$@"
	END
	chmod +x ../git
	echo new >data/new
	before=$(git rev-parse HEAD)
	touch ../move
	PATH=$PWD/..:$PATH expect revfs snapshot -m meanwhile <<-'END'
	--- stderr
	revfs: 'data.revfs' changed while 'data' was recorded (git switch, git pull?): nothing was committed, run this again
	--- status 5
	END
	[ ! -e ../move ]
	[ "$(git rev-parse HEAD)" = "$before" ]
	[ "$(git status --porcelain)" = "M  data.revfs" ]
	git checkout -q HEAD -- data.revfs
	tick
	revfs -q snapshot -m again >/dev/null
	as_plain
}

test_most_files_gone_is_no_deletion() {
	new_attached
	find data -mindepth 1 -delete
	expect revfs snapshot -m gone <<-'END'
	--- stderr
	revfs: 6 of 6 files in 'data' are gone, which is not taken for a deletion: 'revfs detach -f data' and 'revfs attach data' bring them back, --force records what is there
	--- status 11
	END
	tick
	revfs -q snapshot --force -m gone >/dev/null
	as_plain
	[ "$(sed -n 's/^files //p' data.revfs)" = 0 ]
}

test_a_checkout_does_not_write_there() {
	new_attached
	echo new >data/new
	expect revfs checkout </dev/null
	expect revfs checkout data <<-'END'
	--- stderr
	revfs: 'data' is attached, and checkout does not write there: 'revfs attach data' lets it follow its pointer, 'revfs detach data' makes it a plain folder again
	--- status 11
	END
	expect_status 11 revfs checkout -f data/sub
	git checkout -q HEAD~1
	expect_status 11 revfs checkout
	[ "$(cat data/new)" = new ]
	unmount_data
	expect_status 11 revfs checkout -f data
	[ -z "$(ls -A data)" ]
}

# Neither the commit nor its dataset is named by anything else.
test_what_lies_below_is_not_collected() {
	new_attached
	echo new >data/new
	git checkout -q HEAD~1
	git branch -q -D main
	git remote remove origin
	git reflog expire --expire=now --all
	rm -f .git/ORIG_HEAD
	unmount_data
	revfs umount .git/revfs/attached/mount
	revfs gc --keep 0 >/dev/null
	revfs gc --keep 0 >/dev/null
	# It says that HEAD has another version.
	revfs -q attach data >/dev/null 2>&1 || true
	[ "$(cat data/new)" = new ]
	[ "$(tail -n 1 data/deep/numbers)" = 1000 ]
}

test_an_upper_folder_that_is_gone_is_said() {
	local upper
	new_attached
	upper=$(echo "$PWD"/.git/revfs/attached/*/upper)
	unmount_data
	mv "$upper" "$upper.away"
	FILTER='s/[0-9a-f]{32}/NAME/' expect revfs status <<-'END'
	--- stderr
	revfs: the folder 'SCRATCH/test_an_upper_folder_that_is_gone_is_said/clone/.git/revfs/attached/NAME/upper', which has what was changed in 'data', is gone: 'revfs detach -f data' gives that up
	--- status 11
	END
	mv "$upper.away" "$upper"
	revfs -q attach data
}

# A file that somebody has open and writes to goes on as if nothing was; what is written later is in the next snapshot.
test_open_files_go_on() {
	new_attached
	exec 7>>data/log
	echo first >&7
	tick
	revfs -q snapshot -m first >/dev/null
	echo second >&7
	tick
	revfs -q snapshot -m second >/dev/null
	echo third >&7
	exec 7>&-
	[ "$(revfs cat HEAD~1:data/log | wc -l)" = 1 ]
	[ "$(revfs cat HEAD:data/log | wc -l)" = 2 ]
	[ "$(wc -l <data/log)" = 3 ]
	FILTER='/^mounted/d' expect revfs status <<-'END'
	data: 1 modified; attached
	END
}

test_a_database_in_use_is_recorded_twice() {
	local revision
	need python3
	new_attached
	cat >../use.py <<-'END'
	import sqlite3, subprocess
	base = sqlite3.connect('data/base.sqlite')
	base.execute('pragma journal_mode=wal')
	base.execute('pragma wal_autocheckpoint=0')
	base.execute('create table t(x)')
	for rows, name in (10, 'ten'), (5000, 'many'):
	    base.executemany('insert into t values(?)', [(x,) for x in range(rows)])
	    base.commit()
	    subprocess.run(['revfs', '-q', 'snapshot', '-m', name], check=True, stdout=subprocess.DEVNULL)
	print(base.execute('select count(*) from t').fetchone()[0])
	END
	cat >../check.py <<-'END'
	import sqlite3, sys
	base = sqlite3.connect(sys.argv[1] + '/base.sqlite')
	print(base.execute('select count(*) from t').fetchone()[0], base.execute('pragma integrity_check').fetchone()[0])
	END
	[ "$(python3 ../use.py)" = 5010 ]
	for revision in HEAD~1 HEAD; do
		revfs -q export "$revision:data" "../$revision"
		python3 ../check.py "../$revision"
	done >../counts
	printf '10 ok\n5010 ok\n' | diff -u - ../counts
}

test_a_file_that_changes_all_the_time_is_named() {
	local try status
	# Of fuse-overlayfs the kernel holds back what is written while the upper folder is read.
	need_root
	new_attached
	head -c 20000000 /dev/zero >data/busy
	yes | dd of=data/busy bs=1 conv=notrunc status=none &
	wait_for 10 grep -q y data/busy
	# Where others take the processor, nothing may be written for as long as one read takes.
	for try in {1..20}; do
		status=0
		revfs -q snapshot -m "busy $try" 2>../said || status=$?
		[ $status = 0 ] || break
	done
	[ $status = 5 ]
	diff -u - ../said <<-'END'
	revfs: 'data/busy' changed while it was read: run this again when nobody writes to it
	revfs: 'data' was left as it was
	END
	kill $!
	wait || true
	tick
	revfs -q snapshot -m quiet >/dev/null
	as_plain
}

# What git runs of `revfs install`: attached datasets follow, those with changes and those that are not attached do not.
test_hooks_let_it_follow() {
	new_attached
	revfs -q install
	mkdir plain
	echo plain >plain/file
	revfs -q snapshot -m plain plain >/dev/null
	rm -r plain
	git switch -q -c old HEAD~2
	[ ! -e data/deep/gone ]
	git switch -q main
	[ "$(cat data/deep/gone)" = gone ]
	[ ! -e plain ]
	# A snapshot of another branch comes with a merge.
	git switch -q -c other
	echo new >data/new
	tick
	revfs -q snapshot -m new data >/dev/null
	git switch -q main
	[ ! -e data/new ]
	git merge -q other
	[ "$(cat data/new)" = new ]
	# And with a rebase.
	git switch -q old
	new_commit aside
	git rebase -q main
	[ "$(cat data/new)" = new ]
	# What is in no snapshot stays.
	echo more >data/more
	git switch -q --detach main~2 2>../said || true
	grep -q "data" ../said
	[ "$(cat data/more)" = more ]
	[ "$(cat data/new)" = new ]
}

# Two branches that changed different files merge by themselves; where there is a conflict, a plain folder settles it.
test_merges_come_in() {
	new_attached
	revfs -q install >/dev/null
	git switch -q -c theirs
	echo theirs >data/theirs
	echo theirs >data/a.txt
	tick
	revfs -q snapshot -m theirs >/dev/null
	git switch -q main
	echo ours >data/ours
	tick
	revfs -q snapshot -m ours >/dev/null
	tick
	git merge -q -m merged theirs 2>&1
	cat data/theirs data/ours data/a.txt >../seen
	printf 'theirs\nours\ntheirs\n' | diff -u - ../seen
	git switch -q theirs
	echo again >data/again
	echo THEIRS >data/a.txt
	tick
	revfs -q snapshot -m again >/dev/null
	git switch -q main
	echo OURS >data/a.txt
	tick
	revfs -q snapshot -m other >/dev/null
	not git merge -q -m conflict theirs >/dev/null 2>&1
	FILTER='/^mounted/d' expect revfs status <<-'END'
	data: another version than the pointer's ('revfs detach data', then 'revfs checkout data'); attached; in conflict, until 'revfs snapshot data' says that it is resolved
	  conflict in 'data/a.txt': ours has a file of 5 bytes, theirs has a file of 7 bytes
	END
	expect revfs snapshot -m early data <<-'END'
	--- stderr
	revfs: 'data.revfs' has what was merged, and 'data', which is attached, does not show it: 'revfs detach data', then 'revfs checkout data' bring it
	--- status 11
	END
	revfs -q detach data
	revfs -q checkout data
	revfs -q checkout --theirs data/a.txt
	tick
	revfs -q snapshot -m resolved data >/dev/null
	git commit -q -m resolved
	revfs -q attach data
	cat data/again data/ours data/a.txt >../seen
	printf 'again\nours\nTHEIRS\n' | diff -u - ../seen
}

# Each its own upper folder, above another revision.
test_two_worktrees_are_recorded_apart() {
	new_attached
	git branch -q other HEAD~1
	git worktree add -q ../other other
	trap 'cd "$SCRATCH"; revfs -C "$WORK/../other" detach -f >/dev/null 2>&1; leave' EXIT
	revfs -C ../other -q attach
	echo here >data/here
	echo there >../other/data/there
	tick
	revfs -q snapshot -m here >/dev/null
	tick
	revfs -C ../other -q snapshot -m there >/dev/null
	[ "$(revfs cat main:data/here)" = here ]
	[ "$(revfs cat other:data/there)" = there ]
	expect_status 4 revfs cat main:data/there
	expect_status 4 revfs cat other:data/deep/gone
	as_plain
}

# work_in FOLDER: what people's programs do to one.
work_in() {
	tar -x -C "$1" -f ../files.tar
	if command -v rsync >/dev/null; then
		rsync -a --delete ../files/ "$1/deep/"
		echo changed >>../files/3
		rsync -a --inplace ../files/ "$1/deep/"
	else
		rm -r "$1/deep"
		cp -a ../files "$1/deep"
	fi
	sed -i 's/one/two/' "$1/a.txt"
	truncate -s 70000 "$1/large"
	printf XXX | dd of="$1/large" bs=1 seek=5000 conv=notrunc status=none
	ln "$1/a.txt" "$1/same"
	ln -f "$1/sub/b.txt" "$1/again"
	mv "$1/sub" "$1/deep/moved"
	git --git-dir=../git-of-files --work-tree="$1" checkout -q -f
	install -m 755 "$1/large" "$1/program"
	: >"$1/empty"
	find "$1/deep" -name '1*' -delete
}

test_programs_work_there() {
	local i
	new_attached
	mkdir ../files ../git-of-files
	for i in {1..200}; do
		seq "$i" >"../files/$i"
	done
	ln -s 5 ../files/link
	tar -C ../files -cf ../files.tar .
	git init -q --bare ../git-of-files
	git --git-dir=../git-of-files --work-tree=../files add 7 8 9
	git --git-dir=../git-of-files --work-tree=../files commit -q -m files
	cp -a data ../copy
	# Snapshots all the while, each of what was there then.
	(
		while [ ! -e ../done ]; do
			revfs -q snapshot -m meanwhile >/dev/null 2>&1 || true
		done
	) &
	work_in data
	: >../done
	wait
	rm -rf ../files
	mkdir ../files
	tar -C ../files -xf ../files.tar
	work_in ../copy
	diff -r data ../copy
	tick
	revfs -q snapshot -m 'at the end' >/dev/null
	as_plain
	[ "$(root_of data)" = "$(root_of ../copy)" ]
	# A repository in it is named and refused.
	git init -q data/deep
	expect_status 11 revfs snapshot -m repository
	grep -q "'data/deep/.git'" "$SCRATCH/said.err"
}

# What lies below is at a remote alone, and that is gone for a while: nothing is lost.
test_a_remote_that_is_away_is_waited_for() {
	new_dataset
	revfs remote add lab ../store
	git commit -q -m where .revfs/config
	revfs -q push
	cd ..
	git clone -q repo clone
	cd clone
	attach_data
	git config revfs.io-timeout 1
	echo new >data/new
	mv ../store ../away
	# As little as it may be, some page is in the cache.
	expect_status 0 revfs cache clear
	rm -rf .git/revfs/cache
	expect revfs snapshot -m new <<-'END'
	--- stderr
	revfs: cannot read 'data': it is not there
	--- status 5
	END
	expect_status 5 revfs status
	[ "$(git rev-list --count HEAD)" = 3 ]
	mv ../away ../store
	tick
	revfs -q snapshot -m new >/dev/null
	[ "$(revfs cat HEAD:data/new)" = new ]
	[ "$(cat data/sub/b.txt)" = two ]
}

# Written through an open file, and not yet handed on by the kernel; written through a mapping.
test_what_the_kernel_holds_is_recorded() {
	need python3
	new_attached
	head -c 100000 /dev/zero >data/mapped
	cat >../hold.py <<-'END'
	import mmap, subprocess
	log, mapped = open('data/log', 'w'), open('data/mapped', 'r+b')
	page = mmap.mmap(mapped.fileno(), 0)
	for number in b'123':
	    print(chr(number), file=log, flush=True)
	    page[5] = number
	    subprocess.run(['revfs', '-q', 'snapshot', '-m', chr(number)], check=True)
	END
	python3 ../hold.py
	for number in 1 2 3; do
		[ "$(revfs cat "HEAD~$((3 - number)):data/log" | tail -n 1)" = $number ]
		[ "$(revfs cat "HEAD~$((3 - number)):data/mapped" | tr -d '\0')" = $number ]
	done
}

# Each state of a random model, as in tests/cli/snapshot_model.sh.
test_random_states_come_back() {
	local seed=${SEED:-$RANDOM}
	need_mount
	need python3
	[ "$(id -u)" = 0 ] || need fuse-overlayfs
	echo "SEED=$seed"
	python3 -B "$TESTS_DIR/model/attached.py" "$seed" 5 12
}

run_tests
