#!/bin/bash
# What a mount tells of itself: .revfs/metrics, .revfs/status, the file of metrics, and the log.
. "${0%/*}/common"

OPENMETRICS=$TESTS_DIR/mount/openmetrics

# metric NAME [KEY=VALUE...]: of $MNT, now; the whole text is checked.
metric() {
	cat "$MNT/.revfs/metrics" >../metrics
	"$OPENMETRICS" ../metrics "$@"
}

new_mounted() {
	need_mount
	need python3
	new_dataset
	git tag v1
	mount_here "$@"
}

# A clone without data whose remote `lab` is a server; mounted with the options given, no cache but its own.
new_with_server() {
	need_mount
	need python3
	new_dataset
	git tag v1
	revfs remote add lab ../store
	revfs -q push
	cd ..
	mv repo origin
	git clone -q origin repo
	cd repo
	git config revfs.cacheDir "$PWD/../cache"
	"$TESTS_DIR/servers/http" "$(realpath ../store)" "$PWD/../ready" &
	wait_for 20 test -e ../ready
	git config revfs.remote.lab.url "$(sed 's|//|//ada:secret@|' ../ready)"
	mount_here "$@"
}

plan() {
	if [ -n "$1" ]; then echo "$1" >../ready.plan; else rm -f ../ready.plan; fi
}

test_the_text_is_openmetrics() {
	new_mounted
	cat "$MNT/@v1/data/large" >/dev/null
	ls -l "$MNT/@v1/data" >/dev/null
	[ "$(metric revfs_build_info "version=$(revfs version | sed 's/.* //')" "mountpoint=$MNT")" = 1 ]
	[ "$(metric revfs_requests_total kind=lookup)" -ge 3 ]
	[ "$(metric revfs_request_duration_seconds_count kind=lookup)" -ge 3 ]
	[ "$(metric revfs_request_duration_seconds_count kind=readdir)" -ge 1 ]
	[ "$(metric revfs_read_bytes_total)" -ge 100000 ]
	[ "$(metric revfs_threads)" -ge 4 ]
	[ "$(metric revfs_resident_bytes)" -ge 1000000 ]
	[ "$(metric revfs_nodes)" -ge 1 ]
	[ "$(metric revfs_start_time_seconds | cut -d. -f1)" -ge $(($(date +%s) - 600)) ]
	[ "$(metric revfs_remotes_resting)" = 0 ]
	[ "$(metric revfs_remote_requests_total)" = none ]
}

# What is wrong in a text is found: else the tests here say nothing.
test_the_check_finds_what_is_wrong() {
	local script
	new_mounted
	cat "$MNT/.revfs/metrics" >../good
	"$OPENMETRICS" ../good
	for script in '$d' '/^# TYPE revfs_threads/d' '/^# HELP revfs_threads/d' 's/^# UNIT revfs_read_bytes .*/# UNIT revfs_read_bytes pages/' \
		's/le="+Inf"/le="200.0"/' '/le="0.04"/s/ [0-9]*$/ 1e9/' '/_count{/s/$/1/' 's/^revfs_read_bytes_total/revfs_read_bytes/' \
		'/^revfs_threads/p' '/^revfs_threads/s/[0-9]*$/many/' '2s/$/ /' 's/,le=/,,le=/' '/_sum{/d'; do
		sed "$script" ../good >../bad
		not cmp -s ../good ../bad
		not "$OPENMETRICS" ../bad
	done
}

test_cold_and_warm_reads_are_told_apart() {
	local local_before memory_before reads_before
	new_mounted
	local_before=$(metric revfs_records_found_total level=local)
	reads_before=$(metric revfs_request_duration_seconds_count kind=read)
	cat "$MNT/@v1/data/large" >/dev/null
	[ "$(metric revfs_records_found_total level=local)" -gt "$local_before" ]
	[ "$(metric revfs_request_duration_seconds_count kind=read)" -gt "$reads_before" ]
	# The pages of the folder are in memory by now.
	local_before=$(metric revfs_records_found_total level=local)
	memory_before=$(metric revfs_records_found_total level=memory)
	stat "$MNT/@v1/data/a.txt" "$MNT/@v1/data/link" >/dev/null
	[ "$(metric revfs_records_found_total level=local)" = "$local_before" ]
	[ "$(metric revfs_records_found_total level=memory)" -gt "$memory_before" ]
	[ "$(metric revfs_records_found_total level=remote)" = 0 ]
	[ "$(metric revfs_memory_bytes)" -gt 0 ]
}

knows_its_cache() {
	[ "$(metric revfs_cache_bytes)" != none ]
}

test_remotes_are_counted() {
	local requests
	new_with_server
	cmp "$MNT/@v1/data/large" ../origin/data/large
	requests=$(metric revfs_remote_requests_total remote=lab)
	[ "$requests" = "$(grep -c . ../ready.log)" ]
	[ "$(metric revfs_remote_request_duration_seconds_count remote=lab)" = "$requests" ]
	[ "$(metric revfs_remote_received_bytes_total remote=lab)" -gt 0 ]
	[ "$(metric revfs_records_found_total level=remote)" -gt 0 ]
	[ "$(metric revfs_remote_records_total remote=lab)" = "$(metric revfs_records_found_total level=remote)" ]
	[ "$(metric revfs_cache_written_bytes_total)" -gt 0 ]
	# How much there is, is looked for by a thread.
	wait_for 20 knows_its_cache
	[ "$(metric revfs_cache_bytes)" -gt 0 ]
	revfs cache --json | grep -q "\"limit\":$(metric revfs_cache_limit_bytes),"
	[ "$(metric revfs_parkings_total)" -gt 0 ]
	[ "$(metric revfs_parked_duration_seconds_count)" = "$(metric revfs_parkings_total)" ]
	[ "$(metric revfs_parked_requests)" = 0 ]
	[ "$(metric revfs_remote_failures_total)" = 0 ]
	[ "$(metric revfs_remotes_resting)" = 0 ]
	grep -qx "remote lab $(sed 's|//|//ada@|' ../ready), answering" "$MNT/.revfs/status"
	not grep -r secret "$MNT/.revfs/status" ../metrics
	# Again, from the cache alone.
	revfs umount "$MNT"
	revfs mount "$MNT"
	cmp "$MNT/@v1/data/large" ../origin/data/large
	[ "$(metric revfs_records_found_total level=cache)" -gt 0 ]
	[ "$(metric revfs_records_found_total level=remote)" = 0 ]
	[ "$(metric revfs_cache_hits_total)" -gt 0 ]
	[ "$(metric revfs_remote_requests_total remote=lab)" = 0 ]
}

parked() {
	[ "$(metric revfs_parked_requests)" = "$1" ]
}

test_a_remote_that_fails_is_seen_and_said_once() {
	local reader server lines
	need_mount
	new_with_server
	revfs umount "$MNT"
	# In the foreground the log is on standard error, too.
	revfs mount -f "$MNT" 2>../log &
	server=$!
	wait_for 20 test -e "$MNT/.revfs/status"
	plan 503
	cat "$MNT/@v1/data/large" >../large &
	reader=$!
	wait_for 20 parked 1
	failed_twice() {
		[ "$(metric revfs_remote_failures_total remote=lab cause=server_error)" -ge 2 ]
	}
	wait_for 30 failed_twice
	[ "$(metric revfs_remotes_resting)" = 1 ]
	[ "$(metric revfs_remote_resting remote=lab)" = 1 ]
	[ "$(metric revfs_remote_rests_total remote=lab)" -ge 2 ]
	[ "$(metric revfs_remote_retries_total remote=lab)" -ge 1 ]
	[ "$(metric revfs_remote_failures_total cause=refused)" = 0 ]
	grep -E '^remote lab [^ ]*, resting since [0-9TZ:-]*, failed last [0-9TZ:-]*: .+' "$MNT/.revfs/status"
	plan ''
	wait "$reader"
	cmp ../large ../origin/data/large
	[ "$(metric revfs_remotes_resting)" = 0 ]
	[ "$(metric revfs_parked_requests)" = 0 ]
	[ "$(metric revfs_parked_duration_seconds_count)" = "$(metric revfs_parkings_total)" ]
	grep -E '^remote lab [^ ]*, answering, failed last ' "$MNT/.revfs/status"
	revfs umount "$MNT"
	wait "$server"
	cat ../log
	lines=$(grep -c "the remote 'lab' does not answer: .*; reads wait for it" ../log)
	[ "$lines" = 1 ]
	lines=$(grep -c "the remote 'lab' answers again" ../log)
	[ "$lines" = 1 ]
}

test_causes_are_told_apart() {
	new_with_server -o io-timeout=1s
	plan flip
	not find "$MNT/@v1/data" -type f -exec cat {} + >/dev/null
	[ "$(metric revfs_remote_failures_total remote=lab cause=wrong_data)" -ge 1 ]
	[ "$(metric revfs_remote_wrong_records_total remote=lab)" -ge 1 ]
	[ "$(metric revfs_remotes_resting)" = 0 ]
	plan 401
	not find "$MNT/@v1/data" -type f -exec cat {} + >/dev/null
	[ "$(metric revfs_remote_failures_total remote=lab cause=unauthorised)" -ge 1 ]
	[ "$(metric revfs_remote_failures_total cause=reset)" = 0 ]
	plan cut
	not find "$MNT/@v1/data" -type f -exec cat {} + >/dev/null
	[ "$(metric revfs_remote_failures_total remote=lab cause=reset)" -ge 1 ]
	[ "$(metric revfs_remotes_resting)" = 1 ]
	[ "$(metric revfs_failures_total)" -ge 3 ]
}

test_a_mountpoint_of_any_bytes_is_a_label() {
	local name=$'a "b"\\c\nd\xff{}=,'
	need_mount
	need python3
	new_dataset
	git tag v1
	MNT=$(realpath ..)/$name
	mkdir "$MNT"
	trap 'end_mount "$MNT"' EXIT
	revfs mount "$MNT"
	[ "$(metric revfs_build_info "mountpoint=$(realpath ..)/"$'a "b"\\c\nd\xef\xbf\xbd{}=,')" = 1 ]
}

test_of_many_remotes_the_first_are_told() {
	local remotes
	need_mount
	need python3
	new_dataset
	for i in {1..60}; do
		printf '[revfs "remote.r%d"]\n\turl = /nowhere/%d\n' "$i" "$i"
	done >>.git/config
	# Something that only a remote may have.
	rm -r .git/revfs/packs
	mount_here -o offline --metrics-file ../metrics.prom
	not find "$MNT/@main/data" -type f -exec cat {} + >/dev/null
	[ "$(stat -c %s "$MNT/.revfs/metrics")" -le 65536 ]
	metric
	remotes=$(grep -c ^revfs_remote_requests_total ../metrics)
	[ "$remotes" -gt 5 ] && [ "$remotes" -lt 60 ]
	# At the end it is written once more.
	revfs umount "$MNT"
	"$OPENMETRICS" ../metrics.prom
	[ "$(grep -c ^revfs_remote_requests_total ../metrics.prom)" = 60 ]
}

# in_file NAME [KEY=VALUE...]: of the file of metrics.
in_file() {
	"$OPENMETRICS" ../metrics.prom "$@"
}

test_a_file_has_the_same_text() {
	local server
	new_mounted -o metrics-file=../metrics.prom,ro
	server=$(server_of "$MNT")
	wait_for 10 test -e ../metrics.prom
	[ "$(stat -c %a ../metrics.prom)" = 644 ]
	cat "$MNT/.revfs/metrics" >../metrics
	diff <(sed 's/ [^ ]*$//' ../metrics) <(sed 's/ [^ ]*$//' ../metrics.prom)
	[ "$(in_file revfs_read_bytes_total)" = 0 ]
	cat "$MNT/@v1/data/large" >/dev/null
	# The last words are written when the mount ends.
	revfs umount "$MNT"
	gone "$server"
	[ "$(in_file revfs_read_bytes_total)" -ge 100000 ]
	not test -e ../metrics.prom.tmp
}

test_a_file_that_cannot_be_written_is_said_once_and_tried_again() {
	local server begun
	new_mounted
	revfs umount "$MNT"
	begun=$SECONDS
	revfs mount -f --metrics-file ../a,b/metrics.prom "$MNT" 2>../log &
	server=$!
	wait_for 20 grep -q 'cannot write the metrics' ../log
	[ "$(cat "$MNT/@v1/data/a.txt")" = one ]
	while [ $((SECONDS - begun)) -lt 17 ]; do
		sleep 0.5
	done
	mkdir ../a,b
	wait_for 30 test -e ../a,b/metrics.prom
	"$OPENMETRICS" ../a,b/metrics.prom revfs_build_info
	revfs umount "$MNT"
	wait "$server"
	[ "$(grep -c 'metrics' ../log)" = 1 ]
	grep "cannot write the metrics to '.*/a,b/metrics.prom': No such file or directory; it is tried again every 15 seconds" ../log
}

# The disk is another mount, whose server is stopped.
test_a_disk_that_hangs_keeps_no_mount() {
	local server other begun
	new_mounted
	revfs umount "$MNT"
	mkdir ../second
	revfs mount ../second
	other=$(server_of ../second)
	# A look for leaks stops all threads first, and one that waits for a disk does not stop.
	ASAN_OPTIONS=${ASAN_OPTIONS:+$ASAN_OPTIONS:}detect_leaks=0 revfs mount --metrics-file ../second/a.prom "$MNT"
	server=$(server_of "$MNT")
	# What is not there is remembered for a second.
	sleep 1.5
	kill -STOP "$other"
	begun=$SECONDS
	timeout 30 revfs umount "$MNT" || { kill -CONT "$other"; false; }
	wait_for 20 gone "$server" || { kill -CONT "$other"; false; }
	kill -CONT "$other"
	[ $((SECONDS - begun)) -ge 4 ]
	revfs umount ../second
}

run_tests
