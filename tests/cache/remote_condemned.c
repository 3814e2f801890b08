/* Condemned lists at a remote: all together, by the remote's clock. */
#include "cache/remote_condemned.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/fake_remote.h"
#include "tests/support/scratch.h"

#define URL "fake://lab"

static const struct condemned PACK = {.pack = {{1, 2, 3}}};
static const struct condemned OTHER = {.pack = {{9}}};
static const struct condemned ROOT = {.is_root = true, .root = {{7, 7}}};
static const struct pack_id ONE = {{0xaa}}, TWO = {{0xbb}};

static struct remote *remote;

static int set_up_with(const struct remote_kind *kind, const char *url)
{
	const struct remote_setup setup = {.io = io_system(), .name = "lab", .url = url};

	return kind ? remote_open_kind(&setup, kind, &remote) : remote_open(&setup, &remote);
}

static int set_up(void **state)
{
	(void)state;
	fake_remote_clear();
	return set_up_with(&remote_kind_fake, URL);
}

static int tear_down(void **state)
{
	(void)state;
	remote_close(remote);
	fake_remote_clear();
	return 0;
}

static void put(const struct pack_id *name, const struct condemned *items, size_t count)
{
	assert_int_equal(remote_condemned_put(remote, name, items, count, 12345), 0);
}

static void nothing_is_condemned_where_there_is_no_list(void **state)
{
	struct remote_condemned condemned;

	(void)state;
	assert_int_equal(remote_condemned_read(remote, &condemned), 0);
	assert_int_equal(condemned.items_count, 0);
	assert_false(remote_condemned_has_pack(&condemned, &PACK.pack));
	assert_false(remote_condemned_has_pack(NULL, &PACK.pack));
	assert_false(remote_condemned_has_root(NULL, &ROOT.root));
	assert_null(remote_condemned_by(&condemned, &PACK));
	remote_condemned_release(&condemned);
}

static void all_lists_count_together(void **state)
{
	const struct condemned both[] = {ROOT, PACK};
	struct remote_condemned condemned;

	(void)state;
	put(&ONE, both, 2);
	put(&TWO, &PACK, 1);
	assert_int_equal(remote_condemned_read(remote, &condemned), 0);
	assert_int_equal(condemned.count, 2);
	assert_int_equal(condemned.items_count, 2);
	assert_true(remote_condemned_has_pack(&condemned, &PACK.pack));
	assert_true(remote_condemned_has_root(&condemned, &ROOT.root));
	assert_false(remote_condemned_has_pack(&condemned, &OTHER.pack));
	assert_true(pack_id_equal(&remote_condemned_by(&condemned, &ROOT)->name, &ONE));
	remote_condemned_release(&condemned);
	/* One of the same name takes its place. */
	put(&ONE, &OTHER, 1);
	assert_int_equal(remote_condemned_read(remote, &condemned), 0);
	assert_false(remote_condemned_has_root(&condemned, &ROOT.root));
	assert_true(remote_condemned_has_pack(&condemned, &OTHER.pack));
	remote_condemned_release(&condemned);
}

static void what_does_not_check_counts_for_nothing(void **state)
{
	static const char later[] = "revfs-condemned 2.0\nsince 1\nend 0\n";
	static const char cut[] = "revfs-condemned 1.0\nsince 1\npack 01020300000000000000000000000000\n";
	struct remote_condemned condemned;

	(void)state;
	put(&ONE, &PACK, 1);
	fake_remote_put(URL, "condemned/README", "x", 1);
	fake_remote_put(URL, "condemned/bb000000000000000000000000000000", cut, sizeof(cut) - 1);
	assert_int_equal(remote_condemned_read(remote, &condemned), 0);
	assert_int_equal(condemned.count, 1);
	remote_condemned_release(&condemned);
	/* A later version's collection may remove what its list names. */
	fake_remote_put(URL, "condemned/bb000000000000000000000000000000", later, sizeof(later) - 1);
	assert_int_equal(remote_condemned_read(remote, &condemned), -ENOTSUP);
}

static void failures_are_told(void **state)
{
	struct remote_condemned condemned;

	(void)state;
	put(&ONE, &PACK, 1);
	for (unsigned n = 1; n <= 2; n++) {
		fake_remote_plan(URL, &(struct fake_plan){.error = -ETIMEDOUT, .failures = n});
		assert_int_equal(remote_condemned_read(remote, &condemned), -ETIMEDOUT);
	}
}

static void time_is_that_of_the_file_and_the_earliest_counts(void **state)
{
	struct remote_condemned condemned;
	char *path;

	(void)state;
	scratch_open_in_memory();
	path = scratch_path("lab");
	scratch_sh("mkdir lab");
	assert_int_equal(set_up_with(NULL, path), 0);
	put(&ONE, &PACK, 1);
	put(&TWO, &PACK, 1);
	scratch_sh("touch -d @5000 lab/condemned/aa*; touch -d @4000 lab/condemned/bb*");
	assert_int_equal(remote_condemned_read(remote, &condemned), 0);
	assert_int_equal(condemned.items_count, 1);
	assert_int_equal(remote_condemned_find(&condemned, &PACK)->since, 4000);
	remote_condemned_release(&condemned);
	remote_close(remote);
	free(path);
	scratch_close();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(nothing_is_condemned_where_there_is_no_list, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(all_lists_count_together, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(what_does_not_check_counts_for_nothing, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(failures_are_told, set_up, tear_down),
	    cmocka_unit_test(time_is_that_of_the_file_and_the_earliest_counts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
