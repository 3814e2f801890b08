/* Packs from elsewhere: a whole one is told apart from any that is not. */
#include "fs/pack_check.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/support/ground.h"
#include "tests/support/scratch.h"

static const struct ground_dataset DATASET = {.to = 25};

/* The pack that has a record, by its id and path. */
static char *pack_of(struct ground *g, unsigned kind, const struct id *id, struct pack_id *pack)
{
	*pack = ground_locate(g, kind, id).pack;
	return ground_pack_path(g, pack);
}

static int check(const char *path, const struct pack_id *id, bool *has_pages)
{
	return pack_check(io_system(), AT_FDCWD, path, id, NULL, NULL, has_pages);
}

static void data_and_pages_are_told_apart(void **state)
{
	struct ground *g = *state;
	struct pack_id data, pages;
	struct id root, chunk;
	bool has_pages;
	char *path;

	assert_int_equal(ground_store(g, &DATASET, &root), 0);
	chunk = ground_chunk(&DATASET, 1);
	path = pack_of(g, RECORD_CHUNK, &chunk, &data);
	assert_int_equal(check(path, &data, &has_pages), 0);
	assert_false(has_pages);
	/* Under another name it is not the pack. */
	pages = data;
	pages.bytes[3] ^= 1;
	assert_int_equal(check(path, &pages, &has_pages), -EBADMSG);
	free(path);
	path = pack_of(g, RECORD_PAGE, &root, &pages);
	assert_int_equal(check(path, &pages, &has_pages), 0);
	assert_true(has_pages);
	free(path);
	assert_int_equal(check("/nowhere", &pages, &has_pages), -ENOENT);
}

struct told {
	struct pack_id data, pages;
	unsigned chunks, below;
	unsigned stop_after;
};

static int tell(void *arg, const struct page_named *named)
{
	struct told *told = arg;

	if (named->what == NAMES_CHUNK) {
		assert_true(pack_id_equal(&named->locator.pack, &told->data));
		told->chunks++;
	} else {
		assert_true(pack_id_equal(&named->locator.pack, &told->pages));
		told->below++;
	}
	return told->chunks + told->below == told->stop_after ? -ECHILD : 0;
}

static void what_pages_name_is_told(void **state)
{
	struct ground *g = *state;
	struct told told = {.chunks = 0};
	struct id root, chunk;
	bool has_pages;
	char *path;

	assert_int_equal(ground_store(g, &DATASET, &root), 0);
	chunk = ground_chunk(&DATASET, 1);
	told.data = ground_locate(g, RECORD_CHUNK, &chunk).pack;
	path = pack_of(g, RECORD_PAGE, &root, &told.pages);
	assert_int_equal(pack_check(io_system(), AT_FDCWD, path, &told.pages, tell, &told, &has_pages), 0);
	/* The folders "0" and "1", and what is in them. */
	assert_true(told.below >= 2);
	assert_true(told.chunks >= 20);
	told.stop_after = told.chunks + told.below + 3;
	assert_int_equal(pack_check(io_system(), AT_FDCWD, path, &told.pages, tell, &told, &has_pages), -ECHILD);
	free(path);
}

static void every_flipped_byte_and_truncation_is_refused(void **state)
{
	struct ground *g = *state;
	struct pack_id pages;
	struct stat st;
	struct id root;
	bool has_pages;
	char *path;

	assert_int_equal(ground_store(g, &DATASET, &root), 0);
	path = pack_of(g, RECORD_PAGE, &root, &pages);
	assert_int_equal(stat(path, &st), 0);
	for (off_t i = 0; i < st.st_size; i++) {
		ground_flip(path, (uint64_t)i);
		assert_int_equal(check(path, &pages, &has_pages), -EBADMSG);
		ground_flip(path, (uint64_t)i);
	}
	assert_int_equal(check(path, &pages, &has_pages), 0);
	scratch_sh("chmod u+w '%s'", path);
	for (off_t i = st.st_size - 1; i >= 0; i--) {
		assert_int_equal(truncate(path, i), 0);
		assert_int_equal(check(path, &pages, &has_pages), -EBADMSG);
	}
	free(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(data_and_pages_are_told_apart, ground_setup, ground_teardown),
	    cmocka_unit_test_setup_teardown(what_pages_name_is_told, ground_setup, ground_teardown),
	    cmocka_unit_test_setup_teardown(every_flipped_byte_and_truncation_is_refused, ground_setup,
	                                    ground_teardown),
	};

	return cmocka_run_group_tests_name("pack_check", tests, NULL, NULL);
}
