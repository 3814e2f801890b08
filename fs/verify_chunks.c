#include "fs/verify_inside.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cache/chunker.h"

static int check_chunk(const struct verify_chunk *item, const struct record *record, const char **why)
{
	if (record->len != item->len) {
		*why = "it has another length than is said where it is named";
		return -EBADMSG;
	}
	if ((item->roles & CHUNK_CUTS) && chunker_cut(record->data, record->len, false) != record->len) {
		*why = "the chunker does not cut there";
		return -EBADMSG;
	}
	if ((item->roles & CHUNK_ENDS) && chunker_cut(record->data, record->len, true) != record->len) {
		*why = "the chunker cuts earlier";
		return -EBADMSG;
	}
	return 0;
}

/* A worker's part. */
void verify_read_chunk(void *arg, void *item_arg)
{
	struct verify *v = arg;
	struct verify_chunk *item = item_arg;
	struct record record;

	item->error = verify_read_record(v, RECORD_CHUNK, &item->id, &item->hint, &record, &item->audit);
	if (item->error == -ENOENT)
		item->error = -ENODATA;
	if (item->error)
		return;
	item->error = check_chunk(item, &record, &item->why);
	free(record.data);
}

/* The consumer's part; takes over ITEM. */
int verify_finish_chunk(struct verify *v, struct verify_chunk *item)
{
	struct verify_damage damage = {
	    .kind = VERIFY_CHUNK,
	    .id = item->id,
	    .at = item->audit.at,
	    .error = item->error,
	    .why = item->why,
	};
	/* What it is in itself was told and counted when it was read first. */
	const bool is_told = item->again && !item->why;
	int r = 0;

	if (verify_is_elsewhere(v, item->error)) {
		if (!item->again)
			verify_count(v, &v->report->elsewhere, 0);
		free(item);
		return 0;
	}
	if (!item->again)
		verify_count(v, &v->report->chunks, item->error ? 0 : item->len);
	if (item->error == -ENOMEM) {
		r = -ENOMEM;
	} else if (is_told) {
		r = 0;
	} else if (item->error) {
		r = verify_note(v, &damage);
	} else if (item->audit.bad_copy) {
		damage.error = -EBADMSG;
		damage.saved = true;
		r = verify_note(v, &damage);
	}
	free(item);
	return r;
}

/* Ids are hashes: with a random number of the run they say which chunks are in the sample, in each of their places. */
static bool is_in_sample(const struct verify *v, const struct id *id)
{
	uint64_t word;

	memcpy(&word, id->bytes + 8, sizeof(word));
	word = (word ^ v->random) * UINT64_C(2685821657736338717);
	return (double)(word >> 11) < v->options->sample * 0x1p53;
}

/* A chunk of that length: one that is named with two is looked at twice. */
static struct id key_of(const struct id *id, uint32_t len)
{
	struct id key = *id;
	uint32_t word;

	memcpy(&word, key.bytes, sizeof(word));
	word ^= len;
	memcpy(key.bytes, &word, sizeof(word));
	return key;
}

static int push_chunk(struct verify *v, const struct id *id, uint32_t len, const struct locator *hint, unsigned roles)
{
	const struct id key = key_of(id, len);
	struct verify_chunk *item;
	bool again;
	int is_new = key_set_add(roles & CHUNK_CUTS ? &v->cuts : &v->ends, &key);

	if (is_new <= 0)
		return is_new;
	again = (roles & CHUNK_CUTS) && key_set_has(&v->ends, &key);
	if (!is_in_sample(v, id)) {
		if (!again)
			verify_count(v, &v->report->unread, 0);
		return 0;
	}
	item = malloc(sizeof(*item));
	if (!item)
		return -ENOMEM;
	*item = (struct verify_chunk){.id = *id, .len = len, .roles = roles, .hint = *hint, .again = again};
	is_new = pipeline_submit(v->pipeline, item, len);
	if (is_new < 0)
		free(item);
	return is_new;
}

/* Without `full` every chunk is read once, whatever its roles. */
int verify_take_chunk(struct verify *v, const struct id *id, uint32_t len, const struct locator *hint, unsigned roles)
{
	const struct id key = key_of(id, len);
	int r = 0;

	if (hint->offset)
		r = verify_meet_pack(v, &hint->pack);
	if (r)
		return r;
	if (!v->options->full)
		return push_chunk(v, id, len, hint, 0);
	if (roles & CHUNK_CUTS)
		r = push_chunk(v, id, len, hint, CHUNK_CUTS);
	if (!r && (roles & CHUNK_ENDS) && !key_set_has(&v->cuts, &key))
		r = push_chunk(v, id, len, hint, CHUNK_ENDS);
	return r;
}
