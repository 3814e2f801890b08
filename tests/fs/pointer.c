#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fs/pointer.h"

#define ROOT "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define GOOD "revfs 1\ntype directory\nroot sha256:" ROOT "\nfiles 12\nbytes 345\n"

static int parse(const char *text, unsigned *line, const char **why)
{
	struct pointer p;

	return pointer_parse(text, strlen(text), &p, line, why);
}

static void assert_refused(const char *text, unsigned line, const char *why)
{
	unsigned at = 0;
	const char *reason = NULL;

	assert_int_equal(parse(text, &at, &reason), -EINVAL);
	assert_non_null(reason);
	assert_string_equal(reason, why);
	assert_int_equal(at, line);
	assert_int_equal(parse(text, NULL, NULL), -EINVAL);
}

static void a_pointer_is_read(void **state)
{
	struct pointer p;
	char hex[ID_HEX_SIZE];

	(void)state;
	assert_int_equal(pointer_parse(GOOD, strlen(GOOD), &p, NULL, NULL), 0);
	assert_false(p.is_file);
	assert_int_equal(p.files, 12);
	assert_int_equal(p.bytes, 345);
	assert_false(p.unknown_keys);
	assert_string_equal(id_format(&p.root, hex), ROOT);
}

static void what_is_written_is_read_back(void **state)
{
	struct pointer p = {.is_file = true, .files = INT64_MAX, .bytes = INT64_MAX}, q;
	char text[POINTER_TEXT_MAX];
	size_t len;

	(void)state;
	memset(p.root.bytes, 0xab, ID_SIZE);
	len = pointer_format(&p, text);
	assert_int_equal(len, strlen(text));
	assert_int_equal(pointer_parse(text, len, &q, NULL, NULL), 0);
	assert_true(q.is_file);
	assert_true(id_equal(&p.root, &q.root));
	assert_true(q.files == p.files && q.bytes == p.bytes);
	assert_int_equal(pointer_parse(GOOD, strlen(GOOD), &q, NULL, NULL), 0);
	len = pointer_format(&q, text);
	assert_string_equal(text, GOOD);
}

static void crlf_is_read(void **state)
{
	(void)state;
	assert_int_equal(parse("revfs 1\r\ntype file\r\nroot sha256:" ROOT "\r\nfiles 1\r\nbytes 0\r\n", NULL, NULL),
	                 0);
}

static void later_keys_are_passed_over_and_told(void **state)
{
	struct pointer p;

	(void)state;
	assert_int_equal(pointer_parse(GOOD "licence MIT\n", strlen(GOOD "licence MIT\n"), &p, NULL, NULL), 0);
	assert_true(p.unknown_keys);
	assert_refused(GOOD "licence\n", 6, "expected a key and a value");
	assert_refused(GOOD "\n", 6, "expected a key and a value");
	assert_refused(GOOD "files 12\n", 6, "a line is repeated");
}

static void a_later_version_is_enotsup(void **state)
{
	const char *why;
	unsigned line;

	(void)state;
	assert_int_equal(parse("revfs 2\nanything\n", &line, &why), -ENOTSUP);
	assert_int_equal(line, 1);
	assert_non_null(why);
}

static void conflict_markers_are_the_reason(void **state)
{
	(void)state;
	assert_refused("revfs 1\ntype directory\n<<<<<<< HEAD\nroot sha256:" ROOT
	               "\n=======\nroot x\n>>>>>>> b\nfiles 1\n",
	               3, "conflict markers");
	assert_refused("<<<<<<< HEAD\n", 1, "conflict markers");
}

static void the_line_that_is_wrong_is_named(void **state)
{
	(void)state;
	assert_refused("", 1, "not a pointer file");
	assert_refused("hello\n", 1, "not a pointer file");
	assert_refused("revfs 0\n", 1, "not a pointer file");
	assert_refused("revfs 01\n", 1, "not a pointer file");
	assert_refused("revfs 1", 1, "not a pointer file");
	assert_refused("revfs 1\n", 2, "expected \"type directory\" or \"type file\"");
	assert_refused("revfs 1\ntype link\n", 2, "expected \"type directory\" or \"type file\"");
	assert_refused("revfs 1\ntype file\nroot sha256:00\n", 3,
	               "expected \"root sha256:\" and 64 lower-case hex digits");
	assert_refused("revfs 1\ntype file\nroot sha256:" ROOT "\nfiles 1\nbytes 2", 5,
	               "expected \"bytes\" and a number");
	assert_refused(GOOD "key value", 6, "the last line does not end");
	assert_refused("revfs 1\ntype file\nroot sha256:" ROOT "\nfiles 01\nbytes 2\n", 4,
	               "expected \"files\" and a number");
	assert_refused("revfs 1\ntype file\nroot sha256:" ROOT "\nfiles 1\nbytes 9223372036854775808\n", 5,
	               "expected \"bytes\" and a number");
	assert_refused("revfs 1\ntype file\nroot sha256:" ROOT "\nfiles 1\nbytes 99999999999999999999\n", 5,
	               "expected \"bytes\" and a number");
}

static void a_large_file_is_refused(void **state)
{
	char *text = malloc(POINTER_SIZE_MAX + 1);
	struct pointer p;

	(void)state;
	memset(text, 'x', POINTER_SIZE_MAX + 1);
	memcpy(text, GOOD "k ", strlen(GOOD "k "));
	text[POINTER_SIZE_MAX] = '\n';
	assert_int_equal(pointer_parse(text, POINTER_SIZE_MAX + 1, &p, NULL, NULL), -EINVAL);
	text[POINTER_SIZE_MAX - 1] = '\n';
	assert_int_equal(pointer_parse(text, POINTER_SIZE_MAX, &p, NULL, NULL), 0);
	free(text);
}

static void every_truncation_is_refused(void **state)
{
	(void)state;
	for (size_t len = 0; len < strlen(GOOD); len++) {
		char *copy = malloc(len + 1);
		struct pointer p;

		memcpy(copy, GOOD, len);
		assert_int_equal(pointer_parse(copy, len, &p, NULL, NULL), -EINVAL);
		free(copy);
	}
}

/* A flipped byte is refused, or gives what formats to the same bytes (a digit may turn into the CR of a CRLF). */
static void every_flipped_byte_is_refused_or_read_exactly(void **state)
{
	char copy[sizeof(GOOD)], text[POINTER_TEXT_MAX];

	(void)state;
	for (size_t i = 0; i < strlen(GOOD); i++) {
		for (unsigned flip = 1; flip < 256; flip++) {
			struct pointer p;

			memcpy(copy, GOOD, sizeof(GOOD));
			copy[i] = (char)(copy[i] ^ (char)flip);
			if (pointer_parse(copy, strlen(GOOD), &p, NULL, NULL) != 0)
				continue;
			if (copy[i] == '\r')
				memmove(copy + i, copy + i + 1, strlen(copy + i));
			pointer_format(&p, text);
			assert_string_equal(text, copy);
		}
	}
}

static void names_of_pointers_end_in_revfs(void **state)
{
	size_t len;

	(void)state;
	assert_true(pointer_name("data.revfs", 10, &len));
	assert_int_equal(len, 4);
	assert_false(pointer_name(".revfs", 6, &len));
	assert_false(pointer_name("revfs", 5, &len));
	assert_false(pointer_name("data.revfs2", 11, &len));
	assert_false(pointer_name("", 0, &len));
	assert_true(pointer_name("..revfs", 7, &len));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_pointer_is_read),
	    cmocka_unit_test(what_is_written_is_read_back),
	    cmocka_unit_test(crlf_is_read),
	    cmocka_unit_test(later_keys_are_passed_over_and_told),
	    cmocka_unit_test(a_later_version_is_enotsup),
	    cmocka_unit_test(conflict_markers_are_the_reason),
	    cmocka_unit_test(the_line_that_is_wrong_is_named),
	    cmocka_unit_test(a_large_file_is_refused),
	    cmocka_unit_test(every_truncation_is_refused),
	    cmocka_unit_test(every_flipped_byte_is_refused_or_read_exactly),
	    cmocka_unit_test(names_of_pointers_end_in_revfs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
