/*
 * How long things took: counts by buckets whose bounds grow about fourfold, from 10 us to 100 s.
 *
 * Any thread may add and read at any time; adding is two relaxed additions and takes no lock.
 */
#ifndef CACHE_HISTOGRAM_H
#define CACHE_HISTOGRAM_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#define HISTOGRAM_BUCKETS 14 /* the last one has no bound */

/* Zero-initialised is empty. */
struct histogram {
	_Atomic uint64_t buckets[HISTOGRAM_BUCKETS];
	_Atomic uint64_t sum_ns;
};

/* What a histogram held at one moment. */
struct histogram_counts {
	uint64_t upto[HISTOGRAM_BUCKETS]; /* that took no longer than the bound of each; the last one: all */
	uint64_t sum_ns;
};

/* Count one that took NS nanoseconds. */
void histogram_add(struct histogram *histogram, uint64_t ns);

/* Copy: every count of it is of one that was added before the copy was done, and UPTO never falls. */
void histogram_read(struct histogram *histogram, struct histogram_counts *counts);

/* The bound of bucket I in nanoseconds; UINT64_MAX of the last one. */
uint64_t histogram_bound_ns(size_t i);

/* The same in seconds, as OpenMetrics writes it: "1e-05", "0.0025", "+Inf". */
const char *histogram_bound_text(size_t i);

/*
 * About the nanoseconds that the share Q (0 to 1) of all took at most, taken as spread evenly within each bucket; what
 * lies above the last bound counts as that.  0 where nothing was counted.
 */
double histogram_quantile_ns(const struct histogram_counts *counts, double q);

#endif
