// SPDX-License-Identifier: GPL-2.0-only
/* Requests that try a channel without timing it: lifecycle, hostile, probe. */
#include "hostile.h"
#include "request.h"

#define HOSTILE_MS 60000 /* deadline for the hostile cases of one kernel half */

void rcx_do_lifecycle(json_object *request)
{
	json_object *answer = rcx_answer_new("lifecycle");
	const struct rcx_channel *channel = rcx_find_channel(rcx_get_text(request, "channel"));
	char reason[256] = "there is no such channel";

	rcx_log_skip();
	if (channel) {
		rcx_load_for(channel, reason, sizeof(reason));
		if (channel->module && !reason[0])
			rcx_module_unload(channel->module);
		if (!reason[0])
			rcx_lifecycle(channel, rcx_serving.modules, reason, sizeof(reason));
	}
	rcx_add_text(answer, "channel", rcx_get_text(request, "channel"));
	rcx_add_text(answer, "status", reason[0] ? "fail" : "ok");
	rcx_add_text(answer, "reason", reason);
	json_object_object_add(answer, "log", rcx_log_lines());
	rcx_answer(answer);
}

void rcx_do_hostile(json_object *request)
{
	const struct rcx_hostile_entry *entry = rcx_find_hostile(rcx_get_text(request, "channel"));
	const struct rcx_channel *channel = entry ? rcx_find_channel(entry->channel) : NULL;
	json_object *answer = rcx_answer_new("hostile");
	json_object *cases = NULL;
	char reason[256] = "it has no hostile.c";

	rcx_log_skip();
	if (channel) {
		rcx_load_for(channel, reason, sizeof(reason));
		if (!reason[0])
			cases = rcx_hostile_run(entry, HOSTILE_MS, &rcx_serving.overhead,
						rcx_serving.result, reason, sizeof(reason));
	}
	rcx_add_text(answer, "channel", rcx_get_text(request, "channel"));
	rcx_add_text(answer, "status", reason[0] ? "fail" : "ok");
	rcx_add_text(answer, "reason", reason);
	json_object_object_add(answer, "cases", cases ? cases : json_object_new_array());
	json_object_object_add(answer, "log", rcx_log_lines());
	rcx_answer(answer);
}

/* ---- properties -------------------------------------------------------- */

void rcx_do_probe(json_object *request)
{
	const struct rcx_channel *channel = rcx_find_channel(rcx_get_text(request, "channel"));
	const char *name = rcx_get_text(request, "mode");
	const struct rcx_mode *mode = channel ? rcx_find_mode(channel, name) : NULL;
	json_object *answer;

	if (!mode || !rcx_serving.is_set_up) {
		rcx_answer_error(!rcx_serving.is_set_up ?
					 RCX_NO_SETUP :
					 "there is no such channel or mode to probe");
		return;
	}
	rcx_log_skip();
	answer = rcx_answer_new("probe");
	rcx_add_text(answer, "channel", channel->name);
	rcx_add_text(answer, "mode", mode->name);
	json_object_object_add(answer, "properties",
			       rcx_probe_mode(channel, mode, rcx_serving.clock, rcx_load_for));
	rcx_unload_for(channel);
	json_object_object_add(answer, "log", rcx_log_lines());
	rcx_answer(answer);
}
