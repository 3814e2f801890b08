#include "tests/support/dataset.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "fs/dataset.h"
#include "fs/instep.h"
#include "tests/support/scratch.h"

static void on_problem(void *arg, const char *path, enum problem problem, int error)
{
	struct dataset_world *w = arg;
	size_t len = strlen(w->problems);

	(void)error;
	snprintf(w->problems + len, sizeof(w->problems) - len, "%d %s\n", problem, path);
}

void dataset_world_open(struct dataset_world *w)
{
	char *path;

	memset(w, 0, sizeof(*w));
	w->io = io_system();
	w->top = open(scratch_open(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(w->top >= 0);
	scratch_sh("mkdir caches");
	w->folder = openat(w->top, "caches", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	path = scratch_path("store");
	assert_int_equal(store_open(w->io, path, STORE_CREATE, 0, &w->store), 0);
	free(path);
	assert_int_equal(memory_open(16 << 20, &w->memory), 0);
	assert_int_equal(store_writer_open(w->store, &w->writer), 0);
	assert_int_equal(source_open(w->store, w->memory, w->writer, &w->source), 0);
	w->run = (struct snapshot_run){
	    .writer = w->writer,
	    .source = w->source,
	    .io = w->io,
	    .jobs = 2,
	    .level = 1,
	    .cancelled = &w->cancelled,
	    .problem = on_problem,
	    .arg = w,
	};
}

void dataset_world_close(struct dataset_world *w)
{
	source_close(w->source);
	store_writer_close(w->writer);
	memory_close(w->memory);
	store_close(w->store);
	close(w->folder);
	close(w->top);
	scratch_close();
}

int dataset_world_snapshot(struct dataset_world *w, const char *path, const struct pointer *old,
                           struct snapshot_result *result)
{
	char stat_name[INSTEP_NAME_SIZE];
	struct snapshot_dataset dataset = {.dirfd = w->top, .path = path, .old = old, .folder = w->folder};
	struct stat st;
	int error;

	w->problems[0] = '\0';
	dataset.stat_name = stat_name;
	instep_stat_name(path, stat_name);
	dataset.is_file = !fstatat(w->top, path, &st, AT_SYMLINK_NOFOLLOW) && S_ISREG(st.st_mode);
	if (!w->run.start.tv_sec)
		w->run.start = io_now(w->io);
	error = snapshot_dataset(&w->run, &dataset, result);
	w->run.start = (struct timespec){0};
	if (error)
		return error;
	assert_int_equal(store_writer_commit(w->writer), 0);
	if (result->recorded && !result->unchanged)
		assert_int_equal(builder_put_root(w->store, w->writer, &result->root), 0);
	snapshot_keep_cache(result);
	return 0;
}

struct pointer dataset_world_record(struct dataset_world *w, const char *path, const struct pointer *old)
{
	struct snapshot_result result;

	assert_int_equal(dataset_world_snapshot(w, path, old, &result), 0);
	assert_string_equal(w->problems, "");
	assert_true(result.recorded);
	return result.pointer;
}

static int list_entry(void *arg, const char *path, size_t path_len, const struct entry *entry)
{
	static const char kinds[] = "?fdl";

	(void)path_len;
	fprintf(arg, "%c%s %s %llu\n", kinds[entry->kind & 3], entry->executable ? "x" : "", path,
	        (unsigned long long)entry->size);
	return 0;
}

char *dataset_world_listing(struct dataset_world *w, const struct pointer *pointer)
{
	char *text;
	size_t len;
	FILE *out = open_memstream(&text, &len);
	struct tree_visitor visitor = {.each = list_entry, .arg = out};
	struct directory directory;

	assert_non_null(out);
	assert_false(pointer->is_file);
	dataset_directory(pointer, &directory);
	assert_int_equal(tree_visit(w->source, &directory, &visitor), 0);
	fclose(out);
	return text;
}
