#include "tools/checkout_side.h"

#include <errno.h>

#include "tools/command.h"
#include "tools/conflict.h"
#include "tools/shown.h"

int checkout_side_find(const struct worktree *wt, const char *path, enum checkout_side side, struct pointer *pointer,
                       struct instep *record)
{
	struct pointer ours, theirs;
	int error = conflict_pointer(wt, path, STAGE_OURS, &ours);

	if (!error)
		error = conflict_pointer(wt, path, STAGE_THEIRS, &theirs);
	if (error == -ENOENT)
		return fail(EXIT_REFUSED,
		            "'%s" POINTER_SUFFIX "' is not in conflict, so there is no such side: 'revfs checkout "
		            "PATH' takes what it says",
		            shown(path));
	if (!error && (ours.is_file || theirs.is_file))
		error = -ENOTDIR;
	if (error == -EINVAL || error == -ENOTSUP || error == -ENOTDIR)
		return fail(EXIT_REFUSED,
		            "one side of '%s" POINTER_SUFFIX "' is no directory that this revfs knows: 'git checkout "
		            "--ours -- %s" POINTER_SUFFIX "' or --theirs takes one of them whole",
		            shown(path), shown(path));
	if (error)
		return fail(exit_code_of(error), "cannot read the sides of '%s" POINTER_SUFFIX "': %s", shown(path),
		            error_text(error));
	instep_begin_checkout(record, &ours.root);
	instep_begin_checkout(record, &theirs.root);
	*pointer = side == SIDE_OURS ? ours : theirs;
	return EXIT_DONE;
}
