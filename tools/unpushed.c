#include "tools/unpushed.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fs/git/git.h"
#include "fs/pointer.h"
#include "fs/remote/pushed.h"

/* What git rev-list is to read: HEAD, but nothing that PUSHED has, and of that what changed pointer files.  malloc'ed;
 * NULL without memory. */
static char *question(const struct pushed *pushed, size_t *len)
{
	char hex[OID_HEX_MAX], *text = NULL;
	FILE *out = open_memstream(&text, len);
	bool failed;

	if (!out)
		return NULL;
	fputs("HEAD\n", out);
	for (size_t i = 0; i < pushed->commits.size; i++) {
		if (pushed->commits.slots[i].len)
			fprintf(out, "^%s\n", oid_format(&pushed->commits.slots[i], hex));
	}
	fputs("--\n:(top,glob)**/*" POINTER_SUFFIX "\n", out);
	failed = ferror(out);
	if (fclose(out) || failed) {
		free(text);
		return NULL;
	}
	return text;
}

int unpushed_count(struct repo *repo, struct store *store, const struct remotes_item *item, uint64_t *count)
{
	static const char *const args[] = {"rev-list", "--count", "--ignore-missing", "--stdin", NULL};
	struct git_run run = {.where = repo_where(repo), .args = args, .flags = GIT_RUN_READING};
	struct pushed pushed;
	size_t len;
	int error = pushed_read(store, item->name, item->url, &pushed);
	char *text;

	if (error)
		return error;
	text = question(&pushed, &len);
	run.input = text;
	run.input_len = text ? len : 0;
	error = text ? git_run(&run) : -ENOMEM;
	if (!error && (run.status || sscanf(run.output, "%" SCNu64, count) != 1))
		error = -EIO;
	git_run_release(&run);
	pushed_release(&pushed);
	free(text);
	return error;
}
