/*
 * Requests to AWS's STS, which gives credentials for a while to whoever takes on a role.
 */
#ifndef TOOLS_AWS_STS_H
#define TOOLS_AWS_STS_H

#include "tools/aws/aws_http.h"
#include "tools/aws/aws_profile.h"

#define AWS_STS_WAIT_S 20
#define AWS_STS_FIELDS_MAX 6
#define AWS_STS_SESSION_SIZE 32
#define AWS_STS_DURATION_S "3600" /* where nobody says how long credentials are to last */

struct aws_sts_call {
	const char *action;  /* "AssumeRole" */
	const char *subject; /* what STS may refuse, for messages: "the web identity" */
	const struct aws_field *fields;
	size_t field_count;               /* at most AWS_STS_FIELDS_MAX */
	const struct credentials *signer; /* NULL: the request is not signed */
};

/*
 * Where STS is, by `region`, `sts_regional_endpoints` and aws_place_endpoint(), of PROFILE and the variables: *URL,
 * which is malloc'ed, and the *REGION that a signature names, borrowed.  Without a region, or one that is none, it is
 * the STS of the whole world.  0 or -ENOMEM.
 */
int aws_sts_url(const struct aws_profile *profile, char **url, const char **region);

/*
 * Make CALL and take the credentials of its answer.  PROFILE says where STS is.  Returns 0; -EKEYREJECTED where STS
 * refuses; -EPROTO for an answer that is not the JSON that is asked for; -EREMOTEIO for a failure of STS; -EINVAL for a
 * signer that no header can have, or an endpoint that nothing can be signed for; as aws_http_call().
 */
int aws_sts_ask(struct aws_look *look, const struct aws_profile *profile, const struct aws_sts_call *call,
                struct credentials *found);

/* NAME, or where that is NULL one that is made up, in ROOM: how the logs of an account call the session. */
const char *aws_sts_session(const char *name, char room[AWS_STS_SESSION_SIZE]);

#endif
