/* Mirroring: wherever it ends, what the other side has is closed, and the next one finishes it. */
#include "fs/remote/mirror.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "fs/pack_check.h"
#include "fs/remote/mirror_list.h"
#include "tests/support/ground.h"
#include "tests/support/scratch.h"

/* How many files may still be put. */
static atomic_int puts_left;
static struct remote_kind stopping;

static int put_while_allowed(void *state, const char *path, const struct remote_body *body, bool replace)
{
	return atomic_fetch_sub(&puts_left, 1) > 0 ? remote_kind_folder.put(state, path, body, replace) : -EIO;
}

/* A remote that is the folder PATH. */
static struct remote_store *open_folder(const char *path, const struct remote_kind *kind)
{
	const struct remote_setup setup = {.io = io_system(), .name = "folder", .url = path};
	struct remote_store *store;
	struct remote *remote;

	assert_int_equal(remote_open_kind(&setup, kind, &remote), 0);
	assert_int_equal(remote_store_open(io_system(), remote, NULL, &store), 0);
	return store;
}

static void close_folder(struct remote_store *store)
{
	struct remote *remote = remote_store_remote(store);

	remote_store_close(store);
	remote_close(remote);
}

struct world {
	struct ground *ground;
	char *to_path;
	struct remote_store *from, *to;
	int tmp;
};

static void open_world(struct world *w, struct ground *g)
{
	char *tmp = scratch_path("unfinished");

	stopping = remote_kind_folder;
	stopping.put = put_while_allowed;
	scratch_sh("mkdir -p unfinished");
	w->ground = g;
	w->to_path = scratch_path("mirror");
	w->from = open_folder(g->store_path, &remote_kind_folder);
	w->to = open_folder(w->to_path, &stopping);
	w->tmp = open(tmp, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(w->tmp >= 0);
	free(tmp);
}

static void close_world(struct world *w)
{
	scratch_sh("test -z \"$(ls unfinished)\"");
	close(w->tmp);
	close_folder(w->from);
	close_folder(w->to);
	free(w->to_path);
}

/* Begin anew, with nothing remembered. */
static void remove_mirror(struct world *w)
{
	close_folder(w->to);
	scratch_sh("rm -rf mirror");
	w->to = open_folder(w->to_path, &stopping);
}

static int mirror(struct world *w, int puts, struct mirror_result *result)
{
	const struct mirror_request request = {
	    .io = io_system(),
	    .from = w->from,
	    .to = w->to,
	    .to_nothing = access(w->to_path, F_OK) != 0,
	    .tmp = w->tmp,
	};

	atomic_store(&puts_left, puts);
	return mirror_run(&request, result);
}

struct closed {
	struct mirror_list *list;
	unsigned missing;
};

static int count_missing(void *arg, const struct page_named *named)
{
	struct closed *c = arg;
	struct id key = pack_check_key(&named->locator.pack);

	assert_true(named->locator.offset > 0);
	c->missing += !mirror_files_find(&c->list->packs, &key) && !mirror_files_find(&c->list->moved, &key);
	return 0;
}

/* Packs that pages at the mirror name and that are not there; ROOTS: how many roots there are. */
static unsigned missing_at(struct world *w, size_t *roots)
{
	struct mirror_list list = {0};
	struct closed closed = {.list = &list};
	int dir = open(w->to_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bool has_pages;

	*roots = 0;
	if (dir < 0)
		return 0;
	assert_int_equal(mirror_list_read(&list, remote_store_remote(w->to)), 0);
	*roots = list.roots.count;
	for (size_t i = 0; i < list.packs.count; i++) {
		char path[REMOTE_PATH_SIZE];
		struct pack_id id;

		memcpy(id.bytes, list.packs.files[i].id.bytes, sizeof(id.bytes));
		remote_store_pack_path(&id, "", path);
		assert_int_equal(pack_check(io_system(), dir, path, &id, count_missing, &closed, &has_pages), 0);
	}
	mirror_list_release(&list);
	close(dir);
	return closed.missing;
}

/* Five datasets, each of which goes on from the one before. */
static void grow(struct ground *g)
{
	for (unsigned i = 1; i <= 5; i++)
		ground_store(g, &(struct ground_dataset){.to = 20 * i}, NULL);
}

static void what_is_there_is_closed_wherever_it_ends(void **state)
{
	struct ground *g = *state;
	struct mirror_result result;
	struct world w;
	size_t roots;
	int puts = 0, error;

	grow(g);
	open_world(&w, g);
	do {
		remove_mirror(&w);
		error = mirror(&w, puts++, &result);
		assert_true(error == 0 || error == -EIO);
		if (error)
			assert_string_not_equal(result.failed, "");
		assert_int_equal(missing_at(&w, &roots), 0);
		assert_true(roots == 0 || puts > 10);
	} while (error);
	/* The version, packs of data and of pages, and roots. */
	assert_int_equal(puts - 1, 1 + result.packs + result.roots);
	assert_int_equal(result.roots, 5);
	assert_int_equal(roots, 5);
	assert_true(result.packs >= 10);
	close_world(&w);
}

static void the_next_one_brings_the_rest_alone(void **state)
{
	struct ground *g = *state;
	struct mirror_result first, second, third;
	struct world w;

	grow(g);
	open_world(&w, g);
	assert_int_equal(mirror(&w, 7, &first), -EIO);
	assert_false(first.at_from);
	assert_int_equal(mirror(&w, 1000, &second), 0);
	assert_int_equal(mirror(&w, 0, &third), 0);
	assert_int_equal(first.packs + second.packs, 10);
	assert_int_equal(second.roots, 5);
	assert_int_equal(third.packs + third.roots + third.moved, 0);
	close_world(&w);
}

/* Wherever a byte of a pack is another, the pack does not go, nor any root. */
static void a_damaged_pack_ends_it(void **state)
{
	static const struct ground_dataset dataset = {.to = 40};
	struct ground *g = *state;
	struct mirror_result result;
	struct locator at;
	struct world w;
	struct id root;
	size_t roots;
	char *path;

	ground_store(g, &dataset, &root);
	at = ground_locate(g, RECORD_PAGE, &root);
	path = ground_pack_path(g, &at.pack);
	open_world(&w, g);
	for (unsigned i = 0; i < 200; i += 7) {
		ground_flip(path, i);
		remove_mirror(&w);
		assert_int_equal(mirror(&w, 1000, &result), -EBADMSG);
		assert_true(result.at_from);
		assert_true(strstr(path, result.failed) != NULL);
		assert_int_equal(missing_at(&w, &roots), 0);
		assert_int_equal(roots, 0);
		ground_flip(path, i);
	}
	assert_int_equal(mirror(&w, 1000, &result), 0);
	free(path);
	close_world(&w);
}

static void a_dry_run_puts_nothing(void **state)
{
	struct ground *g = *state;
	struct mirror_result result;
	struct world w;

	grow(g);
	open_world(&w, g);
	const struct mirror_request request = {
	    .io = io_system(), .from = w.from, .to = w.to, .to_nothing = true, .tmp = -1, .dry = true};
	atomic_store(&puts_left, 0);
	assert_int_equal(mirror_run(&request, &result), 0);
	assert_int_equal(result.packs, 10);
	assert_int_equal(result.roots, 5);
	assert_int_not_equal(access(w.to_path, F_OK), 0);
	close_world(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(what_is_there_is_closed_wherever_it_ends, ground_setup, ground_teardown),
	    cmocka_unit_test_setup_teardown(the_next_one_brings_the_rest_alone, ground_setup, ground_teardown),
	    cmocka_unit_test_setup_teardown(a_damaged_pack_ends_it, ground_setup, ground_teardown),
	    cmocka_unit_test_setup_teardown(a_dry_run_puts_nothing, ground_setup, ground_teardown),
	};

	return cmocka_run_group_tests_name("mirror", tests, NULL, NULL);
}
