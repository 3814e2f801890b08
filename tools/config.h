/*
 * Settings: option, then REVFS_KEY in the environment, then `git config revfs.KEY`, then the tracked .revfs/config
 * (only harmless keys), then the default (tools/setting.h).  Read through the user's git, once per command.
 *
 * The name of the variable is the key in capitals, dots and dashes as underscores: REVFS_SNAPSHOT_LEVEL.  An empty one
 * counts as not set; of a key that may stand several times it holds one value a line.
 */
#ifndef TOOLS_CONFIG_H
#define TOOLS_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "fs/git/repo.h"

struct config;

/* Read everything.  REPO may be NULL (outside a repository).  Warns once of keys that the tracked file may not set.
 * Prints its errors.  Returns 0, -EBADMSG where a file does not parse, or -errno; -EINPROGRESS, without a message,
 * where this thread holds a ticket (cache/aside.h) and git has to fetch the tracked file first. */
int config_open(struct repo *repo, struct config **config);

/* Free, with every value it gave.  NULL is ignored. */
void config_close(struct config *config);

/* KEY without its first "revfs.": "snapshot.level".  The value that counts, or the default; NULL where there is
 * neither. */
const char *config_string(struct config *config, const char *key);

/* Integers with git's suffixes k, m, g.  0, -ENOENT (not set), -EINVAL (message printed). */
int config_integer(struct config *config, const char *key, int64_t *value);

/* Truth as git writes it.  Results as config_integer()'s. */
int config_bool(struct config *config, const char *key, bool *value);

/* All values of a key that may stand several times, in order, NULL-terminated; freed with the config.  They come from
 * the first place that has any.  NULL where there is no memory. */
const char *const *config_all(struct config *config, const char *key);

enum config_place {
	CONFIG_DEFAULT,
	CONFIG_TRACKED,
	CONFIG_GIT,
	CONFIG_ENVIRONMENT,
};

/* One value and where it came from ("file:/home/ada/x/.git/config", "environment:REVFS_SNAPSHOT_LEVEL"). */
struct config_value {
	char *key;
	char *value;
	char *origin;
	enum config_place place;
};

/* Call EACH for every value that counts (of a key that may stand several times, all of one place), ordered by key;
 * defaults too. */
int config_each(struct config *config, int (*each)(void *arg, const struct config_value *value), void *arg);

#endif
