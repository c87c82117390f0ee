// SPDX-License-Identifier: GPL-2.0-only
/* One stream: raised at a pace, drained, and every message accounted for. */
#include <string.h>
#include "agent.h"

uint64_t rcx_stream_length(const struct rcx_cell *cell, uint64_t n)
{
	uint64_t bursts = n / cell->burst;

	if (!cell->interval)
		return n;
	return (bursts ? bursts : 1) * cell->burst;
}

/* The loop drains until the channel is empty, so once more must bring nothing. */
static int check_empty(struct rcx_session *s)
{
	uint64_t delivered = s->delivered;

	if (s->mode->operations[s->op].run(s, 0))
		return -1;
	if (s->delivered == delivered)
		return 0;
	return rcx_fail(s, "%llu messages were still queued when the stream had been drained",
		       (unsigned long long)(s->delivered - delivered));
}

/*
 * raised = delivered + refused + lost otherwise, and nothing is queued any more.
 * What arrived is known by sequence numbers, what was refused by the emitter.
 * What was lost otherwise must have been told to the reader, unless the mode
 * claims that many events become one, or that new ones take the place of old
 * ones, of which nobody is told.
 */
static int check_identity(struct rcx_session *s, const struct rcx_stream_counts *c)
{
	const uint32_t untold = RCX_FULL_COALESCES | RCX_FULL_OVERWRITES;
	unsigned long long lost = c->lost, refused = c->refused;

	if (c->delivered - c->duplicated + c->lost != c->emitted)
		return rcx_fail(s, "%llu raised are not %llu delivered and %llu lost",
			       (unsigned long long)c->emitted,
			       (unsigned long long)(c->delivered - c->duplicated), lost);
	if (c->lost < c->refused)
		return rcx_fail(s, "%llu were refused, but only %llu did not arrive", refused,
			       lost);
	if (c->lost > c->refused && s->mode->claims & RCX_FULL_REFUSES)
		return rcx_fail(s, "%llu did not arrive, but only %llu were refused", lost,
			       refused);
	if (c->lost > c->refused && !c->overruns && !(s->mode->claims & untold))
		return rcx_fail(s, "%llu did not arrive, %llu of them refused, and nobody was told",
			       lost, refused);
	if (c->overruns > c->lost)
		return rcx_fail(s, "the reader was told of %llu overruns and misses %llu messages",
			       (unsigned long long)c->overruns, lost);
	return 0;
}

/*
 * What is lost at the very end leaves no gap behind it.  Where the newest takes
 * the place of the oldest it cannot be lost itself, unless it was refused.
 */
static int count_end(struct rcx_session *s, uint64_t emitted, uint64_t refused)
{
	uint64_t missing = emitted > s->seen ? emitted - s->seen : 0;

	if (missing > refused && s->mode->claims & RCX_FULL_OVERWRITES)
		return rcx_fail(s, "the newest %llu did not arrive, in whose place older ones "
			       "should have gone", (unsigned long long)missing);
	s->lost += missing;
	s->seen += missing;
	return 0;
}

static uint64_t timestamp(const struct rcx_session *s, uint64_t seq)
{
	return s->page->timestamps[seq % RCX_TIMESTAMPS];
}

/* How late the reader was at best in the last quarter of a stream with a rate. */
static uint64_t behind_at_best(const struct rcx_session *s)
{
	uint64_t i = s->latencies - s->latencies / 4;
	uint64_t best = i < s->latencies ? s->latency[i] : 0;

	for (; i < s->latencies; i++)
		if (s->latency[i] < best)
			best = s->latency[i];
	return best;
}

/* Events @first to @end - 1 were raised at @cell's rate: was the producer in time? */
static void look_at_pace(const struct rcx_session *s, const struct rcx_cell *cell,
			 uint64_t first, uint64_t end, struct rcx_stream_counts *counts)
{
	uint64_t bursts = (end - first - 1) / cell->burst;

	counts->span = timestamp(s, first + bursts * cell->burst) - timestamp(s, first);
	counts->behind = behind_at_best(s);
	if (cell->interval) {
		uint64_t ticks = (counts->span + cell->interval / 2) / cell->interval;

		counts->missed = ticks > bursts ? ticks - bursts : 0;
	}
}

int rcx_stream_round(struct rcx_session *s, const struct rcx_cell *cell, uint64_t n,
		    struct rcx_stream_counts *counts, uint64_t *total)
{
	uint64_t first = s->page->emitted, unused;
	struct rcx_counts before, after;

	s->delivered = s->lost = s->reordered = s->duplicated = s->overruns = 0;
	s->paced = cell->interval;
	if (rcx_session_counts(s, &before) ||
	    rcx_session_emit(s, n, cell->burst, cell->interval) ||
	    rcx_time_loop(s, n, &unused) || rcx_session_stop(s) || rcx_session_counts(s, &after))
		return -1;
	*total = s->delivered ? s->last - timestamp(s, first) : 0;
	if (count_end(s, after.emitted, after.refused - before.refused))
		return -1;
	*counts = (struct rcx_stream_counts){
		.emitted = after.emitted - before.emitted,
		.refused = after.refused - before.refused,
		.delivered = s->delivered,
		.lost = s->lost,
		.reordered = s->reordered,
		.duplicated = s->duplicated,
		.overruns = s->overruns,
	};
	look_at_pace(s, cell, first, after.emitted, counts);
	return check_empty(s) || check_identity(s, counts) ? -1 : 0;
}
