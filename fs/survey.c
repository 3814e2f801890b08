#include "fs/survey.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/*
 * A pack of data goes when less than half of it is alive.  A pack of pages already when a quarter is dead: pages are
 * small, and what the dead ones name, which is kept as long as they are, is not.
 */
#define DATA_DEAD_PER_MILLE 500
#define PAGES_DEAD_PER_MILLE 250
/* Copies of live records above this share of them make it worth while to look for packs that others make superfluous.
 */
#define COPIES_PER_MILLE 10

static int compare_packs(const void *a, const void *b)
{
	const struct survey_pack *x = a, *y = b;

	return pack_id_cmp(&x->id, &y->id);
}

struct survey_pack *survey_find(const struct survey *s, const struct pack_id *id)
{
	struct survey_pack key = {.id = *id};

	return s->count ? bsearch(&key, s->packs, s->count, sizeof(key), compare_packs) : NULL;
}

void survey_release(struct survey *s)
{
	free(s->packs);
	s->packs = NULL;
	s->count = s->room = 0;
}

/* Listing. */

static int list_pack(void *arg, const struct pack_id *id)
{
	struct survey *s = arg;
	struct survey_pack *packs, *pack;
	struct stat st;
	size_t room;
	int r;

	r = store_stat_pack(s->store, id, &st);
	if (r)
		return r == -ENOENT ? 0 : r;
	if (s->count == s->room) {
		room = s->room ? 2 * s->room : 64;
		packs = reallocarray(s->packs, room, sizeof(*packs));
		if (!packs)
			return -ENOMEM;
		s->packs = packs;
		s->room = room;
	}
	pack = &s->packs[s->count++];
	*pack = (struct survey_pack){.id = *id, .size = (uint64_t)st.st_size};
	pack->young = st.st_mtime > s->now - s->keep_s;
	return 0;
}

static void note_condemned(struct survey *s, const struct condemned *items, size_t count)
{
	struct survey_pack *pack;

	for (size_t i = 0; i < count; i++) {
		pack = items[i].is_root ? NULL : survey_find(s, &items[i].pack);
		if (!pack)
			continue;
		pack->was_condemned = true;
		pack->since = items[i].since;
		pack->verdict = SURVEY_CONDEMNED;
	}
}

/* Going through a pack's index. */

typedef int (*each_entry)(void *arg, const struct pack_entry *entry);

/* Returns 0, EACH's answer, or what opening and reading said. */
static int for_entries(struct survey *s, const struct survey_pack *pack, each_entry each, void *arg)
{
	struct pack_entry *entries;
	struct pack *open;
	int r;

	r = store_pin_pack(s->store, &pack->id, &open);
	if (r)
		return r;
	r = pack_read_index(open, &entries);
	if (!r) {
		for (uint32_t i = 0; i < pack_count(open) && !r; i++)
			r = each(arg, &entries[i]);
		free(entries);
	}
	store_unpin_pack(s->store, open);
	return r;
}

struct counting {
	struct survey *survey;
	struct survey_pack *pack;
};

/* Of a kind that this program does not know nothing can be said: it counts as alive. */
static bool is_alive(const struct survey *s, const struct pack_entry *entry)
{
	return (entry->kind != RECORD_CHUNK && entry->kind != RECORD_PAGE) ||
	       mark_has(s->mark, entry->kind, &entry->id);
}

static int count_entry(void *arg, const struct pack_entry *entry)
{
	struct counting *c = arg;
	struct survey_pack *pack = c->pack;
	const uint64_t bytes = RECORD_HEADER_SIZE + (uint64_t)entry->stored_len;
	const bool is_page = entry->kind == RECORD_PAGE;

	pack->records++;
	pack->pages += is_page;
	pack->bytes += bytes;
	if (!is_alive(c->survey, entry))
		return 0;
	pack->live_records++;
	pack->live_pages += is_page;
	pack->live_bytes += bytes;
	return 0;
}

static int count_pack(struct survey *s, struct survey_pack *pack)
{
	struct counting c = {.survey = s, .pack = pack};
	int r;

	pack->records = pack->pages = pack->live_records = pack->live_pages = pack->bytes = pack->live_bytes = 0;
	if (pack->unreadable)
		return 0;
	r = for_entries(s, pack, count_entry, &c);
	if (r == -EBADMSG || r == -ENOTSUP || r == -EIO) {
		/* It may hold anything, so it stays, condemned or not. */
		pack->unreadable = true;
		pack->verdict = SURVEY_KEEP;
		s->unreadable++;
		r = 0;
	}
	return r;
}

/* What the kept packs of pages name. */

static int close_entry(void *arg, const struct pack_entry *entry)
{
	struct survey *s = arg;

	return entry->kind == RECORD_PAGE ? mark_page(s->mark, &entry->id, NULL, false) : 0;
}

static int close_pack(struct survey *s, struct survey_pack *pack)
{
	pack->closed = true;
	return pack->unreadable ? 0 : for_entries(s, pack, close_entry, s);
}

static bool dead_above(const struct survey_pack *pack, unsigned per_mille)
{
	/* Packs have at most 2^30 bytes. */
	return (pack->bytes - pack->live_bytes) * 1000 > pack->bytes * per_mille;
}

/* Whether PACK, which is not condemned, would be left. */
static bool is_to_leave(const struct survey_pack *pack)
{
	if (pack->young || pack->unreadable || pack->closed || pack->records == 0)
		return false;
	return dead_above(pack, pack->pages ? PAGES_DEAD_PER_MILLE : DATA_DEAD_PER_MILLE);
}

/* Whether PACK, which is condemned, holds live records that no other pack has. */
static int is_needed(const struct survey *s, const struct survey_pack *pack, bool *needed)
{
	struct pack_entry *entries;
	size_t count;
	int r;

	*needed = false;
	if (pack->live_records == 0)
		return 0;
	r = survey_needed(s, pack, &entries, &count, NULL, NULL);
	if (r)
		return r;
	*needed = count > 0;
	free(entries);
	return 0;
}

/* One look at a pack with what is alive by now.  *CHANGED where that, or what is condemned, became another. */
static int consider(struct survey *s, struct survey_pack *pack, bool *changed)
{
	bool needed;
	int r;

	r = count_pack(s, pack);
	if (r)
		return r == -ENOENT ? 0 : r;
	if (pack->verdict == SURVEY_CONDEMNED) {
		r = is_needed(s, pack, &needed);
		if (r || !needed)
			return r;
		pack->verdict = SURVEY_KEEP;
		s->reprieved++;
		*changed = true;
	}
	if (pack->closed || pack->pages == 0 || is_to_leave(pack))
		return 0;
	if (pack->live_pages < pack->pages)
		*changed = true;
	return close_pack(s, pack);
}

/* What is alive only grows, and so does the number of packs that stay: it ends. */
static int settle(struct survey *s)
{
	bool changed = true;
	int r = 0;

	s->mark->lenient = true;
	while (changed && !r) {
		changed = false;
		for (size_t i = 0; i < s->count && !r; i++)
			r = consider(s, &s->packs[i], &changed);
	}
	return r;
}

/* Copies. */

struct copies {
	const struct survey *survey;
	const struct survey_pack *pack;
	struct locator there;
};

/* Stop at a copy in a pack that stays. */
static int find_stay(void *arg, const struct locator *at)
{
	struct copies *c = arg;
	const struct survey_pack *other = survey_find(c->survey, &at->pack);

	if (!other || other == c->pack || other->unreadable || other->verdict != SURVEY_KEEP)
		return -ENOENT;
	c->there = *at;
	return 0;
}

struct needing {
	const struct survey *survey;
	const struct survey_pack *pack;
	struct pack_entry *entries;
	size_t count;
	int (*note)(void *arg, uint32_t offset, const struct locator *there);
	void *arg;
};

static int need_entry(void *arg, const struct pack_entry *entry)
{
	struct needing *n = arg;
	struct copies c = {.survey = n->survey, .pack = n->pack};
	int r;

	if (!is_alive(n->survey, entry))
		return 0;
	r = store_each_copy(n->survey->store, entry->kind, &entry->id, find_stay, &c);
	if (r == -ENOENT) {
		n->entries[n->count++] = *entry;
		return 0;
	}
	return !r && n->note ? n->note(n->arg, entry->offset, &c.there) : r;
}

static int compare_offsets(const void *a, const void *b)
{
	const struct pack_entry *x = a, *y = b;

	return x->offset < y->offset ? -1 : x->offset > y->offset;
}

int survey_needed(const struct survey *s, const struct survey_pack *pack, struct pack_entry **entries, size_t *count,
                  int (*note)(void *arg, uint32_t offset, const struct locator *there), void *arg)
{
	struct needing n = {.survey = s, .pack = pack, .note = note, .arg = arg};
	int r;

	n.entries = calloc(pack->live_records ? pack->live_records : 1, sizeof(*n.entries));
	if (!n.entries)
		return -ENOMEM;
	r = for_entries((struct survey *)s, pack, need_entry, &n);
	if (r) {
		free(n.entries);
		return r;
	}
	if (n.count)
		qsort(n.entries, n.count, sizeof(*n.entries), compare_offsets);
	*entries = n.entries;
	*count = n.count;
	return 0;
}

static int compare_smallest_first(const void *a, const void *b)
{
	const struct survey_pack *const *x = a, *const *y = b;

	return (*x)->size < (*y)->size ? -1 : (*x)->size > (*y)->size;
}

/* Leave PACK where less than half of it is alive in no other pack. */
static int leave_copy(struct survey *s, struct survey_pack *pack)
{
	struct pack_entry *entries;
	uint64_t bytes = 0;
	size_t count;
	int r;

	r = survey_needed(s, pack, &entries, &count, NULL, NULL);
	if (r)
		return r;
	for (size_t i = 0; i < count; i++)
		bytes += RECORD_HEADER_SIZE + (uint64_t)entries[i].stored_len;
	free(entries);
	/* Its pages count as alive with all below them, so that nothing is lost when it goes after all. */
	if (bytes * 2 < pack->bytes)
		pack->verdict = SURVEY_LEAVE;
	return 0;
}

/* An interrupted collection may have left packs whose records are in others, too. */
static int leave_copies(struct survey *s)
{
	struct survey_pack **packs;
	uint64_t live = 0, distinct = s->mark->pages.count + s->mark->chunks.count;
	size_t count = 0;
	int r = 0;

	packs = calloc(s->count ? s->count : 1, sizeof(struct survey_pack *));
	if (!packs)
		return -ENOMEM;
	for (size_t i = 0; i < s->count; i++) {
		const enum survey_verdict verdict = s->packs[i].verdict;

		if (verdict == SURVEY_KEEP || verdict == SURVEY_LEAVE)
			live += s->packs[i].live_records;
		if (verdict == SURVEY_KEEP && !s->packs[i].young && !s->packs[i].unreadable)
			packs[count++] = &s->packs[i];
	}
	if (live > distinct && (live - distinct) * 1000 > live * COPIES_PER_MILLE) {
		qsort(packs, count, sizeof(struct survey_pack *), compare_smallest_first);
		for (size_t i = 0; i < count && !r; i++)
			r = leave_copy(s, packs[i]);
	}
	free(packs);
	return r;
}

static void decide(struct survey *s)
{
	for (size_t i = 0; i < s->count; i++) {
		struct survey_pack *pack = &s->packs[i];

		if (pack->verdict == SURVEY_KEEP && is_to_leave(pack))
			pack->verdict = SURVEY_LEAVE;
		else if (pack->verdict == SURVEY_CONDEMNED && pack->since <= s->now - s->keep_s)
			pack->verdict = SURVEY_DELETE;
	}
}

int survey_make(struct survey *s, const struct condemned *condemned, size_t condemned_count)
{
	int r;

	r = store_each_pack(s->store, list_pack, s);
	if (!r) {
		note_condemned(s, condemned, condemned_count);
		r = settle(s);
	}
	if (!r) {
		decide(s);
		r = leave_copies(s);
	}
	return r;
}
