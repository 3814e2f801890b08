#include "tools/checkout_keep.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cache/codec.h"
#include "fs/snapshot.h"
#include "tools/command.h"
#include "tools/shown.h"
#include "tools/snapshot_report.h"
#include "tools/stop.h"

struct keep {
	struct session *session;
	struct worktree *wt;
	const char *path;
	unsigned jobs;
	uint64_t named; /* problems */
	int first_failure;
};

static void on_problem(void *arg, const char *path, enum problem problem, int error)
{
	struct keep *keep = arg;
	char *full;
	int status = EXIT_SYSTEM;

	if (keep->named++ >= CHECKOUT_NAMED_MAX)
		return;
	if (asprintf(&full, "%s%s%s", keep->path, *path ? "/" : "", path) >= 0) {
		status = snapshot_report_problem(full, problem, error);
		free(full);
	}
	if (!keep->first_failure)
		keep->first_failure = status;
}

/* Record what is there, with its own writer. */
static int store_present(struct keep *keep, struct store_writer *writer, bool is_file, struct snapshot_result *result)
{
	struct session *session = keep->session;
	struct source *source;
	struct snapshot_run engine = {
	    .writer = writer,
	    .io = io_system(),
	    .jobs = keep->jobs ? keep->jobs : 1,
	    .level = CODEC_LEVEL_DEFAULT,
	    .skip_special = true,
	    .outside_links = true,
	    .start = io_now(io_system()),
	    .cancelled = stop_flag(),
	    .problem = on_problem,
	    .arg = keep,
	};
	struct snapshot_dataset dataset = {
	    .dirfd = keep->wt->root, .path = keep->path, .is_file = is_file, .folder = -1};
	int error = source_open(session->store, session->memory, writer, &source);

	if (error)
		return error;
	source_set_fetch(source, remotes_find, session->remotes);
	engine.source = source;
	error = snapshot_dataset(&engine, &dataset, result);
	if (!error)
		error = store_writer_commit(writer);
	if (!error && result->recorded)
		error = builder_put_root(session->store, writer, &result->root);
	source_close(source);
	return error;
}

void checkout_keep_tell(FILE *stream, const char *path, const char *root)
{
	fprintf(stream, "what was in '%s' is kept for 14 days: 'revfs export --root %s DIR'\n", path, root);
}

void checkout_keep_tell_all(const json_t *rows)
{
	for (size_t i = 0; i < json_array_size(rows); i++) {
		const json_t *row = json_array_get(rows, i), *kept = json_object_get(row, "kept");

		if (kept)
			checkout_keep_tell(stderr, json_string_value(json_object_get(row, "path")),
			                   json_string_value(kept));
	}
}

int checkout_keep(struct session *session, struct worktree *wt, const char *path, unsigned jobs, char kept[ID_HEX_SIZE])
{
	struct keep keep = {.session = session, .wt = wt, .path = path, .jobs = jobs};
	struct snapshot_result result = {0};
	struct store_writer *writer = NULL;
	enum work_kind kind;
	int error = worktree_kind(wt, path, &kind);

	kept[0] = '\0';
	if (!error && kind != WORK_DIRECTORY && kind != WORK_FILE)
		return EXIT_DONE;
	if (!error)
		error = store_writer_open(session->store, &writer);
	if (!error)
		error = store_present(&keep, writer, kind == WORK_FILE, &result);
	stat_cache_writer_abort(result.cache);
	store_writer_close(writer);
	if (error == -EINTR)
		return stop_status();
	if (error)
		return fail(exit_code_of(error), "cannot store what is in '%s' before it is replaced: %s", shown(path),
		            error_text(error));
	if (result.problems)
		return fail(keep.first_failure,
		            "'%s' is left as it was: -f stores what it replaces, and cannot store that", shown(path));
	if (!result.pointer.files)
		return EXIT_DONE;
	id_format(&result.pointer.root, kept);
	/* Also where -q wants no remarks, and at once: nothing else leads to it, and what follows may be cut off. */
	if (!globals.json)
		checkout_keep_tell(stdout, shown(path), kept);
	fflush(stdout);
	return EXIT_DONE;
}
