/* Whom damage touches: which paths, in which revisions. */
#include "fs/trace.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cache/chunker.h"
#include "fs/build.h"
#include "fs/pointer.h"
#include "tests/support/ground.h"
#include "tests/support/sample.h"
#include "tests/support/scratch.h"

static const struct ground_dataset SMALL = {.from = 0, .to = 60};
static const struct ground_dataset LONGER = {.from = 0, .to = 80};
static const struct ground_dataset OTHER = {.from = 0, .to = 60, .salt = 1};

/* Trace DAMAGES, as if a check had found them; nothing need be damaged for that. */
static struct trace trace_of(struct ground *g, struct verify_damage *damages, size_t count)
{
	const struct verify_report report = {.damages = damages, .count = count, .damaged = count};
	const struct oid tip = ground_tip();
	struct trace trace;

	assert_int_equal(trace_run(g->repo, g->store, &tip, 1, &report, &trace), 0);
	assert_int_equal(trace.count, count);
	return trace;
}

static struct verify_damage damage_of(enum verify_kind kind, struct id id)
{
	return (struct verify_damage){.kind = kind, .id = id, .error = -EBADMSG};
}

static void assert_commit(const struct oid *commit, const char *expression)
{
	char *expected = scratch_output("git -C r rev-parse '%s'", expression), hex[OID_HEX_MAX];

	assert_string_equal(oid_format(commit, hex), expected);
	free(expected);
}

static const struct trace_path *only_path(const struct trace_damage *damage, const char *path)
{
	assert_int_equal(damage->count, 1);
	assert_false(damage->more);
	assert_string_equal(damage->paths[0].path, path);
	return &damage->paths[0];
}

static void chunk_touches_its_file_in_every_revision_newest_first(void **state)
{
	struct ground *g = *state;
	struct verify_damage damage = damage_of(VERIFY_CHUNK, ground_chunk(&SMALL, 21));
	const struct trace_path *path;
	struct trace trace;

	ground_commit(g, "a", &SMALL);
	ground_commit(g, "a", &OTHER);
	ground_commit(g, "a", &LONGER);
	trace = trace_of(g, &damage, 1);
	path = only_path(&trace.damages[0], "a/000001/000021");
	assert_int_equal(path->count, 2);
	assert_int_equal(path->more, 0);
	assert_commit(&path->commits[0], "HEAD");
	assert_commit(&path->commits[1], "HEAD~2");
	trace_release(&trace);
}

/* The second chunk of a list, too. */
static void chunk_of_a_list_touches_its_file_once(void **state)
{
	struct ground *g = *state;
	struct verify_damage damages[2];
	struct trace trace;
	unsigned n = 3;

	for (size_t len = 0, cut = 0; cut == len; n += 10) {
		uint8_t *bytes = ground_bytes(&SMALL, n, &len);

		cut = chunker_cut(bytes, len, true);
		if (cut < len) {
			damages[0] = damages[1] = damage_of(VERIFY_CHUNK, ground_chunk(&SMALL, n));
			id_of(bytes + cut, chunker_cut(bytes + cut, len - cut, true), &damages[1].id);
			n -= 10;
		}
		free(bytes);
	}
	assert_true(n < 60);
	ground_commit(g, "a", &SMALL);
	trace = trace_of(g, damages, 2);
	for (unsigned i = 0; i < 2; i++) {
		char expected[32];

		snprintf(expected, sizeof(expected), "a/%06u/%06u", n / 20, n);
		only_path(&trace.damages[i], expected);
	}
	trace_release(&trace);
}

static void page_touches_its_folder_and_a_root_its_dataset(void **state)
{
	struct ground *g = *state;
	struct id root = ground_commit(g, "a", &SMALL);
	struct verify_damage damages[3] = {
	    damage_of(VERIFY_PAGE, ground_folder(g, &root, 21)),
	    damage_of(VERIFY_PAGE, root),
	    damage_of(VERIFY_ROOT, root),
	};
	struct trace trace = trace_of(g, damages, 3);

	only_path(&trace.damages[0], "a/000001");
	only_path(&trace.damages[1], "a");
	only_path(&trace.damages[2], "a");
	trace_release(&trace);
}

/* A chunk and a page of one id are two records. */
static void kind_of_a_record_counts(void **state)
{
	struct ground *g = *state;
	struct id root = ground_commit(g, "a", &SMALL);
	struct verify_damage damages[2] = {
	    damage_of(VERIFY_PAGE, ground_chunk(&SMALL, 21)),
	    damage_of(VERIFY_CHUNK, root),
	};
	struct trace trace = trace_of(g, damages, 2);

	assert_int_equal(trace.damages[0].count, 0);
	assert_int_equal(trace.damages[1].count, 0);
	trace_release(&trace);
}

static void damage_nobody_needs_touches_nothing(void **state)
{
	struct ground *g = *state;
	struct verify_damage damages[2] = {
	    damage_of(VERIFY_CHUNK, sample_id(RECORD_CHUNK, 1, 100)),
	    {.kind = VERIFY_PACK, .error = -EBADMSG},
	};
	struct trace trace;

	ground_commit(g, "a", &SMALL);
	trace = trace_of(g, damages, 2);
	assert_int_equal(trace.damages[0].count, 0);
	assert_int_equal(trace.damages[1].count, 0);
	trace_release(&trace);
	trace = trace_of(g, NULL, 0);
	trace_release(&trace);
}

/* Two datasets with one file in common, and the whole of one in another place. */
static void every_path_of_a_chunk_is_told(void **state)
{
	struct ground *g = *state;
	struct verify_damage damage = damage_of(VERIFY_CHUNK, ground_chunk(&SMALL, 21));
	const char *const expected[] = {"a/000001/000021", "b/000001/000021", "d/c/000001/000021"};
	struct trace trace;

	ground_commit(g, "a", &SMALL);
	ground_commit(g, "b", &LONGER);
	scratch_sh("cd r && mkdir d && cp a.revfs d/c.revfs && git add d && git commit -qm c");
	trace = trace_of(g, &damage, 1);
	assert_int_equal(trace.damages[0].count, 3);
	for (unsigned i = 0; i < 3; i++)
		assert_string_equal(trace.damages[0].paths[i].path, expected[i]);
	assert_int_equal(trace.damages[0].paths[0].count, 3);
	assert_int_equal(trace.damages[0].paths[1].count, 2);
	assert_int_equal(trace.damages[0].paths[2].count, 1);
	trace_release(&trace);
}

/* Folders that were found clean are not gone through again, those on the way to damage are. */
static void shared_folders_are_told_of_every_revision(void **state)
{
	struct ground *g = *state;
	const struct ground_dataset part = {.from = 20, .to = 60};
	struct verify_damage damage = damage_of(VERIFY_CHUNK, ground_chunk(&SMALL, 41));
	const struct trace_path *path;
	struct trace trace;

	ground_commit(g, "a", &SMALL);
	ground_commit(g, "a", &part);
	ground_commit(g, "a", &LONGER);
	trace = trace_of(g, &damage, 1);
	path = only_path(&trace.damages[0], "a/000002/000041");
	assert_int_equal(path->count, 3);
	trace_release(&trace);
}

/* What is really damaged: the page cannot be read, and is told all the same; what is below it is not known. */
static void what_cannot_be_read_is_passed_over(void **state)
{
	struct ground *g = *state;
	struct id root = ground_commit(g, "a", &SMALL), folder = ground_folder(g, &root, 21);
	struct verify_damage damages[3] = {
	    damage_of(VERIFY_PAGE, folder),
	    damage_of(VERIFY_CHUNK, ground_chunk(&SMALL, 21)),
	    damage_of(VERIFY_CHUNK, ground_chunk(&SMALL, 41)),
	};
	struct trace trace;

	ground_damage(g, RECORD_PAGE, &folder);
	trace = trace_of(g, damages, 3);
	only_path(&trace.damages[0], "a/000001");
	assert_int_equal(trace.damages[1].count, 0);
	only_path(&trace.damages[2], "a/000002/000041");
	trace_release(&trace);
}

static void without_a_store_roots_are_told(void **state)
{
	struct ground *g = *state;
	struct id root = ground_commit(g, "a", &SMALL);
	struct verify_damage damage = damage_of(VERIFY_PAGE, root);
	const struct verify_report report = {.damages = &damage, .count = 1, .damaged = 1};
	const struct oid tip = ground_tip();
	struct trace trace;

	assert_int_equal(trace_run(g->repo, NULL, &tip, 1, &report, &trace), 0);
	only_path(&trace.damages[0], "a");
	trace_release(&trace);
}

/* From the check to whom it touches. */
static void what_verify_finds_is_traced(void **state)
{
	struct ground *g = *state;
	const struct verify_options options = {.sample = 1, .jobs = 1};
	struct id id = ground_chunk(&SMALL, 21);
	struct verify_report report;
	struct trace trace;
	struct oid tip;

	ground_commit(g, "a", &SMALL);
	scratch_sh(
	    "cd r && mkdir d && sed 's/^files .*/files 7/' a.revfs >d/b.revfs && git add d && git commit -qm b && "
	    "printf 'revfs 2\nx\n' >c.revfs && git add c.revfs && git commit -qm c");
	ground_damage(g, RECORD_CHUNK, &id);
	tip = ground_tip();
	assert_int_equal(verify_run(g->repo, g->store, &tip, 1, &options, &report), 0);
	assert_int_equal(report.count, 3);
	assert_int_equal(trace_run(g->repo, g->store, &tip, 1, &report, &trace), 0);
	for (size_t i = 0; i < report.count; i++) {
		const struct trace_damage *touched = &trace.damages[i];

		switch (report.damages[i].kind) {
		case VERIFY_CHUNK:
			assert_int_equal(touched->count, 2);
			assert_string_equal(touched->paths[0].path, "a/000001/000021");
			assert_string_equal(touched->paths[1].path, "d/b/000001/000021");
			assert_int_equal(touched->paths[0].count, 3);
			assert_int_equal(touched->paths[1].count, 2);
			break;
		case VERIFY_POINTER:
			assert_int_equal(only_path(touched, "d/b")->count, 2);
			break;
		case VERIFY_GIT:
			assert_int_equal(only_path(touched, "c")->count, 1);
			break;
		default:
			fail();
		}
	}
	trace_release(&trace);
	verify_report_release(&report);
}

/* Limits. */

/* A flat dataset of COUNT files, each of a chunk of its own, or all of the one of SAME. */
static struct id commit_flat(struct ground *g, unsigned count, bool same, struct id *chunks)
{
	struct store_writer *writer;
	struct builder *builder;
	struct built built;
	char name[16], hex[ID_HEX_SIZE];

	assert_int_equal(store_writer_open(g->store, &writer), 0);
	assert_int_equal(builder_open(writer, PAGE_DIRECTORY, &builder), 0);
	for (unsigned i = 0; i < count; i++) {
		struct entry entry = {.kind = ENTRY_FILE, .form = CONTENT_CHUNK, .size = 200, .name = name};

		entry.name_len = (uint16_t)snprintf(name, sizeof(name), "%06u", i);
		entry.id = sample_id(RECORD_CHUNK, same ? 0 : i, 200);
		if (!same || i == 0)
			assert_int_equal(sample_put(writer, RECORD_CHUNK, i, 200, &entry.locator), 0);
		chunks[same ? 0 : i] = entry.id;
		assert_int_equal(builder_add(builder, &entry), 0);
	}
	assert_int_equal(builder_finish(builder, &built), 0);
	builder_close(builder);
	assert_int_equal(store_writer_commit(writer), 0);
	assert_int_equal(builder_put_root(g->store, writer, &built), 0);
	store_writer_close(writer);
	scratch_sh("cd r && printf 'revfs 1\ntype directory\nroot sha256:%s\nfiles %u\nbytes %u\n' >a.revfs && "
	           "git add . && git commit -qm flat",
	           id_format(&built.id, hex), count, count * 200);
	return built.id;
}

static void paths_of_one_damage_are_limited(void **state)
{
	struct ground *g = *state;
	struct verify_damage damage = {.kind = VERIFY_CHUNK, .error = -EBADMSG};
	struct trace trace;

	commit_flat(g, TRACE_PATHS_MAX + 20, true, &damage.id);
	trace = trace_of(g, &damage, 1);
	assert_int_equal(trace.damages[0].count, TRACE_PATHS_MAX);
	assert_true(trace.damages[0].more);
	trace_release(&trace);
}

/* However many damages there are, none seems to touch nothing. */
static void every_one_of_many_damages_touches_something(void **state)
{
	enum { MANY = 12000 };
	struct ground *g = *state;
	struct verify_damage *damages = calloc(MANY, sizeof(*damages));
	struct id *chunks = calloc(MANY, sizeof(*chunks));
	struct trace trace;

	assert_non_null(damages);
	assert_non_null(chunks);
	commit_flat(g, MANY, false, chunks);
	for (unsigned i = 0; i < MANY; i++)
		damages[i] = damage_of(VERIFY_CHUNK, chunks[i]);
	trace = trace_of(g, damages, MANY);
	for (unsigned i = 0; i < MANY; i++)
		assert_true(trace.damages[i].count == 1 || trace.damages[i].more);
	trace_release(&trace);
	free(damages);
	free(chunks);
}

static void commits_of_one_path_are_limited(void **state)
{
	struct ground *g = *state;
	struct verify_damage damage = damage_of(VERIFY_CHUNK, ground_chunk(&SMALL, 21));
	const struct trace_path *path;
	struct trace trace;

	ground_commit(g, "a", &SMALL);
	/* Later commits with the same tree. */
	scratch_sh("cd r && t=$(git rev-parse HEAD^{tree}) && p=$(git rev-parse HEAD) && "
	           "git fast-import --quiet <<EOF\n$(for i in $(seq %d); do "
	           "printf 'commit refs/heads/many\ncommitter A <a@b> %%d +0000\ndata 0\n' $((1800000000 + i)); "
	           "test $i -gt 1 || printf 'from %%s\n' $p; echo; done)\nEOF\ngit reset -q --hard many",
	           TRACE_COMMITS_MAX + 10);
	trace = trace_of(g, &damage, 1);
	path = only_path(&trace.damages[0], "a/000001/000021");
	assert_int_equal(path->count, TRACE_COMMITS_MAX);
	assert_int_equal(path->more, 11);
	assert_commit(&path->commits[0], "HEAD");
	assert_commit(&path->commits[TRACE_COMMITS_MAX - 1], "HEAD~99");
	trace_release(&trace);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, ground_setup, ground_teardown)
	const struct CMUnitTest tests[] = {
	    TEST(chunk_touches_its_file_in_every_revision_newest_first),
	    TEST(chunk_of_a_list_touches_its_file_once),
	    TEST(page_touches_its_folder_and_a_root_its_dataset),
	    TEST(kind_of_a_record_counts),
	    TEST(damage_nobody_needs_touches_nothing),
	    TEST(every_path_of_a_chunk_is_told),
	    TEST(shared_folders_are_told_of_every_revision),
	    TEST(what_cannot_be_read_is_passed_over),
	    TEST(without_a_store_roots_are_told),
	    TEST(what_verify_finds_is_traced),
	    TEST(paths_of_one_damage_are_limited),
	    TEST(every_one_of_many_damages_touches_something),
	    TEST(commits_of_one_path_are_limited),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
