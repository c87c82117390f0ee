// SPDX-License-Identifier: GPL-2.0-only
/* Run all probes one after the other, and make an answer of their findings. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>
#include "probe.h"

/* Deadline of a probe, on the target's clock.  No probe needs a tenth of it. */
#define PROBE_MS 6000
#define EXIT_US	 20000 /* until the processes of a killed probe have exited */

extern const struct rcx_probe *const __start_rcx_probes[];
extern const struct rcx_probe *const __stop_rcx_probes[];

/* ---- findings ---------------------------------------------------------- */

static struct rcx_finding *add_finding(struct rcx_probing *probing, const char *name)
{
	struct rcx_findings *findings = probing->findings;
	struct rcx_finding *found;

	/* More properties than RCX_FINDINGS_MAX are a bug of the agent. */
	if (findings->count == RCX_FINDINGS_MAX)
		_exit(2);
	found = &findings->found[findings->count++];
	memset(found, 0, sizeof(*found));
	snprintf(found->name, sizeof(found->name), "%s", name);
	for (int op = 0; op < RCX_OPS; op++)
		found->each[op] = NAN;
	return found;
}

#define DETAIL(found, format)                                                      \
	do {                                                                       \
		va_list args;                                                      \
                                                                                   \
		va_start(args, format);                                            \
		vsnprintf((found)->detail, sizeof((found)->detail), format, args); \
		va_end(args);                                                      \
	} while (0)

struct rcx_finding *rcx_find_text(struct rcx_probing *probing, const char *name, const char *value,
				  const char *detail, ...)
{
	struct rcx_finding *found = add_finding(probing, name);

	found->kind = RCX_TEXT;
	snprintf(found->text, sizeof(found->text), "%s", value);
	DETAIL(found, detail);
	return found;
}

struct rcx_finding *rcx_find_bool(struct rcx_probing *probing, const char *name, bool value,
				  const char *detail, ...)
{
	struct rcx_finding *found = add_finding(probing, name);

	found->kind = RCX_BOOL;
	found->number = value;
	DETAIL(found, detail);
	return found;
}

struct rcx_finding *rcx_find_number(struct rcx_probing *probing, const char *name, double value,
				    const char *detail, ...)
{
	struct rcx_finding *found = add_finding(probing, name);

	found->kind = RCX_NUMBER;
	found->number = value;
	DETAIL(found, detail);
	return found;
}

struct rcx_finding *rcx_find_nothing(struct rcx_probing *probing, const char *name,
				     const char *detail, ...)
{
	struct rcx_finding *found = add_finding(probing, name);

	DETAIL(found, detail);
	return found;
}

struct rcx_finding *rcx_find_failure(struct rcx_probing *probing, const char *name,
				     const char *detail, ...)
{
	struct rcx_finding *found = add_finding(probing, name);

	found->failed = true;
	DETAIL(found, detail);
	return found;
}

struct rcx_finding *rcx_find_each(struct rcx_probing *probing, const char *name)
{
	struct rcx_finding *found = add_finding(probing, name);

	found->kind = RCX_EACH;
	return found;
}

void rcx_append(char *text, size_t len, const char *format, ...)
{
	size_t at = strlen(text);
	va_list args;

	va_start(args, format);
	vsnprintf(text + at, len - at, format, args);
	va_end(args);
}

const char *rcx_errno_name(int code)
{
	const char *name = code ? strerrorname_np(code) : "nothing";

	return name ? name : "an unknown errno";
}

/* ---- sessions ---------------------------------------------------------- */

bool rcx_is_narrow(const struct rcx_operation *operation)
{
	return operation->min == operation->max;
}

uint32_t rcx_small_size(const struct rcx_mode *mode, enum rcx_op op)
{
	const struct rcx_operation *operation = &mode->operations[op];

	return operation->min > 8 ? operation->min : operation->max < 8 ? operation->max : 8;
}

bool rcx_event_operation(const struct rcx_mode *mode, enum rcx_op *op)
{
	*op = mode->operations[RCX_STREAM].run ? RCX_STREAM : RCX_NOTIFY;
	return mode->operations[*op].run;
}

struct rcx_cell rcx_probe_cell(const struct rcx_probing *probing, enum rcx_op op, uint32_t size)
{
	return (struct rcx_cell){
		.channel = probing->channel,
		.mode = probing->mode,
		.op = op,
		.size = size,
		.records = op == RCX_DUMP ? RCX_FEW_RECORDS : 0,
		.context = -1,
		.clock = probing->clock,
	};
}

bool rcx_emit_and_wait(struct rcx_session *s, uint64_t count, uint32_t ms)
{
	s->context = RCX_PROCESS;
	return !rcx_session_emit(s, count, 1, 0) && rcx_wait_emitted(s, ms);
}

bool rcx_wait_emitted(const struct rcx_session *s, uint32_t ms)
{
	uint64_t emitted = s->page->emitted;

	for (uint32_t waited = 0; waited < ms && !s->page->done; waited++) {
		usleep(1000);
		if (s->page->emitted != emitted)
			waited = 0;
		emitted = s->page->emitted;
	}
	return s->page->done;
}

bool rcx_counts_pushed(const struct rcx_session *s, const struct rcx_counts *counts)
{
	return s->core < 0 || s->channel->flags & RCX_BASELINE || counts->consumed;
}

/* ---- all probes -------------------------------------------------------- */

struct job {
	const struct rcx_probe *probe;
	struct rcx_probing *probing;
};

static void run_job(void *arg)
{
	const struct job *job = arg;

	job->probe->run(job->probing);
}

static void run_probe(const struct rcx_probe *probe, struct rcx_probing *probing,
		      void (*load)(const struct rcx_channel *, char *, size_t))
{
	struct job job = { probe, probing };
	uint32_t before = probing->findings->count;
	char reason[256] = "";

	if (probing->findings->lacking[0]) {
		rcx_find_nothing(probing, probe->name, "%s", probing->findings->lacking);
		return;
	}
	if (!probe->one_shot == !!probing->mode->one_shot_reason) {
		if (probing->mode->one_shot_reason)
			rcx_find_nothing(probing, probe->name, "%s",
					 probing->mode->one_shot_reason);
		return;
	}
	load(probing->channel, reason, sizeof(reason));
	if (!reason[0] && rcx_in_child(run_job, &job, PROBE_MS, reason, sizeof(reason))) {
		if (probing->findings->count == before)
			rcx_find_failure(probing, probe->name, "The probe reported no result.");
		return;
	}
	probing->findings->count = before;
	rcx_find_failure(probing, probe->name, "The probe %s.", reason);
	usleep(EXIT_US);
}

/* A mode that this machine lacks has no properties. */
static void try_open(void *arg)
{
	const struct rcx_probing *probing = arg;
	static const enum rcx_op order[RCX_OPS] = { RCX_PUSH,	RCX_PULL,   RCX_CALL, RCX_NOTIFY,
						    RCX_STREAM, RCX_UPCALL, RCX_DUMP };
	enum rcx_op op = rcx_first_op(probing->mode, order);
	struct rcx_cell cell = rcx_probe_cell(probing, op, probing->mode->operations[op].min);
	struct rcx_session s;

	if (rcx_session_open(&s, &cell, false) && s.skip)
		snprintf(probing->findings->lacking, sizeof(probing->findings->lacking), "%s",
			 s.error);
	rcx_session_close(&s);
}

static void find_lacking(struct rcx_probing *probing,
			 void (*load)(const struct rcx_channel *, char *, size_t))
{
	char reason[256] = "";

	if (probing->mode->one_shot_reason)
		return;
	load(probing->channel, reason, sizeof(reason));
	if (!reason[0])
		rcx_in_child(try_open, probing, PROBE_MS, reason, sizeof(reason));
}

static json_object *number_of(double number)
{
	return number == round(number) ? json_object_new_int64((int64_t)number) :
					 json_object_new_double(number);
}

static json_object *value_of(const struct rcx_finding *found)
{
	json_object *each;

	switch (found->kind) {
	case RCX_BOOL:
		return json_object_new_boolean(found->number != 0);
	case RCX_NUMBER:
		return number_of(found->number);
	case RCX_TEXT:
		return json_object_new_string(found->text);
	case RCX_EACH:
		each = json_object_new_object();
		for (int op = 0; op < RCX_OPS; op++)
			if (!isnan(found->each[op]))
				json_object_object_add(each, rcx_op_names[op],
						       number_of(found->each[op]));
		return each;
	default:
		return NULL;
	}
}

static const char *how_of(const struct rcx_finding *found)
{
	if (found->failed)
		return "failed";
	if (found->kind == RCX_NOTHING)
		return "none";
	return found->counted ? "counted" : found->documented ? "documented" : "probe";
}

static json_object *property_of(const struct rcx_finding *found)
{
	json_object *property = json_object_new_object();

	json_object_object_add(property, "value", found->failed ? NULL : value_of(found));
	json_object_object_add(property, "how", json_object_new_string(how_of(found)));
	json_object_object_add(property, "detail", json_object_new_string(found->detail));
	return property;
}

json_object *rcx_probe_mode(const struct rcx_channel *channel, const struct rcx_mode *mode,
			    uint32_t clock,
			    void (*load)(const struct rcx_channel *, char *, size_t))
{
	struct rcx_probing probing = { .channel = channel, .mode = mode, .clock = clock };
	json_object *properties = json_object_new_object();

	probing.findings = mmap(NULL, sizeof(*probing.findings), PROT_READ | PROT_WRITE,
				MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (probing.findings == MAP_FAILED)
		return properties;
	find_lacking(&probing, load);
	for (const struct rcx_probe *const *probe = __start_rcx_probes; probe < __stop_rcx_probes;
	     probe++)
		run_probe(*probe, &probing, load);
	for (uint32_t i = 0; i < probing.findings->count; i++)
		json_object_object_add(properties, probing.findings->found[i].name,
				       property_of(&probing.findings->found[i]));
	munmap(probing.findings, sizeof(*probing.findings));
	return properties;
}
