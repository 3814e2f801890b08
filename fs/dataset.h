/*
 * The datasets of a commit: the pointer files of its tree.
 *
 * Thread-safe.
 */
#ifndef FS_DATASET_H
#define FS_DATASET_H

#include "fs/git/repo.h"
#include "fs/pointer.h"
#include "fs/tree.h"

/* Read the blob OID (MODE as in its tree) as a pointer.  0; -EINVAL for what is no pointer; -ENOTSUP for a later
 * version; -errno.  A blob above POINTER_SIZE_MAX is no pointer and is not read. */
int dataset_pointer(struct repo *repo, const struct oid *oid, uint32_t mode, struct pointer *pointer);

/* Told of a dataset, as dataset_each() says. */
typedef int (*dataset_each_fn)(void *arg, const char *path, const struct pointer *pointer, int error);

/*
 * Call EACH for every dataset below TREE in path order; PATH is the dataset's (without the suffix), from the root of
 * the commit.  Where a tree holds both NAME and NAME.revfs, Git's entry wins and the dataset is not told.  Symlinks and
 * submodules are not entered.  A failing blob or tree is told with its error in ERROR and a NULL pointer.
 */
int dataset_each(struct repo *repo, const struct oid *tree, dataset_each_fn each, void *arg);

/* The dataset at exactly PATH of TREE.  0, -ENOENT, -EINVAL (PATH.revfs is no pointer), -errno. */
int dataset_find(struct repo *repo, const struct oid *tree, const char *path, struct pointer *pointer);

/* Told of a dataset that differs, as dataset_each_changed() says. */
typedef int (*dataset_changed_fn)(void *arg, const char *path, const struct pointer *a, const struct pointer *b,
                                  int error);

/*
 * Datasets that differ between the trees A and B (NULL: an empty tree), in path order, equal subtrees skipped.  A side
 * that has no dataset there is NULL.  Where a blob or a tree below fails, EACH is told its error, the path where it
 * stands (less the suffix, of a pointer) and no pointers.  Returns 0; an answer of EACH other than 0; the error of the
 * topmost trees; -ENOMEM, -EINTR.
 */
int dataset_each_changed(struct repo *repo, const struct oid *a, const struct oid *b, dataset_changed_fn each,
                         void *arg);

/* The root directory of a directory dataset (its totals are known from the pointer: entries are not). */
void dataset_directory(const struct pointer *pointer, struct directory *directory);

/*
 * Check what the pointer says against its root page: -EBADMSG where type, files or bytes contradict.  Pins the page.
 */
int dataset_open(struct source *s, const struct pointer *pointer, struct page_pin *root);

#endif
