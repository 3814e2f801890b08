#include "fs/ops.h"
#include "fs/view.h"

/* LEN bytes in this thread's memory; or, where the kernel gave no room, only how many they are. */
static void reply(fuse_req_t req, ssize_t len, size_t size)
{
	if (len < 0)
		ops_fail(req, (int)len);
	else if (size == 0)
		fuse_reply_xattr(req, (size_t)len);
	else
		fuse_reply_buf(req, ops_scratch(), (size_t)len);
}

void ops_getxattr(fuse_req_t req, fuse_ino_t ino, const char *name, size_t size)
{
	size_t room = size < OPS_READ_MAX ? size : OPS_READ_MAX;

	reply(req, view_getxattr(ops_begin(req), ino, name, ops_scratch(), room), size);
}

void ops_listxattr(fuse_req_t req, fuse_ino_t ino, size_t size)
{
	size_t room = size < OPS_READ_MAX ? size : OPS_READ_MAX;

	reply(req, view_listxattr(ops_begin(req), ino, ops_scratch(), room), size);
}
