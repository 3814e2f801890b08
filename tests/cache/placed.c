/* Where records that were just written lie. */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "cache/placed.h"

#define COUNT 5000u

static struct id id_number(unsigned n)
{
	struct id id;
	id_of(&n, sizeof(n), &id);
	return id;
}

static void records_are_found_where_they_were_put(void **state)
{
	struct placed placed = {0};
	(void)state;
	for (unsigned round = 0; round < 2; round++) {
		for (unsigned n = 0; n < COUNT; n += 2) {
			struct id id = id_number(n);
			struct locator at = {.offset = 64 + n, .stored_len = round}, none;
			assert_false(placed_find(&placed, &id, &none));
			assert_int_equal(placed_reserve(&placed), 0);
			placed_add(&placed, &id, &at);
		}
		for (unsigned n = 0; n < COUNT; n++) {
			struct id id = id_number(n);
			struct locator at;
			assert_int_equal(placed_find(&placed, &id, &at), n % 2 == 0);
			if (n % 2 == 0) {
				assert_int_equal(at.offset, 64 + n);
				assert_int_equal(at.stored_len, round);
			}
		}
		assert_int_equal(placed.count, COUNT / 2);
		placed_clear(&placed);
		assert_int_equal(placed.count, 0);
	}
	placed_release(&placed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(records_are_found_where_they_were_put),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
