#include "fs/likeness.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fs/chunk_file.h"

struct likeness {
	struct source *source;
	struct chunk_file *reader;
};

int likeness_new(struct source *source, struct likeness **likeness)
{
	struct likeness *l = calloc(1, sizeof(*l));

	if (!l || chunk_file_new(&l->reader)) {
		free(l);
		return -ENOMEM;
	}
	l->source = source;
	*likeness = l;
	return 0;
}

void likeness_free(struct likeness *l)
{
	if (!l)
		return;
	chunk_file_free(l->reader);
	free(l);
}

static unsigned kind_of(const struct stat *st)
{
	return S_ISREG(st->st_mode)   ? ENTRY_FILE
	       : S_ISLNK(st->st_mode) ? ENTRY_SYMLINK
	       : S_ISDIR(st->st_mode) ? ENTRY_DIRECTORY
	                              : 0;
}

static int compare_link(struct likeness *l, int dirfd, const char *name, const struct content *content, bool *same,
                        bool *of_store)
{
	char target[PAGE_SYMLINK_MAX + 1], wanted[PAGE_SYMLINK_MAX];
	ssize_t len = readlinkat(dirfd, name, target, sizeof(target)), got;

	if (len < 0)
		return errno == EINVAL || errno == ENOENT ? 0 : -errno;
	if ((uint64_t)len != content->size)
		return 0;
	got = content_read(l->source, content, wanted, (size_t)len, 0);
	*of_store = got < 0;
	if (got < 0)
		return (int)got;
	*same = got == len && !memcmp(target, wanted, (size_t)len);
	return 0;
}

int likeness_compare(struct likeness *l, int dirfd, const char *name, const struct stat *st,
                     const struct content *known, const struct entry *entry, bool *same, bool *of_store)
{
	struct content content;
	struct stat now;
	int error;

	*same = *of_store = false;
	if (kind_of(st) != entry->kind)
		return 0;
	if (entry->kind == ENTRY_DIRECTORY) {
		*same = true;
		return 0;
	}
	if (content_of(entry, &content) ||
	    (entry->kind == ENTRY_FILE && entry->executable != !!(st->st_mode & S_IXUSR)))
		return 0;
	if (known) {
		*same = content_equal(known, &content);
		return 0;
	}
	if (entry->kind == ENTRY_SYMLINK)
		return compare_link(l, dirfd, name, &content, same, of_store);
	if ((uint64_t)st->st_size != content.size)
		return 0;
	error = chunk_file_compare(l->reader, dirfd, name, l->source, &content, same, of_store, &now);
	return error == -EAGAIN || error == -ENOENT ? 0 : error;
}
