/* Where the files of a store lie in an S3 service. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cache/s3/s3_url.h"

struct place {
	const char *url, *endpoint, *region;
	const char *expected, *host;
};

static void places_have_addresses(void **state)
{
	static const struct place places[] = {
	    {"s3://bucket/pre/fix", NULL, "eu-west-1",
	     "https://bucket.s3.eu-west-1.amazonaws.com/pre/fix/packs/ab/x?a=b", "bucket.s3.eu-west-1.amazonaws.com"},
	    {"s3://bucket", NULL, "us-east-1", "https://bucket.s3.us-east-1.amazonaws.com/packs/ab/x?a=b",
	     "bucket.s3.us-east-1.amazonaws.com"},
	    {"s3://bucket/", NULL, "cn-north-1", "https://bucket.s3.cn-north-1.amazonaws.com.cn/packs/ab/x?a=b",
	     "bucket.s3.cn-north-1.amazonaws.com.cn"},
	    /* No certificate is for such a host. */
	    {"s3://my.bucket/p/", NULL, "us-east-1", "https://s3.us-east-1.amazonaws.com/my.bucket/p/packs/ab/x?a=b",
	     "s3.us-east-1.amazonaws.com"},
	    {"s3://bucket/p", "http://Localhost:9000/", "us-east-1", "http://localhost:9000/bucket/p/packs/ab/x?a=b",
	     "localhost:9000"},
	    {"s3://bucket/p", "https://host:443", "us-east-1", "https://host/bucket/p/packs/ab/x?a=b", "host"},
	    {"s3://bucket/p", "http://host:80", "us-east-1", "http://host/bucket/p/packs/ab/x?a=b", "host"},
	    {"s3://bucket/p", "https://host:80", "us-east-1", "https://host:80/bucket/p/packs/ab/x?a=b", "host:80"},
	    {"s3://bucket/p", "https://host/storage/v1/s3/", "us-east-1",
	     "https://host/storage/v1/s3/bucket/p/packs/ab/x?a=b", "host"},
	    {"s3://bucket/p", "http://[::1]:9000", "us-east-1", "http://[::1]:9000/bucket/p/packs/ab/x?a=b",
	     "[::1]:9000"},
	    {"s3://bucket/a b+c/\xc3\xbc%41&=~", "http://h", "us-east-1",
	     "http://h/bucket/a%20b%2Bc/%C3%BC%2541%26%3D~/packs/ab/x?a=b", "h"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		struct s3_place place;
		struct s3_url url;

		assert_int_equal(s3_place_init(&place, places[i].url, places[i].endpoint), 0);
		assert_int_equal(s3_url_init(&url, &place, places[i].region, "packs/ab/x", "a=b"), 0);
		assert_string_equal(url.url, places[i].expected);
		assert_string_equal(url.host, places[i].host);
		assert_string_equal(url.query, "a=b");
		assert_non_null(strstr(url.url, url.path));
		s3_url_release(&url);
		s3_place_release(&place);
	}
}

static void the_bucket_itself_has_an_address(void **state)
{
	struct s3_place place;
	struct s3_url url;

	(void)state;
	assert_int_equal(s3_place_init(&place, "s3://bucket/p", "http://h"), 0);
	assert_int_equal(s3_url_init(&url, &place, "x", NULL, ""), 0);
	assert_string_equal(url.url, "http://h/bucket/");
	s3_url_release(&url);
	s3_place_release(&place);
	assert_int_equal(s3_place_init(&place, "s3://bucket/p", NULL), 0);
	assert_int_equal(s3_url_init(&url, &place, "x-1", NULL, "list-type=2"), 0);
	assert_string_equal(url.url, "https://bucket.s3.x-1.amazonaws.com/?list-type=2");
	s3_url_release(&url);
	s3_place_release(&place);
}

static void what_names_no_bucket_is_refused(void **state)
{
	static const char *const urls[] = {
	    "s3:",
	    "s3://",
	    "s3://ab",
	    "s3:///x",
	    "s3://.ab",
	    "s3://abc.",
	    "s3://a..b",
	    "s3://a b",
	    "s3://a@b/c",
	    "s3://a:b/c",
	    "s3://a%62c",
	    "s3://bucket//x",
	    "s3://abc/./",
	    "s3://abc/../x",
	    "s3://abc/x//y",
	    "s3://abc/x\n",
	    "s3://abc/x?versions",
	    "s3://abc/x#y",
	    "http://abc",
	    "s3://-abc",
	};
	static const char *const endpoints[] = {
	    "",
	    "ftp://h",
	    "h:9000",
	    "http://",
	    "http:///x",
	    "http://u:p@h",
	    "http://u@h",
	    "http://h:x",
	    "http://h:0",
	    "http://h:65536",
	    "http://h?x",
	    "http://h#x",
	    "http://h/x?y",
	    "http://h/../x",
	    "http://h//x",
	    "http://[::1",
	    "http://[::1]x",
	    "http://h\r\nx",
	    "http://h/%41",
	    "file:///x",
	    "http://h:80:80",
	    "https://",
	    "http://h:",
	};
	struct s3_place place;
	char longer[800];

	(void)state;
	for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
		if (s3_place_init(&place, urls[i], NULL) != -EINVAL)
			fail_msg("'%s' was taken", urls[i]);
	}
	for (size_t i = 0; i < sizeof(endpoints) / sizeof(endpoints[0]); i++) {
		if (s3_place_init(&place, "s3://bucket", endpoints[i]) != -EINVAL)
			fail_msg("'%s' was taken", endpoints[i]);
	}
	memset(longer, 'x', sizeof(longer));
	memcpy(longer, "s3://bucket/", 12);
	longer[sizeof(longer) - 1] = '\0';
	assert_int_equal(s3_place_init(&place, longer, NULL), -EINVAL);
	longer[11] = 'x';
	longer[700] = '/';
	assert_int_equal(s3_place_init(&place, longer, NULL), -EINVAL);
}

static void regions_are_words(void **state)
{
	(void)state;
	assert_true(s3_region_ok("us-east-1"));
	assert_true(s3_region_ok("auto"));
	assert_false(s3_region_ok(""));
	assert_false(s3_region_ok("a.example"));
	assert_false(s3_region_ok("a/b"));
	assert_false(s3_region_ok("a@b"));
	assert_false(s3_region_ok("a\r\nb"));
	assert_false(s3_region_ok("0123456789012345678901234567890123456789012345678901234567890123"));
}

static void names_are_encoded_and_decoded(void **state)
{
	char text[] = "a+b%20c%2Bd%c3%BC", bad[][6] = {"%", "%4", "%4g", "%00", "a%", "%-1x"}, *encoded;

	(void)state;
	assert_true(s3_decode(text));
	assert_string_equal(text, "a b c+d\xc3\xbc");
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(s3_decode(bad[i]));
	encoded = s3_encode("a/b c\xff", false);
	assert_string_equal(encoded, "a%2Fb%20c%FF");
	free(encoded);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(places_have_addresses),           cmocka_unit_test(the_bucket_itself_has_an_address),
	    cmocka_unit_test(what_names_no_bucket_is_refused), cmocka_unit_test(regions_are_words),
	    cmocka_unit_test(names_are_encoded_and_decoded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
