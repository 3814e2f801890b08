/*
 * A source of credentials that counts, and answers as it is told: user "1" at the first look, "2" at the second.
 *
 * Thread-safe; aborts where two threads are in it at once.
 */
#ifndef TESTS_SUPPORT_FAKE_SOURCE_H
#define TESTS_SUPPORT_FAKE_SOURCE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <time.h>

#include "cache/credentials.h"
#include "cache/io.h"

#define FAKE_SOURCE_URL "s3://bucket/path" /* the only one that it knows */

struct fake_source {
	const struct io *io; /* whose clock says when what it gives expires */
	atomic_uint looks;
	atomic_uint taken;
	atomic_bool in_use;
	atomic_bool stalls; /* until this is false, or its thread is to give up */
	int error;          /* what it ends with */
	time_t lifetime;    /* seconds until what it gives expires; 0: not known */
	char refused[32];   /* whose refusal it was told of last; "": nobody's */
	char user[32];      /* that was taken last */
};

/* Begin anew.  IO is borrowed. */
void fake_source_init(struct fake_source *source, const struct io *io);

/* As a source; borrowed. */
struct credentials_source fake_source_of(struct fake_source *source);

#endif
