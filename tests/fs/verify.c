/* Checking a store: what is sound has no damage, and every damage is told, at its place, and nothing beside it. */
#include "fs/verify.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "cache/chunker.h"
#include "fs/build.h"
#include "fs/tree.h"
#include "tests/support/damage.h"
#include "tests/support/ground.h"
#include "tests/support/scratch.h"
#include "tests/support/stored_page.h"

static const struct ground_dataset SMALL = {.from = 0, .to = 60};
static const struct ground_dataset OTHER = {.from = 0, .to = 60, .salt = 1};

/* Running it. */

static int verify_with(struct ground *g, const struct verify_options *options, struct verify_report *report)
{
	const struct oid tip = ground_tip();

	return verify_run(g->repo, g->store, &tip, 1, options, report);
}

static struct verify_report verify(struct ground *g, bool full)
{
	const struct verify_options options = {.full = full, .sample = 1, .jobs = 2};
	struct verify_report report;

	assert_int_equal(verify_with(g, &options, &report), 0);
	return report;
}

static void assert_sound(struct ground *g)
{
	for (unsigned full = 0; full < 2; full++) {
		struct verify_report report = verify(g, full);

		assert_int_equal(report.damaged, 0);
		verify_report_release(&report);
	}
}

/* The one damage there is; the report is released by the caller. */
static const struct verify_damage *only_damage(const struct verify_report *report, enum verify_kind kind, int error)
{
	assert_int_equal(report->damaged, 1);
	assert_int_equal(report->count, 1);
	assert_int_equal(report->damages[0].kind, kind);
	assert_int_equal(report->damages[0].error, error);
	return &report->damages[0];
}

/* The same, with why it is one. */
static void assert_only(struct ground *g, bool full, enum verify_kind kind, const struct id *id, const char *why)
{
	struct verify_report report = verify(g, full);
	const struct verify_damage *damage = only_damage(&report, kind, -EBADMSG);

	assert_memory_equal(&damage->id, id, sizeof(*id));
	assert_string_equal(damage->why, why);
	assert_false(damage->saved);
	verify_report_release(&report);
}

/* What the tree of a dataset has: root, folders and lists, and chunks. */
struct size {
	uint64_t pages, chunks;
};

static struct size size_of(const struct ground_dataset *dataset)
{
	struct size size = {.pages = 1};

	for (unsigned n = dataset->from; n < dataset->to; n++) {
		size_t len, count = 0;
		uint8_t *bytes = ground_bytes(dataset, n, &len);

		for (size_t at = 0; len > PAGE_INLINE_MAX && at < len; count++)
			at += chunker_cut(bytes + at, len - at, true);
		free(bytes);
		size.chunks += count;
		size.pages += (count > 1) + (n % 20 == 0);
	}
	return size;
}

/* What is sound. */

struct heard {
	pthread_mutex_t lock;
	uint64_t records, bytes;
};

static void hear(void *arg, uint64_t records, uint64_t bytes)
{
	struct heard *heard = arg;

	pthread_mutex_lock(&heard->lock);
	heard->records += records;
	heard->bytes += bytes;
	pthread_mutex_unlock(&heard->lock);
}

static void sound_store_has_no_damage_and_all_is_counted(void **state)
{
	struct ground *g = *state;
	struct heard heard = {.lock = PTHREAD_MUTEX_INITIALIZER};
	struct verify_options options = {.sample = 1, .jobs = 3, .progress = hear, .arg = &heard};
	const struct size small = size_of(&SMALL), other = size_of(&OTHER);
	struct verify_report report;

	ground_commit(g, "a", &SMALL);
	ground_commit(g, "b", &OTHER);
	for (unsigned full = 0; full < 2; full++) {
		options.full = full;
		heard.records = heard.bytes = 0;
		assert_int_equal(verify_with(g, &options, &report), 0);
		assert_int_equal(report.damaged, 0);
		assert_int_equal(report.commits, 3);
		assert_int_equal(report.datasets, 2);
		assert_int_equal(report.packs, 4);
		assert_int_equal(report.pages, small.pages + other.pages);
		assert_int_equal(report.chunks, small.chunks + other.chunks);
		assert_int_equal(report.unread, 0);
		assert_true(report.bytes > UINT64_C(2) * 6 * 150000);
		assert_int_equal(heard.records, report.pages + report.chunks);
		assert_int_equal(heard.bytes, report.bytes);
		verify_report_release(&report);
	}
}

static void what_commits_share_is_read_once(void **state)
{
	struct ground *g = *state;
	struct verify_report once, again;

	ground_commit(g, "a", &SMALL);
	once = verify(g, false);
	scratch_sh("cd r && cp a.revfs b.revfs && git add b.revfs && git commit -qm b && echo x >x && git add x && "
	           "git commit -qm x");
	again = verify(g, false);
	assert_int_equal(again.commits, once.commits + 2);
	assert_int_equal(again.pages, once.pages);
	assert_int_equal(again.chunks, once.chunks);
	assert_int_equal(again.bytes, once.bytes);
	verify_report_release(&once);
	verify_report_release(&again);
}

static void no_tips_reach_nothing_but_packs_are_looked_at(void **state)
{
	struct ground *g = *state;
	const struct verify_options options = {.sample = 1, .jobs = 1};
	struct verify_report report;

	ground_commit(g, "a", &SMALL);
	assert_int_equal(verify_run(g->repo, g->store, NULL, 0, &options, &report), 0);
	assert_int_equal(report.commits + report.pages + report.chunks + report.damaged, 0);
	assert_int_equal(report.packs, 2);
	verify_report_release(&report);
}

static void sample_says_how_many_chunks_are_read(void **state)
{
	struct ground *g = *state;
	struct verify_options options = {.sample = 0, .jobs = 1};
	const struct size small = size_of(&SMALL);
	struct verify_report report;
	struct id id;

	ground_commit(g, "a", &SMALL);
	id = ground_chunk(&SMALL, 1);
	ground_damage(g, RECORD_CHUNK, &id);
	assert_int_equal(verify_with(g, &options, &report), 0);
	assert_int_equal(report.chunks, 0);
	assert_int_equal(report.unread, small.chunks);
	assert_int_equal(report.pages, small.pages);
	assert_int_equal(report.damaged, 0);
	verify_report_release(&report);
	options.sample = 0.5;
	assert_int_equal(verify_with(g, &options, &report), 0);
	assert_in_range(report.chunks, 5, 55);
	assert_int_equal(report.unread + report.chunks, small.chunks);
	verify_report_release(&report);
}

/* Damage to records. */

static void damaged_chunk_is_told_where_it_lies_and_alone(void **state)
{
	struct ground *g = *state;
	struct verify_report report;
	const struct verify_damage *damage;
	struct locator at;
	struct id id;

	ground_commit(g, "a", &SMALL);
	id = ground_chunk(&SMALL, 21);
	at = ground_damage(g, RECORD_CHUNK, &id);
	for (unsigned full = 0; full < 2; full++) {
		report = verify(g, full);
		damage = only_damage(&report, VERIFY_CHUNK, -EBADMSG);
		assert_memory_equal(&damage->id, &id, sizeof(id));
		assert_memory_equal(&damage->at.pack, &at.pack, sizeof(at.pack));
		assert_int_equal(damage->at.offset, at.offset);
		assert_false(damage->saved);
		assert_null(damage->path);
		verify_report_release(&report);
	}
}

static void damaged_page_is_told_and_its_siblings_are_read(void **state)
{
	struct ground *g = *state;
	const struct ground_dataset first = {.to = 20}, third = {.from = 40, .to = 60};
	const struct size before = size_of(&first), behind = size_of(&third);
	struct id root = ground_commit(g, "a", &SMALL), id = ground_folder(g, &root, 20);
	struct verify_report report;
	const struct verify_damage *damage;
	struct locator at = ground_damage(g, RECORD_PAGE, &id);

	report = verify(g, false);
	damage = only_damage(&report, VERIFY_PAGE, -EBADMSG);
	assert_memory_equal(&damage->id, &id, sizeof(id));
	assert_int_equal(damage->at.offset, at.offset);
	/* Two of three folders, and one root. */
	assert_int_equal(report.pages, before.pages + behind.pages - 1);
	assert_int_equal(report.chunks, before.chunks + behind.chunks);
	verify_report_release(&report);
}

static void page_of_a_root_is_saved_by_its_root_file(void **state)
{
	struct ground *g = *state;
	struct id root = ground_commit(g, "a", &SMALL);
	struct verify_report report;
	const struct verify_damage *damage;

	ground_damage(g, RECORD_PAGE, &root);
	report = verify(g, false);
	damage = only_damage(&report, VERIFY_PAGE, -EBADMSG);
	assert_memory_equal(&damage->id, &root, sizeof(root));
	assert_true(damage->saved);
	assert_int_equal(report.chunks, size_of(&SMALL).chunks);
	verify_report_release(&report);
	/* Without either, all below is out of reach. */
	scratch_sh("find r/.git/revfs/roots -type f -delete");
	store_refresh(g->store);
	report = verify(g, false);
	assert_int_equal(report.damaged, 2);
	assert_int_equal(report.damages[0].kind, VERIFY_PAGE);
	assert_false(report.damages[0].saved);
	assert_int_equal(report.damages[1].kind, VERIFY_ROOT);
	assert_int_equal(report.damages[1].error, -ENODATA);
	assert_false(report.damages[1].saved);
	assert_int_equal(report.chunks, 0);
	verify_report_release(&report);
}

static void root_file_is_damage_of_its_own(void **state)
{
	struct ground *g = *state;
	struct id root = ground_commit(g, "a", &SMALL);
	struct verify_report report;
	const struct verify_damage *damage;
	char *path = scratch_output("find $PWD/r/.git/revfs/roots -type f");

	ground_flip(path, 60);
	report = verify(g, false);
	damage = only_damage(&report, VERIFY_ROOT, -EBADMSG);
	assert_memory_equal(&damage->id, &root, sizeof(root));
	assert_true(damage->saved); /* by the page in its pack */
	assert_int_equal(report.pages, size_of(&SMALL).pages);
	verify_report_release(&report);
	assert_int_equal(unlink(path), 0);
	report = verify(g, false);
	only_damage(&report, VERIFY_ROOT, -ENODATA);
	assert_int_equal(report.pages, size_of(&SMALL).pages);
	verify_report_release(&report);
	free(path);
}

static void missing_packs_are_enodata_of_what_lay_there(void **state)
{
	struct ground *g = *state;
	struct verify_report report;
	struct locator at;
	uint64_t chunks;
	struct id id;
	char *path;

	ground_commit(g, "a", &SMALL);
	report = verify(g, false);
	chunks = report.chunks;
	verify_report_release(&report);
	id = ground_chunk(&SMALL, 1);
	at = ground_locate(g, RECORD_CHUNK, &id);
	path = ground_pack_path(g, &at.pack);
	assert_int_equal(unlink(path), 0);
	free(path);
	store_close(g->store);
	assert_int_equal(store_open(&g->fault.io, g->store_path, 0, 0, &g->store), 0);
	report = verify(g, false);
	assert_int_equal(report.damaged, chunks);
	assert_int_equal(report.count, chunks);
	for (size_t i = 0; i < report.count; i++) {
		assert_int_equal(report.damages[i].kind, VERIFY_CHUNK);
		assert_int_equal(report.damages[i].error, -ENODATA);
		/* The page says where it should be. */
		assert_memory_equal(&report.damages[i].at.pack, &at.pack, sizeof(at.pack));
	}
	verify_report_release(&report);
}

static void second_copy_saves_a_damaged_one(void **state)
{
	struct ground *g = *state;
	struct verify_report report;
	const struct verify_damage *damage;
	struct locator at;
	struct id id;
	char *aside = scratch_path("aside"), *pack;

	ground_commit(g, "a", &SMALL);
	id = ground_chunk(&SMALL, 1);
	/* The same data once more, in packs of other names. */
	scratch_sh("mv r/.git/revfs/packs aside && rm -r r/.git/revfs/hints && mkdir r/.git/revfs/packs");
	store_close(g->store);
	assert_int_equal(store_open(&g->fault.io, g->store_path, STORE_CREATE, 0, &g->store), 0);
	assert_int_equal(ground_store(g, &SMALL, NULL), 0);
	scratch_sh("rm -rf first && cp -r r/.git/revfs/packs first");
	at = ground_locate(g, RECORD_CHUNK, &id);
	scratch_sh("cp -r aside/* r/.git/revfs/packs/");
	pack = ground_pack_path(g, &at.pack);
	ground_flip(pack, at.offset + RECORD_HEADER_SIZE + 3);
	store_refresh(g->store);
	report = verify(g, false);
	/* Only whoever asks for the damaged copy first sees it: the pages name the other pack, or this one. */
	if (report.damaged) {
		damage = only_damage(&report, VERIFY_CHUNK, -EBADMSG);
		assert_true(damage->saved);
		assert_memory_equal(&damage->at.pack, &at.pack, sizeof(at.pack));
	}
	verify_report_release(&report);
	free(pack);
	free(aside);
}

static void damaged_pack_index_is_told_with_its_pack(void **state)
{
	struct ground *g = *state;
	struct verify_options options = {.sample = 1, .jobs = 1, .rebuild = true};
	struct verify_report report;
	const struct verify_damage *damage;
	struct locator at;
	struct stat st;
	struct id id;
	char *path;

	ground_commit(g, "a", &SMALL);
	id = ground_chunk(&SMALL, 1);
	at = ground_locate(g, RECORD_CHUNK, &id);
	path = ground_pack_path(g, &at.pack);
	assert_int_equal(stat(path, &st), 0);
	ground_flip(path, (uint64_t)st.st_size - 70);
	store_close(g->store);
	assert_int_equal(store_open(&g->fault.io, g->store_path, 0, 0, &g->store), 0);
	report = verify(g, false);
	damage = only_damage(&report, VERIFY_PACK, -EBADMSG);
	assert_memory_equal(&damage->at.pack, &at.pack, sizeof(at.pack));
	/* Its records are found by what pages say of them. */
	assert_int_equal(report.chunks, size_of(&SMALL).chunks);
	verify_report_release(&report);
	assert_int_equal(verify_with(g, &options, &report), 0);
	only_damage(&report, VERIFY_PACK, -EBADMSG);
	verify_report_release(&report);
	free(path);
}

static void rebuilt_look_up_files_change_nothing(void **state)
{
	struct ground *g = *state;
	struct verify_options options = {.sample = 1, .jobs = 1, .rebuild = true};
	struct verify_report report;

	ground_commit(g, "a", &SMALL);
	scratch_sh("for h in r/.git/revfs/hints/*; do test -f $h || continue; chmod 644 $h; head -c 40 /dev/zero >$h; "
	           "done");
	assert_int_equal(verify_with(g, &options, &report), 0);
	assert_int_equal(report.damaged, 0);
	verify_report_release(&report);
}

static void no_store_is_enodata_of_every_root(void **state)
{
	struct ground *g = *state;
	struct id root = ground_commit(g, "a", &SMALL);
	const struct verify_options options = {.sample = 1, .jobs = 1};
	const struct oid tip = ground_tip();
	struct verify_report report;

	assert_int_equal(verify_run(g->repo, NULL, &tip, 1, &options, &report), 0);
	assert_memory_equal(&only_damage(&report, VERIFY_PAGE, -ENODATA)->id, &root, sizeof(root));
	assert_int_equal(report.datasets, 1);
	verify_report_release(&report);
}

/* Damage in Git. */

static void pointer_that_contradicts_its_root_is_told_by_path(void **state)
{
	static const char *const edits[] = {"s/^files .*/files 7/", "s/^bytes .*/bytes 7/", "s/^type .*/type file/"};
	struct ground *g = *state;
	struct verify_report report;
	const struct verify_damage *damage;

	ground_commit(g, "a", &SMALL);
	for (unsigned i = 0; i < 3; i++) {
		scratch_sh("cd r && mkdir -p d && sed '%s' a.revfs >d/b.revfs && git add d && git commit -qm %u",
		           edits[i], i);
		report = verify(g, false);
		damage = only_damage(&report, VERIFY_POINTER, -EBADMSG);
		assert_string_equal(damage->path, "d/b");
		assert_non_null(damage->why);
		verify_report_release(&report);
		scratch_sh("cd r && git reset -q --hard HEAD~1");
	}
}

static void missing_git_objects_are_told_and_others_are_read(void **state)
{
	struct ground *g = *state;
	struct verify_report report;
	const struct verify_damage *damage;

	ground_commit(g, "a", &SMALL);
	scratch_sh("mkdir r/d");
	ground_commit(g, "d/b", &OTHER);
	scratch_sh("cd r && b=$(git rev-parse HEAD:d/b.revfs) && rm -f .git/objects/$(printf %%.2s $b)/${b#??}");
	report = verify(g, false);
	damage = only_damage(&report, VERIFY_GIT, -EBADMSG);
	assert_string_equal(damage->path, "d/b");
	assert_int_equal(report.datasets, 1);
	verify_report_release(&report);
	/* What was read is remembered. */
	repo_close(g->repo);
	assert_int_equal(repo_open(g->work_tree, REPO_ANY, &g->repo, NULL), 0);
	scratch_sh("cd r && t=$(git rev-parse HEAD:d) && rm -f .git/objects/$(printf %%.2s $t)/${t#??}");
	report = verify(g, false);
	assert_string_equal(only_damage(&report, VERIFY_GIT, -ENODATA)->path, "d");
	verify_report_release(&report);
}

static void missing_commit_is_ebadmsg(void **state)
{
	struct ground *g = *state;
	const struct verify_options options = {.sample = 1, .jobs = 1};
	struct verify_report report;

	ground_commit(g, "a", &SMALL);
	scratch_sh("cd r && c=$(git rev-parse HEAD~1) && rm -f .git/objects/$(printf %%.2s $c)/${c#??}");
	assert_int_equal(verify_with(g, &options, &report), -EBADMSG);
	verify_report_release(&report);
}

static void pointer_of_a_later_version_is_enotsup(void **state)
{
	struct ground *g = *state;
	struct verify_report report;

	scratch_sh("cd r && printf 'revfs 2\nmagic\n' >a.revfs && echo no pointer >b.revfs && git add . && "
	           "git commit -qm a");
	report = verify(g, false);
	assert_string_equal(only_damage(&report, VERIFY_GIT, -ENOTSUP)->path, "a");
	verify_report_release(&report);
}

/* Forged pages: each has its right hash, and none of them the builder makes. */

struct forge {
	struct ground *g;
	struct store_writer *writer;
};

static struct forge forge_begin(struct ground *g)
{
	struct forge f = {.g = g};

	assert_int_equal(store_writer_open(g->store, &f.writer), 0);
	return f;
}

static struct list_entry forge_chunk(struct forge *f, unsigned seed, uint32_t len)
{
	struct list_entry chunk = {.len = len, .count = 1};
	uint8_t *bytes = malloc(len);

	assert_non_null(bytes);
	damage_noise(seed, bytes, len);
	id_of(bytes, len, &chunk.id);
	assert_int_equal(store_writer_put(f->writer, RECORD_CHUNK, &chunk.id, bytes, len, len, 1, &chunk.locator), 0);
	free(bytes);
	return chunk;
}

static struct entry file_of(const char *name, const struct list_entry *chunk)
{
	return (struct entry){
	    .name = name,
	    .name_len = (uint16_t)strlen(name),
	    .kind = ENTRY_FILE,
	    .form = CONTENT_CHUNK,
	    .size = chunk->len,
	    .id = chunk->id,
	    .locator = chunk->locator,
	};
}

/* Releases the encoder.  PAGE's bytes are kept until the dataset is committed. */
static struct built forge_page(struct forge *f, struct page_encoder *e, struct stored_page *page)
{
	struct built built;

	stored_page_finish(e, page);
	assert_int_equal(store_writer_put(f->writer, RECORD_PAGE, &page->id, page->bytes.data,
	                                  (uint32_t)page->bytes.len, page->hashed_len, 1, &built.locator),
	                 0);
	built.id = page->id;
	built.totals = page->totals;
	return built;
}

static struct entry folder_of(const char *name, const struct built *built)
{
	return (struct entry){
	    .name = name,
	    .name_len = (uint16_t)strlen(name),
	    .kind = ENTRY_DIRECTORY,
	    .id = built->id,
	    .totals = built->totals,
	    .locator = built->locator,
	};
}

/* A page of one entry. */
static struct built forge_folder(struct forge *f, const struct entry *entry)
{
	struct page_encoder e = {0};
	struct stored_page page;
	struct built built;

	page_encoder_begin(&e, PAGE_DIRECTORY, 0);
	page_encoder_add(&e, entry);
	built = forge_page(f, &e, &page);
	buffer_release(&page.bytes);
	return built;
}

/* Finish the root page and commit a dataset of it.  Closes the forge. */
static struct id forge_commit(struct forge *f, struct page_encoder *e, const char *name)
{
	struct stored_page page;
	struct built built = forge_page(f, e, &page);
	char hex[ID_HEX_SIZE];

	assert_int_equal(store_writer_commit(f->writer), 0);
	assert_int_equal(
	    store_put_root(f->g->store, &page.id, page.bytes.data, (uint32_t)page.bytes.len, page.hashed_len), 0);
	store_writer_close(f->writer);
	buffer_release(&page.bytes);
	scratch_sh("cd r && printf 'revfs 1\ntype directory\nroot sha256:%s\nfiles %llu\nbytes %llu\n' >'%s.revfs' && "
	           "git add . && git commit -qm forged",
	           id_format(&built.id, hex), (unsigned long long)built.totals.files,
	           (unsigned long long)built.totals.bytes, name);
	return built.id;
}

static void lying_totals_of_a_folder_are_told(void **state)
{
	struct ground *g = *state;
	struct forge f = forge_begin(g);
	struct list_entry chunk = forge_chunk(&f, 1, 1000);
	struct entry file = file_of("file", &chunk), folder;
	struct built below = forge_folder(&f, &file);
	struct page_encoder e = {0};

	folder = folder_of("folder", &below);
	folder.totals.bytes++;
	page_encoder_begin(&e, PAGE_DIRECTORY, 0);
	page_encoder_add(&e, &folder);
	forge_commit(&f, &e, "a");
	assert_only(g, false, VERIFY_PAGE, &below.id,
	            "it holds other numbers of entries, files or bytes than is said where it is named");
}

/* One lies of a page that another one names rightly: whoever is met first. */
static void lie_of_a_page_already_seen_is_told(void **state)
{
	struct ground *g = *state;

	for (unsigned first = 0; first < 2; first++) {
		struct forge f = forge_begin(g);
		struct list_entry chunk = forge_chunk(&f, 10 + first, 1000);
		struct entry file = file_of("file", &chunk), folder;
		struct built below = forge_folder(&f, &file);
		struct page_encoder e = {0};

		page_encoder_begin(&e, PAGE_DIRECTORY, 0);
		for (unsigned i = 0; i < 2; i++) {
			folder = folder_of(i ? "b" : "a", &below);
			folder.totals.bytes += i == first;
			page_encoder_add(&e, &folder);
		}
		forge_commit(&f, &e, "a");
		assert_only(g, false, VERIFY_PAGE, &below.id,
		            "it holds other numbers of entries, files or bytes than is said where it is named");
		scratch_sh("cd r && git reset -q --hard HEAD~1");
	}
}

static void wrong_length_of_a_chunk_is_told(void **state)
{
	struct ground *g = *state;
	struct forge f = forge_begin(g);
	struct list_entry chunk = forge_chunk(&f, 1, 1000);
	struct entry file = file_of("file", &chunk);
	struct page_encoder e = {0};

	file.size = 1001;
	page_encoder_begin(&e, PAGE_DIRECTORY, 0);
	page_encoder_add(&e, &file);
	forge_commit(&f, &e, "a");
	assert_only(g, false, VERIFY_CHUNK, &chunk.id, "it has another length than is said where it is named");
}

/* Whether the right length was met before, or is met behind it. */
static void wrong_length_is_told_though_another_file_has_it_right(void **state)
{
	struct ground *g = *state;

	for (unsigned first = 0; first < 4; first++) {
		struct forge f = forge_begin(g);
		struct list_entry chunk = forge_chunk(&f, 10 + first, 1000);
		struct page_encoder e = {0};

		page_encoder_begin(&e, PAGE_DIRECTORY, 0);
		for (unsigned i = 0; i < 2; i++) {
			struct entry file = file_of(i ? "b" : "a", &chunk);

			file.size += i == first % 2;
			page_encoder_add(&e, &file);
		}
		forge_commit(&f, &e, "a");
		assert_only(g, first / 2, VERIFY_CHUNK, &chunk.id,
		            "it has another length than is said where it is named");
		scratch_sh("cd r && git reset -q --hard HEAD~1");
	}
}

static void file_page_as_a_folder_is_told(void **state)
{
	struct ground *g = *state;
	struct forge f = forge_begin(g);
	struct list_entry chunk = forge_chunk(&f, 1, 1000);
	struct entry file = file_of("", &chunk), folder;
	struct page_encoder e = {0};
	struct stored_page page;
	struct built below;

	page_encoder_begin(&e, PAGE_FILE, 0);
	page_encoder_add(&e, &file);
	below = forge_page(&f, &e, &page);
	buffer_release(&page.bytes);
	folder = folder_of("folder", &below);
	page_encoder_begin(&e, PAGE_DIRECTORY, 0);
	page_encoder_add(&e, &folder);
	forge_commit(&f, &e, "a");
	assert_only(g, false, VERIFY_PAGE, &below.id, "it is of another kind than is said where it is named");
}

/* A list of COUNT chunks of LEN bytes. */
static struct built forge_list(struct forge *f, unsigned count, uint32_t len, struct list_entry *chunks)
{
	struct page_encoder e = {0};
	struct stored_page page;
	struct built built;

	page_encoder_begin(&e, PAGE_LIST, 0);
	for (unsigned i = 0; i < count; i++) {
		chunks[i] = forge_chunk(f, 100 + i, len);
		page_encoder_add_list(&e, &chunks[i]);
	}
	built = forge_page(f, &e, &page);
	buffer_release(&page.bytes);
	return built;
}

static struct id commit_listed(struct forge *f, const struct built *list)
{
	struct page_encoder e = {0};
	struct entry file = {
	    .name = "file",
	    .name_len = 4,
	    .kind = ENTRY_FILE,
	    .form = CONTENT_LIST,
	    .size = list->totals.bytes,
	    .id = list->id,
	    .locator = list->locator,
	};

	page_encoder_begin(&e, PAGE_DIRECTORY, 0);
	page_encoder_add(&e, &file);
	return forge_commit(f, &e, "a");
}

static void list_of_a_single_chunk_is_told(void **state)
{
	struct ground *g = *state;
	struct forge f = forge_begin(g);
	struct list_entry chunk;
	struct built list = forge_list(&f, 1, 20000, &chunk);

	commit_listed(&f, &list);
	assert_only(g, false, VERIFY_PAGE, &list.id, "it lists a single chunk");
}

/* Only `full` looks for where the chunker cuts. */
static void chunks_cut_elsewhere_are_told_by_full(void **state)
{
	struct ground *g = *state;
	struct forge f = forge_begin(g);
	struct list_entry chunks[2];
	struct built list = forge_list(&f, 2, 20000, chunks);
	struct verify_report report;

	commit_listed(&f, &list);
	report = verify(g, false);
	assert_int_equal(report.damaged, 0);
	verify_report_release(&report);
	/* The second may end the file anywhere. */
	assert_only(g, true, VERIFY_CHUNK, &chunks[0].id, "the chunker does not cut there");
}

static void chunk_that_should_have_been_cut_is_told_by_full(void **state)
{
	struct ground *g = *state;
	struct forge f = forge_begin(g);
	struct list_entry chunk = forge_chunk(&f, 1, 262144);
	struct entry file = file_of("file", &chunk);
	struct page_encoder e = {0};
	struct verify_report report;

	page_encoder_begin(&e, PAGE_DIRECTORY, 0);
	page_encoder_add(&e, &file);
	forge_commit(&f, &e, "a");
	report = verify(g, false);
	assert_int_equal(report.damaged, 0);
	verify_report_release(&report);
	assert_only(g, true, VERIFY_CHUNK, &chunk.id, "the chunker cuts earlier");
}

/* The last chunk of one file is an inner one of another: one chunk, whatever its places. */
static void chunk_in_two_places_is_counted_once(void **state)
{
	static uint8_t bytes[400000];
	struct ground *g = *state;
	struct forge f = forge_begin(g);
	struct list_entry chunks[64], *first = &chunks[0];
	struct page_encoder e = {0};
	struct stored_page page;
	struct built list;
	struct entry files[2];
	struct verify_report report;
	unsigned count = 0;

	damage_noise(5, bytes, sizeof(bytes));
	page_encoder_begin(&e, PAGE_LIST, 0);
	for (size_t at = 0; at < sizeof(bytes); at += chunks[count++].len) {
		struct list_entry *c = &chunks[count];

		*c =
		    (struct list_entry){.count = 1, .len = (uint32_t)chunker_cut(bytes + at, sizeof(bytes) - at, true)};
		id_of(bytes + at, c->len, &c->id);
		assert_int_equal(
		    store_writer_put(f.writer, RECORD_CHUNK, &c->id, bytes + at, c->len, c->len, 1, &c->locator), 0);
		page_encoder_add_list(&e, c);
	}
	assert_true(count > 1);
	list = forge_page(&f, &e, &page);
	buffer_release(&page.bytes);
	files[0] = file_of("a", first);
	files[1] = (struct entry){.name = "b",
	                          .name_len = 1,
	                          .kind = ENTRY_FILE,
	                          .form = CONTENT_LIST,
	                          .size = sizeof(bytes),
	                          .id = list.id,
	                          .locator = list.locator};
	page_encoder_begin(&e, PAGE_DIRECTORY, 0);
	page_encoder_add(&e, &files[0]);
	page_encoder_add(&e, &files[1]);
	forge_commit(&f, &e, "a");
	for (unsigned full = 0; full < 2; full++) {
		report = verify(g, full);
		assert_int_equal(report.damaged, 0);
		assert_int_equal(report.chunks, count);
		verify_report_release(&report);
	}
	ground_damage(g, RECORD_CHUNK, &first->id);
	report = verify(g, true);
	only_damage(&report, VERIFY_CHUNK, -EBADMSG);
	verify_report_release(&report);
}

/* Two leaves and a page above them that lies of one thing. */
enum lie {
	LIE_NONE,
	LIE_LAST,
	LIE_ORDER,
	LIE_COUNT,
};

/* COUNT names from number FROM on; returns the leaf, and its last name. */
static struct built forge_leaf(struct forge *f, unsigned from, unsigned count, bool closes, char last[32])
{
	struct page_encoder e = {0};
	struct stored_page page;
	struct built built;
	unsigned next = from;

	page_encoder_begin(&e, PAGE_DIRECTORY, 0);
	for (unsigned i = 0; i < count; i++) {
		struct entry entry = {.kind = ENTRY_FILE, .inline_data = (const uint8_t *)"x", .size = 1, .name = last};

		next = stored_page_name(next, 0, closes && i + 1 == count, last);
		entry.name_len = (uint16_t)strlen(last);
		page_encoder_add(&e, &entry);
	}
	built = forge_page(f, &e, &page);
	buffer_release(&page.bytes);
	return built;
}

static void refer_to(struct page_encoder *e, const char *last, const struct built *page)
{
	const struct reference reference = {
	    .last = last,
	    .last_len = (uint16_t)strlen(last),
	    .id = page->id,
	    .totals = page->totals,
	    .locator = page->locator,
	};

	page_encoder_add_reference(e, &reference);
}

static struct built forge_above(struct forge *f, enum lie lie, struct page_encoder *e)
{
	char last[2][32];
	struct built leaves[2];
	unsigned from = 1000000;

	leaves[0] = forge_leaf(f, 0, 70, true, last[0]);
	if (lie == LIE_ORDER)
		from = (unsigned)strtoul(last[0] + 1, NULL, 10) - 2;
	leaves[1] = forge_leaf(f, from, 70, false, last[1]);
	page_encoder_begin(e, PAGE_DIRECTORY, 1);
	if (lie == LIE_LAST)
		last[1][strlen(last[1]) - 1]++;
	if (lie == LIE_COUNT)
		leaves[1].totals.entries++;
	for (unsigned i = 0; i < 2; i++)
		refer_to(e, last[i], &leaves[i]);
	return leaves[1];
}

static void page_above_that_lies_is_told(void **state)
{
	static const struct {
		enum lie lie;
		const char *why;
	} cases[] = {
	    {LIE_LAST, "it does not end with what the page above says"},
	    {LIE_ORDER, "it begins before the end of the one before it"},
	    {LIE_COUNT, "it holds other numbers of entries, files or bytes than is said where it is named"},
	};
	struct ground *g = *state;

	for (unsigned i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct forge f = forge_begin(g);
		struct page_encoder e = {0};
		struct built blamed = forge_above(&f, cases[i].lie, &e);

		forge_commit(&f, &e, "a");
		assert_only(g, false, VERIFY_PAGE, &blamed.id, cases[i].why);
		scratch_sh("cd r && git reset -q --hard HEAD~1");
	}
}

/* A leaf, and beside it a page that is above two. */
static void page_of_another_level_is_told(void **state)
{
	struct ground *g = *state;
	struct forge f = forge_begin(g);
	struct page_encoder e = {0};
	char last[3][32];
	struct built leaves[3], above;
	struct stored_page page;

	for (unsigned i = 0; i < 3; i++)
		leaves[i] = forge_leaf(&f, i * 1000000, 70, i < 2, last[i]);
	page_encoder_begin(&e, PAGE_DIRECTORY, 1);
	refer_to(&e, last[1], &leaves[1]);
	refer_to(&e, last[2], &leaves[2]);
	above = forge_page(&f, &e, &page);
	buffer_release(&page.bytes);
	page_encoder_begin(&e, PAGE_DIRECTORY, 1);
	refer_to(&e, last[0], &leaves[0]);
	refer_to(&e, last[2], &above);
	forge_commit(&f, &e, "a");
	assert_only(g, false, VERIFY_PAGE, &above.id, "it is of another level than the page above says");
}

/* The last page of one tree is followed by others in another one: it has to end as such pages do. */
static void page_in_two_places_is_counted_once(void **state)
{
	struct ground *g = *state;
	struct page_encoder e = {0};
	struct verify_report report;
	struct built leaves[3];
	char last[3][32];

	for (unsigned i = 2; i <= 3; i++) {
		struct forge f = forge_begin(g);

		for (unsigned j = 0; j < i; j++)
			leaves[j] = forge_leaf(&f, j * 1000000, 70, j < 2, last[j]);
		page_encoder_begin(&e, PAGE_DIRECTORY, 1);
		for (unsigned j = 0; j < i; j++)
			refer_to(&e, last[j], &leaves[j]);
		forge_commit(&f, &e, i == 2 ? "a" : "b");
	}
	report = verify(g, false);
	assert_int_equal(report.damaged, 0);
	assert_int_equal(report.pages, 2 + 3);
	verify_report_release(&report);
	ground_damage(g, RECORD_PAGE, &leaves[1].id);
	report = verify(g, false);
	assert_int_equal(report.pages, 2 + 2);
	verify_report_release(&report);
}

static void right_page_above_is_no_damage(void **state)
{
	struct ground *g = *state;
	struct forge f = forge_begin(g);
	struct page_encoder e = {0};

	forge_above(&f, LIE_NONE, &e);
	forge_commit(&f, &e, "a");
	assert_sound(g);
}

static void folders_too_deep_are_told_once(void **state)
{
	struct ground *g = *state;
	struct forge f = forge_begin(g);
	struct list_entry chunk = forge_chunk(&f, 1, 1000);
	struct entry entry = file_of("file", &chunk);
	struct built built = {.id = {{0}}}, deepest = built;
	struct page_encoder e = {0};

	for (unsigned i = 0; i < PAGE_DEPTH_MAX + 1; i++) {
		built = forge_folder(&f, &entry);
		entry = folder_of("d", &built);
		if (i == 0)
			deepest = built;
	}
	page_encoder_begin(&e, PAGE_DIRECTORY, 0);
	page_encoder_add(&e, &entry);
	forge_commit(&f, &e, "a");
	assert_only(g, false, VERIFY_PAGE, &deepest.id, "it lies deeper than folders may");
}

static void bytes_that_are_no_page_are_told(void **state)
{
	struct ground *g = *state;
	struct forge f = forge_begin(g);
	uint8_t junk[300];
	struct entry folder = {.name = "d", .name_len = 1, .kind = ENTRY_DIRECTORY};
	struct page_encoder e = {0};
	struct verify_report report;

	damage_noise(9, junk, sizeof(junk));
	id_of(junk, sizeof(junk), &folder.id);
	assert_int_equal(
	    store_writer_put(f.writer, RECORD_PAGE, &folder.id, junk, sizeof(junk), sizeof(junk), 1, &folder.locator),
	    0);
	page_encoder_begin(&e, PAGE_DIRECTORY, 0);
	page_encoder_add(&e, &folder);
	forge_commit(&f, &e, "a");
	report = verify(g, false);
	assert_memory_equal(&only_damage(&report, VERIFY_PAGE, -EBADMSG)->id, &folder.id, sizeof(folder.id));
	verify_report_release(&report);
}

/* A machine that fails. */

/* From the NTH call on every one of its kind fails.  What was not read is told, as damage or as the answer. */
static void failing_disk_is_never_called_sound(void **state)
{
	static const enum fault_call kinds[] = {FAULT_OPEN, FAULT_READ, FAULT_LIST};
	struct ground *g = *state;
	const struct verify_options options = {.sample = 1, .jobs = 1};
	const struct size small = size_of(&SMALL);
	struct verify_report report;
	unsigned failed = 0;
	int r;

	ground_commit(g, "a", &SMALL);
	for (unsigned i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
		for (uint64_t nth = 1;; nth += kinds[i] == FAULT_READ ? 23 : 3) {
			bool met;

			store_close(g->store);
			assert_int_equal(store_open(&g->fault.io, g->store_path, 0, 0, &g->store), 0);
			fault_set(&g->fault, kinds[i], nth, UINT64_MAX / 2, -EIO);
			r = verify_with(g, &options, &report);
			met = g->fault.calls[kinds[i]] >= nth;
			fault_clear(&g->fault);
			failed += r || report.damaged;
			if (!r && !report.damaged) {
				assert_int_equal(report.packs, 2);
				assert_int_equal(report.pages, small.pages);
				assert_int_equal(report.chunks, small.chunks);
			}
			assert_true(met || (!r && !report.damaged));
			for (size_t j = 0; j < report.count; j++)
				assert_true(report.damages[j].error == -EIO || report.damages[j].error == -ENODATA);
			verify_report_release(&report);
			if (!met)
				break;
		}
	}
	assert_true(failed > 10);
	assert_sound(g);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, ground_setup, ground_teardown)
	const struct CMUnitTest tests[] = {
	    TEST(sound_store_has_no_damage_and_all_is_counted),
	    TEST(what_commits_share_is_read_once),
	    TEST(no_tips_reach_nothing_but_packs_are_looked_at),
	    TEST(sample_says_how_many_chunks_are_read),
	    TEST(damaged_chunk_is_told_where_it_lies_and_alone),
	    TEST(damaged_page_is_told_and_its_siblings_are_read),
	    TEST(page_of_a_root_is_saved_by_its_root_file),
	    TEST(root_file_is_damage_of_its_own),
	    TEST(missing_packs_are_enodata_of_what_lay_there),
	    TEST(second_copy_saves_a_damaged_one),
	    TEST(damaged_pack_index_is_told_with_its_pack),
	    TEST(rebuilt_look_up_files_change_nothing),
	    TEST(no_store_is_enodata_of_every_root),
	    TEST(pointer_that_contradicts_its_root_is_told_by_path),
	    TEST(missing_git_objects_are_told_and_others_are_read),
	    TEST(missing_commit_is_ebadmsg),
	    TEST(pointer_of_a_later_version_is_enotsup),
	    TEST(lying_totals_of_a_folder_are_told),
	    TEST(lie_of_a_page_already_seen_is_told),
	    TEST(wrong_length_of_a_chunk_is_told),
	    TEST(wrong_length_is_told_though_another_file_has_it_right),
	    TEST(file_page_as_a_folder_is_told),
	    TEST(list_of_a_single_chunk_is_told),
	    TEST(chunks_cut_elsewhere_are_told_by_full),
	    TEST(chunk_that_should_have_been_cut_is_told_by_full),
	    TEST(chunk_in_two_places_is_counted_once),
	    TEST(page_above_that_lies_is_told),
	    TEST(page_of_another_level_is_told),
	    TEST(page_in_two_places_is_counted_once),
	    TEST(right_page_above_is_no_damage),
	    TEST(folders_too_deep_are_told_once),
	    TEST(bytes_that_are_no_page_are_told),
	    TEST(failing_disk_is_never_called_sound),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
