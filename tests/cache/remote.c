/* Remotes that are folders, and what all kinds share. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "cache/remote.h"
#include "tests/support/fake_remote.h"
#include "tests/support/fault.h"
#include "tests/support/scratch.h"

static struct fault fault;
static struct remote *remote;
static char *folder;

static int set_up(void **state)
{
	*state = (void *)(uintptr_t)scratch_open_in_memory();
	folder = scratch_path("store");
	scratch_sh("mkdir store");
	fault_init(&fault, io_system());
	assert_int_equal(remote_open(&(struct remote_setup){.io = &fault.io, .name = "origin", .url = folder}, &remote),
	                 0);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	remote_close(remote);
	assert_int_equal(atomic_load(&fault.open_files), 0);
	free(folder);
	scratch_close();
	return 0;
}

static int put_text(const char *path, const char *text, bool replace)
{
	return remote_put(remote, path, &(struct remote_body){.data = text, .len = strlen(text)}, replace);
}

static void urls_have_kinds(void **state)
{
	struct remote *other;
	char *url = NULL;

	(void)state;
	assert_ptr_equal(remote_kind_of("/a"), &remote_kind_folder);
	assert_ptr_equal(remote_kind_of("file:///a"), &remote_kind_folder);
	assert_null(remote_kind_of("a/b"));
	assert_null(remote_kind_of("-oProxyCommand=x"));
	assert_int_equal(
	    remote_open(&(struct remote_setup){.io = io_system(), .name = "x", .url = "gopher://a"}, &other),
	    -EPROTONOSUPPORT);
	assert_int_equal(
	    remote_open(&(struct remote_setup){.io = io_system(), .name = "x", .url = "file://host/a"}, &other),
	    -EINVAL);
	assert_int_equal(put_text("revfs-store", "x", false), 0);
	assert_true(asprintf(&url, "file://localhost%.*s%%73tore", (int)(strlen(folder) - 5), folder) > 0);
	assert_int_equal(remote_open(&(struct remote_setup){.io = io_system(), .name = "x", .url = url}, &other), 0);
	assert_string_equal(remote_name(other), "x");
	assert_string_equal(remote_url(other), url);
	assert_int_equal(remote_read(other, "revfs-store", 0, url, 2), 1);
	remote_close(other);
	free(url);
}

static void what_was_put_is_read_back(void **state)
{
	struct remote_counts counts;
	struct remote_stat st;
	void *data;
	size_t len;
	char two[2];

	(void)state;
	assert_int_equal(put_text("packs/ab/abcd", "hello, world", false), 0);
	assert_int_equal(remote_read(remote, "packs/ab/abcd", 7, two, 2), 2);
	assert_memory_equal(two, "wo", 2);
	assert_int_equal(remote_read(remote, "packs/ab/abcd", 11, two, 2), 1);
	assert_int_equal(remote_read(remote, "packs/ab/abcd", 12, two, 2), 0);
	assert_int_equal(remote_read(remote, "packs/ab/none", 0, two, 2), -ENOENT);
	assert_int_equal(remote_read(remote, "packs/cd/none", 0, two, 2), -ENOENT);
	assert_int_equal(remote_stat(remote, "packs/ab/abcd", &st), 0);
	assert_int_equal(st.size, 12);
	assert_int_equal(remote_stat(remote, "packs/ab/none", &st), -ENOENT);
	assert_int_equal(remote_read_file(remote, "packs/ab/abcd", 12, &data, &len), 0);
	assert_int_equal(len, 12);
	free(data);
	assert_int_equal(remote_read_file(remote, "packs/ab/abcd", 11, &data, &len), -EFBIG);
	remote_counts(remote, &counts);
	assert_int_equal(counts.sent_bytes, 12);
	assert_int_equal(counts.failures, 0);
	scratch_sh("cd store && test $(stat -c %%a packs/ab/abcd) = 444 && test -z \"$(ls tmp)\"");
}

static void a_large_file_is_put_from_a_descriptor(void **state)
{
	char *path = scratch_path("big");
	void *data;
	size_t len;
	int fd;

	(void)state;
	scratch_sh("head -c 3000001 /dev/urandom >big");
	fd = open(path, O_RDONLY);
	assert_int_equal(remote_put(remote, "packs/00/00", &(struct remote_body){.fd = fd, .len = 3000001}, false), 0);
	scratch_sh("cmp big store/packs/00/00");
	assert_int_equal(remote_read_file(remote, "packs/00/00", 4000000, &data, &len), 0);
	assert_int_equal(len, 3000001);
	free(data);
	/* It is shorter than was said. */
	assert_int_equal(remote_put(remote, "packs/00/01", &(struct remote_body){.fd = fd, .len = 3000002}, false),
	                 -EBADMSG);
	close(fd);
	free(path);
	scratch_sh("test ! -e store/packs/00/01 && test -z \"$(ls store/tmp)\"");
}

static void what_is_there_is_replaced_only_where_asked(void **state)
{
	(void)state;
	assert_int_equal(put_text("roots/ab/x", "one", false), 0);
	assert_int_equal(put_text("roots/ab/x", "two", false), -EEXIST);
	scratch_sh("test $(cat store/roots/ab/x) = one");
	assert_int_equal(put_text("roots/ab/x", "two", true), 0);
	scratch_sh("test $(cat store/roots/ab/x) = two");
	assert_int_equal(remote_remove(remote, "roots/ab/x"), 0);
	assert_int_equal(remote_remove(remote, "roots/ab/x"), -ENOENT);
}

static int note_path(void *arg, const char *path, const struct remote_stat *st)
{
	sprintf((char *)arg + strlen(arg), "%s %d;", path, (int)st->size);
	return strcmp(path, "packs/ab/stop") ? 0 : 7;
}

static void files_are_listed_below_a_folder(void **state)
{
	char told[300] = "";

	(void)state;
	assert_int_equal(remote_list(remote, "packs", note_path, told), 0);
	assert_int_equal(put_text("packs/ab/x", "12", false), 0);
	assert_int_equal(put_text("roots/ab/y", "1", false), 0);
	scratch_sh("cd store/packs && mkfifo ab/pipe && ln -s x ab/link && mkdir ab/folder");
	assert_int_equal(remote_list(remote, "packs", note_path, told), 0);
	assert_string_equal(told, "packs/ab/x 2;");
	scratch_sh("rm store/packs/ab/*x; echo >store/packs/ab/stop");
	assert_int_equal(remote_list(remote, "packs", note_path, told), 7);
}

static void only_what_passes_by_itself_is_waited_for(void **state)
{
	static const int passing[] = {-ECONNREFUSED, -ECONNRESET, -ETIMEDOUT, -EHOSTUNREACH, -EAGAIN, -EREMOTEIO};
	static const int lasting[] = {0, -ENOENT, -EKEYREJECTED, -ENOKEY, -EPROTO, -EBADMSG, -EROFS};

	(void)state;
	for (size_t i = 0; i < sizeof(passing) / sizeof(passing[0]); i++)
		assert_true(remote_may_pass(passing[i]));
	for (size_t i = 0; i < sizeof(lasting) / sizeof(lasting[0]); i++)
		assert_false(remote_may_pass(lasting[i]));
}

static void a_folder_that_is_gone_is_no_absence_of_files(void **state)
{
	char told[300] = "", byte;
	struct remote_stat st;

	(void)state;
	scratch_sh("rmdir store");
	assert_int_equal(remote_read(remote, "revfs-store", 0, &byte, 1), -EHOSTDOWN);
	assert_int_equal(remote_stat(remote, "revfs-store", &st), -EHOSTDOWN);
	assert_int_equal(remote_list(remote, "packs", note_path, told), -EHOSTDOWN);
	assert_true(remote_may_pass(-EHOSTDOWN));
	/* The first who puts something makes it, but not what should hold it. */
	assert_int_equal(put_text("packs/ab/x", "12", false), 0);
}

/* The folder takes its rights to what is made in it. */
static void a_group_shares_what_is_put(void **state)
{
	mode_t mask = umask(077);

	(void)state;
	scratch_sh("chmod 2770 store");
	assert_int_equal(put_text("packs/ab/x", "12", false), 0);
	scratch_sh("cd store && test $(stat -c %%a packs) = 2770 && test $(stat -c %%a packs/ab) = 2770 &&"
	           "test $(stat -c %%a packs/ab/x) = 440");
	umask(mask);
}

static void no_link_or_pipe_is_read(void **state)
{
	char byte;

	(void)state;
	assert_int_equal(put_text("packs/ab/x", "12", false), 0);
	scratch_sh("cd store/packs/ab && ln -s x link && mkfifo pipe");
	assert_true(remote_read(remote, "packs/ab/link", 0, &byte, 1) < 0);
	assert_int_equal(remote_read(remote, "packs/ab/pipe", 0, &byte, 1), -EPROTO);
}

/* Whatever call of a put fails, nothing half-done has a name, and the same put afterwards works. */
static void every_failure_leaves_nothing_half_done(void **state)
{
	(void)state;
	for (uint64_t nth = 1;; nth++) {
		int error;

		fault_set(&fault, FAULT_CALLS, nth, 1, -EIO);
		error = put_text("packs/ab/x", "whole", false);
		fault_clear(&fault);
		if (!error) {
			assert_true(nth > 8);
			break;
		}
		scratch_sh("cd store && test ! -e packs/ab/x -o \"$(cat packs/ab/x)\" = whole");
		error = put_text("packs/ab/x", "whole", false);
		assert_true(error == 0 || error == -EEXIST);
		scratch_sh("cd store && test \"$(cat packs/ab/x)\" = whole && rm packs/ab/x");
	}
	fault_set(&fault, FAULT_WRITE, 1, 1, -EDQUOT);
	assert_int_equal(put_text("packs/ab/y", "whole", false), -ENOSPC);
}

static void requests_and_failures_are_counted(void **state)
{
	const struct fake_plan fails = {.error = -ECONNREFUSED, .failures = 1};
	struct remote_counts counts;
	struct remote *fake;
	char byte[4];

	(void)state;
	fake_remote_clear();
	assert_int_equal(remote_open_kind(&(struct remote_setup){.io = io_system(), .name = "f", .url = "f"},
	                                  &remote_kind_fake, &fake),
	                 0);
	fake_remote_put("f", "x", "12345", 5);
	fake_remote_plan("f", &fails);
	assert_int_equal(remote_read(fake, "x", 0, byte, 4), -ECONNREFUSED);
	assert_int_equal(remote_read(fake, "x", 0, byte, 4), 4);
	assert_int_equal(remote_read(fake, "y", 0, byte, 4), -ENOENT);
	remote_counts(fake, &counts);
	assert_int_equal(counts.requests, 3);
	assert_int_equal(counts.failures, 1);
	assert_int_equal(counts.received_bytes, 4);
	remote_close(fake);
	fake_remote_clear();
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

static void count_close(void *arg)
{
	++*(unsigned *)arg;
}

static void source_of_credentials_is_closed_with_the_remote_or_where_there_is_none(void **state)
{
	unsigned closed = 0;
	struct remote_setup setup = {
	    .io = io_system(), .name = "x", .url = folder, .credentials = {.close = count_close, .arg = &closed}};
	struct remote *other;

	(void)state;
	assert_int_equal(remote_open(&setup, &other), 0);
	assert_int_equal(closed, 0);
	remote_close(other);
	assert_int_equal(closed, 1);
	setup.url = "gopher://a";
	assert_int_equal(remote_open(&setup, &other), -EPROTONOSUPPORT);
	assert_int_equal(closed, 2);
	setup.url = "http://a?b";
	assert_int_equal(remote_open(&setup, &other), -EINVAL);
	assert_int_equal(closed, 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(urls_have_kinds),
	    TEST(source_of_credentials_is_closed_with_the_remote_or_where_there_is_none),
	    TEST(what_was_put_is_read_back),
	    TEST(a_large_file_is_put_from_a_descriptor),
	    TEST(what_is_there_is_replaced_only_where_asked),
	    TEST(files_are_listed_below_a_folder),
	    TEST(only_what_passes_by_itself_is_waited_for),
	    TEST(a_folder_that_is_gone_is_no_absence_of_files),
	    TEST(a_group_shares_what_is_put),
	    TEST(no_link_or_pipe_is_read),
	    TEST(every_failure_leaves_nothing_half_done),
	    TEST(requests_and_failures_are_counted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
