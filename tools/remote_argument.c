#include "tools/remote_argument.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/fail.h"
#include "tools/path.h"
#include "tools/shown.h"
#include "tools/ssh_program.h"
#include "tools/trust.h"
#include "tools/url.h"

static const struct remotes_item *find(const struct remote_argument *a, const char *name, const char *url)
{
	for (size_t i = 0; i < a->count; i++) {
		if ((name && !strcmp(a->items[i].name, name)) || (url && !strcmp(a->items[i].url, url)))
			return &a->items[i];
	}
	return NULL;
}

/* TEXT as a URL: a path is made absolute.  malloc'ed; NULL where it can be none. */
static char *url_of(const char *text)
{
	char *url;

	if (strstr(text, "://"))
		return strdup(text);
	if (!strchr(text, '/'))
		return NULL;
	url = realpath(text, NULL);
	return url ? url : path_absolute(text);
}

/* One that the settings do not name goes by its URL. */
static int take_url(struct repo *repo, const char *text, struct remote_argument *a)
{
	a->own.url = url_of(text);
	if (!a->own.url)
		return fail(EXIT_NOT_FOUND,
		            "there is no remote '%s': 'revfs remote' lists them; a folder is written with a '/'",
		            shown(text));
	a->item = find(a, NULL, a->own.url);
	if (a->item)
		return EXIT_DONE;
	a->item = &a->own;
	a->own.name = url_without_password(a->own.url);
	if (!a->own.name)
		return fail(EXIT_SYSTEM, "%s", error_text(-ENOMEM));
	return remote_kind_of(a->own.url) == &remote_kind_ssh ? ssh_program_find(repo, &a->own.ssh_command) : EXIT_DONE;
}

int remote_argument_open(struct repo *repo, const char *text, struct remote_argument *argument)
{
	int status = remotes_list(repo, &argument->items, &argument->count), error;

	if (status)
		return status;
	argument->item = find(argument, text, NULL);
	if (!argument->item)
		status = take_url(repo, text, argument);
	if (status)
		return status;
	error = remotes_open_one(repo, argument->item, &argument->remote);
	if (!error)
		error = remote_store_open(io_system(), argument->remote, NULL, &argument->store);
	if (error == -EPROTONOSUPPORT || error == -EINVAL)
		return fail(EXIT_REFUSED, "no such kind of URL is known: '%s'", url_shown(argument->item->url));
	return error ? fail(exit_code_of(error), "cannot open '%s': %s", url_shown(argument->item->url),
	                    error_text(error))
	             : EXIT_DONE;
}

int remote_argument_check_writing(const struct remote_argument *argument)
{
	if (!argument->item->tracked)
		return EXIT_DONE;
	return fail(EXIT_REFUSED,
	            "only the shared '.revfs/config' names '%s' for the remote '%s': 'revfs remote trust %s' says that "
	            "data may go there",
	            trust_shown(argument->item), argument->item->name, argument->item->name);
}

int remote_argument_fail(const struct remote_argument *argument, const char *what, int error)
{
	char why[REMOTE_WHY_SIZE];

	remote_why(argument->remote, why);
	return fail(remote_may_pass(error) ? EXIT_TEMPORARY : exit_code_of(error), "cannot %s '%s': %s%s%s", what,
	            url_shown(argument->item->url), error_text(error), *why ? ": " : "", why);
}

void remote_argument_release(struct remote_argument *argument)
{
	remote_store_close(argument->store);
	remote_close(argument->remote);
	remotes_list_free(argument->items, argument->count);
	free(argument->own.name);
	free(argument->own.url);
	free(argument->own.ssh_command);
	*argument = (struct remote_argument){0};
}
