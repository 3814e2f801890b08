#include "fs/changes.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cache/interrupt.h"
#include "cache/wire.h"
#include "fs/compare.h"

/* --- limits --- */

int path_compare(const char *a, const char *b)
{
	for (; *a && *a == *b; a++, b++)
		;
	if (*a == *b)
		return 0;
	if (!*a || !*b)
		return *a ? 1 : -1;
	if (*a == '/' || *b == '/')
		return *a == '/' ? -1 : 1;
	return (unsigned char)*a < (unsigned char)*b ? -1 : 1;
}

static int compare_limits(const void *a, const void *b)
{
	return path_compare(*(char *const *)a, *(char *const *)b);
}

/* Whether PATH is FOLDER or lies in it; "" holds everything. */
static bool is_within(const char *path, const char *folder)
{
	size_t len = strlen(folder);

	return !len || (!strncmp(path, folder, len) && (!path[len] || path[len] == '/'));
}

int path_limits_init(struct path_limits *limits, const char *const *paths, size_t count)
{
	size_t kept = 0, base_len;

	*limits = (struct path_limits){calloc(count + 1, sizeof(char *)), 0};
	if (!limits->paths)
		return -ENOMEM;
	for (; limits->count < count; limits->count++) {
		const char *path = paths[limits->count], *slash = strrchr(path, '/');
		const char *name = slash ? slash + 1 : path;
		size_t len = strlen(path);

		if (pointer_name(name, strlen(name), &base_len))
			len = (size_t)(name - path) + base_len;
		limits->paths[limits->count] = strndup(path, len);
		if (!limits->paths[limits->count]) {
			path_limits_release(limits);
			return -ENOMEM;
		}
	}
	qsort(limits->paths, limits->count, sizeof(char *), compare_limits);
	for (size_t i = 0; i < limits->count; i++)
		if (kept && is_within(limits->paths[i], limits->paths[kept - 1]))
			free(limits->paths[i]);
		else
			limits->paths[kept++] = limits->paths[i];
	limits->count = kept;
	return 0;
}

void path_limits_release(struct path_limits *limits)
{
	for (size_t i = 0; i < limits->count; i++)
		free(limits->paths[i]);
	free(limits->paths);
	memset(limits, 0, sizeof(*limits));
}

bool path_limits_meet(const struct path_limits *limits, const char *path)
{
	if (!limits || !limits->count)
		return true;
	for (size_t i = 0; i < limits->count; i++)
		if (is_within(path, limits->paths[i]) || is_within(limits->paths[i], path))
			return true;
	return false;
}

bool path_limits_hold(const struct path_limits *limits, const char *path)
{
	if (!limits || !limits->count)
		return true;
	for (size_t i = 0; i < limits->count; i++)
		if (is_within(path, limits->paths[i]))
			return true;
	return false;
}

/* --- one dataset --- */

struct telling {
	const struct changes_request *request;
	const char *dataset;
	struct buffer path;
	size_t base; /* bytes of the path of what is being compared */
	int answer;  /* of EACH, to be told from an error of reading */
};

/* Tell a change at BASE, or at SUFFIX below it. */
static int tell(struct telling *t, const char *suffix, const struct entry *a, const struct entry *b)
{
	struct change change = {.dataset = t->dataset, .a = a, .b = b};

	t->path.len = t->base;
	if (*suffix)
		buffer_put8(&t->path, '/');
	buffer_append(&t->path, suffix, strlen(suffix) + 1);
	if (t->path.failed)
		return -ENOMEM;
	change.path = (const char *)t->path.data;
	t->answer = t->request->each(t->request->arg, &change);
	return t->answer ? -ECANCELED : 0;
}

/* A directory speaks for itself only where nothing in it does. */
static bool is_told(const struct entry *entry)
{
	return entry && (entry->broken || entry->kind != ENTRY_DIRECTORY || !entry->totals.entries);
}

static int tell_below(void *arg, const char *path, size_t path_len, const struct entry *a, const struct entry *b)
{
	(void)path_len;
	if (!is_told(a) && !is_told(b))
		return 0;
	return tell(arg, path, is_told(a) ? a : NULL, is_told(b) ? b : NULL);
}

static bool is_entered(const struct entry *entry)
{
	return entry && !entry->broken && entry->kind == ENTRY_DIRECTORY;
}

/* Everything that is at BASE on one side: A or B is NULL. */
static int tell_all(struct telling *t, const struct entry *a, const struct entry *b)
{
	const struct entry *entry = a ? a : b;
	struct directory directory;

	if (!entry)
		return 0;
	if (!is_entered(entry) || !entry->totals.entries)
		return tell(t, "", a, b);
	directory_of(entry, &directory);
	return compare_trees(t->request->source, a ? &directory : NULL, b ? &directory : NULL, tell_below, t);
}

/* What changed at BASE from A to B, and below. */
static int tell_entries(struct telling *t, const struct entry *a, const struct entry *b)
{
	struct directory below_a, below_b;
	int r;

	if (is_entered(a) && is_entered(b)) {
		directory_of(a, &below_a);
		directory_of(b, &below_b);
		return compare_trees(t->request->source, &below_a, &below_b, tell_below, t);
	}
	if (a && b && a->kind == b->kind)
		return compare_entries_equal(a, b) ? 0 : tell(t, "", a, b);
	r = tell_all(t, a, NULL);
	return r ? r : tell_all(t, NULL, b);
}

/* The root of a dataset as an entry; ENTRY borrows from PIN. */
static int root_entry(struct source *source, const struct pointer *pointer, struct page_pin *pin, struct entry *entry)
{
	int r = source ? dataset_open(source, pointer, pin) : -ENODATA;

	if (r)
		return r;
	if (pointer->is_file) {
		page_entry(pin->page, 0, entry);
		return 0;
	}
	*entry = (struct entry){.name = "", .kind = ENTRY_DIRECTORY, .id = pointer->root, .totals = pin->page->totals};
	return 0;
}

/* A side of a dataset, and what stands at the path in question. */
struct side {
	struct page_pin root_pin;
	struct entry_pin pin;
	struct entry root;
	const struct entry *entry; /* NULL: nothing */
};

static void side_release(struct source *source, struct side *side)
{
	if (side->root_pin.page)
		source_unpin_page(source, &side->root_pin);
	if (side->pin.pin.page)
		tree_unpin_entry(source, &side->pin);
}

static int side_open(struct source *source, const struct pointer *pointer, const char *below, struct side *side)
{
	struct directory directory;
	int r;

	memset(side, 0, sizeof(*side));
	if (!pointer)
		return 0;
	r = root_entry(source, pointer, &side->root_pin, &side->root);
	if (r)
		return r;
	if (!*below) {
		side->entry = &side->root;
		return 0;
	}
	if (pointer->is_file)
		return 0;
	directory_of(&side->root, &directory);
	r = tree_walk(source, &directory, below, &side->pin);
	if (!r)
		side->entry = &side->pin.entry;
	return r == -ENOENT || r == -ENOTDIR ? 0 : r;
}

/* What changed at BELOW, a path in the dataset. */
static int tell_part(struct telling *t, const char *below, const struct pointer *pa, const struct pointer *pb)
{
	struct source *source = t->request->source;
	struct side a, b = {.entry = NULL};
	int r;

	buffer_clear(&t->path);
	buffer_append(&t->path, t->dataset, strlen(t->dataset));
	if (*below) {
		buffer_put8(&t->path, '/');
		buffer_append(&t->path, below, strlen(below));
	}
	t->base = t->path.len;
	if (t->path.failed)
		return -ENOMEM;
	r = side_open(source, pa, below, &a);
	if (!r)
		r = side_open(source, pb, below, &b);
	if (!r)
		r = tell_entries(t, a.entry, b.entry);
	side_release(source, &a);
	side_release(source, &b);
	return r;
}

/* Tell what changed in a dataset; *ANSWERED where the result is an answer of EACH. */
static int tell_limited(const struct changes_request *request, const char *dataset, const struct pointer *a,
                        const struct pointer *b, bool *answered)
{
	const struct path_limits *limits = request->limits;
	struct telling t = {.request = request, .dataset = dataset};
	bool whole = !limits || !limits->count;
	int r = 0;

	for (size_t i = 0; !whole && i < limits->count; i++)
		whole = is_within(dataset, limits->paths[i]);
	if (whole)
		r = tell_part(&t, "", a, b);
	for (size_t i = 0; !r && !whole && i < limits->count; i++)
		if (is_within(limits->paths[i], dataset))
			r = tell_part(&t, limits->paths[i] + strlen(dataset) + 1, a, b);
	buffer_release(&t.path);
	*answered = t.answer != 0;
	return t.answer ? t.answer : r;
}

int changes_each_in(const struct changes_request *request, const char *dataset, const struct pointer *a,
                    const struct pointer *b)
{
	bool answered;

	return tell_limited(request, dataset, a, b, &answered);
}

/* --- all datasets --- */

static int tell_dataset(void *arg, const char *path, const struct pointer *a, const struct pointer *b, int error)
{
	const struct changes_request *request = arg;
	bool answered;
	int r;

	if (!path_limits_meet(request->limits, path))
		return 0;
	if (error)
		return request->failed(request->arg, path, error);
	r = tell_limited(request, path, a, b, &answered);
	if (r && !answered && !is_unanswered(r))
		r = request->failed(request->arg, path, r);
	if (!r && request->dataset_end)
		r = request->dataset_end(request->arg, path, a, b);
	return r;
}

int changes_each(const struct changes_request *request)
{
	return dataset_each_changed(request->repo, request->a, request->b, tell_dataset, (void *)request);
}
