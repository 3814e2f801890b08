/* What is asked of a peer, which here means no good. */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
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

static uint8_t bytes[SERVE_WIRE_READ_MAX];

/* ANSWER, with the request's number, to a request of KIND. */
static void assert_refused(enum serve_wire_kind kind, size_t len, struct serve_wire *answer)
{
	struct serve_wire request;
	struct played_asker a;

	played_begin_and_hear(&a, kind, len, &request);
	answer->number = request.number;
	frames_say(played.fd, answer);
	assert_int_equal(played_finish(&a), -EPROTO);
	close(played.fd);
	/* Not every one ends the connection. */
	played_close();
	played_open(PEER_STALL_MS, PEER_WORK_MS);
}

static void answers_come_in_any_order(void **state)
{
	struct serve_wire first, second;
	struct played_asker a, b;

	(void)state;
	played_begin_and_hear(&a, SERVE_WIRE_READ, 10, &first);
	played_begin(&b, SERVE_WIRE_STAT, 0);
	frames_hear(played.fd, false, &second);
	assert_int_equal(second.kind, SERVE_WIRE_STAT);
	frames_say(played.fd,
	           &(struct serve_wire){.kind = SERVE_WIRE_FOUND, .number = second.number, .st = {.size = 3}});
	assert_int_equal(played_finish(&b), 0);
	frames_say(played.fd,
	           &(struct serve_wire){
		       .kind = SERVE_WIRE_DATA, .number = first.number, .data = (const uint8_t *)"abc", .data_len = 3});
	assert_int_equal(played_finish(&a), 3);
	close(played.fd);
}

static void a_large_read_is_asked_for_at_once(void **state)
{
	struct serve_wire parts[3];
	struct played_asker a;

	(void)state;
	played_begin_and_hear(&a, SERVE_WIRE_READ, 2 * SERVE_WIRE_READ_MAX + 5, &parts[0]);
	frames_hear(played.fd, false, &parts[1]);
	frames_hear(played.fd, false, &parts[2]);
	assert_int_equal(parts[2].offset, 2 * SERVE_WIRE_READ_MAX);
	assert_int_equal(parts[2].len, 5);
	/* The file ends in the second. */
	frames_say(played.fd, &(struct serve_wire){.kind = SERVE_WIRE_DATA, .number = parts[2].number});
	frames_say(played.fd, &(struct serve_wire){
				  .kind = SERVE_WIRE_DATA, .number = parts[1].number, .data = bytes, .data_len = 7});
	frames_say(played.fd, &(struct serve_wire){.kind = SERVE_WIRE_DATA,
	                                           .number = parts[0].number,
	                                           .data = bytes,
	                                           .data_len = SERVE_WIRE_READ_MAX});
	assert_int_equal(played_finish(&a), SERVE_WIRE_READ_MAX + 7);
	close(played.fd);
}

static void answers_that_make_no_sense_end_it(void **state)
{
	(void)state;
	/* More than was asked for. */
	assert_refused(SERVE_WIRE_READ, 10,
	               &(struct serve_wire){.kind = SERVE_WIRE_DATA, .data = bytes, .data_len = 11});
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
	               &(struct serve_wire){.kind = SERVE_WIRE_ENTRIES, .data = bytes, .data_len = 100});
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

static void who_gives_up_gets_no_answer(void **state)
{
	struct serve_wire request, next;
	struct played_asker a, b;

	(void)state;
	played_begin_and_hear(&a, SERVE_WIRE_READ, 10, &request);
	atomic_store(&a.stop, true);
	assert_int_equal(played_finish(&a), -EINTR);
	frames_hear(played.fd, false, &next);
	assert_int_equal(next.kind, SERVE_WIRE_CANCEL);
	assert_int_equal(next.number, request.number);
	/* The answer comes all the same, and goes nowhere; the connection stays. */
	played_begin(&b, SERVE_WIRE_STAT, 0);
	frames_hear(played.fd, false, &next);
	frames_say(played.fd, &(struct serve_wire){
				  .kind = SERVE_WIRE_DATA, .number = request.number, .data = bytes, .data_len = 10});
	frames_say(played.fd, &(struct serve_wire){.kind = SERVE_WIRE_FOUND, .number = next.number});
	assert_int_equal(played_finish(&b), 0);
	/* One in the midst of a put. */
	played_begin(&a, SERVE_WIRE_PUT, 1 << 20);
	frames_hear(played.fd, false, &request);
	frames_say(played.fd, &(struct serve_wire){.kind = SERVE_WIRE_MORE, .number = request.number, .len = 1000});
	frames_hear(played.fd, false, &next);
	assert_int_equal(next.kind, SERVE_WIRE_PIECE);
	assert_int_equal(next.data_len, 1000);
	atomic_store(&a.stop, true);
	assert_int_equal(played_finish(&a), -EINTR);
	frames_hear(played.fd, false, &next);
	assert_int_equal(next.kind, SERVE_WIRE_CANCEL);
	/* And before there is a greeting. */
	close(played.fd);
	played_close();
	played_open(PEER_STALL_MS, PEER_WORK_MS);
	played_begin(&a, SERVE_WIRE_STAT, 0);
	played_accept();
	atomic_store(&a.stop, true);
	assert_int_equal(played_finish(&a), -EINTR);
	close(played.fd);
}

static void no_more_is_asked_than_is_allowed(void **state)
{
	static struct played_asker askers[SERVE_WIRE_IN_FLIGHT + 8];
	const size_t count = sizeof(askers) / sizeof(askers[0]);
	struct serve_wire requests[SERVE_WIRE_IN_FLIGHT], next;
	char byte;

	(void)state;
	for (size_t i = 0; i < count; i++)
		played_begin(&askers[i], SERVE_WIRE_STAT, 0);
	played_accept();
	frames_greet(played.fd, 0);
	for (size_t i = 0; i < SERVE_WIRE_IN_FLIGHT; i++)
		frames_hear(played.fd, false, &requests[i]);
	assert_true(recv(played.fd, &byte, 1, MSG_DONTWAIT) < 0 && errno == EAGAIN);
	for (size_t i = 0; i < SERVE_WIRE_IN_FLIGHT; i++)
		frames_say(played.fd, &(struct serve_wire){.kind = SERVE_WIRE_FOUND, .number = requests[i].number});
	for (size_t i = SERVE_WIRE_IN_FLIGHT; i < count; i++) {
		frames_hear(played.fd, false, &next);
		frames_say(played.fd,
		           &(struct serve_wire){.kind = SERVE_WIRE_DONE, .number = next.number, .error = -ENOENT});
	}
	for (size_t i = 0; i < count; i++) {
		ssize_t result = played_finish(&askers[i]);

		assert_true(result == 0 || result == -ENOENT);
	}
	close(played.fd);
}

static void no_file_is_taken_into_memory_whole(void **state)
{
	const size_t len = (size_t)64 << 20;
	const uint64_t deadline = io_monotonic_ns(io_system()) + UINT64_C(20000000000);
	int file = memfd_create("large", MFD_CLOEXEC);
	struct serve_wire request;
	struct played_asker a;
	uint64_t before = 0, now;

	(void)state;
	assert_int_equal(ftruncate(file, (off_t)len), 0);
	played_begin_put(&a, file, len);
	played_accept();
	frames_greet(played.fd, 0);
	frames_hear(played.fd, false, &request);
	/* It would take all at once, and takes nothing. */
	frames_say(played.fd,
	           &(struct serve_wire){.kind = SERVE_WIRE_MORE, .number = request.number, .len = UINT32_MAX});
	/* Until no more is read. */
	while ((now = atomic_load(&played.disk.calls[FAULT_READ])) < 20 || now != before) {
		assert_true(io_monotonic_ns(io_system()) < deadline);
		before = now;
		io_sleep_ms(io_system(), 100);
	}
	assert_true(now < len / SERVE_WIRE_PIECE_MAX / 2);
	atomic_store(&a.stop, true);
	assert_int_equal(played_finish(&a), -EINTR);
	close(file);
	close(played.fd);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(answers_come_in_any_order),          TEST(a_large_read_is_asked_for_at_once),
	    TEST(answers_that_make_no_sense_end_it),  TEST(lists_name_files_of_the_folder_alone),
	    TEST(who_gives_up_gets_no_answer),        TEST(no_more_is_asked_than_is_allowed),
	    TEST(no_file_is_taken_into_memory_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
