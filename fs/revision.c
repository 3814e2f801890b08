#include "fs/revision.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Bytes of a revision expression at most; names of refs are shorter. */
#define TEXT_MAX 2048

/* What N of ~N and ^N stays below, and the steps of a whole expression. */
#define STEP_LIMIT 10000
#define STEPS_LIMIT 100000

/* The ref of exactly that name, as a commit.  A tag that leads to no commit is no revision. */
static int resolve_ref(struct repo *repo, const char *folder, const char *name, struct oid *commit)
{
	char full[TEXT_MAX + 32];
	struct oid target;
	int r;

	stpcpy(stpcpy(full, folder), name);
	r = repo_ref(repo, full, &target);
	if (!r)
		r = repo_peel(repo, &target, commit);
	return r == -EINVAL ? -ENOENT : r;
}

static int resolve_id(struct repo *repo, const char *text, struct revision *revision)
{
	size_t len = strlen(text);
	struct oid full;
	int r;

	if (strspn(text, "0123456789abcdefABCDEF") != len)
		return -ENOENT;
	r = repo_abbreviated(repo, text, len, &revision->commit);
	revision->fixed = !r && len == 2 * repo_oid_len(repo) && !oid_parse(text, len, &full);
	return r;
}

/* An expression without anything behind it. */
static int resolve_base(struct repo *repo, const char *base, struct revision *revision)
{
	int r;

	if (!*base)
		return -ENOENT;
	if (!strncmp(base, "refs/", 5)) {
		revision->fixed = !strncmp(base, "refs/tags/", 10);
		return resolve_ref(repo, "", base, &revision->commit);
	}
	r = resolve_ref(repo, "refs/tags/", base, &revision->commit);
	if (r != -ENOENT) {
		revision->fixed = !r;
		return r;
	}
	r = resolve_ref(repo, "refs/heads/", base, &revision->commit);
	if (r == -ENOENT)
		r = resolve_ref(repo, "refs/remotes/", base, &revision->commit);
	if (r == -ENOENT && (!strcmp(base, "HEAD") || !strcmp(base, "@")))
		r = resolve_ref(repo, "", "HEAD", &revision->commit);
	if (r == -ENOENT)
		r = resolve_id(repo, base, revision);
	return r;
}

/* The number at *TEXT, 1 where there is none.  -ENOENT for one that is too large. */
static int take_number(const char **text, unsigned *number)
{
	const char *p = *text;
	unsigned value = 0;

	if (*p < '0' || *p > '9') {
		*number = 1;
		return 0;
	}
	for (; *p >= '0' && *p <= '9'; p++) {
		value = 10 * value + (unsigned)(*p - '0');
		if (value >= STEP_LIMIT)
			return -ENOENT;
	}
	*text = p;
	*number = value;
	return 0;
}

/* Follow SUFFIX, any ~N and ^N, from COMMIT. */
static int follow(struct repo *repo, const char *suffix, struct oid *commit)
{
	unsigned n, steps = 0, parent;
	int r = 0;

	while (!r && *suffix) {
		char kind = *suffix++;

		if (kind != '~' && kind != '^')
			return -ENOENT;
		r = take_number(&suffix, &n);
		if (r)
			return r;
		parent = kind == '^' ? n : 1;
		if (kind == '^' && n)
			n = 1;
		steps += n;
		if (steps > STEPS_LIMIT)
			return -ENOENT;
		for (; !r && n; n--)
			r = repo_parent(repo, commit, parent, commit);
	}
	/* The last parent may be one that a damaged or shallow repository lacks. */
	return !r && steps ? repo_peel(repo, commit, commit) : r;
}

int revision_resolve(struct repo *repo, const char *text, struct revision *revision)
{
	size_t base_len = strcspn(text, "~^");
	char base[TEXT_MAX];
	struct revision found;
	int r;

	memset(&found, 0, sizeof(found));
	if (base_len >= sizeof(base))
		return -ENOENT;
	memcpy(base, text, base_len);
	base[base_len] = '\0';
	r = resolve_base(repo, base, &found);
	if (!r && text[base_len]) {
		found.fixed = false;
		r = follow(repo, text + base_len, &found.commit);
	}
	if (!r)
		*revision = found;
	return r;
}

/* NAME with %2F and %25 decoded. */
static void decode(const char *name, char *text)
{
	while (*name)
		if (!strncmp(name, "%2F", 3)) {
			*text++ = '/';
			name += 3;
		} else if (!strncmp(name, "%25", 3)) {
			*text++ = '%';
			name += 3;
		} else {
			*text++ = *name++;
		}
	*text = '\0';
}

struct prefix {
	const char *text;
	size_t len;
};

/* Answers 1 at the first ref whose short name begins with the prefix and a slash. */
static int has_prefix(void *arg, const struct repo_ref *ref)
{
	static const char *const folders[] = {"refs/tags/", "refs/heads/", "refs/remotes/"};
	const struct prefix *prefix = arg;

	for (size_t i = 0; i < sizeof(folders) / sizeof(*folders); i++) {
		size_t len = strlen(folders[i]);

		if (!strncmp(ref->name, folders[i], len) && !strncmp(ref->name + len, prefix->text, prefix->len) &&
		    ref->name[len + prefix->len] == '/')
			return 1;
	}
	return 0;
}

int revision_resolve_mount(struct repo *repo, const char *name, struct revision *revision)
{
	struct prefix prefix;
	char text[TEXT_MAX];
	int r;

	if (strlen(name) >= sizeof(text))
		return -ENOENT;
	decode(name, text);
	r = revision_resolve(repo, text, revision);
	if (r != -ENOENT)
		return r;
	prefix = (struct prefix){text, strlen(text)};
	if (!prefix.len)
		return -ENOENT;
	r = repo_each_ref(repo, has_prefix, &prefix);
	if (r <= 0)
		return r ? r : -ENOENT;
	memset(revision, 0, sizeof(*revision));
	revision->is_prefix = true;
	return 0;
}
