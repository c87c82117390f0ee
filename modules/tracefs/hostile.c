// SPDX-License-Identifier: GPL-2.0-only
/* Instances are shared with every program that may use tracefs, and outlive their makers. */
#include <errno.h>
#include <fcntl.h>
#include <linux/perf_event.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "hostile.h"
#include "abi.h"
#include "page.h"

#define MOUNT "/sys/kernel/tracing"
#define PAGE  4096
#define PART  2000 /* of a page; two messages fit */
#define BODY  64
#define GROUP "events/" RCX_TRACEFS_NAME

/* An open device, the directory of its instance, and the buffer of the first CPU. */
struct trace {
	int device, file;
	__u64 id;
	char dir[64];
	uint16_t type;
};

static bool known(unsigned int cmd)
{
	return cmd == RCX_TRACEFS_INSTANCE;
}

static void name_instance(struct trace *trace, __u64 id)
{
	trace->id = id;
	snprintf(trace->dir, sizeof(trace->dir), MOUNT "/instances/" RCX_TRACEFS_NAME "_%llu", id);
}

static int open_in(const char *dir, const char *name, int flags)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return open(path, flags | O_CLOEXEC);
}

static long write_in(const char *dir, const char *name, const char *text)
{
	int fd = open_in(dir, name, O_WRONLY | O_TRUNC);
	long written = fd < 0 ? -1 : write(fd, text, strlen(text));
	int error = errno;

	if (fd >= 0)
		close(fd);
	errno = error;
	return written;
}

static long number_in(const char *dir, const char *name)
{
	int fd = open_in(dir, name, O_RDONLY);
	char text[32] = "-1";

	if (fd < 0)
		return -1;
	if (read(fd, text, sizeof(text) - 1) < 0)
		text[0] = '\0';
	close(fd);
	return strtol(text, NULL, 10);
}

static bool open_trace(struct rcx_hostile *h, struct trace *trace)
{
	__u64 id = 0;

	trace->device = rcx_expect_open(h, RCX_TRACEFS_DEVICE, O_RDWR);
	rcx_expect(h, "number", ioctl(trace->device, RCX_TRACEFS_INSTANCE, &id), 0);
	name_instance(trace, id);
	trace->type = (uint16_t)number_in(trace->dir, GROUP "/" RCX_TRACEFS_EVENT "/id");
	trace->file = open_in(trace->dir, "per_cpu/cpu0/trace_pipe_raw", O_RDONLY | O_NONBLOCK);
	return rcx_expect(h, "its buffer", trace->file, 0);
}

/* Whether the instance is gone, now or within a second. */
static bool is_gone(const struct trace *trace)
{
	for (int i = 0; i < 100; i++) {
		if (access(trace->dir, F_OK) && errno == ENOENT)
			return true;
		usleep(10000);
	}
	return false;
}

static void close_trace(struct rcx_hostile *h, struct trace *trace)
{
	close(trace->file);
	close(trace->device);
	rcx_expect(h, "the instance after close", access(trace->dir, F_OK), ENOENT);
}

/* Emit @count events on the first CPU: the number of them that were refused. */
static long emit(struct rcx_hostile *h, uint32_t count)
{
	uint64_t before = rcx_core_counts(h).refused;

	rcx_core_start(h, RCX_HARDIRQ, count, count, 0);
	rcx_core_ended(h, 2000);
	return (long)(rcx_core_counts(h).refused - before);
}

/* What a drain found: whole messages, others, and pages with the flag of a loss. */
struct drained {
	long whole, broken, lost;
	uint64_t last;
};

static void look_at(const unsigned char *page, uint16_t type, struct drained *result)
{
	struct rcx_page_walk walk = rcx_page_walk(page, 0, PAGE);
	static unsigned char copy[RCX_HEADER + RCX_TRACEFS_MAX];
	struct rcx_event_data data;

	result->lost += rcx_page_lost(page);
	while (rcx_page_next(&walk, type, &data)) {
		const struct rcx_msg *msg = (const void *)copy;

		memcpy(copy, data.at, data.len < sizeof(copy) ? data.len : sizeof(copy));
		if (data.len == RCX_HEADER + BODY && rcx_is_whole(msg, BODY, true))
			result->whole++;
		else
			result->broken++;
		result->last = msg->seq;
	}
	result->broken += walk.broken;
}

static struct drained drain(const struct trace *trace)
{
	static unsigned char page[PAGE];
	struct drained result = { 0 };

	while (read(trace->file, page, sizeof(page)) > 0)
		look_at(page, trace->type, &result);
	return result;
}

static void expect_drained(struct rcx_hostile *h, const char *name, const struct trace *trace,
			   long whole)
{
	struct drained result = drain(trace);

	rcx_expect_value(h, name, result.whole, whole);
	rcx_expect_value(h, "broken", result.broken, 0);
}

/* ---- the device --------------------------------------------------------- */

static long number_at(void *arg, void *at)
{
	return ioctl(*(int *)arg, RCX_TRACEFS_INSTANCE, at);
}

static void try_device(struct rcx_hostile *h)
{
	struct trace trace;

	rcx_topic(h, "device");
	if (!open_trace(h, &trace))
		return;
	rcx_try_commands(h, trace.device, known);
	rcx_try_addresses(h, "number", RCX_KERNEL_WRITES, number_at, &trace.device);
	rcx_try_no_io(h, trace.device);
	rcx_try_no_seek(h, trace.device);
	rcx_try_no_map(h, trace.device);
	rcx_try_nobody_opens(h, RCX_TRACEFS_DEVICE);
	close_trace(h, &trace);
}

/* ---- sizes and readers -------------------------------------------------- */

static void try_sizes(struct rcx_hostile *h)
{
	static const uint32_t refused[] = { RCX_TRACEFS_MAX + 1, 4096, 65536, RCX_BODY_MAX };
	struct trace trace;

	rcx_topic(h, "sizes");
	if (!rcx_core_bind(h, "read", BODY, true))
		return;
	rcx_expect_value(h, "without a reader: refused", emit(h, 3), 3);
	rcx_expect_value(h, "the reason", rcx_core_counts(h).refused_errno, ENOTCONN);
	if (!open_trace(h, &trace))
		return;
	rcx_expect_value(h, "with a reader: refused", emit(h, 3), 0);
	expect_drained(h, "with a reader: read", &trace, 3);
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		rcx_core_bind(h, "read", refused[i], true);
		rcx_expect_value(h, "too large: refused", emit(h, 1), 1);
		rcx_expect_value(h, "the reason", rcx_core_counts(h).refused_errno, EMSGSIZE);
	}
	rcx_core_bind(h, "splice", BODY, true);
	rcx_expect_value(h, "with fillers: refused", emit(h, 3), 0);
	expect_drained(h, "with fillers: read", &trace, 3);
	close_trace(h, &trace);
}

static void try_two(struct rcx_hostile *h)
{
	struct trace first, second;

	rcx_topic(h, "two readers");
	if (!rcx_core_bind(h, "read", BODY, true) || !open_trace(h, &first) ||
	    !open_trace(h, &second))
		return;
	rcx_expect_true(h, "two instances", first.id != second.id);
	emit(h, 5);
	expect_drained(h, "the first", &first, 5);
	close_trace(h, &first);
	emit(h, 5);
	expect_drained(h, "the second, after the first left", &second, 10);
	close_trace(h, &second);
}

/* ---- the instance ------------------------------------------------------- */

static void try_instance(struct rcx_hostile *h)
{
	struct trace trace, next;

	rcx_topic(h, "instance");
	if (!rcx_core_bind(h, "read", BODY, true) || !open_trace(h, &trace))
		return;
	rcx_expect(h, "remove it", rmdir(trace.dir), EBUSY);
	rcx_expect_value(h, "the event is enabled",
			 number_in(trace.dir, GROUP "/" RCX_TRACEFS_EVENT "/enable"), 1);
	rcx_expect(h, "disable the event", write_in(trace.dir, GROUP "/enable", "0"), 0);
	rcx_expect_value(h, "disabled: refused", emit(h, 2), 2);
	rcx_expect(h, "enable the event", write_in(trace.dir, GROUP "/enable", "1"), 0);
	rcx_expect(h, "stop the buffer", write_in(trace.dir, "tracing_on", "0"), 0);
	rcx_expect_value(h, "stopped: refused", emit(h, 2), 0);
	expect_drained(h, "stopped: read", &trace, 0);
	rcx_expect(h, "start the buffer", write_in(trace.dir, "tracing_on", "1"), 0);
	rcx_expect(h, "a filter without sense",
		   write_in(trace.dir, GROUP "/" RCX_TRACEFS_EVENT "/filter", "nothing == 1"),
		   EINVAL);
	rcx_expect(h, "a filter that nothing passes",
		   write_in(trace.dir, GROUP "/" RCX_TRACEFS_EVENT "/filter", "common_pid < 0"), 0);
	emit(h, 4);
	expect_drained(h, "filtered: read", &trace, 0);
	rcx_expect(h, "no filter", write_in(trace.dir, GROUP "/" RCX_TRACEFS_EVENT "/filter", "0"),
		   0);
	emit(h, 4);
	expect_drained(h, "without the filter: read", &trace, 4);
	close_trace(h, &trace);

	rcx_topic(h, "an instance of the next number");
	name_instance(&next, trace.id + 1);
	rcx_expect(h, "make it", mkdir(next.dir, 0700), 0);
	if (!open_trace(h, &trace))
		return;
	rcx_expect_value(h, "it is used", (long)trace.id, (long)next.id);
	emit(h, 3);
	expect_drained(h, "read", &trace, 3);
	close_trace(h, &trace);
}

/* Somebody else keeps a file of the instance open. */
static void try_left(struct rcx_hostile *h)
{
	struct trace trace, other;

	rcx_topic(h, "a file that stays open");
	if (!rcx_core_bind(h, "read", BODY, true) || !open_trace(h, &trace))
		return;
	emit(h, 3);
	close(trace.device);
	rcx_expect(h, "the instance", access(trace.dir, F_OK), 0);
	rcx_expect_value(h, "refused", emit(h, 2), 2);
	expect_drained(h, "what was there before", &trace, 3);
	if (open_trace(h, &other)) {
		emit(h, 2);
		expect_drained(h, "another reader", &other, 2);
		expect_drained(h, "this reader", &trace, 0);
		close_trace(h, &other);
	}
	close(trace.file);
	rcx_expect_true(h, "gone when it is closed", is_gone(&trace));

	rcx_topic(h, "a left instance that root removes");
	if (!open_trace(h, &trace))
		return;
	close(trace.device);
	close(trace.file);
	rcx_expect_either(h, "remove it", rmdir(trace.dir), 0, ENOENT);
	rcx_expect_true(h, "gone", is_gone(&trace));
	usleep(200000);
	rcx_expect(h, "still gone", access(trace.dir, F_OK), ENOENT);
}

static int killed_id[2];

/* In a child: open the device and the buffer, in this order, and sleep. */
static long sleep_in_poll(void *arg)
{
	struct pollfd pfd = { .events = POLLIN };
	struct trace trace;
	__u64 id = 0;

	trace.device = open(RCX_TRACEFS_DEVICE, O_RDWR | O_CLOEXEC);
	ioctl(trace.device, RCX_TRACEFS_INSTANCE, &id);
	name_instance(&trace, id);
	pfd.fd = open_in(trace.dir, "per_cpu/cpu0/trace_pipe_raw", O_RDONLY);
	if (write(killed_id[1], &id, sizeof(id)) != sizeof(id))
		return -1;
	if (arg)
		mmap(NULL, PAGE, PROT_READ, MAP_SHARED, pfd.fd, 0);
	return poll(&pfd, 1, -1);
}

static void try_killed(struct rcx_hostile *h, const char *what, void *map)
{
	struct trace trace;
	__u64 id = 0;

	rcx_topic(h, "a killed reader%s", what);
	if (pipe(killed_id) || !rcx_core_bind(h, "read", BODY, true))
		return;
	rcx_try_kill(h, "killed in poll()", sleep_in_poll, map);
	rcx_expect_value(h, "its number", read(killed_id[0], &id, sizeof(id)), sizeof(id));
	name_instance(&trace, id);
	rcx_expect_true(h, "its instance is gone", is_gone(&trace));
	rcx_expect_value(h, "refused", emit(h, 1), 1);
	close(killed_id[0]);
	close(killed_id[1]);
}

/* ---- the buffer --------------------------------------------------------- */

static void try_buffer(struct rcx_hostile *h)
{
	static unsigned char page[PAGE];
	struct trace trace;
	struct drained result = { 0 };
	int ends[2];

	rcx_topic(h, "buffer");
	if (!rcx_core_bind(h, "read", BODY, true) || !open_trace(h, &trace) || pipe(ends))
		return;
	rcx_expect(h, "splice less than a page",
		   splice(trace.file, NULL, ends[1], NULL, 100, SPLICE_F_NONBLOCK), EINVAL);
	rcx_expect(h, "splice nothing",
		   splice(trace.file, NULL, ends[1], NULL, PAGE, SPLICE_F_NONBLOCK), EAGAIN);
	rcx_expect(h, "write to it", write(trace.file, page, PAGE), EBADF);
	rcx_expect(h, "read nothing", read(trace.file, page, PAGE), EAGAIN);
	emit(h, 2);
	rcx_expect_value(h, "a byte of a page", read(trace.file, page, 1), 0);
	rcx_expect_value(h, "a part of a page", read(trace.file, page, PART), PART);
	rcx_expect_value(h, "the rest of it", read(trace.file, page + PART, PAGE - PART),
			 PAGE - PART);
	look_at(page, trace.type, &result);
	rcx_expect_value(h, "whole in two reads", result.whole, 2);
	rcx_expect(h, "a buffer of 2 pages", write_in(trace.dir, "buffer_size_kb", "4"), 0);
	rcx_expect_value(h, "more than it holds: refused", emit(h, 2000), 0);
	result = drain(&trace);
	rcx_expect_true(h, "some are whole", result.whole > 0 && result.whole < 2000);
	rcx_expect_value(h, "broken", result.broken, 0);
	rcx_expect_true(h, "the loss is reported", result.lost > 0);
	rcx_expect_value(h, "the newest is there", (long)result.last,
			 (long)rcx_core_counts(h).emitted - 1);
	rcx_expect(h, "a marker in it", write_in(trace.dir, "trace_marker", "message"), 0);
	emit(h, 3);
	expect_drained(h, "read beside the marker", &trace, 3);
	close(ends[0]);
	close(ends[1]);
	close_trace(h, &trace);
}

/* Errors before 6.10, which cannot map: ENODEV for all. */
static void try_map(struct rcx_hostile *h)
{
	struct trace trace;
	void *map;

	rcx_topic(h, "map");
	if (!open_trace(h, &trace))
		return;
	map = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, trace.file, 0);
	rcx_expect_either(h, "a page", map == MAP_FAILED ? -1 : 0, 0, ENODEV);
	rcx_expect_true(h, "not writable",
			mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, trace.file, 0) ==
				MAP_FAILED);
	rcx_expect_true(h, "not executable",
			mmap(NULL, PAGE, PROT_READ | PROT_EXEC, MAP_SHARED, trace.file, 0) ==
				MAP_FAILED);
	rcx_expect_true(h, "not private",
			mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, trace.file, 0) == MAP_FAILED);
	rcx_expect_true(h, "not beyond its end",
			mmap(NULL, PAGE, PROT_READ, MAP_SHARED, trace.file, 1 << 30) == MAP_FAILED);
	if (map != MAP_FAILED) {
		rcx_expect(h, "resize while it is mapped",
			   write_in(trace.dir, "buffer_size_kb", "64"), EBUSY);
		rcx_expect(h, "make it writable", mprotect(map, PAGE, PROT_READ | PROT_WRITE),
			   EACCES);
		munmap(map, PAGE);
	}
	close_trace(h, &trace);
}

/* ---- other users of the event ------------------------------------------- */

static void try_perf(struct rcx_hostile *h)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_TRACEPOINT,
		.size = sizeof(attr),
		.sample_period = 1,
		.sample_type = PERF_SAMPLE_RAW,
	};
	int fd;

	rcx_topic(h, "perf");
	if (!rcx_core_bind(h, "read", RCX_TRACEFS_MAX, true))
		return;
	attr.config = (uint64_t)number_in(MOUNT, GROUP "/" RCX_TRACEFS_EVENT "/id");
	fd = (int)syscall(SYS_perf_event_open, &attr, -1, 0, -1, PERF_FLAG_FD_CLOEXEC);
	rcx_expect(h, "attach", fd, 0);
	/* Before 5.15, the limit of perf is that of the kernel half. */
	rcx_expect_true(h, "the largest message", emit(h, 2) <= 2);
	rcx_core_bind(h, "read", BODY, true);
	rcx_expect_value(h, "a small one: refused", emit(h, 2), 0);
	close(fd);
	rcx_expect_value(h, "after it left: refused", emit(h, 2), 2);
}

static void try_global(struct rcx_hostile *h)
{
	rcx_topic(h, "the global buffer");
	if (!rcx_core_bind(h, "read", BODY, true))
		return;
	rcx_expect(h, "enable the event", write_in(MOUNT, GROUP "/enable", "1"), 0);
	rcx_expect_value(h, "refused", emit(h, 2), 0);
	rcx_expect(h, "disable the event", write_in(MOUNT, GROUP "/enable", "0"), 0);
	rcx_expect_value(h, "disabled: refused", emit(h, 2), 2);
}

/* What a killed tool leaves.  It must not hold the module, which is unloaded afterwards. */
static void leave_enabled(struct rcx_hostile *h)
{
	const char *dir = MOUNT "/instances/rcx_hostile";

	rcx_topic(h, "an instance that is left");
	if (!rcx_core_bind(h, "read", BODY, true))
		return;
	rcx_expect_either(h, "make it", mkdir(dir, 0700), 0, EEXIST);
	rcx_expect(h, "enable the event", write_in(dir, GROUP "/enable", "1"), 0);
	rcx_expect_value(h, "refused", emit(h, 2), 0);
}

static long open_and_close(void *arg)
{
	long failed = 0;

	(void)arg;
	for (int i = 0; i < 2; i++) {
		int fd = open(RCX_TRACEFS_DEVICE, O_RDWR | O_CLOEXEC);

		failed += fd < 0;
		close(fd);
	}
	return failed;
}

static void try_busy(struct rcx_hostile *h)
{
	struct trace trace;

	rcx_topic(h, "during a stream");
	if (!rcx_core_bind(h, "splice", BODY, true) || !open_trace(h, &trace))
		return;
	rcx_core_start(h, RCX_HARDIRQ, 1u << 30, 8, 200000);
	rcx_expect_value(h, "others open and close", rcx_in_three_threads(h, open_and_close, NULL),
			 0);
	rcx_expect(h, "resize", write_in(trace.dir, "buffer_size_kb", "256"), 0);
	rcx_expect(h, "clear", write_in(trace.dir, "trace", "0"), 0);
	rcx_expect_true(h, "events arrive", drain(&trace).broken == 0);
	close_trace(h, &trace);
	rcx_expect(h, "stop the stream", ioctl(h->core, RCX_CORE_STOP), 0);
}

static void tracefs_hostile(struct rcx_hostile *h)
{
	try_device(h);
	try_sizes(h);
	try_two(h);
	try_instance(h);
	try_left(h);
	try_killed(h, "", NULL);
	try_killed(h, " with a mapping", h);
	try_buffer(h);
	try_map(h);
	try_perf(h);
	try_global(h);
	try_busy(h);
	leave_enabled(h);
	rcx_core_unbind(h);
}
RCX_HOSTILE(tracefs, tracefs_hostile);
