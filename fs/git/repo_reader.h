/*
 * What the parts of fs/git/repo.h share: where a repository lies, and the table behind which its two readers stand.
 * Private to fs/repo*.c.
 */
#ifndef FS_REPO_READER_H
#define FS_REPO_READER_H

#include "fs/git/git.h"
#include "fs/git/repo.h"
#include "fs/object.h"

/* Where a repository lies, as git found it (fs/git/repo_discover.c). */
struct repo_location {
	char *git_dir;
	char *common_dir;
	char *work_tree; /* NULL: bare, or outside of it */
	char *prefix;
	char *index_file; /* NULL: git's default */
	char *objects;    /* folder of its objects */
	char *start;      /* where the search began, absolute */
	bool is_shallow;
	size_t oid_len;
	struct git_where reading; /* everything explicit: for the readers */
	struct git_where user;    /* for commands of the user's: as little set as possible, since hooks inherit it */
};

/* Ask git, once.  Returns 0 or as repo_open(). */
int repo_discover(const char *dir, struct repo_location *location, char **message);

/* Free; allowed on a zeroed one. */
void repo_location_release(struct repo_location *location);

/* The settings of a repository that matter here. */
struct repo_settings {
	bool promisor;   /* objects may be missing and can be fetched */
	char shared[32]; /* core.sharedRepository, "" where unset */
};

typedef int (*repo_each_ref_fn)(void *arg, const struct repo_ref *ref);
typedef int (*repo_each_oid_fn)(void *arg, const struct oid *oid);

/*
 * A reader.  A handle serves one thread at a time; repo.c keeps a few and gives one to each call.  After an error other
 * than -ENOENT, -EEXIST and -EFBIG a handle is closed and the call made once more with a new one.
 */
struct repo_reader_ops {
	const char *name;
	unsigned idle_max; /* handles kept for later calls */
	bool refs_cost;    /* asking for one ref costs as much as for all */

	/* Returns 0; -ENOTSUP where this reader can't open the repository; -ENOMEM, -errno.  LOCATION is borrowed. */
	int (*open)(const struct repo_location *location, void **handle);
	void (*close)(void *handle);
	int (*settings)(void *handle, struct repo_settings *settings);

	/* Type and size of an object.  -ENOENT, -EBADMSG, -errno. */
	int (*header)(void *handle, const struct oid *oid, enum object_type *type, uint64_t *size);

	/* A whole object of at most LIMIT bytes.  -EFBIG above it. */
	int (*read)(void *handle, const struct oid *oid, size_t limit, struct object *object);

	/* Call EACH for every object whose id begins with the LEN digits HEX, 4 or more; -EEXIST where there are
	 * several and this reader can't name them. */
	int (*each_prefixed)(void *handle, const char *hex, size_t len, repo_each_oid_fn each, void *arg);

	/* All refs below refs/, in any order. */
	int (*each_ref)(void *handle, repo_each_ref_fn each, void *arg);

	/* What the ref NAME, which is well-formed, leads to. */
	int (*ref)(void *handle, const char *name, struct oid *target);
};

extern const struct repo_reader_ops repo_reader_libgit2;
extern const struct repo_reader_ops repo_reader_command;

/* The same for objects alone: what this machine has, of which -ENOENT also says that git might fetch it; and for
 * threads of our own, which ask nobody and end all that git started when they give up. */
extern const struct repo_reader_ops repo_reader_held;
extern const struct repo_reader_ops repo_reader_apart;

/* Read objects through a handle; with the command reader where a partial clone lacks it, or as
 * repo_fetch_aside() says. */
int repo_read_header(struct repo *repo, const struct oid *oid, enum object_type *type, uint64_t *size);

/* The whole object, as the reader's read(). */
int repo_read_object(struct repo *repo, const struct oid *oid, size_t limit, struct object *object);

/* Objects whose id begins with HEX, with the command reader where the other can't name several. */
int repo_each_prefixed(struct repo *repo, const char *hex, size_t len, repo_each_oid_fn each, void *arg);

/* Where it lies; borrowed. */
const struct repo_location *repo_location(const struct repo *repo);

/* The border of a shallow clone; borrowed. */
struct shallow *repo_shallow(const struct repo *repo);

#endif
