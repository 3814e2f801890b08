/*
 * Writing trees to this machine, files in parallel: for export, which writes whole places into a folder of its own, and
 * for checkout, which replaces single paths in a work tree.
 *
 *     materialise_open(&options, dirfd, &m);
 *     materialise_tree(m, "", &place);              export: everything below a directory
 *     materialise_add(m, "a/b", &place);            checkout: one path, folders on the way made
 *     materialise_finish(m, &stats);                waits for all of it
 *
 * One thread adds; the workers call back.  A path that cannot be written is told, and the others go on; only what stops
 * everything (a full disk, a read-only file system, the stop flag) ends it.  The caller removes and compares by itself:
 * nothing here ever removes a directory.
 */
#ifndef FS_MATERIALISE_H
#define FS_MATERIALISE_H

#include "fs/deposit.h"

struct materialise_options {
	const struct place_world *world; /* borrowed until finish */
	enum deposit_way way;
	unsigned threads;        /* 0: as many as CPUs */
	const atomic_bool *stop; /* may be NULL */
	/*
	 * Told of every file and link that stands (PLACE, its stat).  By any worker, several at a time.  May be NULL.
	 */
	void (*written)(void *arg, const char *path, const struct place *place, const struct deposited *result);
	/*
	 * Told of every path that does not, with the reason; CANNOT_WRITE: one of the disk, not of the store.  By any
	 * thread, one at a time.
	 */
	void (*failed)(void *arg, const char *path, int error, bool cannot_write);
	void *arg;
};

struct materialise_stats {
	uint64_t files; /* and links */
	uint64_t directories;
	uint64_t bytes; /* of files */
	uint64_t kept;  /* of the files, those that stood there already */
	uint64_t failed;
};

struct materialise;

/* Start the workers.  Everything is written below DIRFD, which need not stay open.  0, -ENOMEM, -EAGAIN, -errno. */
int materialise_open(const struct materialise_options *options, int dirfd, struct materialise **materialise);

/*
 * Write PLACE at PATH (components separated by `/`); folders on the way are made.  A directory is made, without what is
 * in it.  Returns 0, also where it was told to failed(); or what ended everything: then only finish is allowed.
 */
int materialise_add(struct materialise *m, const char *path, const struct place *place);

/*
 * Write all that is below the directory PLACE to the folder PATH ("": the one that was opened), and with
 * DEPOSIT_PRIVATE its time; pointer files are left out where their data is written.  Otherwise as materialise_add().
 */
int materialise_tree(struct materialise *m, const char *path, const struct place *place);

/* Wait for everything and free.  *STATS may be NULL.  Returns 0, or what ended everything. */
int materialise_finish(struct materialise *m, struct materialise_stats *stats);

#endif
