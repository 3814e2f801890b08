#include "tools/snapshot_report.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cache/wire.h"
#include "tools/command.h"
#include "tools/output.h"
#include "tools/shown.h"

int snapshot_report_problem(const char *path, enum problem problem, int error)
{
	const char *name = shown(path);

	switch (problem) {
	case PROBLEM_UNREADABLE:
		return fail(exit_code_of(error), "cannot read '%s': %s", name, error_text(error));
	case PROBLEM_CHANGING:
		return fail(EXIT_TEMPORARY, "'%s' changed while it was read: run this again when nobody writes to it",
		            name);
	case PROBLEM_SPECIAL:
		return fail(EXIT_REFUSED,
		            "'%s' is a FIFO, socket or device: remove it, or leave it out with --skip-special", name);
	case PROBLEM_DOTGIT:
		return fail(EXIT_REFUSED,
		            "'%s' is a name that git or a file system takes for .git: rename or remove it", name);
	case PROBLEM_OUTSIDE_LINK:
		return fail(EXIT_REFUSED,
		            "'%s' is a symlink that leads out of the dataset: --allow-outside-links records it", name);
	case PROBLEM_TOO_DEEP:
		return fail(EXIT_REFUSED, "'%s' lies below more than %d directories", name, PAGE_DEPTH_MAX);
	case PROBLEM_ELSEWHERE:
		return fail(
		    EXIT_REFUSED,
		    "'%s' was moved or its metadata changed by an overlay with redirect_dir or metacopy, and its "
		    "content is in another layer: copy it to a new name",
		    name);
	}
	return fail(EXIT_SYSTEM, "cannot record '%s'", name);
}

bool snapshot_report_is_told(const struct snapshot_item *item)
{
	return item->ready && (!item->result.unchanged || !snapshot_item_is_committed(item));
}

/* Append "3 added, 1 modified", or what else became of the dataset. */
static void put_counts(struct buffer *text, const struct snapshot_item *item)
{
	const struct new_tree_counts *c = &item->result.counts;
	const struct {
		uint64_t count;
		const char *name;
	} counts[] = {{c->added, "added"}, {c->modified, "modified"}, {c->deleted, "deleted"}, {c->renamed, "renamed"}};
	char number[32];
	bool any = false;

	for (size_t i = 0; i < sizeof(counts) / sizeof(*counts); i++) {
		if (!counts[i].count)
			continue;
		output_count(counts[i].count, number);
		buffer_append(text, ", ", any ? 2 : 0);
		buffer_append(text, number, strlen(number));
		buffer_put8(text, ' ');
		buffer_append(text, counts[i].name, strlen(counts[i].name));
		any = true;
	}
	if (!any) {
		const char *what = item->result.unchanged ? "as it was, not committed yet" : "directories changed";

		buffer_append(text, what, strlen(what));
	}
}

static void put_text(struct buffer *text, const char *more)
{
	buffer_append(text, more, strlen(more));
}

char *snapshot_report_message(const struct snapshot_plan *plan)
{
	struct buffer text = {0};
	const struct snapshot_item *only = NULL;
	size_t told = 0;

	for (size_t i = 0; i < plan->count; i++) {
		if (!snapshot_report_is_told(&plan->items[i]))
			continue;
		only = &plan->items[i];
		told++;
	}
	put_text(&text, "Snapshot of ");
	if (told == 1) {
		put_text(&text, shown(only->path));
	} else {
		char number[32];

		put_text(&text, output_count(told, number));
		put_text(&text, " datasets");
	}
	put_text(&text, "\n\n");
	for (size_t i = 0; i < plan->count; i++) {
		if (!snapshot_report_is_told(&plan->items[i]))
			continue;
		put_text(&text, shown(plan->items[i].path));
		put_text(&text, ": ");
		put_counts(&text, &plan->items[i]);
		buffer_put8(&text, '\n');
	}
	buffer_put8(&text, 0);
	if (!text.failed)
		return (char *)text.data;
	buffer_release(&text);
	return NULL;
}

static void print_text(const struct snapshot_report *report)
{
	uint64_t read = 0, new_bytes = 0, stored = 0, linked = 0;
	char a[32], b[32], c[32], hex[OID_HEX_MAX];
	struct buffer text = {0};

	for (size_t i = 0; i < report->plan->count; i++) {
		const struct snapshot_item *item = &report->plan->items[i];

		read += item->result.read_bytes;
		new_bytes += item->result.new_bytes;
		stored += item->result.stored_bytes;
		if (!snapshot_report_is_told(item))
			continue;
		linked += item->result.linked;
		put_text(&text, shown(item->path));
		put_text(&text, ": ");
		put_counts(&text, item);
		buffer_put8(&text, '\n');
	}
	buffer_put8(&text, 0);
	if (!text.failed)
		fputs((const char *)text.data, stdout);
	buffer_release(&text);
	printf("read %s, %s new, %s stored, %.2f s\n", output_size(read, a), output_size(new_bytes, b),
	       output_size(stored, c), report->seconds);
	if (linked)
		printf("%s files have other hard links: they are recorded as separate files\n",
		       output_count(linked, a));
	if (report->commit)
		printf("commit %s\n", oid_format(report->commit, hex));
	if (report->note)
		printf("%s\n", report->note);
}

static json_t *json_dataset(const struct snapshot_item *item)
{
	const struct snapshot_result *r = &item->result;
	char hex[ID_HEX_SIZE];
	json_t *value = json_object();

	output_json_path(value, "path", item->path);
	json_object_set_new(value, "root", json_string(id_format(&r->pointer.root, hex)));
	json_object_set_new(value, "files", json_integer((json_int_t)r->pointer.files));
	json_object_set_new(value, "bytes", json_integer((json_int_t)r->pointer.bytes));
	json_object_set_new(value, "added", json_integer((json_int_t)r->counts.added));
	json_object_set_new(value, "modified", json_integer((json_int_t)r->counts.modified));
	json_object_set_new(value, "deleted", json_integer((json_int_t)r->counts.deleted));
	json_object_set_new(value, "renamed", json_integer((json_int_t)r->counts.renamed));
	json_object_set_new(value, "read_bytes", json_integer((json_int_t)r->read_bytes));
	json_object_set_new(value, "new_bytes", json_integer((json_int_t)r->new_bytes));
	json_object_set_new(value, "stored_bytes", json_integer((json_int_t)r->stored_bytes));
	return value;
}

static void print_json(const struct snapshot_report *report)
{
	json_t *value = json_object(), *datasets = json_array();
	char hex[OID_HEX_MAX];

	for (size_t i = 0; i < report->plan->count; i++) {
		if (snapshot_report_is_told(&report->plan->items[i]))
			json_array_append_new(datasets, json_dataset(&report->plan->items[i]));
	}
	json_object_set_new(value, "commit",
	                    report->commit ? json_string(oid_format(report->commit, hex)) : json_null());
	json_object_set_new(value, "datasets", datasets);
	json_object_set_new(value, "seconds", json_real(report->seconds));
	output_json(stdout, value);
}

void snapshot_report_print(const struct snapshot_report *report)
{
	bool any = false;

	for (size_t i = 0; i < report->plan->count; i++)
		any |= snapshot_report_is_told(&report->plan->items[i]);
	if (globals.json)
		print_json(report);
	else if (globals.quiet)
		return;
	else if (any)
		print_text(report);
	else if (!report->plan->outcome.failure)
		puts("nothing changed");
}
