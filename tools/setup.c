#include "tools/setup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "fs/git/git.h"
#include "tools/command.h"

#define LOCK_WAIT_MS 10000

static const char text[] = "# Settings of revfs that everybody who clones this repository shares.\n"
			   "# Only harmless ones count here: snapshot.*, remote.NAME.url and remote.NAME.priority.\n"
			   "# 'git config revfs.KEY' overrides them in one clone; revfs-config(1) describes them.\n"
			   "#\n"
			   "# [snapshot]\n"
			   "#\tlevel = 3\n"
			   "#\texclude = *.tmp\n";

int setup_write_config(const struct worktree *wt, bool *made)
{
	enum work_kind kind;
	int ret = worktree_kind(wt, SETUP_PATH, &kind);

	*made = false;
	if (!ret && kind != WORK_FILE && kind != WORK_ABSENT)
		ret = -ENOTDIR;
	if (!ret && kind == WORK_ABSENT) {
		ret = worktree_write_file(wt, SETUP_PATH, text, sizeof(text) - 1);
		*made = !ret;
	}
	if (ret == -ENOTDIR || ret == -ELOOP || ret == -EEXIST)
		return fail(EXIT_REFUSED,
		            "'" SETUP_PATH "' must be a file in a folder of its own: remove what is in its place");
	if (ret < 0)
		return fail(exit_code_of(ret), "cannot write '" SETUP_PATH "': %s", error_text(ret));
	return EXIT_DONE;
}

bool setup_is_committed(struct repo *repo)
{
	struct oid oid;
	uint32_t mode;

	return !repo_head_walk(repo, SETUP_PATH, &oid, &mode);
}

/* Also where a pattern of .gitignore covers it: it is for everybody. */
int setup_stage(const struct repo *repo)
{
	static const char *const args[] = {"add", "-f", "--", ":(top,literal)" SETUP_PATH, NULL};
	struct git_run run = {.where = repo_where(repo), .args = args, .flags = GIT_RUN_LOCKING};
	int ret = git_run(&run);
	int status = EXIT_DONE;

	if (ret)
		status = fail(exit_code_of(ret), "cannot run 'git add': %s", error_text(ret));
	else if (run.status)
		status =
		    fail(EXIT_REFUSED, "wrote '" SETUP_PATH "', but 'git add' refused it: %s", git_run_message(&run));
	git_run_release(&run);
	return status;
}

int setup_config(struct repo *repo, bool *made)
{
	struct worktree wt;
	enum work_kind kind = WORK_ABSENT;
	int status, error = worktree_open(io_system(), repo, true, &wt);

	if (error)
		return fail(exit_code_of(error), "cannot open the work tree: %s", error_text(error));
	error = worktree_lock(&wt, LOCK_WAIT_MS);
	if (error == -EBUSY)
		status = fail(EXIT_BUSY, "a snapshot or checkout is at work in this work tree");
	else if (error)
		status = fail(exit_code_of(error), "cannot lock the work tree: %s", error_text(error));
	else if (!worktree_kind(&wt, SETUP_PATH, &kind) && kind == WORK_ABSENT && setup_is_committed(repo))
		status = fail(EXIT_REFUSED, "'" SETUP_PATH "' is in HEAD, and not in the work tree: 'git checkout HEAD "
		                            "-- " SETUP_PATH "' brings it back");
	else
		status = setup_write_config(&wt, made);
	worktree_close(&wt);
	return status;
}
