#include "tools/nearest.h"

#include <stdlib.h>
#include <string.h>

#define LENGTH_MAX 64

static unsigned minimum(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

unsigned nearest_distance(const char *a, const char *b)
{
	unsigned rows[3][LENGTH_MAX + 1];
	size_t a_len = strnlen(a, LENGTH_MAX);
	size_t b_len = strnlen(b, LENGTH_MAX);

	for (size_t j = 0; j <= b_len; j++)
		rows[0][j] = (unsigned)j;
	for (size_t i = 1; i <= a_len; i++) {
		unsigned *now = rows[i % 3];
		const unsigned *last = rows[(i + 2) % 3];
		const unsigned *before = rows[(i + 1) % 3];
		now[0] = (unsigned)i;
		for (size_t j = 1; j <= b_len; j++) {
			now[j] = minimum(last[j - 1] + (a[i - 1] != b[j - 1]), minimum(last[j], now[j - 1]) + 1);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				now[j] = minimum(now[j], before[j - 2] + 1);
		}
	}
	return rows[a_len % 3][b_len];
}

void nearest_offer(struct nearest *nearest, const char *name)
{
	size_t wanted_len = strlen(nearest->wanted);
	unsigned distance = nearest_distance(nearest->wanted, name);
	size_t at;

	/* The beginning of a name is as good as one typing error; else a third of the letters may be wrong. */
	if (wanted_len >= 2 && strncmp(nearest->wanted, name, wanted_len) == 0)
		distance = 1;
	if (distance > (wanted_len < 6 ? 1 : wanted_len / 3) || distance >= wanted_len)
		return;
	for (at = nearest->count; at > 0 && nearest->best[at - 1].distance > distance; at--)
		;
	if (at == NEAREST_MAX)
		return;
	char *copy = strdup(name);
	if (!copy)
		return;
	if (nearest->count == NEAREST_MAX)
		free(nearest->best[--nearest->count].name);
	memmove(&nearest->best[at + 1], &nearest->best[at], (nearest->count - at) * sizeof(nearest->best[0]));
	nearest->best[at].name = copy;
	nearest->best[at].distance = distance;
	nearest->count++;
}

void nearest_release(struct nearest *nearest)
{
	for (size_t i = 0; i < nearest->count; i++)
		free(nearest->best[i].name);
	nearest->count = 0;
}
