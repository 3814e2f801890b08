/*
 * What a mount's metrics say at one moment, and what happened between two such moments.
 */
#ifndef TOOLS_TOP_SAMPLE_H
#define TOOLS_TOP_SAMPLE_H

#include <stdbool.h>
#include <stdint.h>

#include "cache/histogram.h"

enum top_level {
	TOP_MEMORY,
	TOP_LOCAL,
	TOP_CACHE,
	TOP_REMOTE,
	TOP_LEVELS,
};

/* "memory". */
const char *top_level_name(enum top_level level);

/* Zero-initialised: a mount that has just begun. */
struct top_sample {
	double seconds; /* since 1970, when it was taken */
	double began;   /* the mount, by the same clock */
	uint64_t requests, bytes, failures;
	uint64_t found[TOP_LEVELS];
	uint64_t remote_requests, remote_bytes;
	uint64_t parked, resting; /* now */
	struct histogram_counts reads;
};

/* Take what TEXT, OpenMetrics, says; what it has more is passed over.  False where it is not whole. */
bool top_sample_parse(const char *text, struct top_sample *sample);

/* What happened from BEFORE to NOW: the counts are differences; SECONDS is the time between, but what is now stays.
 * Where another process serves the mount by now, what happened since that began. */
void top_sample_between(const struct top_sample *before, const struct top_sample *now, struct top_sample *between);

#endif
