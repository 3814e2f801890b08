/*
 * revfs du: what revisions and datasets hold, and what that takes in the store.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fs/dataset.h"
#include "fs/git/oid_set.h"
#include "fs/reach.h"
#include "tools/commands.h"
#include "tools/output.h"
#include "tools/session.h"

/* What one argument comes to. */
struct usage {
	uint64_t files;
	uint64_t bytes;
	uint64_t stored;
	uint64_t unique;
};

struct du {
	struct session session;
	bool unique;
	bool begun;        /* the header stands */
	struct reach *all; /* of all arguments, for the total */
	uint64_t total;
	json_t *list; /* NULL: text */
	struct outcome outcome;
};

/* One argument being measured. */
struct measure {
	struct du *du;
	const struct target *target;
	const char *folder; /* that the paths of datasets are below of; "" or the target's path */
	struct reach *reach;
	struct usage usage;
	struct oid_set tips;
	int status; /* of what was named as unreadable */
};

static int add_stored(void *arg, unsigned kind, const struct id *id, uint32_t stored_len)
{
	uint64_t *sum = arg;

	(void)kind;
	(void)id;
	return __builtin_add_overflow(*sum, stored_len, sum) ? -EOVERFLOW : 0;
}

/* "REV:PATH" of a dataset could not be read; what was measured is not whole. */
static int name_unreadable(struct measure *m, const char *revision, const char *path, int error)
{
	char *name;

	if (asprintf(&name, "%s:%s", revision, path) < 0)
		return -ENOMEM;
	m->status = session_unreadable(&m->du->session, name, error);
	free(name);
	return 0;
}

static bool is_fatal(int error)
{
	return error == -ENOMEM || error == -EINTR;
}

/* Add what a dataset holds. */
static int add_dataset(void *arg, const char *path, const struct pointer *pointer, int error)
{
	struct measure *m = arg;
	struct du *du = m->du;
	int ret = error;

	if (!ret && !du->session.source)
		ret = -ENODATA;
	if (!ret)
		ret = reach_root(m->reach, pointer, add_stored, &m->usage.stored);
	if (!ret)
		ret = reach_root(du->all, pointer, add_stored, &du->total);
	if (!ret && (__builtin_add_overflow(m->usage.files, pointer->files, &m->usage.files) ||
	             __builtin_add_overflow(m->usage.bytes, pointer->bytes, &m->usage.bytes)))
		ret = -EBADMSG;
	if (ret && !is_fatal(ret)) {
		char *full = *m->folder ? NULL : strdup(path);

		if (*m->folder && asprintf(&full, "%s/%s", m->folder, path) < 0)
			full = NULL;
		ret = full ? name_unreadable(m, m->target->revision, full, ret) : -ENOMEM;
		free(full);
	}
	return ret;
}

/* Add what is at one place of a dataset, or below it. */
static int add_place(struct measure *m, const struct place *place)
{
	struct source *source = m->du->session.source;
	struct totals totals = {.files = 1, .bytes = place->size};
	int ret = 0;

	if (place->kind == PLACE_DATA_DIRECTORY) {
		ret = directory_totals(source, &place->directory, &totals);
		if (!ret)
			ret = reach_directory(m->reach, &place->directory, add_stored, &m->usage.stored);
		if (!ret)
			ret = reach_directory(m->du->all, &place->directory, add_stored, &m->du->total);
	} else if (!place->foreign) {
		ret = reach_content(m->reach, &place->content, add_stored, &m->usage.stored);
		if (!ret)
			ret = reach_content(m->du->all, &place->content, add_stored, &m->du->total);
	}
	m->usage.files = totals.files;
	m->usage.bytes = totals.bytes;
	return ret;
}

/* --- what no other revision needs --- */

/* Takes from what is unique all that another revision needs. */
static int subtract(void *arg, unsigned kind, const struct id *id, uint32_t stored_len)
{
	struct measure *m = arg;

	(void)stored_len;
	m->usage.unique -= reach_stored_len(m->reach, kind, id);
	return 0;
}

struct others {
	struct measure *measure;
	struct reach *reach;
	char revision[OID_HEX_MAX]; /* that is looked at */
};

static int subtract_dataset(void *arg, const char *path, const struct pointer *pointer, int error)
{
	struct others *others = arg;
	int ret = error ? error : reach_root(others->reach, pointer, subtract, others->measure);

	return ret && !is_fatal(ret) ? name_unreadable(others->measure, others->revision, path, ret) : ret;
}

static int subtract_changed(void *arg, const char *path, const struct pointer *a, const struct pointer *b, int error)
{
	(void)a;
	return b || error ? subtract_dataset(arg, path, b, error) : 0;
}

/*
 * What a commit has from its first parent was subtracted with that; unless the parent is the one that is measured,
 * which is none of the others.
 */
static int subtract_commit(void *arg, const struct oid *oid, const struct repo_commit *commit)
{
	struct others *others = arg;
	struct session *s = &others->measure->du->session;
	const struct oid *measured = &others->measure->target->commit;
	struct repo_commit parent;
	int ret;

	if (oid_equal(oid, measured))
		return 0;
	oid_format(oid, others->revision);
	if (!commit->parents_count || oid_equal(&commit->parents[0], measured))
		return dataset_each(s->repo, &commit->tree, subtract_dataset, others);
	ret = repo_commit(s->repo, &commit->parents[0], &parent);
	if (ret)
		return ret == -ENOENT ? -EBADMSG : ret;
	ret = dataset_each_changed(s->repo, &parent.tree, &commit->tree, subtract_changed, others);
	repo_commit_release(&parent);
	return ret;
}

static int add_tip(void *arg, const struct repo_ref *ref)
{
	struct measure *m = arg;
	struct oid commit;
	int ret = repo_peel(m->du->session.repo, &ref->target, &commit);

	if (ret)
		return ret == -EINVAL || ret == -ENOENT ? 0 : ret;
	ret = oid_set_add(&m->tips, &commit);
	return ret < 0 ? ret : 0;
}

/* The tips of all history, in one piece, malloc'ed. */
static int collect_tips(struct measure *m, struct oid **tips, size_t *count)
{
	struct repo_ref head = {.name = "HEAD"};
	int ret = repo_each_ref(m->du->session.repo, add_tip, m);

	if (!ret && !repo_ref(m->du->session.repo, head.name, &head.target))
		ret = add_tip(m, &head);
	if (ret)
		return ret;
	*tips = calloc(m->tips.count + 1, sizeof(**tips));
	if (!*tips)
		return -ENOMEM;
	*count = 0;
	for (size_t i = 0; i < m->tips.size; i++)
		if (m->tips.slots[i].len)
			(*tips)[(*count)++] = m->tips.slots[i];
	return 0;
}

static int measure_unique(struct measure *m)
{
	struct others others = {.measure = m};
	struct oid *tips = NULL;
	size_t count;
	int ret;

	m->usage.unique = m->usage.stored;
	if (!m->usage.stored)
		return 0;
	ret = reach_open(m->du->session.source, &others.reach);
	if (ret)
		return ret;
	ret = collect_tips(m, &tips, &count);
	if (!ret)
		ret = repo_each_commit(m->du->session.repo, tips, count, subtract_commit, &others);
	free(tips);
	reach_close(others.reach);
	return ret;
}

/* --- telling --- */

/* What an argument is called: the revision alone where that is all. */
static const char *name_of(const struct target *target)
{
	return *target->path ? target->name : target->revision;
}

static void print_header(struct du *du)
{
	if (du->begun)
		return;
	du->begun = true;
	printf("%12s %12s %12s", "files", "bytes", "stored");
	if (du->unique)
		printf(" %12s", "unique");
	putchar('\n');
}

static void print_usage(struct du *du, const struct target *target, const struct usage *usage)
{
	char files[32], bytes[32], stored[32];

	print_header(du);
	printf("%12s %12s %12s", output_count(usage->files, files), output_size(usage->bytes, bytes),
	       output_size(usage->stored, stored));
	if (du->unique)
		printf(" %12s", output_size(usage->unique, stored));
	printf("  ");
	output_name(stdout, name_of(target), false);
	putchar('\n');
}

static void list_usage(const struct du *du, const struct target *target, const struct usage *usage)
{
	json_t *item = json_object();
	char hex[OID_HEX_MAX];

	json_object_set_new(item, "revision", json_string(target->revision));
	json_object_set_new(item, "commit", json_string(oid_format(&target->commit, hex)));
	output_json_path(item, "path", target->path);
	json_object_set_new(item, "files", json_integer((json_int_t)usage->files));
	json_object_set_new(item, "bytes", json_integer((json_int_t)usage->bytes));
	json_object_set_new(item, "stored_bytes", json_integer((json_int_t)usage->stored));
	if (du->unique)
		json_object_set_new(item, "unique_bytes", json_integer((json_int_t)usage->unique));
	json_array_append_new(du->list, item);
}

/* Measure what is at the target.  0 or -errno. */
static int measure_target(struct measure *m)
{
	struct session *s = &m->du->session;
	struct place place;
	int ret;

	m->status = session_place(s, m->target, &place);
	if (m->status)
		return 0;
	switch (place.kind) {
	case PLACE_GIT_TREE:
		ret = dataset_each(s->repo, &place.oid, add_dataset, m);
		break;
	case PLACE_DATA_DIRECTORY:
	case PLACE_DATA_FILE:
	case PLACE_DATA_LINK:
		ret = add_place(m, &place);
		break;
	case PLACE_BROKEN:
		ret = place.error;
		break;
	default:
		m->status =
		    fail(EXIT_NOT_FOUND, "'%s' is no dataset, nor in one: Git holds it itself", m->target->name);
		return 0;
	}
	return !ret && !m->status && m->du->unique ? measure_unique(m) : ret;
}

static int du_one(struct du *du, const char *argument)
{
	struct target target;
	struct measure m = {.du = du, .target = &target};
	int ret = 0, status = session_target(&du->session, argument, &target);

	if (status)
		return status;
	m.folder = target.path;
	if (du->session.source)
		ret = reach_open(du->session.source, &m.reach);
	if (!ret)
		ret = measure_target(&m);
	if (ret)
		m.status = session_unreadable(&du->session, name_of(&target), ret);
	if (!m.status && du->list)
		list_usage(du, &target, &m.usage);
	else if (!m.status)
		print_usage(du, &target, &m.usage);
	reach_close(m.reach);
	oid_set_release(&m.tips);
	target_release(&target);
	return m.status;
}

static void finish(struct du *du, bool several)
{
	char stored[32];

	if (du->list) {
		output_json(stdout,
		            json_pack("{s:O,s:I}", "revisions", du->list, "stored_bytes", (json_int_t)du->total));
	} else if (several && du->begun) {
		printf("%12s %12s %12s", "", "", output_size(du->total, stored));
		if (du->unique)
			printf(" %12s", "");
		printf("  all, what they share counted once\n");
	}
}

static int run(int argc, char **argv)
{
	static const struct option options[] = {
	    {"unique", no_argument, NULL, COMMAND_LONG},
	    {"json", no_argument, NULL, COMMAND_LONG + 1},
	    {0},
	};
	struct du du = {.unique = false};
	int option, status, ret = 0;

	while ((option = command_option(&command_du, argc, argv, "", options)) != -1) {
		if (option == COMMAND_LONG)
			du.unique = true;
		else
			globals.json = true;
	}
	status = session_open(&du.session, SESSION_STORE);
	if (status)
		return status;
	if (du.session.source)
		ret = reach_open(du.session.source, &du.all);
	if (!ret && globals.json && !(du.list = json_array()))
		ret = -ENOMEM;
	if (ret) {
		status = fail(EXIT_SYSTEM, "%s", error_text(ret));
		goto out;
	}
	for (int i = optind; i < argc || i == optind; i++)
		outcome_add(&du.outcome, du_one(&du, i < argc ? argv[i] : NULL));
	if (du.outcome.done)
		finish(&du, argc - optind > 1);
	status = outcome_status(&du.outcome);
out:
	json_decref(du.list);
	reach_close(du.all);
	session_close(&du.session);
	return status;
}

const struct command command_du = {
    .name = "du",
    .run = run,
    .usage = "revfs du [--unique] [--json] [REV[:PATH]...]",
    .summary = "count files, bytes and what they take in the store",
};
