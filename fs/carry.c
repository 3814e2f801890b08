#include "fs/carry.h"

#include "fs/name.h"

/*
 * The last page of a level did not close by its names: what follows it would belong to it, so it is taken by reference
 * only at the end.
 */
int carry_until(struct builder *b, struct descent *d, const char *name, size_t len)
{
	while (d->depth > 0 && descent_settle(d)) {
		const struct page *page = descent_page(d);
		struct reference reference;
		struct entry entry;
		size_t key_len;
		const char *key = page_name(page, descent_next(d), &key_len);
		bool before = !name || name_cmp(key, key_len, name, len) < 0;
		int r;

		if (page->level == 0) {
			if (!before)
				return 0;
			page_entry(page, descent_next(d), &entry);
			r = builder_add(b, &entry);
			descent_pass(d);
		} else if (before && builder_at_boundary(b, page->level - 1u) && (!name || !descent_on_right_edge(d))) {
			page_reference(page, descent_next(d), &reference);
			r = builder_add_page(b, page->level - 1u, &reference);
			descent_pass(d);
		} else {
			r = descent_enter(d);
		}
		if (r < 0)
			return r;
	}
	return 0;
}

bool carry_found(const struct descent *d, const char *name, size_t len, struct entry *entry)
{
	const struct page *page = d->depth > 0 ? descent_page(d) : NULL;

	if (!page || descent_next(d) == page->count)
		return false;
	page_entry(page, descent_next(d), entry);
	return name_cmp(entry->name, entry->name_len, name, len) == 0;
}
