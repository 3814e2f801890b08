#!/bin/bash
# long
# A second reader, tests/reader, which was written from revfs-format(5) alone, reads whole stores and agrees with revfs.
. "${0%/*}/../cli/harness"

reader() {
	python3 -B "$TESTS_DIR/reader/reader.py" "$@"
}

# make_data: every form of content, names that are hard to print, enough of them for a second level of pages.
make_data() {
	python3 - <<'END'
import os, random
noise = random.Random(1).randbytes
os.makedirs('data/many')
os.makedirs('data/empty')
os.makedirs('data/' + '/'.join('d%d' % i for i in range(30)))
for i in range(3000):
    with open('data/many/%d.json' % (i * 7919 % 100003), 'wb') as f:
        f.write(noise((0, 1, 127, 128, 129, 1000)[i % 6]))
files = {
    b'one-chunk': noise(16384), b'below-maximum': bytes(262143), b'maximum': bytes(262144), b'hole': bytes(1300000) + b'x',
    b'zeros': bytes(262144 * 3), b'noise': noise(1200000), b'text': b''.join(b'%d\n' % i for i in range(100000)),
    b'caf\xff \n%\\': b'odd', b'-dash': b'', b'A': b'upper', b'a': b'lower', b'n' * 255: b'long',
}
for name, data in files.items():
    with open(b'data/' + name, 'wb') as f:
        f.write(data)
os.chmod('data/text', 0o755)
os.symlink('text', 'data/link')
os.symlink('nowhere/' + 'x' * 300, 'data/long-link')
os.utime('data/text', ns=(0, 1234567890123456789))
os.utime('data/-dash', ns=(0, -500000000))
os.utime('data/link', ns=(0, 999999999), follow_symlinks=False)
END
	printf 'one file\n' >single
}

# listing DIR FOLDERS: what there is below it: of files mode, size and time, of links target and time, of folders FOLDERS.
listing() {
	(cd "$1" && find . -mindepth 1 \( -type f -printf 'f %m %s %T@ %P\0' -o -type d -printf "d $2 %P\0" -o \
		-printf '%y %l %T@ %P\0' \) | sort -z | tr '\0\n' '\n\1')
}

assert_same_tree() {
	diff -r --no-dereference "$1" "$2"
	diff <(listing "$1" "$3") <(listing "$2" "$3")
}

# Reading takes this reader long, so one world serves all comparisons.
test_reads_what_was_snapshotted_and_what_export_and_mount_show() {
	local name hash
	need python3
	new_repo
	make_data
	cp -a data ../first
	revfs -q snapshot -m first data single
	rm -r data/d0 data/noise
	mv data/many data/renamed
	head -c 300000 ../first/noise >data/noise
	printf x >data/many
	rm data/maximum && ln -s A data/maximum
	cp -a data ../second
	tick
	revfs -q snapshot -m second data
	reader .git HEAD~1 ../out-1 >../list
	reader .git HEAD ../out-2 >>../list
	# The times of folders are not recorded.
	assert_same_tree ../first ../out-1/data ''
	assert_same_tree ../second ../out-2/data ''
	cmp single ../out-1/single
	cmp single ../out-2/single
	for name in text noise hole; do
		hash=$(sha256sum <"../second/$name")
		grep -q " ${hash%% *} .* data/$name\$" ../list
	done
	revfs -q export HEAD~1 ../exported
	assert_same_tree ../exported/data ../out-1/data %T@
	cmp ../exported/single ../out-1/single
	if : 2>/dev/null <>/dev/fuse; then
		mkdir ../mnt
		revfs mount . ../mnt
		assert_same_tree ../mnt/@HEAD~1/data/ ../out-1/data %T@
		assert_same_tree ../mnt/@main/data/ ../out-2/data %T@
		cmp ../mnt/@main/single ../out-2/single
		revfs umount ../mnt
	fi
}

test_reads_a_bare_repository_and_nested_datasets() {
	need python3
	new_repo
	mkdir -p 'deep/er dir/data' none
	echo x >'deep/er dir/data/file'
	revfs -q snapshot -m first 'deep/er dir/data' none
	git clone -q --bare . ../bare.git
	cp -r .git/revfs ../bare.git/revfs
	reader ../bare.git main ../out >/dev/null
	diff -r none ../out/none
	diff -r 'deep/er dir/data' '../out/deep/er dir/data'
}

# flip FILE OFFSET: a bit of that byte.
flip() {
	python3 - "$@" <<'END'
import sys
with open(sys.argv[1], 'r+b') as f:
    f.seek(int(sys.argv[2]))
    byte = f.read(1)[0]
    f.seek(int(sys.argv[2]))
    f.write(bytes([byte ^ 4]))
END
}

test_sees_any_flipped_byte_of_a_pack() {
	local pack size at
	need python3
	new_dataset
	reader .git HEAD >/dev/null
	for pack in .git/revfs/packs/*/*; do
		size=$(stat -c %s "$pack")
		for at in 13 24 70 $((size / 2)) $((size - 100)) $((size - 3)); do
			cp -p "$pack" ../whole
			chmod u+w "$pack"
			flip "$pack" "$at"
			expect_status 1 reader .git HEAD
			mv -f ../whole "$pack"
		done
	done
	reader .git HEAD >/dev/null
}

run_tests
