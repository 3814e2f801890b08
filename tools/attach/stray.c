#include "tools/attach/stray.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cache/io.h"
#include "tools/attach/detach_one.h"
#include "tools/attach/overlay_mount.h"
#include "tools/attach/upper_folder.h"
#include "tools/shown.h"

/* Whether a work tree of git's is where the attachment has it, and by no link, which one leaves where it was moved. */
static bool is_there(const struct attaching *a, const struct attachment *attachment)
{
	char *git = NULL, *real;
	bool there;

	/* With GIT_WORK_TREE or core.worktree it has nothing of git's. */
	if (!strcmp(attachment->worktree, a->worktree))
		return true;
	real = realpath(attachment->worktree, NULL);
	there = real ? !strcmp(real, attachment->worktree) : errno != ENOENT && errno != ENOTDIR;
	if (there && asprintf(&git, "%s/.git", attachment->worktree) >= 0) {
		there = !access(git, F_OK) || (errno != ENOENT && errno != ENOTDIR);
		free(git);
	}
	free(real);
	return there;
}

/* Whether its folder lay in the Git directory of its work tree, and that is ours now. */
static bool came_along(const struct attaching *a, const struct attachment *attachment)
{
	char *folder, *git;
	bool did = false;

	if (asprintf(&folder, "%s/.git/" ATTACHMENTS_FOLDER "/%s", attachment->worktree, attachment->name) < 0)
		return false;
	if (asprintf(&git, "%s/.git", a->worktree) >= 0) {
		did = !strcmp(folder, attachment->folder) && !strcmp(git, a->git_dir);
		free(git);
	}
	free(folder);
	return did;
}

/* A folder is moved with what is mounted in it, which says no more whose it is. */
static int unmount_moved(const struct attaching *a, const struct attachment *attachment)
{
	struct attachment moved = *attachment;
	char *place;
	int answer, error = 0;

	moved.worktree = (char *)a->worktree;
	answer = attachment_is_mounted(&moved);
	if (answer == 1 || answer == -ENOTCONN) {
		place = attachment_place(&moved);
		error = place ? overlay_unmount(place) : -ENOMEM;
		free(place);
	}
	return error;
}

static int adopt(const struct attaching *a, const struct attachment *attachment)
{
	char name[ATTACHMENT_NAME_SIZE], *from = NULL;
	struct attachment now = *attachment;
	int error = 0;

	now.worktree = (char *)a->worktree;
	now.name = name;
	attachment_name(now.worktree, now.path, name);
	if (asprintf(&now.folder, "%s/" ATTACHMENTS_FOLDER "/%s", a->git_dir, name) < 0)
		return -ENOMEM;
	if (asprintf(&from, "%s/" ATTACHMENTS_FOLDER "/%s", a->git_dir, attachment->name) < 0)
		from = NULL;
	if (!from)
		error = -ENOMEM;
	else if (rename(from, now.folder))
		error = -errno;
	if (!error)
		error = attachment_write(a->git_dir, &now);
	free(from);
	free(now.folder);
	return error;
}

int stray_settle(struct attaching *a)
{
	bool adopted = false;

	for (size_t i = 0; i < a->known.count; i++) {
		const struct attachment *attachment = &a->known.items[i];
		char *place;
		int error;

		if (is_there(a, attachment))
			continue;
		if (came_along(a, attachment) && !attachments_find(&a->known, a->worktree, attachment->path)) {
			error = unmount_moved(a, attachment);
			if (error == -EBUSY)
				return fail(EXIT_BUSY,
				            "'%s' was moved while it was attached, and is in use: 'fuser -vm %s' tells "
				            "by whom",
				            shown(attachment->path), shown(attachment->path));
			if (!error)
				error = adopt(a, attachment);
			if (error)
				return fail(exit_code_of(error), "cannot take '%s' over from '%s': %s",
				            shown(attachment->path), shown(attachment->worktree), error_text(error));
			adopted = true;
			continue;
		}
		place = attachment_place(attachment);
		if (place)
			warn("'%s' is attached, and its work tree is gone: 'revfs detach %s' ends that", shown(place),
			     shown(place));
		free(place);
	}
	/* It knows the repository by where that was. */
	if (adopted)
		detach_end(a);
	return adopted ? attaching_reread(a) : EXIT_DONE;
}

static int sweep_folder(void *arg, const char *name)
{
	const char *git_dir = arg;
	struct attachment attachment = {.name = (char *)name};
	struct pack_id id;
	char *folder, *record;
	int empty;

	if (pack_id_parse(name, strlen(name), &id) ||
	    asprintf(&folder, "%s/" ATTACHMENTS_FOLDER "/%s", git_dir, name) < 0)
		return 0;
	if (asprintf(&record, "%s/record", folder) >= 0) {
		empty = upper_folder_is_empty(folder);
		if ((empty == 1 || empty == -ENOENT) && access(record, F_OK) && errno == ENOENT &&
		    !attachment_forget(git_dir, &attachment))
			upper_folder_remove(folder);
		free(record);
	}
	free(folder);
	return 0;
}

void stray_sweep(const struct attaching *a)
{
	char *folder;

	if (asprintf(&folder, "%s/" ATTACHMENTS_FOLDER, a->git_dir) < 0)
		return;
	io_list(io_system(), AT_FDCWD, folder, sweep_folder, (void *)a->git_dir);
	free(folder);
}

const struct attachment *stray_find(const struct attaching *a, const char *typed)
{
	const struct attachment *found = NULL;

	for (size_t i = 0; *typed == '/' && !found && i < a->known.count; i++) {
		char *place = attachment_place(&a->known.items[i]);

		if (place && !strcmp(place, typed))
			found = &a->known.items[i];
		free(place);
	}
	return found;
}
