#include "fs/remote/pushed.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cache/wire.h"

#define FOLDER "pushed"
#define FIRST_LINE "revfs-pushed 1\n"
#define FILE_MAX ((size_t)1 << 20)

/* The file of the remote NAME; the URL stands in it as a hash, since it may hold what is nobody's business. */
static int file_path(const char *name, char path[256])
{
	int len = snprintf(path, 256, FOLDER "/%s", name);

	return len < 0 || len >= 256 || strchr(name, '/') ? -EINVAL : 0;
}

static void url_line(const char *url, char line[ID_HEX_SIZE + 8])
{
	char hex[ID_HEX_SIZE];
	struct id id;

	id_of(url, strlen(url), &id);
	snprintf(line, ID_HEX_SIZE + 8, "url %s\n", id_format(&id, hex));
}

/* The lines behind the first two where the file is good for URL; "" else.  *TEXT is malloc'ed. */
static const char *read_lines(struct store *store, const char *name, const char *url, void **text)
{
	char path[256], line[ID_HEX_SIZE + 8];
	const char *lines;
	size_t len;

	*text = NULL;
	if (file_path(name, path) || io_read_file(store_io(store), store_dirfd(store), path, FILE_MAX, text, &len))
		return "";
	lines = *text;
	url_line(url, line);
	if (strncmp(lines, FIRST_LINE, strlen(FIRST_LINE)) != 0 ||
	    strncmp(lines + strlen(FIRST_LINE), line, strlen(line)) != 0)
		return "";
	return lines + strlen(FIRST_LINE) + strlen(line);
}

/* The commit of the line at *AT, which is moved on; false where there is no (good) one. */
static bool next_commit(const char **at, struct oid *commit)
{
	size_t len = strcspn(*at, "\n");

	if (len < 7 || strncmp(*at, "commit ", 7) != 0 || oid_parse(*at + 7, len - 7, commit))
		return false;
	*at += len + ((*at)[len] == '\n');
	return true;
}

int pushed_read(struct store *store, const char *name, const char *url, struct pushed *pushed)
{
	struct oid commit;
	void *text;
	const char *at = read_lines(store, name, url, &text);
	int error = 0;

	*pushed = (struct pushed){0};
	while (error >= 0 && next_commit(&at, &commit))
		error = oid_set_add(&pushed->commits, &commit);
	free(text);
	if (error < 0)
		pushed_release(pushed);
	return error < 0 ? error : 0;
}

void pushed_release(struct pushed *pushed)
{
	oid_set_release(&pushed->commits);
}

int pushed_add(struct store *store, const char *name, const char *url, const struct oid *tips, size_t count)
{
	char path[256], line[ID_HEX_SIZE + 8];
	struct oid_set known = {0};
	struct buffer file = {0};
	struct oid commit;
	void *text;
	const char *at = read_lines(store, name, url, &text);
	int error = file_path(name, path);
	size_t kept = 0;

	url_line(url, line);
	buffer_append(&file, FIRST_LINE, strlen(FIRST_LINE));
	buffer_append(&file, line, strlen(line));
	for (size_t i = 0; !error && kept < PUSHED_COMMITS_MAX; i++) {
		char hex[OID_HEX_MAX], text_line[OID_HEX_MAX + 16];

		if (i < count)
			commit = tips[i];
		else if (!next_commit(&at, &commit))
			break;
		error = oid_set_add(&known, &commit);
		if (error <= 0)
			continue;
		error = 0;
		kept++;
		snprintf(text_line, sizeof(text_line), "commit %s\n", oid_format(&commit, hex));
		buffer_append(&file, text_line, strlen(text_line));
	}
	if (!error)
		error = file.failed ? -ENOMEM : store_make_folder(store, FOLDER);
	if (!error)
		error = io_replace_file(store_io(store), store_dirfd(store), FOLDER, path, file.data, file.len, 0644);
	oid_set_release(&known);
	buffer_release(&file);
	free(text);
	return error;
}
