// SPDX-License-Identifier: GPL-2.0-only
/* The channels: the linker collects their registrations, so there is no list to maintain. */
#include <stdio.h>
#include <string.h>
#include "agent.h"
#include "peer.h"

extern const struct rcx_channel *const __start_rcx_channels[];
extern const struct rcx_channel *const __stop_rcx_channels[];

const char *const rcx_op_names[RCX_OPS] = { "push", "pull", "call", "notify", "stream" };
const char *const rcx_wait_names[RCX_WAITS] = { "block", "poll", "busy" };
const char *const rcx_context_names[RCX_CONTEXTS] = { "process", "softirq", "hardirq" };

#define for_each_channel(entry)                                             \
	for (const struct rcx_channel *const *entry = __start_rcx_channels; \
	     entry < __stop_rcx_channels; entry++)

#define for_each_mode(mode, channel) \
	for (const struct rcx_mode *mode = (channel)->modes; mode && mode->name; mode++)

const struct rcx_channel *rcx_find_channel(const char *name)
{
	for_each_channel(entry)
		if (!strcmp((*entry)->name, name))
			return *entry;
	return NULL;
}

const struct rcx_mode *rcx_find_mode(const struct rcx_channel *channel, const char *name)
{
	for_each_mode(mode, channel)
		if (!strcmp(mode->name, name))
			return mode;
	return NULL;
}

uint32_t rcx_waits(const struct rcx_mode *mode, enum rcx_op op)
{
	const struct rcx_operation *operation = &mode->operations[op];

	if (op != RCX_NOTIFY && op != RCX_STREAM)
		return 0;
	if (operation->waits)
		return operation->waits;
	return op == RCX_STREAM ? RCX_WAIT_POLL : RCX_WAIT_BLOCK;
}

int rcx_find_name(const char *const *names, int count, const char *name)
{
	for (int i = 0; i < count; i++)
		if (!strcmp(names[i], name))
			return i;
	return -1;
}

static int mistake(const struct rcx_channel *channel, const char *where, const char *what)
{
	fprintf(stderr, "channel %s, %s: %s\n", channel->name, where, what);
	return 1;
}

static int check_operation(const struct rcx_channel *channel, const struct rcx_operation *op,
			   const char *name)
{
	if (op->min > op->max)
		return mistake(channel, name, "min must not be larger than max");
	if (op->max > RCX_BODY_MAX)
		return mistake(channel, name, "max must not be larger than 1 MiB");
	if (op->max < RCX_BODY_MAX && !op->limit)
		return mistake(channel, name, "limit is missing: say what sets max");
	if (op->waits >> RCX_WAITS)
		return mistake(channel, name, "waits has an unknown bit");
	if (op->queue && (!op->queue->what || !op->queue->min || op->queue->min > op->queue->max))
		return mistake(channel, name, "queue needs a unit, and bounds above 0");
	return 0;
}

/* A mode without operations must give the reason, and a hook for the probe of its value. */
static int check_one_shot(const struct rcx_channel *channel, const struct rcx_mode *mode)
{
	bool some = false;

	for (int op = 0; op < RCX_OPS; op++)
		some = some || mode->operations[op].run;
	if (some && mode->one_shot_reason)
		return mistake(channel, mode->name, "it has operations and a one_shot_reason");
	if (!some && !mode->one_shot_reason)
		return mistake(channel, mode->name, "it has no operation and no one_shot_reason");
	if (!mode->one_shot_reason != !mode->received)
		return mistake(channel, mode->name, "one_shot_reason and received need each other");
	if (mode->one_shot_reason && (!channel->module || !channel->boot))
		return mistake(channel, mode->name,
			       "a one-shot mode needs the channel's module and boot words");
	return 0;
}

static int check_mode(const struct rcx_channel *channel, const struct rcx_mode *mode)
{
	bool starts = mode->operations[RCX_NOTIFY].run || mode->operations[RCX_STREAM].run;
	uint32_t full = mode->claims & (RCX_FULL_REFUSES | RCX_FULL_COALESCES |
					RCX_FULL_OVERWRITES | RCX_FULL_EMPTIES);
	uint32_t readers = mode->claims & (RCX_READERS_EACH | RCX_READERS_SHARE);

	if (!mode->summary || !mode->open)
		return mistake(channel, mode->name, "a summary and an open hook are required");
	if (mode->claims && !starts)
		return mistake(channel, mode->name,
			       "claims are only for modes with notify or stream");
	if (full & (full - 1))
		return mistake(channel, mode->name, "it has two claims about a full queue");
	if (readers & (readers - 1))
		return mistake(channel, mode->name, "it has two claims about several readers");
	return check_one_shot(channel, mode);
}

static int check_peer(const struct rcx_channel *channel, const struct rcx_mode *mode)
{
	const struct rcx_peer_half *peer = mode->peer;
	bool sends = mode->operations[RCX_PUSH].run || mode->operations[RCX_CALL].run;
	bool starts = mode->operations[RCX_NOTIFY].run || mode->operations[RCX_STREAM].run;

	if (!peer)
		return 0;
	if (channel->module || !(channel->flags & RCX_REFERENCE))
		return mistake(channel, mode->name,
			       "only a reference, which has no kernel half, can have a peer");
	if (!peer->connect || (sends && !peer->serve) || (starts && !peer->emit))
		return mistake(channel, mode->name, "its peer half lacks a hook");
	if (mode->operations[RCX_PULL].run)
		return mistake(channel, mode->name, "a peer does not support pull");
	return 0;
}

static int check_channel(const struct rcx_channel *channel)
{
	int mistakes = 0;

	if (!channel->summary || !channel->modes || !channel->modes->name)
		return mistake(channel, "registration", "a summary and a mode are required");
	for (int op = 0; op < RCX_OPS; op++) {
		bool some = false;

		for_each_mode(mode, channel) {
			if (!mode->operations[op].run)
				continue;
			some = true;
			mistakes += check_operation(channel, &mode->operations[op],
						    rcx_op_names[op]);
		}
		if (some && channel->unsupported_reason[op])
			mistakes += mistake(channel, rcx_op_names[op],
					    "a mode has it, but it has an unsupported_reason");
		if (!some && !channel->unsupported_reason[op])
			mistakes += mistake(channel, rcx_op_names[op],
					    "no mode has it, and unsupported_reason is missing");
	}
	for_each_mode(mode, channel)
		mistakes += check_mode(channel, mode) + check_peer(channel, mode);
	if (channel->since && !strstr(channel->since, ": "))
		mistakes += mistake(channel, "since",
				    "a colon and what that version added is missing");
	return mistakes;
}

int rcx_check_channels(void)
{
	int mistakes = 0;

	for_each_channel(entry)
		mistakes += check_channel(*entry);
	return mistakes;
}

static void add_string(json_object *to, const char *key, const char *value)
{
	json_object_object_add(to, key, value ? json_object_new_string(value) : NULL);
}

static json_object *list_queue(const struct rcx_queue *queue)
{
	json_object *out = json_object_new_object();
	json_object *values = json_object_new_array();
	size_t room = sizeof(queue->values) / sizeof(queue->values[0]);

	add_string(out, "what", queue->what);
	json_object_object_add(out, "min", json_object_new_int64(queue->min));
	json_object_object_add(out, "max", json_object_new_int64(queue->max));
	for (size_t i = 0; i < room && queue->values[i]; i++)
		json_object_array_add(values, json_object_new_int64(queue->values[i]));
	json_object_object_add(out, "values", values);
	return out;
}

static json_object *list_waits(uint32_t waits)
{
	json_object *out = json_object_new_array();

	for (int i = 0; i < RCX_WAITS; i++)
		if (waits & (1u << i))
			json_object_array_add(out, json_object_new_string(rcx_wait_names[i]));
	return out;
}

static json_object *list_operation(const struct rcx_mode *mode, enum rcx_op number)
{
	const struct rcx_operation *op = &mode->operations[number];
	uint32_t waits = rcx_waits(mode, number);
	json_object *out = json_object_new_object();

	json_object_object_add(out, "min", json_object_new_int64(op->min));
	json_object_object_add(out, "max", json_object_new_int64(op->max));
	add_string(out, "limit", op->limit ? op->limit : "The limit of ringcross is 1 MiB.");
	if (waits)
		json_object_object_add(out, "waits", list_waits(waits));
	if (op->queue)
		json_object_object_add(out, "queue", list_queue(op->queue));
	return out;
}

/* The property that a claim is about, and the value that its probe must find. */
static const struct {
	uint32_t claim;
	const char *property, *value;
} claims[] = {
	{ RCX_READERS_EACH, "readers", RCX_EACH_GETS_ALL },
	{ RCX_FULL_REFUSES, "queue_full", RCX_REFUSES_NEWEST },
	{ RCX_FULL_COALESCES, "queue_full", RCX_COALESCES },
	{ RCX_FULL_OVERWRITES, "queue_full", RCX_OVERWRITES_OLDEST },
	{ RCX_FULL_EMPTIES, "queue_full", RCX_EMPTIES },
	{ RCX_READERS_SHARE, "readers", RCX_SHARE },
};

static json_object *list_claims(const struct rcx_mode *mode)
{
	json_object *out = json_object_new_object();

	if (mode->claims & RCX_POLLABLE)
		json_object_object_add(out, "poll", json_object_new_boolean(true));
	for (size_t i = 0; i < sizeof(claims) / sizeof(claims[0]); i++)
		if (mode->claims & claims[i].claim)
			add_string(out, claims[i].property, claims[i].value);
	return out;
}

static json_object *list_mode(const struct rcx_mode *mode)
{
	json_object *out = json_object_new_object();
	json_object *operations = json_object_new_object();

	add_string(out, "name", mode->name);
	add_string(out, "summary", mode->summary);
	for (int op = 0; op < RCX_OPS; op++)
		if (mode->operations[op].run)
			json_object_object_add(operations, rcx_op_names[op],
					       list_operation(mode, (enum rcx_op)op));
	if (mode->single_threaded_reason)
		add_string(out, "single_threaded_reason", mode->single_threaded_reason);
	if (mode->counterpart)
		add_string(out, "counterpart", mode->counterpart);
	if (mode->one_shot_reason)
		add_string(out, "one_shot_reason", mode->one_shot_reason);
	json_object_object_add(out, "operations", operations);
	json_object_object_add(out, "claims", list_claims(mode));
	return out;
}

static json_object *list_words(const char *words)
{
	json_object *out = json_object_new_array();

	while (words && *words) {
		size_t len = strcspn(words, " ");

		if (len)
			json_object_array_add(out, json_object_new_string_len(words, (int)len));
		words += len + (words[len] == ' ');
	}
	return out;
}

static json_object *list_channel(const struct rcx_channel *channel)
{
	json_object *out = json_object_new_object();
	json_object *unsupported = json_object_new_object();
	json_object *modes = json_object_new_array();

	add_string(out, "name", channel->name);
	add_string(out, "summary", channel->summary);
	add_string(out, "module", channel->module);
	add_string(out, "since", channel->since);
	json_object_object_add(out, "needs", list_words(channel->needs));
	json_object_object_add(out, "boot", list_words(channel->boot));
	json_object_object_add(out, "baseline",
			       json_object_new_boolean(channel->flags & RCX_BASELINE));
	json_object_object_add(out, "reference",
			       json_object_new_boolean(channel->flags & RCX_REFERENCE));
	for (int op = 0; op < RCX_OPS; op++)
		if (channel->unsupported_reason[op])
			add_string(unsupported, rcx_op_names[op], channel->unsupported_reason[op]);
	json_object_object_add(out, "unsupported_reason", unsupported);
	for_each_mode(mode, channel)
		json_object_array_add(modes, list_mode(mode));
	json_object_object_add(out, "modes", modes);
	return out;
}

/* Weak: without a program in any folder, the section does not exist. */
extern const struct rcx_program *const __start_rcx_programs[] __attribute__((weak));
extern const struct rcx_program *const __stop_rcx_programs[] __attribute__((weak));

const struct rcx_program *rcx_find_program(const char *name)
{
	for (const struct rcx_program *const *entry = __start_rcx_programs;
	     entry < __stop_rcx_programs; entry++)
		if (!strcmp((*entry)->name, name))
			return *entry;
	return NULL;
}

json_object *rcx_list(void)
{
	json_object *out = json_object_new_object();
	json_object *channels = json_object_new_array();

	json_object_object_add(out, "protocol", json_object_new_int(RCX_PROTOCOL));
	for_each_channel(entry)
		if (!((*entry)->flags & RCX_UNMEASURED))
			json_object_array_add(channels, list_channel(*entry));
	json_object_object_add(out, "channels", channels);
	return out;
}
