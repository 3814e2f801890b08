/* Refs as the mount lists them.  Everything here runs twice, once with each reader. */
#include "fs/git/refs.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "tests/support/scratch.h"

static enum repo_reader reader;
static struct repo *repo;
static struct refs *refs;

static int set_up(void **state)
{
	char *message = NULL, *dir;

	(void)state;
	scratch_open();
	scratch_sh(
	    "git init -q -b main r && cd r && echo one > a && git add . && git commit -q -m one && git tag v1 && "
	    "git tag -a -m annotated v2");
	dir = scratch_path("r");
	assert_int_equal(repo_open(dir, reader, &repo, &message), 0);
	assert_int_equal(refs_open(repo, &refs), 0);
	free(dir);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	refs_close(refs);
	repo_close(repo);
	scratch_close();
	return 0;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct refs_item *)a)->name, ((const struct refs_item *)b)->name);
}

/* "HEAD> main> v1/ feature+": names in order, > moves, / is a folder of a commit, + one of refs.  malloc'ed. */
static char *list(const char *prefix)
{
	static const char marks[] = {[REFS_FOLDER] = '+', [REFS_FIXED] = '/', [REFS_MOVING] = '>'};
	char *text = calloc(1, 1 << 16);
	struct timespec changed;
	struct refs_items items;

	assert_non_null(text);
	assert_int_equal(refs_items(refs, prefix, 0, &items, &changed), 0);
	if (items.count)
		qsort(items.items, items.count, sizeof(items.items[0]), by_name);
	for (size_t i = 0; i < items.count; i++)
		sprintf(text + strlen(text), "%s%s%c", i ? " " : "", items.items[i].name, marks[items.items[i].type]);
	refs_items_release(&items);
	return text;
}

static void assert_list(const char *prefix, const char *expected)
{
	char *text = list(prefix);

	assert_string_equal(text, expected);
	free(text);
}

/* Changes are seen once the list is REFS_AGE_MS old. */
static void assert_list_soon(const char *prefix, const char *expected)
{
	struct timespec pause = {.tv_nsec = 5000000};
	char *text = list(prefix);

	for (unsigned tries = 0; strcmp(text, expected) != 0 && tries < 1000; tries++) {
		nanosleep(&pause, NULL);
		free(text);
		text = list(prefix);
	}
	assert_string_equal(text, expected);
	free(text);
}

static void tags_are_fixed_and_branches_move(void **state)
{
	(void)state;
	assert_list("", "HEAD> main> v1/ v2/");
}

static void slashes_make_folders(void **state)
{
	(void)state;
	scratch_sh(
	    "cd r && git branch feature/x && git branch feature/deep/y && git tag feature/t && git branch feature-z && "
	    "git update-ref refs/remotes/origin/main main");
	assert_list("", "HEAD> feature+ feature-z> main> origin+ v1/ v2/");
	assert_list("feature/", "deep+ t/ x>");
	assert_list("feature/deep/", "y>");
	assert_list("origin/", "main>");
	assert_list("nothing/", "");
	assert_list("fea", "ture+ ture-z>");
}

static void tag_wins_over_branch_of_its_name(void **state)
{
	(void)state;
	scratch_sh("cd r && git branch both && git tag both && git branch both2 && "
	           "git update-ref refs/tags/both2/below HEAD && git update-ref refs/remotes/main HEAD");
	assert_list("", "HEAD> both/ both2> main> v1/ v2/");
}

static void tag_of_no_commit_is_left_out(void **state)
{
	(void)state;
	scratch_sh(
	    "cd r && git tag blob $(git rev-parse HEAD:a) && git tag -a -m t tree HEAD^{tree} && git branch blob && "
	    "git tag folder/blob $(git rev-parse HEAD:a)");
	assert_list("", "HEAD> blob> main> v1/ v2/");
	assert_list("folder/", "");
}

static void unborn_head_is_left_out(void **state)
{
	(void)state;
	scratch_sh("cd r && git checkout -q --orphan new");
	assert_list("", "main> v1/ v2/");
}

static void percent_signs_are_written_so_that_they_come_back(void **state)
{
	static const char *const names[] = {"100%25", "a%2Fb", "50%", "%2f"};
	struct timespec changed;
	struct refs_items items;
	char decoded[64];
	unsigned found = 0;

	(void)state;
	for (size_t i = 0; i < 4; i++)
		scratch_sh("cd r && git branch '%s'", names[i]);
	assert_list("", "%2f> 100%2525> 50%> HEAD> a%252Fb> main> v1/ v2/");
	assert_int_equal(refs_items(refs, "", 0, &items, &changed), 0);
	for (size_t i = 0; i < items.count; i++) {
		refs_decode(items.items[i].name, decoded);
		for (size_t k = 0; k < 4; k++)
			found += strcmp(decoded, names[k]) == 0;
	}
	assert_int_equal(found, 4);
	refs_items_release(&items);
	scratch_sh("cd r && git branch 'a%%25b/c'");
	assert_list_soon("a%2525b/", "c>");
}

static void name_of_a_full_id_is_left_out(void **state)
{
	(void)state;
	scratch_sh("cd r && git update-ref refs/tags/$(git rev-parse HEAD) HEAD && "
	           "git update-ref refs/heads/$(git rev-parse HEAD) HEAD");
	assert_list("", "HEAD> main> v1/ v2/");
}

/* Git can have longer ones where they are packed; a listing with one would be an error as a whole. */
static void names_too_long_for_a_directory_are_left_out(void **state)
{
	(void)state;
	scratch_sh("cd r && git pack-refs --all && id=$(git rev-parse main) && "
	           "long=$(printf 'n%%.0s' $(seq 254)) && "
	           "for name in $long ${long}x x/${long}x x/${long}xx; do "
	           "echo \"$id refs/tags/$name\" >> .git/packed-refs; done && "
	           "{ grep '^#' .git/packed-refs | sed 's/ sorted//'; grep -v '^#' .git/packed-refs; } > .git/p && "
	           "mv .git/p .git/packed-refs");
	char *top = list(""), *below = list("x/");

	assert_non_null(strstr(top, "nnn/"));
	assert_null(strstr(top, "nx/"));
	assert_non_null(strstr(below, "nx/"));
	assert_null(strstr(below, "nxx/"));
	free(top);
	free(below);
}

static void changes_are_seen_and_move_the_time(void **state)
{
	struct timespec first, second, third;

	(void)state;
	assert_list("", "HEAD> main> v1/ v2/");
	assert_int_equal(refs_changed(refs, &first), 0);
	scratch_sh("cd r && git tag v3");
	assert_list_soon("", "HEAD> main> v1/ v2/ v3/");
	assert_int_equal(refs_changed(refs, &second), 0);
	assert_true(second.tv_sec > first.tv_sec || (second.tv_sec == first.tv_sec && second.tv_nsec > first.tv_nsec));
	scratch_sh("cd r && git tag -d v3 && git pack-refs --all");
	assert_list_soon("", "HEAD> main> v1/ v2/");
	assert_int_equal(refs_changed(refs, &third), 0);
	assert_true(third.tv_sec > second.tv_sec || third.tv_nsec > second.tv_nsec);
}

static void moved_branch_changes_no_name(void **state)
{
	struct timespec first, second;

	(void)state;
	assert_int_equal(refs_changed(refs, &first), 0);
	scratch_sh("cd r && git commit -q --allow-empty -m two && git tag v9");
	assert_list_soon("", "HEAD> main> v1/ v2/ v9/");
	assert_int_equal(refs_changed(refs, &first), 0);
	scratch_sh("cd r && git commit -q --allow-empty -m three");
	assert_list("", "HEAD> main> v1/ v2/ v9/");
	assert_int_equal(refs_changed(refs, &second), 0);
	assert_memory_equal(&first, &second, sizeof(first));
}

static uint64_t cookie_of(const char *name, uint64_t after)
{
	struct timespec changed;
	struct refs_items items;
	uint64_t cookie = 0;

	assert_int_equal(refs_items(refs, "", after, &items, &changed), 0);
	for (size_t i = 0; i < items.count; i++) {
		assert_true(items.items[i].cookie > after && items.items[i].cookie >= 3);
		assert_true(items.items[i].cookie <= INT64_MAX / 2);
		assert_true(i == 0 || items.items[i].cookie > items.items[i - 1].cookie);
		if (strcmp(items.items[i].name, name) == 0)
			cookie = items.items[i].cookie;
	}
	refs_items_release(&items);
	return cookie;
}

static void cookie_of_a_name_stays(void **state)
{
	uint64_t main_cookie = cookie_of("main", 0);

	(void)state;
	assert_int_not_equal(main_cookie, 0);
	scratch_sh("cd r && for i in 1 2 3 4 5 6 7 8 9; do git tag a$i; git tag x$i; done");
	assert_list_soon("",
	                 "HEAD> a1/ a2/ a3/ a4/ a5/ a6/ a7/ a8/ a9/ main> v1/ v2/ x1/ x2/ x3/ x4/ x5/ x6/ x7/ x8/ x9/");
	assert_int_equal(cookie_of("main", 0), main_cookie);
	assert_int_equal(cookie_of("main", main_cookie - 1), main_cookie);
	assert_int_equal(cookie_of("main", main_cookie), 0);
}

static void *list_often(void *arg)
{
	bool *failed = arg;

	for (unsigned i = 0; i < 200; i++) {
		struct timespec changed;
		struct refs_items items;

		if (refs_items(refs, "", 0, &items, &changed) || items.count < 4)
			*failed = true;
		refs_items_release(&items);
	}
	return NULL;
}

static void threads_share_a_list(void **state)
{
	bool failed[3] = {false};
	pthread_t threads[3];

	(void)state;
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, list_often, &failed[i]), 0);
	for (unsigned i = 0; i < 5; i++)
		scratch_sh("cd r && git tag t%u", i);
	for (unsigned i = 0; i < 3; i++) {
		pthread_join(threads[i], NULL);
		assert_false(failed[i]);
	}
}

static void lost_repository_is_an_error_and_nothing_worse(void **state)
{
	struct timespec changed;
	struct refs_items items;

	(void)state;
	scratch_sh("mv r/.git r/gone");
	assert_true(refs_items(refs, "", 0, &items, &changed) < 0 || items.count == 0);
	refs_items_release(&items);
	scratch_sh("mv r/gone r/.git");
	assert_list_soon("", "HEAD> main> v1/ v2/");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
	    TEST(tags_are_fixed_and_branches_move),
	    TEST(slashes_make_folders),
	    TEST(tag_wins_over_branch_of_its_name),
	    TEST(tag_of_no_commit_is_left_out),
	    TEST(unborn_head_is_left_out),
	    TEST(percent_signs_are_written_so_that_they_come_back),
	    TEST(name_of_a_full_id_is_left_out),
	    TEST(names_too_long_for_a_directory_are_left_out),
	    TEST(changes_are_seen_and_move_the_time),
	    TEST(moved_branch_changes_no_name),
	    TEST(cookie_of_a_name_stays),
	    TEST(threads_share_a_list),
	    TEST(lost_repository_is_an_error_and_nothing_worse),
	};
	int failed;

	reader = REPO_LIBGIT2;
	failed = cmocka_run_group_tests_name("refs, libgit2", tests, NULL, NULL);
	reader = REPO_COMMAND;
	return failed + cmocka_run_group_tests_name("refs, git", tests, NULL, NULL);
}
