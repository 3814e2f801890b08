#include "fs/remote/relied.h"

#include <errno.h>
#include <stdlib.h>

#include "cache/interrupt.h"
#include "cache/moved.h"
#include "cache/remote_condemned.h"
#include "cache/remote_pack.h"

#define REMOTES_MAX 64
#define PACKS_MAX 32 /* whose indexes are kept: a file's chunks lie in few packs, and in their order */

/* What a remote says of a pack: its index, or where its records went; neither where it is not there. */
struct known_pack {
	struct pack_id id;
	size_t remote;
	struct pack_entry *entries;
	size_t entries_count;
	struct moved_entry *moved;
	size_t moved_count;
};

struct known_remote {
	struct remote_store *store;
	bool asked; /* CONDEMNED was read */
	bool silent;
	struct remote_condemned condemned;
};

struct relied {
	size_t count;
	struct known_remote remotes[REMOTES_MAX];
	size_t next; /* the place in PACKS that is given to the next one */
	struct known_pack packs[PACKS_MAX];
};

int relied_new(struct fetch *fetch, struct relied **relied)
{
	struct relied *r = calloc(1, sizeof(*r));
	const size_t count = fetch_remotes(fetch);

	if (!r)
		return -ENOMEM;
	r->count = count < REMOTES_MAX ? count : REMOTES_MAX;
	for (size_t i = 0; i < r->count; i++)
		r->remotes[i].store = fetch_store(fetch, i);
	*relied = r;
	return 0;
}

static void forget(struct known_pack *pack)
{
	free(pack->entries);
	free(pack->moved);
	*pack = (struct known_pack){.remote = 0};
}

void relied_free(struct relied *r)
{
	if (!r)
		return;
	for (size_t i = 0; i < PACKS_MAX; i++)
		forget(&r->packs[i]);
	for (size_t i = 0; i < r->count; i++)
		remote_condemned_release(&r->remotes[i].condemned);
	free(r);
}

/* Learn what is condemned at REMOTE, before anything there is relied on.  0 or -errno. */
static int begin(struct known_remote *remote)
{
	int error;

	if (remote->asked)
		return 0;
	error = remote_store_check(remote->store);
	if (!error)
		error = remote_condemned_read(remote_store_remote(remote->store), &remote->condemned);
	/* One that cannot list its files cannot say what is to go: nothing there is relied on. */
	remote->asked = !error;
	return error;
}

/* Ask REMOTE for the pack of PACK, whose lists are empty. */
static int ask(struct known_remote *remote, struct known_pack *pack)
{
	char path[REMOTE_PATH_SIZE];
	struct remote_stat st = {0};
	int error = begin(remote);

	if (error)
		return error;
	error = -ENOENT;
	if (!remote_condemned_has_pack(&remote->condemned, &pack->id))
		error =
		    remote_stat(remote_store_remote(remote->store), remote_store_pack_path(&pack->id, "", path), &st);
	if (!error)
		error = remote_pack_read_index(remote_store_remote(remote->store), &pack->id, st.size, &pack->entries,
		                               &pack->entries_count);
	if (error == -ENOENT)
		error = remote_store_read_moved(remote->store, &pack->id, &pack->moved, &pack->moved_count);
	return error;
}

/* What remote number I says of the pack ID; NULL where it says nothing. */
static const struct known_pack *know(struct relied *r, size_t i, const struct pack_id *id)
{
	struct known_remote *remote = &r->remotes[i];
	struct known_pack *pack;
	uint64_t before;
	int error;

	for (size_t j = 0; j < PACKS_MAX; j++) {
		if (r->packs[j].remote == i && pack_id_equal(&r->packs[j].id, id))
			return &r->packs[j];
	}
	if (remote->silent)
		return NULL;
	pack = &r->packs[r->next];
	r->next = (r->next + 1) % PACKS_MAX;
	forget(pack);
	pack->id = *id;
	pack->remote = i;
	before = interrupt_limit(RELIED_WAIT_MS);
	error = ask(remote, pack);
	interrupt_unlimit(before);
	/* A damaged pack is absent; whatever else went wrong is the remote's, which is not waited for again. */
	if (error && error != -ENOENT && error != -EBADMSG && error != -ENOTSUP)
		remote->silent = true;
	return pack;
}

/* Whether the index of PACK has (KIND, ID) at AT. */
static bool confirms(const struct known_pack *pack, unsigned kind, const struct id *id, const struct locator *at)
{
	const struct pack_entry key = {.id = *id, .kind = (uint8_t)kind};
	size_t low = 0, high = pack->entries_count;

	while (low < high) {
		const size_t middle = low + (high - low) / 2;
		const struct pack_entry *entry = &pack->entries[middle];
		const int order = pack_entry_cmp(entry, &key);

		if (!order)
			return entry->offset == at->offset && entry->stored_len == at->stored_len;
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return false;
}

bool relied_has(struct relied *r, unsigned kind, const struct id *id, const struct locator *at)
{
	for (size_t i = 0; i < r->count && at->offset; i++) {
		struct locator now = *at;

		for (unsigned hop = 0; hop <= MOVED_HOPS_MAX; hop++) {
			const struct known_pack *pack = know(r, i, &now.pack);
			const struct moved_entry *entry;

			if (pack && confirms(pack, kind, id, &now))
				return true;
			entry = pack ? moved_lookup(pack->moved, pack->moved_count, now.offset) : NULL;
			if (!entry)
				break;
			now = entry->now;
		}
	}
	return false;
}
