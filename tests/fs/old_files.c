/* The files of an old tree: the likeliest of several, and no more reading than was paid for. */
#include "fs/old_files.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fs/build.h"
#include "fs/gone.h"
#include "tests/support/dataset.h"
#include "tests/support/scratch.h"

static struct dataset_world world;
static struct pointer old;
static struct old_files *files;

static int set_up(void **state)
{
	(void)state;
	dataset_world_open(&world);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	old_files_free(files);
	files = NULL;
	dataset_world_close(&world);
	return 0;
}

/* Begin anew with OLD, and read what is read at first. */
static void begin(const struct gone *gone)
{
	old_files_free(files);
	assert_int_equal(old_files_new(world.source, &old, gone, &files), 0);
	assert_int_equal(old_files_ask(files, 0), 0);
}

static void record(void)
{
	old = dataset_world_record(&world, "data", NULL);
	begin(NULL);
}

/* Files of one letter; above 256 KiB they are lists. */
#define MAKE "make() { mkdir -p \"$(dirname \"$2\")\" && head -c $3 /dev/zero | tr '\\0' $1 >\"$2\"; }; "
#define LARGE 300000

/* The letter of the NTH list that is likely for PATH; 0 where there is none. */
static char list(const char *path, uint64_t size, unsigned nth)
{
	struct content content;
	char letter;
	int error = old_files_list(files, path, size, nth, &content);

	if (error == -ENOENT)
		return 0;
	assert_int_equal(error, 0);
	assert_int_equal(content.form, CONTENT_LIST);
	assert_int_equal(content.size, size);
	assert_int_equal(content_read(world.source, &content, &letter, 1, 0), 1);
	return letter;
}

/* Whether there is a file for the chunk of SIZE times LETTER: its content. */
static bool find_chunk(char letter, size_t size, struct content *content)
{
	static char bytes[LARGE];
	struct id id;
	int error;

	memset(bytes, letter, size);
	id_of(bytes, size, &id);
	error = old_files_chunk(files, &id, content);
	if (error == -ENOENT)
		return false;
	assert_int_equal(error, 0);
	assert_int_equal(content->form, CONTENT_CHUNK);
	assert_true(id_equal(&content->id, &id));
	return true;
}

/* Its size; 0 where there is none. */
static uint64_t chunk(char letter, size_t size)
{
	struct content content;

	return find_chunk(letter, size, &content) ? content.size : 0;
}

static void one_chunk_is_found_by_its_id(void **state)
{
	(void)state;
	scratch_sh(MAKE "make a data/x/one 1000; make b data/x/two 1000; make c data/three 2000; make d data/tiny 100; "
	                "make e data/large 300000; mkdir data/folder");
	record();
	assert_int_equal(chunk('a', 1000), 1000);
	assert_int_equal(chunk('b', 1000), 1000);
	assert_int_equal(chunk('c', 2000), 2000);
	assert_int_equal(chunk('c', 1000), 0);
	/* Contents in the page are nowhere else. */
	assert_int_equal(chunk('d', 100), 0);
	assert_int_equal(chunk('e', 262144), 0);
}

static void lists_are_found_by_name_and_size(void **state)
{
	(void)state;
	scratch_sh(MAKE "make a data/x/one 300000; make b data/x/two 300000; make c data/three 400000; "
	                "make d data/small 1000");
	record();
	assert_int_equal(list("one", LARGE, 0), 'a');
	assert_int_equal(list("elsewhere/deep/two", LARGE, 0), 'b');
	assert_int_equal(list("x/three", 400000, 0), 'c');
	assert_int_equal(list("one", LARGE, 1), 0);
	assert_int_equal(list("one", LARGE + 1, 0), 0);
	assert_int_equal(list("x/four", LARGE, 0), 0);
	assert_int_equal(list("small", 1000, 0), 0);
	assert_int_equal(list("", LARGE, 0), 0);
}

static void of_several_the_folders_decide(void **state)
{
	(void)state;
	scratch_sh(MAKE "for f in a b c; do make $f data/train/$f/deep/one 300000; make $f data/train/$f/two 300000; "
	                "done; make d data/one 300000; make e data/a/deep/one 300000");
	record();
	/* `b/deep`, then `deep`, then the rest. */
	assert_int_equal(list("training/b/deep/one", LARGE, 0), 'b');
	assert_int_equal(list("training/b/deep/one", LARGE, 4), 'd');
	assert_int_equal(list("training/b/deep/one", LARGE, 5), 0);
	assert_int_equal(list("train/a/deep/one", LARGE, 0), 'a');
	assert_int_equal(list("train/a/deep/one", LARGE, 1), 'e');
	/* Nothing is alike: the folder that was confirmed last. */
	assert_int_equal(list("training/c/two", LARGE, 0), 'c');
	old_files_confirm(files);
	assert_int_equal(list("far/two", LARGE, 0), 'c');
	assert_int_equal(list("b/two", LARGE, 0), 'b');
	assert_int_equal(list("far/two", LARGE, 0), 'c');
	assert_int_equal(list("b/two", LARGE, 0), 'b');
	old_files_confirm(files);
	assert_int_equal(list("far/two", LARGE, 0), 'b');
	assert_int_equal(list("far/two", LARGE, 3), 0);
}

static void no_more_than_the_likeliest_are_told(void **state)
{
	(void)state;
	scratch_sh(MAKE "for f in a b c d e f g h i j; do make $f data/$f/one 300000; done");
	record();
	assert_int_equal(list("j/one", LARGE, 0), 'j');
	assert_int_equal(list("j/one", LARGE, 1), 'a');
	assert_int_equal(list("j/one", LARGE, OLD_FILES_LIKELY - 1), 'g');
	assert_int_equal(list("j/one", LARGE, OLD_FILES_LIKELY), 0);
}

/* Folders that are gone are read at once, however many entries there are; what lies in them is gone with them. */
static void folders_that_are_gone_come_first(void **state)
{
	struct gone *gone;

	(void)state;
	scratch_sh(MAKE "mkdir -p data/many; seq -f data/many/%%g 20000 | xargs touch; make x data/many/x 1000; "
	                "mkdir data/old; seq -f data/old/%%g 9000 | xargs touch; make y data/old/y 1000; "
	                "make z data/old/deep/deeper/z 1000");
	old = dataset_world_record(&world, "data", NULL);
	scratch_sh("mv data/old data/new");
	assert_int_equal(gone_open(world.top, "data", LAYER_NONE, &gone), 0);
	begin(gone);
	assert_int_equal(chunk('x', 1000), 0);
	assert_int_equal(chunk('y', 1000), 1000);
	assert_int_equal(chunk('z', 1000), 1000);
	gone_close(gone);
}

/* One with many entries does not keep the others waiting. */
static void folders_take_turns(void **state)
{
	(void)state;
	scratch_sh(MAKE "mkdir -p data/a data/b; seq -f data/a/%%g 20000 | xargs touch; "
	                "seq -f data/b/%%g 1000 | xargs touch; make y data/b/y 1000; make z data/c/z 1000");
	record();
	assert_int_equal(chunk('y', 1000), 1000);
	assert_int_equal(chunk('z', 1000), 1000);
}

/* What is at the end of a large tree is found once enough was asked for. */
static void reading_is_paid_for(void **state)
{
	const uint64_t share = (uint64_t)OLD_FILES_FIRST * OLD_FILES_SHARE;

	(void)state;
	scratch_sh(MAKE "mkdir -p data/many; make y data/many/y 1000; make z data/z 1000; "
	                "seq -f data/many/%%g 20000 | xargs touch");
	record();
	assert_int_equal(chunk('z', 1000), 1000);
	assert_int_equal(chunk('y', 1000), 0);
	assert_int_equal(old_files_ask(files, share), 0);
	assert_int_equal(chunk('y', 1000), 0);
	assert_int_equal(old_files_ask(files, 3 * share), 0);
	assert_int_equal(chunk('y', 1000), 1000);
	assert_int_equal(chunk('z', 1000), 1000);
}

/* FILE below LEVELS folders. */
static struct pointer bury(const struct entry *file, unsigned levels)
{
	struct pointer pointer = {.files = 1, .bytes = file->size};
	struct entry entry = *file;
	struct builder *directory;
	struct built built;

	for (unsigned i = 0; i <= levels; i++) {
		assert_int_equal(builder_open(world.writer, PAGE_DIRECTORY, &directory), 0);
		assert_int_equal(builder_add(directory, &entry), 0);
		assert_int_equal(builder_finish(directory, &built), 0);
		builder_close(directory);
		entry = (struct entry){.name = "d",
		                       .name_len = 1,
		                       .kind = ENTRY_DIRECTORY,
		                       .id = built.id,
		                       .locator = built.locator,
		                       .totals = built.totals};
	}
	assert_int_equal(store_writer_commit(world.writer), 0);
	assert_int_equal(builder_put_root(world.store, world.writer, &built), 0);
	pointer.root = built.id;
	return pointer;
}

static uint64_t chunk_below(const struct entry *file, unsigned levels)
{
	old = bury(file, levels);
	begin(NULL);
	return chunk('a', 1000);
}

static void a_depth_bomb_ends(void **state)
{
	struct entry file = {.name = "a", .name_len = 1, .kind = ENTRY_FILE};
	struct content content;

	(void)state;
	scratch_sh(MAKE "make a data/a 1000");
	record();
	assert_true(find_chunk('a', 1000, &content));
	content_set_entry(&content, &file);
	assert_int_equal(chunk_below(&file, PAGE_DEPTH_MAX), 1000);
	assert_int_equal(chunk_below(&file, PAGE_DEPTH_MAX + 1), 0);
}

static void what_cannot_be_read_is_passed_over(void **state)
{
	(void)state;
	scratch_sh(MAKE "make a data/a/one 1000");
	record();
	assert_int_equal(chunk('a', 1000), 1000);
	old_files_free(files);
	old.root.bytes[0] ^= 1;
	assert_int_equal(old_files_new(world.source, &old, NULL, &files), 0);
	assert_int_equal(old_files_ask(files, 1000), -ENODATA);
	assert_int_equal(old_files_ask(files, 1000), 0);
	assert_int_equal(chunk('a', 1000), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(one_chunk_is_found_by_its_id, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(lists_are_found_by_name_and_size, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(of_several_the_folders_decide, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(no_more_than_the_likeliest_are_told, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(folders_that_are_gone_come_first, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(folders_take_turns, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(reading_is_paid_for, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(a_depth_bomb_ends, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(what_cannot_be_read_is_passed_over, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
