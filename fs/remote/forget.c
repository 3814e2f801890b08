#include "fs/remote/forget.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cache/id_set.h"
#include "cache/wire.h"
#include "fs/git/oid_set.h"
#include "fs/history.h"

struct search {
	struct forget *forget;
	struct history history; /* of what is forgotten, then of what is kept */
	struct oid_set forgotten, kept;
	struct id_set found; /* roots */
	struct buffer roots; /* struct id: the same */
	struct id_set used;  /* roots of what is kept */
};

/* Remember the path that cannot be read. */
static int blame(struct search *s, const char *path, int error)
{
	if (error != -ENOMEM && !s->forget->blamed)
		s->forget->blamed = strdup(path);
	return error;
}

static int take_forgotten(void *arg, const char *path, const struct oid *oid, const struct pointer *pointer, int error)
{
	struct search *s = arg;

	(void)oid;
	if (!pointer)
		return blame(s, path, error);
	error = id_set_add(&s->found, &pointer->root);
	if (error > 0)
		buffer_append(&s->roots, &pointer->root, sizeof(pointer->root));
	return s->roots.failed ? -ENOMEM : error < 0 ? error : 0;
}

static int take_kept(void *arg, const char *path, const struct oid *oid, const struct pointer *pointer, int error)
{
	struct search *s = arg;

	(void)oid;
	if (!pointer)
		return blame(s, path, error);
	error = id_set_add(&s->used, &pointer->root);
	return error < 0 ? error : 0;
}

static int visit_forgotten(void *arg, const struct oid *oid, const struct repo_commit *commit)
{
	struct search *s = arg;
	int error = oid_set_add(&s->forgotten, oid);

	return error < 0 ? error : history_walk(&s->history, &commit->tree, take_forgotten, s);
}

static int visit_kept(void *arg, const struct oid *oid, const struct repo_commit *commit)
{
	struct search *s = arg;

	if (oid_set_has(&s->forgotten, oid) && !oid_set_has(&s->kept, oid))
		return 0;
	return history_walk(&s->history, &commit->tree, take_kept, s);
}

static int search(struct search *s)
{
	struct forget *f = s->forget;
	int error = repo_each_commit(f->repo, f->tips, f->tips_count, visit_forgotten, s);

	history_release(&s->history);
	s->history = (struct history){.repo = f->repo};
	for (size_t i = 0; i < f->kept_count && error >= 0; i++)
		error = oid_set_add(&s->kept, &f->kept[i]);
	return error < 0 ? error : repo_each_commit(f->repo, f->kept, f->kept_count, visit_kept, s);
}

int forget_find(struct forget *f, struct id **roots, size_t *count)
{
	struct search s = {.forget = f, .history = {.repo = f->repo}};
	int error = search(&s);
	struct id *found = (struct id *)(void *)s.roots.data;
	size_t n = 0;

	for (size_t i = 0; i < s.roots.len / sizeof(*found); i++) {
		if (!id_set_has(&s.used, &found[i]))
			found[n++] = found[i];
	}
	if (error) {
		buffer_release(&s.roots);
	} else {
		*roots = found; /* the caller's now, and free() takes it */
		*count = n;
	}
	history_release(&s.history);
	oid_set_release(&s.forgotten);
	oid_set_release(&s.kept);
	id_set_release(&s.found);
	id_set_release(&s.used);
	return error;
}
