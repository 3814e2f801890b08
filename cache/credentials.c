#include "cache/credentials.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* Pages that no core dump holds, in slots of one size.  A text that is longer, or finds them all in use, is malloc'ed.
 */
#define SLOTS 64
#define SLOT_SIZE 4096
static _Alignas(SLOT_SIZE) char slots[SLOTS][SLOT_SIZE];
static bool in_use[SLOTS]; /* under LOCK */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t once = PTHREAD_ONCE_INIT;

/* Where pages are larger, or the kernel knows no such thing, they are like all other memory. */
static void leave_out_of_dumps(void)
{
	madvise(slots, sizeof(slots), MADV_DONTDUMP);
}

static char *take_slot(void)
{
	char *slot = NULL;

	pthread_once(&once, leave_out_of_dumps);
	pthread_mutex_lock(&lock);
	for (size_t i = 0; i < SLOTS && !slot; i++) {
		if (!in_use[i]) {
			in_use[i] = true;
			slot = slots[i];
		}
	}
	pthread_mutex_unlock(&lock);
	return slot;
}

char *credentials_text(const char *text, size_t len)
{
	char *copy = len < SLOT_SIZE ? take_slot() : NULL;

	if (!copy)
		copy = malloc(len + 1);
	if (!copy)
		return NULL;
	memcpy(copy, text, len);
	copy[len] = '\0';
	return copy;
}

void credentials_wipe(char *text)
{
	uintptr_t from;

	if (!text)
		return;
	explicit_bzero(text, strlen(text));
	from = (uintptr_t)text - (uintptr_t)slots;
	if (from >= sizeof(slots)) {
		free(text);
		return;
	}
	pthread_mutex_lock(&lock);
	in_use[from / SLOT_SIZE] = false;
	pthread_mutex_unlock(&lock);
}

void credentials_release(struct credentials *credentials)
{
	credentials_wipe(credentials->user);
	credentials_wipe(credentials->secret);
	credentials_wipe(credentials->token);
	*credentials = (struct credentials){0};
}

static char *copy_of(const char *text)
{
	return text ? credentials_text(text, strlen(text)) : NULL;
}

int credentials_copy(struct credentials *to, const struct credentials *from)
{
	*to = (struct credentials){
	    .user = copy_of(from->user),
	    .secret = copy_of(from->secret),
	    .token = copy_of(from->token),
	    .expires = from->expires,
	};
	if ((from->user && !to->user) || (from->secret && !to->secret) || (from->token && !to->token)) {
		credentials_release(to);
		return -ENOMEM;
	}
	return 0;
}
