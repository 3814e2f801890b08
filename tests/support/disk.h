/*
 * A disk whose power can be cut: an io over a real folder that knows what was synced and can forget the rest.
 *
 * What a file held at its last fsync is durable, and the names that a folder held at its own last fsync; nothing else
 * is, not even a file's name by the file's fsync.  That is less than any file system keeps, and all that POSIX
 * promises. Thread-safe.  Aborts where the machine itself fails.
 */
#ifndef TESTS_SUPPORT_DISK_H
#define TESTS_SUPPORT_DISK_H

#include <stdbool.h>
#include <stdint.h>

#include "cache/io.h"

struct disk;

/* What is there after the power came back, of what was not synced. */
enum disk_memory {
	DISK_FORGETS_ALL, /* nothing */
	DISK_KEEPS_NAMES, /* all names, but files are emptied, filled with zeros, or torn */
	DISK_KEEPS_SOME,  /* some names and some contents, by the seed */
};

/* A disk over the folder ROOT; what is there counts as synced.  Only one disk at a time may be over a folder. */
struct disk *disk_open(const char *root);
void disk_close(struct disk *disk);

/* To be given to the code under test; borrowed. */
const struct io *disk_io(struct disk *disk);

/* How many calls changed something so far (creating opens, writes, syncs, renames, links, removals...). */
uint64_t disk_changes(struct disk *disk);

/* Cut the power at the NTH change from now on (1: the next): it is not made, and every call answers -EIO from then on.
 */
void disk_cut(struct disk *disk, uint64_t nth);
bool disk_is_cut(struct disk *disk);

/* Power on again: the folder is as MEMORY says (SEED for what is left to chance).  Open descriptors are worthless. */
void disk_restart(struct disk *disk, enum disk_memory memory, uint64_t seed);

#endif
