#!/bin/bash
# Readers that wait for a remote: they cost no thread, hold up nobody, can be ended, and get what they asked for.
. "${0%/*}/common"

FILES=600

plan() {
	if [ -n "$1" ]; then echo "$1" >../ready.plan; else rm -f ../ready.plan; fi
}

# A clone without data, mounted on $MNT with the options given, whose remote is a server that stalls from now on; `near`
# was read before.
new_stalled() {
	need_mount
	need python3
	new_repo
	mkdir -p data/far
	echo near >data/near
	# New for each test: the cache is that of all.
	python3 -c '
import os, sys
for i in range(int(sys.argv[1])):
    with open(f"data/far/{i}", "wb") as f:
        f.write(os.urandom(2000))' $FILES
	revfs -q snapshot -m one data
	git tag v1
	revfs remote add lab ../store
	revfs -q push
	cd ..
	mv repo origin
	git clone -q origin repo
	cd repo
	"$TESTS_DIR/servers/http" "$(realpath ../store)" "$PWD/../ready" &
	wait_for 20 test -e ../ready
	git config revfs.remote.lab.url "$(cat ../ready)"
	mount_here "$@"
	ls "$MNT/@v1/data/far" >/dev/null
	[ "$(cat "$MNT/@v1/data/near")" = near ]
	plan stall
}

# Have a program with a thread for each far file read them all at once; it writes "ok" where all
# were right.
read_all() {
	python3 - "$MNT/@v1/data/far" "$PWD/../origin/data/far" $FILES <<'END'
import sys, threading
from pathlib import Path

threading.stack_size(65536)
mounted, origin, count = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
wrong = []


def read(i):
    if (mounted / str(i)).read_bytes() != (origin / str(i)).read_bytes():
        wrong.append(i)


threads = [threading.Thread(target=read, args=(i,)) for i in range(count)]
for thread in threads:
    thread.start()
print("begun", flush=True)
for thread in threads:
    thread.join()
print("wrong: %s" % wrong if wrong else "ok", flush=True)
END
}

all_parked() {
	[ "$(counter parked)" -ge $FILES ]
}

test_waiting_readers_cost_no_thread() {
	local reader threads
	new_stalled
	read_all >../said 2>&1 &
	reader=$!
	wait_for 60 grep -q begun ../said
	wait_for 60 all_parked
	threads=$(ls "/proc/$(server_of "$MNT")/task" | wc -l)
	[ "$threads" -le $((64 + 4 * $(nproc) + 16)) ]
	# Nobody else waits.
	[ "$(timeout 20 cat "$MNT/@v1/data/near")" = near ]
	timeout 20 ls -l "$MNT/@v1/data/far" >/dev/null
	plan ''
	wait "$reader"
	cat ../said
	grep -qx ok ../said
	[ "$(counter parked)" = 0 ]
}

test_waiting_readers_can_be_ended() {
	local first second
	new_stalled
	cat "$MNT/@v1/data/far/1" >/dev/null 2>&1 &
	first=$!
	cat "$MNT/@v1/data/far/2" >/dev/null 2>&1 &
	second=$!
	two_parked() {
		[ "$(counter parked)" = 2 ]
	}
	wait_for 20 two_parked
	kill -9 "$first"
	wait_for 5 gone "$first"
	kill "$second"
	wait_for 5 gone "$second"
	none_parked() {
		[ "$(counter parked)" = 0 ]
	}
	# The kernel reads on for a page that nobody waits for any more.
	plan ''
	wait_for 20 none_parked
	# A timer's signals are not the end of a read.
	python3 - "$MNT/@v1/data/far/3" <<'END' >../third
import signal, sys

signal.signal(signal.SIGALRM, lambda *_: None)
signal.setitimer(signal.ITIMER_REAL, 0.002, 0.002)
data = open(sys.argv[1], "rb").read()
signal.setitimer(signal.ITIMER_REAL, 0)
sys.stdout.buffer.write(data)
END
	cmp ../third ../origin/data/far/3
}

test_a_wait_ends_and_says_why() {
	new_stalled -o io-timeout=2s
	plan 503
	exec 7<"$MNT/@v1/data/far/3" # what is open the kernel does not forget
	not timeout 60 cat "$MNT/@v1/data/far/3" >/dev/null 2>../said
	grep -q 'Input/output error' ../said
	getfattr --only-values -n user.revfs.error "$MNT/@v1/data/far/3"
	exec 7<&-
	cat "$MNT/.revfs/errors"
	grep -q 'data/far/3' "$MNT/.revfs/errors"
	plan ''
	# What failed once is asked for again.
	right_again() {
		cmp -s "$MNT/@v1/data/far/3" ../origin/data/far/3
	}
	wait_for 60 right_again
}

test_the_mount_ends_while_readers_wait() {
	local reader server
	new_stalled
	cat "$MNT/@v1/data/far/1" >/dev/null 2>&1 &
	reader=$!
	one_parked() {
		[ "$(counter parked)" = 1 ]
	}
	wait_for 20 one_parked
	server=$(server_of "$MNT")
	umount -l "$MNT" 2>/dev/null || fusermount3 -uz "$MNT"
	kill "$reader"
	wait_for 10 gone "$reader"
	wait_for 60 gone "$server"
}

# However many read the same at once, and in whatever order: nothing is fetched twice.
test_nothing_is_fetched_twice() {
	local pack bytes
	new_stalled
	plan ''
	python3 - "$MNT/@v1/data/far" "$PWD/../origin/data/far" $FILES <<'END'
import random, sys, threading
from pathlib import Path

mounted, origin, count = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
wrong = []


def read(seed):
    order = list(range(count))
    random.Random(seed).shuffle(order)
    for i in order:
        if (mounted / str(i)).read_bytes() != (origin / str(i)).read_bytes():
            wrong.append(i)


threads = [threading.Thread(target=read, args=(seed,)) for seed in range(16)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
sys.exit(bool(wrong))
END
	pack=$(find ../store/packs -type f -size +1000k -printf '%f')
	bytes=$(sed -nE "s/^GET [^ ]*$pack bytes=([0-9]+)-([0-9]+) 206$/\\1 \\2/p" ../ready.log |
		awk -v size="$(find ../store/packs -name "$pack" -printf '%s')" '
			{ sum += ($2 < size ? $2 + 1 : size) - $1 } END { print sum }')
	[ "$bytes" -gt 0 ]
	[ "$bytes" -le "$(find ../store/packs -name "$pack" -printf '%s')" ]
}

# After the program was started again, too; a file that nobody read fails at once, and says why.
test_what_was_read_needs_no_remote() {
	new_stalled
	plan ''
	diff -r "$MNT/@v1/data" ../origin/data
	revfs umount "$MNT"
	plan stall
	timeout 60 revfs mount -o offline "$MNT"
	timeout 60 diff -r "$MNT/@v1/data" ../origin/data
	revfs umount "$MNT"
	revfs -q cache clear
	timeout 60 revfs mount -o offline "$MNT"
	not timeout 60 ls "$MNT/@v1/data/far" >/dev/null
	revfs umount "$MNT"
	plan ''
	timeout 60 revfs mount "$MNT"
	cmp "$MNT/@v1/data/far/17" ../origin/data/far/17
}

run_tests
