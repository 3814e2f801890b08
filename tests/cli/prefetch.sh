#!/bin/bash
# revfs prefetch: what was brought into the cache is read with no remote.
. "${0%/*}/../mount/common"
. "${0%/*}/remote_world"

# A repository of two snapshots that was pushed to ../store; a clone of it, which has no data, is where the test stands.
new_clone() {
	new_repo origin
	mkdir -p data/sub
	seq 3000 >data/sub/numbers
	head -c 3000000 /dev/urandom >data/large
	seq -f 'data/sub/%g' 200 | while read -r name; do seq "${name##*/}" 300 >"$name"; done
	echo one >data/a.txt
	ln -s "$(printf 'x%.0s' {1..300})" data/link
	revfs -q snapshot -m first data
	git tag v1
	head -c 100000 /dev/urandom >data/new
	revfs -q snapshot -m second
	push_and_clone
}

NUMBERS='s/[0-9.]+ (bytes|[KM]iB) received/N received/;s/[0-9.]+ s$/N s/;s/"(received_bytes|seconds)":[0-9.e-]+/"\1":N/g'

test_what_was_prefetched_needs_no_remote() {
	new_clone
	FILTER=$NUMBERS expect revfs prefetch HEAD <<-'END'
	204 files, 3.1 MiB, and 0 bytes that the store has; N received, N s
	END
	alone revfs -q export HEAD ../out
	diff -r --no-dereference ../out/data ../origin/data
	# A second time it is there already.
	expect_status 0 revfs prefetch --json --jobs 3 HEAD
	grep -q '"files":204,' "$SCRATCH/said.out"
	grep -q '"received_bytes":0,' "$SCRATCH/said.out"
}

test_a_path_and_what_the_store_has() {
	new_clone
	revfs -q prefetch HEAD:data/new -j 1
	alone revfs cat HEAD:data/new | cmp - ../origin/data/new
	not alone revfs -q cat HEAD:data/large >/dev/null 2>&1
	revfs -q fetch HEAD:data/new
	FILTER=$NUMBERS expect revfs prefetch --json HEAD:data/new HEAD:.gitignore <<-'END'
	{"dry_run":false,"files":1,"bytes":0,"here_bytes":100000,"received_bytes":N,"failed":0,"seconds":N}
	END
}

test_what_is_missing_is_named() {
	local pack
	new_clone
	pack=$(find ../store/packs -type f -size +80k -size -200k)
	rm -f "$pack"
	FILTER=$NUMBERS expect revfs prefetch HEAD <<-'END'
	203 files, 3.0 MiB, and 0 bytes that the store has; N received, N s
	--- stderr
	revfs: cannot read 'HEAD:data/new': the data is missing from the store; 'revfs verify' names all that is damaged or missing
	--- status 3
	END
	expect revfs prefetch HEAD:nowhere <<-'END'
	--- stderr
	revfs: path 'nowhere' does not exist in 'HEAD'
	--- status 4
	END
	expect revfs prefetch <<-'END'
	--- stderr
	revfs: no revision or path in a mount named
	see 'revfs help prefetch'
	--- status 2
	END
	cd ../origin
	git config -f .revfs/config --remove-section remote.lab
	git config --remove-section revfs.remote.lab
	expect revfs prefetch HEAD <<-'END'
	--- stderr
	revfs: there is no remote: 'revfs remote add NAME URL' names one
	--- status 4
	END
}

# What does not fit is told beforehand, with both numbers, and brought as far as it does.
test_more_than_the_cache_may_hold() {
	new_clone
	git config revfs.cacheSize 1000000
	FILTER=$NUMBERS expect revfs prefetch -n v1 <<-'END'
	203 files, 3.0 MiB; nothing was brought
	--- stderr
	revfs: warning: this takes 2.9 MiB of the cache, whose limit is 976.5 KiB (revfs.cacheSize): what comes first goes before the last is there
	END
	not alone revfs -q cat HEAD:data/sub/77 >/dev/null 2>&1
	expect_status 0 revfs prefetch v1
	grep -q '^revfs: warning: this takes 2.9 MiB of the cache, whose limit is 976.5 KiB ' "$SCRATCH/said.err"
	[ "$(wc -l <"$SCRATCH/said.err")" = 1 ]
	# What is compressed well enough fits.
	FILTER=$NUMBERS expect revfs prefetch -n v1:data/sub <<-'END'
	201 files, 165.3 KiB; nothing was brought
	END
	git config revfs.cacheSize 100000
	expect_status 0 revfs prefetch v1:data/sub
	[ ! -s "$SCRATCH/said.err" ]
	# What the store has takes nothing.
	revfs -q fetch v1
	expect_status 0 revfs prefetch v1
	[ ! -s "$SCRATCH/said.err" ]
}

# A file of many pieces, with repeated and equal chunks in it.
test_a_sparse_file_is_shared_by_readers() {
	new_repo origin
	mkdir data
	truncate -s 1500M data/sparse
	for at in 0 255 256 257 700 1499; do
		dd if=/dev/urandom of=data/sparse bs=1M count=1 seek=$at conv=notrunc status=none
	done
	revfs -q snapshot -m sparse data
	push_and_clone
	revfs -q prefetch HEAD
	alone revfs cat HEAD:data/sparse | cmp - ../origin/data/sparse
}

test_paths_in_a_mount() {
	need_mount
	new_clone
	mount_here
	cd "$SCRATCH"
	# The large file is in another pack.  Of its own pack more may come along than was named.
	revfs -q prefetch -j 1 "$MNT/@HEAD/data/new"
	(cd - >/dev/null && not alone revfs -q cat HEAD:data/large >/dev/null 2>&1)
	expect_status 0 revfs prefetch --json "$MNT/@v1/data/sub" "$MNT/@HEAD/data/new"
	grep -q '"files":202,' "$SCRATCH/said.out"
	cd - >/dev/null
	alone revfs cat HEAD:data/new | cmp - ../origin/data/new
	alone revfs cat v1:data/sub/77 | cmp - ../origin/data/sub/77
	(cd "$MNT/@v1" && revfs -q prefetch .)
	alone revfs -q export v1 ../out
	expect revfs prefetch "$MNT/@v1/data" HEAD <<-END
	--- stderr
	revfs: 'HEAD' is no path in a mount, as 'SCRATCH/${MNT#"$SCRATCH/"}/@v1/data' is: name them apart
	--- status 4
	END
	# What is in no revision is none of a mount's.
	expect_status 2 revfs prefetch "$MNT"
}

run_tests
