// SPDX-License-Identifier: GPL-2.0-only
/*
 * Messages are written and read in place, in the mapped area.  A message counts as received
 * when head includes it; its header is checked in place after that.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>
#include "channel.h"
#include "abi.h"

#define SLOTS 256u /* as deep as the queues of the other devices */

/* How this process sees the area. */
struct view {
	struct rcx_msg *tx; /* the session's original s->tx, restored at close */
	struct rcx_mmap_ends *ends;
	unsigned char *slots;
	uint32_t stride;
	uint32_t count;
	uint32_t position; /* our index: head or tail of the ring */
};

static struct rcx_mmap_slot *slot_at(const struct view *view, uint32_t position)
{
	return (struct rcx_mmap_slot *)(view->slots +
					(size_t)(position & (view->count - 1)) * view->stride);
}

static struct rcx_msg *message_in(struct rcx_mmap_slot *slot)
{
	return (struct rcx_msg *)slot->message;
}

/*
 * The requested number of slots.  Without a request: SLOTS, or fewer if SLOTS do not
 * fit, so that the largest messages have a ring as well.
 */
static uint32_t slots_for(const struct rcx_session *s)
{
	size_t len = rcx_len(s);
	uint32_t slots = SLOTS;

	if (s->queue)
		return s->queue;
	while (slots > 1 && slots * (len + 64) > RCX_MMAP_AREA_MAX)
		slots /= 2;
	return slots;
}

/* Prepare the headers once, as is done for the session's s->tx. */
static void prepare_slots(struct rcx_session *s, struct view *view)
{
	for (uint32_t i = 0; i < view->count; i++) {
		message_in(slot_at(view, i))->magic = RCX_MAGIC;
		message_in(slot_at(view, i))->size = s->size;
	}
}

static bool is_ring(enum rcx_mmap_kind kind)
{
	return kind == RCX_MMAP_TO_KERNEL || kind == RCX_MMAP_TO_USER;
}

static int open_area(struct rcx_session *s, uint32_t kind)
{
	struct rcx_mmap_setup setup = {
		.kind = kind,
		.room = kind == RCX_MMAP_TABLE ? s->records * RCX_RECORD : (uint32_t)rcx_len(s),
		.slots = is_ring(kind) ? slots_for(s) : 1,
	};
	struct view *view;
	void *map;

	s->fd = open(RCX_MMAP_DEVICE, O_RDWR | O_CLOEXEC);
	if (s->fd < 0)
		return rcx_fail_errno(s, "open " RCX_MMAP_DEVICE);
	if (ioctl(s->fd, RCX_MMAP_SETUP, &setup)) {
		if (s->queue && (errno == EINVAL || errno == E2BIG))
			return rcx_skip(
				s,
				"The slots must be a power of two in number, and at most 8 MiB in all.");
		return rcx_fail_errno(s, "ioctl setup");
	}
	map = mmap(NULL, setup.len, PROT_READ | PROT_WRITE, MAP_SHARED, s->fd, 0);
	if (map == MAP_FAILED)
		return rcx_fail_errno(s, "mmap");
	s->map = map;
	s->map_len = setup.len;
	view = malloc(sizeof(*view));
	if (!view)
		return rcx_fail_errno(s, "malloc");
	*view = (struct view){
		.tx = s->tx,
		.ends = map,
		.slots = (unsigned char *)map + RCX_MMAP_SLOTS,
		.stride = setup.stride,
		.count = setup.slots,
	};
	s->priv = view;
	if (kind == RCX_MMAP_PAGE || kind == RCX_MMAP_TO_KERNEL)
		prepare_slots(s, view);
	return 0;
}

static void mmap_close(struct rcx_session *s)
{
	struct view *view = s->priv;

	if (view)
		s->tx = view->tx;
	free(view);
}

/* ---- page: one slot and a doorbell ------------------------------------- */

static int page_open(struct rcx_session *s)
{
	if (s->op == RCX_UPCALL)
		return open_area(s, RCX_MMAP_UPCALL);
	if (s->op == RCX_DUMP)
		return open_area(s, RCX_MMAP_TABLE);
	if (open_area(s, RCX_MMAP_PAGE))
		return -1;
	s->tx = message_in(slot_at(s->priv, 0));
	return 0;
}

static int page_push(struct rcx_session *s, uint64_t n)
{
	struct rcx_mmap_slot *slot = slot_at(s->priv, 0);

	while (n--) {
		rcx_tx(s);
		slot->len = (uint32_t)rcx_len(s);
		if (ioctl(s->fd, RCX_MMAP_PUSH))
			return rcx_fail_errno(s, "ioctl push");
	}
	return 0;
}

static int page_pull(struct rcx_session *s, uint64_t n)
{
	struct rcx_mmap_slot *slot = slot_at(s->priv, 0);

	while (n--) {
		if (ioctl(s->fd, RCX_MMAP_PULL, rcx_len(s)))
			return rcx_fail_errno(s, "ioctl pull");
		if (rcx_rx(s, message_in(slot), slot->len))
			return -1;
	}
	return 0;
}

static int page_call(struct rcx_session *s, uint64_t n)
{
	struct rcx_mmap_slot *slot = slot_at(s->priv, 0);

	while (n--) {
		rcx_tx(s);
		slot->len = (uint32_t)rcx_len(s);
		if (ioctl(s->fd, RCX_MMAP_CALL))
			return rcx_fail_errno(s, "ioctl call");
		if (rcx_rx_reply(s, message_in(slot), slot->len))
			return -1;
	}
	return 0;
}

/* ---- tables ---------------------------------------------------------------- */

static const struct rcx_record *records_in(const struct view *view)
{
	return (const struct rcx_record *)slot_at(view, 0)->message;
}

static inline int check_records(struct rcx_session *s, const struct rcx_record *records)
{
	for (uint32_t i = 0; i < s->records; i++)
		if (rcx_record(s, &records[i]))
			return -1;
	return 0;
}

/* The doorbell has written the records before it returns. */
static int page_dump(struct rcx_session *s, uint64_t n)
{
	const struct rcx_record *records = records_in(s->priv);

	while (n--) {
		int count = ioctl(s->fd, RCX_MMAP_DUMP);

		if (count < 0)
			return rcx_fail_errno(s, "ioctl dump");
		if ((uint32_t)count != s->records)
			return rcx_fail(s, "the table has %d records", count);
		if (check_records(s, records) || rcx_dumped(s))
			return -1;
	}
	return 0;
}

static int table_open(struct rcx_session *s)
{
	if (open_area(s, RCX_MMAP_TABLE))
		return -1;
	return ioctl(s->fd, RCX_MMAP_DUMP) < 0 ? rcx_fail_errno(s, "ioctl dump") : 0;
}

/*
 * Read the table that is there.  It is consistent if head is even before and the same after.  All
 * its records carry the number of the kernel's last change, which head states.
 */
static int table_dump(struct rcx_session *s, uint64_t n)
{
	const struct rcx_record *records = records_in(s->priv);
	const struct rcx_mmap_ends *ends = ((struct view *)s->priv)->ends;

	while (n--) {
		uint32_t head = __atomic_load_n(&ends->head, __ATOMIC_ACQUIRE);

		if (head % 2)
			return rcx_fail(s, "the table changes, although nobody changes it");
		s->seen = head / 2 - 1;
		if (check_records(s, records))
			return -1;
		__atomic_thread_fence(__ATOMIC_ACQUIRE);
		if (__atomic_load_n(&ends->head, __ATOMIC_RELAXED) != head)
			return rcx_fail(s, "the table has changed, although nobody changes it");
		if (rcx_dumped(s))
			return -1;
	}
	return 0;
}

/* ---- ring --------------------------------------------------------------- */

static int ring_open(struct rcx_session *s)
{
	return open_area(s, s->op == RCX_PUSH ? RCX_MMAP_TO_KERNEL : RCX_MMAP_TO_USER);
}

/* Put @count messages into the slots from the present position on, one by one. */
static inline void put_singly(struct rcx_session *s, const struct view *view, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		struct rcx_mmap_slot *slot = slot_at(view, view->position + i);

		s->tx = message_in(slot);
		rcx_tx(s); /* in the validation pass, fills the body */
		slot->len = (uint32_t)rcx_len(s);
	}
}

/* The same for many, without bodies.  Up to the last slot, the next one follows in memory. */
static inline void put_headers(struct rcx_session *s, const struct view *view, uint32_t count)
{
	const uint32_t len = (uint32_t)rcx_len(s);
	uint32_t position = view->position;
	uint64_t seq = s->sent, end = seq + count;

	while (seq != end) {
		unsigned char *at = (unsigned char *)slot_at(view, position);
		uint32_t to_wrap = view->count - (position & (view->count - 1));
		uint64_t stop = end - seq < to_wrap ? end : seq + to_wrap;

		position += (uint32_t)(stop - seq);
		for (; seq != stop; seq++, at += view->stride) {
			struct rcx_mmap_slot *slot = (struct rcx_mmap_slot *)at;

			message_in(slot)->seq = seq;
			slot->len = len;
		}
	}
	s->sent = seq;
}

/* Put @count messages into the ring, and then let the kernel half see them. */
static inline int put_messages(struct rcx_session *s, struct view *view, uint32_t count)
{
	const struct view before = *view;
	uint32_t tail = __atomic_load_n(&before.ends->tail, __ATOMIC_ACQUIRE);

	if (before.position + count - tail > before.count)
		return rcx_fail(s, "the ring is full although the kernel half has emptied it");
	if (count == 1 || s->validate)
		put_singly(s, &before, count);
	else
		put_headers(s, &before, count);
	view->position += count;
	__atomic_store_n(&before.ends->head, view->position, __ATOMIC_RELEASE);
	return 0;
}

/* Ring the doorbell once for every @batch messages. */
static inline int push_batches(struct rcx_session *s, uint64_t n, uint32_t batch)
{
	struct view *view = s->priv;

	while (n) {
		uint32_t count = n < batch ? (uint32_t)n : batch;

		if (put_messages(s, view, count))
			return -1;
		if (ioctl(s->fd, RCX_MMAP_KICK) != (int)count)
			return rcx_fail_errno(s, "ioctl kick");
		n -= count;
	}
	return 0;
}

static int ring_push(struct rcx_session *s, uint64_t n)
{
	return push_batches(s, n, 1);
}

static int kick16_push(struct rcx_session *s, uint64_t n)
{
	return push_batches(s, n, 16);
}

static int kick64_push(struct rcx_session *s, uint64_t n)
{
	return push_batches(s, n, 64);
}

/* The oldest message in the ring, in place, or NULL. */
static struct rcx_mmap_slot *ring_peek(const struct view *view)
{
	uint32_t head = __atomic_load_n(&view->ends->head, __ATOMIC_ACQUIRE);

	return head == view->position ? NULL : slot_at(view, view->position);
}

/* Release the oldest message: the kernel may fill its slot again. */
static void ring_drop(struct view *view)
{
	__atomic_store_n(&view->ends->tail, ++view->position, __ATOMIC_RELEASE);
}

static int ring_notify(struct rcx_session *s, uint64_t n)
{
	struct pollfd pfd = { .fd = s->fd, .events = POLLIN };
	struct view *view = s->priv;
	bool polls = rcx_polls(s);

	while (n--) {
		struct rcx_mmap_slot *slot;

		if (rcx_arm(s))
			return -1;
		do {
			if (polls && poll(&pfd, 1, -1) != 1)
				return rcx_fail_errno(s, "poll");
			slot = ring_peek(view);
		} while (!slot);
		rcx_arrived(s);
		if (rcx_rx(s, message_in(slot), slot->len))
			return -1;
		ring_drop(view);
	}
	return 0;
}

/* The kernel reads the tail only for poll(), where a request that was read is none any more. */
static inline int page_serve(struct rcx_session *s, bool polls)
{
	struct pollfd pfd = { .fd = s->fd, .events = POLLIN };
	struct view *view = s->priv;
	struct rcx_mmap_slot *slot;

	do {
		if (polls && poll(&pfd, 1, -1) != 1)
			return rcx_fail_errno(s, "poll");
		slot = ring_peek(view);
	} while (!slot);
	ring_drop(view);
	if (rcx_rx(s, message_in(slot), slot->len))
		return -1;
	rcx_tx_reply(s, message_in(slot));
	return ioctl(s->fd, RCX_MMAP_ANSWER) ? rcx_fail_errno(s, "ioctl answer") : 0;
}

static int page_upcall(struct rcx_session *s, uint64_t n)
{
	uint64_t first = s->seen;
	bool polls = rcx_polls(s);

	if (rcx_ask(s, n + 1))
		return -1;
	for (uint64_t i = 0; i <= n; i++)
		if (page_serve(s, polls))
			return -1;
	return rcx_asked(s, first, n);
}

/* Take all messages that are in the ring. */
static inline int ring_drain(struct rcx_session *s, struct view *view)
{
	const struct view ring = *view;
	uint32_t position = ring.position;
	uint32_t head = __atomic_load_n(&ring.ends->head, __ATOMIC_ACQUIRE);

	while (position != head) {
		struct rcx_mmap_slot *slot = slot_at(&ring, position);

		if (rcx_streamed(s, message_in(slot), slot->len))
			return -1;
		/* The kernel may fill the slot again. */
		__atomic_store_n(&ring.ends->tail, ++position, __ATOMIC_RELEASE);
	}
	view->position = position;
	return 0;
}

static int ring_stream(struct rcx_session *s, uint64_t n)
{
	struct pollfd pfd = { .fd = s->fd, .events = POLLIN };

	(void)n;
	for (;;) {
		bool over = rcx_stream_over(s);

		if (ring_drain(s, s->priv))
			return -1;
		if (over)
			return 0;
		if (rcx_polls(s))
			poll(&pfd, 1, RCX_STREAM_WAIT);
	}
}

/* ---- ring-eventfd: the ring, and an eventfd to sleep in ------------------ */

/*
 * s->fd2 is the eventfd.  The reader sleeps until it reads for the first time.  A stream sleeps in
 * read() while it runs, and after that looks at the ring alone, so its eventfd always blocks.
 */
static int bell_open(struct rcx_session *s)
{
	bool polls = rcx_nonblocking(s) && s->op != RCX_STREAM;
	struct rcx_mmap_bell request = { 0 };

	s->fd2 = eventfd(0, EFD_CLOEXEC | (polls ? EFD_NONBLOCK : 0));
	if (s->fd2 < 0)
		return rcx_fail_errno(s, "eventfd");
	if (open_area(s, RCX_MMAP_TO_USER))
		return -1;
	__atomic_store_n(&((struct view *)s->priv)->ends->asleep, 1, __ATOMIC_RELAXED);
	request.fd = s->fd2;
	return ioctl(s->fd, RCX_MMAP_BELL, &request) ? rcx_fail_errno(s, "ioctl bell") : 0;
}

/*
 * Sleep until the kernel half has put a message into the ring, or until a signal.  The count is
 * not looked at: the producer may have signalled although this side has seen the message itself.
 */
static inline int bell_sleep(struct rcx_session *s, const struct view *view, bool polls)
{
	struct pollfd pfd = { .fd = s->fd2, .events = POLLIN };
	uint64_t count;

	__atomic_store_n(&view->ends->asleep, 1, __ATOMIC_RELAXED);
	__atomic_thread_fence(__ATOMIC_SEQ_CST); /* asleep before head */
	if (__atomic_load_n(&view->ends->head, __ATOMIC_ACQUIRE) == view->position) {
		if (polls && poll(&pfd, 1, -1) < 0)
			return rcx_fail_errno(s, "poll");
		if (read(s->fd2, &count, sizeof(count)) < 0 && errno != EAGAIN && errno != EINTR)
			return rcx_fail_errno(s, "read an eventfd");
	}
	__atomic_store_n(&view->ends->asleep, 0, __ATOMIC_RELAXED);
	return 0;
}

static int bell_notify(struct rcx_session *s, uint64_t n)
{
	struct view *view = s->priv;
	bool polls = rcx_polls(s);

	while (n--) {
		struct rcx_mmap_slot *slot;

		if (rcx_arm(s))
			return -1;
		while (!(slot = ring_peek(view)))
			if (bell_sleep(s, view, polls))
				return -1;
		rcx_arrived(s);
		if (rcx_rx(s, message_in(slot), slot->len))
			return -1;
		ring_drop(view);
	}
	return 0;
}

/* The last messages may arrive while the timer of the block is taken away. */
static int bell_stream(struct rcx_session *s, uint64_t n)
{
	struct view *view = s->priv;

	(void)n;
	if (rcx_stream_block(s))
		return -1;
	while (!rcx_stream_over(s))
		if (ring_drain(s, view) || bell_sleep(s, view, false))
			return -1;
	return rcx_stream_unblock(s) ? -1 : ring_drain(s, view);
}

/* ---- registration ------------------------------------------------------ */

#define SLOT                                                                                \
	.max = RCX_BODY_MAX,                                                                \
	.limit = "A slot holds one message, and the kernel half limits its body to 1 MiB.", \
	.excludes = RCX_WITHOUT_COPY
#define BATCH(count, bytes)                                                            \
	.max = (bytes), .batch = (count),                                              \
	.limit = "The slots of a batch must fit into the 8 MiB that a ring may have.", \
	.excludes = RCX_WITHOUT_COPY

static const struct rcx_queue mmap_queue = {
	.what = "slots of the ring",
	.min = 1,
	.max = RCX_MMAP_SLOTS_MAX,
	.values = { 16, 64, 1024 },
};

static const struct rcx_mode mmap_modes[] = {
	{
		.name = "page",
		.summary = "one shared message and an ioctl as doorbell; the body is not copied",
		.open = page_open,
		.close = mmap_close,
		.operations = {
			[RCX_PUSH] = { .run = page_push, SLOT },
			[RCX_PULL] = { .run = page_pull, SLOT },
			[RCX_CALL] = { .run = page_call, SLOT },
			[RCX_UPCALL] = { .run = page_upcall, SLOT, .waits = RCX_WAIT_DRAIN },
			[RCX_DUMP] = { .run = page_dump, RCX_TABLE },
		},
	},
	{
		.name = "table",
		.summary = "a table that is always there: no system call, and no cost of its changes",
		.open = table_open,
		.close = mmap_close,
		.operations = {
			[RCX_DUMP] = { .run = table_dump, RCX_TABLE, .excludes = RCX_WITHOUT_CALL },
		},
	},
	{
		.name = "ring",
		.summary = "a shared ring, with an ioctl or poll to wake; the body is not copied",
		.open = ring_open,
		.close = mmap_close,
		.claims = RCX_POLLABLE | RCX_READERS_EACH | RCX_FULL_REFUSES,
		.operations = {
			[RCX_PUSH] = { .run = ring_push, SLOT },
			[RCX_NOTIFY] = { .run = ring_notify, SLOT, .waits = RCX_WAIT_DRAIN },
			[RCX_STREAM] = { .run = ring_stream, SLOT, .waits = RCX_WAIT_DRAIN,
					.queue = &mmap_queue },
		},
	},
	{
		.name = "ring-eventfd",
		.summary = "the ring, and an eventfd that is signalled when the reader sleeps",
		.open = bell_open,
		.close = mmap_close,
		.claims = RCX_POLLABLE | RCX_READERS_EACH | RCX_FULL_REFUSES,
		.operations = {
			[RCX_NOTIFY] = { .run = bell_notify, SLOT,
					.waits = RCX_WAIT_BLOCK | RCX_WAIT_POLL },
			[RCX_STREAM] = { .run = bell_stream, SLOT, .waits = RCX_WAIT_BLOCK,
					.queue = &mmap_queue },
		},
	},
	{
		.name = "kick16",
		.summary = "the ring, one ioctl for 16 messages; the figure has 1/16 of a system call",
		.open = ring_open,
		.close = mmap_close,
		.operations = {
			[RCX_PUSH] = { .run = kick16_push, BATCH(16, 256u << 10) },
		},
	},
	{
		.name = "kick64",
		.summary = "the ring, one ioctl for 64 messages; the figure has 1/64 of a system call",
		.open = ring_open,
		.close = mmap_close,
		.operations = {
			[RCX_PUSH] = { .run = kick64_push, BATCH(64, 64u << 10) },
		},
	},
	{ }
};

static const struct rcx_channel mmap_channel = {
	.name = "mmap",
	.summary = "Memory that a driver and a process share",
	.module = "ringcross_mmap",
	.since = "1.0: mmap() of a driver's memory",
	.modes = mmap_modes,
	.classes = (const char *const[]){ "event counter: eventfd_* __x64_sys_eventfd*", NULL },
};
RCX_CHANNEL(mmap_channel);
