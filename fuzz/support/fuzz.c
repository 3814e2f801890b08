#include "fuzz/support/fuzz.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "cache/checksum.h"
#include "cache/header.h"
#include "cache/record.h"
#include "cache/wire.h"

#define THE_FILE 1000

static int file_openat(void *arg, int dirfd, const char *path, int flags, mode_t mode)
{
	struct fuzz_file *file = arg;
	(void)dirfd, (void)path, (void)mode;
	if ((flags & O_ACCMODE) != O_RDONLY || flags & O_DIRECTORY)
		return -EROFS;
	file->open++;
	return THE_FILE;
}

static int file_close(void *arg, int fd)
{
	struct fuzz_file *file = arg;
	REQUIRE(fd == THE_FILE && file->open-- > 0);
	return 0;
}

static ssize_t file_pread(void *arg, int fd, void *data, size_t len, off_t offset)
{
	const struct fuzz_file *file = arg;
	REQUIRE(fd == THE_FILE && offset >= 0);
	if ((uint64_t)offset >= file->len)
		return 0;
	size_t left = file->len - (size_t)offset;
	size_t n = len < left ? len : left;
	memcpy(data, file->data + offset, n);
	return (ssize_t)n;
}

static int file_fstat(void *arg, int fd, struct stat *st)
{
	const struct fuzz_file *file = arg;
	REQUIRE(fd == THE_FILE);
	memset(st, 0, sizeof(*st));
	st->st_mode = S_IFREG | 0444;
	st->st_size = (off_t)file->len;
	return 0;
}

struct io fuzz_file_io(struct fuzz_file *file)
{
	static const struct io_ops ops = {
	    .openat = file_openat, .close = file_close, .pread = file_pread, .fstat = file_fstat};
	return (struct io){.ops = &ops, .arg = file};
}

uint8_t *fuzz_copy(const uint8_t *data, size_t len)
{
	uint8_t *copy = malloc(len ? len : 1);
	REQUIRE(copy);
	if (len)
		memcpy(copy, data, len);
	return copy;
}

void fuzz_seal_header(uint8_t *data, size_t len)
{
	if (len >= HEADER_SIZE)
		wire_put64(data + 56, checksum(data, 56));
}

void fuzz_seal_record(uint8_t *data, size_t len)
{
	if (len < RECORD_HEADER_SIZE)
		return;
	size_t stored_len = wire_get32(data + 8);
	if (stored_len > len - RECORD_HEADER_SIZE)
		return;
	wire_put64(data + 16, checksum_two(data, 16, data + RECORD_HEADER_SIZE, stored_len));
}
