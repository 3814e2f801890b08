#include "tools/named_remote.h"

#include <errno.h>
#include <string.h>

#include "tools/fail.h"
#include "tools/url.h"

int named_remote_open(struct repo *repo, const char *name, struct named_remote *named)
{
	int status, error;

	*named = (struct named_remote){0};
	status = remotes_list(repo, &named->items, &named->count);
	if (status)
		return status;
	for (size_t i = 0; i < named->count && !named->item; i++) {
		if (!strcmp(named->items[i].name, name))
			named->item = &named->items[i];
	}
	if (!named->item)
		return fail(EXIT_NOT_FOUND, "there is no remote '%s': 'revfs remote' lists them", name);
	error = remotes_open_one(repo, named->item, &named->remote);
	if (!error)
		error = remote_store_open(io_system(), named->remote, NULL, &named->store);
	if (error == -EPROTONOSUPPORT || error == -EINVAL)
		return fail(EXIT_REFUSED, "the URL of the remote '%s' is of no kind that is known: '%s'", name,
		            url_shown(named->item->url));
	return error ? fail(exit_code_of(error), "cannot open the remote '%s': %s", name, error_text(error))
	             : EXIT_DONE;
}

void named_remote_close(struct named_remote *named)
{
	remote_store_close(named->store);
	remote_close(named->remote);
	remotes_list_free(named->items, named->count);
	*named = (struct named_remote){0};
}

int named_remote_fail(const struct named_remote *named, const char *what, int error)
{
	char why[REMOTE_WHY_SIZE];

	if (error == -EOPNOTSUPP)
		return fail(EXIT_REFUSED, "cannot %s the remote '%s' (%s): such a remote cannot list what it has", what,
		            named->item->name, url_shown(named->item->url));
	remote_why(named->remote, why);
	return fail(remote_may_pass(error) ? EXIT_TEMPORARY : exit_code_of(error),
	            "cannot %s the remote '%s' (%s): %s%s%s", what, named->item->name, url_shown(named->item->url),
	            error_text(error), *why ? ": " : "", why);
}

int named_remote_check(const struct named_remote *named)
{
	int error = remote_store_check(named->store);

	if (error == -ENOENT || error == -EHOSTDOWN)
		return fail(EXIT_TEMPORARY, "there is no store at the remote '%s' (%s): is it mounted?",
		            named->item->name, url_shown(named->item->url));
	if (error == -ENOTSUP)
		return fail(EXIT_REFUSED,
		            "the store at the remote '%s' was written by a later version of revfs: upgrade this one",
		            named->item->name);
	return error ? named_remote_fail(named, "use", error) : EXIT_DONE;
}
