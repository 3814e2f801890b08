/*
 * A profile of AWS's programs: what ~/.aws/credentials and ~/.aws/config say below one name.
 *
 * AWS_SHARED_CREDENTIALS_FILE and AWS_CONFIG_FILE name other files.  The first goes over the second.  Read anew at each
 * look, so that what a program wrote there meanwhile counts.
 */
#ifndef TOOLS_AWS_PROFILE_H
#define TOOLS_AWS_PROFILE_H

#include "tools/aws/aws_look.h"

struct aws_profile;

/*
 * Open the profile that the look names, else AWS_PROFILE or AWS_DEFAULT_PROFILE, else "default".  Without files, or
 * "default" in them, that one is empty.  Returns 0; -EINVAL where one that was named is not there; -EACCES and the like
 * where a file cannot be read; -ENOMEM.
 */
int aws_profile_open(struct aws_look *look, struct aws_profile **profile);

/* Open the profile NAME, as that one. */
int aws_profile_open_named(struct aws_look *look, const char *name, struct aws_profile **profile);

/* Wipe and free.  NULL is ignored. */
void aws_profile_close(struct aws_profile *profile);

/* Its name, borrowed. */
const char *aws_profile_name(const struct aws_profile *profile);

/* The value of KEY, borrowed; NULL where there is none, an empty one, or no PROFILE.  "s3.addressing_style" is the key
 * that stands indented below "s3 =". */
const char *aws_profile_get(const struct aws_profile *profile, const char *key);

/* The same of the section "services" that the profile names. */
const char *aws_profile_service(const struct aws_profile *profile, const char *key);

/* The same of the section "sso-session" that the profile names. */
const char *aws_profile_session(const struct aws_profile *profile, const char *key);

#endif
