/* Fetching aside: tickets, what is brought once for many, passing failures, who lets go. */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cache/aside.h"
#include "cache/interrupt.h"

/* What bringing does, set by the test before it asks. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static unsigned brought, inside, most_inside;
static bool closed; /* bringing waits until this is false */
static int answer;
static unsigned passing; /* so many tries fail in passing first */
static bool silent;      /* and do not say how */

static struct aside *aside;

static int bring(void *arg, const struct wanted *wanted, struct record *record, int *failure, uint64_t *until_ns)
{
	int error;

	assert_ptr_equal(arg, &lock);
	pthread_mutex_lock(&lock);
	brought++;
	inside++;
	if (inside > most_inside)
		most_inside = inside;
	error = 0;
	while (closed && !error)
		error = interrupt_wait(&changed, &lock);
	inside--;
	if (!error && passing) {
		passing--;
		*failure = silent ? 0 : -ECONNRESET;
		*until_ns = io_monotonic_ns(io_system()) + 2000000;
		error = -EAGAIN;
	}
	if (!error)
		error = answer;
	pthread_mutex_unlock(&lock);
	if (error)
		return error;
	*record = (struct record){.data = malloc(sizeof(wanted->id)), .len = sizeof(wanted->id)};
	memcpy(record->data, &wanted->id, sizeof(wanted->id));
	return 0;
}

static void set_closed(bool is)
{
	pthread_mutex_lock(&lock);
	closed = is;
	pthread_cond_broadcast(&changed);
	pthread_mutex_unlock(&lock);
}

/* A request, as far as tickets go. */
struct request {
	struct ticket ticket;
	unsigned ready; /* guarded by LOCK */
};

static void on_ready(struct ticket *ticket)
{
	struct request *request = (struct request *)ticket;

	pthread_mutex_lock(&lock);
	request->ready++;
	pthread_cond_broadcast(&changed);
	pthread_mutex_unlock(&lock);
}

static struct wanted number(unsigned n)
{
	struct wanted wanted = {.kind = RECORD_CHUNK, .at = {.offset = n + 1}};

	memcpy(wanted.id.bytes, &n, sizeof(n));
	return wanted;
}

/* Ask for record N; what comes must be it. */
static int ask(struct request *request, unsigned n)
{
	const struct wanted wanted = number(n);
	struct record record;
	int error;

	/* Others read it once it is asked with. */
	if (!request->ticket.ready)
		request->ticket.ready = on_ready;
	ticket_hold(&request->ticket);
	assert_ptr_equal(ticket_held(), &request->ticket);
	error = aside_read(aside, &wanted, &record);
	ticket_hold(NULL);
	if (!error) {
		assert_int_equal(record.len, sizeof(wanted.id));
		assert_memory_equal(record.data, &wanted.id, sizeof(wanted.id));
		free(record.data);
	}
	return error;
}

static void wait_ready(struct request *request, unsigned count)
{
	pthread_mutex_lock(&lock);
	while (request->ready < count)
		pthread_cond_wait(&changed, &lock);
	pthread_mutex_unlock(&lock);
}

static void wait_inside(unsigned count)
{
	pthread_mutex_lock(&lock);
	while (inside < count) {
		pthread_mutex_unlock(&lock);
		io_sleep_ms(io_system(), 1);
		pthread_mutex_lock(&lock);
	}
	pthread_mutex_unlock(&lock);
}

static void wait_brought(unsigned count)
{
	bool enough;

	do {
		io_sleep_ms(io_system(), 1);
		pthread_mutex_lock(&lock);
		enough = brought >= count;
		pthread_mutex_unlock(&lock);
	} while (!enough);
}

/* The same for what may take for ever: whether to give up is found out without the lock. */
static int bring_or_stop(void *arg, const struct wanted *wanted, struct record *record, int *failure,
                         uint64_t *until_ns)
{
	bool waits;

	(void)arg;
	(void)wanted;
	(void)failure;
	(void)until_ns;
	pthread_mutex_lock(&lock);
	brought++;
	inside++;
	pthread_mutex_unlock(&lock);
	do {
		io_sleep_ms(io_system(), 1);
		pthread_mutex_lock(&lock);
		waits = closed;
		pthread_mutex_unlock(&lock);
	} while (waits && !interrupt_pending());
	pthread_mutex_lock(&lock);
	inside--;
	pthread_mutex_unlock(&lock);
	*record = (struct record){0};
	return waits ? -EINTR : 0;
}

static void open_stopping(uint64_t wait_ms, unsigned threads_max)
{
	const struct aside_setup setup = {
	    .io = io_system(), .wait_ms = wait_ms, .threads_max = threads_max, .stops = true, .bring = bring_or_stop};

	aside_close(aside);
	assert_int_equal(aside_open(&setup, &aside), 0);
}

static void open_aside(uint64_t wait_ms)
{
	const struct aside_setup setup = {.io = io_system(), .wait_ms = wait_ms, .bring = bring, .arg = &lock};

	aside_close(aside);
	assert_int_equal(aside_open(&setup, &aside), 0);
}

static int set_up(void **state)
{
	(void)state;
	brought = inside = most_inside = passing = 0;
	closed = silent = false;
	answer = 0;
	open_aside(UINT64_MAX);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	aside_close(aside);
	aside = NULL;
	return 0;
}

static void brought_once_for_many(void **state)
{
	struct request requests[5] = {0}, late = {0};

	(void)state;
	set_closed(true);
	for (unsigned i = 0; i < 5; i++)
		assert_int_equal(ask(&requests[i], 7), -EINPROGRESS);
	assert_int_equal(ask(&requests[0], 7), -EINPROGRESS); /* asked too early */
	assert_int_equal(aside_pending(aside), 1);
	set_closed(false);
	for (unsigned i = 0; i < 5; i++)
		wait_ready(&requests[i], 1);
	for (unsigned i = 0; i < 5; i++) {
		assert_int_equal(ask(&requests[i], 7), 0);
		assert_int_equal(ask(&requests[i], 7), 0); /* kept until it is let go of */
	}
	/* Who comes while it is held gets it at once. */
	assert_int_equal(ask(&late, 7), 0);
	for (unsigned i = 0; i < 5; i++) {
		ticket_release(&requests[i].ticket);
		assert_int_equal(requests[i].ready, 1);
	}
	ticket_release(&late.ticket);
	assert_int_equal(brought, 1);
	assert_int_equal(aside_pending(aside), 0);
	/* Then it is brought anew. */
	assert_int_equal(ask(&late, 7), -EINPROGRESS);
	wait_ready(&late, 1);
	assert_int_equal(ask(&late, 7), 0);
	ticket_release(&late.ticket);
	assert_int_equal(brought, 2);
}

static void several_for_one(void **state)
{
	struct request request = {0};

	(void)state;
	for (unsigned i = 0; i < 200; i++) {
		assert_int_equal(ask(&request, i), -EINPROGRESS);
		wait_ready(&request, i + 1);
	}
	for (unsigned i = 0; i < 200; i++)
		assert_int_equal(ask(&request, i), 0);
	ticket_release(&request.ticket);
	assert_int_equal(brought, 200);
}

/* A root and a record of one id, and records at two places, are different errands. */
static void what_is_wanted_tells_errands_apart(void **state)
{
	struct request request = {.ticket.ready = on_ready};
	struct wanted wanted[3] = {number(3), number(3), number(3)};
	struct record record;

	(void)state;
	wanted[1].is_root = true;
	wanted[2].at.offset = 99;
	ticket_hold(&request.ticket);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(aside_read(aside, &wanted[i], &record), -EINPROGRESS);
	ticket_hold(NULL);
	wait_ready(&request, 3);
	assert_int_equal(brought, 3);
	ticket_release(&request.ticket);
}

static void failures_go_to_those_who_wait(void **state)
{
	struct request first = {0}, second = {0};

	(void)state;
	answer = -EBADMSG;
	assert_int_equal(ask(&first, 1), -EINPROGRESS);
	wait_ready(&first, 1);
	assert_int_equal(ask(&first, 1), -EBADMSG);
	answer = 0;
	/* A new request asks anew, while the first still has its answer. */
	assert_int_equal(ask(&second, 1), -EINPROGRESS);
	wait_ready(&second, 1);
	assert_int_equal(ask(&second, 1), 0);
	assert_int_equal(ask(&first, 1), -EBADMSG);
	ticket_release(&first.ticket);
	ticket_release(&second.ticket);
}

static void passing_failures_are_tried_again(void **state)
{
	struct request request = {0};

	(void)state;
	passing = 3;
	assert_int_equal(ask(&request, 1), -EINPROGRESS);
	wait_ready(&request, 1);
	assert_int_equal(ask(&request, 1), 0);
	assert_int_equal(brought, 4);
	ticket_release(&request.ticket);
}

static void a_wait_has_an_end(void **state)
{
	struct request request = {0};
	const uint64_t began = io_monotonic_ns(io_system());

	(void)state;
	open_aside(30);
	passing = 1000000;
	assert_int_equal(ask(&request, 1), -EINPROGRESS);
	wait_ready(&request, 1);
	assert_int_equal(ask(&request, 1), -ECONNRESET);
	assert_true(io_monotonic_ns(io_system()) - began >= 30000000);
	ticket_release(&request.ticket);
	assert_int_equal(aside_pending(aside), 0);
}

/* What a try that failed does not say is no success. */
static void a_failure_without_a_number_is_one(void **state)
{
	struct request request = {0};

	(void)state;
	open_aside(30);
	passing = 1000000;
	silent = true;
	assert_int_equal(ask(&request, 1), -EINPROGRESS);
	wait_ready(&request, 1);
	assert_int_equal(ask(&request, 1), -ETIMEDOUT);
	ticket_release(&request.ticket);
}

/* Whoever joins those who wait already is not given up with them. */
static void each_waits_for_itself(void **state)
{
	struct request first = {0}, second = {0};

	(void)state;
	open_aside(1000);
	passing = 1000000;
	assert_int_equal(ask(&first, 1), -EINPROGRESS);
	io_sleep_ms(io_system(), 500);
	assert_int_equal(ask(&second, 1), -EINPROGRESS);
	wait_ready(&first, 1);
	assert_int_equal(ask(&first, 1), -ECONNRESET);
	assert_int_equal(ask(&second, 1), -EINPROGRESS);
	pthread_mutex_lock(&lock);
	passing = 0;
	pthread_mutex_unlock(&lock);
	wait_ready(&second, 1);
	assert_int_equal(ask(&second, 1), 0);
	assert_int_equal(ask(&first, 1), -ECONNRESET);
	assert_int_equal(first.ready, 1);
	ticket_release(&first.ticket);
	ticket_release(&second.ticket);
	assert_int_equal(aside_pending(aside), 0);
}

/* Ask for N again and again until the answer is there. */
static int answer_of(struct request *request, const struct wanted *wanted)
{
	struct record record;
	int error;

	/* Others read it once it is asked with. */
	if (!request->ticket.ready)
		request->ticket.ready = on_ready;
	do {
		io_sleep_ms(io_system(), 1);
		ticket_hold(&request->ticket);
		error = aside_read(aside, wanted, &record);
		ticket_hold(NULL);
	} while (error == -EINPROGRESS);
	if (!error)
		free(record.data);
	return error;
}

static void what_nobody_waits_for_is_stopped(void **state)
{
	struct request gone = {0}, stays = {0};
	const struct wanted wanted = number(1);

	(void)state;
	open_stopping(UINT64_MAX, 1);
	set_closed(true);
	assert_int_equal(ask(&gone, 1), -EINPROGRESS);
	assert_int_equal(ask(&stays, 1), -EINPROGRESS);
	wait_inside(1);
	/* The one who asked first takes nobody along. */
	ticket_release(&gone.ticket);
	io_sleep_ms(io_system(), 20);
	assert_int_equal(ask(&stays, 1), -EINPROGRESS);
	set_closed(false);
	assert_int_equal(answer_of(&stays, &wanted), 0);
	assert_int_equal(brought, 1);
	ticket_release(&stays.ticket);
	set_closed(true);
	assert_int_equal(ask(&gone, 2), -EINPROGRESS);
	wait_inside(1);
	ticket_release(&gone.ticket);
	while (aside_pending(aside))
		io_sleep_ms(io_system(), 1);
	assert_int_equal(inside, 0);
	assert_int_equal(gone.ready, 0);
}

/* What a thread is at, and what waits for a thread, too. */
static void a_wait_for_what_never_ends_has_an_end(void **state)
{
	struct request first = {0}, queued = {0};
	const struct wanted one = number(1), two = number(2);

	(void)state;
	open_stopping(50, 1);
	set_closed(true);
	assert_int_equal(ask(&first, 1), -EINPROGRESS);
	wait_inside(1);
	assert_int_equal(ask(&queued, 2), -EINPROGRESS);
	assert_int_equal(answer_of(&first, &one), -ETIMEDOUT);
	assert_int_equal(answer_of(&queued, &two), -ETIMEDOUT);
	ticket_release(&first.ticket);
	ticket_release(&queued.ticket);
	while (aside_pending(aside))
		io_sleep_ms(io_system(), 1);
}

/* One try fails in passing, the next takes for ever. */
static int bring_once_or_stop(void *arg, const struct wanted *wanted, struct record *record, int *failure,
                              uint64_t *until_ns)
{
	bool fails;

	pthread_mutex_lock(&lock);
	fails = passing;
	passing -= fails;
	pthread_mutex_unlock(&lock);
	if (!fails)
		return bring_or_stop(arg, wanted, record, failure, until_ns);
	*failure = -ECONNRESET;
	*until_ns = UINT64_MAX;
	return -EAGAIN;
}

/* Who waits for what rests is told in time, though the only thread is at something else for longer. */
static void a_wait_for_what_rests_has_an_end(void **state)
{
	const struct aside_setup setup = {
	    .io = io_system(), .wait_ms = 300, .threads_max = 1, .stops = true, .bring = bring_once_or_stop};
	struct request rests = {0}, runs = {0};
	const struct wanted one = number(1);
	const uint64_t began = io_monotonic_ns(io_system());

	(void)state;
	aside_close(aside);
	assert_int_equal(aside_open(&setup, &aside), 0);
	set_closed(true);
	passing = 1;
	assert_int_equal(ask(&rests, 1), -EINPROGRESS);
	while (io_monotonic_ns(io_system()) - began < 200000000)
		io_sleep_ms(io_system(), 10);
	assert_int_equal(ask(&runs, 2), -EINPROGRESS);
	assert_int_equal(answer_of(&rests, &one), -ECONNRESET);
	/* The other is still being waited for, unless this machine stood still. */
	if (io_monotonic_ns(io_system()) - began < 450000000)
		assert_int_equal(ask(&runs, 2), -EINPROGRESS);
	ticket_release(&rests.ticket);
	ticket_release(&runs.ticket);
	while (aside_pending(aside))
		io_sleep_ms(io_system(), 1);
}

/* A ticket may have to do with several. */
static void a_ticket_is_let_go_of_everywhere(void **state)
{
	struct request request = {0};
	struct aside *other;

	(void)state;
	assert_int_equal(ask(&request, 1), -EINPROGRESS);
	wait_ready(&request, 1);
	other = aside;
	aside = NULL;
	open_aside(UINT64_MAX);
	/* What one has brought the other has not. */
	assert_int_equal(ask(&request, 1), -EINPROGRESS);
	wait_ready(&request, 2);
	assert_int_equal(ask(&request, 1), 0);
	ticket_release(&request.ticket);
	assert_int_equal(brought, 2);
	aside_close(other);
}

static void who_lets_go_is_told_nothing(void **state)
{
	struct request gone = {0}, stays = {0};

	(void)state;
	set_closed(true);
	assert_int_equal(ask(&gone, 1), -EINPROGRESS);
	assert_int_equal(ask(&stays, 1), -EINPROGRESS);
	wait_inside(1);
	ticket_release(&gone.ticket);
	set_closed(false);
	wait_ready(&stays, 1);
	assert_int_equal(ask(&stays, 1), 0);
	assert_int_equal(gone.ready, 0);
	ticket_release(&stays.ticket);
	/* Nobody is left: what rests is dropped, what runs is freed when it ends. */
	passing = 1000000;
	assert_int_equal(ask(&gone, 2), -EINPROGRESS);
	wait_brought(3);
	ticket_release(&gone.ticket);
	while (aside_pending(aside))
		io_sleep_ms(io_system(), 1);
	assert_int_equal(gone.ready, 0);
}

static void many_at_once(void **state)
{
	static struct request requests[3 * ASIDE_THREADS_MAX];

	(void)state;
	memset(requests, 0, sizeof(requests));
	set_closed(true);
	for (unsigned i = 0; i < 3 * ASIDE_THREADS_MAX; i++)
		assert_int_equal(ask(&requests[i], i), -EINPROGRESS);
	wait_inside(ASIDE_THREADS_MAX);
	set_closed(false);
	for (unsigned i = 0; i < 3 * ASIDE_THREADS_MAX; i++) {
		wait_ready(&requests[i], 1);
		assert_int_equal(ask(&requests[i], i), 0);
		ticket_release(&requests[i].ticket);
	}
	assert_int_equal(most_inside, ASIDE_THREADS_MAX);
	assert_int_equal(brought, 3 * ASIDE_THREADS_MAX);
}

static void closing_gives_up(void **state)
{
	static struct request requests[2 * ASIDE_THREADS_MAX];

	(void)state;
	memset(requests, 0, sizeof(requests));
	set_closed(true);
	for (unsigned i = 0; i < 2 * ASIDE_THREADS_MAX; i++)
		assert_int_equal(ask(&requests[i], i), -EINPROGRESS);
	wait_inside(ASIDE_THREADS_MAX);
	for (unsigned i = 0; i < 2 * ASIDE_THREADS_MAX; i++)
		ticket_release(&requests[i].ticket);
	aside_close(aside);
	aside = NULL;
	assert_int_equal(inside, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(brought_once_for_many, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(several_for_one, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(what_is_wanted_tells_errands_apart, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(failures_go_to_those_who_wait, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(passing_failures_are_tried_again, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(a_wait_has_an_end, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(a_failure_without_a_number_is_one, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(each_waits_for_itself, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(what_nobody_waits_for_is_stopped, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(a_wait_for_what_never_ends_has_an_end, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(a_wait_for_what_rests_has_an_end, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(a_ticket_is_let_go_of_everywhere, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(who_lets_go_is_told_nothing, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(many_at_once, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(closing_gives_up, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
