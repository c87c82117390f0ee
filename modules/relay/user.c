// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/vfs.h>
#include <unistd.h>
#include "channel.h"
#include "abi.h"

#define PAGE 4096ul
#define CPUS 512

#define BATCH_BYTES (64u << 10) /* of a sub-buffer; large records: fewer than RCX_BATCH of them */
#define QUEUE	    256u	/* records in all, without a requested queue length */
#define QUEUE_BYTES (4u << 20)	/* per CPU; large records: fewer than QUEUE of them */

/*
 * s->fd is the device.  Each CPU's buffer has a file.  In mode mmap, @map is its mapping
 * and @due the number of the sub-buffer to consume next.  In the other modes, s->map is
 * the buffer of read(), which has the size of a sub-buffer.
 */
struct relay {
	struct rcx_relay_setup setup;
	bool fills; /* a sub-buffer has room for several records */
	nfds_t cpus;
	struct pollfd file[CPUS];
	struct {
		uint32_t cpu;
		uint64_t due;
		const unsigned char *map;
	} at[CPUS];
};

static size_t map_len(const struct relay *relay)
{
	size_t len = (size_t)relay->setup.size * relay->setup.count;

	return (len + PAGE - 1) / PAGE * PAGE;
}

/* ---- open and close ----------------------------------------------------- */

static uint32_t clamp(uint32_t value, uint32_t low, uint32_t high)
{
	return value < low ? low : value > high ? high : value;
}

/* Request sub-buffers of @batch records, in the number of s->queue. */
static int set_up(struct rcx_session *s, struct relay *relay, uint32_t batch, uint32_t flags)
{
	uint32_t record = (uint32_t)RCX_RELAY_RECORD(rcx_len(s));
	uint32_t ahead = flags & RCX_RELAY_HEADS ? sizeof(struct rcx_relay_head) : 0;
	struct rcx_relay_setup *setup = &relay->setup;

	batch = clamp(BATCH_BYTES / record, 1, batch);
	relay->fills = batch > 1;
	setup->flags = flags;
	setup->size = ahead + batch * record;
	setup->count = s->queue ? s->queue : clamp(QUEUE_BYTES / setup->size, 2, QUEUE / batch);

	s->fd = open(RCX_RELAY_DEVICE, O_RDWR | O_CLOEXEC);
	if (s->fd < 0)
		return rcx_fail_errno(s, "open " RCX_RELAY_DEVICE);
	if (!ioctl(s->fd, RCX_RELAY_SETUP, setup))
		return 0;
	if (errno == E2BIG)
		return rcx_skip(s, "The requested sub-buffers exceed 64 MiB per CPU.");
	return rcx_fail_errno(s, "cannot set the buffers up");
}

static int open_file(struct rcx_session *s, struct relay *relay, uint32_t cpu)
{
	char path[64];
	int fd;

	if (relay->cpus == CPUS)
		return rcx_fail(s, "there are more than %d CPUs", CPUS);
	snprintf(path, sizeof(path), RCX_RELAY_MOUNT "/" RCX_RELAY_DIR "/%u/" RCX_RELAY_FILE "%u",
		 relay->setup.id, cpu);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT)
		return 0; /* the CPU was never online */
	if (fd < 0 && errno == EPERM)
		return rcx_skip(s, "This kernel is locked down, which disables access to debugfs.");
	if (fd < 0)
		return rcx_fail_errno(s, path);
	relay->at[relay->cpus].cpu = cpu;
	relay->at[relay->cpus].due = 1;
	relay->file[relay->cpus++] = (struct pollfd){ .fd = fd, .events = POLLIN };
	return 0;
}

static int open_files(struct rcx_session *s, struct relay *relay)
{
	long cpus = sysconf(_SC_NPROCESSORS_CONF);
	struct statfs fs;

	if (statfs(RCX_RELAY_MOUNT, &fs) || fs.f_type != DEBUGFS_MAGIC)
		return rcx_fail(s, "debugfs is not mounted; mount it at " RCX_RELAY_MOUNT);
	for (uint32_t cpu = 0; cpu < cpus; cpu++)
		if (open_file(s, relay, cpu))
			return -1;
	return relay->cpus ? 0 : rcx_fail(s, "no CPU has a buffer");
}

static int open_with(struct rcx_session *s, uint32_t batch, uint32_t flags)
{
	struct relay *relay = s->priv = calloc(1, sizeof(*relay));

	if (!relay)
		return rcx_fail_errno(s, "cannot allocate memory");
	return set_up(s, relay, batch, flags) || open_files(s, relay) ? -1 : 0;
}

/* A read() buffer for a whole sub-buffer, so that no record is split. */
static int open_to_read(struct rcx_session *s, uint32_t batch, uint32_t flags)
{
	struct relay *relay;

	if (open_with(s, batch, flags))
		return -1;
	relay = s->priv;
	s->map = mmap(NULL, relay->setup.size, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (s->map == MAP_FAILED) {
		s->map = NULL;
		return rcx_fail_errno(s, "cannot allocate the read buffer");
	}
	s->map_len = relay->setup.size;
	return 0;
}

static int single_open(struct rcx_session *s)
{
	return open_to_read(s, 1, 0);
}

static int batch_open(struct rcx_session *s)
{
	return open_to_read(s, RCX_BATCH, 0);
}

static int overwrite_open(struct rcx_session *s)
{
	return open_to_read(s, RCX_BATCH, RCX_RELAY_OVERWRITE);
}

static int mmap_open(struct rcx_session *s)
{
	struct relay *relay;

	if (open_with(s, RCX_BATCH, RCX_RELAY_HEADS))
		return -1;
	relay = s->priv;
	for (nfds_t i = 0; i < relay->cpus; i++) {
		void *map = mmap(NULL, map_len(relay), PROT_READ, MAP_SHARED | MAP_POPULATE,
				 relay->file[i].fd, 0);

		if (map == MAP_FAILED)
			return rcx_fail_errno(s, "cannot map a buffer");
		relay->at[i].map = map;
	}
	return 0;
}

static void relay_close(struct rcx_session *s)
{
	struct relay *relay = s->priv;

	if (!relay)
		return;
	for (nfds_t i = 0; i < relay->cpus; i++) {
		if (relay->at[i].map)
			munmap((void *)(uintptr_t)relay->at[i].map, map_len(relay));
		close(relay->file[i].fd);
	}
	free(relay);
}

/* ---- read --------------------------------------------------------------- */

/* Check the records in the @len bytes at @at. */
static inline int take_records(struct rcx_session *s, const unsigned char *at, size_t len)
{
	while (len >= RCX_HEADER) {
		const struct rcx_msg *msg = (const void *)at;
		size_t msg_len = (size_t)RCX_HEADER + msg->size;
		size_t record = RCX_RELAY_RECORD(msg_len);

		if (record > len)
			break;
		if (rcx_streamed(s, msg, msg_len))
			return -1;
		at += record;
		len -= record;
	}
	return len ? rcx_fail(s, "the last %zu bytes are not a complete record", len) : 0;
}

/* Read one event from the first CPU that has one: number of bytes, 0 without an event, -1. */
static inline ssize_t read_event(const struct rcx_session *s)
{
	const struct relay *relay = s->priv;
	ssize_t got = 0;

	for (nfds_t i = 0; i < relay->cpus && !got; i++)
		got = read(relay->file[i].fd, s->map, s->map_len);
	return got;
}

/* Length of the message in a record of @got bytes, without the padding. */
static inline size_t len_in_record(const struct rcx_msg *msg, ssize_t got)
{
	size_t len = (size_t)RCX_HEADER + msg->size;

	return RCX_RELAY_RECORD(len) == (size_t)got ? len : (size_t)got;
}

static int single_notify(struct rcx_session *s, uint64_t n)
{
	struct relay *relay = s->priv;
	bool polls = rcx_polls(s);

	while (n--) {
		ssize_t got;

		if (rcx_arm(s))
			return -1;
		do {
			if (polls)
				poll(relay->file, relay->cpus, -1);
			got = read_event(s);
		} while (!got);
		if (got < 0)
			return rcx_fail_errno(s, "read an event");
		rcx_arrived(s);
		if (rcx_rx(s, s->map, len_in_record(s->map, got)))
			return -1;
	}
	return 0;
}

/*
 * Make the kernel hand over partly filled sub-buffers, after a wait without an event or
 * at the end of the stream: a record arrives only with its sub-buffer.
 */
static int flush(struct rcx_session *s)
{
	return ioctl(s->fd, RCX_RELAY_FLUSH) ? rcx_fail_errno(s, "cannot flush") : 0;
}

static int read_stream(struct rcx_session *s, uint64_t n)
{
	struct relay *relay = s->priv;
	bool timed_out = false;

	(void)n;
	for (;;) {
		bool over = rcx_stream_over(s);

		if (relay->fills && (over || timed_out) && flush(s))
			return -1;
		for (nfds_t i = 0; i < relay->cpus; i++) {
			ssize_t got;

			while ((got = read(relay->file[i].fd, s->map, s->map_len)) > 0)
				if (take_records(s, s->map, (size_t)got))
					return -1;
			if (got < 0)
				return rcx_fail_errno(s, "read a stream");
		}
		if (over)
			return 0;
		if (rcx_polls(s))
			timed_out = !poll(relay->file, relay->cpus, RCX_STREAM_WAIT);
	}
}

/* ---- mmap --------------------------------------------------------------- */

/* Consume the sub-buffers of the @i-th buffer that were handed over, and report that. */
static inline int take_mapped(struct rcx_session *s, struct relay *relay, nfds_t i)
{
	const struct rcx_relay_setup *setup = &relay->setup;
	struct rcx_relay_consumed consumed = { .cpu = relay->at[i].cpu };

	for (;;) {
		uint64_t due = relay->at[i].due;
		const unsigned char *at = relay->at[i].map + (due - 1) % setup->count * setup->size;
		const struct rcx_relay_head *head = (const void *)at;

		if (__atomic_load_n(&head->number, __ATOMIC_ACQUIRE) != due)
			break;
		if (take_records(s, at + sizeof(*head), head->fill - sizeof(*head)))
			return -1;
		relay->at[i].due++;
		consumed.count++;
	}
	if (consumed.count && ioctl(s->fd, RCX_RELAY_CONSUMED, &consumed))
		return rcx_fail_errno(s, "cannot report consumed sub-buffers");
	return 0;
}

static int mmap_stream(struct rcx_session *s, uint64_t n)
{
	struct relay *relay = s->priv;
	bool timed_out = false;

	(void)n;
	for (;;) {
		bool over = rcx_stream_over(s);

		if ((over || timed_out) && flush(s))
			return -1;
		for (nfds_t i = 0; i < relay->cpus; i++)
			if (take_mapped(s, relay, i))
				return -1;
		if (over)
			return 0;
		if (rcx_polls(s))
			timed_out = !poll(relay->file, relay->cpus, RCX_STREAM_WAIT);
	}
}

/* ---- registration ------------------------------------------------------- */

#define ROOM                 \
	.max = RCX_BODY_MAX, \
	.limit = "A record must fit into a sub-buffer; ours are as large as needed."
#define STREAM(loop, lengths) .run = loop, ROOM, .waits = RCX_WAIT_DRAIN, .queue = &(lengths)
#define BATCHES(loop)	      { STREAM(loop, relay_batches), .batch = RCX_BATCH }

static const struct rcx_queue relay_singles = {
	.what = "sub-buffers of one record each",
	.min = 2,
	.max = RCX_RELAY_COUNT_MAX,
	.values = { 16, 64, 1024 },
};

static const struct rcx_queue relay_batches = {
	.what = "sub-buffers of 16 records each",
	.min = 2,
	.max = RCX_RELAY_COUNT_MAX,
	.values = { 2, 16, 64 },
};

/* Only single has notify: in the other modes only a full sub-buffer wakes a reader. */
static const struct rcx_mode relay_modes[] = {
	{
		.name = "single",
		.summary = "a sub-buffer and a wake-up for each record; read()",
		.open = single_open,
		.close = relay_close,
		.claims = RCX_POLLABLE | RCX_READERS_EACH | RCX_FULL_REFUSES,
		.operations = {
			[RCX_NOTIFY] = { .run = single_notify, ROOM, .waits = RCX_WAIT_DRAIN },
			[RCX_STREAM] = { STREAM(read_stream, relay_singles) },
		},
	},
	{
		.name = "batch",
		.summary = "16 records in a sub-buffer, one wake-up; read()",
		.open = batch_open,
		.close = relay_close,
		.claims = RCX_POLLABLE | RCX_READERS_EACH | RCX_FULL_REFUSES,
		.operations = {
			[RCX_STREAM] = BATCHES(read_stream),
		},
	},
	{
		.name = "overwrite",
		.summary = "like batch, but a full buffer loses its oldest sub-buffer",
		.open = overwrite_open,
		.close = relay_close,
		.claims = RCX_POLLABLE | RCX_READERS_EACH | RCX_FULL_OVERWRITES,
		.operations = {
			[RCX_STREAM] = BATCHES(read_stream),
		},
	},
	{
		.name = "mmap",
		.summary = "16 records in a sub-buffer, read in place",
		.open = mmap_open,
		.close = relay_close,
		.claims = RCX_POLLABLE | RCX_READERS_EACH | RCX_FULL_REFUSES,
		.operations = {
			[RCX_STREAM] = BATCHES(mmap_stream),
		},
	},
	{ }
};

static const struct rcx_channel relay_channel = {
	.name = "relay",
	.summary = "Per-CPU logs in files served by relay",
	.module = "ringcross_relay",
	.flags = RCX_RT_HARDIRQ,
	.since = "2.6.14: relay (as a file system, relayfs; in files of any file system since 2.6.17)",
	.modes = relay_modes,
	.unsupported_reason = {
		[RCX_PUSH] = "Its files have no write(), and the kernel does not read what is written to a mapping.",
		[RCX_PULL] = "A read returns what the kernel has logged; it does not request a fresh message.",
		[RCX_CALL] = "Its files have no write(), so there is no request to answer.",
		[RCX_UPCALL] = "Its files have no write(), so a reply would have to take another channel.",
		[RCX_DUMP] = "A read returns what the kernel has logged; it does not start a walk over a table.",
	},
};
RCX_CHANNEL(relay_channel);
