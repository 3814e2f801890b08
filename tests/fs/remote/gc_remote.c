/* Garbage collection at a remote beside pushes: what roots need stays readable there, whoever does what meanwhile. */
#include "fs/remote/gc_remote.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cache/remote_condemned.h"
#include "fs/remote/push.h"
#include "tests/support/ground.h"
#include "tests/support/scratch.h"

static const struct ground_dataset ONE = {.from = 0, .to = 60};
static const struct ground_dataset TWO = {.from = 0, .to = 40, .salt = 1};

/* A folder that calls HOOK once, before the first put of a path that begins with WHERE; the NTH change fails. */
static struct {
	const char *where;
	void (*hook)(void);
	unsigned changes, fails_at;
} plan;

static struct {
	struct ground *ground;
	struct remote *remote;
	struct remote_store *store;
	char *url;
} lab;

static int hooked_open(const struct remote_setup *setup, void **state)
{
	return remote_kind_folder.open(setup, state);
}

static void hooked_close(void *state)
{
	remote_kind_folder.close(state);
}

static ssize_t hooked_read(void *state, const char *path, uint64_t offset, void *data, size_t len,
                           const struct arrival *arrival)
{
	return remote_kind_folder.read(state, path, offset, data, len, arrival);
}

static int hooked_stat(void *state, const char *path, struct remote_stat *st)
{
	return remote_kind_folder.stat(state, path, st);
}

static int hooked_put(void *state, const char *path, const struct remote_body *body, bool replace)
{
	void (*hook)(void) = plan.hook;

	if (hook && !strncmp(path, plan.where, strlen(plan.where))) {
		plan.hook = NULL;
		hook();
	}
	if (plan.fails_at && ++plan.changes >= plan.fails_at)
		return -EIO;
	return remote_kind_folder.put(state, path, body, replace);
}

static int hooked_remove(void *state, const char *path)
{
	if (plan.fails_at && ++plan.changes >= plan.fails_at)
		return -EIO;
	return remote_kind_folder.remove(state, path);
}

static int hooked_list(void *state, const char *folder, remote_each each, void *arg)
{
	return remote_kind_folder.list(state, folder, each, arg);
}

static const struct remote_kind hooked = {
    .name = "hooked",
    .open = hooked_open,
    .close = hooked_close,
    .read = hooked_read,
    .stat = hooked_stat,
    .put = hooked_put,
    .remove = hooked_remove,
    .list = hooked_list,
};

static void open_lab(void)
{
	const struct remote_setup setup = {.io = io_system(), .name = "lab", .url = lab.url};

	assert_int_equal(remote_open_kind(&setup, &hooked, &lab.remote), 0);
	assert_int_equal(remote_store_open(io_system(), lab.remote, NULL, &lab.store), 0);
}

static void close_lab(void)
{
	remote_store_close(lab.store);
	remote_close(lab.remote);
}

static int set_up(void **state)
{
	ground_setup(state);
	memset(&plan, 0, sizeof(plan));
	lab.ground = *state;
	lab.url = scratch_path("lab");
	open_lab();
	return 0;
}

static int tear_down(void **state)
{
	close_lab();
	free(lab.url);
	return ground_teardown(state);
}

/* --- what is done there --- */

static int collect_with(int64_t keep_s, struct gc_report *report)
{
	const struct gc_remote_options options = {.io = &lab.ground->fault.io, .keep_s = keep_s};
	int error = gc_remote_run(lab.store, &options, report);

	gc_report_release(report);
	return error;
}

static struct gc_report collect(int64_t keep_s)
{
	struct gc_report report;

	assert_int_equal(collect_with(keep_s, &report), 0);
	return report;
}

/* A push under way: what it relies on was read at its beginning. */
struct push_run {
	struct remote_condemned condemned;
	struct push_plan plan;
	uint64_t began_ns;
	struct push_result result;
};

static void plan_push(struct push_run *p, const struct id *root)
{
	const struct pointer pointer = {.root = *root};

	*p = (struct push_run){.plan = {.store = lab.ground->store, .to = lab.store}};
	assert_int_equal(remote_store_prepare(lab.store), 0);
	p->began_ns = io_monotonic_ns(&lab.ground->fault.io);
	assert_int_equal(remote_condemned_read(lab.remote, &p->condemned), 0);
	p->plan.condemned = &p->condemned;
	assert_int_equal(push_plan_root(&p->plan, &pointer), 0);
	assert_int_equal(push_plan_finish(&p->plan), 0);
}

static int run_push(struct push_run *p)
{
	const struct push_request request = {.plan = &p->plan, .since_ns = p->began_ns};

	return push_run(&request, &p->result);
}

static int end_push(struct push_run *p)
{
	push_plan_release(&p->plan);
	remote_condemned_release(&p->condemned);
	return p->result.collected;
}

static int push(const struct id *root)
{
	struct push_run p;

	plan_push(&p, root);
	assert_int_equal(run_push(&p), 0);
	return end_push(&p);
}

/* Everything below ROOT is read from the remote alone. */
static void assert_there(const struct id *root, const struct ground_dataset *dataset)
{
	struct ground there = *lab.ground;

	assert_int_equal(store_open(io_system(), lab.url, STORE_READ_ONLY, 0, &there.store), 0);
	assert_int_equal(ground_read(&there, root, dataset), 0);
	store_close(there.store);
}

/* Packs of the dataset without its root: what a push that was killed leaves. */
static struct id half_push(const struct ground_dataset *dataset)
{
	struct id root;

	assert_int_equal(ground_store(lab.ground, dataset, &root), 0);
	assert_int_equal(push(&root), 0);
	scratch_sh("rm -r lab/roots");
	return root;
}

static unsigned count_of(const char *what)
{
	char *text = scratch_output("find lab/%s -type f 2>/dev/null | wc -l", what);
	unsigned count = (unsigned)strtoul(text, NULL, 10);

	free(text);
	return count;
}

/* --- tests --- */

static void collect_hook(void)
{
	struct gc_report report = collect(0);

	assert_true(report.condemned.packs > 0);
}

static void collection_before_the_roots_is_noticed(void **state)
{
	struct id root;

	(void)state;
	assert_int_equal(ground_store(lab.ground, &ONE, &root), 0);
	plan.where = "roots/";
	plan.hook = collect_hook;
	assert_int_equal(push(&root), -EAGAIN);
	assert_null(plan.hook);
	assert_int_equal(push(&root), 0);
	assert_there(&root, &ONE);
	for (unsigned i = 0; i < 3; i++)
		collect(0);
	assert_there(&root, &ONE);
	assert_int_equal(count_of("condemned"), 0);
}

/* Condemned and deleted in the middle of a push, which a time of grace of nothing allows: it is done again. */
static void collect_twice_hook(void)
{
	collect(0);
	collect(0);
	assert_int_equal(count_of("packs"), 0);
}

static void what_was_put_in_place_of_condemned_packs_is_watched_too(void **state)
{
	struct id root = half_push(&ONE);

	(void)state;
	collect(0);
	plan.where = "roots/";
	plan.hook = collect_hook;
	assert_int_equal(push(&root), -EAGAIN);
	assert_int_equal(push(&root), 0);
	for (unsigned i = 0; i < 3; i++)
		collect(0);
	assert_there(&root, &ONE);
}

static void push_after_a_deletion_brings_everything(void **state)
{
	struct id root = half_push(&ONE);

	(void)state;
	collect_twice_hook();
	assert_int_equal(push(&root), 0);
	assert_there(&root, &ONE);
}

static void push_that_takes_too_long_begins_anew(void **state)
{
	struct push_run p;
	struct id root;

	(void)state;
	assert_int_equal(ground_store(lab.ground, &ONE, &root), 0);
	plan_push(&p, &root);
	ground_wait(lab.ground, 8 * GROUND_DAY);
	assert_int_equal(run_push(&p), 0);
	assert_int_equal(end_push(&p), -EAGAIN);
	plan_push(&p, &root);
	ground_wait(lab.ground, 6 * GROUND_DAY);
	assert_int_equal(run_push(&p), 0);
	assert_int_equal(end_push(&p), 0);
}

static void condemned_root_is_refused(void **state)
{
	const struct gc_remote_options options = {.io = io_system(), .keep_s = 0};
	struct push_plan push_plan = {.store = lab.ground->store, .to = lab.store};
	struct remote_condemned condemned;
	struct gc_report report;
	struct pointer pointer = {0};

	(void)state;
	assert_int_equal(ground_store(lab.ground, &ONE, &pointer.root), 0);
	assert_int_equal(push(&pointer.root), 0);
	assert_int_equal(gc_remote_forget(lab.store, &options, &pointer.root, 1, &report), 0);
	assert_int_equal(report.condemned.roots, 1);
	assert_int_equal(gc_remote_forget(lab.store, &options, &pointer.root, 1, &report), 0);
	assert_int_equal(report.condemned.roots, 0);
	assert_int_equal(report.waiting.roots, 1);
	assert_int_equal(remote_condemned_read(lab.remote, &condemned), 0);
	push_plan.condemned = &condemned;
	assert_int_equal(push_plan_root(&push_plan, &pointer), -EBUSY);
	assert_true(push_plan.needed.is_root);
	assert_true(id_equal(&push_plan.needed.root, &pointer.root));
	assert_non_null(remote_condemned_by(&condemned, &push_plan.needed));
	push_plan_release(&push_plan);
	remote_condemned_release(&condemned);
}

/* This machine's clock is far ahead, or behind: the remote's counts. */
static void clock_here_does_not_matter(void **state)
{
	(void)state;
	half_push(&ONE);
	ground_wait(lab.ground, 1000 * GROUND_DAY);
	assert_int_equal(collect(GC_KEEP_S).condemned.packs, 0);
	assert_int_equal(collect(0).condemned.packs, 2);
	assert_int_equal(collect(GC_KEEP_S).waiting.packs, 2);
	scratch_sh("touch -d '15 days ago' lab/condemned/*");
	atomic_store(&lab.ground->fault.clock_ns, 0);
	assert_int_equal(collect(GC_KEEP_S).deleted.packs, 2);
	assert_int_equal(count_of("packs"), 0);
}

/* Of a list of which a part is needed again the rest waits anew. */
static void rest_of_a_list_waits_anew(void **state)
{
	struct id one = half_push(&ONE), two = half_push(&TWO);
	struct gc_report report;

	(void)state;
	assert_int_equal(collect(0).condemned.packs, 4);
	scratch_sh("touch -d '10 days ago' lab/condemned/*");
	scratch_sh("cp -r r/.git/revfs/roots lab/roots");
	(void)two;
	{
		char hex[ID_HEX_SIZE];

		scratch_sh("rm -f lab/roots/*/%s", id_format(&one, hex));
	}
	report = collect(GC_KEEP_S);
	assert_int_equal(report.reprieved.packs, 2);
	assert_int_equal(report.waiting.packs, 2);
	assert_int_equal(count_of("condemned"), 1);
	report = collect(GC_KEEP_S);
	assert_int_equal(report.reprieved.packs, 0);
	assert_int_equal(report.waiting.packs, 2);
	scratch_sh("touch -d '15 days ago' lab/condemned/*");
	assert_int_equal(collect(GC_KEEP_S).deleted.packs, 2);
	assert_there(&two, &TWO);
}

static void list_of_a_later_version_stops_it(void **state)
{
	struct gc_report report;

	(void)state;
	half_push(&ONE);
	scratch_sh("mkdir -p lab/condemned && printf 'revfs-condemned 2.0\\n' "
	           ">lab/condemned/00000000000000000000000000000000");
	assert_int_equal(collect_with(0, &report), -ENOTSUP);
	assert_int_equal(count_of("condemned"), 1);
	/* One that does not check counts for nothing. */
	scratch_sh(
	    "printf 'revfs-condemned 1.0\\nsince 1\\npack x\\n' >lab/condemned/00000000000000000000000000000000");
	assert_int_equal(collect(0).condemned.packs, 2);
}

/* It fails at each of its changes: the next runs finish it, and what is needed stays. */
static void failing_changes_lose_nothing(void **state)
{
	struct id two = half_push(&TWO);

	(void)state;
	assert_int_equal(push(&two), 0);
	scratch_sh("cp -r lab/roots kept");
	for (unsigned nth = 1; nth < 12; nth++) {
		struct gc_report report;

		half_push(&ONE);
		scratch_sh("cp -r kept lab/roots");
		plan.changes = 0;
		plan.fails_at = nth;
		collect_with(0, &report);
		collect_with(0, &report);
		plan.fails_at = 0;
		assert_there(&two, &TWO);
		for (unsigned i = 0; i < 3; i++)
			collect(0);
		assert_int_equal(count_of("packs"), 2);
		assert_int_equal(count_of("condemned"), 0);
		assert_there(&two, &TWO);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(collection_before_the_roots_is_noticed, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(what_was_put_in_place_of_condemned_packs_is_watched_too, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(push_after_a_deletion_brings_everything, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(push_that_takes_too_long_begins_anew, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(condemned_root_is_refused, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(clock_here_does_not_matter, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(rest_of_a_list_waits_anew, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(list_of_a_later_version_stops_it, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(failing_changes_lose_nothing, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
