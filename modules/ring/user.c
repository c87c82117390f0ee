// SPDX-License-Identifier: GPL-2.0-only
/*
 * Messages are copied into the slots and out of them, and an index is published once for each
 * batch.  The modes differ in the length of a batch.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include "channel.h"
#include "abi.h"

#define SLOTS RCX_RING_SLOTS_MAX /* the producer may emit many before the reader is scheduled */

/* One direction, as this process sees it. */
struct end {
	struct rcx_ring_ends *ends;
	unsigned char *first; /* slot 0 */
	unsigned char *stop;  /* behind the last slot */
	uint32_t position;    /* our index: head of the ring to the kernel, tail of the other */
};

struct view {
	struct end out, in;
	uint32_t count, stride;
};

/* ---- open and close ----------------------------------------------------- */

/*
 * The requested number of slots.  Without a request: SLOTS, or fewer if SLOTS do not
 * fit, so that the largest messages have a ring as well.
 */
static uint32_t slots_for(const struct rcx_session *s)
{
	uint32_t slots = SLOTS;

	if (s->queue)
		return s->queue;
	while (slots > 1 && slots * (rcx_len(s) + 64) > RCX_RING_BYTES_MAX)
		slots /= 2;
	return slots;
}

static int set_up(struct rcx_session *s, struct rcx_ring_setup *setup)
{
	s->fd = open(RCX_RING_DEVICE, O_RDWR | O_CLOEXEC);
	if (s->fd < 0)
		return rcx_fail_errno(s, "open " RCX_RING_DEVICE);
	if (!ioctl(s->fd, RCX_RING_SETUP, setup))
		return 0;
	if (s->queue && (errno == EINVAL || errno == E2BIG))
		return rcx_skip(s, "The slots must be a power of two, as many as a batch or more, "
				   "and at most 8 MiB in all.");
	return rcx_fail_errno(s, "ioctl setup");
}

static int open_area(struct rcx_session *s, uint32_t batch)
{
	struct rcx_ring_setup setup = {
		.room = (uint32_t)rcx_len(s),
		.slots = slots_for(s),
		.batch = rcx_kernel_initiated(s->op) ? batch : 0,
	};
	struct view *view = malloc(sizeof(*view));
	struct rcx_ring_control *control;
	size_t bytes;
	void *map;

	s->priv = view;
	if (!view)
		return rcx_fail_errno(s, "malloc");
	if (set_up(s, &setup))
		return -1;
	map = mmap(NULL, setup.len, PROT_READ | PROT_WRITE, MAP_SHARED, s->fd, 0);
	if (map == MAP_FAILED)
		return rcx_fail_errno(s, "mmap");
	s->map = map;
	s->map_len = setup.len;
	control = map;
	bytes = (size_t)setup.slots * setup.stride;
	*view = (struct view){ .count = setup.slots, .stride = setup.stride };
	view->out.ends = &control->to_kernel;
	view->out.first = (unsigned char *)map + RCX_RING_SLOTS;
	view->out.stop = view->in.first = view->out.first + bytes;
	view->in.ends = &control->to_user;
	view->in.stop = view->in.first + bytes;
	return 0;
}

static int each_open(struct rcx_session *s)
{
	return open_area(s, 1);
}

static int batch16_open(struct rcx_session *s)
{
	return open_area(s, 16);
}

static int batch64_open(struct rcx_session *s)
{
	return open_area(s, 64);
}

static void ring_close(struct rcx_session *s)
{
	free(s->priv);
}

/* ---- both directions ---------------------------------------------------- */

static inline unsigned char *slot_at(const struct view *view, const struct end *end)
{
	return end->first + (size_t)(end->position & (view->count - 1)) * view->stride;
}

static inline unsigned char *next_slot(const struct view *view, const struct end *end,
				       unsigned char *at)
{
	at += view->stride;
	return at == end->stop ? end->first : at;
}

/* Copy the next @count messages into the ring to the kernel, and then publish all of them. */
static inline int put(struct rcx_session *s, uint32_t count)
{
	struct view *view = s->priv;
	const struct view v = *view;
	unsigned char *at = slot_at(&v, &v.out);
	uint64_t seq = s->sent, end = seq + count;
	const uint64_t words = rcx_ring_words((uint32_t)rcx_len(s));
	uint32_t tail = __atomic_load_n(&v.out.ends->tail, __ATOMIC_ACQUIRE);
	struct rcx_msg *tx = s->tx;

	if (v.out.position + count - tail > v.count)
		return rcx_fail(s, "the ring is full although the kernel half has emptied it");
	if (s->validate) {
		for (; s->sent != end; at = next_slot(&v, &v.out, at)) {
			rcx_tx(s); /* fills the body */
			rcx_ring_copy(at, tx, words);
		}
	} else {
		for (; seq != end; at = next_slot(&v, &v.out, at)) {
			tx->seq = seq++;
			rcx_ring_copy(at, tx, words);
		}
		s->sent = end;
	}
	view->out.position += count;
	__atomic_store_n(&v.out.ends->head, view->out.position, __ATOMIC_RELEASE);
	return 0;
}

/* The kernel may fill the slots before @position again. */
static inline void give_back(struct end *in, uint32_t position)
{
	in->position = position;
	__atomic_store_n(&in->ends->tail, position, __ATOMIC_RELEASE);
}

/* Messages in the ring to the user. */
static inline uint32_t available(const struct end *in)
{
	return __atomic_load_n(&in->ends->head, __ATOMIC_ACQUIRE) - in->position;
}

/* Copy out the next @count messages, which must be the next ones that the kernel made. */
static inline int take(struct rcx_session *s, uint32_t count)
{
	struct view *view = s->priv;
	const struct view v = *view;
	const uint64_t end = s->seen + count, words = rcx_ring_words((uint32_t)rcx_len(s));
	/* In the validation pass none is equal, so that rcx_rx() checks the body of each. */
	const uint32_t size = s->validate ? UINT32_MAX : s->size;
	unsigned char *at = slot_at(&v, &v.in);
	struct rcx_msg *rx = s->rx;

	for (uint64_t seq = s->seen; seq != end; seq++) {
		rcx_ring_copy(rx, at, words);
		if (__builtin_expect(rx->seq != seq || rx->size != size, 0)) {
			s->seen = seq;
			if (rcx_rx(s, rx, RCX_HEADER + rx->size))
				return -1;
		}
		at = next_slot(&v, &v.in, at);
	}
	s->seen = end;
	give_back(&view->in, v.in.position + count);
	return 0;
}

/* ---- push, pull, call: one doorbell for each batch ---------------------- */

static inline uint32_t next_batch(uint64_t n, uint32_t batch)
{
	return n < batch ? (uint32_t)n : batch;
}

static inline int push(struct rcx_session *s, uint64_t n, uint32_t batch)
{
	for (uint32_t count; n; n -= count) {
		count = next_batch(n, batch);
		if (put(s, count))
			return -1;
		if (ioctl(s->fd, RCX_RING_KICK) != (int)count)
			return rcx_fail_errno(s, "ioctl kick");
	}
	return 0;
}

static inline int pull(struct rcx_session *s, uint64_t n, uint32_t batch)
{
	const struct view *view = s->priv;

	for (uint32_t count; n; n -= count) {
		count = next_batch(n, batch);
		if (ioctl(s->fd, RCX_RING_PULL, (unsigned long)count) != (int)count)
			return rcx_fail_errno(s, "ioctl pull");
		if (available(&view->in) != count)
			return rcx_fail(s, "the ring does not hold the messages that were made");
		if (take(s, count))
			return -1;
	}
	return 0;
}

/* Copy out the replies to the last @count requests, and check each. */
static inline int take_replies(struct rcx_session *s, uint32_t count)
{
	struct view *view = s->priv;
	const uint64_t words = rcx_ring_words((uint32_t)rcx_len(s));
	unsigned char *at = slot_at(view, &view->in);

	if (available(&view->in) != count)
		return rcx_fail(s, "the ring does not hold the replies that were made");
	for (uint64_t seq = s->sent - count; seq != s->sent; seq++) {
		rcx_ring_copy(s->rx, at, words);
		if (rcx_rx_reply_to(s, s->rx, RCX_HEADER + s->rx->size, seq))
			return -1;
		at = next_slot(view, &view->in, at);
	}
	give_back(&view->in, view->in.position + count);
	return 0;
}

static inline int call(struct rcx_session *s, uint64_t n, uint32_t batch)
{
	for (uint32_t count; n; n -= count) {
		count = next_batch(n, batch);
		if (put(s, count))
			return -1;
		if (ioctl(s->fd, RCX_RING_CALL) != (int)count)
			return rcx_fail_errno(s, "ioctl call");
		if (take_replies(s, count))
			return -1;
	}
	return 0;
}

/* A loop for each length, so that the length is a constant in it. */
static int each_push(struct rcx_session *s, uint64_t n)
{
	return push(s, n, 1);
}

static int each_pull(struct rcx_session *s, uint64_t n)
{
	return pull(s, n, 1);
}

static int each_call(struct rcx_session *s, uint64_t n)
{
	return call(s, n, 1);
}

static int batch16_push(struct rcx_session *s, uint64_t n)
{
	return push(s, n, 16);
}

static int batch16_pull(struct rcx_session *s, uint64_t n)
{
	return pull(s, n, 16);
}

static int batch16_call(struct rcx_session *s, uint64_t n)
{
	return call(s, n, 16);
}

static int batch64_push(struct rcx_session *s, uint64_t n)
{
	return push(s, n, 64);
}

static int batch64_pull(struct rcx_session *s, uint64_t n)
{
	return pull(s, n, 64);
}

static int batch64_call(struct rcx_session *s, uint64_t n)
{
	return call(s, n, 64);
}

/* ---- events ------------------------------------------------------------- */

/* Sleep until the ring has messages, at most @ms; 0 is no limit.  0, or -1 with errno. */
static inline int doze(const struct rcx_session *s, unsigned int ms)
{
	struct pollfd pfd = { .fd = s->fd, .events = POLLIN };

	if (s->wait == RCX_WAIT_BLOCK)
		return ioctl(s->fd, RCX_RING_WAIT, (unsigned long)ms) < 0 && errno != ETIME ?
			       -1 :
			       0;
	if (s->wait == RCX_WAIT_POLL)
		return poll(&pfd, 1, ms ? (int)ms : -1) < 0 ? -1 : 0;
	return 0;
}

static int notify(struct rcx_session *s, uint64_t n)
{
	const uint64_t words = rcx_ring_words((uint32_t)rcx_len(s));
	struct view *view = s->priv;

	while (n--) {
		if (rcx_arm(s))
			return -1;
		while (!available(&view->in))
			if (doze(s, 0))
				return rcx_fail_errno(s, "wait for an event");
		rcx_ring_copy(s->rx, slot_at(view, &view->in), words);
		rcx_arrived(s); /* received when it is in a buffer of our own */
		if (rcx_rx(s, s->rx, RCX_HEADER + s->rx->size))
			return -1;
		give_back(&view->in, view->in.position + 1);
	}
	return 0;
}

static int stream(struct rcx_session *s, uint64_t n)
{
	struct view *view = s->priv;
	const uint64_t words = rcx_ring_words((uint32_t)rcx_len(s));

	(void)n;
	for (;;) {
		bool over = rcx_stream_over(s);
		uint32_t count = available(&view->in);
		unsigned char *at = slot_at(view, &view->in);

		for (uint32_t i = 0; i < count; i++) {
			rcx_ring_copy(s->rx, at, words);
			if (rcx_streamed(s, s->rx, RCX_HEADER + s->rx->size))
				return -1;
			at = next_slot(view, &view->in, at);
		}
		if (count)
			give_back(&view->in, view->in.position + count);
		else if (over)
			return 0;
		else if (doze(s, RCX_STREAM_WAIT))
			return rcx_fail_errno(s, "wait for a stream");
	}
}

/* ---- registration ------------------------------------------------------- */

#define LIMIT(bytes, count)               \
	.max = (bytes), .batch = (count), \
	.limit = "A ring has at most 8 MiB, and a slot for each message of a batch."
#define EACH	LIMIT(RCX_BODY_MAX, 1)
#define BATCH16 LIMIT(256u << 10, 16)
#define BATCH64 LIMIT(64u << 10, 64)

/* clang-format off */
#define QUEUE(batch) (&(const struct rcx_queue){                                  \
	.what = "slots of the ring", .min = (batch), .max = RCX_RING_SLOTS_MAX, \
	.values = { 64, 256 },                                                  \
})
/* clang-format on */

static const struct rcx_mode ring_modes[] = {
	{
		.name = "each",
		.summary = "a doorbell for each message, and a wake-up only for a reader that sleeps",
		.open = each_open,
		.close = ring_close,
		.claims = RCX_POLLABLE | RCX_READERS_EACH | RCX_FULL_REFUSES,
		.operations = {
			[RCX_PUSH] = { .run = each_push, EACH },
			[RCX_PULL] = { .run = each_pull, EACH },
			[RCX_CALL] = { .run = each_call, EACH },
			[RCX_NOTIFY] = { .run = notify, EACH, .waits = RCX_WAIT_ANY },
			[RCX_STREAM] = { .run = stream, EACH, .waits = RCX_WAIT_ANY,
					.queue = QUEUE(1) },
		},
	},
	{
		.name = "batch16",
		.summary = "16 messages share a doorbell; the figure has 1/16 of a system call",
		.open = batch16_open,
		.close = ring_close,
		.claims = RCX_POLLABLE | RCX_READERS_EACH | RCX_FULL_REFUSES,
		.operations = {
			[RCX_PUSH] = { .run = batch16_push, BATCH16 },
			[RCX_PULL] = { .run = batch16_pull, BATCH16 },
			[RCX_CALL] = { .run = batch16_call, BATCH16 },
			[RCX_STREAM] = { .run = stream, BATCH16, .waits = RCX_WAIT_ANY,
					.queue = QUEUE(16) },
		},
	},
	{
		.name = "batch64",
		.summary = "64 messages share a doorbell; the figure has 1/64 of a system call",
		.open = batch64_open,
		.close = ring_close,
		.claims = RCX_POLLABLE | RCX_READERS_EACH | RCX_FULL_REFUSES,
		.operations = {
			[RCX_PUSH] = { .run = batch64_push, BATCH64 },
			[RCX_PULL] = { .run = batch64_pull, BATCH64 },
			[RCX_CALL] = { .run = batch64_call, BATCH64 },
			[RCX_STREAM] = { .run = stream, BATCH64, .waits = RCX_WAIT_ANY,
					.queue = QUEUE(64) },
		},
	},
	{ }
};

static const struct rcx_channel ring_channel = {
	.name = "ring",
	.summary = "Two rings shared with a driver, made to be fast",
	.module = "ringcross_ring",
	.since = "1.0: mmap() of a driver's memory",
	.modes = ring_modes,
	.unsupported_reason = {
		[RCX_UPCALL] = "The kernel waits for each reply, so no two requests could share a doorbell; alone, they are the upcall of channel mmap.",
		[RCX_DUMP] = "A table may be larger than a ring, so a dump would be a series of pulls; channel mmap measures one into shared memory.",
	},
};
RCX_CHANNEL(ring_channel);
