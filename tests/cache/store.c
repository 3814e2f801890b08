/* A store: making, opening, refusing, modes, the lock. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "cache/writer.h"
#include "tests/support/disk.h"
#include "tests/support/fault.h"
#include "tests/support/sample.h"
#include "tests/support/scratch.h"

static int setup(void **state)
{
	(void)state;
	umask(022);
	scratch_open_in_memory();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	scratch_close();
	return 0;
}

static int open_store(const char *name, unsigned flags, mode_t group_mode, struct store **store)
{
	char *path = scratch_path(name);
	int r = store_open(io_system(), path, flags, group_mode, store);
	free(path);
	return r;
}

static void make_store(const char *name)
{
	struct store *store;
	assert_int_equal(open_store(name, STORE_CREATE, 0, &store), 0);
	store_close(store);
}

static mode_t mode_of(const char *name)
{
	struct stat st;
	char *path = scratch_path(name);
	assert_int_equal(lstat(path, &st), 0);
	free(path);
	return st.st_mode & 07777;
}

static void absent_store_is_enoent(void **state)
{
	struct store *store;
	(void)state;
	assert_int_equal(open_store("none", 0, 0, &store), -ENOENT);
	assert_int_equal(open_store("none/below", STORE_CREATE, 0, &store), -ENOENT);
	scratch_sh("mkdir empty; touch file");
	assert_int_equal(open_store("empty", 0, 0, &store), -ENOENT);
	assert_int_equal(open_store("file", 0, 0, &store), -ENOENT);
	assert_int_equal(open_store("none", STORE_CREATE | STORE_READ_ONLY, 0, &store), -ENOENT);
}

static void made_store_is_as_the_format_says(void **state)
{
	(void)state;
	make_store("store");
	char *names = scratch_output("ls store; cat store/revfs-store");
	assert_string_equal(names, "condemned\nhints\npacks\nrevfs-store\nroots\ntmp\nrevfs-store 1.0");
	free(names);
	assert_int_equal(mode_of("store/revfs-store"), 0444);
	make_store("store");
}

static void path_may_be_a_link(void **state)
{
	struct store *store;
	(void)state;
	make_store("store");
	scratch_sh("ln -s store link");
	assert_int_equal(open_store("link", 0, 0, &store), 0);
	store_close(store);
}

static void version_is(const char *text, int expected)
{
	struct store *store;
	scratch_sh("rm -f store/revfs-store; printf '%s' >store/revfs-store", text);
	int r = open_store("store", STORE_CREATE, 0, &store);
	assert_int_equal(r, expected);
	if (r == 0)
		store_close(store);
}

static void unknown_versions_and_features_are_refused(void **state)
{
	struct store *store;
	(void)state;
	make_store("store");
	version_is("revfs-store 1.0\\n", 0);
	version_is("revfs-store 1.12\\n", 0);
	version_is("revfs-store 1.1\\nsomething of later\\n", 0);
	version_is("revfs-store 2.0\\n", -ENOTSUP);
	version_is("revfs-store 10.0\\n", -ENOTSUP);
	version_is("revfs-store 1.0\\nrequire fire\\n", -ENOTSUP);
	version_is("revfs-store 1.0\\nbla\\nrequire fire\\n", -ENOTSUP);
	version_is("revfs-store 1.0", -EBADMSG);
	version_is("revfs-store 1\\n", -EBADMSG);
	version_is("revfs-store 1.\\n", -EBADMSG);
	version_is("revfs-store x.0\\n", -EBADMSG);
	version_is("revfs-store 1.0 \\n", -EBADMSG);
	version_is("", -EBADMSG);
	version_is("revfs-store 1.0\\nhalf a line", -EBADMSG);
	scratch_sh("rm store/revfs-store; ln -s /etc/passwd store/revfs-store");
	assert_int_equal(open_store("store", 0, 0, &store), -EBADMSG);
	scratch_sh("rm store/revfs-store; mkfifo store/revfs-store");
	assert_int_equal(open_store("store", 0, 0, &store), -EBADMSG);
	scratch_sh("rm store/revfs-store; head -c 5000 /dev/zero >store/revfs-store");
	assert_int_equal(open_store("store", 0, 0, &store), -EBADMSG);
}

static void write_one(const char *name, mode_t group_mode)
{
	struct store *store;
	struct store_writer *writer;
	struct sample page;
	assert_int_equal(open_store(name, STORE_CREATE, group_mode, &store), 0);
	assert_int_equal(store_writer_open(store, &writer), 0);
	assert_int_equal(sample_put(writer, RECORD_CHUNK, 1, 100, NULL), 0);
	assert_int_equal(store_writer_commit(writer), 0);
	sample_init(&page, RECORD_PAGE, 1, 100);
	assert_int_equal(store_put_root(store, &page.id, page.data, page.len, page.hashed_len), 0);
	sample_release(&page);
	store_writer_close(writer);
	store_close(store);
}

/* What find(1) says of all modes below NAME. */
static void modes_are(const char *name, const char *folders, const char *files)
{
	char *found = scratch_output("find %s -type d -printf '%%m\\n' | sort -u; echo; "
	                             "find %s -type f ! -name lock -printf '%%m\\n' | sort -u",
	                             name, name);
	char expected[64];
	snprintf(expected, sizeof(expected), "%s\n\n%s", folders, files);
	assert_string_equal(found, expected);
	free(found);
}

static void modes_follow_the_umask_and_the_group_rules(void **state)
{
	(void)state;
	write_one("usual", 0);
	modes_are("usual", "755", "444");
	write_one("shared", 0070);
	modes_are("shared", "2775", "444");
	assert_int_equal(mode_of("shared/lock"), 0664);
	umask(077);
	write_one("private", 0);
	modes_are("private", "700", "400");
	assert_int_equal(mode_of("private/lock"), 0600);
	write_one("team", 0070);
	modes_are("team", "2770", "440");
	assert_int_equal(mode_of("team/lock"), 0660);
	write_one("all", 0077);
	modes_are("all", "2777", "444");
	umask(022);
}

/* The top folder says, also where a later writer's mask differs. */
static void modes_follow_the_top_folder(void **state)
{
	(void)state;
	umask(077);
	make_store("store");
	umask(0);
	write_one("store", 0);
	umask(022);
	modes_are("store", "700", "400");
}

static void store_without_its_folders_reads_and_is_completed(void **state)
{
	struct store *store;
	struct store_size size;
	(void)state;
	make_store("store");
	scratch_sh("rm -r store/packs store/roots store/condemned store/tmp store/hints");
	assert_int_equal(open_store("store", STORE_READ_ONLY, 0, &store), 0);
	assert_int_equal(sample_read(store, RECORD_CHUNK, 1, 100, NULL), -ENOENT);
	assert_int_equal(store_measure(store, &size), 0);
	assert_int_equal(size.packs, 0);
	assert_int_equal(store_sweep_tmp(store, 0), -EROFS);
	store_close(store);
	char *names = scratch_output("ls store");
	assert_string_equal(names, "revfs-store");
	free(names);
	write_one("store", 0);
	assert_int_equal(open_store("store", 0, 0, &store), 0);
	assert_int_equal(sample_read(store, RECORD_CHUNK, 1, 100, NULL), 0);
	store_close(store);
}

/* What would write fails on the fault's disk, so that a write would be seen. */
static void read_only_store_writes_nothing(void **state)
{
	struct store *store;
	struct fault fault;
	struct id root = sample_id(RECORD_PAGE, 1, 100);
	struct condemned item = {0};
	struct pack_id pack = {0};
	(void)state;
	write_one("store", 0);
	scratch_sh("rm store/hints/* store/lock");
	char *before = scratch_output("find store -printf '%%p %%T@ %%C@ %%m\\n' | sort");
	char *path = scratch_path("store");
	fault_init(&fault, io_system());
	assert_int_equal(store_open(&fault.io, path, STORE_READ_ONLY | STORE_CREATE, 0, &store), 0);
	assert_int_equal(sample_read(store, RECORD_CHUNK, 1, 100, NULL), 0);
	assert_int_equal(store_has_root(store, &root), 0);
	assert_int_equal(store_lock(store, false, 0), -EROFS);
	assert_int_equal(store_put_root(store, &root, NULL, 0, 0), -EROFS);
	assert_int_equal(store_remove_root(store, &root), -EROFS);
	assert_int_equal(store_remove_pack(store, &pack), -EROFS);
	assert_int_equal(store_write_moved(store, &pack, NULL, 0), -EROFS);
	assert_int_equal(store_condemn(store, &item, 1), -EROFS);
	assert_int_equal(store_clear_condemned(store), -EROFS);
	store_close(store);
	assert_int_equal(fault.calls[FAULT_WRITE] + fault.calls[FAULT_MKDIR] + fault.calls[FAULT_RENAME] +
	                     fault.calls[FAULT_LINK] + fault.calls[FAULT_UNLINK] + fault.calls[FAULT_CHMOD] +
	                     fault.calls[FAULT_FSYNC],
	                 0);
	char *after = scratch_output("find store -printf '%%p %%T@ %%C@ %%m\\n' | sort");
	assert_string_equal(before, after);
	free(before);
	free(after);
	free(path);
}

/* A command that only looks leaves what it learned, and does not mind where it cannot. */
static void reader_leaves_look_up_files_where_it_may(void **state)
{
	struct store *store;
	struct fault fault;
	(void)state;
	write_one("store", 0);
	scratch_sh("rm store/hints/*");
	char *path = scratch_path("store");
	fault_init(&fault, io_system());
	assert_int_equal(store_open(&fault.io, path, 0, 0, &store), 0);
	fault_set(&fault, FAULT_WRITE, 1, 1000, -EACCES);
	assert_int_equal(sample_read(store, RECORD_CHUNK, 1, 100, NULL), 0);
	store_close(store);
	assert_int_equal(scratch_try("test -z \"$(ls store/hints store/tmp | grep -v :)\""), 0);
	assert_int_equal(open_store("store", 0, 0, &store), 0);
	assert_int_equal(sample_read(store, RECORD_CHUNK, 1, 100, NULL), 0);
	store_close(store);
	assert_int_equal(scratch_try("test -n \"$(ls store/hints)\""), 0);
	free(path);
}

static void lock_is_shared_or_exclusive(void **state)
{
	struct store *a, *b;
	(void)state;
	make_store("store");
	assert_int_equal(open_store("store", 0, 0, &a), 0);
	assert_int_equal(open_store("store", 0, 0, &b), 0);
	int shared = store_lock(a, false, 0), second = store_lock(b, false, 0);
	assert_true(shared >= 0 && second >= 0);
	assert_int_equal(store_lock(b, true, 0), -EBUSY);
	store_unlock(a, shared);
	assert_int_equal(store_lock(b, true, 0), -EBUSY);
	store_unlock(b, second);
	int exclusive = store_lock(b, true, 0);
	assert_true(exclusive >= 0);
	assert_int_equal(store_lock(a, false, 0), -EBUSY);
	store_unlock(b, exclusive);
	store_close(a);
	store_close(b);
}

static void disk_without_locks_is_worked_on(void **state)
{
	struct store *store;
	struct fault fault;
	(void)state;
	make_store("store");
	char *path = scratch_path("store");
	fault_init(&fault, io_system());
	assert_int_equal(store_open(&fault.io, path, 0, 0, &store), 0);
	fault_set(&fault, FAULT_LOCK, 1, 1, -ENOLCK);
	int lock = store_lock(store, true, 0);
	assert_true(lock >= 0);
	store_unlock(store, lock);
	store_close(store);
	free(path);
}

static void sizes_are_those_of_packs_and_roots(void **state)
{
	struct store *store;
	struct store_size size;
	(void)state;
	write_one("store", 0);
	scratch_sh("touch store/packs/README; mkdir -p store/packs/zz store/packs/aa; touch store/packs/aa/b");
	assert_int_equal(open_store("store", 0, 0, &store), 0);
	assert_int_equal(store_measure(store, &size), 0);
	assert_int_equal(size.packs, 1);
	assert_int_equal(size.roots, 1);
	/* Pack: header, record, index, trailer.  Root: header, record. */
	assert_int_equal(size.bytes, 64 + 24 + 100 + 48 + 64 + 64 + 24 + 100);
	store_close(store);
}

static void sweep_removes_what_is_old(void **state)
{
	struct store *store;
	struct fault fault;
	(void)state;
	make_store("store");
	scratch_sh("touch store/tmp/new; touch -d '2 days ago' store/tmp/old; mkdir store/tmp/folder");
	char *path = scratch_path("store");
	fault_init(&fault, io_system());
	assert_int_equal(store_open(&fault.io, path, 0, 0, &store), 0);
	assert_int_equal(store_sweep_tmp(store, 86400), 1);
	fault.clock_ns = (uint64_t)3 * 86400 * 1000000000;
	assert_int_equal(store_sweep_tmp(store, 86400), 1);
	char *names = scratch_output("ls store/tmp");
	assert_string_equal(names, "folder");
	free(names);
	store_close(store);
	free(path);
}

/* Making a store, with the power cut at every change: it is whole or not there, and made by the next. */
static void power_loss_while_making_is_survived(void **state)
{
	(void)state;
	for (unsigned memory = DISK_FORGETS_ALL; memory <= DISK_KEEPS_SOME; memory++) {
		for (uint64_t nth = 1;; nth++) {
			struct store *store;
			char name[32];
			snprintf(name, sizeof(name), "%u-%u", memory, (unsigned)nth);
			scratch_sh("mkdir %s", name);
			char *top = scratch_path(name), *path;
			assert_true(asprintf(&path, "%s/store", top) > 0);
			struct disk *disk = disk_open(top);
			disk_cut(disk, nth);
			int made = store_open(disk_io(disk), path, STORE_CREATE, 0, &store);
			if (made == 0)
				store_close(store);
			const bool cut = disk_is_cut(disk);
			disk_restart(disk, memory, nth);
			int r = store_open(disk_io(disk), path, 0, 0, &store);
			assert_true(r == 0 || (made < 0 && r == -ENOENT));
			if (r == 0)
				store_close(store);
			assert_int_equal(store_open(disk_io(disk), path, STORE_CREATE, 0, &store), 0);
			store_close(store);
			disk_close(disk);
			free(path);
			free(top);
			if (!cut)
				break;
			assert_true(nth < 100);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(absent_store_is_enoent, setup, teardown),
	    cmocka_unit_test_setup_teardown(made_store_is_as_the_format_says, setup, teardown),
	    cmocka_unit_test_setup_teardown(path_may_be_a_link, setup, teardown),
	    cmocka_unit_test_setup_teardown(unknown_versions_and_features_are_refused, setup, teardown),
	    cmocka_unit_test_setup_teardown(modes_follow_the_umask_and_the_group_rules, setup, teardown),
	    cmocka_unit_test_setup_teardown(modes_follow_the_top_folder, setup, teardown),
	    cmocka_unit_test_setup_teardown(store_without_its_folders_reads_and_is_completed, setup, teardown),
	    cmocka_unit_test_setup_teardown(read_only_store_writes_nothing, setup, teardown),
	    cmocka_unit_test_setup_teardown(reader_leaves_look_up_files_where_it_may, setup, teardown),
	    cmocka_unit_test_setup_teardown(lock_is_shared_or_exclusive, setup, teardown),
	    cmocka_unit_test_setup_teardown(disk_without_locks_is_worked_on, setup, teardown),
	    cmocka_unit_test_setup_teardown(sizes_are_those_of_packs_and_roots, setup, teardown),
	    cmocka_unit_test_setup_teardown(sweep_removes_what_is_old, setup, teardown),
	    cmocka_unit_test_setup_teardown(power_loss_while_making_is_survived, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
