/* Services that give credentials of AWS. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

/* cmocka has one of its own. */
#undef fail

#include "cache/interrupt.h"
#include "cache/io.h"
#include "tests/support/aws_looking.h"
#include "tests/support/scratch.h"
#include "tools/aws/aws_container.h"

#define SOON 4102444800 /* the year 2100 */

/* --- web identities --- */

static void sts_is_told_the_token_of_the_file(void **state)
{
	(void)state;
	set_web_identity();
	aws_set("AWS_ROLE_SESSION_NAME", "me@here");
	expect("ASIASTS", "sts-secret", "sts-token", SOON);
	expect_log("POST / application/json Action=AssumeRoleWithWebIdentity DurationSeconds=3600 "
	           "RoleArn=arn:aws:iam::1:role/reader RoleSessionName=me@here Version=2011-06-15 "
	           "WebIdentityToken=to/k+n\n");
}

static void token_file_is_read_anew(void **state)
{
	char *log;

	(void)state;
	set_web_identity();
	aws_plan("sts-refuses");
	expect_error(-EKEYREJECTED, "AWS's STS refused the web identity: ExpiredTokenException (status 400)");
	aws_plan("");
	aws_write("identity", "newer");
	expect("ASIASTS", "sts-secret", "sts-token", SOON);
	log = aws_log();
	assert_non_null(strstr(log, "WebIdentityToken=newer"));
	free(log);
}

static void answers_of_sts_that_are_none(void **state)
{
	(void)state;
	set_web_identity();
	aws_plan("sts-xml");
	expect_error(-EPROTO, "AWS's STS gave no JSON object");
	aws_plan("sts-empty");
	expect_error(-EPROTO, "AWS's STS gave no 'AccessKeyId' and 'SecretAccessKey'");
	aws_plan("sts-fails");
	expect_error(-EREMOTEIO, "AWS's STS failed with the status 503");
	aws_set("AWS_ENDPOINT_URL_STS", "http://127.0.0.1:9");
	expect_error(-ECONNREFUSED, "cannot ask AWS's STS: Connection refused");
}

static void web_identity_needs_its_file_and_a_role(void **state)
{
	char expected[2048];

	(void)state;
	set_web_identity();
	snprintf(expected, sizeof(expected), "cannot read the token file '%s/identity': No such file or directory",
	         getenv("HOME"));
	scratch_sh("rm identity");
	if (strlen(expected) < sizeof(look.why))
		expect_error(-EINVAL, expected);
	unsetenv("AWS_ROLE_ARN");
	expect_error(-EINVAL, "AWS_WEB_IDENTITY_TOKEN_FILE is set, and AWS_ROLE_ARN is not");
	expect_log("");
}

/* --- containers --- */

static void container_gets_its_token(void **state)
{
	(void)state;
	set_container();
	expect("ASIACONTAINER", "container-secret", "container-token", SOON);
	aws_set("AWS_CONTAINER_AUTHORIZATION_TOKEN", "Basic abc");
	expect("ASIACONTAINER", "container-secret", "container-token", SOON);
	aws_write("token", "of-file\n");
	aws_set("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "%s/token", getenv("HOME"));
	expect("ASIACONTAINER", "container-secret", "container-token", SOON);
	expect_log("GET /container?x=y -\nGET /container?x=y Basic abc\nGET /container?x=y of-file\n");
}

static void token_with_a_line_end_is_no_token(void **state)
{
	(void)state;
	set_container();
	aws_set("AWS_CONTAINER_AUTHORIZATION_TOKEN", "a\r\nhost: b");
	expect_error(-EINVAL, "AWS_CONTAINER_AUTHORIZATION_TOKEN is no token");
	expect_log("");
}

static void container_that_fails_ends_the_look(void **state)
{
	(void)state;
	set_container();
	set_instance();
	aws_plan("container-fails");
	expect_error(-EREMOTEIO, "the container's service answered with the status 500");
	aws_plan("container-text");
	expect_error(-EPROTO, "the container's service gave no JSON object");
	aws_plan("container-redirects");
	expect_error(-EREMOTEIO, "the container's service answered with the status 302");
	expect_log("GET /container?x=y -\nGET /container?x=y -\nGET /container?x=y -\n");
}

static void container_is_of_this_machine_or_by_https(void **state)
{
	static const char *const own[] = {"http://127.0.0.1/x",         "http://127.9.8.7:80/",
	                                  "http://localhost:1/x?y@z",   "http://[::1]:8/",
	                                  "http://169.254.170.2/x",     "http://169.254.170.23/v1/credentials",
	                                  "http://[fd00:ec2::23]/v1/x", "HTTP://127.0.0.1"};
	static const char *const foreign[] = {"http://example.org/x",
	                                      "http://169.254.170.3/",
	                                      "http://169.254.170.2.example.org/",
	                                      "http://127.0.0.1@example.org/",
	                                      "http://127.0.0.1:80@example.org/",
	                                      "http://127.0.0.1\\@example.org/",
	                                      "http://example.org#@127.0.0.1/",
	                                      "http://127.0.0.1.example.org/",
	                                      "http://[::2]/",
	                                      "http://[::1/",
	                                      "http://[::1]x/",
	                                      "http://127.0.0.1:8x/",
	                                      "http:///x",
	                                      "ftp://127.0.0.1/",
	                                      "file:///etc/passwd",
	                                      "127.0.0.1/x"};
	char *text;
	bool local;

	(void)state;
	assert_int_equal(aws_container_url(&look, &text, &local), -ENOENT);
	for (size_t i = 0; i < sizeof(own) / sizeof(*own); i++) {
		aws_set("AWS_CONTAINER_CREDENTIALS_FULL_URI", "%s", own[i]);
		assert_int_equal(aws_container_url(&look, &text, &local), 0);
		assert_string_equal(text, own[i]);
		assert_true(local);
		free(text);
	}
	for (size_t i = 0; i < sizeof(foreign) / sizeof(*foreign); i++) {
		aws_set("AWS_CONTAINER_CREDENTIALS_FULL_URI", "%s", foreign[i]);
		expect_error(-EACCES, "AWS_CONTAINER_CREDENTIALS_FULL_URI is neither https nor on this machine");
	}
	aws_set("AWS_CONTAINER_CREDENTIALS_FULL_URI", "https://example.org/x");
	assert_int_equal(aws_container_url(&look, &text, &local), 0);
	assert_false(local);
	free(text);
	aws_set("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://127.0.0.1/ x");
	expect_error(-EINVAL, "AWS_CONTAINER_CREDENTIALS_FULL_URI is no URI");
	aws_set("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/v2/credentials/1");
	assert_int_equal(aws_container_url(&look, &text, &local), 0);
	assert_string_equal(text, "http://169.254.170.2/v2/credentials/1");
	assert_true(local);
	free(text);
}

/* --- instances --- */

static void instance_is_asked_with_a_session(void **state)
{
	(void)state;
	set_instance();
	expect("ASIAINSTANCE", "instance-secret", "instance-token", SOON);
	expect_log("PUT /latest/api/token 21600\n"
	           "GET /latest/meta-data/iam/security-credentials/ session-of-imds\n"
	           "GET /latest/meta-data/iam/security-credentials/machine session-of-imds\n");
}

static void proxy_is_not_asked_for_services_of_the_machine(void **state)
{
	(void)state;
	set_instance();
	aws_set("http_proxy", "http://127.0.0.1:9");
	expect("ASIAINSTANCE", "instance-secret", "instance-token", SOON);
	set_container();
	expect("ASIACONTAINER", "container-secret", "container-token", SOON);
}

static void instance_without_a_role_or_with_old_metadata_has_none(void **state)
{
	(void)state;
	set_instance();
	aws_plan("imds-no-role");
	expect_error(-ENOENT, "");
	aws_plan("imds-old");
	expect_error(-ENOENT, "");
	aws_plan("imds-bad-role");
	expect_error(-EPROTO, "the instance's metadata service names no role");
	aws_plan("imds-fails");
	expect_error(-EREMOTEIO, "the instance's metadata service answered with the status 500");
}

static void machine_that_is_no_instance_is_not_kept_waiting(void **state)
{
	uint64_t before;

	(void)state;
	set_instance();
	aws_set("AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://127.0.0.1:9");
	expect_error(-ENOENT, "");
	aws_set("AWS_EC2_METADATA_SERVICE_ENDPOINT", "%s", url);
	aws_plan("imds-stalls");
	before = io_monotonic_ns(io_system());
	expect_error(-ENOENT, "");
	assert_true(io_monotonic_ns(io_system()) - before < UINT64_C(10000000000));
	aws_plan("");
	expect("ASIAINSTANCE", "instance-secret", "instance-token", SOON);
}

static bool always(void *arg)
{
	(void)arg;
	return true;
}

static void services_that_stall_can_be_given_up(void **state)
{
	(void)state;
	set_instance();
	aws_plan("imds-stalls");
	interrupt_watch(always, NULL);
	assert_int_equal(get(), -EINTR);
	interrupt_watch(NULL, NULL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(sts_is_told_the_token_of_the_file),
	    TEST(token_file_is_read_anew),
	    TEST(answers_of_sts_that_are_none),
	    TEST(web_identity_needs_its_file_and_a_role),
	    TEST(container_gets_its_token),
	    TEST(token_with_a_line_end_is_no_token),
	    TEST(container_that_fails_ends_the_look),
	    TEST(container_is_of_this_machine_or_by_https),
	    TEST(instance_is_asked_with_a_session),
	    TEST(proxy_is_not_asked_for_services_of_the_machine),
	    TEST(instance_without_a_role_or_with_old_metadata_has_none),
	    TEST(machine_that_is_no_instance_is_not_kept_waiting),
	    TEST(services_that_stall_can_be_given_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
