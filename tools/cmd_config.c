/*
 * revfs config: what is set, and where.  Setting is done with `git config revfs.KEY`.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tools/commands.h"
#include "tools/config.h"
#include "tools/nearest.h"
#include "tools/output.h"
#include "tools/setting.h"

struct printing {
	const char *key; /* only this one; NULL: all */
	bool origin;
	bool z;
	size_t count;
	json_t *list; /* with --json */
};

/* Whether KEY may be asked for: a known setting, or one of a remote. */
static bool is_known(const char *key)
{
	return setting_find(key) || strncmp(key, "remote.", 7) == 0;
}

static void nearest_setting(const char *key, struct nearest *nearest)
{
	size_t count;
	const struct setting *settings = setting_all(&count);

	*nearest = (struct nearest){.wanted = key};
	for (size_t i = 0; i < count; i++)
		nearest_offer(nearest, settings[i].key);
}

/* A typing error in a key would otherwise stay unseen for ever. */
static void warn_of_unknown(const struct config_value *value)
{
	struct nearest nearest;

	nearest_setting(value->key, &nearest);
	if (nearest.count > 0)
		warn("there is no setting '%s' (%s); did you mean '%s'?", value->key, value->origin,
		     nearest.best[0].name);
	else
		warn("there is no setting '%s' (%s)", value->key, value->origin);
	nearest_release(&nearest);
}

static void print_json(struct printing *p, const struct config_value *value)
{
	json_t *item = json_object();

	output_json_path(item, "key", value->key);
	output_json_path(item, "value", value->value);
	output_json_path(item, "origin", value->origin);
	json_array_append_new(p->list, item);
}

static int print_value(void *arg, const struct config_value *value)
{
	struct printing *p = arg;

	if (p->key && !setting_key_equal(p->key, value->key))
		return 0;
	p->count++;
	if (!p->key && !is_known(value->key))
		warn_of_unknown(value);
	if (p->list) {
		print_json(p, value);
		return 0;
	}
	if (p->origin)
		printf("%s%c", value->origin, p->z ? '\0' : '\t');
	if (!p->key)
		printf("%s%c", value->key, p->z ? '\n' : '=');
	printf("%s%c", value->value, p->z ? '\0' : '\n');
	return 0;
}

static int unknown_setting(const char *key)
{
	struct nearest nearest;
	int status;

	nearest_setting(key, &nearest);
	if (nearest.count > 0)
		status =
		    fail(EXIT_NOT_FOUND, "there is no setting '%s'; did you mean '%s'?", key, nearest.best[0].name);
	else
		status = fail(EXIT_NOT_FOUND, "there is no setting '%s': revfs-config(1) describes them all", key);
	nearest_release(&nearest);
	return status;
}

static int print(struct printing *p)
{
	struct repo *repo = NULL;
	struct config *config = NULL;
	int status = EXIT_DONE;

	/* Outside a repository the user's and the system's settings are still there. */
	if (repo_open(".", REPO_ANY, &repo, NULL))
		repo = NULL;
	int ret = config_open(repo, &config);
	if (ret) {
		status = exit_code_of(ret);
		goto out;
	}
	if (globals.json)
		p->list = json_array();
	ret = config_each(config, print_value, p);
	if (ret)
		status = fail(exit_code_of(ret), "%s", error_text(ret));
	else if (p->list)
		output_json(stdout, json_pack("{so}", "settings", p->list));
	/* As `git config KEY` answers for what is not set. */
	if (!status && p->key && p->count == 0)
		status = EXIT_FOUND;
out:
	config_close(config);
	if (repo)
		repo_close(repo);
	return status;
}

static int run(int argc, char **argv)
{
	static const struct option options[] = {
	    {"list", no_argument, NULL, 'l'},
	    {"null", no_argument, NULL, 'z'},
	    {"show-origin", no_argument, NULL, COMMAND_LONG},
	    {"json", no_argument, NULL, COMMAND_LONG + 1},
	    {0},
	};
	struct printing printing = {0};
	bool list = false;
	int option;

	while ((option = command_option(&command_config, argc, argv, "lz", options)) != -1) {
		if (option == 'l')
			list = true;
		else if (option == 'z')
			printing.z = true;
		else if (option == COMMAND_LONG)
			printing.origin = true;
		else
			globals.json = true;
	}
	if (argc - optind == 2)
		return fail_usage("settings are made by git: 'git config revfs.%s %s'", argv[optind], argv[optind + 1]);
	if (argc - optind > 1 || (list && optind < argc))
		return fail_usage("too many arguments");
	printing.key = argv[optind];
	if (printing.key && strncasecmp(printing.key, "revfs.", 6) == 0)
		printing.key += 6;
	if (printing.key && !is_known(printing.key))
		return unknown_setting(printing.key);
	return print(&printing);
}

const struct command command_config = {
    .name = "config",
    .run = run,
    .usage = "revfs config [--show-origin] [-z | --json] [--list | KEY]",
    .summary = "show settings and where they come from",
};
