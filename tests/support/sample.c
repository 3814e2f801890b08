#include "tests/support/sample.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cache/codec.h"
#include "tests/support/damage.h"

static int no_sync(void *arg, int fd)
{
	(void)arg;
	(void)fd;
	return 0;
}

const struct io *sample_io(void)
{
	static struct io_ops ops;
	static struct io io;
	if (!io.ops) {
		ops = *io_system()->ops;
		ops.fsync = no_sync;
		io = (struct io){.ops = &ops, .arg = io_system()->arg};
	}
	return &io;
}

void sample_init(struct sample *sample, unsigned kind, unsigned n, uint32_t len)
{
	assert_true(len > SAMPLE_TAIL);
	sample->kind = kind;
	sample->len = len;
	sample->hashed_len = kind == RECORD_PAGE ? len - SAMPLE_TAIL : len;
	sample->data = malloc(len);
	assert_non_null(sample->data);
	damage_noise((uint64_t)kind << 32 | n, sample->data, len);
	id_of(sample->data, sample->hashed_len, &sample->id);
}

void sample_release(struct sample *sample)
{
	free(sample->data);
	sample->data = NULL;
}

struct id sample_id(unsigned kind, unsigned n, uint32_t len)
{
	struct sample sample;
	sample_init(&sample, kind, n, len);
	sample_release(&sample);
	return sample.id;
}

int sample_put(struct store_writer *w, unsigned kind, unsigned n, uint32_t len, struct locator *locator)
{
	struct locator unused;
	struct sample sample;
	sample_init(&sample, kind, n, len);
	int r = store_writer_put(w, kind, &sample.id, sample.data, len, sample.hashed_len, CODEC_LEVEL_DEFAULT,
	                         locator ? locator : &unused);
	sample_release(&sample);
	return r;
}

int sample_read(struct store *store, unsigned kind, unsigned n, uint32_t len, const struct locator *hint)
{
	struct sample sample;
	struct record record;
	sample_init(&sample, kind, n, len);
	int r = store_read(store, kind, &sample.id, hint, &record);
	if (r == 0) {
		if (record.len != len || memcmp(record.data, sample.data, len) != 0)
			r = -EINVAL;
		free(record.data);
	}
	sample_release(&sample);
	return r;
}
