/*
 * revfs diff-driver: what Git shows of pointer files in place of their hashes.
 *
 * As the command of a diff driver it gets both versions and tells what changed, which is what `git diff` runs.  As its
 * textconv it gets one and makes it a text whose lines differ where files do, which is what `git log -p` and others
 * run.  Either ends with 0 whatever happens: Git would stop at anything else.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "cache/io.h"
#include "fs/content.h"
#include "fs/git/git.h"
#include "tools/change_print.h"
#include "tools/commands.h"
#include "tools/output.h"
#include "tools/pointer_file.h"
#include "tools/session.h"

#define NAMED_MAX 50    /* changes */
#define LISTED_MAX 1000 /* files of a text */
#define WAIT_S 2        /* for a remote that does not answer */
#define SHORT_ID 12     /* digits */

/* Pages only, and nobody waits for long; SESSION is to be closed in any case. */
static int open_session(struct session *session)
{
	static const struct remotes_wait wait = {.usual_s = WAIT_S, .asked_s = -1};

	return session_open_sized(session, SESSION_STORE, SESSION_MEMORY_BYTES, &wait);
}

static void print_numbers(const struct pointer *pointer)
{
	char number[32], size[32];

	printf("%s %s, %s", output_count(pointer->files, number), pointer->files == 1 ? "file" : "files",
	       output_size(pointer->bytes, size));
}

static void print_id(const struct id *id)
{
	char hex[ID_HEX_SIZE];

	printf(" %.*s", SHORT_ID, id_format(id, hex));
}

/* --- one version, as text --- */

struct listing {
	bool flat;      /* directories are not entered */
	uint64_t lines; /* that may still be printed */
};

static int print_entry(void *arg, const char *path, size_t path_len, const struct entry *entry)
{
	struct listing *listing = arg;
	struct content content;
	char text[32], number[32];
	struct id id;

	(void)path_len;
	if (!listing->lines--)
		return -ECANCELED;
	output_name(stdout, path, false);
	if (entry->kind == ENTRY_DIRECTORY && !entry->broken) {
		fputs("/", stdout);
		if (listing->flat) {
			printf(" %s files, %s", output_count(entry->totals.files, number),
			       output_size(entry->totals.bytes, text));
			print_id(&entry->id);
		}
	} else {
		printf(" %s", entry->kind == ENTRY_SYMLINK ? "symlink" : output_size(entry->size, text));
		if (!content_of(entry, &content)) {
			content_id(&content, &id);
			print_id(&id);
		}
		if (entry->executable)
			fputs(" executable", stdout);
	}
	putchar('\n');
	return listing->flat;
}

/* What is in the directory: all of it, or where that is too much the first level, or nothing.  What is left out is
 * there by its id. */
static int print_listing(struct source *source, const struct pointer *pointer)
{
	struct listing listing = {.flat = pointer->files > LISTED_MAX, .lines = (uint64_t)2 * LISTED_MAX};
	struct tree_visitor visitor = {.each = print_entry, .arg = &listing};
	struct directory directory;
	struct page_pin root = {0};
	uint64_t entries = 0;
	int error = source ? dataset_open(source, pointer, &root) : -ENODATA;

	if (!error)
		entries = root.page->totals.entries;
	if (source)
		source_unpin_page(source, &root);
	if (error)
		return error;
	if (pointer->is_file || entries > LISTED_MAX)
		return -EFBIG;
	print_numbers(pointer);
	putchar('\n');
	dataset_directory(pointer, &directory);
	error = tree_visit(source, &directory, &visitor);
	/* What was printed stays; the rest is there by the id of all. */
	if (error) {
		fputs("...", stdout);
		print_id(&pointer->root);
		putchar('\n');
	}
	return 0;
}

static void print_file(const char *file)
{
	size_t len;
	void *text;

	if (io_read_file(io_system(), AT_FDCWD, file, SIZE_MAX / 2, &text, &len))
		return;
	fwrite(text, 1, len, stdout);
	free(text);
}

static void print_text(const char *file)
{
	struct session session = {0};
	struct pointer pointer;

	if (pointer_file_read(file, &pointer)) {
		print_file(file);
		return;
	}
	if (open_session(&session) || print_listing(session.source, &pointer)) {
		print_numbers(&pointer);
		print_id(&pointer.root);
		putchar('\n');
	}
	session_close(&session);
}

/* --- two versions --- */

static int add_change(void *arg, const struct change *change)
{
	return change_list_add(arg, change->path, change->a, change->b);
}

static int print_changes(const char *dataset, struct change_list *list)
{
	struct change_counts counts = {0};
	uint64_t told = 0, all = 0;
	char *text, number[32];
	int error = change_list_find_renames(list);

	if (error)
		return error;
	for (size_t i = 0; i < list->count; i++) {
		change_count(&list->items[i], &counts);
		all += change_letter(&list->items[i]) != 0;
	}
	text = all ? change_counts_text(&counts) : strdup("the same files");
	if (!text)
		return -ENOMEM;
	output_name(stdout, dataset, false);
	printf(": %s\n", text);
	free(text);
	for (size_t i = 0; i < list->count && told < NAMED_MAX; i++) {
		if (!change_letter(&list->items[i]))
			continue;
		change_print_line(list, &list->items[i]);
		told++;
	}
	if (all > told)
		printf("and %s more, which 'revfs diff' names\n", output_count(all - told, number));
	return 0;
}

static int compare(const char *dataset, const struct pointer *a, const struct pointer *b)
{
	struct session session = {0};
	struct change_list list = {0};
	struct changes_request request = {.each = add_change, .arg = &list};
	int error = open_session(&session) ? -ENODATA : change_list_begin(&list, dataset);

	request.repo = session.repo;
	request.source = session.source;
	if (!error)
		error = changes_each_in(&request, dataset, a, b);
	if (!error)
		error = print_changes(dataset, &list);
	change_list_release(&list);
	session_close(&session);
	return error;
}

/* As Git shows text. */
static void print_texts(const char *old_file, const char *new_file)
{
	const char *args[] = {"diff", "--no-index", "--no-ext-diff", "--no-textconv", "--", old_file, new_file, NULL};
	struct git_run run = {.args = args, .flags = GIT_RUN_READING};

	if (!git_run(&run))
		fwrite(run.output, 1, run.output_len, stdout);
	git_run_release(&run);
}

/* Read one side: *SIDE is POINTER, or NULL where there is nothing.  0, or -errno. */
static int read_side(const char *file, struct pointer *pointer, const struct pointer **side)
{
	int error = strcmp(file, "/dev/null") ? pointer_file_read(file, pointer) : -ENODATA;

	*side = error ? NULL : pointer;
	return error == -ENODATA ? 0 : error;
}

static void print_difference(const char *path, const char *old_file, const char *new_file)
{
	char *dataset = pointer_file_dataset(path);
	struct pointer pointers[2];
	const struct pointer *a, *b;
	int error;

	if (!dataset || read_side(old_file, &pointers[0], &a) || read_side(new_file, &pointers[1], &b)) {
		print_texts(old_file, new_file);
		free(dataset);
		return;
	}
	error = compare(dataset, a, b);
	if (error) {
		output_name(stdout, dataset, false);
		fputs(": ", stdout);
		if (a)
			print_numbers(a);
		else
			fputs("nothing", stdout);
		fputs(" -> ", stdout);
		if (b)
			print_numbers(b);
		else
			fputs("nothing", stdout);
		printf(" (what changed cannot be read: %s)\n", error_text(error));
	}
	free(dataset);
}

static int run(int argc, char **argv)
{
	static const struct option options[] = {{"textconv", no_argument, NULL, COMMAND_LONG}, {0}};
	bool textconv = false;
	int count;

	while (command_option(&command_diff_driver, argc, argv, "", options) != -1)
		textconv = true;
	argv += optind;
	count = argc - optind;
	if (textconv ? count != 1 : count != 1 && count != 7 && count != 9)
		return fail_usage("Git gives one argument with --textconv; one, seven or nine without");
	if (textconv) {
		print_text(argv[0]);
	} else if (count == 1) {
		output_name(stdout, argv[0], false);
		puts(": in conflict");
	} else {
		print_difference(count == 9 ? argv[7] : argv[0], argv[1], argv[4]);
	}
	return EXIT_DONE;
}

const struct command command_diff_driver = {
    .name = "diff-driver",
    .run = run,
    .usage = "revfs diff-driver PATH OLD-FILE OLD-HEX OLD-MODE NEW-FILE NEW-HEX NEW-MODE [NEW-PATH INFO]\n"
	     "revfs diff-driver --textconv FILE",
    .summary = "show what changed in pointer files, for Git",
};
