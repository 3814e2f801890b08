#!/bin/bash
# Buckets that are asked with the user's credentials of AWS.
. "${0%/*}/../cli/harness"

# A repository whose data is in the bucket ../s3/lab, for which one needs the key AKIAX, and the word word-of-x.  Options
# are the server's.
new_bucket() {
	new_repo
	mkdir -p data ../s3/lab ~/.aws
	echo one >data/a.txt
	head -c 5000 /dev/urandom >data/b
	revfs -q snapshot -m first data
	git config revfs.io-timeout 20
	rm -f ../ready ../ready.*
	"$TESTS_DIR/servers/s3" "$(realpath ../s3)" "$PWD/../ready" key=AKIAX:word-of-x key=AKIAY:word-of-y:token-of-y \
		"$@" &
	wait_for 20 test -e ../ready
	URL=$(cat ../ready)
	git config revfs.remote.lab.url s3://lab/store
	git config revfs.remote.lab.endpoint "$URL"
}

# Reading everything, from there alone.
assert_all_there() {
	rm -rf ../clone ../out
	git clone -q . ../clone
	git -C ../clone config revfs.remote.lab.url s3://lab/store
	git -C ../clone config revfs.io-timeout 20
	[ -n "${NO_ENDPOINT:-}" ] || git -C ../clone config revfs.remote.lab.endpoint "$URL"
	[ -z "${PROFILE:-}" ] || git -C ../clone config revfs.remote.lab.profile "$PROFILE"
	revfs -q cache clear
	revfs -q -C ../clone export HEAD:data ../out
	diff -r ../out data
}

# Files of AWS's with a profile x that is right and a default that is not.
set_profiles() {
	printf '[default]\naws_access_key_id = AKIAX\naws_secret_access_key = wrong\n' >~/.aws/credentials
	printf '[x]\naws_access_key_id = AKIAX\naws_secret_access_key = word-of-x\n' >>~/.aws/credentials
}

test_variables_have_the_keys() {
	new_bucket
	AWS_ACCESS_KEY_ID=AKIAX AWS_SECRET_ACCESS_KEY=word-of-x revfs -q push
	not revfs -q push --all
	AWS_ACCESS_KEY_ID=AKIAY AWS_SECRET_ACCESS_KEY=word-of-y AWS_SESSION_TOKEN=token-of-y assert_all_there
	not grep -q ' -$' <(tail -n 3 ../ready.log)
}

test_a_profile_is_set() {
	new_bucket
	set_profiles
	expect_status 6 revfs push
	not grep -E 'wrong|word-of' "$SCRATCH/said.out" "$SCRATCH/said.err"
	git config revfs.remote.lab.profile x
	# Also where variables say something else.
	AWS_ACCESS_KEY_ID=AKIAX AWS_SECRET_ACCESS_KEY=wrong revfs -q push
	PROFILE=x assert_all_there
	AWS_PROFILE=x assert_all_there
}

test_no_shared_file_sets_a_profile() {
	new_bucket
	set_profiles
	git config --unset revfs.remote.lab.url
	git config -f .revfs/config remote.lab.url s3://lab/store
	git config -f .revfs/config remote.lab.profile x
	expect revfs config remote.lab.profile <<-'END'
	--- stderr
	revfs: warning: 'remote.lab.profile' in the shared '.revfs/config' is ignored: 'git config revfs.remote.lab.profile' sets it
	--- status 1
	END
	expect_status 6 revfs push --yes
}

test_a_missing_profile_is_named() {
	new_bucket
	git config revfs.remote.lab.profile nobody
	expect_status 6 revfs push
	head -n 1 "$SCRATCH/said.err" | diff - <(echo "revfs: warning: no credentials for the remote 'lab':" \
		"there is no profile 'nobody' in AWS's files")
}

test_a_process_gives_keys_that_expire() {
	new_bucket
	set_profiles
	cat >~/.aws/config <<-'END'
	[profile p]
	credential_process = ~/keys "a b"
	region = us-east-1
	END
	cat >~/keys <<-'END'
	#!/bin/sh
	[ "$1" = "a b" ] || exit 1
	echo >>"$HOME/run"
	echo '{"Version": 1, "AccessKeyId": "AKIAY", "SecretAccessKey": "word-of-y", "SessionToken": "token-of-y",'
	echo '"Expiration": "2100-01-01T00:00:00Z"}'
	END
	chmod +x ~/keys
	git config revfs.remote.lab.profile p
	revfs -q push
	[ "$(wc -l <~/run)" = 1 ]
	PROFILE=p assert_all_there
}

# Services that give the keys below: STS, and SSO's portal.
new_services() {
	rm -f ../given ../given.*
	"$TESTS_DIR/servers/metadata" . "$PWD/../given" &
	wait_for 20 test -e ../given
	AWS_ENDPOINT_URL_STS=$(cat ../given)
	AWS_ENDPOINT_URL_SSO=$AWS_ENDPOINT_URL_STS
	export AWS_ENDPOINT_URL_STS AWS_ENDPOINT_URL_SSO
}

test_a_role_is_taken_on() {
	new_bucket key=ASIAWRITER:writer-secret:writer-token
	new_services
	cat >~/.aws/config <<-'END'
	[profile base]
	aws_access_key_id = AKIAFILE
	aws_secret_access_key = word
	[profile r]
	role_arn = arn:aws:iam::1:role/writer
	source_profile = base
	[profile loop]
	role_arn = arn:aws:iam::1:role/writer
	source_profile = loop
	END
	git config revfs.remote.lab.profile r
	revfs -q push
	[ "$(wc -l <../given.log)" = 1 ]
	PROFILE=r assert_all_there
	git config revfs.remote.lab.profile loop
	expect_status 6 revfs push --all
	head -n 1 "$SCRATCH/said.err" | diff - <(echo "revfs: warning: no credentials for the remote 'lab':" \
		"the source_profile of the profile 'loop' is itself")
}

test_a_login_by_sso_is_used_while_it_lasts() {
	new_bucket key=ASIASSO:sso-secret:sso-token
	new_services
	mkdir -p ~/.aws/sso/cache
	cat >~/.aws/config <<-'END'
	[sso-session work]
	sso_start_url = https://example.awsapps.com/start
	sso_region = eu-west-1
	[profile s]
	sso_session = work
	sso_account_id = 123456789012
	sso_role_name = writer
	END
	token=~/.aws/sso/cache/$(printf work | sha1sum | cut -c -40).json
	echo '{"accessToken": "secret-of-sso", "expiresAt": "2100-01-01T00:00:00Z"}' >"$token"
	git config revfs.remote.lab.profile s
	revfs -q push
	PROFILE=s assert_all_there
	echo '{"accessToken": "secret-of-sso", "expiresAt": "2020-01-01T00:00:00Z"}' >"$token"
	expect_status 6 revfs push --all
	head -n 1 "$SCRATCH/said.err" | diff - <(echo "revfs: warning: no credentials for the remote 'lab':" \
		"the login by SSO of the profile 's' has expired: type 'aws sso login --profile s'")
	not grep secret-of-sso "$SCRATCH/said.err"
}

# keys_were_sent: whether any request was signed since the log was removed.
keys_were_sent() { grep -qv ' -$' ../ready.log; }

# What somebody wrote to the shared file gets no signed request and no token before its reader said so.
test_a_shared_endpoint_gets_no_keys_before_it_is_confirmed() {
	export AWS_ACCESS_KEY_ID=AKIAY AWS_SECRET_ACCESS_KEY=word-of-y AWS_SESSION_TOKEN=token-of-y
	new_bucket
	revfs -q push
	git config -f .revfs/config remote.lab.url s3://lab/store
	git config -f .revfs/config remote.lab.endpoint "$URL"
	git add .revfs/config
	git commit -q -m shared
	git clone -q . ../theirs
	cd ../theirs
	rm ../ready.log
	expect revfs cat HEAD:data/b <<-END
	--- stderr
	revfs: cannot read 'HEAD:data/b': not authorised; the remote 'lab': only the shared '.revfs/config' names its endpoint, which is asked as nobody until 'revfs remote trust lab' confirms it, and the service answers 403 AccessDenied
	--- status 6
	END
	expect_status 6 revfs fetch
	expect_status 6 revfs prefetch HEAD
	expect_status 6 revfs verify --remote lab
	expect_status 6 revfs push -n
	expect_status 11 revfs push
	# Nor where the URL is the reader's own.
	git config revfs.remote.lab.url s3://lab/store
	expect_status 6 revfs cat HEAD:data/b
	expect_status 11 revfs push
	not keys_were_sent
	expect revfs remote trust lab <<-END
	lab: 's3://lab/store' at '$URL'
	END
	revfs cat HEAD:data/b | cmp - ../repo/data/b
	keys_were_sent
	expect revfs push <<-'END'
	lab: has everything
	END
	expect revfs remote trust lab <<-'END'
	lab: 's3://lab/store' is this clone's own word already
	END
	# What the shared file says later does not count.
	git config -f .revfs/config remote.lab.endpoint http://127.0.0.1:9
	revfs -q cache clear
	revfs cat HEAD:data/b | cmp - ../repo/data/b
	expect revfs remote trust nobody <<-'END'
	--- stderr
	revfs: there is no remote 'nobody': 'revfs remote' lists them
	--- status 4
	END
}

# For a job that asks nobody: a variable, or a setting of the machine.
test_a_shared_endpoint_is_confirmed_without_asking() {
	export AWS_ACCESS_KEY_ID=AKIAX AWS_SECRET_ACCESS_KEY=word-of-x
	new_bucket
	revfs -q push
	git config -f .revfs/config remote.lab.url s3://lab/store
	git config -f .revfs/config remote.lab.endpoint "$URL"
	git add .revfs/config
	git commit -q -m shared
	git clone -q . ../theirs
	cd ../theirs
	GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=revfs.remote.lab.endpoint GIT_CONFIG_VALUE_0=$URL revfs cat HEAD:data/b |
		cmp - ../repo/data/b
	revfs -q cache clear
	AWS_ENDPOINT_URL=$URL revfs cat HEAD:data/b | cmp - ../repo/data/b
	revfs -q cache clear
	expect_status 6 revfs cat HEAD:data/b
	GIT_CONFIG_GLOBAL=$PWD/../global git config --global revfs.remote.lab.endpoint "$URL"
	GIT_CONFIG_GLOBAL=$PWD/../global revfs cat HEAD:data/b | cmp - ../repo/data/b
	# Of an endpoint that is the environment's, and none of the shared file's, nothing is to be confirmed.
	git config -f .revfs/config --unset remote.lab.endpoint
	revfs -q cache clear
	AWS_ENDPOINT_URL_S3=$URL revfs cat HEAD:data/b | cmp - ../repo/data/b
}

test_files_and_variables_say_where_the_bucket_is() {
	new_bucket
	set_profiles
	git config --unset revfs.remote.lab.endpoint
	printf '[profile x]\nendpoint_url = %s\nregion = us-east-1\n' "$URL" >~/.aws/config
	git config revfs.remote.lab.profile x
	revfs -q push
	PROFILE=x NO_ENDPOINT=1 assert_all_there
	# What is set for the remote counts first, then the variables.
	printf '[profile x]\nendpoint_url = http://127.0.0.1:9\n' >~/.aws/config
	PROFILE=x assert_all_there
	export AWS_ENDPOINT_URL_S3=$URL
	PROFILE=x NO_ENDPOINT=1 assert_all_there
}

run_tests
