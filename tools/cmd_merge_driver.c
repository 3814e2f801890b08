/*
 * revfs merge-driver: merges the pointer files of a dataset for Git, by merging what they name.
 *
 * Before that, and where it cannot be done, the texts are merged as Git does without a driver, and as both have another
 * root line the pointer then holds conflict markers: nobody can take it for one side's.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fs/dataset.h"
#include "fs/git/git.h"
#include "fs/tree_merge.h"
#include "tools/commands.h"
#include "tools/conflict.h"
#include "tools/output.h"
#include "tools/pointer_file.h"
#include "tools/session.h"
#include "tools/shown.h"

#define MARKER_SIZE 7 /* of conflict markers; Git asks for longer ones where it merges ancestors */

/* What Git says: files with the three versions, the result to be written to that of OURS. */
struct versions {
	const char *base;
	const char *ours;
	const char *theirs;
	const char *marker_size;
	char *dataset; /* the path of the pointer without its suffix; malloc'ed */
};

struct merge {
	struct versions versions;
	struct session session;
	struct store_writer *writer;
	struct source *source;
	struct pointer base, ours, theirs;
	bool has_base;
	bool for_ancestor;
	uint64_t named; /* conflicts */
};

/* --- conflicts --- */

static int on_conflict(void *arg, const char *path, const struct entry *base, const struct entry *ours,
                       const struct entry *theirs)
{
	struct merge *m = arg;
	char *text;

	(void)base;
	if (m->for_ancestor || m->named++ >= CONFLICT_NAMED_MAX)
		return 0;
	text = conflict_text(m->versions.dataset, path, ours, theirs);
	if (!text)
		return -ENOMEM;
	fail(EXIT_FOUND, "%s", text);
	free(text);
	return 0;
}

static void tell_what_next(const struct merge *m, uint64_t conflicts)
{
	const char *path = shown(m->versions.dataset);
	char number[32];

	if (conflicts > CONFLICT_NAMED_MAX)
		fail(EXIT_FOUND, "and %s more in '%s'", output_count(conflicts - CONFLICT_NAMED_MAX, number), path);
	inform(
	    "'%s' is merged, with ours where there is a conflict: 'revfs checkout %s' brings it, then 'revfs checkout "
	    "--theirs PATH' takes theirs, and 'revfs snapshot %s' says that it is resolved",
	    path, path, path);
}

/* --- the versions --- */

static int read_versions(struct merge *m)
{
	int error = pointer_file_read(m->versions.base, &m->base);

	m->has_base = !error;
	/* Where there was nothing Git gives an empty file. */
	if (error == -ENODATA)
		error = 0;
	if (!error)
		error = pointer_file_read(m->versions.ours, &m->ours);
	if (!error)
		error = pointer_file_read(m->versions.theirs, &m->theirs);
	return error == -ENODATA ? -EINVAL : error;
}

/* --- merging --- */

/* The directory that POINTER names, its numbers checked. */
static int open_side(struct merge *m, const struct pointer *pointer, struct directory *directory)
{
	struct page_pin root = {0};
	int error = dataset_open(m->source, pointer, &root);

	source_unpin_page(m->source, &root);
	dataset_directory(pointer, directory);
	return error;
}

/* Merge directories and store the result, durably: Git commits the pointer without asking again. */
static int merge_trees(struct merge *m, struct pointer *merged, uint64_t *conflicts)
{
	struct directory base, ours, theirs;
	struct tree_merge request = {
	    .writer = m->writer,
	    .source = m->source,
	    .ours = &ours,
	    .theirs = &theirs,
	    .prefer_base = m->for_ancestor,
	    .conflict = on_conflict,
	    .arg = m,
	};
	struct built built;
	int error = 0;

	if (m->has_base) {
		error = open_side(m, &m->base, &base);
		request.base = &base;
	}
	if (!error)
		error = open_side(m, &m->ours, &ours);
	if (!error)
		error = open_side(m, &m->theirs, &theirs);
	if (!error)
		error = tree_merge(&request, &built, conflicts);
	if (!error)
		error = store_writer_commit(m->writer);
	if (!error)
		error = builder_put_root(m->session.store, m->writer, &built);
	if (!error)
		*merged = (struct pointer){.root = built.id, .files = built.totals.files, .bytes = built.totals.bytes};
	return error;
}

static int merge_directories(struct merge *m)
{
	struct pointer merged;
	uint64_t conflicts = 0;
	int error, status = session_open(&m->session, SESSION_CREATE);

	if (status)
		return status;
	error = store_writer_open(m->session.store, &m->writer);
	if (!error)
		error = source_open(m->session.store, m->session.memory, m->writer, &m->source);
	if (!error) {
		source_set_fetch(m->source, remotes_find, m->session.remotes);
		error = merge_trees(m, &merged, &conflicts);
	}
	if (error == -ENODATA || error == -EBADMSG || error == -ENOTSUP)
		return session_unreadable(&m->session, m->versions.dataset, error);
	if (!error)
		error = pointer_file_write(m->versions.ours, &merged);
	if (error)
		return fail(exit_code_of(error), "cannot merge '%s': %s", shown(m->versions.dataset),
		            error_text(error));
	if (!conflicts)
		return EXIT_DONE;
	if (!m->for_ancestor)
		tell_what_next(m, conflicts);
	return EXIT_FOUND;
}

/* What a file holds is one thing: as Git does with what is not text, ours stays. */
static int keep_file(struct merge *m)
{
	const char *path = shown(m->versions.dataset);

	if (m->for_ancestor && m->has_base) {
		int error = pointer_file_write(m->versions.ours, &m->base);

		return error ? fail(exit_code_of(error), "cannot merge '%s': %s", path, error_text(error)) : EXIT_FOUND;
	}
	fail(EXIT_FOUND, "conflict in '%s': changed by both sides, and not as a directory; it is left as ours has it",
	     path);
	inform("'git checkout --theirs -- %s" POINTER_SUFFIX "' takes theirs, 'git add' says that it is resolved, and "
	       "'revfs checkout %s' brings it",
	       path, path);
	return EXIT_FOUND;
}

/* As Git merges text.  Returns its exit status. */
static int merge_texts(const struct versions *v)
{
	char *size;
	const char *args[] = {"merge-file", "-q", "-L",    "ours",  "-L",      "base", "-L",
	                      "theirs",     NULL, v->ours, v->base, v->theirs, NULL};
	struct git_run run = {.args = args, .flags = GIT_RUN_READING};
	int error, status;

	if (asprintf(&size, "--marker-size=%s", v->marker_size) < 0)
		return fail(EXIT_SYSTEM, "%s", error_text(-ENOMEM));
	args[8] = size;
	error = git_run(&run);
	if (error)
		status = fail(exit_code_of(error), "cannot run 'git merge-file': %s", error_text(error));
	else if (run.status > 127)
		status = fail(EXIT_SYSTEM, "'git merge-file' failed: %s", git_run_message(&run));
	else
		status = run.status ? EXIT_FOUND : EXIT_DONE;
	git_run_release(&run);
	free(size);
	return status;
}

static int merge(struct merge *m)
{
	int error = read_versions(m), status;

	/* Of a later version, with conflict markers, or no pointer at all. */
	if (error == -EINVAL)
		return merge_texts(&m->versions);
	if (error)
		return fail(exit_code_of(error), "cannot read the versions of '%s': %s", shown(m->versions.dataset),
		            error_text(error));
	if (m->ours.is_file || m->theirs.is_file)
		return keep_file(m);
	if (m->has_base && m->base.is_file)
		m->has_base = false;
	/* First what is right if nothing else comes of it, even where this process is killed. */
	status = merge_texts(&m->versions);
	return status && status != EXIT_FOUND ? status : merge_directories(m);
}

static int run(int argc, char **argv)
{
	struct merge m = {.versions = {0}};
	int status;

	while (command_option(&command_merge_driver, argc, argv, "", (const struct option[]){{0}}) != -1)
		;
	if (argc - optind != 5)
		return fail_usage("Git gives five arguments: %%O %%A %%B %%L %%P");
	m.versions.base = argv[optind];
	m.versions.ours = argv[optind + 1];
	m.versions.theirs = argv[optind + 2];
	m.versions.marker_size = argv[optind + 3];
	m.for_ancestor = atoi(m.versions.marker_size) > MARKER_SIZE;
	m.versions.dataset = pointer_file_dataset(argv[optind + 4]);
	if (!m.versions.dataset)
		return fail(EXIT_SYSTEM, "%s", error_text(-ENOMEM));
	status = merge(&m);
	if (m.source)
		source_close(m.source);
	store_writer_close(m.writer);
	session_close(&m.session);
	free(m.versions.dataset);
	return status;
}

const struct command command_merge_driver = {
    .name = "merge-driver",
    .run = run,
    .usage = "revfs merge-driver BASE OURS THEIRS MARKER-SIZE PATH",
    .summary = "merge the pointer files of a dataset, for Git",
};
