#include "tools/attach/attach_rebase.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cache/codec.h"
#include "fs/attached.h"
#include "fs/compare.h"
#include "fs/dataset.h"
#include "fs/tree_merge.h"
#include "tools/attach/above.h"
#include "tools/attach/given.h"
#include "tools/attach/upper_prune.h"
#include "tools/attached.h"
#include "tools/conflict.h"
#include "tools/output.h"
#include "tools/shown.h"
#include "tools/stop.h"

/* One look: what would come of it. */
struct look {
	struct attaching *a;
	const struct attach_rebase *request;
	struct attached attached;
	struct store_writer *writer; /* never committed */
	struct source *source;
	uint64_t conflicts;
	struct upper_prune prune; /* what is to be taken out of the upper folder */
	struct id recorded;       /* the root that was recorded last, which both sides come from */
	struct id seen;           /* that of what one sees */
	struct directory target;
};

/* --- reading --- */

static void on_problem(void *arg, const char *path, enum problem problem, int error)
{
	(void)arg;
	(void)path;
	(void)problem;
	(void)error;
}

static int open_look(struct look *l)
{
	struct attaching *a = l->a;
	int error = attached_open(io_system(), a->git_dir, l->request->attachment, &l->attached);

	if (error)
		return error;
	l->recorded = l->attached.record.has_root ? l->attached.record.root : l->request->attachment->base.root;
	dataset_directory(&l->request->now->base, &l->target);
	if (!a->session.store)
		return -ENODATA;
	error = store_writer_open(a->session.store, &l->writer);
	if (!error)
		error = source_open(a->session.store, a->session.memory, l->writer, &l->source);
	if (!error)
		source_set_fetch(l->source, remotes_find, a->session.remotes);
	return error;
}

static void close_look(struct look *l)
{
	upper_prune_release(&l->prune);
	if (l->source)
		source_close(l->source);
	store_writer_close(l->writer);
	if (l->attached.attachment)
		attached_close(io_system(), &l->attached);
}

/* The tree that is seen of the upper folder above BASE, stored for the time of this look.  -EBADF where something
 * cannot be recorded. */
static int see(struct look *l, const struct pointer *base, struct directory *seen)
{
	struct snapshot_run run = {
	    .writer = l->writer,
	    .source = l->source,
	    .io = io_system(),
	    .jobs = 1,
	    .level = CODEC_LEVEL_MIN,
	    .outside_links = true,
	    .start = io_now(io_system()),
	    .cancelled = stop_flag(),
	    .problem = on_problem,
	};
	struct snapshot_result result = {0};
	struct upper upper;
	int error;

	attached_upper(&l->attached, base, &upper);
	upper.base = base;
	error = upper_snapshot(&run, &upper, &result);
	stat_cache_writer_abort(error ? NULL : result.cache);
	if (error)
		return error == -ESTALE ? -ENODATA : error;
	if (!result.recorded)
		return -EBADF;
	*seen = (struct directory){.id = result.pointer.root, .is_root = true};
	return 0;
}

/* --- conflicts --- */

static void tell_conflict(struct look *l, const char *text)
{
	if (l->conflicts++ < CONFLICT_NAMED_MAX)
		fail(EXIT_FOUND, "%s", text);
}

static int on_conflict(void *arg, const char *path, const struct entry *base, const struct entry *ours,
                       const struct entry *theirs)
{
	struct look *l = arg;
	char *text = conflict_text(l->request->attachment->path, path, ours, theirs);

	(void)base;
	if (!text)
		return -ENOMEM;
	tell_conflict(l, text);
	free(text);
	return 0;
}

/* Whether the target has just ENTRY (NULL: nothing) at PATH: 1, 0 or -errno. */
static int target_has(struct look *l, const char *path, const struct entry *entry)
{
	struct entry_pin pin = {0};
	int error = tree_walk(l->source, &l->target, path, &pin), has;

	if (error == -ENOENT || error == -ENOTDIR)
		return !entry;
	if (error)
		return error;
	has = entry && compare_entries_equal(&pin.entry, entry);
	tree_unpin_entry(l->source, &pin);
	return has;
}

/* What the upper folder gives above the target (A) is not what the merge gives (B). */
static int on_difference(void *arg, const char *path, size_t len, const struct entry *a, const struct entry *b)
{
	struct look *l = arg;
	int has = target_has(l, path, b);
	char *text;

	(void)a;
	(void)len;
	if (has < 0)
		return has;
	/* It is as it was recorded last, and hides what changed since.  The base must be what was recorded, or what is
	 * below would be seen if something failed. */
	if (has && id_equal(&l->recorded, &l->request->attachment->base.root))
		has = upper_prune_finds(&l->attached, path);
	else
		has = 0;
	if (has)
		return has < 0 ? has : upper_prune_add(&l->prune, path);
	if (asprintf(&text, "conflict in '%s/%s': it cannot be carried over by itself", l->request->attachment->path,
	             path) < 0)
		return -ENOMEM;
	tell_conflict(l, text);
	free(text);
	return 0;
}

static int compare(struct look *l)
{
	struct directory above, recorded = {.id = l->recorded, .is_root = true}, seen, merged;
	struct tree_merge merge = {.writer = l->writer,
	                           .source = l->source,
	                           .base = &recorded,
	                           .ours = &seen,
	                           .theirs = &l->target,
	                           .conflict = on_conflict,
	                           .arg = l};
	uint64_t conflicts = 0;
	struct built built;
	int error = see(l, &l->request->attachment->base, &seen);

	if (!error)
		error = tree_merge(&merge, &built, &conflicts);
	if (error || conflicts)
		return error;
	l->seen = seen.id;
	error = see(l, &l->request->now->base, &above);
	merged = (struct directory){.id = built.id, .is_root = true};
	return error ? error : compare_trees(l->source, &above, &merged, on_difference, l);
}

static int fail_look(struct look *l, int error)
{
	const char *path = l->request->attachment->path;

	if (error == -EINTR)
		return stop_status();
	if (error == -EBADF)
		return fail(EXIT_REFUSED,
		            "'%s' has what no snapshot can record: 'revfs snapshot %s' names it; move it away",
		            shown(path), shown(path));
	if (error == -EBUSY)
		return fail(EXIT_BUSY, "the store is locked by another command ('revfs gc'?): try again later");
	if (error == -ENODATA || error == -EBADMSG || error == -ENOTSUP)
		return session_unreadable(&l->a->session, path, error);
	return attached_unreadable(l->request->attachment, error);
}

/* Look once; what would stand in the way is printed. */
static int look(struct look *l)
{
	char number[32];
	int error = open_look(l);

	if (!error)
		error = compare(l);
	if (error)
		return fail_look(l, error);
	if (!l->conflicts)
		return EXIT_DONE;
	if (l->conflicts > CONFLICT_NAMED_MAX)
		fail(EXIT_FOUND, "and %s more", output_count(l->conflicts - CONFLICT_NAMED_MAX, number));
	return fail(EXIT_FOUND,
	            "'%s' is left as it was: undo your side of it; or go back with 'git switch', and merge what 'revfs "
	            "snapshot' records there",
	            shown(l->request->attachment->path));
}

/* --- carrying over --- */

/* With what was to be taken out of it gone, the upper folder must give the merge. */
static int prune(struct look *l)
{
	struct look again = {.a = l->a, .request = l->request};
	int error = upper_prune_run(&l->prune, &l->attached), status;

	if (error)
		return fail(exit_code_of(error), "cannot change '%s/upper': %s", shown(l->request->attachment->folder),
		            error_text(error));
	status = look(&again);
	if (!status && again.prune.count)
		status =
		    fail(EXIT_FOUND, "'%s' cannot be carried over by itself: %s hides what %s has there",
		         shown(l->request->attachment->path), shown(upper_prune_first(&again.prune)), l->request->name);
	close_look(&again);
	return status;
}

static int change(struct look *l)
{
	struct attaching *a = l->a;
	const struct attachment *now = l->request->now;
	int error, status = l->prune.count ? prune(l) : EXIT_DONE;

	if (status)
		return status;
	error = attachment_forget(a->git_dir, now);
	if (!error)
		error = attachment_write(a->git_dir, now);
	return error ? fail(exit_code_of(error), "cannot bring '%s' to %s: %s", shown(now->path), l->request->name,
	                    error_text(error))
	             : EXIT_DONE;
}

int attach_rebase(struct attaching *a, const struct attach_rebase *request, bool *taken)
{
	struct look first = {.a = a, .request = request}, again = first;
	int status = look(&first);

	*taken = false;
	close_look(&first);
	if (!status && request->is_mounted)
		status = above_take(request->attachment, "remount");
	if (status)
		return status;
	*taken = true;
	/* Nobody writes from here on. */
	status = look(&again);
	if (!status)
		status = change(&again);
	close_look(&again);
	return status;
}
