#include "fs/upper_drift.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cache/interrupt.h"
#include "fs/compare.h"
#include "fs/dataset.h"
#include "fs/feed.h"
#include "fs/likeness.h"
#include "fs/marks.h"
#include "fs/name.h"
#include "fs/stat_cache.h"

/* A directory on the way down. */
struct level {
	size_t path_len; /* of what is in PATH for it */
	bool has_base;   /* BASE shows through */
	bool has_tree;
	struct directory base;
	struct directory tree;
	struct buffer differing; /* names in which the two differ, each with a NUL byte */
	size_t differing_at;     /* of the first that was not told yet */
};

struct state {
	const struct upper_drift *request;
	drift_each each;
	void *arg;
	struct scan *scan;
	struct marks marks;
	struct stat_cache *cache;
	struct likeness *likeness;
	struct level *levels;
	size_t depth, capacity;
	struct buffer path; /* of the present directory, with a slash behind each name; then of what is told */
	bool skipped;       /* the end of a directory comes next that was not entered */
};

static struct level *top(struct state *s)
{
	return &s->levels[s->depth - 1];
}

static int tell(struct state *s, const struct entry *old, uint8_t kind, const struct stat *st, const struct entry *now)
{
	struct drift_difference difference = {
	    .path = (const char *)s->path.data, .old = old, .kind = kind, .st = st, .now = now};

	return s->each(s->arg, &difference);
}

/* The path of NAME in the present directory is that of what is told next. */
static int set_path(struct state *s, const char *name, size_t len)
{
	s->path.len = top(s)->path_len;
	buffer_append(&s->path, name, len);
	buffer_put8(&s->path, 0);
	return s->path.failed ? -ENOMEM : 0;
}

static int tell_problem(struct state *s, const char *name, size_t len, enum problem problem, int error)
{
	struct drift_difference difference = {.problem = (uint8_t)problem, .error = error};
	int failed = set_path(s, name, len);

	/* A directory that cannot be listed is told by its own name. */
	if (!failed && !len && s->path.len > 1)
		s->path.data[s->path.len - 2] = '\0';
	difference.path = (const char *)s->path.data;
	return failed ? failed : s->each(s->arg, &difference);
}

/* --- what the trees have --- */

/* Differences below a directory, of which PATH has the path up to PREFIX. */
struct below {
	struct state *state;
	size_t prefix;
};

static int tell_below(void *arg, const char *path, size_t path_len, const struct entry *old, const struct entry *now)
{
	struct below *below = arg;
	struct buffer *full = &below->state->path;

	full->len = below->prefix;
	buffer_put8(full, '/');
	buffer_append(full, path, path_len);
	buffer_put8(full, 0);
	return full->failed ? -ENOMEM : tell(below->state, old, now ? now->kind : 0, NULL, now);
}

static bool is_directory(const struct entry *entry)
{
	return entry && entry->kind == ENTRY_DIRECTORY && !entry->broken;
}

/* Tell what is in two directories (NULL: nothing), or in neither, differing; the path is theirs. */
static int tell_inside(struct state *s, const struct entry *old, const struct entry *now)
{
	struct below below = {.state = s, .prefix = s->path.len - 1};
	struct directory a, b;

	if (!is_directory(old) && !is_directory(now))
		return 0;
	if (is_directory(old))
		directory_of(old, &a);
	if (is_directory(now))
		directory_of(now, &b);
	return compare_trees(s->request->source, is_directory(old) ? &a : NULL, is_directory(now) ? &b : NULL,
	                     tell_below, &below);
}

/* Where the tree has OLD there is nothing now. */
static int tell_gone(struct state *s, const char *name, size_t len, const struct entry *old)
{
	int error = set_path(s, name, len);

	if (!error)
		error = tell(s, old, 0, NULL, NULL);
	return error ? error : tell_inside(s, old, NULL);
}

/* The base shows through at NAME: it has NOW there, the tree OLD (NULL: nothing). */
static int tell_through(struct state *s, const char *name, size_t len, const struct entry *old, const struct entry *now)
{
	int error;

	if (old && now && compare_entries_equal(old, now))
		return 0;
	error = set_path(s, name, len);
	if (!error && is_directory(old) && is_directory(now))
		return tell_inside(s, old, now);
	if (!error && old && now && old->kind == now->kind)
		return tell(s, old, now->kind, NULL, now);
	if (!error && old)
		error = tell_gone(s, name, len, old);
	if (error || !now)
		return error;
	error = set_path(s, name, len);
	if (!error)
		error = tell(s, NULL, now->kind, NULL, now);
	return error ? error : tell_inside(s, NULL, now);
}

/* What the directory has of NAME: *ENTRY is NULL for nothing; to be given back, also after an error. */
static int look_in(struct state *s, bool has, const struct directory *directory, const char *name, size_t len,
                   struct entry_pin *pin, const struct entry **entry)
{
	int error = has ? tree_find(s->request->source, directory, name, len, pin) : -ENOENT;

	*entry = error ? NULL : &pin->entry;
	return error == -ENOENT ? 0 : error;
}

/* Nobody speaks of NAME. */
static int take_untold(struct state *s, const char *name, size_t len)
{
	const struct entry *old = NULL, *now = NULL;
	struct entry_pin pins[2] = {0};
	struct level *l = top(s);
	int error = look_in(s, l->has_tree, &l->tree, name, len, &pins[0], &old);

	if (!error)
		error = look_in(s, l->has_base, &l->base, name, len, &pins[1], &now);
	if (!error)
		error = tell_through(s, name, len, old, now);
	tree_unpin_entry(s->request->source, &pins[0]);
	tree_unpin_entry(s->request->source, &pins[1]);
	return error;
}

/* Tell what nobody spoke of between the name met last and NAME (NULL: all the rest), which is met now. */
static int tell_untold(struct state *s, const char *name, size_t len)
{
	struct level *l = top(s);
	const char *next;
	size_t next_len;
	int error = 0;

	while (!error && (next = compare_next_name(&l->differing, &l->differing_at, name, len, &next_len)))
		error = take_untold(s, next, next_len);
	return error;
}

/* --- what is met --- */

/* Where the upper folder has something at NAME: what comes before it is told, and *OLD is what the tree has there; to
 * be given back, also after an error. */
static int meet(struct state *s, const char *name, size_t len, struct entry_pin *pin, const struct entry **old)
{
	int error = tell_untold(s, name, len);

	*old = NULL;
	return error ? error : look_in(s, top(s)->has_tree, &top(s)->tree, name, len, pin, old);
}

/* Into a directory that BASE and TREE have (NULL: not), and whose name is the one told last; the top has none. */
static int push(struct state *s, const struct directory *base, const struct directory *tree)
{
	struct level *l;

	if (s->depth == s->capacity) {
		size_t capacity = s->capacity ? 2 * s->capacity : 8;
		struct level *levels = reallocarray(s->levels, capacity, sizeof(*levels));

		if (!levels)
			return -ENOMEM;
		s->levels = levels;
		s->capacity = capacity;
	}
	if (s->path.len) {
		s->path.len--;
		buffer_put8(&s->path, '/');
	}
	l = &s->levels[s->depth++];
	*l = (struct level){.path_len = s->path.len, .has_base = base, .has_tree = tree};
	if (base)
		l->base = *base;
	if (tree)
		l->tree = *tree;
	if (s->path.failed)
		return -ENOMEM;
	return compare_names(s->request->source, tree, base, &l->differing);
}

static void pop(struct state *s)
{
	buffer_release(&top(s)->differing);
	s->depth--;
}

static int take_hidden(struct state *s, const struct scan_step *met)
{
	struct entry_pin pin = {0};
	const struct entry *old;
	int error = meet(s, met->name, met->name_len, &pin, &old);

	if (!error && old)
		error = tell_gone(s, met->name, met->name_len, old);
	tree_unpin_entry(s->request->source, &pin);
	return error;
}

/* The same kind of thing is on both sides. */
static int compare(struct state *s, const struct scan_step *met, const struct content *known, const struct entry *old)
{
	bool same, of_store;
	int error =
	    likeness_compare(s->likeness, scan_dir_fd(met->dir), met->name, &met->st, known, old, &same, &of_store);

	if (error && (of_store || is_unanswered(error)))
		return error;
	if (error)
		return tell_problem(s, met->name, met->name_len, PROBLEM_UNREADABLE, error);
	if (same)
		return 0;
	error = set_path(s, met->name, met->name_len);
	return error ? error : tell(s, old, old->kind, &met->st, NULL);
}

static int take_file(struct state *s, const struct scan_step *met, const struct entry *old)
{
	uint8_t kind = S_ISLNK(met->st.st_mode) ? ENTRY_SYMLINK : ENTRY_FILE;
	struct stat_cache_entry cached;
	struct file_stamp stamp;
	bool known;
	int error = 0;

	file_stamp_of(&met->st, &stamp);
	known = !stat_cache_find(s->cache, met->name, met->name_len, &cached) && !cached.racy && cached.kind == kind &&
	        file_stamp_equal(&cached.stamp, &stamp);
	if (old && old->kind == kind)
		return compare(s, met, known ? &cached.content : NULL, old);
	if (old)
		error = tell_gone(s, met->name, met->name_len, old);
	if (!error)
		error = set_path(s, met->name, met->name_len);
	return error ? error : tell(s, NULL, kind, &met->st, NULL);
}

static int take_entry(struct state *s, const struct scan_step *met)
{
	struct entry_pin pin = {0};
	const struct entry *old;
	int error;

	error = meet(s, met->name, met->name_len, &pin, &old);
	if (!error && !S_ISREG(met->st.st_mode) && !S_ISLNK(met->st.st_mode))
		error = tell_problem(s, met->name, met->name_len, PROBLEM_SPECIAL, 0);
	else if (!error)
		error = take_file(s, met, old);
	tree_unpin_entry(s->request->source, &pin);
	return error;
}

/* Into the directory that was met, which the tree has as OLD. */
static int go_in(struct state *s, const struct scan_step *met, const struct entry *old, bool bare)
{
	const struct entry *below = NULL;
	struct directory base, tree;
	struct entry_pin pin = {0};
	struct level *l = top(s);
	int error = look_in(s, l->has_base && !bare, &l->base, met->name, met->name_len, &pin, &below);

	if (!error && old && !is_directory(old))
		error = tell_gone(s, met->name, met->name_len, old);
	if (!error)
		error = set_path(s, met->name, met->name_len);
	if (!error && !is_directory(old))
		error = tell(s, NULL, ENTRY_DIRECTORY, &met->st, NULL);
	if (is_directory(below))
		directory_of(below, &base);
	if (is_directory(old))
		directory_of(old, &tree);
	if (!error) {
		stat_cache_enter(s->cache, met->name, met->name_len);
		error = push(s, is_directory(below) ? &base : NULL, is_directory(old) ? &tree : NULL);
	}
	tree_unpin_entry(s->request->source, &pin);
	return error;
}

static int take_enter(struct state *s, const struct scan_step *met)
{
	struct entry_pin pin = {0};
	const struct entry *old;
	bool bare;
	int looked = marks_enter(&s->marks, s->scan, &bare), error;

	if (is_unanswered(looked))
		return looked;
	error = meet(s, met->name, met->name_len, &pin, &old);
	if (!error && looked) {
		scan_skip(s->scan);
		s->skipped = true;
		error = tell_problem(s, met->name, met->name_len, feed_problem_of(looked), looked);
	} else if (!error) {
		error = go_in(s, met, old, bare);
	}
	tree_unpin_entry(s->request->source, &pin);
	return error;
}

static int take_leave(struct state *s)
{
	int error = tell_untold(s, NULL, 0);

	marks_leave(&s->marks);
	if (s->depth > 1)
		stat_cache_leave(s->cache);
	pop(s);
	return error;
}

static bool is_excluded(struct state *s, const struct scan_step *met)
{
	const struct exclude *exclude = s->request->exclude;
	struct buffer full = {0};
	bool is;

	if (!exclude)
		return false;
	buffer_append(&full, s->request->upper->path, strlen(s->request->upper->path));
	buffer_put8(&full, '/');
	buffer_append(&full, scan_path(s->scan), strlen(scan_path(s->scan)) + 1);
	is = !full.failed && exclude_matches(exclude, (const char *)full.data, met->event == SCAN_ENTER);
	buffer_release(&full);
	return is;
}

/* Whether MET is left out, as a snapshot does: then what is below it is hidden, too. */
static int take_left_out(struct state *s, const struct scan_step *met, bool *done)
{
	enum marks_say say;
	int error = marks_say(&s->marks, met, &say);

	*done = true;
	if (is_unanswered(error))
		return error;
	if (error)
		return tell_problem(s, met->name, met->name_len, feed_problem_of(error), error);
	if (say == MARKS_NOTHING)
		return 0;
	if (say == MARKS_HIDES || is_excluded(s, met))
		return take_hidden(s, met);
	if (name_is_dotgit(met->name, met->name_len))
		return tell_problem(s, met->name, met->name_len, PROBLEM_DOTGIT, 0);
	*done = false;
	return 0;
}

static int take_step(struct state *s, const struct scan_step *met)
{
	bool is_entered = met->event == SCAN_ENTER, done;
	int error;

	if (s->skipped) {
		s->skipped = false;
		return 0;
	}
	if (met->event == SCAN_LEAVE)
		return take_leave(s);
	if (met->event == SCAN_FAILED)
		return tell_problem(s, met->name ? met->name : "", met->name_len,
		                    met->error == -ENAMETOOLONG ? PROBLEM_TOO_DEEP : PROBLEM_UNREADABLE, met->error);
	error = take_left_out(s, met, &done);
	if (error)
		return error;
	if (done && is_entered)
		scan_skip(s->scan);
	s->skipped |= done && is_entered;
	if (done)
		return 0;
	return is_entered ? take_enter(s, met) : take_entry(s, met);
}

/* --- all of it --- */

static int open_top(struct state *s)
{
	const struct upper *u = s->request->upper;
	struct directory base, tree;
	bool bare;
	int error = upper_look(u, &bare);

	if (error)
		return error;
	dataset_directory(u->base, &base);
	if (u->old)
		dataset_directory(u->old, &tree);
	error = push(s, bare ? NULL : &base, u->old ? &tree : NULL);
	return error ? error : scan_open_marked(u->dirfd, u->name, layer_prefix(u->dialect), &s->scan);
}

static int walk(struct state *s)
{
	struct scan_step met;
	int error = open_top(s);

	if (error)
		return error;
	while (!(error = scan_next(s->scan, &met))) {
		if (atomic_load_explicit(s->request->cancelled, memory_order_relaxed))
			return -EINTR;
		error = take_step(s, &met);
		if (error)
			return error;
	}
	return error == -ENOENT ? take_leave(s) : error;
}

int upper_drift(const struct upper_drift *drift, drift_each each, void *arg)
{
	const struct upper *u = drift->upper;
	struct state s = {.request = drift, .each = each, .arg = arg, .marks = {.dialect = u->dialect}};
	struct id root;
	int error;

	assert(u->dialect != LAYER_NONE && !u->base->is_file && !(u->old && u->old->is_file));
	if (u->folder >= 0)
		stat_cache_open(drift->io, u->folder, u->stat_name, &s.cache, &root);
	error = likeness_new(drift->source, &s.likeness);
	if (!error)
		error = walk(&s);
	while (s.depth)
		pop(&s);
	free(s.levels);
	scan_close(s.scan);
	marks_release(&s.marks);
	likeness_free(s.likeness);
	stat_cache_close(s.cache);
	buffer_release(&s.path);
	return error;
}
