#include "tools/aws/aws_profile.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "tools/fail.h"
#include "tools/secret_file.h"

enum kind { PROFILE, SERVICES, SESSION };

struct entry {
	enum kind kind;
	char *section; /* its name; NULL: the profile's own */
	char *key;
	char *value; /* wiped */
};

struct aws_profile {
	char *name;
	bool found; /* a section of that name */
	struct entry *entries;
	size_t count; /* of both files: the first that is found counts */
};

/* Where reading is. */
struct reading {
	struct aws_profile *profile;
	bool is_config;
	size_t first;   /* the first entry of this file */
	bool wanted;    /* the section is one of those that are kept */
	enum kind kind; /* of it */
	const char *section;
	size_t indent;      /* of the last key that stands alone */
	const char *parent; /* that key, where it has no value, else NULL */
};

const char *aws_profile_name(const struct aws_profile *profile)
{
	return profile->name;
}

static bool is_at(const struct entry *e, enum kind kind, const char *section, const char *key)
{
	return e->kind == kind && !strcasecmp(e->key, key) &&
	       (!section || (e->section && !strcmp(e->section, section)));
}

static const char *find(const struct aws_profile *p, enum kind kind, const char *section, const char *key)
{
	for (size_t i = 0; p && i < p->count; i++) {
		const struct entry *e = &p->entries[i];

		if (is_at(e, kind, section, key))
			return *e->value ? e->value : NULL;
	}
	return NULL;
}

const char *aws_profile_get(const struct aws_profile *profile, const char *key)
{
	return find(profile, PROFILE, NULL, key);
}

const char *aws_profile_service(const struct aws_profile *profile, const char *key)
{
	const char *services = aws_profile_get(profile, "services");

	return services ? find(profile, SERVICES, services, key) : NULL;
}

const char *aws_profile_session(const struct aws_profile *profile, const char *key)
{
	const char *session = aws_profile_get(profile, "sso_session");

	return session ? find(profile, SESSION, session, key) : NULL;
}

static void release(struct entry *e)
{
	free(e->section);
	free(e->key);
	credentials_wipe(e->value);
}

void aws_profile_close(struct aws_profile *profile)
{
	if (!profile)
		return;
	for (size_t i = 0; i < profile->count; i++)
		release(&profile->entries[i]);
	free(profile->entries);
	free(profile->name);
	free(profile);
}

/* Cut white space off both ends of what ends at END. */
static char *trim(char *text, char *end)
{
	while (text < end && isspace((unsigned char)*text))
		text++;
	while (end > text && isspace((unsigned char)end[-1]))
		end--;
	*end = '\0';
	return text;
}

/* Of two that say the same in one file the last one counts. */
static struct entry *place_of(struct reading *r, const struct entry *new)
{
	struct aws_profile *p = r->profile;
	struct entry *entries;

	for (size_t i = r->first; i < p->count; i++) {
		struct entry *e = &p->entries[i];

		if (is_at(e, new->kind, new->section, new->key)) {
			release(e);
			return e;
		}
	}
	entries = reallocarray(p->entries, p->count + 1, sizeof(*entries));
	if (!entries)
		return NULL;
	p->entries = entries;
	return &p->entries[p->count++];
}

static int add(struct reading *r, const char *parent, const char *key, const char *value)
{
	struct entry new = {.kind = r->kind, .value = credentials_text(value, strlen(value))}, *place;

	if (asprintf(&new.key, "%s%s%s", parent ? parent : "", parent ? "." : "", key) < 0)
		new.key = NULL;
	if (r->kind != PROFILE)
		new.section = strdup(r->section);
	place = new.key &&new.value && (new.section || r->kind == PROFILE) ? place_of(r, &new) : NULL;
	if (!place) {
		release(&new);
		return -ENOMEM;
	}
	*place = new;
	return 0;
}

/* "profile x", "profile 'x y'": whether TEXT begins with that word; *NAME is what is behind it. */
static bool takes_word(char *text, const char *word, char **name)
{
	size_t len = strlen(word);
	char *end;

	if (strncmp(text, word, len) != 0 || !isspace((unsigned char)text[len]))
		return false;
	text = trim(text + len, text + strlen(text));
	end = text + strlen(text);
	if (end - text >= 2 && (*text == '"' || *text == '\'') && end[-1] == *text) {
		text++;
		end[-1] = '\0';
	}
	*name = text;
	return true;
}

/* A head that is not closed begins a section that nobody wants: its keys must not count for the one before. */
static void begin_section(struct reading *r, char *line)
{
	char *end = strchr(line, ']'), *name;

	r->wanted = false;
	r->parent = NULL;
	r->indent = 0;
	if (!end)
		return;
	name = trim(line + 1, end);
	r->kind = PROFILE;
	if (r->is_config && takes_word(name, "services", &name))
		r->kind = SERVICES;
	else if (r->is_config && takes_word(name, "sso-session", &name))
		r->kind = SESSION;
	if (r->kind != PROFILE) {
		r->section = name;
		r->wanted = true;
		return;
	}
	if (r->is_config && !takes_word(name, "profile", &name) && strcmp(name, "default") != 0)
		return;
	r->wanted = !strcmp(name, r->profile->name);
	r->profile->found |= r->wanted;
}

static int take_line(struct reading *r, char *line, char *end)
{
	size_t indent = strspn(line, " \t");
	char *text = trim(line, end), *equals;
	bool is_below = indent > r->indent;

	if (!*text || *text == '#' || *text == ';')
		return 0;
	if (*text == '[' && !(is_below && r->parent)) {
		begin_section(r, text);
		return 0;
	}
	equals = strchr(text, '=');
	if (!r->wanted || !equals)
		return 0;
	end = text + strlen(text);
	text = trim(text, equals);
	equals = trim(equals + 1, end);
	/* Deeper than the key before: below that, or the rest of its value, which nothing that is asked for has. */
	if (is_below && r->parent)
		return *r->parent ? add(r, r->parent, text, equals) : 0;
	r->indent = indent;
	r->parent = *equals ? "" : text;
	return add(r, NULL, text, equals);
}

/* TEXT is taken apart in place. */
static int parse(struct reading *r, char *text)
{
	int error = 0;

	if (!strncmp(text, "\xef\xbb\xbf", 3))
		text += 3;
	while (*text && !error) {
		char *end = text + strcspn(text, "\n"), *next = end + (*end == '\n');

		error = take_line(r, text, end);
		text = next;
	}
	return error;
}

static int read_file(struct aws_look *look, struct aws_profile *p, const char *variable, const char *below_home,
                     bool is_config)
{
	struct reading reading = {.profile = p, .is_config = is_config, .first = p->count};
	char *path = secret_file_path(variable, below_home), *text;
	int error;

	if (!path)
		return 0;
	error = secret_file_read(path, &text);
	if (!error) {
		size_t len = strlen(text);

		error = parse(&reading, text);
		explicit_bzero(text, len);
		free(text);
	} else if (error != -ENOENT && error != -ENOMEM) {
		aws_look_fail(look, error, "cannot read '%s': %s", path, error_text(error));
	}
	free(path);
	return error == -ENOENT ? 0 : error;
}

int aws_profile_open(struct aws_look *look, struct aws_profile **profile)
{
	const char *name = look->profile;

	if (!name)
		name = aws_look_variable("AWS_PROFILE");
	if (!name)
		name = aws_look_variable("AWS_DEFAULT_PROFILE");
	return aws_profile_open_named(look, name ? name : "default", profile);
}

int aws_profile_open_named(struct aws_look *look, const char *name, struct aws_profile **profile)
{
	struct aws_profile *p = calloc(1, sizeof(*p));
	int error = p ? 0 : -ENOMEM;

	if (p)
		p->name = strdup(name);
	if (p && !p->name)
		error = -ENOMEM;
	if (!error)
		error = read_file(look, p, "AWS_SHARED_CREDENTIALS_FILE", ".aws/credentials", false);
	if (!error)
		error = read_file(look, p, "AWS_CONFIG_FILE", ".aws/config", true);
	if (!error && !p->found && strcmp(p->name, "default") != 0)
		error = aws_look_fail(look, -EINVAL, "there is no profile '%s' in AWS's files", p->name);
	if (error) {
		aws_profile_close(p);
		return error;
	}
	*profile = p;
	return 0;
}
