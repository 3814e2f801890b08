#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "cache/wire.h"
#include "fs/page.h"
#include "fs/scan.h"

struct world {
	char dir[64];
	int fd;
};

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	strcpy(w->dir, "/tmp/revfs-scan-XXXXXX");
	assert_non_null(mkdtemp(w->dir));
	w->fd = open(w->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(w->fd >= 0);
	*state = w;
	return 0;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static int teardown(void **state)
{
	struct world *w = *state;

	close(w->fd);
	nftw(w->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	free(w);
	return 0;
}

static void make_file(struct world *w, const char *path)
{
	int fd = openat(w->fd, path, O_CREAT | O_WRONLY | O_CLOEXEC, 0644);

	assert_true(fd >= 0);
	close(fd);
}

static void make_dir(struct world *w, const char *path)
{
	assert_int_equal(mkdirat(w->fd, path, 0755), 0);
}

/* The whole walk as text: "path" for entries, "path/{" and "path/}" for directories, "path!" for failures. */
static char *walk(struct world *w, const char *skip)
{
	struct buffer text = {0};
	struct scan *scan;
	struct scan_step step;
	int error;

	assert_int_equal(scan_open(w->fd, ".", &scan), 0);
	while (!(error = scan_next(scan, &step))) {
		static const char *const marks[] = {
		    [SCAN_ENTRY] = " ", [SCAN_ENTER] = "{ ", [SCAN_LEAVE] = "} ", [SCAN_FAILED] = "! "};
		const char *path = scan_path(scan);

		buffer_append(&text, path, strlen(path));
		buffer_append(&text, marks[step.event], strlen(marks[step.event]));
		if (step.event == SCAN_ENTER && skip && !strcmp(path, skip))
			scan_skip(scan);
	}
	assert_int_equal(error, -ENOENT);
	scan_close(scan);
	buffer_append(&text, "", 1);
	assert_false(text.failed);
	return (char *)text.data;
}

static void an_empty_directory_has_no_steps(void **state)
{
	char *text = walk(*state, NULL);

	assert_string_equal(text, "");
	free(text);
}

static void names_come_sorted_as_bytes_and_depth_first(void **state)
{
	static const char *const names[] = {"b",
	                                    "B",
	                                    "a.c",
	                                    "a0",
	                                    "\xff",
	                                    "\x01",
	                                    "common-prefix-1",
	                                    "common-prefix-10",
	                                    "common-prefix-123456789",
	                                    "common-prefix-123456788",
	                                    "common-prefix-"};
	struct world *w = *state;
	char *text;

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		make_file(w, names[i]);
	make_dir(w, "a");
	make_file(w, "a/z");
	make_dir(w, "a/sub");
	text = walk(w, NULL);
	assert_string_equal(text, "\x01 B a{ a/sub{ a/sub} a/z a} a.c a0 b common-prefix- common-prefix-1 "
	                          "common-prefix-10 common-prefix-123456788 common-prefix-123456789 \xff ");
	free(text);
}

static void a_skipped_directory_is_not_looked_into(void **state)
{
	struct world *w = *state;
	char *text;

	make_dir(w, "a");
	make_file(w, "a/x");
	make_dir(w, "b");
	make_file(w, "b/y");
	text = walk(w, "a");
	assert_string_equal(text, "a{ a} b{ b/y b} ");
	free(text);
}

static void symlinks_are_entries_even_to_directories(void **state)
{
	struct world *w = *state;
	char *text;

	make_dir(w, "real");
	make_file(w, "real/x");
	assert_int_equal(symlinkat("real", w->fd, "link"), 0);
	text = walk(w, NULL);
	assert_string_equal(text, "link real{ real/x real} ");
	free(text);
}

static void a_walk_does_not_begin_at_a_symlink(void **state)
{
	struct world *w = *state;
	struct scan *scan;

	make_dir(w, "real");
	assert_int_equal(symlinkat("real", w->fd, "link"), 0);
	assert_int_equal(scan_open(w->fd, "link", &scan), -ENOTDIR);
	assert_int_equal(scan_open(w->fd, "absent", &scan), -ENOENT);
}

static void an_unreadable_directory_is_told_and_left(void **state)
{
	struct world *w = *state;
	char *text;

	make_dir(w, "a");
	make_dir(w, "b");
	make_file(w, "b/x");
	assert_int_equal(fchmodat(w->fd, "a", 0, 0), 0);
	text = walk(w, NULL);
	if (geteuid())
		assert_string_equal(text, "a{ a! a} b{ b/x b} ");
	else
		assert_string_equal(text, "a{ a} b{ b/x b} ");
	free(text);
	assert_int_equal(fchmodat(w->fd, "a", 0755, 0), 0);
}

/* A directory that is replaced by a link between lstat and open is not entered. */
static void a_directory_swapped_for_a_link_is_not_followed(void **state)
{
	struct world *w = *state;
	struct scan *scan;
	struct scan_step step;

	make_dir(w, "a");
	make_dir(w, "real");
	make_file(w, "real/x");
	assert_int_equal(scan_open(w->fd, ".", &scan), 0);
	assert_int_equal(scan_next(scan, &step), 0);
	assert_int_equal(step.event, SCAN_ENTER);
	assert_int_equal(unlinkat(w->fd, "a", AT_REMOVEDIR), 0);
	assert_int_equal(symlinkat("real", w->fd, "a"), 0);
	assert_int_equal(scan_next(scan, &step), 0);
	assert_int_equal(step.event, SCAN_FAILED);
	assert_null(step.name);
	assert_int_equal(step.error, -ENOTDIR);
	assert_int_equal(scan_next(scan, &step), 0);
	assert_int_equal(step.event, SCAN_LEAVE);
	assert_int_equal(scan_next(scan, &step), 0);
	assert_string_equal(step.name, "real");
	scan_close(scan);
}

static void a_name_that_vanishes_is_left_out(void **state)
{
	struct world *w = *state;
	struct scan *scan;
	struct scan_step step;

	make_file(w, "a");
	make_file(w, "b");
	make_file(w, "c");
	assert_int_equal(scan_open(w->fd, ".", &scan), 0);
	assert_int_equal(scan_next(scan, &step), 0);
	assert_int_equal(unlinkat(w->fd, "b", 0), 0);
	assert_int_equal(scan_next(scan, &step), 0);
	assert_string_equal(step.name, "c");
	assert_int_equal(scan_next(scan, &step), -ENOENT);
	assert_int_equal(scan_next(scan, &step), -ENOENT);
	scan_close(scan);
}

static int dig(int top, unsigned depth)
{
	int fd = dup(top);

	for (unsigned i = 0; i < depth; i++) {
		int below;

		assert_int_equal(mkdirat(fd, "d", 0755), 0);
		assert_int_equal(mkdirat(fd, "z", 0755), 0);
		below = openat(fd, "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		assert_true(below >= 0);
		close(fd);
		fd = below;
	}
	return fd;
}

static void depth_needs_no_descriptors_and_ends_at_the_limit(void **state)
{
	struct world *w = *state;
	struct scan *scan;
	struct scan_step step;
	unsigned enters = 0, leaves = 0, failures = 0;

	close(dig(w->fd, PAGE_DEPTH_MAX + 1));
	assert_int_equal(scan_open(w->fd, ".", &scan), 0);
	while (!scan_next(scan, &step)) {
		enters += step.event == SCAN_ENTER;
		leaves += step.event == SCAN_LEAVE;
		if (step.event == SCAN_FAILED) {
			assert_int_equal(step.error, -ENAMETOOLONG);
			failures++;
		}
	}
	assert_int_equal(failures, 2); /* d and z at the limit */
	assert_int_equal(enters, 2 * (PAGE_DEPTH_MAX + 1));
	assert_int_equal(leaves, enters);
	scan_close(scan);
}

/* Where the way back up leads elsewhere, what is left of the directories above is told as unreadable, never read wrong.
 */
static void a_tree_moved_during_the_walk_fails_where_it_cannot_go_back(void **state)
{
	struct world *w = *state;
	struct scan *scan;
	struct scan_step step;
	unsigned failures = 0, enters = 0, leaves = 0;

	close(dig(w->fd, SCAN_OPEN_MAX + 10));
	make_dir(w, "else");
	assert_int_equal(scan_open(w->fd, ".", &scan), 0);
	while (!scan_next(scan, &step)) {
		enters += step.event == SCAN_ENTER;
		leaves += step.event == SCAN_LEAVE;
		failures += step.event == SCAN_FAILED;
		if (enters == SCAN_OPEN_MAX + 8 && !leaves)
			assert_int_equal(renameat(w->fd, "d/d/d/d", w->fd, "else/d"), 0);
	}
	assert_true(failures > 0);
	assert_int_equal(enters, leaves);
	scan_close(scan);
}

static void a_pinned_directory_outlives_the_walk(void **state)
{
	struct world *w = *state;
	struct scan *scan;
	struct scan_step step;
	struct scan_dir *dir;
	int fd;

	make_dir(w, "a");
	make_file(w, "a/x");
	assert_int_equal(scan_open(w->fd, ".", &scan), 0);
	assert_int_equal(scan_next(scan, &step), 0);
	assert_int_equal(scan_next(scan, &step), 0);
	dir = scan_dir_pin(step.dir);
	scan_close(scan);
	fd = openat(scan_dir_fd(dir), "x", O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	close(fd);
	scan_dir_unpin(dir);
}

/* They sort as what they speak of, and come before it. */
static void names_behind_a_mark_come_where_they_belong(void **state)
{
	static const char *const names[] = {"-x", ".a", ".wh.-y", ".wh..a", ".wh.z", ".wh.", ".w", "z", ".whz"};
	static const char *const expected[] = {"!", "-x", "!-y", "!.a", ".a", ".w", ".whz", "!z", "z"};
	struct world *w = *state;
	struct scan *scan;
	struct scan_step step;
	size_t count = 0;

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		make_file(w, names[i]);
	assert_int_equal(scan_open_marked(w->fd, ".", ".wh.", &scan), 0);
	for (; !scan_next(scan, &step); count++) {
		assert_int_equal(step.event, SCAN_ENTRY);
		assert_true(count < sizeof(expected) / sizeof(*expected));
		assert_int_equal(step.marked, *expected[count] == '!');
		assert_string_equal(step.name, expected[count] + step.marked);
		assert_int_equal(step.name_len, strlen(step.name));
	}
	assert_int_equal(count, sizeof(expected) / sizeof(*expected));
	scan_close(scan);
}

static void a_directory_can_be_looked_at_before_it_is_walked(void **state)
{
	struct world *w = *state;
	struct scan *scan;
	struct scan_step step;
	struct scan_dir *dir;
	struct stat st;

	make_dir(w, "a");
	make_file(w, "a/x");
	make_dir(w, "b");
	make_file(w, "b/y");
	make_dir(w, "c");
	assert_int_equal(scan_open(w->fd, ".", &scan), 0);
	assert_int_equal(scan_next(scan, &step), 0);
	assert_int_equal(scan_look(scan, &dir), 0);
	assert_int_equal(fstatat(scan_dir_fd(dir), "x", &st, 0), 0);
	assert_string_equal(step.name, "a");
	assert_int_equal(scan_next(scan, &step), 0);
	assert_string_equal(scan_path(scan), "a/x");
	assert_int_equal(scan_next(scan, &step), 0);
	assert_int_equal(step.event, SCAN_LEAVE);
	/* One that was looked at may still be skipped; so may one that is gone. */
	assert_int_equal(scan_next(scan, &step), 0);
	assert_int_equal(scan_look(scan, &dir), 0);
	scan_skip(scan);
	assert_int_equal(scan_next(scan, &step), 0);
	assert_int_equal(step.event, SCAN_LEAVE);
	assert_string_equal(scan_path(scan), "b");
	assert_int_equal(scan_next(scan, &step), 0);
	assert_int_equal(unlinkat(w->fd, "c", AT_REMOVEDIR), 0);
	assert_int_equal(scan_look(scan, &dir), -ENOENT);
	scan_skip(scan);
	assert_int_equal(scan_next(scan, &step), 0);
	assert_int_equal(step.event, SCAN_LEAVE);
	assert_int_equal(scan_next(scan, &step), -ENOENT);
	scan_close(scan);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(names_behind_a_mark_come_where_they_belong, setup, teardown),
	    cmocka_unit_test_setup_teardown(a_directory_can_be_looked_at_before_it_is_walked, setup, teardown),
	    cmocka_unit_test_setup_teardown(an_empty_directory_has_no_steps, setup, teardown),
	    cmocka_unit_test_setup_teardown(names_come_sorted_as_bytes_and_depth_first, setup, teardown),
	    cmocka_unit_test_setup_teardown(a_skipped_directory_is_not_looked_into, setup, teardown),
	    cmocka_unit_test_setup_teardown(symlinks_are_entries_even_to_directories, setup, teardown),
	    cmocka_unit_test_setup_teardown(a_walk_does_not_begin_at_a_symlink, setup, teardown),
	    cmocka_unit_test_setup_teardown(an_unreadable_directory_is_told_and_left, setup, teardown),
	    cmocka_unit_test_setup_teardown(a_directory_swapped_for_a_link_is_not_followed, setup, teardown),
	    cmocka_unit_test_setup_teardown(a_name_that_vanishes_is_left_out, setup, teardown),
	    cmocka_unit_test_setup_teardown(depth_needs_no_descriptors_and_ends_at_the_limit, setup, teardown),
	    cmocka_unit_test_setup_teardown(a_tree_moved_during_the_walk_fails_where_it_cannot_go_back, setup,
	                                    teardown),
	    cmocka_unit_test_setup_teardown(a_pinned_directory_outlives_the_walk, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
