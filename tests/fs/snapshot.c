/* The engine: what is recorded, what is read again, what is refused. */
#include "fs/snapshot.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/support/dataset.h"
#include "tests/support/scratch.h"

static struct dataset_world w;

static int setup(void **state)
{
	(void)state;
	dataset_world_open(&w);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	dataset_world_close(&w);
	return 0;
}

/* A tree with some of everything, old enough to be believed by stat. */
static void make_sample(void)
{
	scratch_sh("mkdir -p data/sub/deep data/empty && cd data && printf one >a && printf two >sub/b && "
	           "head -c 70000 /dev/urandom >sub/deep/c && head -c 3000000 /dev/urandom >large && ln -s a link && "
	           "chmod +x a && : >nothing && head -c 400000 /dev/zero >zeros");
}

/* The clock of a run far enough behind the files' times that none of them is racy. */
static void let_time_pass(void)
{
	w.run.start = io_now(w.io);
	w.run.start.tv_sec += 10;
}

static void a_tree_is_recorded_as_it_is(void **state)
{
	struct snapshot_result r;
	char *listing;

	(void)state;
	make_sample();
	assert_int_equal(dataset_world_snapshot(&w, "data", NULL, &r), 0);
	assert_true(r.recorded);
	assert_false(r.unchanged);
	assert_int_equal(r.counts.added, 7);
	assert_int_equal(r.pointer.files, 7);
	assert_int_equal(r.pointer.bytes, 3 + 3 + 70000 + 3000000 + 400000);
	assert_int_equal(r.read_bytes, r.pointer.bytes + 1); /* and the target of the link */
	listing = dataset_world_listing(&w, &r.pointer);
	assert_string_equal(listing, "fx a 3\nd empty 0\nf large 3000000\nl link 1\nf nothing 0\nd sub 0\nf sub/b 3\n"
	                             "d sub/deep 0\nf sub/deep/c 70000\nf zeros 400000\n");
	free(listing);
}

static void nothing_changed_reads_and_writes_nothing(void **state)
{
	struct pointer first;
	struct snapshot_result r;

	(void)state;
	make_sample();
	let_time_pass();
	first = dataset_world_record(&w, "data", NULL);
	let_time_pass();
	assert_int_equal(dataset_world_snapshot(&w, "data", &first, &r), 0);
	assert_true(r.recorded);
	assert_true(r.unchanged);
	assert_int_equal(r.read_bytes, 0);
	assert_int_equal(r.new_bytes, 0);
	assert_int_equal(r.stored_bytes, 0);
	assert_int_equal(r.counts.added + r.counts.modified + r.counts.deleted + r.counts.renamed, 0);
}

static void a_young_file_is_read_again_once(void **state)
{
	struct pointer first;
	struct snapshot_result r;

	(void)state;
	make_sample();
	first = dataset_world_record(&w, "data", NULL);
	let_time_pass();
	assert_int_equal(dataset_world_snapshot(&w, "data", &first, &r), 0);
	assert_true(r.unchanged);
	assert_true(r.read_bytes >= first.bytes);
	assert_int_equal(r.new_bytes, 0);
	let_time_pass();
	assert_int_equal(dataset_world_snapshot(&w, "data", &first, &r), 0);
	assert_int_equal(r.read_bytes, 0);
}

/* A change that stat cannot show, right after the snapshot. */
static void a_change_within_the_same_instant_is_seen(void **state)
{
	struct pointer first;
	struct snapshot_result r;
	struct timespec times[2];
	struct stat st;

	(void)state;
	scratch_sh("mkdir data && printf one >data/a");
	first = dataset_world_record(&w, "data", NULL);
	assert_int_equal(fstatat(w.top, "data/a", &st, 0), 0);
	scratch_sh("printf two >data/a");
	times[0] = st.st_atim;
	times[1] = st.st_mtim;
	assert_int_equal(utimensat(w.top, "data/a", times, 0), 0);
	assert_int_equal(dataset_world_snapshot(&w, "data", &first, &r), 0);
	assert_int_equal(r.counts.modified, 1);
}

static void full_reads_whatever_stat_says(void **state)
{
	struct pointer first;
	struct snapshot_result r;

	(void)state;
	make_sample();
	let_time_pass();
	first = dataset_world_record(&w, "data", NULL);
	let_time_pass();
	w.run.full = true;
	assert_int_equal(dataset_world_snapshot(&w, "data", &first, &r), 0);
	assert_true(r.read_bytes >= first.bytes);
	assert_true(r.unchanged);
}

static void every_kind_of_change_is_counted(void **state)
{
	struct pointer first, second;
	struct snapshot_result r;
	char *listing;

	(void)state;
	make_sample();
	let_time_pass();
	first = dataset_world_record(&w, "data", NULL);
	scratch_sh("cd data && printf ONE >a && chmod -x a && rm sub/b && mv large grown && printf new >sub/new && "
	           "rm nothing && mkdir nothing && touch zeros");
	let_time_pass();
	assert_int_equal(dataset_world_snapshot(&w, "data", &first, &r), 0);
	assert_int_equal(r.counts.modified, 1);
	assert_int_equal(r.counts.deleted, 2); /* sub/b and nothing */
	assert_int_equal(r.counts.renamed, 1);
	assert_int_equal(r.counts.added, 1);
	listing = dataset_world_listing(&w, &r.pointer);
	assert_string_equal(listing, "f a 3\nd empty 0\nf grown 3000000\nl link 1\nd nothing 0\nd sub 0\nd sub/deep 0\n"
	                             "f sub/deep/c 70000\nf sub/new 3\nf zeros 400000\n");
	free(listing);

	/* The same from nothing has the same root. */
	scratch_sh("cp -a data again");
	second = dataset_world_record(&w, "again", NULL);
	assert_true(id_equal(&second.root, &r.pointer.root));
}

/* A stat cache of another tree than the parent's still spares reading. */
static void a_cache_of_another_revision_is_used(void **state)
{
	struct pointer first, second, third;
	struct snapshot_result r;

	(void)state;
	make_sample();
	let_time_pass();
	first = dataset_world_record(&w, "data", NULL);
	scratch_sh("printf x >data/more");
	let_time_pass();
	second = dataset_world_record(&w, "data", &first);
	let_time_pass();
	assert_int_equal(dataset_world_snapshot(&w, "data", &first, &r), 0);
	assert_true(id_equal(&r.pointer.root, &second.root));
	assert_int_equal(r.read_bytes, 0);
	assert_int_equal(r.counts.added, 1);
	scratch_sh("rm data/more");
	let_time_pass();
	third = dataset_world_record(&w, "data", &second);
	assert_true(id_equal(&third.root, &first.root));
}

/* The time of an entry is a label: the old one's while path and content stay, and never part of the root. */
static void times_stay_with_path_and_content(void **state)
{
	struct pointer first, second;
	struct entry_pin pin;
	struct directory directory = {.is_root = true};

	(void)state;
	scratch_sh("mkdir data && printf one >data/a && touch -d '2020-01-02 03:04:05.678 UTC' data/a");
	first = dataset_world_record(&w, "data", NULL);
	scratch_sh("touch -d 2021-01-01 data/a && printf b >data/b");
	second = dataset_world_record(&w, "data", &first);
	directory.id = second.root;
	assert_int_equal(tree_find(w.source, &directory, "a", 1, &pin), 0);
	assert_true(pin.entry.time.known);
	assert_int_equal(pin.entry.time.seconds, 1577934245);
	assert_int_equal(pin.entry.time.nanoseconds, 678000000);
	tree_unpin_entry(w.source, &pin);
	scratch_sh("rm data/b");
	second = dataset_world_record(&w, "data", NULL);
	assert_true(id_equal(&first.root, &second.root));
}

static void problems_are_named_and_others_go_on(void **state)
{
	struct snapshot_result r;

	(void)state;
	scratch_sh(
	    "mkdir -p data/sub/.GIT data/z && cd data && mkfifo sub/pipe && ln -s ../.. sub/out && ln -s /etc abs && "
	    "ln -s ../a sub/in && ln -s sub/../../x twice && printf a >a");
	assert_int_equal(dataset_world_snapshot(&w, "data", NULL, &r), 0);
	assert_false(r.recorded);
	assert_int_equal(r.problems, 5);
	assert_string_equal(w.problems, "5 abs\n4 sub/.GIT\n5 sub/out\n3 sub/pipe\n5 twice\n");
	w.run.skip_special = w.run.outside_links = true;
	scratch_sh("rmdir data/sub/.GIT");
	assert_int_equal(dataset_world_snapshot(&w, "data", NULL, &r), 0);
	assert_true(r.recorded);
	assert_int_equal(r.pointer.files, 5);
}

/* What a run with problems has read, the next does not read again. */
static void work_beside_problems_is_not_lost(void **state)
{
	struct snapshot_result r;

	(void)state;
	make_sample();
	scratch_sh("mkfifo data/pipe");
	let_time_pass();
	assert_int_equal(dataset_world_snapshot(&w, "data", NULL, &r), 0);
	assert_false(r.recorded);
	scratch_sh("rm data/pipe");
	let_time_pass();
	assert_int_equal(dataset_world_snapshot(&w, "data", NULL, &r), 0);
	assert_true(r.recorded);
	assert_int_equal(r.read_bytes, 0);
	assert_int_equal(r.counts.added, 7);
}

static void an_unreadable_file_is_a_problem(void **state)
{
	struct snapshot_result r;

	(void)state;
	if (!geteuid())
		skip();
	scratch_sh("mkdir data && printf a >data/a && printf b >data/b && chmod 0 data/a");
	assert_int_equal(dataset_world_snapshot(&w, "data", NULL, &r), 0);
	assert_string_equal(w.problems, "1 a\n");
}

static void *keep_writing(void *arg)
{
	int fd = openat(w.top, "data/busy", O_WRONLY | O_CLOEXEC);

	for (char c = 0; !atomic_load((atomic_bool *)arg); c++) {
		if (pwrite(fd, &c, 1, 0) != 1)
			break;
	}
	close(fd);
	return NULL;
}

static void a_file_that_never_rests_is_a_problem(void **state)
{
	static atomic_bool done;
	struct snapshot_result r;
	pthread_t thread;

	(void)state;
	scratch_sh("mkdir data && head -c 20000000 /dev/zero >data/busy && printf a >data/a");
	assert_int_equal(pthread_create(&thread, NULL, keep_writing, &done), 0);
	assert_int_equal(dataset_world_snapshot(&w, "data", NULL, &r), 0);
	atomic_store(&done, true);
	pthread_join(thread, NULL);
	assert_false(r.recorded);
	assert_string_equal(w.problems, "2 busy\n");
}

static void a_single_file_is_a_dataset(void **state)
{
	struct pointer first;
	struct snapshot_result r;

	(void)state;
	scratch_sh("printf one >single");
	let_time_pass();
	first = dataset_world_record(&w, "single", NULL);
	assert_true(first.is_file);
	assert_int_equal(first.files, 1);
	assert_int_equal(first.bytes, 3);
	let_time_pass();
	assert_int_equal(dataset_world_snapshot(&w, "single", &first, &r), 0);
	assert_true(r.unchanged);
	assert_int_equal(r.read_bytes, 0);
	scratch_sh("head -c 2000000 /dev/urandom >single");
	assert_int_equal(dataset_world_snapshot(&w, "single", &first, &r), 0);
	assert_false(r.unchanged);
	assert_int_equal(r.counts.modified, 1);
	assert_int_equal(r.pointer.bytes, 2000000);
}

static void a_dataset_turns_from_directory_to_file_and_back(void **state)
{
	struct pointer first, second;
	struct snapshot_result r;

	(void)state;
	make_sample();
	first = dataset_world_record(&w, "data", NULL);
	scratch_sh("mv data kept && printf file >data");
	assert_int_equal(dataset_world_snapshot(&w, "data", &first, &r), 0);
	assert_true(r.pointer.is_file);
	assert_int_equal(r.counts.deleted, 7);
	assert_int_equal(r.counts.added, 1);
	second = r.pointer;
	scratch_sh("rm data && mv kept data");
	assert_int_equal(dataset_world_snapshot(&w, "data", &second, &r), 0);
	assert_true(id_equal(&r.pointer.root, &first.root));
	assert_int_equal(r.counts.deleted, 1);
	assert_int_equal(r.counts.added, 7);
}

static void what_is_excluded_is_left_out(void **state)
{
	static const char *const patterns[] = {"*.tmp", "/data/sub/", NULL};
	struct exclude *exclude;
	struct pointer p;
	char *listing;

	(void)state;
	scratch_sh("mkdir -p data/sub data/other/sub && cd data && touch a.tmp b sub/c other/sub/d other/e.tmp && "
	           "mkfifo sub/pipe");
	assert_int_equal(exclude_new(patterns, &exclude), 0);
	w.run.exclude = exclude;
	p = dataset_world_record(&w, "data", NULL);
	listing = dataset_world_listing(&w, &p);
	assert_string_equal(listing, "f b 0\nd other 0\nd other/sub 0\nf other/sub/d 0\n");
	free(listing);
	exclude_free(exclude);
}

static void jobs_and_level_do_not_change_the_root(void **state)
{
	struct pointer first, second;

	(void)state;
	make_sample();
	scratch_sh("for i in $(seq 300); do printf $i >data/sub/n$i; done");
	first = dataset_world_record(&w, "data", NULL);
	scratch_sh("rm -r caches/*");
	w.run.jobs = 7;
	w.run.level = 6;
	w.run.full = true;
	second = dataset_world_record(&w, "data", NULL);
	assert_true(id_equal(&first.root, &second.root));
}

static void a_cancelled_run_says_so_and_the_next_one_works(void **state)
{
	struct snapshot_result r;

	(void)state;
	make_sample();
	atomic_store(&w.cancelled, true);
	assert_int_equal(dataset_world_snapshot(&w, "data", NULL, &r), -EINTR);
	atomic_store(&w.cancelled, false);
	assert_int_equal(dataset_world_snapshot(&w, "data", NULL, &r), 0);
	assert_true(r.recorded);
}

static void an_absent_dataset_is_enoent(void **state)
{
	struct snapshot_result r;

	(void)state;
	assert_int_equal(dataset_world_snapshot(&w, "data", NULL, &r), -ENOENT);
}

/* The old tree is gone from the store: the caller is told, and gets a whole new one by reading everything. */
static void a_lost_old_tree_is_estale_and_can_be_made_again(void **state)
{
	struct pointer lost = {.files = 7, .bytes = 1};
	struct snapshot_result r;

	(void)state;
	make_sample();
	memset(lost.root.bytes, 0x55, ID_SIZE);
	assert_int_equal(dataset_world_snapshot(&w, "data", &lost, &r), -ESTALE);
	w.run.full = true;
	assert_int_equal(dataset_world_snapshot(&w, "data", NULL, &r), 0);
	assert_true(r.recorded);
}

static void links_are_recorded_as_files_and_counted(void **state)
{
	struct snapshot_result r;

	(void)state;
	scratch_sh("mkdir data && printf a >data/a && ln data/a data/b");
	assert_int_equal(dataset_world_snapshot(&w, "data", NULL, &r), 0);
	assert_int_equal(r.linked, 2);
	assert_int_equal(r.pointer.files, 2);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
	    TEST(a_tree_is_recorded_as_it_is),
	    TEST(nothing_changed_reads_and_writes_nothing),
	    TEST(a_young_file_is_read_again_once),
	    TEST(a_change_within_the_same_instant_is_seen),
	    TEST(full_reads_whatever_stat_says),
	    TEST(every_kind_of_change_is_counted),
	    TEST(a_cache_of_another_revision_is_used),
	    TEST(times_stay_with_path_and_content),
	    TEST(problems_are_named_and_others_go_on),
	    TEST(work_beside_problems_is_not_lost),
	    TEST(an_unreadable_file_is_a_problem),
	    TEST(a_file_that_never_rests_is_a_problem),
	    TEST(a_single_file_is_a_dataset),
	    TEST(a_dataset_turns_from_directory_to_file_and_back),
	    TEST(what_is_excluded_is_left_out),
	    TEST(jobs_and_level_do_not_change_the_root),
	    TEST(a_cancelled_run_says_so_and_the_next_one_works),
	    TEST(an_absent_dataset_is_enoent),
	    TEST(a_lost_old_tree_is_estale_and_can_be_made_again),
	    TEST(links_are_recorded_as_files_and_counted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
