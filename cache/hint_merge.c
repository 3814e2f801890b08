#include "cache/hint_merge.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "cache/checksum.h"
#include "cache/wire.h"

#define CURSOR_ENTRIES 4096  /* read at once */
#define FAN_BUCKET_TARGET 64 /* entries a bucket, while there are fewer than 2^HINT_FAN_BITS_MAX of them */

/* Going through one run; files are read some buckets at a time. */
struct cursor {
	struct hint_run *run;
	uint32_t *numbers; /* rank of a pack in the run -> rank in the result, UINT32_MAX: left out */
	const struct hint_entry *entries;
	size_t next, count;
	size_t bucket; /* files: the next to read */
	struct hint_entry *loaded;
	uint8_t *bytes;
	size_t capacity;
};

struct merge {
	struct cursor *cursors;
	size_t count;
	struct pack_id *packs; /* of the result */
	uint32_t packs_count;
	uint64_t entries_max;
	struct hint_run *damaged;
};

static int compare_packs(const void *a, const void *b)
{
	return pack_id_cmp(a, b);
}

static void merge_release(struct merge *m)
{
	size_t i;

	for (i = 0; i < m->count && m->cursors; i++) {
		free(m->cursors[i].numbers);
		free(m->cursors[i].loaded);
		free(m->cursors[i].bytes);
	}
	free(m->cursors);
	free(m->packs);
}

/* The packs of the result: all that are kept, sorted, each once. */
static int merge_packs(struct merge *m, bool (*keep)(void *arg, const struct pack_id *pack), void *arg)
{
	size_t i, j, total = 0, n = 0;

	for (i = 0; i < m->count; i++)
		total += m->cursors[i].run->packs_count;
	if (total > UINT32_MAX)
		return -EINVAL;
	m->packs = calloc(total ? total : 1, sizeof(*m->packs));
	if (!m->packs)
		return -ENOMEM;
	for (i = 0; i < m->count; i++) {
		const struct hint_run *run = m->cursors[i].run;

		for (j = 0; j < run->packs_count; j++) {
			if (!keep || keep(arg, &run->packs[j]))
				m->packs[n++] = run->packs[j];
		}
	}
	qsort(m->packs, n, sizeof(*m->packs), compare_packs);
	for (i = j = 0; i < n; i++) {
		if (j == 0 || !pack_id_equal(&m->packs[j - 1], &m->packs[i]))
			m->packs[j++] = m->packs[i];
	}
	m->packs_count = (uint32_t)j;
	return 0;
}

/* What each run's packs become; the first run that has a pack gives its entries. */
static int merge_numbers(struct merge *m)
{
	bool *taken = calloc(m->packs_count ? m->packs_count : 1, sizeof(*taken));
	size_t i;

	if (!taken)
		return -ENOMEM;
	for (i = 0; i < m->count; i++) {
		struct cursor *c = &m->cursors[i];
		uint32_t j;

		c->numbers = calloc(c->run->packs_count ? c->run->packs_count : 1, sizeof(*c->numbers));
		if (!c->numbers) {
			free(taken);
			return -ENOMEM;
		}
		for (j = 0; j < c->run->packs_count; j++) {
			int64_t rank = hint_pack_rank(m->packs, m->packs_count, &c->run->packs[j]);

			c->numbers[j] = rank < 0 || taken[rank] ? UINT32_MAX : (uint32_t)rank;
			if (c->numbers[j] != UINT32_MAX)
				taken[rank] = true;
		}
	}
	free(taken);
	return 0;
}

static int merge_begin(struct merge *m, struct hint_run *const *runs, size_t count,
                       bool (*keep)(void *arg, const struct pack_id *pack), void *arg)
{
	size_t i;
	int error;

	*m = (struct merge){.count = count};
	m->cursors = calloc(count ? count : 1, sizeof(*m->cursors));
	if (!m->cursors)
		return -ENOMEM;
	for (i = 0; i < count; i++) {
		m->cursors[i].run = runs[i];
		m->cursors[i].entries = runs[i]->entries;
		m->cursors[i].count = runs[i]->entries ? (size_t)runs[i]->count : 0;
		m->entries_max += runs[i]->count;
	}
	error = merge_packs(m, keep, arg);
	if (!error)
		error = merge_numbers(m);
	if (!error && m->entries_max > UINT32_MAX)
		error = -EOVERFLOW;
	return error;
}

static int cursor_reserve(struct cursor *c, size_t count)
{
	if (count <= c->capacity)
		return 0;
	free(c->loaded);
	free(c->bytes);
	c->loaded = malloc(count * sizeof(*c->loaded));
	c->bytes = malloc(count * HINT_ENTRY_SIZE);
	c->capacity = c->loaded && c->bytes ? count : 0;
	return c->capacity ? 0 : -ENOMEM;
}

/* Read the next buckets of a file.  Leaves count at 0 at the end. */
static int cursor_load(struct cursor *c)
{
	const struct hint_run *run = c->run;
	size_t buckets = (size_t)1 << run->fan_bits, last, count = 0;
	uint32_t begin = hint_bucket_begin(run, c->bucket);
	int error = 0;

	c->next = c->count = 0;
	for (last = c->bucket; last < buckets; last++) {
		if (run->ends[last] - begin > CURSOR_ENTRIES && count > 0)
			break;
		count = run->ends[last] - begin;
	}
	if (count == 0)
		return 0;
	error = cursor_reserve(c, count);
	if (!error)
		error = io_read_exact(run->io, run->fd, c->bytes, count * HINT_ENTRY_SIZE,
		                      run->entries_at + (uint64_t)begin * HINT_ENTRY_SIZE);
	for (; c->bucket < last && !error; c->bucket++) {
		size_t at = hint_bucket_begin(run, c->bucket) - begin;

		error = hint_bucket_decode(run, c->bucket, c->bytes + at * HINT_ENTRY_SIZE, c->loaded + at);
	}
	c->entries = c->loaded;
	c->count = count;
	return error;
}

/* Move to the next entry whose pack is kept.  *KEY is UINT64_MAX with *END set at the end. */
static int cursor_settle(struct cursor *c, bool *end)
{
	for (;;) {
		while (c->next < c->count && c->numbers[c->entries[c->next].pack] == UINT32_MAX)
			c->next++;
		*end = false;
		if (c->next < c->count)
			return 0;
		if (c->run->entries || c->bucket == (size_t)1 << c->run->fan_bits) {
			*end = true;
			return 0;
		}
		int error = cursor_load(c);

		if (error)
			return error;
	}
}

/* The next entry of the result.  -ENOENT at the end. */
static int merge_next(struct merge *m, struct hint_entry *entry)
{
	struct cursor *best = NULL;
	size_t i;

	for (i = 0; i < m->count; i++) {
		struct cursor *c = &m->cursors[i];
		bool end;
		int error = cursor_settle(c, &end);

		if (error) {
			m->damaged = error == -EBADMSG ? c->run : NULL;
			return error;
		}
		if (!end && (!best || c->entries[c->next].key < best->entries[best->next].key))
			best = c;
	}
	if (!best)
		return -ENOENT;
	*entry = best->entries[best->next++];
	entry->pack = best->numbers[entry->pack];
	return 0;
}

int hint_merge(struct hint_run *const *runs, size_t count, struct hint_run **run)
{
	struct hint_run *r = NULL;
	struct merge m;
	struct hint_entry entry;
	int error;

	error = merge_begin(&m, runs, count, NULL, NULL);
	if (error)
		goto out;
	r = hint_run_new(0, m.packs_count);
	if (r)
		r->entries = calloc(m.entries_max ? m.entries_max : 1, sizeof(*r->entries));
	if (!r || !r->entries) {
		error = -ENOMEM;
		goto out;
	}
	memcpy(r->packs, m.packs, m.packs_count * sizeof(*r->packs));
	while ((error = merge_next(&m, &entry)) == 0)
		r->entries[r->count++] = entry;
	if (error == -ENOENT) {
		error = 0;
		*run = r;
		r = NULL;
	}
out:
	hint_run_unref(r);
	merge_release(&m);
	return error;
}

static unsigned fan_bits_for(uint64_t count)
{
	unsigned bits = 0;

	while (bits < HINT_FAN_BITS_MAX && count >> bits > FAN_BUCKET_TARGET)
		bits++;
	return bits;
}

/* Writing a file: entries stream out behind the tables, of which the room is known before; the tables follow. */
struct output {
	const struct io *io;
	int fd;
	unsigned fan_bits;
	uint64_t at;           /* where PENDING goes */
	struct buffer pending; /* whole buckets, and the one that is open */
	size_t bucket;         /* the open one */
	size_t bucket_at;      /* where it begins in PENDING */
	uint64_t count;
	uint8_t *fan;
};

static int output_flush(struct output *o)
{
	int error = io_write_exact(o->io, o->fd, o->pending.data, o->pending.len, o->at);

	o->at += o->pending.len;
	buffer_clear(&o->pending);
	o->bucket_at = 0;
	return error;
}

/* Close buckets up to NEXT, which is the one that begins now. */
static int output_close_buckets(struct output *o, size_t next)
{
	for (; o->bucket < next; o->bucket++) {
		uint8_t *line = o->fan + o->bucket * HINT_FAN_SIZE;

		wire_put32(line, (uint32_t)o->count);
		/* An empty bucket may come before anything was appended. */
		wire_put32(line + 4, (uint32_t)checksum(o->pending.len ? o->pending.data + o->bucket_at : o->fan,
		                                        o->pending.len - o->bucket_at));
		o->bucket_at = o->pending.len;
	}
	if (o->pending.len < (size_t)CURSOR_ENTRIES * HINT_ENTRY_SIZE)
		return 0;
	return output_flush(o);
}

static int output_entries(struct output *o, struct merge *m)
{
	struct hint_entry entry;
	int error;

	while ((error = merge_next(m, &entry)) == 0) {
		size_t bucket = hint_bucket_of(o->fan_bits, entry.key);
		uint8_t bytes[HINT_ENTRY_SIZE];

		if (bucket != o->bucket)
			error = output_close_buckets(o, bucket);
		if (error)
			return error;
		hint_entry_encode(&entry, bytes);
		buffer_append(&o->pending, bytes, sizeof(bytes));
		if (o->pending.failed)
			return -ENOMEM;
		o->count++;
	}
	if (error != -ENOENT)
		return error;
	error = output_close_buckets(o, (size_t)1 << o->fan_bits);
	return error ? error : output_flush(o);
}

static int output_tables(struct output *o, const struct merge *m)
{
	struct hint_head head = {.packs = m->packs_count, .entries = o->count, .fan_bits = o->fan_bits};
	struct buffer bytes = {0};
	uint8_t header[HINT_HEADER_SIZE];
	int error;

	/* struct pack_id is its bytes. */
	buffer_append(&bytes, m->packs, (size_t)m->packs_count * PACK_ID_SIZE);
	buffer_append(&bytes, o->fan, (size_t)HINT_FAN_SIZE << o->fan_bits);
	error = bytes.failed ? -ENOMEM : io_write_exact(o->io, o->fd, bytes.data, bytes.len, HINT_HEADER_SIZE);
	if (!error) {
		head.tables_sum = checksum(bytes.data, bytes.len);
		hint_head_encode(&head, header);
		error = io_write_exact(o->io, o->fd, header, sizeof(header), 0);
	}
	buffer_release(&bytes);
	return error;
}

/* Fill the new file FD.  Synced before it gets its name: its checks would show the loss, but building it again is slow.
 */
static int write_file(const struct io *io, int fd, struct merge *m, mode_t mode)
{
	struct output o = {.io = io, .fd = fd, .fan_bits = fan_bits_for(m->entries_max)};
	int error;

	o.at = HINT_HEADER_SIZE + (uint64_t)m->packs_count * PACK_ID_SIZE + ((uint64_t)HINT_FAN_SIZE << o.fan_bits);
	o.fan = calloc((size_t)1 << o.fan_bits, HINT_FAN_SIZE);
	error = o.fan ? output_entries(&o, m) : -ENOMEM;
	if (!error)
		error = output_tables(&o, m);
	if (!error)
		error = io->ops->fchmod(io->arg, fd, mode);
	if (!error)
		error = io_fsync(io, fd);
	buffer_release(&o.pending);
	free(o.fan);
	return error;
}

int hint_merge_write(const struct io *io, int dirfd, struct hint_run *const *runs, size_t count,
                     bool (*keep)(void *arg, const struct pack_id *pack), void *arg, mode_t mode, struct hint_run **run,
                     struct hint_run **damaged)
{
	char name[PACK_ID_HEX_SIZE], tmp[sizeof(HINT_FOLDER) + PACK_ID_HEX_SIZE];
	char path[sizeof(HINT_FOLDER) + PACK_ID_HEX_SIZE];
	struct pack_id random;
	struct merge m;
	int fd = -1, error;

	*run = NULL;
	*damaged = NULL;
	io_random(io, &random, sizeof(random));
	pack_id_format(&random, name);
	hint_run_path(tmp, "tmp", name);
	hint_run_path(path, HINT_FOLDER, name);
	error = merge_begin(&m, runs, count, keep, arg);
	if (error || m.packs_count == 0)
		goto out;
	fd = io_open(io, dirfd, tmp, O_RDWR | O_CREAT | O_EXCL, 0600);
	if (fd < 0) {
		error = fd;
		goto out;
	}
	error = write_file(io, fd, &m, mode);
	if (!error)
		error = io_rename(io, dirfd, tmp, dirfd, path);
	if (error)
		io_unlink(io, dirfd, tmp);
	else
		error = hint_run_open(io, dirfd, name, run);
	*damaged = m.damaged;
out:
	io_close(io, fd);
	merge_release(&m);
	return error;
}
