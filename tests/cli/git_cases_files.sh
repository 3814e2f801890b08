#!/bin/bash
# long
# What a dataset may be made of, case by case: the files, their names and kinds, the path itself.
. "${0%/*}/../cli/harness"

new_data() {
	new_repo
	mkdir -p data/sub
	echo one >data/a
	echo two >data/sub/b
}

assert_unrecorded() {
	[ ! -e data.revfs ]
	not git rev-parse -q --verify HEAD
}

test_a_change_that_stat_hides_right_after_a_snapshot_is_seen() {
	new_data
	revfs -q snapshot -m first data
	cp -p data/a ../times
	printf 'ONE\n' >data/a
	touch -r ../times data/a
	revfs -q snapshot -m second
	expect revfs cat HEAD:data/a <<-'END'
	ONE
	END
}

test_full_sees_what_a_mapping_writes() {
	need python3
	new_data
	find data -exec touch -h -d '2026-01-01T00:00:00Z' {} +
	revfs -q snapshot -m first data
	python3 -c '
import mmap, subprocess
with open("data/a", "r+b") as f:
    m = mmap.mmap(f.fileno(), 0)
    m[0:3] = b"ONE"
    subprocess.check_call(["revfs", "-q", "snapshot", "--full", "-m", "second"])
'
	expect revfs cat HEAD:data/a <<-'END'
	ONE
	END
}

test_holes_stay_holes() {
	new_repo
	mkdir data
	truncate -s 200M data/sparse
	printf middle | dd of=data/sparse bs=1 seek=100000001 conv=notrunc status=none
	cp --sparse=always data/sparse ../truth
	revfs -q snapshot -m first data
	[ "$(du -sk .git/revfs | cut -f1)" -lt 500 ]
	rm data/sparse
	revfs -q checkout
	cmp data/sparse ../truth
	[ "$(du -k data/sparse | cut -f1)" -lt 2000 ]
}

test_special_files_are_refused_by_name() {
	need python3
	new_data
	mkfifo data/sub/fifo
	python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind("data/socket")'
	expect revfs snapshot -m first data <<-'END'
	--- stderr
	revfs: 'data/socket' is a FIFO, socket or device: remove it, or leave it out with --skip-special
	revfs: 'data/sub/fifo' is a FIFO, socket or device: remove it, or leave it out with --skip-special
	revfs: 'data' was left as it was
	--- status 11
	END
	assert_unrecorded
	revfs -q snapshot --skip-special -m first data
	expect revfs ls -R HEAD:data <<-'END'
	a
	sub
	sub/b
	END
}

test_names_are_bytes() {
	new_repo
	mkdir data
	printf 1 >data/$'\xff\xfe'
	printf 2 >data/$'new\nline'
	printf 3 >'data/ -"quoted"\'
	printf 4 >data/"$(printf 'n%.0s' {1..255})"
	printf 5 >data/A
	printf 6 >data/a
	printf 7 >data/--
	revfs -q snapshot -m first data
	expect revfs ls HEAD:data <<-END
	" -\"quoted\"\\\\"
	--
	A
	a
	"new\nline"
	$(printf 'n%.0s' {1..255})
	"\377\376"
	END
	rm -r data
	revfs -q checkout
	[ "$(cat data/$'\xff\xfe')$(cat data/$'new\nline')$(cat 'data/ -"quoted"\')$(cat data/nn*)$(cat data/A data/a data/--)" = 1234567 ]
	mkfifo data/$'\xff.fifo'
	expect revfs snapshot -m second <<-'END'
	--- stderr
	revfs: '"data/\377.fifo"' is a FIFO, socket or device: remove it, or leave it out with --skip-special
	revfs: 'data' was left as it was
	--- status 11
	END
}

test_names_are_never_normalised() {
	new_repo
	mkdir data
	printf 1 >data/$'\xc3\xa9'
	printf 2 >data/$'e\xcc\x81'
	revfs -q snapshot -m both data
	rm -r data
	revfs -q checkout
	[ "$(find data -type f | wc -l)" = 2 ]
	[ "$(cat data/$'\xc3\xa9' data/$'e\xcc\x81')" = 12 ]
}

test_a_carriage_return_in_the_name_of_a_dataset() {
	new_repo
	mkdir $'ends\r' $'in\rside'
	echo 1 >$'ends\r/1'
	echo 2 >$'in\rside/2'
	revfs -q snapshot -m returns $'ends\r' $'in\rside'
	expect cat .gitignore <<-'END'
	/ends?
	/in?side
	END
	[ -z "$(git status --porcelain)" ]
	[ "$(revfs cat $'HEAD:ends\r/1')" = 1 ]
}

test_datasets_may_have_odd_names() {
	local name
	new_repo
	for name in 'with blank' $'new\nline' '*' '[set]' 'back\slash' 'blank at end ' '-dash' '#hash' '!bang' $'\xff' '"quote"' ':colon' '?'; do
		mkdir -p "./$name"
		echo "$name" >"./$name/file"
	done
	revfs -q snapshot -m first -- 'with blank' $'new\nline' '*' '[set]' 'back\slash' 'blank at end ' -dash '#hash' '!bang' \
		$'\xff' '"quote"' :colon '?'
	[ -z "$(git status --porcelain)" ]
	expect cat .gitignore <<-'END'
	/with blank
	/new?line
	/\*
	/\[set]
	/back\\slash
	/blank at end\ 
	/-dash
	/#hash
	/!bang
	/M-^?
	/"quote"
	/:colon
	/\?
	END
	for name in */; do
		[ "$(revfs cat "HEAD:${name}file")" = "${name%/}" ]
		# Git leaves each alone, by the line of its own.
		git check-ignore -q --no-index "./$name"
	done
	git rm -q --cached .gitignore
	[ "$(git ls-files -o --exclude-standard)" = .gitignore ]
}

test_links_that_leave_the_dataset_are_refused() {
	new_data
	ln -s ../outside data/out
	ln -s /etc/passwd data/absolute
	ln -s ../a data/sub/inside
	ln -s ../../data/a data/sub/around
	expect revfs snapshot -m first data <<-'END'
	--- stderr
	revfs: 'data/absolute' is a symlink that leads out of the dataset: --allow-outside-links records it
	revfs: 'data/out' is a symlink that leads out of the dataset: --allow-outside-links records it
	revfs: 'data/sub/around' is a symlink that leads out of the dataset: --allow-outside-links records it
	revfs: 'data' was left as it was
	--- status 11
	END
	assert_unrecorded
	revfs -q snapshot --allow-outside-links -m first data
	rm -r data
	revfs -q checkout
	[ "$(readlink data/absolute) $(readlink data/sub/inside)" = '/etc/passwd ../a' ]
}

test_dot_git_is_refused_in_any_spelling() {
	new_data
	mkdir data/.git data/sub/.GiT
	touch data/git~1 data/$'.g\xe2\x80\x8cit' data/'.git. . '
	expect revfs snapshot -m first data <<-'END'
	--- stderr
	revfs: 'data/.git' is a name that git or a file system takes for .git: rename or remove it
	revfs: 'data/.git. . ' is a name that git or a file system takes for .git: rename or remove it
	revfs: '"data/.g\342\200\214it"' is a name that git or a file system takes for .git: rename or remove it
	revfs: 'data/git~1' is a name that git or a file system takes for .git: rename or remove it
	revfs: 'data/sub/.GiT' is a name that git or a file system takes for .git: rename or remove it
	revfs: 'data' was left as it was
	--- status 11
	END
	assert_unrecorded
}

test_dot_git_that_was_forged_is_never_materialised() {
	need_tool forge
	new_repo
	"$tool" .git/revfs dot-git >data.revfs
	new_commit forged
	expect revfs cat data/bad/b data/good <<-'END'
	bgood
	END
	expect revfs cat data/bad/.GIT <<-'END'
	--- stderr
	revfs: 'HEAD:data/bad/.GIT' is a name that git or a file system takes for .git: left out
	--- status 7
	END
	FILTER='s/[0-9.]+ s$/N s/' expect revfs export HEAD:data ../out <<-'END'
	2 files, 6 bytes, written to '../out', N s
	--- stderr
	revfs: 'HEAD:data/bad/.GIT' is a name that git or a file system takes for .git: left out
	--- status 3
	END
	expect_status 3 revfs archive HEAD:data
	cp "$SCRATCH/said.out" ../copy.tar
	expect tar -tf ../copy.tar <<-'END'
	bad/
	bad/b
	good
	END
	expect revfs checkout <<-'END'
	data: 2 written, 0 removed
	--- stderr
	revfs: 'data/bad/.GIT' is a name that git or a file system takes for .git: left out
	--- status 3
	END
	[ -z "$(find data ../out -iname .git)" ]
	[ "$(cat data/bad/b data/good)" = bgood ]
}

test_dot_git_that_was_forged_is_EIO_in_a_mount() {
	need_tool forge
	need_fuse
	new_repo
	"$tool" .git/revfs dot-git >data.revfs
	new_commit forged
	mkdir ../mnt
	revfs mount ../mnt
	[ "$(cat ../mnt/@HEAD/data/bad/b)" = b ]
	expect cat ../mnt/@HEAD/data/bad/.GIT <<-'END'
	--- stderr
	cat: ../mnt/@HEAD/data/bad/.GIT: Input/output error
	--- status 1
	END
	revfs umount ../mnt
}

test_datasets_do_not_nest() {
	new_data
	revfs -q snapshot -m first data/sub
	expect revfs snapshot -m second data <<-'END'
	--- stderr
	revfs: 'data' holds the dataset 'data/sub', and datasets do not nest: name 'data/sub'
	--- status 11
	END
	mkdir data/sub/deeper
	expect revfs snapshot -m second data/sub/deeper <<-'END'
	--- stderr
	revfs: 'data/sub/deeper' lies in the dataset 'data/sub': 'revfs snapshot data/sub' records it
	--- status 11
	END
}

test_nor_do_two_that_are_new() {
	new_data
	expect revfs snapshot -m first data data/sub <<-'END'
	--- stderr
	revfs: 'data' holds the dataset 'data/sub', and datasets do not nest: name 'data/sub'
	revfs: 'data/sub' lies in the dataset 'data': 'revfs snapshot data' records it
	--- status 11
	END
	assert_unrecorded
}

test_paths_that_cannot_be_datasets() {
	new_data
	ln -s data link
	mkdir "$(printf 'n%.0s' {1..250})"
	mkdir odd.revfs .revfs
	mkfifo pipe
	expect revfs snapshot . <<-'END'
	--- stderr
	revfs: the whole work tree cannot be a dataset: name a directory or file in it
	--- status 11
	END
	expect revfs snapshot link <<-'END'
	--- stderr
	revfs: 'link' is, or lies behind, a symlink: name what it leads to
	--- status 11
	END
	expect revfs snapshot link/sub <<-'END'
	--- stderr
	revfs: 'link/sub' is, or lies behind, a symlink: name what it leads to
	--- status 11
	END
	expect revfs snapshot nnn* <<-END
	--- stderr
	revfs: '$(printf 'n%.0s' {1..250})': the name of a dataset has at most 249 bytes, for its pointer file
	--- status 11
	END
	expect revfs snapshot odd.revfs <<-'END'
	--- stderr
	revfs: 'odd.revfs' cannot be a dataset: names that end in .revfs are those of pointer files
	--- status 11
	END
	expect revfs snapshot pipe <<-'END'
	--- stderr
	revfs: 'pipe' is neither a directory nor a regular file
	--- status 11
	END
	expect revfs snapshot .git <<-'END'
	--- stderr
	revfs: '.git' cannot be a dataset
	--- status 11
	END
	expect revfs snapshot .git/info <<-'END'
	--- stderr
	revfs: '.git/info' cannot be a dataset
	--- status 11
	END
	expect revfs snapshot .revfs <<-'END'
	--- stderr
	revfs: '.revfs' cannot be a dataset
	--- status 11
	END
	expect_status 2 revfs snapshot ..
	assert_unrecorded
}

test_a_name_of_249_bytes_is_a_dataset() {
	local name
	name=$(printf 'n%.0s' {1..249})
	new_repo
	mkdir "$name"
	echo 1 >"$name/file"
	revfs -q snapshot -m first "$name"
	expect revfs cat "HEAD:$name/file" <<-'END'
	1
	END
	revfs -q snapshot -m none "$name.revfs"
}

run_tests
