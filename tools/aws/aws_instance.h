/*
 * Credentials of the instance of EC2 that we run on, from its metadata service (version 2 of IMDS).
 */
#ifndef TOOLS_AWS_INSTANCE_H
#define TOOLS_AWS_INSTANCE_H

#include "tools/aws/aws_look.h"

#define AWS_INSTANCE_FIRST_WAIT_S 1 /* no longer is waited for a service that may not be there */
#define AWS_INSTANCE_WAIT_S 5

/*
 * Ask the service, at AWS_EC2_METADATA_SERVICE_ENDPOINT where that is set.  Returns 0; -ENOENT where it does not answer
 * within AWS_INSTANCE_FIRST_WAIT_S, has no role, or AWS_EC2_METADATA_DISABLED is "true"; else as aws_answer_ask().
 */
int aws_instance_get(struct aws_look *look, struct credentials *found);

#endif
