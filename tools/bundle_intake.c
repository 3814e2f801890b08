#include "tools/bundle_intake.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cache/remote_store.h"
#include "fs/pack_check.h"
#include "tools/fail.h"
#include "tools/shown.h"
#include "tools/stop.h"

#define PIECE ((size_t)1 << 20)

static int fail_read(const struct bundle_intake *in, int error)
{
	const char *name = *in->entry.name ? in->entry.name : "its beginning or end";

	if (error == -EINTR)
		return stop_status();
	if (error == -EBADMSG)
		return fail(EXIT_DAMAGED, "'%s' is damaged, or no bundle, at '%s': no revision of it was taken in",
		            shown(in->path), shown(name));
	if (error == -ENOTSUP)
		return fail(EXIT_REFUSED, "'%s' was written by a later version of revfs: upgrade this one",
		            shown(in->path));
	return fail(exit_code_of(error), "cannot take in '%s' of '%s': %s", shown(name), shown(in->path),
	            error_text(error));
}

/* --- files of the store --- */

/* Write the file that the reader stands at to a new one, *TMP, below the store. */
static int copy_out(struct bundle_intake *in, const char *suffix, char tmp[REMOTE_PATH_SIZE])
{
	const int dir = store_dirfd(in->session->store);
	const struct io *io = io_system();
	char hex[PACK_ID_HEX_SIZE];
	struct pack_id random;
	uint8_t *piece = malloc(PIECE);
	ssize_t got = 1;
	uint64_t at = 0;
	int fd, error = piece ? store_make_folder(in->session->store, "tmp") : -ENOMEM;

	io_random(io, &random, sizeof(random));
	snprintf(tmp, REMOTE_PATH_SIZE, "tmp/%s%s", pack_id_format(&random, hex), suffix);
	fd = error ? error : io_open(io, dir, tmp, O_RDWR | O_CREAT | O_EXCL, 0600);
	error = fd < 0 ? fd : 0;
	while (!error && got > 0) {
		got = atomic_load(stop_flag()) ? -EINTR : bundle_reader_read(in->reader, piece, PIECE);
		error = got < 0 ? (int)got : io_write_exact(io, fd, piece, (size_t)got, at);
		at += got > 0 ? (uint64_t)got : 0;
	}
	if (!error && at != in->entry.size)
		error = -EBADMSG;
	io_close(io, fd);
	free(piece);
	if (error && fd >= 0)
		io_unlink(io, dir, tmp);
	return error;
}

static int add_page_pack(struct bundle_intake *in, const struct pack_id *id)
{
	struct pack_id *more = reallocarray(in->page_packs, in->page_packs_count + 1, sizeof(*more));

	if (!more)
		return -ENOMEM;
	in->page_packs = more;
	more[in->page_packs_count++] = *id;
	return 0;
}

/* One that is here already has to be whole, and as long as that of the bundle. */
static int check_present(struct bundle_intake *in, uint64_t size, bool *has_pages)
{
	char path[REMOTE_PATH_SIZE];
	int error = size == in->entry.size ? pack_check(io_system(), store_dirfd(in->session->store), in->entry.name,
	                                                &in->entry.pack, NULL, NULL, has_pages)
	                                   : -EBADMSG;

	if (error != -EBADMSG)
		return error ? fail_read(in, error) : EXIT_DONE;
	return fail(EXIT_DAMAGED,
	            "'%s' in the store here is damaged, or another than the one in '%s': 'revfs verify' says which",
	            remote_store_pack_path(&in->entry.pack, "", path), shown(in->path));
}

static int take_pack(struct bundle_intake *in)
{
	const int dir = store_dirfd(in->session->store);
	char tmp[REMOTE_PATH_SIZE];
	bool has_pages = false;
	struct stat st;
	int error = store_stat_pack(in->session->store, &in->entry.pack, &st), status;

	if (!error) {
		status = check_present(in, (uint64_t)st.st_size, &has_pages);
		if (status)
			return status;
	} else if (error == -ENOENT) {
		error = copy_out(in, ".pack", tmp);
		if (error)
			return fail_read(in, error);
		error = pack_check(io_system(), dir, tmp, &in->entry.pack, NULL, NULL, &has_pages);
		if (!error)
			error = store_adopt_pack(in->session->store, tmp, &in->entry.pack);
		if (error)
			io_unlink(io_system(), dir, tmp);
	}
	if (!error && has_pages)
		error = add_page_pack(in, &in->entry.pack);
	return error ? fail_read(in, error) : EXIT_DONE;
}

/* --- moved files --- */

static int compare_moved(const void *a, const void *b)
{
	const struct moved_entry *x = a, *y = b;

	return x->old_offset < y->old_offset ? -1 : x->old_offset > y->old_offset;
}

/* Say where records of PACK went: what is said here stays, and the bundle says the rest. */
static int merge_moved(struct store *store, const struct pack_id *pack, const struct moved_entry *theirs, size_t count)
{
	struct moved_entry *ours = NULL, *list;
	size_t ours_count = 0, n;
	int error = store_read_moved(store, pack, &ours, &ours_count);

	if (error && error != -ENOENT && error != -EBADMSG)
		return error;
	list = calloc(ours_count + count + 1, sizeof(*list));
	n = ours_count;
	if (list && n)
		memcpy(list, ours, n * sizeof(*list));
	for (size_t i = 0; list && i < count; i++) {
		if (!moved_lookup(ours, ours_count, theirs[i].old_offset))
			list[n++] = theirs[i];
	}
	error = list ? 0 : -ENOMEM;
	if (!error && n > ours_count) {
		qsort(list, n, sizeof(*list), compare_moved);
		error = store_write_moved(store, pack, list, n);
	}
	free(list);
	free(ours);
	return error;
}

/* Where the whole pack is here, nothing went. */
static int take_moved(struct bundle_intake *in)
{
	struct moved_entry *entries = NULL;
	size_t count = 0;
	struct stat st;
	void *data;
	int error = bundle_reader_read_all(in->reader, &in->entry, (size_t)in->entry.size, &data);

	if (error)
		return fail_read(in, error);
	error = moved_decode(data, (size_t)in->entry.size, &in->entry.pack, &entries, &count);
	free(data);
	if (!error && store_stat_pack(in->session->store, &in->entry.pack, &st) == -ENOENT)
		error = merge_moved(in->session->store, &in->entry.pack, entries, count);
	free(entries);
	return error ? fail_read(in, error) : EXIT_DONE;
}

/* --- the rest --- */

/* Check a root; PUT: take it in. */
static int take_root(struct bundle_intake *in, bool put)
{
	struct record record;
	void *data;
	int error = bundle_reader_read_all(in->reader, &in->entry, STORE_ROOT_FILE_MAX, &data);

	if (error)
		return fail_read(in, error);
	error = store_decode_root(data, (size_t)in->entry.size, &in->entry.root, &record);
	free(data);
	if (error)
		return fail_read(in, error);
	if (put)
		error = store_put_root(in->session->store, &in->entry.root, record.data, record.len, record.hashed_len);
	free(record.data);
	return error ? fail_read(in, error) : EXIT_DONE;
}

static int take_manifest(struct bundle_intake *in)
{
	void *text;
	int error = bundle_reader_read_all(in->reader, &in->entry, BUNDLE_MANIFEST_MAX, &text);

	if (!error) {
		error = bundle_manifest_parse(&in->manifest, text, (size_t)in->entry.size);
		free(text);
	}
	if (error)
		return fail_read(in, error);
	return in->known ? in->known(in->arg, &in->manifest) : EXIT_DONE;
}

static int take_commits(struct bundle_intake *in)
{
	char tmp[REMOTE_PATH_SIZE];
	int error = copy_out(in, ".commits", tmp);

	if (!error && asprintf(&in->git_file, "%s/%s", store_path(in->session->store), tmp) < 0) {
		in->git_file = NULL;
		io_unlink(io_system(), store_dirfd(in->session->store), tmp);
		error = -ENOMEM;
	}
	return error ? fail_read(in, error) : EXIT_DONE;
}

static int take_entry(struct bundle_intake *in)
{
	in->packs += in->entry.what == BUNDLE_IS_PACK;
	in->roots += in->entry.what == BUNDLE_IS_ROOT;
	in->bytes += in->entry.size;
	in->has_commits |= in->entry.what == BUNDLE_IS_COMMITS;
	progress_add(in->progress, in->entry.what == BUNDLE_IS_PACK, in->entry.size, 0);
	if (in->entry.what == BUNDLE_IS_MANIFEST)
		return take_manifest(in);
	if (in->dry)
		return EXIT_DONE;
	switch (in->entry.what) {
	case BUNDLE_IS_PACK:
		return take_pack(in);
	case BUNDLE_IS_MOVED:
		return take_moved(in);
	case BUNDLE_IS_ROOT:
		return take_root(in, false);
	case BUNDLE_IS_COMMITS:
		return take_commits(in);
	default:
		return EXIT_DONE;
	}
}

/* Go through the bundle; ROOTS: for its roots alone, which are taken in. */
static int read_through(struct bundle_intake *in, bool roots)
{
	int more = bundle_reader_open(in->path, &in->reader), status = EXIT_DONE;

	in->entry.name[0] = '\0';
	if (more && more != -EBADMSG)
		return fail(exit_code_of(more), "cannot open '%s': %s", shown(in->path), error_text(more));
	if (more)
		return fail_read(in, more);
	do {
		more = atomic_load(stop_flag()) ? -EINTR : bundle_reader_next(in->reader, &in->entry);
		if (more < 0)
			status = fail_read(in, more);
		else if (more && !roots)
			status = take_entry(in);
		else if (more && in->entry.what == BUNDLE_IS_ROOT)
			status = take_root(in, true);
	} while (more > 0 && !status);
	bundle_reader_close(in->reader);
	in->reader = NULL;
	return status;
}

/* --- whether all is there --- */

static int find_named(void *arg, const struct page_named *named)
{
	struct bundle_intake *in = arg;
	struct locator at;

	return store_find(in->session->store, named->what == NAMES_PAGE ? RECORD_PAGE : RECORD_CHUNK, &named->id, &at,
	                  NULL);
}

/* What a bundle goes on from has to be here; where there are remotes, it may be read from them. */
static int fail_incomplete(const struct bundle_intake *in)
{
	const char *since = NULL;

	for (size_t i = 0; i < in->manifest.count && !since; i++)
		since = in->manifest.revisions[i].is_since ? in->manifest.revisions[i].name : NULL;
	if (!since)
		return fail(EXIT_DAMAGED,
		            "'%s' does not have all that its revisions need: no revision of it was taken in",
		            shown(in->path));
	if (source_find_fetch(in->session->source)) {
		inform_verbose("not all data of '%s' is in the store here: the rest is read from remotes",
		               shown(since));
		return EXIT_DONE;
	}
	return fail(EXIT_REFUSED,
	            "'%s' goes on from '%s', whose data is not all here: take that in first, then run this again",
	            shown(in->path), shown(since));
}

static int check_complete(struct bundle_intake *in)
{
	const int dir = store_dirfd(in->session->store);

	store_refresh(in->session->store);
	for (size_t i = 0; i < in->page_packs_count; i++) {
		char path[REMOTE_PATH_SIZE];
		bool has_pages;
		int error = pack_check(io_system(), dir, remote_store_pack_path(&in->page_packs[i], "", path),
		                       &in->page_packs[i], find_named, in, &has_pages);

		if (error == -ENOENT)
			return fail_incomplete(in);
		if (error)
			return fail_read(in, error);
	}
	return EXIT_DONE;
}

int bundle_intake_run(struct bundle_intake *intake)
{
	int status = read_through(intake, false);

	if (!status && !intake->dry)
		status = check_complete(intake);
	if (!status && !intake->dry)
		status = read_through(intake, true);
	return status;
}

void bundle_intake_release(struct bundle_intake *intake)
{
	bundle_manifest_release(&intake->manifest);
	if (intake->git_file)
		io_unlink(io_system(), AT_FDCWD, intake->git_file);
	free(intake->git_file);
	free(intake->page_packs);
}
