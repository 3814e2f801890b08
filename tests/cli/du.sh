#!/bin/bash
# revfs du: files, bytes, what is stored, and what only one revision needs.
. "${0%/*}/../cli/harness"

# What compression makes of it is not compared.
STORED='s/^( *[0-9,]+ +[0-9.]+ [a-zA-Z]+) +[0-9.]+ [a-zA-Z]+/\1 STORED/;s/^ +[0-9.]+ [a-zA-Z]+  all/ STORED  all/'

# number KEY COMMAND...: the first integer of that name in the JSON that COMMAND prints.
number() {
	local key=$1
	shift
	"$@" | grep -oE "\"$key\": ?[0-9]+" | grep -oE '[0-9]+$' | head -n1
}

random() {
	head -c "$1" /dev/zero | openssl enc -aes-128-ctr -pass "pass:$2" -nosalt -iter 1 2>/dev/null
}

# Two revisions: both hold `shared`, each holds one file of its own, all of 60,000 bytes that do not compress.
new_history() {
	new_repo
	mkdir data
	random 60000 shared >data/shared
	random 60000 one >data/own
	revfs -q snapshot -m one data >/dev/null
	git tag v1
	random 60000 two >data/own
	tick
	revfs -q snapshot -m two >/dev/null
	git tag v2
}

test_a_revision_a_dataset_a_folder_and_a_file() {
	new_dataset
	FILTER=$STORED expect revfs du HEAD HEAD:data data/sub data/large plain.txt <<-'END'
	       files        bytes       stored
	           4     97.6 KiB STORED  HEAD
	           4     97.6 KiB STORED  HEAD:data
	           1      4 bytes STORED  HEAD:data/sub
	           1     97.6 KiB STORED  HEAD:data/large
	 STORED  all, what they share counted once
	--- stderr
	revfs: 'HEAD:plain.txt' is no dataset, nor in one: Git holds it itself
	--- status 3
	END
}

test_default_is_the_current_directory() {
	new_dataset
	cd data/sub
	FILTER=$STORED expect revfs du <<-'END'
	       files        bytes       stored
	           1      4 bytes STORED  HEAD:data/sub
	END
}

test_json() {
	new_dataset
	git tag v1
	FILTER='s/"stored_bytes":[0-9]+/"stored_bytes":N/g' expect revfs du --json v1 HEAD:data/a.txt <<-END
	{"revisions":[{"revision":"v1","commit":"$(git rev-parse v1)","path":"","files":4,"bytes":100008,"stored_bytes":N},{"revision":"HEAD","commit":"$(git rev-parse v1)","path":"data/a.txt","files":1,"bytes":4,"stored_bytes":N}],"stored_bytes":N}
	END
}

test_what_is_shared_counts_once() {
	local one two both
	new_history
	one=$(number stored_bytes revfs du --json v1)
	two=$(number stored_bytes revfs du --json v2)
	both=$(revfs du --json v1 v2 | grep -oE '[0-9]+}$' | tr -d '}')
	[ "$one" -ge 120000 ] && [ "$one" -le 121000 ]
	[ "$two" -ge 120000 ] && [ "$two" -le 121000 ]
	[ "$both" -ge 180000 ] && [ "$both" -le 182000 ]
	[ "$(number stored_bytes revfs du --json v1:data/own)" -ge 60000 ]
	[ "$(number stored_bytes revfs du --json v1:data/own)" -le 60100 ]
}

test_unique_is_what_no_other_revision_needs() {
	local one
	new_history
	for one in v1 v2 v1:data HEAD; do
		[ "$(number unique_bytes revfs du --unique --json "$one")" -ge 60000 ]
		[ "$(number unique_bytes revfs du --unique --json "$one")" -le 60500 ]
	done
	[ "$(number unique_bytes revfs du --unique --json v1:data/shared)" = 0 ]
	[ "$(number unique_bytes revfs du --unique --json v1:data/own)" -ge 60000 ]
	# Another commit of the same data needs it too; a plain one between does not matter.
	echo more >plain
	new_commit plain
	[ "$(number unique_bytes revfs du --unique --json v2)" = 0 ]
	[ "$(number unique_bytes revfs du --unique --json HEAD)" = 0 ]
	[ "$(number unique_bytes revfs du --unique --json v1)" -ge 60000 ]
	# Nothing leads to v1 but its tag and what came after: its data are still its own.
	git checkout -q --orphan fresh
	git commit -q -m fresh
	git branch -D main >/dev/null
	git tag -d v2 >/dev/null
	[ "$(number unique_bytes revfs du --unique --json v1)" -ge 60000 ]
	[ "$(number unique_bytes revfs du --unique --json HEAD)" -ge 60000 ]
}

test_unique_has_a_column() {
	new_dataset
	FILTER="$STORED;s/STORED +[0-9.]+ [a-zA-Z]+/STORED UNIQUE/" expect revfs du --unique data <<-'END'
	       files        bytes       stored       unique
	           4     97.6 KiB STORED UNIQUE  HEAD:data
	END
}

test_revision_without_data() {
	new_repo
	new_commit
	expect revfs du <<-'END'
	       files        bytes       stored
	           0      0 bytes      0 bytes  HEAD
	END
	expect revfs du --unique --json HEAD <<-END
	{"revisions":[{"revision":"HEAD","commit":"$(git rev-parse HEAD)","path":"","files":0,"bytes":0,"stored_bytes":0,"unique_bytes":0}],"stored_bytes":0}
	END
}

test_missing_data_is_named() {
	new_dataset
	git tag v1
	git clone -q . ../clone
	cd ../clone
	expect revfs du v1 <<-'END'
	--- stderr
	revfs: cannot read 'v1:data': there is no store here, since 'git clone' copies pointers to data alone; 'revfs remote add' names where the data is
	--- status 7
	END
}

test_damaged_page_is_named_and_the_rest_counted() {
	local root
	new_dataset
	mkdir more
	echo x >more/file
	tick
	revfs -q snapshot -m more more >/dev/null
	root=$(sed -n 's/^root sha256://p' data.revfs)
	rm ".git/revfs/roots/${root:0:2}/$root"
	find .git/revfs/packs -type f -exec sh -c 'chmod u+w "$1" && truncate -s 100 "$1"' - {} \;
	rm -rf .git/revfs/hints
	expect_status 7 revfs du HEAD:data
	grep -q "cannot read 'HEAD:data" "$SCRATCH/said.err"
}

test_usage_errors() {
	new_dataset
	expect revfs du nowhere <<-'END'
	--- stderr
	revfs: 'nowhere' is neither a revision nor a path of 'HEAD'
	--- status 4
	END
}

run_tests
