// SPDX-License-Identifier: GPL-2.0-only
/* One stream: emitted at a rate, drained, and every message accounted for. */
#include <string.h>
#include "agent.h"

uint64_t rcx_stream_length(const struct rcx_cell *cell, uint64_t n)
{
	uint64_t bursts = n / cell->burst;

	return (bursts ? bursts : 1) * cell->burst;
}

/* The loop has drained the channel until it was empty, so another call must deliver nothing. */
static int check_empty(struct rcx_session *s)
{
	uint64_t delivered = s->delivered;

	if (s->mode->operations[s->op].run(s, 0))
		return -1;
	if (s->delivered == delivered)
		return 0;
	return rcx_fail(s, "%llu messages were still queued after the stream was drained",
			(unsigned long long)(s->delivered - delivered));
}

/*
 * emitted = delivered + lost, where lost includes the refused events.  Sequence numbers give
 * what was delivered, the endpoint counts what was emitted and refused.  A loss that was not a
 * refusal must have been reported to the reader.  A mode that claims that many events become one,
 * or that new events replace old ones, need not report it.
 */
static int check_identity(struct rcx_session *s, const struct rcx_stream_counts *c)
{
	const uint32_t may_lose_silently = RCX_FULL_COALESCES | RCX_FULL_OVERWRITES;
	unsigned long long lost = c->lost, refused = c->refused;

	if (c->delivered - c->duplicated + c->lost != c->emitted)
		return rcx_fail(s, "%llu emitted are not %llu delivered and %llu lost",
				(unsigned long long)c->emitted,
				(unsigned long long)(c->delivered - c->duplicated), lost);
	if (c->lost < c->refused)
		return rcx_fail(s, "%llu events were refused, but only %llu did not arrive",
				refused, lost);
	if (c->lost > c->refused && s->mode->claims & RCX_FULL_REFUSES)
		return rcx_fail(s, "%llu events did not arrive, but only %llu were refused", lost,
				refused);
	if (c->lost > c->refused && !c->overruns && !(s->mode->claims & may_lose_silently))
		return rcx_fail(s,
				"%llu events did not arrive, of which %llu were refused, and the "
				"reader got no report of a loss",
				lost, refused);
	if (c->overruns > c->lost)
		return rcx_fail(s,
				"the channel reported %llu overruns, but only %llu events were "
				"lost",
				(unsigned long long)c->overruns, lost);
	return 0;
}

static uint64_t timestamp(const struct rcx_session *s, uint64_t seq)
{
	return s->page->timestamps[seq % RCX_TIMESTAMPS];
}

/* Whether the last notice of a stream came before its newest event, which is then in no notice. */
static bool newest_unnoticed(const struct rcx_session *s)
{
	return !s->delivered || s->last < timestamp(s, s->page->emitted - 1);
}

/*
 * A count says neither which events it stands for, nor whether one is missing.  So it must never
 * be larger than the number of events.  Where counts add up, they must be equal to it.  Where many
 * events become one, the newest event may have become part of an earlier notice only if that
 * notice had not been received yet.
 */
static int check_count(struct rcx_session *s, const struct rcx_stream_counts *c)
{
	unsigned long long accepted = c->emitted - c->refused, counted = c->delivered;

	if (!s->mode->operations[s->op].count)
		return 0;
	if (counted > accepted)
		return rcx_fail(s, "the user half counted %llu events, but the channel took %llu",
				counted, accepted);
	if (counted < accepted && s->mode->claims & RCX_FULL_ADDS)
		return rcx_fail(s,
				"the user half counted %llu events of the %llu that the channel "
				"took, although the mode claims to add them up",
				counted, accepted);
	if (accepted && !c->refused && s->mode->claims & RCX_FULL_COALESCES && newest_unnoticed(s))
		return rcx_fail(s, "no notice arrived after the newest event of a stream: it was "
				   "lost, not coalesced");
	return 0;
}

/*
 * Events that are lost at the end of a stream leave no gap in the sequence.  Where the newest
 * replaces the oldest, the newest cannot be lost, unless it was refused.
 */
static int count_lost_at_end(struct rcx_session *s, uint64_t emitted, uint64_t refused)
{
	uint64_t missing = emitted > s->seen ? emitted - s->seen : 0;

	if (missing > refused && s->mode->claims & RCX_FULL_OVERWRITES)
		return rcx_fail(s,
				"the newest %llu events did not arrive, although the mode claims "
				"to overwrite the oldest",
				(unsigned long long)missing);
	s->lost += missing;
	s->seen += missing;
	return 0;
}

/* The smallest latency in the last quarter of a stream at a rate. */
static uint64_t smallest_late_latency(const struct rcx_session *s)
{
	uint64_t i = s->latencies - s->latencies / 4;
	uint64_t best = i < s->latencies ? s->latency[i] : 0;

	for (; i < s->latencies; i++)
		if (s->latency[i] < best)
			best = s->latency[i];
	return best;
}

/* Events @first to @end - 1 were emitted at @cell's rate: was the producer in time? */
static void measure_pace(const struct rcx_session *s, const struct rcx_cell *cell, uint64_t first,
			 uint64_t end, struct rcx_stream_counts *counts)
{
	uint64_t bursts = (end - first - 1) / cell->burst;

	counts->span = timestamp(s, first + bursts * cell->burst) - timestamp(s, first);
	counts->behind = smallest_late_latency(s);
	if (cell->interval) {
		uint64_t ticks = (counts->span + cell->interval / 2) / cell->interval;

		counts->missed = ticks > bursts ? ticks - bursts : 0;
	}
}

int rcx_stream_round(struct rcx_session *s, const struct rcx_cell *cell, uint64_t n,
		     struct rcx_stream_counts *counts, uint64_t *total)
{
	uint64_t first = s->page->emitted, unused, cpu;
	struct rcx_counts before, after;
	bool failed;

	s->notices = 0;
	s->delivered = s->lost = s->reordered = s->duplicated = s->overruns = 0;
	s->paced = cell->interval;
	if (rcx_session_counts(s, &before) || rcx_session_emit(s, n, cell->burst, cell->interval))
		return -1;
	cpu = rcx_thread_time();
	failed = rcx_time_loop(s, n, &unused);
	cpu = rcx_thread_time() - cpu;
	if (failed || rcx_session_stop(s) || rcx_session_counts(s, &after))
		return -1;
	*total = s->delivered ? s->last - timestamp(s, first) : 0;
	if (count_lost_at_end(s, after.emitted, after.refused - before.refused))
		return -1;
	*counts = (struct rcx_stream_counts){
		.emitted = after.emitted - before.emitted,
		.refused = after.refused - before.refused,
		.delivered = s->delivered,
		.lost = s->lost,
		.reordered = s->reordered,
		.duplicated = s->duplicated,
		.overruns = s->overruns,
		.checks = s->mode->operations[s->op].count ? s->notices : s->delivered,
		.busy = after.busy - before.busy,
		.timed = after.timed - before.timed,
		.cpu = cpu,
	};
	measure_pace(s, cell, first, after.emitted, counts);
	return check_empty(s) || check_count(s, counts) || check_identity(s, counts) ? -1 : 0;
}
