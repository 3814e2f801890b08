#include "cache/readers.h"

/* Readers beside one another come a little out of order; records that are held already leave gaps before a reader that
 * is known. */
#define GAP_NEW ((uint64_t)256 << 10)
#define GAP_KNOWN ((uint64_t)1 << 20)
#define STEPS_KNOWN 2
/* Where the records of a pack begin, and who reads a folder from its beginning. */
#define PACK_BEGIN 4096

static bool expects(const struct reader *reader, const struct pack_id *pack, uint64_t offset)
{
	const uint64_t gap = reader->steps < STEPS_KNOWN ? GAP_NEW : GAP_KNOWN;

	return reader->next && pack_id_equal(&reader->pack, pack) && offset + GAP_NEW >= reader->next &&
	       offset <= reader->next + gap;
}

struct reader *readers_note(struct readers *readers, const struct pack_id *pack, uint64_t offset, size_t len)
{
	struct reader *oldest = &readers->list[0];

	for (unsigned i = 0; i < READERS; i++) {
		struct reader *reader = &readers->list[i];

		if (expects(reader, pack, offset)) {
			if (offset + len > reader->next)
				reader->next = offset + len;
			reader->heard = ++readers->clock;
			reader->steps++;
			return reader->steps < STEPS_KNOWN ? NULL : reader;
		}
		if (reader->heard < oldest->heard)
			oldest = reader;
	}
	*oldest = (struct reader){.pack = *pack, .next = offset + len, .heard = ++readers->clock};
	if (offset < PACK_BEGIN)
		oldest->steps = STEPS_KNOWN;
	return oldest->steps ? oldest : NULL;
}

bool reader_goes_on(const struct reader *reader)
{
	return reader->steps > STEPS_KNOWN;
}
