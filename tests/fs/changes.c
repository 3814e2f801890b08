#include "fs/changes.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/garden.h"
#include "tests/support/scratch.h"

static struct garden garden;
static struct repo *repo;

static int set_up(void **state)
{
	char *dir;

	(void)state;
	garden_open(&garden);
	scratch_sh("git init -q -b main r");
	dir = scratch_path("r");
	assert_int_equal(repo_open(dir, REPO_ANY, &repo, NULL), 0);
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

/* A root of "PATH SEED" words: "d/" is an empty directory. */
static struct pointer plant(const char *words)
{
	struct model model = {0};
	struct built built;
	char path[64];
	unsigned seed;
	int used;

	for (; sscanf(words, " %63s %u%n", path, &seed, &used) == 2; words += used) {
		bool is_directory = path[strlen(path) - 1] == '/';

		path[strlen(path) - is_directory] = '\0';
		for (char *slash = strchr(path, '/'); slash; slash = strchr(slash + 1, '/')) {
			*slash = '\0';
			if (!model_find(&model, path))
				model_set(&model, path, ENTRY_DIRECTORY, false, 0);
			*slash = '/';
		}
		model_set(&model, path, is_directory ? ENTRY_DIRECTORY : ENTRY_FILE, false, seed);
	}
	built = garden_plant(&garden, &model);
	model_release(&model);
	return (struct pointer){.root = built.id, .files = built.totals.files, .bytes = built.totals.bytes};
}

static struct pointer plant_file(unsigned seed)
{
	struct entry entry = garden_file("", seed);
	struct built built;

	assert_int_equal(builder_file_root(garden.writer, &entry, &built), 0);
	return (struct pointer){.is_file = true, .root = built.id, .files = 1, .bytes = built.totals.bytes};
}

/* Write the pointer PATH.revfs, or remove it where POINTER is NULL. */
static void point(const char *path, const struct pointer *pointer)
{
	char text[POINTER_TEXT_MAX];

	if (!pointer) {
		scratch_sh("cd r && rm '%s.revfs'", path);
		return;
	}
	pointer_format(pointer, text);
	scratch_sh("cd r && mkdir -p \"$(dirname '%s')\" && cat > '%s.revfs' <<'END'\n%sEND", path, path, text);
}

static struct oid write_tree(void)
{
	char *hex = scratch_output("cd r && git add -A && git write-tree");
	struct oid oid;

	assert_int_equal(oid_parse(hex, strlen(hex), &oid), 0);
	free(hex);
	return oid;
}

/* Collects "A path;", "M path;", "D path;", with a slash behind directories, "|" at the end of datasets. */
struct told {
	char text[4096];
	int stop_after;
};

static int tell(void *arg, const struct change *change)
{
	struct told *told = arg;
	const struct entry *entry = change->b ? change->b : change->a;

	assert_int_equal(strncmp(change->path, change->dataset, strlen(change->dataset)), 0);
	sprintf(told->text + strlen(told->text), "%c %s%s;",
	        change->a && change->b ? 'M'
	        : change->a            ? 'D'
	                               : 'A',
	        change->path, entry->kind == ENTRY_DIRECTORY ? "/" : "");
	return told->stop_after && !--told->stop_after ? -EPIPE : 0;
}

static int tell_failed(void *arg, const char *dataset, int error)
{
	struct told *told = arg;

	sprintf(told->text + strlen(told->text), "%s %s!", dataset, error == -ENODATA ? "missing" : "failed");
	return 0;
}

static int tell_end(void *arg, const char *dataset, const struct pointer *a, const struct pointer *b)
{
	struct told *told = arg;

	(void)dataset;
	assert_true(a || b);
	strcat(told->text, "|");
	return 0;
}

static void assert_changes(const struct oid *a, const struct oid *b, const char *const *paths, const char *expected)
{
	struct told told = {.stop_after = 0};
	struct path_limits limits;
	struct changes_request request = {.repo = repo,
	                                  .source = garden.source,
	                                  .a = a,
	                                  .b = b,
	                                  .limits = &limits,
	                                  .each = tell,
	                                  .failed = tell_failed,
	                                  .dataset_end = tell_end,
	                                  .arg = &told};
	size_t count = 0;

	while (paths && paths[count])
		count++;
	assert_int_equal(path_limits_init(&limits, paths, count), 0);
	assert_int_equal(changes_each(&request), 0);
	assert_string_equal(told.text, expected);
	path_limits_release(&limits);
}

#define PATHS(...) ((const char *const[]){__VA_ARGS__, NULL})

static void changes_are_told_entry_by_entry(void **state)
{
	struct pointer one = plant("a 1 b/c 2 b/d 3 gone 4 kind/x 5 same/s 6 void/ 0");
	struct pointer two = plant("a 1 b/c 20 b/d 3 kind 5 new/deep/n 7 same/s 6 void/v 8 hollow/ 0");
	struct pointer file = plant_file(9);
	struct oid a, b;

	(void)state;
	point("data", &one);
	point("sub/set", &one);
	a = write_tree();
	point("data", &two);
	point("one", &file);
	point("sub/set", NULL);
	b = write_tree();
	assert_changes(
	    &a, &b, NULL,
	    "M data/b/c;D data/gone;A data/hollow/;D data/kind/x;A data/kind;A data/new/deep/n;A data/void/v;|A one;|"
	    "D sub/set/a;D sub/set/b/c;D sub/set/b/d;D sub/set/gone;D sub/set/kind/x;D sub/set/same/s;D "
	    "sub/set/void/;|");
	assert_changes(&b, &b, NULL, "");
}

static void limits_are_folders_datasets_and_parts(void **state)
{
	struct pointer one = plant("a 1 b/c 2 b/d 3 e 4"), two = plant("a 10 b/c 20 b/d 3 e 40");
	struct oid a, b;

	(void)state;
	point("x/data", &one);
	point("x/data2", &one);
	a = write_tree();
	point("x/data", &two);
	point("x/data2", &two);
	b = write_tree();
	assert_changes(&a, &b, PATHS("x/data"), "M x/data/a;M x/data/b/c;M x/data/e;|");
	assert_changes(&a, &b, PATHS("x/data.revfs"), "M x/data/a;M x/data/b/c;M x/data/e;|");
	assert_changes(&a, &b, PATHS("x/data/b"), "M x/data/b/c;|");
	assert_changes(&a, &b, PATHS("x/data/e", "x/data/b", "x/data/b/c", "x/data2/a"),
	               "M x/data/b/c;M x/data/e;|M x/data2/a;|");
	assert_changes(&a, &b, PATHS("x/data/b/d"), "|");
	assert_changes(&a, &b, PATHS("x/data/none/at/all"), "|");
	assert_changes(&a, &b, PATHS("x/data/a/below"), "|");
	assert_changes(&a, &b, PATHS("x"),
	               "M x/data/a;M x/data/b/c;M x/data/e;|M x/data2/a;M x/data2/b/c;M x/data2/e;|");
	assert_changes(&a, &b, PATHS(""),
	               "M x/data/a;M x/data/b/c;M x/data/e;|M x/data2/a;M x/data2/b/c;M x/data2/e;|");
	assert_changes(&a, &b, PATHS("x/dat", "y"), "");
}

static void dataset_that_becomes_a_file_is_gone_and_new(void **state)
{
	struct pointer folder = plant("a 1 b 2"), file = plant_file(3), other = plant_file(4), empty = plant("");
	struct oid a, b, c, d;

	(void)state;
	point("data", &folder);
	a = write_tree();
	point("data", &file);
	b = write_tree();
	point("data", &other);
	c = write_tree();
	point("data", &empty);
	d = write_tree();
	assert_changes(&a, &b, NULL, "D data/a;D data/b;A data;|");
	assert_changes(&b, &a, NULL, "D data;A data/a;A data/b;|");
	assert_changes(&b, &c, NULL, "M data;|");
	assert_changes(NULL, &d, NULL, "A data/;|");
	assert_changes(&d, &a, NULL, "A data/a;A data/b;|");
}

static void dataset_that_cannot_be_read_fails_alone(void **state)
{
	struct pointer one = plant("a 1"), two = plant("a 2"), missing = one, lying = two;
	struct changes_request request;
	struct told told = {.stop_after = 0};
	struct oid a, b;

	(void)state;
	missing.root.bytes[0] ^= 1;
	lying.files++;
	point("x", &one);
	point("y", &one);
	point("z", &one);
	a = write_tree();
	point("x", &missing);
	point("y", &lying);
	point("z", &two);
	b = write_tree();
	assert_changes(&a, &b, NULL, "x missing!|y failed!|M z/a;|");
	request = (struct changes_request){.repo = repo, .each = tell, .failed = tell_failed, .arg = &told};
	assert_int_equal(changes_each_in(&request, "x", &one, &two), -ENODATA);
	request.a = &a;
	request.b = &b;
	assert_int_equal(changes_each(&request), 0);
	assert_string_equal(told.text, "x missing!y missing!z missing!");
}

static void answer_ends_and_is_returned(void **state)
{
	struct pointer one = plant("a 1 b 2 c 3"), two = plant("a 10 b 20 c 30");
	struct told told = {.stop_after = 2};
	struct changes_request request = {
	    .repo = repo, .source = garden.source, .each = tell, .failed = tell_failed, .arg = &told};
	struct oid a, b;

	(void)state;
	point("data", &one);
	a = write_tree();
	point("data", &two);
	b = write_tree();
	request.a = &a;
	request.b = &b;
	assert_int_equal(changes_each(&request), -EPIPE);
	assert_string_equal(told.text, "M data/a;M data/b;");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(changes_are_told_entry_by_entry, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(limits_are_folders_datasets_and_parts, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(dataset_that_becomes_a_file_is_gone_and_new, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(dataset_that_cannot_be_read_fails_alone, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(answer_ends_and_is_returned, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
