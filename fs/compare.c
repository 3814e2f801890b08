#include "fs/compare.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fs/name.h"

bool compare_entries_equal(const struct entry *a, const struct entry *b)
{
	if (a->kind != b->kind || a->executable != b->executable || a->form != b->form || a->size != b->size)
		return false;
	switch (a->kind) {
	case ENTRY_DIRECTORY:
		return id_equal(&a->id, &b->id);
	case ENTRY_FILE:
	case ENTRY_SYMLINK:
		if (a->form != CONTENT_INLINE)
			return id_equal(&a->id, &b->id);
		return a->size == 0 || memcmp(a->inline_data, b->inline_data, a->size) == 0;
	default:
		return a->foreign_len == b->foreign_len && memcmp(a->foreign, b->foreign, a->foreign_len) == 0;
	}
}

/*
 * Two directories side by side: a descent on each, of which the next entry that differs is wanted.
 *
 * The trees are cut by their names alone, so that away from a change both have the same pages, at the same level.  Both
 * descents go through references as long as they can, and enter only pages that have no equal on the other side.
 */
struct pair {
	struct descent a;
	struct descent b;
	bool a_ended;
	bool b_ended;
};

static void pair_close(struct pair *p)
{
	descent_close(&p->a);
	descent_close(&p->b);
}

static int open_side(struct source *s, const struct directory *directory, const char *from, size_t from_len,
                     struct descent *d)
{
	int r = directory ? tree_open(s, directory, d) : 0;

	if (r < 0 || !directory || !from)
		return r;
	r = descent_seek_name(d, from, from_len);
	return r == -ENOENT ? 0 : r;
}

/* Open both sides before the first name not below FROM (NULL: before the first). */
static int pair_open(struct pair *p, struct source *s, const struct directory *a, const struct directory *b,
                     const char *from, size_t from_len)
{
	int r;

	memset(p, 0, sizeof(*p));
	r = open_side(s, a, from, from_len, &p->a);
	if (r == 0)
		r = open_side(s, b, from, from_len, &p->b);
	if (r < 0)
		pair_close(p);
	return r;
}

static bool ended(struct descent *d)
{
	return d->depth == 0 || !descent_settle(d);
}

/* D stands before a reference; where OTHER stands at the beginning of the page it names, entered already, both pass it.
 */
static bool pass_entered(struct descent *d, struct descent *other)
{
	struct reference reference;

	page_reference(descent_page(d), descent_next(d), &reference);
	if (!descent_pass_page(other, &reference.id))
		return false;
	descent_pass(d);
	return true;
}

/* Both stand before references of one level: equal pages are passed. */
static bool pass_equal(struct descent *a, struct descent *b)
{
	struct reference ra, rb;

	if (descent_page(a)->level != descent_page(b)->level)
		return false;
	page_reference(descent_page(a), descent_next(a), &ra);
	page_reference(descent_page(b), descent_next(b), &rb);
	if (!id_equal(&ra.id, &rb.id))
		return false;
	descent_pass(a);
	descent_pass(b);
	return true;
}

/* Neither has ended.  Pass what is equal, or enter a page; until both stand before entries: 1.  0: go on. */
static int approach(struct pair *p)
{
	struct descent *a = &p->a, *b = &p->b;
	unsigned la = descent_page(a)->level, lb = descent_page(b)->level;
	int r;

	if (la == 0 && lb == 0)
		return 1;
	if (la > 0 && lb > 0 && pass_equal(a, b))
		return 0;
	if (la > 0 && pass_entered(a, b))
		return 0;
	if (lb > 0 && pass_entered(b, a))
		return 0;
	/* The higher one first, so that both come to stand before references of one level. */
	r = la >= lb ? descent_enter(a) : 0;
	if (r == 0 && lb >= la)
		r = descent_enter(b);
	return r;
}

/* Come to stand before an entry on each side that has not ended.  Returns 0, -ENOENT where both have, or an error. */
static int meet(struct pair *p)
{
	for (;;) {
		int r;

		p->a_ended = ended(&p->a);
		p->b_ended = ended(&p->b);
		if (p->a_ended && p->b_ended)
			return -ENOENT;
		if (p->a_ended)
			return descent_to_leaf(&p->b);
		if (p->b_ended)
			return descent_to_leaf(&p->a);
		r = approach(p);
		if (r != 0)
			return r < 0 ? r : 0;
	}
}

/* What stands before one or both: the lower name, and who has it. */
struct met {
	struct entry a;
	struct entry b;
	bool has_a;
	bool has_b;
};

static const struct entry *met_name(const struct met *m)
{
	return m->has_a ? &m->a : &m->b;
}

/* The next name on either side, equal entries passed.  0, -ENOENT at the end of both, or an error. */
static int pair_next(struct pair *p, struct met *m)
{
	for (;;) {
		int order, r = meet(p);

		if (r < 0)
			return r;
		if (!p->a_ended)
			page_entry(descent_page(&p->a), descent_next(&p->a), &m->a);
		if (!p->b_ended)
			page_entry(descent_page(&p->b), descent_next(&p->b), &m->b);
		order = p->a_ended ? 1 : p->b_ended ? -1 : name_cmp(m->a.name, m->a.name_len, m->b.name, m->b.name_len);
		m->has_a = order <= 0;
		m->has_b = order >= 0;
		if (order != 0 || !compare_entries_equal(&m->a, &m->b))
			return 0;
		descent_pass(&p->a);
		descent_pass(&p->b);
	}
}

static void pair_pass(struct pair *p, bool a, bool b)
{
	if (a)
		descent_pass(&p->a);
	if (b)
		descent_pass(&p->b);
}

int compare_level(struct source *s, const struct directory *a, const struct directory *b, const char *from,
                  size_t from_len, compare_each each, void *arg)
{
	struct pair p;
	struct met m;
	int answer = 0, r = pair_open(&p, s, a, b, from, from_len);

	if (r < 0)
		return r;
	while (answer == 0 && (r = pair_next(&p, &m)) == 0) {
		char name[NAME_SIZE_MAX + 1];
		const struct entry *named = met_name(&m);

		memcpy(name, named->name, named->name_len);
		name[named->name_len] = '\0';
		answer = each(arg, name, named->name_len, m.has_a ? &m.a : NULL, m.has_b ? &m.b : NULL);
		pair_pass(&p, m.has_a, m.has_b);
	}
	pair_close(&p);
	return answer != 0 ? answer : r == -ENOENT ? 0 : r;
}

/*
 * A directory on the way, on one side or both.  While what is below is compared no page of it stays pinned: it is
 * opened again behind the name where it was left, on side B before that name where its kind changed.
 */
struct frame {
	struct directory a;
	struct directory b;
	bool has_a;
	bool has_b;
	bool begun;
	bool b_again; /* B's entry of that name is still to be told */
	size_t path_len;
	uint16_t name_len;
	char name[NAME_SIZE_MAX];
};

struct comparison {
	struct source *source;
	compare_each each;
	void *arg;
	struct frame *frames;
	unsigned depth;
	unsigned capacity;
	struct buffer path;
};

/* A is the directory on side A where not NULL; B likewise. */
static int push(struct comparison *c, const struct directory *a, const struct directory *b)
{
	struct frame *frame;

	if (c->depth > PAGE_DEPTH_MAX)
		return -EBADMSG;
	if (c->depth == c->capacity) {
		unsigned capacity = c->capacity ? 2 * c->capacity : 16;
		struct frame *frames = realloc(c->frames, capacity * sizeof(*frames));

		if (!frames)
			return -ENOMEM;
		c->frames = frames;
		c->capacity = capacity;
	}
	frame = &c->frames[c->depth++];
	memset(frame, 0, sizeof(*frame));
	frame->has_a = a != NULL;
	frame->has_b = b != NULL;
	if (a)
		frame->a = *a;
	if (b)
		frame->b = *b;
	frame->path_len = c->path.len;
	return 0;
}

static int set_path(struct comparison *c, size_t directory_len, const struct entry *entry)
{
	c->path.len = directory_len;
	if (directory_len > 0)
		buffer_put8(&c->path, '/');
	buffer_append(&c->path, entry->name, entry->name_len);
	buffer_put8(&c->path, '\0');
	if (c->path.failed)
		return -ENOMEM;
	c->path.len--;
	return 0;
}

static bool can_enter(const struct entry *entry)
{
	return entry->kind == ENTRY_DIRECTORY && !entry->broken;
}

/* Enter what is a directory on either side, after having noted in the frame where to go on. */
static int enter(struct comparison *c, const struct met *m, bool a, bool b, bool b_again)
{
	struct frame *frame = &c->frames[c->depth - 1];
	struct directory below_a, below_b;

	frame->begun = true;
	frame->b_again = b_again;
	frame->name_len = met_name(m)->name_len;
	memcpy(frame->name, met_name(m)->name, frame->name_len);
	if (a)
		directory_of(&m->a, &below_a);
	if (b)
		directory_of(&m->b, &below_b);
	return push(c, a ? &below_a : NULL, b ? &below_b : NULL);
}

/*
 * Tell one name and move behind it.  Returns 0; 1 where a directory is entered, which comes first; or -errno.
 * Where the kind changed, only the deletion is told, and side B stays: its addition is the next thing met.
 */
static int tell(struct comparison *c, struct pair *p, const struct met *m)
{
	bool both = m->has_a && m->has_b;
	bool kind_changed = both && m->a.kind != m->b.kind;
	bool a = m->has_a, b = m->has_b && !kind_changed;
	bool enter_a, enter_b;
	int r = set_path(c, c->frames[c->depth - 1].path_len, met_name(m));

	if (r < 0)
		return r;
	enter_a = a && can_enter(&m->a);
	enter_b = b && can_enter(&m->b);
	if (!(a && b && enter_a && enter_b))
		r = c->each(c->arg, (const char *)c->path.data, c->path.len, a ? &m->a : NULL, b ? &m->b : NULL);
	if (r < 0)
		return r;
	if (r == 1 || !(enter_a || enter_b)) {
		pair_pass(p, a, b);
		return 0;
	}
	r = enter(c, m, enter_a, enter_b, kind_changed);
	return r < 0 ? r : 1;
}

/* Open the deepest frame where it was left. */
static int resume(struct comparison *c, struct pair *p)
{
	struct frame *f = &c->frames[c->depth - 1];
	int r = pair_open(p, c->source, f->has_a ? &f->a : NULL, f->has_b ? &f->b : NULL, f->begun ? f->name : NULL,
	                  f->name_len);
	size_t len;
	const char *name;

	if (r < 0 || !f->begun)
		return r;
	if (!ended(&p->a)) {
		name = page_name(descent_page(&p->a), descent_next(&p->a), &len);
		if (name_cmp(name, len, f->name, f->name_len) == 0)
			descent_pass(&p->a);
	}
	if (!f->b_again && !ended(&p->b)) {
		name = page_name(descent_page(&p->b), descent_next(&p->b), &len);
		if (name_cmp(name, len, f->name, f->name_len) == 0)
			descent_pass(&p->b);
	}
	return 0;
}

/* Go on in the deepest frame until it ends, and is dropped, or one below it is entered. */
static int go_on(struct comparison *c)
{
	struct pair p;
	struct met m;
	int told = 0, r = resume(c, &p);

	if (r < 0)
		return r;
	while (told == 0 && (r = pair_next(&p, &m)) == 0)
		told = tell(c, &p, &m);
	pair_close(&p);
	if (told != 0)
		return told == 1 ? 0 : told;
	if (r != -ENOENT)
		return r;
	c->depth--;
	return 0;
}

int compare_trees(struct source *s, const struct directory *a, const struct directory *b, compare_each each, void *arg)
{
	struct comparison c = {.source = s, .each = each, .arg = arg};
	int r = 0;

	if (!(a && b && id_equal(&a->id, &b->id)))
		r = push(&c, a, b);
	while (r == 0 && c.depth > 0)
		r = go_on(&c);
	free(c.frames);
	buffer_release(&c.path);
	return r;
}

static int note_name(void *arg, const char *name, size_t len, const struct entry *old, const struct entry *now)
{
	struct buffer *names = arg;

	(void)old;
	(void)now;
	buffer_append(names, name, len);
	buffer_put8(names, 0);
	return names->failed ? -ENOMEM : 0;
}

int compare_names(struct source *s, const struct directory *a, const struct directory *b, struct buffer *names)
{
	if ((!a && !b) || (a && b && id_equal(&a->id, &b->id)))
		return 0;
	return compare_level(s, a, b, NULL, 0, note_name, names);
}

const char *compare_next_name(const struct buffer *names, size_t *at, const char *name, size_t len, size_t *next_len)
{
	while (*at < names->len) {
		const char *next = (const char *)names->data + *at;
		int order;

		*next_len = strlen(next);
		order = name ? name_cmp(next, *next_len, name, len) : -1;
		if (order > 0)
			break;
		*at += *next_len + 1;
		if (order < 0)
			return next;
	}
	return NULL;
}
