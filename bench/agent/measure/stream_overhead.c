// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the harness itself does for each message of a stream, and what the two ends of the
 * channel do.
 *
 * The producer takes a timestamp, stores it and counts; the reader checks a header, reads the
 * clock and counts.  No channel needs that, so it is measured once per cell and taken off: the
 * producer emits events to nobody, and the reader checks messages that were prepared.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "agent.h"
#include "probe.h"

#define EVENTS	 256u /* emitted to nobody, or two bursts if that is more */
#define CHECKS	 256u
#define REPEATS	 11   /* of which the smallest counts: a disturbance only adds */
#define WAIT_US	 1000 /* in which the producer, which has the lowest priority, runs alone */
#define WAITS	 1000 /* until the producer counts as stuck */
#define DISTANCE 64   /* between two prepared messages */

uint64_t rcx_thread_time(void)
{
	return rcx_read_clock(CLOCK_THREAD_CPUTIME_ID);
}

static double smaller(double best, double value)
{
	return value < best ? value : best;
}

/* ---- events to nobody --------------------------------------------------- */

static int wait_done(struct rcx_session *s)
{
	for (int i = 0; i < WAITS; i++) {
		if (rcx_stream_over(s))
			return 0;
		usleep(WAIT_US);
	}
	return rcx_fail(s, "the producer does not end");
}

/* Units per event from the timestamps of one emission that began with event @first. */
static double per_event(const struct rcx_session *s, uint64_t first, uint64_t n, uint32_t burst)
{
	/* Whole bursts, so that what the producer does between two of them is included. */
	uint64_t last = burst < n ? n - burst : n - 1;
	const volatile __u64 *timestamps = s->page->timestamps;

	return (double)(timestamps[(first + last) % RCX_TIMESTAMPS] -
			timestamps[first % RCX_TIMESTAMPS]) /
	       (double)last;
}

/* Two bursts of more than half of RCX_STREAM_MAX are more than a stream has: there is only one. */
static uint64_t events_to_nobody(const struct rcx_cell *cell)
{
	uint64_t two = 2ull * cell->burst;
	uint64_t n = two > EVENTS ? two : EVENTS;

	return rcx_stream_length(cell, n < RCX_STREAM_MAX ? n : RCX_STREAM_MAX);
}

static int emit_to_nobody(struct rcx_session *s, const struct rcx_cell *cell,
			  struct rcx_stream_overhead *found)
{
	uint64_t n = events_to_nobody(cell), first = s->page->emitted;
	struct rcx_counts before, after;

	if (rcx_session_counts(s, &before) || rcx_session_emit(s, n, cell->burst, 0) ||
	    wait_done(s) || rcx_session_stop(s) || rcx_session_counts(s, &after))
		return -1;
	found->produce = smaller(found->produce, per_event(s, first, n, cell->burst));
	if (after.timed > before.timed)
		found->emit = smaller(found->emit, (double)(after.busy - before.busy) /
							   (double)(after.timed - before.timed));
	return 0;
}

/* In a session of its own, whose numbers nobody reads. */
static int measure_producer(const struct rcx_cell *cell, struct rcx_stream_overhead *found,
			    char *reason, size_t len)
{
	struct rcx_cell idle = *cell;
	struct rcx_session s;
	int err;

	idle.context = -1;
	idle.wait = 0;
	err = rcx_session_bind(&s, &idle, false);
	/* A thread can emit several bursts without an interval. */
	s.context = RCX_PROCESS | RCX_TO_NOBODY;
	for (int i = 0; i < REPEATS && !err; i++)
		err = emit_to_nobody(&s, cell, found);
	if (err)
		snprintf(reason, len, "the producer's own cost cannot be measured: %s", s.error);
	rcx_session_close(&s);
	return err;
}

/* ---- checks of prepared messages ---------------------------------------- */

static unsigned char prepared[CHECKS * DISTANCE] __attribute__((aligned(DISTANCE)));

static int check_messages(struct rcx_session *s, uint64_t n)
{
	const unsigned char *at = prepared;
	size_t len = rcx_len(s);

	for (; n--; at += DISTANCE)
		if (rcx_streamed(s, (const struct rcx_msg *)(const void *)at, len))
			return -1;
	return 0;
}

static int check_numbers(struct rcx_session *s, uint64_t n)
{
	for (uint64_t seq = 0; seq < n; seq++)
		if (rcx_streamed_narrow(s, seq, UINT32_MAX))
			return -1;
	return 0;
}

static int check_counts(struct rcx_session *s, uint64_t n)
{
	while (n--)
		if (rcx_streamed_count(s, 1))
			return -1;
	return 0;
}

static rcx_loop *checks_of(const struct rcx_operation *operation)
{
	if (operation->count)
		return check_counts;
	return rcx_is_narrow(operation) ? check_numbers : check_messages;
}

static void prepare_messages(uint32_t size)
{
	for (uint32_t i = 0; i < CHECKS; i++) {
		struct rcx_msg *msg = (void *)(prepared + (size_t)i * DISTANCE);

		*msg = (struct rcx_msg){ .size = size, .magic = RCX_MAGIC, .seq = i };
	}
}

/* Under the conditions of the cell, but with messages that nobody sends. */
static int measure_checks(const struct rcx_cell *cell, const struct rcx_overhead *overhead,
			  struct rcx_stream_overhead *found, char *reason, size_t len)
{
	static struct rcx_page page = { .emitted = CHECKS };
	static uint64_t latency[CHECKS];
	struct rcx_mode mode = *cell->mode;
	struct rcx_session s = {
		.mode = &mode,
		.op = cell->op,
		.size = cell->size,
		.clock = cell->clock,
		.paced = cell->interval,
		.page = &page,
		.latency = latency,
		.latency_max = CHECKS,
	};

	mode.operations[cell->op].run = checks_of(&cell->mode->operations[cell->op]);
	prepare_messages(cell->size);
	for (int i = 0; i < REPEATS; i++) {
		uint64_t total, cpu = rcx_thread_time();

		found->cpu_read = smaller(found->cpu_read, (double)(rcx_thread_time() - cpu));
		s.seen = s.noticed = s.latencies = 0;
		if (rcx_time_loop(&s, CHECKS, &total)) {
			snprintf(reason, len, "the cost of a check cannot be measured: %s",
				 s.error);
			return -1;
		}
		found->check = smaller(found->check,
				       ((double)total - overhead->round) / CHECKS - overhead->loop);
	}
	return 0;
}

int rcx_stream_calibrate(const struct rcx_cell *cell, const struct rcx_overhead *overhead,
			 struct rcx_stream_overhead *found, char *reason, size_t len)
{
	*found = (struct rcx_stream_overhead){ INFINITY, INFINITY, INFINITY, INFINITY };
	if (measure_producer(cell, found, reason, len))
		return -1;
	if (!isfinite(found->emit))
		found->emit = NAN; /* a peer does not time its bursts */
	return measure_checks(cell, overhead, found, reason, len);
}

/* ---- the rounds --------------------------------------------------------- */

static bool is_on_one_cpu(const struct rcx_result *result)
{
	return result->user_cpu == result->other_cpu;
}

/*
 * The part of a round's total that is the harness's own.  The total begins with the first
 * timestamp and ends with the last receipt, so the first event and the last check are not counted.
 * At a rate, the harness works while both ends wait anyway.  On two CPUs both ends work at the
 * same time: the end that determines the total has at least the smaller of the two costs.
 */
static double round_overhead(const struct rcx_result *result, const struct rcx_cell *cell,
			     const struct rcx_stream_counts *counts)
{
	const struct rcx_stream_overhead *each = &result->stream_overhead;
	double produce = counts->emitted ? each->produce * (double)(counts->emitted - 1) : 0;
	double check = counts->checks ? each->check * (double)(counts->checks - 1) : 0;

	if (cell->interval || !counts->checks)
		return 0;
	return is_on_one_cpu(result) ? produce + check : smaller(produce, check);
}

/* A burst in which another task ran has no time of its own, and then the round has none. */
static double producer_cost(const struct rcx_stream_overhead *each,
			    const struct rcx_stream_counts *counts)
{
	if (!counts->emitted || counts->timed != counts->emitted)
		return NAN;
	return (double)counts->busy / (double)counts->emitted - each->emit;
}

/*
 * On one CPU, at full speed: all that is not the producer's, which includes the switches.  The
 * processor time of the thread that reads would be wrong there: after a wake-up the scheduler does
 * not read its clock again for the switch, so the rest of a burst is charged to the reader.  On two
 * CPUs this processor time is the consumer's, unless the reader spins: then it is the length of
 * the stream, whatever the reader needs.
 */
static double consumer_cost(const struct rcx_result *result, const struct rcx_cell *cell,
			    const struct rcx_stream_counts *counts, double net, double producer)
{
	const struct rcx_stream_overhead *each = &result->stream_overhead;
	double own = (double)counts->cpu - each->cpu_read - each->check * (double)counts->checks;

	if (!counts->delivered)
		return NAN;
	if (is_on_one_cpu(result) ? cell->interval > 0 : result->session.wait == RCX_WAIT_BUSY)
		return NAN;
	if (is_on_one_cpu(result))
		own = net - producer * (double)counts->emitted;
	return own / (double)counts->delivered;
}

void rcx_stream_split(const struct rcx_cell *cell, const struct rcx_overhead *overhead,
		      struct rcx_result *result)
{
	for (uint32_t i = 0; i < result->rounds; i++) {
		const struct rcx_stream_counts *counts = &result->stream[i];
		double harness = overhead->read + round_overhead(result, cell, counts);

		result->overheads[i] = harness;
		result->producer[i] = producer_cost(&result->stream_overhead, counts);
		result->consumer[i] = consumer_cost(result, cell, counts,
						    (double)result->total[i] - harness,
						    result->producer[i]);
	}
}
