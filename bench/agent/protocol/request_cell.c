// SPDX-License-Identifier: GPL-2.0-only
/* The request "cell": from its fields to the figures of one cell. */
#include <limits.h>
#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include "request.h"

#define DEADLINE_MS  20000
#define INTERVAL_MAX 1000000000 /* ns */

/* The context by its name, or -1 for the channel's default. */
static int read_context(json_object *request, const struct rcx_refusal *refusal)
{
	const char *name = rcx_get_text(request, "context");
	int context = rcx_find_name(rcx_context_names, RCX_CONTEXTS, name);

	if (context < 0 && strcmp(name, "default") && !refusal->reason[0] &&
	    json_object_object_get_ex(request, "context", NULL))
		snprintf(refusal->reason, refusal->len, "there is no context \"%s\"", name);
	return context;
}

/* The wait by its name, or 0 for the operation's first one. */
static uint32_t read_wait(json_object *request, const struct rcx_refusal *refusal)
{
	const char *name = rcx_get_text(request, "wait");
	int wait = rcx_find_name(rcx_wait_names, RCX_WAITS, name);
	json_object *value;

	if (!json_object_object_get_ex(request, "wait", &value))
		return 0;
	if (json_object_is_type(value, json_type_string) && !json_object_get_string_len(value))
		return 0;
	if (wait < 0 && !refusal->reason[0])
		snprintf(refusal->reason, refusal->len, "there is no wait \"%s\"", name);
	return wait < 0 ? 0 : 1u << wait;
}

static enum rcx_placement read_placement(json_object *request, const struct rcx_refusal *refusal)
{
	const char *name = rcx_get_text(request, "placement");
	int placement = rcx_find_name(rcx_placement_names, RCX_PLACEMENTS, name);
	json_object *value;

	if (!json_object_object_get_ex(request, "placement", &value))
		return RCX_SAME_CPU;
	if (json_object_is_type(value, json_type_string) && !json_object_get_string_len(value))
		return RCX_SAME_CPU;
	if (placement < 0 && !refusal->reason[0])
		snprintf(refusal->reason, refusal->len, "there is no placement \"%s\"", name);
	return placement < 0 ? RCX_SAME_CPU : (enum rcx_placement)placement;
}

static void read_numbers(json_object *request, struct rcx_cell *cell,
			 const struct rcx_refusal *refusal)
{
#define NUMBER(key, low, high, otherwise) \
	rcx_get_number(request, key, low, high, otherwise, refusal)
	cell->burst = (uint32_t)NUMBER("burst", 1, RCX_BURST_MAX, 1);
	cell->interval = NUMBER("interval", 0, INTERVAL_MAX, 0);
	cell->threads = (uint32_t)NUMBER("threads", 1, RCX_THREADS_MAX, 1);
	cell->queue = (uint32_t)NUMBER("queue", 0, INT32_MAX, 0);
	cell->records = (uint32_t)NUMBER("records", 0, RCX_RECORDS_MAX, 0);
	cell->rounds = (uint32_t)NUMBER("rounds", 1, RCX_ROUNDS_MAX, 11);
	cell->samples = (uint32_t)NUMBER("samples", 0, RCX_SAMPLES_MAX, 0);
	cell->round_units = NUMBER("round_units", 1000, 1000000000, 300000);
	if (rcx_serving.clock == RCX_CLOCK_TIME)
		cell->control_units = NUMBER("control_units", 0, 1000000000, 0);
	cell->deadline_ms = (uint32_t)NUMBER("deadline_ms", 1, 3600000, DEADLINE_MS);
#undef NUMBER
}

static void set_rate(struct rcx_cell *cell)
{
	if (cell->search && !cell->interval) /* the first trial of the search */
		cell->interval = 4000 + (1000ull + cell->size / 4) * cell->burst;
	if (cell->interval > INTERVAL_MAX)
		cell->interval = INTERVAL_MAX;
	/* As fast as possible: only a thread can emit so, an interrupt would never end. */
	if (cell->op == RCX_STREAM && !cell->interval && cell->context < 0)
		cell->context = RCX_PROCESS;
}

/* False, with a reason, when the ends of the operation cannot be placed so. */
static bool placement_fits(const struct rcx_cell *cell, char *reason, size_t len)
{
	struct rcx_cpu_pair unused;

	if (cell->placement == RCX_SAME_CPU)
		return true;
	if (!rcx_has_two_ends(cell->mode, cell->op))
		snprintf(reason, len,
			 "The kernel answers inline, so there is no other end to place.");
	else if (cell->threads > 1)
		snprintf(reason, len, "Several threads use all CPUs, so they have no placement.");
	else if (rcx_serving.clock != RCX_CLOCK_TIME)
		snprintf(reason, len, "The machine that counts instructions has only one CPU.");
	else if (!rcx_find_cpus(cell->placement, &unused))
		rcx_explain_placement(cell->placement, reason, len);
	return !reason[0];
}

/* False, with a reason, when the operation does not support one of the factors. */
static bool factors_fit(const struct rcx_cell *cell, const struct rcx_operation *operation,
			char *reason, size_t len)
{
	const struct rcx_queue *queue = operation->queue;

	if ((cell->search || cell->sweep) && (cell->op != RCX_STREAM || !cell->interval))
		snprintf(reason, len, "Only the rate of a stream can be searched or swept.");
	else if (cell->wait & ~rcx_waits(cell->mode, cell->op))
		snprintf(reason, len, "Its user half does not support this wait.");
	else if (cell->threads > 1 && rcx_kernel_initiated(cell->op))
		snprintf(reason, len, "Several threads can only do push, pull and call.");
	else if (cell->threads > 1 && cell->mode->single_threaded_reason)
		snprintf(reason, len, "%s", cell->mode->single_threaded_reason);
	else if (cell->records && cell->op != RCX_DUMP)
		snprintf(reason, len, "Only a dump has records.");
	else if (cell->records > operation->records)
		snprintf(reason, len, "%s", operation->limit);
	else if (cell->queue && !queue)
		snprintf(reason, len, "The length of its queue cannot be set.");
	else if (cell->queue && (cell->queue < queue->min || cell->queue > queue->max))
		snprintf(reason, len, "Its queue can be %u to %u %s.", queue->min, queue->max,
			 queue->what);
	return !reason[0] && placement_fits(cell, reason, len);
}

enum rcx_status rcx_read_cell(json_object *request, struct rcx_cell *cell, char *reason, size_t len)
{
	const struct rcx_refusal refusal = { reason, len };
	const struct rcx_operation *operation;
	uint64_t size;
	int op;

	memset(cell, 0, sizeof(*cell));
	reason[0] = '\0';
	cell->channel = rcx_find_channel(rcx_get_text(request, "channel"));
	if (!cell->channel) {
		snprintf(reason, len, "there is no channel \"%s\"",
			 rcx_get_text(request, "channel"));
		return RCX_SKIP;
	}
	cell->mode = rcx_find_mode(cell->channel, rcx_get_text(request, "mode"));
	op = rcx_find_name(rcx_op_names, RCX_OPS, rcx_get_text(request, "operation"));
	if (!cell->mode || op < 0 || !cell->mode->operations[op].run) {
		snprintf(reason, len, "%s has no mode \"%s\" with operation \"%s\"",
			 cell->channel->name, rcx_get_text(request, "mode"),
			 rcx_get_text(request, "operation"));
		return RCX_SKIP;
	}
	operation = &cell->mode->operations[op];
	cell->op = (enum rcx_op)op;
	size = rcx_get_number(request, "size", 0, INT64_MAX, 0, &refusal);
	cell->context = read_context(request, &refusal);
	cell->wait = read_wait(request, &refusal);
	cell->placement = read_placement(request, &refusal);
	read_numbers(request, cell, &refusal);
	cell->search = rcx_get_bool(request, "search", &refusal);
	cell->sweep = rcx_get_bool(request, "sweep", &refusal);
	if (reason[0])
		return RCX_FAIL;
	if (size > operation->max) {
		snprintf(reason, len, "%s",
			 operation->limit ? operation->limit : "The limit of ringcross is 1 MiB.");
		return RCX_SKIP;
	}
	if (size < operation->min) {
		snprintf(reason, len, "The smallest size here is %u.", operation->min);
		return RCX_SKIP;
	}
	cell->size = (uint32_t)size;
	if (cell->op == RCX_DUMP && !cell->records)
		cell->records = 1;
	set_rate(cell);
	if (!factors_fit(cell, operation, reason, len))
		return RCX_SKIP;
	cell->clock = rcx_serving.clock;
	cell->events = rcx_serving.events;
	if (cell->round_units < rcx_serving.overhead.min_round)
		cell->round_units = rcx_serving.overhead.min_round;
	return RCX_OK;
}

static void add_rounds(json_object *answer, const struct rcx_result *result)
{
	json_object *rounds = json_object_new_array();

	for (uint32_t i = 0; i < result->rounds; i++)
		json_object_array_add(rounds, json_object_new_uint64(result->total[i]));
	json_object_object_add(answer, "rounds", rounds);
}

/* One more than the rounds: round i lies between control i and control i + 1. */
static void add_controls(json_object *answer, const struct rcx_result *result)
{
	json_object *controls = json_object_new_array();

	for (uint32_t i = 0; i < result->controls; i++)
		json_object_array_add(controls, json_object_new_uint64(result->control[i]));
	json_object_object_add(answer, "controls", controls);
	rcx_add_number(answer, "control_n", result->control_n);
	rcx_add_number(answer, "control_size", result->control_size);
	rcx_add_double(answer, "control_overhead", result->control_overhead);
}

static void add_stream(json_object *answer, const struct rcx_result *result, const char *key,
		       size_t offset)
{
	json_object *values = json_object_new_array();

	for (uint32_t i = 0; i < result->rounds; i++) {
		uint64_t value;

		memcpy(&value, (const char *)&result->stream[i] + offset, sizeof(value));
		json_object_array_add(values, json_object_new_uint64(value));
	}
	json_object_object_add(answer, key, values);
}

/* One value per round; null where there is none. */
static void add_values(json_object *answer, const struct rcx_result *result, const char *key,
		       const double *value)
{
	json_object *values = json_object_new_array();

	for (uint32_t i = 0; i < result->rounds; i++)
		json_object_array_add(values,
				      isnan(value[i]) ? NULL : json_object_new_double(value[i]));
	json_object_object_add(answer, key, values);
}

/* The trials as columns, like the rounds of a stream. */
static json_object *trials(const struct rcx_result *result)
{
	static const struct {
		const char *name;
		size_t offset;
	} columns[] = {
#define COLUMN(name, field) { name, offsetof(struct rcx_trial, field) }
		COLUMN("interval", interval),
		COLUMN("emitted", counts.emitted),
		COLUMN("refused", counts.refused),
		COLUMN("delivered", counts.delivered),
		COLUMN("lost", counts.lost),
		COLUMN("reordered", counts.reordered),
		COLUMN("duplicated", counts.duplicated),
		COLUMN("overruns", counts.overruns),
		COLUMN("span", counts.span),
		COLUMN("missed", counts.missed),
		COLUMN("behind", counts.behind),
		COLUMN("p50", p50),
		COLUMN("p99", p99),
#undef COLUMN
	};
	json_object *out = json_object_new_object();

	for (size_t i = 0; i < sizeof(columns) / sizeof(columns[0]); i++) {
		json_object *values = json_object_new_array();

		for (uint32_t n = 0; n < result->trials; n++) {
			uint64_t value;

			memcpy(&value, (const char *)&result->trial[n] + columns[i].offset,
			       sizeof(value));
			json_object_array_add(values, json_object_new_uint64(value));
		}
		json_object_object_add(out, columns[i].name, values);
	}
	return out;
}

static json_object *verdicts(const struct rcx_result *result)
{
	json_object *out = json_object_new_array();

	for (uint32_t n = 0; n < result->trials; n++)
		json_object_array_add(out,
				      json_object_new_string(rcx_verdict_names[result->trial[n]
										       .verdict]));
	return out;
}

/* Also for a search that found no rate: its trials show why. */
static void add_trials(json_object *answer, const struct rcx_result *result)
{
	json_object *out;

	if (!result->trials)
		return;
	out = trials(result);
	json_object_object_add(out, "verdict", verdicts(result));
	json_object_object_add(answer, "trials", out);
}

static void add_cpu(json_object *answer, const struct rcx_cpu_use *use)
{
	json_object *out = json_object_new_object();

	rcx_add_number(out, "wall", use->wall);
	rcx_add_number(out, "user", use->own);
	json_object_object_add(out, "other",
			       use->other_known ? json_object_new_uint64(use->other) : NULL);
	json_object_object_add(answer, "cpu", out);
}

static void add_events(json_object *answer, const struct rcx_result *result)
{
	json_object *out = json_object_new_object();

	for (int event = 0; event < RCX_HW_EVENTS; event++) {
		json_object *values = json_object_new_array();

		for (uint32_t i = 0; i < result->event_rounds; i++)
			json_object_array_add(values,
					      json_object_new_double(result->event[i][event]));
		json_object_object_add(out, rcx_hw_event_names[event], values);
	}
	json_object_object_add(answer, "events", out);
}

static json_object *cpu_or_null(int32_t cpu)
{
	return cpu < 0 ? NULL : json_object_new_int(cpu);
}

static void add_placement(json_object *answer, const struct rcx_cell *cell,
			  const struct rcx_result *result)
{
	bool two_ends = result->other_cpu >= 0 && cell->threads == 1;

	rcx_add_text(answer, "placement", two_ends ? rcx_placement_names[cell->placement] : "");
	json_object_object_add(answer, "user_cpu", cpu_or_null(result->user_cpu));
	json_object_object_add(answer, "other_cpu", cpu_or_null(two_ends ? result->other_cpu : -1));
}

static void add_measurement(json_object *answer, const struct rcx_cell *cell,
			    const struct rcx_result *result)
{
	json_object *validation = json_object_new_object();

	rcx_add_number(answer, "n", result->n);
	add_rounds(answer, result);
	if (cell->control_units && result->controls)
		add_controls(answer, result);
	if (cell->op == RCX_STREAM) {
#define ADD(field) add_stream(answer, result, #field, offsetof(struct rcx_stream_counts, field))
		ADD(emitted);
		ADD(refused);
		ADD(delivered);
		ADD(lost);
		ADD(reordered);
		ADD(duplicated);
		ADD(overruns);
		ADD(span);
#undef ADD
		add_values(answer, result, "overheads", result->overheads);
		add_values(answer, result, "producer", result->producer);
		add_values(answer, result, "consumer", result->consumer);
		rcx_add_number(answer, "interval", result->interval);
	}
	if (cell->search)
		rcx_add_text(answer, "bound", rcx_verdict_names[result->bound]);
	if (cell->op == RCX_NOTIFY || cell->op == RCX_STREAM)
		rcx_add_text(answer, "context", rcx_context_names[result->context]);
	if (cell->clock == RCX_CLOCK_TIME) {
		add_placement(answer, cell, result);
		add_events(answer, result);
	}
	if (result->cpu.known)
		add_cpu(answer, &result->cpu);
	rcx_add_double(answer, "round_overhead", result->round_overhead);
	rcx_add_double(answer, "sample_overhead", result->sample_overhead);
	rcx_add_number(validation, "messages", result->validation_messages);
	rcx_add_number(validation, "consumed", result->validation.consumed);
	rcx_add_number(validation, "made", result->validation.made);
	rcx_add_number(validation, "bad", result->validation.bad);
	json_object_object_add(answer, "validation", validation);
	rcx_add_number(answer, "samples", result->samples);
	rcx_add_number(answer, "bytes", result->samples * sizeof(result->sample[0]));
}

/* A module that cannot be unloaded fails the cell, but an earlier reason is kept. */
static void unload_module(const struct rcx_channel *channel, struct rcx_result *result)
{
	int err = rcx_unload_for(channel);

	if (!err)
		return;
	result->status = RCX_FAIL;
	if (!result->reason[0])
		snprintf(result->reason, sizeof(result->reason), "cannot unload %s: %s",
			 channel->module, strerror(-err));
}

void rcx_do_cell(json_object *request)
{
	char reason[256] = "";
	uint64_t id = rcx_get_number(request, "id", 0, INT64_MAX, 0,
				     &(struct rcx_refusal){ reason, sizeof(reason) });
	struct rcx_result *result = rcx_serving.result;
	json_object *answer;
	struct rcx_cell cell;
	bool ok;

	if (reason[0] || !rcx_serving.is_set_up) {
		rcx_answer_error(reason[0] ? reason : RCX_NO_SETUP);
		return;
	}
	rcx_answer_begin(id);
	memset(result, 0, offsetof(struct rcx_result, total));
	result->validation_messages = result->samples = 0;
	result->status = rcx_read_cell(request, &cell, result->reason, sizeof(result->reason));
	if (result->status == RCX_OK) {
		result->status = RCX_FAIL;
		rcx_load_for(cell.channel, result->reason, sizeof(result->reason));
		if (!result->reason[0])
			rcx_cell_run(&cell, &rcx_serving.overhead, result);
		unload_module(cell.channel, result);
	}
	ok = result->status == RCX_OK;

	answer = rcx_answer_new("cell");
	rcx_add_number(answer, "id", id);
	rcx_add_text(answer, "status", rcx_status_names[result->status]);
	rcx_add_text(answer, "reason", result->reason);
	if (ok)
		add_measurement(answer, &cell, result);
	add_trials(answer, result);
	json_object_object_add(answer, "log", rcx_log_lines());
	rcx_answer(answer);
	if (ok)
		rcx_answer_binary(result->sample, result->samples * sizeof(result->sample[0]));
}
