/*
 * revfs top: what the mounts do now.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cache/io.h"
#include "fs/mount/mountpoint.h"
#include "tools/commands.h"
#include "tools/output.h"
#include "tools/path.h"
#include "tools/stop.h"
#include "tools/top_mounts.h"
#include "tools/top_screen.h"

#define DELAY_MIN_S 0.1
#define DELAY_MAX_S 86400.0
#define SLICE_MS 100 /* how often a signal is looked for */

static const char *const states[] = {
    [TOP_ANSWERS] = "answers",
    [TOP_SILENT] = "does not answer",
    [TOP_DEAD] = "dead",
};

static double rate(uint64_t count, const struct top_sample *of)
{
	return of->seconds > 0 ? (double)count / of->seconds : 0;
}

static uint64_t found_sum(const struct top_sample *s)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < TOP_LEVELS; i++)
		sum += s->found[i];
	return sum;
}

static bool has_reads(const struct top_sample *s)
{
	return s->reads.upto[HISTOGRAM_BUCKETS - 1] > 0;
}

/* --- for programs --- */

static json_t *quantile_json(const struct top_sample *s, double q)
{
	return has_reads(s) ? json_real(histogram_quantile_ns(&s->reads, q) / 1e9) : json_null();
}

static json_t *found_json(const struct top_sample *s)
{
	const uint64_t sum = found_sum(s);
	json_t *object = json_object();

	for (unsigned i = 0; i < TOP_LEVELS; i++)
		json_object_set_new(object, top_level_name(i),
		                    sum ? json_real(100 * (double)s->found[i] / (double)sum) : json_null());
	return object;
}

static void print_json(const struct top_mount *mount)
{
	const struct timespec now = io_now(io_system());
	const struct top_sample *s = &mount->between;
	json_t *object = json_object();
	char time[40];

	json_object_set_new(object, "time",
	                    json_string(output_rfc3339(&(struct timespec){.tv_sec = now.tv_sec}, time)));
	output_json_path(object, "mountpoint", mount->mountpoint);
	output_json_path(object, "repository", mount->repository);
	json_object_set_new(object, "state", json_string(states[mount->state]));
	if (mount->state == TOP_ANSWERS) {
		json_object_set_new(object, "seconds", json_real(s->seconds));
		json_object_set_new(object, "requests_per_second", json_real(rate(s->requests, s)));
		json_object_set_new(object, "bytes_per_second", json_real(rate(s->bytes, s)));
		json_object_set_new(object, "found_percent", found_json(s));
		json_object_set_new(object, "remote_requests_per_second", json_real(rate(s->remote_requests, s)));
		json_object_set_new(object, "remote_bytes_per_second", json_real(rate(s->remote_bytes, s)));
		json_object_set_new(object, "remotes_resting", json_integer((json_int_t)s->resting));
		json_object_set_new(object, "parked", json_integer((json_int_t)s->parked));
		json_object_set_new(object, "read_p50_seconds", quantile_json(s, 0.5));
		json_object_set_new(object, "read_p99_seconds", quantile_json(s, 0.99));
		json_object_set_new(object, "failures", json_integer((json_int_t)s->failures));
	}
	output_json(stdout, object);
}

/* --- for people --- */

static const char *format_rate(double number, char text[32])
{
	if (number < 100)
		snprintf(text, 32, "%.1f", number);
	else
		output_count((uint64_t)(number + 0.5), text);
	return text;
}

static const char *format_quantile(const struct top_sample *s, double q, char text[32])
{
	const double ns = histogram_quantile_ns(&s->reads, q);

	if (!has_reads(s))
		snprintf(text, 32, "-");
	else if (ns < 1e6)
		snprintf(text, 32, "%.0f us", ns / 1e3);
	else if (ns < 1e9)
		snprintf(text, 32, "%.1f ms", ns / 1e6);
	else
		snprintf(text, 32, "%.1f s", ns / 1e9);
	return text;
}

static int percent(const struct top_sample *s, enum top_level level)
{
	const uint64_t sum = found_sum(s);

	return sum ? (int)(100 * (double)s->found[level] / (double)sum + 0.5) : 0;
}

static void print_mount(const struct top_mount *mount)
{
	const struct top_sample *s = &mount->between;
	char requests[32], bytes[32], p50[32], p99[32];
	char *name = output_quoted(mount->mountpoint);

	top_screen_line("%s%s%s", name ? name : "?", mount->state == TOP_ANSWERS ? "" : ": ",
	                mount->state == TOP_ANSWERS ? "" : states[mount->state]);
	free(name);
	if (mount->state != TOP_ANSWERS)
		return;
	top_screen_line("  requests %s/s, read %s/s, failures %llu", format_rate(rate(s->requests, s), requests),
	                output_size((uint64_t)rate(s->bytes, s), bytes), (unsigned long long)s->failures);
	top_screen_line("  reads p50 %s, p99 %s, parked %llu", format_quantile(s, 0.5, p50),
	                format_quantile(s, 0.99, p99), (unsigned long long)s->parked);
	top_screen_line("  found memory %d%%, local %d%%, cache %d%%, remote %d%%", percent(s, TOP_MEMORY),
	                percent(s, TOP_LOCAL), percent(s, TOP_CACHE), percent(s, TOP_REMOTE));
	top_screen_line("  remotes %s requests/s, %s/s, resting %llu",
	                format_rate(rate(s->remote_requests, s), requests),
	                output_size((uint64_t)rate(s->remote_bytes, s), bytes), (unsigned long long)s->resting);
}

static void print_report(const struct top_mounts *mounts)
{
	const struct timespec now = io_now(io_system());
	char time[40];

	top_screen_clear();
	top_screen_line("%s, mounts: %zu", output_rfc3339(&(struct timespec){.tv_sec = now.tv_sec}, time),
	                mounts->count);
	for (size_t i = 0; i < mounts->count; i++) {
		top_screen_line("%s", "");
		print_mount(&mounts->items[i]);
	}
	if (!mounts->count)
		top_screen_line("nothing is mounted");
}

/* --- again and again --- */

/* Until END_NS, a signal, or, where there is a screen, another size of it; then MOUNTS are shown again. */
static void wait_until(uint64_t end_ns, const struct top_mounts *mounts)
{
	const struct io *io = io_system();

	while (!atomic_load(stop_flag())) {
		const uint64_t now = io_monotonic_ns(io),
			       left_ms = now < end_ns ? (end_ns - now + 999999) / 1000000 : 0;

		if (!left_ms)
			return;
		io_sleep_ms(io, left_ms < SLICE_MS ? (unsigned)left_ms : SLICE_MS);
		if (!globals.json && top_screen_resized()) {
			print_report(mounts);
			top_screen_show();
		}
	}
}

/* COUNT reports (0: without end), DELAY_S apart. */
static int report(struct top_mounts *mounts, uint64_t count, double delay_s)
{
	const uint64_t delay_ns = (uint64_t)(delay_s * 1e9);
	const int wait_ms = delay_s * 1000 < ASKER_WAIT_MS ? (int)(delay_s * 1000) : ASKER_WAIT_MS;
	uint64_t due_ns = io_monotonic_ns(io_system());
	int error = 0;

	for (uint64_t i = 0; !error; i++) {
		error = top_mounts_look(mounts, i ? wait_ms : ASKER_WAIT_MS);
		if (error)
			return fail(EXIT_SYSTEM, "cannot read the list of mounts: %s", error_text(error));
		for (size_t j = 0; globals.json && j < mounts->count; j++)
			print_json(&mounts->items[j]);
		if (!globals.json)
			print_report(mounts);
		error = globals.json ? output_finish() : top_screen_show();
		if (i + 1 == count || error)
			break;
		if (!globals.json && !top_screen_is_taken())
			puts("");
		due_ns += delay_ns;
		wait_until(due_ns, mounts);
		if (atomic_load(stop_flag()))
			break;
		/* What came too late does not come all at once. */
		if (io_monotonic_ns(io_system()) > due_ns + delay_ns)
			due_ns = io_monotonic_ns(io_system());
	}
	/* That nothing more could be written is found, and said, at the command's end. */
	return EXIT_DONE;
}

static int find_all(char **typed, size_t count, char **paths)
{
	for (size_t i = 0; i < count; i++) {
		paths[i] = path_mountpoint(typed[i]);
		if (!paths[i])
			return fail(errno == ENOENT ? EXIT_NOT_FOUND : exit_code_of(-errno), "cannot find '%s': %s",
			            typed[i], strerror(errno));
		if (mountpoint_is_ours(paths[i], NULL) != 1)
			return fail(EXIT_NOT_FOUND, "nothing of revfs is mounted on '%s': 'revfs mounts' lists what is",
			            typed[i]);
	}
	return EXIT_DONE;
}

static int parse_count(const char *text, uint64_t *count)
{
	char *end;

	errno = 0;
	*count = strtoull(text, &end, 10);
	if (*text < '0' || *text > '9' || *end || errno || !*count)
		return fail_usage("option '-n' needs a number from 1 on, not '%s'", text);
	return EXIT_DONE;
}

static int parse_delay(const char *text, double *seconds)
{
	char *end;

	*seconds = strtod(text, &end);
	if (*text < '0' || *text > '9' || *end || !(*seconds >= DELAY_MIN_S && *seconds <= DELAY_MAX_S))
		return fail_usage("option '-d' needs seconds, from 0.1 to 86400, not '%s'", text);
	return EXIT_DONE;
}

static int run(int argc, char **argv)
{
	static const struct option options[] = {{"json", no_argument, NULL, COMMAND_LONG}, {0}};
	struct top_mounts mounts = {0};
	double delay_s = 2;
	uint64_t count = 0;
	char **paths;
	int option, status = EXIT_DONE;

	while (!status && (option = command_option(&command_top, argc, argv, "n:d:", options)) != -1) {
		if (option == 'n')
			status = parse_count(optarg, &count);
		else if (option == 'd')
			status = parse_delay(optarg, &delay_s);
		else
			globals.json = true;
	}
	if (status)
		return status;
	paths = calloc((size_t)(argc - optind) + 1, sizeof(char *));
	if (!paths)
		return fail(EXIT_SYSTEM, "%s", error_text(-ENOMEM));
	mounts.only = argc > optind ? paths : NULL;
	mounts.only_count = (size_t)(argc - optind);
	status = find_all(argv + optind, mounts.only_count, paths);
	if (!status) {
		stop_catch();
		if (!globals.json)
			top_screen_begin();
		status = report(&mounts, count, delay_s);
		top_screen_end();
	}
	top_mounts_release(&mounts);
	for (size_t i = 0; i < (size_t)(argc - optind); i++)
		free(paths[i]);
	free(paths);
	return stop_finish(status);
}

const struct command command_top = {
    .name = "top",
    .run = run,
    .usage = "revfs top [-n COUNT] [-d SECONDS] [--json] [MOUNTPOINT...]",
    .summary = "show what the mounts do now",
};
