/*
 * The in-step record of a dataset while a checkout is at work (fs/instep.h).
 *
 * All functions print their own errors and return an exit status; DATASET gets what was written.
 */
#ifndef TOOLS_CHECKOUT_RECORD_H
#define TOOLS_CHECKOUT_RECORD_H

#include "fs/git/worktree.h"

/* The record is RECORD, and from here on says that a checkout of ROOT is under way. */
int checkout_record_begin(const struct worktree *wt, struct work_dataset *dataset, const struct instep *record,
                          const struct id *root);

/* Nothing was done that the record has to tell of: it is RECORD (NULL: none) again. */
int checkout_record_undo(const struct worktree *wt, struct work_dataset *dataset, const struct instep *record);

/* The files are what ROOT says. */
int checkout_record_end(const struct worktree *wt, struct work_dataset *dataset, const struct id *root);

#endif
