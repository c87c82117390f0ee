// SPDX-License-Identifier: GPL-2.0-only
/* One cell: prove, size the round, time the rounds, sample single operations. */
#include <stdio.h>
#include <string.h>
#include "agent.h"

#define N_MAX 100000
/* Deferred work (task work, batches of pages) falls on every so many operations: a
 * round of fewer than this sees it or not by chance.  It must not grow past a fraction
 * of the distance of two timer ticks for that, though.
 */
#define N_WANTED 100
#define ROUND_UNITS_MAX 1250000
#define NOTIFY_MAX 50	/* each event costs idle time besides: more teach nothing */
#define STREAM_MIN 8
#define BURSTS_MIN 16	/* of a stream at a rate: the last one's delay counts as much less */
/* A stream that any queue holds: on one CPU nobody may drain before its end, and
 * a queue that is emptied when it is full would have nothing left then.
 */
#define STREAM_SHORT 24
#define TRIAL 8		/* operations from which the size of a round is estimated */
#define SAMPLE_ROUNDS 20	/* the sample pass lasts no longer than this many rounds */
#define SAMPLES_MIN 30		/* or than this many samples, where one costs a lot */
/* An operation that makes a process, say: a cell of ordinary length would take many
 * seconds under emulation.  Above what it costs to fill and check a body in a proof.
 */
#define EXPENSIVE 200000
#define EXPENSIVE_PER_BYTE 32
#define EXPENSIVE_VALIDATION 4
#define EXPENSIVE_ROUND 3
#define EXPENSIVE_STREAM 8
#define EXPENSIVE_SAMPLES 11
#define EXPENSIVE_TRIALS 3

static bool is_stream(const struct rcx_session *s)
{
	return s->op == RCX_STREAM;
}

/* Events arrive in the kernel's own time, so their stamps are what counts. */
static bool has_timestamp(const struct rcx_session *s)
{
	return rcx_kernel_initiated(s->op);
}

static bool is_expensive(const struct rcx_session *s, uint64_t cost)
{
	return cost > EXPENSIVE + (uint64_t)EXPENSIVE_PER_BYTE * s->size;
}

/* One round of @n operations: its total in units of the clock, raw; and of a stream
 * what became of it.
 */
static int counted_round(struct rcx_session *s, const struct rcx_cell *cell, uint64_t n,
			 struct rcx_stream_counts *counts, uint64_t *total)
{
	s->latencies = 0;
	if (s->threads)
		return rcx_threads_round(s, n, total);
	if (is_stream(s)) {
		if (rcx_stream_round(s, cell, n, counts, total))
			return -1;
		/* A search steps back from a rate that loses all, as from any loss; but
		 * a proof is none when nothing came.
		 */
		if (s->delivered || (cell->search && !s->validate))
			return 0;
		return rcx_fail(s, "none of %llu streamed messages arrived",
			       (unsigned long long)n);
	}
	if (rcx_time_loop(s, n, total))
		return -1;
	if (!has_timestamp(s))
		return 0;
	*total = 0;
	for (uint64_t i = 0; i < s->latencies; i++)
		*total += s->latency[i];
	return 0;
}

static int one_round(struct rcx_session *s, const struct rcx_cell *cell, uint64_t n,
		     uint64_t *total)
{
	struct rcx_stream_counts unused;

	return counted_round(s, cell, n, &unused, total);
}

static uint32_t threads(const struct rcx_session *s, const struct rcx_cell *cell)
{
	return s->threads ? cell->threads : 1;
}

/* One round of @n: about what each operation of it cost, never 0. */
static int try_round(struct rcx_session *s, const struct rcx_cell *cell, uint64_t n,
		     uint64_t *cost)
{
	uint64_t idle = s->threads ? (uint64_t)rcx_threads_overhead(s, 0, 0) : 0, total = 0;

	if (one_round(s, cell, n, &total))
		return -1;
	*cost = (total > idle ? total - idle : 0) / (n * threads(s, cell)) + 1;
	return 0;
}

/* ---- proof ------------------------------------------------------------- */

static uint64_t validation_length(const struct rcx_session *s)
{
	if (is_stream(s))
		return STREAM_SHORT;
	return s->size > 1 << 16 ? 2 : 16;
}

/* What the other side counted must be what the user half did. */
static int check_counts(struct rcx_session *s, struct rcx_counts *counts)
{
	if (rcx_session_counts(s, counts))
		return -1;
	if (!s->endpoint || s->channel->flags & RCX_BASELINE)
		return 0;
	if (counts->bad)
		return rcx_fail(s, "%s refused %llu messages as broken", s->endpoint->name,
			       (unsigned long long)counts->bad);
	if (counts->consumed != s->sent)
		return rcx_fail(s, "%llu messages were sent and %s consumed %llu",
			       (unsigned long long)s->sent, s->endpoint->name,
			       (unsigned long long)counts->consumed);
	if (s->op == RCX_PULL && counts->made < s->seen)
		return rcx_fail(s, "%llu messages were read and the kernel made only %llu",
			       (unsigned long long)s->seen, (unsigned long long)counts->made);
	if (s->op == RCX_NOTIFY && counts->emitted != s->seen)
		return rcx_fail(s, "%llu events were raised and %llu arrived",
			       (unsigned long long)counts->emitted, (unsigned long long)s->seen);
	return 0;
}

static int open_session(const struct rcx_cell *cell, struct rcx_session *s, bool validate)
{
	if (rcx_session_open(s, cell, validate))
		return -1;
	return cell->threads > 1 ? rcx_threads_start(s, cell) : 0;
}

static int end_threads(struct rcx_session *s, struct rcx_counts *counts)
{
	if (s->threads)
		rcx_threads_end(s);
	return check_counts(s, counts);
}

/* A failed round leaves its threads behind: they end before what they share is given back. */
static void close_session(struct rcx_session *s)
{
	if (s->threads)
		rcx_threads_end(s);
	rcx_session_close(s);
}

/* Of what turns out to be dear, a few operations are enough; @cost is about that of one. */
static int prove(const struct rcx_cell *cell, struct rcx_session *s, struct rcx_result *result,
		 uint64_t *cost)
{
	uint64_t n, first, total;

	if (open_session(cell, s, true))
		return -1;
	n = validation_length(s);
	first = n < EXPENSIVE_VALIDATION ? n : EXPENSIVE_VALIDATION;
	if (try_round(s, cell, first, cost))
		return -1;
	if (is_expensive(s, *cost))
		n = first;
	if (n > first && one_round(s, cell, n - first, &total))
		return -1;
	result->validation_messages = (uint32_t)n * threads(s, cell);
	return end_threads(s, &result->validation);
}

/* ---- measurement ------------------------------------------------------- */

static uint64_t clamp(uint64_t value, uint64_t low, uint64_t high)
{
	return value < low ? low : value > high ? high : value;
}

static uint64_t expensive_length(const struct rcx_session *s, const struct rcx_cell *cell)
{
	return is_stream(s) ? rcx_stream_length(cell, EXPENSIVE_STREAM) : EXPENSIVE_ROUND;
}

/* The first operations may have paid for what happens once, such as the start of a
 * peer: dear is what stays so.
 */
static int look_again(struct rcx_session *s, const struct rcx_cell *cell, uint64_t *cost)
{
	for (int i = 0; i < EXPENSIVE_TRIALS && is_expensive(s, *cost); i++)
		if (try_round(s, cell, expensive_length(s, cell), cost))
			return -1;
	return 0;
}

/* Where a batch shares a wake-up, the last one is not to be for few messages. */
static uint64_t whole_batches(uint64_t n)
{
	return n < RCX_BATCH ? n : n - n % RCX_BATCH;
}

/* @cost is that of the proof, and becomes that of a timed operation. */
static int size_round(struct rcx_session *s, const struct rcx_cell *cell, uint64_t *n,
		      uint64_t *cost)
{
	uint64_t trial = is_stream(s) ? STREAM_SHORT : TRIAL;
	uint64_t bursts = cell->search ? BURSTS_MIN * cell->burst : 0;
	uint64_t least = clamp(bursts, STREAM_MIN, RCX_STREAM_MAX);

	if (is_expensive(s, *cost)) {
		*n = expensive_length(s, cell);
		return 0;
	}
	/* Twice: the first pass meets cold caches and lazy allocations. */
	if (try_round(s, cell, trial, cost) || try_round(s, cell, trial, cost))
		return -1;
	*n = cell->round_units / *cost;
	if (*n < N_WANTED)
		*n = clamp(ROUND_UNITS_MAX / *cost, *n, N_WANTED);
	if (is_stream(s))
		*n = rcx_stream_length(cell, whole_batches(clamp(*n, least, RCX_STREAM_MAX)));
	else
		*n = clamp(*n, 1, s->op == RCX_NOTIFY ? NOTIFY_MAX : N_MAX);
	return 0;
}

/* Of a paced stream each message has a stamp: take some of this round's. */
static void take_latencies(const struct rcx_session *s, const struct rcx_cell *cell,
			   struct rcx_result *result)
{
	uint64_t quota = (cell->samples + cell->rounds - 1) / cell->rounds;
	uint64_t step = s->latencies / (quota + 1) + 1;

	for (uint64_t i = step - 1; i < s->latencies && result->samples < cell->samples; i += step)
		result->sample[result->samples++] = s->latency[i];
}

/* On failure the child process exits, which releases everything it holds. */
static int time_rounds(struct rcx_session *s, const struct rcx_cell *cell,
		       struct rcx_result *result)
{
	struct rcx_cpu_reading begin;
	struct rcx_slab_prefill stir;
	uint64_t warm;

	rcx_slab_prefill_begin(&stir, s->size);
	if (rcx_align_to_tick(s) || one_round(s, cell, result->n, &warm))
		return -1;
	rcx_cpu_begin(&begin, cell->clock);
	for (uint32_t i = 0; i < cell->rounds; i++) {
		rcx_slab_prefill(&stir);
		if (rcx_align_to_tick(s) || counted_round(s, cell, result->n, &result->stream[i],
						      &result->total[i]))
			return -1;
		result->rounds = i + 1;
		if (s->paced)
			take_latencies(s, cell, result);
	}
	rcx_cpu_end(&begin, cell->clock, &result->cpu);
	rcx_slab_prefill_end(&stir);
	return 0;
}

/* How many samples there is time for. */
static uint64_t samples_for(const struct rcx_session *s, const struct rcx_cell *cell, uint64_t cost)
{
	uint64_t most = SAMPLE_ROUNDS * cell->round_units / cost;
	uint64_t least = is_expensive(s, cost) ? EXPENSIVE_SAMPLES : SAMPLES_MIN;

	if (most < least)
		most = least;
	return most < cell->samples ? most : cell->samples;
}

/* A separate pass: a stamp around each operation costs something. */
static int sample(struct rcx_session *s, const struct rcx_cell *cell, uint64_t cost,
		  struct rcx_result *result)
{
	uint64_t most = samples_for(s, cell, cost), total;

	if (is_stream(s))
		return 0;	/* a paced one has its own; a full queue's say nothing */
	if (s->threads)
		return 0;	/* threads would meet for each, and that cost more than it */
	while (result->samples < most) {
		uint64_t left = most - result->samples;
		/* An event is stamped anyway, so that many may come in a row. */
		uint64_t n = s->op == RCX_NOTIFY ? clamp(left, 1, NOTIFY_MAX) : 1;

		if (one_round(s, cell, n, &total))
			return -1;
		memcpy(result->sample + result->samples, s->op == RCX_NOTIFY ? s->latency : &total,
		       n * sizeof(total));
		result->samples += (uint32_t)n;
	}
	return 0;
}

static void set_overhead(const struct rcx_session *s, const struct rcx_overhead *overhead,
			 struct rcx_result *result)
{
	if (s->threads) {
		result->round_overhead = rcx_threads_overhead(s, result->n, overhead->loop);
	} else if (is_stream(s)) {
		result->round_overhead = overhead->read;
		result->sample_overhead = overhead->read;
	} else if (has_timestamp(s)) {
		result->round_overhead = overhead->read * (double)result->n;
		result->sample_overhead = overhead->read;
	} else {
		result->round_overhead = overhead->round + overhead->loop * (double)result->n;
		result->sample_overhead = overhead->sample;
	}
}

/* The bounds of a search are for messages that cost no more than a copy. */
static int find_rate(struct rcx_session *s, struct rcx_cell *cell, uint64_t cost,
		     struct rcx_result *result)
{
	if (!is_expensive(s, cost))
		return rcx_find_rate(s, cell, result);
	return rcx_skip(s, "Each message takes about %llu %s, too long to search for a rate.",
		       (unsigned long long)cost,
		       s->clock == RCX_CLOCK_INSTRUCTIONS ? "instructions" : "ns");
}

static int measure(const struct rcx_cell *asked, struct rcx_session *s, uint64_t cost,
		   const struct rcx_overhead *overhead, struct rcx_result *result)
{
	struct rcx_cell cell = *asked;
	struct rcx_counts counts;
	int steps = 0;

	if (open_session(&cell, s, false) || look_again(s, &cell, &cost) ||
	    (cell.search && find_rate(s, &cell, cost, result)))
		return -1;
	do {
		if (size_round(s, &cell, &result->n, &cost) || time_rounds(s, &cell, result))
			return -1;
	} while (rcx_step_back(&cell, result, steps++));
	result->context = s->context;
	result->interval = cell.interval;
	set_overhead(s, overhead, result);
	if (sample(s, &cell, cost, result) || (cell.sweep && rcx_sweep(s, &cell, result)))
		return -1;
	result->n *= threads(s, &cell);
	return end_threads(s, &counts);
}

void rcx_cell_measure(const struct rcx_cell *cell, const struct rcx_overhead *overhead,
		     struct rcx_result *result)
{
	struct rcx_session s;
	uint64_t cost;
	int err;

	rcx_peer_report_death(result->reason, sizeof(result->reason));
	err = prove(cell, &s, result, &cost);
	if (!err) {
		close_session(&s);
		err = measure(cell, &s, cost, overhead, result);
	}
	if (err)
		snprintf(result->reason, sizeof(result->reason), "%s",
			 s.error[0] ? s.error : "the user half failed and did not say why");
	close_session(&s);
	result->status = !err ? RCX_OK : s.skip ? RCX_SKIP : RCX_FAIL;
}

struct job {
	const struct rcx_cell *cell;
	const struct rcx_overhead *overhead;
	struct rcx_result *result;
};

static void measure_job(void *arg)
{
	const struct job *job = arg;

	rcx_cell_measure(job->cell, job->overhead, job->result);
}

void rcx_cell_run(const struct rcx_cell *cell, const struct rcx_overhead *overhead,
		 struct rcx_result *result)
{
	struct job job = { cell, overhead, result };
	char reason[sizeof(result->reason)] = "";

	if (rcx_in_child(measure_job, &job, cell->deadline_ms, reason, sizeof(reason)))
		return;
	result->status = RCX_FAIL;
	memcpy(result->reason, reason, sizeof(reason));
}
