#!/bin/bash
# Mounts compared with the plain files they were recorded from, by the tools that people trust.
. "${0%/*}/common"

# A tree of everything that a name and a file can be, at DIR.
plant() {
	local long
	long=$(printf 'n%.0s' {1..255})
	mkdir -p "$1/empty dir" "$1/Case" "$1/case" "$1/$long"
	cd "$1"
	echo space >'a name with blanks'
	printf 'newline\n' >$'line\nbreak'
	echo dash >./-rf
	echo quote >"it's \"quoted\""
	echo latin >$'latin1-\xe9'
	echo long >"$long/$long"
	echo one >Case/file
	echo two >case/FILE
	echo back >'back\slash'
	echo star >'*'
	echo percent >'100%25'
	: >empty
	printf 'x%.0s' {1..128} >inline-largest
	printf 'x%.0s' {1..129} >chunk-smallest
	head -c 300000 /dev/urandom >two-chunks
	head -c 5000000 /dev/urandom >large
	truncate -s 3000000 hole
	echo '#!/bin/sh' >run
	chmod +x run
	ln -s empty link
	ln -s nowhere/at/all dangling
	mkdir many
	for i in {1..700}; do
		echo "$i" >"many/file $i"
	done
	mkdir -p deep/1/2/3/4/5/6/7/8/9
	ln -s ../Case/file deep/up
	echo deep >deep/1/2/3/4/5/6/7/8/9/file
	find . -type f -exec touch -d '2026-01-02 03:04:05.678901234' {} +
	touch -d '1969-07-20 20:17:40' run
	cd - >/dev/null
}

new_planted() {
	new_repo
	plant data
	plant own
	find own \( -name '*latin*' -o -type d -empty \) -prune -exec rm -rf {} +
	git add own
	git commit -q -m own
	revfs -q snapshot -m data data >/dev/null
	git tag v1
}

# What ls says of files and links, without owners and the number of links; of links not the time, which nobody kept.
ls_of() {
	(cd "$1" && ls -AlR --time-style=full-iso) | awk '/^-/ { $2 = $3 = $4 = ""; print } /^l/ { print $9, $10, $11 }'
}

test_every_tool_finds_the_same() {
	new_planted
	mount_here
	diff -r --no-dereference data "$MNT/@v1/data"
	diff -r --no-dereference own "$MNT/@v1/own"
	diff -r --no-dereference own "$MNT/@main/own"
	find data own -type f -print0 | while IFS= read -r -d '' file; do
		cmp "$file" "$MNT/@v1/$file"
	done
	(cd data && find . -type f -print0 | sort -z | xargs -0 sha256sum) >../sums
	(cd "$MNT/@v1/data" && sha256sum --quiet -c "$OLDPWD/../sums")
	diff <(times_and_names data) <(times_and_names "$MNT/@v1/data")
	diff <(cd data && find . -print0 | sort -z | tr '\0' '\n') <(cd "$MNT/@v1/data" && find . -print0 | sort -z | tr '\0' '\n')
	ls_of data >../expected
	ls_of "$MNT/@v1/data" >../actual
	diff ../expected ../actual
	[ "$(du -sb --apparent-size "$MNT/@v1/data/large" | cut -f1)" = 5000000 ]
}

test_copies_are_equal_and_may_be_written_to() {
	need rsync
	new_planted
	mount_here
	tar -C "$MNT/@v1/data" -cf - . | tar -df - -C data 2>&1 | grep -vE 'Mod time differs|Uid|Gid' && return 1
	[ -z "$(rsync -rlncpi --checksum "$MNT/@v1/data/" data/)" ]
	rsync -rlti --omit-dir-times -n "$MNT/@v1/data/" data/ >../listed
	grep "^[>c]f" ../listed && return 1
	cp -r "$MNT/@v1/data" ../copy
	diff -r --no-dereference data ../copy
	as_user test ! -w ../copy || [ "$(id -u)" != 0 ]
	echo more >>../copy/Case/file
	rm -r ../copy
	cp -a "$MNT/@v1/data" ../copy
	echo more >>../copy/run
	[ -x ../copy/run ]
}

test_attributes() {
	new_planted
	mount_here
	local id mid
	[ "$(stat -c '%a %h %u %g %F' "$MNT/@v1/data/run")" = "755 1 $(id -u) $(id -g) regular file" ]
	[ "$(stat -c '%a %h %s' "$MNT/@v1/data/empty")" = '644 1 0' ]
	[ "$(stat -c '%a %h %F' "$MNT/@v1/data")" = '755 1 directory' ]
	[ "$(stat -c '%b' "$MNT/@v1/data/inline-largest")" = 1 ]
	[ "$(stat -c '%Y' "$MNT/@v1/own/run")" = "$(git log -1 --format=%ct v1)" ]
	[ "$(stat -fc '%T %b %f %a' "$MNT/@v1")" = "fuseblk $(((300000 + 8000000 + 4096 * 3) / 4096)) 0 0" ] ||
		[ "$(stat -fc '%f %a' "$MNT/@v1")" = '0 0' ]
	[ "$(df --output=itotal "$MNT/@v1/data" | tail -1 | tr -d ' ')" = "$(find data ! -type d -printf . | wc -c)" ]
	# Inodes: different paths never share one, revisions share them.
	[ "$(find "$MNT/@v1" -printf '%i\n' | sort | uniq -d | wc -l)" = 0 ]
	git tag v2
	[ "$(stat -c %i "$MNT/@v1/data/run")" = "$(stat -c %i "$MNT/@v2/data/run")" ]
	[ "$(stat -c %i "$MNT/@v1/data")" != "$(stat -c %i "$MNT/@v2/data")" ]
	need getfattr
	id=$(sha256sum <data/inline-largest | cut -d' ' -f1)
	mid=$(sha256sum <data/chunk-smallest | cut -d' ' -f1)
	[ "$(getfattr --only-values -n user.revfs.id "$MNT/@v1/data/inline-largest")" = "$id" ]
	[ "$(getfattr --only-values -n user.revfs.id "$MNT/@v1/data/chunk-smallest")" = "$mid" ]
	[ "$(getfattr --only-values -n user.revfs.commit "$MNT/@v1/data/deep")" = "$(git rev-parse v1)" ]
	getfattr -n user.x "$MNT/@v1/data/run" 2>&1 | grep -q 'Operation not supported'
	getfattr -n user.revfs.x "$MNT/@v1/data/run" 2>&1 | grep -q 'No such attribute'
	getfattr -n system.posix_acl_access "$MNT/@v1/data/run" 2>&1 | grep -q 'Operation not supported'
}

# What a program that maps files, and many at once, reads.
test_maps_and_readers_in_parallel() {
	need python3
	new_planted
	mount_here
	python3 - "$MNT/@v1/data/large" data/large <<'END'
import mmap, os, random, sys, threading

mounted, plain = sys.argv[1:]
truth = open(plain, "rb").read()
with open(mounted, "rb") as file:
    view = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)
    random.seed(1)
    for _ in range(2000):
        at = random.randrange(len(truth))
        assert view[at:at + 100] == truth[at:at + 100], at
    assert view[:] == truth

failed = []
def read(seed):
    order = random.Random(seed)
    with open(mounted, "rb", buffering=0) as file:
        for _ in range(200):
            at, size = order.randrange(len(truth)), order.choice([1, 4096, 100000, 1 << 20])
            file.seek(at)
            got = file.read(size)
            if not got or got != truth[at:at + len(got)]:
                failed.append(at)
threads = [threading.Thread(target=read, args=(seed,)) for seed in range(8)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
assert not failed, failed
END
	for _ in {1..6}; do
		diff -r --no-dereference data "$MNT/@v1/data" &
	done
	for job in $(jobs -p); do
		wait "$job"
	done
	dd if="$MNT/@v1/data/large" iflag=direct bs=1M status=none | cmp - data/large
}

test_overlay_above_a_revision_may_be_written_to() {
	need_root
	new_planted
	mount_here
	mkdir ../upper ../work ../edit
	mount -t overlay overlay -o "lowerdir=$MNT/@v1/data,upperdir=$(realpath ../upper),workdir=$(realpath ../work)" ../edit ||
		skip 'overlayfs cannot be mounted here'
	diff -r --no-dereference data ../edit
	echo changed >../edit/run
	rm ../edit/empty
	echo new >../edit/many/new
	[ "$(cat ../edit/run)" = changed ]
	[ ! -e ../edit/empty ]
	umount ../edit
	diff -r --no-dereference data "$MNT/@v1/data"
}

run_tests
