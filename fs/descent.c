#include "fs/descent.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "cache/aside.h"
#include "fs/name.h"

/* What only the root must be: no needless level, and a list of what would be one chunk is no list. */
static bool root_fits(const struct page *page)
{
	struct list_entry only;

	if (page->level > 0)
		return page->count >= 2;
	if (page->kind != PAGE_LIST || page->count > 1)
		return true;
	page_list_entry(page, 0, &only);
	return only.count >= 2;
}

int descent_open(struct descent *d, struct source *s, enum page_kind kind, const struct id *id,
                 const struct locator *hint, bool is_root)
{
	struct page_pin pin = {0};
	int r = is_root ? source_pin_root(s, kind, id, &pin) : source_pin_page(s, kind, id, hint, &pin);

	memset(d, 0, sizeof(*d));
	if (r < 0)
		return r;
	if (!root_fits(pin.page)) {
		source_unpin_page(s, &pin);
		return -EBADMSG;
	}
	d->source = s;
	d->depth = 1;
	d->levels[0].pin = pin;
	return 0;
}

static void leave(struct descent *d)
{
	source_unpin_page(d->source, &d->levels[--d->depth].pin);
}

void descent_close(struct descent *d)
{
	while (d->depth > 0)
		leave(d);
}

const struct page *descent_root(const struct descent *d)
{
	assert(d->depth > 0);
	return d->levels[0].pin.page;
}

const struct page *descent_page(const struct descent *d)
{
	assert(d->depth > 0);
	return d->levels[d->depth - 1].pin.page;
}

unsigned descent_next(const struct descent *d)
{
	assert(d->depth > 0);
	return d->levels[d->depth - 1].next;
}

bool descent_at_leaf(const struct descent *d)
{
	return descent_page(d)->level == 0;
}

/* The key behind which everything from here on must lie: that of the nearest reference before the way down, or NULL. */
static const char *lower_bound(const struct descent *d, size_t *len)
{
	for (unsigned i = d->depth; i > 0; i--)
		if (d->levels[i - 1].next > 0)
			return page_name(d->levels[i - 1].pin.page, d->levels[i - 1].next - 1, len);
	return NULL;
}

bool descent_on_right_edge(const struct descent *d)
{
	for (unsigned i = 0; i < d->depth; i++)
		if (d->levels[i].next + 1 < d->levels[i].pin.page->count)
			return false;
	return true;
}

/* Names go on behind BOUND; in lists two equal chunks would have been merged. */
static bool begins_behind(const struct page *page, const char *bound, size_t bound_len)
{
	size_t len;
	const char *first = page_name(page, 0, &len);

	if (page->kind == PAGE_LIST)
		return page->level > 0 || memcmp(first, bound, ID_SIZE) != 0;
	return name_cmp(first, len, bound, bound_len) > 0;
}

static bool child_fits(const struct descent *d, const struct reference *reference, const struct page *child)
{
	size_t len, bound_len;
	const char *last, *bound = lower_bound(d, &bound_len);

	if (child->level + 1 != descent_page(d)->level || child->count == 0)
		return false;
	last = page_name(child, child->count - 1u, &len);
	if (len != reference->last_len || memcmp(last, reference->last, len) != 0)
		return false;
	if (!totals_equal(&child->totals, &reference->totals))
		return false;
	if (!descent_on_right_edge(d) && !page_closes(last, len, child->level, child->count))
		return false;
	return !bound || begins_behind(child, bound, bound_len);
}

int descent_enter(struct descent *d)
{
	const struct page *page = descent_page(d);
	struct reference reference;
	struct page_pin pin = {0};
	int r;

	assert(page->level > 0 && d->depth < PAGE_LEVELS_MAX);
	page_reference(page, descent_next(d), &reference);
	r = source_pin_page(d->source, page->kind, &reference.id, &reference.locator, &pin);
	if (r < 0)
		return r;
	if (!child_fits(d, &reference, pin.page)) {
		source_unpin_page(d->source, &pin);
		return -EBADMSG;
	}
	d->levels[d->depth].pin = pin;
	d->levels[d->depth].next = 0;
	d->depth++;
	return 0;
}

void descent_prepare_next(const struct descent *d)
{
	const struct descent_level *above = d->depth > 1 ? &d->levels[d->depth - 2] : NULL;
	struct page_pin pin = {0};
	struct reference next;

	if (!above || !descent_at_leaf(d) || above->next + 1u >= above->pin.page->count || !ticket_held())
		return;
	page_reference(above->pin.page, above->next + 1, &next);
	/* How it ends is told when it is needed. */
	if (!source_pin_page(d->source, above->pin.page->kind, &next.id, &next.locator, &pin))
		source_unpin_page(d->source, &pin);
}

void descent_pass(struct descent *d)
{
	assert(descent_next(d) < descent_page(d)->count);
	d->levels[d->depth - 1].next++;
}

bool descent_pass_page(struct descent *d, const struct id *id)
{
	for (unsigned i = d->depth; i > 0 && d->levels[i - 1].next == 0; i--) {
		const struct page *page = d->levels[i - 1].pin.page;

		if (!id_equal(&page->id, id))
			continue;
		while (d->depth > i)
			leave(d);
		d->levels[i - 1].next = page->count;
		return true;
	}
	return false;
}

bool descent_settle(struct descent *d)
{
	while (descent_next(d) == descent_page(d)->count) {
		if (d->depth == 1)
			return false;
		leave(d);
		descent_pass(d);
	}
	return true;
}

int descent_to_leaf(struct descent *d)
{
	if (!descent_settle(d))
		return -ENOENT;
	while (!descent_at_leaf(d)) {
		int r = descent_enter(d);

		if (r < 0)
			return r;
	}
	return 0;
}

/* Down from the root to the leaf, each page searched by NAME or, where that is NULL, by POSITION. */
static int seek(struct descent *d, const char *name, size_t len, uint64_t position)
{
	while (d->depth > 1)
		leave(d);
	for (;;) {
		const struct page *page = descent_page(d);
		unsigned next = name ? page_search(page, name, len) : page_search_position(page, position);
		int r;

		d->levels[d->depth - 1].next = next;
		/* Below the root it cannot happen: the page ends where its reference says. */
		if (next == page->count)
			return -ENOENT;
		if (page->level == 0)
			return 0;
		position -= page_before(page, next);
		r = descent_enter(d);
		if (r < 0)
			return r;
	}
}

int descent_seek_name(struct descent *d, const char *name, size_t len)
{
	return seek(d, name, len, 0);
}

int descent_seek_position(struct descent *d, uint64_t position)
{
	return seek(d, NULL, 0, position);
}

uint64_t descent_position(const struct descent *d)
{
	uint64_t position = 0;

	for (unsigned i = 0; i < d->depth; i++)
		position += page_before(d->levels[i].pin.page, d->levels[i].next);
	return position;
}
