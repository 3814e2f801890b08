/*
 * URLs of remotes, as far as they say whose they are.
 */
#ifndef TOOLS_URL_H
#define TOOLS_URL_H

#include <stdbool.h>

/* Whether URL names a user, and with that perhaps a password: then it is nobody else's. */
bool url_has_user(const char *url);

/* URL as it is, but for a password; malloc'ed, or NULL. */
char *url_without_password(const char *url);

/* The same, quoted as paths are where that is needed, for messages of any thread.  malloc'ed; NULL where there
 * is no memory. */
char *url_public(const char *url);

/* The same, for the main thread: valid as shown()'s answers are. */
const char *url_shown(const char *url);

#endif
