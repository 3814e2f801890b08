#include "fs/snapshot.h"

#include <errno.h>

#include "fs/dataset.h"
#include "fs/stages.h"
#include "fs/stat_cache.h"

/* One dataset on its way through the stages. */
struct state {
	const struct snapshot_run *run;
	const struct snapshot_dataset *dataset;
	struct snapshot_result *result;
	struct stages stages;
	struct stat_cache *cache;
	struct stat_cache_writer *new_cache;
	struct old_chunks *old_chunks; /* NULL: what the store lacks is stored */
	struct new_tree *tree;         /* NULL for a dataset that is a file */
	bool followed;                 /* `same` in the cache is the same in the old tree */
	bool elsewhere;                /* what is in the old tree need not be in the store */
	bool cache_trusted;
	bool whole; /* a dataset that is a file was met */
};

/* The old entry of a dataset that is a file, where there is one. */
static int old_file(struct state *s, struct page_pin *pin, struct entry *entry)
{
	const struct pointer *old = s->dataset->old;
	int error;

	if (!old || !old->is_file)
		return -ENOENT;
	error = source_pin_root(s->run->source, PAGE_FILE, &old->root, pin);
	if (error)
		return error == -ENOMEM ? error : -ESTALE;
	page_entry(pin->page, 0, entry);
	return 0;
}

static int add_single(struct state *s, struct entry *entry)
{
	struct new_tree_counts *counts = &s->result->counts;
	struct page_pin pin = {0};
	struct entry old;
	int error;

	error = old_file(s, &pin, &old);
	if (!error) {
		struct content a, b;
		bool same = !content_of(&old, &a) && !content_of(entry, &b) && content_equal(&a, &b);

		counts->modified += !same || old.executable != entry->executable;
		if (same && old.time.known)
			entry->time = old.time;
		if (same && !entry->locator.offset)
			entry->locator = old.locator;
		source_unpin_page(s->run->source, &pin);
	} else if (error == -ENOENT) {
		counts->added++;
		error = 0;
	}
	if (!error && entry->form != CONTENT_INLINE && !entry->locator.offset)
		error = store_writer_known(s->run->writer, entry->form == CONTENT_LIST ? RECORD_PAGE : RECORD_CHUNK,
		                           &entry->id, &entry->locator);
	if (!error)
		error = builder_file_root(s->run->writer, entry, &s->result->root);
	s->whole = true;
	return error;
}

static int on_gone(void *arg)
{
	struct state *s = arg;

	return s->followed ? new_tree_gone(s->tree) : 0;
}

static int on_entry(void *arg, const struct batch *b, const struct step *step)
{
	struct state *s = arg;
	struct entry entry;

	if (s->followed && (step->same || stages_same_as_cached(step)))
		return new_tree_same(s->tree, batch_name(b, step), step->name_len);
	stages_entry(b, step, &entry);
	return s->tree ? new_tree_add(s->tree, &entry) : add_single(s, &entry);
}

static int on_enter(void *arg, const char *name, size_t len, bool bare)
{
	struct state *s = arg;

	(void)bare;
	return s->tree ? new_tree_enter(s->tree, name, len) : 0;
}

static int on_leave(void *arg)
{
	struct state *s = arg;

	return s->tree ? new_tree_leave(s->tree) : 0;
}

static const struct stages_hooks hooks = {.gone = on_gone, .entry = on_entry, .enter = on_enter, .leave = on_leave};

static int open_old_chunks(struct state *s)
{
	const struct snapshot_dataset *dataset = s->dataset;
	struct gone *gone = NULL;

	/* One that cannot be opened is told by whoever reads it. */
	if (!dataset->is_file)
		gone_open(dataset->dirfd, dataset->path, LAYER_NONE, &gone);
	return old_chunks_new(s->run->source, dataset->old, gone, &s->old_chunks);
}

/* Open what is known already: the stat cache, and the old tree where it can be read. */
static int open_known(struct state *s)
{
	const struct pointer *old = s->dataset->old;
	struct directory directory;
	struct locator locator;
	struct id root;
	bool here = false;
	int error = 0;

	if (s->dataset->folder >= 0 &&
	    !stat_cache_open(s->run->io, s->dataset->folder, s->dataset->stat_name, &s->cache, &root))
		/* What it names must be there to be taken over: in the store, or wherever the old tree is read from. */
		here = !store_writer_known(s->run->writer, RECORD_PAGE, &root, &locator);
	s->cache_trusted = s->cache && (here || (old && id_equal(&old->root, &root)));
	if (s->dataset->folder >= 0 && !s->run->dry)
		stat_cache_writer_open(s->run->io, s->dataset->folder, s->dataset->stat_name, &s->run->start,
		                       &s->new_cache);
	/* What is read with --full is to be here, wherever else it is. */
	if (!s->run->full && s->run->source && old && old->is_file == s->dataset->is_file)
		error = open_old_chunks(s);
	if (error || s->dataset->is_file)
		return error;
	s->followed = s->cache_trusted && old && !old->is_file && id_equal(&old->root, &root);
	s->elsewhere = s->followed && !s->run->full && !here && s->run->source && source_find_fetch(s->run->source);
	if (old && !old->is_file)
		dataset_directory(old, &directory);
	error = new_tree_open(s->run->writer, s->run->source, old && !old->is_file ? &directory : NULL, s->followed,
	                      &s->tree);
	return error;
}

static int run_stages(struct state *s)
{
	const struct snapshot_dataset *dataset = s->dataset;

	s->stages = (struct stages){
	    .run = s->run,
	    .result = s->result,
	    .hooks = &hooks,
	    .arg = s,
	    .new_cache = s->new_cache,
	    .feed = {.dirfd = dataset->dirfd,
	             .name = dataset->path,
	             .path = dataset->path,
	             .is_file = dataset->is_file,
	             .cache = s->cache,
	             .cache_trusted = s->cache_trusted},
	    .old_chunks = s->old_chunks,
	    .elsewhere = s->elsewhere,
	};
	return stages_run(&s->stages);
}

/* What was a directory of many files is a file now, or the other way round. */
static void count_change_of_type(struct state *s)
{
	const struct pointer *old = s->dataset->old;

	if (old && old->is_file != s->dataset->is_file)
		s->result->counts.deleted += old->files;
}

static int finish(struct state *s)
{
	struct snapshot_result *r = s->result;
	const struct pointer *old = s->dataset->old;
	bool untouched = false;
	int error = 0;

	if (s->tree) {
		error = new_tree_finish(s->tree, &r->root, &untouched);
		if (error)
			return error;
		new_tree_counts(s->tree, &r->counts);
	} else if (!s->whole) {
		return -ENOENT;
	}
	count_change_of_type(s);
	if (untouched) {
		r->pointer = *old;
	} else {
		r->pointer = (struct pointer){.is_file = s->dataset->is_file,
		                              .root = r->root.id,
		                              .files = r->root.totals.files,
		                              .bytes = r->root.totals.bytes};
	}
	r->unchanged = old && old->is_file == r->pointer.is_file && id_equal(&old->root, &r->pointer.root);
	r->recorded = true;
	return 0;
}

int snapshot_dataset(const struct snapshot_run *run, const struct snapshot_dataset *dataset,
                     struct snapshot_result *result)
{
	struct state s = {.run = run, .dataset = dataset, .result = result};
	struct store_writer_stats before, after;
	int error;

	*result = (struct snapshot_result){0};
	store_writer_stats(run->writer, &before);
	error = open_known(&s);
	if (!error)
		error = run_stages(&s);
	if (!error && !result->problems)
		error = finish(&s);
	if (error && s.tree && new_tree_old_failed(s.tree) && error != -ENOMEM)
		error = -ESTALE;
	store_writer_stats(run->writer, &after);
	result->new_bytes = after.raw_bytes - before.raw_bytes;
	result->stored_bytes = after.stored_bytes - before.stored_bytes;
	if (!error && s.stages.dirty) {
		result->cache = s.new_cache;
		s.new_cache = NULL;
	}
	stat_cache_writer_abort(s.new_cache);
	new_tree_close(s.tree);
	stat_cache_close(s.cache);
	old_chunks_free(s.old_chunks);
	return error;
}

void snapshot_keep_cache(struct snapshot_result *result)
{
	stat_cache_writer_finish(result->cache, result->recorded ? &result->pointer.root : NULL);
	result->cache = NULL;
}
