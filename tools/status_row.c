#include "tools/status_row.h"

#include <stdio.h>

#include "tools/shown.h"

static const char *const state_names[] = {
    "unchanged", "changed",         "absent",          "empty",    "unfinished",
    "unknown",   "pointer_changed", "pointer_missing", "conflict", "later_version",
};

bool status_row_has_changes(const struct status_row *row)
{
	return row->added || row->modified || row->deleted || row->problems || row->folders;
}

static void print_counts(const struct status_row *row)
{
	const struct {
		uint64_t count;
		const char *name;
	} counts[] = {{row->added, "added"},
	              {row->modified, "modified"},
	              {row->deleted, "deleted"},
	              {row->problems, "that cannot be recorded"}};
	const char *between = "";
	char text[32];

	for (size_t i = 0; i < sizeof(counts) / sizeof(*counts); i++) {
		if (!counts[i].count)
			continue;
		printf("%s%s %s", between, output_count(counts[i].count, text), counts[i].name);
		between = ", ";
	}
	if (row->became_other)
		printf("became a %s", row->pointer.is_file ? "directory" : "file");
	else if (!*between)
		printf("%s folder%s added or deleted", output_count(row->folders, text), row->folders == 1 ? "" : "s");
}

bool status_row_is_unmerged(const struct status_row *row)
{
	return row->dataset->unmerged && row->state <= STATUS_POINTER_CHANGED;
}

/* What lets an attached dataset show what the pointer says: that follows commits alone. */
static void print_way_to_pointer(const struct status_row *row, const char *path)
{
	if (row->dataset->unmerged)
		printf(" ('revfs detach %s', then 'revfs checkout %s')", path, path);
	else if (!row->committed)
		printf(" ('git commit', then 'revfs attach %s%s')", status_row_has_changes(row) ? "--rebase " : "",
		       path);
	else if (status_row_has_changes(row))
		printf(" ('revfs attach --rebase %s')", path);
	else
		printf(" ('revfs attach %s' follows it)", path);
}

static void print_pointer_changed(const struct status_row *row, const char *path)
{
	if (!row->attached) {
		printf("the pointer changed since ('revfs checkout %s', or 'revfs snapshot --force %s')", path, path);
		return;
	}
	if (status_row_has_changes(row)) {
		print_counts(row);
		printf(", based on ");
	}
	printf("another version than the pointer's");
	print_way_to_pointer(row, path);
}

static void print_pointer_missing(const struct status_row *row, const char *path)
{
	if (row->attached && !row->dataset->indexed)
		printf("no dataset of this revision ('revfs detach %s')", path);
	else
		printf("the pointer file is gone ('git checkout HEAD -- %s" POINTER_SUFFIX
		       "', or 'git rm %s" POINTER_SUFFIX "')",
		       path, path);
}

static void print_attached(const struct status_row *row, const char *path)
{
	if (row->attached == STATUS_MOUNTED)
		printf("; attached");
	else if (row->attached == STATUS_NOT_MOUNTED)
		printf("; attached, not mounted ('revfs attach %s')", path);
}

void status_row_print(const struct status_row *row)
{
	const char *path = shown(row->dataset->path);

	printf("%s: ", path);
	switch (row->state) {
	case STATUS_UNCHANGED:
		printf("unchanged");
		break;
	case STATUS_CHANGED:
		print_counts(row);
		break;
	case STATUS_ABSENT:
		printf("not checked out ('revfs checkout %s')", path);
		break;
	case STATUS_EMPTY:
		printf("empty ('revfs checkout %s' brings the files back)", path);
		break;
	case STATUS_UNFINISHED:
		printf("a checkout was not finished ('revfs checkout %s' finishes it)", path);
		break;
	case STATUS_UNKNOWN:
		printf("never compared with its pointer ('revfs checkout %s')", path);
		break;
	case STATUS_POINTER_CHANGED:
		print_pointer_changed(row, path);
		break;
	case STATUS_POINTER_MISSING:
		print_pointer_missing(row, path);
		break;
	case STATUS_CONFLICT:
		printf("%s" POINTER_SUFFIX ", line %u: %s", path, row->line ? row->line : 1, row->why);
		break;
	case STATUS_LATER:
		printf("written by a later version of revfs");
		break;
	}
	print_attached(row, path);
	if (status_row_is_unmerged(row))
		printf("; in conflict, until 'revfs snapshot %s' says that it is resolved", path);
	else if (row->state <= STATUS_POINTER_CHANGED && !row->committed)
		printf("; pointer not committed");
	putchar('\n');
}

json_t *status_row_json(const struct status_row *row)
{
	json_t *value = json_object();
	char hex[ID_HEX_SIZE];

	output_json_path(value, "path", row->dataset->path);
	json_object_set_new(value, "state", json_string(state_names[row->state]));
	if (row->state <= STATUS_POINTER_CHANGED) {
		json_object_set_new(value, "committed", json_boolean(row->committed));
		json_object_set_new(value, "root", json_string(id_format(&row->pointer.root, hex)));
		json_object_set_new(value, "files", json_integer((json_int_t)row->pointer.files));
		json_object_set_new(value, "bytes", json_integer((json_int_t)row->pointer.bytes));
	}
	if (row->attached) {
		json_object_set_new(value, "attached", json_true());
		json_object_set_new(value, "mounted", json_boolean(row->attached == STATUS_MOUNTED));
	}
	if (row->state <= STATUS_CHANGED || (row->attached && row->state == STATUS_POINTER_CHANGED)) {
		json_object_set_new(value, "added", json_integer((json_int_t)row->added));
		json_object_set_new(value, "modified", json_integer((json_int_t)row->modified));
		json_object_set_new(value, "deleted", json_integer((json_int_t)row->deleted));
		json_object_set_new(value, "unrecordable", json_integer((json_int_t)row->problems));
		json_object_set_new(value, "folders", json_integer((json_int_t)row->folders));
		json_object_set_new(value, "became_other", json_boolean(row->became_other));
	}
	if (row->state == STATUS_CONFLICT) {
		json_object_set_new(value, "line", json_integer(row->line ? row->line : 1));
		json_object_set_new(value, "message", json_string(row->why));
	}
	return value;
}
