/*
 * Digests that foreign protocols ask for.  None of them names anything of ours: that is cache/id.h.  Thread-safe.
 */
#ifndef CACHE_DIGEST_H
#define CACHE_DIGEST_H

#include <stddef.h>
#include <stdint.h>

#define DIGEST_MAC_SIZE 32
#define DIGEST_SHA1_HEX_SIZE 41 /* with the NUL byte */

struct digest_mac {
	uint8_t bytes[DIGEST_MAC_SIZE];
};

/* *MAC: HMAC-SHA256 (RFC 2104) of TEXT with KEY_LEN bytes of KEY.  0; -ENOMEM, -EINVAL where OpenSSL fails. */
int digest_mac(const void *key, size_t key_len, const char *text, struct digest_mac *mac);

/* HEX: the SHA-1 of TEXT, in lower case; it finds files that others named so, and guards nothing.  0 or -ENOMEM. */
int digest_sha1(const char *text, char hex[DIGEST_SHA1_HEX_SIZE]);

#endif
