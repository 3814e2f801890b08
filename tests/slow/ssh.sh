#!/bin/bash
# Remotes through OpenSSH's own client and server.
# limit 600
. "${0%/*}/common"

# A server with ../sshd for its folder, and a client that knows it.
start_sshd() {
	[ -x /usr/sbin/sshd ] || skip "there is no sshd; 'scripts/deps ssh' installs it"
	need ssh ssh-keygen python3
	mkdir -p ../sshd
	rm -f ../sshd/pid
	"$TESTS_DIR/servers/sshd" ../sshd &
	wait_for 20 test -s ../sshd/pid
	ln -sf "$REVFS" ../sshd/bin/revfs
	STORE=$(realpath ..)/store
	export GIT_SSH_COMMAND
	GIT_SSH_COMMAND="ssh -F '$(realpath ../sshd)/config'"
}

# kill_tree PID: it and all that it started, at once.
kill_tree() {
	local child
	kill -STOP "$1" 2>/dev/null || return 0
	for child in $(ps -o pid= --ppid "$1"); do
		kill_tree "$child"
	done
	kill -KILL "$1"
}

stop_sshd() {
	kill_tree "$(cat ../sshd/pid)"
}

# A repository with data and the remote lab, and the server; nothing is pushed yet.
new_origin() {
	new_repo origin
	start_sshd
	# What a failed test leaves must not outlive it.
	trap stop_sshd EXIT
	mkdir -p data/sub
	cp -r /usr/include/linux data/headers
	seq 100000 >data/sub/numbers
	head -c 20000000 /dev/urandom >data/large
	revfs -q snapshot -m first data
	echo changed >data/sub/numbers
	revfs -q snapshot -m second
	revfs remote add lab "ssh://lab$STORE"
	git commit -q -m "where the data is"
}

new_clone() {
	git clone -q ../origin ../clone
	cd ../clone
	git config revfs.io-timeout 20
}

test_push_clone_export_and_mount() {
	new_origin
	timed revfs -q push
	remark "push of 26 MB: $MS ms"
	[ -z "$(ls -A "$STORE/tmp")" ]
	new_clone
	timed revfs -q export HEAD:data ../out
	remark "export of 26 MB: $MS ms"
	diff -r ../out ../origin/data
	[ "$(revfs cat HEAD~2:data/sub/numbers | wc -l)" = 100000 ]
	[ ! -e /dev/fuse ] || {
		revfs -q cache clear
		mount_here
		diff -r "$MNT/@HEAD/data" ../origin/data
		unmount_here
	}
	revfs -q checkout
	echo more >data/more
	revfs -q snapshot -m more
	revfs -q push --yes
	# No process is left.
	wait_for 10 is_idle
}

# is_idle: the server has no connection.
is_idle() {
	[ -z "$(ps -o pid= --ppid "$(cat ../sshd/pid)")" ]
}

# has_tried N: ssh was started so many times.
has_tried() {
	[ "$(grep -c . ../tried)" -ge "$1" ]
}

test_a_server_that_goes_and_comes_back() {
	local reader
	need_mount
	new_origin
	revfs -q push
	new_clone
	GIT_SSH_COMMAND="echo ssh >>'$(realpath ..)/tried'; $GIT_SSH_COMMAND"
	mount_here
	cmp "$MNT/@HEAD/data/sub/numbers" ../origin/data/sub/numbers
	stop_sshd
	: >../tried
	cmp "$MNT/@HEAD/data/large" ../origin/data/large &
	reader=$!
	# It waits, and is not told that there is a failure.
	wait_for 20 has_tried 2
	kill -0 $reader
	start_sshd
	wait $reader
	unmount_here
}

# has_begun: a file is on its way.
has_begun() {
	[ -n "$(find "$STORE/tmp" -type f -size +100k)" ]
}

test_killed_in_the_midst_of_a_push_and_again() {
	local push i file status
	new_origin
	head -c 300000000 /dev/urandom >data/larger
	revfs -q snapshot -m larger
	for i in 1 2; do
		status=0
		rm -rf "$STORE/tmp"
		revfs -q push --yes 2>../said &
		push=$!
		wait_for 60 has_begun
		stop_sshd
		wait $push || status=$?
		[ $status = 5 ]
		# What is there is whole.
		for file in $(cd "$STORE" && find . -type f ! -path './tmp/*'); do
			cmp "$STORE/$file" ".git/revfs/$file"
		done
		start_sshd
		remark "killed with $(find "$STORE/packs" -type f | wc -l) packs there: $(tail -n 1 ../said)"
	done
	revfs -q push --yes
	new_clone
	revfs -q export HEAD:data ../out
	diff -r ../out ../origin/data
}

test_who_is_not_known_is_told_apart() {
	local folder
	new_origin
	folder=$(realpath ../sshd)
	sed "s|$folder/key|$folder/other-key|" ../sshd/config >../wrong-key
	sed "s|$folder/known_hosts|/dev/null|" ../sshd/config >../unknown-host
	sed 's|^Port .*|Port 9|' ../sshd/config >../wrong-port
	sed 's|^HostName .*|HostName no-such-host.invalid|' ../sshd/config >../wrong-host
	export FILTER='s|ssh://[^)]*|URL|;s|[a-z0-9_-]+@127.0.0.1|WHO|;s/(sh|bash)(: line 1)?: (line )?1?:? ?no/SHELL: no/'
	GIT_SSH_COMMAND="ssh -F $(realpath ../wrong-key)" expect revfs push <<-'END'
	--- stderr
	revfs: cannot use the remote 'lab' (URL): not authorised: WHO: Permission denied (publickey).
	--- status 6
	END
	GIT_SSH_COMMAND="ssh -F $(realpath ../unknown-host)" expect revfs push <<-'END'
	--- stderr
	revfs: cannot use the remote 'lab' (URL): not authorised: Host key verification failed.
	--- status 6
	END
	GIT_SSH_COMMAND="ssh -F $(realpath ../wrong-port)" expect revfs push <<-'END'
	--- stderr
	revfs: cannot use the remote 'lab' (URL): Connection refused: ssh: connect to host 127.0.0.1 port 9: Connection refused
	--- status 5
	END
	GIT_SSH_COMMAND="ssh -F $(realpath ../wrong-host)" expect_status 5 revfs push
	grep -q 'No route to host: ssh: Could not resolve hostname' "$SCRATCH/said.err"
	git config revfs.remote.lab.program no-such-revfs
	expect_status 12 revfs push
	grep -q 'an answer that makes no sense: .*no-such-revfs: command not found$' "$SCRATCH/said.err"
	[ ! -e "$STORE" ]
}

test_a_forced_command_that_reads_only() {
	local folder
	new_origin
	revfs -q push
	folder=$(realpath ../sshd)
	echo "restrict,command=\"revfs serve --stdio --read-only $STORE\" $(cat "$folder/key.pub")" >"$folder/authorized_keys"
	echo more >data/more
	revfs -q snapshot -m more
	FILTER='s|ssh://[^)]*|URL|;s|packs/[0-9a-f/]+|PACK|' expect revfs push <<-'END'
	--- stderr
	revfs: cannot bring 'PACK' to the remote 'lab' (URL): Read-only file system: it is served for reading only; what is there stays, run this again
	--- status 12
	END
	git reset -q --hard HEAD~1
	new_clone
	revfs -q export HEAD:data/sub ../out
	diff -r ../out ../origin/data/sub
}

test_one_connection_that_others_use_too() {
	new_origin
	# What many have set: the first ssh stays behind as the master of those that come.
	printf 'ControlMaster auto\nControlPath %s/%%C\nControlPersist 20\n' "$SCRATCH" >>../sshd/config
	timeout 100 revfs -q push
	new_clone
	timeout 100 revfs -q export HEAD:data/sub ../out
	diff -r ../out ../origin/data/sub
	ssh -F ../sshd/config -O exit lab 2>/dev/null
}

run_tests
