#include "tools/attached.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "fs/upper_drift.h"
#include "tools/fail.h"
#include "tools/shown.h"
#include "tools/stop.h"

int attached_check_mounted(const struct attachment *attachment)
{
	int answer = attachment_is_mounted(attachment);
	const char *path = shown(attachment->path);

	if (answer < 0 && answer != -ENOTCONN)
		return fail(exit_code_of(answer), "cannot see what is mounted at '%s': %s", path, error_text(answer));
	if (answer != 1)
		return fail(
		    EXIT_REFUSED,
		    "'%s' is attached, and not mounted here now: 'revfs attach %s' brings it back with all that "
		    "was changed",
		    path, path);
	return EXIT_DONE;
}

int attached_refuse_checkout(const struct worktree *wt, const struct attachment *attachment, bool named)
{
	const char *path = shown(attachment->path);
	struct attached attached;
	struct pointer pointer;
	bool in_step = false;

	if (!named && !attached_open(wt->io, repo_common_dir(wt->repo), attachment, &attached)) {
		int error = worktree_pointer(wt, attachment->path, &pointer, NULL, NULL);

		in_step = error == -ENOENT || (!error && instep_names(&attached.record, &pointer.root));
		attached_close(wt->io, &attached);
	}
	if (in_step)
		return EXIT_DONE;
	return fail(
	    EXIT_REFUSED,
	    "'%s' is attached, and checkout does not write there: 'revfs attach %s' lets it follow its pointer, "
	    "'revfs detach %s' makes it a plain folder again",
	    path, path, path);
}

int attached_unreadable(const struct attachment *attachment, int error)
{
	const char *path = shown(attachment->path);

	if (error == -ENOENT || error == -ENOTDIR)
		return fail(EXIT_REFUSED,
		            "the folder '%s/upper', which has what was changed in '%s', is gone: 'revfs detach -f %s' "
		            "gives that up",
		            shown(attachment->folder), path, path);
	if (error == -EPERM)
		return fail(
		    EXIT_REFUSED,
		    "'%s' was attached by root, and nobody else can see what was deleted there: run this as root",
		    path);
	return fail(exit_code_of(error), "cannot read '%s/upper', which has what was changed in '%s': %s",
	            shown(attachment->folder), path, error_text(error));
}

int attached_flush(const struct worktree *wt, const struct attached *attached)
{
	int fd, error;

	if (attached->attachment->dialect != LAYER_FUSE || attachment_is_mounted(attached->attachment) != 1)
		return 0;
	fd = io_open(wt->io, wt->root, attached->attachment->path, O_RDONLY | O_DIRECTORY, 0);
	if (fd < 0)
		return fd;
	error = syncfs(fd) ? -errno : 0;
	io_close(wt->io, fd);
	return error;
}

int attached_compare(const struct session *session, const struct worktree *wt, const struct exclude *exclude,
                     const struct attached *attached, const struct pointer *tree, drift_each each, void *arg)
{
	struct upper upper;
	const struct upper_drift drift = {
	    .upper = &upper,
	    .source = session->source,
	    .io = wt->io,
	    .exclude = exclude,
	    .cancelled = stop_flag(),
	};
	int error = attached_flush(wt, attached);

	attached_upper(attached, tree, &upper);
	return error ? error : upper_drift(&drift, each, arg);
}
