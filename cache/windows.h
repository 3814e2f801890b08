/*
 * Windows: which ranges of a remote's packs are read, in one request for what lies beside each other there.
 *
 * Records lie in the order of their paths, so who reads in listing order goes through packs forward.  Such readers are
 * recognised: each range of theirs is WINDOW_GROWTH times as large as the last, up to WINDOW_MAX, and the next few are
 * read before they come to them, across the end of a pack where it is known what follows.  Bytes are given out as they
 * arrive.  What comes in no order brings its surroundings: WINDOW_RANDOM bytes a read on average, more once that proves
 * to spare requests.  What was read is kept in the cache; where that takes nothing the last few ranges stay in memory,
 * and without one what comes in no order is read exactly.  One request for a range however many ask for it.  Nothing is
 * checked here: that is for who takes records out.
 *
 * Thread-safe; no lock is held while the remote or the disk is asked.
 */
#ifndef CACHE_WINDOWS_H
#define CACHE_WINDOWS_H

#include "cache/cached.h"
#include "cache/remote.h"

struct windows;

#define WINDOW_FIRST ((size_t)256 << 10)
#define WINDOW_MAX ((size_t)8 << 20)
#define WINDOW_GROWTH 4
#define WINDOW_RANDOM ((size_t)384 << 10)
#define WINDOW_HIT ((size_t)1 << 20) /* what a read that needed no request allows the next that does */

/* For REMOTE and CACHED (borrowed; CACHED may be NULL).  0 or -ENOMEM. */
int windows_open(struct remote *remote, struct cached *cached, struct windows **windows);

/* End what is being read ahead, and free; nobody may be reading.  NULL is ignored. */
void windows_close(struct windows *windows);

/*
 * Read LEN bytes at OFFSET of PACK, which lies at PATH.  *KEPT (may be NULL) says whether they were there already.
 * Returns 0; -EBADMSG where the file ends before; -EINTR (cache/interrupt.h); errors of remote_read().
 */
int windows_read(struct windows *windows, const struct pack_id *pack, const char *path, uint64_t offset, void *data,
                 size_t len, bool *kept);

/* The same where it takes no request and no waiting; else -ENOENT. */
int windows_try(struct windows *windows, const struct pack_id *pack, const char *path, uint64_t offset, void *data,
                size_t len);

/*
 * Say that who has read PACK up to END goes on at BEGIN of NEXT, which lies at PATH: what is known from elsewhere, and
 * may be wrong.
 */
void windows_follow(struct windows *windows, const struct pack_id *pack, uint64_t end, const struct pack_id *next,
                    const char *path, uint64_t begin);

/* Say that one read takes all from BEGIN to END of PACK, in several calls: what of that is missing is asked for at
 * once, and by themselves they are neither in order nor hits. */
void windows_reach(struct windows *windows, const struct pack_id *pack, uint64_t begin, uint64_t end);

/* Forget LEN bytes at OFFSET of PACK: what was taken from there was wrong. */
void windows_forget(struct windows *windows, const struct pack_id *pack, uint64_t offset, size_t len);

#endif
