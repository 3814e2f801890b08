#include "fs/ahead.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>

#include "cache/aside.h"

/* As many readers are followed at once; who was heard of longest ago is forgotten first. */
#define STREAMS 8
/* Readers that share a folder, and files that need no reading, leave gaps. */
#define GAP_MAX 4

/* A reader that goes through one directory. */
struct stream {
	uint64_t serial; /* its own: a slot is used again and again */
	uint64_t parent; /* 0: none */
	bool folders;    /* it lists them */
	uint64_t rank;   /* of the file or folder begun last */
	uint64_t next;   /* everything before it is expanded or passed */
	uint64_t again;  /* where the reader must be for more to be expanded */
	uint64_t heard;  /* the note that spoke of it last */
	unsigned steps;  /* forward, in a row */
	bool wanted;     /* the thread is to go along it */
};

struct ahead {
	struct place_world world;
	struct spots *spots;
	pthread_mutex_t lock; /* guards all below but thread, which is joined by ahead_close() alone */
	pthread_cond_t work;
	struct stream streams[STREAMS];
	uint64_t notes;
	struct ticket ticket; /* the thread's: nobody shall wait for what it waits for */
	bool ready;           /* what it waits for is there */
	bool has_thread;
	bool closing;
	pthread_t thread;
};

/* The thread on its way along a stream, once: half of what may be ahead. */
struct run {
	struct ahead *ahead;
	struct stream *stream;
	uint64_t serial; /* of the stream when the run began */
	uint64_t parent;
	bool folders;
	uint64_t from; /* the rank to go on at */
	uint64_t bytes;
	unsigned files;
};

int ahead_open(const struct place_world *world, struct spots *spots, struct ahead **ahead)
{
	struct ahead *a = calloc(1, sizeof(*a));

	if (!a)
		return -ENOMEM;
	a->world = *world;
	a->spots = spots;
	pthread_mutex_init(&a->lock, NULL);
	pthread_cond_init(&a->work, NULL);
	*ahead = a;
	return 0;
}

void ahead_close(struct ahead *ahead)
{
	bool has_thread;

	if (!ahead)
		return;
	pthread_mutex_lock(&ahead->lock);
	ahead->closing = true;
	has_thread = ahead->has_thread;
	pthread_cond_signal(&ahead->work);
	pthread_mutex_unlock(&ahead->lock);
	if (has_thread)
		pthread_join(ahead->thread, NULL);
	pthread_cond_destroy(&ahead->work);
	pthread_mutex_destroy(&ahead->lock);
	free(ahead);
}

/* --- the thread --- */

static void on_ready(struct ticket *ticket)
{
	struct ahead *a = (struct ahead *)((char *)ticket - offsetof(struct ahead, ticket));

	pthread_mutex_lock(&a->lock);
	a->ready = true;
	pthread_cond_signal(&a->work);
	pthread_mutex_unlock(&a->lock);
}

/* After -EINPROGRESS.  False where the thread is to end instead. */
static bool wait_until_ready(struct ahead *a)
{
	bool closing;

	pthread_mutex_lock(&a->lock);
	while (!a->ready && !a->closing)
		pthread_cond_wait(&a->work, &a->lock);
	a->ready = false;
	closing = a->closing;
	pthread_mutex_unlock(&a->lock);
	return !closing;
}

enum step {
	STEP_END,  /* enough, or the stream is another's by now */
	STEP_PASS, /* the reader is there already */
	STEP_EXPAND,
};

static enum step take_step(struct run *run, uint64_t rank)
{
	struct stream *stream = run->stream;
	enum step step = STEP_END;

	pthread_mutex_lock(&run->ahead->lock);
	if (!run->ahead->closing && stream->serial == run->serial && run->files < AHEAD_FILES / 2 &&
	    run->bytes < AHEAD_BYTES / 2) {
		step = rank > stream->rank ? STEP_EXPAND : STEP_PASS;
		stream->next = rank + 1;
	}
	pthread_mutex_unlock(&run->ahead->lock);
	return step;
}

static uint64_t expand_content(struct ahead *a, const struct content *content)
{
	uint64_t done;

	/* How it ends does not matter: who reads it asks again. */
	while (content_expand(a->world.source, content, AHEAD_BYTES / 2, &done) == -EINPROGRESS && wait_until_ready(a))
		;
	ticket_release(&a->ticket);
	return done;
}

static int stop(void *arg, const char *name, uint64_t rank, const struct place *place)
{
	(void)arg;
	(void)name;
	(void)rank;
	(void)place;
	return 1;
}

/* Have the first page of a folder, and what is above it. */
static void expand_folder(struct ahead *a, const struct place *folder)
{
	while (place_each_child(&a->world, folder, 0, stop, NULL) == -EINPROGRESS && wait_until_ready(a))
		;
	ticket_release(&a->ticket);
}

static int expand(void *arg, const char *name, uint64_t rank, const struct place *place)
{
	struct run *run = arg;
	enum step step = take_step(run, rank);

	(void)name;
	if (step != STEP_EXPAND)
		return step == STEP_END;
	run->from = rank + 1;
	/* Files do not stand in the way of folders. */
	run->files += !run->folders || place->kind == PLACE_DATA_DIRECTORY;
	if (run->folders && place->kind == PLACE_DATA_DIRECTORY)
		expand_folder(run->ahead, place);
	else if (!run->folders && place->kind == PLACE_DATA_FILE && !place->foreign)
		run->bytes += expand_content(run->ahead, &place->content);
	return 0;
}

static void run_along(struct ahead *a, struct run *run)
{
	struct spot dir;
	int error;

	do {
		error = spot_of(a->spots, run->parent, &dir);
		if (error == 0 && dir.place.kind == PLACE_DATA_DIRECTORY)
			error = place_each_child(&a->world, &dir.place, run->from, expand, run);
	} while (error == -EINPROGRESS && wait_until_ready(a));
	ticket_release(&a->ticket);
}

static struct stream *wanted_stream(struct ahead *a)
{
	for (unsigned i = 0; i < STREAMS; i++) {
		if (a->streams[i].wanted)
			return &a->streams[i];
	}
	return NULL;
}

static void *follow(void *arg)
{
	struct ahead *a = arg;

	a->ticket.ready = on_ready;
	ticket_hold(&a->ticket);
	pthread_mutex_lock(&a->lock);
	while (!a->closing) {
		struct stream *stream = wanted_stream(a);
		struct run run = {.ahead = a, .stream = stream};

		if (!stream) {
			pthread_cond_wait(&a->work, &a->lock);
			continue;
		}
		stream->wanted = false;
		run.serial = stream->serial;
		run.parent = stream->parent;
		run.folders = stream->folders;
		run.from = stream->next > stream->rank ? stream->next : stream->rank + 1;
		pthread_mutex_unlock(&a->lock);
		run_along(a, &run);
		pthread_mutex_lock(&a->lock);
		if (stream->serial == run.serial && stream->next > stream->rank)
			stream->again = stream->rank + (stream->next - stream->rank) / 2;
	}
	pthread_mutex_unlock(&a->lock);
	return NULL;
}

/* --- the readers --- */

/* The stream that reaches RANK with its next steps, else the one to be forgotten. */
static struct stream *find_stream(struct ahead *a, uint64_t parent, bool folders, uint64_t rank)
{
	struct stream *oldest = &a->streams[0];

	for (unsigned i = 0; i < STREAMS; i++) {
		struct stream *stream = &a->streams[i];

		if (stream->parent == parent && stream->folders == folders && rank + GAP_MAX >= stream->rank &&
		    rank <= stream->rank + GAP_MAX)
			return stream;
		if (stream->heard < oldest->heard)
			oldest = stream;
	}
	*oldest = (struct stream){
	    .serial = a->notes + 1, .parent = parent, .folders = folders, .rank = rank, .next = rank + 1};
	return oldest;
}

/* The first time, make the thread; without one, nothing is expanded ahead. */
static void wake(struct ahead *a)
{
	if (!a->has_thread)
		a->has_thread = pthread_create(&a->thread, NULL, follow, a) == 0;
	else
		pthread_cond_signal(&a->work);
}

static void note(struct ahead *ahead, uint64_t parent, bool folders, uint64_t rank)
{
	struct stream *stream;

	pthread_mutex_lock(&ahead->lock);
	stream = find_stream(ahead, parent, folders, rank);
	stream->heard = ++ahead->notes;
	if (rank > stream->rank) {
		stream->rank = rank;
		stream->steps++;
		if (stream->steps >= AHEAD_STEPS - 1 && rank >= stream->again && !stream->wanted) {
			stream->wanted = true;
			wake(ahead);
		}
	}
	pthread_mutex_unlock(&ahead->lock);
}

void ahead_note(struct ahead *ahead, uint64_t parent, uint64_t rank)
{
	note(ahead, parent, false, rank);
}

void ahead_note_folder(struct ahead *ahead, uint64_t parent, uint64_t rank)
{
	note(ahead, parent, true, rank);
}
