/* Chunks that are named again: only what the old revision has, where it is looked for, and a remote's pack confirms. */
#include "fs/old_chunks.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cache/remote_condemned.h"
#include "fs/build.h"
#include "tests/support/dataset.h"
#include "tests/support/scratch.h"

#define CHUNKS 8
#define LEN 20000
#define SIZE 1 /* of a file that is none of the old ones */

/* What was put at the remote: the chunks, and where they truly lie. */
static struct dataset_world world;
static struct list_entry chunks[CHUNKS];
static struct remote *remote;
static struct remote_store *from;
static struct fetch *fetch;
/* What is here: nothing. */
static struct store *here;
static struct memory *memory;
static struct source *source;

static int find_fetch(void *arg, struct fetch **found)
{
	(void)arg;
	*found = fetch;
	return 0;
}

static void put_chunk(unsigned n, struct list_entry *chunk)
{
	static uint8_t bytes[LEN];

	for (size_t i = 0; i < LEN; i++)
		bytes[i] = (uint8_t)(i * 7 + (i >> 8) * n + n);
	id_of(bytes, LEN, &chunk->id);
	chunk->len = LEN;
	chunk->count = 1;
	assert_int_equal(store_writer_put(world.writer, RECORD_CHUNK, &chunk->id, bytes, LEN, LEN, 1, &chunk->locator),
	                 0);
}

static int set_up(void **state)
{
	struct fetch_setup setup = {.io = io_system(), .stores = &from, .count = 1};
	char *folder;

	(void)state;
	dataset_world_open(&world);
	for (unsigned i = 0; i < CHUNKS; i++)
		put_chunk(i, &chunks[i]);
	folder = scratch_path("store");
	assert_int_equal(remote_open(&(struct remote_setup){.io = io_system(), .name = "lab", .url = folder}, &remote),
	                 0);
	free(folder);
	assert_int_equal(remote_store_open(io_system(), remote, NULL, &from), 0);
	assert_int_equal(fetch_open(&setup, &fetch), 0);
	folder = scratch_path("here");
	assert_int_equal(store_open(io_system(), folder, STORE_CREATE, 0, &here), 0);
	free(folder);
	assert_int_equal(memory_open(1 << 20, &memory), 0);
	assert_int_equal(source_open(here, memory, NULL, &source), 0);
	source_set_fetch(source, find_fetch, NULL);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	source_close(source);
	memory_close(memory);
	store_close(here);
	fetch_close(fetch);
	remote_store_close(from);
	remote_close(remote);
	dataset_world_close(&world);
	return 0;
}

/* Commit a tree of the file `large`, which has COUNT of CHUNKS, located as THERE says. */
static struct pointer commit(const struct list_entry *there, size_t count)
{
	struct pointer pointer = {.files = 1, .bytes = count * LEN};
	struct content_builder builder;
	struct entry entry = {.name = "large", .name_len = 5, .kind = ENTRY_FILE};
	struct content content;
	struct builder *directory;
	struct built built;

	content_builder_init(&builder, world.writer);
	for (size_t i = 0; i < count; i++)
		assert_int_equal(content_builder_add(&builder, &there[i]), 0);
	assert_int_equal(content_builder_finish(&builder, &content), 0);
	content_builder_release(&builder);
	content_set_entry(&content, &entry);
	assert_int_equal(builder_open(world.writer, PAGE_DIRECTORY, &directory), 0);
	assert_int_equal(builder_add(directory, &entry), 0);
	assert_int_equal(builder_finish(directory, &built), 0);
	builder_close(directory);
	assert_int_equal(store_writer_commit(world.writer), 0);
	assert_int_equal(builder_put_root(world.store, world.writer, &built), 0);
	pointer.root = built.id;
	return pointer;
}

/* How many of the chunks are found in the old content at PATH, where the true ones are. */
static unsigned found_of_size(const struct pointer *old, const char *path, uint64_t size)
{
	struct old_chunks *o;
	unsigned found = 0;

	assert_int_equal(old_chunks_new(source, old, NULL, &o), 0);
	for (size_t i = 0; i < CHUNKS; i++) {
		struct locator at;

		if (!old_chunks_find(o, path, size, &chunks[i].id, &at))
			continue;
		assert_memory_equal(&at, &chunks[i].locator, sizeof(at));
		found++;
	}
	old_chunks_free(o);
	return found;
}

static unsigned found_at(const struct pointer *old, const char *path)
{
	return found_of_size(old, path, SIZE);
}

/* Elsewhere in the folder, with the same size: renamed, or copied. */
static void what_the_folder_had_of_that_size_is_found(void **state)
{
	struct pointer old = commit(chunks, CHUNKS - 1);

	(void)state;
	assert_int_equal(found_of_size(&old, "other", (CHUNKS - 1) * LEN), CHUNKS - 1);
	assert_int_equal(found_of_size(&old, "other", (CHUNKS - 1) * LEN + 1), 0);
	assert_int_equal(found_of_size(&old, "below/other", (CHUNKS - 1) * LEN), 0);
}

/* With the same name and size in another folder: moved. */
static void what_another_folder_had_by_that_name_is_found(void **state)
{
	struct pointer old = commit(chunks, CHUNKS - 1), single = commit(chunks, 1);

	(void)state;
	assert_int_equal(found_of_size(&old, "below/large", (CHUNKS - 1) * LEN), CHUNKS - 1);
	assert_int_equal(found_of_size(&old, "below/large", (CHUNKS - 1) * LEN + 1), 0);
	assert_int_equal(found_of_size(&single, "deep/below/large", LEN), 1);
}

static void what_the_path_had_is_found(void **state)
{
	struct pointer old = commit(chunks, CHUNKS - 1), single = commit(chunks, 1);

	(void)state;
	assert_int_equal(found_at(&old, "large"), CHUNKS - 1);
	assert_int_equal(found_at(&old, "other"), 0);
	assert_int_equal(found_at(&old, "large/below"), 0);
	assert_int_equal(found_at(&old, ""), 0);
	assert_int_equal(found_at(&single, "large"), 1);
}

/* Another record lies there, or none, or the pack is none, or nothing is said: the index of the pack tells. */
static void a_locator_that_lies_is_no_evidence(void **state)
{
	struct list_entry lying[CHUNKS];
	struct pointer old;

	(void)state;
	memcpy(lying, chunks, sizeof(lying));
	lying[0].locator = chunks[1].locator;
	lying[1].locator.offset++;
	lying[2].locator.stored_len++;
	lying[3].locator.pack.bytes[5] ^= 1;
	lying[4].locator = (struct locator){.offset = 0};
	old = commit(lying, CHUNKS);
	assert_int_equal(found_at(&old, "large"), CHUNKS - 5);
}

static void what_is_condemned_there_is_absent(void **state)
{
	struct pointer old = commit(chunks, CHUNKS);
	const struct condemned item = {.pack = chunks[0].locator.pack};

	(void)state;
	assert_int_equal(found_at(&old, "large"), CHUNKS);
	assert_int_equal(store_condemn(world.store, &item, 1), 0);
	assert_int_equal(found_at(&old, "large"), 0);
}

/* The remote has the pages and not the pack; then a moved file that leads to it, and to nothing. */
static void a_pack_that_is_gone_is_followed(void **state)
{
	struct pointer old;
	struct moved_entry moved[2] = {{.old_offset = chunks[0].locator.offset, .now = chunks[0].locator},
	                               {.old_offset = chunks[1].locator.offset, .now = chunks[1].locator}};
	struct list_entry gone[CHUNKS];
	struct old_chunks *o;
	struct locator at;

	(void)state;
	memcpy(gone, chunks, sizeof(gone));
	for (size_t i = 0; i < CHUNKS; i++)
		memset(gone[i].locator.pack.bytes, 0x77, PACK_ID_SIZE);
	old = commit(gone, CHUNKS);
	assert_int_equal(found_at(&old, "large"), 0);
	moved[1].now.offset++;
	assert_int_equal(store_write_moved(world.store, &gone[0].locator.pack, moved, 2), 0);
	assert_int_equal(old_chunks_new(source, &old, NULL, &o), 0);
	assert_true(old_chunks_find(o, "large", SIZE, &chunks[0].id, &at));
	/* It goes on to be named as the old page names it. */
	assert_memory_equal(&at, &gone[0].locator, sizeof(at));
	assert_false(old_chunks_find(o, "large", SIZE, &chunks[1].id, &at));
	assert_false(old_chunks_find(o, "large", SIZE, &chunks[2].id, &at));
	old_chunks_free(o);
}

static void without_a_remote_nothing_is_found(void **state)
{
	struct pointer old = commit(chunks, CHUNKS);
	struct fetch *kept = fetch;

	(void)state;
	fetch = NULL;
	assert_int_equal(found_at(&old, "large"), 0);
	assert_int_equal(source_pages_loaded(source), 0);
	fetch = kept;
}

/* The page is damaged there, or the pack: no evidence, and no end of anything. */
static void damage_there_is_no_evidence(void **state)
{
	struct pointer old = commit(chunks, CHUNKS);

	(void)state;
	scratch_sh("for f in store/packs/*/*; do chmod +w $f && truncate -s -1 $f; done");
	assert_int_equal(found_at(&old, "large"), 0);
}

struct asker {
	pthread_t thread;
	struct old_chunks *o;
	unsigned found;
};

static void *ask(void *arg)
{
	struct asker *asker = arg;

	for (size_t i = 0; i < 100; i++) {
		struct locator at;

		asker->found +=
		    old_chunks_find(asker->o, i % 3 ? "large" : "none/none", SIZE, &chunks[i % CHUNKS].id, &at);
	}
	return NULL;
}

static void threads_share_it(void **state)
{
	struct pointer old = commit(chunks, CHUNKS);
	struct asker askers[4] = {{.found = 0}};
	struct old_chunks *o;

	(void)state;
	assert_int_equal(old_chunks_new(source, &old, NULL, &o), 0);
	for (size_t i = 0; i < 4; i++) {
		askers[i].o = o;
		assert_int_equal(pthread_create(&askers[i].thread, NULL, ask, &askers[i]), 0);
	}
	for (size_t i = 0; i < 4; i++) {
		pthread_join(askers[i].thread, NULL);
		assert_int_equal(askers[i].found, 66);
	}
	old_chunks_free(o);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
	    TEST(what_the_folder_had_of_that_size_is_found),
	    TEST(what_another_folder_had_by_that_name_is_found),
	    TEST(what_the_path_had_is_found),
	    TEST(a_locator_that_lies_is_no_evidence),
	    TEST(what_is_condemned_there_is_absent),
	    TEST(a_pack_that_is_gone_is_followed),
	    TEST(without_a_remote_nothing_is_found),
	    TEST(damage_there_is_no_evidence),
	    TEST(threads_share_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
