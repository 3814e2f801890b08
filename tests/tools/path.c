#include <errno.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "tools/path.h"

static void check_clean(const char *prefix, const char *text, const char *wanted)
{
	char *path = NULL;
	int ret = path_clean(prefix, text, &path);

	if (!wanted) {
		assert_int_equal(ret, -EXDEV);
		return;
	}
	assert_int_equal(ret, 0);
	assert_string_equal(path, wanted);
	free(path);
}

static void dots_and_slashes_are_resolved(void **state)
{
	(void)state;
	check_clean("", "", "");
	check_clean("", ".", "");
	check_clean("", "a", "a");
	check_clean("", "a/b/", "a/b");
	check_clean("", "./a//b/./c/", "a/b/c");
	check_clean("", "a/../b", "b");
	check_clean("", "a/b/..", "a");
	check_clean("", "a/..", "");
	check_clean("", "...", "...");
	check_clean("", ".a/..b", ".a/..b");
	check_clean("sub/", "x", "sub/x");
	check_clean("sub/dir/", "..", "sub");
	check_clean("sub/dir/", "../../x", "x");
	check_clean("sub/", ".", "sub");
}

static void leaving_the_root_is_exdev(void **state)
{
	(void)state;
	check_clean("", "..", NULL);
	check_clean("", "a/../..", NULL);
	check_clean("sub/", "../..", NULL);
	check_clean("sub/", "../../sub", NULL);
}

static void joined_paths_have_one_slash(void **state)
{
	char *path = path_join("a/b", "c");

	(void)state;
	assert_string_equal(path, "a/b/c");
	free(path);
	path = path_join("", "c");
	assert_string_equal(path, "c");
	free(path);
}

static void check_below(const char *root, const char *text, const char *wanted)
{
	char *path = NULL;
	int ret = path_below(root, text, &path);

	if (!wanted) {
		assert_int_equal(ret, -EXDEV);
		return;
	}
	assert_int_equal(ret, 0);
	assert_string_equal(path, wanted);
	free(path);
}

static void absolute_paths_below_the_root(void **state)
{
	(void)state;
	check_below("/no/such", "/no/such", "");
	check_below("/no/such", "/no/such/", "");
	check_below("/no/such", "/no/such/a//b", "a/b");
	check_below("/no/such", "/no/such/a/../b", "b");
	check_below("/no/such", "/no/suchlike/a", NULL);
	check_below("/no/such", "/no", NULL);
	check_below("/no/such", "/", NULL);
	check_below("/", "/etc/x", "etc/x");
}

static void links_to_the_root_are_followed_but_not_the_last_one(void **state)
{
	char top[] = "/tmp/revfs-path.XXXXXX";
	char real[PATH_MAX], name[PATH_MAX];

	(void)state;
	assert_non_null(mkdtemp(top));
	assert_non_null(realpath(top, real));
	snprintf(name, sizeof(name), "%.200s/root", top);
	assert_int_equal(mkdir(name, 0700), 0);
	snprintf(name, sizeof(name), "%.200s/root/link", top);
	assert_int_equal(symlink("/etc", name), 0);
	snprintf(name, sizeof(name), "%.200s/other", top);
	assert_int_equal(symlink("root", name), 0);
	char root[PATH_MAX];
	snprintf(root, sizeof(root), "%.200s/root", real);

	snprintf(name, sizeof(name), "%.200s/other/a", top);
	check_below(root, name, "a");
	snprintf(name, sizeof(name), "%.200s/other/link", top);
	check_below(root, name, "link");
	snprintf(name, sizeof(name), "%.200s/other", top);
	check_below(root, name, "");
	snprintf(name, sizeof(name), "%.200s", top);
	check_below(root, name, NULL);

	snprintf(name, sizeof(name), "%.200s/root/link", top);
	unlink(name);
	snprintf(name, sizeof(name), "%.200s/other", top);
	unlink(name);
	snprintf(name, sizeof(name), "%.200s/root", top);
	rmdir(name);
	assert_int_equal(rmdir(top), 0);
}

static void check_absolute(const char *typed, const char *wanted)
{
	char *path = path_absolute(typed);

	if (wanted)
		assert_string_equal(path, wanted);
	else
		assert_null(path);
	free(path);
}

/* The last part may be yet to come, or a link; what is above it is as it really is. */
static void absolute_paths_leave_the_last_part_alone(void **state)
{
	char folder[] = "/tmp/revfs-path.XXXXXX", *real, *wanted, *typed;

	(void)state;
	assert_non_null(mkdtemp(folder));
	real = realpath(folder, NULL);
	assert_true(asprintf(&typed, "%s/link", folder) > 0);
	assert_int_equal(symlink(real, typed), 0);
	check_absolute(typed, typed);
	free(typed);
	assert_true(asprintf(&typed, "%s/link/none//", folder) > 0);
	assert_true(asprintf(&wanted, "%s/none", real) > 0);
	check_absolute(typed, wanted);
	free(typed);
	assert_true(asprintf(&typed, "%s/none/below", folder) > 0);
	check_absolute(typed, NULL);
	check_absolute("/", "/");
	check_absolute("/none", "/none");
	check_absolute("/tmp/..", "/");
	free(typed);
	free(wanted);
	assert_true(asprintf(&typed, "%s/link", folder) > 0);
	unlink(typed);
	free(typed);
	rmdir(folder);
	free(real);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(dots_and_slashes_are_resolved),
	    cmocka_unit_test(leaving_the_root_is_exdev),
	    cmocka_unit_test(joined_paths_have_one_slash),
	    cmocka_unit_test(absolute_paths_leave_the_last_part_alone),
	    cmocka_unit_test(absolute_paths_below_the_root),
	    cmocka_unit_test(links_to_the_root_are_followed_but_not_the_last_one),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
