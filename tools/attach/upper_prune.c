#include "tools/attach/upper_prune.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cache/io.h"
#include "fs/folder.h"

int upper_prune_add(struct upper_prune *prune, const char *path)
{
	char **paths = reallocarray(prune->paths, prune->count + 1, sizeof(*paths));

	if (!paths)
		return -ENOMEM;
	prune->paths = paths;
	paths[prune->count] = strdup(path);
	return paths[prune->count] ? (prune->count++, 0) : -ENOMEM;
}

const char *upper_prune_first(const struct upper_prune *prune)
{
	return prune->count ? prune->paths[0] : NULL;
}

static int unlink_in(int dirfd, const char *name)
{
	if (!unlinkat(dirfd, name, 0) || errno == ENOENT)
		return 0;
	if (errno != EISDIR && errno != EPERM)
		return -errno;
	/* One that holds more than what was to go stays. */
	if (!unlinkat(dirfd, name, AT_REMOVEDIR) || errno == ENOTEMPTY || errno == EEXIST)
		return 0;
	return -errno;
}

/* Remove NAME, and what says in the dialect that it is not to be seen. */
static int remove_in(int dirfd, const char *name, const char *prefix)
{
	int error = unlink_in(dirfd, name);
	char *mark;

	if (error || !prefix)
		return error;
	if (asprintf(&mark, "%s%s", prefix, name) < 0)
		return -ENOMEM;
	error = unlink_in(dirfd, mark);
	free(mark);
	return error;
}

/* Call DO_NAME for PATH: with the folder that holds it, its name there, and the prefix of whiteouts.  0 where there is
 * no such folder, or something else stands in its place. */
static int in_folder(const struct attached *attached, const char *path,
                     int (*do_name)(int dirfd, const char *name, const char *prefix))
{
	const char *slash = strrchr(path, '/');
	char *above = strndup(path, slash ? (size_t)(slash - path) : 0);
	int fd = io_open(io_system(), attached->holder, "upper", O_RDONLY | O_DIRECTORY, 0);
	struct folder *upper = NULL, *folder = NULL;
	int answer = !above ? -ENOMEM : fd < 0 ? fd : folder_open(fd, &upper);

	if (!answer)
		answer = folder_reach(upper, above, false, &folder);
	if (!answer)
		answer =
		    do_name(folder_fd(folder), slash ? slash + 1 : path, layer_prefix(attached->attachment->dialect));
	else if (answer == -ENOENT || answer == -ENOTDIR || answer == -ELOOP)
		answer = 0;
	folder_unpin(folder);
	folder_unpin(upper);
	io_close(io_system(), fd);
	free(above);
	return answer;
}

static int finds_in(int dirfd, const char *name, const char *prefix)
{
	struct stat st;
	char *mark;
	int found = !fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW);

	if (found || !prefix)
		return found;
	if (asprintf(&mark, "%s%s", prefix, name) < 0)
		return -ENOMEM;
	found = !fstatat(dirfd, mark, &st, AT_SYMLINK_NOFOLLOW);
	free(mark);
	return found;
}

int upper_prune_finds(const struct attached *attached, const char *path)
{
	return in_folder(attached, path, finds_in);
}

int upper_prune_run(const struct upper_prune *prune, const struct attached *attached)
{
	int error = 0;

	for (size_t i = prune->count; !error && i; i--)
		error = in_folder(attached, prune->paths[i - 1], remove_in);
	if (!error && syncfs(attached->holder))
		error = -errno;
	return error;
}

void upper_prune_release(struct upper_prune *prune)
{
	for (size_t i = 0; i < prune->count; i++)
		free(prune->paths[i]);
	free(prune->paths);
	*prune = (struct upper_prune){0};
}
