/*
 * The end of a push: the roots; and, once they are there, a look at them, and at what a collection took meanwhile.
 */
#include <errno.h>
#include <stdlib.h>

#include "fs/remote/push_inside.h"

/* Tasks, by number: each root is put; what is condemned is read; each root is looked at. */
struct roots {
	struct pushes *all;
	size_t count;
	size_t *numbers; /* 0, 1, 2, ... of the roots */
	bool *were_put;
};

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
	return p->request->dry ? 0 : push_put(p, path, &body, error == -EBADMSG);
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

	*list = r->numbers;
	if (number <= r->count)
		return number < r->count ? 0 : r->count;
	*list += number - r->count - 1;
	return 1;
}

static int work(void *arg, unsigned thread, size_t number)
{
	struct roots *r = arg;
	struct push *p = &r->all->of[thread];
	const struct push_root *roots = p->plan->roots;
	const size_t looked_at = number - r->count - 1;
	int error = push_is_cancelled(p) ? -EINTR : 0;

	if (!error && number < r->count)
		error = put_root(p, &roots[number], &r->were_put[number]);
	else if (!error && number == r->count)
		r->all->collected = look_for_collections(p);
	else if (!error && r->were_put[looked_at])
		error = look_at_root(p, &roots[looked_at]);
	return r->all->errors[thread] = error;
}

int push_roots(struct pushes *all, unsigned threads)
{
	const size_t count = all->of[0].plan->roots_count;
	struct roots r = {
	    .all = all,
	    .count = count,
	    .numbers = calloc(count + 1, sizeof(*r.numbers)),
	    .were_put = calloc(count + 1, sizeof(*r.were_put)),
	};
	const struct push_crew crew = {
	    .threads = threads, .count = 2 * count + 1, .before = before, .work = work, .arg = &r};
	int error = -ENOMEM;

	if (r.numbers && r.were_put) {
		for (size_t i = 0; i < count; i++)
			r.numbers[i] = i;
		error = push_crew_run(&crew);
	}
	free(r.numbers);
	free(r.were_put);
	return error;
}
