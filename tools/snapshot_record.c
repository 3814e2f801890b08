#include "tools/snapshot_record.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "fs/checkout.h"
#include "tools/attached.h"
#include "tools/shown.h"
#include "tools/snapshot_report.h"
#include "tools/stop.h"

static void on_problem(void *arg, const char *path, enum problem problem, int error)
{
	struct snapshot_record *r = arg;
	char *full;
	int status = EXIT_PARTIAL;

	if (r->named++ >= SNAPSHOT_PROBLEMS_NAMED)
		return;
	if (asprintf(&full, "%s%s%s", r->item->path, *path ? "/" : "", path) >= 0) {
		status = snapshot_report_problem(full, problem, error);
		free(full);
	}
	if (!r->first_problem)
		r->first_problem = status;
}

static void on_progress(void *arg, uint64_t files, uint64_t bytes, uint64_t saved_bytes)
{
	struct snapshot_record *r = arg;

	progress_add(r->progress, files, bytes, saved_bytes);
}

/* Files that are gone are rather lost than deleted where they are so many. */
static bool lost_most(const struct snapshot_item *item)
{
	const struct snapshot_result *result = &item->result;
	uint64_t had = item->has_head ? item->head_pointer.files : 0;

	if (!had || !result->recorded)
		return false;
	return result->pointer.files == 0 || (had >= 10 && result->counts.deleted >= had - had / 10);
}

static int refuse_loss(const struct snapshot_item *item)
{
	unsigned long long had = item->head_pointer.files, deleted = item->result.counts.deleted;
	const char *path = shown(item->path);

	if (item->is_attached)
		return fail(EXIT_REFUSED,
		            "%llu of %llu files in '%s' are gone, which is not taken for a deletion: 'revfs detach -f "
		            "%s' and 'revfs attach %s' bring them back, --force records what is there",
		            deleted, had, path, path, path);
	return fail(
	    EXIT_REFUSED,
	    "%llu of %llu files in '%s' are gone, which is not taken for a deletion: 'revfs checkout %s' brings "
	    "them back, --force records what is there",
	    deleted, had, path, path);
}

static int check_result(const struct snapshot_record *r, const struct snapshot_item *item)
{
	uint64_t problems = item->result.problems;

	if (problems > SNAPSHOT_PROBLEMS_NAMED)
		fail(EXIT_PARTIAL, "and %llu more in '%s'", (unsigned long long)(problems - SNAPSHOT_PROBLEMS_NAMED),
		     shown(item->path));
	if (problems)
		return fail(r->first_problem, "'%s' was left as it was", shown(item->path));
	return !r->plan->force && lost_most(item) ? refuse_loss(item) : EXIT_DONE;
}

static int record_plain(const struct snapshot_record *r, const struct snapshot_run *engine, struct snapshot_item *item,
                        const struct pointer *old)
{
	const struct worktree *wt = r->plan->wt;
	char stat_name[INSTEP_NAME_SIZE];
	const struct snapshot_dataset dataset = {
	    .dirfd = wt->root,
	    .path = item->path,
	    .is_file = item->is_file,
	    .old = r->plan->session->store ? old : NULL,
	    .folder = wt->folder,
	    .stat_name = stat_name,
	};

	instep_stat_name(item->path, stat_name);
	return snapshot_dataset(engine, &dataset, &item->result);
}

static int record_attached(const struct snapshot_record *r, const struct snapshot_run *engine,
                           struct snapshot_item *item, const struct pointer *old)
{
	struct upper upper;
	int error = attached_flush(r->plan->wt, &item->attached);

	attached_upper(&item->attached, old, &upper);
	return error ? error : upper_snapshot(engine, &upper, &item->result);
}

static int run_engine(struct snapshot_record *r, struct snapshot_item *item)
{
	int (*record)(const struct snapshot_record *, const struct snapshot_run *, struct snapshot_item *,
	              const struct pointer *) = item->is_attached ? record_attached : record_plain;
	int error;

	r->item = item;
	r->named = 0;
	r->first_problem = 0;
	error = record(r, &r->engine, item, item->has_head ? &item->head_pointer : NULL);
	if (error == -ESTALE) {
		struct snapshot_run again = r->engine;

		warn("cannot read the pages of '%s' in HEAD: every file is read again, and counts as added",
		     shown(item->path));
		again.full = true;
		error = record(r, &again, item, NULL);
	}
	return error;
}

/* Whether ERROR, of recording an attached dataset, is one of reading the pages below it. */
static bool is_of_base(int error)
{
	enum exit_code code = exit_code_of(error);

	return error == -ENOTSUP || error == -EPROTO || error == -ENODEV || code == EXIT_DAMAGED ||
	       code == EXIT_TEMPORARY || code == EXIT_NOT_AUTHORISED;
}

/* What ended the engine is of this dataset alone: the others go on. */
static int refuse(struct snapshot_record *r, struct snapshot_item *item, int status)
{
	item->ready = false;
	outcome_add(&r->plan->outcome, status);
	return EXIT_DONE;
}

/* Record one dataset in the store.  A status of EXIT_DONE with the item not `ready` any more: refused, and said so. */
static int record_item(struct snapshot_record *r, struct snapshot_item *item)
{
	int error = 0, status;

	if (item->is_attached && !r->engine.source)
		return refuse(r, item, session_unreadable(r->plan->session, item->path, -ENODATA));
	/* By force, in the midst of a checkout: what it did not finish is no file of the user's. */
	if (item->has_record && item->record.has_checkout && !r->engine.dry)
		error = checkout_sweep(r->plan->wt, item->path);
	if (!error)
		error = run_engine(r, item);
	if (error == -EINTR)
		return stop_status();
	if (item->is_attached && (error == -ENOENT || error == -ENOTDIR || error == -EPERM))
		return refuse(r, item, attached_unreadable(item->attached.attachment, error));
	if (item->is_attached && error && is_of_base(error))
		return refuse(r, item, session_unreadable(r->plan->session, item->path, error));
	if (error == -ENOENT || error == -ENOTDIR)
		return refuse(r, item, fail(EXIT_TEMPORARY, "'%s' changed while it was read", shown(item->path)));
	if (error)
		return fail(exit_code_of(error), "cannot write '%s' to the store: %s", shown(item->path),
		            error_text(error));
	status = check_result(r, item);
	return status ? refuse(r, item, status) : EXIT_DONE;
}

int snapshot_record_all(struct snapshot_record *r, int progress)
{
	struct snapshot_plan *plan = r->plan;
	int status = EXIT_DONE;

	r->engine.problem = on_problem;
	r->engine.progress = on_progress;
	r->engine.arg = r;
	r->progress = progress_start("snapshotting", progress);
	for (size_t i = 0; !status && i < plan->count; i++) {
		if (plan->items[i].ready)
			status = record_item(r, &plan->items[i]);
	}
	progress_end(r->progress);
	r->progress = NULL;
	return status;
}
