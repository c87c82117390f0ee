// SPDX-License-Identifier: GPL-2.0-only
/*
 * What happens when nobody reads: emit events until the channel takes no more, then drain,
 * and determine from the sequence numbers which events were kept.  A channel that carries only a
 * count has no sequence numbers: its counts tell how many events were kept.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "probe.h"

#define FIRST_STEP	 64   /* events before the first check */
#define STEP		 2048 /* events before each later check */
#define SLOW_MS		 20   /* if the first events take longer, filling would take minutes */
#define EVENTS_MAX	 8192 /* a queue that holds so many is reported as not filled */
#define STEP_MS		 200  /* a producer that has not ended by then is stuck */
#define SYSCALLS_WATCHED 64   /* system calls of the drain that are checked for errors */

struct filled {
	struct rcx_counts counts;
	uint64_t kept;	      /* different messages that were drained */
	uint64_t first, last; /* lowest and highest number of these */
	bool stuck;	      /* the producer waited for the reader */
	bool watched;	      /* the drain's system calls were traced */
	int reader_errno;     /* errno of a system call of the reader, or 0 */
	uint64_t overruns;    /* losses that the channel reported to the reader */
	uint64_t capacity;    /* most events that were all kept; 0: not determined */
	uint64_t kept_beyond; /* events kept of one more than that */
	bool newest_only;     /* a drain returned the newest message and no other */
	bool count;	      /* the channel carries only a count */
	uint64_t notices;     /* counts that were drained */
};

static int emit_some(struct rcx_session *s, uint64_t count, struct filled *filled)
{
	filled->stuck = !rcx_emit_and_wait(s, count, STEP_MS);
	return s->error[0] || rcx_session_counts(s, &filled->counts) ? -1 : 0;
}

static uint64_t now_ms(void)
{
	return rcx_read_clock(CLOCK_MONOTONIC) / 1000000;
}

/* Emit until an event is refused, the producer is stuck, or EVENTS_MAX is reached. */
static int fill_up(struct rcx_session *s, struct filled *filled)
{
	uint64_t start = now_ms();
	bool slow;

	if (emit_some(s, FIRST_STEP, filled))
		return -1;
	slow = now_ms() - start > SLOW_MS;
	while (!slow && !filled->stuck && !filled->counts.refused &&
	       filled->counts.emitted < EVENTS_MAX)
		if (emit_some(s, STEP, filled))
			return -1;
	return 0;
}

/* EAGAIN (no message) and EINTR or a restart (a signal) do not report a loss. */
static bool is_loss_error(int64_t result)
{
	return result < 0 && result > -512 && result != -EAGAIN && result != -EINTR;
}

static int first_loss_error(const struct rcx_syscalls *calls)
{
	for (uint32_t i = 0; i < calls->count; i++)
		if (is_loss_error(calls->call[i].result))
			return (int)-calls->call[i].result;
	return 0;
}

/* Count the different sequence numbers. */
static void count_kept(const struct rcx_message_log *log, struct filled *filled)
{
	static bool seen[FIRST_STEP + EVENTS_MAX + STEP];

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

static void sum_counts(const struct rcx_message_log *log, struct filled *filled)
{
	filled->notices = log->count;
	for (uint64_t i = 0; i < log->count && i < RCX_MESSAGE_LOG_MAX; i++)
		filled->kept += log->message[i].seq;
}

static const char *judge_count(const struct filled *filled)
{
	if (filled->stuck)
		return "producer waits";
	if (filled->kept == filled->counts.emitted)
		return filled->notices < filled->kept ? RCX_ADDS : "not filled";
	if (filled->counts.refused &&
	    filled->kept == filled->counts.emitted - filled->counts.refused)
		return RCX_REFUSES_NEWEST;
	if (filled->kept == 1)
		return RCX_COALESCES;
	return filled->kept ? "loses some" : "loses all";
}

static const char *judge(const struct filled *filled)
{
	bool gaps = filled->last - filled->first + 1 != filled->kept;

	if (filled->stuck)
		return "producer waits";
	if (filled->kept == filled->counts.emitted)
		return "not filled";
	if (filled->capacity > 1 && filled->kept_beyond < filled->capacity / 2)
		return RCX_EMPTIES;
	if (!filled->kept)
		return "loses all";
	if (filled->kept == 1 && !filled->newest_only)
		return RCX_COALESCES;
	if (filled->kept && !gaps && filled->first == 0)
		return filled->counts.refused ? RCX_REFUSES_NEWEST : "drops newest";
	if (filled->kept && !gaps && filled->last == filled->counts.emitted - 1)
		return RCX_OVERWRITES_OLDEST;
	return "loses some";
}

static void report_capacity(struct rcx_probing *probing, const struct filled *filled)
{
	unsigned long long emitted = filled->counts.emitted, kept = filled->kept;

	if (kept == emitted)
		rcx_find_nothing(probing, "queue_capacity",
				 "The %s held all %llu %s that were tried.",
				 filled->count ? "count" : "queue", emitted,
				 filled->count ? "events" : "small messages");
	else if (filled->count)
		rcx_find_number(probing, "queue_capacity", (double)kept,
				"Of %llu events %llu were counted.", emitted, kept);
	else if (filled->capacity)
		rcx_find_number(probing, "queue_capacity", (double)filled->capacity,
				"Of %llu small messages all were kept; of one more, %llu.",
				(unsigned long long)filled->capacity,
				(unsigned long long)filled->kept_beyond);
	else
		rcx_find_number(probing, "queue_capacity", (double)kept,
				"Of %llu small messages %llu were kept.", emitted, kept);
}

static void report_kept(struct rcx_probing *probing, const struct filled *filled)
{
	const char *value = filled->count ? judge_count(filled) : judge(filled);
	unsigned long long emitted = filled->counts.emitted, kept = filled->kept;
	unsigned long long refused = filled->counts.refused, first = kept ? filled->first : 0;

	if (filled->count)
		rcx_find_text(probing, "queue_full", value,
			      "%llu events were emitted while nobody read, of which %llu were "
			      "refused. A drain then returned %llu notices, which counted %llu.",
			      emitted, refused, (unsigned long long)filled->notices, kept);
	else
		rcx_find_text(probing, "queue_full", value,
			      "%llu events were emitted while nobody read, of which %llu were "
			      "refused. A drain then returned %llu of them, from number %llu to %llu.",
			      emitted, refused, kept, first, (unsigned long long)filled->last);
}

static void report_results(struct rcx_probing *probing, const struct filled *filled)
{
	int code = filled->counts.refused ? (int)filled->counts.refused_errno : 0;

	if (filled->kept > filled->counts.emitted) {
		rcx_find_failure(probing, "queue_full",
				 "%llu events were emitted, but the drain counted %llu.",
				 (unsigned long long)filled->counts.emitted,
				 (unsigned long long)filled->kept);
		return;
	}
	report_kept(probing, filled);
	report_capacity(probing, filled);
	rcx_find_text(probing, "producer_error", rcx_errno_name(code),
		      code ? "The error that the producer got for a refused event." :
			     "The producer got no error for any event, whether kept or lost.");
	rcx_find_text(probing, "reader_error",
		      !filled->reader_errno && filled->overruns ?
			      "by a message" :
			      rcx_errno_name(filled->reader_errno),
		      !filled->reader_errno && filled->overruns ?
			      "The reader found a report of the loss in what it read." :
		      filled->watched ? "From the results of the drain's first %d system calls, "
					"traced with ptrace; EAGAIN is ignored." :
					"Its wait returned no error.",
		      SYSCALLS_WATCHED);
}

/* ---- modes with a stream ----------------------------------------------- */

/* Emit @count events into an empty queue, then drain: how many were @kept? */
static int refill(struct rcx_session *s, struct rcx_process *process, uint64_t count,
		  uint64_t *kept)
{
	struct rcx_report report;

	if (!rcx_emit_and_wait(s, count, STEP_MS) ||
	    rcx_process_do(process, RCX_DO_RUN, count, &report, 20 * RCX_WAIT_MS) != 1 ||
	    report.err)
		return -1;
	*kept = report.delivered;
	return 0;
}

/*
 * The newest events were kept: did the queue drop the oldest one only, or all of them?  Emit
 * one event more than it holds: an emptied queue then has nothing left.
 */
static int find_capacity(struct rcx_session *s, struct rcx_process *process, struct filled *filled)
{
	uint64_t fits = 0, overflows = 1, kept;

	while (overflows < EVENTS_MAX) {
		if (refill(s, process, overflows, &kept))
			return -1;
		if (kept < overflows)
			break;
		fits = overflows;
		overflows *= 2;
	}
	while (overflows - fits > 1) {
		uint64_t middle = (fits + overflows) / 2;

		if (refill(s, process, middle, &kept))
			return -1;
		*(kept < middle ? &overflows : &fits) = middle;
	}
	filled->capacity = fits;
	return refill(s, process, overflows, &filled->kept_beyond);
}

static void evaluate_drain(const struct rcx_probing *probing, const struct rcx_session *s,
			   struct filled *filled)
{
	filled->count = s->mode->operations[s->op].count;
	if (filled->count)
		sum_counts(&probing->findings->log, filled);
	else
		count_kept(&probing->findings->log, filled);
}

/*
 * Where many events become one, a drain returns one of them.  If it is the newest, with its own
 * message, the others did not become part of it: they were overwritten.  A wait without a stream
 * does not show this, as it may look up a number after the event.
 */
static void note_newest_only(struct filled *filled)
{
	filled->newest_only = !filled->count && filled->kept == 1 &&
			      filled->last == filled->counts.emitted - 1;
}

static bool keeps_newest(const struct filled *filled)
{
	const char *value = judge(filled);

	return !filled->stuck && !filled->count &&
	       (!filled->kept || !strcmp(value, RCX_OVERWRITES_OLDEST));
}

static void fill_stream(struct rcx_probing *probing, struct rcx_session *s,
			struct rcx_process *process)
{
	const struct rcx_syscalls *calls;
	struct filled filled = { 0 };
	struct rcx_report report;

	if (fill_up(s, &filled)) {
		rcx_find_failure(probing, "queue_full", "%s.", s->error);
		return;
	}
	calls = rcx_process_trace(process, RCX_DO_RUN, filled.counts.emitted, SYSCALLS_WATCHED);
	if (!calls || rcx_process_report(process, &report, 20 * RCX_WAIT_MS) != 1) {
		rcx_find_failure(probing, "queue_full", "The drain did not return.");
		return;
	}
	if (report.err) {
		rcx_find_failure(probing, "queue_full", "The drain failed: %s.", report.error);
		return;
	}
	filled.watched = true;
	filled.reader_errno = first_loss_error(calls);
	filled.overruns = report.overruns;
	evaluate_drain(probing, s, &filled);
	note_newest_only(&filled);
	if (keeps_newest(&filled) && find_capacity(s, process, &filled)) {
		rcx_find_failure(probing, "queue_full",
				 "The queue could not be filled a second time.");
		return;
	}
	report_results(probing, &filled);
}

/* ---- modes with notify only -------------------------------------------- */

/* Each wait that returns has received one event that was kept. */
static void fill_wait(struct rcx_probing *probing, struct rcx_session *s,
		      struct rcx_process *process)
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
	evaluate_drain(probing, s, &filled);
	report_results(probing, &filled);
}

static void probe_queue_full(struct rcx_probing *probing)
{
	struct rcx_report report;
	struct rcx_session s;
	struct rcx_cell cell;
	struct rcx_process process;
	enum rcx_op op;

	if (!rcx_event_operation(probing->mode, &op)) {
		rcx_find_nothing(probing, "queue_full",
				 "The kernel emits no events here, so nothing is queued.");
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
RCX_PROBE("queue_full", probe_queue_full);
