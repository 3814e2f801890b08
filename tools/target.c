/*
 * What the arguments of commands name: the part of tools/session.h about targets.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "tools/command.h"
#include "tools/nearest.h"
#include "tools/output.h"
#include "tools/path.h"
#include "tools/session.h"

/* Names looked at for one that is like a name that is not there; a folder may have millions. */
#define NEAREST_LOOKS 10000

void target_release(struct target *target)
{
	free(target->revision);
	free(target->path);
	free(target->name);
	memset(target, 0, sizeof(*target));
}

/* The name a ref goes by: v1 for refs/tags/v1, origin/main for refs/remotes/origin/main. */
static int offer_ref(void *arg, const struct repo_ref *ref)
{
	static const char *const folders[] = {"refs/heads/", "refs/tags/", "refs/remotes/"};

	for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
		if (strncmp(ref->name, folders[i], strlen(folders[i])) == 0)
			nearest_offer(arg, ref->name + strlen(folders[i]));
	}
	return 0;
}

/* Whether the repository has no commit that HEAD leads to. */
static bool is_unborn(struct repo *repo)
{
	struct oid oid;
	return repo_ref(repo, "HEAD", &oid) == -ENOENT;
}

/* The expression without the ~n and ^n behind it, malloc'ed. */
static char *revision_base(const char *text)
{
	return strndup(text, strcspn(text, "~^"));
}

static int unknown_revision(struct session *s, const char *text)
{
	char *base = revision_base(text);
	struct revision revision;
	int status;

	if (!base)
		return fail(EXIT_SYSTEM, "%s", error_text(-ENOMEM));
	struct nearest nearest = {.wanted = base};
	if (strcmp(base, "HEAD") == 0 && is_unborn(s->repo)) {
		status = fail(EXIT_NOT_FOUND,
		              "there is no commit yet: 'revfs snapshot PATH' or 'git commit' makes the first");
	} else if (strcmp(base, text) != 0 && revision_resolve(s->repo, base, &revision) == 0) {
		status =
		    fail(EXIT_NOT_FOUND, "there is no revision '%s': the history of '%s' does not go back that far%s",
		         text, base, repo_is_shallow(s->repo) ? " in this shallow clone" : "");
	} else {
		repo_each_ref(s->repo, offer_ref, &nearest);
		if (nearest.count > 0)
			status = fail(EXIT_NOT_FOUND, "there is no revision '%s'; did you mean '%s'?", text,
			              nearest.best[0].name);
		else
			status = fail(EXIT_NOT_FOUND,
			              "there is no revision '%s': 'git branch -a' and 'git tag' list them", text);
	}
	nearest_release(&nearest);
	free(base);
	return status;
}

int session_revision(struct session *s, const char *text, struct oid *commit)
{
	struct revision revision;
	int ret = revision_resolve(s->repo, text, &revision);

	switch (-ret) {
	case 0:
		*commit = revision.commit;
		return EXIT_DONE;
	case ENOENT:
	case EINVAL:
		return unknown_revision(s, text);
	case EEXIST:
		return fail(EXIT_NOT_FOUND, "more than one commit's id begins with '%s': give more digits", text);
	default:
		return fail(exit_code_of(ret), "cannot read the revision '%s': %s", text, error_text(ret));
	}
}

/* Whether TEXT is a revision; errors count as no. */
static bool is_revision(struct session *s, const char *text)
{
	struct revision revision;
	return *text && revision_resolve(s->repo, text, &revision) == 0;
}

static int outside(struct session *s, const char *typed)
{
	const char *root = repo_work_tree(s->repo);
	return fail(EXIT_USAGE, "'%s' is outside the repository '%s'", typed, root ? root : repo_git_dir(s->repo));
}

/* A path as typed (relative to the current directory, or absolute) below the root.  0 or -errno. */
static int below_root(struct session *s, const char *typed, char **path)
{
	const char *root = repo_work_tree(s->repo);

	if (*typed != '/')
		return path_clean(repo_prefix(s->repo), typed, path);
	return root ? path_below(root, typed, path) : -EXDEV;
}

int session_work_path(struct session *s, const char *typed, char **path)
{
	if (*typed == '\0')
		return fail_usage("an empty path names nothing; '.' is the current directory");
	int ret = below_root(s, typed, path);
	if (ret == -EXDEV)
		return outside(s, typed);
	if (ret)
		return fail(exit_code_of(ret), "'%s': %s", typed, error_text(ret));
	return EXIT_DONE;
}

static bool stands_on_disk(struct session *s, const char *path)
{
	const char *root = repo_work_tree(s->repo);
	char *full = root ? path_join(root, path) : NULL;
	struct stat st;
	bool there = full && lstat(full, &st) == 0;

	free(full);
	return there;
}

bool session_is_path(struct session *s, const char *typed)
{
	struct revision head;
	struct place root, place;
	char *path = NULL;
	bool there = false;

	if (below_root(s, typed, &path))
		return false;
	there = stands_on_disk(s, path);
	if (!there && revision_resolve(s->repo, "HEAD", &head) == 0 &&
	    place_root(&s->world, &head.commit, &root) == 0) {
		int ret = place_walk(&s->world, &root, path, &place);
		there = ret != -ENOENT && ret != -ENOTDIR;
	}
	free(path);
	return there;
}

/*
 * Decide what ARGUMENT is: *COLON is its colon where it is REV:PATH, else NULL and *ALONE says whether it is a path of
 * HEAD. What could be both is an error, as in git; `./NAME` and `NAME:` are never both.
 */
static int take_apart(struct session *s, const char *argument, const char **colon, bool *alone)
{
	char *revision;

	*colon = strchr(argument, ':');
	*alone = false;
	if (*colon == argument)
		return fail_usage("'%s' names no revision before its colon; 'HEAD%s' does", argument, argument);
	revision = *colon ? strndup(argument, *colon - argument) : strdup(argument);
	if (!revision)
		return fail(EXIT_SYSTEM, "%s", error_text(-ENOMEM));
	bool names_revision = is_revision(s, revision);
	/* "REV:" and "./PATH" say which they are. */
	bool names_path = !(*colon && (*colon)[1] == '\0' && names_revision) && session_is_path(s, argument);
	int status = EXIT_DONE;
	if (names_revision && names_path) {
		if (*colon)
			status =
			    fail(EXIT_USAGE, "'%s' is both a revision's path and a file: write './%s' for the file",
			         argument, argument);
		else
			status = fail(EXIT_USAGE,
			              "'%s' is both a revision and a path: write '%s:' for the revision, './%s' for "
			              "the path",
			              argument, argument, argument);
	} else if (!names_revision && (names_path || *argument == '/' || strncmp(argument, "./", 2) == 0 ||
	                               strncmp(argument, "../", 3) == 0)) {
		*colon = NULL;
		*alone = true;
	} else if (!names_revision && !*colon && strpbrk(argument, "~^")) {
		status = unknown_revision(s, argument);
	} else if (!names_revision && !*colon && !is_unborn(s->repo)) {
		struct nearest nearest = {.wanted = argument};
		repo_each_ref(s->repo, offer_ref, &nearest);
		if (nearest.count > 0)
			status = fail(EXIT_NOT_FOUND, "'%s' is neither a revision nor a path; did you mean '%s'?",
			              argument, nearest.best[0].name);
		else if (strchr(argument, '/'))
			*alone = true; /* more like a path: looking for it tells where it ends */
		else
			status = fail(EXIT_NOT_FOUND, "'%s' is neither a revision nor a path of 'HEAD'", argument);
		nearest_release(&nearest);
	}
	free(revision);
	return status;
}

/* The path behind the colon: from the root, or from the current directory where it begins with ./ or ../ (as in git).
 */
static int revision_path(struct session *s, const char *text, char **path)
{
	bool relative = strcmp(text, ".") == 0 || strcmp(text, "..") == 0 || strncmp(text, "./", 2) == 0 ||
	                strncmp(text, "../", 3) == 0;
	int ret = *text == '/' ? -EXDEV : path_clean(relative ? repo_prefix(s->repo) : "", text, path);

	if (ret == -EXDEV)
		return outside(s, text);
	return ret ? fail(exit_code_of(ret), "'%s': %s", text, error_text(ret)) : EXIT_DONE;
}

int session_target(struct session *s, const char *argument, struct target *target)
{
	struct repo_commit commit = {0};
	const char *colon = NULL;
	bool alone = false;
	int status;

	memset(target, 0, sizeof(*target));
	if (argument && *argument == '\0')
		return fail_usage("an empty argument names nothing");
	if (!argument) {
		alone = true;
		argument = ".";
	} else {
		status = take_apart(s, argument, &colon, &alone);
		if (status)
			return status;
	}
	if (alone)
		status = session_work_path(s, argument, &target->path);
	else
		status = revision_path(s, colon ? colon + 1 : "", &target->path);
	if (status)
		goto out;
	target->revision =
	    alone ? strdup("HEAD") : strndup(argument, colon ? (size_t)(colon - argument) : strlen(argument));
	if (!target->revision || asprintf(&target->name, "%s:%s", target->revision, target->path) < 0) {
		status = fail(EXIT_SYSTEM, "%s", error_text(-ENOMEM));
		goto out;
	}
	status = session_revision(s, target->revision, &target->commit);
	if (status)
		goto out;
	int ret = repo_commit(s->repo, &target->commit, &commit);
	if (ret)
		status =
		    fail(exit_code_of(ret), "cannot read the commit of '%s': %s", target->revision, error_text(ret));
	target->commit_time = commit.time;
	repo_commit_release(&commit);
out:
	if (status)
		target_release(target);
	return status;
}

struct offers {
	struct nearest nearest;
	unsigned looks;
};

static int offer_child(void *arg, const char *name, uint64_t ordinal, const struct place *child)
{
	struct offers *offers = arg;

	(void)ordinal;
	(void)child;
	nearest_offer(&offers->nearest, name);
	return ++offers->looks == NEAREST_LOOKS;
}

/*
 * Go down PATH as far as it exists: *FOLDER is the last folder on the way, *REST the first component that is not in it,
 * or is no folder although more follows; *FOUND says which, and then *NEXT is it.  Cuts PATH behind *REST.
 */
static void walk_as_far(struct session *s, char *path, struct place *folder, char **rest, struct place *next,
                        bool *found)
{
	*rest = path;
	for (;;) {
		size_t len = strcspn(*rest, "/");
		bool last = (*rest)[len] == '\0';
		(*rest)[len] = '\0';
		*found = place_child(&s->world, folder, *rest, len, next, NULL) == 0;
		if (last || !*found || !place_is_directory(next))
			return;
		*folder = *next;
		(*rest)[len] = '/';
		*rest += len + 1;
	}
}

/* Say that PATH is not there, and what in FOLDER is like its last component, which begins at REST. */
static int nothing_there(struct session *s, const struct target *target, const char *name, const char *path,
                         const char *rest, const struct place *folder)
{
	struct offers offers = {.nearest = {.wanted = rest}};
	char *near = NULL, *quoted = NULL;
	int status;

	place_each_child(&s->world, folder, 0, offer_child, &offers);
	/* What is before the missing name stays as it was typed. */
	if (offers.nearest.count > 0 &&
	    asprintf(&near, "%.*s%s", (int)(rest - path), path, offers.nearest.best[0].name) >= 0)
		quoted = output_quoted(near);
	if (quoted)
		status = fail(EXIT_NOT_FOUND, "path '%s' does not exist in '%s'; did you mean '%s'?", name,
		              target->revision, quoted);
	else
		status = fail(EXIT_NOT_FOUND, "path '%s' does not exist in '%s'", name, target->revision);
	free(quoted);
	free(near);
	nearest_release(&offers.nearest);
	return status;
}

static int unknown_path(struct session *s, const struct target *target, const struct place *root)
{
	char *path = strdup(target->path);
	char *name = output_quoted(target->path);
	struct place folder = *root, next;
	char *rest = path;
	bool found;
	int status;

	if (!path || !name) {
		status = fail(EXIT_SYSTEM, "%s", error_text(-ENOMEM));
		goto out;
	}
	walk_as_far(s, path, &folder, &rest, &next, &found);
	if (found && (next.kind == PLACE_GIT_LINK || next.kind == PLACE_DATA_LINK))
		status = fail(EXIT_NOT_FOUND,
		              "path '%s' is beyond the symbolic link '%s' of '%s', and links are not followed", name,
		              path, target->revision);
	else if (!found && stands_on_disk(s, target->path))
		status = fail(EXIT_NOT_FOUND,
		              "path '%s' exists on disk, but not in '%s': 'revfs snapshot' or 'git commit' "
		              "records it",
		              name, target->revision);
	else if (found)
		status = fail(EXIT_NOT_FOUND, "path '%s' does not exist in '%s': '%s' is no directory", name,
		              target->revision, path);
	else
		status = nothing_there(s, target, name, path, rest, &folder);
out:
	free(name);
	free(path);
	return status;
}

int session_place(struct session *s, const struct target *target, struct place *place)
{
	struct place root;
	int ret = place_root(&s->world, &target->commit, &root);

	if (ret)
		return session_unreadable(s, target->revision, ret);
	ret = place_walk(&s->world, &root, target->path, place);
	if (ret == -ENOENT || ret == -ENOTDIR)
		return unknown_path(s, target, &root);
	if (ret)
		return session_unreadable(s, target->name, ret);
	return EXIT_DONE;
}
