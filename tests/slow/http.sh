#!/bin/bash
# Remotes that are HTTP servers of others: nginx and lighttpd.
# limit 600
. "${0%/*}/common"

# serve NAME OPTION...: ../store by that server, at $URL; its log is whole once it has ended.
serve() {
	rm -rf ../ready*
	"$TESTS_DIR/servers/$1" ../store ../ready "${@:2}" 2>../said &
	SERVER=$!
	await_server $SERVER ../ready ../said
}

stop_server() {
	kill "$(cat ../ready.pid)"
	wait $SERVER || :
}

# A repository with three revisions of data, that was pushed to ../store; each also stands as it is in ../v1, ../v2, ../v3.
# Made once: no test changes it.
new_origin() {
	[ ! -e "$SCRATCH/world/complete" ] || { cd "$SCRATCH/world/origin"; return; }
	rm -rf "$SCRATCH/world"
	mkdir "$SCRATCH/world"
	cd "$SCRATCH/world"
	new_repo origin
	mkdir -p data/sub
	cp -rL /usr/include/linux data/headers
	seq 100000 >data/sub/numbers
	head -c 20000000 /dev/urandom >data/large
	revfs -q snapshot -m first data
	git tag v1
	cp -r data ../v1
	seq 100000 200000 >data/sub/numbers
	head -c 3000000 /dev/urandom >data/other
	rm -r data/headers/netfilter
	revfs -q snapshot -m second
	git tag v2
	cp -r data ../v2
	printf 'in its midst' | dd of=data/large bs=1 seek=9000000 conv=notrunc status=none
	revfs -q snapshot -m third
	git tag v3
	cp -r data ../v3
	revfs remote add lab ../store
	revfs -q push
	"$TESTS_DIR/servers/certificates" ../tls
	touch ../complete
}

# A clone that holds nothing, of a user that has read nothing.
new_clone() {
	cd ../origin
	rm -rf ../clone ~/.cache/revfs
	git clone -q ../origin ../clone
	cd ../clone
	git config revfs.io-timeout 60
	git config http.sslCAInfo "$PWD/../tls/ca.pem"
	git config revfs.remote.lab.url "$URL"
}

# All revisions come right, by no more than $1 requests, each answered with the status $2 over the protocol $3.
assert_all_is_read() {
	local revision count
	new_clone
	timed eval 'for revision in v1 v2 v3; do revfs -q export $revision:data ../out-$revision; done'
	for revision in v1 v2 v3; do
		diff -r ../out-$revision ../$revision
	done
	rm -rf ../out-*
	stop_server
	sed -i 1d ../ready.log
	count=$(wc -l <../ready.log)
	below "three revisions by $3, status $2, in $MS ms" "$count" "$1" requests
	[ "$count" -gt 2 ]
	# What is not there is asked for, too, and what is behind the end of a file; or not waited for at the end (499).
	not grep -vE " ($2|404|416|499) $3\$" ../ready.log
	grep -qE " $2 $3\$" ../ready.log
}

test_nginx() {
	local revision
	new_origin
	serve nginx
	assert_all_is_read 40 206 HTTP/1.1
	serve nginx
	new_clone
	timed revfs -q verify --remote lab --full
	remark "verify --remote: $MS ms"
	[ ! -e /dev/fuse ] || {
		mount_here
		for revision in v1 v2 v3; do
			diff -r "$MNT/@$revision/data" ../$revision
		done
		unmount_here
	}
}

test_nginx_with_tls() {
	new_origin
	serve nginx "tls=$PWD/../tls/good.pem"
	assert_all_is_read 40 206 HTTP/1.1
}

test_nginx_with_http2() {
	new_origin
	serve nginx "tls=$PWD/../tls/good.pem" http2
	assert_all_is_read 40 206 HTTP/2.0
	serve nginx "tls=$PWD/../tls/good.pem" http2
	new_clone
	revfs -q verify --remote lab
}

test_nginx_without_ranges() {
	new_origin
	serve nginx no-ranges
	assert_all_is_read 60 200 HTTP/1.1
	serve nginx no-ranges "tls=$PWD/../tls/good.pem" http2
	assert_all_is_read 60 200 HTTP/2.0
}

test_nginx_whose_certificate_has_expired() {
	new_origin
	serve nginx "tls=$PWD/../tls/expired.pem" http2
	new_clone
	expect_status 6 revfs cat HEAD:data/sub/numbers
	grep -q 'certificate has expired' "$SCRATCH/said.err"
	stop_server
	[ "$(wc -l <../ready.log)" = 1 ]
}

test_lighttpd() {
	new_origin
	serve lighttpd
	assert_all_is_read 40 206 HTTP/1.1
	serve lighttpd
	new_clone
	revfs -q verify --remote lab
}

test_lighttpd_without_ranges() {
	new_origin
	serve lighttpd no-ranges
	assert_all_is_read 60 200 HTTP/1.1
}

# has_read BYTES: so many came to the reader.
has_read() {
	[ "$(stat -c %s ../got)" -ge "$1" ]
}

# Killed while an answer is on its way, and started again: whoever reads has waited, and knows nothing of it.
assert_a_restart_is_waited_for() {
	local reader port
	need_mount
	serve "$@" rate=1000
	new_clone
	mount_here
	cat "$MNT/@v2/data/large" >../got &
	reader=$!
	wait_for 60 has_read 1000000
	kill -KILL "$(cat ../ready.pid)"
	wait $SERVER || :
	wait_for 60 grep -q 'resting since' "$MNT/.revfs/status"
	not has_read 20000000
	kill -0 $reader
	port=${URL##*:}
	serve "$@" port="$port"
	wait $reader
	cmp ../got ../v2/large
	unmount_here
}

test_nginx_killed_in_the_midst() {
	new_origin
	assert_a_restart_is_waited_for nginx
	assert_a_restart_is_waited_for nginx "tls=$PWD/../tls/good.pem" http2
}

test_lighttpd_killed_in_the_midst() {
	new_origin
	assert_a_restart_is_waited_for lighttpd
}

run_tests
