// SPDX-License-Identifier: GPL-2.0-only
/* The countable costs of a message: system calls and copies. */
#include <stdio.h>
#include <sys/syscall.h>
#include "probe.h"

/* ---- system calls -------------------------------------------------------- */

#define FEW  4
#define MANY 12 /* the difference leaves out costs that are paid once */

/* Calls of the harness itself: requesting an event, waiting for the peer, and reading the
 * clock where that is a system call.  A kernel half cannot wake a futex, so with a kernel half
 * every futex call is between our own processes.
 */
static bool is_ours(const struct rcx_session *s, const struct rcx_syscall *call)
{
	return call->number == SYS_clock_gettime ||
	       (call->number == SYS_ioctl && s->core >= 0 && (int)call->first == s->core) ||
	       (call->number == SYS_futex && (s->core >= 0 || rcx_peer_shares(s, call->first)));
}

/* System calls of @n operations, or -1. */
static int count_calls(struct rcx_session *s, struct rcx_process *process, uint64_t n)
{
	const struct rcx_syscalls *calls;
	struct rcx_report report;
	int count = 0;

	/* A stream is drained from a queue: all its events are emitted before. */
	if (s->op == RCX_STREAM && !rcx_emit_and_wait(s, n, RCX_WAIT_MS))
		return -1;
	calls = rcx_process_trace(process, RCX_DO_RUN, n, RCX_SYSCALLS_MAX);
	if (!calls || rcx_process_report(process, &report, RCX_WAIT_MS) != 1 || report.err)
		return -1;
	if (s->op == RCX_STREAM && report.delivered != n)
		return -1;
	for (uint32_t i = 0; i < calls->count; i++)
		count += !is_ours(s, &calls->call[i]);
	return count;
}

/* System calls per operation, or NAN. */
static double calls_of(struct rcx_probing *probing, enum rcx_op op)
{
	struct rcx_cell cell = rcx_probe_cell(probing, op, rcx_small_size(probing->mode, op));
	struct rcx_report report;
	struct rcx_session s;
	struct rcx_process process;
	double per = NAN;

	if (!rcx_session_bind(&s, &cell, false)) {
		if (!rcx_process_start(&process, &s, NULL, NULL, &report)) {
			int few = count_calls(&s, &process, FEW);
			int many = few < 0 ? few : count_calls(&s, &process, MANY);

			if (many >= 0)
				per = (double)(many - few) / (MANY - FEW);
		}
		rcx_process_kill(&process);
	}
	rcx_session_close(&s);
	return per;
}

static void probe_syscalls(struct rcx_probing *probing)
{
	struct rcx_finding *found = rcx_find_each(probing, "syscalls");

	found->counted = true;
	rcx_append(found->detail, sizeof(found->detail),
		   "Counted with ptrace, as the difference between %d and %d operations; the "
		   "messages of a stream were all queued before.",
		   MANY, FEW);
	for (int op = 0; op < RCX_OPS; op++) {
		if (!probing->mode->operations[op].run)
			continue;
		found->each[op] = calls_of(probing, (enum rcx_op)op);
		if (!isnan(found->each[op]))
			continue;
		/* A mode that coalesces cannot queue that many messages; this is not an error. */
		if (op != RCX_STREAM)
			found->failed = true;
		rcx_append(found->detail, sizeof(found->detail), " Not counted for %s.",
			   rcx_op_names[op]);
	}
}
RCX_PROBE("syscalls", probe_syscalls);

/* ---- copies -------------------------------------------------------------- */

#define REPEATS	       5
#define SLOPE_BODY_MIN 2048 /* largest bodies below this are too small for a slope */
#define COPIES_MAX     32   /* more copies mean that bytes are converted, e.g. to text */

/* One operation.  For a stream, one message that is emitted before the loop. */
static int cost_once(struct rcx_session *s, uint64_t *cost)
{
	s->latencies = s->delivered = 0;
	if (s->op == RCX_STREAM && rcx_session_emit(s, 1, 1, 0))
		return -1;
	if (rcx_time_loop(s, 1, cost))
		return -1;
	if (s->op == RCX_NOTIFY || s->op == RCX_UPCALL)
		*cost = s->latency[0];
	if (s->op != RCX_STREAM)
		return 0;
	*cost = s->last - s->page->timestamps[(s->page->emitted - 1) % RCX_TIMESTAMPS];
	return rcx_session_stop(s) || !s->delivered ? -1 : 0;
}

/* The smallest cost of one operation with @size bytes, or NAN. */
static double cost_of(struct rcx_probing *probing, enum rcx_op op, uint32_t size)
{
	struct rcx_cell cell = rcx_probe_cell(probing, op, size);
	struct rcx_session s;
	double best = NAN;
	int err = rcx_session_open(&s, &cell, false);

	for (int turn = 0; turn < REPEATS && !err; turn++) {
		uint64_t cost;

		err = cost_once(&s, &cost);
		if (!err && !((double)cost >= best))
			best = (double)cost;
	}
	rcx_session_close(&s);
	return err ? NAN : best;
}

/* A copied byte takes an eighth of an instruction, so the slope gives the number of copies. */
static double copies_of(struct rcx_probing *probing, enum rcx_op op)
{
	uint32_t large = probing->mode->operations[op].max, half = large / 2;
	double copies = (cost_of(probing, op, large) - cost_of(probing, op, half)) /
			((large - half) / 8.0);

	/* A larger message cannot cost less: a negative slope comes from the scheduler. */
	return copies < 0 ? 0 : round(copies * 4) / 4;
}

/* A reader that nobody wakes sleeps for a while, and how long it does is chance. */
static bool has_copies(const struct rcx_operation *operation, int op)
{
	return operation->run && !rcx_is_narrow(operation) && operation->max >= SLOPE_BODY_MIN &&
	       !(op == RCX_STREAM && operation->excludes & RCX_WITHOUT_WAKEUP);
}

static void probe_copies(struct rcx_probing *probing)
{
	struct rcx_finding *found;
	bool some = false, converts = false;

	if (probing->clock != RCX_CLOCK_INSTRUCTIONS) {
		rcx_find_nothing(probing, "copies", "Counted under the instructions clock only.");
		return;
	}
	found = rcx_find_each(probing, "copies");
	found->counted = true;
	for (int op = 0; op < RCX_OPS; op++) {
		if (!has_copies(&probing->mode->operations[op], op))
			continue;
		found->each[op] = copies_of(probing, (enum rcx_op)op);
		if (found->each[op] > COPIES_MAX) {
			found->each[op] = NAN;
			converts = true;
		}
		some = some || !isnan(found->each[op]);
	}
	if (some) {
		rcx_append(found->detail, sizeof(found->detail),
			   "Inferred from the slope of instructions against size: a copy takes one "
			   "instruction for 8 bytes. Allocating and clearing pages is included.");
		return;
	}
	found->kind = RCX_NOTHING;
	rcx_append(found->detail, sizeof(found->detail),
		   converts ?
			   "Each byte is converted, which takes so many instructions that copies cannot be "
			   "counted." :
			   "Its messages are too small to count copies.");
}
RCX_PROBE("copies", probe_copies);
