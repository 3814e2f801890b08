#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "tools/aws/aws_place.h"
#include "tools/command.h"
#include "tools/config.h"
#include "tools/remotes.h"
#include "tools/ssh_program.h"

#define PREFIX "remote."
#define SUFFIX ".url"
#define ENDPOINT ".endpoint"
#define KEY_SIZE (REMOTES_NAME_MAX + 32)

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

int remotes_list_of(struct repo *repo, struct config *config, struct remotes_item **items, size_t *count)
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
	status = remotes_list_of(repo, config, items, count);
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
