/*
 * The role of a profile (`role_arn`), taken on with the credentials of somebody else: AssumeRole of AWS's STS.
 */
#ifndef TOOLS_AWS_ASSUME_H
#define TOOLS_AWS_ASSUME_H

#include "tools/aws/aws_profile.h"

/* Of AWS's: what STS lets a session last. */
#define AWS_ASSUME_SHORTEST_S 900
#define AWS_ASSUME_LONGEST_S 43200

/* Whether PROFILE has a role that others' credentials are needed for: with a web identity there are none. */
bool aws_assume_is_role(const struct aws_profile *profile);

/*
 * Whether what PROFILE says of its role can be done here.  0; -ENOTSUP where it wants the code of a device; -EINVAL for
 * a `duration_seconds` that is none.
 */
int aws_assume_check(struct aws_look *look, const struct aws_profile *profile);

/*
 * Take on the role of PROFILE, which was checked, with SIGNER, by `external_id`, `role_session_name` and
 * `duration_seconds`.  PLACE says where STS is.  Returns as aws_sts_ask().
 */
int aws_assume_get(struct aws_look *look, const struct aws_profile *place, const struct aws_profile *profile,
                   const struct credentials *signer, struct credentials *found);

#endif
