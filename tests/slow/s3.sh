#!/bin/bash
# S3 services of others: versitygw, and MinIO.
# limit 1800
# What the services are built in is kept, though the rest of the world is the test's own.
SERVICES=${XDG_CACHE_HOME:-$HOME/.cache}/revfs-tests OWN_HOME=$HOME
. "${0%/*}/common"
CLIENT=$BUILD/tests/slow/s3_client

# with_service NAME: one that has the empty bucket "lab", at $URL.
with_service() {
	mkdir -p s3/lab
	REVFS_TESTS_CACHE=$SERVICES HOME=$OWN_HOME "$TESTS_DIR/servers/$1" "$PWD/s3" "$PWD/ready" ada secret-of-ada \
		2>said &
	await_server $! ready said
	export S3_USER=ada S3_SECRET=secret-of-ada AWS_ACCESS_KEY_ID=ada AWS_SECRET_ACCESS_KEY=secret-of-ada
}

client() {
	"$CLIENT" "$URL" s3://lab/some/where "$@"
}

# What is put is there, whole, and once.
assert_files_are_kept() {
	echo small >small
	head -c 1000000 /dev/urandom >medium
	head -c 100000000 /dev/urandom >large
	: >empty
	for name in small medium large empty; do
		client put "packs/ab/$name" $name
		client get "packs/ab/$name" back
		cmp $name back
		expect client stat "packs/ab/$name" <<-END
		$(stat -c %s $name)
		END
	done
	for name in small large; do
		expect client put packs/ab/$name medium <<-'END'
		EEXIST
		--- status 1
		END
		client get packs/ab/$name back
		cmp $name back
	done
	expect client put packs/ab/small large <<-'END'
	EEXIST
	--- status 1
	END
	client replace packs/ab/small medium
	client get packs/ab/small back
	cmp medium back
}

assert_absence_is_told() {
	expect client get packs/ab/none back <<-'END'
	ENOENT
	--- status 1
	END
	expect client stat packs/ab/none <<-'END'
	ENOENT
	--- status 1
	END
	expect client remove packs/ab/none <<-'END'
	ENOENT
	--- status 1
	END
	client remove packs/ab/medium
	expect client stat packs/ab/medium <<-'END'
	ENOENT
	--- status 1
	END
	for verb in stat get put list; do
		expect "$CLIENT" "$URL" s3://none/some/where $verb packs/ab/small small <<-'END'
		ENODEV
		--- status 1
		END
	done
}

assert_files_are_listed() {
	local i
	for i in {1..30}; do
		client put "roots/$i/x" small
	done
	client list roots | sort >listed
	for i in {1..30}; do
		echo "roots/$i/x 6"
	done | sort | diff - listed
	expect client list nothing <<-'END'
	END
}

assert_others_are_refused() {
	local verb
	for verb in get stat put list remove; do
		S3_SECRET=wrong expect client $verb packs/ab/large small <<-'END'
		EKEYREJECTED
		--- status 1
		END
		S3_USER=grace expect client $verb packs/ab/large small <<-'END'
		EKEYREJECTED
		--- status 1
		END
		(
			unset S3_USER
			expect client $verb packs/ab/large small <<-'END'
			EKEYREJECTED
			--- status 1
			END
		)
	done
}

# A repository whose data goes to the bucket and comes from there.
assert_data_comes_back() {
	grep -qa AWS_ACCESS_KEY_ID "$REVFS" || skip "this program takes no keys from the environment"
	new_repo
	mkdir -p data/sub
	seq 3000 >data/sub/numbers
	head -c 60000000 /dev/urandom >data/large
	cp -r /usr/include/linux data/headers
	revfs -q snapshot -m first data
	git config revfs.remote.lab.endpoint "$URL"
	revfs remote add lab s3://lab/with/data
	git commit -q -m remote
	AWS_SECRET_ACCESS_KEY=wrong expect_status 6 revfs -q push
	revfs -q push
	git clone -q . ../clone
	cd ../clone
	git config revfs.remote.lab.endpoint "$URL"
	git config revfs.io-timeout 20
	revfs -q export HEAD:data ../out
	diff -r ../out ../repo/data
	revfs -q cache clear
	AWS_SECRET_ACCESS_KEY=wrong expect_status 6 revfs cat HEAD:data/sub/numbers
}

test_files_in_versitygw() {
	with_service versitygw
	assert_files_are_kept
	assert_absence_is_told
	assert_files_are_listed
	assert_others_are_refused
}

test_files_in_minio() {
	with_service minio
	assert_files_are_kept
	assert_absence_is_told
	assert_files_are_listed
	assert_others_are_refused
}

test_data_in_versitygw() {
	local pack
	with_service versitygw
	assert_data_comes_back
	# What is damaged on its disk is named.
	pack=$(find ../s3/lab/with/data/packs -type f -size +50M)
	printf x | dd of="$pack" bs=1 seek=30000000 conv=notrunc status=none
	revfs -q cache clear
	expect_status 7 revfs cat HEAD:data/large
	grep -q "^revfs: cannot read 'HEAD:data/large': damaged data" "$SCRATCH/said.err"
}

test_data_in_minio() {
	with_service minio
	assert_data_comes_back
	# It sees damage itself, and breaks its answer off.
	find ../s3/lab/with/data/packs -type f -size +4M | while read -r part; do
		printf x | dd of="$part" bs=1 seek=5000000 conv=notrunc status=none
	done
	revfs -q cache clear
	git config revfs.io-timeout 3
	expect_status 5 revfs cat HEAD:data/large
	grep -q "^revfs: cannot read 'HEAD:data/large'" "$SCRATCH/said.err"
}

run_tests
