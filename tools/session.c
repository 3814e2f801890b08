#include "tools/session.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fs/name.h"
#include "fs/spool.h"
#include "tools/attach/inside.h"
#include "tools/command.h"
#include "tools/output.h"
#include "tools/path.h"

char *session_store_path(const struct repo *repo)
{
	return path_join(repo_common_dir(repo), "revfs");
}

static int open_repo(struct session *s)
{
	char *message = NULL;
	int ret = repo_open(".", REPO_ANY, &s->repo, &message);
	int status;

	if (ret == -ENOENT && inside_cross()) {
		free(message);
		ret = repo_open(".", REPO_ANY, &s->repo, &message);
	}
	switch (-ret) {
	case 0:
		return EXIT_DONE;
	case ENOENT:
		status = fail(EXIT_NO_REPOSITORY,
		              "not in a git repository: 'git init' makes one here, 'revfs -C DIR' works in "
		              "another folder");
		break;
	case EPERM:
		/* Git's own words name the owner, and the command that allows it. */
		status = fail(EXIT_REFUSED, "%s", message ? message : "the repository belongs to another user");
		break;
	default:
		status =
		    fail(exit_code_of(ret), "cannot open the git repository: %s", message ? message : error_text(ret));
	}
	free(message);
	return status;
}

/* Whether ERROR only says that nothing may be written there. */
static bool cannot_write(int error)
{
	return error == -EROFS || error == -EACCES || error == -EPERM || error == -ENOSPC || error == -EDQUOT;
}

static int open_store(struct session *s, unsigned needs)
{
	bool create = needs & SESSION_CREATE;
	char *path = session_store_path(s->repo);
	int ret, status = EXIT_DONE;

	if (!path)
		return fail(EXIT_SYSTEM, "%s", error_text(-ENOMEM));
	ret = store_open(io_system(), path, create ? STORE_CREATE : 0, repo_shared_mode(s->repo), &s->store);
	if (ret == -ENOENT && (needs & SESSION_CREATE_IF_POSSIBLE)) {
		ret = store_open(io_system(), path, STORE_CREATE, repo_shared_mode(s->repo), &s->store);
		if (cannot_write(ret))
			ret = -ENOENT;
	}
	/* Whoever may only read can read: derived files are a convenience. */
	if (!create && cannot_write(ret))
		ret = store_open(io_system(), path, STORE_READ_ONLY, repo_shared_mode(s->repo), &s->store);
	if (ret == -ENOTSUP)
		status = fail(EXIT_REFUSED, "the store '%s' was written by a later version of revfs: upgrade this one",
		              path);
	else if (ret == -EBADMSG)
		status = fail(EXIT_DAMAGED, "the store's version file '%s/revfs-store' is damaged", path);
	else if (ret && (create || ret != -ENOENT))
		status = fail(exit_code_of(ret), "cannot open the store '%s': %s", path, error_text(ret));
	free(path);
	return status;
}

int session_open(struct session *s, unsigned needs)
{
	return session_open_sized(s, needs, SESSION_MEMORY_BYTES, NULL);
}

int session_open_sized(struct session *s, unsigned needs, size_t memory_bytes, const struct remotes_wait *wait)
{
	int ret, status;

	memset(s, 0, sizeof(*s));
	status = open_repo(s);
	if (status)
		return status;
	s->world.repo = s->repo;
	if ((needs & SESSION_WORK_TREE) && !repo_work_tree(s->repo)) {
		status = fail(EXIT_REFUSED,
		              "'%s' is a bare repository, without a work tree: run this in a clone or worktree of "
		              "it",
		              repo_git_dir(s->repo));
		goto out;
	}
	if (!(needs & (SESSION_STORE | SESSION_CREATE | SESSION_CREATE_IF_POSSIBLE | SESSION_CREATE_BESIDE)))
		return EXIT_DONE;
	ret = spool_open(s->repo, NULL, &s->world.spool);
	if (!ret)
		ret = memory_open(memory_bytes, &s->memory);
	if (ret) {
		status = fail(EXIT_SYSTEM, "%s", error_text(ret));
		goto out;
	}
	status = open_store(s, needs);
	if (status)
		goto out;
	ret = remotes_open(s->repo, &s->remotes);
	if (!ret && wait)
		remotes_set_wait(s->remotes, wait);
	if (!ret && !s->store && (needs & SESSION_CREATE_BESIDE) && remotes_fetch(s->remotes))
		status = open_store(s, SESSION_CREATE);
	if (status)
		goto out;
	/* Where there is a store, remotes are looked for when it lacks something. */
	if (!ret && (s->store || remotes_fetch(s->remotes)))
		ret = source_open(s->store, s->memory, NULL, &s->source);
	if (ret) {
		status = fail(EXIT_SYSTEM, "%s", error_text(ret));
		goto out;
	}
	if (s->source)
		source_set_fetch(s->source, remotes_find, s->remotes);
	s->world.source = s->source;
	s->world.memory = s->memory;
out:
	if (status)
		session_close(s);
	return status;
}

void session_close(struct session *s)
{
	if (s->source)
		source_close(s->source);
	remotes_close(s->remotes);
	if (s->memory)
		memory_close(s->memory);
	if (s->store)
		store_close(s->store);
	spool_close(s->world.spool);
	if (s->repo)
		repo_close(s->repo);
	memset(s, 0, sizeof(*s));
}

int session_unreadable(const struct session *s, const char *subject, int error)
{
	char *quoted = output_quoted(subject);
	const char *name = quoted ? quoted : subject;
	const char *slash = strrchr(subject, '/'), *colon = strrchr(subject, ':');
	const char *last = slash ? slash + 1 : colon ? colon + 1 : subject;
	int status = exit_code_of(error);
	char why[REMOTES_WHY_SIZE];

	if (name_is_dotgit(last, strlen(last))) {
		status = fail(EXIT_DAMAGED, "'%s' is a name that git or a file system takes for .git: left out", name);
		free(quoted);
		return status;
	}
	/* The first thing that whoever cloned a repository meets. */
	if (error == -ENODATA && !s->source)
		fail(
		    status,
		    "cannot read '%s': there is no store here, since 'git clone' copies pointers to data alone; 'revfs "
		    "remote add' names where the data is",
		    name);
	else if (error == -EBADMSG || error == -ENODATA)
		fail(status, "cannot read '%s': %s; 'revfs verify' names all that is damaged or missing", name,
		     error_text(error));
	else if (error == -ENOTSUP)
		fail(status, "cannot read '%s': %s; upgrade revfs", name, error_text(error));
	else
		fail(status, "cannot read '%s': %s%s", name, error_text(error),
		     s->remotes ? remotes_why(s->remotes, why) : "");
	free(quoted);
	return status;
}
