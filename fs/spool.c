#include "fs/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "cache/interrupt.h"
#include "cache/io.h"
#include "fs/git/git.h"

#define FILES_MAX 4
#define LOOK_MS 5

enum state {
	FREE,
	WRITING,
	WRITTEN,
	FAILED,
};

struct file {
	struct oid oid;
	uint64_t size;
	int fd;
	enum state state;
	int error;        /* FAILED */
	unsigned users;   /* readers, and the writer */
	uint64_t used_at; /* tick of the last use */
};

struct spool {
	struct repo *repo;
	char *folder;
	atomic_bool closing;
	pthread_mutex_t lock;   /* guards what follows */
	pthread_cond_t changed; /* a file's state, or its users */
	uint64_t tick;
	unsigned writers;
	struct file *files[FILES_MAX]; /* a file that left this table lives until its last user goes */
};

/* What a writing thread is told. */
struct task {
	struct spool *spool;
	struct file *file;
};

static void file_put(struct spool *s, struct file *file)
{
	if (--file->users)
		return;
	for (size_t i = 0; i < FILES_MAX; i++)
		if (s->files[i] == file)
			return;
	close(file->fd);
	free(file);
}

static void *write_file(void *arg)
{
	struct task *task = arg;
	struct spool *s = task->spool;
	struct file *file = task->file;
	struct stat st;
	int r;

	free(task);
	git_set_interrupt(&s->closing);
	r = repo_blob_to_fd(s->repo, &file->oid, file->fd);
	if (!r && (fstat(file->fd, &st) || (uint64_t)st.st_size != file->size))
		r = -EBADMSG;
	pthread_mutex_lock(&s->lock);
	file->state = r ? FAILED : WRITTEN;
	file->error = r;
	s->writers--;
	file_put(s, file);
	pthread_cond_broadcast(&s->changed);
	pthread_mutex_unlock(&s->lock);
	return NULL;
}

/* A file without a name, where the folder's file system can make one. */
static int open_nameless(const char *folder)
{
	char *path;
	int fd = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	if (fd >= 0)
		return fd;
	if (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL)
		return -errno;
	if (asprintf(&path, "%s/revfs-spool.XXXXXX", folder) < 0)
		return -ENOMEM;
	fd = mkostemp(path, O_CLOEXEC);
	if (fd < 0)
		fd = -errno;
	else
		unlink(path);
	free(path);
	return fd;
}

static int file_new(struct spool *s, const struct oid *oid, uint64_t size, struct file **file)
{
	struct file *f = calloc(1, sizeof(*f));

	if (!f)
		return -ENOMEM;
	*f = (struct file){.oid = *oid, .size = size, .state = WRITING};
	f->fd = open_nameless(s->folder);
	if (f->fd < 0) {
		int r = f->fd;

		free(f);
		return r;
	}
	*file = f;
	return 0;
}

/* Start the thread that writes FILE, which is counted as its user already. */
static int start_writing(struct spool *s, struct file *file)
{
	struct task *task = malloc(sizeof(*task));
	pthread_attr_t detached;
	pthread_t thread;
	int r;

	if (!task)
		return -ENOMEM;
	*task = (struct task){s, file};
	pthread_attr_init(&detached);
	pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
	r = -pthread_create(&thread, &detached, write_file, task);
	pthread_attr_destroy(&detached);
	if (r)
		free(task);
	return r;
}

/* The file of OID, one user more; NULL where there is none that could be read.  Under the lock. */
static struct file *find_file(struct spool *s, const struct oid *oid)
{
	for (size_t i = 0; i < FILES_MAX; i++) {
		struct file *file = s->files[i];

		if (!file || file->state == FAILED || !oid_equal(&file->oid, oid))
			continue;
		file->users++;
		file->used_at = ++s->tick;
		return file;
	}
	return NULL;
}

/* Put FILE in the place of the one not used for longest.  Under the lock. */
static void keep_file(struct spool *s, struct file *file)
{
	struct file *old;
	size_t at = 0;

	for (size_t i = 1; i < FILES_MAX && s->files[at]; i++)
		if (!s->files[i] || s->files[i]->used_at < s->files[at]->used_at)
			at = i;
	old = s->files[at];
	s->files[at] = file;
	file->used_at = ++s->tick;
	if (old) {
		old->users++;
		file_put(s, old);
	}
}

/* The file of OID, new where there is none; one user more. */
static int take_file(struct spool *s, const struct oid *oid, uint64_t size, struct file **file)
{
	struct file *made;
	uint64_t now;
	int r;

	pthread_mutex_lock(&s->lock);
	*file = find_file(s, oid);
	pthread_mutex_unlock(&s->lock);
	if (*file)
		return 0;
	/* What a partial clone lacks is waited for here, or not at all (repo_fetch_aside()): not by the thread that
	 * writes, for which this one would wait. */
	r = repo_blob_size(s->repo, oid, &now);
	if (!r && now != size)
		r = -EBADMSG;
	if (!r)
		r = file_new(s, oid, size, &made);
	if (r)
		return r;
	pthread_mutex_lock(&s->lock);
	*file = find_file(s, oid);
	if (!*file) {
		made->users = 2;
		keep_file(s, made);
		s->writers++;
		*file = made;
		made = NULL;
	}
	pthread_mutex_unlock(&s->lock);
	if (made) {
		close(made->fd);
		free(made);
		return 0;
	}
	r = start_writing(s, *file);
	if (r) {
		pthread_mutex_lock(&s->lock);
		s->writers--;
		(*file)->state = FAILED;
		(*file)->error = r;
		(*file)->users--;
		file_put(s, *file);
		pthread_cond_broadcast(&s->changed);
		pthread_mutex_unlock(&s->lock);
	}
	return r;
}

/* Wait until FILE holds END bytes.  git tells nobody how far it is: its file does. */
static int await_bytes(struct spool *s, struct file *file, uint64_t end)
{
	struct timespec until;
	struct stat st;
	int r = 0;

	pthread_mutex_lock(&s->lock);
	while (file->state == WRITING) {
		pthread_mutex_unlock(&s->lock);
		r = fstat(file->fd, &st) ? -errno : interrupt_pending() ? -EINTR : 0;
		if (r || (uint64_t)st.st_size >= end)
			return r;
		clock_gettime(CLOCK_MONOTONIC, &until);
		until.tv_nsec += LOOK_MS * 1000000;
		if (until.tv_nsec >= 1000000000) {
			until.tv_sec++;
			until.tv_nsec -= 1000000000;
		}
		pthread_mutex_lock(&s->lock);
		if (file->state == WRITING)
			pthread_cond_timedwait(&s->changed, &s->lock, &until);
	}
	r = file->state == FAILED ? file->error : 0;
	pthread_mutex_unlock(&s->lock);
	return r;
}

ssize_t spool_read(struct spool *s, const struct oid *oid, uint64_t size, void *data, size_t len, uint64_t offset)
{
	struct file *file;
	int r;

	r = take_file(s, oid, size, &file);
	if (r)
		return r;
	r = file->size == size ? await_bytes(s, file, offset + len) : -EBADMSG;
	if (!r)
		r = io_read_exact(io_system(), file->fd, data, len, offset);
	pthread_mutex_lock(&s->lock);
	file_put(s, file);
	pthread_mutex_unlock(&s->lock);
	return r ? r : (ssize_t)len;
}

int spool_open(struct repo *repo, const char *folder, struct spool **spool)
{
	struct spool *s = calloc(1, sizeof(*s));
	pthread_condattr_t monotonic;

	if (!s)
		return -ENOMEM;
	if (!folder)
		folder = getenv("TMPDIR");
	s->folder = strdup(folder && *folder ? folder : "/var/tmp");
	if (!s->folder) {
		free(s);
		return -ENOMEM;
	}
	s->repo = repo;
	atomic_init(&s->closing, false);
	pthread_mutex_init(&s->lock, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&s->changed, &monotonic);
	pthread_condattr_destroy(&monotonic);
	*spool = s;
	return 0;
}

void spool_close(struct spool *s)
{
	if (!s)
		return;
	atomic_store(&s->closing, true);
	pthread_mutex_lock(&s->lock);
	while (s->writers)
		pthread_cond_wait(&s->changed, &s->lock);
	for (size_t i = 0; i < FILES_MAX; i++) {
		struct file *file = s->files[i];

		s->files[i] = NULL;
		if (!file)
			continue;
		file->users++;
		file_put(s, file);
	}
	pthread_mutex_unlock(&s->lock);
	pthread_cond_destroy(&s->changed);
	pthread_mutex_destroy(&s->lock);
	free(s->folder);
	free(s);
}
