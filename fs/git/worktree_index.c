#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fs/git/git.h"
#include "fs/git/worktree.h"

/* `git ls-files -s -z` prints "mode oid stage\tpath\0". */
static int parse_line(const char *line, struct index_entry *entry)
{
	const char *tab = strchr(line, '\t'), *oid = strchr(line, ' '), *stage;
	char *end;

	if (!tab || !oid++)
		return -EIO;
	stage = strchr(oid, ' ');
	if (!stage || stage > tab || oid_parse(oid, (size_t)(stage - oid), &entry->oid))
		return -EIO;
	entry->mode = (uint32_t)strtoul(line, &end, 8);
	entry->stage = (unsigned)(stage[1] - '0');
	entry->unmerged = entry->stage != 0;
	entry->path = strdup(tab + 1);
	return entry->path ? 0 : -ENOMEM;
}

static int parse_lines(const char *text, size_t len, struct index_entry **entries, size_t *count)
{
	struct index_entry *list = NULL;
	size_t n = 0, capacity = 0;

	for (size_t at = 0; at < len; at += strlen(text + at) + 1) {
		int error;

		if (n == capacity) {
			struct index_entry *more = reallocarray(list, capacity += 64, sizeof(*list));

			if (!more) {
				worktree_index_free(list, n);
				return -ENOMEM;
			}
			list = more;
		}
		error = parse_line(text + at, &list[n]);
		if (error) {
			worktree_index_free(list, n);
			return error;
		}
		/* Of an unmerged path there are up to three lines. */
		if (n && !strcmp(list[n].path, list[n - 1].path))
			free(list[n].path);
		else
			n++;
	}
	*entries = list;
	*count = n;
	return 0;
}

/* Have git list the stages of PATHS: the lines are in RUN, to be released in any case. */
static int list_lines(const struct worktree *wt, const char *how, const char *const *paths, struct git_run *run)
{
	struct git_where where = *repo_where(wt->repo);
	size_t paths_count = 0, n = 0;
	const char **args;
	int error;

	*run = (struct git_run){.where = &where, .flags = GIT_RUN_READING, .limit = (size_t)1 << 30};
	while (paths[paths_count])
		paths_count++;
	args = calloc(paths_count + 8, sizeof(*args));
	if (!args)
		return -ENOMEM;
	args[n++] = how;
	args[n++] = "ls-files";
	args[n++] = "-s";
	args[n++] = "-z";
	args[n++] = "--";
	memcpy(args + n, paths, paths_count * sizeof(*args));
	where.dir = repo_work_tree(wt->repo);
	run->args = args;
	error = git_run(run);
	if (!error && run->status)
		error = -EIO;
	run->where = NULL;
	run->args = NULL;
	free(args);
	return error;
}

static int list_files(const struct worktree *wt, const char *how, const char *const *paths,
                      struct index_entry **entries, size_t *count)
{
	struct git_run run;
	int error = list_lines(wt, how, paths, &run);

	if (!error)
		error = parse_lines(run.output, run.output_len, entries, count);
	git_run_release(&run);
	return error;
}

int worktree_stage(const struct worktree *wt, const char *path, unsigned stage, struct oid *oid, uint32_t *mode)
{
	const char *const paths[] = {path, NULL};
	struct index_entry entry;
	struct git_run run;
	int error = list_lines(wt, "--literal-pathspecs", paths, &run), found = -ENOENT;

	for (size_t at = 0; !error && found && at < run.output_len; at += strlen(run.output + at) + 1) {
		error = parse_line(run.output + at, &entry);
		if (error)
			break;
		if (entry.stage == stage && !strcmp(entry.path, path)) {
			*oid = entry.oid;
			*mode = entry.mode;
			found = 0;
		}
		free(entry.path);
	}
	git_run_release(&run);
	return error ? error : found;
}

int worktree_index(const struct worktree *wt, const char *const *paths, struct index_entry **entries, size_t *count)
{
	return list_files(wt, "--literal-pathspecs", paths, entries, count);
}

void worktree_index_free(struct index_entry *entries, size_t count)
{
	while (count)
		free(entries[--count].path);
	free(entries);
}

int worktree_tracked(const struct worktree *wt, const struct oid *tree, const char *path, bool *in_index, bool *in_head)
{
	const char *const paths[] = {path, NULL};
	struct index_entry *entries;
	struct oid oid;
	uint32_t mode;
	size_t count;
	int error;

	error = worktree_index(wt, paths, &entries, &count);
	if (error)
		return error;
	worktree_index_free(entries, count);
	*in_index = count;
	error = tree ? repo_tree_walk(wt->repo, tree, path, &oid, &mode) : -ENOENT;
	*in_head = !error;
	return error == -ENOENT || error == -ENOTDIR ? 0 : error;
}

struct collection {
	const struct worktree *wt;
	struct work_dataset *list;
	size_t count, capacity;
};

static int collect(struct collection *c, const char *path, size_t len, struct work_dataset **dataset)
{
	if (c->count == c->capacity) {
		struct work_dataset *more = reallocarray(c->list, c->capacity += 64, sizeof(*more));

		if (!more)
			return -ENOMEM;
		c->list = more;
	}
	*dataset = &c->list[c->count];
	**dataset = (struct work_dataset){.path = strndup(path, len)};
	if (!(*dataset)->path)
		return -ENOMEM;
	c->count++;
	return 0;
}

static int compare_paths(const void *a, const void *b)
{
	return strcmp(((const struct work_dataset *)a)->path, ((const struct work_dataset *)b)->path);
}

/* A record whose dataset is not in the index counts where its pointer file is there: not added yet. */
static int collect_record(void *arg, const char *path, const struct instep *record)
{
	struct collection *c = arg;
	struct work_dataset *dataset;
	struct pointer pointer;

	(void)record;
	if (worktree_pointer(c->wt, path, &pointer, NULL, NULL) == -ENOENT)
		return 0;
	return collect(c, path, strlen(path), &dataset);
}

static int collect_index(struct collection *c)
{
	const char *const all[] = {"**/*" POINTER_SUFFIX, NULL};
	struct index_entry *entries = NULL;
	size_t count = 0, base;
	int error = list_files(c->wt, "--glob-pathspecs", all, &entries, &count);

	for (size_t i = 0; !error && i < count; i++) {
		const char *slash = strrchr(entries[i].path, '/'), *name = slash ? slash + 1 : entries[i].path;
		struct work_dataset *dataset;

		if ((entries[i].mode & 0170000) != 0100000 || !pointer_name(name, strlen(name), &base))
			continue;
		error = collect(c, entries[i].path, (size_t)(name - entries[i].path) + base, &dataset);
		if (!error) {
			dataset->indexed = true;
			dataset->unmerged = entries[i].unmerged;
		}
	}
	worktree_index_free(entries, count);
	return error;
}

static void remove_doubles(struct collection *c)
{
	size_t kept = 0;

	for (size_t i = 0; i < c->count; i++) {
		if (kept && !strcmp(c->list[kept - 1].path, c->list[i].path)) {
			c->list[kept - 1].indexed |= c->list[i].indexed;
			c->list[kept - 1].unmerged |= c->list[i].unmerged;
			free(c->list[i].path);
		} else {
			c->list[kept++] = c->list[i];
		}
	}
	c->count = kept;
}

int worktree_datasets(const struct worktree *wt, struct work_dataset **datasets, size_t *count)
{
	struct collection c = {.wt = wt};
	int error = collect_index(&c);

	if (!error && wt->folder >= 0)
		error = instep_each(wt->io, wt->folder, collect_record, &c);
	if (error) {
		worktree_datasets_free(c.list, c.count);
		return error;
	}
	if (c.count)
		qsort(c.list, c.count, sizeof(*c.list), compare_paths);
	remove_doubles(&c);
	for (size_t i = 0; wt->folder >= 0 && i < c.count; i++) {
		struct work_dataset *d = &c.list[i];

		error = instep_read(wt->io, wt->folder, d->path, &d->record);
		d->has_record = !error;
		d->damaged_record = error && error != -ENOENT;
	}
	*datasets = c.list;
	*count = c.count;
	return 0;
}

void worktree_datasets_free(struct work_dataset *datasets, size_t count)
{
	while (count)
		free(datasets[--count].path);
	free(datasets);
}
