/*
 * Credentials for a token of somebody else's that says who we are: AssumeRoleWithWebIdentity of AWS's STS.
 */
#ifndef TOOLS_AWS_WEB_IDENTITY_H
#define TOOLS_AWS_WEB_IDENTITY_H

#include "tools/aws/aws_profile.h"

#define AWS_WEB_IDENTITY_WAIT_S 20

struct aws_role {
	const char *arn;
	const char *token_file; /* read anew each time */
	const char *session;    /* its name, in the logs of the account; NULL: one is made up */
};

/*
 * Take on ROLE for an hour.  PROFILE says where STS is.  Returns 0; -EKEYREJECTED where STS refuses; -EPROTO for an
 * answer that is not the JSON that is asked for; -EINVAL where there is no token file; -EREMOTEIO for a failure of STS;
 * as aws_http_call().
 */
int aws_web_identity_get(struct aws_look *look, const struct aws_profile *profile, const struct aws_role *role,
                         struct credentials *found);

#endif
