/*
 * revfs ls: what a revision holds, from Git's trees and the pages alone.
 */
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tools/commands.h"
#include "tools/output.h"
#include "tools/session.h"

struct listing {
	struct session *session;
	const struct target *target;
	bool details;
	bool recursive;
	bool z;
	struct outcome outcome;
	/* The path of what is being listed, below the target. */
	char *path;
	size_t path_len;
	size_t path_capacity;
	unsigned depth; /* of folders below the target, or below the root of their dataset */
};

/* Append "/NAME" (or NAME) to the path.  Returns the length to go back to, or -ENOMEM. */
static ssize_t enter_name(struct listing *l, const char *name)
{
	size_t before = l->path_len;
	size_t len = strlen(name);

	if (before + len + 2 > l->path_capacity) {
		size_t capacity = 2 * (before + len + 2);
		char *path = realloc(l->path, capacity);
		if (!path)
			return -ENOMEM;
		l->path = path;
		l->path_capacity = capacity;
	}
	assert(l->path);
	if (before > 0)
		l->path[l->path_len++] = '/';
	memcpy(l->path + l->path_len, name, len + 1);
	l->path_len += len;
	return (ssize_t)before;
}

static void leave_name(struct listing *l, size_t before)
{
	l->path_len = before;
	l->path[before] = '\0';
}

/* Name a failure by the whole path in the revision. */
static void name_failure(struct listing *l, int error)
{
	const char *slash = *l->target->path && l->path_len ? "/" : "";
	char *subject;

	if (asprintf(&subject, "%s%s%s", l->target->name, slash, l->path_len ? l->path : "") < 0)
		subject = NULL;
	outcome_add(&l->outcome, session_unreadable(l->session, subject ? subject : l->target->name, error));
	free(subject);
}

static bool is_link(const struct place *place)
{
	return place->kind == PLACE_GIT_LINK || place->kind == PLACE_DATA_LINK;
}

static const char *type_of(const struct place *place)
{
	if (is_link(place))
		return "symlink";
	return place_is_directory(place) ? "directory" : "file";
}

static void format_mode(const struct place *place, char text[11])
{
	static const char letters[] = "rwxrwxrwx";
	mode_t mode = place_mode(place);

	text[0] = is_link(place) ? 'l' : place_is_directory(place) ? 'd' : '-';
	for (int i = 0; i < 9; i++)
		text[1 + i] = mode & (0400u >> i) ? letters[i] : '-';
	text[10] = '\0';
}

static void print_details(const struct place *place)
{
	char mode[11], size[24] = "-", time[32] = "";
	struct tm tm;

	format_mode(place, mode);
	if (!place_is_directory(place))
		snprintf(size, sizeof(size), "%" PRIu64, place->size);
	if (localtime_r(&place->time.tv_sec, &tm))
		strftime(time, sizeof(time), "%Y-%m-%d %H:%M:%S", &tm);
	printf("%s %12s %19s ", mode, size, time);
}

static void print_plain(struct listing *l, const struct place *place, const char *target)
{
	if (l->details)
		print_details(place);
	if (l->z) {
		/* The terminator ends the line, not each name in it. */
		fputs(l->path, stdout);
	} else {
		output_name(stdout, l->path, false);
	}
	if (l->details && target) {
		fputs(" -> ", stdout);
		if (l->z)
			fputs(target, stdout);
		else
			output_name(stdout, target, false);
	}
	putchar(l->z ? '\0' : '\n');
}

/* The id of what the place holds, as the mount's user.revfs.id; "" where it has none. */
static void format_id(const struct place *place, char text[OID_HEX_MAX])
{
	struct id id;

	switch (place->kind) {
	case PLACE_DATA_DIRECTORY:
		id = place->directory.id;
		break;
	case PLACE_DATA_FILE:
	case PLACE_DATA_LINK:
		content_id(&place->content, &id);
		break;
	case PLACE_BROKEN:
		text[0] = '\0';
		return;
	default:
		oid_format(&place->oid, text);
		return;
	}
	id_format(&id, text);
}

static void print_json(struct listing *l, const struct place *place, const char *target)
{
	json_t *line = json_object();
	char id[OID_HEX_MAX], mode[16], time[40];

	output_json_path(line, "path", l->path);
	json_object_set_new(line, "type", json_string(type_of(place)));
	json_object_set_new(line, "size", json_integer((json_int_t)place->size));
	snprintf(mode, sizeof(mode), "%04o", place_mode(place) & 07777u);
	json_object_set_new(line, "mode", json_string(mode));
	json_object_set_new(line, "mtime", json_string(output_rfc3339(&place->time, time)));
	format_id(place, id);
	if (*id)
		json_object_set_new(line, "id", json_string(id));
	if (target)
		output_json_path(line, "target", target);
	if (place->kind == PLACE_BROKEN)
		json_object_set_new(line, "error", json_string(error_text(place->error)));
	output_json(stdout, line);
}

static void print_place(struct listing *l, const struct place *place)
{
	char target[PAGE_SYMLINK_MAX + 1];
	bool has_target = false;

	l->outcome.done = true;
	/* That it stands there is known, and often what kind of thing it is; only who asks for more hears that it is
	 * broken. */
	if (place->kind == PLACE_BROKEN && (l->details || globals.json))
		name_failure(l, place->error);
	if (is_link(place) && (l->details || globals.json)) {
		int ret = place_target(&l->session->world, place, target);
		has_target = ret == 0;
		if (ret)
			name_failure(l, ret);
	}
	if (globals.json)
		print_json(l, place, has_target ? target : NULL);
	else
		print_plain(l, place, has_target ? target : NULL);
}

static int list_children(struct listing *l, const struct place *folder);

static int list_child(void *arg, const char *name, uint64_t ordinal, const struct place *child)
{
	struct listing *l = arg;
	ssize_t before = enter_name(l, name);

	(void)ordinal;
	if (before < 0)
		return (int)before;
	print_place(l, child);
	int ret = output_failed() ? -EPIPE : 0;
	bool named = child->kind == PLACE_BROKEN && (l->details || globals.json);
	if (!ret && l->recursive && place_is_directory(child) && !named)
		ret = list_children(l, child);
	leave_name(l, (size_t)before);
	return ret;
}

/* Everything in FOLDER.  A folder that can't be read is named, and what is beside it goes on; -errno ends the listing.
 */
static int list_children(struct listing *l, const struct place *folder)
{
	unsigned above = l->depth;
	int ret = -EBADMSG;

	/* No dataset is deeper: whoever forged one that is must not take our stack. */
	l->depth = folder->is_dataset ? 0 : above + 1;
	if (l->depth <= PAGE_DEPTH_MAX)
		ret = place_each_child(&l->session->world, folder, 0, list_child, l);
	l->depth = above;
	if (ret == 0 || ret == -EPIPE || ret == -ENOMEM)
		return ret;
	name_failure(l, ret);
	return 0;
}

static int list(struct listing *l)
{
	struct place place;
	const char *slash = strrchr(l->target->path, '/');
	int ret, status = session_place(l->session, l->target, &place);

	if (status)
		return status;
	if (place_is_directory(&place)) {
		l->path = calloc(1, 1);
		l->path_capacity = 1;
		ret = l->path ? list_children(l, &place) : -ENOMEM;
	} else {
		ret = list_child(l, slash ? slash + 1 : l->target->path, 0, &place);
	}
	free(l->path);
	/* A failed write is told by command_run(). */
	if (ret && !output_failed())
		return fail(exit_code_of(ret), "cannot list '%s': %s", l->target->name, error_text(ret));
	return outcome_status(&l->outcome);
}

static int run(int argc, char **argv)
{
	static const struct option options[] = {
	    {"long", no_argument, NULL, 'l'},
	    {"recursive", no_argument, NULL, 'R'},
	    {"null", no_argument, NULL, 'z'},
	    {"json", no_argument, NULL, COMMAND_LONG},
	    {0},
	};
	struct session session;
	struct target target;
	struct listing listing = {.session = &session, .target = &target};
	int option;

	while ((option = command_option(&command_ls, argc, argv, "lRz", options)) != -1) {
		if (option == 'l')
			listing.details = true;
		else if (option == 'R')
			listing.recursive = true;
		else if (option == 'z')
			listing.z = true;
		else
			globals.json = true;
	}
	if (argc - optind > 1)
		return fail_usage("too many arguments");
	int status = session_open(&session, SESSION_STORE);
	if (status)
		return status;
	status = session_target(&session, argv[optind], &target);
	if (!status) {
		status = list(&listing);
		target_release(&target);
	}
	session_close(&session);
	return status;
}

const struct command command_ls = {
    .name = "ls",
    .run = run,
    .usage = "revfs ls [-l] [-R] [-z] [--json] [REV[:PATH]]",
    .summary = "list what a revision holds",
};
