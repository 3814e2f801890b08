/*
 * The authorities that a server's certificate may come from: those that git trusts.
 */
#ifndef TOOLS_CA_FILE_H
#define TOOLS_CA_FILE_H

#include "fs/git/repo.h"

/*
 * The file of certificates (PEM) for URL that the user has set: GIT_SSL_CAINFO in the environment, else Git's setting
 * http.sslCAInfo as REPO has it for URL, of which the password is not shown to other processes.  *PATH is malloc'ed;
 * NULL where there is none, also where the setting cannot be read, which is said as a warning.  0, or -ENOMEM, -EINTR,
 * -EAGAIN: nothing is known then.
 */
int ca_file_find(const struct repo *repo, const char *url, char **path);

#endif
