#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cache/remote_pack.h"
#include "fs/verify_inside.h"

int verify_read_record(struct verify *v, unsigned kind, const struct id *id, const struct locator *hint,
                       struct record *record, struct audit *audit)
{
	if (!v->options->remote)
		return audit_record(v->store, kind, id, hint, record, audit);
	*audit = (struct audit){.at = *hint};
	return remote_store_read(v->options->remote, kind, id, hint, record);
}

int verify_read_root(struct verify *v, const struct id *id, struct record *record)
{
	if (!v->options->remote)
		return store_read_root(v->store, id, record);
	return remote_store_read_root(v->options->remote, id, record);
}

/* A disk that cannot be read is damage; a remote that does not answer says nothing about its store. */
bool verify_is_unanswered(const struct verify *v, int error)
{
	return v->options->remote && error != -EIO && error != -ENODATA && remote_may_pass(error);
}

int verify_meet_pack(struct verify *v, const struct pack_id *pack)
{
	struct id key = {0};
	int is_new;

	if (!v->options->remote)
		return 0;
	memcpy(key.bytes, pack->bytes, PACK_ID_SIZE);
	is_new = id_set_add(&v->met, &key);
	if (is_new > 0)
		buffer_append(&v->packs, pack, sizeof(*pack));
	return v->packs.failed ? -ENOMEM : is_new < 0 ? is_new : 0;
}

/* A pack that is not there: those that its records went to are checked in its place. */
static int check_moved(struct verify *v, const struct pack_id *pack)
{
	struct moved_entry *entries;
	size_t count;
	int error = remote_store_read_moved(v->options->remote, pack, &entries, &count);

	if (error)
		return error;
	for (size_t i = 0; i < count && !error; i++)
		error = verify_meet_pack(v, &entries[i].now.pack);
	free(entries);
	return error;
}

static int check_pack(struct verify *v, const struct pack_id *pack)
{
	struct remote *remote = remote_store_remote(v->options->remote);
	struct verify_damage damage = {.kind = VERIFY_PACK, .at = {.pack = *pack}};
	char path[REMOTE_PATH_SIZE];
	struct pack_entry *entries;
	struct remote_stat st;
	size_t count;
	int error = remote_stat(remote, remote_store_pack_path(pack, "", path), &st);

	if (error == -ENOENT) {
		error = check_moved(v, pack);
		/* That it is gone is told of what was looked for in it, unless that was not in the sample. */
		if (!error || (error == -ENOENT && v->options->sample >= 1))
			return 0;
	} else if (!error) {
		v->report->packs++;
		error = remote_pack_read_index(remote, pack, st.size, &entries, &count);
		if (!error)
			free(entries);
	}
	if (!error || error == -ENOMEM || verify_is_unanswered(v, error))
		return error;
	damage.error = error == -ENOENT ? -ENODATA : error == -EFBIG ? -EBADMSG : error;
	return verify_note(v, &damage);
}

int verify_met_packs(struct verify *v)
{
	int error = 0;

	/* It may grow while it is gone through. */
	for (size_t at = 0; at < v->packs.len && !error; at += sizeof(struct pack_id)) {
		struct pack_id pack;

		memcpy(&pack, v->packs.data + at, sizeof(pack));
		error = check_pack(v, &pack);
	}
	return error;
}
