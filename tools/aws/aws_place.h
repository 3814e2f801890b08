/*
 * Where AWS's services are, as its variables and profiles say.
 */
#ifndef TOOLS_AWS_PLACE_H
#define TOOLS_AWS_PLACE_H

#include "tools/aws/aws_profile.h"

/*
 * What a remote that is a bucket is opened with where its own settings say nothing: *REGION and *ENDPOINT, malloc'ed or
 * NULL.  PROFILE as that of a look; one that cannot be read says nothing.  0 or -ENOMEM.
 */
int aws_place_find(const char *profile, char **region, char **endpoint);

/* AWS_REGION, AWS_DEFAULT_REGION, the profile's `region`; NULL where none says it.  Borrowed. */
const char *aws_place_region(const struct aws_profile *profile);

/*
 * The URL of SERVICE ("s3", "sts") where it is not Amazon's: AWS_ENDPOINT_URL_SERVICE, AWS_ENDPOINT_URL, `endpoint_url`
 * of the services that the profile names, that of the profile; NULL where none says it, or where
 * AWS_IGNORE_CONFIGURED_ENDPOINT_URLS or the profile's setting of that name is "true".  Borrowed.
 */
const char *aws_place_endpoint(const struct aws_profile *profile, const char *service);

/* The same of what is said of SERVICE ("sso") alone: most who name one place for all mean a store of their own, which
 * is to get no token of another service. */
const char *aws_place_own_endpoint(const struct aws_profile *profile, const char *service);

/* "https://HOST.REGION.amazonaws.com", or as it is in China; malloc'ed.  0; -EINVAL where REGION cannot be a part of a
 * host's name; -ENOMEM. */
int aws_place_url(const char *host, const char *region, char **url);

/*
 * Whether the URL ENDPOINT is, by https, a server of Amazon's S3 itself: s3.amazonaws.com, s3.REGION.amazonaws.com and
 * their kin.  Much else in that domain is its customers'.
 */
bool aws_place_is_s3(const char *endpoint);

#endif
