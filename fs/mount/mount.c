#include "fs/mount/mount.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <syslog.h>
#include <unistd.h>

#include "fs/mount/mountpoint.h"
#include "fs/mount/ops.h"

/*
 * One thread waits for a request always: that an answer is no longer wanted is a request, too, and whoever reads a slow
 * disk must not keep others waiting.  What waits for a remote is parked (fs/mount/ops_parking.h).
 */
#define THREADS_MIN 4
#define THREADS_MAX 1024

struct worker {
	struct worker *next;
	struct mount *mount;
	pthread_t thread;
	bool ended; /* to be joined */
};

struct mount {
	struct fuse_session *session;
	struct ops_world world;
	struct counters *counters;
	char *mountpoint;
	unsigned wanted;       /* threads while nothing is slow; as many more may be idle */
	_Atomic unsigned idle; /* threads that wait for a request */
	pthread_mutex_t lock;  /* guards the next two */
	struct worker *workers;
	unsigned running; /* workers that have not ended */
	int ended;        /* eventfd: the last thread has ended */
	int signals;      /* signalfd */
};

/* --- what libfuse says --- */

/* While mounting, its last words are kept for the caller; afterwards they go to the log. */
static struct {
	pthread_mutex_t lock;
	bool keep;
	char *words;
} said = {.lock = PTHREAD_MUTEX_INITIALIZER};

__attribute__((format(printf, 2, 0))) static void say(enum fuse_log_level level, const char *format, va_list args)
{
	char *words;

	if (vasprintf(&words, format, args) < 0)
		return;
	words[strcspn(words, "\n")] = '\0';
	pthread_mutex_lock(&said.lock);
	if (said.keep) {
		free(said.words);
		said.words = words;
		words = NULL;
	}
	pthread_mutex_unlock(&said.lock);
	if (words)
		syslog((int)level, "%s", words);
	free(words);
}

static void say_begin(void)
{
	fuse_set_log_func(say);
	pthread_mutex_lock(&said.lock);
	said.keep = true;
	pthread_mutex_unlock(&said.lock);
}

static char *say_end(void)
{
	char *words;

	pthread_mutex_lock(&said.lock);
	words = said.words;
	said.words = NULL;
	said.keep = false;
	pthread_mutex_unlock(&said.lock);
	return words;
}

/* --- answering --- */

/* All of the request's header that is looked at here. */
static void count_request(struct mount *mount, const struct fuse_buf *buf)
{
	const struct fuse_in_header *header = buf->mem;

	if (buf->size >= sizeof(*header))
		counters_request(mount->counters, header->opcode);
}

/* Memory is short: leave it to the other threads for a while. */
static void pause_a_moment(void)
{
	nanosleep(&(struct timespec){.tv_nsec = 100000000}, NULL);
}

static int add_worker(struct mount *mount);

/* Answer one request.  False where there will be none: unmounted, or aborted. */
static bool serve_one(struct mount *mount, struct fuse_buf *buf)
{
	int len = fuse_session_receive_buf(mount->session, buf);

	/* Without a thread more this one has to do. */
	if (atomic_fetch_sub(&mount->idle, 1) == 1 && len > 0)
		add_worker(mount);
	if (len == -ENOMEM)
		pause_a_moment();
	if (len == -EINTR || len == -EAGAIN || len == -ENOMEM)
		return true;
	if (len <= 0)
		return false;
	count_request(mount, buf);
	fuse_session_process_buf(mount->session, buf);
	ops_thread_idle();
	return true;
}

/* Until the end, or until there are idle threads enough without this one. */
static void serve(struct mount *mount)
{
	struct fuse_buf buf = {0};

	while (!fuse_session_exited(mount->session)) {
		if (atomic_fetch_add(&mount->idle, 1) >= 2 * mount->wanted) {
			atomic_fetch_sub(&mount->idle, 1);
			break;
		}
		if (!serve_one(mount, &buf))
			break;
	}
	free(buf.mem);
}

static void *work(void *arg)
{
	struct worker *worker = arg;
	struct mount *mount = worker->mount;

	while (ops_thread_init() != 0)
		pause_a_moment();
	serve(mount);
	ops_thread_release();
	pthread_mutex_lock(&mount->lock);
	worker->ended = true;
	if (--mount->running == 0)
		eventfd_write(mount->ended, 1);
	pthread_mutex_unlock(&mount->lock);
	return NULL;
}

/* Join one that has ended, or ANY.  False where there is none. */
static bool join_worker(struct mount *mount, bool any)
{
	struct worker **link, *worker;

	pthread_mutex_lock(&mount->lock);
	for (link = &mount->workers; *link && !any && !(*link)->ended; link = &(*link)->next)
		;
	worker = *link;
	if (worker)
		*link = worker->next;
	pthread_mutex_unlock(&mount->lock);
	if (!worker)
		return false;
	pthread_join(worker->thread, NULL);
	free(worker);
	return true;
}

static int add_worker(struct mount *mount)
{
	struct worker *worker;
	int err = -EAGAIN;

	while (join_worker(mount, false))
		;
	worker = calloc(1, sizeof(*worker));
	if (!worker)
		return -ENOMEM;
	worker->mount = mount;
	pthread_mutex_lock(&mount->lock);
	if (mount->running < THREADS_MAX)
		err = -pthread_create(&worker->thread, NULL, work, worker);
	if (!err) {
		worker->next = mount->workers;
		mount->workers = worker;
		mount->running++;
	}
	pthread_mutex_unlock(&mount->lock);
	if (err)
		free(worker);
	return err;
}

static int start_threads(struct mount *mount)
{
	long cores = sysconf(_SC_NPROCESSORS_ONLN);

	mount->wanted = cores * 2 > THREADS_MIN ? (unsigned)cores * 2 : THREADS_MIN;
	for (unsigned i = 0; i < mount->wanted; i++) {
		int err = add_worker(mount);

		/* Fewer do as well. */
		if (err)
			return i ? 0 : err;
	}
	return 0;
}

/* --- begin and end --- */

int mount_possible(void)
{
	int fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	close(fd);
	return 0;
}

/* SOURCE as a value among mount options: commas and backslashes escaped.  malloc'ed. */
static char *format_options(const struct mount_setup *setup)
{
	const char *begin = setup->allow_other ? "ro,nosuid,nodev,subtype=revfs,allow_other,fsname="
	                                       : "ro,nosuid,nodev,subtype=revfs,fsname=";
	char *options = malloc(strlen(begin) + 2 * strlen(setup->source) + 1), *out;

	if (!options)
		return NULL;
	out = stpcpy(options, begin);
	for (const char *p = setup->source; *p; p++) {
		if (*p == ',' || *p == '\\')
			*out++ = '\\';
		*out++ = *p;
	}
	*out = '\0';
	return options;
}

static int open_session(const struct mount_setup *setup, struct mount *mount)
{
	char *options = format_options(setup);
	char *argv[] = {"revfs", "-o", options, NULL};
	struct fuse_args args = FUSE_ARGS_INIT(3, argv);
	struct fuse_lowlevel_ops table;
	int err = -ENOMEM;

	if (!options)
		return err;
	ops_fill(&table);
	mount->session = fuse_session_new(&args, &table, sizeof(table), &mount->world);
	if (mount->session) {
		errno = 0;
		err = 0;
		if (fuse_session_mount(mount->session, setup->mountpoint))
			err = errno > 0 ? -errno : -EPERM;
	}
	fuse_opt_free_args(&args);
	free(options);
	return err;
}

/* More read ahead than the default, for reads in order; only root may, and without it reads are merely smaller. */
static void widen_readahead(const struct mount *mount)
{
	char path[64];
	unsigned minor;
	FILE *file;

	if (mountpoint_is_ours(mount->mountpoint, &minor) != 1)
		return;
	snprintf(path, sizeof(path), "/sys/class/bdi/0:%u/read_ahead_kb", minor);
	file = fopen(path, "we");
	if (!file)
		return;
	fprintf(file, "%u\n", OPS_READ_MAX / 1024);
	fclose(file);
}

int mount_open(const struct mount_setup *setup, struct mount **mount, char **message)
{
	struct mount *m = calloc(1, sizeof(*m));
	sigset_t signals;
	int err = -ENOMEM;

	*message = NULL;
	if (!m)
		return err;
	m->ended = m->signals = -1;
	pthread_mutex_init(&m->lock, NULL);
	m->world.view = setup->view;
	m->counters = view_counters(setup->view);
	m->mountpoint = strdup(setup->mountpoint);
	if (!m->mountpoint)
		goto fail;
	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGHUP);
	m->signals = signalfd(-1, &signals, SFD_CLOEXEC);
	m->ended = eventfd(0, EFD_CLOEXEC);
	err = -errno;
	if (m->signals < 0 || m->ended < 0)
		goto fail;
	say_begin();
	err = parking_open(m->counters, &m->world.parking);
	if (!err)
		err = open_session(setup, m);
	if (!err)
		err = start_threads(m);
	*message = say_end();
	if (err)
		goto fail;
	widen_readahead(m);
	*mount = m;
	return 0;
fail:
	mount_close(m);
	return err;
}

/* Wait for the end of the threads or a signal, at most TIMEOUT_MS (-1: for ever).  Whether the threads have ended. */
static bool wait_event(struct mount *mount, int timeout_ms)
{
	struct pollfd fds[2] = {{.fd = mount->ended, .events = POLLIN}, {.fd = mount->signals, .events = POLLIN}};
	struct signalfd_siginfo info;
	ssize_t count;

	while (poll(fds, 2, timeout_ms) < 0 && errno == EINTR)
		;
	if (fds[1].revents) {
		count = read(mount->signals, &info, sizeof(info));
		(void)count;
	}
	return fds[0].revents != 0;
}

bool mount_wait(struct mount *mount)
{
	int err;

	if (wait_event(mount, -1))
		return true;
	/* Another mount may lie above ours: that is not ours to take away. */
	err = mountpoint_is_ours(mount->mountpoint, NULL) == 1 ? mountpoint_remove(mount->mountpoint, true) : -EBUSY;
	if (err)
		syslog(LOG_WARNING, "'%s': can't be unmounted: %s", mount->mountpoint, strerror(-err));
	return wait_event(mount, MOUNT_DRAIN_S * 1000);
}

void mount_close(struct mount *mount)
{
	unsigned running;

	if (!mount)
		return;
	/* Threads that still serve end with the mount; without any, nobody uses the descriptor that this closes. */
	pthread_mutex_lock(&mount->lock);
	running = mount->running;
	pthread_mutex_unlock(&mount->lock);
	if (running)
		mountpoint_remove(mount->mountpoint, true);
	while (join_worker(mount, true))
		;
	parking_close(mount->world.parking);
	if (mount->session) {
		fuse_session_unmount(mount->session);
		fuse_session_destroy(mount->session);
	}
	if (mount->ended >= 0)
		close(mount->ended);
	if (mount->signals >= 0)
		close(mount->signals);
	pthread_mutex_destroy(&mount->lock);
	free(mount->mountpoint);
	free(mount);
}
