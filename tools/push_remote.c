#include "tools/push_remote.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tools/fail.h"
#include "tools/trust.h"
#include "tools/url.h"

static struct remotes_item *find_item(const struct push_remote *to, const char *name)
{
	for (size_t i = 0; name && i < to->count; i++) {
		if (!strcmp(to->items[i].name, name))
			return &to->items[i];
	}
	return NULL;
}

/* A place that only the shared file names is somebody else's word: data goes there once the user said so. */
static int confirm(struct repo *repo, bool yes, bool dry, const struct push_remote *to)
{
	char answer[8] = "";
	int error;

	if (!to->item->tracked || dry)
		return EXIT_DONE;
	if (!yes && isatty(STDIN_FILENO) && isatty(STDERR_FILENO)) {
		fprintf(stderr, "'.revfs/config' names '%s' for the remote '%s'.  Push there? [y/N] ",
		        trust_shown(to->item), to->item->name);
		if (!fgets(answer, sizeof(answer), stdin))
			answer[0] = '\0';
	}
	if (!yes && answer[0] != 'y' && answer[0] != 'Y')
		return fail(EXIT_REFUSED,
		            "only the shared '.revfs/config' names '%s' for the remote '%s': 'revfs push --yes' pushes "
		            "there, now and later",
		            trust_shown(to->item), to->item->name);
	error = trust_keep(repo, to->item, NULL);
	return error && error != -EACCES ? fail(exit_code_of(error), "cannot run 'git config': %s", error_text(error))
	                                 : EXIT_DONE;
}

int push_remote_open(struct repo *repo, const char *name, bool yes, bool dry, struct push_remote *to, bool *named)
{
	int status = remotes_list(repo, &to->items, &to->count), error;

	if (status)
		return status;
	if (!to->count)
		return fail(EXIT_NOT_FOUND, "there is no remote: 'revfs remote add NAME URL' names one");
	to->item = find_item(to, name);
	*named = to->item;
	if (!to->item)
		to->item = &to->items[0];
	status = confirm(repo, yes, dry, to);
	if (status)
		return status;
	error = remotes_open_one(repo, to->item, &to->remote);
	if (!error)
		error = remote_store_open(io_system(), to->remote, NULL, &to->store);
	if (error == -EPROTONOSUPPORT || error == -EINVAL)
		return fail(EXIT_REFUSED, "the URL of the remote '%s' is of no kind that is known: '%s'",
		            to->item->name, url_shown(to->item->url));
	return error ? fail(exit_code_of(error), "cannot open the remote '%s': %s", to->item->name, error_text(error))
	             : EXIT_DONE;
}

void push_remote_close(struct push_remote *to)
{
	remote_store_close(to->store);
	remote_close(to->remote);
	remotes_list_free(to->items, to->count);
}

const char *push_remote_more(const struct push_remote *to, char text[PUSH_REMOTE_MORE_SIZE])
{
	char why[REMOTE_WHY_SIZE];

	remote_why(to->remote, why);
	snprintf(text, PUSH_REMOTE_MORE_SIZE, "%s%s", *why ? ": " : "", why);
	return text;
}

int push_remote_fail(const struct push_remote *to, const char *what, int error)
{
	char more[PUSH_REMOTE_MORE_SIZE];

	return fail(remote_may_pass(error) ? EXIT_TEMPORARY : exit_code_of(error),
	            "cannot %s the remote '%s' (%s): %s%s", what, to->item->name, url_shown(to->item->url),
	            error_text(error), push_remote_more(to, more));
}
