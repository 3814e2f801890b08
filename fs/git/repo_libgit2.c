/*
 * Reading Git by libgit2: nothing is spawned.
 *
 * What may be opened was decided by git itself (fs/git/repo.c), so libgit2's own check of owners is off.  Extensions
 * that only concern how a repository is written or where settings lie are no obstacle to reading its objects and refs.
 */
#include <errno.h>
#include <git2.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fs/git/repo_reader.h"

#define SHA1_SIZE 20 /* all that libgit2 reads */
#define OBJECT_CACHE_BYTES ((ssize_t)4 << 20)
#define WINDOW_BYTES ((size_t)16 << 20)
#define MAPPED_BYTES ((size_t)256 << 20)

struct handle {
	git_repository *repository;
	git_odb *odb;
	size_t oid_len;
};

static pthread_once_t once = PTHREAD_ONCE_INIT;
static int once_result;

static void prepare(void)
{
	static const char *extensions[] = {"partialclone", "preciousobjects", "worktreeconfig", "relativeworktrees"};

	if (git_libgit2_init() < 0) {
		once_result = -ENOMEM;
		return;
	}
	git_libgit2_opts(GIT_OPT_SET_OWNER_VALIDATION, 0);
	git_libgit2_opts(GIT_OPT_SET_EXTENSIONS, extensions, sizeof(extensions) / sizeof(*extensions));
	/* Parsed trees are kept in struct memory; here only what walks of history and deltas gain from. */
	git_libgit2_opts(GIT_OPT_SET_CACHE_MAX_SIZE, OBJECT_CACHE_BYTES);
	git_libgit2_opts(GIT_OPT_SET_MWINDOW_SIZE, WINDOW_BYTES);
	git_libgit2_opts(GIT_OPT_SET_MWINDOW_MAPPED_LIMIT, MAPPED_BYTES);
}

/* -errno for what a libgit2 function answered. */
static int error_of(int answer)
{
	const git_error *error;

	switch (answer) {
	case 0:
		return 0;
	case GIT_ENOTFOUND:
	case GIT_EINVALIDSPEC:
		return -ENOENT;
	case GIT_EAMBIGUOUS:
		return -EEXIST;
	default:
		break;
	}
	error = git_error_last();
	if (error && error->klass == GIT_ERROR_NOMEMORY)
		return -ENOMEM;
	return error && error->klass == GIT_ERROR_OS ? -EIO : -EBADMSG;
}

static void handle_close(void *arg)
{
	struct handle *h = arg;

	git_odb_free(h->odb);
	git_repository_free(h->repository);
	free(h);
}

static int handle_open(const struct repo_location *location, void **handle)
{
	const unsigned flags = GIT_REPOSITORY_OPEN_NO_SEARCH | GIT_REPOSITORY_OPEN_NO_DOTGIT;
	struct handle *h;
	int r;

	/* Other places for objects and settings come from the environment, which libgit2 is not asked to look at. */
	if (location->oid_len != SHA1_SIZE || location->reading.common_dir || location->reading.object_dir ||
	    location->reading.alternates)
		return -ENOTSUP;
	pthread_once(&once, prepare);
	if (once_result)
		return once_result;
	h = calloc(1, sizeof(*h));
	if (!h)
		return -ENOMEM;
	h->oid_len = location->oid_len;
	r = git_repository_open_ext(&h->repository, location->reading.git_dir, flags, NULL);
	if (!r)
		r = git_repository_odb(&h->odb, h->repository);
	if (r) {
		r = error_of(r);
		handle_close(h);
		return r == -ENOMEM ? r : -ENOTSUP;
	}
	*handle = h;
	return 0;
}

/* Whether NAME is remote.<anything>.promisor. */
static bool is_promisor_key(const char *name)
{
	static const char head[] = "remote.", tail[] = ".promisor";
	size_t len = strlen(name);

	return len > sizeof(head) + sizeof(tail) && !strncmp(name, head, sizeof(head) - 1) &&
	       !strcmp(name + len - (sizeof(tail) - 1), tail);
}

static int note_setting(const git_config_entry *entry, void *arg)
{
	struct repo_settings *settings = arg;
	int value = 0;

	if (!strcmp(entry->name, "extensions.partialclone"))
		settings->promisor = true;
	else if (is_promisor_key(entry->name) && !git_config_parse_bool(&value, entry->value) && value)
		settings->promisor = true;
	else if (!strcmp(entry->name, "core.sharedrepository"))
		snprintf(settings->shared, sizeof(settings->shared), "%s", entry->value ? entry->value : "true");
	return 0;
}

/* Every setting is looked at: what libgit2 matches by expressions leaks memory (PCRE2's frames, libgit2 1.5). */
static int read_settings(void *arg, struct repo_settings *settings)
{
	struct handle *h = arg;
	git_config *config = NULL, *snapshot = NULL;
	int r;

	memset(settings, 0, sizeof(*settings));
	r = git_repository_config(&config, h->repository);
	if (!r)
		r = git_config_snapshot(&snapshot, config);
	if (!r)
		r = git_config_foreach(snapshot, note_setting, settings);
	git_config_free(snapshot);
	git_config_free(config);
	return error_of(r);
}

static enum object_type type_of(git_object_t type)
{
	switch (type) {
	case GIT_OBJECT_COMMIT:
		return OBJECT_COMMIT;
	case GIT_OBJECT_TREE:
		return OBJECT_TREE;
	case GIT_OBJECT_BLOB:
		return OBJECT_BLOB;
	case GIT_OBJECT_TAG:
		return OBJECT_TAG;
	default:
		return OBJECT_ANY;
	}
}

/* False where OID can't be that of an object here. */
static bool oid_to_git(const struct handle *h, const struct oid *oid, git_oid *out)
{
	if (oid->len != h->oid_len)
		return false;
	memset(out, 0, sizeof(*out));
	memcpy(out->id, oid->bytes, oid->len);
	return true;
}

static void oid_from_git(const git_oid *in, struct oid *oid)
{
	oid_set(oid, in->id, SHA1_SIZE);
}

static int read_header(void *arg, const struct oid *oid, enum object_type *type, uint64_t *size)
{
	struct handle *h = arg;
	git_object_t git_type;
	git_oid id;
	size_t len;
	int r;

	if (!oid_to_git(h, oid, &id))
		return -ENOENT;
	r = git_odb_read_header(&len, &git_type, h->odb, &id);
	if (r)
		return error_of(r);
	*type = type_of(git_type);
	*size = len;
	return *type == OBJECT_ANY ? -EBADMSG : 0;
}

static int read_object(void *arg, const struct oid *oid, size_t limit, struct object *object)
{
	struct handle *h = arg;
	git_odb_object *found;
	enum object_type type;
	uint64_t size;
	git_oid id;
	int r;

	r = read_header(arg, oid, &type, &size);
	if (r)
		return r;
	if (size > limit)
		return -EFBIG;
	oid_to_git(h, oid, &id);
	r = git_odb_read(&found, h->odb, &id);
	if (r)
		return error_of(r);
	object->type = type;
	object->len = git_odb_object_size(found);
	object->data = object->len == size ? malloc(object->len + 1) : NULL;
	if (object->data) {
		memcpy(object->data, git_odb_object_data(found), object->len);
		((char *)object->data)[object->len] = '\0';
	}
	r = object->data ? 0 : object->len == size ? -ENOMEM : -EBADMSG;
	git_odb_object_free(found);
	return r;
}

/* libgit2 finds one object or says that there are several. */
static int each_prefixed(void *arg, const char *hex, size_t len, int (*each)(void *arg, const struct oid *oid),
                         void *each_arg)
{
	struct handle *h = arg;
	git_oid prefix, found;
	struct oid oid;
	int r;

	if (len > 2 * h->oid_len)
		return 0;
	r = git_oid_fromstrn(&prefix, hex, len);
	if (!r)
		r = git_odb_exists_prefix(&found, h->odb, &prefix, len);
	if (r)
		return r == GIT_ENOTFOUND ? 0 : error_of(r);
	oid_from_git(&found, &oid);
	return each(each_arg, &oid);
}

static int tell_ref(struct handle *h, git_reference *reference, int (*each)(void *arg, const struct repo_ref *ref),
                    void *each_arg)
{
	struct repo_ref ref = {.name = git_reference_name(reference)};
	git_oid target;

	ref.symbolic = git_reference_type(reference) == GIT_REFERENCE_SYMBOLIC;
	if (!ref.symbolic)
		oid_from_git(git_reference_target(reference), &ref.target);
	else if (!git_reference_name_to_id(&target, h->repository, ref.name))
		oid_from_git(&target, &ref.target);
	else
		return 0;
	return each(each_arg, &ref);
}

static int each_ref(void *arg, int (*each)(void *arg, const struct repo_ref *ref), void *each_arg)
{
	struct handle *h = arg;
	git_reference_iterator *iterator;
	git_reference *reference;
	int r, next = 0;

	r = git_reference_iterator_new(&iterator, h->repository);
	if (r)
		return error_of(r);
	while (!r && !(next = git_reference_next(&reference, iterator))) {
		r = tell_ref(h, reference, each, each_arg);
		git_reference_free(reference);
	}
	if (!r && next != GIT_ITEROVER)
		r = error_of(next);
	git_reference_iterator_free(iterator);
	return r;
}

static int find_ref(void *arg, const char *name, struct oid *target)
{
	struct handle *h = arg;
	git_oid id;
	int r;

	r = git_reference_name_to_id(&id, h->repository, name);
	if (r)
		return error_of(r);
	oid_from_git(&id, target);
	return 0;
}

const struct repo_reader_ops repo_reader_libgit2 = {
    .name = "libgit2",
    .idle_max = 16,
    .open = handle_open,
    .close = handle_close,
    .settings = read_settings,
    .header = read_header,
    .read = read_object,
    .each_prefixed = each_prefixed,
    .each_ref = each_ref,
    .ref = find_ref,
};
