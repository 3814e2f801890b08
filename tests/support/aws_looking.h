/*
 * Looking for credentials of AWS in a world of the test's own (tests/support/aws.h), and what is expected of the
 * answer.
 *
 * For tests of tools/ alone, which link what is called here: functions of the file that includes it.
 */
#ifndef TESTS_SUPPORT_AWS_LOOKING_H
#define TESTS_SUPPORT_AWS_LOOKING_H

#include <stdint.h>
#include <stdlib.h>

#include "tests/support/aws.h"
#include "tools/aws/aws_chain.h"

static struct aws_look look;
static struct credentials found;
static const char *url;

static inline int set_up(void **state)
{
	(void)state;
	aws_open();
	aws_look_init(&look, NULL);
	url = aws_serve();
	return 0;
}

static inline int tear_down(void **state)
{
	(void)state;
	credentials_release(&found);
	aws_look_release(&look);
	aws_close();
	return 0;
}

/* --- what may have some --- */

static inline void set_web_identity(void)
{
	aws_write("identity", "to/k+n\n");
	aws_set("AWS_WEB_IDENTITY_TOKEN_FILE", "%s/identity", getenv("HOME"));
	aws_set("AWS_ROLE_ARN", "arn:aws:iam::1:role/reader");
	aws_set("AWS_ENDPOINT_URL_STS", "%s", url);
}

static inline void set_container(void)
{
	aws_set("AWS_CONTAINER_CREDENTIALS_FULL_URI", "%s/container?x=y", url);
}

static inline void set_instance(void)
{
	aws_set("AWS_EC2_METADATA_DISABLED", "false");
	aws_set("AWS_EC2_METADATA_SERVICE_ENDPOINT", "%s/", url);
}

/* --- what is found --- */

static inline int get(void)
{
	credentials_release(&found);
	*look.why = '\0';
	return aws_chain_get(&look, &found);
}

static inline void expect(const char *user, const char *secret, const char *token, int64_t expires)
{
	assert_int_equal(get(), 0);
	assert_string_equal(found.user, user);
	assert_string_equal(found.secret, secret);
	if (token)
		assert_string_equal(found.token, token);
	else
		assert_null(found.token);
	assert_true(found.expires == expires);
}

static inline void expect_error(int error, const char *why)
{
	assert_int_equal(get(), error);
	assert_null(found.user);
	assert_string_equal(look.why, why);
}

static inline void expect_log(const char *expected)
{
	char *log = aws_log();

	assert_string_equal(log, expected);
	free(log);
}

#endif
