#include "tools/mount_options.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tools/duration.h"
#include "tools/fail.h"
#include "tools/session.h"

#define MEMORY_MIN ((size_t)8 << 20)

/* Options of fstab(5) that concern mount(8), or that hold for every mount of ours; with `=` or a prefix at the end. */
static const char *const ignored[] = {
    "ro",       "defaults", "auto",      "noauto",     "user",       "users",         "nouser",      "owner",
    "group",    "_netdev",  "nofail",    "nosuid",     "suid",       "nodev",         "dev",         "exec",
    "noexec",   "atime",    "noatime",   "relatime",   "norelatime", "diratime",      "nodiratime",  "strictatime",
    "lazytime", "async",    "sync",      "dirsync",    "mand",       "nomand",        "silent",      "loud",
    "iversion", "nofollow", "symfollow", "noiversion", "nolazytime", "nostrictatime", "nosymfollow",
};
static const char *const ignored_prefixes[] = {"x-", "X-", "comment=", "user="};

void mount_options_init(struct mount_options *options)
{
	*options = (struct mount_options){
	    .uid = geteuid(), .gid = getegid(), .memory_bytes = SESSION_MEMORY_BYTES, .io_timeout_s = -1};
}

static bool is_ignored(const char *option)
{
	for (size_t i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++)
		if (strcmp(option, ignored[i]) == 0)
			return true;
	for (size_t i = 0; i < sizeof(ignored_prefixes) / sizeof(ignored_prefixes[0]); i++)
		if (strncmp(option, ignored_prefixes[i], strlen(ignored_prefixes[i])) == 0)
			return true;
	return false;
}

/* Decimal digits and nothing else, at most LIMIT. */
static int parse_number(const char *text, uint64_t limit, const char **end, uint64_t *number)
{
	uint64_t value = 0;

	if (*text < '0' || *text > '9')
		return -EINVAL;
	for (; *text >= '0' && *text <= '9'; text++)
		if (__builtin_mul_overflow(value, 10, &value) ||
		    __builtin_add_overflow(value, (uint64_t)(*text - '0'), &value) || value > limit)
			return -EINVAL;
	*end = text;
	*number = value;
	return 0;
}

static int parse_owner(const char *option, const char *value, uint32_t *owner)
{
	const char *end;
	uint64_t number;

	/* The last one means "no such owner" to the kernel. */
	if (parse_number(value, UINT32_MAX - 1, &end, &number) || *end)
		return fail_usage("mount option '%s' needs a number, as of 'id -u'", option);
	*owner = (uint32_t)number;
	return 0;
}

static int parse_size(const char *option, const char *value, size_t *bytes)
{
	static const char units[] = "kmg";
	const char *end, *unit;
	unsigned shift = 0;
	uint64_t number;

	if (parse_number(value, SIZE_MAX >> 30, &end, &number))
		goto bad;
	unit = *end ? strchr(units, *end | 0x20) : NULL;
	if (unit) {
		shift = 10 * (unsigned)(unit - units + 1);
		end++;
	}
	if (*end)
		goto bad;
	if ((size_t)number << shift >= MEMORY_MIN)
		*bytes = (size_t)number << shift;
	else
		return fail_usage("mount option '%s' is too small: at least %zum", option, MEMORY_MIN >> 20);
	return 0;
bad:
	return fail_usage("mount option '%s' needs a size, such as 512m", option);
}

int mount_options_set_metrics_file(struct mount_options *options, const char *path)
{
	char folder[PATH_MAX] = "";
	size_t len = strlen(path);
	int count;

	if (!len || path[len - 1] == '/')
		return fail_usage("the metrics need the name of a file, not '%s'", path);
	if (path[0] != '/' && !getcwd(folder, sizeof(folder)))
		return fail(exit_code_of(-errno), "cannot find the current directory: %s", strerror(errno));
	count =
	    snprintf(options->metrics_file, sizeof(options->metrics_file), "%s%s%s", folder, *folder ? "/" : "", path);
	if (count < 0 || (size_t)count >= sizeof(options->metrics_file))
		return fail_usage("the path of the metrics is too long: '%s'", path);
	return 0;
}

static int parse_option(struct mount_options *options, const char *option)
{
	if (strcmp(option, "allow_other") == 0) {
		options->allow_other = true;
		return 0;
	}
	if (strncmp(option, "uid=", 4) == 0)
		return parse_owner(option, option + 4, &options->uid);
	if (strncmp(option, "gid=", 4) == 0)
		return parse_owner(option, option + 4, &options->gid);
	if (strncmp(option, "memory=", 7) == 0)
		return parse_size(option, option + 7, &options->memory_bytes);
	if (strncmp(option, "io-timeout=", 11) == 0)
		return duration_parse(option + 11, &options->io_timeout_s)
		           ? fail_usage("mount option '%s' needs a length of time, such as 90s or 2h", option)
		           : 0;
	if (strcmp(option, "offline") == 0) {
		options->offline = true;
		return 0;
	}
	if (strncmp(option, "metrics-file=", 13) == 0)
		return mount_options_set_metrics_file(options, option + 13);
	if (!*option || is_ignored(option))
		return 0;
	if (strcmp(option, "rw") == 0)
		return options->rw ? 0 : fail_usage("mount option 'rw': a mount of revfs is read-only");
	return options->sloppy ? 0 : fail_usage("unknown mount option '%s'", option);
}

int mount_options_parse(struct mount_options *options, const char *text)
{
	char *copy = strdup(text), *save = NULL;
	int status = 0;

	if (!copy)
		return fail(EXIT_SYSTEM, "%s", error_text(-ENOMEM));
	for (char *option = strtok_r(copy, ",", &save); option && !status; option = strtok_r(NULL, ",", &save))
		status = parse_option(options, option);
	free(copy);
	return status;
}
