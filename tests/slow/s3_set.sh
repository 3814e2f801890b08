#!/bin/bash
# MinIO as a set of four processes with erasure coding, of which one is killed.
# limit 900
SERVICES=${XDG_CACHE_HOME:-$HOME/.cache}/revfs-tests OWN_HOME=$HOME
# It is built where there is a network to get it from.
[ -n "${OWN_NETWORK-}" ] || "${0%/*}/../servers/minio_set" >/dev/null 2>&1
. "${0%/*}/namespace"
. "${0%/*}/common"

# start_one NUMBER
start_one() {
	rm -f "../ready$1"
	REVFS_TESTS_CACHE=$SERVICES HOME=$OWN_HOME "$TESTS_DIR/servers/minio_set" ../set "$PWD/../ready$1" ada secret-of-ada \
		"$1" 2>"../said$1" &
	SERVERS[$1]=$!
}

kill_one() {
	kill -KILL "$(cat "../ready$1.pid")"
	wait "${SERVERS[$1]}" || :
}

# has_quorum NUMBER: the set works, as that one sees it.
has_quorum() {
	curl -sf "http://10.77.0.$1:900$1/minio/health/cluster"
}

# make_bucket: "lab"; a set that has just come together may say that it is too early.
make_bucket() {
	local as=(--aws-sigv4 aws:amz:us-east-1:s3 --user ada:secret-of-ada)
	curl -sf "${as[@]}" -X PUT http://10.77.0.1:9001/lab || curl -sf -I "${as[@]}" http://10.77.0.1:9001/lab
}

# is_free NUMBER: that of the test before is gone.
is_free() {
	! (exec 3<>"/dev/tcp/10.77.0.$1/900$1")
}

# A repository, and the empty bucket "lab" of a set, at number 1 of it.
new_origin() {
	local i
	need_network
	need curl
	for i in 1 2 3 4; do
		ip addr replace "10.77.0.$i/32" dev lo
		wait_for 20 is_free $i
	done
	new_repo origin
	mkdir ../set
	SERVERS=()
	start_one 1
	while [ ! -e ../ready1.pid ]; do
		kill -0 "${SERVERS[1]}" 2>/dev/null || { wait "${SERVERS[1]}" || [ $? != 77 ] || skip "$(tail -n 1 ../said1)"; }
		sleep 0.1
	done
	for i in 2 3 4; do
		start_one $i
	done
	wait_for 120 has_quorum 1
	export AWS_ACCESS_KEY_ID=ada AWS_SECRET_ACCESS_KEY=secret-of-ada
	wait_for 60 make_bucket
	git config revfs.remote.lab.endpoint http://10.77.0.1:9001
	mkdir -p data/sub
	seq 3000 >data/sub/numbers
	head -c 60000000 /dev/urandom >data/large
	cp -rL /usr/include/linux data/headers
	revfs -q snapshot -m first data
	revfs remote add lab s3://lab/with/data
	git commit -q -m remote
}

# A clone that holds nothing reads all of it, from number $1.
assert_all_is_there() {
	rm -rf ../clone ../out ~/.cache/revfs
	git clone -q . ../clone
	git -C ../clone config revfs.remote.lab.endpoint "http://10.77.0.$1:900$1"
	revfs -q -C ../clone export HEAD:data "$(realpath ..)/out"
	diff -r ../out data
}

test_one_is_killed_in_the_midst_of_a_read() {
	local reader
	new_origin
	timed revfs -q push
	remark "push of 66 MB to four: $MS ms"
	rm -rf .git/revfs
	{
		revfs cat HEAD:data/large | {
			head -c 5000000
			touch ../begun
			wait_for 60 test -e ../go
			cat
		} >../got
	} &
	reader=$!
	wait_for 60 test -e ../begun
	kill_one 3
	touch ../go
	wait $reader
	cmp ../got data/large
	timed assert_all_is_there 2
	remark "read of 66 MB from three: $MS ms"
}

# holds NUMBER MIB: so much came to that one.
holds() {
	[ "$(du -sm "../set/$1" | cut -f1)" -ge "$2" ]
}

# push_while COMMAND...: of 200 MB more, which is in the midst of it when COMMAND is run; its end goes to STATUS.
push_while() {
	local push before
	before=$(du -sm ../set/3 | cut -f1)
	head -c 200000000 /dev/urandom >data/larger
	revfs -q snapshot -m larger
	revfs -q push 2>../said &
	push=$!
	wait_for 60 holds 3 $((before + 15))
	kill -0 $push
	"$@"
	STATUS=0
	wait $push || STATUS=$?
	remark "the push ended with $STATUS: $(tail -n 1 ../said)"
}

test_one_is_killed_in_the_midst_of_a_push() {
	new_origin
	revfs -q push
	push_while kill_one 3
	# Three do; a part that was on its way may be a failure that passes.
	[ $STATUS = 0 ] || [ $STATUS = 5 ]
	[ $STATUS = 0 ] || revfs -q push
	assert_all_is_there 1
	# What they have taken without the third, all of it, is there without another one, too.
	start_one 3
	wait_for 60 test -e ../ready3
	wait_for 120 has_quorum 3
	kill_one 4
	assert_all_is_there 2
}

test_the_one_that_is_asked_is_killed() {
	new_origin
	revfs -q push
	push_while kill_one 1
	[ $STATUS = 5 ]
	git config revfs.remote.lab.endpoint http://10.77.0.2:9002
	revfs -q push
	assert_all_is_there 4
}

run_tests
