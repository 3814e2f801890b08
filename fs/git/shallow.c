#include "fs/git/shallow.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cache/io.h"

#define FILE_MAX ((size_t)64 << 20)

struct shallow {
	char *path;
	pthread_mutex_t lock; /* guards what follows */
	struct stat read_at;  /* of the file when it was read; all zero: not there */
	struct oid *commits;  /* sorted */
	size_t count;
};

static int compare(const void *a, const void *b)
{
	return oid_cmp(a, b);
}

static bool same_file(const struct stat *a, const struct stat *b)
{
	return a->st_ino == b->st_ino && a->st_size == b->st_size && a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
	       a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

/* The ids in TEXT, a line each, sorted.  Returns their number, or -errno. */
static ssize_t parse(const char *text, struct oid **commits)
{
	size_t count = 0, lines = 0;

	for (const char *p = text; (p = strchr(p, '\n')); p++)
		lines++;
	*commits = calloc(lines + 1, sizeof(**commits));
	if (!*commits)
		return -ENOMEM;
	for (const char *end; (end = strchr(text, '\n')); text = end + 1)
		if (oid_parse(text, (size_t)(end - text), &(*commits)[count++])) {
			free(*commits);
			return -EBADMSG;
		}
	qsort(*commits, count, sizeof(**commits), compare);
	return (ssize_t)count;
}

static int read_list(struct shallow *s, const struct stat *st)
{
	struct oid *commits = NULL;
	ssize_t count = 0;
	void *text;
	size_t len;
	int r;

	if (st->st_ino) {
		r = io_read_file(io_system(), AT_FDCWD, s->path, FILE_MAX, &text, &len);
		if (r)
			return r;
		count = parse(text, &commits);
		free(text);
		if (count < 0)
			return (int)count;
	}
	pthread_mutex_lock(&s->lock);
	free(s->commits);
	s->commits = commits;
	s->count = (size_t)count;
	s->read_at = *st;
	pthread_mutex_unlock(&s->lock);
	return 0;
}

int shallow_find(struct shallow *s, const struct oid *commit, bool *found)
{
	struct stat st;
	bool current;
	int r = 0;

	if (stat(s->path, &st)) {
		if (errno != ENOENT && errno != ENOTDIR)
			return -errno;
		memset(&st, 0, sizeof(st));
	}
	pthread_mutex_lock(&s->lock);
	current = same_file(&st, &s->read_at);
	pthread_mutex_unlock(&s->lock);
	if (!current)
		r = read_list(s, &st);
	if (r)
		return r;
	pthread_mutex_lock(&s->lock);
	*found = s->count && bsearch(commit, s->commits, s->count, sizeof(*commit), compare);
	pthread_mutex_unlock(&s->lock);
	return 0;
}

int shallow_open(const char *common_dir, struct shallow **shallow)
{
	struct shallow *s = calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	if (asprintf(&s->path, "%s/shallow", common_dir) < 0) {
		free(s);
		return -ENOMEM;
	}
	pthread_mutex_init(&s->lock, NULL);
	*shallow = s;
	return 0;
}

void shallow_close(struct shallow *s)
{
	if (!s)
		return;
	pthread_mutex_destroy(&s->lock);
	free(s->commits);
	free(s->path);
	free(s);
}
