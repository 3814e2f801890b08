#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fs/mount/view_node.h"
#include "fs/mount/view_parts.h"
#include "fs/revision.h"

#define MOVING_S 1.0 /* how long the kernel may believe a name that moves */

/* A name below the root while it is looked up. */
struct query {
	const struct node *parent;
	const char *name; /* below the parent */
	char *text;       /* from the root, without the @ */
	struct node_key key;
	uint64_t ino;
};

/* What a text says: one commit, two, or a folder of refs. */
struct answer {
	struct oid a, b; /* a alone where it is one */
	bool is_range;
	bool is_folder;
	bool is_fixed; /* never moves, but by force */
	bool is_id;    /* full ids: never moves */
};

/* st_ino of a name that is a ref's or the like: the same whatever it leads to, since a listing does not ask for that.
 */
static uint64_t name_ino(const struct node_key *parent, const char *name)
{
	struct node_key key;

	view_key("name", parent, name, &key);
	return view_ino(&key);
}

static int query_init(struct view *view, const struct node *parent, const char *name, struct query *query)
{
	const struct view_refs *refs = NULL;
	size_t len;

	if (parent->kind == VIEW_REFS) {
		refs = node_text(view->nodes, parent->id, &len);
		if (!refs)
			return -ESTALE;
	}
	len = (refs ? strlen(refs->prefix) : 0) + strlen(name);
	if (len > REFS_NAME_MAX)
		return -ENAMETOOLONG;
	*query = (struct query){.parent = parent, .name = name, .ino = name_ino(&parent->key, name)};
	query->text = malloc(len + 1);
	if (!query->text)
		return -ENOMEM;
	strcpy(query->text, refs ? refs->prefix : "");
	strcat(query->text, name);
	return 0;
}

/* --- what a text says --- */

static int resolve_one(struct view *view, const char *text, struct oid *commit, struct answer *answer)
{
	struct revision revision;
	struct oid id;
	int err;

	/*
	 * A full commit id is that commit before any ref of such a name: links lead to these names, and what a link
	 * promised must not be for others to change.
	 */
	if (oid_parse(text, strlen(text), &id) == 0 && id.len == repo_oid_len(view->world.repo)) {
		err = repo_peel(view->world.repo, &id, commit);
		if (!err && oid_equal(&id, commit))
			return 0;
		if (err && err != -ENOENT && err != -EINVAL)
			return err;
	}
	answer->is_id = false;
	err = revision_resolve_mount(view->world.repo, text, &revision);
	/* What means two things means nothing yet. */
	if (err)
		return err == -EEXIST ? -ENOENT : err;
	*commit = revision.commit;
	answer->is_folder = revision.is_prefix;
	if (!revision.fixed)
		answer->is_fixed = false;
	return 0;
}

static int resolve(struct view *view, const char *text, struct answer *answer)
{
	const char *dots = strstr(text, "..");
	char *first;
	int err;

	*answer = (struct answer){.is_fixed = true, .is_id = true};
	if (!dots)
		return resolve_one(view, text, &answer->a, answer);
	answer->is_range = true;
	first = strndup(text, (size_t)(dots - text));
	if (!first)
		return -ENOMEM;
	err = resolve_one(view, first, &answer->a, answer);
	if (!err && answer->is_folder)
		err = -ENOENT;
	if (!err)
		err = resolve_one(view, dots + 2, &answer->b, answer);
	free(first);
	return err;
}

/* --- nodes --- */

/* Take the node of KIND with TEXT of LEN bytes; the key is made of the kind's name WORD, TARGET and the path. */
static int take(struct view *view, const struct query *query, uint8_t kind, const char *word, const char *target,
                const void *text, size_t len, struct view_entry *entry)
{
	struct node_spec spec = {.parent = query->parent->id, .kind = kind, .text = text, .text_len = len};
	struct node_key path;

	view_key(word, &query->parent->key, query->name, &path);
	view_key(word, &path, target, &spec.key);
	return node_take(view->nodes, &spec, &entry->id);
}

static int take_folder(struct view *view, const struct query *query, struct view_entry *entry)
{
	size_t len = strlen(query->text);
	struct view_refs *refs = malloc(sizeof(*refs) + len + 2);
	struct timespec changed;
	int err;

	if (!refs)
		return -ENOMEM;
	refs->ino = query->ino;
	strcpy(refs->prefix, query->text);
	strcpy(refs->prefix + len, "/");
	err = refs_changed(view->refs, &changed);
	if (!err)
		err = take(view, query, VIEW_REFS, "refs", "", refs, sizeof(*refs) + len + 2, entry);
	free(refs);
	if (err)
		return err;
	view_fill(view, query->ino, S_IFDIR | 0755, 0, &changed, &entry->attr);
	entry->attr_timeout_s = entry->entry_timeout_s = MOVING_S;
	return 0;
}

static int take_commit(struct view *view, const struct query *query, const struct answer *answer,
                       struct view_entry *entry)
{
	size_t size = sizeof(struct view_commit) + strlen(query->text) + 1;
	struct spot spot = {.commit = answer->a};
	struct view_commit *commit;
	char hex[OID_HEX_MAX];
	int err;

	shown_add(view->shown, &answer->a);
	err = place_root(&view->world, &answer->a, &spot.place);
	if (err)
		return err == -ENOENT ? -ENODATA : err;
	commit = malloc(size);
	if (!commit)
		return -ENOMEM;
	commit->ino = query->ino;
	commit->commit = answer->a;
	strcpy(commit->name, query->text);
	err = take(view, query, VIEW_COMMIT, "commit", oid_format(&answer->a, hex), commit, size, entry);
	free(commit);
	if (err)
		return err;
	spot_keep(view->spots, entry->id, &spot);
	view_fill(view, query->ino, S_IFDIR | 0755, 0, &spot.place.time, &entry->attr);
	entry->attr_timeout_s = VIEW_FOREVER;
	entry->entry_timeout_s = answer->is_id ? VIEW_FOREVER : MOVING_S;
	return 0;
}

static int commit_time(struct view *view, const struct oid *oid, int64_t *seconds)
{
	struct repo_commit commit;
	int err = repo_commit(view->world.repo, oid, &commit);

	if (err)
		return err == -ENOENT ? -ENODATA : err;
	*seconds = commit.time;
	repo_commit_release(&commit);
	return 0;
}

/* Where a link of this text leads: up to the root, then to full ids.  malloc'ed. */
static char *link_target(const struct query *query, const struct answer *answer)
{
	char a[OID_HEX_MAX], b[OID_HEX_MAX];
	char *target = malloc(3 * strlen(query->text) + 2 * OID_HEX_MAX + 3);

	if (!target)
		return NULL;
	target[0] = '\0';
	for (const char *p = query->text; *p; p++)
		if (*p == '/')
			strcat(target, "../");
	strcat(target, "@");
	strcat(target, oid_format(&answer->a, a));
	if (answer->is_range) {
		strcat(target, "..");
		strcat(target, oid_format(&answer->b, b));
	}
	return target;
}

static int take_link(struct view *view, const struct query *query, const struct answer *answer,
                     struct view_entry *entry)
{
	char *target = link_target(query, answer);
	struct timespec time = {0};
	struct view_link *link = NULL;
	int64_t seconds;
	size_t len;
	int err;

	if (!target)
		return -ENOMEM;
	len = strlen(target);
	err = len < VIEW_TARGET_MAX ? commit_time(view, answer->is_range ? &answer->b : &answer->a, &seconds)
	                            : -ENAMETOOLONG;
	if (err)
		goto out;
	link = malloc(sizeof(*link) + len + 1);
	err = -ENOMEM;
	if (!link)
		goto out;
	link->ino = query->ino;
	link->time = seconds;
	strcpy(link->target, target);
	err = take(view, query, VIEW_LINK, "link", target, link, sizeof(*link) + len + 1, entry);
	if (err)
		goto out;
	time.tv_sec = seconds;
	view_fill(view, query->ino, S_IFLNK | 0777, len, &time, &entry->attr);
	entry->attr_timeout_s = VIEW_FOREVER;
	entry->entry_timeout_s = MOVING_S;
out:
	free(link);
	free(target);
	return err;
}

static int take_range(struct view *view, const struct query *query, const struct answer *answer,
                      struct view_entry *entry)
{
	size_t size = sizeof(struct view_range) + strlen(query->text) + 1;
	char target[2 * OID_HEX_MAX], b[OID_HEX_MAX];
	struct view_range *range;
	struct timespec time = {0};
	int64_t seconds;
	int err;

	shown_add(view->shown, &answer->a);
	shown_add(view->shown, &answer->b);
	err = commit_time(view, &answer->b, &seconds);
	if (err)
		return err;
	range = calloc(1, size);
	if (!range)
		return -ENOMEM;
	range->ino = query->ino;
	range->time = seconds;
	range->a = answer->a;
	range->b = answer->b;
	strcpy(range->name, query->text);
	oid_format(&answer->a, target);
	strcat(target, oid_format(&answer->b, b));
	err = take(view, query, VIEW_RANGE, "range", target, range, size, entry);
	free(range);
	if (err)
		return err;
	time.tv_sec = seconds;
	view_fill(view, query->ino, S_IFDIR | 0755, 0, &time, &entry->attr);
	entry->attr_timeout_s = VIEW_FOREVER;
	entry->entry_timeout_s = answer->is_id ? VIEW_FOREVER : MOVING_S;
	return 0;
}

int view_refs_lookup(struct view *view, const struct node *parent, const char *name, struct view_entry *entry)
{
	struct answer answer;
	struct query query;
	int err;

	err = query_init(view, parent, name, &query);
	if (err)
		return err;
	err = query.text[0] ? resolve(view, query.text, &answer) : -ENOENT;
	if (err)
		goto out;
	if (answer.is_folder)
		err = take_folder(view, &query, entry);
	else if (!answer.is_fixed)
		err = take_link(view, &query, &answer, entry);
	else if (answer.is_range)
		err = take_range(view, &query, &answer, entry);
	else
		err = take_commit(view, &query, &answer, entry);
out:
	free(query.text);
	return err;
}

int view_refs_attr(struct view *view, const struct node *node, struct stat *attr, double *timeout_s)
{
	const struct view_link *link;
	struct timespec time = {0};
	size_t len;
	int err;

	if (node->kind == VIEW_LINK) {
		link = node_text(view->nodes, node->id, &len);
		if (!link)
			return -ESTALE;
		time.tv_sec = link->time;
		view_fill(view, link->ino, S_IFLNK | 0777, strlen(link->target), &time, attr);
		return 0;
	}
	err = refs_changed(view->refs, &time);
	if (err)
		return err;
	view_fill(view, view_node_ino(view, node), S_IFDIR | 0755, 0, &time, attr);
	*timeout_s = MOVING_S;
	return 0;
}

int view_refs_readlink(struct view *view, const struct node *node, char target[VIEW_TARGET_MAX])
{
	size_t len;
	const struct view_link *link = node_text(view->nodes, node->id, &len);

	if (!link)
		return -ESTALE;
	strcpy(target, link->target);
	return 0;
}

int view_refs_list(struct view *view, const struct node *node, uint64_t cookie, view_each each, void *arg)
{
	static const mode_t types[] = {[REFS_FOLDER] = S_IFDIR, [REFS_FIXED] = S_IFDIR, [REFS_MOVING] = S_IFLNK};
	const struct view_refs *refs = NULL;
	struct timespec changed;
	struct refs_items items;
	int answer;
	size_t len;

	if (node->kind == VIEW_REFS) {
		refs = node_text(view->nodes, node->id, &len);
		if (!refs)
			return -ESTALE;
	}
	answer = refs_items(view->refs, refs ? refs->prefix : "", cookie, &items, &changed);
	if (answer)
		return answer;
	for (size_t i = 0; !answer && i < items.count; i++) {
		const struct refs_item *ref = &items.items[i];
		char name[3 * REFS_NAME_MAX + 2];
		struct view_item item = {.name = name, .cookie = ref->cookie, .type = types[ref->type]};

		strcpy(name, refs ? "" : "@");
		strcat(name, ref->name);
		item.ino = name_ino(&node->key, ref->name);
		answer = each(arg, &item);
	}
	refs_items_release(&items);
	return answer;
}
