/*
 * Pointer files: `NAME.revfs`, the few lines in Git that stand for a dataset (revfs-format(5)).
 */
#ifndef FS_POINTER_H
#define FS_POINTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cache/id.h"

#define POINTER_SIZE_MAX 4096
#define POINTER_SUFFIX ".revfs"
#define POINTER_SUFFIX_LEN 6
#define POINTER_TEXT_MAX 256 /* what pointer_format() writes at most */

struct pointer {
	bool is_file; /* type file, not directory */
	struct id root;
	uint64_t files;
	uint64_t bytes;
	bool unknown_keys; /* of a later version: shown, not snapshotted over */
};

/*
 * Parse LEN bytes.  Returns 0; -EINVAL for what is no pointer, with *LINE (may be NULL) the line, from 1, and *WHY (may
 * be NULL) a static text: "conflict markers", "not a pointer file", ...; -ENOTSUP for a later version than 1.
 */
int pointer_parse(const void *text, size_t len, struct pointer *pointer, unsigned *line, const char **why);

/* Format as a pointer file.  Returns the length. */
size_t pointer_format(const struct pointer *pointer, char text[POINTER_TEXT_MAX]);

/* Whether NAME is that of a pointer file (ends in .revfs and is longer); *BASE_LEN is the length of the dataset's name.
 */
bool pointer_name(const char *name, size_t len, size_t *base_len);

#endif
