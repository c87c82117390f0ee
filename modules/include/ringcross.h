/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * Shared by both halves of every channel: the message, and the control device of
 * ringcross_core.  The control device arranges a measurement: it selects the kernel
 * half and the size, and starts events.  No measured byte crosses it.
 */
#ifndef RINGCROSS_H
#define RINGCROSS_H

#include <linux/types.h>
#include <linux/ioctl.h>

/**
 * struct rcx_msg - the one message layout of all channels
 * @size: bytes of body that follow
 * @magic: RCX_MAGIC, which distinguishes a message from other content of a buffer
 * @seq: number of the message in its direction, from 0; a reply carries ~seq
 * @timestamp: kernel clock when the kernel made it; 0 in messages from user space
 * @body: during validation every byte follows from @seq, see rcx_body_word().  In a
 *	timed round it is whatever the buffer held: filling it would add a cost that
 *	is not the channel's
 */
struct rcx_msg {
	__u32 size;
	__u32 magic;
	__u64 seq;
	__u64 timestamp;
	__u8 body[];
};

#define RCX_MAGIC    0x52434d53u
#define RCX_HEADER   ((__u32)sizeof(struct rcx_msg))
#define RCX_BODY_MAX (1u << 20)

/* Where several messages are in one buffer, each begins at a multiple of so many bytes. */
#define RCX_ALIGN	8u
#define RCX_PADDED(len) (((len) + RCX_ALIGN - 1) / RCX_ALIGN * RCX_ALIGN)

/* Messages of a batch, for kernel halves that wake their reader once per batch.  Timed streams
 * are made of whole batches where they are long enough; see size_round() in the agent.
 */
#define RCX_BATCH 16u

/* The @i-th 8-byte word of the body of message @seq. */
static inline __u64 rcx_body_word(__u64 seq, __u32 i)
{
	__u64 x = (seq + 1) * 0x9e3779b97f4a7c15ull + i * 0xbf58476d1ce4e5b9ull;

	return x ^ (x >> 29);
}

static inline void rcx_body_fill(__u8 *body, __u32 size, __u64 seq)
{
	__u32 i;

	for (i = 0; i < size / 8; i++) {
		__u64 word = rcx_body_word(seq, i);

		__builtin_memcpy(body + 8 * i, &word, 8);
	}
	for (i = size / 8 * 8; i < size; i++)
		body[i] = (__u8)(rcx_body_word(seq, i / 8) >> (8 * (i % 8)));
}

/*
 * Return the offset of the first wrong word, or @size when all are right.  @flip is
 * XORed with every byte: the body of a reply is that of its request with all bits
 * inverted (0xff).
 */
static inline __u32 rcx_body_check(const __u8 *body, __u32 size, __u64 seq, __u8 flip)
{
	__u64 turn = flip * 0x0101010101010101ull;
	__u32 i;

	for (i = 0; i < size / 8; i++) {
		__u64 word;

		__builtin_memcpy(&word, body + 8 * i, 8);
		if ((word ^ turn) != rcx_body_word(seq, i))
			return 8 * i;
	}
	for (i = size / 8 * 8; i < size; i++)
		if ((__u8)(body[i] ^ flip) != (__u8)(rcx_body_word(seq, i / 8) >> (8 * (i % 8))))
			return i;
	return size;
}

/* ---- the table ----------------------------------------------------------------- */

/**
 * struct rcx_record - one record of the table that a dump delivers
 * @index: its place in the table, from 0
 * @generation: number of the dump, from 0 at the bind or at the open; so a record that is left
 *	over from an earlier dump is not accepted
 * @body: word i is rcx_body_word(@index, i).  It is the same in validation and in timed rounds,
 *	because the length of a record as text depends on it
 */
struct rcx_record {
	__u64 index;
	__u64 generation;
	__u64 body[6];
};

#define RCX_RECORD	((__u32)sizeof(struct rcx_record))
#define RCX_RECORDS_MAX 65536u

/*
 * A record as a line of text, as files in /proc and /sys have numbers: index and generation are
 * decimal, the words of the body are hexadecimal.
 */
#define RCX_RECORD_FORMAT "%llu %llu %llx %llx %llx %llx %llx %llx\n"
#define RCX_RECORD_FIELDS(record)                                                    \
	(record)->index, (record)->generation, (record)->body[0], (record)->body[1], \
		(record)->body[2], (record)->body[3], (record)->body[4], (record)->body[5]
#define RCX_RECORD_LINE 160 /* no line is longer */

/* ---- control device: /dev/ringcross/core -------------------------------------- */

#define RCX_CORE_DEVICE "/dev/ringcross/core"
#define RCX_NAME	24

enum rcx_clock {
	RCX_CLOCK_TIME,		/* ktime_get_ns(), which is CLOCK_MONOTONIC */
	RCX_CLOCK_INSTRUCTIONS, /* the cycle counter; QEMU's -icount makes it exact */
};

enum rcx_context {
	RCX_PROCESS, /* a kernel thread */
	RCX_SOFTIRQ, /* a soft hrtimer's callback */
	RCX_HARDIRQ, /* a hard hrtimer's callback */
	RCX_CONTEXTS,
};

/*
 * @mode can emit from a hardirq, but not on this kernel: it is PREEMPT_RT, where the locks
 * and the allocator that @mode uses may sleep.
 */
#define RCX_BARRED_BY_RT (1u << RCX_CONTEXTS)

/**
 * struct rcx_bind - select the kernel half and start counting from zero
 * @channel: name of the channel whose kernel half is bound
 * @mode: its emitter for RCX_CORE_EMIT; empty when no event will be emitted
 * @size: bytes of body of events, and of messages whose length the caller cannot choose
 * @validate: 1 makes both halves fill and check whole bodies
 * @clock: enum rcx_clock
 * @contexts: set by the kernel: bit (1 << enum rcx_context) for each context
 *	that @mode can emit from, and RCX_BARRED_BY_RT
 * @records: records of the table that a dump delivers, at most RCX_RECORDS_MAX; 0: no table
 */
struct rcx_bind {
	char channel[RCX_NAME];
	char mode[RCX_NAME];
	__u32 size;
	__u32 validate;
	__u32 clock;
	__u32 contexts;
	__u32 records;
};

#define RCX_BURST_MAX 4096

/* Added to the context of an emission: the channel's emitter is not called, in any context.  What
 * is left is the cost of the producer itself.
 */
#define RCX_TO_NOBODY 0x100u

/**
 * struct rcx_emission - a request to emit @count events
 * @context: enum rcx_context to emit from, and RCX_TO_NOBODY
 * @burst: events per timer tick.  Without an interval: events between two points at
 *	which the producer may be rescheduled (process context).  1 to RCX_BURST_MAX
 * @count: total number of events, at least 1
 * @delay: nanoseconds until the first burst, at most one second
 * @interval: nanoseconds between two bursts, at most one second.  0 makes the producer,
 *	a thread of the lowest priority, emit as fast as it gets the CPU; in softirq and
 *	hardirq it allows one burst only
 * @more: bytes of body added to the size of the bind
 * @cpu: 1 + the number of the CPU to emit from, which must be online; 0: the kernel chooses
 */
struct rcx_emission {
	__u32 context;
	__u32 burst;
	__u64 count;
	__u64 delay;
	__u64 interval;
	__u32 more;
	__u32 cpu;
};

/**
 * struct rcx_asking - a request to ask the user half @count times, one after the other
 * @count: number of requests, at least 1.  The first that gets no good reply is the last
 * @delay: nanoseconds until the first request, and from each reply to the next request, at
 *	most one second
 * @deadline: nanoseconds that the kernel waits for a reply, at most ten seconds, not 0
 * @cpu: 1 + the number of the CPU to ask from, which must be online; 0: the kernel chooses
 * @pad: 0
 */
struct rcx_asking {
	__u64 count;
	__u64 delay;
	__u64 deadline;
	__u32 cpu;
	__u32 pad;
};

/**
 * struct rcx_counts - what the core and the kernel halves counted since the bind
 * @consumed: complete messages from user space, in order
 * @made: messages made for user space on its request; of dumps each counts once
 * @bad: messages that were not accepted: wrong length, order or body
 * @emitted: events the kernel tried to emit, or requests that it asked
 * @refused: events of these that the channel did not take (queue full, no reader), or
 *	requests that got no good reply
 * @refused_errno: reason of the last refusal, a positive errno
 * @cpu: the CPU on which the producer ran last; without meaning before the first event
 * @busy: units of the clock that the producer spent in bursts, from the timestamp of a burst's
 *	first event to the end of the burst.  A burst in which another task ran is left out
 * @timed: events of the bursts in @busy
 */
struct rcx_counts {
	__u64 consumed;
	__u64 made;
	__u64 bad;
	__u64 emitted;
	__u64 refused;
	__u32 refused_errno;
	__u32 cpu;
	__u64 busy;
	__u64 timed;
};

#define RCX_TIMESTAMPS 4096 /* a power of two */

/**
 * struct rcx_page - state of an emission, mapped read-only into user space
 * @emitted: events tried so far, or requests asked
 * @done: 1 when the producer has ended, by itself or by RCX_CORE_STOP
 * @pad: 0
 * @timestamps: at [seq % RCX_TIMESTAMPS], the kernel clock just before event or request seq
 *	was handed to the channel, or just before its burst was, if the channel takes the
 *	events of a burst at once.  With an interval: the clock when the event was due
 * @answered: at the same place, the kernel clock when the reply to request seq had been
 *	consumed, or when the wait for it ended without one
 */
struct rcx_page {
	__u64 emitted;
	__u32 done;
	__u32 pad;
	__u64 timestamps[RCX_TIMESTAMPS];
	__u64 answered[RCX_TIMESTAMPS];
};

#define RCX_CORE_BIND	_IOWR('x', 1, struct rcx_bind)
#define RCX_CORE_UNBIND _IO('x', 2)
#define RCX_CORE_EMIT	_IOW('x', 3, struct rcx_emission)
#define RCX_CORE_STOP	_IO('x', 4) /* end an emission, wait for its producer */
#define RCX_CORE_COUNTS _IOR('x', 5, struct rcx_counts)
#define RCX_CORE_ASK	_IOW('x', 6, struct rcx_asking)
#define RCX_CORE_WAIT	_IO('x', 7) /* until the producer that asks has ended */

#endif /* RINGCROSS_H */
