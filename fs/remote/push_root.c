/*
 * The end of a push: the roots, and a look at the last packs; and, once they are there, a look at them, and at what a
 * collection took meanwhile.
 */
#include <errno.h>
#include <stdlib.h>

#include "fs/remote/push_inside.h"

/* Tasks, by number: each of some packs is looked at; each root is put; what is condemned is read; each root is looked
 * at. */
struct roots {
	struct pushes *all;
	size_t *packs;
	size_t packs_count;
	size_t count;
	size_t *puts; /* the numbers of the tasks that put them */
	bool *were_put;
};

static int look_at_pack(struct push *p, const struct push_pack *pack)
{
	struct remote_body body = {.data = NULL};
	char path[REMOTE_PATH_SIZE];
	int error;

	push_at(p, remote_store_pack_path(&pack->id, "", path));
	body.fd = io_open_regular(p->io, store_dirfd(p->plan->store), path, &body.len);
	if (body.fd < 0)
		return body.fd;
	error = push_look(p, path, &body);
	io_close(p->io, body.fd);
	if (!error)
		push_tell(p, 1, body.len);
	return error;
}

/* A root is never overwritten, unless what is there is no root. */
static int put_root(struct push *p, const struct push_root *root, bool *was_put)
{
	const struct remote_body body = {.data = root->file, .len = root->len};
	char path[REMOTE_PATH_SIZE];
	struct record record;
	int error;

	if (!root->file)
		return 0;
	remote_store_root_path(&root->id, path);
	error = p->plan->to_nothing ? -ENOENT : remote_store_read_root(p->plan->to, &root->id, &record);
	if (!error) {
		free(record.data);
		return 0;
	}
	if (error != -ENOENT && error != -EBADMSG)
		return error;
	p->result->roots++;
	*was_put = true;
	if (p->request->dry)
		return 0;
	error = push_put(p, path, &body, error == -EBADMSG);
	return error < 0 ? error : 0;
}

static int look_at_root(struct push *p, const struct push_root *root)
{
	const struct remote_body body = {.data = root->file, .len = root->len};
	char path[REMOTE_PATH_SIZE];
	struct record record;
	int error = 0;

	if (!p->request->dry) {
		push_at(p, remote_store_root_path(&root->id, path));
		error = push_look(p, path, &body);
	}
	/* Another's, with other labels: as good. */
	if (error == -EBADMSG) {
		error = remote_store_read_root(p->plan->to, &root->id, &record);
		if (!error)
			free(record.data);
	}
	if (!error)
		push_tell(p, 0, root->len);
	return error;
}

/* Whether a collection there left alone what the plan relies on. */
static int look_for_collections(const struct push *p)
{
	const uint64_t since_ns = p->request->since_ns;
	struct remote_condemned fresh;
	int error;

	if (!since_ns || p->request->dry)
		return 0;
	error = remote_condemned_read(p->to, &fresh);
	if (error)
		return error;
	if (push_plan_is_hit(p->plan, &fresh) ||
	    io_monotonic_ns(p->io) - since_ns > PUSH_TIME_MAX_S * UINT64_C(1000000000))
		error = -EAGAIN;
	remote_condemned_release(&fresh);
	return error;
}

static size_t before(void *arg, size_t number, const size_t **list)
{
	const struct roots *r = arg;
	const size_t condemned = r->packs_count + r->count;

	if (number < condemned)
		return 0;
	*list = number == condemned ? r->puts : &r->puts[number - condemned - 1];
	return number == condemned ? r->count : 1;
}

static int work(void *arg, unsigned thread, size_t number)
{
	struct roots *r = arg;
	struct push *p = &r->all->of[thread];
	const struct push_root *roots = p->plan->roots;
	const size_t condemned = r->packs_count + r->count, root = number - r->packs_count,
		     seen = number - condemned - 1;
	int error = 0;

	if (push_is_cancelled(p))
		error = -EINTR;
	else if (number < r->packs_count)
		error = look_at_pack(p, &p->plan->packs[r->packs[number]]);
	else if (number < condemned)
		error = put_root(p, &roots[root], &r->were_put[root]);
	else if (number == condemned)
		r->all->collected = look_for_collections(p);
	else if (r->were_put[seen])
		error = look_at_root(p, &roots[seen]);
	return r->all->errors[thread] = error;
}

int push_roots(struct pushes *all, unsigned threads)
{
	const struct push_plan *plan = all->of[0].plan;
	const size_t count = plan->roots_count;
	struct roots r = {
	    .all = all,
	    .packs = calloc(plan->packs_count + 1, sizeof(*r.packs)),
	    .count = count,
	    .puts = calloc(count + 1, sizeof(*r.puts)),
	    .were_put = calloc(count + 1, sizeof(*r.were_put)),
	};
	struct push_crew crew = {.threads = threads, .before = before, .work = work, .arg = &r};
	int error = -ENOMEM;

	if (r.packs && r.puts && r.were_put) {
		for (size_t i = 0; i < plan->packs_count; i++) {
			if (all->unseen[i])
				r.packs[r.packs_count++] = i;
		}
		for (size_t i = 0; i < count; i++)
			r.puts[i] = r.packs_count + i;
		crew.count = r.packs_count + 2 * count + 1;
		error = push_crew_run(&crew);
	}
	free(r.packs);
	free(r.puts);
	free(r.were_put);
	return error;
}
