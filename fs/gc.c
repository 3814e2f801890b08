#include "fs/gc.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cache/repack.h"
#include "fs/live.h"
#include "fs/registration.h"
#include "fs/survey.h"

#define LOCK_WAIT_MS 10000
/* Unfinished files of nobody: with the lock held, none is being written.  Locks may fail, though. */
#define SWEEP_AGE_S 86400

struct gc {
	struct repo *repo;
	struct store *store;
	const struct gc_options *options;
	struct gc_report *report;
	int64_t now;
	struct mark mark;
	struct survey survey;
	struct condemned *condemned; /* before */
	size_t condemned_count;
	struct buffer remaining; /* struct condemned: what is to be on the list afterwards */
	struct buffer due;       /* struct condemned: what is to be deleted */
};

void gc_report_release(struct gc_report *report)
{
	free(report->blamed);
	report->blamed = NULL;
}

static unsigned keep_s(const struct gc *g)
{
	return g->options->keep_s > UINT32_MAX ? UINT32_MAX : (unsigned)g->options->keep_s;
}

/* Marking. */

static void tell_progress(struct gc *g)
{
	if (g->options->progress)
		g->options->progress(g->options->arg, g->mark.pages.count, g->mark.chunks.count);
}

static int mark_root(void *arg, const struct id *root, const char *where)
{
	struct gc *g = arg;
	char hex[ID_HEX_SIZE];
	int r;

	r = mark_page(&g->mark, root, NULL, true);
	tell_progress(g);
	if (!r || r == -ENOMEM)
		return r;
	if (asprintf(&g->report->blamed, "the page %s of %s", id_format(&g->mark.failed, hex), where) < 0)
		g->report->blamed = NULL;
	return r;
}

/* A root of an unfinished snapshot: the next run relies on what is below it. */
static int mark_young_root(void *arg, const struct id *root)
{
	struct gc *g = arg;
	struct stat st;
	int r;

	r = store_stat_root(g->store, root, &st);
	if (r)
		return r == -ENOENT ? 0 : r;
	g->report->store.roots++;
	g->report->store.bytes += (uint64_t)st.st_size;
	return st.st_mtime > g->now - g->options->keep_s ? mark_page(&g->mark, root, NULL, true) : 0;
}

static int mark_all(struct gc *g)
{
	char *blamed;
	int r;

	r = live_each_root(g->repo, g->store, keep_s(g), mark_root, g, &blamed);
	if (blamed)
		g->report->blamed = blamed;
	if (r)
		return r;
	g->mark.lenient = true;
	return store_each_root(g->store, mark_young_root, g);
}

/* Roots. */

static int compare_items(const void *a, const void *b)
{
	return condemned_cmp(a, b);
}

static bool is_condemned_root(const struct gc *g, const struct id *id, int64_t *since)
{
	const struct condemned key = {.is_root = true, .root = *id}, *found;

	found = g->condemned_count ? bsearch(&key, g->condemned, g->condemned_count, sizeof(key), compare_items) : NULL;
	if (found)
		*since = found->since;
	return found;
}

static void put_item(struct buffer *list, const struct condemned *item)
{
	buffer_append(list, item, sizeof(*item));
}

static void count_root(struct gc_count *count, const struct stat *st)
{
	count->roots++;
	count->bytes += (uint64_t)st->st_size;
}

static int judge_root(void *arg, const struct id *id)
{
	struct gc *g = arg;
	struct condemned item = {.is_root = true, .root = *id, .since = g->now};
	bool was_condemned = is_condemned_root(g, id, &item.since);
	struct stat st;
	int r;

	r = store_stat_root(g->store, id, &st);
	if (r)
		return r == -ENOENT ? 0 : r;
	if (mark_has(&g->mark, RECORD_PAGE, id)) {
		if (was_condemned)
			count_root(&g->report->reprieved, &st);
	} else if (was_condemned && item.since <= g->now - g->options->keep_s) {
		count_root(&g->report->deleted, &st);
		put_item(&g->due, &item);
	} else if (was_condemned) {
		count_root(&g->report->waiting, &st);
		put_item(&g->remaining, &item);
	} else if (st.st_mtime <= g->now - g->options->keep_s) {
		count_root(&g->report->condemned, &st);
		put_item(&g->remaining, &item);
	}
	return 0;
}

/* Packs. */

static void count_pack(struct gc_count *count, const struct survey_pack *pack)
{
	count->packs++;
	count->bytes += pack->size;
}

static void judge_pack(struct gc *g, const struct survey_pack *pack)
{
	struct condemned item = {.pack = pack->id, .since = pack->since};

	count_pack(&g->report->store, pack);
	switch (pack->verdict) {
	case SURVEY_KEEP:
		if (pack->was_condemned)
			count_pack(&g->report->reprieved, pack);
		break;
	case SURVEY_LEAVE:
		item.since = g->now;
		count_pack(&g->report->condemned, pack);
		put_item(&g->remaining, &item);
		break;
	case SURVEY_CONDEMNED:
		count_pack(&g->report->waiting, pack);
		put_item(&g->remaining, &item);
		break;
	case SURVEY_DELETE:
		count_pack(&g->report->deleted, pack);
		put_item(&g->due, &item);
		break;
	}
}

static int judge(struct gc *g)
{
	int r;

	for (size_t i = 0; i < g->survey.count; i++)
		judge_pack(g, &g->survey.packs[i]);
	r = store_each_root(g->store, judge_root, g);
	return r ? r : g->remaining.failed || g->due.failed ? -ENOMEM : 0;
}

/* Repacking. */

static int note_copy(void *arg, uint32_t offset, const struct locator *there)
{
	const struct moved_entry moved = {.old_offset = offset, .now = *there};
	struct buffer *copies = arg;

	buffer_append(copies, &moved, sizeof(moved));
	return copies->failed ? -ENOMEM : 0;
}

/* Copy what is needed of PACK, and note where the rest of what is alive in it lies. */
static int repack_one(struct gc *g, struct repack *repack, const struct survey_pack *pack)
{
	struct buffer copies = {0};
	struct pack_entry *entries;
	char hex[PACK_ID_HEX_SIZE];
	size_t count;
	int r;

	r = survey_needed(&g->survey, pack, &entries, &count, note_copy, &copies);
	if (r)
		goto out;
	if (count > 0 || copies.len > 0) {
		r = repack_pack(repack, &pack->id, entries, count);
		for (size_t at = 0; at < copies.len && !r; at += sizeof(struct moved_entry)) {
			struct moved_entry moved;

			memcpy(&moved, copies.data + at, sizeof(moved));
			r = repack_note(repack, moved.old_offset, &moved.now);
		}
		g->report->repacked_packs++;
	}
	free(entries);
	if (r && !repack_is_broken(repack) &&
	    asprintf(&g->report->blamed, "the pack %s", pack_id_format(&pack->id, hex)) < 0)
		g->report->blamed = NULL;
out:
	buffer_release(&copies);
	return r;
}

static int repack_all(struct gc *g)
{
	struct repack_stats stats = {0};
	struct repack *repack;
	int r;

	r = repack_open(g->store, &repack);
	if (r)
		return r;
	for (size_t i = 0; i < g->survey.count && !r; i++) {
		if (g->survey.packs[i].verdict == SURVEY_LEAVE && g->survey.packs[i].live_records > 0)
			r = repack_one(g, repack, &g->survey.packs[i]);
	}
	if (!r)
		r = repack_finish(repack, &stats);
	repack_close(repack);
	g->report->written_bytes = stats.bytes;
	return r;
}

/* Deleting. */

static const struct condemned *items_of(const struct buffer *list, size_t *count)
{
	*count = list->len / sizeof(struct condemned);
	return (const struct condemned *)(const void *)list->data;
}

static bool holds_pages(const struct gc *g, const struct condemned *item)
{
	const struct survey_pack *pack = survey_find(&g->survey, &item->pack);

	return pack && pack->pages > 0;
}

/* First roots, then packs of pages, then of chunks: nothing that is found ever names what is gone. */
static int stage_of(const struct gc *g, const struct condemned *item)
{
	return item->is_root ? 0 : holds_pages(g, item) ? 1 : 2;
}

static int delete_due(struct gc *g)
{
	size_t count;
	const struct condemned *items = items_of(&g->due, &count);
	int r = 0;

	for (int stage = 0; stage < 3; stage++) {
		for (size_t i = 0; i < count && !r; i++) {
			if (stage_of(g, &items[i]) != stage)
				continue;
			r = items[i].is_root ? store_remove_root(g->store, &items[i].root)
			                     : store_remove_pack(g->store, &items[i].pack);
			if (r == -ENOENT)
				r = 0;
		}
	}
	return r;
}

/* What is due stays on the list until it is gone: nobody may rely on it. */
static int carry_out(struct gc *g)
{
	struct buffer all = {0};
	const struct condemned *items;
	size_t count;
	int r;

	buffer_append(&all, g->remaining.data, g->remaining.len);
	buffer_append(&all, g->due.data, g->due.len);
	if (all.failed)
		return -ENOMEM;
	items = items_of(&all, &count);
	r = count || g->condemned_count ? store_set_condemned(g->store, items, count) : 0;
	buffer_release(&all);
	if (r || g->due.len == 0)
		return r;
	r = delete_due(g);
	items = items_of(&g->remaining, &count);
	return r ? r : store_set_condemned(g->store, items, count);
}

/* Tidying. */

static bool pack_exists(struct gc *g, const struct pack_id *id)
{
	struct stat st;

	return store_stat_pack(g->store, id, &st) == 0;
}

struct leading {
	struct gc *gc;
	struct buffer moved; /* struct pack_id: packs that have a moved file, sorted */
};

static int note_moved(void *arg, const struct pack_id *id)
{
	struct leading *l = arg;

	buffer_append(&l->moved, id, sizeof(*id));
	return l->moved.failed ? -ENOMEM : 0;
}

static int compare_ids(const void *a, const void *b)
{
	return pack_id_cmp(a, b);
}

/* Whether a moved file of ENTRIES leads to a pack, or to another moved file. */
static bool leads_somewhere(const struct leading *l, const struct moved_entry *entries, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (i > 0 && pack_id_equal(&entries[i].now.pack, &entries[i - 1].now.pack))
			continue;
		if (pack_exists(l->gc, &entries[i].now.pack) ||
		    bsearch(&entries[i].now.pack, l->moved.data, l->moved.len / sizeof(struct pack_id),
		            sizeof(struct pack_id), compare_ids))
			return true;
	}
	return false;
}

/* A moved file serves as long as the packs that it names; it may go with the last of them. */
static int sweep_moved(struct gc *g)
{
	struct leading l = {.gc = g};
	int r;

	r = store_each_moved(g->store, note_moved, &l);
	for (size_t at = 0; at < l.moved.len && !r; at += sizeof(struct pack_id)) {
		struct moved_entry *entries;
		struct pack_id id;
		size_t count;

		memcpy(&id, l.moved.data + at, sizeof(id));
		/* One that does not read well is left to whoever looks for damage. */
		if (pack_exists(g, &id) || store_read_moved(g->store, &id, &entries, &count))
			continue;
		if (!leads_somewhere(&l, entries, count))
			r = store_remove_moved(g->store, &id);
		free(entries);
	}
	buffer_release(&l.moved);
	return r == -ENOENT ? 0 : r;
}

static void sweep(struct gc *g)
{
	int64_t age = g->options->keep_s < SWEEP_AGE_S ? g->options->keep_s : SWEEP_AGE_S;
	ssize_t tmp = store_sweep_tmp(g->store, (unsigned)age);
	ssize_t registrations = registration_sweep(g->store, keep_s(g));

	g->report->swept = (uint64_t)((tmp > 0 ? tmp : 0) + (registrations > 0 ? registrations : 0));
	store_tidy(g->store);
}

static int run(struct gc *g)
{
	int r;

	r = store_read_condemned(g->store, &g->condemned, &g->condemned_count);
	if (!r)
		r = mark_all(g);
	if (!r)
		r = survey_make(&g->survey, g->condemned, g->condemned_count);
	if (!r)
		r = judge(g);
	g->report->live_pages = g->mark.pages.count;
	g->report->live_chunks = g->mark.chunks.count;
	g->report->unreadable_packs = g->survey.unreadable;
	if (r || g->options->dry_run)
		return r;
	r = repack_all(g);
	if (!r)
		r = carry_out(g);
	if (!r)
		r = sweep_moved(g);
	if (!r)
		sweep(g);
	return r;
}

int gc_run(struct repo *repo, struct store *store, const struct gc_options *options, struct gc_report *report)
{
	struct gc g = {.repo = repo, .store = store, .options = options, .report = report};
	int lock = -1, r;

	*report = (struct gc_report){0};
	if (!options->dry_run) {
		lock = store_lock(store, true, LOCK_WAIT_MS);
		if (lock < 0)
			return lock;
	}
	store_refresh(store);
	g.now = io_now(store_io(store)).tv_sec;
	g.mark.store = store;
	g.mark.fetch = options->fetch;
	g.survey = (struct survey){.store = store, .mark = &g.mark, .now = g.now, .keep_s = options->keep_s};
	r = run(&g);
	if (lock >= 0)
		store_unlock(store, lock);
	survey_release(&g.survey);
	mark_release(&g.mark);
	buffer_release(&g.remaining);
	buffer_release(&g.due);
	free(g.condemned);
	return r;
}
