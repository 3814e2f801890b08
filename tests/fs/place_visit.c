#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fs/place_visit.h"
#include "tests/support/garden.h"
#include "tests/support/scratch.h"

static struct garden garden;

static int setup(void **state)
{
	(void)state;
	garden_open(&garden);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	garden_close(&garden);
	return 0;
}

/* What was told: "+path" where entered or met, "-path" where left, "!path" where it failed. */
struct told {
	char text[8192];
	const char *stay_out;
	const char *stop_at;
	int failed_answer;
	unsigned depth; /* entered and not left */
};

static void note(struct told *told, char what, const char *path)
{
	size_t len = strlen(told->text);

	snprintf(told->text + len, sizeof(told->text) - len, "%c%s ", what, path);
}

static int each(void *arg, const char *path, const struct place *place)
{
	struct told *told = arg;

	note(told, '+', path);
	if (told->stop_at && strcmp(told->stop_at, path) == 0)
		return -EPERM;
	if (told->stay_out && strcmp(told->stay_out, path) == 0)
		return 1;
	told->depth += place_is_directory(place) && place->kind != PLACE_BROKEN;
	return 0;
}

static void leave(void *arg, const char *path)
{
	struct told *told = arg;

	note(told, '-', path);
	told->depth--;
}

static int failed(void *arg, const char *path, int error)
{
	struct told *told = arg;

	assert_true(error == -ENODATA || error == -EBADMSG);
	note(told, '!', path);
	return told->failed_answer;
}

static int visit(const struct place_world *world, const struct place *place, struct told *told, bool without_pointers)
{
	struct place_visitor visitor = {
	    .each = each, .leave = leave, .failed = failed, .arg = told, .without_pointers = without_pointers};
	int r;

	told->depth = 1;
	r = place_visit(world, place, &visitor);
	assert_int_equal(told->depth, 0);
	return r;
}

static struct place plant(const struct model *m)
{
	struct built tree = garden_plant(&garden, m);
	struct place place = {.kind = PLACE_DATA_DIRECTORY, .directory = garden_directory(&tree)};

	return place;
}

static void everything_is_met_in_order_and_left(void **state)
{
	struct place_world world = {.source = garden.source};
	struct model m = {0};
	struct place place;
	struct told all = {.text = ""}, out = {.stay_out = "a"}, stop = {.stop_at = "a/b/c"};

	(void)state;
	model_set(&m, "a", ENTRY_DIRECTORY, false, 0);
	model_set(&m, "a/b", ENTRY_DIRECTORY, false, 0);
	model_set(&m, "a/b/c", ENTRY_FILE, false, 1);
	model_set(&m, "a.txt", ENTRY_FILE, false, 1);
	model_set(&m, "empty", ENTRY_DIRECTORY, false, 1);
	place = plant(&m);
	model_release(&m);
	assert_int_equal(visit(&world, &place, &all, false), 0);
	assert_string_equal(all.text, "+a +a/b +a/b/c -a/b -a +a.txt +empty -empty - ");
	assert_int_equal(visit(&world, &place, &out, false), 0);
	assert_string_equal(out.text, "+a +a.txt +empty -empty - ");
	assert_int_equal(visit(&world, &place, &stop, false), -EPERM);
	assert_string_equal(stop.text, "+a +a/b +a/b/c -a/b -a - ");
}

static void what_cannot_be_read_is_told_and_left(void **state)
{
	struct place_world world = {.source = garden.source};
	struct page_encoder e = {0};
	struct entry bad = {.kind = ENTRY_DIRECTORY, .name = "bad", .name_len = 3, .id = {{9}}, .totals = {1, 1, 1}};
	struct entry good = garden_file("good", 1);
	struct place place = {.kind = PLACE_DATA_DIRECTORY};
	struct told on = {.text = ""}, end = {.failed_answer = -EIO};
	struct built tree;

	(void)state;
	page_encoder_begin(&e, PAGE_DIRECTORY, 0);
	page_encoder_add(&e, &bad);
	page_encoder_add(&e, &good);
	tree = garden_forge(&garden, &e);
	place.directory = garden_directory(&tree);
	assert_int_equal(visit(&world, &place, &on, false), 0);
	assert_string_equal(on.text, "+bad !bad -bad +good - ");
	assert_int_equal(visit(&world, &place, &end, false), -EIO);
	assert_string_equal(end.text, "+bad !bad -bad - ");
}

static int count_depth(void *arg, const char *path, const struct place *place)
{
	(void)path;
	(void)place;
	(*(unsigned *)arg)++;
	return 0;
}

static int end_with(void *arg, const char *path, int error)
{
	(void)arg;
	(void)path;
	return error;
}

static void a_depth_bomb_ends(void **state)
{
	struct place_world world = {.source = garden.source};
	struct page_encoder e = {0};
	struct place place = {.kind = PLACE_DATA_DIRECTORY};
	struct built tree;
	unsigned count = 0;
	struct place_visitor visitor = {.each = count_depth, .failed = end_with, .arg = &count};

	(void)state;
	page_encoder_begin(&e, PAGE_DIRECTORY, 0);
	tree = garden_forge(&garden, &e);
	for (unsigned depth = 1; depth <= PAGE_DEPTH_MAX + 1; depth++) {
		struct entry entry = {
		    .kind = ENTRY_DIRECTORY, .name = "d", .name_len = 1, .id = tree.id, .totals = tree.totals};

		place.directory = garden_directory(&tree);
		page_encoder_begin(&e, PAGE_DIRECTORY, 0);
		page_encoder_add(&e, &entry);
		tree = garden_forge(&garden, &e);
	}
	assert_int_equal(place_visit(&world, &place, &visitor), 0);
	assert_int_equal(count, PAGE_DEPTH_MAX);
	count = 0;
	place.directory = garden_directory(&tree);
	assert_int_equal(place_visit(&world, &place, &visitor), -EBADMSG);
	assert_int_equal(count, PAGE_DEPTH_MAX + 1);
}

/* Git's trees: the pointer stands beside its data, or the data alone. */
static void pointers_are_passed_over_where_their_data_stands(void **state)
{
	struct place_world world = {.source = garden.source};
	struct model m = {0};
	struct place data, place;
	struct pointer pointer = {0};
	char text[POINTER_TEXT_MAX], hex[ID_HEX_SIZE];
	struct told with = {.text = ""}, without = {.text = ""};
	struct repo *repo;
	struct oid commit;

	(void)state;
	model_set(&m, "f", ENTRY_FILE, false, 1);
	data = plant(&m);
	model_release(&m);
	pointer.root = data.directory.id;
	pointer.files = data.directory.totals.files;
	pointer.bytes = data.directory.totals.bytes;
	pointer_format(&pointer, text);
	pointer.root.bytes[0] ^= 1;
	id_format(&pointer.root, hex);
	scratch_sh("git init -q repo && cd repo && mkdir sub && printf '%s' >sub/data.revfs && "
	           "sed 's/sha256:.*/sha256:%s/' sub/data.revfs >gone.revfs && echo x >no.revfs && "
	           "cp sub/data.revfs both.revfs && echo x >both && git add . && git commit -q -m x",
	           text, hex);
	char *path = scratch_path("repo");
	assert_int_equal(repo_open(path, REPO_ANY, &repo, NULL), 0);
	free(path);
	world.repo = repo;
	assert_int_equal(repo_ref(repo, "HEAD", &commit), 0);
	assert_int_equal(place_root(&world, &commit, &place), 0);
	assert_int_equal(visit(&world, &place, &with, false), 0);
	assert_string_equal(with.text, "+both +both.revfs +gone.revfs +gone +no.revfs +sub +sub/data.revfs +sub/data "
	                               "+sub/data/f -sub/data -sub - ");
	assert_int_equal(visit(&world, &place, &without, true), 0);
	/* The one whose data is missing is told as broken, by its own name. */
	assert_string_equal(without.text,
	                    "+both +both.revfs +gone +no.revfs +sub +sub/data +sub/data/f -sub/data -sub - ");
	repo_close(repo);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(everything_is_met_in_order_and_left),
	    TEST(what_cannot_be_read_is_told_and_left),
	    TEST(a_depth_bomb_ends),
	    TEST(pointers_are_passed_over_where_their_data_stands),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
