#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <unistd.h>

#include <cmocka.h>

#include "fs/folder.h"
#include "tests/support/scratch.h"

static struct folder *root;

static int setup(void **state)
{
	const char *path = scratch_open();
	int fd = open(path, O_RDONLY | O_DIRECTORY);

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(folder_open(fd, &root), 0);
	close(fd);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	folder_unpin(root);
	scratch_close();
	return 0;
}

static int reach(const char *path, bool make)
{
	struct folder *folder = NULL;
	int r = folder_reach(root, path, make, &folder);

	folder_unpin(folder);
	return r;
}

static void folders_are_made_and_reached(void **state)
{
	(void)state;
	assert_int_equal(reach("a/b/c", false), -ENOENT);
	assert_int_equal(reach("a/b/c", true), 0);
	assert_int_equal(reach("a/b/c", false), 0);
	assert_int_equal(reach("a/b/c", true), 0);
	assert_int_equal(reach("", false), 0);
	scratch_sh("test -d a/b/c && touch a/file");
	assert_int_equal(reach("a/file", true), -ENOTDIR);
	assert_int_equal(reach("a/file/x", true), -ENOTDIR);
}

static void no_way_leads_through_a_link_or_out(void **state)
{
	static const char *const paths[] = {"link", "link/x", "a/link", "a/link/x", "a/up", "a/up/x",
	                                    "..",   "../x",   "a/../x", "/tmp",     "a//b", "a/./b"};

	(void)state;
	scratch_sh("mkdir a other && ln -s other link && ln -s ../other a/link && ln -s .. a/up");
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		for (unsigned make = 0; make < 2; make++) {
			int r = reach(paths[i], make);

			/* Doubled slashes and dots are harmless where the kernel walks them itself. */
			assert_true(r < 0 || strcmp(paths[i], "a/./b") == 0);
		}
	}
	char *found = scratch_output("find other");
	assert_string_equal(found, "other");
	free(found);
}

static void a_folder_gets_its_time_when_the_last_pin_is_gone(void **state)
{
	const struct timespec time = {1000, 5}, above_time = {2000, 0};
	struct folder *above, *below;
	struct stat st;
	int fd;

	(void)state;
	assert_int_equal(folder_make(root, "above", &above), 0);
	assert_int_equal(folder_make(above, "below", &below), 0);
	folder_set_time(above, &above_time);
	folder_set_time(below, &time);
	folder_unpin(above);
	assert_int_equal(folder_pin(below) == below, true);
	folder_unpin(below);
	assert_int_equal(fstatat(folder_fd(root), "above", &st, 0), 0);
	assert_int_not_equal(st.st_mtime, 2000);
	fd = openat(folder_fd(below), "file", O_CREAT | O_WRONLY, 0600);
	assert_true(fd >= 0);
	close(fd);
	folder_unpin(below);
	assert_int_equal(fstatat(folder_fd(root), "above", &st, 0), 0);
	assert_int_equal(st.st_mtim.tv_sec, 2000);
	assert_int_equal(fstatat(folder_fd(root), "above/below", &st, 0), 0);
	assert_int_equal(st.st_mtim.tv_sec, 1000);
	assert_int_equal(st.st_mtim.tv_nsec, 5);
	folder_unpin(NULL);
}

static void a_path_longer_than_the_kernel_takes_is_reached(void **state)
{
	enum { DEPTH = 100, NAME = 60 };
	char *path = malloc(DEPTH * NAME + 1);

	(void)state;
	memset(path, 'x', DEPTH * NAME);
	for (unsigned i = 1; i < DEPTH; i++)
		path[i * NAME - 1] = '/';
	path[DEPTH * NAME - 1] = '\0';
	assert_int_equal(reach(path, false), -ENOENT);
	assert_int_equal(reach(path, true), 0);
	assert_int_equal(reach(path, false), 0);
	free(path);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(folders_are_made_and_reached),
	    TEST(no_way_leads_through_a_link_or_out),
	    TEST(a_folder_gets_its_time_when_the_last_pin_is_gone),
	    TEST(a_path_longer_than_the_kernel_takes_is_reached),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
