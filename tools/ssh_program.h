/*
 * Which ssh is run: the one that git would.
 */
#ifndef TOOLS_SSH_PROGRAM_H
#define TOOLS_SSH_PROGRAM_H

#include "fs/git/repo.h"

/*
 * Find it, the first of GIT_SSH_COMMAND in the environment, Git's setting core.sshCommand for REPO, and GIT_SSH.
 * *COMMAND is malloc'ed, for a shell; NULL where none is set.  Prints its errors; returns an exit status.
 */
int ssh_program_find(struct repo *repo, char **command);

#endif
