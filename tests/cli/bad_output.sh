#!/bin/bash
# Standard output that takes nothing: every command that prints says so, and none ends with 0.
. "${0%/*}/../cli/harness"

# Commands that print on a repository with changes, and leave it as it is.
printing=("archive HEAD" "cat HEAD:data/a.txt" "cat HEAD:data/large" "cat plain.txt" "config --list" "config --list --json"
	"diff" "diff --stat" "diff --json" "diff --name-status HEAD~1 HEAD" "du" "du --json" "help" "help nothing" "log" "log --json"
	"ls" "ls -lR" "ls --json" "ls -z" "status" "status --json" "snapshot -n" "snapshot -n --json" "checkout -n -f"
	"version" "version --json" "verify" "verify --json" "gc -n" "gc -n --json" "cat -h" "init --json")

changed_dataset() {
	new_dataset
	echo changed >data/a.txt
	tick
	revfs -q snapshot -m second
	echo again >data/a.txt
}

# Run each of `printing` by WAY; the status must be one of STATUSES (words in blanks), and stderr match PATTERN.
each_command() {
	local way=$1 statuses=$2 pattern=$3 command status
	for command in "${printing[@]}"; do
		# What is not there, or prints nothing, has nothing to lose.
		status=0
		revfs $command >"$SCRATCH/normal" 2>/dev/null || status=$?
		[ $status -le 1 ] && [ -s "$SCRATCH/normal" ] || continue
		status=0
		$way $command 2>"$SCRATCH/err" || status=$?
		if [[ " $statuses " != *" $status "* ]] || { [ -n "$pattern" ] && ! grep -q "$pattern" "$SCRATCH/err"; }; then
			echo "status $status of: revfs $command"
			cat "$SCRATCH/err"
			return 1
		fi
	done
}

test_a_full_disk() {
	changed_dataset
	full() { revfs "$@" >/dev/full; }
	each_command full "8" "^revfs: cannot write .*: No space left on device$"
}

test_a_closed_descriptor() {
	changed_dataset
	closed() { revfs "$@" >&-; }
	each_command closed "12" "^revfs: cannot write .*: Bad file descriptor$"
}

test_a_pipe_that_nobody_reads() {
	changed_dataset
	# Whoever starts us may ignore SIGPIPE, as Python does.
	broken() {
		(
			trap '' PIPE
			rm -f "$SCRATCH/fifo"
			mkfifo "$SCRATCH/fifo"
			exec 3<>"$SCRATCH/fifo"
			exec 4>"$SCRATCH/fifo"
			exec 3<&-
			exec revfs "$@" >&4
		)
	}
	each_command broken "141" ""

}

test_a_failing_command_with_json_ends_with_the_error_object() {
	changed_dataset
	for command in "ls --json nowhere/x" "diff --json v9" "log --json v9" "du --json v9" "snapshot --json nowhere" \
		"status --json nowhere" "checkout --json nowhere" "export --json v9 out" "verify --json v9" "config --json nothing" \
		"mounts --json surplus" "init --json surplus" "gc --json surplus" "snapshot --json --frobnicate" "ls --frob --json"; do
		status=0
		revfs $command >out 2>err || status=$?
		[ $status != 0 ]
		if [ -s out ] || ! tail -n 1 err | grep -qE "^\{\"error\":\{\"code\":$status,\"message\":\".+\"\}\}$"; then
			echo "status $status of: revfs $command"
			cat out err
			return 1
		fi
		[ "$(wc -l <err)" -ge 2 ]
	done
}

test_no_colour_and_no_progress_where_nobody_looks() {
	changed_dataset
	for command in "${printing[@]}" "snapshot -m third" "export HEAD out"; do
		status=0
		TERM=xterm-256color revfs $command >"$SCRATCH/out" 2>"$SCRATCH/err" || status=$?
		if [[ $command != archive* && $command != help* ]] &&
			LC_ALL=C grep -q $'\e\\|\r' "$SCRATCH/out" "$SCRATCH/err"; then
			echo "escape sequences from: revfs $command"
			return 1
		fi
	done
}

run_tests
