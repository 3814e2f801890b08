/*
 * Requests that would write.  A read-only mount gets none: the kernel refuses by itself.  Root may take that flag away.
 */
#include <errno.h>

#include "fs/mount/ops.h"

static void refuse(fuse_req_t req)
{
	ops_fail(req, -EROFS);
}

static void refuse_setattr(fuse_req_t req, fuse_ino_t ino, struct stat *attr, int to_set, struct fuse_file_info *fi)
{
	(void)ino;
	(void)attr;
	(void)to_set;
	(void)fi;
	refuse(req);
}

static void refuse_mknod(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, dev_t device)
{
	(void)parent;
	(void)name;
	(void)mode;
	(void)device;
	refuse(req);
}

static void refuse_create(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, struct fuse_file_info *fi)
{
	(void)parent;
	(void)name;
	(void)mode;
	(void)fi;
	refuse(req);
}

static void refuse_mkdir(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode)
{
	(void)parent;
	(void)name;
	(void)mode;
	refuse(req);
}

static void refuse_remove(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	(void)parent;
	(void)name;
	refuse(req);
}

static void refuse_symlink(fuse_req_t req, const char *target, fuse_ino_t parent, const char *name)
{
	(void)target;
	(void)parent;
	(void)name;
	refuse(req);
}

static void refuse_link(fuse_req_t req, fuse_ino_t ino, fuse_ino_t parent, const char *name)
{
	(void)ino;
	(void)parent;
	(void)name;
	refuse(req);
}

static void refuse_rename(fuse_req_t req, fuse_ino_t parent, const char *name, fuse_ino_t to, const char *new_name,
                          unsigned flags)
{
	(void)parent;
	(void)name;
	(void)to;
	(void)new_name;
	(void)flags;
	refuse(req);
}

static void refuse_write(fuse_req_t req, fuse_ino_t ino, const char *data, size_t size, off_t offset,
                         struct fuse_file_info *fi)
{
	(void)ino;
	(void)data;
	(void)size;
	(void)offset;
	(void)fi;
	refuse(req);
}

static void refuse_fallocate(fuse_req_t req, fuse_ino_t ino, int mode, off_t offset, off_t len,
                             struct fuse_file_info *fi)
{
	(void)ino;
	(void)mode;
	(void)offset;
	(void)len;
	(void)fi;
	refuse(req);
}

static void refuse_setxattr(fuse_req_t req, fuse_ino_t ino, const char *name, const char *value, size_t size, int flags)
{
	(void)ino;
	(void)name;
	(void)value;
	(void)size;
	(void)flags;
	refuse(req);
}

void ops_refuse_writes(struct fuse_lowlevel_ops *table)
{
	table->setattr = refuse_setattr;
	table->mknod = refuse_mknod;
	table->create = refuse_create;
	table->mkdir = refuse_mkdir;
	table->unlink = refuse_remove;
	table->rmdir = refuse_remove;
	table->removexattr = refuse_remove;
	table->symlink = refuse_symlink;
	table->link = refuse_link;
	table->rename = refuse_rename;
	table->write = refuse_write;
	table->fallocate = refuse_fallocate;
	table->setxattr = refuse_setxattr;
}
