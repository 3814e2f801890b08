/*
 * What `revfs serve` and its clients say to each other, as bytes: a greeting each, then frames (revfs-serve(1)).
 *
 * Nothing is believed that comes from the other side: lengths are bounded before anything is allocated, and what does
 * not decode ends the connection.  Errors go as numbers of their own, the same on every machine.
 */
#ifndef CACHE_SERVE_WIRE_H
#define CACHE_SERVE_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cache/remote.h"
#include "cache/wire.h"

#define SERVE_WIRE_GREETING_SIZE 16
#define SERVE_WIRE_HEADER_SIZE 12
#define SERVE_WIRE_MAGIC "revfsSRV"
#define SERVE_WIRE_MAGIC_SIZE 8

#define SERVE_WIRE_READ_MAX ((uint32_t)4 << 20)            /* bytes that one read asks for */
#define SERVE_WIRE_FIRST_MAX ((uint32_t)64 << 10)          /* bytes of a file that its put brings along */
#define SERVE_WIRE_PIECE_MAX ((uint32_t)256 << 10)         /* bytes of a file in one of the pieces behind it */
#define SERVE_WIRE_ENTRIES_MAX ((uint32_t)64 << 10)        /* bytes of one part of a list */
#define SERVE_WIRE_LIST_GRANT (2 * SERVE_WIRE_ENTRIES_MAX) /* bytes of a list that may come before more are granted */
#define SERVE_WIRE_IN_FLIGHT 64                            /* requests that have no answer yet */

enum serve_wire_kind {
	/* From the client. */
	SERVE_WIRE_READ = 1,
	SERVE_WIRE_STAT,
	SERVE_WIRE_PUT,
	SERVE_WIRE_PIECE,
	SERVE_WIRE_REMOVE,
	SERVE_WIRE_LIST,
	SERVE_WIRE_CANCEL,
	/* From either. */
	SERVE_WIRE_MORE = 64,
	/* From the server. */
	SERVE_WIRE_DATA = 128,
	SERVE_WIRE_FOUND,
	SERVE_WIRE_ENTRIES,
	SERVE_WIRE_DONE,
	SERVE_WIRE_ALIVE,
};

/* The flag of a server's greeting: it takes no changes. */
#define SERVE_WIRE_READ_ONLY 1u

/* A frame, taken apart.  Pointers lead into the bytes that it was decoded from. */
struct serve_wire {
	enum serve_wire_kind kind;
	uint32_t number;             /* of the request; 0 where it belongs to none */
	char path[REMOTE_PATH_SIZE]; /* READ, STAT, PUT, REMOVE, LIST */
	uint64_t offset;             /* READ */
	uint32_t len;                /* READ: bytes asked for; MORE: bytes granted */
	uint64_t total;              /* PUT: bytes of the whole file */
	bool replace;                /* PUT */
	const uint8_t *data;         /* PUT: the first bytes; PIECE, DATA, ENTRIES: all that is in it */
	size_t data_len;
	struct remote_stat st; /* FOUND */
	int error;             /* DONE: 0 or -errno */
};

/* Write the greeting, a server's with FLAGS, to its 16 bytes at P. */
void serve_wire_greet(uint8_t *p, uint32_t flags);

/*
 * Take the greeting in the LEN bytes at P, 16 at most.  Returns 1 once it is whole; 0 where that is not to be said yet;
 * -EPROTO where it is none as soon as that can be seen, or one of a version that is not known.
 */
int serve_wire_greeted(const uint8_t *p, size_t len, uint32_t *flags);

/* Append FRAME, which must be one that decodes, to OUT, whose failure says that there is no memory. */
void serve_wire_encode(const struct serve_wire *frame, struct buffer *out);

/*
 * How long the body is that the 12 bytes of a header at P announce, at most what its kind allows.  FROM_SERVER: which
 * kinds may come.  Returns 0 or -EPROTO.
 */
int serve_wire_body_len(const uint8_t *p, bool from_server, size_t *len);

/* Decode the frame of the header at P and its body of LEN bytes, whose length was taken.  Returns 0 or -EPROTO. */
int serve_wire_decode(const uint8_t *p, const uint8_t *body, size_t len, struct serve_wire *frame);

/* Append what is known of the file PATH to a list's part. */
void serve_wire_put_entry(struct buffer *out, const char *path, const struct remote_stat *st);

/* Take the next file out of a list's part: 1; 0 at the end; -EPROTO. */
int serve_wire_next_entry(struct wire_reader *r, char path[REMOTE_PATH_SIZE], struct remote_stat *st);

/*
 * Whether the LEN bytes at PATH name a file in a store, or for IS_FOLDER a folder: at most three components of letters,
 * digits, '-', '_' and '.', none with a '.' in front, below "packs", "roots" or "condemned", or the version file.
 */
bool serve_wire_is_path(const char *path, size_t len, bool is_folder);

/* Whether it is the folder of what is being put (IS_FOLDER), or a file that a put which was killed left in it. */
bool serve_wire_is_unfinished(const char *path, size_t len, bool is_folder);

#endif
