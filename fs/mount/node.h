/*
 * The node table: what the kernel knows by a node id.
 *
 * It lies in shared memory without pointers, so that the process that serves the mount can be followed by another,
 * which adopts the table and goes on with the same ids and counts.  A node id is an index in the low half and a
 * generation in the high half; a generation is never used twice for one index, so an id never comes back within a
 * mount.
 *
 * A node lives while the kernel holds it (lookups) or while nodes below it live (children): it pins its parents.
 * Counts follow the rule that after a crash they are never too low: count before the reply, un-count after a FORGET or
 * once the reply is known not to have arrived.
 *
 * What a kind and a value mean is the caller's business.  Thread-safe; one lock, never held across I/O.
 */
#ifndef FS_NODE_H
#define FS_NODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NODE_ROOT UINT64_C(1) /* the id of the root: index 1, generation 0; always there */
#define NODE_KEY_SIZE 16

struct node_table;

/* 128 bits under which a node is found again; the caller makes them from a cryptographic hash. */
struct node_key {
	uint8_t bytes[NODE_KEY_SIZE];
};

/* A copy of what the table holds of a node. */
struct node {
	uint64_t id;
	uint64_t parent;       /* id; of the root its own */
	uint64_t value;        /* the caller's number, 0 for a node with a text */
	uint64_t other_parent; /* under which it was last found, where that is not parent; else 0 */
	uint64_t other_value;
	uint64_t lookups;
	struct node_key key;
	uint32_t children;
	uint8_t kind;
	bool has_text;
};

/* What makes a node: its TEXT (any bytes, copied) excludes a value. */
struct node_spec {
	uint64_t parent;
	uint64_t value;
	struct node_key key;
	const void *text; /* NULL: none */
	size_t text_len;  /* at most SLAB_LEN_MAX */
	uint8_t kind;     /* not 0 */
	bool shared;      /* may be found under several parents, and never has children or a text */
};

/* Make a table that holds only the root, of kind ROOT_KIND.  Returns 0 or -errno. */
int node_table_new(uint8_t root_kind, struct node_table **table);

/*
 * Go on with the table whose memory FDS name, as node_table_fds() of the process before gave them; they stay the
 * caller's.  What can be derived is derived anew, so a process killed at any point leaves a table that is whole; nodes
 * whose last count was gone are dropped.  Returns 0; -EBADMSG for what is no table; -errno.
 */
int node_table_adopt(const int fds[2], struct node_table **table);

/* Unmap.  Nothing happens to the memory where another process has it.  NULL is ignored. */
void node_table_free(struct node_table *table);

/* The descriptors of the memory, CLOEXEC, borrowed. */
void node_table_fds(const struct node_table *table, int fds[2]);

/*
 * Find the node of spec->key, or make it, and count one look-up of it.  A node found keeps its own parent and value:
 * what has one key is one thing.  A shared one remembers (and pins) the last other parent as well, with a value below
 * 2^32: where the first can't be used any more, the other may.  Returns 0 and the id; -ESTALE where the parent is not
 * known; -ENOMEM; -errno.
 */
int node_take(struct node_table *table, const struct node_spec *spec, uint64_t *id);

/* Copy the node ID.  Returns 0, or -ESTALE where the table does not know it. */
int node_get(struct node_table *table, uint64_t id, struct node *node);

/* The text of the node ID, aligned to 8; NULL where it has none or is unknown.  It stays while the node lives. */
const void *node_text(struct node_table *table, uint64_t id, size_t *len);

/* Un-count COUNT look-ups.  A node with no look-up and no child is gone, and so on upwards.  Unknown ids and counts too
 * high are passed over: the kernel is believed, but not with our memory. */
void node_forget(struct node_table *table, uint64_t id, uint64_t count);

struct node_stats {
	uint64_t nodes; /* that live, the root included */
	uint64_t bytes; /* of memory behind the table */
};

/* Measure the table. */
void node_stats(struct node_table *table, struct node_stats *stats);

#endif
