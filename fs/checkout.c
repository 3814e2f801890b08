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
	struct side
	    halves[INSTEP_BEFORE_MAX + 1]; /* what unfinished checkouts were to make of them, other than TARGET */
	size_t halves_count;
	struct side target;
	const struct side *compared; /* with TARGET: BASE or one of HALVES */
};

/* What the known states that are not being compared have at a path. */
struct others {
	struct entry_pin pins[SITE_OTHERS_MAX];
	const struct entry *base; /* NULL: it has nothing there, or is being compared */
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

/* What SIDE has at PATH; *PIN is to be given back.  NULL where it has nothing; *BLOCKED where it has something that is
 * no directory above. */
static int find_in_side(struct checkout *c, const struct side *side, const char *path, struct entry_pin *pin,
                        const struct entry **entry, bool *blocked)
{
	int error;

	*entry = *path ? NULL : side_file(side);
	if (!*path || !side_directory(side))
		return 0;
	error = tree_walk(c->request->world->source, &side->directory, path, pin);
	if (!error)
		*entry = &pin->entry;
	*blocked = error == -ENOTDIR;
	return error == -ENOENT || error == -ENOTDIR ? 0 : error;
}

static void others_release(struct checkout *c, struct others *others)
{
	for (size_t i = 0; i < SITE_OTHERS_MAX; i++)
		tree_unpin_entry(c->request->world->source, &others->pins[i]);
}

/* Note in STATES what all the known states have at PATH but the one that is being compared. */
static int find_others(struct checkout *c, const char *path, struct others *others, struct site_states *states)
{
	int error = 0;

	*others = (struct others){0};
	for (size_t i = 0; !error && i <= c->halves_count; i++) {
		const struct side *side = i ? &c->halves[i - 1] : &c->base;
		const struct entry *entry = NULL;
		bool blocked = false;

		if (side == c->compared) {
			/* Of those that were compared before nothing is in the way any more. */
			states->blocked = false;
			continue;
		}
		error = find_in_side(c, side, path, &others->pins[i], &entry, &blocked);
		states->blocked |= blocked;
		if (error || !entry)
			continue;
		states->others[states->others_count++] = entry;
		if (!i)
			others->base = entry;
	}
	return error;
}

/* What the target has at PATH, where nothing is wanted before something of another kind: *PIN is to be given back. */
static int find_later(struct checkout *c, const char *path, struct entry_pin *pin, struct site_states *states)
{
	bool blocked;
	int error = find_in_side(c, &c->target, path, pin, &states->later, &blocked);

	/* The file of a target that is one file takes the place of whatever is there. */
	states->replaced = states->later || side_file(&c->target);
	return error;
}

/* One path that differs between the states that are compared. */
static int take(struct checkout *c, const char *path, const struct entry *a, const struct entry *b)
{
	const bool is_first = c->compared == &c->base;
	struct site_states states = {.wanted = b, .own = a};
	struct entry_pin later = {0};
	struct others others;
	int answer, error = find_others(c, path, &others, &states);

	if (!error && !b)
		error = find_later(c, path, &later, &states);
	if (!is_first) {
		/* Where nothing changed from the base, what the user has there is no conflict; nor where nothing is
		 * wanted, or not yet.  The rest was met in the first comparison, unless something of an unfinished
		 * checkout was in the way. */
		states.keep_others = !b || (others.base && compare_entries_equal(others.base, b));
	}
	states.cached = is_first;
	answer = error ? error : site_take(c->site, path, &states);
	tree_unpin_entry(c->request->world->source, &later);
	others_release(c, &others);
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

/* The root ID of the record: SIDE does not exist where that is lost.  What is only out of reach now is an error: what
 * came of it would be taken for the user's. */
static int open_recorded(struct checkout *c, const struct id *id, struct side *side)
{
	int error = side_open(c->request->world->source, id, c->request->target->is_file, side);

	return error == -ENODATA || error == -ENOENT || error == -EBADMSG || error == -ENOTSUP ? 0 : error;
}

/* What an unfinished checkout of ROOT may have left; one that is lost left nothing. */
static int open_half(struct checkout *c, const struct id *root)
{
	struct side *half = &c->halves[c->halves_count];
	int error;

	if (id_equal(root, &c->request->target->root))
		return 0;
	error = open_recorded(c, root, half);
	c->halves_count += half->exists;
	return error;
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
	/* A base that is lost is none: then nothing is replaced that is not what it shall be. */
	if (record->has_root)
		error = open_recorded(c, &record->root, &c->base);
	if (!error && record->has_checkout)
		error = open_half(c, &record->checkout);
	for (unsigned i = 0; !error && i < record->before_count; i++)
		error = open_half(c, &record->before[i]);
	if (error)
		return error;
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
	for (size_t i = 0; error == -ENOENT && i < c->halves_count; i++)
		error = side_has(c, &c->halves[i]);
	return error;
}

/* Go from SIDE to the target. */
static int pass_from(struct checkout *c, const struct side *side)
{
	c->compared = side;
	return pass(c, side);
}

/* All comparisons, from the base and from what unfinished checkouts left. */
static int pass_all(struct checkout *c)
{
	int error = pass_from(c, &c->base);

	for (size_t i = 0; !error && i < c->halves_count; i++) {
		/* Each looks at what the ones before wrote. */
		error = site_finish(c->site, NULL, NULL);
		if (!error)
			error = pass_from(c, &c->halves[i]);
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
		error = pass_all(c);
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
	for (size_t i = 0; i < c.halves_count; i++)
		side_close(source, &c.halves[i]);
	side_close(source, &c.target);
	result->whole = !error && !request->dry && !*request->inside && !result->conflicts && !result->failed;
	return error;
}
