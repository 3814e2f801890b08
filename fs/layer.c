#include "fs/layer.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#define PREFIX ".wh."
#define OPAQUE_REST ".wh..opq" /* behind PREFIX */

/* The attributes of a dialect, by what they say; lists end with NULL. */
struct names {
	const char *opaque[4];
	const char *redirect[3];
	const char *metacopy[3];
	const char *whiteout;
	bool files_redirected;
};

static const struct names names[] = {
    [LAYER_KERNEL] = {.opaque = {"trusted.overlay.opaque"},
                      .redirect = {"trusted.overlay.redirect"},
                      .metacopy = {"trusted.overlay.metacopy"},
                      .whiteout = "trusted.overlay.whiteout",
                      .files_redirected = true},
    [LAYER_KERNEL_USER] = {.opaque = {"user.overlay.opaque"},
                           .redirect = {"user.overlay.redirect"},
                           .metacopy = {"user.overlay.metacopy"},
                           .whiteout = "user.overlay.whiteout",
                           .files_redirected = true},
    /* It writes neither redirects nor metacopies; where they are, the folder is another's. */
    [LAYER_FUSE] = {.opaque = {"trusted.overlay.opaque", "user.overlay.opaque", "user.fuseoverlayfs.opaque"},
                    .redirect = {"trusted.overlay.redirect", "user.overlay.redirect"},
                    .metacopy = {"trusted.overlay.metacopy", "user.overlay.metacopy"}},
};

const char *layer_prefix(enum layer_dialect dialect)
{
	return dialect == LAYER_FUSE ? PREFIX : NULL;
}

bool layer_is_opaque_name(const char *rest)
{
	return !strcmp(rest, OPAQUE_REST);
}

/* The first byte of the attribute NAME, 0 for an empty value.  -ENODATA where there is none. */
static int first_byte(int fd, const char *name)
{
	char value[256];
	ssize_t len = fgetxattr(fd, name, value, sizeof(value));

	if (len < 0)
		return errno == ENOTSUP ? -ENODATA : errno == ERANGE ? 0 : -errno;
	return len == 1 ? (unsigned char)*value : 0;
}

/* Whether one of the attributes LIST is there; with VALUE, with that one byte.  1, 0 or -errno. */
static int has_any(int fd, const char *const *list, char value)
{
	for (; *list; list++) {
		int byte = first_byte(fd, *list);

		if (byte < 0 && byte != -ENODATA)
			return byte;
		if (byte >= 0 && (!value || byte == value))
			return 1;
	}
	return 0;
}

int layer_check(enum layer_dialect dialect, int fd)
{
	/* Whoever may take away an attribute that nobody has may read those that are there. */
	if (dialect != LAYER_KERNEL || !fremovexattr(fd, "trusted.overlay.revfs-is-privileged"))
		return 0;
	return errno == ENODATA || errno == EROFS || errno == ENOTSUP ? 0 : -errno;
}

/* An empty file is a whiteout where it says so and its directory says that there are such. */
static int is_empty_whiteout(const struct names *n, int dirfd, const char *name)
{
	int answer = has_any(dirfd, n->opaque, 'x'), fd;

	if (answer <= 0)
		return answer;
	fd = openat(dirfd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	answer = first_byte(fd, n->whiteout);
	close(fd);
	return answer == -ENODATA ? 0 : answer < 0 ? answer : 1;
}

int layer_of_entry(enum layer_dialect dialect, int dirfd, const char *name, const struct stat *st,
                   enum layer_mark *mark)
{
	int hides = 0;

	*mark = LAYER_PLAIN;
	if (dialect == LAYER_NONE)
		return 0;
	if (S_ISCHR(st->st_mode))
		hides = st->st_rdev == makedev(0, 0);
	else if (S_ISREG(st->st_mode) && !st->st_size && names[dialect].whiteout)
		hides = is_empty_whiteout(&names[dialect], dirfd, name);
	if (hides > 0)
		*mark = LAYER_WHITEOUT;
	return hides < 0 ? hides : 0;
}

int layer_of_directory(enum layer_dialect dialect, int fd, enum layer_mark *mark)
{
	const struct names *n = &names[dialect];
	struct stat st;
	int answer;

	*mark = LAYER_PLAIN;
	if (dialect == LAYER_NONE)
		return 0;
	answer = has_any(fd, n->redirect, 0);
	if (answer > 0)
		*mark = LAYER_ELSEWHERE;
	if (answer)
		return answer < 0 ? answer : 0;
	answer = has_any(fd, n->opaque, 'y');
	if (!answer && dialect == LAYER_FUSE) {
		answer = !fstatat(fd, PREFIX OPAQUE_REST, &st, AT_SYMLINK_NOFOLLOW);
		if (!answer && errno != ENOENT)
			answer = -errno;
	}
	if (answer > 0)
		*mark = LAYER_OPAQUE;
	return answer < 0 ? answer : 0;
}

int layer_check_file(enum layer_dialect dialect, int fd)
{
	const struct names *n = &names[dialect];
	int answer;

	if (dialect == LAYER_NONE)
		return 0;
	answer = has_any(fd, n->metacopy, 0);
	if (!answer && n->files_redirected)
		answer = has_any(fd, n->redirect, 0);
	return answer > 0 ? -EREMOTE : answer;
}
