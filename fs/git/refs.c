#include "fs/git/refs.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "cache/checksum.h"
#include "cache/interrupt.h"
#include "cache/io.h"
#include "fs/name.h"

/* Which of several refs of one name is meant: the smallest. */
enum refs_rank { RANK_TAG, RANK_BRANCH, RANK_REMOTE, RANK_HEAD };

struct refs_name {
	char *name;
	struct oid target; /* as the ref says it, not peeled */
	uint8_t rank;
	bool hidden; /* a tag that leads to no commit; kept so that it need not be asked again */
};

/* A picture of one moment; immutable once it is current. */
struct refs_list {
	unsigned users; /* under the lock */
	size_t count;
	size_t capacity;
	struct refs_name *names; /* by name, then rank */
	struct timespec changed;
};

struct refs {
	struct repo *repo;
	pthread_mutex_t lock; /* guards all below */
	pthread_cond_t loaded;
	struct refs_list *current; /* NULL before the first load; counts as a user */
	uint64_t stamp;            /* of the refs that current shows */
	uint64_t checked_ns;       /* when stamp was last right */
	bool loading;              /* a thread is at it */
};

static void list_free(struct refs_list *list)
{
	if (!list)
		return;
	for (size_t i = 0; i < list->count; i++)
		free(list->names[i].name);
	free(list->names);
	free(list);
}

/* A slash before every other byte, so that a folder's names stand together, behind a ref of the folder's own name. */
static int name_order(const void *a, const void *b)
{
	const struct refs_name *x = a, *y = b;
	const char *p = x->name, *q = y->name;

	while (*p && *p == *q) {
		p++;
		q++;
	}
	if (*p == *q)
		return x->rank - y->rank;
	if (!*p || !*q)
		return *p ? 1 : -1;
	if (*p == '/' || *q == '/')
		return *p == '/' ? -1 : 1;
	return (unsigned char)*p - (unsigned char)*q;
}

int refs_open(struct repo *repo, struct refs **refs)
{
	struct refs *r = calloc(1, sizeof(*r));

	if (!r)
		return -ENOMEM;
	r->repo = repo;
	pthread_mutex_init(&r->lock, NULL);
	pthread_cond_init(&r->loaded, NULL);
	*refs = r;
	return 0;
}

void refs_close(struct refs *refs)
{
	if (!refs)
		return;
	list_free(refs->current);
	pthread_cond_destroy(&refs->loaded);
	pthread_mutex_destroy(&refs->lock);
	free(refs);
}

static int list_add(struct refs_list *list, const char *name, uint8_t rank, const struct oid *target)
{
	char *copy;

	if (list->count == list->capacity) {
		size_t capacity = list->capacity ? list->capacity * 2 : 64;
		struct refs_name *names = reallocarray(list->names, capacity, sizeof(*names));

		if (!names)
			return -ENOMEM;
		list->names = names;
		list->capacity = capacity;
	}
	copy = strdup(name);
	if (!copy)
		return -ENOMEM;
	list->names[list->count++] = (struct refs_name){.name = copy, .target = *target, .rank = rank};
	return 0;
}

static int list_add_ref(void *arg, const struct repo_ref *ref)
{
	static const struct {
		const char *prefix;
		uint8_t rank;
	} places[] = {{"refs/tags/", RANK_TAG}, {"refs/heads/", RANK_BRANCH}, {"refs/remotes/", RANK_REMOTE}};
	struct oid id;

	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		size_t len = strlen(places[i].prefix);
		const char *name = ref->name + len;

		if (strncmp(ref->name, places[i].prefix, len) != 0)
			continue;
		/* What looks like a full commit id is that commit, in the mount as in git. */
		if (strlen(name) > REFS_NAME_MAX || oid_parse(name, strlen(name), &id) == 0)
			return 0;
		return list_add(arg, name, places[i].rank, &ref->target);
	}
	return 0;
}

/* Hide the tags that lead to no commit.  What is known from the list before is not asked of Git again. */
static int list_hide(struct refs *refs, struct refs_list *list, const struct refs_list *before)
{
	for (size_t i = 0; i < list->count; i++) {
		struct refs_name *name = &list->names[i];
		const struct refs_name *known = NULL;
		struct oid commit;
		int err;

		if (name->rank != RANK_TAG)
			continue;
		if (before && before->count)
			known = bsearch(name, before->names, before->count, sizeof(*name), name_order);
		if (known && oid_equal(&known->target, &name->target)) {
			name->hidden = known->hidden;
			continue;
		}
		err = repo_peel(refs->repo, &name->target, &commit);
		/* These say nothing about the tag, and a tag that is known is not asked for again. */
		if (is_unanswered(err))
			return err;
		name->hidden = err == -ENOENT || err == -EINVAL;
	}
	return 0;
}

static bool lists_show_the_same(const struct refs_list *a, const struct refs_list *b)
{
	if (!a || a->count != b->count)
		return false;
	for (size_t i = 0; i < a->count; i++)
		if (a->names[i].rank != b->names[i].rank || a->names[i].hidden != b->names[i].hidden ||
		    strcmp(a->names[i].name, b->names[i].name) != 0)
			return false;
	return true;
}

/* Now, but never what was told before: the kernel takes an equal time for no change. */
static struct timespec time_after(const struct timespec *before)
{
	struct timespec now = io_now(io_system());

	if (before &&
	    (now.tv_sec < before->tv_sec || (now.tv_sec == before->tv_sec && now.tv_nsec <= before->tv_nsec))) {
		now = *before;
		if (++now.tv_nsec == 1000000000) {
			now.tv_nsec = 0;
			now.tv_sec++;
		}
	}
	return now;
}

static int list_load(struct refs *refs, const struct refs_list *before, struct refs_list **result)
{
	struct refs_list *list = calloc(1, sizeof(*list));
	struct oid head;
	int err;

	if (!list)
		return -ENOMEM;
	err = repo_each_ref(refs->repo, list_add_ref, list);
	if (err)
		goto fail;
	err = repo_ref(refs->repo, "HEAD", &head);
	if (!err)
		err = list_add(list, "HEAD", RANK_HEAD, &head);
	if (err && err != -ENOENT)
		goto fail;
	if (list->count)
		qsort(list->names, list->count, sizeof(list->names[0]), name_order);
	err = list_hide(refs, list, before);
	if (err)
		goto fail;
	list->users = 1;
	list->changed =
	    lists_show_the_same(before, list) ? before->changed : time_after(before ? &before->changed : NULL);
	*result = list;
	return 0;
fail:
	list_free(list);
	return err;
}

/* Called with the lock held, which is given up meanwhile. */
static int refs_reload(struct refs *refs)
{
	struct refs_list *before = refs->current, *list = NULL;
	uint64_t stamp, old_stamp = refs->stamp, now;
	int err = 0;

	refs->loading = true;
	pthread_mutex_unlock(&refs->lock);
	/* The time and the stamp from before reading: what changes meanwhile is seen the next time. */
	now = io_monotonic_ns(io_system());
	stamp = repo_refs_stamp(refs->repo);
	if (!before || stamp != old_stamp)
		err = list_load(refs, before, &list);
	pthread_mutex_lock(&refs->lock);
	refs->loading = false;
	if (!err)
		refs->checked_ns = now;
	if (list) {
		refs->current = list;
		refs->stamp = stamp;
		if (before && --before->users == 0)
			list_free(before);
	}
	pthread_cond_broadcast(&refs->loaded);
	return err;
}

static int refs_pin(struct refs *refs, struct refs_list **list)
{
	uint64_t now = io_monotonic_ns(io_system());
	int err = 0;

	pthread_mutex_lock(&refs->lock);
	while (!err && refs->loading && !refs->current)
		err = interrupt_wait(&refs->loaded, &refs->lock);
	if (!err && !refs->loading && (!refs->current || now - refs->checked_ns > REFS_AGE_MS * UINT64_C(1000000)))
		err = refs_reload(refs);
	if (!err) {
		*list = refs->current;
		(*list)->users++;
	}
	pthread_mutex_unlock(&refs->lock);
	return err;
}

static void refs_unpin(struct refs *refs, struct refs_list *list)
{
	bool last;

	pthread_mutex_lock(&refs->lock);
	last = --list->users == 0;
	pthread_mutex_unlock(&refs->lock);
	if (last)
		list_free(list);
}

int refs_changed(struct refs *refs, struct timespec *changed)
{
	struct refs_list *list;
	int err = refs_pin(refs, &list);

	if (err)
		return err;
	*changed = list->changed;
	refs_unpin(refs, list);
	return 0;
}

void refs_decode(const char *text, char *out)
{
	while (*text) {
		if (strncmp(text, "%2F", 3) == 0 || strncmp(text, "%25", 3) == 0) {
			*out++ = text[2] == 'F' ? '/' : '%';
			text += 3;
		} else {
			*out++ = *text++;
		}
	}
	*out = '\0';
}

/* The first LEN bytes of NAME as refs_decode() gives them back; malloc'ed. */
static char *refs_encode(const char *name, size_t len)
{
	char *text = malloc(3 * len + 1), *out = text;

	if (!text)
		return NULL;
	for (size_t i = 0; i < len; i++) {
		*out++ = name[i];
		/* A percent sign that refs_decode() would take for its own. */
		if (len - i >= 3 && (memcmp(name + i, "%2F", 3) == 0 || memcmp(name + i, "%25", 3) == 0)) {
			memcpy(out, "25", 2);
			out += 2;
		}
	}
	*out = '\0';
	return text;
}

static int item_order(const void *a, const void *b)
{
	const struct refs_item *x = a, *y = b;

	if (x->cookie != y->cookie)
		return x->cookie < y->cookie ? -1 : 1;
	return strcmp(x->name, y->name);
}

/*
 * Add to ITEMS what NAMES[0] shows below a prefix of PREFIX_LEN bytes, and tell how many of the COUNT names that takes:
 * a ref, or a folder of refs where there is no ref of that very name.
 */
static int items_add(struct refs_items *items, const struct refs_name *names, size_t count, size_t prefix_len,
                     size_t *taken)
{
	const char *name = names[0].name + prefix_len;
	size_t len = strcspn(name, "/");
	struct refs_item *item = &items->items[items->count];
	bool shown = false;
	size_t i;

	for (i = 0; i < count; i++) {
		const char *other = names[i].name + prefix_len;

		if (strncmp(names[i].name, names[0].name, prefix_len + len) != 0 ||
		    (other[len] != '\0' && other[len] != '/'))
			break;
		if (names[i].hidden || shown)
			continue;
		shown = true;
		if (other[len] == '/')
			item->type = REFS_FOLDER;
		else
			item->type = names[i].rank == RANK_TAG ? REFS_FIXED : REFS_MOVING;
	}
	*taken = i;
	if (!shown)
		return 0;
	item->name = refs_encode(name, len);
	if (!item->name)
		return -ENOMEM;
	/* Which only packed refs can have; with the `@` of the root. */
	if (strlen(item->name) + !prefix_len > NAME_SIZE_MAX) {
		free(item->name);
		item->name = NULL;
		return 0;
	}
	item->cookie = checksum(item->name, strlen(item->name)) >> 2;
	items->count++;
	return 0;
}

/* Sort by cookie, keep two names apart whose cookies are equal by chance, and drop what is not above AFTER. */
static void items_settle(struct refs_items *items, uint64_t after)
{
	uint64_t least = 3;
	size_t kept = 0;

	if (items->count)
		qsort(items->items, items->count, sizeof(items->items[0]), item_order);
	for (size_t i = 0; i < items->count; i++) {
		struct refs_item item = items->items[i];

		if (item.cookie < least)
			item.cookie = least;
		least = item.cookie + 1;
		if (item.cookie > after)
			items->items[kept++] = item;
		else
			free(item.name);
	}
	items->count = kept;
}

static int list_items(const struct refs_list *list, const char *prefix, struct refs_items *items)
{
	size_t prefix_len = strlen(prefix), taken;
	int err;

	items->items = calloc(list->count ? list->count : 1, sizeof(items->items[0]));
	if (!items->items)
		return -ENOMEM;
	for (size_t i = 0; i < list->count; i += taken) {
		taken = 1;
		if (strncmp(list->names[i].name, prefix, prefix_len) != 0)
			continue;
		err = items_add(items, &list->names[i], list->count - i, prefix_len, &taken);
		if (err)
			return err;
	}
	return 0;
}

int refs_items(struct refs *refs, const char *prefix, uint64_t after, struct refs_items *items,
               struct timespec *changed)
{
	struct refs_list *list;
	char *decoded;
	int err;

	*items = (struct refs_items){0};
	decoded = malloc(strlen(prefix) + 1);
	if (!decoded)
		return -ENOMEM;
	refs_decode(prefix, decoded);
	err = refs_pin(refs, &list);
	if (err)
		goto out;
	err = list_items(list, decoded, items);
	*changed = list->changed;
	refs_unpin(refs, list);
	if (err)
		refs_items_release(items);
	else
		items_settle(items, after);
out:
	free(decoded);
	return err;
}

void refs_items_release(struct refs_items *items)
{
	for (size_t i = 0; i < items->count; i++)
		free(items->items[i].name);
	free(items->items);
	*items = (struct refs_items){0};
}
