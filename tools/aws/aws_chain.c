#include "tools/aws/aws_chain.h"

#include <errno.h>

#include "tools/aws/aws_answer.h"
#include "tools/aws/aws_container.h"
#include "tools/aws/aws_instance.h"
#include "tools/aws/aws_process.h"
#include "tools/aws/aws_profile.h"
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

static int not_supported(struct aws_look *look, const struct aws_profile *profile, const char *what)
{
	return aws_look_fail(look, -ENOTSUP,
	                     "the profile '%s' has %s, which is not supported: a profile with the credential_process "
	                     "'aws configure export-credentials --profile %s' gives its credentials",
	                     aws_profile_name(profile), what, aws_profile_name(profile));
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

static int from_profile(struct aws_look *look, const struct aws_profile *profile, struct credentials *found)
{
	const char *id = aws_profile_get(profile, "aws_access_key_id");
	const char *secret = aws_profile_get(profile, "aws_secret_access_key");
	const char *process = aws_profile_get(profile, "credential_process");
	const struct aws_role role = {
	    .arn = aws_profile_get(profile, "role_arn"),
	    .token_file = aws_profile_get(profile, "web_identity_token_file"),
	    .session = aws_profile_get(profile, "role_session_name"),
	};

	/* Its keys would be those of whoever takes on the role. */
	if (role.arn && !role.token_file)
		return not_supported(look, profile, "a role_arn without a web_identity_token_file");
	if (id || secret)
		return from_keys(look, profile, id, secret, found);
	if (process)
		return aws_process_get(look, process, found);
	if (role.arn)
		return aws_web_identity_get(look, profile, &role, found);
	if (aws_profile_get(profile, "sso_session") || aws_profile_get(profile, "sso_start_url"))
		return not_supported(look, profile, "a login by SSO");
	return -ENOENT;
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
