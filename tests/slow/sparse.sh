#!/bin/bash
# A file of 20 GiB that is mostly hole.
# limit 400
. "${0%/*}/common"

gib=$((1024 * 1024 * 1024))

# same_data A B: two sparse files hold the same.  Reads where either has data; holes are zeros.
same_data() {
	python3 - "$@" <<'END_PYTHON'
import errno, os, sys

def extents(fd, size):
    end = 0
    while end < size:
        try:
            start = os.lseek(fd, end, os.SEEK_DATA)
        except OSError as error:
            if error.errno == errno.ENXIO:
                return
            raise
        end = os.lseek(fd, start, os.SEEK_HOLE)
        yield start, end

a, b = (os.open(path, os.O_RDONLY) for path in sys.argv[1:])
size = os.fstat(a).st_size
if size != os.fstat(b).st_size:
    sys.exit("sizes differ")
read = 0
for start, end in list(extents(a, size)) + list(extents(b, size)):
    for at in range(start, end, 1 << 20):
        length = min(1 << 20, end - at)
        read += length
        if os.pread(a, length, at) != os.pread(b, length, at):
            sys.exit(f"they differ between {at} and {at + length}")
if not read:
    sys.exit("nothing was compared")
END_PYTHON
}

# same_at_borders MOUNTED FILE: reads through the mount around every border of data and hole, at random places in holes, and
# at the end, of many lengths, by pread and through a mapping.
same_at_borders() {
	python3 - "$@" <<'END_PYTHON'
import mmap, os, random, sys

mounted, file = (os.open(path, os.O_RDONLY) for path in sys.argv[1:])
size = os.fstat(file).st_size
rng = random.Random(20)
borders, end = [0, size], 0
while end < size:
    start = os.lseek(file, end, os.SEEK_DATA)
    end = os.lseek(file, start, os.SEEK_HOLE)
    borders += [start, end]
borders += [rng.randrange(size) for _ in range(200)] + [1 << 31, 1 << 32, 1 << 33, 1 << 34]
tried = 0
for border in borders:
    starts = [border + step for step in (-300000, -262144, -4097, -4096, -1, 0, 1, 4095, 131072, 262143)]
    starts += [border + rng.randrange(-600000, 600000) for _ in range(10)]
    for at in starts:
        if at < 0 or at > size:
            continue
        length = rng.choice((1, 2, 4095, 4096, 4097, 131072, 262144, 500001))
        want = os.pread(file, length, at)
        got = os.pread(mounted, length, at)
        if got != want:
            sys.exit(f"{length} bytes at {at} differ ({len(got)} of {len(want)} came)")
        tried += 1
a, b = (mmap.mmap(fd, 0, prot=mmap.PROT_READ) for fd in (mounted, file))
for border in borders:
    at = max(0, min(border - 5000, size - 10000))
    if a[at:at + 10000] != b[at:at + 10000]:
        sys.exit(f"mapped, 10000 bytes at {at} differ")
print(tried)
END_PYTHON
}

# byte_at FILE OFFSET: that one, as it is.
byte_at() {
	dd if="$1" bs=1 skip="$2" count=1 status=none
}

# shows_head: the mount's @main has moved to the newest commit.
shows_head() {
	[ "$(readlink "$MNT/@main")" = "@$(git rev-parse HEAD)" ]
}

test_twenty_gib_of_holes() {
	need python3
	need_mount
	new_repo
	mkdir data
	truncate -s $((20 * gib)) data/image
	head -c 300000 /dev/urandom | dd of=data/image bs=1M seek=3 conv=notrunc status=none
	head -c 1000 /dev/urandom | dd of=data/image bs=1 seek=$((13 * gib + 4711)) conv=notrunc status=none
	printf end | dd of=data/image bs=1 seek=$((20 * gib - 3)) conv=notrunc status=none
	timed in_memory 200 revfs -q snapshot -m sparse data
	remark "snapshot: $MS ms"
	# Holes are asked for, not read.
	below 'read by the snapshot' $((READ / 1024)) 16384 KiB
	[ "$READ" -gt 301003 ]
	git tag v1
	below 'the store' "$(du -sk .git/revfs | cut -f1)" 2048 KiB

	mount_here
	[ "$(stat -c %s "$MNT/@v1/data/image")" = $((20 * gib)) ]
	timed same_at_borders "$MNT/@v1/data/image" data/image >../tried
	remark "$(cat ../tried) reads at borders: $MS ms"
	timed cmp -n $gib "$MNT/@v1/data/image" data/image
	remark "the first GiB in order: $MS ms"
	cmp -i $((12 * gib + gib / 2)) -n $gib "$MNT/@v1/data/image" data/image
	cmp -i $((19 * gib + gib / 2)) "$MNT/@v1/data/image" data/image

	# Copies are sparse as well.
	timed in_memory 200 revfs -q export v1:data ../out
	remark "export: $MS ms"
	below 'the export on disk' "$(du -sk ../out | cut -f1)" 4096 KiB
	same_data ../out/image data/image
	mv data/image ../kept
	timed in_memory 200 revfs -q checkout -f data
	remark "checkout: $MS ms"
	below 'the checkout on disk' "$(du -sk data | cut -f1)" 4096 KiB
	same_data data/image ../kept

	# Nothing changed costs nothing, one byte in a hole little.
	timed revfs -q snapshot
	remark "nothing changed: $MS ms"
	printf x | dd of=data/image bs=1 seek=$((7 * gib)) conv=notrunc status=none
	tick
	in_memory 200 revfs -q snapshot -m 'one byte'
	below 'read by the snapshot' $((READ / 1024)) 16384 KiB
	below 'the store' "$(du -sk .git/revfs | cut -f1)" 3072 KiB
	[ "$(revfs diff --name-status v1 HEAD)" = "M	data/image" ]
	wait_for 30 shows_head
	[ "$(byte_at "$MNT/@main/data/image" $((7 * gib)))" = x ]
	cmp <(byte_at "$MNT/@v1/data/image" $((7 * gib))) <(printf '\0')
	same_at_borders "$MNT/@main/data/image" data/image >../tried
	below 'memory of the daemon' "$(peak_mib "$MOUNT_PID")" 200 MiB
	unmount_here
}

run_tests
