/* Prefetching: all that files need comes into the cache, whatever the number of readers; what fails is told. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cache/cached.h"
#include "fs/remote/prefetch.h"
#include "tests/support/dataset.h"
#include "tests/support/scratch.h"

static struct dataset_world world;
static struct remote *remote;
static struct remote_store *from;
static struct fetch *fetch;
static struct cached *cached;
static struct memory *memory;
static struct source *source; /* without a store */
static struct place_world places;
static struct place place;
static unsigned failures;

static int find_fetch(void *arg, struct fetch **found)
{
	(void)arg;
	*found = fetch;
	return 0;
}

static int set_up(void **state)
{
	struct fetch_setup setup = {.io = io_system(), .stores = &from, .count = 1};
	struct cached_setup cache = {.io = io_system(), .limit_bytes = UINT64_MAX};
	struct pointer pointer;
	char *folder, *cache_folder;

	(void)state;
	dataset_world_open(&world);
	scratch_sh("mkdir -p data/sub && head -c 700000 /dev/urandom >data/large && seq 2000 >data/sub/numbers && "
	           "echo inline >data/a && head -c 5000 /dev/urandom >data/z");
	pointer = dataset_world_record(&world, "data", NULL);
	folder = scratch_path("store");
	cache_folder = scratch_path("cache");
	cache.path = cache_folder;
	assert_int_equal(cached_open(&cache, &cached), 0);
	assert_int_equal(remote_open(&(struct remote_setup){.io = io_system(), .name = "lab", .url = folder}, &remote),
	                 0);
	free(folder);
	free(cache_folder);
	assert_int_equal(remote_store_open(io_system(), remote, cached, &from), 0);
	assert_int_equal(fetch_open(&setup, &fetch), 0);
	assert_int_equal(memory_open(1 << 20, &memory), 0);
	assert_int_equal(source_open(NULL, memory, NULL, &source), 0);
	source_set_fetch(source, find_fetch, NULL);
	places = (struct place_world){.source = source, .memory = memory};
	place = (struct place){.kind = PLACE_DATA_DIRECTORY, .is_dataset = true};
	dataset_directory(&pointer, &place.directory);
	failures = 0;
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	source_close(source);
	memory_close(memory);
	fetch_close(fetch);
	remote_store_close(from);
	remote_close(remote);
	cached_close(cached);
	dataset_world_close(&world);
	return 0;
}

static void on_progress(void *arg, uint64_t files, uint64_t bytes)
{
	(void)arg;
	(void)files;
	(void)bytes;
}

static void on_failed(void *arg, const char *name, int error)
{
	(void)arg;
	(void)error;
	assert_string_equal(name, "v1:data/large");
	failures++;
}

static void run(unsigned jobs, const struct place_world *w, struct prefetch_result *result)
{
	struct prefetch_setup setup = {
	    .world = w, .fetch = fetch, .jobs = jobs, .progress = on_progress, .failed = on_failed};
	struct prefetch *prefetch;
	uint64_t files, bytes;

	assert_int_equal(prefetch_open(&setup, &prefetch), 0);
	assert_int_equal(prefetch_add(prefetch, &place, "v1:data"), 0);
	prefetch_measure(prefetch, &files, &bytes);
	assert_int_equal(files, 3);
	assert_int_equal(bytes, 700000 + 8893 + 5000);
	assert_int_equal(prefetch_run(prefetch, result), 0);
	prefetch_close(prefetch);
}

static void what_came_is_read_without_the_remote(void **state)
{
	struct prefetch_result result;

	(void)state;
	run(4, &places, &result);
	assert_int_equal(result.files, 3);
	assert_int_equal(result.bytes, 700000 + 8893 + 5000);
	assert_int_equal(result.failed, 0);
	scratch_sh("mv store away");
	run(64, &places, &result);
	run(1, &places, &result);
	assert_int_equal(result.files, 3);
	assert_int_equal(result.here_bytes, 0);
	scratch_sh("mv away store");
}

static void what_the_store_has_is_not_read(void **state)
{
	struct prefetch_result result;
	struct place_world here = {.source = world.source, .memory = world.memory};

	(void)state;
	run(2, &here, &result);
	assert_int_equal(result.files, 3);
	assert_int_equal(result.bytes, 0);
	assert_int_equal(result.here_bytes, 700000 + 8893 + 5000);
}

static void what_cannot_be_read_is_told_and_the_rest_comes(void **state)
{
	struct prefetch_result result;

	(void)state;
	/* The middle of the pack of chunks: of the large file alone. */
	scratch_sh("for p in $(find store/packs -type f -size +300k); do chmod u+w $p; "
	           "dd if=/dev/zero of=$p bs=1000 seek=300 count=50 conv=notrunc status=none; done");
	run(2, &places, &result);
	assert_int_equal(result.files, 2);
	assert_int_equal(result.failed, 1);
	assert_int_equal(failures, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(what_came_is_read_without_the_remote, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(what_the_store_has_is_not_read, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(what_cannot_be_read_is_told_and_the_rest_comes, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
