#include "tools/aws/aws_chain.h"

#include <errno.h>

#include "tools/aws/aws_answer.h"
#include "tools/aws/aws_assume.h"
#include "tools/aws/aws_container.h"
#include "tools/aws/aws_instance.h"
#include "tools/aws/aws_path.h"
#include "tools/aws/aws_process.h"
#include "tools/aws/aws_profile.h"
#include "tools/aws/aws_sso.h"
#include "tools/aws/aws_web_identity.h"

static int from_variables(struct aws_look *look, struct credentials *found)
{
	const char *id = aws_look_variable("AWS_ACCESS_KEY_ID");
	const char *secret = aws_look_variable("AWS_SECRET_ACCESS_KEY");
	const char *expires = aws_look_variable("AWS_CREDENTIAL_EXPIRATION");
	int error;

	if (!id && !secret)
		return -ENOENT;
	if (!id || !secret)
		return aws_look_fail(look, -EINVAL, "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY: one is not set");
	error = aws_look_take(found, id, secret, aws_look_variable("AWS_SESSION_TOKEN"));
	if (!error && expires && aws_answer_time(expires, &found->expires))
		found->expires = 0;
	return error;
}

static int from_web_identity(struct aws_look *look, const struct aws_profile *profile, struct credentials *found)
{
	const struct aws_role role = {
	    .arn = aws_look_variable("AWS_ROLE_ARN"),
	    .token_file = aws_look_variable("AWS_WEB_IDENTITY_TOKEN_FILE"),
	    .session = aws_look_variable("AWS_ROLE_SESSION_NAME"),
	};

	if (!role.token_file)
		return -ENOENT;
	if (!role.arn)
		return aws_look_fail(look, -EINVAL, "AWS_WEB_IDENTITY_TOKEN_FILE is set, and AWS_ROLE_ARN is not");
	return aws_web_identity_get(look, profile, &role, found);
}

static int from_keys(struct aws_look *look, const struct aws_profile *profile, const char *id, const char *secret,
                     struct credentials *found)
{
	if (!id || !secret)
		return aws_look_fail(look, -EINVAL, "the profile '%s' has aws_%s, and no aws_%s",
		                     aws_profile_name(profile), id ? "access_key_id" : "secret_access_key",
		                     id ? "secret_access_key" : "access_key_id");
	return aws_look_take(found, id, secret, aws_profile_get(profile, "aws_session_token"));
}

/* What PROFILE has itself. */
static int from_own(struct aws_look *look, const struct aws_profile *profile, struct credentials *found)
{
	const char *id = aws_profile_get(profile, "aws_access_key_id");
	const char *secret = aws_profile_get(profile, "aws_secret_access_key");
	const char *process = aws_profile_get(profile, "credential_process");
	const struct aws_role role = {
	    .arn = aws_profile_get(profile, "role_arn"),
	    .token_file = aws_profile_get(profile, "web_identity_token_file"),
	    .session = aws_profile_get(profile, "role_session_name"),
	};

	if (id || secret)
		return from_keys(look, profile, id, secret, found);
	if (process)
		return aws_process_get(look, process, found);
	if (role.arn && role.token_file)
		return aws_web_identity_get(look, profile, &role, found);
	return aws_sso_get(look, profile, found);
}

/* The credentials that the first role of PATH is taken on with.  That there are none is an error here. */
static int from_source(struct aws_look *look, const struct aws_path *path, struct credentials *found)
{
	const char *last = aws_profile_name(path->roles[path->count - 1]);
	int error = -ENOENT;

	switch (path->source) {
	case AWS_PATH_PROFILE:
		error = from_own(look, path->end, found);
		if (error == -ENOENT)
			return aws_look_fail(look, -EINVAL,
			                     "the profile '%s' has no credentials for the role of the profile '%s'",
			                     aws_profile_name(path->end), last);
		return error;
	case AWS_PATH_ENVIRONMENT:
		error = from_variables(look, found);
		break;
	case AWS_PATH_CONTAINER:
		error = aws_container_get(look, found);
		break;
	case AWS_PATH_INSTANCE:
		error = aws_instance_get(look, found);
		break;
	}
	if (error == -ENOENT)
		return aws_look_fail(look, -EINVAL, "the credential_source of the profile '%s' has no credentials",
		                     last);
	return error;
}

/* The role that PROFILE wants, taken on with those of the others on its path, the last of them first. */
static int from_roles(struct aws_look *look, const struct aws_profile *profile, struct credentials *found)
{
	struct aws_path path;
	struct credentials signer = {0};
	int error = aws_path_open(look, aws_profile_name(profile), &path);

	if (error)
		return error;
	error = from_source(look, &path, &signer);
	for (size_t i = path.count; i-- && !error;) {
		struct credentials taken = {0};

		error = aws_assume_get(look, profile, path.roles[i], &signer, &taken);
		credentials_release(&signer);
		signer = taken;
	}
	aws_path_close(&path);
	if (error)
		credentials_release(&signer);
	else
		*found = signer;
	return error;
}

static int from_profile(struct aws_look *look, const struct aws_profile *profile, struct credentials *found)
{
	/* Its keys would be those of whoever takes on the role. */
	return aws_assume_is_role(profile) ? from_roles(look, profile, found) : from_own(look, profile, found);
}

int aws_chain_get(struct aws_look *look, struct credentials *found)
{
	struct aws_profile *profile;
	int error = look->profile ? -ENOENT : from_variables(look, found);

	if (error != -ENOENT)
		return error;
	error = aws_profile_open(look, &profile);
	if (error)
		return error;
	error = look->profile ? -ENOENT : from_web_identity(look, profile, found);
	if (error == -ENOENT)
		error = from_profile(look, profile, found);
	aws_profile_close(profile);
	if (error == -ENOENT)
		error = aws_container_get(look, found);
	if (error == -ENOENT)
		error = aws_instance_get(look, found);
	return error;
}
