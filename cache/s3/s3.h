/*
 * Requests to an S3 service: signed, and made again where the answer says how they would be taken.
 *
 * That is with other credentials (once, where the keyring has others), in the bucket's own region, by the server's
 * clock, or a while later.  No redirect is followed: credentials go to the host that the settings name, or to Amazon's
 * in the region of the bucket.  Each body goes along with its SHA-256, which the service checks.  Thread-safe.
 */
#ifndef CACHE_S3_H
#define CACHE_S3_H

#include "cache/http/http.h"
#include "cache/remote.h"
#include "cache/s3/s3_body.h"
#include "cache/s3/s3_url.h"
#include "cache/s3/s3_xml.h"

struct s3;

/* As remote_kind's open.  0; -EINVAL; -ENOMEM. */
int s3_open(const struct remote_setup *setup, struct s3 **s3);

/* Free; nobody may be waiting. */
void s3_close(struct s3 *s3);

/* What it was opened with, borrowed. */
const struct io *s3_io(const struct s3 *s3);

/* What keys of the store begin with, borrowed. */
const char *s3_prefix(const struct s3 *s3);

/* As remote_why(): why credentials could not be found, what the service said, or why it could not be asked. */
void s3_why(struct s3 *s3, char why[REMOTE_WHY_SIZE]);

/* Whether the service was found to know no conditions, or is from now on. */
bool s3_lacks_conditions(struct s3 *s3);

/* It does not know them. */
void s3_set_lacks_conditions(struct s3 *s3);

/* Whether the bucket was seen to be there. */
bool s3_has_bucket(struct s3 *s3);

/*
 * Uploads in parts take turns at sending, S3_SENDING_MAX of them at a time.  Beginning them, and putting their parts
 * together, takes time but no bandwidth, and is done beside the turns of others: those that sent at the same time would
 * end at the same time, too, and leave the link idle.  The parts of one fill a link; behind those of more, whatever is
 * asked beside them would wait the longer.
 */
#define S3_SENDING_MAX 1

/* Wait for a turn.  0 (s3_end_sending() must follow) or -EINTR. */
int s3_begin_sending(struct s3 *s3);

/* The turn is over. */
void s3_end_sending(struct s3 *s3);

struct s3_call {
	enum http_method method;
	const char *path;  /* in the store; NULL: the bucket itself */
	const char *query; /* as s3_url_init() has it; NULL: none */
	void *data;        /* as in struct http_request */
	size_t room;
	uint64_t offset;
	const struct arrival *arrival; /* the same */
	size_t text_max;               /* 0: enough for an error */
	struct s3_body *body;          /* NULL: none */
	bool body_unasked;             /* as in struct http_request */
	bool if_none_match;            /* only where there is nothing of that name */
	unsigned tries;                /* at most, where a failure may pass; 0: one */
	unsigned stall_s;              /* as in struct http_request */
	unsigned last_s;               /* the same */
	/* Set: */
	struct http_request http; /* its answer; TEXT is freed by s3_call_release() */
	struct http_wanted wanted[2];
	struct s3_error error;
	bool doubtful; /* it was made again after a try of which it is not known what it did */
	size_t before; /* of DATA, from tries that broke off; what the last one got comes behind */
	/* Its own: */
	struct arrival behind;
	struct s3_url url;
	char *headers[8];
	size_t header_count;
	struct http_transfer *transfer;
	char region[S3_REGION_MAX + 1];
	time_t signed_at;
	bool is_signed;
	bool has_token;
	uint64_t credentials; /* which of the keyring's */
	unsigned failures;
	bool moved;   /* to another region */
	bool reset;   /* to the server's clock */
	bool refused; /* its first credentials */
};

/* What is to be known of a call that put something, beside its result. */
struct s3_outcome {
	long status; /* 0: it was not asked */
	bool doubtful;
};

/* The tag of what was put: of an answer to PUT, "" where there was none. */
const char *s3_call_etag(const struct s3_call *call);

/*
 * Make CALL, whose settings the caller has filled in, the rest being zeros.  0 for an answer of success, else what the
 * error is in the words of cache/remote.h, and: -ENODEV, there is no such bucket; -ESTALE, no such upload; -EEXIST
 * where the condition does not hold.  -ENOENT of HEAD may also mean that there is no such bucket, unless
 * s3_has_bucket().  The caller releases CALL either way.
 */
int s3_run(struct s3 *s3, struct s3_call *call);

#define S3_AGAIN 1

/* Begin it.  0 (s3_end() must follow), or an error. */
int s3_begin(struct s3 *s3, struct s3_call *call);

/* Wait for its end.  What s3_run() returns; S3_AGAIN where it is to be begun once more. */
int s3_end(struct s3 *s3, struct s3_call *call);

/* Let it end soon: s3_end() must follow. */
void s3_give_up(struct s3 *s3, struct s3_call *call);

/* Free what it holds. */
void s3_call_release(struct s3_call *call);

#endif
