#include "fs/remote/push.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cache/pack_copy.h"
#include "cache/shelf.h"
#include "cache/wire.h"
#include "fs/remote/push_crew.h"
#include "fs/remote/push_inside.h"

#define TRIES 3
/* Bytes at the end of what was put that are compared: of a pack the trailer, which seals the index. */
#define LOOK 4096
#define AT_THE_END 4 /* packs */

bool push_is_cancelled(const struct push *p)
{
	return p->request->cancelled && atomic_load_explicit(p->request->cancelled, memory_order_relaxed);
}

void push_tell(struct push *p, uint64_t packs, uint64_t bytes)
{
	p->result->packs += packs;
	p->result->bytes += bytes;
	if (p->request->progress)
		p->request->progress(p->request->arg, packs, bytes);
}

int push_look(struct push *p, const char *path, const struct remote_body *body)
{
	uint8_t there[LOOK + 1], here[LOOK];
	size_t len = body->len < LOOK ? (size_t)body->len : LOOK;
	ssize_t got = remote_read(p->to, path, body->len - len, there, len + 1);
	int error = 0;

	if (got < 0)
		return got == -ENOENT ? -EBADMSG : (int)got;
	if ((size_t)got != len)
		return -EBADMSG;
	if (body->data)
		memcpy(here, (const uint8_t *)body->data + body->len - len, len);
	else
		error = io_read_exact(p->io, body->fd, here, len, body->len - len);
	if (error)
		return error;
	return memcmp(here, there, len) ? -EBADMSG : 0;
}

void push_at(struct push *p, const char *path)
{
	snprintf(p->result->failed, sizeof(p->result->failed), "%s", path);
}

int push_put(struct push *p, const char *path, const struct remote_body *body, bool replace)
{
	struct remote_body checked = *body;
	int error;

	push_at(p, path);
	checked.is_checked = true;
	error = remote_put(p->to, path, &checked, replace);
	return error == -EEXIST ? 1 : error;
}

static int put(struct push *p, const char *path, const struct remote_body *body, bool replace)
{
	int error = push_put(p, path, body, replace);

	return error < 0 ? error : push_look(p, path, body);
}

/* *UNSEEN, where that is not NULL: it was put, and is still to be looked at. */
static int put_pack_file(struct push *p, int dirfd, const char *local, const struct pack_id *id, bool replace,
                         bool *unseen)
{
	struct remote_body body = {.data = NULL};
	char path[REMOTE_PATH_SIZE];
	int error;

	body.fd = io_open_regular(p->io, dirfd, local, &body.len);
	if (body.fd < 0)
		return body.fd;
	error = push_put(p, remote_store_pack_path(id, "", path), &body, replace);
	if (unseen)
		*unseen = error == 0;
	if (error > 0 || (error == 0 && !unseen))
		error = push_look(p, path, &body);
	io_close(p->io, body.fd);
	if (!error && !(unseen && *unseen))
		push_tell(p, 1, body.len);
	return error;
}

/* Only what is good replaces something. */
static int check_ours(struct push *p, const struct pack_id *id)
{
	struct pack *pack;
	int error = store_pin_pack(p->plan->store, id, &pack);

	if (error)
		return error;
	remote_store_pack_path(id, "", p->result->failed);
	error = pack_copy_check(pack);
	store_unpin_pack(p->plan->store, pack);
	p->result->ours_is_damaged = error == -EBADMSG;
	return error;
}

static int put_whole(struct push *p, const struct push_pack *pack, bool *unseen)
{
	char path[REMOTE_PATH_SIZE];
	int error = pack->replaces ? check_ours(p, &pack->id) : 0;

	if (!error)
		error = put_pack_file(p, store_dirfd(p->plan->store), remote_store_pack_path(&pack->id, "", path),
		                      &pack->id, pack->replaces, unseen);
	return error;
}

/* --- moved files --- */

static int compare_moved(const void *a, const void *b)
{
	const struct moved_entry *x = a, *y = b;

	return x->old_offset < y->old_offset ? -1 : x->old_offset > y->old_offset;
}

/* ADDED and what THERE says besides, in one new list. */
static int merge(const struct moved_entry *added, size_t added_count, const struct moved_entry *there,
                 size_t there_count, struct moved_entry **merged, size_t *count)
{
	struct moved_entry *list = calloc(added_count + there_count + 1, sizeof(*list));
	size_t n = added_count;

	if (!list)
		return -ENOMEM;
	if (added_count)
		memcpy(list, added, added_count * sizeof(*list));
	for (size_t i = 0; i < there_count; i++) {
		if (!moved_lookup(added, added_count, there[i].old_offset))
			list[n++] = there[i];
	}
	qsort(list, n, sizeof(*list), compare_moved);
	*merged = list;
	*count = n;
	return 0;
}

static bool has_all(const struct moved_entry *entries, size_t count, const struct moved_entry *wanted,
                    size_t wanted_count)
{
	for (size_t i = 0; i < wanted_count; i++) {
		const struct moved_entry *found = moved_lookup(entries, count, wanted[i].old_offset);

		if (!found || !pack_id_equal(&found->now.pack, &wanted[i].now.pack) ||
		    found->now.offset != wanted[i].now.offset)
			return false;
	}
	return true;
}

/*
 * Let the remote's moved file of a pack say ADDED, too.  Two who do so at once may each overwrite what the other wrote:
 * it is read again, and done again.
 */
static int put_moved(struct push *p, const struct pack_id *id, const struct moved_entry *added, size_t added_count)
{
	char path[REMOTE_PATH_SIZE];
	int error = 0;
	bool done = false;

	for (unsigned i = 0; i <= TRIES && !error && !done; i++) {
		struct moved_entry *there, *merged = NULL;
		size_t there_count, count;
		struct buffer file = {0};

		error = push_read_moved(p->plan->to, id, &there, &there_count);
		done = !error && has_all(there, there_count, added, added_count);
		if (!error && !done)
			error = merge(added, added_count, there, there_count, &merged, &count);
		if (!error && !done)
			error = moved_encode(id, merged, count, &file);
		if (!error && !done)
			error = put(p, remote_store_pack_path(id, ".moved", path),
			            &(struct remote_body){.data = file.data, .len = file.len}, true);
		buffer_release(&file);
		free(merged);
		free(there);
	}
	return error ? error : done ? 0 : -EBADMSG;
}

/* --- parts of packs --- */

static int open_tmp(struct push *p)
{
	int error;

	if (p->tmp >= 0)
		return 0;
	error = store_make_folder(p->plan->store, "tmp");
	if (error)
		return error;
	p->tmp = io_open(p->io, store_dirfd(p->plan->store), "tmp", O_RDONLY | O_DIRECTORY, 0);
	return p->tmp < 0 ? p->tmp : 0;
}

/* Copy the records KEEP to a new pack; each is checked.  MOVED says where they went. */
static int copy_records(struct pack *from, const struct push_pack *part, struct pack_writer *to,
                        struct moved_entry *moved)
{
	uint8_t *bytes = malloc(RECORD_HEADER_SIZE + RECORD_RAW_MAX);
	int error = bytes ? 0 : -ENOMEM;

	for (size_t i = 0; i < part->keep_count && !error; i++) {
		const struct pack_entry *entry = &part->keep[i];
		struct record_header header;
		struct record record;

		error = pack_read_stored(from, entry, bytes);
		if (!error)
			error = record_decode(bytes, RECORD_HEADER_SIZE + (size_t)entry->stored_len, entry->kind,
			                      &entry->id, &record);
		if (error)
			break;
		free(record.data);
		error =
		    record_decode_header(bytes, RECORD_HEADER_SIZE + (size_t)entry->stored_len, entry->kind, &header);
		moved[i] = (struct moved_entry){
		    .old_offset = entry->offset,
		    .now = {.pack = *pack_writer_id(to), .stored_len = entry->stored_len},
		};
		if (!error)
			error =
			    pack_writer_add(to, &entry->id, &header, bytes + RECORD_HEADER_SIZE, &moved[i].now.offset);
	}
	free(bytes);
	return error;
}

/* Make a pack of what is reachable, and put it; it does not stay here. */
static int put_part(struct push *p, const struct push_pack *part)
{
	struct moved_entry *moved = calloc(part->keep_count + 1, sizeof(*moved));
	struct pack_writer *writer = NULL;
	char hex[PACK_ID_HEX_SIZE], name[PACK_ID_HEX_SIZE + 8];
	struct pack *from = NULL;
	struct pack_id id;
	int error = moved ? open_tmp(p) : -ENOMEM;

	snprintf(p->result->failed, sizeof(p->result->failed), "packs/%s", pack_id_format(&part->id, hex));
	if (!error)
		error = store_pin_pack(p->plan->store, &part->id, &from);
	if (!error)
		error = pack_writer_open(p->io, p->tmp, &writer);
	if (!error)
		error = copy_records(from, part, writer, moved);
	if (from)
		store_unpin_pack(p->plan->store, from);
	if (error) {
		pack_writer_abort(writer);
		free(moved);
		return error;
	}
	id = *pack_writer_id(writer);
	snprintf(name, sizeof(name), "%s.push", pack_id_format(&id, hex));
	error = pack_writer_finish(writer, p->tmp, ".", name, 0444);
	if (!error) {
		error = put_pack_file(p, p->tmp, name, &id, false, NULL);
		io_unlink(p->io, p->tmp, name);
	}
	if (!error)
		error = push_plan_made(p->plan, &id);
	if (!error)
		error = put_moved(p, &part->id, moved, part->keep_count);
	free(moved);
	return error;
}

/* Of a pack that is gone, say there where what is needed of it is. */
static int put_followed(struct push *p, const struct push_pack *pack)
{
	struct moved_entry *needed = calloc(pack->moved_count + 1, sizeof(*needed));
	size_t count = 0;
	int error;

	if (!needed)
		return -ENOMEM;
	for (size_t i = 0; i < pack->moved_count; i++) {
		if (pack->followed[i])
			needed[count++] = pack->moved[i];
	}
	error = count ? put_moved(p, &pack->id, needed, count) : 0;
	free(needed);
	return error;
}

/* --- all --- */

static int put_pack(struct push *p, const struct push_pack *pack, bool *unseen)
{
	p->result->replaced += pack->replaces;
	switch (pack->how) {
	case PUSH_WHOLE:
		if (!p->request->dry)
			return put_whole(p, pack, unseen);
		push_tell(p, 1, pack->bytes);
		return 0;
	case PUSH_PART:
		if (!p->request->dry)
			return put_part(p, pack);
		push_tell(p, 1, pack->bytes);
		return 0;
	case PUSH_MOVED:
		return p->request->dry ? 0 : put_followed(p, pack);
	case PUSH_THERE:
		break;
	}
	return 0;
}

/* --- several at once --- */

/* The task that is no pack: to see to it that there is a store.  One that is not there is made, and looked at, beside
 * packs: until its version is there, nobody takes them for any. */
static bool is_store(const struct pushes *all, size_t number)
{
	return number == all->of[0].plan->packs_count;
}

static size_t packs_below(void *arg, size_t number, const size_t **below)
{
	const struct pushes *all = arg;
	const struct push_pack *pack;

	if (is_store(all, number))
		return 0;
	pack = &all->of[0].plan->packs[number];
	*below = pack->below;
	return pack->below_count;
}

/* What goes in another form than it has here is noted in the plan. */
static bool is_callers(void *arg, size_t number)
{
	const struct pushes *all = arg;
	enum push_how how = is_store(all, number) ? PUSH_THERE : all->of[0].plan->packs[number].how;

	return how == PUSH_PART || how == PUSH_MOVED;
}

static int see_to_store(struct push *p)
{
	int error;

	push_at(p, STORE_VERSION_FILE);
	if (p->request->dry)
		return 0;
	error = p->plan->to_nothing ? remote_store_make(p->plan->to) : 0;
	return error ? error : remote_store_prepare(p->plan->to);
}

static int work_on_pack(void *arg, unsigned thread, size_t number)
{
	struct pushes *all = arg;
	struct push *p = &all->of[thread];
	int error = push_is_cancelled(p) ? -EINTR : 0;

	if (!error)
		error = is_store(all, number)
		            ? see_to_store(p)
		            : put_pack(p, &p->plan->packs[number], all->is_last[number] ? &all->unseen[number] : NULL);
	return all->errors[thread] = error;
}

/*
 * The last of the packs, as far as no other needs them, are looked at while the roots are put.  Where this ends in
 * between, the next push asks for them all the same: a root that is there proves nothing to it.
 */
static void find_last(struct pushes *all)
{
	const struct push_plan *plan = all->of[0].plan;
	size_t place = plan->packs_count > AT_THE_END ? plan->packs_count - AT_THE_END : 0;

	for (size_t i = place; i < plan->packs_count; i++)
		all->is_last[plan->order[i]] = true;
	for (size_t i = place; i < plan->packs_count; i++) {
		const struct push_pack *pack = &plan->packs[plan->order[i]];

		for (size_t j = 0; j < pack->below_count; j++)
			all->is_last[pack->below[j]] = false;
	}
}

static int put_packs(struct pushes *all, unsigned threads, size_t *order)
{
	const struct push_plan *plan = all->of[0].plan;
	/* Where the store comes.  With several threads a pack is begun before it, on the connection that is open. */
	const size_t store = threads < 2 || !plan->packs_count ? 0 : 1;
	const struct push_crew crew = {
	    .threads = threads,
	    .count = plan->packs_count + 1,
	    .order = order,
	    .before = packs_below,
	    .is_callers = is_callers,
	    .work = work_on_pack,
	    .arg = all,
	};

	for (size_t i = 0; i <= plan->packs_count; i++)
		order[i] = i == store ? plan->packs_count : plan->order[i - (i > store)];
	return push_crew_run(&crew);
}

static int put_all(struct pushes *all)
{
	const size_t count = all->of[0].plan->packs_count;
	const unsigned asked = all->of[0].request->at_once, threads = asked < PUSH_CREW_MAX ? asked : PUSH_CREW_MAX;
	size_t *order = calloc(count + 1, sizeof(*order));
	int error = -ENOMEM;

	all->is_last = calloc(count + 1, sizeof(*all->is_last));
	all->unseen = calloc(count + 1, sizeof(*all->unseen));
	if (order && all->is_last && all->unseen) {
		find_last(all);
		error = put_packs(all, threads, order);
	}
	/* They are small: what a push that is killed had under way is next to nothing. */
	if (!error)
		error = push_roots(all, threads > 1 ? PUSH_CREW_MAX : 1);
	free(order);
	free(all->is_last);
	free(all->unseen);
	return error;
}

/* What all threads did; where it ended with ERROR, what one that met it was at. */
static void add_up(const struct pushes *all, int error, struct push_result *result)
{
	bool named = false;

	for (unsigned i = 0; i < PUSH_CREW_MAX; i++) {
		const struct push_result *r = &all->results[i];

		result->packs += r->packs;
		result->replaced += r->replaced;
		result->roots += r->roots;
		result->bytes += r->bytes;
		if (error && !named && all->errors[i] == error) {
			result->ours_is_damaged = r->ours_is_damaged;
			memcpy(result->failed, r->failed, sizeof(result->failed));
			named = true;
		}
	}
}

int push_run(const struct push_request *request, struct push_result *result)
{
	struct push_plan *plan = request->plan;
	struct pushes all = {0};
	int error;

	for (unsigned i = 0; i < PUSH_CREW_MAX; i++)
		all.of[i] = (struct push){
		    .request = request,
		    .plan = plan,
		    .result = &all.results[i],
		    .io = plan->store ? store_io(plan->store) : io_system(),
		    .to = remote_store_remote(plan->to),
		    .tmp = -1,
		};
	*result = (struct push_result){0};
	error = put_all(&all);
	add_up(&all, error, result);
	result->collected = all.collected;
	io_close(all.of[0].io, all.of[0].tmp);
	return error;
}
