/*
 * Remotes: where copies of a store lie beside the repository's own; one table of operations, one file a kind.
 *
 * A remote holds files in the layout of a store (cache/store.h), named by their paths in it ("packs/ab/<pack id>"),
 * whole and unchanging but for those that the format lets be replaced.  Nothing that a remote says is believed: callers
 * check what they read.  Thread-safe.  Every operation may wait, but ends within the time-outs of its kind, or with
 * -EINTR soon after whoever the thread works for gives up (cache/interrupt.h).
 *
 * Beside what each operation says they return: -EKEYREJECTED (not authorised), -ENOKEY (the other side could not prove
 * who it is), -EROFS (takes no changes), -ENOSPC, -EPROTO (an answer that makes no sense), -ENODEV (no such bucket),
 * -ENOMEM; anything else is a failure that may pass (remote_may_pass()).
 */
#ifndef CACHE_REMOTE_H
#define CACHE_REMOTE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#include "cache/arrival.h"
#include "cache/credentials.h"
#include "cache/histogram.h"
#include "cache/io.h"

#define REMOTE_PATH_SIZE 96 /* of a path in a store, with the NUL byte */
#define REMOTE_TMP "tmp"    /* the folder of what is being put into a folder */
#define REMOTE_WHY_SIZE 300 /* of a reason in words, with the NUL byte */

struct remote;

struct remote_stat {
	uint64_t size;
	struct timespec time; /* of the last change, by the remote's clock */
};

/* The bytes of a file to be put: those of an open file of this machine, or in memory. */
struct remote_body {
	const void *data; /* NULL: the file FD */
	int fd;
	uint64_t len;
	bool is_checked; /* by the caller, who sees whether the remote has it: the remote need not do so itself */
	/* Where they come from neither: gives the next LEN, each byte once, or -errno.  Only folders take this. */
	int (*next)(void *arg, void *data, size_t len);
	void *arg;
};

/* Told of a file below the folder that is listed, by its path in the store.  Answers 0 to go on. */
typedef int (*remote_each)(void *arg, const char *path, const struct remote_stat *st);

/* What puts that did not end left behind. */
struct remote_unfinished {
	uint64_t files;
	uint64_t bytes; /* as far as that is known */
};

/* How a remote is reached.  What is not given is NULL or 0. */
struct remote_setup {
	const struct io *io;
	const char *name; /* for messages */
	const char *url;
	const char *public_url;  /* the same without what is secret, for people; without, URL */
	const char *endpoint;    /* of an S3 service: the URL of its server; without, Amazon's */
	const char *region;      /* of a bucket: without, it is asked for */
	const char *ssh_command; /* for a shell, instead of "ssh" */
	const char *ca_file;     /* of the authorities that are trusted for https, instead of the system's */
	const char *program;     /* revfs on the other side of ssh, for the shell there; without, "revfs" */
	struct credentials_source credentials;
};

/* What a kind of remote can do.  STATE is what open made; nothing of its setup may be used later but what IO and the
 * source of credentials point to.  The source is closed after the remote, not by its kind. */
struct remote_kind {
	const char *name; /* as error messages say it: "folder", "http" */
	int (*open)(const struct remote_setup *setup, void **state);
	void (*close)(void *state);
	/* ARRIVAL may be NULL, and need not be told of anything. */
	ssize_t (*read)(void *state, const char *path, uint64_t offset, void *data, size_t len,
	                const struct arrival *arrival);
	int (*stat)(void *state, const char *path, struct remote_stat *st);
	int (*put)(void *state, const char *path, const struct remote_body *body, bool replace);
	int (*remove)(void *state, const char *path);
	int (*list)(void *state, const char *folder, remote_each each, void *arg);
	/* NULL: it lies in tmp/, which list and remove know. */
	int (*sweep)(void *state, time_t before, bool dry, struct remote_unfinished *swept);
	void (*why)(void *state, char why[REMOTE_WHY_SIZE]); /* NULL: errors say all there is to say */
};

extern const struct remote_kind remote_kind_folder;
extern const struct remote_kind remote_kind_http;
extern const struct remote_kind remote_kind_s3;
extern const struct remote_kind remote_kind_ssh;

/*
 * The kind that URL asks for; NULL where there is none.  A path of this machine and file://PATH are folders; http://
 * and https:// servers that files are read from; s3://BUCKET/PREFIX a bucket; ssh:// folders of other machines.
 */
const struct remote_kind *remote_kind_of(const char *url);

/*
 * Open the remote that SETUP describes, all of which is copied but what IO points to; the source of credentials is
 * taken over, also on failure.  Connects to nothing yet.  Returns 0; -EPROTONOSUPPORT where no kind knows such a URL;
 * -EINVAL for one that is not well-formed; -ENOMEM.
 */
int remote_open(const struct remote_setup *setup, struct remote **remote);

/* The same with a kind of the caller's, for what is not found by a URL. */
int remote_open_kind(const struct remote_setup *setup, const struct remote_kind *kind, struct remote **remote);

/* Free; nobody may be waiting.  NULL is ignored. */
void remote_close(struct remote *remote);

/* As given to remote_open(), borrowed. */
const char *remote_name(const struct remote *remote);

/* The same. */
const char *remote_url(const struct remote *remote);

/* The same, fit to be shown. */
const char *remote_public_url(const struct remote *remote);

/* Read up to LEN bytes at OFFSET of PATH: fewer only at its end.  Returns the count; -ENOENT. */
ssize_t remote_read(struct remote *remote, const char *path, uint64_t offset, void *data, size_t len);

/* The same; ARRIVAL is told meanwhile, as far as the kind of remote can, and not of all in the end. */
ssize_t remote_read_arriving(struct remote *remote, const char *path, uint64_t offset, void *data, size_t len,
                             const struct arrival *arrival);

/* Read the whole file PATH of at most LIMIT bytes.  *DATA is malloc'ed, with a NUL byte behind it; the caller frees it.
 * 0; -ENOENT; -EFBIG. */
int remote_read_file(struct remote *remote, const char *path, size_t limit, void **data, size_t *len);

/* Size and time of PATH.  0, -ENOENT. */
int remote_stat(struct remote *remote, const char *path, struct remote_stat *st);

/*
 * Put BODY as PATH, whole and durably or not at all.  Without REPLACE, -EEXIST where PATH is there.  0 once the remote
 * has it, or, where that is the caller's to see, says so.
 */
int remote_put(struct remote *remote, const char *path, const struct remote_body *body, bool replace);

/* Remove the file PATH.  0; -ENOENT. */
int remote_remove(struct remote *remote, const char *path);

/* Call EACH for every file in FOLDER and the folders below it, in no order, until it answers other than 0, which is
 * returned.  A folder that is not there holds nothing.  0. */
int remote_list(struct remote *remote, const char *folder, remote_each each, void *arg);

/*
 * Remove what puts that were killed left behind, as far as it was last written to (in a bucket: begun) before BEFORE by
 * the remote's clock; DRY: only count it.  *SWEPT says what that was, also on failure.  0.
 */
int remote_sweep(struct remote *remote, time_t before, bool dry, struct remote_unfinished *swept);

/* What the other side, or what leads there, said about the last failure; "" where that is nothing. */
void remote_why(struct remote *remote, char why[REMOTE_WHY_SIZE]);

/* What a request failed for. */
enum remote_cause {
	REMOTE_REFUSED,
	REMOTE_TIMEOUT,
	REMOTE_RESET,
	REMOTE_UNREACHABLE,
	REMOTE_UNAUTHORISED,
	REMOTE_SERVER_ERROR,
	REMOTE_WRONG_DATA, /* an answer that makes no sense, or is not what was asked for */
	REMOTE_OTHER,
	REMOTE_CAUSES,
};

/* "refused", "server_error". */
const char *remote_cause_name(enum remote_cause cause);

/* Requests made and bytes that came and went, so far. */
struct remote_counts {
	uint64_t requests;
	uint64_t received_bytes;
	uint64_t sent_bytes;
	uint64_t failures;
	uint64_t causes[REMOTE_CAUSES]; /* of failures, but for requests that were given up; and of wrong data */
};

/* What REMOTE did so far. */
void remote_counts(const struct remote *remote, struct remote_counts *counts);

/* Count that what came was not what was asked for, as who checks it found. */
void remote_count_wrong(struct remote *remote);

/* How long its requests took, borrowed. */
struct histogram *remote_durations(struct remote *remote);

/* Whether the failure ERROR may pass by itself: a retry makes sense. */
bool remote_may_pass(int error);

#endif
