#include "cache/keyring.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "cache/interrupt.h"

#define REFUSALS_MAX 2 /* in a row: then others are looked for after a pause only */

struct keyring {
	const struct io *io;
	char *url;
	struct credentials_source source;
	pthread_mutex_t lock; /* of all below */
	pthread_cond_t idle;  /* the source is asked no more */
	bool asking;          /* one thread is in a function of the source; it alone changes what is held */
	uint64_t asked_ns;    /* when the source answered last; 0: never */
	int failure;          /* how the last look failed, where it did: what is held is that of a look before */
	uint64_t number;      /* of what is held; 0: nothing yet */
	int answer;           /* 0, or -ENOENT: there are none */
	bool refused;         /* what is held, by the server */
	bool told;            /* the source knows that it was taken */
	unsigned refusals;    /* in a row */
	struct credentials held;
};

int keyring_open(const struct io *io, const char *url, const struct credentials_source *source,
                 struct keyring **keyring)
{
	struct keyring *k = calloc(1, sizeof(*k));

	if (!k)
		return -ENOMEM;
	k->io = io;
	k->url = strdup(url);
	if (!k->url) {
		free(k);
		return -ENOMEM;
	}
	k->source = *source;
	pthread_mutex_init(&k->lock, NULL);
	pthread_cond_init(&k->idle, NULL);
	*keyring = k;
	return 0;
}

void keyring_close(struct keyring *keyring)
{
	if (!keyring)
		return;
	credentials_release(&keyring->held);
	pthread_cond_destroy(&keyring->idle);
	pthread_mutex_destroy(&keyring->lock);
	free(keyring->url);
	free(keyring);
}

/* All below with the lock held. */

static bool is_pause(const struct keyring *k)
{
	return k->asked_ns && io_monotonic_ns(k->io) - k->asked_ns < KEYRING_PAUSE_S * UINT64_C(1000000000);
}

/* Whether what is held expires within SECONDS. */
static bool expires_in(const struct keyring *k, time_t seconds)
{
	return k->held.expires && k->held.expires <= io_now(k->io).tv_sec + seconds;
}

static bool must_look(const struct keyring *k)
{
	if (k->refused && !k->answer && k->refusals < REFUSALS_MAX && !k->failure)
		return true;
	if (is_pause(k))
		return false;
	return !k->number || k->refused || expires_in(k, KEYRING_EARLY_S);
}

/* Whether what is held will do for the moment. */
static bool is_usable(const struct keyring *k)
{
	return k->number && !k->refused && !expires_in(k, 0);
}

static void ask_begin(struct keyring *k)
{
	k->asking = true;
	pthread_mutex_unlock(&k->lock);
}

static void ask_end(struct keyring *k)
{
	pthread_mutex_lock(&k->lock);
	k->asking = false;
	pthread_cond_broadcast(&k->idle);
}

/* What is held is kept where there is no other: it may still do. */
static int look(struct keyring *k)
{
	const struct credentials *refused = k->refused && !k->answer ? &k->held : NULL;
	struct credentials found = {0};
	int error = -ENOENT;

	ask_begin(k);
	if (k->source.get)
		error = k->source.get(k->source.arg, k->url, refused, &found);
	ask_end(k);
	if (error == -EINTR || error == -ENOMEM)
		return error;
	k->asked_ns = io_monotonic_ns(k->io);
	k->failure = error == -ENOENT ? 0 : error;
	if (k->failure || (error && !k->answer && is_usable(k)))
		return 0;
	credentials_release(&k->held);
	k->held = found;
	k->answer = error;
	k->refused = k->told = false;
	k->number++;
	return 0;
}

/* What a caller of keyring_get() is told, without another look. */
static int present(const struct keyring *k, struct credentials *found, uint64_t *number)
{
	if (k->failure && !is_usable(k))
		return k->failure;
	if (k->refused && !k->answer)
		return -EKEYREJECTED;
	*number = k->number;
	return k->answer ? k->answer : credentials_copy(found, &k->held);
}

int keyring_get(struct keyring *keyring, struct credentials *found, uint64_t *number)
{
	int error = 0;

	pthread_mutex_lock(&keyring->lock);
	while (!error && keyring->asking && must_look(keyring) && !is_usable(keyring))
		error = interrupt_wait(&keyring->idle, &keyring->lock);
	if (!error && !keyring->asking && must_look(keyring))
		error = look(keyring);
	if (!error)
		error = present(keyring, found, number);
	pthread_mutex_unlock(&keyring->lock);
	return error;
}

bool keyring_refused(struct keyring *keyring, uint64_t number)
{
	bool again = true;

	pthread_mutex_lock(&keyring->lock);
	if (keyring->number == number) {
		/* Of many threads that asked with the same credentials, one counts. */
		keyring->refusals += !keyring->refused && !keyring->answer;
		keyring->refused = true;
		again = !keyring->answer && keyring->refusals < REFUSALS_MAX;
	}
	pthread_mutex_unlock(&keyring->lock);
	return again;
}

void keyring_taken(struct keyring *keyring, uint64_t number)
{
	bool is_present;

	pthread_mutex_lock(&keyring->lock);
	is_present = keyring->number == number && !keyring->answer;
	if (is_present)
		keyring->refusals = 0;
	if (is_present && keyring->source.taken && !keyring->told && !keyring->refused && !keyring->asking) {
		ask_begin(keyring);
		keyring->source.taken(keyring->source.arg, keyring->url, &keyring->held);
		ask_end(keyring);
		keyring->told = true;
	}
	pthread_mutex_unlock(&keyring->lock);
}

void keyring_why(struct keyring *keyring, char *why, size_t size)
{
	*why = '\0';
	if (keyring->source.why)
		keyring->source.why(keyring->source.arg, why, size);
}
