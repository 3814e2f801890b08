#include "fs/exclude.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

struct pattern {
	char *text;
	bool negative;
	bool directories; /* matches only directories */
	bool anchored;    /* matches whole paths, not just the last name */
};

struct exclude {
	size_t count;
	struct pattern patterns[];
};

/* Without the blanks at the end that no backslash protects. */
static void trim(char *text)
{
	size_t len = strlen(text);

	while (len && text[len - 1] == ' ' && !(len > 1 && text[len - 2] == '\\'))
		text[--len] = '\0';
}

/* False for a line without a pattern. */
static bool parse(struct pattern *p)
{
	size_t len;

	trim(p->text);
	if (!*p->text || *p->text == '#')
		return false;
	if (*p->text == '!') {
		p->negative = true;
		memmove(p->text, p->text + 1, strlen(p->text));
	}
	len = strlen(p->text);
	if (len && p->text[len - 1] == '/') {
		p->directories = true;
		p->text[--len] = '\0';
	}
	p->anchored = strchr(p->text, '/');
	if (*p->text == '/')
		memmove(p->text, p->text + 1, len);
	return *p->text;
}

int exclude_new(const char *const *patterns, struct exclude **exclude)
{
	size_t count = 0;
	struct exclude *e;

	while (patterns[count])
		count++;
	e = calloc(1, sizeof(*e) + count * sizeof(*e->patterns));
	if (!e)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++) {
		struct pattern *p = &e->patterns[e->count];

		p->text = strdup(patterns[i]);
		if (!p->text) {
			exclude_free(e);
			return -ENOMEM;
		}
		if (parse(p)) {
			e->count++;
		} else {
			free(p->text);
			*p = (struct pattern){0};
		}
	}
	*exclude = e;
	return 0;
}

void exclude_free(struct exclude *e)
{
	if (!e)
		return;
	for (size_t i = 0; i < e->count; i++)
		free(e->patterns[i].text);
	free(e);
}

/*
 * Whether the set at *PATTERN (behind its `[`) has C; *PATTERN goes behind its `]`.  A set that does not end
 * has nothing.
 */
static bool match_set(const char **pattern, char c)
{
	const unsigned char *p = (const unsigned char *)*pattern;
	bool negative = *p == '!' || *p == '^', found = false;

	if (negative)
		p++;
	for (bool first = true; first || *p != ']'; first = false) {
		unsigned char low, high;

		if (*p == '\\')
			p++;
		if (!*p || *p == '/')
			return false;
		low = high = *p++;
		if (*p == '-' && p[1] && p[1] != ']') {
			p += p[1] == '\\' && p[2] ? 2 : 1;
			high = *p++;
		}
		found |= (unsigned char)c >= low && (unsigned char)c <= high;
	}
	*pattern = (const char *)p + 1;
	return found != negative;
}

/* Whether what stands at *PATTERN, which is no star, takes the character C; *PATTERN goes behind it. */
static bool match_one(const char **pattern, char c)
{
	const char *p = *pattern;

	if (*p == '?') {
		*pattern = p + 1;
		return true;
	}
	if (*p == '[') {
		*pattern = p + 1;
		return match_set(pattern, c);
	}
	if (*p == '\\' && p[1])
		p++;
	*pattern = p + 1;
	return *p == c;
}

static bool ends(char c)
{
	return !c || c == '/';
}

/* Whether the names that PATTERN and NAME begin with match.  Going back to the last star alone is enough. */
static bool match_name(const char *pattern, const char *name)
{
	const char *star = NULL, *star_name = NULL;

	while (!ends(*name)) {
		const char *next = pattern;

		if (*pattern == '*') {
			star = ++pattern;
			star_name = name;
		} else if (!ends(*pattern) && match_one(&next, *name)) {
			pattern = next;
			name++;
		} else if (star) {
			pattern = star;
			name = ++star_name;
		} else {
			return false;
		}
	}
	while (*pattern == '*')
		pattern++;
	return ends(*pattern);
}

static bool is_two_stars(const char *pattern)
{
	return pattern[0] == '*' && pattern[1] == '*' && ends(pattern[2]);
}

/* Behind the name that TEXT begins with and its slash; at the NUL byte of the last. */
static const char *next_name(const char *text)
{
	const char *slash = strchr(text, '/');

	return slash ? slash + 1 : text + strlen(text);
}

/* Name by name; two stars take any number of them, at the end at least one. */
static bool match_path(const char *pattern, const char *path)
{
	const char *stars = NULL, *stars_path = NULL;

	while (*path) {
		if (is_two_stars(pattern)) {
			if (!pattern[2])
				return true;
			stars = pattern = pattern + 3;
			stars_path = path;
		} else if (*pattern && match_name(pattern, path)) {
			pattern = next_name(pattern);
			path = next_name(path);
		} else if (stars) {
			pattern = stars;
			path = stars_path = next_name(stars_path);
		} else {
			return false;
		}
	}
	return !*pattern;
}

bool exclude_matches(const struct exclude *e, const char *path, bool is_directory)
{
	const char *name = strrchr(path, '/');

	if (!e)
		return false;
	name = name ? name + 1 : path;
	for (size_t i = e->count; i--;) {
		const struct pattern *p = &e->patterns[i];

		if ((!p->directories || is_directory) && match_path(p->text, p->anchored ? path : name))
			return !p->negative;
	}
	return false;
}
