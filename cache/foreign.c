#include "cache/foreign.h"

#include <errno.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <string.h>

#define SHA1_SIZE 20

int foreign_mac(const void *key, size_t key_len, const char *text, struct foreign_mac *mac)
{
	unsigned len = 0;

	if (!HMAC(EVP_sha256(), key, (int)key_len, (const uint8_t *)text, strlen(text), mac->bytes, &len))
		return -ENOMEM;
	return len == sizeof(mac->bytes) ? 0 : -EINVAL;
}

int foreign_sha1(const char *text, char hex[FOREIGN_SHA1_HEX_SIZE])
{
	uint8_t bytes[EVP_MAX_MD_SIZE];
	unsigned len = 0;

	if (!EVP_Digest(text, strlen(text), bytes, &len, EVP_sha1(), NULL) || len != SHA1_SIZE)
		return -ENOMEM;
	for (size_t i = 0; i < SHA1_SIZE; i++)
		sprintf(hex + 2 * i, "%02x", bytes[i]);
	return 0;
}
