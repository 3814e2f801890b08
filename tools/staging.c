#include "tools/staging.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cache/io.h"
#include "tools/fail.h"
#include "tools/shown.h"

#define STATE "state"
#define STATE_SIZE_MAX 4096
#define HIDDEN_NAME_MAX 200 /* of NAME's bytes, so that the whole stays a name */

/* Remove NAME below DIRFD with everything in it; a link is removed, not followed.  Returns 0 or -errno. */
static int remove_tree(int dirfd, const char *name)
{
	int fd, r = 0;
	DIR *dir;

	if (unlinkat(dirfd, name, 0) == 0 || errno == ENOENT)
		return 0;
	if (errno != EISDIR && errno != EPERM)
		return -errno;
	fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	dir = fdopendir(fd);
	if (!dir) {
		close(fd);
		return -ENOMEM;
	}
	for (const struct dirent *entry; r == 0 && (entry = readdir(dir)) != NULL;)
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			r = remove_tree(fd, entry->d_name);
	closedir(dir);
	if (r == 0 && unlinkat(dirfd, name, AT_REMOVEDIR) < 0)
		r = -errno;
	return r;
}

static bool is_empty(int dirfd, const char *name)
{
	int fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	unsigned entries = 0;

	if (!dir) {
		if (fd >= 0)
			close(fd);
		return false;
	}
	while (entries < 3 && readdir(dir))
		entries++;
	closedir(dir);
	return entries < 3;
}

/* mkdir -p of everything before the last slash of PATH, which is changed meanwhile. */
static int make_above(char *path)
{
	for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		int r = mkdir(path, 0777) < 0 && errno != EEXIST ? -errno : 0;
		*slash = '/';
		if (r < 0)
			return r;
	}
	return 0;
}

/* Split into the open folder above and a name. */
static int open_parent(struct staging *s)
{
	char *resolved = realpath(s->dir, NULL);
	char *path = resolved ? resolved : strdup(s->dir);
	char *slash;
	int r = path ? 0 : -ENOMEM;

	if (r == 0 && !resolved) {
		for (size_t len = strlen(path); len > 1 && path[len - 1] == '/'; len--)
			path[len - 1] = '\0';
		r = make_above(path);
	}
	if (r < 0)
		goto out;
	slash = strrchr(path, '/');
	s->name = strdup(slash ? slash + 1 : path);
	if (slash)
		slash[slash == path] = '\0';
	s->parent = open(slash ? path : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (!s->name)
		r = -ENOMEM;
	else if (s->parent < 0)
		r = -errno;
out:
	free(path);
	return r;
}

/* What stands at DIR now.  Returns 0 or an exit status. */
static int look_at_target(struct staging *s, bool may_exist)
{
	struct stat st, above, here;

	if (!*s->name || strcmp(s->name, ".") == 0 || strcmp(s->name, "..") == 0)
		return fail(EXIT_REFUSED, "'%s' is no folder that could be new: name another", shown(s->dir));
	if (fstatat(s->parent, s->name, &st, AT_SYMLINK_NOFOLLOW) < 0) {
		if (errno == ENOENT)
			return 0;
		return fail(exit_code_of(-errno), "cannot look at '%s': %s", shown(s->dir), error_text(-errno));
	}
	if (!may_exist || !S_ISDIR(st.st_mode) || !is_empty(s->parent, s->name))
		return fail(EXIT_REFUSED, "'%s' exists%s: name a new one, or remove it first", shown(s->dir),
		            may_exist && S_ISDIR(st.st_mode) ? " and is not empty" : "");
	if (fstat(s->parent, &above) == 0 && above.st_dev != st.st_dev)
		return fail(EXIT_REFUSED, "a file system is mounted at '%s': name a new folder in it", shown(s->dir));
	/* It is replaced, and whoever stands in it would stand in nothing. */
	if (stat(".", &here) == 0 && here.st_dev == st.st_dev && here.st_ino == st.st_ino)
		return fail(EXIT_REFUSED, "'%s' is the current folder: go to the one above, and name it from there",
		            shown(s->dir));
	s->existed = true;
	return 0;
}

/* What was written before the machine was started again may be there in part. */
static void read_boot_id(char text[64])
{
	int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	ssize_t len = fd < 0 ? -1 : read(fd, text, 63);

	if (fd >= 0)
		close(fd);
	text[len > 0 ? len : 0] = '\0';
	text[strcspn(text, "\n")] = '\0';
}

/* Go on with what stands there if it is the same, else remove it.  Returns 0 or -errno. */
static int settle_state(struct staging *s, const char *what)
{
	const struct io *io = io_system();
	char state[STATE_SIZE_MAX], boot[64];
	struct stat st;
	void *old = NULL;
	size_t old_len;
	int len, r;

	read_boot_id(boot);
	len = snprintf(state, sizeof(state), "revfs export\n%s\nsince start %s\n", what, boot);
	if (len < 0 || (size_t)len >= sizeof(state))
		return -ENAMETOOLONG;
	r = io_read_file(io, s->fd, STATE, STATE_SIZE_MAX, &old, &old_len);
	if (r != 0 || !*boot || old_len != (size_t)len || memcmp(old, state, old_len) != 0) {
		r = remove_tree(s->fd, STAGING_TREE);
		if (r == 0)
			r = io_replace_file(io, s->fd, ".", STATE, state, (size_t)len, 0666);
	}
	free(old);
	if (r == 0 && fstatat(s->fd, STATE, &st, AT_SYMLINK_NOFOLLOW) < 0)
		r = -errno;
	if (r == 0)
		s->since = st.st_mtim.tv_sec;
	return r;
}

static int open_hidden(struct staging *s, const char *what)
{
	int r;

	if (asprintf(&s->hidden, ".%.*s.revfs-export", HIDDEN_NAME_MAX, s->name) < 0) {
		s->hidden = NULL;
		return -ENOMEM;
	}
	if (mkdirat(s->parent, s->hidden, 0777) < 0 && errno != EEXIST)
		return -errno;
	s->fd = openat(s->parent, s->hidden, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (s->fd < 0)
		return -errno;
	r = io_lock(io_system(), s->fd, true, 0);
	return r < 0 ? r : settle_state(s, what);
}

int staging_open(const char *dir, bool may_exist, const char *what, struct staging *s)
{
	int r, status = 0;

	memset(s, 0, sizeof(*s));
	s->parent = s->fd = -1;
	s->dir = strdup(dir);
	r = s->dir ? open_parent(s) : -ENOMEM;
	if (r < 0)
		status = fail(exit_code_of(r), "cannot make '%s': %s", shown(dir), error_text(r));
	if (!status)
		status = look_at_target(s, may_exist);
	if (!status) {
		r = open_hidden(s, what);
		if (r == -EBUSY)
			status = fail(EXIT_BUSY, "another export writes to '%s': wait for it, or name another folder",
			              shown(dir));
		else if (r < 0)
			status = fail(exit_code_of(r), "cannot make the folder '%s' beside '%s': %s",
			              s->hidden ? shown(s->hidden) : "", shown(dir), error_text(r));
	}
	if (status)
		staging_close(s);
	return status;
}

int staging_publish(struct staging *s)
{
	int r = 0;

	/* The name must not last longer than what it names. */
	if (syncfs(s->fd) < 0 || renameat(s->fd, STAGING_TREE, s->parent, s->name) < 0)
		r = -errno;
	if (r == -ENOTEMPTY || r == -EEXIST || r == -ENOTDIR || r == -EISDIR)
		return fail(EXIT_REFUSED, "something else was put at '%s' meanwhile: remove it and run this again",
		            shown(s->dir));
	if (r < 0)
		return fail(exit_code_of(r), "cannot write '%s': %s", shown(s->dir), error_text(r));
	if (fsync(s->parent) < 0)
		r = -errno;
	if (remove_tree(s->parent, s->hidden) < 0)
		warn("cannot remove '%s' beside '%s'", shown(s->hidden), shown(s->dir));
	if (r < 0)
		return fail(exit_code_of(r), "cannot write the folder of '%s' to the disk: %s", shown(s->dir),
		            error_text(r));
	return 0;
}

void staging_close(struct staging *s)
{
	if (s->fd >= 0)
		close(s->fd);
	if (s->parent >= 0)
		close(s->parent);
	free(s->dir);
	free(s->name);
	free(s->hidden);
	memset(s, 0, sizeof(*s));
	s->fd = s->parent = -1;
}
