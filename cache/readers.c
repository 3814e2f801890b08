#include "cache/readers.h"

/* Readers beside one another come a little out of order, and so does one who has several requests under way; records
 * that are held already leave gaps before a reader that is known. */
#define GAP_NEW ((uint64_t)128 << 10)
#define GAP_KNOWN ((uint64_t)1 << 20)
#define GAP_MAX ((uint64_t)4 << 20) /* of one for whom large ranges are read */
#define STEPS_KNOWN 3
/* Where the records of a pack begin, and who reads a folder from its beginning. */
#define PACK_BEGIN 4096

static bool expects(const struct reader *reader, const struct pack_id *pack, uint64_t offset)
{
	const bool known = reader->steps >= STEPS_KNOWN;
	const uint64_t large = reader->size / 2 < GAP_MAX ? reader->size / 2 : GAP_MAX,
		       behind = known && large > GAP_NEW ? large : GAP_NEW,
		       before = !known              ? GAP_NEW
	                        : large > GAP_KNOWN ? large
	                                            : GAP_KNOWN;

	return reader->heard && pack_id_equal(&reader->pack, pack) && offset + behind >= reader->next &&
	       offset <= reader->next + before;
}

/* Whoever goes on has at least STEPS behind him then. */
static struct reader *note(struct readers *readers, const struct pack_id *pack, uint64_t offset, uint64_t len,
                           unsigned steps)
{
	struct reader *oldest = &readers->list[0];

	for (unsigned i = 0; i < READERS; i++) {
		struct reader *reader = &readers->list[i];

		if (expects(reader, pack, offset)) {
			if (offset + len > reader->next) {
				reader->next = offset + len;
				reader->steps = reader->steps < steps ? steps : reader->steps + 1;
			}
			reader->heard = ++readers->clock;
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

struct reader *readers_note(struct readers *readers, const struct pack_id *pack, uint64_t offset, size_t len)
{
	return note(readers, pack, offset, len, 0);
}

void readers_note_reach(struct readers *readers, const struct pack_id *pack, uint64_t begin, uint64_t end)
{
	note(readers, pack, begin, end - begin, STEPS_KNOWN + 1);
}

struct reader *readers_find(struct readers *readers, const struct pack_id *pack, uint64_t end)
{
	for (unsigned i = 0; i < READERS; i++) {
		struct reader *reader = &readers->list[i];

		if (reader->steps >= STEPS_KNOWN && pack_id_equal(&reader->pack, pack) && reader->next >= end &&
		    reader->next - end <= GAP_MAX)
			return reader;
	}
	return NULL;
}

void readers_expect(struct readers *readers, const struct reader *reader, const struct pack_id *pack, uint64_t begin)
{
	const struct reader expected = {
	    .pack = *pack,
	    .next = begin,
	    .size = reader->size,
	    .steps = reader->steps,
	    .heard = readers->clock,
	};
	struct reader *oldest = &readers->list[0];

	for (unsigned i = 0; i < READERS; i++) {
		if (expects(&readers->list[i], pack, begin))
			return;
		if (readers->list[i].heard < oldest->heard)
			oldest = &readers->list[i];
	}
	*oldest = expected;
}

bool reader_goes_on(const struct reader *reader)
{
	return reader->steps > STEPS_KNOWN;
}
