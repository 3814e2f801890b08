/* Snapshots of upper folders: the same root as that of the merged tree, in every dialect. */
#include "fs/upper.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cmocka.h>

#include "fs/dataset.h"
#include "fs/stat_cache.h"
#include "tests/support/dataset.h"
#include "tests/support/garden.h"
#include "tests/support/scratch.h"
#include "tests/support/upper.h"

static struct dataset_world w;
static enum layer_dialect dialect; /* of the next snapshot */

static int setup(void **state)
{
	(void)state;
	dataset_world_open(&w);
	dialect = LAYER_KERNEL_USER;
	if (upper_marks_work(LAYER_KERNEL_USER, w.top))
		return 0;
	/* Each test would skip itself the same way. */
	dataset_world_close(&w);
	print_message("no extended attributes here\n");
	return -1;
}

static int teardown(void **state)
{
	(void)state;
	dataset_world_close(&w);
	return 0;
}

/* The clock of a run far enough behind the files' times that none of them is racy. */
static void let_time_pass(void)
{
	w.run.start = io_now(w.io);
	w.run.start.tv_sec += 10;
}

/* Snapshot the folder `upper` above BASE after OLD; all that a whole one does. */
static void snapshot(const struct pointer *base, const struct pointer *old, struct snapshot_result *r)
{
	const struct upper upper = {
	    .dirfd = w.top,
	    .name = "upper",
	    .path = "data",
	    .dialect = dialect,
	    .base = base,
	    .old = old,
	    .folder = w.folder,
	    .stat_name = "upper-stat",
	};

	w.problems[0] = '\0';
	if (!w.run.start.tv_sec)
		w.run.start = io_now(w.io);
	assert_int_equal(upper_snapshot(&w.run, &upper, r), 0);
	w.run.start = (struct timespec){0};
	assert_int_equal(store_writer_commit(w.writer), 0);
	if (r->recorded && !r->unchanged)
		assert_int_equal(builder_put_root(w.store, w.writer, &r->root), 0);
	snapshot_keep_cache(r);
}

/* The same where nothing goes wrong. */
static struct pointer record(const struct pointer *base, const struct pointer *old)
{
	struct snapshot_result r;

	snapshot(base, old, &r);
	assert_string_equal(w.problems, "");
	assert_true(r.recorded);
	return r.pointer;
}

static void assert_listing(const struct pointer *pointer, const char *expected)
{
	char *listing = dataset_world_listing(&w, pointer);

	assert_string_equal(listing, expected);
	free(listing);
}

/* A base of three files and a folder. */
static struct pointer make_base(void)
{
	scratch_sh("mkdir -p base/d upper && printf 1 >base/a && printf 22 >base/d/b && printf 333 >base/d/c");
	return dataset_world_record(&w, "base", NULL);
}

static void an_empty_upper_folder_changes_nothing(void **state)
{
	struct pointer base = make_base();
	struct snapshot_result r;

	(void)state;
	snapshot(&base, &base, &r);
	assert_true(r.recorded && r.unchanged);
	assert_true(id_equal(&r.pointer.root, &base.root));
	assert_int_equal(r.pointer.files, 3);
	assert_int_equal(r.new_bytes + r.read_bytes, 0);
}

static void what_the_upper_folder_has_replaces_what_is_below(void **state)
{
	struct pointer base = make_base(), made;
	struct snapshot_result r;

	(void)state;
	scratch_sh("cd upper && mkdir -p d/new e && printf 55555 >d/b && printf 4444 >d/new/x && chmod +x d/new/x && "
	           "ln -s d a");
	snapshot(&base, &base, &r);
	made = r.pointer;
	assert_listing(&made, "l a 1\nd d 0\nf d/b 5\nf d/c 3\nd d/new 0\nfx d/new/x 4\nd e 0\n");
	assert_int_equal(r.counts.added, 2); /* the link is another kind than the file was */
	assert_int_equal(r.counts.deleted, 1);
	assert_int_equal(r.counts.modified, 1);
}

static void marks_hide_what_is_below(void **state)
{
	static const enum layer_dialect dialects[] = {LAYER_KERNEL_USER, LAYER_FUSE, LAYER_KERNEL};
	struct pointer base = make_base(), made;

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		char *folder = scratch_path("upper"), *inner;

		dialect = dialects[i];
		if (!upper_marks_work(dialect, w.top)) {
			free(folder);
			continue;
		}
		scratch_sh("rm -rf upper && mkdir -p upper/d && printf x >upper/d/x");
		inner = scratch_path("upper/d");
		upper_hide(dialect, folder, "a");
		upper_hide(dialect, folder, "absent");
		upper_set_opaque(dialect, inner);
		made = record(&base, &base);
		assert_listing(&made, "d d 0\nf d/x 1\n");
		free(folder);
		free(inner);
	}
}

/* One that lies below a name in the order of bytes, and that is met after it. */
static void a_marked_name_hides_the_one_beside_it(void **state)
{
	struct pointer base = make_base(), made;

	(void)state;
	dialect = LAYER_FUSE;
	scratch_sh(
	    "cd upper && mkdir d && printf u >a && printf n >-n && touch .wh.a .wh.-n .wh.d .wh. && printf z >z && "
	    "printf y >d/y && mkdir .wh.z");
	made = record(&base, &base);
	assert_listing(&made, "");
}

static void marks_of_another_dialect_mean_nothing(void **state)
{
	struct pointer base = make_base(), made;
	char *folder = scratch_path("upper/d");

	(void)state;
	scratch_sh("mkdir upper/d && touch upper/.wh.a upper/d/.wh..wh..opq");
	made = record(&base, &base);
	assert_listing(&made, "f .wh.a 0\nf a 1\nd d 0\nf d/.wh..wh..opq 0\nf d/b 2\nf d/c 3\n");
	free(folder);
	if (!upper_marks_work(LAYER_KERNEL, w.top))
		skip();
	folder = scratch_path("upper/d");
	scratch_sh("rm upper/.wh.a upper/d/.wh..wh..opq");
	dialect = LAYER_KERNEL;
	upper_set_opaque(LAYER_KERNEL_USER, folder);
	made = record(&base, &base);
	assert_true(id_equal(&made.root, &base.root));
	dialect = LAYER_KERNEL_USER;
	upper_set_opaque(LAYER_KERNEL, folder);
	scratch_sh("rmdir upper/d && mkdir upper/d");
	upper_set_opaque(LAYER_KERNEL, folder);
	made = record(&base, &base);
	assert_true(id_equal(&made.root, &base.root));
	free(folder);
}

/* An empty file is one, whatever it says of itself, where its folder does not say that there are whiteouts. */
static void empty_whiteouts_need_a_marked_folder(void **state)
{
	struct pointer base = make_base(), made;
	char *folder = scratch_path("upper"), *file = scratch_path("upper/a");

	(void)state;
	scratch_sh("touch upper/a");
	assert_int_equal(setxattr(file, "user.overlay.whiteout", "", 0, 0), 0);
	made = record(&base, &base);
	assert_listing(&made, "f a 0\nd d 0\nf d/b 2\nf d/c 3\n");
	assert_int_equal(setxattr(folder, "user.overlay.opaque", "x", 1, 0), 0);
	made = record(&base, &base);
	assert_listing(&made, "d d 0\nf d/b 2\nf d/c 3\n");
	free(folder);
	free(file);
}

static void content_at_another_place_is_a_problem(void **state)
{
	struct pointer base = make_base();
	struct snapshot_result r;
	char *path;

	(void)state;
	scratch_sh("cd upper && mkdir moved d && truncate -s 9 meta && truncate -s 9000000 meta-large && touch fine");
	for (size_t i = 0; i < 3; i++) {
		static const char *const names[] = {"upper/moved", "upper/meta", "upper/meta-large"};

		path = scratch_path(names[i]);
		assert_int_equal(
		    setxattr(path, i ? "user.overlay.metacopy" : "user.overlay.redirect", "/d", i ? 0 : 2, 0), 0);
		free(path);
	}
	snapshot(&base, &base, &r);
	assert_false(r.recorded);
	assert_string_equal(w.problems, "7 meta\n7 meta-large\n7 moved\n");
	/* Harmless ones. */
	path = scratch_path("upper/d");
	assert_int_equal(setxattr(path, "user.overlay.origin", "xyz", 3, 0), 0);
	assert_int_equal(setxattr(path, "user.overlay.impure", "y", 1, 0), 0);
	free(path);
	scratch_sh("rm -r upper/m*");
	record(&base, &base);
}

static void every_problem_is_named(void **state)
{
	struct pointer base = make_base();
	struct snapshot_result r;

	(void)state;
	scratch_sh("cd upper && mkdir -p d/.GIT/x s && mkfifo d/fifo && ln -s ../../out s/link && ln -s /out z && "
	           "printf x >fine");
	snapshot(&base, &base, &r);
	assert_false(r.recorded);
	assert_string_equal(w.problems, "4 d/.GIT\n3 d/fifo\n5 s/link\n5 z\n");
	assert_int_equal(r.problems, 4);
	w.run.skip_special = true;
	scratch_sh("rm -r upper/d/.GIT upper/s/link upper/z && mkfifo upper/a");
	snapshot(&base, &base, &r);
	assert_string_equal(w.problems, "");
	/* What is left out hides what is below it, too. */
	assert_listing(&r.pointer, "d d 0\nf d/b 2\nf d/c 3\nf fine 1\nd s 0\n");
}

static void folders_too_deep_are_a_problem(void **state)
{
	struct pointer base = make_base();
	struct snapshot_result r;
	size_t len;

	(void)state;
	scratch_sh("cd upper && for i in $(seq 1030); do mkdir f && cd -P f || exit 1; done");
	snapshot(&base, &base, &r);
	assert_int_equal(r.problems, 1);
	assert_int_equal(*w.problems, '6');
	len = strlen(w.problems);
	assert_int_equal(len, 2 + 2 * (PAGE_DEPTH_MAX + 1));
}

static void an_unreadable_folder_is_a_problem(void **state)
{
	struct pointer base = make_base();
	struct snapshot_result r;

	(void)state;
	if (!geteuid())
		skip();
	scratch_sh("mkdir -m 0 upper/d && printf x >upper/f && chmod 0 upper/f");
	snapshot(&base, &base, &r);
	assert_string_equal(w.problems, "1 d\n1 f\n");
	scratch_sh("chmod 755 upper/d");
}

static void marks_that_cannot_be_read_are_an_error(void **state)
{
	struct pointer base = make_base();
	struct upper upper = {
	    .dirfd = w.top, .name = "upper", .path = "data", .dialect = LAYER_KERNEL, .base = &base, .folder = -1};
	struct snapshot_result r;

	(void)state;
	if (upper_marks_work(LAYER_KERNEL, w.top))
		skip();
	assert_int_equal(upper_snapshot(&w.run, &upper, &r), -EPERM);
}

static void an_upper_folder_that_is_none_is_an_error(void **state)
{
	struct pointer base = make_base();
	struct upper upper = {
	    .dirfd = w.top, .name = "none", .path = "data", .dialect = LAYER_FUSE, .base = &base, .folder = -1};
	struct snapshot_result r;

	(void)state;
	assert_int_equal(upper_snapshot(&w.run, &upper, &r), -ENOENT);
	scratch_sh("ln -s upper link");
	upper.name = "link";
	assert_int_equal(upper_snapshot(&w.run, &upper, &r), -ENOTDIR);
}

static void patterns_leave_out_what_the_upper_folder_has(void **state)
{
	static const char *const patterns[] = {"*.tmp", "/data/d/b", "cache/", NULL};
	struct pointer base = make_base(), made;
	struct exclude *exclude;

	(void)state;
	assert_int_equal(exclude_new(patterns, &exclude), 0);
	w.run.exclude = exclude;
	scratch_sh("cd upper && mkdir -p d/cache/x && printf q >d/b && touch x.tmp d/y d/cache/z");
	made = record(&base, &base);
	assert_listing(&made, "f a 1\nd d 0\nf d/c 3\nf d/y 0\n");
	exclude_free(exclude);
}

static int64_t time_of(const struct pointer *pointer, const char *path)
{
	struct directory directory;
	struct entry_pin pin;
	int64_t seconds;

	dataset_directory(pointer, &directory);
	assert_int_equal(tree_walk(w.source, &directory, path, &pin), 0);
	assert_true(pin.entry.time.known);
	seconds = pin.entry.time.seconds;
	tree_unpin_entry(w.source, &pin);
	return seconds;
}

static void what_was_only_touched_is_as_it_was(void **state)
{
	struct pointer base, made, again;
	struct snapshot_result r;

	(void)state;
	scratch_sh("mkdir -p base/d upper/d && cd base && printf 1 >a && printf 22 >d/b && printf 333 >d/c && "
	           "touch -d @1000 a d/b d/c && cp d/b ../upper/d/b && touch -d @2000 ../upper/d/b");
	base = dataset_world_record(&w, "base", NULL);
	snapshot(&base, &base, &r);
	assert_true(r.unchanged);
	assert_int_equal(r.new_bytes, 0);
	/* Its bit makes it another entry, with the time of the same content. */
	scratch_sh("chmod +x upper/d/b && printf x >upper/d/new && touch -d @3000 upper/d/new");
	made = record(&base, &base);
	assert_int_equal(time_of(&made, "d/b"), 1000);
	assert_int_equal(time_of(&made, "d/c"), 1000);
	assert_int_equal(time_of(&made, "d/new"), 3000);
	/* The parent revision's, where that is not the base. */
	scratch_sh("touch -d @4000 upper/d/new && printf y >upper/d/other && touch -d @5000 upper/d/other");
	again = record(&base, &made);
	assert_int_equal(time_of(&again, "d/new"), 3000);
	assert_int_equal(time_of(&again, "d/other"), 5000);
}

static void a_second_snapshot_reads_what_changed_since(void **state)
{
	struct pointer base = make_base(), first, second;
	struct stat_cache *cache;
	struct id root;
	struct snapshot_result r;

	(void)state;
	scratch_sh("cd upper && mkdir d && head -c 300000 /dev/urandom >large && head -c 5000 /dev/urandom >d/b");
	let_time_pass();
	first = record(&base, &base);
	let_time_pass();
	snapshot(&base, &first, &r);
	assert_true(r.unchanged);
	assert_int_equal(r.read_bytes + r.new_bytes, 0);
	scratch_sh("printf 12345 >upper/d/b");
	let_time_pass();
	snapshot(&base, &first, &r);
	second = r.pointer;
	assert_int_equal(r.read_bytes, 5);
	assert_int_equal(r.counts.modified, 1);
	assert_int_equal(r.counts.added, 0);
	/* A deletion says nothing of files; the cache is that of the new tree nevertheless. */
	dialect = LAYER_FUSE;
	scratch_sh("touch upper/.wh.a");
	let_time_pass();
	snapshot(&base, &second, &r);
	second = r.pointer;
	assert_int_equal(r.read_bytes, 0);
	assert_int_equal(r.counts.deleted, 1);
	assert_int_equal(stat_cache_open(w.io, w.folder, "upper-stat", &cache, &root), 0);
	stat_cache_close(cache);
	assert_true(id_equal(&root, &second.root));
	let_time_pass();
	snapshot(&base, &second, &r);
	assert_true(r.unchanged);
	assert_int_equal(r.read_bytes, 0);
}

static void a_young_file_is_read_again(void **state)
{
	struct pointer base = make_base(), first;
	struct snapshot_result r;

	(void)state;
	scratch_sh("printf 12345 >upper/a");
	first = record(&base, &base);
	snapshot(&base, &first, &r);
	assert_true(r.unchanged);
	assert_int_equal(r.read_bytes, 5);
}

/* The bytes of the file NAME of `upper`, SIZE of them, shared. */
static char *map_upper(const char *name, size_t size)
{
	char *path = scratch_path(name), *bytes;
	int fd = open(path, O_RDWR | O_CLOEXEC);

	assert_true(fd >= 0);
	bytes = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_true(bytes != MAP_FAILED);
	close(fd);
	free(path);
	return bytes;
}

/* Whether a store into a page that was written back shows in the times of its file: not on every file system. */
static bool stores_show(char *bytes, size_t size, const char *name)
{
	char *path = scratch_path(name);
	struct stat before, after;

	bytes[0] = 'x';
	assert_int_equal(msync(bytes, size, MS_SYNC), 0);
	assert_int_equal(stat(path, &before), 0);
	usleep(50000);
	bytes[0] = 'y';
	assert_int_equal(stat(path, &after), 0);
	free(path);
	return before.st_mtim.tv_sec != after.st_mtim.tv_sec || before.st_mtim.tv_nsec != after.st_mtim.tv_nsec;
}

/* Whoever has a file mapped goes on writing to pages that are dirty already: small files, and those that are cut. */
static void what_is_stored_through_a_mapping_later_is_seen(void **state)
{
	static const size_t sizes[] = {5000, (1 << 20) + 5000};
	struct pointer base = make_base(), made = base;

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct snapshot_result r;
		char *bytes;

		scratch_sh("head -c %zu /dev/zero >upper/mapped", sizes[i]);
		bytes = map_upper("upper/mapped", sizes[i]);
		if (!stores_show(bytes, sizes[i], "upper/mapped"))
			skip();
		let_time_pass();
		made = record(&base, &made);
		/* The clock of times is coarse. */
		usleep(50000);
		bytes[1] = 'z';
		let_time_pass();
		snapshot(&base, &made, &r);
		assert_false(r.unchanged);
		assert_int_equal(r.counts.modified, 1);
		made = r.pointer;
		assert_int_equal(munmap(bytes, sizes[i]), 0);
	}
}

/* A directory of COUNT small files, as a dataset. */
static struct pointer make_wide(unsigned count)
{
	struct pointer pointer = {.files = count};
	struct builder *b;
	struct built built;
	char name[16];

	assert_int_equal(builder_open(w.writer, PAGE_DIRECTORY, &b), 0);
	for (unsigned i = 0; i < count; i++) {
		struct entry entry;

		snprintf(name, sizeof(name), "%08u", i);
		entry = garden_file(name, i);
		assert_int_equal(builder_add(b, &entry), 0);
	}
	assert_int_equal(builder_finish(b, &built), 0);
	builder_close(b);
	assert_int_equal(store_writer_commit(w.writer), 0);
	assert_int_equal(builder_put_root(w.store, w.writer, &built), 0);
	pointer.root = built.id;
	pointer.bytes = built.totals.bytes;
	return pointer;
}

static void one_file_above_many_costs_its_path(void **state)
{
	struct pointer base = make_wide(40000);
	struct store_writer_stats before, after;
	struct snapshot_result r;
	uint64_t loaded;

	(void)state;
	scratch_sh("mkdir upper && printf changed >upper/00020000");
	store_writer_stats(w.writer, &before);
	loaded = source_pages_loaded(w.source);
	snapshot(&base, &base, &r);
	loaded = source_pages_loaded(w.source) - loaded;
	store_writer_stats(w.writer, &after);
	assert_int_equal(r.counts.modified, 1);
	assert_int_equal(r.counts.added + r.counts.deleted + r.counts.renamed, 0);
	assert_int_equal(r.pointer.files, 40000);
	assert_in_range(loaded, 2, 6);
	assert_in_range(after.records - before.records, 2, 6);
}

/* What was taken over by reference is what building it anew would give. */
static void many_changes_above_many_make_the_same_tree(void **state)
{
	struct pointer base = make_wide(20000), made;
	struct tree_change *changes = calloc(20000, sizeof(*changes));
	struct directory directory;
	struct built built;
	size_t count = 0;

	(void)state;
	scratch_sh("mkdir upper && cd upper && for i in $(seq -f %%08.0f 0 37 19999); do : >.wh.$i; done && "
	           "for i in $(seq -f %%08.0f 1 53 19999); do [ -e .wh.$i ] || printf x >$i; done && "
	           "for i in $(seq -f %%08.0f 2 97 19999); do printf x >$i+; done");
	dialect = LAYER_FUSE;
	made = record(&base, &base);
	for (unsigned i = 0; i < 20000; i++) {
		struct tree_change *c = &changes[count];
		const char *more = i % 97 == 2 ? "+" : "";

		if (i % 37 && i % 53 != 1 && !*more)
			continue;
		c->entry = (struct entry){
		    .kind = ENTRY_FILE, .form = CONTENT_INLINE, .size = 1, .inline_data = (const uint8_t *)"x"};
		if (i % 37 == 0 || i % 53 == 1) {
			c->remove = i % 37 == 0;
			assert_true(asprintf((char **)&c->path, "%08u", i) > 0);
			c = &changes[++count];
			c->entry = changes[count - 1].entry;
		}
		if (*more) {
			assert_true(asprintf((char **)&c->path, "%08u+", i) > 0);
			count++;
		}
	}
	dataset_directory(&base, &directory);
	assert_int_equal(tree_edit(w.writer, w.source, &directory, changes, count, &built), 0);
	assert_true(id_equal(&built.id, &made.root));
	assert_int_equal(built.totals.files, made.files);
	for (size_t i = 0; i < count; i++)
		free((char *)changes[i].path);
	free(changes);
}

static void trees_that_cannot_be_read_are_told_apart(void **state)
{
	struct pointer base = make_base(), lost = base;
	struct upper upper = {
	    .dirfd = w.top, .name = "upper", .path = "data", .dialect = LAYER_FUSE, .base = &base, .folder = -1};
	struct snapshot_result r;

	(void)state;
	scratch_sh("printf x >upper/x");
	lost.root.bytes[0] ^= 1;
	upper.old = &lost;
	assert_int_equal(upper_snapshot(&w.run, &upper, &r), -ESTALE);
	upper.old = NULL;
	assert_int_equal(upper_snapshot(&w.run, &upper, &r), 0);
	assert_int_equal(r.counts.added, 4);
	upper.base = &lost;
	assert_int_equal(upper_snapshot(&w.run, &upper, &r), -ENODATA);
}

/* Nothing that a dry run makes can be read back; what differs from a parent that is not the base is counted all the
 * same. */
static void a_dry_run_counts(void **state)
{
	struct pointer base = make_base(), first;
	struct upper upper = {
	    .dirfd = w.top, .name = "upper", .path = "data", .dialect = LAYER_FUSE, .base = &base, .folder = -1};
	struct store_writer *dry;
	struct snapshot_result r;

	(void)state;
	dialect = LAYER_FUSE;
	scratch_sh("mkdir -p upper/d upper/e && printf e >upper/e/f && printf x >upper/a && touch upper/.wh.d");
	first = record(&base, &base);
	scratch_sh("rm -r upper/.wh.d upper/a upper/e && printf new >upper/new");
	assert_int_equal(store_writer_open_dry(w.store, &dry), 0);
	w.run.writer = dry;
	w.run.dry = true;
	upper.old = &first;
	assert_int_equal(upper_snapshot(&w.run, &upper, &r), 0);
	assert_true(r.recorded);
	assert_int_equal(r.counts.modified, 1); /* a */
	assert_int_equal(r.counts.added, 3);    /* d/b, d/c, new */
	assert_int_equal(r.counts.deleted, 1);  /* e/f */
	w.run.writer = w.writer;
	store_writer_close(dry);
}

static void what_is_cancelled_ends(void **state)
{
	struct pointer base = make_base();
	struct upper upper = {
	    .dirfd = w.top, .name = "upper", .path = "data", .dialect = LAYER_FUSE, .base = &base, .folder = -1};
	struct snapshot_result r;

	(void)state;
	scratch_sh("printf x >upper/x");
	atomic_store(&w.cancelled, true);
	assert_int_equal(upper_snapshot(&w.run, &upper, &r), -EINTR);
}

/* A random base, and `merged` equal to it. */
static struct pointer random_base(uint64_t *random)
{
	scratch_sh("rm -rf base merged upper work mnt && mkdir merged upper work mnt");
	change_folder(w.top, "merged", random, 150);
	scratch_sh("cp -a merged base");
	return dataset_world_record(&w, "base", NULL);
}

/* The same as a plain snapshot of `merged`: root, numbers, counts. */
static struct pointer assert_as_merged(const struct pointer *base, const struct pointer *old)
{
	struct snapshot_result plain, r;

	assert_int_equal(dataset_world_snapshot(&w, "merged", old, &plain), 0);
	assert_true(plain.recorded);
	snapshot(base, old, &r);
	assert_string_equal(w.problems, "");
	assert_true(r.recorded);
	if (!id_equal(&r.pointer.root, &plain.pointer.root)) {
		char *a = dataset_world_listing(&w, &plain.pointer), *b = dataset_world_listing(&w, &r.pointer);

		for (size_t i = 0, line = 0; a[i]; i++) {
			line = i && a[i - 1] == '\n' ? i : line;
			if (a[i] != b[i])
				fail_msg("'%.*s' is '%.*s'", (int)strcspn(a + line, "\n"), a + line,
				         (int)strcspn(b + line, "\n"), b + line);
		}
		fail_msg("contents differ");
	}
	assert_int_equal(r.pointer.files, plain.pointer.files);
	assert_int_equal(r.pointer.bytes, plain.pointer.bytes);
	assert_int_equal(r.unchanged, plain.unchanged);
	assert_int_equal(r.counts.added, plain.counts.added);
	assert_int_equal(r.counts.modified, plain.counts.modified);
	assert_int_equal(r.counts.deleted, plain.counts.deleted);
	assert_int_equal(r.counts.renamed, plain.counts.renamed);
	return r.pointer;
}

static void random_uppers(enum layer_dialect d)
{
	dialect = d;
	if (!upper_marks_work(d, w.top))
		skip();
	for (uint64_t seed = 1; seed <= 3; seed++) {
		uint64_t random = seed * 77 + d;
		struct pointer base = random_base(&random), old = base;
		char *base_path = scratch_path("base"), *merged = scratch_path("merged"),
		     *upper = scratch_path("upper");

		for (unsigned round = 0; round < 3; round++) {
			scratch_sh("rm -rf upper && mkdir upper");
			change_folder(w.top, "merged", &random, 20);
			upper_write(d, base_path, merged, upper, &random);
			old = assert_as_merged(&base, seed % 3 ? &old : NULL);
		}
		free(base_path);
		free(merged);
		free(upper);
	}
}

static void random_uppers_of_the_kernel(void **state)
{
	(void)state;
	random_uppers(LAYER_KERNEL);
}

static void random_uppers_of_the_kernel_for_users(void **state)
{
	(void)state;
	random_uppers(LAYER_KERNEL_USER);
}

static void random_uppers_of_fuse_overlayfs(void **state)
{
	(void)state;
	random_uppers(LAYER_FUSE);
}

#define NO_MOUNT 77

static void write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text))
		_exit(NO_MOUNT);
	close(fd);
}

/* A mount namespace of our own, where need be with a user namespace. */
static void enter_namespace(void)
{
	char map[64];
	uid_t uid = geteuid();
	gid_t gid = getegid();

	if (unshare(uid ? CLONE_NEWUSER | CLONE_NEWNS : CLONE_NEWNS) < 0)
		_exit(NO_MOUNT);
	if (uid) {
		snprintf(map, sizeof(map), "0 %u 1", uid);
		write_text("/proc/self/uid_map", map);
		write_text("/proc/self/setgroups", "deny");
		snprintf(map, sizeof(map), "0 %u 1", gid);
		write_text("/proc/self/gid_map", map);
	}
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		_exit(NO_MOUNT);
}

/* In FOLDER: descriptors from before lead to the mounts of the other namespace. */
static void mount_overlay(const char *folder)
{
	const char *options = dialect == LAYER_KERNEL
	                          ? "lowerdir=base,upperdir=upper,workdir=work,redirect_dir=off,metacopy=off"
	                          : "lowerdir=base,upperdir=upper,workdir=work,userxattr";

	if (chdir(folder) < 0)
		_exit(1);
	if (dialect != LAYER_FUSE) {
		if (mount("overlay", "mnt", "overlay", 0, options) < 0)
			_exit(NO_MOUNT);
	} else if (system("fuse-overlayfs -o lowerdir=base,upperdir=upper,workdir=work mnt >/dev/null 2>&1")) {
		_exit(NO_MOUNT);
	}
}

/* In a process of its own: the same changes through a mount and in `merged`. */
static void change_through_mount(const char *folder, uint64_t random)
{
	int mounted, merged;

	alarm(60);
	enter_namespace();
	mount_overlay(folder);
	mounted = open("mnt", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	merged = open("merged", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (unsigned i = 0; i < 60; i++) {
		struct change change = change_random(&random);
		int error = change_apply(mounted, &change);

		/* Directories that the base has cannot be renamed there. */
		if (error == -EXDEV)
			change_prepare(merged, &change);
		else if (change_apply(merged, &change) != error)
			_exit(2);
	}
	close(mounted);
	if (umount("mnt") < 0)
		_exit(3);
	/* The kernel leaves it so that its owner cannot remove it. */
	chmod("work/work", 0700);
	_exit(0);
}

/* Random changes through a real mount. */
static void random_mounts(enum layer_dialect d)
{
	char folder[256], *path = scratch_path(".");

	assert_true(snprintf(folder, sizeof(folder), "%s", path) < (int)sizeof(folder));
	free(path);
	dialect = d;
	if (d != LAYER_FUSE && !upper_marks_work(d, w.top))
		skip();
	for (uint64_t seed = 1; seed <= 2; seed++) {
		uint64_t random = seed * 1000 + d;
		struct pointer base = random_base(&random), old = base;

		for (unsigned round = 0; round < 2; round++) {
			int status;
			pid_t child = fork();

			assert_true(child >= 0);
			if (!child)
				change_through_mount(folder, random + round);
			assert_int_equal(waitpid(child, &status, 0), child);
			assert_true(WIFEXITED(status));
			if (WEXITSTATUS(status) == NO_MOUNT)
				skip();
			assert_int_equal(WEXITSTATUS(status), 0);
			old = assert_as_merged(&base, &old);
		}
	}
}

static void random_changes_through_overlayfs(void **state)
{
	(void)state;
	random_mounts(LAYER_KERNEL);
}

static void random_changes_through_overlayfs_for_users(void **state)
{
	(void)state;
	random_mounts(LAYER_KERNEL_USER);
}

static void random_changes_through_fuse_overlayfs(void **state)
{
	(void)state;
	if (scratch_try("command -v fuse-overlayfs >/dev/null"))
		skip();
	random_mounts(LAYER_FUSE);
}

#define t(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    t(an_empty_upper_folder_changes_nothing),
	    t(what_the_upper_folder_has_replaces_what_is_below),
	    t(marks_hide_what_is_below),
	    t(a_marked_name_hides_the_one_beside_it),
	    t(marks_of_another_dialect_mean_nothing),
	    t(empty_whiteouts_need_a_marked_folder),
	    t(content_at_another_place_is_a_problem),
	    t(every_problem_is_named),
	    t(folders_too_deep_are_a_problem),
	    t(an_unreadable_folder_is_a_problem),
	    t(marks_that_cannot_be_read_are_an_error),
	    t(an_upper_folder_that_is_none_is_an_error),
	    t(patterns_leave_out_what_the_upper_folder_has),
	    t(what_was_only_touched_is_as_it_was),
	    t(a_second_snapshot_reads_what_changed_since),
	    t(a_young_file_is_read_again),
	    t(what_is_stored_through_a_mapping_later_is_seen),
	    t(one_file_above_many_costs_its_path),
	    t(many_changes_above_many_make_the_same_tree),
	    t(trees_that_cannot_be_read_are_told_apart),
	    t(a_dry_run_counts),
	    t(what_is_cancelled_ends),
	    t(random_uppers_of_the_kernel),
	    t(random_uppers_of_the_kernel_for_users),
	    t(random_uppers_of_fuse_overlayfs),
	    t(random_changes_through_overlayfs),
	    t(random_changes_through_overlayfs_for_users),
	    t(random_changes_through_fuse_overlayfs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
