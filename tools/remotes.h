/*
 * The remotes of a repository, as the settings name them: remote.NAME.url and remote.NAME.priority.
 *
 * Opened when something is first read that the local store lacks, so that who needs none pays for none.  Thread-safe.
 */
#ifndef TOOLS_REMOTES_H
#define TOOLS_REMOTES_H

#include "cache/fetch.h"
#include "fs/git/repo.h"

/* The name of a remote: letters, digits, '-', '_' and '.', no '.' or '-' in front. */
#define REMOTES_NAME_MAX 100

/* One that the settings name. */
struct remotes_item {
	char *name;
	char *url;
	char *endpoint;    /* of an S3 service, or NULL */
	char *region;      /* the same */
	char *profile;     /* of AWS's files, whose credentials it takes, or NULL */
	char *program;     /* revfs on the other side of ssh, or NULL */
	char *ssh_command; /* the ssh that git runs, for a shell, or NULL */
	int64_t priority;  /* the highest is asked first, then in the order of names */
	bool tracked;      /* where it lies is the word of the shared .revfs/config alone: one of these */
	bool url_tracked;
	bool endpoint_tracked; /* of a bucket, and the endpoint is none of Amazon's: nobody's keys go there */
};

/* All that the settings of REPO name, in the order in which they are asked.  Prints its own errors; returns an exit
 * status. */
int remotes_list(struct repo *repo, struct remotes_item **items, size_t *count);

/* Free what remotes_list() gave. */
void remotes_list_free(struct remotes_item *items, size_t count);

/* Open ITEM of REPO (borrowed) with the user's credentials; errors are those of remote_open(). */
int remotes_open_one(const struct repo *repo, const struct remotes_item *item, struct remote **remote);

/* Whether NAME may be one. */
bool remotes_is_name(const char *name);

struct config;

/* The same of CONFIG, which is REPO's. */
int remotes_list_of(struct repo *repo, struct config *config, struct remotes_item **items, size_t *count);

struct remotes;

/* For REPO (borrowed).  0 or -ENOMEM. */
int remotes_open(struct repo *repo, struct remotes **remotes);

/* Free; nobody may be reading.  NULL is ignored. */
void remotes_close(struct remotes *remotes);

/* How reads wait for remotes that fail. */
struct remotes_wait {
	int64_t usual_s; /* where the setting io-timeout says nothing */
	int64_t asked_s; /* what the user asked for now: goes over the setting; -1: nothing */
	bool offline;    /* no remote is asked */
	bool serves;     /* others wait for the threads that read: opening remotes may not keep one for long */
	bool log;        /* to the log: which remote reads wait for, and that it answers again */
};

#define REMOTES_WAIT_COMMAND_S 60
#define REMOTES_WAIT_MOUNT_S 3600

/* Before anything is read; as for a command where this is not called.  0 seconds: for ever. */
void remotes_set_wait(struct remotes *remotes, const struct remotes_wait *wait);

/* How long reads wait; UINT64_MAX: for ever.  A setting that git would have to fetch first is not waited for long. */
uint64_t remotes_wait_ms(struct remotes *remotes);

/*
 * What to fetch with: opened at the first call, which warns of remotes that cannot be used; *FETCH is NULL where there
 * are none.  0; where the settings could not be read for now, or this thread is to give up, -EINTR, -ETIMEDOUT, -EAGAIN
 * and the like, and -EINPROGRESS for one that holds a ticket (cache/aside.h): the next call tries again.  ARG is a
 * struct remotes, so that this can be given to source_set_fetch().
 */
int remotes_find(void *arg, struct fetch **fetch);

/* The same for who can do without: NULL on errors, too. */
struct fetch *remotes_fetch(struct remotes *remotes);

/* What that reads from, in order, borrowed; *CACHED (may be NULL) is the cache, or NULL where there is none.  Returns
 * how many. */
size_t remotes_stores(struct remotes *remotes, struct remote_store *const **stores, struct cached **cached);

/* What to fetch with from the remote NAME alone; *STORE (borrowed) is what it reads from.  NULL where that one cannot
 * be used.  For one name only; called by one thread. */
struct fetch *remotes_fetch_one(struct remotes *remotes, const char *name, struct remote_store *const **store);

#define REMOTES_WHY_SIZE (REMOTE_WHY_SIZE + REMOTES_NAME_MAX + 32)

/* What the first remote that has something to say about a failure says, and its name, for the end of a message; "" for
 * nothing.  WHY is returned. */
const char *remotes_why(struct remotes *remotes, char why[REMOTES_WHY_SIZE]);

#endif
