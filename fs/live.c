#include "fs/live.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fs/attachment.h"
#include "fs/history.h"
#include "fs/instep.h"
#include "fs/registration.h"

struct live {
	struct repo *repo;
	struct store *store;
	const struct io *io;
	unsigned age_s;
	live_each each;
	void *arg;
	char **blamed;
	bool ended; /* by EACH */
	struct history history;
	struct oid *tips;
	size_t tips_count, tips_room;
	char commit[OID_HEX_MAX]; /* the one being gone through */
	const char *work_tree;    /* the one being looked at */
};

/* Say what cannot be read, unless it was said, or EACH ended it.  Returns ERROR. */
__attribute__((format(printf, 3, 4))) static int blame(struct live *l, int error, const char *format, ...)
{
	va_list list;

	if (!error || *l->blamed || l->ended || error == -ENOMEM)
		return error;
	va_start(list, format);
	if (vasprintf(l->blamed, format, list) < 0)
		*l->blamed = NULL;
	va_end(list);
	return error;
}

__attribute__((format(printf, 3, 4))) static int tell(struct live *l, const struct id *root, const char *format, ...)
{
	va_list list;
	char *where;
	int r;

	va_start(list, format);
	r = vasprintf(&where, format, list);
	va_end(list);
	if (r < 0)
		return -ENOMEM;
	r = l->each(l->arg, root, where);
	free(where);
	l->ended = r != 0;
	return r;
}

/* Commits. */

static int add_tip(void *arg, const struct oid *oid)
{
	struct live *l = arg;
	struct oid *tips;
	size_t room;

	if (l->tips_count == l->tips_room) {
		room = l->tips_room ? 2 * l->tips_room : 64;
		tips = reallocarray(l->tips, room, sizeof(*tips));
		if (!tips)
			return -ENOMEM;
		l->tips = tips;
		l->tips_room = room;
	}
	l->tips[l->tips_count++] = *oid;
	return 0;
}

static int tell_committed(void *arg, const char *path, const struct oid *oid, const struct pointer *pointer, int error)
{
	struct live *l = arg;
	char hex[OID_HEX_MAX];

	if (!pointer)
		return blame(l, error, "'%s' (%s) of the commit %s", path, oid_format(oid, hex), l->commit);
	return tell(l, &pointer->root, "the dataset '%s' of the commit %s", path, l->commit);
}

static int take_commit(void *arg, const struct oid *oid, const struct repo_commit *commit)
{
	struct live *l = arg;

	oid_format(oid, l->commit);
	return history_walk(&l->history, &commit->tree, tell_committed, l);
}

static int take_registered(void *arg, const struct oid *commit, const struct id *root)
{
	struct live *l = arg;
	struct oid peeled;
	char hex[OID_HEX_MAX];
	int r;

	if (root)
		return tell(l, root, "what a mount shows");
	r = repo_peel(l->repo, commit, &peeled);
	/* Git may have removed a commit that only a mount knows; what the mount can show of it is in its caches. */
	if (r == -ENOENT || r == -EINVAL)
		return 0;
	return r ? blame(l, r, "the commit %s, which a mount shows", oid_format(commit, hex)) : add_tip(l, &peeled);
}

static int take_step(void *arg, const char *path, const struct instep *record)
{
	struct live *l = arg;
	int r = 0;

	if (record->has_root)
		r = tell(l, &record->root, "what '%s' was last in step with", path);
	if (!r && record->has_replaces)
		r = tell(l, &record->replaces, "what '%s' was last in step with", path);
	if (!r && record->has_checkout)
		r = tell(l, &record->checkout, "what is being checked out to '%s'", path);
	for (unsigned i = 0; !r && i < record->before_count; i++)
		r = tell(l, &record->before[i], "what was being checked out to '%s'", path);
	return r;
}

/* What an attached dataset, mounted or not, lies above, and what was recorded of it last. */
static int take_attached(struct live *l, const struct attachment *attachment)
{
	char *path;
	int folder, r = take_registered(l, &attachment->commit, NULL);

	if (!r)
		r = tell(l, &attachment->base.root, "what '%s' is attached to", attachment->path);
	if (r)
		return r;
	if (asprintf(&path, "%s/" ATTACHMENTS_FOLDER "/%s", repo_common_dir(l->repo), attachment->name) < 0)
		return -ENOMEM;
	folder = io_open(l->io, AT_FDCWD, path, O_RDONLY | O_DIRECTORY, 0);
	/* Detached meanwhile. */
	if (folder != -ENOENT)
		r = folder < 0 ? folder : instep_each(l->io, folder, take_step, l);
	io_close(l->io, folder);
	r = blame(l, r, "the records in '%s'", path);
	free(path);
	return r;
}

static int take_all_attached(struct live *l)
{
	struct attachments attachments;
	int r = attachments_read(repo_common_dir(l->repo), &attachments);

	if (r)
		return blame(l, r, "what is attached");
	if (attachments.damaged)
		r = blame(l, -EBADMSG, "a record in '%s/" ATTACHMENTS_FOLDER "'", repo_common_dir(l->repo));
	for (size_t i = 0; !r && i < attachments.count; i++)
		r = take_attached(l, &attachments.items[i]);
	attachments_release(&attachments);
	return r;
}

static int take_commits(struct live *l)
{
	int r = take_all_attached(l);

	if (r)
		return r;
	r = registration_each(l->store, l->age_s, take_registered, l);
	blame(l, r, "the folder registered/ of the store");
	if (!r) {
		r = repo_each_reflog_commit(l->repo, add_tip, l);
		blame(l, r, "the refs and reflogs (git rev-list --all --reflog)");
	}
	if (!r) {
		snprintf(l->commit, sizeof(l->commit), "?");
		r = repo_each_commit(l->repo, l->tips, l->tips_count, take_commit, l);
		/* Anything else named itself, or was EACH's answer. */
		if (r == -EBADMSG)
			blame(l, r, "a commit in the history (git fsck --connectivity-only)");
	}
	return r;
}

/* Indexes. */

static int tell_indexed(void *arg, const char *path, const struct oid *oid, const struct pointer *pointer, int error)
{
	struct live *l = arg;
	char hex[OID_HEX_MAX];

	if (!pointer)
		return blame(l, error, "'%s' (%s) in an index", path, oid_format(oid, hex));
	return tell(l, &pointer->root, "the dataset '%s' in an index", path);
}

/* What `git add --intent-to-add` leaves: the id of no bytes, of which there need be no object. */
static bool is_empty_blob(const struct oid *oid)
{
	char hex[OID_HEX_MAX];

	oid_format(oid, hex);
	return strcmp(hex, "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391") == 0 ||
	       strcmp(hex, "473a0f4c3be8a93681a267e3b1e9a7dcda1185436fe141f7749120a303721813") == 0;
}

static int take_indexed(void *arg, const char *path, const struct oid *oid)
{
	struct live *l = arg;

	return is_empty_blob(oid) ? 0 : history_file(&l->history, path, oid, tell_indexed, l);
}

/* Work trees. */

/* What the pointer file PATH (with its suffix) says as it lies in the work tree, if it is one. */
static int take_file(struct live *l, const char *path)
{
	struct pointer pointer;
	char *full;
	void *text;
	size_t len;
	int r;

	if (asprintf(&full, "%s/%s", l->work_tree, path) < 0)
		return -ENOMEM;
	r = io_read_file(l->io, AT_FDCWD, full, POINTER_SIZE_MAX, &text, &len);
	if (!r) {
		r = pointer_parse(text, len, &pointer, NULL, NULL);
		free(text);
		if (!r)
			r = tell(l, &pointer.root, "the pointer file '%s'", full);
		else if (r == -ENOTSUP)
			blame(l, r, "the pointer file '%s'", full);
		else
			r = 0; /* no pointer */
	} else if (r == -ENOENT || r == -ENOTDIR || r == -EFBIG || r == -EBADMSG) {
		r = 0; /* not there, or no pointer */
	} else {
		blame(l, r, "the pointer file '%s'", full);
	}
	free(full);
	return r;
}

/* The in-step records of the worktree whose Git directory is GIT_DIR. */
static int take_steps(struct live *l, const char *git_dir)
{
	int folder, r;

	folder = instep_open_folder(l->io, git_dir, false);
	if (folder == -ENOENT || folder == -ENOTDIR)
		return 0;
	if (folder < 0)
		return blame(l, folder, "the records of '%s'", git_dir);
	r = instep_each(l->io, folder, take_step, l);
	io_close(l->io, folder);
	return r;
}

struct steps {
	struct live *live;
	const char *folder;
};

static int take_linked_steps(void *arg, const char *name)
{
	const struct steps *s = arg;
	char *git_dir;
	int r;

	if (asprintf(&git_dir, "%s/%s", s->folder, name) < 0)
		return -ENOMEM;
	r = take_steps(s->live, git_dir);
	free(git_dir);
	return r;
}

static int take_all_steps(struct live *l)
{
	struct steps s = {.live = l};
	char *folder;
	int r;

	r = take_steps(l, repo_common_dir(l->repo));
	if (r)
		return r;
	if (asprintf(&folder, "%s/worktrees", repo_common_dir(l->repo)) < 0)
		return -ENOMEM;
	s.folder = folder;
	r = io_list(l->io, AT_FDCWD, folder, take_linked_steps, &s);
	free(folder);
	return r == -ENOENT ? 0 : r;
}

/* Call EACH for each of the strings in TEXT, LEN bytes, each with its NUL byte. */
static int each_string(struct live *l, const char *text, size_t len, int (*each)(struct live *l, const char *string))
{
	int r = 0;

	for (size_t at = 0; at < len && !r; at += strlen(text + at) + 1)
		r = each(l, text + at);
	return r;
}

/* All pointer files, tracked or not, but for those in what git ignores: data of datasets, which may be much. */
static int take_files(struct live *l, const struct git_where *where)
{
	static const char *const args[] = {"ls-files",           "-z", "--cached", "--others",
	                                   "--exclude-standard", "--", "*.revfs",  NULL};
	struct git_run run = {.where = where, .args = args, .flags = GIT_RUN_READING};
	int r;

	r = git_run(&run);
	if (!r && run.status)
		r = -EBADMSG;
	if (!r)
		r = each_string(l, run.output, run.output_len, take_file);
	else
		blame(l, r, "the work tree '%s' (git ls-files)", l->work_tree);
	git_run_release(&run);
	return r;
}

/* A line of `git worktree list`. */
static int take_work_tree(struct live *l, const char *line)
{
	static const char key[] = "worktree ";
	const char *own = repo_work_tree(l->repo);
	struct git_where where = {0};
	struct stat st;
	char *dot_git;
	int r;

	if (strncmp(line, key, strlen(key)) != 0)
		return 0;
	l->work_tree = where.dir = line + strlen(key);
	if (own && strcmp(own, l->work_tree) == 0)
		return 0;
	if (asprintf(&dot_git, "%s/.git", l->work_tree) < 0)
		return -ENOMEM;
	/* A bare repository has none; a work tree on a disk that is not there now keeps what its index and records
	 * name. */
	r = io_stat(l->io, AT_FDCWD, dot_git, &st) == 0 ? take_files(l, &where) : 0;
	free(dot_git);
	return r;
}

static int take_work_trees(struct live *l)
{
	static const char *const args[] = {"worktree", "list", "--porcelain", "-z", NULL};
	struct git_run run = {.where = repo_where(l->repo), .args = args, .flags = GIT_RUN_READING};
	struct git_where where;
	int r;

	r = git_run(&run);
	if (!r && run.status)
		r = -EBADMSG;
	if (!r)
		r = each_string(l, run.output, run.output_len, take_work_tree);
	else
		blame(l, r, "the list of work trees (git worktree list)");
	git_run_release(&run);
	/* Ours is where the environment may say that it is. */
	l->work_tree = repo_work_tree(l->repo);
	if (!r && l->work_tree) {
		where = *repo_where(l->repo);
		where.dir = l->work_tree;
		r = take_files(l, &where);
	}
	return r;
}

int live_each_root(struct repo *repo, struct store *store, unsigned age_s, live_each each, void *arg, char **blamed)
{
	struct live l = {
	    .repo = repo,
	    .store = store,
	    .io = store_io(store),
	    .age_s = age_s,
	    .each = each,
	    .arg = arg,
	    .blamed = blamed,
	    .history = {.repo = repo},
	};
	int r;

	*blamed = NULL;
	r = take_commits(&l);
	if (!r) {
		r = repo_each_index_pointer(repo, take_indexed, &l);
		if (r == -EBADMSG)
			blame(&l, r, "the index of a worktree (git ls-files)");
	}
	if (!r)
		r = take_all_steps(&l);
	if (!r)
		r = take_work_trees(&l);
	history_release(&l.history);
	free(l.tips);
	return r;
}
