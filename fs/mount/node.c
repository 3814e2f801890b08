#include "fs/mount/node.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "fs/mount/region.h"
#include "fs/mount/slab.h"

/*
 * Region one is an array of slots; slot 0 is the head of the table.  Nodes are found by their key in a hash table after
 * Litwin (Linear Hashing, 1980) that has as many buckets as there are slots: the head of bucket N lies in slot N, and
 * with each new slot one bucket is split, so growing never pauses.  Region two holds the texts.
 *
 * Of a slot, generation, parents, values, lookups, key and kind are the truth; chains, buckets and children are derived
 * from them, and node_table_adopt() does that anew.  A slot counts when its kind is not 0: kind is written last when it
 * is filled and first when it is freed, so that a process killed between any two writes leaves a slot that is either
 * there or not.  The generation moves when a slot is filled, before anything else: an id that was given out is never
 * repeated.
 */
#define RESERVE ((size_t)1 << 33)
#define MAGIC UINT64_C(0x3145444f4e465652) /* "RVFNODE1" */
#define ROOT_INDEX 1u

enum slot_flags {
	SLOT_TEXT = 1, /* value is the offset of a block of texts */
};

struct slot {
	_Atomic uint8_t kind;
	uint8_t flags;
	uint8_t reserved[2];
	uint32_t generation;
	uint32_t parent; /* index */
	uint32_t children;
	uint64_t value;
	uint64_t lookups;
	struct node_key key;
	uint32_t next;   /* in its bucket, or in the list of free slots; 0 ends */
	uint32_t bucket; /* the first slot of the bucket of this slot's number */
	uint32_t other;  /* index of the parent under which it was last found, another than parent; 0: none */
	uint32_t other_value;
};
static_assert(sizeof(struct slot) == 64, "a slot is a cache line");

struct head {
	_Atomic uint8_t reserved; /* where slots have their kind: the head is no node */
	uint8_t reserved2[7];
	uint64_t magic;
	uint32_t slots; /* in use or free, this one included */
	uint8_t reserved3[32];
	uint32_t bucket; /* where slots have it */
	uint8_t reserved4[8];
};
static_assert(sizeof(struct head) == sizeof(struct slot), "the head takes the place of slot 0");
static_assert(offsetof(struct head, bucket) == offsetof(struct slot, bucket), "bucket 0 lies in the head");

struct node_table {
	pthread_mutex_t lock; /* guards all below and what lies in the regions */
	struct region region;
	struct slab texts;
	uint32_t free; /* first free slot, 0 for none */
	uint64_t nodes;
};

static struct head *table_head(const struct node_table *t)
{
	return (struct head *)t->region.base;
}

static struct slot *table_slot(const struct node_table *t, uint32_t index)
{
	return (struct slot *)t->region.base + index;
}

static uint64_t slot_id(const struct node_table *t, uint32_t index)
{
	return (uint64_t)table_slot(t, index)->generation << 32 | index;
}

/* The slot that ID names, or 0. */
static uint32_t table_index(const struct node_table *t, uint64_t id)
{
	uint32_t index = (uint32_t)id;

	if (index == 0 || index >= table_head(t)->slots || !table_slot(t, index)->kind || slot_id(t, index) != id)
		return 0;
	return index;
}

/* The bucket of KEY among COUNT. */
static uint32_t key_bucket(const struct node_key *key, uint32_t count)
{
	uint32_t top = 1u << (31 - __builtin_clz(count)); /* the largest power of two not above count */
	uint64_t hash;
	uint64_t bucket;

	memcpy(&hash, key->bytes, sizeof(hash));
	bucket = hash & ((uint64_t)top * 2 - 1);
	return (uint32_t)(bucket < count ? bucket : bucket - top);
}

static void chain_add(struct node_table *t, uint32_t index)
{
	struct slot *slot = table_slot(t, index);
	struct slot *bucket = table_slot(t, key_bucket(&slot->key, table_head(t)->slots));

	slot->next = bucket->bucket;
	bucket->bucket = index;
}

static void chain_remove(struct node_table *t, uint32_t index)
{
	struct slot *slot = table_slot(t, index);
	uint32_t *link = &table_slot(t, key_bucket(&slot->key, table_head(t)->slots))->bucket;

	while (*link != index) {
		assert(*link);
		link = &table_slot(t, *link)->next;
	}
	*link = slot->next;
}

static uint32_t chain_find(const struct node_table *t, const struct node_key *key)
{
	uint32_t index = table_slot(t, key_bucket(key, table_head(t)->slots))->bucket;

	while (index && memcmp(&table_slot(t, index)->key, key, sizeof(*key)) != 0)
		index = table_slot(t, index)->next;
	return index;
}

/* Bucket NEW has just come to be: the keys that belong there still stand in the bucket it is split from. */
static void chain_split(struct node_table *t, uint32_t new)
{
	uint32_t top = 1u << (31 - __builtin_clz(new));
	uint32_t index = table_slot(t, new - top)->bucket;

	table_slot(t, new - top)->bucket = 0;
	table_slot(t, new)->bucket = 0;
	while (index) {
		uint32_t next = table_slot(t, index)->next;

		chain_add(t, index);
		index = next;
	}
}

static void table_free_slot(struct node_table *t, uint32_t index)
{
	/* After its last generation a slot stays empty for good. */
	if (table_slot(t, index)->generation == UINT32_MAX)
		return;
	table_slot(t, index)->next = t->free;
	t->free = index;
}

/* A slot that nothing uses: one that was freed, else a new one. */
static int table_take_slot(struct node_table *t, uint32_t *index)
{
	struct head *head = table_head(t);
	int err;

	if (t->free) {
		*index = t->free;
		t->free = table_slot(t, *index)->next;
		return 0;
	}
	if (head->slots == UINT32_MAX)
		return -ENOMEM;
	err = region_grow(&t->region, ((size_t)head->slots + 1) * sizeof(struct slot));
	if (err)
		return err;
	*index = head->slots++;
	chain_split(t, *index);
	return 0;
}

static void slot_fill(struct node_table *t, uint32_t index, const struct node_spec *spec, uint32_t parent,
                      uint64_t value)
{
	struct slot *slot = table_slot(t, index);

	slot->flags = spec->text ? SLOT_TEXT : 0;
	slot->parent = parent;
	slot->children = 0;
	slot->other = 0;
	slot->value = value;
	slot->lookups = 1;
	slot->key = spec->key;
	atomic_store_explicit(&slot->kind, spec->kind, memory_order_release);
	chain_add(t, index);
	table_slot(t, parent)->children++;
	t->nodes++;
}

static int table_make(struct node_table *t, const struct node_spec *spec, uint32_t parent, uint32_t *result)
{
	uint64_t value = spec->value;
	uint32_t index;
	int err;

	err = table_take_slot(t, &index);
	if (err)
		return err;
	if (spec->text) {
		err = slab_put(&t->texts, index, spec->text, spec->text_len, &value);
		if (err) {
			table_free_slot(t, index);
			return err;
		}
	}
	table_slot(t, index)->generation++;
	atomic_signal_fence(memory_order_seq_cst);
	slot_fill(t, index, spec, parent, value);
	*result = index;
	return 0;
}

static void table_settle(struct node_table *t, uint32_t index);

/* One child less under INDEX (0: nothing). */
static void table_unpin(struct node_table *t, uint32_t index)
{
	if (!index)
		return;
	table_slot(t, index)->children--;
	table_settle(t, index);
}

/* Free INDEX where nothing holds it any more, then its parents where that was the last child, and so on.  What has two
 * has no children, so this calls itself once. */
static void table_settle(struct node_table *t, uint32_t index)
{
	while (index != ROOT_INDEX) {
		struct slot *slot = table_slot(t, index);
		uint32_t parent = slot->parent, other = slot->other;

		if (slot->lookups || slot->children)
			return;
		chain_remove(t, index);
		atomic_store_explicit(&slot->kind, 0, memory_order_release);
		if (slot->flags & SLOT_TEXT)
			slab_drop(&t->texts, slot->value);
		table_free_slot(t, index);
		t->nodes--;
		table_unpin(t, other);
		table_slot(t, parent)->children--;
		index = parent;
	}
}

/* INDEX has been found under PARENT.  Each write alone leaves a slot that is right: first without the one before, then
 * with the new one. */
static void table_note_parent(struct node_table *t, uint32_t index, uint32_t parent, uint64_t value)
{
	struct slot *slot = table_slot(t, index);
	uint32_t before = slot->other;

	if (!parent || parent == slot->parent || parent == before || value > UINT32_MAX)
		return;
	slot->other = 0;
	atomic_signal_fence(memory_order_seq_cst);
	slot->other_value = (uint32_t)value;
	atomic_signal_fence(memory_order_seq_cst);
	slot->other = parent;
	table_slot(t, parent)->children++;
	table_unpin(t, before);
}

static struct node_table *table_alloc(void)
{
	struct node_table *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->region.fd = -1;
	t->texts.region.fd = -1;
	pthread_mutex_init(&t->lock, NULL);
	return t;
}

int node_table_new(uint8_t root_kind, struct node_table **table)
{
	struct node_table *t = table_alloc();
	int err;

	if (!t)
		return -ENOMEM;
	err = region_open("revfs-nodes", RESERVE, &t->region);
	if (!err)
		err = slab_open(&t->texts);
	if (!err)
		err = region_grow(&t->region, 2 * sizeof(struct slot));
	if (err) {
		node_table_free(t);
		return err;
	}
	table_head(t)->magic = MAGIC;
	table_head(t)->slots = 2;
	table_slot(t, ROOT_INDEX)->parent = ROOT_INDEX;
	table_slot(t, ROOT_INDEX)->lookups = 1;
	table_slot(t, ROOT_INDEX)->kind = root_kind;
	t->nodes = 1; /* in no chain: the root has no key */
	*table = t;
	return 0;
}

static bool text_is_used(void *arg, uint32_t owner, uint64_t offset)
{
	const struct node_table *t = arg;
	const struct slot *slot;

	if (owner <= ROOT_INDEX || owner >= table_head(t)->slots)
		return false;
	slot = table_slot(t, owner);
	return slot->kind && (slot->flags & SLOT_TEXT) && slot->value == offset;
}

/* Derive chains, buckets, children and the list of free slots.  -EBADMSG for a parent that cannot be. */
static int table_derive(struct node_table *t)
{
	uint32_t count = table_head(t)->slots;
	uint32_t index;

	table_head(t)->bucket = 0;
	for (index = ROOT_INDEX; index < count; index++) {
		table_slot(t, index)->bucket = 0;
		table_slot(t, index)->children = 0;
	}
	for (index = count - 1; index > ROOT_INDEX; index--) {
		struct slot *slot = table_slot(t, index);

		if (!slot->kind) {
			table_free_slot(t, index);
			continue;
		}
		if (slot->parent == 0 || slot->parent >= count || !table_slot(t, slot->parent)->kind)
			return -EBADMSG;
		chain_add(t, index);
		table_slot(t, slot->parent)->children++;
		if (slot->other >= count || !table_slot(t, slot->other)->kind)
			slot->other = 0;
		if (slot->other)
			table_slot(t, slot->other)->children++;
		t->nodes++;
	}
	t->nodes++;
	return 0;
}

/* The process before may have ended between the last un-count of a node and freeing it. */
static void table_settle_all(struct node_table *t)
{
	uint32_t index;

	for (index = ROOT_INDEX + 1; index < table_head(t)->slots; index++)
		if (table_slot(t, index)->kind)
			table_settle(t, index);
}

int node_table_adopt(const int fds[2], struct node_table **table)
{
	struct node_table *t = table_alloc();
	int err;

	if (!t)
		return -ENOMEM;
	err = region_adopt(fds[0], RESERVE, &t->region);
	if (err)
		goto fail;
	err = -EBADMSG;
	if (t->region.size < 2 * sizeof(struct slot) || table_head(t)->magic != MAGIC || table_head(t)->slots < 2 ||
	    table_head(t)->slots > t->region.size / sizeof(struct slot) || !table_slot(t, ROOT_INDEX)->kind)
		goto fail;
	err = table_derive(t);
	if (err)
		goto fail;
	err = slab_adopt(fds[1], text_is_used, t, &t->texts);
	if (err)
		goto fail;
	table_settle_all(t);
	*table = t;
	return 0;
fail:
	node_table_free(t);
	return err;
}

void node_table_free(struct node_table *table)
{
	if (!table)
		return;
	region_close(&table->region);
	slab_close(&table->texts);
	pthread_mutex_destroy(&table->lock);
	free(table);
}

void node_table_fds(const struct node_table *table, int fds[2])
{
	fds[0] = table->region.fd;
	fds[1] = table->texts.region.fd;
}

int node_take(struct node_table *table, const struct node_spec *spec, uint64_t *id)
{
	uint32_t index, parent;
	int err = 0;

	assert(spec->kind);
	pthread_mutex_lock(&table->lock);
	index = chain_find(table, &spec->key);
	parent = table_index(table, spec->parent);
	if (index) {
		table_slot(table, index)->lookups++;
		if (spec->shared)
			table_note_parent(table, index, parent, spec->value);
		goto out;
	}
	err = parent ? table_make(table, spec, parent, &index) : -ESTALE;
out:
	if (!err)
		*id = slot_id(table, index);
	pthread_mutex_unlock(&table->lock);
	return err;
}

int node_get(struct node_table *table, uint64_t id, struct node *node)
{
	uint32_t index;

	pthread_mutex_lock(&table->lock);
	index = table_index(table, id);
	if (index) {
		const struct slot *slot = table_slot(table, index);

		*node = (struct node){
		    .id = id,
		    .parent = slot_id(table, slot->parent),
		    .value = slot->flags & SLOT_TEXT ? 0 : slot->value,
		    .lookups = slot->lookups,
		    .key = slot->key,
		    .children = slot->children,
		    .kind = slot->kind,
		    .has_text = slot->flags & SLOT_TEXT,
		    .other_parent = slot->other ? slot_id(table, slot->other) : 0,
		    .other_value = slot->other ? slot->other_value : 0,
		};
	}
	pthread_mutex_unlock(&table->lock);
	return index ? 0 : -ESTALE;
}

const void *node_text(struct node_table *table, uint64_t id, size_t *len)
{
	const void *text = NULL;
	uint32_t index;

	pthread_mutex_lock(&table->lock);
	index = table_index(table, id);
	if (index && table_slot(table, index)->flags & SLOT_TEXT)
		text = slab_at(&table->texts, table_slot(table, index)->value, len);
	pthread_mutex_unlock(&table->lock);
	return text;
}

void node_forget(struct node_table *table, uint64_t id, uint64_t count)
{
	uint32_t index;

	pthread_mutex_lock(&table->lock);
	index = table_index(table, id);
	if (index > ROOT_INDEX) {
		struct slot *slot = table_slot(table, index);

		slot->lookups -= count < slot->lookups ? count : slot->lookups;
		table_settle(table, index);
	}
	pthread_mutex_unlock(&table->lock);
}

void node_stats(struct node_table *table, struct node_stats *stats)
{
	pthread_mutex_lock(&table->lock);
	stats->nodes = table->nodes;
	stats->bytes = table->region.size + table->texts.region.size;
	pthread_mutex_unlock(&table->lock);
}
