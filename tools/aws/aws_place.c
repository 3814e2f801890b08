#include "tools/aws/aws_place.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "cache/s3/s3_url.h"

const char *aws_place_region(const struct aws_profile *profile)
{
	const char *region = aws_look_variable("AWS_REGION");

	if (!region)
		region = aws_look_variable("AWS_DEFAULT_REGION");
	return region ? region : aws_profile_get(profile, "region");
}

static bool is_ignored(const struct aws_profile *profile)
{
	const char *set = aws_look_variable("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS");

	if (!set)
		set = aws_profile_get(profile, "ignore_configured_endpoint_urls");
	return set && !strcasecmp(set, "true");
}

const char *aws_place_endpoint(const struct aws_profile *profile, const char *service)
{
	char name[64], key[64];
	const char *url;

	if (is_ignored(profile))
		return NULL;
	snprintf(key, sizeof(key), "%s.endpoint_url", service);
	snprintf(name, sizeof(name), "AWS_ENDPOINT_URL_%s", service);
	for (char *c = name; *c; c++)
		*c = (char)toupper((unsigned char)*c);
	url = aws_look_variable(name);
	if (!url)
		url = aws_look_variable("AWS_ENDPOINT_URL");
	if (!url)
		url = aws_profile_service(profile, key);
	return url ? url : aws_profile_get(profile, "endpoint_url");
}

int aws_place_url(const char *host, const char *region, char **url)
{
	if (!s3_region_ok(region))
		return -EINVAL;
	if (asprintf(url, "https://%s.%s.amazonaws.com%s", host, region, strncmp(region, "cn-", 3) ? "" : ".cn") < 0)
		return -ENOMEM;
	return 0;
}

static char *copy_of(const char *text, bool *failed)
{
	char *copy = text ? strdup(text) : NULL;

	*failed |= text && !copy;
	return copy;
}

int aws_place_find(const char *profile, char **region, char **endpoint)
{
	struct aws_profile *opened = NULL;
	struct aws_look look;
	bool failed = false;

	aws_look_init(&look, profile);
	if (aws_profile_open(&look, &opened))
		opened = NULL;
	*region = copy_of(aws_place_region(opened), &failed);
	*endpoint = copy_of(aws_place_endpoint(opened, "s3"), &failed);
	aws_profile_close(opened);
	aws_look_release(&look);
	if (!failed)
		return 0;
	free(*region);
	free(*endpoint);
	return -ENOMEM;
}
