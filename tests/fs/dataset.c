/* Everything that reads Git runs twice, once with each reader. */
#include "fs/dataset.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/garden.h"
#include "tests/support/scratch.h"

static enum repo_reader reader;
static struct garden garden;
static struct repo *repo;

/* A shell function `p PATH N` that writes the pointer PATH.revfs to a root of digits N. */
#define P                                                                                                              \
	"p() { case $1 in */*) mkdir -p \"${1%%/*}\";; esac; printf 'revfs 1\\ntype directory\\nroot "                 \
	"sha256:%%064d\\nfiles %%d\\nbytes 7\\n' \"$2\" \"$2\" > \"$1.revfs\"; }\n"

static int set_up(void **state)
{
	char *dir;

	(void)state;
	garden_open(&garden);
	scratch_sh("git init -q -b main r");
	dir = scratch_path("r");
	assert_int_equal(repo_open(dir, reader, &repo, NULL), 0);
	free(dir);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	repo_close(repo);
	garden_close(&garden);
	return 0;
}

/* The tree that results from SCRIPT in an emptied work tree. */
static struct oid make_tree(const char *script)
{
	char *hex =
	    scratch_output("cd r && git rm -rfq --ignore-unmatch . && " P "%s\ngit add -A && git write-tree", script);
	struct oid oid;

	assert_int_equal(oid_parse(hex, strlen(hex), &oid), 0);
	free(hex);
	return oid;
}

/* Collects "path files;" and "path: error;". */
struct told {
	char text[4096];
	int stop_after;
};

static int tell(void *arg, const char *path, const struct pointer *pointer, int error)
{
	struct told *told = arg;
	char *end = told->text + strlen(told->text);

	if (pointer)
		sprintf(end, "%s %d;", path, (int)pointer->files);
	else
		sprintf(end, "%s: %s;", path, error == -ENOTSUP ? "later" : error == -EBADMSG ? "bad" : "?");
	assert_true(!pointer == !!error);
	return told->stop_after && !--told->stop_after ? 5 : 0;
}

static void assert_told(const struct oid *tree, const char *expected)
{
	struct told told = {.stop_after = 0};

	assert_int_equal(dataset_each(repo, tree, tell, &told), 0);
	assert_string_equal(told.text, expected);
}

static void datasets_are_told_in_path_order(void **state)
{
	struct told told = {.stop_after = 2};
	struct oid tree;

	(void)state;
	tree = make_tree(
	    "p a 1; p a-b/x 2; p a0 3; p 'a b' 4; mkdir a.d; p a.d/y 5; p d/e/f/deep 6; p z 7; echo x > plain");
	assert_told(&tree, "a 1;a b 4;a-b/x 2;a.d/y 5;a0 3;d/e/f/deep 6;z 7;");
	assert_int_equal(dataset_each(repo, &tree, tell, &told), 5);
	assert_string_equal(told.text, "a 1;a b 4;");
}

static void gits_own_entry_wins(void **state)
{
	struct oid tree;

	(void)state;
	tree = make_tree("p file 1; echo x > file; p dir 2; mkdir dir; p dir/in 3; p free 4; p link 5; ln -s x link;"
	                 "p twice.revfs 6; p twice 7");
	assert_told(&tree, "dir/in 3;free 4;twice 7;");
}

static void what_is_no_pointer_is_no_dataset(void **state)
{
	struct oid tree;

	(void)state;
	tree = make_tree(
	    "echo hello > a.revfs; p b 1; printf 'revfs 2\\n' > c.revfs; ln -s b.revfs d.revfs; mkdir e.revfs;"
	    "p e.revfs/in 2; { cat b.revfs; head -c 5000 /dev/zero; } > f.revfs; p g 3; echo '<<<<<<<' >> g.revfs;"
	    "touch .revfs");
	assert_told(&tree, "b 1;c: later;e.revfs/in 2;");
}

static void missing_objects_are_told_where_they_are(void **state)
{
	struct oid tree;

	(void)state;
	tree = make_tree("p a 1; p b 2; p d/x 3; p e 4");
	scratch_sh("cd r && for n in :b.revfs $(git write-tree):d; do rm -f .git/objects/$(git rev-parse $n | sed "
	           "'s,..,&/,'); done");
	assert_told(&tree, "a 1;b: bad;d: bad;e 4;");
}

static void dataset_is_found_by_its_path(void **state)
{
	struct pointer pointer;
	struct oid tree;

	(void)state;
	tree = make_tree("p d/x 3; p f 4; echo x > f; echo no > n.revfs; printf 'revfs 3\\n' > l.revfs");
	assert_int_equal(dataset_find(repo, &tree, "d/x", &pointer), 0);
	assert_int_equal(pointer.files, 3);
	assert_int_equal(dataset_find(repo, &tree, "f", &pointer), -ENOENT);
	assert_int_equal(dataset_find(repo, &tree, "d", &pointer), -ENOENT);
	assert_int_equal(dataset_find(repo, &tree, "d/x/y", &pointer), -ENOENT);
	assert_int_equal(dataset_find(repo, &tree, "f/y", &pointer), -ENOENT);
	assert_int_equal(dataset_find(repo, &tree, "d/x.revfs", &pointer), -ENOENT);
	assert_int_equal(dataset_find(repo, &tree, "none", &pointer), -ENOENT);
	assert_int_equal(dataset_find(repo, &tree, "n", &pointer), -EINVAL);
	assert_int_equal(dataset_find(repo, &tree, "l", &pointer), -ENOTSUP);
}

/* Collects "path a>b;", 0 for a side that has none. */
static int tell_change(void *arg, const char *path, const struct pointer *a, const struct pointer *b, int error)
{
	struct told *told = arg;

	if (error) {
		sprintf(told->text + strlen(told->text), "%s: bad;", path);
		return 0;
	}
	sprintf(told->text + strlen(told->text), "%s %d>%d;", path, a ? (int)a->files : 0, b ? (int)b->files : 0);
	return told->stop_after && !--told->stop_after ? 5 : 0;
}

static void assert_changed(const struct oid *a, const struct oid *b, const char *expected)
{
	struct told told = {.stop_after = 0};

	assert_int_equal(dataset_each_changed(repo, a, b, tell_change, &told), 0);
	assert_string_equal(told.text, expected);
}

static void changes_are_told_in_path_order(void **state)
{
	struct told told = {.stop_after = 1};
	struct oid a, b;

	(void)state;
	a = make_tree(
	    "p same 1; p changed 2; p gone 3; p d/x 4; p d/same 5; p e/was 6; p kind 7; p hid 8; echo x > hid;"
	    "p crlf 9; p shown 10");
	b = make_tree("p same 1; p changed 20; p new 30; p d/x 40; p d/same 5; p e 60; p kind/in 70; p hid 8;"
	              "p crlf 9; sed -i 's/$/\\r/' crlf.revfs; p shown 10; echo x > shown; echo other > plain");
	assert_changed(
	    &a, &b,
	    "changed 2>20;d/x 4>40;e 0>60;e/was 6>0;gone 3>0;hid 0>8;kind 7>0;kind/in 0>70;new 0>30;shown 10>0;");
	assert_changed(&b, &b, "");
	assert_changed(NULL, NULL, "");
	assert_changed(NULL, &a,
	               "changed 0>2;crlf 0>9;d/same 0>5;d/x 0>4;e/was 0>6;gone 0>3;kind 0>7;same 0>1;shown 0>10;");
	assert_int_equal(dataset_each_changed(repo, &a, &b, tell_change, &told), 5);
	assert_string_equal(told.text, "changed 2>20;");
}

static void changes_beside_missing_objects_are_told(void **state)
{
	struct oid a, b;

	(void)state;
	a = make_tree("p a 1; p b 2; p d/x 3; p e 4; p f/y 5");
	b = make_tree("p a 10; p b 20; p d/x 30; p e 40; p f/y 50");
	scratch_sh("cd r && for n in :b.revfs $(git write-tree):d; do rm -f .git/objects/$(git rev-parse $n | sed "
	           "'s,..,&/,'); done");
	assert_changed(&a, &b, "a 1>10;b: bad;d: bad;e 4>40;f/y 5>50;");
	assert_changed(&b, &a, "a 10>1;b: bad;d: bad;e 40>4;f/y 50>5;");
}

/* A tree of 40 levels, each of which holds the one below ten times: 10^40 paths. */
static struct oid make_bomb(const char *leaf)
{
	char *hex = scratch_output(
	    "cd r && t=$(echo %s | git hash-object -w --stdin) && "
	    "t=$(printf '100644 blob %%s\\tf\\n' $t | git mktree) && for i in $(seq 40); do "
	    "t=$(for j in 0 1 2 3 4 5 6 7 8 9; do printf '040000 tree %%s\\t%%s\\n' $t $j; done | git mktree);"
	    "done; echo $t",
	    leaf);
	struct oid oid;

	assert_int_equal(oid_parse(hex, strlen(hex), &oid), 0);
	free(hex);
	return oid;
}

static void trees_with_too_many_paths_are_passed_over(void **state)
{
	struct oid a = make_bomb("one"), b = make_bomb("two");

	(void)state;
	assert_told(&a, "");
	assert_changed(&a, &b, "");
	assert_changed(&a, NULL, "");
}

static void pointer_that_contradicts_its_root_is_ebadmsg(void **state)
{
	struct model model = {0};
	struct pointer pointer;
	struct page_pin root;
	struct built built;

	(void)state;
	model_set(&model, "a", ENTRY_FILE, false, 5);
	model_set(&model, "d/b", ENTRY_FILE, false, 6);
	built = garden_plant(&garden, &model);
	model_release(&model);
	assert_int_equal(store_writer_commit(garden.writer), 0);
	pointer = (struct pointer){.root = built.id, .files = built.totals.files, .bytes = built.totals.bytes};
	assert_int_equal(pointer.files, 2);
	assert_int_equal(dataset_open(garden.source, &pointer, &root), 0);
	assert_int_equal(root.page->totals.entries, 2);
	source_unpin_page(garden.source, &root);
	pointer.files++;
	assert_int_equal(dataset_open(garden.source, &pointer, &root), -EBADMSG);
	pointer.files--;
	pointer.bytes--;
	assert_int_equal(dataset_open(garden.source, &pointer, &root), -EBADMSG);
	pointer.bytes++;
	pointer.is_file = true;
	assert_int_equal(dataset_open(garden.source, &pointer, &root), -EBADMSG);
	pointer.is_file = false;
	pointer.root.bytes[3] ^= 1;
	assert_int_equal(dataset_open(garden.source, &pointer, &root), -ENODATA);
}

static int run_with(enum repo_reader which)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(datasets_are_told_in_path_order, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(gits_own_entry_wins, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(what_is_no_pointer_is_no_dataset, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(missing_objects_are_told_where_they_are, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(changes_beside_missing_objects_are_told, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(dataset_is_found_by_its_path, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(changes_are_told_in_path_order, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(trees_with_too_many_paths_are_passed_over, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(pointer_that_contradicts_its_root_is_ebadmsg, set_up, tear_down),
	};

	reader = which;
	return cmocka_run_group_tests_name(which == REPO_COMMAND ? "dataset (git)" : "dataset (libgit2)", tests, NULL,
	                                   NULL);
}

int main(void)
{
	int failed = run_with(REPO_LIBGIT2);

	return failed + run_with(REPO_COMMAND);
}
