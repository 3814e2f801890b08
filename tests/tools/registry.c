/* The mounts of this user that run. */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "tools/registry.h"

/* A mountpoint that nobody else has: root's registry is one for the machine. */
static char here[64];

static int set_up(void **state)
{
	(void)state;
	snprintf(here, sizeof(here), "/nowhere/registry test\n%d", (int)getpid());
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	registry_remove();
	return 0;
}

struct found {
	unsigned count;
	struct registered mount; /* numbers alone */
	bool repository_is_right;
};

static int find(void *arg, const struct registered *mount)
{
	struct found *found = arg;

	if (strcmp(mount->mountpoint, here) != 0)
		return 0;
	found->count++;
	found->mount = *mount;
	found->repository_is_right = strcmp(mount->repository, "/repo\\x") == 0;
	return 0;
}

static struct found look(void)
{
	struct found found = {0};

	assert_int_equal(registry_each(find, &found), 0);
	return found;
}

static void what_was_added_is_listed_until_removed(void **state)
{
	struct found found;

	(void)state;
	assert_int_equal(look().count, 0);
	assert_int_equal(registry_add(here, "/repo\\x"), 0);
	found = look();
	assert_int_equal(found.count, 1);
	assert_int_equal(found.mount.pid, getpid());
	assert_true(found.mount.alive);
	assert_true(found.repository_is_right);
	assert_true(found.mount.since <= time(NULL) && found.mount.since >= time(NULL) - 60);
	registry_remove();
	assert_int_equal(look().count, 0);
}

static pid_t child_that_registers(void)
{
	int ready[2];
	char byte;
	pid_t child;

	assert_int_equal(pipe(ready), 0);
	child = fork();
	if (child == 0) {
		byte = registry_add(here, "/repo\\x") ? 'x' : 'k';
		if (write(ready[1], &byte, 1) == 1)
			for (;;)
				pause();
		_exit(1);
	}
	assert_int_equal(read(ready[0], &byte, 1), 1);
	assert_int_equal(byte, 'k');
	close(ready[0]);
	close(ready[1]);
	return child;
}

static void dead_process_without_a_mount_is_forgotten(void **state)
{
	pid_t child = child_that_registers();
	int status;

	(void)state;
	assert_int_equal(look().mount.pid, child);
	kill(child, SIGKILL);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(look().count, 0);
}

static void waiting_ends_with_the_process(void **state)
{
	pid_t child = child_that_registers();
	struct registered mount = look().mount;
	int status;

	(void)state;
	assert_int_equal(registry_wait(&mount, 10), -ETIMEDOUT);
	kill(child, SIGKILL);
	assert_int_equal(registry_wait(&mount, 10000), 0);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(registry_wait(&mount, 0), 0);
	/* Another process with the same id is not waited for. */
	mount.pid = getpid();
	assert_int_equal(registry_wait(&mount, 0), 0);
	assert_int_equal(look().count, 0);
}

static int stop(void *arg, const struct registered *mount)
{
	(void)arg;
	return strcmp(mount->mountpoint, here) == 0 ? 42 : 0;
}

static void answer_of_the_callback_is_returned(void **state)
{
	(void)state;
	assert_int_equal(registry_add(here, "/repo\\x"), 0);
	assert_int_equal(registry_each(stop, NULL), 42);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
	    TEST(what_was_added_is_listed_until_removed),
	    TEST(dead_process_without_a_mount_is_forgotten),
	    TEST(waiting_ends_with_the_process),
	    TEST(answer_of_the_callback_is_returned),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
