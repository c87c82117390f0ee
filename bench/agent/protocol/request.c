// SPDX-License-Identifier: GPL-2.0-only
/* Fields of requests and answers, and the modules that a request needs. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "request.h"

struct rcx_serving rcx_serving = { .modules = "/modules", .clock = RCX_CLOCK_TIME };

const char *const rcx_status_names[] = { "fail", "ok", "skip" };

const char *rcx_get_text(json_object *request, const char *key)
{
	json_object *value;
	const char *got;

	if (!json_object_object_get_ex(request, key, &value) ||
	    !json_object_is_type(value, json_type_string))
		return "";
	got = json_object_get_string(value);
	return strlen(got) == (size_t)json_object_get_string_len(value) ? got : "";
}

bool rcx_is_true(json_object *request, const char *key)
{
	json_object *value;

	return json_object_object_get_ex(request, key, &value) &&
	       json_object_is_type(value, json_type_boolean) && json_object_get_boolean(value);
}

bool rcx_is_integer(json_object *value, int64_t low, int64_t high)
{
	return json_object_is_type(value, json_type_int) && json_object_get_int64(value) >= low &&
	       json_object_get_int64(value) <= high;
}

uint64_t rcx_get_number(json_object *request, const char *key, int64_t low, int64_t high,
			int64_t otherwise, const struct rcx_refusal *refusal)
{
	json_object *value;

	if (!json_object_object_get_ex(request, key, &value))
		return (uint64_t)otherwise;
	if (rcx_is_integer(value, low, high))
		return (uint64_t)json_object_get_int64(value);
	if (!refusal->reason[0])
		snprintf(refusal->reason, refusal->len,
			 "\"%s\" must be an integer from %lld to %lld", key, (long long)low,
			 (long long)high);
	return (uint64_t)otherwise;
}

bool rcx_get_bool(json_object *request, const char *key, const struct rcx_refusal *refusal)
{
	json_object *value;

	if (!json_object_object_get_ex(request, key, &value))
		return false;
	if (!json_object_is_type(value, json_type_boolean) && !refusal->reason[0])
		snprintf(refusal->reason, refusal->len, "\"%s\" must be true or false", key);
	return json_object_get_boolean(value);
}

void rcx_add_text(json_object *answer, const char *key, const char *value)
{
	json_object_object_add(answer, key, json_object_new_string(value));
}

void rcx_add_number(json_object *answer, const char *key, uint64_t value)
{
	json_object_object_add(answer, key, json_object_new_uint64(value));
}

void rcx_add_double(json_object *answer, const char *key, double value)
{
	json_object_object_add(answer, key, json_object_new_double(value));
}

void rcx_answer_error(const char *reason)
{
	json_object *answer = rcx_answer_new("error");

	rcx_add_text(answer, "reason", reason);
	rcx_answer(answer);
}

void rcx_answer_begin(uint64_t id)
{
	json_object *answer = rcx_answer_new("begin");

	rcx_add_number(answer, "id", id);
	rcx_answer(answer);
	rcx_log_skip();
}

void rcx_load_for(const struct rcx_channel *channel, char *reason, size_t len)
{
	const char *const ours[] = { "ringcross_core", channel->module };
	char needs[256], *save, *name;
	int err;

	reason[0] = '\0';
	snprintf(needs, sizeof(needs), "%s", channel->needs ? channel->needs : "");
	for (name = strtok_r(needs, " ", &save); name; name = strtok_r(NULL, " ", &save)) {
		name += *name == '?'; /* may be missing: of interest to the harness only */
		err = rcx_module_need(rcx_serving.modules, name);
		/* A missing file is no error: the kernel may have it built in.  If it does not,
		 * the load of our module fails, or the open hook skips.
		 */
		if (err && err != -ENOENT) {
			rcx_module_explain(name, err, reason, len);
			return;
		}
	}
	for (size_t i = 0; channel->module && i < sizeof(ours) / sizeof(ours[0]); i++) {
		err = rcx_module_load(rcx_serving.modules, ours[i]);
		if (err) {
			rcx_module_explain(ours[i], err, reason, len);
			return;
		}
	}
}

int rcx_unload_for(const struct rcx_channel *channel)
{
	if (!channel->module || !rcx_module_is_ours(channel->module) ||
	    !rcx_module_loaded(channel->module))
		return 0;
	return rcx_module_unload(channel->module);
}
