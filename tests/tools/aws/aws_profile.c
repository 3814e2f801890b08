/* Profiles of AWS, and where they say that its services are. */
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

#include "tests/support/aws.h"
#include "tests/support/scratch.h"
#include "tools/aws/aws_place.h"
#include "tools/aws/aws_profile.h"
#include "tools/aws/aws_sts.h"

static struct aws_look look;
static struct aws_profile *profile;

static int set_up(void **state)
{
	(void)state;
	aws_open();
	aws_look_init(&look, NULL);
	profile = NULL;
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	aws_profile_close(profile);
	aws_look_release(&look);
	aws_close();
	return 0;
}

static void open_profile(const char *name)
{
	aws_profile_close(profile);
	profile = NULL;
	look.profile = name;
	assert_int_equal(aws_profile_open(&look, &profile), 0);
}

static void expect(const char *key, const char *value)
{
	const char *found = aws_profile_get(profile, key);

	if (value) {
		assert_non_null(found);
		assert_string_equal(found, value);
	} else {
		assert_null(found);
	}
}

static void without_files_default_is_empty(void **state)
{
	(void)state;
	open_profile(NULL);
	assert_string_equal(aws_profile_name(profile), "default");
	expect("aws_access_key_id", NULL);
}

static void comments_blanks_and_crlf_are_read(void **state)
{
	(void)state;
	aws_write(".aws/credentials", "\xef\xbb\xbf# of Ada's\r\n"
	                              "\r\n"
	                              "[default]\r\n"
	                              "; old = 1\r\n"
	                              "aws_access_key_id=AKIA1\r\n"
	                              "AWS_Secret_Access_Key  =  a+b/c==  \r\n"
	                              "nonsense\r\n"
	                              "[ other ]   # hers\r\n"
	                              "aws_access_key_id = AKIA2\n"
	                              "aws_session_token\t=\tx y");
	open_profile(NULL);
	expect("aws_access_key_id", "AKIA1");
	expect("aws_secret_access_key", "a+b/c==");
	expect("aws_session_token", NULL);
	expect("old", NULL);
	open_profile("other");
	expect("aws_access_key_id", "AKIA2");
	expect("aws_session_token", "x y");
	expect("aws_secret_access_key", NULL);
}

static void sections_of_the_config_are_named_profiles(void **state)
{
	(void)state;
	aws_write(".aws/config",
	          "[profile x]\nregion = eu-1\n[y]\nregion = eu-2\n[profile 'a b']\nregion = eu-3\n"
	          "[default]\nregion = eu-4\n[profile\ty]\nregion = eu-5\n[sso-session x]\nregion = eu-6\n");
	open_profile("x");
	expect("region", "eu-1");
	open_profile("y");
	expect("region", "eu-5");
	open_profile("a b");
	expect("region", "eu-3");
	open_profile(NULL);
	expect("region", "eu-4");
}

static void sessions_of_sso_are_no_profiles(void **state)
{
	(void)state;
	aws_write(".aws/config", "[sso-session 'a b']\nsso_region = eu-1\n[profile x]\nsso_session = a b\n"
	                         "sso_region = eu-2\n[sso-session c]\nsso_region = eu-3\n"
	                         "[services a b]\nsso_region = eu-4\n");
	open_profile("x");
	assert_string_equal(aws_profile_session(profile, "sso_region"), "eu-1");
	assert_null(aws_profile_session(profile, "sso_start_url"));
	expect("sso_region", "eu-2");
	aws_write(".aws/config", "[sso-session c]\nsso_region = eu-3\n[default]\n");
	open_profile(NULL);
	assert_null(aws_profile_session(profile, "sso_region"));
}

static void credentials_file_goes_over_the_config(void **state)
{
	(void)state;
	aws_write(".aws/credentials", "[x]\nregion = first\n");
	aws_write(".aws/config", "[profile x]\nregion = second\noutput = json\n");
	open_profile("x");
	expect("region", "first");
	expect("output", "json");
}

static void last_of_a_file_counts(void **state)
{
	(void)state;
	aws_write(".aws/config", "[profile x]\nregion = a\nREGION = b\n[profile z]\nregion = c\n[profile x]\n"
	                         "region = d\noutput =\n");
	open_profile("x");
	expect("region", "d");
	expect("output", NULL);
}

static void section_that_is_not_closed_is_nobodys(void **state)
{
	(void)state;
	aws_write(".aws/credentials", "[default]\nregion = a\n[x\naws_access_key_id = AKIA\n");
	open_profile(NULL);
	expect("region", "a");
	expect("aws_access_key_id", NULL);
}

static void indented_keys_belong_to_the_one_before(void **state)
{
	(void)state;
	aws_write(".aws/config", "  [default]\n  s3 =\n    endpoint_url = http://a\n    max = 1\n  region = b\n"
	                         "     region = c\n  output = d\n");
	open_profile(NULL);
	expect("s3.endpoint_url", "http://a");
	expect("s3.max", "1");
	expect("endpoint_url", NULL);
	expect("region", "b");
	expect("output", "d");
}

static void variables_name_files_and_profile(void **state)
{
	(void)state;
	scratch_sh("mkdir elsewhere && ln -s elsewhere/real linked");
	aws_write("elsewhere/real", "[x]\naws_access_key_id = AKIA\n");
	aws_write("other", "[profile x]\nregion = r\n[profile y]\nregion = s\n");
	aws_set("AWS_SHARED_CREDENTIALS_FILE", "~/linked");
	aws_set("AWS_CONFIG_FILE", "%s/other", getenv("HOME"));
	aws_set("AWS_DEFAULT_PROFILE", "y");
	open_profile(NULL);
	expect("region", "s");
	aws_set("AWS_PROFILE", "x");
	open_profile(NULL);
	expect("aws_access_key_id", "AKIA");
	expect("region", "r");
	open_profile("y");
	expect("region", "s");
}

static void missing_profile_is_named(void **state)
{
	(void)state;
	aws_write(".aws/config", "[profile x]\nregion = r\n[y]\nregion = r\n");
	aws_set("AWS_PROFILE", "y");
	assert_int_equal(aws_profile_open(&look, &profile), -EINVAL);
	assert_string_equal(look.why, "there is no profile 'y' in AWS's files");
	look.profile = "z";
	assert_int_equal(aws_profile_open(&look, &profile), -EINVAL);
	assert_string_equal(look.why, "there is no profile 'z' in AWS's files");
}

static void file_that_cannot_be_read_is_named(void **state)
{
	char *expected;

	(void)state;
	aws_set("AWS_CONFIG_FILE", "%s/.aws", getenv("HOME"));
	assert_true(aws_profile_open(&look, &profile) < 0);
	assert_true(asprintf(&expected, "cannot read '%s/.aws': ", getenv("HOME")) > 0);
	assert_memory_equal(look.why, expected, strlen(expected));
	free(expected);
	scratch_sh("head -c 2000000 /dev/zero | tr '\\0' '#' >large");
	aws_set("AWS_CONFIG_FILE", "~/large");
	assert_int_equal(aws_profile_open(&look, &profile), -EFBIG);
}

/* Whatever is cut off or wrong, a file is read, or refused. */
static void damaged_files_do_no_harm(void **state)
{
	static const char whole[] =
	    "[default]\ns3 =\n  max = 1\n[services a]\r\ns3=\n x = y\n[profile 'z']\nregion = r\n";

	(void)state;
	for (size_t i = 0; i < strlen(whole); i++) {
		char text[sizeof(whole)];

		aws_write(".aws/config", "%.*s", (int)i, whole);
		open_profile(NULL);
		memcpy(text, whole, sizeof(whole));
		text[i] ^= 0x12;
		aws_write(".aws/config", "%s", text);
		open_profile(NULL);
	}
}

/* --- where services are --- */

static void region_is_that_of_the_variables_first(void **state)
{
	(void)state;
	open_profile(NULL);
	assert_null(aws_place_region(profile));
	aws_write(".aws/config", "[default]\nregion = of-profile\n");
	open_profile(NULL);
	assert_string_equal(aws_place_region(profile), "of-profile");
	aws_set("AWS_DEFAULT_REGION", "of-default");
	assert_string_equal(aws_place_region(profile), "of-default");
	aws_set("AWS_REGION", "of-variable");
	assert_string_equal(aws_place_region(profile), "of-variable");
}

static void endpoint_is_the_most_special_one(void **state)
{
	(void)state;
	aws_write(".aws/config", "[default]\nendpoint_url = http://profile\n");
	open_profile(NULL);
	assert_string_equal(aws_place_endpoint(profile, "s3"), "http://profile");
	aws_write(".aws/config", "[services b]\ns3 =\n  endpoint_url = http://wrong\n[default]\nservices = a\n"
	                         "endpoint_url = http://profile\n"
	                         "[services a]\ns3 =\n  endpoint_url = http://service\n");
	open_profile(NULL);
	assert_string_equal(aws_place_endpoint(profile, "s3"), "http://service");
	assert_string_equal(aws_place_endpoint(profile, "sts"), "http://profile");
	aws_set("AWS_ENDPOINT_URL", "http://all");
	assert_string_equal(aws_place_endpoint(profile, "s3"), "http://all");
	aws_set("AWS_ENDPOINT_URL_S3", "http://s3");
	assert_string_equal(aws_place_endpoint(profile, "s3"), "http://s3");
	assert_string_equal(aws_place_endpoint(profile, "sts"), "http://all");
	aws_set("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "true");
	assert_null(aws_place_endpoint(profile, "s3"));
}

/* The place of a store of one's own is not that of a login. */
static void own_endpoint_is_for_one_service(void **state)
{
	(void)state;
	aws_set("AWS_ENDPOINT_URL", "http://all");
	aws_write(".aws/config", "[default]\nendpoint_url = http://profile\nservices = a\n"
	                         "[services a]\ns3 =\n  endpoint_url = http://s3\n");
	open_profile(NULL);
	assert_null(aws_place_own_endpoint(profile, "sso"));
	aws_write(".aws/config", "[default]\nservices = a\n[services a]\nsso =\n  endpoint_url = http://service\n");
	open_profile(NULL);
	assert_string_equal(aws_place_own_endpoint(profile, "sso"), "http://service");
	aws_set("AWS_ENDPOINT_URL_SSO", "http://sso");
	assert_string_equal(aws_place_own_endpoint(profile, "sso"), "http://sso");
	aws_set("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "true");
	assert_null(aws_place_own_endpoint(profile, "sso"));
}

static void expect_sts(const char *url, const char *region)
{
	const char *found_region;
	char *found;

	open_profile(NULL);
	assert_int_equal(aws_sts_url(profile, &found, &found_region), 0);
	assert_string_equal(found, url);
	assert_string_equal(found_region, region);
	free(found);
}

static void sts_is_that_of_the_region(void **state)
{
	(void)state;
	expect_sts("https://sts.amazonaws.com", "us-east-1");
	aws_write(".aws/config", "[default]\nregion = eu-west-1\n");
	expect_sts("https://sts.eu-west-1.amazonaws.com", "eu-west-1");
	aws_set("AWS_REGION", "cn-north-1");
	expect_sts("https://sts.cn-north-1.amazonaws.com.cn", "cn-north-1");
	aws_set("AWS_REGION", "evil.example/");
	expect_sts("https://sts.amazonaws.com", "us-east-1");
	aws_set("AWS_ENDPOINT_URL_STS", "http://sts.example");
	expect_sts("http://sts.example", "us-east-1");
	unsetenv("AWS_REGION");
	expect_sts("http://sts.example", "eu-west-1");
}

static void older_regions_may_share_one_sts(void **state)
{
	(void)state;
	aws_write(".aws/config", "[default]\nregion = eu-west-1\nsts_regional_endpoints = legacy\n");
	expect_sts("https://sts.amazonaws.com", "us-east-1");
	aws_set("AWS_REGION", "eu-south-1");
	expect_sts("https://sts.eu-south-1.amazonaws.com", "eu-south-1");
	unsetenv("AWS_REGION");
	aws_set("AWS_STS_REGIONAL_ENDPOINTS", "regional");
	expect_sts("https://sts.eu-west-1.amazonaws.com", "eu-west-1");
}

static void place_of_a_bucket_needs_no_profile(void **state)
{
	char *region, *endpoint;

	(void)state;
	assert_int_equal(aws_place_find(NULL, &region, &endpoint), 0);
	assert_null(region);
	assert_null(endpoint);
	aws_set("AWS_REGION", "r");
	assert_int_equal(aws_place_find("missing", &region, &endpoint), 0);
	assert_string_equal(region, "r");
	assert_null(endpoint);
	free(region);
	aws_write(".aws/config", "[profile x]\nregion = s\nendpoint_url = http://x\n");
	assert_int_equal(unsetenv("AWS_REGION"), 0);
	assert_int_equal(aws_place_find("x", &region, &endpoint), 0);
	assert_string_equal(region, "s");
	assert_string_equal(endpoint, "http://x");
	free(region);
	free(endpoint);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(without_files_default_is_empty),
	    TEST(comments_blanks_and_crlf_are_read),
	    TEST(sections_of_the_config_are_named_profiles),
	    TEST(sessions_of_sso_are_no_profiles),
	    TEST(credentials_file_goes_over_the_config),
	    TEST(last_of_a_file_counts),
	    TEST(section_that_is_not_closed_is_nobodys),
	    TEST(indented_keys_belong_to_the_one_before),
	    TEST(variables_name_files_and_profile),
	    TEST(missing_profile_is_named),
	    TEST(file_that_cannot_be_read_is_named),
	    TEST(damaged_files_do_no_harm),
	    TEST(region_is_that_of_the_variables_first),
	    TEST(endpoint_is_the_most_special_one),
	    TEST(own_endpoint_is_for_one_service),
	    TEST(sts_is_that_of_the_region),
	    TEST(older_regions_may_share_one_sts),
	    TEST(place_of_a_bucket_needs_no_profile),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
