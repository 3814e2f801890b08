/* Lines in info/exclude, and that git reads them as meant. */
#include "fs/info_exclude.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/scratch.h"

static struct repo *repo;

static int set_up(void **state)
{
	char *message = NULL, *dir;

	(void)state;
	scratch_open();
	scratch_sh("git init -q -b main r && printf 'first' > r/.git/info/exclude");
	dir = scratch_path("r");
	assert_int_equal(repo_open(dir, REPO_ANY, &repo, &message), 0);
	free(dir);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	repo_close(repo);
	scratch_close();
	return 0;
}

static void line_is_added_once_behind_what_stands_there(void **state)
{
	char *text;

	(void)state;
	assert_int_equal(info_exclude_add(repo, "/mnt", true), 0);
	assert_int_equal(info_exclude_add(repo, "/mnt", true), 0);
	assert_int_equal(info_exclude_add(repo, "/mn", false), 0);
	assert_int_equal(info_exclude_add(repo, "/mnt", true), 0);
	text = scratch_output("cat r/.git/info/exclude");
	assert_string_equal(text, "first\n/mnt/\n/mn");
	free(text);
}

static void missing_folder_is_made(void **state)
{
	char *text;

	(void)state;
	scratch_sh("rm -r r/.git/info");
	assert_int_equal(info_exclude_add(repo, "/a/mnt", true), 0);
	text = scratch_output("cat r/.git/info/exclude");
	assert_string_equal(text, "/a/mnt/");
	free(text);
}

static void git_ignores_exactly_the_path(void **state)
{
	static const char *const names[] = {"plain", "a*b",   "q?",    "[x]",   "back\\slash",
	                                    "end ",  "two  ", "#hash", "!bang", " blank"};
	char *text;

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		char path[64] = "/d/";

		strcat(path, names[i]);
		assert_int_equal(info_exclude_add(repo, path, i % 2), 0);
	}
	scratch_sh("cd r && mkdir d && cd d && for n in plain 'a*b' 'q?' '[x]' 'back\\slash' 'end ' 'two  ' '#hash' "
	           "'!bang' ' blank'; "
	           "do mkdir \"$n\"; echo x > \"$n/file\"; done; mkdir aXb qX x end 'two '; "
	           "for n in aXb qX x end 'two '; do echo x > \"$n/file\"; done");
	text = scratch_output("cd r && git ls-files -o --exclude-standard");
	assert_string_equal(text, "d/aXb/file\nd/end/file\nd/qX/file\nd/two /file\nd/x/file");
	free(text);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
	    TEST(line_is_added_once_behind_what_stands_there),
	    TEST(missing_folder_is_made),
	    TEST(git_ignores_exactly_the_path),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
