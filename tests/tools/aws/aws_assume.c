/* Roles of profiles that are taken on with the credentials of others. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* cmocka has one of its own. */
#undef fail

#include "tests/support/aws_looking.h"
#include "tests/support/scratch.h"
#include "tools/aws/aws_path.h"

#define KEYS "aws_access_key_id = AKIAFILE\naws_secret_access_key = word\n"
#define ROLE(name) "role_arn = arn:aws:iam::1:role/" name "\n"
#define SESSION "role_session_name = me\n"
#define SOON 4102444800 /* the year 2100 */

static int begin(void **state)
{
	set_up(state);
	aws_set("AWS_ENDPOINT_URL_STS", "%s", url);
	look.profile = "x";
	return 0;
}

static void expect_role(const char *user)
{
	assert_int_equal(get(), 0);
	assert_string_equal(found.user, user);
	assert_true(found.expires == SOON);
}

/* What the config says is wrong, before anybody is asked. */
static void expect_wrong(const char *config, int error, const char *why)
{
	aws_write(".aws/config", "%s", config);
	expect_error(error, why);
	expect_log("");
}

static void role_is_taken_on_with_the_source_profile(void **state)
{
	(void)state;
	aws_write(".aws/credentials", "[base]\n" KEYS);
	aws_write(".aws/config", "[profile x]\nregion = eu-west-1\nsource_profile = base\nexternal_id = a/b\n"
	                         "duration_seconds = 900\n" ROLE("reader") SESSION);
	expect("ASIAREADER", "reader-secret", "reader-token", SOON);
	expect_log("POST / application/json AKIAFILE/eu-west-1 Action=AssumeRole DurationSeconds=900 ExternalId=a/b "
	           "RoleArn=arn:aws:iam::1:role/reader RoleSessionName=me Version=2011-06-15\n");
}

static void session_has_a_name_and_an_hour_by_itself(void **state)
{
	char expected[256];

	(void)state;
	aws_write(".aws/config", "[profile base]\n" KEYS "[profile x]\nsource_profile = base\n" ROLE("reader"));
	expect_role("ASIAREADER");
	snprintf(expected, sizeof(expected),
	         "POST / application/json AKIAFILE/us-east-1 Action=AssumeRole DurationSeconds=3600 "
	         "RoleArn=arn:aws:iam::1:role/reader RoleSessionName=revfs-%ld Version=2011-06-15\n",
	         (long)getpid());
	expect_log(expected);
}

/* Each is signed with what the one before gave, token and all. */
static void roles_are_chained(void **state)
{
	(void)state;
	aws_write(".aws/config", "[profile x]\nsource_profile = y\n" ROLE("top") SESSION
	          "[profile y]\nsource_profile = z\n" ROLE("middle") SESSION
	          "[profile z]\nsource_profile = base\n" ROLE("first") SESSION "[profile base]\n" KEYS);
	expect("ASIATOP", "top-secret", "top-token", SOON);
	expect_log("POST / application/json AKIAFILE/us-east-1 Action=AssumeRole DurationSeconds=3600 "
	           "RoleArn=arn:aws:iam::1:role/first RoleSessionName=me Version=2011-06-15\n"
	           "POST / application/json ASIAFIRST/us-east-1 Action=AssumeRole DurationSeconds=3600 "
	           "RoleArn=arn:aws:iam::1:role/middle RoleSessionName=me Version=2011-06-15\n"
	           "POST / application/json ASIAMIDDLE/us-east-1 Action=AssumeRole DurationSeconds=3600 "
	           "RoleArn=arn:aws:iam::1:role/top RoleSessionName=me Version=2011-06-15\n");
}

static void keys_of_a_source_go_over_its_role(void **state)
{
	(void)state;
	aws_write(".aws/config", "[profile x]\nsource_profile = x\n" ROLE("reader") KEYS);
	expect_role("ASIAREADER");
	aws_write(".aws/config", "[profile x]\nsource_profile = y\n" ROLE(
				     "reader") "[profile y]\nsource_profile = z\n" ROLE("other") KEYS);
	expect_role("ASIAREADER");
}

static void source_may_have_a_process_or_a_web_identity(void **state)
{
	(void)state;
	aws_write(
	    ".aws/config",
	    "[profile x]\nsource_profile = y\n" ROLE(
		"reader") "[profile y]\ncredential_process = echo "
			  "'{\"Version\": 1, \"AccessKeyId\": \"AKIAENV\", \"SecretAccessKey\": \"env-secret\"}'\n");
	expect_role("ASIAREADER");
	aws_write("identity", "token");
	aws_write(".aws/config",
	          "[profile x]\nsource_profile = y\n" ROLE("reader") "[profile y]\nweb_identity_token_file = "
	                                                             "%s/identity\n" ROLE("other"),
	          getenv("HOME"));
	expect_role("ASIAREADER");
}

static void source_may_be_a_service_or_the_variables(void **state)
{
	(void)state;
	aws_set("AWS_ACCESS_KEY_ID", "AKIAENV");
	aws_set("AWS_SECRET_ACCESS_KEY", "env-secret");
	aws_set("AWS_CONTAINER_CREDENTIALS_FULL_URI", "%s/container", url);
	aws_set("AWS_EC2_METADATA_DISABLED", "false");
	aws_set("AWS_EC2_METADATA_SERVICE_ENDPOINT", "%s/", url);
	aws_write(".aws/config", "[profile x]\ncredential_source = Environment\n" ROLE("a"));
	expect_role("ASIAA");
	aws_write(".aws/config", "[profile x]\ncredential_source = EcsContainer\n" ROLE("b"));
	expect_role("ASIAB");
	aws_write(".aws/config", "[profile x]\nsource_profile = y\n" ROLE("c") "[profile y]\ncredential_source = "
	                                                                       "Ec2InstanceMetadata\n" ROLE("d"));
	expect_role("ASIAC");
}

static void source_without_credentials_is_named(void **state)
{
	(void)state;
	expect_wrong("[profile x]\nsource_profile = y\n" ROLE("a") "[profile y]\nregion = z\n", -EINVAL,
	             "the profile 'y' has no credentials for the role of the profile 'x'");
	expect_wrong("[profile x]\ncredential_source = Environment\n" ROLE("a"), -EINVAL,
	             "the credential_source of the profile 'x' has no credentials");
	expect_wrong("[profile x]\ncredential_source = EcsContainer\n" ROLE("a"), -EINVAL,
	             "the credential_source of the profile 'x' has no credentials");
	expect_wrong("[profile x]\ncredential_source = Ec2InstanceMetadata\n" ROLE("a"), -EINVAL,
	             "the credential_source of the profile 'x' has no credentials");
}

static void settings_that_lead_nowhere_are_named(void **state)
{
	(void)state;
	expect_wrong("[profile x]\n" ROLE("a") KEYS, -EINVAL,
	             "the profile 'x' has a role_arn, and neither a source_profile nor a credential_source");
	expect_wrong("[profile x]\nsource_profile = y\ncredential_source = Environment\n" ROLE("a"), -EINVAL,
	             "the profile 'x' has a role_arn, and both a source_profile and a credential_source");
	expect_wrong("[profile x]\ncredential_source = environment\n" ROLE("a"), -EINVAL,
	             "the credential_source of the profile 'x' is not known: 'environment'");
	expect_wrong("[profile x]\nsource_profile = y\n" ROLE("a"), -EINVAL, "there is no profile 'y' in AWS's files");
}

static void loops_are_named(void **state)
{
	(void)state;
	expect_wrong("[profile x]\nsource_profile = x\n" ROLE("a"), -EINVAL,
	             "the source_profile of the profile 'x' is itself");
	expect_wrong("[profile x]\nsource_profile = y\n" ROLE("a") "[profile y]\nsource_profile = z\n" ROLE(
			 "b") "[profile z]\nsource_profile = y\n" ROLE("c"),
	             -EINVAL, "the source_profile of the profile 'z' leads back to 'y'");
	expect_wrong("[profile x]\nsource_profile = y\n" ROLE("a") KEYS "[profile y]\nsource_profile = x\n" ROLE("b"),
	             -EINVAL, "the source_profile of the profile 'y' leads back to 'x'");
}

/* COUNT roles, the first of the profile x, and keys at their end. */
static void write_path(unsigned count)
{
	char text[4096], *at = text;

	for (unsigned i = 0; i < count; i++) {
		at += sprintf(at, i ? "[profile p%u]\n" : "[profile x]\n", i);
		at += sprintf(at, "source_profile = p%u\n" ROLE("r"), i + 1);
	}
	sprintf(at, "[profile p%u]\n" KEYS, count);
	aws_write(".aws/config", "%s", text);
}

static void path_has_a_limit(void **state)
{
	(void)state;
	write_path(AWS_PATH_MAX);
	expect_role("ASIAR");
	free(aws_log());
	write_path(AWS_PATH_MAX + 1);
	expect_error(-EINVAL, "more than 8 profiles lead to the role of 'x'");
	expect_log("");
}

static void codes_of_devices_are_not_asked_for(void **state)
{
	(void)state;
	expect_wrong("[profile x]\nsource_profile = y\nmfa_serial = arn:m\n" ROLE("a") "[profile y]\n" KEYS, -ENOTSUP,
	             "the profile 'x' has an mfa_serial, and nobody can be asked for its code here: 'eval \"$(aws "
	             "configure export-credentials --profile x --format env)\"' asks, and sets variables");
}

static void durations_have_bounds(void **state)
{
	static const char *const wrong[] = {"899", "43201", "-1", "1h", "4294968296", "18446744073709552516"};
	char config[256];

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		snprintf(config, sizeof(config), "[profile x]\nsource_profile = y\nduration_seconds = %s\n" ROLE("a"),
		         wrong[i]);
		expect_wrong(config, -EINVAL, "the duration_seconds of the profile 'x' is no number from 900 to 43200");
	}
}

static void signature_is_that_of_the_keys(void **state)
{
	(void)state;
	aws_write(".aws/config", "[profile x]\nsource_profile = y\n" ROLE(
				     "reader") "[profile y]\n"
	                                       "aws_access_key_id = AKIAFILE\naws_secret_access_key = other\n");
	expect_error(-EKEYREJECTED, "AWS's STS refused the role 'arn:aws:iam::1:role/reader' of the profile 'x': "
	                            "SignatureDoesNotMatch (status 403)");
	aws_write(".aws/config", "[profile x]\ncredential_source = Environment\n" ROLE("reader"));
	aws_set("AWS_ACCESS_KEY_ID", "AKIA\nhost: x");
	aws_set("AWS_SECRET_ACCESS_KEY", "word");
	free(aws_log());
	expect_error(-EINVAL,
	             "the keys for the role 'arn:aws:iam::1:role/reader' of the profile 'x' can be in no header");
	expect_log("");
}

static void sts_may_stand_below_a_path(void **state)
{
	char *log;

	(void)state;
	aws_write(".aws/config", "[profile x]\nsource_profile = y\n" ROLE("reader") "[profile y]\n" KEYS);
	aws_set("AWS_ENDPOINT_URL_STS", "%s/a/b", url);
	expect_role("ASIAREADER");
	log = aws_log();
	assert_memory_equal(log, "POST /a/b ", 10);
	free(log);
}

static void endpoint_that_may_be_read_in_two_ways_is_none(void **state)
{
	static const char *const wrong[] = {
	    "http://a:word@127.0.0.1:9", "http://127.0.0.1:9?x", "http://127.0.0.1:9/%41", "127.0.0.1:9", "http:///x",
	    "http://127.0.0.1:9#x"};

	(void)state;
	aws_write(".aws/config", "[profile x]\nsource_profile = y\n" ROLE("reader") "[profile y]\n" KEYS);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		aws_set("AWS_ENDPOINT_URL_STS", "%s", wrong[i]);
		expect_error(-EINVAL, "the endpoint of STS is no URL that can be signed for");
	}
}

static void answers_that_are_none(void **state)
{
	static const struct {
		const char *plan, *why;
		int error;
	} answers[] = {
	    {"sts-xml", "AWS's STS gave no JSON object", -EPROTO},
	    {"sts-empty", "AWS's STS gave no 'AccessKeyId' and 'SecretAccessKey'", -EPROTO},
	    {"sts-odd", "AWS's STS gave an 'Expiration' that is no time", -EPROTO},
	    {"sts-deep", "AWS's STS gave no JSON object", -EPROTO},
	    {"sts-endless", "AWS's STS gave no JSON object", -EPROTO},
	    {"sts-fails", "AWS's STS failed with the status 503", -EREMOTEIO},
	    {"sts-refuses",
	     "AWS's STS refused the role 'arn:aws:iam::1:role/reader' of the profile 'x': ExpiredTokenException "
	     "(status 400)",
	     -EKEYREJECTED},
	    {"sts-redirects",
	     "AWS's STS refused the role 'arn:aws:iam::1:role/reader' of the profile 'x': without a reason "
	     "(status 302)",
	     -EKEYREJECTED},
	};

	(void)state;
	aws_write(".aws/config", "[profile x]\nsource_profile = y\n" ROLE("reader") "[profile y]\n" KEYS);
	for (size_t i = 0; i < sizeof(answers) / sizeof(*answers); i++) {
		aws_plan(answers[i].plan);
		expect_error(answers[i].error, answers[i].why);
	}
	aws_plan("");
	expect_role("ASIAREADER");
	aws_set("AWS_ENDPOINT_URL_STS", "http://127.0.0.1:9");
	expect_error(-ECONNREFUSED, "cannot ask AWS's STS: Connection refused");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(role_is_taken_on_with_the_source_profile),
	    TEST(session_has_a_name_and_an_hour_by_itself),
	    TEST(roles_are_chained),
	    TEST(keys_of_a_source_go_over_its_role),
	    TEST(source_may_have_a_process_or_a_web_identity),
	    TEST(source_may_be_a_service_or_the_variables),
	    TEST(source_without_credentials_is_named),
	    TEST(settings_that_lead_nowhere_are_named),
	    TEST(loops_are_named),
	    TEST(path_has_a_limit),
	    TEST(codes_of_devices_are_not_asked_for),
	    TEST(durations_have_bounds),
	    TEST(signature_is_that_of_the_keys),
	    TEST(sts_may_stand_below_a_path),
	    TEST(endpoint_that_may_be_read_in_two_ways_is_none),
	    TEST(answers_that_are_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
