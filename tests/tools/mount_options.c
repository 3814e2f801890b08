/* What stands behind -o. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* cmocka has one of its own. */
#undef fail

#include "tools/fail.h"
#include "tools/mount_options.h"
#include "tools/session.h"

static struct mount_options options;
static int real_stderr;

static int set_up(void **state)
{
	(void)state;
	mount_options_init(&options);
	fail_forget();
	/* What is refused is printed; here only that counts. */
	real_stderr = dup(STDERR_FILENO);
	return freopen("/dev/null", "w", stderr) ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	fflush(stderr);
	dup2(real_stderr, STDERR_FILENO);
	close(real_stderr);
	return 0;
}

static void defaults_are_the_users(void **state)
{
	(void)state;
	assert_int_equal(mount_options_parse(&options, ""), 0);
	assert_int_equal(options.uid, geteuid());
	assert_int_equal(options.gid, getegid());
	assert_int_equal(options.memory_bytes, SESSION_MEMORY_BYTES);
	assert_false(options.allow_other);
}

static void options_are_taken(void **state)
{
	(void)state;
	assert_int_equal(mount_options_parse(&options, "ro,allow_other,uid=5,memory=64m,gid=4294967294"), 0);
	assert_int_equal(mount_options_parse(&options, "uid=7"), 0);
	assert_int_equal(options.uid, 7);
	assert_int_equal(options.gid, 4294967294u);
	assert_int_equal(options.memory_bytes, (size_t)64 << 20);
	assert_true(options.allow_other);
}

static void sizes_have_units(void **state)
{
	static const struct {
		const char *text;
		size_t bytes;
	} sizes[] = {{"memory=8388608", 8388608},
	             {"memory=8192k", 8388608},
	             {"memory=9M", 9437184},
	             {"memory=2g", (size_t)2 << 30}};

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		assert_int_equal(mount_options_parse(&options, sizes[i].text), 0);
		assert_int_equal(options.memory_bytes, sizes[i].bytes);
	}
}

static void nonsense_is_refused(void **state)
{
	static const char *const bad[] = {"uid=",       "uid=-1",     "uid=4294967295", "uid=99999999999999999999",
	                                  "gid=x",      "uid=1x",     "memory=",        "memory=1k",
	                                  "memory=12q", "memory=1mm", "memory=-5",      "memory=99999999999999999999g",
	                                  "rw",         "online",     "allow_others",   "ro,sweet"};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(mount_options_parse(&options, bad[i]), EXIT_USAGE);
	assert_int_equal(options.memory_bytes, SESSION_MEMORY_BYTES);
}

static void options_of_fstab_are_passed_over(void **state)
{
	(void)state;
	assert_int_equal(mount_options_parse(&options,
	                                     "defaults,noauto,nofail,_netdev,x-systemd.automount,comment=a,user,"
	                                     "nosuid,nodev,noexec,relatime,user=ada,,X-mount.mkdir"),
	                 0);
}

static void the_file_of_metrics_is_absolute(void **state)
{
	char folder[PATH_MAX], wanted[PATH_MAX + 8], long_path[PATH_MAX + 8];

	(void)state;
	assert_string_equal(options.metrics_file, "");
	assert_int_equal(mount_options_parse(&options, "ro,metrics-file=/a/b.prom,uid=3"), 0);
	assert_string_equal(options.metrics_file, "/a/b.prom");
	assert_int_equal(options.uid, 3);
	assert_int_equal(mount_options_set_metrics_file(&options, "a,b"), 0);
	assert_non_null(getcwd(folder, sizeof(folder)));
	snprintf(wanted, sizeof(wanted), "%s/a,b", folder);
	assert_string_equal(options.metrics_file, wanted);
	memset(long_path, 'x', sizeof(long_path) - 1);
	long_path[0] = '/';
	long_path[sizeof(long_path) - 1] = '\0';
	assert_int_equal(mount_options_set_metrics_file(&options, long_path), EXIT_USAGE);
	assert_int_equal(mount_options_parse(&options, "metrics-file="), EXIT_USAGE);
	assert_int_equal(mount_options_parse(&options, "metrics-file=/a/"), EXIT_USAGE);
}

static void helper_takes_rw_and_the_sloppy_take_anything(void **state)
{
	(void)state;
	options.rw = true;
	assert_int_equal(mount_options_parse(&options, "rw"), 0);
	assert_int_equal(mount_options_parse(&options, "rw,bogus"), EXIT_USAGE);
	options.sloppy = true;
	assert_int_equal(mount_options_parse(&options, "rw,bogus,uid=3"), 0);
	assert_int_equal(options.uid, 3);
	assert_int_equal(mount_options_parse(&options, "uid=x"), EXIT_USAGE);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
	    TEST(defaults_are_the_users),
	    TEST(options_are_taken),
	    TEST(sizes_have_units),
	    TEST(nonsense_is_refused),
	    TEST(options_of_fstab_are_passed_over),
	    TEST(the_file_of_metrics_is_absolute),
	    TEST(helper_takes_rw_and_the_sloppy_take_anything),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
