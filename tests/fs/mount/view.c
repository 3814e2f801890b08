/* What a mount shows; what asks Git for something twice, once with each of its readers. */
#include "fs/mount/view.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "fs/registration.h"
#include "fs/spool.h"
#include "tests/support/recorded.h"
#include "tests/support/scratch.h"

#define TEXT_SIZE (1 << 16)

static enum repo_reader reader;
static struct garden garden;
static struct place_world world;
static struct memory *memory;
static struct view *view;

static struct view *open_view(const int *nodes)
{
	struct view_setup setup = {.world = world, .mountpoint = "/mnt/x", .nodes = nodes, .uid = 12, .gid = 34};
	struct view *v;

	assert_int_equal(view_open(&setup, &v), 0);
	return v;
}

/*
 * v1: plain, sub/x, data (a, d/b, d/same, empty/, big, mid, l), one (a file).  main, one commit on: data with a
 * changed, new made, d/b gone, empty gone, void made.
 */
static int set_up(void **state)
{
	char *dir;

	(void)state;
	garden_open(&garden);
	scratch_sh(
	    "git init -q -b main r && cd r && printf '/data\n/one\n' > .git/info/exclude && mkdir -p sub data/d "
	    "data/empty && "
	    "echo plain > plain && echo x > sub/x && chmod +x sub/x && ln -s plain link && printf aaa > data/a && "
	    "printf b > data/d/b && printf same > data/d/same && printf same > data/d/same2 && ln -s d/b data/l && "
	    "head -c 900000 /dev/zero | openssl enc -aes-128-ctr -K 00 -iv 00 2>/dev/null > data/big && "
	    "head -c 5000 data/big > data/mid && printf one > one && touch -d 2001-02-03 data/a");
	recorded(&garden, "r/data");
	recorded(&garden, "r/one");
	scratch_sh("cd r && git add -A && git commit -q -m one && git tag -a -m t v1 && printf AAA > data/a && printf "
	           "n > data/new "
	           "&& rm -r data/d/b data/empty && mkdir data/void");
	recorded(&garden, "r/data");
	scratch_sh("cd r && git add -A && git commit -q -m two && git tag v2");
	dir = scratch_path("r");
	world = (struct place_world){0};
	assert_int_equal(repo_open(dir, reader, &world.repo, NULL), 0);
	assert_int_equal(memory_open(8 << 20, &memory), 0);
	assert_int_equal(source_open(garden.store, memory, NULL, &world.source), 0);
	assert_int_equal(spool_open(world.repo, dir, &world.spool), 0);
	view = open_view(NULL);
	free(dir);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	view_close(view);
	spool_close(world.spool);
	source_close(world.source);
	memory_close(memory);
	repo_close(world.repo);
	garden_close(&garden);
	return 0;
}

static uint64_t nodes_now(void)
{
	struct node_stats stats;

	node_stats(view_nodes(view), &stats);
	return stats.nodes;
}

static char *hex_of(const char *expression)
{
	return scratch_output("git -C r rev-parse '%s^{commit}'", expression);
}

/* --- walking, as the kernel does --- */

/* Look PATH up from the root; links are not followed.  What is on the way is forgotten again.  Ends with an error, or
 * with entry->id 0 where there is no such name. */
static int walk(const char *path, struct view_entry *entry)
{
	uint64_t parent = NODE_ROOT;
	char name[1100];
	int err;

	for (;;) {
		size_t len = strcspn(path, "/");

		assert_true(len < sizeof(name));
		memcpy(name, path, len);
		name[len] = '\0';
		err = view_lookup(view, parent, name, entry);
		if (parent != NODE_ROOT)
			view_forget(view, parent, 1);
		if (err || !entry->id || !path[len])
			return err;
		parent = entry->id;
		path += len + 1;
	}
}

static struct view_entry found(const char *path)
{
	struct view_entry entry;

	assert_int_equal(walk(path, &entry), 0);
	if (!entry.id)
		fail_msg("there is no '%s'", path);
	return entry;
}

static void forget(const struct view_entry *entry)
{
	view_forget(view, entry->id, 1);
}

static void assert_absent(const char *path, double seconds)
{
	struct view_entry entry;

	assert_int_equal(walk(path, &entry), 0);
	assert_int_equal(entry.id, 0);
	assert_true(entry.entry_timeout_s == seconds);
}

static char *target(const char *path)
{
	struct view_entry entry = found(path);
	char *text = malloc(VIEW_TARGET_MAX);

	assert_non_null(text);
	assert_true(S_ISLNK(entry.attr.st_mode));
	assert_int_equal(view_readlink(view, entry.id, text), 0);
	assert_int_equal(entry.attr.st_size, strlen(text));
	forget(&entry);
	return text;
}

static void assert_target(const char *path, const char *expected)
{
	char *text = target(path);

	assert_string_equal(text, expected);
	free(text);
}

/* Read LEN bytes at OFFSET of a node into TEXT, a NUL byte behind; an error, or how many. */
static ssize_t read_node(uint64_t id, uint64_t offset, char *text, size_t len)
{
	struct view_bytes bytes;
	char *scratch = malloc(len + 1);
	int err;

	assert_non_null(scratch);
	err = view_read(view, id, offset, scratch, len, &bytes);
	if (!err) {
		assert_true(bytes.len <= len);
		memcpy(text, bytes.data, bytes.len);
		text[bytes.len] = '\0';
		view_unpin_bytes(view, &bytes);
	}
	free(scratch);
	return err ? err : (ssize_t)bytes.len;
}

static void assert_text(const char *path, const char *expected)
{
	struct view_entry entry = found(path);
	char text[TEXT_SIZE];

	assert_true(S_ISREG(entry.attr.st_mode));
	assert_int_equal(entry.attr.st_size, strlen(expected));
	assert_int_equal(read_node(entry.id, 0, text, sizeof(text) - 1), strlen(expected));
	assert_string_equal(text, expected);
	forget(&entry);
}

/* --- listing --- */

struct names {
	char list[64][64]; /* names, with / or > behind them */
	size_t count;
	uint64_t dir;
	uint64_t cookie; /* behind the last */
	size_t limit;    /* of this answer */
	size_t told;
};

/* What is told of a name must be what a look-up finds. */
static void check_item(const struct names *names, const struct view_item *item)
{
	struct view_entry looked, taken;

	assert_int_equal(view_lookup(view, names->dir, item->name, &looked), 0);
	assert_int_not_equal(looked.id, 0);
	assert_int_equal(looked.attr.st_mode & S_IFMT, item->type);
	if (S_ISREG(item->type) && !item->place) {
		forget(&looked); /* live: a new node each time */
		return;
	}
	assert_int_equal(looked.attr.st_ino, item->ino);
	assert_int_equal(view_take_item(view, item, &taken), 0);
	assert_int_equal(taken.attr.st_ino, item->ino);
	if (item->place) {
		assert_int_equal(taken.id, looked.id);
		assert_memory_equal(&taken.attr, &looked.attr, sizeof(taken.attr));
		forget(&taken);
	} else {
		assert_int_equal(taken.id, 0);
	}
	forget(&looked);
}

static int collect(void *arg, const struct view_item *item)
{
	struct names *names = arg;

	if (names->told == names->limit)
		return 1;
	assert_int_not_equal(item->cookie, 0);
	assert_int_not_equal(item->ino, 0);
	names->cookie = item->cookie;
	names->told++;
	if (strcmp(item->name, ".") == 0 || strcmp(item->name, "..") == 0) {
		assert_int_equal(item->type, S_IFDIR);
		return 0;
	}
	assert_true(names->count < 64);
	snprintf(names->list[names->count++], 64, "%s%s", item->name,
	         S_ISDIR(item->type)   ? "/"
	         : S_ISLNK(item->type) ? ">"
	                               : "");
	check_item(names, item);
	return 0;
}

static int by_text(const void *a, const void *b)
{
	return strcmp(a, b);
}

/* The names of a node in answers of LIMIT names each, sorted, with blanks between.  An error where listing failed. */
static int list_node(uint64_t id, size_t limit, char *text)
{
	struct names names = {.dir = id, .limit = limit};
	int err;

	text[0] = '\0';
	do {
		names.told = 0;
		err = view_list(view, id, names.cookie, collect, &names);
	} while (!err && names.told);
	qsort(names.list, names.count, sizeof(names.list[0]), by_text);
	for (size_t i = 0; i < names.count; i++) {
		strcat(text, i ? " " : "");
		strcat(text, names.list[i]);
	}
	return err;
}

static void assert_names(const char *path, const char *expected)
{
	struct view_entry entry = {.id = NODE_ROOT};
	char text[TEXT_SIZE];

	if (*path)
		entry = found(path);
	for (size_t limit = 1; limit < 64; limit += 31) {
		assert_int_equal(list_node(entry.id, limit, text), 0);
		assert_string_equal(text, expected);
	}
	if (*path)
		forget(&entry);
}

/* --- the root --- */

static void root_lists_refs(void **state)
{
	(void)state;
	scratch_sh("cd r && git branch feature/x && git tag feature/y");
	assert_names("", "@HEAD> @feature/ @main> @v1/ @v2/");
	assert_names("@feature", "x> y/");
	assert_int_equal(nodes_now(), 1);
}

static void other_names_are_absent_for_ever_and_refs_for_a_second(void **state)
{
	(void)state;
	assert_absent("plain", VIEW_FOREVER);
	assert_absent(".git", VIEW_FOREVER);
	assert_absent("@nope", 1);
	assert_absent("@", 1);
	assert_absent("@main..nope", 1);
	assert_absent("@nope..main", 1);
	assert_absent("@v1/nope", VIEW_FOREVER);
	assert_absent("@v1/data/nope", VIEW_FOREVER);
	assert_absent("@v1..v2/nope", VIEW_FOREVER);
	scratch_sh("cd r && git branch feature/x");
	assert_absent("@feature/nope", 1);
	assert_int_equal(nodes_now(), 1);
}

static void what_moves_is_a_link_and_what_does_not_a_folder(void **state)
{
	char *main_id = hex_of("main"), *v1_id = hex_of("v1"), path[200], expected[200];
	const char *const moving[] = {"@main", "@HEAD", "@v2~0", "@main~0", "@refs%2Fheads%2Fmain"};
	struct view_entry entry;

	(void)state;
	scratch_sh("cd r && git branch feature/x");
	snprintf(expected, sizeof(expected), "@%s", main_id);
	for (size_t i = 0; i < sizeof(moving) / sizeof(moving[0]); i++)
		assert_target(moving[i], expected);
	snprintf(path, sizeof(path), "@%.8s", main_id);
	assert_target(path, expected);
	assert_target("@feature%2Fx", expected);
	snprintf(expected, sizeof(expected), "../@%s", main_id);
	assert_target("@feature/x", expected);
	snprintf(expected, sizeof(expected), "@%s", v1_id);
	assert_target("@main~1", expected);
	assert_target("@v2^", expected);

	entry = found("@main");
	assert_true(entry.entry_timeout_s == 1 && entry.attr_timeout_s == VIEW_FOREVER);
	forget(&entry);
	entry = found("@v1");
	assert_true(S_ISDIR(entry.attr.st_mode));
	assert_true(entry.entry_timeout_s == 1 && entry.attr_timeout_s == VIEW_FOREVER);
	forget(&entry);
	snprintf(path, sizeof(path), "@%s", main_id);
	entry = found(path);
	assert_true(S_ISDIR(entry.attr.st_mode));
	assert_true(entry.entry_timeout_s == VIEW_FOREVER && entry.attr_timeout_s == VIEW_FOREVER);
	forget(&entry);
	free(main_id);
	free(v1_id);
}

static void moved_ref_is_a_new_node(void **state)
{
	struct view_entry link = found("@main"), tag = found("@v1"), again;
	char before[VIEW_TARGET_MAX], after[VIEW_TARGET_MAX];

	(void)state;
	again = found("@main");
	assert_int_equal(again.id, link.id);
	forget(&again);
	scratch_sh("cd r && git commit -q --allow-empty -m three && git tag -f v1 >/dev/null");
	again = found("@main");
	assert_int_not_equal(again.id, link.id);
	assert_int_equal(view_readlink(view, link.id, before), 0);
	assert_int_equal(view_readlink(view, again.id, after), 0);
	assert_string_not_equal(before, after);
	forget(&again);
	again = found("@v1");
	assert_int_not_equal(again.id, tag.id);
	forget(&again);
	/* Who is in the old one stays there. */
	again = (struct view_entry){0};
	assert_int_equal(view_lookup(view, tag.id, "one", &again), 0);
	assert_int_not_equal(again.id, 0);
	forget(&again);
	forget(&link);
	forget(&tag);
}

static void full_id_is_its_commit_whatever_refs_say(void **state)
{
	char *id = hex_of("v1"), path[200];

	(void)state;
	scratch_sh("cd r && git update-ref refs/tags/%s main && git update-ref refs/heads/%s main", id, id);
	snprintf(path, sizeof(path), "@%s/data/a", id);
	assert_text(path, "aaa");
	free(id);
}

static void root_tells_of_changes_by_its_time(void **state)
{
	struct timespec pause = {.tv_nsec = 5000000};
	struct stat before, after;
	double timeout_s;

	(void)state;
	assert_int_equal(view_attr(view, NODE_ROOT, &before, &timeout_s), 0);
	assert_true(timeout_s == 1);
	assert_true(S_ISDIR(before.st_mode));
	assert_int_equal(before.st_ino, 1);
	scratch_sh("cd r && git tag v3");
	for (unsigned i = 0; i < 1000; i++) {
		assert_int_equal(view_attr(view, NODE_ROOT, &after, &timeout_s), 0);
		if (after.st_mtim.tv_nsec != before.st_mtim.tv_nsec)
			return;
		nanosleep(&pause, NULL);
	}
	fail_msg("the time did not move");
}

/* --- below a commit --- */

static void commit_shows_git_and_datasets(void **state)
{
	(void)state;
	assert_names("@v1", "data.revfs data/ link> one one.revfs plain sub/");
	assert_names("@v1/data", "a big d/ empty/ l> mid");
	assert_names("@v1/data/d", "b same same2");
	assert_names("@v1/data/empty", "");
	assert_names("@v2/data", "a big d/ l> mid new void/");
	assert_text("@v1/plain", "plain\n");
	assert_text("@v1/sub/x", "x\n");
	assert_text("@v1/one", "one");
	assert_text("@v1/data/a", "aaa");
	assert_text("@v2/data/a", "AAA");
	assert_target("@v1/link", "plain");
	assert_target("@v1/data/l", "d/b");
	assert_int_equal(nodes_now(), 1);
}

static void attributes_are_what_they_should_be(void **state)
{
	char *time = scratch_output("git -C r log -1 --format=%%ct v1");
	struct view_entry entry = found("@v1/sub/x");
	struct stat again;
	double timeout_s;

	(void)state;
	assert_int_equal(entry.attr.st_mode, S_IFREG | 0755);
	assert_int_equal(entry.attr.st_nlink, 1);
	assert_int_equal(entry.attr.st_uid, 12);
	assert_int_equal(entry.attr.st_gid, 34);
	assert_int_equal(entry.attr.st_mtim.tv_sec, atoll(time));
	assert_true(entry.entry_timeout_s == VIEW_FOREVER);
	forget(&entry);
	entry = found("@v1/data/a");
	assert_int_equal(entry.attr.st_mode, S_IFREG | 0644);
	assert_int_equal(entry.attr.st_blocks, 1);
	assert_int_equal(entry.attr.st_mtim.tv_sec, 981158400);
	assert_int_equal(view_attr(view, entry.id, &again, &timeout_s), 0);
	assert_memory_equal(&entry.attr, &again, sizeof(again));
	assert_true(timeout_s == VIEW_FOREVER);
	forget(&entry);
	entry = found("@v1/data");
	assert_int_equal(entry.attr.st_mode, S_IFDIR | 0755);
	assert_int_equal(entry.attr.st_nlink, 1);
	assert_int_equal(entry.attr.st_size, 0);
	assert_int_equal(entry.attr.st_mtim.tv_sec, atoll(time));
	forget(&entry);
	free(time);
}

static void same_path_and_content_is_one_node(void **state)
{
	struct view_entry one = found("@v1/data/d/same"), two = found("@v2/data/d/same");
	struct view_entry branch = found("@v1/data/big"), changed = found("@v1/data/a"), other = found("@v2/data/a");
	struct view_entry twin = found("@v1/data/d/same2"), dir = found("@v1/data/d"), dir2 = found("@v2/data/d");

	(void)state;
	assert_int_equal(one.id, two.id);
	assert_int_equal(one.attr.st_ino, two.attr.st_ino);
	assert_int_not_equal(changed.id, other.id);
	assert_int_not_equal(changed.attr.st_ino, other.attr.st_ino);
	/* Never two paths of one revision. */
	assert_int_not_equal(one.id, twin.id);
	assert_int_not_equal(one.attr.st_ino, twin.attr.st_ino);
	assert_int_not_equal(dir.id, dir2.id);
	assert_int_not_equal(dir.attr.st_ino, dir2.attr.st_ino);
	forget(&branch);
	branch = found("@v1..v2/modified/data/a");
	assert_int_equal(branch.id, other.id);
	forget(&one);
	/* Still held through the other revision. */
	assert_int_equal(view_attr(view, two.id, &one.attr, &one.attr_timeout_s), 0);
	forget(&two);
	assert_int_equal(view_attr(view, two.id, &one.attr, &one.attr_timeout_s), -ESTALE);
	forget(&branch);
	forget(&changed);
	forget(&other);
	forget(&twin);
	forget(&dir);
	forget(&dir2);
	assert_int_equal(nodes_now(), 1);
}

static void reads_any_part_of_a_file(void **state)
{
	static const uint64_t offsets[] = {0, 1, 4095, 100000, 262143, 500000, 899999, 900000, 900001};
	char *path = scratch_path("r/data/big"), *truth = malloc(900000), *text = malloc(900001);
	struct view_entry entry = found("@v1/data/big");
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	(void)state;
	assert_true(fd >= 0 && truth && text);
	assert_int_equal(read(fd, truth, 900000), 900000);
	for (size_t i = 0; i < sizeof(offsets) / sizeof(offsets[0]); i++) {
		size_t left = offsets[i] < 900000 ? 900000 - offsets[i] : 0;

		assert_int_equal(read_node(entry.id, offsets[i], text, 900000), left);
		assert_memory_equal(text, truth + offsets[i], left);
		assert_int_equal(read_node(entry.id, offsets[i], text, 10), left < 10 ? left : 10);
	}
	forget(&entry);
	entry = found("@v1/data/mid");
	assert_int_equal(read_node(entry.id, 1000, text, 10000), 4000);
	assert_memory_equal(text, truth + 1000, 4000);
	assert_int_equal(read_node(entry.id, 5000, text, 10), 0);
	forget(&entry);
	close(fd);
	free(path);
	free(truth);
	free(text);
}

static void wrong_kinds_are_refused(void **state)
{
	struct view_entry dir = found("@v1/data"), file = found("@v1/data/a"), link = found("@v1/data/l"), entry;
	char text[VIEW_TARGET_MAX];

	(void)state;
	assert_int_equal(view_lookup(view, file.id, "x", &entry), -ENOTDIR);
	assert_int_equal(view_list(view, file.id, 0, collect, NULL), -ENOTDIR);
	assert_int_equal(view_readlink(view, file.id, text), -EINVAL);
	assert_int_equal(view_readlink(view, dir.id, text), -EINVAL);
	assert_int_equal(read_node(dir.id, 0, text, 10), -EISDIR);
	assert_int_equal(read_node(link.id, 0, text, 10), -EINVAL);
	assert_int_equal(view_lookup(view, 12345, "x", &entry), -ESTALE);
	memset(text, 'n', 256);
	text[256] = '\0';
	assert_int_equal(view_lookup(view, dir.id, text, &entry), -ENAMETOOLONG);
	forget(&dir);
	forget(&file);
	forget(&link);
}

/* --- ranges --- */

static void range_shows_what_changed(void **state)
{
	(void)state;
	assert_names("@v1..v2", "added/ deleted/ modified/");
	assert_names("@v1..v2/added", "data/");
	assert_names("@v1..v2/added/data", "new void/");
	assert_names("@v1..v2/added/data/void", "");
	assert_names("@v1..v2/modified", "data/");
	assert_names("@v1..v2/modified/data", "a");
	assert_names("@v1..v2/deleted", "data/");
	assert_names("@v1..v2/deleted/data", "d/ empty/");
	assert_names("@v1..v2/deleted/data/d", "b");
	assert_text("@v1..v2/modified/data/a", "AAA");
	assert_text("@v2..v1/modified/data/a", "aaa");
	assert_text("@v1..v2/deleted/data/d/b", "b");
	assert_text("@v2..v1/added/data/d/b", "b");
	assert_absent("@v1..v2/modified/data/d", VIEW_FOREVER);
	assert_absent("@v1..v2/modified/data/big", VIEW_FOREVER);
	assert_absent("@v1..v2/modified/plain", VIEW_FOREVER);
	assert_absent("@v1..v2/modified/data.revfs", VIEW_FOREVER);
	assert_absent("@v1..v2/added/data/a", VIEW_FOREVER);
	assert_names("@v1..v1/added", "");
	assert_names("@v1..v1/modified", "");
	assert_names("@v1..v1/deleted", "");
	assert_int_equal(nodes_now(), 1);
}

static void range_of_what_moves_is_a_link(void **state)
{
	char *main_id = hex_of("main"), *v1_id = hex_of("v1"), expected[300];

	(void)state;
	scratch_sh("cd r && git branch feature/x");
	snprintf(expected, sizeof(expected), "@%s..%s", v1_id, main_id);
	assert_target("@v1..main", expected);
	assert_target("@v2~1..v2", expected);
	assert_names(expected, "added/ deleted/ modified/");
	assert_target("@v1..feature%2Fx", expected);
	snprintf(expected, sizeof(expected), "../@%s..%s", v1_id, main_id);
	assert_target("@v1..feature/x", expected);
	snprintf(expected, sizeof(expected), "../@%s..%s", main_id, v1_id);
	assert_target("@feature/x..v1", expected);
	free(main_id);
	free(v1_id);
}

static void datasets_come_go_and_change_their_kind(void **state)
{
	(void)state;
	scratch_sh("cd r && printf '/deep/in/set\n/swap\n' >> .git/info/exclude && mkdir -p deep/in/set swap && "
	           "printf s > deep/in/set/s && printf w > swap/w && rm one.revfs && printf ONE > one");
	recorded(&garden, "r/deep/in/set");
	recorded(&garden, "r/swap");
	recorded(&garden, "r/one");
	scratch_sh("cd r && git add -A && git commit -q -m three && git tag v3 && rm -r swap && printf file > swap && "
	           "rm one.revfs");
	recorded(&garden, "r/swap");
	scratch_sh("cd r && rm data/big && mkdir data/big && printf y > data/big/y && rm data/l && printf l > data/l");
	recorded(&garden, "r/data");
	scratch_sh("cd r && git add -A && git commit -q -m four && git tag v4");

	assert_names("@v2..v3/added", "deep/ swap/");
	assert_names("@v2..v3/added/deep", "in/");
	assert_names("@v2..v3/added/deep/in", "set/");
	assert_names("@v2..v3/added/deep/in/set", "s");
	assert_names("@v2..v3/modified", "one");
	assert_names("@v2..v3/deleted", "");
	assert_text("@v2..v3/modified/one", "ONE");
	assert_names("@v3..v2/deleted", "deep/ swap/");
	assert_text("@v3..v2/deleted/deep/in/set/s", "s");

	assert_names("@v3..v4/added", "data/ swap");
	assert_names("@v3..v4/deleted", "data/ one swap/");
	assert_names("@v3..v4/modified", "");
	assert_names("@v3..v4/added/data", "big/ l");
	assert_names("@v3..v4/added/data/big", "y");
	assert_names("@v3..v4/deleted/data", "big l>");
	assert_names("@v3..v4/deleted/swap", "w");
	assert_text("@v3..v4/added/swap", "file");
	assert_target("@v3..v4/deleted/data/l", "d/b");
	assert_int_equal(nodes_now(), 1);
}

/* --- .revfs --- */

static void live_files_have_the_text_of_their_look_up(void **state)
{
	struct view_entry first = found(".revfs/counters"), second;
	char text[TEXT_SIZE], again[TEXT_SIZE];

	(void)state;
	assert_names(".revfs", "counters errors metrics status");
	assert_true(first.entry_timeout_s == 0 && first.attr_timeout_s == VIEW_FOREVER);
	assert_int_equal(read_node(first.id, 0, text, TEXT_SIZE - 1), first.attr.st_size);
	assert_non_null(strstr(text, "\nlookup 0\n"));
	counters_request(view_counters(view), 1);
	assert_int_equal(read_node(first.id, 0, again, TEXT_SIZE - 1), first.attr.st_size);
	assert_string_equal(text, again);
	second = found(".revfs/counters");
	assert_int_not_equal(first.id, second.id);
	assert_int_equal(read_node(second.id, 0, again, TEXT_SIZE - 1), second.attr.st_size);
	assert_non_null(strstr(again, "\nlookup 1\n"));
	assert_int_equal(read_node(second.id, 9, again, 5), 5);
	forget(&first);
	forget(&second);
	assert_absent(".revfs/nope", VIEW_FOREVER);
	first = found(".revfs/status");
	assert_true(read_node(first.id, 0, text, TEXT_SIZE - 1) > 0);
	assert_non_null(strstr(text, "mountpoint /mnt/x\n"));
	assert_non_null(strstr(text, reader == REPO_COMMAND ? "reader git\n" : "reader libgit2\n"));
	forget(&first);
	assert_int_equal(nodes_now(), 1);
}

/* --- extended attributes --- */

static ssize_t xattr_of(const char *path, const char *name, char value[256])
{
	struct view_entry entry = {.id = NODE_ROOT};
	ssize_t len;

	if (*path)
		entry = found(path);
	len = view_getxattr(view, entry.id, name, value, 255);
	if (len >= 0) {
		assert_int_equal(view_getxattr(view, entry.id, name, NULL, 0), len);
		assert_int_equal(view_getxattr(view, entry.id, name, value, (size_t)len), len);
		if (len > 1)
			assert_int_equal(view_getxattr(view, entry.id, name, value, (size_t)len - 1), -ERANGE);
		value[len] = '\0';
	}
	if (*path)
		forget(&entry);
	return len;
}

static void assert_xattr(const char *path, const char *name, const char *expected)
{
	char value[256], full[64];

	snprintf(full, sizeof(full), "user.revfs.%s", name);
	assert_true(xattr_of(path, full, value) > 0);
	assert_string_equal(value, expected);
}

/* The names that are listed, without `user.revfs.`, blanks between. */
static void assert_xattrs(const char *path, const char *expected)
{
	struct view_entry entry = {.id = NODE_ROOT};
	char list[512], text[512] = "", value[256];
	ssize_t len;

	if (*path)
		entry = found(path);
	len = view_listxattr(view, entry.id, list, sizeof(list));
	assert_true(len >= 0);
	assert_int_equal(view_listxattr(view, entry.id, NULL, 0), len);
	for (const char *p = list; p < list + len; p += strlen(p) + 1) {
		assert_true(view_getxattr(view, entry.id, p, value, sizeof(value)) > 0);
		assert_memory_equal(p, "user.revfs.", 11);
		strcat(text, text[0] ? " " : "");
		strcat(text, p + 11);
	}
	assert_string_equal(text, expected);
	if (*path)
		forget(&entry);
}

static void attributes_tell_where_things_come_from(void **state)
{
	char *v1_id = hex_of("v1"), *sum = scratch_output("sha256sum r/data/mid | cut -c1-64");
	char *blob = scratch_output("git -C r rev-parse v1:plain"), value[256];

	(void)state;
	assert_xattr("@v1", "commit", v1_id);
	assert_xattr("@v1/data/d", "commit", v1_id);
	assert_xattr("@v1..v2/deleted/data", "commit", v1_id);
	assert_xattr("@v1/data/mid", "id", sum);
	assert_xattr("@v1/plain", "id", blob);
	assert_xattr("@v1/data/mid", "chunks", "1");
	assert_xattr("@v1/data/mid", "cached", "5000");
	assert_xattr("@v1/data/mid", "source", "local");
	assert_xattr("@v1/data/a", "chunks", "0");
	assert_xattr("@v1/data/big", "cached", "900000");
	assert_xattrs("@v1/data/mid", "id chunks cached source");
	assert_xattrs("@v1/data", "commit id");
	assert_xattrs("@v1", "commit id");
	assert_xattrs("@v1/plain", "id");
	assert_xattrs("@v1/data/l", "");
	assert_xattrs("@main", "");
	assert_xattrs("", "");
	assert_int_equal(xattr_of("@v1", "user.revfs.nope", value), -ENODATA);
	assert_int_equal(xattr_of("@v1", "user.revfs.error", value), -ENODATA);
	assert_int_equal(xattr_of("@v1/data/a", "user.revfs.commit", value), -ENODATA);
	assert_int_equal(xattr_of("", "user.revfs.commit", value), -ENODATA);
	assert_int_equal(xattr_of("@v1", "user.revfsx", value), -EOPNOTSUPP);
	assert_int_equal(xattr_of("@v1", "security.selinux", value), -EOPNOTSUPP);
	assert_int_equal(xattr_of("@v1/data/a", "system.posix_acl_access", value), -EOPNOTSUPP);
	free(v1_id);
	free(sum);
	free(blob);
}

static void hidden_dataset_is_told_at_its_pointer(void **state)
{
	(void)state;
	scratch_sh(
	    "cd r && rm -rf data one && mkdir data && echo git > data/own && : > .git/info/exclude && git add data && "
	    "git commit -q -m hidden && git tag v5");
	assert_names("@v5/data", "own");
	assert_xattr("@v5/data.revfs", "error", "not shown: git has 'data' itself");
	assert_xattrs("@v5/data.revfs", "id error");
	assert_xattrs("@v5/one.revfs", "id");
}

/* --- what is damaged or missing --- */

static const char *errors_text(void)
{
	static char text[TEXT_SIZE];
	struct view_entry entry = found(".revfs/errors");

	assert_true(read_node(entry.id, 0, text, TEXT_SIZE - 1) >= 0);
	forget(&entry);
	return text;
}

/* A folder of which only the names are there: good, and lost, whose chunk is in no store. */
static void commit_lost_chunk(void)
{
	struct entry good = garden_file("good", 5), lost = garden_file("lost", 7);
	struct pointer pointer = {0};
	struct builder *builder;
	struct built built;
	char text[POINTER_TEXT_MAX];

	lost.form = CONTENT_CHUNK;
	lost.size = 1000;
	lost.inline_data = NULL;
	memset(&lost.id, 0x5a, sizeof(lost.id));
	assert_int_equal(builder_open(garden.writer, PAGE_DIRECTORY, &builder), 0);
	assert_int_equal(builder_add(builder, &good), 0);
	assert_int_equal(builder_add(builder, &lost), 0);
	assert_int_equal(builder_finish(builder, &built), 0);
	builder_close(builder);
	assert_int_equal(store_writer_commit(garden.writer), 0);
	assert_int_equal(builder_put_root(garden.store, garden.writer, &built), 0);
	pointer.root = built.id;
	pointer.files = built.totals.files;
	pointer.bytes = built.totals.bytes;
	pointer_format(&pointer, text);
	scratch_sh("cd r && cat > torn.revfs <<'END'\n%sEND\ngit add -A && git commit -q -m torn && git tag torn",
	           text);
}

static void missing_chunk_is_an_error_there_alone(void **state)
{
	struct view_entry lost;
	char text[TEXT_SIZE];

	(void)state;
	commit_lost_chunk();
	assert_names("@torn/torn", "good lost");
	lost = found("@torn/torn/lost");
	assert_int_equal(lost.attr.st_size, 1000);
	assert_int_equal(read_node(lost.id, 0, text, 100), -EIO);
	assert_xattr("@torn/torn/lost", "error", "can't read: data that is in no store");
	assert_xattr("@torn/torn/lost", "source", "missing");
	assert_xattr("@torn/torn/lost", "cached", "0");
	assert_non_null(strstr(errors_text(), " @torn/torn/lost: can't read: data that is in no store\n"));
	assert_text("@torn/torn/good", "zero ");
	assert_text("@torn/data/a", "AAA");
	forget(&lost);
}

static void missing_root_is_an_error_of_that_dataset(void **state)
{
	struct view_entry entry, name;
	char text[TEXT_SIZE];

	(void)state;
	scratch_sh("cd r && sed 's/sha256:..../sha256:0000/' data.revfs > gone.revfs && sed 's/^files .*/files 77/' "
	           "data.revfs > "
	           "lies.revfs && git add -A && git commit -q -m gone && git tag gone");
	entry = found("@gone/gone");
	assert_true(S_ISDIR(entry.attr.st_mode));
	assert_true(entry.entry_timeout_s <= 1 && entry.attr_timeout_s <= 1);
	assert_int_equal(list_node(entry.id, 10, text), -EIO);
	assert_int_equal(view_lookup(view, entry.id, "a", &name), -EIO);
	assert_xattr("@gone/gone", "error", "can't look it up: data that is in no store");
	forget(&entry);
	entry = found("@gone/lies");
	assert_int_equal(list_node(entry.id, 10, text), -EIO);
	assert_xattr("@gone/lies", "error", "can't list: damaged data");
	forget(&entry);
	assert_text("@gone/data/a", "AAA");
	assert_non_null(strstr(errors_text(), " @gone/lies: can't list: damaged data\n"));
}

static void lost_repository_is_an_error_and_nothing_worse(void **state)
{
	struct view_entry known = found("@v1/data"), entry;
	char text[TEXT_SIZE];

	(void)state;
	scratch_sh("mv r/.git r/gone && mv store lost");
	if (view_lookup(view, NODE_ROOT, "@v2", &entry) == 0 && entry.id)
		forget(&entry);
	view_lookup(view, known.id, "a", &entry);
	list_node(NODE_ROOT, 10, text);
	errors_text();
	scratch_sh("mv r/gone r/.git && mv lost store");
	assert_text("@v1/data/a", "aaa");
	forget(&known);
}

/* --- sizes --- */

static void statfs_tells_the_dataset_or_commit(void **state)
{
	struct view_entry entry = found("@v1/data/d/b");
	struct statvfs st;

	(void)state;
	assert_int_equal(view_statfs(view, entry.id, &st), 0);
	assert_int_equal(st.f_files, 7);
	assert_int_equal(st.f_blocks, (900000 + 5000 + 3 + 1 + 8 + 4095) / 4096);
	assert_int_equal(st.f_bfree, 0);
	assert_int_equal(st.f_ffree, 0);
	assert_int_equal(st.f_namemax, 255);
	assert_true(st.f_frsize == 4096 && st.f_bsize == 4096);
	forget(&entry);
	entry = found("@v1/plain");
	assert_int_equal(view_statfs(view, entry.id, &st), 0);
	assert_int_equal(st.f_files, 8);
	forget(&entry);
	entry = found("@v1/one");
	assert_int_equal(view_statfs(view, entry.id, &st), 0);
	assert_int_equal(st.f_files, 1);
	assert_int_equal(st.f_blocks, 1);
	forget(&entry);
	assert_int_equal(view_statfs(view, NODE_ROOT, &st), 0);
	assert_true(st.f_blocks >= 900000 / 4096);
}

/* --- what must stay --- */

static int note_commit(void *arg, const struct oid *commit, const struct id *root)
{
	char *text = arg, hex[OID_HEX_MAX];

	(void)root;
	strcat(text, text[0] ? " " : "");
	strcat(text, oid_format(commit, hex));
	return 0;
}

static void what_was_shown_is_registered_until_the_end(void **state)
{
	char *v1_id = hex_of("v1"), *v2_id = hex_of("v2"), text[1024] = "", expected[256];
	struct view_entry entry = found("@v1/data/a");

	(void)state;
	assert_names("@v1..v2", "added/ deleted/ modified/");
	assert_text("@v1/one", "one");
	snprintf(expected, sizeof(expected), "%s %s", v1_id, v2_id);
	assert_int_equal(registration_each(garden.store, 0, note_commit, text), 0);
	assert_string_equal(text, expected);
	forget(&entry);
	view_close(view);
	text[0] = '\0';
	assert_int_equal(registration_each(garden.store, 0, note_commit, text), 0);
	assert_string_equal(text, "");
	view = open_view(NULL);
	free(v1_id);
	free(v2_id);
}

/* --- one process after another --- */

static void successor_answers_for_the_same_ids(void **state)
{
	static const char *const paths[] = {"@v1/data/d/b", "@v1/data/big", "@v1..v2/deleted/data/d/b",
	                                    "@main",        "@v1/sub/x",    "@v1/data/empty"};
	struct view_entry entries[6];
	char before[VIEW_TARGET_MAX], after[VIEW_TARGET_MAX], byte[2];
	struct view *first = view;
	struct stat attr;
	double timeout_s;
	int fds[2];

	(void)state;
	for (size_t i = 0; i < 6; i++)
		entries[i] = found(paths[i]);
	assert_int_equal(view_readlink(view, entries[3].id, before), 0);
	node_table_fds(view_nodes(first), fds);
	view = open_view(fds);
	view_close(first);
	for (size_t i = 0; i < 6; i++) {
		assert_int_equal(view_attr(view, entries[i].id, &attr, &timeout_s), 0);
		assert_memory_equal(&attr, &entries[i].attr, sizeof(attr));
	}
	assert_int_equal(view_readlink(view, entries[3].id, after), 0);
	assert_string_equal(before, after);
	assert_int_equal(read_node(entries[0].id, 0, byte, 1), 1);
	assert_int_equal(byte[0], 'b');
	assert_int_equal(read_node(entries[2].id, 0, byte, 1), 1);
	assert_int_equal(byte[0], 'b');
	assert_names("@v1/data/d", "b same same2");
	for (size_t i = 0; i < 6; i++)
		forget(&entries[i]);
	assert_int_equal(nodes_now(), 1);
}

/* Files that a commit shares with others outlive it. */
static void shared_files_outlive_the_first_commit_that_showed_them(void **state)
{
	static const char *const paths[] = {"data/d/same", "data/big", "plain"};
	char *hex = hex_of("main"), path[200], byte[2];
	struct view_entry first[3], again[3];
	struct source *old_source;
	struct memory *old_memory;
	struct view *before = view;
	int fds[2];

	(void)state;
	/* A commit beside main that is gone soon, with nothing kept of it in memory. */
	scratch_sh("cd r && git checkout -q --detach && git commit -q --amend -m gone && git tag gone && "
	           "git checkout -q main");
	for (size_t i = 0; i < 3; i++) {
		snprintf(path, sizeof(path), "@gone/%s", paths[i]);
		first[i] = found(path);
	}
	for (size_t i = 0; i < 3; i++) {
		snprintf(path, sizeof(path), "@%s/%s", hex, paths[i]);
		again[i] = found(path);
		assert_int_equal(again[i].id, first[i].id);
	}
	scratch_sh(
	    "cd r && git tag -d gone >/dev/null && git reflog expire --expire=now --all && git gc -q --prune=now");
	old_memory = memory;
	old_source = world.source;
	assert_int_equal(memory_open(8 << 20, &memory), 0);
	assert_int_equal(source_open(garden.store, memory, NULL, &world.source), 0);
	node_table_fds(view_nodes(before), fds);
	view = open_view(fds);
	view_close(before);
	source_close(old_source);
	memory_close(old_memory);
	assert_absent("@gone", 1);
	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(read_node(first[i].id, 0, byte, 1), 1);
		forget(&first[i]);
		forget(&again[i]);
	}
	assert_int_equal(nodes_now(), 1);
	free(hex);
}

/* --- threads --- */

struct worker {
	unsigned seed;
	bool failed;
};

static bool look_around(unsigned *seed)
{
	static const char *const names[] = {"a", "big", "mid", "d", "l", "nope"};
	static const char *const tops[] = {"@v1", "@v2"};
	const char *name = names[rand_r(seed) % 6];
	struct view_entry top, data, entry;
	struct view_bytes bytes;
	char scratch[100];
	bool good = false;

	if (view_lookup(view, NODE_ROOT, tops[rand_r(seed) % 2], &top) || !top.id)
		return false;
	if (view_lookup(view, top.id, "data", &data) || !data.id)
		return false;
	if (view_lookup(view, data.id, name, &entry) == 0) {
		good = (entry.id == 0) == (strcmp(name, "nope") == 0);
		if (entry.id && S_ISREG(entry.attr.st_mode)) {
			good &= view_read(view, entry.id, 0, scratch, sizeof(scratch), &bytes) == 0 && bytes.len >= 3;
			view_unpin_bytes(view, &bytes);
		}
		if (entry.id)
			view_forget(view, entry.id, 1);
	}
	view_forget(view, data.id, 1);
	view_forget(view, top.id, 1);
	return good;
}

static void *work(void *arg)
{
	struct worker *w = arg;

	for (unsigned i = 0; i < 150; i++)
		if (!look_around(&w->seed))
			w->failed = true;
	return NULL;
}

static void threads_share_a_view(void **state)
{
	struct worker workers[3];
	pthread_t threads[3];

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		workers[i] = (struct worker){.seed = i};
		assert_int_equal(pthread_create(&threads[i], NULL, work, &workers[i]), 0);
	}
	for (unsigned i = 0; i < 3; i++) {
		pthread_join(threads[i], NULL);
		assert_false(workers[i].failed);
	}
	assert_int_equal(nodes_now(), 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
	    TEST(root_lists_refs),
	    TEST(other_names_are_absent_for_ever_and_refs_for_a_second),
	    TEST(what_moves_is_a_link_and_what_does_not_a_folder),
	    TEST(moved_ref_is_a_new_node),
	    TEST(full_id_is_its_commit_whatever_refs_say),
	    TEST(root_tells_of_changes_by_its_time),
	    TEST(commit_shows_git_and_datasets),
	    TEST(attributes_are_what_they_should_be),
	    TEST(same_path_and_content_is_one_node),
	    TEST(reads_any_part_of_a_file),
	    TEST(wrong_kinds_are_refused),
	    TEST(range_shows_what_changed),
	    TEST(range_of_what_moves_is_a_link),
	    TEST(datasets_come_go_and_change_their_kind),
	    TEST(live_files_have_the_text_of_their_look_up),
	    TEST(attributes_tell_where_things_come_from),
	    TEST(hidden_dataset_is_told_at_its_pointer),
	    TEST(missing_chunk_is_an_error_there_alone),
	    TEST(missing_root_is_an_error_of_that_dataset),
	    TEST(lost_repository_is_an_error_and_nothing_worse),
	    TEST(statfs_tells_the_dataset_or_commit),
	    TEST(what_was_shown_is_registered_until_the_end),
	    TEST(successor_answers_for_the_same_ids),
	    TEST(shared_files_outlive_the_first_commit_that_showed_them),
	    TEST(threads_share_a_view),
	};
	/* What asks Git for something. */
	const struct CMUnitTest git_tests[] = {
	    TEST(root_lists_refs),
	    TEST(other_names_are_absent_for_ever_and_refs_for_a_second),
	    TEST(what_moves_is_a_link_and_what_does_not_a_folder),
	    TEST(moved_ref_is_a_new_node),
	    TEST(full_id_is_its_commit_whatever_refs_say),
	    TEST(commit_shows_git_and_datasets),
	    TEST(datasets_come_go_and_change_their_kind),
	    TEST(lost_repository_is_an_error_and_nothing_worse),
	    TEST(threads_share_a_view),
	};
	int failed;

	reader = REPO_LIBGIT2;
	failed = cmocka_run_group_tests_name("view, libgit2", tests, NULL, NULL);
	reader = REPO_COMMAND;
	return failed + cmocka_run_group_tests_name("view, git", git_tests, NULL, NULL);
}
