#include "tools/aws/aws_assume.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/aws/aws_sts.h"

bool aws_assume_is_role(const struct aws_profile *profile)
{
	return aws_profile_get(profile, "role_arn") && !aws_profile_get(profile, "web_identity_token_file");
}

int aws_assume_check(struct aws_look *look, const struct aws_profile *profile)
{
	const char *name = aws_profile_name(profile), *duration = aws_profile_get(profile, "duration_seconds");
	unsigned long seconds;

	if (aws_profile_get(profile, "mfa_serial"))
		return aws_look_fail(look, -ENOTSUP,
		                     "the profile '%s' has an mfa_serial, and nobody can be asked for its code here: "
		                     "'eval \"$(aws configure export-credentials --profile %s --format env)\"' "
		                     "asks, and sets variables",
		                     name, name);
	if (!duration)
		return 0;
	seconds = strtoul(duration, NULL, 10);
	if (strlen(duration) > 5 || strspn(duration, "0123456789") != strlen(duration) ||
	    seconds < AWS_ASSUME_SHORTEST_S || seconds > AWS_ASSUME_LONGEST_S)
		return aws_look_fail(look, -EINVAL,
		                     "the duration_seconds of the profile '%s' is no number from %d to %d", name,
		                     AWS_ASSUME_SHORTEST_S, AWS_ASSUME_LONGEST_S);
	return 0;
}

int aws_assume_get(struct aws_look *look, const struct aws_profile *place, const struct aws_profile *profile,
                   const struct credentials *signer, struct credentials *found)
{
	const char *arn = aws_profile_get(profile, "role_arn"),
		   *duration = aws_profile_get(profile, "duration_seconds");
	char made_up[AWS_STS_SESSION_SIZE], subject[300];
	const struct aws_field fields[] = {
	    {"DurationSeconds", duration ? duration : AWS_STS_DURATION_S},
	    {"ExternalId", aws_profile_get(profile, "external_id")},
	    {"RoleArn", arn},
	    {"RoleSessionName", aws_sts_session(aws_profile_get(profile, "role_session_name"), made_up)},
	};
	const struct aws_sts_call call = {
	    .action = "AssumeRole",
	    .subject = subject,
	    .fields = fields,
	    .field_count = sizeof(fields) / sizeof(*fields),
	    .signer = signer,
	};

	snprintf(subject, sizeof(subject), "the role '%.200s' of the profile '%.60s'", arn, aws_profile_name(profile));
	return aws_sts_ask(look, place, &call, found);
}
