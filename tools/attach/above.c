#include "tools/attach/above.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fs/dataset.h"
#include "tools/attach/namespace.h"
#include "tools/attach/overlay_mount.h"
#include "tools/attach/private.h"
#include "tools/attach/upper_folder.h"
#include "tools/shown.h"
#include "tools/stop.h"

/*
 * What stands below, looked at before the overlay is put above it: where the data cannot be reached, by the way in
 * which commands wait, which is shorter than that of a mount, and says why.
 */
static int check_lower(struct attaching *a, const struct attachment *attachment, const char *lower)
{
	struct page_pin root = {0};
	struct stat st;
	int error = a->session.source ? dataset_open(a->session.source, &attachment->base, &root) : -ENODATA;

	if (!error)
		source_unpin_page(a->session.source, &root);
	if (!error && (lstat(lower, &st) || !S_ISDIR(st.st_mode)))
		error = errno == EINTR ? -EINTR : -EIO;
	if (error == -EINTR || atomic_load(stop_flag()))
		return stop_status();
	return error ? session_unreadable(&a->session, attachment->path, error) : EXIT_DONE;
}

static int fail_mount(const struct attachment *attachment, int error, const char *said)
{
	const char *path = shown(attachment->path), *folder = shown(attachment->folder);

	if (said)
		return fail(exit_code_of(error), "cannot attach '%s': %s", path, said);
	switch (-error) {
	case EINTR:
		return stop_status();
	case ENOPKG:
		return fail(EXIT_SYSTEM,
		            "cannot attach '%s': there is no fuse-overlayfs here, and the kernel lets only root mount "
		            "overlays for all to see; a package of that name has it, and 'revfs attach --shell' does "
		            "without",
		            path);
	case EPERM:
		if (attachment->dialect == LAYER_KERNEL_USER)
			return fail(EXIT_REFUSED,
			            "cannot attach '%s': it was attached for a shell, and has changes: 'revfs attach "
			            "--shell %s' brings it back",
			            path, path);
		return fail(
		    EXIT_NOT_AUTHORISED,
		    "cannot attach '%s': it was attached by root, whose overlays others may not mount: run this "
		    "as root",
		    path);
	case EINVAL:
		return fail(
		    EXIT_SYSTEM,
		    "cannot attach '%s': the file system of '%s' cannot hold what is written to an overlay; set "
		    "revfs.attachDir to a folder on another one, or install fuse-overlayfs",
		    path, folder);
	case ENAMETOOLONG:
		return fail(EXIT_SYSTEM,
		            "cannot attach '%s': its path and that of '%s' are too long together; set revfs.attachDir "
		            "to a folder with a shorter one",
		            path, folder);
	default:
		return fail(exit_code_of(error), "cannot attach '%s': %s", path, error_text(error));
	}
}

/* Whether an overlay of another kind may do what that of the kernel failed to do. */
static bool may_do_otherwise(int error)
{
	return error == -EPERM || error == -EINVAL || error == -ENODEV || error == -EOPNOTSUPP;
}

/* In a namespace of users, root's attributes cannot be set. */
static enum layer_dialect choose_dialect(void)
{
	if (namespace_is_of_user())
		return LAYER_KERNEL_USER;
	return geteuid() ? LAYER_FUSE : LAYER_KERNEL;
}

/* Mount it by its own dialect; where its upper folder has nothing yet, by whichever works, which its record says then.
 */
static int mount_overlay(struct attaching *a, struct attachment *attachment, bool any_dialect, const char *lower)
{
	struct overlay_mount request = {
	    .git_dir = a->git_dir, .attachment = attachment, .lower = lower, .minor = a->below.minor};
	int error, first = 0;
	char *said = NULL;

	if (any_dialect)
		attachment->dialect = choose_dialect();
	if (attachment->dialect == LAYER_FUSE && private_is_here())
		return fail(EXIT_REFUSED,
		            "cannot attach '%s' in here: it was attached with fuse-overlayfs, and has changes: 'revfs "
		            "attach %s' outside brings it back, for shells, too",
		            shown(attachment->path), shown(attachment->path));
	if (attachment->dialect == LAYER_KERNEL && namespace_is_of_user())
		return fail_mount(attachment, -EPERM, NULL);
	error = attachment_write(a->git_dir, attachment);
	if (error)
		return fail(exit_code_of(error), "cannot note in the Git directory that '%s' is attached: %s",
		            shown(attachment->path), error_text(error));
	error = overlay_mount(&request, &said);
	if (any_dialect && attachment->dialect != LAYER_FUSE && !private_is_here() && may_do_otherwise(error)) {
		first = error;
		attachment->dialect = LAYER_FUSE;
		error = attachment_write(a->git_dir, attachment);
		if (!error)
			error = overlay_mount(&request, &said);
		if (error == -ENOPKG && first == -EINVAL)
			error = first;
	}
	first = error ? fail_mount(attachment, error, said) : EXIT_DONE;
	free(said);
	return first;
}

int above_put(struct attaching *a, struct attachment *attachment, bool any_dialect)
{
	int status = attaching_below(a), error;
	char *lower = NULL;

	if (status)
		return status;
	lower = below_path(&a->below, attachment);
	if (!lower)
		return fail(EXIT_SYSTEM, "%s", error_text(-ENOMEM));
	status = check_lower(a, attachment, lower);
	error = status ? 0 : upper_folder_make(attachment->folder);
	if (error)
		status = fail(exit_code_of(error), "cannot make the folder '%s' for what is written to '%s': %s",
		              shown(attachment->folder), shown(attachment->path), error_text(error));
	if (!status)
		status = mount_overlay(a, attachment, any_dialect, lower);
	free(lower);
	return status;
}

int above_take(const struct attachment *attachment, const char *why)
{
	const char *path = shown(attachment->path);
	char *place = attachment_place(attachment);
	int error = place ? overlay_unmount(place) : -ENOMEM;

	free(place);
	if (error == -EINTR)
		return stop_status();
	if (error == -EBUSY)
		return fail(EXIT_BUSY, "cannot %s '%s': it is in use; 'fuser -vm %s' tells by whom", why, path, path);
	return error ? fail(exit_code_of(error), "cannot unmount '%s': %s", path, error_text(error)) : EXIT_DONE;
}
