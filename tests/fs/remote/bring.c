/* What the store lacks, and bringing it: everything of a part and not more than its packs. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fs/remote/bring.h"
#include "tests/support/dataset.h"
#include "tests/support/scratch.h"

static struct dataset_world world;
static struct remote *remote;
static struct remote_store *from;
static struct fetch *fetch;
static struct store *here;
static struct pointer first, second;
static unsigned failures;

static int set_up(void **state)
{
	struct fetch_setup setup = {.io = io_system(), .stores = &from, .count = 1};
	char *folder;

	(void)state;
	dataset_world_open(&world);
	scratch_sh("mkdir -p data/sub && head -c 500000 /dev/urandom >data/large && seq 2000 >data/sub/numbers");
	first = dataset_world_record(&world, "data", NULL);
	scratch_sh("head -c 300000 /dev/urandom >data/new && cp data/new data/sub/same");
	second = dataset_world_record(&world, "data", &first);
	folder = scratch_path("store");
	assert_int_equal(remote_open(&(struct remote_setup){.io = io_system(), .name = "lab", .url = folder}, &remote),
	                 0);
	free(folder);
	assert_int_equal(remote_store_open(io_system(), remote, NULL, &from), 0);
	assert_int_equal(fetch_open(&setup, &fetch), 0);
	folder = scratch_path("here");
	assert_int_equal(store_open(io_system(), folder, STORE_CREATE, 0, &here), 0);
	free(folder);
	failures = 0;
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	store_close(here);
	fetch_close(fetch);
	remote_store_close(from);
	remote_close(remote);
	dataset_world_close(&world);
	return 0;
}

static void on_progress(void *arg, uint64_t packs, uint64_t bytes)
{
	(void)arg;
	(void)packs;
	(void)bytes;
}

static void on_failed(void *arg, const struct pack_id *pack, const char *name, int error, bool last)
{
	(void)arg;
	(void)pack;
	assert_string_equal(name, "lab");
	assert_true(last);
	failures += error == -EBADMSG;
}

static struct lack_part part_of(const struct pointer *pointer, const char *path)
{
	return (struct lack_part){.pointer = *pointer, .path = path};
}

/* Whether all of PATH is here: 0, or what lack_take() says. */
static int look(const struct pointer *pointer, const char *path)
{
	struct lack lack = {.store = here};
	struct lack_part part = part_of(pointer, path);
	int error = lack_take(&lack, &part);

	lack_release(&lack);
	lack_part_release(&part);
	return error;
}

/* Bring PATH; what comes is counted in RESULT. */
static void bring(const struct pointer *pointer, const char *path, struct bring_result *result)
{
	struct lack lack = {.store = here, .fetch = fetch, .stores = &from, .stores_count = 1};
	struct bring_request request = {.lack = &lack, .progress = on_progress, .failed = on_failed};
	struct lack_part part = part_of(pointer, path);

	assert_int_equal(lack_take(&lack, &part), 0);
	assert_int_equal(bring_packs(&request, result), 0);
	if (!result->failed)
		assert_int_equal(bring_root(here, &part), 0);
	store_refresh(here);
	lack_release(&lack);
	lack_part_release(&part);
}

static void all_of_a_dataset_comes_once(void **state)
{
	struct bring_result result;

	(void)state;
	assert_int_equal(look(&second, ""), -ENODATA);
	bring(&second, "", &result);
	assert_int_equal(result.packs, 4);
	assert_int_equal(look(&second, ""), 0);
	bring(&second, "", &result);
	assert_int_equal(result.packs, 0);
	scratch_sh("diff -r store/packs here/packs");
}

static void a_revision_brings_only_its_packs(void **state)
{
	struct bring_result result;

	(void)state;
	bring(&first, "", &result);
	assert_int_equal(result.packs, 2);
	assert_int_equal(look(&first, ""), 0);
	assert_int_equal(look(&second, ""), -ENODATA);
}

static void a_path_brings_what_stands_there(void **state)
{
	struct bring_result result;

	(void)state;
	bring(&second, "new", &result);
	assert_int_equal(look(&second, "new"), 0);
	assert_int_equal(look(&second, "large"), -ENODATA);
	bring(&second, "sub", &result);
	assert_int_equal(look(&second, "sub"), 0);
	assert_int_equal(look(&second, "sub/same"), 0);
}

static void a_path_that_is_not_there_is_enoent(void **state)
{
	static const char *const paths[] = {"nothing", "sub/nothing", "large/below", "zzz", "sub/same/x/y"};
	struct lack lack = {.fetch = fetch, .stores = &from, .stores_count = 1};

	(void)state;
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		struct lack_part part = part_of(&second, paths[i]);

		assert_int_equal(lack_take(&lack, &part), -ENOENT);
		lack_part_release(&part);
	}
	lack_release(&lack);
}

static void without_the_remote_everything_lacks(void **state)
{
	struct bring_result result;

	(void)state;
	bring(&first, "", &result);
	/* A page that is here leads to what is not. */
	scratch_sh("find here/packs -type f -size +100k -delete");
	store_refresh(here);
	assert_int_equal(look(&first, ""), -ENODATA);
	bring(&first, "", &result);
	assert_int_equal(result.packs, 1);
	assert_int_equal(look(&first, ""), 0);
}

static void a_damaged_pack_is_told_and_the_others_come(void **state)
{
	struct bring_result result;

	(void)state;
	scratch_sh("for p in $(find store/packs -type f -size +400k); do chmod u+w $p; truncate -s 2000 $p; done");
	bring(&second, "", &result);
	assert_int_equal(result.failed, 1);
	assert_int_equal(result.first, -EBADMSG);
	assert_int_equal(result.packs, 3);
	assert_int_equal(failures, 1);
	assert_int_equal(look(&second, ""), -ENODATA);
}

/* The remote's pack went to another: so it is here. */
static void where_packs_went_is_said_here_too(void **state)
{
	struct moved_entry wrong = {.old_offset = 128, .now = {.offset = 64, .stored_len = 1}}, *entries;
	struct lack_pack pack = {.id = {.bytes = {7}}, .moved = &wrong, .moved_count = 1};
	struct lack lack = {.store = here, .packs = &pack, .packs_count = 1};
	struct bring_request request = {.lack = &lack, .progress = on_progress, .failed = on_failed};
	struct bring_result result;
	size_t count;

	(void)state;
	assert_int_equal(bring_packs(&request, &result), 0);
	/* What is known already stays; what is new is added. */
	wrong.now.offset = 99;
	assert_int_equal(bring_packs(&request, &result), 0);
	wrong.old_offset = 64;
	assert_int_equal(bring_packs(&request, &result), 0);
	assert_int_equal(store_read_moved(here, &pack.id, &entries, &count), 0);
	assert_int_equal(count, 2);
	assert_int_equal(entries[0].old_offset, 64);
	assert_int_equal(entries[0].now.offset, 99);
	assert_int_equal(entries[1].now.offset, 64);
	free(entries);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(all_of_a_dataset_comes_once, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(a_revision_brings_only_its_packs, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(a_path_brings_what_stands_there, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(a_path_that_is_not_there_is_enoent, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(without_the_remote_everything_lacks, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(a_damaged_pack_is_told_and_the_others_come, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(where_packs_went_is_said_here_too, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
