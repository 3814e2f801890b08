#!/bin/bash
# Repositories of every kind that git has: snapshots, reading and comparing in each.
. "${0%/*}/../cli/harness"

# What every repository must be able to do: two snapshots, read both, tell what changed.
works() {
	mkdir -p data/sub
	echo one >data/a
	seq 50000 >data/sub/large
	tick
	revfs -q snapshot -m first data >/dev/null
	git tag "first-${1:-}"
	echo two >data/a
	mv data/sub/large data/large
	tick
	revfs -q snapshot -m second data >/dev/null
	[ "$(revfs cat "first-${1:-}:data/a" HEAD:data/a)" = $'one\ntwo' ]
	revfs cat HEAD~1:data/sub/large | cmp - data/large
	expect revfs ls HEAD:data <<-'END'
	a
	large
	sub
	END
	expect revfs diff --name-status "first-${1:-}" HEAD -- data <<-'END'
	M	data/a
	R100	data/sub/large	data/large
	END
	expect revfs diff </dev/null
	[ "$(revfs log -- data/a | grep -c ^commit)" -ge 2 ]
	git fsck --strict --no-dangling >/dev/null
}


test_plain_repository_with_either_reader() {
	new_repo one
	works
	cd ..
	new_repo two
	export REVFS_GIT_READER=command
	works
}

test_sha256_repository() {
	git init -q -b main --object-format=sha256 repo
	cd repo
	works
	[ "$(git rev-parse HEAD | wc -c)" = 65 ]
	[ "$(revfs cat "$(git rev-parse HEAD | cut -c1-8):data/a")" = two ]
}

test_reftable_repository() {
	git init -q -b main --ref-format=reftable repo 2>/dev/null || skip "this git has no reftable"
	cd repo
	works
}

test_worktrees_share_the_store_and_nothing_else() {
	new_repo
	works one
	git worktree add -q ../side
	cd ../side
	[ "$(revfs cat data/a)" = two ]
	[ ! -e data ]
	expect revfs diff </dev/null
	mkdir more
	echo x >more/x
	tick
	revfs -q snapshot -m more more >/dev/null
	[ ! -e .git/revfs ]
	[ "$(revfs cat HEAD:more/x)" = x ]
	expect_status 4 git -C ../repo revfs cat HEAD:more/x
	[ "$(git -C ../repo revfs cat side:more/x)" = x ]
}

test_extensions_that_libgit2_does_not_know() {
	new_repo
	git config core.repositoryFormatVersion 1
	git config extensions.preciousObjects true
	git config extensions.worktreeConfig true
	git config --worktree core.fsmonitor false
	works
}

test_sparse_checkout_with_sparse_index() {
	new_repo
	mkdir -p in out
	echo in >in/x
	echo out >out/x
	new_commit
	git sparse-checkout init --cone --sparse-index
	git sparse-checkout set in
	[ ! -e out ]
	works
	[ "$(revfs cat HEAD:out/x)" = out ]
}

test_split_index() {
	new_repo
	git update-index --split-index
	works
}

test_alternates_give_objects_and_no_store() {
	new_repo
	works
	git clone -q --shared . ../clone
	cd ../clone
	[ "$(git cat-file -p HEAD:data.revfs | head -n1)" = "revfs 1" ]
	expect_status 7 revfs cat HEAD:data/a
	mkdir other
	echo x >other/x
	tick
	revfs -q snapshot -m other other >/dev/null
	[ "$(revfs cat HEAD:other/x)" = x ]
}

test_shallow_clone() {
	new_repo
	works
	git clone -q --depth 1 "file://$PWD" ../clone
	cp -r .git/revfs ../clone/.git/
	cd ../clone
	[ "$(revfs cat HEAD:data/a)" = two ]
	expect revfs cat HEAD~1:data/a <<-'END'
	--- stderr
	revfs: there is no revision 'HEAD~1': the history of 'HEAD' does not go back that far in this shallow clone
	--- status 4
	END
}

test_partial_clone_fetches_pointers_when_they_are_read() {
	new_repo
	works
	git config uploadpack.allowFilter true
	git config uploadpack.allowAnySHA1InWant true
	git clone -q --bare --filter=blob:none "file://$PWD" ../clone.git
	cp -r .git/revfs ../clone.git/
	cd ../clone.git
	git rev-list --objects --all --missing=print | grep -q '^?'
	[ "$(revfs cat first-:data/a HEAD:data/a)" = $'one\ntwo' ]
}

test_environment_names_the_repository() {
	new_repo
	works
	mkdir ../elsewhere ../tree
	cd ../elsewhere
	export GIT_DIR=../repo/.git GIT_WORK_TREE=../repo
	[ "$(revfs cat HEAD:data/a)" = two ]
	cd ../repo
	export GIT_DIR=$PWD/.git GIT_WORK_TREE=$PWD GIT_INDEX_FILE=$PWD/.git/other-index
	git read-tree HEAD
	echo three >data/a
	tick
	revfs -q snapshot -m third >/dev/null
	[ "$(revfs cat HEAD:data/a)" = three ]
	git diff --cached --quiet
}

test_replace_refs_are_not_followed() {
	new_repo
	works
	git replace HEAD HEAD~1
	[ "$(revfs cat HEAD:data/a)" = two ]
	git replace "$(git rev-parse HEAD:data.revfs)" "$(git --no-replace-objects rev-parse first-:data.revfs)"
	[ "$(revfs cat HEAD:data/a)" = two ]
}

test_repository_of_another_owner_is_refused() {
	need_root
	new_repo
	works
	chown -R 12345 .
	expect_status 11 revfs ls HEAD
	grep -q "dubious ownership" "$SCRATCH/said.err"
	git config --file "$HOME/.gitconfig" safe.directory "$PWD"
	GIT_CONFIG_GLOBAL=$HOME/.gitconfig expect revfs cat HEAD:data/a <<-'END'
	two
	END
}

test_submodule_is_an_empty_folder_with_datasets_of_its_own() {
	new_repo inner
	works
	cd ..
	new_repo outer
	git -c protocol.file.allow=always submodule --quiet add ../inner sub
	new_commit
	expect revfs ls -R HEAD <<-'END'
	.gitmodules
	sub
	END
	expect_status 4 revfs ls HEAD:sub/data
	cd sub
	[ "$(git rev-parse --show-toplevel)" = "$PWD" ]
	[ "$(revfs ls --json HEAD:data.revfs | grep -c '"type":"file"')" = 1 ]
}

test_packed_refs_and_gc_change_nothing() {
	new_repo
	works
	git gc -q --prune=now
	git pack-refs --all
	[ "$(revfs cat first-:data/a HEAD:data/a)" = $'one\ntwo' ]
}

test_names_of_refs() {
	new_repo
	works
	git branch feature/x first-
	git tag 'per%cent' first-
	git branch first- HEAD
	git update-ref refs/remotes/origin/far first-
	[ "$(revfs cat feature/x:data/a)" = one ]
	[ "$(revfs cat per%cent:data/a)" = one ]
	[ "$(revfs cat origin/far:data/a)" = one ]
	# A tag goes before a branch.
	[ "$(revfs cat first-:data/a)" = one ]
	[ "$(revfs cat refs/heads/first-:data/a)" = two ]
	expect_status 4 revfs cat origin:data/a
	[ "$(revfs cat "$(git rev-parse "first-^{commit}" | cut -c1-7)~0:data/a")" = one ]
}

run_tests
