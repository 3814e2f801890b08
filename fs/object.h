/*
 * Git's objects as bytes: what a commit, a tag and a tree say.
 *
 * Nothing here reads: the bytes come from a reader (fs/git/repo_reader.h) and are not trusted.  Thread-safe.
 */
#ifndef FS_OBJECT_H
#define FS_OBJECT_H

#include <stdint.h>

#include "fs/git/oid.h"

enum object_type {
	OBJECT_ANY = 0,
	OBJECT_COMMIT = 1,
	OBJECT_TREE = 2,
	OBJECT_BLOB = 3,
	OBJECT_TAG = 4,
};

/* One object; data is malloc'ed, a NUL byte behind it. */
struct object {
	enum object_type type;
	void *data;
	size_t len;
};

/* The type of that name ("commit"...), or OBJECT_ANY. */
enum object_type object_type_of(const char *name, size_t len);

struct repo_commit {
	struct oid tree;
	int64_t time; /* committer's, seconds since 1970 */
	int64_t author_time;
	unsigned parents_count;
	struct oid *parents; /* malloc'ed, with the texts below */
	char *author;        /* "Name <mail>" */
	char *summary;       /* first line of the message */
};

/* Parse the bytes of a commit whose ids have OID_LEN bytes; repo_commit_release() frees.  0, -EBADMSG, -ENOMEM. */
int object_parse_commit(const struct object *object, size_t oid_len, struct repo_commit *commit);

/* Free what a commit holds; allowed on a zeroed one. */
void repo_commit_release(struct repo_commit *commit);

/* What a tag object names.  0, -EBADMSG. */
int object_parse_tag(const struct object *object, size_t oid_len, struct oid *target, enum object_type *type);

/* One line of a Git tree. */
struct repo_entry {
	uint32_t mode; /* as in Git: 040000, 0100644, 0100755, 0120000, 0160000 */
	struct oid oid;
	const char *name; /* NUL-terminated */
	uint16_t name_len;
};

/* A whole tree in Git's order, one malloc'ed piece.  ENTRIES points into it. */
struct repo_tree {
	size_t count;
	struct repo_entry *entries;
};

/*
 * Parse the bytes of a tree.  Modes come as Git takes them (any regular file is 0100644 or 0100755).  Names are not
 * empty, at most 65,535 bytes and may be anything else that bytes can be but NUL: who shows them must look. 0,
 * -EBADMSG, -ENOMEM.
 */
int object_parse_tree(const struct object *object, size_t oid_len, struct repo_tree **tree);

#endif
