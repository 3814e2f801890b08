#!/bin/bash
# long
# Git's own cases: kinds of repositories, what is in progress, hooks, ignore lines.  Run once with each reader of Git:
# git_cases_git_command.sh runs them with the user's git in the place of libgit2.
. "${0%/*}/../cli/harness"

make_data() {
	mkdir -p data/sub
	echo one >data/a
	echo two >data/sub/b
}

# Whatever kind of repository this is: a dataset can be recorded, changed, read and checked out again.
assert_usable() {
	make_data
	revfs -q snapshot -m first data
	git tag first
	echo changed >data/a
	revfs -q snapshot -m second
	expect revfs cat first:data/a HEAD:data/a <<-'END'
	one
	changed
	END
	git checkout -q first
	revfs -q checkout
	[ "$(cat data/a)" = one ]
	expect revfs status <<-'END'
	data: unchanged
	END
	[ -z "$(git status --porcelain)" ]
	git switch -q -
	revfs -q checkout
	[ "$(cat data/a)" = changed ]
}

# The paths of the commit HEAD.
committed() {
	git show --format= --name-only HEAD
}

test_unborn_branch_and_detached_head() {
	new_repo
	assert_usable
	git checkout -q --detach
	echo detached >data/a
	revfs -q snapshot -m detached
	[ "$(git log -1 --format=%s)" = detached ]
	not git symbolic-ref -q HEAD
}

test_submodules_are_empty_directories_and_keep_their_own() {
	new_repo inner
	make_data
	revfs -q snapshot -m first data
	cd ..
	new_repo outer
	git -c protocol.file.allow=always submodule --quiet add ../inner sub
	git commit -q -m sub
	expect revfs ls HEAD: <<-'END'
	.gitmodules
	sub
	END
	# A dataset in it is that repository's.
	git -C sub config user.name x
	expect revfs status <<-'END'
	no datasets: 'revfs snapshot DIR' makes one of a directory
	END
	expect revfs -C sub status <<-'END'
	data: not checked out ('revfs checkout data')
	END
	mkdir sub/new
	echo 1 >sub/new/1
	expect_status 11 revfs snapshot -m no sub
	expect_status 11 revfs snapshot -m no sub/new
	revfs -q -C sub snapshot -m inner new
	[ "$(git -C sub log -1 --format=%s)" = inner ]
	[ "$(git log -1 --format=%s)" = sub ]
}

test_worktrees_share_the_store_and_keep_their_own_steps() {
	new_repo
	make_data
	revfs -q snapshot -m first data
	git worktree add -q ../linked -b linked
	cd ../linked
	expect revfs status <<-'END'
	data: not checked out ('revfs checkout data')
	END
	[ -f .git ] && [ ! -e .git/revfs ]
	revfs -q checkout
	echo linked >data/a
	revfs -q snapshot -m linked
	[ ! -e ../repo/.git/worktrees/linked/revfs/packs ]
	[ -e ../repo/.git/worktrees/linked/revfs/worktree/lock ]
	cd ../repo
	expect revfs status <<-'END'
	data: unchanged
	END
	[ "$(cat data/a)" = one ]
	expect revfs cat linked:data/a <<-'END'
	linked
	END
	git merge -q linked
	revfs -q checkout
	[ "$(cat data/a)" = linked ]
}

test_bare_repositories_have_no_work_tree() {
	new_repo
	make_data
	revfs -q snapshot -m first data
	git clone -q --bare . ../bare
	cp -r .git/revfs ../bare/revfs
	cd ../bare
	expect revfs cat HEAD:data/a <<-'END'
	one
	END
	revfs -q export HEAD:data ../out
	[ "$(cat ../out/sub/b)" = two ]
	for command in snapshot checkout status; do
		expect revfs "$command" <<-END
		--- stderr
		revfs: 'SCRATCH${PWD#"$SCRATCH"}' is a bare repository, without a work tree: run this in a clone or worktree of it
		--- status 11
		END
	done
}

test_sha256() {
	git init -q -b main --object-format=sha256 repo
	cd repo
	assert_usable
}

test_reftable() {
	git init -q -b main --ref-format=reftable repo 2>/dev/null || skip "this git cannot make reftable"
	cd repo
	assert_usable
}

test_extensions_that_libgit2_does_not_know() {
	new_repo
	git config core.repositoryFormatVersion 1
	git config extensions.worktreeConfig true
	git config extensions.preciousObjects true
	assert_usable
}

test_partial_clone() {
	new_repo full
	make_data
	head -c 100000 /dev/urandom >large
	git add large
	git commit -q -m large
	revfs -q snapshot -m first data
	git config uploadpack.allowFilter true
	git config uploadpack.allowAnySHA1InWant true
	cd ..
	git clone -q --no-checkout --filter=blob:none "file://$PWD/full" partial
	cp -r full/.git/revfs partial/.git/revfs
	rm -r partial/.git/revfs/worktree
	cd partial
	expect revfs cat HEAD:data/a <<-'END'
	one
	END
	revfs cat HEAD:large | cmp - ../full/large
	git checkout -q main
	revfs -q checkout
	[ "$(cat data/sub/b)" = two ]
	echo more >data/more
	revfs -q snapshot -m more
}

test_sparse_and_split_index() {
	new_repo
	mkdir -p keep drop
	echo 1 >keep/1
	echo 1 >drop/1
	git add .
	git commit -q -m files
	git sparse-checkout set --cone --sparse-index keep >/dev/null
	[ ! -e drop ]
	assert_usable
	git sparse-checkout disable
	git update-index --split-index
	echo again >data/a
	revfs -q snapshot -m split
	[ "$(git log -1 --format=%s)" = split ]
}

test_shallow_clone() {
	new_repo full
	make_data
	revfs -q snapshot -m first data
	echo changed >data/a
	revfs -q snapshot -m second
	cd ..
	git clone -q --depth 1 "file://$PWD/full" shallow
	cp -r full/.git/revfs shallow/.git/revfs
	rm -r shallow/.git/revfs/worktree
	cd shallow
	expect revfs cat HEAD:data/a <<-'END'
	changed
	END
	expect_status 4 revfs cat HEAD~1:data/a
	revfs -q checkout
	echo more >data/more
	revfs -q snapshot -m third
	expect revfs cat HEAD~1:data/a <<-'END'
	changed
	END
}

test_alternates_lend_objects_and_no_stores() {
	new_repo
	make_data
	revfs -q snapshot -m first data
	cd ..
	git clone -q --shared repo borrower
	cd borrower
	expect_status 7 revfs cat HEAD:data/a
	cp -r ../repo/.git/revfs .git/revfs
	rm -r .git/revfs/worktree
	expect revfs cat HEAD:data/a <<-'END'
	one
	END
	revfs -q checkout
	echo more >data/more
	revfs -q snapshot -m more
}

test_environment_of_git_is_honoured() {
	git init -q -b main --bare git.git
	mkdir tree
	export GIT_DIR=$PWD/git.git GIT_WORK_TREE=$PWD/tree GIT_INDEX_FILE=$PWD/own-index
	(cd tree && make_data)
	cd tree
	revfs -q snapshot -m first data
	[ -e ../own-index ] && [ ! -e ../git.git/index ]
	[ -e data.revfs ] && [ -d ../git.git/revfs/packs ]
	expect revfs cat HEAD:data/a <<-'END'
	one
	END
	cd ..
	expect revfs status <<-'END'
	data: unchanged
	END
}

test_a_repository_of_another_owner_is_refused() {
	need_root
	new_repo
	make_data
	revfs -q snapshot -m first data
	chmod -R a+rX ..
	expect_status 11 as_user revfs status
	grep -q 'safe.directory' "$SCRATCH/said.err"
	expect_status 11 as_user revfs snapshot
}

test_hooks_identity_and_signing_are_gits() {
	new_repo
	make_data
	mkdir -p .git/hooks
	printf '#!/bin/sh\necho checked: $(git diff --cached --name-only | tr "\\n" " ")\nexit 1\n' >.git/hooks/pre-commit
	chmod +x .git/hooks/pre-commit
	expect revfs snapshot -m first data <<-'END'
	--- stderr
	checked: .gitignore .revfs/config data.revfs
	revfs: git refused the commit; everything is staged: 'revfs snapshot' or 'git commit' commits it
	--- status 11
	END
	expect git status --porcelain <<-'END'
	A  .gitignore
	A  .revfs/config
	A  data.revfs
	END
	expect revfs status <<-'END'
	data: unchanged; pointer not committed
	END
	# The next run commits what is staged, and reads nothing again.
	rm .git/hooks/pre-commit
	revfs -q snapshot -m 'first again' data
	expect committed <<-'END'
	.gitignore
	.revfs/config
	data.revfs
	END
	[ -z "$(git status --porcelain)" ]
	expect revfs snapshot <<-'END'
	nothing changed
	END
	echo 2 >data/2
	git config gpg.program false
	git config commit.gpgSign true
	expect_status 11 revfs snapshot -m signed
	git config commit.gpgSign false
	printf '#!/bin/sh\nsed -i "s/^/hooked: /" "$1"\n' >.git/hooks/commit-msg
	chmod +x .git/hooks/commit-msg
	revfs -q snapshot -m second
	[ "$(git log -1 --format='%s %an')" = 'hooked: second Ada' ]
}

test_an_index_lock_is_gits() {
	new_repo
	make_data
	touch .git/index.lock
	expect_status 11 revfs snapshot -m first data
	grep -q 'index.lock' "$SCRATCH/said.err"
	rm .git/index.lock
	revfs -q snapshot -m first data
	[ "$(git log -1 --format=%s)" = first ]
}

# A git that is ended between making its lock and noting it leaves it behind for all that comes after.
test_an_interrupted_snapshot_leaves_no_index_lock() {
	local step status git
	new_repo
	make_data
	git=$(command -v git)
	mkdir ../slow
	cat >../slow/git <<-END
	#!/bin/sh
	case " \$* " in
	*" \$STEP "*)
		: >"$PWD/.git/index.lock"
		: >"$PWD/../locked-\$STEP"
		sleep 0.3
		rm "$PWD/.git/index.lock"
		;;
	esac
	exec "$git" "\$@"
	END
	chmod +x ../slow/git
	for step in add commit; do
		echo "before $step" >data/new
		STEP=$step PATH=$(realpath ../slow):$PATH revfs -q snapshot -m $step data 2>../said &
		wait_for 20 test -e "../locked-$step"
		kill $!
		status=0
		wait $! || status=$?
		[ $status = 143 ] || [ $status = 0 ]
		[ ! -s ../said ]
		[ ! -e .git/index.lock ]
		echo $step >data/new
		revfs -q snapshot -m "$step again"
		[ "$(revfs cat HEAD:data/new)" = $step ]
	done
}

test_no_commit_stages_and_the_next_run_commits() {
	new_repo
	make_data
	FILTER='s/^read.*/read/' expect revfs snapshot --no-commit data <<-'END'
	data: 2 added
	read
	staged, not committed
	END
	not git rev-parse -q --verify HEAD
	FILTER='s/^read.*/read/' expect revfs snapshot --no-commit <<-'END'
	data: 2 added
	read
	staged, not committed
	END
	revfs -q snapshot -m first
	[ -z "$(git status --porcelain)" ]
	echo x >data/x
	revfs -q snapshot --no-commit
	expect revfs status <<-'END'
	data: unchanged; pointer not committed
	END
	FILTER='s/^read.*/read/;s/^commit.*/commit/' expect revfs snapshot -m second <<-'END'
	data: 1 added
	read
	commit
	END
	expect committed <<-'END'
	data.revfs
	END
}

test_other_staged_files_stay_staged() {
	new_repo
	make_data
	echo 1 >other
	git add other
	revfs -q snapshot -m first data
	expect git status --porcelain <<-'END'
	A  other
	END
	expect committed <<-'END'
	.gitignore
	.revfs/config
	data.revfs
	END
}

# assert_staged_only NAME: a snapshot now is staged, and says that NAME is in progress.
assert_staged_only() {
	local head
	head=$(git rev-parse HEAD)
	echo "$1" >data/new
	FILTER='s/^read.*/read/' expect revfs snapshot -m no <<-END
	data: 1 added
	read
	staged, not committed: a $1 is in progress
	END
	[ "$(git rev-parse HEAD)" = "$head" ]
	[ -n "$(git diff --cached --name-only -- data.revfs)" ]
}

# Two branches whose commits conflict in the file f; a dataset on both.
make_conflict() {
	new_repo
	make_data
	echo base >f
	git add f
	revfs -q snapshot -m first data
	git commit -q -m f
	git switch -q -c side
	echo side >f
	git commit -q -a -m side
	git switch -q main
	echo main >f
	git commit -q -a -m main
}

test_between_the_commits_of_a_cherry_pick_nothing_is_committed() {
	make_conflict
	git switch -q side
	echo more >g
	git add g
	git commit -q -m more
	git switch -q main
	not git cherry-pick main..side >/dev/null 2>&1
	echo both >f
	git add f
	git commit -q -m resolved
	[ ! -e .git/CHERRY_PICK_HEAD ]
	assert_staged_only 'cherry-pick or revert'
}

test_during_a_merge_nothing_is_committed() {
	make_conflict
	not git merge -q side >/dev/null 2>&1
	assert_staged_only merge
	echo resolved >f
	git add f
	git commit -q -m merged
	expect revfs cat HEAD:data/new <<-'END'
	merge
	END
}

test_during_a_rebase_nothing_is_committed() {
	make_conflict
	not git rebase -q side >/dev/null 2>&1
	assert_staged_only rebase
	git rebase --abort
}

test_during_a_cherry_pick_nothing_is_committed() {
	make_conflict
	not git cherry-pick side >/dev/null 2>&1
	assert_staged_only cherry-pick
}

test_during_a_revert_nothing_is_committed() {
	make_conflict
	echo more >f
	git commit -q -a -m more
	not git revert --no-edit HEAD~1 >/dev/null 2>&1
	assert_staged_only revert
}

test_during_an_am_nothing_is_committed() {
	make_conflict
	git format-patch -q -1 side -o ../patches
	not git am -q ../patches/*.patch >/dev/null 2>&1
	assert_staged_only am
}

test_clean_and_smudge_filters_do_not_touch_what_is_shown() {
	new_repo
	make_data
	printf '*.up filter=upper\n*.revfs text eol=crlf\n' >.gitattributes
	git config filter.upper.clean 'tr a-z A-Z'
	git config filter.upper.smudge 'tr A-Z a-z'
	echo text >f.up
	git add .gitattributes f.up
	git commit -q -m filters
	expect revfs cat HEAD:f.up <<-'END'
	TEXT
	END
	# A pointer that git checks out with CRLF is one.
	revfs -q snapshot -m first data
	rm data.revfs
	git checkout -q -- data.revfs
	[ "$(grep -c $'\r' data.revfs)" = 5 ]
	expect revfs status <<-'END'
	data: unchanged
	END
	expect revfs snapshot <<-'END'
	nothing changed
	END
}

test_git_leaves_data_alone_on_branches_without_the_ignore_line() {
	new_repo
	echo 1 >f
	git add f
	git commit -q -m f
	git branch without
	make_data
	revfs -q snapshot -m first data
	[ "$(grep -cx /data .git/info/exclude)" = 1 ]
	echo more >data/more
	revfs -q snapshot -m second
	[ "$(grep -cx /data .git/info/exclude)" = 1 ]
	git switch -q without
	[ ! -e .gitignore ] && [ -e data/a ]
	git add -A
	[ -z "$(git status --porcelain)" ]
}

test_git_sees_what_is_new_where_the_dataset_is_its_own() {
	new_repo
	mkdir 'data  '
	echo 1 >'data  /tracked'
	git add .
	git commit -q -m tracked
	git branch own
	git rm -q -r --cached 'data  '
	git commit -q -m untracked
	revfs -q snapshot -m first 'data  '
	[ "$(grep -cFx '/data\ \ ' .git/info/exclude)" = 1 ]
	rm -r 'data  '
	git switch -q own
	echo 2 >'data  /new'
	expect revfs checkout <<-'END'
	no datasets
	END
	expect git status --porcelain <<-'END'
	?? "data  /new"
	END
	rm 'data  /new'
	git switch -q main
	revfs -q checkout
	[ "$(grep -cFx '/data\ \ ' .git/info/exclude)" = 1 ]
	[ -z "$(git status --porcelain)" ]
}

# Of a branch that tracks other files in its place: git would take the dataset's for new ones.
test_the_line_stays_while_files_of_the_dataset_lie_there() {
	new_repo
	mkdir data
	echo 1 >data/tracked
	git add .
	git commit -q -m tracked
	git branch own
	git rm -q -r --cached data
	git commit -q -m untracked
	mkdir data/sub
	echo 2 >data/sub/recorded
	revfs -q snapshot -m first data
	git switch -q own
	[ -e data/sub/recorded ] && [ ! -e data.revfs ]
	expect revfs checkout <<-'END'
	no datasets
	END
	[ "$(grep -cx /data .git/info/exclude)" = 1 ]
	git add -A
	[ -z "$(git status --porcelain)" ]
	rm -r data/sub
	echo 3 >data/new
	expect revfs checkout <<-'END'
	no datasets
	END
	expect git status --porcelain <<-'END'
	?? data/new
	END
}

test_no_line_goes_into_info_exclude_where_HEAD_tracks_the_name() {
	new_repo
	make_data
	revfs -q snapshot -m first data
	git add -f data
	git commit -q -m both
	: >.git/info/exclude
	rm data/a
	expect revfs checkout <<-'END'
	data: 1 written, 0 removed
	END
	[ ! -s .git/info/exclude ]
	git rm -q -r --cached data
	git commit -q -m untracked
	expect revfs checkout <<-'END'
	data: nothing to do
	END
	expect cat .git/info/exclude <<-'END'
	/data
	END
}

test_what_git_clean_removes_is_not_taken_for_deleted() {
	new_repo
	make_data
	revfs -q snapshot -m first data
	git clean -q -f -d -x
	[ ! -e data ]
	expect revfs snapshot <<-'END'
	nothing changed
	END
	mkdir data
	expect revfs snapshot <<-'END'
	--- stderr
	revfs: 'data' is empty, and had 2 files: 'revfs checkout data' brings them back, --force records the empty directory
	--- status 11
	END
	expect revfs checkout <<-'END'
	data: 2 written, 0 removed
	END
}

test_a_parent_pattern_does_not_keep_the_pointer_out() {
	new_repo
	mkdir -p data
	echo 'data/' >.gitignore
	git add .gitignore
	git commit -q -m ignore
	mkdir -p data/set
	echo 1 >data/set/1
	revfs -q snapshot -m first data/set
	expect committed <<-'END'
	.revfs/config
	data/.gitignore
	data/set.revfs
	END
	expect revfs cat HEAD:data/set/1 <<-'END'
	1
	END
	echo 2 >data/set/2
	revfs -q snapshot -m second
	expect committed <<-'END'
	data/set.revfs
	END
	# The other way round: a pattern that takes it back.
	printf '*.revfs\n!keep\n' >.gitignore
	git add .gitignore
	git commit -q -m ignore2
	mkdir keep
	echo 1 >keep/1
	revfs -q snapshot -m third keep
	git check-ignore -q --no-index keep
	expect cat .gitignore <<-'END'
	*.revfs
	!keep
	/keep
	END
}

test_the_ignore_line_goes_behind_a_final_newline() {
	new_repo
	make_data
	mkdir other
	echo 1 >other/1
	printf 'x' >.gitignore
	git add .gitignore
	git commit -q -m ignore
	revfs -q snapshot -m first data other
	expect cat .gitignore <<-'END'
	x
	/data
	/other
	END
	expect committed <<-'END'
	.gitignore
	.revfs/config
	data.revfs
	other.revfs
	END
}

test_unstaged_edits_of_gitignore_are_not_committed_along() {
	new_repo
	make_data
	echo x >.gitignore
	expect revfs snapshot -m first data <<-'END'
	--- stderr
	revfs: the .gitignore beside 'data' needs a line for it and has edits that are not staged: 'git add' or undo them first
	--- status 11
	END
	[ "$(cat .gitignore)" = x ] && [ ! -e data.revfs ]
	git add .gitignore
	echo y >>.gitignore
	expect_status 11 revfs snapshot -m first data
	git add .gitignore
	revfs -q snapshot -m first data
	# With the line there, edits are nobody's business.
	echo z >>.gitignore
	echo more >data/more
	revfs -q snapshot -m second
	expect committed <<-'END'
	data.revfs
	END
	expect git status --porcelain <<-'END'
	 M .gitignore
	END
}

test_a_gitignore_that_is_no_file_is_refused() {
	new_repo
	make_data
	ln -s elsewhere .gitignore
	expect revfs snapshot -m first data <<-'END'
	--- stderr
	revfs: the .gitignore beside 'data' is no regular file: git would not read it
	--- status 11
	END
}

# Killed between writing the ignore line and handing it to git: the next run commits it.
test_a_line_that_was_written_and_not_committed_is_committed() {
	new_repo
	make_data
	revfs -q snapshot --no-commit data
	git rm -q --cached .gitignore data.revfs
	revfs -q snapshot -m first data
	expect committed <<-'END'
	.gitignore
	.revfs/config
	data.revfs
	END
	[ -z "$(git status --porcelain)" ]
	rm -rf ../clone
	git clone -q . ../clone
	[ "$(cat ../clone/.gitignore)" = /data ]
}

test_replace_refs_are_not_followed() {
	new_repo
	make_data
	revfs -q snapshot -m first data
	git tag first
	echo changed >data/a
	revfs -q snapshot -m second
	git replace first HEAD
	expect revfs cat first:data/a <<-'END'
	one
	END
}

test_a_second_snapshot_waits_and_says_so() {
	new_repo
	make_data
	revfs -q snapshot -m first data
	echo 2 >data/2
	flock .git/revfs/worktree/lock sleep 3 &
	wait_for 5 sh -c '! flock -n .git/revfs/worktree/lock true'
	revfs -q snapshot -m second # waits
	[ "$(git log -1 --format=%s)" = second ]
	wait
}

run_tests
