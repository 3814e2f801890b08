#include "cache/id.h"

#include <errno.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/*
 * The algorithm is fetched once and a context kept for each thread: looking both up for every small chunk would cost
 * more than hashing it.
 */
static EVP_MD *sha256;
static pthread_key_t context_key;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void free_context(void *context)
{
	EVP_MD_CTX_free(context);
}

static void prepare(void)
{
	sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
	if (!sha256 || pthread_key_create(&context_key, free_context) != 0)
		abort();
}

static EVP_MD_CTX *new_context(void)
{
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	if (!context)
		abort();
	return context;
}

static EVP_MD_CTX *thread_context(void)
{
	pthread_once(&once, prepare);
	EVP_MD_CTX *context = pthread_getspecific(context_key);
	if (!context) {
		context = new_context();
		if (pthread_setspecific(context_key, context) != 0)
			abort();
	}
	return context;
}

static void finish(EVP_MD_CTX *context, struct id *id)
{
	unsigned len = 0;
	if (!EVP_DigestFinal_ex(context, id->bytes, &len) || len != ID_SIZE)
		abort();
}

void id_of(const void *data, size_t len, struct id *id)
{
	EVP_MD_CTX *context = thread_context();
	if (!EVP_DigestInit_ex2(context, sha256, NULL) || !EVP_DigestUpdate(context, data, len))
		abort();
	finish(context, id);
}

void id_hasher_init(struct id_hasher *hasher)
{
	pthread_once(&once, prepare);
	EVP_MD_CTX *context = new_context();
	if (!EVP_DigestInit_ex2(context, sha256, NULL))
		abort();
	hasher->context = context;
}

void id_hasher_update(struct id_hasher *hasher, const void *data, size_t len)
{
	if (!EVP_DigestUpdate(hasher->context, data, len))
		abort();
}

void id_hasher_final(struct id_hasher *hasher, struct id *id)
{
	finish(hasher->context, id);
	id_hasher_drop(hasher);
}

void id_hasher_drop(struct id_hasher *hasher)
{
	EVP_MD_CTX_free(hasher->context);
	hasher->context = NULL;
}

int id_cmp(const struct id *a, const struct id *b)
{
	return memcmp(a->bytes, b->bytes, ID_SIZE);
}

bool id_equal(const struct id *a, const struct id *b)
{
	return id_cmp(a, b) == 0;
}

int pack_id_cmp(const struct pack_id *a, const struct pack_id *b)
{
	return memcmp(a->bytes, b->bytes, PACK_ID_SIZE);
}

bool pack_id_equal(const struct pack_id *a, const struct pack_id *b)
{
	return pack_id_cmp(a, b) == 0;
}

static char *format_hex(const uint8_t *bytes, size_t len, char *hex)
{
	static const char digits[] = "0123456789abcdef";
	for (size_t i = 0; i < len; i++) {
		hex[2 * i] = digits[bytes[i] >> 4];
		hex[2 * i + 1] = digits[bytes[i] & 15];
	}
	hex[2 * len] = 0;
	return hex;
}

static int digit_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return -1;
}

static int parse_hex(const char *hex, size_t len, uint8_t *bytes, size_t count)
{
	uint8_t parsed[ID_SIZE];
	if (len != 2 * count)
		return -EINVAL;
	for (size_t i = 0; i < count; i++) {
		int high = digit_value(hex[2 * i]);
		int low = digit_value(hex[2 * i + 1]);
		if (high < 0 || low < 0)
			return -EINVAL;
		parsed[i] = (uint8_t)(high << 4 | low);
	}
	memcpy(bytes, parsed, count);
	return 0;
}

char *id_format(const struct id *id, char hex[ID_HEX_SIZE])
{
	return format_hex(id->bytes, ID_SIZE, hex);
}

char *pack_id_format(const struct pack_id *id, char hex[PACK_ID_HEX_SIZE])
{
	return format_hex(id->bytes, PACK_ID_SIZE, hex);
}

int id_parse(const char *hex, size_t len, struct id *id)
{
	return parse_hex(hex, len, id->bytes, ID_SIZE);
}

int pack_id_parse(const char *hex, size_t len, struct pack_id *id)
{
	return parse_hex(hex, len, id->bytes, PACK_ID_SIZE);
}
