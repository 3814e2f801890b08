/* An in-step record. */
#include <errno.h>

#include "fs/instep.h"
#include "fuzz/support/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct fuzz_file file = {.data = data, .len = len};
	const struct io io = fuzz_file_io(&file);
	struct instep record;
	int r = instep_read(&io, -1, "data set", &record);
	REQUIRE(r == 0 || r == -EBADMSG || r == -EFBIG);
	REQUIRE(file.open == 0);
	return 0;
}
