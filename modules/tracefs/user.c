// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/types.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/vfs.h>
#include <unistd.h>
#include "channel.h"
#include "abi.h"
#include "page.h"

#define MOUNT "/sys/kernel/tracing"
#define CPUS  512
#define PAGES 64u /* of the buffer of each CPU, without a requested length */
#define PIPE  16  /* pages that a pipe holds by default */

/* From <linux/trace_mmap.h>, which is newer than some C libraries. */
struct buffer_meta {
	__u32 meta_page_size, meta_struct_len, subbuf_size, nr_subbufs;
	struct {
		__u64 lost_events;
		__u32 id, read;
	} reader;
	__u64 flags, entries, overrun, read, reserved[2];
};

#define GET_READER _IO('R', 0x20)

/*
 * s->fd is the device.  Each CPU's buffer has a file.  s->map is room for the pages that
 * were read.  In mode map, @meta is the mapping of a buffer, @id the reader's page and @done how
 * much of it was parsed.
 */
struct tracefs {
	char dir[64]; /* of the instance */
	uint16_t type;
	size_t page;
	int pipe[2];
	nfds_t cpus;
	struct pollfd file[CPUS];
	struct {
		const volatile struct buffer_meta *meta;
		size_t len;
		uint32_t id;
		size_t done;
	} at[CPUS];
};

/* ---- open and close ----------------------------------------------------- */

static int fail_open(struct rcx_session *s, const char *path)
{
	if (errno == EPERM)
		return rcx_skip(s, "This kernel is locked down, which disables access to tracefs.");
	return rcx_fail_errno(s, path);
}

static int write_setting(struct rcx_session *s, const struct tracefs *trace, const char *name,
			 uint32_t value)
{
	char path[128], text[16];
	int fd, len = snprintf(text, sizeof(text), "%u", value);
	ssize_t written;

	snprintf(path, sizeof(path), "%s/%s", trace->dir, name);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return fail_open(s, path);
	written = write(fd, text, (size_t)len);
	close(fd);
	return written == len ? 0 : rcx_fail_errno(s, path);
}

/* The number in the header of each record of our event. */
static int read_type(struct rcx_session *s, struct tracefs *trace)
{
	char path[160], text[16] = "";
	ssize_t got;
	int fd;

	snprintf(path, sizeof(path), "%s/events/" RCX_TRACEFS_NAME "/" RCX_TRACEFS_EVENT "/id",
		 trace->dir);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return fail_open(s, path);
	got = read(fd, text, sizeof(text) - 1);
	close(fd);
	trace->type = (uint16_t)strtoul(text, NULL, 10);
	return got > 0 && trace->type ? 0 : rcx_fail(s, "the trace event has no number");
}

/* A CPU that is offline has no buffer to wait for. */
static bool is_online(uint32_t cpu)
{
	char path[64], online = '1';
	int fd;

	snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%u/online", cpu);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return true; /* it cannot be taken offline */
	if (read(fd, &online, 1) != 1)
		online = '0';
	close(fd);
	return online == '1';
}

static int open_file(struct rcx_session *s, struct tracefs *trace, uint32_t cpu)
{
	char path[128];
	int fd;

	if (!is_online(cpu))
		return 0;
	if (trace->cpus == CPUS)
		return rcx_fail(s, "there are more than %d CPUs", CPUS);
	snprintf(path, sizeof(path), "%s/per_cpu/cpu%u/trace_pipe_raw", trace->dir, cpu);
	fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT)
		return 0; /* a number without a CPU */
	if (fd < 0)
		return fail_open(s, path);
	trace->file[trace->cpus++] = (struct pollfd){ .fd = fd, .events = POLLIN };
	return 0;
}

static int open_files(struct rcx_session *s, struct tracefs *trace)
{
	long cpus = sysconf(_SC_NPROCESSORS_CONF);

	for (uint32_t cpu = 0; cpu < cpus; cpu++)
		if (open_file(s, trace, cpu))
			return -1;
	return trace->cpus ? 0 : rcx_fail(s, "no CPU has a buffer");
}

static int open_instance(struct rcx_session *s, struct tracefs *trace)
{
	struct statfs fs;
	__u64 id;

	if (statfs(MOUNT, &fs) || fs.f_type != TRACEFS_MAGIC)
		return rcx_fail(s, "tracefs is not mounted; mount it at " MOUNT);
	s->fd = open(RCX_TRACEFS_DEVICE, O_RDWR | O_CLOEXEC);
	if (s->fd < 0)
		return rcx_fail_errno(s, "open " RCX_TRACEFS_DEVICE);
	if (ioctl(s->fd, RCX_TRACEFS_INSTANCE, &id))
		return rcx_fail_errno(s, "cannot get the number of the instance");
	snprintf(trace->dir, sizeof(trace->dir), MOUNT "/instances/" RCX_TRACEFS_NAME "_%llu", id);
	return 0;
}

/* Open an instance whose poll() waits until @percent of a buffer is filled, or for any event. */
static int open_with(struct rcx_session *s, uint32_t percent, size_t room)
{
	struct tracefs *trace = s->priv = calloc(1, sizeof(*trace));
	uint32_t pages = s->queue ? s->queue : PAGES;

	if (!trace)
		return rcx_fail_errno(s, "cannot allocate memory");
	trace->page = (size_t)sysconf(_SC_PAGESIZE);
	trace->pipe[0] = trace->pipe[1] = -1;
	s->map_len = room * trace->page;
	s->map = mmap(NULL, s->map_len, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (s->map == MAP_FAILED) {
		s->map = NULL;
		return rcx_fail_errno(s, "cannot allocate room for pages");
	}
	/* The kernel divides by the bytes of data in a page and rounds up. */
	return open_instance(s, trace) || read_type(s, trace) ||
			       write_setting(s, trace, "buffer_size_kb",
					     pages * (uint32_t)(trace->page - 64) / 1024) ||
			       write_setting(s, trace, "buffer_percent", percent) ||
			       open_files(s, trace) ?
		       -1 :
		       0;
}

static int read_open(struct rcx_session *s)
{
	return open_with(s, 0, 1);
}

static int splice_open(struct rcx_session *s)
{
	struct tracefs *trace;

	uint32_t pages = s->queue ? s->queue : PAGES;

	/* Of all pages a little more than one, and so two where a page in use counts as well. */
	if (open_with(s, 100 / pages + 1, PIPE))
		return -1;
	trace = s->priv;
	if (pipe2(trace->pipe, O_CLOEXEC | O_NONBLOCK))
		return rcx_fail_errno(s, "cannot make a pipe");
	return 0;
}

static int map_buffer(struct rcx_session *s, struct tracefs *trace, nfds_t i)
{
	int fd = trace->file[i].fd;
	const struct buffer_meta *meta = mmap(NULL, trace->page, PROT_READ, MAP_SHARED, fd, 0);
	size_t len;

	if (meta == MAP_FAILED && errno == ENODEV)
		return rcx_skip(s, "This kernel cannot map a trace buffer: Linux can since 6.10, "
				   "with CONFIG_TRACING.");
	if (meta == MAP_FAILED)
		return rcx_fail_errno(s, "cannot map the description of a buffer");
	len = meta->meta_page_size + (size_t)meta->nr_subbufs * meta->subbuf_size;
	munmap((void *)(uintptr_t)meta, trace->page);
	meta = mmap(NULL, len, PROT_READ, MAP_SHARED | MAP_POPULATE, fd, 0);
	if (meta == MAP_FAILED)
		return rcx_fail_errno(s, "cannot map a buffer");
	trace->at[i].meta = meta;
	trace->at[i].len = len;
	trace->at[i].id = meta->reader.id;
	return 0;
}

static int map_open(struct rcx_session *s)
{
	struct tracefs *trace;

	if (open_with(s, 0, 1))
		return -1;
	trace = s->priv;
	for (nfds_t i = 0; i < trace->cpus; i++)
		if (map_buffer(s, trace, i))
			return -1;
	return 0;
}

/* The instance's files are closed before the device, which removes the instance. */
static void tracefs_close(struct rcx_session *s)
{
	struct tracefs *trace = s->priv;

	if (!trace)
		return;
	for (nfds_t i = 0; i < trace->cpus; i++) {
		if (trace->at[i].meta)
			munmap((void *)(uintptr_t)trace->at[i].meta, trace->at[i].len);
		close(trace->file[i].fd);
	}
	for (int i = 0; i < 2; i++)
		if (trace->pipe[i] >= 0)
			close(trace->pipe[i]);
	free(trace);
}

/* ---- messages ----------------------------------------------------------- */

/*
 * A message lies at a multiple of 4 bytes only, so its header is copied before it is used.  The
 * body is copied if it will be checked.
 */
static inline const struct rcx_msg *aligned(struct rcx_session *s, const struct rcx_event_data *data)
{
	size_t len = s->validate ? data->len : RCX_HEADER;

	memcpy(s->rx, data->at, len < rcx_len(s) ? len : rcx_len(s));
	return s->rx;
}

/* Check the messages of a page from @from on. */
static inline int take_page(struct rcx_session *s, const struct rcx_page_walk *walk_from)
{
	const struct tracefs *trace = s->priv;
	struct rcx_page_walk walk = *walk_from;
	struct rcx_event_data data;

	while (rcx_page_next(&walk, trace->type, &data))
		if (rcx_streamed(s, aligned(s, &data), data.len))
			return -1;
	return walk.broken ? rcx_fail(s, "a page of the trace buffer is broken") : 0;
}

/* ---- read --------------------------------------------------------------- */

/* Read a page of the first CPU that has one: 1 and its first message in @data, 0, or -1. */
static inline int read_event(const struct rcx_session *s, struct rcx_event_data *data)
{
	const struct tracefs *trace = s->priv;
	struct rcx_page_walk walk;

	for (nfds_t i = 0; i < trace->cpus; i++) {
		if (read(trace->file[i].fd, s->map, trace->page) > 0) {
			walk = rcx_page_walk(s->map, 0, trace->page);
			return rcx_page_next(&walk, trace->type, data);
		}
		if (errno != EAGAIN)
			return -1;
	}
	return 0;
}

static int read_notify(struct rcx_session *s, uint64_t n)
{
	struct tracefs *trace = s->priv;
	bool polls = rcx_polls(s);
	struct rcx_event_data data;

	while (n--) {
		int got;

		if (rcx_arm(s))
			return -1;
		do {
			if (polls)
				poll(trace->file, trace->cpus, -1);
			got = read_event(s, &data);
		} while (!got);
		if (got < 0)
			return rcx_fail_errno(s, "read an event");
		rcx_arrived(s);
		if (rcx_rx(s, aligned(s, &data), data.len))
			return -1;
	}
	return 0;
}

/* Read all pages of a CPU, also the one that is being written. */
static inline int read_pages(struct rcx_session *s, int fd)
{
	const struct tracefs *trace = s->priv;
	struct rcx_page_walk walk;

	while (read(fd, s->map, trace->page) > 0) {
		s->overruns += rcx_page_lost(s->map);
		walk = rcx_page_walk(s->map, 0, trace->page);
		if (take_page(s, &walk))
			return -1;
	}
	return errno == EAGAIN ? 0 : rcx_fail_errno(s, "read a stream");
}

static int read_stream(struct rcx_session *s, uint64_t n)
{
	struct tracefs *trace = s->priv;

	(void)n;
	for (;;) {
		bool over = rcx_stream_over(s);

		for (nfds_t i = 0; i < trace->cpus; i++)
			if (read_pages(s, trace->file[i].fd))
				return -1;
		if (over)
			return 0;
		if (rcx_polls(s))
			poll(trace->file, trace->cpus, RCX_STREAM_WAIT);
	}
}

/* ---- splice ------------------------------------------------------------- */

/* Move full pages into the pipe, and read them out of it. */
static inline int splice_pages(struct rcx_session *s, int fd)
{
	const struct tracefs *trace = s->priv;
	unsigned char *room = s->map;
	struct rcx_page_walk walk;

	while (splice(fd, NULL, trace->pipe[1], NULL, PIPE * trace->page, SPLICE_F_NONBLOCK) > 0) {
		ssize_t got = read(trace->pipe[0], room, PIPE * trace->page);

		if (got <= 0 || (size_t)got % trace->page)
			return rcx_fail(s, "the pipe does not hold whole pages");
		for (size_t at = 0; at < (size_t)got; at += trace->page) {
			s->overruns += rcx_page_lost(room + at);
			walk = rcx_page_walk(room + at, 0, trace->page);
			if (take_page(s, &walk))
				return -1;
		}
	}
	return errno == EAGAIN ? 0 : rcx_fail_errno(s, "splice a stream");
}

static int splice_stream(struct rcx_session *s, uint64_t n)
{
	struct tracefs *trace = s->priv;
	bool timed_out = false;

	(void)n;
	for (;;) {
		bool over = rcx_stream_over(s);

		for (nfds_t i = 0; i < trace->cpus; i++)
			if (splice_pages(s, trace->file[i].fd) ||
			    ((over || timed_out) && read_pages(s, trace->file[i].fd)))
				return -1;
		if (over)
			return 0;
		if (rcx_polls(s))
			timed_out = !poll(trace->file, trace->cpus, RCX_STREAM_WAIT);
	}
}

/* ---- map ---------------------------------------------------------------- */

static const unsigned char *readers_page(const struct tracefs *trace, nfds_t i)
{
	const volatile struct buffer_meta *meta = trace->at[i].meta;

	return (const unsigned char *)meta + meta->meta_page_size +
	       (size_t)trace->at[i].id * meta->subbuf_size;
}

/*
 * Tell the kernel that the reader's page has been read up to its present end, and get the next
 * page if there is one.  True if a part of the page is new to us.
 */
static inline int advance(struct rcx_session *s, struct tracefs *trace, nfds_t i,
			  struct rcx_page_walk *walk)
{
	const volatile struct buffer_meta *meta = trace->at[i].meta;
	const unsigned char *page;
	size_t end;

	if (ioctl(trace->file[i].fd, GET_READER)) {
		rcx_fail_errno(s, "cannot get the reader's page");
		return -1;
	}
	if (meta->reader.id != trace->at[i].id) {
		trace->at[i].id = meta->reader.id;
		trace->at[i].done = 0;
		s->overruns += rcx_page_lost(readers_page(trace, i));
	}
	page = readers_page(trace, i);
	end = rcx_page_fill(page);
	if (end <= trace->at[i].done)
		return 0;
	*walk = rcx_page_walk(page, trace->at[i].done, meta->subbuf_size);
	trace->at[i].done = end;
	return 1;
}

/* 1 and a message in @data, 0, or -1 after rcx_fail(). */
static inline int map_event(struct rcx_session *s, struct tracefs *trace,
			    struct rcx_event_data *data)
{
	struct rcx_page_walk walk;

	for (nfds_t i = 0; i < trace->cpus; i++) {
		int got = advance(s, trace, i, &walk);

		if (got < 0)
			return -1;
		if (got && rcx_page_next(&walk, trace->type, data))
			return 1;
	}
	return 0;
}

static int map_notify(struct rcx_session *s, uint64_t n)
{
	struct tracefs *trace = s->priv;
	bool polls = rcx_polls(s);
	struct rcx_event_data data;

	while (n--) {
		int got;

		if (rcx_arm(s))
			return -1;
		do {
			if (polls)
				poll(trace->file, trace->cpus, -1);
			got = map_event(s, trace, &data);
		} while (!got);
		if (got < 0)
			return -1;
		rcx_arrived(s);
		if (rcx_rx(s, aligned(s, &data), data.len))
			return -1;
	}
	return 0;
}

static inline int map_pages(struct rcx_session *s, struct tracefs *trace, nfds_t i)
{
	struct rcx_page_walk walk;
	int got;

	while ((got = advance(s, trace, i, &walk)) > 0)
		if (take_page(s, &walk))
			return -1;
	return got;
}

static int map_stream(struct rcx_session *s, uint64_t n)
{
	struct tracefs *trace = s->priv;

	(void)n;
	for (;;) {
		bool over = rcx_stream_over(s);

		for (nfds_t i = 0; i < trace->cpus; i++)
			if (map_pages(s, trace, i))
				return -1;
		if (over)
			return 0;
		if (rcx_polls(s))
			poll(trace->file, trace->cpus, RCX_STREAM_WAIT);
	}
}

/* ---- registration ------------------------------------------------------- */

#define ROOM                    \
	.max = RCX_TRACEFS_MAX, \
	.limit = "A record of the trace buffer must fit into one of its pages."
#define STREAM(loop) { .run = loop, ROOM, .waits = RCX_WAIT_DRAIN, .queue = &tracefs_queue }
#define CLAIMS	     RCX_POLLABLE | RCX_READERS_EACH | RCX_FULL_OVERWRITES

static const struct rcx_queue tracefs_queue = {
	.what = "pages of the buffer of each CPU",
	.min = 4,
	.max = 16384,
	.values = { 8, 64, 1024 },
};

/* splice has no notify: it hands over full pages only. */
static const struct rcx_mode tracefs_modes[] = {
	{
		.name = "read",
		.summary = "read() of trace_pipe_raw; woken for each event",
		.open = read_open,
		.close = tracefs_close,
		.claims = CLAIMS,
		.operations = {
			[RCX_NOTIFY] = { .run = read_notify, ROOM, .waits = RCX_WAIT_DRAIN },
			[RCX_STREAM] = STREAM(read_stream),
		},
	},
	{
		.name = "splice",
		.summary = "full pages through a pipe; woken for a page or two",
		.open = splice_open,
		.close = tracefs_close,
		.claims = CLAIMS,
		.operations = {
			[RCX_STREAM] = STREAM(splice_stream),
		},
	},
	{
		.name = "map",
		.summary = "the buffer mapped and parsed in place; woken for each event",
		.open = map_open,
		.close = tracefs_close,
		.claims = CLAIMS,
		.operations = {
			[RCX_NOTIFY] = { .run = map_notify, ROOM, .waits = RCX_WAIT_DRAIN },
			[RCX_STREAM] = STREAM(map_stream),
		},
	},
	{ }
};

static const struct rcx_channel tracefs_channel = {
	.name = "tracefs",
	.summary = "A trace event, read from the trace buffer as binary pages",
	.module = "ringcross_tracefs",
	.flags = RCX_RT_HARDIRQ,
	.since = "2.6.31: TRACE_EVENT and trace_pipe_raw with CONFIG_EVENT_TRACING; mapped since 6.10",
	.modes = tracefs_modes,
	.unsupported_reason = {
		[RCX_PUSH] = "What a program writes to trace_marker goes into the trace buffer, and no "
			     "driver gets it.",
		[RCX_PULL] = "A read returns what was traced before; it does not request a fresh message.",
		[RCX_CALL] = "What a program writes to trace_marker goes into the trace buffer, and "
			     "nothing answers it.",
		[RCX_UPCALL] = "What a program writes to trace_marker goes into the trace buffer, so no reply can come back.",
		[RCX_DUMP] = "The buffer holds events in the order in which they were emitted, and no table.",
	},
};
RCX_CHANNEL(tracefs_channel);
