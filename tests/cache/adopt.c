/* Adopting packs: what is whole comes whole, what is damaged never gets its name, what was begun is gone on with. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cache/adopt.h"
#include "tests/support/damage.h"
#include "tests/support/fake_remote.h"
#include "tests/support/fault.h"
#include "tests/support/sample.h"
#include "tests/support/scratch.h"

#define LEN 60
#define RECORDS 3

static struct fault fault;
static struct remote *remote;
static struct remote_store *from;
static struct store *here;
static struct locator at[RECORDS];
static struct adopt adopt;
static uint64_t told;
static void *file; /* of the pack */
static size_t file_len;
static char path[REMOTE_PATH_SIZE];

static void tell(void *arg, uint64_t bytes)
{
	(void)arg;
	told += bytes;
}

static void make_pack(void)
{
	struct store_writer *writer;
	struct store *store;
	char *there = scratch_path("there");

	assert_int_equal(store_open(sample_io(), there, STORE_CREATE, 0, &store), 0);
	assert_int_equal(store_writer_open(store, &writer), 0);
	for (unsigned n = 0; n < RECORDS; n++)
		assert_int_equal(sample_put(writer, RECORD_CHUNK, n, LEN, &at[n]), 0);
	assert_int_equal(store_writer_commit(writer), 0);
	store_writer_close(writer);
	remote_store_pack_path(&at[0].pack, "", path);
	assert_int_equal(io_read_file(store_io(store), store_dirfd(store), path, 1 << 20, &file, &file_len), 0);
	store_close(store);
	free(there);
}

static int set_up(void **state)
{
	const struct remote_setup setup = {.io = io_system(), .name = "lab", .url = "a"};
	char *folder;

	*state = (void *)(uintptr_t)scratch_open_in_memory();
	make_pack();
	fake_remote_put("a", path, file, file_len);
	assert_int_equal(remote_open_kind(&setup, &remote_kind_fake, &remote), 0);
	assert_int_equal(remote_store_open(io_system(), remote, NULL, &from), 0);
	fault_init(&fault, sample_io());
	folder = scratch_path("here");
	assert_int_equal(store_open(&fault.io, folder, STORE_CREATE, 0, &here), 0);
	free(folder);
	adopt = (struct adopt){.store = here, .progress = tell};
	told = 0;
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	store_close(here);
	remote_store_close(from);
	remote_close(remote);
	fake_remote_clear();
	free(file);
	scratch_close();
	return 0;
}

static void nothing_is_there(void)
{
	struct stat st;

	assert_int_equal(store_stat_pack(here, &at[0].pack, &st), -ENOENT);
}

static void all_is_there(void)
{
	for (unsigned n = 0; n < RECORDS; n++)
		assert_int_equal(sample_read(here, RECORD_CHUNK, n, LEN, &at[n]), 0);
	scratch_sh("cmp here/%s there/%s && test -z \"$(ls here/tmp)\"", path, path);
}

static void a_pack_comes_byte_for_byte(void **state)
{
	unsigned requests;

	(void)state;
	assert_int_equal(adopt_pack(&adopt, from, &at[0].pack), 0);
	all_is_there();
	assert_int_equal(told, file_len);
	/* It comes once. */
	requests = fake_remote_requests("a");
	assert_int_equal(adopt_pack(&adopt, from, &at[0].pack), 0);
	assert_int_equal(fake_remote_requests("a"), requests);
}

static void a_pack_that_is_not_there_is_enoent(void **state)
{
	struct pack_id other = {.bytes = {1, 2, 3}};

	(void)state;
	assert_int_equal(adopt_pack(&adopt, from, &other), -ENOENT);
}

static void try_damaged(void *arg, const uint8_t *data, size_t len)
{
	int error;

	(void)arg;
	if (len == file_len && !memcmp(data, file, len))
		return;
	fake_remote_put("a", path, data, len);
	error = adopt_pack(&adopt, from, &at[0].pack);
	assert_true(error == -EBADMSG || error == -ENOTSUP);
	nothing_is_there();
}

static void damaged_pack_never_gets_its_name(void **state)
{
	(void)state;
	damage_each(file, file_len, try_damaged, NULL);
	scratch_sh("test -z \"$(ls here/tmp)\"");
}

static void remote_that_gives_less_or_wrong_bytes_is_refused(void **state)
{
	(void)state;
	fake_remote_plan("a", &(struct fake_plan){.short_by = 1});
	assert_int_equal(adopt_pack(&adopt, from, &at[0].pack), -EBADMSG);
	fake_remote_plan("a", &(struct fake_plan){.flips = true});
	assert_int_equal(adopt_pack(&adopt, from, &at[0].pack), -EBADMSG);
	fake_remote_plan("a", &(struct fake_plan){.error = -ETIMEDOUT});
	assert_int_equal(adopt_pack(&adopt, from, &at[0].pack), -ETIMEDOUT);
	nothing_is_there();
	fake_remote_plan("a", &(struct fake_plan){0});
	assert_int_equal(adopt_pack(&adopt, from, &at[0].pack), 0);
	all_is_there();
}

/* Leave LEN bytes of DATA as an unfinished file. */
static void begin(const void *data, size_t len)
{
	char hex[PACK_ID_HEX_SIZE], name[64];

	snprintf(name, sizeof(name), "tmp/%s.adopt", pack_id_format(&at[0].pack, hex));
	assert_int_equal(io_replace_file(io_system(), store_dirfd(here), "tmp", name, data, len, 0600), 0);
}

static void what_was_begun_is_gone_on_with(void **state)
{
	(void)state;
	/* Nobody looks at what is not asked for: the remote has lost it meanwhile. */
	begin(file, file_len / 2);
	((uint8_t *)file)[70] ^= 1;
	fake_remote_put("a", path, file, file_len);
	assert_int_equal(adopt_pack(&adopt, from, &at[0].pack), 0);
	all_is_there();
}

static void what_was_begun_wrong_is_begun_again(void **state)
{
	uint8_t *wrong = calloc(2, file_len);

	(void)state;
	for (size_t len = 1; len <= 2 * file_len; len += 50) {
		begin(wrong, len);
		assert_int_equal(adopt_pack(&adopt, from, &at[0].pack), 0);
		all_is_there();
		assert_int_equal(store_remove_pack(here, &at[0].pack), 0);
	}
	free(wrong);
}

/* Whatever call fails, there is a whole pack or none, and the next try brings it. */
static void failing_disk_leaves_nothing_half(void **state)
{
	static const enum fault_call kinds[] = {FAULT_OPEN,  FAULT_READ, FAULT_WRITE, FAULT_FSYNC,
	                                        FAULT_CHMOD, FAULT_LINK, FAULT_MKDIR, FAULT_TRUNCATE,
	                                        FAULT_STAT,  FAULT_LOCK, FAULT_UNLINK};
	struct stat st;

	(void)state;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		for (unsigned nth = 1; nth < 12; nth++) {
			fault_clear(&fault);
			fault_set(&fault, kinds[i], nth, 1, -EIO);
			adopt_pack(&adopt, from, &at[0].pack);
			fault_clear(&fault);
			if (store_stat_pack(here, &at[0].pack, &st) == 0)
				scratch_sh("cmp here/%s there/%s", path, path);
			assert_int_equal(adopt_pack(&adopt, from, &at[0].pack), 0);
			scratch_sh("cmp here/%s there/%s", path, path);
			assert_int_equal(store_remove_pack(here, &at[0].pack), 0);
			scratch_sh("rm -f here/tmp/*");
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(a_pack_comes_byte_for_byte, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(a_pack_that_is_not_there_is_enoent, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(damaged_pack_never_gets_its_name, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(remote_that_gives_less_or_wrong_bytes_is_refused, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(what_was_begun_is_gone_on_with, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(what_was_begun_wrong_is_begun_again, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(failing_disk_leaves_nothing_half, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
