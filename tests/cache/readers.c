/* Readers: who goes on is told from who reads here and there, and is known again in the pack that follows. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "cache/readers.h"

#define PIECE ((size_t)5000)

static const struct pack_id pack = {.bytes = {1}}, following = {.bytes = {2}};

/* One that has gone on for a while. */
static struct reader *a_reader(struct readers *readers)
{
	struct reader *reader = NULL;

	for (unsigned i = 0; i < 10; i++)
		reader = readers_note(readers, &pack, 1000000 + i * PIECE, PIECE);
	assert_non_null(reader);
	assert_true(reader_goes_on(reader));
	return reader;
}

static void who_reads_here_and_there_is_no_reader(void **state)
{
	struct readers readers = {0};

	(void)state;
	for (unsigned i = 0; i < 100; i++)
		assert_null(readers_note(&readers, &pack, 1000000 + i * 7919 % 100 * (uint64_t)1000000, PIECE));
}

static void an_expected_reader_is_the_same_wherever_the_pack_begins(void **state)
{
	(void)state;
	for (uint64_t begin = 0; begin <= 1 << 20; begin += 1 << 19) {
		struct readers readers = {0};
		struct reader *reader = a_reader(&readers);

		reader->size = 1 << 23;
		readers_expect(&readers, reader, &following, begin);
		reader = readers_note(&readers, &following, begin + 100, PIECE);
		assert_non_null(reader);
		assert_int_equal(reader->size, 1 << 23);
		assert_true(reader_goes_on(reader));
	}
}

/* However often it is said. */
static void one_is_expected_once(void **state)
{
	struct readers readers = {0};
	struct reader *reader = a_reader(&readers);
	unsigned count = 0;

	(void)state;
	for (unsigned i = 0; i < READERS; i++)
		readers_expect(&readers, reader, &following, 0);
	for (unsigned i = 0; i < READERS; i++)
		count += readers.list[i].heard != 0;
	assert_int_equal(count, 2);
}

static void the_second_large_read_in_a_row_shows_a_reader(void **state)
{
	const uint64_t begin = 5 << 20, len = 1 << 20;
	struct readers readers = {0};
	const struct reader *reader;

	(void)state;
	readers_note_reach(&readers, &pack, begin, begin + len);
	assert_null(readers_find(&readers, &pack, begin + len));
	readers_note_reach(&readers, &pack, begin + 10 * len, begin + 11 * len);
	assert_null(readers_find(&readers, &pack, begin + 11 * len));
	readers_note_reach(&readers, &pack, begin + len, begin + 2 * len);
	reader = readers_find(&readers, &pack, begin + 2 * len);
	assert_non_null(reader);
	assert_true(reader_goes_on(reader));
	/* The first read may still be under way. */
	assert_ptr_equal(readers_find(&readers, &pack, begin + len), reader);
	assert_null(readers_find(&readers, &pack, begin + 3 * len));
	assert_null(readers_find(&readers, &following, begin + 2 * len));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(who_reads_here_and_there_is_no_reader),
	    cmocka_unit_test(an_expected_reader_is_the_same_wherever_the_pack_begins),
	    cmocka_unit_test(one_is_expected_once),
	    cmocka_unit_test(the_second_large_read_in_a_row_shows_a_reader),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
