/*
 * The ssh that a connection goes through: the user's, with the user's keys and configuration.
 *
 * It runs in a session of its own, so that no key typed at the terminal reaches it and it asks nobody anything, with no
 * descriptor of this process but its standard ones.  Belongs to one thread.
 */
#ifndef CACHE_SSH_CHILD_H
#define CACHE_SSH_CHILD_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define SSH_CHILD_TAIL_SIZE 1024

struct ssh_child {
	pid_t pid;
	int fd;                         /* a socket: its standard input and output */
	int aside;                      /* a pipe: its standard error */
	char tail[SSH_CHILD_TAIL_SIZE]; /* of what it said there */
};

/* Start ARGV[0], looked for in PATH.  Returns 0; -ENOENT where there is no such program; -errno. */
int ssh_child_start(const char *const *argv, struct ssh_child *child);

/* It said LEN bytes of TEXT. */
void ssh_child_hear(struct ssh_child *child, const char *text, size_t len);

/*
 * Close its descriptors and reap it: at once for HURRY, else after time enough to end by itself and say why.  Returns
 * its exit status, 128 + N where signal N ended it.
 */
int ssh_child_end(struct ssh_child *child, bool hurry);

/* The last line that it said, printable, into LINE of SIZE bytes; "" where there is none. */
void ssh_child_last_line(const struct ssh_child *child, char *line, size_t size);

/* What it means that it ended with STATUS before the other side spoke, having said TAIL: -errno as cache/remote.h has
 * them. */
int ssh_child_failure(int status, const char *tail);

#endif
