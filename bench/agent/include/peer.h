/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The interface for peer halves.  A peer half is the code at the other end of a channel that
 * has no kernel half.  It runs in a process of its own, the peer.  It does the work for which
 * a kernel half uses rcx_core.h: it consumes and checks messages, makes replies and events,
 * and counts.
 *
 *	user half (this process)		peer half (its child)
 *	connect: both ends
 *	fork ------------------------------->	begin
 *	open: the user's end			serve, or emit on command, in a loop
 *	n operations <--- the channel --->	that does not end
 *	close: kill
 *
 * Everything that does not belong to the channel (commands, counts, timestamps) is in memory
 * that both processes share, so it is not sent over the channel.
 */
#ifndef RCX_PEER_H
#define RCX_PEER_H

#include "channel.h"

/**
 * struct rcx_event - one event that the peer starts
 * @seq: its number; the first one after a bind has 0
 * @timestamp: clock at the event
 * @size: bytes of body that the message must have
 */
struct rcx_event {
	uint64_t seq;
	uint64_t timestamp;
	uint32_t size;
};

/**
 * struct rcx_peer_half - hooks of a mode for its peer
 * @connect: required; create the channel with both ends for s->op, before the peer is
 *	started.  File descriptors go to s->user_end and s->peer_end; each process then
 *	closes those of the other end.  Memory goes to s->map
 * @begin: optional; called in the peer before the other hooks.  s->fd and s->fd2 are its
 *	end, s->tx and s->rx its own buffers
 * @serve: for push and call: receive each message, pass it to rcx_peer_consume(), and
 *	answer a call with rcx_peer_reply().  Does not return, except with -1 after rcx_fail()
 * @emit: for notify and stream: write one event, made by rcx_peer_event(), to the
 *	channel.  0, or a negative errno when the channel does not take it; the event then
 *	counts as refused.  Must not wait for room, except to complete a message that is
 *	partly written
 * @never_sleeps: the peer does not sleep while it waits; it yields the processor
 */
struct rcx_peer_half {
	int (*connect)(struct rcx_session *s);
	int (*begin)(struct rcx_session *s);
	int (*serve)(struct rcx_session *s);
	int (*emit)(struct rcx_session *s, const struct rcx_event *event);
	bool never_sleeps;
};

/**
 * struct rcx_peer_slot - memory that one open of the mode shares with its peer
 * @consumed: messages that arrived complete and in order
 * @bad: messages that did not
 * @wanted: value of @consumed that the user half waits for, see rcx_peer_expect()
 * @reached: a futex: the low half of @wanted, once @consumed has that value
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

/* An open hook: duplicate the descriptors of the user's end to s->fd and s->fd2. */
int rcx_peer_open(struct rcx_session *s);

/* Fail because the peer has exited.  @what is the call that found the end of the channel, or
 * that failed because no process reads the channel.  Always returns -1.
 */
int rcx_peer_exited(struct rcx_session *s, const char *what) __attribute__((cold));

int rcx_peer_wait_slow(struct rcx_session *s);

/*
 * A push loop returns when the peer has consumed all n messages, as a kernel half has when
 * the system call returns.  It waits once, at the end, so the channel can take as many
 * messages at a time as it has room for:
 *
 *	rcx_peer_expect(s, n);
 *	while (n--) {
 *		rcx_tx(s);
 *		write(...);
 *	}
 *	return rcx_peer_wait(s);
 *
 * The expected count is stored before the first message is sent.  The channel orders the two:
 * the peer sees @wanted before it can receive the last message.
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

/* Consume a message of which @len bytes arrived.  0, or -1 when its length, its order or (in
 * the validation pass) its body is wrong; the serve hook then returns -1, too.
 */
static inline int rcx_peer_consume(struct rcx_session *s, const struct rcx_msg *msg, size_t len)
{
	if (__builtin_expect(s->validate || len < RCX_HEADER || msg->magic != RCX_MAGIC ||
				     len - RCX_HEADER != msg->size || msg->seq != s->slot->consumed,
			     0))
		return rcx_peer_consume_slow(s, msg, len);
	rcx_peer_count(s);
	return 0;
}

/* Turn a consumed request into its reply, in place.  The kernel's rcx_reply() does the same. */
static inline void rcx_peer_reply(struct rcx_session *s, struct rcx_msg *msg, size_t len)
{
	msg->seq = ~msg->seq;
	if (__builtin_expect(s->validate, 0))
		for (size_t at = 0; at < len - RCX_HEADER; at++)
			msg->body[at] ^= 0xff;
}

/* Write an event's message to @msg, which has room for it; returns its length. */
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
