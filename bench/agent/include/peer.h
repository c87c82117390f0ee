/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the peer half of a channel uses: the code at the other end of a channel
 * that has no kernel half, run by a process of its own, the peer.  It does what
 * rc_core.h is for in the kernel: takes messages and checks them, makes replies
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
#ifndef RC_PEER_H
#define RC_PEER_H

#include "channel.h"

/**
 * struct rc_shot - one event that the peer starts
 * @seq: its number, from 0 at the bind
 * @stamp: clock at the event
 * @size: bytes of body the message must have
 */
struct rc_shot {
	uint64_t seq;
	uint64_t stamp;
	uint32_t size;
};

/**
 * struct rc_peer_half - what a mode lets its peer do
 * @connect: required; make the channel with both its ends for s->op, before there
 *	is a peer.  File descriptors go to s->user_end and s->peer_end, of which
 *	each process then closes the other's; memory goes to s->map
 * @begin: optional; in the peer, before anything else.  s->fd and s->fd2 are its
 *	end, s->tx and s->rx its own buffers
 * @serve: for push and call: take each message, hand it to rc_peer_consume(), and
 *	answer a call by rc_peer_reply().  Never returns, or -1 after rc_fail()
 * @emit: for notify and stream: hand one event, made by rc_peer_event(), to the
 *	channel; 0, or a negative errno when it would not take it, which then counts
 *	as refused.  Must not wait for room, except for the rest of what has begun
 * @never_sleeps: while it waits, either, but yields the processor
 */
struct rc_peer_half {
	int (*connect)(struct rc_session *s);
	int (*begin)(struct rc_session *s);
	int (*serve)(struct rc_session *s);
	int (*emit)(struct rc_session *s, const struct rc_shot *shot);
	bool never_sleeps;
};

/**
 * struct rc_peer_slot - what an open of the mode shares with its peer
 * @consumed: messages that were taken, in order and whole
 * @bad: and those that were not
 * @wanted: how many the user half waits for, see rc_peer_expect()
 * @reached: low half of @wanted, once so many were consumed; a futex
 * @error: why the peer has ended
 */
struct rc_peer_slot {
	uint64_t consumed;
	uint64_t bad;
	uint64_t wanted __attribute__((aligned(64)));
	uint32_t reached;
	char error[256];
} __attribute__((aligned(64)));

/* ---- for the user half -------------------------------------------------- */

/* Descriptors of its own to the user's end, in s->fd and s->fd2: an open hook. */
int rc_peer_open(struct rc_session *s);

/* The end of the channel was reached, or @what failed for want of a reader: say
 * that the peer has gone.  Always -1.
 */
int rc_peer_gone(struct rc_session *s, const char *what) __attribute__((cold));

int rc_peer_wait_slow(struct rc_session *s);

/*
 * A push loop: the peer has consumed all n messages when it returns, as a kernel
 * half has when the call does.  It waits once, at the end, so that the channel
 * may take as many in a row as it has room for:
 *
 *	rc_peer_expect(s, n);
 *	while (n--) {
 *		rc_tx(s);
 *		write(...);
 *	}
 *	return rc_peer_wait(s);
 *
 * What is expected is said before the first message, which carries it along: the
 * peer cannot see the last one before it sees @wanted.
 */
static inline void rc_peer_expect(struct rc_session *s, uint64_t n)
{
	__atomic_store_n(&s->slot->wanted, s->sent + n, __ATOMIC_RELEASE);
}

static inline int rc_peer_wait(struct rc_session *s)
{
	uint32_t reached = __atomic_load_n(&s->slot->reached, __ATOMIC_ACQUIRE);

	return reached == (uint32_t)s->slot->wanted ? 0 : rc_peer_wait_slow(s);
}

/* ---- for the peer half -------------------------------------------------- */

int rc_peer_consume_slow(struct rc_session *s, const struct rc_msg *msg, size_t len);
void rc_peer_reached(struct rc_session *s) __attribute__((cold));

static inline void rc_peer_count(struct rc_session *s)
{
	uint64_t consumed = s->slot->consumed + 1;

	__atomic_store_n(&s->slot->consumed, consumed, __ATOMIC_RELEASE);
	if (__builtin_expect(consumed == __atomic_load_n(&s->slot->wanted, __ATOMIC_ACQUIRE), 0))
		rc_peer_reached(s);
}

/* Take a message of which @len bytes arrived.  0, or -1 when length, order or (in
 * the proof) body is wrong; the peer half then gives up, too.
 */
static inline int rc_peer_consume(struct rc_session *s, const struct rc_msg *msg, size_t len)
{
	if (__builtin_expect(s->proof || len < RC_HEADER || msg->magic != RC_MAGIC ||
			     len - RC_HEADER != msg->size || msg->seq != s->slot->consumed, 0))
		return rc_peer_consume_slow(s, msg, len);
	rc_peer_count(s);
	return 0;
}

/* Turn a consumed request into its reply, in place, as rc_reply() does. */
static inline void rc_peer_reply(struct rc_session *s, struct rc_msg *msg, size_t len)
{
	msg->seq = ~msg->seq;
	if (__builtin_expect(s->proof, 0))
		for (size_t at = 0; at < len - RC_HEADER; at++)
			msg->body[at] ^= 0xff;
}

/* Write an event's message to @msg, which has room for it; its length. */
static inline size_t rc_peer_event(struct rc_session *s, const struct rc_shot *shot,
				   struct rc_msg *msg)
{
	msg->size = shot->size;
	msg->magic = RC_MAGIC;
	msg->seq = shot->seq;
	msg->stamp = shot->stamp;
	if (__builtin_expect(s->proof, 0))
		rc_body_fill(msg->body, shot->size, shot->seq);
	return RC_HEADER + shot->size;
}

#endif /* RC_PEER_H */
