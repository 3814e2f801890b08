#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "fs/name.h"

static bool dotgit(const char *name)
{
	return name_is_dotgit(name, strlen(name));
}

static void ordinary_names_are_valid(void **state)
{
	static const char *const names[] = {
	    "a",           " ",      "...",      "..a",        ".gitignore",
	    ".github",     "git",    "git~2",    "git~10",     "a\nb",
	    "-rf",         "\"",     "\xff",     "a:b",        ".gi",
	    ".gitt",       "x.git",  "GIT",      ".git_",      "\\",
	    "a\\b",        ".git-x", "\xe2\x80", "g\xc3\xaet", "d\xc3\xa9j\xc3\xa0",
	    ".g\xc4\xb1t",
	};
	char longest[NAME_SIZE_MAX + 1];

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (!name_is_valid(names[i], strlen(names[i])))
			fail_msg("refused: %s", names[i]);
	memset(longest, 'x', sizeof(longest));
	assert_true(name_is_valid(longest, NAME_SIZE_MAX));
	assert_false(name_is_valid(longest, NAME_SIZE_MAX + 1));
}

static void what_is_no_component_is_refused(void **state)
{
	(void)state;
	assert_false(name_is_component("", 0));
	assert_false(name_is_component(".", 1));
	assert_false(name_is_component("..", 2));
	assert_false(name_is_component("a/b", 3));
	assert_false(name_is_component("/", 1));
	assert_false(name_is_component("a\0b", 3));
	assert_false(name_is_component("\0", 1));
	assert_true(name_is_component(".git", 4));
	assert_false(name_is_valid(".git", 4));
}

static void spellings_of_dotgit_are_found(void **state)
{
	static const char *const names[] = {
	    ".git",
	    ".GIT",
	    ".gIt",
	    ".git.",
	    ".git ",
	    ".git. .",
	    ".git::$INDEX_ALLOCATION",
	    ".git . :x",
	    "git~1",
	    "GIT~1",
	    "git~1.",
	    "git~1 :s",
	    "a\\.git",
	    ".git\\config",
	    "a\\GIT~1\\b",
	    ".g\xe2\x80\x8cit", /* zero width non-joiner */
	    "\xef\xbb\xbf.git", /* byte order mark */
	    ".git\xe2\x81\xaf", /* nominal digit shapes */
	    ".G\xe2\x80\xaei\xe2\x80\xaat",
	    ".g\xc2\xadit",         /* soft hyphen: case-folding ext4 */
	    ".gi\xf3\xa0\x80\x81t", /* language tag */
	    "\xe1\xa0\x8b.git",
	    ".git\xe2\x80\x8c.",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (!dotgit(names[i]))
			fail_msg("not found: %s", names[i]);
		assert_false(name_is_valid(names[i], strlen(names[i])));
	}
}

static void cut_sequences_are_not_read_beyond_the_name(void **state)
{
	/* Heap copies of exact size, so that a sanitizer sees a byte too many. */
	const char *name = ".git\xf3\xa0\x80\x81";

	(void)state;
	for (size_t len = 4; len <= strlen(name); len++) {
		char *copy = test_malloc(len);

		memcpy(copy, name, len);
		assert_int_equal(name_is_dotgit(copy, len), len == 4 || len == strlen(name));
		test_free(copy);
	}
}

static void order_is_that_of_bytes(void **state)
{
	(void)state;
	assert_true(name_cmp("a", 1, "b", 1) < 0);
	assert_true(name_cmp("a", 1, "a", 1) == 0);
	assert_true(name_cmp("a", 1, "ab", 2) < 0);
	assert_true(name_cmp("ab", 2, "a", 1) > 0);
	assert_true(name_cmp("a\xff", 2, "a/", 2) > 0);
	assert_true(name_cmp("", 0, "a", 1) < 0);
	assert_true(name_cmp("\x80", 1, "z", 1) > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(ordinary_names_are_valid),
	    cmocka_unit_test(what_is_no_component_is_refused),
	    cmocka_unit_test(spellings_of_dotgit_are_found),
	    cmocka_unit_test(cut_sequences_are_not_read_beyond_the_name),
	    cmocka_unit_test(order_is_that_of_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
