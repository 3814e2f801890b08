/* Folders that are seen no more, in a plain folder and in upper folders of every dialect. */
#include "fs/gone.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/support/scratch.h"
#include "tests/support/upper.h"

static int top;

static int set_up(void **state)
{
	(void)state;
	top = open(scratch_open(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(top >= 0);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	close(top);
	scratch_close();
	return 0;
}

static bool is_gone(enum layer_dialect dialect, const char *path)
{
	struct gone *gone;
	bool answer;

	assert_int_equal(gone_open(top, "data", dialect, &gone), 0);
	answer = gone_folder(gone, path);
	gone_close(gone);
	return answer;
}

static void a_plain_folder_shows_what_it_has(void **state)
{
	(void)state;
	scratch_sh("mkdir -p data/a/b outside/x; touch data/file; ln -s ../outside data/link");
	assert_false(is_gone(LAYER_NONE, "a"));
	assert_false(is_gone(LAYER_NONE, "a/b"));
	assert_true(is_gone(LAYER_NONE, "b"));
	assert_true(is_gone(LAYER_NONE, "a/c"));
	/* Something else in its place, for whoever reads it to tell. */
	assert_false(is_gone(LAYER_NONE, "file"));
	/* Nothing is followed, out of the folder or within. */
	assert_false(is_gone(LAYER_NONE, "link/x"));
	assert_false(is_gone(LAYER_NONE, "link/y"));
}

static void an_upper_folder_shows_what_it_hides(void **state)
{
	static const enum layer_dialect dialects[] = {LAYER_KERNEL, LAYER_KERNEL_USER, LAYER_FUSE};

	(void)state;
	for (size_t i = 0; i < sizeof(dialects) / sizeof(dialects[0]); i++) {
		char *path;

		scratch_sh("rm -rf data && mkdir -p data/a/b data/opaque/new && touch data/file");
		if (!upper_marks_work(dialects[i], top))
			continue;
		path = scratch_path("data/a");
		upper_hide(dialects[i], path, "hidden");
		free(path);
		path = scratch_path("data/opaque");
		upper_set_opaque(dialects[i], path);
		free(path);
		assert_true(is_gone(dialects[i], "a/hidden"));
		assert_true(is_gone(dialects[i], "opaque/below"));
		assert_true(is_gone(dialects[i], "file"));
		assert_false(is_gone(dialects[i], "opaque/new"));
		assert_false(is_gone(dialects[i], "a"));
		assert_false(is_gone(dialects[i], "a/b"));
		/* What it does not have is as below. */
		assert_false(is_gone(dialects[i], "other"));
		assert_false(is_gone(dialects[i], "a/other"));
		assert_false(is_gone(dialects[i], "other/below"));
	}
}

static void what_is_no_folder_cannot_be_opened(void **state)
{
	struct gone *gone;

	(void)state;
	scratch_sh("mkdir there; ln -s there link; touch file");
	assert_true(gone_open(top, "missing", LAYER_NONE, &gone) < 0);
	assert_true(gone_open(top, "file", LAYER_NONE, &gone) < 0);
	assert_true(gone_open(top, "link", LAYER_NONE, &gone) < 0);
	assert_int_equal(gone_open(top, "there", LAYER_NONE, &gone), 0);
	gone_close(gone);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(a_plain_folder_shows_what_it_has, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(an_upper_folder_shows_what_it_hides, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(what_is_no_folder_cannot_be_opened, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
