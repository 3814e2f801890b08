/*
 * Which repository a folder belongs to is a question with many rules (the environment, bare repositories, worktrees,
 * ceilings, owners, safe.directory), and they change: git answers it.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fs/git/repo_reader.h"

/* What is asked, a line of the answer each.  The last fails in a bare repository, after the others were answered. */
enum question {
	IS_SHALLOW,
	OBJECT_FORMAT,
	GIT_DIR,
	COMMON_DIR,
	INDEX_FILE,
	PREFIX,
	WORK_TREE,
	QUESTIONS,
};

#define QUESTION_WORDS 2
static const char *const questions[QUESTIONS][QUESTION_WORDS] = {
    [IS_SHALLOW] = {"--is-shallow-repository"}, [OBJECT_FORMAT] = {"--show-object-format"},
    [GIT_DIR] = {"--absolute-git-dir"},         [COMMON_DIR] = {"--git-common-dir"},
    [INDEX_FILE] = {"--git-path", "index"},     [PREFIX] = {"--show-prefix"},
    [WORK_TREE] = {"--show-toplevel"},
};

/* Ask for the questions FROM to TO - 1. */
static int ask(const char *dir, int from, int to, struct git_run *run)
{
	const struct git_where where = {.dir = dir};
	const char *args[3 + QUESTION_WORDS * QUESTIONS] = {"rev-parse", "--path-format=absolute"};
	size_t count = 2;

	for (int i = from; i < to; i++)
		for (int j = 0; j < QUESTION_WORDS && questions[i][j]; j++)
			args[count++] = questions[i][j];
	*run = (struct git_run){.where = &where, .args = args, .flags = GIT_RUN_READING | GIT_RUN_ENVIRONMENT};
	return git_run(run);
}

/* What git's refusal means. */
static int refusal(const char *message)
{
	static const struct {
		const char *text;
		int error;
	} known[] = {
	    {"not a git repository", -ENOENT}, {"dubious ownership", -EPERM},
	    {"unsafe repository", -EPERM},     {"cannot use bare repository", -EPERM},
	    {"Permission denied", -EACCES},    {"No such file or directory", -ENOENT},
	    {"bad config", -EBADMSG},
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
		if (strstr(message, known[i].text))
			return known[i].error;
	return -ENOTSUP;
}

static void release_answers(char *answers[QUESTIONS])
{
	for (int i = 0; i < QUESTIONS; i++)
		free(answers[i]);
	memset(answers, 0, QUESTIONS * sizeof(*answers));
}

/* Cut OUTPUT into one line for each answer.  Returns 0, -EAGAIN where lines and answers are not the same number. */
static int cut_answers(const char *output, char *answers[QUESTIONS])
{
	int count = 0;

	for (const char *end; (end = strchr(output, '\n')); output = end + 1) {
		if (count == QUESTIONS)
			return -EAGAIN;
		answers[count] = strndup(output, (size_t)(end - output));
		if (!answers[count++])
			return -ENOMEM;
	}
	return count < WORK_TREE || *output ? -EAGAIN : 0;
}

/* A path with a newline in it makes one answer look like two: ask one question at a time then. */
static int ask_singly(const char *dir, char *answers[QUESTIONS])
{
	struct git_run run;
	int r = 0;

	for (int i = 0; !r && i < QUESTIONS; i++) {
		r = ask(dir, i, i + 1, &run);
		if (!r && !run.status && run.output_len) {
			answers[i] = strndup(run.output, run.output_len - 1);
			if (!answers[i])
				r = -ENOMEM;
		} else if (!r && i != WORK_TREE) {
			r = -ENOTSUP;
		}
		git_run_release(&run);
	}
	return r;
}

static int ask_all(const char *dir, char *answers[QUESTIONS], char **message)
{
	struct git_run run;
	int r;

	r = ask(dir, 0, QUESTIONS, &run);
	if (r)
		goto out;
	if (run.status && !run.output_len) {
		r = refusal(git_run_message(&run));
		if (message)
			*message = strdup(git_run_message(&run));
		goto out;
	}
	r = cut_answers(run.output, answers);
	if (r == -EAGAIN) {
		release_answers(answers);
		r = ask_singly(dir, answers);
	}
out:
	git_run_release(&run);
	return r;
}

static bool is_set(const char *variable)
{
	const char *value = getenv(variable);

	return value && *value;
}

static int path_below(const char *folder, const char *name, char **path)
{
	if (asprintf(path, "%s/%s", folder, name) >= 0)
		return 0;
	*path = NULL;
	return -ENOMEM;
}

/* Whether git finds the repository again from the top of its work tree, with nothing in the environment. */
static bool is_found_from_work_tree(const struct repo_location *l)
{
	char *dot_git;
	bool found;

	if (is_set("GIT_DIR") || is_set("GIT_WORK_TREE") || is_set("GIT_COMMON_DIR") ||
	    path_below(l->work_tree, ".git", &dot_git))
		return false;
	found = !access(dot_git, F_OK);
	free(dot_git);
	return found;
}

static void set_wheres(struct repo_location *l)
{
	const char *objects = is_set("GIT_OBJECT_DIRECTORY") ? getenv("GIT_OBJECT_DIRECTORY") : NULL;
	const char *alternates =
	    is_set("GIT_ALTERNATE_OBJECT_DIRECTORIES") ? getenv("GIT_ALTERNATE_OBJECT_DIRECTORIES") : NULL;

	l->reading = (struct git_where){
	    .dir = l->work_tree ? l->work_tree : l->git_dir,
	    .git_dir = l->git_dir,
	    .common_dir = is_set("GIT_COMMON_DIR") ? l->common_dir : NULL,
	    .work_tree = l->work_tree,
	    .object_dir = objects ? l->objects : NULL,
	    .alternates = alternates,
	};
	l->user = l->reading;
	l->user.index_file = l->index_file;
	if (l->work_tree && is_found_from_work_tree(l))
		l->user.git_dir = l->user.work_tree = NULL;
}

/* Absolute, so that it means the same in a child that works elsewhere. */
static int find_objects(struct repo_location *l)
{
	if (!is_set("GIT_OBJECT_DIRECTORY"))
		return path_below(l->common_dir, "objects", &l->objects);
	l->objects = realpath(getenv("GIT_OBJECT_DIRECTORY"), NULL);
	return l->objects ? 0 : -errno;
}

static char *take(char **answer)
{
	char *taken = *answer;

	*answer = NULL;
	return taken;
}

int repo_discover(const char *dir, struct repo_location *l, char **message)
{
	char *answers[QUESTIONS] = {NULL};
	int r;

	memset(l, 0, sizeof(*l));
	if (message)
		*message = NULL;
	l->start = realpath(dir ? dir : ".", NULL);
	if (!l->start)
		return -errno;
	r = ask_all(l->start, answers, message);
	if (r)
		goto out;
	l->is_shallow = !strcmp(answers[IS_SHALLOW], "true");
	l->oid_len = !strcmp(answers[OBJECT_FORMAT], "sha256") ? 32 : 20;
	l->git_dir = take(&answers[GIT_DIR]);
	l->common_dir = take(&answers[COMMON_DIR]);
	l->prefix = take(&answers[PREFIX]);
	l->work_tree = take(&answers[WORK_TREE]);
	if (is_set("GIT_INDEX_FILE"))
		l->index_file = take(&answers[INDEX_FILE]);
	if (l->work_tree && !*l->work_tree) {
		free(l->work_tree);
		l->work_tree = NULL;
	}
	r = find_objects(l);
	if (!r)
		set_wheres(l);
out:
	release_answers(answers);
	if (r)
		repo_location_release(l);
	return r;
}

void repo_location_release(struct repo_location *l)
{
	free(l->git_dir);
	free(l->common_dir);
	free(l->work_tree);
	free(l->prefix);
	free(l->index_file);
	free(l->objects);
	free(l->start);
	memset(l, 0, sizeof(*l));
}
