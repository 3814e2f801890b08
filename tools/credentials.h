/*
 * The user's credentials for a remote: from AWS's files, variables and services (tools/aws/aws_chain.h) for a bucket,
 * from `git credential` for an HTTP server.
 *
 * Nothing is looked for before it is needed.  What is wrong with the user's settings is said once, as a warning; the
 * remote then refuses with -EKEYREJECTED, and has the same to say (remote_why()).  A bucket whose endpoint the shared
 * .revfs/config alone names is asked as nobody.
 */
#ifndef TOOLS_CREDENTIALS_H
#define TOOLS_CREDENTIALS_H

#include "cache/credentials.h"
#include "fs/git/repo.h"
#include "tools/remotes.h"

/* How long git and its helpers may take, where they do not ask the user at a terminal. */
#define CREDENTIALS_GIT_WAIT_S 60

/*
 * The source for ITEM (copied) of REPO (borrowed, for its helpers of `git credential`); one without functions where its
 * kind knows no credentials.  Whoever takes *SOURCE over closes it.  0 or -ENOMEM.
 */
int credentials_open(const struct repo *repo, const struct remotes_item *item, struct credentials_source *source);

#endif
