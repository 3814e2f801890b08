/*
 * What most commands begin with: the repository, its store, the memory, and what REV[:PATH] names.
 */
#ifndef TOOLS_SESSION_H
#define TOOLS_SESSION_H

#include "fs/git/repo.h"
#include "fs/place.h"
#include "fs/revision.h"
#include "fs/source.h"
#include "tools/remotes.h"

struct session {
	struct repo *repo;
	struct store *store; /* NULL where the repository has none yet and STORE_CREATE was not asked for */
	struct memory *memory;
	struct remotes *remotes; /* what the store lacks comes from these */
	struct source *source;   /* NULL where there is neither a store nor a remote */
	struct place_world world;
};

enum session_needs {
	SESSION_REPO = 0,
	SESSION_STORE = 1,              /* open the store where there is one; reading without one finds nothing */
	SESSION_CREATE = 2,             /* make it */
	SESSION_WORK_TREE = 4,          /* a bare repository is an error that says why */
	SESSION_CREATE_IF_POSSIBLE = 8, /* make it; go on without where the disk or the rights do not allow it */
	SESSION_CREATE_BESIDE = 16,     /* make it where there are remotes */
};

/*
 * Open for the current directory.  Prints its own errors.  Returns 0 or an exit status.
 */
int session_open(struct session *s, unsigned needs);

/* Bytes of expanded chunks and pages that a command keeps. */
#define SESSION_MEMORY_BYTES (128u << 20)

/* The same with another budget of memory than SESSION_MEMORY_BYTES, and another way to wait for remotes (NULL: as
 * commands do). */
int session_open_sized(struct session *s, unsigned needs, size_t memory_bytes, const struct remotes_wait *wait);

/* Free; allowed on a zeroed session. */
void session_close(struct session *s);

/* The store's folder in the common directory: "<common>/revfs".  malloc'ed. */
char *session_store_path(const struct repo *repo);

/* What an argument names. */
struct target {
	char *revision; /* as typed, "HEAD" where none was */
	struct oid commit;
	int64_t commit_time;
	char *path; /* from the root of the commit, no slash at either end; "" for all */
	char *name; /* "REVISION:path", for messages */
};

/*
 * Take REV, REV:PATH or PATH apart and resolve the revision.  A path alone is relative to the current directory and
 * means HEAD; what is both is an error as in git.  ARGUMENT NULL: HEAD, the current directory.  Prints its own errors.
 * Returns 0 or an exit status; target_release() frees.
 */
int session_target(struct session *s, const char *argument, struct target *target);

/* Free what it holds; allowed on a zeroed target. */
void target_release(struct target *target);

/*
 * Print that SUBJECT ("HEAD:data/x", quoted here where needed) could not be read because of ERROR (-errno), and what to
 * do. Returns the exit status that belongs to it.
 */
int session_unreadable(const struct session *s, const char *subject, int error);

/* Resolve a revision alone.  Prints its own errors. */
int session_revision(struct session *s, const char *text, struct oid *commit);

/* Whether TYPED, taken as a path, is one of HEAD or of the work tree.  Errors count as no. */
bool session_is_path(struct session *s, const char *typed);

/* The place a target names; prints its own errors. */
int session_place(struct session *s, const struct target *target, struct place *place);

/* A path of the work tree as the user typed it, made relative to the work tree's root (malloc'ed, "" for the root);
 * "NAME.revfs" stays as it is.  Prints its own errors; returns an exit status. */
int session_work_path(struct session *s, const char *typed, char **path);

#endif
