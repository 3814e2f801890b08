#include "fs/gone.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fs/folder.h"
#include "fs/name.h"

struct gone {
	struct folder *top;
	enum layer_dialect dialect;
};

int gone_open(int dirfd, const char *name, enum layer_dialect dialect, struct gone **gone)
{
	struct gone *g = calloc(1, sizeof(*g));
	struct folder *above = NULL;
	int error;

	if (!g)
		return -ENOMEM;
	g->dialect = dialect;
	error = folder_open(dirfd, &above);
	if (!error)
		error = folder_reach(above, name, false, &g->top);
	folder_unpin(above);
	if (error) {
		free(g);
		return error;
	}
	*gone = g;
	return 0;
}

void gone_close(struct gone *gone)
{
	if (!gone)
		return;
	folder_unpin(gone->top);
	free(gone);
}

static bool is_there(int fd, const char *name, struct stat *st)
{
	/* What cannot be looked at may be there. */
	return !fstatat(fd, name, st, AT_SYMLINK_NOFOLLOW) || (errno != ENOENT && errno != ENOTDIR);
}

/* Whether the upper folder FD hides NAME, a folder of the base. */
static bool is_hidden(enum layer_dialect dialect, int fd, const char *name)
{
	const char *prefix = layer_prefix(dialect);
	char whiteout[2 * NAME_SIZE_MAX];
	enum layer_mark mark;
	struct stat st;

	snprintf(whiteout, sizeof(whiteout), "%s%s", prefix ? prefix : "", name);
	if (prefix && is_there(fd, whiteout, &st))
		return true;
	if (!is_there(fd, name, &st))
		return !layer_of_directory(dialect, fd, &mark) && mark == LAYER_OPAQUE;
	/* A file in its place hides it as well. */
	return !S_ISDIR(st.st_mode);
}

bool gone_folder(const struct gone *gone, const char *path)
{
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
	char *parent = strndup(path, slash ? (size_t)(slash - path) : 0);
	struct folder *folder = NULL;
	int error = parent ? folder_reach(gone->top, parent, false, &folder) : -ENOMEM;
	struct stat st;
	bool is_gone;

	free(parent);
	/* What an upper folder does not have is as below. */
	if (error)
		return false;
	is_gone = gone->dialect == LAYER_NONE ? !is_there(folder_fd(folder), name, &st)
	                                      : is_hidden(gone->dialect, folder_fd(folder), name);
	folder_unpin(folder);
	return is_gone;
}
