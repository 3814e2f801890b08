/*
 * revfs remote: where copies of the data lie.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fs/git/git.h"
#include "tools/commands.h"
#include "tools/output.h"
#include "tools/path.h"
#include "tools/remotes.h"
#include "tools/session.h"
#include "tools/setup.h"
#include "tools/shown.h"
#include "tools/trust.h"
#include "tools/url.h"

/* A verb and how many arguments it takes. */
struct verb {
	const char *name;
	unsigned arguments;
	int (*run)(struct session *s, char **arguments);
};

/* --- looking --- */

static int list(struct session *s, char **arguments)
{
	struct remotes_item *items;
	json_t *rows;
	size_t count;
	int status = remotes_list(s->repo, &items, &count);

	(void)arguments;
	if (status)
		return status;
	rows = json_array();
	for (size_t i = 0; i < count; i++) {
		json_t *row = json_object();

		output_json_path(row, "name", items[i].name);
		output_json_path(row, "url", items[i].url);
		json_object_set_new(row, "priority", json_integer((json_int_t)items[i].priority));
		json_object_set_new(row, "tracked", json_boolean(items[i].tracked));
		json_array_append_new(rows, row);
		if (!globals.json)
			printf("%s\t%s\n", shown(items[i].name), url_shown(items[i].url));
	}
	if (globals.json)
		output_json(stdout, json_pack("{sO}", "remotes", rows));
	json_decref(rows);
	remotes_list_free(items, count);
	return EXIT_DONE;
}

/* Whether there is a remote NAME; prints errors of reading.  1, 0 or -1. */
static int is_there(struct session *s, const char *name)
{
	struct remotes_item *items;
	size_t count;
	int found = 0;

	if (remotes_list(s->repo, &items, &count))
		return -1;
	for (size_t i = 0; i < count; i++)
		found |= !strcmp(items[i].name, name);
	remotes_list_free(items, count);
	return found;
}

/* --- changing --- */

/* Run git config with what follows; *STATUS is its exit status.  Returns 0 or an exit status, said. */
static int git_config(struct session *s, const char *file, const char *const *arguments, int *status)
{
	const char *args[8] = {"config"};
	struct git_run run = {.where = repo_where(s->repo), .args = args, .flags = GIT_RUN_READING | GIT_RUN_LOCKING};
	size_t n = 1;
	int error;

	args[n++] = file ? "--file" : "--local";
	if (file)
		args[n++] = file;
	for (; *arguments; arguments++)
		args[n++] = *arguments;
	error = git_run(&run);
	if (error)
		*status = fail(exit_code_of(error), "cannot run 'git config': %s", error_text(error));
	else if (run.status && run.errors_len)
		error = fail(EXIT_REFUSED, "'git config' refused that: %s", git_run_message(&run));
	else
		*status = run.status;
	git_run_release(&run);
	return error ? (error > 0 ? error : *status) : EXIT_DONE;
}

/* The tracked file; NULL in a bare repository.  malloc'ed. */
static char *tracked_path(const struct session *s)
{
	const char *tree = repo_work_tree(s->repo);

	return tree ? path_join(tree, SETUP_PATH) : NULL;
}

/* Set the URL in the tracked file, where there is one that it may stand in, and in this clone's own settings. */
static int set(struct session *s, const char *name, const char *url)
{
	char tracked_key[REMOTES_NAME_MAX + 32], own_key[REMOTES_NAME_MAX + 32];
	char *file = tracked_path(s);
	const char *tracked[] = {tracked_key, url, NULL}, *own[] = {own_key, url, NULL};
	bool made;
	int status = EXIT_DONE, said;

	snprintf(tracked_key, sizeof(tracked_key), "remote.%s.url", name);
	snprintf(own_key, sizeof(own_key), "revfs.remote.%s.url", name);
	if (file && !url_has_user(url)) {
		status = setup_config(s->repo, &made);
		if (!status)
			status = git_config(s, file, tracked, &said);
		if (!status)
			status = setup_stage(s->repo);
	}
	if (!status)
		status = git_config(s, NULL, own, &said);
	if (!status && file && url_has_user(url) && !globals.quiet)
		puts("kept in this clone alone, since the URL names a user");
	free(file);
	return status;
}

/* A path as it was typed is made absolute; what else is no URL that we know is refused.  *URL malloc'ed. */
static int check_url(const char *typed, char **url)
{
	struct remote *remote;
	int error;

	*url = NULL;
	if (*typed == '-')
		return fail_usage("'%s' is no URL", typed);
	if (strstr(typed, "://") || *typed == '/') {
		if (!remote_kind_of(typed))
			return fail(
			    EXIT_REFUSED,
			    "no remote of the kind '%s' is known: a path, file://, http://, https://, s3:// and "
			    "ssh:// are",
			    typed);
		error = remote_open(&(struct remote_setup){.io = io_system(), .name = "new", .url = typed}, &remote);
		if (error)
			return fail_usage("'%s' is no URL of a store", url_shown(typed));
		remote_close(remote);
		*url = strdup(typed);
	} else {
		*url = realpath(typed, NULL);
		/* As scp and git write it; a folder of such a name is written with "./" in front. */
		if (!*url && errno == ENOENT && typed[strcspn(typed, ":/")] == ':')
			return fail_usage(
			    "'%s' is no path here; a folder of another machine is written ssh://HOST/PATH",
			    shown(typed));
		if (!*url && errno == ENOENT)
			*url = path_absolute(typed);
		if (!*url)
			return fail(exit_code_of(-errno), "cannot find '%s': %s", shown(typed), strerror(errno));
	}
	return *url ? EXIT_DONE : fail(EXIT_SYSTEM, "%s", error_text(-ENOMEM));
}

static int check_name(const char *name)
{
	if (remotes_is_name(name))
		return EXIT_DONE;
	return fail_usage("'%s' is no name for a remote: letters, digits, '-', '_' and '.' are", name);
}

static int no_such(const char *name)
{
	return fail(EXIT_NOT_FOUND, "there is no remote '%s': 'revfs remote' lists them", shown(name));
}

static int add(struct session *s, char **arguments)
{
	char *url;
	int status = check_name(arguments[0]), found;

	if (!status)
		status = check_url(arguments[1], &url);
	if (status)
		return status;
	found = is_there(s, arguments[0]);
	if (found > 0)
		status = fail(EXIT_REFUSED, "there is a remote '%s' already: 'revfs remote set-url' changes it",
		              arguments[0]);
	else
		status = found < 0 ? EXIT_SYSTEM : set(s, arguments[0], url);
	free(url);
	return status;
}

static int set_url(struct session *s, char **arguments)
{
	char *url;
	int status = check_url(arguments[1], &url), found;

	if (status)
		return status;
	found = is_there(s, arguments[0]);
	status = found > 0 ? set(s, arguments[0], url) : found < 0 ? EXIT_SYSTEM : no_such(arguments[0]);
	free(url);
	return status;
}

/* What the shared file says of ITEM counts as the user's own word from now on. */
static int trust_item(struct session *s, struct remotes_item *item)
{
	const struct remotes_item before = *item;
	bool part = false;
	int error = item->tracked ? trust_keep(s->repo, item, &part) : 0;

	if (error)
		return fail(error == -EACCES ? EXIT_REFUSED : exit_code_of(error), "cannot keep %s of '%s': %s%s",
		            part ? "the endpoint" : "the place", item->name,
		            error == -EACCES ? "git refused" : error_text(error),
		            part ? "; its URL is kept" : "; nothing is kept");
	if (!globals.quiet)
		printf("%s: '%s'%s\n", item->name, trust_shown(&before),
		       before.tracked ? "" : " is this clone's own word already");
	return EXIT_DONE;
}

static int trust(struct session *s, char **arguments)
{
	struct remotes_item *items, *item = NULL;
	size_t count;
	int status = remotes_list(s->repo, &items, &count);

	if (status)
		return status;
	for (size_t i = 0; i < count && !item; i++)
		item = !strcmp(items[i].name, arguments[0]) ? &items[i] : NULL;
	status = item ? trust_item(s, item) : no_such(arguments[0]);
	remotes_list_free(items, count);
	return status;
}

/* What is set outside of this repository is not ours to remove. */
static int remove_remote(struct session *s, char **arguments)
{
	char tracked_key[REMOTES_NAME_MAX + 32], own_key[REMOTES_NAME_MAX + 32];
	const char *tracked[] = {"--remove-section", tracked_key, NULL}, *own[] = {"--remove-section", own_key, NULL};
	const char *has_tracked[] = {"--get-regexp", tracked_key, NULL}, *has_own[] = {"--get-regexp", own_key, NULL};
	char *file = tracked_path(s);
	int status = check_name(arguments[0]), said = 1;

	if (!status && is_there(s, arguments[0]) <= 0)
		status = no_such(arguments[0]);
	snprintf(tracked_key, sizeof(tracked_key), "remote.%s", arguments[0]);
	snprintf(own_key, sizeof(own_key), "revfs.remote.%s", arguments[0]);
	if (!status && file)
		status = git_config(s, file, has_tracked, &said);
	if (!status && file && !said) {
		status = git_config(s, file, tracked, &said);
		if (!status)
			status = setup_stage(s->repo);
	}
	if (!status)
		status = git_config(s, NULL, has_own, &said);
	if (!status && !said)
		status = git_config(s, NULL, own, &said);
	if (!status && is_there(s, arguments[0]) > 0)
		status = fail(EXIT_REFUSED,
		              "'%s' is set outside of this repository, too: 'revfs config --show-origin' "
		              "says where",
		              arguments[0]);
	free(file);
	return status;
}

static const struct verb verbs[] = {
    {"add", 2, add}, {"list", 0, list}, {"remove", 1, remove_remote}, {"set-url", 2, set_url}, {"trust", 1, trust},
};

static const struct verb *find_verb(const char *name)
{
	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
		if (!strcmp(verbs[i].name, name))
			return &verbs[i];
	}
	return NULL;
}

static int run(int argc, char **argv)
{
	const struct verb *verb;
	struct session session;
	int status;

	while (command_option_shared(&command_remote, argc, argv, "", NULL, COMMAND_JSON, NULL) != -1)
		;
	verb = find_verb(optind < argc ? argv[optind] : "list");
	if (!verb)
		return fail_usage("'%s' is not one of add, list, remove, set-url, trust", argv[optind]);
	if (optind < argc && (unsigned)(argc - optind - 1) != verb->arguments)
		return fail_usage("'revfs remote %s' takes %u arguments", verb->name, verb->arguments);
	status = session_open(&session, SESSION_REPO);
	if (status)
		return status;
	status = verb->run(&session, argv + optind + 1);
	session_close(&session);
	return status;
}

const struct command command_remote = {
    .name = "remote",
    .run = run,
    .usage = "revfs remote [list] [--json]\n"
	     "revfs remote add NAME URL\n"
	     "revfs remote set-url NAME URL\n"
	     "revfs remote remove NAME\n"
	     "revfs remote trust NAME",
    .summary = "where copies of the data lie",
};
