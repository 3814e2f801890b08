/* A name; NUL bytes in it separate nothing. */
#include <string.h>

#include "fs/name.h"
#include "fs/pointer.h"
#include "fuzz/support/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	char *name = (char *)fuzz_copy(data, len);
	size_t base_len;
	bool valid = name_is_valid(name, len);
	REQUIRE(valid == (name_is_component(name, len) && !name_is_dotgit(name, len)));
	REQUIRE(!valid || (len >= 1 && len <= NAME_SIZE_MAX && !memchr(name, '/', len) && !memchr(name, '\0', len)));
	REQUIRE(!valid || len != 4 || memcmp(name, ".git", 4) != 0);
	REQUIRE(name_cmp(name, len, name, len) == 0);
	if (pointer_name(name, len, &base_len))
		REQUIRE(base_len + POINTER_SUFFIX_LEN == len && base_len > 0);
	free(name);
	return 0;
}
