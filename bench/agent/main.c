// SPDX-License-Identifier: GPL-2.0-only
/* The agent: reads requests, does them in order, answers.  See PROTOCOL.md. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/utsname.h>
#include <unistd.h>
#include "agent.h"

#define FILE_MAX 65536		/* of a file that is read for the harness */
#define DEADLINE_MS 20000

static const char *modules = "/modules";
static uint32_t clock_kind = RC_CLOCK_TIME;
static struct rc_overhead overhead;
static struct rc_result *result;

static const char *text(json_object *request, const char *key)
{
	json_object *value;

	if (!json_object_object_get_ex(request, key, &value))
		return "";
	return json_object_get_string(value) ?: "";
}

static int64_t number(json_object *request, const char *key, int64_t low, int64_t high,
		      int64_t otherwise)
{
	json_object *value;
	int64_t got;

	if (!json_object_object_get_ex(request, key, &value))
		return otherwise;
	got = json_object_get_int64(value);
	return got < low ? low : got > high ? high : got;
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
	json_object *answer = rc_answer_new("setup");
	const char *name = text(request, "clock");

	clock_kind = strcmp(name, "instructions") ? RC_CLOCK_TIME : RC_CLOCK_INSTRUCTIONS;
	rc_calibrate(clock_kind, &overhead);
	add_text(answer, "clock", clock_kind == RC_CLOCK_TIME ? "time" : "instructions");
	add_double(answer, "read", overhead.read);
	add_double(answer, "loop", overhead.loop);
	rc_answer(answer);
}

static json_object *file_text(const char *path)
{
	static char content[FILE_MAX];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t len = 0;
	ssize_t got;

	if (fd < 0)
		return NULL;
	while (len < sizeof(content) &&
	       (got = read(fd, content + len, sizeof(content) - len)) > 0)
		len += (size_t)got;
	close(fd);
	return json_object_new_string_len(content, (int)len);
}

static void do_read(json_object *request)
{
	json_object *answer = rc_answer_new("read");
	json_object *files = json_object_new_object();
	json_object *paths;

	if (json_object_object_get_ex(request, "paths", &paths) &&
	    json_object_is_type(paths, json_type_array))
		for (size_t i = 0; i < json_object_array_length(paths); i++) {
			const char *path =
				json_object_get_string(json_object_array_get_idx(paths, i));

			if (path)
				json_object_object_add(files, path, file_text(path));
		}
	json_object_object_add(answer, "files", files);
	rc_answer(answer);
}

static void do_floors(json_object *request)
{
	json_object *answer = rc_answer_new("floors");
	json_object *copy = json_object_new_object();
	json_object *sizes;

	if (json_object_object_get_ex(request, "sizes", &sizes) &&
	    json_object_is_type(sizes, json_type_array))
		for (size_t i = 0; i < json_object_array_length(sizes); i++) {
			int64_t size = json_object_get_int64(json_object_array_get_idx(sizes, i));
			char key[24];

			if (size < 0 || size > RC_BODY_MAX)
				continue;
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

static bool read_cell(json_object *request, struct rc_cell *cell, char *reason, size_t len)
{
	const char *context = text(request, "context");
	int op;

	memset(cell, 0, sizeof(*cell));
	cell->channel = rc_find_channel(text(request, "channel"));
	if (!cell->channel) {
		snprintf(reason, len, "no channel is called \"%s\"", text(request, "channel"));
		return false;
	}
	cell->mode = rc_find_mode(cell->channel, text(request, "mode"));
	op = rc_find_name(rc_op_names, RC_OPS, text(request, "operation"));
	if (!cell->mode || op < 0 || !cell->mode->operations[op].run) {
		snprintf(reason, len, "%s has no mode \"%s\" with operation \"%s\"",
			 cell->channel->name, text(request, "mode"), text(request, "operation"));
		return false;
	}
	cell->op = (enum rc_op)op;
	cell->size = (uint32_t)number(request, "size", 0, RC_BODY_MAX, 0);
	if (cell->size < cell->mode->operations[op].min ||
	    cell->size > cell->mode->operations[op].max) {
		snprintf(reason, len, "%s", cell->mode->operations[op].limit
			 ? cell->mode->operations[op].limit : "size out of range");
		return false;
	}
	cell->context = rc_find_name(rc_context_names, RC_CONTEXTS, context);
	cell->burst = (uint32_t)number(request, "burst", 1, 4096, 1);
	cell->interval = (uint64_t)number(request, "interval", 0, 1000000000, 0);
	/* As fast as it goes: only a thread can, an interrupt would never end. */
	if (cell->op == RC_STREAM && !cell->interval && cell->context < 0)
		cell->context = RC_PROCESS;
	cell->rounds = (uint32_t)number(request, "rounds", 1, RC_ROUNDS_MAX, 11);
	cell->samples = (uint32_t)number(request, "samples", 0, RC_SAMPLES_MAX, 0);
	cell->round_units = (uint64_t)number(request, "round_units", 1000, 1000000000, 300000);
	cell->deadline_ms = (uint32_t)number(request, "deadline_ms", 1, 3600000, DEADLINE_MS);
	cell->clock = clock_kind;
	return true;
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
#undef ADD
	}
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

static void do_cell(json_object *request)
{
	static const char *const status_names[] = { "fail", "ok", "skip" };
	json_object *answer = rc_answer_new("begin");
	int64_t id = number(request, "id", 0, INT64_MAX, 0);
	struct rc_cell cell;
	bool ok;

	add_number(answer, "id", (uint64_t)id);
	rc_answer(answer);

	memset(result, 0, offsetof(struct rc_result, total));
	result->proof_messages = result->samples = 0;
	rc_log_skip();
	if (!read_cell(request, &cell, result->reason, sizeof(result->reason))) {
		result->status = RC_SKIP;
	} else {
		load_modules(cell.channel, result->reason, sizeof(result->reason));
		if (!result->reason[0])
			rc_cell_run(&cell, &overhead, result);
		unload_module(cell.channel, result);
	}
	ok = result->status == RC_OK;

	answer = rc_answer_new("cell");
	add_number(answer, "id", (uint64_t)id);
	add_text(answer, "status", status_names[result->status]);
	add_text(answer, "reason", result->reason);
	if (ok)
		add_measurement(answer, &cell);
	json_object_object_add(answer, "log", rc_log_lines());
	rc_answer(answer);
	if (ok)
		rc_answer_binary(result->sample, result->samples * sizeof(result->sample[0]));
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
	{ "hang", do_hang },
	{ "panic", do_panic },
	{ "die", do_die },
};

static void serve(const char *line)
{
	json_object *request = json_tokener_parse(line);
	const char *verb = request ? text(request, "do") : "";

	for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
		if (strcmp(requests[i].name, verb))
			continue;
		requests[i].serve(request);
		json_object_put(request);
		return;
	}
	answer_error(request ? "unknown request" : "a request that is not JSON");
	json_object_put(request);
}

static int serve_all(FILE *in)
{
	char *line = NULL;
	size_t room = 0;

	/* Shared with the children that run the cells. */
	result = mmap(NULL, sizeof(*result), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (result == MAP_FAILED) {
		perror("cannot get memory for results");
		return 1;
	}
	hello();
	while (getline(&line, &room, in) > 0)
		if (line[strspn(line, " \n")])
			serve(line);
	free(line);
	rc_module_unload_all();
	rc_answer(rc_answer_new("end"));
	return 0;
}

static int usage(const char *name, int status)
{
	fprintf(status ? stderr : stdout,
		"usage: %s [--in FILE|-] [--out FILE|-|port:NUMBER] [--modules DIR]\n"
		"       %s --list\n\n"
		"Measures kernel-user channels on request; see PROTOCOL.md.\n", name, name);
	return status;
}

int main(int argc, char **argv)
{
	bool init = getpid() == 1;
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
