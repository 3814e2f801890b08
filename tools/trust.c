#include "tools/trust.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "fs/git/git.h"
#include "tools/fail.h"
#include "tools/shown.h"
#include "tools/url.h"

const char *trust_shown(const struct remotes_item *item)
{
	const char *answer;
	char *text;

	if (!item->endpoint_tracked)
		return url_shown(item->url);
	if (asprintf(&text, "%s' at '%s", item->url, item->endpoint) < 0)
		return "";
	answer = shown(text);
	free(text);
	return answer;
}

static int keep(const struct repo *repo, const struct remotes_item *item, const char *what, const char *value)
{
	char key[REMOTES_NAME_MAX + 32];
	const char *args[] = {"config", "--local", key, value, NULL};
	struct git_run git = {.where = repo_where(repo), .args = args, .flags = GIT_RUN_READING};
	int error;

	snprintf(key, sizeof(key), "revfs.remote.%s.%s", item->name, what);
	error = git_run(&git);
	if (!error && git.status) {
		warn("cannot keep '%s' in this clone's settings: %s", key, git_run_message(&git));
		error = -EACCES;
	}
	git_run_release(&git);
	return error;
}

int trust_keep(const struct repo *repo, struct remotes_item *item, bool *part)
{
	bool url_kept;
	int error = item->url_tracked ? keep(repo, item, "url", item->url) : 0;

	url_kept = item->url_tracked && !error;
	if (!error && item->endpoint_tracked)
		error = keep(repo, item, "endpoint", item->endpoint);
	if (part)
		*part = error && url_kept;
	/* For this command it counts all the same. */
	item->tracked = item->url_tracked = item->endpoint_tracked = false;
	return error;
}
