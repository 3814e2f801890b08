/* Look-up files: found again after writing, merged, dropped when damaged, cheap to open. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "cache/hint.h"
#include "cache/hint_run.h"
#include "tests/support/scratch.h"

/* The real machine, counting reads. */
struct counted {
	struct io_ops ops;
	struct io io;
	uint64_t reads;
	uint64_t bytes;
};

static ssize_t counted_pread(void *arg, int fd, void *data, size_t len, off_t offset)
{
	struct counted *counted = arg;
	ssize_t n = io_system()->ops->pread(NULL, fd, data, len, offset);

	counted->reads++;
	counted->bytes += n > 0 ? (uint64_t)n : 0;
	return n;
}

struct world {
	const char *path;
	int dirfd;
	struct counted counted;
	const struct io *io;
	struct hint *hint;
};

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	w->path = scratch_open();
	w->dirfd = open(w->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(w->dirfd >= 0);
	assert_int_equal(mkdirat(w->dirfd, "hints", 0777), 0);
	assert_int_equal(mkdirat(w->dirfd, "tmp", 0777), 0);
	w->counted.ops = *io_system()->ops;
	w->counted.ops.pread = counted_pread;
	w->counted.io = (struct io){.ops = &w->counted.ops, .arg = &w->counted};
	w->io = &w->counted.io;
	assert_int_equal(hint_open(w->io, w->dirfd, &w->hint), 0);
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	hint_close(w->hint);
	close(w->dirfd);
	scratch_close();
	free(w);
	return 0;
}

static void reopen(struct world *w)
{
	hint_close(w->hint);
	w->hint = NULL;
	assert_int_equal(hint_open(w->io, w->dirfd, &w->hint), 0);
}

/* Record N of pack P. */
static struct id record_id(unsigned p, unsigned n)
{
	uint64_t seed[2] = {p, n};
	struct id id;

	id_of(seed, sizeof(seed), &id);
	return id;
}

static struct pack_id pack_number(unsigned p)
{
	struct pack_id id;
	struct id hash = record_id(p, UINT32_MAX);

	memcpy(id.bytes, hash.bytes, sizeof(id.bytes));
	return id;
}

static int compare_entries(const void *a, const void *b)
{
	return pack_entry_cmp(a, b);
}

/* The index of pack P with COUNT records, the even ones chunks and the odd ones pages; malloc'ed. */
static struct pack_entry *index_of(unsigned p, unsigned count)
{
	struct pack_entry *entries = calloc(count ? count : 1, sizeof(*entries));
	unsigned i;

	assert_non_null(entries);
	for (i = 0; i < count; i++) {
		entries[i].id = record_id(p, i);
		entries[i].kind = i % 2 ? RECORD_PAGE : RECORD_CHUNK;
	}
	qsort(entries, count, sizeof(*entries), compare_entries);
	return entries;
}

static void add_pack(struct world *w, unsigned p, unsigned count)
{
	struct pack_entry *entries = index_of(p, count);
	struct pack_id id = pack_number(p);

	assert_int_equal(hint_add(w->hint, &id, entries, count), 0);
	free(entries);
}

struct wanted {
	struct pack_id pack;
	struct id id;
	const struct pack_entry *entries;
	unsigned told;
};

static int confirm(void *arg, const struct pack_id *pack, uint32_t slot)
{
	struct wanted *wanted = arg;

	wanted->told++;
	if (!pack_id_equal(pack, &wanted->pack))
		return -ENOENT;
	return id_equal(&wanted->entries[slot].id, &wanted->id) ? 0 : -ENOENT;
}

/* Every record of pack P is found where its index has it. */
static void all_found(struct world *w, unsigned p, unsigned count)
{
	struct pack_entry *entries = index_of(p, count);
	struct wanted wanted = {.pack = pack_number(p), .entries = entries};
	unsigned i;

	assert_true(hint_covers(w->hint, &wanted.pack));
	for (i = 0; i < count; i++) {
		wanted.id = entries[i].id;
		assert_int_equal(hint_find(w->hint, &wanted.id, confirm, &wanted), 0);
	}
	free(entries);
}

static void none_found(struct world *w, unsigned p, unsigned count)
{
	struct pack_id id = pack_number(p);
	struct wanted wanted = {.pack = id};
	unsigned i;

	assert_false(hint_covers(w->hint, &id));
	for (i = 0; i < count; i++) {
		wanted.id = record_id(p, i);
		assert_int_equal(hint_find(w->hint, &wanted.id, confirm, &wanted), -ENOENT);
		assert_int_equal(wanted.told, 0);
	}
}

static bool keep_all(void *arg, const struct pack_id *pack)
{
	(void)arg;
	(void)pack;
	return true;
}

static bool keep_even(void *arg, const struct pack_id *pack)
{
	unsigned p;

	(void)arg;
	for (p = 1; p < 1000; p += 2) {
		struct pack_id odd = pack_number(p);

		if (pack_id_equal(&odd, pack))
			return false;
	}
	return true;
}

static void write_all(struct world *w)
{
	assert_int_equal(hint_write(w->hint, keep_all, NULL), 0);
}

static struct hint_size measure(struct world *w)
{
	struct hint_size size;

	hint_measure(w->hint, &size);
	return size;
}

static int count_name(void *arg, const char *name)
{
	(void)name;
	(*(size_t *)arg)++;
	return 0;
}

static size_t files_in(struct world *w, const char *folder)
{
	size_t count = 0;

	assert_int_equal(io_list(io_system(), w->dirfd, folder, count_name, &count), 0);
	return count;
}

static void nothing_is_found_in_an_empty_store(void **state)
{
	struct world *w = *state;

	none_found(w, 1, 5);
	write_all(w);
	assert_int_equal(files_in(w, "hints"), 0);
	assert_int_equal(unlinkat(w->dirfd, "hints", AT_REMOVEDIR), 0);
	reopen(w);
	none_found(w, 1, 5);
}

static void added_records_are_found_before_writing(void **state)
{
	struct world *w = *state;

	add_pack(w, 1, 100);
	add_pack(w, 2, 0);
	add_pack(w, 3, 3000);
	all_found(w, 1, 100);
	all_found(w, 2, 0);
	all_found(w, 3, 3000);
	none_found(w, 4, 100);
	assert_int_equal(measure(w).pending, 3100);
	assert_int_equal(measure(w).pending_packs, 3);
}

static void written_records_are_found_again(void **state)
{
	struct world *w = *state;

	add_pack(w, 1, 100);
	add_pack(w, 2, 0);
	add_pack(w, 3, 40000);
	write_all(w);
	assert_int_equal(measure(w).pending, 0);
	all_found(w, 3, 40000);
	reopen(w);
	all_found(w, 1, 100);
	all_found(w, 2, 0);
	all_found(w, 3, 40000);
	none_found(w, 4, 100);
	assert_int_equal(measure(w).records, 40100);
	assert_int_equal(files_in(w, "tmp"), 0);
}

static void files_stay_few(void **state)
{
	struct world *w = *state;
	unsigned p;

	for (p = 0; p < 200; p++) {
		add_pack(w, p, 20);
		write_all(w);
		/* Each file has more than twice the records of the next: log2(200) and one. */
		assert_true(measure(w).files <= 9);
		assert_int_equal(files_in(w, "hints"), measure(w).files);
	}
	reopen(w);
	assert_int_equal(measure(w).records, 200 * 20);
	for (p = 0; p < 200; p++)
		all_found(w, p, 20);
}

static void refused_packs_are_left_out(void **state)
{
	struct world *w = *state;
	unsigned p;

	for (p = 0; p < 20; p++)
		add_pack(w, p, 50);
	assert_int_equal(hint_write(w->hint, keep_even, NULL), 0);
	for (p = 0; p < 20; p++)
		p % 2 ? none_found(w, p, 50) : all_found(w, p, 50);
	reopen(w);
	assert_int_equal(measure(w).records, 10 * 50);
}

static void file_of_refused_packs_is_removed(void **state)
{
	struct world *w = *state;

	add_pack(w, 1, 50);
	add_pack(w, 3, 50);
	write_all(w);
	assert_int_equal(files_in(w, "hints"), 1);
	assert_int_equal(hint_write(w->hint, keep_even, NULL), 0);
	assert_int_equal(files_in(w, "hints"), 0);
	none_found(w, 1, 50);
}

static void pack_covered_twice_is_merged_into_one(void **state)
{
	struct world *w = *state;
	struct hint *other;
	struct pack_entry *entries = index_of(1, 50);
	struct pack_id id = pack_number(1);

	assert_int_equal(hint_open(w->io, w->dirfd, &other), 0);
	assert_int_equal(hint_add(other, &id, entries, 50), 0);
	free(entries);
	add_pack(w, 1, 50);
	add_pack(w, 2, 1);
	write_all(w);
	assert_int_equal(hint_write(other, keep_all, NULL), 0);
	hint_close(other);
	assert_int_equal(files_in(w, "hints"), 2);
	reopen(w);
	assert_int_equal(measure(w).records, 51);
	all_found(w, 1, 50);
	all_found(w, 2, 1);
	add_pack(w, 3, 60);
	write_all(w);
	assert_int_equal(files_in(w, "hints"), 1);
	assert_int_equal(measure(w).records, 111);
}

/* The one file in hints/, opened for changing. */
static int remember_name(void *arg, const char *name)
{
	strcpy(arg, name);
	return 0;
}

static int open_only_file(struct world *w, uint64_t *size)
{
	char name[256] = "", path[300];
	struct stat st;
	int fd;

	assert_int_equal(files_in(w, "hints"), 1);
	io_list(io_system(), w->dirfd, "hints", remember_name, name);
	snprintf(path, sizeof(path), "hints/%s", name);
	assert_int_equal(fchmodat(w->dirfd, path, 0644, 0), 0);
	fd = openat(w->dirfd, path, O_RDWR | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &st), 0);
	*size = (uint64_t)st.st_size;
	return fd;
}

static void flip(int fd, uint64_t offset)
{
	uint8_t byte;

	assert_int_equal(pread(fd, &byte, 1, (off_t)offset), 1);
	byte ^= 0x40;
	assert_int_equal(pwrite(fd, &byte, 1, (off_t)offset), 1);
}

/* Look all records up as a store does: where a file is dropped, the pack is covered anew. */
static void found_or_covered_anew(struct world *w, unsigned p, unsigned count)
{
	struct pack_entry *entries = index_of(p, count);
	struct wanted wanted = {.pack = pack_number(p), .entries = entries};
	unsigned i;
	int answer;

	for (i = 0; i < count; i++) {
		if (!hint_covers(w->hint, &wanted.pack))
			assert_int_equal(hint_add(w->hint, &wanted.pack, entries, count), 0);
		wanted.id = entries[i].id;
		answer = hint_find(w->hint, &wanted.id, confirm, &wanted);
		if (answer == -ESTALE) {
			assert_false(hint_covers(w->hint, &wanted.pack));
			i--;
			continue;
		}
		assert_int_equal(answer, 0);
	}
	free(entries);
}

static void every_flipped_byte_is_noticed(void **state)
{
	struct world *w = *state;
	uint64_t at, size;

	/* But the major version at 8 and 9, for which see below. */
	for (at = 0;; at = at == 7 ? 10 : at + 1) {
		struct pack_id id = pack_number(1);
		int fd;

		add_pack(w, 1, 70);
		write_all(w);
		fd = open_only_file(w, &size);
		if (at == size) {
			close(fd);
			break;
		}
		flip(fd, at);
		close(fd);
		reopen(w);
		found_or_covered_anew(w, 1, 70);
		/* Dropped, and rebuilt in memory. */
		assert_int_equal(measure(w).files, 0);
		assert_true(hint_covers(w->hint, &id));
		/* The damaged file goes with the next writing. */
		write_all(w);
		assert_int_equal(files_in(w, "hints"), 1);
		assert_int_equal(hint_write(w->hint, keep_even, NULL), 0);
		assert_int_equal(files_in(w, "hints"), 0);
	}
	assert_int_equal(size, 64 + 16 + 2 * 8 + 70 * 16);
}

static void every_truncation_is_noticed(void **state)
{
	struct world *w = *state;
	uint64_t size;
	int fd;

	add_pack(w, 1, 30);
	write_all(w);
	fd = open_only_file(w, &size);
	while (size-- > 0) {
		assert_int_equal(ftruncate(fd, (off_t)size), 0);
		reopen(w);
		assert_int_equal(measure(w).files, 0);
		none_found(w, 1, 1);
	}
	close(fd);
}

static void damage_met_while_merging_drops_the_file(void **state)
{
	struct world *w = *state;
	uint64_t size;
	int fd;

	add_pack(w, 1, 100);
	write_all(w);
	fd = open_only_file(w, &size);
	flip(fd, size - 1);
	close(fd);
	reopen(w);
	add_pack(w, 2, 100);
	write_all(w);
	assert_int_equal(files_in(w, "hints"), 1);
	reopen(w);
	all_found(w, 2, 100);
	none_found(w, 1, 100);
}

static void larger_major_version_is_left_alone(void **state)
{
	struct world *w = *state;
	uint8_t major = 2;
	uint64_t size;
	int fd;

	add_pack(w, 1, 10);
	write_all(w);
	fd = open_only_file(w, &size);
	assert_int_equal(pwrite(fd, &major, 1, 8), 1);
	close(fd);
	reopen(w);
	none_found(w, 1, 10);
	add_pack(w, 1, 10);
	write_all(w);
	assert_int_equal(files_in(w, "hints"), 2);
	all_found(w, 1, 10);
}

static void what_is_no_look_up_file_is_left_alone(void **state)
{
	struct world *w = *state;

	close(openat(w->dirfd, "hints/README", O_CREAT | O_WRONLY | O_CLOEXEC, 0644));
	assert_int_equal(mkdirat(w->dirfd, "hints/00112233445566778899aabbccddeeff", 0755), 0);
	reopen(w);
	add_pack(w, 1, 10);
	write_all(w);
	assert_int_equal(files_in(w, "hints"), 3);
}

static void unwritable_folder_loses_nothing(void **state)
{
	struct world *w = *state;

	assert_int_equal(unlinkat(w->dirfd, "tmp", AT_REMOVEDIR), 0);
	add_pack(w, 1, 10);
	assert_int_equal(hint_write(w->hint, keep_all, NULL), -ENOENT);
	all_found(w, 1, 10);
	assert_int_equal(mkdirat(w->dirfd, "tmp", 0777), 0);
	write_all(w);
	reopen(w);
	all_found(w, 1, 10);
}

/*
 * A tenth of the ten million of the design: what is read at open is the tables, which are bounded, and a look-up is one
 * read of a file's bucket.
 */
static void million_records_open_and_find_with_few_reads(void **state)
{
	struct world *w = *state;
	uint64_t reads, bytes;
	unsigned p;

	for (p = 0; p < 100; p++)
		add_pack(w, p, 10000);
	write_all(w);
	assert_int_equal(measure(w).files, 1);
	reads = w->counted.reads;
	bytes = w->counted.bytes;
	reopen(w);
	assert_int_equal(measure(w).records, 1000000);
	assert_true(w->counted.reads - reads <= 2);
	assert_true(w->counted.bytes - bytes <= 64 + 100 * 16 + 65536 * 8);
	reads = w->counted.reads;
	bytes = w->counted.bytes;
	all_found(w, 77, 10000);
	assert_int_equal(w->counted.reads - reads, 10000);
	assert_true((w->counted.bytes - bytes) / 10000 < 4096);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(nothing_is_found_in_an_empty_store, setup, teardown),
	    cmocka_unit_test_setup_teardown(added_records_are_found_before_writing, setup, teardown),
	    cmocka_unit_test_setup_teardown(written_records_are_found_again, setup, teardown),
	    cmocka_unit_test_setup_teardown(files_stay_few, setup, teardown),
	    cmocka_unit_test_setup_teardown(refused_packs_are_left_out, setup, teardown),
	    cmocka_unit_test_setup_teardown(file_of_refused_packs_is_removed, setup, teardown),
	    cmocka_unit_test_setup_teardown(pack_covered_twice_is_merged_into_one, setup, teardown),
	    cmocka_unit_test_setup_teardown(every_flipped_byte_is_noticed, setup, teardown),
	    cmocka_unit_test_setup_teardown(every_truncation_is_noticed, setup, teardown),
	    cmocka_unit_test_setup_teardown(damage_met_while_merging_drops_the_file, setup, teardown),
	    cmocka_unit_test_setup_teardown(larger_major_version_is_left_alone, setup, teardown),
	    cmocka_unit_test_setup_teardown(what_is_no_look_up_file_is_left_alone, setup, teardown),
	    cmocka_unit_test_setup_teardown(unwritable_folder_loses_nothing, setup, teardown),
	    cmocka_unit_test_setup_teardown(million_records_open_and_find_with_few_reads, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
