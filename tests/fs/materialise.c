#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

#include "cache/chunker.h"
#include "fs/materialise.h"
#include "fs/name.h"
#include "tests/support/damage.h"
#include "tests/support/garden.h"
#include "tests/support/scratch.h"

static struct garden garden;
static struct place_world world;
static int target; /* the folder that is written to */

/* What the callbacks told. */
static struct {
	char failures[4096];
	atomic_uint written;
	atomic_uint kept;
} told;

static int setup(void **state)
{
	char *path;

	(void)state;
	garden_open(&garden);
	world = (struct place_world){.source = garden.source};
	memset(&told, 0, sizeof(told));
	path = scratch_path("target");
	assert_int_equal(mkdir(path, 0777), 0);
	target = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(target >= 0);
	free(path);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	close(target);
	garden_close(&garden);
	return 0;
}

/* Workers read through a source of their own: the garden's belongs to the writer's thread. */
static void commit(void)
{
	assert_int_equal(store_writer_commit(garden.writer), 0);
	source_close(garden.source);
	assert_int_equal(source_open(garden.store, garden.memory, NULL, &garden.source), 0);
	world.source = garden.source;
}

static void written(void *arg, const char *path, const struct place *place, const struct deposited *result)
{
	(void)arg;
	(void)path;
	(void)place;
	told.written++;
	told.kept += result->kept;
}

static void failed(void *arg, const char *path, int error, bool cannot_write)
{
	size_t len = strlen(told.failures);

	(void)arg;
	snprintf(told.failures + len, sizeof(told.failures) - len, "%s %s%s\n", path, strerrorname_np(-error),
	         cannot_write ? " written" : "");
}

static struct materialise *begin(enum deposit_way way, const atomic_bool *stop)
{
	struct materialise_options options = {
	    .world = &world, .way = way, .threads = 3, .stop = stop, .written = written, .failed = failed};
	struct materialise *m;

	assert_int_equal(materialise_open(&options, target, &m), 0);
	return m;
}

static struct place place_of(const struct built *tree)
{
	struct place place = {
	    .kind = PLACE_DATA_DIRECTORY, .directory = garden_directory(tree), .commit_time = 1234567890};

	place.time.tv_sec = 1234567890;
	return place;
}

static struct materialise_stats export(const struct built *tree)
{
	struct materialise *m = begin(DEPOSIT_PRIVATE, NULL);
	struct materialise_stats stats;
	struct place place = place_of(tree);

	assert_int_equal(materialise_tree(m, "", &place), 0);
	assert_int_equal(materialise_finish(m, &stats), 0);
	return stats;
}

static void assert_file(const char *path, const void *data, size_t len, mode_t mode)
{
	uint8_t *got = malloc(len + 1);
	struct stat st;
	int fd = openat(target, path, O_RDONLY | O_NOFOLLOW);

	assert_true(fd >= 0);
	assert_int_equal(read(fd, got, len + 1), len);
	assert_memory_equal(got, data, len);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_mode & 07777, mode);
	close(fd);
	free(got);
}

static void assert_link(const char *path, const char *expected)
{
	char got[4200];
	ssize_t len = readlinkat(target, path, got, sizeof(got));

	assert_int_equal(len, strlen(expected));
	assert_memory_equal(got, expected, (size_t)len);
}

/* Every item of the model stands on disk, and the folder holds nothing else. */
static void assert_on_disk(const struct model *m)
{
	char *names = scratch_output("cd target && find . -mindepth 1 -printf x | wc -c");

	assert_int_equal(strtoul(names, NULL, 10), m->count);
	free(names);
	for (size_t i = 0; i < m->count; i++) {
		struct entry entry = model_entry(&m->items[i]);
		char text[256] = "";
		struct stat st;

		assert_int_equal(fstatat(target, m->items[i].path, &st, AT_SYMLINK_NOFOLLOW), 0);
		if (entry.kind == ENTRY_DIRECTORY) {
			assert_true(S_ISDIR(st.st_mode));
			assert_int_equal(st.st_mtime, 1234567890);
		} else if (entry.kind == ENTRY_SYMLINK) {
			memcpy(text, entry.inline_data, entry.size);
			assert_link(m->items[i].path, text);
		} else {
			assert_file(m->items[i].path, entry.inline_data, entry.size, entry.executable ? 0755 : 0644);
			assert_int_equal(st.st_mtime, 1234567890);
		}
	}
}

static void make_model(struct model *m, unsigned steps)
{
	uint64_t random = steps;

	for (unsigned i = 0; i < steps; i++) {
		char path[MODEL_PATH_MAX] = "";
		const struct item *above = m->count > 0 ? &m->items[garden_random(&random, (unsigned)m->count)] : NULL;
		unsigned kind = garden_random(&random, 10);

		if (above && above->kind == ENTRY_DIRECTORY && strlen(above->path) < 60)
			snprintf(path, sizeof(path), "%.60s/%u", above->path, i);
		else
			snprintf(path, sizeof(path), "%u", i);
		model_set(m, path, kind < 6 ? ENTRY_FILE : kind < 9 ? ENTRY_DIRECTORY : ENTRY_SYMLINK, kind == 0, i);
	}
}

static void a_tree_is_written_whole(void **state)
{
	struct model m = {0};
	struct built tree;
	struct materialise_stats stats;

	(void)state;
	make_model(&m, 800);
	tree = garden_plant(&garden, &m);
	commit();
	stats = export(&tree);
	assert_on_disk(&m);
	assert_int_equal(stats.failed, 0);
	assert_int_equal(stats.files + stats.directories, m.count);
	assert_int_equal(stats.kept, 0);
	assert_int_equal(told.written, stats.files);
	model_release(&m);
}

/* Some files are whole, one lost its end, one its time, one is gone, a folder is gone. */
static void what_is_whole_is_kept_when_run_again(void **state)
{
	struct model m = {0};
	struct built tree;
	struct materialise_stats first, second;

	(void)state;
	make_model(&m, 300);
	tree = garden_plant(&garden, &m);
	commit();
	first = export(&tree);
	scratch_sh("cd target && files=$(find . -type f -size +4c | sort) && set -- $files && truncate -s 2 $1 && "
	           "touch $2 && rm $3 && rm $4 && ln -s /etc/passwd $4 && printf 'other bytes' > $5");
	second = export(&tree);
	assert_on_disk(&m);
	assert_int_equal(second.files, first.files);
	assert_int_equal(second.kept, first.files - 5);
	assert_int_equal(told.kept, second.kept);
	second = export(&tree);
	assert_int_equal(second.kept, first.files);
	model_release(&m);
}

static struct content store_content(const uint8_t *data, size_t len)
{
	struct content_builder b;
	struct content content;

	content_builder_init(&b, garden.writer);
	for (size_t at = 0; at < len;) {
		size_t cut = chunker_cut(data + at, len - at, true);
		struct list_entry chunk = garden_chunk(&garden, data + at, (uint32_t)cut);

		assert_int_equal(content_builder_add(&b, &chunk), 0);
		at += cut;
	}
	assert_int_equal(content_builder_finish(&b, &content), 0);
	content_builder_release(&b);
	return content;
}

/* One directory of files with these contents, "f0", "f1"... */
static struct built plant_files(const struct content *contents, unsigned count)
{
	struct builder *b;
	struct built tree;

	assert_int_equal(builder_open(garden.writer, PAGE_DIRECTORY, &b), 0);
	for (unsigned i = 0; i < count; i++) {
		char name[16];
		struct entry entry = garden_file(name, 0);

		entry.name_len = (uint16_t)snprintf(name, sizeof(name), "f%u", i);
		content_set_entry(&contents[i], &entry);
		entry.time = (struct label_time){1000 + i, 5, true};
		assert_int_equal(builder_add(b, &entry), 0);
	}
	assert_int_equal(builder_finish(b, &tree), 0);
	builder_close(b);
	return tree;
}

static void holes_are_written_as_holes(void **state)
{
	const size_t most = 40 * CHUNK_MAX;
	uint8_t *data = calloc(1, most);
	struct content contents[3];
	struct built tree;
	struct stat st;

	(void)state;
	damage_noise(1, data, 100000);
	damage_noise(2, data + 30 * CHUNK_MAX, 100000);
	contents[0] = store_content(data, most);                       /* hole in the middle and at the end */
	contents[1] = store_content(data + CHUNK_MAX, 20 * CHUNK_MAX); /* nothing else */
	contents[2] = store_content(data, 90000);
	tree = plant_files(contents, 3);
	commit();
	export(&tree);
	assert_file("f0", data, most, 0644);
	assert_file("f1", data + CHUNK_MAX, 20 * CHUNK_MAX, 0644);
	assert_file("f2", data, 90000, 0644);
	assert_int_equal(fstatat(target, "f0", &st, 0), 0);
	assert_true(st.st_blocks * 512 < 8 * CHUNK_MAX);
	assert_int_equal(st.st_mtim.tv_sec, 1000);
	assert_int_equal(st.st_mtim.tv_nsec, 5);
	assert_int_equal(fstatat(target, "f1", &st, 0), 0);
	assert_int_equal(st.st_blocks, 0);
	free(data);
}

static void a_missing_chunk_costs_one_file(void **state)
{
	uint8_t *data = malloc(200000);
	struct content contents[3];
	struct built tree;
	struct materialise_stats stats;

	(void)state;
	damage_noise(3, data, 200000);
	for (unsigned i = 0; i < 3; i++)
		contents[i] = store_content(data + i, 5000);
	contents[1].id.bytes[0] ^= 1;
	contents[1].locator.offset = 0;
	tree = plant_files(contents, 3);
	commit();
	stats = export(&tree);
	assert_string_equal(told.failures, "f1 ENODATA\n");
	assert_int_equal(stats.failed, 1);
	assert_int_equal(stats.files, 2);
	assert_file("f0", data, 5000, 0644);
	assert_file("f2", data + 2, 5000, 0644);
	assert_int_equal(faccessat(target, "f1", F_OK, 0), -1);
	free(data);
}

static void hostile_entries_are_never_written(void **state)
{
	struct page_encoder e = {0};
	static const uint8_t md5[17] = {FOREIGN_MD5};
	struct entry file = garden_file(".git", 5),
		     directory = {.kind = ENTRY_DIRECTORY, .name = ".Git", .name_len = 4};
	struct entry foreign = {
	    .kind = ENTRY_FOREIGN, .name = "foreign", .name_len = 7, .foreign = md5, .foreign_len = 17};
	struct entry good = garden_file("good", 5);
	struct built tree;

	(void)state;
	page_encoder_begin(&e, PAGE_DIRECTORY, 0);
	directory.id = garden_forge(&garden, &e).id;
	page_encoder_begin(&e, PAGE_DIRECTORY, 0);
	page_encoder_add(&e, &directory);
	page_encoder_add(&e, &file);
	page_encoder_add(&e, &foreign);
	page_encoder_add(&e, &good);
	tree = garden_forge(&garden, &e);
	commit();
	export(&tree);
	char *names = scratch_output("cd target && ls -A");
	assert_string_equal(names, "good");
	free(names);
	assert_non_null(strstr(told.failures, ".Git EIO\n"));
	assert_non_null(strstr(told.failures, ".git EIO\n"));
	assert_non_null(strstr(told.failures, "foreign "));
}

static struct place file_place(const char *text, bool executable)
{
	struct place place = {.kind = PLACE_DATA_FILE, .executable = executable, .size = strlen(text)};

	place.content.size = place.size;
	memcpy(place.content.inline_data, text, place.size);
	return place;
}

static struct place link_place(const char *text)
{
	struct place place = file_place(text, false);

	place.kind = PLACE_DATA_LINK;
	return place;
}

static void single_paths_are_replaced_all_at_once(void **state)
{
	struct materialise *m = begin(DEPOSIT_REPLACE, NULL);
	struct place one = file_place("one", false), two = file_place("two", true), link = link_place("one");
	struct place directory = {.kind = PLACE_DATA_DIRECTORY};
	int old;

	(void)state;
	assert_int_equal(materialise_add(m, "a/b/one", &one), 0);
	assert_int_equal(materialise_add(m, "a/b/two", &one), 0);
	assert_int_equal(materialise_add(m, "a/b/link", &one), 0);
	assert_int_equal(materialise_add(m, "d/e", &directory), 0);
	assert_int_equal(materialise_finish(m, NULL), 0);
	assert_file("a/b/one", "one", 3, 0644);
	old = openat(target, "a/b/two", O_RDONLY);
	m = begin(DEPOSIT_REPLACE, NULL);
	assert_int_equal(materialise_add(m, "a/b/two", &two), 0);
	assert_int_equal(materialise_add(m, "a/b/link", &link), 0);
	assert_int_equal(materialise_add(m, "a/b", &one), 0);
	assert_int_equal(materialise_add(m, "a/b/one/below", &one), 0);
	assert_int_equal(materialise_add(m, "d/e", &directory), 0);
	assert_int_equal(materialise_finish(m, NULL), 0);
	assert_file("a/b/two", "two", 3, 0755);
	assert_link("a/b/link", "one");
	char text[4] = "";
	assert_int_equal(read(old, text, 3), 3);
	assert_string_equal(text, "one");
	close(old);
	assert_non_null(strstr(told.failures, "a/b EISDIR written\n"));
	assert_non_null(strstr(told.failures, "a/b/one/below ENOTDIR written\n"));
	char *names = scratch_output("cd target && find . -name '.revfs*'");
	assert_string_equal(names, "");
	free(names);
}

static void nothing_is_written_through_a_symlink(void **state)
{
	struct materialise *m;
	struct place one = file_place("one", false), directory = {.kind = PLACE_DATA_DIRECTORY};
	struct model model = {0};
	struct built tree;

	(void)state;
	scratch_sh("mkdir -p outside target/real && ln -s ../outside target/out && ln -s real target/inside && "
	           "ln -s ../outside/file target/file && ln -s ../../outside target/real/deep");
	model_set(&model, "x", ENTRY_FILE, false, 1);
	tree = garden_plant(&garden, &model);
	model_release(&model);
	commit();
	for (unsigned way = DEPOSIT_PRIVATE; way <= DEPOSIT_REPLACE; way++) {
		struct place place = place_of(&tree);

		m = begin(way, NULL);
		assert_int_equal(materialise_add(m, "out/a", &one), 0);
		assert_int_equal(materialise_add(m, "inside/a", &one), 0);
		assert_int_equal(materialise_add(m, "real/deep/a/b", &one), 0);
		assert_int_equal(materialise_add(m, "out", &directory), 0);
		assert_int_equal(materialise_add(m, "../outside/a", &one), 0);
		assert_int_equal(materialise_add(m, "a/../../outside/a", &one), 0);
		assert_int_equal(materialise_add(m, "/tmp/a", &one), 0);
		assert_int_equal(materialise_tree(m, "out", &place), 0);
		assert_int_equal(materialise_tree(m, "real/deep", &place), 0);
		assert_int_equal(materialise_add(m, "file", &one), 0);
		assert_int_equal(materialise_finish(m, NULL), 0);
	}
	/* A link in the place of a file is replaced, not followed. */
	assert_file("file", "one", 3, 0644);
	char *names = scratch_output("ls -A outside target/real; ls -A target");
	assert_string_equal(names, "outside:\n\ntarget/real:\ndeep\na\nfile\ninside\nout\nreal");
	free(names);
	assert_null(strstr(told.failures, "file "));
}

/* Deep trees, whose paths are longer than a path may be. */
static void deep_trees_are_written(void **state)
{
	enum { DEPTH = 300 };
	struct page_encoder e = {0};
	struct entry file = garden_file("bottom", 5);
	char name[32];
	struct built tree;

	(void)state;
	page_encoder_begin(&e, PAGE_DIRECTORY, 0);
	page_encoder_add(&e, &file);
	tree = garden_forge(&garden, &e);
	for (unsigned i = 0; i < DEPTH; i++) {
		struct entry entry = {.name = name, .kind = ENTRY_DIRECTORY, .id = tree.id, .totals = tree.totals};

		entry.name_len = (uint16_t)snprintf(name, sizeof(name), "a-name-of-some-length-%u", i);
		page_encoder_begin(&e, PAGE_DIRECTORY, 0);
		page_encoder_add(&e, &entry);
		tree = garden_forge(&garden, &e);
	}
	commit();
	struct materialise_stats stats = export(&tree);
	assert_string_equal(told.failures, "");
	assert_int_equal(stats.directories, DEPTH);
	char *found = scratch_output("find target -name bottom -printf '%%d'");
	assert_string_equal(found, "301");
	free(found);
	/* Single paths of that length are reached in steps. */
	char *path = malloc(DEPTH * 32), *end = path;
	for (unsigned i = DEPTH; i > 0; i--)
		end += sprintf(end, "a-name-of-some-length-%u/", i - 1);
	strcpy(end, "beside");
	struct materialise *m = begin(DEPOSIT_REPLACE, NULL);
	struct place one = file_place("one", false);
	assert_int_equal(materialise_add(m, path, &one), 0);
	assert_int_equal(materialise_finish(m, NULL), 0);
	assert_string_equal(told.failures, "");
	found = scratch_output("find target -name beside -printf '%%d'");
	assert_string_equal(found, "301");
	free(found);
	free(path);
}

static void the_stop_flag_ends_everything(void **state)
{
	atomic_bool stop = true;
	struct model model = {0};
	struct built tree;
	struct materialise_stats stats;

	(void)state;
	make_model(&model, 100);
	tree = garden_plant(&garden, &model);
	model_release(&model);
	commit();
	struct materialise *m = begin(DEPOSIT_PRIVATE, &stop);
	struct place place = place_of(&tree);
	assert_int_equal(materialise_tree(m, "", &place), -EINTR);
	assert_int_equal(materialise_finish(m, &stats), -EINTR);
	assert_int_equal(stats.files, 0);
	assert_string_equal(told.failures, "");
}

/* A file that the limit does not let grow; small ones beside it are written, and nothing of it is left. */
static void a_file_that_is_too_large_is_told_and_leaves_nothing(void **state)
{
	uint8_t *data = malloc(400000);
	struct content contents[2];
	struct rlimit old, limit;
	struct built tree;

	(void)state;
	damage_noise(5, data, 400000);
	contents[0] = store_content(data, 400000);
	contents[1] = store_content(data, 10000);
	tree = plant_files(contents, 2);
	commit();
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
	limit = old;
	limit.rlim_cur = 100000;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
	export(&tree);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
	signal(SIGXFSZ, SIG_DFL);
	assert_string_equal(told.failures, "f0 EFBIG written\n");
	assert_file("f1", data, 10000, 0644);
	assert_int_equal(faccessat(target, "f0", F_OK, 0), -1);
	free(data);
}

/* A directory that cannot be read is told, what stands beside it is written. */
static void a_missing_page_costs_one_directory(void **state)
{
	struct page_encoder e = {0};
	struct entry directory = {.kind = ENTRY_DIRECTORY, .name = "bad", .name_len = 3, .totals = {1, 1, 1}};
	struct entry good = garden_file("good", 5);
	struct built tree;
	struct materialise_stats stats;

	(void)state;
	directory.id.bytes[0] = 9;
	page_encoder_begin(&e, PAGE_DIRECTORY, 0);
	page_encoder_add(&e, &directory);
	page_encoder_add(&e, &good);
	tree = garden_forge(&garden, &e);
	commit();
	stats = export(&tree);
	assert_string_equal(told.failures, "bad ENODATA\n");
	assert_int_equal(stats.files, 1);
	assert_int_equal(stats.failed, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(a_tree_is_written_whole),
	    TEST(what_is_whole_is_kept_when_run_again),
	    TEST(holes_are_written_as_holes),
	    TEST(a_missing_chunk_costs_one_file),
	    TEST(hostile_entries_are_never_written),
	    TEST(single_paths_are_replaced_all_at_once),
	    TEST(nothing_is_written_through_a_symlink),
	    TEST(deep_trees_are_written),
	    TEST(the_stop_flag_ends_everything),
	    TEST(a_file_that_is_too_large_is_told_and_leaves_nothing),
	    TEST(a_missing_page_costs_one_directory),
	};

	umask(022);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
