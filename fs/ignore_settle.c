#include "fs/ignore_settle.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cache/interrupt.h"
#include "fs/git/git_child.h"
#include "fs/ignore_line.h"
#include "fs/info_exclude.h"
#include "fs/instep.h"
#include "fs/tree.h"

#define FILE_SIZE_MAX ((size_t)16 << 20)
#define PATH_SIZE 65536

/* What info/exclude held at first. */
struct settling {
	const struct worktree *wt;
	struct source *source;
	const char *text;
	size_t len;
};

/* Whether the dataset ROOT has something at INSIDE: 1 or 0.  One that cannot be read may have. */
static int root_has(struct source *source, const struct id *root, const char *inside)
{
	const struct directory directory = {.id = *root, .is_root = true};
	struct entry_pin pin = {0};
	int error;

	if (!source || !*inside)
		return 1;
	error = tree_walk(source, &directory, inside, &pin);
	tree_unpin_entry(source, &pin);
	if (is_unanswered(error))
		return error;
	return error != -ENOENT && error != -ENOTDIR;
}

/* Whether what the work tree has at INSIDE may be a file of the dataset: 1 or 0. */
static int is_datasets(struct source *source, const struct instep *record, const char *inside)
{
	int answer = record->has_root ? root_has(source, &record->root, inside) : 0;

	if (!answer && record->has_checkout)
		answer = root_has(source, &record->checkout, inside);
	for (unsigned i = 0; !answer && i < record->before_count; i++)
		answer = root_has(source, &record->before[i], inside);
	return answer;
}

/* Whether files of the dataset PATH lie where git tracks others: 1 or 0. */
static int is_there(const struct settling *s, const char *path, const struct instep *record)
{
	const char *const args[] = {"--literal-pathspecs", "ls-files", "-o", "-z", "--", path, NULL};
	struct git_where where = *repo_where(s->wt->repo);
	size_t path_len = strlen(path);
	struct git_child child;
	int answer;
	ssize_t len = 0;
	char *line = malloc(PATH_SIZE);

	if (!line)
		return -ENOMEM;
	where.dir = repo_work_tree(s->wt->repo);
	answer = git_child_start(&child, &where, args, GIT_RUN_READING);
	if (answer) {
		free(line);
		return answer;
	}
	while (!answer && (len = git_child_line(&child, '\0', line, PATH_SIZE)) >= 0) {
		/* A repository of its own is told with a slash behind. */
		if (len && line[len - 1] == '/')
			line[len - 1] = '\0';
		answer = is_datasets(s->source, record, line[path_len] ? line + path_len + 1 : "");
	}
	if (!answer && len != -EPIPE)
		answer = (int)len;
	if (git_child_end(&child, answer != 0) && !answer)
		answer = -EIO;
	free(line);
	return answer;
}

static int settle_one(void *arg, const char *path, const struct instep *record)
{
	const struct settling *s = arg;
	char *line = ignore_line_format(path);
	bool excluded = line && ignore_line_has(s->text, s->len, line), in_index, in_head;
	struct pointer pointer;
	int answer;

	free(line);
	if (!excluded || worktree_pointer(s->wt, path, &pointer, NULL, NULL) != -ENOENT)
		return 0;
	answer = worktree_tracked(s->wt, NULL, path, &in_index, &in_head);
	if (answer || !in_index)
		return answer;
	answer = is_there(s, path, record);
	if (answer)
		return answer > 0 ? 0 : answer;
	return ignore_line_unexclude(s->wt, path);
}

int ignore_settle(const struct worktree *wt, struct source *source)
{
	int error = 0, info = info_exclude_open(wt->io, wt->repo, false);
	struct settling s = {.wt = wt, .source = source};
	void *text = NULL;
	struct stat st;

	if (info < 0)
		return info == -ENOENT ? 0 : info;
	if (io_stat(wt->io, info, "../worktrees", &st) == -ENOENT)
		error = io_read_file(wt->io, info, "exclude", FILE_SIZE_MAX, &text, &s.len);
	s.text = text;
	if (!error && text)
		error = instep_each(wt->io, wt->folder, settle_one, &s);
	free(text);
	io_close(wt->io, info);
	/* One that is a link is somebody's own, and kept. */
	return error == -ENOENT || error == -ELOOP || error == -EBADMSG ? 0 : error;
}
