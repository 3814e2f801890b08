/* Drift of upper folders: what a comparison of trees says of what is seen, read from the upper folder alone. */
#include "fs/upper_drift.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "fs/compare.h"
#include "fs/dataset.h"
#include "tests/support/dataset.h"
#include "tests/support/scratch.h"
#include "tests/support/upper.h"

static struct dataset_world w;
static enum layer_dialect dialect;
static char told[1 << 16];
static int answer; /* of what is told */

static int setup(void **state)
{
	(void)state;
	dataset_world_open(&w);
	dialect = LAYER_KERNEL_USER;
	answer = 0;
	if (upper_marks_work(LAYER_KERNEL_USER, w.top))
		return 0;
	dataset_world_close(&w);
	print_message("no extended attributes here\n");
	return -1;
}

static int teardown(void **state)
{
	(void)state;
	dataset_world_close(&w);
	return 0;
}

static char letter(unsigned kind)
{
	return kind == ENTRY_FILE ? 'f' : kind == ENTRY_DIRECTORY ? 'd' : kind == ENTRY_SYMLINK ? 'l' : '-';
}

static void put(const char *path, size_t len, unsigned old, unsigned now)
{
	size_t at = strlen(told);

	assert_true(snprintf(told + at, sizeof(told) - at, "%c%c %.*s\n", letter(old), letter(now), (int)len, path) <
	            (int)(sizeof(told) - at));
}

static int on_difference(void *arg, const struct drift_difference *d)
{
	(void)arg;
	if (d->problem) {
		size_t at = strlen(told);

		snprintf(told + at, sizeof(told) - at, "problem %u %s\n", d->problem, d->path);
		return answer;
	}
	assert_int_equal(!!d->kind, d->st || d->now);
	if (d->now)
		assert_int_equal(d->now->kind, d->kind);
	put(d->path, strlen(d->path), d->old ? d->old->kind : 0, d->kind);
	return answer;
}

static int on_change(void *arg, const char *path, size_t len, const struct entry *a, const struct entry *b)
{
	(void)arg;
	put(path, len, a ? a->kind : 0, b ? b->kind : 0);
	return 0;
}

static void set_upper(struct upper *upper, const struct pointer *base, const struct pointer *old)
{
	*upper = (struct upper){
	    .dirfd = w.top,
	    .name = "upper",
	    .path = "data",
	    .dialect = dialect,
	    .base = base,
	    .old = old,
	    .folder = w.folder,
	    .stat_name = "upper-stat",
	};
}

/* TOLD is what differs from TREE to what is seen. */
static int drift(const struct pointer *base, const struct pointer *tree)
{
	struct upper upper;
	const struct upper_drift request = {
	    .upper = &upper,
	    .source = w.source,
	    .io = w.io,
	    .exclude = w.run.exclude,
	    .cancelled = &w.cancelled,
	};

	set_upper(&upper, base, tree);
	told[0] = '\0';
	return upper_drift(&request, on_difference, NULL);
}

/* Record what is seen. */
static struct pointer record(const struct pointer *base)
{
	struct snapshot_result r;
	struct upper upper;

	set_upper(&upper, base, NULL);
	w.run.start = io_now(w.io);
	w.run.start.tv_sec += 10;
	assert_int_equal(upper_snapshot(&w.run, &upper, &r), 0);
	assert_true(r.recorded);
	assert_int_equal(store_writer_commit(w.writer), 0);
	assert_int_equal(builder_put_root(w.store, w.writer, &r.root), 0);
	snapshot_keep_cache(&r);
	return r.pointer;
}

/* A base of three files and a folder. */
static struct pointer make_base(void)
{
	scratch_sh("mkdir -p base/d upper && printf 1 >base/a && printf 22 >base/d/b && printf 333 >base/d/c");
	return dataset_world_record(&w, "base", NULL);
}

static void nothing_differs_where_nothing_was_changed(void **state)
{
	struct pointer base = make_base();

	(void)state;
	assert_int_equal(drift(&base, &base), 0);
	assert_string_equal(told, "");
	/* Copied up, and the same. */
	scratch_sh("mkdir upper/d && cp base/d/b upper/d/");
	assert_int_equal(drift(&base, &base), 0);
	assert_string_equal(told, "");
}

static void what_was_changed_is_told(void **state)
{
	struct pointer base = make_base();

	(void)state;
	scratch_sh("cd upper && mkdir -p d e && printf 55 >d/b && printf 4444 >d/x && ln -s d a");
	assert_int_equal(drift(&base, &base), 0);
	assert_string_equal(told, "f- a\n-l a\nff d/b\n-f d/x\n-d e\n");
	assert_int_equal(drift(&base, NULL), 0);
	assert_string_equal(told, "-l a\n-d d\n-f d/b\n-f d/c\n-f d/x\n-d e\n");
}

static void what_shows_through_is_told_of_another_tree(void **state)
{
	struct pointer base = make_base(), other;

	(void)state;
	scratch_sh("mkdir -p other/d other/z && printf 1 >other/a && printf x >other/d/c && printf y >other/z/y");
	other = dataset_world_record(&w, "other", NULL);
	scratch_sh("printf n >upper/n");
	assert_int_equal(drift(&base, &other), 0);
	assert_string_equal(told, "-f d/b\nff d/c\n-f n\nd- z\nf- z/y\n");
}

static void problems_are_told(void **state)
{
	struct pointer base = make_base();

	(void)state;
	scratch_sh("mkdir -p upper/d && mkfifo upper/d/fifo && mkdir upper/.git && printf x >upper/x");
	assert_int_equal(drift(&base, &base), 0);
	assert_string_equal(told, "problem 4 .git\nproblem 3 d/fifo\n-f x\n");
}

static void an_answer_ends_it(void **state)
{
	struct pointer base = make_base();

	(void)state;
	scratch_sh("printf x >upper/x && printf y >upper/y");
	answer = 7;
	assert_int_equal(drift(&base, &base), 7);
	assert_string_equal(told, "-f x\n");
	atomic_store(&w.cancelled, true);
	assert_int_equal(drift(&base, &base), -EINTR);
}

static void an_upper_folder_that_is_none_is_an_error(void **state)
{
	struct pointer base = make_base();

	(void)state;
	scratch_sh("rmdir upper");
	assert_int_equal(drift(&base, &base), -ENOENT);
}

static struct pointer random_base(uint64_t *random)
{
	scratch_sh("rm -rf base merged && mkdir merged");
	change_folder(w.top, "merged", random, 150);
	scratch_sh("cp -a merged base");
	return dataset_world_record(&w, "base", NULL);
}

static void assert_as_compared(const struct pointer *base, const struct pointer *tree, const struct pointer *seen)
{
	char *expected;
	struct directory a, b;

	told[0] = '\0';
	if (tree)
		dataset_directory(tree, &a);
	dataset_directory(seen, &b);
	assert_int_equal(compare_trees(w.source, tree ? &a : NULL, &b, on_change, NULL), 0);
	expected = strdup(told);
	assert_non_null(expected);
	assert_int_equal(drift(base, tree), 0);
	assert_string_equal(told, expected);
	free(expected);
}

static void random_drift(enum layer_dialect d)
{
	char *base_path = scratch_path("base"), *merged = scratch_path("merged"), *upper = scratch_path("upper");

	dialect = d;
	if (!upper_marks_work(d, w.top))
		skip();
	for (uint64_t seed = 1; seed <= 2; seed++) {
		uint64_t random = seed * 91 + d;
		struct pointer other = random_base(&random), base = random_base(&random), old = base, seen;

		for (unsigned round = 0; round < 3; round++) {
			scratch_sh("rm -rf upper && mkdir upper");
			change_folder(w.top, "merged", &random, 20);
			upper_write(d, base_path, merged, upper, &random);
			seen = dataset_world_record(&w, "merged", NULL);
			assert_as_compared(&base, &base, &seen);
			assert_as_compared(&base, &old, &seen);
			assert_as_compared(&base, &other, &seen);
			assert_as_compared(&base, NULL, &seen);
			/* With what is known of the files. */
			old = record(&base);
			assert_true(id_equal(&old.root, &seen.root));
			assert_as_compared(&base, &old, &seen);
			assert_as_compared(&base, &other, &seen);
		}
	}
	free(base_path);
	free(merged);
	free(upper);
}

static void random_uppers_of_the_kernel(void **state)
{
	(void)state;
	random_drift(LAYER_KERNEL);
}

static void random_uppers_of_the_kernel_for_users(void **state)
{
	(void)state;
	random_drift(LAYER_KERNEL_USER);
}

static void random_uppers_of_fuse_overlayfs(void **state)
{
	(void)state;
	random_drift(LAYER_FUSE);
}

#define t(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    t(nothing_differs_where_nothing_was_changed),
	    t(what_was_changed_is_told),
	    t(what_shows_through_is_told_of_another_tree),
	    t(problems_are_told),
	    t(an_answer_ends_it),
	    t(an_upper_folder_that_is_none_is_an_error),
	    t(random_uppers_of_the_kernel),
	    t(random_uppers_of_the_kernel_for_users),
	    t(random_uppers_of_fuse_overlayfs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
