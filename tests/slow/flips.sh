#!/bin/bash
# Every byte of a small store, flipped and cut off: what is read is right, or reading fails and says so.
# limit 1800
. "${0%/*}/common"

# A dataset with every form of content: inline, one chunk, a list; a link, folders, an executable.  As small as that can be,
# since all is read again for every byte of it.
make_store() {
	new_repo
	mkdir -p data/folder/empty
	printf 'inline\n' >data/inline
	seq 60 >data/chunk
	{
		seq 40
		head -c 300000 /dev/zero
	} >data/list
	ln -s inline data/link
	printf '#!/bin/sh\n' >data/folder/program
	chmod +x data/folder/program
	: >data/folder/nothing
	revfs -q snapshot -m all data
	git tag v1
	cd ..
}

test_every_flipped_byte_is_harmless_or_noticed_by_commands() {
	need python3
	make_store
	python3 -B "$TESTS_DIR/slow/damage.py" repo flip commands >said
	remark "$(cat said)"
}

test_every_truncation_is_harmless_or_noticed_by_commands() {
	need python3
	make_store
	python3 -B "$TESTS_DIR/slow/damage.py" repo cut commands >said
	remark "$(cat said)"
}

test_every_flipped_byte_is_harmless_or_an_error_in_the_mount() {
	need python3
	need_mount
	make_store
	python3 -B "$TESTS_DIR/slow/damage.py" repo flip mount >said
	remark "$(cat said)"
}

test_every_truncation_is_harmless_or_an_error_in_the_mount() {
	need python3
	need_mount
	make_store
	python3 -B "$TESTS_DIR/slow/damage.py" repo cut mount >said
	remark "$(cat said)"
}

run_tests
