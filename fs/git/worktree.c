#include "fs/git/worktree.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define LOCK_NAME "lock"
#define SIBLING ".revfs-new~" /* only where the Git directory is on another file system */

int worktree_open(const struct io *io, struct repo *repo, bool create, struct worktree *wt)
{
	int error = 0;

	*wt = (struct worktree){.io = io, .repo = repo, .root = -1, .folder = -1, .lock = -1};
	wt->root = io_open(io, AT_FDCWD, repo_work_tree(repo), O_RDONLY | O_DIRECTORY, 0);
	if (wt->root < 0)
		return wt->root;
	wt->folder = instep_open_folder(io, repo_git_dir(repo), create);
	if (wt->folder < 0 && (create || wt->folder != -ENOENT))
		error = wt->folder;
	if (wt->folder < 0)
		wt->folder = -1;
	if (error)
		worktree_close(wt);
	return error;
}

void worktree_close(struct worktree *wt)
{
	io_close(wt->io, wt->lock);
	io_close(wt->io, wt->folder);
	io_close(wt->io, wt->root);
	wt->lock = wt->folder = wt->root = -1;
}

int worktree_lock(struct worktree *wt, unsigned timeout_ms)
{
	int error, fd = io_open(wt->io, wt->folder, LOCK_NAME, O_RDWR | O_CREAT, 0666);

	if (fd < 0)
		return fd;
	io_share_file(wt->io, wt->folder, fd);
	error = io_lock(wt->io, fd, true, timeout_ms);
	if (error)
		io_close(wt->io, fd);
	else
		wt->lock = fd;
	return error;
}

const char *worktree_in_progress(const struct worktree *wt)
{
	static const struct {
		const char *file, *name;
	} signs[] = {
	    {"MERGE_HEAD", "merge"},
	    {"rebase-merge", "rebase"},
	    {"rebase-apply/applying", "am"},
	    {"rebase-apply", "rebase"},
	    {"CHERRY_PICK_HEAD", "cherry-pick"},
	    {"REVERT_HEAD", "revert"},
	    {"sequencer", "cherry-pick or revert"}, /* of several commits, between two */
	};
	const char *found = NULL;
	struct stat st;
	int fd = io_open(wt->io, AT_FDCWD, repo_git_dir(wt->repo), O_RDONLY | O_DIRECTORY, 0);

	for (size_t i = 0; fd >= 0 && !found && i < sizeof(signs) / sizeof(*signs); i++) {
		if (!io_stat(wt->io, fd, signs[i].file, &st))
			found = signs[i].name;
	}
	io_close(wt->io, fd);
	return found;
}

static int open_beneath(int dirfd, const char *path)
{
	struct open_how how = {
	    .flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC,
	    .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
	};
	int fd;

	/* EAGAIN: something on the way was renamed meanwhile. */
	do
		fd = (int)syscall(SYS_openat2, dirfd, path, &how, sizeof(how));
	while (fd < 0 && errno == EAGAIN);
	return fd < 0 ? -errno : fd;
}

/* Open each component in its turn, making those that are missing. */
static int make_beneath(const struct worktree *wt, char *path)
{
	int fd = open_beneath(wt->root, ".");

	for (char *name = path, *end; fd >= 0 && name; name = end) {
		int below;

		end = strchr(name, '/');
		if (end)
			*end++ = '\0';
		below = io_mkdir(wt->io, fd, name, 0777);
		/* Where something else is, opening tells what. */
		if (!below || below == -EEXIST)
			below = open_beneath(fd, name);
		io_close(wt->io, fd);
		fd = below;
	}
	return fd;
}

int worktree_open_parent(const struct worktree *wt, const char *path, bool create, const char **name)
{
	const char *slash = strrchr(path, '/');
	char *parent;
	int fd;

	*name = slash ? slash + 1 : path;
	if (!slash)
		return open_beneath(wt->root, ".");
	parent = strndup(path, (size_t)(slash - path));
	if (!parent)
		return -ENOMEM;
	fd = create ? make_beneath(wt, parent) : open_beneath(wt->root, parent);
	free(parent);
	return fd;
}

int worktree_kind(const struct worktree *wt, const char *path, enum work_kind *kind)
{
	const char *name;
	struct stat st;
	int fd = worktree_open_parent(wt, path, false, &name), error;

	*kind = WORK_ABSENT;
	if (fd == -ELOOP)
		*kind = WORK_LINK;
	if (fd < 0)
		return fd == -ELOOP || fd == -ENOENT || fd == -ENOTDIR ? 0 : fd;
	error = io_stat(wt->io, fd, name, &st);
	io_close(wt->io, fd);
	if (error)
		return error == -ENOENT ? 0 : error;
	*kind = S_ISREG(st.st_mode)   ? WORK_FILE
	        : S_ISDIR(st.st_mode) ? WORK_DIRECTORY
	        : S_ISLNK(st.st_mode) ? WORK_LINK
	                              : WORK_OTHER;
	return 0;
}

static int stop(void *arg, const char *name)
{
	(void)arg;
	(void)name;
	return 1;
}

bool worktree_is_empty(const struct worktree *wt, const char *path)
{
	return io_list(wt->io, wt->root, path, stop, NULL) == 0;
}

/* "PATH.revfs", malloc'ed. */
static char *pointer_path(const char *path)
{
	size_t len = strlen(path);
	char *full = malloc(len + sizeof(POINTER_SUFFIX));

	if (!full)
		return NULL;
	memcpy(full, path, len);
	memcpy(full + len, POINTER_SUFFIX, sizeof(POINTER_SUFFIX));
	return full;
}

int worktree_pointer(const struct worktree *wt, const char *path, struct pointer *pointer, unsigned *line,
                     const char **why)
{
	char *full = pointer_path(path);
	const char *name;
	struct stat st;
	void *text;
	size_t len;
	int fd, error;

	if (line)
		*line = 0;
	if (why)
		*why = "not a pointer file";
	if (!full)
		return -ENOMEM;
	fd = worktree_open_parent(wt, full, false, &name);
	error = fd < 0 ? fd : io_read_file(wt->io, fd, name, POINTER_SIZE_MAX, &text, &len);
	if (error == -EBADMSG && !io_stat(wt->io, fd, name, &st) && S_ISLNK(st.st_mode))
		error = -ELOOP;
	io_close(wt->io, fd);
	free(full);
	if (error)
		return error == -EFBIG || error == -EBADMSG ? -EINVAL : error == -ENOTDIR ? -ENOENT : error;
	error = pointer_parse(text, len, pointer, line, why);
	free(text);
	return error;
}

/* Written in the folder of the Git directory, then moved; where that is another file system, beside its place. */
int worktree_replace_file(const struct worktree *wt, int dirfd, const char *name, const void *data, size_t len)
{
	const char *temporary = "file.new";
	struct stat st;
	bool had = !io_stat(wt->io, dirfd, name, &st) && S_ISREG(st.st_mode);
	int at = wt->folder, fd, error;

	for (;;) {
		io_unlink(wt->io, at, temporary); /* one that another user's killed run left cannot be written to */
		fd = io_open(wt->io, at, temporary, O_WRONLY | O_CREAT | O_TRUNC, 0666);
		if (fd < 0)
			return fd;
		error = io_write_exact(wt->io, fd, data, len, 0);
		if (had)
			io_chmod(wt->io, fd, st.st_mode & 0777);
		if (!error)
			error = io_fsync(wt->io, fd);
		io_close(wt->io, fd);
		if (!error)
			error = io_rename(wt->io, at, temporary, dirfd, name);
		if (error)
			io_unlink(wt->io, at, temporary);
		if (error != -EXDEV || at == dirfd)
			break;
		at = dirfd;
		temporary = SIBLING;
	}
	return error ? error : io_fsync_dir(wt->io, dirfd, ".");
}

int worktree_write_file(const struct worktree *wt, const char *path, const void *data, size_t len)
{
	const char *name;
	int fd = worktree_open_parent(wt, path, true, &name), error;

	error = fd < 0 ? fd : worktree_replace_file(wt, fd, name, data, len);
	io_close(wt->io, fd);
	return error;
}

int worktree_write_pointer(const struct worktree *wt, const char *path, const struct pointer *pointer)
{
	char *full = pointer_path(path), text[POINTER_TEXT_MAX];
	int error;

	if (!full)
		return -ENOMEM;
	error = worktree_write_file(wt, full, text, pointer_format(pointer, text));
	free(full);
	return error;
}
