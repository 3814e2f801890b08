#include "cache/audit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* A look at all copies of a record. */
struct copies {
	struct store *store;
	unsigned kind;
	const struct id *id;
	struct record *record;
	struct audit *audit;
	bool found; /* RECORD is read */
	int error;  /* the first */
};

static int try_copy(void *arg, const struct locator *at)
{
	struct copies *c = arg;
	struct record record;
	int r = store_read_copy(c->store, c->kind, c->id, at, &record);
	if (r == -ENOMEM)
		return r;
	if (r < 0 && r != -ENOENT) {
		c->audit->bad_copy = true;
		c->audit->at = *at;
		c->error = c->error ? c->error : r;
	}
	if (r == 0 && c->found)
		free(record.data);
	if (r == 0 && !c->found) {
		c->found = true;
		*c->record = record;
	}
	return -ENOENT; /* to the next */
}

int audit_record(struct store *store, unsigned kind, const struct id *id, const struct locator *hint,
                 struct record *record, struct audit *audit)
{
	struct copies c = {.store = store, .kind = kind, .id = id, .record = record, .audit = audit};
	const bool is_known = hint && hint->offset > 0;
	*audit = (struct audit){0};
	int hint_error = -ENOENT;
	if (is_known) {
		audit->at = *hint;
		hint_error = store_read_copy(store, kind, id, hint, record);
		if (hint_error == 0 || hint_error == -ENOMEM)
			return hint_error;
	}
	/* A place that is wrong costs time, not correctness; only what an index vouches for is a bad copy. */
	int r = store_each_copy(store, kind, id, try_copy, &c);
	if (r != -ENOENT) {
		if (c.found)
			free(record->data);
		return r;
	}
	if (c.found)
		return 0;
	if (c.error)
		return c.error;
	return hint_error;
}
