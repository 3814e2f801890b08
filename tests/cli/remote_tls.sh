#!/bin/bash
# Remotes behind TLS: a certificate that does not prove who the server is.
. "${0%/*}/../cli/harness"

# serve CERTIFICATE OPTION...: ../store with that one, at $URL.
serve() {
	rm -f ../ready ../ready.*
	"$TESTS_DIR/servers/http" "$(realpath ../store)" "$PWD/../ready" "tls=$PWD/../tls/$1.pem" "${@:2}" &
	SERVER=$!
	wait_for 20 test -e ../ready
	URL=$(cat ../ready)
	git config revfs.remote.lab.url "$URL"
}

# A clone of a repository whose data went to ../store, which trusts the authority of ../tls.
new_clone() {
	need openssl python3
	new_repo origin
	mkdir data
	echo one >data/a.txt
	head -c 100000 /dev/urandom >data/b
	revfs -q snapshot -m first data
	revfs remote add lab ../store
	revfs -q push
	git clone -q . ../repo
	cd ../repo || return 1
	"$TESTS_DIR/servers/certificates" ../tls
	git config http.sslCAInfo "$PWD/../tls/ca.pem"
	git config revfs.io-timeout 1h
}

# How many requests the server got to know; none where nobody trusted it.
asked() {
	if [ -e ../ready.log ]; then wc -l <../ready.log; else echo 0; fi
}

# assert_refused WORDS: nothing is read, without a wait for io-timeout, and the message says why.
assert_refused() {
	expect_status 6 timeout 120 revfs cat HEAD:data/a.txt
	[ ! -s "$SCRATCH/said.out" ]
	grep -qE "^revfs: cannot read 'HEAD:data/a.txt': the server's certificate is not trusted; the remote 'lab': .*$1" \
		"$SCRATCH/said.err"
	[ "$(wc -l <"$SCRATCH/said.err")" = 1 ]
	[ "$(asked)" = 0 ]
}

test_an_authority_of_ones_own() {
	new_clone
	serve good
	revfs -q export HEAD:data ../out
	diff -r ../out ../origin/data
	grep -q ' 206$' ../ready.log
	# For that server alone; and what the environment names goes over it.
	git config --unset http.sslCAInfo
	git config "http.$URL.sslCAInfo" "$PWD/../tls/ca.pem"
	revfs -q cache clear
	[ "$(revfs cat HEAD:data/a.txt)" = one ]
	git config "http.$URL.sslCAInfo" "$PWD/../tls/good.pem"
	revfs -q cache clear
	[ "$(GIT_SSL_CAINFO=$PWD/../tls/ca.pem revfs cat HEAD:data/a.txt)" = one ]
	# One that git cannot read is none.
	git config "http.$URL.sslCAInfo" '~no-such-user/ca.pem'
	revfs -q cache clear
	expect_status 6 revfs cat HEAD:data/a.txt
	grep -q "^revfs: warning: cannot read the setting 'http.sslCAInfo': " "$SCRATCH/said.err"
}

test_certificates_that_prove_nothing() {
	new_clone
	serve expired
	assert_refused 'certificate has expired'
	serve other-host
	assert_refused "match.*'?127.0.0.1"
	serve stranger
	assert_refused 'issuer'
	# Nor does one of an authority of one's own count where that is not set.
	git config --unset http.sslCAInfo
	serve good
	assert_refused 'issuer'
	git config http.sslCAInfo "$PWD/../none.pem"
	assert_refused 'none.pem'
}

test_no_password_goes_to_who_is_not_trusted() {
	new_clone
	cat >../helper <<-'END'
	#!/bin/bash
	echo "$1" >>"${0%/*}/asked"
	printf 'username=ada\npassword=secret-of-ada\n'
	END
	chmod +x ../helper
	git config credential.helper "$(realpath ../helper)"
	serve stranger auth=ada:secret-of-ada
	git config revfs.remote.lab.url "https://ada:secret-of-ada@${URL#https://}"
	assert_refused issuer
	not grep -q secret "$SCRATCH/said.err"
	[ ! -e ../asked ]
	git config revfs.remote.lab.url "$URL"
	assert_refused issuer
	[ ! -e ../asked ]
	serve good auth=ada:secret-of-ada
	[ "$(revfs cat HEAD:data/a.txt)" = one ]
}

test_another_remote_is_asked_instead() {
	new_clone
	serve expired
	git config revfs.remote.lab.priority 2
	git config revfs.remote.mirror.url "$PWD/../store"
	revfs cat HEAD:data/b | cmp - ../origin/data/b
	[ "$(asked)" = 0 ]
}

test_a_bucket_behind_a_certificate_of_another() {
	new_clone
	serve stranger
	git config revfs.remote.lab.url s3://lab/store
	git config revfs.remote.lab.endpoint "$URL"
	AWS_ACCESS_KEY_ID=ada AWS_SECRET_ACCESS_KEY=secret-of-ada assert_refused issuer
	FILTER='s|: [^:]*issuer[^:]*$|: WORDS|' expect revfs push --yes <<-'END'
	--- stderr
	revfs: cannot use the remote 'lab' (s3://lab/store): the server's certificate is not trusted: SSL certificate problem: WORDS
	--- status 6
	END
	[ "$(asked)" = 0 ]
}

test_a_mount_fails_at_once_and_says_why() {
	need_fuse
	need getfattr
	new_clone
	serve expired
	mkdir ../mnt
	revfs mount . ../mnt
	expect_status 1 timeout 120 cat ../mnt/@HEAD/data/a.txt
	grep -q 'certificate has expired' ../mnt/.revfs/status
	grep -q 'is not trusted' ../mnt/.revfs/errors
	[ "$(asked)" = 0 ]
	# It is asked again by the next read: nothing has to be mounted anew.
	kill $SERVER
	wait $SERVER || :
	serve good "port=${URL##*:}"
	diff -r ../mnt/@HEAD/data ../origin/data
	revfs umount ../mnt
}

run_tests
