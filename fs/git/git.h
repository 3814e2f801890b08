/*
 * Running the user's git: what writes to the repository, talks to a network or asks a question is git's, not ours.
 *
 * A child gets the environment of this process without GIT_DIR and its like, which are set from struct git_where, and
 * no descriptor but its standard ones.  Thread-safe; blocks the caller only, and a thread can be told to give up
 * waiting.
 */
#ifndef FS_GIT_H
#define FS_GIT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* Where git works: NULL leaves that variable unset, so that git finds out for itself from DIR. */
struct git_where {
	const char *dir;        /* the child's working directory; NULL: ours */
	const char *git_dir;    /* GIT_DIR */
	const char *common_dir; /* GIT_COMMON_DIR */
	const char *work_tree;  /* GIT_WORK_TREE */
	const char *index_file; /* GIT_INDEX_FILE */
	const char *object_dir; /* GIT_OBJECT_DIRECTORY */
	const char *alternates; /* GIT_ALTERNATE_OBJECT_DIRECTORIES */
};

#define GIT_GRACE_MS 2000

enum git_run_flags {
	GIT_RUN_PASS_INPUT = 1,       /* stdin is ours (editor, questions); else INPUT, or nothing */
	GIT_RUN_PASS_OUTPUT = 2,      /* stdout is ours; else captured */
	GIT_RUN_PASS_ERRORS = 4,      /* stderr is ours; else captured */
	GIT_RUN_OUTPUT_TO_STDERR = 8, /* stdout is our stderr: our stdout is for results */
	GIT_RUN_READING = 16,         /* messages in English, no optional locks, replace refs not followed */
	GIT_RUN_ENVIRONMENT = 32,     /* GIT_DIR and its like stay as the user set them; only WHERE's dir counts */
	GIT_RUN_NO_QUESTIONS = 64,    /* nobody is asked at a terminal */
	/* Leader of a session: no terminal, no program that asks in its place, and all that it starts can be ended with
	 * it. */
	GIT_RUN_APART = 128,
	GIT_RUN_NO_FETCH = 256, /* what a partial clone lacks is not fetched (a git before 2.39.4 does it still) */
	/* It makes lock files.  A signal between the making of one and git's noting that it is to be removed leaves it
	 * behind for ever: where the thread is to give up, git_run() first waits GIT_GRACE_MS for an end of its own. */
	GIT_RUN_LOCKING = 512,
};

struct git_run {
	const struct git_where *where; /* NULL: from the current directory */
	const char *const *args;       /* behind "git", NULL-terminated */
	unsigned flags;                /* enum git_run_flags */
	const void *input;
	size_t input_len;
	int output_fd; /* where not 0: git's stdout is this descriptor */
	size_t limit;  /* bytes captured at most; 0: 64 MiB */
	/* Set by git_run(): */
	int status;   /* exit status; 128 + N where signal N killed it */
	char *output; /* malloc'ed, a NUL byte behind it; NULL where passed on */
	size_t output_len;
	char *errors; /* the same of stderr */
	size_t errors_len;
};

/*
 * Run git to its end.  A status other than 0 is not an error of git_run().
 * Returns 0; -ENOPKG where there is no git; -EFBIG above the limit and -EINTR where this thread is to give up (the
 * child was ended, or a signal that came to both ended it); -ENOMEM, -errno.  git_run_release() frees the results and
 * may be called in any case.
 */
int git_run(struct git_run *run);

/* Free the results. */
void git_run_release(struct git_run *run);

/* The captured stderr without its final newlines and "fatal: ", for a message of our own; "" where there is none.
 * Borrowed: changes run->errors. */
const char *git_run_message(struct git_run *run);

/* The standard descriptors of a child: numbers of ours. */
struct git_descriptors {
	int input;
	int output;
	int errors;
};

/* Start git with FLAGS (enum git_run_flags; those that pass something on are the caller's business here) and leave it
 * running: *PID is to be given to git_reap().  Returns 0, -ENOPKG, -ENOENT (no such folder), -ENOMEM, -errno. */
int git_spawn(const struct git_where *where, const char *const *args, unsigned flags, const struct git_descriptors *d,
              pid_t *pid);

/* Wait for the end of a child.  Returns its exit status, 128 + N where signal N killed it. */
int git_reap(pid_t pid);

/* A pipe, or for IS_INPUT a socket, to a child: descriptors that nobody inherits and none of which is 0, 1 or 2.
 * Returns 0 or -errno. */
int git_connect(bool is_input, int *ours, int *theirs);

/* Wait until FD is ready for EVENTS of poll(2).  Returns 0, or -EINTR where this thread is to give up, -errno. */
int git_await(int fd, short events);

/*
 * While FLAG is true, whatever this thread waits for from git ends with -EINTR, within 100 ms.  NULL: never (the
 * default).  FLAG is borrowed until the next call.  The same as an interrupt_watch() (cache/interrupt.h) of FLAG.
 */
void git_set_interrupt(const atomic_bool *flag);

#endif
