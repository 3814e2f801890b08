/*
 * revfs mounts: what is mounted, by whom, and what was read.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/asker.h"
#include "tools/commands.h"
#include "tools/output.h"
#include "tools/registry.h"

/* The number behind NAME at the beginning of a line of TEXT; false where there is none. */
static bool find_number(const char *text, const char *name, uint64_t *number)
{
	size_t len = strlen(name);

	for (const char *line = text; line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL) {
		if (strncmp(line, name, len) != 0 || line[len] != ' ')
			continue;
		*number = strtoull(line + len + 1, NULL, 10);
		return true;
	}
	return false;
}

/* A mount has a keeper and a worker; one process is both as yet. */

/* What a mount has done, as it tells itself. */
struct work {
	bool known;
	uint64_t requests;
	uint64_t bytes;
};

static void ask(const struct registered *mount, struct work *work)
{
	struct asker asker = {0}, *all[] = {&asker};
	const char *text;

	*work = (struct work){0};
	if (!mount->alive || asker_begin(&asker, mount->mountpoint, "counters"))
		return;
	asker_wait(all, 1, ASKER_WAIT_MS);
	text = asker_text(&asker);
	work->known =
	    text && find_number(text, "requests", &work->requests) && find_number(text, "bytes", &work->bytes);
	asker_end(&asker);
}

static json_t *number_or_null(bool known, uint64_t number)
{
	return known ? json_integer((json_int_t)number) : json_null();
}

static json_t *mount_json(const struct registered *mount)
{
	struct timespec since = {.tv_sec = mount->since};
	json_t *object = json_object();
	struct work work;
	char time[40];

	ask(mount, &work);
	output_json_path(object, "mountpoint", mount->mountpoint);
	output_json_path(object, "repository", mount->repository);
	json_object_set_new(object, "keeper", number_or_null(mount->alive, (uint64_t)mount->pid));
	json_object_set_new(object, "worker", number_or_null(mount->alive, (uint64_t)mount->pid));
	json_object_set_new(object, "since", json_string(output_rfc3339(&since, time)));
	json_object_set_new(object, "requests", number_or_null(work.known, work.requests));
	json_object_set_new(object, "bytes", number_or_null(work.known, work.bytes));
	return object;
}

static void print_mount(const struct registered *mount)
{
	struct timespec since = {.tv_sec = mount->since};
	char time[40], requests[32], size[32];
	struct work work;

	output_name(stdout, mount->mountpoint, false);
	putchar('\t');
	output_name(stdout, mount->repository, false);
	if (!mount->alive) {
		printf("\tdead\tdead\t%s\n", output_rfc3339(&since, time));
		return;
	}
	ask(mount, &work);
	printf("\t%d\t%d\t%s", (int)mount->pid, (int)mount->pid, output_rfc3339(&since, time));
	if (work.known)
		printf("\t%s requests\t%s\n", output_count(work.requests, requests), output_size(work.bytes, size));
	else
		puts("\tdoes not answer");
}

static int each(void *arg, const struct registered *mount)
{
	json_t *list = arg;

	if (list)
		json_array_append_new(list, mount_json(mount));
	else
		print_mount(mount);
	return 0;
}

static int run(int argc, char **argv)
{
	json_t *list = NULL;
	int err;

	while (command_option_shared(&command_mounts, argc, argv, "", NULL, COMMAND_JSON, NULL) != -1)
		;
	if (optind < argc)
		return fail_usage("too many arguments");
	if (globals.json)
		list = json_array();
	err = registry_each(each, list);
	if (err) {
		json_decref(list);
		return fail(EXIT_SYSTEM, "cannot read the list of mounts: %s", error_text(err));
	}
	if (list)
		output_json(stdout, json_pack("{so}", "mounts", list));
	return EXIT_DONE;
}

const struct command command_mounts = {
    .name = "mounts",
    .run = run,
    .usage = "revfs mounts [--json]",
    .summary = "list what is mounted",
};
