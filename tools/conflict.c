#include "tools/conflict.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "fs/dataset.h"
#include "fs/tree_merge.h"
#include "tools/command.h"
#include "tools/output.h"
#include "tools/shown.h"

static const char *side_text(const struct entry *entry, char text[64])
{
	char size[32];

	if (!entry)
		return "deleted it";
	if (entry->kind == ENTRY_DIRECTORY)
		return "has a directory";
	if (entry->kind == ENTRY_SYMLINK)
		return "has a symlink";
	snprintf(text, 64, "has a file of %s", output_size(entry->size, size));
	return text;
}

char *conflict_text(const char *dataset, const char *path, const struct entry *ours, const struct entry *theirs)
{
	char a[64], b[64], *full, *text;

	if (asprintf(&full, "%s/%s", dataset, path) < 0)
		return NULL;
	if (asprintf(&text, "conflict in '%s': ours %s, theirs %s", shown(full), side_text(ours, a),
	             side_text(theirs, b)) < 0)
		text = NULL;
	free(full);
	return text;
}

int conflict_pointer(const struct worktree *wt, const char *path, enum conflict_stage stage, struct pointer *pointer)
{
	struct oid oid;
	uint32_t mode;
	char *name;
	int error;

	if (asprintf(&name, "%s" POINTER_SUFFIX, path) < 0)
		return -ENOMEM;
	error = worktree_stage(wt, name, stage, &oid, &mode);
	free(name);
	return error ? error : dataset_pointer(wt->repo, &oid, mode, pointer);
}

/* What is told of a dataset. */
struct telling {
	const char *dataset;
	json_t *paths; /* NULL: lines are printed */
	uint64_t count;
};

static int tell(void *arg, const char *path, const struct entry *base, const struct entry *ours,
                const struct entry *theirs)
{
	struct telling *t = arg;
	json_t *value;
	char *text;

	(void)base;
	t->count++;
	if (t->paths) {
		value = json_object();
		output_json_path(value, "path", path);
		json_array_append_new(t->paths, value);
	} else if (t->count <= CONFLICT_NAMED_MAX) {
		text = conflict_text(t->dataset, path, ours, theirs);
		if (!text)
			return -ENOMEM;
		printf("  %s\n", text);
		free(text);
	}
	return 0;
}

/* Merge the two sides that git's index has, without writing, and tell EACH of the conflicts.  0; -ENOENT where there
 * are no two; -ENOTDIR where one is a single file; errors of conflict_pointer() and of reading. */
static int merge_sides(const struct session *session, const struct worktree *wt, struct telling *telling)
{
	struct pointer pointers[3];
	struct directory base, ours, theirs;
	struct tree_merge request = {
	    .source = session->source, .ours = &ours, .theirs = &theirs, .conflict = tell, .arg = telling};
	struct store_writer *writer;
	struct built built;
	uint64_t conflicts;
	int error = conflict_pointer(wt, telling->dataset, STAGE_BASE, &pointers[0]);

	if (!error && !pointers[0].is_file)
		request.base = &base;
	if (!error || error == -ENOENT)
		error = conflict_pointer(wt, telling->dataset, STAGE_OURS, &pointers[1]);
	if (!error)
		error = conflict_pointer(wt, telling->dataset, STAGE_THEIRS, &pointers[2]);
	if (!error && (pointers[1].is_file || pointers[2].is_file))
		error = -ENOTDIR;
	if (!error && !session->source)
		error = -ENODATA;
	if (!error)
		error = store_writer_open_dry(session->store, &writer);
	if (error)
		return error;
	if (request.base)
		dataset_directory(&pointers[0], &base);
	dataset_directory(&pointers[1], &ours);
	dataset_directory(&pointers[2], &theirs);
	request.writer = writer;
	error = tree_merge(&request, &built, &conflicts);
	store_writer_close(writer);
	return error;
}

int conflict_tell(struct session *session, const struct worktree *wt, const char *path, json_t *value)
{
	struct telling t = {.dataset = path, .paths = value ? json_array() : NULL};
	char number[32];
	int error = merge_sides(session, wt, &t);

	if (value)
		json_object_set_new(value, "conflicts", t.paths);
	else if (t.count > CONFLICT_NAMED_MAX)
		printf("  and %s more\n", output_count(t.count - CONFLICT_NAMED_MAX, number));
	if (error == -ENODATA || error == -EBADMSG)
		return session_unreadable(session, path, error);
	return error == -ENOMEM ? fail(EXIT_SYSTEM, "%s", error_text(error)) : EXIT_DONE;
}
