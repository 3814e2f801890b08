#include "tools/drivers.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "cache/io.h"
#include "fs/git/git.h"
#include "fs/info_exclude.h"
#include "tools/command.h"
#include "tools/path.h"
#include "tools/shown.h"

#define NAME "attributes"
#define LINE "*.revfs merge=revfs diff=revfs\n"
#define SIZE_MAX_READ ((size_t)16 << 20)

static const struct {
	const char *key;
	const char *value;
} settings[] = {
    {"merge.revfs.name", "datasets of revfs"},
    {"merge.revfs.driver", "revfs merge-driver %O %A %B %L %P"},
    {"diff.revfs.command", "revfs diff-driver"},
    {"diff.revfs.textconv", "revfs diff-driver --textconv"},
};

#define SETTINGS (sizeof(settings) / sizeof(settings[0]))

/* --- the config --- */

/* Run git config with ARGS.  *OUTPUT (may be NULL) is malloc'ed.  0, 1 where there is no such key, or -EIO with a
 * message printed. */
static int run_config(struct repo *repo, const char *const *args, char **output)
{
	struct git_run run = {.where = repo_where(repo), .args = args, .flags = GIT_RUN_LOCKING};
	int error = git_run(&run), r = 0;

	if (error) {
		fail(EXIT_SYSTEM, "cannot run 'git config': %s", error_text(error));
		r = -EIO;
	} else if (run.status > 1) {
		fail(EXIT_SYSTEM, "'git config' failed: %s", git_run_message(&run));
		r = -EIO;
	} else if (run.status) {
		r = 1;
	} else if (output) {
		*output = run.output;
		run.output = NULL;
	}
	git_run_release(&run);
	return r;
}

/* What setting I is: 1 ours, 0 not there, -EEXIST another, -EIO with a message printed. */
static int look(struct repo *repo, size_t i)
{
	const char *const args[] = {"config", "--local", "-z", "--get-all", settings[i].key, NULL};
	char *value = NULL;
	int r = run_config(repo, args, &value);

	if (!r)
		r = value && !strcmp(value, settings[i].value) ? 1 : -EEXIST;
	else if (r > 0)
		r = 0;
	free(value);
	return r;
}

static int set_all(struct repo *repo, bool *changed)
{
	bool there[SETTINGS];

	for (size_t i = 0; i < SETTINGS; i++) {
		int r = look(repo, i);

		if (r == -EEXIST)
			return fail(EXIT_REFUSED, "'%s' is set to something else: 'git config --unset-all %s' first",
			            settings[i].key, settings[i].key);
		if (r < 0)
			return EXIT_SYSTEM;
		there[i] = r;
	}
	for (size_t i = 0; i < SETTINGS; i++) {
		const char *const args[] = {"config", "--local", settings[i].key, settings[i].value, NULL};

		if (there[i])
			continue;
		if (run_config(repo, args, NULL))
			return EXIT_SYSTEM;
		*changed = true;
	}
	return EXIT_DONE;
}

static int unset_all(struct repo *repo, bool *changed)
{
	for (size_t i = 0; i < SETTINGS; i++) {
		const char *const args[] = {"config", "--local", "--unset", settings[i].key, NULL};
		int r = look(repo, i);

		if (r == 0 || r == -EEXIST)
			continue;
		if (r < 0 || run_config(repo, args, NULL))
			return EXIT_SYSTEM;
		*changed = true;
	}
	return EXIT_DONE;
}

/* --- info/attributes --- */

/* Where our line begins in TEXT, or NULL. */
static const char *find_line(const char *text)
{
	const char *p = text;

	while ((p = strstr(p, LINE))) {
		if (p == text || p[-1] == '\n')
			return p;
		p++;
	}
	return NULL;
}

/* The file with or without our line, in FOLDER. */
static int replace(int folder, const char *text, size_t len, const char *at)
{
	const struct io *io = io_system();
	size_t line = sizeof(LINE) - 1, before = at ? (size_t)(at - text) : len;
	char *new;
	int error;

	if (at && len == line)
		return io_unlink(io, folder, NAME);
	new = malloc(len + line + 1);
	if (!new)
		return -ENOMEM;
	memcpy(new, text, before);
	if (at) {
		memcpy(new + before, at + line, len - before - line);
		len -= line;
	} else {
		if (len && text[len - 1] != '\n')
			new[len++] = '\n';
		memcpy(new + len, LINE, line);
		len += line;
	}
	error = io_replace_file(io, folder, ".", NAME, new, len, 0644);
	free(new);
	return error;
}

static int change_attributes(const struct repo *repo, bool install, bool *changed)
{
	const struct io *io = io_system();
	char *info = path_join(repo_common_dir(repo), "info");
	void *data = NULL;
	size_t len = 0;
	const char *at;
	int folder, error;

	if (!info)
		return -ENOMEM;
	if (install)
		io_mkdir(io, AT_FDCWD, info, 0777);
	free(info);
	folder = info_exclude_open(io, repo, true);
	if (folder < 0)
		return folder == -ENOENT && !install ? 0 : folder;
	error = io_read_file(io, folder, NAME, SIZE_MAX_READ, &data, &len);
	if (!error || error == -ENOENT) {
		at = data ? find_line(data) : NULL;
		error = 0;
		if (!at == install) {
			error = replace(folder, data ? data : "", len, at);
			*changed |= !error;
		}
	}
	free(data);
	io_close(io, folder);
	return error;
}

static int run(struct repo *repo, bool install, char **path, bool *changed)
{
	int error, status;

	*changed = false;
	*path = path_join(repo_common_dir(repo), "info/" NAME);
	if (!*path)
		return fail(EXIT_SYSTEM, "%s", error_text(-ENOMEM));
	/* A line that names drivers which are not there is harmless, and yet there is none at any moment. */
	status = install ? set_all(repo, changed) : EXIT_DONE;
	error = status ? 0 : change_attributes(repo, install, changed);
	if (error)
		status = fail(exit_code_of(error), "cannot change '%s': %s", shown(*path), error_text(error));
	if (!status && !install)
		status = unset_all(repo, changed);
	return status;
}

int drivers_install(struct repo *repo, char **path, bool *changed)
{
	return run(repo, true, path, changed);
}

int drivers_remove(struct repo *repo, char **path, bool *changed)
{
	return run(repo, false, path, changed);
}
