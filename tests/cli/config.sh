#!/bin/bash
# revfs config: where settings come from, and who wins.
. "${0%/*}/../cli/harness"

test_defaults_count_where_nothing_is_set() {
	new_repo
	expect revfs config snapshot.level <<-'END'
	3
	END
	expect revfs config --show-origin snapshot.level <<-'END'
	default:	3
	END
}

test_each_place_overrides_the_one_below() {
	new_repo
	mkdir .revfs
	git config -f .revfs/config snapshot.level 4
	expect revfs config --show-origin snapshot.level <<-'END'
	file:.revfs/config	4
	END
	git config revfs.snapshot.level 5
	expect revfs config --show-origin snapshot.level <<-'END'
	file:.git/config	5
	END
	REVFS_SNAPSHOT_LEVEL=6 expect revfs config --show-origin snapshot.level <<-'END'
	environment:REVFS_SNAPSHOT_LEVEL	6
	END
	REVFS_SNAPSHOT_LEVEL='' expect revfs config snapshot.level <<-'END'
	5
	END
	expect git -c revfs.snapshot.level=7 revfs config snapshot.level <<-'END'
	7
	END
}

test_keys_with_and_without_revfs_in_front_and_in_any_case() {
	new_repo
	git config revfs.snapshot.LEVEL 5
	expect revfs config revfs.snapshot.Level <<-'END'
	5
	END
}

test_values_of_a_multiple_key_come_from_one_place() {
	new_repo
	mkdir .revfs
	git config -f .revfs/config --add snapshot.exclude '*.tmp'
	git config -f .revfs/config --add snapshot.exclude '*~'
	expect revfs config snapshot.exclude <<-'END'
	*.tmp
	*~
	END
	git config revfs.snapshot.exclude '/cache'
	expect revfs config snapshot.exclude <<-'END'
	/cache
	END
	REVFS_SNAPSHOT_EXCLUDE=$'a\nb\n' expect revfs config snapshot.exclude <<-'END'
	a
	b
	END
}

test_list_shows_all_that_counts() {
	new_repo
	git config revfs.snapshot.exclude 'a b'
	git config --add revfs.snapshot.exclude $'two\nlines'
	expect revfs config --list <<-'END'
	snapshot.exclude=a b
	snapshot.exclude=two
	lines
	snapshot.level=3
	END
	expect revfs config --list --json <<-'END'
	{"settings":[{"key":"snapshot.exclude","value":"a b","origin":"file:.git/config"},{"key":"snapshot.exclude","value":"two\nlines","origin":"file:.git/config"},{"key":"snapshot.level","value":"3","origin":"default:"}]}
	END
	expect revfs config -z <<-'END'
	snapshot.exclude
	a b^@snapshot.exclude
	two
	lines^@snapshot.level
	3^@
	\ no newline
	END
}

test_outside_a_repository_the_users_settings_count() {
	printf '[revfs "snapshot"]\n\tlevel = 8\n' >gitconfig
	GIT_CONFIG_GLOBAL=$PWD/gitconfig expect revfs config snapshot.level <<-'END'
	8
	END
}

test_unset_key_is_status_1() {
	new_repo
	expect revfs config snapshot.jobs <<-'END'
	--- status 1
	END
}

test_unknown_key_names_the_nearest() {
	new_repo
	expect revfs config snapshot.levle <<-'END'
	--- stderr
	revfs: there is no setting 'snapshot.levle'; did you mean 'snapshot.level'?
	--- status 4
	END
	expect revfs config --json xyz <<-'END'
	--- stderr
	revfs: there is no setting 'xyz': revfs-config(1) describes them all
	{"error":{"code":4,"message":"there is no setting 'xyz': revfs-config(1) describes them all"}}
	--- status 4
	END
}

test_unknown_key_in_git_config_is_warned_of_by_list() {
	new_repo
	git config revfs.snapshot.levle 9
	expect revfs config --list <<-'END'
	snapshot.level=3
	snapshot.levle=9
	--- stderr
	revfs: warning: there is no setting 'snapshot.levle' (file:.git/config); did you mean 'snapshot.level'?
	END
}

test_setting_is_gits() {
	new_repo
	expect revfs config snapshot.level 9 <<-'END'
	--- stderr
	revfs: settings are made by git: 'git config revfs.snapshot.level 9'
	see 'revfs help config'
	--- status 2
	END
}

test_tracked_file_may_set_only_harmless_keys() {
	new_repo
	mkdir .revfs
	cat >.revfs/config <<-'END'
	[snapshot]
		jobs = 1
		level = 5
	[core]
		sshCommand = rm -rf /
	[include]
		path = /etc/passwd
	[remote "good"]
		url = https://example.org/store
		priority = 3
		token = x
	[remote "bad"]
		url = https://me:secret@example.org/store
	END
	expect revfs config --list <<-'END'
	remote.good.priority=3
	remote.good.url=https://example.org/store
	snapshot.level=5
	--- stderr
	revfs: warning: 'snapshot.jobs' in the shared '.revfs/config' is ignored, and 4 more: 'git config revfs.snapshot.jobs' sets it
	END
	expect revfs -q config snapshot.level <<-'END'
	5
	END
}

test_tracked_file_with_one_ignored_key() {
	new_repo
	mkdir .revfs
	git config -f .revfs/config core.pager evil
	expect revfs config snapshot.level <<-'END'
	3
	--- stderr
	revfs: warning: 'core.pager' in the shared '.revfs/config' is ignored: 'git config revfs.core.pager' sets it
	END
}

test_tracked_file_that_does_not_parse() {
	new_repo
	mkdir .revfs
	echo '[snapshot' >.revfs/config
	expect revfs config snapshot.level <<-'END'
	--- stderr
	revfs: cannot read '.revfs/config': bad config line 1 in standard input
	--- status 7
	END
}

test_git_configuration_that_does_not_parse() {
	new_repo
	echo '[snapshot' >gitconfig
	GIT_CONFIG_GLOBAL=$PWD/gitconfig expect revfs config snapshot.level <<-'END'
	--- stderr
	revfs: cannot read git's configuration: bad config line 1 in file SCRATCH/test_git_configuration_that_does_not_parse/repo/gitconfig
	--- status 7
	END
}

test_tracked_file_that_is_a_link_is_not_followed() {
	new_repo
	printf '[snapshot]\n\tlevel = 9\n' >elsewhere
	mkdir .revfs
	ln -s ../elsewhere .revfs/config
	expect revfs config snapshot.level <<-'END'
	3
	--- stderr
	revfs: warning: '.revfs/config' is not a regular file: ignored
	END
	rm -r .revfs
	mkdir folder
	mv elsewhere folder/config
	ln -s folder .revfs
	expect revfs config snapshot.level <<-'END'
	3
	END
}

test_bare_repository_reads_the_file_of_HEAD() {
	new_repo
	mkdir .revfs
	git config -f .revfs/config snapshot.level 5
	new_commit
	cd ..
	git clone -q --bare repo bare
	expect revfs -C bare config --show-origin snapshot.level <<-'END'
	file:.revfs/config	5
	END
	git init -q --bare empty
	expect revfs -C empty config --show-origin snapshot.level <<-'END'
	default:	3
	END
}

test_worktrees_have_settings_of_their_own() {
	new_repo
	new_commit
	git worktree add -q ../tree
	git config extensions.worktreeConfig true
	git -C ../tree config --worktree revfs.snapshot.level 6
	expect revfs -C ../tree config snapshot.level <<-'END'
	6
	END
	expect revfs config snapshot.level <<-'END'
	3
	END
}

run_tests
