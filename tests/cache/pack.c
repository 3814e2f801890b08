/* Packs: written durably or not at all, found and read by many threads, and every damage seen. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "cache/checksum.h"
#include "cache/chunker.h"
#include "cache/codec.h"
#include "cache/header.h"
#include "cache/pack.h"
#include "cache/wire.h"
#include "tests/support/damage.h"
#include "tests/support/disk.h"
#include "tests/support/fault.h"
#include "tests/support/scratch.h"

struct world {
	const char *path;
	int dirfd;
	int tmp;
	struct fault fault;
	const struct io *io;
};

static int open_world(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	w->path = scratch_open();
	w->dirfd = open(w->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_return_code(mkdirat(w->dirfd, "tmp", 0700), errno);
	assert_return_code(mkdirat(w->dirfd, "packs", 0700), errno);
	w->tmp = openat(w->dirfd, "tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	fault_init(&w->fault, io_system());
	w->io = &w->fault.io;
	*state = w;
	return 0;
}

static int close_world(void **state)
{
	struct world *w = *state;
	assert_int_equal(w->fault.open_files, 0);
	close(w->tmp);
	close(w->dirfd);
	scratch_close();
	free(w);
	return 0;
}

/* Record number N: some bytes that N decides, and how they are stored. */
struct sample {
	uint8_t raw[3000];
	uint32_t len;
	struct id id;
	struct record_header header;
	uint8_t stored[4096];
};

static void make_sample(unsigned n, struct sample *s)
{
	unsigned codec;
	s->len = 20 + n * 37 % 2900;
	if (n % 3)
		memset(s->raw, (int)n, s->len);
	else
		damage_noise(n, s->raw, s->len);
	memcpy(s->raw, &n, sizeof(n));
	id_of(s->raw, s->len, &s->id);
	ssize_t stored = codec_encode(s->raw, s->len, 1, s->stored, &codec);
	assert_true(stored > 0);
	if (codec == CODEC_RAW)
		memcpy(s->stored, s->raw, s->len);
	s->header = (struct record_header){.kind = n % 5 ? RECORD_CHUNK : RECORD_PAGE,
	                                   .codec = (uint8_t)codec,
	                                   .raw_len = s->len,
	                                   .stored_len = (uint32_t)stored,
	                                   .hashed_len = s->len};
}

static int add_samples(struct pack_writer *writer, unsigned count, uint32_t *offsets)
{
	for (unsigned n = 0; n < count; n++) {
		struct sample s;
		uint32_t offset;
		make_sample(n, &s);
		int r = pack_writer_add(writer, &s.id, &s.header, s.stored, &offset);
		if (r < 0)
			return r;
		if (offsets)
			offsets[n] = offset;
	}
	return 0;
}

/* Write a pack of COUNT samples as packs/p. */
static int write_pack(const struct io *io, struct world *w, unsigned count, struct pack_id *id, uint32_t *offsets)
{
	struct pack_writer *writer;
	int r = pack_writer_open(io, w->tmp, &writer);
	if (r < 0)
		return r;
	*id = *pack_writer_id(writer);
	r = add_samples(writer, count, offsets);
	if (r < 0) {
		pack_writer_abort(writer);
		return r;
	}
	return pack_writer_finish(writer, w->dirfd, "packs", "packs/p", 0444);
}

static unsigned files_in(const char *folder)
{
	char *count = scratch_output("ls %s | wc -l", folder);
	unsigned n = (unsigned)atoi(count);
	free(count);
	return n;
}

static void assert_sample(struct pack *pack, unsigned n)
{
	struct sample s;
	struct pack_entry entry;
	struct record record;
	make_sample(n, &s);
	assert_int_equal(pack_find(pack, s.header.kind, &s.id, &entry), 0);
	assert_int_equal(entry.codec, s.header.codec);
	assert_int_equal(entry.raw_len, s.len);
	assert_int_equal(entry.stored_len, s.header.stored_len);
	assert_int_equal(pack_read(pack, entry.offset, entry.stored_len, entry.kind, &s.id, &record), 0);
	assert_int_equal(record.len, s.len);
	assert_memory_equal(record.data, s.raw, s.len);
	free(record.data);
}

static void every_record_is_found_and_read(void **state)
{
	struct world *w = *state;
	struct pack_id id;
	struct pack *pack;
	struct stat st;
	static uint32_t offsets[2000];
	assert_int_equal(write_pack(w->io, w, 2000, &id, offsets), 0);
	assert_int_equal(fstatat(w->dirfd, "packs/p", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0444);
	assert_int_equal(files_in("tmp"), 0);
	assert_int_equal(pack_open(w->io, w->dirfd, "packs/p", &id, &pack), 0);
	assert_int_equal(pack_count(pack), 2000);
	assert_int_equal(pack_size(pack), st.st_size);
	assert_true(pack_id_equal(pack_id(pack), &id));
	for (unsigned n = 0; n < 2000; n++) {
		struct sample s;
		struct pack_entry entry;
		assert_sample(pack, n);
		make_sample(n, &s);
		assert_int_equal(pack_find(pack, s.header.kind, &s.id, &entry), 0);
		assert_int_equal(entry.offset, offsets[n]);
		assert_int_equal(
		    pack_find(pack, s.header.kind == RECORD_CHUNK ? RECORD_PAGE : RECORD_CHUNK, &s.id, &entry),
		    -ENOENT);
		s.id.bytes[31] ^= 1;
		assert_int_equal(pack_find(pack, s.header.kind, &s.id, &entry), -ENOENT);
	}
	pack_close(pack);
	pack_close(NULL);
}

/* A pack of COUNT chunks of one byte whose ids MAKE gives; opened. */
static struct pack *open_made_up_pack(struct world *w, uint32_t count, struct id (*make)(uint32_t n))
{
	const struct record_header header = {.kind = RECORD_CHUNK, .raw_len = 1, .stored_len = 1, .hashed_len = 1};
	struct pack_writer *writer;
	struct pack *pack;
	assert_int_equal(pack_writer_open(w->io, w->tmp, &writer), 0);
	const struct pack_id id = *pack_writer_id(writer);
	for (uint32_t n = 0; n < count; n++) {
		uint32_t offset;
		struct id chunk = make(n);
		assert_int_equal(pack_writer_add(writer, &chunk, &header, "x", &offset), 0);
	}
	assert_int_equal(pack_writer_finish(writer, w->dirfd, "packs", "packs/p", 0444), 0);
	assert_int_equal(pack_open(w->io, w->dirfd, "packs/p", &id, &pack), 0);
	fault_clear(&w->fault);
	return pack;
}

static struct id hashed_id(uint32_t n)
{
	struct id id;
	id_of(&n, sizeof(n), &id);
	return id;
}

static void finding_takes_few_reads(void **state)
{
	struct world *w = *state;
	struct pack_entry entry;
	struct pack *pack = open_made_up_pack(w, 50000, hashed_id);
	for (uint32_t n = 0; n < 1000; n++) {
		struct id id = hashed_id(n * 50);
		assert_int_equal(pack_find(pack, RECORD_CHUNK, &id, &entry), 0);
		id = hashed_id(n + 1000000);
		assert_int_equal(pack_find(pack, RECORD_CHUNK, &id, &entry), -ENOENT);
	}
	assert_true(w->fault.calls[FAULT_READ] < 2 * 2000);
	pack_close(pack);
}

/* As nobody's hashes are: all with the same first bytes but for one at either end. */
static struct id crowded_id(uint32_t n)
{
	struct id id = {{0}};
	memset(id.bytes, n == 19999 ? 0xff : n ? 0x77 : 0, 8);
	wire_put32(id.bytes + 20, n);
	return id;
}

static void ids_that_crowd_together_are_found_too(void **state)
{
	struct world *w = *state;
	struct pack_entry entry;
	struct pack *pack = open_made_up_pack(w, 20000, crowded_id);
	uint64_t reads_max = 0;
	for (uint32_t n = 0; n < 20000; n += n < 19900 ? 97 : 1) {
		uint64_t before = w->fault.calls[FAULT_READ];
		struct id id = crowded_id(n);
		assert_int_equal(pack_find(pack, RECORD_CHUNK, &id, &entry), 0);
		uint64_t reads = w->fault.calls[FAULT_READ] - before;
		reads_max = reads > reads_max ? reads : reads_max;
		id.bytes[31] = 1;
		assert_int_equal(pack_find(pack, RECORD_CHUNK, &id, &entry), -ENOENT);
	}
	assert_in_range(reads_max, 1, 4 + 8 + 1); /* the guesses, and halving 20,000 down to a window */
	pack_close(pack);
}

static void empty_pack_holds_nothing(void **state)
{
	struct world *w = *state;
	struct pack_id id;
	struct pack *pack;
	struct pack_entry entry, *entries;
	struct id any = {{1}};
	assert_int_equal(write_pack(w->io, w, 0, &id, NULL), 0);
	assert_int_equal(pack_open(w->io, w->dirfd, "packs/p", &id, &pack), 0);
	assert_int_equal(pack_size(pack), PACK_HEADER_SIZE + PACK_TRAILER_SIZE);
	assert_int_equal(pack_find(pack, RECORD_CHUNK, &any, &entry), -ENOENT);
	assert_int_equal(pack_entry_at(pack, 0, &entry), -ERANGE);
	assert_int_equal(pack_read_index(pack, &entries), 0);
	free(entries);
	pack_close(pack);
}

static void index_is_sorted_and_lists_everything(void **state)
{
	struct world *w = *state;
	struct pack_id id;
	struct pack *pack;
	struct pack_entry *entries, entry;
	uint8_t *data = malloc(RECORD_HEADER_SIZE + 4096);
	assert_int_equal(write_pack(w->io, w, 300, &id, NULL), 0);
	assert_int_equal(pack_open(w->io, w->dirfd, "packs/p", &id, &pack), 0);
	assert_int_equal(pack_read_index(pack, &entries), 0);
	for (uint32_t i = 0; i < 300; i++) {
		struct record_header header;
		assert_true(i == 0 || pack_entry_cmp(&entries[i - 1], &entries[i]) < 0);
		assert_int_equal(pack_entry_at(pack, i, &entry), 0);
		assert_memory_equal(&entry, &entries[i], sizeof(entry));
		assert_int_equal(pack_read_stored(pack, &entry, data), 0);
		size_t len = RECORD_HEADER_SIZE + (size_t)entry.stored_len;
		assert_int_equal(record_decode_header(data, len, entry.kind, &header), 0);
		entry.raw_len++;
		assert_int_equal(pack_read_stored(pack, &entry, data), -EBADMSG);
	}
	assert_int_equal(pack_entry_at(pack, 300, &entry), -ERANGE);
	free(entries);
	free(data);
	pack_close(pack);
}

static void place_outside_the_records_is_refused(void **state)
{
	struct world *w = *state;
	struct pack_id id;
	struct pack *pack;
	struct record record;
	struct sample s;
	uint32_t offsets[10];
	assert_int_equal(write_pack(w->io, w, 10, &id, offsets), 0);
	assert_int_equal(pack_open(w->io, w->dirfd, "packs/p", &id, &pack), 0);
	make_sample(9, &s);
	const uint32_t len = s.header.stored_len;
	assert_int_equal(pack_read(pack, offsets[9], len, s.header.kind, &s.id, &record), 0);
	free(record.data);
	assert_int_equal(pack_read(pack, 0, len, s.header.kind, &s.id, &record), -EBADMSG);
	assert_int_equal(pack_read(pack, 63, len, s.header.kind, &s.id, &record), -EBADMSG);
	assert_int_equal(pack_read(pack, offsets[9] + 1, len, s.header.kind, &s.id, &record), -EBADMSG);
	assert_int_equal(pack_read(pack, offsets[9], len + 1, s.header.kind, &s.id, &record), -EBADMSG);
	assert_int_equal(pack_read(pack, offsets[8], len, s.header.kind, &s.id, &record), -EBADMSG);
	assert_int_equal(pack_read(pack, UINT32_MAX, UINT32_MAX, s.header.kind, &s.id, &record), -EBADMSG);
	pack_close(pack);
}

static void records_are_read_back_while_the_pack_is_written(void **state)
{
	struct world *w = *state;
	struct pack_writer *writer;
	struct pack_id id;
	struct pack *pack;
	const unsigned count = 40;
	const uint32_t len = 100000; /* 4 MB: more than the buffer */
	uint32_t offset[40];
	struct id ids[40];
	uint8_t *data = malloc(len);
	assert_int_equal(pack_writer_open(w->io, w->tmp, &writer), 0);
	id = *pack_writer_id(writer);
	for (unsigned n = 0; n < count; n++) {
		const struct record_header header = {
		    .kind = RECORD_CHUNK, .raw_len = len, .stored_len = len, .hashed_len = len};
		damage_noise(n, data, len);
		id_of(data, len, &ids[n]);
		assert_int_equal(pack_writer_add(writer, &ids[n], &header, data, &offset[n]), 0);
		assert_int_equal(pack_writer_count(writer), n + 1);
		for (unsigned k = 0; k <= n; k += 1 + (n - k) / 2) {
			struct record record;
			damage_noise(k, data, len);
			assert_int_equal(pack_writer_read(writer, offset[k], len, RECORD_CHUNK, &ids[k], &record), 0);
			assert_memory_equal(record.data, data, len);
			free(record.data);
		}
	}
	struct record record;
	assert_int_equal(pack_writer_read(writer, offset[39] + 1, len, RECORD_CHUNK, &ids[39], &record), -EBADMSG);
	assert_int_equal(pack_writer_read(writer, 0, len, RECORD_CHUNK, &ids[0], &record), -EBADMSG);
	assert_int_equal(pack_writer_read(writer, offset[0], len - 1, RECORD_CHUNK, &ids[0], &record), -EBADMSG);
	uint64_t promised = pack_writer_size(writer);
	assert_int_equal(pack_writer_finish(writer, w->dirfd, "packs", "packs/p", 0444), 0);
	assert_int_equal(pack_open(w->io, w->dirfd, "packs/p", &id, &pack), 0);
	assert_int_equal(pack_size(pack), promised);
	pack_close(pack);
	free(data);
}

static void largest_records_fit_the_buffer(void **state)
{
	struct world *w = *state;
	struct pack_writer *writer;
	struct pack_id id;
	struct pack *pack;
	const uint32_t len = RECORD_RAW_MAX;
	const struct record_header header = {.kind = RECORD_PAGE, .raw_len = len, .stored_len = len, .hashed_len = len};
	struct record record;
	struct id ids[3];
	uint32_t offsets[3];
	uint8_t *data = malloc(len);
	assert_int_equal(pack_writer_open(w->io, w->tmp, &writer), 0);
	id = *pack_writer_id(writer);
	for (unsigned n = 0; n < 3; n++) {
		damage_noise(n, data, len);
		id_of(data, len, &ids[n]);
		assert_int_equal(pack_writer_add(writer, &ids[n], &header, data, &offsets[n]), 0);
	}
	assert_int_equal(pack_writer_finish(writer, w->dirfd, "packs", "packs/p", 0444), 0);
	assert_int_equal(pack_open(w->io, w->dirfd, "packs/p", &id, &pack), 0);
	for (unsigned n = 0; n < 3; n++) {
		assert_int_equal(pack_read(pack, offsets[n], len, RECORD_PAGE, &ids[n], &record), 0);
		free(record.data);
	}
	pack_close(pack);
	free(data);
}

/* For a disk that takes every write without keeping it. */
static ssize_t pretend_to_write(void *arg, int fd, const void *bytes, size_t n, off_t at)
{
	(void)arg, (void)fd, (void)bytes, (void)at;
	return (ssize_t)n;
}

static void full_pack_takes_no_more(void **state)
{
	struct world *w = *state;
	struct pack_writer *writer;
	const uint32_t len = RECORD_RAW_MAX;
	const struct record_header header = {.kind = RECORD_PAGE, .raw_len = len, .stored_len = len, .hashed_len = len};
	uint8_t *data = calloc(1, len);
	uint32_t offset, count = 0;
	int r;
	struct io_ops ops = *w->io->ops;
	struct io io = {.ops = &ops, .arg = w->io->arg};
	ops.pwrite = pretend_to_write;
	assert_int_equal(pack_writer_open(&io, w->tmp, &writer), 0);
	do {
		struct id id = {{0}};
		wire_put32(id.bytes, count);
		r = pack_writer_add(writer, &id, &header, data, &offset);
		count += r == 0;
	} while (r == 0);
	assert_int_equal(r, -EFBIG);
	assert_int_equal(count, 1023);
	assert_true(pack_writer_size(writer) <= PACK_SIZE_MAX);
	pack_writer_abort(writer);
	free(data);
}

static void existing_pack_is_never_overwritten(void **state)
{
	struct world *w = *state;
	struct pack_id first, second;
	struct pack *pack;
	assert_int_equal(write_pack(w->io, w, 10, &first, NULL), 0);
	assert_int_equal(write_pack(w->io, w, 20, &second, NULL), -EEXIST);
	fault_set(&w->fault, FAULT_LINK, 1, 1, -EPERM); /* a file system without hard links */
	assert_int_equal(write_pack(w->io, w, 20, &second, NULL), -EEXIST);
	assert_int_equal(files_in("tmp"), 0);
	assert_int_equal(pack_open(w->io, w->dirfd, "packs/p", &first, &pack), 0);
	assert_int_equal(pack_count(pack), 10);
	pack_close(pack);
	assert_int_equal(pack_open(w->io, w->dirfd, "packs/p", &second, &pack), -EBADMSG);
}

static void without_hard_links_the_pack_is_renamed(void **state)
{
	struct world *w = *state;
	struct pack_id id;
	struct pack *pack;
	fault_set(&w->fault, FAULT_LINK, 1, 1, -EOPNOTSUPP);
	assert_int_equal(write_pack(w->io, w, 10, &id, NULL), 0);
	assert_int_equal(files_in("tmp"), 0);
	assert_int_equal(pack_open(w->io, w->dirfd, "packs/p", &id, &pack), 0);
	assert_sample(pack, 7);
	pack_close(pack);
}

static void failure_of_any_call_leaves_nothing_behind(void **state)
{
	struct world *w = *state;
	static const struct {
		enum fault_call call;
		int error;
	} faults[] = {
	    {FAULT_OPEN, -EMFILE}, {FAULT_WRITE, -ENOSPC}, {FAULT_WRITE, -EFBIG}, {FAULT_WRITE, -EDQUOT},
	    {FAULT_FSYNC, -EIO},   {FAULT_CHMOD, -EPERM},  {FAULT_LINK, -EDQUOT}, {FAULT_LINK, -ENOSPC},
	};
	struct pack_id id;
	for (size_t i = 0; i < sizeof(faults) / sizeof(*faults); i++) {
		for (uint64_t nth = 1;; nth++) {
			fault_clear(&w->fault);
			fault_set(&w->fault, faults[i].call, nth, 1, faults[i].error);
			int r = write_pack(w->io, w, 2000, &id, NULL);
			bool met = w->fault.calls[faults[i].call] >= nth;
			assert_int_equal(r, met ? faults[i].error : 0);
			assert_int_equal(files_in("tmp"), 0);
			assert_int_equal(files_in("packs"), r == 0);
			scratch_sh("rm -f packs/p");
			if (!met)
				break;
		}
	}
}

static void full_disk_at_any_byte_leaves_nothing_behind(void **state)
{
	struct world *w = *state;
	struct pack_id id;
	struct stat st;
	assert_int_equal(write_pack(w->io, w, 100, &id, NULL), 0);
	assert_int_equal(fstatat(w->dirfd, "packs/p", &st, 0), 0);
	scratch_sh("rm packs/p");
	for (int64_t room = 0; room < st.st_size; room += 1 + st.st_size / 16) {
		atomic_store(&w->fault.room, room);
		assert_int_equal(write_pack(w->io, w, 100, &id, NULL), -ENOSPC);
		assert_int_equal(files_in("tmp"), 0);
		assert_int_equal(files_in("packs"), 0);
	}
	atomic_store(&w->fault.room, st.st_size - 1);
	assert_int_equal(write_pack(w->io, w, 100, &id, NULL), -ENOSPC);
	atomic_store(&w->fault.room, st.st_size);
	assert_int_equal(write_pack(w->io, w, 100, &id, NULL), 0);
}

static void finished_pack_survives_power_loss_at_any_call(void **state)
{
	struct world *w = *state;
	bool finished = false;
	for (uint64_t nth = 1; !finished; nth++) {
		for (unsigned kind = 0; kind < 9; kind++) {
			struct pack_id id = {{0}};
			struct pack *pack;
			struct disk *disk = disk_open(w->path);
			disk_cut(disk, nth);
			int r = write_pack(disk_io(disk), w, 50, &id, NULL);
			finished = !disk_is_cut(disk);
			assert_int_equal(r, finished ? 0 : -EIO);
			disk_restart(disk, kind % 3, nth * 10 + kind);
			disk_close(disk);
			/* The folders are new ones. */
			close(w->tmp);
			w->tmp = openat(w->dirfd, "tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
			int there = pack_open(w->io, w->dirfd, "packs/p", &id, &pack);
			assert_true(there == 0 ||
			            (there == -ENOENT && !finished)); /* whole, or not there: never damaged */
			if (there == 0) {
				for (unsigned n = 0; n < 50; n++)
					assert_sample(pack, n);
				pack_close(pack);
			}
			scratch_sh("rm -f packs/p tmp/*");
		}
		assert_true(nth < 40);
	}
}

static uint64_t sync_started; /* without a gap, up to here */

static int note_sync_start(void *arg, int fd, off_t offset, off_t len, unsigned flags)
{
	(void)arg;
	(void)fd;
	(void)flags;
	if ((uint64_t)offset == sync_started)
		sync_started += (uint64_t)len;
	return -EIO;
}

static void large_pack_goes_to_disk_while_it_is_written(void **state)
{
	const unsigned count = 20 * (1 << 20) / CHUNK_MAX;
	const struct record_header header = {.kind = RECORD_CHUNK,
	                                     .codec = CODEC_RAW,
	                                     .raw_len = CHUNK_MAX,
	                                     .stored_len = CHUNK_MAX,
	                                     .hashed_len = CHUNK_MAX};
	struct io_ops ops = *io_system()->ops;
	const struct io io = {.ops = &ops, .arg = io_system()->arg};
	struct world *w = *state;
	struct pack_writer *writer;
	uint8_t *data = calloc(1, CHUNK_MAX);
	struct id id = {0};
	uint32_t offset;

	ops.sync_file_range = note_sync_start;
	sync_started = 0;
	assert_int_equal(pack_writer_open(&io, w->tmp, &writer), 0);
	for (unsigned i = 0; i < count; i++) {
		memcpy(id.bytes, &i, sizeof(i));
		assert_int_equal(pack_writer_add(writer, &id, &header, data, &offset), 0);
	}
	/* Nothing is promised by it, so that its failure is none. */
	assert_in_range(sync_started, 10 << 20, 20 << 20);
	assert_int_equal(pack_writer_finish(writer, w->dirfd, "packs", "packs/large", 0444), 0);
	free(data);
}

static void failed_open_is_reported(void **state)
{
	struct world *w = *state;
	struct pack_id id, other;
	struct pack *pack;
	assert_int_equal(write_pack(w->io, w, 10, &id, NULL), 0);
	other = id;
	other.bytes[3] ^= 1;
	assert_int_equal(pack_open(w->io, w->dirfd, "packs/q", &id, &pack), -ENOENT);
	assert_int_equal(pack_open(w->io, w->dirfd, "packs/p", &other, &pack), -EBADMSG);
	assert_int_equal(pack_open(w->io, w->dirfd, "packs", &id, &pack), -EBADMSG);
	fault_set(&w->fault, FAULT_OPEN, 1, 1, -EMFILE);
	assert_int_equal(pack_open(w->io, w->dirfd, "packs/p", &id, &pack), -EMFILE);
	fault_set(&w->fault, FAULT_READ, 1, 1, -EIO);
	assert_int_equal(pack_open(w->io, w->dirfd, "packs/p", &id, &pack), -EIO);
	assert_int_equal(pack_open(w->io, w->dirfd, "packs/p", &id, &pack), 0);
	struct sample s;
	struct pack_entry entry, *entries;
	make_sample(1, &s);
	fault_set(&w->fault, FAULT_READ, 1, 4, -EIO);
	assert_int_equal(pack_find(pack, s.header.kind, &s.id, &entry), -EIO);
	assert_int_equal(pack_entry_at(pack, 1, &entry), -EIO);
	assert_int_equal(pack_read_index(pack, &entries), -EIO);
	struct record record;
	assert_int_equal(pack_read(pack, 64, s.header.stored_len, s.header.kind, &s.id, &record), -EIO);
	pack_close(pack);
}

/* A damaged pack either is refused, or answers as the whole one for what it still gives. */
struct whole {
	struct world *w;
	struct pack_id id;
	unsigned count;
	unsigned refused;
};

static void probe(struct whole *whole, struct pack *pack)
{
	struct pack_entry *entries = NULL;
	bool damaged = pack_read_index(pack, &entries) == -EBADMSG;
	free(entries);
	for (unsigned n = 0; n < whole->count; n++) {
		struct sample s;
		struct pack_entry entry;
		struct record record;
		make_sample(n, &s);
		int r = pack_find(pack, s.header.kind, &s.id, &entry);
		assert_true(r == 0 || r == -ENOENT || r == -EBADMSG);
		if (r == 0)
			r = pack_read(pack, entry.offset, entry.stored_len, s.header.kind, &s.id, &record);
		if (r == 0) {
			assert_int_equal(record.len, s.len);
			assert_memory_equal(record.data, s.raw, s.len);
			free(record.data);
		} else {
			assert_true(r == -ENOENT || r == -EBADMSG || r == -ENOTSUP);
			damaged = true;
		}
	}
	assert_true(damaged); /* no flip goes unnoticed altogether */
}

static void try_damaged(void *arg, const uint8_t *data, size_t len)
{
	struct whole *whole = arg;
	struct pack *pack;
	int fd = openat(whole->w->dirfd, "damaged", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_int_equal(write(fd, data, len), len);
	close(fd);
	int r = pack_open(io_system(), whole->w->dirfd, "damaged", &whole->id, &pack);
	if (r == 0) {
		probe(whole, pack);
		pack_close(pack);
	} else {
		assert_int_equal(r, -EBADMSG);
		whole->refused++;
	}
}

static void every_damage_is_seen(void **state)
{
	struct world *w = *state;
	struct whole whole = {.w = w, .count = 6};
	void *data;
	size_t len;
	assert_int_equal(write_pack(w->io, w, whole.count, &whole.id, NULL), 0);
	assert_int_equal(io_read_file(w->io, w->dirfd, "packs/p", 1 << 20, &data, &len), 0);
	damage_each(data, len, try_damaged, &whole);
	assert_true(whole.refused >= len + 8 * (size_t)(PACK_HEADER_SIZE + PACK_TRAILER_SIZE));
	free(data);
}

/* Indexes with right checksums that lie. */
static void forge(struct world *w, void (*change)(uint8_t *index, uint32_t count), struct pack_id *id)
{
	void *data;
	size_t len;
	struct pack_trailer trailer;
	assert_int_equal(write_pack(w->io, w, 400, id, NULL), 0);
	assert_int_equal(io_read_file(w->io, w->dirfd, "packs/p", 1 << 24, &data, &len), 0);
	uint8_t *end = (uint8_t *)data + len - PACK_TRAILER_SIZE;
	assert_int_equal(pack_trailer_decode(end, len, &trailer), 0);
	uint8_t *index = (uint8_t *)data + trailer.index_offset;
	change(index, trailer.count);
	trailer.index_checksum = checksum(index, (size_t)trailer.count * PACK_ENTRY_SIZE);
	pack_trailer_encode(&trailer, end);
	scratch_sh("rm -f packs/p");
	assert_int_equal(io_replace_file(w->io, w->dirfd, "packs", "packs/p", data, len, 0600), 0);
	free(data);
}

static void swap_lines(uint8_t *index, uint32_t count)
{
	uint8_t line[PACK_ENTRY_SIZE];
	uint8_t *a = index + PACK_ENTRY_SIZE * (count / 2), *b = index + PACK_ENTRY_SIZE * (count / 2 + 1);
	memcpy(line, a, PACK_ENTRY_SIZE);
	memcpy(a, b, PACK_ENTRY_SIZE);
	memcpy(b, line, PACK_ENTRY_SIZE);
}

static void double_line(uint8_t *index, uint32_t count)
{
	memcpy(index + PACK_ENTRY_SIZE * (count / 2), index + PACK_ENTRY_SIZE * (count / 2 + 1), PACK_ENTRY_SIZE);
}

static void point_into_the_header(uint8_t *index, uint32_t count)
{
	wire_put32(index + PACK_ENTRY_SIZE * (count / 2) + 12, 40);
}

static void point_into_the_index(uint8_t *index, uint32_t count)
{
	wire_put32(index + PACK_ENTRY_SIZE * (count / 2) + 12, UINT32_MAX - 10);
}

static void claim_a_huge_length(uint8_t *index, uint32_t count)
{
	wire_put32(index + PACK_ENTRY_SIZE * (count / 2) + 4, UINT32_MAX);
	wire_put32(index + PACK_ENTRY_SIZE * (count / 2) + 8, UINT32_MAX);
}

static void claim_kind_zero(uint8_t *index, uint32_t count)
{
	(void)count;
	index[0] = 0;
}

static void lying_indexes_are_refused(void **state)
{
	struct world *w = *state;
	static void (*const lies[])(uint8_t * index, uint32_t count) = {
	    swap_lines, double_line, point_into_the_header, point_into_the_index, claim_a_huge_length, claim_kind_zero,
	};
	for (size_t i = 0; i < sizeof(lies) / sizeof(*lies); i++) {
		struct pack_id id;
		struct pack *pack;
		struct pack_entry *entries;
		unsigned refused = 0;
		forge(w, lies[i], &id);
		assert_int_equal(pack_open(w->io, w->dirfd, "packs/p", &id, &pack), 0);
		assert_int_equal(pack_read_index(pack, &entries), -EBADMSG);
		for (unsigned n = 0; n < 400; n++) {
			struct sample s;
			struct pack_entry entry;
			make_sample(n, &s);
			refused += pack_find(pack, s.header.kind, &s.id, &entry) == -EBADMSG;
		}
		assert_true(refused > 0);
		pack_close(pack);
		scratch_sh("rm -f packs/p");
	}
}

/* Records of a kind to come do not spoil the ones beside them. */
static void claim_a_kind_to_come(uint8_t *index, uint32_t count)
{
	index[PACK_ENTRY_SIZE * (count - 1)] = 200;
}

static void unknown_kind_concerns_its_own_line_only(void **state)
{
	struct world *w = *state;
	struct pack_id id;
	struct pack *pack;
	struct pack_entry *entries;
	unsigned found = 0;
	forge(w, claim_a_kind_to_come, &id);
	assert_int_equal(pack_open(w->io, w->dirfd, "packs/p", &id, &pack), 0);
	assert_int_equal(pack_read_index(pack, &entries), 0);
	for (unsigned n = 0; n < 400; n++) {
		struct sample s;
		struct pack_entry entry;
		make_sample(n, &s);
		found += pack_find(pack, s.header.kind, &s.id, &entry) == 0;
	}
	assert_int_equal(found, 399);
	uint8_t *data = malloc(RECORD_HEADER_SIZE + (size_t)entries[399].stored_len);
	assert_int_equal(pack_read_stored(pack, &entries[399], data), -EBADMSG);
	free(data);
	free(entries);
	pack_close(pack);
}

struct reader {
	struct pack *pack;
	unsigned seed;
	bool right;
};

static void *read_often(void *arg)
{
	struct reader *r = arg;
	r->right = true;
	for (unsigned i = 0; i < 400; i++) {
		struct sample s;
		struct pack_entry entry;
		struct record record;
		make_sample((i * 7 + r->seed * 13) % 500, &s);
		if (pack_find(r->pack, s.header.kind, &s.id, &entry) < 0 ||
		    pack_read(r->pack, entry.offset, entry.stored_len, entry.kind, &s.id, &record) < 0) {
			r->right = false;
			continue;
		}
		r->right = r->right && record.len == s.len && memcmp(record.data, s.raw, s.len) == 0;
		free(record.data);
	}
	return NULL;
}

static void many_threads_read_one_pack(void **state)
{
	struct world *w = *state;
	struct pack_id id;
	struct pack *pack;
	pthread_t threads[4];
	struct reader readers[4];
	assert_int_equal(write_pack(w->io, w, 500, &id, NULL), 0);
	assert_int_equal(pack_open(w->io, w->dirfd, "packs/p", &id, &pack), 0);
	for (unsigned i = 0; i < 4; i++) {
		readers[i] = (struct reader){.pack = pack, .seed = i};
		assert_int_equal(pthread_create(&threads[i], NULL, read_often, &readers[i]), 0);
	}
	for (unsigned i = 0; i < 4; i++) {
		pthread_join(threads[i], NULL);
		assert_true(readers[i].right);
	}
	pack_close(pack);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_world, close_world)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(every_record_is_found_and_read),
	    TEST(finding_takes_few_reads),
	    TEST(ids_that_crowd_together_are_found_too),
	    TEST(empty_pack_holds_nothing),
	    TEST(index_is_sorted_and_lists_everything),
	    TEST(place_outside_the_records_is_refused),
	    TEST(records_are_read_back_while_the_pack_is_written),
	    TEST(largest_records_fit_the_buffer),
	    TEST(full_pack_takes_no_more),
	    TEST(existing_pack_is_never_overwritten),
	    TEST(without_hard_links_the_pack_is_renamed),
	    TEST(failure_of_any_call_leaves_nothing_behind),
	    TEST(full_disk_at_any_byte_leaves_nothing_behind),
	    TEST(finished_pack_survives_power_loss_at_any_call),
	    TEST(large_pack_goes_to_disk_while_it_is_written),
	    TEST(failed_open_is_reported),
	    TEST(every_damage_is_seen),
	    TEST(lying_indexes_are_refused),
	    TEST(unknown_kind_concerns_its_own_line_only),
	    TEST(many_threads_read_one_pack),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
