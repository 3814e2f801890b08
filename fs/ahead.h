/*
 * Expanding ahead of who reads the files of a folder in the order in which it lists them, or lists folders in order.
 *
 * A few files behind one another are taken for such a reader, and a thread of its own then expands into the memory what
 * comes next; other orders cost nothing.  Of folders it is their pages: they say where the files lie, which is known
 * then long before these are read.  The thread begins with the first such reader.  It logs nothing: who reads
 * what cannot be expanded meets the error himself.  Thread-safe.
 */
#ifndef FS_AHEAD_H
#define FS_AHEAD_H

#include <stdint.h>

#include "fs/spot.h"

/* About how much is expanded before the reader asks for it, and at most how many files or folders. */
#define AHEAD_BYTES (1u << 20)
#define AHEAD_FILES 32

/* After so many files in order a reader is followed. */
#define AHEAD_STEPS 3

struct ahead;

/* Expand from WORLD what SPOTS know (both borrowed).  Returns 0 or -ENOMEM. */
int ahead_open(const struct place_world *world, struct spots *spots, struct ahead **ahead);

/* End the thread and free.  NULL is ignored. */
void ahead_close(struct ahead *ahead);

/*
 * Say that somebody begins to read the file of rank RANK in the directory PARENT (a node id) of a dataset; ranks as
 * place_each_child() tells them.
 */
void ahead_note(struct ahead *ahead, uint64_t parent, uint64_t rank);

/* The same of somebody who begins to list the folder of rank RANK in the directory PARENT. */
void ahead_note_folder(struct ahead *ahead, uint64_t parent, uint64_t rank);

#endif
