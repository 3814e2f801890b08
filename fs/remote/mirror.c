#include "fs/remote/mirror.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fs/pack_check.h"
#include "fs/remote/mirror_inside.h"

#define THREADS 4

int mirror_failed(struct mirror *m, const char *path, int error, bool at_from)
{
	pthread_mutex_lock(&m->lock);
	if (!m->error) {
		m->error = error;
		m->result->at_from = at_from;
		snprintf(m->result->failed, sizeof(m->result->failed), "%s", path);
	}
	pthread_mutex_unlock(&m->lock);
	return error;
}

/* --- several at once --- */

struct crew {
	struct mirror *mirror;
	size_t count;
	atomic_size_t next;
	int (*work)(struct mirror *m, size_t number);
};

static bool is_over(struct mirror *m)
{
	const atomic_bool *cancelled = m->request->cancelled;
	bool over;

	if (cancelled && atomic_load_explicit(cancelled, memory_order_relaxed))
		mirror_failed(m, "", -EINTR, false);
	pthread_mutex_lock(&m->lock);
	over = m->error;
	pthread_mutex_unlock(&m->lock);
	return over;
}

static void *crew_work(void *arg)
{
	struct crew *c = arg;
	size_t number;

	while (!is_over(c->mirror) && (number = atomic_fetch_add(&c->next, 1)) < c->count)
		c->work(c->mirror, number);
	return NULL;
}

/* Do WORK for each number below COUNT, by this thread and as many others as there can be.  0 or the first error. */
static int do_all(struct mirror *m, size_t count, int (*work)(struct mirror *m, size_t number))
{
	struct crew crew = {.mirror = m, .count = count, .work = work};
	pthread_t threads[THREADS - 1];
	unsigned started = 0;

	while (started < THREADS - 1 && started + 1 < count &&
	       !pthread_create(&threads[started], NULL, crew_work, &crew))
		started++;
	crew_work(&crew);
	while (started)
		pthread_join(threads[--started], NULL);
	return m->error;
}

/* --- what there is to do --- */

/* TO must not be about to remove what is counted on. */
static int check_reprieved(struct mirror *m, const struct id_set *condemned, const struct id *id, bool is_root)
{
	char path[REMOTE_PATH_SIZE];
	struct pack_id pack;

	if (!id_set_has(condemned, id))
		return 0;
	memcpy(pack.bytes, id->bytes, sizeof(pack.bytes));
	return mirror_failed(m, is_root ? remote_store_root_path(id, path) : remote_store_pack_path(&pack, "", path),
	                     -EBUSY, false);
}

/* Whether TO has condemned something that FROM has and keeps. */
static int check_condemned(struct mirror *m)
{
	const struct mirror_list *have = &m->have, *there = &m->there;
	int error = 0;

	for (size_t i = 0; i < have->packs.count && !error; i++) {
		if (!id_set_has(&have->condemned_packs, &have->packs.files[i].id))
			error = check_reprieved(m, &there->condemned_packs, &have->packs.files[i].id, false);
	}
	for (size_t i = 0; i < have->roots.count && !error; i++) {
		if (!id_set_has(&have->condemned_roots, &have->roots.files[i].id))
			error = check_reprieved(m, &there->condemned_roots, &have->roots.files[i].id, true);
	}
	return error;
}

static struct mirror_item *item_of(struct mirror *m, const struct id *id)
{
	struct mirror_item *item = m->items_count ? &m->items[m->items_count - 1] : NULL;

	if (item && !memcmp(item->id.bytes, id->bytes, PACK_ID_SIZE))
		return item;
	item = &m->items[m->items_count++];
	memcpy(item->id.bytes, id->bytes, PACK_ID_SIZE);
	return item;
}

static void plan_pack(struct mirror *m, const struct mirror_file *file)
{
	const struct mirror_file *there = mirror_files_find(&m->there.packs, &file->id);
	struct mirror_item *item;

	if (id_set_has(&m->have.condemned_packs, &file->id)) {
		m->result->condemned++;
		return;
	}
	if (there && there->size == file->size)
		return;
	item = item_of(m, &file->id);
	item->size = file->size;
	item->copy = true;
	item->replace = there;
}

/* Both lists are sorted: they are gone through side by side, so that one pack is one item. */
static int plan_items(struct mirror *m)
{
	const struct mirror_files *packs = &m->have.packs, *moved = &m->have.moved;
	size_t i = 0, j = 0;

	m->items = calloc(packs->count + moved->count + 1, sizeof(*m->items));
	m->ready = calloc(packs->count + moved->count + 1, sizeof(*m->ready));
	if (!m->items || !m->ready)
		return -ENOMEM;
	while (i < packs->count || j < moved->count) {
		if (j == moved->count || (i < packs->count && id_cmp(&packs->files[i].id, &moved->files[j].id) <= 0))
			plan_pack(m, &packs->files[i++]);
		else
			item_of(m, &moved->files[j++].id)->say = true;
	}
	return 0;
}

static int plan_roots(struct mirror *m)
{
	const struct mirror_files *roots = &m->have.roots;

	m->roots = calloc(roots->count + 1, sizeof(*m->roots));
	if (!m->roots)
		return -ENOMEM;
	for (size_t i = 0; i < roots->count; i++) {
		const struct mirror_file *there = mirror_files_find(&m->there.roots, &roots->files[i].id);

		if (id_set_has(&m->have.condemned_roots, &roots->files[i].id))
			m->result->condemned++;
		else if (!there || there->size != roots->files[i].size)
			m->roots[m->roots_count++] = roots->files[i].id;
	}
	return 0;
}

/* How much there is to do; a dry run's result is that. */
static void count_all(struct mirror *m)
{
	struct mirror_result *r = m->result;
	uint64_t packs = 0, bytes = 0;

	for (size_t i = 0; i < m->items_count; i++) {
		const struct id key = pack_check_key(&m->items[i].id);

		packs += m->items[i].copy;
		bytes += m->items[i].size;
		if (m->request->dry && m->items[i].say && !mirror_files_find(&m->there.moved, &key))
			r->moved++;
	}
	if (m->request->total)
		m->request->total(m->request->arg, packs, bytes);
	if (!m->request->dry)
		return;
	r->packs = packs;
	for (size_t i = 0; i < m->roots_count; i++) {
		if (mirror_files_find(&m->there.roots, &m->roots[i]))
			continue;
		r->roots++;
		bytes += mirror_files_find(&m->have.roots, &m->roots[i])->size;
	}
	r->bytes = bytes;
}

static int make_plan(struct mirror *m)
{
	int error = mirror_list_read(&m->have, m->from);

	if (error)
		return mirror_failed(m, "", error, true);
	if (!m->request->to_nothing)
		error = mirror_list_read(&m->there, m->to);
	if (error)
		return mirror_failed(m, "", error, false);
	error = check_condemned(m);
	if (!error)
		error = plan_items(m);
	if (!error)
		error = plan_roots(m);
	return error ? mirror_failed(m, "", error, false) : 0;
}

/* --- the work --- */

static int bring(struct mirror *m, size_t number)
{
	return mirror_bring(m, &m->items[number]);
}

static int put_ready(struct mirror *m, size_t number)
{
	return mirror_put_item(m, &m->items[m->ready[number]]);
}

static int put_root(struct mirror *m, size_t number)
{
	return mirror_put_root(m, &m->roots[number]);
}

/* Whether something that ITEM needs is not put yet; what is not pending is there, or nowhere. */
static bool must_wait(const struct mirror_item *item, const struct id_set *pending)
{
	for (size_t i = 0; i < item->needs.size; i++) {
		if (item->needs.used[i] && id_set_has(pending, &item->needs.slots[i]))
			return true;
	}
	return false;
}

/* Choose what can be put now of what is pending: where all wait for one another, all. */
static int choose_ready(struct mirror *m)
{
	struct id_set pending = {0};
	int error = 0;

	m->ready_count = 0;
	for (size_t i = 0; i < m->items_count && error >= 0; i++) {
		const struct id key = pack_check_key(&m->items[i].id);

		if (m->items[i].pending)
			error = id_set_add(&pending, &key);
	}
	for (unsigned circle = 0; circle < 2 && !m->ready_count && error >= 0; circle++) {
		for (size_t i = 0; i < m->items_count; i++) {
			if (m->items[i].pending && (circle || !must_wait(&m->items[i], &pending)))
				m->ready[m->ready_count++] = i;
		}
	}
	id_set_release(&pending);
	return error < 0 ? mirror_failed(m, "", error, false) : 0;
}

static int put_pending(struct mirror *m)
{
	int error = choose_ready(m);

	while (!error && m->ready_count) {
		error = do_all(m, m->ready_count, put_ready);
		for (size_t i = 0; i < m->ready_count; i++)
			m->items[m->ready[i]].pending = false;
		if (!error)
			error = choose_ready(m);
	}
	return error;
}

/* What TO condemned meanwhile may be what was found there. */
static int look_again(struct mirror *m)
{
	int error = mirror_list_read_condemned(&m->there, m->to);

	return error ? mirror_failed(m, "", error, false) : check_condemned(m);
}

static int copy_all(struct mirror *m)
{
	int error = remote_store_prepare(m->request->to);

	if (error)
		return mirror_failed(m, STORE_VERSION_FILE, error, false);
	error = do_all(m, m->items_count, bring);
	if (!error)
		error = put_pending(m);
	if (!error)
		error = do_all(m, m->roots_count, put_root);
	return error ? error : look_again(m);
}

int mirror_run(const struct mirror_request *request, struct mirror_result *result)
{
	struct mirror m = {
	    .request = request,
	    .io = request->io,
	    .from = remote_store_remote(request->from),
	    .to = remote_store_remote(request->to),
	    .result = result,
	};
	int error;

	*result = (struct mirror_result){0};
	pthread_mutex_init(&m.lock, NULL);
	error = make_plan(&m);
	if (!error) {
		count_all(&m);
		if (!request->dry)
			error = copy_all(&m);
	}
	for (size_t i = 0; i < m.items_count; i++)
		mirror_item_release(&m, &m.items[i]);
	free(m.items);
	free(m.ready);
	free(m.roots);
	mirror_list_release(&m.have);
	mirror_list_release(&m.there);
	pthread_mutex_destroy(&m.lock);
	return error;
}
