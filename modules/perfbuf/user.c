// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <linux/magic.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/vfs.h>
#include <time.h>
#include "channel.h"
#include "ring.h"

#define MOUNT "/sys/kernel/tracing"
#define CPUS  512
#define PAGES 64u /* of the ring of each CPU, without a requested length */

/* Sleep between two looks at the rings; the kernel's timer slack adds up to as much. */
static const struct timespec look_interval = { .tv_nsec = 50000 };

/*
 * Each CPU has a file descriptor and a ring.  s->map is room for one record that continues at
 * the start of its ring, and then for the places of all records of a ring in mode overwrite.
 *
 * @position: bytes consumed; in mode overwrite the position of the newest record that was read
 * @samples: records with a message that were read
 * @missed: events that were reported as lost, by records or by the count of events
 * @recorded: the part of them that was reported by records
 */
struct perfbuf {
	size_t page, size; /* of the data of a ring */
	nfds_t cpus;
	struct pollfd file[CPUS];
	struct ring {
		struct perf_event_mmap_page *head;
		const unsigned char *data;
		uint64_t position;
		uint64_t samples, missed, recorded;
	} ring[CPUS];
};

/* ---- open and close ----------------------------------------------------- */

static int fail_event(struct rcx_session *s)
{
	struct statfs fs;

	if (statfs(MOUNT, &fs) || fs.f_type != TRACEFS_MAGIC)
		return rcx_fail(s, "tracefs is not mounted; mount it at " MOUNT);
	if (errno == EPERM)
		return rcx_skip(s, "This kernel is locked down, which disables access to tracefs.");
	return rcx_fail_errno(s, RCX_PERFBUF_ID);
}

static int map_ring(struct rcx_session *s, struct perfbuf *perf, int fd, bool overwrite)
{
	struct ring *ring = &perf->ring[perf->cpus];
	void *map = mmap(NULL, perf->page + perf->size,
			 overwrite ? PROT_READ : PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE,
			 fd, 0);

	if (map == MAP_FAILED) {
		rcx_fail_errno(s, "cannot map a ring");
		close(fd);
		return -1;
	}
	ring->head = map;
	ring->data = (const unsigned char *)map + perf->page;
	perf->file[perf->cpus++] = (struct pollfd){ .fd = fd, .events = POLLIN };
	return 0;
}

static int open_ring(struct rcx_session *s, struct perfbuf *perf, struct perf_event_attr *attr,
		     int cpu)
{
	int fd = rcx_perfbuf_open(attr, -1, cpu);

	if (fd < 0 && errno == ENODEV)
		return 0; /* the CPU is offline */
	if (fd < 0 && errno == ENOSYS)
		return rcx_skip(s, "This kernel has no perf_event_open(): CONFIG_PERF_EVENTS.");
	if (fd < 0)
		return rcx_fail_errno(s, "perf_event_open");
	if (perf->cpus == CPUS) {
		close(fd);
		return rcx_fail(s, "there are more than %d CPUs", CPUS);
	}
	return map_ring(s, perf, fd, attr->write_backward);
}

static int open_rings(struct rcx_session *s, struct perfbuf *perf, struct perf_event_attr *attr)
{
	long cpus = sysconf(_SC_NPROCESSORS_CONF);

	attr->config = rcx_perfbuf_id();
	if (!attr->config)
		return fail_event(s);
	for (int cpu = 0; cpu < cpus; cpu++)
		if (open_ring(s, perf, attr, cpu))
			return -1;
	return perf->cpus ? 0 : rcx_fail(s, "no CPU has a ring");
}

static int open_with(struct rcx_session *s, struct perf_event_attr *attr)
{
	struct perfbuf *perf = s->priv = calloc(1, sizeof(*perf));
	uint32_t pages = s->queue ? s->queue : PAGES;

	if (!perf)
		return rcx_fail_errno(s, "cannot allocate memory");
	perf->page = (size_t)sysconf(_SC_PAGESIZE);
	perf->size = pages * perf->page;
	if (pages & (pages - 1))
		return rcx_skip(s, "The pages of a ring must be a power of two in number.");
	s->map_len = 2 * perf->size;
	s->map = mmap(NULL, s->map_len, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (s->map == MAP_FAILED) {
		s->map = NULL;
		return rcx_fail_errno(s, "cannot allocate room for records");
	}
	return open_rings(s, perf, attr);
}

static int each_open(struct rcx_session *s)
{
	struct perf_event_attr attr = rcx_perfbuf_attr(0);

	return open_with(s, &attr);
}

static int batch_open(struct rcx_session *s)
{
	struct perf_event_attr attr = rcx_perfbuf_attr(0);

	attr.wakeup_events = RCX_BATCH;
	return open_with(s, &attr);
}

/* Perf wakes at a number of bytes; this one is only reached by a ring that is full. */
static int none_open(struct rcx_session *s)
{
	struct perf_event_attr attr = rcx_perfbuf_attr(0);

	attr.watermark = 1;
	attr.wakeup_watermark = UINT32_MAX >> 1;
	return open_with(s, &attr);
}

static int overwrite_open(struct rcx_session *s)
{
	struct perf_event_attr attr = rcx_perfbuf_attr(0);

	attr.wakeup_events = RCX_BATCH;
	attr.write_backward = 1;
	return open_with(s, &attr);
}

static void perfbuf_close(struct rcx_session *s)
{
	struct perfbuf *perf = s->priv;

	if (!perf)
		return;
	for (nfds_t i = 0; i < perf->cpus; i++) {
		munmap(perf->ring[i].head, perf->page + perf->size);
		close(perf->file[i].fd);
	}
	free(perf);
}

/* ---- records ------------------------------------------------------------ */

/* The record at @position, in one piece. */
static inline const void *record_at(const struct rcx_session *s, const struct ring *ring,
				    uint64_t position)
{
	const struct perfbuf *perf = s->priv;
	size_t at = position & (perf->size - 1), left = perf->size - at;
	const struct perf_event_header *header = (const void *)(ring->data + at);

	if (header->size <= left)
		return header;
	memcpy(s->map, header, left);
	memcpy((unsigned char *)s->map + left, ring->data, header->size - left);
	return s->map;
}

/* The message in a sample, and its length: 0 when the fields cannot be right. */
static inline const struct rcx_msg *message_in(const struct rcx_sample *sample, size_t *len)
{
	size_t fields = offsetof(struct rcx_sample, type);

	*len = fields + sample->offset + sample->len <= sample->header.size ? sample->len : 0;
	return (const void *)((const unsigned char *)&sample->type + sample->offset);
}

static void note_lost(struct rcx_session *s, struct ring *ring, const struct rcx_lost *record)
{
	ring->recorded += record->lost;
	if (ring->recorded > ring->missed) {
		ring->missed = ring->recorded;
		s->overruns++;
	}
}

/* After the last event, no record reports a loss; but perf has counted all events. */
static int count_missed(struct rcx_session *s, struct perfbuf *perf)
{
	for (nfds_t i = 0; i < perf->cpus; i++) {
		struct ring *ring = &perf->ring[i];
		uint64_t events;

		if (read(perf->file[i].fd, &events, sizeof(events)) != sizeof(events))
			return rcx_fail_errno(s, "cannot read the count of events");
		if (events - ring->samples > ring->missed) {
			ring->missed = events - ring->samples;
			s->overruns++;
		}
	}
	return 0;
}

static inline int take_record(struct rcx_session *s, struct ring *ring,
			      const struct perf_event_header *header)
{
	const struct rcx_msg *msg;
	size_t len;

	if (header->type == PERF_RECORD_SAMPLE) {
		ring->samples++;
		msg = message_in((const void *)header, &len);
		return rcx_streamed(s, msg, len);
	}
	if (header->type == PERF_RECORD_LOST)
		note_lost(s, ring, (const void *)header);
	return 0;
}

/* ---- forward ------------------------------------------------------------ */

/* Let the writer use the room up to our position again. */
static inline void release(struct ring *ring)
{
	__atomic_store_n(&ring->head->data_tail, ring->position, __ATOMIC_RELEASE);
}

static inline bool is_empty(const struct ring *ring)
{
	return __atomic_load_n(&ring->head->data_head, __ATOMIC_ACQUIRE) == ring->position;
}

/* The ring that has an event, or NULL. */
static inline struct ring *find_event(struct perfbuf *perf)
{
	for (nfds_t i = 0; i < perf->cpus; i++)
		if (!is_empty(&perf->ring[i]))
			return &perf->ring[i];
	return NULL;
}

static int forward_notify(struct rcx_session *s, uint64_t n)
{
	struct perfbuf *perf = s->priv;
	bool polls = rcx_polls(s);

	while (n--) {
		const struct rcx_sample *sample;
		const struct rcx_msg *msg;
		struct ring *ring;
		size_t len;

		if (rcx_arm(s))
			return -1;
		do {
			if (polls)
				poll(perf->file, perf->cpus, -1);
			ring = find_event(perf);
		} while (!ring);
		sample = record_at(s, ring, ring->position);
		rcx_arrived(s);
		if (sample->header.type != PERF_RECORD_SAMPLE)
			return rcx_fail(s, "a record of type %u arrived instead of a sample",
					sample->header.type);
		ring->samples++;
		msg = message_in(sample, &len);
		if (rcx_rx(s, msg, len))
			return -1;
		ring->position += sample->header.size;
		release(ring);
	}
	return 0;
}

static inline int take_records(struct rcx_session *s, struct ring *ring)
{
	while (!is_empty(ring)) {
		const struct perf_event_header *header = record_at(s, ring, ring->position);

		if (take_record(s, ring, header))
			return -1;
		ring->position += header->size;
		release(ring);
	}
	return 0;
}

static int forward_stream(struct rcx_session *s, uint64_t n)
{
	struct perfbuf *perf = s->priv;

	(void)n;
	for (;;) {
		bool over = rcx_stream_over(s);

		for (nfds_t i = 0; i < perf->cpus; i++)
			if (take_records(s, &perf->ring[i]))
				return -1;
		if (over)
			return count_missed(s, perf);
		if (rcx_polls(s))
			poll(perf->file, perf->cpus, RCX_STREAM_WAIT);
	}
}

/* Without wake-ups, the reader sleeps between two looks. */
static int none_stream(struct rcx_session *s, uint64_t n)
{
	struct perfbuf *perf = s->priv;
	bool polls = rcx_polls(s);

	(void)n;
	for (;;) {
		bool over = rcx_stream_over(s);

		for (nfds_t i = 0; i < perf->cpus; i++)
			if (take_records(s, &perf->ring[i]))
				return -1;
		if (over)
			return count_missed(s, perf);
		if (polls)
			nanosleep(&look_interval, NULL);
	}
}

/* ---- backward ----------------------------------------------------------- */

/*
 * Perf puts the newest record before the others, so data_head runs from 0 downwards.  Note the
 * places of the records from the newest to the last one that was read, or to the oldest one
 * that is not yet overwritten in part.  Returns their number.
 */
static inline size_t note_places(const struct rcx_session *s, const struct ring *ring,
				 uint64_t *places)
{
	const struct perfbuf *perf = s->priv;
	uint64_t head = __atomic_load_n(&ring->head->data_head, __ATOMIC_ACQUIRE), at = head;
	size_t count = 0;

	while (at != ring->position && at - head < perf->size) {
		const struct perf_event_header *header =
			(const void *)(ring->data + (at & (perf->size - 1)));

		if (!header->size || at - head + header->size > perf->size)
			break;
		places[count++] = at;
		at += header->size;
	}
	return count;
}

/* Check the records that are new in a ring.  Nothing is written to it meanwhile. */
static inline int take_newest(struct rcx_session *s, struct ring *ring)
{
	const struct perfbuf *perf = s->priv;
	uint64_t *places = (uint64_t *)s->map + perf->size / sizeof(*places);
	size_t count = note_places(s, ring, places);

	if (!count)
		return 0;
	ring->position = places[0];
	while (count--)
		if (take_record(s, ring, record_at(s, ring, places[count])))
			return -1;
	return 0;
}

static inline int pause_output(struct rcx_session *s, int fd, int pause)
{
	return ioctl(fd, PERF_EVENT_IOC_PAUSE_OUTPUT, pause) ?
		       rcx_fail_errno(s, "cannot stop or start the output") :
		       0;
}

static int backward_stream(struct rcx_session *s, uint64_t n)
{
	struct perfbuf *perf = s->priv;

	(void)n;
	for (;;) {
		bool over = rcx_stream_over(s);

		for (nfds_t i = 0; i < perf->cpus; i++)
			if (pause_output(s, perf->file[i].fd, 1) ||
			    take_newest(s, &perf->ring[i]) || pause_output(s, perf->file[i].fd, 0))
				return -1;
		if (over)
			return count_missed(s, perf);
		if (rcx_polls(s))
			poll(perf->file, perf->cpus, RCX_STREAM_WAIT);
	}
}

/* ---- registration ------------------------------------------------------- */

#define ROOM                    \
	.max = RCX_PERFBUF_MAX, \
	.limit = "Perf copies a trace event from a buffer of 8 KiB per CPU and context."
#define STREAM(loop, ...) \
	{ .run = loop, ROOM, .waits = RCX_WAIT_DRAIN, .queue = &perfbuf_queue, __VA_ARGS__ }

static const struct rcx_queue perfbuf_queue = {
	.what = "pages of the ring of each CPU",
	.min = 4,
	.max = 16384,
	.values = { 4, 64, 1024 },
};

/* Only each and none have notify: in the other modes, one event wakes no reader. */
static const struct rcx_mode perfbuf_modes[] = {
	{
		.name = "each",
		.summary = "each event wakes the reader",
		.open = each_open,
		.close = perfbuf_close,
		.claims = RCX_POLLABLE | RCX_READERS_EACH,
		.operations = {
			[RCX_NOTIFY] = { .run = forward_notify, ROOM, .waits = RCX_WAIT_DRAIN },
			[RCX_STREAM] = STREAM(forward_stream),
		},
	},
	{
		.name = "batch",
		.summary = "every 16th event wakes the reader",
		.open = batch_open,
		.close = perfbuf_close,
		.claims = RCX_READERS_EACH,
		.operations = {
			[RCX_STREAM] = STREAM(forward_stream, .batch = RCX_BATCH),
		},
	},
	{
		.name = "none",
		.summary = "no event wakes the reader, which looks by itself",
		.open = none_open,
		.close = perfbuf_close,
		.claims = RCX_READERS_EACH,
		.operations = {
			[RCX_NOTIFY] = { .run = forward_notify, ROOM, .waits = RCX_WAIT_BUSY,
					.excludes = RCX_WITHOUT_WAKEUP },
			[RCX_STREAM] = STREAM(none_stream, .excludes = RCX_WITHOUT_WAKEUP),
		},
	},
	{
		.name = "overwrite",
		.summary = "like batch, but the newest event replaces the oldest",
		.open = overwrite_open,
		.close = perfbuf_close,
		/* Not RCX_FULL_OVERWRITES: the newest event is lost if the output is stopped. */
		.claims = RCX_READERS_EACH,
		.operations = {
			[RCX_STREAM] = STREAM(backward_stream, .batch = RCX_BATCH),
		},
	},
	{ }
};

static const struct rcx_channel perfbuf_channel = {
	.name = "perfbuf",
	.summary = "A trace event, delivered by perf into rings that a program maps",
	.module = "ringcross_perfbuf",
	.flags = RCX_RT_HARDIRQ,
	.since = "2.6.31: perf_event_open() of a trace event with CONFIG_PERF_EVENTS; backward since 4.7",
	.modes = perfbuf_modes,
	.unsupported_reason = {
		[RCX_PUSH] = "A program stores only its own position in the ring, and the kernel half "
			     "does not see it.",
		[RCX_PULL] = "The ring holds what was traced before; no call requests a fresh message.",
		[RCX_CALL] = "Nothing that a program does to the ring reaches the kernel half, so there is "
			     "no request to answer.",
		[RCX_UPCALL] = "A program stores only its own position in the ring, so no reply can come back.",
		[RCX_DUMP] = "The rings hold events in the order in which they were emitted, and no table.",
	},
};
RCX_CHANNEL(perfbuf_channel);
