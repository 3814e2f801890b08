/* What is forgotten: roots of some commits' history that nothing kept needs. */
#include "fs/remote/forget.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/ground.h"
#include "tests/support/scratch.h"

static const struct ground_dataset A = {.from = 0, .to = 3, .salt = 1};
static const struct ground_dataset B = {.from = 0, .to = 3, .salt = 2};
static const struct ground_dataset C = {.from = 0, .to = 3, .salt = 3};

/* Three commits, each of which changes the one dataset. */
struct history_of_three {
	struct oid commits[3];
	struct id roots[3];
};

static struct history_of_three plant(struct ground *g)
{
	static const struct ground_dataset *const all[] = {&A, &B, &C};
	struct history_of_three h;

	for (unsigned i = 0; i < 3; i++) {
		h.roots[i] = ground_commit(g, "data", all[i]);
		h.commits[i] = ground_tip();
	}
	return h;
}

/* How many are forgotten of TIP with KEPT; the first is *ROOT. */
static size_t forget(struct ground *g, const struct oid *tip, const struct oid *kept, size_t kept_count,
                     struct id *root)
{
	struct forget f = {.repo = g->repo, .tips = tip, .tips_count = 1, .kept = kept, .kept_count = kept_count};
	struct id *roots;
	size_t count;

	assert_int_equal(forget_find(&f, &roots, &count), 0);
	if (count)
		*root = roots[0];
	free(roots);
	return count;
}

static void history_goes_with_a_commit(void **state)
{
	struct ground *g = *state;
	struct history_of_three h = plant(g);
	struct id root;

	assert_int_equal(forget(g, &h.commits[1], &h.commits[2], 1, &root), 2);
	assert_int_equal(forget(g, &h.commits[0], &h.commits[2], 1, &root), 1);
	assert_true(id_equal(&root, &h.roots[0]));
	assert_int_equal(forget(g, &h.commits[2], NULL, 0, &root), 3);
}

static void what_is_kept_stays_though_it_is_history(void **state)
{
	struct ground *g = *state;
	struct history_of_three h = plant(g);
	const struct oid kept[] = {h.commits[0], h.commits[2]};
	struct id root;

	assert_int_equal(forget(g, &h.commits[1], kept, 2, &root), 1);
	assert_true(id_equal(&root, &h.roots[1]));
	assert_int_equal(forget(g, &h.commits[2], &h.commits[2], 1, &root), 2);
}

/* A later commit that went back to the same data needs it. */
static void what_later_commits_use_stays(void **state)
{
	struct ground *g = *state;
	struct history_of_three h = plant(g);
	struct oid tip;
	struct id root;

	ground_commit(g, "data", &A);
	tip = ground_tip();
	assert_int_equal(forget(g, &h.commits[1], &tip, 1, &root), 1);
	assert_true(id_equal(&root, &h.roots[1]));
}

static void pointers_of_later_versions_stop_it(void **state)
{
	struct ground *g = *state;
	struct history_of_three h = plant(g);
	struct forget f = {.repo = g->repo, .tips = h.commits, .tips_count = 1, .kept_count = 1};
	struct id *roots;
	struct oid tip;
	size_t count;

	scratch_sh("cd r && echo 'revfs 2' >new.revfs && git add new.revfs && git commit -qm new");
	tip = ground_tip();
	f.kept = &tip;
	assert_int_equal(forget_find(&f, &roots, &count), -ENOTSUP);
	assert_string_equal(f.blamed, "new");
	free(f.blamed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(history_goes_with_a_commit, ground_setup, ground_teardown),
	    cmocka_unit_test_setup_teardown(what_is_kept_stays_though_it_is_history, ground_setup, ground_teardown),
	    cmocka_unit_test_setup_teardown(what_later_commits_use_stays, ground_setup, ground_teardown),
	    cmocka_unit_test_setup_teardown(pointers_of_later_versions_stop_it, ground_setup, ground_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
