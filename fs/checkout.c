#include "fs/checkout.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fs/checkout_site.h"
#include "fs/compare.h"
#include "fs/deposit.h"
#include "fs/drift.h"
#include "fs/scan.h"

/* A tree by the root of a dataset of either type. */
struct side {
	bool exists;
	bool is_file;
	struct id root;
	struct directory directory;
	struct entry file; /* borrows from PIN */
	struct page_pin pin;
};

struct checkout {
	const struct checkout_request *request;
	struct checkout_result *result;
	struct checkout_site *site;
	struct side base; /* what the files were last in step with */
	struct side half; /* what an unfinished checkout was to make of them, where that is another */
	struct side target;
	bool second; /* the comparison is that of HALF with TARGET */
};

/* Open the root ID of either type; FIRST is tried first. */
static int side_open(struct source *s, const struct id *id, bool first_file, struct side *side)
{
	int error = -EBADMSG;

	*side = (struct side){.root = *id};
	for (unsigned i = 0; i < 2 && error == -EBADMSG; i++) {
		side->is_file = (i == 0) == first_file;
		error = source_pin_root(s, side->is_file ? PAGE_FILE : PAGE_DIRECTORY, id, &side->pin);
	}
	if (error)
		return error;
	side->exists = true;
	side->directory = (struct directory){.id = *id, .is_root = true};
	if (side->is_file)
		page_entry(side->pin.page, 0, &side->file);
	return 0;
}

static void side_close(struct source *s, struct side *side)
{
	if (side->pin.page)
		source_unpin_page(s, &side->pin);
}

static const struct directory *side_directory(const struct side *side)
{
	return side->exists && !side->is_file ? &side->directory : NULL;
}

static const struct entry *side_file(const struct side *side)
{
	return side->exists && side->is_file ? &side->file : NULL;
}

/* Whether PATH is meant: lies inside what the user named, or (*ABOVE) leads there. */
static bool is_meant(const struct checkout *c, const char *path, bool *above)
{
	const char *inside = c->request->inside;
	size_t len = strlen(path), inside_len = strlen(inside), least = len < inside_len ? len : inside_len;

	*above = false;
	if (!inside_len)
		return true;
	if (memcmp(path, inside, least))
		return false;
	if (len >= inside_len)
		return len == inside_len || path[inside_len] == '/';
	*above = !len || inside[len] == '/';
	return *above;
}

/*
 * What the other known state, of HALF or BASE, has at PATH; *PIN is to be given back.  NULL where it has nothing;
 * *BLOCKED where it has something that is no directory above.
 */
static int find_other(struct checkout *c, const char *path, struct entry_pin *pin, const struct entry **entry,
                      bool *blocked)
{
	const struct side *other = c->second ? &c->base : &c->half;
	struct source *source = c->request->world->source;
	int error;

	*entry = NULL;
	*blocked = false;
	if (!*path)
		*entry = side_file(other);
	if (!*path || !side_directory(other))
		return 0;
	error = tree_walk(source, &other->directory, path, pin);
	if (!error)
		*entry = &pin->entry;
	*blocked = error == -ENOTDIR;
	return error == -ENOENT || error == -ENOTDIR ? 0 : error;
}

/* Whether the target has something at PATH. */
static int is_replaced(struct checkout *c, const char *path, bool *replaced)
{
	const struct side *target = &c->target;
	struct entry_pin pin = {0};
	int error;

	*replaced = side_file(target);
	if (!*path || !side_directory(target))
		return 0;
	error = tree_walk(c->request->world->source, &target->directory, path, &pin);
	*replaced = !error;
	tree_unpin_entry(c->request->world->source, &pin);
	return error == -ENOENT || error == -ENOTDIR ? 0 : error;
}

/* One path that differs between the states that are compared. */
static int take(struct checkout *c, const char *path, const struct entry *a, const struct entry *b)
{
	struct source *source = c->request->world->source;
	struct entry_pin pin = {0};
	struct site_states states = {.wanted = b, .own = a};
	int answer, error = find_other(c, path, &pin, &states.other, &states.blocked);

	if (!error && !b)
		error = is_replaced(c, path, &states.replaced);
	if (error) {
		tree_unpin_entry(source, &pin);
		return error;
	}
	if (c->second) {
		/* Where nothing changed from the base, what the user has there is no conflict; nor where nothing is
		 * wanted, or not yet.  The rest was met in the first comparison, unless something of the unfinished
		 * checkout was in the way. */
		states.keep_others = !b || (states.other && compare_entries_equal(states.other, b));
		states.blocked = false;
	}
	states.cached = !c->second;
	answer = site_take(c->site, path, &states);
	tree_unpin_entry(source, &pin);
	return answer;
}

static int each_difference(void *arg, const char *path, size_t path_len, const struct entry *a, const struct entry *b)
{
	struct checkout *c = arg;
	bool above;

	(void)path_len;
	if (atomic_load_explicit(c->request->stop, memory_order_relaxed))
		return -EINTR;
	if (!is_meant(c, path, &above))
		return 1;
	/* On the way down directories are made, but nothing is removed. */
	if (above && (a || !b || b->kind != ENTRY_DIRECTORY))
		return a && a->kind != ENTRY_DIRECTORY ? 1 : 0;
	return take(c, path, a, b);
}

/* Go from the tree A to the target; either may be a file or nothing. */
static int pass(struct checkout *c, const struct side *a)
{
	const struct side *b = &c->target;
	struct source *source = c->request->world->source;
	const struct entry *file_a = side_file(a), *file_b = side_file(b);
	struct entry top = {.kind = ENTRY_DIRECTORY, .name = ""};
	int answer = 0;

	if (file_a && !file_b)
		answer = take(c, "", file_a, NULL);
	if (side_directory(a) && !side_directory(b))
		answer = site_take(c->site, "", &(struct site_states){.own = &top});
	if (!side_directory(a) && side_directory(b))
		answer = site_take(c->site, "", &(struct site_states){.wanted = &top});
	if (answer == 0)
		answer = compare_trees(source, side_directory(a), side_directory(b), each_difference, c);
	if (answer >= 0)
		answer = site_settle(c->site);
	if (answer >= 0 && file_b && !(file_a && compare_entries_equal(file_a, file_b)))
		answer = take(c, "", file_a, file_b);
	return answer < 0 ? answer : 0;
}

/* Files that are in step, but for what somebody did to them: what is missing comes back; with force, everything. */
static int each_drift(void *arg, const struct drift_difference *d)
{
	struct checkout *c = arg;
	bool above;
	int answer;

	if (!d->old || d->problem || !is_meant(c, d->path, &above) || above)
		return 0;
	answer = site_restore(c->site, d->path, d->old);
	return answer < 0 ? answer : 0;
}

static int restore(struct checkout *c)
{
	const struct checkout_request *r = c->request;
	struct drift_request request = {
	    .source = r->world->source,
	    .io = r->wt->io,
	    .dirfd = r->wt->root,
	    .path = r->path,
	    .is_file = r->target->is_file,
	    .pointer = r->target,
	    .folder = r->wt->folder,
	    .cancelled = r->stop,
	};
	int error = drift_compare(&request, each_drift, c);

	/* The file of a dataset that is one file is gone. */
	if (error == -ENOENT && r->target->is_file)
		error = site_restore(c->site, "", &c->target.file);
	/* Something of the other type is there: a comparison told of it, or in a dry run would have replaced it. */
	if (error == -ENOTDIR || error == -EISDIR)
		error = 0;
	return error < 0 ? error : 0;
}

static int open_sides(struct checkout *c, bool fresh, bool file_there)
{
	const struct checkout_request *r = c->request;
	const struct instep *record = r->record;
	struct source *source = r->world->source;
	int error = side_open(source, &r->target->root, r->target->is_file, &c->target);

	if (!error && c->target.is_file != r->target->is_file)
		error = -EBADMSG;
	if (error || fresh || !record)
		return error;
	/* A base that cannot be read is none: then nothing is replaced that is not what it shall be. */
	if (record->has_root && side_open(source, &record->root, r->target->is_file, &c->base) == -ENOMEM)
		return -ENOMEM;
	if (record->has_checkout && !id_equal(&record->checkout, &r->target->root) &&
	    side_open(source, &record->checkout, r->target->is_file, &c->half) == -ENOMEM)
		return -ENOMEM;
	/* Nor is one of another type than what stands there. */
	c->base.exists &= c->base.is_file == file_there;
	return 0;
}

/* Whether a tree has something at INSIDE. */
static int side_has(struct checkout *c, const struct side *side)
{
	struct entry_pin pin = {0};
	int error;

	if (!side_directory(side))
		return -ENOENT;
	error = tree_walk(c->request->world->source, &side->directory, c->request->inside, &pin);
	tree_unpin_entry(c->request->world->source, &pin);
	return error == -ENOTDIR ? -ENOENT : error;
}

/* -ENOENT where the user named what no tree has. */
static int find_inside(struct checkout *c)
{
	int error = *c->request->inside ? side_has(c, &c->target) : 0;

	if (error == -ENOENT)
		error = side_has(c, &c->base);
	if (error == -ENOENT)
		error = side_has(c, &c->half);
	return error;
}

/* Both comparisons, from the base and from what an unfinished checkout left. */
static int three_way(struct checkout *c)
{
	int error = pass(c, &c->base);

	/* The second looks at what the first one wrote. */
	if (!error && c->half.exists)
		error = site_finish(c->site, NULL, NULL);
	if (!error && c->half.exists) {
		c->second = true;
		error = pass(c, &c->half);
		c->second = false;
	}
	return error;
}

/* What is not finished of the file of a dataset that is one file, or was, stands beside it. */
static int sweep_beside(const struct worktree *wt, const char *path)
{
	const char *name;
	int fd = worktree_open_parent(wt, path, false, &name), error;
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *d;

	if (!dir) {
		error = -errno;
		io_close(wt->io, fd);
		return fd == -ENOENT || fd == -ENOTDIR || fd == -ELOOP ? 0 : fd < 0 ? fd : error;
	}
	while ((d = readdir(dir))) {
		if (deposit_is_unfinished(d->d_name))
			unlinkat(fd, d->d_name, 0);
	}
	closedir(dir);
	return 0;
}

int checkout_sweep(const struct worktree *wt, const char *path)
{
	struct scan_step step;
	struct scan *scan;
	int error = sweep_beside(wt, path);

	if (!error)
		error = scan_open(wt->root, path, &scan);
	if (error)
		return error == -ENOENT || error == -ENOTDIR ? 0 : error;
	while (!(error = scan_next(scan, &step))) {
		if (step.event == SCAN_ENTRY && deposit_is_unfinished(step.name))
			unlinkat(scan_dir_fd(step.dir), step.name, 0);
	}
	scan_close(scan);
	return error == -ENOENT ? 0 : error;
}

static int run(struct checkout *c, bool fresh)
{
	const struct instep *record = c->request->record;
	bool unfinished = record && record->has_checkout;
	bool in_step = c->base.exists && id_equal(&c->base.root, &c->target.root) && !unfinished;
	int error = 0;

	if (unfinished && !c->request->dry)
		error = checkout_sweep(c->request->wt, c->request->path);
	if (!error && !in_step)
		error = three_way(c);
	if (!error && !in_step)
		error = site_finish(c->site, side_directory(&c->base), side_directory(&c->target));
	if (!error && !fresh && (in_step || unfinished || c->request->force)) {
		error = restore(c);
		if (!error)
			error = site_finish(c->site, NULL, NULL);
	}
	return error;
}

int checkout_dataset(const struct checkout_request *request, struct checkout_result *result)
{
	struct checkout c = {.request = request, .result = result};
	struct source *source = request->world->source;
	enum work_kind kind;
	bool fresh;
	int error;

	*result = (struct checkout_result){0};
	error = worktree_kind(request->wt, request->path, &kind);
	if (error)
		return error;
	fresh = kind == WORK_ABSENT || (kind == WORK_DIRECTORY && worktree_is_empty(request->wt, request->path));
	error = open_sides(&c, fresh, kind == WORK_FILE);
	if (!error)
		error = find_inside(&c);
	/* A part of a dataset that is of another type now is no part of anything. */
	if (!error && *request->inside && (request->target->is_file || kind == WORK_FILE))
		error = -ENOTDIR;
	if (!error)
		error = site_open(request, result, fresh, c.base.exists ? &c.base.root : NULL, &c.site);
	if (!error)
		error = run(&c, fresh);
	/* Before anybody notes that the files are in step: what power loss empties must not be taken for an edit. */
	if (!error && !request->dry && result->written && syncfs(request->wt->root) < 0)
		error = -errno;
	site_close(c.site);
	side_close(source, &c.base);
	side_close(source, &c.half);
	side_close(source, &c.target);
	result->whole = !error && !request->dry && !*request->inside && !result->conflicts && !result->failed;
	return error;
}
