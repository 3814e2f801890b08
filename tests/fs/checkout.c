/* Checkout: files become what they shall be, and nothing of the user's is lost. */
#include "fs/checkout.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "fs/deposit.h"
#include "fs/drift.h"
#include "tests/support/damage.h"
#include "tests/support/dataset.h"
#include "tests/support/fault.h"
#include "tests/support/garden.h"
#include "tests/support/scratch.h"

static struct dataset_world w;
static struct worktree wt;
static struct place_world world;
static atomic_bool stop;

/* What was told: a line each, W, R, C or F and the path. */
static char told[8192];

static int setup(void **state)
{
	(void)state;
	dataset_world_open(&w);
	wt = (struct worktree){.io = w.io, .root = w.top, .folder = w.folder, .lock = -1};
	world = (struct place_world){.source = NULL};
	assert_int_equal(source_open(w.store, w.memory, NULL, &world.source), 0);
	atomic_store(&stop, false);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	source_close(world.source);
	dataset_world_close(&w);
	return 0;
}

/* Nothing is remembered of the store. */
static void reopen(void)
{
	char *path = scratch_path("store");

	assert_int_equal(store_open(w.io, path, 0, 0, &w.store), 0);
	free(path);
	assert_int_equal(memory_open(16 << 20, &w.memory), 0);
	assert_int_equal(store_writer_open(w.store, &w.writer), 0);
	assert_int_equal(source_open(w.store, w.memory, w.writer, &w.source), 0);
	assert_int_equal(source_open(w.store, w.memory, NULL, &world.source), 0);
}

static void tell(void *arg, enum checkout_event event, const char *path, int error, bool of_store)
{
	static const char marks[] = {
	    [CHECKOUT_WRITE] = 'W', [CHECKOUT_REMOVE] = 'R', [CHECKOUT_CONFLICT] = 'C', [CHECKOUT_FAILED] = 'F'};
	size_t len = strlen(told);

	(void)arg;
	assert_int_equal(!error, event != CHECKOUT_FAILED);
	snprintf(told + len, sizeof(told) - len, "%c%s %s\n", marks[event], of_store ? "s" : "", path);
}

static struct checkout_request request_of(const struct pointer *target, const struct instep *record)
{
	told[0] = '\0';
	return (struct checkout_request){
	    .wt = &wt,
	    .world = &world,
	    .path = "data",
	    .inside = "",
	    .target = target,
	    .record = record,
	    .jobs = 2,
	    .stop = &stop,
	    .tell = tell,
	};
}

static struct checkout_result check_out(const struct pointer *target, const struct instep *record)
{
	const struct checkout_request request = request_of(target, record);
	struct checkout_result result;

	assert_int_equal(checkout_dataset(&request, &result), 0);
	return result;
}

static struct checkout_result force_out(const struct pointer *target, const struct instep *record)
{
	struct checkout_request request = request_of(target, record);
	struct checkout_result result;

	request.force = true;
	assert_int_equal(checkout_dataset(&request, &result), 0);
	return result;
}

static struct instep step_of(const struct pointer *pointer)
{
	return (struct instep){.has_root = true, .root = pointer->root};
}

/* Record `data` as it stands; its stat cache is believed. */
static struct pointer record(const struct pointer *old)
{
	w.run.start = io_now(w.io);
	w.run.start.tv_sec += 100;
	return dataset_world_record(&w, "data", old);
}

static void assert_text(const char *path, const char *text)
{
	char *got = scratch_output("cat '%s'", path);

	assert_string_equal(got, text);
	free(got);
}

/* Single cases. */

static void absent_dataset_is_written_whole(void **state)
{
	struct pointer target;
	struct checkout_result result;

	(void)state;
	scratch_sh("mkdir -p data/d/e data/empty; seq 100 >data/a; echo b >data/d/b; chmod 755 data/d/b; "
	           "ln -s a data/d/e/l; : >data/none");
	target = record(NULL);
	scratch_sh("mv data before");
	result = check_out(&target, NULL);
	assert_true(result.whole);
	assert_int_equal(result.written, 4);
	assert_int_equal(result.bytes, 292 + 2 + 1);
	assert_int_equal(result.removed + result.conflicts + result.failed, 0);
	scratch_sh(
	    "diff -r --no-dereference before data && test -d data/empty && test -x data/d/b && test ! -x data/a");
	/* An empty folder is as good as none. */
	scratch_sh("rm -r data && mkdir data");
	assert_true(check_out(&target, NULL).whole);
	scratch_sh("diff -r --no-dereference before data");
}

static void what_changed_on_one_side_is_no_conflict(void **state)
{
	struct pointer a, b;
	struct instep step;
	struct checkout_result result;

	(void)state;
	scratch_sh("mkdir -p data/d; for f in same gone changed mine d/mode; do seq 100 >data/$f; done");
	a = record(NULL);
	scratch_sh("rm data/gone; seq 101 >data/changed; chmod +x data/d/mode; echo >data/new");
	b = record(&a);
	scratch_sh("rm -r data");
	assert_true(check_out(&a, NULL).whole);
	scratch_sh("echo mine >data/mine; echo extra >data/extra");
	step = step_of(&a);
	result = check_out(&b, &step);
	assert_true(result.whole);
	assert_int_equal(result.written, 3);
	assert_int_equal(result.removed, 1);
	assert_string_equal(told, "W changed\nW d/mode\nR gone\nW new\n");
	assert_text("data/mine", "mine");
	assert_text("data/extra", "extra");
	scratch_sh("test ! -e data/gone -a -x data/d/mode && seq 101 | cmp - data/changed");
}

static void what_changed_on_both_is_left_and_told(void **state)
{
	struct pointer a, b;
	struct instep step;
	struct checkout_result result;

	(void)state;
	scratch_sh("mkdir data; for f in gone changed other; do seq 100 >data/$f; done");
	a = record(NULL);
	scratch_sh("rm data/gone; seq 101 >data/changed; seq 102 >data/other; echo theirs >data/new");
	b = record(&a);
	scratch_sh("rm -r data");
	check_out(&a, NULL);
	scratch_sh("echo mine | tee data/gone data/changed >data/new");
	step = step_of(&a);
	result = check_out(&b, &step);
	assert_false(result.whole);
	assert_int_equal(result.conflicts, 3);
	assert_string_equal(told, "C changed\nC gone\nC new\nW other\n");
	assert_text("data/gone", "mine");
	assert_text("data/changed", "mine");
	assert_text("data/new", "mine");
	/* Force takes what is in the way, and leaves what the target does not have. */
	scratch_sh("echo extra >data/extra");
	result = force_out(&b, &step);
	assert_true(result.whole);
	assert_text("data/new", "theirs");
	assert_text("data/extra", "extra");
	scratch_sh("seq 101 | cmp - data/changed");
}

/* Without a record nothing but equal files are known. */
static void without_a_record_nothing_is_replaced(void **state)
{
	struct pointer target;
	struct checkout_result result;

	(void)state;
	scratch_sh("mkdir data; seq 100 >data/a; seq 100 >data/b; seq 100 >data/c");
	target = record(NULL);
	scratch_sh("echo mine >data/a; rm data/c; echo extra >data/d");
	result = check_out(&target, NULL);
	assert_int_equal(result.conflicts, 1);
	assert_string_equal(told, "C a\nW c\n");
	assert_text("data/a", "mine");
	scratch_sh("cmp data/b data/c && test -e data/d");
}

/* The base that the record names is lost: files that are not as they shall be are the user's. */
static void unreadable_base_replaces_nothing(void **state)
{
	struct pointer target;
	struct instep step = {.has_root = true};

	(void)state;
	scratch_sh("mkdir data; seq 100 >data/a; seq 100 >data/b");
	target = record(NULL);
	scratch_sh("seq 99 >data/a");
	memset(&step.root, 7, sizeof(step.root));
	assert_int_equal(check_out(&target, &step).conflicts, 1);
	assert_string_equal(told, "C a\n");
	scratch_sh("seq 99 | cmp - data/a");
}

static void unreadable_target_changes_nothing(void **state)
{
	struct pointer a, b = {.files = 1};
	struct instep step;
	struct checkout_request request;
	struct checkout_result result;

	(void)state;
	scratch_sh("mkdir data; seq 100 >data/a");
	a = record(NULL);
	memset(&b.root, 7, sizeof(b.root));
	step = step_of(&a);
	request = request_of(&b, &step);
	assert_int_equal(checkout_dataset(&request, &result), -ENODATA);
	assert_false(result.whole);
	/* A pointer that says file where the root is a folder. */
	b = a;
	b.is_file = true;
	request = request_of(&b, &step);
	assert_int_equal(checkout_dataset(&request, &result), -EBADMSG);
	assert_string_equal(told, "");
	scratch_sh("seq 100 | cmp - data/a");
}

static void files_that_are_missing_come_back_in_step(void **state)
{
	struct pointer a;
	struct instep step;
	struct checkout_result result;

	(void)state;
	scratch_sh("mkdir -p data/d/e; seq 100 >data/a; seq 100 >data/d/b; seq 100 >data/d/e/c");
	a = record(NULL);
	step = step_of(&a);
	scratch_sh("rm -r data/a data/d/e; echo mine >data/d/b; echo extra >data/d/x");
	result = check_out(&a, &step);
	assert_int_equal(result.written, 2);
	assert_int_equal(result.conflicts, 0);
	assert_text("data/d/b", "mine");
	scratch_sh("seq 100 | cmp - data/a && seq 100 | cmp - data/d/e/c");
	result = force_out(&a, &step);
	scratch_sh("seq 100 | cmp - data/d/b");
	assert_text("data/d/x", "extra");
}

static void only_what_was_named_is_touched(void **state)
{
	struct pointer a, b;
	struct instep step;
	struct checkout_request request;
	struct checkout_result result;

	(void)state;
	scratch_sh("mkdir -p data/d data/dd; for f in a d/a d/b dd/a; do seq 100 >data/$f; done");
	a = record(NULL);
	scratch_sh("for f in a d/a dd/a; do seq 101 >data/$f; done; rm data/d/b; echo >data/d/new; echo >data/new");
	b = record(&a);
	scratch_sh("rm -r data");
	check_out(&a, NULL);
	step = step_of(&a);
	request = request_of(&b, &step);
	request.inside = "d";
	assert_int_equal(checkout_dataset(&request, &result), 0);
	assert_false(result.whole);
	assert_string_equal(told, "W d/a\nR d/b\nW d/new\n");
	scratch_sh("seq 100 | cmp - data/a && seq 100 | cmp - data/dd/a && test ! -e data/new");
	request = request_of(&b, &step);
	request.inside = "dd/a";
	assert_int_equal(checkout_dataset(&request, &result), 0);
	assert_string_equal(told, "W dd/a\n");
}

static void dataset_of_one_file_is_replaced(void **state)
{
	struct pointer a, b, c;
	struct instep step;

	(void)state;
	scratch_sh("seq 100 >data");
	a = record(NULL);
	scratch_sh("seq 101 >data");
	b = record(&a);
	scratch_sh("rm data");
	assert_true(check_out(&a, NULL).whole);
	step = step_of(&a);
	assert_true(check_out(&b, &step).whole);
	scratch_sh("seq 101 | cmp - data && echo mine >data");
	step = step_of(&b);
	assert_int_equal(check_out(&a, &step).conflicts, 1);
	assert_text("data", "mine");
	scratch_sh("rm data");
	assert_true(check_out(&b, &step).whole);
	scratch_sh("seq 101 | cmp - data");
	/* And it becomes a folder, and a file again. */
	scratch_sh("mv data aside && mkdir data && seq 102 >data/x");
	c = record(&b);
	scratch_sh("rm -r data && mv aside data");
	assert_true(check_out(&c, &step).whole);
	scratch_sh("seq 102 | cmp - data/x");
	step = step_of(&c);
	assert_true(check_out(&a, &step).whole);
	scratch_sh("seq 100 | cmp - data");
}

/* Whatever stands behind a symlink is none of ours. */
static void nothing_is_written_or_removed_through_a_symlink(void **state)
{
	struct pointer a, b;
	struct instep step;
	struct checkout_result result;

	(void)state;
	scratch_sh("mkdir -p data/d outside; seq 100 >data/d/a; seq 100 >data/d/b");
	a = record(NULL);
	scratch_sh("seq 101 >data/d/a; rm data/d/b; echo >data/d/c");
	b = record(&a);
	scratch_sh("rm -r data");
	check_out(&a, NULL);
	/* The same bytes as the base, so that only the way there tells. */
	scratch_sh("cp data/d/* outside; rm -r data/d; ln -s ../outside data/d");
	step = step_of(&a);
	result = check_out(&b, &step);
	assert_false(result.whole);
	assert_true(result.conflicts > 0);
	scratch_sh("test -L data/d && seq 100 | cmp - outside/a && seq 100 | cmp - outside/b && test ! -e outside/c");
	result = force_out(&b, &step);
	assert_true(result.whole);
	scratch_sh("test ! -L data/d && seq 101 | cmp - data/d/a && test ! -e data/d/b && seq 100 | cmp - outside/a && "
	           "seq 100 | cmp - outside/b && test ! -e outside/c");
}

/* In the place of a folder that both revisions have. */
static void force_replaces_what_stands_in_the_place_of_a_folder(void **state)
{
	struct pointer a, b;
	struct instep step;

	(void)state;
	scratch_sh("mkdir -p data/b; seq 100 >data/b/c");
	a = record(NULL);
	scratch_sh("rm data/b/c; mkdir data/b/c; seq 101 >data/b/c/w");
	b = record(&a);
	scratch_sh("rm -r data; mkdir data; ln -s nowhere data/b");
	step = step_of(&a);
	assert_true(force_out(&b, &step).whole);
	assert_string_equal(told, "W b/c/w\n");
	scratch_sh("seq 101 | cmp - data/b/c/w");
}

/* The store lacks the bytes of some files: those are told and left, and the others are written. */
static void missing_data_costs_what_needs_it(void **state)
{
	struct pointer a, b;
	struct instep step;
	struct checkout_result result;

	(void)state;
	scratch_sh("mkdir data; seq 100 >data/a; seq 100 >data/b; echo c >data/c");
	a = record(NULL);
	scratch_sh("seq 101 >data/b; echo inline >data/c; seq 102 >data/d");
	b = record(&a);
	scratch_sh("rm -r data");
	check_out(&a, NULL);
	/* Root files hold all the pages that these small trees have. */
	scratch_sh("mkdir aside; mv store/packs/*/* aside/; rm -rf store/hints");
	source_close(world.source);
	source_close(w.source);
	memory_close(w.memory);
	store_writer_close(w.writer);
	store_close(w.store);
	reopen();
	step = step_of(&a);
	result = check_out(&b, &step);
	assert_false(result.whole);
	assert_int_equal(result.failed, 2);
	assert_int_equal(result.written, 1);
	assert_non_null(strstr(told, "Fs b\n"));
	assert_non_null(strstr(told, "Fs d\n"));
	scratch_sh(
	    "seq 100 | cmp - data/b && grep -q inline data/c && test ! -e data/d && test $(ls data | wc -l) = 3");
	/* They come back, and it goes on. */
	scratch_sh("for p in aside/*; do mkdir -p store/packs/$(basename $p | cut -c1-2); "
	           "mv $p store/packs/$(basename $p | cut -c1-2)/; done");
	store_refresh(w.store);
	assert_true(check_out(&b, &step).whole);
	scratch_sh("seq 101 | cmp - data/b && seq 102 | cmp - data/d");
}

static void stop_flag_ends_it(void **state)
{
	struct pointer a, b;
	struct instep step;
	struct checkout_request request;
	struct checkout_result result;

	(void)state;
	scratch_sh("mkdir data; seq 100 >data/a");
	a = record(NULL);
	scratch_sh("seq 101 >data/a");
	b = record(&a);
	step = step_of(&b);
	request = request_of(&a, &step);
	atomic_store(&stop, true);
	assert_int_equal(checkout_dataset(&request, &result), -EINTR);
	assert_false(result.whole);
	scratch_sh("seq 101 | cmp - data/a");
	atomic_store(&stop, false);
	assert_true(check_out(&a, &step).whole);
}

/* A link became a file: killed when that was done, it is no conflict. */
static void what_is_as_it_shall_be_is_no_conflict(void **state)
{
	struct pointer a, b;
	struct instep step;

	(void)state;
	scratch_sh("mkdir data; ln -s nowhere data/x");
	a = record(NULL);
	scratch_sh("rm data/x; seq 100 >data/x");
	b = record(&a);
	step = step_of(&a);
	step.has_checkout = true;
	step.checkout = b.root;
	assert_true(check_out(&b, &step).whole);
	assert_string_equal(told, "");
	scratch_sh("seq 100 | cmp - data/x");
}

static void leftovers_of_a_killed_run_are_removed(void **state)
{
	struct pointer a, b;
	struct instep step;

	(void)state;
	scratch_sh("mkdir -p data/d; seq 100 >data/d/a");
	a = record(NULL);
	scratch_sh("seq 101 >data/d/a");
	b = record(&a);
	scratch_sh("echo half >data/d/.revfs-tmp-7-0; ln -s half data/.revfs-tmp-7-1");
	step = step_of(&a);
	step.has_checkout = true;
	step.checkout = b.root;
	assert_true(check_out(&b, &step).whole);
	scratch_sh("test $(find data | wc -l) = 3");
	/* The file was there already: it is what the killed run wrote. */
	assert_string_equal(told, "");
}

/* One to B was killed, and then one to C: what either wrote is nobody's edit. */
static void what_several_killed_checkouts_wrote_is_no_conflict(void **state)
{
	struct pointer a, b, c, d;
	struct instep step;
	struct checkout_result result;

	(void)state;
	scratch_sh("mkdir data; seq 100 >data/x; seq 100 >data/y; seq 100 >data/z");
	a = record(NULL);
	scratch_sh("seq 101 >data/x; seq 101 >data/y; seq 101 >data/of-b");
	b = record(&a);
	scratch_sh("seq 102 >data/x; seq 102 >data/y; rm data/of-b; seq 102 >data/of-c");
	c = record(&b);
	scratch_sh("seq 103 >data/x; seq 103 >data/y; rm data/of-c");
	d = record(&c);
	step = step_of(&a);
	instep_begin_checkout(&step, &b.root);
	instep_begin_checkout(&step, &c.root);
	scratch_sh("seq 101 >data/x; seq 102 >data/y; seq 101 >data/of-b; seq 102 >data/of-c");
	assert_true(check_out(&d, &step).whole);
	scratch_sh("seq 103 | cmp - data/x; seq 103 | cmp - data/y; test $(ls data | wc -l) = 3");
	/* To C again, and what is the user's stays. */
	scratch_sh("seq 101 >data/x; seq 99 >data/y; seq 101 >data/of-b");
	result = check_out(&c, &step);
	assert_int_equal(result.conflicts, 1);
	assert_non_null(strstr(told, "C y\n"));
	scratch_sh("seq 102 | cmp - data/x; seq 99 | cmp - data/y; test ! -e data/of-b; seq 102 | cmp - data/of-c");
}

/* The unfinished checkout made a folder where a file shall be. */
static void folder_of_an_unfinished_checkout_makes_place(void **state)
{
	struct pointer a, half, b;
	struct instep step;
	struct checkout_result result;

	(void)state;
	scratch_sh("mkdir data; seq 100 >data/x");
	a = record(NULL);
	scratch_sh("mkdir data/y; seq 101 >data/y/z");
	half = record(&a);
	scratch_sh("rm -r data/y; seq 102 >data/y");
	b = record(&a);
	step = step_of(&a);
	step.has_checkout = true;
	step.checkout = half.root;
	scratch_sh("rm data/y; mkdir data/y; seq 101 >data/y/z; echo mine >data/y/mine");
	result = check_out(&b, &step);
	assert_false(result.whole);
	assert_string_equal(told, "R y/z\nC y\n");
	assert_text("data/y/mine", "mine");
	scratch_sh("rm data/y/mine; seq 101 >data/y/z");
	assert_true(check_out(&b, &step).whole);
	assert_string_equal(told, "R y/z\nW y\n");
	scratch_sh("seq 102 | cmp - data/y");
}

/* What is left in a folder keeps it, in a dry run too. */
static void dry_run_tells_what_would_be_done(void **state)
{
	struct pointer a, b;
	struct instep step;
	struct checkout_request request;
	struct checkout_result result;

	(void)state;
	scratch_sh("mkdir -p data/d/e; seq 100 >data/d/a; seq 100 >data/d/e/b; seq 100 >data/x");
	a = record(NULL);
	scratch_sh("rm -r data/d; seq 101 >data/d; seq 101 >data/x");
	b = record(&a);
	scratch_sh("rm -r data");
	check_out(&a, NULL);
	step = step_of(&a);
	for (unsigned mine = 0; mine < 2; mine++) {
		for (unsigned force = 0; force < 2; force++) {
			request = request_of(&b, &step);
			request.dry = true;
			request.force = force;
			assert_int_equal(checkout_dataset(&request, &result), 0);
			assert_false(result.whole);
			assert_string_equal(told, mine && !force ? "R d/a\nR d/e/b\nC d\nW x\n"
			                                         : "R d/a\nR d/e/b\nW d\nW x\n");
			assert_int_equal(result.removed, 2);
			assert_int_equal(result.written, mine && !force ? 1 : 2);
			assert_int_equal(result.destroyed, mine && force);
		}
		scratch_sh("seq 100 | cmp - data/d/a && seq 100 | cmp - data/d/e/b && seq 100 | cmp - data/x && "
		           "echo mine >data/d/e/mine");
	}
}

static void file_too_large_for_the_disk_is_told_and_the_old_one_stays(void **state)
{
	const struct rlimit small = {.rlim_cur = 1000, .rlim_max = RLIM_INFINITY}, all = {RLIM_INFINITY, RLIM_INFINITY};
	struct pointer a, b;
	struct instep step;
	struct checkout_request request;
	struct checkout_result result;
	int error;

	(void)state;
	scratch_sh("mkdir data; seq 100 >data/a; seq 100 >data/b");
	a = record(NULL);
	scratch_sh("seq 5000 >data/a; seq 101 >data/b");
	b = record(&a);
	scratch_sh("rm -r data");
	check_out(&a, NULL);
	step = step_of(&a);
	request = request_of(&b, &step);
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	error = checkout_dataset(&request, &result);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &all), 0);
	signal(SIGXFSZ, SIG_DFL);
	assert_int_equal(error, 0);
	assert_false(result.whole);
	assert_int_equal(result.failed, 1);
	scratch_sh("seq 100 | cmp - data/a && seq 101 | cmp - data/b && test $(find data | wc -l) = 3");
	assert_true(check_out(&b, &step).whole);
	scratch_sh("seq 5000 | cmp - data/a");
}

/* The stat cache was lost, so that the next one knows only what was written: what goes later is missed all the same. */
static void lost_stat_cache_hides_nothing_that_goes(void **state)
{
	struct pointer a, b;
	struct instep step;

	(void)state;
	scratch_sh("mkdir data; seq 100 >data/a; seq 100 >data/b; seq 100 >data/c");
	a = record(NULL);
	scratch_sh("seq 101 >data/b");
	b = record(&a);
	scratch_sh("rm -r data caches/*");
	check_out(&a, NULL);
	scratch_sh("rm caches/*");
	step = step_of(&a);
	assert_true(check_out(&b, &step).whole);
	scratch_sh("rm data/a data/c");
	step = step_of(&b);
	assert_int_equal(check_out(&b, &step).written, 2);
	scratch_sh("test -e data/a -a -e data/c");
}

/* Random trees, against what may be said of every path. */

static const char *const paths[] = {"a", "a/x", "a/y", "b", "b/c", "b/c/w", "b/c/z", "d", "e", "e/x", "e/x/y", "s"};
enum {
	PATHS = sizeof(paths) / sizeof(*paths),
	ABSENT = 0, /* or a folder with something in it */
	FILES = 4,  /* 1 to 4: files, two of which have one size */
	EXECUTABLE = 5,
	LINKS = 7,  /* 6, 7 */
	FOLDER = 8, /* empty */
	TREES = 8,
};

struct tree {
	uint8_t at[PATHS];
};

static size_t content_of_state(unsigned state, char bytes[300])
{
	size_t len = state == 1 || state == EXECUTABLE ? 300 : state == 2 ? 300 : state == 3 ? 20 : 0;

	memset(bytes, 'a' + (int)(state == EXECUTABLE ? 1 : state), len);
	return len;
}

/* Whether P lies below ABOVE. */
static bool is_below(unsigned p, unsigned above)
{
	return model_is_below(paths[p], paths[above]);
}

static struct tree random_tree(uint64_t *random)
{
	struct tree tree = {{0}};

	for (unsigned p = 0; p < PATHS; p++) {
		bool possible = true;

		for (unsigned q = 0; q < p; q++)
			possible = possible && !(is_below(p, q) && tree.at[q]);
		if (possible && garden_random(random, 2))
			tree.at[p] = (uint8_t)(1 + garden_random(random, FOLDER));
	}
	return tree;
}

/* The times of files differ, however fast they come. */
static void put_state(unsigned p, unsigned state)
{
	static time_t clock = 1000000;
	const struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_sec = clock++}};
	char path[64], bytes[300];
	size_t len;
	int fd;

	for (const char *slash = strchr(paths[p], '/'); slash; slash = strchr(slash + 1, '/')) {
		snprintf(path, sizeof(path), "data/%.*s", (int)(slash - paths[p]), paths[p]);
		assert_true(!mkdirat(w.top, path, 0777) || errno == EEXIST);
	}
	snprintf(path, sizeof(path), "data/%s", paths[p]);
	if (state == FOLDER) {
		assert_int_equal(mkdirat(w.top, path, 0777), 0);
	} else if (state > EXECUTABLE) {
		assert_int_equal(symlinkat(state == LINKS ? "s" : "t", w.top, path), 0);
	} else {
		fd = openat(w.top, path, O_WRONLY | O_CREAT | O_EXCL, state == EXECUTABLE ? 0777 : 0666);
		assert_true(fd >= 0);
		len = content_of_state(state, bytes);
		assert_int_equal(write(fd, bytes, len), len);
		assert_int_equal(futimens(fd, times), 0);
		close(fd);
	}
}

static void clear(void)
{
	scratch_sh("rm -rf data && mkdir data");
}

static void put_tree(const struct tree *tree)
{
	clear();
	for (unsigned p = 0; p < PATHS; p++) {
		if (tree->at[p])
			put_state(p, tree->at[p]);
	}
}

static unsigned state_at(unsigned p)
{
	char path[64], bytes[301], expected[300];
	struct stat st;
	ssize_t len;
	int fd;

	snprintf(path, sizeof(path), "data/%s", paths[p]);
	if (fstatat(w.top, path, &st, AT_SYMLINK_NOFOLLOW))
		return ABSENT;
	if (S_ISDIR(st.st_mode)) {
		fd = openat(w.top, path, O_RDONLY | O_DIRECTORY);
		len = worktree_is_empty(&(struct worktree){.io = w.io, .root = fd}, ".");
		close(fd);
		return len ? FOLDER : ABSENT;
	}
	if (S_ISLNK(st.st_mode)) {
		assert_int_equal(readlinkat(w.top, path, bytes, sizeof(bytes)), 1);
		return bytes[0] == 's' ? LINKS : LINKS - 1;
	}
	fd = openat(w.top, path, O_RDONLY);
	len = read(fd, bytes, sizeof(bytes));
	close(fd);
	for (unsigned state = 1; state <= EXECUTABLE; state++) {
		if ((size_t)len == content_of_state(state, expected) && !memcmp(bytes, expected, (size_t)len) &&
		    !!(st.st_mode & 0100) == (state == EXECUTABLE))
			return state;
	}
	fail_msg("'%s' holds bytes of nobody", path);
	return ABSENT;
}

static struct tree disk_tree(void)
{
	struct tree tree;
	unsigned leaves = 0;
	char *count;

	for (unsigned p = 0; p < PATHS; p++) {
		tree.at[p] = (uint8_t)state_at(p);
		leaves += tree.at[p] != ABSENT;
	}
	/* Nothing else: no temporary file, and no file of another name. */
	count = scratch_output("find data -mindepth 1 \\( ! -type d -o -type d -empty \\) | wc -l");
	assert_int_equal(strtoul(count, NULL, 10), leaves);
	free(count);
	return tree;
}

/* Somebody at work: files that change, come, go, and turn into folders. */
static void edit(uint64_t *random)
{
	for (unsigned i = garden_random(random, 5); i > 0; i--) {
		unsigned p = garden_random(random, PATHS);

		scratch_sh(
		    "cd data && p='%s' && { rm -rf \"$p\" || :; } && while p=$(dirname \"$p\") && test \"$p\" != .; do "
		    "test ! -e \"$p\" -a ! -L \"$p\" -o -d \"$p\" -a ! -L \"$p\" || rm -rf \"$p\"; done",
		    paths[p]);
		if (garden_random(random, 3))
			put_state(p, 1 + garden_random(random, LINKS));
	}
}

static int count_difference(void *arg, const struct drift_difference *d)
{
	struct tree *differs = arg;

	assert_int_equal(d->problem, 0);
	for (unsigned p = 0; p < PATHS; p++) {
		if (!strcmp(paths[p], d->path))
			differs->at[p] = true;
	}
	return 0;
}

/* What drift says of the disk, with whatever stat cache there is, is the truth. */
static void assert_drift(const struct pointer *pointer, const struct tree *wanted)
{
	const struct tree disk = disk_tree();
	struct tree differs = {{0}};
	struct drift_request request = {
	    .source = world.source,
	    .io = w.io,
	    .dirfd = w.top,
	    .path = "data",
	    .pointer = pointer,
	    .folder = w.folder,
	    .cancelled = &stop,
	};

	assert_int_equal(drift_compare(&request, count_difference, &differs), 0);
	for (unsigned p = 0; p < PATHS; p++) {
		bool leaf = disk.at[p] != FOLDER && wanted->at[p] != FOLDER && (disk.at[p] || wanted->at[p]);

		if (leaf && differs.at[p] != (disk.at[p] != wanted->at[p]))
			fail_msg("'%s': %u on disk, %u wanted, told: %u", paths[p], disk.at[p], wanted->at[p],
			         differs.at[p]);
	}
}

struct round {
	struct tree a, half, before, b; /* what it was, what was begun, last and before, what it shall be */
	struct tree user;
	bool has_half, force;
};

/* Whether what the user had at P, and below, may be replaced. */
static bool is_known(const struct round *r, unsigned p)
{
	const unsigned u = r->user.at[p];
	bool known = u == ABSENT || u == FOLDER || u == r->a.at[p] || u == r->b.at[p] ||
	             (r->has_half && (u == r->half.at[p] || u == r->before.at[p]));

	/* What is above it is in the way. */
	for (unsigned q = 0; q < p; q++)
		known = known && !(is_below(p, q) && r->user.at[q] && !is_known(r, q));
	/* A folder is in the way of a file. */
	for (unsigned q = 0; q <= p && u == FOLDER; q++)
		known = known && (!r->b.at[q] || r->b.at[q] == FOLDER || (q < p && !is_below(p, q)));
	for (unsigned q = p + 1; q < PATHS && u == ABSENT; q++)
		known = known && (!is_below(q, p) || is_known(r, q));
	return known;
}

/* Whether nothing is there but what may be replaced, and no folder in the place of a file. */
static bool is_all_known(const struct round *r)
{
	bool known = true;

	for (unsigned p = 0; p < PATHS; p++)
		known = known && is_known(r, p);
	return known;
}

/* Whether B wants P, or something above or below it, or the base had it. */
static bool is_in_the_way(const struct round *r, unsigned p)
{
	bool wanted = r->b.at[p] || r->a.at[p];

	for (unsigned q = 0; q < PATHS; q++)
		wanted = wanted || (r->b.at[q] && (is_below(q, p) || (is_below(p, q) && r->b.at[q] != FOLDER)));
	return wanted;
}

static void assert_round(const struct round *r, const struct checkout_result *result)
{
	const struct tree disk = disk_tree();

	if (is_all_known(r))
		assert_string_equal(result->conflicts ? told : "", "");
	for (unsigned p = 0; p < PATHS; p++) {
		const unsigned u = r->user.at[p], b = r->b.at[p], d = disk.at[p];
		const bool untouched = !r->has_half && r->a.at[p] == b;
		bool bad = false;

		/* Nothing of the user's is lost. */
		if (u != ABSENT && u != FOLDER && !is_known(r, p) && !(r->force && is_in_the_way(r, p)))
			bad = d != u;
		/* There is nothing that neither was there nor shall be. */
		if (d != ABSENT && d != FOLDER)
			bad = bad || (d != u && d != b);
		if (result->conflicts == 0 || r->force) {
			/* What shall be there is, unless nobody asked for it. */
			if (b && b != FOLDER && (r->force || (is_known(r, p) && !untouched)))
				bad = bad || d != b;
			/* What shall go is gone. */
			if (!b && u && u == r->a.at[p] && u != FOLDER)
				bad = bad || d != ABSENT;
		}
		if (bad)
			fail_msg("'%s': was %u, half %u, shall be %u, the user had %u, now %u; conflicts: %u\n%s",
			         paths[p], r->a.at[p], r->half.at[p], b, u, d, (unsigned)result->conflicts, told);
	}
}

static void random_trees_are_checked_out(uint64_t seed, bool with_half, bool force)
{
	const char *other = getenv("TEST_SEED");
	uint64_t random = seed + 10 * (other ? strtoull(other, NULL, 10) : 0);
	struct tree trees[TREES];
	struct pointer pointers[TREES];

	for (unsigned i = 0; i < TREES; i++) {
		trees[i] = random_tree(&random);
		put_tree(&trees[i]);
		pointers[i] = dataset_world_record(&w, "data", NULL);
	}
	for (unsigned i = 0; i < 20; i++) {
		const unsigned a = garden_random(&random, TREES), b = garden_random(&random, TREES),
			       half = garden_random(&random, TREES), before_half = garden_random(&random, TREES);
		struct round r = {.a = trees[a],
		                  .half = trees[half],
		                  .before = trees[before_half],
		                  .b = trees[b],
		                  .has_half = with_half,
		                  .force = force};
		struct instep step = step_of(&pointers[a]);
		struct checkout_request request;
		struct checkout_result result, dry;
		struct tree disk;
		char *before;

		put_tree(&trees[!with_half || i % 3 == 2 ? a : i % 3 ? half : before_half]);
		if (i % 3 == 0 && !with_half)
			record(&pointers[a]);
		edit(&random);
		r.user = disk_tree();
		step.has_checkout = with_half;
		step.checkout = pointers[half].root;
		step.before_count = with_half;
		step.before[0] = pointers[before_half].root;

		request = request_of(&pointers[b], &step);
		request.force = force;
		request.dry = true;
		assert_int_equal(checkout_dataset(&request, &dry), 0);
		assert_false(dry.whole);
		before = strdup(told);
		assert_non_null(before);
		disk = disk_tree();
		assert_memory_equal(&disk, &r.user, sizeof(disk));

		request = request_of(&pointers[b], &step);
		request.force = force;
		assert_int_equal(checkout_dataset(&request, &result), 0);
		assert_int_equal(result.failed, 0);
		assert_round(&r, &result);
		assert_int_equal(result.whole, result.conflicts == 0);
		assert_string_equal(before, told);
		free(before);
		assert_drift(&pointers[b], &r.b);
		if (!result.whole)
			continue;
		/* In step: what is missing comes back, and the rest stays as it is. */
		step = step_of(&pointers[b]);
		r.user = disk_tree();
		r.a = r.b;
		r.force = r.has_half = false;
		assert_true(check_out(&pointers[b], &step).whole);
		assert_round(&r, &result);
		for (unsigned p = 0; p < PATHS; p++) {
			if (r.b.at[p] && r.b.at[p] != FOLDER && !r.user.at[p] && !is_in_the_way(&r, p))
				assert_int_equal(state_at(p), r.b.at[p]);
		}
		assert_drift(&pointers[b], &r.b);
	}
}

static void random_trees_lose_nothing(void **state)
{
	(void)state;
	random_trees_are_checked_out(1, false, false);
}

static void random_trees_after_an_unfinished_checkout_lose_nothing(void **state)
{
	(void)state;
	random_trees_are_checked_out(2, true, false);
}

static void random_trees_by_force_are_as_they_shall_be(void **state)
{
	(void)state;
	random_trees_are_checked_out(3, false, true);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
	    TEST(absent_dataset_is_written_whole),
	    TEST(what_changed_on_one_side_is_no_conflict),
	    TEST(what_changed_on_both_is_left_and_told),
	    TEST(without_a_record_nothing_is_replaced),
	    TEST(unreadable_base_replaces_nothing),
	    TEST(unreadable_target_changes_nothing),
	    TEST(files_that_are_missing_come_back_in_step),
	    TEST(only_what_was_named_is_touched),
	    TEST(dataset_of_one_file_is_replaced),
	    TEST(nothing_is_written_or_removed_through_a_symlink),
	    TEST(force_replaces_what_stands_in_the_place_of_a_folder),
	    TEST(missing_data_costs_what_needs_it),
	    TEST(stop_flag_ends_it),
	    TEST(what_is_as_it_shall_be_is_no_conflict),
	    TEST(leftovers_of_a_killed_run_are_removed),
	    TEST(what_several_killed_checkouts_wrote_is_no_conflict),
	    TEST(folder_of_an_unfinished_checkout_makes_place),
	    TEST(dry_run_tells_what_would_be_done),
	    TEST(file_too_large_for_the_disk_is_told_and_the_old_one_stays),
	    TEST(lost_stat_cache_hides_nothing_that_goes),
	    TEST(random_trees_lose_nothing),
	    TEST(random_trees_after_an_unfinished_checkout_lose_nothing),
	    TEST(random_trees_by_force_are_as_they_shall_be),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
