/* Roles that the user has logged in for by SSO. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* cmocka has one of its own. */
#undef fail

#include "tests/support/aws_looking.h"
#include "tests/support/scratch.h"

#define SOON 4102444800 /* the year 2100 */
#define TYPE ": type 'aws sso login --profile x'"
#define DAMAGED "the cached login by SSO of the profile 'x' is damaged" TYPE
#define START "https://example.awsapps.com/start"

/* The SHA-1 of "work". */
#define TOKEN_OF_SESSION ".aws/sso/cache/e274eeff768c6396088ec6eb091f4bf4d47ab1e0.json"

static const char session[] = "[profile x]\nsso_session = work\nsso_account_id = 123456789012\nsso_role_name = a b\n"
			      "[sso-session work]\nsso_start_url = " START "\nsso_region = eu-west-1\n";

static void write_token(const char *token, const char *expires)
{
	aws_write(TOKEN_OF_SESSION, "{\"startUrl\": \"" START "\", \"accessToken\": \"%s\", \"expiresAt\": \"%s\"}",
	          token, expires);
}

static int begin(void **state)
{
	set_up(state);
	scratch_sh("mkdir -p .aws/sso/cache");
	aws_set("AWS_ENDPOINT_URL_SSO", "%s/", url);
	aws_write(".aws/config", "%s", session);
	write_token("to.k-n", "2100-01-01T00:00:00Z");
	look.profile = "x";
	return 0;
}

static void portal_is_asked_with_the_token(void **state)
{
	(void)state;
	expect("ASIASSO", "sso-secret", "sso-token", SOON);
	expect_log("GET /federation/credentials?account_id=123456789012&role_name=a%20b to.k-n\n");
}

/* Which is often that of a store of one's own. */
static void token_does_not_go_to_the_place_of_all_services(void **state)
{
	(void)state;
	unsetenv("AWS_ENDPOINT_URL_SSO");
	aws_set("AWS_ENDPOINT_URL", "%s", url);
	/* Nobody is asked: this is no part of a host's name. */
	aws_write(".aws/config",
	          "[profile x]\nsso_session = work\nsso_account_id = 1\nsso_role_name = a\nendpoint_url = %s\n"
	          "[sso-session work]\nsso_start_url = " START "\nsso_region = a.example/\n",
	          url);
	expect_error(-EINVAL, "the sso_region of the profile 'x' is none: 'a.example/'");
	expect_log("");
	unsetenv("AWS_ENDPOINT_URL");
}

static void older_profiles_have_no_session(void **state)
{
	(void)state;
	scratch_sh("mv " TOKEN_OF_SESSION " .aws/sso/cache/$(printf %%s " START " | sha1sum | cut -c -40).json");
	expect_error(-EKEYREJECTED, "nobody has logged in by SSO for the profile 'x'" TYPE);
	aws_write(".aws/config", "[profile x]\nsso_start_url = " START "\nsso_region = eu-west-1\nsso_account_id = 1\n"
	                         "sso_role_name = reader\n");
	expect("ASIASSO", "sso-secret", "sso-token", SOON);
	expect_log("GET /federation/credentials?account_id=1&role_name=reader to.k-n\n");
}

static void login_may_be_the_source_of_a_role(void **state)
{
	(void)state;
	aws_set("AWS_ENDPOINT_URL_STS", "%s", url);
	aws_write(".aws/config", "[profile y]\nrole_arn = role/reader\nsource_profile = x\n%s", session);
	look.profile = "y";
	expect("ASIAREADER", "reader-secret", "reader-token", SOON);
}

static void token_that_does_not_count_says_what_to_type(void **state)
{
	(void)state;
	write_token("to.k-n", "2020-01-01T00:00:00Z");
	expect_error(-EKEYREJECTED, "the login by SSO of the profile 'x' has expired" TYPE);
	scratch_sh("rm " TOKEN_OF_SESSION);
	expect_error(-EKEYREJECTED, "nobody has logged in by SSO for the profile 'x'" TYPE);
	expect_log("");
	write_token("to.k-n", "2100-01-01T00:00:00Z");
	aws_plan("sso-old");
	expect_error(-EKEYREJECTED, "the login by SSO of the profile 'x' does not count any more" TYPE);
	aws_plan("");
	expect("ASIASSO", "sso-secret", "sso-token", SOON);
}

static void damaged_tokens_are_not_sent(void **state)
{
	static const char whole[] = "{\"accessToken\": \"t\", \"expiresAt\": \"2100-01-01T00:00:00Z\"}";
	static const char *const wrong[] = {
	    "{",
	    "[]",
	    "{\"expiresAt\": \"2100-01-01T00:00:00Z\"}",
	    "{\"accessToken\": \"t\"}",
	    "{\"accessToken\": \"t\", \"expiresAt\": 4102444800}",
	    "{\"accessToken\": \"t\", \"expiresAt\": \"some day\"}",
	    "{\"accessToken\": \"\", \"expiresAt\": \"2100-01-01T00:00:00Z\"}",
	    "{\"accessToken\": \"t\\r\\nhost: x\", \"expiresAt\": \"2100-01-01T00:00:00Z\"}",
	    "{\"accessToken\": [\"t\"], \"expiresAt\": \"2100-01-01T00:00:00Z\"}",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		aws_write(TOKEN_OF_SESSION, "%s", wrong[i]);
		expect_error(-EKEYREJECTED, DAMAGED);
	}
	for (size_t len = 0; len < sizeof(whole) - 1; len++) {
		aws_write(TOKEN_OF_SESSION, "%.*s", (int)len, whole);
		expect_error(-EKEYREJECTED, DAMAGED);
	}
	scratch_sh("rm " TOKEN_OF_SESSION " && mkdir " TOKEN_OF_SESSION);
	assert_true(get() < 0);
	assert_non_null(strstr(look.why, "cannot read '"));
	expect_log("");
}

static void settings_that_are_missing_are_named(void **state)
{
	static const struct {
		const char *config, *why;
	} settings[] = {
	    {"[profile x]\nsso_session = other\n[sso-session work]\nsso_start_url = u\n",
	     "the profile 'x' logs in by SSO, and there is no sso-session 'other' with an sso_start_url in AWS's "
	     "files"},
	    {"[profile x]\nsso_session = work\nsso_region = r\n[sso-session work]\nsso_start_url = u\n",
	     "the profile 'x' logs in by SSO, and has no sso_region"},
	    {"[profile x]\nsso_start_url = u\nsso_region = r\n",
	     "the profile 'x' logs in by SSO, and has no sso_account_id"},
	    {"[profile x]\nsso_start_url = u\nsso_region = r\nsso_account_id = 1\n",
	     "the profile 'x' logs in by SSO, and has no sso_role_name"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(settings) / sizeof(*settings); i++) {
		aws_write(".aws/config", "%s", settings[i].config);
		expect_error(-EINVAL, settings[i].why);
	}
	unsetenv("AWS_ENDPOINT_URL_SSO");
	aws_write(".aws/config", "[profile x]\nsso_start_url = u\nsso_region = a.example/\nsso_account_id = 1\n"
	                         "sso_role_name = r\n");
	expect_error(-EINVAL, "the sso_region of the profile 'x' is none: 'a.example/'");
	expect_log("");
}

static void answers_that_are_none(void **state)
{
	static const struct {
		const char *plan, *why;
		int error;
	} answers[] = {
	    {"sso-text", "AWS's SSO portal gave no JSON object", -EPROTO},
	    {"sso-deep", "AWS's SSO portal gave no JSON object", -EPROTO},
	    {"sso-endless", "AWS's SSO portal gave no JSON object", -EPROTO},
	    {"sso-empty", "AWS's SSO portal gave no 'AccessKeyId' and 'SecretAccessKey'", -EPROTO},
	    {"sso-odd", "AWS's SSO portal gave an 'Expiration' that is no time", -EPROTO},
	    {"sso-fails", "AWS's SSO portal answered with the status 503", -EREMOTEIO},
	    {"sso-redirects", "AWS's SSO portal answered with the status 302", -EREMOTEIO},
	    {"sso-refuses", "AWS's SSO portal refused the role 'a b' of the account '123456789012' (status 403)",
	     -EKEYREJECTED},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(answers) / sizeof(*answers); i++) {
		aws_plan(answers[i].plan);
		expect_error(answers[i].error, answers[i].why);
	}
	aws_set("AWS_ENDPOINT_URL_SSO", "http://127.0.0.1:9");
	expect_error(-ECONNREFUSED, "cannot ask AWS's SSO portal: Connection refused");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(portal_is_asked_with_the_token),
	    TEST(token_does_not_go_to_the_place_of_all_services),
	    TEST(older_profiles_have_no_session),
	    TEST(login_may_be_the_source_of_a_role),
	    TEST(token_that_does_not_count_says_what_to_type),
	    TEST(damaged_tokens_are_not_sent),
	    TEST(settings_that_are_missing_are_named),
	    TEST(answers_that_are_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
