#!/bin/bash
# The hook that pushes data before git does.
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
	SCRATCH/test_data_goes_first/repo/.git/info/attributes: git merges datasets and shows what changed in them
	END
	expect revfs install <<-END
	SCRATCH/test_data_goes_first/repo/.git/hooks/pre-push: is there already
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
	{"hook":"SCRATCH/test_data_goes_first/repo/.git/hooks/pre-push","changed":true,"attributes":"SCRATCH/test_data_goes_first/repo/.git/info/attributes","attributes_changed":true}
	END
	[ ! -e .git/hooks/pre-push ]
	expect revfs uninstall <<-END
	SCRATCH/test_data_goes_first/repo/.git/hooks/pre-push: is not there
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

test_a_hook_of_another_kind_stays() {
	new_dataset
	mkdir -p ../hooks
	git config core.hooksPath ../hooks
	echo '#!/bin/sh' >../hooks/pre-push
	expect revfs install <<-'END'
	SCRATCH/test_a_hook_of_another_kind_stays/repo/.git/info/attributes: git merges datasets and shows what changed in them
	--- stderr
	revfs: 'SCRATCH/test_a_hook_of_another_kind_stays/hooks/pre-push' is a hook of another kind: it may run 'revfs push' itself
	--- status 11
	END
	not revfs uninstall 2>/dev/null
	[ "$(cat ../hooks/pre-push)" = '#!/bin/sh' ]
	rm ../hooks/pre-push
	revfs -q install
	[ -x ../hooks/pre-push ]
}

run_tests
