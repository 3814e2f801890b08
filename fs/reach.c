#include "fs/reach.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cache/checksum.h"

/*
 * Records are known by 64 bits of a checksum that begins with random bytes: ids chosen to have equal ones cannot be
 * made without knowing these.
 */
struct slot {
	uint64_t print; /* 0: free */
	uint32_t stored_len;
};

/* A page still to be entered. */
struct pending {
	struct id id;
	struct locator locator;
	uint8_t kind; /* enum page_kind */
	bool is_root;
};

struct reach {
	struct source *source;
	struct slot *slots;
	size_t size; /* a power of two, or 0 */
	size_t count;
	struct pending *stack;
	size_t depth;
	size_t capacity;
	uint8_t key[16];
};

static uint64_t print_of(const struct reach *reach, unsigned kind, const struct id *id)
{
	uint8_t bytes[ID_SIZE + 1];
	uint64_t print;

	memcpy(bytes, id->bytes, ID_SIZE);
	bytes[ID_SIZE] = (uint8_t)kind;
	print = checksum_two(reach->key, sizeof(reach->key), bytes, sizeof(bytes));
	return print ? print : 1;
}

/* The slot that has PRINT, or the free one where it belongs. */
static struct slot *slot_of(struct slot *slots, size_t size, uint64_t print)
{
	size_t at = (size_t)print & (size - 1);

	while (slots[at].print && slots[at].print != print)
		at = (at + 1) & (size - 1);
	return &slots[at];
}

static int grow(struct reach *reach)
{
	size_t size = reach->size ? 2 * reach->size : 1024;
	struct slot *slots = calloc(size, sizeof(*slots));

	if (!slots)
		return -ENOMEM;
	for (size_t i = 0; i < reach->size; i++)
		if (reach->slots[i].print)
			*slot_of(slots, size, reach->slots[i].print) = reach->slots[i];
	free(reach->slots);
	reach->slots = slots;
	reach->size = size;
	return 0;
}

/* What a record takes.  Its locator tells; where there is none (a root, a damaged tail), the store is asked. */
static int stored_len_of(struct reach *reach, unsigned kind, const struct id *id, const struct locator *locator,
                         uint32_t *stored_len)
{
	struct locator found = *locator;
	int r;

	if (!found.offset) {
		struct store *store = source_store(reach->source);

		r = store ? store_find(store, kind, id, &found, NULL) : -ENOENT;
		if (r)
			return r == -ENOENT ? -ENODATA : r;
	}
	if (__builtin_add_overflow(found.stored_len, RECORD_HEADER_SIZE, stored_len))
		return -EBADMSG;
	return 0;
}

/* Note a record, and tell it where it IS_NEW. */
static int meet(struct reach *reach, unsigned kind, const struct id *id, const struct locator *locator, reach_each each,
                void *arg, bool *is_new)
{
	uint32_t stored_len;
	struct slot *slot;
	int r;

	if (4 * (reach->count + 1) > 3 * reach->size) {
		r = grow(reach);
		if (r)
			return r;
	}
	slot = slot_of(reach->slots, reach->size, print_of(reach, kind, id));
	*is_new = !slot->print;
	if (slot->print)
		return 0;
	r = stored_len_of(reach, kind, id, locator, &stored_len);
	if (r)
		return r;
	*slot = (struct slot){print_of(reach, kind, id), stored_len};
	reach->count++;
	return each(arg, kind, id, stored_len);
}

static int push(struct reach *reach, uint8_t kind, const struct id *id, const struct locator *locator, bool is_root)
{
	if (reach->depth == reach->capacity) {
		size_t capacity = reach->capacity ? 2 * reach->capacity : 256;
		struct pending *stack = realloc(reach->stack, capacity * sizeof(*stack));

		if (!stack)
			return -ENOMEM;
		reach->stack = stack;
		reach->capacity = capacity;
	}
	reach->stack[reach->depth++] = (struct pending){*id, *locator, kind, is_root};
	return 0;
}

/* What a file's content names. */
static int name_content(struct reach *reach, uint8_t form, const struct id *id, const struct locator *locator,
                        reach_each each, void *arg)
{
	bool is_new;

	switch (form) {
	case CONTENT_CHUNK:
		return meet(reach, RECORD_CHUNK, id, locator, each, arg, &is_new);
	case CONTENT_LIST:
		return push(reach, PAGE_LIST, id, locator, false);
	default:
		return 0;
	}
}

/* What item I of PAGE names; what is broken is not followed. */
static int name_item(struct reach *reach, const struct page *page, unsigned i, reach_each each, void *arg)
{
	struct page_named named;
	bool is_new;

	page_named(page, i, &named);
	if (named.broken)
		return 0;
	switch (named.what) {
	case NAMES_PAGE:
		return push(reach, named.kind, &named.id, &named.locator, false);
	case NAMES_CHUNK:
		return meet(reach, RECORD_CHUNK, &named.id, &named.locator, each, arg, &is_new);
	default:
		return 0;
	}
}

/* Enter one page, unless it was met before. */
static int enter(struct reach *reach, const struct pending *pending, reach_each each, void *arg)
{
	struct page_pin pin;
	bool is_new;
	int r = meet(reach, RECORD_PAGE, &pending->id, &pending->locator, each, arg, &is_new);

	if (r || !is_new)
		return r;
	r = pending->is_root ? source_pin_root(reach->source, pending->kind, &pending->id, &pin)
	                     : source_pin_page(reach->source, pending->kind, &pending->id, &pending->locator, &pin);
	if (r)
		return r;
	/* The first goes on top, so that pages are read in the order in which they were written. */
	for (unsigned i = pin.page->count; !r && i > 0; i--)
		r = name_item(reach, pin.page, i - 1, each, arg);
	source_unpin_page(reach->source, &pin);
	return r;
}

/* Enter all pages that are pending. */
static int enter_all(struct reach *reach, reach_each each, void *arg)
{
	struct pending pending;
	int r = 0;

	while (!r && reach->depth) {
		pending = reach->stack[--reach->depth];
		r = enter(reach, &pending, each, arg);
	}
	reach->depth = 0;
	return r;
}

int reach_root(struct reach *reach, const struct pointer *pointer, reach_each each, void *arg)
{
	const struct locator unknown = {.offset = 0};
	int r = push(reach, pointer->is_file ? PAGE_FILE : PAGE_DIRECTORY, &pointer->root, &unknown, true);

	return r ? r : enter_all(reach, each, arg);
}

int reach_directory(struct reach *reach, const struct directory *directory, reach_each each, void *arg)
{
	int r = push(reach, PAGE_DIRECTORY, &directory->id, &directory->locator, directory->is_root);

	return r ? r : enter_all(reach, each, arg);
}

int reach_content(struct reach *reach, const struct content *content, reach_each each, void *arg)
{
	int r = name_content(reach, content->form, &content->id, &content->locator, each, arg);

	return r ? r : enter_all(reach, each, arg);
}

uint32_t reach_stored_len(const struct reach *reach, unsigned kind, const struct id *id)
{
	return reach->size ? slot_of(reach->slots, reach->size, print_of(reach, kind, id))->stored_len : 0;
}

int reach_open(struct source *source, struct reach **reach)
{
	struct reach *opened = calloc(1, sizeof(*opened));

	if (!opened)
		return -ENOMEM;
	opened->source = source;
	io_random(io_system(), opened->key, sizeof(opened->key));
	*reach = opened;
	return 0;
}

void reach_close(struct reach *reach)
{
	if (!reach)
		return;
	free(reach->slots);
	free(reach->stack);
	free(reach);
}
