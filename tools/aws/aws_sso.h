/*
 * Credentials of a role that the user has logged in for with `aws sso login`.
 *
 * The portal of IAM Identity Center ("SSO") gives them (GetRoleCredentials) for the token that the login has left in
 * ~/.aws/sso/cache.  This is neither renewed nor written here.
 */
#ifndef TOOLS_AWS_SSO_H
#define TOOLS_AWS_SSO_H

#include "tools/aws/aws_profile.h"

#define AWS_SSO_WAIT_S 20

/*
 * Ask for `sso_account_id` and `sso_role_name` of PROFILE, by its `sso_session` or its own `sso_start_url` and
 * `sso_region`.  Returns 0; -ENOENT where it has neither; -EINVAL where a setting is missing; -EKEYREJECTED where
 * nobody has logged in, the login has expired, or the portal refuses; -EREMOTEIO for a failure of the portal; -EPROTO
 * for an answer that is none; as aws_http_call().
 */
int aws_sso_get(struct aws_look *look, const struct aws_profile *profile, struct credentials *found);

#endif
