#include "tests/support/fake_source.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cache/interrupt.h"

static void enter(struct fake_source *s)
{
	if (atomic_exchange(&s->in_use, true))
		abort();
}

static int source_get(void *arg, const char *url, const struct credentials *refused, struct credentials *found)
{
	struct fake_source *s = arg;
	unsigned look = atomic_fetch_add(&s->looks, 1) + 1;
	int error = strcmp(url, FAKE_SOURCE_URL) ? -EINVAL : s->error;
	char name[16];

	enter(s);
	while (atomic_load(&s->stalls) && !interrupt_pending())
		io_sleep_ms(io_system(), 1);
	if (atomic_load(&s->stalls))
		error = -EINTR;
	snprintf(s->refused, sizeof(s->refused), "%s", refused ? refused->user : "");
	snprintf(name, sizeof(name), "%u", look);
	if (!error) {
		found->user = credentials_text(name, strlen(name));
		found->secret = credentials_text("word", 4);
		found->expires = s->lifetime ? io_now(s->io).tv_sec + s->lifetime : 0;
	}
	atomic_store(&s->in_use, false);
	return error;
}

static void source_taken(void *arg, const char *url, const struct credentials *credentials)
{
	struct fake_source *s = arg;

	enter(s);
	if (strcmp(url, FAKE_SOURCE_URL) != 0)
		abort();
	snprintf(s->user, sizeof(s->user), "%s", credentials->user);
	atomic_fetch_add(&s->taken, 1);
	atomic_store(&s->in_use, false);
}

void fake_source_init(struct fake_source *source, const struct io *io)
{
	memset(source, 0, sizeof(*source));
	source->io = io;
}

struct credentials_source fake_source_of(struct fake_source *source)
{
	return (struct credentials_source){.get = source_get, .taken = source_taken, .arg = source};
}
