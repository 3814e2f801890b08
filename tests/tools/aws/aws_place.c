/* Which servers are Amazon's own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tools/aws/aws_place.h"

static void servers_of_s3_are_amazons(void **state)
{
	static const char *const ours[] = {
	    "https://s3.amazonaws.com",
	    "https://s3.amazonaws.com/",
	    "HTTPS://s3.eu-west-1.amazonaws.com",
	    "https://s3.us-gov-east-1.amazonaws.com",
	    "https://s3.dualstack.eu-central-2.amazonaws.com",
	    "https://s3-fips.us-east-2.amazonaws.com",
	    "https://s3-fips.dualstack.us-east-2.amazonaws.com/",
	    "https://s3-accelerate.amazonaws.com",
	    "https://s3.cn-north-1.amazonaws.com.cn",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++) {
		if (!aws_place_is_s3(ours[i]))
			fail_msg("not taken: %s", ours[i]);
	}
}

/* Gateways, balancers and instances in that domain are its customers', and so is what only looks like it. */
static void others_are_not(void **state)
{
	static const char *const others[] = {
	    "",
	    "https",
	    "https://",
	    "http://s3.amazonaws.com",
	    "https://amazonaws.com",
	    "https://abc123.execute-api.us-east-1.amazonaws.com",
	    "https://s3.execute-api.us-east-1.amazonaws.com",
	    "https://s3-1234567890.us-east-1.elb.amazonaws.com",
	    "https://s3.elb.amazonaws.com",
	    "https://ec2-1-2-3-4.compute-1.amazonaws.com",
	    "https://bucket.s3.amazonaws.com",
	    "https://s3.us-east-1.us-east-1.amazonaws.com",
	    "https://s3.amazonaws.com.example.org",
	    "https://s3.us-east-1.amazonaws.com:9000",
	    "https://s3.us-east-1.amazonaws.com@example.org",
	    "https://s3.us-east-1.amazonaws.com/path",
	    "https://s3.example-1.org/.amazonaws.com",
	    "https://s3.us-east-1.amazonaws.comx",
	    "https://s3.us-east-1.xamazonaws.com",
	    "https://s3..amazonaws.com",
	    "https://s3.-1.amazonaws.com",
	    "https://s3.us-east-1?.amazonaws.com",
	    "https://minio.example.org:9000",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		if (aws_place_is_s3(others[i]))
			fail_msg("taken: %s", others[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(servers_of_s3_are_amazons),
	    cmocka_unit_test(others_are_not),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
