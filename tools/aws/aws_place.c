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

/* What the variable of SERVICE says. */
static const char *variable_of(const char *service)
{
	char name[64];

	snprintf(name, sizeof(name), "AWS_ENDPOINT_URL_%s", service);
	for (char *c = name; *c; c++)
		*c = (char)toupper((unsigned char)*c);
	return aws_look_variable(name);
}

/* What the services that PROFILE names say of SERVICE. */
static const char *setting_of(const struct aws_profile *profile, const char *service)
{
	char key[64];

	snprintf(key, sizeof(key), "%s.endpoint_url", service);
	return aws_profile_service(profile, key);
}

const char *aws_place_endpoint(const struct aws_profile *profile, const char *service)
{
	const char *url;

	if (is_ignored(profile))
		return NULL;
	url = variable_of(service);
	if (!url)
		url = aws_look_variable("AWS_ENDPOINT_URL");
	if (!url)
		url = setting_of(profile, service);
	return url ? url : aws_profile_get(profile, "endpoint_url");
}

const char *aws_place_own_endpoint(const struct aws_profile *profile, const char *service)
{
	const char *url;

	if (is_ignored(profile))
		return NULL;
	url = variable_of(service);
	return url ? url : setting_of(profile, service);
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

/* The label at *NAME, up to a dot, which is gone past: its length. */
static size_t take_label(const char **name)
{
	size_t len = strcspn(*name, ".");

	*name += len + ((*name)[len] == '.');
	return len;
}

/* Whether the LEN bytes at LABEL may be a region: "eu-west-1", "us-gov-east-1". */
static bool is_region(const char *label, size_t len)
{
	size_t dashes = 0;

	for (size_t i = 0; i < len; i++) {
		const bool last = i + 1 == len;

		dashes += label[i] == '-';
		if (!(label[i] >= 'a' && label[i] <= 'z') && label[i] != '-' &&
		    !(last && label[i] >= '0' && label[i] <= '9'))
			return false;
	}
	return dashes >= 2 && label[0] != '-' && label[len - 1] >= '0' && label[len - 1] <= '9' &&
	       label[len - 2] == '-';
}

bool aws_place_is_s3(const char *endpoint)
{
	static const char *const services[] = {"s3", "s3-fips", "s3-accelerate"};
	const char *name = endpoint + strlen("https://"), *label = name;
	bool is_service = false;
	size_t len;

	if (strncasecmp(endpoint, "https://", strlen("https://")) != 0)
		return false;
	len = take_label(&name);
	for (size_t i = 0; i < sizeof(services) / sizeof(services[0]); i++)
		is_service |= len == strlen(services[i]) && !memcmp(label, services[i], len);
	if (!is_service)
		return false;
	label = name;
	len = take_label(&name);
	if (len == strlen("dualstack") && !memcmp(label, "dualstack", len)) {
		label = name;
		len = take_label(&name);
	}
	if (len && is_region(label, len))
		label = name;
	return !strcmp(label, "amazonaws.com") || !strcmp(label, "amazonaws.com/") ||
	       !strcmp(label, "amazonaws.com.cn") || !strcmp(label, "amazonaws.com.cn/");
}
