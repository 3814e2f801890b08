#include "fs/page_turns.h"

/* The chunks that lie in one pack. */
struct stay {
	struct pack_id pack;
	struct locator last; /* of them */
	struct locator next; /* the one behind it, where that lies in a pack that was not met before; else offset 0 */
};

static struct stay *find_stay(struct stay *stays, unsigned count, const struct pack_id *pack)
{
	for (unsigned i = 0; i < count; i++) {
		if (pack_id_equal(&stays[i].pack, pack))
			return &stays[i];
	}
	return NULL;
}

void page_each_turn(const struct page *page,
                    void (*each)(void *arg, const struct locator *last, const struct locator *next), void *arg)
{
	struct stay stays[PAGE_TURNS_PACKS_MAX], *at = NULL;
	unsigned count = 0;

	for (unsigned i = 0; page->level == 0 && i < page->count; i++) {
		struct page_named named;
		struct stay *stay;

		page_named(page, i, &named);
		if (named.what != NAMES_CHUNK || !named.locator.offset)
			continue;
		stay = at && pack_id_equal(&at->pack, &named.locator.pack)
		           ? at
		           : find_stay(stays, count, &named.locator.pack);
		if (!stay && count == PAGE_TURNS_PACKS_MAX)
			return;
		if (!stay) {
			stay = &stays[count++];
			*stay = (struct stay){.pack = named.locator.pack};
			if (at)
				at->next = named.locator;
		}
		stay->last = named.locator;
		/* Whoever comes back goes on there for the time being. */
		if (stay != at)
			stay->next.offset = 0;
		at = stay;
	}
	for (unsigned i = 0; i < count; i++) {
		if (stays[i].next.offset)
			each(arg, &stays[i].last, &stays[i].next);
	}
}

bool page_ends(const struct page *page, struct locator *first, struct locator *last)
{
	struct page_named named;
	bool found = false;

	for (unsigned i = 0; page->level == 0 && i < page->count && !found; i++) {
		page_named(page, i, &named);
		found = named.what == NAMES_CHUNK && named.locator.offset;
	}
	if (!found)
		return false;
	*first = named.locator;
	for (unsigned i = page->count; i > 0; i--) {
		page_named(page, i - 1, &named);
		if (named.what == NAMES_CHUNK && named.locator.offset)
			break;
	}
	*last = named.locator;
	return true;
}
