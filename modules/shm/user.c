// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: shm
 *
 * Memory that two processes share, and a futex to wake: a reference, for scale.
 *
 * What it is.  A ring of messages in mmap(MAP_SHARED) memory.  The other side here
 * is *a process, not the kernel*: the peer, which takes, checks, counts, replies
 * and starts events as a kernel half does.  The ring is that of channel mmap, with
 * another process where that has a driver.
 *
 * The path of one message.  The sender writes the message into the next slot,
 * where it stays: the body is not copied, it is made and checked in place, as
 * channel mmap does it.  Only the sender moves head, which hands the message over;
 * only the receiver moves tail, which gives the slot back; so there is no lock.
 * Who finds nothing to do notes that it sleeps and calls futex(FUTEX_WAIT) on the
 * number that must move; who moves it calls futex(FUTEX_WAKE) only if somebody
 * sleeps.  So the kernel has a part in the waking alone: none while both sides are
 * awake.
 *
 * A reply is made in the request's slot: when tail has moved, it is there.
 *
 * - futex: who has to wait sleeps.
 * - yield: who has to wait at the ring calls sched_yield() and looks again.  Nobody
 *   has to be woken, but each that waits keeps a CPU busy.  (Whoever pushes sleeps
 *   once all the same, at the end of a row, until the peer says that it has all.)
 *   To wait for an event awake is the busy wait of mode futex, which does not even
 *   yield.
 *
 * When to choose it.  Between two processes that trust each other, for much data or
 * for many messages a second.  Toward the kernel this is what channel mmap does,
 * and io_uring and AF_XDP in the kernel itself.
 *
 * Its trap.  Sleeping is where such rings go wrong: who looked, found nothing and
 * goes to sleep misses what came between, unless futex() looks once more at the
 * number, and unless both sides note and look in an order that the CPU keeps (see
 * move() and wait_on()).  And what lies in shared memory can change after it was
 * checked: who does not trust the other side must copy it first, and then pays for
 * the copy after all.  One side that dies leaves the other asleep for ever; nobody
 * closes shared memory.
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

#define SLOTS 256u		/* as deep as the ring of mmap */
#define SLOTS_MAX 1024u
#define AREA_MAX (8u << 20)
#define CACHE_LINE 64

/**
 * struct shm_end - how far one side has got
 * @at: slots handed over, or given back, since the start; a futex
 * @sleeps: the *other* side waits for @at to move
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

/* The shared memory; @reader is the process that drains it, 0 for none yet. */
struct shm_ring {
	struct shm_end head, tail;
	uint32_t stride, count;
	pid_t reader;
	unsigned char slots[] __attribute__((aligned(CACHE_LINE)));
};

/* How this process sees it. */
struct view {
	struct rcx_msg *tx;	/* the session's own, to be given back */
	struct shm_ring *ring;
	uint32_t position;	/* our side's: head to who sends, tail to who takes */
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

/* ---- moving and waiting ------------------------------------------------- */

/*
 *	move				wait_on
 *	at = new			sleeps = 1
 *	(full barrier)			(full barrier)
 *	sleeps? wake			at == old? sleep
 *
 * Whichever comes second sees what the other wrote, so that nobody sleeps on a
 * number that has moved; if it moves after the look, futex() itself sees that.
 */
static void move(struct shm_end *end, uint32_t at)
{
	__atomic_store_n(&end->at, at, __ATOMIC_SEQ_CST);
	if (__atomic_load_n(&end->sleeps, __ATOMIC_SEQ_CST))
		syscall(SYS_futex, &end->at, FUTEX_WAKE, INT32_MAX);
}

/* Sleep until @end is no longer @old, a signal comes or @limit is over. */
static void wait_on(struct shm_end *end, uint32_t old, const struct timespec *limit)
{
	__atomic_store_n(&end->sleeps, 1, __ATOMIC_SEQ_CST);
	if (__atomic_load_n(&end->at, __ATOMIC_SEQ_CST) == old)
		syscall(SYS_futex, &end->at, FUTEX_WAIT, old, limit);
	__atomic_store_n(&end->sleeps, 0, __ATOMIC_RELAXED);
}

static uint32_t look(const struct shm_end *end)
{
	return __atomic_load_n(&end->at, __ATOMIC_ACQUIRE);
}

/* Until @end has moved on from @old, in the mode's own way. */
static void wait_moved(const struct view *view, struct shm_end *end, uint32_t old)
{
	while (look(end) == old) {
		if (view->yields)
			sched_yield();
		else
			wait_on(end, old, NULL);
	}
}

/* ---- connect and open --------------------------------------------------- */

/* As many slots as asked for; else as fit, so that the largest messages have a
 * ring as well.
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
		return rcx_skip(s, "A ring has a power of two of slots, up to 8 MiB in all.");
	s->map_len = sizeof(*ring) + (size_t)count * stride;
	s->map = mmap(NULL, s->map_len, PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (s->map == MAP_FAILED) {
		s->map = NULL;
		return rcx_fail_errno(s, "cannot get memory to share");
	}
	ring = s->map;
	ring->stride = stride;
	ring->count = count;
	/* Headers are made ready once, as the session's own s->tx is. */
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

/* One process takes from a ring: a second would take the same messages again. */
static int become_reader(struct rcx_session *s, struct view *view)
{
	pid_t *reader = &view->ring->reader, before = *reader;

	if (before && before != getpid() && (!kill(before, 0) || errno == EPERM)) {
		errno = EBUSY;
		return rcx_fail_errno(s, "the ring has a reader");
	}
	*reader = getpid();
	view->position = look(&view->ring->tail);
	return 0;
}

static int shm_open_end(struct rcx_session *s)
{
	struct view *view = get_view(s);

	if (!view)
		return -1;
	view->position = look(&view->ring->head);
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

/* Hand the next message over, as soon as there is a slot for it. */
static struct shm_slot *send_next(struct rcx_session *s, struct view *view)
{
	struct shm_ring *ring = view->ring;
	struct shm_slot *slot = slot_at(ring, view->position);
	uint32_t tail;

	while (view->position - (tail = look(&ring->tail)) >= ring->count)
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
		while (look(&ring->head) == view->position)
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

		while (look(&ring->head) != view->position) {
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

	if (view->position - look(&ring->tail) >= ring->count)
		return -EAGAIN;
	slot->len = (uint32_t)rcx_peer_event(s, event, message_in(slot));
	move(&ring->head, ++view->position);
	return 0;
}

/* ---- registration ------------------------------------------------------ */

#define SLOT .max = RCX_BODY_MAX

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
			[RCX_PUSH] = { .run = shm_push, SLOT },
			[RCX_CALL] = { .run = shm_call, SLOT },
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
		[RCX_PULL] = "Another process makes a message only when one asks for it, and that is a call.",
	},
};
RCX_CHANNEL(shm_channel);
