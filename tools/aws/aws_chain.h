/*
 * Credentials of AWS, in the order in which its programs look for them: the variables, a web identity that these name,
 * the profile (a role, keys, a process, a web identity, a login), the container, the instance.
 */
#ifndef TOOLS_AWS_CHAIN_H
#define TOOLS_AWS_CHAIN_H

#include "tools/aws/aws_look.h"

/*
 * Ask one link after the other.  Where the look names a profile, the variables are passed over.  Returns 0; -ENOENT
 * where none has any; else the error of the link that has some and cannot give them: beside what its file says, -EINVAL
 * for half of a pair of keys, and for a role whose source has no credentials.
 */
int aws_chain_get(struct aws_look *look, struct credentials *found);

#endif
