/*
 * Credentials: what a remote is asked with; given, when they are needed, by whoever knows the user.
 *
 * They are in memory alone and wiped when they are let go of.
 */
#ifndef CACHE_CREDENTIALS_H
#define CACHE_CREDENTIALS_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

struct credentials {
	char *user;     /* a name, or the id of an access key */
	char *secret;   /* a password, or the secret of that key */
	char *token;    /* of a session; NULL: none */
	time_t expires; /* by the wall clock; 0: it is not known */
};

/* Wipe and free what CREDENTIALS hold; the struct itself is the caller's, and empty then. */
void credentials_release(struct credentials *credentials);

/* Copy FROM to TO.  0 or -ENOMEM. */
int credentials_copy(struct credentials *to, const struct credentials *from);

/*
 * Where credentials come from.  GET finds those for URL; REFUSED: what it gave last and the server did not take, NULL
 * the first time, and when they are merely old.  It may wait, within bounds, and is called by one thread at a time.
 * Returns 0; -ENOENT where there are none: the remote is asked as nobody; -EINTR; -ENOMEM; another error where looking
 * failed, which is the error of what needed them.
 */
struct credentials_source {
	int (*get)(void *arg, const char *url, const struct credentials *refused, struct credentials *found);
	void *arg;
};

#endif
