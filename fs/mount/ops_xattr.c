#include "fs/mount/ops.h"

/* LEN bytes in this thread's memory; or, where the kernel gave no room, only how many they are. */
static int reply(struct call *call, ssize_t len)
{
	if (len < 0)
		return ops_failed(call, (int)len);
	if (call->size == 0)
		fuse_reply_xattr(call->req, (size_t)len);
	else
		fuse_reply_buf(call->req, ops_scratch(), (size_t)len);
	return 0;
}

static int run_getxattr(struct call *call)
{
	return reply(call, view_getxattr(ops_begin(call), call->ino, call->name, ops_scratch(), call->size));
}

void ops_getxattr(fuse_req_t req, fuse_ino_t ino, const char *name, size_t size)
{
	ops_call(req, run_getxattr, ino, name, size < OPS_READ_MAX ? size : OPS_READ_MAX, 0);
}

static int run_listxattr(struct call *call)
{
	return reply(call, view_listxattr(ops_begin(call), call->ino, ops_scratch(), call->size));
}

void ops_listxattr(fuse_req_t req, fuse_ino_t ino, size_t size)
{
	ops_call(req, run_listxattr, ino, NULL, size < OPS_READ_MAX ? size : OPS_READ_MAX, 0);
}
