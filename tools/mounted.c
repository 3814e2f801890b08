#include "tools/mounted.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>

#include "fs/git/oid.h"
#include "tools/registry.h"

#define COMMIT_XATTR "user.revfs.commit"

/* The commit that the folder PATH belongs to. */
static bool read_commit(const char *path, char commit[OID_HEX_MAX])
{
	ssize_t len = getxattr(path, COMMIT_XATTR, commit, OID_HEX_MAX - 1);

	commit[len > 0 ? len : 0] = '\0';
	return len > 0;
}

/* The mount that PATH lies in. */
struct looking {
	const char *path;
	char *repository;
	int error;
};

static int look_at_mount(void *arg, const struct registered *mount)
{
	struct looking *l = arg;
	const size_t len = strlen(mount->mountpoint);

	if (!mount->alive || strncmp(l->path, mount->mountpoint, len) != 0 || (l->path[len] && l->path[len] != '/'))
		return 0;
	/* They come sorted: one inside another after it. */
	free(l->repository);
	l->repository = strdup(mount->repository);
	return l->repository ? 0 : -ENOMEM;
}

/* Where the part of PATH below its revision begins: behind the topmost folder of COMMIT. */
static const char *below_revision(const char *path, const char *commit)
{
	char *above = strdup(path), *slash, other[OID_HEX_MAX];
	size_t top = strlen(path);

	if (!above)
		return NULL;
	/* A file has no such attribute itself. */
	while ((slash = strrchr(above, '/')) && slash != above) {
		if (read_commit(above, other) && !strcmp(other, commit))
			top = strlen(above);
		else if (top < strlen(path))
			break;
		*slash = '\0';
	}
	free(above);
	return path[top] ? path + top + 1 : path + top;
}

/* The commit of PATH, or of the folder that it lies in. */
static bool find_commit(const char *path, char commit[OID_HEX_MAX])
{
	char *folder = strdup(path), *slash = folder ? strrchr(folder, '/') : NULL;
	bool found = read_commit(path, commit);

	if (!found && slash && slash != folder) {
		*slash = '\0';
		found = read_commit(folder, commit);
	}
	free(folder);
	return found;
}

int mounted_find(const char *path, struct mounted *mounted)
{
	char *real = realpath(path, NULL), commit[OID_HEX_MAX];
	struct looking looking = {.path = real};
	const char *below;
	int error = real ? 0 : errno == ENOMEM ? -ENOMEM : -ENOENT;

	*mounted = (struct mounted){0};
	if (!error && !find_commit(real, commit))
		error = -ENOENT;
	if (!error && registry_each(look_at_mount, &looking) == -ENOMEM)
		error = -ENOMEM;
	if (!error && !looking.repository)
		error = -ENOENT;
	below = error ? NULL : below_revision(real, commit);
	if (!error && (!below || asprintf(&mounted->target, "%s:%s", commit, below) < 0))
		error = -ENOMEM;
	if (error)
		free(looking.repository);
	else
		mounted->repository = looking.repository;
	free(real);
	return error;
}

void mounted_release(struct mounted *mounted)
{
	free(mounted->repository);
	free(mounted->target);
	*mounted = (struct mounted){0};
}
