/* Blocks in a shared region, and the region they lie in. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

#include "fs/mount/slab.h"

static void region_grows_in_place_and_is_zero(void **state)
{
	struct region r;
	uint8_t *base;

	(void)state;
	assert_int_equal(region_open("test", (size_t)1 << 30, &r), 0);
	base = r.base;
	assert_int_equal(r.size, 0);
	assert_int_equal(region_grow(&r, 1), 0);
	base[0] = 1;
	assert_int_equal(region_grow(&r, (size_t)20 << 20), 0);
	assert_ptr_equal(r.base, base);
	assert_int_equal(base[0], 1);
	assert_true(r.size >= (size_t)20 << 20);
	assert_int_equal(base[r.size - 1], 0);
	assert_int_equal(region_grow(&r, r.reserved + 1), -ENOMEM);
	region_close(&r);
	assert_null(r.base);
	region_close(&r);
}

static void region_serves_with_fewer_addresses(void **state)
{
	struct rlimit old, limit;
	struct region r;
	int err;

	(void)state;
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
	skip(); /* the sanitizers' own shadow is above any limit */
#endif
	assert_int_equal(getrlimit(RLIMIT_AS, &old), 0);
	limit = old;
	limit.rlim_cur = (rlim_t)1 << 30;
	assert_int_equal(setrlimit(RLIMIT_AS, &limit), 0);
	err = region_open("test", (size_t)1 << 33, &r);
	assert_int_equal(setrlimit(RLIMIT_AS, &old), 0);
	assert_int_equal(err, 0);
	assert_true(r.reserved >= (size_t)64 << 20 && r.reserved < (size_t)1 << 30);
	region_close(&r);
}

static void two_maps_are_one_memory(void **state)
{
	struct region a, b;

	(void)state;
	assert_int_equal(region_open("test", (size_t)1 << 24, &a), 0);
	assert_int_equal(region_grow(&a, 100), 0);
	assert_int_equal(region_adopt(a.fd, (size_t)1 << 24, &b), 0);
	assert_int_equal(b.size, a.size);
	a.base[99] = 7;
	assert_int_equal(b.base[99], 7);
	assert_true(fcntl(b.fd, F_GETFD) & FD_CLOEXEC);
	region_close(&a);
	assert_int_equal(b.base[99], 7);
	region_close(&b);
}

static void blocks_keep_their_bytes(void **state)
{
	static const size_t lengths[] = {0, 1, 16, 17, 48, 49, 1000, 4096, 65535, SLAB_LEN_MAX};
	static uint8_t bytes[SLAB_LEN_MAX];
	uint64_t offsets[sizeof(lengths) / sizeof(lengths[0])], again;
	struct slab slab;
	size_t len;

	(void)state;
	assert_int_equal(slab_open(&slab), 0);
	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		memset(bytes, (int)i + 1, sizeof(bytes));
		assert_int_equal(slab_put(&slab, 1, bytes, lengths[i], &offsets[i]), 0);
		assert_true(offsets[i] != 0);
	}
	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		memset(bytes, (int)i + 1, sizeof(bytes));
		assert_memory_equal(slab_at(&slab, offsets[i], &len), bytes, lengths[i]);
		assert_int_equal(len, lengths[i]);
	}
	assert_int_equal(slab_put(&slab, 1, bytes, SLAB_LEN_MAX + 1, &again), -EINVAL);
	slab_drop(&slab, offsets[6]);
	assert_int_equal(slab_put(&slab, 1, bytes, 900, &again), 0);
	assert_int_equal(again, offsets[6]);
	slab_close(&slab);
}

static bool owner_is_even(void *arg, uint32_t owner, uint64_t offset)
{
	uint64_t *sum = arg;

	*sum += offset;
	return owner % 2 == 0;
}

static void adopted_slab_frees_what_nobody_owns(void **state)
{
	uint64_t offsets[100], again, sum = 0;
	struct slab slab, adopted;
	size_t len;

	(void)state;
	assert_int_equal(slab_open(&slab), 0);
	for (uint32_t i = 0; i < 100; i++)
		assert_int_equal(slab_put(&slab, i, &i, sizeof(i), &offsets[i]), 0);
	assert_int_equal(slab_adopt(slab.region.fd, owner_is_even, &sum, &adopted), 0);
	slab_close(&slab);
	for (uint32_t i = 0; i < 100; i++)
		sum -= offsets[i];
	assert_int_equal(sum, 0);
	for (uint32_t i = 0; i < 50; i++) {
		assert_int_equal(slab_put(&adopted, i, &i, sizeof(i), &again), 0);
		assert_true(again <= offsets[99]);
	}
	assert_int_equal(slab_put(&adopted, 1, &again, sizeof(again), &again), 0);
	assert_true(again > offsets[99]);
	for (uint32_t i = 0; i < 100; i += 2)
		assert_memory_equal(slab_at(&adopted, offsets[i], &len), &i, sizeof(i));
	slab_close(&adopted);
}

static void damaged_slab_is_not_adopted(void **state)
{
	static const size_t places[] = {0, 8, 15, 32, 40};
	uint64_t offset, sum;
	struct slab slab, adopted;

	(void)state;
	assert_int_equal(slab_open(&slab), 0);
	assert_int_equal(slab_put(&slab, 1, "text", 4, &offset), 0);
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		slab.region.base[places[i]] ^= 0xff;
		assert_int_equal(slab_adopt(slab.region.fd, owner_is_even, &sum, &adopted), -EBADMSG);
		slab.region.base[places[i]] ^= 0xff;
	}
	assert_int_equal(slab_adopt(slab.region.fd, owner_is_even, &sum, &adopted), 0);
	slab_close(&adopted);
	slab_close(&slab);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(region_grows_in_place_and_is_zero),
	    cmocka_unit_test(region_serves_with_fewer_addresses),
	    cmocka_unit_test(two_maps_are_one_memory),
	    cmocka_unit_test(blocks_keep_their_bytes),
	    cmocka_unit_test(adopted_slab_frees_what_nobody_owns),
	    cmocka_unit_test(damaged_slab_is_not_adopted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
