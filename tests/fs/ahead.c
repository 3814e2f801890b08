/* Expanding ahead of who reads a folder in order. */
#include "fs/ahead.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "cache/chunker.h"
#include "fs/mount/view.h"
#include "tests/support/recorded.h"
#include "tests/support/scratch.h"

#define FILES 100
#define FOLDERS 60
#define SCRATCH_SIZE (1 << 20)

static struct garden garden;
static struct place_world world;
static struct memory *memory;
static struct view *view;
static uint64_t folder; /* the node of data */

/* data: FILES files of one chunk each, then large, of 3.2 MB, then FOLDERS folders of a file each. */
static int set_up(void **state)
{
	struct view_setup setup = {.mountpoint = "/mnt/x"};
	struct view_entry entry;
	char *dir;

	(void)state;
	garden_open(&garden);
	scratch_sh("git init -q -b main r && cd r && echo /data > .git/info/exclude && mkdir data && "
	           "head -c 3200000 /dev/zero | openssl enc -aes-128-ctr -K 00 -iv 00 2>/dev/null > data/large && "
	           "head -c 100000 data/large | split -a 3 -d -b 1000 - data/f && "
	           "for i in $(seq 100 159); do mkdir data/z$i && echo $i > data/z$i/file; done");
	recorded(&garden, "r/data");
	scratch_sh("cd r && git add -A && git commit -q -m one && git tag v1");
	dir = scratch_path("r");
	world = (struct place_world){0};
	assert_int_equal(repo_open(dir, REPO_LIBGIT2, &world.repo, NULL), 0);
	assert_int_equal(memory_open(8 << 20, &memory), 0);
	assert_int_equal(source_open(garden.store, memory, NULL, &world.source), 0);
	setup.world = world;
	assert_int_equal(view_open(&setup, &view), 0);
	assert_int_equal(view_lookup(view, NODE_ROOT, "@v1", &entry), 0);
	assert_int_equal(view_lookup(view, entry.id, "data", &entry), 0);
	assert_true(entry.id != 0);
	folder = entry.id;
	free(dir);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	view_close(view);
	source_close(world.source);
	memory_close(memory);
	repo_close(world.repo);
	garden_close(&garden);
	return 0;
}

static void read_file(const char *name)
{
	char *scratch = malloc(SCRATCH_SIZE);
	struct view_entry entry;
	struct view_bytes bytes;

	assert_int_equal(view_lookup(view, folder, name, &entry), 0);
	assert_true(entry.id != 0);
	assert_int_equal(view_read(view, entry.id, 0, scratch, SCRATCH_SIZE, &bytes), 0);
	assert_true(bytes.len > 0);
	view_unpin_bytes(view, &bytes);
	view_forget(view, entry.id, 1);
	free(scratch);
}

static void read_number(unsigned number)
{
	char name[16];

	snprintf(name, sizeof(name), "f%03u", number);
	read_file(name);
}

static void wait_for_loads(uint64_t count)
{
	time_t deadline = time(NULL) + 60;

	while (source_chunks_loaded(world.source) < count && time(NULL) < deadline)
		nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
	assert_true(source_chunks_loaded(world.source) >= count);
}

static void what_comes_next_is_there_before_it_is_read(void **state)
{
	uint64_t ahead = AHEAD_FILES / 2;

	(void)state;
	for (unsigned i = 0; i < AHEAD_STEPS - 1; i++)
		read_number(i);
	assert_int_equal(source_chunks_loaded(world.source), AHEAD_STEPS - 1);
	read_number(AHEAD_STEPS - 1);
	wait_for_loads(AHEAD_STEPS + ahead);
	read_number(AHEAD_STEPS);
	read_number(AHEAD_STEPS + 1);
	assert_int_equal(source_chunks_loaded(world.source), AHEAD_STEPS + ahead);
	/* Half way, it goes on. */
	for (unsigned i = AHEAD_STEPS + 2; i < AHEAD_STEPS + ahead; i++)
		read_number(i);
	wait_for_loads(AHEAD_STEPS + 2 * ahead);
}

static void everything_is_expanded_once(void **state)
{
	(void)state;
	for (unsigned i = 0; i < FILES; i++)
		read_number(i);
	/* What is behind them is large, and was begun or not. */
	assert_in_range(source_chunks_loaded(world.source), FILES, FILES + AHEAD_BYTES / CHUNK_MIN);
}

static void other_orders_expand_nothing(void **state)
{
	(void)state;
	for (unsigned i = 0; i < FILES; i++)
		read_number(FILES - 1 - i);
	for (unsigned i = 0; i < FILES; i++)
		read_number(i * 7 % FILES);
	/* All were small enough to stay. */
	assert_int_equal(source_chunks_loaded(world.source), FILES);
}

static void large_file_is_expanded_in_part(void **state)
{
	struct memory_stats stats;

	(void)state;
	for (unsigned i = FILES - AHEAD_STEPS; i < FILES; i++)
		read_number(i);
	wait_for_loads(AHEAD_STEPS + AHEAD_BYTES / 2 / CHUNK_MAX);
	view_close(view); /* ends the thread */
	view = NULL;
	memory_stats(memory, &stats);
	assert_true(stats.bytes < AHEAD_BYTES);
}

static void the_end_of_a_folder_is_the_end(void **state)
{
	(void)state;
	read_number(FILES - 2);
	read_number(FILES - 1);
	read_file("large");
	read_file("large");
	read_number(0);
}

static int note_nothing(void *arg, const struct view_item *item)
{
	(void)arg;
	(void)item;
	return 0;
}

static void list_folder(unsigned number)
{
	struct view_entry entry;
	char name[16];

	snprintf(name, sizeof(name), "z%u", 100 + number);
	assert_int_equal(view_lookup(view, folder, name, &entry), 0);
	assert_int_equal(view_list(view, entry.id, 0, note_nothing, NULL), 0);
	view_forget(view, entry.id, 1);
}

static void pages_of_folders_are_there_before_they_are_listed(void **state)
{
	time_t deadline = time(NULL) + 60;
	uint64_t before;

	(void)state;
	/* In no order nothing is loaded but what is listed. */
	list_folder(50);
	list_folder(40);
	list_folder(30);
	before = source_pages_loaded(world.source);
	for (unsigned i = 0; i < AHEAD_STEPS; i++)
		list_folder(i);
	while (source_pages_loaded(world.source) < before + AHEAD_STEPS + AHEAD_FILES / 2 && time(NULL) < deadline)
		nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
	assert_int_equal(source_pages_loaded(world.source), before + AHEAD_STEPS + AHEAD_FILES / 2);
	list_folder(AHEAD_STEPS);
	assert_int_equal(source_pages_loaded(world.source), before + AHEAD_STEPS + AHEAD_FILES / 2);
	assert_int_equal(source_chunks_loaded(world.source), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
	    TEST(what_comes_next_is_there_before_it_is_read),
	    TEST(everything_is_expanded_once),
	    TEST(other_orders_expand_nothing),
	    TEST(large_file_is_expanded_in_part),
	    TEST(the_end_of_a_folder_is_the_end),
	    TEST(pages_of_folders_are_there_before_they_are_listed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
