/* Ignore lines: what is written keeps git away from a dataset and from nothing else, and nobody's edits are taken. */
#include "fs/ignore_line.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fs/info_exclude.h"
#include "tests/support/fault.h"
#include "tests/support/scratch.h"

static struct fault fault;
static struct repo *repo;
static struct worktree wt;
static const char *const none[] = {NULL};

static int setup(void **state)
{
	char *path;

	(void)state;
	scratch_open();
	scratch_sh("git init -q -b main r && git -C r commit -q --allow-empty -m first && mkdir -p tmp");
	path = scratch_path("r");
	assert_int_equal(repo_open(path, REPO_ANY, &repo, NULL), 0);
	free(path);
	path = scratch_path("tmp");
	setenv("TMPDIR", path, 1);
	free(path);
	fault_init(&fault, io_system());
	assert_int_equal(worktree_open(&fault.io, repo, true, &wt), 0);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	unsetenv("TMPDIR");
	worktree_close(&wt);
	repo_close(repo);
	scratch_close();
	return 0;
}

/* Plan with HEAD as it is now.  Nothing is left in TMPDIR, whatever happens. */
static int plan(const char *path, const char *const *datasets, struct ignore_plan *plan)
{
	struct repo_commit commit;
	struct oid head;
	int r;

	assert_int_equal(repo_ref(repo, "HEAD", &head), 0);
	assert_int_equal(repo_commit(repo, &head, &commit), 0);
	r = ignore_line_plan(&wt, &commit.tree, path, datasets, plan);
	repo_commit_release(&commit);
	scratch_sh("test -z \"$(ls -A tmp)\"");
	return r;
}

static void assert_text(const char *path, const char *text)
{
	char *got = scratch_output("cat '%s'; echo .", path);

	got[strlen(got) - 1] = '\0';
	assert_string_equal(got, text);
	free(got);
}

/* Plan, write, stage and commit. */
static void ignore(const char *path)
{
	struct ignore_plan p;

	assert_int_equal(plan(path, none, &p), 0);
	assert_true(p.write && p.stage);
	assert_int_equal(ignore_plan_write(&wt, &p), 0);
	ignore_plan_release(&p);
	scratch_sh("cd r && git add -A -- '*.gitignore' && git commit -qm ignore");
}

static void lines_escape_what_patterns_mean(void **state)
{
	static const char *const cases[][2] = {
	    {"data", "/data"},   {"a b", "/a b"}, {"a ", "/a\\ "},   {"a  ", "/a\\ \\ "}, {"*?[", "/\\*\\?\\["},
	    {"a\\b", "/a\\\\b"}, {"!a", "/!a"},   {"#a", "/#a"},     {"a\nb", "/a?b"},    {"a\r", "/a?"},
	    {"a\tb", "/a\tb"},   {"d/e", "/d/e"}, {"\xff", "/\xff"}, {" a", "/ a"},
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		char *line = ignore_line_format(cases[i][0]);

		assert_string_equal(line, cases[i][1]);
		free(line);
	}
}

static void line_is_found_only_whole(void **state)
{
	static const char text[] = "# /data\n/data2\n/data\r\n /x\n!/y\n/last";

	(void)state;
	assert_true(ignore_line_has(text, sizeof(text) - 1, "/data"));
	assert_true(ignore_line_has(text, sizeof(text) - 1, "/last"));
	assert_false(ignore_line_has(text, sizeof(text) - 1, "/x"));
	assert_false(ignore_line_has(text, sizeof(text) - 1, "/y"));
	assert_false(ignore_line_has(text, sizeof(text) - 1, "/dat"));
	assert_false(ignore_line_has(text, sizeof(text) - 2, "/last"));
	assert_false(ignore_line_has(NULL, 0, "/data"));
	assert_false(ignore_line_has("\n\n", 2, "/data"));
}

/* Git is asked what it makes of the line, for every name that is odd. */
static void every_name_is_ignored_and_no_other(void **state)
{
	static const char *const names[] = {"data", "a b ", "*",       "[x]", "a\\b", "!a",
	                                    "#a",   "a\nb", ":(top)a", "-a",  "\xff"};

	(void)state;
	for (unsigned i = 0; i < sizeof(names) / sizeof(*names); i++) {
		struct ignore_plan p;

		assert_int_equal(plan(names[i], none, &p), 0);
		assert_string_equal(p.path, ".gitignore");
		assert_true(p.write && p.stage);
		assert_int_equal(ignore_plan_write(&wt, &p), 0);
		ignore_plan_release(&p);
		scratch_sh("cd r && git add .gitignore && git commit -qm i");
	}
	scratch_sh("cd r && touch data2 xdata x ab y && test $(git ls-files -o --exclude-standard | wc -l) = 5");
}

static void line_goes_beside_the_dataset_behind_what_is_there(void **state)
{
	(void)state;
	scratch_sh("cd r && mkdir -p d && printf 'first' >d/.gitignore && git add . && git commit -qm d");
	ignore("d/data");
	assert_text("r/d/.gitignore", "first\n/data\n");
	scratch_sh("cd r && test ! -e .gitignore && mkdir d/data && git check-ignore -q d/data");
}

static void line_that_is_there_is_not_written_again(void **state)
{
	struct ignore_plan p;

	(void)state;
	ignore("data");
	assert_int_equal(plan("data", none, &p), 0);
	assert_false(p.write);
	assert_false(p.stage);
	ignore_plan_release(&p);
	/* Written but not committed: to be staged. */
	scratch_sh("cd r && git rm -q --cached .gitignore && git commit -qm x");
	assert_int_equal(plan("data", (const char *const[]){"data", NULL}, &p), 0);
	assert_false(p.write);
	assert_true(p.stage);
	ignore_plan_release(&p);
}

/* A later line takes it back: it is written again behind that. */
static void line_taken_back_is_written_again(void **state)
{
	struct ignore_plan p;

	(void)state;
	scratch_sh("cd r && printf '/data\n!/data\n' >.gitignore && git add . && git commit -qm x");
	assert_int_equal(plan("data", none, &p), 0);
	assert_true(p.write && p.stage);
	assert_int_equal(ignore_plan_write(&wt, &p), 0);
	ignore_plan_release(&p);
	assert_text("r/.gitignore", "/data\n!/data\n/data\n");
}

static void edits_that_are_not_staged_are_left_alone(void **state)
{
	const char *const datasets[] = {"other", "data", "d/x", NULL};
	struct ignore_plan p;

	(void)state;
	scratch_sh("cd r && echo '*.o' >.gitignore && git add . && git commit -qm x && echo '*.a' >>.gitignore");
	assert_int_equal(plan("data", datasets, &p), -EBUSY);
	assert_null(p.path);
	assert_text("r/.gitignore", "*.o\n*.a\n");
	scratch_sh("git -C r add .gitignore");
	assert_int_equal(plan("data", datasets, &p), 0);
	ignore_plan_release(&p);
	/* Lines of ours are nobody's edits, those of datasets elsewhere are. */
	scratch_sh("echo /other >>r/.gitignore");
	assert_int_equal(plan("data", datasets, &p), 0);
	ignore_plan_release(&p);
	scratch_sh("echo /x >>r/.gitignore");
	assert_int_equal(plan("data", datasets, &p), -EBUSY);
}

static void symlinks_and_folders_are_eloop(void **state)
{
	struct ignore_plan p;

	(void)state;
	scratch_sh(
	    "cd r && echo keep >../outside && ln -s ../outside .gitignore && mkdir -p d/.gitignore && ln -s d l");
	assert_int_equal(plan("data", none, &p), -ELOOP);
	assert_int_equal(plan("d/data", none, &p), -ELOOP);
	assert_int_equal(plan("l/data", none, &p), -ELOOP);
	assert_text("outside", "keep\n");
}

static void unborn_head_has_no_line(void **state)
{
	struct ignore_plan p;

	(void)state;
	assert_int_equal(ignore_line_plan(&wt, NULL, "data", none, &p), 0);
	assert_true(p.write && p.stage);
	ignore_plan_release(&p);
}

static void failing_calls_change_nothing(void **state)
{
	static const enum fault_call kinds[] = {FAULT_OPEN, FAULT_READ, FAULT_WRITE, FAULT_STAT};
	struct ignore_plan p;

	(void)state;
	scratch_sh("cd r && echo '*.o' >.gitignore && git add . && git commit -qm x");
	for (unsigned i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
		for (uint64_t nth = 1;; nth++) {
			bool met;
			int r;

			fault_clear(&fault);
			fault_set(&fault, kinds[i], nth, 1, -EIO);
			r = plan("data", none, &p);
			met = fault.calls[kinds[i]] >= nth;
			fault_clear(&fault);
			assert_int_equal(r, met ? -EIO : 0);
			if (!r) {
				assert_int_equal(p.len, strlen("*.o\n/data\n"));
				assert_memory_equal(p.text, "*.o\n/data\n", p.len);
			}
			ignore_plan_release(&p);
			assert_text("r/.gitignore", "*.o\n");
			if (!met)
				break;
			assert_true(nth < 20);
		}
	}
}

static void exclude_lines_come_and_go(void **state)
{
	(void)state;
	scratch_sh("printf 'mine\n/d/datax' >r/.git/info/exclude");
	assert_int_equal(ignore_line_exclude(&wt, "d/data"), 0);
	assert_int_equal(ignore_line_exclude(&wt, "d/data"), 0);
	assert_int_equal(ignore_line_exclude(&wt, "[a] "), 0);
	assert_text("r/.git/info/exclude", "mine\n/d/datax\n/d/data\n/\\[a]\\ \n");
	assert_int_equal(ignore_line_unexclude(&wt, "d/data"), 0);
	assert_text("r/.git/info/exclude", "mine\n/d/datax\n/\\[a]\\ \n");
	assert_int_equal(ignore_line_unexclude(&wt, "[a] "), 0);
	assert_int_equal(ignore_line_unexclude(&wt, "none"), 0);
	assert_text("r/.git/info/exclude", "mine\n/d/datax\n");
	scratch_sh("rm -r r/.git/info");
	assert_int_equal(ignore_line_unexclude(&wt, "d/data"), 0);
}

/* What is written for a name is what is taken out again: blanks at the end, a newline. */
static void exclude_lines_of_odd_names_go_again(void **state)
{
	static const char *const names[] = {"a  ", "a\nb", "a\r", "*", "x\\", "d /e "};

	(void)state;
	scratch_sh("printf 'mine\n' >r/.git/info/exclude");
	for (unsigned i = 0; i < sizeof(names) / sizeof(*names); i++) {
		assert_int_equal(ignore_line_exclude(&wt, names[i]), 0);
		assert_int_equal(ignore_line_unexclude(&wt, names[i]), 0);
		assert_text("r/.git/info/exclude", "mine\n");
	}
}

#define ADDERS 3
#define ADDED 40

static void *add_lines(void *arg)
{
	const unsigned *number = arg;
	intptr_t failed = 0;

	for (unsigned i = 0; i < ADDED; i++) {
		char path[32];

		snprintf(path, sizeof(path), "/of-%u/%u", *number, i);
		failed |= info_exclude_add(repo, path, false) != 0;
	}
	return (void *)failed;
}

/* Mounts and other worktrees add lines at any moment: none gets lost because another is taken out. */
static void lines_added_meanwhile_stay(void **state)
{
	unsigned numbers[ADDERS];
	pthread_t threads[ADDERS];
	void *failed;

	(void)state;
	for (unsigned i = 0; i < ADDERS; i++) {
		numbers[i] = i;
		assert_int_equal(pthread_create(&threads[i], NULL, add_lines, &numbers[i]), 0);
	}
	for (unsigned i = 0; i < ADDED; i++) {
		assert_int_equal(ignore_line_exclude(&wt, "data"), 0);
		assert_int_equal(ignore_line_unexclude(&wt, "data"), 0);
	}
	for (unsigned i = 0; i < ADDERS; i++) {
		assert_int_equal(pthread_join(threads[i], &failed), 0);
		assert_null(failed);
	}
	scratch_sh("test $(grep -c ^/of- r/.git/info/exclude) = $((3 * 40)) && ! grep -qx /data r/.git/info/exclude");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
	    TEST(lines_escape_what_patterns_mean),
	    TEST(line_is_found_only_whole),
	    TEST(every_name_is_ignored_and_no_other),
	    TEST(line_goes_beside_the_dataset_behind_what_is_there),
	    TEST(line_that_is_there_is_not_written_again),
	    TEST(line_taken_back_is_written_again),
	    TEST(edits_that_are_not_staged_are_left_alone),
	    TEST(symlinks_and_folders_are_eloop),
	    TEST(unborn_head_has_no_line),
	    TEST(failing_calls_change_nothing),
	    TEST(exclude_lines_come_and_go),
	    TEST(exclude_lines_of_odd_names_go_again),
	    TEST(lines_added_meanwhile_stay),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
