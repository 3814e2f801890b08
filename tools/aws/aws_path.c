#include "tools/aws/aws_path.h"

#include <errno.h>
#include <string.h>

#include "tools/aws/aws_assume.h"

static bool has_keys(const struct aws_profile *profile)
{
	return aws_profile_get(profile, "aws_access_key_id") || aws_profile_get(profile, "aws_secret_access_key");
}

static int find_source(struct aws_look *look, const struct aws_profile *last, struct aws_path *path)
{
	static const struct {
		const char *name;
		enum aws_path_source source;
	} known[] = {
	    {"Environment", AWS_PATH_ENVIRONMENT},
	    {"EcsContainer", AWS_PATH_CONTAINER},
	    {"Ec2InstanceMetadata", AWS_PATH_INSTANCE},
	};
	const char *name = aws_profile_get(last, "credential_source");

	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++) {
		if (!strcmp(name, known[i].name)) {
			path->source = known[i].source;
			return 0;
		}
	}
	return aws_look_fail(look, -EINVAL, "the credential_source of the profile '%s' is not known: '%.100s'",
	                     aws_profile_name(last), name);
}

/* Whether going on to NEXT from the last role ends somewhere. */
static int check_next(struct aws_look *look, const struct aws_path *path, const struct aws_profile *next)
{
	const char *name = aws_profile_name(next), *last = aws_profile_name(path->roles[path->count - 1]);

	for (size_t i = 0; i < path->count; i++) {
		const bool is_last = i + 1 == path->count;

		if (!strcmp(name, aws_profile_name(path->roles[i])) && !(is_last && has_keys(next)))
			return aws_look_fail(look, -EINVAL,
			                     is_last ? "the source_profile of the profile '%s' is itself"
			                             : "the source_profile of the profile '%s' leads back to '%s'",
			                     last, name);
	}
	return 0;
}

/* *NEXT: what the last role's source_profile names; NULL where it has a credential_source. */
static int step(struct aws_look *look, struct aws_path *path, struct aws_profile **next)
{
	const struct aws_profile *last = path->roles[path->count - 1];
	const char *name = aws_profile_get(last, "source_profile");
	const bool has_source = aws_profile_get(last, "credential_source");
	int error = aws_assume_check(look, last);

	*next = NULL;
	if (error)
		return error;
	if (!name == !has_source)
		return aws_look_fail(look, -EINVAL, "the profile '%s' has a role_arn, and %s", aws_profile_name(last),
		                     name ? "both a source_profile and a credential_source"
		                          : "neither a source_profile nor a credential_source");
	if (has_source)
		return find_source(look, last, path);
	error = aws_profile_open_named(look, name, next);
	return error ? error : check_next(look, path, *next);
}

int aws_path_open(struct aws_look *look, const char *name, struct aws_path *path)
{
	struct aws_profile *next = NULL;
	int error = aws_profile_open_named(look, name, &next);

	*path = (struct aws_path){.source = AWS_PATH_PROFILE};
	while (!error && next && (!path->count || (aws_assume_is_role(next) && !has_keys(next)))) {
		if (path->count == AWS_PATH_MAX) {
			error = aws_look_fail(look, -EINVAL, "more than %d profiles lead to the role of '%s'",
			                      AWS_PATH_MAX, name);
			break;
		}
		path->roles[path->count++] = next;
		error = step(look, path, &next);
	}
	path->end = next;
	if (error)
		aws_path_close(path);
	return error;
}

void aws_path_close(struct aws_path *path)
{
	while (path->count)
		aws_profile_close(path->roles[--path->count]);
	aws_profile_close(path->end);
	path->end = NULL;
}
