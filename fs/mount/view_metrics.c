#include <fcntl.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cache/io.h"
#include "fs/mount/openmetrics.h"
#include "fs/mount/view_parts.h"

/* Of a longer mountpoint the end is told: it stands in every line. */
#define MOUNTPOINT_MAX 200

/* A remote, at one moment. */
struct remote_state {
	struct openmetrics_label labels[2];
	struct remote *remote;
	struct remote_counts requests;
	struct fetch_counts records;
};

struct metrics {
	struct openmetrics m;
	struct view *view;
	struct memory_stats memory;
	struct fetch *fetch; /* NULL: there are no remotes */
	struct remote_state *remotes;
	size_t count;
};

static uint64_t load(_Atomic uint64_t *number)
{
	return atomic_load_explicit(number, memory_order_relaxed);
}

/* A family of one sample. */
static void put_one(struct metrics *x, const char *name, enum openmetrics_type type, const char *unit, const char *help,
                    uint64_t number)
{
	openmetrics_begin(&x->m, name, type, unit, help);
	openmetrics_number(&x->m, NULL, number);
}

static void put_counter(struct metrics *x, const char *name, const char *unit, const char *help, uint64_t number)
{
	put_one(x, name, OPENMETRICS_COUNTER, unit, help, number);
}

static void put_gauge(struct metrics *x, const char *name, const char *unit, const char *help, uint64_t number)
{
	put_one(x, name, OPENMETRICS_GAUGE, unit, help, number);
}

/* --- the process --- */

/* Every thread is a folder there. */
static uint64_t count_threads(void)
{
	struct stat st;

	return stat("/proc/self/task", &st) || st.st_nlink < 2 ? 0 : st.st_nlink - 2;
}

/* Pages of this process that are in memory: the second number of /proc/self/statm (proc(5)). */
static uint64_t resident_bytes(void)
{
	uint64_t pages = 0;
	const char *second;
	int fd = io_open(io_system(), AT_FDCWD, "/proc/self/statm", O_RDONLY, 0);
	char line[128];
	ssize_t got = fd < 0 ? -1 : io_read_some(io_system(), fd, line, sizeof(line) - 1, 0);

	io_close(io_system(), fd);
	if (got <= 0)
		return 0;
	line[got] = '\0';
	second = strchr(line, ' ');
	if (second)
		pages = strtoull(second, NULL, 10);
	return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

static void put_process(struct metrics *x)
{
	const struct openmetrics_label labels[2] = {{"version", x->view->version}};
	const struct timespec *since = &x->view->since;
	struct node_stats nodes;

	node_stats(x->view->nodes, &nodes);
	openmetrics_begin(&x->m, "revfs_build_info", OPENMETRICS_GAUGE, NULL, "The program that serves the mount.");
	openmetrics_number(&x->m, labels, 1);
	openmetrics_begin(&x->m, "revfs_start_time_seconds", OPENMETRICS_GAUGE, "seconds",
	                  "When it began to, in seconds since 1970.");
	openmetrics_real(&x->m, NULL, (double)since->tv_sec + (double)since->tv_nsec / 1e9);
	put_gauge(x, "revfs_threads", NULL, "Threads that it has.", count_threads());
	put_gauge(x, "revfs_resident_bytes", "bytes", "Memory that it takes.", resident_bytes());
	put_gauge(x, "revfs_nodes", NULL, "Files and folders that the kernel knows.", nodes.nodes);
	put_gauge(x, "revfs_node_bytes", "bytes", "Memory behind the table of these.", nodes.bytes);
}

/* --- the kernel's requests --- */

static void put_requests(struct metrics *x)
{
	struct counters *c = &x->view->counters;

	openmetrics_begin(&x->m, "revfs_requests", OPENMETRICS_COUNTER, NULL, "Requests of the kernel.");
	for (uint32_t i = 0; i < COUNTERS_REQUESTS; i++) {
		if (counters_name(i))
			openmetrics_number(&x->m, (struct openmetrics_label[2]){{"kind", counters_name(i)}},
			                   load(&c->requests[i]));
	}
	openmetrics_begin(&x->m, "revfs_request_duration_seconds", OPENMETRICS_HISTOGRAM, "seconds",
	                  "From a request of the kernel to its answer, but for those that need no work.");
	for (unsigned i = 0; i < COUNTERS_KINDS; i++)
		openmetrics_histogram(&x->m, (struct openmetrics_label[2]){{"kind", counters_kind_name(i)}},
		                      &c->durations[i]);
	put_counter(x, "revfs_read_bytes", "bytes", "Bytes of files that were handed out.", load(&c->bytes));
	put_counter(x, "revfs_failures", NULL, "Requests that ended with an I/O error.", load(&c->failures));
	put_gauge(x, "revfs_parked_requests", NULL, "Requests that wait for a remote now.", load(&c->parked));
	put_counter(x, "revfs_parkings", NULL, "Requests that had to wait for a remote.", load(&c->parked_all));
	openmetrics_begin(&x->m, "revfs_parked_duration_seconds", OPENMETRICS_HISTOGRAM, "seconds",
	                  "How long requests waited for a remote until they were answered.");
	openmetrics_histogram(&x->m, NULL, &c->waits);
}

/* --- records --- */

static void put_records(struct metrics *x)
{
	const struct source *source = x->view->world.source;
	struct fetch_found found = {0};

	if (x->fetch)
		fetch_found(x->fetch, &found);
	const struct {
		const char *level;
		uint64_t count;
	} levels[] = {
	    {"memory", x->memory.hits},
	    {"local", source ? source_records_found(source) : 0},
	    {"cache", found.held},
	    {"remote", found.brought},
	};

	openmetrics_begin(&x->m, "revfs_records_found", OPENMETRICS_COUNTER, NULL,
	                  "Chunks and pages by where they were found.");
	for (size_t i = 0; i < sizeof(levels) / sizeof(levels[0]); i++)
		openmetrics_number(&x->m, (struct openmetrics_label[2]){{"level", levels[i].level}}, levels[i].count);
	put_gauge(x, "revfs_memory_bytes", "bytes", "Expanded data in memory.", x->memory.bytes);
	put_counter(x, "revfs_memory_misses", NULL, "Chunks and pages that were not in memory.", x->memory.misses);
	put_counter(x, "revfs_memory_evictions", NULL, "Those that had to leave it.", x->memory.evictions);
}

static void put_cache(struct metrics *x)
{
	struct cached *cached = x->fetch ? remote_store_cached(fetch_store(x->fetch, 0)) : NULL;
	struct cached_stats stats;
	uint64_t bytes;

	if (!cached)
		return;
	if (cached_known_bytes(cached, &bytes))
		put_gauge(x, "revfs_cache_bytes", "bytes",
		          "Bytes of the disk that the cache takes, by all who share it.", bytes);
	put_gauge(x, "revfs_cache_limit_bytes", "bytes", "Bytes of the disk that it may take.", cached_limit(cached));
	cached_stats(cached, &stats);
	put_counter(x, "revfs_cache_hits", NULL, "Ranges of packs that were read from the cache.", stats.hits);
	put_counter(x, "revfs_cache_misses", NULL, "Those that were not there any more.", stats.misses);
	put_counter(x, "revfs_cache_written_bytes", "bytes", "Bytes that this mount put into it.", stats.written);
	put_counter(x, "revfs_cache_evicted_bytes", "bytes", "Bytes that this mount removed for others.",
	            stats.evicted_bytes);
	put_counter(x, "revfs_cache_failures", NULL, "Times that something could not be put there.", stats.failures);
}

/* --- remotes --- */

/* A family with a sample of every remote: the 64 bits at OFFSET in its state. */
static void put_of_each(struct metrics *x, const char *name, enum openmetrics_type type, const char *unit,
                        const char *help, size_t offset)
{
	openmetrics_begin(&x->m, name, type, unit, help);
	for (size_t i = 0; i < x->count; i++) {
		const struct remote_state *state = &x->remotes[i];
		uint64_t number;

		memcpy(&number, (const char *)state + offset, sizeof(number));
		openmetrics_number(&x->m, state->labels, number);
	}
}

static void put_failures(struct metrics *x)
{
	openmetrics_begin(&x->m, "revfs_remote_failures", OPENMETRICS_COUNTER, NULL,
	                  "Requests to a remote that failed, and answers that were wrong.");
	for (size_t i = 0; i < x->count; i++) {
		struct openmetrics_label labels[2] = {x->remotes[i].labels[0], {.key = "cause"}};

		for (unsigned cause = 0; cause < REMOTE_CAUSES; cause++) {
			labels[1].value = remote_cause_name(cause);
			openmetrics_number(&x->m, labels, x->remotes[i].requests.causes[cause]);
		}
	}
}

static void put_remotes(struct metrics *x)
{
	const enum openmetrics_type counter = OPENMETRICS_COUNTER;
	uint64_t resting = 0;

	for (size_t i = 0; i < x->count; i++)
		resting += x->remotes[i].records.silent_since.tv_sec != 0;
	put_gauge(x, "revfs_remotes_resting", NULL, "Remotes that do not answer and are left alone.", resting);
	if (!x->count)
		return;
	openmetrics_begin(&x->m, "revfs_remote_resting", OPENMETRICS_GAUGE, NULL,
	                  "1 for a remote that does not answer.");
	for (size_t i = 0; i < x->count; i++)
		openmetrics_number(&x->m, x->remotes[i].labels, x->remotes[i].records.silent_since.tv_sec != 0);
	put_of_each(x, "revfs_remote_requests", counter, NULL, "Requests to a remote.",
	            offsetof(struct remote_state, requests.requests));
	put_of_each(x, "revfs_remote_received_bytes", counter, "bytes", "Bytes that came from a remote.",
	            offsetof(struct remote_state, requests.received_bytes));
	put_failures(x);
	put_of_each(x, "revfs_remote_rests", counter, NULL, "Times that a remote was left alone after a failure.",
	            offsetof(struct remote_state, records.rests));
	put_of_each(x, "revfs_remote_retries", counter, NULL, "Times that it was tried whether it answers again.",
	            offsetof(struct remote_state, records.retries));
	put_of_each(x, "revfs_remote_records", counter, NULL, "Chunks and pages that a remote gave.",
	            offsetof(struct remote_state, records.records));
	put_of_each(x, "revfs_remote_wrong_records", counter, NULL, "Those that were not what was asked for.",
	            offsetof(struct remote_state, records.wrong));
	openmetrics_begin(&x->m, "revfs_remote_request_duration_seconds", OPENMETRICS_HISTOGRAM, "seconds",
	                  "How long requests to a remote took.");
	for (size_t i = 0; i < x->count; i++)
		openmetrics_histogram(&x->m, x->remotes[i].labels, remote_durations(x->remotes[i].remote));
}

static void look_at_remotes(struct metrics *x)
{
	size_t count = x->fetch ? fetch_remotes(x->fetch) : 0;

	x->remotes = count ? calloc(count, sizeof(x->remotes[0])) : NULL;
	x->count = x->remotes ? count : 0;
	for (size_t i = 0; i < x->count; i++) {
		struct remote_state *state = &x->remotes[i];

		state->remote = remote_store_remote(fetch_store(x->fetch, i));
		state->labels[0] = (struct openmetrics_label){"remote", remote_name(state->remote)};
		remote_counts(state->remote, &state->requests);
		fetch_counts(x->fetch, i, &state->records);
	}
}

static void put_all(struct metrics *x)
{
	put_process(x);
	put_requests(x);
	put_records(x);
	put_cache(x);
	put_remotes(x);
	openmetrics_end(&x->m);
}

void view_metrics(struct view *view, size_t limit, struct buffer *text)
{
	const size_t before = text->len, len = strlen(view->mountpoint);
	struct source *source = view->world.source;
	struct metrics x = {
	    .m = {.text = text, .key = "mountpoint", .value = view->mountpoint},
	    .view = view,
	    .fetch = source ? source_fetch(source) : NULL,
	};

	if (len > MOUNTPOINT_MAX)
		x.m.value += len - MOUNTPOINT_MAX;
	if (source)
		memory_stats(source_memory(source), &x.memory);
	look_at_remotes(&x);
	put_all(&x);
	while (!text->failed && text->len - before > limit && x.count) {
		text->len = before;
		x.count--;
		put_all(&x);
	}
	free(x.remotes);
}
