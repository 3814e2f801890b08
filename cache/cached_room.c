#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cache/cached_inside.h"
#include "cache/io.h"
#include "cache/pins.h"

struct file {
	struct cached_place place;
	uint64_t bytes;
	struct timespec used;
	bool pinned;
};

/* All files of the folder. */
struct files {
	struct cached *cached;
	const char *top;
	int top_fd, sub_fd; /* the folders that are being listed */
	char sub[3];
	struct file *list;
	size_t count, room;
	uint64_t bytes, packs, pinned_bytes;
	struct pins_kept kept;
};

static bool is_packs(const char *top)
{
	return !strcmp(top, CACHED_PACKS);
}

/* Whether NAME may be of ours: what is not stays. */
static bool is_ours(const char *top, const char *name)
{
	const size_t len = strlen(name);

	return strspn(name, "0123456789abcdef-") == len &&
	       len == (is_packs(top) ? PACK_ID_HEX_SIZE : 17 + ID_HEX_SIZE) - 1;
}

static int take_file(void *arg, const char *name)
{
	struct files *f = arg;
	struct file *file;
	struct stat st;

	if (!is_ours(f->top, name) || io_stat(f->cached->io, f->sub_fd, name, &st) || S_ISDIR(st.st_mode))
		return 0;
	if (f->count == f->room) {
		size_t room = f->room ? 2 * f->room : 64;
		struct file *list = reallocarray(f->list, room, sizeof(*list));

		if (!list)
			return -ENOMEM;
		f->list = list;
		f->room = room;
	}
	file = &f->list[f->count++];
	file->place.top = f->top;
	memcpy(file->place.sub, f->sub, sizeof(f->sub));
	snprintf(file->place.name, sizeof(file->place.name), "%s", name);
	file->bytes = (uint64_t)st.st_blocks * 512;
	file->used = st.st_mtim;
	file->pinned = pins_keep(&f->kept, is_packs(f->top), name);
	f->pinned_bytes += file->pinned ? file->bytes : 0;
	f->bytes += file->bytes;
	f->packs += is_packs(f->top);
	return 0;
}

/* A folder of files, "ab". */
static int take_folder(void *arg, const char *name)
{
	struct files *f = arg;
	int error = 0;

	if (strlen(name) != 2)
		return 0;
	strcpy(f->sub, name);
	f->sub_fd = cached_enter(f->cached, f->top_fd, name, false);
	if (f->sub_fd >= 0)
		error = io_list(f->cached->io, f->sub_fd, ".", take_file, f);
	io_close(f->cached->io, f->sub_fd);
	return error == -ENOMEM ? error : 0;
}

static void release_files(struct files *f)
{
	free(f->list);
	pins_kept_release(&f->kept);
}

static int find_files(struct cached *c, struct files *f)
{
	static const char *const tops[] = {CACHED_PACKS, CACHED_ROOTS};
	int error;

	*f = (struct files){.cached = c};
	error = pins_kept_read(c, &f->kept);
	for (unsigned i = 0; i < 2 && !error; i++) {
		f->top = tops[i];
		f->top_fd = cached_enter(c, c->dirfd, f->top, false);
		if (f->top_fd >= 0)
			error = io_list(c->io, f->top_fd, ".", take_folder, f);
		io_close(c->io, f->top_fd);
	}
	if (error)
		release_files(f);
	return error;
}

int cached_each_file(struct cached *cached, int (*each)(void *arg, const struct cached_place *place, uint64_t bytes),
                     void *arg)
{
	struct files f;
	int answer = find_files(cached, &f);

	if (answer)
		return answer;
	for (size_t i = 0; i < f.count && !answer; i++)
		answer = each(arg, &f.list[i].place, f.list[i].bytes);
	release_files(&f);
	return answer;
}

int cached_measure(struct cached *cached, struct cached_size *size)
{
	struct files f;
	int error = find_files(cached, &f);

	if (error)
		return error;
	*size = (struct cached_size){
	    .packs = f.packs, .bytes = f.bytes, .pins = f.kept.pins, .pinned_bytes = f.pinned_bytes};
	cached_note_bytes(cached, f.bytes);
	release_files(&f);
	return 0;
}

static int compare_use(const void *a, const void *b)
{
	const struct file *x = a, *y = b;

	if (x->used.tv_sec != y->used.tv_sec)
		return x->used.tv_sec < y->used.tv_sec ? -1 : 1;
	return x->used.tv_nsec < y->used.tv_nsec ? -1 : x->used.tv_nsec > y->used.tv_nsec;
}

/* How much more of the disk should be free. */
static uint64_t short_of(const struct cached *c)
{
	uint64_t available;

	if (io_free_bytes(c->io, c->dirfd, &available))
		return 0;
	return available < c->floor ? c->floor - available : 0;
}

int cached_remove_file(struct cached *c, const struct cached_place *place)
{
	int folder = cached_open_folder(c, place, false);
	int error = folder < 0 ? folder : io_unlink(c->io, folder, place->name);

	io_close(c->io, folder);
	return error;
}

static int trim(struct cached *cached, uint64_t limit_bytes, bool pinned_too)
{
	const uint64_t wanted = short_of(cached);
	struct files f;
	uint64_t left;
	int error = find_files(cached, &f);

	if (error)
		return error;
	left = f.bytes > wanted ? f.bytes - wanted : 0;
	if (left < limit_bytes)
		limit_bytes = left;
	if (f.count)
		qsort(f.list, f.count, sizeof(*f.list), compare_use);
	for (size_t i = 0; i < f.count && !error && (f.bytes > limit_bytes || !limit_bytes); i++) {
		if (f.list[i].pinned && !pinned_too)
			continue;
		error = cached_remove_file(cached, &f.list[i].place);
		if (!error) {
			cached_count(cached, &cached->stats.evicted, 1);
			cached_count(cached, &cached->stats.evicted_bytes, f.list[i].bytes);
		}
		if (!error || error == -ENOENT) {
			f.bytes -= f.list[i].bytes;
			error = 0;
		}
	}
	cached_note_bytes(cached, f.bytes);
	release_files(&f);
	cached_close_files(cached);
	return error;
}

int cached_trim(struct cached *cached, uint64_t limit_bytes)
{
	return trim(cached, limit_bytes, false);
}

int cached_clear(struct cached *cached)
{
	return trim(cached, 0, true);
}
