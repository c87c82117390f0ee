// SPDX-License-Identifier: GPL-2.0-only
/* Whether the kernel can emit events, and from which contexts. */
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include "probe.h"

#define EVENTS 4

static const char *unsupported_reason(const struct rcx_probing *probing)
{
	const char *reason = probing->channel->unsupported_reason[RCX_NOTIFY];

	return reason ?
		       reason :
		       "This mode has neither notify nor stream; another mode of the channel has one.";
}

/* A few events from the default context, or requests, each of them validated. */
static void probe_kernel_initiated(struct rcx_probing *probing)
{
	struct rcx_session s;
	struct rcx_cell cell;
	enum rcx_op op;
	int err;

	if (!rcx_event_operation(probing->mode, &op) && probing->mode->operations[RCX_UPCALL].run)
		op = RCX_UPCALL;
	if (!probing->mode->operations[op].run) {
		rcx_find_bool(probing, "kernel_initiated", false, "%s", unsupported_reason(probing))
			->documented = true;
		return;
	}
	if (probing->mode->operations[RCX_NOTIFY].run)
		op = RCX_NOTIFY;
	cell = rcx_probe_cell(probing, op, rcx_small_size(probing->mode, op));
	err = rcx_session_open(&s, &cell, true);
	if (!err && op == RCX_STREAM)
		err = rcx_session_emit(&s, EVENTS, 1, 100000);
	if (!err)
		err = s.mode->operations[op].run(&s, EVENTS);
	if (!err && op == RCX_STREAM && s.delivered != EVENTS)
		err = rcx_fail(&s, "%llu of %d streamed events arrived",
			       (unsigned long long)s.delivered, EVENTS);
	if (err)
		rcx_find_failure(probing, "kernel_initiated", "No event was validated: %s.",
				 s.error);
	else
		rcx_find_bool(probing, "kernel_initiated", true,
			      "%d %s from %s context arrived and were validated%s.", EVENTS,
			      op == RCX_UPCALL ? "requests" : "events",
			      rcx_context_names[s.context],
			      s.mode->peer ? "; another process emitted them, not the kernel" : "");
	rcx_session_close(&s);
}
RCX_PROBE("kernel_initiated", probe_kernel_initiated);

/* Whether one event from @context arrives at a process that waits for it. */
static bool arrives_from(struct rcx_session *s, struct rcx_process *process, uint32_t context,
			 enum rcx_op op)
{
	struct rcx_report report;

	s->context = context;
	if (op == RCX_NOTIFY)
		rcx_process_send(process, RCX_DO_WAIT, 1);
	usleep(RCX_SETTLE_US);
	if (rcx_session_emit(s, 1, 1, 0))
		return false;
	if (op == RCX_STREAM)
		rcx_process_send(process, RCX_DO_RUN, 1);
	return rcx_process_report(process, &report, RCX_WAIT_MS) == 1 && !report.err &&
	       (op == RCX_NOTIFY || report.delivered == 1);
}

static void probe_contexts(struct rcx_probing *probing)
{
	char names[80] = "", detail[256] = "";
	bool failed = false;
	enum rcx_op op;

	if (!rcx_event_operation(probing->mode, &op)) {
		rcx_find_nothing(probing, "contexts", "%s", unsupported_reason(probing));
		return;
	}
	/* On one CPU, a reader that spins keeps the producer's thread from running. */
	if (probing->mode->operations[RCX_NOTIFY].run &&
	    (op == RCX_NOTIFY || rcx_waits(probing->mode, RCX_NOTIFY) != RCX_WAIT_BUSY))
		op = RCX_NOTIFY;
	for (uint32_t context = 0; context < RCX_CONTEXTS; context++) {
		uint32_t size = rcx_small_size(probing->mode, op);
		struct rcx_cell cell = rcx_probe_cell(probing, op, size);
		struct rcx_report report;
		struct rcx_session s;
		struct rcx_process process;

		cell.context = (int)context;
		if (rcx_session_bind(&s, &cell, false)) {
			rcx_append(detail, sizeof(detail), "%s%s: %s.", detail[0] ? " " : "",
				   rcx_context_names[context], s.error);
		} else if (rcx_process_start(&process, &s, NULL, NULL, &report)) {
			rcx_find_failure(probing, "contexts", "A reader could not open it: %s.",
					 report.error);
			return;
		} else {
			bool arrived = arrives_from(&s, &process, context, op);

			rcx_process_kill(&process);
			if (arrived)
				rcx_append(names, sizeof(names), "%s%s", names[0] ? " " : "",
					   rcx_context_names[context]);
			else
				rcx_append(detail, sizeof(detail),
					   "%sThe channel declares %s context, but no event "
					   "arrived from it.",
					   detail[0] ? " " : "", rcx_context_names[context]);
			failed = failed || !arrived;
		}
		rcx_session_close(&s);
	}
	if (failed)
		rcx_find_failure(probing, "contexts", "%s", detail);
	else
		rcx_find_text(probing, "contexts", names, "%s",
			      detail[0] ? detail :
					  "An event from each of the three contexts arrived.");
}
RCX_PROBE("contexts", probe_contexts);
