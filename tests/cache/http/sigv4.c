/* Signatures of requests to services of AWS: the examples that AWS publishes. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cache/http/sigv4.h"

#define EMPTY "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

#define TOKEN                                                                                                          \
	"AQoDYXdzEPT//////////wEXAMPLEtc764bNrC9SAPBSM22wDOk4x4HIZ8j4FZTwdQWLWsKWHGBuFqwAeMicRXmxfp"                   \
	"SPfIeoIYRqTflfKD8YUuwthAx7mSEI/qkPpKPi/kMcGdQrmGdeehM4IC1NtBmUpp2wUE8phUZampKsburEDy0KPkyQ"                   \
	"DYwT7WZ0wq5VSXDvp75YU9HFvlRd8Tx6q6fE8YQcHNVXAkiY9q6d+xo0rKwT38xVqr7ZD0u0iPPkUL64lIZbqBAz+s"                   \
	"cqKmlzm8FDrypNC9Yjc8fPOLn9FX9KSYvKTr4rvx3iSIlTJabIQwj2ICCR/oLxBA=="

struct example {
	struct sigv4_request request;
	const char *headers[8];
	const char *names; /* as signed */
	const char *signature;
};

/* Of "Signature Calculations for the Authorization Header" in the S3 API reference. */
static const struct example of_s3[] = {
    {
	.request = {.method = "GET", .path = "/test.txt", .query = "", .payload = EMPTY},
	.headers = {"host: examplebucket.s3.amazonaws.com", "range: bytes=0-9", "x-amz-content-sha256: " EMPTY,
                    "x-amz-date: 20130524T000000Z"},
	.names = "host;range;x-amz-content-sha256;x-amz-date",
	.signature = "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
    },
    {
	.request = {.method = "PUT",
                    .path = "/test%24file.text",
                    .query = "",
                    .payload = "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072"},
	.headers = {"date: Fri, 24 May 2013 00:00:00 GMT", "host: examplebucket.s3.amazonaws.com",
                    "x-amz-content-sha256: 44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072",
                    "x-amz-date: 20130524T000000Z", "x-amz-storage-class: REDUCED_REDUNDANCY"},
	.names = "date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class",
	.signature = "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd",
    },
    {
	.request = {.method = "GET", .path = "/", .query = "lifecycle=", .payload = EMPTY},
	.headers = {"host: examplebucket.s3.amazonaws.com", "x-amz-content-sha256: " EMPTY,
                    "x-amz-date: 20130524T000000Z"},
	.names = "host;x-amz-content-sha256;x-amz-date",
	.signature = "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543",
    },
    {
	.request = {.method = "GET", .path = "/", .query = "max-keys=2&prefix=J", .payload = EMPTY},
	.headers = {"host: examplebucket.s3.amazonaws.com", "x-amz-content-sha256: " EMPTY,
                    "x-amz-date: 20130524T000000Z"},
	.names = "host;x-amz-content-sha256;x-amz-date",
	.signature = "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
    },
};

/* Of the test suite of Signature Version 4: get-vanilla, get-vanilla-query-order-key-case, post-vanilla,
 * get-header-value-trim, post-x-www-form-urlencoded, post-sts-header-before. */
static const struct example of_suite[] = {
    {
	.request = {.method = "GET", .path = "/", .query = "", .payload = EMPTY},
	.headers = {"host:example.amazonaws.com", "x-amz-date:20150830T123600Z"},
	.names = "host;x-amz-date",
	.signature = "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
    },
    {
	.request = {.method = "GET", .path = "/", .query = "Param1=value1&Param2=value2", .payload = EMPTY},
	.headers = {"host:example.amazonaws.com", "x-amz-date:20150830T123600Z"},
	.names = "host;x-amz-date",
	.signature = "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
    },
    {
	.request = {.method = "POST", .path = "/", .query = "", .payload = EMPTY},
	.headers = {"host:example.amazonaws.com", "x-amz-date:20150830T123600Z"},
	.names = "host;x-amz-date",
	.signature = "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b",
    },
    {
	.request = {.method = "GET", .path = "/", .query = "", .payload = EMPTY},
	.headers = {"host:example.amazonaws.com", "my-header1: value1", "my-header2:  \"a   b   c\" ",
                    "x-amz-date:20150830T123600Z"},
	.names = "host;my-header1;my-header2;x-amz-date",
	.signature = "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736",
    },
    {
	.request = {.method = "POST",
                    .path = "/",
                    .query = "",
                    .payload = "9095672bbd1f56dfc5b65f3e153adc8731a4a654192329106275f4c7b24d0b6e"},
	.headers = {"content-type: application/x-www-form-urlencoded", "host:example.amazonaws.com",
                    "x-amz-date:20150830T123600Z"},
	.names = "content-type;host;x-amz-date",
	.signature = "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a",
    },
    {
	.request = {.method = "POST", .path = "/", .query = "", .payload = EMPTY},
	.headers = {"host:example.amazonaws.com", "x-amz-date:20150830T123600Z", "x-amz-security-token: " TOKEN},
	.names = "host;x-amz-date;x-amz-security-token",
	.signature = "85d96828115b5dc0cfc3bd16ad9e210dd772bbebba041836c64533a82be05ead",
    },
};

static void check(const struct example *example, const char *user, const char *secret, const char *service,
                  const char *date)
{
	struct sigv4_request request = example->request;
	char *line, *wanted;

	request.headers = (const char *const *)example->headers;
	while (example->headers[request.header_count])
		request.header_count++;
	request.date = date;
	request.region = "us-east-1";
	request.service = service;
	request.user = user;
	request.secret = secret;
	assert_int_equal(sigv4_sign(&request, &line), 0);
	assert_true(asprintf(&wanted,
	                     "Authorization: AWS4-HMAC-SHA256 Credential=%s/%.8s/us-east-1/%s/aws4_request, "
	                     "SignedHeaders=%s, Signature=%s",
	                     user, date, service, example->names, example->signature) > 0);
	assert_string_equal(line, wanted);
	free(wanted);
	free(line);
}

static void requests_to_s3_are_signed_as_published(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(of_s3) / sizeof(of_s3[0]); i++)
		check(&of_s3[i], "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "s3",
		      "20130524T000000Z");
}

static void requests_of_the_suite_are_signed_as_published(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(of_suite) / sizeof(of_suite[0]); i++)
		check(&of_suite[i], "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "service",
		      "20150830T123600Z");
}

static void dates_are_those_of_greenwich(void **state)
{
	char date[SIGV4_DATE_SIZE];

	(void)state;
	assert_string_equal(sigv4_date(0, date), "19700101T000000Z");
	assert_string_equal(sigv4_date(1440938160, date), "20150830T123600Z");
	assert_string_equal(sigv4_date(4102444799, date), "20991231T235959Z");
}

static void a_scope_that_is_too_long_is_refused(void **state)
{
	char region[300];
	struct sigv4_request request = of_s3[0].request;
	char *line;

	(void)state;
	memset(region, 'x', sizeof(region) - 1);
	region[sizeof(region) - 1] = '\0';
	request.date = "20130524T000000Z";
	request.region = region;
	request.service = "s3";
	request.user = request.secret = "x";
	assert_int_equal(sigv4_sign(&request, &line), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(requests_to_s3_are_signed_as_published),
	    cmocka_unit_test(requests_of_the_suite_are_signed_as_published),
	    cmocka_unit_test(dates_are_those_of_greenwich),
	    cmocka_unit_test(a_scope_that_is_too_long_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
