#include "fs/remote/bundle.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct work {
	struct bundle *bundle;
	struct history history; /* of both: what since has is not met again */
	struct oid_set since;
	const atomic_bool *cancelled;
};

static bool is_cancelled(const struct work *w)
{
	return w->cancelled && atomic_load_explicit(w->cancelled, memory_order_relaxed);
}

/* What cannot be read, or is not here, counts as not there: it goes where it is wanted. */
static int take_have(void *arg, const char *path, const struct oid *oid, const struct pointer *pointer, int error)
{
	struct work *w = arg;

	(void)path;
	(void)oid;
	(void)error;
	if (is_cancelled(w))
		return -EINTR;
	if (!pointer)
		return 0;
	error = push_plan_root(&w->bundle->have, pointer);
	return error == -ENODATA || error == -EBADMSG || error == -ENOTSUP ? 0 : error;
}

static int take_wanted(void *arg, const char *path, const struct oid *oid, const struct pointer *pointer, int error)
{
	struct work *w = arg;

	(void)oid;
	if (is_cancelled(w))
		return -EINTR;
	if (pointer)
		error = push_plan_root(&w->bundle->plan, pointer);
	if (error && error != -EINTR && error != -ENOMEM)
		w->bundle->failed = strdup(path);
	return error;
}

static int each_since(void *arg, const struct oid *oid, const struct repo_commit *commit)
{
	struct work *w = arg;
	int error = oid_set_add(&w->since, oid);

	return error < 0 ? error : history_walk(&w->history, &commit->tree, take_have, w);
}

static int each_wanted(void *arg, const struct oid *oid, const struct repo_commit *commit)
{
	struct work *w = arg;

	if (oid_set_has(&w->since, oid))
		return 0;
	w->bundle->commits++;
	return history_walk(&w->history, &commit->tree, take_wanted, w);
}

int bundle_plan(struct bundle *bundle, struct repo *repo, struct store *store, const struct bundle_tips *tips,
                const atomic_bool *cancelled)
{
	struct work w = {.bundle = bundle, .history = {.repo = repo}, .cancelled = cancelled};
	int error = 0;

	bundle->have = (struct push_plan){.store = store, .to_nothing = true, .exact = true};
	bundle->plan = (struct push_plan){.store = store, .to_nothing = true, .have = &bundle->have};
	if (tips->since_count)
		error = repo_each_commit(repo, tips->since, tips->since_count, each_since, &w);
	if (!error)
		error = repo_each_commit(repo, tips->wanted, tips->wanted_count, each_wanted, &w);
	if (!error)
		error = push_plan_finish(&bundle->plan);
	history_release(&w.history);
	oid_set_release(&w.since);
	return error;
}

void bundle_release(struct bundle *bundle)
{
	push_plan_release(&bundle->have);
	push_plan_release(&bundle->plan);
	free(bundle->failed);
}
