/* The work tree: what stands there, what its pointers say, and that nothing is followed out of it. */
#include "fs/git/worktree.h"

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

#include "tests/support/fault.h"
#include "tests/support/scratch.h"

static struct fault fault;
static struct repo *repo;
static struct worktree wt;

static int setup(void **state)
{
	char *path;

	(void)state;
	scratch_open();
	scratch_sh("git init -q -b main r && git -C r commit -q --allow-empty -m first");
	path = scratch_path("r");
	assert_int_equal(repo_open(path, REPO_ANY, &repo, NULL), 0);
	free(path);
	fault_init(&fault, io_system());
	assert_int_equal(worktree_open(&fault.io, repo, true, &wt), 0);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	worktree_close(&wt);
	repo_close(repo);
	scratch_close();
	return 0;
}

static struct pointer pointer_of(unsigned n)
{
	struct pointer pointer = {.files = n, .bytes = 10 * n};

	memset(&pointer.root, (int)n, sizeof(pointer.root));
	return pointer;
}

static void assert_pointer(const char *path, unsigned n)
{
	const struct pointer expected = pointer_of(n);
	struct pointer pointer;

	assert_int_equal(worktree_pointer(&wt, path, &pointer, NULL, NULL), 0);
	assert_memory_equal(&pointer.root, &expected.root, sizeof(expected.root));
	assert_int_equal(pointer.files, n);
}

static enum work_kind kind_of(const char *path)
{
	enum work_kind kind;

	assert_int_equal(worktree_kind(&wt, path, &kind), 0);
	return kind;
}

static void records_are_not_made_unless_asked_for(void **state)
{
	struct worktree other;

	(void)state;
	scratch_sh("rm -r r/.git/revfs");
	assert_int_equal(worktree_open(&fault.io, repo, false, &other), 0);
	assert_int_equal(other.folder, -1);
	worktree_close(&other);
	scratch_sh("test ! -e r/.git/revfs");
}

static void one_at_a_time_holds_the_lock(void **state)
{
	struct worktree other;

	(void)state;
	assert_int_equal(worktree_lock(&wt, 0), 0);
	assert_int_equal(worktree_open(&fault.io, repo, true, &other), 0);
	assert_int_equal(worktree_lock(&other, 3000), -EBUSY);
	assert_in_range(fault.slept_ms, 2500, 4000);
	worktree_close(&wt);
	assert_int_equal(worktree_lock(&other, 0), 0);
	worktree_close(&other);
}

static void operations_in_progress_are_named(void **state)
{
	static const char *const signs[][2] = {
	    {"touch MERGE_HEAD", "merge"},
	    {"mkdir rebase-merge", "rebase"},
	    {"mkdir rebase-apply", "rebase"},
	    {"mkdir rebase-apply && touch rebase-apply/applying", "am"},
	    {"touch CHERRY_PICK_HEAD", "cherry-pick"},
	    {"touch REVERT_HEAD", "revert"},
	};

	(void)state;
	assert_null(worktree_in_progress(&wt));
	for (unsigned i = 0; i < sizeof(signs) / sizeof(*signs); i++) {
		scratch_sh("cp -r r/.git before && cd r/.git && %s", signs[i][0]);
		assert_string_equal(worktree_in_progress(&wt), signs[i][1]);
		scratch_sh(
		    "cd r/.git && rm -rf MERGE_HEAD rebase-* CHERRY_PICK_HEAD REVERT_HEAD && rm -r ../../before");
	}
}

static void kinds_are_told_and_links_not_followed(void **state)
{
	(void)state;
	scratch_sh("cd r && mkdir d outside && touch f outside/f && ln -s outside l && ln -s nowhere n && mkfifo p");
	assert_int_equal(kind_of("f"), WORK_FILE);
	assert_int_equal(kind_of("d"), WORK_DIRECTORY);
	assert_int_equal(kind_of("l"), WORK_LINK);
	assert_int_equal(kind_of("n"), WORK_LINK);
	assert_int_equal(kind_of("p"), WORK_OTHER);
	assert_int_equal(kind_of("l/f"), WORK_LINK);
	assert_int_equal(kind_of("x"), WORK_ABSENT);
	assert_int_equal(kind_of("d/x/y"), WORK_ABSENT);
	assert_int_equal(kind_of("f/x"), WORK_ABSENT);
	assert_true(worktree_is_empty(&wt, "d"));
	assert_false(worktree_is_empty(&wt, "outside"));
	assert_false(worktree_is_empty(&wt, "x"));
}

static void parents_are_made_but_not_through_links(void **state)
{
	const char *name;
	int fd;

	(void)state;
	scratch_sh("mkdir outside && cd r && ln -s ../outside l && touch f");
	fd = worktree_open_parent(&wt, "a/b/c", false, &name);
	assert_int_equal(fd, -ENOENT);
	fd = worktree_open_parent(&wt, "a/b/c", true, &name);
	assert_true(fd >= 0);
	assert_string_equal(name, "c");
	close(fd);
	scratch_sh("test -d r/a/b -a ! -e r/a/b/c");
	assert_int_equal(worktree_open_parent(&wt, "l/b/c", true, &name), -ELOOP);
	assert_int_equal(worktree_open_parent(&wt, "f/c", true, &name), -ENOTDIR);
	assert_int_equal(worktree_write_file(&wt, "l/x", "x", 1), -ELOOP);
	/* Nor out of the work tree. */
	assert_true(worktree_open_parent(&wt, "../outside/x", false, &name) < 0);
	scratch_sh("test -z \"$(ls outside)\"");
}

static void pointer_is_read_as_it_was_written(void **state)
{
	struct pointer pointer = pointer_of(3);

	(void)state;
	assert_int_equal(worktree_write_pointer(&wt, "a/b", &pointer), 0);
	assert_pointer("a/b", 3);
	pointer = pointer_of(4);
	assert_int_equal(worktree_write_pointer(&wt, "a/b", &pointer), 0);
	assert_pointer("a/b", 4);
	scratch_sh("test \"$(ls -A r/a)\" = b.revfs");
}

static void what_is_no_pointer_is_told(void **state)
{
	struct pointer pointer;
	const char *why;
	unsigned line;

	(void)state;
	scratch_sh("cd r && echo hello >a.revfs && ln -s a.revfs l.revfs && head -c 5000 /dev/zero >big.revfs && "
	           "mkdir d.revfs && mkfifo p.revfs && printf 'revfs 9\nx\n' >later.revfs && touch f && "
	           "printf 'revfs 1\n<<<<<<< HEAD\n' >conflict.revfs");
	assert_int_equal(worktree_pointer(&wt, "a", &pointer, &line, &why), -EINVAL);
	assert_int_equal(worktree_pointer(&wt, "l", &pointer, &line, &why), -ELOOP);
	assert_int_equal(worktree_pointer(&wt, "big", &pointer, &line, &why), -EINVAL);
	assert_int_equal(worktree_pointer(&wt, "d", &pointer, &line, &why), -EINVAL);
	assert_int_equal(worktree_pointer(&wt, "p", &pointer, &line, &why), -EINVAL);
	assert_int_equal(worktree_pointer(&wt, "later", &pointer, &line, &why), -ENOTSUP);
	assert_int_equal(worktree_pointer(&wt, "conflict", &pointer, &line, &why), -EINVAL);
	assert_int_equal(line, 2);
	assert_non_null(why);
	assert_int_equal(worktree_pointer(&wt, "none", &pointer, &line, &why), -ENOENT);
	assert_int_equal(worktree_pointer(&wt, "f/none", &pointer, &line, &why), -ENOENT);
}

/* Whatever fails: the old pointer or the new one stands there, and no other file. */
static void failing_write_leaves_the_old_pointer(void **state)
{
	static const enum fault_call kinds[] = {FAULT_OPEN, FAULT_WRITE, FAULT_FSYNC, FAULT_RENAME, FAULT_MKDIR};
	const struct pointer old = pointer_of(3), new = pointer_of(4);
	struct pointer got;
	int error;

	(void)state;
	for (unsigned i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
		for (uint64_t nth = 1;; nth++) {
			bool met;

			assert_int_equal(worktree_write_pointer(&wt, "a/b", &old), 0);
			fault_clear(&fault);
			fault_set(&fault, kinds[i], nth, 1, -ENOSPC);
			error = worktree_write_pointer(&wt, "a/b", &new);
			met = fault.calls[kinds[i]] >= nth;
			fault_clear(&fault);
			assert_int_equal(worktree_pointer(&wt, "a/b", &got, NULL, NULL), 0);
			assert_true(got.files == 3 || got.files == 4);
			if (error != (met ? -ENOSPC : 0))
				fail_msg("call %u of kind %u: %d", (unsigned)nth, kinds[i], error);
			assert_true(error || got.files == 4);
			scratch_sh("test \"$(ls -A r/a)\" = b.revfs");
			if (!met)
				break;
			assert_true(nth < 20);
		}
	}
}

/* The Git directory lies on another file system: the file is written beside its place. */
static void other_file_system_is_no_hindrance(void **state)
{
	const struct pointer pointer = pointer_of(3);

	(void)state;
	fault_set(&fault, FAULT_RENAME, 1, 1, -EXDEV);
	assert_int_equal(worktree_write_pointer(&wt, "a/b", &pointer), 0);
	fault_clear(&fault);
	assert_pointer("a/b", 3);
	scratch_sh("test \"$(ls -A r/a)\" = b.revfs && ! ls r/.git/revfs/worktree | grep new");
	fault_set(&fault, FAULT_RENAME, 1, 2, -EXDEV);
	assert_int_equal(worktree_write_pointer(&wt, "a/b", &pointer), -EXDEV);
	fault_clear(&fault);
	scratch_sh("test \"$(ls -A r/a)\" = b.revfs");
}

static void index_is_told_with_literal_paths(void **state)
{
	const char *const paths[] = {"a*", "d", NULL};
	struct index_entry *entries;
	size_t count;

	(void)state;
	scratch_sh("cd r && mkdir d && touch 'a*' ab d/x 'd/y\nz' && git add . && touch untracked");
	assert_int_equal(worktree_index(&wt, paths, &entries, &count), 0);
	assert_int_equal(count, 3);
	assert_string_equal(entries[0].path, "a*");
	assert_string_equal(entries[1].path, "d/x");
	assert_string_equal(entries[2].path, "d/y\nz");
	assert_int_equal(entries[0].mode, 0100644);
	assert_false(entries[0].unmerged);
	worktree_index_free(entries, count);
}

static void unmerged_path_is_told_once(void **state)
{
	const char *const paths[] = {"f", NULL};
	struct index_entry *entries;
	size_t count;

	(void)state;
	scratch_sh(
	    "cd r && echo 0 >f && git add f && git commit -qm f && git checkout -qb other && echo 1 >f && "
	    "git commit -qam 1 && git checkout -q main && echo 2 >f && git commit -qam 2 && ! git merge -q other");
	assert_int_equal(worktree_index(&wt, paths, &entries, &count), 0);
	assert_int_equal(count, 1);
	assert_true(entries[0].unmerged);
	worktree_index_free(entries, count);
}

static void broken_index_is_eio(void **state)
{
	const char *const paths[] = {"f", NULL};
	struct index_entry *entries;
	bool in_index, in_head;
	size_t count;

	(void)state;
	scratch_sh("echo damaged >r/.git/index");
	assert_int_equal(worktree_index(&wt, paths, &entries, &count), -EIO);
	assert_int_equal(worktree_tracked(&wt, NULL, "f", &in_index, &in_head), -EIO);
}

static void tracked_in_index_and_head_are_told_apart(void **state)
{
	struct repo_commit commit;
	bool in_index, in_head;
	struct oid head;

	(void)state;
	scratch_sh(
	    "cd r && mkdir d && touch d/a && git add . && git commit -qm a && git rm -q --cached d/a && touch f && "
	    "git add f");
	assert_int_equal(repo_ref(repo, "HEAD", &head), 0);
	assert_int_equal(repo_commit(repo, &head, &commit), 0);
	assert_int_equal(worktree_tracked(&wt, &commit.tree, "d", &in_index, &in_head), 0);
	assert_true(!in_index && in_head);
	assert_int_equal(worktree_tracked(&wt, &commit.tree, "f", &in_index, &in_head), 0);
	assert_true(in_index && !in_head);
	assert_int_equal(worktree_tracked(&wt, NULL, "d", &in_index, &in_head), 0);
	assert_true(!in_index && !in_head);
	assert_int_equal(worktree_tracked(&wt, &commit.tree, "f/x", &in_index, &in_head), 0);
	assert_true(!in_index && !in_head);
	repo_commit_release(&commit);
}

/* From the index; from records whose pointer lies there; each once, sorted. */
static void datasets_come_from_the_index_and_from_records(void **state)
{
	const struct instep record = {.has_root = true, .root = pointer_of(9).root};
	const struct pointer pointer = pointer_of(3);
	struct work_dataset *datasets;
	size_t count;

	(void)state;
	assert_int_equal(worktree_write_pointer(&wt, "b", &pointer), 0);
	assert_int_equal(worktree_write_pointer(&wt, "d/a", &pointer), 0);
	assert_int_equal(worktree_write_pointer(&wt, "new", &pointer), 0);
	assert_int_equal(worktree_write_pointer(&wt, "unknown", &pointer), 0);
	scratch_sh("cd r && ln -s b.revfs l.revfs && touch .revfs && git add b.revfs d l.revfs .revfs && rm b.revfs");
	assert_int_equal(instep_write(wt.io, wt.folder, "b", &record), 0);
	assert_int_equal(instep_write(wt.io, wt.folder, "new", &record), 0);
	assert_int_equal(instep_write(wt.io, wt.folder, "gone", &record), 0);
	assert_int_equal(worktree_datasets(&wt, &datasets, &count), 0);
	assert_int_equal(count, 3);
	assert_string_equal(datasets[0].path, "b");
	assert_true(datasets[0].indexed && datasets[0].has_record);
	assert_string_equal(datasets[1].path, "d/a");
	assert_true(datasets[1].indexed && !datasets[1].has_record && !datasets[1].damaged_record);
	assert_string_equal(datasets[2].path, "new");
	assert_true(!datasets[2].indexed && datasets[2].has_record);
	assert_memory_equal(&datasets[2].record.root, &record.root, sizeof(record.root));
	worktree_datasets_free(datasets, count);
}

/* A record that does not read is not the same as none: files would be taken for new ones. */
static void damaged_record_is_told(void **state)
{
	const struct instep record = {.has_root = true, .root = pointer_of(9).root};
	const struct pointer pointer = pointer_of(3);
	struct work_dataset *datasets;
	size_t count;

	(void)state;
	assert_int_equal(worktree_write_pointer(&wt, "b", &pointer), 0);
	assert_int_equal(instep_write(wt.io, wt.folder, "b", &record), 0);
	scratch_sh("cd r && git add b.revfs && for f in .git/revfs/worktree/*; do chmod 644 $f; echo x >$f; done");
	assert_int_equal(worktree_datasets(&wt, &datasets, &count), 0);
	assert_int_equal(count, 1);
	assert_true(datasets[0].damaged_record && !datasets[0].has_record);
	worktree_datasets_free(datasets, count);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
	    TEST(records_are_not_made_unless_asked_for),
	    TEST(one_at_a_time_holds_the_lock),
	    TEST(operations_in_progress_are_named),
	    TEST(kinds_are_told_and_links_not_followed),
	    TEST(parents_are_made_but_not_through_links),
	    TEST(pointer_is_read_as_it_was_written),
	    TEST(what_is_no_pointer_is_told),
	    TEST(failing_write_leaves_the_old_pointer),
	    TEST(other_file_system_is_no_hindrance),
	    TEST(index_is_told_with_literal_paths),
	    TEST(unmerged_path_is_told_once),
	    TEST(broken_index_is_eio),
	    TEST(tracked_in_index_and_head_are_told_apart),
	    TEST(datasets_come_from_the_index_and_from_records),
	    TEST(damaged_record_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
