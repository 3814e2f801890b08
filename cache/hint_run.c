#include "cache/hint_run.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cache/checksum.h"
#include "cache/wire.h"

#define MAGIC "revfsHNT"
#define MAJOR 1
#define STACK_ENTRIES 512 /* a bucket of a look-up that needs no malloc */

static uint64_t key_of(const struct id *id)
{
	uint64_t key = 0;
	unsigned i;

	for (i = 0; i < 8; i++)
		key = key << 8 | id->bytes[i];
	return key;
}

void hint_entry_encode(const struct hint_entry *entry, uint8_t out[HINT_ENTRY_SIZE])
{
	unsigned i;

	for (i = 0; i < 8; i++)
		out[i] = (uint8_t)(entry->key >> (56 - 8 * i));
	wire_put32(out + 8, entry->pack);
	wire_put32(out + 12, entry->slot);
}

static void entry_decode(const uint8_t in[HINT_ENTRY_SIZE], struct hint_entry *entry)
{
	unsigned i;

	entry->key = 0;
	for (i = 0; i < 8; i++)
		entry->key = entry->key << 8 | in[i];
	entry->pack = wire_get32(in + 8);
	entry->slot = wire_get32(in + 12);
}

size_t hint_bucket_of(unsigned fan_bits, uint64_t key)
{
	return fan_bits ? (size_t)(key >> (64 - fan_bits)) : 0;
}

struct hint_run *hint_run_new(uint64_t count, uint32_t packs_count)
{
	struct hint_run *run = calloc(1, sizeof(*run));

	if (!run)
		return NULL;
	atomic_init(&run->refs, 1);
	run->fd = -1;
	run->count = count;
	run->packs_count = packs_count;
	run->packs = calloc(packs_count ? packs_count : 1, sizeof(*run->packs));
	if (!run->packs) {
		free(run);
		return NULL;
	}
	return run;
}

struct hint_run *hint_run_ref(struct hint_run *run)
{
	atomic_fetch_add(&run->refs, 1);
	return run;
}

void hint_run_unref(struct hint_run *run)
{
	if (!run || atomic_fetch_sub(&run->refs, 1) > 1)
		return;
	if (run->fd >= 0)
		io_close(run->io, run->fd);
	free(run->packs);
	free(run->entries);
	free(run->ends);
	free(run->sums);
	free(run);
}

static int compare_packs(const void *a, const void *b)
{
	return pack_id_cmp(a, b);
}

/* The rank of PACK, or -1. */
int64_t hint_pack_rank(const struct pack_id *packs, size_t count, const struct pack_id *pack)
{
	const struct pack_id *found = bsearch(pack, packs, count, sizeof(*packs), compare_packs);

	return found ? found - packs : -1;
}

bool hint_run_covers(const struct hint_run *run, const struct pack_id *pack)
{
	return hint_pack_rank(run->packs, run->packs_count, pack) >= 0;
}

/* Runs in memory. */

static int compare_entries(const void *a, const void *b)
{
	const struct hint_entry *x = a, *y = b;

	if (x->key != y->key)
		return x->key < y->key ? -1 : 1;
	return x->slot < y->slot ? -1 : x->slot > y->slot;
}

int hint_run_of_pack(const struct pack_id *pack, const struct pack_entry *entries, size_t count, struct hint_run **run)
{
	bool sorted = true;
	struct hint_run *r;
	size_t i;

	if (count > UINT32_MAX)
		return -EINVAL;
	r = hint_run_new(count, 1);
	if (!r)
		return -ENOMEM;
	r->packs[0] = *pack;
	r->entries = calloc(count ? count : 1, sizeof(*r->entries));
	if (!r->entries) {
		hint_run_unref(r);
		return -ENOMEM;
	}
	for (i = 0; i < count; i++) {
		r->entries[i] = (struct hint_entry){.key = key_of(&entries[i].id), .slot = (uint32_t)i};
		if (i > 0 && r->entries[i].key < r->entries[i - 1].key)
			sorted = false;
	}
	/* An index is sorted by kind first; most packs hold one kind. */
	if (!sorted)
		qsort(r->entries, count, sizeof(*r->entries), compare_entries);
	*run = r;
	return 0;
}

/* Runs in files. */

void hint_head_encode(const struct hint_head *head, uint8_t out[HINT_HEADER_SIZE])
{
	memset(out, 0, HINT_HEADER_SIZE);
	memcpy(out, MAGIC, 8);
	wire_put16(out + 8, MAJOR);
	wire_put32(out + 12, head->packs);
	wire_put64(out + 16, head->entries);
	wire_put32(out + 24, head->fan_bits);
	wire_put64(out + 48, head->tables_sum);
	wire_put64(out + 56, checksum(out, 56));
}

static int head_decode(const uint8_t in[HINT_HEADER_SIZE], uint64_t file_size, struct hint_head *head)
{
	uint64_t size;

	if (memcmp(in, MAGIC, 8) != 0)
		return -EBADMSG;
	if (wire_get16(in + 8) > MAJOR)
		return -ENOTSUP;
	if (wire_get64(in + 56) != checksum(in, 56))
		return -EBADMSG;
	head->packs = wire_get32(in + 12);
	head->entries = wire_get64(in + 16);
	head->fan_bits = wire_get32(in + 24);
	head->tables_sum = wire_get64(in + 48);
	if (head->fan_bits > HINT_FAN_BITS_MAX || head->entries > UINT32_MAX)
		return -EBADMSG;
	/* None of these can overflow: 32 bits times 16, twice, and a little. */
	size = HINT_HEADER_SIZE + (uint64_t)head->packs * PACK_ID_SIZE + ((uint64_t)HINT_FAN_SIZE << head->fan_bits) +
	       head->entries * HINT_ENTRY_SIZE;
	return size == file_size ? 0 : -EBADMSG;
}

/* Take the tables apart: packs strictly increasing, ends increasing up to the count. */
static int tables_decode(struct hint_run *run, const uint8_t *tables)
{
	size_t i, buckets = (size_t)1 << run->fan_bits;
	uint32_t before = 0;

	for (i = 0; i < run->packs_count; i++, tables += PACK_ID_SIZE) {
		memcpy(run->packs[i].bytes, tables, PACK_ID_SIZE);
		if (i > 0 && pack_id_cmp(&run->packs[i - 1], &run->packs[i]) >= 0)
			return -EBADMSG;
	}
	for (i = 0; i < buckets; i++, tables += HINT_FAN_SIZE) {
		run->ends[i] = wire_get32(tables);
		run->sums[i] = wire_get32(tables + 4);
		if (run->ends[i] < before)
			return -EBADMSG;
		before = run->ends[i];
	}
	return before == run->count ? 0 : -EBADMSG;
}

static int read_tables(struct hint_run *run, const struct hint_head *head)
{
	size_t size = (size_t)(run->entries_at - HINT_HEADER_SIZE);
	uint8_t *tables;
	int error;

	run->ends = calloc((size_t)1 << run->fan_bits, sizeof(*run->ends));
	run->sums = calloc((size_t)1 << run->fan_bits, sizeof(*run->sums));
	tables = malloc(size);
	if (!run->ends || !run->sums || !tables) {
		error = -ENOMEM;
		goto out;
	}
	error = io_read_exact(run->io, run->fd, tables, size, HINT_HEADER_SIZE);
	if (!error && checksum(tables, size) != head->tables_sum)
		error = -EBADMSG;
	if (!error)
		error = tables_decode(run, tables);
out:
	free(tables);
	return error;
}

void hint_run_path(char path[sizeof(HINT_FOLDER) + PACK_ID_HEX_SIZE], const char *folder, const char *name)
{
	size_t len = strlen(folder);

	memcpy(path, folder, len);
	path[len] = '/';
	memcpy(path + len + 1, name, PACK_ID_HEX_SIZE);
}

int hint_run_open(const struct io *io, int dirfd, const char *name, struct hint_run **run)
{
	char path[sizeof(HINT_FOLDER) + PACK_ID_HEX_SIZE];
	uint8_t bytes[HINT_HEADER_SIZE];
	struct hint_run *r = NULL;
	struct hint_head head;
	uint64_t size;
	int fd, error;

	assert(strlen(name) == PACK_ID_HEX_SIZE - 1);
	hint_run_path(path, HINT_FOLDER, name);
	fd = io_open_regular(io, dirfd, path, &size);
	if (fd < 0)
		return fd;
	error = io_read_exact(io, fd, bytes, sizeof(bytes), 0);
	if (!error)
		error = head_decode(bytes, size, &head);
	if (error)
		goto out;
	r = hint_run_new(head.entries, head.packs);
	if (!r) {
		error = -ENOMEM;
		goto out;
	}
	r->io = io;
	r->fd = fd;
	fd = -1;
	memcpy(r->name, name, sizeof(r->name));
	r->fan_bits = head.fan_bits;
	r->entries_at =
	    HINT_HEADER_SIZE + (uint64_t)head.packs * PACK_ID_SIZE + ((uint64_t)HINT_FAN_SIZE << head.fan_bits);
	error = read_tables(r, &head);
	if (!error) {
		*run = r;
		r = NULL;
	}
out:
	hint_run_unref(r);
	io_close(io, fd);
	return error;
}

uint32_t hint_bucket_begin(const struct hint_run *run, size_t bucket)
{
	return bucket ? run->ends[bucket - 1] : 0;
}

/* Check the bytes of a bucket: its sum, and that packs are in the table. */
int hint_bucket_decode(const struct hint_run *run, size_t bucket, const uint8_t *bytes, struct hint_entry *entries)
{
	uint32_t i, count = run->ends[bucket] - hint_bucket_begin(run, bucket);

	if ((uint32_t)checksum(bytes, (size_t)count * HINT_ENTRY_SIZE) != run->sums[bucket])
		return -EBADMSG;
	for (i = 0; i < count; i++) {
		entry_decode(bytes + (size_t)i * HINT_ENTRY_SIZE, &entries[i]);
		if (entries[i].pack >= run->packs_count || hint_bucket_of(run->fan_bits, entries[i].key) != bucket ||
		    (i > 0 && entries[i].key < entries[i - 1].key))
			return -EBADMSG;
	}
	return 0;
}

/* The first of COUNT entries whose key is not below KEY. */
static size_t lower_bound(const struct hint_entry *entries, size_t count, uint64_t key)
{
	size_t low = 0, high = count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (entries[middle].key < key)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static int tell_equal(const struct hint_run *run, const struct hint_entry *entries, size_t count, uint64_t key,
                      int (*each)(void *arg, const struct pack_id *pack, uint32_t slot), void *arg)
{
	size_t i;

	for (i = lower_bound(entries, count, key); i < count && entries[i].key == key; i++) {
		int answer = each(arg, &run->packs[entries[i].pack], entries[i].slot);

		if (answer != -ENOENT)
			return answer;
	}
	return -ENOENT;
}

int hint_run_find(struct hint_run *run, const struct id *id,
                  int (*each)(void *arg, const struct pack_id *pack, uint32_t slot), void *arg)
{
	struct hint_entry on_stack[STACK_ENTRIES], *entries = on_stack;
	uint8_t bytes_on_stack[STACK_ENTRIES * HINT_ENTRY_SIZE], *bytes = bytes_on_stack;
	uint64_t key = key_of(id);
	size_t bucket, count;
	uint32_t begin;
	int error;

	if (run->entries)
		return tell_equal(run, run->entries, (size_t)run->count, key, each, arg);

	bucket = hint_bucket_of(run->fan_bits, key);
	begin = hint_bucket_begin(run, bucket);
	count = run->ends[bucket] - begin;
	if (count == 0)
		return -ENOENT;
	if (count > STACK_ENTRIES) {
		entries = malloc(count * sizeof(*entries));
		bytes = malloc(count * HINT_ENTRY_SIZE);
	}
	error = entries && bytes ? 0 : -ENOMEM;
	if (!error && (io_read_exact(run->io, run->fd, bytes, count * HINT_ENTRY_SIZE,
	                             run->entries_at + (uint64_t)begin * HINT_ENTRY_SIZE) ||
	               hint_bucket_decode(run, bucket, bytes, entries)))
		error = -ESTALE;
	if (!error)
		error = tell_equal(run, entries, count, key, each, arg);
	if (count > STACK_ENTRIES) {
		free(entries);
		free(bytes);
	}
	return error;
}
