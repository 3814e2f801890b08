#!/bin/bash
# The daily round as the README tells it: clone, attach, train, edit, snapshot, push, pull in the other clone, merge.
. "${0%/*}/common"

detach_both() {
	cd "$SCRATCH"
	for clone in ada bob; do
		(cd "$WORLD/$clone" && revfs -q detach -f) >/dev/null 2>&1 || true
	done
}

# clone NAME: of ../hub.git, with its remote's data in ../store.
clone() {
	git clone -q "$WORLD/hub.git" "$WORLD/$1"
	cd "$WORLD/$1"
	revfs -q install
}

# "Training": every file is read; says a sum of all.
train() {
	find data -type f -print0 | sort -z | xargs -0 cat | sha256sum
}

test_clone_attach_edit_push_pull_and_merge() {
	local trained
	need_mount
	WORLD=$PWD
	git init -q --bare -b main hub.git
	mkdir store
	new_repo first
	mkdir -p data/images
	for i in {1..60}; do
		seq "$i" $((i + 500)) >"data/images/$i"
	done
	echo 'cat 1' >data/labels
	echo 'one' >data/notes
	revfs -q snapshot -m first data
	revfs -q remote add hub "$WORLD/store"
	git add -A
	git commit -q -m remote
	trained=$(train)
	git remote add origin "$WORLD/hub.git"
	revfs -q push --yes
	git push -q -u origin main
	cd ..
	trap detach_both EXIT

	# Each sees the data at once, as it was.
	clone ada
	revfs -q attach
	[ "$(train)" = "$trained" ]
	clone bob
	revfs -q attach
	[ "$(train)" = "$trained" ]

	# One edits labels and removes a picture; the other adds some.
	cd "$WORLD/ada"
	echo 'dog 2' >>data/labels
	rm data/images/7
	tick
	revfs -q snapshot -m 'fix labels'
	revfs -q push --yes
	git push -q
	cd "$WORLD/bob"
	for i in {61..70}; do
		seq "$i" >"data/images/$i"
	done
	tick
	revfs -q snapshot -m 'more images'

	# What was fetched merges by itself, and what is attached follows.
	git pull -q --no-rebase --no-edit
	revfs -q attach
	grep -qx 'dog 2' data/labels
	[ ! -e data/images/7 ]
	[ "$(ls data/images | wc -l)" = 69 ]
	[ -z "$(revfs status --json | grep '"changed"' || true)" ]
	revfs -q push --yes
	git push -q
	cd "$WORLD/ada"
	git pull -q
	revfs -q attach
	diff -r data ../bob/data
	[ "$(cat data/images/70)" = "$(seq 70)" ]

	# Both change the same file: a conflict, named, settled, and it goes on.
	echo 'bird 3' >>data/labels
	tick
	revfs -q snapshot -m birds
	revfs -q push
	git push -q
	cd "$WORLD/bob"
	echo 'fish 4' >>data/labels
	tick
	revfs -q snapshot -m fish
	not git pull -q --no-rebase --no-edit >../said 2>&1
	revfs status >../said
	grep -q 'data/labels' ../said
}

run_tests
