#!/bin/bash
# A network that goes and comes back, between a mount and an HTTP server in another network namespace.
# limit 300
. "${0%/*}/namespace"
. "${0%/*}/common"

has_network() {
	[ "$(readlink "/proc/$1/ns/net")" != "$(readlink /proc/self/ns/net)" ]
}

# there COMMAND...: at the other end of the link.
there() {
	nsenter --net="/proc/$THERE/ns/net" -- "$@"
}

# make_link: a link of 40 Mbit/s from 10.77.1.1 here to 10.77.1.2 there.
make_link() {
	need_network
	need nsenter
	setpriv --pdeathsig KILL -- unshare --net sleep 1000 &
	THERE=$!
	wait_for 20 has_network $THERE
	ip link del here 2>/dev/null || :
	ip link add here type veth peer name there netns "$THERE" || skip "there are no veth devices here"
	ip addr add 10.77.1.1/24 dev here
	there ip addr add 10.77.1.2/24 dev there
	there ip link set lo up
	there ip link set there up
	ip link set here up
	there tc qdisc add dev there root tbf rate 40mbit burst 128kb latency 400ms 2>/dev/null ||
		skip "the rate of a link cannot be limited here"
}

link() {
	there ip link set there "$1"
}

# serve [OPTION...]: ../store there, by nginx, at $URL.
serve() {
	rm -rf ../ready*
	# Not by a function, whose shell would be its parent and stay.
	nsenter --net="/proc/$THERE/ns/net" -- "$TESTS_DIR/servers/nginx" ../store ../ready address=10.77.1.2 "$@" 2>../said &
	SERVER=$!
	await_server $SERVER ../ready ../said
}

# A clone, at $MNT, whose data are there; the headers are in the cache.
mount_clone() {
	need_mount
	make_link
	new_repo origin
	mkdir data
	cp -rL /usr/include/linux data/headers
	head -c 30000000 /dev/urandom >data/large
	revfs -q snapshot -m first data
	revfs remote add lab ../store
	revfs -q push
	serve
	git clone -q . ../clone
	cd ../clone
	git config revfs.remote.lab.url "$URL"
	revfs -q prefetch HEAD:data/headers
	mount_here
}

# has_read BYTES: so many came to the reader.
has_read() {
	[ "$(stat -c %s ../got)" -ge "$1" ]
}

# read_until_it_breaks: the reader of the large file, READER, is in the midst of it when the link goes.
read_until_it_breaks() {
	cat "$MNT/@HEAD/data/large" >../got &
	READER=$!
	wait_for 60 has_read 5000000
	link down
	not has_read 30000000
}

assert_the_reader_ends_right() {
	timed wait $READER
	remark "the reader ended $MS ms later"
	cmp ../got ../origin/data/large
	unmount_here
}

test_a_link_that_goes_for_some_seconds() {
	mount_clone
	read_until_it_breaks
	# What is in the cache is read on, also by others.
	diff -r "$MNT/@HEAD/data/headers" ../origin/data/headers
	[ "$(revfs cat HEAD:data/headers/fuse.h | sha256sum)" = "$(sha256sum <../origin/data/headers/fuse.h)" ]
	sleep 4
	kill -0 $READER
	not has_read 30000000
	link up
	assert_the_reader_ends_right
}

test_a_server_that_was_started_anew_meanwhile() {
	mount_clone
	read_until_it_breaks
	# The end of its connections does not come through.
	kill -KILL "$(cat ../ready.pid)"
	wait $SERVER || :
	serve "port=${URL##*:}"
	link up
	assert_the_reader_ends_right
}

test_a_server_that_cannot_be_reached_is_told() {
	need_mount
	mount_clone
	unmount_here
	link down
	git config revfs.io-timeout 1
	expect_status 5 timeout 100 revfs cat HEAD:data/large
	remark "$(cat "$SCRATCH/said.err")"
	grep -qE "^revfs: cannot read 'HEAD:data/large': (No route to host|Connection timed out)" "$SCRATCH/said.err"
	link up
	revfs -q cache clear
	revfs cat HEAD:data/headers/fuse.h | cmp - ../origin/data/headers/fuse.h
}

run_tests
