#include "cache/interrupt.h"

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "cache/io.h"

static _Thread_local interrupt_check watched;
static _Thread_local void *watched_arg;
static _Thread_local uint64_t limit_ns; /* by the monotonic clock; 0: none */
static _Atomic(const atomic_bool *) for_all;

void interrupt_watch(interrupt_check check, void *arg)
{
	watched = check;
	watched_arg = arg;
}

void interrupt_all(const atomic_bool *flag)
{
	atomic_store_explicit(&for_all, flag, memory_order_release);
}

uint64_t interrupt_limit(uint64_t timeout_ms)
{
	uint64_t before = limit_ns, limit = io_monotonic_ns(io_system()) + timeout_ms * UINT64_C(1000000);

	if (!before || limit < before)
		limit_ns = limit;
	return before;
}

static bool is_time_up(void)
{
	return limit_ns && io_monotonic_ns(io_system()) >= limit_ns;
}

bool interrupt_unlimit(uint64_t before)
{
	bool up = is_time_up();

	limit_ns = before;
	return up;
}

bool interrupt_watched(void)
{
	return watched || limit_ns || atomic_load_explicit(&for_all, memory_order_acquire);
}

bool interrupt_pending(void)
{
	const atomic_bool *flag = atomic_load_explicit(&for_all, memory_order_acquire);

	if (is_time_up())
		return true;
	if (watched)
		return watched(watched_arg);
	return flag && atomic_load_explicit(flag, memory_order_relaxed);
}

bool is_unanswered(int error)
{
	return error == -EINTR || error == -EINPROGRESS || error == -ENOMEM;
}

int interrupt_wait(pthread_cond_t *condition, pthread_mutex_t *lock)
{
	if (interrupt_watched())
		return interrupt_wait_for(condition, lock, INTERRUPT_POLL_MS);
	pthread_cond_wait(condition, lock);
	return 0;
}

int interrupt_wait_for(pthread_cond_t *condition, pthread_mutex_t *lock, unsigned ms)
{
	const struct timespec until = io_deadline(io_system(), ms * UINT64_C(1000000));

	pthread_cond_clockwait(condition, lock, CLOCK_MONOTONIC, &until);
	return interrupt_pending() ? -EINTR : 0;
}
