#include "cache/ssh/serve_wire.h"

#include <errno.h>
#include <string.h>

#include "cache/store.h"

#define MAJOR 1
#define MINOR 0
#define ENTRY_MIN (1 + 1 + 8 + 8 + 4)
#define FLAG_REPLACE 1u

/* --- errors --- */

/* What stands at N is sent as N + 1; 0 is no error.  Numbers stay what they are. */
static const int errors[] = {
    ENOENT,    /* 1 */
    EEXIST,    /* 2 */
    EROFS,     /* 3 */
    ENOSPC,    /* 4 */
    EACCES,    /* 5 */
    EINVAL,    /* 6 */
    EHOSTDOWN, /* 7 */
    EPROTO,    /* 8 */
    ECANCELED, /* 9 */
    EFBIG,     /* 10 */
};

#define ERRORS (sizeof(errors) / sizeof(errors[0]))
#define ERROR_OTHER 255u

static uint32_t error_number(int error)
{
	if (!error)
		return 0;
	if (error == -EPERM)
		error = -EACCES;
	for (uint32_t i = 0; i < ERRORS; i++) {
		if (error == -errors[i])
			return i + 1;
	}
	return ERROR_OTHER;
}

static int number_error(uint32_t number)
{
	if (!number)
		return 0;
	return number <= ERRORS ? -errors[number - 1] : -EREMOTEIO;
}

/* --- greetings --- */

void serve_wire_greet(uint8_t *p, uint32_t flags)
{
	memcpy(p, SERVE_WIRE_MAGIC, SERVE_WIRE_MAGIC_SIZE);
	wire_put16(p + 8, MAJOR);
	wire_put16(p + 10, MINOR);
	wire_put32(p + 12, flags);
}

int serve_wire_greeted(const uint8_t *p, size_t len, uint32_t *flags)
{
	if (memcmp(p, SERVE_WIRE_MAGIC, len < SERVE_WIRE_MAGIC_SIZE ? len : SERVE_WIRE_MAGIC_SIZE) != 0)
		return -EPROTO;
	if (len >= 10 && wire_get16(p + 8) != MAJOR)
		return -EPROTO;
	if (len < SERVE_WIRE_GREETING_SIZE)
		return 0;
	*flags = wire_get32(p + 12);
	return 1;
}

/* --- frames --- */

/* The bodies that a kind may have. */
struct limits {
	uint8_t kind;
	bool from_client;
	bool from_server;
	uint32_t min;
	uint32_t max;
};

#define PATH_MAX_LEN (REMOTE_PATH_SIZE - 1)

static const struct limits limits[] = {
    {SERVE_WIRE_READ, true, false, 12 + 1, 12 + PATH_MAX_LEN},
    {SERVE_WIRE_STAT, true, false, 1, PATH_MAX_LEN},
    {SERVE_WIRE_PUT, true, false, 10 + 1, 10 + PATH_MAX_LEN + SERVE_WIRE_FIRST_MAX},
    {SERVE_WIRE_PIECE, true, false, 1, SERVE_WIRE_PIECE_MAX},
    {SERVE_WIRE_REMOVE, true, false, 1, PATH_MAX_LEN},
    {SERVE_WIRE_LIST, true, false, 1, PATH_MAX_LEN},
    {SERVE_WIRE_CANCEL, true, false, 0, 0},
    {SERVE_WIRE_MORE, true, true, 4, 4},
    {SERVE_WIRE_DATA, false, true, 0, SERVE_WIRE_READ_MAX},
    {SERVE_WIRE_FOUND, false, true, 20, 20},
    {SERVE_WIRE_ENTRIES, false, true, ENTRY_MIN, SERVE_WIRE_ENTRIES_MAX},
    {SERVE_WIRE_DONE, false, true, 4, 4},
    {SERVE_WIRE_ALIVE, false, true, 0, 0},
};

static const struct limits *limits_of(unsigned kind)
{
	for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
		if (limits[i].kind == kind)
			return &limits[i];
	}
	return NULL;
}

static void put_stat(struct buffer *out, const struct remote_stat *st)
{
	buffer_put64(out, st->size);
	buffer_put64(out, (uint64_t)st->time.tv_sec);
	buffer_put32(out, (uint32_t)st->time.tv_nsec);
}

static void put_body(const struct serve_wire *f, struct buffer *out)
{
	switch (f->kind) {
	case SERVE_WIRE_READ:
		buffer_put64(out, f->offset);
		buffer_put32(out, f->len);
		buffer_append(out, f->path, strlen(f->path));
		break;
	case SERVE_WIRE_STAT:
	case SERVE_WIRE_REMOVE:
	case SERVE_WIRE_LIST:
		buffer_append(out, f->path, strlen(f->path));
		break;
	case SERVE_WIRE_PUT:
		buffer_put64(out, f->total);
		buffer_put8(out, f->replace ? FLAG_REPLACE : 0);
		buffer_put8(out, (uint8_t)strlen(f->path));
		buffer_append(out, f->path, strlen(f->path));
		buffer_append(out, f->data, f->data_len);
		break;
	case SERVE_WIRE_PIECE:
	case SERVE_WIRE_DATA:
	case SERVE_WIRE_ENTRIES:
		buffer_append(out, f->data, f->data_len);
		break;
	case SERVE_WIRE_MORE:
		buffer_put32(out, f->len);
		break;
	case SERVE_WIRE_FOUND:
		put_stat(out, &f->st);
		break;
	case SERVE_WIRE_DONE:
		buffer_put32(out, error_number(f->error));
		break;
	case SERVE_WIRE_CANCEL:
	case SERVE_WIRE_ALIVE:
		break;
	}
}

void serve_wire_encode(const struct serve_wire *frame, struct buffer *out)
{
	size_t at = out->len;

	buffer_put32(out, 0);
	buffer_put32(out, frame->kind);
	buffer_put32(out, frame->number);
	put_body(frame, out);
	if (!out->failed)
		wire_put32(out->data + at, (uint32_t)(out->len - at - SERVE_WIRE_HEADER_SIZE));
}

int serve_wire_body_len(const uint8_t *p, bool from_server, size_t *len)
{
	uint32_t said = wire_get32(p);
	const struct limits *l = limits_of(wire_get32(p + 4));

	if (!l || !(from_server ? l->from_server : l->from_client) || said < l->min || said > l->max)
		return -EPROTO;
	*len = said;
	return 0;
}

/* --- bodies, taken apart --- */

static bool take_path(struct wire_reader *r, size_t len, char path[REMOTE_PATH_SIZE])
{
	const uint8_t *bytes = len && len <= PATH_MAX_LEN ? wire_read_bytes(r, len) : NULL;

	if (!bytes || memchr(bytes, '\0', len))
		return false;
	memcpy(path, bytes, len);
	path[len] = '\0';
	return true;
}

static bool take_stat(struct wire_reader *r, struct remote_stat *st)
{
	uint32_t nanoseconds;

	st->size = wire_read64(r);
	st->time.tv_sec = (time_t)wire_read64(r);
	nanoseconds = wire_read32(r);
	st->time.tv_nsec = (long)nanoseconds;
	return !r->bad && nanoseconds < 1000000000 && st->size <= INT64_MAX;
}

static bool take_put(struct wire_reader *r, struct serve_wire *f)
{
	uint8_t flags;

	f->total = wire_read64(r);
	flags = wire_read8(r);
	f->replace = flags & FLAG_REPLACE;
	if (!take_path(r, wire_read8(r), f->path) || flags & ~FLAG_REPLACE || f->total > INT64_MAX)
		return false;
	f->data_len = wire_reader_left(r);
	f->data = wire_read_bytes(r, f->data_len);
	/* Whatever fits comes along, so that it need not be asked for. */
	return f->data_len == (f->total < SERVE_WIRE_FIRST_MAX ? f->total : SERVE_WIRE_FIRST_MAX);
}

static bool take_body(struct wire_reader *r, struct serve_wire *f)
{
	switch (f->kind) {
	case SERVE_WIRE_READ:
		f->offset = wire_read64(r);
		f->len = wire_read32(r);
		return f->len && f->len <= SERVE_WIRE_READ_MAX && f->offset <= (uint64_t)INT64_MAX - f->len &&
		       take_path(r, wire_reader_left(r), f->path);
	case SERVE_WIRE_STAT:
	case SERVE_WIRE_REMOVE:
	case SERVE_WIRE_LIST:
		return take_path(r, wire_reader_left(r), f->path);
	case SERVE_WIRE_PUT:
		return take_put(r, f);
	case SERVE_WIRE_PIECE:
	case SERVE_WIRE_DATA:
	case SERVE_WIRE_ENTRIES:
		f->data_len = wire_reader_left(r);
		f->data = wire_read_bytes(r, f->data_len);
		return true;
	case SERVE_WIRE_MORE:
		f->len = wire_read32(r);
		return true;
	case SERVE_WIRE_FOUND:
		return take_stat(r, &f->st);
	case SERVE_WIRE_DONE:
		f->error = number_error(wire_read32(r));
		return true;
	case SERVE_WIRE_CANCEL:
	case SERVE_WIRE_ALIVE:
		return true;
	}
	return false;
}

int serve_wire_decode(const uint8_t *p, const uint8_t *body, size_t len, struct serve_wire *frame)
{
	struct wire_reader r;

	*frame = (struct serve_wire){.kind = wire_get32(p + 4), .number = wire_get32(p + 8)};
	wire_reader_init(&r, body, len);
	if (!take_body(&r, frame) || r.bad || wire_reader_left(&r))
		return -EPROTO;
	/* What a server says of itself belongs to no request, and everything else to one. */
	return (frame->kind == SERVE_WIRE_ALIVE) == (frame->number == 0) ? 0 : -EPROTO;
}

/* --- lists --- */

void serve_wire_put_entry(struct buffer *out, const char *path, const struct remote_stat *st)
{
	buffer_put8(out, (uint8_t)strlen(path));
	buffer_append(out, path, strlen(path));
	put_stat(out, st);
}

int serve_wire_next_entry(struct wire_reader *r, char path[REMOTE_PATH_SIZE], struct remote_stat *st)
{
	if (!wire_reader_left(r))
		return r->bad ? -EPROTO : 0;
	return take_path(r, wire_read8(r), path) && take_stat(r, st) ? 1 : -EPROTO;
}

/* --- paths --- */

static bool is_component(const char *text, size_t len)
{
	if (!len || *text == '.')
		return false;
	for (size_t i = 0; i < len; i++) {
		char c = text[i];

		if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') && !(c >= '0' && c <= '9') && c != '-' &&
		    c != '_' && c != '.')
			return false;
	}
	return true;
}

bool serve_wire_is_path(const char *path, size_t len, bool is_folder)
{
	static const char *const tops[] = {"packs", "roots", "condemned"};
	size_t top = 0, components = 0;
	bool known = false;

	if (len > PATH_MAX_LEN)
		return false;
	if (!is_folder && len == strlen(STORE_VERSION_FILE) && !memcmp(path, STORE_VERSION_FILE, len))
		return true;
	for (size_t at = 0; at <= len; components++) {
		const char *slash = memchr(path + at, '/', len - at);
		size_t part = slash ? (size_t)(slash - path) - at : len - at;

		if (!is_component(path + at, part))
			return false;
		if (!components)
			top = part;
		at += part + 1;
	}
	for (size_t i = 0; i < sizeof(tops) / sizeof(tops[0]); i++)
		known |= top == strlen(tops[i]) && !memcmp(path, tops[i], top);
	return known && components <= 3 && (is_folder || components >= 2);
}

bool serve_wire_is_unfinished(const char *path, size_t len, bool is_folder)
{
	const size_t top = strlen(REMOTE_TMP);
	struct pack_id id;

	if (len < top || memcmp(path, REMOTE_TMP, top) != 0)
		return false;
	if (is_folder)
		return len == top;
	return len > top && path[top] == '/' && pack_id_parse(path + top + 1, len - top - 1, &id) == 0;
}
