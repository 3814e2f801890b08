/*
 * The settings there are: one table, for `revfs config`, its defaults and its warnings.
 */
#ifndef TOOLS_SETTING_H
#define TOOLS_SETTING_H

#include <stdbool.h>
#include <stddef.h>

struct setting {
	const char *key;      /* without "revfs.": "snapshot.level" */
	const char *standard; /* what counts where it is not set; NULL: nothing */
	bool multiple;        /* may be set several times, and all count */
	bool shared;          /* the tracked .revfs/config may set it */
	const char *summary;
};

/* All there are, *COUNT of them; static. */
const struct setting *setting_all(size_t *count);

/* The setting of that key, or NULL; the last part is compared without regard to case, as git does. */
const struct setting *setting_find(const char *key);

/* Whether two keys are the same to git: the last part in any case, the rest exactly. */
bool setting_key_equal(const char *a, const char *b);

/* The name of the variable that overrides KEY: REVFS_SNAPSHOT_LEVEL; malloc'ed. */
char *setting_variable(const char *key);

#endif
