#!/bin/bash
# revfs mirror: one remote gets everything that another has.
. "${0%/*}/../cli/harness"

NUMBERS='s/ roots, [0-9.]+ [A-Za-z]+(, [0-9.]+ s)?/ roots, N, N s/;s/"(bytes|seconds)":[0-9.e-]+/"\1":N/g'

# Two snapshots at the remote lab, ../lab; and the remote backup, ../backup, which is not there yet.
new_lab() {
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
	revfs remote add lab ../lab
	revfs remote add backup ../backup
	revfs -q push lab
}

# backup_has REV...: a clone reads REV from ../backup alone.
backup_has() {
	local revision
	rm -rf ../clone
	git clone -q . ../clone
	git -C ../clone config revfs.remote.backup.url "$PWD/../backup"
	revfs -q cache clear
	for revision in $(git rev-parse "$@"); do
		rm -rf ../here ../there
		revfs -q export "$revision" ../here
		revfs -q -C ../clone export "$revision" "$PWD/../there"
		diff -r ../here ../there
	done
}

test_everything_goes_once() {
	new_lab
	FILTER=$NUMBERS expect revfs mirror -n lab backup <<-'END'
	backup: 4 packs, 2 roots, N, N s
	nothing was sent
	END
	[ ! -e ../backup ]
	FILTER=$NUMBERS expect revfs mirror lab backup <<-'END'
	backup: 4 packs, 2 roots, N, N s
	END
	diff -r ../lab ../backup
	[ -z "$(ls .git/revfs/tmp)" ]
	backup_has HEAD v1
	expect revfs mirror lab backup <<-'END'
	backup: has everything
	END
	echo more >data/more
	revfs -q snapshot -m third
	revfs -q push lab
	FILTER=$NUMBERS expect revfs mirror --json lab backup <<-'END'
	{"from":"lab","to":"backup","dry_run":false,"packs":1,"moved":0,"roots":1,"bytes":N,"condemned":0,"seconds":N}
	END
	diff -r ../lab ../backup
}

test_urls_and_folders_need_no_name() {
	new_lab
	FILTER=$NUMBERS expect revfs mirror "file://$(realpath ../lab)" ../other <<-'END'
	SCRATCH/test_urls_and_folders_need_no_name/other: 4 packs, 2 roots, N, N s
	END
	diff -r ../lab ../other
}

# What goes as parts of packs is told by moved files.
test_moved_files_go_too() {
	new_repo
	mkdir public secret
	head -c 300000 /dev/urandom >public/a
	head -c 300000 /dev/urandom >secret/b
	revfs -q snapshot -m both public secret
	git rm -q secret.revfs
	git commit -q --amend -m public
	revfs remote add lab ../lab
	revfs remote add backup ../backup
	revfs -q push lab
	FILTER=$NUMBERS expect revfs mirror --json lab backup <<-'END'
	{"from":"lab","to":"backup","dry_run":false,"packs":2,"moved":2,"roots":1,"bytes":N,"condemned":0,"seconds":N}
	END
	diff -r ../lab ../backup
	backup_has HEAD
	expect revfs mirror lab backup <<-'END'
	backup: has everything
	END
	# What another put there of the same pack stays, and leads to its own.
	rm -r ../backup
	rm -r .git/revfs/pushed
	revfs -q push backup
	FILTER=$NUMBERS expect revfs mirror lab backup <<-'END'
	backup: 2 packs, 0 roots, N, N s
	END
	backup_has HEAD
}

test_a_truncated_copy_is_made_anew() {
	local pack
	new_lab
	revfs -q mirror lab backup
	pack=$(find ../backup/packs -type f -size +400k)
	chmod u+w "$pack"
	truncate -s 1000 "$pack"
	FILTER=$NUMBERS expect revfs mirror lab backup <<-'END'
	backup: 1 packs, 0 roots, N, N s
	END
	diff -r ../lab ../backup
}

# Two whole packs of one name: nothing is written over.
test_a_forged_pack_replaces_nothing() {
	local pack other
	new_lab
	revfs -q mirror lab backup
	pack=$(find ../lab/packs -type f -size +400k)
	other=$(find ../lab/packs -type f -size +50k ! -size +400k)
	chmod u+w "$pack"
	cp "$other" "$pack"
	FILTER='s|packs/[0-9a-f/]+|PACK|' expect revfs mirror lab backup <<-'END'
	--- stderr
	revfs: 'PACK' at 'SCRATCH/test_a_forged_pack_replaces_nothing/lab' is damaged: what went before stays at 'SCRATCH/test_a_forged_pack_replaces_nothing/backup'
	--- status 7
	END
	backup_has HEAD v1
}

test_damage_does_not_spread() {
	local pack
	new_lab
	pack=$(find ../lab/packs -type f -size +400k)
	chmod u+w "$pack"
	printf XXXXXXXXXXXXXXXX | dd of="$pack" bs=1 seek=300000 conv=notrunc status=none
	FILTER='s|packs/[0-9a-f/]+|PACK|' expect revfs mirror lab backup <<-'END'
	--- stderr
	revfs: 'PACK' at 'SCRATCH/test_damage_does_not_spread/lab' is damaged: what went before stays at 'SCRATCH/test_damage_does_not_spread/backup'
	--- status 7
	END
	[ ! -e "../backup/${pack#../lab/}" ]
	[ ! -e ../backup/roots ]
	[ -z "$(ls .git/revfs/tmp)" ]
}

condemn() { # condemn STORE PACK
	mkdir -p "$1/condemned"
	printf 'revfs-condemned 1.0\nsince 1767225600\npack %s\nend 1\n' "$2" >"$1/condemned/0123456789abcdef0123456789abcdef"
}

test_what_is_condemned() {
	local pack
	new_lab
	# A pack that nothing needs.
	rm -rf ../other
	mkdir ../other
	git init -q ../other/r
	head -c 5000 /dev/urandom >../other/r/x
	revfs -q -C ../other/r snapshot -m x x
	pack=$(find ../other/r/.git/revfs/packs -type f -size +5k)
	mkdir -p "../lab/packs/$(basename "${pack%/*}")"
	cp "$pack" "../lab/packs/$(basename "${pack%/*}")"
	condemn ../lab "${pack##*/}"
	FILTER=$NUMBERS expect revfs mirror lab backup <<-'END'
	lab: 1 packs and roots that are about to be removed there were left out
	backup: 4 packs, 2 roots, N, N s
	END
	[ "$(find ../backup/packs -type f | wc -l)" = 4 ]
	# Nothing is built on what the other side is about to remove.
	pack=$(find ../backup/packs -type f | head -n 1)
	condemn ../backup "${pack##*/}"
	FILTER='s|packs/[0-9a-f/]+|PACK|' expect revfs mirror lab backup <<-'END'
	--- stderr
	revfs: a garbage collection is about to remove 'PACK' at 'SCRATCH/test_what_is_condemned/backup': run this again once 'revfs gc --remote' has ended there
	--- status 9
	END
}

test_what_cannot_be() {
	new_lab
	expect revfs mirror lab <<-'END'
	--- stderr
	revfs: two remotes are to be named
	see 'revfs help mirror'
	--- status 2
	END
	expect revfs mirror lab lab <<-'END'
	--- stderr
	revfs: 'SCRATCH/test_what_cannot_be/lab' is both sides
	see 'revfs help mirror'
	--- status 2
	END
	expect revfs mirror nobody lab <<-'END'
	--- stderr
	revfs: there is no remote 'nobody': 'revfs remote' lists them; a folder is written with a '/'
	--- status 4
	END
	expect revfs mirror backup lab <<-'END'
	--- stderr
	revfs: there is no store at 'SCRATCH/test_what_cannot_be/backup'
	--- status 4
	END
	expect revfs mirror http://localhost:1/store lab <<-'END'
	--- stderr
	revfs: an HTTP server does not list what it has, so 'http://localhost:1/store' cannot be mirrored from: name its folder, bucket or ssh:// URL
	--- status 11
	END
	expect revfs mirror lab http://localhost:1/store <<-'END'
	--- stderr
	revfs: an HTTP server is only read from: nothing can be brought to 'http://localhost:1/store'
	--- status 11
	END
	git config --remove-section revfs.remote.backup
	expect revfs mirror lab backup <<-'END'
	--- stderr
	revfs: only the shared '.revfs/config' names 'SCRATCH/test_what_cannot_be/backup' for the remote 'backup': 'revfs remote trust backup' says that data may go there
	--- status 11
	END
	[ ! -e ../backup ]
	mkdir ../backup
	echo 'revfs-store 2.0' >../backup/revfs-store
	git config revfs.remote.backup.url "$(realpath ../backup)"
	expect revfs mirror lab backup <<-'END'
	--- stderr
	revfs: the store at 'SCRATCH/test_what_cannot_be/backup' was written by a later version of revfs: upgrade this one
	--- status 11
	END
}

# By ssh, to a bucket and back.
test_kinds_that_list() {
	new_lab
	cat >../ssh <<-'END'
	#!/bin/bash
	while [ $# -gt 2 ]; do
		shift
	done
	exec sh -c "$2"
	END
	chmod +x ../ssh
	export GIT_SSH_COMMAND="$PWD/../ssh"
	mkdir -p ../s3/bucket
	"$TESTS_DIR/servers/s3" "$(realpath ../s3)" "$PWD/../ready" anonymous page=2 &
	wait_for 20 test -e ../ready
	git config revfs.remote.cloud.url s3://bucket/some/where
	git config revfs.remote.cloud.endpoint "$(cat ../ready)"
	revfs -q mirror "ssh://host$(realpath ../lab)" cloud
	revfs -q mirror cloud "ssh://host$(realpath ..)/backup"
	diff -r -x tmp ../lab ../backup
	backup_has HEAD v1
}

# Killed at any moment: a push to the same place is not misled, and the same mirror again finishes.
test_a_killed_mirror_is_finished_by_the_next() {
	local round hits=0
	new_lab
	for round in 1 2 3 4 5 6 7 8; do
		rm -rf ../backup .git/revfs/pushed/backup
		revfs -q mirror lab backup &
		sleep "0.0$((round * 2 % 5))$((round % 10))"
		kill -9 $! 2>/dev/null && hits=$((hits + 1))
		wait $! || true
		if [ $((round % 2)) = 0 ]; then
			revfs -q push backup
		else
			revfs -q mirror lab backup
		fi
		backup_has HEAD v1
	done
	[ $hits -gt 0 ]
}

test_a_push_at_the_same_time() {
	local one
	new_lab
	head -c 3000000 /dev/urandom >data/big
	revfs -q snapshot -m big
	revfs -q push lab &
	one=$!
	revfs -q mirror lab backup
	wait $one
	rm -rf ../full
	cp -r ../backup ../full
	# Every root that is there has all that it needs.
	find ../backup/roots -type f -printf '%f\n' >../roots
	git rev-list HEAD | while read -r commit; do
		grep -qf <(git show "$commit:data.revfs" | sed -n 's/root sha256://p') ../roots || continue
		backup_has "$commit"
	done
	revfs -q mirror lab backup
	backup_has HEAD v1
}

run_tests
