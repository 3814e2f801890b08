/* Sets of ids. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "cache/id_set.h"

#define COUNT 20000u

static struct id id_number(unsigned n)
{
	struct id id;
	id_of(&n, sizeof(n), &id);
	return id;
}

static void set_has_what_was_added(void **state)
{
	struct id_set set = {0};
	(void)state;
	for (unsigned n = 0; n < COUNT; n += 2) {
		struct id id = id_number(n);
		assert_false(id_set_has(&set, &id));
		assert_int_equal(id_set_add(&set, &id), 1);
		assert_int_equal(id_set_add(&set, &id), 0);
	}
	for (unsigned n = 0; n < COUNT; n++) {
		struct id id = id_number(n);
		assert_int_equal(id_set_has(&set, &id), n % 2 == 0);
	}
	assert_int_equal(set.count, COUNT / 2);
	id_set_release(&set);
	assert_int_equal(set.count, 0);
}

/* All in one chain of places, told apart by their last byte only. */
static void ids_that_begin_alike_are_told_apart(void **state)
{
	struct id_set set = {0};
	struct id id = {{0}};
	(void)state;
	assert_int_equal(id_set_add(&set, &id), 1);
	for (unsigned n = 1; n < 256; n++) {
		id.bytes[31] = (uint8_t)n;
		assert_false(id_set_has(&set, &id));
		assert_int_equal(id_set_add(&set, &id), 1);
	}
	for (unsigned n = 0; n < 256; n++) {
		id.bytes[31] = (uint8_t)n;
		assert_true(id_set_has(&set, &id));
	}
	id_set_release(&set);
}

static void key_set_never_denies_what_was_added(void **state)
{
	struct key_set set = {0};
	struct id zero = {{0}};
	unsigned wrong = 0;
	(void)state;
	assert_false(key_set_has(&set, &zero));
	assert_int_equal(key_set_add(&set, &zero), 1);
	assert_true(key_set_has(&set, &zero));
	for (unsigned n = 0; n < COUNT; n += 2) {
		struct id id = id_number(n);
		assert_int_equal(key_set_add(&set, &id), 1);
	}
	for (unsigned n = 0; n < COUNT; n++) {
		struct id id = id_number(n);
		if (n % 2 == 0)
			assert_true(key_set_has(&set, &id));
		else
			wrong += key_set_has(&set, &id);
	}
	assert_int_equal(wrong, 0);
	key_set_release(&set);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(set_has_what_was_added),
	    cmocka_unit_test(ids_that_begin_alike_are_told_apart),
	    cmocka_unit_test(key_set_never_denies_what_was_added),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
