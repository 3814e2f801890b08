#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/garden.h"
#include "tests/support/scratch.h"

static struct garden garden;

static int setup(void **state)
{
	(void)state;
	garden_open(&garden);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	garden_close(&garden);
	return 0;
}

static struct built plant(void)
{
	struct model m = {0};
	struct built built;

	model_set(&m, "a", ENTRY_FILE, false, 3);
	model_set(&m, "b", ENTRY_FILE, false, 4);
	built = garden_plant(&garden, &m);
	model_release(&m);
	return built;
}

static void a_page_is_loaded_once(void **state)
{
	struct built built = plant();
	struct page_pin first = {0}, second = {0};

	(void)state;
	assert_int_equal(source_pin_page(garden.source, PAGE_DIRECTORY, &built.id, &built.locator, &first), 0);
	assert_int_equal(source_pin_page(garden.source, PAGE_DIRECTORY, &built.id, NULL, &second), 0);
	assert_ptr_equal(first.page, second.page);
	assert_int_equal(first.page->count, 2);
	assert_int_equal(source_pages_loaded(garden.source), 1);
	source_unpin_page(garden.source, &first);
	assert_null(first.page);
	source_unpin_page(garden.source, &first);
	source_unpin_page(garden.source, &second);
	assert_ptr_equal(source_memory(garden.source), garden.memory);
	assert_ptr_equal(source_store(garden.source), garden.store);
}

static void a_page_of_another_kind_is_damage(void **state)
{
	struct built built = plant();
	struct page_pin pin = {0};

	(void)state;
	assert_int_equal(source_pin_page(garden.source, PAGE_LIST, &built.id, &built.locator, &pin), -EBADMSG);
	assert_int_equal(source_pin_page(garden.source, PAGE_FILE, &built.id, &built.locator, &pin), -EBADMSG);
	assert_null(pin.page);
	assert_int_equal(source_pin_page(garden.source, PAGE_DIRECTORY, &built.id, &built.locator, &pin), 0);
	source_unpin_page(garden.source, &pin);
}

static void what_no_store_holds_is_enodata(void **state)
{
	struct id id = {{1, 2, 3}};
	struct page_pin pin = {0};
	struct memory_value value;

	(void)state;
	assert_int_equal(source_pin_page(garden.source, PAGE_DIRECTORY, &id, NULL, &pin), -ENODATA);
	assert_int_equal(source_pin_root(garden.source, PAGE_DIRECTORY, &id, &pin), -ENODATA);
	assert_int_equal(source_pin_chunk(garden.source, &id, 10, NULL, &value), -ENODATA);
}

static void a_chunk_has_the_length_it_is_said_to_have(void **state)
{
	struct list_entry chunk = garden_chunk(&garden, "hello", 5);
	struct memory_value value;

	(void)state;
	assert_int_equal(source_pin_chunk(garden.source, &chunk.id, 4, &chunk.locator, &value), -EBADMSG);
	assert_int_equal(source_pin_chunk(garden.source, &chunk.id, 6, &chunk.locator, &value), -EBADMSG);
	assert_int_equal(source_pin_chunk(garden.source, &chunk.id, 5, &chunk.locator, &value), 0);
	assert_memory_equal(value.data, "hello", 5);
	source_unpin_chunk(garden.source, &value, false);
	assert_int_equal(source_chunks_loaded(garden.source), 1);
}

/* A file may hold bytes that look like a page; a page is not a chunk and a chunk is no page. */
static void records_of_two_kinds_do_not_meet(void **state)
{
	struct page_encoder e = {0};
	struct buffer stored = {0};
	struct memory_value value;
	struct page_pin pin = {0};
	struct totals totals;
	struct id id;
	uint32_t len;

	(void)state;
	page_encoder_begin(&e, PAGE_DIRECTORY, 0);
	assert_int_equal(page_encoder_finish(&e, &stored, &len, &id, &totals), 0);
	struct list_entry chunk = garden_chunk(&garden, stored.data, len);
	assert_true(id_equal(&chunk.id, &id));
	assert_int_equal(source_pin_page(garden.source, PAGE_DIRECTORY, &id, &chunk.locator, &pin), -ENODATA);
	struct built page = garden_forge(&garden, &e);
	assert_int_equal(source_pin_page(garden.source, PAGE_DIRECTORY, &id, &page.locator, &pin), 0);
	assert_int_equal(source_pin_chunk(garden.source, &id, len, &page.locator, &value), 0);
	assert_memory_equal(value.data, stored.data, len);
	source_unpin_chunk(garden.source, &value, false);
	source_unpin_page(garden.source, &pin);
	buffer_release(&stored);
}

static void a_wrong_locator_costs_only_time(void **state)
{
	struct built built = plant();
	struct locator wrong = built.locator;
	struct page_pin pin = {0};

	(void)state;
	assert_int_equal(store_writer_commit(garden.writer), 0);
	wrong.offset += 3;
	assert_int_equal(source_pin_page(garden.source, PAGE_DIRECTORY, &built.id, &wrong, &pin), 0);
	source_unpin_page(garden.source, &pin);
	garden_forget(&garden);
	wrong.pack.bytes[0] ^= 1;
	assert_int_equal(source_pin_page(garden.source, PAGE_DIRECTORY, &built.id, &wrong, &pin), 0);
	source_unpin_page(garden.source, &pin);
}

/* The same root again after its pack is gone, and after its root file is. */
static void a_root_is_read_from_its_file_or_from_the_packs(void **state)
{
	struct built built = plant();
	struct page_pin pin = {0};
	struct store *store;
	struct memory *memory;
	struct source *source;
	char hex[ID_HEX_SIZE];

	(void)state;
	assert_int_equal(store_writer_commit(garden.writer), 0);
	assert_int_equal(builder_put_root(garden.store, garden.writer, &built), 0);
	id_format(&built.id, hex);
	scratch_sh("cp -r store without-packs; rm -rf without-packs/packs/* without-packs/hints/*; "
	           "cp -r store without-root; rm without-root/roots/*/%s; "
	           "cp -r store damaged-root; cd damaged-root/roots/*/; chmod u+w %s; printf x | "
	           "dd of=%s bs=1 seek=80 conv=notrunc status=none",
	           hex, hex, hex);
	static const char *const names[] = {"store", "without-packs", "without-root", "damaged-root"};
	for (unsigned i = 0; i < 4; i++) {
		char *path = scratch_path(names[i]);

		assert_int_equal(store_open(io_system(), path, STORE_READ_ONLY, 0, &store), 0);
		assert_int_equal(memory_open(1 << 20, &memory), 0);
		assert_int_equal(source_open(store, memory, NULL, &source), 0);
		assert_int_equal(source_pin_root(source, PAGE_DIRECTORY, &built.id, &pin), 0);
		assert_int_equal(pin.page->count, 2);
		source_unpin_page(source, &pin);
		source_close(source);
		memory_close(memory);
		store_close(store);
		free(path);
	}
	/* Nothing is left: what was wrong with the root file is told. */
	scratch_sh("rm -rf damaged-root/packs/* damaged-root/hints/*");
	char *path = scratch_path("damaged-root");
	assert_int_equal(store_open(io_system(), path, STORE_READ_ONLY, 0, &store), 0);
	assert_int_equal(memory_open(1 << 20, &memory), 0);
	assert_int_equal(source_open(store, memory, NULL, &source), 0);
	assert_int_equal(source_pin_root(source, PAGE_DIRECTORY, &built.id, &pin), -EBADMSG);
	source_close(source);
	memory_close(memory);
	store_close(store);
	free(path);
}

struct reader {
	struct source *source;
	const struct built *built;
	int result;
};

static void *read_many(void *arg)
{
	struct reader *reader = arg;

	for (unsigned i = 0; i < 200 && reader->result == 0; i++) {
		struct page_pin pin = {0};

		reader->result = source_pin_page(reader->source, PAGE_DIRECTORY, &reader->built->id, NULL, &pin);
		if (reader->result == 0 && pin.page->count != 2)
			reader->result = -EINVAL;
		source_unpin_page(reader->source, &pin);
	}
	return NULL;
}

static void threads_share_one_load(void **state)
{
	struct built built = plant();
	struct source *source;
	pthread_t threads[4];
	struct reader readers[4];

	(void)state;
	assert_int_equal(store_writer_commit(garden.writer), 0);
	assert_int_equal(source_open(garden.store, garden.memory, NULL, &source), 0);
	for (unsigned i = 0; i < 4; i++) {
		readers[i] = (struct reader){source, &built, 0};
		assert_int_equal(pthread_create(&threads[i], NULL, read_many, &readers[i]), 0);
	}
	for (unsigned i = 0; i < 4; i++) {
		pthread_join(threads[i], NULL);
		assert_int_equal(readers[i].result, 0);
	}
	assert_int_equal(source_pages_loaded(source), 1);
	source_close(source);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(a_page_is_loaded_once),
	    TEST(a_page_of_another_kind_is_damage),
	    TEST(what_no_store_holds_is_enodata),
	    TEST(a_chunk_has_the_length_it_is_said_to_have),
	    TEST(records_of_two_kinds_do_not_meet),
	    TEST(a_wrong_locator_costs_only_time),
	    TEST(a_root_is_read_from_its_file_or_from_the_packs),
	    TEST(threads_share_one_load),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
