#!/bin/bash
# revfs top: what the mounts do now.
. "${0%/*}/common"

new_mounted() {
	need_mount
	need python3
	new_dataset
	git tag v1
	mount_here "$@"
}

# of_mount KEY...: of the objects on standard input that are of $MNT, a line each, the values.
of_mount() {
	python3 -c '
import json, sys
for line in sys.stdin:
    report = json.loads(line)
    if report["mountpoint"] == sys.argv[1]:
        print(*(report.get(key) for key in sys.argv[2:]))' "$MNT" "$@"
}

test_no_mounts() {
	revfs mounts >mounts
	revfs top -n 1 >text
	revfs top -n 2 -d 0.1 --json >json
	# Others may mount meanwhile.
	revfs mounts >>mounts
	[ ! -s mounts ] || skip "something is mounted here"
	FILTER='s/^[0-9TZ:-]+,/TIME,/' expect cat text <<'END'
TIME, mounts: 0
nothing is mounted
END
	expect cat json <<'END'
END
}

test_wrong_calls() {
	local text="see 'revfs help top'"
	mkdir plain
	expect revfs top -n 0 <<END
--- stderr
revfs: option '-n' needs a number from 1 on, not '0'
$text
--- status 2
END
	expect revfs top -d 0.01 <<END
--- stderr
revfs: option '-d' needs seconds, from 0.1 to 86400, not '0.01'
$text
--- status 2
END
	expect revfs top -n 1 plain <<'END'
--- stderr
revfs: nothing of revfs is mounted on 'plain': 'revfs mounts' lists what is
--- status 4
END
	expect_status 4 revfs top -n 1 nowhere/at/all
}

test_a_report_is_an_object_a_line() {
	new_mounted
	cat "$MNT/@v1/data/large" >/dev/null
	revfs top -n 1 --json "$MNT" >../said
	[ "$(wc -l <../said)" = 1 ]
	python3 -c '
import json, re, sys
report = json.load(sys.stdin)
assert sorted(report) == sorted(["time", "mountpoint", "repository", "state", "seconds", "requests_per_second",
    "bytes_per_second", "found_percent", "remote_requests_per_second", "remote_bytes_per_second", "remotes_resting",
    "parked", "read_p50_seconds", "read_p99_seconds", "failures"]), report
assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", report["time"])
assert (report["mountpoint"], report["repository"]) == tuple(sys.argv[1:])
assert report["state"] == "answers" and report["seconds"] > 0
assert report["bytes_per_second"] * report["seconds"] >= 99999
assert report["requests_per_second"] * report["seconds"] >= 4
assert abs(sum(report["found_percent"].values()) - 100) < 0.01 and report["found_percent"]["local"] > 0
assert report["found_percent"]["remote"] == 0 and report["remotes_resting"] == report["parked"] == report["failures"] == 0
assert 0 < report["read_p50_seconds"] <= report["read_p99_seconds"] <= 100
' "$MNT" "$PWD" <../said
}

test_reports_are_of_the_time_between() {
	local top
	new_mounted
	cat "$MNT/@v1/data/large" >/dev/null
	revfs top -n 3 -d 1 --json "$MNT" >../said &
	top=$!
	one() {
		[ "$(wc -l <../said)" = "$1" ]
	}
	wait_for 10 one 1
	cat "$MNT/@v1/data/sub/b.txt" "$MNT/@v1/plain.txt" >/dev/null
	wait "$top"
	[ "$(wc -l <../said)" = 3 ]
	of_mount seconds bytes_per_second <../said >../rates
	cat ../rates
	awk 'NR == 1 { first = $1 * $2 } NR > 1 { later += $1 * $2; if ($1 < 0.5 || $1 > 10) wrong = 1 }
		END { exit !(!wrong && first > 99999 && later >= 10 && later < 90000) }' ../rates
}

test_for_people() {
	new_mounted
	cat "$MNT/@v1/data/large" >/dev/null
	FILTER='s/^[0-9TZ:-]+,/TIME,/;s/[0-9.,]+ (us|ms|s|KiB|MiB|bytes?)\>/N UNIT/g;s/\<[0-9][0-9.,]*(%|\/s|$)/N\1/g;s/[0-9.,]+ requests/N requests/' \
		expect revfs top -n 1 "$MNT" <<END
TIME, mounts: N

${MNT/#"$SCRATCH"/SCRATCH}
  requests N/s, read N UNIT/s, failures N
  reads p50 N UNIT, p99 N UNIT, parked N
  found memory N%, local N%, cache N%, remote N%
  remotes N requests/s, N UNIT/s, resting N
END
}

test_a_hung_mount_holds_up_nobody() {
	local server begun=$SECONDS
	new_mounted
	server=$(server_of "$MNT")
	mkdir ../second
	revfs mount ../second
	kill -STOP "$server"
	timeout 30 revfs top -n 3 -d 0.2 --json >../said || { kill -CONT "$server"; false; }
	kill -CONT "$server"
	cat ../said
	[ "$(of_mount state <../said | sort | uniq -c | xargs)" = "3 does not answer" ]
	[ "$(MNT=$(realpath ../second) of_mount state <../said | sort | uniq -c | xargs)" = "3 answers" ]
	[ $((SECONDS - begun)) -lt 25 ]
	revfs umount ../second
}

test_a_dead_mount_is_shown_as_such() {
	local server
	new_mounted
	server=$(server_of "$MNT")
	kill -9 "$server"
	wait_for 10 gone "$server"
	timeout 20 revfs top -n 1 --json "$MNT" >../said
	[ "$(of_mount state parked <../said)" = "dead None" ]
	timeout 20 revfs top -n 1 "$MNT" >../said
	grep -x '.*/mnt: dead' ../said
}

# What a terminal of 7 rows and 40 columns gets: top, shown twice, and ended by the signal $1.
on_terminal() {
	python3 - "$MNT" "$1" <<'END'
import fcntl, os, pty, signal, struct, sys, termios, time

pid, fd = pty.fork()
if pid == 0:
    os.environ["TERM"] = "xterm"
    time.sleep(0.2)
    os.execvp("revfs", ["revfs", "top", "-d", "0.2", sys.argv[1]])
fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", 7, 40, 0, 0))
said, sent, deadline = b"", False, time.time() + 20
while time.time() < deadline:
    try:
        data = os.read(fd, 4096)
    except OSError:
        break
    if not data:
        break
    said += data
    if said.count(b"\033[H") >= 3 and not sent:
        if sys.argv[2] == "INT":
            os.write(fd, b"\x03")
        else:
            os.kill(pid, signal.SIGTERM)
        sent = True
_, status = os.waitpid(pid, 0)
assert os.WIFSIGNALED(status) and os.WTERMSIG(status) == getattr(signal, "SIG" + sys.argv[2]), status
assert said.startswith(b"\033[?1049h\033[?25l\033[H"), said[:60]
assert said.rstrip(b"\r\n").endswith(b"\033[?25h\033[?1049l"), said[-60:]
for frame in said.split(b"\033[H")[1:-1]:
    lines = [line.replace(b"\033[K", b"").replace(b"\033[J", b"") for line in frame.replace(b"\r", b"").split(b"\n")]
    assert len(lines) == 7 and all(len(line) <= 40 for line in lines), lines
    assert lines[0].endswith(b"mounts: 1") and b"  requests" in lines[3], lines
END
}

test_a_terminal_is_filled_and_given_back() {
	new_mounted
	on_terminal INT
	on_terminal TERM
}

run_tests
