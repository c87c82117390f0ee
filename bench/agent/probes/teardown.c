// SPDX-License-Identifier: GPL-2.0-only
/* When one side goes: a reader that is killed, a module that is unloaded. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include "probe.h"

/* ---- the reader dies ---------------------------------------------------- */

/* Start a reader, which then sleeps in its wait; its notify, or its drain's own. */
static int sleeping_reader(struct rc_session *s, struct rc_peer *peer, struct rc_report *report)
{
	if (rc_peer_start(peer, s, NULL, NULL, report))
		return -1;
	if (s->op == RC_NOTIFY)
		rc_peer_order(peer, RC_DO_WAIT, 1);
	usleep(RC_SETTLE_US);
	return 0;
}

/* One event that nobody waits for: what the producer was told. */
static int raise_to_nobody(struct rc_session *s, int *code)
{
	struct rc_counts before, after;

	if (rc_session_counts(s, &before) || !rc_raise_all(s, 1, RC_WAIT_MS) ||
	    rc_session_counts(s, &after))
		return -1;
	*code = after.refused > before.refused ? (int)after.refused_errno : 0;
	return 0;
}

static bool next_one_reads(struct rc_session *s, struct rc_report *report)
{
	struct rc_peer next;
	bool got = false;

	if (!sleeping_reader(s, &next, report) && !rc_session_raise(s, 1, 1, 0)) {
		if (s->op == RC_STREAM)
			rc_peer_order(&next, RC_DO_RUN, 1);
		got = rc_peer_report(&next, report, RC_WAIT_MS) == 1 &&
		      (s->op == RC_NOTIFY || report->delivered);
	}
	rc_peer_kill(&next);
	return got;
}

static void probe_reader_dies(struct rc_probing *probing)
{
	struct rc_report report = { 0 };
	struct rc_peer first;
	struct rc_session s;
	struct rc_cell cell;
	enum rc_op op;
	int code = 0;

	if (!rc_starts(probing->mode, &op)) {
		rc_find_nothing(probing, "reader_dies", "The kernel starts nothing here.");
		return;
	}
	if (probing->mode->operations[RC_NOTIFY].run)
		op = RC_NOTIFY;
	cell = rc_probe_cell(probing, op, rc_small(probing->mode, op));
	if (rc_session_bind(&s, &cell, false) || sleeping_reader(&s, &first, &report)) {
		rc_find_failure(probing, "reader_dies", "%s.", s.error[0] ? s.error : report.error);
		return;
	}
	rc_peer_kill(&first);
	if (raise_to_nobody(&s, &code))
		rc_find_failure(probing, "reader_dies",
				"The producer did not get on after the reader was killed.");
	else if (!next_one_reads(&s, &report))
		rc_find_text(probing, "reader_dies", "next gets nothing",
			     "A reader was killed in its wait, and the next one got no event: %s.",
			     report.error[0] ? report.error : "it slept on");
	else
		rc_find_text(probing, "reader_dies", "next goes on",
			     "A reader was killed in its wait; for the next event the producer was "
			     "told %s, and the next reader got the one after.", rc_errno_name(code));
	rc_session_close(&s);
}
RC_PROBE("reader_dies", probe_reader_dies);

/* ---- the module goes ---------------------------------------------------- */

static enum rc_op any_op(const struct rc_mode *mode)
{
	static const enum rc_op order[] = { RC_NOTIFY, RC_STREAM, RC_PULL, RC_CALL, RC_PUSH };
	size_t i = 0;

	while (!mode->operations[order[i]].run)
		i++;
	return order[i];
}

/* The module is gone; what does its user notice? */
static void look_at_user(struct rc_probing *probing, struct rc_peer *peer, enum rc_op op)
{
	struct rc_report report;
	int got;

	if (op != RC_NOTIFY)
		rc_peer_order(peer, RC_DO_RUN, 1);
	got = rc_peer_report(peer, &report, RC_WAIT_MS);
	if (got == 0)
		rc_find_text(probing, "module_goes", "goes, user waits on",
			     "The module was unloaded under an open session, whose user noticed nothing.");
	else if (got < 0)
		rc_find_failure(probing, "module_goes",
				"The module was unloaded and its user died of it.");
	else if (report.err)
		rc_find_text(probing, "module_goes", "goes, user told",
			     "The module was unloaded under an open session; its user was told: %s.",
			     report.error);
	else
		rc_find_text(probing, "module_goes", "goes, user woken",
			     "The module was unloaded under an open session; its user came back as if an event had come.");
}

static void try_unload(struct rc_probing *probing, struct rc_session *s, struct rc_peer *peer)
{
	int err;

	/* rc_core's own hold would hide the channel's. */
	if (s->op == RC_NOTIFY)
		rc_peer_order(peer, RC_DO_WAIT, 1);
	usleep(RC_SETTLE_US);
	if (ioctl(s->core, RC_CORE_UNBIND)) {
		rc_find_failure(probing, "module_goes", "cannot unbind: %s.", strerror(errno));
		return;
	}
	err = rc_module_unload(probing->channel->module);
	if (err == -EBUSY || err == -EWOULDBLOCK)
		rc_find_text(probing, "module_goes", "busy",
			     "With %s, an unload gives %s.",
			     s->op == RC_NOTIFY ? "a reader asleep" : "a session open",
			     rc_errno_name(-err));
	else if (err)
		rc_find_failure(probing, "module_goes", "unload: %s.", strerror(-err));
	else
		look_at_user(probing, peer, s->op);
}

static void probe_module_goes(struct rc_probing *probing)
{
	enum rc_op op = any_op(probing->mode);
	struct rc_cell cell = rc_probe_cell(probing, op, rc_small(probing->mode, op));
	struct rc_report report = { 0 };
	struct rc_session s;
	struct rc_peer peer;

	if (!probing->channel->module) {
		rc_find_nothing(probing, "module_goes", "It needs no module of ours.");
		return;
	}
	if (rc_session_bind(&s, &cell, false) || rc_peer_start(&peer, &s, NULL, NULL, &report)) {
		rc_find_failure(probing, "module_goes", "%s.", s.error[0] ? s.error : report.error);
		return;
	}
	try_unload(probing, &s, &peer);
	rc_peer_kill(&peer);
	rc_session_close(&s);
}
RC_PROBE("module_goes", probe_module_goes);
