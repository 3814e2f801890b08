#include "fs/shown.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "fs/git/oid_set.h"
#include "fs/registration.h"

struct shown {
	struct registration *registration; /* NULL: nothing is kept */
	pthread_mutex_t lock;              /* guards known */
	struct oid_set known;
};

int shown_open(struct store *store, struct shown **shown)
{
	struct shown *s = calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	if (store && registration_open(store, &s->registration))
		s->registration = NULL;
	pthread_mutex_init(&s->lock, NULL);
	*shown = s;
	return 0;
}

void shown_close(struct shown *shown)
{
	if (!shown)
		return;
	registration_close(shown->registration);
	oid_set_release(&shown->known);
	pthread_mutex_destroy(&shown->lock);
	free(shown);
}

void shown_add(struct shown *shown, const struct oid *commit)
{
	bool known;

	if (!shown->registration)
		return;
	pthread_mutex_lock(&shown->lock);
	known = oid_set_has(&shown->known, commit);
	pthread_mutex_unlock(&shown->lock);
	/* Known only once it is written: a failure is made good by the next look-up, a line twice does no harm. */
	if (known || registration_add_commit(shown->registration, commit))
		return;
	pthread_mutex_lock(&shown->lock);
	oid_set_add(&shown->known, commit);
	pthread_mutex_unlock(&shown->lock);
}
