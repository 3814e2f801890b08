/*
 * Reading Git by git: a `git cat-file --batch-command` that answers for objects, and commands for the rest.
 *
 * Whatever the installed git can open, this reads, and what a partial clone lacks git fetches while we wait.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fs/git/git_child.h"
#include "fs/git/repo_reader.h"

#define LINE_SIZE 8192

struct handle {
	const struct repo_location *location;
	unsigned flags;         /* enum git_run_flags of the child */
	struct git_child child; /* started when it is first needed */
};

static int open_with(const struct repo_location *location, unsigned flags, void **handle)
{
	struct handle *h = calloc(1, sizeof(*h));

	if (!h)
		return -ENOMEM;
	h->location = location;
	h->flags = GIT_RUN_READING | flags;
	*handle = h;
	return 0;
}

static int handle_open(const struct repo_location *location, void **handle)
{
	return open_with(location, 0, handle);
}

static int handle_open_held(const struct repo_location *location, void **handle)
{
	return open_with(location, GIT_RUN_NO_FETCH, handle);
}

static int handle_open_apart(const struct repo_location *location, void **handle)
{
	return open_with(location, GIT_RUN_APART | GIT_RUN_NO_QUESTIONS, handle);
}

static void handle_close(void *arg)
{
	struct handle *h = arg;

	git_child_end(&h->child, true);
	free(h);
}

/* Run git to its end.  A status of ABSENT (0: none) is -ENOENT, any other but 0 an error. */
static int run(struct handle *h, const char *const *args, int absent, struct git_run *run)
{
	int r;

	*run = (struct git_run){
	    .where = &h->location->reading,
	    .args = args,
	    .flags = GIT_RUN_READING | GIT_RUN_PASS_ERRORS,
	};
	r = git_run(run);
	if (!r && run->status)
		r = absent && run->status == absent ? -ENOENT : -EBADMSG;
	return r;
}

/* The next of the NUL-ended strings "key\nvalue". */
static void note_setting(const char *text, struct repo_settings *settings)
{
	const char *newline = strchr(text, '\n'), *value = newline ? newline + 1 : "true";
	size_t len = newline ? (size_t)(newline - text) : strlen(text);

	if (len == strlen("core.sharedrepository") && !memcmp(text, "core.sharedrepository", len)) {
		strncpy(settings->shared, value, sizeof(settings->shared) - 1);
		settings->shared[sizeof(settings->shared) - 1] = '\0';
	} else if (!strncmp(text, "extensions.", 11)) {
		settings->promisor = true;
	} else if (!strcasecmp(value, "true") || !strcasecmp(value, "yes") || !strcasecmp(value, "on") ||
	           !strcmp(value, "1")) {
		settings->promisor = true;
	}
}

static int read_settings(void *arg, struct repo_settings *settings)
{
	static const char *const args[] = {
	    "config", "-z", "--get-regexp",
	    "^(core\\.sharedrepository|extensions\\.partialclone|remote\\..*\\.promisor)$", NULL};
	struct handle *h = arg;
	struct git_run git;
	int r;

	memset(settings, 0, sizeof(*settings));
	r = run(h, args, 1, &git);
	for (size_t at = 0; !r && at < git.output_len; at += strlen(git.output + at) + 1)
		note_setting(git.output + at, settings);
	git_run_release(&git);
	return r == -ENOENT ? 0 : r;
}

/* git says "missing" of a loose object that is there and can't be expanded, too. */
static bool is_loose(const struct handle *h, const char *hex)
{
	char *path;
	bool found;

	if (asprintf(&path, "%s/%.2s/%s", h->location->objects, hex, hex + 2) < 0)
		return false;
	found = !access(path, F_OK);
	free(path);
	return found;
}

/* Send "VERB <id>" and receive the line "<id> <type> <size>" or "<id> missing". */
static int request(struct handle *h, const char *verb, const struct oid *oid, enum object_type *type, uint64_t *size)
{
	static const char *const args[] = {"cat-file", "--batch-command", NULL};
	char line[LINE_SIZE], hex[OID_HEX_MAX], *end, *rest;
	unsigned long long value;
	int len, r;

	if (!h->child.pid) {
		r = git_child_start(&h->child, &h->location->reading, args, h->flags);
		if (r)
			return r;
	}
	len = snprintf(line, sizeof(line), "%s %s\n", verb, oid_format(oid, hex));
	r = git_child_send(&h->child, line, (size_t)len);
	if (r)
		return r;
	len = (int)git_child_line(&h->child, '\n', line, sizeof(line));
	if (len == -EPIPE && (h->flags & GIT_RUN_NO_FETCH)) {
		/* A git that may not fetch what it lacks ends. */
		git_child_end(&h->child, true);
		return -ENOENT;
	}
	if (len < 0)
		return len;
	rest = strchr(line, ' ');
	if (!rest || strlen(hex) != (size_t)(rest - line) || memcmp(line, hex, strlen(hex)))
		return -EBADMSG;
	if (!strcmp(++rest, "missing"))
		return is_loose(h, hex) ? -EBADMSG : -ENOENT;
	end = strchrnul(rest, ' ');
	*type = object_type_of(rest, (size_t)(end - rest));
	if (*type == OBJECT_ANY || end[0] != ' ' || end[1] < '0' || end[1] > '9')
		return -EBADMSG;
	errno = 0;
	value = strtoull(end + 1, &end, 10);
	if (errno || *end)
		return -EBADMSG;
	*size = value;
	return 0;
}

static int read_header(void *arg, const struct oid *oid, enum object_type *type, uint64_t *size)
{
	struct handle *h = arg;

	if (oid->len != h->location->oid_len)
		return -ENOENT;
	return request(h, "info", oid, type, size);
}

static int read_object(void *arg, const struct oid *oid, size_t limit, struct object *object)
{
	struct handle *h = arg;
	uint64_t size;
	char *data;
	int r;

	if (oid->len != h->location->oid_len)
		return -ENOENT;
	r = request(h, "contents", oid, &object->type, &size);
	if (r)
		return r;
	data = size <= limit ? malloc(size + 1) : NULL;
	if (!data) {
		/* The answer is under way and nobody will take it. */
		git_child_end(&h->child, true);
		return size <= limit ? -ENOMEM : -EFBIG;
	}
	/* A newline ends the answer; its place is the NUL byte's. */
	r = git_child_receive(&h->child, data, size + 1);
	if (!r && data[size] != '\n')
		r = -EBADMSG;
	if (r) {
		free(data);
		return r;
	}
	data[size] = '\0';
	object->data = data;
	object->len = size;
	return 0;
}

static int each_prefixed(void *arg, const char *hex, size_t len, repo_each_oid_fn each, void *each_arg)
{
	struct handle *h = arg;
	char option[sizeof("--disambiguate=") + OID_HEX_MAX];
	const char *const args[] = {"rev-parse", option, NULL};
	struct git_run git;
	struct oid oid;
	const char *end;
	int r;

	snprintf(option, sizeof(option), "--disambiguate=%.*s", (int)len, hex);
	r = run(h, args, 0, &git);
	for (const char *p = git.output; !r && p && (end = strchr(p, '\n')); p = end + 1)
		r = oid_parse(p, (size_t)(end - p), &oid) ? -EBADMSG : each(each_arg, &oid);
	git_run_release(&git);
	return r;
}

/* "name NUL id NUL name of what it leads to" */
static int parse_ref(char *line, size_t len, struct repo_ref *ref)
{
	char *id = memchr(line, '\0', len), *symref;

	if (!id)
		return -EBADMSG;
	id++;
	symref = memchr(id, '\0', len - (size_t)(id - line));
	if (!symref || oid_parse(id, (size_t)(symref - id), &ref->target))
		return -EBADMSG;
	ref->name = line;
	ref->symbolic = symref[1] != '\0';
	return 0;
}

static int each_ref(void *arg, repo_each_ref_fn each, void *each_arg)
{
	static const char *const args[] = {"for-each-ref", "--format=%(refname)%00%(objectname)%00%(symref)", NULL};
	struct handle *h = arg;
	struct git_child child;
	char line[LINE_SIZE];
	struct repo_ref ref;
	ssize_t len;
	int r;

	r = git_child_start(&child, &h->location->reading, args, GIT_RUN_READING);
	if (r)
		return r;
	while (!r) {
		len = git_child_line(&child, '\n', line, sizeof(line));
		if (len < 0) {
			r = len == -EPIPE ? 0 : (int)len;
			break;
		}
		r = parse_ref(line, (size_t)len, &ref);
		if (!r)
			r = each(each_arg, &ref);
	}
	if (git_child_end(&child, r != 0) && !r)
		r = -EBADMSG;
	return r;
}

static int find_ref(void *arg, const char *name, struct oid *target)
{
	struct handle *h = arg;
	const char *const args[] = {"rev-parse", "--verify", "--quiet", name, NULL};
	struct git_run git;
	int r;

	r = run(h, args, 1, &git);
	if (!r && (!git.output_len || oid_parse(git.output, git.output_len - 1, target)))
		r = -EBADMSG;
	git_run_release(&git);
	return r;
}

const struct repo_reader_ops repo_reader_command = {
    .name = "git",
    .idle_max = 4,
    .refs_cost = true,
    .open = handle_open,
    .close = handle_close,
    .settings = read_settings,
    .header = read_header,
    .read = read_object,
    .each_prefixed = each_prefixed,
    .each_ref = each_ref,
    .ref = find_ref,
};

const struct repo_reader_ops repo_reader_held = {
    .name = "git",
    .idle_max = 4,
    .open = handle_open_held,
    .close = handle_close,
    .header = read_header,
    .read = read_object,
};

const struct repo_reader_ops repo_reader_apart = {
    .name = "git",
    .idle_max = 4,
    .open = handle_open_apart,
    .close = handle_close,
    .header = read_header,
};
