/*
 * A look for credentials where AWS's programs look for them: what its links share.
 *
 * A link gives credentials and returns 0; -ENOENT where it is not in use, so that the next one is asked; another error
 * ends the look, and `why` says in words what is wrong, without a secret.  Belongs to one thread.
 */
#ifndef TOOLS_AWS_LOOK_H
#define TOOLS_AWS_LOOK_H

#include "cache/credentials.h"
#include "cache/http/http.h"

struct aws_look {
	const char *profile; /* that the settings of the remote name, or NULL */
	struct http *http;   /* NULL until the first call, see tools/aws/aws_http.h */
	char why[512];
};

/* Begin a look.  PROFILE is borrowed. */
void aws_look_init(struct aws_look *look, const char *profile);

/* Free what it holds. */
void aws_look_release(struct aws_look *look);

/* Set WHY; returns ERROR. */
__attribute__((format(printf, 3, 4))) int aws_look_fail(struct aws_look *look, int error, const char *format, ...);

/* The variable NAME, or NULL where it is not set, or empty. */
const char *aws_look_variable(const char *name);

/* Take a copy of an id, a secret and perhaps the token of a session (NULL).  0 or -ENOMEM. */
int aws_look_take(struct credentials *found, const char *id, const char *secret, const char *token);

#endif
