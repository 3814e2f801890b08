#include "tools/setting.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const struct setting settings[] = {
    {"attachDir", NULL, false, false,
     "folder for what is written to attached datasets; in the Git directory where not set"},
    {"cacheDir", NULL, false, false, "folder of the cache; $XDG_CACHE_HOME/revfs where not set"},
    {"cacheSize", NULL, false, false, "bytes that the cache may take; a tenth of the disk where not set"},
    {"io-timeout", NULL, false, false, "how long reads wait for remotes that fail; 0 for ever"},
    {"snapshot.exclude", NULL, true, true, "gitignore patterns of files that snapshots leave out"},
    {"snapshot.jobs", NULL, false, false, "threads that read and compress; one a core where not set"},
    {"snapshot.level", "3", false, true, "zstd level of new data, 1 (fast) to 19 (small)"},
};

const struct setting *setting_all(size_t *count)
{
	*count = sizeof(settings) / sizeof(settings[0]);
	return settings;
}

bool setting_key_equal(const char *a, const char *b)
{
	const char *a_dot = strrchr(a, '.');
	const char *b_dot = strrchr(b, '.');
	size_t a_len = a_dot ? (size_t)(a_dot - a) : 0;
	size_t b_len = b_dot ? (size_t)(b_dot - b) : 0;

	return a_len == b_len && memcmp(a, b, a_len) == 0 && strcasecmp(a + a_len, b + b_len) == 0;
}

const struct setting *setting_find(const char *key)
{
	for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++) {
		if (setting_key_equal(settings[i].key, key))
			return &settings[i];
	}
	return NULL;
}

char *setting_variable(const char *key)
{
	static const char prefix[] = "REVFS_";
	char *name = malloc(sizeof(prefix) + strlen(key));

	if (!name)
		return NULL;
	strcpy(name, prefix);
	char *to = name + sizeof(prefix) - 1;
	for (; *key; key++)
		*to++ = *key == '.' || *key == '-' ? '_' : (char)toupper((unsigned char)*key);
	*to = '\0';
	return name;
}
