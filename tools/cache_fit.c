#include "tools/cache_fit.h"

#include "tools/fail.h"
#include "tools/output.h"

uint64_t cache_fit_wanted(const struct lack *lack)
{
	uint64_t bytes = 0;

	for (size_t i = 0; i < lack->packs_count; i++)
		bytes += lack->packs[i].wanted_bytes;
	return bytes;
}

void cache_fit_warn(const struct cached *cached, uint64_t wanted_bytes, bool stay)
{
	const uint64_t limit = cached_limit(cached);
	char wanted[32], may[32];

	if (wanted_bytes <= limit)
		return;
	warn("this takes %s of the cache, whose limit is %s (revfs.cacheSize): %s", output_size(wanted_bytes, wanted),
	     output_size(limit, may),
	     stay ? "nothing else stays there" : "what comes first goes before the last is there");
}
