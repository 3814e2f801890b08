/*
 * The ids of Git's objects.
 */
#ifndef FS_OID_H
#define FS_OID_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define OID_SIZE_MAX 32
#define OID_HEX_MAX 65

/* 20 bytes (SHA-1) or 32 (SHA-256); the rest is zero. */
struct oid {
	uint8_t bytes[OID_SIZE_MAX];
	uint8_t len;
};

/* The oid of LEN bytes (20 or 32) at BYTES. */
void oid_set(struct oid *oid, const void *bytes, size_t len);

/* Whether both are the same id, of the same kind of hash. */
bool oid_equal(const struct oid *a, const struct oid *b);

/* memcmp order of the bytes. */
int oid_cmp(const struct oid *a, const struct oid *b);

/* Format as lower-case hex with a NUL byte; returns HEX. */
char *oid_format(const struct oid *oid, char hex[OID_HEX_MAX]);

/* Parse exactly LEN characters, which must be 40 or 64 lower-case digits.  Returns 0 or -EINVAL. */
int oid_parse(const char *hex, size_t len, struct oid *oid);

#endif
