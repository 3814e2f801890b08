/*
 * forge STORE CASE: write a hostile dataset into a store and print its pointer file.
 *
 * The root page is sound: it lists `bad`, which leads to the forged page or chunk, and `good`, a small file.  Every
 * hash is right; what lies is what the pages say.  The format is written out by hand (revfs-format(5)), since the
 * encoders refuse.
 */
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cache/store.h"
#include "cache/wire.h"
#include "cache/writer.h"

enum { FILE_INLINE = 1, FILE_CHUNK = 1 | 1 << 4, FILE_LIST = 1 | 2 << 4, DIRECTORY = 2, LINK = 3 };

static struct store_writer *writer;

static void check(bool good, const char *what)
{
	if (!good) {
		fprintf(stderr, "forge: %s\n", what);
		exit(1);
	}
}

static void begin(struct buffer *page, unsigned kind, unsigned level, unsigned count)
{
	buffer_append(page, "RVPG", 4);
	buffer_put8(page, 1);
	buffer_put8(page, (uint8_t)kind);
	buffer_put8(page, 1);
	buffer_put8(page, 1);
	buffer_put8(page, (uint8_t)level);
	buffer_put8(page, 0);
	buffer_put16(page, (uint16_t)count);
	buffer_put32(page, 0);
}

static void put_name(struct buffer *page, const char *name, size_t len)
{
	buffer_put_varint(page, len);
	buffer_append(page, name, len);
}

static void put_inline(struct buffer *page, const char *name, unsigned kind, const char *text)
{
	put_name(page, name, strlen(name));
	buffer_put8(page, (uint8_t)kind);
	buffer_put_varint(page, strlen(text));
	buffer_put_varint(page, strlen(text));
	buffer_append(page, text, strlen(text));
}

static void put_by_id(struct buffer *page, const char *name, unsigned kind, uint64_t size, const struct id *id)
{
	put_name(page, name, strlen(name));
	buffer_put8(page, (uint8_t)kind);
	buffer_put_varint(page, size);
	buffer_put_varint(page, ID_SIZE);
	buffer_append(page, id->bytes, ID_SIZE);
}

static void put_directory(struct buffer *page, const char *name, const struct id *id, uint64_t entries, uint64_t files,
                          uint64_t bytes)
{
	put_name(page, name, strlen(name));
	buffer_put8(page, DIRECTORY);
	buffer_put_varint(page, 0);
	buffer_put_varint(page,
	                  ID_SIZE + wire_varint_size(entries) + wire_varint_size(files) + wire_varint_size(bytes));
	buffer_append(page, id->bytes, ID_SIZE);
	buffer_put_varint(page, entries);
	buffer_put_varint(page, files);
	buffer_put_varint(page, bytes);
}

static void store(unsigned kind, const void *data, size_t len, struct id *id)
{
	struct locator locator;

	id_of(data, len, id);
	check(store_writer_put(writer, kind, id, data, (uint32_t)len, (uint32_t)len, 3, &locator) == 0, "cannot write");
}

static void finish(struct buffer *page, struct id *id)
{
	check(!page->failed, "out of memory");
	store(RECORD_PAGE, page->data, page->len, id);
	buffer_release(page);
}

/* A directory of two files, NAMES in that order. */
static void two_names(const char *first, const char *second, struct id *id)
{
	struct buffer page = {0};

	begin(&page, 1, 0, 2);
	put_inline(&page, first, FILE_INLINE, "a");
	put_inline(&page, second, FILE_INLINE, "b");
	finish(&page, id);
}

/* LEVELS directories, each alone in the next. */
static void deep(unsigned levels, struct id *id)
{
	struct buffer page = {0};

	begin(&page, 1, 0, 2);
	put_inline(&page, "a", FILE_INLINE, "a");
	put_inline(&page, "b", FILE_INLINE, "b");
	finish(&page, id);
	for (unsigned i = 0; i < levels; i++) {
		begin(&page, 1, 0, 1);
		put_directory(&page, "d", id, i == 0 ? 2 : 1, 2, 2);
		finish(&page, id);
	}
}

struct forged {
	struct id id;
	bool is_file;  /* `bad` is a file of SIZE bytes by its id, else a directory */
	unsigned kind; /* of a file */
	uint64_t size;
	uint64_t entries, files, bytes; /* of a directory */
};

static bool forge_page(const char *name, struct forged *f)
{
	struct buffer page = {0};
	struct id inner;

	if (!strcmp(name, "slash")) {
		two_names("a", "b/c", &f->id);
	} else if (!strcmp(name, "parent")) {
		two_names("..", "b", &f->id);
	} else if (!strcmp(name, "unsorted")) {
		two_names("b", "a", &f->id);
	} else if (!strcmp(name, "duplicate")) {
		two_names("a", "a", &f->id);
	} else if (!strcmp(name, "empty-name")) {
		two_names("", "b", &f->id);
	} else if (!strcmp(name, "dot-git")) {
		two_names(".GIT", "b", &f->id);
	} else if (!strcmp(name, "deep")) {
		deep(1500, &f->id);
		f->entries = 1;
	} else if (!strcmp(name, "totals")) {
		two_names("a", "b", &f->id);
		f->bytes = 1000;
	} else if (!strcmp(name, "count")) {
		begin(&page, 1, 0, 2048);
		put_inline(&page, "a", FILE_INLINE, "ab");
		finish(&page, &f->id);
	} else if (!strcmp(name, "surplus")) {
		begin(&page, 1, 0, 2);
		put_inline(&page, "a", FILE_INLINE, "a");
		put_inline(&page, "b", FILE_INLINE, "b");
		buffer_append(&page, "surplus", 7);
		/* Behind the canonical part that is hashed there may be a tail; this is hashed. */
		finish(&page, &f->id);
	} else if (!strcmp(name, "kind")) {
		/* A list of chunks where a directory is promised. */
		store(RECORD_CHUNK, "chunk", 5, &inner);
		begin(&page, 3, 0, 1);
		buffer_put_varint(&page, 5);
		buffer_append(&page, inner.bytes, ID_SIZE);
		buffer_put_varint(&page, 2);
		finish(&page, &f->id);
	} else if (!strcmp(name, "last-name")) {
		/* The page above says that another name is the last. */
		two_names("a", "b", &inner);
		begin(&page, 1, 1, 2);
		put_name(&page, "c", 1);
		buffer_append(&page, inner.bytes, ID_SIZE);
		for (int i = 0; i < 3; i++)
			buffer_put_varint(&page, 2);
		put_name(&page, "d", 1);
		buffer_append(&page, inner.bytes, ID_SIZE);
		for (int i = 0; i < 3; i++)
			buffer_put_varint(&page, 2);
		finish(&page, &f->id);
		f->entries = f->files = f->bytes = 4;
	} else {
		return false;
	}
	return true;
}

static bool forge_file(const char *name, struct forged *f)
{
	static const char data[200] = "data of two hundred bytes";
	struct buffer page = {0};
	struct id inner;

	f->is_file = true;
	f->kind = FILE_CHUNK;
	if (!strcmp(name, "chunk-size")) {
		store(RECORD_CHUNK, data, sizeof(data), &f->id);
		f->size = 150;
	} else if (!strcmp(name, "list-size")) {
		store(RECORD_CHUNK, data, sizeof(data), &inner);
		begin(&page, 3, 0, 1);
		buffer_put_varint(&page, sizeof(data));
		buffer_append(&page, inner.bytes, ID_SIZE);
		buffer_put_varint(&page, 2);
		finish(&page, &f->id);
		f->kind = FILE_LIST;
		f->size = 1u << 30;
	} else if (!strcmp(name, "list-overflow")) {
		store(RECORD_CHUNK, data, sizeof(data), &inner);
		begin(&page, 3, 0, 1);
		buffer_put_varint(&page, sizeof(data));
		buffer_append(&page, inner.bytes, ID_SIZE);
		buffer_put_varint(&page, UINT64_MAX);
		finish(&page, &f->id);
		f->kind = FILE_LIST;
		f->size = 1u << 30;
	} else if (!strcmp(name, "chunk-is-page")) {
		two_names("a", "b", &f->id);
		f->size = 200;
	} else {
		return false;
	}
	return true;
}

/* A root of `bad`, as told by F, and `good`. */
static void put_root(struct store *s, const struct forged *f)
{
	struct buffer page = {0};
	char hex[ID_HEX_SIZE];
	struct id id;

	begin(&page, 1, 0, 2);
	if (f->is_file)
		put_by_id(&page, "bad", f->kind, f->size, &f->id);
	else
		put_directory(&page, "bad", &f->id, f->entries, f->files, f->bytes);
	put_inline(&page, "good", FILE_INLINE, "good\n");
	id_of(page.data, page.len, &id);
	check(store_writer_commit(writer) == 0, "cannot write");
	check(store_put_root(s, &id, page.data, (uint32_t)page.len, (uint32_t)page.len) == 0, "cannot write");
	buffer_release(&page);
	printf("revfs 1\ntype directory\nroot sha256:%s\nfiles %llu\nbytes %llu\n", id_format(&id, hex),
	       1ull + (f->is_file ? 1 : f->files), 5ull + (f->is_file ? f->size : f->bytes));
}

int main(int argc, char **argv)
{
	struct forged forged = {.entries = 2, .files = 2, .bytes = 2};
	struct store *s;

	check(argc == 3, "usage: forge STORE CASE");
	check(store_open(io_system(), argv[1], STORE_CREATE, 0, &s) == 0, "cannot open the store");
	check(store_writer_open(s, &writer) == 0, "cannot write to the store");
	check(forge_page(argv[2], &forged) || forge_file(argv[2], &forged), "no such case");
	put_root(s, &forged);
	store_writer_close(writer);
	store_close(s);
	return 0;
}
