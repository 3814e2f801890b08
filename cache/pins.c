#include "cache/pins.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cache/cached_inside.h"
#include "cache/checksum.h"
#include "cache/wire.h"

#define FOLDER "pins"
#define FIRST_LINE "revfs-pin 1\n"
#define FILE_MAX ((size_t)64 << 20)
#define NAME_SIZE 128
#define END_LEN 21 /* "end ", 16 digits, a newline */

static const char *name_of(const struct pin *pin, char name[NAME_SIZE])
{
	int len = snprintf(name, NAME_SIZE, "%016" PRIx64 "-%.64s", checksum(pin->repository, strlen(pin->repository)),
	                   pin->commit);

	if (*pin->path)
		snprintf(name + len, NAME_SIZE - len, "-%016" PRIx64, checksum(pin->path, strlen(pin->path)));
	return name;
}

/* --- the text --- */

static void add_line(struct buffer *file, const char *key, const char *value)
{
	buffer_append(file, key, strlen(key));
	/* Nothing may end a line early. */
	for (const char *p = value; *p; p++) {
		char escaped[4];

		if ((unsigned char)*p >= ' ' && *p != '%') {
			buffer_append(file, p, 1);
			continue;
		}
		snprintf(escaped, sizeof(escaped), "%%%02x", (unsigned char)*p);
		buffer_append(file, escaped, 3);
	}
	buffer_append(file, "\n", 1);
}

static void format(const struct pin *pin, struct buffer *file)
{
	char text[ID_HEX_SIZE];

	buffer_append(file, FIRST_LINE, strlen(FIRST_LINE));
	add_line(file, "repository ", pin->repository);
	add_line(file, "commit ", pin->commit);
	add_line(file, "path ", pin->path);
	snprintf(text, sizeof(text), "%" PRIu64, pin->bytes);
	add_line(file, "bytes ", text);
	for (size_t i = 0; i < pin->packs_count; i++)
		add_line(file, "pack ", pack_id_format(&pin->packs[i], text));
	for (size_t i = 0; i < pin->roots_count; i++)
		add_line(file, "root ", id_format(&pin->roots[i], text));
	snprintf(text, sizeof(text), "%016" PRIx64, checksum(file->data, file->len));
	add_line(file, "end ", text);
}

/* Take the escapes of TEXT out, in place.  False where one is none. */
static bool unescape(char *text)
{
	char *to = text;

	for (; *text; text++) {
		unsigned byte;
		char digits[3] = {0};

		if (*text != '%') {
			*to++ = *text;
			continue;
		}
		memcpy(digits, text + 1, strnlen(text + 1, 2));
		if (strspn(digits, "0123456789abcdef") != 2 || sscanf(digits, "%2x", &byte) != 1 || !byte)
			return false;
		*to++ = (char)byte;
		text += 2;
	}
	*to = '\0';
	return true;
}

/* The value of the line at *AT, which must have KEY, NUL-terminated; *AT moves on.  NULL for another line. */
static char *take_line(char **at, const char *key)
{
	const size_t len = strlen(key);
	char *value = *at + len, *end = strchr(*at, '\n');

	if (strncmp(*at, key, len) != 0 || !end)
		return NULL;
	*end = '\0';
	*at = end + 1;
	return value;
}

/* A whole pin, as its file has it. */
struct parsed {
	struct pin pin;
	struct buffer packs, roots;
};

static void parsed_release(struct parsed *p)
{
	buffer_release(&p->packs);
	buffer_release(&p->roots);
}

static bool take_lists(struct parsed *p, char **at)
{
	char *value;

	while ((value = take_line(at, "pack "))) {
		struct pack_id pack;

		if (pack_id_parse(value, strlen(value), &pack))
			return false;
		buffer_append(&p->packs, &pack, sizeof(pack));
	}
	while ((value = take_line(at, "root "))) {
		struct id root;

		if (id_parse(value, strlen(value), &root))
			return false;
		buffer_append(&p->roots, &root, sizeof(root));
	}
	p->pin.packs = (const struct pack_id *)(const void *)p->packs.data;
	p->pin.packs_count = p->packs.len / sizeof(struct pack_id);
	p->pin.roots = (const struct id *)(const void *)p->roots.data;
	p->pin.roots_count = p->roots.len / sizeof(struct id);
	return true;
}

/* Parse LEN bytes of TEXT, a NUL byte behind them, which is changed and borrowed from.  False for what is no pin. */
static bool parse(char *text, size_t len, struct parsed *p)
{
	char sum[END_LEN + 1], *at = text + strlen(FIRST_LINE), *repository, *commit, *path, *bytes, *end;

	*p = (struct parsed){0};
	if (len < strlen(FIRST_LINE) + END_LEN || strlen(text) != len ||
	    strncmp(text, FIRST_LINE, strlen(FIRST_LINE)) != 0)
		return false;
	snprintf(sum, sizeof(sum), "end %016" PRIx64 "\n", checksum(text, len - END_LEN));
	if (strcmp(text + len - END_LEN, sum) != 0)
		return false;
	repository = take_line(&at, "repository ");
	commit = repository ? take_line(&at, "commit ") : NULL;
	path = commit ? take_line(&at, "path ") : NULL;
	bytes = path ? take_line(&at, "bytes ") : NULL;
	if (!bytes || !unescape(repository) || !unescape(path) || strlen(commit) >= sizeof(p->pin.commit) || !*commit ||
	    strspn(commit, "0123456789abcdef") != strlen(commit))
		return false;
	p->pin.repository = repository;
	p->pin.path = path;
	strcpy(p->pin.commit, commit);
	p->pin.bytes = strtoull(bytes, &end, 10);
	return !*end && take_lists(p, &at) && take_line(&at, "end ") && !*at;
}

/* --- the files --- */

int pins_write(struct cached *cached, const struct pin *pin)
{
	struct buffer file = {0};
	char name[NAME_SIZE];
	int folder = cached_enter(cached, cached->dirfd, FOLDER, true), error;

	if (folder < 0)
		return folder;
	format(pin, &file);
	error = file.failed ? -ENOMEM
	                    : io_replace_file(cached->io, folder, ".", name_of(pin, name), file.data, file.len,
	                                      0600 | cached->shared);
	io_close(cached->io, folder);
	buffer_release(&file);
	return error;
}

int pins_remove(struct cached *cached, const struct pin *pin)
{
	char name[NAME_SIZE];
	int folder = cached_enter(cached, cached->dirfd, FOLDER, false), error;

	error = folder < 0 ? folder : io_unlink(cached->io, folder, name_of(pin, name));
	io_close(cached->io, folder);
	return error;
}

/* The names of files in the folder. */
struct names {
	char (*list)[NAME_SIZE];
	size_t count;
};

static int take_name(void *arg, const char *name)
{
	struct names *names = arg;
	char(*list)[NAME_SIZE];

	if (strlen(name) >= NAME_SIZE || strspn(name, "0123456789abcdef-") != strlen(name))
		return 0;
	list = reallocarray(names->list, names->count + 1, sizeof(*list));
	if (!list)
		return -ENOMEM;
	names->list = list;
	strcpy(list[names->count++], name);
	return 0;
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(a, b);
}

int pins_each(struct cached *cached, int (*each)(void *arg, const struct pin *pin), void *arg)
{
	int folder = cached_enter(cached, cached->dirfd, FOLDER, false), answer;
	struct names names = {0};

	if (folder == -ENOENT)
		return 0;
	if (folder < 0)
		return folder;
	answer = io_list(cached->io, folder, ".", take_name, &names);
	if (names.count)
		qsort(names.list, names.count, sizeof(*names.list), compare_names);
	for (size_t i = 0; i < names.count && !answer; i++) {
		struct parsed p = {0};
		void *text = NULL;
		size_t len;

		if (io_read_file(cached->io, folder, names.list[i], FILE_MAX, &text, &len))
			continue;
		if (parse(text, len, &p))
			answer = p.packs.failed || p.roots.failed ? -ENOMEM : each(arg, &p.pin);
		parsed_release(&p);
		free(text);
	}
	free(names.list);
	io_close(cached->io, folder);
	return answer;
}

/* --- what they keep --- */

struct keeping {
	struct buffer packs, roots;
	size_t pins;
};

static int keep(void *arg, const struct pin *pin)
{
	struct keeping *k = arg;

	buffer_append(&k->packs, pin->packs, pin->packs_count * sizeof(*pin->packs));
	buffer_append(&k->roots, pin->roots, pin->roots_count * sizeof(*pin->roots));
	k->pins++;
	return k->packs.failed || k->roots.failed ? -ENOMEM : 0;
}

static int compare_packs(const void *a, const void *b)
{
	return pack_id_cmp(a, b);
}

static int compare_roots(const void *a, const void *b)
{
	return id_cmp(a, b);
}

int pins_kept_read(struct cached *cached, struct pins_kept *kept)
{
	struct keeping k = {0};

	*kept = (struct pins_kept){0};
	if (pins_each(cached, keep, &k) == -ENOMEM) {
		buffer_release(&k.packs);
		buffer_release(&k.roots);
		return -ENOMEM;
	}
	*kept = (struct pins_kept){
	    .packs = (struct pack_id *)(void *)k.packs.data,
	    .packs_count = k.packs.len / sizeof(struct pack_id),
	    .roots = (struct id *)(void *)k.roots.data,
	    .roots_count = k.roots.len / sizeof(struct id),
	    .pins = k.pins,
	};
	if (kept->packs_count)
		qsort(kept->packs, kept->packs_count, sizeof(*kept->packs), compare_packs);
	if (kept->roots_count)
		qsort(kept->roots, kept->roots_count, sizeof(*kept->roots), compare_roots);
	return 0;
}

bool pins_keep(const struct pins_kept *kept, bool is_pack, const char *name)
{
	/* Of a root the store that it came from stands in front. */
	const char *hex = is_pack ? name : strchr(name, '-');
	struct pack_id pack;
	struct id root;

	if (is_pack)
		return kept->packs_count && !pack_id_parse(hex, strlen(hex), &pack) &&
		       bsearch(&pack, kept->packs, kept->packs_count, sizeof(pack), compare_packs);
	return kept->roots_count && hex && !id_parse(hex + 1, strlen(hex + 1), &root) &&
	       bsearch(&root, kept->roots, kept->roots_count, sizeof(root), compare_roots);
}

void pins_kept_release(struct pins_kept *kept)
{
	free(kept->packs);
	free(kept->roots);
	*kept = (struct pins_kept){0};
}
