/*
 * Credentials of the container that we run in, of ECS or EKS, from the service that its variables name.
 */
#ifndef TOOLS_AWS_CONTAINER_H
#define TOOLS_AWS_CONTAINER_H

#include "tools/aws/aws_look.h"

#define AWS_CONTAINER_WAIT_S 5

/*
 * Where they are, by AWS_CONTAINER_CREDENTIALS_RELATIVE_URI or _FULL_URI.  *URL is malloc'ed; *LOCAL says that it is a
 * service of this machine.  Returns 0; -ENOENT where neither is set; -EINVAL for no URI; -EACCES for one that is
 * neither https nor on this machine: what is sent there is a secret; -ENOMEM.
 */
int aws_container_url(struct aws_look *look, char **url, bool *local);

/* Ask there, with AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE or _TOKEN.  Returns as that one and aws_answer_ask(); -EINVAL
 * where there is no such file, or no token in it. */
int aws_container_get(struct aws_look *look, struct credentials *found);

#endif
