// SPDX-License-Identifier: GPL-2.0-only
/* When one side disappears: a reader is killed, or a module is unloaded. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include "probe.h"

/* ---- the reader dies ---------------------------------------------------- */

/* Start a reader.  For notify it sleeps in its wait; for stream it only has the mode open. */
static int sleeping_reader(struct rcx_session *s, struct rcx_process *process,
			   struct rcx_report *report)
{
	if (rcx_process_start(process, s, NULL, NULL, report))
		return -1;
	if (s->op == RCX_NOTIFY)
		rcx_process_send(process, RCX_DO_WAIT, 1);
	usleep(RCX_SETTLE_US);
	return 0;
}

/* Emit one event without a reader; @code is the errno that the producer got, or 0. */
static int emit_to_nobody(struct rcx_session *s, int *code)
{
	struct rcx_counts before, after;

	if (rcx_session_counts(s, &before) || !rcx_emit_and_wait(s, 1, RCX_WAIT_MS) ||
	    rcx_session_counts(s, &after))
		return -1;
	*code = after.refused > before.refused ? (int)after.refused_errno : 0;
	return 0;
}

static bool next_reader_works(struct rcx_session *s, struct rcx_report *report)
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

static void probe_reader_exit(struct rcx_probing *probing)
{
	struct rcx_report report = { 0 };
	struct rcx_process first;
	struct rcx_session s;
	struct rcx_cell cell;
	enum rcx_op op;
	int code = 0;

	if (!rcx_event_operation(probing->mode, &op)) {
		rcx_find_nothing(probing, "reader_exit", "The kernel emits no events here.");
		return;
	}
	if (probing->mode->operations[RCX_NOTIFY].run)
		op = RCX_NOTIFY;
	cell = rcx_probe_cell(probing, op, rcx_small_size(probing->mode, op));
	if (rcx_session_bind(&s, &cell, false) || sleeping_reader(&s, &first, &report)) {
		rcx_find_failure(probing, "reader_exit", "%s.",
				 s.error[0] ? s.error : report.error);
		return;
	}
	rcx_process_kill(&first);
	if (emit_to_nobody(&s, &code))
		rcx_find_failure(probing, "reader_exit",
				 "The producer was stuck after the reader was killed.");
	else if (!next_reader_works(&s, &report))
		rcx_find_text(probing, "reader_exit", "next reader gets nothing",
			      "A reader was killed in its wait, and the next reader got no event: "
			      "%s.",
			      report.error[0] ? report.error : "it kept sleeping");
	else
		rcx_find_text(probing, "reader_exit", "next reader works",
			      "A reader was killed in its wait. For the next event the producer got "
			      "%s; the event after it reached the next reader.",
			      code ? rcx_errno_name(code) : "no error");
	rcx_session_close(&s);
}
RCX_PROBE("reader_exit", probe_reader_exit);

/* ---- the module is unloaded --------------------------------------------- */

static enum rcx_op any_op(const struct rcx_mode *mode)
{
	static const enum rcx_op order[RCX_OPS] = { RCX_NOTIFY, RCX_STREAM, RCX_PULL, RCX_CALL,
						    RCX_PUSH,	RCX_UPCALL, RCX_DUMP };

	return rcx_first_op(mode, order);
}

/* The module was unloaded; what does its user notice? */
static void observe_user(struct rcx_probing *probing, struct rcx_process *process, enum rcx_op op)
{
	struct rcx_report report;
	int got;

	if (op != RCX_NOTIFY)
		rcx_process_send(process, RCX_DO_RUN, 1);
	got = rcx_process_report(process, &report, RCX_WAIT_MS);
	if (got == 0)
		rcx_find_text(probing, "module_unload", "unloads, user keeps waiting",
			      "The module was unloaded while a session was open; the user "
			      "noticed nothing.");
	else if (got < 0)
		rcx_find_failure(probing, "module_unload",
				 "The module was unloaded, and the user's process died.");
	else if (report.err)
		rcx_find_text(probing, "module_unload", "unloads, user gets an error",
			      "The module was unloaded while a session was open; the user got "
			      "an error: %s.",
			      report.error);
	else
		rcx_find_text(probing, "module_unload", "unloads, user is woken",
			      "The module was unloaded while a session was open; the user was "
			      "woken as if by an event.");
}

static void try_unload(struct rcx_probing *probing, struct rcx_session *s,
		       struct rcx_process *process)
{
	int err;

	if (s->op == RCX_NOTIFY)
		rcx_process_send(process, RCX_DO_WAIT, 1);
	usleep(RCX_SETTLE_US);
	/* ringcross_core's own reference to the module would hide the channel's. */
	if (ioctl(s->core, RCX_CORE_UNBIND)) {
		rcx_find_failure(probing, "module_unload", "Cannot unbind: %s.", strerror(errno));
		return;
	}
	err = rcx_module_unload(probing->channel->module);
	if (err == -EBUSY || err == -EWOULDBLOCK)
		rcx_find_text(probing, "module_unload", "busy", "With %s, an unload fails with %s.",
			      s->op == RCX_NOTIFY ? "a sleeping reader" : "an open session",
			      rcx_errno_name(-err));
	else if (err)
		rcx_find_failure(probing, "module_unload", "Cannot unload: %s.", strerror(-err));
	else
		observe_user(probing, process, s->op);
}

static void probe_module_unload(struct rcx_probing *probing)
{
	enum rcx_op op = any_op(probing->mode);
	struct rcx_cell cell = rcx_probe_cell(probing, op, rcx_small_size(probing->mode, op));
	struct rcx_report report = { 0 };
	struct rcx_session s;
	struct rcx_process process;

	if (!probing->channel->module) {
		rcx_find_nothing(probing, "module_unload", "It has no ringcross module.");
		return;
	}
	if (rcx_session_bind(&s, &cell, false) ||
	    rcx_process_start(&process, &s, NULL, NULL, &report)) {
		rcx_find_failure(probing, "module_unload", "%s.",
				 s.error[0] ? s.error : report.error);
		return;
	}
	try_unload(probing, &s, &process);
	rcx_process_kill(&process);
	rcx_session_close(&s);
}
RCX_PROBE("module_unload", probe_module_unload);
