// SPDX-License-Identifier: GPL-2.0-only
/*
 * Two readers of the same mode: which events each of them gets.
 *
 * They take turns, so that the result does not depend on a race.  While one drains, the other
 * has the mode open and does not read.  Events that it finds afterwards were also kept for it.
 */
#include <stdio.h>
#include <unistd.h>
#include "probe.h"

#define EVENTS	       6
#define EVENT_INTERVAL 5000000 /* ns; long enough to read each event before the next one */

/* Events of the reader that drained, and then of the reader that had not read. */
struct turn {
	uint64_t active, idle;
};

static int take_turn(struct rcx_session *s, struct rcx_process *active, struct rcx_process *idle,
		     struct turn *turn, struct rcx_report *report)
{
	s->context = RCX_PROCESS;
	if (rcx_session_emit(s, EVENTS, 1, EVENT_INTERVAL))
		return -1;
	if (rcx_process_do(active, RCX_DO_RUN, EVENTS, report, RCX_WAIT_MS) != 1 || report->err)
		return -1;
	turn->active = report->delivered;
	if (rcx_process_do(idle, RCX_DO_RUN, EVENTS, report, RCX_WAIT_MS) != 1 || report->err)
		return -1;
	turn->idle = report->delivered;
	return 0;
}

static void judge_turns(struct rcx_probing *probing, const struct turn *newer,
			const struct turn *older)
{
	const char *value = "mixed";

	if (newer->active == EVENTS && older->active == EVENTS) {
		if (newer->idle == EVENTS && older->idle == EVENTS)
			value = RCX_EACH_GETS_ALL;
		else if (newer->idle && older->idle)
			value = "each gets some";
		else if (!newer->idle && !older->idle)
			value = RCX_SHARE;
	} else if (newer->active + newer->idle == EVENTS && older->active + older->idle == EVENTS) {
		value = newer->active == EVENTS || newer->idle == EVENTS ?
				"one gets all" :
				RCX_SHARE;
	}
	rcx_find_text(probing, "readers", value,
		      "Of %d events the newer reader read %llu, and then the older one %llu; of %d "
		      "more, the older one read %llu, and then the newer one %llu.",
		      EVENTS, (unsigned long long)newer->active, (unsigned long long)newer->idle,
		      EVENTS, (unsigned long long)older->active, (unsigned long long)older->idle);
}

static void read_streams(struct rcx_probing *probing, struct rcx_session *s,
			 struct rcx_process *first, struct rcx_process *second)
{
	struct rcx_report report = { 0 };
	struct turn newer, older;

	if (take_turn(s, second, first, &newer, &report) ||
	    take_turn(s, first, second, &older, &report))
		rcx_find_failure(probing, "readers", "One of two readers could not drain: %s.",
				 report.error[0] ? report.error : "it did not return");
	else
		judge_turns(probing, &newer, &older);
}

/* Both readers sleep, one event is emitted: how many of them wake up? */
static void read_events(struct rcx_probing *probing, struct rcx_session *s,
			struct rcx_process *first, struct rcx_process *second)
{
	struct rcx_report report;
	int woken;

	rcx_process_send(first, RCX_DO_WAIT, 1);
	rcx_process_send(second, RCX_DO_WAIT, 1);
	usleep(RCX_SETTLE_US);
	s->context = RCX_PROCESS;
	if (rcx_session_emit(s, 1, 1, 0)) {
		rcx_find_failure(probing, "readers", "%s.", s->error);
		return;
	}
	woken = rcx_process_report(first, &report, RCX_WAIT_MS) == 1;
	woken += rcx_process_report(second, &report, RCX_WAIT_MS) == 1;
	if (!woken)
		rcx_find_failure(probing, "readers",
				 "Two readers slept, and an event woke neither.");
	else
		rcx_find_text(probing, "readers", woken == 2 ? RCX_EACH_GETS_ALL : RCX_SHARE,
			      "Two readers slept, and one event woke %s.",
			      woken == 2 ? "both" : "only one");
}

static void probe_readers(struct rcx_probing *probing)
{
	struct rcx_process first, second;
	struct rcx_report report;
	struct rcx_session s;
	struct rcx_cell cell;
	enum rcx_op op;

	if (!rcx_event_operation(probing->mode, &op)) {
		rcx_find_nothing(probing, "readers", "The kernel emits no events here.");
		return;
	}
	cell = rcx_probe_cell(probing, op, rcx_small_size(probing->mode, op));
	if (rcx_session_bind(&s, &cell, false) ||
	    rcx_process_start(&first, &s, NULL, NULL, &report)) {
		rcx_find_failure(probing, "readers", "The first reader could not open it: %s.",
				 s.error[0] ? s.error : report.error);
		return;
	}
	if (rcx_process_start(&second, &s, NULL, NULL, &report))
		rcx_find_text(probing, "readers", "second refused",
			      "While one reader has the mode open, a second one is refused: %s "
			      "(%s).",
			      report.error, rcx_errno_name(report.code));
	else if (op == RCX_STREAM)
		read_streams(probing, &s, &first, &second);
	else
		read_events(probing, &s, &first, &second);
	rcx_process_kill(&second);
	rcx_process_kill(&first);
	rcx_session_close(&s);
}
RCX_PROBE("readers", probe_readers);
