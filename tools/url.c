#include "tools/url.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/output.h"
#include "tools/shown.h"

/* Where the user of URL begins, and at *AT the sign behind; NULL where it names none. */
static const char *find_user(const char *url, const char **at)
{
	const char *user = strstr(url, "://");

	if (!user)
		return NULL;
	user += 3;
	*at = memchr(user, '@', strcspn(user, "/"));
	return *at ? user : NULL;
}

bool url_has_user(const char *url)
{
	const char *at;

	return find_user(url, &at);
}

char *url_without_password(const char *url)
{
	const char *at, *user = find_user(url, &at);
	const char *colon = user ? memchr(user, ':', (size_t)(at - user)) : NULL;
	char *text;

	if (!colon)
		return strdup(url);
	return asprintf(&text, "%.*s%s", (int)(colon - url), url, at) < 0 ? NULL : text;
}

char *url_public(const char *url)
{
	char *text = url_without_password(url), *quoted = text ? output_quoted(text) : NULL;

	if (!quoted)
		return text;
	free(text);
	return quoted;
}

const char *url_shown(const char *url)
{
	char *text = url_without_password(url);
	const char *answer = shown(text ? text : "");

	free(text);
	return answer;
}
