#include "fs/git/refs_stamp.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>

#include <cmocka.h>

#include "tests/support/scratch.h"

static char *git_dir, *common_dir;
static struct refs_stamp *stamp;

static int set_up(void **state)
{
	(void)state;
	scratch_open();
	scratch_sh(
	    "mkdir -p common/refs/heads/deep/er common/worktrees/w common/worktrees/other && cd common && echo x > "
	    "HEAD &&"
	    "echo x > worktrees/w/HEAD && echo x > worktrees/other/HEAD && find . -exec touch -d '2020-01-01' {} +");
	common_dir = scratch_path("common");
	git_dir = scratch_path("common/worktrees/w");
	assert_int_equal(refs_stamp_open(git_dir, common_dir, &stamp), 0);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	refs_stamp_close(stamp);
	free(git_dir);
	free(common_dir);
	scratch_close();
	return 0;
}

/* Everything is old: what is counted is not the clock. */
static void age(void)
{
	scratch_sh("cd common && find . -newermt '2021-01-01' -exec touch -d \"@$((1600000000 + $(cat ../tick 2>&- || "
	           "echo 0)))\" {} + &&"
	           "echo $(($(cat ../tick 2>&- || echo 0) + 1)) > ../tick");
}

static void every_change_shows_and_rest_is_rest(void **state)
{
	static const char *const changes[] = {
	    "echo y > refs/heads/main",
	    "echo y > refs/heads/x.lock && mv refs/heads/x.lock refs/heads/main",
	    "echo y > refs/heads/deep/er/branch",
	    "mkdir refs/heads/deep/er/still",
	    "echo y > refs/heads/deep/er/still/branch",
	    "rm refs/heads/deep/er/still/branch",
	    "echo yy > packed-refs",
	    "echo longer > HEAD",
	    "echo longer > worktrees/w/HEAD",
	    "echo longer > worktrees/other/HEAD",
	    "mkdir -p worktrees/w/refs/bisect && echo y > worktrees/w/refs/bisect/bad",
	    "echo y > worktrees/w/refs/bisect/good",
	    "mkdir worktrees/third && echo y > worktrees/third/HEAD",
	    "mkdir reftable && echo y > reftable/tables.list",
	    "echo y > reftable/one.ref",
	    "rm -r refs/heads/deep",
	};
	uint64_t before = refs_stamp_now(stamp), now;

	(void)state;
	assert_int_equal(refs_stamp_now(stamp), before);
	for (size_t i = 0; i < sizeof(changes) / sizeof(*changes); i++) {
		scratch_sh("cd common && %s", changes[i]);
		age();
		now = refs_stamp_now(stamp);
		if (now == before)
			fail_msg("not seen: %s", changes[i]);
		assert_int_equal(refs_stamp_now(stamp), now);
		before = now;
	}
}

static void objects_and_logs_do_not_matter(void **state)
{
	uint64_t before = refs_stamp_now(stamp);

	(void)state;
	scratch_sh("cd common && mkdir -p objects/aa logs/refs/heads && echo x > objects/aa/bb && echo x > "
	           "logs/refs/heads/main &&"
	           "echo x > config && echo x > index");
	assert_int_equal(refs_stamp_now(stamp), before);
}

/* Two changes within one step of the clock look like one. */
static void second_change_in_one_tick_is_not_missed(void **state)
{
	struct timespec now, times[2];
	uint64_t before;
	char *folder = scratch_path("common/refs/heads");

	(void)state;
	clock_gettime(CLOCK_REALTIME, &now);
	times[0] = times[1] = now;
	scratch_sh("echo one > common/refs/heads/main");
	assert_int_equal(utimensat(AT_FDCWD, folder, times, 0), 0);
	before = refs_stamp_now(stamp);
	scratch_sh("echo two > common/refs/heads/x.lock && mv common/refs/heads/x.lock common/refs/heads/main");
	times[0] = times[1] = (struct timespec){now.tv_sec, now.tv_nsec};
	assert_int_equal(utimensat(AT_FDCWD, folder, times, 0), 0);
	/* Long after, with nothing else to see. */
	nanosleep(&(struct timespec){.tv_nsec = 150000000}, NULL);
	assert_true(refs_stamp_now(stamp) != before);
	before = refs_stamp_now(stamp);
	assert_int_equal(refs_stamp_now(stamp), before);
	free(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(every_change_shows_and_rest_is_rest, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(objects_and_logs_do_not_matter, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(second_change_in_one_tick_is_not_missed, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
