/*
 * The FUSE face of a view: each request is taken apart, one function of fs/mount/view.h is called, one answer is given.
 *
 * Handlers may run on any number of threads that called ops_thread_init().
 */
#ifndef FS_OPS_H
#define FS_OPS_H

#include "fs/mount/ops_parking.h"
#include "fs/mount/view.h"

/* The largest READ, and the largest answer to a READDIR. */
#define OPS_READ_MAX (1u << 20)

/* What the session's user data is; borrowed. */
struct ops_world {
	struct view *view;
	struct parking *parking;
};

/* Fill the table of handlers. */
void ops_fill(struct fuse_lowlevel_ops *table);

/* Memory for a thread's answers, before its first request; what it waits for ends when the kernel gives a request up
 * (cache/interrupt.h).  Returns 0 or -ENOMEM. */
int ops_thread_init(void);

/* A request of this thread has been answered. */
void ops_thread_idle(void);

/* Free it, on the same thread. */
void ops_thread_release(void);

/* --- for the parts alone: directories (ops_dir.c), extended attributes (ops_xattr.c), writes (ops_write.c) --- */

/* Take a request apart and have RUN work on it, now or whenever what it needs is there.  NAME may be NULL. */
void ops_call(fuse_req_t req, int (*run)(struct call *call), uint64_t ino, const char *name, size_t size, off_t offset);

/* Names of a directory. */
void ops_readdir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset, struct fuse_file_info *fi);

/* Names with what they stand for; each that is told with a node id counts as looked up. */
void ops_readdirplus(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset, struct fuse_file_info *fi);

/* The value of an extended attribute, or (SIZE 0) its length. */
void ops_getxattr(fuse_req_t req, fuse_ino_t ino, const char *name, size_t size);

/* The names of all, or (SIZE 0) their length. */
void ops_listxattr(fuse_req_t req, fuse_ino_t ino, size_t size);

/* Fill in handlers that answer EROFS to all that would write. */
void ops_refuse_writes(struct fuse_lowlevel_ops *table);

/* The view that CALL asks; from now on this thread works for CALL. */
struct view *ops_begin(struct call *call);

/* This thread's memory, OPS_READ_MAX bytes. */
void *ops_scratch(void);

/* Answer with ERROR (-errno): the one place where errors become answers. */
void ops_fail(fuse_req_t req, int error);

/* What a call that met ERROR returns: an answer is given, unless it is to be run again. */
int ops_failed(struct call *call, int error);

#endif
