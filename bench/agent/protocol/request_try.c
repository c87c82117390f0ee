// SPDX-License-Identifier: GPL-2.0-only
/* Requests that try a channel without timing it: lifecycle, hostile, probe. */
#include "hostile.h"
#include "request.h"

#define HOSTILE_MS 60000	/* for all that is hostile to one kernel half */

void rc_do_lifecycle(json_object *request)
{
	json_object *answer = rc_answer_new("lifecycle");
	const struct rc_channel *channel = rc_find_channel(rc_text(request, "channel"));
	char reason[256] = "no such channel";

	rc_log_skip();
	if (channel) {
		rc_load_for(channel, reason, sizeof(reason));
		if (channel->module && !reason[0])
			rc_module_unload(channel->module);
		if (!reason[0])
			rc_lifecycle(channel, rc_serving.modules, reason, sizeof(reason));
	}
	rc_add_text(answer, "channel", rc_text(request, "channel"));
	rc_add_text(answer, "status", reason[0] ? "fail" : "ok");
	rc_add_text(answer, "reason", reason);
	json_object_object_add(answer, "log", rc_log_lines());
	rc_answer(answer);
}

void rc_do_hostile(json_object *request)
{
	const struct rc_hostile_entry *entry = rc_find_hostile(rc_text(request, "channel"));
	const struct rc_channel *channel = entry ? rc_find_channel(entry->channel) : NULL;
	json_object *answer = rc_answer_new("hostile");
	json_object *cases = NULL;
	char reason[256] = "no hostile.c is there for it";

	rc_log_skip();
	if (channel) {
		rc_load_for(channel, reason, sizeof(reason));
		if (!reason[0])
			cases = rc_hostile_run(entry, HOSTILE_MS, &rc_serving.overhead,
					       rc_serving.result, reason,
					       sizeof(reason));
	}
	rc_add_text(answer, "channel", rc_text(request, "channel"));
	rc_add_text(answer, "status", reason[0] ? "fail" : "ok");
	rc_add_text(answer, "reason", reason);
	json_object_object_add(answer, "cases", cases ? cases : json_object_new_array());
	json_object_object_add(answer, "log", rc_log_lines());
	rc_answer(answer);
}

/* ---- properties -------------------------------------------------------- */

void rc_do_probe(json_object *request)
{
	const struct rc_channel *channel = rc_find_channel(rc_text(request, "channel"));
	const struct rc_mode *mode = channel ? rc_find_mode(channel, rc_text(request, "mode")) : NULL;
	json_object *answer;

	if (!mode || !rc_serving.is_set_up) {
		rc_answer_error(rc_serving.is_set_up ? "no such channel or mode to probe" : RC_NO_SETUP);
		return;
	}
	rc_log_skip();
	answer = rc_answer_new("probe");
	rc_add_text(answer, "channel", channel->name);
	rc_add_text(answer, "mode", mode->name);
	json_object_object_add(answer, "properties",
			       rc_probe_mode(channel, mode, rc_serving.clock, rc_load_for));
	rc_unload_for(channel);
	json_object_object_add(answer, "log", rc_log_lines());
	rc_answer(answer);
}
