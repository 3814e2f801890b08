/* Everything here runs twice, once with each reader of Git. */
#include "fs/place.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fs/name.h"
#include "fs/spool.h"
#include "tests/support/garden.h"
#include "tests/support/scratch.h"

static enum repo_reader reader;
static struct garden garden;
static struct place_world world;

static int set_up(void **state)
{
	char *dir;

	(void)state;
	garden_open(&garden);
	scratch_sh("git init -q -b main r");
	dir = scratch_path("r");
	assert_int_equal(repo_open(dir, reader, &world.repo, NULL), 0);
	world.source = garden.source;
	world.memory = NULL;
	assert_int_equal(spool_open(world.repo, dir, &world.spool), 0);
	free(dir);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	spool_close(world.spool);
	repo_close(world.repo);
	garden_close(&garden);
	return 0;
}

/* Write the pointer PATH.revfs of BUILT in the work tree. */
static void point(const char *path, const struct built *built, bool is_file)
{
	struct pointer pointer = {
	    .is_file = is_file, .root = built->id, .files = built->totals.files, .bytes = built->totals.bytes};
	char text[POINTER_TEXT_MAX];

	pointer_format(&pointer, text);
	scratch_sh("cd r && mkdir -p \"$(dirname '%s')\" && cat > '%s.revfs' <<'END'\n%sEND", path, path, text);
}

/* A dataset of a file "a" (executable, with a time), a directory "d" with "d/b", a link "l" to "a", a large file "z".
 */
static struct built plant(void)
{
	static const char bytes[] = "inline bytes", target[] = "a";
	char chunk[1000];
	struct entry entry = {
	    .name = "b", .name_len = 1, .kind = ENTRY_FILE, .size = 5, .inline_data = (const uint8_t *)bytes};
	struct list_entry data;
	struct builder *builder;
	struct built below, built;

	assert_int_equal(builder_open(garden.writer, PAGE_DIRECTORY, &builder), 0);
	assert_int_equal(builder_add(builder, &entry), 0);
	assert_int_equal(builder_finish(builder, &below), 0);
	entry = (struct entry){.name = "a",
	                       .name_len = 1,
	                       .kind = ENTRY_FILE,
	                       .size = 12,
	                       .executable = true,
	                       .inline_data = (const uint8_t *)bytes,
	                       .time = {1500000000, 123456789, true}};
	assert_int_equal(builder_add(builder, &entry), 0);
	entry = (struct entry){.name = "d",
	                       .name_len = 1,
	                       .kind = ENTRY_DIRECTORY,
	                       .id = below.id,
	                       .totals = below.totals,
	                       .locator = below.locator};
	assert_int_equal(builder_add(builder, &entry), 0);
	entry = (struct entry){
	    .name = "l", .name_len = 1, .kind = ENTRY_SYMLINK, .size = 1, .inline_data = (const uint8_t *)target};
	assert_int_equal(builder_add(builder, &entry), 0);
	memset(chunk, 'z', sizeof(chunk));
	data = garden_chunk(&garden, chunk, sizeof(chunk));
	entry = (struct entry){.name = "z",
	                       .name_len = 1,
	                       .kind = ENTRY_FILE,
	                       .size = sizeof(chunk),
	                       .form = CONTENT_CHUNK,
	                       .id = data.id,
	                       .locator = data.locator};
	assert_int_equal(builder_add(builder, &entry), 0);
	assert_int_equal(builder_finish(builder, &built), 0);
	builder_close(builder);
	assert_int_equal(store_writer_commit(garden.writer), 0);
	assert_int_equal(builder_put_root(garden.store, garden.writer, &built), 0);
	return built;
}

/* Commit the work tree after SCRIPT and take its root. */
static struct place commit_root(const char *script)
{
	char *hex = scratch_output(
	    "cd r && { %s\n} && git add -A && git commit -q --allow-empty -m x && git rev-parse HEAD", script);
	struct place root;
	struct oid oid;

	assert_int_equal(oid_parse(hex, strlen(hex), &oid), 0);
	assert_int_equal(place_root(&world, &oid, &root), 0);
	free(hex);
	return root;
}

static const char *kind_name(const struct place *place)
{
	static const char *const names[] = {"none",      "tree", "blob",     "link",  "submodule",
	                                    "directory", "file", "datalink", "broken"};

	return names[place->kind];
}

struct told {
	char text[8192];
	const struct place *parent;
	int stop_after;
	uint64_t last;
};

/* Collects "name kind;" and checks that what is listed is what is looked up, by name and by rank. */
static int tell(void *arg, const char *name, uint64_t ordinal, const struct place *child)
{
	struct told *told = arg;
	char again[NAME_SIZE_MAX + 1];
	uint8_t one[16], two[16];
	struct place found;
	uint64_t rank;

	assert_true(!told->text[0] || ordinal > told->last);
	told->last = ordinal;
	assert_int_equal(place_child(&world, told->parent, name, strlen(name), &found, &rank), 0);
	assert_int_equal(rank, ordinal);
	place_identity(child, one);
	place_identity(&found, two);
	assert_memory_equal(one, two, 16);
	assert_int_equal(place_child_at(&world, told->parent, ordinal, &found, again), 0);
	assert_string_equal(again, name);
	place_identity(&found, two);
	assert_memory_equal(one, two, 16);
	sprintf(told->text + strlen(told->text), "%s %s;", name, kind_name(child));
	return told->stop_after && !--told->stop_after ? 5 : 0;
}

static void assert_lists(const struct place *parent, const char *expected)
{
	struct told told = {.parent = parent};
	uint64_t from;

	assert_int_equal(place_each_child(&world, parent, 0, tell, &told), 0);
	assert_string_equal(told.text, expected);
	/* One at a time gives the same. */
	told.text[0] = '\0';
	for (from = 0;; from = told.last + 1) {
		told.stop_after = 1;
		int r = place_each_child(&world, parent, from, tell, &told);

		if (!r)
			break;
		assert_int_equal(r, 5);
	}
	assert_string_equal(told.text, expected);
}

static struct place walk(const struct place *root, const char *path)
{
	struct place place;
	int r = place_walk(&world, root, path, &place);

	if (r)
		fail_msg("%s: %s", path, strerror(-r));
	return place;
}

static int walk_error(const struct place *root, const char *path)
{
	struct place place;

	return place_walk(&world, root, path, &place);
}

static void assert_reads(const struct place *place, const char *expected)
{
	char text[64];
	ssize_t n;

	assert_int_equal(place->size, strlen(expected));
	n = place_read(&world, place, text, sizeof(text), 0);
	assert_int_equal(n, strlen(expected));
	assert_memory_equal(text, expected, strlen(expected));
	n = place_read(&world, place, text, 3, 1);
	assert_int_equal(n, strlen(expected) - 1 < 3 ? strlen(expected) - 1 : 3);
	assert_memory_equal(text, expected + 1, (size_t)n);
	assert_int_equal(place_read(&world, place, text, 3, place->size), 0);
	assert_int_equal(place_read(&world, place, text, 3, UINT64_MAX), 0);
}

static void gits_things_are_shown_as_they_are(void **state)
{
	char target[PAGE_SYMLINK_MAX + 1];
	struct place root, place;

	(void)state;
	root = commit_root(
	    "mkdir d && echo two > d/b && echo one > a && printf x > x && chmod +x x && ln -s d/b l && : > empty");
	assert_int_equal(root.kind, PLACE_GIT_TREE);
	assert_int_equal(root.time.tv_sec, 1700000000);
	assert_lists(&root, "a blob;d tree;empty blob;l link;x blob;");
	place = walk(&root, "a");
	assert_reads(&place, "one\n");
	assert_int_equal(place_mode(&place), S_IFREG | 0644);
	assert_int_equal(place.time.tv_sec, 1700000000);
	place = walk(&root, "d/b");
	assert_reads(&place, "two\n");
	place = walk(&root, "x");
	assert_int_equal(place_mode(&place), S_IFREG | 0755);
	place = walk(&root, "empty");
	assert_int_equal(place.size, 0);
	assert_int_equal(place_read(&world, &place, target, 10, 0), 0);
	place = walk(&root, "l");
	assert_int_equal(place_mode(&place), S_IFLNK | 0777);
	assert_int_equal(place_target(&world, &place, target), 0);
	assert_string_equal(target, "d/b");
	place = walk(&root, "d");
	assert_int_equal(place_mode(&place), S_IFDIR | 0755);
	assert_int_equal(place_target(&world, &place, target), -EINVAL);
	assert_int_equal(place_read(&world, &place, target, 1, 0), -EISDIR);
	place = walk(&root, "");
	assert_int_equal(place.kind, PLACE_GIT_TREE);
	assert_int_equal(walk_error(&root, "none"), -ENOENT);
	assert_int_equal(walk_error(&root, "a/b"), -ENOTDIR);
	assert_int_equal(walk_error(&root, "l/b"), -ENOTDIR);
	assert_int_equal(walk_error(&root, "d/none"), -ENOENT);
	assert_int_equal(walk_error(&root, "d//b"), -ENOENT);
	assert_int_equal(place_child_at(&world, &root, 1, &place, NULL), -ENOENT);
	assert_int_equal(place_child_at(&world, &root, 1000, &place, NULL), -ENOENT);
	assert_int_equal(place_child_at(&world, &root, UINT64_MAX, &place, NULL), -ENOENT);
}

static void dataset_stands_beside_its_pointer(void **state)
{
	char target[PAGE_SYMLINK_MAX + 1], bytes[1000];
	struct place root, place;
	struct built built;

	(void)state;
	built = plant();
	point("sub/data", &built, false);
	point("data", &built, false);
	root = commit_root("echo x > data-2");
	assert_lists(&root, "data-2 blob;data.revfs blob;data directory;sub tree;");
	place = walk(&root, "sub");
	assert_lists(&place, "data.revfs blob;data directory;");
	place = walk(&root, "data");
	assert_true(place.is_dataset);
	assert_int_equal(place.time.tv_sec, 1700000000);
	assert_int_equal(place.directory.totals.files, 4);
	assert_lists(&place, "a file;d directory;l datalink;z file;");
	place = walk(&root, "sub/data/a");
	assert_reads(&place, "inline bytes");
	assert_false(place.is_dataset);
	assert_int_equal(place_mode(&place), S_IFREG | 0755);
	assert_int_equal(place.time.tv_sec, 1500000000);
	assert_int_equal(place.time.tv_nsec, 123456789);
	place = walk(&root, "data/d");
	assert_int_equal(place.time.tv_sec, 1700000000);
	place = walk(&root, "data/d/b");
	assert_reads(&place, "inlin");
	place = walk(&root, "data/l");
	assert_int_equal(place_mode(&place), S_IFLNK | 0777);
	assert_int_equal(place_target(&world, &place, target), 0);
	assert_string_equal(target, "a");
	place = walk(&root, "data/z");
	assert_int_equal(place_read(&world, &place, bytes, 1000, 1), 999);
	assert_int_equal(bytes[998], 'z');
	assert_int_equal(walk_error(&root, "data/none"), -ENOENT);
	assert_int_equal(walk_error(&root, "data/a/b"), -ENOTDIR);
	assert_int_equal(walk_error(&root, "data/l/b"), -ENOTDIR);
}

static void one_file_dataset_is_a_file(void **state)
{
	struct entry entry = garden_file("", 13);
	struct place root, place;
	struct built built;

	(void)state;
	entry.executable = true;
	assert_int_equal(builder_file_root(garden.writer, &entry, &built), 0);
	assert_int_equal(store_writer_commit(garden.writer), 0);
	point("model.bin", &built, true);
	root = commit_root("true");
	assert_lists(&root, "model.bin.revfs blob;model.bin file;");
	place = walk(&root, "model.bin");
	assert_true(place.is_dataset);
	assert_int_equal(place.size, 13);
	assert_int_equal(place_mode(&place), S_IFREG | 0755);
	assert_reads(&place, "es that are t");
	assert_int_equal(walk_error(&root, "model.bin/x"), -ENOTDIR);
}

static void gits_entry_wins_and_other_files_stand_alone(void **state)
{
	struct place root, place;
	struct built built;

	(void)state;
	built = plant();
	point("file", &built, false);
	point("dir", &built, false);
	point("link", &built, false);
	point("twice", &built, false);
	point("twice.revfs", &built, false);
	root = commit_root(
	    "echo x > file; mkdir dir; echo y > dir/in; ln -s x link; echo no > plain.revfs; ln -s file.revfs s.revfs;"
	    "mkdir t.revfs; echo z > t.revfs/z; echo d > .revfs; echo '<<<<<<< ours' > merge.revfs");
	assert_lists(&root,
	             ".revfs blob;dir.revfs blob;dir tree;file blob;file.revfs blob;link link;link.revfs blob;"
	             "merge.revfs blob;plain.revfs blob;s.revfs link;t.revfs tree;twice.revfs blob;twice directory;"
	             "twice.revfs.revfs blob;");
	place = walk(&root, "dir/in");
	assert_reads(&place, "y\n");
	assert_int_equal(walk_error(&root, "plain"), -ENOENT);
	assert_int_equal(walk_error(&root, "s"), -ENOENT);
	assert_int_equal(walk_error(&root, "t"), -ENOENT);
	assert_int_equal(walk_error(&root, ""), 0);
}

static void damaged_pointers_are_broken_and_their_siblings_are_not(void **state)
{
	struct built built, missing, lying, wrong;
	struct place root, place;
	char byte;

	(void)state;
	built = plant();
	missing = lying = wrong = built;
	missing.id.bytes[7] ^= 1;
	lying.totals.files++;
	point("good", &built, false);
	point("missing", &missing, false);
	point("lying", &lying, false);
	point("file", &wrong, true);
	root = commit_root("echo 'revfs 2' > later.revfs");
	assert_lists(&root, "file.revfs blob;file broken;good.revfs blob;good directory;later.revfs blob;later broken;"
	                    "lying.revfs blob;lying broken;missing.revfs blob;missing broken;");
	place = walk(&root, "missing");
	assert_int_equal(place.error, -ENODATA);
	assert_true(place_is_directory(&place));
	assert_int_equal(place_child(&world, &place, "a", 1, &place, NULL), -ENODATA);
	place = walk(&root, "lying");
	assert_int_equal(place.error, -EBADMSG);
	assert_int_equal(walk_error(&root, "lying/a"), -EBADMSG);
	assert_int_equal(place_each_child(&world, &place, 0, tell, NULL), -EBADMSG);
	place = walk(&root, "file");
	assert_int_equal(place.error, -EBADMSG);
	assert_false(place_is_directory(&place));
	assert_int_equal(place_read(&world, &place, &byte, 1, 0), -EBADMSG);
	place = walk(&root, "later");
	assert_int_equal(place.error, -ENOTSUP);
	place = walk(&root, "missing.revfs");
	assert_int_equal(place.kind, PLACE_GIT_BLOB);
	place = walk(&root, "good/a");
	assert_reads(&place, "inline bytes");
}

static void without_a_store_datasets_are_broken(void **state)
{
	struct place root, place;
	struct built built;

	(void)state;
	built = plant();
	point("data", &built, false);
	world.source = NULL;
	root = commit_root("echo x > a");
	assert_lists(&root, "a blob;data.revfs blob;data broken;");
	place = walk(&root, "data");
	assert_int_equal(place.error, -ENODATA);
	place = walk(&root, "a");
	assert_reads(&place, "x\n");
}

/* The root of a commit of a tree of raw lines "MODE NAME" (printf's escapes), all of the blob or tree OID. */
static struct place raw_root(const char *lines, const char *oid)
{
	char *hex = scratch_output(
	    "cd r && b=$(%s) && t=$(printf '%s' | while IFS= read -r line; do printf '%%s\\0' \"$line\"; "
	    "perl -e 'print pack \"H*\", shift' $b; done | git hash-object -t tree --literally -w --stdin)"
	    " && git commit-tree -m raw $t",
	    oid, lines);
	struct place root;
	struct oid commit;

	assert_int_equal(oid_parse(hex, strlen(hex), &commit), 0);
	assert_int_equal(place_root(&world, &commit, &root), 0);
	free(hex);
	return root;
}

static void hostile_names_are_broken_or_dropped(void **state)
{
	static const char *const names[] = {".git", ".GIT", "git~1", ".git ", ".g\xe2\x80\x8cit"};
	struct place root, place;

	(void)state;
	root = raw_root(
	    "100644 .\\n100644 ..\\n100644 .GIT\\n100644 .git\\n100644 .git \\n100644 .g\\342\\200\\214it\\n"
	    "100644 a/b\\n100644 dup\\n100755 dup\\n100644 git~1\\n100644 good\\n100644 unsorted\\n100644 first\\n"
	    "130000 mode\\n",
	    "echo x | git hash-object -w --stdin");
	assert_lists(&root,
	             ".GIT broken;.git broken;.git  broken;.g\xe2\x80\x8cit broken;dup blob;git~1 broken;good blob;"
	             "unsorted blob;first blob;mode broken;");
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		place = walk(&root, names[i]);
		assert_int_equal(place.kind, PLACE_BROKEN);
		assert_int_equal(place.error, -EBADMSG);
	}
	assert_int_equal(place_child(&world, &root, "a/b", 3, &place, NULL), -ENOENT);
	assert_int_equal(place_child(&world, &root, ".", 1, &place, NULL), -ENOENT);
	assert_int_equal(place_child(&world, &root, "..", 2, &place, NULL), -ENOENT);
	assert_int_equal(place_child(&world, &root, "", 0, &place, NULL), -ENOENT);
	place = walk(&root, "dup");
	assert_false(place.executable);
	place = walk(&root, "first");
	assert_reads(&place, "x\n");
}

static void tree_that_lies_is_broken_where_it_lies(void **state)
{
	struct place root, place;
	struct told told = {.parent = &root};

	(void)state;
	root = raw_root("100644 blob\\n120000 link\\n40000 tree\\n", "git hash-object -t tree -w --stdin < /dev/null");
	assert_lists(&root, "blob broken;link broken;tree tree;");
	root = raw_root("100644 blob\\n40000 tree\\n", "echo x | git hash-object -w --stdin");
	assert_lists(&root, "blob blob;tree tree;");
	place = walk(&root, "tree");
	assert_int_equal(place_each_child(&world, &place, 0, tell, &told), -EBADMSG);
	assert_int_equal(walk_error(&root, "tree/x"), -EBADMSG);
	/* What is missing is not absent. */
	root = raw_root("100644 blob\\n40000 tree\\n", "echo 0123456789012345678901234567890123456789");
	assert_lists(&root, "blob broken;tree tree;");
	place = walk(&root, "blob");
	assert_int_equal(place.error, -ENODATA);
	assert_int_equal(walk_error(&root, "tree/x"), -ENODATA);
}

static void links_of_no_use_are_broken(void **state)
{
	char target[PAGE_SYMLINK_MAX + 1];
	struct place root, place;

	(void)state;
	root = raw_root("120000 empty\\n", "git hash-object -w --stdin < /dev/null");
	assert_lists(&root, "empty broken;");
	root = raw_root("120000 long\\n", "head -c 4096 /dev/zero | tr '\\0' x | git hash-object -w --stdin");
	assert_lists(&root, "long broken;");
	root = raw_root("120000 most\\n", "head -c 4095 /dev/zero | tr '\\0' x | git hash-object -w --stdin");
	place = walk(&root, "most");
	assert_int_equal(place_target(&world, &place, target), 0);
	assert_int_equal(strlen(target), 4095);
	root = raw_root("120000 nul\\n", "printf 'a\\0b' | git hash-object -w --stdin");
	place = walk(&root, "nul");
	assert_int_equal(place_target(&world, &place, target), -EBADMSG);
}

static void submodule_is_an_empty_directory(void **state)
{
	struct place root, place;

	(void)state;
	root = commit_root(
	    "git commit -q --allow-empty -m y && git -c protocol.file.allow=always submodule --quiet add ./ sub");
	assert_lists(&root, ".gitmodules blob;sub submodule;");
	place = walk(&root, "sub");
	assert_true(place_is_directory(&place));
	assert_lists(&place, "");
	assert_int_equal(walk_error(&root, "sub/x"), -ENOENT);
}

static void hostile_entries_of_a_dataset_are_broken(void **state)
{
	struct page_encoder e = {0};
	struct place root, place;
	struct entry entry;
	struct built built;
	char byte;

	(void)state;
	page_encoder_begin(&e, PAGE_DIRECTORY, 0);
	entry = garden_file(".git", 5);
	page_encoder_add(&e, &entry);
	entry = (struct entry){.name = "foreign",
	                       .name_len = 7,
	                       .kind = ENTRY_FOREIGN,
	                       .size = 77,
	                       .foreign = (const uint8_t *)"\1"
	                                                   "0123456789abcdef",
	                       .foreign_len = 17};
	page_encoder_add(&e, &entry);
	entry = garden_file("good", 7);
	page_encoder_add(&e, &entry);
	built = garden_forge(&garden, &e);
	assert_int_equal(store_writer_commit(garden.writer), 0);
	point("data", &built, false);
	root = commit_root("true");
	place = walk(&root, "data");
	assert_lists(&place, ".git broken;foreign file;good file;");
	place = walk(&root, "data/foreign");
	assert_true(place.foreign);
	assert_int_equal(place.size, 77);
	assert_int_equal(place_read(&world, &place, &byte, 1, 0), -EIO);
	place = walk(&root, "data/.git");
	assert_int_equal(place_read(&world, &place, &byte, 1, 0), -EBADMSG);
	place = walk(&root, "data/good");
	assert_int_equal(place.size, 7);
}

static void identity_is_that_of_what_is_shown(void **state)
{
	static const char *const others[] = {"b",      "x",      "l",        "d",      "data",
	                                     "data/a", "data/d", "data/d/b", "data/l", "data/z"};
	uint8_t one[16], two[16];
	struct place root, place;
	struct built built;

	(void)state;
	built = plant();
	point("data", &built, false);
	root = commit_root(
	    "echo one > a; echo one > same; echo two > b; echo one > x; chmod +x x; ln -s one l; mkdir d; cp a d");
	place = walk(&root, "a");
	place_identity(&place, one);
	for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++) {
		place = walk(&root, others[i]);
		place_identity(&place, two);
		assert_memory_not_equal(one, two, 16);
	}
	place = walk(&root, "same");
	place_identity(&place, two);
	assert_memory_equal(one, two, 16);
	/* In a later commit the file shows another time. */
	place.time.tv_sec++;
	place_identity(&place, two);
	assert_memory_not_equal(one, two, 16);
	/* What is in a dataset is the same thing in every commit. */
	place = walk(&root, "data/a");
	place_identity(&place, one);
	root = commit_root("export GIT_COMMITTER_DATE='1700009999 +0000'; echo more > more");
	place = walk(&root, "data/a");
	place_identity(&place, two);
	assert_memory_equal(one, two, 16);
}

static void gits_objects_are_read_once(void **state)
{
	struct memory_stats before, after;
	struct place root, place;

	(void)state;
	root = commit_root("mkdir d; for i in 1 2 3 4 5; do echo $i > d/$i; done");
	walk(&root, "d/1");
	memory_stats(garden.memory, &before);
	for (int i = 0; i < 10; i++) {
		place = walk(&root, "d/1");
		assert_reads(&place, "1\n");
	}
	memory_stats(garden.memory, &after);
	assert_int_equal(after.misses - before.misses, 1); /* the blob */
}

static void large_blobs_are_read_anywhere(void **state)
{
	char bytes[100], *expected;
	struct place root, place;
	const uint64_t size = 40000000;

	(void)state;
	root = commit_root(
	    "i=0; while [ $i -lt 40 ]; do head -c 999990 /dev/zero; printf '%10d' $i; i=$((i+1)); done > big;"
	    "echo small > small; git config core.bigFileThreshold 1m");
	place = walk(&root, "big");
	assert_int_equal(place.size, size);
	assert_int_equal(place_read(&world, &place, bytes, 100, size - 10), 10);
	assert_memory_equal(bytes, "        39", 10);
	for (int i = 0; i < 40; i += 13) {
		assert_int_equal(place_read(&world, &place, bytes, 10, (uint64_t)(i + 1) * 1000000 - 10), 10);
		assert_true(asprintf(&expected, "%10d", i) > 0);
		assert_memory_equal(bytes, expected, 10);
		free(expected);
	}
	assert_int_equal(place_read(&world, &place, bytes, 100, size), 0);
	world.spool = (spool_close(world.spool), NULL);
	assert_int_equal(place_read(&world, &place, bytes, 100, 0), -EFBIG);
	place = walk(&root, "small");
	assert_reads(&place, "small\n");
}

static int run_with(enum repo_reader which)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	    T(gits_things_are_shown_as_they_are),
	    T(dataset_stands_beside_its_pointer),
	    T(one_file_dataset_is_a_file),
	    T(gits_entry_wins_and_other_files_stand_alone),
	    T(damaged_pointers_are_broken_and_their_siblings_are_not),
	    T(without_a_store_datasets_are_broken),
	    T(hostile_names_are_broken_or_dropped),
	    T(tree_that_lies_is_broken_where_it_lies),
	    T(links_of_no_use_are_broken),
	    T(submodule_is_an_empty_directory),
	    T(hostile_entries_of_a_dataset_are_broken),
	    T(identity_is_that_of_what_is_shown),
	    T(gits_objects_are_read_once),
	    T(large_blobs_are_read_anywhere),
#undef T
	};

	reader = which;
	return cmocka_run_group_tests_name(which == REPO_COMMAND ? "place (git)" : "place (libgit2)", tests, NULL,
	                                   NULL);
}

int main(void)
{
	int failed = run_with(REPO_LIBGIT2);

	return failed + run_with(REPO_COMMAND);
}
