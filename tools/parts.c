#include "tools/parts.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fs/dataset.h"
#include "tools/command.h"
#include "tools/path.h"
#include "tools/stop.h"

/* The datasets of a folder of Git's, as they are told. */
struct collecting {
	struct session *session;
	struct parts *parts;
	const struct target *target;
	int status;
};

/* Whether the part is there already, of another revision or not. */
static bool has(const struct parts *parts, const struct pointer *pointer, const char *path)
{
	for (size_t i = 0; i < parts->count; i++) {
		const struct part *part = &parts->list[i];

		if (id_equal(&part->lack.pointer.root, &pointer->root) && !strcmp(part->path, path))
			return true;
	}
	return false;
}

/* Add the part PATH of the dataset at DATASET.  0 or -ENOMEM. */
static int add(struct parts *parts, const struct target *target, const char *dataset, const struct pointer *pointer,
               const char *path)
{
	char *inside, *name = NULL;
	struct part *part;

	if (has(parts, pointer, path))
		return 0;
	inside = strdup(path);
	if (parts->count == parts->room) {
		size_t room = parts->room ? 2 * parts->room : 16;
		struct part *list = reallocarray(parts->list, room, sizeof(*list));

		if (list) {
			parts->list = list;
			parts->room = room;
		}
	}
	if (!inside || parts->count == parts->room ||
	    asprintf(&name, "%s:%s%s%s", target->revision, dataset, *path ? "/" : "", path) < 0) {
		free(inside);
		return -ENOMEM;
	}
	part = &parts->list[parts->count++];
	*part = (struct part){.lack = {.pointer = *pointer, .path = inside}, .name = name, .path = inside};
	return 0;
}

static int take_dataset(void *arg, const char *path, const struct pointer *pointer, int error)
{
	struct collecting *c = arg;
	char *dataset = path_join(c->target->path, path), *name = NULL;
	int r = dataset ? 0 : -ENOMEM;

	if (!r && pointer) {
		r = add(c->parts, c->target, dataset, pointer, "");
	} else if (!r && asprintf(&name, "%s:%s", c->target->revision, dataset) >= 0) {
		c->status = session_unreadable(c->session, name, error);
		free(name);
	}
	free(dataset);
	return r;
}

/* The dataset that holds the target's path, which stands in one. */
static int add_inside(struct session *s, const struct target *target, const struct oid *tree, struct parts *parts)
{
	char *dataset = strdup(target->path), *slash;
	struct pointer pointer;
	int r = dataset ? dataset_find(s->repo, tree, dataset, &pointer) : -ENOMEM;

	while ((r == -ENOENT || r == -ENOTDIR || r == -EINVAL) && (slash = strrchr(dataset, '/'))) {
		*slash = '\0';
		r = dataset_find(s->repo, tree, dataset, &pointer);
	}
	if (!r) {
		const char *rest = target->path + strlen(dataset);

		r = add(parts, target, dataset, &pointer, *rest ? rest + 1 : "");
	}
	free(dataset);
	return r;
}

static int add_place(struct session *s, const struct target *target, const struct place *place, struct parts *parts)
{
	struct collecting c = {.session = s, .parts = parts, .target = target};
	struct repo_commit commit;
	int r = 0;

	switch (place->kind) {
	case PLACE_GIT_TREE:
		r = dataset_each(s->repo, &place->oid, take_dataset, &c);
		break;
	case PLACE_DATA_DIRECTORY:
	case PLACE_DATA_FILE:
	case PLACE_DATA_LINK:
		r = repo_commit(s->repo, &target->commit, &commit);
		if (!r)
			r = add_inside(s, target, &commit.tree, parts);
		if (!r)
			repo_commit_release(&commit);
		break;
	case PLACE_BROKEN:
		r = place->error;
		break;
	default:
		break;
	}
	return r ? session_unreadable(s, target->name, r) : c.status;
}

int parts_add(struct session *s, const char *argument, struct parts *parts, struct oid *commit, char **path)
{
	struct target target = {0};
	struct place place;
	int status = session_target(s, argument ? argument : "HEAD", &target);

	if (!status)
		status = session_place(s, &target, &place);
	if (!status)
		status = add_place(s, &target, &place, parts);
	if (!status && commit)
		*commit = target.commit;
	if (!status && path) {
		*path = target.path;
		target.path = NULL;
	}
	target_release(&target);
	return status;
}

int parts_take(const struct session *s, struct parts *parts, struct lack *lack)
{
	int first = EXIT_DONE;

	for (size_t i = 0; i < parts->count; i++) {
		struct part *part = &parts->list[i];
		int error = lack_take(lack, &part->lack), status;

		if (error == -EINTR && atomic_load(stop_flag()))
			return stop_status();
		if (!error)
			continue;
		part->failed = true;
		status = session_unreadable(s, part->name, error);
		if (!first)
			first = status;
	}
	return first;
}

void parts_release(struct parts *parts)
{
	for (size_t i = 0; i < parts->count; i++) {
		lack_part_release(&parts->list[i].lack);
		free(parts->list[i].name);
		free(parts->list[i].path);
	}
	free(parts->list);
	*parts = (struct parts){0};
}
