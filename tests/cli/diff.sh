#!/bin/bash
# revfs diff: between revisions, against the work tree; its forms; renames; paths.
. "${0%/*}/../cli/harness"

# v1, then v2: one file changed, one gone, one new, two moved (one of many chunks), a bit, a directory that came.
new_first() {
	new_repo
	mkdir -p data/sub
	echo same >data/same
	echo one >data/changed
	echo gone >data/gone
	echo moved along >data/sub/moved
	echo script >data/script
	seq 100000 >data/large
	revfs -q snapshot -m one data >/dev/null
	git tag v1
}

new_history() {
	new_first
	change
	tick
	revfs -q snapshot -m two >/dev/null
	git tag v2
}

change() {
	echo two and more >data/changed
	rm data/gone
	echo new >data/new
	mv data/sub/moved data/moved
	mv data/large data/sub/larger
	chmod +x data/script
	mkdir data/void
}

test_between_revisions() {
	new_history
	expect revfs diff v1 v2 <<-'END'
	M data/changed (4 bytes -> 13 bytes)
	D data/gone (5 bytes)
	R data/sub/moved -> data/moved (12 bytes)
	A data/new (4 bytes)
	M data/script (now executable)
	R data/large -> data/sub/larger (575.0 KiB)
	A data/void/
	END
	expect revfs diff v2 v1 <<-'END'
	M data/changed (13 bytes -> 4 bytes)
	A data/gone (5 bytes)
	R data/sub/larger -> data/large (575.0 KiB)
	D data/new (4 bytes)
	M data/script (no longer executable)
	R data/moved -> data/sub/moved (12 bytes)
	D data/void/
	END
	expect revfs diff v1 v1 </dev/null
}

test_work_tree_gives_the_same_as_its_snapshot() {
	local form
	# What was added is not read, so that it has no id, unless it could be a rename.
	without_ids() { sed '/"status":"\(added\|modified\)"/s/,"id":"[^"]*"//'; }
	new_first
	change
	for form in --color=never --stat --name-status --json; do
		revfs diff $form | without_ids >"../head$form"
		revfs diff $form v1 | without_ids >"../against$form"
	done
	tick
	revfs -q snapshot -m two >/dev/null
	for form in --color=never --stat --name-status --json; do
		revfs diff $form v1 HEAD | without_ids >../revisions
		[ -s ../revisions ]
		diff ../revisions "../head$form"
		diff ../revisions "../against$form"
		revfs diff $form v1 | without_ids | diff ../revisions -
		expect revfs diff $form </dev/null
	done
}

test_name_status_is_gits() {
	new_history
	printf 'D\tdata/gone\nR100\tdata/sub/moved\tdata/moved\n' >../expected
	revfs diff --name-status v1 v2 | sed -n 2,3p | cmp - ../expected
	expect revfs diff --name-status v1 v2 -- data/changed data/void <<-END
	M	data/changed
	A	data/void/
	END
	printf 'D\0data/gone\0R100\0data/sub/moved\0data/moved\0' >../expected
	revfs diff --name-status -z v1 v2 -- data/gone data/moved data/sub/moved | cmp - ../expected
}

test_stat_counts_each_dataset() {
	new_history
	mkdir more
	echo x >more/x
	tick
	revfs -q snapshot -m more more >/dev/null
	expect revfs diff --stat v1 HEAD <<-'END'
	data: 1 added, 2 modified, 1 deleted, 2 renamed, +24 bytes, -16 bytes
	more: 1 added, +2 bytes
	END
	rmdir data/void
	expect revfs diff --stat <<-'END'
	data: directories changed
	END
}

test_json_has_sizes_and_ids() {
	new_history
	expect revfs diff --json v1 v2 -- data/changed data/moved data/sub/moved data/script data/void <<-'END'
	{"status":"modified","path":"data/changed","dataset":"data","old_type":"file","old_size":4,"old_id":"2c8b08da5ce60398e1f19af0e5dccc744df274b826abe585eaba68c525434806","type":"file","size":13,"id":"c8d361819b8d6c696e50763eddfa59b26fc85a216866c663ffef530aebc0ee9c"}
	{"status":"renamed","path":"data/moved","dataset":"data","old_path":"data/sub/moved","old_type":"file","old_size":12,"old_id":"f352189b91d360ac5c00c69cb06241193889db0f0590a3455738bea46e63f9bb","type":"file","size":12,"id":"f352189b91d360ac5c00c69cb06241193889db0f0590a3455738bea46e63f9bb"}
	{"status":"modified","path":"data/script","dataset":"data","old_type":"file","old_size":7,"old_id":"5708c28ed70f5aeb31081a46b1ff4b62f772a424563ab73c1132ca08a38ca4e7","type":"file","size":7,"id":"5708c28ed70f5aeb31081a46b1ff4b62f772a424563ab73c1132ca08a38ca4e7","executable":true}
	{"status":"added","path":"data/void","dataset":"data","type":"directory","size":0}
	END
}

test_exit_code() {
	new_history
	expect_status 0 revfs diff v1 v2
	expect_status 1 revfs diff --exit-code v1 v2
	expect_status 0 revfs diff --exit-code v1 v2 -- data/same
	expect_status 0 revfs diff --exit-code
	echo more >>data/same
	expect_status 1 revfs diff --exit-code
}

test_forms_of_two_revisions() {
	local form
	new_history
	revfs diff v1 v2 >../expected
	for form in v1..v2 v1.. ; do
		revfs diff "$form" | diff ../expected -
		revfs diff "$form" -- | diff ../expected -
		revfs diff "$form" data | diff ../expected -
	done
	revfs diff v2 v1 | grep -c . >../count
	[ "$(revfs diff ..v1 | grep -c .)" = "$(cat ../count)" ]
	expect revfs diff v1...v2 <<-'END'
	--- stderr
	revfs: 'v1...v2': three dots are not understood; 'A..B' compares A with B
	see 'revfs help diff'
	--- status 2
	END
}

test_paths_are_relative_and_may_be_pointers() {
	new_history
	cd data
	expect revfs diff v1 v2 -- changed <<-'END'
	M data/changed (4 bytes -> 13 bytes)
	END
	expect revfs diff v1 v2 -- ../data.revfs sub/../new <<-'END'
	M data/changed (4 bytes -> 13 bytes)
	D data/gone (5 bytes)
	R data/sub/moved -> data/moved (12 bytes)
	A data/new (4 bytes)
	M data/script (now executable)
	R data/large -> data/sub/larger (575.0 KiB)
	A data/void/
	END
	# Where only one end of a rename is asked for, it is none.
	expect revfs diff v1 v2 -- sub <<-'END'
	A data/sub/larger (575.0 KiB)
	D data/sub/moved (12 bytes)
	END
}

test_what_is_both_needs_dashes() {
	new_history
	git branch data
	expect revfs diff data <<-'END'
	--- stderr
	revfs: 'data' is both a revision and a path: write 'data --' for the revision, '-- data' for the path
	--- status 2
	END
	expect revfs diff data -- </dev/null
	expect revfs diff -- data </dev/null
}

test_unknown_revision_is_named() {
	new_history
	expect revfs diff v3 v2 <<-'END'
	--- stderr
	revfs: there is no revision 'v3'; did you mean 'v1'?
	--- status 4
	END
	expect revfs diff v1 v2 main <<-'END'
	--- stderr
	revfs: 'main': more than two revisions
	see 'revfs help diff'
	--- status 2
	END
}

test_renames_prefer_the_same_name() {
	new_repo
	mkdir -p data/one data/two
	for name in a b c; do echo equal >data/one/$name; done
	revfs -q snapshot -m one data >/dev/null
	mv data/one/c data/two/c
	mv data/one/b data/two/z
	mv data/one/a data/two/b
	expect revfs diff --name-status <<-'END'
	R100	data/one/b	data/two/b
	R100	data/one/c	data/two/c
	R100	data/one/a	data/two/z
	END
}

test_renames_go_across_datasets() {
	new_repo
	mkdir one two
	echo stays >one/stays
	echo content >one/x
	echo here >two/here
	revfs -q snapshot -m first one two >/dev/null
	mv one/x two/y
	expect revfs diff <<-'END'
	R one/x -> two/y (8 bytes)
	END
	expect revfs diff --stat <<-'END'
	two: 1 renamed
	END
}

test_odd_names_are_quoted() {
	new_repo
	mkdir data
	touch data/plain
	revfs -q snapshot -m one data >/dev/null
	echo x >$'data/new\nline\377'
	expect revfs diff --name-status <<-'END'
	A	"data/new\nline\377"
	END
	expect revfs diff --json <<-'END'
	{"status":"added","path":"data/new\nline%FF","path_encoding":"percent","dataset":"data","type":"file","size":2}
	END
}

test_kind_that_changes_is_gone_and_new() {
	new_repo
	mkdir -p data/kind
	echo x >data/kind/in
	echo y >data/file
	revfs -q snapshot -m one data >/dev/null
	rm -r data/kind data/file
	echo z >data/kind
	mkdir data/file
	ln -s nowhere data/file/link
	expect revfs diff <<-'END'
	D data/file (2 bytes)
	A data/file/link (7 bytes)
	D data/kind/in (2 bytes)
	A data/kind (2 bytes)
	END
}

test_dataset_that_comes_goes_or_becomes_a_file() {
	new_repo
	mkdir data
	echo x >data/x
	revfs -q snapshot -m one data >/dev/null
	git tag v1
	rm -r data
	echo a file now >data
	mkdir new
	echo y >new/y
	tick
	revfs -q snapshot -m two data new >/dev/null
	git tag v2
	expect revfs diff v1 v2 <<-'END'
	D data/x (2 bytes)
	A data (11 bytes)
	A new/y (2 bytes)
	END
	revfs diff v1 v2 >../expected
	revfs diff v1 | diff ../expected -
	git rm -q new.revfs
	expect revfs diff <<-'END'
	D new/y (2 bytes)
	END
}

test_dataset_not_checked_out_is_as_its_pointer() {
	new_history
	rm -r data
	expect revfs diff </dev/null
	revfs diff v1 v2 >../expected
	revfs diff v1 | diff ../expected -
}

test_before_the_first_commit() {
	new_repo
	mkdir data
	echo x >data/x
	revfs -q snapshot --no-commit data >/dev/null
	expect revfs diff <<-'END'
	A data/x (2 bytes)
	END
}

test_conflict_in_a_pointer_is_named_and_the_rest_compared() {
	new_repo
	mkdir one two
	echo x >one/x
	echo y >two/y
	revfs -q snapshot -m first one two >/dev/null
	echo '<<<<<<< ours' >one.revfs
	echo z >two/z
	expect revfs diff <<-'END'
	A two/z (2 bytes)
	--- stderr
	revfs: 'one.revfs', line 1: conflict markers: resolve it, or 'git checkout HEAD -- one.revfs'
	--- status 3
	END
}

test_missing_page_fails_its_dataset_alone() {
	local root
	new_history
	mkdir other
	echo x >other/x
	tick
	revfs -q snapshot -m other other >/dev/null
	git tag v3
	root=$(git show v1:data.revfs | sed -n 's/^root sha256://p')
	git show v1:data.revfs | sed "s/$root/$(printf '%064d' 1)/" >data.revfs
	git add data.revfs
	git commit -q -m broken
	FILTER='s/damaged or missing.*/damaged or missing/' expect revfs diff v1 HEAD <<-'END'
	A other/x (2 bytes)
	--- stderr
	revfs: cannot read 'data': the data is missing from the store; 'revfs verify' names all that is damaged or missing
	--- status 3
	END
}

test_bare_repository_compares_revisions() {
	new_history
	git clone -q --bare . ../bare.git
	cp -r .git/revfs ../bare.git/
	revfs diff v1 v2 >../expected
	cd ../bare.git
	revfs diff v1 v2 | diff ../expected -
	expect_status 11 revfs diff v1
}

test_colour() {
	new_history
	expect revfs diff --color --name-status v1 v2 -- data/gone <<-'END'
	^[[31mD^[[m	data/gone
	END
	NO_COLOR=1 expect revfs diff v1 v2 -- data/gone <<-'END'
	D data/gone (5 bytes)
	END
	CLICOLOR_FORCE=1 expect revfs diff v1 v2 -- data/gone <<-'END'
	^[[31mD^[[m data/gone (5 bytes)
	END
	CLICOLOR_FORCE=1 expect revfs diff --color=never v1 v2 -- data/gone <<-'END'
	D data/gone (5 bytes)
	END
	# The option goes over both, NO_COLOR over CLICOLOR_FORCE; 0 and nothing are no wish.
	NO_COLOR=1 expect revfs diff --color=always v1 v2 -- data/gone <<-'END'
	^[[31mD^[[m data/gone (5 bytes)
	END
	NO_COLOR=1 CLICOLOR_FORCE=1 expect revfs diff v1 v2 -- data/gone <<-'END'
	D data/gone (5 bytes)
	END
	NO_COLOR='' CLICOLOR_FORCE=0 expect revfs diff v1 v2 -- data/gone <<-'END'
	D data/gone (5 bytes)
	END
	expect revfs diff --color=sometimes <<-'END'
	--- stderr
	revfs: --color takes always, never or auto, not 'sometimes'
	see 'revfs help diff'
	--- status 2
	END
}

test_no_data_is_read_between_revisions() {
	new_first
	head -c 3000000 /dev/urandom >data/random
	tick
	revfs -q snapshot -m random >/dev/null
	git tag v2
	rm data/random
	tick
	revfs -q snapshot -m gone >/dev/null
	# The largest pack is one of data: pages are all that is left.
	rm -f "$(find .git/revfs/packs -type f -printf '%s %p\n' | sort -n | tail -n1 | cut -d' ' -f2)"
	expect revfs diff v2 HEAD <<-'END'
	D data/random (2.8 MiB)
	END
}

run_tests
