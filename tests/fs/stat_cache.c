#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "fs/stat_cache.h"
#include "tests/support/scratch.h"

#define START 1700000000

static const struct timespec start = {START, 500};
static const struct id some_root = {{1, 2, 3}};
static int folder;

static int setup(void **state)
{
	(void)state;
	folder = open(scratch_open(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return folder < 0;
}

static int teardown(void **state)
{
	(void)state;
	close(folder);
	scratch_close();
	return 0;
}

/* An entry that NUMBER tells apart, old enough to be believed. */
static struct stat_cache_entry entry_of(unsigned number)
{
	static const uint8_t forms[] = {CONTENT_INLINE, CONTENT_CHUNK, CONTENT_LIST};
	static const uint64_t sizes[] = {9, 5000, 1ULL << 40};
	struct stat_cache_entry e = {.kind = number % 4 ? ENTRY_FILE : ENTRY_SYMLINK};

	if (e.kind == ENTRY_SYMLINK)
		number = 0;
	e.content.form = forms[number % 3];
	e.content.size = e.stamp.size = sizes[number % 3];
	memset(e.content.inline_data, 'a' + (int)number % 26, e.content.form == CONTENT_INLINE ? 9 : 0);
	if (e.content.form != CONTENT_INLINE)
		memset(e.content.id.bytes, (int)number, ID_SIZE);
	e.stamp.ino = 1000ULL * number;
	e.stamp.mode = 0644;
	e.stamp.mtime = (struct timespec){-(long)number, 999999999};
	e.stamp.ctime = (struct timespec){START - 1000, number};
	return e;
}

static void assert_same(const struct stat_cache_entry *a, const struct stat_cache_entry *b)
{
	assert_int_equal(a->kind, b->kind);
	assert_true(file_stamp_equal(&a->stamp, &b->stamp));
	assert_true(content_equal(&a->content, &b->content));
}

static void add(struct stat_cache_writer *w, const char *name, unsigned number)
{
	struct stat_cache_entry e = entry_of(number);

	stat_cache_writer_add(w, name, strlen(name), &e);
}

static bool has(struct stat_cache *c, const char *name, unsigned number)
{
	struct stat_cache_entry want = entry_of(number), got;

	if (stat_cache_find(c, name, strlen(name), &got))
		return false;
	assert_same(&got, &want);
	assert_false(got.racy);
	return true;
}

static struct stat_cache_writer *begin(void)
{
	struct stat_cache_writer *w;

	assert_int_equal(stat_cache_writer_open(io_system(), folder, "cache", &start, &w), 0);
	return w;
}

/* a, d/{b, e/{c}, f}, g */
static void write_sample(void)
{
	struct stat_cache_writer *w = begin();

	add(w, "a", 1);
	stat_cache_writer_enter(w, "d", 1);
	add(w, "b", 2);
	stat_cache_writer_enter(w, "e", 1);
	add(w, "c", 3);
	stat_cache_writer_leave(w);
	add(w, "f", 4);
	stat_cache_writer_leave(w);
	add(w, "g", 5);
	assert_int_equal(stat_cache_writer_finish(w, &some_root), 0);
}

static struct stat_cache *open_sample(void)
{
	struct stat_cache *c;
	struct id root;

	assert_int_equal(stat_cache_open(io_system(), folder, "cache", &c, &root), 0);
	assert_true(id_equal(&root, &some_root));
	assert_false(stat_cache_differs(c));
	return c;
}

static void what_was_written_is_found_and_nothing_differs(void **state)
{
	struct stat_cache *c;

	(void)state;
	write_sample();
	c = open_sample();
	assert_true(has(c, "a", 1));
	stat_cache_enter(c, "d", 1);
	assert_true(has(c, "b", 2));
	stat_cache_enter(c, "e", 1);
	assert_true(has(c, "c", 3));
	stat_cache_leave(c);
	assert_true(has(c, "f", 4));
	stat_cache_leave(c);
	assert_true(has(c, "g", 5));
	stat_cache_finish(c);
	assert_false(stat_cache_differs(c));
	stat_cache_close(c);
}

static void new_names_are_absent_and_cost_nothing_of_the_rest(void **state)
{
	struct stat_cache *c;

	(void)state;
	write_sample();
	c = open_sample();
	assert_false(has(c, "A", 1));
	assert_false(stat_cache_differs(c));
	assert_true(has(c, "a", 1));
	stat_cache_enter(c, "c", 1);
	assert_true(stat_cache_differs(c));
	assert_false(has(c, "b", 2));
	stat_cache_enter(c, "e", 1);
	stat_cache_leave(c);
	stat_cache_leave(c);
	stat_cache_enter(c, "d", 1);
	assert_true(has(c, "b", 2));
	stat_cache_leave(c);
	assert_true(has(c, "g", 5));
	stat_cache_close(c);
}

static void names_that_are_gone_make_it_differ(void **state)
{
	struct stat_cache *c;

	(void)state;
	write_sample();
	c = open_sample();
	assert_true(has(c, "g", 5)); /* a and the whole of d were passed over */
	assert_true(stat_cache_differs(c));
	assert_false(stat_cache_differs(c));
	stat_cache_close(c);

	c = open_sample();
	assert_true(has(c, "a", 1));
	stat_cache_enter(c, "d", 1);
	assert_true(has(c, "b", 2));
	assert_false(stat_cache_differs(c));
	stat_cache_leave(c); /* e and f */
	assert_true(stat_cache_differs(c));
	assert_true(has(c, "g", 5));
	stat_cache_close(c);

	c = open_sample();
	assert_true(has(c, "a", 1));
	stat_cache_finish(c);
	assert_true(stat_cache_differs(c));
	stat_cache_close(c);
}

static void a_file_that_became_a_directory_is_absent_and_back(void **state)
{
	struct stat_cache *c;
	struct stat_cache_entry e;

	(void)state;
	write_sample();
	c = open_sample();
	stat_cache_enter(c, "a", 1);
	assert_true(stat_cache_differs(c));
	assert_int_equal(stat_cache_find(c, "a", 1, &e), -ENOENT);
	stat_cache_leave(c);
	assert_int_equal(stat_cache_find(c, "d", 1, &e), -ENOENT);
	assert_true(has(c, "g", 5));
	assert_true(stat_cache_differs(c));
	stat_cache_close(c);
}

static void an_entry_as_young_as_the_run_is_racy(void **state)
{
	static const struct {
		struct timespec time;
		bool racy;
	} cases[] = {
	    {{START - 3, 999999999}, false}, {{START - 2, 499}, false}, {{START - 2, 500}, true}, {{START, 0}, true},
	    {{START + 9999, 0}, true},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct stat_cache_writer *w = begin();
		struct stat_cache_entry e = entry_of(1), got;
		struct stat_cache *c;
		struct id root;

		e.stamp.mtime = cases[i].time;
		stat_cache_writer_add(w, "m", 1, &e);
		e = entry_of(1);
		e.stamp.ctime = cases[i].time;
		stat_cache_writer_add(w, "n", 1, &e);
		assert_int_equal(stat_cache_writer_finish(w, NULL), 0);
		assert_int_equal(stat_cache_open(io_system(), folder, "cache", &c, &root), 0);
		assert_int_equal(stat_cache_find(c, "m", 1, &got), 0);
		assert_int_equal(got.racy, cases[i].racy);
		assert_int_equal(stat_cache_find(c, "n", 1, &got), 0);
		assert_int_equal(got.racy, cases[i].racy);
		stat_cache_close(c);
	}
}

static void a_stamp_tells_every_field_apart(void **state)
{
	struct file_stamp a = entry_of(1).stamp, b;

	(void)state;
	b = a;
	assert_true(file_stamp_equal(&a, &b));
	b.size++;
	assert_false(file_stamp_equal(&a, &b));
	b = a;
	b.ino++;
	assert_false(file_stamp_equal(&a, &b));
	b = a;
	b.mode ^= 0100;
	assert_false(file_stamp_equal(&a, &b));
	b = a;
	b.mtime.tv_nsec--;
	assert_false(file_stamp_equal(&a, &b));
	b = a;
	b.ctime.tv_sec++;
	assert_false(file_stamp_equal(&a, &b));
}

static void many_blocks_keep_their_order(void **state)
{
	struct stat_cache_writer *w = begin();
	struct stat_cache *c;
	char name[32];

	(void)state;
	for (unsigned i = 0; i < 20000; i++) {
		snprintf(name, sizeof(name), "%08u", i);
		add(w, name, i);
	}
	assert_int_equal(stat_cache_writer_finish(w, &some_root), 0);
	c = open_sample();
	for (unsigned i = 0; i < 20000; i += 1 + i / 16) {
		snprintf(name, sizeof(name), "%08u", i);
		assert_true(has(c, name, i));
	}
	stat_cache_close(c);
}

static void a_name_of_no_bytes_is_that_of_a_one_file_dataset(void **state)
{
	struct stat_cache_writer *w = begin();
	struct stat_cache *c;

	(void)state;
	add(w, "", 7);
	assert_int_equal(stat_cache_writer_finish(w, &some_root), 0);
	c = open_sample();
	assert_true(has(c, "", 7));
	stat_cache_close(c);
}

static void an_entry_of_another_size_than_its_stamp_is_left_out(void **state)
{
	struct stat_cache_writer *w = begin();
	struct stat_cache_entry e = entry_of(1);
	struct stat_cache *c;

	(void)state;
	e.stamp.size++;
	stat_cache_writer_add(w, "a", 1, &e);
	assert_int_equal(stat_cache_writer_finish(w, &some_root), 0);
	c = open_sample();
	assert_int_equal(stat_cache_find(c, "a", 1, &e), -ENOENT);
	stat_cache_close(c);
}

static void a_dropped_writer_leaves_the_old_file(void **state)
{
	struct stat_cache_writer *w;
	struct stat_cache *c;

	(void)state;
	write_sample();
	w = begin();
	add(w, "other", 1);
	stat_cache_writer_abort(w);
	c = open_sample();
	assert_true(has(c, "a", 1));
	stat_cache_close(c);
	scratch_sh("test \"$(ls)\" = cache");
}

/* Whatever FILE says now, it says nothing wrong: what is found is what was written, and what is lost makes it differ.
 */
static void check_damaged(void)
{
	struct stat_cache *c;
	struct id root;
	bool all = true;

	if (stat_cache_open(io_system(), folder, "cache", &c, &root))
		return;
	all &= has(c, "a", 1);
	stat_cache_enter(c, "d", 1);
	all &= has(c, "b", 2);
	stat_cache_enter(c, "e", 1);
	all &= has(c, "c", 3);
	stat_cache_leave(c);
	all &= has(c, "f", 4);
	stat_cache_leave(c);
	all &= has(c, "g", 5);
	stat_cache_finish(c);
	assert_true(all || stat_cache_differs(c));
	stat_cache_close(c);
}

static void rewrite(const void *data, size_t len)
{
	int fd = openat(folder, "cache", O_WRONLY | O_TRUNC | O_CLOEXEC);

	assert_int_equal(write(fd, data, len), len);
	close(fd);
}

static void every_truncation_and_every_flipped_byte_is_harmless(void **state)
{
	void *data;
	size_t len;

	(void)state;
	write_sample();
	assert_int_equal(io_read_file(io_system(), folder, "cache", 1 << 20, &data, &len), 0);
	for (size_t i = 0; i < len; i++) {
		rewrite(data, i);
		check_damaged();
	}
	for (size_t i = 0; i < len; i++) {
		((uint8_t *)data)[i] ^= (uint8_t)(1 + i % 255);
		rewrite(data, len);
		check_damaged();
		((uint8_t *)data)[i] ^= (uint8_t)(1 + i % 255);
	}
	rewrite(data, len);
	free(data);
	stat_cache_close(open_sample());
}

static void what_is_copied_reads_the_same(void **state)
{
	struct stat_cache_writer *w;
	struct stat_cache *c;

	(void)state;
	write_sample();
	c = open_sample();
	w = begin();
	stat_cache_copy(c, "d", 1, w); /* a */
	stat_cache_enter(c, "d", 1);
	stat_cache_writer_enter(w, "d", 1);
	stat_cache_copy(c, "f", 1, w); /* b, e with c */
	add(w, "f", 9);
	stat_cache_leave(c); /* not the old f */
	stat_cache_writer_leave(w);
	stat_cache_copy(c, NULL, 0, w);
	stat_cache_close(c);
	assert_int_equal(stat_cache_writer_finish(w, &some_root), 0);

	c = open_sample();
	assert_true(has(c, "a", 1));
	stat_cache_enter(c, "d", 1);
	assert_true(has(c, "b", 2));
	stat_cache_enter(c, "e", 1);
	assert_true(has(c, "c", 3));
	stat_cache_leave(c);
	assert_true(has(c, "f", 9));
	stat_cache_leave(c);
	assert_true(has(c, "g", 5));
	stat_cache_finish(c);
	assert_false(stat_cache_differs(c));
	stat_cache_close(c);
}

static void no_cache_has_nothing_and_differs(void **state)
{
	struct stat_cache *c = NULL;
	struct stat_cache_entry e;
	struct id root;

	(void)state;
	assert_int_equal(stat_cache_open(io_system(), folder, "absent", &c, &root), -ENOENT);
	assert_int_equal(stat_cache_find(NULL, "a", 1, &e), -ENOENT);
	stat_cache_enter(NULL, "a", 1);
	stat_cache_leave(NULL);
	stat_cache_finish(NULL);
	assert_true(stat_cache_differs(NULL));
	stat_cache_close(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(what_was_written_is_found_and_nothing_differs),
	    cmocka_unit_test(new_names_are_absent_and_cost_nothing_of_the_rest),
	    cmocka_unit_test(names_that_are_gone_make_it_differ),
	    cmocka_unit_test(a_file_that_became_a_directory_is_absent_and_back),
	    cmocka_unit_test(an_entry_as_young_as_the_run_is_racy),
	    cmocka_unit_test(a_stamp_tells_every_field_apart),
	    cmocka_unit_test(many_blocks_keep_their_order),
	    cmocka_unit_test(a_name_of_no_bytes_is_that_of_a_one_file_dataset),
	    cmocka_unit_test(an_entry_of_another_size_than_its_stamp_is_left_out),
	    cmocka_unit_test(a_dropped_writer_leaves_the_old_file),
	    cmocka_unit_test(every_truncation_and_every_flipped_byte_is_harmless),
	    cmocka_unit_test(what_is_copied_reads_the_same),
	    cmocka_unit_test(no_cache_has_nothing_and_differs),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
