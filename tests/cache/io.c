/* The door to the machine, and the fakes that stand behind it in other tests. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "cache/io.h"
#include "tests/support/disk.h"
#include "tests/support/fault.h"
#include "tests/support/scratch.h"

struct world {
	const char *path;
	int dirfd;
	struct fault fault;
	const struct io *io;
};

static int open_world(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	w->path = scratch_open();
	w->dirfd = open(w->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	fault_init(&w->fault, io_system());
	w->io = &w->fault.io;
	*state = w;
	return 0;
}

static int close_world(void **state)
{
	struct world *w = *state;
	assert_int_equal(w->fault.open_files, 0);
	close(w->dirfd);
	scratch_close();
	free(w);
	return 0;
}

static void put(struct world *w, const char *name, const char *text)
{
	assert_int_equal(io_replace_file(io_system(), w->dirfd, ".", name, text, strlen(text), 0644), 0);
}

static void assert_holds(struct world *w, const char *name, const char *text)
{
	void *data;
	size_t len;
	assert_int_equal(io_read_file(io_system(), w->dirfd, name, 1000, &data, &len), 0);
	assert_int_equal(len, strlen(text));
	assert_string_equal(data, text);
	free(data);
}

static int count_name(void *arg, const char *name)
{
	unsigned *count = arg;
	assert_true(strcmp(name, ".") != 0 && strcmp(name, "..") != 0);
	++*count;
	return 0;
}

static unsigned names_in(struct world *w, const char *folder)
{
	unsigned count = 0;
	assert_int_equal(io_list(io_system(), w->dirfd, folder, count_name, &count), 0);
	return count;
}

static void what_is_written_is_read(void **state)
{
	struct world *w = *state;
	char data[16] = "";
	int fd = io_open(w->io, w->dirfd, "a", O_RDWR | O_CREAT | O_EXCL, 0600);
	assert_true(fd >= 0);
	assert_int_equal(io_write_exact(w->io, fd, "world", 5, 6), 0);
	assert_int_equal(io_write_exact(w->io, fd, "hello ", 6, 0), 0);
	assert_int_equal(io_read_exact(w->io, fd, data, 11, 0), 0);
	assert_string_equal(data, "hello world");
	assert_int_equal(io_read_exact(w->io, fd, data, 5, 6), 0);
	assert_memory_equal(data, "world", 5);
	io_close(w->io, fd);
	io_close(w->io, -1);
	assert_true(fcntl(fd, F_GETFD) < 0);
}

static void read_past_the_end_is_damage_or_short(void **state)
{
	struct world *w = *state;
	char data[16];
	put(w, "a", "0123456789");
	uint64_t size = 0;
	int fd = io_open_regular(w->io, w->dirfd, "a", &size);
	assert_true(fd >= 0);
	assert_int_equal(size, 10);
	assert_int_equal(io_read_exact(w->io, fd, data, 11, 0), -EBADMSG);
	assert_int_equal(io_read_exact(w->io, fd, data, 1, 10), -EBADMSG);
	assert_int_equal(io_read_exact(w->io, fd, data, 2, INT64_MAX - 1), -EBADMSG);
	assert_int_equal(io_read_exact(w->io, fd, data, 2, UINT64_MAX), -EBADMSG);
	assert_int_equal(io_read_some(w->io, fd, data, 16, 4), 6);
	assert_memory_equal(data, "456789", 6);
	assert_int_equal(io_read_some(w->io, fd, data, 16, 10), 0);
	assert_int_equal(io_write_exact(w->io, fd, data, 2, UINT64_MAX), -EFBIG);
	io_close(w->io, fd);
}

static void short_and_interrupted_transfers_are_continued(void **state)
{
	struct world *w = *state;
	char data[10];
	w->fault.transfer_max = 3;
	int fd = io_open(w->io, w->dirfd, "a", O_RDWR | O_CREAT, 0600);
	fault_set(&w->fault, FAULT_WRITE, 2, 2, -EINTR);
	fault_set(&w->fault, FAULT_READ, 1, 3, -EINTR);
	fault_set(&w->fault, FAULT_FSYNC, 1, 1, -EINTR);
	assert_int_equal(io_write_exact(w->io, fd, "0123456789", 10, 0), 0);
	assert_int_equal(io_read_exact(w->io, fd, data, 10, 0), 0);
	assert_int_equal(io_fsync(w->io, fd), 0);
	assert_memory_equal(data, "0123456789", 10);
	assert_int_equal(w->fault.calls[FAULT_WRITE], 6);
	io_close(w->io, fd);
}

static void disk_that_takes_nothing_is_an_error(void **state)
{
	struct world *w = *state;
	int fd = io_open(w->io, w->dirfd, "a", O_RDWR | O_CREAT, 0600);
	atomic_store(&w->fault.room, 4);
	assert_int_equal(io_write_exact(w->io, fd, "0123456789", 10, 0), -ENOSPC);
	fault_clear(&w->fault);
	fault_set(&w->fault, FAULT_WRITE, 1, 1, -EFBIG);
	assert_int_equal(io_write_exact(w->io, fd, "0123456789", 10, 0), -EFBIG);
	fault_clear(&w->fault);
	fault_set(&w->fault, FAULT_FSYNC, 1, 1, -EIO);
	assert_int_equal(io_fsync(w->io, fd), -EIO);
	io_close(w->io, fd);
}

static void only_regular_files_are_opened_for_reading(void **state)
{
	struct world *w = *state;
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	char *path = scratch_path("socket");
	scratch_sh("mkfifo fifo && mkdir folder && echo x > file && ln -s file link");
	assert_int_equal(io_open_regular(w->io, w->dirfd, "fifo", NULL), -EBADMSG); /* and does not wait */
	assert_int_equal(io_open_regular(w->io, w->dirfd, "folder", NULL), -EBADMSG);
	assert_int_equal(io_open_regular(w->io, w->dirfd, "link", NULL), -EBADMSG);
	assert_int_equal(io_open_regular(w->io, w->dirfd, "none", NULL), -ENOENT);
	if (strlen(path) < sizeof(address.sun_path)) {
		int fd = socket(AF_UNIX, SOCK_STREAM, 0);
		strcpy(address.sun_path, path);
		assert_return_code(bind(fd, (struct sockaddr *)&address, sizeof(address)), errno);
		assert_int_equal(io_open_regular(w->io, w->dirfd, "socket", NULL), -EBADMSG);
		close(fd);
	}
	assert_int_equal(io_open(w->io, w->dirfd, "link", O_RDONLY, 0), -ELOOP);
	free(path);
}

static void whole_file_is_read_up_to_the_limit(void **state)
{
	struct world *w = *state;
	void *data = NULL;
	size_t len;
	put(w, "a", "0123456789");
	put(w, "empty", "");
	assert_int_equal(io_read_file(w->io, w->dirfd, "a", 10, &data, &len), 0);
	assert_int_equal(len, 10);
	assert_string_equal(data, "0123456789");
	free(data);
	assert_int_equal(io_read_file(w->io, w->dirfd, "empty", 0, &data, &len), 0);
	assert_int_equal(len, 0);
	assert_string_equal(data, "");
	free(data);
	assert_int_equal(io_read_file(w->io, w->dirfd, "a", 9, &data, &len), -EFBIG);
	assert_int_equal(io_read_file(w->io, w->dirfd, ".", 9, &data, &len), -EBADMSG);
	assert_int_equal(io_read_file(w->io, w->dirfd, "b", 9, &data, &len), -ENOENT);
	fault_set(&w->fault, FAULT_READ, 1, 1, -EIO);
	assert_int_equal(io_read_file(w->io, w->dirfd, "a", 10, &data, &len), -EIO);
	fault_set(&w->fault, FAULT_STAT, 1, 1, -EIO);
	assert_int_equal(io_read_file(w->io, w->dirfd, "a", 10, &data, &len), -EIO);
}

static void replaced_file_has_its_bytes_and_mode(void **state)
{
	struct world *w = *state;
	struct stat st;
	umask(077);
	assert_int_equal(io_mkdir(w->io, w->dirfd, "d", 0755), 0);
	assert_int_equal(io_replace_file(w->io, w->dirfd, "d", "d/a", "one", 3, 0444), 0);
	assert_int_equal(io_replace_file(w->io, w->dirfd, "d", "d/a", "two", 3, 0444), 0);
	umask(022);
	assert_holds(w, "d/a", "two");
	assert_int_equal(io_stat(w->io, w->dirfd, "d/a", &st), 0);
	assert_int_equal(st.st_mode & 07777, 0444);
	assert_int_equal(names_in(w, "d"), 1);
}

static void failed_replacement_leaves_the_old_file_alone(void **state)
{
	struct world *w = *state;
	static const enum fault_call calls[] = {FAULT_OPEN, FAULT_WRITE, FAULT_CHMOD, FAULT_FSYNC, FAULT_RENAME};
	put(w, "a", "old");
	for (size_t i = 0; i < sizeof(calls) / sizeof(*calls); i++) {
		fault_clear(&w->fault);
		fault_set(&w->fault, calls[i], 1, 1, -EDQUOT);
		assert_int_equal(io_replace_file(w->io, w->dirfd, ".", "a", "new", 3, 0644), -EDQUOT);
		assert_holds(w, "a", "old");
		assert_int_equal(names_in(w, "."), 1);
	}
	fault_clear(&w->fault);
	fault_set(&w->fault, FAULT_FSYNC, 2, 1, -EIO); /* that of the folder: which file stands is not known */
	assert_int_equal(io_replace_file(w->io, w->dirfd, ".", "a", "new", 3, 0644), -EIO);
	assert_int_equal(names_in(w, "."), 1);
}

static void folder_that_cannot_be_synced_is_no_error(void **state)
{
	struct world *w = *state;
	fault_set(&w->fault, FAULT_FSYNC, 1, 1, -EINVAL);
	assert_int_equal(io_fsync_dir(w->io, w->dirfd, "."), 0);
	fault_set(&w->fault, FAULT_FSYNC, 1, 1, -EIO);
	assert_int_equal(io_fsync_dir(w->io, w->dirfd, "."), -EIO);
	assert_int_equal(io_fsync_dir(w->io, w->dirfd, "none"), -ENOENT);
}

static void existing_folder_is_made_again_and_a_file_is_not(void **state)
{
	struct world *w = *state;
	put(w, "a", "");
	assert_int_equal(io_mkdir(w->io, w->dirfd, "d", 0755), 0);
	assert_int_equal(io_mkdir(w->io, w->dirfd, "d", 0755), 0);
	assert_int_equal(io_mkdir(w->io, w->dirfd, "a", 0755), -EEXIST);
	assert_int_equal(io_mkdir(w->io, w->dirfd, "x/y", 0755), -ENOENT);
}

static void names_move_as_with_the_system_calls(void **state)
{
	struct world *w = *state;
	put(w, "a", "x");
	put(w, "c", "y");
	assert_int_equal(io_link(w->io, w->dirfd, "a", w->dirfd, "b"), 0);
	assert_int_equal(io_link(w->io, w->dirfd, "a", w->dirfd, "c"), -EEXIST);
	assert_int_equal(io_unlink(w->io, w->dirfd, "a"), 0);
	assert_int_equal(io_unlink(w->io, w->dirfd, "a"), -ENOENT);
	assert_int_equal(io_rename(w->io, w->dirfd, "b", w->dirfd, "c"), 0);
	assert_holds(w, "c", "x");
	assert_int_equal(names_in(w, "."), 1);
}

static int stop_at_third(void *arg, const char *name)
{
	unsigned *count = arg;
	(void)name;
	return ++*count == 3 ? 77 : 0;
}

static void listing_gives_every_name_and_ends_when_told(void **state)
{
	struct world *w = *state;
	unsigned count = 0;
	scratch_sh("mkdir d && cd d && seq 1 3000 | xargs touch");
	assert_int_equal(names_in(w, "d"), 3000);
	assert_int_equal(io_list(w->io, w->dirfd, "d", stop_at_third, &count), 77);
	assert_int_equal(count, 3);
	assert_int_equal(io_list(w->io, w->dirfd, "none", count_name, &count), -ENOENT);
	fault_set(&w->fault, FAULT_LIST, 2, 1, -EIO);
	assert_int_equal(io_list(w->io, w->dirfd, "d", count_name, &count), -EIO);
}

static void held_lock_is_busy_after_the_time(void **state)
{
	struct world *w = *state;
	put(w, "lock", "");
	int a = io_open(w->io, w->dirfd, "lock", O_RDONLY, 0);
	int b = io_open(w->io, w->dirfd, "lock", O_RDONLY, 0);
	assert_int_equal(io_lock(w->io, a, false, 0), 0);
	assert_int_equal(io_lock(w->io, b, false, 0), 0);
	assert_int_equal(io_lock(w->io, b, true, 0), -EBUSY);
	assert_int_equal(w->fault.slept_ms, 0);
	assert_int_equal(io_lock(w->io, b, true, 1000), -EBUSY);
	assert_in_range(w->fault.slept_ms, 900, 1000); /* on the fake's clock */
	io_close(w->io, a);
	fault_set(&w->fault, FAULT_LOCK, 1, 3, -EWOULDBLOCK); /* let go meanwhile */
	assert_int_equal(io_lock(w->io, b, true, 1000), 0);
	fault_set(&w->fault, FAULT_LOCK, 1, 1, -ENOLCK);
	assert_int_equal(io_lock(w->io, b, true, 1000), -ENOLCK);
	io_close(w->io, b);
}

static void clocks_and_randomness_answer(void **state)
{
	struct world *w = *state;
	uint8_t a[32] = {0}, b[32] = {0};
	uint64_t before = io_monotonic_ns(w->io);
	assert_true(io_now(w->io).tv_sec > 1500000000);
	assert_true(io_monotonic_ns(w->io) >= before);
	io_random(w->io, a, sizeof(a));
	io_random(w->io, b, sizeof(b));
	assert_memory_not_equal(a, b, sizeof(a));
	assert_int_equal(io_system()->ops->sleep_ms(NULL, 1), 0);
	assert_true(io_monotonic_ns(io_system()) - before >= 1000000);
}

/* The simulated disk: what its other users rest on. */

static void write_file(const struct io *io, int dirfd, const char *name, const char *text, bool sync)
{
	int fd = io_open(io, dirfd, name, O_WRONLY | O_CREAT | O_TRUNC, 0644);
	assert_true(fd >= 0);
	assert_int_equal(io_write_exact(io, fd, text, strlen(text), 0), 0);
	if (sync)
		assert_int_equal(io_fsync(io, fd), 0);
	io_close(io, fd);
}

static void power_loss_forgets_what_was_not_synced(void **state)
{
	struct world *w = *state;
	put(w, "old", "old");
	assert_int_equal(mkdirat(w->dirfd, "d", 0755), 0);
	struct disk *disk = disk_open(w->path);
	const struct io *io = disk_io(disk);
	write_file(io, w->dirfd, "kept", "kept", true);
	write_file(io, w->dirfd, "empty", "lost bytes", false);
	write_file(io, w->dirfd, "d/nameless", "lost name", true);
	assert_int_equal(io_link(io, w->dirfd, "kept", w->dirfd, "twin"), 0);
	assert_int_equal(io_fsync_dir(io, w->dirfd, "."), 0);
	write_file(io, w->dirfd, "kept", "never synced", false);
	assert_int_equal(io_unlink(io, w->dirfd, "old"), 0);
	disk_restart(disk, DISK_FORGETS_ALL, 0);
	assert_holds(w, "old", "old");
	assert_holds(w, "kept", "kept");
	assert_holds(w, "twin", "kept");
	assert_holds(w, "empty", "");
	assert_int_equal(names_in(w, "d"), 0);
	assert_int_equal(names_in(w, "."), 5);
	disk_close(disk);
}

static void kept_names_may_lead_to_lost_bytes(void **state)
{
	struct world *w = *state;
	unsigned lost = 0;
	struct disk *disk = disk_open(w->path);
	const struct io *io = disk_io(disk);
	for (unsigned i = 0; i < 40; i++) {
		char name[16];
		snprintf(name, sizeof(name), "%u", i);
		write_file(io, w->dirfd, name, "0123456789", i >= 30);
	}
	disk_restart(disk, DISK_KEEPS_NAMES, 7);
	assert_int_equal(names_in(w, "."), 40);
	for (unsigned i = 0; i < 40; i++) {
		char name[16];
		void *data;
		size_t len;
		snprintf(name, sizeof(name), "%u", i);
		assert_int_equal(io_read_file(io_system(), w->dirfd, name, 100, &data, &len), 0);
		bool whole = len == 10 && memcmp(data, "0123456789", 10) == 0;
		assert_true(whole || i < 30);
		lost += !whole;
		free(data);
	}
	assert_int_equal(lost, 30);
	disk_close(disk);
}

static void nothing_works_after_the_cut_until_the_restart(void **state)
{
	struct world *w = *state;
	struct stat st;
	struct disk *disk = disk_open(w->path);
	const struct io *io = disk_io(disk);
	write_file(io, w->dirfd, "a", "x", true); /* three changes: open, write, sync */
	assert_int_equal(disk_changes(disk), 3);
	disk_cut(disk, 2);
	int fd = io_open(io, w->dirfd, "b", O_WRONLY | O_CREAT, 0644);
	assert_true(fd >= 0);
	assert_false(disk_is_cut(disk));
	assert_int_equal(io_write_exact(io, fd, "y", 1, 0), -EIO);
	assert_true(disk_is_cut(disk));
	assert_int_equal(io_fsync(io, fd), -EIO);
	assert_int_equal(io_stat(io, w->dirfd, "a", &st), -EIO);
	io_close(io, fd);
	disk_restart(disk, DISK_KEEPS_SOME, 1);
	assert_false(disk_is_cut(disk));
	assert_int_equal(io_mkdir(io, w->dirfd, "works", 0755), 0);
	disk_close(disk);
}

static void replaced_file_is_old_or_new_after_power_loss_at_any_call(void **state)
{
	struct world *w = *state;
	static const enum disk_memory memories[] = {DISK_FORGETS_ALL, DISK_KEEPS_NAMES, DISK_KEEPS_SOME};
	bool finished = false;
	for (uint64_t nth = 1; !finished; nth++) {
		for (uint64_t kind = 0; kind < 12; kind++) {
			put(w, "a", "old");
			struct disk *disk = disk_open(w->path);
			disk_cut(disk, nth);
			int r = io_replace_file(disk_io(disk), w->dirfd, ".", "a", "new", 3, 0644);
			assert_int_equal(r, disk_is_cut(disk) ? -EIO : 0);
			finished = r == 0;
			disk_restart(disk, memories[kind % 3], nth * 100 + kind);
			disk_close(disk);
			void *data;
			size_t len;
			assert_int_equal(io_read_file(io_system(), w->dirfd, "a", 100, &data, &len), 0);
			if (strcmp(data, "new") != 0)
				assert_true(!finished && strcmp(data, "old") == 0);
			free(data);
			scratch_sh("rm -f *");
		}
		assert_true(nth < 20);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_world, close_world)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(what_is_written_is_read),
	    TEST(read_past_the_end_is_damage_or_short),
	    TEST(short_and_interrupted_transfers_are_continued),
	    TEST(disk_that_takes_nothing_is_an_error),
	    TEST(only_regular_files_are_opened_for_reading),
	    TEST(whole_file_is_read_up_to_the_limit),
	    TEST(replaced_file_has_its_bytes_and_mode),
	    TEST(failed_replacement_leaves_the_old_file_alone),
	    TEST(folder_that_cannot_be_synced_is_no_error),
	    TEST(existing_folder_is_made_again_and_a_file_is_not),
	    TEST(names_move_as_with_the_system_calls),
	    TEST(listing_gives_every_name_and_ends_when_told),
	    TEST(held_lock_is_busy_after_the_time),
	    TEST(clocks_and_randomness_answer),
	    TEST(power_loss_forgets_what_was_not_synced),
	    TEST(kept_names_may_lead_to_lost_bytes),
	    TEST(nothing_works_after_the_cut_until_the_restart),
	    TEST(replaced_file_is_old_or_new_after_power_loss_at_any_call),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
