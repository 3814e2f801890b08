#include "tools/attach/attach_one.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fs/ignore_line.h"
#include "tools/attach/above.h"
#include "tools/attach/attach_rebase.h"
#include "tools/attach/cover.h"
#include "tools/attach/detach_one.h"
#include "tools/attach/given.h"
#include "tools/attach/overlay_mount.h"
#include "tools/attach/upper_folder.h"
#include "tools/attached.h"
#include "tools/output.h"
#include "tools/shown.h"

static int no_memory(void)
{
	return fail(EXIT_SYSTEM, "%s", error_text(-ENOMEM));
}

/* --- for the first time --- */

/* The folder that holds those of attachments, by no link: where one leads may change.  malloc'ed; NULL and errno. */
static char *find_top(const struct attaching *a, const char *set)
{
	char *top, *real;

	if (set)
		return realpath(set, NULL);
	if (asprintf(&top, "%s/" ATTACHMENTS_FOLDER, a->git_dir) < 0)
		return NULL;
	real = realpath(top, NULL);
	free(top);
	return real;
}

/* The folder of an attachment of that name; malloc'ed, NULL with *STATUS set. */
static char *find_folder(struct attaching *a, const char *name, int *status)
{
	const char *set = config_string(a->config, "attachDir");
	char *top = NULL, *folder;

	if (set && *set != '/')
		*status = fail(EXIT_USAGE, "revfs.attachDir is '%s': an absolute path is wanted", shown(set));
	else
		top = find_top(a, set);
	if (top) {
		if (asprintf(&folder, "%s%s%s", top, top[1] ? "/" : "", name) < 0)
			folder = NULL;
		free(top);
		*status = folder ? EXIT_DONE : no_memory();
		return folder;
	}
	if (!*status)
		*status = fail(exit_code_of(-errno), "cannot find the folder for what is written, '%s': %s",
		               shown(set ? set : a->git_dir), strerror(errno));
	return NULL;
}

/* What lies there and has no record is of an attachment that somebody lost. */
static int check_left_over(const struct attachment *attachment)
{
	int empty = upper_folder_is_empty(attachment->folder);

	if (empty == -ENOENT || empty == 1)
		return EXIT_DONE;
	if (empty < 0)
		return fail(exit_code_of(empty), "cannot look into '%s': %s", shown(attachment->folder),
		            error_text(empty));
	return fail(
	    EXIT_REFUSED,
	    "'%s/upper' holds changes of another attachment of '%s', whose record is lost: move that folder away",
	    shown(attachment->folder), shown(attachment->path));
}

/* Undo what was begun; what cannot be undone the next attach finds. */
static void undo_new(struct attaching *a, const struct attachment *attachment, bool made_place)
{
	char *place = attachment_place(attachment);

	upper_folder_drop(attachment->folder);
	attachment_remove(a->git_dir, attachment);
	upper_folder_remove(attachment->folder);
	if (place && made_place)
		rmdir(place);
	free(place);
}

static void tell_attached(struct attaching *a, const struct attachment *attachment, const char *how)
{
	char files[32], size[32], hex[OID_HEX_MAX], *text;

	oid_format(&attachment->commit, hex);
	if (asprintf(&text, "%s at %.12s (%s file%s, %s)", how, hex, output_count(attachment->base.files, files),
	             attachment->base.files == 1 ? "" : "s", output_size(attachment->base.bytes, size)) < 0)
		return;
	attaching_tell(a, attachment->path, "attached", text);
	free(text);
}

int attach_new(struct attaching *a, const struct attach_target *target)
{
	char name[ATTACHMENT_NAME_SIZE];
	struct attachment attachment = {.name = name,
	                                .worktree = (char *)a->worktree,
	                                .path = (char *)target->path,
	                                .commit = target->commit,
	                                .base = target->base};
	bool made_place = false;
	int error, status = EXIT_DONE;

	attachment_name(a->worktree, target->path, name);
	attachment.folder = find_folder(a, name, &status);
	if (!attachment.folder)
		return status;
	status = check_left_over(&attachment);
	if (!status)
		status = cover_check(a, target->path, &made_place);
	if (status) {
		free(attachment.folder);
		return status;
	}
	error = ignore_line_exclude(&a->wt, target->path);
	if (error)
		status = fail(exit_code_of(error), "cannot note '%s' in Git's info/exclude: %s", shown(target->path),
		              error_text(error));
	if (!status)
		status = above_put(a, &attachment, true);
	if (status)
		undo_new(a, &attachment, made_place);
	else
		tell_attached(a, &attachment, "attached");
	free(attachment.folder);
	return status;
}

/* --- again --- */

/*
 * Mount it as its record says.  Where the target has the same root it is that commit that is served: the other may be
 * gone one day.
 */
static int bring_back(struct attaching *a, const struct attachment *attachment, const struct attach_target *target,
                      enum overlay_state state)
{
	struct attachment now = *attachment;
	int empty = upper_folder_is_empty(now.folder), status = EXIT_DONE;
	bool made_place;

	if (state == OVERLAY_STALE)
		status = above_take(attachment, "remount");
	if (!status)
		status = cover_check(a, now.path, &made_place);
	if (status)
		return status;
	if (!target->is_gone && id_equal(&now.base.root, &target->base.root))
		now.commit = target->commit;
	status = above_put(a, &now, empty != 0);
	if (!status)
		tell_attached(a, &now, empty ? "attached again" : "attached again, with what was changed,");
	return status;
}

/* Put NOW, whose place is free, where it belongs. */
static int put_now(struct attaching *a, struct attachment *now, bool any_dialect, const char *how)
{
	bool made_place;
	int status = cover_check(a, now->path, &made_place);

	if (!status)
		status = above_put(a, now, any_dialect);
	if (!status)
		tell_attached(a, now, how);
	return status;
}

/* All that was changed is in a snapshot, and nothing is mounted: let go of it, and stand on the target. */
static int move_to(struct attaching *a, const struct attachment *attachment, const struct attach_target *target)
{
	struct attachment now = *attachment;
	int error = upper_folder_drop(now.folder);

	if (!error)
		error = attachment_forget(a->git_dir, &now);
	now.commit = target->commit;
	now.base = target->base;
	if (!error)
		error = attachment_write(a->git_dir, &now);
	if (error)
		return fail(exit_code_of(error), "cannot bring '%s' to %s: %s", shown(now.path), target->name,
		            error_text(error));
	return put_now(a, &now, true, "now");
}

static int report_older(const struct attachment *attachment, const struct attach_target *target)
{
	const char *path = shown(attachment->path);

	if (target->is_gone)
		return fail(EXIT_REFUSED,
		            "'%s' has changes that are in no snapshot, and %s has no such dataset: 'revfs snapshot %s' "
		            "makes one "
		            "of it again, 'revfs detach -f %s' drops them",
		            path, target->name, path, path);
	return fail(EXIT_REFUSED,
	            "'%s' has changes that are in no snapshot, and is based on another version than that of %s: 'revfs "
	            "attach --rebase %s' carries the changes over",
	            path, target->name, path);
}

/* What was changed is put above the target, where nothing stands against it; else all is as it was. */
static int carry_over(struct attaching *a, const struct attachment *attachment, const struct attach_target *target,
                      enum overlay_state state)
{
	struct attachment now = *attachment;
	const struct attach_rebase request = {
	    .attachment = attachment, .now = &now, .name = target->name, .is_mounted = state != OVERLAY_NONE};
	bool taken;
	int status;

	now.commit = target->commit;
	now.base = target->base;
	status = attach_rebase(a, &request, &taken);
	if (!status)
		return put_now(a, &now, false, "now, with what was changed,");
	if (taken) {
		now = *attachment;
		put_now(a, &now, false, "attached again, with what was changed,");
	} else if (state == OVERLAY_STALE && status <= EXIT_SYSTEM) {
		bring_back(a, attachment, target, state);
	}
	return status;
}

/* What was changed stays: it is brought back where it is not there. */
static int stay(struct attaching *a, const struct attachment *attachment, const struct attach_target *target,
                enum overlay_state state)
{
	struct id recorded;
	bool is_older;
	int status = EXIT_DONE;

	if (target->rebase && !target->is_gone)
		return carry_over(a, attachment, target, state);
	/* The base may be older than the snapshot that the changes were made to. */
	is_older =
	    target->is_gone || given_recorded(a, attachment, &recorded) || !id_equal(&recorded, &target->base.root);
	if (state != OVERLAY_CURRENT)
		status = bring_back(a, attachment, target, state);
	else if (!is_older)
		attaching_tell(a, attachment->path, "attached", "attached already");
	return !status && is_older ? report_older(attachment, target) : status;
}

/* Whether nothing was changed since it was recorded, or just what the target has. */
static bool may_follow(const struct given *given, const struct attach_target *target)
{
	return given->is_unchanged ||
	       (given->is_recorded && !target->is_gone && id_equal(&given->pointer.root, &target->base.root));
}

/* Its base is not what the target has. */
static int follow(struct attaching *a, const struct attachment *attachment, const struct attach_target *target,
                  enum overlay_state state)
{
	struct given given;
	int status = given_find(a, attachment, &given), back;

	if (status > EXIT_SYSTEM)
		return status;
	if (status) {
		back = state == OVERLAY_CURRENT ? EXIT_DONE : bring_back(a, attachment, target, state);
		return back ? back : status;
	}
	if (!may_follow(&given, target))
		return stay(a, attachment, target, state);
	if (target->is_gone)
		return detach_one(a, attachment, &(struct detach_choice){.force = false});
	if (state != OVERLAY_NONE) {
		status = above_take(attachment, "remount");
		/* Nobody writes from here on: what came since it was looked at counts. */
		if (!status)
			status = given_find(a, attachment, &given);
		if (status)
			return status;
		if (!may_follow(&given, target))
			return stay(a, attachment, target, OVERLAY_NONE);
	}
	return move_to(a, attachment, target);
}

/* What was changed must be there, or nobody want it any more. */
static int check_upper(const struct attachment *attachment)
{
	int empty = upper_folder_is_empty(attachment->folder);

	return empty >= 0 || upper_folder_is_dropped(attachment->folder) == 1 ? EXIT_DONE
	                                                                      : attached_unreadable(attachment, empty);
}

/* Whether what one sees is, but for changes that are in no snapshot, what TARGET has. */
static int is_at(struct attaching *a, const struct attachment *attachment, const struct attach_target *target, bool *is)
{
	struct id root;
	int error = given_recorded(a, attachment, &root);

	*is = !target->is_gone && id_equal(&attachment->base.root, &target->base.root) &&
	      id_equal(&root, &target->base.root);
	return error ? fail(exit_code_of(error), "cannot read what was recorded of '%s': %s", shown(attachment->path),
	                    error_text(error))
	             : EXIT_DONE;
}

int attach_again(struct attaching *a, const struct attachment *attachment, const struct attach_target *target)
{
	enum overlay_state state;
	int status = check_upper(attachment), error;
	bool same = false;

	if (!status)
		status = attaching_below(a);
	if (!status)
		status = is_at(a, attachment, target, &same);
	if (status)
		return status;
	error = overlay_state(a->git_dir, attachment, a->below.minor, &state);
	if (error)
		return fail(exit_code_of(error), "cannot see what is mounted at '%s': %s", shown(attachment->path),
		            error_text(error));
	/* Without its upper folder it does not show what is staged. */
	if (!same && (!target->stays || upper_folder_is_dropped(attachment->folder) == 1))
		return follow(a, attachment, target, state);
	if (state != OVERLAY_CURRENT)
		return bring_back(a, attachment, target, state);
	attaching_tell(a, attachment->path, "attached", "attached already");
	return EXIT_DONE;
}
