#include "tools/gc_at_remote.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fs/remote/forget.h"
#include "tools/fail.h"
#include "tools/named_remote.h"
#include "tools/shown.h"
#include "tools/trust.h"

struct run {
	struct session *session;
	struct gc_at_remote *gc;
	struct gc_report *report;
	struct named_remote named;
	struct progress *progress;
	uint64_t told; /* pages */
	struct oid *tips;
	size_t tips_count;
	struct oid *kept;
	size_t kept_count;
};

static void show_progress(void *arg, uint64_t pages)
{
	struct run *run = arg;

	progress_add(run->progress, pages - run->told, 0, 0);
	run->told = pages;
}

static int name_failure(const struct run *run, int error)
{
	const char *blamed = run->report->blamed;

	if (blamed && error == -ENOTSUP)
		return fail(EXIT_REFUSED, "nothing was removed: %s is of a later version of revfs, upgrade this one",
		            blamed);
	if (blamed && (error == -ENODATA || error == -EBADMSG))
		return fail(EXIT_DAMAGED,
		            "nothing was removed: %s cannot be read at the remote '%s': it is %s; 'revfs verify "
		            "--remote %s' says what that touches",
		            blamed, run->gc->name, error == -ENODATA ? "missing" : "damaged", run->gc->name);
	if (error == -ENOTSUP)
		return fail(EXIT_REFUSED,
		            "a list of what is condemned at the remote '%s' is of a later version of revfs: upgrade "
		            "this one",
		            run->gc->name);
	return named_remote_fail(&run->named, "collect garbage at", error);
}

/* A URL that only the shared file names is somebody else's word: nothing is removed there before the user said so. */
static int confirm(const struct run *run)
{
	if (!run->named.item->tracked || run->gc->yes || run->gc->options.dry_run)
		return EXIT_DONE;
	return fail(EXIT_REFUSED,
	            "only the shared '.revfs/config' names '%s' for the remote '%s': '--yes' says that garbage is to "
	            "be removed there",
	            trust_shown(run->named.item), run->gc->name);
}

/* --- forgetting --- */

static int add(struct oid **list, size_t *count, const struct oid *oid)
{
	struct oid *more = reallocarray(*list, *count + 1, sizeof(*more));

	if (!more)
		return -ENOMEM;
	*list = more;
	more[(*count)++] = *oid;
	return 0;
}

/* Whether REF is what an argument names: its whole name, or what stands behind "refs/tags/" and the like. */
static bool is_named(const struct run *run, const char *ref)
{
	static const char *const prefixes[] = {"", "refs/", "refs/tags/", "refs/heads/", "refs/remotes/"};

	for (size_t i = 0; i < run->gc->forget_count; i++) {
		for (size_t j = 0; j < sizeof(prefixes) / sizeof(prefixes[0]); j++) {
			size_t len = strlen(prefixes[j]);

			if (!strncmp(ref, prefixes[j], len) && !strcmp(ref + len, run->gc->forget[i]))
				return true;
		}
	}
	return false;
}

static int keep_ref(void *arg, const struct repo_ref *ref)
{
	struct run *run = arg;
	struct oid commit;
	int error;

	if (is_named(run, ref->name))
		return 0;
	error = repo_peel(run->session->repo, &ref->target, &commit);
	if (error == -EINVAL)
		return 0; /* a tag of something else */
	return error ? error : add(&run->kept, &run->kept_count, &commit);
}

static int choose(struct run *run)
{
	struct oid commit;
	int status = EXIT_DONE, error = 0;

	for (size_t i = 0; i < run->gc->forget_count && !status && !error; i++) {
		status = session_revision(run->session, run->gc->forget[i], &commit);
		if (!status)
			error = add(&run->tips, &run->tips_count, &commit);
	}
	if (status)
		return status;
	if (!error)
		error = repo_each_ref(run->session->repo, keep_ref, run);
	if (!error && repo_ref(run->session->repo, "HEAD", &commit) == 0)
		error = add(&run->kept, &run->kept_count, &commit);
	return error ? fail(exit_code_of(error), "cannot read the refs: %s", error_text(error)) : EXIT_DONE;
}

static int forget(struct run *run)
{
	struct forget forget = {.repo = run->session->repo};
	struct id *roots = NULL;
	size_t count = 0;
	int error, status = choose(run);

	if (status)
		return status;
	forget.tips = run->tips;
	forget.tips_count = run->tips_count;
	forget.kept = run->kept;
	forget.kept_count = run->kept_count;
	error = forget_find(&forget, &roots, &count);
	if (error) {
		status = forget.blamed ? session_unreadable(run->session, shown(forget.blamed), error)
		                       : fail(exit_code_of(error), "cannot read the history: %s", error_text(error));
		free(forget.blamed);
		return status;
	}
	error = gc_remote_forget(run->named.store, &run->gc->options, roots, count, run->report);
	free(roots);
	return error ? name_failure(run, error) : EXIT_DONE;
}

/* --- both --- */

static int collect(struct run *run)
{
	int error;

	run->gc->options.progress = show_progress;
	run->gc->options.arg = run;
	run->progress = progress_start("marking", run->gc->progress);
	error = gc_remote_run(run->named.store, &run->gc->options, run->report);
	progress_end(run->progress);
	if (!error && run->report->sweep_error)
		warn("cannot remove what pushes that were killed left at the remote '%s': %s", run->gc->name,
		     error_text(run->report->sweep_error));
	return error ? name_failure(run, error) : EXIT_DONE;
}

int gc_at_remote(struct session *session, struct gc_at_remote *gc, struct gc_report *report)
{
	struct run run = {.session = session, .gc = gc, .report = report};
	int status;

	*report = (struct gc_report){0};
	gc->options.io = io_system();
	status = named_remote_open(session->repo, gc->name, &run.named);
	if (!status)
		status = confirm(&run);
	if (!status)
		status = named_remote_check(&run.named);
	if (!status)
		status = gc->forget ? forget(&run) : collect(&run);
	named_remote_close(&run.named);
	free(run.tips);
	free(run.kept);
	return status;
}
