/*
 * Writes good examples of every format, for the fuzz targets to begin with: DIR/TARGET/NAME each.
 *
 *     make DIR
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cache/codec.h"
#include "cache/condemned.h"
#include "cache/hint.h"
#include "cache/moved.h"
#include "cache/pack.h"
#include "cache/record.h"
#include "cache/ssh/serve_wire.h"
#include "cache/wire.h"
#include "fs/instep.h"
#include "fs/page.h"
#include "fs/pointer.h"
#include "fs/stat_cache.h"
#include "fuzz/support/fuzz.h"

static const struct io *io;
static int top;

/* Save LEN bytes behind the CONTROL_LEN bytes that the target takes for itself. */
static void save(const char *target, const char *name, const char *control, size_t control_len, const void *data,
                 size_t len)
{
	char path[128];
	struct buffer b = {0};
	buffer_append(&b, control, control_len);
	buffer_append(&b, data, len);
	REQUIRE(!b.failed && io_mkdir(io, top, target, 0777) == 0);
	snprintf(path, sizeof(path), "%s/%s", target, name);
	REQUIRE(io_replace_file(io, top, target, path, b.data, b.len, 0644) == 0);
	buffer_release(&b);
}

static const char text[] = "the same again, the same again, the same again, the same again, the same again";

/* A record of TEXT; returns the length, header included. */
static size_t make_record(unsigned kind, unsigned codec, const void *raw, uint32_t len, uint8_t *out, struct id *id)
{
	struct record_header header = {
	    .kind = (uint8_t)kind, .codec = (uint8_t)codec, .raw_len = len, .hashed_len = len};
	unsigned chosen = CODEC_RAW;
	header.stored_len = len;
	if (codec == CODEC_ZSTD)
		header.stored_len = (uint32_t)codec_encode(raw, len, 3, out + RECORD_HEADER_SIZE, &chosen);
	REQUIRE(chosen == codec);
	if (codec == CODEC_RAW)
		memcpy(out + RECORD_HEADER_SIZE, raw, len);
	record_header_encode(&header, out + RECORD_HEADER_SIZE, out);
	id_of(raw, len, id);
	return RECORD_HEADER_SIZE + (size_t)header.stored_len;
}

static void save_records(void)
{
	uint8_t record[1024];
	struct id id;
	size_t len = make_record(RECORD_CHUNK, CODEC_RAW, text, sizeof(text), record, &id);
	save("record", "raw", "\x01", 1, record, len);
	save("record", "raw-sealed", "\xc1", 1, record, len);
	len = make_record(RECORD_PAGE, CODEC_ZSTD, text, sizeof(text), record, &id);
	save("record", "zstd", "\x02", 1, record, len);
	save("record", "zstd-sealed", "\xc2", 1, record, len);
	const char control[] = {(char)(sizeof(text) - 1), 0, 0};
	save("codec", "zstd", control, 3, record + RECORD_HEADER_SIZE, len - RECORD_HEADER_SIZE);
}

/* A pack of three records, and what stands beside packs. */
static void save_pack(void)
{
	struct pack_writer *writer;
	struct pack *pack;
	struct pack_entry *entries;
	void *data;
	size_t len;
	uint8_t record[1024];
	REQUIRE(pack_writer_open(io, top, &writer) == 0);
	const struct pack_id id = *pack_writer_id(writer);
	for (uint32_t n = 0; n < 3; n++) {
		struct record_header header;
		struct id record_id;
		uint32_t offset;
		unsigned kind = n < 2 ? RECORD_CHUNK : RECORD_PAGE;
		size_t record_len =
		    make_record(kind, n == 1 ? CODEC_ZSTD : CODEC_RAW, text + n, sizeof(text) - n, record, &record_id);
		REQUIRE(record_decode_header(record, record_len, kind, &header) == 0);
		REQUIRE(pack_writer_add(writer, &record_id, &header, record + RECORD_HEADER_SIZE, &offset) == 0);
	}
	REQUIRE(pack_writer_finish(writer, top, ".", "a.pack", 0444) == 0);
	REQUIRE(io_read_file(io, top, "a.pack", 1 << 20, &data, &len) == 0);
	save("pack", "three", "\0", 1, data, len);
	save("pack", "three-sealed", "\1", 1, data, len);
	free(data);

	REQUIRE(pack_open(io, top, "a.pack", &id, &pack) == 0 && pack_read_index(pack, &entries) == 0);
	struct hint *hint;
	REQUIRE(io_mkdir(io, top, "hints", 0777) == 0 && io_mkdir(io, top, "tmp", 0777) == 0);
	REQUIRE(hint_open(io, top, &hint) == 0 && hint_add(hint, &id, entries, pack_count(pack)) == 0);
	REQUIRE(hint_write(hint, NULL, NULL) == 0);
	hint_close(hint);

	struct moved_entry moved[3];
	struct buffer out = {0};
	for (uint32_t n = 0; n < 3; n++)
		moved[n] = (struct moved_entry){.old_offset = 64 + 200 * n,
		                                .now = {.pack = id, .offset = 64, .stored_len = 9}};
	REQUIRE(moved_encode(&id, moved, 3, &out) == 0);
	save("moved", "three", "\0", 1, out.data, out.len);
	save("moved", "three-sealed", "\1", 1, out.data, out.len);

	struct condemned items[2] = {{.pack = id}, {.is_root = true, .root = entries[0].id}};
	buffer_clear(&out);
	REQUIRE(condemned_format(items, 2, 1700000000, &out) == 0);
	save("condemned", "two", "", 0, out.data, out.len);
	buffer_release(&out);
	free(entries);
	pack_close(pack);
}

static int save_hint(void *arg, const char *name)
{
	char path[64];
	void *data;
	size_t len;
	(void)arg;
	snprintf(path, sizeof(path), "hints/%s", name);
	REQUIRE(io_read_file(io, top, path, 1 << 20, &data, &len) == 0);
	save("hint_run", "one", "\0", 1, data, len);
	save("hint_run", "one-sealed", "\1", 1, data, len);
	free(data);
	return io_unlink(io, top, path);
}

static void save_page(const char *name, struct page_encoder *e)
{
	struct buffer out = {0};
	struct totals totals;
	uint32_t hashed_len;
	struct id id;
	REQUIRE(page_encoder_finish(e, &out, &hashed_len, &id, &totals) == 0);
	const size_t tail_len = out.len - hashed_len;
	const char control[] = {(char)tail_len, (char)(tail_len >> 8)};
	save("page", name, control, 2, out.data, out.len);
	buffer_release(&out);
}

static const struct locator somewhere = {.pack = {{1, 2, 3}}, .offset = 64, .stored_len = 100};
static const struct label_time sometime = {.seconds = 1700000000, .nanoseconds = 5, .known = true};

static void save_directory(struct page_encoder *e)
{
	static const uint8_t md5[17] = {FOREIGN_MD5, 7};
	const struct entry entries[] = {
	    {.name = "a",
	     .name_len = 1,
	     .kind = ENTRY_FILE,
	     .size = 3,
	     .inline_data = (const uint8_t *)"abc",
	     .time = sometime},
	    {.name = "b",
	     .name_len = 1,
	     .kind = ENTRY_FILE,
	     .executable = true,
	     .form = CONTENT_CHUNK,
	     .size = 5000,
	     .id = {{1}},
	     .locator = somewhere,
	     .time = sometime},
	    {.name = "c",
	     .name_len = 1,
	     .kind = ENTRY_FILE,
	     .form = CONTENT_LIST,
	     .size = 1 << 20,
	     .id = {{2}},
	     .locator = somewhere},
	    {.name = "d",
	     .name_len = 1,
	     .kind = ENTRY_DIRECTORY,
	     .id = {{3}},
	     .totals = {2, 3, 4},
	     .locator = somewhere},
	    {.name = "e",
	     .name_len = 1,
	     .kind = ENTRY_SYMLINK,
	     .size = 1,
	     .inline_data = (const uint8_t *)"a",
	     .time = {.seconds = -1, .known = true}},
	    {.name = "f", .name_len = 1, .kind = ENTRY_FOREIGN, .size = 99, .foreign = md5, .foreign_len = sizeof(md5)},
	};
	page_encoder_begin(e, PAGE_DIRECTORY, 0);
	save_page("empty", e);
	page_encoder_begin(e, PAGE_DIRECTORY, 0);
	for (size_t i = 0; i < sizeof(entries) / sizeof(*entries); i++)
		page_encoder_add(e, &entries[i]);
	save_page("directory", e);
}

static void save_pages(void)
{
	struct page_encoder e = {0};
	const struct entry file = {.name = "", .kind = ENTRY_FILE, .size = 2, .inline_data = (const uint8_t *)"hi"};
	const struct list_entry chunks[] = {{.id = {{1}}, .len = 20000, .count = 3, .locator = somewhere},
	                                    {.id = {{2}}, .len = 7, .count = 1}};
	const struct reference refs[] = {
	    {.last = "m", .last_len = 1, .id = {{4}}, .totals = {70, 70, 700}, .locator = somewhere},
	    {.last = "z", .last_len = 1, .id = {{5}}, .totals = {3, 9, 27}},
	};
	const struct reference list_refs[] = {
	    {.last = (const char *)chunks[0].id.bytes,
	     .last_len = ID_SIZE,
	     .id = {{4}},
	     .totals = {.entries = 70, .bytes = 1 << 22}},
	    {.last = (const char *)chunks[1].id.bytes,
	     .last_len = ID_SIZE,
	     .id = {{5}},
	     .totals = {.entries = 3, .bytes = 60000}},
	};
	save_directory(&e);
	page_encoder_begin(&e, PAGE_FILE, 0);
	page_encoder_add(&e, &file);
	save_page("file", &e);
	page_encoder_begin(&e, PAGE_LIST, 0);
	page_encoder_add_list(&e, &chunks[0]);
	page_encoder_add_list(&e, &chunks[1]);
	save_page("list", &e);
	page_encoder_begin(&e, PAGE_DIRECTORY, 1);
	page_encoder_add_reference(&e, &refs[0]);
	page_encoder_add_reference(&e, &refs[1]);
	save_page("above", &e);
	page_encoder_begin(&e, PAGE_LIST, 2);
	page_encoder_add_reference(&e, &list_refs[0]);
	page_encoder_add_reference(&e, &list_refs[1]);
	save_page("list-above", &e);
	page_encoder_release(&e);
}

static void save_texts(void)
{
	char pointer[POINTER_TEXT_MAX];
	const struct pointer example = {.root = {{0xab}}, .files = 12, .bytes = 3456};
	static const char instep[] =
	    "revfs-instep 1\nroot "
	    "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\nreplaces "
	    "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdee\ncheckout "
	    "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdea\npath data%20set\n";
	static const char first[] = "revfs-instep 1\nroot "
				    "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\n"
				    "replaces none\npath data\n";
	save("pointer", "directory", "", 0, pointer, pointer_format(&example, pointer));
	save("pointer", "conflict", "", 0, "<<<<<<< HEAD\nrevfs 1\n=======\n", 30);
	save("instep", "all", "", 0, instep, sizeof(instep) - 1);
	save("instep", "first", "", 0, first, sizeof(first) - 1);
	save("name", "git", "", 0, ".g\xe2\x80\x8cIt . :x", 12);
	save("name", "backslash", "", 0, "a\\GIT~1", 7);
	save("name", "pointer", "", 0, "data.revfs", 10);
}

static void save_objects(void)
{
	static const char commit[] = "tree 0123456789abcdef0123456789abcdef01234567\n"
				     "parent 0123456789abcdef0123456789abcdef01234568\n"
				     "author A U Thor <a@example.org> 1700000000 +0100\n"
				     "committer C O Mitter <c@example.org> 1700000001 -0200\n\nsummary\n\nbody\n";
	static const char tag[] = "object 0123456789abcdef0123456789abcdef01234567\ntype commit\ntag v1\n"
				  "tagger A U Thor <a@example.org> 1700000000 +0100\n\nmessage\n";
	static const char tree[] = "100644 a\0"
				   "01234567890123456789"
				   "40000 b\0"
				   "01234567890123456789"
				   "120000 c\0"
				   "01234567890123456789";
	static const char patterns[] = "*.tmp\n!keep.tmp\n/top/\na/**/b[!x-z]?\n\ntop/a/x/bq1";
	save("object", "commit", "\0", 1, commit, sizeof(commit) - 1);
	save("object", "tree", "\1", 1, tree, sizeof(tree) - 1);
	save("object", "tag", "\2", 1, tag, sizeof(tag) - 1);
	save("exclude", "patterns", "", 0, patterns, sizeof(patterns) - 1);
}

static void save_stat_cache(void)
{
	const struct timespec start = {.tv_sec = 1700000000};
	struct stat_cache_writer *writer;
	struct stat_cache_entry entry = {.kind = ENTRY_FILE, .stamp = {.size = 3, .ino = 77, .mode = 0644}};
	void *data;
	size_t len;
	entry.content.size = 3;
	entry.stamp.mtime.tv_sec = entry.stamp.ctime.tv_sec = 1600000000;
	REQUIRE(stat_cache_writer_open(io, top, "cache", &start, &writer) == 0);
	stat_cache_writer_add(writer, "a", 1, &entry);
	stat_cache_writer_enter(writer, "b", 1);
	stat_cache_writer_add(writer, "cx", 2, &entry);
	stat_cache_writer_leave(writer);
	entry.content.form = CONTENT_CHUNK;
	entry.content.size = entry.stamp.size = 5000;
	stat_cache_writer_add(writer, "d", 1, &entry);
	REQUIRE(stat_cache_writer_finish(writer, NULL) == 0);
	REQUIRE(io_read_file(io, top, "cache", 1 << 20, &data, &len) == 0);
	/* find a; enter b; find cx; leave; find d; differs */
	save("stat_cache", "walk", "\0\xc0\x01\xca\x40\xc3\x80\0\0\0\0\0\0\0\0\0", 17, data, len);
	save("stat_cache", "walk-sealed", "\1\xc0\x01\xca\x40\xc3\x80\0\0\0\0\0\0\0\0\0", 17, data, len);
	free(data);
	io_unlink(io, top, "cache");
}

/* Answers of an S3 service. */
static void save_xml(void)
{
	static const char page[] = "<?xml version=\"1.0\"?><ListBucketResult xmlns=\"x\"><Contents><Key>a%20b+c</Key>"
				   "<LastModified>2001-09-09T01:46:40.000Z</LastModified><Size>12</Size></Contents>"
				   "<EncodingType>url</EncodingType><IsTruncated>true</IsTruncated>"
				   "<NextContinuationToken>x&amp;</NextContinuationToken></ListBucketResult>";
	static const char error[] = "<Error><Code>PermanentRedirect</Code><Region>eu-west-1</Region></Error>";
	static const char upload[] =
	    "<InitiateMultipartUploadResult><UploadId>a/b</UploadId></InitiateMultipartUploadResult>";
	save("s3_xml", "page", "", 0, page, strlen(page));
	save("s3_xml", "error", "", 0, error, strlen(error));
	save("s3_xml", "upload", "", 0, upload, strlen(upload));
}

/* A conversation, one side and the other. */
static void save_frames(void)
{
	static const struct serve_wire frames[] = {
	    {.kind = SERVE_WIRE_READ, .number = 1, .path = "packs/ab/abcd", .offset = 70000, .len = 4096},
	    {.kind = SERVE_WIRE_STAT, .number = 2, .path = "revfs-store"},
	    {.kind = SERVE_WIRE_PUT,
	     .number = 3,
	     .path = "roots/ab/cd",
	     .total = sizeof(text),
	     .data = (const uint8_t *)text,
	     .data_len = sizeof(text)},
	    {.kind = SERVE_WIRE_PIECE, .number = 3, .data = (const uint8_t *)text, .data_len = 9},
	    {.kind = SERVE_WIRE_REMOVE, .number = 4, .path = "condemned/ab"},
	    {.kind = SERVE_WIRE_LIST, .number = 5, .path = "packs"},
	    {.kind = SERVE_WIRE_MORE, .number = 5, .len = 65536},
	    {.kind = SERVE_WIRE_CANCEL, .number = 5},
	    {.kind = SERVE_WIRE_DATA, .number = 1, .data = (const uint8_t *)text, .data_len = 20},
	    {.kind = SERVE_WIRE_FOUND, .number = 2, .st = {.size = 16, .time = {.tv_sec = 1700000000}}},
	    {.kind = SERVE_WIRE_DONE, .number = 4, .error = -ENOENT},
	    {.kind = SERVE_WIRE_ALIVE},
	};
	struct buffer sides[2] = {0}, entries = {0};
	serve_wire_put_entry(&entries, "packs/ab/abcd", &frames[9].st);
	serve_wire_put_entry(&entries, "packs/ab/abce", &frames[9].st);
	for (size_t i = 0; i < sizeof(frames) / sizeof(frames[0]); i++)
		serve_wire_encode(&frames[i], &sides[frames[i].kind >= SERVE_WIRE_DATA]);
	serve_wire_encode(
	    &(struct serve_wire){
		.kind = SERVE_WIRE_ENTRIES, .number = 5, .data = entries.data, .data_len = entries.len},
	    &sides[1]);
	save("serve_wire", "client", "\0", 1, sides[0].data, sides[0].len);
	save("serve_wire", "server", "\1", 1, sides[1].data, sides[1].len);
	uint8_t greeting[SERVE_WIRE_GREETING_SIZE];
	serve_wire_greet(greeting, SERVE_WIRE_READ_ONLY);
	save("serve_wire", "greeting", "\1", 1, greeting, sizeof(greeting));
	for (size_t i = 0; i < 2; i++)
		buffer_release(&sides[i]);
	buffer_release(&entries);
}

int main(int argc, char **argv)
{
	if (argc != 2) {
		fprintf(stderr, "usage: %s DIR\n", argv[0]);
		return 2;
	}
	io = io_system();
	top = io_open(io, AT_FDCWD, argv[1], O_RDONLY | O_DIRECTORY, 0);
	if (top < 0) {
		fprintf(stderr, "can't open '%s': %s\n", argv[1], strerror(-top));
		return 1;
	}
	save_records();
	save_pack();
	REQUIRE(io_list(io, top, "hints", save_hint, NULL) == 0);
	save_pages();
	save_texts();
	save_objects();
	save_stat_cache();
	save_xml();
	save_frames();
	io_unlink(io, top, "a.pack");
	unlinkat(top, "hints", AT_REMOVEDIR);
	unlinkat(top, "tmp", AT_REMOVEDIR);
	io_close(io, top);
	return 0;
}
