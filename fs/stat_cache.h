/*
 * The stat cache: what lstat(2) showed of every file of a dataset when its content was last known, so that a file that
 * still looks the same is not read again.
 *
 * One file per worktree and dataset, in the order of a walk (revfs-format(5)), read and written as streams beside it.
 * It is derived and disposable: what is damaged, missing or of another version counts as unknown, never as unchanged.
 * An entry that was young when it was recorded is `racy`: it may have changed since without a trace (git's rule), and
 * its file is to be read again.  A reader or writer belongs to one thread.
 */
#ifndef FS_STAT_CACHE_H
#define FS_STAT_CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "cache/io.h"
#include "fs/content.h"

/* How much older than the start of a run a file must be for its stamp to be believed in the next. */
#define STAT_CACHE_RACY_S 2

/* What of lstat(2) tells a change. */
struct file_stamp {
	uint64_t size;
	uint64_t ino;
	struct timespec mtime;
	struct timespec ctime;
	uint32_t mode; /* permission bits */
};

/* What ST tells. */
void file_stamp_of(const struct stat *st, struct file_stamp *stamp);

/* Whether nothing that lstat(2) shows differs. */
bool file_stamp_equal(const struct file_stamp *a, const struct file_stamp *b);

/* Whether a file of that stamp may have changed after START, when it was looked at, without a trace. */
bool file_stamp_is_racy(const struct file_stamp *stamp, const struct timespec *start);

struct stat_cache_entry {
	uint8_t kind; /* ENTRY_FILE or ENTRY_SYMLINK */
	bool racy;
	struct file_stamp stamp;
	struct content content; /* its locator is unknown */
};

struct stat_cache;

/*
 * Open the cache file PATH below DIRFD.  *ROOT is that of the tree whose content it holds, all of it; all zeros where
 * the run that wrote it recorded none, or not all.  Returns 0; -ENOENT where there is none that can be used; -ENOMEM.
 */
int stat_cache_open(const struct io *io, int dirfd, const char *path, struct stat_cache **cache, struct id *root);

/* Close and free.  NULL is ignored. */
void stat_cache_close(struct stat_cache *cache);

/*
 * Find NAME in the directory that the reader is in.  Names must come in the order of a walk: what is passed over is not
 * met again.  Returns 0 or -ENOENT.  A NULL cache has nothing.
 */
int stat_cache_find(struct stat_cache *cache, const char *name, size_t len, struct stat_cache_entry *entry);

/* Go into the directory NAME, whether the cache has it or not (then nothing will be found in it). */
void stat_cache_enter(struct stat_cache *cache, const char *name, size_t len);

/* Out of the present directory. */
void stat_cache_leave(struct stat_cache *cache);

/*
 * Whether, since the last call, something was passed over that the walk did not ask for (it is gone now), or a
 * directory was not known.  Clears the mark.
 */
bool stat_cache_differs(struct stat_cache *cache);

/* Go to the end; stat_cache_differs() then tells of the last names too. */
void stat_cache_finish(struct stat_cache *cache);

struct stat_cache_writer;

/*
 * Copy what the directory that the reader is in has before NAME (NULL: all the rest) to W, directories with all that is
 * in them.
 */
void stat_cache_copy(struct stat_cache *cache, const char *name, size_t len, struct stat_cache_writer *w);

/*
 * Begin a new cache file beside PATH below DIRFD; nothing changes there before stat_cache_writer_finish().  START is
 * when the run began.  A failing write is remembered and told at the end: a cache is never worth failing for. Returns
 * 0, -ENOMEM or -errno.
 */
int stat_cache_writer_open(const struct io *io, int dirfd, const char *path, const struct timespec *start,
                           struct stat_cache_writer **writer);

/*
 * The next entry of the walk.  What is racy stays so; for the rest the stamp tells.  An entry whose content has another
 * size than its stamp is left out.  This and the next two do nothing where W is NULL.
 */
void stat_cache_writer_add(struct stat_cache_writer *w, const char *name, size_t len,
                           const struct stat_cache_entry *entry);

/* The next directory of the walk: what follows is in it. */
void stat_cache_writer_enter(struct stat_cache_writer *w, const char *name, size_t len);

/* The end of the present directory. */
void stat_cache_writer_leave(struct stat_cache_writer *w);

/* Put the file in place, for the tree ROOT (NULL: none).  Frees the writer in any case.  Returns 0 or -errno. */
int stat_cache_writer_finish(struct stat_cache_writer *w, const struct id *root);

/* Drop it.  NULL is ignored. */
void stat_cache_writer_abort(struct stat_cache_writer *w);

#endif
