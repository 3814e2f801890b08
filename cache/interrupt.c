#include "cache/interrupt.h"

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "cache/io.h"

static _Thread_local interrupt_check watched;
static _Thread_local void *watched_arg;
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

bool interrupt_watched(void)
{
	return watched || atomic_load_explicit(&for_all, memory_order_acquire);
}

bool interrupt_pending(void)
{
	const atomic_bool *flag = atomic_load_explicit(&for_all, memory_order_acquire);

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
	struct timespec until;

	if (!interrupt_watched()) {
		pthread_cond_wait(condition, lock);
		return 0;
	}
	until = io_deadline(io_system(), INTERRUPT_POLL_MS * UINT64_C(1000000));
	pthread_cond_clockwait(condition, lock, CLOCK_MONOTONIC, &until);
	return interrupt_pending() ? -EINTR : 0;
}
