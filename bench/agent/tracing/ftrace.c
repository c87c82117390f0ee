// SPDX-License-Identifier: GPL-2.0-only
/*
 * One operation under the kernel's function-graph tracer.
 *
 * The tracer costs far more than the functions that it traces, but its cost is constant, so the
 * harness can subtract it.  This needs exact timestamps, which only the raw pages of the ring
 * buffer have; the trace as text has the names.  The whole CPU is recorded, not only the process:
 * an event of the kernel comes from an interrupt or a kernel thread.
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "agent.h"

#define TRACING		"/sys/kernel/tracing/"
#define CPU		TRACING "per_cpu/cpu0/"
#define WARM_UP		16
#define REPEATS		21     /* untraced operations, whose median is the result */
#define WINDOWS		3      /* traced operations, whose median is the usual length */
#define TRIES		20     /* until one has the usual length: a timer tick makes it longer */
#define LENGTHY		200000 /* units of, for example, an operation that starts a process */
#define TRACER_SLOWDOWN 10     /* factor while the tracer is active, even if it does not record */
#define LENGTHY_REPEATS 5
/* On its first page the ring buffer uses a shorter code path.  So many system calls fill that
 * page before the operation begins.
 */
#define PREAMBLE 16
/* Tracing makes a reader take longer until it sleeps.  With a much longer delay the idle CPU
 * would stop its timer tick, and restart it at the event.
 */
#define TRACED_DELAY 400000 /* ns */

/* ---- the tracer -------------------------------------------------------- */

/* Write @value to a file of the tracer, or empty the file.  0 or -errno. */
static int write_file(const char *file, const char *value)
{
	char path[128];
	int fd, err = 0;

	snprintf(path, sizeof(path), TRACING "%s", file);
	fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (write(fd, value, strlen(value)) < 0)
		err = -errno;
	close(fd);
	return err;
}

int rcx_tracer_start(uint32_t clock)
{
	/* Only names in the text, and a full buffer drops the newest events. */
	/* clang-format off */
	static const char *const off[] = {
		"tracing_on", "options/overwrite", "options/funcgraph-duration",
		"options/funcgraph-cpu", "options/funcgraph-overhead",
		"options/funcgraph-proc", "options/funcgraph-tail",
		/* It would record names at each wake-up and task switch. */
		"options/record-cmd",
	};
	/* clang-format on */
	int err = write_file("current_tracer", "nop");

	for (size_t i = 0; !err && i < sizeof(off) / sizeof(off[0]); i++)
		err = write_file(off[i], "0");
	if (!err)
		err = write_file("trace_clock",
				 clock == RCX_CLOCK_INSTRUCTIONS ? "x86-tsc" : "mono");
	return err ? err : write_file("current_tracer", "function_graph");
}

int rcx_tracer_stop(void)
{
	return write_file("current_tracer", "nop");
}

/* ---- operations -------------------------------------------------------- */

/* Time the operation.  For an event, from the kernel's timestamp to ours after receiving it; for an
 * upcall, between two timestamps of the kernel; for other operations, with our own timestamps
 * around it.
 */
static int operate(struct rcx_session *s, struct rcx_xray *xray)
{
	uint64_t event = s->seen, start = rcx_now(s), total;

	s->latencies = 0;
	if (rcx_time_loop(s, xray->repeat, &total))
		return -1;
	xray->start = start;
	xray->end = start + total;
	if (rcx_kernel_initiated(s->op)) {
		/* A counterpart has no status page, and takes the timestamp itself. */
		xray->start = s->page ? s->page->timestamps[event % RCX_TIMESTAMPS] : s->armed;
		xray->end = xray->start + s->latency[0];
	}
	xray->units = xray->end - xray->start;
	return 0;
}

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static uint64_t median(uint64_t *values, size_t count)
{
	qsort(values, count, sizeof(values[0]), by_value);
	return values[count / 2];
}

static int untraced(struct rcx_session *s, struct rcx_xray *xray)
{
	size_t repeats = xray->lengthy ? LENGTHY_REPEATS : REPEATS;
	uint64_t units[REPEATS];

	for (size_t i = 0; i < repeats; i++) {
		if (operate(s, xray))
			return -1;
		units[i] = xray->units;
	}
	xray->units = median(units, repeats);
	return 0;
}

/* Record the operation, and as little else as possible. */
static int window(struct rcx_session *s, int on, struct rcx_xray *xray)
{
	int err;

	if (write_file("trace", ""))
		return rcx_fail_errno(s, "cannot empty the trace");
	/* Do the operation once just before, so that the recorded one finds the same state: for
	 * example, the timestamps of a file are written once per timer tick.
	 */
	if (operate(s, xray))
		return -1;
	if (pwrite(on, "1", 1, 0) != 1)
		return rcx_fail_errno(s, "cannot switch tracing on");
	for (int i = 0; i < PREAMBLE; i++)
		syscall(SYS_getppid);
	err = operate(s, xray);
	if (pwrite(on, "0", 1, 0) != 1)
		return rcx_fail_errno(s, "cannot switch tracing off");
	return err;
}

/* Record the operation until it takes no longer than usual; its record stays in the ring buffer. */
static int usual_window(struct rcx_session *s, int on, struct rcx_xray *xray)
{
	uint64_t units[WINDOWS], usual;

	if (xray->lengthy)
		return window(s, on, xray);
	for (int i = 0; i < WINDOWS; i++) {
		if (window(s, on, xray))
			return -1;
		units[i] = xray->units;
	}
	usual = median(units, WINDOWS);
	for (int i = 0; i < TRIES; i++) {
		if (window(s, on, xray))
			return -1;
		if (xray->units <= usual + usual / 200)
			break;
	}
	return 0;
}

/* ---- the record -------------------------------------------------------- */

/* Read up to @room bytes of @path to @to.  Returns their number, 0 if there are none. */
static size_t read_whole(const char *path, char *to, size_t room)
{
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	size_t len = 0;
	ssize_t got;

	if (fd < 0)
		return 0;
	while (len < room && (got = read(fd, to + len, room - len)) > 0)
		len += (size_t)got;
	close(fd);
	return len;
}

/* The name in a line of the trace: "  vfs_read() {" or "  null_read [ringcross_null]();". */
static void add_name(struct rcx_xray *xray, const char *line)
{
	const char *end = strstr(line, "()");
	size_t len;

	if (line[0] == '#' || !end)
		return;
	line += strspn(line, " ");
	len = (size_t)(end - line);
	if (xray->names_len + len + 1 > sizeof(xray->names))
		return;
	memcpy(xray->names + xray->names_len, line, len);
	xray->names_len += len;
	xray->names[xray->names_len++] = '\n';
}

static int read_names(struct rcx_session *s, struct rcx_xray *xray)
{
	FILE *trace = fopen(CPU "trace", "re");
	char *line = NULL;
	size_t room = 0;

	if (!trace)
		return rcx_fail_errno(s, "cannot read the trace");
	while (getline(&line, &room, trace) > 0)
		add_name(xray, line);
	free(line);
	fclose(trace);
	return 0;
}

static uint64_t dropped_events(void)
{
	char stats[1024];
	const char *line;

	stats[read_whole(CPU "stats", stats, sizeof(stats) - 1)] = '\0';
	line = strstr(stats, "dropped events:");
	return line ? strtoull(line + strlen("dropped events:"), NULL, 10) : 0;
}

/* The names of all processes; the record has only their numbers. */
static void read_tasks(struct rcx_xray *xray)
{
	DIR *proc = opendir("/proc");
	const struct dirent *entry;
	char path[300], name[32];

	while (proc && (entry = readdir(proc))) {
		size_t room = sizeof(xray->tasks) - xray->tasks_len;
		size_t len;

		snprintf(path, sizeof(path), "/proc/%s/comm", entry->d_name);
		len = isdigit(entry->d_name[0]) ? read_whole(path, name, sizeof(name)) : 0;
		if (len && strlen(entry->d_name) + len + 2 < room)
			xray->tasks_len += (size_t)snprintf(xray->tasks + xray->tasks_len, room,
							    "%s %.*s", entry->d_name, (int)len,
							    name);
	}
	if (proc)
		closedir(proc);
}

static int read_record(struct rcx_session *s, struct rcx_xray *xray)
{
	xray->dropped = dropped_events();
	if (read_names(s, xray))
		return -1;
	read_tasks(xray);
	xray->pages_len = read_whole(CPU "trace_pipe_raw", xray->pages, sizeof(xray->pages));
	return xray->pages_len ? 0 : rcx_fail(s, "the tracer recorded nothing");
}

static int traced(struct rcx_session *s, struct rcx_xray *xray)
{
	int on = open(TRACING "tracing_on", O_WRONLY | O_CLOEXEC);
	int err;

	if (on < 0)
		return rcx_fail_errno(s, "cannot reach the tracer");
	s->delay = TRACED_DELAY;
	err = usual_window(s, on, xray);
	close(on);
	return err ? err : read_record(s, xray);
}

/* ---- the request ------------------------------------------------------- */

/* The record of one CPU is complete only if everything runs on that CPU. */
static void stay_on_cpu0(void)
{
	cpu_set_t cpu;

	CPU_ZERO(&cpu);
	CPU_SET(0, &cpu);
	sched_setaffinity(0, sizeof(cpu), &cpu);
}

static int take_xray(const struct rcx_cell *cell, struct rcx_session *s, struct rcx_xray *xray)
{
	uint64_t first, unused;

	stay_on_cpu0();
	if (rcx_session_open(s, cell, false))
		return -1;
	if (s->op == RCX_STREAM)
		return rcx_skip(s, "A stream is many operations at once.");
	if (rcx_time_loop(s, 1, &first))
		return -1;
	xray->lengthy = first > (xray->traced ? TRACER_SLOWDOWN * LENGTHY : LENGTHY);
	if (!xray->lengthy && rcx_time_loop(s, WARM_UP - 1, &unused))
		return -1;
	return xray->traced ? traced(s, xray) : untraced(s, xray);
}

void rcx_xray_take(const struct rcx_cell *cell, const struct rcx_overhead *overhead,
		   struct rcx_xray *xray)
{
	struct rcx_session s;
	int err;

	rcx_peer_report_death(xray->reason, sizeof(xray->reason));
	err = take_xray(cell, &s, xray);

	if (err)
		snprintf(xray->reason, sizeof(xray->reason), "%s",
			 s.error[0] ? s.error : "the user half failed without a reason");
	xray->status = !err ? RCX_OK : s.skip ? RCX_SKIP : RCX_FAIL;
	xray->overhead = rcx_kernel_initiated(s.op) ? overhead->read : overhead->sample;
	rcx_session_close(&s);
}
