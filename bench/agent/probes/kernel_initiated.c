// SPDX-License-Identifier: GPL-2.0-only
/* Whether the kernel can start the conversation, and from which contexts. */
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include "probe.h"

#define EVENTS 4

static const char *why_not(const struct rc_probing *probing)
{
	const char *said = probing->channel->cannot[RC_NOTIFY];

	return said ? said : "This mode has neither notify nor stream; another one of the channel has.";
}

/* A few events from the default context, each proved. */
static void probe_starts(struct rc_probing *probing)
{
	struct rc_session s;
	struct rc_cell cell;
	enum rc_op op;
	int err;

	if (!rc_starts(probing->mode, &op)) {
		rc_find_bool(probing, "kernel_starts", false, "%s", why_not(probing))->told = true;
		return;
	}
	if (probing->mode->operations[RC_NOTIFY].run)
		op = RC_NOTIFY;
	cell = rc_probe_cell(probing, op, rc_small(probing->mode, op));
	err = rc_session_open(&s, &cell, true);
	if (!err && op == RC_STREAM)
		err = rc_session_raise(&s, EVENTS, 1, 100000);
	if (!err)
		err = s.mode->operations[op].run(&s, EVENTS);
	if (!err && op == RC_STREAM && s.delivered != EVENTS)
		err = rc_fail(&s, "%llu of %d streamed events arrived",
			      (unsigned long long)s.delivered, EVENTS);
	if (err)
		rc_find_failure(probing, "kernel_starts", "No event was proved: %s.", s.error);
	else
		rc_find_bool(probing, "kernel_starts", true,
			     "%d events from %s context arrived, each proved whole%s.", EVENTS,
			     rc_context_names[s.context],
			     s.mode->peer ? "; the kernel stands for another process here" : "");
	rc_session_close(&s);
}
RC_PROBE("kernel_starts", probe_starts);

/* One event from @context to somebody who waits: whether it arrived. */
static bool arrives_from(struct rc_session *s, struct rc_peer *peer, uint32_t context, enum rc_op op)
{
	struct rc_report report;

	s->context = context;
	if (op == RC_NOTIFY)
		rc_peer_order(peer, RC_DO_WAIT, 1);
	usleep(RC_SETTLE_US);
	if (rc_session_raise(s, 1, 1, 0))
		return false;
	if (op == RC_STREAM)
		rc_peer_order(peer, RC_DO_RUN, 1);
	return rc_peer_report(peer, &report, RC_WAIT_MS) == 1 && !report.err &&
	       (op == RC_NOTIFY || report.delivered == 1);
}

static void probe_contexts(struct rc_probing *probing)
{
	char names[80] = "", detail[256] = "";
	bool broken = false;
	enum rc_op op;

	if (!rc_starts(probing->mode, &op)) {
		rc_find_nothing(probing, "contexts", "%s", why_not(probing));
		return;
	}
	/* Who only spins keeps a thread from raising anything on one CPU. */
	if (probing->mode->operations[RC_NOTIFY].run &&
	    (op == RC_NOTIFY || rc_waits(probing->mode, RC_NOTIFY) != RC_WAIT_BUSY))
		op = RC_NOTIFY;
	for (uint32_t context = 0; context < RC_CONTEXTS; context++) {
		struct rc_cell cell = rc_probe_cell(probing, op, rc_small(probing->mode, op));
		struct rc_report report;
		struct rc_session s;
		struct rc_peer peer;

		cell.context = (int)context;
		if (rc_session_bind(&s, &cell, false)) {
			rc_say(detail, sizeof(detail), "%s%s: %s.", detail[0] ? " " : "",
			       rc_context_names[context], s.error);
		} else if (rc_peer_start(&peer, &s, NULL, NULL, &report)) {
			rc_find_failure(probing, "contexts", "No reader could open it: %s.",
					report.error);
			return;
		} else {
			bool arrived = arrives_from(&s, &peer, context, op);

			rc_peer_kill(&peer);
			if (arrived)
				rc_say(names, sizeof(names), "%s%s", names[0] ? " " : "",
				       rc_context_names[context]);
			else
				rc_say(detail, sizeof(detail),
				       "%sDeclared for %s context, but nothing arrived from there.",
				       detail[0] ? " " : "", rc_context_names[context]);
			broken = broken || !arrived;
		}
		rc_session_close(&s);
	}
	if (broken)
		rc_find_failure(probing, "contexts", "%s", detail);
	else
		rc_find_text(probing, "contexts", names, "%s", detail[0] ? detail :
			     "An event from each of the three contexts arrived.");
}
RC_PROBE("contexts", probe_contexts);
