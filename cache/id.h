/*
 * Ids: the SHA-256 (FIPS 180-4) of what they name, and the random names of packs.
 *
 * Hashing goes through OpenSSL's EVP, one context a thread, so that the CPU's instructions are used.  Thread-safe.
 */
#ifndef CACHE_ID_H
#define CACHE_ID_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ID_SIZE 32
#define ID_HEX_SIZE 65 /* with the NUL byte */
#define PACK_ID_SIZE 16
#define PACK_ID_HEX_SIZE 33

struct id {
	uint8_t bytes[ID_SIZE];
};

struct pack_id {
	uint8_t bytes[PACK_ID_SIZE];
};

/* Compute the id of LEN bytes.  Cannot fail: aborts where OpenSSL has no SHA-256. */
void id_of(const void *data, size_t len, struct id *id);

/* The same over data in pieces: init, any number of update, final.  final frees what init took, as drop does. */
struct id_hasher {
	void *context;
};

/* Begin.  Aborts where OpenSSL has no SHA-256. */
void id_hasher_init(struct id_hasher *hasher);

/* Take LEN more bytes. */
void id_hasher_update(struct id_hasher *hasher, const void *data, size_t len);

/* Set *ID to the id of all bytes taken and free what init took. */
void id_hasher_final(struct id_hasher *hasher, struct id *id);

/* Free what init took without an id. */
void id_hasher_drop(struct id_hasher *hasher);

/* memcmp order. */
int id_cmp(const struct id *a, const struct id *b);

/* Whether two ids are the same. */
bool id_equal(const struct id *a, const struct id *b);

/* memcmp order of packs. */
int pack_id_cmp(const struct pack_id *a, const struct pack_id *b);

/* Whether two packs are the same. */
bool pack_id_equal(const struct pack_id *a, const struct pack_id *b);

/* Format as lower-case hex with a NUL byte; returns HEX. */
char *id_format(const struct id *id, char hex[ID_HEX_SIZE]);

/* The same for the id of a pack. */
char *pack_id_format(const struct pack_id *id, char hex[PACK_ID_HEX_SIZE]);

/* Parse exactly LEN characters of lower-case hex, which must be the whole id.  Returns 0 or -EINVAL. */
int id_parse(const char *hex, size_t len, struct id *id);

/* The same for the id of a pack. */
int pack_id_parse(const char *hex, size_t len, struct pack_id *id);

#endif
