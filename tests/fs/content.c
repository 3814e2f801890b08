#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cache/chunker.h"
#include "tests/support/damage.h"
#include "tests/support/garden.h"

static struct garden garden;

static int setup(void **state)
{
	(void)state;
	garden_open(&garden);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	garden_close(&garden);
	return 0;
}

/* Store LEN bytes as a snapshot would. */
static struct content store(const uint8_t *data, size_t len)
{
	struct content_builder b;
	struct content content = {.size = len};

	if (len <= PAGE_INLINE_MAX) {
		if (len > 0)
			memcpy(content.inline_data, data, len);
		return content;
	}
	content_builder_init(&b, garden.writer);
	for (size_t at = 0; at < len;) {
		size_t cut = chunker_cut(data + at, len - at, true);
		struct list_entry chunk = garden_chunk(&garden, data + at, (uint32_t)cut);

		assert_int_equal(content_builder_add(&b, &chunk), 0);
		at += cut;
	}
	assert_int_equal(content_builder_finish(&b, &content), 0);
	content_builder_release(&b);
	return content;
}

struct gathered {
	uint8_t *data;
	size_t len;
	unsigned holes;
};

static int gather(void *arg, const void *data, uint64_t len)
{
	struct gathered *g = arg;

	if (data)
		memcpy(g->data + g->len, data, len);
	else
		memset(g->data + g->len, 0, len);
	g->holes += !data;
	g->len += len;
	return 0;
}

static void check_content(const uint8_t *data, size_t len, unsigned form)
{
	struct content content = store(data, len);
	uint8_t *got = malloc(len + 1);
	struct gathered g = {.data = malloc(len + 1)};
	uint64_t random = len;

	assert_int_equal(content.form, form);
	assert_int_equal(content.size, len);
	assert_int_equal(content_read(garden.source, &content, got, len + 1, 0), len);
	assert_memory_equal(got, data, len);
	for (unsigned i = 0; i < 200 && len > 0; i++) {
		size_t at = garden_random(&random, (unsigned)len), part = garden_random(&random, (unsigned)len);
		size_t expected = part < len - at ? part : len - at;

		memset(got, 0xee, len);
		assert_int_equal(content_read(garden.source, &content, got, part, at), expected);
		assert_memory_equal(got, data + at, expected);
		assert_true(expected == len || got[expected] == 0xee);
	}
	assert_int_equal(content_read(garden.source, &content, got, 1, len), 0);
	assert_int_equal(content_read(garden.source, &content, got, 1, UINT64_MAX), 0);
	assert_int_equal(content_each_piece(garden.source, &content, gather, &g), 0);
	assert_int_equal(g.len, len);
	assert_memory_equal(g.data, data, len);
	free(g.data);
	free(got);
}

static void any_form_is_read_at_any_place(void **state)
{
	const size_t most = 3 << 20;
	uint8_t *data = malloc(most);

	(void)state;
	damage_noise(1, data, most);
	check_content(data, 0, CONTENT_INLINE);
	check_content(data, 1, CONTENT_INLINE);
	check_content(data, PAGE_INLINE_MAX, CONTENT_INLINE);
	check_content(data, PAGE_INLINE_MAX + 1, CONTENT_CHUNK);
	check_content(data, CHUNK_MIN, CONTENT_CHUNK);
	check_content(data, most, CONTENT_LIST);
	/* A chunk that is repeated, and zeros that are and that are not a whole chunk. */
	for (size_t at = CHUNK_MAX; at < 4 * CHUNK_MAX; at++)
		data[at] = 0;
	check_content(data, 5 * CHUNK_MAX, CONTENT_LIST);
	memset(data, 0, most);
	check_content(data, 3 * CHUNK_MAX + 100, CONTENT_LIST);
	check_content(data, CHUNK_MAX, CONTENT_CHUNK);
	memset(data, 'x', most);
	check_content(data, 8 * CHUNK_MAX, CONTENT_LIST);
	free(data);
}

static void holes_are_told_as_such_and_asked_of_no_store(void **state)
{
	uint8_t *zeros = calloc(1, CHUNK_MAX);
	struct list_entry hole = {.len = CHUNK_MAX, .count = 1000000};
	struct content_builder b;
	struct content content;
	char last[4];
	uint64_t total = 0;

	(void)state;
	id_of(zeros, CHUNK_MAX, &hole.id);
	assert_true(content_is_hole(&hole.id));
	content_builder_init(&b, garden.writer);
	assert_int_equal(content_builder_add(&b, &hole), 0);
	struct list_entry end = garden_chunk(&garden, "end", 3);
	assert_int_equal(content_builder_add(&b, &end), 0);
	assert_int_equal(content_builder_finish(&b, &content), 0);
	content_builder_release(&b);
	total = (uint64_t)CHUNK_MAX * 1000000 + 3;
	assert_int_equal(content.size, total);
	assert_int_equal(content_read(garden.source, &content, zeros, 1000, (uint64_t)CHUNK_MAX * 777777 - 500), 1000);
	for (unsigned i = 0; i < 1000; i++)
		assert_int_equal(zeros[i], 0);
	assert_int_equal(source_chunks_loaded(garden.source), 0);
	assert_int_equal(content_read(garden.source, &content, last, 4, total - 4), 4);
	assert_memory_equal(last, "\0end", 4);
	end.id.bytes[0] ^= 1;
	assert_false(content_is_hole(&end.id));
	free(zeros);
}

static int stop_at_once(void *arg, const void *data, uint64_t len)
{
	(void)data;
	(void)len;
	return *(int *)arg;
}

static int count_chunks(void *arg, const struct list_entry *chunk)
{
	*(uint64_t *)arg += chunk->count * chunk->len;
	return 0;
}

static int answer_enoent(void *arg, const struct list_entry *chunk)
{
	(void)arg;
	(void)chunk;
	return -ENOENT;
}

static void callbacks_end_the_walk(void **state)
{
	uint8_t *data = malloc(1 << 20);
	struct content content;
	uint64_t bytes = 0;
	int answer = 7;

	(void)state;
	damage_noise(2, data, 1 << 20);
	content = store(data, 1 << 20);
	assert_int_equal(content_each_piece(garden.source, &content, stop_at_once, &answer), 7);
	answer = -ENOSPC;
	assert_int_equal(content_each_piece(garden.source, &content, stop_at_once, &answer), -ENOSPC);
	assert_int_equal(content_each_chunk(garden.source, &content, answer_enoent, NULL), -ENOENT);
	assert_int_equal(content_each_chunk(garden.source, &content, count_chunks, &bytes), 0);
	assert_int_equal(bytes, 1 << 20);
	content = store(data, 1000);
	bytes = 0;
	assert_int_equal(content_each_chunk(garden.source, &content, count_chunks, &bytes), 0);
	assert_int_equal(bytes, 1000);
	content = store(data, 100);
	bytes = 0;
	assert_int_equal(content_each_chunk(garden.source, &content, count_chunks, &bytes), 0);
	assert_int_equal(bytes, 0);
	free(data);
}

static void lies_about_sizes_are_damage(void **state)
{
	uint8_t *data = malloc(1 << 20);
	struct content list, chunk;
	char got[8];

	(void)state;
	damage_noise(3, data, 1 << 20);
	list = store(data, 1 << 20);
	list.size++;
	assert_int_equal(content_read(garden.source, &list, got, 8, 0), -EBADMSG);
	list.size -= 2;
	assert_int_equal(content_read(garden.source, &list, got, 8, 0), -EBADMSG);
	chunk = store(data, 5000);
	chunk.size--;
	assert_int_equal(content_read(garden.source, &chunk, got, 8, 0), -EBADMSG);
	chunk.size += 2;
	assert_int_equal(content_read(garden.source, &chunk, got, 8, 0), -EBADMSG);
	chunk.size--;
	assert_int_equal(content_read(garden.source, &chunk, got, 8, 0), 8);
	chunk.id.bytes[0] ^= 1;
	assert_int_equal(content_read(garden.source, &chunk, got, 8, 0), -ENODATA);
	/* A chunk where a list should be, and the other way round. */
	chunk = store(data, 50000);
	chunk.form = CONTENT_LIST;
	assert_int_equal(content_read(garden.source, &chunk, got, 8, 0), -ENODATA);
	list = store(data, 1 << 20);
	list.form = CONTENT_CHUNK;
	assert_int_equal(content_read(garden.source, &list, got, 8, 0), -ENODATA);
	free(data);
}

static void a_chunk_of_a_list_that_lies_is_damage_there(void **state)
{
	uint8_t *data = malloc(100000);
	struct page_encoder e = {0};
	struct list_entry chunks[2];
	struct content content = {.form = CONTENT_LIST};
	struct built list;
	uint8_t got[16];

	(void)state;
	damage_noise(4, data, 100000);
	chunks[0] = garden_chunk(&garden, data, 50000);
	chunks[1] = garden_chunk(&garden, data + 50000, 50000);
	chunks[1].len = 49999;
	page_encoder_begin(&e, PAGE_LIST, 0);
	page_encoder_add_list(&e, &chunks[0]);
	page_encoder_add_list(&e, &chunks[1]);
	list = garden_forge(&garden, &e);
	content.id = list.id;
	content.size = 99999;
	assert_int_equal(content_read(garden.source, &content, got, 16, 40000), 16);
	assert_memory_equal(got, data + 40000, 16);
	assert_int_equal(content_read(garden.source, &content, got, 16, 49990), -EBADMSG);
	assert_int_equal(content_read(garden.source, &content, got, 16, 60000), -EBADMSG);
	free(data);
}

static void entries_give_their_content(void **state)
{
	struct entry entry = garden_file("a", 9), again = {.name = "b", .kind = ENTRY_FILE};
	struct content content, other;
	struct id id, expected;

	(void)state;
	assert_int_equal(content_of(&entry, &content), 0);
	content_id(&content, &id);
	id_of(entry.inline_data, entry.size, &expected);
	assert_true(id_equal(&id, &expected));
	content_set_entry(&content, &again);
	assert_int_equal(again.size, entry.size);
	assert_memory_equal(again.inline_data, entry.inline_data, entry.size);
	other = content;
	assert_true(content_equal(&content, &other));
	other.inline_data[3] ^= 1;
	assert_false(content_equal(&content, &other));
	entry.broken = true;
	assert_int_equal(content_of(&entry, &content), -EIO);
	entry.broken = false;
	entry.kind = ENTRY_FOREIGN;
	assert_int_equal(content_of(&entry, &content), -EIO);
	entry.kind = ENTRY_DIRECTORY;
	assert_int_equal(content_of(&entry, &content), -EISDIR);
	entry = (struct entry){.kind = ENTRY_FILE, .form = CONTENT_CHUNK, .size = 1000};
	entry.id.bytes[0] = 5;
	assert_int_equal(content_of(&entry, &content), 0);
	content_id(&content, &id);
	assert_true(id_equal(&id, &entry.id));
	other = content;
	other.id.bytes[0] = 6;
	assert_false(content_equal(&content, &other));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(any_form_is_read_at_any_place),
	    TEST(holes_are_told_as_such_and_asked_of_no_store),
	    TEST(callbacks_end_the_walk),
	    TEST(lies_about_sizes_are_damage),
	    TEST(a_chunk_of_a_list_that_lies_is_damage_there),
	    TEST(entries_give_their_content),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
