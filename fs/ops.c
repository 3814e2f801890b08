#include "fs/ops.h"

#include <errno.h>
#include <stdlib.h>

#include "cache/interrupt.h"
#include "cache/io.h"
#include "fs/view.h"

#define PATIENCE_MS 40

/* Touched memory of the thread's own: fresh memory would cost a fault a page with every answer. */
static _Thread_local void *scratch;

/* What this thread works for.  Whoever is killed in the middle of it can end only once it is answered. */
static _Thread_local fuse_req_t current;

/* When CURRENT was first seen to be interrupted; 0: not yet.  The kernel tells of any signal, of a profiler's timer
 * too, so what is about to be answered is. */
static _Thread_local uint64_t interrupted_ns;

static bool is_interrupted(void *arg)
{
	uint64_t now;

	(void)arg;
	if (!current || !fuse_req_interrupted(current))
		return false;
	now = io_monotonic_ns(io_system());
	if (!interrupted_ns)
		interrupted_ns = now;
	return now - interrupted_ns >= PATIENCE_MS * UINT64_C(1000000);
}

int ops_thread_init(void)
{
	scratch = malloc(OPS_READ_MAX);
	if (!scratch)
		return -ENOMEM;
	interrupt_watch(is_interrupted, NULL);
	return 0;
}

struct view *ops_begin(fuse_req_t req)
{
	current = req;
	interrupted_ns = 0;
	return fuse_req_userdata(req);
}

void ops_thread_idle(void)
{
	current = NULL;
}

void ops_thread_release(void)
{
	interrupt_watch(NULL, NULL);
	free(scratch);
	scratch = NULL;
}

void *ops_scratch(void)
{
	return scratch;
}

void ops_fail(fuse_req_t req, int error)
{
	fuse_reply_err(req, -error);
}

static void ops_init(void *userdata, struct fuse_conn_info *conn)
{
	const unsigned long wanted = FUSE_CAP_ASYNC_READ | FUSE_CAP_ASYNC_DIO | FUSE_CAP_PARALLEL_DIROPS |
	                             FUSE_CAP_AUTO_INVAL_DATA | FUSE_CAP_READDIRPLUS | FUSE_CAP_CACHE_SYMLINKS |
	                             FUSE_CAP_NO_OPEN_SUPPORT | FUSE_CAP_NO_OPENDIR_SUPPORT;

	(void)userdata;
	conn->want = (unsigned)(conn->capable & wanted);
	conn->max_write = OPS_READ_MAX; /* the largest READ follows from it */
	conn->max_readahead = OPS_READ_MAX;
	/* With fewer, that many stalled reads keep every other waiting. */
	conn->max_background = UINT16_MAX;
	conn->congestion_threshold = UINT16_MAX;
	conn->time_gran = 1;
}

static void ops_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct view *view = ops_begin(req);
	struct fuse_entry_param param = {0};
	struct view_entry entry;
	int err = view_lookup(view, parent, name, &entry);

	if (err) {
		ops_fail(req, err);
		return;
	}
	param.ino = entry.id;
	param.attr = entry.attr;
	param.attr_timeout = entry.attr_timeout_s;
	param.entry_timeout = entry.entry_timeout_s;
	if (fuse_reply_entry(req, &param) == -ENOENT && entry.id)
		view_forget(view, entry.id, 1);
}

static void ops_forget(fuse_req_t req, fuse_ino_t ino, uint64_t count)
{
	view_forget(fuse_req_userdata(req), ino, count);
	fuse_reply_none(req);
}

static void ops_forget_multi(fuse_req_t req, size_t count, struct fuse_forget_data *forgets)
{
	struct view *view = fuse_req_userdata(req);

	for (size_t i = 0; i < count; i++)
		view_forget(view, forgets[i].ino, forgets[i].nlookup);
	fuse_reply_none(req);
}

static void ops_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct stat attr;
	double timeout_s;
	int err = view_attr(ops_begin(req), ino, &attr, &timeout_s);

	(void)fi;
	if (err)
		ops_fail(req, err);
	else
		fuse_reply_attr(req, &attr, timeout_s);
}

static void ops_readlink(fuse_req_t req, fuse_ino_t ino)
{
	char target[VIEW_TARGET_MAX];
	int err = view_readlink(ops_begin(req), ino, target);

	if (err)
		ops_fail(req, err);
	else
		fuse_reply_readlink(req, target);
}

/* The kernel takes ENOSYS for "no need to ask": nothing is kept for an open file, and all of it may be cached. */
static void ops_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	(void)ino;
	(void)fi;
	ops_fail(req, -ENOSYS);
}

static void ops_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset, struct fuse_file_info *fi)
{
	struct view *view = ops_begin(req);
	struct view_bytes bytes;
	int err;

	(void)fi;
	if (size > OPS_READ_MAX)
		size = OPS_READ_MAX;
	err = offset < 0 ? -EINVAL : view_read(view, ino, (uint64_t)offset, scratch, size, &bytes);
	if (err) {
		ops_fail(req, err);
		return;
	}
	fuse_reply_buf(req, bytes.data, bytes.len);
	view_unpin_bytes(view, &bytes);
}

static void ops_statfs(fuse_req_t req, fuse_ino_t ino)
{
	struct statvfs st;
	int err = view_statfs(ops_begin(req), ino, &st);

	if (err)
		ops_fail(req, err);
	else
		fuse_reply_statfs(req, &st);
}

void ops_fill(struct fuse_lowlevel_ops *table)
{
	/* What is not here is answered ENOSYS by libfuse: flush, access, lseek; the kernel then stops asking. */
	*table = (struct fuse_lowlevel_ops){
	    .init = ops_init,
	    .lookup = ops_lookup,
	    .forget = ops_forget,
	    .forget_multi = ops_forget_multi,
	    .getattr = ops_getattr,
	    .readlink = ops_readlink,
	    .open = ops_open,
	    .opendir = ops_open,
	    .read = ops_read,
	    .readdir = ops_readdir,
	    .readdirplus = ops_readdirplus,
	    .statfs = ops_statfs,
	    .getxattr = ops_getxattr,
	    .listxattr = ops_listxattr,
	};
	ops_refuse_writes(table);
}
