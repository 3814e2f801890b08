#include "cache/cached_inside.h"

#define LOOK_NS (CACHED_LOOK_S * UINT64_C(1000000000))

void cached_note_bytes(struct cached *c, uint64_t bytes)
{
	const uint64_t now = io_monotonic_ns(c->io);

	pthread_mutex_lock(&c->lock);
	c->look.known = true;
	c->look.bytes = bytes;
	c->look.written = c->stats.written;
	c->look.looked_ns = now;
	pthread_mutex_unlock(&c->lock);
}

static void *look(void *cached)
{
	struct cached *c = cached;
	struct cached_size size;

	cached_measure(c, &size);
	pthread_mutex_lock(&c->lock);
	c->look.looks = false;
	/* Where it failed, too: the next one takes its time. */
	c->look.looked_ns = io_monotonic_ns(c->io);
	pthread_mutex_unlock(&c->lock);
	return NULL;
}

/* With the lock held, by whoever set LOOKS. */
static void begin_look(struct cached *c)
{
	pthread_t old = c->look.thread;

	/* It has ended, but for its last few instructions. */
	if (c->look.has_thread)
		pthread_join(old, NULL);
	c->look.has_thread = pthread_create(&c->look.thread, NULL, look, c) == 0;
	c->look.looks = c->look.has_thread;
}

bool cached_known_bytes(struct cached *c, uint64_t *bytes)
{
	const uint64_t now = io_monotonic_ns(c->io);
	bool known;

	pthread_mutex_lock(&c->lock);
	known = c->look.known;
	if (known)
		*bytes = c->look.bytes + (c->stats.written - c->look.written);
	if (!c->look.looks && (!c->look.looked_ns || now - c->look.looked_ns >= LOOK_NS))
		begin_look(c);
	pthread_mutex_unlock(&c->lock);
	return known;
}

void cached_end_look(struct cached *c)
{
	if (c->look.has_thread)
		pthread_join(c->look.thread, NULL);
}
