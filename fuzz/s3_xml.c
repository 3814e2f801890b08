/* What an S3 service says in XML: one text as each kind of answer. */
#include <errno.h>
#include <string.h>

#include "cache/s3/s3_url.h"
#include "cache/s3/s3_xml.h"
#include "fuzz/support/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct s3_error error;
	struct s3_uploads uploads;
	struct s3_page page;
	uint8_t *copy = fuzz_copy(data, len);
	const char *text = (const char *)copy;
	char *id;
	int r = s3_xml_page(text, len, &page);
	REQUIRE(r == 0 || r == -EPROTO);
	if (r == 0) {
		for (size_t i = 0; i < page.count; i++)
			REQUIRE(strlen(page.items[i].key) <= S3_KEY_MAX && *page.items[i].key);
		REQUIRE(!page.next || *page.next);
		s3_page_release(&page);
	}
	r = s3_xml_error(text, len, &error);
	REQUIRE(r == 0 || r == -EPROTO || r == -ENOENT);
	REQUIRE(r || (strlen(error.code) < S3_CODE_SIZE && strlen(error.region) < S3_CODE_SIZE));
	r = s3_xml_upload(text, len, &id);
	REQUIRE(r == 0 || r == -EPROTO);
	if (r == 0) {
		char *encoded = s3_encode(id, false);
		REQUIRE(encoded && s3_decode(encoded) && strcmp(encoded, id) == 0);
		free(encoded);
		free(id);
	}
	r = s3_xml_uploads(text, len, &uploads);
	REQUIRE(r == 0 || r == -EPROTO);
	if (r == 0) {
		for (size_t i = 0; i < uploads.count; i++)
			REQUIRE(strlen(uploads.items[i].key) <= S3_KEY_MAX && *uploads.items[i].key &&
			        *uploads.items[i].id);
		REQUIRE(!uploads.next_key == !uploads.next_id);
		s3_uploads_release(&uploads);
	}
	free(copy);
	return 0;
}
