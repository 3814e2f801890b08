#include "fs/pack_check.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cache/interrupt.h"

struct id pack_check_key(const struct pack_id *id)
{
	struct id key = {0};

	memcpy(key.bytes, id->bytes, PACK_ID_SIZE);
	return key;
}

/* Tell what the page names; one of a later version names what nobody here can tell. */
static int tell(const struct id *id, const struct record *record, pack_check_each each, void *arg)
{
	struct page *page;
	size_t size;
	int error = page_decode(id, record, &page, &size);

	if (error)
		return error == -ENOTSUP ? 0 : error;
	for (unsigned i = 0; i < page->count && !error; i++) {
		struct page_named named;

		page_named(page, i, &named);
		if (named.what == NAMES_PAGE || named.what == NAMES_CHUNK)
			error = each(arg, &named);
	}
	free(page);
	return error;
}

/* The record as it is stored, where it cannot be expanded here. */
static int check_stored(struct pack *pack, const struct pack_entry *entry)
{
	uint8_t *data = malloc(RECORD_HEADER_SIZE + (size_t)entry->stored_len);
	int error = data ? pack_read_stored(pack, entry, data) : -ENOMEM;

	free(data);
	return error;
}

static int check_record(struct pack *pack, const struct pack_entry *entry, pack_check_each each, void *arg)
{
	struct record record;
	int error = pack_read(pack, entry->offset, entry->stored_len, entry->kind, &entry->id, &record);

	if (error == -ENOTSUP)
		return check_stored(pack, entry);
	if (error)
		return error;
	if (each && entry->kind == RECORD_PAGE)
		error = tell(&entry->id, &record, each, arg);
	free(record.data);
	return error;
}

int pack_check(const struct io *io, int dirfd, const char *path, const struct pack_id *id, pack_check_each each,
               void *arg, bool *has_pages)
{
	struct pack_entry *entries = NULL;
	struct pack *pack;
	int error = pack_open(io, dirfd, path, id, &pack);

	if (error)
		return error;
	error = pack_read_index(pack, &entries);
	*has_pages = false;
	for (uint32_t i = 0; i < pack_count(pack) && !error; i++) {
		*has_pages |= entries[i].kind != RECORD_CHUNK;
		error = interrupt_pending() ? -EINTR : check_record(pack, &entries[i], each, arg);
	}
	free(entries);
	pack_close(pack);
	return error;
}
