#!/bin/bash
# Remotes that are folders of other machines.
. "${0%/*}/../cli/harness"

# An ssh that runs here what it is to run there, from the home folder; ../ssh.log has its arguments, a line each.
fake_ssh() {
	cat >../ssh <<-'END'
	#!/bin/bash
	here=${0%/*}
	printf '%s\n' "$#" "$@" >>"$here/ssh.log"
	while [ $# -gt 2 ]; do
		shift
	done
	cd || exit 255
	exec sh -c "$2"
	END
	chmod +x ../ssh
	export GIT_SSH_COMMAND="$PWD/../ssh"
	STORE=$(realpath ..)/store
}

# A repository with data, the remote lab that has it, and a clone ./ that has none.
new_clone() {
	new_repo
	fake_ssh
	mkdir -p data/sub
	seq 3000 >data/sub/numbers
	head -c 6000000 /dev/urandom >data/large
	echo one >data/a.txt
	head -c 5000 /dev/urandom >data/b
	revfs -q snapshot -m first data
	revfs remote add lab "ssh://lab.example.org$STORE"
	revfs -q push
	git add .revfs
	git commit -q -m "where the data is"
	cd ..
	mv repo origin
	git clone -q origin repo
	cd repo || return 1
	git config revfs.io-timeout 20
}

assert_all_there() {
	rm -rf ../out
	revfs -q export HEAD:data ../out
	diff -r ../out ../origin/data
}

test_a_clone_reads_what_was_pushed() {
	new_clone
	[ -z "$(ls -A "$STORE/tmp")" ]
	diff -r "$STORE/packs" ../origin/.git/revfs/packs
	: >../ssh.log
	assert_all_there
	# By one connection.
	FILTER="s/'.*'/PATH/" expect cat ../ssh.log <<-'END'
	9
	-o
	BatchMode=yes
	-o
	ConnectTimeout=15
	-o
	ServerAliveInterval=10
	-T
	lab.example.org
	revfs serve --stdio PATH
	END
	revfs -q checkout
	echo more >data/more
	revfs -q snapshot -m more
	revfs -q push --yes
	git push -q origin HEAD:refs/heads/more
	git clone -q -b more ../origin ../third
	cd ../third
	[ "$(revfs cat HEAD:data/more)" = more ]
}

run_tests
