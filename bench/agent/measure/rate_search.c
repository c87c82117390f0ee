// SPDX-License-Identifier: GPL-2.0-only
/*
 * Find the highest rate of a stream without loss, and measure rates around it.  The search
 * follows RFC 2544, with one difference: a rate is also too high when all messages arrive, but
 * later and later.  The queue would then overflow in a longer trial.
 */
#include <math.h>
#include <stdlib.h>
#include "agent.h"

#define INTERVAL_MIN	    500	    /* units; a shorter one would only measure the timer */
#define INTERVAL_FACTOR_MAX 256	    /* times the first interval: a slower one is not a stream */
#define INTERVAL_MAX	    1e9	    /* units; ringcross_core accepts no longer one */
#define PRECISION	    1.01    /* the search ends when its bounds differ by this factor */
#define BURSTS		    64	    /* in a trial, */
#define EVENTS		    1000    /* but at least this many events, */
#define TRIAL_UNITS	    4400000 /* and long enough to include a timer tick */
#define TRIAL_UNITS_MAX	    20000000
#define TRIAL_BURSTS_MIN    8
#define TRIES		    3	  /* trials in all, if one may have been disturbed */
#define FINE		    1.005 /* factor of the first steps to a lower rate */
#define FINE_STEPS	    16	  /* number of these steps */
#define COARSE		    1.25  /* factor of the later steps */

const char *const rcx_verdict_names[RCX_VERDICTS] = { "clean", "lost", "behind", "late" };

struct search {
	struct rcx_session *s;
	struct rcx_cell cell;
	struct rcx_result *result;
	uint64_t delivered; /* by all trials */
};

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/*
 * At a rate that a channel can carry, its reader has received a burst before the next one is
 * due.  A timer tick may delay several bursts, but then the reader catches up.
 */
static enum rcx_verdict judge(const struct rcx_cell *cell, const struct rcx_stream_counts *counts)
{
	uint64_t bursts = counts->emitted / cell->burst;

	if (counts->lost)
		return RCX_LOST;
	if (counts->behind > cell->interval)
		return RCX_BEHIND;
	if (counts->missed > 1 + bursts / 100)
		return RCX_LATE;
	return RCX_CLEAN;
}

static uint64_t trial_length(const struct rcx_cell *cell, uint64_t events)
{
	uint64_t most = TRIAL_UNITS_MAX * cell->burst / cell->interval;
	uint64_t least = TRIAL_BURSTS_MIN * cell->burst;

	if (events > most)
		events = most;
	if (events < least)
		events = least;
	return rcx_stream_length(cell, events < RCX_STREAM_MAX ? events : RCX_STREAM_MAX);
}

static int one_trial(struct search *search, uint64_t events, struct rcx_trial *trial)
{
	struct rcx_session *s = search->s;
	struct rcx_result *result = search->result;
	uint64_t n = trial_length(&search->cell, events), unused;

	*trial = (struct rcx_trial){ .interval = search->cell.interval };
	s->latencies = 0;
	if (rcx_align_to_tick(s) || rcx_stream_round(s, &search->cell, n, &trial->counts, &unused))
		return -1;
	if (s->latencies) {
		qsort(s->latency, s->latencies, sizeof(s->latency[0]), by_value);
		trial->p50 = s->latency[s->latencies / 2];
		trial->p99 = s->latency[s->latencies * 99 / 100];
	}
	search->delivered += trial->counts.delivered;
	trial->verdict = judge(&search->cell, &trial->counts);
	if (result->trials < RCX_TRIALS_MAX)
		result->trial[result->trials++] = *trial;
	return 0;
}

/* Under the instructions clock, only rare disturbances are random, and they lose few events. */
static bool may_be_disturbed(const struct rcx_session *s, const struct rcx_trial *trial)
{
	if (s->clock != RCX_CLOCK_INSTRUCTIONS)
		return true;
	return trial->verdict == RCX_LOST && trial->counts.lost < trial->counts.emitted / 8;
}

/* A disturbance only makes a trial worse, so one clean trial is enough. */
static int try_events(struct search *search, uint64_t events, enum rcx_verdict *verdict)
{
	struct rcx_trial trial;
	int tries = TRIES;

	do {
		if (one_trial(search, events, &trial))
			return -1;
		*verdict = trial.verdict;
	} while (*verdict != RCX_CLEAN && --tries && may_be_disturbed(search->s, &trial));
	return 0;
}

static int try_interval(struct search *search, double interval, enum rcx_verdict *verdict)
{
	uint64_t events = BURSTS * search->cell.burst;
	uint64_t events_per_tick = (uint64_t)(TRIAL_UNITS / interval) * search->cell.burst;

	if (events < EVENTS)
		events = EVENTS;
	if (events < events_per_tick)
		events = events_per_tick;
	search->cell.interval = (uint64_t)interval;
	return try_events(search, events, verdict);
}

static int fail_no_rate(struct search *search)
{
	if (!search->delivered)
		return rcx_fail(search->s, "no message arrived at any rate that was tried");
	return rcx_skip(search->s, "Even with one burst of %u every %llu %s %s.",
			search->cell.burst, (unsigned long long)search->cell.interval,
			search->s->clock == RCX_CLOCK_INSTRUCTIONS ? "instructions" : "ns",
			search->result->bound == RCX_LOST   ? "messages are lost" :
			search->result->bound == RCX_BEHIND ? "the reader falls behind" :
							      "the producer is late");
}

/* Find an interval that is clean, and one of half its length that is not.  @dirty stays 0 if even
 * the shortest interval is clean.
 */
static int bracket(struct search *search, double *clean, double *dirty)
{
	double first = (double)search->cell.interval;
	enum rcx_verdict verdict;

	*clean = *dirty = 0;
	for (double at = first; !*clean || !*dirty; at = *clean ? *clean / 2 : *dirty * 2) {
		if (at > INTERVAL_FACTOR_MAX * first || at > INTERVAL_MAX)
			return fail_no_rate(search);
		if (at < INTERVAL_MIN)
			break;
		if (try_interval(search, at, &verdict))
			return -1;
		if (verdict == RCX_CLEAN) {
			*clean = at;
		} else {
			*dirty = at;
			search->result->bound = verdict;
		}
	}
	return 0;
}

static int bisect(struct search *search, double *clean, double dirty)
{
	enum rcx_verdict verdict;

	while (dirty && *clean > dirty * PRECISION) {
		double middle = sqrt(*clean * dirty);

		if (try_interval(search, middle, &verdict))
			return -1;
		if (verdict == RCX_CLEAN) {
			*clean = middle;
		} else {
			dirty = middle;
			search->result->bound = verdict;
		}
	}
	return 0;
}

/* The factor by which the interval becomes longer.  On a busy machine, small steps alone would
 * not end.
 */
static double step_back(int steps)
{
	return steps < FINE_STEPS ? FINE : COARSE;
}

/* A longer trial must confirm the interval. */
static int confirm(struct search *search, double *clean)
{
	double most = INTERVAL_FACTOR_MAX * *clean;
	enum rcx_verdict verdict;

	for (int i = 0; *clean <= most && *clean <= INTERVAL_MAX; *clean *= step_back(i++)) {
		search->cell.interval = (uint64_t)*clean;
		if (try_events(search, RCX_STREAM_MAX, &verdict))
			return -1;
		if (verdict == RCX_CLEAN)
			return 0;
		search->result->bound = verdict;
	}
	return fail_no_rate(search);
}

/* Search from @first on.  @clean: the interval that was found. */
static int search_from(struct search *search, double first, double *clean)
{
	double dirty;

	search->cell.interval = (uint64_t)first;
	if (bracket(search, clean, &dirty) || bisect(search, clean, dirty) ||
	    confirm(search, clean))
		return -1;
	return 0;
}

/* Whether messages were lost at this interval or a longer one. */
static bool loses_at(const struct rcx_result *result, double interval)
{
	for (uint32_t i = 0; i < result->trials; i++)
		if (result->trial[i].verdict == RCX_LOST &&
		    (double)result->trial[i].interval >= interval)
			return true;
	return false;
}

/*
 * A reader that sleeps after each message needs a wake-up for each.  At a higher rate it finds
 * the next message before it sleeps, so each one costs less.  Then a rate can be too high
 * although a much higher one is not.  @faster: an interval like that, or 0.  Beyond a rate that
 * loses messages there is none: a channel that coalesces can only be lucky there.
 */
static int look_further(struct search *search, double clean, double *faster)
{
	static const double factors[] = { 4, 2, 1.5 };
	enum rcx_verdict verdict;

	*faster = 0;
	for (size_t i = 0; i < sizeof(factors) / sizeof(factors[0]); i++) {
		double interval = clean / factors[i];

		if (interval < INTERVAL_MIN || loses_at(search->result, interval))
			continue;
		search->cell.interval = (uint64_t)interval;
		if (try_events(search, RCX_STREAM_MAX, &verdict))
			return -1;
		if (verdict == RCX_CLEAN) {
			*faster = interval;
			return 0;
		}
	}
	return 0;
}

int rcx_find_rate(struct rcx_session *s, struct rcx_cell *cell, struct rcx_result *result)
{
	struct search search = { .s = s, .cell = *cell, .result = result };
	double clean, faster, found;

	if (search_from(&search, (double)cell->interval, &clean))
		return -1;
	for (;;) {
		enum rcx_verdict bound = result->bound;

		if (look_further(&search, clean, &faster))
			return -1;
		if (!faster)
			break;
		if (search_from(&search, faster, &found))
			return -1;
		if (found >= clean) { /* a longer search does not confirm the faster one */
			result->bound = bound;
			break;
		}
		clean = found;
	}
	cell->interval = (uint64_t)clean;
	return 0;
}

bool rcx_step_back(struct rcx_cell *cell, struct rcx_result *result, int steps)
{
	enum rcx_verdict bound = RCX_CLEAN;
	uint32_t unclean = 0;

	if (!cell->search || cell->interval > INTERVAL_MAX / COARSE)
		return false;
	for (uint32_t i = 0; i < result->rounds; i++) {
		enum rcx_verdict verdict = judge(cell, &result->stream[i]);

		unclean += verdict != RCX_CLEAN;
		if (bound == RCX_CLEAN || verdict == RCX_LOST)
			bound = verdict;
	}
	if (bound != RCX_LOST && 2 * unclean <= result->rounds)
		return false;
	result->bound = bound;
	result->samples = 0;
	cell->interval = (uint64_t)((double)cell->interval * step_back(steps)) + 1;
	return true;
}

int rcx_sweep(struct rcx_session *s, const struct rcx_cell *cell, struct rcx_result *result)
{
	static const double factors[] = { 0.25, 0.5, 0.75, 0.9, 1.1, 1.25, 1.5, 2, 4 };
	struct search search = { .s = s, .cell = *cell, .result = result };
	enum rcx_verdict verdict;
	struct rcx_trial trial;
	bool slower;

	for (size_t i = 0; i < sizeof(factors) / sizeof(factors[0]); i++) {
		double interval = (double)cell->interval / factors[i];

		search.cell.interval = (uint64_t)(interval < INTERVAL_MAX ? interval : INTERVAL_MAX);
		slower = factors[i] < 1; /* so it should be clean, unless it was disturbed */
		if (slower ? try_events(&search, RCX_STREAM_MAX, &verdict) :
			     one_trial(&search, RCX_STREAM_MAX, &trial))
			return -1;
	}
	return 0;
}
