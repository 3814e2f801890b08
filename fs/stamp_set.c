#include "fs/stamp_set.h"

#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "cache/checksum.h"

struct stamp {
	uint64_t path; /* checksum */
	uint64_t ino;
	uint64_t times; /* checksum of what else lstat(2) shows */
};

struct stamp_set {
	pthread_mutex_t lock; /* of all below, until it is sealed */
	struct stamp *stamps;
	size_t count, capacity;
};

int stamp_set_new(struct stamp_set **set)
{
	struct stamp_set *s = calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	pthread_mutex_init(&s->lock, NULL);
	*set = s;
	return 0;
}

void stamp_set_free(struct stamp_set *s)
{
	if (!s)
		return;
	pthread_mutex_destroy(&s->lock);
	free(s->stamps);
	free(s);
}

static struct stamp stamp_of(const char *path, const struct stat *st)
{
	const int64_t shown[] = {st->st_size,         st->st_mode,        st->st_mtim.tv_sec,
	                         st->st_mtim.tv_nsec, st->st_ctim.tv_sec, st->st_ctim.tv_nsec};

	return (struct stamp){
	    .path = checksum(path, strlen(path)), .ino = st->st_ino, .times = checksum(shown, sizeof(shown))};
}

void stamp_set_add(struct stamp_set *s, const char *path, const struct stat *st)
{
	struct stamp stamp = stamp_of(path, st);

	pthread_mutex_lock(&s->lock);
	if (s->count == s->capacity) {
		size_t capacity = s->capacity ? 2 * s->capacity : 1024;
		struct stamp *stamps = reallocarray(s->stamps, capacity, sizeof(*stamps));

		if (stamps) {
			s->stamps = stamps;
			s->capacity = capacity;
		}
	}
	if (s->count < s->capacity)
		s->stamps[s->count++] = stamp;
	pthread_mutex_unlock(&s->lock);
}

static int compare(const void *a, const void *b)
{
	const struct stamp *x = a, *y = b;

	return (x->path > y->path) - (x->path < y->path);
}

void stamp_set_seal(struct stamp_set *s)
{
	if (s->count)
		qsort(s->stamps, s->count, sizeof(*s->stamps), compare);
}

bool stamp_set_has(const struct stamp_set *s, const char *path, const struct stat *st)
{
	struct stamp wanted = stamp_of(path, st);
	const struct stamp *found =
	    s->count ? bsearch(&wanted, s->stamps, s->count, sizeof(*s->stamps), compare) : NULL;

	/* Of a path that was added twice, any line may have been found; another one only costs reading. */
	return found && found->ino == wanted.ino && found->times == wanted.times;
}
