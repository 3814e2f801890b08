#include "fs/object.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define C "cccccccccccccccccccccccccccccccccccccccc"

static const char commit_text[] =
    "tree " A "\nparent " B "\nparent " C "\nauthor A <a@x> 1600000000 +0100\n"
    "committer C <c@x> -5 -0330\ngpgsig -----BEGIN\n \n more\nencoding x\n\n\nfirst\nsecond\n";
static const char tag_text[] = "object " A "\ntype commit\ntag v1\ntagger T <t@x> 1 +0000\n\nnote\n";
static const char tree_text[] = "100644 a\0aaaaaaaaaaaaaaaaaaaa"
				"40000 dir\0bbbbbbbbbbbbbbbbbbbb"
				"100775 x\0cccccccccccccccccccc"
				"120000 l\0dddddddddddddddddddd"
				"160000 m\0eeeeeeeeeeeeeeeeeeee";

/* A copy without a byte more than LEN, so that a sanitizer sees every read behind it. */
static struct object object_of(const void *data, size_t len)
{
	struct object object = {.data = malloc(len ? len : 1), .len = len};

	assert_non_null(object.data);
	memcpy(object.data, data, len);
	return object;
}

static int parse_commit(const void *data, size_t len, struct repo_commit *commit)
{
	struct object object = object_of(data, len);
	int r = object_parse_commit(&object, 20, commit);

	free(object.data);
	return r;
}

static int parse_tree(const void *data, size_t len, struct repo_tree **tree)
{
	struct object object = object_of(data, len);
	int r = object_parse_tree(&object, 20, tree);

	free(object.data);
	return r;
}

static int parse_tag(const void *data, size_t len, struct oid *target, enum object_type *type)
{
	struct object object = object_of(data, len);
	int r = object_parse_tag(&object, 20, target, type);

	free(object.data);
	return r;
}

static void commit_is_taken_apart(void **state)
{
	struct repo_commit commit;
	char hex[OID_HEX_MAX];

	(void)state;
	assert_int_equal(parse_commit(commit_text, sizeof(commit_text) - 1, &commit), 0);
	assert_string_equal(oid_format(&commit.tree, hex), A);
	assert_int_equal(commit.parents_count, 2);
	assert_string_equal(oid_format(&commit.parents[1], hex), C);
	assert_string_equal(commit.author, "A <a@x>");
	assert_int_equal(commit.author_time, 1600000000);
	assert_int_equal(commit.time, -5);
	assert_string_equal(commit.summary, "first");
	repo_commit_release(&commit);
}

static void odd_commits_are_read_as_far_as_they_go(void **state)
{
	static const char *const odd[] = {"tree " A "\n",
	                                  "tree " A "\n\n",
	                                  "tree " A "\nauthor x\ncommitter y\n\n\n\n",
	                                  "tree " A "\nauthor <> 99999999999999999999999999 +0000\ncommitter\n\n",
	                                  "tree " A "\ncommitter c <c> 7\n\nx",
	                                  ("tree " A "\nauthor a"),
	                                  "tree " A};
	struct repo_commit commit;

	(void)state;
	for (size_t i = 0; i < sizeof(odd) / sizeof(*odd); i++) {
		assert_int_equal(parse_commit(odd[i], strlen(odd[i]), &commit), 0);
		assert_non_null(commit.author);
		assert_non_null(commit.summary);
		assert_int_equal(commit.author_time, 0);
		if (i == 4) {
			assert_int_equal(commit.time, 7);
			assert_string_equal(commit.summary, "x");
		} else {
			assert_string_equal(commit.summary, "");
		}
		repo_commit_release(&commit);
	}
}

static void bad_commits_are_ebadmsg(void **state)
{
	static const char *const bad[] = {"",
	                                  "\n",
	                                  "tree\n",
	                                  "tree " B "b\n",
	                                  "parent " A "\n",
	                                  "tree " A "\nparent x\n",
	                                  "tree " A "\nparent \n",
	                                  "Tree " A "\n"};
	struct repo_commit commit;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_int_equal(parse_commit(bad[i], strlen(bad[i]), &commit), -EBADMSG);
}

static void tag_is_taken_apart(void **state)
{
	static const char *const bad[] = {"",
	                                  "object " A,
	                                  "object " A "\n",
	                                  "object " A "\ntype thing\n",
	                                  "type commit\n",
	                                  "object x\ntype commit\n",
	                                  "object " A "\ntag x\n"};
	enum object_type type;
	char hex[OID_HEX_MAX];
	struct oid target;

	(void)state;
	assert_int_equal(parse_tag(tag_text, sizeof(tag_text) - 1, &target, &type), 0);
	assert_string_equal(oid_format(&target, hex), A);
	assert_int_equal(type, OBJECT_COMMIT);
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_int_equal(parse_tag(bad[i], strlen(bad[i]), &target, &type), -EBADMSG);
}

static void tree_is_taken_apart(void **state)
{
	static const uint32_t modes[] = {0100644, 0040000, 0100755, 0120000, 0160000};
	static const char *const names[] = {"a", "dir", "x", "l", "m"};
	struct repo_tree *tree;

	(void)state;
	assert_int_equal(parse_tree(tree_text, sizeof(tree_text) - 1, &tree), 0);
	assert_int_equal(tree->count, 5);
	for (size_t i = 0; i < 5; i++) {
		assert_int_equal(tree->entries[i].mode, modes[i]);
		assert_string_equal(tree->entries[i].name, names[i]);
		assert_int_equal(tree->entries[i].oid.bytes[19], 'a' + (int)i);
		assert_int_equal(tree->entries[i].oid.len, 20);
	}
	free(tree);
	assert_int_equal(parse_tree("", 0, &tree), 0);
	assert_int_equal(tree->count, 0);
	free(tree);
}

static void bad_trees_are_ebadmsg(void **state)
{
	static const struct {
		const char *text;
		size_t len;
	} bad[] = {
#define T(s) {s, sizeof(s) - 1}
	    T("100644 \0aaaaaaaaaaaaaaaaaaaa"),
	    T(" a\0aaaaaaaaaaaaaaaaaaaa"),
	    T("100844 a\0aaaaaaaaaaaaaaaaaaaa"),
	    T("100644a\0aaaaaaaaaaaaaaaaaaaa"),
	    T("100644 a\0aaaaaaaaaaaaaaaaaaa"),
	    T("77777777777777777777 a\0aaaaaaaaaaaaaaaaaaaa"),
	    T("100644 a"),
	    T("1"),
	    T("100644 "),
#undef T
	};
	struct repo_tree *tree;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_int_equal(parse_tree(bad[i].text, bad[i].len, &tree), -EBADMSG);
}

/* Whatever comes out of damaged bytes is whole or an error; sanitizers watch. */
static void try_all(const char *data, size_t len)
{
	struct repo_commit commit;
	enum object_type type;
	struct repo_tree *tree;
	struct oid target;

	if (!parse_commit(data, len, &commit)) {
		assert_true(strlen(commit.author) + strlen(commit.summary) <= len);
		repo_commit_release(&commit);
	}
	if (!parse_tree(data, len, &tree)) {
		for (size_t i = 0; i < tree->count; i++)
			assert_int_equal(strlen(tree->entries[i].name), tree->entries[i].name_len);
		free(tree);
	}
	parse_tag(data, len, &target, &type);
}

static void every_cut_and_every_flipped_bit_is_survived(void **state)
{
	static const struct {
		const char *text;
		size_t len;
	} samples[] = {{commit_text, sizeof(commit_text) - 1},
	               {tag_text, sizeof(tag_text) - 1},
	               {tree_text, sizeof(tree_text) - 1}};
	char copy[512];

	(void)state;
	for (size_t s = 0; s < 3; s++) {
		for (size_t len = 0; len < samples[s].len; len++)
			try_all(samples[s].text, len);
		for (size_t i = 0; i < 8 * samples[s].len; i++) {
			memcpy(copy, samples[s].text, samples[s].len);
			copy[i / 8] = (char)(copy[i / 8] ^ 1 << i % 8);
			try_all(copy, samples[s].len);
		}
	}
}

static void oids_are_parsed_strictly(void **state)
{
	char hex[OID_HEX_MAX];
	struct oid oid;

	(void)state;
	assert_int_equal(oid_parse("0123456789abcdef0123456789abcdef01234567", 40, &oid), 0);
	assert_string_equal(oid_format(&oid, hex), "0123456789abcdef0123456789abcdef01234567");
	assert_int_equal(oid_parse("0123456789ABCDEF0123456789abcdef01234567", 40, &oid), -EINVAL);
	assert_int_equal(oid_parse("0123456789abcdef0123456789abcdef0123456", 39, &oid), -EINVAL);
	assert_int_equal(oid_parse(A "aaaaaaaaaaaaaaaaaaaaaaa ", 64, &oid), -EINVAL);
	assert_int_equal(oid_parse(A "aaaaaaaaaaaaaaaaaaaaaaaa", 64, &oid), 0);
	assert_int_equal(oid.len, 32);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(commit_is_taken_apart),
	    cmocka_unit_test(odd_commits_are_read_as_far_as_they_go),
	    cmocka_unit_test(bad_commits_are_ebadmsg),
	    cmocka_unit_test(tag_is_taken_apart),
	    cmocka_unit_test(tree_is_taken_apart),
	    cmocka_unit_test(bad_trees_are_ebadmsg),
	    cmocka_unit_test(every_cut_and_every_flipped_bit_is_survived),
	    cmocka_unit_test(oids_are_parsed_strictly),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
