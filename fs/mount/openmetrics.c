#include "fs/mount/openmetrics.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cache/utf8.h"

#define NUMBER_SIZE 40

static void put(struct openmetrics *m, const char *words)
{
	buffer_append(m->text, words, strlen(words));
}

/* The text of a label between its quotes. */
static void put_value(struct openmetrics *m, const char *value)
{
	while (*value) {
		size_t len = utf8_length(value);

		if (*value == '\n')
			put(m, "\\n");
		else if (*value == '"' || *value == '\\')
			buffer_append(m->text, (char[]){'\\', *value}, 2);
		else if (len)
			buffer_append(m->text, value, len);
		else
			put(m, "\xef\xbf\xbd");
		value += len ? len : 1;
	}
}

static void put_label(struct openmetrics *m, const char *before, const char *key, const char *value)
{
	put(m, before);
	put(m, key);
	put(m, "=\"");
	put_value(m, value);
	put(m, "\"");
}

/* A whole sample; BOUND (may be NULL) is the label of a bucket. */
static void put_sample(struct openmetrics *m, const char *suffix, const struct openmetrics_label labels[2],
                       const char *bound, const char *number)
{
	put(m, m->family);
	put(m, suffix);
	put_label(m, "{", m->key, m->value);
	for (size_t i = 0; labels && i < 2 && labels[i].key; i++)
		put_label(m, ",", labels[i].key, labels[i].value);
	if (bound)
		put_label(m, ",", "le", bound);
	put(m, "} ");
	put(m, number);
	put(m, "\n");
}

void openmetrics_begin(struct openmetrics *m, const char *name, enum openmetrics_type type, const char *unit,
                       const char *help)
{
	static const char *const types[] = {
	    [OPENMETRICS_COUNTER] = "counter",
	    [OPENMETRICS_GAUGE] = "gauge",
	    [OPENMETRICS_HISTOGRAM] = "histogram",
	};
	const char *const lines[][2] = {{"# TYPE ", types[type]}, {"# UNIT ", unit}, {"# HELP ", help}};

	m->family = name;
	m->type = type;
	for (size_t i = 0; i < 3; i++) {
		if (!lines[i][1])
			continue;
		put(m, lines[i][0]);
		put(m, name);
		put(m, " ");
		put(m, lines[i][1]);
		put(m, "\n");
	}
}

void openmetrics_number(struct openmetrics *m, const struct openmetrics_label labels[2], uint64_t number)
{
	char text[NUMBER_SIZE];

	snprintf(text, sizeof(text), "%" PRIu64, number);
	put_sample(m, m->type == OPENMETRICS_COUNTER ? "_total" : "", labels, NULL, text);
}

void openmetrics_real(struct openmetrics *m, const struct openmetrics_label labels[2], double number)
{
	char text[NUMBER_SIZE];

	snprintf(text, sizeof(text), "%.9f", number);
	put_sample(m, "", labels, NULL, text);
}

void openmetrics_histogram(struct openmetrics *m, const struct openmetrics_label labels[2], struct histogram *histogram)
{
	struct histogram_counts counts;
	char text[NUMBER_SIZE];

	histogram_read(histogram, &counts);
	for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
		snprintf(text, sizeof(text), "%" PRIu64, counts.upto[i]);
		put_sample(m, "_bucket", labels, histogram_bound_text(i), text);
	}
	put_sample(m, "_count", labels, NULL, text);
	snprintf(text, sizeof(text), "%" PRIu64 ".%09" PRIu64, counts.sum_ns / 1000000000, counts.sum_ns % 1000000000);
	put_sample(m, "_sum", labels, NULL, text);
}

void openmetrics_end(struct openmetrics *m)
{
	put(m, "# EOF\n");
}
