/*
 * Taking in a bundle: what it has is checked record by record and put into the store of this machine, packs first,
 * roots last and only once the bundle was read to its end.
 *
 * Nothing refers to what was taken in before it failed: that is garbage that harms nobody.  A pack that is here is
 * never replaced.
 */
#ifndef TOOLS_BUNDLE_INTAKE_H
#define TOOLS_BUNDLE_INTAKE_H

#include "tools/bundle_file.h"
#include "tools/bundle_manifest.h"
#include "tools/progress.h"
#include "tools/session.h"

struct bundle_intake {
	const char *path;
	struct session *session;
	bool dry;                  /* look at names and sizes alone */
	struct progress *progress; /* may be NULL */
	/* Told once it is known what the bundle has, before anything is taken in.  Answers 0 or an exit status. */
	int (*known)(void *arg, const struct bundle_manifest *manifest);
	void *arg;
	/* Set by bundle_intake_run(): */
	struct bundle_manifest manifest;
	uint64_t packs, roots, bytes;
	bool has_commits;
	char *git_file; /* Git's part, in the store's tmp/; NULL: none.  The caller removes it */
	/* private */
	struct bundle_reader *reader;
	struct bundle_entry entry;
	struct pack_id *page_packs;
	size_t page_packs_count;
};

/* Do it.  Prints its own errors; returns an exit status. */
int bundle_intake_run(struct bundle_intake *intake);

/* Free what it holds and remove Git's part. */
void bundle_intake_release(struct bundle_intake *intake);

#endif
