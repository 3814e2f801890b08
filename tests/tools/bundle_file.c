/* Bundles as files: what was put is read back and found again; what is no bundle is refused. */
#include "tools/bundle_file.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cache/store.h"
#include "tests/support/scratch.h"
#include "tools/bundle_manifest.h"

#define MANIFEST "revfs-bundle 1\nwants 0123456789012345678901234567890123456789 main\n"
#define PACK "packs/ab/ab000000000000000000000000000000"
#define ROOT "roots/cd/cd00000000000000000000000000000000000000000000000000000000000000"

static int set_up(void **state)
{
	(void)state;
	scratch_open_in_memory();
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	scratch_close();
	return 0;
}

static void put(struct remote *remote, const char *path, const void *data, size_t len)
{
	assert_int_equal(remote_put(remote, path, &(struct remote_body){.data = data, .len = len}, false), 0);
}

/* A small bundle, as the file "b"; its path. */
static char *make(void)
{
	char *path = scratch_path("b");
	struct bundle_writer *writer;
	struct remote *remote;
	struct remote_stat st;
	uint8_t bytes[700];
	uint64_t size;

	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(i * 7);
	assert_int_equal(bundle_writer_open(path, &writer), 0);
	assert_int_equal(bundle_writer_remote(writer, &remote), 0);
	put(remote, BUNDLE_MANIFEST, MANIFEST, strlen(MANIFEST));
	put(remote, STORE_VERSION_FILE, STORE_VERSION_TEXT, strlen(STORE_VERSION_TEXT));
	put(remote, PACK, bytes, sizeof(bytes));
	put(remote, PACK ".moved", bytes, 10);
	put(remote, ROOT, bytes, 100);
	assert_int_equal(remote_put(remote, PACK, &(struct remote_body){.data = "", .len = 0}, false), -EEXIST);
	/* What was put is there. */
	assert_int_equal(remote_stat(remote, PACK, &st), 0);
	assert_int_equal(st.size, sizeof(bytes));
	memset(bytes, 0, sizeof(bytes));
	assert_int_equal(remote_read(remote, PACK, 690, bytes, 50), 10);
	for (size_t i = 0; i < 10; i++)
		assert_int_equal(bytes[i], (uint8_t)((i + 690) * 7));
	assert_int_equal(remote_read(remote, PACK, 700, bytes, 50), 0);
	assert_int_equal(remote_stat(remote, "packs/none", &st), -ENOENT);
	assert_int_equal(bundle_writer_finish(writer, &size), 0);
	remote_close(remote);
	bundle_writer_close(writer);
	assert_int_equal(bundle_writer_open(path, &writer), -EEXIST);
	return path;
}

/* Read all of it: the number of files, or what reading said. */
static int read_all(const char *path)
{
	struct bundle_reader *reader;
	struct bundle_entry entry;
	int count = 0, more = bundle_reader_open(path, &reader);

	if (more)
		return more;
	while ((more = bundle_reader_next(reader, &entry)) > 0) {
		uint8_t bytes[64];
		uint64_t len = 0;
		ssize_t got = 0;

		count++;
		if (entry.what == BUNDLE_IS_STORE || entry.what == BUNDLE_IS_END)
			continue;
		while ((got = bundle_reader_read(reader, bytes, sizeof(bytes))) > 0)
			len += (uint64_t)got;
		if (got < 0 || len != entry.size) {
			more = -EBADMSG;
			break;
		}
	}
	bundle_reader_close(reader);
	return more < 0 ? more : count;
}

static void what_was_put_is_found(void **state)
{
	static const unsigned kinds[] = {BUNDLE_IS_MANIFEST, BUNDLE_IS_STORE, BUNDLE_IS_PACK,
	                                 BUNDLE_IS_MOVED,    BUNDLE_IS_ROOT,  BUNDLE_IS_END};
	char *path = make();
	struct bundle_reader *reader;
	struct bundle_entry entry;
	void *data;

	(void)state;
	assert_int_equal(bundle_reader_open(path, &reader), 0);
	for (unsigned i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		assert_int_equal(bundle_reader_next(reader, &entry), 1);
		assert_int_equal(entry.what, kinds[i]);
		if (entry.what == BUNDLE_IS_MANIFEST) {
			assert_int_equal(bundle_reader_read_all(reader, &entry, 10, &data), -EBADMSG);
			assert_int_equal(bundle_reader_read_all(reader, &entry, 1000, &data), 0);
			assert_string_equal(data, MANIFEST);
			free(data);
		}
		if (entry.what == BUNDLE_IS_PACK)
			assert_int_equal(entry.pack.bytes[0], 0xab);
		if (entry.what == BUNDLE_IS_ROOT)
			assert_int_equal(entry.root.bytes[0], 0xcd);
	}
	assert_int_equal(bundle_reader_next(reader, &entry), 0);
	bundle_reader_close(reader);
	free(path);
}

static void *load(const char *path, size_t *len)
{
	void *data;

	assert_int_equal(io_read_file(io_system(), -1, path, 1 << 20, &data, len), 0);
	return data;
}

static void save(const char *path, const void *data, size_t len)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	assert_int_equal(fwrite(data, 1, len, file), len);
	assert_int_equal(fclose(file), 0);
}

/* Only the empty blocks that tar ends with may lack. */
static void every_truncation_is_refused(void **state)
{
	char *path = make(), *cut = scratch_path("cut");
	size_t len;
	uint8_t *bytes = load(path, &len);

	(void)state;
	assert_int_equal(read_all(path), 6);
	assert_true(len > 6 * 512 + 1024);
	for (size_t i = 0; i < len; i++) {
		int answer;

		save(cut, bytes, i);
		answer = read_all(cut);
		assert_true(answer == -EBADMSG || (answer == 6 && i >= len - 1024 - 512));
	}
	free(bytes);
	free(cut);
	free(path);
}

/* In a header and in the texts that the reader reads; the rest is for whoever reads what is in it. */
static void every_flipped_byte_of_headers_is_refused(void **state)
{
	char *path = make(), *bad = scratch_path("bad");
	size_t len, checked = 0;
	uint8_t *bytes = load(path, &len);

	(void)state;
	for (size_t i = 0; i < len; i++) {
		int answer;

		bytes[i] ^= 1;
		save(bad, bytes, len);
		answer = read_all(bad);
		bytes[i] ^= 1;
		assert_true(answer == -EBADMSG || answer == -ENOTSUP || answer == 6);
		/* The name and the sum of the header of the pack. */
		if (i >= 4 * 512 && i < 4 * 512 + sizeof(PACK) - 1) {
			assert_int_equal(answer, -EBADMSG);
			checked++;
		}
	}
	assert_int_equal(checked, sizeof(PACK) - 1);
	free(bytes);
	free(bad);
	free(path);
}

static int parse(const char *text, size_t len)
{
	struct bundle_manifest manifest = {0};
	int error = bundle_manifest_parse(&manifest, text, len);

	bundle_manifest_release(&manifest);
	return error;
}

static void a_manifest_says_what_was_said(void **state)
{
	struct bundle_manifest manifest = {0}, again = {0};
	struct oid oid;
	char *text;

	(void)state;
	assert_int_equal(oid_parse("0123456789012345678901234567890123456789", 40, &oid), 0);
	assert_int_equal(bundle_manifest_add(&manifest, "main", &oid, false), 0);
	assert_int_equal(bundle_manifest_add(&manifest, "HEAD@{2 days ago}", &oid, true), 0);
	text = bundle_manifest_format(&manifest);
	assert_non_null(text);
	assert_int_equal(bundle_manifest_parse(&again, text, strlen(text)), 0);
	assert_int_equal(again.count, 2);
	assert_false(again.revisions[0].is_since);
	assert_true(again.revisions[1].is_since);
	assert_string_equal(again.revisions[1].name, "HEAD@{2 days ago}");
	assert_true(oid_equal(&again.revisions[1].commit, &oid));
	/* Cut off, it is one only where a line ends. */
	for (size_t i = 0; i < strlen(text); i++)
		assert_int_equal(parse(text, i), i > 0 && text[i - 1] == '\n' ? 0 : -EBADMSG);
	assert_int_equal(parse("revfs-bundle 2\n", 15), -ENOTSUP);
	assert_int_equal(parse("revfs-bundle 1\nmay 01 x\n", 24), -EBADMSG);
	assert_int_equal(parse(MANIFEST "\0\n", sizeof(MANIFEST) + 1), -EBADMSG);
	free(text);
	bundle_manifest_release(&manifest);
	bundle_manifest_release(&again);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(what_was_put_is_found, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(every_truncation_is_refused, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(every_flipped_byte_of_headers_is_refused, set_up, tear_down),
	    cmocka_unit_test(a_manifest_says_what_was_said),
	};

	return cmocka_run_group_tests_name("bundle_file", tests, NULL, NULL);
}
