/*
 * A store: durable packs and roots in one folder, the same layout here and on every remote (revfs-format(5)).
 *
 *     revfs-store            version and required features
 *     packs/AA/<pack id>     packs; AA the first two digits
 *     packs/AA/<pack id>.moved
 *     roots/AA/<root id>     root pages
 *     condemned/<gc id>      what a garbage collection is about to delete
 *     lock, tmp/, hints/     this machine's: lock file, unfinished files, derived look-up files
 *
 * Thread-safe.  Reading holds no lock across I/O.  Writing is the job of a store_writer (cache/writer.h).
 */
#ifndef CACHE_STORE_H
#define CACHE_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "cache/condemned.h"
#include "cache/id.h"
#include "cache/io.h"
#include "cache/moved.h"
#include "cache/pack.h"
#include "cache/record.h"

struct store;

enum store_flags {
	STORE_CREATE = 1,    /* make what is missing */
	STORE_READ_ONLY = 2, /* never write, not even derived files */
};

#define STORE_VERSION_FILE "revfs-store"
#define STORE_VERSION_TEXT "revfs-store 1.0\n"
#define STORE_VERSION_MAX 4096 /* bytes of that file */

/* Whether a store whose version file holds TEXT can be used.  0; -EBADMSG where it is damaged; -ENOTSUP for a version
 * or a required feature that this program does not know. */
int store_check_version(const char *text);

/*
 * Open the store at PATH.  GROUP_MODE: the permission bits that git's core.sharedRepository adds to folders (0 for
 * none; 0070, 0077...); files get those bits & 0444.
 * Returns 0; -ENOENT where there is no store; -EBADMSG for a damaged version file, -ENOTSUP for a version or a required
 * feature that this program does not know; -errno.
 */
int store_open(const struct io *io, const char *path, unsigned flags, mode_t group_mode, struct store **store);

/* Close; nothing of the store may be pinned any more.  NULL is ignored. */
void store_close(struct store *store);

/* The path it was opened by, borrowed. */
const char *store_path(const struct store *store);

/* The machine it was opened on, borrowed. */
const struct io *store_io(const struct store *store);
int store_dirfd(const struct store *store); /* borrowed */

/* Make the folder PATH in the store, with the modes of its other folders.  One that is there is no error.  0 or -errno.
 */
int store_make_folder(struct store *store, const char *path);

/*
 * Take the store's lock: shared for those who add, exclusive for those who remove.  Orders work; correctness never
 * rests on it.  Returns a descriptor to give to store_unlock(), -EBUSY after TIMEOUT_MS, or -errno.
 */
int store_lock(struct store *store, bool exclusive, unsigned timeout_ms);

/* Give back what store_lock() gave; a negative one is ignored. */
void store_unlock(struct store *store, int lock);

/*
 * Read, expand and check a record: first where HINT says (NULL or offset 0: unknown), following at most 8 `.moved`
 * files where that pack is gone, then wherever the look-up files say that it lies. Returns 0 (the caller frees
 * record->data); -ENOENT where the store does not hold it; -EBADMSG where what it holds is damaged (and no good copy
 * was found); -ENOTSUP; -errno.
 */
int store_read(struct store *store, unsigned kind, const struct id *id, const struct locator *hint,
               struct record *record);

/*
 * Where (KIND, ID) lies, for deduplication: a hit is confirmed by the pack's own index, and a condemned pack counts as
 * absent.  Returns 0 (*LOCATOR and, where not NULL, *RAW_LEN set), -ENOENT, -errno.
 */
int store_find(struct store *store, unsigned kind, const struct id *id, struct locator *locator, uint32_t *raw_len);

/*
 * Call EACH with every copy of (KIND, ID), confirmed by its pack's index, in condemned packs too, until it answers
 * other than -ENOENT, which is returned; -ENOENT where there is no (more) copy.
 */
int store_each_copy(struct store *store, unsigned kind, const struct id *id,
                    int (*each)(void *arg, const struct locator *at), void *arg);

/* Read and check the one copy that lies at AT, or went from there: no other is tried.  As store_read() otherwise. */
int store_read_copy(struct store *store, unsigned kind, const struct id *id, const struct locator *at,
                    struct record *record);

/* Forget what is remembered of the folder: packs that appeared or went since are seen from now on. */
int store_refresh(struct store *store);

/* Call EACH for every pack present.  A non-zero answer ends the walk and is returned. */
int store_each_pack(struct store *store, int (*each)(void *arg, const struct pack_id *id), void *arg);

/* Size and time of a pack's file.  0, -ENOENT, -errno. */
int store_stat_pack(struct store *store, const struct pack_id *id, struct stat *st);

/* Size and time of a root's file.  0, -ENOENT, -errno. */
int store_stat_root(struct store *store, const struct id *id, struct stat *st);

/*
 * Give the pack in the file TMP (a path below the store), which the caller has checked, its name as ID, durably.
 * Returns 0: the file is the store's; -EEXIST where there is a pack of that id, -EROFS, -errno: it stays the caller's.
 */
int store_adopt_pack(struct store *store, const char *tmp, const struct pack_id *id);

/* Write the look-up files without packs that are gone.  Failures cost time only. */
void store_tidy(struct store *store);

/* Drop all look-up files and make them again from the packs' indexes.  0 or -errno. */
int store_rebuild_hints(struct store *store);

/* Pin an open pack, to be given back with store_unpin_pack().  Returns 0, -ENOENT, -EBADMSG, -errno. */
int store_pin_pack(struct store *store, const struct pack_id *id, struct pack **pack);

/* Give back what store_pin_pack() gave. */
void store_unpin_pack(struct store *store, struct pack *pack);

/*
 * Roots.  store_put_root() writes the root file of the stored page DATA (LEN bytes, of which the first HASHED_LEN hash
 * to ID), durably, unless it exists and reads well; one that exists and is damaged is replaced.
 */
int store_put_root(struct store *store, const struct id *id, const void *data, uint32_t len, uint32_t hashed_len);

/* Expand and check the LEN bytes of a root file of ID, wherever they came from.  0 (the caller frees record->data),
 * -EBADMSG, -ENOTSUP, -ENOMEM. */
int store_decode_root(const void *data, size_t len, const struct id *id, struct record *record);

#define STORE_ROOT_FILE_MAX (64 + RECORD_HEADER_SIZE + RECORD_RAW_MAX) /* bytes of a root file */

/* Read, expand and check the root file of ID.  0 (the caller frees record->data), -ENOENT, -EBADMSG, -ENOTSUP,
 * -errno. */
int store_read_root(struct store *store, const struct id *id, struct record *record);

/* Whether there is a root file of ID, unread.  0, -ENOENT, -errno. */
int store_has_root(struct store *store, const struct id *id);

/* Call EACH for every root file.  A non-zero answer ends the walk and is returned. */
int store_each_root(struct store *store, int (*each)(void *arg, const struct id *id), void *arg);

/* Remove the root file of ID and see to it that it stays removed.  0 or -errno. */
int store_remove_root(struct store *store, const struct id *id);

/*
 * Moved and condemned packs, for garbage collection (cache/ does what it is told; what is alive is known above).
 * A moved file lists where each kept record of pack P went (ENTRIES sorted by old offset): written durably before P is
 * condemned; it takes the place of one that an interrupted collection left.
 */
int store_write_moved(struct store *store, const struct pack_id *pack, const struct moved_entry *entries, size_t count);

/* Read the moved file of PACK.  *ENTRIES is malloc'ed, the caller frees it.  0, -ENOENT, -EBADMSG, -ENOMEM,
 * -errno. */
int store_read_moved(struct store *store, const struct pack_id *pack, struct moved_entry **entries, size_t *count);

/* Call EACH for every pack that has a moved file.  A non-zero answer ends the walk and is returned. */
int store_each_moved(struct store *store, int (*each)(void *arg, const struct pack_id *id), void *arg);

/* Remove the moved file of PACK.  0, -ENOENT, -EROFS, -errno. */
int store_remove_moved(struct store *store, const struct pack_id *pack);

/*
 * The condemned list: packs and roots, and since when.  One file a collection; the times of the ITEMS to condemn are
 * ignored, that of writing counts.  Reading gives all files together, sorted, the earliest time of an item that stands
 * in several; a file that does not check counts for nothing.  Clearing removes all files, after the packs went or were
 * reprieved.
 */
int store_condemn(struct store *store, const struct condemned *items, size_t count);

/* What is condemned by all lists.  *ITEMS is malloc'ed, the caller frees it.  0, -EBADMSG, -ENOMEM, -errno. */
int store_read_condemned(struct store *store, struct condemned **items, size_t *count);

/* Remove the lists, after what they name went or was reprieved.  0 or -errno. */
int store_clear_condemned(struct store *store);

/* Let exactly ITEMS be condemned, each since its own time: written before the old files go.  0 or -errno. */
int store_set_condemned(struct store *store, const struct condemned *items, size_t count);

/* Whether the pack is condemned, as far as was known at the last store_refresh(). */
bool store_pack_is_condemned(struct store *store, const struct pack_id *id);

/* The mode of the store's files. */
mode_t store_file_mode(const struct store *store);

/* Let the file NAME below DIRFD, a copy of the pack ID that was checked, be that pack, in place of a damaged one. 0 or
 * -errno. */
int store_install_pack(struct store *store, int dirfd, const char *name, const struct pack_id *id);

/* Remove a pack, and see to it that it stays removed.  Its moved file stays.  0, -ENOENT, -errno. */
int store_remove_pack(struct store *store, const struct pack_id *id);

/* Bytes of all packs and roots, and their numbers. */
struct store_size {
	uint64_t packs;
	uint64_t roots;
	uint64_t bytes;
};

/* Measure the store; walks its folders.  0 or -errno. */
int store_measure(struct store *store, struct store_size *size);

/* Remove unfinished files in tmp/ not touched for AGE_S seconds.  Returns how many, or -errno. */
ssize_t store_sweep_tmp(struct store *store, unsigned age_s);

#endif
