#include "tools/progress.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "tools/command.h"
#include "tools/output.h"

/* Nothing is shown of what is done sooner: a line that flashes up tells nobody anything. */
#define FIRST_NS 500000000ull
#define LINE_NS 200000000ull
#define JSON_NS 1000000000ull

struct progress {
	const char *verb;
	bool shown;
	bool json;
	bool drawn;
	uint64_t began_ns;
	atomic_uint_fast64_t next_ns; /* when to draw again */
	atomic_uint_fast64_t files, bytes, saved_bytes, total_files, total_bytes;
	pthread_mutex_t drawing; /* one thread draws, the others go on */
};

/* What is handed out where memory is short: shows nothing. */
static struct progress silent;

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000ull + (uint64_t)now.tv_nsec;
}

struct progress *progress_start(const char *verb, int wanted)
{
	bool shown = wanted > 0 || (wanted < 0 && !globals.quiet && isatty(STDERR_FILENO));
	struct progress *p = shown ? calloc(1, sizeof(*p)) : NULL;

	if (!p)
		return &silent;
	p->verb = verb;
	p->shown = true;
	p->json = globals.json;
	p->began_ns = now_ns();
	p->next_ns = p->began_ns + FIRST_NS;
	pthread_mutex_init(&p->drawing, NULL);
	return p;
}

void progress_total(struct progress *p, uint64_t files, uint64_t bytes)
{
	if (!p->shown)
		return;
	p->total_files = files;
	p->total_bytes = bytes;
}

/* Seconds that are left if it goes on as until now, or -1. */
static int64_t remaining_s(const struct progress *p, double seconds)
{
	double done = 0;

	if (p->total_bytes > 0)
		done = (double)p->bytes / (double)p->total_bytes;
	else if (p->total_files > 0)
		done = (double)p->files / (double)p->total_files;
	if (done <= 0 || done > 1)
		return -1;
	return (int64_t)(seconds * (1 - done) / done + 0.5);
}

static void draw_json(struct progress *p, double seconds)
{
	json_t *inner = json_object();
	json_t *outer = json_object();
	int64_t left = remaining_s(p, seconds);

	json_object_set_new(inner, "verb", json_string(p->verb));
	json_object_set_new(inner, "files", json_integer((json_int_t)p->files));
	json_object_set_new(inner, "bytes", json_integer((json_int_t)p->bytes));
	json_object_set_new(inner, "saved_bytes", json_integer((json_int_t)p->saved_bytes));
	if (p->total_files)
		json_object_set_new(inner, "total_files", json_integer((json_int_t)p->total_files));
	if (p->total_bytes)
		json_object_set_new(inner, "total_bytes", json_integer((json_int_t)p->total_bytes));
	json_object_set_new(inner, "seconds", json_real(seconds));
	if (left >= 0)
		json_object_set_new(inner, "remaining_seconds", json_integer(left));
	json_object_set_new(outer, "progress", inner);
	output_json(stderr, outer);
}

static void draw_line(struct progress *p, double seconds)
{
	char line[256], count[32], bytes[32], rate[32], saved[32];
	struct winsize window = {0};
	size_t len = 0;
	int64_t left = remaining_s(p, seconds);
	uint64_t per_second = seconds > 0 ? (uint64_t)((double)p->bytes / seconds) : 0;

#define SAY(...) len += (size_t)snprintf(line + len, sizeof(line) - len, __VA_ARGS__)
	SAY("%s: %s", p->verb, output_count(p->files, count));
	if (p->total_files)
		SAY("/%s", output_count(p->total_files, count));
	SAY(" files, %s", output_size(p->bytes, bytes));
	SAY(", %s/s", output_size(per_second, rate));
	if (p->saved_bytes)
		SAY(", %s saved", output_size(p->saved_bytes, saved));
	if (left >= 0)
		SAY(", %" PRId64 ":%02d left", left / 60, (int)(left % 60));
#undef SAY
	/* A line that wraps could not be removed again. */
	if (ioctl(STDERR_FILENO, TIOCGWINSZ, &window) == 0 && window.ws_col > 1 && len >= window.ws_col)
		len = window.ws_col - 1u;
	if (isatty(STDERR_FILENO))
		fprintf(stderr, "\r%.*s\033[K", (int)len, line);
	else
		fprintf(stderr, "%.*s\n", (int)len, line);
	fflush(stderr);
	p->drawn = true;
}

static void draw(struct progress *p, uint64_t now)
{
	double seconds = (double)(now - p->began_ns) / 1e9;

	if (p->json)
		draw_json(p, seconds);
	else
		draw_line(p, seconds);
}

void progress_add(struct progress *p, uint64_t files, uint64_t bytes, uint64_t saved_bytes)
{
	if (!p->shown)
		return;
	atomic_fetch_add_explicit(&p->files, files, memory_order_relaxed);
	atomic_fetch_add_explicit(&p->bytes, bytes, memory_order_relaxed);
	atomic_fetch_add_explicit(&p->saved_bytes, saved_bytes, memory_order_relaxed);
	uint64_t now = now_ns();
	if (now < atomic_load_explicit(&p->next_ns, memory_order_relaxed) || pthread_mutex_trylock(&p->drawing))
		return;
	bool rare = p->json || !isatty(STDERR_FILENO);
	atomic_store_explicit(&p->next_ns, now + (rare ? JSON_NS : LINE_NS), memory_order_relaxed);
	draw(p, now);
	pthread_mutex_unlock(&p->drawing);
}

void progress_end(struct progress *p)
{
	if (!p || !p->shown)
		return;
	if (p->drawn && isatty(STDERR_FILENO)) {
		fputs("\r\033[K", stderr);
		fflush(stderr);
	}
	pthread_mutex_destroy(&p->drawing);
	free(p);
}
