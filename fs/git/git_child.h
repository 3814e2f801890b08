/*
 * A git that is talked to: a co-process that answers requests, or one whose output is taken as it comes.
 *
 * Belongs to one thread at a time.  Every wait ends with -EINTR where git_set_interrupt() says so; the child is then in
 * the middle of an answer and good for nothing but git_child_end().
 */
#ifndef FS_GIT_CHILD_H
#define FS_GIT_CHILD_H

#include "fs/git/git.h"

struct git_child {
	pid_t pid; /* 0: none */
	/* private: */
	bool apart;
	int input;  /* a socket; -1: closed */
	int output; /* a pipe */
	size_t from;
	size_t to;
	char buffer[16384];
};

/* Start git; its stderr is ours.  On failure *CHILD is none.  Returns 0 or as git_spawn(). */
int git_child_start(struct git_child *child, const struct git_where *where, const char *const *args, unsigned flags);

/* Send all of LEN bytes.  Returns 0, -EPIPE where the child is gone, -EINTR, -errno. */
int git_child_send(struct git_child *child, const void *data, size_t len);

/* Send the end of the input. */
void git_child_send_end(struct git_child *child);

/*
 * Receive up to the next byte END, which becomes a NUL byte, in LINE of SIZE bytes.  Returns the length (0 or more);
 * -EPIPE at the end of the output; -EBADMSG where the line is longer; -EINTR, -errno.
 */
ssize_t git_child_line(struct git_child *child, char end, char *line, size_t size);

/* Receive exactly LEN bytes.  Returns 0, -EPIPE where there are fewer, -EINTR, -errno. */
int git_child_receive(struct git_child *child, void *data, size_t len);

/* Close its input and output and reap it, with SIGTERM first where TERMINATE, for GIT_RUN_APART to all that it started,
 * too.  Allowed where there is none.  Returns its exit status. */
int git_child_end(struct git_child *child, bool terminate);

#endif
