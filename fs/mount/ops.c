#include "fs/mount/ops.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "cache/interrupt.h"
#include "cache/io.h"

/* Touched memory of the thread's own: fresh memory would cost a fault a page with every answer. */
static _Thread_local void *scratch;

/* What this thread works for.  Whoever is killed in the middle of it can end only once it is answered. */
static _Thread_local fuse_req_t current;

/* The memory of the last call, for the next. */
static _Thread_local struct call *spare;

/* When CURRENT was first seen to be interrupted; 0: not yet. */
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
	return now - interrupted_ns >= PARKING_PATIENCE_MS * UINT64_C(1000000);
}

int ops_thread_init(void)
{
	scratch = malloc(OPS_READ_MAX);
	if (!scratch)
		return -ENOMEM;
	interrupt_watch(is_interrupted, NULL);
	return 0;
}

struct view *ops_begin(struct call *call)
{
	const struct ops_world *world = fuse_req_userdata(call->req);

	current = call->req;
	interrupted_ns = 0;
	return world->view;
}

static struct call *new_call(void)
{
	struct call *call = spare ? spare : malloc(sizeof(*call));

	spare = NULL;
	if (call)
		memset(call, 0, offsetof(struct call, name));
	return call;
}

void ops_call(fuse_req_t req, int (*run)(struct call *call), uint64_t ino, const char *name, size_t size, off_t offset)
{
	const struct ops_world *world = fuse_req_userdata(req);
	struct call *call;

	if (name && strlen(name) > CALL_NAME_MAX) {
		ops_fail(req, -ENAMETOOLONG);
		return;
	}
	call = new_call();
	if (!call) {
		ops_fail(req, -ENOMEM);
		return;
	}
	call->req = req;
	call->run = run;
	call->ino = ino;
	call->size = size;
	call->offset = offset;
	strcpy(call->name, name ? name : "");
	spare = parking_run(world->parking, call);
}

void ops_thread_idle(void)
{
	current = NULL;
}

void ops_thread_release(void)
{
	interrupt_watch(NULL, NULL);
	free(scratch);
	free(spare);
	scratch = NULL;
	spare = NULL;
}

void *ops_scratch(void)
{
	return scratch;
}

void ops_fail(fuse_req_t req, int error)
{
	fuse_reply_err(req, -error);
}

int ops_failed(struct call *call, int error)
{
	if (error == -EINPROGRESS)
		return error;
	ops_fail(call->req, error);
	return 0;
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

static int run_lookup(struct call *call)
{
	struct view *view = ops_begin(call);
	struct fuse_entry_param param = {0};
	struct view_entry entry;
	int err;

	call->kind = COUNTERS_LOOKUP;
	err = view_lookup(view, call->ino, call->name, &entry);
	if (err)
		return ops_failed(call, err);
	param.ino = entry.id;
	param.attr = entry.attr;
	param.attr_timeout = entry.attr_timeout_s;
	param.entry_timeout = entry.entry_timeout_s;
	if (fuse_reply_entry(call->req, &param) == -ENOENT && entry.id)
		view_forget(view, entry.id, 1);
	return 0;
}

static void ops_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	ops_call(req, run_lookup, parent, name, 0, 0);
}

static struct view *view_of(fuse_req_t req)
{
	const struct ops_world *world = fuse_req_userdata(req);

	return world->view;
}

static void ops_forget(fuse_req_t req, fuse_ino_t ino, uint64_t count)
{
	view_forget(view_of(req), ino, count);
	fuse_reply_none(req);
}

static void ops_forget_multi(fuse_req_t req, size_t count, struct fuse_forget_data *forgets)
{
	struct view *view = view_of(req);

	for (size_t i = 0; i < count; i++)
		view_forget(view, forgets[i].ino, forgets[i].nlookup);
	fuse_reply_none(req);
}

static int run_getattr(struct call *call)
{
	struct stat attr;
	double timeout_s;
	int err = view_attr(ops_begin(call), call->ino, &attr, &timeout_s);

	if (err)
		return ops_failed(call, err);
	fuse_reply_attr(call->req, &attr, timeout_s);
	return 0;
}

static void ops_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	(void)fi;
	ops_call(req, run_getattr, ino, NULL, 0, 0);
}

static int run_readlink(struct call *call)
{
	char target[VIEW_TARGET_MAX];
	int err = view_readlink(ops_begin(call), call->ino, target);

	if (err)
		return ops_failed(call, err);
	fuse_reply_readlink(call->req, target);
	return 0;
}

static void ops_readlink(fuse_req_t req, fuse_ino_t ino)
{
	ops_call(req, run_readlink, ino, NULL, 0, 0);
}

/* The kernel takes ENOSYS for "no need to ask": nothing is kept for an open file, and all of it may be cached. */
static void ops_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	(void)ino;
	(void)fi;
	ops_fail(req, -ENOSYS);
}

static int run_read(struct call *call)
{
	struct view *view = ops_begin(call);
	struct view_bytes bytes;
	int err = -EINVAL;

	call->kind = COUNTERS_READ;
	if (call->offset >= 0)
		err = view_read(view, call->ino, (uint64_t)call->offset, scratch, call->size, &bytes);
	if (err)
		return ops_failed(call, err);
	fuse_reply_buf(call->req, bytes.data, bytes.len);
	view_unpin_bytes(view, &bytes);
	return 0;
}

static void ops_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset, struct fuse_file_info *fi)
{
	(void)fi;
	ops_call(req, run_read, ino, NULL, size < OPS_READ_MAX ? size : OPS_READ_MAX, offset);
}

static int run_statfs(struct call *call)
{
	struct statvfs st;
	int err = view_statfs(ops_begin(call), call->ino, &st);

	if (err)
		return ops_failed(call, err);
	fuse_reply_statfs(call->req, &st);
	return 0;
}

static void ops_statfs(fuse_req_t req, fuse_ino_t ino)
{
	ops_call(req, run_statfs, ino, NULL, 0, 0);
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
