#include "tests/support/recorded.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "cache/io.h"
#include "fs/snapshot.h"
#include "tests/support/scratch.h"

static void on_problem(void *arg, const char *path, enum problem problem, int error)
{
	(void)arg;
	fail_msg("'%s' cannot be recorded: problem %d, error %d", path, (int)problem, error);
}

static void write_pointer(const char *path, const struct pointer *pointer)
{
	char text[POINTER_TEXT_MAX];

	pointer_format(pointer, text);
	scratch_sh("cat > '%s.revfs' <<'END'\n%sEND", path, text);
}

struct pointer recorded(struct garden *g, const char *path)
{
	atomic_bool cancelled = false;
	struct snapshot_run run = {
	    .writer = g->writer,
	    .source = g->source,
	    .io = io_system(),
	    .jobs = 1,
	    .level = 1,
	    .start = io_now(io_system()),
	    .cancelled = &cancelled,
	    .problem = on_problem,
	};
	struct snapshot_dataset dataset = {.path = path, .folder = -1};
	struct snapshot_result result;
	char *top = scratch_path("."), *full = scratch_path(path);
	struct stat st;

	assert_int_equal(stat(full, &st), 0);
	dataset.is_file = S_ISREG(st.st_mode);
	dataset.dirfd = open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(dataset.dirfd >= 0);
	assert_int_equal(snapshot_dataset(&run, &dataset, &result), 0);
	assert_true(result.recorded);
	assert_int_equal(store_writer_commit(g->writer), 0);
	assert_int_equal(builder_put_root(g->store, g->writer, &result.root), 0);
	write_pointer(path, &result.pointer);
	close(dataset.dirfd);
	free(top);
	free(full);
	return result.pointer;
}
