/*
 * Credentials for a token of somebody else's that says who we are: AssumeRoleWithWebIdentity of AWS's STS.
 */
#ifndef TOOLS_AWS_WEB_IDENTITY_H
#define TOOLS_AWS_WEB_IDENTITY_H

#include "tools/aws/aws_profile.h"

struct aws_role {
	const char *arn;
	const char *token_file; /* read anew each time */
	const char *session;    /* its name, in the logs of the account; NULL: one is made up */
};

/* Take on ROLE for an hour.  PROFILE says where STS is.  Returns as aws_sts_ask(); -EINVAL where there is no token
 * file. */
int aws_web_identity_get(struct aws_look *look, const struct aws_profile *profile, const struct aws_role *role,
                         struct credentials *found);

#endif
