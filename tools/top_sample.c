#include "tools/top_sample.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const levels[TOP_LEVELS] = {
    [TOP_MEMORY] = "memory",
    [TOP_LOCAL] = "local",
    [TOP_CACHE] = "cache",
    [TOP_REMOTE] = "remote",
};

const char *top_level_name(enum top_level level)
{
	return levels[level];
}

/* One line: its NAME, labels as they stand there, and number. */
struct line {
	const char *name;
	size_t name_len;
	const char *labels;
	size_t labels_len;
	const char *number;
};

/* Take the line at TEXT of LEN bytes apart.  False for what is no sample. */
static bool split(const char *text, size_t len, struct line *line)
{
	const char *brace = memchr(text, '{', len), *end;
	size_t rest;

	if (!len || *text == '#' || !brace)
		return false;
	*line = (struct line){.name = text, .name_len = (size_t)(brace - text), .labels = brace + 1};
	/* A brace within quotes ends nothing. */
	rest = len - line->name_len;
	for (end = brace + 1; (size_t)(end - brace) < rest && *end != '}'; end++) {
		if (*end != '"')
			continue;
		for (end++; (size_t)(end - brace) < rest && *end != '"'; end++)
			end += *end == '\\';
	}
	if ((size_t)(end - brace) + 2 >= rest)
		return false;
	line->labels_len = (size_t)(end - line->labels);
	line->number = end + 2;
	return true;
}

static bool is_named(const struct line *line, const char *name)
{
	return line->name_len == strlen(name) && memcmp(line->name, name, line->name_len) == 0;
}

/* Whether the last label is KEY="VALUE". */
static bool ends_with(const struct line *line, const char *key, const char *value)
{
	char wanted[64];
	int len = snprintf(wanted, sizeof(wanted), ",%s=\"%s\"", key, value);

	return len > 0 && line->labels_len >= (size_t)len &&
	       memcmp(line->labels + line->labels_len - len, wanted, (size_t)len) == 0;
}

static void take_bucket(const struct line *line, uint64_t number, struct histogram_counts *reads)
{
	static const char kind[] = "kind=\"read\",";
	char bound[64];

	for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
		snprintf(bound, sizeof(bound), "%sle=\"%s\"", kind, histogram_bound_text(i));
		size_t len = strlen(bound);

		if (line->labels_len > len && memcmp(line->labels + line->labels_len - len, bound, len) == 0)
			reads->upto[i] = number;
	}
}

static void take(const struct line *line, struct top_sample *s)
{
	const struct {
		const char *name;
		uint64_t *sum;
	} sums[] = {
	    {"revfs_requests_total", &s->requests},
	    {"revfs_read_bytes_total", &s->bytes},
	    {"revfs_failures_total", &s->failures},
	    {"revfs_remote_requests_total", &s->remote_requests},
	    {"revfs_remote_received_bytes_total", &s->remote_bytes},
	    {"revfs_parked_requests", &s->parked},
	    {"revfs_remotes_resting", &s->resting},
	};
	const uint64_t number = strtoull(line->number, NULL, 10);

	for (size_t i = 0; i < sizeof(sums) / sizeof(sums[0]); i++) {
		if (is_named(line, sums[i].name))
			*sums[i].sum += number;
	}
	if (is_named(line, "revfs_start_time_seconds"))
		s->began = strtod(line->number, NULL);
	if (is_named(line, "revfs_request_duration_seconds_bucket"))
		take_bucket(line, number, &s->reads);
	for (size_t i = 0; i < TOP_LEVELS && is_named(line, "revfs_records_found_total"); i++) {
		if (ends_with(line, "level", levels[i]))
			s->found[i] = number;
	}
}

bool top_sample_parse(const char *text, struct top_sample *sample)
{
	struct line line;

	*sample = (struct top_sample){0};
	for (const char *end; (end = strchr(text, '\n')); text = end + 1) {
		if (strncmp(text, "# EOF\n", 6) == 0)
			return sample->began > 0;
		if (split(text, (size_t)(end - text), &line))
			take(&line, sample);
	}
	return false;
}

static uint64_t difference(uint64_t before, uint64_t now)
{
	return now > before ? now - before : 0;
}

void top_sample_between(const struct top_sample *before, const struct top_sample *now, struct top_sample *between)
{
	const struct top_sample begin = {.seconds = now->began};
	const struct top_sample *from = before->began == now->began ? before : &begin;

	*between = *now;
	between->seconds = now->seconds > from->seconds ? now->seconds - from->seconds : 0;
	between->requests = difference(from->requests, now->requests);
	between->bytes = difference(from->bytes, now->bytes);
	between->failures = difference(from->failures, now->failures);
	between->remote_requests = difference(from->remote_requests, now->remote_requests);
	between->remote_bytes = difference(from->remote_bytes, now->remote_bytes);
	for (size_t i = 0; i < TOP_LEVELS; i++)
		between->found[i] = difference(from->found[i], now->found[i]);
	for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++)
		between->reads.upto[i] = difference(from->reads.upto[i], now->reads.upto[i]);
}
