#include "tools/attach/given.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cache/codec.h"
#include "fs/attached.h"
#include "fs/dataset.h"
#include "tools/attach/upper_folder.h"
#include "tools/attached.h"
#include "tools/shown.h"
#include "tools/stop.h"

/* --- what one sees --- */

/* The message is that there are some. */
static void on_problem(void *arg, const char *path, enum problem problem, int error)
{
	(void)arg;
	(void)path;
	(void)problem;
	(void)error;
}

/* What fuse-overlayfs has taken may be still in the kernel's memory alone. */
static int flush(const struct attachment *attachment)
{
	char *place;
	int fd, error;

	if (attachment->dialect != LAYER_FUSE || attachment_is_mounted(attachment) != 1)
		return 0;
	place = attachment_place(attachment);
	fd = place ? io_open(io_system(), AT_FDCWD, place, O_RDONLY | O_DIRECTORY, 0) : -ENOMEM;
	free(place);
	if (fd < 0)
		return fd;
	error = syncfs(fd) ? -errno : 0;
	io_close(io_system(), fd);
	return error;
}

/* All that is there counts, also what snapshots leave out: it is in none of them. */
static int take_stock(struct attaching *a, const struct attached *attached, struct snapshot_result *result)
{
	struct snapshot_run run = {
	    .io = io_system(),
	    .jobs = 1,
	    .level = CODEC_LEVEL_DEFAULT,
	    .dry = true,
	    .outside_links = true,
	    .start = io_now(io_system()),
	    .cancelled = stop_flag(),
	    .problem = on_problem,
	};
	struct upper upper;
	int error = store_writer_open_dry(a->session.store, &run.writer);

	attached_upper(attached, &attached->attachment->base, &upper);
	if (error)
		return error;
	error = source_open(a->session.store, a->session.memory, run.writer, &run.source);
	if (!error) {
		source_set_fetch(run.source, remotes_find, a->session.remotes);
		error = upper_snapshot(&run, &upper, result);
		source_close(run.source);
	}
	stat_cache_writer_abort(error ? NULL : result->cache);
	store_writer_close(run.writer);
	return error;
}

/* --- whether it is recorded --- */

struct search {
	struct repo *repo;
	const char *path;
	const struct id *root;
};

static bool is_at(struct repo *repo, const struct oid *commit, const char *path, const struct id *root)
{
	struct repo_commit read;
	struct pointer pointer;
	bool is;

	if (repo_commit(repo, commit, &read))
		return false;
	is = !dataset_find(repo, &read.tree, path, &pointer) && !pointer.is_file && id_equal(&pointer.root, root);
	repo_commit_release(&read);
	return is;
}

static int look_at_commit(void *arg, const struct oid *commit)
{
	struct search *s = arg;

	if (atomic_load(stop_flag()))
		return -EINTR;
	return is_at(s->repo, commit, s->path, s->root);
}

static int look_at_ref(void *arg, const struct repo_ref *ref)
{
	struct search *s = arg;
	struct oid commit;

	if (ref->symbolic || repo_peel(s->repo, &ref->target, &commit))
		return 0;
	return look_at_commit(s, &commit);
}

/* 1, 0 or -errno. */
static int is_recorded(struct attaching *a, const char *path, const struct id *root)
{
	struct search s = {.repo = a->session.repo, .path = path, .root = root};
	struct pointer pointer;
	struct oid head;
	int answer;

	if (!worktree_pointer(&a->wt, path, &pointer, NULL, NULL) && id_equal(&pointer.root, root))
		return 1;
	if (!repo_ref(s.repo, "HEAD", &head) && is_at(s.repo, &head, path, root))
		return 1;
	answer = repo_each_ref(s.repo, look_at_ref, &s);
	return answer ? answer : repo_each_reflog_commit(s.repo, look_at_commit, &s);
}

static int find_changed(struct attaching *a, const struct attachment *attachment, struct given *given)
{
	struct snapshot_result result = {0};
	struct attached attached;
	struct id recorded;
	int error = attached_open(io_system(), a->git_dir, attachment, &attached), answer;

	if (error)
		return attached_unreadable(attachment, error);
	error = flush(attachment);
	if (!error)
		error = take_stock(a, &attached, &result);
	attached_close(io_system(), &attached);
	if (error == -EINTR)
		return stop_status();
	if (error == -ESTALE || error == -ENODATA || error == -EBADMSG || error == -ENOTSUP)
		return session_unreadable(&a->session, attachment->path, error == -ESTALE ? -ENODATA : error);
	if (error)
		return attached_unreadable(attachment, error);
	given->problems = result.problems;
	if (result.problems)
		return EXIT_DONE;
	given->pointer = result.pointer;
	given->counts = result.counts;
	given->is_base = id_equal(&result.pointer.root, &attachment->base.root);
	given->is_unchanged = !given_recorded(a, attachment, &recorded) && id_equal(&recorded, &result.pointer.root);
	answer = given->is_base ? 1 : is_recorded(a, attachment->path, &result.pointer.root);
	given->is_recorded = answer == 1;
	return answer < 0 ? fail(exit_code_of(answer), "cannot look for '%s' in the history: %s",
	                         shown(attachment->path), error_text(answer))
	                  : EXIT_DONE;
}

int given_find(struct attaching *a, const struct attachment *attachment, struct given *given)
{
	int empty = upper_folder_is_empty(attachment->folder), dropped = upper_folder_is_dropped(attachment->folder);
	struct id recorded;

	*given = (struct given){.pointer = attachment->base, .is_base = true, .is_recorded = true};
	if (dropped == 1 || empty == 1) {
		given->is_unchanged = dropped == 1 || (!given_recorded(a, attachment, &recorded) &&
		                                       id_equal(&recorded, &attachment->base.root));
		return EXIT_DONE;
	}
	given->is_base = given->is_recorded = false;
	return empty < 0 ? attached_unreadable(attachment, empty) : find_changed(a, attachment, given);
}

int given_recorded(struct attaching *a, const struct attachment *attachment, struct id *root)
{
	struct attached attached;
	int error = attached_open(io_system(), a->git_dir, attachment, &attached);

	*root = attachment->base.root;
	/* Without a folder nothing was written, or all of that is gone. */
	if (error)
		return error == -ENOENT ? 0 : error;
	if (attached.record.has_root)
		*root = attached.record.root;
	attached_close(io_system(), &attached);
	return 0;
}
