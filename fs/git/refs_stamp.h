/*
 * Noticing that refs may have changed, by the stats of the files and folders that hold them.
 *
 * Whatever writes refs renames a file into place, which shows in its folder: folders are looked at, not each ref.
 * Thread- safe.
 */
#ifndef FS_REFS_STAMP_H
#define FS_REFS_STAMP_H

#include <stdint.h>

struct refs_stamp;

/* Watch the refs of the repository with these folders (copied).  0 or -ENOMEM. */
int refs_stamp_open(const char *git_dir, const char *common_dir, struct refs_stamp **stamp);

/* Free.  NULL is ignored. */
void refs_stamp_close(struct refs_stamp *stamp);

/*
 * A number that differs from every earlier one where refs may have changed in between.  A change that is a moment old
 * may have had company that the clock of the file system does not tell apart, so the number goes on changing until a
 * while after it.  One stat a folder of refs.
 */
uint64_t refs_stamp_now(struct refs_stamp *stamp);

#endif
