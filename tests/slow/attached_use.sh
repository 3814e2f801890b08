#!/bin/bash
# What people run in attached datasets: each leaves what it leaves in a plain folder, and so do the snapshots.
# limit 1200
# What was built is kept, though the rest of the world is the test's own.
KEPT=${XDG_CACHE_HOME:-$HOME/.cache}/revfs-tests OWN_HOME=$HOME
. "${0%/*}/common"
USES="$TESTS_DIR/slow/attached_use.py"
# Debian's Python: its modules are packages of Debian's.
PYTHON=/usr/bin/python3

need_modules() {
	local module
	for module; do
		"$PYTHON" -c "import $module" 2>/dev/null || skip "Debian's Python has no $module"
	done
}

# new_attached: a repository whose dataset `data` is attached; ../plain has the same files.
new_attached() {
	need_mount
	new_repo
	mkdir -p data/images data/tables data/notes
	"$PYTHON" "$USES" images data/images 0 200
	seq 5000 >data/tables/numbers
	head -c 3000000 /dev/urandom >data/tables/noise
	cp -r /usr/include/linux/netfilter data/notes/headers
	ln -s ../tables/numbers data/notes/link
	printf '#!/bin/sh\necho ran\n' >data/notes/run
	chmod +x data/notes/run
	cp -a data ../plain
	revfs -q snapshot -m first data
	rm -rf data
	trap end_attached EXIT
	revfs -q attach
	same
}

end_attached() {
	cd "$SCRATCH"
	(cd "$TEST_REPO" && revfs -q detach -f) >/dev/null 2>&1 || true
}

# told DIR: a line for each entry below: kind, whether it can be executed, target, path.
told() {
	(cd "$1" && find . -mindepth 1 \( -type f -perm -u+x -printf 'x %p\n' -o -type l -printf 'l %l %p\n' \
		-o -printf '%y %p\n' \) | sort)
}

# What is attached is like ../plain.
same() {
	diff -r --no-dereference ../plain data
	told ../plain >../told.plain
	told data | diff ../told.plain -
}

# So is what a snapshot has; nothing has changed for one behind it.
same_in_snapshot() {
	same
	tick
	revfs -q snapshot -m "$1"
	rm -rf ../out
	revfs -q export HEAD:data ../out
	diff -r --no-dereference ../plain ../out
	# Empty folders are in no snapshot.
	told ../plain | grep -v '^d ' >../told.plain
	told ../out | grep -v '^d ' | diff ../told.plain -
	tick
	[ "$(git rev-parse HEAD)" = "$(revfs -q snapshot -m again >/dev/null 2>&1; git rev-parse HEAD)" ]
}

# in_both COMMAND...: in what is attached and in the plain folder.
in_both() {
	(cd data && "$@")
	(cd ../plain && "$@")
}

# The workers of a DataLoader read while another process adds files; what it began with is read right.
test_a_data_loader_reads_while_files_are_added() {
	local adding
	need_modules torch numpy PIL
	new_attached
	"$PYTHON" "$USES" images data/images 1000 300 &
	adding=$!
	"$PYTHON" "$USES" load data/images 200 2
	wait $adding
	"$PYTHON" "$USES" images ../plain/images 1000 300
	"$PYTHON" "$USES" load data/images 500 2
	same_in_snapshot loaded
}

# pyarrow, of PyPI: one that knows Debian's pandas.
test_tables_are_rewritten_in_place() {
	need_modules pandas
	export PYTHONPATH=$KEPT/pyarrow
	[ -d "$KEPT/pyarrow" ] || HOME=$OWN_HOME python3 -m pip install -q --target "$KEPT/pyarrow" --only-binary :all: --no-deps \
		--implementation cp --python-version "$("$PYTHON" -c 'import sys; print("%d.%d" % sys.version_info[:2])')" \
		pyarrow==14.0.2 || skip 'pyarrow cannot be had here'
	new_attached
	for round in 1 2 3; do
		in_both "$PYTHON" "$USES" table tables/table.parquet $round
		same_in_snapshot "round $round"
	done
}

test_arrays_are_written_in_place() {
	need_modules numpy h5py
	new_attached
	for round in 1 2 3; do
		in_both "$PYTHON" "$USES" array tables/array.npy $round
		in_both "$PYTHON" "$USES" hdf5 tables/array.h5 $round
		same_in_snapshot "round $round"
	done
}

test_tools_of_every_day() {
	need rsync tar sed git
	new_attached
	mkdir ../new
	cp -r /usr/include/linux ../new/linux
	tar -C ../new -cf ../new.tar linux
	in_both rsync -a --delete "$(realpath ../new)/" notes/
	same_in_snapshot rsync
	in_both tar -xf "$(realpath ../new.tar)"
	same_in_snapshot tar
	in_both find linux -name 'a*.h' -exec sed -i 's/define/DEFINE/' {} +
	same_in_snapshot sed
	in_both mv linux/netfilter moved
	in_both rm -r linux/usb
	in_both cp -r images linux/usb
	same_in_snapshot moved
	in_both rm -r images
	in_both mkdir images
	in_both touch images/one
	in_both truncate -s 100 tables/noise
	in_both chmod +x tables/numbers
	in_both ln -sf nowhere notes/link
	same_in_snapshot replaced
	in_both rm -r moved
	in_both sh -c 'echo file >moved'
	in_both rm tables/numbers
	in_both mkdir tables/numbers
	in_both touch tables/numbers/one
	same_in_snapshot 'other kinds'
}

# Whoever has files open notices nothing of snapshots; what they write later is in the next one.
test_a_database_stays_open_over_snapshots() {
	need_modules sqlite3
	new_attached
	"$PYTHON" "$USES" database data/tables/base.db ../go ../went &
	writer=$!
	for round in 1 2 3; do
		echo $round >../go.new
		mv ../go.new ../go
		wait_for 30 grep -qx $round ../went
		tick
		revfs -q snapshot -m "round $round"
		revfs -q export HEAD:data/tables ../tables.$round
		[ "$("$PYTHON" "$USES" rows ../tables.$round/base.db)" = $((round * 1000)) ]
	done
	echo end >../go.new
	mv ../go.new ../go
	wait $writer
	[ "$("$PYTHON" "$USES" rows data/tables/base.db)" = 3000 ]
}

# Git works in it as anywhere; a repository of its own is no data, is said by its name, and nothing is recorded.
test_git_inside() {
	need git
	new_attached
	git -C data/notes init -q -b main
	git -C data/notes add -A
	git -C data/notes commit -q -m inside
	git -C data/notes status --porcelain >../said
	[ ! -s ../said ]
	git status --porcelain | diff /dev/null -
	not revfs -q snapshot -m repository 2>../said
	grep -q 'data/notes/.git' ../said
	rm -rf data/notes/.git
	echo more >data/notes/more
	echo more >../plain/notes/more
	same_in_snapshot 'without it'
}

# fsx, of crates.io: reads, writes, truncates and maps a file at random, and compares.
test_a_file_at_random() {
	local fsx=$KEPT/fsx/bin/fsx
	[ -x "$fsx" ] || HOME=$OWN_HOME cargo install -q --root "$KEPT/fsx" fsx@0.3.2 || skip 'fsx cannot be built here'
	new_attached
	"$fsx" -N 50000 -S 7 data/tables/noise >../fsx.said 2>&1 || { tail -n 50 ../fsx.said; return 1; }
	cp data/tables/noise ../plain/tables/noise
	same_in_snapshot random
}

# Operations at random in both, snapshots between: at the end every revision has what the plain folder had.
test_random_operations_with_snapshots_between() {
	local seed=${SEED:-$RANDOM} round
	remark "seed $seed"
	new_attached
	for round in {1..8}; do
		"$PYTHON" "$USES" operations data ../plain $((seed + round)) 150
		same
		tick
		# A link that is moved may lead elsewhere, and of most files nothing may be left.
		revfs -q snapshot --allow-outside-links --force -m "round $round"
		git tag "r$round"
		cp -a ../plain "../plain.$round"
		# Detached and attached anew it is the same.
		if [ $round = 4 ]; then
			revfs -q detach
			revfs -q attach
			same
		fi
	done
	for round in {1..8}; do
		revfs -q export "r$round:data" "../out.$round"
		diff -r --no-dereference "../plain.$round" "../out.$round"
	done
}

run_tests
