/* Condemned files: text that is refused unless it is whole. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cache/condemned.h"
#include "tests/support/damage.h"

#define TEXT                                                                                                           \
	"revfs-condemned 1.0\n"                                                                                        \
	"since 1700000000\n"                                                                                           \
	"pack 000102030405060708090a0b0c0d0e0f\n"                                                                      \
	"root 000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\n"                                      \
	"end 2\n"

static void make_items(struct condemned items[2])
{
	memset(items, 0, 2 * sizeof(*items));
	for (unsigned i = 0; i < PACK_ID_SIZE; i++)
		items[0].pack.bytes[i] = (uint8_t)i;
	items[1].is_root = true;
	for (unsigned i = 0; i < ID_SIZE; i++)
		items[1].root.bytes[i] = (uint8_t)i;
}

static void file_is_as_the_format_says(void **state)
{
	struct condemned items[2];
	struct buffer file = {0};
	(void)state;
	make_items(items);
	assert_int_equal(condemned_format(items, 2, 1700000000, &file), 0);
	assert_int_equal(file.len, strlen(TEXT));
	assert_memory_equal(file.data, TEXT, file.len);
	buffer_release(&file);
}

static void what_was_written_is_read(void **state)
{
	struct condemned items[2], *read;
	size_t count;
	(void)state;
	make_items(items);
	assert_int_equal(condemned_parse(TEXT, strlen(TEXT), &read, &count), 0);
	assert_int_equal(count, 2);
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(condemned_cmp(&items[i], &read[i]), 0);
		assert_int_equal(read[i].since, 1700000000);
	}
	free(read);
}

static void empty_list_is_whole(void **state)
{
	struct buffer file = {0};
	struct condemned *read;
	size_t count;
	(void)state;
	assert_int_equal(condemned_format(NULL, 0, 5, &file), 0);
	assert_int_equal(condemned_parse((char *)file.data, file.len, &read, &count), 0);
	assert_int_equal(count, 0);
	free(read);
	buffer_release(&file);
}

static int parse(const char *text)
{
	struct condemned *read;
	size_t count;
	int r = condemned_parse(text, strlen(text), &read, &count);
	if (r == 0)
		free(read);
	return r;
}

static void what_is_not_whole_is_refused(void **state)
{
	(void)state;
	assert_int_equal(parse(""), -EBADMSG);
	assert_int_equal(parse("revfs-condemned 1.0\n"), -EBADMSG);
	assert_int_equal(parse("revfs-condemned 1.0\nsince 1\n"), -EBADMSG);
	assert_int_equal(parse("revfs-condemned 1.0\nsince 1\nend 1\n"), -EBADMSG);
	assert_int_equal(parse("revfs-condemned 1.0\nsince 1\nend 0"), -EBADMSG);
	assert_int_equal(parse("revfs-condemned 1.0\nsince 1\nend 0\nend 0\n"), -EBADMSG);
	assert_int_equal(parse("revfs-condemned 1.0\nsince -1\nend 0\n"), -EBADMSG);
	assert_int_equal(parse("revfs-condemned 1.0\nsince 01\nend 0\n"), -EBADMSG);
	assert_int_equal(parse("revfs-condemned 1.0\nsince 1\npack 00\nend 1\n"), -EBADMSG);
	assert_int_equal(parse("revfs-condemned 1.0\nsince 1\nchunk 000102030405060708090a0b0c0d0e0f\nend 1\n"),
	                 -EBADMSG);
	assert_int_equal(parse("revfs-condemned 1.0\nsince 1\nend 0\n"), 0);
	assert_int_equal(parse("revfs-condemned 1.7\nsince 1\nend 0\n"), 0);
	assert_int_equal(parse("revfs-condemned 2.0\nsince 1\nend 0\n"), -ENOTSUP);
	assert_int_equal(parse("revfs-condemned 1\nsince 1\nend 0\n"), -EBADMSG);
}

/* A digit of a time, a minor version or an id may change unseen; the number of items may not. */
static void parse_damaged(void *arg, const uint8_t *data, size_t len)
{
	struct condemned *read = NULL;
	size_t count = 0;
	unsigned *accepted = arg;
	int r = condemned_parse((const char *)data, len, &read, &count);
	if (r == 0) {
		assert_int_equal(len, strlen(TEXT));
		assert_int_equal(count, 2);
		(*accepted)++;
	} else {
		assert_true(r == -EBADMSG || r == -ENOTSUP);
	}
	free(read);
}

static void damage_never_changes_the_number(void **state)
{
	unsigned accepted = 0;
	(void)state;
	damage_each((const uint8_t *)TEXT, strlen(TEXT), parse_damaged, &accepted);
	assert_true(accepted > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(file_is_as_the_format_says),
	    cmocka_unit_test(what_was_written_is_read),
	    cmocka_unit_test(empty_list_is_whole),
	    cmocka_unit_test(what_is_not_whole_is_refused),
	    cmocka_unit_test(damage_never_changes_the_number),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
