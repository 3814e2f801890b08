/*
 * A Git repository with a store in it and datasets whose bytes follow from numbers: what tests of whole repositories
 * share.
 *
 * A dataset is a list of numbers; number N is a file "<N / 20>/<N>" whose bytes follow from N and the dataset's salt.
 * Clock and disk of the store can be tampered with.  Everything here asserts that it works; to be called on the test's
 * own thread.
 */
#ifndef TESTS_SUPPORT_GROUND_H
#define TESTS_SUPPORT_GROUND_H

#include <stdbool.h>

#include "cache/writer.h"
#include "fs/git/repo.h"
#include "tests/support/fault.h"

#define GROUND_DAY UINT64_C(86400)

struct ground {
	char *work_tree; /* <scratch>/r */
	char *store_path;
	struct fault fault; /* of the store */
	struct repo *repo;
	struct store *store;
};

/* Make them, in a scratch folder. */
void ground_open(struct ground *g);
void ground_close(struct ground *g);

/* For cmocka: a struct ground of the test's own in *STATE, opened; and its end. */
int ground_setup(void **state);

/* The other end of ground_setup(). */
int ground_teardown(void **state);

/* Let SECONDS pass, as the store sees it. */
void ground_wait(struct ground *g, uint64_t seconds);

struct ground_dataset {
	unsigned from, to; /* numbers, TO not included */
	unsigned step;     /* 0 counts as 1 */
	unsigned salt;
};

/* Write the dataset to the store: records, packs, root.  *ROOT may be NULL.  Returns what the writer said. */
int ground_store(struct ground *g, const struct ground_dataset *dataset, struct id *root);

/* Write it and the pointer file NAME.revfs. */
struct id ground_plant(struct ground *g, const char *name, const struct ground_dataset *dataset);

/* The same, and commit it with the message NAME. */
struct id ground_commit(struct ground *g, const char *name, const struct ground_dataset *dataset);

/* Read the dataset of that root, all bytes, and compare.  0, -EINVAL for other bytes, or what reading said. */
int ground_read(struct ground *g, const struct id *root, const struct ground_dataset *dataset);

/* The bytes of file N, malloc'ed. */
uint8_t *ground_bytes(const struct ground_dataset *dataset, unsigned n, size_t *len);

/* The id of the first, or only, chunk of file N. */
struct id ground_chunk(const struct ground_dataset *dataset, unsigned n);

/* The id of the page that lists the folder of file N of the dataset of that ROOT, which begins with file 0. */
struct id ground_folder(struct ground *g, const struct id *root, unsigned n);

/* What HEAD is. */
struct oid ground_tip(void);

/* Where the first copy of a record lies. */
struct locator ground_locate(struct ground *g, unsigned kind, const struct id *id);

/* The file of a pack, malloc'ed. */
char *ground_pack_path(struct ground *g, const struct pack_id *pack);

/* Flip a bit of the file at PATH. */
void ground_flip(const char *path, uint64_t offset);

/* Damage the first copy of a record; returns where that lies. */
struct locator ground_damage(struct ground *g, unsigned kind, const struct id *id);

#endif
