/* A pointer file. */
#include <errno.h>
#include <string.h>

#include "fs/pointer.h"
#include "fuzz/support/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct pointer pointer, again;
	unsigned line = 0;
	const char *why = NULL;
	uint8_t *copy = fuzz_copy(data, len);
	int r = pointer_parse(copy, len, &pointer, &line, &why);
	REQUIRE(r == 0 || r == -ENOTSUP || (r == -EINVAL && line >= 1 && why));
	if (r == 0) {
		char text[POINTER_TEXT_MAX];
		size_t text_len = pointer_format(&pointer, text);
		REQUIRE(text_len <= POINTER_TEXT_MAX && pointer_parse(text, text_len, &again, NULL, NULL) == 0);
		REQUIRE(pointer.is_file == again.is_file && id_equal(&pointer.root, &again.root));
		REQUIRE(pointer.files == again.files && pointer.bytes == again.bytes);
		REQUIRE(pointer.unknown_keys || memcmp(text, copy, strlen("revfs 1")) == 0);
	}
	free(copy);
	return 0;
}
