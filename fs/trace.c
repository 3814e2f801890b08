#include "fs/trace.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cache/id_set.h"
#include "cache/wire.h"
#include "fs/dataset.h"

struct traced_root;

/* A damage of which a record's id is known, to be looked up by that. */
struct wanted {
	struct id id;
	bool is_chunk;
	size_t damage;
	const struct traced_root *met; /* the last root that it was found in */
};

/* A dataset's root, and which damages it has where. */
struct found {
	size_t damage;
	char *path; /* below the dataset, "" for all of it */
};

struct traced_root {
	struct traced_root *next;
	struct id root;
	struct found *found;
	size_t count;
};

#define ROOT_BUCKETS 4096
#define FOUND_MAX 10000 /* of one root, beside the first place of each damage */

/* A page being gone through, and those above it. */
struct frame {
	struct frame *up;
	struct page *page;
	unsigned next;
	size_t path_len; /* of the folder, or the file, that the page belongs to */
	bool tainted;
};

struct tracing {
	struct repo *repo;
	struct store *store;
	const struct verify_report *report;
	struct trace *trace;
	struct wanted *wanted; /* sorted by id */
	size_t wanted_count;
	struct id_set clean; /* pages with no damage below */
	struct traced_root *roots[ROOT_BUCKETS];
	/* The root being traced, and the commit being told of. */
	struct traced_root *root;
	struct frame *top;
	struct buffer path; /* with a NUL byte behind it */
	const struct oid *commit;
};

void trace_release(struct trace *trace)
{
	for (size_t i = 0; i < trace->count; i++) {
		for (size_t j = 0; j < trace->damages[i].count; j++) {
			free(trace->damages[i].paths[j].path);
			free(trace->damages[i].paths[j].commits);
		}
		free(trace->damages[i].paths);
	}
	free(trace->damages);
	*trace = (struct trace){0};
}

/* Which damage a record is. */

static int compare_wanted(const void *a, const void *b)
{
	const struct wanted *x = a, *y = b;

	return id_cmp(&x->id, &y->id);
}

static int list_wanted(struct tracing *t)
{
	const struct verify_report *report = t->report;

	t->wanted = calloc(report->count + 1, sizeof(*t->wanted));
	if (!t->wanted)
		return -ENOMEM;
	for (size_t i = 0; i < report->count; i++) {
		const enum verify_kind kind = report->damages[i].kind;

		if (kind == VERIFY_PAGE || kind == VERIFY_CHUNK || kind == VERIFY_ROOT)
			t->wanted[t->wanted_count++] =
			    (struct wanted){.id = report->damages[i].id, .is_chunk = kind == VERIFY_CHUNK, .damage = i};
	}
	if (t->wanted_count)
		qsort(t->wanted, t->wanted_count, sizeof(*t->wanted), compare_wanted);
	return 0;
}

/* What the traced root has at the path as it stands. */

static int add_found(struct tracing *t, struct wanted *wanted)
{
	struct traced_root *root = t->root;
	const size_t damage = wanted->damage;
	struct found *found;
	char *path;

	/* The same record again in the same file. */
	for (size_t i = root->count; i > 0 && i + 8 > root->count; i--) {
		if (root->found[i - 1].damage == damage && !strcmp(root->found[i - 1].path, (char *)t->path.data))
			return 0;
	}
	if (root->count >= FOUND_MAX && wanted->met == root) {
		t->trace->damages[damage].more = true;
		return 0;
	}
	found = reallocarray(root->found, root->count + 1, sizeof(*found));
	if (!found)
		return -ENOMEM;
	root->found = found;
	path = strdup((char *)t->path.data);
	if (!path)
		return -ENOMEM;
	found[root->count++] = (struct found){.damage = damage, .path = path};
	wanted->met = root;
	return 0;
}

/* Note all damages that the record ID is.  1 where there are any, 0, -ENOMEM. */
static int check_record(struct tracing *t, const struct id *id, bool is_chunk)
{
	size_t low = 0, high = t->wanted_count;
	int tainted = 0, r = 0;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (id_cmp(&t->wanted[middle].id, id) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	for (; low < t->wanted_count && id_equal(&t->wanted[low].id, id) && !r; low++) {
		if (t->wanted[low].is_chunk != is_chunk)
			continue;
		tainted = 1;
		r = add_found(t, &t->wanted[low]);
	}
	return r ? r : tainted;
}

/* The path as it stands. */

static int set_path(struct tracing *t, size_t len, const char *name, size_t name_len)
{
	t->path.len = len;
	if (name_len > 0) {
		if (len > 0)
			buffer_put8(&t->path, '/');
		buffer_append(&t->path, name, name_len);
	}
	/* The NUL byte does not count. */
	buffer_put8(&t->path, 0);
	t->path.len -= !t->path.failed;
	return t->path.failed ? -ENOMEM : 0;
}

/* Pages. */

static struct page *read_page(struct tracing *t, const struct id *id, const struct locator *hint, bool is_root)
{
	struct record record;
	struct page *page;
	size_t size;
	int r = -ENOENT;

	if (t->store && is_root)
		r = store_read_root(t->store, id, &record);
	if (t->store && r)
		r = store_read(t->store, RECORD_PAGE, id, hint, &record);
	if (r && t->report->remote)
		r = is_root ? remote_store_read_root(t->report->remote, id, &record)
		            : remote_store_read(t->report->remote, RECORD_PAGE, id, hint, &record);
	if (r)
		return NULL;
	r = page_decode(id, &record, &page, &size);
	free(record.data);
	return r ? NULL : page;
}

/* Look at the page ID, which belongs to the path as it stands: on top of the others, where something may be below it.
 */
static int enter(struct tracing *t, const struct id *id, const struct locator *hint, bool is_root)
{
	struct frame *frame;
	int r;

	if (id_set_has(&t->clean, id))
		return 0;
	r = check_record(t, id, false);
	if (r < 0)
		return r;
	frame = calloc(1, sizeof(*frame));
	if (!frame)
		return -ENOMEM;
	frame->page = read_page(t, id, hint, is_root);
	frame->tainted = r > 0;
	frame->path_len = t->path.len;
	if (!frame->page) {
		free(frame);
		if (t->top)
			t->top->tainted = true;
		return 0;
	}
	frame->up = t->top;
	t->top = frame;
	return 0;
}

static int leave(struct tracing *t)
{
	struct frame *frame = t->top;
	int r = 0;

	t->top = frame->up;
	if (!frame->tainted)
		r = id_set_add(&t->clean, &frame->page->id);
	else if (t->top)
		t->top->tainted = true;
	free(frame->page);
	free(frame);
	return r < 0 ? r : 0;
}

static int look_at_chunk(struct tracing *t, const struct id *id)
{
	int r = check_record(t, id, true);

	if (r > 0)
		t->top->tainted = true;
	return r < 0 ? r : 0;
}

static int look_at_entry(struct tracing *t, const struct entry *entry)
{
	int r = set_path(t, t->top->path_len, entry->name, entry->name_len);

	if (r)
		return r;
	if (entry->kind == ENTRY_DIRECTORY || entry->form == CONTENT_LIST)
		return enter(t, &entry->id, &entry->locator, false);
	return entry->form == CONTENT_CHUNK ? look_at_chunk(t, &entry->id) : 0;
}

/* The next entry or reference of the page on top. */
static int step(struct tracing *t)
{
	const struct page *page = t->top->page;
	const unsigned i = t->top->next++;
	struct reference reference;
	struct list_entry chunk;
	struct entry entry;
	int r;

	if (i == page->count)
		return leave(t);
	r = set_path(t, t->top->path_len, NULL, 0);
	if (r)
		return r;
	if (page->level > 0) {
		page_reference(page, i, &reference);
		return enter(t, &reference.id, &reference.locator, false);
	}
	if (page->kind == PAGE_LIST) {
		page_list_entry(page, i, &chunk);
		return look_at_chunk(t, &chunk.id);
	}
	page_entry(page, i, &entry);
	return look_at_entry(t, &entry);
}

/* Datasets. */

static int trace_root(struct tracing *t, const struct id *id, struct traced_root **traced)
{
	struct traced_root **bucket = &t->roots[(id->bytes[0] << 8 | id->bytes[1]) % ROOT_BUCKETS], *root;
	int r;

	for (root = *bucket; root && !id_equal(&root->root, id);)
		root = root->next;
	*traced = root;
	if (root)
		return 0;
	root = calloc(1, sizeof(*root));
	if (!root)
		return -ENOMEM;
	root->root = *id;
	root->next = *bucket;
	*bucket = *traced = t->root = root;
	r = set_path(t, 0, NULL, 0);
	if (!r)
		r = enter(t, id, NULL, true);
	while (!r && t->top)
		r = step(t);
	while (t->top) {
		struct frame *frame = t->top;

		t->top = frame->up;
		free(frame->page);
		free(frame);
	}
	return r;
}

/* Touches. */

static int add_commit(struct tracing *t, struct trace_path *path)
{
	struct oid *commits;

	if (path->count > 0 && oid_equal(&path->commits[path->count - 1], t->commit))
		return 0;
	if (path->count == TRACE_COMMITS_MAX) {
		path->more++;
		return 0;
	}
	commits = reallocarray(path->commits, path->count + 1, sizeof(*commits));
	if (!commits)
		return -ENOMEM;
	path->commits = commits;
	commits[path->count++] = *t->commit;
	return 0;
}

/* Takes over PATH. */
static int add_touch(struct tracing *t, size_t damage, char *path)
{
	struct trace_damage *d = &t->trace->damages[damage];
	struct trace_path *paths;
	int r = 0;

	for (size_t i = 0; i < d->count; i++) {
		if (!strcmp(d->paths[i].path, path)) {
			free(path);
			return add_commit(t, &d->paths[i]);
		}
	}
	if (d->count == TRACE_PATHS_MAX) {
		d->more = true;
		free(path);
		return 0;
	}
	paths = reallocarray(d->paths, d->count + 1, sizeof(*paths));
	if (!paths) {
		free(path);
		return -ENOMEM;
	}
	d->paths = paths;
	paths[d->count] = (struct trace_path){.path = path};
	r = add_commit(t, &paths[d->count++]);
	return r;
}

static char *join(const char *dataset, const char *path)
{
	const size_t dataset_len = strlen(dataset), path_len = strlen(path);
	char *joined = malloc(dataset_len + path_len + 2);

	if (!joined)
		return NULL;
	memcpy(joined, dataset, dataset_len);
	if (path_len > 0)
		joined[dataset_len] = '/';
	memcpy(joined + dataset_len + (path_len > 0), path, path_len + 1);
	return joined;
}

static int touch(struct tracing *t, size_t damage, const char *dataset, const char *path)
{
	char *joined = join(dataset, path);

	return joined ? add_touch(t, damage, joined) : -ENOMEM;
}

/* Another pointer to the same root may say the right numbers. */
static bool is_pointer_of(const struct verify_damage *d, const struct pointer *pointer)
{
	return d->kind == VERIFY_POINTER && id_equal(&d->id, &pointer->root) && d->files == pointer->files &&
	       d->bytes == pointer->bytes;
}

/* Damage that is known by where it stands in Git. */
static int touch_by_path(struct tracing *t, const char *path, const struct pointer *pointer)
{
	int r = 0;

	for (size_t i = 0; i < t->report->count && !r; i++) {
		const struct verify_damage *d = &t->report->damages[i];
		bool is_it = pointer ? is_pointer_of(d, pointer) : d->kind == VERIFY_GIT;

		if (is_it && !strcmp(d->path, path))
			r = touch(t, i, path, "");
	}
	return r;
}

static int take_dataset(void *arg, const char *path, const struct pointer *pointer, int error)
{
	struct tracing *t = arg;
	struct traced_root *root;
	int r;

	(void)error;
	r = touch_by_path(t, path, pointer);
	if (r || !pointer)
		return r;
	r = trace_root(t, &pointer->root, &root);
	for (size_t i = 0; !r && i < root->count; i++)
		r = touch(t, root->found[i].damage, path, root->found[i].path);
	return r;
}

static int take_commit(void *arg, const struct oid *oid, const struct repo_commit *commit)
{
	struct tracing *t = arg;

	t->commit = oid;
	return dataset_each(t->repo, &commit->tree, take_dataset, t);
}

int trace_run(struct repo *repo, struct store *store, const struct oid *tips, size_t count,
              const struct verify_report *report, struct trace *trace)
{
	struct tracing t = {.repo = repo, .store = store, .report = report, .trace = trace};
	int r = 0;

	*trace = (struct trace){0};
	trace->damages = calloc(report->count + 1, sizeof(*trace->damages));
	if (!trace->damages)
		return -ENOMEM;
	trace->count = report->count;
	r = list_wanted(&t);
	if (!r)
		r = repo_each_commit(repo, tips, count, take_commit, &t);
	for (size_t i = 0; i < ROOT_BUCKETS; i++) {
		for (struct traced_root *root = t.roots[i], *next; root; root = next) {
			next = root->next;
			for (size_t j = 0; j < root->count; j++)
				free(root->found[j].path);
			free(root->found);
			free(root);
		}
	}
	buffer_release(&t.path);
	id_set_release(&t.clean);
	free(t.wanted);
	return r;
}
