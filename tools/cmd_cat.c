/*
 * revfs cat: files of revisions on stdout.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tools/commands.h"
#include "tools/output.h"
#include "tools/session.h"

/* How much of a run of zeros is written at once. */
#define ZEROS_SIZE (256u << 10)

/* An error of writing, so that it is not taken for one of reading. */
struct sink {
	int error;
};

static int write_piece(void *arg, const void *data, uint64_t len)
{
	static const char zeros[ZEROS_SIZE];
	struct sink *sink = arg;

	while (len > 0 && !sink->error) {
		size_t part = data || len < sizeof(zeros) ? (size_t)len : sizeof(zeros);
		sink->error = output_write(data ? data : zeros, part);
		len -= part;
	}
	return sink->error;
}

/* Symlinks are not followed, as in `git show`: what they hold is their target. */
static int write_link(struct session *s, const struct place *place, struct sink *sink)
{
	char target[PAGE_SYMLINK_MAX + 1];
	int ret = place_target(&s->world, place, target);

	return ret ? ret : write_piece(sink, target, strlen(target));
}

/* Git's reader writes by itself, so that a blob of any size passes through; its errors must be told apart here. */
static int write_blob(struct session *s, const struct oid *oid, struct sink *sink)
{
	sink->error = output_finish();
	if (sink->error)
		return sink->error;
	int ret = repo_blob_to_fd(s->repo, oid, STDOUT_FILENO);
	if (ret == -ENOSPC || ret == -EDQUOT || ret == -EFBIG || ret == -EBADF || ret == -EPIPE)
		sink->error = ret;
	return ret;
}

static int write_place(struct session *s, const struct place *place, struct sink *sink)
{
	switch (place->kind) {
	case PLACE_GIT_LINK:
	case PLACE_DATA_LINK:
		return write_link(s, place, sink);
	case PLACE_GIT_BLOB:
		return write_blob(s, &place->oid, sink);
	case PLACE_DATA_FILE:
		if (place->foreign)
			return -ENOTSUP;
		return content_each_piece(s->source, &place->content, write_piece, sink);
	case PLACE_BROKEN:
		return place->error;
	default:
		return -EISDIR;
	}
}

/* Write one target.  Returns an exit status; *ENDED where stdout takes no more. */
static int cat_one(struct session *s, const char *argument, bool *ended)
{
	struct sink sink = {0};
	struct target target;
	struct place place;
	int status = session_target(s, argument, &target);

	if (status)
		return status;
	status = session_place(s, &target, &place);
	if (status)
		goto out;
	int ret = write_place(s, &place, &sink);
	if (sink.error) {
		status = fail(exit_code_of(sink.error), "cannot write the output: %s", error_text(sink.error));
		*ended = true;
	} else if (ret == -EISDIR) {
		status = fail(EXIT_REFUSED,
		              "'%s' is a directory: 'revfs export' copies one, 'revfs archive' makes a tar of it",
		              target.name);
	} else if (ret) {
		status = session_unreadable(s, target.name, ret);
	}
out:
	target_release(&target);
	return status;
}

static int run(int argc, char **argv)
{
	static const struct option options[] = {{0}};
	struct outcome outcome = {0};
	struct session session;
	bool ended = false;
	int status;

	while (command_option(&command_cat, argc, argv, "", options) != -1)
		;
	if (optind == argc)
		return fail_usage("no file named");
	status = session_open(&session, SESSION_STORE);
	if (status)
		return status;
	for (int i = optind; i < argc && !ended; i++)
		outcome_add(&outcome, cat_one(&session, argv[i], &ended));
	session_close(&session);
	return ended ? outcome.failure : outcome_status(&outcome);
}

const struct command command_cat = {
    .name = "cat",
    .run = run,
    .usage = "revfs cat REV:PATH...",
    .summary = "write files of a revision to standard output",
};
