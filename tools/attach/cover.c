#include "tools/attach/cover.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fs/drift.h"
#include "fs/mount/mountpoint.h"
#include "tools/path.h"
#include "tools/shown.h"
#include "tools/stop.h"

static int make_place(struct attaching *a, const char *path, bool *made)
{
	const char *name;
	int dirfd = worktree_open_parent(&a->wt, path, true, &name), error = 0;

	if (dirfd < 0)
		error = dirfd;
	else if (mkdirat(dirfd, name, 0777))
		error = -errno;
	if (dirfd >= 0)
		close(dirfd);
	*made = !error;
	return error ? fail(exit_code_of(error), "cannot make the folder '%s': %s", shown(path), error_text(error))
	             : EXIT_DONE;
}

static int look_at_mount(void *arg, const struct mountpoint *mountpoint)
{
	return !strcmp(mountpoint->path, arg);
}

static int check_not_mounted(struct attaching *a, const char *path)
{
	char *place = path_join(a->worktree, path);
	int found = place ? mountpoint_each(look_at_mount, place) : -ENOMEM;

	free(place);
	if (found < 0)
		return fail(exit_code_of(found), "cannot read the table of mounts: %s", error_text(found));
	return found ? fail(EXIT_REFUSED, "something else is mounted at '%s': unmount it first", shown(path))
	             : EXIT_DONE;
}

/* --- what is covered --- */

static int any_difference(void *arg, const struct drift_difference *difference)
{
	(void)arg;
	(void)difference;
	return 1;
}

/* Whether the files are those that they were last in step with: 1, 0 or -errno. */
static int is_unchanged(struct attaching *a, const struct work_dataset *dataset)
{
	struct pointer stood;
	struct drift_request request = {
	    .source = a->session.source,
	    .io = io_system(),
	    .dirfd = a->wt.root,
	    .path = dataset->path,
	    .pointer = &stood,
	    .folder = a->wt.folder,
	    .cancelled = stop_flag(),
	};
	struct directory root = {.id = dataset->record.root, .is_root = true};
	struct totals totals;
	int error;

	if (!request.source)
		return -ENODATA;
	/* It need not be what the pointer file says by now: git may have changed that. */
	error = directory_totals(request.source, &root, &totals);
	if (error)
		return error;
	stood = (struct pointer){.root = root.id, .files = totals.files, .bytes = totals.bytes};
	error = drift_compare(&request, any_difference, NULL);
	return error < 0 ? error : !error;
}

static const struct work_dataset *find_dataset(const struct attaching *a, const char *path)
{
	for (size_t i = 0; i < a->count; i++)
		if (!strcmp(a->datasets[i].path, path))
			return &a->datasets[i];
	return NULL;
}

static int check_covered(struct attaching *a, const char *path)
{
	const struct work_dataset *dataset = find_dataset(a, path);
	const struct instep *record = dataset && dataset->has_record ? &dataset->record : NULL;
	int unchanged = 0;

	if (record && record->has_checkout)
		return fail(
		    EXIT_REFUSED,
		    "a checkout of '%s' was not finished: 'revfs checkout %s' finishes it, or remove the folder",
		    shown(path), shown(path));
	if (record && record->has_root)
		unchanged = is_unchanged(a, dataset);
	if (unchanged == -EINTR)
		return stop_status();
	if (unchanged < 0 && unchanged != -ENOTDIR)
		return session_unreadable(&a->session, path, unchanged);
	if (unchanged == 1)
		return EXIT_DONE;
	if (attachments_find(&a->known, a->worktree, path))
		return fail(EXIT_REFUSED,
		            "the folder '%s' was written to while the dataset was not mounted there: move it away, "
		            "'revfs attach %s' again, and take from it what you want",
		            shown(path), shown(path));
	return fail(EXIT_REFUSED,
	            "the folder '%s' holds files that are in no snapshot, and would be covered: 'revfs snapshot %s' "
	            "records them, 'revfs checkout -f %s' drops them; or move the folder away",
	            shown(path), shown(path), shown(path));
}

int cover_check(struct attaching *a, const char *path, bool *made)
{
	enum work_kind kind;
	int error = worktree_kind(&a->wt, path, &kind), status;

	*made = false;
	if (error)
		return fail(exit_code_of(error), "cannot look at '%s': %s", shown(path), error_text(error));
	if (kind == WORK_ABSENT)
		return make_place(a, path, made);
	if (kind != WORK_DIRECTORY)
		return fail(EXIT_REFUSED, "'%s' is, or lies behind, something else than a folder: move it away",
		            shown(path));
	status = check_not_mounted(a, path);
	if (status || worktree_is_empty(&a->wt, path))
		return status;
	return check_covered(a, path);
}
