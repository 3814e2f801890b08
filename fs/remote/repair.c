#include "fs/remote/repair.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cache/pack_copy.h"
#include "cache/repack.h"
#include "cache/wire.h"

/* A damaged record whose pack is known. */
struct patient {
	const struct verify_damage *damage;
};

static int compare_patients(const void *a, const void *b)
{
	const struct verify_damage *x = ((const struct patient *)a)->damage, *y = ((const struct patient *)b)->damage;
	int order = pack_id_cmp(&x->at.pack, &y->at.pack);

	return order ? order : x->at.offset < y->at.offset ? -1 : x->at.offset > y->at.offset;
}

/* --- whole packs --- */

/* A failure of one source is no end: there may be another. */
static bool is_final(int error)
{
	return error == -ENOMEM || error == -ENOSPC || error == -EDQUOT || error == -EROFS || error == -EINTR;
}

/* Bring the pack from the first remote that has it whole.  1, 0 where none has, -errno. */
static int bring_pack(struct repair *r, const struct pack_id *id)
{
	const struct io *io = store_io(r->store);
	char hex[PACK_ID_HEX_SIZE], name[PACK_ID_HEX_SIZE + 8];
	struct pack_id random;
	int error = store_make_folder(r->store, "tmp"), tmp;

	if (error)
		return error;
	tmp = io_open(io, store_dirfd(r->store), "tmp", O_RDONLY | O_DIRECTORY, 0);
	if (tmp < 0)
		return tmp;
	io_random(io, &random, sizeof(random));
	snprintf(name, sizeof(name), "%s.repair", pack_id_format(&random, hex));
	error = -ENOENT;
	for (size_t i = 0; i < r->remotes_count && error && !is_final(error); i++)
		error = pack_copy_fetch(io, r->remotes[i], id, tmp, name, store_file_mode(r->store));
	if (!error) {
		error = store_install_pack(r->store, tmp, name, id);
		if (error)
			io_unlink(io, tmp, name);
		io_close(io, tmp);
		return error ? error : 1;
	}
	io_close(io, tmp);
	return is_final(error) ? error : 0;
}

/* --- records --- */

/* A good copy: another one here, or one of elsewhere. */
static int find_copy(struct repair *r, const struct verify_damage *d, struct record *record)
{
	const unsigned kind = d->kind == VERIFY_CHUNK ? RECORD_CHUNK : RECORD_PAGE;
	int error = store_read(r->store, kind, &d->id, NULL, record);

	if (error && error != -ENOMEM && kind == RECORD_PAGE)
		error = store_read_root(r->store, &d->id, record);
	if (error && error != -ENOMEM && r->fetch)
		error = fetch_read(r->fetch, kind, &d->id, &d->at, record);
	if (error && error != -ENOMEM && r->fetch && kind == RECORD_PAGE)
		error = fetch_read_root(r->fetch, &d->id, record);
	return error;
}

/* The lines of the index of PACK whose records can be read; none where the index cannot.  *LOST: some are of a later
 * version. */
static int list_good(struct repair *r, const struct pack_id *id, struct pack_entry **good, size_t *count, bool *lost)
{
	struct pack *pack;
	int error = store_pin_pack(r->store, id, &pack);

	*good = NULL;
	*count = 0;
	if (error)
		return error;
	error = pack_read_index(pack, good);
	for (uint32_t i = 0; !error && i < pack_count(pack); i++) {
		const struct pack_entry *e = &(*good)[i];
		struct record record;
		int damaged = pack_read(pack, e->offset, e->stored_len, e->kind, &e->id, &record);

		if (damaged == -ENOMEM)
			error = damaged;
		else if (!damaged)
			free(record.data);
		*lost = *lost || damaged == -ENOTSUP;
		if (!damaged)
			(*good)[(*count)++] = *e;
	}
	store_unpin_pack(r->store, pack);
	return error;
}

/* Put what is damaged in one pack, the COUNT PATIENTS, to R's new packs; *LOST: for something there is no copy. */
static int put_copies(struct repair *r, struct repack *repack, struct patient *patients, size_t count, bool *lost)
{
	int error = 0;

	for (size_t i = 0; i < count && !error; i++) {
		const struct verify_damage *d = patients[i].damage;
		const unsigned kind = d->kind == VERIFY_CHUNK ? RECORD_CHUNK : RECORD_PAGE;
		struct record record;

		if (d->kind == VERIFY_PACK || !d->at.offset || (i && d->at.offset == patients[i - 1].damage->at.offset))
			continue;
		/* It reads by now, and was copied. */
		if (store_read_copy(r->store, kind, &d->id, &d->at, &record) == 0) {
			free(record.data);
			continue;
		}
		error = find_copy(r, d, &record);
		if (error) {
			*lost = true;
			error = error == -ENOMEM ? error : 0;
			continue;
		}
		error = repack_put(repack, d->at.offset, kind, &d->id, &record);
		free(record.data);
		r->records += !error;
	}
	return error;
}

/* Leave the pack of the COUNT PATIENTS for a new one. */
static int leave_pack(struct repair *r, struct patient *patients, size_t count)
{
	const struct pack_id *id = &patients[0].damage->at.pack;
	struct repack_stats stats;
	struct repack *repack;
	struct pack_entry *good;
	size_t good_count;
	const uint64_t before = r->records;
	bool lost = false;
	int error, index_error = list_good(r, id, &good, &good_count, &lost);

	/* Without its index nobody knows what else is in it. */
	lost = lost || (index_error && index_error != -ENOENT);
	if (index_error == -ENOMEM) {
		free(good);
		return -ENOMEM;
	}
	error = repack_open(r->store, &repack);
	if (error) {
		free(good);
		return error;
	}
	error = index_error ? repack_lost_pack(repack, id) : repack_pack(repack, id, good, good_count);
	free(good);
	if (!error)
		error = put_copies(r, repack, patients, count, &lost);
	/* Where nothing was found a new pack would only be a copy. */
	if (!error && r->records > before)
		error = repack_finish(repack, &stats);
	repack_close(repack);
	if (error || r->records == before || lost)
		return error;
	error = store_remove_pack(r->store, id);
	return error == -ENOENT ? 0 : error;
}

/* --- roots --- */

static int put_root(struct repair *r, const struct id *id)
{
	struct record record;
	int error = store_read(r->store, RECORD_PAGE, id, NULL, &record);

	if (error && error != -ENOMEM && r->fetch)
		error = fetch_read_root(r->fetch, id, &record);
	if (error)
		return error == -ENOMEM ? error : 0;
	error = store_put_root(r->store, id, record.data, record.len, record.hashed_len);
	free(record.data);
	r->roots += !error;
	return error;
}

/* --- all --- */

static int cure_pack(struct repair *r, struct patient *patients, size_t count)
{
	int brought = bring_pack(r, &patients[0].damage->at.pack);

	if (brought > 0)
		r->packs++;
	return brought ? (brought < 0 ? brought : 0) : leave_pack(r, patients, count);
}

int repair_run(struct repair *r, const struct verify_report *report)
{
	static const struct pack_id none;
	struct patient *patients = calloc(report->count + 1, sizeof(*patients));
	size_t count = 0;
	int error = patients ? 0 : -ENOMEM;

	for (size_t i = 0; i < report->count && !error; i++) {
		const struct verify_damage *d = &report->damages[i];
		const bool of_pack = d->kind == VERIFY_PAGE || d->kind == VERIFY_CHUNK || d->kind == VERIFY_PACK;

		/* What has a reason of its own reads well, and stands in the wrong place. */
		if (of_pack && !d->why && d->error != -ENOTSUP && !pack_id_equal(&d->at.pack, &none))
			patients[count++].damage = d;
	}
	if (count)
		qsort(patients, count, sizeof(*patients), compare_patients);
	for (size_t from = 0, to; from < count && !error; from = to) {
		for (to = from + 1;
		     to < count && pack_id_equal(&patients[to].damage->at.pack, &patients[from].damage->at.pack);)
			to++;
		error = cure_pack(r, patients + from, to - from);
	}
	for (size_t i = 0; i < report->count && !error; i++) {
		if (report->damages[i].kind == VERIFY_ROOT && report->damages[i].error != -ENOTSUP)
			error = put_root(r, &report->damages[i].id);
	}
	free(patients);
	return error;
}
