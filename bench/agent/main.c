// SPDX-License-Identifier: GPL-2.0-only
/* The agent: reads requests, does them in order, answers.  See PROTOCOL.md. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/utsname.h>
#include <unistd.h>
#include "agent.h"
#include "hostile.h"

#define FILE_MAX 65536		/* of a file that is read for the harness */
#define DEADLINE_MS 20000
#define SETTLE 3		/* seconds; under icount they pass at once */
#define HOSTILE_MS 60000	/* for all that is hostile to one kernel half */
#define INTERVAL_MAX 1000000000	/* ns */
#define NO_SETUP "the first request must be setup"

static const char *modules = "/modules";
static uint32_t clock_kind = RC_CLOCK_TIME;
static bool is_set_up;		/* the clock is chosen and @overhead known */
static struct rc_overhead overhead;
static struct rc_result *result;

/* A text; "" where it is none, or none that C can hold. */
static const char *text(json_object *request, const char *key)
{
	json_object *value;
	const char *got;

	if (!json_object_object_get_ex(request, key, &value) ||
	    !json_object_is_type(value, json_type_string))
		return "";
	got = json_object_get_string(value);
	return strlen(got) == (size_t)json_object_get_string_len(value) ? got : "";
}

static bool is_true(json_object *request, const char *key)
{
	json_object *value;

	return json_object_object_get_ex(request, key, &value) &&
	       json_object_is_type(value, json_type_boolean) && json_object_get_boolean(value);
}

static bool whole(json_object *value, int64_t low, int64_t high)
{
	return json_object_is_type(value, json_type_int) &&
	       json_object_get_int64(value) >= low && json_object_get_int64(value) <= high;
}

/* What is asked for wrongly is refused: a number that was bent into range would
 * be measured under a wrong name.  The first reason stands.
 */
struct refusal {
	char *reason;
	size_t len;
};

static uint64_t number(json_object *request, const char *key, int64_t low, int64_t high,
		       int64_t otherwise, const struct refusal *refusal)
{
	json_object *value;

	if (!json_object_object_get_ex(request, key, &value))
		return (uint64_t)otherwise;
	if (whole(value, low, high))
		return (uint64_t)json_object_get_int64(value);
	if (!refusal->reason[0])
		snprintf(refusal->reason, refusal->len,
			 "\"%s\" must be a whole number from %lld to %lld", key,
			 (long long)low, (long long)high);
	return (uint64_t)otherwise;
}

static bool truth(json_object *request, const char *key, const struct refusal *refusal)
{
	json_object *value;

	if (!json_object_object_get_ex(request, key, &value))
		return false;
	if (!json_object_is_type(value, json_type_boolean) && !refusal->reason[0])
		snprintf(refusal->reason, refusal->len, "\"%s\" must be true or false", key);
	return json_object_get_boolean(value);
}

static void add_text(json_object *answer, const char *key, const char *value)
{
	json_object_object_add(answer, key, json_object_new_string(value));
}

static void add_number(json_object *answer, const char *key, uint64_t value)
{
	json_object_object_add(answer, key, json_object_new_uint64(value));
}

static void add_double(json_object *answer, const char *key, double value)
{
	json_object_object_add(answer, key, json_object_new_double(value));
}

static void answer_error(const char *reason)
{
	json_object *answer = rc_answer_new("error");

	add_text(answer, "reason", reason);
	rc_answer(answer);
}

/* ---- small requests ---------------------------------------------------- */

static void hello(void)
{
	json_object *answer = rc_answer_new("hello");
	struct utsname name;

	uname(&name);
	json_object_object_add(answer, "protocol", json_object_new_int(RC_PROTOCOL));
	add_text(answer, "kernel", name.release);
	add_text(answer, "machine", name.machine);
	rc_answer(answer);
}

static void do_setup(json_object *request)
{
	static const char *const names[] = {
		[RC_CLOCK_TIME] = "time",
		[RC_CLOCK_INSTRUCTIONS] = "instructions",
	};
	int kind = rc_find_name(names, 2, text(request, "clock"));
	json_object *answer;

	if (kind < 0) {
		answer_error("\"clock\" must be \"time\" or \"instructions\"");
		return;
	}
	/* A kernel that has just booted is not at rest: for its first second or
	 * two, each switch between tasks costs some 50 instructions more.
	 */
	if (getpid() == 1 && !is_set_up)
		sleep(SETTLE);
	clock_kind = (uint32_t)kind;
	rc_calibrate(clock_kind, &overhead);
	is_set_up = true;
	answer = rc_answer_new("setup");
	add_text(answer, "clock", names[kind]);
	add_double(answer, "read", overhead.read);
	add_double(answer, "loop", overhead.loop);
	json_object_object_add(answer, "enough",
			       overhead.scales ? json_object_new_uint64(overhead.enough) : NULL);
	rc_answer(answer);
}

/* NULL where there is nothing to read; what would block has nothing. */
static json_object *file_text(const char *path)
{
	static char content[FILE_MAX];
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	size_t len = 0;
	ssize_t got = -1;

	if (fd < 0)
		return NULL;
	while (len < sizeof(content) &&
	       (got = read(fd, content + len, sizeof(content) - len)) > 0)
		len += (size_t)got;
	close(fd);
	return got < 0 && !len ? NULL : json_object_new_string_len(content, (int)len);
}

/* The array called @key, of which each element satisfies @is; else NULL, and
 * the answer is given.
 */
static json_object *array(json_object *request, const char *key,
			  bool (*is)(json_object *), const char *must)
{
	json_object *values;
	bool good = json_object_object_get_ex(request, key, &values) &&
		    json_object_is_type(values, json_type_array);

	for (size_t i = 0; good && i < json_object_array_length(values); i++)
		good = is(json_object_array_get_idx(values, i));
	if (good)
		return values;
	answer_error(must);
	return NULL;
}

static bool is_path(json_object *value)
{
	return json_object_is_type(value, json_type_string);
}

static void do_read(json_object *request)
{
	json_object *paths = array(request, "paths", is_path, "\"paths\" must be a list of texts");
	json_object *answer, *files;

	if (!paths)
		return;
	answer = rc_answer_new("read");
	files = json_object_new_object();
	for (size_t i = 0; i < json_object_array_length(paths); i++) {
		const char *path = json_object_get_string(json_object_array_get_idx(paths, i));

		json_object_object_add(files, path, file_text(path));
	}
	json_object_object_add(answer, "files", files);
	rc_answer(answer);
}

static bool is_size(json_object *value)
{
	return whole(value, 0, RC_BODY_MAX);
}

static void do_floors(json_object *request)
{
	json_object *sizes = array(request, "sizes", is_size,
				   "\"sizes\" must be a list of numbers up to 1 MiB");
	json_object *answer, *copy;

	if (!sizes)
		return;
	if (!is_set_up) {
		answer_error(NO_SETUP);
		return;
	}
	answer = rc_answer_new("floors");
	copy = json_object_new_object();
	for (size_t i = 0; i < json_object_array_length(sizes); i++) {
		int64_t size = json_object_get_int64(json_object_array_get_idx(sizes, i));
		char key[24];

		snprintf(key, sizeof(key), "%lld", (long long)size);
		add_double(copy, key, rc_copy_floor(clock_kind, (uint32_t)size));
	}
	json_object_object_add(answer, "copy", copy);
	rc_answer(answer);
}

/* ---- cells ------------------------------------------------------------- */

/* Load what @channel needs; "" or why not. */
static void load_modules(const struct rc_channel *channel, char *reason, size_t len)
{
	char needs[256], *save, *name;
	int err = 0;

	reason[0] = '\0';
	if (!channel->module)
		return;
	snprintf(needs, sizeof(needs), "%s", channel->needs ? channel->needs : "");
	for (name = strtok_r(needs, " ", &save); name; name = strtok_r(NULL, " ", &save)) {
		err = rc_module_load(modules, name);
		/* The kernel may have it built in, which shows when ours loads. */
		if (err && err != -ENOENT)
			snprintf(reason, len, "cannot load %s: %s", name, strerror(-err));
	}
	err = rc_module_load(modules, "rc_core");
	if (!err)
		err = rc_module_load(modules, channel->module);
	if (err)
		snprintf(reason, len, "cannot load %s: %s", channel->module, strerror(-err));
}

/* A module that stays fails the cell, but does not hide an earlier reason. */
static void unload_module(const struct rc_channel *channel, struct rc_result *result)
{
	int err;

	if (!channel->module || !rc_module_loaded(channel->module))
		return;
	err = rc_module_unload(channel->module);
	if (!err)
		return;
	result->status = RC_FAIL;
	if (!result->reason[0])
		snprintf(result->reason, sizeof(result->reason), "cannot unload %s: %s",
			 channel->module, strerror(-err));
}

/* The context by its name, or -1 for the channel's default. */
static int read_context(json_object *request, const struct refusal *refusal)
{
	const char *name = text(request, "context");
	int context = rc_find_name(rc_context_names, RC_CONTEXTS, name);

	if (context < 0 && strcmp(name, "default") && !refusal->reason[0] &&
	    json_object_object_get_ex(request, "context", NULL))
		snprintf(refusal->reason, refusal->len, "no context is called \"%s\"", name);
	return context;
}

/* The wait by its name, or 0 for the usual one. */
static uint32_t read_wait(json_object *request, const struct refusal *refusal)
{
	const char *name = text(request, "wait");
	int wait = rc_find_name(rc_wait_names, RC_WAITS, name);
	json_object *value;

	if (!json_object_object_get_ex(request, "wait", &value))
		return 0;
	if (json_object_is_type(value, json_type_string) &&
	    !json_object_get_string_len(value))
		return 0;
	if (wait < 0 && !refusal->reason[0])
		snprintf(refusal->reason, refusal->len, "no wait is called \"%s\"", name);
	return wait < 0 ? 0 : 1u << wait;
}

static void read_numbers(json_object *request, struct rc_cell *cell,
			 const struct refusal *refusal)
{
#define NUMBER(key, low, high, otherwise) \
	number(request, key, low, high, otherwise, refusal)
	cell->burst = (uint32_t)NUMBER("burst", 1, RC_BURST_MAX, 1);
	cell->interval = NUMBER("interval", 0, INTERVAL_MAX, 0);
	cell->threads = (uint32_t)NUMBER("threads", 1, RC_THREADS_MAX, 1);
	cell->queue = (uint32_t)NUMBER("queue", 0, INT32_MAX, 0);
	cell->rounds = (uint32_t)NUMBER("rounds", 1, RC_ROUNDS_MAX, 11);
	cell->samples = (uint32_t)NUMBER("samples", 0, RC_SAMPLES_MAX, 0);
	cell->round_units = NUMBER("round_units", 1000, 1000000000, 300000);
	cell->deadline_ms = (uint32_t)NUMBER("deadline_ms", 1, 3600000, DEADLINE_MS);
#undef NUMBER
}

static void set_rate(struct rc_cell *cell)
{
	if (cell->search && !cell->interval)	/* somewhere to begin */
		cell->interval = 4000 + (1000ull + cell->size / 4) * cell->burst;
	if (cell->interval > INTERVAL_MAX)
		cell->interval = INTERVAL_MAX;
	/* As fast as it goes: only a thread can, an interrupt would never end. */
	if (cell->op == RC_STREAM && !cell->interval && cell->context < 0)
		cell->context = RC_PROCESS;
}

/* What the operation has not got is a skip, and says so. */
static bool factors_fit(const struct rc_cell *cell, const struct rc_operation *operation,
			char *reason, size_t len)
{
	const struct rc_queue *queue = operation->queue;

	if ((cell->search || cell->sweep) && (cell->op != RC_STREAM || !cell->interval))
		snprintf(reason, len, "Only the rate of a stream can be searched or swept.");
	else if (cell->wait & ~rc_waits(cell->mode, cell->op))
		snprintf(reason, len, "Its user half cannot wait in this way.");
	else if (cell->threads > 1 && (cell->op == RC_NOTIFY || cell->op == RC_STREAM))
		snprintf(reason, len, "Threads do push, pull and call at once, and nothing else.");
	else if (cell->threads > 1 && cell->mode->alone)
		snprintf(reason, len, "%s", cell->mode->alone);
	else if (cell->queue && !queue)
		snprintf(reason, len, "The length of its queue cannot be set.");
	else if (cell->queue && (cell->queue < queue->min || cell->queue > queue->max))
		snprintf(reason, len, "Its queue can be %u to %u %s.", queue->min, queue->max,
			 queue->what);
	return !reason[0];
}

/* RC_OK, or RC_SKIP for what nobody has and RC_FAIL for what nobody can mean. */
static enum rc_status read_cell(json_object *request, struct rc_cell *cell,
				char *reason, size_t len)
{
	const struct refusal refusal = { reason, len };
	const struct rc_operation *operation;
	uint64_t size;
	int op;

	memset(cell, 0, sizeof(*cell));
	reason[0] = '\0';
	cell->channel = rc_find_channel(text(request, "channel"));
	if (!cell->channel) {
		snprintf(reason, len, "no channel is called \"%s\"", text(request, "channel"));
		return RC_SKIP;
	}
	cell->mode = rc_find_mode(cell->channel, text(request, "mode"));
	op = rc_find_name(rc_op_names, RC_OPS, text(request, "operation"));
	if (!cell->mode || op < 0 || !cell->mode->operations[op].run) {
		snprintf(reason, len, "%s has no mode \"%s\" with operation \"%s\"",
			 cell->channel->name, text(request, "mode"), text(request, "operation"));
		return RC_SKIP;
	}
	operation = &cell->mode->operations[op];
	cell->op = (enum rc_op)op;
	size = number(request, "size", 0, INT64_MAX, 0, &refusal);
	cell->context = read_context(request, &refusal);
	cell->wait = read_wait(request, &refusal);
	read_numbers(request, cell, &refusal);
	cell->search = truth(request, "search", &refusal);
	cell->sweep = truth(request, "sweep", &refusal);
	if (reason[0])
		return RC_FAIL;
	if (size > operation->max) {
		snprintf(reason, len, "%s", operation->limit ? operation->limit
							     : "The suite stops at 1 MiB.");
		return RC_SKIP;
	}
	if (size < operation->min) {
		snprintf(reason, len, "The smallest size here is %u.", operation->min);
		return RC_SKIP;
	}
	cell->size = (uint32_t)size;
	set_rate(cell);
	if (!factors_fit(cell, operation, reason, len))
		return RC_SKIP;
	cell->clock = clock_kind;
	if (cell->round_units < overhead.enough)
		cell->round_units = overhead.enough;
	return RC_OK;
}

static void add_rounds(json_object *answer)
{
	json_object *rounds = json_object_new_array();

	for (uint32_t i = 0; i < result->rounds; i++)
		json_object_array_add(rounds, json_object_new_uint64(result->total[i]));
	json_object_object_add(answer, "rounds", rounds);
}

static void add_stream(json_object *answer, const char *key, size_t offset)
{
	json_object *values = json_object_new_array();

	for (uint32_t i = 0; i < result->rounds; i++) {
		uint64_t value;

		memcpy(&value, (char *)&result->stream[i] + offset, sizeof(value));
		json_object_array_add(values, json_object_new_uint64(value));
	}
	json_object_object_add(answer, key, values);
}

/* Columns, as the rounds of a stream are. */
static json_object *trials(void)
{
	static const struct {
		const char *name;
		size_t offset;
	} columns[] = {
#define COLUMN(name, field) { name, offsetof(struct rc_trial, field) }
		COLUMN("interval", interval),
		COLUMN("raised", counts.raised),
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

			memcpy(&value, (char *)&result->trial[n] + columns[i].offset,
			       sizeof(value));
			json_object_array_add(values, json_object_new_uint64(value));
		}
		json_object_object_add(out, columns[i].name, values);
	}
	return out;
}

static json_object *verdicts(void)
{
	json_object *out = json_object_new_array();

	for (uint32_t n = 0; n < result->trials; n++)
		json_object_array_add(out, json_object_new_string(
					      rc_verdict_names[result->trial[n].verdict]));
	return out;
}

/* Also of a search that found nothing: its trials say why. */
static void add_trials(json_object *answer)
{
	json_object *out;

	if (!result->trials)
		return;
	out = trials();
	json_object_object_add(out, "verdict", verdicts());
	json_object_object_add(answer, "trials", out);
}

static void add_measurement(json_object *answer, const struct rc_cell *cell)
{
	json_object *proof = json_object_new_object();

	add_number(answer, "n", result->n);
	add_rounds(answer);
	if (cell->op == RC_STREAM) {
#define ADD(field) add_stream(answer, #field, offsetof(struct rc_stream_counts, field))
		ADD(raised);
		ADD(refused);
		ADD(delivered);
		ADD(lost);
		ADD(reordered);
		ADD(duplicated);
		ADD(overruns);
		ADD(span);
#undef ADD
		add_number(answer, "interval", result->interval);
	}
	if (cell->search)
		add_text(answer, "bound", rc_verdict_names[result->bound]);
	if (cell->op == RC_NOTIFY || cell->op == RC_STREAM)
		add_text(answer, "context", rc_context_names[result->context]);
	add_double(answer, "round_overhead", result->round_overhead);
	add_double(answer, "sample_overhead", result->sample_overhead);
	add_number(proof, "messages", result->proof_messages);
	add_number(proof, "consumed", result->proof.consumed);
	add_number(proof, "made", result->proof.made);
	add_number(proof, "bad", result->proof.bad);
	json_object_object_add(answer, "proof", proof);
	add_number(answer, "samples", result->samples);
	add_number(answer, "bytes", result->samples * sizeof(result->sample[0]));
}

/* So that the harness can tell what was in flight when a machine dies. */
static void begin(uint64_t id)
{
	json_object *answer = rc_answer_new("begin");

	add_number(answer, "id", id);
	rc_answer(answer);
	rc_log_skip();
}

static const char *const status_names[] = { "fail", "ok", "skip" };

static void do_cell(json_object *request)
{
	char reason[256] = "";
	uint64_t id = number(request, "id", 0, INT64_MAX, 0,
			     &(struct refusal){ reason, sizeof(reason) });
	json_object *answer;
	struct rc_cell cell;
	bool ok;

	if (reason[0] || !is_set_up) {
		answer_error(reason[0] ? reason : NO_SETUP);
		return;
	}
	begin(id);
	memset(result, 0, offsetof(struct rc_result, total));
	result->proof_messages = result->samples = 0;
	result->status = read_cell(request, &cell, result->reason, sizeof(result->reason));
	if (result->status == RC_OK) {
		result->status = RC_FAIL;
		load_modules(cell.channel, result->reason, sizeof(result->reason));
		if (!result->reason[0])
			rc_cell_run(&cell, &overhead, result);
		unload_module(cell.channel, result);
	}
	ok = result->status == RC_OK;

	answer = rc_answer_new("cell");
	add_number(answer, "id", id);
	add_text(answer, "status", status_names[result->status]);
	add_text(answer, "reason", result->reason);
	if (ok)
		add_measurement(answer, &cell);
	add_trials(answer);
	json_object_object_add(answer, "log", rc_log_lines());
	rc_answer(answer);
	if (ok)
		rc_answer_binary(result->sample, result->samples * sizeof(result->sample[0]));
}

/* ---- the x-ray --------------------------------------------------------- */

static struct rc_xray *xray;
static bool is_tracing;

/* Start or stop the tracer unless it is so already; "" or why not. */
static void trace(bool on, char *reason, size_t len)
{
	int err = 0;

	if (on != is_tracing)
		err = on ? rc_tracer_start(clock_kind) : rc_tracer_stop();
	if (err)
		snprintf(reason, len, "cannot %s the kernel's function-graph tracer: %s",
			 on ? "start" : "stop", strerror(-err));
	else
		is_tracing = on;
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
	rc_xray_take(arg, &overhead, xray);
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
	load_modules(cell->channel, xray->reason, sizeof(xray->reason));
	if (!xray->reason[0])
		trace(xray->traced, xray->reason, sizeof(xray->reason));
	if (!xray->reason[0] &&
	    !rc_in_child(xray_job, cell, cell->deadline_ms, reason, sizeof(reason))) {
		xray->status = RC_FAIL;
		memcpy(xray->reason, reason, sizeof(reason));
	}
	if (cell->channel->module && rc_module_loaded(cell->channel->module))
		rc_module_unload(cell->channel->module);
}

static void answer_xray(uint64_t id)
{
	json_object *answer = rc_answer_new("xray");
	bool pages = xray->status == RC_OK && xray->traced;

	add_number(answer, "id", id);
	add_text(answer, "status", status_names[xray->status]);
	add_text(answer, "reason", xray->reason);
	json_object_object_add(answer, "traced", json_object_new_boolean(xray->traced));
	add_number(answer, "units", xray->units);
	add_double(answer, "overhead", xray->overhead);
	if (pages) {
		add_number(answer, "start", xray->start);
		add_number(answer, "end", xray->end);
		add_number(answer, "dropped", xray->dropped);
		json_object_object_add(answer, "names", json_object_new_string_len(
					       xray->names, (int)xray->names_len));
		json_object_object_add(answer, "tasks", json_object_new_string_len(
					       xray->tasks, (int)xray->tasks_len));
		add_number(answer, "samples", xray->pages_len / 8);
		add_number(answer, "bytes", xray->pages_len);
	}
	json_object_object_add(answer, "log", rc_log_lines());
	rc_answer(answer);
	if (pages)
		rc_answer_binary(xray->pages, xray->pages_len);
}

static void do_xray(json_object *request)
{
	char reason[256] = "";
	const struct refusal refusal = { reason, sizeof(reason) };
	uint64_t id = number(request, "id", 0, INT64_MAX, 0, &refusal);
	uint64_t repeat = number(request, "repeat", 1, 1000, 1, &refusal);
	struct rc_cell cell;

	if (reason[0] || !is_set_up || !get_xray()) {
		answer_error(reason[0] ? reason : is_set_up ? "no memory" : NO_SETUP);
		return;
	}
	begin(id);
	xray->repeat = (uint32_t)repeat;
	xray->traced = is_true(request, "traced");
	xray->status = read_cell(request, &cell, xray->reason, sizeof(xray->reason));
	if (xray->status == RC_OK)
		take_xray(&cell);
	answer_xray(id);
}

static void do_lifecycle(json_object *request)
{
	json_object *answer = rc_answer_new("lifecycle");
	const struct rc_channel *channel = rc_find_channel(text(request, "channel"));
	char reason[256] = "no such channel";

	rc_log_skip();
	if (channel) {
		load_modules(channel, reason, sizeof(reason));
		if (channel->module && !reason[0])
			rc_module_unload(channel->module);
		if (!reason[0])
			rc_lifecycle(channel, modules, reason, sizeof(reason));
	}
	add_text(answer, "channel", text(request, "channel"));
	add_text(answer, "status", reason[0] ? "fail" : "ok");
	add_text(answer, "reason", reason);
	json_object_object_add(answer, "log", rc_log_lines());
	rc_answer(answer);
}

static void do_hostile(json_object *request)
{
	const struct rc_hostile_entry *entry = rc_find_hostile(text(request, "channel"));
	const struct rc_channel *channel = entry ? rc_find_channel(entry->channel) : NULL;
	json_object *answer = rc_answer_new("hostile");
	json_object *cases = NULL;
	char reason[256] = "no hostile.c is there for it";

	rc_log_skip();
	if (channel) {
		load_modules(channel, reason, sizeof(reason));
		if (!reason[0])
			cases = rc_hostile_run(entry, HOSTILE_MS, &overhead, result, reason,
					       sizeof(reason));
	}
	add_text(answer, "channel", text(request, "channel"));
	add_text(answer, "status", reason[0] ? "fail" : "ok");
	add_text(answer, "reason", reason);
	json_object_object_add(answer, "cases", cases ? cases : json_object_new_array());
	json_object_object_add(answer, "log", rc_log_lines());
	rc_answer(answer);
}

/* ---- properties -------------------------------------------------------- */

static void do_probe(json_object *request)
{
	const struct rc_channel *channel = rc_find_channel(text(request, "channel"));
	const struct rc_mode *mode = channel ? rc_find_mode(channel, text(request, "mode")) : NULL;
	json_object *answer;

	if (!mode || !is_set_up) {
		answer_error(is_set_up ? "no such channel or mode to probe" : NO_SETUP);
		return;
	}
	rc_log_skip();
	answer = rc_answer_new("probe");
	add_text(answer, "channel", channel->name);
	add_text(answer, "mode", mode->name);
	json_object_object_add(answer, "properties",
			       rc_probe_mode(channel, mode, clock_kind, load_modules));
	if (channel->module && rc_module_loaded(channel->module))
		rc_module_unload(channel->module);
	json_object_object_add(answer, "log", rc_log_lines());
	rc_answer(answer);
}

/* ---- how to die, for the tests of the harness -------------------------- */

static void do_hang(json_object *request)
{
	(void)request;
	for (;;)
		__asm__ volatile("" ::: "memory");
}

static void do_panic(json_object *request)
{
	int fd = open("/proc/sysrq-trigger", O_WRONLY | O_CLOEXEC);

	(void)request;
	if (fd < 0 || write(fd, "c", 1) != 1)
		answer_error("cannot crash this kernel");
}

static void do_die(json_object *request)
{
	(void)request;
	if (getpid() == 1)
		rc_machine_restart();
	exit(1);
}

/* ---- the loop ---------------------------------------------------------- */

static const struct {
	const char *name;
	void (*serve)(json_object *request);
} requests[] = {
	{ "setup", do_setup },
	{ "read", do_read },
	{ "floors", do_floors },
	{ "cell", do_cell },
	{ "lifecycle", do_lifecycle },
	{ "hostile", do_hostile },
	{ "probe", do_probe },
	{ "xray", do_xray },
	{ "hang", do_hang },
	{ "panic", do_panic },
	{ "die", do_die },
};

/* All of @line and nothing behind it, or NULL. */
static json_object *parse(const char *line, size_t len)
{
	json_tokener *tokener = json_tokener_new();
	json_object *request = NULL;

	if (!tokener || len > INT_MAX)
		goto out;
	while (len && strchr(" \t\r\n", line[len - 1]) && line[len - 1])
		len--;
	request = json_tokener_parse_ex(tokener, line, (int)len);
	if (!json_object_is_type(request, json_type_object) ||
	    json_tokener_get_parse_end(tokener) != len) {
		json_object_put(request);
		request = NULL;
	}
out:
	if (tokener)
		json_tokener_free(tokener);
	return request;
}

static void serve(const char *line, size_t len)
{
	json_object *request = parse(line, len);
	const char *verb = request ? text(request, "do") : "";
	char unheeded[256];

	/* Left on between x-rays, since it takes seconds to start. */
	if (is_tracing && strcmp(verb, "xray"))
		trace(false, unheeded, sizeof(unheeded));
	for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
		if (strcmp(requests[i].name, verb))
			continue;
		requests[i].serve(request);
		json_object_put(request);
		return;
	}
	answer_error(request ? "unknown request" : "a request that is no JSON object");
	json_object_put(request);
}

static int serve_all(FILE *in)
{
	char *line = NULL;
	size_t room = 0;
	ssize_t len;

	/* Shared with the children that run the cells. */
	result = mmap(NULL, sizeof(*result), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (result == MAP_FAILED) {
		perror("cannot get memory for results");
		return 1;
	}
	hello();
	while ((len = getline(&line, &room, in)) > 0)
		if (strspn(line, " \t\r\n") != (size_t)len)
			serve(line, (size_t)len);
	free(line);
	rc_module_unload_all();
	rc_answer(rc_answer_new("end"));
	return 0;
}

static int usage(const char *name, int status)
{
	fprintf(status ? stderr : stdout,
		"usage: %s [--in FILE|-] [--out FILE|-|port:NUMBER] [--modules DIR]\n"
		"       %s --list\n"
		"       %s --program NAME [ARGUMENT ...]\n\n"
		"Measures kernel-user channels on request; see PROTOCOL.md.\n", name, name, name);
	return status;
}

int main(int argc, char **argv)
{
	bool init = getpid() == 1;
	const struct rc_program *program;
	const char *in_name = init ? "/requests" : "-";
	const char *out_name = init ? "port:0xe9" : "-";
	FILE *in = stdin;
	int status;

	if (argc == 2 && !strcmp(argv[1], "--list")) {
		json_object *list = rc_list();

		puts(json_object_to_json_string_ext(list, JSON_C_TO_STRING_NOSLASHESCAPE));
		json_object_put(list);
		return rc_check_channels() ? 1 : 0;
	}
	if (argc > 2 && !strcmp(argv[1], "--program")) {
		program = rc_find_program(argv[2]);
		return program ? program->main(argc - 2, argv + 2) : usage(argv[0], 2);
	}
	for (int i = 1; i < argc && !init; i += 2) {
		if (i + 1 == argc)
			return usage(argv[0], strcmp(argv[i], "--help") ? 2 : 0);
		if (!strcmp(argv[i], "--in"))
			in_name = argv[i + 1];
		else if (!strcmp(argv[i], "--out"))
			out_name = argv[i + 1];
		else if (!strcmp(argv[i], "--modules"))
			modules = argv[i + 1];
		else
			return usage(argv[0], 2);
	}
	if (init)
		rc_machine_prepare();
	signal(SIGPIPE, SIG_IGN);
	if (strcmp(in_name, "-"))
		in = fopen(in_name, "re");
	if (!in) {
		fprintf(stderr, "%s: %s\n", in_name, strerror(errno));
		status = 1;
	} else {
		status = rc_answer_open(out_name) ? 1 : serve_all(in);
	}
	if (init)
		rc_machine_restart();
	return status;
}
