/*
 * What an answer of an S3 service means: its status, its error in XML, and what HEAD leaves out.
 *
 * Thread-safe; no I/O.
 */
#ifndef CACHE_S3_ANSWER_H
#define CACHE_S3_ANSWER_H

#include "cache/s3/s3.h"

/* The error that the answer of CALL is, as s3_run() has it, after reading its text to CALL's ERROR; 0 for success. */
int s3_answer_error(struct s3_call *call);

/* The region of the bucket, where an error says it; NULL: nothing is said. */
const char *s3_answer_region(const struct s3_call *call);

/* Whether it was refused because of our clock, and the server says what its own shows. */
bool s3_answer_is_skewed(const struct s3_call *call);

/* Whether it was refused because of who asks. */
bool s3_answer_is_refusal(const struct s3_call *call);

#endif
