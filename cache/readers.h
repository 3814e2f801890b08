/*
 * Readers that go through packs in order, told from those that read here and there.
 *
 * Several are followed at once; who was heard of longest ago is forgotten first.  Not thread-safe.
 */
#ifndef CACHE_READERS_H
#define CACHE_READERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cache/id.h"

#define READERS 16

/* One that goes through a pack; zeroed there is none. */
struct reader {
	struct pack_id pack;
	uint64_t next;  /* where it is expected */
	size_t size;    /* of the last range that was read for it, the owner's */
	unsigned steps; /* in order */
	uint64_t heard;
	uint64_t look; /* what comes next need not be looked at before the reader is there; the owner's */
};

struct readers {
	struct reader list[READERS];
	uint64_t clock;
};

/*
 * Note that LEN bytes at OFFSET of PACK are read.  The reader that goes on with them, valid until the next call; NULL
 * where they are in no order, or in one for too short a time to tell.  Who begins where the records of a pack begin
 * reads in order until it turns out otherwise.
 */
struct reader *readers_note(struct readers *readers, const struct pack_id *pack, uint64_t offset, size_t len);

/* Note that one read takes all from BEGIN to END of PACK, however many records that are: whoever goes on with a second
 * one reads in order. */
void readers_note_reach(struct readers *readers, const struct pack_id *pack, uint64_t begin, uint64_t end);

/* The reader that has come to END of PACK, or somewhat further; NULL.  Nothing is noted. */
struct reader *readers_find(struct readers *readers, const struct pack_id *pack, uint64_t end);

/* Say that READER is going to go on at BEGIN of PACK. */
void readers_expect(struct readers *readers, const struct reader *reader, const struct pack_id *pack, uint64_t begin);

/* Whether READER has gone on by itself, and did not merely begin where a pack begins. */
bool reader_goes_on(const struct reader *reader);

#endif
