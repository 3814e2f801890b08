/* The other side of a connection: one that is played by the test, and means no good. */
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
#include "cache/peer.h"
#include "cache/serve_wire.h"

static struct peer *peer;
static int connections[2]; /* a pipe of the server's ends */
static int fd;             /* the server's, of the connection that is spoken of */

/* --- the line --- */

static int line_fd;

static int line_open(void *arg, int *ours, int *aside, char why[PEER_WHY_SIZE])
{
	int fds[2];

	(void)arg;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds))
		return -errno;
	if (write(connections[1], &fds[1], sizeof(fds[1])) != sizeof(fds[1]))
		return -EIO;
	line_fd = *ours = fds[0];
	*aside = -1;
	snprintf(why, PEER_WHY_SIZE, "nothing yet");
	return 0;
}

static void line_hear(void *arg, const char *text, size_t len)
{
	(void)arg;
	(void)text;
	(void)len;
}

static int line_close(void *arg, const struct peer_end *end, char why[PEER_WHY_SIZE])
{
	(void)arg;
	close(line_fd);
	snprintf(why, PEER_WHY_SIZE, "%s, said '%s'", end->greeted ? "greeted" : "not greeted", end->said);
	return end->error ? end->error : -ECONNRESET;
}

static const struct peer_line line = {.open = line_open, .hear = line_hear, .close = line_close};

static void open_peer(unsigned stall_ms, unsigned work_ms)
{
	const struct peer_setup setup = {.io = io_system(), .line = &line, .stall_ms = stall_ms, .work_ms = work_ms};

	assert_int_equal(peer_open(&setup, &peer), 0);
}

static int set_up(void **state)
{
	(void)state;
	assert_int_equal(pipe(connections), 0);
	open_peer(PEER_STALL_MS, PEER_WORK_MS);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	peer_close(peer);
	close(connections[0]);
	close(connections[1]);
	return 0;
}

/* --- who asks --- */

struct asker {
	pthread_t thread;
	enum serve_wire_kind kind;
	size_t len;
	atomic_bool stop;
	ssize_t result;
	unsigned entries;
	uint8_t *data;
};

static bool is_stopped(void *arg)
{
	return atomic_load(&((struct asker *)arg)->stop);
}

static int count_entry(void *arg, const char *path, const struct remote_stat *st)
{
	struct asker *a = arg;

	(void)path;
	(void)st;
	a->entries++;
	return 0;
}

static void *ask(void *arg)
{
	struct asker *a = arg;
	struct remote_stat st;

	interrupt_watch(is_stopped, a);
	switch (a->kind) {
	case SERVE_WIRE_READ:
		a->result = peer_read(peer, "packs/ab/x", 0, a->data, a->len);
		break;
	case SERVE_WIRE_STAT:
		a->result = peer_stat(peer, "packs/ab/x", &st);
		break;
	case SERVE_WIRE_PUT:
		a->result = peer_put(peer, "packs/ab/x", &(struct remote_body){.data = a->data, .len = a->len}, false);
		break;
	default:
		a->result = peer_list(peer, "packs", count_entry, a);
	}
	return NULL;
}

static void begin(struct asker *a, enum serve_wire_kind kind, size_t len)
{
	*a = (struct asker){.kind = kind, .len = len, .data = calloc(1, len + 1)};
	assert_non_null(a->data);
	assert_int_equal(pthread_create(&a->thread, NULL, ask, a), 0);
}

static ssize_t finish(struct asker *a)
{
	assert_int_equal(pthread_join(a->thread, NULL), 0);
	free(a->data);
	return a->result;
}

/* --- who answers --- */

static uint8_t body[SERVE_WIRE_READ_MAX + 100];

static void accept_one(void)
{
	uint8_t greeting[SERVE_WIRE_GREETING_SIZE];

	assert_int_equal(read(connections[0], &fd, sizeof(fd)), sizeof(fd));
	assert_int_equal(recv(fd, greeting, sizeof(greeting), MSG_WAITALL), sizeof(greeting));
}

static void send_all(const void *data, size_t len)
{
	assert_int_equal(send(fd, data, len, MSG_NOSIGNAL), (ssize_t)len);
}

static void greet(uint32_t flags)
{
	uint8_t greeting[SERVE_WIRE_GREETING_SIZE];

	serve_wire_greet(greeting, flags);
	send_all(greeting, sizeof(greeting));
}

static void hear(struct serve_wire *frame)
{
	uint8_t head[SERVE_WIRE_HEADER_SIZE];
	size_t len;

	assert_int_equal(recv(fd, head, sizeof(head), MSG_WAITALL), sizeof(head));
	assert_int_equal(serve_wire_body_len(head, false, &len), 0);
	if (len)
		assert_int_equal(recv(fd, body, len, MSG_WAITALL), (ssize_t)len);
	assert_int_equal(serve_wire_decode(head, body, len, frame), 0);
}

static void say(const struct serve_wire *frame)
{
	struct buffer out = {0};

	serve_wire_encode(frame, &out);
	assert_false(out.failed);
	send_all(out.data, out.len);
	buffer_release(&out);
}

/* Let a request begin, and hear it. */
static void begin_and_hear(struct asker *a, enum serve_wire_kind kind, size_t len, struct serve_wire *request)
{
	begin(a, kind, len);
	accept_one();
	greet(0);
	hear(request);
	assert_int_equal(request->kind, kind);
}

/* --- tests --- */

static void answers_come_in_any_order(void **state)
{
	struct serve_wire first, second;
	struct asker a, b;

	(void)state;
	begin_and_hear(&a, SERVE_WIRE_READ, 10, &first);
	begin(&b, SERVE_WIRE_STAT, 0);
	hear(&second);
	assert_int_equal(second.kind, SERVE_WIRE_STAT);
	say(&(struct serve_wire){.kind = SERVE_WIRE_FOUND, .number = second.number, .st = {.size = 3}});
	assert_int_equal(finish(&b), 0);
	say(&(struct serve_wire){
	    .kind = SERVE_WIRE_DATA, .number = first.number, .data = (const uint8_t *)"abc", .data_len = 3});
	assert_int_equal(finish(&a), 3);
	close(fd);
}

static void a_large_read_is_asked_for_at_once(void **state)
{
	struct serve_wire parts[3];
	struct asker a;

	(void)state;
	begin_and_hear(&a, SERVE_WIRE_READ, 2 * SERVE_WIRE_READ_MAX + 5, &parts[0]);
	hear(&parts[1]);
	hear(&parts[2]);
	assert_int_equal(parts[2].offset, 2 * SERVE_WIRE_READ_MAX);
	assert_int_equal(parts[2].len, 5);
	/* The file ends in the second. */
	say(&(struct serve_wire){.kind = SERVE_WIRE_DATA, .number = parts[2].number});
	say(&(struct serve_wire){.kind = SERVE_WIRE_DATA, .number = parts[1].number, .data = body, .data_len = 7});
	for (size_t at = 0; at < sizeof(body); at++)
		body[at] = (uint8_t)at;
	{
		struct buffer out = {0};

		serve_wire_encode(&(struct serve_wire){.kind = SERVE_WIRE_DATA,
		                                       .number = parts[0].number,
		                                       .data = body,
		                                       .data_len = SERVE_WIRE_READ_MAX},
		                  &out);
		for (size_t at = 0; at < out.len;) {
			ssize_t n = send(fd, out.data + at, out.len - at, MSG_NOSIGNAL);

			assert_true(n > 0);
			at += (size_t)n;
		}
		buffer_release(&out);
	}
	assert_int_equal(finish(&a), SERVE_WIRE_READ_MAX + 7);
	close(fd);
}

static void nothing_heard_is_a_stall(void **state)
{
	struct serve_wire request;
	struct asker a;

	(void)state;
	peer_close(peer);
	open_peer(200, PEER_WORK_MS);
	begin(&a, SERVE_WIRE_STAT, 0);
	accept_one();
	assert_int_equal(finish(&a), -ETIMEDOUT);
	close(fd);
	/* The next connection is a new one, and one that merely idles is no stall. */
	begin_and_hear(&a, SERVE_WIRE_STAT, 0, &request);
	say(&(struct serve_wire){.kind = SERVE_WIRE_FOUND, .number = request.number});
	assert_int_equal(finish(&a), 0);
	io_sleep_ms(io_system(), 500);
	begin(&a, SERVE_WIRE_STAT, 0);
	hear(&request);
	say(&(struct serve_wire){.kind = SERVE_WIRE_FOUND, .number = request.number});
	assert_int_equal(finish(&a), 0);
	close(fd);
}

static void signs_of_life_go_far_but_not_for_ever(void **state)
{
	struct serve_wire request;
	struct asker a;
	unsigned said = 0;

	(void)state;
	peer_close(peer);
	open_peer(500, 1500);
	begin_and_hear(&a, SERVE_WIRE_STAT, 0, &request);
	for (;;) {
		struct buffer out = {0};
		ssize_t n;

		serve_wire_encode(&(struct serve_wire){.kind = SERVE_WIRE_ALIVE}, &out);
		n = send(fd, out.data, out.len, MSG_NOSIGNAL);
		buffer_release(&out);
		if (n < 0)
			break;
		said++;
		io_sleep_ms(io_system(), 50);
	}
	assert_int_equal(finish(&a), -ETIMEDOUT);
	assert_true(said > 15);
	close(fd);
}

static void what_is_no_greeting_is_named(void **state)
{
	static const char motd[] = "Welcome to lab!\nrevfsSRV";
	char why[PEER_WHY_SIZE];
	struct asker a;

	(void)state;
	begin(&a, SERVE_WIRE_STAT, 0);
	accept_one();
	send_all(motd, sizeof(motd) - 1);
	assert_int_equal(finish(&a), -EPROTO);
	peer_why(peer, why);
	assert_string_equal(why, "not greeted, said 'Welcome to lab!'");
	close(fd);
}

/* ANSWER, with the request's number, to a request of KIND. */
static void assert_refused(enum serve_wire_kind kind, size_t len, struct serve_wire *answer)
{
	struct serve_wire request;
	struct asker a;

	begin_and_hear(&a, kind, len, &request);
	answer->number = request.number;
	say(answer);
	assert_int_equal(finish(&a), -EPROTO);
	close(fd);
	/* Not every one ends the connection. */
	peer_close(peer);
	open_peer(PEER_STALL_MS, PEER_WORK_MS);
}

static void answers_that_make_no_sense_end_it(void **state)
{
	(void)state;
	/* More than was asked for. */
	assert_refused(SERVE_WIRE_READ, 10,
	               &(struct serve_wire){.kind = SERVE_WIRE_DATA, .data = body, .data_len = 11});
	/* Another kind's. */
	assert_refused(SERVE_WIRE_READ, 10, &(struct serve_wire){.kind = SERVE_WIRE_FOUND});
	assert_refused(SERVE_WIRE_STAT, 0, &(struct serve_wire){.kind = SERVE_WIRE_DATA});
	assert_refused(SERVE_WIRE_STAT, 0, &(struct serve_wire){.kind = SERVE_WIRE_MORE, .len = 5});
	assert_refused(SERVE_WIRE_STAT, 0, &(struct serve_wire){.kind = SERVE_WIRE_DONE});
	assert_refused(SERVE_WIRE_PUT, 10, &(struct serve_wire){.kind = SERVE_WIRE_DATA});
	/* It has what it was not sent. */
	assert_refused(SERVE_WIRE_PUT, 1 << 20, &(struct serve_wire){.kind = SERVE_WIRE_DONE});
	/* What is not a list. */
	assert_refused(SERVE_WIRE_LIST, 0,
	               &(struct serve_wire){.kind = SERVE_WIRE_ENTRIES, .data = body, .data_len = 100});
}

static void lists_name_files_of_the_folder_alone(void **state)
{
	static const char *const paths[] = {"../x", "/etc/passwd", "roots/ab/x", "packs", "packs/../x", "packsx/y"};

	(void)state;
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		struct buffer entries = {0};

		serve_wire_put_entry(&entries, paths[i], &(struct remote_stat){0});
		assert_refused(
		    SERVE_WIRE_LIST, 0,
		    &(struct serve_wire){.kind = SERVE_WIRE_ENTRIES, .data = entries.data, .data_len = entries.len});
		buffer_release(&entries);
	}
}

static void frames_that_are_none_end_it(void **state)
{
	static const uint32_t heads[][3] = {
	    {SERVE_WIRE_READ_MAX + 1, SERVE_WIRE_DATA, 1},
	    {UINT32_MAX, SERVE_WIRE_ENTRIES, 1},
	    {0, 99, 1},
	    {4, SERVE_WIRE_DONE, 99},
	    {0, SERVE_WIRE_CANCEL, 1},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++) {
		uint8_t bytes[SERVE_WIRE_HEADER_SIZE + 4] = {0};
		struct serve_wire request;
		struct asker a;

		begin_and_hear(&a, SERVE_WIRE_STAT, 0, &request);
		for (size_t j = 0; j < 3; j++)
			wire_put32(bytes + 4 * j, heads[i][j]);
		send_all(bytes, sizeof(bytes));
		assert_int_equal(finish(&a), -EPROTO);
		close(fd);
	}
}

static void a_connection_that_breaks_may_be_made_again(void **state)
{
	struct serve_wire request;
	struct asker a;

	(void)state;
	/* Before the greeting, in a frame, and between frames. */
	begin(&a, SERVE_WIRE_STAT, 0);
	accept_one();
	close(fd);
	assert_int_equal(finish(&a), -ECONNRESET);
	begin_and_hear(&a, SERVE_WIRE_STAT, 0, &request);
	send_all("\5", 1);
	close(fd);
	assert_int_equal(finish(&a), -ECONNRESET);
	begin_and_hear(&a, SERVE_WIRE_STAT, 0, &request);
	close(fd);
	assert_int_equal(finish(&a), -ECONNRESET);
	begin_and_hear(&a, SERVE_WIRE_STAT, 0, &request);
	say(&(struct serve_wire){.kind = SERVE_WIRE_FOUND, .number = request.number});
	assert_int_equal(finish(&a), 0);
	close(fd);
}

static void who_gives_up_gets_no_answer(void **state)
{
	struct serve_wire request, next;
	struct asker a, b;

	(void)state;
	begin_and_hear(&a, SERVE_WIRE_READ, 10, &request);
	atomic_store(&a.stop, true);
	assert_int_equal(finish(&a), -EINTR);
	hear(&next);
	assert_int_equal(next.kind, SERVE_WIRE_CANCEL);
	assert_int_equal(next.number, request.number);
	/* The answer comes all the same, and goes nowhere; the connection stays. */
	begin(&b, SERVE_WIRE_STAT, 0);
	hear(&next);
	say(&(struct serve_wire){.kind = SERVE_WIRE_DATA, .number = request.number, .data = body, .data_len = 10});
	say(&(struct serve_wire){.kind = SERVE_WIRE_FOUND, .number = next.number});
	assert_int_equal(finish(&b), 0);
	/* One in the midst of a put. */
	begin(&a, SERVE_WIRE_PUT, 1 << 20);
	hear(&request);
	say(&(struct serve_wire){.kind = SERVE_WIRE_MORE, .number = request.number, .len = 1000});
	hear(&next);
	assert_int_equal(next.kind, SERVE_WIRE_PIECE);
	assert_int_equal(next.data_len, 1000);
	atomic_store(&a.stop, true);
	assert_int_equal(finish(&a), -EINTR);
	hear(&next);
	assert_int_equal(next.kind, SERVE_WIRE_CANCEL);
	/* And before there is a greeting. */
	close(fd);
	peer_close(peer);
	open_peer(PEER_STALL_MS, PEER_WORK_MS);
	begin(&a, SERVE_WIRE_STAT, 0);
	accept_one();
	atomic_store(&a.stop, true);
	assert_int_equal(finish(&a), -EINTR);
	close(fd);
}

static void no_more_is_asked_than_is_allowed(void **state)
{
	static struct asker askers[SERVE_WIRE_IN_FLIGHT + 8];
	const size_t count = sizeof(askers) / sizeof(askers[0]);
	struct serve_wire requests[SERVE_WIRE_IN_FLIGHT], next;
	char byte;

	(void)state;
	for (size_t i = 0; i < count; i++)
		begin(&askers[i], SERVE_WIRE_STAT, 0);
	accept_one();
	greet(0);
	for (size_t i = 0; i < SERVE_WIRE_IN_FLIGHT; i++)
		hear(&requests[i]);
	assert_true(recv(fd, &byte, 1, MSG_DONTWAIT) < 0 && errno == EAGAIN);
	for (size_t i = 0; i < SERVE_WIRE_IN_FLIGHT; i++)
		say(&(struct serve_wire){.kind = SERVE_WIRE_FOUND, .number = requests[i].number});
	for (size_t i = SERVE_WIRE_IN_FLIGHT; i < count; i++) {
		hear(&next);
		say(&(struct serve_wire){.kind = SERVE_WIRE_DONE, .number = next.number, .error = -ENOENT});
	}
	for (size_t i = 0; i < count; i++) {
		ssize_t result = finish(&askers[i]);

		assert_true(result == 0 || result == -ENOENT);
	}
	close(fd);
}

static void one_that_takes_no_changes_is_known(void **state)
{
	struct serve_wire request;
	char why[PEER_WHY_SIZE];
	struct asker a;

	(void)state;
	begin(&a, SERVE_WIRE_PUT, 10);
	accept_one();
	greet(SERVE_WIRE_READ_ONLY);
	hear(&request);
	say(&(struct serve_wire){.kind = SERVE_WIRE_DONE, .number = request.number, .error = -EROFS});
	assert_int_equal(finish(&a), -EROFS);
	peer_why(peer, why);
	assert_string_equal(why, "it is served for reading only");
	close(fd);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(answers_come_in_any_order),
	    TEST(a_large_read_is_asked_for_at_once),
	    TEST(nothing_heard_is_a_stall),
	    TEST(signs_of_life_go_far_but_not_for_ever),
	    TEST(what_is_no_greeting_is_named),
	    TEST(answers_that_make_no_sense_end_it),
	    TEST(lists_name_files_of_the_folder_alone),
	    TEST(frames_that_are_none_end_it),
	    TEST(a_connection_that_breaks_may_be_made_again),
	    TEST(who_gives_up_gets_no_answer),
	    TEST(no_more_is_asked_than_is_allowed),
	    TEST(one_that_takes_no_changes_is_known),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
