#!/bin/bash
# A mount whose remote wants credentials that there are not: why is told where a daemon can tell it.
. "${0%/*}/common"

# A clone without data whose remote `lab` is a bucket that the keys AKIAX and, expired, AKIAOLD are for.
new_clone_of_a_bucket() {
	need_mount
	need getfattr
	new_dataset
	mkdir -p ../s3/lab
	"$TESTS_DIR/servers/s3" "$(realpath ../s3)" "$PWD/../ready" key=AKIAX:word key=AKIAOLD:word expired=AKIAOLD &
	wait_for 20 test -e ../ready
	git config revfs.remote.lab.endpoint "$(cat ../ready)"
	git config revfs.remote.lab.url s3://lab/x
	AWS_ACCESS_KEY_ID=AKIAX AWS_SECRET_ACCESS_KEY=word revfs -q push
	new_clone_of s3://lab/x
	git config revfs.remote.lab.endpoint "$(cat ../ready)"
}

new_clone_of() {
	git clone -q . ../clone
	cd ../clone
	git config revfs.remote.lab.url "$1"
	git config revfs.cacheDir "$PWD/../cache"
	git config revfs.io-timeout 2
	mkdir ../mnt
}

# folder_tells WHAT: of what failed last, as long as the kernel has not forgotten the folder.
folder_tells() {
	! cat "$MNT/@HEAD/data/sub/b.txt" 2>/dev/null &&
		getfattr -n user.revfs.error --only-values "$MNT/@HEAD/data" 2>/dev/null >../attribute &&
		[ "$(cat ../attribute)" = "$1" ]
}

# tells WHY [VARIABLE=VALUE...]: a mount tells that in the line of its remote, of the failure, and of the folder's attribute.
tells() {
	local why=$1 MNT
	shift
	MNT=$(realpath ../mnt)
	env "$@" revfs mount "$MNT"
	not cat "$MNT/@HEAD/data/sub/b.txt" 2>/dev/null
	cat "$MNT/.revfs/status" "$MNT/.revfs/errors" >../told
	grep -q "^remote lab .*, answering, failed last [0-9TZ:-]*: not authorised: $why\$" ../told
	grep -q "^[0-9TZ:-]* @[0-9a-f]*/data.*: can't look it up: not authorised: the remote 'lab': $why\( ([0-9]* times)\)\?\$" ../told
	wait_for 20 folder_tells "can't look it up: not authorised: the remote 'lab': $why"
	not grep -qw 'word\|secret' ../told ../attribute
	revfs umount "$MNT"
}

test_of_a_bucket() {
	new_clone_of_a_bucket
	tells 'no credentials were found, and the service answers 403 AccessDenied'
	tells 'the service answers 403 InvalidAccessKeyId' AWS_ACCESS_KEY_ID=AKIANO AWS_SECRET_ACCESS_KEY=word
	tells 'the service answers 403 SignatureDoesNotMatch' AWS_ACCESS_KEY_ID=AKIAX AWS_SECRET_ACCESS_KEY=other
	tells 'the service answers 400 ExpiredToken' AWS_ACCESS_KEY_ID=AKIAOLD AWS_SECRET_ACCESS_KEY=word
	tells "there is no profile 'x' in AWS's files" AWS_PROFILE=x
	mkdir ~/.aws
	printf '[default]\ncredential_process = /nowhere/keys --secret\n' >~/.aws/config
	tells "the program of 'credential_process' was not found, or is none (status 127)"
	printf '[default]\ncredential_process = echo secret; exit 1\n' >~/.aws/config
	tells "the 'credential_process' ended with the status 1"
}

test_of_a_server() {
	need_mount
	need getfattr
	new_dataset
	revfs remote add lab ../store
	revfs -q push
	"$TESTS_DIR/servers/http" "$(realpath ../store)" "$PWD/../ready" auth=ada:word &
	wait_for 20 test -e ../ready
	new_clone_of "$(cat ../ready)"
	tells "'git credential': could not read Username for '$(cat ../ready)': terminal prompts disabled"
	git config credential.helper '!echo username=ada; echo password=secret; :'
	tells 'it refused the password'
}

run_tests
