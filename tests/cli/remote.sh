#!/bin/bash
# revfs remote, and reading from remotes what the repository's own store lacks.
. "${0%/*}/../cli/harness"

# A repository that has data, its store copied to ../store, and a clone ./ that has none.
new_clone() {
	new_repo
	mkdir -p data/sub
	echo one >data/a.txt
	seq 2000 >data/sub/numbers
	head -c 600000 /dev/urandom >data/large
	: >data/empty
	ln -s a.txt data/link
	revfs -q snapshot -m first data
	git tag v1
	echo two >data/a.txt
	echo new >data/new.txt
	revfs -q snapshot -m second
	mkdir ../store
	cp -r .git/revfs/revfs-store .git/revfs/packs .git/revfs/roots ../store
	cd ..
	mv repo origin
	git clone -q origin repo
	cd repo || return 1
}

test_add_list_set_and_remove() {
	new_repo
	mkdir ../lab ../other
	expect revfs remote <<-'END'
	END
	revfs remote add lab ../lab
	expect revfs remote <<-'END'
	lab	SCRATCH/test_add_list_set_and_remove/lab
	END
	expect git config -f .revfs/config remote.lab.url <<-'END'
	SCRATCH/test_add_list_set_and_remove/lab
	END
	expect git status --short <<-'END'
	A  .revfs/config
	END
	expect revfs remote add lab ../other <<-'END'
	--- stderr
	revfs: there is a remote 'lab' already: 'revfs remote set-url' changes it
	--- status 11
	END
	revfs remote set-url lab ../other/yet-to-come
	revfs remote add backup file:///srv/backup
	git config -f .revfs/config remote.backup.priority 5
	expect revfs remote list --json <<-'END'
	{"remotes":[{"name":"backup","url":"file:///srv/backup","priority":5,"tracked":false},{"name":"lab","url":"SCRATCH/test_add_list_set_and_remove/other/yet-to-come","priority":0,"tracked":false}]}
	END
	git config --remove-section revfs.remote.backup
	expect revfs remote list --json <<-'END'
	{"remotes":[{"name":"backup","url":"file:///srv/backup","priority":5,"tracked":true},{"name":"lab","url":"SCRATCH/test_add_list_set_and_remove/other/yet-to-come","priority":0,"tracked":false}]}
	END
	revfs remote remove lab
	revfs remote remove backup
	expect revfs remote <<-'END'
	END
	expect revfs remote remove lab <<-'END'
	--- stderr
	revfs: there is no remote 'lab': 'revfs remote' lists them
	--- status 4
	END
}

test_what_is_no_remote_is_refused() {
	new_repo
	local name
	for name in -x .x 'a b' a/b '' "$(printf 'x%.0s' {1..101})"; do
		revfs remote add -- "$name" /srv && return 1
	done
	expect revfs remote add x gopher://host/store <<-'END'
	--- stderr
	revfs: no remote of the kind 'gopher://host/store' is known: a path, file://, http://, https://, s3:// and ssh:// are
	--- status 11
	END
	expect revfs remote add x <<-'END'
	--- stderr
	revfs: 'revfs remote add' takes 2 arguments
	see 'revfs help remote'
	--- status 2
	END
	expect revfs remote frobnicate <<-'END'
	--- stderr
	revfs: 'frobnicate' is not one of add, list, remove, set-url, trust
	see 'revfs help remote'
	--- status 2
	END
	expect revfs remote <<-'END'
	END
	[ ! -e .revfs ]
}

test_a_clone_reads_every_revision() {
	new_clone
	revfs -q cat HEAD:data/a.txt 2>../said && return 1
	grep -q 'there is no store here' ../said
	git config revfs.remote.lab.url "$PWD/../store"
	expect revfs cat HEAD:data/a.txt v1:data/a.txt <<-'END'
	two
	one
	END
	revfs -q export HEAD:data ../out
	diff -r ../out ../origin/data
	expect revfs diff --name-status v1 HEAD <<-'END'
	M	data/a.txt
	A	data/new.txt
	END
	revfs archive HEAD:data | tar -x -C "$(mktemp -d -p ..)" -f -
	expect revfs ls v1:data <<-'END'
	a.txt
	empty
	large
	link
	sub
	END
}

# What a remote sends is not believed, and the next one asked.
test_a_damaged_remote_is_passed_over() {
	local file
	new_clone
	cp -r ../store ../damaged
	chmod -R u+w ../damaged
	for file in ../damaged/packs/*/*; do
		# Every record, but for the header of the pack.
		python3 - "$file" <<-'END'
		import sys
		data = bytearray(open(sys.argv[1], "rb").read())
		for i in range(64, len(data), 16):
		    data[i] ^= 1
		open(sys.argv[1], "wb").write(data)
		END
	done
	git config revfs.remote.a.url "$PWD/../damaged"
	expect revfs cat HEAD:data/a.txt <<-'END'
	two
	END
	revfs cat HEAD:data/large >../large 2>../said && return 1
	grep -q "cannot read 'HEAD:data/large': damaged data" ../said
	git config revfs.remote.b.url "$PWD/../store"
	revfs cat HEAD:data/large | cmp - ../origin/data/large
	rm -r ../damaged/packs
	revfs cat HEAD:data/large | cmp - ../origin/data/large
	rm -r ../damaged
	revfs cat HEAD:data/large | cmp - ../origin/data/large
}

# What the repository's own store has lost comes from the remote as well.
test_damage_here_is_mended_from_there() {
	local file
	new_clone
	cd ../origin
	git config revfs.remote.lab.url "$PWD/../store"
	chmod -R u+w .git/revfs
	rm -r .git/revfs/hints
	for file in .git/revfs/packs/*/*; do truncate -s 100 "$file"; done
	revfs -q export HEAD:data ../out
	diff -r ../out data
	rm -r .git/revfs/packs ../out
	revfs -q export HEAD:data ../out
	diff -r ../out data
}

test_a_remote_that_is_not_there_is_waited_for() {
	new_clone
	mv ../store ../later
	git config revfs.remote.lab.url "$PWD/../store"
	revfs cat HEAD:data/a.txt >../said &
	sleep 0.7
	[ ! -s ../said ]
	mv ../later ../store
	wait $!
	[ "$(cat ../said)" = two ]
}

test_a_wait_ends_with_a_signal() {
	new_clone
	git config revfs.remote.lab.url "$PWD/../none"
	revfs cat HEAD:data/a.txt &
	sleep 0.3
	kill -TERM $!
	local status=0
	wait $! || status=$?
	[ $status = 143 ]
}

# Only what is kept is said to be confirmed.
test_what_git_does_not_keep_is_not_confirmed() {
	local git
	new_repo
	mkdir .revfs ../bin
	git config -f .revfs/config remote.lab.url s3://lab/store
	git config -f .revfs/config remote.lab.endpoint http://127.0.0.1:9
	git=$(command -v git)
	export REFUSED=nothing
	cat >../bin/git <<-END
	#!/bin/sh
	case "\$*" in *"\$REFUSED"*) echo 'it is raining' >&2; exit 1 ;; esac
	exec '$git' "\$@"
	END
	chmod +x ../bin/git
	export PATH=$PWD/../bin:$PATH
	REFUSED='config --local revfs.remote.lab.url' expect revfs remote trust lab <<-'END'
	--- stderr
	revfs: warning: cannot keep 'revfs.remote.lab.url' in this clone's settings: it is raining
	revfs: cannot keep the place of 'lab': git refused; nothing is kept
	--- status 11
	END
	REFUSED='config --local revfs.remote.lab.endpoint' expect revfs remote trust lab <<-'END'
	--- stderr
	revfs: warning: cannot keep 'revfs.remote.lab.endpoint' in this clone's settings: it is raining
	revfs: cannot keep the endpoint of 'lab': git refused; its URL is kept
	--- status 11
	END
	[ "$(git config revfs.remote.lab.url)" = s3://lab/store ]
	expect revfs remote trust lab <<-'END'
	lab: 's3://lab/store' at 'http://127.0.0.1:9'
	END
	[ "$(git config revfs.remote.lab.endpoint)" = http://127.0.0.1:9 ]
}

run_tests
