#include "fs/mount/region.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define STEP_MIN ((size_t)1 << 20)

static int region_map(int fd, size_t size, size_t reserve, struct region *region)
{
	size_t least = size > STEP_MIN ? size : STEP_MIN;

	/* Addresses may be limited (RLIMIT_AS): a smaller range serves fewer nodes, which is better than no mount. */
	for (; reserve >= least; reserve /= 2) {
		void *base = mmap(NULL, reserve, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd, 0);

		if (base != MAP_FAILED) {
			*region = (struct region){.fd = fd, .base = base, .size = size, .reserved = reserve};
			return 0;
		}
		if (errno != ENOMEM)
			return -errno;
	}
	return -ENOMEM;
}

int region_open(const char *name, size_t reserve, struct region *region)
{
	int fd = memfd_create(name, MFD_CLOEXEC);
	int err;

	if (fd < 0)
		return -errno;
	err = region_map(fd, 0, reserve, region);
	if (err)
		close(fd);
	return err;
}

int region_adopt(int fd, size_t reserve, struct region *region)
{
	struct stat st;
	int own, err;

	if (fstat(fd, &st))
		return -errno;
	if (st.st_size < 0 || (uintmax_t)st.st_size > reserve)
		return -EBADMSG;
	own = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (own < 0)
		return -errno;
	err = region_map(own, (size_t)st.st_size, reserve, region);
	if (err)
		close(own);
	return err;
}

int region_grow(struct region *region, size_t size)
{
	size_t step = region->size / 8 > STEP_MIN ? region->size / 8 : STEP_MIN;
	size_t target;

	if (size <= region->size)
		return 0;
	if (size > region->reserved)
		return -ENOMEM;
	target = region->size + step;
	if (target < size)
		target = size;
	target = (target + STEP_MIN - 1) / STEP_MIN * STEP_MIN;
	if (target > region->reserved)
		target = region->reserved;
	/* Not ftruncate alone: a page that cannot be had later would be a SIGBUS. */
	if (fallocate(region->fd, 0, (off_t)region->size, (off_t)(target - region->size)))
		return errno == ENOSPC ? -ENOMEM : -errno;
	region->size = target;
	return 0;
}

void region_close(struct region *region)
{
	if (!region->base)
		return;
	munmap(region->base, region->reserved);
	close(region->fd);
	*region = (struct region){.fd = -1};
}
