#!/bin/bash
# The published versions of the npm package vega-datasets (JSON, CSV, Parquet, Arrow, PNG) as tagged revisions.
# Needs the network: npm's registry.
# limit 600
. "${0%/*}/common"

versions=(1.8.0 1.16.0 1.22.0 1.31.1 2.1.0 2.7.0 2.11.0 3.1.0 3.2.1)

# Every version unpacked in ../truth/VERSION, recorded in the repository of the current folder and tagged with its number.
# Made by the first test, kept for the others.
prepare() {
	need npm python3
	[ -e "$SCRATCH/vega/complete" ] || record
	cd "$SCRATCH/vega/project"
}

record() {
	local version
	rm -rf "$SCRATCH/vega"
	mkdir -p "$SCRATCH/vega/truth"
	cd "$SCRATCH/vega"
	for version in "${versions[@]}"; do
		npm pack --silent "vega-datasets@$version" >/dev/null
		mkdir "truth/$version"
		tar -xzf "vega-datasets-$version.tgz" -C "truth/$version" --strip-components=1
		# A package's modes are whatever its author had; a revision shows two.
		chmod -R u=rwX,go=rX "truth/$version"
		rm "vega-datasets-$version.tgz"
	done
	new_repo project
	for version in "${versions[@]}"; do
		rm -rf data
		cp -a "../truth/$version" data
		tick
		revfs -q snapshot -m "version $version" data
		git tag "$version"
	done
	touch ../complete
}

# What changed from A to B by file contents alone: A, M, D and a path.
truth_of() {
	python3 - "../truth/$1" "../truth/$2" <<'END'
import hashlib, os, sys

def tree(top):
    found = {}
    for folder, _, names in os.walk(top):
        for name in names:
            path = os.path.join(folder, name)
            with open(path, "rb") as f:
                found[os.path.relpath(path, top)] = (hashlib.sha256(f.read()).digest(), os.stat(path).st_mode & 0o100)
    return found

a, b = tree(sys.argv[1]), tree(sys.argv[2])
lines = [f"D\tdata/{p}" for p in a.keys() - b.keys()] + [f"A\tdata/{p}" for p in b.keys() - a.keys()]
lines += [f"M\tdata/{p}" for p in a.keys() & b.keys() if a[p] != b[p]]
print("\n".join(sorted(lines)))
END
}

test_every_version_is_right_at_its_tag() {
	local version sum stored
	prepare
	need_mount
	mount_here
	for version in "${versions[@]}"; do
		diff -r "$MNT/@$version/data" "../truth/$version"
		diff <(cd "$MNT/@$version/data" && find . -printf '%y %m %P\n' | sort) \
			<(cd "../truth/$version" && find . -printf '%y %m %P\n' | sort)
	done
	diff <(cd "$MNT/@3.2.1/data" && find . -type f -exec sha256sum {} + | sort) \
		<(cd ../truth/3.2.1 && find . -type f -exec sha256sum {} + | sort)
	unmount_here
	sum=$(du -sb --apparent-size ../truth | cut -f1)
	stored=$(du -sb --apparent-size .git/revfs | cut -f1)
	remark "${#versions[@]} versions: $((sum / 1000000)) MB; the store: $((stored / 1000000)) MB, $((stored * 100 / sum)) %"
	[ "$stored" -lt "$sum" ]
	revfs -q verify --full
}

test_diff_between_neighbours_is_right() {
	local i a b
	prepare
	for ((i = 1; i < ${#versions[@]}; i++)); do
		a=${versions[i - 1]} b=${versions[i]}
		# A rename is a deletion and an addition of the same bytes, which is checked.
		revfs diff --name-status "$a" "$b" | while IFS=$'\t' read -r kind old new; do
			case $kind in
			R100)
				cmp "../truth/$a/${old#data/}" "../truth/$b/${new#data/}" >&2
				printf 'D\t%s\nA\t%s\n' "$old" "$new"
				;;
			*) printf '%s\t%s\n' "$kind" "$old" ;;
			esac
		done | LC_ALL=C sort >../diff
		diff <(truth_of "$a" "$b") ../diff
		[ -s ../diff ]
	done
}

test_without_a_mount_exports_are_right() {
	local version
	prepare
	for version in "${versions[@]}"; do
		revfs -q export "$version:data" ../out
		diff -r ../out "../truth/$version"
		rm -rf ../out
	done
}

run_tests
