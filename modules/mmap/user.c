// SPDX-License-Identifier: GPL-2.0-only
/*
 * Messages are written and read where they lie, in the mapped area: in hand
 * means that head has told us of it; its header is checked in place, after that.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>
#include "channel.h"
#include "abi.h"

#define SLOTS 256u		/* as deep as the queues of the other devices */

/* How this process sees the area. */
struct view {
	struct rc_msg *tx;	/* the session's own, to be given back */
	struct rc_mmap_ends *ends;
	unsigned char *slots;
	uint32_t stride;
	uint32_t count;
	uint32_t position;	/* our side's: head to the kernel, tail to us */
};

static struct rc_mmap_slot *slot_at(const struct view *view, uint32_t position)
{
	return (struct rc_mmap_slot *)(view->slots +
		(size_t)(position & (view->count - 1)) * view->stride);
}

static struct rc_msg *message_in(struct rc_mmap_slot *slot)
{
	return (struct rc_msg *)slot->message;
}

/* As many slots as asked for; else as fit, so that the largest messages have a
 * ring as well.
 */
static uint32_t slots_for(const struct rc_session *s)
{
	size_t len = rc_len(s);
	uint32_t slots = SLOTS;

	if (s->queue)
		return s->queue;
	while (slots > 1 && slots * (len + 64) > RC_MMAP_AREA_MAX)
		slots /= 2;
	return slots;
}

/* Headers are made ready once, as the session's own s->tx is. */
static void prepare_slots(struct rc_session *s, struct view *view)
{
	for (uint32_t i = 0; i < view->count; i++) {
		message_in(slot_at(view, i))->magic = RC_MAGIC;
		message_in(slot_at(view, i))->size = s->size;
	}
}

static int open_area(struct rc_session *s, uint32_t kind)
{
	struct rc_mmap_setup setup = {
		.kind = kind,
		.room = (uint32_t)rc_len(s),
		.slots = kind == RC_MMAP_PAGE ? 1 : slots_for(s),
	};
	struct view *view;
	void *map;

	s->fd = open(RC_MMAP_DEVICE, O_RDWR | O_CLOEXEC);
	if (s->fd < 0)
		return rc_fail_errno(s, "open " RC_MMAP_DEVICE);
	if (ioctl(s->fd, RC_MMAP_SETUP, &setup)) {
		if (s->queue && (errno == EINVAL || errno == E2BIG))
			return rc_skip(s, "A ring has a power of two of slots, up to 8 MiB in all.");
		return rc_fail_errno(s, "ioctl setup");
	}
	map = mmap(NULL, setup.len, PROT_READ | PROT_WRITE, MAP_SHARED, s->fd, 0);
	if (map == MAP_FAILED)
		return rc_fail_errno(s, "mmap");
	s->map = map;
	s->map_len = setup.len;
	view = malloc(sizeof(*view));
	if (!view)
		return rc_fail_errno(s, "malloc");
	*view = (struct view){
		.tx = s->tx,
		.ends = map,
		.slots = (unsigned char *)map + RC_MMAP_SLOTS,
		.stride = setup.stride,
		.count = setup.slots,
	};
	s->priv = view;
	if (kind != RC_MMAP_TO_USER)
		prepare_slots(s, view);
	return 0;
}

static void mmap_close(struct rc_session *s)
{
	struct view *view = s->priv;

	if (view)
		s->tx = view->tx;
	free(view);
}

/* ---- page: one slot and a doorbell ------------------------------------- */

static int page_open(struct rc_session *s)
{
	if (open_area(s, RC_MMAP_PAGE))
		return -1;
	s->tx = message_in(slot_at(s->priv, 0));
	return 0;
}

static int page_push(struct rc_session *s, uint64_t n)
{
	struct rc_mmap_slot *slot = slot_at(s->priv, 0);

	while (n--) {
		rc_tx(s);
		slot->len = (uint32_t)rc_len(s);
		if (ioctl(s->fd, RC_MMAP_PUSH))
			return rc_fail_errno(s, "ioctl push");
	}
	return 0;
}

static int page_pull(struct rc_session *s, uint64_t n)
{
	struct rc_mmap_slot *slot = slot_at(s->priv, 0);

	while (n--) {
		if (ioctl(s->fd, RC_MMAP_PULL, rc_len(s)))
			return rc_fail_errno(s, "ioctl pull");
		if (rc_rx(s, message_in(slot), slot->len))
			return -1;
	}
	return 0;
}

static int page_call(struct rc_session *s, uint64_t n)
{
	struct rc_mmap_slot *slot = slot_at(s->priv, 0);

	while (n--) {
		rc_tx(s);
		slot->len = (uint32_t)rc_len(s);
		if (ioctl(s->fd, RC_MMAP_CALL))
			return rc_fail_errno(s, "ioctl call");
		if (rc_rx_reply(s, message_in(slot), slot->len))
			return -1;
	}
	return 0;
}

/* ---- ring --------------------------------------------------------------- */

static int ring_open(struct rc_session *s)
{
	return open_area(s, s->op == RC_PUSH ? RC_MMAP_TO_KERNEL : RC_MMAP_TO_USER);
}

static int ring_push(struct rc_session *s, uint64_t n)
{
	struct view *view = s->priv;

	while (n--) {
		struct rc_mmap_slot *slot = slot_at(view, view->position);
		uint32_t tail = __atomic_load_n(&view->ends->tail, __ATOMIC_ACQUIRE);

		if (view->position - tail >= view->count)
			return rc_fail(s, "the ring is full although the kernel emptied it");
		s->tx = message_in(slot);
		rc_tx(s);
		slot->len = (uint32_t)rc_len(s);
		__atomic_store_n(&view->ends->head, ++view->position, __ATOMIC_RELEASE);
		if (ioctl(s->fd, RC_MMAP_KICK) != 1)
			return rc_fail_errno(s, "ioctl kick");
	}
	return 0;
}

/* The oldest message in the ring, in place, or NULL. */
static struct rc_mmap_slot *ring_peek(const struct view *view)
{
	uint32_t head = __atomic_load_n(&view->ends->head, __ATOMIC_ACQUIRE);

	return head == view->position ? NULL : slot_at(view, view->position);
}

/* We are done with the oldest: the kernel may fill its slot again. */
static void ring_drop(struct view *view)
{
	__atomic_store_n(&view->ends->tail, ++view->position, __ATOMIC_RELEASE);
}

static int ring_notify(struct rc_session *s, uint64_t n)
{
	struct pollfd pfd = { .fd = s->fd, .events = POLLIN };
	struct view *view = s->priv;
	bool polls = rc_polls(s);

	while (n--) {
		struct rc_mmap_slot *slot;

		if (rc_arm(s))
			return -1;
		do {
			if (polls && poll(&pfd, 1, -1) != 1)
				return rc_fail_errno(s, "poll");
			slot = ring_peek(view);
		} while (!slot);
		rc_arrived(s);
		if (rc_rx(s, message_in(slot), slot->len))
			return -1;
		ring_drop(view);
	}
	return 0;
}

static int ring_stream(struct rc_session *s, uint64_t n)
{
	struct pollfd pfd = { .fd = s->fd, .events = POLLIN };
	struct view *view = s->priv;

	(void)n;
	for (;;) {
		bool over = rc_stream_over(s);
		struct rc_mmap_slot *slot;

		while ((slot = ring_peek(view)) != NULL) {
			if (rc_streamed(s, message_in(slot), slot->len))
				return -1;
			ring_drop(view);
		}
		if (over)
			return 0;
		if (rc_polls(s))
			poll(&pfd, 1, RC_STREAM_WAIT);
	}
}

/* ---- registration ------------------------------------------------------ */

#define SLOT .max = RC_BODY_MAX, \
	.limit = "A slot holds a whole message, and the kernel half lets one have 1 MiB."

static const struct rc_queue mmap_queue = {
	.what = "slots of the ring",
	.min = 1,
	.max = RC_MMAP_SLOTS_MAX,
	.values = { 16, 64, 1024 },
};

static const struct rc_mode mmap_modes[] = {
	{
		.name = "page",
		.summary = "one shared message and an ioctl to ring; the body is not copied",
		.open = page_open,
		.close = mmap_close,
		.operations = {
			[RC_PUSH] = { .run = page_push, SLOT },
			[RC_PULL] = { .run = page_pull, SLOT },
			[RC_CALL] = { .run = page_call, SLOT },
		},
	},
	{
		.name = "ring",
		.summary = "a shared ring, an ioctl or poll to wake; the body is not copied",
		.open = ring_open,
		.close = mmap_close,
		.claims = RC_POLLABLE | RC_READERS_EACH | RC_FULL_REFUSES,
		.operations = {
			[RC_PUSH] = { .run = ring_push, SLOT },
			[RC_NOTIFY] = { .run = ring_notify, SLOT, .waits = RC_WAIT_DRAIN },
			[RC_STREAM] = { .run = ring_stream, SLOT, .waits = RC_WAIT_DRAIN,
					.queue = &mmap_queue },
		},
	},
	{ }
};

static const struct rc_channel mmap_channel = {
	.name = "mmap",
	.summary = "Memory that driver and process share",
	.module = "rc_mmap",
	.since = "1.0: a driver may map its memory since there is mmap()",
	.modes = mmap_modes,
};
RC_CHANNEL(mmap_channel);
