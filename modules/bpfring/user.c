// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include "channel.h"
#include "bpf.h"

#define PAGES	64u /* of the ring, without a requested length; more for large messages */
#define RECORDS 4u  /* that fit into the ring at least, without a requested length */

/* Sleep between two looks at the ring; the kernel's timer slack adds up to as much. */
static const struct timespec look_interval = { .tv_nsec = 50000 };

/*
 * s->fd is the attached program, and s->fd2 the ring.  The kernel half is held by s->fd.
 *
 * @reader: the reader's page, which the writer reads
 * @writer: the writer's page
 * @data: the pages of the ring, twice in a row, so that each record is in one piece
 * @position: bytes consumed
 * @lost: losses that the program has counted, and @noticed: those that were reported
 */
struct bpfring {
	size_t page, size;
	struct rcx_bpf_position *reader;
	const struct rcx_bpf_position *writer;
	const unsigned char *data;
	uint64_t position;
	const uint64_t *lost;
	uint64_t noticed;
};

/* ---- open and close ----------------------------------------------------- */

static int fail_bpf(struct rcx_session *s, const char *what)
{
	if (errno == ENOSYS)
		return rcx_skip(s, "This kernel has no bpf(): CONFIG_BPF_SYSCALL.");
	return rcx_fail_errno(s, what);
}

/* The requested length, or enough for some messages. */
static size_t ring_size(const struct rcx_session *s, size_t page)
{
	size_t size = (s->queue ? s->queue : PAGES) * page;
	size_t record = rcx_bpf_stride((uint32_t)rcx_len(s));

	while (!s->queue && size < RECORDS * record)
		size *= 2;
	return size;
}

/* Map @len bytes at @offset of a map. */
static void *map_at(int fd, size_t len, int access, size_t offset)
{
	void *map = mmap(NULL, len, access, MAP_SHARED | MAP_POPULATE, fd, (off_t)offset);

	return map == MAP_FAILED ? NULL : map;
}

static int open_ring(struct rcx_session *s, struct bpfring *bpf, uint32_t flags)
{
	s->fd2 = rcx_bpf_ring((uint32_t)bpf->size, flags);
	if (s->fd2 < 0 && errno == EINVAL && flags)
		return rcx_skip(s,
				"This kernel's BPF rings cannot overwrite: Linux can since 6.19.");
	if (s->fd2 < 0)
		return fail_bpf(s, "cannot make a BPF ring");
	bpf->reader = map_at(s->fd2, bpf->page, PROT_READ | PROT_WRITE, 0);
	bpf->writer = map_at(s->fd2, bpf->page + 2 * bpf->size, PROT_READ, bpf->page);
	if (!bpf->reader || !bpf->writer)
		return rcx_fail_errno(s, "cannot map the ring");
	bpf->data = (const unsigned char *)bpf->writer + bpf->page;
	return 0;
}

/* The program holds both maps, so only the ring's file descriptor is kept, to poll it. */
static int attach(struct rcx_session *s, struct bpfring *bpf, int lost, enum rcx_bpf_wake wake)
{
	int program;

	bpf->lost = map_at(lost, bpf->page, PROT_READ, 0);
	if (!bpf->lost)
		return rcx_fail_errno(s, "cannot map the count of losses");
	program = rcx_bpf_load(s->fd2, lost, (uint32_t)rcx_len(s), wake);
	if (program < 0)
		return fail_bpf(s, "cannot load the program");
	s->fd = rcx_bpf_attach(program, RCX_BPFRING_TRACEPOINT);
	if (s->fd < 0 && (errno == EINVAL || errno == ENOENT))
		rcx_skip(s, "This kernel cannot attach the program to a module's tracepoint: "
			    "CONFIG_BPF_EVENTS.");
	else if (s->fd < 0)
		rcx_fail_errno(s, "cannot attach the program");
	close(program);
	return s->fd < 0 ? -1 : 0;
}

static int open_with(struct rcx_session *s, enum rcx_bpf_wake wake, uint32_t flags)
{
	struct bpfring *bpf = s->priv = calloc(1, sizeof(*bpf));
	int lost, err;

	if (!bpf)
		return rcx_fail_errno(s, "cannot allocate memory");
	bpf->page = (size_t)sysconf(_SC_PAGESIZE);
	bpf->size = ring_size(s, bpf->page);
	if (bpf->size & (bpf->size - 1))
		return rcx_skip(s, "The pages of the ring must be a power of two in number.");
	if (bpf->size <= rcx_bpf_stride((uint32_t)rcx_len(s)))
		return rcx_skip(s, "The ring would be smaller than one message.");
	if (open_ring(s, bpf, flags))
		return -1;
	lost = rcx_bpf_counter();
	if (lost < 0)
		return fail_bpf(s, "cannot make a BPF array");
	err = attach(s, bpf, lost, wake);
	close(lost);
	return err;
}

static int each_open(struct rcx_session *s)
{
	return open_with(s, RCX_BPF_EACH, 0);
}

static int batch_open(struct rcx_session *s)
{
	return open_with(s, RCX_BPF_BATCH, 0);
}

static int none_open(struct rcx_session *s)
{
	return open_with(s, RCX_BPF_NEVER, 0);
}

static int adaptive_open(struct rcx_session *s)
{
	return open_with(s, RCX_BPF_ADAPTIVE, 0);
}

static int overwrite_open(struct rcx_session *s)
{
	return open_with(s, RCX_BPF_BATCH, RCX_BPF_OVERWRITE);
}

static void bpfring_close(struct rcx_session *s)
{
	struct bpfring *bpf = s->priv;

	if (!bpf)
		return;
	if (bpf->reader)
		munmap(bpf->reader, bpf->page);
	if (bpf->writer)
		munmap((void *)(uintptr_t)bpf->writer, bpf->page + 2 * bpf->size);
	if (bpf->lost)
		munmap((void *)(uintptr_t)bpf->lost, bpf->page);
	free(bpf);
}

/* ---- records ------------------------------------------------------------ */

static inline const unsigned char *record_at(const struct bpfring *bpf, uint64_t position)
{
	return bpf->data + (position & (bpf->size - 1));
}

/* The first 32 bits of a record: its length, and whether it is being written. */
static inline uint32_t record_head(const unsigned char *record)
{
	return __atomic_load_n((const uint32_t *)(const void *)record, __ATOMIC_ACQUIRE);
}

/* The message of a record, and its length, which is that of the record or less. */
static inline const struct rcx_msg *message_in(const unsigned char *record, uint32_t head,
					       size_t *len)
{
	const struct rcx_msg *msg = (const void *)(record + RCX_BPF_HEADER);
	size_t whole = (size_t)RCX_HEADER + msg->size;

	*len = whole < head ? whole : head;
	return msg;
}

/* Let the writer use the room up to our position again. */
static inline void consume(struct bpfring *bpf, uint32_t head)
{
	bpf->position += rcx_bpf_stride(head);
	__atomic_store_n(&bpf->reader->position, bpf->position, __ATOMIC_RELEASE);
}

/* The oldest complete record, or NULL; @head becomes its length. */
static inline const unsigned char *next_record(const struct bpfring *bpf, uint32_t *head)
{
	const unsigned char *record = record_at(bpf, bpf->position);

	if (__atomic_load_n(&bpf->writer->position, __ATOMIC_ACQUIRE) == bpf->position)
		return NULL;
	*head = record_head(record);
	return *head & RCX_BPF_BUSY ? NULL : record;
}

/* The program has counted events that it lost. */
static inline void note_lost(struct rcx_session *s, struct bpfring *bpf)
{
	uint64_t lost = __atomic_load_n(bpf->lost, __ATOMIC_ACQUIRE);

	if (lost != bpf->noticed) {
		bpf->noticed = lost;
		s->overruns++;
	}
}

/* ---- keeping ------------------------------------------------------------ */

static int keep_notify(struct rcx_session *s, uint64_t n)
{
	struct pollfd pfd = { .fd = s->fd2, .events = POLLIN };
	struct bpfring *bpf = s->priv;
	bool polls = rcx_polls(s);

	while (n--) {
		const unsigned char *record;
		const struct rcx_msg *msg;
		uint32_t head;
		size_t len;

		if (rcx_arm(s))
			return -1;
		do {
			if (polls)
				poll(&pfd, 1, -1);
			record = next_record(bpf, &head);
		} while (!record);
		rcx_arrived(s);
		msg = message_in(record, head, &len);
		if (rcx_rx(s, msg, len))
			return -1;
		consume(bpf, head);
	}
	return 0;
}

static inline int take_records(struct rcx_session *s, struct bpfring *bpf)
{
	const unsigned char *record;
	const struct rcx_msg *msg;
	uint32_t head;
	size_t len;

	while ((record = next_record(bpf, &head)) != NULL) {
		if (!(head & RCX_BPF_DISCARD)) {
			msg = message_in(record, head, &len);
			if (rcx_streamed(s, msg, len))
				return -1;
		}
		consume(bpf, head);
	}
	note_lost(s, bpf);
	return 0;
}

static int keep_stream(struct rcx_session *s, uint64_t n)
{
	struct pollfd pfd = { .fd = s->fd2, .events = POLLIN };

	(void)n;
	for (;;) {
		bool over = rcx_stream_over(s);

		if (take_records(s, s->priv))
			return -1;
		if (over)
			return 0;
		if (rcx_polls(s))
			poll(&pfd, 1, RCX_STREAM_WAIT);
	}
}

/* Without wake-ups, the reader sleeps between two looks. */
static int none_stream(struct rcx_session *s, uint64_t n)
{
	bool polls = rcx_polls(s);

	(void)n;
	for (;;) {
		bool over = rcx_stream_over(s);

		if (take_records(s, s->priv))
			return -1;
		if (over)
			return 0;
		if (polls)
			nanosleep(&look_interval, NULL);
	}
}

/* ---- overwriting -------------------------------------------------------- */

/* Continue with the oldest record that was not overwritten. */
static inline bool skip_overwritten(struct rcx_session *s, struct bpfring *bpf)
{
	uint64_t oldest = __atomic_load_n(&bpf->writer->overwrite, __ATOMIC_ACQUIRE);

	if (oldest <= bpf->position)
		return false;
	bpf->position = oldest;
	s->overruns++;
	return true;
}

/*
 * The writer does not wait for us.  It moves the position of the oldest record before it uses
 * the room, so a copy is good if that position is not beyond the record afterwards.
 */
static inline int take_copies(struct rcx_session *s, struct bpfring *bpf)
{
	const unsigned char *record;
	const struct rcx_msg *msg;
	uint32_t head;
	size_t len;

	for (;;) {
		skip_overwritten(s, bpf);
		record = next_record(bpf, &head);
		if (!record)
			break;
		len = head & ~RCX_BPF_DISCARD;
		memcpy(s->rx, record + RCX_BPF_HEADER, len < rcx_len(s) ? len : rcx_len(s));
		__atomic_thread_fence(__ATOMIC_ACQUIRE);
		if (skip_overwritten(s, bpf))
			continue;
		if (!(head & RCX_BPF_DISCARD)) {
			msg = message_in((const unsigned char *)s->rx - RCX_BPF_HEADER, head, &len);
			if (rcx_streamed(s, msg, len))
				return -1;
		}
		consume(bpf, head);
	}
	note_lost(s, bpf);
	return 0;
}

static int overwrite_stream(struct rcx_session *s, uint64_t n)
{
	struct pollfd pfd = { .fd = s->fd2, .events = POLLIN };

	(void)n;
	for (;;) {
		bool over = rcx_stream_over(s);

		if (take_copies(s, s->priv))
			return -1;
		if (over)
			return 0;
		if (rcx_polls(s))
			poll(&pfd, 1, RCX_STREAM_WAIT);
	}
}

/* ---- registration ------------------------------------------------------- */

#define ROOM                 \
	.max = RCX_BODY_MAX, \
	.limit = "A record must fit into the ring; the reader makes it as large as needed."
#define STREAM(loop, ...) \
	{ .run = loop, ROOM, .waits = RCX_WAIT_DRAIN, .queue = &bpfring_queue, __VA_ARGS__ }

static const struct rcx_queue bpfring_queue = {
	.what = "pages of the ring",
	.min = 1,
	.max = 16384,
	.values = { 4, 64, 1024 },
};

/* batch and overwrite have no notify: one event wakes no reader. */
static const struct rcx_mode bpfring_modes[] = {
	{
		.name = "each",
		.summary = "each event wakes the reader",
		.open = each_open,
		.close = bpfring_close,
		.claims = RCX_POLLABLE | RCX_READERS_EACH,
		.operations = {
			[RCX_NOTIFY] = { .run = keep_notify, ROOM, .waits = RCX_WAIT_DRAIN },
			[RCX_STREAM] = STREAM(keep_stream),
		},
	},
	{
		.name = "batch",
		.summary = "every 16th event and the last one wake the reader",
		.open = batch_open,
		.close = bpfring_close,
		.claims = RCX_POLLABLE | RCX_READERS_EACH,
		.operations = {
			[RCX_STREAM] = STREAM(keep_stream, .batch = RCX_BATCH),
		},
	},
	{
		.name = "none",
		.summary = "no event wakes the reader, which looks by itself",
		.open = none_open,
		.close = bpfring_close,
		.claims = RCX_READERS_EACH,
		.operations = {
			[RCX_NOTIFY] = { .run = keep_notify, ROOM, .waits = RCX_WAIT_BUSY,
					.excludes = RCX_WITHOUT_WAKEUP },
			[RCX_STREAM] = STREAM(none_stream, .excludes = RCX_WITHOUT_WAKEUP),
		},
	},
	{
		.name = "adaptive",
		.summary = "an event wakes the reader if it had read all others",
		.open = adaptive_open,
		.close = bpfring_close,
		.claims = RCX_POLLABLE | RCX_READERS_EACH,
		.operations = {
			[RCX_NOTIFY] = { .run = keep_notify, ROOM, .waits = RCX_WAIT_DRAIN },
			[RCX_STREAM] = STREAM(keep_stream),
		},
	},
	{
		.name = "overwrite",
		.summary = "like batch, but the newest event replaces the oldest",
		.open = overwrite_open,
		.close = bpfring_close,
		.claims = RCX_POLLABLE | RCX_READERS_EACH | RCX_FULL_OVERWRITES,
		.operations = {
			[RCX_STREAM] = STREAM(overwrite_stream, .batch = RCX_BATCH),
		},
	},
	{ }
};

static const struct rcx_channel bpfring_channel = {
	.name = "bpfring",
	.summary = "A ring that a BPF program fills at a tracepoint",
	.module = "ringcross_bpfring",
	.since = "5.8: BPF_MAP_TYPE_RINGBUF with CONFIG_BPF_SYSCALL and CONFIG_BPF_EVENTS",
	.modes = bpfring_modes,
	.unsupported_reason = {
		[RCX_PUSH] = "Only BPF programs write to the ring, and the kernel half cannot read it.",
		[RCX_PULL] = "The ring holds what a program has put there; no call requests a fresh message.",
		[RCX_CALL] = "Only BPF programs write to the ring, so there is no request to answer.",
		[RCX_UPCALL] = "A program that reads the ring stores only its own position, so no reply can come back.",
		[RCX_DUMP] = "The ring holds events; a table is read from another map, see channel bpfiter.",
	},
};
RCX_CHANNEL(bpfring_channel);
