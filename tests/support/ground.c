#include "tests/support/ground.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "cache/chunker.h"
#include "fs/build.h"
#include "fs/content.h"
#include "fs/pointer.h"
#include "tests/support/damage.h"
#include "tests/support/sample.h"
#include "tests/support/scratch.h"

#define FOLDER_FILES 20
#define MEMORY_BUDGET (16u << 20)

void ground_open(struct ground *g)
{
	memset(g, 0, sizeof(*g));
	scratch_open_in_memory();
	scratch_sh("git init -q -b main r && git -C r commit -q --allow-empty -m first");
	g->work_tree = scratch_path("r");
	g->store_path = scratch_path("r/.git/revfs");
	assert_int_equal(repo_open(g->work_tree, REPO_ANY, &g->repo, NULL), 0);
	fault_init(&g->fault, sample_io());
	assert_int_equal(store_open(&g->fault.io, g->store_path, STORE_CREATE, 0, &g->store), 0);
}

void ground_close(struct ground *g)
{
	store_close(g->store);
	repo_close(g->repo);
	free(g->store_path);
	free(g->work_tree);
	scratch_close();
}

void ground_wait(struct ground *g, uint64_t seconds)
{
	g->fault.clock_ns += seconds * UINT64_C(1000000000);
}

/* One in ten is a list of several chunks, one in ten is inline. */
uint8_t *ground_bytes(const struct ground_dataset *dataset, unsigned n, size_t *len)
{
	uint8_t *bytes;

	*len = n % 10 == 3 ? 150000 + n : n % 10 == 7 ? n % 100 : 200 + n * 37 % 2000;
	bytes = malloc(*len + 1);
	assert_non_null(bytes);
	damage_noise((uint64_t)dataset->salt << 32 | n, bytes, *len);
	return bytes;
}

struct planting {
	struct store_writer *writer;
	struct source *source;
	const struct ground_dataset *dataset;
	unsigned n; /* the next number */
};

static unsigned step_of(const struct ground_dataset *dataset)
{
	return dataset->step ? dataset->step : 1;
}

static int add_chunk(struct planting *p, struct content_builder *content, const uint8_t *data, size_t len)
{
	struct list_entry chunk = {.len = (uint32_t)len, .count = 1};
	int r;

	id_of(data, len, &chunk.id);
	r = store_writer_put(p->writer, RECORD_CHUNK, &chunk.id, data, chunk.len, chunk.len, 1, &chunk.locator);
	return r ? r : content_builder_add(content, &chunk);
}

static int add_contents(struct planting *p, const uint8_t *bytes, size_t len, struct entry *entry)
{
	struct content_builder builder;
	struct content content;
	int r = 0;

	content_builder_init(&builder, p->writer);
	for (size_t at = 0, cut; at < len && !r; at += cut) {
		cut = chunker_cut(bytes + at, len - at, true);
		r = add_chunk(p, &builder, bytes + at, cut);
	}
	if (!r)
		r = content_builder_finish(&builder, &content);
	content_builder_release(&builder);
	entry->form = content.form;
	entry->id = content.id;
	entry->locator = content.locator;
	return r;
}

static int add_file(struct planting *p, struct builder *builder)
{
	char name[16];
	size_t len;
	uint8_t *bytes = ground_bytes(p->dataset, p->n, &len);
	struct entry entry = {.kind = ENTRY_FILE, .size = len, .name = name, .inline_data = bytes};
	int r = 0;

	entry.name_len = (uint16_t)snprintf(name, sizeof(name), "%06u", p->n);
	if (len > PAGE_INLINE_MAX)
		r = add_contents(p, bytes, len, &entry);
	if (!r)
		r = builder_add(builder, &entry);
	p->n += step_of(p->dataset);
	free(bytes);
	return r;
}

static int add_folder(struct planting *p, struct builder *top)
{
	const unsigned folder = p->n / FOLDER_FILES;
	struct builder *builder;
	struct built built;
	char name[16];
	struct entry entry = {.kind = ENTRY_DIRECTORY, .name = name};
	int r = builder_open(p->writer, PAGE_DIRECTORY, &builder);

	if (r)
		return r;
	while (!r && p->n < p->dataset->to && p->n / FOLDER_FILES == folder)
		r = add_file(p, builder);
	if (!r)
		r = builder_finish(builder, &built);
	builder_close(builder);
	if (r)
		return r;
	entry.name_len = (uint16_t)snprintf(name, sizeof(name), "%06u", folder);
	entry.id = built.id;
	entry.locator = built.locator;
	entry.totals = built.totals;
	return builder_add(top, &entry);
}

static int plant(struct ground *g, struct planting *p, struct built *built)
{
	struct builder *top;
	int r = builder_open(p->writer, PAGE_DIRECTORY, &top);

	if (r)
		return r;
	while (!r && p->n < p->dataset->to)
		r = add_folder(p, top);
	if (!r)
		r = builder_finish(top, built);
	builder_close(top);
	if (!r)
		r = store_writer_commit(p->writer);
	return r ? r : builder_put_root(g->store, p->writer, built);
}

static int store_it(struct ground *g, const struct ground_dataset *dataset, struct built *built)
{
	struct planting p = {.dataset = dataset, .n = dataset->from};
	int r = store_writer_open(g->store, &p.writer);

	if (r)
		return r;
	r = plant(g, &p, built);
	store_writer_close(p.writer);
	return r;
}

int ground_store(struct ground *g, const struct ground_dataset *dataset, struct id *root)
{
	struct built built;
	int r = store_it(g, dataset, &built);

	if (!r && root)
		*root = built.id;
	return r;
}

struct id ground_plant(struct ground *g, const char *name, const struct ground_dataset *dataset)
{
	struct pointer pointer = {0};
	struct built built;
	char text[POINTER_TEXT_MAX], *path;
	size_t len;
	int fd;

	assert_int_equal(store_it(g, dataset, &built), 0);
	pointer.root = built.id;
	pointer.files = built.totals.files;
	pointer.bytes = built.totals.bytes;
	len = pointer_format(&pointer, text);
	assert_true(asprintf(&path, "%s/%s.revfs", g->work_tree, name) > 0);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, len), len);
	close(fd);
	free(path);
	return built.id;
}

struct id ground_commit(struct ground *g, const char *name, const struct ground_dataset *dataset)
{
	struct id root = ground_plant(g, name, dataset);

	scratch_sh("cd r && git add -- '%s.revfs' && git commit -q -m '%s'", name, name);
	return root;
}

struct reading {
	struct source *source;
	const struct ground_dataset *dataset;
	unsigned n;
};

static int read_file(void *arg, const char *path, size_t path_len, const struct entry *entry)
{
	struct reading *reading = arg;
	char expected[32];
	struct content content;
	uint8_t *bytes, *read;
	size_t len;
	ssize_t got;

	(void)path_len;
	if (entry->kind == ENTRY_DIRECTORY)
		return 0;
	snprintf(expected, sizeof(expected), "%06u/%06u", reading->n / FOLDER_FILES, reading->n);
	bytes = ground_bytes(reading->dataset, reading->n, &len);
	reading->n += step_of(reading->dataset);
	read = malloc(len + 1);
	assert_non_null(read);
	got = content_of(entry, &content);
	if (got == 0)
		got = content_read(reading->source, &content, read, len + 1, 0);
	if (got >= 0)
		got = strcmp(path, expected) || (size_t)got != len || memcmp(read, bytes, len) ? -EINVAL : 0;
	free(read);
	free(bytes);
	return (int)got;
}

int ground_read(struct ground *g, const struct id *root, const struct ground_dataset *dataset)
{
	struct reading reading = {.dataset = dataset, .n = dataset->from};
	const struct tree_visitor visitor = {.each = read_file, .arg = &reading};
	struct directory directory = {.id = *root, .is_root = true};
	struct memory *memory;
	int r;

	assert_int_equal(memory_open(MEMORY_BUDGET, &memory), 0);
	assert_int_equal(source_open(g->store, memory, NULL, &reading.source), 0);
	r = tree_visit(reading.source, &directory, &visitor);
	if (!r && reading.n < dataset->to)
		r = -EINVAL;
	source_close(reading.source);
	memory_close(memory);
	return r;
}

struct id ground_chunk(const struct ground_dataset *dataset, unsigned n)
{
	size_t len;
	uint8_t *bytes = ground_bytes(dataset, n, &len);
	struct id id;

	assert_true(len > PAGE_INLINE_MAX);
	id_of(bytes, chunker_cut(bytes, len, true), &id);
	free(bytes);
	return id;
}

struct id ground_folder(struct ground *g, const struct id *root, unsigned n)
{
	struct record record;
	struct entry entry;
	struct page *page;
	size_t size;

	assert_int_equal(store_read_root(g->store, root, &record), 0);
	assert_int_equal(page_decode(root, &record, &page, &size), 0);
	page_entry(page, n / 20, &entry);
	assert_int_equal(entry.kind, ENTRY_DIRECTORY);
	free(page);
	free(record.data);
	return entry.id;
}

struct oid ground_tip(void)
{
	char *hex = scratch_output("git -C r rev-parse HEAD");
	struct oid tip;

	assert_int_equal(oid_parse(hex, strlen(hex), &tip), 0);
	free(hex);
	return tip;
}

static int take_locator(void *arg, const struct locator *at)
{
	*(struct locator *)arg = *at;
	return 0;
}

struct locator ground_locate(struct ground *g, unsigned kind, const struct id *id)
{
	struct locator at;

	assert_int_equal(store_each_copy(g->store, kind, id, take_locator, &at), 0);
	return at;
}

char *ground_pack_path(struct ground *g, const struct pack_id *pack)
{
	char hex[PACK_ID_HEX_SIZE], *path;

	pack_id_format(pack, hex);
	assert_true(asprintf(&path, "%s/packs/%.2s/%s", g->store_path, hex, hex) > 0);
	return path;
}

void ground_flip(const char *path, uint64_t offset)
{
	uint8_t byte;
	int fd;

	assert_int_equal(chmod(path, 0644), 0);
	fd = open(path, O_RDWR | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(pread(fd, &byte, 1, (off_t)offset), 1);
	byte ^= 0x10;
	assert_int_equal(pwrite(fd, &byte, 1, (off_t)offset), 1);
	close(fd);
}

struct locator ground_damage(struct ground *g, unsigned kind, const struct id *id)
{
	struct locator at = ground_locate(g, kind, id);
	char *path = ground_pack_path(g, &at.pack);

	ground_flip(path, at.offset + RECORD_HEADER_SIZE + 3);
	free(path);
	store_refresh(g->store);
	return at;
}

int ground_setup(void **state)
{
	struct ground *g = calloc(1, sizeof(*g));

	assert_non_null(g);
	ground_open(g);
	*state = g;
	return 0;
}

int ground_teardown(void **state)
{
	ground_close(*state);
	free(*state);
	return 0;
}
