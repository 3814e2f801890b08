/* What goes between `revfs serve` and its clients. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cache/ssh/serve_wire.h"

static const uint8_t some[] = "some bytes";

/* One of each kind. */
static const struct serve_wire examples[] = {
    {.kind = SERVE_WIRE_READ, .number = 1, .path = "packs/ab/abcd", .offset = 1234567890123, .len = 4096},
    {.kind = SERVE_WIRE_STAT, .number = 2, .path = "revfs-store"},
    {.kind = SERVE_WIRE_PUT,
     .number = 3,
     .path = "roots/ab/abcd",
     .total = sizeof(some),
     .replace = true,
     .data = some,
     .data_len = sizeof(some)},
    {.kind = SERVE_WIRE_PIECE, .number = 4, .data = some, .data_len = sizeof(some)},
    {.kind = SERVE_WIRE_REMOVE, .number = 5, .path = "condemned/x"},
    {.kind = SERVE_WIRE_LIST, .number = 6, .path = "packs"},
    {.kind = SERVE_WIRE_CANCEL, .number = 7},
    {.kind = SERVE_WIRE_MORE, .number = 8, .len = 65536},
    {.kind = SERVE_WIRE_DATA, .number = 9, .data = some, .data_len = sizeof(some)},
    {.kind = SERVE_WIRE_FOUND, .number = 10, .st = {.size = 77, .time = {.tv_sec = -1, .tv_nsec = 999999999}}},
    {.kind = SERVE_WIRE_ENTRIES, .number = 11},
    {.kind = SERVE_WIRE_DONE, .number = UINT32_MAX, .error = -ENOENT},
    {.kind = SERVE_WIRE_ALIVE},
};

#define EXAMPLES (sizeof(examples) / sizeof(examples[0]))

/* Example number I as bytes, in a block of exactly that length. */
static uint8_t *example(size_t i, size_t *len)
{
	struct serve_wire frame = examples[i];
	struct buffer out = {0}, entries = {0};
	uint8_t *bytes;

	if (frame.kind == SERVE_WIRE_ENTRIES) {
		serve_wire_put_entry(&entries, "packs/ab/abcd", &(struct remote_stat){.size = 5});
		serve_wire_put_entry(&entries, "packs/ab/abce", &(struct remote_stat){.time = {.tv_sec = 9}});
		frame.data = entries.data;
		frame.data_len = entries.len;
	}
	serve_wire_encode(&frame, &out);
	assert_false(out.failed);
	*len = out.len;
	bytes = malloc(out.len);
	assert_non_null(bytes);
	memcpy(bytes, out.data, out.len);
	buffer_release(&out);
	buffer_release(&entries);
	return bytes;
}

/* What a side does with what it receives, in a block of exactly its length.  0 or -EPROTO. */
static int receive(const uint8_t *bytes, size_t len, bool from_server, struct serve_wire *frame)
{
	size_t body_len;
	uint8_t *body;
	int error;

	if (len < SERVE_WIRE_HEADER_SIZE)
		return -EPROTO;
	error = serve_wire_body_len(bytes, from_server, &body_len);
	if (error)
		return error;
	assert_true(body_len <= SERVE_WIRE_READ_MAX);
	if (body_len != len - SERVE_WIRE_HEADER_SIZE)
		return -EPROTO;
	body = malloc(body_len + 1);
	assert_non_null(body);
	body = realloc(body, body_len ? body_len : 1);
	memcpy(body, bytes + SERVE_WIRE_HEADER_SIZE, body_len);
	error = serve_wire_decode(bytes, body, body_len, frame);
	if (!error) {
		/* What is in it are its last bytes. */
		assert_memory_equal(frame->data_len ? frame->data : bytes, bytes + len - frame->data_len,
		                    frame->data_len);
		assert_true(memchr(frame->path, '\0', sizeof(frame->path)) != NULL);
	}
	if (!error && frame->kind == SERVE_WIRE_ENTRIES) {
		char path[REMOTE_PATH_SIZE];
		struct remote_stat st;
		struct wire_reader r;
		unsigned count = 0;

		wire_reader_init(&r, frame->data, frame->data_len);
		while ((error = serve_wire_next_entry(&r, path, &st)) > 0)
			count++;
		assert_true(count <= frame->data_len);
	}
	free(body);
	return error;
}

static bool is_from_server(const struct serve_wire *frame)
{
	return frame->kind >= SERVE_WIRE_DATA;
}

static void what_is_encoded_decodes_to_the_same(void **state)
{
	(void)state;
	for (size_t i = 0; i < EXAMPLES; i++) {
		const struct serve_wire *e = &examples[i];
		struct serve_wire got;
		size_t len;
		uint8_t *bytes = example(i, &len);

		assert_int_equal(receive(bytes, len, is_from_server(e), &got), 0);
		assert_int_equal(got.kind, e->kind);
		assert_int_equal(got.number, e->number);
		assert_string_equal(got.path, e->path);
		assert_int_equal(got.offset, e->offset);
		assert_int_equal(got.len, e->len);
		assert_int_equal(got.total, e->total);
		assert_int_equal(got.replace, e->replace);
		assert_int_equal(got.st.size, e->st.size);
		assert_int_equal(got.st.time.tv_sec, e->st.time.tv_sec);
		assert_int_equal(got.st.time.tv_nsec, e->st.time.tv_nsec);
		assert_int_equal(got.error, e->error);
		if (e->data)
			assert_int_equal(got.data_len, e->data_len);
		/* Only what either may say comes from the other side as well. */
		assert_int_equal(receive(bytes, len, !is_from_server(e), &got),
		                 e->kind == SERVE_WIRE_MORE ? 0 : -EPROTO);
		free(bytes);
	}
}

static void every_truncation_is_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < EXAMPLES; i++) {
		struct serve_wire got;
		size_t len;
		uint8_t *bytes = example(i, &len);

		for (size_t cut = 0; cut < len; cut++) {
			assert_int_equal(receive(bytes, cut, is_from_server(&examples[i]), &got), -EPROTO);
			/* The length that is said made right: what then decodes is shorter, and safe to look at. */
			if (cut >= SERVE_WIRE_HEADER_SIZE) {
				uint8_t *copy = malloc(cut);

				assert_non_null(copy);
				memcpy(copy, bytes, cut);
				wire_put32(copy, (uint32_t)(cut - SERVE_WIRE_HEADER_SIZE));
				receive(copy, cut, is_from_server(&examples[i]), &got);
				free(copy);
			}
		}
		free(bytes);
	}
}

static void every_flipped_byte_is_safe(void **state)
{
	(void)state;
	for (size_t i = 0; i < EXAMPLES; i++) {
		struct serve_wire got;
		size_t len;
		uint8_t *bytes = example(i, &len);

		for (size_t at = 0; at < len; at++) {
			for (unsigned flip = 1; flip < 256; flip++) {
				int error;

				bytes[at] ^= (uint8_t)flip;
				error = receive(bytes, len, is_from_server(&examples[i]), &got);
				assert_true(error == 0 || error == -EPROTO);
				/* Neither another length nor a kind of the other side gets through. */
				if (at < 4)
					assert_int_equal(error, -EPROTO);
				bytes[at] ^= (uint8_t)flip;
			}
		}
		free(bytes);
	}
}

static void lengths_are_bounded_before_anything_is_allocated(void **state)
{
	static const struct {
		uint32_t len;
		enum serve_wire_kind kind;
		int result;
	} cases[] = {
	    {SERVE_WIRE_READ_MAX, SERVE_WIRE_DATA, 0},
	    {SERVE_WIRE_READ_MAX + 1, SERVE_WIRE_DATA, -EPROTO},
	    {UINT32_MAX, SERVE_WIRE_DATA, -EPROTO},
	    {SERVE_WIRE_PIECE_MAX, SERVE_WIRE_PIECE, 0},
	    {SERVE_WIRE_PIECE_MAX + 1, SERVE_WIRE_PIECE, -EPROTO},
	    {0, SERVE_WIRE_PIECE, -EPROTO},
	    {SERVE_WIRE_ENTRIES_MAX, SERVE_WIRE_ENTRIES, 0},
	    {SERVE_WIRE_ENTRIES_MAX + 1, SERVE_WIRE_ENTRIES, -EPROTO},
	    {REMOTE_PATH_SIZE - 1, SERVE_WIRE_STAT, 0},
	    {REMOTE_PATH_SIZE, SERVE_WIRE_STAT, -EPROTO},
	    {0, 200, -EPROTO},
	    {0, 0, -EPROTO},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint8_t head[SERVE_WIRE_HEADER_SIZE] = {0};
		size_t len = 12345;

		wire_put32(head, cases[i].len);
		wire_put32(head + 4, cases[i].kind);
		assert_int_equal(serve_wire_body_len(head, cases[i].kind >= SERVE_WIRE_DATA, &len), cases[i].result);
		assert_int_equal(len, cases[i].result ? 12345 : cases[i].len);
	}
}

static void numbers_out_of_range_are_refused(void **state)
{
	const struct serve_wire wrong[] = {
	    {.kind = SERVE_WIRE_READ, .number = 1, .path = "x", .len = 0},
	    {.kind = SERVE_WIRE_READ, .number = 1, .path = "x", .len = SERVE_WIRE_READ_MAX + 1},
	    {.kind = SERVE_WIRE_READ, .number = 1, .path = "x", .len = 10, .offset = UINT64_MAX - 5},
	    {.kind = SERVE_WIRE_READ, .number = 0, .path = "x", .len = 10},
	    {.kind = SERVE_WIRE_PUT, .number = 1, .path = "x", .total = UINT64_MAX},
	    {.kind = SERVE_WIRE_PUT, .number = 1, .path = "x", .total = 5, .data = some, .data_len = 4},
	    {.kind = SERVE_WIRE_PUT, .number = 1, .path = "x", .total = 5, .data = some, .data_len = 6},
	    {.kind = SERVE_WIRE_FOUND, .number = 1, .st = {.size = UINT64_MAX}},
	    {.kind = SERVE_WIRE_FOUND, .number = 1, .st = {.time = {.tv_nsec = 1000000000}}},
	    {.kind = SERVE_WIRE_ALIVE, .number = 1},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct buffer out = {0};
		struct serve_wire got;

		serve_wire_encode(&wrong[i], &out);
		assert_int_equal(receive(out.data, out.len, is_from_server(&wrong[i]), &got), -EPROTO);
		buffer_release(&out);
	}
}

static void errors_mean_the_same_on_both_sides(void **state)
{
	static const int cases[][2] = {
	    {0, 0},
	    {-ENOENT, -ENOENT},
	    {-EEXIST, -EEXIST},
	    {-EROFS, -EROFS},
	    {-ENOSPC, -ENOSPC},
	    {-EACCES, -EACCES},
	    {-EPERM, -EACCES},
	    {-EINVAL, -EINVAL},
	    {-EHOSTDOWN, -EHOSTDOWN},
	    {-EPROTO, -EPROTO},
	    {-ECANCELED, -ECANCELED},
	    {-EFBIG, -EFBIG},
	    /* Its memory is not ours. */
	    {-ENOMEM, -EREMOTEIO},
	    {-EIO, -EREMOTEIO},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct buffer out = {0};
		struct serve_wire got;

		serve_wire_encode(&(struct serve_wire){.kind = SERVE_WIRE_DONE, .number = 1, .error = cases[i][0]},
		                  &out);
		assert_int_equal(receive(out.data, out.len, true, &got), 0);
		assert_int_equal(got.error, cases[i][1]);
		buffer_release(&out);
	}
}

static void greetings_are_told_from_other_words_at_once(void **state)
{
	uint8_t bytes[SERVE_WIRE_GREETING_SIZE];
	uint32_t flags = 7;

	(void)state;
	serve_wire_greet(bytes, SERVE_WIRE_READ_ONLY);
	for (size_t len = 0; len < sizeof(bytes); len++)
		assert_int_equal(serve_wire_greeted(bytes, len, &flags), 0);
	assert_int_equal(serve_wire_greeted(bytes, sizeof(bytes), &flags), 1);
	assert_int_equal(flags, SERVE_WIRE_READ_ONLY);
	assert_int_equal(serve_wire_greeted((const uint8_t *)"W", 1, &flags), -EPROTO);
	assert_int_equal(serve_wire_greeted((const uint8_t *)"revfs: no", 9, &flags), -EPROTO);
	/* A later minor version says nothing that matters; a major one does. */
	bytes[10]++;
	assert_int_equal(serve_wire_greeted(bytes, sizeof(bytes), &flags), 1);
	bytes[8]++;
	assert_int_equal(serve_wire_greeted(bytes, sizeof(bytes), &flags), -EPROTO);
}

static void paths_are_those_of_a_store(void **state)
{
	static const struct {
		const char *path;
		bool file, folder;
	} cases[] = {
	    {"revfs-store", true, false},
	    {"packs", false, true},
	    {"packs/ab", true, true},
	    {"packs/ab/00112233445566778899aabbccddeeff.moved", true, true},
	    {"roots/ab/cd", true, true},
	    {"condemned/ab", true, true},
	    {"packs/a/b/c", false, false},
	    {"", false, false},
	    {"/", false, false},
	    {"/etc/passwd", false, false},
	    {"/packs/ab", false, false},
	    {"..", false, false},
	    {"packs/..", false, false},
	    {"packs/../x", false, false},
	    {"packs/.hidden", false, false},
	    {"packs//x", false, false},
	    {"packs/", false, false},
	    {"packs/a b", false, false},
	    {"packs/a\nb", false, false},
	    {"tmp/x", false, false},
	    {"packsx/x", false, false},
	    {"pack/x", false, false},
	    {"revfs-store/x", false, false},
	    {".git/config", false, false},
	};
	char longest[REMOTE_PATH_SIZE + 1];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		size_t len = strlen(cases[i].path);

		assert_int_equal(serve_wire_is_path(cases[i].path, len, false), cases[i].file);
		assert_int_equal(serve_wire_is_path(cases[i].path, len, true), cases[i].folder);
	}
	assert_false(serve_wire_is_path("packs/a\0b", 9, false));
	/* What is being put is no file of a store. */
	assert_false(serve_wire_is_path("tmp", 3, true));
	assert_false(serve_wire_is_path("tmp/0123456789abcdef0123456789abcdef", 36, false));
	assert_true(serve_wire_is_unfinished("tmp", 3, true));
	assert_false(serve_wire_is_unfinished("tmp", 3, false));
	assert_false(serve_wire_is_unfinished("tmp/", 4, true));
	assert_false(serve_wire_is_unfinished("tm", 2, true));
	assert_true(serve_wire_is_unfinished("tmp/0123456789abcdef0123456789abcdef", 36, false));
	assert_false(serve_wire_is_unfinished("tmp/0123456789abcdef0123456789abcdef", 36, true));
	assert_false(serve_wire_is_unfinished("tmp/0123456789abcdef0123456789abcdef", 35, false));
	assert_false(serve_wire_is_unfinished("tmp/../revfs-store", 18, false));
	assert_false(serve_wire_is_unfinished("tmpx0123456789abcdef0123456789abcdef", 36, false));
	memset(longest, 'x', sizeof(longest));
	memcpy(longest, "packs/", 6);
	assert_true(serve_wire_is_path(longest, REMOTE_PATH_SIZE - 1, false));
	assert_false(serve_wire_is_path(longest, REMOTE_PATH_SIZE, false));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(what_is_encoded_decodes_to_the_same),
	    cmocka_unit_test(every_truncation_is_refused),
	    cmocka_unit_test(every_flipped_byte_is_safe),
	    cmocka_unit_test(lengths_are_bounded_before_anything_is_allocated),
	    cmocka_unit_test(numbers_out_of_range_are_refused),
	    cmocka_unit_test(errors_mean_the_same_on_both_sides),
	    cmocka_unit_test(greetings_are_told_from_other_words_at_once),
	    cmocka_unit_test(paths_are_those_of_a_store),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
