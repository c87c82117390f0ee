/* SPDX-License-Identifier: GPL-2.0-only */
/* What a kernel half uses of rc_core: registration, and messages. */
#ifndef RC_CORE_H
#define RC_CORE_H

#include <linux/compiler.h>
#include <linux/ktime.h>
#include <linux/list.h>
#include <linux/module.h>
#include <linux/percpu.h>
#include <linux/timex.h>
#include "../include/ringcross.h"

/**
 * struct rc_shot - one event that the kernel starts
 * @seq: its number, from 0 at the bind
 * @stamp: kernel clock at the event
 * @size: bytes of body the message must have
 * @last: the producer stops here: who collects some events before he wakes
 *	anybody has to do so now
 */
struct rc_shot {
	u64 seq;
	u64 stamp;
	u32 size;
	bool last;
};

#define RC_IN(context)	(1u << (context))
#define RC_IN_ANY	(RC_IN(RC_PROCESS) | RC_IN(RC_SOFTIRQ) | RC_IN(RC_HARDIRQ))

/**
 * struct rc_emitter - one way of a channel to start a conversation
 * @mode: name of the user half's mode that receives it
 * @contexts: RC_IN() of each context @emit may be called from
 * @emit: hand one event to the channel; 0, or a negative errno when the
 *	channel would not take it (it then counts as refused, not as an error)
 */
struct rc_emitter {
	const char *mode;
	unsigned int contexts;
	int (*emit)(const struct rc_shot *shot);
};

/**
 * struct rc_half - what a kernel half tells rc_core of itself
 * @name: the channel's name
 * @owner: THIS_MODULE; held while a measurement is bound to it
 * @reset: optional; start module-wide flows again (a flow per open file
 *	starts with its open and needs none); 0, or -EINTR when it was killed as it
 *	waited for a lock that is held across user memory
 * @emitters: ended by an empty entry; NULL when the kernel cannot start
 * @list: rc_core's
 */
struct rc_half {
	const char *name;
	struct module *owner;
	int (*reset)(void);
	const struct rc_emitter *emitters;
	struct list_head list;
};

int rc_half_register(struct rc_half *half);
void rc_half_unregister(struct rc_half *half);

/* Where a sequence stands, both directions.  One per open file where the
 * channel has files; the channel's own lock, or its single user, protects it.
 */
struct rc_flow {
	u64 in;
	u64 out;
};

struct rc_tally {
	u64 consumed;
	u64 made;
	u64 bad;
};

DECLARE_PER_CPU(struct rc_tally, rc_tally);

/* Set by RC_CORE_BIND, read everywhere. */
struct rc_binding {
	u32 size;
	bool proof;
	bool cycles;
};

extern struct rc_binding rc_binding;

static inline u64 rc_now(void)
{
	return READ_ONCE(rc_binding.cycles) ? get_cycles() : ktime_get_ns();
}

/* Bytes of body the bound cell asks for; never more than RC_BODY_MAX. */
static inline u32 rc_size(void)
{
	return READ_ONCE(rc_binding.size);
}

int rc_consume_slow(struct rc_flow *flow, const struct rc_msg *msg, size_t len);
void rc_make_slow(struct rc_msg *msg, u32 size);
void rc_reply_slow(struct rc_msg *msg, u32 size);

/**
 * rc_consume - take a message that arrived from user space
 * @flow: the sequence it belongs to
 * @msg: the message, in memory that only the kernel writes
 * @len: bytes that arrived
 *
 * Whoever could write @msg meanwhile could have one header checked and another
 * one used.  Memory that user space shares is no place for it: copy the header
 * out once and check the copy, as mmap does.
 *
 * Return: 0, or -EBADMSG when length, order or (in the proof) body is wrong.
 */
static inline int rc_consume(struct rc_flow *flow, const struct rc_msg *msg, size_t len)
{
	if (unlikely(READ_ONCE(rc_binding.proof) || len < RC_HEADER ||
		     msg->magic != RC_MAGIC || len - RC_HEADER != msg->size ||
		     msg->seq != flow->in))
		return rc_consume_slow(flow, msg, len);
	flow->in++;
	this_cpu_inc(rc_tally.consumed);
	return 0;
}

/**
 * rc_consume_narrow - take a message that is too narrow for a header
 * @flow: the sequence it belongs to
 * @seq: the number that it carried
 * @mask: the bits of it that the channel has room for
 *
 * Return: 0, or -EBADMSG when it is not the one that is due.
 */
static inline int rc_consume_narrow(struct rc_flow *flow, u64 seq, u64 mask)
{
	if (unlikely((seq ^ flow->in) & mask)) {
		this_cpu_inc(rc_tally.bad);
		return -EBADMSG;
	}
	flow->in++;
	this_cpu_inc(rc_tally.consumed);
	return 0;
}

/**
 * rc_make - make the next message for user space
 * @flow: the sequence it belongs to
 * @msg: room for RC_HEADER + @size bytes of kernel memory, body initialised
 * @size: bytes of body
 */
static inline void rc_make(struct rc_flow *flow, struct rc_msg *msg, u32 size)
{
	msg->size = size;
	msg->magic = RC_MAGIC;
	msg->seq = flow->out++;
	msg->stamp = rc_now();
	this_cpu_inc(rc_tally.made);
	if (unlikely(READ_ONCE(rc_binding.proof)))
		rc_make_slow(msg, size);
}

/**
 * rc_reply - turn a consumed request into its reply, in place
 * @msg: a message that rc_consume() has accepted
 * @len: bytes of it, as they were then
 *
 * The reply carries ~seq, and during the proof every byte of the body is
 * turned, so that no stale or reflected buffer passes for it.
 */
static inline void rc_reply(struct rc_msg *msg, size_t len)
{
	msg->seq = ~msg->seq;
	if (unlikely(READ_ONCE(rc_binding.proof)))
		rc_reply_slow(msg, len - RC_HEADER);
}

/* The next number for user space; the channel carries what it has room for. */
static inline u64 rc_make_narrow(struct rc_flow *flow)
{
	this_cpu_inc(rc_tally.made);
	return flow->out++;
}

/**
 * rc_event - write an event's message
 * @shot: the event
 * @msg: room for RC_HEADER + @shot->size bytes of kernel memory, initialised
 */
static inline void rc_event(const struct rc_shot *shot, struct rc_msg *msg)
{
	msg->size = shot->size;
	msg->magic = RC_MAGIC;
	msg->seq = shot->seq;
	msg->stamp = shot->stamp;
	if (unlikely(READ_ONCE(rc_binding.proof)))
		rc_make_slow(msg, shot->size);
}

#endif /* RC_CORE_H */
