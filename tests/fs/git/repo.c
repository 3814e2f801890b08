/* Everything here runs twice, once with each reader. */
#include "fs/git/repo.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "cache/aside.h"
#include "fs/git/git.h"
#include "tests/support/scratch.h"

static enum repo_reader reader;
static struct repo *repo;

/* Whether the machine has room for no more processes, and how often one was asked for then. */
static atomic_bool crowded;
static atomic_uint refused;

int posix_spawnp(pid_t *pid, const char *file, const posix_spawn_file_actions_t *actions,
                 const posix_spawnattr_t *attributes, char *const argv[], char *const envp[])
{
	__typeof__(&posix_spawnp) real = (__typeof__(&posix_spawnp))dlsym(RTLD_NEXT, "posix_spawnp");

	if (!crowded)
		return real(pid, file, actions, attributes, argv, envp);
	refused++;
	return EAGAIN;
}

static int set_up(void **state)
{
	(void)state;
	scratch_open();
	scratch_sh("git init -q -b main r && cd r && mkdir -p d/e && echo one > a && echo two > d/e/b && ln -s a l &&"
	           "printf '#!/bin/sh\\n' > x && chmod +x x && git add . && git commit -q -m 'first line\n\nbody'");
	return 0;
}

static void close_repo(void)
{
	repo_close(repo);
	repo = NULL;
}

static int tear_down(void **state)
{
	static const char *const cleared[] = {
	    "GIT_DIR",         "GIT_WORK_TREE",        "GIT_INDEX_FILE",
	    "GIT_COMMON_DIR",  "GIT_OBJECT_DIRECTORY", "GIT_ALTERNATE_OBJECT_DIRECTORIES",
	    "REVFS_GIT_READER"};

	(void)state;
	crowded = false;
	close_repo();
	for (size_t i = 0; i < sizeof(cleared) / sizeof(*cleared); i++)
		unsetenv(cleared[i]);
	scratch_close();
	return 0;
}

static int try_open(const char *name, char **message)
{
	char *dir = scratch_path(name);
	int r;

	close_repo();
	r = repo_open(dir, reader, &repo, message);
	free(dir);
	return r;
}

static void open_repo(const char *name)
{
	char *message;
	int r = try_open(name, &message);

	if (r)
		fail_msg("repo_open(%s): %s: %s", name, strerror(-r), message ? message : "");
	if (reader != REPO_ANY)
		assert_string_equal(repo_reader_name(repo), reader == REPO_COMMAND ? "git" : "libgit2");
}

/* The id that git gives EXPRESSION in the folder NAME. */
static struct oid id_in(const char *name, const char *expression)
{
	char *hex = scratch_output("git -C %s rev-parse '%s'", name, expression);
	struct oid oid;

	assert_int_equal(oid_parse(hex, strlen(hex), &oid), 0);
	free(hex);
	return oid;
}

static struct oid id_of_expression(const char *expression)
{
	return id_in("r", expression);
}

static void assert_oid(const struct oid *oid, const char *name, const char *expression)
{
	struct oid expected = id_in(name, expression);
	char hex[OID_HEX_MAX], expected_hex[OID_HEX_MAX];

	assert_string_equal(oid_format(oid, hex), oid_format(&expected, expected_hex));
}

static void assert_ref(const char *ref, const char *name, const char *expression)
{
	struct oid oid;

	assert_int_equal(repo_ref(repo, ref, &oid), 0);
	assert_oid(&oid, name, expression);
}

static void assert_path(const char *expected_folder, const char *path)
{
	char *expected = scratch_output("realpath '%s'", expected_folder);

	assert_non_null(path);
	assert_string_equal(path, expected);
	free(expected);
}

/* The blob at PATH of REVISION as text. */
static char *read_blob(const char *revision, const char *path)
{
	struct repo_commit commit;
	struct oid oid;
	uint64_t size;
	uint32_t mode;
	size_t len;
	void *data;
	struct oid id = id_of_expression(revision);

	assert_int_equal(repo_commit(repo, &id, &commit), 0);
	assert_int_equal(repo_tree_walk(repo, &commit.tree, path, &oid, &mode), 0);
	repo_commit_release(&commit);
	assert_int_equal(repo_blob_size(repo, &oid, &size), 0);
	assert_int_equal(repo_blob(repo, &oid, 1000, &data, &len), 0);
	assert_int_equal(len, size);
	assert_int_equal(((char *)data)[len], 0);
	return data;
}

static void location_is_what_git_says(void **state)
{
	(void)state;
	open_repo("r/d/e");
	assert_path("r/.git", repo_git_dir(repo));
	assert_path("r/.git", repo_common_dir(repo));
	assert_path("r", repo_work_tree(repo));
	assert_string_equal(repo_prefix(repo), "d/e/");
	assert_int_equal(repo_oid_len(repo), 20);
	assert_false(repo_is_shallow(repo));
	assert_int_equal(repo_shared_mode(repo), 0);
	/* Hooks inherit what is set: as little as possible. */
	assert_null(repo_where(repo)->git_dir);
	assert_path("r", repo_where(repo)->dir);
}

static void path_with_newlines_is_found(void **state)
{
	char *dir = scratch_path("new\nline\n"), *sub;

	(void)state;
	scratch_sh("mkdir 'new\nline\n' && cd 'new\nline\n' && git init -q -b main && mkdir 'su\nb' && git commit -q "
	           "--allow-empty -m x");
	assert_true(asprintf(&sub, "%s/su\nb", dir) > 0);
	assert_int_equal(repo_open(sub, reader, &repo, NULL), 0);
	assert_string_equal(repo_work_tree(repo), dir);
	assert_string_equal(repo_prefix(repo), "su\nb/");
	assert_non_null(strstr(repo_git_dir(repo), "new\nline\n/.git"));
	free(sub);
	free(dir);
}

static void missing_repository_is_enoent(void **state)
{
	char *message;

	(void)state;
	scratch_sh("mkdir none");
	assert_int_equal(try_open("none", &message), -ENOENT);
	assert_non_null(strstr(message, "not a git repository"));
	free(message);
	assert_int_equal(try_open("nowhere", &message), -ENOENT);
	assert_null(message);
}

static void missing_git_is_enopkg(void **state)
{
	char *path = strdup(getenv("PATH"));

	(void)state;
	setenv("PATH", "/nowhere", 1);
	assert_int_equal(try_open("r", NULL), -ENOPKG);
	setenv("PATH", path, 1);
	free(path);
}

static void commit_is_parsed(void **state)
{
	struct repo_commit commit;
	struct oid head;

	(void)state;
	scratch_sh("cd r && GIT_AUTHOR_DATE='1600000000 -0330' git commit -q --allow-empty -m 'second\nmore'");
	open_repo("r");
	assert_int_equal(repo_ref(repo, "HEAD", &head), 0);
	assert_int_equal(repo_commit(repo, &head, &commit), 0);
	assert_int_equal(commit.time, 1700000000);
	assert_int_equal(commit.author_time, 1600000000);
	assert_string_equal(commit.author, "A U Thor <author@example.com>");
	assert_string_equal(commit.summary, "second");
	assert_int_equal(commit.parents_count, 1);
	assert_oid(&commit.tree, "r", "HEAD^{tree}");
	assert_oid(&commit.parents[0], "r", "HEAD~1");
	repo_commit_release(&commit);
}

static void missing_and_wrong_objects_are_told(void **state)
{
	struct oid missing, blob, tree, commit, other;
	struct repo_commit parsed;
	struct repo_tree *entries;
	uint64_t size;
	size_t len;
	void *data;

	(void)state;
	open_repo("r");
	assert_int_equal(oid_parse("0123456789012345678901234567890123456789", 40, &missing), 0);
	blob = id_of_expression("HEAD:a");
	tree = id_of_expression("HEAD:d");
	commit = id_of_expression("HEAD");
	assert_int_equal(repo_commit(repo, &missing, &parsed), -ENOENT);
	assert_int_equal(repo_tree(repo, &missing, &entries), -ENOENT);
	assert_int_equal(repo_blob(repo, &missing, 100, &data, &len), -ENOENT);
	assert_int_equal(repo_blob_size(repo, &missing, &size), -ENOENT);
	assert_int_equal(repo_peel(repo, &missing, &other), -ENOENT);
	assert_int_equal(repo_commit(repo, &tree, &parsed), -EINVAL);
	assert_int_equal(repo_tree(repo, &blob, &entries), -ENOTDIR);
	assert_int_equal(repo_blob(repo, &commit, 1000, &data, &len), -EINVAL);
	assert_int_equal(repo_blob_size(repo, &tree, &size), -EINVAL);
	assert_int_equal(repo_peel(repo, &tree, &other), -EINVAL);
	assert_int_equal(repo_blob(repo, &blob, 3, &data, &len), -EFBIG);
	assert_int_equal(repo_blob(repo, &blob, 4, &data, &len), 0);
	assert_string_equal(data, "one\n");
	free(data);
	/* An id of the other kind of hash. */
	missing.len = 32;
	assert_int_equal(repo_blob_size(repo, &missing, &size), -ENOENT);
}

static void tree_keeps_order_modes_and_bytes(void **state)
{
	static const char *const names[] = {"a", "d", "l", "sp ace\nline\377\"", "x"};
	static const uint32_t modes[] = {0100644, 0040000, 0120000, 0100644, 0100755};
	struct repo_tree *tree;
	struct oid oid;
	uint32_t mode;

	(void)state;
	scratch_sh("cd r && touch \"$(printf 'sp ace\\nline\\377\"')\" && git add . && git commit -q -m names");
	open_repo("r");
	oid = id_of_expression("HEAD^{tree}");
	assert_int_equal(repo_tree(repo, &oid, &tree), 0);
	assert_int_equal(tree->count, 5);
	for (size_t i = 0; i < 5; i++) {
		assert_string_equal(tree->entries[i].name, names[i]);
		assert_int_equal(tree->entries[i].name_len, strlen(names[i]));
		assert_int_equal(tree->entries[i].mode, modes[i]);
		assert_ptr_equal(repo_tree_find(tree, names[i], strlen(names[i])), &tree->entries[i]);
	}
	assert_oid(&tree->entries[0].oid, "r", "HEAD:a");
	assert_null(repo_tree_find(tree, "b", 1));
	free(tree);
	assert_int_equal(repo_tree_walk(repo, &oid, "d/e/b", &oid, &mode), 0);
	assert_int_equal(mode, 0100644);
	assert_oid(&oid, "r", "HEAD:d/e/b");
	oid = id_of_expression("HEAD^{tree}");
	assert_int_equal(repo_tree_walk(repo, &oid, "", &oid, &mode), 0);
	assert_int_equal(mode, 0040000);
	assert_int_equal(repo_tree_walk(repo, &oid, "d/none", &oid, &mode), -ENOENT);
	assert_int_equal(repo_tree_walk(repo, &oid, "a/none", &oid, &mode), -ENOTDIR);
}

/* Collects "name id[ symbolic]\n". */
static int list_ref(void *arg, const struct repo_ref *ref)
{
	char hex[OID_HEX_MAX];

	fprintf(arg, "%s %s%s\n", ref->name, oid_format(&ref->target, hex), ref->symbolic ? " symbolic" : "");
	return 0;
}

static char *list_refs(void)
{
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	assert_int_equal(repo_each_ref(repo, list_ref, out), 0);
	fclose(out);
	if (len)
		text[len - 1] = '\0';
	return text;
}

static void assert_refs_as_git(void)
{
	char *ours = list_refs();
	char *gits =
	    scratch_output("cd r && git for-each-ref --format='%%(refname) %%(objectname)%%(if)%%(symref)%%(then) "
	                   "symbolic%%(end)'");

	assert_string_equal(ours, gits);
	free(ours);
	free(gits);
}

static void refs_of_all_kinds_are_listed_in_order(void **state)
{
	(void)state;
	scratch_sh("cd r && git branch feature/x && git tag v1 && git tag -a -m note v2 && git -c "
	           "advice.nestedTag=false tag -a -m outer v3 v2 &&"
	           "git tag blob HEAD:a && git update-ref refs/remotes/origin/main HEAD &&"
	           "git symbolic-ref refs/remotes/origin/HEAD refs/remotes/origin/main && git pack-refs --all &&"
	           "git branch zz && git branch aa && git symbolic-ref refs/heads/broken refs/heads/nowhere");
	open_repo("r");
	assert_refs_as_git();
}

static void refs_that_move_appear_and_go_are_seen(void **state)
{
	uint64_t before;

	(void)state;
	open_repo("r");
	assert_refs_as_git();
	assert_ref("refs/heads/main", "r", "HEAD");
	for (int i = 0; i < 3; i++) {
		scratch_sh("cd r && git commit -q --allow-empty -m more");
		assert_ref("refs/heads/main", "r", "HEAD");
		assert_ref("HEAD", "r", "HEAD");
		scratch_sh("cd r && git branch deep/er/branch%d && git tag -f moving", i);
		assert_refs_as_git();
		assert_ref("refs/tags/moving", "r", "HEAD");
		before = repo_refs_stamp(repo);
		scratch_sh("cd r && git pack-refs --all");
		assert_true(before != repo_refs_stamp(repo));
		assert_refs_as_git();
		before = repo_refs_stamp(repo);
		scratch_sh("cd r && git branch -D -q deep/er/branch%d", i);
		assert_true(before != repo_refs_stamp(repo));
		assert_refs_as_git();
	}
	before = repo_refs_stamp(repo);
	scratch_sh("cd r && git switch -q --detach");
	assert_true(before != repo_refs_stamp(repo));
	assert_ref("HEAD", "r", "HEAD");
}

static void stamp_rests_when_nothing_changes(void **state)
{
	uint64_t before, now = 0;
	struct timespec start, t;

	(void)state;
	open_repo("r");
	clock_gettime(CLOCK_MONOTONIC, &start);
	do {
		before = now;
		now = repo_refs_stamp(repo);
		nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
		clock_gettime(CLOCK_MONOTONIC, &t);
		assert_true(t.tv_sec - start.tv_sec < 10);
	} while (now != before);
	assert_int_equal(repo_refs_stamp(repo), now);
}

static void ref_must_be_named_exactly(void **state)
{
	static const char *const bad[] = {"refs/heads",
	                                  "refs/heads/",
	                                  "refs/heads/nope",
	                                  "refs/heads/main/x",
	                                  "main",
	                                  "refs/heads/main~1",
	                                  "refs/../HEAD",
	                                  "refs/heads/main^{tree}",
	                                  "refs/heads//main",
	                                  "refs/heads/ma in",
	                                  "refs/heads/.x",
	                                  "refs/heads/x.lock",
	                                  "refs/heads/@{u}",
	                                  "",
	                                  "refs/heads/f",
	                                  "--all",
	                                  "refs/heads/main:a"};
	struct oid oid;

	(void)state;
	/* What looks like the ref when git completes names. */
	scratch_sh("cd r && git branch refs/heads/nope && git branch f/g");
	open_repo("r");
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		if (repo_ref(repo, bad[i], &oid) != -ENOENT)
			fail_msg("\"%s\" was found", bad[i]);
	assert_ref("refs/heads/refs/heads/nope", "r", "HEAD");
}

static void unborn_head_is_enoent(void **state)
{
	struct oid oid;
	char *refs;

	(void)state;
	scratch_sh("git init -q -b main empty");
	open_repo("empty");
	assert_int_equal(repo_ref(repo, "HEAD", &oid), -ENOENT);
	refs = list_refs();
	assert_string_equal(refs, "");
	free(refs);
}

static void tags_are_peeled(void **state)
{
	struct oid oid, commit;

	(void)state;
	scratch_sh("cd r && git tag light && git tag -a -m note once && git -c advice.nestedTag=false tag -a -m note "
	           "twice once &&"
	           "git tag blob HEAD:a && git tag -a -m note of-blob HEAD:a");
	open_repo("r");
	for (size_t i = 0; i < 3; i++) {
		const char *names[] = {"light", "once", "twice"};

		oid = id_of_expression(names[i]);
		assert_int_equal(repo_peel(repo, &oid, &commit), 0);
		assert_oid(&commit, "r", "HEAD");
	}
	oid = id_of_expression("blob");
	assert_int_equal(repo_peel(repo, &oid, &commit), -EINVAL);
	oid = id_of_expression("of-blob");
	assert_int_equal(repo_peel(repo, &oid, &commit), -EINVAL);
}

static void abbreviations_find_commits_only(void **state)
{
	char hex[OID_HEX_MAX], *shared;
	struct oid head, found, blob;

	(void)state;
	open_repo("r");
	head = id_of_expression("HEAD");
	blob = id_of_expression("HEAD:a");
	oid_format(&head, hex);
	for (size_t len = 4; len <= 40; len += 6) {
		assert_int_equal(repo_abbreviated(repo, hex, len, &found), 0);
		assert_true(oid_equal(&head, &found));
	}
	for (char *p = hex; *p; p++)
		*p = (char)(*p >= 'a' ? *p - 'a' + 'A' : *p);
	assert_int_equal(repo_abbreviated(repo, hex, 40, &found), 0);
	assert_int_equal(repo_abbreviated(repo, hex, 3, &found), -ENOENT);
	assert_int_equal(repo_abbreviated(repo, "0000000", 7, &found), -ENOENT);
	assert_int_equal(repo_abbreviated(repo, "main", 4, &found), -ENOENT);
	assert_int_equal(repo_abbreviated(repo, oid_format(&blob, hex), 40, &found), -ENOENT);
	assert_int_equal(repo_abbreviated(repo, hex, 12, &found), -ENOENT);
	assert_int_equal(repo_abbreviated(repo, hex, 41, &found), -ENOENT);

	/* Objects that share four digits with a commit: blobs do not matter, other commits do. */
	shared = scratch_output(
	    "cd r && for i in $(seq 1500); do printf 'commit refs/heads/many\\ncommitter c <c@x> %%s +0000\\n"
	    "data 1\\nx\\n' $i; done | git fast-import --quiet && git rev-list many | cut -c1-4 | sort |"
	    "uniq -d | head -n1");
	assert_int_equal(strlen(shared), 4);
	assert_int_equal(repo_abbreviated(repo, shared, 4, &found), -EEXIST);
	free(shared);
	shared = scratch_output(
	    "cd r && for i in $(seq 1000); do printf 'blob\\ndata <<E\\n%%s\\nE\\n' $i; done | git fast-import"
	    " --quiet && git cat-file --batch-all-objects --batch-check > all && grep ' commit ' all |"
	    "cut -c1-4 | sort | uniq -u > commits && grep ' blob ' all | cut -c1-4 | sort -u |"
	    "comm -12 - commits | head -n1");
	assert_int_equal(strlen(shared), 4);
	assert_int_equal(repo_abbreviated(repo, shared, 4, &found), 0);
	assert_memory_equal(oid_format(&found, hex), shared, 4);
	free(shared);
}

static void replace_refs_are_not_followed(void **state)
{
	struct repo_commit commit;
	struct oid oid;
	char *text;

	(void)state;
	scratch_sh(
	    "cd r && git commit -q --allow-empty -m good && git tag evil $(git commit-tree -m evil HEAD^{tree}) &&"
	    "git replace HEAD evil && git replace $(git rev-parse HEAD:a) $(git rev-parse HEAD:d/e/b)");
	open_repo("r");
	assert_int_equal(repo_ref(repo, "HEAD", &oid), 0);
	assert_int_equal(repo_commit(repo, &oid, &commit), 0);
	assert_string_equal(commit.summary, "good");
	repo_commit_release(&commit);
	scratch_sh("cd r && git cat-file -p HEAD | grep -q evil"); /* git does follow */
	text = read_blob("HEAD", "a");
	assert_string_equal(text, "one\n");
	free(text);
}

static void worktree_has_its_own_head_and_shares_the_rest(void **state)
{
	(void)state;
	scratch_sh("cd r && git worktree add -q -b side ../w && cd ../w && git commit -q --allow-empty -m side");
	open_repo("w");
	assert_path("w", repo_work_tree(repo));
	assert_path("r/.git", repo_common_dir(repo));
	assert_path("r/.git/worktrees/w", repo_git_dir(repo));
	assert_ref("HEAD", "w", "HEAD");
	assert_ref("refs/heads/main", "r", "main");
	assert_refs_as_git();
	open_repo("r");
	assert_ref("HEAD", "r", "HEAD");
	assert_ref("refs/heads/side", "w", "HEAD");
}

static void bare_repository_is_read(void **state)
{
	char *text;

	(void)state;
	scratch_sh("git clone -q --bare r b.git");
	open_repo("b.git");
	assert_null(repo_work_tree(repo));
	assert_string_equal(repo_prefix(repo), "");
	assert_path("b.git", repo_common_dir(repo));
	assert_ref("HEAD", "r", "HEAD");
	text = read_blob("HEAD", "d/e/b");
	assert_string_equal(text, "two\n");
	free(text);
	open_repo("r/.git");
	assert_null(repo_work_tree(repo));
}

static void alternates_are_read(void **state)
{
	char *text;

	(void)state;
	scratch_sh("git clone -q --shared r s && rm -rf s/.git/objects/pack s/.git/objects/??");
	open_repo("s");
	text = read_blob("HEAD", "a");
	assert_string_equal(text, "one\n");
	free(text);
}

static void packs_that_come_and_go_are_no_error(void **state)
{
	char *text;

	(void)state;
	open_repo("r");
	for (int i = 0; i < 3; i++) {
		text = read_blob("HEAD", "a");
		assert_string_equal(text, "one\n");
		free(text);
		scratch_sh("cd r && echo %d > new && git add new && git commit -q -m new && git gc -q --prune=now %s",
		           i, i == 1 ? "&& git multi-pack-index write" : "");
		text = read_blob("HEAD", "new");
		assert_int_equal(atoi(text), i);
		free(text);
		text = read_blob("HEAD~1", "d/e/b");
		assert_string_equal(text, "two\n");
		free(text);
	}
}

static void environment_is_honoured_once(void **state)
{
	char *git_dir = scratch_path("r/.git"), *tree = scratch_path("elsewhere"), *index = scratch_path("other-index");

	(void)state;
	scratch_sh("mkdir elsewhere unrelated && git -C r tag -a -m t t");
	setenv("GIT_DIR", git_dir, 1);
	setenv("GIT_WORK_TREE", tree, 1);
	setenv("GIT_INDEX_FILE", index, 1);
	open_repo("unrelated");
	unsetenv("GIT_DIR");
	unsetenv("GIT_WORK_TREE");
	unsetenv("GIT_INDEX_FILE");
	assert_path("r/.git", repo_git_dir(repo));
	assert_path("elsewhere", repo_work_tree(repo));
	assert_string_equal(repo_where(repo)->git_dir, repo_git_dir(repo));
	assert_string_equal(repo_where(repo)->work_tree, repo_work_tree(repo));
	assert_string_equal(repo_where(repo)->index_file, index);
	assert_ref("HEAD", "r", "HEAD");
	assert_refs_as_git();
	free(git_dir);
	free(tree);
	free(index);
}

static void shallow_clone_ends_at_its_border(void **state)
{
	struct repo_commit commit;
	struct oid oid, parent;

	(void)state;
	scratch_sh("cd r && git commit -q --allow-empty -m two && git commit -q --allow-empty -m three && cd .. &&"
	           "git clone -q --depth 2 \"file://$PWD/r\" shallow");
	open_repo("shallow");
	assert_true(repo_is_shallow(repo));
	assert_int_equal(repo_ref(repo, "HEAD", &oid), 0);
	assert_int_equal(repo_parent(repo, &oid, 1, &parent), 0);
	assert_oid(&parent, "r", "HEAD~1");
	assert_int_equal(repo_parent(repo, &parent, 1, &oid), -ENOENT);
	assert_int_equal(repo_commit(repo, &parent, &commit), 0);
	assert_int_equal(commit.parents_count, 0);
	repo_commit_release(&commit);
	scratch_sh("cd shallow && git fetch -q --unshallow");
	assert_int_equal(repo_parent(repo, &parent, 1, &oid), 0);
	assert_oid(&oid, "r", "HEAD~2");
	assert_int_equal(repo_parent(repo, &oid, 1, &parent), -ENOENT);
	assert_int_equal(repo_parent(repo, &oid, 2, &parent), -ENOENT);
}

static void partial_clone_fetches_what_it_lacks(void **state)
{
	char *text;

	(void)state;
	scratch_sh(
	    "git -C r config uploadpack.allowFilter true && git -C r config uploadpack.allowAnySHA1InWant true &&"
	    "git clone -q --no-checkout --filter=blob:none \"file://$PWD/r\" partial");
	assert_int_equal(scratch_try("cd partial && GIT_NO_LAZY_FETCH=1 git rev-list --objects --all --missing=print |"
	                             "grep -q '^?'"),
	                 0);
	open_repo("partial");
	text = read_blob("HEAD", "a");
	assert_string_equal(text, "one\n");
	free(text);
	text = read_blob("HEAD", "a");
	assert_string_equal(text, "one\n");
	free(text);
}

static sem_t ready;

static void note_ready(struct ticket *ticket)
{
	(void)ticket;
	sem_post(&ready);
}

/* A thread that may not wait is told when it is there; who holds no ticket waits. */
static void what_is_lacking_is_fetched_aside(void **state)
{
	struct oid a = id_of_expression("HEAD:a"), b = id_of_expression("HEAD:d/e/b");
	struct ticket ticket = {.ready = note_ready};
	uint64_t size;
	size_t len;
	void *data;

	(void)state;
	scratch_sh("git -C r config uploadpack.allowFilter true &&"
	           "git clone -q --no-checkout --filter=blob:none \"file://$PWD/r\" partial");
	open_repo("partial");
	sem_init(&ready, 0, 0);
	assert_int_equal(repo_fetch_aside(repo, UINT64_MAX), 0);
	ticket_hold(&ticket);
	assert_int_equal(repo_blob_size(repo, &a, &size), -EINPROGRESS);
	sem_wait(&ready);
	assert_int_equal(repo_blob_size(repo, &a, &size), 0);
	assert_int_equal(size, 4);
	assert_int_equal(repo_blob(repo, &a, 1000, &data, &len), 0);
	assert_string_equal(data, "one\n");
	free(data);
	ticket_hold(NULL);
	ticket_release(&ticket);
	assert_int_equal(repo_blob_size(repo, &b, &size), 0);
	sem_destroy(&ready);
}

static void unreachable_promisor_is_eio_aside_too(void **state)
{
	struct oid oid = id_of_expression("HEAD:a");
	struct ticket ticket = {.ready = note_ready};
	int saved = dup(2), null = open("/dev/null", O_WRONLY);
	uint64_t size;

	(void)state;
	scratch_sh("git -C r config uploadpack.allowFilter true &&"
	           "git clone -q --no-checkout --filter=blob:none \"file://$PWD/r\" partial && mv r gone");
	open_repo("partial");
	dup2(null, 2);
	sem_init(&ready, 0, 0);
	assert_int_equal(repo_fetch_aside(repo, UINT64_MAX), 0);
	ticket_hold(&ticket);
	assert_int_equal(repo_blob_size(repo, &oid, &size), -EINPROGRESS);
	sem_wait(&ready);
	assert_int_equal(repo_blob_size(repo, &oid, &size), -EIO);
	ticket_hold(NULL);
	ticket_release(&ticket);
	sem_destroy(&ready);
	dup2(saved, 2);
	close(saved);
	close(null);
}

/* It is tried again, but not at once, and who has waited long enough learns why. */
static void without_processes_a_fetch_aside_rests(void **state)
{
	struct oid commit = id_of_expression("HEAD"), oid = id_of_expression("HEAD:a");
	struct ticket ticket = {.ready = note_ready};
	uint64_t size;

	(void)state;
	scratch_sh("git -C r config uploadpack.allowFilter true &&"
	           "git clone -q --no-checkout --filter=blob:none \"file://$PWD/r\" partial");
	open_repo("partial");
	sem_init(&ready, 0, 0);
	assert_int_equal(repo_fetch_aside(repo, 300), 0);
	ticket_hold(&ticket);
	/* A reader that is a git has been started. */
	assert_int_not_equal(repo_blob_size(repo, &commit, &size), -EINPROGRESS);
	refused = 0;
	crowded = true;
	assert_int_equal(repo_blob_size(repo, &oid, &size), -EINPROGRESS);
	sem_wait(&ready);
	assert_int_equal(repo_blob_size(repo, &oid, &size), -EAGAIN);
	/* At the beginning, perhaps at the end, and by a reader that is a git itself: twice each. */
	assert_in_range(refused, 1, 6);
	ticket_release(&ticket);
	crowded = false;
	assert_int_equal(repo_blob_size(repo, &oid, &size), -EINPROGRESS);
	sem_wait(&ready);
	assert_int_equal(repo_blob_size(repo, &oid, &size), 0);
	ticket_hold(NULL);
	ticket_release(&ticket);
	sem_destroy(&ready);
}

static void unreachable_promisor_is_eio_and_absence_stays_enoent(void **state)
{
	struct oid oid = id_of_expression("HEAD:a");
	uint64_t size;
	int saved = dup(2), null = open("/dev/null", O_WRONLY);

	(void)state;
	scratch_sh("git -C r config uploadpack.allowFilter true &&"
	           "git clone -q --no-checkout --filter=blob:none \"file://$PWD/r\" partial && mv r gone");
	open_repo("partial");
	dup2(null, 2);
	assert_int_equal(repo_blob_size(repo, &oid, &size), -EIO);
	dup2(saved, 2);
	close(saved);
	close(null);
	/* Digits that nothing begins with ask nobody. */
	assert_int_equal(repo_abbreviated(repo, "0000000000000000000000000000000000000000", 40, &oid), -ENOENT);
}

static void damaged_object_is_ebadmsg_and_others_stay_readable(void **state)
{
	struct oid oid = id_of_expression("HEAD:a");
	int saved = dup(2), null = open("/dev/null", O_WRONLY);
	char *text;
	size_t len;
	void *data;

	(void)state;
	scratch_sh("cd r && f=.git/objects/$(git rev-parse HEAD:a | sed 's,..,&/,') && chmod u+w $f &&"
	           "printf 'xxxxxxxxxxxxxxxxxxxx' | dd of=$f bs=1 seek=4 conv=notrunc status=none");
	open_repo("r");
	dup2(null, 2);
	assert_int_equal(repo_blob(repo, &oid, 1000, &data, &len), -EBADMSG);
	dup2(saved, 2);
	close(saved);
	close(null);
	text = read_blob("HEAD", "d/e/b");
	assert_string_equal(text, "two\n");
	free(text);
}

static void sha256_repository_is_read(void **state)
{
	struct oid oid, found;
	char hex[OID_HEX_MAX];
	struct repo_commit commit;
	uint32_t mode;

	(void)state;
	scratch_sh("git init -q -b main --object-format=sha256 s && cd s && echo data > f && git add f && git commit "
	           "-q -m one &&"
	           "git tag -a -m note v1 && git commit -q --allow-empty -m two");
	if (reader == REPO_LIBGIT2) {
		assert_int_equal(try_open("s", NULL), -ENOTSUP);
		return;
	}
	open_repo("s");
	assert_string_equal(repo_reader_name(repo), "git");
	assert_int_equal(repo_oid_len(repo), 32);
	assert_ref("HEAD", "s", "HEAD");
	assert_int_equal(repo_ref(repo, "refs/tags/v1", &oid), 0);
	assert_int_equal(repo_peel(repo, &oid, &oid), 0);
	assert_oid(&oid, "s", "HEAD~1");
	assert_int_equal(repo_abbreviated(repo, oid_format(&oid, hex), 9, &found), 0);
	assert_true(oid_equal(&oid, &found));
	assert_int_equal(repo_commit(repo, &oid, &commit), 0);
	assert_int_equal(repo_tree_walk(repo, &commit.tree, "f", &oid, &mode), 0);
	assert_oid(&oid, "s", "HEAD:f");
	repo_commit_release(&commit);
}

static void extensions_are_no_obstacle(void **state)
{
	(void)state;
	scratch_sh("cd r && git config core.repositoryFormatVersion 1 && git config extensions.preciousObjects true &&"
	           "git config extensions.worktreeConfig true && git config --worktree core.sparseCheckout true");
	open_repo("r");
	assert_ref("HEAD", "r", "HEAD");
}

static void repository_of_another_owner_is_refused_as_git_does(void **state)
{
	char *message;

	(void)state;
	if (geteuid() != 0)
		skip();
	scratch_sh("chown -R 12345 r");
	assert_int_equal(try_open("r", &message), -EPERM);
	assert_non_null(strstr(message, "dubious ownership"));
	assert_non_null(strstr(message, "safe.directory"));
	free(message);
	setenv("GIT_CONFIG_COUNT", "1", 1);
	setenv("GIT_CONFIG_KEY_0", "safe.directory", 1);
	setenv("GIT_CONFIG_VALUE_0", "*", 1);
	open_repo("r");
	assert_ref("HEAD", "r", "HEAD");
	unsetenv("GIT_CONFIG_COUNT");
}

static void submodule_and_shared_repository_are_told(void **state)
{
	struct oid tree, oid;
	uint32_t mode;

	(void)state;
	scratch_sh("cd r && git -c protocol.file.allow=always submodule --quiet add ../r sub && git commit -q -m sub &&"
	           "git config core.sharedRepository group");
	open_repo("r");
	assert_int_equal(repo_shared_mode(repo), 02070);
	tree = id_of_expression("HEAD^{tree}");
	assert_int_equal(repo_tree_walk(repo, &tree, "sub", &oid, &mode), 0);
	assert_int_equal(mode, 0160000);
	open_repo("r/sub");
	assert_path("r/sub", repo_work_tree(repo));
	scratch_sh("git -C r config core.sharedRepository 0640");
	open_repo("r");
	assert_int_equal(repo_shared_mode(repo), 02050);
	scratch_sh("git -C r config core.sharedRepository world");
	open_repo("r");
	assert_int_equal(repo_shared_mode(repo), 02075);
}

static void blobs_are_streamed_from_where_the_file_stands(void **state)
{
	static const char *const names[] = {"a", "big"};
	char *path = scratch_path("out");

	(void)state;
	scratch_sh(
	    "cd r && head -c 20000000 /dev/zero > big && echo end >> big && git add big && git commit -q -m big");
	for (int packed = 0; packed < 2; packed++) {
		if (packed)
			scratch_sh("cd r && git gc -q --prune=now");
		open_repo("r");
		for (size_t i = 0; i < 2; i++) {
			char expression[32];
			struct oid oid;
			int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

			snprintf(expression, sizeof(expression), "HEAD:%s", names[i]);
			oid = id_of_expression(expression);
			assert_int_equal(write(fd, "head\n", 5), 5);
			assert_int_equal(repo_blob_to_fd(repo, &oid, fd), 0);
			close(fd);
			scratch_sh("{ echo head; cat r/%s; } | cmp - out", names[i]);
		}
	}
	free(path);
}

struct walk {
	FILE *out;
	int left;
};

static int list_commit(void *arg, const struct oid *oid, const struct repo_commit *commit)
{
	struct walk *w = arg;
	char hex[OID_HEX_MAX];

	fprintf(w->out, "%s %s\n", oid_format(oid, hex), commit->summary);
	return --w->left ? 0 : 7;
}

static void history_is_walked_as_git_log_does(void **state)
{
	char *ours = NULL, *gits;
	struct walk w = {.left = 1000};
	struct oid tips[2];
	size_t len;

	(void)state;
	scratch_sh(
	    "cd r && for i in 1 2 3; do GIT_COMMITTER_DATE=\"170000001$i +0000\" git commit -q --allow-empty -m main$i;"
	    "done && git switch -q -c side HEAD~2 && for i in 1 2 3; do GIT_COMMITTER_DATE=\"170000002$i +0000\" git "
	    "commit -q --allow-empty -m side$i; done && git switch -q main && GIT_COMMITTER_DATE='1700000100 +0000' "
	    "git "
	    "merge -q --no-edit side");
	open_repo("r");
	tips[0] = id_of_expression("main");
	tips[1] = id_of_expression("side");
	w.out = open_memstream(&ours, &len);
	assert_int_equal(repo_each_commit(repo, tips, 2, list_commit, &w), 0);
	fclose(w.out);
	ours[len - 1] = '\0';
	gits = scratch_output("git -C r log --format='%%H %%s' main side");
	assert_string_equal(ours, gits);
	free(gits);
	free(ours);
	w.left = 2;
	w.out = open_memstream(&ours, &len);
	assert_int_equal(repo_each_commit(repo, tips, 2, list_commit, &w), 7);
	fclose(w.out);
	free(ours);
}

static int list_oid(void *arg, const struct oid *oid)
{
	char hex[OID_HEX_MAX];

	fprintf(arg, "%s\n", oid_format(oid, hex));
	return 0;
}

static void reflogs_stashes_and_heads_of_all_worktrees_are_alive(void **state)
{
	char *text = NULL, *wanted;
	size_t len;
	FILE *out;

	(void)state;
	wanted = scratch_output(
	    "cd r && git commit -q --allow-empty -m lost && git rev-parse HEAD && git reset -q --hard HEAD~1 &&"
	    "echo x >> a && git stash -q && git rev-parse stash && echo y >> a && git stash -q && git rev-parse stash "
	    "&&"
	    "git worktree add -q --detach ../w && cd ../w && git commit -q --allow-empty -m w1 && git rev-parse HEAD &&"
	    "git reset -q --hard HEAD~1 && git commit -q --allow-empty -m w2 && git rev-parse HEAD");
	open_repo("r");
	out = open_memstream(&text, &len);
	assert_int_equal(repo_each_reflog_commit(repo, list_oid, out), 0);
	fclose(out);
	for (char *save, *hex = strtok_r(wanted, "\n", &save); hex; hex = strtok_r(NULL, "\n", &save))
		if (!strstr(text, hex))
			fail_msg("%s is not told of in:\n%s", hex, text);
	free(wanted);
	free(text);
}

static int list_pointer(void *arg, const char *path, const struct oid *oid)
{
	char hex[OID_HEX_MAX];

	fprintf(arg, "%s %s\n", oid_format(oid, hex), path);
	return 0;
}

static void pointers_in_every_index_are_found(void **state)
{
	char *text = NULL, *one, *two;
	size_t len;
	FILE *out;

	(void)state;
	scratch_sh("cd r && echo p1 > d/data.revfs && git add d/data.revfs && git worktree add -q ../w && cd ../w &&"
	           "echo p2 > 'new\nline.revfs' && echo p3 > other && git add .");
	open_repo("w");
	out = open_memstream(&text, &len);
	assert_int_equal(repo_each_index_pointer(repo, list_pointer, out), 0);
	fclose(out);
	one = scratch_output("git -C r rev-parse :d/data.revfs");
	two = scratch_output("git -C w rev-parse ':new\nline.revfs'");
	assert_non_null(strstr(text, one));
	assert_non_null(strstr(text, two));
	assert_non_null(strstr(text, " new\nline.revfs\n"));
	assert_int_equal(len, strlen(one) + strlen(two) + strlen(" d/data.revfs\n new\nline.revfs\n"));
	free(one);
	free(two);
	free(text);
}

static void *read_much(void *arg)
{
	struct oid oid = *(struct oid *)arg;
	struct repo_tree *tree;
	int r = 0;

	for (int i = 0; !r && i < 50; i++) {
		r = repo_tree(repo, &oid, &tree);
		if (!r)
			free(tree);
		if (!r)
			r = repo_ref(repo, "refs/heads/main", &(struct oid){.len = 0});
	}
	return (void *)(intptr_t)r;
}

static void many_threads_read_at_once(void **state)
{
	struct oid oid = id_of_expression("HEAD^{tree}");
	pthread_t threads[8];
	void *result;

	(void)state;
	open_repo("r");
	for (size_t i = 0; i < 8; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, read_much, &oid), 0);
	for (size_t i = 0; i < 8; i++) {
		assert_int_equal(pthread_join(threads[i], &result), 0);
		assert_int_equal((intptr_t)result, 0);
	}
}

static void ten_thousand_refs_are_listed(void **state)
{
	(void)state;
	scratch_sh("cd r && c=$(git rev-parse HEAD) && { echo '# pack-refs with: peeled fully-peeled sorted '; for i "
	           "in $(seq 9500); do"
	           " echo \"$c refs/tags/n/$i\"; done | LC_ALL=C sort -k2; } > .git/packed-refs &&"
	           "for i in $(seq 500); do echo \"create refs/tags/m/$i $c\"; done | git update-ref --stdin");
	open_repo("r");
	assert_refs_as_git();
}

static int run_with(enum repo_reader which)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	    T(location_is_what_git_says),
	    T(path_with_newlines_is_found),
	    T(missing_repository_is_enoent),
	    T(missing_git_is_enopkg),
	    T(commit_is_parsed),
	    T(missing_and_wrong_objects_are_told),
	    T(tree_keeps_order_modes_and_bytes),
	    T(refs_of_all_kinds_are_listed_in_order),
	    T(refs_that_move_appear_and_go_are_seen),
	    T(stamp_rests_when_nothing_changes),
	    T(ref_must_be_named_exactly),
	    T(unborn_head_is_enoent),
	    T(tags_are_peeled),
	    T(abbreviations_find_commits_only),
	    T(replace_refs_are_not_followed),
	    T(worktree_has_its_own_head_and_shares_the_rest),
	    T(bare_repository_is_read),
	    T(alternates_are_read),
	    T(packs_that_come_and_go_are_no_error),
	    T(environment_is_honoured_once),
	    T(shallow_clone_ends_at_its_border),
	    T(partial_clone_fetches_what_it_lacks),
	    T(what_is_lacking_is_fetched_aside),
	    T(unreachable_promisor_is_eio_aside_too),
	    T(without_processes_a_fetch_aside_rests),
	    T(unreachable_promisor_is_eio_and_absence_stays_enoent),
	    T(damaged_object_is_ebadmsg_and_others_stay_readable),
	    T(sha256_repository_is_read),
	    T(extensions_are_no_obstacle),
	    T(repository_of_another_owner_is_refused_as_git_does),
	    T(submodule_and_shared_repository_are_told),
	    T(blobs_are_streamed_from_where_the_file_stands),
	    T(history_is_walked_as_git_log_does),
	    T(reflogs_stashes_and_heads_of_all_worktrees_are_alive),
	    T(pointers_in_every_index_are_found),
	    T(many_threads_read_at_once),
	    T(ten_thousand_refs_are_listed),
#undef T
	};

	reader = which;
	return cmocka_run_group_tests_name(which == REPO_COMMAND ? "repo (git)" : "repo (libgit2)", tests, NULL, NULL);
}

int main(void)
{
	int failed = run_with(REPO_LIBGIT2);

	return failed + run_with(REPO_COMMAND);
}
