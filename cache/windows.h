/*
 * Windows: ranges of a remote's packs, read in one request for what follows each other there.
 *
 * Records lie in the order of their paths, so who reads in listing order goes through packs forward.  Such readers are
 * recognised, and each request of theirs that is not in a window brings more than it asks for, twice as much each time
 * up to WINDOW_MAX; what comes in no order is read exactly.  One request for a range however many ask for it.  Holds at
 * most WINDOWS ranges in memory.  Nothing is checked here: that is for who takes records out.
 *
 * Thread-safe; no lock is held while the remote is asked.
 */
#ifndef CACHE_WINDOWS_H
#define CACHE_WINDOWS_H

#include "cache/id.h"
#include "cache/remote.h"

struct windows;

#define WINDOWS 8
#define WINDOW_FIRST ((size_t)128 << 10)
#define WINDOW_MAX ((size_t)8 << 20)

/* For REMOTE (borrowed).  0 or -ENOMEM. */
int windows_open(struct remote *remote, struct windows **windows);

/* Free; nobody may be reading.  NULL is ignored. */
void windows_close(struct windows *windows);

/*
 * Read LEN bytes at OFFSET of PACK, which lies at PATH.  Returns 0; -EBADMSG where the file ends before; -EINTR
 * (cache/interrupt.h) while another thread reads; errors of remote_read().
 */
int windows_read(struct windows *windows, const struct pack_id *pack, const char *path, uint64_t offset, void *data,
                 size_t len);

/* Forget the window that has the byte at OFFSET of PACK: what was taken out of it was wrong. */
void windows_forget(struct windows *windows, const struct pack_id *pack, uint64_t offset);

#endif
