#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cache/io.h"
#include "fs/mount/slab.h"
#include "fs/mount/view_node.h"
#include "fs/mount/view_parts.h"

/* As much of a text as a node can carry. */
#define TEXT_MAX (SLAB_LEN_MAX - sizeof(struct view_live))

__attribute__((format(printf, 2, 3))) static void put(struct buffer *text, const char *format, ...)
{
	va_list args;
	char *line;
	int len;

	va_start(args, format);
	len = vasprintf(&line, format, args);
	va_end(args);
	if (len < 0) {
		text->failed = true;
		return;
	}
	buffer_append(text, line, (size_t)len);
	free(line);
}

static void put_number(struct buffer *text, const char *name, uint64_t number)
{
	put(text, "%s %llu\n", name, (unsigned long long)number);
}

static void put_time(struct buffer *text, const char *before, const struct timespec *time)
{
	char words[32];
	struct tm tm;

	gmtime_r(&time->tv_sec, &tm);
	strftime(words, sizeof(words), "%Y-%m-%dT%H:%M:%SZ", &tm);
	put(text, "%s%s", before, words);
}

/* Why ERROR was met, which the remote explained by WHY, without what would break the line. */
static void put_reason(struct buffer *text, int error, const char *why)
{
	const char *words = *why ? why : strerrordesc_np(-error);

	put(text, ": ");
	if (error == -EKEYREJECTED) {
		put(text, "not authorised");
		words = why;
		put(text, *why ? ": " : "");
	}
	for (words = words ? words : "unknown error"; *words; words++)
		buffer_put8(text, (unsigned char)*words < ' ' ? ' ' : (uint8_t)*words);
}

static void put_remote(struct buffer *text, struct fetch *fetch, size_t i)
{
	struct remote *remote = remote_store_remote(fetch_store(fetch, i));
	struct remote_counts requests;
	struct fetch_counts counts;

	fetch_counts(fetch, i, &counts);
	remote_counts(remote, &requests);
	put(text, "remote %s %s, ", remote_name(remote), remote_public_url(remote));
	if (counts.silent_since.tv_sec)
		put_time(text, "resting since ", &counts.silent_since);
	else
		put(text, "%s", requests.requests ? "answering" : "never asked");
	if (counts.failed.tv_sec) {
		put_time(text, ", failed last ", &counts.failed);
		put_reason(text, counts.last_failure, counts.why);
	}
	buffer_put8(text, '\n');
}

static void format_status(struct view *view, struct buffer *text)
{
	struct node_stats nodes;
	struct fetch *fetch = view->world.source ? source_fetch(view->world.source) : NULL;

	node_stats(view->nodes, &nodes);
	put(text, "repository %s\n", repo_git_dir(view->world.repo));
	put(text, "mountpoint %s\n", view->mountpoint);
	put(text, "reader %s\n", repo_reader_name(view->world.repo));
	put_number(text, "pid", (uint64_t)getpid());
	put_time(text, "since ", &view->since);
	buffer_put8(text, '\n');
	put_number(text, "nodes", nodes.nodes);
	put_number(text, "node_bytes", nodes.bytes);
	put_number(text, "requests", counters_sum(&view->counters));
	put_number(text, "bytes", atomic_load(&view->counters.bytes));
	put_number(text, "failures", atomic_load(&view->counters.failures));
	for (size_t i = 0; fetch && i < fetch_remotes(fetch); i++)
		put_remote(text, fetch, i);
}

static void format_counters(struct view *view, struct buffer *text)
{
	struct memory_stats memory = {0};

	put_number(text, "requests", counters_sum(&view->counters));
	put_number(text, "bytes", atomic_load(&view->counters.bytes));
	put_number(text, "failures", atomic_load(&view->counters.failures));
	put_number(text, "parked", atomic_load(&view->counters.parked));
	for (uint32_t i = 0; i < COUNTERS_REQUESTS; i++)
		if (counters_name(i))
			put_number(text, counters_name(i), atomic_load(&view->counters.requests[i]));
	if (view->world.source)
		memory_stats(source_memory(view->world.source), &memory);
	put_number(text, "memory_bytes", memory.bytes);
	put_number(text, "memory_hits", memory.hits);
	put_number(text, "memory_misses", memory.misses);
	put_number(text, "memory_waits", memory.waits);
	put_number(text, "memory_evictions", memory.evictions);
}

static void format_errors(struct view *view, struct buffer *text)
{
	failures_format(view->failures, text);
}

static void format_metrics(struct view *view, struct buffer *text)
{
	view_metrics(view, TEXT_MAX, text);
}

/* The files; their cookies are their places here and 3. */
static const struct live {
	const char *name;
	void (*format)(struct view *view, struct buffer *text);
} files[] = {
    {"status", format_status}, {"counters", format_counters}, {"errors", format_errors}, {"metrics", format_metrics}};
#define FILES (sizeof(files) / sizeof(files[0]))

static void fill_root(struct view *view, const struct node_key *key, struct stat *attr)
{
	view_fill(view, view_ino(key), S_IFDIR | 0755, 0, &view->since, attr);
}

int view_live_root(struct view *view, struct view_entry *entry)
{
	static const struct node_key root;
	struct node_spec spec = {.parent = NODE_ROOT, .kind = VIEW_LIVE};
	int err;

	view_key("live", &root, VIEW_LIVE_NAME, &spec.key);
	err = node_take(view->nodes, &spec, &entry->id);
	if (err)
		return err;
	fill_root(view, &spec.key, &entry->attr);
	entry->attr_timeout_s = entry->entry_timeout_s = VIEW_FOREVER;
	return 0;
}

static void fill_file(struct view *view, const struct view_live *live, struct stat *attr)
{
	struct timespec time = {.tv_sec = live->seconds, .tv_nsec = live->nanoseconds};

	view_fill(view, live->ino, S_IFREG | 0644, live->len, &time, attr);
}

/* Cut TEXT behind a whole line, so that it fits into a node. */
static size_t fitting_len(const struct buffer *text)
{
	size_t len = text->len;

	if (len <= TEXT_MAX)
		return len;
	for (len = TEXT_MAX; len && text->data[len - 1] != '\n'; len--)
		;
	return len;
}

/* A file of size 0 is never read, so text, size and time are those of this look-up, in a node of its own. */
int view_live_lookup(struct view *view, const struct node *parent, const char *name, struct view_entry *entry)
{
	struct node_spec spec = {.parent = parent->id, .kind = VIEW_LIVE_FILE};
	struct timespec now = io_now(io_system());
	struct view_live *live = NULL;
	struct buffer text = {0};
	size_t len, i;
	int err;

	for (i = 0; i < FILES && strcmp(files[i].name, name) != 0; i++)
		;
	if (i == FILES)
		return -ENOENT;
	files[i].format(view, &text);
	len = fitting_len(&text);
	live = text.failed ? NULL : calloc(1, sizeof(*live) + len);
	err = -ENOMEM;
	if (!live)
		goto out;
	io_random(io_system(), spec.key.bytes, sizeof(spec.key.bytes));
	live->ino = view_ino(&spec.key);
	live->seconds = now.tv_sec;
	live->nanoseconds = (uint32_t)now.tv_nsec;
	live->len = (uint32_t)len;
	strcpy(live->name, name);
	if (len)
		memcpy(live->text, text.data, len);
	spec.text = live;
	spec.text_len = sizeof(*live) + len;
	err = node_take(view->nodes, &spec, &entry->id);
	if (err)
		goto out;
	fill_file(view, live, &entry->attr);
	entry->attr_timeout_s = VIEW_FOREVER;
	entry->entry_timeout_s = 0;
out:
	free(live);
	buffer_release(&text);
	return err;
}

int view_live_attr(struct view *view, const struct node *node, struct stat *attr)
{
	const struct view_live *live;
	size_t len;

	if (node->kind == VIEW_LIVE) {
		fill_root(view, &node->key, attr);
		return 0;
	}
	live = node_text(view->nodes, node->id, &len);
	if (!live)
		return -ESTALE;
	fill_file(view, live, attr);
	return 0;
}

int view_live_list(struct view *view, const struct node *node, uint64_t cookie, view_each each, void *arg)
{
	int answer = 0;

	(void)view;
	for (size_t i = cookie > 2 ? cookie - 2 : 0; !answer && i < FILES; i++) {
		struct view_item item = {.name = files[i].name, .cookie = i + 3, .type = S_IFREG};
		struct node_key key;

		view_key("live", &node->key, files[i].name, &key);
		item.ino = view_ino(&key);
		answer = each(arg, &item);
	}
	return answer;
}

int view_live_read(struct view *view, const struct node *node, uint64_t offset, size_t len, struct view_bytes *bytes)
{
	const struct view_live *live;
	size_t size;

	live = node_text(view->nodes, node->id, &size);
	if (!live)
		return -ESTALE;
	if (offset >= live->len)
		return 0;
	bytes->data = live->text + offset;
	bytes->len = len < live->len - offset ? len : (size_t)(live->len - offset);
	return 0;
}
