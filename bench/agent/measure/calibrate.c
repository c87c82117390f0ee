// SPDX-License-Identifier: GPL-2.0-only
/* The cost of the harness itself, and of a plain copy. */
#include <stdlib.h>
#include <string.h>
#include "agent.h"

#define CALIBRATIONS 1001
#define ROUND_MIN    10000 /* units: shortest and longest length of a round that is tried */
#define ROUND_MAX    5120000
#define ROUND_TRIES  11
#define ROUND_ERROR  0.0025
#define ROUND_TESTS  3 /* of one length: other work on the machine may spoil a test */

static int empty_loop(struct rcx_session *s, uint64_t n)
{
	(void)s;
	while (n--)
		__asm__ volatile("" ::: "memory");
	return 0;
}

/* An ordinary mode, so that calibration takes the code path of a cell. */
static const struct rcx_mode empty_mode = {
	.name = "empty",
	.operations = { [RCX_PUSH] = { .run = empty_loop } },
};

int rcx_time_loop(struct rcx_session *s, uint64_t n, uint64_t *total)
{
	rcx_loop *run = s->mode->operations[s->op].run;
	uint64_t start = rcx_now(s);
	int err = run(s, n);

	*total = rcx_now(s) - start;
	return err;
}

uint64_t rcx_time_empty_loop(uint32_t clock, uint64_t n)
{
	struct rcx_session s = { .clock = clock, .mode = &empty_mode, .op = RCX_PUSH };
	uint64_t total;

	rcx_time_loop(&s, n, &total);
	return total;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* The median of CALIBRATIONS turns of @measure. */
static double median_of(double (*measure)(struct rcx_session *, uint32_t), struct rcx_session *s,
			uint32_t arg)
{
	static double value[CALIBRATIONS];

	for (int i = 0; i < CALIBRATIONS; i++)
		value[i] = measure(s, arg);
	qsort(value, CALIBRATIONS, sizeof(value[0]), by_value);
	return value[CALIBRATIONS / 2];
}

static double two_reads(struct rcx_session *s, uint32_t unused)
{
	uint64_t start = rcx_now(s);

	(void)unused;
	return (double)(rcx_now(s) - start);
}

static double empty_round(struct rcx_session *s, uint32_t n)
{
	uint64_t total;

	rcx_time_loop(s, n, &total);
	return (double)total;
}

/* ---- how long a round must be ------------------------------------------ */

/* The shortest of several rounds: a disturbance can only lengthen a round. */
static double quickest(struct rcx_session *s, uint64_t n)
{
	double best = empty_round(s, (uint32_t)n);

	for (int i = 1; i < ROUND_TRIES; i++) {
		double again = empty_round(s, (uint32_t)n);

		best = again < best ? again : best;
	}
	return best;
}

/* Whether the clock can measure rounds of @n iterations: slightly longer rounds take
 * proportionally longer.
 */
static bool scales(struct rcx_session *s, uint64_t n, double round)
{
	static const double longer[] = { 1.015, 1.02, 1.035 };
	double base = quickest(s, n) - round;

	for (size_t i = 0; i < sizeof(longer) / sizeof(longer[0]); i++) {
		uint64_t more = (uint64_t)((double)n * longer[i]);
		double expected = base * (double)more / (double)n;
		double difference = quickest(s, more) - round - expected;

		if (difference > expected * ROUND_ERROR || difference < -expected * ROUND_ERROR)
			return false;
	}
	return true;
}

/* Find the shortest round that the clock can measure.  Counted instructions are exact. */
static void find_min_round(struct rcx_session *s, struct rcx_overhead *overhead)
{
	double iteration = overhead->loop > 0.1 ? overhead->loop : 0.1;

	overhead->scales = s->clock == RCX_CLOCK_INSTRUCTIONS;
	overhead->min_round = 0;
	for (uint64_t units = ROUND_MIN; !overhead->scales && units <= ROUND_MAX; units *= 2) {
		uint64_t n = (uint64_t)((double)units / iteration);

		for (int i = 0; i < ROUND_TESTS && !overhead->scales; i++)
			overhead->scales = scales(s, n, overhead->round);
		if (overhead->scales)
			overhead->min_round = units;
	}
}

void rcx_calibrate(uint32_t clock, struct rcx_overhead *overhead)
{
	struct rcx_session s = { .clock = clock, .mode = &empty_mode, .op = RCX_PUSH };

	overhead->read = median_of(two_reads, &s, 0);
	overhead->round = median_of(empty_round, &s, 0);
	overhead->sample = median_of(empty_round, &s, 1);
	overhead->loop = (median_of(empty_round, &s, 2000) - median_of(empty_round, &s, 1000)) /
			 1000;
	find_min_round(&s, overhead);
}

/* Copy as the kernel does: with string instructions, or with memcpy() on other machines. */
static void plain_copy(void *to, const void *from, size_t len)
{
#if defined(__x86_64__)
	size_t words = len / 8, rest = len % 8;

	__asm__ volatile("rep movsq" : "+D"(to), "+S"(from), "+c"(words)::"memory");
	__asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(rest)::"memory");
#else
	memcpy(to, from, len);
	__asm__ volatile("" ::: "memory");
#endif
}

static char copy_from[RCX_BODY_MAX], copy_to[RCX_BODY_MAX];

static double one_copy(struct rcx_session *s, uint32_t size)
{
	uint64_t start = rcx_now(s);

	plain_copy(copy_to, copy_from, size);
	return (double)(rcx_now(s) - start);
}

double rcx_copy_cost(uint32_t clock, uint32_t size)
{
	struct rcx_session s = { .clock = clock };
	double read = median_of(two_reads, &s, 0);
	double best = one_copy(&s, size);

	/* Copies hardly vary, so a few are enough; the smallest cost is the baseline. */
	for (int i = 0; i < 11; i++) {
		double again = one_copy(&s, size);

		best = again < best ? again : best;
	}
	return best > read ? best - read : 0;
}
