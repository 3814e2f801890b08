/* Everything here runs twice, once with each reader. */
#include "fs/revision.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/scratch.h"

static enum repo_reader reader;
static struct repo *repo;

/*
 * main: one - two - three - merge, whose second parent is side; a tag and a branch of one name; a tag of a blob; nested
 * names; a remote-tracking branch.
 */
static int set_up(void **state)
{
	(void)state;
	scratch_open();
	scratch_sh("git init -q -b main r && cd r && echo x > f && git add f && git commit -q -m one &&"
	           "git commit -q --allow-empty -m two && git commit -q --allow-empty -m three &&"
	           "git switch -q -c side HEAD~1 && git commit -q --allow-empty -m side && git switch -q main &&"
	           "git merge -q --no-edit side && git tag -a -m note v1 HEAD~2 && git branch both HEAD~1 && git tag "
	           "both HEAD~2 &&"
	           "git tag blob HEAD:f && git branch blob && git tag lonely HEAD:f && git branch feature/x && git tag "
	           "deep/er/t &&"
	           "git tag feature && git update-ref refs/remotes/origin/main HEAD~1 && git tag 'per%%cent' && git "
	           "tag 'a%%2Fb' &&"
	           "git update-ref refs/remotes/origin/only HEAD~1 && git symbolic-ref refs/remotes/origin/HEAD "
	           "refs/remotes/origin/main");
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	repo_close(repo);
	repo = NULL;
	scratch_close();
	return 0;
}

static void open_repo(const char *name)
{
	char *dir = scratch_path(name);

	assert_int_equal(repo_open(dir, reader, &repo, NULL), 0);
	free(dir);
}

static char *hex_of(const char *expression)
{
	return scratch_output("git -C r rev-parse '%s^{commit}'", expression);
}

static void check(int r, const struct revision *revision, const char *text, const char *expression, bool fixed)
{
	char hex[OID_HEX_MAX], *expected;

	if (r)
		fail_msg("\"%s\": %s", text, strerror(-r));
	expected = hex_of(expression);
	if (strcmp(expected, oid_format(&revision->commit, hex)))
		fail_msg("\"%s\" is %s, not %s", text, hex, expected);
	if (revision->fixed != fixed)
		fail_msg("\"%s\" is%s fixed", text, fixed ? " not" : "");
	assert_false(revision->is_prefix);
	free(expected);
}

static void assert_is(const char *text, const char *expression, bool fixed)
{
	struct revision revision;

	check(revision_resolve(repo, text, &revision), &revision, text, expression, fixed);
}

static void assert_mounted(const char *name, const char *expression, bool fixed)
{
	struct revision revision;

	check(revision_resolve_mount(repo, name, &revision), &revision, name, expression, fixed);
}

static void assert_none(const char *text)
{
	struct revision revision;
	int r = revision_resolve(repo, text, &revision);

	if (r != -ENOENT)
		fail_msg("\"%s\" gives %d", text, r);
}

static void names_resolve_in_their_order(void **state)
{
	(void)state;
	open_repo("r");
	assert_is("v1", "v1", true);
	assert_is("main", "main", false);
	assert_is("both", "refs/tags/both", true);
	assert_is("refs/heads/both", "refs/heads/both", false);
	assert_is("refs/tags/both", "refs/tags/both", true);
	assert_is("origin/main", "refs/remotes/origin/main", false);
	assert_is("feature/x", "refs/heads/feature/x", false);
	assert_is("HEAD", "HEAD", false);
	assert_is("@", "HEAD", false);
	assert_is("@~1", "HEAD~1", false);
	/* A tag of a blob is none; the branch of that name is found. */
	assert_is("blob", "refs/heads/blob", false);
	assert_none("lonely");
	/* Nothing is completed. */
	assert_none("origin");
	assert_none("heads/main");
	assert_none("only");
	assert_none("");
	assert_none("nope");
	assert_none("main:f");
	assert_none("main@{0}");
	assert_none("--all");
}

static void parents_and_ancestors_chain(void **state)
{
	(void)state;
	open_repo("r");
	assert_is("main~1", "main~1", false);
	assert_is("main~", "main~1", false);
	assert_is("main^2", "main^2", false);
	assert_is("main^2~1^1", "main^2~1^1", false);
	assert_is("main^^", "main~2", false);
	assert_is("main~~", "main~2", false);
	assert_is("v1~1", "v1~1", false);
	assert_is("v1~0", "v1", false);
	assert_is("v1^0", "v1", false);
	assert_none("main^3");
	assert_none("main~4");
	assert_none("main~9999");
	assert_none("main~10000");
	assert_none("main~0000000000000000000010000");
	assert_none("main~99999999999999999999");
	assert_none("main~-1");
	assert_none("main^{tree}");
	assert_none("main~1x");
	assert_none("~1");
}

static void commit_ids_come_last(void **state)
{
	char *hex, *copy;

	(void)state;
	open_repo("r");
	hex = hex_of("main~1");
	assert_is(hex, "main~1", true);
	copy = strdup(hex);
	copy[9] = '\0';
	assert_is(copy, "main~1", false);
	copy[3] = '\0';
	assert_none(copy);
	strcpy(copy, hex);
	strcpy(copy + 10, "~1");
	assert_is(copy, "main~2", false);
	assert_none("0123456789012345678901234567890123456789");
	assert_none("01234567890123456789012345678901234567890");
	free(copy);
	/* A branch that looks like another commit's id. */
	copy = hex_of("main~3");
	scratch_sh("git -C r update-ref refs/heads/%s main && git -C r update-ref refs/heads/%.7s main", copy, hex);
	assert_is(copy, "main", false);
	hex[7] = '\0';
	assert_is(hex, "main", false);
	free(copy);
	free(hex);
}

static void ambiguous_id_is_eexist(void **state)
{
	struct revision revision;
	char *shared;

	(void)state;
	shared = scratch_output(
	    "cd r && for i in $(seq 1500); do printf 'commit refs/heads/many\\ncommitter c <c@x> %%s +0000\\n"
	    "data 1\\nx\\n' $i; done | git fast-import --quiet && git rev-list many | cut -c1-4 | sort |"
	    "uniq -d | head -n1");
	open_repo("r");
	assert_int_equal(strlen(shared), 4);
	assert_int_equal(revision_resolve(repo, shared, &revision), -EEXIST);
	free(shared);
}

static void mount_names_decode_only_two_escapes(void **state)
{
	(void)state;
	open_repo("r");
	assert_mounted("feature%2Fx", "feature/x", false);
	assert_mounted("deep%2Fer%2Ft", "deep/er/t", true);
	assert_mounted("feature%2Fx~1", "feature/x~1", false);
	assert_mounted("per%cent", "refs/tags/per%cent", true);
	assert_mounted("per%25cent", "refs/tags/per%cent", true);
	assert_mounted("a%252Fb", "refs/tags/a%2Fb", true);
	assert_mounted("feature/x", "feature/x", false);
	assert_mounted("refs%2Fheads%2Fboth", "refs/heads/both", false);
	assert_is("a%2Fb", "refs/tags/a%2Fb", true);
	assert_none("feature%2Fx");
}

static void folders_of_refs_are_told(void **state)
{
	static const char *const prefixes[] = {"deep", "deep%2Fer", "origin", "deep/er"};
	static const char *const none[] = {"dee",    "deep%2Fe", "deep%2Fer%2Ft%2Fx", "refs", "heads", "",
	                                   "deep~1", "deep%2F"};
	struct revision revision;

	(void)state;
	open_repo("r");
	for (size_t i = 0; i < sizeof(prefixes) / sizeof(*prefixes); i++) {
		assert_int_equal(revision_resolve_mount(repo, prefixes[i], &revision), 0);
		assert_true(revision.is_prefix);
	}
	for (size_t i = 0; i < sizeof(none) / sizeof(*none); i++)
		if (revision_resolve_mount(repo, none[i], &revision) != -ENOENT)
			fail_msg("\"%s\" is something", none[i]);
	/* A tag "feature" beside a branch "feature/x": the revision wins. */
	assert_mounted("feature", "refs/tags/feature", true);
	assert_int_equal(revision_resolve(repo, "deep", &revision), -ENOENT);
}

static void history_ends_at_the_border_of_a_shallow_clone(void **state)
{
	(void)state;
	scratch_sh("git clone -q --depth 2 \"file://$PWD/r\" s");
	open_repo("s");
	assert_is("HEAD~1", "HEAD~1", false);
	assert_none("HEAD~2");
}

static int run_with(enum repo_reader which)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(names_resolve_in_their_order, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(parents_and_ancestors_chain, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(commit_ids_come_last, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(ambiguous_id_is_eexist, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(mount_names_decode_only_two_escapes, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(folders_of_refs_are_told, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(history_ends_at_the_border_of_a_shallow_clone, set_up, tear_down),
	};

	reader = which;
	return cmocka_run_group_tests_name(which == REPO_COMMAND ? "revision (git)" : "revision (libgit2)", tests, NULL,
	                                   NULL);
}

int main(void)
{
	int failed = run_with(REPO_LIBGIT2);

	return failed + run_with(REPO_COMMAND);
}
