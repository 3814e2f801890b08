#include "cache/keyring.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "cache/interrupt.h"

struct keyring {
	const struct io *io;
	char *url;
	struct credentials_source source;
	pthread_mutex_t lock; /* of all below */
	pthread_cond_t looked;
	bool looking;            /* one thread is */
	uint64_t number;         /* of what is held; 0: nobody looked yet */
	int answer;              /* 0, or -ENOENT: there are none */
	bool refused;            /* what is held */
	unsigned refused_so_far; /* looks in a row whose answer was refused */
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
	pthread_cond_init(&k->looked, NULL);
	*keyring = k;
	return 0;
}

void keyring_close(struct keyring *keyring)
{
	if (!keyring)
		return;
	credentials_release(&keyring->held);
	pthread_cond_destroy(&keyring->looked);
	pthread_mutex_destroy(&keyring->lock);
	free(keyring->url);
	free(keyring);
}

/* With the lock held. */
static bool good(const struct keyring *k)
{
	if (!k->number || k->refused)
		return false;
	return !k->held.expires || k->held.expires > io_now(k->io).tv_sec + KEYRING_EARLY_S;
}

/* Look, with the lock held, which is let go of meanwhile. */
static int look(struct keyring *k)
{
	struct credentials old = k->held, found = {0};
	bool refused = k->refused;
	int error = -ENOENT;

	k->looking = true;
	pthread_mutex_unlock(&k->lock);
	if (k->source.get)
		error = k->source.get(k->source.arg, k->url, refused && old.user ? &old : NULL, &found);
	pthread_mutex_lock(&k->lock);
	k->looking = false;
	pthread_cond_broadcast(&k->looked);
	if (error && error != -ENOENT)
		return error;
	k->held = found;
	k->answer = error;
	k->refused = false;
	k->number++;
	credentials_release(&old);
	return 0;
}

int keyring_get(struct keyring *keyring, struct credentials *found, uint64_t *number)
{
	int error = 0;

	pthread_mutex_lock(&keyring->lock);
	while (!error && keyring->looking)
		error = interrupt_wait(&keyring->looked, &keyring->lock);
	if (!error && !good(keyring))
		error = look(keyring);
	if (!error) {
		*number = keyring->number;
		error = keyring->answer ? keyring->answer : credentials_copy(found, &keyring->held);
	}
	pthread_mutex_unlock(&keyring->lock);
	return error;
}

bool keyring_refused(struct keyring *keyring, uint64_t number)
{
	bool again = true;

	pthread_mutex_lock(&keyring->lock);
	if (keyring->number == number && !keyring->refused) {
		keyring->refused = true;
		keyring->refused_so_far++;
		again = keyring->refused_so_far < 2;
	}
	pthread_mutex_unlock(&keyring->lock);
	return again;
}

void keyring_taken(struct keyring *keyring, uint64_t number)
{
	pthread_mutex_lock(&keyring->lock);
	if (keyring->number == number)
		keyring->refused_so_far = 0;
	pthread_mutex_unlock(&keyring->lock);
}
