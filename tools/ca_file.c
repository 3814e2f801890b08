#include "tools/ca_file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cache/interrupt.h"
#include "fs/git/git.h"
#include "tools/fail.h"
#include "tools/url.h"

#define KEY "http.sslCAInfo"

static int from_settings(const struct repo *repo, const char *url, char **path)
{
	const char *const args[] = {"config", "-z", "--path", "--get-urlmatch", KEY, url, NULL};
	struct git_run run = {.where = repo_where(repo), .args = args, .flags = GIT_RUN_READING};
	int error = git_run(&run);

	if (!error && !run.status && run.output_len > 1) {
		*path = strdup(run.output);
		error = *path ? 0 : -ENOMEM;
	} else if (!is_unanswered(error) && error != -EAGAIN && (error || run.status > 1)) { /* 1: it is not set */
		warn("cannot read the setting '" KEY "': %s", error ? error_text(error) : git_run_message(&run));
		error = 0;
	}
	git_run_release(&run);
	return error;
}

int ca_file_find(const struct repo *repo, const char *url, char **path)
{
	const char *set = getenv("GIT_SSL_CAINFO");
	char *shown;
	int error;

	*path = NULL;
	if (set && *set) {
		*path = strdup(set);
		return *path ? 0 : -ENOMEM;
	}
	shown = url_without_password(url);
	error = shown ? from_settings(repo, shown, path) : -ENOMEM;
	free(shown);
	return error;
}
