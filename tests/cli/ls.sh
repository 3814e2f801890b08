#!/bin/bash
# revfs ls: its forms, odd names, Git's files beside datasets, what cannot be read.
. "${0%/*}/../cli/harness"

test_long_form_has_mode_size_time_and_target() {
	new_dataset
	chmod +x data/a.txt
	mkdir data/empty
	ln -s $'odd\nplace' data/odd
	touch -h -d '2026-02-03T04:05:06Z' data/odd
	revfs -q snapshot -m more
	expect revfs ls -l data <<-'END'
	-rwxr-xr-x            4 2026-01-01 00:00:00 a.txt
	drwxr-xr-x            - 2026-01-01 00:02:00 empty
	-rw-r--r--       100000 2026-01-01 00:00:00 large
	lrwxrwxrwx            5 2026-01-01 00:00:00 link -> a.txt
	lrwxrwxrwx            9 2026-02-03 04:05:06 odd -> "odd\nplace"
	drwxr-xr-x            - 2026-01-01 00:02:00 sub
	END
	TZ=UTC-5 expect revfs ls --long HEAD:data/a.txt <<-'END'
	-rwxr-xr-x            4 2026-01-01 05:00:00 a.txt
	END
}

test_datasets_stand_beside_gits_files() {
	new_dataset
	expect revfs ls <<-'END'
	.gitignore
	.revfs
	data.revfs
	data
	plain.txt
	END
}

test_recursive_is_in_path_order() {
	new_dataset
	expect revfs ls -R <<-'END'
	.gitignore
	.revfs
	.revfs/config
	data.revfs
	data
	data/a.txt
	data/large
	data/link
	data/sub
	data/sub/b.txt
	plain.txt
	END
	expect revfs ls --recursive HEAD:data <<-'END'
	a.txt
	large
	link
	sub
	sub/b.txt
	END
}

test_a_file_lists_itself() {
	new_dataset
	expect revfs ls data/sub/b.txt <<-'END'
	b.txt
	END
	expect revfs ls -l data/link <<-'END'
	lrwxrwxrwx            5 2026-01-01 00:00:00 link -> a.txt
	END
	expect revfs ls HEAD:data.revfs <<-'END'
	data.revfs
	END
}

test_a_dataset_that_is_a_file() {
	new_repo
	printf 'id,label\n' >labels.csv
	touch -d '2026-01-01' labels.csv
	revfs -q snapshot -m labels labels.csv
	expect revfs ls -l labels.csv <<-'END'
	-rw-r--r--            9 2026-01-01 00:00:00 labels.csv
	END
	expect revfs ls -R <<-'END'
	.gitignore
	.revfs
	.revfs/config
	labels.csv.revfs
	labels.csv
	END
}

test_empty_folders_list_nothing() {
	new_repo
	mkdir -p data/empty
	revfs -q snapshot -m empty data
	expect revfs ls data/empty <<-'END'
	END
	expect revfs ls -R data <<-'END'
	empty
	END
	expect revfs ls --json data/empty <<-'END'
	END
}

test_json_has_an_object_a_line() {
	new_dataset
	expect revfs ls --json data <<-'END'
	{"path":"a.txt","type":"file","size":4,"mode":"0644","mtime":"2026-01-01T00:00:00Z","id":"2c8b08da5ce60398e1f19af0e5dccc744df274b826abe585eaba68c525434806"}
	{"path":"large","type":"file","size":100000,"mode":"0644","mtime":"2026-01-01T00:00:00Z","id":"7e9470bdc2048db4667681aed70b1dd034b5310feac2f34e96220565d47638b2"}
	{"path":"link","type":"symlink","size":5,"mode":"0777","mtime":"2026-01-01T00:00:00Z","id":"18b7cb099a9ea3f50ba899b5ba81e0d377a5f3b16f8f6eeb8b3e58cd4692b993","target":"a.txt"}
	{"path":"sub","type":"directory","size":0,"mode":"0755","mtime":"2026-01-01T00:02:00Z","id":"68078f453ab31ab2a6b12838475ab809639dc0ab3b14b8f1855e44757fcea654"}
	END
	expect revfs ls --json plain.txt <<-'END'
	{"path":"plain.txt","type":"file","size":6,"mode":"0644","mtime":"2026-01-01T00:02:00Z","id":"ce013625030ba8dba906f756967f9e9ca394464a"}
	END
	# The id of a small file is what sha256sum prints.
	revfs ls --json data/a.txt | grep -q "\"$(sha256sum <data/a.txt | cut -d' ' -f1)\""
}

# Names that few programs like, in the dataset and in Git.
odd_names() {
	mkdir "$1"
	echo 1 >"$1/ a b "
	echo 2 >"$1"/$'new\nline'
	echo 3 >"$1/-rf"
	echo 4 >"$1"/$'quote"back\\slash'
	echo 5 >"$1"/$'latin\xe9'
	echo 6 >"$1"/$'utf\xc3\xa9'
	echo 7 >"$1"/$'100%\xff'
	echo 8 >"$1/$(printf 'x%.0s' {1..255})"
	echo 9 >"$1/Case"
	echo 10 >"$1/case"
	echo 11 >"$1"/$'\x01'
	ln -s $'latin\xe9' "$1/link"
	touch -h -d '2026-01-01' "$1"/*
}

long=$(printf 'x%.0s' {1..255})

test_odd_names_are_quoted_as_git_does() {
	new_repo
	odd_names odd
	odd_names plain
	git add plain
	git commit -q -m plain
	revfs -q snapshot -m odd odd
	expect revfs ls odd <<-END
	"\\001"
	 a b 
	-rf
	"100%\\377"
	Case
	case
	"latin\\351"
	link
	"new\\nline"
	"quote\\"back\\\\slash"
	"utf\\303\\251"
	$long
	END
	revfs ls plain >ours
	git ls-tree --name-only HEAD:plain >gits
	diff gits ours
	revfs ls odd | diff gits -
}

test_z_gives_raw_names() {
	new_repo
	odd_names odd
	revfs -q snapshot -m odd odd
	revfs ls -z odd >ours
	(cd odd && printf '%s\0' *) | sort -z >theirs
	cmp theirs ours
	revfs ls -lz odd/$'new\nline' >ours
	printf -- '-rw-r--r--            2 2026-01-01 00:00:00 new\nline\0' | cmp - ours
}

test_json_of_odd_names_is_percent_encoded_where_needed() {
	new_repo
	odd_names odd
	revfs -q snapshot -m odd odd
	FILTER='s/,"type".*"id":"[^"]*"//' expect revfs ls --json odd <<-END
	{"path":"\\u0001"}
	{"path":" a b "}
	{"path":"-rf"}
	{"path":"100%25%FF","path_encoding":"percent"}
	{"path":"Case"}
	{"path":"case"}
	{"path":"latin%E9","path_encoding":"percent"}
	{"path":"link","target":"latin%E9","target_encoding":"percent"}
	{"path":"new\\nline"}
	{"path":"quote\\"back\\\\slash"}
	{"path":"utfM-CM-)"}
	{"path":"$long"}
	END
}

test_odd_names_can_be_asked_for() {
	new_repo
	odd_names odd
	revfs -q snapshot -m odd odd
	cd odd
	expect revfs ls -- -rf <<-'END'
	-rf
	END
	expect revfs ls ./-rf <<-'END'
	-rf
	END
	expect revfs ls HEAD:odd/$'new\nline' <<-'END'
	"new\nline"
	END
	expect revfs ls $'HEAD:odd/new\nlime' <<-'END'
	--- stderr
	revfs: path '"odd/new\nlime"' does not exist in 'HEAD'; did you mean '"odd/new\nline"'?
	--- status 4
	END
	expect revfs ls "HEAD:odd/$long" <<-END
	$long
	END
	expect_status 4 revfs ls "HEAD:odd/${long}x"
}

test_submodules_are_empty_folders() {
	new_repo lib
	new_commit
	cd ..
	new_repo
	git -c protocol.file.allow=always submodule --quiet add ../lib lib
	git commit -q -m module
	FILTER='s/"id":"[0-9a-f]*"/"id":"ID"/' expect revfs ls -R --json lib <<-'END'
	END
	FILTER='s/"id":"[0-9a-f]*"/"id":"ID"/' expect revfs ls --json <<-'END'
	{"path":".gitmodules","type":"file","size":44,"mode":"0644","mtime":"2026-01-01T00:02:00Z","id":"ID"}
	{"path":"lib","type":"directory","size":0,"mode":"0755","mtime":"2026-01-01T00:02:00Z","id":"ID"}
	END
}

test_a_clone_without_the_store_lists_git_and_names_what_it_lacks() {
	new_dataset
	git clone -q . ../clone
	expect revfs -C ../clone ls <<-'END'
	.gitignore
	.revfs
	data.revfs
	data
	plain.txt
	END
	expect revfs -C ../clone ls -R <<-'END'
	.gitignore
	.revfs
	.revfs/config
	data.revfs
	data
	plain.txt
	--- stderr
	revfs: cannot read 'HEAD:data': there is no store here, since 'git clone' copies pointers to data alone; 'revfs remote add' names where the data is
	--- status 3
	END
	expect revfs -C ../clone ls -lR <<-'END'
	-rw-r--r--            6 2026-01-01 00:02:00 .gitignore
	drwxr-xr-x            - 2026-01-01 00:02:00 .revfs
	-rw-r--r--          288 2026-01-01 00:02:00 .revfs/config
	-rw-r--r--          121 2026-01-01 00:02:00 data.revfs
	drwxr-xr-x            - 2026-01-01 00:02:00 data
	-rw-r--r--            6 2026-01-01 00:02:00 plain.txt
	--- stderr
	revfs: cannot read 'HEAD:data': there is no store here, since 'git clone' copies pointers to data alone; 'revfs remote add' names where the data is
	--- status 3
	END
	expect revfs -C ../clone ls data <<-'END'
	--- stderr
	revfs: cannot read 'HEAD:data': there is no store here, since 'git clone' copies pointers to data alone; 'revfs remote add' names where the data is
	--- status 7
	END
	FILTER='s/"id":"[0-9a-f]*"/ID/' expect revfs -C ../clone ls --json <<-'END'
	{"path":".gitignore","type":"file","size":6,"mode":"0644","mtime":"2026-01-01T00:02:00Z",ID}
	{"path":".revfs","type":"directory","size":0,"mode":"0755","mtime":"2026-01-01T00:02:00Z",ID}
	{"path":"data.revfs","type":"file","size":121,"mode":"0644","mtime":"2026-01-01T00:02:00Z",ID}
	{"path":"data","type":"directory","size":0,"mode":"0755","mtime":"2026-01-01T00:02:00Z","error":"the data is missing from the store"}
	{"path":"plain.txt","type":"file","size":6,"mode":"0644","mtime":"2026-01-01T00:02:00Z",ID}
	--- stderr
	revfs: cannot read 'HEAD:data': there is no store here, since 'git clone' copies pointers to data alone; 'revfs remote add' names where the data is
	{"error":{"code":3,"message":"cannot read 'HEAD:data': there is no store here, since 'git clone' copies pointers to data alone; 'revfs remote add' names where the data is"}}
	--- status 3
	END
}

test_the_reader_may_go_away() {
	new_repo
	mkdir many
	for ((i = 0; i < 3000; i++)); do
		: >"many/a-file-with-a-long-name-so-that-the-pipe-fills-$i"
	done
	revfs -q snapshot -m many many
	status=0
	{
		revfs ls -R 2>err || echo $? >status
	} | head -1 >/dev/null
	[ "$(cat status)" = 141 ]
	[ ! -s err ]
}

test_a_full_disk_ends_the_list() {
	new_dataset
	full() { revfs ls -R >/dev/full; }
	expect full <<-'END'
	--- stderr
	revfs: cannot write the output: No space left on device
	--- status 8
	END
}

test_too_many_arguments() {
	new_repo
	expect revfs ls a b <<-'END'
	--- stderr
	revfs: too many arguments
	see 'revfs help ls'
	--- status 2
	END
}

run_tests
