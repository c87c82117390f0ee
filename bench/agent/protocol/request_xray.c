// SPDX-License-Identifier: GPL-2.0-only
/* The request "xray": one operation under the kernel's function-graph tracer. */
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "request.h"

static struct rcx_xray *xray;
static bool is_tracing;

/* Start or stop the tracer, unless it is already in that state; @reason says why it failed. */
static void trace(bool on, char *reason, size_t len)
{
	int err = 0;

	if (on != is_tracing)
		err = on ? rcx_tracer_start(rcx_serving.clock) : rcx_tracer_stop();
	if (err)
		snprintf(reason, len, "cannot %s the kernel's function-graph tracer: %s",
			 on ? "start" : "stop", strerror(-err));
	else
		is_tracing = on;
}

void rcx_xray_stop_tracer(void)
{
	char ignored[256];

	trace(false, ignored, sizeof(ignored));
}

static bool get_xray(void)
{
	/* Shared with the children.  Mapped at the first x-ray, so that the cells before it run
	 * with the same free memory as in a run without x-rays.
	 */
	if (!xray)
		xray = mmap(NULL, sizeof(*xray), PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (xray == MAP_FAILED)
		xray = NULL;
	if (xray)
		memset(xray, 0, offsetof(struct rcx_xray, names));
	return xray;
}

static void xray_job(void *arg)
{
	rcx_xray_take(arg, &rcx_serving.overhead, xray);
}

static void take_xray(struct rcx_cell *cell)
{
	char reason[sizeof(xray->reason)] = "";

	/* Process 1 of a virtual machine has that machine to itself. */
	if (xray->traced && getpid() != 1) {
		xray->status = RCX_SKIP;
		snprintf(xray->reason, sizeof(xray->reason),
			 "Tracing slows down everything on a machine, and this one is shared.");
		return;
	}
	xray->status = RCX_FAIL;
	rcx_load_for(cell->channel, xray->reason, sizeof(xray->reason));
	if (!xray->reason[0])
		trace(xray->traced, xray->reason, sizeof(xray->reason));
	if (!xray->reason[0] &&
	    !rcx_in_child(xray_job, cell, cell->deadline_ms, reason, sizeof(reason))) {
		xray->status = RCX_FAIL;
		memcpy(xray->reason, reason, sizeof(reason));
	}
	rcx_unload_for(cell->channel);
}

static void answer_xray(uint64_t id)
{
	json_object *answer = rcx_answer_new("xray");
	bool pages = xray->status == RCX_OK && xray->traced;

	rcx_add_number(answer, "id", id);
	rcx_add_text(answer, "status", rcx_status_names[xray->status]);
	rcx_add_text(answer, "reason", xray->reason);
	json_object_object_add(answer, "traced", json_object_new_boolean(xray->traced));
	rcx_add_number(answer, "units", xray->units);
	rcx_add_double(answer, "overhead", xray->overhead);
	if (pages) {
		rcx_add_number(answer, "start", xray->start);
		rcx_add_number(answer, "end", xray->end);
		rcx_add_number(answer, "dropped", xray->dropped);
		json_object_object_add(answer, "names",
				       json_object_new_string_len(xray->names,
								  (int)xray->names_len));
		json_object_object_add(answer, "tasks",
				       json_object_new_string_len(xray->tasks,
								  (int)xray->tasks_len));
		rcx_add_number(answer, "samples", xray->pages_len / 8);
		rcx_add_number(answer, "bytes", xray->pages_len);
	}
	json_object_object_add(answer, "log", rcx_log_lines());
	rcx_answer(answer);
	if (pages)
		rcx_answer_binary(xray->pages, xray->pages_len);
}

void rcx_do_xray(json_object *request)
{
	char reason[256] = "";
	const struct rcx_refusal refusal = { reason, sizeof(reason) };
	uint64_t id = rcx_get_number(request, "id", 0, INT64_MAX, 0, &refusal);
	uint64_t repeat = rcx_get_number(request, "repeat", 1, 1000, 1, &refusal);
	struct rcx_cell cell;

	if (reason[0] || !rcx_serving.is_set_up || !get_xray()) {
		rcx_answer_error(reason[0]		? reason :
				 !rcx_serving.is_set_up ? RCX_NO_SETUP :
							  "cannot get memory for an x-ray");
		return;
	}
	rcx_answer_begin(id);
	xray->repeat = (uint32_t)repeat;
	xray->traced = rcx_is_true(request, "traced");
	xray->status = rcx_read_cell(request, &cell, xray->reason, sizeof(xray->reason));
	if (xray->status == RCX_OK)
		take_xray(&cell);
	answer_xray(id);
}
