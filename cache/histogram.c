#include "cache/histogram.h"

#define US UINT64_C(1000)
#define MS UINT64_C(1000000)
#define S UINT64_C(1000000000)

static const struct bound {
	uint64_t ns;
	const char *text;
} bounds[HISTOGRAM_BUCKETS] = {
    {10 * US, "1e-05"}, {40 * US, "4e-05"}, {160 * US, "0.00016"}, {640 * US, "0.00064"}, {2500 * US, "0.0025"},
    {10 * MS, "0.01"},  {40 * MS, "0.04"},  {160 * MS, "0.16"},    {640 * MS, "0.64"},    {2500 * MS, "2.5"},
    {10 * S, "10.0"},   {40 * S, "40.0"},   {100 * S, "100.0"},    {UINT64_MAX, "+Inf"},
};

void histogram_add(struct histogram *histogram, uint64_t ns)
{
	size_t i = 0;

	while (ns > bounds[i].ns)
		i++;
	atomic_fetch_add_explicit(&histogram->buckets[i], 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&histogram->sum_ns, ns, memory_order_relaxed);
}

void histogram_read(struct histogram *histogram, struct histogram_counts *counts)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
		sum += atomic_load_explicit(&histogram->buckets[i], memory_order_relaxed);
		counts->upto[i] = sum;
	}
	counts->sum_ns = atomic_load_explicit(&histogram->sum_ns, memory_order_relaxed);
}

uint64_t histogram_bound_ns(size_t i)
{
	return bounds[i].ns;
}

const char *histogram_bound_text(size_t i)
{
	return bounds[i].text;
}

double histogram_quantile_ns(const struct histogram_counts *counts, double q)
{
	const double wanted = q * (double)counts->upto[HISTOGRAM_BUCKETS - 1];
	double below = 0, from = 0;

	if (!counts->upto[HISTOGRAM_BUCKETS - 1])
		return 0;
	for (size_t i = 0; i < HISTOGRAM_BUCKETS - 1; i++) {
		const double upto = (double)counts->upto[i], to = (double)bounds[i].ns;

		if (upto >= wanted && upto > below)
			return from + (to - from) * (wanted > below ? (wanted - below) / (upto - below) : 0);
		below = upto;
		from = to;
	}
	return from;
}
