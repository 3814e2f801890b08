#include "cache/repack.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "cache/codec.h"
#include "cache/placed.h"
#include "cache/store_inside.h"

/* One of the packs being written, and all that was copied to it and those before it: two old packs may hold one record.
 */
struct target {
	struct pack_writer *pack; /* NULL: none open */
	struct placed placed;
};

/* A pack that is left, and where its records went. */
struct source_pack {
	struct pack_id id;
	struct moved_entry *moved;
	size_t count;
	size_t room;
};

struct repack {
	struct store *store;
	int tmp_dirfd;
	bool broken;
	struct target data, pages;
	struct source_pack *sources;
	size_t sources_count;
	size_t sources_room;
	uint8_t *bytes; /* one stored record */
	struct repack_stats stats;
};

int repack_open(struct store *store, struct repack **repack)
{
	struct repack *r = calloc(1, sizeof(*r));
	if (!r)
		return -ENOMEM;
	r->store = store;
	r->tmp_dirfd = -1;
	r->bytes = malloc(RECORD_HEADER_SIZE + RECORD_RAW_MAX);
	int error = !r->bytes ? -ENOMEM : store->read_only ? -EROFS : store_make_folders(store);
	if (error == 0)
		r->tmp_dirfd = io_open(store->io, store->dirfd, "tmp", O_RDONLY | O_DIRECTORY, 0);
	if (error == 0 && r->tmp_dirfd < 0)
		error = r->tmp_dirfd;
	if (error < 0)
		repack_close(r);
	else
		*repack = r;
	return error;
}

void repack_close(struct repack *r)
{
	if (!r)
		return;
	pack_writer_abort(r->data.pack);
	pack_writer_abort(r->pages.pack);
	placed_release(&r->data.placed);
	placed_release(&r->pages.placed);
	io_close(r->store->io, r->tmp_dirfd);
	for (size_t i = 0; i < r->sources_count; i++)
		free(r->sources[i].moved);
	free(r->sources);
	free(r->bytes);
	free(r);
}

bool repack_is_broken(const struct repack *r)
{
	return r->broken;
}

static int broken(struct repack *r, int error)
{
	r->broken = true;
	return error;
}

static int finish_target(struct repack *r, struct target *target)
{
	char path[SHELF_PATH_SIZE], folder[STORE_PATH_SIZE];
	if (!target->pack)
		return 0;
	const struct pack_id id = *pack_writer_id(target->pack);
	const uint64_t size = pack_writer_size(target->pack);
	int error = store_make_shard(r->store, STORE_PACKS, id.bytes[0]);
	if (error < 0)
		return broken(r, error);
	struct pack_writer *pack = target->pack;
	target->pack = NULL;
	error = pack_writer_finish(pack, r->store->dirfd, store_shard_path(STORE_PACKS, id.bytes[0], folder),
	                           shelf_path(&id, "", path), r->store->file_mode);
	if (error < 0)
		return broken(r, error);
	r->stats.packs++;
	r->stats.bytes += size;
	store_add_pack(r->store, &id);
	return 0;
}

/* Pages name chunks that may be among what is copied. */
static int finish_targets(struct repack *r)
{
	int error = finish_target(r, &r->data);
	return error == 0 ? finish_target(r, &r->pages) : error;
}

static int add_moved(struct source_pack *source, uint32_t old_offset, const struct locator *now)
{
	if (source->count == source->room) {
		size_t room = source->room ? source->room * 2 : 64;
		struct moved_entry *moved = reallocarray(source->moved, room, sizeof(*moved));
		if (!moved)
			return -ENOMEM;
		source->moved = moved;
		source->room = room;
	}
	source->moved[source->count++] = (struct moved_entry){.old_offset = old_offset, .now = *now};
	return 0;
}

/* Read the record as it is stored, and check that its id is the hash of what it expands to. */
static int read_checked(struct repack *r, struct pack *pack, const struct pack_entry *entry,
                        struct record_header *header)
{
	struct record record;
	const size_t len = RECORD_HEADER_SIZE + (size_t)entry->stored_len;
	int error = pack_read_stored(pack, entry, r->bytes);
	if (error == 0)
		error = record_decode_header(r->bytes, len, entry->kind, header);
	if (error == 0)
		error = record_decode(r->bytes, len, entry->kind, &entry->id, &record);
	if (error == 0)
		free(record.data);
	return error;
}

static struct target *target_of(struct repack *r, const struct pack_entry *entry)
{
	return entry->kind == RECORD_PAGE ? &r->pages : &r->data;
}

static int write_record(struct repack *r, const struct pack_entry *entry, const struct record_header *header,
                        struct locator *now)
{
	struct target *target = target_of(r, entry);
	int error = placed_reserve(&target->placed);
	if (error == 0 && target->pack && pack_writer_size(target->pack) >= PACK_TARGET_SIZE)
		error = target == &r->pages ? finish_targets(r) : finish_target(r, target);
	if (error == 0 && !target->pack)
		error = pack_writer_open(r->store->io, r->tmp_dirfd, &target->pack);
	if (error < 0)
		return error;
	*now = (struct locator){.pack = *pack_writer_id(target->pack), .stored_len = entry->stored_len};
	error = pack_writer_add(target->pack, &entry->id, header, r->bytes + RECORD_HEADER_SIZE, &now->offset);
	if (error == 0) {
		placed_add(&target->placed, &entry->id, now);
		r->stats.records++;
	}
	return error;
}

static int copy_record(struct repack *r, struct source_pack *source, struct pack *pack, const struct pack_entry *entry)
{
	struct record_header header;
	struct locator now;
	int error = 0;
	if (!placed_find(&target_of(r, entry)->placed, &entry->id, &now)) {
		error = read_checked(r, pack, entry, &header);
		if (error < 0)
			return error == -ENOMEM ? broken(r, error) : error;
		error = write_record(r, entry, &header, &now);
	}
	if (error == 0)
		error = add_moved(source, entry->offset, &now);
	return error < 0 ? broken(r, error) : 0;
}

static int begin_source(struct repack *r, const struct pack_id *id)
{
	if (r->sources_count == r->sources_room) {
		size_t room = r->sources_room ? r->sources_room * 2 : 64;
		struct source_pack *sources = reallocarray(r->sources, room, sizeof(*sources));
		if (!sources)
			return broken(r, -ENOMEM);
		r->sources = sources;
		r->sources_room = room;
	}
	r->sources[r->sources_count++] = (struct source_pack){.id = *id};
	return 0;
}

int repack_pack(struct repack *r, const struct pack_id *id, const struct pack_entry *keep, size_t count)
{
	struct pack *pack;
	int error = store_pin_pack(r->store, id, &pack);
	if (error < 0)
		return error == -ENOMEM ? broken(r, error) : error;
	error = begin_source(r, id);
	for (size_t i = 0; i < count && error == 0; i++)
		error = copy_record(r, &r->sources[r->sources_count - 1], pack, &keep[i]);
	if (error < 0 && !r->broken)
		free(r->sources[--r->sources_count].moved);
	store_unpin_pack(r->store, pack);
	return error;
}

int repack_note(struct repack *r, uint32_t old_offset, const struct locator *now)
{
	int error = add_moved(&r->sources[r->sources_count - 1], old_offset, now);
	return error < 0 ? broken(r, error) : 0;
}

int repack_lost_pack(struct repack *r, const struct pack_id *id)
{
	return begin_source(r, id);
}

/* Store RECORD as a record of a pack would be, in R's bytes. */
static int encode(struct repack *r, unsigned kind, const struct record *record, struct record_header *header)
{
	uint8_t *out = malloc(codec_bound(record->len));
	unsigned codec;
	if (!out)
		return -ENOMEM;
	ssize_t n = codec_encode(record->data, record->len, CODEC_LEVEL_DEFAULT, out, &codec);
	if (n >= 0) {
		*header = (struct record_header){
		    .kind = (uint8_t)kind,
		    .codec = (uint8_t)codec,
		    .raw_len = record->len,
		    .stored_len = (uint32_t)n,
		    .hashed_len = record->hashed_len,
		};
		memcpy(r->bytes + RECORD_HEADER_SIZE, codec == CODEC_RAW ? record->data : out, (size_t)n);
	}
	free(out);
	return n < 0 ? (int)n : 0;
}

int repack_put(struct repack *r, uint32_t old_offset, unsigned kind, const struct id *id, const struct record *record)
{
	struct pack_entry entry = {.kind = (uint8_t)kind, .id = *id};
	struct record_header header;
	struct locator now;
	int error = 0;
	if (!placed_find(&target_of(r, &entry)->placed, id, &now)) {
		error = encode(r, kind, record, &header);
		if (error == 0) {
			entry.stored_len = header.stored_len;
			error = write_record(r, &entry, &header, &now);
		}
	}
	if (error == 0)
		error = add_moved(&r->sources[r->sources_count - 1], old_offset, &now);
	return error < 0 ? broken(r, error) : 0;
}

static int compare_moved(const void *a, const void *b)
{
	const struct moved_entry *x = a, *y = b;
	return x->old_offset < y->old_offset ? -1 : x->old_offset > y->old_offset;
}

int repack_finish(struct repack *r, struct repack_stats *stats)
{
	int error = r->broken ? -EIO : finish_targets(r);
	for (size_t i = 0; i < r->sources_count && error == 0; i++) {
		struct source_pack *source = &r->sources[i];
		if (source->count == 0)
			continue;
		qsort(source->moved, source->count, sizeof(*source->moved), compare_moved);
		error = store_write_moved(r->store, &source->id, source->moved, source->count);
	}
	if (error < 0)
		return broken(r, error);
	*stats = r->stats;
	return 0;
}
