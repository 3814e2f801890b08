#include "tools/bundle_manifest.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAGIC "revfs-bundle "
#define FIRST_LINE MAGIC "1\n"
#define WANTS "wants "
#define SINCE "since "
#define KEYWORD_LEN (sizeof(WANTS) - 1) /* both have as many letters */

int bundle_manifest_add(struct bundle_manifest *manifest, const char *name, const struct oid *commit, bool is_since)
{
	struct bundle_revision *more = reallocarray(manifest->revisions, manifest->count + 1, sizeof(*more));

	if (!more)
		return -ENOMEM;
	manifest->revisions = more;
	more[manifest->count] = (struct bundle_revision){.commit = *commit, .name = strdup(name), .is_since = is_since};
	if (!more[manifest->count].name)
		return -ENOMEM;
	manifest->count++;
	return 0;
}

char *bundle_manifest_format(const struct bundle_manifest *manifest)
{
	char *text = NULL, hex[OID_HEX_MAX];
	size_t len;
	FILE *out = open_memstream(&text, &len);

	if (!out)
		return NULL;
	fputs(FIRST_LINE, out);
	for (size_t i = 0; i < manifest->count; i++) {
		const struct bundle_revision *r = &manifest->revisions[i];

		fprintf(out, "%s%s %s\n", r->is_since ? SINCE : WANTS, oid_format(&r->commit, hex), r->name);
	}
	if (fclose(out)) {
		free(text);
		return NULL;
	}
	return text;
}

/* A line without its end. */
static int parse_line(struct bundle_manifest *manifest, const char *line)
{
	const char *blank = strlen(line) > KEYWORD_LEN ? strchr(line + KEYWORD_LEN, ' ') : NULL;
	const bool is_since = !strncmp(line, SINCE, KEYWORD_LEN);
	struct oid commit;

	if ((!is_since && strncmp(line, WANTS, KEYWORD_LEN)) || !blank || !blank[1] ||
	    oid_parse(line + KEYWORD_LEN, (size_t)(blank - line) - KEYWORD_LEN, &commit))
		return -EBADMSG;
	return bundle_manifest_add(manifest, blank + 1, &commit, is_since);
}

int bundle_manifest_parse(struct bundle_manifest *manifest, const char *text, size_t len)
{
	char *copy, *line;
	int error = 0;

	if (len < sizeof(FIRST_LINE) - 1 || strnlen(text, len) != len || strncmp(text, MAGIC, sizeof(MAGIC) - 1) ||
	    text[len - 1] != '\n')
		return -EBADMSG;
	if (strncmp(text, FIRST_LINE, sizeof(FIRST_LINE) - 1))
		return -ENOTSUP;
	copy = strndup(text, len);
	if (!copy)
		return -ENOMEM;
	line = copy + sizeof(FIRST_LINE) - 1;
	while (*line && !error) {
		char *end = strchr(line, '\n');

		*end = '\0';
		error = parse_line(manifest, line);
		line = end + 1;
	}
	free(copy);
	return error;
}

void bundle_manifest_release(struct bundle_manifest *manifest)
{
	for (size_t i = 0; i < manifest->count; i++)
		free(manifest->revisions[i].name);
	free(manifest->revisions);
	*manifest = (struct bundle_manifest){0};
}
