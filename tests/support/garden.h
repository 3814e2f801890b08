/*
 * A store with a source, and trees in it: what the tests of directories share.
 *
 * A model is a tree as a sorted list of paths, simple enough to be believed; garden_plant() builds it from nothing.
 * Everything here asserts that it works; to be called on the test's own thread.
 */
#ifndef TESTS_SUPPORT_GARDEN_H
#define TESTS_SUPPORT_GARDEN_H

#include "fs/build.h"
#include "fs/edit.h"

struct garden {
	char *path;
	struct store *store;
	struct store_writer *writer;
	struct memory *memory;
	struct source *source;
};

void garden_open(struct garden *g);
void garden_close(struct garden *g);

/* Drop what memory holds, and count pages from 0. */
void garden_forget(struct garden *g);

/* Store a page as an attacker would: whatever the encoder was given, under its right hash.  Releases the encoder. */
struct built garden_forge(struct garden *g, struct page_encoder *e);

/* Store a chunk of LEN bytes. */
struct list_entry garden_chunk(struct garden *g, const void *data, uint32_t len);

/* A directory as a parent would name it. */
struct directory garden_directory(const struct built *built);

/* A file of a few inline bytes that follow from SEED; NAME is borrowed. */
struct entry garden_file(const char *name, unsigned seed);

#define MODEL_PATH_MAX 120

struct item {
	char path[MODEL_PATH_MAX];
	uint8_t kind; /* file, directory, symlink */
	bool executable;
	unsigned seed;
};

struct model {
	struct item *items; /* sorted as a walk meets them */
	size_t count;
	size_t capacity;
};

/* memcmp order with `/` below every other byte: that of a walk. */
int model_path_cmp(const char *a, const char *b);

/* Add or replace; what stood below a path that is no directory now goes. */
void model_set(struct model *m, const char *path, unsigned kind, bool executable, unsigned seed);
void model_remove(struct model *m, const char *path); /* with what is below it */
struct item *model_find(const struct model *m, const char *path);
void model_copy(struct model *to, const struct model *from);
void model_release(struct model *m);

/* Add, replace or remove something at random: its name is one of NAMES, with few endings, there or in a directory; its
 * content one of CONTENTS. */
void model_change(struct model *m, uint64_t *random, unsigned names, unsigned contents);

/* Whether PATH lies below the directory ABOVE. */
bool model_is_below(const char *path, const char *above);

/* The entry that an item is; directories get neither id nor totals. */
struct entry model_entry(const struct item *item);

/* Build the whole tree from nothing. */
struct built garden_plant(struct garden *g, const struct model *m);

/* Whether the tree holds exactly what the model does; reads all of it. */
void garden_assert_is(struct garden *g, const struct built *tree, const struct model *m);

/* Numbers that look random and are the same everywhere. */
unsigned garden_random(uint64_t *state, unsigned below);

/*
 * COUNT names, increasing, chosen so that pages close early and trees of a few ten thousand names have three levels.
 * malloc'ed; 16 bytes each with the NUL byte.
 */
char (*garden_names(size_t count))[16];

#endif
