/*
 * Confirming where a remote lies, where only the shared .revfs/config says so: what is confirmed is kept in the clone's
 * own settings, and what the shared file says later does not count any more.
 */
#ifndef TOOLS_TRUST_H
#define TOOLS_TRUST_H

#include "tools/remotes.h"

/* Where ITEM lies, for messages of the main thread: its URL, and in quotes behind it the endpoint where that is to be
 * confirmed.  Valid as shown()'s answers are. */
const char *trust_shown(const struct remotes_item *item);

/* Keep what is to be confirmed of ITEM in the settings of REPO, and note it in ITEM.  0; -errno of running git; -EACCES
 * where git refused, after a warning.  *PART (may be NULL) after a failure: of the two settings that of the URL was
 * kept, and that of the endpoint was not. */
int trust_keep(const struct repo *repo, struct remotes_item *item, bool *part);

#endif
