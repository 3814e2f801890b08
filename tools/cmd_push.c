/*
 * revfs push: bring a remote the data of commits and all their history.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fs/history.h"
#include "fs/remote/push.h"
#include "fs/remote/pushed.h"
#include "tools/commands.h"
#include "tools/output.h"
#include "tools/progress.h"
#include "tools/push_remote.h"
#include "tools/session.h"
#include "tools/shown.h"
#include "tools/stop.h"
#include "tools/trust.h"
#include "tools/url.h"

#define LOCK_WAIT_MS 10000
#define ROUNDS_MAX 5 /* that begin anew because of a collection at the remote */

struct options {
	bool all, tip, yes;
	struct command_given given;
};

struct run {
	struct options options;
	struct session session;
	struct push_remote to;
	int lock;
	struct oid *tips;
	size_t tips_count;
	struct pushed pushed;
	struct history history;
	struct remote_condemned condemned; /* at the remote, when the plan was begun */
	uint64_t condemned_ns;             /* when that was */
	struct push_plan plan;
	struct push_result result;
	struct progress *progress;
	uint64_t commits;
	int status; /* of a failure that was said */
	uint64_t began_ns;
};

static int parse_options(int argc, char **argv, struct options *o)
{
	enum { ALL = COMMAND_LONG, TIP };
	static const struct option options[] = {
	    {"all", no_argument, NULL, ALL},
	    {"tip", no_argument, NULL, TIP},
	    {"yes", no_argument, NULL, 'y'},
	    {0},
	};
	int option;

	while ((option = command_option_shared(&command_push, argc, argv, "y", options,
	                                       COMMAND_DRY_RUN | COMMAND_JSON | COMMAND_PROGRESS, &o->given)) != -1) {
		if (option == 'y')
			o->yes = true;
		else if (option == ALL)
			o->all = true;
		else
			o->tip = true;
	}
	return EXIT_DONE;
}

/* --- the remote --- */

/* See whether there is a store.  Where there was never one, it is made beside the first packs; what it lies in, at
 * once. */
static int prepare_remote(struct run *run)
{
	int error = remote_store_check(run->to.store);

	if (error == -ENOENT || error == -EHOSTDOWN) {
		if (run->pushed.commits.count)
			return fail(EXIT_TEMPORARY,
			            "there is no store at the remote '%s' (%s), where there was one: is it mounted?  "
			            "'revfs remote set-url' names another",
			            run->to.item->name, url_shown(run->to.item->url));
		run->plan.to_nothing = true;
		error = run->options.given.dry_run || error == -ENOENT ? 0 : remote_store_make(run->to.store);
	}
	if (error == -ENOTSUP)
		return fail(EXIT_REFUSED,
		            "the store at the remote '%s' was written by a later version of revfs: upgrade "
		            "this one",
		            run->to.item->name);
	if (error == -EINTR)
		return stop_status();
	return error ? push_remote_fail(&run->to, "use", error) : EXIT_DONE;
}

static int fail_condemned(const struct run *run)
{
	const struct condemned *needed = &run->plan.needed;
	const struct remote_condemned_list *by = remote_condemned_by(&run->condemned, needed);
	char id[ID_HEX_SIZE], list[PACK_ID_HEX_SIZE] = "?";

	if (by)
		pack_id_format(&by->name, list);
	if (needed->is_root)
		id_format(&needed->root, id);
	else
		pack_id_format(&needed->pack, id);
	return fail(EXIT_BUSY,
	            "the %s %s, which is needed, is about to be removed from the remote '%s' by the collection %s: "
	            "push again after 'revfs gc --remote %s' has deleted it",
	            needed->is_root ? "root" : "pack", id, run->to.item->name, list, run->to.item->name);
}

/* Learn what collections there are about to remove, before anything is relied on. */
static int read_condemned(struct run *run)
{
	int error = 0;

	remote_condemned_release(&run->condemned);
	run->condemned_ns = io_monotonic_ns(io_system());
	if (!run->plan.to_nothing)
		error = remote_condemned_read(run->to.remote, &run->condemned);
	/* What lists nothing takes nothing either; that is said when something is put. */
	if (error == -EOPNOTSUPP)
		error = 0;
	run->plan.condemned = &run->condemned;
	if (error == -EINTR)
		return stop_status();
	return error ? push_remote_fail(&run->to, "read what is condemned at", error) : EXIT_DONE;
}

/* --- which commits --- */

static int add_tip(struct run *run, const struct oid *commit)
{
	struct oid *tips = reallocarray(run->tips, run->tips_count + 1, sizeof(*tips));

	if (!tips)
		return -ENOMEM;
	run->tips = tips;
	run->tips[run->tips_count++] = *commit;
	return 0;
}

static int add_ref(void *arg, const struct repo_ref *ref)
{
	struct run *run = arg;
	struct oid commit;
	int error = repo_peel(run->session.repo, &ref->target, &commit);

	return error ? (error == -EINVAL || error == -ENOENT ? 0 : error) : add_tip(run, &commit);
}

static int choose_commits(struct run *run, char **arguments, size_t count)
{
	struct oid commit;
	int status = EXIT_DONE, error = 0;

	if (run->options.all && count)
		return fail_usage("--all and revisions exclude each other");
	if (run->options.all)
		error = repo_each_ref(run->session.repo, add_ref, run);
	for (size_t i = 0; i < (count || run->options.all ? count : 1) && !status && !error; i++) {
		status = session_revision(&run->session, count ? arguments[i] : "HEAD", &commit);
		if (!status)
			error = add_tip(run, &commit);
	}
	if (error)
		return fail(exit_code_of(error), "cannot read the refs: %s", error_text(error));
	return status;
}

/* --- what is needed --- */

static int take_pointer(void *arg, const char *path, const struct oid *oid, const struct pointer *pointer, int error)
{
	struct run *run = arg;
	char hex[PACK_ID_HEX_SIZE];

	(void)oid;
	if (atomic_load(stop_flag()))
		return -EINTR;
	if (!pointer) {
		run->status = session_unreadable(&run->session, path, error);
		return -ECANCELED;
	}
	error = push_plan_root(&run->plan, pointer);
	if (!error || error == -EINTR)
		return error;
	if (error == -EBUSY)
		run->status = fail_condemned(run);
	else if (error == -ENODATA && run->plan.has_cut)
		run->status =
		    fail(EXIT_DAMAGED,
		         "cannot push '%s': the pack %s, which has some of it, is cut off at the remote '%s', "
		         "and not here: 'revfs verify --remote %s --repair' looks for it elsewhere",
		         shown(path), pack_id_format(&run->plan.cut, hex), run->to.item->name, run->to.item->name);
	else if (error == -ENODATA && run->plan.has_missing)
		run->status =
		    fail(EXIT_PARTIAL,
		         "cannot push '%s': the pack %s, which has some of it, is neither here nor there: 'revfs "
		         "fetch' brings what another remote has, 'revfs snapshot --full' stores again what the files "
		         "in the work tree have",
		         shown(path), pack_id_format(&run->plan.missing, hex));
	else if (error == -ENODATA)
		run->status = fail(EXIT_PARTIAL, "cannot push '%s': its data is neither here nor there", shown(path));
	else if (error == -EBADMSG || error == -ENOTSUP)
		run->status = session_unreadable(&run->session, path, error);
	else
		run->status = push_remote_fail(&run->to, "ask", error);
	return -ECANCELED;
}

/* Whether the remote still has the root of a dataset that it confirmed: 0, 1 where it has not, or -errno. */
static int look_for_root(void *arg, const char *path, const struct oid *oid, const struct pointer *pointer, int error)
{
	struct run *run = arg;
	char root[REMOTE_PATH_SIZE];
	struct remote_stat st;

	(void)path;
	(void)oid;
	(void)error;
	if (!pointer)
		return 0;
	if (remote_condemned_has_root(&run->condemned, &pointer->root))
		return 1;
	error = remote_stat(run->to.remote, remote_store_root_path(&pointer->root, root), &st);
	return error == -ENOENT ? 1 : error;
}

/*
 * Whether COMMIT is confirmed.  Who emptied the remote, or made it anew, told nobody here: the roots of what is met are
 * looked for, and where one is gone nothing counts any more.
 */
static int is_confirmed(struct run *run, const struct oid *oid, bool *confirmed)
{
	struct history history = {.repo = run->session.repo};
	struct repo_commit commit;
	int answer;

	*confirmed = oid_set_has(&run->pushed.commits, oid);
	if (!*confirmed)
		return 0;
	answer = repo_commit(run->session.repo, oid, &commit);
	if (answer)
		return answer;
	answer = history_walk(&history, &commit.tree, look_for_root, run);
	history_release(&history);
	repo_commit_release(&commit);
	*confirmed = answer == 0;
	if (answer > 0)
		pushed_release(&run->pushed);
	return answer < 0 ? answer : 0;
}

/* Go from the tips to what the remote has confirmed. */
static int plan_commits(struct run *run)
{
	struct oid_set met = {0};
	struct oid *todo = NULL;
	size_t count = run->tips_count, room = count + 64;
	int error = 0;

	todo = calloc(room, sizeof(*todo));
	if (!todo)
		return -ENOMEM;
	if (count)
		memcpy(todo, run->tips, count * sizeof(*todo));
	while (count && !error) {
		struct oid oid = todo[--count];
		struct repo_commit commit;

		bool confirmed;

		error = is_confirmed(run, &oid, &confirmed);
		if (error)
			break;
		if (confirmed)
			continue;
		error = oid_set_add(&met, &oid);
		if (error <= 0)
			continue;
		error = repo_commit(run->session.repo, &oid, &commit);
		if (error)
			break;
		run->commits++;
		error = history_walk(&run->history, &commit.tree, take_pointer, run);
		for (size_t i = 0; i < commit.parents_count && !error && !run->options.tip; i++) {
			if (count == room) {
				struct oid *more = reallocarray(todo, 2 * room, sizeof(*more));

				if (!more) {
					error = -ENOMEM;
					break;
				}
				todo = more;
				room *= 2;
			}
			todo[count++] = commit.parents[i];
		}
		repo_commit_release(&commit);
	}
	free(todo);
	oid_set_release(&met);
	return error;
}

static int make_plan(struct run *run)
{
	int error = plan_commits(run);

	if (!error)
		error = push_plan_finish(&run->plan);
	if (error == -EINTR)
		return stop_status();
	if (error == -ECANCELED)
		return run->status;
	if (error == -ENOENT || error == -EBADMSG)
		return fail(EXIT_DAMAGED,
		            "cannot read the history: a commit or pack is damaged or missing: 'revfs verify' "
		            "and 'git fsck' name it");
	return error ? fail(exit_code_of(error), "cannot find what is to be pushed: %s", error_text(error)) : EXIT_DONE;
}

/* --- the work --- */

static void on_progress(void *arg, uint64_t packs, uint64_t bytes)
{
	struct run *run = arg;

	progress_add(run->progress, packs, bytes, 0);
}

static void expect_total(struct run *run)
{
	uint64_t packs = 0, bytes = 0;

	for (size_t i = 0; i < run->plan.packs_count; i++) {
		const struct push_pack *pack = &run->plan.packs[i];

		if (pack->how == PUSH_WHOLE || pack->how == PUSH_PART) {
			packs++;
			bytes += pack->bytes;
		}
	}
	progress_total(run->progress, packs, bytes);
}

static int push_all(struct run *run)
{
	struct push_request request = {
	    .plan = &run->plan,
	    .dry = run->options.given.dry_run,
	    .at_once = run->options.given.dry_run ? 1 : PUSH_AT_ONCE,
	    .cancelled = stop_flag(),
	    .since_ns = run->condemned_ns,
	    .progress = on_progress,
	    .arg = run,
	};
	char more[PUSH_REMOTE_MORE_SIZE];
	int error;

	run->progress = progress_start("pushing", run->options.given.progress);
	expect_total(run);
	error = push_run(&request, &run->result);
	progress_end(run->progress);
	if (error == -EINTR)
		return stop_status();
	if (error && run->result.ours_is_damaged)
		return fail(EXIT_DAMAGED,
		            "'%s' is of another size at the remote '%s' than here, where it is damaged: 'revfs verify "
		            "--repair' looks for a good one, then run this again",
		            run->result.failed, run->to.item->name);
	if (error)
		return fail(remote_may_pass(error) ? EXIT_TEMPORARY : exit_code_of(error),
		            "cannot bring '%s' to the remote '%s' (%s): %s%s; what is there stays, run this again",
		            run->result.failed, run->to.item->name, url_shown(run->to.item->url), error_text(error),
		            push_remote_more(&run->to, more));
	return EXIT_DONE;
}

/* Nothing is to be done again any more: remember what the remote has. */
static int note_pushed(struct run *run)
{
	int error;

	if (!run->options.given.dry_run && !run->options.tip) {
		error =
		    pushed_add(run->session.store, run->to.item->name, run->to.item->url, run->tips, run->tips_count);
		if (error)
			warn("cannot note what the remote has: %s; the next push looks at everything again",
			     error_text(error));
	}
	return EXIT_DONE;
}

static void report(const struct run *run)
{
	const struct push_result *r = &run->result;
	double seconds = (double)(io_monotonic_ns(io_system()) - run->began_ns) / 1e9;
	struct remote_counts counts;
	char packs[32], size[32], roots[32];

	if (r->replaced)
		warn("%s pack%s at the remote '%s' %s cut off, or no copy of what is here, and %sput again: 'revfs "
		     "verify "
		     "--remote %s' says whether there is more",
		     output_count(r->replaced, packs), r->replaced == 1 ? "" : "s", run->to.item->name,
		     r->replaced == 1 ? "was" : "were", run->options.given.dry_run ? "would be " : "",
		     run->to.item->name);
	remote_counts(run->to.remote, &counts);
	if (globals.json) {
		output_json(stdout, json_pack("{sssbsIsIsIsIsIsIsf}", "remote", run->to.item->name, "dry_run",
		                              run->options.given.dry_run, "commits", (json_int_t)run->commits, "packs",
		                              (json_int_t)r->packs, "roots", (json_int_t)r->roots, "bytes",
		                              (json_int_t)r->bytes, "replaced", (json_int_t)r->replaced, "requests",
		                              (json_int_t)counts.requests, "seconds", seconds));
		return;
	}
	if (globals.quiet)
		return;
	if (!r->packs && !r->roots) {
		printf("%s: has everything\n", run->to.item->name);
		return;
	}
	printf("%s: %s packs, %s roots, %s, %.2f s\n", run->to.item->name, output_count(r->packs, packs),
	       output_count(r->roots, roots), output_size(r->bytes, size), seconds);
	if (run->options.given.dry_run)
		puts("nothing was sent");
}

/* Plan and push; *AGAIN: a collection there took what was relied on. */
static int push_once(struct run *run, bool *again)
{
	struct push_result before = run->result;
	int error, status = read_condemned(run);

	*again = false;
	if (!status)
		status = make_plan(run);
	if (!status)
		status = push_all(run);
	run->result.packs += before.packs;
	run->result.replaced += before.replaced;
	run->result.roots += before.roots;
	run->result.bytes += before.bytes;
	if (status || run->options.given.dry_run)
		return status;
	error = run->result.collected;
	*again = error == -EAGAIN;
	if (error == -EINTR)
		return stop_status();
	/* All is there, of what cannot say that it will stay. */
	if (error == -EOPNOTSUPP)
		return push_remote_fail(&run->to, "push to", -EROFS);
	return error && !*again ? push_remote_fail(&run->to, "read what is condemned at", error) : EXIT_DONE;
}

/* Make room for another plan. */
static void begin_anew(struct run *run)
{
	push_plan_release(&run->plan);
	history_release(&run->history);
	run->plan = (struct push_plan){.store = run->session.store, .to = run->to.store};
	run->history = (struct history){.repo = run->session.repo};
	run->commits = 0;
}

static int push_until_confirmed(struct run *run)
{
	bool again = true;
	int status = EXIT_DONE;

	for (unsigned i = 0; i < ROUNDS_MAX && again && !status; i++) {
		if (i)
			begin_anew(run);
		status = push_once(run, &again);
	}
	if (!status && again)
		return fail(EXIT_BUSY,
		            "collections at the remote '%s' go on removing what is needed: push again later, with "
		            "a longer time of grace there",
		            run->to.item->name);
	return status ? status : note_pushed(run);
}

static int run_all(struct run *run, char **arguments, size_t count)
{
	bool used = false;
	int error, status = push_remote_open(run->session.repo, count ? arguments[0] : NULL, run->options.yes,
	                                     run->options.given.dry_run, &run->to, &used);

	if (!status)
		status = choose_commits(run, arguments + used, count - used);
	if (status)
		return status;
	run->plan.store = run->session.store;
	run->plan.to = run->to.store;
	run->history.repo = run->session.repo;
	if (run->session.store) {
		run->lock = store_lock(run->session.store, false, LOCK_WAIT_MS);
		if (run->lock == -EBUSY)
			return fail(EXIT_BUSY, "the store is locked by another command ('revfs gc'?): try again later");
		if (run->lock < 0)
			return fail(exit_code_of(run->lock), "cannot lock the store: %s", error_text(run->lock));
		error = pushed_read(run->session.store, run->to.item->name, run->to.item->url, &run->pushed);
		if (error)
			return fail(EXIT_SYSTEM, "%s", error_text(error));
	}
	status = prepare_remote(run);
	if (!status)
		status = push_until_confirmed(run);
	if (!status)
		report(run);
	return status;
}

static int push(int argc, char **argv)
{
	struct run run = {.lock = -1, .began_ns = io_monotonic_ns(io_system())};
	int status = parse_options(argc, argv, &run.options);

	if (!status)
		status = session_open(&run.session, run.options.given.dry_run ? SESSION_STORE : SESSION_CREATE);
	if (status)
		return status;
	stop_catch();
	status = run_all(&run, argv + optind, (size_t)(argc - optind));
	push_plan_release(&run.plan);
	remote_condemned_release(&run.condemned);
	history_release(&run.history);
	pushed_release(&run.pushed);
	if (run.session.store)
		store_unlock(run.session.store, run.lock);
	push_remote_close(&run.to);
	free(run.tips);
	session_close(&run.session);
	return stop_finish(status);
}

const struct command command_push = {
    .name = "push",
    .run = push,
    .usage = "revfs push [-n] [--yes] [--all | --tip] [--json] [--progress | --no-progress] [REMOTE] [REV...]",
    .summary = "bring a remote the data of commits",
};
