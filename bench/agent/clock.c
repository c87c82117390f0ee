// SPDX-License-Identifier: GPL-2.0-only
/* What the harness itself costs, and what a plain copy does. */
#include <stdlib.h>
#include <string.h>
#include "agent.h"

#define CALIBRATIONS 1001

static int empty_loop(struct rc_session *s, uint64_t n)
{
	(void)s;
	while (n--)
		__asm__ volatile("" ::: "memory");
	return 0;
}

/* A mode like any other, so that calibration takes the path of a cell. */
static const struct rc_mode empty_mode = {
	.name = "empty",
	.operations = { [RC_PUSH] = { .run = empty_loop } },
};

int rc_timed(struct rc_session *s, uint64_t n, uint64_t *total)
{
	rc_loop *run = s->mode->operations[s->op].run;
	uint64_t start = rc_now(s);
	int err = run(s, n);

	*total = rc_now(s) - start;
	return err;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* The median of CALIBRATIONS turns of @measure. */
static double median_of(double (*measure)(struct rc_session *, uint32_t),
			struct rc_session *s, uint32_t arg)
{
	static double value[CALIBRATIONS];

	for (int i = 0; i < CALIBRATIONS; i++)
		value[i] = measure(s, arg);
	qsort(value, CALIBRATIONS, sizeof(value[0]), by_value);
	return value[CALIBRATIONS / 2];
}

static double two_reads(struct rc_session *s, uint32_t unused)
{
	uint64_t start = rc_now(s);

	(void)unused;
	return (double)(rc_now(s) - start);
}

static double empty_round(struct rc_session *s, uint32_t n)
{
	uint64_t total;

	rc_timed(s, n, &total);
	return (double)total;
}

void rc_calibrate(uint32_t clock, struct rc_overhead *overhead)
{
	struct rc_session s = { .clock = clock, .mode = &empty_mode, .op = RC_PUSH };

	overhead->read = median_of(two_reads, &s, 0);
	overhead->round = median_of(empty_round, &s, 0);
	overhead->sample = median_of(empty_round, &s, 1);
	overhead->loop = (median_of(empty_round, &s, 2000) -
			  median_of(empty_round, &s, 1000)) / 1000;
}

/* As the kernel copies: by string instruction, or what stands for it. */
static void plain_copy(void *to, const void *from, size_t len)
{
#if defined(__x86_64__)
	size_t words = len / 8, rest = len % 8;

	__asm__ volatile("rep movsq" : "+D"(to), "+S"(from), "+c"(words) :: "memory");
	__asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(rest) :: "memory");
#else
	memcpy(to, from, len);
	__asm__ volatile("" ::: "memory");
#endif
}

static char copy_from[RC_BODY_MAX], copy_to[RC_BODY_MAX];

static double one_copy(struct rc_session *s, uint32_t size)
{
	uint64_t start = rc_now(s);

	plain_copy(copy_to, copy_from, size);
	return (double)(rc_now(s) - start);
}

double rc_copy_floor(uint32_t clock, uint32_t size)
{
	struct rc_session s = { .clock = clock };
	double read = median_of(two_reads, &s, 0);
	double best = one_copy(&s, size);

	/* Copies are long and alike: a few are enough, the least is the floor. */
	for (int i = 0; i < 11; i++) {
		double again = one_copy(&s, size);

		best = again < best ? again : best;
	}
	return best > read ? best - read : 0;
}
