#include "fs/upper.h"

#include <assert.h>
#include <errno.h>

#include "cache/interrupt.h"
#include "fs/dataset.h"
#include "fs/overlay.h"
#include "fs/stages.h"
#include "fs/stat_cache.h"

/* An upper folder on its way through the stages. */
struct state {
	const struct snapshot_run *run;
	const struct upper *upper;
	struct snapshot_result *result;
	struct overlay *overlay;
	struct stat_cache *cache;
	struct id cache_root; /* of the tree whose content the cache has */
	bool cache_trusted;
	struct stat_cache_writer *new_cache;
	struct old_chunks *old_chunks;
	struct stages stages;
};

static int on_entry(void *arg, const struct batch *b, const struct step *step)
{
	struct state *s = arg;
	struct entry entry;

	stages_entry(b, step, &entry);
	return overlay_put(s->overlay, &entry);
}

static int on_enter(void *arg, const char *name, size_t len, bool bare)
{
	struct state *s = arg;

	return overlay_enter(s->overlay, name, len, bare);
}

static int on_leave(void *arg)
{
	struct state *s = arg;

	return overlay_leave(s->overlay);
}

static int on_hidden(void *arg, const char *name, size_t len)
{
	struct state *s = arg;

	return overlay_hide(s->overlay, name, len);
}

static const struct stages_hooks hooks = {.entry = on_entry, .enter = on_enter, .leave = on_leave, .hidden = on_hidden};

int upper_look(const struct upper *u, bool *bare)
{
	enum layer_mark mark = LAYER_PLAIN;
	struct scan_dir *dir;
	int error = scan_dir_open(u->dirfd, u->name, &dir);

	if (error)
		return error;
	error = layer_check(u->dialect, scan_dir_fd(dir));
	/* What is mounted is what the mount was told: the kernel does not ask for the marks of the top. */
	if (!error && u->dialect == LAYER_FUSE)
		error = layer_of_directory(u->dialect, scan_dir_fd(dir), &mark);
	scan_dir_unpin(dir);
	*bare = mark == LAYER_OPAQUE;
	return error;
}

static int open_overlay(struct state *s, bool bare)
{
	const struct pointer *old = s->upper->old;
	struct directory base, parent;

	dataset_directory(s->upper->base, &base);
	if (old && !old->is_file)
		dataset_directory(old, &parent);
	return overlay_open(s->run->writer, s->run->source, bare ? NULL : &base, old && !old->is_file ? &parent : NULL,
	                    &s->overlay);
}

static int open_known(struct state *s)
{
	const struct upper *u = s->upper;
	struct gone *gone = NULL;
	bool bare;
	int error = upper_look(u, &bare);

	if (error)
		return error;
	if (u->folder >= 0)
		stat_cache_open(s->run->io, u->folder, u->stat_name, &s->cache, &s->cache_root);
	/* Then each content it names is in one of the trees, at the same path; else it must be in the store. */
	s->cache_trusted = s->cache && (id_equal(&s->cache_root, &u->base->root) ||
	                                (u->old && id_equal(&s->cache_root, &u->old->root)));
	if (u->folder >= 0 && !s->run->dry)
		stat_cache_writer_open(s->run->io, u->folder, u->stat_name, &s->run->start, &s->new_cache);
	if (!s->run->full) {
		gone_open(u->dirfd, u->name, u->dialect, &gone);
		error = old_chunks_new(s->run->source, u->base, gone, &s->old_chunks);
	}
	return error ? error : open_overlay(s, bare);
}

static int run_stages(struct state *s)
{
	s->stages = (struct stages){
	    .run = s->run,
	    .result = s->result,
	    .hooks = &hooks,
	    .arg = s,
	    .new_cache = s->new_cache,
	    .feed = {.dirfd = s->upper->dirfd,
	             .name = s->upper->name,
	             .path = s->upper->path,
	             .dialect = s->upper->dialect,
	             .cache = s->cache,
	             .cache_trusted = s->cache_trusted},
	    .old_chunks = s->old_chunks,
	};
	return stages_run(&s->stages);
}

static int finish(struct state *s)
{
	struct snapshot_result *r = s->result;
	const struct pointer *old = s->upper->old;
	int error = overlay_finish(s->overlay, &r->root);

	if (error)
		return error;
	overlay_counts(s->overlay, &r->counts);
	r->pointer = (struct pointer){.root = r->root.id, .files = r->root.totals.files, .bytes = r->root.totals.bytes};
	if (!old || old->is_file)
		r->counts.added = r->pointer.files;
	if (old && old->is_file)
		r->counts.deleted = old->files;
	r->unchanged = old && !old->is_file && id_equal(&old->root, &r->pointer.root);
	r->recorded = true;
	return 0;
}

/* The cache is written where it says something new of files, or is that of another tree now. */
static void hand_over_cache(struct state *s)
{
	const struct snapshot_result *r = s->result;

	if (!s->stages.dirty && (!r->recorded || id_equal(&s->cache_root, &r->pointer.root)))
		return;
	s->result->cache = s->new_cache;
	s->new_cache = NULL;
}

int upper_snapshot(const struct snapshot_run *run, const struct upper *upper, struct snapshot_result *result)
{
	struct state s = {.run = run, .upper = upper, .result = result};
	struct store_writer_stats before, after;
	int error;

	assert(upper->dialect != LAYER_NONE && !upper->base->is_file);
	*result = (struct snapshot_result){0};
	store_writer_stats(run->writer, &before);
	error = open_known(&s);
	if (!error)
		error = run_stages(&s);
	if (!error && !result->problems)
		error = finish(&s);
	if (error && s.overlay && overlay_parent_failed(s.overlay) && !is_unanswered(error))
		error = -ESTALE;
	store_writer_stats(run->writer, &after);
	result->new_bytes = after.raw_bytes - before.raw_bytes;
	result->stored_bytes = after.stored_bytes - before.stored_bytes;
	if (!error)
		hand_over_cache(&s);
	stat_cache_writer_abort(s.new_cache);
	overlay_close(s.overlay);
	stat_cache_close(s.cache);
	old_chunks_free(s.old_chunks);
	return error;
}
