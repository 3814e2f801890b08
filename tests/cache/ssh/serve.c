/* Serving a folder, to clients that mean no good. */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "cache/interrupt.h"
#include "cache/ssh/serve.h"
#include "cache/ssh/serve_wire.h"
#include "tests/support/fault.h"
#include "tests/support/frames.h"
#include "tests/support/scratch.h"

static struct fault fault;
static struct serve_setup setup;
static pthread_t thread;
static int fd; /* the client's */
static atomic_bool stopping;
static char *folder;

static bool is_stopping(void *arg)
{
	(void)arg;
	return atomic_load(&stopping);
}

static void *serve(void *arg)
{
	int *result = arg;

	interrupt_watch(is_stopping, NULL);
	*result = serve_run(&setup);
	close(setup.in);
	return NULL;
}

static int served;

static void start(bool read_only)
{
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	fd = fds[0];
	atomic_store(&stopping, false);
	setup = (struct serve_setup){
	    .io = &fault.io, .folder = folder, .in = fds[1], .out = fds[1], .read_only = read_only};
	assert_int_equal(pthread_create(&thread, NULL, serve, &served), 0);
}

/* The end of the client, and how the server ended. */
static int finish(void)
{
	close(fd);
	assert_int_equal(pthread_join(thread, NULL), 0);
	return served;
}

static int set_up(void **state)
{
	(void)state;
	scratch_open_in_memory();
	folder = scratch_path("store");
	scratch_sh("mkdir store");
	fault_init(&fault, io_system());
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	assert_int_equal(atomic_load(&fault.open_files), 0);
	free(folder);
	scratch_close();
	return 0;
}

static uint8_t body[SERVE_WIRE_READ_MAX];

static void say(const struct serve_wire *frame)
{
	frames_say(fd, frame);
}

static void hear(struct serve_wire *frame)
{
	frames_hear(fd, true, frame);
}

static void hear_done(uint32_t number, int error)
{
	struct serve_wire frame;

	hear(&frame);
	assert_int_equal(frame.kind, SERVE_WIRE_DONE);
	assert_int_equal(frame.number, number);
	assert_int_equal(frame.error, error);
}

static void greet(void)
{
	frames_greet(fd, 0);
	assert_int_equal(frames_greeted(fd), setup.read_only ? SERVE_WIRE_READ_ONLY : 0);
}

/* Whether the server ends the connection, whatever it still says. */
static void hear_end(void)
{
	while (recv(fd, body, sizeof(body), 0) > 0)
		;
}

static void it_answers_by_number(void **state)
{
	struct serve_wire frame;

	(void)state;
	scratch_sh("cd store && mkdir -p packs/ab && echo 12345 >packs/ab/x && echo secret >../secret");
	start(false);
	greet();
	say(&(struct serve_wire){.kind = SERVE_WIRE_STAT, .number = 77, .path = "packs/ab/x"});
	hear(&frame);
	assert_int_equal(frame.kind, SERVE_WIRE_FOUND);
	assert_int_equal(frame.number, 77);
	assert_int_equal(frame.st.size, 6);
	say(&(struct serve_wire){.kind = SERVE_WIRE_READ, .number = 78, .path = "packs/ab/x", .offset = 1, .len = 3});
	hear(&frame);
	assert_int_equal(frame.kind, SERVE_WIRE_DATA);
	assert_int_equal(frame.number, 78);
	assert_int_equal(frame.data_len, 3);
	assert_memory_equal(frame.data, "234", 3);
	say(&(struct serve_wire){.kind = SERVE_WIRE_READ, .number = 79, .path = "packs/ab/y", .len = 3});
	hear_done(79, -ENOENT);
	assert_int_equal(finish(), 0);
}

static void paths_that_are_none_of_a_store_lead_nowhere(void **state)
{
	static const char *const paths[] = {"../secret",       "packs/../../secret", "/etc/passwd", "secret",
	                                    "packs/ab/link/x", "packs/.x",           "tmp/x",       "."};

	(void)state;
	scratch_sh("echo secret >secret && cd store && cp ../secret . && mkdir -p tmp packs/ab && cp ../secret tmp/x");
	start(false);
	greet();
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		struct serve_wire ask = {.kind = SERVE_WIRE_READ, .number = 1, .len = 100};

		strcpy(ask.path, paths[i]);
		say(&ask);
		hear_done(1, -EINVAL);
		ask = (struct serve_wire){.kind = SERVE_WIRE_REMOVE, .number = 2};
		strcpy(ask.path, paths[i]);
		say(&ask);
		hear_done(2, -EINVAL);
		ask = (struct serve_wire){
		    .kind = SERVE_WIRE_PUT, .number = 3, .replace = true, .total = 1, .data = body, .data_len = 1};
		strcpy(ask.path, paths[i]);
		say(&ask);
		hear_done(3, -EINVAL);
		ask = (struct serve_wire){.kind = SERVE_WIRE_LIST, .number = 4};
		strcpy(ask.path, paths[i]);
		say(&ask);
		hear_done(4, -EINVAL);
	}
	assert_int_equal(finish(), 0);
	scratch_sh("cmp secret store/secret && cmp secret store/tmp/x && test ! -e store/.x");
}

static void one_for_reading_only_changes_nothing(void **state)
{
	(void)state;
	scratch_sh("cd store && mkdir -p packs/ab && echo 12345 >packs/ab/x");
	start(true);
	greet();
	say(&(struct serve_wire){.kind = SERVE_WIRE_REMOVE, .number = 1, .path = "packs/ab/x"});
	hear_done(1, -EROFS);
	say(&(struct serve_wire){
	    .kind = SERVE_WIRE_PUT, .number = 2, .path = "packs/ab/y", .total = 1, .data = body, .data_len = 1});
	hear_done(2, -EROFS);
	say(&(struct serve_wire){.kind = SERVE_WIRE_PUT,
	                         .number = 3,
	                         .path = "packs/ab/x",
	                         .total = 1,
	                         .replace = true,
	                         .data = body,
	                         .data_len = 1});
	hear_done(3, -EROFS);
	assert_int_equal(finish(), 0);
	scratch_sh("cd store && test \"$(find . -type f)\" = ./packs/ab/x && test $(cat packs/ab/x) = 12345");
}

static void begin_put(uint32_t number, uint64_t total)
{
	say(&(struct serve_wire){.kind = SERVE_WIRE_PUT,
	                         .number = number,
	                         .path = "packs/ab/x",
	                         .total = total,
	                         .data = body,
	                         .data_len = SERVE_WIRE_FIRST_MAX});
}

/* Wait for leave to send more of a put: how much. */
static uint32_t hear_more(uint32_t number)
{
	struct serve_wire frame;

	hear(&frame);
	assert_int_equal(frame.kind, SERVE_WIRE_MORE);
	assert_int_equal(frame.number, number);
	return frame.len;
}

static void assert_nothing_is_there(void)
{
	scratch_sh("cd store && test -z \"$(find . -type f)\"");
}

static void a_client_that_ends_in_the_midst_of_a_put_leaves_nothing(void **state)
{
	(void)state;
	start(false);
	greet();
	begin_put(1, 1 << 20);
	assert_int_equal(hear_more(1), (1 << 20) - SERVE_WIRE_FIRST_MAX);
	say(&(struct serve_wire){
	    .kind = SERVE_WIRE_PIECE, .number = 1, .data = body, .data_len = SERVE_WIRE_PIECE_MAX});
	assert_int_equal(finish(), 0);
	assert_nothing_is_there();
}

static void a_put_that_is_cancelled_leaves_nothing(void **state)
{
	(void)state;
	start(false);
	greet();
	begin_put(1, 1 << 20);
	hear_more(1);
	say(&(struct serve_wire){.kind = SERVE_WIRE_CANCEL, .number = 1});
	hear_done(1, -ECANCELED);
	/* What was on its way is no mistake. */
	say(&(struct serve_wire){
	    .kind = SERVE_WIRE_PIECE, .number = 1, .data = body, .data_len = SERVE_WIRE_PIECE_MAX});
	say(&(struct serve_wire){.kind = SERVE_WIRE_STAT, .number = 2, .path = "packs/ab/x"});
	hear_done(2, -ENOENT);
	assert_int_equal(finish(), 0);
	assert_nothing_is_there();
}

static void a_server_that_is_to_end_leaves_nothing(void **state)
{
	(void)state;
	start(false);
	greet();
	begin_put(1, 1 << 20);
	hear_more(1);
	atomic_store(&stopping, true);
	hear_end();
	assert_int_equal(finish(), -EINTR);
	assert_nothing_is_there();
}

static void more_than_was_granted_ends_it(void **state)
{
	(void)state;
	start(false);
	greet();
	/* As many as are worked on at once, so that the next has leave for its first bytes alone. */
	for (uint32_t i = 1; i <= 4; i++) {
		begin_put(i, 1 << 20);
		hear_more(i);
	}
	begin_put(5, 1 << 20);
	say(&(struct serve_wire){.kind = SERVE_WIRE_PIECE, .number = 5, .data = body, .data_len = 1});
	hear_end();
	assert_int_equal(finish(), -EPROTO);
	assert_nothing_is_there();
}

static void more_than_was_said_ends_it(void **state)
{
	(void)state;
	start(false);
	greet();
	begin_put(1, SERVE_WIRE_FIRST_MAX + 10);
	hear_more(1);
	say(&(struct serve_wire){.kind = SERVE_WIRE_PIECE, .number = 1, .data = body, .data_len = 11});
	hear_end();
	assert_int_equal(finish(), -EPROTO);
	assert_nothing_is_there();
}

static void assert_refused(const void *data, size_t len)
{
	start(false);
	greet();
	frames_send(fd, data, len);
	hear_end();
	assert_int_equal(finish(), -EPROTO);
}

static void what_is_no_frame_ends_it(void **state)
{
	uint8_t head[SERVE_WIRE_HEADER_SIZE] = {0};
	struct buffer twice = {0};

	(void)state;
	wire_put32(head, UINT32_MAX);
	wire_put32(head + 4, SERVE_WIRE_PIECE);
	wire_put32(head + 8, 1);
	assert_refused(head, sizeof(head));
	wire_put32(head, 0);
	wire_put32(head + 4, 99);
	assert_refused(head, sizeof(head));
	/* What a server says. */
	wire_put32(head + 4, SERVE_WIRE_ALIVE);
	wire_put32(head + 8, 0);
	assert_refused(head, sizeof(head));
	/* One number for two. */
	serve_wire_encode(&(struct serve_wire){.kind = SERVE_WIRE_PUT,
	                                       .number = 1,
	                                       .path = "packs/ab/x",
	                                       .total = 1 << 20,
	                                       .data = body,
	                                       .data_len = SERVE_WIRE_FIRST_MAX},
	                  &twice);
	serve_wire_encode(&(struct serve_wire){.kind = SERVE_WIRE_STAT, .number = 1, .path = "packs/ab/x"}, &twice);
	assert_refused(twice.data, twice.len);
	buffer_release(&twice);
	assert_nothing_is_there();
}

static void too_many_requests_end_it(void **state)
{
	struct buffer many = {0};

	(void)state;
	/* None of these ends before more comes. */
	for (uint32_t i = 1; i <= 2 * SERVE_WIRE_IN_FLIGHT; i++)
		serve_wire_encode(&(struct serve_wire){.kind = SERVE_WIRE_PUT,
		                                       .number = i,
		                                       .path = "packs/ab/x",
		                                       .total = 1 << 20,
		                                       .data = body,
		                                       .data_len = SERVE_WIRE_FIRST_MAX},
		                  &many);
	start(false);
	greet();
	/* It ends before it takes all. */
	for (size_t at = 0; at < many.len;) {
		ssize_t n = send(fd, many.data + at, many.len - at, MSG_NOSIGNAL);

		if (n < 0)
			break;
		at += (size_t)n;
	}
	buffer_release(&many);
	hear_end();
	assert_int_equal(finish(), -EPROTO);
	assert_nothing_is_there();
}

static void what_does_not_greet_is_no_client(void **state)
{
	(void)state;
	start(false);
	frames_send(fd, "GET / HTTP/1.1\r\n\r\n", 18);
	hear_end();
	assert_int_equal(finish(), -EPROTO);
	start(false);
	shutdown(fd, SHUT_WR);
	hear_end();
	assert_int_equal(finish(), -ECONNRESET);
}

static void a_list_waits_for_who_listens(void **state)
{
	struct serve_wire frame;
	size_t came = 0;

	(void)state;
	scratch_sh(
	    "mkdir -p store/packs/ab && cd store/packs/ab && seq -f 'file-of-a-long-name-%%05g' 5000 | xargs touch");
	start(false);
	greet();
	say(&(struct serve_wire){.kind = SERVE_WIRE_LIST, .number = 5, .path = "packs"});
	while (came + SERVE_WIRE_ENTRIES_MAX <= SERVE_WIRE_LIST_GRANT) {
		hear(&frame);
		assert_int_equal(frame.kind, SERVE_WIRE_ENTRIES);
		came += frame.data_len;
	}
	/* Others are answered meanwhile. */
	say(&(struct serve_wire){.kind = SERVE_WIRE_STAT, .number = 6, .path = "revfs-store"});
	do {
		hear(&frame);
		came += frame.kind == SERVE_WIRE_ENTRIES ? frame.data_len : 0;
	} while (frame.number == 5);
	assert_int_equal(frame.number, 6);
	assert_true(came <= SERVE_WIRE_LIST_GRANT);
	say(&(struct serve_wire){.kind = SERVE_WIRE_CANCEL, .number = 5});
	hear_done(5, -ECANCELED);
	assert_int_equal(finish(), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(it_answers_by_number),
	    TEST(paths_that_are_none_of_a_store_lead_nowhere),
	    TEST(one_for_reading_only_changes_nothing),
	    TEST(a_client_that_ends_in_the_midst_of_a_put_leaves_nothing),
	    TEST(a_put_that_is_cancelled_leaves_nothing),
	    TEST(a_server_that_is_to_end_leaves_nothing),
	    TEST(more_than_was_granted_ends_it),
	    TEST(more_than_was_said_ends_it),
	    TEST(what_is_no_frame_ends_it),
	    TEST(too_many_requests_end_it),
	    TEST(what_does_not_greet_is_no_client),
	    TEST(a_list_waits_for_who_listens),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
