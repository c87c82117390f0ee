/* SPDX-License-Identifier: GPL-2.0-only */
/* The interface of ringcross_core for kernel halves: registration and messages. */
#ifndef RCX_CORE_H
#define RCX_CORE_H

#include <linux/compiler.h>
#include <linux/ktime.h>
#include <linux/list.h>
#include <linux/module.h>
#include <linux/percpu.h>
#include <linux/timex.h>
#include "../include/ringcross.h"

/**
 * struct rcx_event - one event that the kernel emits
 * @seq: its number, from 0 at the bind
 * @timestamp: kernel clock at the event
 * @size: bytes of body the message must have
 * @last: the producer stops after this event.  A channel that collects events before
 *	it wakes its reader must wake it now
 */
struct rcx_event {
	u64 seq;
	u64 timestamp;
	u32 size;
	bool last;
};

/**
 * struct rcx_burst - events that the kernel emits at once
 * @seq: number of the first one; the others follow without a gap
 * @timestamp: kernel clock when the burst was handed to the channel, for all of them
 * @count: how many they are, at least 1
 * @size: bytes of body each message must have
 */
struct rcx_burst {
	u64 seq;
	u64 timestamp;
	u32 count;
	u32 size;
};

#define RCX_IN(context) (1u << (context))
#define RCX_IN_ANY	(RCX_IN(RCX_PROCESS) | RCX_IN(RCX_SOFTIRQ) | RCX_IN(RCX_HARDIRQ))

/*
 * Also from a hardirq of a PREEMPT_RT kernel.  There spinlocks, wait queues and the
 * allocator may sleep, so that an emitter may only disable interrupts, use raw spinlocks
 * and queue an irq_work.  Without this flag the core does not call it from a hardirq of
 * such a kernel.  From softirq it may: PREEMPT_RT runs softirqs in threads.
 */
#define RCX_IN_RT_HARDIRQ (1u << 31)

/**
 * struct rcx_emitter - how one mode of a channel starts an exchange
 * @mode: name of the user half's mode that receives events and requests
 * @contexts: RCX_IN() of each context @emit may be called from, and RCX_IN_RT_HARDIRQ
 * @emit: hand one event to the channel; 0, or a negative errno when the channel does
 *	not take it (the event then counts as refused, not as an error)
 * @ask: for upcall, from process context: hand one request to the user half, and wait until
 *	its reply has been consumed and checked.  0, or a negative errno: see rcx_upcall.h,
 *	whose functions do all but the transport.  NULL when the mode has no upcall
 * @give_up: optional; called when @ask shall return early, for a wait that does not end by
 *	rcx_ask_over().  It must not sleep, and @ask may have returned already
 * @emit_burst: instead of @emit, for a channel that can take several events at once, and
 *	publish them or wake their reader once.  The number of events it took, counted
 *	from the first (it had no room for the others), or a negative errno when it took
 *	none.  The events of a count need @emit, since its reader looks at the number of
 *	emitted events
 *
 * The core makes one call at a time, so an emitter needs no lock against itself.
 */
struct rcx_emitter {
	const char *mode;
	unsigned int contexts;
	int (*emit)(const struct rcx_event *event);
	int (*ask)(const struct rcx_event *request);
	void (*give_up)(void);
	int (*emit_burst)(const struct rcx_burst *burst);
};

/**
 * struct rcx_channel - registration of a kernel half
 * @name: the channel's name
 * @owner: THIS_MODULE; the core holds a reference while a measurement is bound
 * @reset: optional; called at a bind, restarts sequences that belong to the whole module
 *	(a sequence of an open file starts with its open and needs no reset).  0, or
 *	-EINTR when the caller was killed while waiting for a lock that is held across
 *	accesses to user memory, or another negative errno when the channel cannot be bound
 * @emitters: ended by an empty entry; NULL when the kernel cannot start an exchange
 * @list: private to ringcross_core
 */
struct rcx_channel {
	const char *name;
	struct module *owner;
	int (*reset)(void);
	const struct rcx_emitter *emitters;
	struct list_head list;
};

int rcx_channel_register(struct rcx_channel *channel);
void rcx_channel_unregister(struct rcx_channel *channel);

/*
 * The next sequence number in each direction.  A channel with open files has one per
 * open file.  The channel's own lock protects it, unless it has a single user.
 */
struct rcx_sequence {
	u64 in;
	u64 out;
};

/* Counters of each CPU, see struct rcx_counts. */
struct rcx_tally {
	u64 consumed;
	u64 made;
	u64 bad;
};

DECLARE_PER_CPU(struct rcx_tally, rcx_tally);

/* Set by RCX_CORE_BIND, read by all kernel halves without a lock. */
struct rcx_binding {
	u32 size;
	u32 records;
	bool validate;
	bool cycles;
};

extern struct rcx_binding rcx_binding;

static inline u64 rcx_now(void)
{
	return READ_ONCE(rcx_binding.cycles) ? get_cycles() : ktime_get_ns();
}

/* Bytes of body of the bound cell; never more than RCX_BODY_MAX. */
static inline u32 rcx_size(void)
{
	return READ_ONCE(rcx_binding.size);
}

int rcx_consume_slow(struct rcx_sequence *sequence, const struct rcx_msg *msg, size_t len);
void rcx_make_slow(struct rcx_msg *msg, u32 size);
void rcx_reply_slow(struct rcx_msg *msg, u32 size);

/**
 * rcx_consume - check and count a message that arrived from user space
 * @sequence: the sequence it belongs to
 * @msg: the message, in memory that only the kernel writes
 * @len: bytes that arrived
 *
 * @msg must not lie in memory that user space can write: a store between check and use
 * would make the kernel check one header and use another.  A channel with shared memory
 * copies the header out once and checks the copy, as mmap does.
 *
 * Return: 0, or -EBADMSG when length, order or (during validation) body is wrong.
 */
static inline int rcx_consume(struct rcx_sequence *sequence, const struct rcx_msg *msg, size_t len)
{
	if (unlikely(READ_ONCE(rcx_binding.validate) || len < RCX_HEADER ||
		     msg->magic != RCX_MAGIC || len - RCX_HEADER != msg->size ||
		     msg->seq != sequence->in))
		return rcx_consume_slow(sequence, msg, len);
	sequence->in++;
	this_cpu_inc(rcx_tally.consumed);
	return 0;
}

/**
 * rcx_is_due - whether a message is the expected one; its body is not looked at
 * @msg: its header.  User space may write it: each word is loaded once, and only compared
 * @size: bytes of body that arrived
 * @due: the number it must have
 *
 * For a channel that consumes several messages in one call.  It counts those that were due
 * with one rcx_consumed(), and gives the first other one to rcx_consume().  In the
 * validation pass none may be accepted this way, see rcx_validating().
 */
static inline bool rcx_is_due(const struct rcx_msg *msg, u32 size, u64 due)
{
	return READ_ONCE(msg->size) == size && READ_ONCE(msg->magic) == RCX_MAGIC &&
	       READ_ONCE(msg->seq) == due;
}

/* Whether the bodies of messages have to be checked, or filled. */
static inline bool rcx_validating(void)
{
	return READ_ONCE(rcx_binding.validate);
}

/* Count @count messages that were due, in the order of their numbers. */
static inline void rcx_consumed(struct rcx_sequence *sequence, u64 count)
{
	sequence->in += count;
	this_cpu_add(rcx_tally.consumed, count);
}

/**
 * rcx_consume_narrow - check and count a message that is too narrow for a header
 * @sequence: the sequence it belongs to
 * @seq: the number that it carried
 * @mask: the bits of the number that the channel can carry
 *
 * Return: 0, or -EBADMSG when it is not the expected number.
 */
static inline int rcx_consume_narrow(struct rcx_sequence *sequence, u64 seq, u64 mask)
{
	if (unlikely((seq ^ sequence->in) & mask)) {
		this_cpu_inc(rcx_tally.bad);
		return -EBADMSG;
	}
	sequence->in++;
	this_cpu_inc(rcx_tally.consumed);
	return 0;
}

/**
 * rcx_make - make the next message for user space
 * @sequence: the sequence it belongs to
 * @msg: room for RCX_HEADER + @size bytes of kernel memory, body initialised
 * @size: bytes of body
 */
static inline void rcx_make(struct rcx_sequence *sequence, struct rcx_msg *msg, u32 size)
{
	msg->size = size;
	msg->magic = RCX_MAGIC;
	msg->seq = sequence->out++;
	msg->timestamp = rcx_now();
	this_cpu_inc(rcx_tally.made);
	if (unlikely(READ_ONCE(rcx_binding.validate)))
		rcx_make_slow(msg, size);
}

/*
 * Make the successor of @msg in its place: the same, with the next number.  @validate is
 * rcx_validating(), which a loop reads once.
 */
static inline void rcx_make_next(struct rcx_msg *msg, bool validate)
{
	msg->seq++;
	if (unlikely(validate))
		rcx_make_slow(msg, msg->size);
}

/* Count @count messages that rcx_make_next() made after one of rcx_make(). */
static inline void rcx_made(struct rcx_sequence *sequence, u64 count)
{
	sequence->out += count;
	this_cpu_add(rcx_tally.made, count);
}

/**
 * rcx_reply - turn a consumed request into its reply, in place
 * @msg: a message that rcx_consume() has accepted
 * @len: the length that rcx_consume() accepted
 *
 * The reply carries ~seq, and during validation every byte of the body is inverted, so
 * that a stale buffer or a copy of the request is not accepted as the reply.
 */
static inline void rcx_reply(struct rcx_msg *msg, size_t len)
{
	msg->seq = ~msg->seq;
	if (unlikely(READ_ONCE(rcx_binding.validate)))
		rcx_reply_slow(msg, len - RCX_HEADER);
}

/* The next number for user space; the channel carries as many of its bits as it can. */
static inline u64 rcx_make_narrow(struct rcx_sequence *sequence)
{
	this_cpu_inc(rcx_tally.made);
	return sequence->out++;
}

/**
 * rcx_event - write an event's message
 * @event: the event
 * @msg: room for RCX_HEADER + @event->size bytes of kernel memory, initialised
 */
static inline void rcx_event(const struct rcx_event *event, struct rcx_msg *msg)
{
	msg->size = event->size;
	msg->magic = RCX_MAGIC;
	msg->seq = event->seq;
	msg->timestamp = event->timestamp;
	if (unlikely(READ_ONCE(rcx_binding.validate)))
		rcx_make_slow(msg, event->size);
}

/* Write the message of the first event of @burst; rcx_make_next() makes those of the others. */
static inline void rcx_event_of(const struct rcx_burst *burst, struct rcx_msg *msg)
{
	msg->size = burst->size;
	msg->magic = RCX_MAGIC;
	msg->seq = burst->seq;
	msg->timestamp = burst->timestamp;
	if (unlikely(READ_ONCE(rcx_binding.validate)))
		rcx_make_slow(msg, burst->size);
}

#endif /* RCX_CORE_H */
