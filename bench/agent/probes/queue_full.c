// SPDX-License-Identifier: GPL-2.0-only
/*
 * What happens when nobody reads: raise events until the channel takes no more,
 * then drain, and see from the numbers which ones were kept.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "probe.h"

#define FIRST 64		/* events raised before the first look */
#define STEP 2048		/* and before each later one */
#define SLOW_MS 20		/* what takes so long for the first ones would take minutes to fill */
#define ENOUGH 8192		/* what holds so many is not full in any test of ours */
#define STEP_MS 200		/* a producer that has not ended by then is stuck */
#define WATCHED 64		/* system calls of the drain that are looked at for errors */

struct filled {
	struct rcx_counts counts;
	uint64_t kept;			/* different messages that were drained */
	uint64_t first, last;		/* of those, the numbers */
	bool stuck;			/* the producer waited for the reader */
	bool watched;			/* the drain's system calls were looked at */
	int told;			/* errno that the reader's calls had, or 0 */
	uint64_t overruns;		/* losses that the reader was told of in any way */
	uint64_t held;			/* most that were raised and all kept; 0: not looked for */
	uint64_t left;			/* of one more than that */
};

static int emit_some(struct rcx_session *s, uint64_t count, struct filled *filled)
{
	filled->stuck = !rcx_emit_and_wait(s, count, STEP_MS);
	return s->error[0] || rcx_session_counts(s, &filled->counts) ? -1 : 0;
}

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* Raise until some are refused, the producer is stuck, or it is enough. */
static int fill_up(struct rcx_session *s, struct filled *filled)
{
	uint64_t began = now_ms();
	bool slow;

	if (emit_some(s, FIRST, filled))
		return -1;
	slow = now_ms() - began > SLOW_MS;
	while (!slow && !filled->stuck && !filled->counts.refused &&
	       filled->counts.emitted < ENOUGH)
		if (emit_some(s, STEP, filled))
			return -1;
	return 0;
}

/* That there is nothing more, or that a signal came, is no news of a loss. */
static bool is_news(int64_t result)
{
	return result < 0 && result > -512 && result != -EAGAIN && result != -EINTR;
}

static int reported_of(const struct rcx_syscalls *calls)
{
	for (uint32_t i = 0; i < calls->count; i++)
		if (is_news(calls->call[i].result))
			return (int)-calls->call[i].result;
	return 0;
}

/* Numbers come once each and in order, or nearly: count the ones not seen before. */
static void look_at_kept(const struct rcx_message_log *log, struct filled *filled)
{
	static bool seen[FIRST + ENOUGH + STEP];

	filled->first = UINT64_MAX;
	for (uint64_t i = 0; i < log->count && i < RCX_MESSAGE_LOG_MAX; i++) {
		uint64_t seq = log->message[i].seq;

		if (seq >= sizeof(seen) || seen[seq])
			continue;
		seen[seq] = true;
		filled->kept++;
		filled->first = seq < filled->first ? seq : filled->first;
		filled->last = seq > filled->last ? seq : filled->last;
	}
}

static const char *judge(const struct filled *filled)
{
	bool gaps = filled->last - filled->first + 1 != filled->kept;

	if (filled->stuck)
		return "producer waits";
	if (filled->kept == filled->counts.emitted)
		return "not filled";
	if (filled->held > 1 && filled->left < filled->held / 2)
		return RCX_EMPTIES;
	if (!filled->kept)
		return "loses all";
	if (filled->kept == 1)
		return RCX_COALESCES;
	if (filled->kept && !gaps && filled->first == 0)
		return filled->counts.refused ? RCX_REFUSES_NEWEST : "drops newest";
	if (filled->kept && !gaps && filled->last == filled->counts.emitted - 1)
		return RCX_OVERWRITES_OLDEST;
	return "loses some";
}

static void tell_holds(struct rcx_probing *probing, const struct filled *filled)
{
	unsigned long long emitted = filled->counts.emitted, kept = filled->kept;

	if (kept == emitted)
		rcx_find_nothing(probing, "queue_capacity", "It held all %llu small messages that were tried.",
				emitted);
	else if (filled->held)
		rcx_find_number(probing, "queue_capacity", (double)filled->held,
			       "%llu small messages were raised and all kept; of one more, %llu.",
			       (unsigned long long)filled->held, (unsigned long long)filled->left);
	else
		rcx_find_number(probing, "queue_capacity", (double)kept,
			       "%llu small messages were raised and %llu of them kept.", emitted,
			       kept);
}

static void tell(struct rcx_probing *probing, const struct filled *filled)
{
	unsigned long long emitted = filled->counts.emitted, kept = filled->kept;
	const char *value = judge(filled);
	int code = filled->counts.refused ? (int)filled->counts.refused_errno : 0;

	rcx_find_text(probing, "queue_full", value,
		     "%llu events were raised while nobody read, and %llu of them refused; the "
		     "drain then brought %llu of them, from number %llu to %llu.", emitted,
		     (unsigned long long)filled->counts.refused, kept,
		     (unsigned long long)(kept ? filled->first : 0),
		     (unsigned long long)filled->last);
	tell_holds(probing, filled);
	rcx_find_text(probing, "producer_error", rcx_errno_name(code),
		     code ? "What the producer got back for an event that was not taken." :
		     "The producer got no error for any event, kept or not.");
	rcx_find_text(probing, "reader_error", !filled->told && filled->overruns ? "by a message" :
		     rcx_errno_name(filled->told),
		     filled->watched ? "Seen by ptrace in the results of the drain's first %d "
		     "system calls, EAGAIN left out." : "Its wait brought no error.", WATCHED);
}

/* ---- what has a stream ------------------------------------------------- */

/* How many of @count events the drain behind them brings, into an empty queue. */
static int refill(struct rcx_session *s, struct rcx_process *process, uint64_t count, uint64_t *kept)
{
	struct rcx_report report;

	if (!rcx_emit_and_wait(s, count, STEP_MS) ||
	    rcx_process_do(process, RCX_DO_RUN, count, &report, 20 * RCX_WAIT_MS) != 1 || report.err)
		return -1;
	*kept = report.delivered;
	return 0;
}

/*
 * Where the newest were kept, was it room for the newest alone that was made?  One
 * event more than the queue holds tells: of a queue that is emptied nothing is left.
 */
static int look_at_edge(struct rcx_session *s, struct rcx_process *process, struct filled *filled)
{
	uint64_t fits = 0, spills = 1, kept;

	while (spills < ENOUGH) {
		if (refill(s, process, spills, &kept))
			return -1;
		if (kept < spills)
			break;
		fits = spills;
		spills *= 2;
	}
	while (spills - fits > 1) {
		uint64_t middle = (fits + spills) / 2;

		if (refill(s, process, middle, &kept))
			return -1;
		*(kept < middle ? &spills : &fits) = middle;
	}
	filled->held = fits;
	return refill(s, process, spills, &filled->left);
}

static bool keeps_newest(const struct filled *filled)
{
	const char *value = judge(filled);

	return !filled->stuck && (!filled->kept || !strcmp(value, RCX_OVERWRITES_OLDEST));
}

static void fill_stream(struct rcx_probing *probing, struct rcx_session *s, struct rcx_process *process)
{
	const struct rcx_syscalls *calls;
	struct filled filled = { 0 };
	struct rcx_report report;

	if (fill_up(s, &filled)) {
		rcx_find_failure(probing, "queue_full", "%s.", s->error);
		return;
	}
	calls = rcx_process_trace(process, RCX_DO_RUN, filled.counts.emitted, WATCHED);
	if (!calls || rcx_process_report(process, &report, 20 * RCX_WAIT_MS) != 1) {
		rcx_find_failure(probing, "queue_full", "The drain did not end.");
		return;
	}
	if (report.err) {
		rcx_find_failure(probing, "queue_full", "The drain failed: %s.", report.error);
		return;
	}
	filled.watched = true;
	filled.told = reported_of(calls);
	filled.overruns = report.overruns;
	look_at_kept(&probing->findings->log, &filled);
	if (keeps_newest(&filled) && look_at_edge(s, process, &filled)) {
		rcx_find_failure(probing, "queue_full", "It could not be filled a second time.");
		return;
	}
	tell(probing, &filled);
}

/* ---- what has only a wait ---------------------------------------------- */

/* Each wait that returns is an event that was kept. */
static void fill_wait(struct rcx_probing *probing, struct rcx_session *s, struct rcx_process *process)
{
	struct filled filled = { 0 };
	struct rcx_report report;

	if (!rcx_emit_and_wait(s, 64, STEP_MS) || rcx_session_counts(s, &filled.counts)) {
		rcx_find_failure(probing, "queue_full", "%s.", s->error);
		return;
	}
	while (probing->findings->log.count < 64 &&
	       rcx_process_do(process, RCX_DO_WAIT, 1, &report, RCX_WAIT_MS) == 1)
		if (report.err) {
			rcx_find_failure(probing, "queue_full", "A wait failed: %s.", report.error);
			return;
		}
	look_at_kept(&probing->findings->log, &filled);
	tell(probing, &filled);
}

static void probe_full(struct rcx_probing *probing)
{
	struct rcx_report report;
	struct rcx_session s;
	struct rcx_cell cell;
	struct rcx_process process;
	enum rcx_op op;

	if (!rcx_event_operation(probing->mode, &op)) {
		rcx_find_nothing(probing, "queue_full", "The kernel starts nothing here, so nothing queues.");
		return;
	}
	cell = rcx_probe_cell(probing, op, rcx_small_size(probing->mode, op));
	if (rcx_session_bind(&s, &cell, true)) {
		rcx_find_failure(probing, "queue_full", "%s.", s.error);
		return;
	}
	probing->findings->log.count = 0;
	s.log = &probing->findings->log;
	if (rcx_process_start(&process, &s, NULL, NULL, &report))
		rcx_find_failure(probing, "queue_full", "%s.", report.error);
	else if (op == RCX_STREAM)
		fill_stream(probing, &s, &process);
	else
		fill_wait(probing, &s, &process);
	rcx_process_kill(&process);
	rcx_session_close(&s);
}
RCX_PROBE("queue_full", probe_full);
