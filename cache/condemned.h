/*
 * Condemned files, `condemned/G`: what the garbage collection G is about to remove, and since when (revfs-format(5)).
 */
#ifndef CACHE_CONDEMNED_H
#define CACHE_CONDEMNED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cache/id.h"
#include "cache/wire.h"

#define CONDEMNED_FILE_MAX ((size_t)256 << 20)

struct condemned {
	bool is_root;
	union {
		struct pack_id pack;
		struct id root;
	};
	int64_t since; /* seconds since 1970 by the store's clock */
};

/* Append the file that condemns ITEMS since SINCE (their own times are ignored) to OUT.  Returns 0 or -ENOMEM. */
int condemned_format(const struct condemned *items, size_t count, int64_t since, struct buffer *out);

/* Parse LEN bytes.  *ITEMS is malloc'ed, the caller frees it.  Returns 0, -EBADMSG, -ENOTSUP (a later version),
 * -ENOMEM. */
int condemned_parse(const char *text, size_t len, struct condemned **items, size_t *count);

/* Roots behind packs, then by id. */
int condemned_cmp(const struct condemned *a, const struct condemned *b);

#endif
