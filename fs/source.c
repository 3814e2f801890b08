#include "fs/source.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "cache/interrupt.h"
#include "cache/record.h"
#include "fs/page_turns.h"

/* Decoded pages stand in the memory under numbers of their own, one a kind; chunks under that of their record. */
#define MEMORY_PAGES 16

#define PACK_BEGIN 4096 /* the first record of a pack lies before */

struct source {
	struct store *store;
	struct memory *memory;
	struct store_writer *writer;
	int (*find)(void *arg, struct fetch **fetch);
	void *find_arg;
	_Atomic(struct fetch *) fetch; /* what was found last */
	atomic_uint_fast64_t pages_loaded;
	atomic_uint_fast64_t chunks_loaded;
	atomic_uint_fast64_t records_found;
	pthread_mutex_t lock;      /* of the next */
	struct locator last_chunk; /* that the page loaded last names */
};

/* What a load needs to know beside the key. */
struct request {
	struct source *source;
	const struct locator *hint;
	bool is_root;
	enum page_kind kind;
};

int source_open(struct store *store, struct memory *memory, struct store_writer *writer, struct source **source)
{
	struct source *s = calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	s->store = store;
	s->memory = memory;
	s->writer = writer;
	pthread_mutex_init(&s->lock, NULL);
	*source = s;
	return 0;
}

void source_set_fetch(struct source *source, int (*find)(void *arg, struct fetch **fetch), void *arg)
{
	source->find = find;
	source->find_arg = arg;
}

int source_open_beside(const struct source *source, struct source **beside)
{
	int error = source_open(source->store, source->memory, NULL, beside);

	if (!error)
		source_set_fetch(*beside, source->find, source->find_arg);
	return error;
}

void source_close(struct source *source)
{
	if (source)
		pthread_mutex_destroy(&source->lock);
	free(source);
}

struct memory *source_memory(struct source *s)
{
	return s->memory;
}

struct store *source_store(struct source *s)
{
	return s->store;
}

uint64_t source_pages_loaded(const struct source *s)
{
	return atomic_load_explicit(&s->pages_loaded, memory_order_relaxed);
}

uint64_t source_chunks_loaded(const struct source *s)
{
	return atomic_load_explicit(&s->chunks_loaded, memory_order_relaxed);
}

uint64_t source_records_found(const struct source *s)
{
	return atomic_load_explicit(&s->records_found, memory_order_relaxed);
}

/* *FETCH: NULL where there is none, and on errors. */
static int find_fetch(struct source *s, struct fetch **fetch)
{
	int error;

	*fetch = NULL;
	error = s->find ? s->find(s->find_arg, fetch) : 0;
	if (!error)
		atomic_store_explicit(&s->fetch, *fetch, memory_order_release);
	return error;
}

struct fetch *source_fetch(const struct source *s)
{
	return atomic_load_explicit(&s->fetch, memory_order_acquire);
}

/* Whether a failure of the store is one that remotes may mend. */
static bool may_be_elsewhere(int error)
{
	return error && !is_unanswered(error);
}

/* Where no remote has it either, what the store said. */
static int either(int local, int remote)
{
	return remote == -ENOENT ? local : remote;
}

struct fetch *source_find_fetch(struct source *source)
{
	struct fetch *fetch;

	find_fetch(source, &fetch);
	return fetch;
}

static int read_record(struct source *s, unsigned kind, const struct id *id, const struct locator *hint,
                       struct record *record)
{
	struct fetch *fetch;
	int r = -ENOENT, error;

	if (s->writer)
		r = store_writer_read(s->writer, kind, id, hint, record);
	else if (s->store)
		r = store_read(s->store, kind, id, hint, record);
	if (!r)
		atomic_fetch_add_explicit(&s->records_found, 1, memory_order_relaxed);
	if (may_be_elsewhere(r)) {
		error = find_fetch(s, &fetch);
		if (error)
			return error;
		r = fetch ? either(r, fetch_read(fetch, kind, id, hint, record)) : r;
	}
	return r == -ENOENT ? -ENODATA : r;
}

/* The packs hold every root page as well, so that a root file that is gone or damaged costs nothing but the search. */
static int read_root(struct source *s, const struct id *id, struct record *record)
{
	int root_error = s->store ? store_read_root(s->store, id, record) : -ENOENT;
	struct fetch *fetch;
	int r;

	if (root_error == 0) {
		atomic_fetch_add_explicit(&s->records_found, 1, memory_order_relaxed);
		return 0;
	}
	r = read_record(s, RECORD_PAGE, id, NULL, record);
	if (may_be_elsewhere(r) && !find_fetch(s, &fetch) && fetch)
		r = either(r, fetch_read_root(fetch, id, record));
	return r == -ENODATA && root_error != -ENOENT ? root_error : r;
}

static void tell_turn(void *arg, const struct locator *last, const struct locator *next)
{
	fetch_expect(arg, last, next);
}

/* Where who reads PAGE in order turns to another pack: in it, or at its beginning, if that is where a pack begins: then
 * the page that was loaded before it is the one before it. */
static void tell_turns(struct source *s, const struct page *page)
{
	struct fetch *fetch = source_fetch(s);
	struct locator first, last, before;

	if (!fetch)
		return;
	page_each_turn(page, tell_turn, fetch);
	if (!page_ends(page, &first, &last))
		return;
	pthread_mutex_lock(&s->lock);
	before = s->last_chunk;
	s->last_chunk = last;
	pthread_mutex_unlock(&s->lock);
	if (before.offset && !pack_id_equal(&before.pack, &first.pack) && first.offset < PACK_BEGIN)
		fetch_expect(fetch, &before, &first);
}

static int load_page(void *arg, unsigned memory_kind, const struct id *id, void **data, size_t *len)
{
	const struct request *request = arg;
	struct source *s = request->source;
	struct record record;
	struct page *page;
	int r;

	(void)memory_kind;
	atomic_fetch_add_explicit(&s->pages_loaded, 1, memory_order_relaxed);
	r = request->is_root ? read_root(s, id, &record) : read_record(s, RECORD_PAGE, id, request->hint, &record);
	if (r < 0)
		return r;
	r = page_decode(id, &record, &page, len);
	free(record.data);
	if (r < 0)
		return r;
	if (page->kind != request->kind) {
		free(page);
		return -EBADMSG;
	}
	tell_turns(s, page);
	*data = page;
	return 0;
}

static int load_chunk(void *arg, unsigned memory_kind, const struct id *id, void **data, size_t *len)
{
	const struct request *request = arg;
	struct record record;
	int r;

	(void)memory_kind;
	atomic_fetch_add_explicit(&request->source->chunks_loaded, 1, memory_order_relaxed);
	r = read_record(request->source, RECORD_CHUNK, id, request->hint, &record);
	if (r < 0)
		return r;
	*data = record.data;
	*len = record.len;
	return 0;
}

static int pin_page(struct request *request, const struct id *id, struct page_pin *pin)
{
	struct memory_value value;
	int r =
	    memory_pin(request->source->memory, MEMORY_PAGES + (unsigned)request->kind, id, load_page, request, &value);

	if (r < 0)
		return r;
	pin->value = value;
	pin->page = value.data;
	return 0;
}

int source_pin_page(struct source *s, enum page_kind kind, const struct id *id, const struct locator *hint,
                    struct page_pin *pin)
{
	struct request request = {.source = s, .hint = hint, .kind = kind};

	return pin_page(&request, id, pin);
}

int source_pin_root(struct source *s, enum page_kind kind, const struct id *id, struct page_pin *pin)
{
	struct request request = {.source = s, .is_root = true, .kind = kind};

	return pin_page(&request, id, pin);
}

void source_unpin_page(struct source *s, struct page_pin *pin)
{
	if (!pin->page)
		return;
	pin->page = NULL;
	memory_unpin(s->memory, &pin->value);
}

int source_pin_chunk(struct source *s, const struct id *id, uint32_t len, const struct locator *hint,
                     struct memory_value *value)
{
	struct request request = {.source = s, .hint = hint};
	struct memory_value held;
	int r = memory_pin(s->memory, RECORD_CHUNK, id, load_chunk, &request, &held);

	if (r < 0)
		return r;
	if (held.len != len) {
		memory_unpin(s->memory, &held);
		return -EBADMSG;
	}
	*value = held;
	return 0;
}

void source_unpin_chunk(struct source *s, struct memory_value *value, bool spent)
{
	if (spent)
		memory_unpin_spent(s->memory, value);
	else
		memory_unpin(s->memory, value);
}
