#include "fs/remote/bring.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "cache/adopt.h"
#include "cache/interrupt.h"

/* What the threads of one run share. */
struct bring {
	const struct bring_request *request;
	struct adopt adopt;
	bool pages; /* whose turn it is */
	pthread_mutex_t lock;
	struct bring_result *result; /* below the lock, as all that follows */
	size_t next;                 /* the first pack that nobody took */
	int fatal;
};

static bool is_fatal(int error)
{
	return error == -EINTR || error == -ENOMEM || error == -ENOSPC || error == -EDQUOT || error == -EROFS ||
	       error == -EFBIG;
}

static void on_bytes(void *arg, uint64_t bytes)
{
	const struct bring *b = arg;

	b->request->progress(b->request->arg, 0, bytes);
}

/* The next pack of this turn, or NULL. */
static const struct lack_pack *take(struct bring *b)
{
	const struct lack *lack = b->request->lack;
	const struct lack_pack *pack = NULL;

	pthread_mutex_lock(&b->lock);
	while (!pack && !b->fatal && b->next < lack->packs_count) {
		pack = &lack->packs[b->next++];
		if (!pack->stores || !pack->wanted_bytes || pack->pages != b->pages)
			pack = NULL;
	}
	pthread_mutex_unlock(&b->lock);
	return pack;
}

/* Note how it went: what the remote number I gave, or did not. */
static void note(struct bring *b, const struct lack_pack *pack, size_t i, int error, bool last)
{
	struct remote *remote = remote_store_remote(b->request->lack->stores[i]);

	pthread_mutex_lock(&b->lock);
	if (!error) {
		b->result->packs++;
		b->result->bytes += pack->bytes;
	} else if (is_fatal(error)) {
		if (!b->fatal)
			b->fatal = error;
	} else {
		b->result->failed += last;
		if (last && !b->result->first)
			b->result->first = error;
		b->request->failed(b->request->arg, &pack->id, remote_name(remote), error, last);
	}
	pthread_mutex_unlock(&b->lock);
}

/* Ask the remotes that have it, in their order. */
static void bring_pack(struct bring *b, const struct lack_pack *pack)
{
	int error = -ENOENT;

	for (size_t i = 0; i < LACK_STORES_MAX && error && !is_fatal(error); i++) {
		const uint64_t later = pack->stores >> i;

		if (!(later & 1))
			continue;
		error = adopt_pack(&b->adopt, b->request->lack->stores[i], &pack->id);
		note(b, pack, i, error, later == 1);
	}
	if (!error)
		b->request->progress(b->request->arg, 1, 0);
}

static void *work(void *arg)
{
	struct bring *b = arg;
	const struct lack_pack *pack;

	while ((pack = take(b)))
		bring_pack(b, pack);
	return NULL;
}

/* Let all packs of one turn come. */
static void take_turn(struct bring *b, bool pages)
{
	pthread_t threads[BRING_THREADS];
	unsigned started = 0;

	b->pages = pages;
	b->next = 0;
	while (started < BRING_THREADS - 1 && pthread_create(&threads[started], NULL, work, b) == 0)
		started++;
	work(b);
	for (unsigned i = 0; i < started; i++)
		pthread_join(threads[i], NULL);
}

/* --- where packs went --- */

static int compare_moved(const void *a, const void *b)
{
	const struct moved_entry *x = a, *y = b;

	return x->old_offset < y->old_offset ? -1 : x->old_offset > y->old_offset;
}

/* Let the store's moved file of PACK say what the remote's does; what it says already stays. */
static int write_moved(struct store *store, const struct lack_pack *pack)
{
	struct moved_entry *here = NULL, *all;
	size_t here_count = 0, count;
	struct stat st;
	int error;

	/* It may be here, where no remote has it. */
	error = store_stat_pack(store, &pack->id, &st);
	if (error != -ENOENT)
		return error;
	error = store_read_moved(store, &pack->id, &here, &here_count);
	if (error && error != -ENOENT && error != -EBADMSG)
		return error;
	if (error)
		here_count = 0;
	all = calloc(here_count + pack->moved_count + 1, sizeof(*all));
	count = here_count;
	if (all && here_count)
		memcpy(all, here, here_count * sizeof(*all));
	for (size_t i = 0; all && i < pack->moved_count; i++) {
		if (!moved_lookup(all, here_count, pack->moved[i].old_offset))
			all[count++] = pack->moved[i];
	}
	error = all ? 0 : -ENOMEM;
	if (!error && count > here_count) {
		qsort(all, count, sizeof(*all), compare_moved);
		error = store_write_moved(store, &pack->id, all, count);
	}
	free(all);
	free(here);
	return error;
}

int bring_packs(const struct bring_request *request, struct bring_result *result)
{
	const struct lack *lack = request->lack;
	struct bring b = {
	    .request = request,
	    .adopt = {.store = lack->store, .cached = request->cached, .progress = on_bytes},
	    .result = result,
	};

	b.adopt.arg = &b;
	*result = (struct bring_result){0};
	pthread_mutex_init(&b.lock, NULL);
	take_turn(&b, false);
	if (!b.fatal)
		take_turn(&b, true);
	for (size_t i = 0; i < lack->packs_count && !b.fatal; i++) {
		if (lack->packs[i].moved)
			b.fatal = write_moved(lack->store, &lack->packs[i]);
	}
	pthread_mutex_destroy(&b.lock);
	return b.fatal;
}

int bring_root(struct store *store, const struct lack_part *part)
{
	char path[REMOTE_PATH_SIZE];
	const struct record *page = &part->record;
	int error = store_put_root(store, &part->pointer.root, page->data, page->len, page->hashed_len);

	if (!error)
		error =
		    io_touch(store_io(store), store_dirfd(store), remote_store_root_path(&part->pointer.root, path));
	return error == -EPERM || error == -EACCES ? 0 : error; /* another user's file stays as it is */
}
