#include "fs/remote/remote_roots.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cache/wire.h"

static int compare_roots(const void *a, const void *b)
{
	const struct remote_root *x = a, *y = b;

	return id_cmp(&x->id, &y->id);
}

static int note_root(void *arg, const char *path, const struct remote_stat *st)
{
	struct remote_root root = {.size = st->size};
	const char *name = strrchr(path, '/');
	struct buffer *roots = arg;

	name = name ? name + 1 : path;
	if (id_parse(name, strlen(name), &root.id) < 0)
		return 0;
	buffer_append(roots, &root, sizeof(root));
	return roots->failed ? -ENOMEM : 0;
}

int remote_roots_list(struct remote *remote, const struct remote_condemned *condemned, struct remote_roots *roots)
{
	struct buffer found = {0};
	int error = remote_list(remote, "roots", note_root, &found);

	if (error) {
		buffer_release(&found);
		return error;
	}
	roots->items = (struct remote_root *)(void *)found.data;
	roots->count = found.len / sizeof(*roots->items);
	if (roots->count)
		qsort(roots->items, roots->count, sizeof(*roots->items), compare_roots);
	for (size_t i = 0; i < roots->count; i++) {
		const struct condemned key = {.is_root = true, .root = roots->items[i].id};
		const struct condemned *item = remote_condemned_find(condemned, &key);

		roots->items[i].condemned = item;
		roots->items[i].since = item ? item->since : 0;
	}
	return 0;
}

const struct remote_root *remote_roots_find(const struct remote_roots *roots, const struct id *id)
{
	const struct remote_root key = {.id = *id};

	return roots->count ? bsearch(&key, roots->items, roots->count, sizeof(key), compare_roots) : NULL;
}

void remote_roots_release(struct remote_roots *roots)
{
	free(roots->items);
	*roots = (struct remote_roots){0};
}
