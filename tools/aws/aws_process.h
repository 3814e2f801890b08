/*
 * Credentials that a program prints: `credential_process` of a profile.
 */
#ifndef TOOLS_AWS_PROCESS_H
#define TOOLS_AWS_PROCESS_H

#include "tools/aws/aws_look.h"

#define AWS_PROCESS_WAIT_S 30
#define AWS_PROCESS_OUTPUT_MAX ((size_t)64 << 10)

/*
 * Run COMMAND by the shell, without input, its stderr being ours, and take the JSON that it prints.  It is killed, with
 * what it has started, where it takes longer than AWS_PROCESS_WAIT_S or this thread is to give up.  Returns 0;
 * -EKEYREJECTED where it fails; -EPROTO; -ETIMEDOUT; -EINTR; -ENOMEM, -errno.
 */
int aws_process_get(struct aws_look *look, const char *command, struct credentials *found);

#endif
