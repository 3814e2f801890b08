#include "tools/config.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "cache/interrupt.h"
#include "cache/io.h"
#include "fs/git/git.h"
#include "tools/command.h"
#include "tools/path.h"
#include "tools/setting.h"
#include "tools/url.h"

#define TRACKED_PATH ".revfs/config"
#define TRACKED_SIZE_MAX (1u << 20)

struct config {
	struct config_value *values; /* in the order of reading: places from the lowest to the highest */
	size_t count;
	size_t capacity;
	void **lists; /* what config_all() handed out */
	size_t lists_count;
};

/* Add a value; NULL for VALUE is what git calls true.  Returns 0 or -ENOMEM. */
static int add(struct config *c, enum config_place place, const char *key, const char *value, const char *origin)
{
	if (c->count == c->capacity) {
		size_t capacity = c->capacity ? 2 * c->capacity : 16;
		struct config_value *values = reallocarray(c->values, capacity, sizeof(*values));
		if (!values)
			return -ENOMEM;
		c->values = values;
		c->capacity = capacity;
	}
	struct config_value *v = &c->values[c->count++];
	*v = (struct config_value){strdup(key), strdup(value ? value : "true"), strdup(origin), place};
	return v->key && v->value && v->origin ? 0 : -ENOMEM;
}

/* The next of the fields that git ends with NUL bytes; NULL at the end. */
static char *next_field(char **at, const char *end)
{
	char *field = *at;

	if (field >= end)
		return NULL;
	*at = field + strlen(field) + 1;
	return field;
}

/* Take "key\nvalue", or a key alone, apart in place. */
static const char *split_value(char *field)
{
	char *line = strchr(field, '\n');

	if (!line)
		return NULL;
	*line = '\0';
	return line + 1;
}

/* Run git config.  Returns 0, or -errno with the message printed; of -EINTR the signal itself tells. */
static int run_git_config(struct git_run *run, const char *subject)
{
	int ret = git_run(run);

	if (!ret && run->status == 128 + SIGINT)
		ret = -EINTR;
	if (ret && ret != -EINTR)
		fail(exit_code_of(ret), "cannot read the settings: %s", error_text(ret));
	if (ret || run->status == 0)
		return ret;
	fail(EXIT_DAMAGED, "cannot read %s: %s", subject, git_run_message(run));
	return -EBADMSG;
}

static int read_git(struct config *c, struct repo *repo)
{
	static const char *const args[] = {"config", "-z", "--list", "--show-origin", NULL};
	struct git_run run = {.where = repo ? repo_where(repo) : NULL, .args = args, .flags = GIT_RUN_READING};

	if (!repo)
		run.flags |= GIT_RUN_ENVIRONMENT;
	int ret = run_git_config(&run, "git's configuration");
	char *at = run.output;
	const char *end = ret ? NULL : run.output + run.output_len;
	while (!ret) {
		char *origin = next_field(&at, end);
		char *key = next_field(&at, end);
		if (!key)
			break;
		const char *value = split_value(key);
		if (strncmp(key, "revfs.", 6) == 0)
			ret = add(c, CONFIG_GIT, key + 6, value, origin);
	}
	git_run_release(&run);
	return ret;
}

/* A tracked file is everybody's: it may say where data is, but no user's name goes with it. */
static bool may_be_tracked(const char *key, const char *value)
{
	const struct setting *setting = setting_find(key);
	const char *last = strrchr(key, '.');

	if (setting)
		return setting->shared;
	if (strncmp(key, "snapshot.", 9) == 0)
		return true; /* of a later version */
	if (strncmp(key, "remote.", 7) != 0 || last == key + 6)
		return false;
	if (strcasecmp(last, ".priority") == 0 || strcasecmp(last, ".region") == 0)
		return true;
	return (strcasecmp(last, ".url") == 0 || strcasecmp(last, ".endpoint") == 0) && value && !url_has_user(value);
}

static int parse_tracked(struct config *c, void *text, size_t len)
{
	static const char *const args[] = {"config", "-z", "--file", "-", "--no-includes", "--list", NULL};
	struct git_run run = {
	    .args = args, .flags = GIT_RUN_READING | GIT_RUN_ENVIRONMENT, .input = text, .input_len = len};
	char *refused = NULL;
	unsigned more = 0;
	int ret = run_git_config(&run, "'" TRACKED_PATH "'");
	char *at = run.output;
	const char *end = ret ? NULL : run.output + run.output_len;

	while (!ret) {
		char *key = next_field(&at, end);
		if (!key)
			break;
		const char *value = split_value(key);
		if (strncmp(key, "revfs.", 6) == 0)
			key += 6; /* as it would stand in Git's own configuration */
		if (may_be_tracked(key, value))
			ret = add(c, CONFIG_TRACKED, key, value, "file:" TRACKED_PATH);
		else if (!refused)
			refused = key;
		else
			more++;
	}
	if (refused && more)
		warn("'%s' in the shared '" TRACKED_PATH "' is ignored, and %u more: 'git config revfs.%s' sets it",
		     refused, more, refused);
	else if (refused)
		warn("'%s' in the shared '" TRACKED_PATH "' is ignored: 'git config revfs.%s' sets it", refused,
		     refused);
	git_run_release(&run);
	return ret;
}

/* Read the file in the work tree; a link in its place is somebody's trick and not followed.  -ENOENT where there is
 * none. */
static int read_work_tree(const char *root, void **text, size_t *len)
{
	char *folder = path_join(root, ".revfs");
	char *path = path_join(root, TRACKED_PATH);
	struct stat st;
	int ret = -ENOMEM;

	if (!folder || !path)
		goto out;
	ret = -ENOENT;
	if (lstat(folder, &st) || !S_ISDIR(st.st_mode))
		goto out;
	ret = io_read_file(io_system(), AT_FDCWD, path, TRACKED_SIZE_MAX, text, len);
	if (ret == -ENOTDIR || ret == -EISDIR)
		ret = -ENOENT;
out:
	free(folder);
	free(path);
	return ret;
}

/* What HEAD holds.  -ENOENT where it has none. */
static int read_head(struct repo *repo, void **text, size_t *len)
{
	struct oid oid;
	uint32_t mode;
	int ret = repo_head_walk(repo, TRACKED_PATH, &oid, &mode);

	if (!ret && (mode & S_IFMT) != S_IFREG)
		ret = -ENOENT;
	if (!ret)
		ret = repo_blob(repo, &oid, TRACKED_SIZE_MAX, text, len);
	return ret == -ENOTDIR ? -ENOENT : ret;
}

static int read_tracked(struct config *c, struct repo *repo)
{
	void *text = NULL;
	size_t len = 0;
	int ret = repo_work_tree(repo) ? read_work_tree(repo_work_tree(repo), &text, &len) : -ENOENT;

	/* Of a bare repository, and of a sparse work tree that leaves it out. */
	if (ret == -ENOENT) {
		ret = read_head(repo, &text, &len);
		if (ret && repo_work_tree(repo) && !is_unanswered(ret) && ret != -EAGAIN && ret != -ETIMEDOUT)
			ret = -ENOENT;
	}
	if (ret == -ENOENT)
		return 0;
	if (ret == -EBADMSG || ret == -ELOOP) {
		warn("'" TRACKED_PATH "' is not a regular file: ignored");
		return 0;
	}
	if (ret == -EFBIG) {
		warn("'" TRACKED_PATH "' is larger than 1 MiB: ignored");
		return 0;
	}
	if (ret == -EINPROGRESS)
		return ret;
	if (ret) {
		fail(exit_code_of(ret), "cannot read '" TRACKED_PATH "': %s", error_text(ret));
		return ret;
	}
	ret = parse_tracked(c, text, len);
	free(text);
	return ret;
}

static int read_variable(struct config *c, const struct setting *setting, const char *name)
{
	const char *value = getenv(name);
	char origin[128];
	int ret = 0;

	if (!value || !*value)
		return 0;
	snprintf(origin, sizeof(origin), "environment:%s", name);
	if (!setting->multiple)
		return add(c, CONFIG_ENVIRONMENT, setting->key, value, origin);
	while (!ret && *value) {
		size_t len = strcspn(value, "\n");
		char *line = strndup(value, len);
		if (len > 0)
			ret = line ? add(c, CONFIG_ENVIRONMENT, setting->key, line, origin) : -ENOMEM;
		free(line);
		value += len + (value[len] == '\n');
	}
	return ret;
}

static int read_environment(struct config *c)
{
	size_t count;
	const struct setting *settings = setting_all(&count);
	int ret = 0;

	for (size_t i = 0; i < count && !ret; i++) {
		char *name = setting_variable(settings[i].key);
		ret = name ? read_variable(c, &settings[i], name) : -ENOMEM;
		free(name);
	}
	return ret;
}

static int add_defaults(struct config *c)
{
	size_t count;
	const struct setting *settings = setting_all(&count);
	int ret = 0;

	for (size_t i = 0; i < count && !ret; i++) {
		if (settings[i].standard)
			ret = add(c, CONFIG_DEFAULT, settings[i].key, settings[i].standard, "default:");
	}
	return ret;
}

int config_open(struct repo *repo, struct config **config)
{
	struct config *c = calloc(1, sizeof(*c));
	int ret = c ? add_defaults(c) : -ENOMEM;

	if (!ret && repo)
		ret = read_tracked(c, repo);
	if (!ret)
		ret = read_git(c, repo);
	if (!ret)
		ret = read_environment(c);
	if (ret) {
		if (ret == -ENOMEM)
			fail(EXIT_SYSTEM, "cannot read the settings: %s", error_text(ret));
		config_close(c);
		return ret;
	}
	*config = c;
	return 0;
}

void config_close(struct config *c)
{
	if (!c)
		return;
	for (size_t i = 0; i < c->count; i++) {
		free(c->values[i].key);
		free(c->values[i].value);
		free(c->values[i].origin);
	}
	for (size_t i = 0; i < c->lists_count; i++)
		free(c->lists[i]);
	free(c->lists);
	free(c->values);
	free(c);
}

/* The place that counts for KEY: the highest that has it. */
static enum config_place place_of(const struct config *c, const char *key)
{
	enum config_place place = CONFIG_DEFAULT;

	for (size_t i = 0; i < c->count; i++) {
		if (c->values[i].place > place && setting_key_equal(c->values[i].key, key))
			place = c->values[i].place;
	}
	return place;
}

/* The value that counts: as in git the last one of a place. */
static const struct config_value *find(const struct config *c, const char *key)
{
	enum config_place place = place_of(c, key);

	for (size_t i = c->count; i-- > 0;) {
		if (c->values[i].place == place && setting_key_equal(c->values[i].key, key))
			return &c->values[i];
	}
	return NULL;
}

const char *config_string(struct config *c, const char *key)
{
	const struct config_value *v = find(c, key);
	return v ? v->value : NULL;
}

static int bad_value(const struct config_value *v, const char *wanted)
{
	fail(EXIT_USAGE, "the setting '%s' is '%s', not %s (%s)", v->key, v->value, wanted, v->origin);
	return -EINVAL;
}

int config_integer(struct config *c, const char *key, int64_t *value)
{
	const struct config_value *v = find(c, key);
	char *end;
	int shift = 0;

	if (!v)
		return -ENOENT;
	errno = 0;
	int64_t number = strtoll(v->value, &end, 10);
	if (errno || end == v->value)
		return bad_value(v, "a number");
	if (strcasecmp(end, "k") == 0)
		shift = 10;
	else if (strcasecmp(end, "m") == 0)
		shift = 20;
	else if (strcasecmp(end, "g") == 0)
		shift = 30;
	else if (*end)
		return bad_value(v, "a number");
	if (__builtin_mul_overflow(number, INT64_C(1) << shift, &number))
		return bad_value(v, "a number below 2^63");
	*value = number;
	return 0;
}

int config_bool(struct config *c, const char *key, bool *value)
{
	static const char *const words[] = {"false", "true", "no", "yes", "off", "on", "0", "1"};
	const struct config_value *v = find(c, key);

	if (!v)
		return -ENOENT;
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (strcasecmp(v->value, words[i]) == 0) {
			*value = i % 2;
			return 0;
		}
	}
	return bad_value(v, "true or false");
}

const char *const *config_all(struct config *c, const char *key)
{
	enum config_place place = place_of(c, key);
	const char **list = calloc(c->count + 1, sizeof(*list));
	void **lists = reallocarray(c->lists, c->lists_count + 1, sizeof(*lists));
	size_t count = 0;

	if (lists)
		c->lists = lists;
	if (!list || !lists) {
		free(list);
		return NULL;
	}
	c->lists[c->lists_count++] = list;
	for (size_t i = 0; i < c->count; i++) {
		if (c->values[i].place == place && setting_key_equal(c->values[i].key, key))
			list[count++] = c->values[i].value;
	}
	return list;
}

static bool counts(const struct config *c, const struct config_value *v)
{
	const struct setting *setting = setting_find(v->key);

	return setting && setting->multiple ? v->place == place_of(c, v->key) : v == find(c, v->key);
}

struct ranked {
	const struct config_value *value;
	size_t rank;
};

static int cmp_ranked(const void *a, const void *b)
{
	const struct ranked *x = a, *y = b;
	int cmp = strcasecmp(x->value->key, y->value->key);

	return cmp ? cmp : x->rank < y->rank ? -1 : x->rank > y->rank;
}

int config_each(struct config *c, int (*each)(void *arg, const struct config_value *value), void *arg)
{
	struct ranked *order = calloc(c->count + 1, sizeof(*order));
	size_t count = 0;
	int ret = 0;

	if (!order)
		return -ENOMEM;
	for (size_t i = 0; i < c->count; i++) {
		if (counts(c, &c->values[i]))
			order[count++] = (struct ranked){&c->values[i], i};
	}
	qsort(order, count, sizeof(*order), cmp_ranked);
	for (size_t i = 0; i < count && !ret; i++)
		ret = each(arg, order[i].value);
	free(order);
	return ret;
}
