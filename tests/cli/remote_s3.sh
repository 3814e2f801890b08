#!/bin/bash
# A bucket of an S3 service as a remote, without credentials.
. "${0%/*}/../cli/harness"

# Serve the folder $1 with the options behind it: its address is $URL, its log ../ready.log.
serve() {
	rm -f ../ready ../ready.*
	"$TESTS_DIR/servers/s3" "$(realpath "$1")" "$PWD/../ready" "${@:2}" &
	wait_for 20 test -e ../ready
	URL=$(cat ../ready)
}

plan() {
	if [ -n "$1" ]; then echo "$1" >../ready.plan; else rm -f ../ready.plan; fi
}

# A repository whose data is in no remote yet, and the empty bucket ../s3/lab, served.
new_bucket() {
	new_repo
	mkdir -p data/sub ../s3/lab
	seq 3000 >data/sub/numbers
	head -c 600000 /dev/urandom >data/large
	echo one >data/a.txt
	revfs -q snapshot -m first data
	git config revfs.io-timeout 20
	serve ../s3 anonymous "$@"
	git config revfs.remote.lab.endpoint "$URL"
	revfs remote add lab s3://lab/some/where
	git commit -q -m remote
}

# new_clone: cd to a clone of ../repo that knows where the service is.
new_clone() {
	rm -rf ../clone
	git clone -q ../repo ../clone
	cd ../clone || return 1
	git config revfs.remote.lab.endpoint "$URL"
	git config revfs.io-timeout 20
	revfs -q cache clear
}

assert_all_there() {
	rm -rf ../out
	revfs -q export HEAD:data ../out
	diff -r ../out ../repo/data
}

test_a_bucket_is_pushed_to_and_read_from() {
	new_bucket page=2
	expect revfs remote list <<-'END'
	lab	s3://lab/some/where
	END
	revfs -q push
	[ -e ../s3/lab/some/where/revfs-store ]
	# Whatever is there is not put once more.
	rm ../ready.log
	revfs -q push
	not grep -E '^(put|create) ' ../ready.log
	new_clone
	assert_all_there
	grep -q '^get /lab/some/where/packs/' ../ready.log
	not grep -v ' -$' ../ready.log # nobody signs
}

test_the_service_may_stand_in_the_shared_settings() {
	new_bucket
	git config --unset revfs.remote.lab.endpoint
	git config -f .revfs/config remote.lab.endpoint "$URL"
	git config -f .revfs/config remote.lab.region eu-west-3
	tick
	git commit -q -m service .revfs/config
	# Who set the endpoint there has not said yet that data may go to it.
	expect revfs push <<-END
	--- stderr
	revfs: only the shared '.revfs/config' names 's3://lab/some/where' at '$URL' for the remote 'lab': 'revfs push --yes' pushes there, now and later
	--- status 11
	END
	revfs -q push --yes
	expect git config revfs.remote.lab.endpoint <<-END
	$URL
	END
	revfs -q push
	# Who reads as nobody needs to say nothing.
	git clone -q . ../other
	cd ../other
	revfs -q cache clear
	assert_all_there
}

test_more_is_pushed() {
	local i
	new_bucket page=3
	revfs -q push
	for i in 1 2 3; do
		head -c 20000 /dev/urandom >"data/more$i"
		tick
		revfs -q snapshot -m "more $i"
		revfs -q push
	done
	new_clone
	assert_all_there
}

test_a_large_pack_goes_in_parts() {
	new_bucket
	head -c 40000000 /dev/urandom >data/larger
	tick
	revfs -q snapshot -m larger
	revfs -q push
	grep -q '^complete .* 200 ' ../ready.log
	new_clone
	assert_all_there
}

test_a_bucket_that_is_not_there_is_named() {
	new_bucket
	rmdir ../s3/lab
	expect revfs push <<-'END'
	--- stderr
	revfs: cannot use the remote 'lab' (s3://lab/some/where): there is no such bucket
	--- status 4
	END
	new_clone
	expect revfs cat HEAD:data/sub/numbers <<-'END'
	--- stderr
	revfs: cannot read 'HEAD:data/sub/numbers': there is no such bucket
	--- status 4
	END
}

test_who_may_not_is_told() {
	new_bucket
	plan 'any 403:AccessDenied'
	expect revfs push <<-'END'
	--- stderr
	revfs: cannot use the remote 'lab' (s3://lab/some/where): not authorised: no credentials were found, and the service answers 403 AccessDenied
	--- status 6
	END
}

test_what_passes_is_waited_for() {
	local fault
	new_bucket
	for fault in 503:SlowDown 500:InternalError close; do
		plan "put $fault 1"
		echo "$fault" >data/a.txt
		tick
		revfs -q snapshot -m "$fault"
		revfs -q push
	done
	new_clone
	for fault in 503:SlowDown 500:InternalError cut close; do
		revfs -q cache clear
		plan "get $fault 3"
		revfs cat HEAD:data/large | cmp - ../repo/data/large
	done
}

test_damage_is_seen() {
	local pack
	new_bucket
	revfs -q push
	new_clone
	pack=$(find ../s3/lab/some/where/packs -type f -size +500k)
	printf x | dd of="$pack" bs=1 seek=300000 conv=notrunc status=none
	expect_status 7 revfs cat HEAD:data/large
	grep -q "^revfs: cannot read 'HEAD:data/large': damaged data" "$SCRATCH/said.err"
}

test_urls_that_name_no_bucket() {
	local url
	new_repo
	for url in s3:// s3://x s3:///path s3://a..b/c s3://bucket//x s3://bucket/../x 's3://bucket/x?y' 's3://us er/x' \
		s3://user@bucket/x; do
		expect_status 2 revfs remote add lab "$url"
	done
	revfs remote add lab s3://bucket
	git config revfs.remote.lab.endpoint ftp://host
	expect_status 4 revfs cat HEAD:data
	grep -q "the remote 'lab' is left out: not a URL" "$SCRATCH/said.err"
}

run_tests
