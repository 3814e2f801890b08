/* A condemned file. */
#include <errno.h>
#include <string.h>

#include "cache/condemned.h"
#include "cache/wire.h"
#include "fuzz/support/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct condemned *items, *again;
	size_t count, count_again;
	uint8_t *copy = fuzz_copy(data, len);
	int r = condemned_parse((const char *)copy, len, &items, &count);
	REQUIRE(r == 0 || r == -EBADMSG || r == -ENOTSUP);
	if (r == 0) {
		struct buffer out = {0};
		REQUIRE(condemned_format(items, count, count ? items[0].since : 0, &out) == 0);
		REQUIRE(condemned_parse((const char *)out.data, out.len, &again, &count_again) == 0);
		REQUIRE(count == count_again);
		for (size_t i = 0; i < count; i++)
			REQUIRE(condemned_cmp(&items[i], &again[i]) == 0 && items[i].since == again[i].since);
		buffer_release(&out);
		free(again);
		free(items);
	}
	free(copy);
	return 0;
}
