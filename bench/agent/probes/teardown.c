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
static int sleeping_reader(struct rcx_session *s, struct rcx_process *process, struct rcx_report *report)
{
	if (rcx_process_start(process, s, NULL, NULL, report))
		return -1;
	if (s->op == RCX_NOTIFY)
		rcx_process_send(process, RCX_DO_WAIT, 1);
	usleep(RCX_SETTLE_US);
	return 0;
}

/* One event that nobody waits for: what the producer was told. */
static int emit_to_nobody(struct rcx_session *s, int *code)
{
	struct rcx_counts before, after;

	if (rcx_session_counts(s, &before) || !rcx_emit_and_wait(s, 1, RCX_WAIT_MS) ||
	    rcx_session_counts(s, &after))
		return -1;
	*code = after.refused > before.refused ? (int)after.refused_errno : 0;
	return 0;
}

static bool next_one_reads(struct rcx_session *s, struct rcx_report *report)
{
	struct rcx_process next;
	bool got = false;

	if (!sleeping_reader(s, &next, report) && !rcx_session_emit(s, 1, 1, 0)) {
		if (s->op == RCX_STREAM)
			rcx_process_send(&next, RCX_DO_RUN, 1);
		got = rcx_process_report(&next, report, RCX_WAIT_MS) == 1 &&
		      (s->op == RCX_NOTIFY || report->delivered);
	}
	rcx_process_kill(&next);
	return got;
}

static void probe_reader_dies(struct rcx_probing *probing)
{
	struct rcx_report report = { 0 };
	struct rcx_process first;
	struct rcx_session s;
	struct rcx_cell cell;
	enum rcx_op op;
	int code = 0;

	if (!rcx_event_operation(probing->mode, &op)) {
		rcx_find_nothing(probing, "reader_exit", "The kernel starts nothing here.");
		return;
	}
	if (probing->mode->operations[RCX_NOTIFY].run)
		op = RCX_NOTIFY;
	cell = rcx_probe_cell(probing, op, rcx_small_size(probing->mode, op));
	if (rcx_session_bind(&s, &cell, false) || sleeping_reader(&s, &first, &report)) {
		rcx_find_failure(probing, "reader_exit", "%s.", s.error[0] ? s.error : report.error);
		return;
	}
	rcx_process_kill(&first);
	if (emit_to_nobody(&s, &code))
		rcx_find_failure(probing, "reader_exit",
				"The producer did not get on after the reader was killed.");
	else if (!next_one_reads(&s, &report))
		rcx_find_text(probing, "reader_exit", "next reader gets nothing",
			     "A reader was killed in its wait, and the next one got no event: %s.",
			     report.error[0] ? report.error : "it slept on");
	else
		rcx_find_text(probing, "reader_exit", "next reader works",
			     "A reader was killed in its wait; for the next event the producer was "
			     "told %s, and the next reader got the one after.", rcx_errno_name(code));
	rcx_session_close(&s);
}
RCX_PROBE("reader_exit", probe_reader_dies);

/* ---- the module goes ---------------------------------------------------- */

static enum rcx_op any_op(const struct rcx_mode *mode)
{
	static const enum rcx_op order[] = { RCX_NOTIFY, RCX_STREAM, RCX_PULL, RCX_CALL, RCX_PUSH };
	size_t i = 0;

	while (!mode->operations[order[i]].run)
		i++;
	return order[i];
}

/* The module is gone; what does its user notice? */
static void look_at_user(struct rcx_probing *probing, struct rcx_process *process, enum rcx_op op)
{
	struct rcx_report report;
	int got;

	if (op != RCX_NOTIFY)
		rcx_process_send(process, RCX_DO_RUN, 1);
	got = rcx_process_report(process, &report, RCX_WAIT_MS);
	if (got == 0)
		rcx_find_text(probing, "module_unload", "unloads, user keeps waiting",
			     "The module was unloaded under an open session, whose user noticed nothing.");
	else if (got < 0)
		rcx_find_failure(probing, "module_unload",
				"The module was unloaded and its user died of it.");
	else if (report.err)
		rcx_find_text(probing, "module_unload", "unloads, user gets an error",
			     "The module was unloaded under an open session; its user was told: %s.",
			     report.error);
	else
		rcx_find_text(probing, "module_unload", "unloads, user is woken",
			     "The module was unloaded under an open session; its user came back as if an event had come.");
}

static void try_unload(struct rcx_probing *probing, struct rcx_session *s, struct rcx_process *process)
{
	int err;

	/* ringcross_core's own hold would hide the channel's. */
	if (s->op == RCX_NOTIFY)
		rcx_process_send(process, RCX_DO_WAIT, 1);
	usleep(RCX_SETTLE_US);
	if (ioctl(s->core, RCX_CORE_UNBIND)) {
		rcx_find_failure(probing, "module_unload", "cannot unbind: %s.", strerror(errno));
		return;
	}
	err = rcx_module_unload(probing->channel->module);
	if (err == -EBUSY || err == -EWOULDBLOCK)
		rcx_find_text(probing, "module_unload", "busy",
			     "With %s, an unload gives %s.",
			     s->op == RCX_NOTIFY ? "a reader asleep" : "a session open",
			     rcx_errno_name(-err));
	else if (err)
		rcx_find_failure(probing, "module_unload", "unload: %s.", strerror(-err));
	else
		look_at_user(probing, process, s->op);
}

static void probe_module_goes(struct rcx_probing *probing)
{
	enum rcx_op op = any_op(probing->mode);
	struct rcx_cell cell = rcx_probe_cell(probing, op, rcx_small_size(probing->mode, op));
	struct rcx_report report = { 0 };
	struct rcx_session s;
	struct rcx_process process;

	if (!probing->channel->module) {
		rcx_find_nothing(probing, "module_unload", "It needs no module of ours.");
		return;
	}
	if (rcx_session_bind(&s, &cell, false) || rcx_process_start(&process, &s, NULL, NULL, &report)) {
		rcx_find_failure(probing, "module_unload", "%s.", s.error[0] ? s.error : report.error);
		return;
	}
	try_unload(probing, &s, &process);
	rcx_process_kill(&process);
	rcx_session_close(&s);
}
RCX_PROBE("module_unload", probe_module_goes);
