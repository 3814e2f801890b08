/*
 * Digests that foreign protocols ask for.  None of them names anything of ours: that is cache/id.h.  Thread-safe.
 */
#ifndef CACHE_FOREIGN_H
#define CACHE_FOREIGN_H

#include <stddef.h>
#include <stdint.h>

#define FOREIGN_MAC_SIZE 32
#define FOREIGN_SHA1_HEX_SIZE 41 /* with the NUL byte */

struct foreign_mac {
	uint8_t bytes[FOREIGN_MAC_SIZE];
};

/* *MAC: HMAC-SHA256 (RFC 2104) of TEXT with KEY_LEN bytes of KEY.  0; -ENOMEM, -EINVAL where OpenSSL fails. */
int foreign_mac(const void *key, size_t key_len, const char *text, struct foreign_mac *mac);

/* HEX: the SHA-1 of TEXT, in lower case; it finds files that others named so, and guards nothing.  0 or -ENOMEM. */
int foreign_sha1(const char *text, char hex[FOREIGN_SHA1_HEX_SIZE]);

#endif
