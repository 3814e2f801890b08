/* Pushes to a remote that does not keep what it was given: they fail, and the next one brings it anew. */
#include "fs/remote/push.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/support/ground.h"
#include "tests/support/scratch.h"

static const struct ground_dataset ONE = {.from = 0, .to = 60};

/* A folder that has the end of the NTH pack put from now on cut off, 0: of none. */
static struct {
	struct ground *ground;
	struct remote *remote;
	struct remote_store *store;
	char *url;
	unsigned nth;
	atomic_uint packs, wrong;
} lab;

static int cut_off(const char *path)
{
	char full[4096];
	struct stat st;

	snprintf(full, sizeof(full), "%s/%s", lab.url, path);
	return chmod(full, 0644) || stat(full, &st) || truncate(full, st.st_size - 1);
}

static int lossy_open(const struct remote_setup *setup, void **state)
{
	return remote_kind_folder.open(setup, state);
}

static void lossy_close(void *state)
{
	remote_kind_folder.close(state);
}

static ssize_t lossy_read(void *state, const char *path, uint64_t offset, void *data, size_t len,
                          const struct arrival *arrival)
{
	return remote_kind_folder.read(state, path, offset, data, len, arrival);
}

static int lossy_stat(void *state, const char *path, struct remote_stat *st)
{
	return remote_kind_folder.stat(state, path, st);
}

static int lossy_put(void *state, const char *path, const struct remote_body *body, bool replace)
{
	int error = remote_kind_folder.put(state, path, body, replace);

	if (!error && !strncmp(path, "packs/", 6) && atomic_fetch_add(&lab.packs, 1) + 1 == lab.nth && cut_off(path))
		atomic_fetch_add(&lab.wrong, 1);
	return error;
}

static const struct remote_kind lossy = {
    .name = "lossy",
    .open = lossy_open,
    .close = lossy_close,
    .read = lossy_read,
    .stat = lossy_stat,
    .put = lossy_put,
};

static int set_up(void **state)
{
	struct remote_setup setup = {.io = io_system(), .name = "lab"};

	ground_setup(state);
	memset(&lab, 0, sizeof(lab));
	lab.ground = *state;
	lab.url = scratch_path("lab");
	setup.url = lab.url;
	assert_int_equal(remote_open_kind(&setup, &lossy, &lab.remote), 0);
	assert_int_equal(remote_store_open(io_system(), lab.remote, NULL, &lab.store), 0);
	assert_int_equal(remote_store_prepare(lab.store), 0);
	return 0;
}

static int tear_down(void **state)
{
	assert_int_equal(lab.wrong, 0);
	remote_store_close(lab.store);
	remote_close(lab.remote);
	free(lab.url);
	return ground_teardown(state);
}

/* With the end of the NTH pack lost. */
static int push(const struct id *root, unsigned nth)
{
	struct push_plan plan = {.store = lab.ground->store, .to = lab.store};
	const struct push_request request = {.plan = &plan, .at_once = PUSH_AT_ONCE};
	const struct pointer pointer = {.root = *root};
	struct push_result result;
	int error;

	lab.packs = 0;
	lab.nth = nth;
	assert_int_equal(push_plan_root(&plan, &pointer), 0);
	assert_int_equal(push_plan_finish(&plan), 0);
	error = push_run(&request, &result);
	if (error)
		assert_memory_equal(result.failed, "packs/", 6);
	push_plan_release(&plan);
	return error;
}

/* Everything below ROOT is read from the remote alone. */
static void assert_there(const struct id *root)
{
	struct ground there = *lab.ground;

	assert_int_equal(store_open(io_system(), lab.url, STORE_READ_ONLY, 0, &there.store), 0);
	assert_int_equal(ground_read(&there, root, &ONE), 0);
	store_close(there.store);
}

static void pack_of_data_that_is_cut_off_ends_it(void **state)
{
	struct id root;

	(void)state;
	assert_int_equal(ground_store(lab.ground, &ONE, &root), 0);
	assert_int_equal(push(&root, 1), -EBADMSG);
	/* What would rely on it did not go. */
	scratch_sh("test $(find lab/packs -type f | wc -l) = 1 && test ! -e lab/roots");
	assert_int_equal(push(&root, 0), 0);
	assert_there(&root);
}

static void pack_of_pages_that_is_cut_off_goes_again(void **state)
{
	struct id root;

	(void)state;
	assert_int_equal(ground_store(lab.ground, &ONE, &root), 0);
	assert_int_equal(push(&root, 2), -EBADMSG);
	assert_int_equal(push(&root, 0), 0);
	assert_there(&root);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(pack_of_data_that_is_cut_off_ends_it, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(pack_of_pages_that_is_cut_off_goes_again, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
