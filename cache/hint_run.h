/*
 * One sorted run of hints: records by the first 8 bytes of their ids, each with its pack and the line of that pack's
 * index; in memory, or in a file of hints/ that is read with pread (revfs-format(5) has its bytes).
 *
 * Immutable and counted: any number of threads may use a run while they hold a reference.
 */
#ifndef CACHE_HINT_RUN_H
#define CACHE_HINT_RUN_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cache/id.h"
#include "cache/io.h"
#include "cache/pack.h"

#define HINT_FOLDER "hints"
#define HINT_ENTRY_SIZE 16
#define HINT_PATH_SIZE (sizeof(HINT_FOLDER) + PACK_ID_HEX_SIZE)
#define HINT_HEADER_SIZE 64
#define HINT_FAN_SIZE 8 /* a line of the fan-out table */
#define HINT_FAN_BITS_MAX 16

struct hint_entry {
	uint64_t key;  /* first 8 bytes of the id, the first byte highest, so that numbers sort as bytes do */
	uint32_t pack; /* rank in the run's packs */
	uint32_t slot; /* line of that pack's index */
};

/* Read by hint.c and hint_merge.c, too; changed by nobody once it is made. */
struct hint_run {
	atomic_uint refs;
	uint32_t packs_count;
	struct pack_id *packs; /* sorted */
	uint64_t count;
	struct hint_entry *entries; /* in memory, sorted; else NULL and: */
	const struct io *io;
	int fd;
	char name[PACK_ID_HEX_SIZE];
	unsigned fan_bits;
	uint64_t entries_at;
	uint32_t *ends; /* per bucket (the highest fan_bits of the key): entries up to its end */
	uint32_t *sums; /* per bucket: the low half of the checksum of its bytes */
};

/* An empty run with room for PACKS_COUNT packs, or NULL. */
struct hint_run *hint_run_new(uint64_t count, uint32_t packs_count);

/* A run in memory that covers one pack, whose index is ENTRIES (in index order).  0 or -ENOMEM. */
int hint_run_of_pack(const struct pack_id *pack, const struct pack_entry *entries, size_t count, struct hint_run **run);

/*
 * Open the file NAME (32 hex digits) of hints/ below DIRFD: its head and tables are read and checked, not its entries.
 * Returns 0; -EBADMSG for damage; -ENOTSUP for a larger version; -ENOMEM; -errno.
 */
int hint_run_open(const struct io *io, int dirfd, const char *name, struct hint_run **run);

struct hint_run *hint_run_ref(struct hint_run *run); /* returns RUN */
void hint_run_unref(struct hint_run *run);           /* frees with the last reference; NULL is ignored */

/* The path of the file NAME in FOLDER, which is "hints" or "tmp". */
void hint_run_path(char path[HINT_PATH_SIZE], const char *folder, const char *name);

/* The rank of PACK in COUNT sorted packs, or -1. */
int64_t hint_pack_rank(const struct pack_id *packs, size_t count, const struct pack_id *pack);

/* Whether the records of PACK are in RUN. */
bool hint_run_covers(const struct hint_run *run, const struct pack_id *pack);

/*
 * Call EACH for every entry that has the first 8 bytes of ID until it answers other than -ENOENT, which is returned;
 * -ENOENT where there is none; -ESTALE where the file cannot be read or is damaged there; -ENOMEM.
 */
int hint_run_find(struct hint_run *run, const struct id *id,
                  int (*each)(void *arg, const struct pack_id *pack, uint32_t slot), void *arg);

/* The bucket of KEY among 2^FAN_BITS. */
size_t hint_bucket_of(unsigned fan_bits, uint64_t key);

/* The number of the first entry of BUCKET. */
uint32_t hint_bucket_begin(const struct hint_run *run, size_t bucket);

/* Check and decode the BYTES of a bucket into ENTRIES, as many as it has.  0 or -EBADMSG. */
int hint_bucket_decode(const struct hint_run *run, size_t bucket, const uint8_t *bytes, struct hint_entry *entries);

/* The head of a file and its encoding. */
struct hint_head {
	uint32_t packs;
	uint64_t entries;
	unsigned fan_bits;
	uint64_t tables_sum;
};

/* Write the header of a file of hints. */
void hint_head_encode(const struct hint_head *head, uint8_t out[HINT_HEADER_SIZE]);

/* Write one entry of a file of hints. */
void hint_entry_encode(const struct hint_entry *entry, uint8_t out[HINT_ENTRY_SIZE]);

#endif
