#include "fs/git/ref_table.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

struct ref_table {
	atomic_uint references;
	size_t count;
	size_t size;
	struct repo_ref *refs; /* their names are malloc'ed */
};

struct ref_table *ref_table_new(void)
{
	struct ref_table *table = calloc(1, sizeof(*table));

	if (table)
		atomic_init(&table->references, 1);
	return table;
}

struct ref_table *ref_table_get(struct ref_table *table)
{
	if (table)
		atomic_fetch_add_explicit(&table->references, 1, memory_order_relaxed);
	return table;
}

void ref_table_put(struct ref_table *table)
{
	if (!table || atomic_fetch_sub_explicit(&table->references, 1, memory_order_acq_rel) > 1)
		return;
	for (size_t i = 0; i < table->count; i++)
		free((char *)table->refs[i].name);
	free(table->refs);
	free(table);
}

int ref_table_add(void *arg, const struct repo_ref *ref)
{
	struct ref_table *table = arg;
	struct repo_ref *refs;
	size_t size;
	char *name;

	if (table->count == table->size) {
		size = table->size ? 2 * table->size : 64;
		refs = realloc(table->refs, size * sizeof(*refs));
		if (!refs)
			return -ENOMEM;
		table->refs = refs;
		table->size = size;
	}
	name = strdup(ref->name);
	if (!name)
		return -ENOMEM;
	table->refs[table->count] = *ref;
	table->refs[table->count++].name = name;
	return 0;
}

static int compare(const void *a, const void *b)
{
	return strcmp(((const struct repo_ref *)a)->name, ((const struct repo_ref *)b)->name);
}

void ref_table_sort(struct ref_table *table)
{
	if (table->count)
		qsort(table->refs, table->count, sizeof(*table->refs), compare);
}

const struct repo_ref *ref_table_find(const struct ref_table *table, const char *name)
{
	const struct repo_ref key = {.name = name};

	return table->count ? bsearch(&key, table->refs, table->count, sizeof(key), compare) : NULL;
}

int ref_table_each(const struct ref_table *table, int (*each)(void *arg, const struct repo_ref *ref), void *arg)
{
	int r = 0;

	for (size_t i = 0; !r && i < table->count; i++)
		r = each(arg, &table->refs[i]);
	return r;
}
