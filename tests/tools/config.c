#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* cmocka has one of its own. */
#undef fail
#include "tests/support/scratch.h"
#include "tools/command.h"
#include "tools/config.h"

static struct repo *repo;
static struct config *config;

static int set_up(void **state)
{
	char *path;

	(void)state;
	memset(&globals, 0, sizeof(globals));
	globals.quiet = true;
	scratch_open();
	scratch_sh("git init -q -b main repo");
	path = scratch_path("repo");
	int ret = repo_open(path, REPO_ANY, &repo, NULL);
	free(path);
	return ret;
}

static int tear_down(void **state)
{
	(void)state;
	config_close(config);
	config = NULL;
	repo_close(repo);
	repo = NULL;
	scratch_close();
	return 0;
}

static void read_again(void)
{
	config_close(config);
	config = NULL;
	assert_int_equal(config_open(repo, &config), 0);
}

/* The setting KEY, which is unknown to the table, as git holds it. */
static void set(const char *key, const char *value)
{
	scratch_sh("git -C repo config --replace-all revfs.%s '%s'", key, value);
	read_again();
}

static void integers_take_gits_suffixes(void **state)
{
	static const struct {
		const char *text;
		int64_t value;
	} good[] = {{"0", 0},        {"-7", -7},        {"1k", 1024},
	            {"2M", 2 << 20}, {"3g", 3ll << 30}, {"9223372036854775807", INT64_MAX},
	            {" 5", 5}};
	static const char *const bad[] = {"", "x", "1x", "1kk", "9223372036854775808", "9223372036854775807k"};
	int64_t value = 42;

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		set("test.number", good[i].text);
		assert_int_equal(config_integer(config, "test.number", &value), 0);
		assert_true(value == good[i].value);
	}
	value = 42;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		set("test.number", bad[i]);
		assert_int_equal(config_integer(config, "test.number", &value), -EINVAL);
		assert_int_equal(value, 42);
	}
	assert_int_equal(config_integer(config, "test.other", &value), -ENOENT);
}

static void booleans_are_gits_words(void **state)
{
	static const char *const yes[] = {"true", "YES", "on", "1"};
	static const char *const no[] = {"false", "No", "off", "0"};
	bool value;

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		set("test.flag", yes[i]);
		assert_int_equal(config_bool(config, "test.flag", &value), 0);
		assert_true(value);
		set("test.flag", no[i]);
		assert_int_equal(config_bool(config, "test.flag", &value), 0);
		assert_false(value);
	}
	set("test.flag", "maybe");
	assert_int_equal(config_bool(config, "test.flag", &value), -EINVAL);
	assert_int_equal(config_bool(config, "test.other", &value), -ENOENT);
}

static void a_key_without_a_value_is_true(void **state)
{
	bool value = false;

	(void)state;
	scratch_sh("printf '[revfs \"test\"]\\n\\tflag\\n' >>repo/.git/config");
	read_again();
	assert_int_equal(config_bool(config, "test.flag", &value), 0);
	assert_true(value);
}

static void the_last_value_of_a_place_counts(void **state)
{
	(void)state;
	scratch_sh("cd repo && git config --add revfs.test.name a && git config --add revfs.test.name b");
	read_again();
	assert_string_equal(config_string(config, "test.name"), "b");
	const char *const *all = config_all(config, "test.name");
	assert_string_equal(all[0], "a");
	assert_string_equal(all[1], "b");
	assert_null(all[2]);
}

static void what_is_not_set_is_the_default_or_nothing(void **state)
{
	(void)state;
	read_again();
	assert_string_equal(config_string(config, "snapshot.level"), "3");
	assert_null(config_string(config, "snapshot.jobs"));
	assert_null(config_all(config, "snapshot.exclude")[0]);
}

static void a_tracked_file_of_junk_is_an_error_and_of_zeros_is_one_too(void **state)
{
	(void)state;
	scratch_sh("mkdir repo/.revfs && head -c 100 /dev/zero >repo/.revfs/config");
	assert_int_equal(config_open(repo, &config), -EBADMSG);
	scratch_sh("printf '[' >repo/.revfs/config");
	assert_int_equal(config_open(repo, &config), -EBADMSG);
	assert_null(config);
}

static void a_tracked_file_above_the_limit_is_ignored(void **state)
{
	(void)state;
	scratch_sh(
	    "mkdir repo/.revfs && { printf '[snapshot]\\nlevel = 9\\n'; head -c 1100000 /dev/zero | tr '\\0' '#'; } "
	    ">repo/.revfs/config");
	read_again();
	assert_string_equal(config_string(config, "snapshot.level"), "3");
}

static void a_tracked_file_that_is_a_fifo_does_not_block(void **state)
{
	(void)state;
	scratch_sh("mkdir repo/.revfs && mkfifo repo/.revfs/config");
	read_again();
	assert_string_equal(config_string(config, "snapshot.level"), "3");
}

static void users_in_tracked_urls_are_refused(void **state)
{
	(void)state;
	scratch_sh(
	    "mkdir repo/.revfs && cd repo && f=.revfs/config && git config -f $f remote.a.url https://u@host/x && "
	    "git config -f $f remote.b.url https://host/x@y && git config -f $f remote.c.url /srv/store");
	read_again();
	assert_null(config_string(config, "remote.a.url"));
	assert_string_equal(config_string(config, "remote.b.url"), "https://host/x@y");
	assert_string_equal(config_string(config, "remote.c.url"), "/srv/store");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(integers_take_gits_suffixes, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(booleans_are_gits_words, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(a_key_without_a_value_is_true, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(the_last_value_of_a_place_counts, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(what_is_not_set_is_the_default_or_nothing, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(a_tracked_file_of_junk_is_an_error_and_of_zeros_is_one_too, set_up,
	                                    tear_down),
	    cmocka_unit_test_setup_teardown(a_tracked_file_above_the_limit_is_ignored, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(a_tracked_file_that_is_a_fifo_does_not_block, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(users_in_tracked_urls_are_refused, set_up, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
