#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "fs/instep.h"
#include "tests/support/scratch.h"

static const struct io *io;
static int folder;

static int setup(void **state)
{
	(void)state;
	io = io_system();
	folder = instep_open_folder(io, scratch_open(), true);
	return folder < 0;
}

static int teardown(void **state)
{
	(void)state;
	io_close(io, folder);
	scratch_close();
	return 0;
}

static struct instep sample(void)
{
	struct instep record = {.has_root = true, .has_replaces = true, .has_checkout = true};

	memset(record.root.bytes, 1, ID_SIZE);
	memset(record.replaces.bytes, 2, ID_SIZE);
	memset(record.checkout.bytes, 3, ID_SIZE);
	return record;
}

static void a_record_is_read_as_it_was_written(void **state)
{
	struct instep want = sample(), got;

	(void)state;
	for (unsigned bits = 0; bits < 16; bits++) {
		want.is_first = bits & 8;
		if (want.is_first && bits & 2)
			continue;
		want.has_root = bits & 1;
		want.has_replaces = bits & 2;
		want.has_checkout = bits & 4;
		assert_int_equal(instep_write(io, folder, "a/b", &want), 0);
		assert_int_equal(instep_read(io, folder, "a/b", &got), 0);
		assert_int_equal(got.has_root, want.has_root);
		assert_int_equal(got.has_replaces, want.has_replaces);
		assert_int_equal(got.is_first, want.is_first);
		assert_int_equal(got.has_checkout, want.has_checkout);
		assert_true(!got.has_root || id_equal(&got.root, &want.root));
		assert_true(!got.has_replaces || id_equal(&got.replaces, &want.replaces));
		assert_true(!got.has_checkout || id_equal(&got.checkout, &want.checkout));
	}
}

/* A snapshot that was killed before its pointer was there left the files in step with what it was to replace. */
static void the_pointer_says_what_a_killed_snapshot_came_to(void **state)
{
	const struct instep begun = {.has_root = true, .root = sample().root, .replaces = sample().replaces};
	struct instep record = begun;
	struct id other;

	(void)state;
	memset(other.bytes, 9, ID_SIZE);
	instep_settle(&record, &other);
	assert_true(record.has_root && id_equal(&record.root, &begun.root));
	for (unsigned i = 0; i < 3; i++) {
		const struct id *pointers[] = {&begun.root, &begun.replaces, &other};

		record = begun;
		record.has_replaces = true;
		instep_settle(&record, pointers[i]);
		assert_true(record.has_root && !record.has_replaces);
		assert_true(id_equal(&record.root, i ? &begun.replaces : &begun.root));
		record = begun;
		record.is_first = true;
		instep_settle(&record, pointers[i]);
		assert_int_equal(record.has_root, !i);
		assert_true(!record.is_first && (i || id_equal(&record.root, &begun.root)));
	}
}

/* Checkouts that did not end are known, each once, the last first, and no more than there is room for. */
static void checkouts_begun_before_are_kept(void **state)
{
	struct instep record = sample(), got;
	struct id root = {0};

	(void)state;
	instep_begin_checkout(&record, &record.checkout);
	assert_int_equal(record.before_count, 0);
	assert_false(record.has_replaces);
	for (unsigned i = 0; i < INSTEP_BEFORE_MAX + 3; i++) {
		memset(root.bytes, (int)(10 + i), ID_SIZE);
		instep_begin_checkout(&record, &root);
		assert_int_equal(instep_write(io, folder, "a/b", &record), 0);
		assert_int_equal(instep_read(io, folder, "a/b", &got), 0);
		assert_true(id_equal(&got.checkout, &root) && got.has_root && id_equal(&got.root, &record.root));
		assert_int_equal(got.before_count, i < INSTEP_BEFORE_MAX ? i + 1 : INSTEP_BEFORE_MAX);
		for (unsigned k = 0; k < got.before_count; k++)
			assert_int_equal(got.before[k].bytes[5], k == i ? 3 : 9 + i - k);
	}
	/* One that begins again is the last. */
	root = record.before[2];
	instep_begin_checkout(&record, &root);
	assert_int_equal(record.before_count, INSTEP_BEFORE_MAX);
	for (unsigned k = 0; k < record.before_count; k++)
		assert_false(id_equal(&record.before[k], &root));
}

static void an_absent_record_is_enoent(void **state)
{
	struct instep record;

	(void)state;
	assert_int_equal(instep_read(io, folder, "absent", &record), -ENOENT);
	assert_int_equal(instep_remove(io, folder, "absent"), 0);
}

static void a_removed_record_takes_its_stat_cache_along(void **state)
{
	struct instep record = sample();
	char name[INSTEP_NAME_SIZE];

	(void)state;
	assert_int_equal(instep_write(io, folder, "gone", &record), 0);
	instep_stat_name("gone", name);
	scratch_sh("touch revfs/worktree/%s", name);
	assert_int_equal(instep_remove(io, folder, "gone"), 0);
	assert_int_equal(instep_read(io, folder, "gone", &record), -ENOENT);
	scratch_sh("test ! -e revfs/worktree/%s", name);
}

struct seen {
	char paths[4][64];
	unsigned count;
};

static int see(void *arg, const char *path, const struct instep *record)
{
	struct seen *seen = arg;

	if (!record->has_root || seen->count == 4)
		return -EINVAL;
	strncpy(seen->paths[seen->count++], path, 63);
	return 0;
}

static void any_path_is_told_as_it_was(void **state)
{
	static const char *const odd = "a%b/\xff\n\x01 \"c\"/100%";
	struct instep record = sample();
	struct seen seen = {0};

	(void)state;
	scratch_sh("rm -f revfs/worktree/*");
	assert_int_equal(instep_write(io, folder, odd, &record), 0);
	scratch_sh("touch revfs/worktree/lock revfs/worktree/x.stat");
	assert_int_equal(instep_each(io, folder, see, &seen), 0);
	assert_int_equal(seen.count, 1);
	assert_string_equal(seen.paths[0], odd);
	assert_int_equal(instep_read(io, folder, odd, &record), 0);
	scratch_sh("LC_ALL=C grep -q '^path a%%25b/%%FF%%0A%%01%%20\"c\"/100%%25$' revfs/worktree/*.step");
}

static int stop(void *arg, const char *path, const struct instep *record)
{
	(void)path;
	(void)record;
	++*(unsigned *)arg;
	return 7;
}

static void the_walk_ends_with_an_answer(void **state)
{
	struct instep record = sample();
	unsigned calls = 0;

	(void)state;
	assert_int_equal(instep_write(io, folder, "one", &record), 0);
	assert_int_equal(instep_write(io, folder, "two", &record), 0);
	assert_int_equal(instep_each(io, folder, stop, &calls), 7);
	assert_int_equal(calls, 1);
}

/* The name of the file of "x", below the scratch folder. */
static char *record_path(void)
{
	return scratch_output("echo revfs/worktree/$(printf x | sha256sum | cut -d' ' -f1).step");
}

static void every_truncation_and_flipped_byte_is_refused_or_reads_as_a_record(void **state)
{
	struct instep record = sample(), got;
	char *path = record_path(), *name = strrchr(path, '/') + 1;
	uint8_t *data;
	size_t len;

	(void)state;
	assert_int_equal(instep_write(io, folder, "x", &record), 0);
	assert_int_equal(io_read_file(io, folder, name, 4096, (void **)&data, &len), 0);
	for (size_t i = 0; i < len; i++) {
		assert_int_equal(io_replace_file(io, folder, ".", name, data, i, 0644), 0);
		assert_int_equal(instep_read(io, folder, "x", &got), -EBADMSG);
	}
	for (size_t i = 0; i < len; i++) {
		int fd = io_open(io, folder, name, O_WRONLY, 0);

		data[i] ^= 0x80;
		assert_int_equal(io_write_exact(io, fd, data, len, 0), 0);
		io_close(io, fd);
		assert_int_equal(instep_read(io, folder, "x", &got), -EBADMSG);
		data[i] ^= 0x80;
	}
	free(data);
	free(path);
}

static void a_record_of_another_path_is_refused(void **state)
{
	struct instep record = sample();
	char *path = record_path();

	(void)state;
	assert_int_equal(instep_write(io, folder, "x", &record), 0);
	scratch_sh("sed -i 's/^path x/path y/' %s", path);
	assert_int_equal(instep_read(io, folder, "x", &record), -EBADMSG);
	scratch_sh("head -c 70000 /dev/zero >%s", path);
	assert_int_equal(instep_read(io, folder, "x", &record), -EBADMSG);
	free(path);
}

static void the_folder_is_made_only_when_asked(void **state)
{
	char *dir = scratch_path("other");
	int fd;

	(void)state;
	scratch_sh("mkdir other");
	assert_int_equal(instep_open_folder(io, dir, false), -ENOENT);
	fd = instep_open_folder(io, dir, true);
	assert_true(fd >= 0);
	io_close(io, fd);
	fd = instep_open_folder(io, dir, false);
	assert_true(fd >= 0);
	io_close(io, fd);
	free(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_record_is_read_as_it_was_written),
	    cmocka_unit_test(the_pointer_says_what_a_killed_snapshot_came_to),
	    cmocka_unit_test(checkouts_begun_before_are_kept),
	    cmocka_unit_test(an_absent_record_is_enoent),
	    cmocka_unit_test(a_removed_record_takes_its_stat_cache_along),
	    cmocka_unit_test(any_path_is_told_as_it_was),
	    cmocka_unit_test(the_walk_ends_with_an_answer),
	    cmocka_unit_test(every_truncation_and_flipped_byte_is_refused_or_reads_as_a_record),
	    cmocka_unit_test(a_record_of_another_path_is_refused),
	    cmocka_unit_test(the_folder_is_made_only_when_asked),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
