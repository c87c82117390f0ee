// SPDX-License-Identifier: GPL-2.0-only
/* How large a message can be, and whether two messages arrive as two. */
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "probe.h"

/* ---- the largest message ------------------------------------------------ */

/* The outcome of one validated message. */
struct attempt {
	bool worked;
	bool skipped; /* not supported on this machine or for this user */
	int code;     /* errno of the user's call or of the producer */
	char why[256];
};

/* In a process of its own: when the channel refuses the message, its reader sleeps on. */
static void attempt_with(struct rcx_session *s, struct attempt *attempt)
{
	struct rcx_report report = { 0 };
	struct rcx_counts counts = { 0 };
	struct rcx_process process;
	int got = -1;

	if (!rcx_process_start(&process, s, NULL, NULL, &report)) {
		if (s->op == RCX_STREAM)
			rcx_session_emit(s, 1, 1, 0);
		got = rcx_process_do(&process, RCX_DO_RUN, 1, &report, RCX_WAIT_MS);
		rcx_session_counts(s, &counts);
	}
	attempt->worked = got == 1 && !report.err && !counts.refused && !counts.bad &&
			  (s->op != RCX_STREAM || report.delivered == 1) &&
			  (s->op != RCX_PUSH || rcx_counts_pushed(s, &counts));
	attempt->code = counts.refused ? (int)counts.refused_errno : report.code;
	if (counts.refused)
		snprintf(attempt->why, sizeof(attempt->why), "the producer is refused");
	else
		snprintf(attempt->why, sizeof(attempt->why), "%s",
			 report.error[0] ? report.error : "nothing arrives");
	rcx_process_kill(&process);
}

static void attempt_size(const struct rcx_probing *probing, enum rcx_op op, uint32_t size,
			 struct attempt *attempt)
{
	struct rcx_cell cell = rcx_probe_cell(probing, op, size);
	struct rcx_session s;

	memset(attempt, 0, sizeof(*attempt));
	if (rcx_session_bind(&s, &cell, true))
		snprintf(attempt->why, sizeof(attempt->why), "%s", s.error);
	else
		attempt_with(&s, attempt);
	attempt->skipped = s.skip;
	rcx_session_close(&s);
}

static void describe_beyond(struct rcx_finding *found, const struct rcx_probing *probing,
			    enum rcx_op op)
{
	const struct rcx_operation *operation = &probing->mode->operations[op];
	struct attempt beyond;

	if (rcx_is_narrow(operation)) {
		rcx_append(found->detail, sizeof(found->detail),
			   operation->count ? " of body: it carries only a count." :
					      " is the only size.");
		return;
	}
	/* The kernel half emits no larger events, so a larger one cannot be tried. */
	if (rcx_kernel_initiated(op) && operation->max >= RCX_BODY_MAX) {
		rcx_append(found->detail, sizeof(found->detail), " works; ringcross stops there.");
		return;
	}
	attempt_size(probing, op, operation->max + 1, &beyond);
	if (beyond.worked)
		rcx_append(found->detail, sizeof(found->detail),
			   " works, and one byte more works too: the limit is ringcross's.");
	else if (beyond.code)
		rcx_append(found->detail, sizeof(found->detail), " works; one byte more: %s.",
			   rcx_errno_name(beyond.code));
	else
		rcx_append(found->detail, sizeof(found->detail), " works; one byte more: %s.",
			   beyond.why);
}

static void probe_size_limit(struct rcx_probing *probing)
{
	struct rcx_finding *found = rcx_find_each(probing, "size_limit");

	for (int op = 0; op < RCX_OPS; op++) {
		const struct rcx_operation *operation = &probing->mode->operations[op];
		struct attempt attempt;

		if (!operation->run)
			continue;
		attempt_size(probing, (enum rcx_op)op, operation->max, &attempt);
		rcx_append(found->detail, sizeof(found->detail), "%s%s: %u B",
			   found->detail[0] ? " " : "", rcx_op_names[op], operation->max);
		if (attempt.worked) {
			found->each[op] = operation->max;
			describe_beyond(found, probing, (enum rcx_op)op);
			continue;
		}
		if (attempt.skipped) {
			rcx_append(found->detail, sizeof(found->detail),
				   " is not possible here: %s", attempt.why);
			continue;
		}
		found->failed = true;
		rcx_append(found->detail, sizeof(found->detail),
			   " is declared, but fails: %s (%s).", attempt.why,
			   rcx_errno_name(attempt.code));
	}
}
RCX_PROBE("size_limit", probe_size_limit);

/* ---- boundaries --------------------------------------------------------- */

#define SMALL_BODY 8
#define LARGE_BODY 40
#define ROOM	   4096 /* of the reader's buffer: both messages fit */

/* A call that returned all that was requested, but less than a message: the loop reads a
 * message in pieces, because the channel does not keep the boundaries.
 */
static bool is_piece(const struct rcx_syscall *call, const struct rcx_message_log *log)
{
	bool reads = call->number == SYS_read || call->number == SYS_pread64 ||
		     call->number == SYS_recvfrom;

	return reads && call->result > 0 && (uint64_t)call->result == call->third &&
	       (uint64_t)call->result < log->message[0].len;
}

/* One call returned as much as both messages, and no other call returned one.  The second
 * condition is for channels that encode messages as text, so that one is longer than both.
 */
static bool came_together(const struct rcx_syscalls *calls, const struct rcx_message_log *log)
{
	int64_t first = log->message[0].len, both = first + log->message[1].len;
	uint32_t brought = 0, large_enough = 0;

	for (uint32_t i = 0; i < calls->count; i++) {
		brought += calls->call[i].result >= first;
		large_enough += calls->call[i].result >= both;
	}
	return large_enough && brought == 1;
}

static bool came_in_pieces(const struct rcx_syscalls *calls, const struct rcx_message_log *log)
{
	for (uint32_t i = 0; i < calls->count; i++)
		if (is_piece(&calls->call[i], log))
			return true;
	return false;
}

/* The size in the header fits the received length.  An ioctl's result has no length. */
static bool is_whole(const struct rcx_logged_message *message)
{
	return message->size != UINT32_MAX && message->len >= RCX_HEADER + message->size;
}

/* Where only the newest message is kept, the second one replaced the first. */
static bool was_replaced(const struct rcx_message_log *log)
{
	return log->count == 1 && is_whole(&log->message[0]) && log->message[0].size == LARGE_BODY;
}

/* @waited: both messages were queued before the read, so one call could return both. */
static void judge_two(struct rcx_probing *probing, const struct rcx_syscalls *calls, bool waited)
{
	const struct rcx_message_log *log = &probing->findings->log;

	if (waited && was_replaced(log)) {
		rcx_find_nothing(probing, "boundaries",
				 "Only the newest message is kept, so two cannot arrive together.");
		return;
	}
	if (log->count != 2) {
		rcx_find_text(probing, "boundaries", "not kept", "Two messages arrived as %llu.",
			      (unsigned long long)log->count);
		return;
	}
	if (waited && came_together(calls, log)) {
		rcx_find_text(probing, "boundaries", "not kept",
			      "One system call with room for both messages returned both.");
		return;
	}
	if (came_in_pieces(calls, log)) {
		rcx_find_text(probing, "boundaries", "not kept",
			      "The user half must read a header first, to know where the message "
			      "ends.");
		return;
	}
	rcx_find_text(probing, "boundaries",
		      is_whole(&log->message[0]) && is_whole(&log->message[1]) ? "kept" : "not kept",
		      "Two messages were read with room for both; they arrived one by one, with %u "
		      "and %u bytes of body.",
		      log->message[0].size, log->message[1].size);
}

/* Emit one event whose body is @more bytes larger than the bound size. */
static bool emit_larger(struct rcx_session *s, uint32_t more)
{
	struct rcx_emission emit = {
		.context = RCX_PROCESS,
		.burst = 1,
		.count = 1,
		.more = more,
	};

	if (s->endpoint->emit(s, &emit))
		return false;
	return rcx_wait_emitted(s, RCX_WAIT_MS) || !rcx_fail(s, "the producer did not end");
}

/* Two events of different sizes, both emitted before the first read. */
static void two_events(struct rcx_probing *probing, struct rcx_session *s,
		       struct rcx_process *process)
{
	const struct rcx_syscalls *calls;
	struct rcx_report report;
	uint32_t unused;

	if (rcx_session_bind_again(s, SMALL_BODY, &unused) || !emit_larger(s, 0) ||
	    !emit_larger(s, LARGE_BODY - SMALL_BODY)) {
		rcx_find_failure(probing, "boundaries", "%s.", s->error);
		return;
	}
	calls = rcx_process_trace(process, s->op == RCX_STREAM ? RCX_DO_RUN : RCX_DO_WAIT, 2,
				  RCX_SYSCALLS_MAX);
	if (!calls || rcx_process_report(process, &report, RCX_WAIT_MS) != 1 || report.err)
		rcx_find_failure(probing, "boundaries", "Two events could not be read.");
	else
		judge_two(probing, calls, true);
}

static void two_pulls(struct rcx_probing *probing, struct rcx_session *s,
		      struct rcx_process *process)
{
	static const uint32_t sizes[] = { SMALL_BODY, LARGE_BODY };
	const struct rcx_syscalls *calls = NULL;
	struct rcx_report report = { 0 };
	uint32_t unused;

	for (int i = 0; i < 2; i++) {
		if (rcx_session_bind_again(s, sizes[i], &unused))
			break;
		calls = rcx_process_trace(process, RCX_DO_RUN, 1, RCX_SYSCALLS_MAX);
		if (!calls || rcx_process_report(process, &report, RCX_WAIT_MS) != 1 || report.err)
			break;
	}
	if (probing->findings->log.count == 2)
		judge_two(probing, calls, false);
	else
		rcx_find_failure(probing, "boundaries", "Two messages could not be pulled: %s.",
				 s->error[0] ? s->error : report.error);
}

static void two_sent(struct rcx_probing *probing, struct rcx_session *s,
		     struct rcx_process *process)
{
	struct rcx_report report = { 0 };
	struct rcx_counts counts = { 0 };

	if (rcx_process_do(process, RCX_DO_RUN, 2, &report, RCX_WAIT_MS) != 1 || report.err ||
	    rcx_session_counts(s, &counts))
		rcx_find_failure(probing, "boundaries", "Two messages could not be sent: %s.",
				 report.error);
	else
		rcx_find_text(probing, "boundaries",
			      counts.consumed == 2 && !counts.bad ? "kept" : "not kept",
			      "Two messages were sent one after the other, and consumed as %llu.",
			      (unsigned long long)counts.consumed);
}

/* The operation that shows boundaries best: events first, then operations that request. */
static enum rcx_op op_for_two(const struct rcx_mode *mode)
{
	static const enum rcx_op order[RCX_OPS] = { RCX_STREAM, RCX_NOTIFY, RCX_PULL, RCX_CALL,
						    RCX_PUSH,	RCX_UPCALL, RCX_DUMP };

	return rcx_first_op(mode, order);
}

static void test_boundaries(struct rcx_probing *probing, enum rcx_op op, uint32_t room)
{
	struct rcx_cell cell = rcx_probe_cell(probing, op, room);
	struct rcx_report report = { 0 };
	struct rcx_session s;
	struct rcx_process process;

	if (rcx_session_bind(&s, &cell, true)) {
		rcx_find_failure(probing, "boundaries", "%s.", s.error);
		return;
	}
	probing->findings->log.count = 0;
	if (op != RCX_PUSH && op != RCX_CALL && op != RCX_UPCALL)
		s.log = &probing->findings->log;
	if (rcx_process_start(&process, &s, NULL, NULL, &report))
		rcx_find_failure(probing, "boundaries", "%s.", report.error);
	else if (op == RCX_NOTIFY || op == RCX_STREAM)
		two_events(probing, &s, &process);
	else if (op == RCX_PULL)
		two_pulls(probing, &s, &process);
	else
		two_sent(probing, &s, &process);
	rcx_process_kill(&process);
	rcx_session_close(&s);
}

static void probe_boundaries(struct rcx_probing *probing)
{
	enum rcx_op op = op_for_two(probing->mode);
	const struct rcx_operation *operation = &probing->mode->operations[op];

	if (probing->channel->flags & RCX_BASELINE)
		rcx_find_nothing(probing, "boundaries", "A baseline carries no message.");
	else if (op == RCX_DUMP)
		rcx_find_nothing(probing, "boundaries", "It carries tables, not messages.");
	else if (operation->count)
		rcx_find_nothing(probing, "boundaries",
				 "It carries only a count, so two events may arrive together.");
	else if (rcx_is_narrow(operation) || operation->max < LARGE_BODY ||
		 operation->min > SMALL_BODY)
		rcx_find_nothing(probing, "boundaries", "All its messages have the same size.");
	else
		test_boundaries(probing, op, operation->max < ROOM ? operation->max : ROOM);
}
RCX_PROBE("boundaries", probe_boundaries);
