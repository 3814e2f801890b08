#include "fs/mount/ops_parking.h"

#include <errno.h>
#include <pthread.h>
#include <stddef.h>
#include <stdlib.h>

#include "cache/io.h"
#include "fs/mount/ops.h"

#define THREADS_MAX 4

enum call_state {
	CALL_RUNNING, /* by a thread; in no list */
	CALL_PARKED,
	CALL_LEAVING, /* parked, and interrupted */
	CALL_READY,
};

struct list {
	struct call *first, **end;
};

struct parking {
	pthread_mutex_t lock; /* of all below, and of what of calls is private */
	pthread_cond_t work;
	struct list parked, leaving, ready;
	struct counters *counters;
	unsigned idle;
	unsigned threads_count;
	pthread_t threads[THREADS_MAX];
	bool closing;
};

static struct list *list_of(struct parking *p, const struct call *call)
{
	return call->state == CALL_READY ? &p->ready : call->state == CALL_LEAVING ? &p->leaving : &p->parked;
}

/* With the lock held: CALL is in no list. */
static void enlist(struct parking *p, struct call *call, enum call_state state)
{
	struct list *list;

	call->state = state;
	list = list_of(p, call);
	call->next = NULL;
	call->link = list->end;
	*list->end = call;
	list->end = &call->next;
	atomic_fetch_add_explicit(&p->counters->parked, 1, memory_order_relaxed);
}

/* With the lock held: out of its list. */
static void delist(struct parking *p, struct call *call)
{
	*call->link = call->next;
	if (call->next)
		call->next->link = call->link;
	else
		list_of(p, call)->end = call->link;
	atomic_fetch_sub_explicit(&p->counters->parked, 1, memory_order_relaxed);
	call->state = CALL_RUNNING;
}

/* What a parked call waits for is there. */
static void on_ready(struct ticket *ticket)
{
	struct call *call = (struct call *)((char *)ticket - offsetof(struct call, ticket));
	struct parking *p = call->parking;

	pthread_mutex_lock(&p->lock);
	if (call->state == CALL_RUNNING) {
		call->again = true;
	} else if (call->state != CALL_READY) {
		delist(p, call);
		enlist(p, call, CALL_READY);
		pthread_cond_signal(&p->work);
	}
	pthread_mutex_unlock(&p->lock);
}

/* Called by libfuse with a lock of REQ's held, which fuse_req_interrupt_func() waits for. */
static void on_interrupt(fuse_req_t req, void *data)
{
	struct call *call = data;
	struct parking *p = call->parking;

	(void)req;
	pthread_mutex_lock(&p->lock);
	if (!call->end_ns)
		call->end_ns = io_monotonic_ns(io_system()) + PARKING_PATIENCE_MS * UINT64_C(1000000);
	if (call->state == CALL_PARKED) {
		delist(p, call);
		enlist(p, call, CALL_LEAVING);
		pthread_cond_signal(&p->work);
	}
	pthread_mutex_unlock(&p->lock);
}

/* CALL was answered. */
static void count_answered(struct parking *p, const struct call *call)
{
	const uint64_t now = io_monotonic_ns(io_system());

	histogram_add(&p->counters->durations[call->kind], now - call->began_ns);
	if (call->parked_ns)
		histogram_add(&p->counters->waits, now - call->parked_ns);
}

static void end(struct call *call)
{
	ops_fail(call->req, -EINTR);
	count_answered(call->parking, call);
	ticket_release(&call->ticket);
	free(call);
}

/* --- the threads --- */

static void *work(void *arg);

/* One more, if it can be had. */
static int add_thread(struct parking *p)
{
	int error = -pthread_create(&p->threads[p->threads_count], NULL, work, p);

	p->threads_count += !error;
	return error;
}

/* With the lock held. */
static void wait_for_work(struct parking *p)
{
	struct timespec until;

	p->idle++;
	if (!p->leaving.first) {
		pthread_cond_wait(&p->work, &p->lock);
	} else {
		until = (struct timespec){.tv_sec = (time_t)(p->leaving.first->end_ns / 1000000000),
		                          .tv_nsec = (long)(p->leaving.first->end_ns % 1000000000)};
		pthread_cond_clockwait(&p->work, &p->lock, CLOCK_MONOTONIC, &until);
	}
	p->idle--;
}

/* With the lock held: what is to be worked on, or, *OVER, to be ended; NULL for nothing. */
static struct call *take(struct parking *p, bool *over)
{
	struct call *call = p->ready.first;

	*over = false;
	if (!call && p->leaving.first && p->leaving.first->end_ns <= io_monotonic_ns(io_system())) {
		call = p->leaving.first;
		*over = true;
	}
	if (call)
		delist(p, call);
	return call;
}

static void *work(void *arg)
{
	struct parking *p = arg;
	struct call *call;
	bool over;

	while (ops_thread_init() != 0)
		io_sleep_ms(io_system(), 100);
	pthread_mutex_lock(&p->lock);
	while (!p->closing) {
		call = take(p, &over);
		if (!call) {
			wait_for_work(p);
			continue;
		}
		pthread_mutex_unlock(&p->lock);
		/* Once this returns on_interrupt() has ended, too. */
		fuse_req_interrupt_func(call->req, NULL, NULL);
		if (over)
			end(call);
		else
			free(parking_run(p, call));
		pthread_mutex_lock(&p->lock);
	}
	pthread_mutex_unlock(&p->lock);
	ops_thread_release();
	return NULL;
}

int parking_open(struct counters *counters, struct parking **parking)
{
	struct parking *p = calloc(1, sizeof(*p));
	int error;

	if (!p)
		return -ENOMEM;
	p->counters = counters;
	p->parked.end = &p->parked.first;
	p->leaving.end = &p->leaving.first;
	p->ready.end = &p->ready.first;
	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->work, NULL);
	pthread_mutex_lock(&p->lock);
	error = add_thread(p);
	pthread_mutex_unlock(&p->lock);
	if (error) {
		parking_close(p);
		return error;
	}
	*parking = p;
	return 0;
}

static void end_all(struct parking *p, struct list *list)
{
	struct call *call;

	for (;;) {
		pthread_mutex_lock(&p->lock);
		call = list->first;
		if (call)
			delist(p, call);
		pthread_mutex_unlock(&p->lock);
		if (!call)
			return;
		fuse_req_interrupt_func(call->req, NULL, NULL);
		end(call);
	}
}

void parking_close(struct parking *parking)
{
	if (!parking)
		return;
	pthread_mutex_lock(&parking->lock);
	parking->closing = true;
	pthread_cond_broadcast(&parking->work);
	pthread_mutex_unlock(&parking->lock);
	for (unsigned i = 0; i < parking->threads_count; i++)
		pthread_join(parking->threads[i], NULL);
	end_all(parking, &parking->ready);
	end_all(parking, &parking->leaving);
	end_all(parking, &parking->parked);
	pthread_cond_destroy(&parking->work);
	pthread_mutex_destroy(&parking->lock);
	free(parking);
}

/* --- a call --- */

/* Park CALL, unless what it waits for came meanwhile: false. */
static bool park(struct parking *p, struct call *call)
{
	bool parked;

	if (!call->parked_ns) {
		call->parked_ns = io_monotonic_ns(io_system());
		atomic_fetch_add_explicit(&p->counters->parked_all, 1, memory_order_relaxed);
	}
	/* Before it is seen by others: whoever takes it undoes this first. */
	fuse_req_interrupt_func(call->req, on_interrupt, call);
	pthread_mutex_lock(&p->lock);
	parked = !call->again;
	if (parked)
		enlist(p, call, call->end_ns ? CALL_LEAVING : CALL_PARKED);
	if (parked && !p->idle && p->threads_count < THREADS_MAX)
		add_thread(p);
	call->again = false;
	pthread_mutex_unlock(&p->lock);
	return parked;
}

struct call *parking_run(struct parking *parking, struct call *call)
{
	int error;

	if (!call->began_ns)
		call->began_ns = io_monotonic_ns(io_system());
	call->parking = parking;
	call->ticket.ready = on_ready;
	for (;;) {
		ticket_hold(&call->ticket);
		error = call->run(call);
		ticket_hold(NULL);
		ops_thread_idle();
		if (error != -EINPROGRESS)
			break;
		if (park(parking, call))
			return NULL;
		fuse_req_interrupt_func(call->req, NULL, NULL);
	}
	count_answered(parking, call);
	ticket_release(&call->ticket);
	return call;
}
