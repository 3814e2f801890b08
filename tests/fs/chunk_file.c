#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "cache/chunker.h"
#include "cache/wire.h"
#include "fs/chunk_file.h"
#include "tests/support/scratch.h"

static int folder;
static struct chunk_file *reader;

static int setup(void **state)
{
	(void)state;
	folder = open(scratch_open(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return folder < 0 || chunk_file_new(&reader);
}

static int teardown(void **state)
{
	(void)state;
	chunk_file_free(reader);
	close(folder);
	scratch_close();
	return 0;
}

static uint64_t random_state = 1;

static uint64_t next_random(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state;
}

static uint8_t *random_bytes(size_t len)
{
	uint8_t *data = malloc(len + 8);

	assert_non_null(data);
	for (size_t i = 0; i < len; i += 8)
		wire_put64(data + i, next_random());
	return data;
}

static void write_at(const char *name, const void *data, size_t len, off_t offset)
{
	int fd = openat(folder, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, data, len, offset), len);
	close(fd);
}

static void set_size(const char *name, off_t size)
{
	int fd = openat(folder, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

	assert_int_equal(ftruncate(fd, size), 0);
	close(fd);
}

/* The lengths and ids of all chunks of NAME, repetitions written out. */
static struct buffer chunks_of(const char *name)
{
	struct buffer all = {0};
	struct chunk_piece piece;
	struct stat st;
	int error;

	assert_int_equal(chunk_file_begin(reader, folder, name, &st), 0);
	while (!(error = chunk_file_next(reader, &piece))) {
		struct id id;

		id_of(piece.data, piece.len, &id);
		for (uint64_t i = 0; i < piece.count; i++) {
			buffer_put32(&all, piece.len);
			buffer_append(&all, id.bytes, ID_SIZE);
		}
	}
	assert_int_equal(error, -ENOENT);
	assert_int_equal(chunk_file_end(reader), 0);
	return all;
}

/* The same by cutting the whole file in memory. */
static struct buffer chunks_of_bytes(const uint8_t *data, size_t len)
{
	struct buffer all = {0};

	while (len) {
		size_t cut = chunker_cut(data, len, true);
		struct id id;

		id_of(data, cut, &id);
		buffer_put32(&all, (uint32_t)cut);
		buffer_append(&all, id.bytes, ID_SIZE);
		data += cut;
		len -= cut;
	}
	return all;
}

static void assert_same_chunks(struct buffer *a, struct buffer *b)
{
	assert_int_equal(a->len, b->len);
	if (a->len)
		assert_memory_equal(a->data, b->data, a->len);
	buffer_release(a);
	buffer_release(b);
}

static void cuts_are_those_of_the_chunker_whatever_the_size(void **state)
{
	static const size_t sizes[] = {0,      1,       128,     129,     16384,   16385,   262143, 262144,
	                               262145, 1048576, 1310719, 1310720, 1310721, 3000001, 9 << 20};

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		uint8_t *data = random_bytes(sizes[i]);
		struct buffer want = chunks_of_bytes(data, sizes[i]), got;

		set_size("file", 0);
		write_at("file", data, sizes[i], 0);
		got = chunks_of("file");
		assert_same_chunks(&got, &want);
		free(data);
	}
}

/* Random data and holes of random sizes: the same chunks as those of a copy without holes. */
static void holes_make_the_chunks_that_zeros_make(void **state)
{
	(void)state;
	for (unsigned round = 0; round < 20; round++) {
		off_t size = 0;
		struct buffer sparse, dense;

		scratch_sh("rm -f sparse dense");
		for (unsigned piece = 0; piece < 6; piece++) {
			size_t len = next_random() % 300000;
			uint8_t *data = random_bytes(len);

			write_at("sparse", data, len, size);
			free(data);
			size += (off_t)len;
			size += (off_t)(next_random() % 4 ? next_random() % 3000000 : 4 * CHUNK_MAX);
		}
		set_size("sparse", size);
		scratch_sh("cp --sparse=never sparse dense");
		sparse = chunks_of("sparse");
		dense = chunks_of("dense");
		assert_same_chunks(&sparse, &dense);
	}
}

static void a_large_hole_is_one_piece_and_is_not_read(void **state)
{
	struct chunk_piece piece;
	struct stat st;
	uint64_t total = 0;
	unsigned pieces = 0;

	(void)state;
	scratch_sh("rm -f huge");
	write_at("huge", "begin", 5, 0);
	write_at("huge", "end", 3, (20LL << 30) - 3);
	assert_int_equal(chunk_file_begin(reader, folder, "huge", &st), 0);
	if (st.st_blocks > 100000) {
		chunk_file_end(reader);
		skip();
	}
	while (!chunk_file_next(reader, &piece)) {
		pieces++;
		total += piece.len * piece.count;
	}
	assert_int_equal(chunk_file_end(reader), 0);
	assert_int_equal(total, 20ULL << 30);
	assert_true(pieces < 10);
}

static void a_file_that_changes_meanwhile_is_eagain(void **state)
{
	uint8_t *data = random_bytes(3 << 20);
	struct chunk_piece piece;
	struct stat st;

	(void)state;
	scratch_sh("rm -f file");
	write_at("file", data, 3 << 20, 0);
	scratch_sh("touch -d 2020-01-01 file");
	assert_int_equal(chunk_file_begin(reader, folder, "file", &st), 0);
	assert_int_equal(st.st_size, 3 << 20);
	assert_int_equal(chunk_file_next(reader, &piece), 0);
	write_at("file", "x", 1, 0);
	assert_int_equal(chunk_file_end(reader), -EAGAIN);

	assert_int_equal(chunk_file_begin(reader, folder, "file", &st), 0);
	scratch_sh("chmod 755 file");
	assert_int_equal(chunk_file_end(reader), -EAGAIN);

	assert_int_equal(chunk_file_begin(reader, folder, "file", &st), 0);
	assert_int_equal(chunk_file_end(reader), 0);
	free(data);
}

static void a_file_that_shrinks_meanwhile_is_eagain(void **state)
{
	uint8_t *data = random_bytes(3 << 20);
	struct chunk_piece piece;
	struct stat st;
	int error;

	(void)state;
	scratch_sh("rm -f file");
	write_at("file", data, 3 << 20, 0);
	assert_int_equal(chunk_file_begin(reader, folder, "file", &st), 0);
	assert_int_equal(chunk_file_next(reader, &piece), 0);
	set_size("file", 2 << 20);
	while (!(error = chunk_file_next(reader, &piece)))
		;
	assert_int_equal(error, -EAGAIN);
	assert_int_equal(chunk_file_end(reader), -EAGAIN);
	free(data);
}

static void only_regular_files_are_read(void **state)
{
	struct stat st;

	(void)state;
	scratch_sh("rm -rf file pipe link dir; touch file; mkfifo pipe; ln -s file link; mkdir dir");
	assert_int_equal(chunk_file_begin(reader, folder, "pipe", &st), -EAGAIN);
	assert_int_equal(chunk_file_begin(reader, folder, "link", &st), -EAGAIN);
	assert_int_equal(chunk_file_begin(reader, folder, "dir", &st), -EAGAIN);
	assert_int_equal(chunk_file_begin(reader, folder, "absent", &st), -ENOENT);
}

static void inline_content_is_compared_byte_by_byte(void **state)
{
	struct content content = {.form = CONTENT_INLINE, .size = 5, .inline_data = "hello"};
	struct stat st;
	bool same, of_source;

	(void)state;
	scratch_sh("printf hello >file; printf help! >other; printf hello, >longer; : >empty");
	assert_int_equal(chunk_file_compare(reader, folder, "file", NULL, &content, &same, &of_source, &st), 0);
	assert_true(same);
	assert_int_equal(chunk_file_compare(reader, folder, "other", NULL, &content, &same, &of_source, &st), 0);
	assert_false(same);
	assert_int_equal(chunk_file_compare(reader, folder, "longer", NULL, &content, &same, &of_source, &st), 0);
	assert_false(same);
	content.size = 0;
	assert_int_equal(chunk_file_compare(reader, folder, "empty", NULL, &content, &same, &of_source, &st), 0);
	assert_true(same);
}

static void one_chunk_is_compared_by_its_id(void **state)
{
	uint8_t *data = random_bytes(5000);
	struct content content = {.form = CONTENT_CHUNK, .size = 5000};
	struct stat st;
	bool same, of_source;

	(void)state;
	scratch_sh("rm -f file");
	write_at("file", data, 5000, 0);
	id_of(data, 5000, &content.id);
	assert_int_equal(chunk_file_compare(reader, folder, "file", NULL, &content, &same, &of_source, &st), 0);
	assert_true(same);
	write_at("file", "?", 1, 4999);
	assert_int_equal(chunk_file_compare(reader, folder, "file", NULL, &content, &same, &of_source, &st), 0);
	assert_false(same);
	free(data);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(cuts_are_those_of_the_chunker_whatever_the_size),
	    cmocka_unit_test(holes_make_the_chunks_that_zeros_make),
	    cmocka_unit_test(a_large_hole_is_one_piece_and_is_not_read),
	    cmocka_unit_test(a_file_that_changes_meanwhile_is_eagain),
	    cmocka_unit_test(a_file_that_shrinks_meanwhile_is_eagain),
	    cmocka_unit_test(only_regular_files_are_read),
	    cmocka_unit_test(inline_content_is_compared_byte_by_byte),
	    cmocka_unit_test(one_chunk_is_compared_by_its_id),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
