#include "tests/support/garden.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cache/checksum.h"
#include "fs/compare.h"
#include "tests/support/scratch.h"

#define MEMORY_BUDGET (64u << 20)

static void open_source(struct garden *g)
{
	assert_int_equal(memory_open(MEMORY_BUDGET, &g->memory), 0);
	assert_int_equal(source_open(g->store, g->memory, g->writer, &g->source), 0);
}

void garden_open(struct garden *g)
{
	scratch_open();
	g->path = scratch_path("store");
	assert_int_equal(store_open(io_system(), g->path, STORE_CREATE, 0, &g->store), 0);
	assert_int_equal(store_writer_open(g->store, &g->writer), 0);
	open_source(g);
}

void garden_forget(struct garden *g)
{
	source_close(g->source);
	memory_close(g->memory);
	open_source(g);
}

void garden_close(struct garden *g)
{
	source_close(g->source);
	memory_close(g->memory);
	store_writer_close(g->writer);
	store_close(g->store);
	free(g->path);
	scratch_close();
}

struct built garden_forge(struct garden *g, struct page_encoder *e)
{
	struct buffer stored = {0};
	struct built built;
	uint32_t hashed_len;

	assert_int_equal(page_encoder_finish(e, &stored, &hashed_len, &built.id, &built.totals), 0);
	assert_int_equal(store_writer_put(g->writer, RECORD_PAGE, &built.id, stored.data, (uint32_t)stored.len,
	                                  hashed_len, 1, &built.locator),
	                 0);
	page_encoder_release(e);
	buffer_release(&stored);
	return built;
}

struct list_entry garden_chunk(struct garden *g, const void *data, uint32_t len)
{
	struct list_entry chunk = {.len = len, .count = 1};

	id_of(data, len, &chunk.id);
	assert_int_equal(store_writer_put(g->writer, RECORD_CHUNK, &chunk.id, data, len, len, 1, &chunk.locator), 0);
	return chunk;
}

struct directory garden_directory(const struct built *built)
{
	struct directory directory = {
	    .id = built->id, .locator = built->locator, .totals_known = true, .totals = built->totals};

	return directory;
}

struct entry garden_file(const char *name, unsigned seed)
{
	static const char bytes[] = "zero zero bytes that are the same in every file of the tests";
	struct entry entry = {.name = name,
	                      .name_len = (uint16_t)strlen(name),
	                      .kind = ENTRY_FILE,
	                      .inline_data = (const uint8_t *)bytes + seed % 16,
	                      .size = seed % 40};

	return entry;
}

int model_path_cmp(const char *a, const char *b)
{
	for (;; a++, b++) {
		unsigned ca = *a == '/' ? 1 : *a == '\0' ? 0 : (uint8_t)*a + 1u;
		unsigned cb = *b == '/' ? 1 : *b == '\0' ? 0 : (uint8_t)*b + 1u;

		if (ca != cb)
			return ca < cb ? -1 : 1;
		if (*a == '\0')
			return 0;
	}
}

/* The first item not below PATH in order. */
static size_t position(const struct model *m, const char *path)
{
	size_t low = 0, high = m->count;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (model_path_cmp(m->items[middle].path, path) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

bool model_is_below(const char *path, const char *above)
{
	size_t len = strlen(above);

	return strncmp(path, above, len) == 0 && path[len] == '/';
}

struct item *model_find(const struct model *m, const char *path)
{
	size_t at = position(m, path);

	return at < m->count && strcmp(m->items[at].path, path) == 0 ? &m->items[at] : NULL;
}

void model_remove(struct model *m, const char *path)
{
	size_t at = position(m, path), end = at;

	while (end < m->count && (strcmp(m->items[end].path, path) == 0 || model_is_below(m->items[end].path, path)))
		end++;
	if (end > at)
		memmove(m->items + at, m->items + end, (m->count - end) * sizeof(*m->items));
	m->count -= end - at;
}

void model_set(struct model *m, const char *path, unsigned kind, bool executable, unsigned seed)
{
	struct item item = {.kind = (uint8_t)kind, .executable = executable, .seed = seed};
	const struct item *old = model_find(m, path);
	size_t at;

	if (old && !(old->kind == ENTRY_DIRECTORY && kind == ENTRY_DIRECTORY))
		model_remove(m, path);
	else if (old)
		return;
	assert_true(strlen(path) < MODEL_PATH_MAX);
	strcpy(item.path, path);
	if (m->count == m->capacity) {
		m->capacity = m->capacity ? 2 * m->capacity : 64;
		m->items = realloc(m->items, m->capacity * sizeof(*m->items));
		assert_non_null(m->items);
	}
	at = position(m, path);
	memmove(m->items + at + 1, m->items + at, (m->count - at) * sizeof(*m->items));
	m->items[at] = item;
	m->count++;
}

void model_copy(struct model *to, const struct model *from)
{
	to->count = to->capacity = from->count;
	to->items = malloc((from->count + 1) * sizeof(*to->items));
	assert_non_null(to->items);
	if (from->count > 0)
		memcpy(to->items, from->items, from->count * sizeof(*to->items));
}

void model_release(struct model *m)
{
	free(m->items);
	memset(m, 0, sizeof(*m));
}

void model_change(struct model *m, uint64_t *random, unsigned names, unsigned contents)
{
	static const char *const endings[] = {"", "!x", ".t", ""};
	char path[MODEL_PATH_MAX] = "";
	unsigned kind = garden_random(random, 10), n = garden_random(random, names);
	const struct item *above = m->count > 0 ? &m->items[garden_random(random, (unsigned)m->count)] : NULL;

	if (above && above->kind == ENTRY_DIRECTORY && strlen(above->path) < MODEL_PATH_MAX / 2)
		snprintf(path, sizeof(path), "%.90s/%u%s", above->path, n, endings[n % 4]);
	else
		snprintf(path, sizeof(path), "%u%s", n, endings[n % 4]);
	if (garden_random(random, 3) == 0)
		model_remove(m, path);
	else
		model_set(m, path,
		          kind < 6   ? ENTRY_FILE
		          : kind < 9 ? ENTRY_DIRECTORY
		                     : ENTRY_SYMLINK,
		          kind == 0, garden_random(random, contents));
}

struct entry model_entry(const struct item *item)
{
	const char *slash = strrchr(item->path, '/');
	struct entry entry = garden_file(slash ? slash + 1 : item->path, item->seed);

	entry.kind = item->kind;
	entry.executable = item->executable;
	if (item->kind == ENTRY_DIRECTORY) {
		entry.size = 0;
		entry.inline_data = NULL;
	} else if (item->kind == ENTRY_SYMLINK && entry.size == 0) {
		entry.size = 1;
	}
	return entry;
}

/* The items from *AT on that lie below PREFIX (its length with the slash). */
static struct built plant(struct garden *g, const struct model *m, size_t *at, const char *prefix, size_t prefix_len)
{
	struct builder *b;
	struct built built;

	assert_int_equal(builder_open(g->writer, PAGE_DIRECTORY, &b), 0);
	while (*at < m->count && strncmp(m->items[*at].path, prefix, prefix_len) == 0) {
		const struct item *item = &m->items[(*at)++];
		struct entry entry = model_entry(item);

		if (item->kind == ENTRY_DIRECTORY) {
			char below[MODEL_PATH_MAX + 1];
			size_t len = (size_t)snprintf(below, sizeof(below), "%s/", item->path);
			struct built child = plant(g, m, at, below, len);

			entry.id = child.id;
			entry.locator = child.locator;
			entry.totals = child.totals;
		}
		assert_int_equal(builder_add(b, &entry), 0);
	}
	assert_int_equal(builder_finish(b, &built), 0);
	builder_close(b);
	return built;
}

struct built garden_plant(struct garden *g, const struct model *m)
{
	size_t at = 0;
	struct built built = plant(g, m, &at, "", 0);

	assert_int_equal(at, m->count);
	return built;
}

struct check {
	const struct model *model;
	size_t at;
};

static int check_entry(void *arg, const char *path, size_t path_len, const struct entry *entry)
{
	struct check *check = arg;
	const struct item *item = &check->model->items[check->at];
	struct entry expected;

	assert_true(check->at++ < check->model->count);
	assert_string_equal(path, item->path);
	assert_int_equal(path_len, strlen(item->path));
	expected = model_entry(item);
	if (item->kind == ENTRY_DIRECTORY)
		assert_int_equal(entry->kind, ENTRY_DIRECTORY);
	else
		assert_true(compare_entries_equal(entry, &expected));
	return 0;
}

void garden_assert_is(struct garden *g, const struct built *tree, const struct model *m)
{
	struct check check = {.model = m};
	struct tree_visitor visitor = {.each = check_entry, .arg = &check};
	struct directory directory = garden_directory(tree);

	assert_int_equal(tree_visit(g->source, &directory, &visitor), 0);
	assert_int_equal(check.at, m->count);
}

unsigned garden_random(uint64_t *state, unsigned below)
{
	/* Knuth's MMIX generator; its high bits are good enough here. */
	*state = *state * 6364136223846793005u + 1442695040888963407u;
	return (unsigned)((*state >> 33) % below);
}

char (*garden_names(size_t count))[16]
{
	char(*names)[16] = malloc(count * sizeof(*names));
	size_t n = 0;

	assert_non_null(names);
	for (unsigned i = 0; n < count; i++) {
		static const char digits[] = "0123456789abcdef";
		char name[16] = "00000000";
		uint64_t hash;

		for (unsigned d = 0; d < 8; d++)
			name[d] = digits[i >> (28 - 4 * d) & 15];
		hash = checksum(name, 8);
		/* Every name that closes a leaf, one in three hundred of the others. */
		if ((hash & 511) == 0 || hash >> 32 < UINT32_MAX / 300)
			memcpy(names[n++], name, sizeof(name));
	}
	return names;
}
