#include "tools/attach/detach_one.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tools/attach/above.h"
#include "tools/attach/given.h"
#include "tools/attach/overlay_mount.h"
#include "tools/attach/stray.h"
#include "tools/attach/upper_folder.h"
#include "tools/output.h"
#include "tools/shown.h"

static int refuse_loss(const struct attachment *attachment, const struct given *given)
{
	const struct new_tree_counts *c = &given->counts;
	const char *path = shown(attachment->path);
	char number[32];

	if (given->problems)
		return fail(EXIT_REFUSED,
		            "'%s' has %s that no snapshot can record: 'revfs snapshot %s' names what; 'revfs detach -f "
		            "%s' drops all that was changed",
		            path, output_count(given->problems, number), path, path);
	return fail(EXIT_REFUSED,
	            "'%s' has changes that are in no snapshot (%llu added, %llu modified, %llu deleted): 'revfs "
	            "snapshot %s' records them, 'revfs detach -f %s' drops them",
	            path, (unsigned long long)c->added, (unsigned long long)c->modified, (unsigned long long)c->deleted,
	            path, path);
}

static int check_loss(struct attaching *a, const struct attachment *attachment)
{
	struct given given;
	int status = given_find(a, attachment, &given);

	if (!status && !given.is_recorded)
		status = refuse_loss(attachment, &given);
	return status;
}

static int unmount(const struct attachment *attachment)
{
	int status = above_take(attachment, "detach");
	char *place = status ? NULL : attachment_place(attachment);

	if (place)
		rmdir(place); /* where it covered nothing */
	free(place);
	return status;
}

static int drop(struct attaching *a, const struct attachment *attachment)
{
	int error = upper_folder_drop(attachment->folder);

	if (!error)
		error = attachment_remove(a->git_dir, attachment);
	if (!error)
		error = upper_folder_remove(attachment->folder);
	return error ? fail(exit_code_of(error), "cannot remove '%s': %s", shown(attachment->folder), error_text(error))
	             : EXIT_DONE;
}

int detach_one(struct attaching *a, const struct attachment *attachment, const struct detach_choice *choice)
{
	enum overlay_state state;
	int error = overlay_state(a->git_dir, attachment, 0, &state), status = EXIT_DONE;

	if (error)
		return fail(exit_code_of(error), "cannot see what is mounted at '%s': %s", shown(attachment->path),
		            error_text(error));
	if (state == OVERLAY_NONE)
		status = attaching_use(a, attachment);
	if (!status && !choice->force)
		status = check_loss(a, attachment);
	if (status)
		return status;
	if (choice->dry) {
		attaching_tell(a, attachment->path, "attached", "would be detached");
		return EXIT_DONE;
	}
	if (state != OVERLAY_NONE) {
		status = unmount(attachment);
		/* From here on nobody writes: what came since it was looked at counts. */
		if (!status && !choice->force && check_loss(a, attachment))
			status = fail(EXIT_REFUSED,
			              "'%s' changed while it was being detached: 'revfs attach %s' brings it back",
			              shown(attachment->path), shown(attachment->path));
	}
	if (!status)
		status = drop(a, attachment);
	if (!status)
		attaching_tell(a, attachment->path, "detached", "detached");
	return status;
}

void detach_end(struct attaching *a)
{
	enum overlay_state state;
	unsigned minor;

	/* A record that cannot be read may be that of an overlay that stands. */
	if (attaching_reread(a) || a->known.damaged)
		return;
	stray_sweep(a);
	minor = below_minor(a->session.repo);
	/* A Git directory that was copied has records of overlays above the mount of another. */
	for (size_t i = 0; i < a->known.count; i++)
		if (overlay_state(a->git_dir, &a->known.items[i], minor, &state) || state == OVERLAY_CURRENT ||
		    attaching_is_used(a, &a->known.items[i]))
			return;
	below_end(a->session.repo);
}
