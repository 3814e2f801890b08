#!/bin/bash
# The hooks: data is pushed before git does that; attached datasets follow.
. "${0%/*}/../cli/harness"

# A repository with a dataset, a remote of revfs and one of Git.
new_with_remotes() {
	new_dataset
	git init -q --bare ../central
	git remote add origin ../central
	revfs remote add lab ../store
	git commit -q -m where .revfs/config
}

test_data_goes_first() {
	new_with_remotes
	expect revfs install <<-END
	SCRATCH/test_data_goes_first/repo/.git/hooks/pre-push: 'git push' pushes the data first
	SCRATCH/test_data_goes_first/repo/.git/hooks/post-checkout: attached datasets follow 'git switch'
	SCRATCH/test_data_goes_first/repo/.git/hooks/post-merge: attached datasets follow 'git merge' and 'git pull'
	SCRATCH/test_data_goes_first/repo/.git/hooks/post-rewrite: attached datasets follow 'git rebase'
	SCRATCH/test_data_goes_first/repo/.git/info/attributes: git merges datasets and shows what changed in them
	END
	expect revfs install <<-END
	SCRATCH/test_data_goes_first/repo/.git/hooks/pre-push: is there already
	SCRATCH/test_data_goes_first/repo/.git/hooks/post-checkout: is there already
	SCRATCH/test_data_goes_first/repo/.git/hooks/post-merge: is there already
	SCRATCH/test_data_goes_first/repo/.git/hooks/post-rewrite: is there already
	SCRATCH/test_data_goes_first/repo/.git/info/attributes: is there already
	END
	[ -x .git/hooks/pre-push ]
	PATH=$(dirname "$REVFS"):$PATH git push -q origin HEAD:main
	git clone -q -b main ../central ../clone
	(cd ../clone && revfs -q export HEAD:data ../out)
	diff -r data ../out
	# A branch that is deleted has no data.
	PATH=$(dirname "$REVFS"):$PATH git push -q origin HEAD:other
	PATH=$(dirname "$REVFS"):$PATH git push -q origin :other
	expect revfs uninstall --json <<-END
	{"hook":"SCRATCH/test_data_goes_first/repo/.git/hooks/pre-push","changed":true,"attributes":"SCRATCH/test_data_goes_first/repo/.git/info/attributes","attributes_changed":true,"hooks":[{"hook":"SCRATCH/test_data_goes_first/repo/.git/hooks/pre-push","changed":true},{"hook":"SCRATCH/test_data_goes_first/repo/.git/hooks/post-checkout","changed":true},{"hook":"SCRATCH/test_data_goes_first/repo/.git/hooks/post-merge","changed":true},{"hook":"SCRATCH/test_data_goes_first/repo/.git/hooks/post-rewrite","changed":true}]}
	END
	[ ! -e .git/hooks/pre-push ] && [ ! -e .git/hooks/post-merge ]
	expect revfs uninstall <<-END
	SCRATCH/test_data_goes_first/repo/.git/hooks/pre-push: is not there
	SCRATCH/test_data_goes_first/repo/.git/hooks/post-checkout: is not there
	SCRATCH/test_data_goes_first/repo/.git/hooks/post-merge: is not there
	SCRATCH/test_data_goes_first/repo/.git/hooks/post-rewrite: is not there
	SCRATCH/test_data_goes_first/repo/.git/info/attributes: is not there
	END
}

test_nothing_is_published_without_its_data() {
	new_with_remotes
	revfs -q install
	: >../store
	PATH=$(dirname "$REVFS"):$PATH not git push -q origin HEAD:main 2>../said
	grep -q "'lab'" ../said
	[ -z "$(git -C ../central for-each-ref)" ]
	PATH=$(dirname "$REVFS"):$PATH git push -q --no-verify origin HEAD:main
}

test_without_a_remote_it_does_nothing() {
	new_dataset
	git init -q --bare ../central
	revfs -q install
	PATH=$(dirname "$REVFS"):$PATH git push -q ../central HEAD:main
}

# Where nothing is attached nothing is begun.
test_without_an_attached_dataset_they_do_nothing() {
	new_dataset
	revfs -q install
	printf '#!/bin/sh\ntouch called\n' >../revfs
	chmod +x ../revfs
	PATH=$(realpath ..):$PATH git switch -q -c other 2>../said
	PATH=$(realpath ..):$PATH git merge -q main 2>>../said
	[ ! -s ../said ]
	[ ! -e called ]
}

test_a_hook_of_another_kind_stays() {
	new_dataset
	mkdir -p ../hooks
	git config core.hooksPath ../hooks
	echo '#!/bin/sh' >../hooks/pre-push
	echo '#!/bin/sh' >../hooks/post-merge
	expect revfs install <<-'END'
	SCRATCH/test_a_hook_of_another_kind_stays/hooks/post-checkout: attached datasets follow 'git switch'
	SCRATCH/test_a_hook_of_another_kind_stays/hooks/post-rewrite: attached datasets follow 'git rebase'
	SCRATCH/test_a_hook_of_another_kind_stays/repo/.git/info/attributes: git merges datasets and shows what changed in them
	--- stderr
	revfs: 'SCRATCH/test_a_hook_of_another_kind_stays/hooks/pre-push' is a hook of another kind: it may run 'revfs push' itself
	revfs: 'SCRATCH/test_a_hook_of_another_kind_stays/hooks/post-merge' is a hook of another kind: it may run 'revfs attach --follow' itself
	--- status 11
	END
	not revfs uninstall 2>/dev/null
	[ "$(cat ../hooks/pre-push)" = '#!/bin/sh' ]
	[ ! -e ../hooks/post-checkout ]
	rm ../hooks/pre-push ../hooks/post-merge
	revfs -q install
	[ -x ../hooks/pre-push ]
}

run_tests
