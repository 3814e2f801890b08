#!/bin/bash
# What stands in front of the commands: global options, help, unknown words, how output fails.
. "${0%/*}/../cli/harness"

test_version_is_told() {
	expect revfs version <<-'END'
	revfs version 0.1.0
	END
	expect revfs --version <<-'END'
	revfs version 0.1.0
	END
	expect git-revfs version <<-'END'
	revfs version 0.1.0
	END
	expect git revfs version <<-'END'
	revfs version 0.1.0
	END
}

test_version_as_json() {
	expect revfs version --json <<-'END'
	{"version":"0.1.0","format":"1.0"}
	END
}

test_quiet_and_verbose() {
	expect revfs -v version <<-'END'
	revfs version 0.1.0
	format 1.0
	END
	expect revfs -q version <<-'END'
	revfs version 0.1.0
	END
	expect revfs version -v <<-'END'
	--- stderr
	revfs: unknown option '-v'
	usage: revfs version [--json]
	--- status 2
	END
}

test_no_command_is_a_usage_error() {
	expect revfs <<-'END'
	--- stderr
	revfs: no command given
	see 'revfs help'
	--- status 2
	END
}

test_unknown_command_names_the_nearest() {
	expect revfs verison <<-'END'
	--- stderr
	revfs: 'verison' is not a command, see 'revfs help'
	did you mean: version
	--- status 2
	END
	expect revfs xyzzyx <<-'END'
	--- stderr
	revfs: 'xyzzyx' is not a command, see 'revfs help'
	--- status 2
	END
}

test_unknown_global_options_are_usage_errors() {
	expect revfs --frobnicate version <<-'END'
	--- stderr
	revfs: unknown option '--frobnicate'
	see 'revfs help'
	--- status 2
	END
	expect revfs -x version <<-'END'
	--- stderr
	revfs: unknown option '-x'
	see 'revfs help'
	--- status 2
	END
	expect revfs -C <<-'END'
	--- stderr
	revfs: option '-C' needs a value
	see 'revfs help'
	--- status 2
	END
}

test_folder_of_C_must_exist() {
	expect revfs -C nowhere version <<-'END'
	--- stderr
	revfs: cannot enter the folder 'nowhere': No such file or directory
	--- status 4
	END
}

test_folders_of_several_C_add_up() {
	mkdir -p a/b
	expect revfs -C a -C b -C ../.. -Ca version <<-'END'
	revfs version 0.1.0
	END
	expect revfs -C a -C a version <<-'END'
	--- stderr
	revfs: cannot enter the folder 'a': No such file or directory
	--- status 4
	END
}

test_unknown_option_prints_the_usage() {
	expect revfs version --frob <<-'END'
	--- stderr
	revfs: unknown option '--frob'
	usage: revfs version [--json]
	--- status 2
	END
	expect revfs version -jx <<-'END'
	--- stderr
	revfs: unknown option '-j'
	usage: revfs version [--json]
	--- status 2
	END
	expect revfs version --json=yes <<-'END'
	--- stderr
	revfs: option '--json' takes no value
	usage: revfs version [--json]
	--- status 2
	END
}

test_prefixes_of_long_options_are_taken() {
	expect revfs version --js <<-'END'
	{"version":"0.1.0","format":"1.0"}
	END
}

test_prefixes_that_fit_several_options_are_refused() {
	expect revfs verify --j <<-'END'
	--- stderr
	revfs: option '--j' is ambiguous
	usage: revfs verify [--remote NAME] [--repair] [--full] [--sample PERCENT] [--rebuild] [-j N] [--json] [--progress | --no-progress] [REV...]
	--- status 2
	END
	expect revfs version --j=1 <<-'END'
	--- stderr
	revfs: option '--j' takes no value
	usage: revfs version [--json]
	--- status 2
	END
}

test_two_dashes_end_the_options() {
	expect revfs -- version <<-'END'
	revfs version 0.1.0
	END
	expect revfs version -- --json <<-'END'
	--- stderr
	revfs: too many arguments
	see 'revfs help version'
	--- status 2
	END
}

test_failing_with_json_ends_with_an_error_object() {
	expect revfs version --json surplus <<-'END'
	--- stderr
	revfs: too many arguments
	see 'revfs help version'
	{"error":{"code":2,"message":"too many arguments"}}
	--- status 2
	END
	expect revfs version --frob --json <<-'END'
	--- stderr
	revfs: unknown option '--frob'
	usage: revfs version [--json]
	{"error":{"code":2,"message":"unknown option '--frob'"}}
	--- status 2
	END
}

test_a_wrong_letter_among_others_is_named() {
	expect revfs version --json -jx <<-'END'
	--- stderr
	revfs: unknown option '-j'
	usage: revfs version [--json]
	{"error":{"code":2,"message":"unknown option '-j'"}}
	--- status 2
	END
	expect revfs ls -lxR <<-'END'
	--- stderr
	revfs: unknown option '-x'
	usage: revfs ls [-l] [-R] [-z] [--json] [REV[:PATH]]
	--- status 2
	END
	expect revfs mount -o <<-'END'
	--- stderr
	revfs: option '-o' needs a value
	usage: revfs mount [-f] [--metrics-file PATH] [-o OPT,...] [REPOSITORY] MOUNTPOINT
	--- status 2
	END
	expect revfs snapshot --jobs <<-'END'
	--- stderr
	revfs: option '--jobs' needs a value
	usage: revfs snapshot [-m MSG | -F FILE | --no-commit] [-n] [--full] [--force] [--skip-special] [--allow-outside-links] [--jobs N] [--json] [PATH...]
	--- status 2
	END
	expect revfs verison --json <<-'END'
	--- stderr
	revfs: 'verison' is not a command, see 'revfs help'
	did you mean: version
	{"error":{"code":2,"message":"'verison' is not a command, see 'revfs help'"}}
	--- status 2
	END
}

test_h_prints_the_usage_on_stdout() {
	expect revfs version -h <<-'END'
	usage: revfs version [--json]
	END
	expect revfs version --help <<-'END'
	usage: revfs version [--json]
	END
}

test_help_of_an_unknown_command() {
	expect revfs help verison <<-'END'
	--- stderr
	revfs: there is no help for 'verison'; did you mean 'version'?
	--- status 2
	END
}

test_help_of_two_commands_and_of_none() {
	expect revfs help nothing <<-'END'
	--- stderr
	revfs: there is no help for 'nothing', see 'revfs help'
	--- status 2
	END
	expect revfs help ls cat <<-'END'
	--- stderr
	revfs: too many arguments
	see 'revfs help help'
	--- status 2
	END
	expect revfs help --help <<-'END'
	usage: revfs help [COMMAND | format | semantics]
	END
}

test_help_opens_the_page_beside_the_program() {
	need man
	[ -f "$SOURCE_DIR/man/revfs-ls.1" ] || skip "the program is not in a build tree"
	for page in ls:REVFS-LS help:REVFS-HELP format:REVFS-FORMAT semantics:REVFS-SEMANTICS mount.revfs:MOUNT.REVFS \
		revfs:REVFS git-revfs:GIT-REVFS; do
		expect_status 0 revfs help "${page%:*}"
		grep -q "^${page#*:}(" "$SCRATCH/said.out"
	done
}

test_help_lists_every_command_with_its_page() {
	revfs help | sed -n 's/^   \([a-z-]*\) .*/\1/p' >commands
	[ "$(wc -l <commands)" -ge 10 ]
	[ -d "$SOURCE_DIR/man" ]
	while read -r command; do
		[ -f "$SOURCE_DIR/man/revfs-$command.1" ]
		expect_status 0 revfs "$command" -h
		grep -q "^usage: revfs $command" "$SCRATCH/said.out"
		[ ! -s "$SCRATCH/said.err" ]
	done <commands
	revfs --help | diff - <(revfs help)
	revfs -h | diff - <(revfs help)
}

test_help_without_man_prints_the_usage() {
	expect env PATH=/nowhere "$REVFS" help version <<-'END'
	usage: revfs version [--json]
	END
}

test_full_disk_under_stdout_is_an_error() {
	full() { revfs version >/dev/full; }
	expect full <<-'END'
	--- stderr
	revfs: cannot write the output: No space left on device
	--- status 8
	END
}

test_closed_stdout_is_an_error() {
	closed() { revfs version >&-; }
	expect closed <<-'END'
	--- stderr
	revfs: cannot write the output: Bad file descriptor
	--- status 12
	END
}

test_broken_pipe_ends_quietly() {
	mkfifo fifo
	# The reader is gone before the first byte is written, as with `| head -0`, and SIGPIPE is ignored by who starts us.
	(exec 3<>fifo; exec 4>fifo; exec 3<&-; trap '' PIPE; status=0; revfs help >&4 2>err || status=$?; echo $status >status)
	[ "$(cat status)" = 141 ]
	[ ! -s err ]
}

run_tests
