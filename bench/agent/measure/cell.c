// SPDX-License-Identifier: GPL-2.0-only
/* One cell: validate, choose the length of a round, time the rounds, take samples. */
#include <stdio.h>
#include <string.h>
#include "agent.h"

#define N_MAX 100000
/* Deferred work (task work, batches of pages) happens once in many operations.  A round of fewer
 * operations than N_GOAL includes it or not by chance.  So a round is made longer, but
 * not longer than ROUND_UNITS_MAX, a fraction of the time between two timer ticks.
 */
#define N_GOAL		100
#define ROUND_UNITS_MAX 1250000
/* In real time, other work on the machine lengthens a round that it interrupts.  The shorter the
 * rounds, the more of them are not interrupted, and their median does not show it.
 */
#define N_GOAL_TIME	     16
#define ROUND_UNITS_MAX_TIME 250000
#define FURTHER_TRIALS	     2
#define SINGLES_MAX	     50 /* each event or request also costs idle time */
#define STREAM_MIN	     8
#define BURSTS_MIN	     16 /* of a stream at a rate: the delay of the last one counts less */
#define BATCHES_MIN 16 /* of a stream: the first and the last one cost less than the others */
/* Length of a stream that every queue holds.  On one CPU the reader may not run before the end
 * of the stream; a queue that is emptied when it is full would then have nothing left.
 */
#define STREAM_VALIDATION 24
#define TRIAL_OPERATIONS  8  /* from which the length of a round is estimated */
#define SAMPLE_ROUNDS	  20 /* the sample pass lasts no longer than this many rounds, */
#define SAMPLES_MIN	  30 /* or no longer than this many samples, if that is longer */
/* Units from which an operation is expensive, for example because it starts a process: a cell
 * of ordinary length would take many seconds under emulation.  The limit is above the cost of
 * filling and checking a body in the validation pass.
 */
#define EXPENSIVE	     200000
#define EXPENSIVE_PER_BYTE   32
#define EXPENSIVE_VALIDATION 4
#define EXPENSIVE_ROUND	     3
#define EXPENSIVE_STREAM     8
#define EXPENSIVE_BURST	     16 /* rounds of larger bursts would take longer than the deadline */
#define EXPENSIVE_SAMPLES    11
#define EXPENSIVE_TRIALS     3
/* A dump of a long table is expensive because it does the same work for each record: one dump is
 * a round.  More of them would take too long under emulation.
 */
#define EXPENSIVE_DUMPS_VALIDATION 2
#define EXPENSIVE_DUMPS_SAMPLES	   3
#define EXPENSIVE_DUMPS_TRIALS	   1

static bool is_stream(const struct rcx_session *s)
{
	return s->op == RCX_STREAM;
}

/* The kernel decides when it emits or asks, so the cost is computed from timestamps. */
static bool has_timestamp(const struct rcx_session *s)
{
	return rcx_kernel_initiated(s->op);
}

/* Each operation has a latency of its own, and time passes before the next one. */
static bool is_single(const struct rcx_session *s)
{
	return has_timestamp(s) && !is_stream(s);
}

static bool is_expensive(const struct rcx_session *s, uint64_t cost)
{
	if (s->op == RCX_DUMP)
		return cost > EXPENSIVE;
	return cost > EXPENSIVE + (uint64_t)EXPENSIVE_PER_BYTE * s->size;
}

/* One round of @n operations.  @total is raw, in units of the clock; @counts is the outcome of a
 * stream.
 */
static int counted_round(struct rcx_session *s, const struct rcx_cell *cell, uint64_t n,
			 struct rcx_stream_counts *counts, uint64_t *total)
{
	s->latencies = 0;
	if (s->threads)
		return rcx_threads_round(s, n, total);
	if (is_stream(s))
		return rcx_stream_round(s, cell, n, counts, total);
	if (rcx_time_loop(s, n, total))
		return -1;
	if (!has_timestamp(s))
		return 0;
	*total = 0;
	for (uint64_t i = 0; i < s->latencies; i++)
		*total += s->latency[i];
	return 0;
}

/* A round that validates, or that gives the length of the others, needs at least one message.
 * In a timed round the loss of all is a loss as any other; so it is in a search, which then
 * tries a lower rate.
 */
static int one_round(struct rcx_session *s, const struct rcx_cell *cell, uint64_t n,
		     uint64_t *total)
{
	struct rcx_stream_counts unused;

	if (counted_round(s, cell, n, &unused, total))
		return -1;
	if (!is_stream(s) || s->delivered || (cell->search && !s->validate))
		return 0;
	return rcx_fail(s, "none of %llu streamed messages arrived", (unsigned long long)n);
}

static uint32_t threads(const struct rcx_session *s, const struct rcx_cell *cell)
{
	return s->threads ? cell->threads : 1;
}

/* What a round of threads costs without an operation: they wait for each other. */
static uint64_t waits(const struct rcx_session *s)
{
	return s->threads ? (uint64_t)rcx_threads_overhead(s, 0, 0) : 0;
}

/* One round of @n operations.  @cost is the approximate cost of one of them, never 0. */
static int try_round(struct rcx_session *s, const struct rcx_cell *cell, uint64_t n, uint64_t *cost)
{
	uint64_t idle = waits(s), total = 0;

	if (one_round(s, cell, n, &total))
		return -1;
	*cost = (total > idle ? total - idle : 0) / (n * threads(s, cell)) + 1;
	return 0;
}

/* ---- validation -------------------------------------------------------- */

static uint64_t validation_length(const struct rcx_session *s)
{
	if (is_stream(s))
		return STREAM_VALIDATION;
	return s->size > 1 << 16 ? 2 : 16;
}

/* The counts of the endpoint must agree with those of the user half. */
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
		return rcx_fail(s, "%llu messages were sent, but %s consumed %llu",
				(unsigned long long)s->sent, s->endpoint->name,
				(unsigned long long)counts->consumed);
	if ((s->op == RCX_PULL || s->op == RCX_DUMP) && counts->made < s->seen)
		return rcx_fail(s, "%llu %s were read, but the kernel half made only %llu",
				(unsigned long long)s->seen,
				s->op == RCX_PULL ? "messages" : "dumps",
				(unsigned long long)counts->made);
	if (s->op == RCX_UPCALL && counts->emitted != s->seen)
		return rcx_fail(s, "%llu requests were asked, but %llu arrived",
				(unsigned long long)counts->emitted, (unsigned long long)s->seen);
	if (s->op == RCX_NOTIFY && counts->refused)
		return rcx_fail(s, "%llu events were refused (%s), but all of them arrived",
				(unsigned long long)counts->refused,
				strerror((int)counts->refused_errno));
	if (s->op == RCX_NOTIFY && counts->emitted != s->seen)
		return rcx_fail(s, "%llu events were emitted, but %llu arrived",
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

/* After a failed round the threads still run.  They must end before the memory that they share
 * is freed.
 */
static void close_session(struct rcx_session *s)
{
	if (s->threads)
		rcx_threads_end(s);
	rcx_session_close(s);
}

/* The validation pass.  @cost is the approximate cost of one operation; of an expensive one,
 * only a few are validated.
 */
static int validate(const struct rcx_cell *cell, struct rcx_session *s, struct rcx_result *result,
		    uint64_t *cost)
{
	uint64_t n, first, total;

	if (open_session(cell, s, true))
		return -1;
	n = validation_length(s);
	first = s->op == RCX_DUMP ? EXPENSIVE_DUMPS_VALIDATION : EXPENSIVE_VALIDATION;
	first = n < first ? n : first;
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
	if (s->op == RCX_DUMP)
		return 1;
	return is_stream(s) ? rcx_stream_length(cell, EXPENSIVE_STREAM) : EXPENSIVE_ROUND;
}

/* A part of a long burst is enough: check_burst() refuses whole ones only after the recheck. */
static uint64_t recheck_length(const struct rcx_session *s, const struct rcx_cell *cell)
{
	bool is_long = is_stream(s) && cell->burst > EXPENSIVE_BURST;

	return is_long ? EXPENSIVE_STREAM : expensive_length(s, cell);
}

/* The first operations may include one-time costs, such as the start of a peer.  So an operation
 * counts as expensive only if further rounds are expensive, too.
 */
static int recheck_cost(struct rcx_session *s, const struct rcx_cell *cell, uint64_t *cost)
{
	int trials = s->op == RCX_DUMP ? EXPENSIVE_DUMPS_TRIALS : EXPENSIVE_TRIALS;

	for (int i = 0; i < trials && is_expensive(s, *cost); i++)
		if (try_round(s, cell, recheck_length(s, cell), cost))
			return -1;
	return 0;
}

/* Messages that share a call or a wake-up.  Every stream counts as one of batches. */
static uint32_t batch(const struct rcx_session *s)
{
	uint32_t declared = s->mode->operations[s->op].batch;
	uint32_t least = is_stream(s) ? RCX_BATCH : 1;

	return declared > least ? declared : least;
}

/* A batch shares one call or one wake-up, so a round must not end with a shorter batch. */
static uint64_t whole_batches(const struct rcx_session *s, uint64_t n)
{
	return n < batch(s) ? n : n - n % batch(s);
}

static uint64_t common_multiple(uint64_t a, uint64_t b)
{
	uint64_t multiple = a;

	while (multiple % b)
		multiple += a;
	return multiple;
}

/* The length of a timed stream, about @n, in whole bursts; a longer one in whole batches as well. */
static uint64_t stream_length(const struct rcx_session *s, const struct rcx_cell *cell, uint64_t n)
{
	uint64_t both = common_multiple(cell->burst, batch(s));

	return n < both ? rcx_stream_length(cell, n) : n - n % both;
}

/* In real time a trial may be interrupted, so the shortest of several counts. */
static int shortest_trial(struct rcx_session *s, const struct rcx_cell *cell, uint64_t n,
			  uint64_t *cost)
{
	uint64_t again;

	if (try_round(s, cell, n, cost))
		return -1;
	for (int i = 0; i < FURTHER_TRIALS; i++) {
		if (try_round(s, cell, n, &again))
			return -1;
		*cost = again < *cost ? again : *cost;
	}
	return 0;
}

/* Threads wait for each other at the start and the end of a round.  In real time these waits
 * vary by more than a few operations take, and the difference would be chance.  So a trial of
 * threads is lengthened until the operations take longer than the waits.
 */
static int try_in_time(struct rcx_session *s, const struct rcx_cell *cell, uint64_t n,
		       uint64_t *cost)
{
	while (!shortest_trial(s, cell, n, cost)) {
		if (*cost * n * threads(s, cell) >= waits(s) || n >= N_MAX)
			return 0;
		n *= 2;
	}
	return -1;
}

/* Choose the number of operations in a round, @n.  @cost is the cost in the validation pass, and
 * becomes that of a timed operation.
 */
static int size_round(struct rcx_session *s, const struct rcx_cell *cell, uint64_t *n,
		      uint64_t *cost)
{
	uint64_t trial = is_stream(s) ? STREAM_VALIDATION : TRIAL_OPERATIONS;
	bool time = cell->clock == RCX_CLOCK_TIME;
	uint64_t goal = time ? N_GOAL_TIME : N_GOAL;
	uint64_t units_max = time ? ROUND_UNITS_MAX_TIME : ROUND_UNITS_MAX;
	uint64_t bursts = cell->search ? BURSTS_MIN * cell->burst : 0;
	uint64_t batches = BATCHES_MIN * s->mode->operations[s->op].batch;
	uint64_t least = clamp(bursts > batches ? bursts : batches, STREAM_MIN, RCX_STREAM_MAX);

	if (is_expensive(s, *cost)) {
		*n = expensive_length(s, cell);
		return 0;
	}
	/* Twice, because the first trial has cold caches and lazy allocations. */
	if (try_round(s, cell, trial, cost) || try_round(s, cell, trial, cost) ||
	    (time && !is_stream(s) && try_in_time(s, cell, trial, cost)))
		return -1;
	*n = cell->round_units / *cost;
	if (*n < goal)
		*n = clamp(units_max / *cost, *n, goal);
	if (is_stream(s))
		*n = stream_length(s, cell, clamp(*n, least, RCX_STREAM_MAX));
	else
		*n = whole_batches(s, clamp(*n, 1, is_single(s) ? SINGLES_MAX : N_MAX));
	return 0;
}

/* Each message of a stream at a rate has a latency: take some of this round as samples. */
static void take_latencies(const struct rcx_session *s, const struct rcx_cell *cell,
			   struct rcx_result *result)
{
	uint64_t quota = (cell->samples + cell->rounds - 1) / cell->rounds;
	uint64_t step = s->latencies / (quota + 1) + 1;

	for (uint64_t i = step - 1; i < s->latencies && result->samples < cell->samples; i += step)
		result->sample[result->samples++] = s->latency[i];
}

/* On failure the child process exits, which releases everything that it holds. */
static int time_rounds(struct rcx_session *s, const struct rcx_cell *cell,
		       struct rcx_result *result)
{
	struct rcx_cpu_reading begin;
	struct rcx_slab_prefill prefill;
	struct rcx_stream_counts unused;
	struct rcx_control control = { .open = false };
	uint64_t warm;

	rcx_slab_prefill_begin(&prefill, s->size);
	if (cell->control_units)
		rcx_control_begin(&control, s, cell, result);
	if (rcx_align_to_tick(s) || counted_round(s, cell, result->n, &unused, &warm))
		return -1;
	rcx_cpu_begin(&begin, cell->clock);
	for (uint32_t i = 0; i < cell->rounds; i++) {
		rcx_slab_prefill(&prefill);
		if (control.open)
			rcx_control_take(&control, s, result, i);
		if (rcx_align_to_tick(s) ||
		    counted_round(s, cell, result->n, &result->stream[i], &result->total[i]))
			return -1;
		result->rounds = i + 1;
		if (s->paced)
			take_latencies(s, cell, result);
	}
	if (control.open)
		rcx_control_take(&control, s, result, cell->rounds);
	rcx_cpu_end(&begin, cell->clock, control.used, &result->cpu);
	if (control.open)
		rcx_control_end(&control);
	rcx_slab_prefill_end(&prefill);
	return 0;
}

/* The number of samples for which there is time. */
static uint64_t samples_for(const struct rcx_session *s, const struct rcx_cell *cell, uint64_t cost)
{
	uint64_t most = SAMPLE_ROUNDS * cell->round_units / cost;
	uint64_t few = s->op == RCX_DUMP ? EXPENSIVE_DUMPS_SAMPLES : EXPENSIVE_SAMPLES;
	uint64_t least = is_expensive(s, cost) ? few : SAMPLES_MIN;

	if (most < least)
		most = least;
	return most < cell->samples ? most : cell->samples;
}

/* A separate pass, because reading the clock around each operation has a cost. */
static int sample(struct rcx_session *s, const struct rcx_cell *cell, uint64_t cost,
		  struct rcx_result *result)
{
	uint64_t most = samples_for(s, cell, cost), total;

	if (is_stream(s))
		return 0; /* at a rate it has samples; else they would measure the queue */
	if (s->threads)
		return 0; /* the barrier around each operation would cost more than it */
	if (batch(s) > 1)
		return 0; /* an operation on its own would not share its call */
	while (result->samples < most) {
		uint64_t left = most - result->samples;
		/* Each has a timestamp anyway, so a round of several gives a sample each. */
		uint64_t n = is_single(s) ? clamp(left, 1, SINGLES_MAX) : 1;

		if (one_round(s, cell, n, &total))
			return -1;
		memcpy(result->sample + result->samples, is_single(s) ? s->latency : &total,
		       n * sizeof(total));
		result->samples += (uint32_t)n;
	}
	return 0;
}

/* The events of one operation, in rounds that are not timed.  Where they cannot be counted now,
 * the cell has none.
 */
static int count_events(struct rcx_session *s, const struct rcx_cell *cell,
			struct rcx_result *result)
{
	uint64_t loops = has_timestamp(s) ? 0 : result->n;
	struct rcx_hw_counters counters;
	struct rcx_stream_counts unused;
	char reason[128];
	uint64_t total;

	result->event_rounds = 0;
	if (!cell->events || s->threads ||
	    !rcx_hw_begin(&counters, cell->events, loops, reason, sizeof(reason)))
		return 0;
	for (uint32_t i = 0; i < cell->rounds && i < RCX_HW_ROUNDS; i++) {
		uint64_t operations;

		rcx_hw_round_begin(&counters);
		if (counted_round(s, cell, result->n, &unused, &total))
			return -1;
		operations = is_stream(s) ? s->delivered : result->n;
		if (operations)
			rcx_hw_round_end(&counters, operations,
					 result->event[result->event_rounds++]);
	}
	if (!rcx_hw_end(&counters))
		result->event_rounds = 0;
	return 0;
}

static void set_overhead(const struct rcx_session *s, const struct rcx_cell *cell,
			 const struct rcx_overhead *overhead, struct rcx_result *result)
{
	if (cell->control_units)
		result->control_overhead = overhead->round +
					   overhead->loop * (double)result->control_n;
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

/* A stream consists of whole bursts. */
static int check_burst(struct rcx_session *s, const struct rcx_cell *cell, uint64_t cost)
{
	if (!is_stream(s) || cell->interval || cell->burst <= EXPENSIVE_BURST ||
	    !is_expensive(s, cost))
		return 0;
	return rcx_skip(s, "Each message takes about %llu %s, too long for bursts of %u.",
			(unsigned long long)cost,
			s->clock == RCX_CLOCK_INSTRUCTIONS ? "instructions" : "ns", cell->burst);
}

/* The limits of a search are made for messages that are not expensive. */
static int find_rate(struct rcx_session *s, struct rcx_cell *cell, uint64_t cost,
		     struct rcx_result *result)
{
	if (!is_expensive(s, cost))
		return rcx_find_rate(s, cell, result);
	return rcx_skip(s, "Each message takes about %llu %s, too long to search for a rate.",
			(unsigned long long)cost,
			s->clock == RCX_CLOCK_INSTRUCTIONS ? "instructions" : "ns");
}

static int measure(const struct rcx_cell *requested, struct rcx_session *s, uint64_t cost,
		   const struct rcx_overhead *overhead, struct rcx_result *result)
{
	struct rcx_cell cell = *requested;
	struct rcx_counts counts;
	int steps = 0;

	if (open_session(&cell, s, false) || recheck_cost(s, &cell, &cost) ||
	    check_burst(s, &cell, cost) || (cell.search && find_rate(s, &cell, cost, result)))
		return -1;
	do {
		if (size_round(s, &cell, &result->n, &cost) || time_rounds(s, &cell, result))
			return -1;
	} while (rcx_step_back(&cell, result, steps++));
	result->context = s->context;
	result->interval = cell.interval;
	set_overhead(s, &cell, overhead, result);
	if (rcx_check_placement(&cell, s, result) || count_events(s, &cell, result))
		return -1;
	if (is_stream(s))
		rcx_stream_split(&cell, overhead, result);
	if (sample(s, &cell, cost, result) || (cell.sweep && rcx_sweep(s, &cell, result)))
		return -1;
	result->n *= threads(s, &cell);
	return end_threads(s, &counts);
}

void rcx_cell_measure(const struct rcx_cell *cell, const struct rcx_overhead *overhead,
		      struct rcx_result *result)
{
	struct rcx_session *s = &result->session;
	uint64_t cost;
	int err;

	rcx_peer_report_death(result->reason, sizeof(result->reason));
	if (!rcx_run_at_home(cell, result->reason, sizeof(result->reason)))
		return; /* the status is RCX_FAIL */
	err = validate(cell, s, result, &cost);
	if (!err) {
		close_session(s);
		if (cell->op == RCX_STREAM &&
		    rcx_stream_calibrate(cell, overhead, &result->stream_overhead, result->reason,
					 sizeof(result->reason)))
			return;
		err = measure(cell, s, cost, overhead, result);
	}
	if (err)
		snprintf(result->reason, sizeof(result->reason), "%s",
			 s->error[0] ? s->error : "the user half failed without a reason");
	close_session(s);
	result->status = !err ? RCX_OK : s->skip ? RCX_SKIP : RCX_FAIL;
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

	memset(&result->session, 0, sizeof(result->session));
	if (rcx_in_child(measure_job, &job, cell->deadline_ms, reason, sizeof(reason)))
		return;
	if (rcx_was_late())
		rcx_append_progress(&result->session, reason, sizeof(reason));
	result->status = RCX_FAIL;
	memcpy(result->reason, reason, sizeof(reason));
}
