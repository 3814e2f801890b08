#include "tests/support/fault.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

static bool is_planned(struct fault *f, enum fault_call kind, int *error)
{
	const struct fault_plan *plan = &f->plans[kind];
	uint64_t call = atomic_fetch_add(&f->calls[kind], 1) + 1;
	if (plan->first == 0 || call < plan->first || call - plan->first >= plan->count)
		return false;
	*error = plan->error;
	return true;
}

/* 0, or what the call is to answer instead of being made. */
static int planned(struct fault *f, enum fault_call kind)
{
	int error = 0;
	bool own = is_planned(f, kind, &error);
	int any_error = 0;
	bool any = is_planned(f, FAULT_CALLS, &any_error);
	return own ? error : any ? any_error : 0;
}

static size_t shorten(const struct fault *f, size_t len)
{
	return f->transfer_max && len > f->transfer_max ? f->transfer_max : len;
}

static int fault_openat(void *arg, int dirfd, const char *path, int flags, mode_t mode)
{
	struct fault *f = arg;
	int r = planned(f, FAULT_OPEN);
	if (r == 0)
		r = f->below->ops->openat(f->below->arg, dirfd, path, flags, mode);
	if (r >= 0)
		atomic_fetch_add(&f->open_files, 1);
	return r;
}

static int fault_close(void *arg, int fd)
{
	struct fault *f = arg;
	atomic_fetch_sub(&f->open_files, 1);
	return f->below->ops->close(f->below->arg, fd);
}

static ssize_t fault_pread(void *arg, int fd, void *data, size_t len, off_t offset)
{
	struct fault *f = arg;
	int r = planned(f, FAULT_READ);
	return r ? r : f->below->ops->pread(f->below->arg, fd, data, shorten(f, len), offset);
}

/* Take up to LEN bytes from the room that is left; how many there were. */
static size_t take_room(struct fault *f, size_t len)
{
	int64_t room = atomic_load(&f->room);
	for (;;) {
		if (room < 0)
			return len;
		size_t taken = (uint64_t)room < len ? (size_t)room : len;
		if (atomic_compare_exchange_weak(&f->room, &room, room - (int64_t)taken))
			return taken;
	}
}

static ssize_t fault_pwrite(void *arg, int fd, const void *data, size_t len, off_t offset)
{
	struct fault *f = arg;
	int r = planned(f, FAULT_WRITE);
	if (r)
		return r;
	size_t taken = take_room(f, shorten(f, len));
	if (taken == 0 && len > 0)
		return -ENOSPC;
	return f->below->ops->pwrite(f->below->arg, fd, data, taken, offset);
}

static ssize_t fault_getdents(void *arg, int fd, void *data, size_t len)
{
	struct fault *f = arg;
	int r = planned(f, FAULT_LIST);
	return r ? r : f->below->ops->getdents(f->below->arg, fd, data, len);
}

static int fault_fsync(void *arg, int fd)
{
	struct fault *f = arg;
	int r = planned(f, FAULT_FSYNC);
	return r ? r : f->below->ops->fsync(f->below->arg, fd);
}

static int fault_ftruncate(void *arg, int fd, off_t len)
{
	struct fault *f = arg;
	int r = planned(f, FAULT_TRUNCATE);
	return r ? r : f->below->ops->ftruncate(f->below->arg, fd, len);
}

static int fault_fchmod(void *arg, int fd, mode_t mode)
{
	struct fault *f = arg;
	int r = planned(f, FAULT_CHMOD);
	return r ? r : f->below->ops->fchmod(f->below->arg, fd, mode);
}

static int fault_renameat(void *arg, int old_dirfd, const char *old_path, int new_dirfd, const char *new_path)
{
	struct fault *f = arg;
	int r = planned(f, FAULT_RENAME);
	return r ? r : f->below->ops->renameat(f->below->arg, old_dirfd, old_path, new_dirfd, new_path);
}

static int fault_linkat(void *arg, int old_dirfd, const char *old_path, int new_dirfd, const char *new_path)
{
	struct fault *f = arg;
	int r = planned(f, FAULT_LINK);
	return r ? r : f->below->ops->linkat(f->below->arg, old_dirfd, old_path, new_dirfd, new_path);
}

static int fault_unlinkat(void *arg, int dirfd, const char *path, int flags)
{
	struct fault *f = arg;
	int r = planned(f, FAULT_UNLINK);
	return r ? r : f->below->ops->unlinkat(f->below->arg, dirfd, path, flags);
}

static int fault_mkdirat(void *arg, int dirfd, const char *path, mode_t mode)
{
	struct fault *f = arg;
	int r = planned(f, FAULT_MKDIR);
	return r ? r : f->below->ops->mkdirat(f->below->arg, dirfd, path, mode);
}

static int fault_fstat(void *arg, int fd, struct stat *st)
{
	struct fault *f = arg;
	int r = planned(f, FAULT_STAT);
	return r ? r : f->below->ops->fstat(f->below->arg, fd, st);
}

static int fault_fstatat(void *arg, int dirfd, const char *path, struct stat *st, int flags)
{
	struct fault *f = arg;
	int r = planned(f, FAULT_STAT);
	return r ? r : f->below->ops->fstatat(f->below->arg, dirfd, path, st, flags);
}

static int fault_flock(void *arg, int fd, int operation)
{
	struct fault *f = arg;
	int r = planned(f, FAULT_LOCK);
	return r ? r : f->below->ops->flock(f->below->arg, fd, operation);
}

static int fault_touch(void *arg, int dirfd, const char *path)
{
	struct fault *f = arg;
	return f->below->ops->touch(f->below->arg, dirfd, path);
}

static int fault_next_data(void *arg, int fd, uint64_t from, uint64_t *begin, uint64_t *end)
{
	struct fault *f = arg;
	return f->below->ops->next_data(f->below->arg, fd, from, begin, end);
}

static int fault_free_bytes(void *arg, int fd, uint64_t *bytes)
{
	struct fault *f = arg;
	return f->below->ops->free_bytes(f->below->arg, fd, bytes);
}

static int fault_random(void *arg, void *data, size_t len)
{
	struct fault *f = arg;
	return f->below->ops->random(f->below->arg, data, len);
}

static int fault_now(void *arg, int clock, struct timespec *now)
{
	struct fault *f = arg;
	int r = f->below->ops->now(f->below->arg, clock, now);
	uint64_t ns = (uint64_t)now->tv_nsec + atomic_load(&f->clock_ns);
	now->tv_sec += (time_t)(ns / 1000000000);
	now->tv_nsec = (long)(ns % 1000000000);
	return r;
}

static int fault_sleep_ms(void *arg, unsigned ms)
{
	struct fault *f = arg;
	atomic_fetch_add(&f->slept_ms, ms);
	atomic_fetch_add(&f->clock_ns, (uint64_t)ms * 1000000);
	return 0;
}

static const struct io_ops fault_ops = {
    .openat = fault_openat,
    .close = fault_close,
    .pread = fault_pread,
    .pwrite = fault_pwrite,
    .getdents = fault_getdents,
    .fsync = fault_fsync,
    .ftruncate = fault_ftruncate,
    .fchmod = fault_fchmod,
    .renameat = fault_renameat,
    .linkat = fault_linkat,
    .unlinkat = fault_unlinkat,
    .mkdirat = fault_mkdirat,
    .fstat = fault_fstat,
    .fstatat = fault_fstatat,
    .flock = fault_flock,
    .touch = fault_touch,
    .free_bytes = fault_free_bytes,
    .next_data = fault_next_data,
    .random = fault_random,
    .now = fault_now,
    .sleep_ms = fault_sleep_ms,
};

void fault_init(struct fault *f, const struct io *below)
{
	memset(f, 0, sizeof(*f));
	f->io = (struct io){.ops = &fault_ops, .arg = f};
	f->below = below;
	atomic_store(&f->room, -1);
}

void fault_set(struct fault *f, enum fault_call kind, uint64_t nth, uint64_t count, int error)
{
	f->plans[kind] =
	    (struct fault_plan){.first = atomic_load(&f->calls[kind]) + nth, .count = count, .error = error};
}

void fault_clear(struct fault *f)
{
	memset(f->plans, 0, sizeof(f->plans));
	for (unsigned i = 0; i <= FAULT_CALLS; i++)
		atomic_store(&f->calls[i], 0);
	atomic_store(&f->room, -1);
	f->transfer_max = 0;
}
