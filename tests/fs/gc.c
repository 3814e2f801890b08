/* Garbage collection: what is alive stays readable, what is dead goes, after a time of grace and a second look. */
#include "fs/gc.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "fs/attachment.h"
#include "fs/instep.h"
#include "fs/page.h"
#include "fs/registration.h"
#include "tests/support/disk.h"
#include "tests/support/ground.h"
#include "tests/support/sample.h"
#include "tests/support/scratch.h"
#include "tests/support/stored_page.h"

static const struct ground_dataset SMALL = {.from = 0, .to = 60};
static const struct ground_dataset LARGE = {.from = 0, .to = 200, .salt = 1};

static int gc_with(struct ground *g, bool dry_run, int64_t keep_s, struct gc_report *report)
{
	const struct gc_options options = {.dry_run = dry_run, .keep_s = keep_s};
	int r = gc_run(g->repo, g->store, &options, report);

	gc_report_release(report);
	return r;
}

static void assert_closed(struct ground *g);

static struct gc_report gc(struct ground *g)
{
	struct gc_report report;

	assert_int_equal(gc_with(g, false, GC_KEEP_S, &report), 0);
	assert_closed(g);
	return report;
}

/* Far enough apart that a first run condemns what is dead and the second deletes it. */
static void gc_twice(struct ground *g)
{
	ground_wait(g, 15 * GROUND_DAY);
	gc(g);
	ground_wait(g, 15 * GROUND_DAY);
	gc(g);
}

static uint64_t bytes_of(struct ground *g)
{
	struct store_size size;

	assert_int_equal(store_measure(g->store, &size), 0);
	return size.bytes;
}

static uint64_t packs_of(struct ground *g)
{
	struct store_size size;

	assert_int_equal(store_measure(g->store, &size), 0);
	return size.packs;
}

/* Nothing leads to the last commits any more: no ref, no reflog. */
static void forget(const char *back_to)
{
	scratch_sh("cd r && git reset -q --hard %s && git reflog expire --expire=now --all", back_to);
}

/* No page, dead or alive, in any pack names what is in none: whoever finds a page may rely on it. */

static int is_copy(void *arg, const struct locator *at)
{
	(void)arg;
	(void)at;
	return 0;
}

static void assert_stored(struct ground *g, unsigned kind, const struct id *id)
{
	assert_int_equal(store_each_copy(g->store, kind, id, is_copy, NULL), 0);
}

static void assert_named_are_stored(struct ground *g, const struct page *page)
{
	for (unsigned i = 0; i < page->count; i++) {
		struct reference reference;
		struct list_entry chunk;
		struct entry entry;

		if (page->level > 0) {
			page_reference(page, i, &reference);
			assert_stored(g, RECORD_PAGE, &reference.id);
		} else if (page->kind == PAGE_LIST) {
			page_list_entry(page, i, &chunk);
			assert_stored(g, RECORD_CHUNK, &chunk.id);
		} else {
			page_entry(page, i, &entry);
			if (entry.kind == ENTRY_DIRECTORY || entry.form == CONTENT_LIST)
				assert_stored(g, RECORD_PAGE, &entry.id);
			else if (entry.form == CONTENT_CHUNK)
				assert_stored(g, RECORD_CHUNK, &entry.id);
		}
	}
}

static int check_pack(void *arg, const struct pack_id *id)
{
	struct ground *g = arg;
	struct pack_entry *entries;
	struct record record;
	struct page *page;
	struct pack *pack;
	size_t size;

	assert_int_equal(store_pin_pack(g->store, id, &pack), 0);
	assert_int_equal(pack_read_index(pack, &entries), 0);
	for (uint32_t i = 0; i < pack_count(pack); i++) {
		const struct pack_entry *e = &entries[i];

		if (e->kind != RECORD_PAGE)
			continue;
		assert_int_equal(pack_read(pack, e->offset, e->stored_len, e->kind, &e->id, &record), 0);
		assert_int_equal(page_decode(&e->id, &record, &page, &size), 0);
		assert_named_are_stored(g, page);
		free(page);
		free(record.data);
	}
	free(entries);
	store_unpin_pack(g->store, pack);
	return 0;
}

static void assert_closed(struct ground *g)
{
	store_refresh(g->store);
	assert_int_equal(store_each_pack(g->store, check_pack, g), 0);
}

static void live_data_is_never_condemned(void **state)
{
	struct ground *g = *state;
	struct id a = ground_commit(g, "a", &SMALL), b = ground_commit(g, "b", &LARGE);
	struct gc_report report;

	for (unsigned i = 0; i < 3; i++) {
		ground_wait(g, 30 * GROUND_DAY);
		report = gc(g);
		assert_int_equal(report.condemned.packs + report.condemned.roots, 0);
		assert_int_equal(report.deleted.packs + report.deleted.roots, 0);
		assert_int_equal(report.store.roots, 2);
		assert_true(report.live_pages > 10);
	}
	assert_int_equal(ground_read(g, &a, &SMALL), 0);
	assert_int_equal(ground_read(g, &b, &LARGE), 0);
}

static void empty_store_is_collected(void **state)
{
	struct ground *g = *state;
	struct gc_report report = gc(g);

	assert_int_equal(report.store.packs, 0);
	assert_int_equal(report.live_pages, 0);
}

static void dead_data_is_condemned_first_and_deleted_later(void **state)
{
	struct ground *g = *state;
	struct id a = ground_commit(g, "a", &SMALL), b;
	struct gc_report report;
	uint64_t small = bytes_of(g), both;

	b = ground_commit(g, "b", &LARGE);
	both = bytes_of(g);
	forget("HEAD~1");
	ground_wait(g, 15 * GROUND_DAY);

	report = gc(g);
	assert_int_equal(report.condemned.packs, 2);
	assert_int_equal(report.condemned.roots, 1);
	assert_int_equal(report.condemned.bytes, both - small);
	assert_int_equal(report.repacked_packs, 0);
	assert_int_equal(report.deleted.packs, 0);
	assert_int_equal(bytes_of(g), both);
	/* Still readable: a mount may show it. */
	assert_int_equal(ground_read(g, &b, &LARGE), 0);

	ground_wait(g, 13 * GROUND_DAY);
	report = gc(g);
	assert_int_equal(report.condemned.packs, 0);
	assert_int_equal(report.waiting.packs, 2);
	assert_int_equal(report.deleted.packs, 0);
	assert_int_equal(bytes_of(g), both);

	ground_wait(g, 2 * GROUND_DAY);
	report = gc(g);
	assert_int_equal(report.deleted.packs, 2);
	assert_int_equal(report.deleted.roots, 1);
	assert_int_equal(report.deleted.bytes, both - small);
	assert_int_equal(bytes_of(g), small);
	assert_int_equal(ground_read(g, &a, &SMALL), 0);
	assert_int_equal(ground_read(g, &b, &LARGE), -ENODATA);
	scratch_sh("cd r/.git/revfs && test -z \"$(ls condemned tmp | grep -v :)\"");
}

static void nothing_is_deleted_in_the_run_that_condemns(void **state)
{
	struct ground *g = *state;
	struct gc_report report;

	ground_commit(g, "a", &SMALL);
	forget("HEAD~1");
	ground_wait(g, 10);
	assert_int_equal(gc_with(g, false, 0, &report), 0);
	assert_int_equal(report.condemned.packs, 2);
	assert_int_equal(report.deleted.packs, 0);
	assert_int_equal(gc_with(g, false, 0, &report), 0);
	assert_int_equal(report.deleted.packs, 2);
	assert_int_equal(bytes_of(g), 0);
}

static void young_data_is_alive(void **state)
{
	struct ground *g = *state;
	struct id root;

	assert_int_equal(ground_store(g, &SMALL, &root), 0);
	ground_wait(g, 13 * GROUND_DAY);
	assert_int_equal(gc(g).condemned.packs, 0);
	assert_int_equal(ground_read(g, &root, &SMALL), 0);
	ground_wait(g, 2 * GROUND_DAY);
	assert_int_equal(gc(g).condemned.packs, 2);
}

/* The unfinished snapshot found old chunks, of which nothing else is left: they must not go before it. */
static void what_young_pages_name_is_alive(void **state)
{
	struct ground *g = *state;
	const struct ground_dataset part = {.from = 0, .to = 25, .salt = SMALL.salt};
	struct id root;
	uint64_t packs;

	ground_commit(g, "a", &SMALL);
	forget("HEAD~1");
	ground_wait(g, 15 * GROUND_DAY);
	scratch_sh("find r/.git/revfs/packs -type f | sort >before");
	assert_int_equal(ground_store(g, &part, &root), 0);
	/* New by the store's clock; it was killed before it put the root. */
	scratch_sh("find r/.git/revfs/packs -type f | sort | comm -13 before - | xargs touch -d '15 days'; "
	           "find r/.git/revfs/roots -type f -delete");
	gc(g);
	ground_wait(g, GROUND_DAY);
	gc(g);
	assert_int_equal(ground_read(g, &root, &part), 0);
	/* What is condemned would be written again. */
	packs = packs_of(g);
	assert_int_equal(ground_store(g, &part, &root), 0);
	assert_int_equal(packs_of(g), packs);
}

/* All its records were there already; only the root is new. */
static void what_young_roots_name_is_alive(void **state)
{
	struct ground *g = *state;
	struct id root;

	assert_int_equal(ground_store(g, &SMALL, NULL), 0);
	ground_wait(g, 15 * GROUND_DAY);
	scratch_sh("find r/.git/revfs/roots -type f -delete");
	assert_int_equal(ground_store(g, &SMALL, &root), 0);
	scratch_sh("find r/.git/revfs/roots -type f | xargs touch -d '15 days'");
	ground_wait(g, GROUND_DAY);
	assert_int_equal(gc(g).condemned.packs, 0);
	ground_wait(g, 15 * GROUND_DAY);
	assert_int_equal(gc(g).condemned.packs, 2);
}

/*
 * A folder of X is dead, but its page lies in a pack that is mostly alive and stays: then what the page names stays,
 * too, which is in a pack of its own.
 */
static void what_dead_pages_of_kept_packs_name_is_kept(void **state)
{
	struct ground *g = *state;
	const struct ground_dataset z = {.from = 150, .to = 160}, x = {.from = 0, .to = 160},
				    y = {.from = 0, .to = 150};
	struct id root;
	struct gc_report report;

	assert_int_equal(ground_store(g, &z, NULL), 0);
	assert_int_equal(ground_store(g, &x, NULL), 0);
	root = ground_commit(g, "y", &y);
	ground_wait(g, 15 * GROUND_DAY);
	report = gc(g);
	assert_int_equal(report.condemned.packs, 1); /* the pages of Z */
	ground_wait(g, 15 * GROUND_DAY);
	report = gc(g);
	assert_int_equal(report.deleted.packs, 1);
	assert_int_equal(ground_read(g, &root, &y), 0);
}

/* Each way of holding on to data, on its own. */

static void assert_held(struct ground *g, const struct id *root, const struct ground_dataset *dataset)
{
	gc_twice(g);
	gc_twice(g);
	assert_int_equal(ground_read(g, root, dataset), 0);
}

static void assert_not_held(struct ground *g, const struct id *root, const struct ground_dataset *dataset)
{
	gc_twice(g);
	assert_int_equal(ground_read(g, root, dataset), -ENODATA);
}

static void reflogs_hold(void **state)
{
	struct ground *g = *state;
	struct id a = ground_commit(g, "a", &SMALL);

	scratch_sh("cd r && git reset -q --hard HEAD~1");
	assert_held(g, &a, &SMALL);
	scratch_sh("cd r && git reflog expire --expire=now --all");
	assert_not_held(g, &a, &SMALL);
}

static void tags_hold(void **state)
{
	struct ground *g = *state;
	struct id a = ground_commit(g, "a", &SMALL);

	scratch_sh("cd r && git tag -a -m x v1");
	forget("HEAD~1");
	assert_held(g, &a, &SMALL);
	scratch_sh("cd r && git tag -d v1");
	assert_not_held(g, &a, &SMALL);
}

static void history_holds(void **state)
{
	struct ground *g = *state;
	struct id a = ground_commit(g, "a", &SMALL);

	ground_commit(g, "a", &LARGE);
	scratch_sh("cd r && git reflog expire --expire=now --all");
	assert_held(g, &a, &SMALL);
}

static void stashes_hold(void **state)
{
	struct ground *g = *state;
	struct id a;

	ground_commit(g, "a", &LARGE);
	a = ground_plant(g, "a", &SMALL);
	scratch_sh("cd r && git stash -q && git reflog expire --expire=now refs/heads/main HEAD");
	assert_held(g, &a, &SMALL);
	scratch_sh("cd r && git stash drop -q");
	assert_not_held(g, &a, &SMALL);
}

static void indexes_hold(void **state)
{
	struct ground *g = *state;
	struct id a = ground_plant(g, "a", &SMALL);

	scratch_sh("cd r && git add a.revfs && rm a.revfs");
	assert_held(g, &a, &SMALL);
	scratch_sh("cd r && git reset -q");
	assert_not_held(g, &a, &SMALL);
}

static void pointer_files_on_disk_hold(void **state)
{
	struct ground *g = *state;
	struct id a = ground_plant(g, "a", &SMALL);

	assert_held(g, &a, &SMALL);
	scratch_sh("rm r/a.revfs");
	assert_not_held(g, &a, &SMALL);
}

static void other_worktrees_hold(void **state)
{
	struct ground *g = *state;
	struct id a = ground_commit(g, "a", &SMALL), b, c;
	const struct ground_dataset third = {.from = 500, .to = 530};

	scratch_sh("cd r && git worktree add -q --detach '../other tree'");
	forget("HEAD~1");
	b = ground_plant(g, "b", &LARGE);
	c = ground_plant(g, "c", &third);
	scratch_sh("cd 'other tree' && mv ../r/b.revfs ../r/c.revfs . && git add c.revfs && rm c.revfs && "
	           "git reflog expire --expire=now --all");
	gc_twice(g);
	gc_twice(g);
	assert_int_equal(ground_read(g, &a, &SMALL), 0); /* its HEAD */
	assert_int_equal(ground_read(g, &b, &LARGE), 0); /* a file that lies there */
	assert_int_equal(ground_read(g, &c, &third), 0); /* its index */
	scratch_sh("cd r && git worktree remove --force '../other tree'");
	gc_twice(g);
	assert_int_equal(ground_read(g, &a, &SMALL), -ENODATA);
	assert_int_equal(ground_read(g, &b, &LARGE), -ENODATA);
	assert_int_equal(ground_read(g, &c, &third), -ENODATA);
}

static void in_step_records_hold(void **state)
{
	struct ground *g = *state;
	struct instep record = {.has_root = true, .has_checkout = true};
	char *git_dir = scratch_path("r/.git");
	int folder;

	assert_int_equal(ground_store(g, &SMALL, &record.root), 0);
	assert_int_equal(ground_store(g, &LARGE, &record.before[0]), 0);
	record.before_count = 1;
	record.checkout = record.root;
	folder = instep_open_folder(io_system(), git_dir, true);
	assert_true(folder >= 0);
	assert_int_equal(instep_write(io_system(), folder, "a", &record), 0);
	assert_held(g, &record.root, &SMALL);
	assert_int_equal(ground_read(g, &record.before[0], &LARGE), 0);
	assert_int_equal(instep_remove(io_system(), folder, "a"), 0);
	close(folder);
	assert_not_held(g, &record.root, &SMALL);
	free(git_dir);
}

/* Also where nothing is mounted: the commit, the base, and what was recorded above it. */
static void attached_datasets_hold(void **state)
{
	struct ground *g = *state;
	char *git_dir = scratch_path("r/.git"), *hex, *folder, name[ATTACHMENT_NAME_SIZE];
	struct attachment a = {.name = name, .worktree = g->work_tree, .path = "a", .dialect = LAYER_KERNEL};
	struct instep record = {.has_root = true};
	struct id committed = ground_commit(g, "a", &SMALL);
	const struct ground_dataset base = {.from = 100, .to = 110}, above = {.from = 200, .to = 210};
	int fd;

	hex = scratch_output("git -C r rev-parse HEAD");
	assert_int_equal(oid_parse(hex, strlen(hex), &a.commit), 0);
	forget("HEAD~1");
	assert_int_equal(ground_store(g, &base, &a.base.root), 0);
	assert_int_equal(ground_store(g, &above, &record.root), 0);
	attachment_name(a.worktree, a.path, name);
	assert_true(asprintf(&folder, "%s/" ATTACHMENTS_FOLDER "/%s", git_dir, name) > 0);
	a.folder = folder;
	assert_int_equal(attachment_write(git_dir, &a), 0);
	assert_held(g, &committed, &SMALL);
	assert_int_equal(ground_read(g, &a.base.root, &base), 0);
	assert_int_equal(ground_read(g, &record.root, &above), -ENODATA);
	assert_int_equal(ground_store(g, &above, &record.root), 0);
	fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(instep_write(io_system(), fd, "a", &record), 0);
	assert_held(g, &record.root, &above);
	assert_int_equal(instep_remove(io_system(), fd, "a"), 0);
	close(fd);
	assert_int_equal(attachment_remove(git_dir, &a), 0);
	assert_not_held(g, &committed, &SMALL);
	assert_int_equal(ground_read(g, &record.root, &above), -ENODATA);
	free(folder);
	free(hex);
	free(git_dir);
}

static void registrations_hold(void **state)
{
	struct ground *g = *state;
	struct registration *registration;
	struct id a = ground_commit(g, "a", &SMALL), b;
	char *hex = scratch_output("git -C r rev-parse HEAD");
	struct oid commit;

	assert_int_equal(oid_parse(hex, strlen(hex), &commit), 0);
	forget("HEAD~1");
	assert_int_equal(ground_store(g, &LARGE, &b), 0);
	assert_int_equal(registration_open(g->store, &registration), 0);
	assert_int_equal(registration_add_commit(registration, &commit), 0);
	assert_int_equal(registration_add_root(registration, &b), 0);
	assert_held(g, &a, &SMALL);
	assert_int_equal(ground_read(g, &b, &LARGE), 0);
	registration_close(registration);
	assert_not_held(g, &a, &SMALL);
	assert_int_equal(ground_read(g, &b, &LARGE), -ENODATA);
	free(hex);
}

static void intent_to_add_is_no_damage(void **state)
{
	struct ground *g = *state;

	scratch_sh("cd r && echo x >x.revfs && git add -N x.revfs");
	gc(g);
}

/* What stops it. */

static void assert_blamed(struct ground *g, int error, const char *part)
{
	const struct gc_options options = {.keep_s = GC_KEEP_S};
	struct gc_report report;
	char *before = scratch_output("find r/.git/revfs -type f ! -name lock -printf '%%p %%s\\n' | sort"), *after;

	assert_int_equal(gc_run(g->repo, g->store, &options, &report), error);
	assert_non_null(report.blamed);
	if (!strstr(report.blamed, part))
		fail_msg("'%s' is not in '%s'", part, report.blamed);
	gc_report_release(&report);
	after = scratch_output("find r/.git/revfs -type f ! -name lock -printf '%%p %%s\\n' | sort");
	assert_string_equal(before, after);
	free(before);
	free(after);
}

static void records_of_attached_datasets_that_do_not_read_stop_it(void **state)
{
	struct ground *g = *state;
	char name[ATTACHMENT_NAME_SIZE];

	attachment_name(g->work_tree, "a", name);
	scratch_sh("mkdir -p r/.git/revfs/attached/%s && echo x >r/.git/revfs/attached/%s/record", name, name);
	assert_blamed(g, -EBADMSG, "attached");
}

static void damaged_page_stops_it(void **state)
{
	struct ground *g = *state;

	ground_commit(g, "a", &SMALL);
	ground_commit(g, "b", &LARGE);
	forget("HEAD~1");
	ground_wait(g, 30 * GROUND_DAY);
	scratch_sh("rm -r r/.git/revfs/packs r/.git/revfs/hints");
	store_refresh(g->store);
	assert_blamed(g, -ENODATA, "of the dataset 'a' of the commit ");
}

static void missing_git_objects_stop_it(void **state)
{
	struct ground *g = *state;

	ground_commit(g, "a", &SMALL);
	ground_wait(g, 30 * GROUND_DAY);
	scratch_sh("cd r; b=$(git rev-parse HEAD:a.revfs); "
	           "rm -f .git/objects/$(printf %%.2s $b)/${b#??}");
	assert_blamed(g, -EBADMSG, "'a' (");
	scratch_sh("cd r; git rm -q --cached a.revfs; t=$(git rev-parse HEAD^{tree}); "
	           "rm -f .git/objects/$(printf %%.2s $t)/${t#??}");
	assert_blamed(g, -EBADMSG, "of the commit ");
	scratch_sh("cd r; c=$(git rev-parse HEAD~1); rm -f .git/objects/$(printf %%.2s $c)/${c#??}");
	assert_blamed(g, -EBADMSG, "");
}

/* Of a commit that a mount shows only Git's removal is no matter. */
static void a_damaged_commit_that_a_mount_shows_stops_it(void **state)
{
	struct ground *g = *state;
	struct registration *registration;
	char *hex;
	struct oid commit;

	ground_commit(g, "a", &SMALL);
	hex = scratch_output("git -C r rev-parse HEAD");
	assert_int_equal(oid_parse(hex, strlen(hex), &commit), 0);
	forget("HEAD~1");
	ground_wait(g, 30 * GROUND_DAY);
	assert_int_equal(registration_open(g->store, &registration), 0);
	assert_int_equal(registration_add_commit(registration, &commit), 0);
	scratch_sh("cd r/.git/objects/%.2s && chmod u+w %s && echo junk >%s", hex, hex + 2, hex + 2);
	assert_blamed(g, -EBADMSG, hex);
	scratch_sh("rm r/.git/objects/%.2s/%s", hex, hex + 2);
	gc(g);
	registration_close(registration);
	free(hex);
}

static void pointers_of_later_versions_stop_it(void **state)
{
	struct ground *g = *state;

	scratch_sh("cd r; printf 'revfs 2\\nmagic\\n' >a.revfs; git add a.revfs; git commit -qm a");
	assert_blamed(g, -ENOTSUP, "'a' (");
	forget("HEAD~1");
	scratch_sh("cd r; printf 'revfs 2\\nmagic\\n' >a.revfs");
	assert_blamed(g, -ENOTSUP, "r/a.revfs");
}

/* A dataset of one directory, whose page no builder of ours makes: it has ENTRY alone. */
static struct id plant_entry(struct ground *g, const struct entry *entry)
{
	struct page_encoder encoder = {0};
	struct store_writer *writer;
	struct stored_page page;
	struct locator locator;
	char hex[ID_HEX_SIZE];

	page_encoder_begin(&encoder, PAGE_DIRECTORY, 0);
	page_encoder_add(&encoder, entry);
	stored_page_finish(&encoder, &page);
	assert_int_equal(store_writer_open(g->store, &writer), 0);
	assert_int_equal(store_writer_put(writer, RECORD_PAGE, &page.id, page.bytes.data, (uint32_t)page.bytes.len,
	                                  page.hashed_len, 1, &locator),
	                 0);
	assert_int_equal(store_writer_commit(writer), 0);
	assert_int_equal(store_put_root(g->store, &page.id, page.bytes.data, (uint32_t)page.bytes.len, page.hashed_len),
	                 0);
	store_writer_close(writer);
	scratch_sh("cd r && printf 'revfs 1\ntype directory\nroot sha256:%s\nfiles 1\nbytes 5\n' >strange.revfs && "
	           "git add strange.revfs && git commit -qm strange",
	           id_format(&page.id, hex));
	buffer_release(&page.bytes);
	return page.id;
}

/* What an entry of a later version names cannot be known: nothing may be taken for dead. */
static void entries_of_later_versions_stop_it(void **state)
{
	static const uint8_t strange[3] = {9, 1, 2};
	const struct entry kind = {
	    .kind = ENTRY_FOREIGN + 1, .name = "a", .name_len = 1, .size = 5, .inline_data = (const uint8_t *)"hello"};
	const struct entry algorithm = {
	    .kind = ENTRY_FOREIGN, .name = "a", .name_len = 1, .size = 5, .foreign = strange, .foreign_len = 3};
	struct ground *g = *state;
	struct gc_report report;

	ground_commit(g, "a", &SMALL);
	ground_commit(g, "b", &LARGE);
	forget("HEAD~1");
	ground_wait(g, 30 * GROUND_DAY);
	plant_entry(g, &kind);
	assert_blamed(g, -ENOTSUP, "of the dataset 'strange' of the commit ");
	forget("HEAD~1");
	plant_entry(g, &algorithm);
	assert_blamed(g, -ENOTSUP, "of the dataset 'strange' of the commit ");
	/* Of what nobody needs, no more is kept than is young. */
	forget("HEAD~1");
	assert_int_equal(gc_with(g, false, GC_KEEP_S, &report), 0);
	assert_true(report.condemned.packs > 0);
}

static void what_is_no_pointer_is_passed_over(void **state)
{
	struct ground *g = *state;

	scratch_sh("cd r; echo hello >a.revfs; ln -s a.revfs b.revfs; head -c 10000 /dev/zero >c.revfs; mkdir d.revfs; "
	           "touch d.revfs/x; printf 'revfs 1\\n<<<<<<< HEAD\\n' >e.revfs; git add -A; git commit -qm x");
	gc(g);
}

static void busy_store_is_not_collected(void **state)
{
	struct ground *g = *state;
	struct gc_report report;
	struct store *other;
	int lock;

	assert_int_equal(store_open(io_system(), g->store_path, 0, 0, &other), 0);
	lock = store_lock(other, false, 0);
	assert_true(lock >= 0);
	assert_int_equal(gc_with(g, false, GC_KEEP_S, &report), -EBUSY);
	assert_in_range(g->fault.slept_ms, 9000, 11000);
	/* A look needs no lock. */
	assert_int_equal(gc_with(g, true, GC_KEEP_S, &report), 0);
	store_unlock(other, lock);
	store_close(other);
}

static void dry_run_changes_nothing(void **state)
{
	struct ground *g = *state;
	struct gc_report report;
	char *before, *after;

	ground_commit(g, "a", &SMALL);
	ground_commit(g, "b", &LARGE);
	forget("HEAD~1");
	ground_wait(g, 15 * GROUND_DAY);
	before = scratch_output("find r/.git/revfs -printf '%%p %%s %%T@\\n' | sort");
	assert_int_equal(gc_with(g, true, GC_KEEP_S, &report), 0);
	assert_int_equal(report.condemned.packs, 2);
	after = scratch_output("find r/.git/revfs -printf '%%p %%s %%T@\\n' | sort");
	assert_string_equal(before, after);
	free(before);
	free(after);
}

/* Condemned, and then needed again: by a ref that came back, by a snapshot that made the same. */

static void what_comes_back_is_reprieved(void **state)
{
	struct ground *g = *state;
	struct id a = ground_commit(g, "a", &SMALL);
	char *commit = scratch_output("git -C r rev-parse HEAD");
	struct gc_report report;

	forget("HEAD~1");
	ground_wait(g, 15 * GROUND_DAY);
	assert_int_equal(gc(g).condemned.packs, 2);
	scratch_sh("git -C r branch back %s", commit);
	ground_wait(g, 15 * GROUND_DAY);
	report = gc(g);
	assert_int_equal(report.reprieved.packs, 2);
	assert_int_equal(report.reprieved.roots, 1);
	assert_int_equal(report.deleted.packs, 0);
	assert_int_equal(ground_read(g, &a, &SMALL), 0);
	/* And its time begins anew. */
	scratch_sh("git -C r branch -D back && git -C r reflog expire --expire=now --all");
	assert_int_equal(gc(g).condemned.packs, 2);
	assert_int_equal(ground_read(g, &a, &SMALL), 0);
	free(commit);
}

static void condemned_data_is_written_again(void **state)
{
	struct ground *g = *state;
	struct id a = ground_commit(g, "a", &SMALL), again;

	forget("HEAD~1");
	ground_wait(g, 15 * GROUND_DAY);
	assert_int_equal(gc(g).condemned.packs, 2);
	again = ground_commit(g, "a", &SMALL);
	assert_memory_equal(&a, &again, sizeof(a));
	ground_wait(g, 15 * GROUND_DAY);
	assert_int_equal(gc(g).deleted.packs, 2);
	assert_int_equal(ground_read(g, &a, &SMALL), 0);
}

/* Repacking. */

/* A tenth of a pack is alive, and goes to a new one. */
static void packs_mostly_dead_are_repacked(void **state)
{
	struct ground *g = *state;
	const struct ground_dataset part = {.from = 0, .to = 20, .salt = LARGE.salt};
	struct id a, whole = ground_commit(g, "a", &LARGE);
	uint64_t before = bytes_of(g);
	struct gc_report report;

	/* The part finds its chunks in the pack of the whole. */
	a = ground_commit(g, "a", &part);
	scratch_sh("cd r && git reset -q --soft HEAD~2 && git commit -q -m a && git reflog expire --expire=now --all");
	ground_wait(g, 15 * GROUND_DAY);
	report = gc(g);
	assert_true(report.repacked_packs > 0);
	assert_true(report.written_bytes > 0 && report.written_bytes < before / 4);
	assert_int_equal(ground_read(g, &a, &part), 0);
	ground_wait(g, 15 * GROUND_DAY);
	report = gc(g);
	assert_true(report.deleted.packs > 0);
	assert_true(bytes_of(g) < before / 3);
	assert_int_equal(ground_read(g, &a, &part), 0);
	assert_int_equal(ground_read(g, &whole, &LARGE), -ENODATA);
	/* Locators in the pages still name the old pack: its moved file is there. */
	scratch_sh("test -n \"$(find r/.git/revfs/packs -name '*.moved')\"");
	/* And goes with what it leads to. */
	forget("HEAD~1");
	gc_twice(g);
	gc_twice(g);
	assert_int_equal(bytes_of(g), 0);
	scratch_sh("test -z \"$(find r/.git/revfs/packs -type f)\"");
}

static void packs_mostly_alive_stay(void **state)
{
	struct ground *g = *state;
	const struct ground_dataset part = {.from = 0, .to = 160, .salt = LARGE.salt};
	struct id a;
	struct gc_report report;

	ground_commit(g, "a", &LARGE);
	a = ground_commit(g, "a", &part);
	scratch_sh("cd r && git reset -q --soft HEAD~2 && git commit -q -m a && git reflog expire --expire=now --all");
	ground_wait(g, 15 * GROUND_DAY);
	report = gc(g);
	assert_int_equal(report.written_bytes, 0);
	assert_int_equal(report.condemned.packs, 0);
	assert_int_equal(ground_read(g, &a, &part), 0);
}

/* Two packs with the same records, as a collection leaves them that was killed after it had repacked. */
static void superfluous_copies_go(void **state)
{
	struct ground *g = *state;
	struct id a = ground_commit(g, "a", &LARGE);
	uint64_t once = bytes_of(g);

	scratch_sh("mv r/.git/revfs/packs aside && rm -r r/.git/revfs/hints && mkdir r/.git/revfs/packs");
	store_refresh(g->store);
	store_close(g->store);
	assert_int_equal(store_open(&g->fault.io, g->store_path, STORE_CREATE, 0, &g->store), 0);
	assert_int_equal(ground_store(g, &LARGE, NULL), 0);
	scratch_sh("cp -r aside/* r/.git/revfs/packs/");
	store_refresh(g->store);
	assert_true(bytes_of(g) > once * 3 / 2);
	gc_twice(g);
	assert_int_equal(bytes_of(g), once);
	assert_int_equal(ground_read(g, &a, &LARGE), 0);
}

static void damaged_index_keeps_its_pack(void **state)
{
	struct ground *g = *state;
	struct gc_report report;

	ground_commit(g, "a", &SMALL);
	forget("HEAD~1");
	scratch_sh("cd r/.git/revfs; rm hints/*; for p in packs/*/*; do chmod 644 $p; "
	           "printf x | dd of=$p bs=1 seek=$(($(stat -c %%s $p) - 70)) conv=notrunc status=none; done");
	store_close(g->store);
	assert_int_equal(store_open(&g->fault.io, g->store_path, 0, 0, &g->store), 0);
	ground_wait(g, 15 * GROUND_DAY);
	assert_int_equal(gc_with(g, false, GC_KEEP_S, &report), 0);
	assert_int_equal(report.unreadable_packs, 2);
	assert_int_equal(report.condemned.packs, 0);
	assert_int_equal(report.condemned.roots, 1);
}

/* Failures. */

struct scene {
	struct id a, b;
	struct ground_dataset part, other;
};

/* A store with dead packs, and ones mostly dead; A and B are alive. */
static void set_scene(struct ground *g, struct scene *s)
{
	s->part = (struct ground_dataset){.from = 0, .to = 20, .salt = LARGE.salt};
	s->other = (struct ground_dataset){.from = 900, .to = 930};
	ground_commit(g, "dead", &SMALL);
	ground_commit(g, "a", &LARGE);
	s->a = ground_commit(g, "a", &s->part);
	scratch_sh("cd r && git reset -q --soft HEAD~3 && git rm -q --cached dead.revfs && rm dead.revfs && "
	           "git commit -q -m a");
	s->b = ground_commit(g, "b", &s->other);
	scratch_sh("cd r && git reflog expire --expire=now --all");
	ground_wait(g, 15 * GROUND_DAY);
}

/* Every place is tried where somebody has the time: TEST_EVERY_PLACE=1. */
static unsigned stride(unsigned usual)
{
	return getenv("TEST_EVERY_PLACE") ? 1 : usual;
}

static void scene_is_alive(struct ground *g, const struct scene *s)
{
	assert_int_equal(ground_read(g, &s->a, &s->part), 0);
	assert_int_equal(ground_read(g, &s->b, &s->other), 0);
}

/* The store as the scene left it. */
static void begin_again(struct ground *g, uint64_t clock)
{
	store_close(g->store);
	scratch_sh("rm -rf r/.git/revfs && cp -a before r/.git/revfs");
	g->fault.clock_ns = clock;
	assert_int_equal(store_open(&g->fault.io, g->store_path, 0, 0, &g->store), 0);
}

/* What is left when nothing fails. */
static uint64_t settled_bytes(struct ground *g, const struct scene *s)
{
	const uint64_t clock = g->fault.clock_ns;
	uint64_t bytes;

	scratch_sh("cp -a r/.git/revfs before");
	gc_twice(g);
	gc_twice(g);
	scene_is_alive(g, s);
	bytes = bytes_of(g);
	begin_again(g, clock);
	assert_true(bytes < bytes_of(g) / 2);
	return bytes;
}

/* Every call of every kind fails in turn, in a run that repacks and condemns and in one that deletes. */
static void failing_calls_lose_nothing(void **state)
{
	struct ground *g = *state;
	/* What changes something is more interesting than what reads. */
	static const unsigned strides[FAULT_CALLS] = {
	    [FAULT_OPEN] = 307,   [FAULT_READ] = 997, [FAULT_WRITE] = 7,  [FAULT_LIST] = 211, [FAULT_FSYNC] = 13,
	    [FAULT_TRUNCATE] = 1, [FAULT_CHMOD] = 13, [FAULT_RENAME] = 2, [FAULT_LINK] = 5,   [FAULT_UNLINK] = 7,
	    [FAULT_MKDIR] = 2,    [FAULT_STAT] = 307, [FAULT_LOCK] = 1,
	};
	struct scene s;
	uint64_t settled;

	set_scene(g, &s);
	settled = settled_bytes(g, &s);
	for (unsigned kind = 0; kind < FAULT_CALLS; kind++) {
		for (uint64_t nth = 1;; nth += stride(strides[kind])) {
			const uint64_t clock = g->fault.clock_ns;
			bool met = false;

			for (unsigned run = 0; run < 2; run++) {
				struct gc_report report;

				fault_set(&g->fault, kind, nth, 1, kind == FAULT_WRITE ? -ENOSPC : -EIO);
				gc_with(g, false, GC_KEEP_S, &report);
				met = met || g->fault.calls[kind] >= nth;
				fault_clear(&g->fault);
				store_refresh(g->store);
				scene_is_alive(g, &s);
				assert_closed(g);
				ground_wait(g, 15 * GROUND_DAY);
			}
			gc_twice(g);
			scene_is_alive(g, &s);
			/* Whatever failed, in the end all that is dead is gone. */
			assert_true(bytes_of(g) <= settled + settled / 10);
			begin_again(g, clock);
			if (!met)
				break;
			assert_true(nth < 3000);
		}
	}
}

/* Killed anywhere while it deletes, it leaves no page that names what is gone. */
static void pages_go_before_what_they_name(void **state)
{
	struct ground *g = *state;
	bool met = true;
	uint64_t clock;

	for (unsigned i = 0; i < 6; i++) {
		const struct ground_dataset dataset = {.from = 100 * i, .to = 100 * i + 20};

		ground_store(g, &dataset, NULL);
	}
	ground_wait(g, 15 * GROUND_DAY);
	gc(g);
	ground_wait(g, 15 * GROUND_DAY);
	clock = g->fault.clock_ns;
	scratch_sh("cp -a r/.git/revfs before");
	for (uint64_t nth = 1; met; nth++) {
		struct gc_report report;

		begin_again(g, clock);
		fault_set(&g->fault, FAULT_UNLINK, nth, 1000, -EIO);
		gc_with(g, false, GC_KEEP_S, &report);
		met = g->fault.calls[FAULT_UNLINK] >= nth;
		fault_clear(&g->fault);
		assert_closed(g);
	}
	assert_int_equal(bytes_of(g), 0);
}

static void power_loss_loses_nothing(void **state)
{
	struct ground *g = *state;
	struct scene s;
	uint64_t settled;

	set_scene(g, &s);
	settled = settled_bytes(g, &s);
	for (unsigned memory = DISK_FORGETS_ALL; memory <= DISK_KEEPS_SOME; memory++) {
		for (uint64_t nth = 1;; nth += stride(23)) {
			const uint64_t clock = g->fault.clock_ns;
			struct gc_report report;
			struct disk *disk;
			bool cut;

			store_close(g->store);
			scratch_sh("rm -rf r/.git/revfs && cp -a before r/.git/revfs");
			disk = disk_open(g->store_path);
			g->fault.below = disk_io(disk);
			assert_int_equal(store_open(&g->fault.io, g->store_path, 0, 0, &g->store), 0);
			disk_cut(disk, nth);
			if (gc_with(g, false, GC_KEEP_S, &report) == 0) {
				ground_wait(g, 15 * GROUND_DAY);
				gc_with(g, false, GC_KEEP_S, &report);
			}
			store_close(g->store);
			cut = disk_is_cut(disk);
			disk_restart(disk, memory, nth);
			assert_int_equal(store_open(&g->fault.io, g->store_path, 0, 0, &g->store), 0);
			scene_is_alive(g, &s);
			assert_closed(g);
			gc_twice(g);
			scene_is_alive(g, &s);
			assert_true(bytes_of(g) <= settled + settled / 10);
			store_close(g->store);
			disk_close(disk);
			g->fault.below = sample_io();
			g->fault.clock_ns = clock;
			assert_int_equal(store_open(&g->fault.io, g->store_path, 0, 0, &g->store), 0);
			if (!cut)
				break;
			assert_true(nth < 1000);
		}
	}
}

/* A model: datasets come, go and come again, collections run at any time; what a tag names is always there. */

#define TAGS 8

static unsigned below(uint64_t *seed, unsigned limit)
{
	*seed = *seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (unsigned)(*seed >> 33) % limit;
}

struct tagged {
	bool is_there;
	struct id root;
	struct ground_dataset dataset;
};

static void set_tag(struct ground *g, struct tagged *tag, unsigned number, uint64_t *seed)
{
	const unsigned from = 20 * below(seed, 8), count = 10 + below(seed, 150);

	tag->dataset = (struct ground_dataset){.from = from, .to = from + count, .step = 1 + below(seed, 2)};
	tag->root = ground_commit(g, "x", &tag->dataset);
	tag->is_there = true;
	scratch_sh("cd r && git tag -f v%u && git reset -q --hard first && git reflog expire --expire=now --all",
	           number);
}

static void random_life_loses_nothing(void **state)
{
	struct ground *g = *state;
	struct tagged tags[TAGS] = {0};
	uint64_t seed = 7;

	scratch_sh("cd r && git tag first");
	for (unsigned round = 0; round < 60; round++) {
		const unsigned number = below(&seed, TAGS);
		struct gc_report report;

		switch (below(&seed, 4)) {
		case 0:
			set_tag(g, &tags[number], number, &seed);
			break;
		case 1:
			scratch_sh("cd r && git tag -d v%u 2>/dev/null || true", number);
			tags[number].is_there = false;
			break;
		default:
			ground_wait(g, below(&seed, 10) * GROUND_DAY);
			assert_int_equal(gc_with(g, false, below(&seed, 2) ? GC_KEEP_S : 0, &report), 0);
			assert_closed(g);
		}
		for (unsigned i = 0; i < TAGS && round % 4 == 0; i++) {
			if (tags[i].is_there)
				assert_int_equal(ground_read(g, &tags[i].root, &tags[i].dataset), 0);
		}
	}
	for (unsigned i = 0; i < TAGS; i++) {
		if (tags[i].is_there)
			assert_int_equal(ground_read(g, &tags[i].root, &tags[i].dataset), 0);
		scratch_sh("cd r && git tag -d v%u 2>/dev/null || true", i);
	}
	gc_twice(g);
	gc_twice(g);
	assert_int_equal(bytes_of(g), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(live_data_is_never_condemned, ground_setup, ground_teardown),
	    cmocka_unit_test_setup_teardown(empty_store_is_collected, ground_setup, ground_teardown),
	    cmocka_unit_test_setup_teardown(dead_data_is_condemned_first_and_deleted_later, ground_setup,
	                                    ground_teardown),
	    cmocka_unit_test_setup_teardown(nothing_is_deleted_in_the_run_that_condemns, ground_setup, ground_teardown),
	    cmocka_unit_test_setup_teardown(young_data_is_alive, ground_setup, ground_teardown),
	    cmocka_unit_test_setup_teardown(what_young_pages_name_is_alive, ground_setup, ground_teardown),
	    cmocka_unit_test_setup_teardown(what_young_roots_name_is_alive, ground_setup, ground_teardown),
	    cmocka_unit_test_setup_teardown(what_dead_pages_of_kept_packs_name_is_kept, ground_setup, ground_teardown),
	    cmocka_unit_test_setup_teardown(reflogs_hold, ground_setup, ground_teardown),
	    cmocka_unit_test_setup_teardown(tags_hold, ground_setup, ground_teardown),
	    cmocka_unit_test_setup_teardown(history_holds, ground_setup, ground_teardown),
	    cmocka_unit_test_setup_teardown(stashes_hold, ground_setup, ground_teardown),
	    cmocka_unit_test_setup_teardown(indexes_hold, ground_setup, ground_teardown),
	    cmocka_unit_test_setup_teardown(pointer_files_on_disk_hold, ground_setup, ground_teardown),
	    cmocka_unit_test_setup_teardown(other_worktrees_hold, ground_setup, ground_teardown),
	    cmocka_unit_test_setup_teardown(in_step_records_hold, ground_setup, ground_teardown),
	    cmocka_unit_test_setup_teardown(attached_datasets_hold, ground_setup, ground_teardown),
	    cmocka_unit_test_setup_teardown(records_of_attached_datasets_that_do_not_read_stop_it, ground_setup,
	                                    ground_teardown),
	    cmocka_unit_test_setup_teardown(registrations_hold, ground_setup, ground_teardown),
	    cmocka_unit_test_setup_teardown(intent_to_add_is_no_damage, ground_setup, ground_teardown),
	    cmocka_unit_test_setup_teardown(damaged_page_stops_it, ground_setup, ground_teardown),
	    cmocka_unit_test_setup_teardown(missing_git_objects_stop_it, ground_setup, ground_teardown),
	    cmocka_unit_test_setup_teardown(a_damaged_commit_that_a_mount_shows_stops_it, ground_setup,
	                                    ground_teardown),
	    cmocka_unit_test_setup_teardown(pointers_of_later_versions_stop_it, ground_setup, ground_teardown),
	    cmocka_unit_test_setup_teardown(entries_of_later_versions_stop_it, ground_setup, ground_teardown),
	    cmocka_unit_test_setup_teardown(what_is_no_pointer_is_passed_over, ground_setup, ground_teardown),
	    cmocka_unit_test_setup_teardown(busy_store_is_not_collected, ground_setup, ground_teardown),
	    cmocka_unit_test_setup_teardown(dry_run_changes_nothing, ground_setup, ground_teardown),
	    cmocka_unit_test_setup_teardown(what_comes_back_is_reprieved, ground_setup, ground_teardown),
	    cmocka_unit_test_setup_teardown(condemned_data_is_written_again, ground_setup, ground_teardown),
	    cmocka_unit_test_setup_teardown(packs_mostly_dead_are_repacked, ground_setup, ground_teardown),
	    cmocka_unit_test_setup_teardown(packs_mostly_alive_stay, ground_setup, ground_teardown),
	    cmocka_unit_test_setup_teardown(superfluous_copies_go, ground_setup, ground_teardown),
	    cmocka_unit_test_setup_teardown(damaged_index_keeps_its_pack, ground_setup, ground_teardown),
	    cmocka_unit_test_setup_teardown(failing_calls_lose_nothing, ground_setup, ground_teardown),
	    cmocka_unit_test_setup_teardown(pages_go_before_what_they_name, ground_setup, ground_teardown),
	    cmocka_unit_test_setup_teardown(power_loss_loses_nothing, ground_setup, ground_teardown),
	    cmocka_unit_test_setup_teardown(random_life_loses_nothing, ground_setup, ground_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
