/* The node table: ids, counts, and adoption by another process. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "fs/mount/node.h"
#include "fs/mount/slab.h"

enum { KIND_ROOT = 1, KIND_DIRECTORY, KIND_FILE };

static const char *program; /* for the test that starts itself again */

static struct node_key key_number(uint64_t n)
{
	struct node_key key;
	uint64_t parts[2] = {(n + 1) * UINT64_C(0x9e3779b97f4a7c15), n};

	parts[0] ^= parts[0] >> 29;
	memcpy(key.bytes, parts, sizeof(key.bytes));
	return key;
}

static int take(struct node_table *t, uint64_t parent, uint64_t n, uint64_t *id)
{
	struct node_spec spec = {.parent = parent, .value = n, .key = key_number(n), .kind = KIND_FILE};

	return node_take(t, &spec, id);
}

static int take_text(struct node_table *t, uint64_t parent, uint64_t n, const char *text, uint64_t *id)
{
	struct node_spec spec = {.parent = parent, .key = key_number(n), .kind = KIND_DIRECTORY};

	spec.text = text;
	spec.text_len = strlen(text);
	return node_take(t, &spec, id);
}

static struct node get(struct node_table *t, uint64_t id)
{
	struct node node = {0};

	assert_int_equal(node_get(t, id, &node), 0);
	return node;
}

static struct node_table *new_table(void)
{
	struct node_table *t;

	assert_int_equal(node_table_new(KIND_ROOT, &t), 0);
	return t;
}

static uint64_t nodes_of(struct node_table *t)
{
	struct node_stats stats;

	node_stats(t, &stats);
	return stats.nodes;
}

static void root_is_always_there(void **state)
{
	struct node_table *t = new_table();
	struct node root = get(t, NODE_ROOT);

	(void)state;
	assert_int_equal(root.kind, KIND_ROOT);
	assert_int_equal(root.parent, NODE_ROOT);
	node_forget(t, NODE_ROOT, UINT64_MAX);
	assert_int_equal(get(t, NODE_ROOT).kind, KIND_ROOT);
	assert_int_equal(nodes_of(t), 1);
	node_table_free(t);
}

static void what_was_taken_is_found_again(void **state)
{
	struct node_table *t = new_table();
	uint64_t dir, file, again;
	struct node node;

	(void)state;
	assert_int_equal(take(t, NODE_ROOT, 7, &dir), 0);
	assert_int_equal(take(t, dir, 8, &file), 0);
	assert_int_equal(take(t, NODE_ROOT, 8, &again), 0);
	assert_int_equal(file, again);
	node = get(t, file);
	assert_int_equal(node.parent, dir);
	assert_int_equal(node.value, 8);
	assert_int_equal(node.lookups, 2);
	assert_int_equal(node.kind, KIND_FILE);
	assert_int_equal(get(t, dir).children, 1);
	assert_memory_equal(node.key.bytes, key_number(8).bytes, NODE_KEY_SIZE);
	node_table_free(t);
}

static void node_pins_its_parent(void **state)
{
	struct node_table *t = new_table();
	uint64_t dir, sub, file;
	struct node node;

	(void)state;
	assert_int_equal(take(t, NODE_ROOT, 1, &dir), 0);
	assert_int_equal(take(t, dir, 2, &sub), 0);
	assert_int_equal(take(t, sub, 3, &file), 0);
	node_forget(t, dir, 1);
	node_forget(t, sub, 1);
	assert_int_equal(get(t, dir).lookups, 0);
	assert_int_equal(nodes_of(t), 4);
	node_forget(t, file, 1);
	assert_int_equal(node_get(t, file, &node), -ESTALE);
	assert_int_equal(node_get(t, sub, &node), -ESTALE);
	assert_int_equal(node_get(t, dir, &node), -ESTALE);
	assert_int_equal(nodes_of(t), 1);
	assert_int_equal(get(t, NODE_ROOT).children, 0);
	node_table_free(t);
}

static int take_at(struct node_table *t, uint64_t parent, uint64_t n, uint64_t value, uint64_t *id)
{
	struct node_spec spec = {
	    .parent = parent, .value = value, .key = key_number(n), .kind = KIND_FILE, .shared = true};

	return node_take(t, &spec, id);
}

static void last_other_parent_is_remembered_and_pinned(void **state)
{
	struct node_table *t = new_table(), *next;
	uint64_t a, b, c, file, again;
	struct node node;
	int fds[2];

	(void)state;
	assert_int_equal(take(t, NODE_ROOT, 1, &a), 0);
	assert_int_equal(take(t, NODE_ROOT, 2, &b), 0);
	assert_int_equal(take(t, NODE_ROOT, 3, &c), 0);
	assert_int_equal(take_at(t, a, 9, 70, &file), 0);
	assert_int_equal(get(t, file).other_parent, 0);
	assert_int_equal(take_at(t, b, 9, 71, &again), 0);
	assert_int_equal(take_at(t, b, 9, 71, &again), 0);
	assert_int_equal(get(t, b).children, 1);
	node_forget(t, a, 1);
	node_forget(t, b, 1);
	node = get(t, file);
	assert_int_equal(node.parent, a);
	assert_int_equal(node.value, 70);
	assert_int_equal(node.other_parent, b);
	assert_int_equal(node.other_value, 71);
	/* Another takes its place, and what nothing else holds goes. */
	assert_int_equal(take_at(t, c, 9, 72, &again), 0);
	assert_int_equal(get(t, file).other_parent, c);
	assert_int_equal(get(t, file).other_value, 72);
	assert_int_equal(node_get(t, b, &node), -ESTALE);
	/* The first one is no other, and a number too large is not kept. */
	assert_int_equal(take_at(t, a, 9, 70, &again), 0);
	assert_int_equal(take_at(t, NODE_ROOT, 9, UINT64_C(1) << 32, &again), 0);
	assert_int_equal(get(t, file).other_parent, c);
	node_table_fds(t, fds);
	assert_int_equal(node_table_adopt(fds, &next), 0);
	node_table_free(t);
	node_forget(next, c, 1);
	assert_int_equal(get(next, file).other_parent, c);
	assert_int_equal(get(next, c).children, 1);
	node_forget(next, file, 6);
	assert_int_equal(nodes_of(next), 1);
	assert_int_equal(get(next, NODE_ROOT).children, 0);
	node_table_free(next);
}

static void unknown_ids_are_stale(void **state)
{
	const uint64_t unknown[] = {0, 2, UINT64_C(1) << 32 | 1, UINT64_C(0) << 32 | 2, UINT32_MAX, UINT64_MAX};
	struct node_table *t = new_table();
	struct node node;
	uint64_t id;
	size_t len;

	(void)state;
	for (size_t i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++) {
		assert_int_equal(node_get(t, unknown[i], &node), -ESTALE);
		assert_null(node_text(t, unknown[i], &len));
		assert_int_equal(take(t, unknown[i], 5, &id), -ESTALE);
		node_forget(t, unknown[i], 1);
	}
	assert_int_equal(nodes_of(t), 1);
	assert_int_equal(take(t, NODE_ROOT, 5, &id), 0);
	node_forget(t, id, UINT64_MAX);
	assert_int_equal(node_get(t, id, &node), -ESTALE);
	node_table_free(t);
}

static int compare_ids(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static void no_id_is_given_twice(void **state)
{
	enum { ROUNDS = 500, WIDTH = 8 };
	static uint64_t ids[ROUNDS * WIDTH];
	struct node_table *t = new_table();

	(void)state;
	for (unsigned round = 0; round < ROUNDS; round++) {
		for (unsigned i = 0; i < WIDTH; i++)
			assert_int_equal(take(t, NODE_ROOT, i, &ids[round * WIDTH + i]), 0);
		for (unsigned i = 0; i < WIDTH; i++)
			node_forget(t, ids[round * WIDTH + i], 1);
	}
	qsort(ids, ROUNDS * WIDTH, sizeof(ids[0]), compare_ids);
	for (unsigned i = 1; i < ROUNDS * WIDTH; i++)
		assert_true(ids[i - 1] < ids[i]);
	node_table_free(t);
}

static void texts_live_as_long_as_their_nodes(void **state)
{
	struct node_table *t = new_table();
	struct node_stats before, after;
	char text[3000];
	const char *held;
	uint64_t id, other;
	size_t len;

	(void)state;
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	assert_int_equal(take_text(t, NODE_ROOT, 1, "", &id), 0);
	assert_non_null(node_text(t, id, &len));
	assert_int_equal(len, 0);
	assert_int_equal(take_text(t, NODE_ROOT, 2, text, &other), 0);
	held = node_text(t, other, &len);
	assert_int_equal(len, sizeof(text) - 1);
	assert_memory_equal(held, text, len);
	assert_true(get(t, other).has_text);
	assert_int_equal((uintptr_t)held % 8, 0);

	node_stats(t, &before);
	for (unsigned i = 0; i < 20000; i++) {
		assert_int_equal(take_text(t, NODE_ROOT, 3, text + i % 2500, &id), 0);
		node_forget(t, id, 1);
	}
	node_stats(t, &after);
	assert_int_equal(before.bytes, after.bytes);
	assert_memory_equal(held, text, sizeof(text) - 1);
	node_table_free(t);
}

static void text_too_long_is_refused(void **state)
{
	static const char text[SLAB_LEN_MAX + 1];
	struct node_table *t = new_table();
	struct node_spec spec = {.parent = NODE_ROOT, .kind = KIND_FILE, .text = text, .text_len = sizeof(text)};
	uint64_t id;

	(void)state;
	assert_int_equal(node_take(t, &spec, &id), -EINVAL);
	assert_int_equal(nodes_of(t), 1);
	spec.text_len = SLAB_LEN_MAX;
	assert_int_equal(node_take(t, &spec, &id), 0);
	node_table_free(t);
}

/* What a table must hold, beside it. */
struct model {
	uint64_t id;
	uint64_t lookups;
	unsigned parent; /* index in the model, 0 for the root */
	unsigned other;  /* of a shared one; 0: none */
	unsigned children;
};
#define MODEL_SIZE 400
#define MODEL_SHARED 300 /* from here on they have no children, and those without a text are shared */

static void model_drop(struct model *model, unsigned i)
{
	while (i && model[i].id && !model[i].lookups && !model[i].children) {
		unsigned other = model[i].other;

		model[i].id = 0;
		model[i].other = 0;
		if (other) {
			model[other].children--;
			model_drop(model, other);
		}
		i = model[i].parent;
		model[i].children--;
	}
}

/* I, shared, has been found under PARENT. */
static void model_share(struct model *model, unsigned i, unsigned parent)
{
	unsigned before = model[i].other;

	if (!parent || !model[parent].id || parent == model[i].parent || parent == before)
		return;
	model[i].other = parent;
	model[parent].children++;
	if (before) {
		model[before].children--;
		model_drop(model, before);
	}
}

static int model_take(struct node_table *t, const struct model *model, unsigned parent, unsigned i, uint64_t *id)
{
	char text[32];

	snprintf(text, sizeof(text), "text of %u", i);
	if (i % 3 == 0)
		return take_text(t, model[parent].id, i, text, id);
	/* The root stands for no other parent in the model. */
	return i < MODEL_SHARED || !parent ? take(t, model[parent].id, i, id) : take_at(t, model[parent].id, i, i, id);
}

static void model_step(struct node_table *t, struct model *model, unsigned *seed)
{
	unsigned i = 1 + (unsigned)rand_r(seed) % (MODEL_SIZE - 1);
	unsigned parent = (unsigned)rand_r(seed) % (i < MODEL_SHARED ? i : MODEL_SHARED);
	uint64_t count = 1 + (unsigned)rand_r(seed) % 3;
	uint64_t id;

	if (rand_r(seed) % 5 < 2) {
		if (!model[i].id)
			return;
		node_forget(t, model[i].id, count);
		model[i].lookups -= count < model[i].lookups ? count : model[i].lookups;
		model_drop(model, i);
		return;
	}
	if (!model[i].id && parent && !model[parent].id)
		parent = 0;
	assert_int_equal(model_take(t, model, parent, i, &id), 0);
	model[i].lookups++;
	if (model[i].id) {
		assert_int_equal(id, model[i].id);
		if (i >= MODEL_SHARED && i % 3)
			model_share(model, i, parent);
	} else {
		model[i].parent = parent;
		model[parent].children++;
	}
	model[i].id = id;
}

static void model_check(struct node_table *t, const struct model *model)
{
	uint64_t count = 1;

	for (unsigned i = 1; i < MODEL_SIZE; i++) {
		struct node node;
		char text[32];
		size_t len;

		if (!model[i].id)
			continue;
		count++;
		node = get(t, model[i].id);
		assert_int_equal(node.lookups, model[i].lookups);
		assert_int_equal(node.children, model[i].children);
		assert_int_equal(node.parent, model[model[i].parent].id);
		assert_int_equal(node.other_parent, model[i].other ? model[model[i].other].id : 0);
		assert_memory_equal(node.key.bytes, key_number(i).bytes, NODE_KEY_SIZE);
		if (i % 3 == 0) {
			snprintf(text, sizeof(text), "text of %u", i);
			assert_memory_equal(node_text(t, model[i].id, &len), text, strlen(text));
			assert_int_equal(len, strlen(text));
		}
	}
	assert_int_equal(nodes_of(t), count);
}

static void random_steps_agree_with_a_model(void **state)
{
	static struct model model[MODEL_SIZE];
	struct node_table *t = new_table(), *adopted;
	unsigned seed = 1;
	int fds[2];

	(void)state;
	model[0].id = NODE_ROOT;
	for (unsigned round = 0; round < 20; round++) {
		for (unsigned step = 0; step < 1000; step++)
			model_step(t, model, &seed);
		model_check(t, model);
		/* A successor goes on where the one before stopped. */
		node_table_fds(t, fds);
		assert_int_equal(node_table_adopt(fds, &adopted), 0);
		node_table_free(t);
		t = adopted;
		model_check(t, model);
	}
	node_table_free(t);
}

/* The successor's side of successor_finds_everything: exit status 0 where all is as it was left. */
static int successor(const char *const *args)
{
	int fds[2] = {atoi(args[0]), atoi(args[1])};
	uint64_t file = strtoull(args[2], NULL, 10), again;
	struct node_table *t;
	struct node node, dir;
	const char *text;
	size_t len;

	if (node_table_adopt(fds, &t) || node_get(t, file, &node) || node.lookups != 2 || node.value != 1000)
		return 1;
	if (node_get(t, node.parent, &dir) || dir.lookups != 0 || dir.children != 1)
		return 2;
	text = node_text(t, node.parent, &len);
	if (!text || len != 6 || memcmp(text, "v1/dir", 6) != 0)
		return 3;
	if (take(t, NODE_ROOT, 1000, &again) || again != file)
		return 4;
	node_forget(t, file, 3);
	if (nodes_of(t) != 2 || node_get(t, file, &node) != -ESTALE)
		return 5;
	if (take(t, NODE_ROOT, 1000, &again) || again == file)
		return 6;
	node_table_free(t);
	return 0;
}

static void successor_finds_everything(void **state)
{
	struct node_table *t = new_table();
	char numbers[3][32];
	uint64_t dir, file, other;
	int fds[2], status;
	pid_t child;

	(void)state;
	assert_int_equal(take(t, NODE_ROOT, 1, &other), 0);
	assert_int_equal(take_text(t, NODE_ROOT, 2, "v1/dir", &dir), 0);
	assert_int_equal(take(t, dir, 1000, &file), 0);
	assert_int_equal(take(t, dir, 1000, &file), 0);
	node_forget(t, dir, 1);
	node_table_fds(t, fds);
	snprintf(numbers[0], sizeof(numbers[0]), "%d", fds[0]);
	snprintf(numbers[1], sizeof(numbers[1]), "%d", fds[1]);
	snprintf(numbers[2], sizeof(numbers[2]), "%llu", (unsigned long long)file);
	child = fork();
	if (child == 0) {
		fcntl(fds[0], F_SETFD, 0);
		fcntl(fds[1], F_SETFD, 0);
		execl(program, program, "--successor", numbers[0], numbers[1], numbers[2], (char *)NULL);
		_exit(127);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	node_table_free(t);
}

static void work_until_killed(struct node_table *t, _Atomic uint64_t *steps)
{
	static struct model model[MODEL_SIZE];
	unsigned seed = (unsigned)getpid();

	model[0].id = NODE_ROOT;
	for (;;) {
		model_step(t, model, &seed);
		atomic_fetch_add(steps, 1);
	}
}

static void killed_at_any_point_leaves_a_whole_table(void **state)
{
	_Atomic uint64_t *steps = mmap(NULL, sizeof(*steps), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	(void)state;
	assert_ptr_not_equal((void *)steps, MAP_FAILED);
	for (unsigned round = 0; round < 25; round++) {
		struct node_table *t = new_table(), *adopted;
		uint64_t id, held = 0;
		int fds[2], status;
		pid_t child;

		atomic_store(steps, 0);
		child = fork();
		if (child == 0)
			work_until_killed(t, steps);
		while (atomic_load(steps) < 500 + round * 97)
			assert_int_equal(waitpid(child, &status, WNOHANG), 0);
		kill(child, SIGKILL);
		assert_int_equal(waitpid(child, &status, 0), child);
		node_table_fds(t, fds);
		assert_int_equal(node_table_adopt(fds, &adopted), 0);
		/* Every node is found by its key, and once all is forgotten nothing is left. */
		for (unsigned i = 1; i < MODEL_SIZE; i++) {
			assert_int_equal(take(adopted, NODE_ROOT, i, &id), 0);
			held += get(adopted, id).lookups > 1;
		}
		assert_true(held > 0);
		for (unsigned i = 1; i < MODEL_SIZE; i++) {
			assert_int_equal(take(adopted, NODE_ROOT, i, &id), 0);
			node_forget(adopted, id, UINT64_MAX);
		}
		assert_int_equal(nodes_of(adopted), 1);
		node_table_free(adopted);
		node_table_free(t);
	}
	munmap((void *)steps, sizeof(*steps));
}

static void what_is_no_table_is_not_adopted(void **state)
{
	struct node_table *t = new_table(), *adopted;
	int empty = memfd_create("empty", MFD_CLOEXEC);
	int noise = memfd_create("noise", MFD_CLOEXEC);
	char bytes[4096];
	int fds[2], wrong[2];

	(void)state;
	memset(bytes, 0xa5, sizeof(bytes));
	assert_int_equal(write(noise, bytes, sizeof(bytes)), sizeof(bytes));
	node_table_fds(t, fds);
	for (unsigned i = 0; i < 2; i++) {
		wrong[0] = i ? noise : empty;
		wrong[1] = fds[1];
		assert_int_equal(node_table_adopt(wrong, &adopted), -EBADMSG);
		wrong[0] = fds[0];
		wrong[1] = i ? noise : empty;
		assert_int_equal(node_table_adopt(wrong, &adopted), -EBADMSG);
	}
	wrong[0] = wrong[1] = -1;
	assert_int_equal(node_table_adopt(wrong, &adopted), -EBADF);
	close(empty);
	close(noise);
	node_table_free(t);
}

static void a_million_nodes_fit_in_100_megabytes(void **state)
{
	struct node_table *t = new_table();
	struct node_stats stats;
	uint64_t id;

	(void)state;
	for (uint64_t i = 0; i < 1000000; i++)
		if (take(t, NODE_ROOT, i, &id))
			fail();
	node_stats(t, &stats);
	assert_int_equal(stats.nodes, 1000001);
	assert_true(stats.bytes < 100u << 20);
	assert_int_equal(take(t, NODE_ROOT, 999, &id), 0);
	assert_int_equal(get(t, id).lookups, 2);
	assert_int_equal(get(t, id).value, 999);
	node_table_free(t);
}

struct worker {
	struct node_table *table;
	unsigned seed;
	bool failed;
};

static void *worker_run(void *arg)
{
	struct worker *w = arg;
	uint64_t dir, file;
	struct node node;

	for (unsigned i = 0; i < 5000; i++) {
		unsigned n = (unsigned)rand_r(&w->seed) % 64;

		if (take(w->table, NODE_ROOT, n % 8, &dir) || take(w->table, dir, 100 + n, &file) ||
		    node_get(w->table, file, &node) || node.lookups == 0)
			w->failed = true;
		node_forget(w->table, dir, 1);
		node_forget(w->table, file, 1);
	}
	return NULL;
}

static void threads_share_a_table(void **state)
{
	struct node_table *t = new_table();
	struct worker workers[4];
	pthread_t threads[4];

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		workers[i] = (struct worker){.table = t, .seed = i};
		assert_int_equal(pthread_create(&threads[i], NULL, worker_run, &workers[i]), 0);
	}
	for (unsigned i = 0; i < 4; i++) {
		pthread_join(threads[i], NULL);
		assert_false(workers[i].failed);
	}
	assert_int_equal(nodes_of(t), 1);
	node_table_free(t);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(root_is_always_there),
	    cmocka_unit_test(what_was_taken_is_found_again),
	    cmocka_unit_test(node_pins_its_parent),
	    cmocka_unit_test(last_other_parent_is_remembered_and_pinned),
	    cmocka_unit_test(unknown_ids_are_stale),
	    cmocka_unit_test(no_id_is_given_twice),
	    cmocka_unit_test(texts_live_as_long_as_their_nodes),
	    cmocka_unit_test(text_too_long_is_refused),
	    cmocka_unit_test(random_steps_agree_with_a_model),
	    cmocka_unit_test(successor_finds_everything),
	    cmocka_unit_test(killed_at_any_point_leaves_a_whole_table),
	    cmocka_unit_test(what_is_no_table_is_not_adopted),
	    cmocka_unit_test(a_million_nodes_fit_in_100_megabytes),
	    cmocka_unit_test(threads_share_a_table),
	};

	if (argc == 5 && strcmp(argv[1], "--successor") == 0)
		return successor((const char *const *)argv + 2);
	program = argv[0];
	return cmocka_run_group_tests(tests, NULL, NULL);
}
