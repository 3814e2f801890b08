#include "tools/checkout_record.h"

#include "fs/ignore_line.h"
#include "tools/command.h"
#include "tools/shown.h"

static int failed(const struct work_dataset *dataset, int error)
{
	return fail(exit_code_of(error), "cannot note the checkout of '%s' in the Git directory: %s",
	            shown(dataset->path), error_text(error));
}

static int write_record(const struct worktree *wt, struct work_dataset *dataset, const struct instep *record)
{
	int error = instep_write(wt->io, wt->folder, dataset->path, record);

	if (error)
		return failed(dataset, error);
	dataset->has_record = true;
	dataset->record = *record;
	return EXIT_DONE;
}

int checkout_record_begin(const struct worktree *wt, struct work_dataset *dataset, const struct instep *record,
                          const struct id *root)
{
	struct instep begun = *record;
	int error;

	instep_begin_checkout(&begun, root);
	error = ignore_line_exclude(wt, dataset->path);
	if (error)
		return fail(exit_code_of(error), "cannot note '%s' in Git's info/exclude: %s", shown(dataset->path),
		            error_text(error));
	return write_record(wt, dataset, &begun);
}

int checkout_record_undo(const struct worktree *wt, struct work_dataset *dataset, const struct instep *record)
{
	int error;

	if (record)
		return write_record(wt, dataset, record);
	error = instep_remove(wt->io, wt->folder, dataset->path);
	if (error)
		return failed(dataset, error);
	dataset->has_record = false;
	return EXIT_DONE;
}

int checkout_record_end(const struct worktree *wt, struct work_dataset *dataset, const struct id *root)
{
	return write_record(wt, dataset, &(struct instep){.has_root = true, .root = *root});
}
