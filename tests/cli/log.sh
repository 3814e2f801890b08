#!/bin/bash
# revfs log: which commits are told, what they did, paths, merges, JSON.
. "${0%/*}/../cli/harness"

# snap MESSAGE [PATH...]: a snapshot a minute later.
snap() {
	local message=$1
	shift
	tick
	revfs -q snapshot -m "$message" "$@" >/dev/null
}

new_history() {
	new_repo
	mkdir data
	echo one >data/a
	echo two >data/b
	snap first data
	echo plain >plain.txt
	new_commit "no data"
	echo three >data/c
	mv data/b data/moved
	snap second
	rm data/a
	snap third
}

test_commits_that_changed_data_latest_first() {
	new_history
	expect revfs log <<-END
	commit $(git rev-parse HEAD)
	Author: Ada <ada@example.org>
	Date:   2026-01-01 00:05:00 +0000

	    third

	    data: 1 deleted, -4 bytes

	commit $(git rev-parse HEAD~1)
	Author: Ada <ada@example.org>
	Date:   2026-01-01 00:04:00 +0000

	    second

	    data: 1 added, 1 renamed, +6 bytes

	commit $(git rev-parse HEAD~3)
	Author: Ada <ada@example.org>
	Date:   2026-01-01 00:02:00 +0000

	    first

	    data: 2 added, +8 bytes
	END
}

test_revision_and_count() {
	new_history
	[ "$(revfs log HEAD~1 | grep -c ^commit)" = 2 ]
	[ "$(revfs log -n 1 | grep -c ^commit)" = 1 ]
	[ "$(revfs log --max-count=2 HEAD | grep -c ^commit)" = 2 ]
	expect revfs log -n0 </dev/null
	expect revfs log -n x <<-'END'
	--- stderr
	revfs: -n takes a number, not 'x'
	see 'revfs help log'
	--- status 2
	END
	expect revfs log HEAD HEAD~1 <<-'END'
	--- stderr
	revfs: 'HEAD~1': more than one revision
	see 'revfs help log'
	--- status 2
	END
}

test_json_is_a_line_a_commit() {
	new_history
	expect revfs log --json -n 2 <<-END
	{"commit":"$(git rev-parse HEAD)","parents":["$(git rev-parse HEAD~1)"],"author":"Ada <ada@example.org>","author_time":"2026-01-01T00:05:00Z","time":"2026-01-01T00:05:00Z","summary":"third","datasets":[{"path":"data","root":"$(sed -n 's/^root sha256://p' data.revfs)","added":0,"modified":0,"deleted":1,"renamed":0,"added_bytes":0,"deleted_bytes":4,"files":2,"bytes":10}]}
	{"commit":"$(git rev-parse HEAD~1)","parents":["$(git rev-parse HEAD~2)"],"author":"Ada <ada@example.org>","author_time":"2026-01-01T00:04:00Z","time":"2026-01-01T00:04:00Z","summary":"second","datasets":[{"path":"data","root":"$(git show HEAD~1:data.revfs | sed -n 's/^root sha256://p')","added":1,"modified":0,"deleted":0,"renamed":1,"added_bytes":6,"deleted_bytes":0,"files":3,"bytes":14}]}
	END
}

subjects() {
	revfs log "$@" | sed -n 's/^    \([a-z ]*\)$/\1/p' | tr '\n' ' '
}

test_paths_limit_to_what_is_asked_for() {
	new_history
	mkdir -p other/sub
	echo x >other/sub/x
	snap fourth other
	[ "$(subjects)" = "fourth third second first " ]
	[ "$(subjects -- data/a)" = "third first " ]
	[ "$(subjects data)" = "third second first " ]
	[ "$(subjects other/sub)" = "fourth " ]
	[ "$(subjects -- other.revfs data/c)" = "fourth second " ]
	[ "$(subjects HEAD~1 -- other)" = "" ]
	cd data
	[ "$(subjects -- a)" = "third first " ]
	expect revfs log -n1 -- a <<-END
	commit $(git rev-parse HEAD~1)
	Author: Ada <ada@example.org>
	Date:   2026-01-01 00:05:00 +0000

	    third

	    data: 1 deleted, -4 bytes
	END
}

test_merge_counts_where_it_differs_from_all_parents() {
	new_history
	git switch -q -c side HEAD~1
	echo side >side.txt
	new_commit side
	tick
	git merge -q --no-edit main
	[ "$(subjects)" = "third second first " ]
	# One side is taken as it is: nothing new.  Whoever puts both together makes a change of his own.
	git switch -q -c left main
	echo left >data/left
	revfs -q snapshot --force -m left >/dev/null
	git switch -q -c right main
	rm data/left
	echo right >data/right
	tick
	revfs -q snapshot --force -m right >/dev/null
	tick
	expect_status 1 git merge -q left
	git checkout -q --theirs data.revfs
	git add data.revfs
	git commit -q -m taken
	[ "$(subjects -n 2)" = "right left " ]
	git reset -q --hard HEAD~1
	expect_status 1 git merge -q left
	git checkout -q --ours data.revfs
	echo left >data/left
	revfs -q snapshot --force data >/dev/null
	tick
	git commit -q -m both
	[ "$(subjects -n 2)" = "both right " ]
	revfs log -n1 | grep -q 'data: 1 added, +5 bytes'
}

test_summary_and_author_move_no_cursor() {
	new_repo
	mkdir data
	echo x >data/x
	GIT_AUTHOR_NAME=$'Red \033[31m' revfs -q snapshot -m $'bell \a and \033[2J' data >/dev/null
	revfs log | grep -q '^    bell ? and ?\[2J$'
	if revfs log | grep -q $'\033'; then false; fi
}

test_removed_dataset_and_dataset_of_one_file() {
	new_repo
	echo model >model.bin
	snap one model.bin
	git rm -q model.bin.revfs
	tick
	git commit -q -m gone
	expect revfs log <<-END
	commit $(git rev-parse HEAD)
	Author: Ada <ada@example.org>
	Date:   2026-01-01 00:03:00 +0000

	    gone

	    model.bin: 1 deleted, -6 bytes

	commit $(git rev-parse HEAD~1)
	Author: Ada <ada@example.org>
	Date:   2026-01-01 00:02:00 +0000

	    one

	    model.bin: 1 added, +6 bytes
	END
	revfs log --json -n1 | grep -q '"datasets":\[{"path":"model.bin","added":0,"modified":0,"deleted":1,"renamed":0,"added_bytes":0,"deleted_bytes":6,"files":0,"bytes":0}\]'
}

test_missing_data_is_named_and_the_rest_told() {
	new_history
	mkdir more
	echo y >more/y
	snap fourth more
	git show HEAD:more.revfs | sed "s/^root .*/root sha256:$(printf '%064d' 7)/" >more.revfs
	new_commit broken
	expect_status 3 revfs log
	grep -q "cannot read '$(git rev-parse HEAD):more': the data is missing" "$SCRATCH/said.err"
	[ "$(grep -c ^commit "$SCRATCH/said.out")" = 4 ]
}

test_shallow_clone_begins_at_its_border() {
	new_history
	git clone -q --depth 2 "file://$PWD" ../clone
	cp -r .git/revfs ../clone/.git/
	cd ../clone
	expect revfs log <<-END
	commit $(git rev-parse HEAD)
	Author: Ada <ada@example.org>
	Date:   2026-01-01 00:05:00 +0000

	    third

	    data: 1 deleted, -4 bytes

	commit $(git rev-parse HEAD~1)
	Author: Ada <ada@example.org>
	Date:   2026-01-01 00:04:00 +0000

	    second

	    data: 3 added, +14 bytes
	END
}

test_no_commit_yet() {
	new_repo
	expect revfs log <<-'END'
	--- stderr
	revfs: there is no commit yet: 'revfs snapshot PATH' or 'git commit' makes the first
	--- status 4
	END
}

test_both_readers_of_git_agree() {
	new_history
	revfs log --json >../libgit2
	REVFS_GIT_READER="command" revfs log --json | cmp - ../libgit2
}

test_colour() {
	new_history
	revfs log --color | head -n1 | grep -q "^$(printf '\033')\[33mcommit"
	revfs log | head -n1 | grep -q '^commit'
}

run_tests
