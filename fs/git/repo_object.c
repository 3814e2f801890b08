/*
 * What the objects of a repository say; the bytes come from its readers.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fs/git/repo.h"
#include "fs/git/repo_reader.h"
#include "fs/git/shallow.h"

/* What is held in memory at most.  A tree of 256 MiB has some seven million entries. */
#define COMMIT_MAX ((size_t)16 << 20)
#define TREE_MAX ((size_t)256 << 20)

#define TAG_DEPTH_MAX 64
#define STREAM_ABOVE ((size_t)8 << 20)

/* Read an object that must be of TYPE. */
static int read_typed(struct repo *repo, const struct oid *oid, enum object_type type, size_t limit,
                      struct object *object)
{
	int r = repo_read_object(repo, oid, limit, object);

	if (!r && object->type != type) {
		free(object->data);
		r = -EINVAL;
	}
	return r;
}

/* The object that the tag TAG names, and its type. */
static int follow_tag(struct repo *repo, const struct oid *tag, struct oid *target, enum object_type *type)
{
	struct object object;
	int r = read_typed(repo, tag, OBJECT_TAG, COMMIT_MAX, &object);

	if (r)
		return r;
	r = object_parse_tag(&object, repo_oid_len(repo), target, type);
	free(object.data);
	return r;
}

int repo_peel(struct repo *repo, const struct oid *oid, struct oid *commit)
{
	enum object_type type, claimed;
	struct oid now = *oid, next;
	uint64_t size;
	int r;

	for (unsigned depth = 0; depth < TAG_DEPTH_MAX; depth++) {
		r = repo_read_header(repo, &now, &type, &size);
		if (r)
			return r;
		if (type == OBJECT_COMMIT) {
			*commit = now;
			return 0;
		}
		if (type != OBJECT_TAG)
			return -EINVAL;
		r = follow_tag(repo, &now, &next, &claimed);
		if (r)
			return r;
		/* What a tag says of a missing object: whether it is a blob matters to nobody here. */
		if (claimed != OBJECT_COMMIT && claimed != OBJECT_TAG)
			return -EINVAL;
		now = next;
	}
	return -EINVAL;
}

int repo_commit(struct repo *repo, const struct oid *oid, struct repo_commit *commit)
{
	struct object object;
	bool on_border = false;
	int r;

	r = read_typed(repo, oid, OBJECT_COMMIT, COMMIT_MAX, &object);
	if (r)
		return r;
	r = object_parse_commit(&object, repo_oid_len(repo), commit);
	free(object.data);
	if (r || !commit->parents_count)
		return r;
	r = shallow_find(repo_shallow(repo), oid, &on_border);
	if (r) {
		repo_commit_release(commit);
		return r;
	}
	if (on_border)
		commit->parents_count = 0;
	return 0;
}

int repo_parent(struct repo *repo, const struct oid *commit, unsigned n, struct oid *parent)
{
	struct repo_commit found;
	int r;

	if (!n)
		return -EINVAL;
	r = repo_commit(repo, commit, &found);
	if (r)
		return r;
	if (n <= found.parents_count)
		*parent = found.parents[n - 1];
	else
		r = -ENOENT;
	repo_commit_release(&found);
	return r;
}

struct candidates {
	struct repo *repo;
	struct oid found;
	unsigned count;
};

/* Counts commits; other objects that share the digits are in nobody's way. */
static int note_candidate(void *arg, const struct oid *oid)
{
	struct candidates *c = arg;
	enum object_type type;
	uint64_t size;
	int r = repo_read_header(c->repo, oid, &type, &size);

	if (r)
		return r == -ENOENT ? 0 : r;
	if (type != OBJECT_COMMIT || (c->count && oid_equal(oid, &c->found)))
		return 0;
	c->found = *oid;
	c->count++;
	return 0;
}

int repo_abbreviated(struct repo *repo, const char *hex, size_t len, struct oid *commit)
{
	struct candidates c = {.repo = repo};
	char digits[OID_HEX_MAX];
	int r;

	if (len < 4 || len > 2 * repo_oid_len(repo))
		return -ENOENT;
	for (size_t i = 0; i < len; i++) {
		digits[i] = (char)(hex[i] >= 'A' && hex[i] <= 'F' ? hex[i] - 'A' + 'a' : hex[i]);
		if (!(digits[i] >= '0' && digits[i] <= '9') && !(digits[i] >= 'a' && digits[i] <= 'f'))
			return -ENOENT;
	}
	digits[len] = '\0';
	r = repo_each_prefixed(repo, digits, len, note_candidate, &c);
	if (r)
		return r;
	if (c.count != 1)
		return c.count ? -EEXIST : -ENOENT;
	*commit = c.found;
	return 0;
}

int repo_tree(struct repo *repo, const struct oid *oid, struct repo_tree **tree)
{
	struct object object;
	int r = read_typed(repo, oid, OBJECT_TREE, TREE_MAX, &object);

	if (r)
		return r == -EINVAL ? -ENOTDIR : r;
	r = object_parse_tree(&object, repo_oid_len(repo), tree);
	free(object.data);
	return r;
}

const struct repo_entry *repo_tree_find(const struct repo_tree *tree, const char *name, size_t len)
{
	for (size_t i = 0; i < tree->count; i++)
		if (tree->entries[i].name_len == len && !memcmp(tree->entries[i].name, name, len))
			return &tree->entries[i];
	return NULL;
}

int repo_tree_walk(struct repo *repo, const struct oid *tree, const char *path, struct oid *oid, uint32_t *mode)
{
	struct oid now = *tree;
	uint32_t now_mode = 0040000;

	while (*path) {
		const struct repo_entry *entry;
		const char *end = strchrnul(path, '/');
		struct repo_tree *parsed;
		int r;

		if (now_mode != 0040000)
			return -ENOTDIR;
		r = repo_tree(repo, &now, &parsed);
		if (r)
			return r;
		entry = repo_tree_find(parsed, path, (size_t)(end - path));
		if (entry) {
			now = entry->oid;
			now_mode = entry->mode;
		}
		free(parsed);
		if (!entry)
			return -ENOENT;
		path = *end ? end + 1 : end;
	}
	*oid = now;
	*mode = now_mode;
	return 0;
}

int repo_head_walk(struct repo *repo, const char *path, struct oid *oid, uint32_t *mode)
{
	struct repo_commit commit;
	int r = repo_ref(repo, "HEAD", oid);

	if (!r)
		r = repo_commit(repo, oid, &commit);
	if (r)
		return r;
	r = repo_tree_walk(repo, &commit.tree, path, oid, mode);
	repo_commit_release(&commit);
	return r;
}

int repo_blob_size(struct repo *repo, const struct oid *oid, uint64_t *size)
{
	enum object_type type;
	int r = repo_read_header(repo, oid, &type, size);

	return !r && type != OBJECT_BLOB ? -EINVAL : r;
}

int repo_blob(struct repo *repo, const struct oid *oid, size_t limit, void **data, size_t *len)
{
	struct object object;
	int r = read_typed(repo, oid, OBJECT_BLOB, limit, &object);

	if (!r) {
		*data = object.data;
		*len = object.len;
	}
	return r;
}

static int write_all(int fd, const char *data, size_t len)
{
	ssize_t n;

	while (len) {
		n = write(fd, data, len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		data += n;
		len -= (size_t)n;
	}
	return 0;
}

/* libgit2 can't stream what is packed, and a co-process would send it all through us: let git write it. */
static int stream_blob(struct repo *repo, const struct oid *oid, int fd)
{
	char hex[OID_HEX_MAX];
	const char *const args[] = {"cat-file", "blob", oid_format(oid, hex), NULL};
	struct git_run run = {
	    .where = &repo_location(repo)->reading,
	    .args = args,
	    .flags = GIT_RUN_READING,
	    .output_fd = fd,
	};
	int r = git_run(&run);

	if (!r && run.status)
		r = strstr(git_run_message(&run), "No space left") ? -ENOSPC : run.status == 141 ? -EPIPE : -EBADMSG;
	git_run_release(&run);
	return r;
}

int repo_blob_to_fd(struct repo *repo, const struct oid *oid, int fd)
{
	uint64_t size;
	size_t len;
	void *data;
	int r;

	r = repo_blob_size(repo, oid, &size);
	if (r)
		return r;
	if (size > STREAM_ABOVE)
		return stream_blob(repo, oid, fd);
	r = repo_blob(repo, oid, STREAM_ABOVE, &data, &len);
	if (r)
		return r;
	r = write_all(fd, data, len);
	free(data);
	return r;
}
