/*
 * The JSON in which AWS's services and credential processes give credentials.
 */
#ifndef TOOLS_AWS_ANSWER_H
#define TOOLS_AWS_ANSWER_H

#include <jansson.h>

#include "tools/aws/aws_http.h"

/* Parse TEXT, which WHO ("the process") gave.  *ANSWER is for aws_answer_free(); -EPROTO where it is not an object. */
int aws_answer_parse(struct aws_look *look, const char *who, const char *text, json_t **answer);

/* Wipe the secrets in ANSWER, of whatever depth, and free it.  NULL is ignored. */
void aws_answer_free(json_t *answer);

/*
 * Take AccessKeyId, SecretAccessKey, SessionToken (or Token) and Expiration, which may be missing, out of an object
 * that WHO gave.  0; -EPROTO where they are not there, or are of another kind; -ENOMEM.
 */
int aws_answer_take(struct aws_look *look, const char *who, const json_t *object, struct credentials *found);

/* Make CALL and take what WHO answers; the caller releases the call.  Also returns -EREMOTEIO for any status but 200;
 * as aws_http_call(). */
int aws_answer_ask(struct aws_look *look, const char *who, struct aws_call *call, struct credentials *found);

/* Parse a time of RFC 3339 ("2026-01-31T12:00:00Z", "2026-01-31T12:00:00.5+01:00").  0 or -EINVAL. */
int aws_answer_time(const char *text, time_t *time);

#endif
