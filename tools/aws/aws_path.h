/*
 * The profiles that lead to a role.
 *
 * Each takes on its own role with the credentials of the next one, its `source_profile`; the last with those of a
 * profile that has some itself, or of what its `credential_source` names.
 */
#ifndef TOOLS_AWS_PATH_H
#define TOOLS_AWS_PATH_H

#include "tools/aws/aws_profile.h"

#define AWS_PATH_MAX 8 /* roles */

enum aws_path_source { AWS_PATH_PROFILE, AWS_PATH_ENVIRONMENT, AWS_PATH_CONTAINER, AWS_PATH_INSTANCE };

struct aws_path {
	struct aws_profile *roles[AWS_PATH_MAX]; /* the one that is wanted first; all have been checked */
	size_t count;
	enum aws_path_source source; /* where the first signer comes from */
	struct aws_profile *end;     /* of AWS_PATH_PROFILE: its own credentials, whatever role it has; else NULL */
};

/*
 * Follow the profiles from the one named NAME on, which has a role.  A profile may name itself where it has keys.  0
 * (the caller closes PATH); -EINVAL where one is missing, says of no source or of two, leads back to one before, or
 * where there are more than AWS_PATH_MAX; as aws_assume_check(), aws_profile_open().
 */
int aws_path_open(struct aws_look *look, const char *name, struct aws_path *path);

/* Wipe and free what it holds; one that is empty stays so. */
void aws_path_close(struct aws_path *path);

#endif
