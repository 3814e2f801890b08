#!/bin/bash
# Remotes that are folders of other machines.
. "${0%/*}/../cli/harness"

# An ssh that runs here what it is to run there, from the home folder; ../ssh.log has its arguments, a line each.  What
# stands in ../plan is done before.
fake_ssh() {
	cat >../ssh <<-'END'
	#!/bin/bash
	here=${0%/*}
	printf '%s\n' "$#" "$@" >>"$here/ssh.log"
	while [ $# -gt 2 ]; do
		shift
	done
	cd || exit 255
	[ ! -e "$here/plan" ] || . "$here/plan"
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

test_names_of_all_kinds() {
	new_repo
	fake_ssh
	mkdir "../it's a \$(touch x) folder"
	echo one >data
	revfs -q snapshot -m first data
	revfs remote add lab "ssh://h$(realpath ..)/it's a \$(touch x) folder/store!"
	revfs -q push
	[ -e "../it's a \$(touch x) folder/store!/revfs-store" ]
	# From the home folder.
	revfs remote add home "ssh://ada@h:2222/~/at%20home"
	revfs -q push home
	[ -e ~/"at home/revfs-store" ]
	tail -n 5 ../ssh.log >../last
	expect cat ../last <<-'END'
	-T
	-p
	2222
	ada@h
	revfs serve --stdio 'at home'
	END
	# One with a user is nobody else's.
	expect git config -f .revfs/config --get-regexp 'remote\.home\..*' <<-'END'
	--- status 1
	END
}

test_urls_that_are_none() {
	new_repo
	expect revfs remote add x host:path/store <<-'END'
	--- stderr
	revfs: 'host:path/store' is no path here; a folder of another machine is written ssh://HOST/PATH
	see 'revfs help remote'
	--- status 2
	END
	expect revfs remote add x ssh://-oProxyCommand=touch/x <<-'END'
	--- stderr
	revfs: 'ssh://-oProxyCommand=touch/x' is no URL of a store
	see 'revfs help remote'
	--- status 2
	END
	expect revfs remote add x sftp://host/x <<-'END'
	--- stderr
	revfs: no remote of the kind 'sftp://host/x' is known: a path, file://, http://, https://, s3:// and ssh:// are
	--- status 11
	END
	mkdir ./host:path
	revfs remote add x host:path
}

test_who_may_read_alone_cannot_push() {
	local store
	new_clone
	echo more >data.txt
	revfs -q snapshot -m more data.txt
	# As a forced command of sshd does.
	echo "exec revfs serve --stdio --read-only '$STORE'" >../plan
	store=$(find "$STORE" | sort)
	FILTER='s|packs/[0-9a-f/]+|PACK|;s|ssh://[^)]*|URL|' expect revfs push --yes <<-'END'
	--- stderr
	revfs: cannot bring 'PACK' to the remote 'lab' (URL): Read-only file system: it is served for reading only; what is there stays, run this again
	--- status 12
	END
	[ "$(find "$STORE" | sort)" = "$store" ]
	assert_all_there
}

test_what_ssh_says_is_said() {
	new_clone
	git config revfs.io-timeout 1
	echo "echo 'Host key verification failed.' >&2; exit 255" >../plan
	expect revfs cat HEAD:data/b <<-'END'
	--- stderr
	revfs: cannot read 'HEAD:data/b': not authorised; the remote 'lab': Host key verification failed.
	--- status 6
	END
	echo "echo 'ssh: connect to host h port 22: Connection refused' >&2; exit 255" >../plan
	FILTER='s|ssh://[^)]*|URL|' expect revfs push --yes <<-'END'
	--- stderr
	revfs: cannot use the remote 'lab' (URL): Connection refused: ssh: connect to host h port 22: Connection refused
	--- status 5
	END
	echo "echo 'Welcome to lab'" >../plan
	FILTER='s|ssh://[^)]*|URL|' expect revfs push --yes <<-'END'
	--- stderr
	revfs: cannot use the remote 'lab' (URL): an answer that makes no sense: not 'revfs serve' speaks there, but something that says 'Welcome to lab'
	--- status 12
	END
	rm ../plan
	git config revfs.remote.lab.program no-such-revfs
	FILTER='s|ssh://[^)]*|URL|;s/sense: .*no-such/sense: WHO: no-such/' expect revfs push --yes <<-'END'
	--- stderr
	revfs: cannot use the remote 'lab' (URL): an answer that makes no sense: WHO: no-such-revfs: not found
	--- status 12
	END
}

test_the_program_there_is_not_for_others_to_name() {
	new_clone
	git config -f .revfs/config remote.lab.program 'touch ../evil;'
	expect revfs cat HEAD:data/a.txt <<-'END'
	one
	--- stderr
	revfs: warning: 'remote.lab.program' in the shared '.revfs/config' is ignored: 'git config revfs.remote.lab.program' sets it
	END
	[ ! -e ../evil ]
	[ ! -e ~/../evil ]
	git checkout -q .revfs/config
	git config revfs.remote.lab.program 'env X=1 revfs'
	: >../ssh.log
	revfs -q cache clear
	[ "$(revfs cat HEAD:data/a.txt)" = one ]
	grep -q '^env X=1 revfs serve --stdio ' ../ssh.log
}

test_ssh_is_the_one_that_git_runs() {
	local fake
	new_clone
	fake=$GIT_SSH_COMMAND
	unset GIT_SSH_COMMAND
	mkdir '../a folder'
	mv "$fake" '../a folder/ssh'
	: >'../a folder/ssh.log'
	# A program, as it is.
	GIT_SSH="$(realpath ..)/a folder/ssh" revfs cat HEAD:data/a.txt | grep -qx one
	[ -s '../a folder/ssh.log' ]
	# What git is set to run goes before, and is for a shell.
	revfs -q cache clear
	git config core.sshCommand "touch '$(realpath ..)/touched'; '$(realpath ..)/a folder/ssh'"
	GIT_SSH=/no-such-ssh revfs cat HEAD:data/a.txt | grep -qx one
	[ -e ../touched ]
	rm ../touched
	# And what the environment says before all.
	revfs -q cache clear
	GIT_SSH_COMMAND="'$(realpath ..)/a folder/ssh'" GIT_SSH=/no-such-ssh revfs cat HEAD:data/a.txt | grep -qx one
	[ ! -e ../touched ]
}

test_a_push_that_breaks_is_taken_up_again() {
	local i
	new_clone
	cd ../origin
	for i in 1 2 3 4; do
		head -c 3000000 /dev/urandom >"data/large$i"
		revfs -q snapshot -m "large $i"
	done
	# The other side is killed after some bytes, each time after more.
	for i in 200000 4000000 7000000; do
		echo "exec '$TESTS_DIR/servers/die_after' $i sh -c \"\$2\"" >../plan
		expect_status 5 revfs push --yes
		# Whoever reads meanwhile finds whole files.
		revfs -q -C ../repo cache clear
		find "$STORE/packs" -type f ! -name '*.moved' -printf '%P\n' | while read -r pack; do
			cmp "$STORE/packs/$pack" ".git/revfs/packs/$pack"
		done
	done
	rm ../plan
	revfs -q push --yes
	git -C ../repo pull -q
	cd ../repo
	assert_all_there
}

# is_gone PID: there is no such process, or it waits for init to see it.
is_gone() {
	not grep -q '^State:[[:space:]]*[^Z]' "/proc/$1/status"
}

test_a_command_that_is_stopped_leaves_no_ssh() {
	local status=0
	new_clone
	# It hangs before it speaks.
	echo "echo \$\$ >\"\$here/pid\"; exec sleep 1000" >../plan
	revfs -q push --yes &
	wait_for 20 test -s ../pid
	kill -TERM $!
	wait $! || status=$?
	[ $status = 143 ]
	wait_for 5 is_gone "$(cat ../pid)"
}

test_serve_is_not_for_people() {
	mkdir store
	expect revfs serve store <<-'END'
	--- stderr
	revfs: only '--stdio' is known: standard input and output are the connection
	see 'revfs help serve'
	--- status 2
	END
	expect_status 2 revfs serve --stdio
	echo 'GET / HTTP/1.1' >request
	INPUT=request expect revfs serve --stdio store <<-'END'
	revfsSRV^A^@^@^@^@^@^@^@
	\ no newline
	--- stderr
	revfs: what came is not what a revfs asks: a remote with an ssh:// URL starts this
	--- status 11
	END
	expect_status 5 revfs serve --stdio store
}

test_a_mount_reads_by_ssh() {
	need_fuse
	new_clone
	mkdir ../mnt
	revfs mount . ../mnt
	diff -r ../mnt/@HEAD/data ../origin/data
	revfs umount ../mnt
}

run_tests
