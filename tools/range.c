#include "tools/range.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tools/command.h"

int range_split(int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		if (strcmp(argv[i], "--") == 0)
			return i;
	return argc;
}

static int add_revision(struct session *s, const char *text, size_t most, struct range *range)
{
	if (range->count == most)
		return fail_usage("'%s': %s", text, most == 2 ? "more than two revisions" : "more than one revision");
	return session_revision(s, text, &range->commits[range->count++]);
}

/* A..B, either of which may be left out and is HEAD then. */
static int add_both(struct session *s, const char *text, size_t most, struct range *range)
{
	const char *dots = strstr(text, "..");
	char *first;
	int status;

	if (dots[2] == '.')
		return fail_usage("'%s': three dots are not understood; 'A..B' compares A with B", text);
	first = strndup(text, (size_t)(dots - text));
	if (!first)
		return fail(EXIT_SYSTEM, "%s", error_text(-ENOMEM));
	status = add_revision(s, *first ? first : "HEAD", most, range);
	free(first);
	return status ? status : add_revision(s, dots[2] ? dots + 2 : "HEAD", most, range);
}

static bool is_revision(struct session *s, const char *text)
{
	struct revision revision;

	return *text && revision_resolve(s->repo, text, &revision) == 0;
}

/* Take one argument that may be a revision; *IS_PATH where it is none, and a path. */
static int take(struct session *s, const char *text, bool sure, size_t most, struct range *range, bool *is_path)
{
	bool names_revision = is_revision(s, text);

	*is_path = false;
	if (!names_revision && most == 2 && strstr(text, "..") && !session_is_path(s, text))
		return add_both(s, text, most, range);
	if (sure || !session_is_path(s, text))
		return add_revision(s, text, most, range);
	if (names_revision)
		return fail(EXIT_USAGE,
		            "'%s' is both a revision and a path: write '%s --' for the revision, '-- %s' for the path",
		            text, text, text);
	*is_path = true;
	return EXIT_DONE;
}

struct paths {
	char **list;
	size_t count;
};

static int add_path(struct session *s, const char *typed, struct paths *paths)
{
	int status = session_work_path(s, typed, &paths->list[paths->count]);

	if (!status)
		paths->count++;
	return status;
}

int range_parse(struct session *s, char *const *arguments, size_t count, char *const *paths, size_t paths_count,
                size_t most, struct range *range)
{
	struct paths all = {calloc(count + paths_count + 1, sizeof(char *)), 0};
	bool is_path = false;
	int status = EXIT_DONE;

	memset(range, 0, sizeof(*range));
	if (!all.list)
		return fail(EXIT_SYSTEM, "%s", error_text(-ENOMEM));
	for (size_t i = 0; !status && i < count; i++) {
		if (!is_path)
			status = take(s, arguments[i], paths != NULL, most, range, &is_path);
		if (!status && is_path)
			status = add_path(s, arguments[i], &all);
	}
	for (size_t i = 0; !status && i < paths_count; i++)
		status = add_path(s, paths[i], &all);
	if (!status && path_limits_init(&range->limits, (const char *const *)all.list, all.count))
		status = fail(EXIT_SYSTEM, "%s", error_text(-ENOMEM));
	for (size_t i = 0; i < all.count; i++)
		free(all.list[i]);
	free(all.list);
	return status;
}

void range_release(struct range *range)
{
	path_limits_release(&range->limits);
}
