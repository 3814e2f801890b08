#include "fs/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "fs/git/git.h"
#include "tests/support/scratch.h"

#define SIZE 9000000 /* more than what is read in one piece */

static struct repo *repo;
static struct spool *spool;
static char *path_before;

static int set_up(void **state)
{
	char *dir;

	(void)state;
	path_before = strdup(getenv("PATH"));
	scratch_open();
	scratch_sh("git init -q -b main r && cd r && for i in 1 2 3 4 5 6; do head -c %d /dev/zero | tr '\\0' $i > "
	           "f$i; done &&"
	           "git -c core.compression=0 add . && git commit -q -m x",
	           SIZE);
	dir = scratch_path("r");
	assert_int_equal(repo_open(dir, REPO_ANY, &repo, NULL), 0);
	free(dir);
	dir = scratch_path("");
	assert_int_equal(spool_open(repo, dir, &spool), 0);
	free(dir);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	setenv("PATH", path_before, 1);
	free(path_before);
	spool_close(spool);
	repo_close(repo);
	scratch_close();
	return 0;
}

static struct oid blob(int number)
{
	char *hex = scratch_output("git -C r rev-parse HEAD:f%d", number);
	struct oid oid;

	assert_int_equal(oid_parse(hex, strlen(hex), &oid), 0);
	free(hex);
	return oid;
}

/* Put a script before git, which finds the real one as "$GIT". */
static void wrap_git(const char *script)
{
	char *bin = scratch_path("bin"), *path;

	scratch_sh("mkdir -p bin && { echo '#!/bin/sh'; echo \"GIT=$(command -v git)\"; cat; } > bin/git <<'END' && "
	           "chmod +x bin/git\n"
	           "%s\nEND",
	           script);
	assert_true(asprintf(&path, "%s:%s", bin, path_before) > 0);
	setenv("PATH", path, 1);
	free(path);
	free(bin);
}

static void assert_holds(const struct oid *oid, int number)
{
	char bytes[1000];

	for (uint64_t offset = 0; offset < SIZE; offset += SIZE / 3 - 400) {
		size_t len = offset + sizeof(bytes) <= SIZE ? sizeof(bytes) : SIZE - offset;

		assert_int_equal(spool_read(spool, oid, SIZE, bytes, len, offset), len);
		for (size_t i = 0; i < len; i++)
			assert_int_equal(bytes[i], '0' + number);
	}
}

static void more_blobs_than_files_are_read(void **state)
{
	struct oid oids[7];

	(void)state;
	for (int i = 1; i <= 6; i++)
		oids[i] = blob(i);
	for (int round = 0; round < 2; round++)
		for (int i = 1; i <= 6; i++)
			assert_holds(&oids[i], i);
}

static void blob_is_written_once(void **state)
{
	struct oid oid = blob(1);
	char *count;

	(void)state;
	wrap_git("echo x >> \"${0%/bin/git}/calls\"; exec \"$GIT\" \"$@\"");
	for (int i = 0; i < 5; i++)
		assert_holds(&oid, 1);
	count = scratch_output("wc -l < calls");
	assert_int_equal(atoi(count), 1);
	free(count);
	count = scratch_output("ls | tr '\\n' ' '");
	assert_string_equal(count, "bin calls r ");
	free(count);
}

static void beginning_is_read_while_the_rest_is_written(void **state)
{
	struct oid oid = blob(2);
	char byte = 0;

	(void)state;
	scratch_sh("mkfifo go");
	/* The rest comes when the test has read the beginning. */
	wrap_git("\"$GIT\" \"$@\" | { dd bs=1000 count=1 iflag=fullblock status=none; read line < "
	         "\"${0%/bin/git}/go\"; cat; }");
	assert_int_equal(spool_read(spool, &oid, SIZE, &byte, 1, 999), 1);
	assert_int_equal(byte, '2');
	scratch_sh("echo > go");
	assert_holds(&oid, 2);
}

static void failure_is_told_and_tried_again(void **state)
{
	struct oid oid = blob(3);
	char byte;

	(void)state;
	wrap_git("exit 128");
	assert_int_equal(spool_read(spool, &oid, SIZE, &byte, 1, 0), -EBADMSG);
	wrap_git("echo short");
	assert_int_equal(spool_read(spool, &oid, SIZE, &byte, 1, SIZE - 1), -EBADMSG);
	wrap_git("echo 'fatal: unable to write: No space left on device' >&2; exit 128");
	assert_int_equal(spool_read(spool, &oid, SIZE, &byte, 1, 0), -ENOSPC);
	setenv("PATH", path_before, 1);
	assert_holds(&oid, 3);
}

static void wrong_size_is_ebadmsg(void **state)
{
	struct oid oid = blob(4);
	char byte;

	(void)state;
	assert_int_equal(spool_read(spool, &oid, SIZE + 1, &byte, 1, SIZE), -EBADMSG);
	assert_holds(&oid, 4);
}

static void close_ends_what_is_written(void **state)
{
	struct oid oid = blob(5);
	char byte;

	(void)state;
	wrap_git("echo x; exec sleep 60");
	assert_int_equal(spool_read(spool, &oid, SIZE, &byte, 1, 0), 1);
	spool_close(spool);
	assert_int_equal(spool_open(repo, "/nowhere/at/all", &spool), 0);
	assert_int_equal(spool_read(spool, &oid, SIZE, &byte, 1, 0), -ENOENT);
}

static atomic_bool stop;

static void *stop_soon(void *arg)
{
	(void)arg;
	atomic_store(&stop, true);
	return NULL;
}

static void waiting_reader_can_be_interrupted(void **state)
{
	struct oid oid = blob(6);
	pthread_t thread;
	char byte;

	(void)state;
	wrap_git("exec sleep 60");
	git_set_interrupt(&stop);
	assert_int_equal(pthread_create(&thread, NULL, stop_soon, NULL), 0);
	assert_int_equal(spool_read(spool, &oid, SIZE, &byte, 1, 0), -EINTR);
	pthread_join(thread, NULL);
	git_set_interrupt(NULL);
}

static void *read_all(void *arg)
{
	struct oid *oids = arg;
	intptr_t bad = 0;

	for (int i = 1; i <= 6; i++) {
		char byte = 0;

		bad += spool_read(spool, &oids[i], SIZE, &byte, 1, SIZE - 1) != 1 || byte != '0' + i;
	}
	return (void *)bad;
}

static void many_threads_read_many_blobs(void **state)
{
	pthread_t threads[6];
	struct oid oids[7];
	void *bad;

	(void)state;
	for (int i = 1; i <= 6; i++)
		oids[i] = blob(i);
	for (size_t i = 0; i < 6; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, read_all, oids), 0);
	for (size_t i = 0; i < 6; i++) {
		pthread_join(threads[i], &bad);
		assert_null(bad);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(more_blobs_than_files_are_read, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(blob_is_written_once, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(beginning_is_read_while_the_rest_is_written, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(failure_is_told_and_tried_again, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(wrong_size_is_ebadmsg, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(close_ends_what_is_written, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(waiting_reader_can_be_interrupted, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(many_threads_read_many_blobs, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
