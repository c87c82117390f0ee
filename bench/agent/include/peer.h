/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the peer half of a channel uses: the code at the other end of a channel
 * that has no kernel half, run by a process of its own, the peer.  It does what
 * rcx_core.h is for in the kernel: takes messages and checks them, makes replies
 * and events, and counts.
 *
 *	user half (this process)		peer half (its child)
 *	connect: both ends
 *	fork ------------------------------->	begin
 *	open: the user's end			serve, or emit when asked to
 *	n operations <--- the channel --->	and for ever
 *	close: kill
 *
 * All that is not the channel (orders, counts, stamps) goes through memory that
 * both share, so that nothing of it has to be sent.
 */
#ifndef RCX_PEER_H
#define RCX_PEER_H

#include "channel.h"

/**
 * struct rcx_event - one event that the peer starts
 * @seq: its number, from 0 at the bind
 * @timestamp: clock at the event
 * @size: bytes of body the message must have
 */
struct rcx_event {
	uint64_t seq;
	uint64_t timestamp;
	uint32_t size;
};

/**
 * struct rcx_peer_half - what a mode lets its peer do
 * @connect: required; make the channel with both its ends for s->op, before there
 *	is a peer.  File descriptors go to s->user_end and s->peer_end, of which
 *	each process then closes the other's; memory goes to s->map
 * @begin: optional; in the peer, before anything else.  s->fd and s->fd2 are its
 *	end, s->tx and s->rx its own buffers
 * @serve: for push and call: take each message, hand it to rcx_peer_consume(), and
 *	answer a call by rcx_peer_reply().  Never returns, or -1 after rcx_fail()
 * @emit: for notify and stream: hand one event, made by rcx_peer_event(), to the
 *	channel; 0, or a negative errno when it would not take it, which then counts
 *	as refused.  Must not wait for room, except for the rest of what has begun
 * @never_sleeps: while it waits, either, but yields the processor
 */
struct rcx_peer_half {
	int (*connect)(struct rcx_session *s);
	int (*begin)(struct rcx_session *s);
	int (*serve)(struct rcx_session *s);
	int (*emit)(struct rcx_session *s, const struct rcx_event *event);
	bool never_sleeps;
};

/**
 * struct rcx_peer_slot - what an open of the mode shares with its peer
 * @consumed: messages that were taken, in order and whole
 * @bad: and those that were not
 * @wanted: how many the user half waits for, see rcx_peer_expect()
 * @reached: low half of @wanted, once so many were consumed; a futex
 * @error: why the peer has ended
 */
struct rcx_peer_slot {
	uint64_t consumed;
	uint64_t bad;
	uint64_t wanted __attribute__((aligned(64)));
	uint32_t reached;
	char error[256];
} __attribute__((aligned(64)));

/* ---- for the user half -------------------------------------------------- */

/* Descriptors of its own to the user's end, in s->fd and s->fd2: an open hook. */
int rcx_peer_open(struct rcx_session *s);

/* The end of the channel was reached, or @what failed for want of a reader: say
 * that the peer has gone.  Always -1.
 */
int rcx_peer_gone(struct rcx_session *s, const char *what) __attribute__((cold));

int rcx_peer_wait_slow(struct rcx_session *s);

/*
 * A push loop: the peer has consumed all n messages when it returns, as a kernel
 * half has when the call does.  It waits once, at the end, so that the channel
 * may take as many in a row as it has room for:
 *
 *	rcx_peer_expect(s, n);
 *	while (n--) {
 *		rcx_tx(s);
 *		write(...);
 *	}
 *	return rcx_peer_wait(s);
 *
 * What is expected is said before the first message, which carries it along: the
 * peer cannot see the last one before it sees @wanted.
 */
static inline void rcx_peer_expect(struct rcx_session *s, uint64_t n)
{
	__atomic_store_n(&s->slot->wanted, s->sent + n, __ATOMIC_RELEASE);
}

static inline int rcx_peer_wait(struct rcx_session *s)
{
	uint32_t reached = __atomic_load_n(&s->slot->reached, __ATOMIC_ACQUIRE);

	return reached == (uint32_t)s->slot->wanted ? 0 : rcx_peer_wait_slow(s);
}

/* ---- for the peer half -------------------------------------------------- */

int rcx_peer_consume_slow(struct rcx_session *s, const struct rcx_msg *msg, size_t len);
void rcx_peer_reached(struct rcx_session *s) __attribute__((cold));

static inline void rcx_peer_count(struct rcx_session *s)
{
	uint64_t consumed = s->slot->consumed + 1;

	__atomic_store_n(&s->slot->consumed, consumed, __ATOMIC_RELEASE);
	if (__builtin_expect(consumed == __atomic_load_n(&s->slot->wanted, __ATOMIC_ACQUIRE), 0))
		rcx_peer_reached(s);
}

/* Take a message of which @len bytes arrived.  0, or -1 when length, order or (in
 * the proof) body is wrong; the peer half then gives up, too.
 */
static inline int rcx_peer_consume(struct rcx_session *s, const struct rcx_msg *msg, size_t len)
{
	if (__builtin_expect(s->validate || len < RCX_HEADER || msg->magic != RCX_MAGIC ||
			     len - RCX_HEADER != msg->size || msg->seq != s->slot->consumed, 0))
		return rcx_peer_consume_slow(s, msg, len);
	rcx_peer_count(s);
	return 0;
}

/* Turn a consumed request into its reply, in place, as rcx_reply() does. */
static inline void rcx_peer_reply(struct rcx_session *s, struct rcx_msg *msg, size_t len)
{
	msg->seq = ~msg->seq;
	if (__builtin_expect(s->validate, 0))
		for (size_t at = 0; at < len - RCX_HEADER; at++)
			msg->body[at] ^= 0xff;
}

/* Write an event's message to @msg, which has room for it; its length. */
static inline size_t rcx_peer_event(struct rcx_session *s, const struct rcx_event *event,
				   struct rcx_msg *msg)
{
	msg->size = event->size;
	msg->magic = RCX_MAGIC;
	msg->seq = event->seq;
	msg->timestamp = event->timestamp;
	if (__builtin_expect(s->validate, 0))
		rcx_body_fill(msg->body, event->size, event->seq);
	return RCX_HEADER + event->size;
}

#endif /* RCX_PEER_H */
