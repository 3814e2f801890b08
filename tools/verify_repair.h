/*
 * What revfs verify --repair does about the damage that was found, here or at a remote.
 */
#ifndef TOOLS_VERIFY_REPAIR_H
#define TOOLS_VERIFY_REPAIR_H

#include "fs/verify.h"
#include "tools/named_remote.h"
#include "tools/session.h"

struct verify_repair {
	struct session *session;
	const struct named_remote *named; /* NULL: the store here */
	const struct oid *tips;           /* what was checked; borrowed */
	size_t tips_count;
	/* What was done so far. */
	uint64_t packs;
	uint64_t records;
	uint64_t roots;
};

/* Repair what REPORT names, as far as that can be done.  *DID: something was, so that it is worth checking again.
 * Prints its own errors; returns an exit status. */
int verify_repair(struct verify_repair *repair, const struct verify_report *report, bool *did);

/* "2 packs, 1 record" as far as there is something to tell; TEXT is returned. */
char *verify_repair_text(const struct verify_repair *repair, char text[128]);

#endif
