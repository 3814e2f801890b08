/* The connection to a peer: how it is made, breaks, and comes to an end. */
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

#include "tests/support/frames.h"
#include "tests/support/played_peer.h"

static int set_up(void **state)
{
	(void)state;
	played_begin_test();
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	played_end_test();
	return 0;
}

static void nothing_heard_is_a_stall(void **state)
{
	struct serve_wire request;
	struct played_asker a;

	(void)state;
	played_close();
	played_open(200, PEER_WORK_MS);
	played_begin(&a, SERVE_WIRE_STAT, 0);
	played_accept();
	assert_int_equal(played_finish(&a), -ETIMEDOUT);
	close(played.fd);
	/* The next connection is a new one, and one that merely idles is no stall. */
	played_begin_and_hear(&a, SERVE_WIRE_STAT, 0, &request);
	frames_say(played.fd, &(struct serve_wire){.kind = SERVE_WIRE_FOUND, .number = request.number});
	assert_int_equal(played_finish(&a), 0);
	io_sleep_ms(io_system(), 500);
	played_begin(&a, SERVE_WIRE_STAT, 0);
	frames_hear(played.fd, false, &request);
	frames_say(played.fd, &(struct serve_wire){.kind = SERVE_WIRE_FOUND, .number = request.number});
	assert_int_equal(played_finish(&a), 0);
	close(played.fd);
}

static void signs_of_life_go_far_but_not_for_ever(void **state)
{
	struct serve_wire request;
	struct played_asker a;
	unsigned said = 0;

	(void)state;
	played_close();
	played_open(500, 1500);
	played_begin_and_hear(&a, SERVE_WIRE_STAT, 0, &request);
	for (;;) {
		struct buffer out = {0};
		ssize_t n;

		serve_wire_encode(&(struct serve_wire){.kind = SERVE_WIRE_ALIVE}, &out);
		n = send(played.fd, out.data, out.len, MSG_NOSIGNAL);
		buffer_release(&out);
		if (n < 0)
			break;
		said++;
		io_sleep_ms(io_system(), 50);
	}
	assert_int_equal(played_finish(&a), -ETIMEDOUT);
	assert_true(said > 15);
	close(played.fd);
}

static void what_is_no_greeting_is_named(void **state)
{
	static const char motd[] = "Welcome to lab!\nrevfsSRV";
	char why[PEER_WHY_SIZE];
	struct played_asker a;

	(void)state;
	played_begin(&a, SERVE_WIRE_STAT, 0);
	played_accept();
	frames_send(played.fd, motd, sizeof(motd) - 1);
	assert_int_equal(played_finish(&a), -EPROTO);
	peer_why(played.peer, why);
	assert_string_equal(why, "not greeted, said 'Welcome to lab!'");
	close(played.fd);
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
		struct played_asker a;

		played_begin_and_hear(&a, SERVE_WIRE_STAT, 0, &request);
		for (size_t j = 0; j < 3; j++)
			wire_put32(bytes + 4 * j, heads[i][j]);
		frames_send(played.fd, bytes, sizeof(bytes));
		assert_int_equal(played_finish(&a), -EPROTO);
		close(played.fd);
	}
}

static void a_connection_that_breaks_may_be_made_again(void **state)
{
	struct serve_wire request;
	struct played_asker a;

	(void)state;
	/* Before the greeting, in a frame, and between frames. */
	played_begin(&a, SERVE_WIRE_STAT, 0);
	played_accept();
	close(played.fd);
	assert_int_equal(played_finish(&a), -ECONNRESET);
	played_begin_and_hear(&a, SERVE_WIRE_STAT, 0, &request);
	frames_send(played.fd, "\5", 1);
	close(played.fd);
	assert_int_equal(played_finish(&a), -ECONNRESET);
	played_begin_and_hear(&a, SERVE_WIRE_STAT, 0, &request);
	close(played.fd);
	assert_int_equal(played_finish(&a), -ECONNRESET);
	played_begin_and_hear(&a, SERVE_WIRE_STAT, 0, &request);
	frames_say(played.fd, &(struct serve_wire){.kind = SERVE_WIRE_FOUND, .number = request.number});
	assert_int_equal(played_finish(&a), 0);
	close(played.fd);
}

static void one_that_takes_no_changes_is_known(void **state)
{
	struct serve_wire request;
	char why[PEER_WHY_SIZE];
	struct played_asker a;

	(void)state;
	played_begin(&a, SERVE_WIRE_PUT, 10);
	played_accept();
	frames_greet(played.fd, SERVE_WIRE_READ_ONLY);
	frames_hear(played.fd, false, &request);
	frames_say(played.fd, &(struct serve_wire){.kind = SERVE_WIRE_DONE, .number = request.number, .error = -EROFS});
	assert_int_equal(played_finish(&a), -EROFS);
	peer_why(played.peer, why);
	assert_string_equal(why, "it is served for reading only");
	close(played.fd);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(nothing_heard_is_a_stall),
	    TEST(signs_of_life_go_far_but_not_for_ever),
	    TEST(what_is_no_greeting_is_named),
	    TEST(frames_that_are_none_end_it),
	    TEST(a_connection_that_breaks_may_be_made_again),
	    TEST(one_that_takes_no_changes_is_known),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
