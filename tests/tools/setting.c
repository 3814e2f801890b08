#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tools/setting.h"

static void the_last_part_of_a_key_has_any_case(void **state)
{
	(void)state;
	assert_true(setting_key_equal("snapshot.level", "snapshot.LEVEL"));
	assert_false(setting_key_equal("snapshot.level", "SNAPSHOT.level"));
	assert_false(setting_key_equal("remote.a.url", "remote.A.url"));
	assert_true(setting_key_equal("remote.a.url", "remote.a.Url"));
	assert_false(setting_key_equal("snapshot.level", "snapshot.levels"));
	assert_false(setting_key_equal("level", "snapshot.level"));
	assert_true(setting_key_equal("cachedir", "cacheDir"));
}

static void settings_are_found_by_key(void **state)
{
	(void)state;
	assert_string_equal(setting_find("snapshot.level")->standard, "3");
	assert_true(setting_find("snapshot.exclude")->multiple);
	assert_null(setting_find("snapshot.levels"));
	assert_null(setting_find(""));
}

static void variables_are_keys_in_capitals(void **state)
{
	char *name = setting_variable("snapshot.level");

	(void)state;
	assert_string_equal(name, "REVFS_SNAPSHOT_LEVEL");
	free(name);
	name = setting_variable("mount.io-timeout");
	assert_string_equal(name, "REVFS_MOUNT_IO_TIMEOUT");
	free(name);
}

static void keys_are_sorted_described_and_have_variables_of_their_own(void **state)
{
	size_t count;
	const struct setting *all = setting_all(&count);

	(void)state;
	for (size_t i = 0; i < count; i++) {
		assert_non_null(all[i].summary);
		if (i == 0)
			continue;
		assert_true(strcmp(all[i - 1].key, all[i].key) < 0);
		char *a = setting_variable(all[i - 1].key), *b = setting_variable(all[i].key);
		assert_string_not_equal(a, b);
		free(a);
		free(b);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_last_part_of_a_key_has_any_case),
	    cmocka_unit_test(settings_are_found_by_key),
	    cmocka_unit_test(variables_are_keys_in_capitals),
	    cmocka_unit_test(keys_are_sorted_described_and_have_variables_of_their_own),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
