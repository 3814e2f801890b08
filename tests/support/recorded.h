/*
 * Datasets recorded from plain files, as `revfs snapshot` does it, so that what is shown can be compared with the
 * files.
 *
 * Everything here asserts that it works; to be called on the test's own thread.
 */
#ifndef TESTS_SUPPORT_RECORDED_H
#define TESTS_SUPPORT_RECORDED_H

#include "fs/pointer.h"
#include "tests/support/garden.h"

/* Record the file or folder PATH (below the scratch folder) into the garden's store and write PATH.revfs beside it. */
struct pointer recorded(struct garden *g, const char *path);

#endif
