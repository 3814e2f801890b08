#include "fs/remote/gc_remote.h"

#include <errno.h>
#include <stdlib.h>

#include "cache/remote_condemned.h"
#include "fs/remote/remote_mark.h"
#include "fs/remote/remote_roots.h"

#define SWEEP_AGE_MIN_S 86400

struct collection {
	struct remote_store *store;
	struct remote *remote;
	const struct gc_remote_options *options;
	struct gc_report *report;
	struct pack_id name; /* of its list */
	int64_t now;         /* by the remote's clock */
	bool list_is_empty;  /* it was put, and is to be taken away */
	struct remote_condemned before;
	struct remote_roots roots;
	struct remote_mark mark;
	struct buffer listed; /* struct condemned: for the list of this run */
	struct buffer due;    /* struct condemned: to be deleted */
	struct buffer lifted; /* the same: condemned before, and needed again */
};

static int put_item(struct buffer *list, const struct condemned *item)
{
	buffer_append(list, item, sizeof(*item));
	return list->failed ? -ENOMEM : 0;
}

static const struct condemned *items_of(const struct buffer *list, size_t *count)
{
	*count = list->len / sizeof(struct condemned);
	return (const struct condemned *)(const void *)list->data;
}

static void count_pack(struct gc_count *count, uint64_t size)
{
	count->packs++;
	count->bytes += size;
}

static void count_root(struct gc_count *count, uint64_t size)
{
	count->roots++;
	count->bytes += size;
}

/* --- what is there --- */

/*
 * The remote's clock: when it says that the list of this run, still empty, was put.  Who cannot put it can condemn
 * nothing either.
 */
static int read_clock(struct collection *c)
{
	char path[REMOTE_PATH_SIZE];
	struct remote_stat st;
	int error;

	io_random(c->options->io, &c->name, sizeof(c->name));
	c->now = io_now(c->options->io).tv_sec;
	if (c->options->dry_run)
		return 0;
	error = remote_condemned_put(c->remote, &c->name, NULL, 0, c->now);
	c->list_is_empty = !error;
	if (!error)
		error = remote_stat(c->remote, remote_condemned_path(&c->name, path), &st);
	if (!error)
		c->now = st.time.tv_sec;
	return error;
}

/* Packs before roots: of what a push brings meanwhile either the pack is not seen, or its root is, or the push sees the
 * list of this run. */
static int look(struct collection *c)
{
	int error = remote_store_check(c->store);

	if (!error)
		error = remote_condemned_read(c->remote, &c->before);
	if (!error)
		error = remote_mark_list(&c->mark);
	for (size_t i = 0; i < c->mark.count; i++)
		count_pack(&c->report->store, c->mark.packs[i].size);
	if (!error)
		error = remote_roots_list(c->remote, &c->before, &c->roots);
	for (size_t i = 0; i < c->roots.count; i++)
		count_root(&c->report->store, c->roots.items[i].size);
	return error;
}

/* --- marking --- */

static const struct condemned *was_condemned(const struct collection *c, const struct remote_mark_pack *pack)
{
	return remote_condemned_find(&c->before, &(struct condemned){.pack = pack->id});
}

static int mark_all(struct collection *c)
{
	struct remote_mark *m = &c->mark;
	int error = 0;

	for (size_t i = 0; i < m->count; i++)
		m->packs[i].young = m->packs[i].time > c->now - c->options->keep_s && !was_condemned(c, &m->packs[i]);
	for (size_t i = 0; i < c->roots.count && !error; i++) {
		if (!c->roots.items[i].condemned)
			error = remote_mark_root(m, &c->roots.items[i].id);
	}
	if (!error)
		error = remote_mark_close(m);
	c->report->live_pages = m->pages;
	if (error) {
		c->report->blamed = m->blamed;
		m->blamed = NULL;
	}
	return error;
}

/* --- judging --- */

static bool is_due(const struct collection *c, int64_t since)
{
	return since <= c->now - c->options->keep_s;
}

static int judge_pack(struct collection *c, const struct remote_mark_pack *pack)
{
	const struct condemned *old = was_condemned(c, pack);
	const struct condemned item = {.pack = pack->id};

	c->report->unreadable_packs += pack->unreadable;
	if (pack->alive || pack->young) {
		if (!old)
			return 0;
		count_pack(&c->report->reprieved, pack->size);
		return put_item(&c->lifted, &item);
	}
	if (!old) {
		count_pack(&c->report->condemned, pack->size);
		return put_item(&c->listed, &item);
	}
	if (is_due(c, old->since)) {
		count_pack(&c->report->deleted, pack->size);
		return put_item(&c->due, &item);
	}
	count_pack(&c->report->waiting, pack->size);
	return 0;
}

static int judge(struct collection *c)
{
	int error = 0;

	for (size_t i = 0; i < c->mark.count && !error; i++)
		error = judge_pack(c, &c->mark.packs[i]);
	for (size_t i = 0; i < c->roots.count && !error; i++) {
		const struct remote_root *root = &c->roots.items[i];

		if (!root->condemned)
			continue;
		if (is_due(c, root->since)) {
			count_root(&c->report->deleted, root->size);
			error = put_item(&c->due, &(struct condemned){.is_root = true, .root = root->id});
		} else {
			count_root(&c->report->waiting, root->size);
		}
	}
	return error;
}

/* --- lists --- */

static int compare_items(const void *a, const void *b)
{
	return condemned_cmp(a, b);
}

/* Whether the sorted LIST has ITEM. */
static bool stands_in(const struct buffer *list, const struct condemned *item)
{
	size_t count;
	const struct condemned *items = items_of(list, &count);

	return count && bsearch(item, items, count, sizeof(*items), compare_items);
}

/* Whether something that LIST names is there and stays condemned after this run. */
static bool still_waits(const struct collection *c, const struct condemned *item)
{
	if (stands_in(&c->due, item) || stands_in(&c->lifted, item))
		return false;
	if (item->is_root)
		return remote_roots_find(&c->roots, &item->root);
	return remote_mark_find(&c->mark, &item->pack);
}

/* Of a list from which something was lifted, what still waits goes to the list of this run, and waits anew. */
static int take_over(struct collection *c, const struct remote_condemned_list *list)
{
	bool lifts = false;
	int error = 0;

	for (size_t i = 0; i < list->count && !lifts; i++)
		lifts = stands_in(&c->lifted, &list->items[i]);
	for (size_t i = 0; i < list->count && lifts && !error; i++) {
		if (still_waits(c, &list->items[i]))
			error = put_item(&c->listed, &list->items[i]);
	}
	return error;
}

/* Remove the lists of which nothing waits any more in their own name. */
static int remove_lists(struct collection *c)
{
	char path[REMOTE_PATH_SIZE];
	int error = 0;

	for (size_t i = 0; i < c->before.count && !error; i++) {
		const struct remote_condemned_list *list = &c->before.lists[i];
		bool waits = false;

		for (size_t j = 0; j < list->count && !waits; j++)
			waits = still_waits(c, &list->items[j]) && !stands_in(&c->listed, &list->items[j]);
		/* One that is empty and young may be another collection's, which is about to fill it. */
		if (waits || (!list->count && !is_due(c, list->since)))
			continue;
		error = remote_remove(c->remote, remote_condemned_path(&list->name, path));
		if (error == -ENOENT)
			error = 0;
	}
	return error;
}

/* --- carrying out --- */

static int delete_item(struct collection *c, const struct condemned *item)
{
	char path[REMOTE_PATH_SIZE];
	int error = remote_remove(c->remote, item->is_root ? remote_store_root_path(&item->root, path)
	                                                   : remote_store_pack_path(&item->pack, "", path));

	return error == -ENOENT ? 0 : error;
}

/* First roots, then packs of pages, then of chunks: nothing that is found ever names what is gone. */
static int stage_of(const struct collection *c, const struct condemned *item)
{
	const struct remote_mark_pack *pack;

	if (item->is_root)
		return 0;
	pack = remote_mark_find(&c->mark, &item->pack);
	return !pack || pack->has_pages ? 1 : 2;
}

static int delete_due(struct collection *c)
{
	size_t count;
	const struct condemned *items = items_of(&c->due, &count);
	int error = 0;

	for (int stage = 0; stage < 3; stage++) {
		for (size_t i = 0; i < count && !error; i++) {
			if (stage_of(c, &items[i]) == stage)
				error = delete_item(c, &items[i]);
		}
	}
	return error;
}

/* Give the list of this run what it condemns. */
static int put_list(struct collection *c)
{
	size_t count;
	const struct condemned *items = items_of(&c->listed, &count);

	if (!count)
		return 0;
	c->list_is_empty = false;
	return remote_condemned_put(c->remote, &c->name, items, count, c->now);
}

/* What is new is condemned before anything that it may name goes; what goes stays on its list until it is gone. */
static int carry_out(struct collection *c)
{
	int error = 0;

	for (size_t i = 0; i < c->before.count && !error; i++)
		error = take_over(c, &c->before.lists[i]);
	if (c->listed.len)
		qsort(c->listed.data, c->listed.len / sizeof(struct condemned), sizeof(struct condemned),
		      compare_items);
	if (!error)
		error = put_list(c);
	if (!error)
		error = delete_due(c);
	return error ? error : remove_lists(c);
}

/* --- what puts left behind --- */

/* Not all services let themselves be asked: the rest is done all the same. */
static int sweep(struct collection *c)
{
	const int64_t age = c->options->keep_s < SWEEP_AGE_MIN_S ? SWEEP_AGE_MIN_S : c->options->keep_s;
	struct remote_unfinished swept;
	int error = remote_sweep(c->remote, c->now - age, c->options->dry_run, &swept);

	c->report->swept = swept.files;
	c->report->swept_bytes = swept.bytes;
	if (error == -EINTR || error == -ENOMEM)
		return error;
	c->report->sweep_error = error;
	return 0;
}

/* --- runs --- */

static void begin(struct collection *c, struct remote_store *store, const struct gc_remote_options *options,
                  struct gc_report *report)
{
	*report = (struct gc_report){0};
	*c = (struct collection){
	    .store = store,
	    .remote = remote_store_remote(store),
	    .options = options,
	    .report = report,
	    .mark = {.store = store, .progress = options->progress, .arg = options->arg},
	};
}

static int end(struct collection *c, int error)
{
	char path[REMOTE_PATH_SIZE];

	if (c->list_is_empty)
		remote_remove(c->remote, remote_condemned_path(&c->name, path));
	remote_condemned_release(&c->before);
	remote_mark_release(&c->mark);
	remote_roots_release(&c->roots);
	buffer_release(&c->listed);
	buffer_release(&c->due);
	buffer_release(&c->lifted);
	return error;
}

int gc_remote_run(struct remote_store *store, const struct gc_remote_options *options, struct gc_report *report)
{
	struct collection c;
	int error;

	begin(&c, store, options, report);
	error = look(&c);
	if (!error)
		error = read_clock(&c);
	if (!error)
		error = mark_all(&c);
	if (!error)
		error = judge(&c);
	if (!error && !options->dry_run)
		error = carry_out(&c);
	if (!error)
		error = sweep(&c);
	return end(&c, error);
}

static bool is_among(const struct id *roots, size_t count, const struct id *id)
{
	for (size_t i = 0; i < count; i++) {
		if (id_equal(&roots[i], id))
			return true;
	}
	return false;
}

int gc_remote_forget(struct remote_store *store, const struct gc_remote_options *options, const struct id *roots,
                     size_t count, struct gc_report *report)
{
	struct collection c;
	int error;

	begin(&c, store, options, report);
	error = look(&c);
	for (size_t i = 0; i < c.roots.count && !error; i++) {
		const struct remote_root *root = &c.roots.items[i];

		if (!is_among(roots, count, &root->id))
			continue;
		count_root(root->condemned ? &report->waiting : &report->condemned, root->size);
		if (!root->condemned)
			error = put_item(&c.listed, &(struct condemned){.is_root = true, .root = root->id});
	}
	if (error || options->dry_run || !c.listed.len)
		return end(&c, error);
	error = read_clock(&c);
	return end(&c, error ? error : put_list(&c));
}
