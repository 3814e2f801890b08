/*
 * revfs archive: a revision, or a part of it, as a tar archive in the pax format on stdout.
 *
 * The same place of the same revision gives the same bytes: entries are in listing order, owner and group are 0, and
 * nothing of this machine is in the headers.
 */
#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fs/name.h"
#include "fs/place_visit.h"
#include "tools/commands.h"
#include "tools/output.h"
#include "tools/session.h"
#include "tools/shown.h"

/* How much is read of Git's files at once. */
#define BLOCK_SIZE (256u << 10)

struct run {
	struct session session;
	struct target target;
	struct place place;
	struct archive *archive;
	struct archive_entry *entry;
	const char *top; /* name of what is archived where it is a single file */
	uint8_t *block;
	uint64_t written; /* entries */
	uint64_t failed;
	int first_failure; /* an exit status */
	int output_error;  /* -errno of stdout */
};

static la_ssize_t write_output(struct archive *archive, void *arg, const void *data, size_t len)
{
	struct run *run = arg;
	int r = output_write(data, len);

	if (r == 0)
		return (la_ssize_t)len;
	run->output_error = r;
	archive_set_error(archive, -r, "%s", error_text(r));
	return -1;
}

/* A path below the place is not written.  Returns 0, so that the others go on. */
static int fail_path(struct run *run, const char *path, int error)
{
	char *name = NULL;
	int status;

	if (*path && asprintf(&name, "%s%s%s", run->target.name,
	                      run->target.name[strlen(run->target.name) - 1] == ':' ? "" : "/", path) < 0)
		name = NULL;
	status = session_unreadable(&run->session, name ? name : run->target.name, error);
	if (!run->first_failure)
		run->first_failure = status;
	run->failed++;
	free(name);
	return 0;
}

/* Where the holes of a file are, so that they take no room in the archive. */
struct extents {
	struct archive_entry *entry;
	uint64_t offset;
	uint64_t data_at; /* where the piece of data that is not told yet began */
	bool in_data;
	bool any_hole;
};

static void end_extent(struct extents *e)
{
	if (e->in_data && e->offset > e->data_at)
		archive_entry_sparse_add_entry(e->entry, (la_int64_t)e->data_at, (la_int64_t)(e->offset - e->data_at));
	e->in_data = false;
}

static int add_chunk(void *arg, const struct list_entry *chunk)
{
	struct extents *e = arg;

	if (content_is_hole(&chunk->id)) {
		end_extent(e);
		e->any_hole = true;
	} else if (!e->in_data) {
		e->in_data = true;
		e->data_at = e->offset;
	}
	e->offset += chunk->len * chunk->count;
	return 0;
}

static int set_holes(struct run *run, const struct place *place)
{
	struct extents e = {.entry = run->entry};
	int r;

	if (place->kind != PLACE_DATA_FILE || place->content.form != CONTENT_LIST)
		return 0;
	r = content_each_chunk(run->session.source, &place->content, add_chunk, &e);
	if (r < 0)
		return r;
	end_extent(&e);
	/* Nothing but holes: an empty piece at the end says how long the file is. */
	if (archive_entry_sparse_count(run->entry) == 0)
		archive_entry_sparse_add_entry(run->entry, (la_int64_t)place->size, 0);
	if (!e.any_hole)
		archive_entry_sparse_clear(run->entry);
	return 0;
}

static void set_entry(struct run *run, const char *path, const struct place *place)
{
	struct archive_entry *entry = run->entry;

	archive_entry_clear(entry);
	archive_entry_set_pathname(entry, path);
	archive_entry_set_perm(entry, place_mode(place) & 0777);
	archive_entry_set_mtime(entry, place->time.tv_sec, place->time.tv_nsec);
	archive_entry_set_uid(entry, 0);
	archive_entry_set_gid(entry, 0);
	archive_entry_set_size(entry, 0);
	if (place_is_directory(place))
		archive_entry_set_filetype(entry, AE_IFDIR);
	else if (S_ISLNK(place_mode(place)))
		archive_entry_set_filetype(entry, AE_IFLNK);
	else
		archive_entry_set_filetype(entry, AE_IFREG);
}

static int write_data(void *arg, const void *data, uint64_t len)
{
	static const uint8_t zeros[BLOCK_SIZE];
	struct run *run = arg;

	while (len > 0) {
		size_t part = data || len < sizeof(zeros) ? (size_t)len : sizeof(zeros);

		if (archive_write_data(run->archive, data ? data : zeros, part) < 0)
			return run->output_error ? run->output_error : -EIO;
		len -= part;
	}
	return 0;
}

static int write_blob(struct run *run, const struct place *place)
{
	uint64_t offset = 0;

	while (offset < place->size) {
		ssize_t n = place_read(&run->session.world, place, run->block, BLOCK_SIZE, offset);
		int r = n > 0 ? write_data(run, run->block, (uint64_t)n) : n < 0 ? (int)n : -EBADMSG;

		if (r < 0)
			return r;
		offset += (uint64_t)n;
	}
	return 0;
}

/*
 * The bytes of a file whose header is out.  What cannot be read is told, and zeros stand for it: the header has
 * promised that many bytes, and the entries behind it must stay readable.
 */
static int write_content(struct run *run, const char *path, const struct place *place)
{
	int r = place->kind == PLACE_DATA_FILE
	            ? content_each_piece(run->session.source, &place->content, write_data, run)
	            : write_blob(run, place);

	if (run->output_error)
		return run->output_error;
	if (r < 0) {
		archive_write_finish_entry(run->archive);
		return fail_path(run, path, r);
	}
	return archive_write_finish_entry(run->archive) < ARCHIVE_WARN ? -EIO : 0;
}

static int write_header(struct run *run)
{
	if (archive_write_header(run->archive, run->entry) >= ARCHIVE_WARN)
		return 0;
	return run->output_error ? run->output_error : -EINVAL;
}

/* Whether the first bytes of a file can be read, before its header is out. */
static int try_content(struct run *run, const struct place *place)
{
	uint8_t byte;
	ssize_t n;

	if (place->foreign)
		return -ENOTSUP;
	n = place->size > 0 ? place_read(&run->session.world, place, &byte, 1, 0) : 0;
	return n < 0 ? (int)n : 0;
}

static int write_place(struct run *run, const char *path, const struct place *place)
{
	char target[PAGE_SYMLINK_MAX + 1];
	bool regular = false;
	int r = 0;

	if (place->kind == PLACE_BROKEN)
		return fail_path(run, path, place->error);
	set_entry(run, path, place);
	if (S_ISLNK(place_mode(place))) {
		r = place_target(&run->session.world, place, target);
		archive_entry_set_symlink(run->entry, r == 0 ? target : "");
	} else if (!place_is_directory(place)) {
		regular = true;
		archive_entry_set_size(run->entry, (la_int64_t)place->size);
		r = try_content(run, place);
		if (r == 0)
			r = set_holes(run, place);
	}
	if (r < 0)
		return fail_path(run, path, r);
	r = write_header(run);
	if (r < 0)
		return run->output_error ? r : fail_path(run, path, r);
	run->written++;
	return regular ? write_content(run, path, place) : 0;
}

static int visit_each(void *arg, const char *path, const struct place *place)
{
	struct run *run = arg;
	const char *last = strrchr(path, '/');

	last = last ? last + 1 : path;
	if (!name_is_valid(last, strlen(last))) {
		fail_path(run, path, -EIO);
		return 1;
	}
	return write_place(run, path, place);
}

static int visit_failed(void *arg, const char *path, int error)
{
	return fail_path(arg, path, error);
}

static int write_all(struct run *run)
{
	struct place_visitor visitor = {
	    .each = visit_each, .failed = visit_failed, .arg = run, .without_pointers = true};

	if (place_is_directory(&run->place))
		return place_visit(&run->session.world, &run->place, &visitor);
	return write_place(run, run->top, &run->place);
}

static int open_archive(struct run *run)
{
	/*
	 * Names are bytes to us.  libarchive wants a character set; where a name is not UTF-8 it says so in the archive
	 * and writes the bytes.
	 */
	if (!setlocale(LC_CTYPE, "C.UTF-8"))
		(void)setlocale(LC_CTYPE, "");
	run->block = malloc(BLOCK_SIZE);
	run->entry = archive_entry_new();
	run->archive = archive_write_new();
	if (!run->block || !run->entry || !run->archive)
		return fail(EXIT_SYSTEM, "%s", error_text(-ENOMEM));
	archive_write_set_format_pax(run->archive);
	archive_write_set_bytes_per_block(run->archive, 10240);
	archive_write_set_bytes_in_last_block(run->archive, 10240);
	if (archive_write_open(run->archive, run, NULL, write_output, NULL) != ARCHIVE_OK)
		return fail(EXIT_SYSTEM, "cannot begin the archive: %s", archive_error_string(run->archive));
	return EXIT_DONE;
}

static int archive_place(struct run *run)
{
	int status = open_archive(run), r;

	if (status)
		return status;
	r = write_all(run);
	if (r == 0 && archive_write_close(run->archive) != ARCHIVE_OK)
		r = run->output_error ? run->output_error : -EIO;
	if (r < 0)
		return fail(exit_code_of(r), "cannot write the archive: %s", error_text(r));
	if (!run->failed)
		return EXIT_DONE;
	return run->written ? EXIT_PARTIAL : run->first_failure;
}

static int run(int argc, char **argv)
{
	static const struct option options[] = {{0}};
	struct run run = {0};
	const char *slash;
	int status;

	while (command_option(&command_archive, argc, argv, "", options) != -1)
		;
	if (argc - optind != 1)
		return fail_usage(argc == optind ? "no revision named" : "too many arguments");
	if (isatty(STDOUT_FILENO))
		return fail(EXIT_REFUSED,
		            "an archive is not written to a terminal: redirect the output, 'revfs archive %s >FILE'",
		            argv[optind]);
	status = session_open(&run.session, SESSION_STORE);
	if (status)
		return status;
	status = session_target(&run.session, argv[optind], &run.target);
	if (!status)
		status = session_place(&run.session, &run.target, &run.place);
	if (!status && run.place.kind == PLACE_BROKEN)
		status = session_unreadable(&run.session, run.target.name, run.place.error);
	if (!status) {
		slash = strrchr(run.target.path, '/');
		run.top = slash ? slash + 1 : run.target.path;
		status = archive_place(&run);
	}
	archive_entry_free(run.entry);
	archive_write_free(run.archive);
	free(run.block);
	target_release(&run.target);
	session_close(&run.session);
	return status;
}

const struct command command_archive = {
    .name = "archive",
    .run = run,
    .usage = "revfs archive REV[:PATH]",
    .summary = "write a revision as a tar archive to standard output",
};
