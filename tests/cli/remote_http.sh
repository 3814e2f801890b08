#!/bin/bash
# Reading from a remote that is an HTTP server.
. "${0%/*}/../cli/harness"

# Serve the folder $1 with the options behind it: its address is $URL, its log ../ready.log.
serve() {
	rm -f ../ready ../ready.*
	"$TESTS_DIR/servers/http" "$(realpath "$1")" "$PWD/../ready" "${@:2}" &
	wait_for 20 test -e ../ready
	URL=$(cat ../ready)
}

plan() {
	if [ -n "$1" ]; then echo "$1" >../ready.plan; else rm -f ../ready.plan; fi
}

# A clone without data of a repository whose data was pushed to ../store.
new_clone() {
	new_repo
	mkdir -p data/sub
	seq 3000 >data/sub/numbers
	head -c 600000 /dev/urandom >data/large
	echo one >data/a.txt
	head -c 5000 /dev/urandom >data/b
	revfs -q snapshot -m first data
	revfs remote add lab ../store
	revfs -q push
	cd ..
	mv repo origin
	git clone -q origin repo
	cd repo || return 1
	git config revfs.io-timeout 20
}

assert_all_there() {
	rm -rf ../out
	revfs -q export HEAD:data ../out
	diff -r ../out ../origin/data
}

test_a_clone_reads_from_a_server() {
	local pack
	new_clone
	serve ../store
	revfs remote add lab "$URL/"
	assert_all_there
	# By ranges, each of a record.
	grep -qE '^GET /packs/.* bytes=[0-9]+-[0-9]+ 206$' ../ready.log
	# Or nothing: it was not known where a pack ends.
	[ "$(cut -d' ' -f4 ../ready.log | grep -v 416 | sort -u)" = 206 ]
	# What was read once is kept: the pack of data is asked for no more.
	pack=$(find ../store/packs -type f -size +500k -printf '%f')
	grep -q "$pack" ../ready.log
	rm ../ready.log
	assert_all_there
	if grep "$pack" ../ready.log; then return 1; fi
	revfs -q cache clear
	assert_all_there
	grep -q "$pack" ../ready.log
	revfs -q checkout
	echo more >data/more
	revfs -q snapshot -m more
	head -c 1000 /dev/urandom >data/noise
	revfs -q snapshot -m noise
	revfs push >../said 2>&1 && return 1
	grep -q "to the remote 'lab' ($URL/): Read-only file system" ../said
}

# Nothing has to be put there, but neither is it known that it will stay.
test_a_push_of_what_a_server_has() {
	new_clone
	serve ../store
	git config revfs.remote.lab.url "$URL"
	expect revfs push --yes <<-END
	--- stderr
	revfs: cannot push to the remote 'lab' ($URL): Read-only file system
	--- status 12
	END
}

test_servers_of_all_kinds() {
	local options
	new_clone
	for options in no-ranges no-head chunked 'chunked no-ranges no-head'; do
		# shellcheck disable=SC2086 # several
		serve ../store $options
		revfs -q cache clear
		git config revfs.remote.lab.url "$URL"
		assert_all_there
	done
}

test_redirects_are_followed_without_the_password() {
	local target
	new_clone
	serve ../store
	target=$URL
	mkdir ../front
	(cd ../front && mkdir x && cd x && serve ../../store "redirect=$target" && echo "$URL" >../url && sleep 60) &
	wait_for 20 test -e ../front/url
	git config revfs.remote.lab.url "$(cat ../front/url)"
	assert_all_there
	kill $!
}

test_passwords() {
	local host
	new_clone
	serve ../store auth=ada:secret
	git config revfs.remote.lab.url "$URL"
	expect revfs cat HEAD:data/a.txt <<-END
	--- stderr
	revfs: cannot read 'HEAD:data/a.txt': not authorised; the remote 'lab': 'git credential': could not read Username for '$URL': terminal prompts disabled
	--- status 6
	END
	host=${URL#http://}
	git config revfs.remote.lab.url "http://ada:secret@$host"
	expect revfs cat HEAD:data/a.txt <<-'END'
	one
	END
	revfs -q cache clear
	git config revfs.remote.lab.url "$URL"
	printf 'machine 127.0.0.1 login ada password secret\n' >~/.netrc
	chmod 600 ~/.netrc
	expect revfs cat HEAD:data/a.txt <<-'END'
	one
	END
	rm ~/.netrc
}

# A helper of git credential that knows the words $@, gives the first, and forgets what was refused.  It notes in ../asked
# what it is asked, and with what.
set_helper() {
	local word
	for word; do echo "$word"; done >../words
	cat >../helper <<-'END'
	#!/bin/bash
	cd "${0%/*}" || exit 1
	said=$(grep ^password=)
	echo "$1 ${said:--}" >>asked
	if [ "$1" = erase ]; then sed -i "/^${said#*=}$/d" words; fi
	if [ "$1" = get ] && [ -s words ]; then printf 'username=ada\npassword=%s\n' "$(head -n 1 words)"; fi
	END
	chmod +x ../helper
	git config credential.helper "$(realpath ../helper)"
}

test_git_gives_passwords_and_learns_which_are_right() {
	new_clone
	serve ../store auth=ada:open-sesame
	git config revfs.remote.lab.url "$URL"
	set_helper wrong-sesame open-sesame
	revfs -v export HEAD:data ../out >../said 2>&1
	diff -r ../out ../origin/data
	not grep sesame ../said
	printf '%s\n' 'get -' 'erase password=wrong-sesame' 'get -' 'store password=open-sesame' | diff - ../asked
	# It is asked for once, and then sent with every request.
	[ "$(grep -c ' 401$' ../ready.log)" = 2 ]
	[ "$(grep -c ' 206$' ../ready.log)" -gt 3 ]
	not grep -rq sesame . ~/.cache ../out
}

test_a_server_that_takes_no_password_in_the_clear() {
	new_clone
	serve ../store digest=ada:open-sesame
	git config revfs.remote.lab.url "$URL"
	set_helper open-sesame
	assert_all_there
	printf '%s\n' 'get -' 'store password=open-sesame' | diff - ../asked
}

test_git_knows_no_password_that_is_right() {
	new_clone
	serve ../store auth=ada:open-sesame
	git config revfs.remote.lab.url "$URL"
	set_helper wrong-sesame worse-sesame
	expect revfs -v cat HEAD:data/a.txt <<-'END'
	--- stderr
	revfs: cannot read 'HEAD:data/a.txt': not authorised; the remote 'lab': it refused the password
	--- status 6
	END
	printf '%s\n' 'get -' 'erase password=wrong-sesame' 'get -' | diff - ../asked
	set_helper
	rm ../asked
	expect revfs cat HEAD:data/a.txt <<-END
	--- stderr
	revfs: cannot read 'HEAD:data/a.txt': not authorised; the remote 'lab': 'git credential': could not read Username for '$URL': terminal prompts disabled
	--- status 6
	END
	[ "$(cat ../asked)" = 'get -' ]
}

test_a_right_password_goes_over_a_wrong_one_of_the_url() {
	local host
	new_clone
	serve ../store auth=ada:open-sesame
	host=${URL#http://}
	set_helper open-sesame
	for URL in "http://ada@$host" "http://ada:wrong-sesame@$host"; do
		git config revfs.remote.lab.url "$URL"
		revfs -q cache clear
		assert_all_there
	done
	not grep wrong-sesame ../asked
}

test_no_password_is_given_behind_a_redirect() {
	local target
	new_clone
	serve ../store auth=ada:open-sesame
	target=$URL
	mkdir ../front
	(cd ../front && mkdir x && cd x && serve ../../store "redirect=$target" && echo "$URL" >../url && sleep 60) &
	wait_for 20 test -e ../front/url
	git config revfs.remote.lab.url "$(cat ../front/url)"
	set_helper open-sesame
	expect revfs cat HEAD:data/a.txt <<-'END'
	--- stderr
	revfs: cannot read 'HEAD:data/a.txt': not authorised; the remote 'lab': where it sends on to wants a password
	--- status 6
	END
	[ ! -e ../asked ]
	kill $!
}

test_a_mount_has_the_password_and_shows_it_nowhere() {
	need_fuse
	need getfattr
	new_clone
	serve ../store auth=ada:open-sesame
	git config revfs.remote.lab.url "$URL"
	set_helper wrong-sesame
	mkdir ../mnt
	revfs mount . ../mnt
	not cat ../mnt/@HEAD/data/a.txt
	not grep -rq sesame ../mnt/.revfs
	not grep -q sesame <(getfattr -d -m - ../mnt ../mnt/@HEAD/data/a.txt 2>&1)
	revfs umount ../mnt
	set_helper open-sesame
	revfs mount . ../mnt
	diff -r ../mnt/@HEAD/data ../origin/data
	not grep -rq sesame ../mnt/.revfs
	revfs umount ../mnt
}

test_wrong_answers_are_not_believed() {
	local wrong
	new_clone
	serve ../store
	git config revfs.remote.lab.url "$URL"
	for wrong in flip wrong-range; do
		plan $wrong
		revfs cat HEAD:data/b >../got 2>../said && return 1
		[ ! -s ../got ]
		grep -q "cannot read 'HEAD:data/b'" ../said
		# Another one that is good helps.
		git config revfs.remote.store.url "$PWD/../store"
		revfs cat HEAD:data/b | cmp - ../origin/data/b
		git config --unset revfs.remote.store.url
		plan ''
		revfs -q cache clear
	done
	revfs cat HEAD:data/b | cmp - ../origin/data/b
}

test_what_passes_is_waited_for() {
	local wrong
	new_clone
	serve ../store
	git config revfs.remote.lab.url "$URL"
	for wrong in 503 500 cut; do
		revfs -q cache clear
		rm -f ../ready.log
		plan $wrong
		revfs cat HEAD:data/b >../got &
		wait_for 20 test -s ../ready.log
		plan ''
		wait $!
		cmp ../got ../origin/data/b
	done
}

test_a_server_that_stalls_can_be_given_up() {
	local status=0
	new_clone
	serve ../store
	git config revfs.remote.lab.url "$URL"
	plan stall
	revfs cat HEAD:data/b &
	wait_for 20 test -s ../ready.log
	kill -TERM $!
	wait $! || status=$?
	[ $status = 143 ]
	plan ''
}

test_no_server_ends_the_wait_in_time() {
	new_clone
	git config revfs.remote.lab.url http://127.0.0.1:9
	git config revfs.io-timeout 1
	revfs cat HEAD:data/b >../got 2>../said && return 1
	[ ! -s ../got ]
	grep -q "cannot read 'HEAD:data/b': Connection refused" ../said
}

test_a_mount_reads_from_a_server() {
	[ -w /dev/fuse ] || skip "no /dev/fuse"
	new_clone
	serve ../store
	git config revfs.remote.lab.url "$URL"
	mkdir ../mnt
	revfs mount . ../mnt
	diff -r ../mnt/@HEAD/data ../origin/data
	revfs umount ../mnt
}

run_tests
