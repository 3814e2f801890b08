#include "fs/ignore_line.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cache/wire.h"
#include "fs/git/git.h"
#include "fs/info_exclude.h"

#define IGNORE_NAME ".gitignore"
#define IGNORE_SIZE_MAX ((size_t)16 << 20)

/* The text of a malloc'ed buffer, NUL-terminated; NULL where memory ran out. */
static char *buffer_text(struct buffer *b)
{
	buffer_put8(b, 0);
	if (!b->failed)
		return (char *)b->data;
	buffer_release(b);
	return NULL;
}

char *ignore_line_format(const char *path)
{
	size_t len = strlen(path), blanks = len;
	struct buffer line = {0};

	while (blanks && path[blanks - 1] == ' ')
		blanks--;
	buffer_put8(&line, '/');
	for (size_t i = 0; i < len; i++) {
		if (path[i] == '\n' || path[i] == '\r') {
			buffer_put8(&line, '?');
			continue;
		}
		if (strchr("*?[\\", path[i]) || i >= blanks)
			buffer_put8(&line, '\\');
		buffer_put8(&line, (uint8_t)path[i]);
	}
	return buffer_text(&line);
}

/* The length of the line that TEXT begins with, without its end; *NEXT is where the next one begins. */
static size_t line_length(const char *text, size_t len, size_t *next)
{
	const char *end = memchr(text, '\n', len);
	size_t line = end ? (size_t)(end - text) : len;

	*next = end ? line + 1 : len;
	if (line && text[line - 1] == '\r')
		line--;
	return line;
}

bool ignore_line_has(const char *text, size_t len, const char *line)
{
	size_t want = strlen(line), next;

	for (; len; text += next, len -= next) {
		if (line_length(text, len, &next) == want && !memcmp(text, line, want))
			return true;
	}
	return false;
}

/* The folder of PATH with its slash, "" for the root: a length. */
static size_t folder_length(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? (size_t)(slash - path) + 1 : 0;
}

/* Whether LINE is that of a dataset in the folder of PATH. */
static bool is_ours(const char *line, size_t len, const char *path, const char *const *datasets)
{
	size_t folder = folder_length(path);

	for (; *datasets; datasets++) {
		char *own;
		bool same;

		if (folder_length(*datasets) != folder || memcmp(*datasets, path, folder))
			continue;
		own = ignore_line_format(*datasets + folder);
		same = own && strlen(own) == len && !memcmp(own, line, len);
		free(own);
		if (same)
			return true;
	}
	return false;
}

/* Append the lines of TEXT that are not ours, each with a newline. */
static void foreign_lines(const char *text, size_t len, const char *path, const char *const *datasets,
                          struct buffer *out)
{
	size_t next;

	for (; len; text += next, len -= next) {
		size_t line = line_length(text, len, &next);

		if (is_ours(text, line, path, datasets))
			continue;
		buffer_append(out, text, line);
		buffer_put8(out, '\n');
	}
}

/* The .gitignore in the work tree; empty where there is none. */
static int read_present(const struct worktree *wt, const char *path, char **text, size_t *len)
{
	const char *name;
	int fd = worktree_open_parent(wt, path, false, &name), error;
	struct stat st;
	void *data;

	*text = NULL;
	*len = 0;
	if (fd < 0)
		return fd == -ENOENT ? 0 : fd;
	error = io_stat(wt->io, fd, name, &st);
	if (!error && !S_ISREG(st.st_mode))
		error = -ELOOP;
	if (!error)
		error = io_read_file(wt->io, fd, name, IGNORE_SIZE_MAX, &data, len);
	io_close(wt->io, fd);
	if (error)
		return error == -ENOENT ? 0 : error;
	*text = data;
	return 0;
}

static int read_blob(const struct worktree *wt, const struct oid *oid, char **text, size_t *len)
{
	void *data;
	int error = repo_blob(wt->repo, oid, IGNORE_SIZE_MAX, &data, len);

	if (!error)
		*text = data;
	return error;
}

static int read_index(const struct worktree *wt, const char *path, char **text, size_t *len)
{
	const char *const paths[] = {path, NULL};
	struct index_entry *entries;
	size_t count;
	int error = worktree_index(wt, paths, &entries, &count);

	*text = NULL;
	*len = 0;
	if (error)
		return error;
	if (count == 1 && !strcmp(entries[0].path, path) && !entries[0].unmerged)
		error = read_blob(wt, &entries[0].oid, text, len);
	worktree_index_free(entries, count);
	return error;
}

static int read_head(const struct worktree *wt, const struct oid *tree, const char *path, char **text, size_t *len)
{
	struct oid oid;
	uint32_t mode;
	int error = tree ? repo_tree_walk(wt->repo, tree, path, &oid, &mode) : -ENOENT;

	*text = NULL;
	*len = 0;
	if (!error && (mode & 0170000) == 0100000)
		error = read_blob(wt, &oid, text, len);
	return error == -ENOENT || error == -ENOTDIR ? 0 : error;
}

/* Ask git, in the work tree FOLDER with nothing but a .gitignore, whether TEXT as .gitignore ignores NAME by the line
 * LINE. */
static int ask_git(const struct worktree *wt, const char *folder, const char *name, const char *line)
{
	const char *args[] = {"check-ignore", "-v", "-z", "--no-index", "--stdin", NULL};
	struct git_where where = *repo_where(wt->repo);
	struct git_run run = {.where = &where, .args = args, .flags = GIT_RUN_READING};
	const char *source, *number, *pattern;
	char *path;
	int error;

	/* A dot in front keeps a colon from being pathspec magic. */
	if (asprintf(&path, "./%s", name) < 0)
		return -ENOMEM;
	run.input = path;
	run.input_len = strlen(path) + 1;
	where.git_dir = repo_git_dir(wt->repo);
	where.work_tree = where.dir = folder;
	error = git_run(&run);
	if (!error && run.status)
		error = run.status == 1 ? -EINVAL : -EIO;
	if (!error) {
		/* source, line number, pattern, path; each with a NUL byte */
		source = run.output;
		number = source + strlen(source) + 1;
		pattern = number < source + run.output_len ? number + strlen(number) + 1 : "";
		error = !strcmp(source, IGNORE_NAME) && !strcmp(pattern, line) ? 0 : -EINVAL;
	}
	free(path);
	git_run_release(&run);
	return error;
}

static int try_line(const struct worktree *wt, const char *name, const char *line, const char *text, size_t len)
{
	const char *top = getenv("TMPDIR");
	int error = -ENOMEM, at = -1, fd = -1;
	char *folder;

	if (asprintf(&folder, "%s/revfs-XXXXXX", top && *top == '/' ? top : "/tmp") < 0)
		return -ENOMEM;
	if (!mkdtemp(folder)) {
		error = -errno;
		free(folder);
		return error;
	}
	at = io_open(wt->io, AT_FDCWD, folder, O_RDONLY | O_DIRECTORY, 0);
	fd = at < 0 ? at : io_open(wt->io, at, IGNORE_NAME, O_WRONLY | O_CREAT | O_EXCL, 0600);
	error = fd < 0 ? fd : io_write_exact(wt->io, fd, text, len, 0);
	io_close(wt->io, fd);
	if (!error)
		error = ask_git(wt, folder, name, line);
	if (at >= 0)
		io_unlink(wt->io, at, IGNORE_NAME);
	io_close(wt->io, at);
	rmdir(folder);
	free(folder);
	return error;
}

/* TEXT with LINE behind it, behind a final newline. */
static int append_line(const char *text, size_t len, const char *line, struct buffer *out)
{
	buffer_append(out, text ? text : "", len);
	if (len && text[len - 1] != '\n')
		buffer_put8(out, '\n');
	buffer_append(out, line, strlen(line));
	buffer_put8(out, '\n');
	return out->failed ? -ENOMEM : 0;
}

/* Whether the file has edits, but for lines of ours, that are not in the index. */
static int check_edits(const struct worktree *wt, const char *path, const char *const *datasets, const char *text,
                       size_t len, const char *ignore_path)
{
	struct buffer present = {0}, staged = {0};
	char *index;
	size_t index_len;
	int error = read_index(wt, ignore_path, &index, &index_len);

	if (error)
		return error;
	foreign_lines(text, len, path, datasets, &present);
	foreign_lines(index, index_len, path, datasets, &staged);
	if (present.failed || staged.failed)
		error = -ENOMEM;
	else if (present.len != staged.len || (present.len && memcmp(present.data, staged.data, present.len)))
		error = -EBUSY;
	buffer_release(&present);
	buffer_release(&staged);
	free(index);
	return error;
}

static int plan_line(const struct worktree *wt, const struct oid *tree, const char *path, const char *const *datasets,
                     const char *line, struct ignore_plan *plan)
{
	const char *name = path + folder_length(path);
	struct buffer text = {0};
	char *head = NULL;
	size_t head_len;
	bool present;
	int error;

	error = read_present(wt, plan->path, &plan->text, &plan->len);
	if (!error)
		error = read_head(wt, tree, plan->path, &head, &head_len);
	if (error)
		goto out;
	plan->stage = !ignore_line_has(head, head_len, line);
	present = ignore_line_has(plan->text, plan->len, line) && !try_line(wt, name, line, plan->text, plan->len);
	if (present && !plan->stage)
		goto out;
	error = check_edits(wt, path, datasets, plan->text, plan->len, plan->path);
	if (error || present)
		goto out;
	error = append_line(plan->text, plan->len, line, &text);
	if (!error)
		error = try_line(wt, name, line, (const char *)text.data, text.len);
	if (error)
		goto out;
	free(plan->text);
	plan->text = (char *)text.data;
	plan->len = text.len;
	text = (struct buffer){0};
	plan->write = plan->stage = true;
out:
	buffer_release(&text);
	free(head);
	return error;
}

int ignore_line_plan(const struct worktree *wt, const struct oid *tree, const char *path, const char *const *datasets,
                     struct ignore_plan *plan)
{
	size_t folder = folder_length(path);
	char *line = ignore_line_format(path + folder);
	int error = -ENOMEM;

	*plan = (struct ignore_plan){0};
	if (line && asprintf(&plan->path, "%.*s" IGNORE_NAME, (int)folder, path) < 0)
		plan->path = NULL;
	if (line && plan->path)
		error = plan_line(wt, tree, path, datasets, line, plan);
	if (error)
		ignore_plan_release(plan);
	free(line);
	return error;
}

void ignore_plan_release(struct ignore_plan *plan)
{
	free(plan->path);
	free(plan->text);
	*plan = (struct ignore_plan){0};
}

int ignore_plan_write(const struct worktree *wt, const struct ignore_plan *plan)
{
	return plan->write ? worktree_write_file(wt, plan->path, plan->text, plan->len) : 0;
}

/* TEXT without LINE. */
static int remove_line(const char *text, size_t len, const char *line, struct buffer *out)
{
	size_t want = strlen(line), next;

	for (; len; text += next, len -= next) {
		if (line_length(text, len, &next) != want || memcmp(text, line, want))
			buffer_append(out, text, next);
	}
	return out->failed ? -ENOMEM : 0;
}

/* Whether the commit HEAD has PATH; what cannot be read counts as no. */
static bool head_tracks(const struct worktree *wt, const char *path)
{
	struct oid oid;
	uint32_t mode;

	return !repo_head_walk(wt->repo, path, &oid, &mode);
}

int ignore_line_exclude(const struct worktree *wt, const char *path)
{
	char *line;
	int error;

	/* What Git tracks is Git's: new files beside it are to be seen. */
	if (head_tracks(wt, path))
		return 0;
	error = asprintf(&line, "/%s", path) < 0 ? -ENOMEM : 0;
	if (error)
		return error;
	error = info_exclude_add(wt->repo, line, false);
	free(line);
	return error;
}

/* INFO is the folder that holds it. */
static int remove_from_exclude(const struct worktree *wt, int info, const char *line)
{
	struct buffer out = {0};
	void *text = NULL;
	size_t len = 0;
	int error = io_read_file(wt->io, info, "exclude", IGNORE_SIZE_MAX, &text, &len);

	if (error)
		return error == -ENOENT ? 0 : error;
	if (ignore_line_has(text, len, line)) {
		error = remove_line(text, len, line, &out);
		if (!error)
			error = worktree_replace_file(wt, info, "exclude", out.data, out.len);
	}
	buffer_release(&out);
	free(text);
	return error;
}

int ignore_line_unexclude(const struct worktree *wt, const char *path)
{
	int error, info = info_exclude_open(wt->io, wt->repo, true);
	char *line;

	if (info < 0)
		return info == -ENOENT ? 0 : info;
	line = ignore_line_format(path);
	error = line ? remove_from_exclude(wt, info, line) : -ENOMEM;
	free(line);
	io_close(wt->io, info);
	return error;
}
