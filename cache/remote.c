#include "cache/remote.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cache/id.h"
#include "cache/wire.h"

struct remote {
	char *name;
	char *url;
	char *public_url;
	const struct io *io;
	const struct remote_kind *kind;
	void *state;
	struct credentials_source credentials;
	atomic_uint_fast64_t requests, received, sent, failures, causes[REMOTE_CAUSES];
	struct histogram durations;
};

const struct remote_kind *remote_kind_of(const char *url)
{
	if (*url == '/' || !strncmp(url, "file://", 7))
		return &remote_kind_folder;
	if (!strncmp(url, "http://", 7) || !strncmp(url, "https://", 8))
		return &remote_kind_http;
	if (!strncmp(url, "ssh://", 6))
		return &remote_kind_ssh;
	if (!strncmp(url, "s3://", 5))
		return &remote_kind_s3;
	return NULL;
}

static void close_source(const struct credentials_source *source)
{
	if (source->close)
		source->close(source->arg);
}

int remote_open_kind(const struct remote_setup *setup, const struct remote_kind *kind, struct remote **remote)
{
	struct remote *r = calloc(1, sizeof(*r));
	int error = -ENOMEM;

	if (!r) {
		close_source(&setup->credentials);
		return -ENOMEM;
	}
	r->credentials = setup->credentials;
	r->name = strdup(setup->name);
	r->url = strdup(setup->url);
	r->public_url = strdup(setup->public_url ? setup->public_url : setup->url);
	r->io = setup->io;
	r->kind = kind;
	if (r->name && r->url && r->public_url)
		error = kind->open(setup, &r->state);
	if (error) {
		close_source(&r->credentials);
		free(r->name);
		free(r->url);
		free(r->public_url);
		free(r);
		return error;
	}
	*remote = r;
	return 0;
}

int remote_open(const struct remote_setup *setup, struct remote **remote)
{
	const struct remote_kind *kind = remote_kind_of(setup->url);

	if (kind)
		return remote_open_kind(setup, kind, remote);
	close_source(&setup->credentials);
	return -EPROTONOSUPPORT;
}

void remote_close(struct remote *remote)
{
	if (!remote)
		return;
	remote->kind->close(remote->state);
	close_source(&remote->credentials);
	free(remote->name);
	free(remote->url);
	free(remote->public_url);
	free(remote);
}

const char *remote_name(const struct remote *remote)
{
	return remote->name;
}

const char *remote_url(const struct remote *remote)
{
	return remote->url;
}

const char *remote_public_url(const struct remote *remote)
{
	return remote->public_url;
}

static void count(atomic_uint_fast64_t *counter, uint64_t by)
{
	atomic_fetch_add_explicit(counter, by, memory_order_relaxed);
}

static enum remote_cause cause_of(int error)
{
	switch (-error) {
	case ECONNREFUSED:
		return REMOTE_REFUSED;
	case ETIMEDOUT:
		return REMOTE_TIMEOUT;
	case ECONNRESET:
	case ECONNABORTED:
	case EPIPE:
		return REMOTE_RESET;
	case EHOSTUNREACH:
	case EHOSTDOWN:
	case ENETUNREACH:
	case ENETDOWN:
		return REMOTE_UNREACHABLE;
	case EKEYREJECTED:
	case ENOKEY:
	case EACCES:
	case EPERM:
		return REMOTE_UNAUTHORISED;
	case EREMOTEIO:
	case EAGAIN:
		return REMOTE_SERVER_ERROR;
	case EPROTO:
	case EBADMSG:
		return REMOTE_WRONG_DATA;
	default:
		return REMOTE_OTHER;
	}
}

const char *remote_cause_name(enum remote_cause cause)
{
	static const char *const names[REMOTE_CAUSES] = {
	    [REMOTE_REFUSED] = "refused",
	    [REMOTE_TIMEOUT] = "timeout",
	    [REMOTE_RESET] = "reset",
	    [REMOTE_UNREACHABLE] = "unreachable",
	    [REMOTE_UNAUTHORISED] = "unauthorised",
	    [REMOTE_SERVER_ERROR] = "server_error",
	    [REMOTE_WRONG_DATA] = "wrong_data",
	    [REMOTE_OTHER] = "other",
	};

	return names[cause];
}

/* Count a request that began at BEGAN_NS and how it ended; what is merely absent or present is no failure. */
static int counted(struct remote *remote, uint64_t began_ns, int error)
{
	count(&remote->requests, 1);
	histogram_add(&remote->durations, io_monotonic_ns(remote->io) - began_ns);
	if (error < 0 && error != -ENOENT && error != -EEXIST) {
		count(&remote->failures, 1);
		if (error != -EINTR)
			count(&remote->causes[cause_of(error)], 1);
	}
	return error;
}

ssize_t remote_read_arriving(struct remote *remote, const char *path, uint64_t offset, void *data, size_t len,
                             const struct arrival *arrival)
{
	const uint64_t began_ns = io_monotonic_ns(remote->io);
	ssize_t got = remote->kind->read(remote->state, path, offset, data, len, arrival);

	/* A kind may have been told of more than was asked for. */
	if (got > 0 && (size_t)got > len)
		got = -EPROTO;
	counted(remote, began_ns, got < 0 ? (int)got : 0);
	if (got > 0)
		count(&remote->received, (uint64_t)got);
	return got;
}

ssize_t remote_read(struct remote *remote, const char *path, uint64_t offset, void *data, size_t len)
{
	return remote_read_arriving(remote, path, offset, data, len, NULL);
}

int remote_read_file(struct remote *remote, const char *path, size_t limit, void **data, size_t *len)
{
	size_t room = limit < 65536 ? limit + 1 : 65536, at = 0;
	uint8_t *bytes = malloc(room + 1);
	ssize_t got = bytes ? 0 : -ENOMEM;

	while (got >= 0) {
		got = remote_read(remote, path, at, bytes + at, room - at);
		if (got < 0)
			break;
		at += (size_t)got;
		if (at < room)
			break;
		if (at > limit) {
			got = -EFBIG;
			break;
		}
		room = room > limit / 2 ? limit + 1 : 2 * room;
		void *more = realloc(bytes, room + 1);
		if (!more)
			got = -ENOMEM;
		else
			bytes = more;
	}
	if (got >= 0 && at > limit)
		got = -EFBIG;
	if (got < 0) {
		free(bytes);
		return (int)got;
	}
	bytes[at] = 0;
	*data = bytes;
	*len = at;
	return 0;
}

int remote_stat(struct remote *remote, const char *path, struct remote_stat *st)
{
	const uint64_t began_ns = io_monotonic_ns(remote->io);

	return counted(remote, began_ns, remote->kind->stat(remote->state, path, st));
}

int remote_put(struct remote *remote, const char *path, const struct remote_body *body, bool replace)
{
	const uint64_t began_ns = io_monotonic_ns(remote->io);
	int error = counted(remote, began_ns, remote->kind->put(remote->state, path, body, replace));

	if (!error)
		count(&remote->sent, body->len);
	return error;
}

int remote_remove(struct remote *remote, const char *path)
{
	const uint64_t began_ns = io_monotonic_ns(remote->io);

	return counted(remote, began_ns, remote->kind->remove(remote->state, path));
}

int remote_list(struct remote *remote, const char *folder, remote_each each, void *arg)
{
	const uint64_t began_ns = io_monotonic_ns(remote->io);

	return counted(remote, began_ns, remote->kind->list(remote->state, folder, each, arg));
}

/* --- what puts left behind --- */

struct sweeping {
	struct buffer names; /* struct pack_id, which has as many digits */
	struct buffer sizes; /* uint64_t */
	time_t before;
};

/* Names of 32 hex digits are those that folders give to what is put. */
static int note_unfinished(void *arg, const char *path, const struct remote_stat *st)
{
	const char *name = path + strlen(REMOTE_TMP "/");
	struct sweeping *s = arg;
	struct pack_id id;

	if (st->time.tv_sec >= s->before || pack_id_parse(name, strlen(name), &id) < 0)
		return 0;
	buffer_append(&s->names, &id, sizeof(id));
	buffer_append(&s->sizes, &st->size, sizeof(st->size));
	return s->names.failed || s->sizes.failed ? -ENOMEM : 0;
}

/* What another collection removes at the same time is counted by it alone. */
static int remove_unfinished(struct remote *remote, const struct pack_id *name)
{
	char path[REMOTE_PATH_SIZE], hex[PACK_ID_HEX_SIZE];

	snprintf(path, sizeof(path), REMOTE_TMP "/%s", pack_id_format(name, hex));
	return remote_remove(remote, path);
}

static int sweep_tmp(struct remote *remote, time_t before, bool dry, struct remote_unfinished *swept)
{
	struct sweeping s = {.before = before};
	int error = remote_list(remote, REMOTE_TMP, note_unfinished, &s);

	for (size_t i = 0; i < s.sizes.len / sizeof(uint64_t) && !error; i++) {
		struct pack_id name;
		uint64_t size;

		memcpy(&name, s.names.data + i * sizeof(name), sizeof(name));
		memcpy(&size, s.sizes.data + i * sizeof(size), sizeof(size));
		error = dry ? 0 : remove_unfinished(remote, &name);
		swept->files += !error;
		swept->bytes += error ? 0 : size;
		error = error == -ENOENT ? 0 : error;
	}
	buffer_release(&s.names);
	buffer_release(&s.sizes);
	return error;
}

int remote_sweep(struct remote *remote, time_t before, bool dry, struct remote_unfinished *swept)
{
	*swept = (struct remote_unfinished){0};
	if (!remote->kind->sweep)
		return sweep_tmp(remote, before, dry, swept);
	return counted(remote, io_monotonic_ns(remote->io), remote->kind->sweep(remote->state, before, dry, swept));
}

void remote_why(struct remote *remote, char why[REMOTE_WHY_SIZE])
{
	why[0] = '\0';
	if (remote->kind->why)
		remote->kind->why(remote->state, why);
}

void remote_counts(const struct remote *remote, struct remote_counts *counts)
{
	*counts = (struct remote_counts){
	    .requests = atomic_load_explicit(&remote->requests, memory_order_relaxed),
	    .received_bytes = atomic_load_explicit(&remote->received, memory_order_relaxed),
	    .sent_bytes = atomic_load_explicit(&remote->sent, memory_order_relaxed),
	    .failures = atomic_load_explicit(&remote->failures, memory_order_relaxed),
	};
	for (size_t i = 0; i < REMOTE_CAUSES; i++)
		counts->causes[i] = atomic_load_explicit(&remote->causes[i], memory_order_relaxed);
}

void remote_count_wrong(struct remote *remote)
{
	count(&remote->causes[REMOTE_WRONG_DATA], 1);
}

struct histogram *remote_durations(struct remote *remote)
{
	return &remote->durations;
}

bool remote_may_pass(int error)
{
	switch (-error) {
	case 0:
	case ENOENT:
	case ENODEV:
	case EEXIST:
	case EACCES:
	case EKEYREJECTED:
	case ENOKEY:
	case EROFS:
	case ENOSPC:
	case EDQUOT:
	case EPROTO:
	case ENOMEM:
	case EINVAL:
	case EINTR:
	case EBADMSG:
	case ENOTSUP:
		return false;
	default:
		return true;
	}
}
