#include "tools/aws/aws_web_identity.h"

#include <errno.h>
#include <string.h>

#include "tools/aws/aws_sts.h"
#include "tools/fail.h"
#include "tools/secret_file.h"

int aws_web_identity_get(struct aws_look *look, const struct aws_profile *profile, const struct aws_role *role,
                         struct credentials *found)
{
	char made_up[AWS_STS_SESSION_SIZE], *token;
	int error = secret_file_read(role->token_file, &token);

	if (error)
		return aws_look_fail(look, error == -ENOENT ? -EINVAL : error, "cannot read the token file '%s': %s",
		                     role->token_file, error == -ENOENT ? strerror(ENOENT) : error_text(error));
	token[strcspn(token, "\r\n")] = '\0';
	const struct aws_field fields[] = {
	    {"DurationSeconds", AWS_STS_DURATION_S},
	    {"RoleArn", role->arn},
	    {"RoleSessionName", aws_sts_session(role->session, made_up)},
	    {"WebIdentityToken", token},
	};
	error = aws_sts_ask(look, profile,
	                    &(struct aws_sts_call){
				.action = "AssumeRoleWithWebIdentity",
				.subject = "the web identity",
				.fields = fields,
				.field_count = sizeof(fields) / sizeof(*fields),
			    },
	                    found);
	credentials_wipe(token);
	return error;
}
