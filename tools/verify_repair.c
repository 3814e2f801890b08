#include "tools/verify_repair.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fs/remote/repair.h"
#include "fs/remote/repair_remote.h"
#include "tools/fail.h"
#include "tools/output.h"
#include "tools/trust.h"

#define LOCK_WAIT_MS 10000

/* Remotes that whole packs may come from. */
struct others {
	struct remotes_item *items;
	size_t items_count;
	struct remote **remotes;
	size_t count;
};

/* Open all but the one named BUT (NULL: all).  One that cannot be opened is passed over. */
static int open_others(const struct session *session, const char *but, struct others *others)
{
	int status = remotes_list(session->repo, &others->items, &others->items_count);

	if (status)
		return status;
	others->remotes = calloc(others->items_count + 1, sizeof(*others->remotes));
	if (!others->remotes)
		return fail(EXIT_SYSTEM, "%s", error_text(-ENOMEM));
	for (size_t i = 0; i < others->items_count; i++) {
		if (but && !strcmp(others->items[i].name, but))
			continue;
		if (!remotes_open_one(session->repo, &others->items[i], &others->remotes[others->count]))
			others->count++;
	}
	return EXIT_DONE;
}

static void close_others(struct others *others)
{
	for (size_t i = 0; i < others->count; i++)
		remote_close(others->remotes[i]);
	free(others->remotes);
	remotes_list_free(others->items, others->items_count);
}

static int repair_here(struct verify_repair *repair, const struct verify_report *report, const struct others *others)
{
	struct session *s = repair->session;
	struct repair work = {
	    .store = s->store,
	    .fetch = remotes_fetch(s->remotes),
	    .remotes = others->remotes,
	    .remotes_count = others->count,
	};
	int lock = store_lock(s->store, true, LOCK_WAIT_MS), error;

	if (lock == -EBUSY)
		return fail(EXIT_BUSY, "another revfs is writing to the store, try again when it is done");
	if (lock < 0)
		return fail(exit_code_of(lock), "cannot lock the store: %s", error_text(lock));
	error = repair_run(&work, report);
	store_unlock(s->store, lock);
	repair->packs += work.packs;
	repair->records += work.records;
	repair->roots += work.roots;
	return error ? fail(exit_code_of(error), "cannot repair the store: %s", error_text(error)) : EXIT_DONE;
}

static int repair_there(struct verify_repair *repair, const struct verify_report *report, const struct others *others)
{
	const struct named_remote *named = repair->named;
	struct repair_remote work = {
	    .repo = repair->session->repo,
	    .store = repair->session->store,
	    .to = named->store,
	    .others = others->remotes,
	    .others_count = others->count,
	    .tips = repair->tips,
	    .tips_count = repair->tips_count,
	};
	int error;

	if (named->item->tracked)
		return fail(
		    EXIT_REFUSED,
		    "only the shared '.revfs/config' names '%s' for the remote '%s': 'revfs remote trust %s' confirms "
		    "it",
		    trust_shown(named->item), named->item->name, named->item->name);
	error = repair_remote_run(&work, report);
	repair->packs += work.packs;
	repair->roots += work.roots;
	return error ? named_remote_fail(named, "repair the store at", error) : EXIT_DONE;
}

int verify_repair(struct verify_repair *repair, const struct verify_report *report, bool *did)
{
	const uint64_t before = repair->packs + repair->records + repair->roots;
	struct others others = {0};
	int status = EXIT_DONE;

	*did = false;
	if (!repair->session->store)
		return EXIT_DONE;
	status = open_others(repair->session, repair->named ? repair->named->item->name : NULL, &others);
	if (!status)
		status = repair->named ? repair_there(repair, report, &others) : repair_here(repair, report, &others);
	close_others(&others);
	*did = repair->packs + repair->records + repair->roots > before;
	return status;
}

static void add_count(char text[128], uint64_t count, const char *what)
{
	char number[32];
	size_t len = strlen(text);

	if (count)
		snprintf(text + len, 128 - len, "%s%s %s%s", len ? ", " : "", output_count(count, number), what,
		         count == 1 ? "" : "s");
}

char *verify_repair_text(const struct verify_repair *repair, char text[128])
{
	text[0] = '\0';
	add_count(text, repair->packs, "pack");
	add_count(text, repair->records, "record");
	add_count(text, repair->roots, "root");
	return text;
}
