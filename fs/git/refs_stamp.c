#include "fs/git/refs_stamp.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "cache/checksum.h"

#define DEPTH_MAX 64
#define FOLDERS_MAX 1000000

/* Clocks of file systems go in steps of up to 10 ms; where times have no nanoseconds, of up to 2 s. */
#define RACY_NS 100000000LL
#define RACY_COARSE_NS 2100000000LL

/* What is compared of a file or folder; all zero where there is none. */
struct look {
	uint64_t device;
	uint64_t inode;
	uint64_t size;
	int64_t seconds;
	int64_t nanoseconds;
};

struct watched {
	char *path;
	bool is_folder;
	struct look look;
};

struct watch_list {
	struct watched *items;
	size_t count;
	size_t size;
	bool failed; /* no memory: not everything is here */
};

struct refs_stamp {
	char *git_dir;
	char *common_dir;
	pthread_mutex_t lock;    /* guards what follows */
	struct watch_list *list; /* NULL: none yet, or in use by another thread */
	uint64_t serial;         /* how often something was too young to be sure of, or had been the time before */
	bool was_young;
};

static void list_free(struct watch_list *list)
{
	if (!list)
		return;
	for (size_t i = 0; i < list->count; i++)
		free(list->items[i].path);
	free(list->items);
	free(list);
}

static void look_at(const char *path, struct look *look)
{
	struct stat st;

	memset(look, 0, sizeof(*look));
	if (stat(path, &st))
		return;
	look->device = st.st_dev;
	look->inode = st.st_ino;
	look->size = (uint64_t)st.st_size;
	look->seconds = st.st_mtim.tv_sec;
	look->nanoseconds = st.st_mtim.tv_nsec;
}

/* Takes over PATH. */
static void list_add(struct watch_list *list, char *path, bool is_folder)
{
	struct watched *items;
	size_t size;

	if (!path || list->count >= FOLDERS_MAX) {
		list->failed = true;
		free(path);
		return;
	}
	if (list->count == list->size) {
		size = list->size ? 2 * list->size : 16;
		items = realloc(list->items, size * sizeof(*items));
		if (!items) {
			list->failed = true;
			free(path);
			return;
		}
		list->items = items;
		list->size = size;
	}
	list->items[list->count] = (struct watched){.path = path, .is_folder = is_folder};
	look_at(path, &list->items[list->count].look);
	list->count++;
}

static char *join(const char *folder, const char *name)
{
	char *path;

	return asprintf(&path, "%s/%s", folder, name) < 0 ? NULL : path;
}

static bool is_folder(DIR *dir, const struct dirent *entry)
{
	struct stat st;

	if (entry->d_type != DT_UNKNOWN && entry->d_type != DT_LNK)
		return entry->d_type == DT_DIR;
	return !fstatat(dirfd(dir), entry->d_name, &st, 0) && S_ISDIR(st.st_mode);
}

/* Add the folder PATH and all folders in it; takes over PATH.  The folder is looked at before it is listed, so that
 * what appears in between shows the next time. */
static void add_folders(struct watch_list *list, char *path, unsigned depth)
{
	struct dirent *entry;
	size_t at = list->count;
	DIR *dir;

	list_add(list, path, true);
	if (list->failed || depth == DEPTH_MAX)
		return;
	dir = opendir(list->items[at].path);
	if (!dir)
		return;
	while ((entry = readdir(dir)) && !list->failed)
		if (strcmp(entry->d_name, ".") && strcmp(entry->d_name, "..") && is_folder(dir, entry))
			add_folders(list, join(list->items[at].path, entry->d_name), depth + 1);
	closedir(dir);
}

/* Each worktree's HEAD. */
static void add_worktrees(struct watch_list *list, char *path)
{
	struct dirent *entry;
	size_t at = list->count;
	char *worktree;
	DIR *dir;

	list_add(list, path, true);
	if (list->failed)
		return;
	dir = opendir(list->items[at].path);
	if (!dir)
		return;
	while ((entry = readdir(dir)) && !list->failed) {
		if (entry->d_name[0] == '.')
			continue;
		worktree = join(list->items[at].path, entry->d_name);
		if (worktree)
			list_add(list, join(worktree, "HEAD"), false);
		free(worktree);
	}
	closedir(dir);
}

static struct watch_list *list_new(const struct refs_stamp *s)
{
	struct watch_list *list = calloc(1, sizeof(*list));

	if (!list)
		return NULL;
	add_folders(list, join(s->common_dir, "refs"), 0);
	add_folders(list, join(s->common_dir, "reftable"), 0);
	list_add(list, join(s->common_dir, "packed-refs"), false);
	list_add(list, join(s->common_dir, "HEAD"), false);
	add_worktrees(list, join(s->common_dir, "worktrees"));
	if (strcmp(s->git_dir, s->common_dir)) {
		add_folders(list, join(s->git_dir, "refs"), 0);
		add_folders(list, join(s->git_dir, "reftable"), 0);
		list_add(list, join(s->git_dir, "HEAD"), false);
	}
	if (list->failed) {
		list_free(list);
		return NULL;
	}
	return list;
}

/* Look again.  False where a folder changed, so that others may be in it. */
static bool list_look(struct watch_list *list)
{
	struct look look;

	for (size_t i = 0; i < list->count; i++) {
		look_at(list->items[i].path, &look);
		if (list->items[i].is_folder && memcmp(&look, &list->items[i].look, sizeof(look)))
			return false;
		list->items[i].look = look;
	}
	return true;
}

static bool is_young(const struct look *look, const struct timespec *now)
{
	int64_t age;

	if (!look->inode || look->seconds > now->tv_sec + 10 || look->seconds < now->tv_sec - 10)
		return false;
	age = (now->tv_sec - look->seconds) * 1000000000LL + now->tv_nsec - look->nanoseconds;
	return age < (look->nanoseconds ? RACY_NS : RACY_COARSE_NS);
}

/* The looks as one number; *YOUNG where one of them can't be relied on yet. */
static uint64_t list_sum(const struct watch_list *list, bool *young)
{
	struct timespec now;
	uint64_t sum = list->count;

	clock_gettime(CLOCK_REALTIME, &now);
	*young = false;
	for (size_t i = 0; i < list->count; i++) {
		sum = checksum_two(&sum, sizeof(sum), &list->items[i].look, sizeof(list->items[i].look));
		*young |= is_young(&list->items[i].look, &now);
	}
	return sum;
}

uint64_t refs_stamp_now(struct refs_stamp *s)
{
	struct watch_list *list;
	uint64_t sum = 0, serial;
	bool young = true;

	pthread_mutex_lock(&s->lock);
	list = s->list;
	s->list = NULL;
	pthread_mutex_unlock(&s->lock);

	if (!list || !list_look(list)) {
		list_free(list);
		list = list_new(s);
	}
	if (list)
		sum = list_sum(list, &young);

	pthread_mutex_lock(&s->lock);
	if (young || s->was_young)
		s->serial++;
	s->was_young = young;
	serial = s->serial;
	if (!s->list) {
		s->list = list;
		list = NULL;
	}
	pthread_mutex_unlock(&s->lock);
	list_free(list);
	return checksum_two(&sum, sizeof(sum), &serial, sizeof(serial));
}

int refs_stamp_open(const char *git_dir, const char *common_dir, struct refs_stamp **stamp)
{
	struct refs_stamp *s = calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	pthread_mutex_init(&s->lock, NULL);
	s->git_dir = strdup(git_dir);
	s->common_dir = strdup(common_dir);
	if (!s->git_dir || !s->common_dir) {
		refs_stamp_close(s);
		return -ENOMEM;
	}
	*stamp = s;
	return 0;
}

void refs_stamp_close(struct refs_stamp *s)
{
	if (!s)
		return;
	list_free(s->list);
	free(s->git_dir);
	free(s->common_dir);
	pthread_mutex_destroy(&s->lock);
	free(s);
}
