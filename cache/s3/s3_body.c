#include "cache/s3/s3_body.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cache/interrupt.h"

#define PIECE ((size_t)256 << 10)

static int read_body(void *arg, uint64_t offset, void *data, size_t len)
{
	const struct s3_body *body = arg;
	const uint64_t at = body->offset + offset;

	if (!body->from.data)
		return io_read_exact(body->io, body->from.fd, data, len, at);
	memcpy(data, (const uint8_t *)body->from.data + at, len);
	return 0;
}

int s3_body_init(struct s3_body *body, const struct io *io, const struct remote_body *from, uint64_t offset,
                 uint64_t len)
{
	uint8_t *piece = malloc(PIECE);
	struct id_hasher hasher;
	struct id id;
	int error = 0;

	if (!piece)
		return -ENOMEM;
	*body = (struct s3_body){.io = io, .from = *from, .offset = offset};
	body->http = (struct http_body){.read = read_body, .arg = body, .len = len};
	id_hasher_init(&hasher);
	for (uint64_t at = 0; at < len && !error; at += PIECE) {
		size_t size = len - at < PIECE ? (size_t)(len - at) : PIECE;

		error = interrupt_pending() ? -EINTR : read_body(body, at, piece, size);
		if (!error)
			id_hasher_update(&hasher, piece, size);
	}
	id_hasher_final(&hasher, &id);
	id_format(&id, body->digest);
	free(piece);
	return error;
}
