/* Records: what is refused before it is believed, and every damage to one. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "cache/checksum.h"
#include "cache/chunker.h"
#include "cache/codec.h"
#include "cache/record.h"
#include "cache/wire.h"
#include "tests/support/damage.h"
#include "tests/support/fault.h"
#include "tests/support/scratch.h"

struct example {
	uint8_t raw[400];
	struct record_header header;
	struct id id;
	uint8_t data[1024];
	size_t len;
};

static void seal(struct example *e)
{
	record_header_encode(&e->header, e->data + RECORD_HEADER_SIZE, e->data);
	e->len = RECORD_HEADER_SIZE + e->header.stored_len;
}

/* A compressed page of which the first 300 bytes are canonical. */
static void make_page(struct example *e)
{
	unsigned codec;
	memset(e, 0, sizeof(*e));
	for (size_t i = 0; i < sizeof(e->raw); i++)
		e->raw[i] = (uint8_t)(i / 10);
	ssize_t n = codec_encode(e->raw, sizeof(e->raw), 3, e->data + RECORD_HEADER_SIZE, &codec);
	assert_int_equal(codec, CODEC_ZSTD);
	e->header = (struct record_header){.kind = RECORD_PAGE,
	                                   .codec = CODEC_ZSTD,
	                                   .raw_len = sizeof(e->raw),
	                                   .stored_len = (uint32_t)n,
	                                   .hashed_len = 300};
	id_of(e->raw, 300, &e->id);
	seal(e);
}

static void make_chunk(struct example *e)
{
	memset(e, 0, sizeof(*e));
	damage_noise(5, e->raw, sizeof(e->raw));
	memcpy(e->data + RECORD_HEADER_SIZE, e->raw, sizeof(e->raw));
	e->header = (struct record_header){.kind = RECORD_CHUNK,
	                                   .codec = CODEC_RAW,
	                                   .raw_len = sizeof(e->raw),
	                                   .stored_len = sizeof(e->raw),
	                                   .hashed_len = sizeof(e->raw)};
	id_of(e->raw, sizeof(e->raw), &e->id);
	seal(e);
}

static int decode(const struct example *e)
{
	struct record record;
	int r = record_decode(e->data, e->len, e->header.kind, &e->id, &record);
	if (r == 0)
		free(record.data);
	return r;
}

static void record_has_its_known_bytes(void **state)
{
	uint8_t out[RECORD_HEADER_SIZE];
	const struct record_header header = {.kind = RECORD_PAGE,
	                                     .codec = 1,
	                                     .dictionary = 0x0302,
	                                     .raw_len = 0x07060504,
	                                     .stored_len = 3,
	                                     .hashed_len = 0x01020304};
	static const uint8_t expected[16] = {2, 1, 2, 3, 4, 5, 6, 7, 3, 0, 0, 0, 4, 3, 2, 1};
	uint8_t whole[19];
	(void)state;
	record_header_encode(&header, "xyz", out);
	assert_memory_equal(out, expected, 16);
	memcpy(whole, expected, 16);
	memcpy(whole + 16, "xyz", 3);
	assert_true(wire_get64(out + 16) == checksum(whole, 19));
}

static void good_records_are_expanded(void **state)
{
	struct example e;
	struct record record;
	(void)state;
	make_page(&e);
	assert_int_equal(record_decode(e.data, e.len, RECORD_PAGE, &e.id, &record), 0);
	assert_int_equal(record.len, sizeof(e.raw));
	assert_int_equal(record.hashed_len, 300);
	assert_memory_equal(record.data, e.raw, sizeof(e.raw));
	free(record.data);
	make_chunk(&e);
	assert_int_equal(record_decode(e.data, e.len, RECORD_CHUNK, &e.id, &record), 0);
	assert_int_equal(record.hashed_len, sizeof(e.raw));
	assert_memory_equal(record.data, e.raw, sizeof(e.raw));
	free(record.data);
}

static void header_alone_is_checked_where_more_follows(void **state)
{
	struct example e;
	struct record_header header;
	(void)state;
	make_page(&e);
	assert_int_equal(record_decode_header(e.data, e.len + 100, RECORD_PAGE, &header), 0);
	assert_memory_equal(&header, &e.header, sizeof(header));
	assert_int_equal(record_decode_header(e.data, e.len - 1, RECORD_PAGE, &header), -EBADMSG);
	e.len++;
	assert_int_equal(decode(&e), -EBADMSG); /* a whole record ends where it says */
}

static void other_kind_or_id_is_refused(void **state)
{
	struct example e;
	struct record record;
	(void)state;
	make_page(&e);
	assert_int_equal(record_decode(e.data, e.len, RECORD_CHUNK, &e.id, &record), -EBADMSG);
	assert_int_equal(record_decode(e.data, e.len, 0, &e.id, &record), -EBADMSG);
	assert_int_equal(record_decode(e.data, e.len, 3, &e.id, &record), -EBADMSG);
	e.id.bytes[0] ^= 1;
	assert_int_equal(decode(&e), -EBADMSG);
}

/* Records whose checksum is right and whose header lies: what a hostile store can make. */
static void forged_headers_are_refused(void **state)
{
	struct example good, e;
	(void)state;
	make_page(&good);
#define REFUSED(error, change)                                                                                         \
	do {                                                                                                           \
		e = good;                                                                                              \
		e.header.change;                                                                                       \
		seal(&e);                                                                                              \
		assert_int_equal(decode(&e), error);                                                                   \
	} while (0)
	REFUSED(0, kind = RECORD_PAGE);
	REFUSED(-EBADMSG, raw_len++);
	REFUSED(-EBADMSG, raw_len--);
	REFUSED(-EBADMSG, raw_len = RECORD_RAW_MAX + 1);
	REFUSED(-EBADMSG, raw_len = 0);
	REFUSED(-EBADMSG, raw_len = good.header.stored_len - 1);
	REFUSED(-EBADMSG, stored_len = 0);
	REFUSED(-EBADMSG, stored_len--);
	REFUSED(-EBADMSG, hashed_len = 0);
	REFUSED(-EBADMSG, hashed_len = 401);
	REFUSED(-EBADMSG, hashed_len = 299);
	REFUSED(-EBADMSG, dictionary = 1);
	REFUSED(-EBADMSG, codec = CODEC_RAW);
	REFUSED(-ENOTSUP, codec = CODEC_ZSTD_DICTIONARY);
	REFUSED(-ENOTSUP, codec = CODEC_SHUFFLE_ZSTD);
	REFUSED(-ENOTSUP, codec = 255);
	make_chunk(&good);
	REFUSED(0, kind = RECORD_CHUNK);
	REFUSED(-EBADMSG, hashed_len--);
	REFUSED(-EBADMSG, dictionary = 1);
#undef REFUSED
}

static void lengths_follow_the_limits_of_their_kind(void **state)
{
	(void)state;
	assert_true(record_lengths_fit(RECORD_CHUNK, CODEC_RAW, CHUNK_MAX, CHUNK_MAX));
	assert_false(record_lengths_fit(RECORD_CHUNK, CODEC_RAW, CHUNK_MAX + 1, CHUNK_MAX + 1));
	assert_true(record_lengths_fit(RECORD_PAGE, CODEC_RAW, RECORD_RAW_MAX, RECORD_RAW_MAX));
	assert_false(record_lengths_fit(RECORD_PAGE, CODEC_ZSTD, RECORD_RAW_MAX + 1, 5));
	assert_false(record_lengths_fit(RECORD_CHUNK, CODEC_ZSTD, 5, 6));
	assert_false(record_lengths_fit(RECORD_CHUNK, CODEC_RAW, 6, 5));
	assert_false(record_lengths_fit(RECORD_CHUNK, CODEC_RAW, 0, 0));
	assert_false(record_lengths_fit(3, CODEC_RAW, 1, 1));
}

static void try_damaged(void *arg, const uint8_t *data, size_t len)
{
	const struct example *e = arg;
	struct record record;
	assert_int_equal(record_decode(data, len, e->header.kind, &e->id, &record), -EBADMSG);
}

static void every_damage_is_seen(void **state)
{
	struct example e;
	(void)state;
	make_page(&e);
	damage_each(e.data, e.len, try_damaged, &e);
	make_chunk(&e);
	damage_each(e.data, e.len, try_damaged, &e);
}

static void record_is_read_from_its_place_in_a_file(void **state)
{
	struct example e;
	struct record record;
	struct fault fault;
	(void)state;
	scratch_open();
	char *path = scratch_path("file");
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	make_page(&e);
	fault_init(&fault, io_system());
	assert_int_equal(io_write_exact(&fault.io, fd, e.data, e.len, 100), 0);
	assert_int_equal(record_read(&fault.io, fd, 100, e.header.stored_len, RECORD_PAGE, &e.id, &record), 0);
	assert_int_equal(fault.calls[FAULT_READ], 1);
	assert_memory_equal(record.data, e.raw, sizeof(e.raw));
	free(record.data);
	assert_int_equal(record_read(&fault.io, fd, 99, e.header.stored_len, RECORD_PAGE, &e.id, &record), -EBADMSG);
	assert_int_equal(record_read(&fault.io, fd, 101, e.header.stored_len, RECORD_PAGE, &e.id, &record), -EBADMSG);
	assert_int_equal(record_read(&fault.io, fd, 100, e.header.stored_len - 1, RECORD_PAGE, &e.id, &record),
	                 -EBADMSG);
	assert_int_equal(record_read(&fault.io, fd, 100, 0, RECORD_PAGE, &e.id, &record), -EBADMSG);
	assert_int_equal(record_read(&fault.io, fd, 100, UINT32_MAX, RECORD_PAGE, &e.id, &record), -EBADMSG);
	fault_set(&fault, FAULT_READ, 1, 1, -EIO);
	assert_int_equal(record_read(&fault.io, fd, 100, e.header.stored_len, RECORD_PAGE, &e.id, &record), -EIO);
	close(fd);
	free(path);
	scratch_close();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(record_has_its_known_bytes),
	    cmocka_unit_test(good_records_are_expanded),
	    cmocka_unit_test(header_alone_is_checked_where_more_follows),
	    cmocka_unit_test(other_kind_or_id_is_refused),
	    cmocka_unit_test(forged_headers_are_refused),
	    cmocka_unit_test(lengths_follow_the_limits_of_their_kind),
	    cmocka_unit_test(every_damage_is_seen),
	    cmocka_unit_test(record_is_read_from_its_place_in_a_file),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
