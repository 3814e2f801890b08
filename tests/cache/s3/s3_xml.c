/* What an S3 service says in XML. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cache/s3/s3_xml.h"

#define HEAD "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
#define XMLNS " xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\""

static const char listing[] =
    HEAD "<ListBucketResult" XMLNS "><Name>bucket</Name><Prefix>a/</Prefix><KeyCount>2</KeyCount>"
	 "<Contents><Key>a/x+y%2Bz</Key><LastModified>2001-09-09T01:46:40.000Z</LastModified>"
	 "<ETag>&quot;1&quot;</ETag><Size>12</Size><Owner><ID>1</ID></Owner></Contents>"
	 "<Contents><Size>9223372036854775807</Size><Key>a/&#122;&amp;</Key></Contents>"
	 "<CommonPrefixes><Prefix>a/b/</Prefix></CommonPrefixes>"
	 "<NextContinuationToken>1&lt;2</NextContinuationToken><EncodingType>url</EncodingType>"
	 "<IsTruncated>true</IsTruncated></ListBucketResult>";

static int decode(const char *text, struct s3_page *page)
{
	return s3_xml_page(text, strlen(text), page);
}

static void listings_are_read(void **state)
{
	struct s3_page page;

	(void)state;
	assert_int_equal(decode(listing, &page), 0);
	assert_int_equal(page.count, 2);
	assert_string_equal(page.items[0].key, "a/x y+z");
	assert_int_equal(page.items[0].size, 12);
	assert_int_equal(page.items[0].time, 1000000000);
	assert_string_equal(page.items[1].key, "a/z&");
	assert_int_equal(page.items[1].size, INT64_MAX);
	assert_string_equal(page.next, "1<2");
	s3_page_release(&page);
	assert_int_equal(decode("<ListBucketResult/>", &page), 0);
	assert_int_equal(page.count, 0);
	assert_null(page.next);
	s3_page_release(&page);
	/* Who does not say so encodes nothing. */
	assert_int_equal(decode("<ListBucketResult><Contents><Key>a+%</Key><Size>0</Size></Contents>"
	                        "<NextContinuationToken>x</NextContinuationToken></ListBucketResult>",
	                        &page),
	                 0);
	assert_string_equal(page.items[0].key, "a+%");
	assert_null(page.next);
	s3_page_release(&page);
}

static void listings_that_make_no_sense_are_refused(void **state)
{
	static const char *const wrong[] = {
	    "",
	    "hello",
	    "<ListBucketResult>",
	    "<html/>",
	    "<ListBucketResult><Contents><Size>1</Size></Contents></ListBucketResult>",
	    "<ListBucketResult><Contents><Key>a</Key></Contents></ListBucketResult>",
	    "<ListBucketResult><Contents><Key></Key><Size>1</Size></Contents></ListBucketResult>",
	    "<ListBucketResult><Contents><Key>a</Key><Size>-1</Size></Contents></ListBucketResult>",
	    "<ListBucketResult><Contents><Key>a</Key><Size>1x</Size></Contents></ListBucketResult>",
	    "<ListBucketResult><Contents><Key>a</Key><Size>99999999999999999999</Size></Contents></ListBucketResult>",
	    "<ListBucketResult><Contents><Key>a</Key><Key>a</Key><Size>1</Size></Contents></ListBucketResult>",
	    "<ListBucketResult><EncodingType>url</EncodingType><Contents><Key>a%</Key><Size>1</Size></Contents>"
	    "</ListBucketResult>",
	    "<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>",
	    "<ListBucketResult><Contents><Key>a</Key><Size>1</Size><LastModified>x</LastModified></Contents>"
	    "</ListBucketResult>",
	    "<a><a><a><a><a><a><a><a><a/></a></a></a></a></a></a></a></a>",
	    "<!DOCTYPE a><ListBucketResult/>",
	    "<!DOCTYPE a [<!ENTITY b \"c\"><!ENTITY d \"&b;&b;&b;\">]><ListBucketResult>&d;</ListBucketResult>",
	    "<ListBucketResult>&nothing;</ListBucketResult>",
	    "<ListBucketResult/><ListBucketResult/>",
	};
	struct s3_page page;
	char longer[12000];

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		if (decode(wrong[i], &page) != -EPROTO)
			fail_msg("taken: %s", wrong[i]);
	}
	snprintf(longer, sizeof(longer),
	         "<ListBucketResult><Contents><Key>%01100d</Key><Size>1</Size></Contents></ListBucketResult>", 1);
	assert_int_equal(decode(longer, &page), -EPROTO);
	snprintf(longer, sizeof(longer), "<ListBucketResult><X>%010000d</X></ListBucketResult>", 1);
	assert_int_equal(decode(longer, &page), -EPROTO);
}

/* Copies of just their size, so that a byte behind is seen. */
static void try(const char *text, size_t len)
{
	struct s3_error failure;
	struct s3_uploads uploads;
	struct s3_page page;
	char *id, *copy = malloc(len ? len : 1);
	int error;

	memcpy(copy, text, len);
	error = s3_xml_page(copy, len, &page);
	if (!error)
		s3_page_release(&page);
	assert_true(error == 0 || error == -EPROTO);
	error = s3_xml_error(copy, len, &failure);
	assert_true(error == 0 || error == -EPROTO || error == -ENOENT);
	error = s3_xml_upload(copy, len, &id);
	if (!error)
		free(id);
	assert_true(error == 0 || error == -EPROTO);
	error = s3_xml_uploads(copy, len, &uploads);
	if (!error)
		s3_uploads_release(&uploads);
	assert_true(error == 0 || error == -EPROTO);
	free(copy);
}

static void no_damage_does_harm(void **state)
{
	struct s3_page page;
	char text[sizeof(listing)];

	(void)state;
	for (size_t len = 0; len < sizeof(listing) - 1; len++) {
		try(listing, len);
		assert_int_equal(s3_xml_page(listing, len, &page), -EPROTO);
	}
	for (size_t at = 0; at < sizeof(listing) - 1; at++) {
		for (unsigned bit = 0; bit < 8; bit++) {
			memcpy(text, listing, sizeof(text));
			text[at] = (char)(text[at] ^ 1 << bit);
			try(text, sizeof(text) - 1);
		}
	}
}

static void errors_are_read(void **state)
{
	static const char moved[] =
	    HEAD "<Error><Code>AuthorizationHeaderMalformed</Code><Message>the region 'x' is wrong"
		 "</Message><Region>eu-west-1</Region><RequestId>1</RequestId></Error>";
	static const char late[] = "\n\n  \r\n" HEAD "<Error" XMLNS "><Code>InternalError</Code></Error>";
	static const char other[] = HEAD "<CompleteMultipartUploadResult/>";
	struct s3_error error;
	char longer[300];

	(void)state;
	assert_int_equal(s3_xml_error(moved, strlen(moved), &error), 0);
	assert_string_equal(error.code, "AuthorizationHeaderMalformed");
	assert_string_equal(error.region, "eu-west-1");
	/* Blanks come first where the service takes its time. */
	assert_int_equal(s3_xml_error(late, strlen(late), &error), 0);
	assert_string_equal(error.code, "InternalError");
	assert_string_equal(error.region, "");
	assert_int_equal(s3_xml_error(other, strlen(other), &error), -ENOENT);
	assert_int_equal(s3_xml_error("no", 2, &error), -EPROTO);
	assert_int_equal(s3_xml_error("", 0, &error), -EPROTO);
	snprintf(longer, sizeof(longer), "<Error><Code>%0100d</Code></Error>", 1);
	assert_int_equal(s3_xml_error(longer, strlen(longer), &error), 0);
	assert_string_equal(error.code, "");
}

static void uploads_have_names(void **state)
{
	static const char good[] = HEAD "<InitiateMultipartUploadResult" XMLNS "><Bucket>b</Bucket><Key>k</Key>"
					"<UploadId>a/b+&amp;</UploadId></InitiateMultipartUploadResult>";
	static const char none[] =
	    "<InitiateMultipartUploadResult><UploadId></UploadId></InitiateMultipartUploadResult>";
	static const char other[] = "<x><UploadId>a</UploadId></x>";
	char *id;

	(void)state;
	assert_int_equal(s3_xml_upload(good, strlen(good), &id), 0);
	assert_string_equal(id, "a/b+&");
	free(id);
	assert_int_equal(s3_xml_upload(none, strlen(none), &id), -EPROTO);
	assert_int_equal(s3_xml_upload(other, strlen(other), &id), -EPROTO);
}

static const char unfinished[] =
    HEAD "<ListMultipartUploadsResult" XMLNS "><Bucket>b</Bucket><KeyMarker/><NextKeyMarker>p%2Fb+c</NextKeyMarker>"
	 "<NextUploadIdMarker>2&amp;</NextUploadIdMarker><EncodingType>url</EncodingType>"
	 "<Upload><Key>p%2Fa</Key><UploadId>1+</UploadId><Initiator><ID>x</ID></Initiator>"
	 "<Initiated>2026-11-30T03:08:59.000Z</Initiated></Upload>"
	 "<Upload><Key>p%2Fb+c</Key><UploadId>2&amp;</UploadId><Initiated>2026-11-30T03:09:00Z</Initiated></Upload>"
	 "<IsTruncated>true</IsTruncated></ListMultipartUploadsResult>";

static void unfinished_uploads_are_read(void **state)
{
	struct s3_uploads uploads;

	(void)state;
	assert_int_equal(s3_xml_uploads(unfinished, strlen(unfinished), &uploads), 0);
	assert_int_equal(uploads.count, 2);
	assert_string_equal(uploads.items[0].key, "p/a");
	assert_string_equal(uploads.items[0].id, "1+");
	assert_int_equal(uploads.items[0].time, 1795921739 + 86400);
	assert_string_equal(uploads.items[1].key, "p/b c");
	assert_string_equal(uploads.next_key, "p/b c");
	assert_string_equal(uploads.next_id, "2&");
	s3_uploads_release(&uploads);
}

static void wrong_lists_of_uploads_are_refused(void **state)
{
	static const char *const wrong[] = {
	    "<ListBucketResult/>",
	    /* One without a name, a time, a key; a time that is none; a key twice. */
	    "<ListMultipartUploadsResult><Upload><Key>a</Key><Initiated>2026-11-30T03:08:59Z</Initiated></Upload>"
	    "</ListMultipartUploadsResult>",
	    "<ListMultipartUploadsResult><Upload><Key>a</Key><UploadId>1</UploadId></Upload>"
	    "</ListMultipartUploadsResult>",
	    "<ListMultipartUploadsResult><Upload><UploadId>1</UploadId><Initiated>2026-11-30T03:08:59Z</Initiated>"
	    "</Upload></ListMultipartUploadsResult>",
	    "<ListMultipartUploadsResult><Upload><Key>a</Key><UploadId>1</UploadId><Initiated>late</Initiated></Upload>"
	    "</ListMultipartUploadsResult>",
	    "<ListMultipartUploadsResult><Upload><Key>a</Key><Key>b</Key></Upload></ListMultipartUploadsResult>",
	    /* It goes on nobody knows where. */
	    "<ListMultipartUploadsResult><IsTruncated>true</IsTruncated></ListMultipartUploadsResult>",
	    "<ListMultipartUploadsResult><NextKeyMarker>a</NextKeyMarker><IsTruncated>true</IsTruncated>"
	    "</ListMultipartUploadsResult>",
	};
	struct s3_uploads uploads;
	char text[sizeof(unfinished)];

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		if (s3_xml_uploads(wrong[i], strlen(wrong[i]), &uploads) != -EPROTO)
			fail_msg("taken: %s", wrong[i]);
	}
	for (size_t len = 0; len < sizeof(unfinished) - 1; len++)
		assert_int_equal(s3_xml_uploads(unfinished, len, &uploads), -EPROTO);
	for (size_t at = 0; at < sizeof(unfinished) - 1; at++) {
		memcpy(text, unfinished, sizeof(text));
		text[at] ^= 1;
		try(text, sizeof(text) - 1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(listings_are_read),
	    cmocka_unit_test(listings_that_make_no_sense_are_refused),
	    cmocka_unit_test(no_damage_does_harm),
	    cmocka_unit_test(errors_are_read),
	    cmocka_unit_test(uploads_have_names),
	    cmocka_unit_test(unfinished_uploads_are_read),
	    cmocka_unit_test(wrong_lists_of_uploads_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
