/*
 * Opening a repository, its readers' handles, its refs.  What objects say is in fs/git/repo_object.c.
 */
#include "fs/git/repo.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cache/checksum.h"
#include "fs/git/ref_table.h"
#include "fs/git/refs_stamp.h"
#include "fs/git/repo_reader.h"
#include "fs/git/shallow.h"

#define HANDLES_MAX 16

/* A reader's open handle, and the packs that were there when it was opened. */
struct handle {
	void *handle;
	uint64_t packs;
};

/* Handles that nobody uses now. */
struct pool {
	const struct repo_reader_ops *ops;
	pthread_mutex_t lock; /* guards what follows */
	struct handle idle[HANDLES_MAX];
	unsigned count;
};

struct repo {
	struct repo_location location;
	struct repo_settings settings;
	mode_t shared_mode;
	struct pool reader;
	struct pool command; /* for what READER can't do */
	struct refs_stamp *stamp;
	struct shallow *shallow;
	pthread_mutex_t refs_lock; /* guards what follows */
	struct ref_table *refs;    /* as they were at refs_at; NULL: not read yet */
	uint64_t refs_at;
};

static void pool_init(struct pool *pool, const struct repo_reader_ops *ops)
{
	pool->ops = ops;
	pool->count = 0;
	assert(ops->idle_max <= HANDLES_MAX);
	pthread_mutex_init(&pool->lock, NULL);
}

static void pool_release(struct pool *pool)
{
	for (unsigned i = 0; i < pool->count; i++)
		pool->ops->close(pool->idle[i].handle);
	pthread_mutex_destroy(&pool->lock);
}

/*
 * A number for the packs and alternates of now.  A handle opened before they changed would keep packs open that a `git
 * gc` has deleted, and look for new ones only after a miss.
 */
static uint64_t packs_now(const struct repo *repo)
{
	static const char *const names[] = {"pack", "info/alternates"};
	uint64_t sum = 0, look[3];
	struct stat st;
	char path[4096];

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		if (strlen(repo->location.objects) + strlen(names[i]) + 2 > sizeof(path))
			continue;
		stpcpy(stpcpy(stpcpy(path, repo->location.objects), "/"), names[i]);
		if (stat(path, &st))
			continue;
		look[0] = st.st_ino;
		look[1] = (uint64_t)st.st_mtim.tv_sec;
		look[2] = (uint64_t)st.st_mtim.tv_nsec;
		sum = checksum_two(&sum, sizeof(sum), look, sizeof(look));
	}
	return sum;
}

/* A handle of the pool's, or a new one. */
static int pool_take(struct repo *repo, struct pool *pool, bool fresh, struct handle *handle)
{
	uint64_t packs = packs_now(repo);

	for (;;) {
		pthread_mutex_lock(&pool->lock);
		handle->handle = pool->count ? pool->idle[pool->count - 1].handle : NULL;
		if (handle->handle)
			*handle = pool->idle[--pool->count];
		pthread_mutex_unlock(&pool->lock);
		if (!handle->handle)
			break;
		if (!fresh && handle->packs == packs)
			return 0;
		pool->ops->close(handle->handle);
	}
	handle->packs = packs;
	return pool->ops->open(&repo->location, &handle->handle);
}

static void pool_give(struct pool *pool, const struct handle *handle, bool is_good)
{
	bool kept = false;

	pthread_mutex_lock(&pool->lock);
	if (is_good && pool->count < pool->ops->idle_max) {
		pool->idle[pool->count++] = *handle;
		kept = true;
	}
	pthread_mutex_unlock(&pool->lock);
	if (!kept)
		pool->ops->close(handle->handle);
}

/* Call CALL with a handle; once more with a new one where that failed in a way that may lie in the handle. */
typedef int (*handle_call)(const struct repo_reader_ops *ops, void *handle, void *arg);

static int with_handle(struct repo *repo, struct pool *pool, handle_call call, void *arg)
{
	struct handle handle;
	bool is_good;
	int r;

	for (int attempt = 0;; attempt++) {
		r = pool_take(repo, pool, attempt > 0, &handle);
		if (r)
			return r;
		r = call(pool->ops, handle.handle, arg);
		is_good = !r || r == -ENOENT || r == -EEXIST || r == -EFBIG;
		pool_give(pool, &handle, is_good);
		if (is_good || attempt || r == -EINTR || r == -ENOMEM || r == -ENOPKG)
			break;
	}
	/* A git that ends instead of answering met damage, or a remote that it could not reach. */
	if (r == -EPIPE)
		r = repo->settings.promisor ? -EIO : -EBADMSG;
	return r;
}

static int call_settings(const struct repo_reader_ops *ops, void *handle, void *arg)
{
	struct repo *repo = arg;

	return ops->settings(handle, &repo->settings);
}

/* The bits that core.sharedRepository adds to folders: git's words and numbers for it. */
static mode_t shared_mode_of(const char *setting)
{
	static const struct {
		const char *word;
		mode_t mode;
	} words[] = {
	    {"", 0},      {"umask", 0},     {"false", 0},     {"no", 0},      {"off", 0},
	    {"0", 0},     {"group", 02070}, {"true", 02070},  {"yes", 02070}, {"on", 02070},
	    {"1", 02070}, {"all", 02075},   {"world", 02075}, {"2", 02075},   {"everybody", 02075},
	};
	unsigned long mode;
	char *end;

	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		if (!strcmp(setting, words[i].word))
			return words[i].mode;
	mode = strtoul(setting, &end, 8);
	if (*end || (mode & 0600) != 0600)
		return 0;
	mode &= 0066;
	/* Who may read a folder must be able to enter it. */
	return mode ? (mode_t)(02000 | mode | (mode & 0044) >> 2) : 0;
}

static int open_reader(struct repo *repo, const struct repo_reader_ops *ops)
{
	int r;

	pool_init(&repo->reader, ops);
	r = with_handle(repo, &repo->reader, call_settings, repo);
	if (r)
		pool_release(&repo->reader);
	return r;
}

static int open_some_reader(struct repo *repo, enum repo_reader reader)
{
	const char *forced = getenv("REVFS_GIT_READER");
	int r = -ENOTSUP;

	if (reader == REPO_ANY && forced && !strcmp(forced, "command"))
		reader = REPO_COMMAND;
	if (reader != REPO_COMMAND)
		r = open_reader(repo, &repo_reader_libgit2);
	if (r && r != -ENOMEM && reader != REPO_LIBGIT2)
		r = open_reader(repo, &repo_reader_command);
	return r;
}

int repo_open(const char *dir, enum repo_reader reader, struct repo **repo, char **message)
{
	struct repo *opened = calloc(1, sizeof(*opened));
	int r;

	if (message)
		*message = NULL;
	if (!opened)
		return -ENOMEM;
	r = repo_discover(dir, &opened->location, message);
	if (r)
		goto out;
	r = refs_stamp_open(opened->location.git_dir, opened->location.common_dir, &opened->stamp);
	if (!r)
		r = shallow_open(opened->location.common_dir, &opened->shallow);
	if (!r)
		r = open_some_reader(opened, reader);
	if (r) {
		shallow_close(opened->shallow);
		refs_stamp_close(opened->stamp);
		repo_location_release(&opened->location);
		goto out;
	}
	opened->shared_mode = shared_mode_of(opened->settings.shared);
	pool_init(&opened->command, &repo_reader_command);
	pthread_mutex_init(&opened->refs_lock, NULL);
	*repo = opened;
	opened = NULL;
out:
	free(opened);
	return r;
}

void repo_close(struct repo *repo)
{
	if (!repo)
		return;
	pool_release(&repo->reader);
	pool_release(&repo->command);
	ref_table_put(repo->refs);
	refs_stamp_close(repo->stamp);
	shallow_close(repo->shallow);
	pthread_mutex_destroy(&repo->refs_lock);
	repo_location_release(&repo->location);
	free(repo);
}

const struct repo_location *repo_location(const struct repo *repo)
{
	return &repo->location;
}

struct shallow *repo_shallow(const struct repo *repo)
{
	return repo->shallow;
}

const char *repo_git_dir(const struct repo *repo)
{
	return repo->location.git_dir;
}

const char *repo_common_dir(const struct repo *repo)
{
	return repo->location.common_dir;
}

const char *repo_work_tree(const struct repo *repo)
{
	return repo->location.work_tree;
}

const char *repo_prefix(const struct repo *repo)
{
	return repo->location.prefix;
}

const struct git_where *repo_where(const struct repo *repo)
{
	return &repo->location.user;
}

bool repo_is_shallow(const struct repo *repo)
{
	return repo->location.is_shallow;
}

size_t repo_oid_len(const struct repo *repo)
{
	return repo->location.oid_len;
}

const char *repo_reader_name(const struct repo *repo)
{
	return repo->reader.ops->name;
}

mode_t repo_shared_mode(const struct repo *repo)
{
	return repo->shared_mode;
}

/* Arguments and results of one reader's operation on an object. */
struct object_call {
	const struct oid *oid;
	size_t limit;
	enum object_type type;
	uint64_t size;
	struct object object;
};

static int call_header(const struct repo_reader_ops *ops, void *handle, void *arg)
{
	struct object_call *c = arg;

	return ops->header(handle, c->oid, &c->type, &c->size);
}

static int call_read(const struct repo_reader_ops *ops, void *handle, void *arg)
{
	struct object_call *c = arg;

	return ops->read(handle, c->oid, c->limit, &c->object);
}

static int with_object(struct repo *repo, handle_call call, struct object_call *c)
{
	int r = with_handle(repo, &repo->reader, call, c);

	if (r == -ENOENT && repo->settings.promisor && repo->reader.ops != &repo_reader_command)
		r = with_handle(repo, &repo->command, call, c);
	return r;
}

int repo_read_header(struct repo *repo, const struct oid *oid, enum object_type *type, uint64_t *size)
{
	struct object_call c = {.oid = oid};
	int r = with_object(repo, call_header, &c);

	if (!r) {
		*type = c.type;
		*size = c.size;
	}
	return r;
}

int repo_read_object(struct repo *repo, const struct oid *oid, size_t limit, struct object *object)
{
	struct object_call c = {.oid = oid, .limit = limit};
	int r = with_object(repo, call_read, &c);

	if (!r)
		*object = c.object;
	return r;
}

struct prefixed_call {
	const char *hex;
	size_t len;
	repo_each_oid_fn each;
	void *arg;
	int answer; /* of EACH: not an error of the handle */
};

static int note_prefixed(void *arg, const struct oid *oid)
{
	struct prefixed_call *c = arg;

	if (!c->answer)
		c->answer = c->each(c->arg, oid);
	return 0;
}

static int call_each_prefixed(const struct repo_reader_ops *ops, void *handle, void *arg)
{
	struct prefixed_call *c = arg;

	return ops->each_prefixed(handle, c->hex, c->len, note_prefixed, c);
}

int repo_each_prefixed(struct repo *repo, const char *hex, size_t len, repo_each_oid_fn each, void *arg)
{
	struct prefixed_call c = {.hex = hex, .len = len, .each = each, .arg = arg};
	int r = with_handle(repo, &repo->reader, call_each_prefixed, &c);

	if (r == -EEXIST)
		r = with_handle(repo, &repo->command, call_each_prefixed, &c);
	return r ? r : c.answer;
}

static int call_each_ref(const struct repo_reader_ops *ops, void *handle, void *arg)
{
	struct ref_table **table = arg;
	int r;

	/* A call may be made twice: begin anew. */
	ref_table_put(*table);
	*table = ref_table_new();
	if (!*table)
		return -ENOMEM;
	r = ops->each_ref(handle, ref_table_add, *table);
	if (!r)
		ref_table_sort(*table);
	return r;
}

/* The refs of now: read again only where they may have changed.  ref_table_put() gives them back. */
static int refs_now(struct repo *repo, struct ref_table **table)
{
	uint64_t now = refs_stamp_now(repo->stamp);
	int r;

	*table = NULL;
	pthread_mutex_lock(&repo->refs_lock);
	if (repo->refs && repo->refs_at == now)
		*table = ref_table_get(repo->refs);
	pthread_mutex_unlock(&repo->refs_lock);
	if (*table)
		return 0;
	r = with_handle(repo, &repo->reader, call_each_ref, table);
	if (r) {
		ref_table_put(*table);
		return r;
	}
	pthread_mutex_lock(&repo->refs_lock);
	ref_table_put(repo->refs);
	repo->refs = ref_table_get(*table);
	repo->refs_at = now;
	pthread_mutex_unlock(&repo->refs_lock);
	return 0;
}

int repo_each_ref(struct repo *repo, int (*each)(void *arg, const struct repo_ref *ref), void *arg)
{
	struct ref_table *table;
	int r = refs_now(repo, &table);

	if (r)
		return r;
	r = ref_table_each(table, each, arg);
	ref_table_put(table);
	return r;
}

/* What `git check-ref-format` takes, of names below refs/, and HEAD. */
static bool ref_name_is_valid(const char *name)
{
	size_t len = strlen(name);

	if (!strcmp(name, "HEAD"))
		return true;
	if (strncmp(name, "refs/", 5) || len > 1024 || name[len - 1] == '/' || name[len - 1] == '.')
		return false;
	for (const char *p = name; *p; p++) {
		if ((unsigned char)*p <= ' ' || *p == 0x7f || strchr("~^:?*[\\", *p))
			return false;
		if (!strncmp(p, "..", 2) || !strncmp(p, "@{", 2) || !strncmp(p, "//", 2) || !strncmp(p, "/.", 2))
			return false;
		if (!strncmp(p, ".lock", 5) && (p[5] == '/' || !p[5]))
			return false;
	}
	return true;
}

struct ref_call {
	const char *name;
	struct oid target;
};

static int call_ref(const struct repo_reader_ops *ops, void *handle, void *arg)
{
	struct ref_call *c = arg;

	return ops->ref(handle, c->name, &c->target);
}

static int find_in_table(struct repo *repo, const char *name, struct oid *target)
{
	const struct repo_ref *ref;
	struct ref_table *table;
	int r = refs_now(repo, &table);

	if (r)
		return r;
	ref = ref_table_find(table, name);
	if (ref)
		*target = ref->target;
	ref_table_put(table);
	return ref ? 0 : -ENOENT;
}

int repo_ref(struct repo *repo, const char *name, struct oid *target)
{
	struct ref_call c = {.name = name};
	int r;

	if (!ref_name_is_valid(name))
		return -ENOENT;
	if (repo->reader.ops->refs_cost && strcmp(name, "HEAD"))
		return find_in_table(repo, name, target);
	r = with_handle(repo, &repo->reader, call_ref, &c);
	if (!r)
		*target = c.target;
	return r;
}

uint64_t repo_refs_stamp(struct repo *repo)
{
	return refs_stamp_now(repo->stamp);
}
