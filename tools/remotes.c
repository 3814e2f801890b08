#include "tools/remotes.h"

#include <ctype.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
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
#include "tools/ssh_program.h"
#include "tools/url.h"

#define PREFIX "remote."
#define SUFFIX ".url"
#define CONFIG_WAIT_MS 2000 /* for what HEAD holds of the settings, where git must fetch it */
#define ENDPOINT ".endpoint"
#define KEY_SIZE (REMOTES_NAME_MAX + 32)

struct remotes {
	struct repo *repo;
	struct remotes_wait wait;
	pthread_mutex_t lock; /* of all below; held while they are opened, which asks no remote */
	bool opened;
	struct remote **remotes;
	struct remote_store **stores;
	size_t count;
	struct cached *cached;    /* NULL: there is no place for a cache */
	struct fetch_setup setup; /* what it was opened with */
	struct fetch *fetch;
	struct fetch *one; /* for one remote alone */
};

/* --- what the settings say --- */

bool remotes_is_name(const char *name)
{
	size_t len = strlen(name);

	if (!len || len > REMOTES_NAME_MAX || *name == '.' || *name == '-')
		return false;
	for (; *name; name++) {
		if (!isalnum((unsigned char)*name) && !strchr("-_.", *name))
			return false;
	}
	return true;
}

struct collecting {
	struct remotes_item *items;
	size_t count;
};

/* "remote.NAME.url" names a remote. */
static int collect(void *arg, const struct config_value *value)
{
	struct collecting *c = arg;
	const char *key = value->key;
	size_t len = strlen(key);
	struct remotes_item *items, *item;

	if (strncmp(key, PREFIX, strlen(PREFIX)) != 0 || len <= strlen(PREFIX SUFFIX) ||
	    strcasecmp(key + len - strlen(SUFFIX), SUFFIX) != 0)
		return 0;
	items = reallocarray(c->items, c->count + 1, sizeof(*items));
	if (!items)
		return -ENOMEM;
	c->items = items;
	item = &items[c->count];
	*item = (struct remotes_item){
	    .name = strndup(key + strlen(PREFIX), len - strlen(PREFIX SUFFIX)),
	    .url = strdup(value->value),
	    .url_tracked = value->place == CONFIG_TRACKED,
	};
	c->count++;
	return item->name && item->url ? 0 : -ENOMEM;
}

/* "remote.NAME.endpoint" of the shared file is somebody else's word. */
static int note_endpoint(void *arg, const struct config_value *value)
{
	struct collecting *c = arg;
	const char *key = value->key;
	const size_t len = strlen(key), around = strlen(PREFIX ENDPOINT);

	if (value->place != CONFIG_TRACKED || strncmp(key, PREFIX, strlen(PREFIX)) != 0 || len <= around ||
	    strcasecmp(key + len - strlen(ENDPOINT), ENDPOINT) != 0)
		return 0;
	for (size_t i = 0; i < c->count; i++) {
		struct remotes_item *item = &c->items[i];

		if (strlen(item->name) == len - around && !strncmp(item->name, key + strlen(PREFIX), len - around))
			item->endpoint_tracked = !strncmp(item->url, "s3://", 5) && !aws_place_is_s3(value->value);
	}
	return 0;
}

static int compare_items(const void *a, const void *b)
{
	const struct remotes_item *x = a, *y = b;

	if (x->priority != y->priority)
		return x->priority > y->priority ? -1 : 1;
	return strcmp(x->name, y->name);
}

/* The key of what is set of ITEM as NAME. */
static const char *key_of(const struct remotes_item *item, const char *name, char key[KEY_SIZE])
{
	snprintf(key, KEY_SIZE, PREFIX "%.*s.%s", REMOTES_NAME_MAX, item->name, name);
	return key;
}

/* *TEXT: what is set of ITEM as NAME, or NULL. */
static int read_text(struct config *config, const struct remotes_item *item, const char *name, char **text)
{
	char key[KEY_SIZE];
	const char *set = config_string(config, key_of(item, name, key));

	*text = set ? strdup(set) : NULL;
	return set && !*text ? fail(EXIT_SYSTEM, "%s", error_text(-ENOMEM)) : EXIT_DONE;
}

/* What else is set of ITEM. */
static int complete(struct repo *repo, struct config *config, struct remotes_item *item)
{
	char key[KEY_SIZE];
	int status = read_text(config, item, "endpoint", &item->endpoint);

	if (!status)
		status = read_text(config, item, "region", &item->region);
	if (!status)
		status = read_text(config, item, "program", &item->program);
	if (!status && remote_kind_of(item->url) == &remote_kind_ssh)
		status = ssh_program_find(repo, &item->ssh_command);
	if (!status)
		status = read_text(config, item, "profile", &item->profile);
	if (!status && config_integer(config, key_of(item, "priority", key), &item->priority) == -EINVAL)
		status = EXIT_USAGE;
	return status;
}

/* An endpoint that the user's own AWS settings name, too, is confirmed by them. */
static void judge_endpoint(struct remotes_item *item)
{
	char *region = NULL, *endpoint = NULL;

	if (item->endpoint_tracked && !aws_place_find(item->profile, &region, &endpoint))
		item->endpoint_tracked = !endpoint || !item->endpoint || strcmp(endpoint, item->endpoint) != 0;
	item->tracked = item->url_tracked || item->endpoint_tracked;
	free(region);
	free(endpoint);
}

static int list(struct repo *repo, struct config *config, struct remotes_item **items, size_t *count)
{
	struct collecting c = {0};
	int status = EXIT_DONE;

	if (config_each(config, collect, &c) || config_each(config, note_endpoint, &c))
		status = fail(EXIT_SYSTEM, "%s", error_text(-ENOMEM));
	for (size_t i = 0; i < c.count && !status; i++) {
		if (remotes_is_name(c.items[i].name))
			status = complete(repo, config, &c.items[i]);
	}
	for (size_t i = 0; i < c.count && !status; i++)
		judge_endpoint(&c.items[i]);
	if (status) {
		remotes_list_free(c.items, c.count);
		return status;
	}
	if (c.count)
		qsort(c.items, c.count, sizeof(*c.items), compare_items);
	*items = c.items;
	*count = c.count;
	return EXIT_DONE;
}

int remotes_list(struct repo *repo, struct remotes_item **items, size_t *count)
{
	struct config *config;
	int error = config_open(repo, &config), status;

	if (error)
		return exit_code_of(error);
	status = list(repo, config, items, count);
	config_close(config);
	return status;
}

void remotes_list_free(struct remotes_item *items, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		free(items[i].name);
		free(items[i].url);
		free(items[i].endpoint);
		free(items[i].region);
		free(items[i].program);
		free(items[i].ssh_command);
		free(items[i].profile);
	}
	free(items);
}

/* --- opening them --- */

int remotes_open(struct repo *repo, struct remotes **remotes)
{
	struct remotes *r = calloc(1, sizeof(*r));

	if (!r)
		return -ENOMEM;
	r->repo = repo;
	r->wait = (struct remotes_wait){.usual_s = REMOTES_WAIT_COMMAND_S, .asked_s = -1};
	pthread_mutex_init(&r->lock, NULL);
	*remotes = r;
	return 0;
}

void remotes_close(struct remotes *remotes)
{
	if (!remotes)
		return;
	fetch_close(remotes->one);
	fetch_close(remotes->fetch);
	for (size_t i = 0; i < remotes->count; i++) {
		remote_store_close(remotes->stores[i]);
		remote_close(remotes->remotes[i]);
	}
	cached_close(remotes->cached);
	free(remotes->stores);
	free(remotes->remotes);
	pthread_mutex_destroy(&remotes->lock);
	free(remotes);
}

void remotes_set_wait(struct remotes *remotes, const struct remotes_wait *wait)
{
	remotes->wait = *wait;
}

/* How long reads wait, of what was asked for, what is set and what is usual. */
static uint64_t wait_ms(const struct remotes *r, struct config *config)
{
	const char *set = config_string(config, "io-timeout");
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
	uint64_t wait = (uint64_t)remotes->wait.usual_s * 1000;
	struct config *config;

	if (!config_open(remotes->repo, &config)) {
		wait = wait_ms(remotes, config);
		config_close(config);
	}
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

/* Open one; what cannot be used is named and left out. */
static void add(struct remotes *r, const struct remotes_item *item)
{
	struct remote *remote;
	int error = remotes_open_one(r->repo, item, &remote);

	if (error) {
		char *url = url_public(item->url);

		warn("the remote '%s' is left out: %s: '%s'", item->name,
		     error == -EPROTONOSUPPORT ? "no such kind of URL is known"
		     : error == -EINVAL        ? "not a URL"
		                               : error_text(error),
		     url ? url : "");
		free(url);
		return;
	}
	if (remote_store_open(io_system(), remote, r->cached, &r->stores[r->count])) {
		remote_close(remote);
		return;
	}
	r->remotes[r->count++] = remote;
}

/* Reading goes on without one. */
static void open_cache(struct remotes *r, struct config *config)
{
	struct cache_place place;
	int error;

	if (!cache_place_find(config, &place)) {
		error = cache_place_open(&place, &r->cached);
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

static void open_all(struct remotes *r)
{
	struct fetch_setup setup = {.io = io_system()};
	struct remotes_item *items = NULL;
	struct config *config;
	size_t count = 0;
	struct ticket *held = ticket_held();
	int error;

	/* Nobody asks a second time for what is found here. */
	ticket_hold(NULL);
	error = config_open(r->repo, &config);
	ticket_hold(held);
	if (error)
		return;
	setup.wait_ms = wait_ms(r, config);
	if (list(r->repo, config, &items, &count))
		count = 0;
	if (count)
		open_cache(r, config);
	config_close(config);
	setup.offline = r->wait.offline;
	setup.tell = r->wait.log ? log_remote : NULL;
	r->remotes = calloc(count + 1, sizeof(struct remote *));
	r->stores = calloc(count + 1, sizeof(struct remote_store *));
	for (size_t i = 0; r->remotes && r->stores && i < count; i++)
		add(r, &items[i]);
	remotes_list_free(items, count);
	setup.stores = r->stores;
	setup.count = r->count;
	r->setup = setup;
	if (r->count && fetch_open(&setup, &r->fetch))
		r->fetch = NULL;
}

struct fetch *remotes_fetch(void *arg)
{
	struct remotes *r = arg;
	struct fetch *fetch;

	pthread_mutex_lock(&r->lock);
	if (!r->opened)
		open_all(r);
	r->opened = true;
	fetch = r->fetch;
	pthread_mutex_unlock(&r->lock);
	return fetch;
}

size_t remotes_stores(struct remotes *remotes, struct remote_store *const **stores, struct cached **cached)
{
	remotes_fetch(remotes);
	*stores = remotes->stores;
	if (cached)
		*cached = remotes->cached;
	return remotes->count;
}

struct fetch *remotes_fetch_one(struct remotes *remotes, const char *name, struct remote_store *const **store)
{
	struct fetch_setup setup;

	remotes_fetch(remotes);
	setup = remotes->setup;
	setup.count = 1;
	for (size_t i = 0; i < remotes->count && !remotes->one; i++) {
		setup.stores = *store = &remotes->stores[i];
		if (!strcmp(remote_name(remotes->remotes[i]), name) && fetch_open(&setup, &remotes->one))
			remotes->one = NULL;
	}
	return remotes->one;
}

const char *remotes_why(struct remotes *remotes, char why[REMOTES_WHY_SIZE])
{
	char said[REMOTE_WHY_SIZE] = "";

	why[0] = '\0';
	pthread_mutex_lock(&remotes->lock);
	for (size_t i = 0; i < remotes->count && !*said; i++) {
		remote_why(remotes->remotes[i], said);
		if (*said)
			snprintf(why, REMOTES_WHY_SIZE, "; the remote '%s': %s", remote_name(remotes->remotes[i]),
			         said);
	}
	pthread_mutex_unlock(&remotes->lock);
	return why;
}
