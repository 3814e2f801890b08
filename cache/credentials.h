/*
 * Credentials: what a remote is asked with; given, when they are needed, by whoever knows the user.
 *
 * They are in memory alone, are left out of core dumps where there is room for that, and are wiped when they are let go
 * of.  Thread-safe.
 */
#ifndef CACHE_CREDENTIALS_H
#define CACHE_CREDENTIALS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

/* Each text is malloc'ed or of credentials_text(). */
struct credentials {
	char *user;     /* a name, or the id of an access key */
	char *secret;   /* a password, or the secret of that key */
	char *token;    /* of a session; NULL: none */
	time_t expires; /* by the wall clock; 0: it is not known */
};

/* A copy of the first LEN bytes of TEXT, a NUL byte behind them; for credentials_wipe().  NULL where there is no
 * memory. */
char *credentials_text(const char *text, size_t len);

/* Overwrite and free TEXT, which is malloc'ed or of credentials_text().  NULL is ignored. */
void credentials_wipe(char *text);

/* Wipe and free what CREDENTIALS hold; the struct itself is the caller's, and empty then. */
void credentials_release(struct credentials *credentials);

/* Copy FROM to TO.  0 or -ENOMEM. */
int credentials_copy(struct credentials *to, const struct credentials *from);

/*
 * Where credentials come from.  The functions are called by one thread at a time; they may wait, within bounds.
 */
struct credentials_source {
	/*
	 * Find those for URL.  REFUSED: what it gave last and the server did not take, NULL the first time, and when
	 * they are merely old.  Returns 0; -ENOENT where there are none: the remote is asked as nobody; -EINTR;
	 * -ENOMEM; another error where looking failed, which is the error of what needed them.
	 */
	int (*get)(void *arg, const char *url, const struct credentials *refused, struct credentials *found);
	/* The server took what GET gave last.  May be NULL. */
	void (*taken)(void *arg, const char *url, const struct credentials *credentials);
	/* Say in words what the last look failed with, "" where it did not, in at most SIZE bytes; called by any
	 * thread, and waits for nothing.  May be NULL. */
	void (*why)(void *arg, char *why, size_t size);
	/* Free ARG, after the last call of the others.  May be NULL. */
	void (*close)(void *arg);
	void *arg;
};

#endif
