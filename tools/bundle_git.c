#include "tools/bundle_git.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fs/git/git.h"
#include "tools/fail.h"
#include "tools/shown.h"
#include "tools/stop.h"

/* Git bundles what refs name.  *REF: the full name, malloc'ed. */
static int ref_of(struct session *s, const char *revision, char **ref)
{
	const char *args[] = {"rev-parse", "--symbolic-full-name", "--end-of-options", revision, NULL};
	struct git_run git = {.where = repo_where(s->repo), .args = args, .flags = GIT_RUN_READING};
	const int error = git_run(&git);
	const char *found = !error && !git.status && git.output ? strstr(git.output, "refs/") : NULL;

	*ref = found ? strndup(found, strcspn(found, "\n")) : NULL;
	git_run_release(&git);
	if (error == -EINTR)
		return stop_status();
	if (error)
		return fail(exit_code_of(error), "cannot run 'git rev-parse': %s", error_text(error));
	if (!*ref)
		return fail(EXIT_REFUSED,
		            "'%s' is no branch and no tag, and git bundles nothing else: name one, or --no-git for the "
		            "data alone",
		            shown(revision));
	return EXIT_DONE;
}

/* Run `git WHAT`; what it says is told where it fails. */
static int run_git(struct session *s, const char *what, const char *const *args, const void *input, size_t input_len)
{
	struct git_run git = {.where = repo_where(s->repo),
	                      .args = args,
	                      .flags = GIT_RUN_READING,
	                      .input = input,
	                      .input_len = input_len};
	int error = git_run(&git), status = EXIT_DONE;

	if (error == -EINTR)
		status = stop_status();
	else if (error)
		status = fail(exit_code_of(error), "cannot run 'git %s': %s", what, error_text(error));
	else if (git.status)
		status = fail(EXIT_REFUSED, "'git %s' failed: %s", what, git_run_message(&git));
	git_run_release(&git);
	return status;
}

/* What git is to read, a line each: refs, and commits that it is not to go beyond. */
static int write_lines(struct session *s, const struct bundle_manifest *manifest, FILE *out)
{
	char oid[OID_HEX_MAX], *ref;
	int status = EXIT_DONE;

	for (size_t i = 0; i < manifest->count && !status; i++) {
		const struct bundle_revision *r = &manifest->revisions[i];

		if (r->is_since) {
			fprintf(out, "^%s\n", oid_format(&r->commit, oid));
			continue;
		}
		status = ref_of(s, r->name, &ref);
		if (!status)
			fprintf(out, "%s\n", ref);
		free(ref);
	}
	return status;
}

int bundle_git_create(struct session *s, const struct bundle_manifest *manifest, char **file)
{
	char hex[PACK_ID_HEX_SIZE], *lines = NULL;
	struct pack_id random;
	size_t len = 0;
	FILE *out = open_memstream(&lines, &len);
	int status;

	*file = NULL;
	if (!out)
		return fail(EXIT_SYSTEM, "%s", error_text(-ENOMEM));
	status = write_lines(s, manifest, out);
	if (fclose(out) && !status)
		status = fail(EXIT_SYSTEM, "%s", error_text(-ENOMEM));
	io_random(io_system(), &random, sizeof(random));
	if (!status && (store_make_folder(s->store, "tmp") ||
	                asprintf(file, "%s/tmp/%s.commits", store_path(s->store), pack_id_format(&random, hex)) < 0)) {
		*file = NULL;
		status = fail(EXIT_SYSTEM, "cannot use '%s/tmp'", shown(store_path(s->store)));
	}
	if (!status) {
		const char *args[] = {"bundle", "create", "--quiet", *file, "--stdin", NULL};

		status = run_git(s, "bundle create", args, lines, len);
	}
	free(lines);
	return status;
}

int bundle_git_fetch(struct session *s, const char *file, const char *name)
{
	char *refs;
	int status;

	if (asprintf(&refs, "+refs/*:" BUNDLE_GIT_REFS "%s/*", name) < 0)
		return fail(EXIT_SYSTEM, "%s", error_text(-ENOMEM));
	const char *args[] = {
	    "-c", "core.fsync=all", "fetch", "--quiet", "--no-tags", "--no-write-fetch-head", file, refs, NULL};
	status = run_git(s, "fetch", args, NULL, 0);
	free(refs);
	return status;
}

char *bundle_git_name(const char *path)
{
	const char *slash = strrchr(path, '/'), *base = slash ? slash + 1 : path, *dot = strrchr(base, '.');
	char *name = dot && dot > base ? strndup(base, (size_t)(dot - base)) : strdup(base);

	for (char *c = name; c && *c; c++) {
		if (!isalnum((unsigned char)*c) && *c != '_')
			*c = '-';
	}
	return name;
}
