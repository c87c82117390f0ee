// SPDX-License-Identifier: GPL-2.0-only
/* The channels: the linker collects their registrations, so there is no list to maintain. */
#include <stdio.h>
#include <string.h>
#include "agent.h"
#include "peer.h"

const char *const rcx_op_names[RCX_OPS] = { "push",   "pull",	"call", "notify",
					    "stream", "upcall", "dump" };
const char *const rcx_wait_names[RCX_WAITS] = { "block", "poll", "busy" };
const char *const rcx_context_names[RCX_CONTEXTS] = { "process", "softirq", "hardirq" };

enum rcx_op rcx_first_op(const struct rcx_mode *mode, const enum rcx_op order[RCX_OPS])
{
	for (int i = 0; i < RCX_OPS; i++)
		if (mode->operations[order[i]].run)
			return order[i];
	return RCX_PUSH;
}

const struct rcx_channel *rcx_find_channel(const char *name)
{
	for_each_channel(entry)
		if ((*entry)->channel->name && !strcmp((*entry)->channel->name, name))
			return (*entry)->channel;
	return NULL;
}

const struct rcx_mode *rcx_find_mode(const struct rcx_channel *channel, const char *name)
{
	for_each_mode(mode, channel)
		if (!strcmp(mode->name, name))
			return mode;
	return NULL;
}

/* The usual wait of an operation that waits. */
static uint32_t usual_wait(enum rcx_op op)
{
	return op == RCX_STREAM ? RCX_WAIT_POLL : RCX_WAIT_BLOCK;
}

uint32_t rcx_waits(const struct rcx_mode *mode, enum rcx_op op)
{
	const struct rcx_operation *operation = &mode->operations[op];

	if (!rcx_kernel_initiated(op))
		return 0;
	return operation->waits ? operation->waits : usual_wait(op);
}

uint32_t rcx_default_wait(const struct rcx_mode *mode, enum rcx_op op)
{
	uint32_t waits = rcx_waits(mode, op);

	return waits & usual_wait(op) ? usual_wait(op) : waits & -waits;
}

int rcx_find_name(const char *const *names, int count, const char *name)
{
	for (int i = 0; i < count; i++)
		if (!strcmp(names[i], name))
			return i;
	return -1;
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

static void add_waits(json_object *to, uint32_t waits)
{
	for (int i = 0; i < RCX_WAITS; i++)
		if (waits & (1u << i))
			json_object_array_add(to, json_object_new_string(rcx_wait_names[i]));
}

/* The default is the first. */
static json_object *list_waits(const struct rcx_mode *mode, enum rcx_op op)
{
	uint32_t first = rcx_default_wait(mode, op);
	json_object *out = json_object_new_array();

	add_waits(out, first);
	add_waits(out, rcx_waits(mode, op) & ~first);
	return out;
}

/* What a figure does not contain; see struct rcx_operation. */
static json_object *list_excludes(uint32_t excludes)
{
	static const struct {
		uint32_t bit;
		const char *word;
	} words[] = {
		{ RCX_WITHOUT_COPY, "copy" },
		{ RCX_WITHOUT_WAKEUP, "wake-up" },
		{ RCX_WITHOUT_CALL, "call" },
	};
	json_object *out = json_object_new_array();

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (excludes & words[i].bit)
			json_object_array_add(out, json_object_new_string(words[i].word));
	return out;
}

static json_object *list_operation(const struct rcx_mode *mode, enum rcx_op number)
{
	const struct rcx_operation *op = &mode->operations[number];
	json_object *out = json_object_new_object();

	json_object_object_add(out, "min", json_object_new_int64(op->min));
	json_object_object_add(out, "max", json_object_new_int64(op->max));
	add_string(out, "limit",
		   op->limit   ? op->limit :
		   op->count   ? "It carries only a count." :
		   op->records ? "The limit of ringcross is 65,536 records." :
				 "The limit of ringcross is 1 MiB.");
	if (op->count)
		json_object_object_add(out, "count", json_object_new_boolean(true));
	if (rcx_waits(mode, number))
		json_object_object_add(out, "waits", list_waits(mode, number));
	json_object_object_add(out, "two_ends",
			       json_object_new_boolean(rcx_has_two_ends(mode, number)));
	if (op->queue)
		json_object_object_add(out, "queue", list_queue(op->queue));
	if (op->excludes)
		json_object_object_add(out, "excludes", list_excludes(op->excludes));
	if (op->batch > 1)
		json_object_object_add(out, "batch", json_object_new_int64(op->batch));
	if (op->records)
		json_object_object_add(out, "records", json_object_new_int64(op->records));
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
	{ RCX_FULL_ADDS, "queue_full", RCX_ADDS },
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

/* RCX_KERNEL(6, 1) as "6.1". */
static json_object *list_kernel(uint32_t kernel)
{
	char text[16];

	snprintf(text, sizeof(text), "%u.%u", kernel >> 8, kernel & 0xff);
	return json_object_new_string(text);
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
	if (mode->since)
		json_object_object_add(out, "since", list_kernel(mode->since));
	if (mode->two_cpus_reason)
		add_string(out, "two_cpus_reason", mode->two_cpus_reason);
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

/* Classes of functions, as an object of lists of names; see struct rcx_channel. */
static json_object *list_classes(const struct rcx_channel *channel)
{
	json_object *out = json_object_new_object();

	for (const char *const *class = channel->classes; class && *class; class++) {
		const char *names = strstr(*class, ": ");
		char name[64];

		if (!names)
			continue; /* rcx_check_channels() reports it */
		snprintf(name, sizeof(name), "%.*s", (int)(names - *class), *class);
		json_object_object_add(out, name, list_words(names + 2));
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
	if (channel->classes)
		json_object_object_add(out, "classes", list_classes(channel));
	json_object_object_add(out, "baseline",
			       json_object_new_boolean(channel->flags & RCX_BASELINE));
	json_object_object_add(out, "reference",
			       json_object_new_boolean(channel->flags & RCX_REFERENCE));
	json_object_object_add(out, "rt_hardirq",
			       json_object_new_boolean(channel->flags & RCX_RT_HARDIRQ));
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
		if (!((*entry)->channel->flags & RCX_UNMEASURED))
			json_object_array_add(channels, list_channel((*entry)->channel));
	json_object_object_add(out, "channels", channels);
	return out;
}
