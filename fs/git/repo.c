/*
 * Opening a repository, its readers, its refs.  What objects say is in fs/git/repo_object.c.
 */
#include "fs/git/repo.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "cache/aside.h"
#include "fs/git/ref_table.h"
#include "fs/git/refs_stamp.h"
#include "fs/git/repo_pool.h"
#include "fs/git/repo_reader.h"
#include "fs/git/shallow.h"

/* Fetches at once of what a partial clone lacks: each is a handful of processes and a connection. */
#define FETCHES_MAX 8

/* Until one that could not be begun is tried again. */
#define FETCH_REST_NS UINT64_C(1000000000)

/* Of a struct wanted: no record's kind. */
#define WANTED_OBJECT 0x1000

struct repo {
	struct repo_location location;
	struct repo_settings settings;
	mode_t shared_mode;
	struct repo_pool reader;
	struct repo_pool command; /* for what READER can't do */
	struct repo_pool held;    /* in place of READER where that would fetch and the thread may not wait */
	struct repo_pool apart;   /* for ASIDE */
	struct aside *aside;      /* fetches what a partial clone lacks; NULL: whoever asks waits */
	struct refs_stamp *stamp;
	struct shallow *shallow;
	pthread_mutex_t refs_lock; /* guards what follows */
	struct ref_table *refs;    /* as they were at refs_at; NULL: not read yet */
	uint64_t refs_at;
};

static int with_handle(struct repo *repo, struct repo_pool *pool, repo_pool_call call, void *arg)
{
	int r = repo_pool_run(pool, call, arg);

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

	repo_pool_init(&repo->reader, ops, &repo->location);
	r = with_handle(repo, &repo->reader, call_settings, repo);
	if (r)
		repo_pool_release(&repo->reader);
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
	repo_pool_init(&opened->command, &repo_reader_command, &opened->location);
	repo_pool_init(&opened->held, &repo_reader_held, &opened->location);
	repo_pool_init(&opened->apart, &repo_reader_apart, &opened->location);
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
	aside_close(repo->aside);
	repo_pool_release(&repo->reader);
	repo_pool_release(&repo->command);
	repo_pool_release(&repo->held);
	repo_pool_release(&repo->apart);
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

/* Have the object fetched into the repository.  That no process can be started now (-EAGAIN) passes. */
static int bring(void *arg, const struct wanted *wanted, struct record *record, int *failure, uint64_t *until_ns)
{
	struct repo *repo = arg;
	struct oid oid;
	struct object_call c = {.oid = &oid};
	int r;

	oid_set(&oid, wanted->id.bytes, repo->location.oid_len);
	*record = (struct record){0};
	r = with_handle(repo, &repo->apart, call_header, &c);
	if (r == -EAGAIN) {
		*failure = r;
		*until_ns = io_monotonic_ns(io_system()) + FETCH_REST_NS;
	}
	return r;
}

int repo_fetch_aside(struct repo *repo, uint64_t wait_ms)
{
	const struct aside_setup setup = {.io = io_system(),
	                                  .wait_ms = wait_ms,
	                                  .threads_max = FETCHES_MAX,
	                                  .stops = true,
	                                  .bring = bring,
	                                  .arg = repo};

	return repo->settings.promisor ? aside_open(&setup, &repo->aside) : 0;
}

/* 0 once the object was brought for the ticket of this thread; -EINPROGRESS; why it can't be had. */
static int await_object(struct repo *repo, const struct oid *oid)
{
	struct wanted wanted = {.kind = WANTED_OBJECT};
	struct record record;
	int r;

	memcpy(wanted.id.bytes, oid->bytes, oid->len);
	r = aside_read(repo->aside, &wanted, &record);
	if (!r)
		free(record.data);
	return r;
}

static int with_object(struct repo *repo, repo_pool_call call, struct object_call *c)
{
	bool aside = repo->aside && ticket_held();
	bool fetches = repo->reader.ops == &repo_reader_command;
	int r = with_handle(repo, aside && fetches ? &repo->held : &repo->reader, call, c);

	if (r != -ENOENT || !repo->settings.promisor || (fetches && !aside) || c->oid->len != repo->location.oid_len)
		return r;
	if (!aside)
		return with_handle(repo, &repo->command, call, c);
	r = await_object(repo, c->oid);
	return r ? r : with_handle(repo, &repo->held, call, c);
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
