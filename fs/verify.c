#include "fs/verify.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fs/verify_inside.h"

#define DEPTH_PER_JOB 64

void verify_report_release(struct verify_report *report)
{
	for (size_t i = 0; i < report->count; i++)
		free(report->damages[i].path);
	free(report->damages);
	report->damages = NULL;
	report->count = 0;
}

/* Damage. */

int verify_note(struct verify *v, const struct verify_damage *damage)
{
	struct verify_report *report = v->report;
	struct verify_damage *damages;
	int r = 0;

	if (verify_is_unanswered(v, damage->error))
		return damage->error;
	pthread_mutex_lock(&v->lock);
	report->damaged++;
	if (report->count < VERIFY_DAMAGES_MAX) {
		damages = reallocarray(report->damages, report->count + 1, sizeof(*damages));
		if (damages) {
			report->damages = damages;
			damages[report->count] = *damage;
			if (damage->path && !(damages[report->count].path = strdup(damage->path)))
				r = -ENOMEM;
			report->count++;
		} else {
			r = -ENOMEM;
		}
	}
	pthread_mutex_unlock(&v->lock);
	return r;
}

bool verify_is_elsewhere(const struct verify *v, int error)
{
	return error == -ENODATA && v->options->elsewhere;
}

void verify_count(struct verify *v, uint64_t *number, uint64_t bytes)
{
	pthread_mutex_lock(&v->lock);
	(*number)++;
	v->report->bytes += bytes;
	pthread_mutex_unlock(&v->lock);
	if (v->options->progress && bytes)
		v->options->progress(v->options->arg, 1, bytes);
}

/* Commits. */

static int check_dataset(struct verify *v, const char *path, const struct pointer *pointer)
{
	struct shape_wanted wanted = {.is_tree = true, .totals_known = SHAPE_FILES | SHAPE_BYTES};
	struct verify_damage damage = {
	    .kind = VERIFY_POINTER,
	    .id = pointer->root,
	    .files = pointer->files,
	    .bytes = pointer->bytes,
	    .error = -EBADMSG,
	};
	const struct shape *shape;
	int r;

	verify_count(v, &v->report->datasets, 0);
	r = verify_root(v, &pointer->root);
	shape = shape_find(&v->shapes, &pointer->root);
	if (r || !shape)
		return r;
	wanted.kind = pointer->is_file ? PAGE_FILE : PAGE_DIRECTORY;
	wanted.totals.files = pointer->files;
	wanted.totals.bytes = pointer->bytes;
	damage.why = shape_misfit(shape, &wanted);
	damage.path = (char *)path;
	return damage.why ? verify_note(v, &damage) : 0;
}

static int take_pointer(void *arg, const char *path, const struct oid *oid, const struct pointer *pointer, int error)
{
	struct verify *v = arg;
	struct verify_damage damage = {.kind = VERIFY_GIT, .error = error == -ENOENT ? -ENODATA : error};

	(void)oid;
	if (pointer)
		return check_dataset(v, path, pointer);
	damage.path = (char *)path;
	return error == -ENOMEM ? error : verify_note(v, &damage);
}

static int take_commit(void *arg, const struct oid *oid, const struct repo_commit *commit)
{
	struct verify *v = arg;

	(void)oid;
	verify_count(v, &v->report->commits, 0);
	return history_walk(&v->history, &commit->tree, take_pointer, v);
}

static void *walk(void *arg)
{
	struct verify *v = arg;

	v->error = repo_each_commit(v->repo, v->tips, v->tips_count, take_commit, v);
	pipeline_end(v->pipeline);
	return NULL;
}

/* Packs. */

static int check_pack(void *arg, const struct pack_id *id)
{
	struct verify *v = arg;
	struct verify_damage damage = {.kind = VERIFY_PACK, .at = {.pack = *id}};
	struct pack_entry *entries;
	struct pack *pack;
	int r;

	v->report->packs++;
	r = store_pin_pack(v->store, id, &pack);
	if (!r) {
		r = pack_read_index(pack, &entries);
		if (!r)
			free(entries);
		store_unpin_pack(v->store, pack);
	}
	/* One that is gone was removed by a collection. */
	if (!r || r == -ENOENT || r == -ENOMEM)
		return r == -ENOENT ? 0 : r;
	damage.error = r;
	return verify_note(v, &damage);
}

static int check_packs(struct verify *v)
{
	int r = 0;

	if (!v->store || v->options->remote)
		return 0;
	if (v->options->rebuild)
		r = store_rebuild_hints(v->store);
	return r ? r : store_each_pack(v->store, check_pack, v);
}

/* Everything at once: one thread walks, workers read chunks, this one sees what came of them. */
static int check_all(struct verify *v)
{
	pthread_t walker;
	struct verify_chunk *item;
	int r = 0, error;

	error = pipeline_open(v->options->jobs, v->options->jobs * DEPTH_PER_JOB, verify_read_chunk, v, &v->pipeline);
	if (error)
		return error;
	error = pthread_create(&walker, NULL, walk, v);
	if (error) {
		pipeline_end(v->pipeline);
		pipeline_close(v->pipeline);
		return -error;
	}
	while ((item = pipeline_next(v->pipeline))) {
		error = verify_finish_chunk(v, item);
		if (error && !r) {
			r = error;
			pipeline_cancel(v->pipeline);
		}
	}
	pthread_join(walker, NULL);
	pipeline_close(v->pipeline);
	return r ? r : v->error;
}

int verify_run(struct repo *repo, struct store *store, const struct oid *tips, size_t tips_count,
               const struct verify_options *options, struct verify_report *report)
{
	struct verify v = {
	    .repo = repo,
	    .store = store,
	    .options = options,
	    .tips = tips,
	    .tips_count = tips_count,
	    .history = {.repo = repo},
	    .report = report,
	};
	int r;

	*report = (struct verify_report){.remote = options->remote};
	io_random(store ? store_io(store) : io_system(), &v.random, sizeof(v.random));
	pthread_mutex_init(&v.lock, NULL);
	r = check_packs(&v);
	if (!r)
		r = check_all(&v);
	if (!r)
		r = verify_met_packs(&v);
	pthread_mutex_destroy(&v.lock);
	history_release(&v.history);
	shape_map_release(&v.shapes);
	key_set_release(&v.absent);
	key_set_release(&v.ends);
	key_set_release(&v.cuts);
	id_set_release(&v.met);
	buffer_release(&v.packs);
	return r;
}
