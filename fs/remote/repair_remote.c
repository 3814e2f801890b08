#include "fs/remote/repair_remote.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cache/pack_copy.h"
#include "cache/wire.h"
#include "fs/history.h"
#include "fs/mark.h"

struct repairing {
	struct repair_remote *r;
	const struct io *io;
	struct remote *to;
	int tmp;          /* the local store's folder of unfinished files */
	struct mark mark; /* what is reachable, once it is needed */
	bool marked;
	struct id_set done; /* packs that were tried */
};

/* --- what may go there --- */

static int mark_pointer(void *arg, const char *path, const struct oid *oid, const struct pointer *pointer, int error)
{
	struct repairing *w = arg;

	(void)path;
	(void)oid;
	if (!pointer)
		return error == -ENOMEM ? error : 0;
	return mark_page(&w->mark, &pointer->root, NULL, true);
}

struct walk {
	struct repairing *work;
	struct history history;
};

static int mark_commit(void *arg, const struct oid *oid, const struct repo_commit *commit)
{
	struct walk *walk = arg;

	(void)oid;
	return history_walk(&walk->history, &commit->tree, mark_pointer, walk->work);
}

static int mark_all(struct repairing *w)
{
	struct walk walk = {.work = w, .history = {.repo = w->r->repo}};
	int error = 0;

	w->mark = (struct mark){.store = w->r->store, .lenient = true};
	if (!w->marked)
		error = repo_each_commit(w->r->repo, w->r->tips, w->r->tips_count, mark_commit, &walk);
	w->marked = !error;
	history_release(&walk.history);
	return error;
}

/* Whether all that is in PACK is reachable.  1, 0, -errno. */
static int is_public(struct repairing *w, struct pack *pack)
{
	struct pack_entry *entries;
	int error = w->marked ? 0 : mark_all(w);
	bool all = true;

	if (!error)
		error = pack_read_index(pack, &entries);
	if (error)
		return error;
	for (uint32_t i = 0; i < pack_count(pack) && all; i++)
		all = mark_has(&w->mark, entries[i].kind, &entries[i].id);
	free(entries);
	return all;
}

/* --- packs --- */

/* Put the file NAME below DIRFD as the pack ID, in place of what is there. */
static int put_file(struct repairing *w, int dirfd, const char *name, const struct pack_id *id)
{
	struct remote_body body = {.data = NULL};
	char path[REMOTE_PATH_SIZE];
	struct remote_stat st;
	int error;

	body.fd = io_open_regular(w->io, dirfd, name, &body.len);
	if (body.fd < 0)
		return body.fd;
	error = remote_put(w->to, remote_store_pack_path(id, "", path), &body, true);
	io_close(w->io, body.fd);
	if (!error)
		error = remote_stat(w->to, path, &st);
	if (!error && st.size != body.len)
		error = -EBADMSG;
	w->r->packs += !error;
	return error;
}

/* 1 where the local pack went, 0 where there is none that may, -errno. */
static int put_ours(struct repairing *w, const struct pack_id *id, bool missing)
{
	char path[REMOTE_PATH_SIZE];
	struct pack *pack;
	int answer = store_pin_pack(w->r->store, id, &pack);

	if (answer)
		return answer == -ENOMEM ? answer : 0;
	answer = pack_copy_check(pack);
	if (!answer)
		answer = missing ? is_public(w, pack) : 1;
	else if (answer != -ENOMEM)
		answer = 0;
	store_unpin_pack(w->r->store, pack);
	if (answer <= 0)
		return answer;
	answer = put_file(w, store_dirfd(w->r->store), remote_store_pack_path(id, "", path), id);
	return answer ? answer : 1;
}

/* The same from another remote, where it was published. */
static int put_theirs(struct repairing *w, const struct pack_id *id)
{
	char hex[PACK_ID_HEX_SIZE], name[PACK_ID_HEX_SIZE + 8];
	struct pack_id random;
	int error = -ENOENT;

	io_random(w->io, &random, sizeof(random));
	snprintf(name, sizeof(name), "%s.repair", pack_id_format(&random, hex));
	for (size_t i = 0; i < w->r->others_count && error; i++) {
		error = pack_copy_fetch(w->io, w->r->others[i], id, w->tmp, name, 0444);
		if (error == -ENOMEM || error == -ENOSPC || error == -EINTR)
			return error;
	}
	if (error)
		return 0;
	error = put_file(w, w->tmp, name, id);
	io_unlink(w->io, w->tmp, name);
	return error ? error : 1;
}

static int cure_pack(struct repairing *w, const struct pack_id *id, bool missing)
{
	struct id key = {0};
	int answer;

	memcpy(key.bytes, id->bytes, PACK_ID_SIZE);
	answer = id_set_add(&w->done, &key);
	if (answer <= 0)
		return answer;
	answer = put_ours(w, id, missing);
	if (!answer)
		answer = put_theirs(w, id);
	return answer < 0 ? answer : 0;
}

/* The pack that has, or should have, what is damaged at AT: that, or where its records went. */
static int cure_place(struct repairing *w, struct locator at)
{
	for (unsigned hop = 0; hop <= MOVED_HOPS_MAX; hop++) {
		const struct moved_entry *entry;
		char path[REMOTE_PATH_SIZE];
		struct moved_entry *entries;
		struct remote_stat st;
		size_t count;
		int error = remote_stat(w->to, remote_store_pack_path(&at.pack, "", path), &st);

		if (error != -ENOENT)
			return error ? error : cure_pack(w, &at.pack, false);
		error = remote_store_read_moved(w->r->to, &at.pack, &entries, &count);
		if (error)
			return error == -ENOENT || error == -EBADMSG ? cure_pack(w, &at.pack, true) : error;
		entry = moved_lookup(entries, count, at.offset);
		if (entry)
			at = entry->now;
		free(entries);
		if (!entry)
			return 0;
	}
	return 0;
}

/* --- roots --- */

static int read_good_root(struct repairing *w, const struct id *id, void **file, size_t *len)
{
	char path[REMOTE_PATH_SIZE];
	struct record record;
	int error;

	remote_store_root_path(id, path);
	error = io_read_file(w->io, store_dirfd(w->r->store), path, STORE_ROOT_FILE_MAX, file, len);
	for (size_t i = 0;; i++) {
		if (!error) {
			error = store_decode_root(*file, *len, id, &record);
			if (!error) {
				free(record.data);
				return 0;
			}
			free(*file);
		}
		if (error == -ENOMEM || i == w->r->others_count)
			return error;
		error = remote_read_file(w->r->others[i], path, STORE_ROOT_FILE_MAX, file, len);
	}
}

static int cure_root(struct repairing *w, const struct id *id)
{
	char path[REMOTE_PATH_SIZE];
	size_t len;
	void *file;
	int error = read_good_root(w, id, &file, &len);

	if (error)
		return error == -ENOMEM ? error : 0;
	error =
	    remote_put(w->to, remote_store_root_path(id, path), &(struct remote_body){.data = file, .len = len}, true);
	free(file);
	w->r->roots += !error;
	return error;
}

/* --- all --- */

static int cure(struct repairing *w, const struct verify_damage *d)
{
	static const struct pack_id none;

	/* What has a reason of its own reads well, and stands in the wrong place. */
	if (d->why || d->error == -ENOTSUP)
		return 0;
	if (d->kind == VERIFY_ROOT)
		return cure_root(w, &d->id);
	if (d->kind == VERIFY_GIT || d->kind == VERIFY_POINTER || pack_id_equal(&d->at.pack, &none))
		return 0;
	return cure_place(w, d->at);
}

int repair_remote_run(struct repair_remote *r, const struct verify_report *report)
{
	struct repairing w = {.r = r, .io = store_io(r->store), .to = remote_store_remote(r->to)};
	int error = store_make_folder(r->store, "tmp");

	if (error)
		return error;
	w.tmp = io_open(w.io, store_dirfd(r->store), "tmp", O_RDONLY | O_DIRECTORY, 0);
	if (w.tmp < 0)
		return w.tmp;
	/* Packs before roots: who reads meanwhile finds whole revisions. */
	for (size_t i = 0; i < report->count && !error; i++) {
		if (report->damages[i].kind != VERIFY_ROOT)
			error = cure(&w, &report->damages[i]);
	}
	for (size_t i = 0; i < report->count && !error; i++) {
		if (report->damages[i].kind == VERIFY_ROOT)
			error = cure(&w, &report->damages[i]);
	}
	mark_release(&w.mark);
	id_set_release(&w.done);
	io_close(w.io, w.tmp);
	return error;
}
