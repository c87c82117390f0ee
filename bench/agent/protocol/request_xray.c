// SPDX-License-Identifier: GPL-2.0-only
/* The request to look through one operation. */
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "request.h"

static struct rc_xray *xray;
static bool is_tracing;

/* Start or stop the tracer unless it is so already; "" or why not. */
static void trace(bool on, char *reason, size_t len)
{
	int err = 0;

	if (on != is_tracing)
		err = on ? rc_tracer_start(rc_serving.clock) : rc_tracer_stop();
	if (err)
		snprintf(reason, len, "cannot %s the kernel's function-graph tracer: %s",
			 on ? "start" : "stop", strerror(-err));
	else
		is_tracing = on;
}

void rc_xray_over(void)
{
	char unheeded[256];

	trace(false, unheeded, sizeof(unheeded));
}

static bool get_xray(void)
{
	/* Shared with the children; only now, so that cells have the memory they had. */
	if (!xray)
		xray = mmap(NULL, sizeof(*xray), PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (xray == MAP_FAILED)
		xray = NULL;
	if (xray)
		memset(xray, 0, offsetof(struct rc_xray, names));
	return xray;
}

static void xray_job(void *arg)
{
	rc_xray_take(arg, &rc_serving.overhead, xray);
}

static void take_xray(struct rc_cell *cell)
{
	char reason[sizeof(xray->reason)] = "";

	/* Process 1 of a virtual machine has that machine to itself. */
	if (xray->traced && getpid() != 1) {
		xray->status = RC_SKIP;
		snprintf(xray->reason, sizeof(xray->reason),
			 "Tracing slows down all that runs on a machine, and this one is shared.");
		return;
	}
	xray->status = RC_FAIL;
	rc_load_for(cell->channel, xray->reason, sizeof(xray->reason));
	if (!xray->reason[0])
		trace(xray->traced, xray->reason, sizeof(xray->reason));
	if (!xray->reason[0] &&
	    !rc_in_child(xray_job, cell, cell->deadline_ms, reason, sizeof(reason))) {
		xray->status = RC_FAIL;
		memcpy(xray->reason, reason, sizeof(reason));
	}
	rc_unload_for(cell->channel);
}

static void answer_xray(uint64_t id)
{
	json_object *answer = rc_answer_new("xray");
	bool pages = xray->status == RC_OK && xray->traced;

	rc_add_number(answer, "id", id);
	rc_add_text(answer, "status", rc_status_names[xray->status]);
	rc_add_text(answer, "reason", xray->reason);
	json_object_object_add(answer, "traced", json_object_new_boolean(xray->traced));
	rc_add_number(answer, "units", xray->units);
	rc_add_double(answer, "overhead", xray->overhead);
	if (pages) {
		rc_add_number(answer, "start", xray->start);
		rc_add_number(answer, "end", xray->end);
		rc_add_number(answer, "dropped", xray->dropped);
		json_object_object_add(answer, "names", json_object_new_string_len(
					       xray->names, (int)xray->names_len));
		json_object_object_add(answer, "tasks", json_object_new_string_len(
					       xray->tasks, (int)xray->tasks_len));
		rc_add_number(answer, "samples", xray->pages_len / 8);
		rc_add_number(answer, "bytes", xray->pages_len);
	}
	json_object_object_add(answer, "log", rc_log_lines());
	rc_answer(answer);
	if (pages)
		rc_answer_binary(xray->pages, xray->pages_len);
}

void rc_do_xray(json_object *request)
{
	char reason[256] = "";
	const struct rc_refusal refusal = { reason, sizeof(reason) };
	uint64_t id = rc_number(request, "id", 0, INT64_MAX, 0, &refusal);
	uint64_t repeat = rc_number(request, "repeat", 1, 1000, 1, &refusal);
	struct rc_cell cell;

	if (reason[0] || !rc_serving.is_set_up || !get_xray()) {
		rc_answer_error(reason[0] ? reason : rc_serving.is_set_up ? "no memory" : RC_NO_SETUP);
		return;
	}
	rc_begin(id);
	xray->repeat = (uint32_t)repeat;
	xray->traced = rc_is_true(request, "traced");
	xray->status = rc_read_cell(request, &cell, xray->reason, sizeof(xray->reason));
	if (xray->status == RC_OK)
		take_xray(&cell);
	answer_xray(id);
}
