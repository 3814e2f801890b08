#include "fs/mount/counters.h"

#include <linux/fuse.h>
#include <stddef.h>

static const char *const names[COUNTERS_REQUESTS] = {
    [0] = "other",
    [FUSE_LOOKUP] = "lookup",
    [FUSE_FORGET] = "forget",
    [FUSE_GETATTR] = "getattr",
    [FUSE_SETATTR] = "setattr",
    [FUSE_READLINK] = "readlink",
    [FUSE_SYMLINK] = "symlink",
    [FUSE_MKNOD] = "mknod",
    [FUSE_MKDIR] = "mkdir",
    [FUSE_UNLINK] = "unlink",
    [FUSE_RMDIR] = "rmdir",
    [FUSE_RENAME] = "rename",
    [FUSE_LINK] = "link",
    [FUSE_OPEN] = "open",
    [FUSE_READ] = "read",
    [FUSE_WRITE] = "write",
    [FUSE_STATFS] = "statfs",
    [FUSE_RELEASE] = "release",
    [FUSE_FSYNC] = "fsync",
    [FUSE_SETXATTR] = "setxattr",
    [FUSE_GETXATTR] = "getxattr",
    [FUSE_LISTXATTR] = "listxattr",
    [FUSE_REMOVEXATTR] = "removexattr",
    [FUSE_FLUSH] = "flush",
    [FUSE_INIT] = "init",
    [FUSE_OPENDIR] = "opendir",
    [FUSE_READDIR] = "readdir",
    [FUSE_RELEASEDIR] = "releasedir",
    [FUSE_FSYNCDIR] = "fsyncdir",
    [FUSE_GETLK] = "getlk",
    [FUSE_SETLK] = "setlk",
    [FUSE_SETLKW] = "setlkw",
    [FUSE_ACCESS] = "access",
    [FUSE_CREATE] = "create",
    [FUSE_INTERRUPT] = "interrupt",
    [FUSE_BMAP] = "bmap",
    [FUSE_DESTROY] = "destroy",
    [FUSE_IOCTL] = "ioctl",
    [FUSE_POLL] = "poll",
    [FUSE_NOTIFY_REPLY] = "notify_reply",
    [FUSE_BATCH_FORGET] = "batch_forget",
    [FUSE_FALLOCATE] = "fallocate",
    [FUSE_READDIRPLUS] = "readdirplus",
    [FUSE_RENAME2] = "rename2",
    [FUSE_LSEEK] = "lseek",
    [FUSE_COPY_FILE_RANGE] = "copy_file_range",
};

void counters_request(struct counters *counters, uint32_t opcode)
{
	if (opcode >= COUNTERS_REQUESTS || !names[opcode])
		opcode = 0;
	atomic_fetch_add_explicit(&counters->requests[opcode], 1, memory_order_relaxed);
}

uint64_t counters_sum(struct counters *counters)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < COUNTERS_REQUESTS; i++)
		sum += atomic_load_explicit(&counters->requests[i], memory_order_relaxed);
	return sum;
}

const char *counters_name(uint32_t opcode)
{
	return opcode < COUNTERS_REQUESTS ? names[opcode] : NULL;
}

const char *counters_kind_name(enum counters_kind kind)
{
	static const char *const kinds[COUNTERS_KINDS] = {
	    [COUNTERS_OTHER] = "other",
	    [COUNTERS_LOOKUP] = "lookup",
	    [COUNTERS_READ] = "read",
	    [COUNTERS_READDIR] = "readdir",
	};

	return kinds[kind];
}
