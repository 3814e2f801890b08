#include "tests/support/disk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct object;

struct names {
	size_t count;
	struct {
		char *name;
		struct object *object;
	} * list;
};

/* A file or folder: what it is known by now, and what of it is durable. */
struct object {
	struct object *next;
	ino_t ino;
	int keep; /* O_PATH: the number is not given to another file while we know it */
	bool is_folder;
	mode_t mode;
	struct names names; /* of a folder */
	uint8_t *bytes;     /* of a file */
	size_t len;
	char *placed; /* while restoring: where it stands already, for hard links */
};

struct disk {
	struct io io;
	char *root;
	pthread_mutex_t mutex; /* over everything below */
	struct object *objects;
	struct object *top;
	uint64_t changes;
	uint64_t cut_at; /* 0: never */
	bool is_cut;
};

static void must(bool works, const char *what)
{
	if (works)
		return;
	perror(what);
	abort();
}

static void forget_names(struct names *names)
{
	for (size_t i = 0; i < names->count; i++)
		free(names->list[i].name);
	free(names->list);
	*names = (struct names){0};
}

static void add_name(struct names *names, const char *name, struct object *object)
{
	names->list = reallocarray(names->list, names->count + 1, sizeof(*names->list));
	must(names->list, "reallocarray");
	names->list[names->count].name = strdup(name);
	names->list[names->count].object = object;
	must(names->list[names->count].name, "strdup");
	names->count++;
}

/* The object behind an O_PATH descriptor, which is taken over. */
static struct object *object_of(struct disk *disk, int path_fd)
{
	struct stat st;
	must(path_fd >= 0 && fstat(path_fd, &st) == 0, "fstat");
	for (struct object *o = disk->objects; o; o = o->next) {
		if (o->ino == st.st_ino) {
			o->mode = st.st_mode & 07777;
			close(path_fd);
			return o;
		}
	}
	struct object *o = calloc(1, sizeof(*o));
	must(o, "calloc");
	*o = (struct object){.next = disk->objects, .ino = st.st_ino, .keep = path_fd, .mode = st.st_mode & 07777};
	o->is_folder = S_ISDIR(st.st_mode);
	disk->objects = o;
	return o;
}

static int reopen(int fd, int flags)
{
	char path[64];
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	int again = open(path, flags | O_CLOEXEC);
	must(again >= 0, path);
	return again;
}

/* The bytes that the file O holds now, malloc'ed. */
static uint8_t *bytes_now(const struct object *o, size_t *len)
{
	struct stat st;
	int fd = reopen(o->keep, O_RDONLY);
	must(fstat(fd, &st) == 0, "fstat");
	uint8_t *bytes = malloc((size_t)st.st_size + 1);
	must(bytes && pread(fd, bytes, (size_t)st.st_size, 0) == st.st_size, "pread");
	close(fd);
	*len = (size_t)st.st_size;
	return bytes;
}

/* The names that the folder O holds now. */
static struct names names_now(struct disk *disk, const struct object *o)
{
	struct names names = {0};
	DIR *dir = fdopendir(reopen(o->keep, O_RDONLY | O_DIRECTORY));
	must(dir, "fdopendir");
	for (struct dirent *entry; (entry = readdir(dir));) {
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		int fd = openat(dirfd(dir), entry->d_name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
		must(fd >= 0, entry->d_name);
		add_name(&names, entry->d_name, object_of(disk, fd));
	}
	closedir(dir);
	return names;
}

/* What the object holds now is durable from now on. */
static void make_durable(struct disk *disk, struct object *o)
{
	if (o->is_folder) {
		struct names now = names_now(disk, o);
		forget_names(&o->names);
		o->names = now;
	} else {
		size_t len;
		uint8_t *bytes = bytes_now(o, &len);
		free(o->bytes);
		o->bytes = bytes;
		o->len = len;
	}
}

static void make_all_durable(struct disk *disk, struct object *o)
{
	make_durable(disk, o);
	for (size_t i = 0; i < o->names.count; i++)
		make_all_durable(disk, o->names.list[i].object);
}

static void forget_objects(struct disk *disk)
{
	for (struct object *o = disk->objects, *next; o; o = next) {
		next = o->next;
		forget_names(&o->names);
		close(o->keep);
		free(o->bytes);
		free(o->placed);
		free(o);
	}
	disk->objects = NULL;
}

static void learn(struct disk *disk)
{
	disk->top = object_of(disk, open(disk->root, O_PATH | O_DIRECTORY | O_CLOEXEC));
	make_all_durable(disk, disk->top);
}

/* Count a change (where CHANGES) and tell whether the call may be made.  Leaves the mutex locked where it may. */
static bool enter(struct disk *disk, bool changes)
{
	pthread_mutex_lock(&disk->mutex);
	if (changes && !disk->is_cut && ++disk->changes == disk->cut_at)
		disk->is_cut = true;
	if (!disk->is_cut)
		return true;
	pthread_mutex_unlock(&disk->mutex);
	return false;
}

static const struct io *leave(struct disk *disk)
{
	pthread_mutex_unlock(&disk->mutex);
	return io_system();
}

#define PASS(disk, changes, call, ...) (enter(disk, changes) ? leave(disk)->ops->call(NULL, __VA_ARGS__) : -EIO)

static int disk_openat(void *arg, int dirfd, const char *path, int flags, mode_t mode)
{
	return PASS(arg, (flags & (O_CREAT | O_TRUNC)) != 0, openat, dirfd, path, flags, mode);
}

static int disk_close_file(void *arg, int fd)
{
	(void)arg;
	return io_system()->ops->close(NULL, fd);
}

static ssize_t disk_pread(void *arg, int fd, void *data, size_t len, off_t offset)
{
	return PASS(arg, false, pread, fd, data, len, offset);
}

static ssize_t disk_pwrite(void *arg, int fd, const void *data, size_t len, off_t offset)
{
	return PASS(arg, true, pwrite, fd, data, len, offset);
}

static ssize_t disk_getdents(void *arg, int fd, void *data, size_t len)
{
	return PASS(arg, false, getdents, fd, data, len);
}

static int disk_fsync(void *arg, int fd)
{
	struct disk *disk = arg;
	if (!enter(disk, true))
		return -EIO;
	make_durable(disk, object_of(disk, reopen(fd, O_PATH)));
	pthread_mutex_unlock(&disk->mutex);
	return 0;
}

static int disk_ftruncate(void *arg, int fd, off_t len)
{
	return PASS(arg, true, ftruncate, fd, len);
}

static int disk_fchmod(void *arg, int fd, mode_t mode)
{
	return PASS(arg, true, fchmod, fd, mode);
}

static int disk_renameat(void *arg, int old_dirfd, const char *old_path, int new_dirfd, const char *new_path)
{
	return PASS(arg, true, renameat, old_dirfd, old_path, new_dirfd, new_path);
}

static int disk_linkat(void *arg, int old_dirfd, const char *old_path, int new_dirfd, const char *new_path)
{
	return PASS(arg, true, linkat, old_dirfd, old_path, new_dirfd, new_path);
}

static int disk_unlinkat(void *arg, int dirfd, const char *path, int flags)
{
	return PASS(arg, true, unlinkat, dirfd, path, flags);
}

static int disk_mkdirat(void *arg, int dirfd, const char *path, mode_t mode)
{
	return PASS(arg, true, mkdirat, dirfd, path, mode);
}

static int disk_fstat(void *arg, int fd, struct stat *st)
{
	return PASS(arg, false, fstat, fd, st);
}

static int disk_fstatat(void *arg, int dirfd, const char *path, struct stat *st, int flags)
{
	return PASS(arg, false, fstatat, dirfd, path, st, flags);
}

static int disk_flock(void *arg, int fd, int operation)
{
	return PASS(arg, false, flock, fd, operation);
}

static int disk_random(void *arg, void *data, size_t len)
{
	(void)arg;
	return io_system()->ops->random(NULL, data, len);
}

static int disk_now(void *arg, int clock, struct timespec *now)
{
	(void)arg;
	return io_system()->ops->now(NULL, clock, now);
}

static int disk_sleep_ms(void *arg, unsigned ms)
{
	(void)arg;
	return io_system()->ops->sleep_ms(NULL, ms);
}

static const struct io_ops disk_ops = {
    .openat = disk_openat,
    .close = disk_close_file,
    .pread = disk_pread,
    .pwrite = disk_pwrite,
    .getdents = disk_getdents,
    .fsync = disk_fsync,
    .ftruncate = disk_ftruncate,
    .fchmod = disk_fchmod,
    .renameat = disk_renameat,
    .linkat = disk_linkat,
    .unlinkat = disk_unlinkat,
    .mkdirat = disk_mkdirat,
    .fstat = disk_fstat,
    .fstatat = disk_fstatat,
    .flock = disk_flock,
    .random = disk_random,
    .now = disk_now,
    .sleep_ms = disk_sleep_ms,
};

struct disk *disk_open(const char *root)
{
	struct disk *disk = calloc(1, sizeof(*disk));
	must(disk, "calloc");
	disk->io = (struct io){.ops = &disk_ops, .arg = disk};
	disk->root = strdup(root);
	must(disk->root && pthread_mutex_init(&disk->mutex, NULL) == 0, "disk_open");
	learn(disk);
	return disk;
}

void disk_close(struct disk *disk)
{
	forget_objects(disk);
	pthread_mutex_destroy(&disk->mutex);
	free(disk->root);
	free(disk);
}

const struct io *disk_io(struct disk *disk)
{
	return &disk->io;
}

uint64_t disk_changes(struct disk *disk)
{
	pthread_mutex_lock(&disk->mutex);
	uint64_t changes = disk->changes;
	pthread_mutex_unlock(&disk->mutex);
	return changes;
}

void disk_cut(struct disk *disk, uint64_t nth)
{
	pthread_mutex_lock(&disk->mutex);
	disk->cut_at = disk->changes + nth;
	pthread_mutex_unlock(&disk->mutex);
}

bool disk_is_cut(struct disk *disk)
{
	pthread_mutex_lock(&disk->mutex);
	bool is_cut = disk->is_cut;
	pthread_mutex_unlock(&disk->mutex);
	return is_cut;
}

/* A number below LIMIT; xorshift64*. */
static uint64_t chance(uint64_t *seed, uint64_t limit)
{
	*seed ^= *seed >> 12;
	*seed ^= *seed << 25;
	*seed ^= *seed >> 27;
	return (*seed * UINT64_C(2685821657736338717) >> 33) % limit;
}

static bool has_name(const struct names *names, const char *name, const struct object *object)
{
	for (size_t i = 0; i < names->count; i++)
		if (strcmp(names->list[i].name, name) == 0 && (!object || names->list[i].object == object))
			return true;
	return false;
}

/* The names that O has after the restart; reads the folder as it is now. */
static struct names names_after(struct disk *disk, const struct object *o, enum disk_memory memory, uint64_t *seed)
{
	struct names after = {0};
	struct names now = names_now(disk, o);
	if (memory == DISK_KEEPS_NAMES)
		return now;
	for (size_t i = 0; i < o->names.count; i++) {
		bool stays = has_name(&now, o->names.list[i].name, o->names.list[i].object);
		if (stays || memory == DISK_FORGETS_ALL || chance(seed, 2))
			add_name(&after, o->names.list[i].name, o->names.list[i].object);
	}
	for (size_t i = 0; memory == DISK_KEEPS_SOME && i < now.count; i++)
		if (!has_name(&after, now.list[i].name, NULL) && chance(seed, 2))
			add_name(&after, now.list[i].name, now.list[i].object);
	forget_names(&now);
	return after;
}

/* What the file O holds after the restart, malloc'ed. */
static uint8_t *bytes_after(const struct object *o, enum disk_memory memory, uint64_t *seed, size_t *len)
{
	size_t now_len;
	uint8_t *now = bytes_now(o, &now_len);
	bool synced = now_len == o->len && (now_len == 0 || memcmp(now, o->bytes, now_len) == 0);
	uint64_t fate = memory == DISK_FORGETS_ALL ? 0 : chance(seed, 4);
	if (synced || fate == 0) {
		free(now);
		now = malloc(o->len + 1);
		must(now, "malloc");
		if (o->len)
			memcpy(now, o->bytes, o->len);
		*len = o->len;
		return now;
	}
	*len = now_len;
	if (fate == 1 || (fate == 3 && memory == DISK_KEEPS_NAMES)) /* never written: blocks of zeros */
		memset(now, 0, now_len);
	else if (fate == 2 && now_len) /* torn */
		memset(now + now_len / 2, 0, now_len - now_len / 2);
	return now;
}

/*
 * What the restored folder is made from.  Everything is read before the first file of the old one is removed, because
 * descriptors alone (O_PATH) keep contents readable, but not the names of a removed folder.
 */
struct restored {
	struct object *object;
	char *path; /* below the root */
	uint8_t *bytes;
	size_t len;
};

struct plan {
	struct restored *list;
	size_t count;
};

static void plan_object(struct disk *disk, struct plan *plan, struct object *o, const char *path,
                        enum disk_memory memory, uint64_t *seed)
{
	plan->list = reallocarray(plan->list, plan->count + 1, sizeof(*plan->list));
	must(plan->list, "reallocarray");
	struct restored *r = &plan->list[plan->count++];
	*r = (struct restored){.object = o, .path = strdup(path)};
	if (!o->is_folder) {
		if (!o->placed)
			r->bytes = bytes_after(o, memory, seed, &r->len);
		o->placed = o->placed ? o->placed : strdup(path);
		return;
	}
	struct names after = names_after(disk, o, memory, seed);
	for (size_t i = 0; i < after.count; i++) {
		char *below;
		must(asprintf(&below, "%s%s%s", path, *path ? "/" : "", after.list[i].name) > 0, "asprintf");
		plan_object(disk, plan, after.list[i].object, below, memory, seed);
		free(below);
	}
	forget_names(&after);
}

static void empty_folder(int dirfd_taken)
{
	DIR *dir = fdopendir(dirfd_taken);
	must(dir, "fdopendir");
	for (struct dirent *entry; (entry = readdir(dir));) {
		const char *name = entry->d_name;
		if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0 || unlinkat(dirfd(dir), name, 0) == 0)
			continue;
		empty_folder(openat(dirfd(dir), name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
		must(unlinkat(dirfd(dir), name, AT_REMOVEDIR) == 0, name);
	}
	closedir(dir);
}

static void place(int root, const struct restored *r)
{
	const char *path = *r->path ? r->path : ".";
	if (r->object->is_folder) {
		must(mkdirat(root, path, 0700) == 0 || errno == EEXIST, path);
	} else if (!r->bytes) {
		must(linkat(root, r->object->placed, root, path, 0) == 0, path);
	} else {
		int fd = openat(root, path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
		must(fd >= 0 && write(fd, r->bytes, r->len) == (ssize_t)r->len, path);
		must(fchmod(fd, r->object->mode) == 0 && close(fd) == 0, path);
	}
}

void disk_restart(struct disk *disk, enum disk_memory memory, uint64_t seed)
{
	struct plan plan = {0};
	seed = seed * 2 + 1; /* never 0 */
	pthread_mutex_lock(&disk->mutex);
	plan_object(disk, &plan, disk->top, "", memory, &seed);
	empty_folder(open(disk->root, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	int root = open(disk->root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	must(root >= 0, disk->root);
	for (size_t i = 0; i < plan.count; i++) {
		place(root, &plan.list[i]);
		free(plan.list[i].path);
		free(plan.list[i].bytes);
	}
	free(plan.list);
	close(root);
	forget_objects(disk);
	learn(disk);
	disk->is_cut = false;
	disk->cut_at = 0;
	pthread_mutex_unlock(&disk->mutex);
}
