#include "fs/checkout_told.h"

#include <string.h>

/* Beside the events: in a dry run, what would be gone. */
#define GONE (CHECKOUT_FAILED + 1)

static void key_of(unsigned event, const char *path, size_t len, struct id *key)
{
	id_of(path, len, key);
	key->bytes[0] ^= (uint8_t)(event + 1);
}

static bool has(struct told *told, unsigned event, const char *path, size_t len)
{
	struct id key;
	bool found = false;

	pthread_mutex_lock(&told->lock);
	if (told->keys.count) {
		key_of(event, path, len, &key);
		found = id_set_has(&told->keys, &key);
	}
	pthread_mutex_unlock(&told->lock);
	return found;
}

void told_init(struct told *told, const struct checkout_request *request, struct checkout_result *result)
{
	*told = (struct told){.request = request, .result = result};
	pthread_mutex_init(&told->lock, NULL);
}

void told_release(struct told *told)
{
	id_set_release(&told->keys);
	pthread_mutex_destroy(&told->lock);
}

void told_tell(struct told *told, enum checkout_event event, const char *path, int error, bool of_store)
{
	struct checkout_result *r = told->result;
	bool is_new = true;
	struct id key;

	pthread_mutex_lock(&told->lock);
	if (told->request->dry || event == CHECKOUT_CONFLICT || event == CHECKOUT_FAILED) {
		key_of(event, path, strlen(path), &key);
		/* Where memory runs out it is told twice. */
		is_new = id_set_add(&told->keys, &key) != 0;
	}
	if (is_new) {
		r->removed += event == CHECKOUT_REMOVE;
		r->conflicts += event == CHECKOUT_CONFLICT;
		r->failed += event == CHECKOUT_FAILED;
		told->request->tell(told->request->arg, event, path, error, of_store);
	}
	pthread_mutex_unlock(&told->lock);
}

bool told_was(struct told *told, enum checkout_event event, const char *path, size_t len)
{
	return has(told, event, path, len);
}

void told_written(struct told *told, uint64_t bytes)
{
	pthread_mutex_lock(&told->lock);
	told->result->written++;
	told->result->bytes += bytes;
	pthread_mutex_unlock(&told->lock);
}

void told_note_gone(struct told *told, const char *path)
{
	struct id key;

	if (!told->request->dry)
		return;
	pthread_mutex_lock(&told->lock);
	key_of(GONE, path, strlen(path), &key);
	id_set_add(&told->keys, &key);
	pthread_mutex_unlock(&told->lock);
}

bool told_is_noted(struct told *told, const char *path, size_t len)
{
	return has(told, GONE, path, len);
}

bool told_is_gone(struct told *told, const char *path)
{
	size_t len = 0;

	if (!told->request->dry || has(told, GONE, "", 0))
		return told->request->dry;
	while (path[len]) {
		len += strcspn(path + len, "/");
		if (has(told, GONE, path, len))
			return true;
		len += path[len] == '/';
	}
	return false;
}
