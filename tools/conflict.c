#include "tools/conflict.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "fs/dataset.h"
#include "fs/tree_merge.h"
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

int conflict_each(const struct session *session, const struct worktree *wt, const char *path,
                  int (*each)(void *arg, const char *path, const struct entry *base, const struct entry *ours,
                              const struct entry *theirs),
                  void *arg)
{
	struct pointer pointers[3];
	struct directory base, ours, theirs;
	struct tree_merge request = {
	    .source = session->source, .ours = &ours, .theirs = &theirs, .conflict = each, .arg = arg};
	struct store_writer *writer;
	struct built built;
	uint64_t conflicts;
	int error = conflict_pointer(wt, path, STAGE_BASE, &pointers[0]);

	if (!error && !pointers[0].is_file)
		request.base = &base;
	if (!error || error == -ENOENT)
		error = conflict_pointer(wt, path, STAGE_OURS, &pointers[1]);
	if (!error)
		error = conflict_pointer(wt, path, STAGE_THEIRS, &pointers[2]);
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
