/*
 * Remotes by ssh, with a program in place of ssh that serves here: this one, called as `remote_ssh serve FOLDER PLAN`.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "cache/interrupt.h"
#include "cache/remote.h"
#include "cache/ssh/serve.h"
#include "tests/support/scratch.h"

#define LARGE 10000019

/* --- the other side --- */

/* A disk that ends the process at the read, or write, of this number; 0: never. */
static unsigned die_at_read, die_at_write;
static atomic_uint reads, writes;

static ssize_t deadly_pread(void *arg, int fd, void *data, size_t len, off_t offset)
{
	if (atomic_fetch_add(&reads, 1) + 1 == die_at_read)
		raise(SIGKILL);
	return io_system()->ops->pread(arg, fd, data, len, offset);
}

static ssize_t deadly_pwrite(void *arg, int fd, const void *data, size_t len, off_t offset)
{
	if (atomic_fetch_add(&writes, 1) + 1 == die_at_write)
		raise(SIGKILL);
	return io_system()->ops->pwrite(arg, fd, data, len, offset);
}

/* PLAN: "fine", "read-only", "die-at-read=N", "die-at-write=N" */
static int serve(const char *folder, const char *plan)
{
	struct io_ops ops = *io_system()->ops;
	struct io io = {.ops = &ops, .arg = io_system()->arg};
	const struct serve_setup setup = {
	    .io = &io, .folder = folder, .in = 0, .out = 1, .read_only = !strcmp(plan, "read-only")};

	sscanf(plan, "die-at-read=%u", &die_at_read);
	sscanf(plan, "die-at-write=%u", &die_at_write);
	ops.pread = deadly_pread;
	ops.pwrite = deadly_pwrite;
	return serve_run(&setup) ? 5 : 0;
}

/* --- this side --- */

static char program[4096];
static char *folder;
static struct remote *remote;

/* A remote whose ssh is COMMAND. */
static void open_command(const char *command)
{
	const struct remote_setup setup = {
	    .io = io_system(), .name = "lab", .url = "ssh://lab/store", .ssh_command = command};

	remote_close(remote);
	assert_int_equal(remote_open(&setup, &remote), 0);
}

static void open_plan(const char *plan)
{
	char *command;

	/* What the path of the program may have in it means nothing to the shell. */
	assert_true(asprintf(&command, "exec '%s' serve '%s' %s", program, folder, plan) > 0);
	open_command(command);
	free(command);
}

static int set_up(void **state)
{
	(void)state;
	scratch_open_in_memory();
	folder = scratch_path("store");
	scratch_sh("mkdir store");
	open_plan("fine");
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	remote_close(remote);
	remote = NULL;
	free(folder);
	scratch_close();
	return 0;
}

static int put_text(const char *path, const char *text, bool replace)
{
	return remote_put(remote, path, &(struct remote_body){.data = text, .len = strlen(text)}, replace);
}

static void what_was_put_is_read_back(void **state)
{
	struct remote_stat st;
	char two[2];

	(void)state;
	assert_int_equal(put_text("packs/ab/abcd", "hello, world", false), 0);
	scratch_sh("test \"$(cat store/packs/ab/abcd)\" = 'hello, world' && touch -d @1234567.89 store/packs/ab/abcd");
	assert_int_equal(remote_read(remote, "packs/ab/abcd", 7, two, 2), 2);
	assert_memory_equal(two, "wo", 2);
	assert_int_equal(remote_read(remote, "packs/ab/abcd", 11, two, 2), 1);
	assert_int_equal(remote_read(remote, "packs/ab/abcd", 12, two, 2), 0);
	assert_int_equal(remote_read(remote, "packs/ab/abcd", 12, two, 0), 0);
	assert_int_equal(remote_read(remote, "packs/ab/none", 0, two, 2), -ENOENT);
	assert_int_equal(remote_stat(remote, "packs/ab/abcd", &st), 0);
	assert_int_equal(st.size, 12);
	assert_int_equal(st.time.tv_sec, 1234567);
	assert_int_equal(st.time.tv_nsec, 890000000);
	assert_int_equal(remote_stat(remote, "packs/ab/none", &st), -ENOENT);
	assert_int_equal(put_text("packs/ab/abcd", "again", false), -EEXIST);
	assert_int_equal(put_text("packs/ab/abcd", "again", true), 0);
	assert_int_equal(put_text("packs/ab/empty", "", false), 0);
	scratch_sh("test \"$(cat store/packs/ab/abcd)\" = again && test -e store/packs/ab/empty");
	assert_int_equal(remote_remove(remote, "packs/ab/abcd"), 0);
	assert_int_equal(remote_remove(remote, "packs/ab/abcd"), -ENOENT);
	scratch_sh("test ! -e store/packs/ab/abcd && test -z \"$(ls store/tmp)\"");
}

static void a_large_file_goes_and_comes_whole(void **state)
{
	char *path = scratch_path("big");
	void *data;
	size_t len;
	int fd;

	(void)state;
	scratch_sh("head -c %d /dev/urandom >big", LARGE);
	fd = open(path, O_RDONLY);
	assert_int_equal(remote_put(remote, "packs/00/00", &(struct remote_body){.fd = fd, .len = LARGE}, false), 0);
	scratch_sh("cmp big store/packs/00/00");
	assert_int_equal(remote_read_file(remote, "packs/00/00", LARGE, &data, &len), 0);
	assert_int_equal(len, LARGE);
	assert_int_equal(remote_put(remote, "packs/00/01", &(struct remote_body){.data = data, .len = len}, false), 0);
	free(data);
	scratch_sh("cmp big store/packs/00/01");
	/* What is there already is told before anything is sent, and what is shorter than it was said leaves nothing.
	 */
	assert_int_equal(remote_put(remote, "packs/00/00", &(struct remote_body){.fd = fd, .len = LARGE}, false),
	                 -EEXIST);
	assert_int_equal(remote_put(remote, "packs/00/02", &(struct remote_body){.fd = fd, .len = LARGE + 1}, false),
	                 -EBADMSG);
	assert_int_equal(put_text("packs/00/03", "x", false), 0);
	close(fd);
	free(path);
	scratch_sh("test ! -e store/packs/00/02");
	/* Before the end: a server that takes long to end is killed. */
	scratch_sh("for i in $(seq 600); do test -n \"$(ls store/tmp)\" || exit 0; sleep 0.1; done; exit 1");
}

static int note_path(void *arg, const char *path, const struct remote_stat *st)
{
	unsigned *seen = arg;
	unsigned number;

	if (sscanf(path, "packs/ab/file-of-a-long-name-%u", &number) == 1 && number < 5000 && st->size == 0)
		seen[number]++;
	return number == 9999 ? 7 : 0;
}

static void files_are_listed_below_a_folder(void **state)
{
	static unsigned seen[5000];

	(void)state;
	assert_int_equal(remote_list(remote, "packs", note_path, seen), 0);
	scratch_sh(
	    "mkdir -p store/packs/ab store/roots/ab && cd store && touch roots/ab/x packs/ab/.hidden 'packs/ab/a b' &&"
	    "cd packs/ab && seq -f 'file-of-a-long-name-%%04.0f' 0 4999 | xargs touch");
	assert_int_equal(remote_list(remote, "packs", note_path, seen), 0);
	for (unsigned i = 0; i < 5000; i++)
		assert_int_equal(seen[i], 1);
	/* One that is stopped hinders no other. */
	scratch_sh(
	    "cd store/packs/ab && for i in $(seq 1000); do echo file-of-a-long-name-9999$i; done | xargs touch &&"
	    "touch file-of-a-long-name-9999");
	assert_int_equal(remote_list(remote, "packs", note_path, seen), 7);
	assert_int_equal(put_text("packs/ab/y", "x", false), 0);
}

static void a_folder_that_is_gone_is_no_absence_of_files(void **state)
{
	char byte;

	(void)state;
	scratch_sh("rmdir store");
	assert_int_equal(remote_read(remote, "revfs-store", 0, &byte, 1), -EHOSTDOWN);
	assert_int_equal(put_text("packs/ab/x", "12", false), 0);
}

/* --- many --- */

static void *work(void *arg)
{
	const unsigned me = (unsigned)(uintptr_t)arg;
	const size_t size = 300000 + me;
	uint8_t *data = malloc(size), *back = malloc(size);
	intptr_t wrong = !data || !back;
	char path[REMOTE_PATH_SIZE];
	struct remote_stat st;

	for (unsigned round = 0; round < 20 && !wrong; round++) {
		memset(data, (int)(me * 20 + round), size);
		snprintf(path, sizeof(path), "packs/%02u/%u", me, round);
		wrong |= remote_put(remote, path, &(struct remote_body){.data = data, .len = size}, false) != 0;
		wrong |= remote_stat(remote, path, &st) != 0 || st.size != size;
		wrong |= remote_read(remote, path, 0, back, size) != (ssize_t)size || memcmp(data, back, size) != 0;
		wrong |= remote_read(remote, "packs/none", 0, back, size) != -ENOENT;
		wrong |= round % 2 && remote_remove(remote, path) != 0;
	}
	free(data);
	free(back);
	return (void *)wrong;
}

static void many_threads_ask_at_once(void **state)
{
	pthread_t threads[8];

	(void)state;
	for (uintptr_t i = 0; i < 8; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, work, (void *)i), 0);
	for (unsigned i = 0; i < 8; i++) {
		void *wrong;

		assert_int_equal(pthread_join(threads[i], &wrong), 0);
		assert_null(wrong);
	}
	scratch_sh("test $(find store/packs -type f | wc -l) = 80 && test -z \"$(ls store/tmp)\"");
}

/* --- what goes wrong --- */

static void a_server_killed_in_a_read_may_be_asked_again(void **state)
{
	char two[2];

	(void)state;
	scratch_sh("mkdir -p store/packs/ab && echo 12 >store/packs/ab/x");
	open_plan("die-at-read=2");
	assert_int_equal(remote_read(remote, "packs/ab/x", 0, two, 2), 2);
	assert_int_equal(remote_read(remote, "packs/ab/x", 0, two, 2), -ECONNRESET);
	assert_true(remote_may_pass(-ECONNRESET));
	assert_int_equal(remote_read(remote, "packs/ab/x", 0, two, 2), 2);
}

/* Wherever it is killed, nothing half-done has a name. */
static void a_server_killed_in_a_put_leaves_nothing_half_done(void **state)
{
	uint8_t *data = calloc(1, LARGE);
	char plan[32];

	(void)state;
	assert_non_null(data);
	memset(data, 'x', LARGE);
	for (unsigned nth = 1; nth <= 10; nth += 3) {
		snprintf(plan, sizeof(plan), "die-at-write=%u", nth);
		open_plan(plan);
		assert_int_equal(
		    remote_put(remote, "packs/ab/x", &(struct remote_body){.data = data, .len = LARGE}, false),
		    -ECONNRESET);
		scratch_sh("test ! -e store/packs/ab/x");
	}
	open_plan("fine");
	assert_int_equal(remote_put(remote, "packs/ab/x", &(struct remote_body){.data = data, .len = LARGE}, false), 0);
	scratch_sh("test $(tr -d x <store/packs/ab/x | wc -c) = 0 && test $(stat -c %%s store/packs/ab/x) = %d", LARGE);
	free(data);
}

static void one_for_reading_only_takes_nothing(void **state)
{
	char why[REMOTE_WHY_SIZE];

	(void)state;
	open_plan("read-only");
	assert_int_equal(put_text("packs/ab/x", "12", false), -EROFS);
	assert_int_equal(remote_remove(remote, "packs/ab/x"), -EROFS);
	remote_why(remote, why);
	assert_string_equal(why, "it is served for reading only");
}

static void failures_are_told_apart_and_explained(void **state)
{
	static const struct {
		const char *command;
		int error;
		const char *why;
	} cases[] = {
	    {"echo Welcome to lab; exec cat #", -EPROTO,
	     "not 'revfs serve' speaks there, but something that says 'Welcome to lab'"},
	    {"echo 'ada@lab: Permission denied (publickey).' >&2; exit 255;", -EKEYREJECTED,
	     "ada@lab: Permission denied (publickey)."},
	    {"echo 'Host key verification failed.' >&2; exit 255;", -EKEYREJECTED, "Host key verification failed."},
	    {"echo 'ssh: connect to host lab port 22: Connection refused' >&2; exit 255;", -ECONNREFUSED,
	     "ssh: connect to host lab port 22: Connection refused"},
	    {"exec /no-such-ssh", -EPROTO, NULL},
	    {"exit 0;", -EPROTO, ""},
	    /* What began as it should, and ended, is one that ended with success. */
	    {"printf revfs #", -EPROTO, ""},
	};
	char why[REMOTE_WHY_SIZE], byte;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		open_command(cases[i].command);
		assert_int_equal(remote_read(remote, "revfs-store", 0, &byte, 1), cases[i].error);
		remote_why(remote, why);
		if (cases[i].why)
			assert_string_equal(why, cases[i].why);
	}
}

static bool is_set(void *arg)
{
	return atomic_load((atomic_bool *)arg);
}

static void a_wait_for_a_silent_ssh_can_be_given_up(void **state)
{
	atomic_bool stop = true;
	char byte;

	(void)state;
	open_command("exec sleep 1000 #");
	interrupt_watch(is_set, &stop);
	assert_int_equal(remote_read(remote, "revfs-store", 0, &byte, 1), -EINTR);
	assert_int_equal(put_text("packs/ab/x", "12", false), -EINTR);
	interrupt_watch(NULL, NULL);
}

static void words_of_a_url_stay_words(void **state)
{
	const struct remote_setup setup = {
	    .io = io_system(),
	    .name = "lab",
	    .url = "ssh://ada@lab:22/it's $HOME; touch x",
	    .ssh_command = "printf '%s\\n' >args",
	    .program = "/opt/revfs -q",
	};
	char *args, byte;

	(void)state;
	remote_close(remote);
	args = scratch_path("");
	assert_int_equal(chdir(args), 0);
	free(args);
	assert_int_equal(remote_open(&setup, &remote), 0);
	assert_int_equal(remote_read(remote, "revfs-store", 0, &byte, 1), -EPROTO);
	args = scratch_output("cat args");
	assert_string_equal(
	    args, "-o\nBatchMode=yes\n-o\nConnectTimeout=15\n-o\nServerAliveInterval=10\n-T\n-p\n22\nada@lab\n"
		  "/opt/revfs -q serve --stdio '/it'\\''s $HOME; touch x'");
	free(args);
	assert_int_equal(chdir("/"), 0);
}

static void what_could_be_an_option_is_refused(void **state)
{
	static const char *const urls[] = {"ssh://-oProxyCommand=x/y", "ssh://-l@h/x", "ssh://h/~/-x", "ssh://h"};
	struct remote *other;

	(void)state;
	for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++)
		assert_int_equal(
		    remote_open(&(struct remote_setup){.io = io_system(), .name = "x", .url = urls[i]}, &other),
		    -EINVAL);
	assert_int_equal(remote_open(
			     &(struct remote_setup){
				 .io = io_system(), .name = "x", .url = "ssh://h/x", .program = "-oProxyCommand=x"},
			     &other),
	                 -EINVAL);
	assert_ptr_equal(remote_kind_of("ssh://h/x"), &remote_kind_ssh);
	assert_null(remote_kind_of("h:x"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
	    TEST(what_was_put_is_read_back),
	    TEST(a_large_file_goes_and_comes_whole),
	    TEST(files_are_listed_below_a_folder),
	    TEST(a_folder_that_is_gone_is_no_absence_of_files),
	    TEST(many_threads_ask_at_once),
	    TEST(a_server_killed_in_a_read_may_be_asked_again),
	    TEST(a_server_killed_in_a_put_leaves_nothing_half_done),
	    TEST(one_for_reading_only_takes_nothing),
	    TEST(failures_are_told_apart_and_explained),
	    TEST(a_wait_for_a_silent_ssh_can_be_given_up),
	    TEST(words_of_a_url_stay_words),
	    TEST(what_could_be_an_option_is_refused),
	};

	if (argc > 3 && !strcmp(argv[1], "serve"))
		return serve(argv[2], argv[3]);
	if (!realpath("/proc/self/exe", program))
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
