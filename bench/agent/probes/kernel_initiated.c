// SPDX-License-Identifier: GPL-2.0-only
/* Whether the kernel can start the conversation, and from which contexts. */
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include "probe.h"

#define EVENTS 4

static const char *why_not(const struct rcx_probing *probing)
{
	const char *said = probing->channel->unsupported_reason[RCX_NOTIFY];

	return said ? said : "This mode has neither notify nor stream; another one of the channel has.";
}

/* A few events from the default context, each proved. */
static void probe_starts(struct rcx_probing *probing)
{
	struct rcx_session s;
	struct rcx_cell cell;
	enum rcx_op op;
	int err;

	if (!rcx_event_operation(probing->mode, &op)) {
		rcx_find_bool(probing, "kernel_initiated", false, "%s", why_not(probing))->documented = true;
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
		rcx_find_failure(probing, "kernel_initiated", "No event was proved: %s.", s.error);
	else
		rcx_find_bool(probing, "kernel_initiated", true,
			     "%d events from %s context arrived, each proved whole%s.", EVENTS,
			     rcx_context_names[s.context],
			     s.mode->peer ? "; the kernel stands for another process here" : "");
	rcx_session_close(&s);
}
RCX_PROBE("kernel_initiated", probe_starts);

/* One event from @context to somebody who waits: whether it arrived. */
static bool arrives_from(struct rcx_session *s, struct rcx_process *process, uint32_t context, enum rcx_op op)
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
	bool broken = false;
	enum rcx_op op;

	if (!rcx_event_operation(probing->mode, &op)) {
		rcx_find_nothing(probing, "contexts", "%s", why_not(probing));
		return;
	}
	/* Who only spins keeps a thread from raising anything on one CPU. */
	if (probing->mode->operations[RCX_NOTIFY].run &&
	    (op == RCX_NOTIFY || rcx_waits(probing->mode, RCX_NOTIFY) != RCX_WAIT_BUSY))
		op = RCX_NOTIFY;
	for (uint32_t context = 0; context < RCX_CONTEXTS; context++) {
		struct rcx_cell cell = rcx_probe_cell(probing, op, rcx_small_size(probing->mode, op));
		struct rcx_report report;
		struct rcx_session s;
		struct rcx_process process;

		cell.context = (int)context;
		if (rcx_session_bind(&s, &cell, false)) {
			rcx_append(detail, sizeof(detail), "%s%s: %s.", detail[0] ? " " : "",
			       rcx_context_names[context], s.error);
		} else if (rcx_process_start(&process, &s, NULL, NULL, &report)) {
			rcx_find_failure(probing, "contexts", "No reader could open it: %s.",
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
				       "%sDeclared for %s context, but nothing arrived from there.",
				       detail[0] ? " " : "", rcx_context_names[context]);
			broken = broken || !arrived;
		}
		rcx_session_close(&s);
	}
	if (broken)
		rcx_find_failure(probing, "contexts", "%s", detail);
	else
		rcx_find_text(probing, "contexts", names, "%s", detail[0] ? detail :
			     "An event from each of the three contexts arrived.");
}
RCX_PROBE("contexts", probe_contexts);
