#include "cache/fetch.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cache/aside.h"
#include "cache/interrupt.h"

/* A remote that fails is left alone for so long, doubled with each failure in a row; a random half is taken off. */
#define REST_FIRST_MS 500
#define REST_MAX_MS 30000
#define PROBE_MS 100 /* how often those look who wait for another to try a remote that failed */

struct source_state {
	struct remote_store *store;
	struct fetch_counts counts;
	uint64_t rests_until_ns; /* 0: it does not rest */
	uint64_t rest_ms;        /* the last one's length; 0: it answered since */
	bool probed;             /* somebody tries whether it answers again */
	bool told;               /* that reads wait for it */
	int last;                /* why it rests */
};

struct fetch {
	const struct io *io;
	uint64_t wait_ms;
	bool offline;
	void (*tell)(void *arg, struct remote *remote, int error);
	void *arg;
	size_t count;
	struct aside *aside;
	atomic_uint_fast64_t held, brought;
	pthread_mutex_t lock; /* of the states, but for their stores, which do not change */
	struct source_state states[];
};

static int ask_all(void *arg, const struct wanted *wanted, struct record *record, int *failure, uint64_t *until_ns);

int fetch_open(const struct fetch_setup *setup, struct fetch **fetch)
{
	struct fetch *f = calloc(1, sizeof(*f) + setup->count * sizeof(f->states[0]));
	const struct aside_setup aside = {.io = setup->io, .wait_ms = setup->wait_ms, .bring = ask_all, .arg = f};

	if (!f)
		return -ENOMEM;
	if (aside_open(&aside, &f->aside)) {
		free(f);
		return -ENOMEM;
	}
	f->io = setup->io;
	f->wait_ms = setup->wait_ms;
	f->offline = setup->offline;
	f->tell = setup->tell;
	f->arg = setup->arg;
	f->count = setup->count;
	for (size_t i = 0; i < setup->count; i++)
		f->states[i].store = setup->stores[i];
	pthread_mutex_init(&f->lock, NULL);
	*fetch = f;
	return 0;
}

void fetch_close(struct fetch *fetch)
{
	if (!fetch)
		return;
	aside_close(fetch->aside);
	pthread_mutex_destroy(&fetch->lock);
	free(fetch);
}

void fetch_counts(struct fetch *fetch, size_t i, struct fetch_counts *counts)
{
	pthread_mutex_lock(&fetch->lock);
	*counts = fetch->states[i].counts;
	counts->resting = fetch->states[i].rests_until_ns > io_monotonic_ns(fetch->io);
	pthread_mutex_unlock(&fetch->lock);
}

/* What reading ended with last on this thread. */
static _Thread_local int answered;

static bool is_later(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec != b->tv_sec ? a->tv_sec > b->tv_sec : a->tv_nsec > b->tv_nsec;
}

void fetch_why(struct fetch *fetch, int error, char why[FETCH_WHY_SIZE])
{
	const struct source_state *last = NULL;
	const bool is_ours = error && answered == error;

	answered = 0;
	why[0] = '\0';
	if (!is_ours)
		return;
	pthread_mutex_lock(&fetch->lock);
	for (size_t i = 0; i < fetch->count; i++) {
		const struct source_state *state = &fetch->states[i];

		if (state->counts.last_failure == error && *state->counts.why &&
		    (!last || is_later(&state->counts.failed, &last->counts.failed)))
			last = state;
	}
	if (last)
		snprintf(why, FETCH_WHY_SIZE, "the remote '%.100s': %s", remote_name(remote_store_remote(last->store)),
		         last->counts.why);
	pthread_mutex_unlock(&fetch->lock);
}

size_t fetch_remotes(const struct fetch *fetch)
{
	return fetch->count;
}

void fetch_expect(struct fetch *fetch, const struct locator *last, const struct locator *next)
{
	for (size_t i = 0; i < fetch->count; i++)
		remote_store_expect(fetch_store(fetch, i), last, next);
}

void fetch_reach(struct fetch *fetch, const struct locator *first, const struct locator *last)
{
	for (size_t i = 0; i < fetch->count; i++)
		remote_store_reach(fetch_store(fetch, i), first, last);
}

struct remote_store *fetch_store(struct fetch *fetch, size_t i)
{
	return fetch->states[i].store;
}

void fetch_found(struct fetch *fetch, struct fetch_found *found)
{
	found->held = atomic_load_explicit(&fetch->held, memory_order_relaxed);
	found->brought = atomic_load_explicit(&fetch->brought, memory_order_relaxed);
}

/* Of two failures the one that says more about the record: a remote that does not answer may still have it. */
static int graver(int a, int b)
{
	static const int grave[] = {-EBADMSG, -ENOTSUP, -EPROTO, -EKEYREJECTED, -ENOKEY, -EACCES};

	for (size_t i = 0; i < sizeof(grave) / sizeof(grave[0]); i++) {
		if (a == grave[i] || b == grave[i])
			return grave[i];
	}
	return a == 0 || a == -ENOENT ? b : a;
}

static bool is_wrong(int error)
{
	return error == -EBADMSG || error == -EPROTO;
}

/* With the lock held: REMOTE failed, and said WHY. */
static void note_failure(struct fetch *f, struct source_state *state, int error, const char *why)
{
	state->counts.failed = io_now(f->io);
	state->counts.last_failure = error;
	snprintf(state->counts.why, sizeof(state->counts.why), "%s", why);
}

/* With the lock held: let it rest, which did not answer. */
static void begin_rest(struct fetch *f, struct source_state *state, int error)
{
	uint64_t jitter;

	io_random(f->io, &jitter, sizeof(jitter));
	state->counts.failures++;
	state->counts.rests++;
	state->last = error;
	if (!state->rest_ms)
		state->counts.silent_since = state->counts.failed;
	state->rest_ms = state->rest_ms ? 2 * state->rest_ms : REST_FIRST_MS;
	if (state->rest_ms > REST_MAX_MS)
		state->rest_ms = REST_MAX_MS;
	state->rests_until_ns =
	    io_monotonic_ns(f->io) + (state->rest_ms - jitter % (state->rest_ms / 2)) * UINT64_C(1000000);
}

/* Note how a remote answered, and let it rest where it failed. */
static void note(struct fetch *f, struct source_state *state, int error)
{
	struct remote *remote = remote_store_remote(state->store);
	char why[REMOTE_WHY_SIZE] = "";
	bool again = false;

	if (error && error != -ENOENT)
		remote_why(remote, why);
	pthread_mutex_lock(&f->lock);
	state->counts.records += error == 0;
	state->counts.wrong += is_wrong(error);
	if (error && error != -ENOENT)
		note_failure(f, state, error, why);
	if (remote_may_pass(error)) {
		begin_rest(f, state, error);
	} else {
		again = state->told;
		state->told = false;
		state->rests_until_ns = 0;
		state->rest_ms = 0;
		state->counts.silent_since = (struct timespec){0};
	}
	pthread_mutex_unlock(&f->lock);
	if (!error)
		atomic_fetch_add_explicit(&f->brought, 1, memory_order_relaxed);
	if (again && f->tell)
		f->tell(f->arg, remote, 0);
}

/* A read begins to wait for the remotes that do not answer. */
static void tell_waiting(struct fetch *f)
{
	for (size_t i = 0; i < f->count; i++) {
		struct source_state *state = &f->states[i];
		bool news;
		int error;

		pthread_mutex_lock(&f->lock);
		news = state->rest_ms && !state->told;
		state->told = state->told || news;
		error = state->last;
		pthread_mutex_unlock(&f->lock);
		if (news && f->tell)
			f->tell(f->arg, remote_store_remote(state->store), error);
	}
}

static int ask(const struct source_state *state, const struct wanted *wanted, struct record *record)
{
	int error = remote_store_check(state->store);

	if (error)
		return error;
	return wanted->is_root ? remote_store_read_root(state->store, &wanted->id, record)
	                       : remote_store_read(state->store, wanted->kind, &wanted->id, &wanted->at, record);
}

/* Whether it may be asked now; else *RESTS says why it rests and *UNTIL_NS how long.  Of those who wait for one that
 * has rested a single one tries: *PROBES. */
static bool may_ask(struct fetch *f, struct source_state *state, bool *probes, int *rests, uint64_t *until_ns)
{
	const uint64_t now = io_monotonic_ns(f->io);
	bool may;

	pthread_mutex_lock(&f->lock);
	may = state->rests_until_ns <= now && !state->probed;
	*probes = may && state->rest_ms;
	if (*probes) {
		state->probed = true;
		state->counts.retries++;
	}
	*rests = state->last;
	*until_ns = state->rests_until_ns > now ? state->rests_until_ns : now + PROBE_MS * UINT64_C(1000000);
	pthread_mutex_unlock(&f->lock);
	return may;
}

/* Ask one remote, unless it rests: -EAGAIN, and *RESTS why; *UNTIL_NS is when it will have rested, by now. */
static int ask_unless_resting(struct fetch *f, struct source_state *state, const struct wanted *wanted,
                              struct record *record, int *rests, uint64_t *until_ns)
{
	bool probes;
	int error;

	if (!may_ask(f, state, &probes, rests, until_ns))
		return -EAGAIN;
	error = ask(state, wanted, record);
	if (!is_unanswered(error))
		note(f, state, error);
	pthread_mutex_lock(&f->lock);
	if (probes)
		state->probed = false;
	*rests = state->last;
	*until_ns = state->rests_until_ns;
	pthread_mutex_unlock(&f->lock);
	return remote_may_pass(error) ? -EAGAIN : error;
}

/*
 * Ask every remote that does not rest, once.  Returns 0, an error that ends everything, or -EAGAIN where one of them
 * may still have it: *FAILURE then says why, and *UNTIL_NS when the first has rested.
 */
static int ask_all(void *arg, const struct wanted *wanted, struct record *record, int *failure, uint64_t *until_ns)
{
	struct fetch *f = arg;
	int said = -ENOENT;

	*failure = 0;
	*until_ns = UINT64_MAX;
	for (size_t i = 0; i < f->count; i++) {
		uint64_t until = UINT64_MAX;
		int rests, error = ask_unless_resting(f, &f->states[i], wanted, record, &rests, &until);

		if (error == 0 || is_unanswered(error))
			return error;
		if (error != -EAGAIN) {
			said = graver(said, error);
			continue;
		}
		*failure = rests;
		if (until < *until_ns)
			*until_ns = until;
	}
	if (*failure)
		tell_waiting(f);
	return *failure ? -EAGAIN : said;
}

/* Sleep until UNTIL_NS, or less where the thread is to give up: -EINTR. */
static int wait_until(struct fetch *f, uint64_t until_ns)
{
	uint64_t now = io_monotonic_ns(f->io);

	while (now < until_ns) {
		uint64_t left_ms = (until_ns - now + 999999) / 1000000;

		if (interrupt_pending())
			return -EINTR;
		io_sleep_ms(f->io, left_ms < INTERRUPT_POLL_MS ? (unsigned)left_ms : INTERRUPT_POLL_MS);
		now = io_monotonic_ns(f->io);
	}
	return 0;
}

/* Wait for it, on this thread. */
static int wait_for(struct fetch *f, const struct wanted *wanted, struct record *record)
{
	const uint64_t began = io_monotonic_ns(f->io);
	const uint64_t wait_ns =
	    f->wait_ms > UINT64_MAX / 1000000 - began / 1000000 ? UINT64_MAX - began : f->wait_ms * UINT64_C(1000000);
	uint64_t until_ns;
	int failure, error;

	for (;;) {
		error = ask_all(f, wanted, record, &failure, &until_ns);
		if (error != -EAGAIN)
			return error;
		if (io_monotonic_ns(f->io) - began >= wait_ns)
			return failure;
		if (until_ns > began + wait_ns)
			until_ns = began + wait_ns;
		error = wait_until(f, until_ns);
		if (error)
			return error;
	}
}

/* What is on this machine.  0; -ENOENT; -ENOMEM. */
static int read_held(struct fetch *f, const struct wanted *wanted, struct record *record)
{
	int error = -ENOENT;

	for (size_t i = 0; i < f->count && error == -ENOENT; i++) {
		struct remote_store *store = f->states[i].store;

		error = wanted->is_root ? remote_store_read_held_root(store, &wanted->id, record)
		                        : remote_store_read_held(store, wanted->kind, &wanted->id, &wanted->at, record);
	}
	return error;
}

static int read_somewhere(struct fetch *f, const struct wanted *wanted, struct record *record)
{
	const bool asked = !f->offline && aside_asked(wanted);
	int error;

	if (!wanted->is_root && !wanted->at.offset)
		return -ENOENT;
	/* What was brought for this ticket is checked already, and nothing that was there before. */
	if (asked && aside_read(f->aside, wanted, record) == 0)
		return 0;
	error = read_held(f, wanted, record);
	if (!error && !asked)
		atomic_fetch_add_explicit(&f->held, 1, memory_order_relaxed);
	if (error != -ENOENT)
		return error;
	if (f->offline)
		return -ENETDOWN;
	return ticket_held() ? aside_read(f->aside, wanted, record) : wait_for(f, wanted, record);
}

static int fetch_wanted(struct fetch *f, const struct wanted *wanted, struct record *record)
{
	answered = read_somewhere(f, wanted, record);
	return answered;
}

int fetch_read(struct fetch *fetch, unsigned kind, const struct id *id, const struct locator *hint,
               struct record *record)
{
	struct wanted wanted = {.kind = kind, .id = *id};

	if (hint)
		wanted.at = *hint;
	return fetch_wanted(fetch, &wanted, record);
}

int fetch_read_root(struct fetch *fetch, const struct id *id, struct record *record)
{
	const struct wanted wanted = {.is_root = true, .kind = RECORD_PAGE, .id = *id};

	return fetch_wanted(fetch, &wanted, record);
}
