#include "fs/drift.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "fs/dataset.h"
#include "fs/instep.h"
#include "fs/likeness.h"
#include "fs/name.h"
#include "fs/old_tree.h"
#include "fs/scan.h"

struct drift {
	const struct drift_request *request;
	drift_each each;
	void *arg;
	struct scan *scan;
	struct stat_cache *cache;
	bool followed; /* the cache is of the tree that is compared with */
	struct old_tree *old;
	struct likeness *likeness;
	struct buffer path; /* for what is gone, and for patterns */
	bool skipped;
};

static int tell(struct drift *d, const char *path, const struct entry *old, uint8_t kind, const struct stat *st)
{
	struct drift_difference difference = {.path = path, .old = old, .kind = kind, .st = st};

	return d->each(d->arg, &difference);
}

static int tell_problem(struct drift *d, enum problem problem, int error)
{
	struct drift_difference difference = {
	    .path = d->scan ? scan_path(d->scan) : "", .problem = (uint8_t)problem, .error = error};

	return d->each(d->arg, &difference);
}

/* FOLDER/NAME in d->path; NULL where memory ran out. */
static const char *join(struct drift *d, const char *folder, const char *name, size_t len)
{
	buffer_clear(&d->path);
	buffer_append(&d->path, folder, strlen(folder));
	if (*folder)
		buffer_put8(&d->path, '/');
	buffer_append(&d->path, name, len);
	buffer_put8(&d->path, 0);
	return d->path.failed ? NULL : (const char *)d->path.data;
}

struct gone {
	struct drift *drift;
	size_t prefix; /* of d->path */
};

static int gone_below(void *arg, const char *path, size_t path_len, const struct entry *entry)
{
	struct gone *gone = arg;
	struct buffer *full = &gone->drift->path;

	full->len = gone->prefix;
	buffer_put8(full, '/');
	buffer_append(full, path, path_len);
	buffer_put8(full, 0);
	return full->failed ? -ENOMEM : tell(gone->drift, (const char *)full->data, entry, 0, NULL);
}

/* The path of the directory that the old tree is in, which is also that of the walk. */
static int put_folder(struct drift *d, size_t levels)
{
	const char *path = scan_path(d->scan);
	size_t len = 0;

	/* The walk may stand at a name in that directory: only as many components count as there are levels. */
	while (levels--) {
		len += len ? 1 : 0;
		len += strcspn(path + len, "/");
	}
	buffer_clear(&d->path);
	buffer_append(&d->path, path, len);
	return d->path.failed ? -ENOMEM : 0;
}

static int on_gone(void *arg, const struct entry *entry)
{
	struct drift *d = arg;
	struct gone gone = {.drift = d};
	struct tree_visitor visitor = {.each = gone_below, .arg = &gone};
	struct directory directory;
	int error = put_folder(d, old_tree_level(d->old));

	if (error)
		return error;
	if (d->path.len)
		buffer_put8(&d->path, '/');
	buffer_append(&d->path, entry->name, entry->name_len);
	gone.prefix = d->path.len;
	buffer_put8(&d->path, 0);
	if (d->path.failed)
		return -ENOMEM;
	error = tell(d, (const char *)d->path.data, entry, 0, NULL);
	if (error || entry->kind != ENTRY_DIRECTORY)
		return error;
	directory_of(entry, &directory);
	return tree_visit(d->request->source, &directory, &visitor);
}

/* A file or link on both sides, or on one. */
static int take_found(struct drift *d, int dirfd, const char *name, const char *path, const struct stat *st,
                      const struct stat_cache_entry *cached, const struct entry *old)
{
	uint8_t kind = S_ISLNK(st->st_mode) ? ENTRY_SYMLINK : ENTRY_FILE;
	bool same, of_store;
	int error;

	if (old && old->kind == kind) {
		error = likeness_compare(d->likeness, dirfd, name, st, cached ? &cached->content : NULL, old, &same,
		                         &of_store);
		if (error && (of_store || error == -ENOMEM))
			return error;
		if (error)
			return tell_problem(d, PROBLEM_UNREADABLE, error);
		return same ? 0 : tell(d, path, old, kind, st);
	}
	if (old) {
		error = on_gone(d, old);
		if (error)
			return error;
	}
	return tell(d, path, NULL, kind, st);
}

static int take_entry(struct drift *d, const struct scan_step *met)
{
	uint8_t kind = S_ISLNK(met->st.st_mode) ? ENTRY_SYMLINK : ENTRY_FILE;
	struct stat_cache_entry cached;
	struct file_stamp stamp;
	const struct entry *old;
	bool known, differs;
	int error;

	if (!S_ISREG(met->st.st_mode) && !S_ISLNK(met->st.st_mode))
		return tell_problem(d, PROBLEM_SPECIAL, 0);
	file_stamp_of(&met->st, &stamp);
	known = !stat_cache_find(d->cache, met->name, met->name_len, &cached) && !cached.racy && cached.kind == kind &&
	        file_stamp_equal(&cached.stamp, &stamp);
	differs = stat_cache_differs(d->cache);
	if (differs) {
		error = old_tree_differs(d->old);
		if (error)
			return error;
	}
	if (known && d->followed)
		return old_tree_same(d->old, met->name, met->name_len);
	error = old_tree_find(d->old, met->name, met->name_len, &old);
	if (error)
		return error;
	return take_found(d, scan_dir_fd(met->dir), met->name, scan_path(d->scan), &met->st, known ? &cached : NULL,
	                  old);
}

static int take_enter(struct drift *d, const struct scan_step *met)
{
	const struct entry *old;
	bool is_new;
	int error = 0;

	stat_cache_enter(d->cache, met->name, met->name_len);
	/* Where the cache has it, and is of this tree, the tree has it as well. */
	if (stat_cache_differs(d->cache) || !d->followed) {
		error = old_tree_find(d->old, met->name, met->name_len, &old);
		is_new = !error && (!old || old->kind != ENTRY_DIRECTORY);
		if (is_new && old)
			error = on_gone(d, old);
		if (is_new && !error)
			error = tell(d, scan_path(d->scan), NULL, ENTRY_DIRECTORY, &met->st);
	}
	return error ? error : old_tree_enter(d->old, met->name, met->name_len);
}

static int take_leave(struct drift *d)
{
	bool same;
	int error = 0;

	stat_cache_leave(d->cache);
	if (stat_cache_differs(d->cache))
		error = old_tree_differs(d->old);
	return error ? error : old_tree_leave(d->old, &same);
}

static bool is_excluded(struct drift *d, bool is_directory)
{
	const char *path;

	if (!d->request->exclude)
		return false;
	path = join(d, d->request->path, scan_path(d->scan), strlen(scan_path(d->scan)));
	return path && exclude_matches(d->request->exclude, path, is_directory);
}

static int take_step(struct drift *d, const struct scan_step *met)
{
	bool is_directory = met->event == SCAN_ENTER, excluded;

	if (d->skipped) {
		d->skipped = false;
		return 0;
	}
	if (met->event == SCAN_LEAVE)
		return take_leave(d);
	if (met->event == SCAN_FAILED)
		return tell_problem(d, met->error == -ENAMETOOLONG ? PROBLEM_TOO_DEEP : PROBLEM_UNREADABLE, met->error);
	excluded = is_excluded(d, is_directory);
	if (excluded || name_is_dotgit(met->name, met->name_len)) {
		if (is_directory)
			scan_skip(d->scan);
		d->skipped = is_directory;
		return excluded ? 0 : tell_problem(d, PROBLEM_DOTGIT, 0);
	}
	return is_directory ? take_enter(d, met) : take_entry(d, met);
}

static const struct old_tree_hooks hooks = {.gone = on_gone};

static int walk(struct drift *d)
{
	struct directory directory;
	struct scan_step met;
	bool same;
	int error;

	dataset_directory(d->request->pointer, &directory);
	error = old_tree_open(d->request->source, &directory, d->followed, &hooks, d, &d->old);
	if (!error)
		error = scan_open(d->request->dirfd, d->request->path, &d->scan);
	while (!error && !(error = scan_next(d->scan, &met)))
		error = atomic_load_explicit(d->request->cancelled, memory_order_relaxed) ? -EINTR : take_step(d, &met);
	if (error != -ENOENT || !d->scan)
		return error;
	stat_cache_finish(d->cache);
	error = stat_cache_differs(d->cache) ? old_tree_differs(d->old) : 0;
	return error ? error : old_tree_leave(d->old, &same);
}

/* A file beside a dataset of one file. */
static int single(struct drift *d)
{
	const struct drift_request *r = d->request;
	struct stat_cache_entry cached;
	struct file_stamp stamp;
	struct page_pin pin = {0};
	struct entry old;
	struct stat st;
	bool known;
	int error;

	if (fstatat(r->dirfd, r->path, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -ENOENT;
	file_stamp_of(&st, &stamp);
	known = !stat_cache_find(d->cache, "", 0, &cached) && !cached.racy && file_stamp_equal(&cached.stamp, &stamp);
	if (known && d->followed)
		return 0;
	error = source_pin_root(r->source, PAGE_FILE, &r->pointer->root, &pin);
	if (error)
		return error;
	page_entry(pin.page, 0, &old);
	error = take_found(d, r->dirfd, r->path, "", &st, known ? &cached : NULL, &old);
	source_unpin_page(r->source, &pin);
	return error;
}

/* The tree is a directory and a file stands there, or the other way round: all of it is gone, all of that is new. */
static int other_type(struct drift *d)
{
	static const struct entry file = {.name = "", .kind = ENTRY_FILE},
				  folder = {.name = "", .kind = ENTRY_DIRECTORY};
	const struct drift_request *r = d->request;
	struct stat st;
	int error;

	if (fstatat(r->dirfd, r->path, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	error = tell(d, "", r->is_file ? &folder : &file, 0, NULL);
	return error ? error : tell(d, "", NULL, r->is_file ? ENTRY_FILE : ENTRY_DIRECTORY, &st);
}

int drift_compare(const struct drift_request *request, drift_each each, void *arg)
{
	struct drift d = {.request = request, .each = each, .arg = arg};
	char stat_name[INSTEP_NAME_SIZE];
	struct id root;
	int error;

	instep_stat_name(request->path, stat_name);
	if (request->folder >= 0 && !stat_cache_open(request->io, request->folder, stat_name, &d.cache, &root))
		d.followed = id_equal(&root, &request->pointer->root);
	error = likeness_new(request->source, &d.likeness);
	if (error)
		goto out;
	if (request->is_file != request->pointer->is_file)
		error = other_type(&d);
	else
		error = request->is_file ? single(&d) : walk(&d);
out:
	likeness_free(d.likeness);
	scan_close(d.scan);
	old_tree_close(d.old);
	stat_cache_close(d.cache);
	buffer_release(&d.path);
	return error;
}
