#include "tools/path.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fs/mount/mountpoint.h"

/* Append the components of TEXT to the clean path in OUT, which has room.  Returns 0 or -EXDEV. */
static int append(char *out, const char *text)
{
	size_t len = strlen(out);

	while (*text) {
		size_t part = strcspn(text, "/");
		if (part == 2 && text[0] == '.' && text[1] == '.') {
			if (len == 0)
				return -EXDEV;
			while (len > 0 && out[--len] != '/')
				;
		} else if (part > 0 && !(part == 1 && text[0] == '.')) {
			if (len > 0)
				out[len++] = '/';
			memcpy(out + len, text, part);
			len += part;
		}
		out[len] = '\0';
		text += part + (text[part] == '/');
	}
	return 0;
}

int path_clean(const char *prefix, const char *text, char **path)
{
	char *out = malloc(strlen(prefix) + strlen(text) + 2);

	if (!out)
		return -ENOMEM;
	out[0] = '\0';
	append(out, prefix);
	int ret = append(out, text);
	if (ret) {
		free(out);
		return ret;
	}
	*path = out;
	return 0;
}

static int strip_root(const char *root, const char *text, char **path)
{
	size_t len = strlen(root);

	while (len > 0 && root[len - 1] == '/')
		len--;
	if (strncmp(root, text, len) != 0 || (text[len] != '/' && text[len] != '\0'))
		return -EXDEV;
	return path_clean("", text + len, path);
}

int path_below(const char *root, const char *text, char **path)
{
	char real[PATH_MAX];
	char *clean = NULL, *copy = NULL, *absolute = NULL;
	int ret = path_clean("", text, &clean);

	if (ret)
		return ret;
	ret = -ENOMEM;
	if (asprintf(&copy, "/%s", clean) < 0) {
		copy = NULL;
		goto out;
	}
	ret = strip_root(root, copy, path);
	if (ret != -EXDEV)
		goto out;
	/* The folder may be reached by another name, through links. */
	char *slash = strrchr(copy, '/');
	*slash = '\0';
	if (!realpath(*copy ? copy : "/", real))
		goto out;
	if (asprintf(&absolute, "%s/%s", real, slash + 1) < 0) {
		absolute = NULL;
		ret = -ENOMEM;
		goto out;
	}
	ret = strip_root(root, absolute, path);
	if (ret == -EXDEV && realpath(text, real))
		ret = strip_root(root, real, path);
out:
	free(absolute);
	free(copy);
	free(clean);
	return ret;
}

char *path_join(const char *dir, const char *name)
{
	char *path;

	if (asprintf(&path, "%s%s%s", dir, *dir ? "/" : "", name) < 0)
		return NULL;
	return path;
}

char *path_absolute(const char *typed)
{
	char *copy = strdup(typed), *slash, *folder, *path = NULL;
	const char *name;

	if (!copy)
		return NULL;
	for (size_t len = strlen(copy); len > 1 && copy[len - 1] == '/'; len--)
		copy[len - 1] = '\0';
	slash = strrchr(copy, '/');
	name = slash ? slash + 1 : copy;
	if (!*name || strcmp(name, ".") == 0 || strcmp(name, "..") == 0) {
		path = realpath(copy, NULL);
		free(copy);
		return path;
	}
	if (slash)
		*slash = '\0';
	folder = realpath(!slash ? "." : *copy ? copy : "/", NULL);
	if (folder && asprintf(&path, "%s/%s", strcmp(folder, "/") == 0 ? "" : folder, name) < 0)
		path = NULL;
	free(folder);
	free(copy);
	return path;
}

char *path_mountpoint(const char *typed)
{
	char *path = path_absolute(typed), *real;

	if (!path || mountpoint_is_ours(path, NULL) == 1)
		return path;
	/* A link to a mountpoint, then. */
	real = realpath(path, NULL);
	if (!real)
		return path;
	free(path);
	return real;
}

bool path_is_in(const char *path, const char *folder)
{
	size_t len = strlen(folder);

	return !len || (!strncmp(path, folder, len) && (!path[len] || path[len] == '/'));
}
