// SPDX-License-Identifier: GPL-2.0-only
/*
 * Two readers of the same mode: who gets what.
 *
 * They take turns, so that no race decides: while one drains, the other has the
 * mode open and sleeps elsewhere.  What it then finds was kept for it as well.
 */
#include <stdio.h>
#include <unistd.h>
#include "probe.h"

#define EVENTS 6
#define APART 5000000	/* ns between events: who reads gets each by itself */

/* How many events the one got that read, and then the one that had waited. */
struct turn {
	uint64_t active, idle;
};

static int take_turn(struct rc_session *s, struct rc_peer *active, struct rc_peer *idle,
		     struct turn *turn, struct rc_report *report)
{
	s->context = RC_PROCESS;
	if (rc_session_raise(s, EVENTS, 1, APART))
		return -1;
	if (rc_peer_do(active, RC_DO_RUN, EVENTS, report, RC_WAIT_MS) != 1 || report->err)
		return -1;
	turn->active = report->delivered;
	if (rc_peer_do(idle, RC_DO_RUN, EVENTS, report, RC_WAIT_MS) != 1 || report->err)
		return -1;
	turn->idle = report->delivered;
	return 0;
}

static void judge_turns(struct rc_probing *probing, const struct turn *newer,
			const struct turn *older)
{
	const char *value = "mixed";

	if (newer->active == EVENTS && older->active == EVENTS)
		value = newer->idle && older->idle ? RC_EACH_GETS_ALL :
			!newer->idle && !older->idle ? RC_SHARE : value;
	else if (newer->active + newer->idle == EVENTS && older->active + older->idle == EVENTS)
		value = newer->active == EVENTS || newer->idle == EVENTS ? "one gets all" : RC_SHARE;
	rc_find_text(probing, "readers", value,
		     "Of %d events the newer reader got %llu and the older then %llu; of %d more "
		     "the older got %llu and the newer then %llu.", EVENTS,
		     (unsigned long long)newer->active, (unsigned long long)newer->idle, EVENTS,
		     (unsigned long long)older->active, (unsigned long long)older->idle);
}

static void read_streams(struct rc_probing *probing, struct rc_session *s,
			 struct rc_peer *first, struct rc_peer *second)
{
	struct rc_report report = { 0 };
	struct turn newer, older;

	if (take_turn(s, second, first, &newer, &report) ||
	    take_turn(s, first, second, &older, &report))
		rc_find_failure(probing, "readers", "A reader of two could not drain: %s.",
				report.error[0] ? report.error : "it did not come back");
	else
		judge_turns(probing, &newer, &older);
}

/* Both sleep, one event comes: how many wake up. */
static void read_events(struct rc_probing *probing, struct rc_session *s,
			struct rc_peer *first, struct rc_peer *second)
{
	struct rc_report report;
	int woken;

	rc_peer_order(first, RC_DO_WAIT, 1);
	rc_peer_order(second, RC_DO_WAIT, 1);
	usleep(RC_SETTLE_US);
	s->context = RC_PROCESS;
	if (rc_session_raise(s, 1, 1, 0)) {
		rc_find_failure(probing, "readers", "%s.", s->error);
		return;
	}
	woken = rc_peer_report(first, &report, RC_WAIT_MS) == 1;
	woken += rc_peer_report(second, &report, RC_WAIT_MS) == 1;
	if (!woken)
		rc_find_failure(probing, "readers", "Two slept and no event woke either.");
	else
		rc_find_text(probing, "readers", woken == 2 ? RC_EACH_GETS_ALL : RC_SHARE,
			     "Two processes slept for an event, and one event woke %s.",
			     woken == 2 ? "both" : "only one");
}

static void probe_readers(struct rc_probing *probing)
{
	struct rc_peer first, second;
	struct rc_report report;
	struct rc_session s;
	struct rc_cell cell;
	enum rc_op op;

	if (!rc_starts(probing->mode, &op)) {
		rc_find_nothing(probing, "readers", "The kernel starts nothing here.");
		return;
	}
	cell = rc_probe_cell(probing, op, rc_small(probing->mode, op));
	if (rc_session_bind(&s, &cell, false) || rc_peer_start(&first, &s, NULL, NULL, &report)) {
		rc_find_failure(probing, "readers", "The first reader could not open it: %s.",
				s.error[0] ? s.error : report.error);
		return;
	}
	if (rc_peer_start(&second, &s, NULL, NULL, &report))
		rc_find_text(probing, "readers", "second refused",
			     "While one reader has it open, a second one is refused: %s (%s).",
			     report.error, rc_errno_name(report.code));
	else if (op == RC_STREAM)
		read_streams(probing, &s, &first, &second);
	else
		read_events(probing, &s, &first, &second);
	rc_peer_kill(&second);
	rc_peer_kill(&first);
	rc_session_close(&s);
}
RC_PROBE("readers", probe_readers);
