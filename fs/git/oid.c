#include "fs/git/oid.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

void oid_set(struct oid *oid, const void *bytes, size_t len)
{
	assert(len <= OID_SIZE_MAX);
	memset(oid, 0, sizeof(*oid));
	memcpy(oid->bytes, bytes, len);
	oid->len = (uint8_t)len;
}

bool oid_equal(const struct oid *a, const struct oid *b)
{
	return a->len == b->len && !oid_cmp(a, b);
}

int oid_cmp(const struct oid *a, const struct oid *b)
{
	return memcmp(a->bytes, b->bytes, OID_SIZE_MAX);
}

char *oid_format(const struct oid *oid, char hex[OID_HEX_MAX])
{
	static const char digits[] = "0123456789abcdef";
	char *to = hex;

	for (size_t i = 0; i < oid->len; i++) {
		*to++ = digits[oid->bytes[i] >> 4];
		*to++ = digits[oid->bytes[i] & 15];
	}
	*to = '\0';
	return hex;
}

static int digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int oid_parse(const char *hex, size_t len, struct oid *oid)
{
	uint8_t bytes[OID_SIZE_MAX];

	if (len != 40 && len != 64)
		return -EINVAL;
	for (size_t i = 0; i < len / 2; i++) {
		int high = digit(hex[2 * i]), low = digit(hex[2 * i + 1]);

		if (high < 0 || low < 0)
			return -EINVAL;
		bytes[i] = (uint8_t)(high << 4 | low);
	}
	oid_set(oid, bytes, len / 2);
	return 0;
}
