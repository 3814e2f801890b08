#include "fs/scan.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cache/wire.h"
#include "fs/page.h"

#define LISTING_SIZE 65536

struct scan_dir {
	int fd;
	atomic_uint pins;
};

/*
 * One name of a directory, AT in the arena; of one behind a mark, what follows the mark, so that the byte before it is
 * no NUL byte.  KEY is what follows the prefix all names share, so that most comparisons stay in here.
 */
struct name {
	uint64_t key;
	size_t at;
};

/* A directory on the way down. */
struct frame {
	struct scan_dir *dir; /* NULL: closed for now */
	dev_t dev;
	ino_t ino;
	char *arena; /* names, each with its NUL byte */
	struct name *names;
	size_t count;
	size_t next;
	size_t path_len; /* of the directory itself */
};

struct scan {
	const char *mark; /* NULL: none */
	struct frame *frames;
	size_t depth; /* frames in use; 0: at the end */
	size_t capacity;
	struct buffer path; /* of the name told last */
	bool entering;      /* SCAN_ENTER was told, the directory is not open yet */
	bool skipped;
	bool leaving; /* the directory could not be entered: only its end is still to be told */
	_Alignas(struct dirent64) char listing[LISTING_SIZE];
};

int scan_dir_fd(const struct scan_dir *dir)
{
	return dir->fd;
}

struct scan_dir *scan_dir_pin(struct scan_dir *dir)
{
	atomic_fetch_add_explicit(&dir->pins, 1, memory_order_relaxed);
	return dir;
}

void scan_dir_unpin(struct scan_dir *dir)
{
	if (!dir || atomic_fetch_sub_explicit(&dir->pins, 1, memory_order_acq_rel) != 1)
		return;
	close(dir->fd);
	free(dir);
}

static int dir_open(int dirfd, const char *path, struct scan_dir **dir, struct stat *st)
{
	struct scan_dir *d = malloc(sizeof(*d));

	if (!d)
		return -ENOMEM;
	d->fd = openat(dirfd, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	if (d->fd < 0 || fstat(d->fd, st) < 0) {
		int error = -errno;

		if (d->fd >= 0)
			close(d->fd);
		free(d);
		return error;
	}
	atomic_init(&d->pins, 1);
	*dir = d;
	return 0;
}

int scan_dir_open(int dirfd, const char *path, struct scan_dir **dir)
{
	struct stat st;

	return dir_open(dirfd, path, dir, &st);
}

static void frame_release(struct frame *f)
{
	scan_dir_unpin(f->dir);
	free(f->arena);
	free(f->names);
	*f = (struct frame){0};
}

/* Append every name of one getdents64(2) answer to the arena and the offsets. */
static void take_names(const char *listing, size_t len, struct buffer *arena, struct buffer *offsets)
{
	for (size_t at = 0; at < len;) {
		const struct dirent64 *d = (const void *)(listing + at);

		at += d->d_reclen;
		if (!strcmp(d->d_name, ".") || !strcmp(d->d_name, ".."))
			continue;
		buffer_put64(offsets, arena->len);
		buffer_append(arena, d->d_name, strlen(d->d_name) + 1);
	}
}

/* How many first bytes all names have in common. */
static size_t common_prefix(const char *arena, const struct name *names, size_t count)
{
	const char *first = arena + names[0].at;
	size_t len = strlen(first);

	for (size_t i = 1; i < count && len; i++) {
		const char *other = arena + names[i].at;
		size_t same = 0;

		while (same < len && other[same] == first[same])
			same++;
		len = same;
	}
	return len;
}

/* The 8 bytes behind the prefix as a number that sorts like them; a shorter name is filled with zeros, which no name
 * has. */
static uint64_t sort_key(const char *name)
{
	uint64_t key = 0;
	unsigned i = 0;

	for (; i < 8 && name[i]; i++)
		key = key << 8 | (uint8_t)name[i];
	return i ? key << (8 * (8 - i)) : 0;
}

static bool is_marked(const char *arena, size_t at)
{
	return at && arena[at - 1];
}

static int compare_names(const void *a, const void *b, void *arena)
{
	const struct name *x = a, *y = b;
	int order;

	if (x->key != y->key)
		return x->key < y->key ? -1 : 1;
	order = strcmp((const char *)arena + x->at, (const char *)arena + y->at);
	return order ? order : is_marked(arena, y->at) - is_marked(arena, x->at);
}

static int sort_names(struct frame *f, const struct buffer *offsets, const char *mark)
{
	size_t count = offsets->len / 8, mark_len = mark ? strlen(mark) : 0, prefix;

	if (!count)
		return 0;
	f->names = reallocarray(NULL, count, sizeof(*f->names));
	if (!f->names)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++) {
		f->names[i].at = wire_get64(offsets->data + 8 * i);
		if (mark && !strncmp(f->arena + f->names[i].at, mark, mark_len))
			f->names[i].at += mark_len;
	}
	prefix = common_prefix(f->arena, f->names, count);
	for (size_t i = 0; i < count; i++)
		f->names[i].key = sort_key(f->arena + f->names[i].at + prefix);
	qsort_r(f->names, count, sizeof(*f->names), compare_names, f->arena);
	f->count = count;
	return 0;
}

/* List the open directory of F. */
static int frame_list(struct scan *s, struct frame *f)
{
	struct buffer arena = {0}, offsets = {0};
	ssize_t got;
	int error;

	while ((got = getdents64(f->dir->fd, s->listing, sizeof(s->listing))) > 0)
		take_names(s->listing, (size_t)got, &arena, &offsets);
	error = got < 0 ? -errno : arena.failed || offsets.failed ? -ENOMEM : 0;
	if (!error) {
		f->arena = (char *)arena.data;
		arena = (struct buffer){0};
		error = sort_names(f, &offsets, s->mark);
	}
	buffer_release(&arena);
	buffer_release(&offsets);
	return error;
}

/* Open PATH below DIRFD as the next frame.  On failure there is no new frame. */
static int push(struct scan *s, int dirfd, const char *path, size_t path_len)
{
	struct frame *f;
	struct stat st;
	int error;

	if (s->depth > PAGE_DEPTH_MAX)
		return -ENAMETOOLONG;
	if (s->depth == s->capacity) {
		size_t capacity = s->capacity ? 2 * s->capacity : 16;
		struct frame *frames = reallocarray(s->frames, capacity, sizeof(*frames));

		if (!frames)
			return -ENOMEM;
		s->frames = frames;
		s->capacity = capacity;
	}
	f = &s->frames[s->depth];
	*f = (struct frame){.path_len = path_len};
	error = dir_open(dirfd, path, &f->dir, &st);
	if (!error)
		error = frame_list(s, f);
	if (error) {
		frame_release(f);
		return error;
	}
	f->dev = st.st_dev;
	f->ino = st.st_ino;
	if (s->depth >= SCAN_OPEN_MAX) {
		scan_dir_unpin(s->frames[s->depth - SCAN_OPEN_MAX].dir);
		s->frames[s->depth - SCAN_OPEN_MAX].dir = NULL;
	}
	s->depth++;
	return 0;
}

/* Open the parent of the last frame again, by the way back up, which must lead to where we came from. */
static int reopen_parent(struct scan *s)
{
	struct frame *child = &s->frames[s->depth - 1], *parent = child - 1;
	struct stat st;
	int error;

	if (parent->dir)
		return 0;
	if (!child->dir)
		return -ESTALE;
	error = dir_open(child->dir->fd, "..", &parent->dir, &st);
	if (!error && (st.st_dev != parent->dev || st.st_ino != parent->ino)) {
		scan_dir_unpin(parent->dir);
		parent->dir = NULL;
		error = -ESTALE;
	}
	return error;
}

int scan_open(int dirfd, const char *path, struct scan **scan)
{
	return scan_open_marked(dirfd, path, NULL, scan);
}

int scan_open_marked(int dirfd, const char *path, const char *mark, struct scan **scan)
{
	struct scan *s = calloc(1, sizeof(*s));
	int error;

	if (!s)
		return -ENOMEM;
	s->mark = mark;
	buffer_append(&s->path, "", 1);
	error = s->path.failed ? -ENOMEM : push(s, dirfd, path, 0);
	if (error) {
		scan_close(s);
		return error;
	}
	*scan = s;
	return 0;
}

void scan_close(struct scan *s)
{
	if (!s)
		return;
	while (s->depth)
		frame_release(&s->frames[--s->depth]);
	free(s->frames);
	buffer_release(&s->path);
	free(s);
}

/* Set the path to that of the directory of F, and NAME behind it where it is not NULL. */
static int set_path(struct scan *s, const struct frame *f, const char *name)
{
	s->path.len = f->path_len;
	if (name) {
		if (f->path_len)
			buffer_put8(&s->path, '/');
		buffer_append(&s->path, name, strlen(name));
	}
	buffer_append(&s->path, "", 1);
	if (s->path.failed)
		return -ENOMEM;
	s->path.len--;
	return 0;
}

/* Tell the end of the directory of the last frame, and go back to the one above. */
static int leave(struct scan *s, struct scan_step *step)
{
	struct frame *f = &s->frames[s->depth - 1];
	int error = set_path(s, f, NULL);

	if (error)
		return error;
	error = reopen_parent(s);
	s->depth--;
	frame_release(f);
	if (error) {
		/* The rest of the parent cannot be read: it is told as failed, and then left as well. */
		s->frames[s->depth - 1].next = s->frames[s->depth - 1].count;
		*step = (struct scan_step){.event = SCAN_FAILED, .error = error};
		s->leaving = true;
		return 0;
	}
	*step = (struct scan_step){.event = SCAN_LEAVE};
	return 0;
}

/* Tell the next name of the last frame.  *TOLD stays false where the directory has no more. */
static int next_name(struct scan *s, struct scan_step *step, bool *told)
{
	struct frame *f = &s->frames[s->depth - 1];

	while (f->next < f->count) {
		size_t at = f->names[f->next++].at;
		const char *name = f->arena + at;
		bool marked = is_marked(f->arena, at);
		const char *file = marked ? name - strlen(s->mark) : name;

		*step = (struct scan_step){.name = name, .name_len = strlen(name), .marked = marked, .dir = f->dir};
		if (fstatat(f->dir->fd, file, &step->st, AT_SYMLINK_NOFOLLOW) < 0) {
			if (errno == ENOENT)
				continue;
			step->event = SCAN_FAILED;
			step->error = -errno;
		} else {
			step->event = S_ISDIR(step->st.st_mode) ? SCAN_ENTER : SCAN_ENTRY;
			s->entering = step->event == SCAN_ENTER;
		}
		*told = true;
		return set_path(s, f, name);
	}
	return 0;
}

/* Open the directory that was told last.  Returns 0 with *STEP told where that failed. */
static int enter(struct scan *s, struct scan_step *step, bool *told)
{
	struct frame *f = &s->frames[s->depth - 1];
	const char *name = f->arena + f->names[f->next - 1].at;
	int error;

	s->entering = false;
	if (s->skipped) {
		s->skipped = false;
		*step = (struct scan_step){.event = SCAN_LEAVE};
		*told = true;
		return 0;
	}
	error = push(s, f->dir->fd, name, s->path.len);
	if (!error || error == -ENOMEM)
		return error;
	*step = (struct scan_step){.event = SCAN_FAILED, .error = error};
	*told = true;
	s->leaving = true;
	return 0;
}

int scan_next(struct scan *s, struct scan_step *step)
{
	bool told = false;
	int error = 0;

	if (!s->depth)
		return -ENOENT;
	if (s->leaving) {
		s->leaving = false;
		*step = (struct scan_step){.event = SCAN_LEAVE};
		return 0;
	}
	if (s->entering)
		error = enter(s, step, &told);
	if (!error && !told)
		error = next_name(s, step, &told);
	if (error || told)
		return error;
	if (s->depth == 1)
		return -ENOENT;
	return leave(s, step);
}

int scan_look(struct scan *s, struct scan_dir **dir)
{
	struct frame *f = &s->frames[s->depth - 1];
	const char *name = f->arena + f->names[f->next - 1].at;
	int error;

	assert(s->entering);
	error = push(s, f->dir->fd, name, s->path.len);
	if (error)
		return error;
	s->entering = false;
	*dir = s->frames[s->depth - 1].dir;
	return 0;
}

void scan_skip(struct scan *s)
{
	struct frame *f = &s->frames[s->depth - 1];

	if (s->entering) {
		s->skipped = true;
		return;
	}
	assert(!f->next);
	f->next = f->count;
}

const char *scan_path(const struct scan *s)
{
	return (const char *)s->path.data;
}
