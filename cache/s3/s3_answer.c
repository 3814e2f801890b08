#include "cache/s3/s3_answer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SKEW_S 300 /* a clock that is wrong by more may be why it was refused */

struct meaning {
	const char *code;
	int error;
};

/* What is not told by the status alone. */
static const struct meaning meanings[] = {
    {"BadDigest", -EREMOTEIO}, /* what arrived is not what was sent */
    {"ConditionalRequestConflict", -EAGAIN},
    {"EntityTooLarge", -EFBIG},
    {"ExpiredToken", -EKEYREJECTED},
    {"IncompleteBody", -EREMOTEIO},
    {"InternalError", -EREMOTEIO},
    {"InvalidAccessKeyId", -EKEYREJECTED},
    {"InvalidToken", -EKEYREJECTED},
    {"NoSuchBucket", -ENODEV},
    {"NoSuchKey", -ENOENT},
    {"NoSuchUpload", -ESTALE},
    {"OperationAborted", -EAGAIN},
    {"PreconditionFailed", -EEXIST},
    {"QuotaExceeded", -ENOSPC},
    {"RequestTimeTooSkewed", -EKEYREJECTED},
    {"RequestTimeout", -EAGAIN},
    {"ServiceUnavailable", -EAGAIN},
    {"SignatureDoesNotMatch", -EKEYREJECTED},
    {"SlowDown", -EAGAIN},
    {"TokenRefreshRequired", -EKEYREJECTED},
    {"XAdminUserNotFound", -EKEYREJECTED}, /* versitygw's, with the status 404 */
    {"XAmzContentSHA256Mismatch", -EREMOTEIO},
};

static bool is_code(const struct s3_call *call, const char *code)
{
	return !strcmp(call->error.code, code);
}

/* The error of a STATUS that is not one of success. */
static int error_of(const struct s3_call *call, long status)
{
	for (size_t i = 0; i < sizeof(meanings) / sizeof(meanings[0]); i++) {
		if (is_code(call, meanings[i].code))
			return meanings[i].error;
	}
	switch (status) {
	case 404:
		/* What is not said to be a file's absence is none: a page of some other server, a user not known. */
		return call->method == HTTP_HEAD ? -ENOENT : -EPROTO;
	case 409:
		return -EAGAIN;
	case 412:
		return -EEXIST;
	case 507:
		return -ENOSPC;
	default:
		return http_error_of(status);
	}
}

int s3_answer_error(struct s3_call *call)
{
	const struct http_request *http = &call->http;
	const bool success = http->status >= 200 && http->status <= 299;
	int error = -ENOENT;

	if (!success || call->method == HTTP_POST)
		error = http->text ? s3_xml_error(http->text, http->text_len, &call->error) : -EPROTO;
	if (error == -ENOMEM)
		return error;
	if (!success)
		return error_of(call, http->status);
	/* Whether an upload was completed is known only long after the status had to be sent. */
	return !error ? error_of(call, 500) : error == -ENOENT ? 0 : error;
}

const char *s3_answer_region(const struct s3_call *call)
{
	const char *header = call->wanted[1].value;

	switch (call->http.status) {
	case 301:
	case 307:
	case 400:
	case 403:
		return *header ? header : call->error.region[0] ? call->error.region : NULL;
	default:
		return NULL;
	}
}

bool s3_answer_is_skewed(const struct s3_call *call)
{
	if (!call->is_signed || !call->http.date)
		return false;
	if (is_code(call, "RequestTimeTooSkewed"))
		return true;
	return call->http.status == 403 && !call->error.code[0] &&
	       llabs((long long)call->http.date - (long long)call->signed_at) > SKEW_S;
}

bool s3_answer_is_refusal(const struct s3_call *call)
{
	static const char *const codes[] = {"ExpiredToken",          "InvalidAccessKeyId",   "InvalidToken",
	                                    "SignatureDoesNotMatch", "TokenRefreshRequired", "XAdminUserNotFound"};

	if (is_code(call, "RequestTimeTooSkewed"))
		return false;
	if (call->http.status == 401 || call->http.status == 403)
		return true;
	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
		if (is_code(call, codes[i]))
			return true;
	}
	/* Of a token that has expired HEAD says no more than that the request was bad. */
	return call->http.status == 400 && call->has_token && !call->error.code[0];
}
