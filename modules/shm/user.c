// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: shm
 *
 * Memory that two processes share, with a futex to wake: a reference, for scale.
 *
 * What it is.  A ring of messages in mmap(MAP_SHARED) memory.  Here another process is
 * at the far end, not the kernel: the peer.  It consumes, checks and counts messages,
 * replies and emits events as a kernel half does.  The ring is that of channel mmap,
 * whose far end is a driver.
 *
 * The path of one message.  The sender writes the message into the next slot, where
 * it stays.  The body is not copied: it is made and checked in place, as in channel
 * mmap.  Only the sender advances head, which hands the message over.  Only the receiver
 * advances tail, which frees the slot.  So there is no lock.  A side that finds nothing
 * to do sets a flag that it sleeps and calls futex(FUTEX_WAIT) on the position that must
 * change.  The side that changes the position calls futex(FUTEX_WAKE) only if the flag is
 * set.  So the kernel is involved only in sleeping and waking, and not at all while
 * both sides are awake.
 *
 * A reply is made in the slot of its request: it is complete when tail has advanced.
 *
 * - futex: a side that must wait sleeps.
 * - yield: a side that must wait at the ring calls sched_yield() and checks again.  No
 *   wake-up is needed, but each waiting side keeps a CPU busy.  A round of pushes still
 *   sleeps once, at its end, until the peer reports that it has consumed all of them.  To
 *   wait for an event without sleeping is the busy wait of mode futex, which does not
 *   even yield.
 *
 * When to choose it.  Between two processes that trust each other, for much data or
 * for many messages per second.  For the same with the kernel, see channel mmap, and
 * io_uring and AF_XDP in the kernel itself.
 *
 * Its pitfall.  The sleep is the error-prone part of such a ring.  A side that checks,
 * finds nothing and then sleeps misses what arrives in between, unless two conditions
 * hold: futex() checks the position once more, and both sides set and check in an order
 * that the CPU keeps (see move() and wait_on()).  Also, shared memory can change after
 * it was checked.  A side that does not trust the other one must copy a message before
 * the check, and then pays for a copy after all.  If one side dies, the other sleeps for
 * ever, since nothing closes shared memory.
 */
#include <errno.h>
#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include "channel.h"
#include "peer.h"

#define SLOTS	   256u /* as many as in the ring of channel mmap */
#define SLOTS_MAX  1024u
#define AREA_MAX   (8u << 20)
#define CACHE_LINE 64

/**
 * struct shm_end - position of one side
 * @at: slots handed over, or freed, since the start; a futex
 * @sleeps: the far side waits for a change of @at
 */
struct shm_end {
	uint32_t at;
	uint32_t sleeps;
} __attribute__((aligned(CACHE_LINE)));

struct shm_slot {
	uint32_t len;
	uint32_t pad;
	unsigned char message[];
};

/* The shared memory.  @reader is the pid of the process that drains it, 0 without one. */
struct shm_ring {
	struct shm_end head, tail;
	uint32_t stride, count;
	pid_t reader;
	unsigned char slots[] __attribute__((aligned(CACHE_LINE)));
};

/* This process's view of the ring. */
struct view {
	struct rcx_msg *tx; /* the session's s->tx, restored by close */
	struct shm_ring *ring;
	uint32_t position; /* of this side: head for a sender, tail for a receiver */
	bool yields;
};

static struct shm_slot *slot_at(const struct shm_ring *ring, uint32_t position)
{
	return (struct shm_slot *)(ring->slots +
				   (size_t)(position & (ring->count - 1)) * ring->stride);
}

static struct rcx_msg *message_in(struct shm_slot *slot)
{
	return (struct rcx_msg *)slot->message;
}

/* ---- positions and waits ------------------------------------------------ */

/*
 *	move				wait_on
 *	at = new			sleeps = 1
 *	(full barrier)			(full barrier)
 *	sleeps? wake			at == old? sleep
 *
 * The side that runs second sees what the first one wrote, so neither sleeps on a
 * position that has already changed.  If it changes after the check,
 * futex() itself compares it with the old value and returns at once.
 */
static void move(struct shm_end *end, uint32_t at)
{
	__atomic_store_n(&end->at, at, __ATOMIC_SEQ_CST);
	if (__atomic_load_n(&end->sleeps, __ATOMIC_SEQ_CST))
		syscall(SYS_futex, &end->at, FUTEX_WAKE, INT32_MAX);
}

/* Sleep until @end is no longer @old, until a signal, or until @limit has passed. */
static void wait_on(struct shm_end *end, uint32_t old, const struct timespec *limit)
{
	__atomic_store_n(&end->sleeps, 1, __ATOMIC_SEQ_CST);
	if (__atomic_load_n(&end->at, __ATOMIC_SEQ_CST) == old)
		syscall(SYS_futex, &end->at, FUTEX_WAIT, old, limit);
	__atomic_store_n(&end->sleeps, 0, __ATOMIC_RELAXED);
}

static uint32_t position_of(const struct shm_end *end)
{
	return __atomic_load_n(&end->at, __ATOMIC_ACQUIRE);
}

/* Wait until @end is no longer @old; sleep or yield, depending on the mode. */
static void wait_moved(const struct view *view, struct shm_end *end, uint32_t old)
{
	while (position_of(end) == old) {
		if (view->yields)
			sched_yield();
		else
			wait_on(end, old, NULL);
	}
}

/* ---- connect and open --------------------------------------------------- */

/* The requested number of slots.  Without a request, fewer than SLOTS if messages are
 * large, so that a ring of the largest messages fits into AREA_MAX, too.
 */
static uint32_t slots_for(const struct rcx_session *s, uint32_t stride)
{
	uint32_t slots = SLOTS;

	if (s->queue)
		return s->queue;
	while (slots > 1 && (uint64_t)slots * stride > AREA_MAX)
		slots /= 2;
	return slots;
}

static int shm_connect(struct rcx_session *s)
{
	size_t len = sizeof(struct shm_slot) + rcx_len(s);
	uint32_t stride = (uint32_t)((len + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE);
	uint32_t count = slots_for(s, stride);
	struct shm_ring *ring;

	if (count & (count - 1) || (count > 1 && (uint64_t)count * stride > AREA_MAX))
		return rcx_skip(
			s,
			"The number of slots must be a power of two, and the ring at most 8 MiB.");
	s->map_len = sizeof(*ring) + (size_t)count * stride;
	s->map = mmap(NULL, s->map_len, PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (s->map == MAP_FAILED) {
		s->map = NULL;
		return rcx_fail_errno(s, "cannot map shared memory");
	}
	ring = s->map;
	ring->stride = stride;
	ring->count = count;
	/* Headers are filled in once, as is done for s->tx. */
	for (uint32_t i = 0; i < count; i++) {
		message_in(slot_at(ring, i))->magic = RCX_MAGIC;
		message_in(slot_at(ring, i))->size = s->size;
	}
	return 0;
}

static struct view *get_view(struct rcx_session *s)
{
	struct view *view = malloc(sizeof(*view));

	if (!view) {
		rcx_fail_errno(s, "malloc");
		return NULL;
	}
	*view = (struct view){ .tx = s->tx, .ring = s->map };
	s->priv = view;
	return view;
}

/* Only one process may read a ring: a second one would read the same messages again. */
static int become_reader(struct rcx_session *s, struct view *view)
{
	pid_t *reader = &view->ring->reader, before = *reader;

	if (before && before != getpid() && (!kill(before, 0) || errno == EPERM)) {
		errno = EBUSY;
		return rcx_fail_errno(s, "the ring already has a reader");
	}
	*reader = getpid();
	view->position = position_of(&view->ring->tail);
	return 0;
}

static int shm_open_end(struct rcx_session *s)
{
	struct view *view = get_view(s);

	if (!view)
		return -1;
	view->position = position_of(&view->ring->head);
	return rcx_kernel_initiated(s->op) ? become_reader(s, view) : 0;
}

static int yield_open(struct rcx_session *s)
{
	if (shm_open_end(s))
		return -1;
	((struct view *)s->priv)->yields = true;
	return 0;
}

static void shm_close(struct rcx_session *s)
{
	struct view *view = s->priv;

	if (view)
		s->tx = view->tx;
	free(view);
}

/* ---- user half ---------------------------------------------------------- */

/* Wait for a free slot and hand the next message over. */
static struct shm_slot *send_next(struct rcx_session *s, struct view *view)
{
	struct shm_ring *ring = view->ring;
	struct shm_slot *slot = slot_at(ring, view->position);
	uint32_t tail;

	while (view->position - (tail = position_of(&ring->tail)) >= ring->count)
		wait_moved(view, &ring->tail, tail);
	s->tx = message_in(slot);
	rcx_tx(s);
	slot->len = (uint32_t)rcx_len(s);
	move(&ring->head, ++view->position);
	return slot;
}

static int shm_push(struct rcx_session *s, uint64_t n)
{
	struct view *view = s->priv;

	rcx_peer_expect(s, n);
	while (n--)
		send_next(s, view);
	return rcx_peer_wait(s);
}

static int shm_call(struct rcx_session *s, uint64_t n)
{
	struct view *view = s->priv;
	struct shm_ring *ring = view->ring;

	while (n--) {
		struct shm_slot *slot = send_next(s, view);

		wait_moved(view, &ring->tail, view->position - 1);
		if (rcx_rx_reply(s, message_in(slot), slot->len))
			return -1;
	}
	return 0;
}

static int shm_notify(struct rcx_session *s, uint64_t n)
{
	struct view *view = s->priv;
	struct shm_ring *ring = view->ring;

	while (n--) {
		struct shm_slot *slot = slot_at(ring, view->position);

		if (rcx_arm(s))
			return -1;
		while (position_of(&ring->head) == view->position)
			if (s->wait == RCX_WAIT_BLOCK)
				wait_on(&ring->head, view->position, NULL);
		rcx_arrived(s);
		if (rcx_rx(s, message_in(slot), slot->len))
			return -1;
		move(&ring->tail, ++view->position);
	}
	return 0;
}

static int shm_stream(struct rcx_session *s, uint64_t n)
{
	static const struct timespec limit = { .tv_nsec = RCX_STREAM_WAIT * 1000000 };
	struct view *view = s->priv;
	struct shm_ring *ring = view->ring;

	(void)n;
	for (;;) {
		bool over = rcx_stream_over(s);

		while (position_of(&ring->head) != view->position) {
			struct shm_slot *slot = slot_at(ring, view->position);

			if (rcx_streamed(s, message_in(slot), slot->len))
				return -1;
			move(&ring->tail, ++view->position);
		}
		if (over)
			return 0;
		if (rcx_polls(s))
			wait_on(&ring->head, view->position, &limit);
	}
}

/* ---- peer half ---------------------------------------------------------- */

static int futex_begin(struct rcx_session *s)
{
	return get_view(s) ? 0 : -1;
}

static int yield_begin(struct rcx_session *s)
{
	struct view *view = get_view(s);

	if (view)
		view->yields = true;
	return view ? 0 : -1;
}

static int shm_serve(struct rcx_session *s)
{
	struct view *view = s->priv;
	struct shm_ring *ring = view->ring;

	for (;;) {
		struct shm_slot *slot = slot_at(ring, view->position);
		size_t len;

		wait_moved(view, &ring->head, view->position);
		len = slot->len;
		if (rcx_peer_consume(s, message_in(slot), len))
			return -1;
		if (s->op == RCX_CALL)
			rcx_peer_reply(s, message_in(slot), len);
		move(&ring->tail, ++view->position);
	}
}

static int shm_emit(struct rcx_session *s, const struct rcx_event *event)
{
	struct view *view = s->priv;
	struct shm_ring *ring = view->ring;
	struct shm_slot *slot = slot_at(ring, view->position);

	if (view->position - position_of(&ring->tail) >= ring->count)
		return -EAGAIN;
	slot->len = (uint32_t)rcx_peer_event(s, event, message_in(slot));
	move(&ring->head, ++view->position);
	return 0;
}

/* ---- registration ------------------------------------------------------ */

#define SLOT	   .max = RCX_BODY_MAX, .excludes = RCX_WITHOUT_COPY
#define YIELD_SLOT .max = RCX_BODY_MAX, .excludes = RCX_WITHOUT_COPY | RCX_WITHOUT_WAKEUP

static const struct rcx_peer_half futex_peer = {
	.connect = shm_connect,
	.begin = futex_begin,
	.serve = shm_serve,
	.emit = shm_emit,
};

static const struct rcx_peer_half yield_peer = {
	.connect = shm_connect,
	.begin = yield_begin,
	.never_sleeps = true,
	.serve = shm_serve,
};

static const struct rcx_queue shm_queue = {
	.what = "slots of the ring",
	.min = 1,
	.max = SLOTS_MAX,
	.values = { 16, 64, 1024 },
};

static const struct rcx_mode shm_modes[] = {
	{
		.name = "futex",
		.summary = "a shared ring, a futex to wake; the body is not copied",
		.open = shm_open_end,
		.close = shm_close,
		.claims = RCX_FULL_REFUSES,
		.peer = &futex_peer,
		.operations = {
			[RCX_PUSH] = { .run = shm_push, SLOT },
			[RCX_CALL] = { .run = shm_call, SLOT },
			[RCX_NOTIFY] = { .run = shm_notify, SLOT,
					.waits = RCX_WAIT_BLOCK | RCX_WAIT_BUSY },
			[RCX_STREAM] = { .run = shm_stream, SLOT, .waits = RCX_WAIT_DRAIN,
					.queue = &shm_queue },
		},
	},
	{
		.name = "yield",
		.summary = "the same ring, and sched_yield() instead of sleep",
		.open = yield_open,
		.close = shm_close,
		.peer = &yield_peer,
		.operations = {
			[RCX_PUSH] = { .run = shm_push, YIELD_SLOT },
			[RCX_CALL] = { .run = shm_call, YIELD_SLOT },
		},
	},
	{ }
};

static const struct rcx_channel shm_channel = {
	.name = "shm",
	.summary = "Memory shared with another process, for scale",
	.flags = RCX_REFERENCE,
	.since = "2.5.7: futex(); mmap() of shared memory without a file since 2.4",
	.modes = shm_modes,
	.unsupported_reason = {
		[RCX_PULL] = "The peer makes a message only on request, and a request with a reply is a call.",
		[RCX_UPCALL] = "Only the kernel asks here: a request to another process, with its reply, is a call.",
		[RCX_DUMP] = "A table is kept by the kernel, and the peer is a process: its dump would be a series of messages, which stream measures.",
	},
};
RCX_CHANNEL(shm_channel);
