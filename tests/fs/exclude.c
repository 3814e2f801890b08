#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fs/exclude.h"
#include "tests/support/scratch.h"

static bool matches(const char *pattern, const char *path, bool is_directory)
{
	const char *const patterns[] = {pattern, NULL};
	struct exclude *e;
	bool answer;

	assert_int_equal(exclude_new(patterns, &e), 0);
	answer = exclude_matches(e, path, is_directory);
	exclude_free(e);
	return answer;
}

static void no_patterns_leave_nothing_out(void **state)
{
	(void)state;
	assert_false(exclude_matches(NULL, "a", false));
	assert_false(matches("", "a", false));
	assert_false(matches("# a", "# a", false));
	assert_false(matches("/", "a", true));
	assert_false(matches("!", "a", true));
}

static void the_last_match_decides(void **state)
{
	static const char *const patterns[] = {"*.tmp", "!keep.tmp", "keep.tmp/", NULL};
	struct exclude *e;

	(void)state;
	assert_int_equal(exclude_new(patterns, &e), 0);
	assert_true(exclude_matches(e, "data/x.tmp", false));
	assert_false(exclude_matches(e, "data/keep.tmp", false));
	assert_true(exclude_matches(e, "data/keep.tmp", true));
	exclude_free(e);
}

static void many_stars_take_no_time(void **state)
{
	char pattern[1024], path[2048];

	(void)state;
	for (unsigned i = 0; i < 300; i++)
		memcpy(pattern + 2 * i, "*a", 2);
	strcpy(pattern + 600, "b");
	memset(path, 'a', 255);
	path[255] = '\0';
	assert_false(matches(pattern, path, false));
	for (unsigned i = 0; i < 100; i++)
		memcpy(pattern + 5 * i, "**/a/", 5);
	strcpy(pattern + 500, "b");
	for (unsigned i = 0; i < 1000; i++)
		memcpy(path + 2 * i, "a/", 2);
	strcpy(path + 2000, "c");
	assert_false(matches(pattern, path, false));
}

/* Whatever git says of a pattern and a path is what we say. */
static void it_agrees_with_git(void **state)
{
	static const char *const patterns[] = {
	    "a",      "/a",     "a/",    "a/b",     "*.c",  "a*b",  "**/b",  "a/**", "a/**/c", "**",
	    "[a-c]",  "[!a-c]", "[^a]",  "a?c",     "\\*",  "a\\ ", "a ",    "[]]",  "[]-]x",  "[a",
	    "a/*",    "*/b",    "x**y",  "**x",     "\\!a", "\\#a", "/**/c", "*b*",  "a/*/c",  "[[]",
	    "[\\]]x", "***",    "a/**/", "**/a/**", "/*",   "[a-",  "a[/]b", "?",    "[z-a]",  "b/**/b",
	};
	static const char *const paths[] = {
	    "a",  "b",   "c",   "d",   "*",     "!a",  "#a",    "a ",  "]",  "]x",  "-x",  "[",  "[a",    "x.c", "axb",
	    "ab", "abc", "a/b", "a/c", "a/b/c", "b/a", "b/x/b", "b/b", "xy", "x/y", "xzy", "zx", "b/a/c", "[a-",
	};
	char *out;

	(void)state;
	scratch_sh("git init -q r");
	for (size_t i = 0; i < sizeof(patterns) / sizeof(*patterns); i++) {
		char *file;

		file = scratch_path("r/.gitignore");
		FILE *f = fopen(file, "w");
		fprintf(f, "%s\n", patterns[i]);
		fclose(f);
		free(file);
		file = scratch_path("in");
		f = fopen(file, "w");
		for (size_t j = 0; j < sizeof(paths) / sizeof(*paths); j++)
			fprintf(f, "%s\n", paths[j]);
		fclose(f);
		free(file);
		out =
		    scratch_output("cd r && tr '\\n' '\\0' <../in | { git check-ignore --no-index --stdin -z || :; } | "
		                   "tr '\\0' '\\n' | sed 's/^/=/; s/$/=/'");
		for (size_t j = 0; j < sizeof(paths) / sizeof(*paths); j++) {
			bool want, got = matches(patterns[i], paths[j], false);
			char parent[32], quoted[32];
			char *slash;

			snprintf(quoted, sizeof(quoted), "=%s=", paths[j]);
			want = strstr(out, quoted);
			/* git also tells what lies in a directory that is left out. */
			strcpy(parent, paths[j]);
			while (!got && (slash = strrchr(parent, '/'))) {
				*slash = '\0';
				got = matches(patterns[i], parent, true);
			}
			if (got != want)
				print_error("pattern '%s' path '%s': git says %d\n", patterns[i], paths[j], want);
			assert_int_equal(got, want);
		}
		free(out);
	}
}

static int setup(void **state)
{
	(void)state;
	scratch_open();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	scratch_close();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(no_patterns_leave_nothing_out),
	    cmocka_unit_test(the_last_match_decides),
	    cmocka_unit_test(many_stars_take_no_time),
	    cmocka_unit_test(it_agrees_with_git),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
