/* The order in which credentials of AWS are looked for; variables and profiles. */
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

#include "tests/support/aws_looking.h"

#define KEYS "aws_access_key_id = AKIAFILE\naws_secret_access_key = word\n"
#define SOON 4102444800 /* the year 2100 */

static void set_keys(void)
{
	aws_set("AWS_ACCESS_KEY_ID", "AKIAENV");
	aws_set("AWS_SECRET_ACCESS_KEY", "env-secret");
}

/* --- the order --- */

static void nothing_anywhere_is_none(void **state)
{
	(void)state;
	expect_error(-ENOENT, "");
	expect_log("");
}

/* All links have some; one after the other is taken away. */
static void links_are_asked_in_order(void **state)
{
	(void)state;
	set_keys();
	set_web_identity();
	aws_write(".aws/credentials", "[default]\n" KEYS);
	set_container();
	set_instance();
	expect("AKIAENV", "env-secret", NULL, 0);
	expect_log("");
	unsetenv("AWS_ACCESS_KEY_ID");
	unsetenv("AWS_SECRET_ACCESS_KEY");
	expect("ASIASTS", "sts-secret", "sts-token", SOON);
	unsetenv("AWS_WEB_IDENTITY_TOKEN_FILE");
	expect("AKIAFILE", "word", NULL, 0);
	aws_write(".aws/credentials", "%s", "");
	expect("ASIACONTAINER", "container-secret", "container-token", SOON);
	unsetenv("AWS_CONTAINER_CREDENTIALS_FULL_URI");
	expect("ASIAINSTANCE", "instance-secret", "instance-token", SOON);
	aws_set("AWS_EC2_METADATA_DISABLED", "True");
	expect_error(-ENOENT, "");
}

static void profile_that_is_set_goes_over_the_variables(void **state)
{
	(void)state;
	set_keys();
	set_web_identity();
	aws_write(".aws/credentials", "[default]\n" KEYS "[x]\naws_access_key_id = AKIAX\naws_secret_access_key = y\n");
	aws_set("AWS_PROFILE", "x");
	expect("AKIAENV", "env-secret", NULL, 0);
	look.profile = "x";
	expect("AKIAX", "y", NULL, 0);
	look.profile = "default";
	expect("AKIAFILE", "word", NULL, 0);
	look.profile = "z";
	expect_error(-EINVAL, "there is no profile 'z' in AWS's files");
	expect_log("");
}

/* --- variables --- */

static void variables_have_tokens_and_expire(void **state)
{
	(void)state;
	set_keys();
	aws_set("AWS_SESSION_TOKEN", "t");
	expect("AKIAENV", "env-secret", "t", 0);
	aws_set("AWS_CREDENTIAL_EXPIRATION", "2030-01-02T03:04:05+00:00");
	expect("AKIAENV", "env-secret", "t", 1893553445);
	aws_set("AWS_CREDENTIAL_EXPIRATION", "some day");
	expect("AKIAENV", "env-secret", "t", 0);
}

static void half_a_pair_is_an_error(void **state)
{
	(void)state;
	aws_set("AWS_ACCESS_KEY_ID", "AKIAENV");
	aws_set("AWS_SECRET_ACCESS_KEY", "%s", "");
	expect_error(-EINVAL, "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY: one is not set");
	unsetenv("AWS_ACCESS_KEY_ID");
	aws_write(".aws/credentials", "[default]\naws_secret_access_key = word\n");
	expect_error(-EINVAL, "the profile 'default' has aws_secret_access_key, and no aws_access_key_id");
	aws_write(".aws/credentials", "[default]\naws_access_key_id = AKIA\n");
	expect_error(-EINVAL, "the profile 'default' has aws_access_key_id, and no aws_secret_access_key");
}

/* --- profiles --- */

static void profile_has_keys_or_a_process_or_a_web_identity(void **state)
{
	(void)state;
	aws_write("identity", "first");
	aws_write(".aws/config",
	          "[default]\n"
	          "role_arn = arn:r\n"
	          "web_identity_token_file = %s/identity\n"
	          "[profile p]\n"
	          "credential_process = echo '{\"Version\": 1, \"AccessKeyId\": \"AKIAP\", "
	          "\"SecretAccessKey\": \"p=q\"}'\n"
	          "[profile k]\n"
	          "credential_process = false\n" KEYS "aws_session_token = t\n",
	          getenv("HOME"));
	aws_set("AWS_ENDPOINT_URL", "%s", url);
	look.profile = "k";
	expect("AKIAFILE", "word", "t", 0);
	look.profile = "p";
	expect("AKIAP", "p=q", NULL, 0);
	look.profile = NULL;
	expect("ASIASTS", "sts-secret", "sts-token", SOON);
}

static void files_are_read_anew(void **state)
{
	(void)state;
	aws_write(".aws/credentials", "[default]\n" KEYS);
	expect("AKIAFILE", "word", NULL, 0);
	aws_write(".aws/credentials", "[default]\naws_access_key_id = AKIANEW\naws_secret_access_key = new\n");
	expect("AKIANEW", "new", NULL, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(nothing_anywhere_is_none),
	    TEST(links_are_asked_in_order),
	    TEST(profile_that_is_set_goes_over_the_variables),
	    TEST(variables_have_tokens_and_expire),
	    TEST(half_a_pair_is_an_error),
	    TEST(profile_has_keys_or_a_process_or_a_web_identity),
	    TEST(files_are_read_anew),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
