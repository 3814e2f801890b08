/* Pins: what is written is read back, what is damaged keeps nothing, and what is kept is not evicted. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cache/pins.h"
#include "tests/support/damage.h"
#include "tests/support/fault.h"
#include "tests/support/scratch.h"

static struct fault fault;
static struct cached *cached;
static const struct pack_id packs[] = {{{2}}, {{1}}};
static const struct id roots[] = {{{3, 4}}};

static struct pin sample_pin(const char *path)
{
	return (struct pin){
	    .repository = "/srv/a b%\n/.git",
	    .commit = "0123456789abcdef0123456789abcdef01234567",
	    .path = path,
	    .bytes = 12345,
	    .packs = packs,
	    .packs_count = 2,
	    .roots = roots,
	    .roots_count = 1,
	};
}

static int set_up(void **state)
{
	struct cached_setup setup = {.limit_bytes = UINT64_MAX};
	char *path;

	*state = (void *)(uintptr_t)scratch_open_in_memory();
	path = scratch_path("cache");
	fault_init(&fault, io_system());
	setup.io = &fault.io;
	setup.path = path;
	assert_int_equal(cached_open(&setup, &cached), 0);
	free(path);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	cached_close(cached);
	assert_int_equal(atomic_load(&fault.open_files), 0);
	scratch_close();
	return 0;
}

static int count_pin(void *arg, const struct pin *pin)
{
	const struct pin wrote = sample_pin(*pin->path ? "a\tpath" : "");

	assert_string_equal(pin->repository, wrote.repository);
	assert_string_equal(pin->commit, wrote.commit);
	assert_string_equal(pin->path, wrote.path);
	assert_int_equal(pin->bytes, wrote.bytes);
	assert_int_equal(pin->packs_count, 2);
	assert_memory_equal(pin->packs, packs, sizeof(packs));
	assert_int_equal(pin->roots_count, 1);
	assert_memory_equal(pin->roots, roots, sizeof(roots));
	++*(unsigned *)arg;
	return 0;
}

static unsigned count(void)
{
	unsigned n = 0;

	assert_int_equal(pins_each(cached, count_pin, &n), 0);
	return n;
}

static void pins_are_read_back(void **state)
{
	const struct pin all = sample_pin(""), part = sample_pin("a\tpath");

	(void)state;
	assert_int_equal(count(), 0);
	assert_int_equal(pins_remove(cached, &all), -ENOENT);
	assert_int_equal(pins_write(cached, &all), 0);
	assert_int_equal(pins_write(cached, &part), 0);
	assert_int_equal(pins_write(cached, &part), 0);
	assert_int_equal(count(), 2);
	assert_int_equal(pins_remove(cached, &all), 0);
	assert_int_equal(count(), 1);
}

static void try_damaged(void *arg, const uint8_t *data, size_t len)
{
	char *path = arg;
	FILE *file = fopen(path, "w");

	assert_int_equal(fwrite(data, 1, len, file), len);
	fclose(file);
	assert_int_equal(count(), 0);
}

static void damaged_pin_counts_for_nothing(void **state)
{
	const struct pin all = sample_pin("");
	char *name, *path;
	void *text;
	size_t len;

	(void)state;
	assert_int_equal(pins_write(cached, &all), 0);
	name = scratch_output("echo cache/pins/*");
	path = scratch_path(name);
	assert_int_equal(io_read_file(io_system(), -1, path, 1 << 20, &text, &len), 0);
	damage_each(text, len, try_damaged, path);
	free(text);
	free(path);
	free(name);
}

static void what_is_pinned_is_not_evicted(void **state)
{
	const struct pin all = sample_pin("");
	static const struct pack_id other = {{9}};
	static const uint8_t bytes[4096] = {1};
	struct cached_size size;
	struct id other_root = {{9}};
	size_t len;
	void *data;

	(void)state;
	assert_int_equal(pins_write(cached, &all), 0);
	assert_true(cached_write(cached, &packs[0], 0, bytes, sizeof(bytes)));
	assert_true(cached_write(cached, &packs[1], 0, bytes, sizeof(bytes)));
	assert_true(cached_write(cached, &other, 0, bytes, sizeof(bytes)));
	cached_write_root(cached, 7, &roots[0], bytes, sizeof(bytes));
	cached_write_root(cached, 7, &other_root, bytes, sizeof(bytes));
	assert_int_equal(cached_trim(cached, 0), 0);
	assert_int_equal(cached_measure(cached, &size), 0);
	assert_int_equal(size.packs, 2);
	assert_int_equal(size.pins, 1);
	assert_int_equal(size.pinned_bytes, 3 * sizeof(bytes));
	assert_int_equal(size.bytes, size.pinned_bytes);
	assert_int_equal(cached_read_root(cached, 7, &roots[0], &data, &len), 0);
	free(data);
	assert_int_equal(cached_read_root(cached, 7, &other_root, &data, &len), -ENOENT);
	assert_int_equal(cached_clear(cached), 0);
	assert_int_equal(cached_measure(cached, &size), 0);
	assert_int_equal(size.packs, 0);
	assert_int_equal(size.bytes, 0);
	assert_int_equal(size.pins, 1);
}

static void disk_that_fails_hurts_nothing(void **state)
{
	const struct pin all = sample_pin("");
	unsigned n;

	(void)state;
	for (unsigned nth = 1; nth < 12; nth++) {
		fault_clear(&fault);
		fault_set(&fault, FAULT_CALLS, nth, 1, -EIO);
		pins_write(cached, &all);
		fault_clear(&fault);
		assert_in_range(count(), 0, 1);
	}
	assert_int_equal(pins_write(cached, &all), 0);
	for (unsigned nth = 1; nth < 12; nth++) {
		fault_clear(&fault);
		fault_set(&fault, FAULT_CALLS, nth, 1, -EIO);
		n = 0;
		pins_each(cached, count_pin, &n);
		cached_trim(cached, 0);
	}
	fault_clear(&fault);
	assert_int_equal(count(), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(pins_are_read_back, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(damaged_pin_counts_for_nothing, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(what_is_pinned_is_not_evicted, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(disk_that_fails_hurts_nothing, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
