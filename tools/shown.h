/*
 * Paths as messages show them.
 */
#ifndef TOOLS_SHOWN_H
#define TOOLS_SHOWN_H

/* PATH, quoted as git does where it needs to be.  Stays valid until the eighth call after.  Belongs to the main thread.
 */
const char *shown(const char *path);

#endif
