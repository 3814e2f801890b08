/* Records of attached datasets: what was written is read, what means nothing is counted and left alone. */
#include "fs/attachment.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "cache/io.h"
#include "tests/support/damage.h"
#include "tests/support/scratch.h"

static const char *top;

static int setup(void **state)
{
	(void)state;
	top = scratch_open_in_memory();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	scratch_close();
	return 0;
}

/* One of the dataset PATH of WORKTREE; what it points to lasts until the next call. */
static struct attachment sample(const char *worktree, const char *path)
{
	static char name[ATTACHMENT_NAME_SIZE], folder[64];
	struct attachment a = {.name = name,
	                       .worktree = (char *)worktree,
	                       .path = (char *)path,
	                       .folder = folder,
	                       .dialect = LAYER_FUSE,
	                       .base = {.files = 3, .bytes = 4}};

	attachment_name(worktree, path, name);
	snprintf(folder, sizeof(folder), "/elsewhere/%s", name);
	memset(a.base.root.bytes, 7, ID_SIZE);
	oid_set(&a.commit, "12345678901234567890", 20);
	return a;
}

static char *record_path(const struct attachment *a)
{
	char name[128];

	snprintf(name, sizeof(name), "revfs/attached/%s/record", a->name);
	return scratch_path(name);
}

static void a_record_is_read_as_it_was_written(void **state)
{
	static const enum layer_dialect dialects[] = {LAYER_KERNEL, LAYER_KERNEL_USER, LAYER_FUSE};
	struct attachment a = sample("/a tree", "da\nta/100%");
	struct attachments found;
	char *place;

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		a.dialect = dialects[i];
		assert_int_equal(attachment_write(top, &a), 0);
		assert_int_equal(attachments_read(top, &found), 0);
		assert_int_equal(found.count, 1);
		assert_int_equal(found.damaged, 0);
		assert_int_equal(found.items->dialect, dialects[i]);
		assert_string_equal(found.items->name, a.name);
		assert_string_equal(found.items->worktree, a.worktree);
		assert_string_equal(found.items->path, a.path);
		assert_string_equal(found.items->folder, a.folder);
		assert_true(oid_equal(&found.items->commit, &a.commit));
		assert_memory_equal(&found.items->base, &a.base, sizeof(a.base));
		place = attachment_place(found.items);
		assert_string_equal(place, "/a tree/da\nta/100%");
		free(place);
		attachments_release(&found);
	}
}

static void records_are_found_by_worktree_and_path(void **state)
{
	static const char *const each[][2] = {{"/b", "x"}, {"/a", "y"}, {"/a", "x"}, {"/", "x"}};
	struct attachments found;
	char *place;

	(void)state;
	assert_int_equal(attachments_read(top, &found), 0);
	assert_int_equal(found.count, 0);
	assert_null(attachments_find(&found, "/a", "x"));
	for (size_t i = 0; i < 4; i++) {
		struct attachment a = sample(each[i][0], each[i][1]);

		assert_int_equal(attachment_write(top, &a), 0);
	}
	assert_int_equal(attachments_read(top, &found), 0);
	assert_int_equal(found.count, 4);
	assert_null(attachments_find(&found, "/b", "y"));
	for (size_t i = 0; i < 4; i++) {
		const struct attachment *a = attachments_find(&found, each[i][0], each[i][1]);

		assert_non_null(a);
		assert_string_equal(a->path, each[i][1]);
		assert_ptr_equal(a, &found.items[3 - i]);
	}
	place = attachment_place(&found.items[0]);
	assert_string_equal(place, "/x");
	free(place);
	attachments_release(&found);
}

static void a_record_is_removed_with_its_folder(void **state)
{
	struct attachment a = sample("/a", "x");
	struct attachments found;

	(void)state;
	assert_int_equal(attachment_remove(top, &a), 0);
	assert_int_equal(attachment_write(top, &a), 0);
	assert_int_equal(attachment_remove(top, &a), 0);
	assert_int_equal(attachment_remove(top, &a), 0);
	assert_int_equal(attachments_read(top, &found), 0);
	assert_int_equal(found.count, 0);
	scratch_sh("[ -z \"$(ls -A revfs/attached)\" ]");
}

/* Not one that would lead to other folders than those that attach makes, or that has another name than its own. */
static void what_would_not_be_read_is_not_written(void **state)
{
	static const char *const worktrees[] = {"a", "", "/a/../b", "/a/", "//a", "/a/."};
	static const char *const paths[] = {"", "/x", "x/", "x//y", "../x", "x/..", "x/./y"};
	struct attachment a;

	(void)state;
	for (size_t i = 0; i < sizeof(worktrees) / sizeof(*worktrees); i++) {
		a = sample(worktrees[i], "x");
		assert_int_equal(attachment_write(top, &a), -EINVAL);
	}
	for (size_t i = 0; i < sizeof(paths) / sizeof(*paths); i++) {
		a = sample("/a", paths[i]);
		assert_int_equal(attachment_write(top, &a), -EINVAL);
	}
	a = sample("/a", "x");
	a.base.is_file = true;
	assert_int_equal(attachment_write(top, &a), -EINVAL);
	a = sample("/a", "x");
	a.dialect = LAYER_NONE;
	assert_int_equal(attachment_write(top, &a), -EINVAL);
	a = sample("/a", "x");
	a.folder = (char *)"/etc";
	assert_int_equal(attachment_write(top, &a), -EINVAL);
	a = sample("/a", "x");
	a.path = (char *)"y";
	assert_int_equal(attachment_write(top, &a), -EINVAL);
}

static void try_damaged(void *arg, const uint8_t *data, size_t len)
{
	const struct attachment *a = arg;
	struct attachments found;
	char *path = record_path(a);

	assert_int_equal(io_replace_file(io_system(), AT_FDCWD, top, path, data, len, 0644), 0);
	assert_int_equal(attachments_read(top, &found), 0);
	assert_int_equal(found.count + found.damaged, 1);
	if (found.count) {
		assert_string_equal(found.items->worktree, a->worktree);
		assert_string_equal(found.items->path, a->path);
		assert_non_null(strstr(found.items->folder, a->name));
	}
	attachments_release(&found);
	free(path);
}

/* However it is damaged: it stays, and means nothing or the same place. */
static void damaged_records_are_counted(void **state)
{
	struct attachment a = sample("/a", "x");
	char *path = record_path(&a);
	void *text;
	size_t len;

	(void)state;
	assert_int_equal(attachment_write(top, &a), 0);
	assert_int_equal(io_read_file(io_system(), AT_FDCWD, path, 65536, &text, &len), 0);
	damage_each(text, len, try_damaged, &a);
	free(text);
	free(path);
}

static void expect_damaged(const char *script)
{
	struct attachment a = sample("/a", "x");
	struct attachments found;
	char *path = record_path(&a);

	assert_int_equal(attachment_write(top, &a), 0);
	scratch_sh("cp '%s' before; export R='%s'; %s", path, path, script);
	assert_int_equal(attachments_read(top, &found), 0);
	if (found.count || found.damaged != 1)
		fail_msg("'%s': %zu read, %zu damaged", script, found.count, found.damaged);
	attachments_release(&found);
	scratch_sh("[ -e \"%s\" ] && rm -r '%s'", path, path);
	free(path);
}

static void hostile_records_are_counted_and_left(void **state)
{
	(void)state;
	expect_damaged("sed -i s/attached.1/attached\\ 2/ \"$R\"");
	expect_damaged("sed -i 's/^path x/path ..\\/x/' \"$R\"");
	expect_damaged("sed -i 's/^path x/path y/' \"$R\"");
	expect_damaged("sed -i 's/^folder .elsewhere/folder \\/elsewhere\\/..\\/etc/' \"$R\"");
	expect_damaged("sed -i 's/^folder .*/folder \\/etc/' \"$R\"");
	expect_damaged("sed -i 's/^overlay .*/overlay fat/' \"$R\"");
	expect_damaged("sed -i 's/^overlay .*//' \"$R\"");
	expect_damaged("sed -i 's/^type .*/type file/' \"$R\"");
	expect_damaged("echo owner me >>\"$R\"");
	expect_damaged("sed -i 's/^path/owner me\\npath/' \"$R\"");
	expect_damaged("truncate -s 70000 \"$R\"");
	expect_damaged("printf '\\0' >>\"$R\"");
	expect_damaged("rm \"$R\"; mkdir \"$R\"");
	expect_damaged("rm \"$R\"; mkfifo \"$R\"");
	expect_damaged("rm \"$R\"; ln -s ../../../before \"$R\"");
}

/* Other names, and a folder that is being made, are nothing. */
static void what_is_no_record_is_passed_over(void **state)
{
	struct attachments found;

	(void)state;
	scratch_sh(
	    "mkdir -p revfs/attached/mount revfs/attached/0123456789abcdef0123456789abcdef; echo >revfs/attached/x;"
	    "echo x >revfs/attached/mount/record");
	assert_int_equal(attachments_read(top, &found), 0);
	assert_int_equal(found.count, 0);
	assert_int_equal(found.damaged, 0);
	scratch_sh("rm -r revfs/attached; echo >revfs/attached");
	assert_int_equal(attachments_read(top, &found), -ENOTDIR);
}

static void a_second_lock_waits_and_gives_up(void **state)
{
	int lock = attachments_lock(top, 0);

	(void)state;
	assert_true(lock >= 0);
	assert_int_equal(attachments_lock(top, 0), -EBUSY);
	assert_int_equal(attachments_lock(top, 20), -EBUSY);
	close(lock);
	lock = attachments_lock(top, 0);
	assert_true(lock >= 0);
	close(lock);
}

static void what_is_not_mounted_is_not(void **state)
{
	struct attachment a = sample("/nowhere", "x");

	(void)state;
	assert_int_equal(attachment_is_mounted(&a), 0);
	a.dialect = LAYER_KERNEL;
	assert_int_equal(attachment_is_mounted(&a), 0);
	/* Another's mount. */
	a.worktree = (char *)"/";
	a.path = (char *)"proc";
	assert_int_equal(attachment_is_mounted(&a), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(a_record_is_read_as_it_was_written, setup, teardown),
	    cmocka_unit_test_setup_teardown(records_are_found_by_worktree_and_path, setup, teardown),
	    cmocka_unit_test_setup_teardown(a_record_is_removed_with_its_folder, setup, teardown),
	    cmocka_unit_test_setup_teardown(what_would_not_be_read_is_not_written, setup, teardown),
	    cmocka_unit_test_setup_teardown(damaged_records_are_counted, setup, teardown),
	    cmocka_unit_test_setup_teardown(hostile_records_are_counted_and_left, setup, teardown),
	    cmocka_unit_test_setup_teardown(what_is_no_record_is_passed_over, setup, teardown),
	    cmocka_unit_test_setup_teardown(a_second_lock_waits_and_gives_up, setup, teardown),
	    cmocka_unit_test_setup_teardown(what_is_not_mounted_is_not, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
