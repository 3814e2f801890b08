/*
 * OpenMetrics 1.0.0, written: families of samples with their labels and histograms.
 *
 * Kept to what Prometheus's older text format reads as well, which node exporters take from files: there are counters,
 * gauges and histograms.  A family's samples follow its beginning, one behind another.
 */
#ifndef FS_OPENMETRICS_H
#define FS_OPENMETRICS_H

#include "cache/histogram.h"
#include "cache/wire.h"

enum openmetrics_type {
	OPENMETRICS_COUNTER,
	OPENMETRICS_GAUGE,
	OPENMETRICS_HISTOGRAM,
};

/* What is being written.  All is borrowed. */
struct openmetrics {
	struct buffer *text;
	const char *key, *value; /* a label of every sample */
	const char *family;      /* private */
	enum openmetrics_type type;
};

struct openmetrics_label {
	const char *key;
	const char *value; /* any text: what is no UTF-8 becomes U+FFFD */
};

/* Begin the family NAME (static), which ends with its UNIT ("seconds", "bytes"; NULL: a mere number). */
void openmetrics_begin(struct openmetrics *m, const char *name, enum openmetrics_type type, const char *unit,
                       const char *help);

/* A sample of a counter or gauge with up to two LABELS of its own; the first without a key ends them.  NULL: none. */
void openmetrics_number(struct openmetrics *m, const struct openmetrics_label labels[2], uint64_t number);

/* A sample of a gauge with a fraction. */
void openmetrics_real(struct openmetrics *m, const struct openmetrics_label labels[2], double number);

/* A histogram, as it is now. */
void openmetrics_histogram(struct openmetrics *m, const struct openmetrics_label labels[2],
                           struct histogram *histogram);

/* The end of the text. */
void openmetrics_end(struct openmetrics *m);

#endif
