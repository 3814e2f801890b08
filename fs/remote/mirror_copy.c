#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cache/pack_index.h"
#include "cache/wire.h"
#include "fs/pack_check.h"
#include "fs/remote/mirror_inside.h"
#include "fs/remote/push_plan.h"

#define PIECE ((size_t)4 << 20)

static void tell(struct mirror *m, uint64_t packs, uint64_t moved, uint64_t roots, uint64_t bytes)
{
	pthread_mutex_lock(&m->lock);
	m->result->packs += packs;
	m->result->moved += moved;
	m->result->roots += roots;
	m->result->bytes += bytes;
	pthread_mutex_unlock(&m->lock);
	if (m->request->progress)
		m->request->progress(m->request->arg, packs, bytes);
}

/* Put BODY and see whether TO has it.  What another put meanwhile is as good where its size is right. */
static int put(struct mirror *m, const char *path, const struct remote_body *body, bool replace)
{
	struct remote_body checked = *body;
	struct remote_stat st;
	int error;

	checked.is_checked = true;
	error = remote_put(m->to, path, &checked, replace);
	if (!error || error == -EEXIST)
		error = remote_stat(m->to, path, &st);
	if (!error && st.size != body->len)
		error = -EBADMSG;
	if (error)
		return mirror_failed(m, path, error == -ENOENT ? -EBADMSG : error, false);
	return 0;
}

/* --- packs --- */

static int need(struct mirror_item *item, const struct pack_id *id)
{
	const struct id key = pack_check_key(id);
	int error;

	if (pack_id_equal(id, &item->id))
		return 0;
	error = id_set_add(&item->needs, &key);
	return error < 0 ? error : 0;
}

static int need_named(void *arg, const struct page_named *named)
{
	return named->locator.offset ? need(arg, &named->locator.pack) : 0;
}

/* Copy the pack of ITEM to the file FD of this machine. */
static int download(struct mirror *m, const struct mirror_item *item, const char *path, int fd)
{
	uint8_t *piece = malloc(PIECE);
	int error = piece ? 0 : -ENOMEM;

	for (uint64_t at = 0; at < item->size && !error;) {
		size_t len = item->size - at < PIECE ? (size_t)(item->size - at) : PIECE;
		ssize_t got = remote_read(m->from, path, at, piece, len);

		if (got <= 0) {
			error = got < 0 ? mirror_failed(m, path, got == -ENOENT ? -ESTALE : (int)got, true)
			                : mirror_failed(m, path, -EBADMSG, true);
			break;
		}
		error = io_write_exact(m->io, fd, piece, (size_t)got, at);
		at += (uint64_t)got;
	}
	free(piece);
	return error;
}

static int fetch_pack(struct mirror *m, struct mirror_item *item, const char *path, bool *has_pages)
{
	char hex[PACK_ID_HEX_SIZE];
	struct pack_id random;
	int fd, error;

	if (item->size > PACK_SIZE_MAX)
		return mirror_failed(m, path, -EBADMSG, true);
	io_random(m->io, &random, sizeof(random));
	snprintf(item->name, sizeof(item->name), "%s.new", pack_id_format(&random, hex));
	fd = io_open(m->io, m->request->tmp, item->name, O_RDWR | O_CREAT | O_EXCL, 0600);
	if (fd < 0)
		return mirror_failed(m, path, fd, false);
	item->fetched = true;
	error = download(m, item, path, fd);
	io_close(m->io, fd);
	if (error)
		return mirror_failed(m, path, error, false);
	error = pack_check(m->io, m->request->tmp, item->name, &item->id, need_named, item, has_pages);
	return error ? mirror_failed(m, path, error, error == -EBADMSG) : 0;
}

static void drop_file(struct mirror *m, struct mirror_item *item)
{
	if (item->fetched)
		io_unlink(m->io, m->request->tmp, item->name);
	item->fetched = false;
}

static int put_pack(struct mirror *m, struct mirror_item *item, const char *path)
{
	struct remote_body body = {.data = NULL};
	int error;

	body.fd = io_open_regular(m->io, m->request->tmp, item->name, &body.len);
	if (body.fd < 0)
		return mirror_failed(m, path, body.fd, false);
	error = put(m, path, &body, item->replace);
	io_close(m->io, body.fd);
	drop_file(m, item);
	item->copy = false;
	if (!error)
		tell(m, 1, 0, 0, body.len);
	return error;
}

/* A pack at TO of another size is written over where its end shows that it is not whole; never a whole one, whose id
 * only forgery gives to two. */
static int check_replaced(struct mirror *m, const struct mirror_item *item, const char *path)
{
	const struct id key = pack_check_key(&item->id);
	const struct mirror_file *there = mirror_files_find(&m->there.packs, &key);
	uint8_t end[PACK_TRAILER_SIZE];
	struct pack_trailer trailer;
	ssize_t got;

	if (there->size < sizeof(end))
		return 0;
	got = remote_read(m->to, path, there->size - sizeof(end), end, sizeof(end));
	if (got < 0)
		return mirror_failed(m, path, (int)got, false);
	if ((size_t)got != sizeof(end) || pack_trailer_decode(end, there->size, &trailer) ||
	    !pack_id_equal(&trailer.pack, &item->id))
		return 0;
	return mirror_failed(m, path, -EBADMSG, true);
}

/* --- moved files --- */

static int compare_moved(const void *a, const void *b)
{
	const struct moved_entry *x = a, *y = b;

	return x->old_offset < y->old_offset ? -1 : x->old_offset > y->old_offset;
}

/* Whether what TO says leads to a pack that it lists, or will have. */
static bool leads_somewhere(const struct mirror *m, const struct moved_entry *entry)
{
	const struct id key = pack_check_key(&entry->now.pack);

	return mirror_files_find(&m->there.packs, &key) || mirror_files_find(&m->there.moved, &key) ||
	       mirror_files_find(&m->have.packs, &key) || mirror_files_find(&m->have.moved, &key);
}

/* What TO says stays, as far as it leads somewhere; OURS says the rest.  Nothing is to be done where that is nothing.
 */
static int merge_moved(struct mirror *m, struct mirror_item *item, const struct moved_entry *ours, size_t ours_count,
                       const struct moved_entry *theirs, size_t theirs_count)
{
	struct moved_entry *list = calloc(ours_count + theirs_count + 1, sizeof(*list));
	size_t kept, n = 0;
	int error = list ? 0 : -ENOMEM;

	for (size_t i = 0; i < theirs_count && !error; i++) {
		if (leads_somewhere(m, &theirs[i]))
			list[n++] = theirs[i];
	}
	kept = n;
	for (size_t i = 0; i < ours_count && !error; i++) {
		if (moved_lookup(list, kept, ours[i].old_offset))
			continue;
		list[n++] = ours[i];
		error = need(item, &ours[i].now.pack);
	}
	if (error || n == kept) {
		free(list);
		item->say = error != 0;
		return error;
	}
	qsort(list, n, sizeof(*list), compare_moved);
	item->moved = list;
	item->moved_count = n;
	return 0;
}

static int read_moved(struct mirror *m, struct mirror_item *item, const char *path)
{
	struct moved_entry *ours = NULL, *theirs = NULL;
	size_t ours_count = 0, theirs_count = 0;
	int error = remote_store_read_moved(m->request->from, &item->id, &ours, &ours_count);

	if (error)
		return mirror_failed(m, path, error == -ENOENT ? -ESTALE : error, true);
	if (!m->request->to_nothing)
		error = push_read_moved(m->request->to, &item->id, &theirs, &theirs_count);
	if (!error)
		error = merge_moved(m, item, ours, ours_count, theirs, theirs_count);
	free(ours);
	free(theirs);
	return error ? mirror_failed(m, path, error, false) : 0;
}

static int put_moved(struct mirror *m, struct mirror_item *item, const char *path)
{
	struct buffer file = {0};
	int error = moved_encode(&item->id, item->moved, item->moved_count, &file);

	if (!error)
		error = put(m, path, &(struct remote_body){.data = file.data, .len = file.len}, true);
	else
		mirror_failed(m, path, error, false);
	if (!error)
		tell(m, 0, 1, 0, file.len);
	buffer_release(&file);
	item->say = false;
	return error;
}

/* --- items --- */

int mirror_bring(struct mirror *m, struct mirror_item *item)
{
	char pack[REMOTE_PATH_SIZE], moved[REMOTE_PATH_SIZE];
	bool has_pages = false;
	int error = 0;

	remote_store_pack_path(&item->id, "", pack);
	if (item->say)
		error = read_moved(m, item, remote_store_pack_path(&item->id, ".moved", moved));
	if (!error && item->replace)
		error = check_replaced(m, item, pack);
	if (!error && item->copy)
		error = fetch_pack(m, item, pack, &has_pages);
	if (!error && item->copy && !has_pages)
		error = put_pack(m, item, pack);
	item->pending = item->copy || item->say;
	return error;
}

int mirror_put_item(struct mirror *m, struct mirror_item *item)
{
	char path[REMOTE_PATH_SIZE];
	int error = 0;

	if (item->copy)
		error = put_pack(m, item, remote_store_pack_path(&item->id, "", path));
	if (!error && item->say)
		error = put_moved(m, item, remote_store_pack_path(&item->id, ".moved", path));
	return error;
}

void mirror_item_release(struct mirror *m, struct mirror_item *item)
{
	drop_file(m, item);
	free(item->moved);
	id_set_release(&item->needs);
}

/* --- roots --- */

/* One that TO has, with whatever labels, is never replaced, unless it is no root. */
int mirror_put_root(struct mirror *m, const struct id *id)
{
	char path[REMOTE_PATH_SIZE];
	struct record record;
	bool replace = false;
	void *file;
	size_t len;
	int error;

	remote_store_root_path(id, path);
	if (mirror_files_find(&m->there.roots, id)) {
		error = remote_store_read_root(m->request->to, id, &record);
		if (!error)
			free(record.data);
		if (error != -ENOENT && error != -EBADMSG)
			return error ? mirror_failed(m, path, error, false) : 0;
		replace = error == -EBADMSG;
	}
	error = remote_read_file(m->from, path, STORE_ROOT_FILE_MAX, &file, &len);
	if (error)
		return mirror_failed(m, path, error == -ENOENT ? -ESTALE : error == -EFBIG ? -EBADMSG : error, true);
	error = store_decode_root(file, len, id, &record);
	if (error) {
		free(file);
		return mirror_failed(m, path, error, true);
	}
	free(record.data);
	error = put(m, path, &(struct remote_body){.data = file, .len = len}, replace);
	free(file);
	if (!error)
		tell(m, 0, 0, 1, len);
	return error;
}
