#include "tools/remotes.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>

#include "cache/aside.h"
#include "cache/interrupt.h"
#include "tools/aws/aws_place.h"
#include "tools/ca_file.h"
#include "tools/cache_place.h"
#include "tools/command.h"
#include "tools/config.h"
#include "tools/credentials.h"
#include "tools/duration.h"
#include "tools/url.h"

#define CONFIG_WAIT_MS 2000 /* for what HEAD holds of the settings, where git must fetch it */
#define OPEN_WAIT_MS 30000  /* for `git config` and its like, where others wait for the thread */

/* What is read from. */
struct opened {
	struct remote **remotes;
	struct remote_store **stores;
	size_t count;
	struct cached *cached;    /* NULL: there is no place for a cache */
	struct fetch_setup setup; /* what it was opened with */
	struct fetch *fetch;
};

struct remotes {
	struct repo *repo;
	struct remotes_wait wait;
	pthread_mutex_t lock; /* of all below; not held while they are opened */
	pthread_cond_t changed;
	bool opening;         /* a thread is at it */
	bool is_opened;       /* what was opened stays as it is */
	struct opened opened; /* nothing before */
	struct fetch *one;    /* for one remote alone */
};

int remotes_open(struct repo *repo, struct remotes **remotes)
{
	struct remotes *r = calloc(1, sizeof(*r));

	if (!r)
		return -ENOMEM;
	r->repo = repo;
	r->wait = (struct remotes_wait){.usual_s = REMOTES_WAIT_COMMAND_S, .asked_s = -1};
	pthread_mutex_init(&r->lock, NULL);
	pthread_cond_init(&r->changed, NULL);
	*remotes = r;
	return 0;
}

static void release(struct opened *o)
{
	fetch_close(o->fetch);
	for (size_t i = 0; i < o->count; i++) {
		remote_store_close(o->stores[i]);
		remote_close(o->remotes[i]);
	}
	cached_close(o->cached);
	free(o->stores);
	free(o->remotes);
}

void remotes_close(struct remotes *remotes)
{
	if (!remotes)
		return;
	fetch_close(remotes->one);
	release(&remotes->opened);
	pthread_cond_destroy(&remotes->changed);
	pthread_mutex_destroy(&remotes->lock);
	free(remotes);
}

void remotes_set_wait(struct remotes *remotes, const struct remotes_wait *wait)
{
	remotes->wait = *wait;
}

/* How long reads wait, of what was asked for, what is set in CONFIG (NULL: nothing) and what is usual. */
static uint64_t wait_ms(const struct remotes *r, struct config *config)
{
	const char *set = config ? config_string(config, "io-timeout") : NULL;
	int64_t seconds = r->wait.asked_s;

	if (seconds < 0 && set && duration_parse(set, &seconds)) {
		warn("the setting 'io-timeout' is no length of time: '%s'", set);
		seconds = -1;
	}
	if (seconds < 0)
		seconds = r->wait.usual_s;
	return seconds ? (uint64_t)seconds * 1000 : FETCH_FOR_EVER;
}

/* *PATH: of the authorities that are trusted for what is reached by URL. */
static int find_ca_file(const struct repo *repo, const struct remote_setup *setup, char **path)
{
	const char *url = setup->url;

	if (remote_kind_of(url) == &remote_kind_s3)
		url = setup->endpoint ? setup->endpoint : "https://s3.amazonaws.com/";
	else if (remote_kind_of(url) != &remote_kind_http)
		return 0;
	return ca_file_find(repo, url, path);
}

uint64_t remotes_wait_ms(struct remotes *remotes)
{
	const uint64_t limit = interrupt_limit(CONFIG_WAIT_MS);
	struct config *config = NULL;
	uint64_t wait;

	if (config_open(remotes->repo, &config))
		config = NULL;
	wait = wait_ms(remotes, config);
	config_close(config);
	interrupt_unlimit(limit);
	return wait;
}

int remotes_open_one(const struct repo *repo, const struct remotes_item *item, struct remote **remote)
{
	char *region = NULL, *endpoint = NULL, *ca_file = NULL;
	struct remote_setup setup = {
	    .io = io_system(),
	    .name = item->name,
	    .url = item->url,
	    .endpoint = item->endpoint,
	    .region = item->region,
	    .ssh_command = item->ssh_command,
	    .program = item->program,
	};
	char *public_url = url_public(item->url);
	int error;

	setup.public_url = public_url ? public_url : "";
	if (!strncmp(item->url, "s3://", 5) && !aws_place_find(item->profile, &region, &endpoint)) {
		setup.region = item->region ? item->region : region;
		setup.endpoint = item->endpoint ? item->endpoint : endpoint;
	}
	error = find_ca_file(repo, &setup, &ca_file);
	setup.ca_file = ca_file;
	if (!error)
		error = credentials_open(repo, item, &setup.credentials);
	if (!error)
		error = remote_open(&setup, remote);
	free(ca_file);
	free(region);
	free(endpoint);
	free(public_url);
	return error;
}

/* Whether ERROR says nothing about a remote, nor about the settings: it is tried again. */
static bool may_pass(int error)
{
	return is_unanswered(error) || error == -EAGAIN || error == -ETIMEDOUT;
}

static void say_left_out(const struct remotes_item *item, int error)
{
	char *url = url_public(item->url);

	warn("the remote '%s' is left out: %s: '%s'", item->name,
	     error == -EPROTONOSUPPORT ? "no such kind of URL is known"
	     : error == -EINVAL        ? "not a URL"
	                               : error_text(error),
	     url ? url : "");
	free(url);
}

/* Open one; what cannot be used is named and left out. */
static int add(const struct remotes *r, const struct remotes_item *item, struct opened *o)
{
	struct remote *remote;
	int error = remotes_open_one(r->repo, item, &remote);

	if (error) {
		if (!may_pass(error))
			say_left_out(item, error);
		return may_pass(error) ? error : 0;
	}
	error = remote_store_open(io_system(), remote, o->cached, &o->stores[o->count]);
	if (error) {
		remote_close(remote);
		return may_pass(error) ? error : 0;
	}
	o->remotes[o->count++] = remote;
	return 0;
}

/* Reading goes on without one. */
static void open_cache(struct config *config, struct cached **cached)
{
	struct cache_place place;
	int error;

	if (!cache_place_find(config, &place)) {
		error = cache_place_open(&place, cached);
		if (error)
			warn("there is no cache: cannot open '%s': %s", place.path, error_text(error));
	}
	cache_place_release(&place);
}

static void log_remote(void *arg, struct remote *remote, int error)
{
	char why[REMOTE_WHY_SIZE] = "";

	(void)arg;
	if (!error) {
		syslog(LOG_NOTICE, "the remote '%s' answers again", remote_name(remote));
		return;
	}
	remote_why(remote, why);
	syslog(LOG_WARNING, "the remote '%s' does not answer: %s%s%s; reads wait for it", remote_name(remote),
	       error_text(error), *why ? ": " : "", why);
}

/* The items that the settings name.  What is wrong with them was said: then there are none. */
static int find_items(struct remotes *r, struct config *config, struct remotes_item **items, size_t *count)
{
	int status = remotes_list_of(r->repo, config, items, count);

	if (!status || status == EXIT_USAGE)
		return 0;
	return interrupt_pending() ? -EINTR : -EIO;
}

/* Whatever was opened is in *O, on errors, too. */
static int open_items(const struct remotes *r, struct config *config, const struct remotes_item *items, size_t count,
                      struct opened *o)
{
	int error = 0;

	if (!count)
		return 0;
	open_cache(config, &o->cached);
	o->remotes = calloc(count, sizeof(struct remote *));
	o->stores = calloc(count, sizeof(struct remote_store *));
	if (!o->remotes || !o->stores)
		return -ENOMEM;
	for (size_t i = 0; i < count && !error; i++)
		error = add(r, &items[i], o);
	o->setup.stores = o->stores;
	o->setup.count = o->count;
	if (!error && o->count)
		error = fetch_open(&o->setup, &o->fetch);
	if (error)
		o->fetch = NULL;
	return error;
}

/* Who holds a ticket waits for no git that has to fetch the settings: -EINPROGRESS. */
static int open_all(struct remotes *r, struct opened *o)
{
	struct remotes_item *items = NULL;
	struct config *config;
	size_t count = 0;
	int error = config_open(r->repo, &config);

	/* That was said. */
	if (error == -EBADMSG)
		return 0;
	if (error)
		return error;
	o->setup = (struct fetch_setup){
	    .io = io_system(),
	    .wait_ms = wait_ms(r, config),
	    .offline = r->wait.offline,
	    .tell = r->wait.log ? log_remote : NULL,
	};
	error = find_items(r, config, &items, &count);
	if (!error)
		error = open_items(r, config, items, count, o);
	remotes_list_free(items, count);
	config_close(config);
	return error;
}

/* With the lock held, which is let go of meanwhile: open them, unless somebody has.  What failed is tried again by the
 * next who asks. */
static int open_once(struct remotes *r)
{
	struct opened o = {0};
	int error = 0;

	while (r->opening && !error)
		error = interrupt_wait(&r->changed, &r->lock);
	if (error || r->is_opened)
		return error;
	r->opening = true;
	pthread_mutex_unlock(&r->lock);
	error = open_all(r, &o);
	if (error)
		release(&o);
	pthread_mutex_lock(&r->lock);
	if (!error) {
		r->opened = o;
		r->is_opened = true;
	}
	r->opening = false;
	pthread_cond_broadcast(&r->changed);
	return error;
}

static int find(struct remotes *r, struct fetch **fetch)
{
	int error = 0;

	pthread_mutex_lock(&r->lock);
	if (!r->is_opened)
		error = open_once(r);
	*fetch = error ? NULL : r->opened.fetch;
	pthread_mutex_unlock(&r->lock);
	return error;
}

int remotes_find(void *arg, struct fetch **fetch)
{
	struct remotes *r = arg;
	uint64_t limit;
	int error;

	if (!r->wait.serves)
		return find(r, fetch);
	limit = interrupt_limit(OPEN_WAIT_MS);
	error = find(r, fetch);
	return interrupt_unlimit(limit) && error == -EINTR ? -ETIMEDOUT : error;
}

struct fetch *remotes_fetch(struct remotes *remotes)
{
	struct fetch *fetch;

	find(remotes, &fetch);
	return fetch;
}

size_t remotes_stores(struct remotes *remotes, struct remote_store *const **stores, struct cached **cached)
{
	remotes_fetch(remotes);
	*stores = remotes->opened.stores;
	if (cached)
		*cached = remotes->opened.cached;
	return remotes->opened.count;
}

struct fetch *remotes_fetch_one(struct remotes *remotes, const char *name, struct remote_store *const **store)
{
	struct fetch_setup setup;

	remotes_fetch(remotes);
	setup = remotes->opened.setup;
	setup.count = 1;
	for (size_t i = 0; i < remotes->opened.count && !remotes->one; i++) {
		setup.stores = *store = &remotes->opened.stores[i];
		if (!strcmp(remote_name(remotes->opened.remotes[i]), name) && fetch_open(&setup, &remotes->one))
			remotes->one = NULL;
	}
	return remotes->one;
}

const char *remotes_why(struct remotes *remotes, char why[REMOTES_WHY_SIZE])
{
	char said[REMOTE_WHY_SIZE] = "";

	why[0] = '\0';
	pthread_mutex_lock(&remotes->lock);
	for (size_t i = 0; i < remotes->opened.count && !*said; i++) {
		remote_why(remotes->opened.remotes[i], said);
		if (*said)
			snprintf(why, REMOTES_WHY_SIZE, "; the remote '%s': %s",
			         remote_name(remotes->opened.remotes[i]), said);
	}
	pthread_mutex_unlock(&remotes->lock);
	return why;
}
