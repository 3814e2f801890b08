#include "fs/checkout_judge.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "cache/wire.h"
#include "fs/likeness.h"
#include "fs/stat_cache.h"

struct judge {
	struct likeness *likeness;
	struct stat_cache *cache;
	struct buffer at; /* the directory that the cache is in, each name with a slash behind it */
};

int judge_open(const struct checkout_request *request, const struct id *base, struct judge **judge)
{
	struct judge *j = calloc(1, sizeof(*j));
	char stat_name[INSTEP_NAME_SIZE];
	struct id root;
	int error;

	if (!j)
		return -ENOMEM;
	instep_stat_name(request->path, stat_name);
	if (base && request->wt->folder >= 0 &&
	    !stat_cache_open(request->wt->io, request->wt->folder, stat_name, &j->cache, &root) &&
	    !id_equal(&root, base)) {
		stat_cache_close(j->cache);
		j->cache = NULL;
	}
	error = likeness_new(request->world->source, &j->likeness);
	if (error)
		judge_close(j);
	else
		*judge = j;
	return error;
}

void judge_close(struct judge *j)
{
	if (!j)
		return;
	stat_cache_close(j->cache);
	likeness_free(j->likeness);
	buffer_release(&j->at);
	free(j);
}

bool judge_has_cache(const struct judge *j)
{
	return j->cache;
}

/* Go with the cache's reader into the directory of PATH. */
static int enter_cache(struct judge *j, const char *path)
{
	const char *slash = strrchr(path, '/');
	size_t want = slash ? (size_t)(slash - path) + 1 : 0;
	struct buffer *at = &j->at;

	while (at->len && (at->len > want || memcmp(at->data, path, at->len))) {
		stat_cache_leave(j->cache);
		do
			at->len--;
		while (at->len && at->data[at->len - 1] != '/');
	}
	while (at->len < want) {
		size_t len = strcspn(path + at->len, "/");

		stat_cache_enter(j->cache, path + at->len, len);
		buffer_append(at, path + at->len, len + 1);
		if (at->failed)
			return -ENOMEM;
	}
	return 0;
}

/* Whether the stat cache shows that what stands at PATH is what the base has there. */
static int is_as_cached(struct judge *j, const char *path, const struct stat *st, bool *same)
{
	struct stat_cache_entry cached;
	struct file_stamp stamp;
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
	int error;

	*same = false;
	if (!j->cache)
		return 0;
	error = enter_cache(j, path);
	if (error || stat_cache_find(j->cache, name, strlen(name), &cached))
		return error;
	file_stamp_of(st, &stamp);
	*same = !cached.racy && file_stamp_equal(&cached.stamp, &stamp) &&
	        cached.kind == (S_ISLNK(st->st_mode) ? ENTRY_SYMLINK : ENTRY_FILE);
	return 0;
}

int judge_compare(struct judge *j, int dirfd, const char *name, const struct stat *st, const struct entry *entry,
                  bool *same)
{
	bool of_store;
	int error;

	*same = false;
	if (!entry)
		return 0;
	error = likeness_compare(j->likeness, dirfd, name, st, NULL, entry, same, &of_store);
	/* A file that cannot be read is the user's; a tree that cannot be read ends it. */
	return error && (of_store || error == -ENOMEM) ? error : 0;
}

int judge_compare_others(struct judge *j, int dirfd, const char *name, const struct stat *st,
                         const struct site_states *states, bool *same)
{
	int error = 0;

	*same = false;
	for (size_t i = 0; !error && !*same && i < states->others_count; i++)
		error = judge_compare(j, dirfd, name, st, states->others[i], same);
	return error;
}

int judge_path(struct judge *j, const char *path, const struct site_states *states, int dirfd, const char *name,
               struct stat *st, enum verdict *verdict)
{
	bool same = false;
	int error;

	*verdict = VERDICT_OTHER;
	if (fstatat(dirfd, name, st, AT_SYMLINK_NOFOLLOW) < 0) {
		*verdict = VERDICT_ABSENT;
		return errno == ENOENT ? 0 : -errno;
	}
	error = states->cached && states->own ? is_as_cached(j, path, st, &same) : 0;
	if (error || same) {
		*verdict = VERDICT_SAFE;
		return error;
	}
	error = S_ISDIR(st->st_mode) && !states->wanted
	            ? 0
	            : judge_compare(j, dirfd, name, st, states->wanted ? states->wanted : states->later, &same);
	if (error || same) {
		*verdict = VERDICT_DONE;
		return error;
	}
	error = judge_compare(j, dirfd, name, st, states->own, &same);
	if (!error && !same)
		error = judge_compare_others(j, dirfd, name, st, states, &same);
	if (same)
		*verdict = S_ISDIR(st->st_mode) ? VERDICT_LATER : VERDICT_SAFE;
	return error;
}
