#include "fs/place_git.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fs/name.h"
#include "fs/spool.h"

/* Numbers in the memory; those of pages and chunks are below. */
enum {
	MEMORY_TREE = 32,
	MEMORY_POINTER,
	MEMORY_BLOB_SIZE,
	MEMORY_COMMIT,
	MEMORY_BLOB,
};

/* Larger blobs go through a file. */
#define HELD_BLOB_MAX ((size_t)32 << 20)

static struct memory *memory_of(const struct place_world *w)
{
	if (w->memory)
		return w->memory;
	return w->source ? source_memory(w->source) : NULL;
}

/* Git's ids as keys: those of SHA-1 are filled up with zeros. */
static void key_of(const struct oid *oid, struct id *key)
{
	memcpy(key->bytes, oid->bytes, ID_SIZE);
}

struct request {
	struct repo *repo;
	const struct oid *oid;
	uint32_t mode;
};

static int pin_value(const struct place_world *w, unsigned kind, memory_load load, const struct request *request,
                     struct place_pin *pin)
{
	struct memory *memory = memory_of(w);
	struct id key;
	void *data;
	size_t len;
	int r;

	key_of(request->oid, &key);
	if (memory)
		return memory_pin(memory, kind, &key, load, (void *)request, &pin->value);
	r = load((void *)request, kind, &key, &data, &len);
	if (!r)
		pin->value = (struct memory_value){.data = data, .len = len};
	return r;
}

void place_unpin(const struct place_world *w, struct place_pin *pin)
{
	struct memory *memory = memory_of(w);

	if (memory)
		memory_unpin(memory, &pin->value);
	else
		free((void *)pin->value.data);
	memset(pin, 0, sizeof(*pin));
}

/* Copy the LEN bytes that a value consists of, and unpin it. */
static int copy_value(const struct place_world *w, unsigned kind, memory_load load, const struct request *request,
                      void *copy, size_t len)
{
	struct place_pin pin;
	int r = pin_value(w, kind, load, request, &pin);

	if (r)
		return r;
	memcpy(copy, pin.value.data, len);
	place_unpin(w, &pin);
	return 0;
}

/* What a tree names must be there, and must be what the tree says. */
static int named_error(int r)
{
	if (r == -ENOENT)
		return -ENODATA;
	return r == -EINVAL || r == -ENOTDIR ? -EBADMSG : r;
}

static uint8_t state_of(const struct repo_entry *entry)
{
	const uint32_t type = entry->mode & 0170000;

	if (memchr(entry->name, '/', entry->name_len) || entry->name_len > NAME_SIZE_MAX || !strcmp(entry->name, ".") ||
	    !strcmp(entry->name, ".."))
		return LISTED_DROPPED;
	if (!name_is_valid(entry->name, entry->name_len))
		return LISTED_BROKEN;
	return type == 0040000 || type == 0100000 || type == 0120000 || type == 0160000 ? LISTED_SHOWN : LISTED_BROKEN;
}

struct number {
	uint32_t at;
	const struct listed *entry;
};

static int compare_numbers(const void *a, const void *b)
{
	const struct number *x = a, *y = b;
	int order = name_cmp(x->entry->name, x->entry->name_len, y->entry->name, y->entry->name_len);

	return order ? order : (x->at > y->at) - (x->at < y->at);
}

/* Fill in BY_NAME; of those of one name all but the first are dropped. */
static int sort_names(struct listed *entries, uint32_t *by_name, size_t count)
{
	struct number *numbers = calloc(count + 1, sizeof(*numbers));

	if (!numbers)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++)
		numbers[i] = (struct number){(uint32_t)i, &entries[i]};
	qsort(numbers, count, sizeof(*numbers), compare_numbers);
	for (size_t i = 0; i < count; i++) {
		struct listed *entry = &entries[numbers[i].at];

		if (i &&
		    !name_cmp(entry->name, entry->name_len, numbers[i - 1].entry->name, numbers[i - 1].entry->name_len))
			entry->state = LISTED_DROPPED;
		by_name[i] = numbers[i].at;
	}
	free(numbers);
	return 0;
}

/* One piece: struct listed_tree, entries, by_name, names. */
static int build_tree(const struct repo_tree *tree, void **data, size_t *len)
{
	struct listed_tree *listed;
	struct listed *entries;
	uint32_t *by_name;
	size_t names = 0;
	char *name;
	int r;

	if (tree->count > UINT32_MAX / 4)
		return -EFBIG;
	for (size_t i = 0; i < tree->count; i++)
		names += tree->entries[i].name_len + 1U;
	*len = sizeof(*listed) + tree->count * (sizeof(*entries) + sizeof(*by_name)) + names;
	listed = malloc(*len);
	if (!listed)
		return -ENOMEM;
	entries = (struct listed *)(listed + 1);
	by_name = (uint32_t *)(entries + tree->count);
	name = (char *)(by_name + tree->count);
	for (size_t i = 0; i < tree->count; i++) {
		const struct repo_entry *entry = &tree->entries[i];

		entries[i] = (struct listed){entry->mode, entry->oid, state_of(entry), entry->name_len, name};
		memcpy(name, entry->name, entry->name_len + 1U);
		name += entry->name_len + 1U;
	}
	*listed = (struct listed_tree){tree->count, entries, by_name};
	r = sort_names(entries, by_name, tree->count);
	if (r)
		free(listed);
	else
		*data = listed;
	return r;
}

static int load_tree(void *arg, unsigned kind, const struct id *id, void **data, size_t *len)
{
	const struct request *request = arg;
	struct repo_tree *tree;
	int r;

	(void)kind;
	(void)id;
	r = repo_tree(request->repo, request->oid, &tree);
	if (r)
		return named_error(r);
	r = build_tree(tree, data, len);
	free(tree);
	return r;
}

int place_pin_tree(const struct place_world *w, const struct oid *oid, const struct listed_tree **tree,
                   struct place_pin *pin)
{
	const struct request request = {.repo = w->repo, .oid = oid};
	int r = pin_value(w, MEMORY_TREE, load_tree, &request, pin);

	if (!r)
		*tree = pin->value.data;
	return r;
}

ssize_t listed_find(const struct listed_tree *tree, const char *name, size_t len)
{
	size_t low = 0, high = tree->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		const struct listed *entry = &tree->entries[tree->by_name[middle]];

		if (name_cmp(entry->name, entry->name_len, name, len) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	if (low < tree->count) {
		const struct listed *entry = &tree->entries[tree->by_name[low]];

		if (!name_cmp(entry->name, entry->name_len, name, len) && entry->state != LISTED_DROPPED)
			return tree->by_name[low];
	}
	return -1;
}

/* What a blob says as a pointer: that it is none is worth keeping, too. */
struct parsed {
	int result;
	struct pointer pointer;
};

static int load_pointer(void *arg, unsigned kind, const struct id *id, void **data, size_t *len)
{
	const struct request *request = arg;
	struct parsed *parsed = calloc(1, sizeof(*parsed));

	(void)kind;
	(void)id;
	if (!parsed)
		return -ENOMEM;
	parsed->result = dataset_pointer(request->repo, request->oid, request->mode, &parsed->pointer);
	if (parsed->result && parsed->result != -EINVAL && parsed->result != -ENOTSUP) {
		int r = parsed->result;

		free(parsed);
		return r;
	}
	*data = parsed;
	*len = sizeof(*parsed);
	return 0;
}

int place_pointer(const struct place_world *w, const struct listed *entry, struct pointer *pointer)
{
	const struct request request = {.repo = w->repo, .oid = &entry->oid, .mode = entry->mode};
	struct parsed parsed;
	int r;

	if ((entry->mode & 0170000) != 0100000)
		return -EINVAL;
	r = copy_value(w, MEMORY_POINTER, load_pointer, &request, &parsed, sizeof(parsed));
	if (r)
		return r;
	if (!parsed.result)
		*pointer = parsed.pointer;
	return parsed.result;
}

static int load_blob_size(void *arg, unsigned kind, const struct id *id, void **data, size_t *len)
{
	const struct request *request = arg;
	uint64_t *size = malloc(sizeof(*size));
	int r;

	(void)kind;
	(void)id;
	if (!size)
		return -ENOMEM;
	r = repo_blob_size(request->repo, request->oid, size);
	if (r) {
		free(size);
		return named_error(r);
	}
	*data = size;
	*len = sizeof(*size);
	return 0;
}

int place_blob_size(const struct place_world *w, const struct oid *oid, uint64_t *size)
{
	const struct request request = {.repo = w->repo, .oid = oid};

	return copy_value(w, MEMORY_BLOB_SIZE, load_blob_size, &request, size, sizeof(*size));
}

struct committed {
	struct oid tree;
	int64_t time;
};

static int load_commit(void *arg, unsigned kind, const struct id *id, void **data, size_t *len)
{
	const struct request *request = arg;
	struct committed *committed = calloc(1, sizeof(*committed));
	struct repo_commit commit;
	int r;

	(void)kind;
	(void)id;
	if (!committed)
		return -ENOMEM;
	r = repo_commit(request->repo, request->oid, &commit);
	if (r) {
		free(committed);
		return r;
	}
	committed->tree = commit.tree;
	committed->time = commit.time;
	repo_commit_release(&commit);
	*data = committed;
	*len = sizeof(*committed);
	return 0;
}

int place_commit(const struct place_world *w, const struct oid *commit, struct oid *tree, int64_t *time)
{
	const struct request request = {.repo = w->repo, .oid = commit};
	struct committed committed;
	int r = copy_value(w, MEMORY_COMMIT, load_commit, &request, &committed, sizeof(committed));

	if (r)
		return r;
	*tree = committed.tree;
	*time = committed.time;
	return 0;
}

static int load_blob(void *arg, unsigned kind, const struct id *id, void **data, size_t *len)
{
	const struct request *request = arg;

	(void)kind;
	(void)id;
	return named_error(repo_blob(request->repo, request->oid, HELD_BLOB_MAX, data, len));
}

ssize_t place_read_blob(const struct place_world *w, const struct oid *oid, uint64_t size, void *data, size_t len,
                        uint64_t offset)
{
	const struct request request = {.repo = w->repo, .oid = oid};
	struct place_pin pin;
	int r;

	if (offset >= size)
		return 0;
	if (len > size - offset)
		len = size - offset;
	if (size > HELD_BLOB_MAX)
		return w->spool ? spool_read(w->spool, oid, size, data, len, offset) : -EFBIG;
	r = pin_value(w, MEMORY_BLOB, load_blob, &request, &pin);
	if (r)
		return r;
	r = pin.value.len == size ? 0 : -EBADMSG;
	if (!r)
		memcpy(data, (const char *)pin.value.data + offset, len);
	place_unpin(w, &pin);
	return r ? r : (ssize_t)len;
}
