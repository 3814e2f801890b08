/* A Git object; the first byte says what it is taken for and how long its ids are. */
#include <errno.h>
#include <string.h>

#include "fs/object.h"
#include "fuzz/support/fuzz.h"

static void parse_commit(const struct object *object, size_t oid_len)
{
	struct repo_commit commit;
	int r = object_parse_commit(object, oid_len, &commit);
	REQUIRE(r == 0 || r == -EBADMSG);
	if (r < 0)
		return;
	REQUIRE(commit.tree.len == oid_len && commit.author && commit.summary && !strchr(commit.summary, '\n'));
	for (unsigned i = 0; i < commit.parents_count; i++)
		REQUIRE(commit.parents[i].len == oid_len);
	repo_commit_release(&commit);
}

static void parse_tree(const struct object *object, size_t oid_len)
{
	struct repo_tree *tree;
	int r = object_parse_tree(object, oid_len, &tree);
	REQUIRE(r == 0 || r == -EBADMSG);
	if (r < 0)
		return;
	for (size_t i = 0; i < tree->count; i++) {
		const struct repo_entry *e = &tree->entries[i];
		REQUIRE(e->name_len > 0 && strlen(e->name) == e->name_len && e->oid.len == oid_len);
	}
	free(tree);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	if (len < 1)
		return 0;
	const uint8_t control = *data;
	const size_t oid_len = control & 4 ? 32 : 20;
	/* One NUL byte behind the data, as readers give it, and not one more. */
	uint8_t *copy = malloc(len);
	REQUIRE(copy);
	memcpy(copy, data + 1, len - 1);
	copy[len - 1] = 0;
	struct object object = {.data = copy, .len = len - 1};
	struct oid target;
	enum object_type type;
	int r;
	switch (control & 3) {
	case 0:
		object.type = OBJECT_COMMIT;
		parse_commit(&object, oid_len);
		break;
	case 1:
		object.type = OBJECT_TREE;
		parse_tree(&object, oid_len);
		break;
	default:
		object.type = OBJECT_TAG;
		r = object_parse_tag(&object, oid_len, &target, &type);
		REQUIRE(r == -EBADMSG || (r == 0 && target.len == oid_len && type != OBJECT_ANY));
	}
	free(copy);
	return 0;
}
