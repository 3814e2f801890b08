/*
 * What the user may have meant: names that a few typing errors away from a given one.
 */
#ifndef TOOLS_NEAREST_H
#define TOOLS_NEAREST_H

#include <stddef.h>

#define NEAREST_MAX 3

/* The best names seen so far; zero-initialise.  Names are copied; nearest_release() frees. */
struct nearest {
	const char *wanted; /* borrowed */
	size_t count;
	struct {
		char *name;
		unsigned distance;
	} best[NEAREST_MAX];
};

/* Offer NAME; kept where it is near enough to be what was meant. */
void nearest_offer(struct nearest *nearest, const char *name);

/* Free the names. */
void nearest_release(struct nearest *nearest);

/*
 * Typing errors that lead from A to B: letters inserted, deleted, replaced, neighbours swapped (optimal string
 * alignment). Only the first 64 bytes count.
 */
unsigned nearest_distance(const char *a, const char *b);

#endif
