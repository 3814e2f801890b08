/*
 * Bytes that are of use before the read that brings them has ended.
 */
#ifndef CACHE_ARRIVAL_H
#define CACHE_ARRIVAL_H

#include <stddef.h>

struct arrival {
	/* The first GOT bytes of what is read are there, and are not touched again.  Called by any thread, each time
	 * with more; it may pass the word on, and wait for nothing. */
	void (*came)(void *arg, size_t got);
	void *arg;
};

#endif
