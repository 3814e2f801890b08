/* Ids: SHA-256 by known answers, in pieces, by many threads; hex. */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cache/id.h"

/* The examples of FIPS 180-4, and the empty message. */
static const struct {
	const char *message;
	const char *hex;
} known[] = {
    {"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
    {"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
    {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
     "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
};

static void known_messages_have_their_ids(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++) {
		struct id id;
		char hex[ID_HEX_SIZE];
		id_of(known[i].message, strlen(known[i].message), &id);
		assert_string_equal(id_format(&id, hex), known[i].hex);
	}
}

static void pieces_give_the_id_of_the_whole(void **state)
{
	uint8_t data[1000];
	struct id whole;
	(void)state;
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 7);
	id_of(data, sizeof(data), &whole);
	for (size_t piece = 1; piece <= sizeof(data); piece += 37) {
		struct id_hasher hasher;
		struct id id;
		id_hasher_init(&hasher);
		for (size_t at = 0; at < sizeof(data); at += piece)
			id_hasher_update(&hasher, data + at, sizeof(data) - at < piece ? sizeof(data) - at : piece);
		id_hasher_final(&hasher, &id);
		assert_true(id_equal(&id, &whole));
	}
}

static void dropped_hasher_leaves_others_alone(void **state)
{
	struct id_hasher a, b;
	struct id id, expected;
	(void)state;
	id_hasher_init(&a);
	id_hasher_init(&b);
	id_hasher_update(&a, "x", 1);
	id_hasher_update(&b, "abc", 3);
	id_hasher_drop(&a);
	id_of("something between", 17, &id);
	id_hasher_final(&b, &id);
	id_of("abc", 3, &expected);
	assert_true(id_equal(&id, &expected));
	id_hasher_drop(&a); /* twice is harmless */
}

static void *hash_often(void *arg)
{
	bool *right = arg;
	struct id expected;
	*right = id_parse(known[1].hex, 64, &expected) == 0;
	for (unsigned i = 0; i < 2000; i++) {
		struct id id;
		id_of("abc", 3, &id);
		*right = *right && id_equal(&id, &expected);
	}
	return NULL;
}

static void threads_do_not_disturb_each_other(void **state)
{
	pthread_t threads[4];
	bool right[4];
	(void)state;
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, hash_often, &right[i]), 0);
	for (unsigned i = 0; i < 4; i++) {
		pthread_join(threads[i], NULL);
		assert_true(right[i]);
	}
}

static void order_is_that_of_bytes(void **state)
{
	struct id a = {{0}}, b = {{0}};
	struct pack_id p = {{0}}, q = {{0}};
	(void)state;
	assert_true(id_equal(&a, &b) && id_cmp(&a, &b) == 0);
	a.bytes[31] = 1;
	b.bytes[0] = 0x80;
	assert_true(id_cmp(&a, &b) < 0 && id_cmp(&b, &a) > 0 && !id_equal(&a, &b));
	assert_true(pack_id_equal(&p, &q));
	q.bytes[15] = 1;
	assert_true(pack_id_cmp(&p, &q) < 0 && !pack_id_equal(&p, &q));
}

static void hex_round_trips(void **state)
{
	struct id id, again;
	struct pack_id pack, pack_again;
	char hex[ID_HEX_SIZE], pack_hex[PACK_ID_HEX_SIZE];
	(void)state;
	for (unsigned i = 0; i < ID_SIZE; i++)
		id.bytes[i] = (uint8_t)(i * 11 + 5);
	for (unsigned i = 0; i < PACK_ID_SIZE; i++)
		pack.bytes[i] = (uint8_t)(i * 17 + 250);
	assert_int_equal(strlen(id_format(&id, hex)), 64);
	assert_int_equal(id_parse(hex, 64, &again), 0);
	assert_true(id_equal(&id, &again));
	assert_int_equal(strlen(pack_id_format(&pack, pack_hex)), 32);
	assert_int_equal(pack_id_parse(pack_hex, 32, &pack_again), 0);
	assert_true(pack_id_equal(&pack, &pack_again));
	assert_int_equal(pack.bytes[0], 250);
	assert_memory_equal(pack_hex, "fa0b", 4);
}

static void anything_but_lower_case_hex_of_full_length_is_refused(void **state)
{
	struct id id, before;
	struct pack_id pack;
	char hex[66];
	(void)state;
	memset(&id, 0x5a, sizeof(id));
	before = id;
	memset(hex, 'a', sizeof(hex));
	assert_int_equal(id_parse(hex, 63, &id), -EINVAL);
	assert_int_equal(id_parse(hex, 65, &id), -EINVAL);
	assert_int_equal(id_parse(hex, 0, &id), -EINVAL);
	assert_int_equal(pack_id_parse(hex, 64, &pack), -EINVAL);
	for (unsigned c = 0; c < 256; c++) {
		bool good = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
		for (unsigned at = 0; at < 64 && !good; at++) {
			memset(hex, 'a', sizeof(hex));
			hex[at] = (char)c;
			assert_int_equal(id_parse(hex, 64, &id), -EINVAL);
			assert_memory_equal(&id, &before, sizeof(id)); /* written only on success */
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(known_messages_have_their_ids),
	    cmocka_unit_test(pieces_give_the_id_of_the_whole),
	    cmocka_unit_test(dropped_hasher_leaves_others_alone),
	    cmocka_unit_test(threads_do_not_disturb_each_other),
	    cmocka_unit_test(order_is_that_of_bytes),
	    cmocka_unit_test(hex_round_trips),
	    cmocka_unit_test(anything_but_lower_case_hex_of_full_length_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
