#include "cache/hint.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "cache/hint_merge.h"
#include "cache/hint_run.h"

#define FILES_MAX 64 /* more are left alone; merging keeps far below */

/* The runs of one moment.  Immutable and counted: look-ups go on in the old one while a new one is made. */
struct run_set {
	unsigned refs; /* under the hint's lock */
	size_t count;
	struct hint_run *runs[]; /* files, the largest first; then those in memory, the largest first */
};

/* A file that is damaged or superseded, to be removed by whoever writes next. */
struct doomed {
	struct doomed *next;
	char name[PACK_ID_HEX_SIZE];
};

struct hint {
	const struct io *io;
	int dirfd;
	pthread_mutex_t lock; /* of what follows; held for pointer work only */
	struct run_set *set;  /* never NULL */
	struct doomed *doomed;
};

static struct run_set *set_new(size_t capacity)
{
	struct run_set *set = calloc(1, sizeof(*set) + capacity * sizeof(set->runs[0]));

	if (set)
		set->refs = 1;
	return set;
}

static struct run_set *set_ref(struct hint *hint)
{
	struct run_set *set;

	pthread_mutex_lock(&hint->lock);
	set = hint->set;
	set->refs++;
	pthread_mutex_unlock(&hint->lock);
	return set;
}

static void set_unref(struct hint *hint, struct run_set *set)
{
	unsigned left;
	size_t i;

	if (!set)
		return;
	pthread_mutex_lock(&hint->lock);
	left = --set->refs;
	pthread_mutex_unlock(&hint->lock);
	if (left > 0)
		return;
	for (i = 0; i < set->count; i++)
		hint_run_unref(set->runs[i]);
	free(set);
}

/* Put SET in the place of OLD.  False where another thread came first: the caller looks again. */
static bool set_replace(struct hint *hint, struct run_set *old, struct run_set *set)
{
	bool mine;

	pthread_mutex_lock(&hint->lock);
	mine = hint->set == old;
	if (mine)
		hint->set = set;
	pthread_mutex_unlock(&hint->lock);
	set_unref(hint, mine ? old : set); /* the hint's own reference, or ours */
	return mine;
}

/* Files first, then memory; in both the largest first. */
static int compare_runs(const void *a, const void *b)
{
	const struct hint_run *x = *(struct hint_run *const *)a, *y = *(struct hint_run *const *)b;

	if (!x->entries != !y->entries)
		return x->entries ? 1 : -1;
	return x->count > y->count ? -1 : x->count < y->count;
}

static bool is_among(const struct hint_run *run, struct hint_run *const *runs, size_t count)
{
	size_t i;

	for (i = 0; i < count; i++) {
		if (runs[i] == run)
			return true;
	}
	return false;
}

/* Go on without WITHOUT and with ADDED (may be NULL; its reference stays the caller's).  0 or -ENOMEM. */
static int set_change(struct hint *hint, struct hint_run *const *without, size_t without_count, struct hint_run *added)
{
	bool done = false;

	while (!done) {
		struct run_set *old = set_ref(hint), *set = set_new(old->count + 1);
		size_t i;

		if (!set) {
			set_unref(hint, old);
			return -ENOMEM;
		}
		for (i = 0; i < old->count; i++) {
			if (!is_among(old->runs[i], without, without_count))
				set->runs[set->count++] = hint_run_ref(old->runs[i]);
		}
		if (added)
			set->runs[set->count++] = hint_run_ref(added);
		qsort(set->runs, set->count, sizeof(struct hint_run *), compare_runs);
		done = set_replace(hint, old, set);
		set_unref(hint, old);
	}
	return 0;
}

static bool set_covers(const struct run_set *set, const struct pack_id *pack)
{
	size_t i;

	for (i = 0; i < set->count; i++) {
		if (hint_run_covers(set->runs[i], pack))
			return true;
	}
	return false;
}

/* A lost note costs a file that lies around until the next time. */
static void doom(struct hint *hint, const char *name)
{
	struct doomed *doomed = malloc(sizeof(*doomed));

	if (!doomed)
		return;
	memcpy(doomed->name, name, sizeof(doomed->name));
	pthread_mutex_lock(&hint->lock);
	doomed->next = hint->doomed;
	hint->doomed = doomed;
	pthread_mutex_unlock(&hint->lock);
}

static struct doomed *take_doomed(struct hint *hint)
{
	struct doomed *doomed;

	pthread_mutex_lock(&hint->lock);
	doomed = hint->doomed;
	hint->doomed = NULL;
	pthread_mutex_unlock(&hint->lock);
	return doomed;
}

/* Opening. */

struct file_names {
	char (*names)[PACK_ID_HEX_SIZE];
	size_t count;
};

static int collect_name(void *arg, const char *name)
{
	struct file_names *files = arg;
	struct pack_id id;

	if (pack_id_parse(name, strlen(name), &id) == 0 && files->count < FILES_MAX)
		memcpy(files->names[files->count++], name, PACK_ID_HEX_SIZE);
	return 0;
}

/* Whether other files of the set cover all that RUN does: another process merged it and did not come to remove it. */
static bool is_superseded(const struct run_set *set, const struct hint_run *run)
{
	uint32_t i;

	for (i = 0; i < run->packs_count; i++) {
		if (!set_covers(set, &run->packs[i]))
			return false;
	}
	return true;
}

static void drop_superseded(struct hint *hint)
{
	struct run_set *set = hint->set;
	size_t i, count = set->count;

	qsort(set->runs, count, sizeof(struct hint_run *), compare_runs);
	set->count = 0;
	for (i = 0; i < count; i++) {
		struct hint_run *run = set->runs[i];

		if (is_superseded(set, run)) {
			doom(hint, run->name);
			hint_run_unref(run);
		} else {
			set->runs[set->count++] = run;
		}
	}
}

static int open_files(struct hint *hint)
{
	char names[FILES_MAX][PACK_ID_HEX_SIZE];
	struct file_names files = {.names = names};
	size_t i;
	int error;

	error = io_list(hint->io, hint->dirfd, HINT_FOLDER, collect_name, &files);
	if (error)
		return error == -ENOMEM ? error : 0;
	for (i = 0; i < files.count; i++) {
		struct hint_run *run;

		error = hint_run_open(hint->io, hint->dirfd, names[i], &run);
		if (!error)
			hint->set->runs[hint->set->count++] = run;
		else if (error == -EBADMSG)
			doom(hint, names[i]);
		else if (error == -ENOMEM)
			return error;
	}
	drop_superseded(hint);
	return 0;
}

int hint_open(const struct io *io, int dirfd, struct hint **hint)
{
	struct hint *h = calloc(1, sizeof(*h));
	int error;

	if (!h)
		return -ENOMEM;
	h->io = io;
	h->dirfd = dirfd;
	pthread_mutex_init(&h->lock, NULL);
	h->set = set_new(FILES_MAX);
	error = h->set ? open_files(h) : -ENOMEM;
	if (error)
		hint_close(h);
	else
		*hint = h;
	return error;
}

void hint_close(struct hint *hint)
{
	struct doomed *doomed, *next;

	if (!hint)
		return;
	set_unref(hint, hint->set);
	for (doomed = hint->doomed; doomed; doomed = next) {
		next = doomed->next;
		free(doomed);
	}
	pthread_mutex_destroy(&hint->lock);
	free(hint);
}

/* Looking up. */

bool hint_covers(struct hint *hint, const struct pack_id *pack)
{
	struct run_set *set = set_ref(hint);
	bool covers = set_covers(set, pack);

	set_unref(hint, set);
	return covers;
}

/* Go on without RUN, which is damaged.  0 or -ENOMEM. */
static int drop_run(struct hint *hint, struct hint_run *run)
{
	doom(hint, run->name);
	return set_change(hint, &run, 1, NULL);
}

int hint_find(struct hint *hint, const struct id *id, int (*each)(void *arg, const struct pack_id *pack, uint32_t slot),
              void *arg)
{
	struct run_set *set = set_ref(hint);
	int answer = -ENOENT;
	size_t i;

	for (i = set->count; i > 0 && answer == -ENOENT; i--) {
		answer = hint_run_find(set->runs[i - 1], id, each, arg);
		if (answer == -ESTALE && drop_run(hint, set->runs[i - 1]))
			answer = -ENOMEM;
	}
	set_unref(hint, set);
	return answer;
}

int hint_forget(struct hint *hint)
{
	struct run_set *set = set_ref(hint);
	size_t i;
	int error;

	for (i = 0; i < set->count; i++) {
		if (!set->runs[i]->entries)
			doom(hint, set->runs[i]->name);
	}
	error = set_change(hint, set->runs, set->count, NULL);
	set_unref(hint, set);
	return error;
}

/* Adding and writing. */

int hint_add(struct hint *hint, const struct pack_id *pack, const struct pack_entry *entries, size_t count)
{
	struct run_set *set = set_ref(hint);
	struct hint_run *run = NULL, *merged = NULL;
	size_t first = set->count;
	uint64_t total = count;
	int error;

	error = hint_run_of_pack(pack, entries, count, &run);
	if (error)
		goto out;
	/* Merge with what is not more than twice as large: every record is copied about log2(records) times. */
	while (first > 0 && set->runs[first - 1]->entries && set->runs[first - 1]->count <= 2 * total)
		total += set->runs[--first]->count;
	if (first < set->count) {
		struct hint_run **runs = calloc(set->count - first + 1, sizeof(struct hint_run *));

		error = runs ? 0 : -ENOMEM;
		if (!error) {
			memcpy(runs, set->runs + first, (set->count - first) * sizeof(struct hint_run *));
			runs[set->count - first] = run;
			error = hint_merge(runs, set->count - first + 1, &merged);
		}
		free(runs);
	}
	if (!error)
		error = set_change(hint, set->runs + first, set->count - first, merged ? merged : run);
out:
	hint_run_unref(merged);
	hint_run_unref(run);
	set_unref(hint, set);
	return error;
}

static bool is_mostly_refused(const struct hint_run *run, bool (*keep)(void *arg, const struct pack_id *pack),
                              void *arg)
{
	uint32_t i, refused = 0;

	for (i = 0; i < run->packs_count; i++)
		refused += !keep(arg, &run->packs[i]);
	return refused > run->packs_count / 2;
}

/* What to write anew: all memory, files not more than twice as large as what comes together, files mostly of no use. */
static size_t choose(const struct run_set *set, bool (*keep)(void *arg, const struct pack_id *pack), void *arg,
                     struct hint_run **chosen)
{
	uint64_t total = 0;
	size_t i, count = 0;

	for (i = set->count; i > 0; i--) {
		struct hint_run *run = set->runs[i - 1];

		if (run->entries || (count > 0 && run->count <= 2 * total) || is_mostly_refused(run, keep, arg)) {
			chosen[count++] = run;
			total += run->count;
		}
	}
	return count;
}

static void remove_doomed(struct hint *hint)
{
	struct doomed *doomed = take_doomed(hint), *next;

	for (; doomed; doomed = next) {
		char path[HINT_PATH_SIZE];

		next = doomed->next;
		hint_run_path(path, HINT_FOLDER, doomed->name);
		io_unlink(hint->io, hint->dirfd, path);
		free(doomed);
	}
}

/* One try.  -EAGAIN where a damaged file was met and dropped. */
static int write_once(struct hint *hint, bool (*keep)(void *arg, const struct pack_id *pack), void *arg, mode_t mode)
{
	struct run_set *set = set_ref(hint);
	struct hint_run **chosen, *run = NULL, *damaged = NULL;
	size_t i, count;
	int error = 0;

	chosen = calloc(set->count + 1, sizeof(struct hint_run *));
	if (!chosen) {
		set_unref(hint, set);
		return -ENOMEM;
	}
	count = choose(set, keep, arg, chosen);
	if (count > 0)
		error = hint_merge_write(hint->io, hint->dirfd, chosen, count, keep, arg, mode, &run, &damaged);
	if (damaged)
		error = drop_run(hint, damaged) ? -ENOMEM : -EAGAIN;
	if (!error && count > 0)
		error = set_change(hint, chosen, count, run);
	for (i = 0; i < count && !error; i++) {
		if (!chosen[i]->entries)
			doom(hint, chosen[i]->name);
	}
	hint_run_unref(run);
	free(chosen);
	set_unref(hint, set);
	return error;
}

int hint_write(struct hint *hint, bool (*keep)(void *arg, const struct pack_id *pack), void *arg)
{
	struct stat st;
	int error;

	error = hint->io->ops->fstat(hint->io->arg, hint->dirfd, &st);
	if (error)
		return error;
	do
		error = write_once(hint, keep, arg, st.st_mode & 0444);
	while (error == -EAGAIN);
	if (!error)
		remove_doomed(hint);
	return error;
}

void hint_measure(struct hint *hint, struct hint_size *size)
{
	struct run_set *set = set_ref(hint);
	size_t i;

	*size = (struct hint_size){0};
	for (i = 0; i < set->count; i++) {
		if (set->runs[i]->entries) {
			size->pending += set->runs[i]->count;
			size->pending_packs += set->runs[i]->packs_count;
		} else {
			size->files++;
			size->records += set->runs[i]->count;
		}
	}
	set_unref(hint, set);
}
