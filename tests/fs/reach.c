#include "fs/reach.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/garden.h"

static struct garden garden;

static int set_up(void **state)
{
	(void)state;
	garden_open(&garden);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	garden_close(&garden);
	return 0;
}

struct told {
	unsigned pages;
	unsigned chunks;
	uint64_t bytes;
	struct id last_chunk;
	int stop_after;
};

static int tell(void *arg, unsigned kind, const struct id *id, uint32_t stored_len)
{
	struct told *told = arg;
	struct locator locator;

	if (kind == RECORD_PAGE)
		told->pages++;
	else
		told->chunks++;
	if (kind == RECORD_CHUNK)
		told->last_chunk = *id;
	told->bytes += stored_len;
	assert_int_equal(store_writer_known(garden.writer, kind, id, &locator), 0);
	assert_int_equal(stored_len, locator.stored_len + RECORD_HEADER_SIZE);
	return told->stop_after && !--told->stop_after ? 1 : 0;
}

static struct pointer pointer_to(const struct built *built)
{
	return (struct pointer){.root = built->id, .files = built->totals.files, .bytes = built->totals.bytes};
}

/* COUNT files of a chunk each, the Nth of which follows from N, but the first from SEED; equal ones share chunks. */
static struct built plant_files(unsigned count, unsigned seed, unsigned kinds)
{
	char(*names)[16] = garden_names(count);
	struct builder *builder;
	struct built built;

	assert_int_equal(builder_open(garden.writer, PAGE_DIRECTORY, &builder), 0);
	for (unsigned i = 0; i < count; i++) {
		unsigned bytes[50];
		struct list_entry chunk;
		struct entry entry = {.name = names[i],
		                      .name_len = (uint16_t)strlen(names[i]),
		                      .kind = ENTRY_FILE,
		                      .form = CONTENT_CHUNK,
		                      .size = sizeof(bytes)};

		for (unsigned j = 0; j < 50; j++)
			bytes[j] = i ? i % kinds : 1000000 + seed;
		chunk = garden_chunk(&garden, bytes, sizeof(bytes));
		entry.id = chunk.id;
		entry.locator = chunk.locator;
		assert_int_equal(builder_add(builder, &entry), 0);
	}
	assert_int_equal(builder_finish(builder, &built), 0);
	builder_close(builder);
	free(names);
	assert_int_equal(store_writer_commit(garden.writer), 0);
	return built;
}

static void every_record_is_told_once(void **state)
{
	struct built one = plant_files(5000, 1, 700), two = plant_files(5000, 2, 700);
	struct pointer first = pointer_to(&one), second = pointer_to(&two);
	struct told told = {.stop_after = 0}, more = {.stop_after = 0};
	struct store_writer_stats stats;
	struct reach *reach;

	(void)state;
	assert_int_equal(reach_open(garden.source, &reach), 0);
	assert_int_equal(reach_stored_len(reach, RECORD_PAGE, &one.id), 0);
	assert_int_equal(reach_root(reach, &first, tell, &told), 0);
	assert_int_equal(told.chunks, 701);
	assert_true(told.pages > 10);
	assert_true(reach_stored_len(reach, RECORD_PAGE, &one.id) > RECORD_HEADER_SIZE);
	assert_int_equal(reach_stored_len(reach, RECORD_CHUNK, &one.id), 0);
	assert_int_equal(reach_stored_len(reach, RECORD_PAGE, &two.id), 0);
	/* A second root costs what is not shared: one chunk, and one page a level. */
	assert_int_equal(reach_root(reach, &second, tell, &more), 0);
	assert_int_equal(more.chunks, 1);
	assert_in_range(more.pages, 2, 4);
	store_writer_stats(garden.writer, &stats);
	assert_int_equal(told.pages + told.chunks + more.pages + more.chunks, stats.records);
	memset(&more, 0, sizeof(more));
	assert_int_equal(reach_root(reach, &second, tell, &more), 0);
	assert_int_equal(more.pages + more.chunks, 0);
	reach_close(reach);
}

static void lists_and_folders_are_entered(void **state)
{
	static uint8_t data[1 << 20];
	struct builder *builder;
	struct content_builder file;
	struct content content;
	struct entry entry;
	struct built below, built;
	struct told told = {.stop_after = 0};
	struct pointer pointer;
	struct reach *reach;
	uint64_t random = 1;

	(void)state;
	/* Chunks of the largest size: zeros cut nowhere. */
	content_builder_init(&file, garden.writer);
	for (unsigned i = 0; i < 3; i++) {
		struct list_entry chunk;

		memset(data, 0, 262144);
		data[0] = (uint8_t)garden_random(&random, 256);
		chunk = garden_chunk(&garden, data, 262144);
		chunk.count = 1 + i;
		if (content_builder_add(&file, &chunk))
			break;
	}
	assert_int_equal(content_builder_finish(&file, &content), 0);
	content_builder_release(&file);
	assert_int_equal(content.form, CONTENT_LIST);
	entry = (struct entry){.name = "list", .name_len = 4, .kind = ENTRY_FILE};
	content_set_entry(&content, &entry);
	assert_int_equal(builder_open(garden.writer, PAGE_DIRECTORY, &builder), 0);
	assert_int_equal(builder_add(builder, &entry), 0);
	assert_int_equal(builder_finish(builder, &below), 0);
	for (const char *const *name = (const char *const[]){"a", "b", "c", NULL}; *name; name++) {
		entry = (struct entry){.name = *name,
		                       .name_len = 1,
		                       .kind = ENTRY_DIRECTORY,
		                       .id = below.id,
		                       .totals = below.totals,
		                       .locator = below.locator};
		assert_int_equal(builder_add(builder, &entry), 0);
	}
	assert_int_equal(builder_finish(builder, &built), 0);
	builder_close(builder);
	assert_int_equal(store_writer_commit(garden.writer), 0);
	pointer = pointer_to(&built);
	assert_int_equal(reach_open(garden.source, &reach), 0);
	assert_int_equal(reach_root(reach, &pointer, tell, &told), 0);
	assert_int_equal(told.pages, 3); /* root, folder, list */
	assert_int_equal(told.chunks, 3);
	reach_close(reach);
}

static void answer_ends_the_walk(void **state)
{
	struct built built = plant_files(500, 1, 500);
	struct pointer pointer = pointer_to(&built);
	struct told told = {.stop_after = 7};
	struct reach *reach;

	(void)state;
	assert_int_equal(reach_open(garden.source, &reach), 0);
	assert_int_equal(reach_root(reach, &pointer, tell, &told), 1);
	assert_int_equal(told.pages + told.chunks, 7);
	reach_close(reach);
}

static void missing_page_is_enodata(void **state)
{
	struct pointer pointer = {.files = 1};
	struct told told = {.stop_after = 0};
	struct reach *reach;

	(void)state;
	assert_int_equal(reach_open(garden.source, &reach), 0);
	assert_int_equal(reach_root(reach, &pointer, tell, &told), -ENODATA);
	assert_int_equal(told.pages, 0);
	reach_close(reach);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(every_record_is_told_once, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(lists_and_folders_are_entered, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(answer_ends_the_walk, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(missing_page_is_enodata, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
