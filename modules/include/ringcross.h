/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * What both halves of every channel share: the message, and the control
 * device of ringcross_core.  The control device arranges a measurement (which half,
 * which size, "raise an event now"); no measured byte ever crosses it.
 */
#ifndef RINGCROSS_H
#define RINGCROSS_H

#include <linux/types.h>
#include <linux/ioctl.h>

/**
 * struct rcx_msg - the one message layout of all channels
 * @size: bytes of body that follow
 * @magic: RCX_MAGIC, so that a stray buffer is not taken for a message
 * @seq: number of the message in its direction, from 0; a reply carries ~seq
 * @timestamp: kernel clock when the kernel made it; 0 in messages from user space
 * @body: during the proof every byte follows from @seq, see rcx_body_word();
 *	while timed it is whatever the buffer held, since filling it would be
 *	our cost and not the channel's
 */
struct rcx_msg {
	__u32 size;
	__u32 magic;
	__u64 seq;
	__u64 timestamp;
	__u8  body[];
};

#define RCX_MAGIC	0x52434d53u
#define RCX_HEADER	((__u32)sizeof(struct rcx_msg))
#define RCX_BODY_MAX	(1u << 20)

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
 * Start of the first wrong word, or @size when all are right.  @flip is XORed
 * to every byte: a reply is its request with all bits turned (0xff).
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
		if ((__u8)(body[i] ^ flip) !=
		    (__u8)(rcx_body_word(seq, i / 8) >> (8 * (i % 8))))
			return i;
	return size;
}

/* ---- control device: /dev/ringcross/core -------------------------------------- */

#define RCX_CORE_DEVICE	"/dev/ringcross/core"
#define RCX_NAME		24

enum rcx_clock {
	RCX_CLOCK_TIME,		/* ktime_get_ns() and CLOCK_MONOTONIC: the same */
	RCX_CLOCK_INSTRUCTIONS,	/* the cycle counter, which icount makes exact */
};

enum rcx_context {
	RCX_PROCESS,		/* a kernel thread */
	RCX_SOFTIRQ,		/* a soft hrtimer's callback */
	RCX_HARDIRQ,		/* a hard hrtimer's callback */
	RCX_CONTEXTS,
};

/**
 * struct rcx_bind - choose the kernel half and start counting from zero
 * @channel: name of the kernel half, that is of the channel
 * @mode: its emitter for RCX_CORE_EMIT; empty when nothing will be raised
 * @size: bytes of body for channels that cannot be told by the caller
 * @validate: 1 makes both halves fill and check whole bodies
 * @clock: enum rcx_clock
 * @contexts: set by the kernel: bit (1 << enum rcx_context) for each context
 *	that @mode can be raised from
 */
struct rcx_bind {
	char  channel[RCX_NAME];
	char  mode[RCX_NAME];
	__u32 size;
	__u32 validate;
	__u32 clock;
	__u32 contexts;
};

#define RCX_BURST_MAX 4096

/**
 * struct rcx_emission - have the kernel start @count events
 * @context: enum rcx_context to emit from
 * @burst: events in a row before the producer gives way (process context)
 *	or per timer tick; 1 to RCX_BURST_MAX
 * @count: how many events in all, at least 1
 * @delay: nanoseconds until the first
 * @interval: nanoseconds between two bursts; 0: as fast as the producer, a
 *	thread of the lowest priority, gets the CPU (process context only)
 * @more: bytes of body above those of the bind
 * @pad: 0
 */
struct rcx_emission {
	__u32 context;
	__u32 burst;
	__u64 count;
	__u64 delay;
	__u64 interval;
	__u32 more;
	__u32 pad;
};

/**
 * struct rcx_counts - what the kernel halves counted since the bind
 * @consumed: messages from user space, in order and whole
 * @made: messages made for user space on its own request
 * @bad: messages refused: wrong length, order or body
 * @emitted: events the kernel tried to start
 * @refused: of those, what the channel would not take (queue full, nobody there)
 * @refused_errno: the last reason for a refusal, a positive errno
 * @pad: 0
 */
struct rcx_counts {
	__u64 consumed;
	__u64 made;
	__u64 bad;
	__u64 emitted;
	__u64 refused;
	__u32 refused_errno;
	__u32 pad;
};

#define RCX_TIMESTAMPS 4096		/* a power of two */

/**
 * struct rcx_page - what user space may read of a raise, by mmap, read-only
 * @emitted: events tried so far
 * @done: 1 when the producer has ended, by itself or by RCX_CORE_STOP
 * @pad: 0
 * @timestamps: kernel clock just before event seq was handed to the channel, at
 *	[seq % RCX_TIMESTAMPS]; at a rate (@interval), when it was due
 */
struct rcx_page {
	__u64 emitted;
	__u32 done;
	__u32 pad;
	__u64 timestamps[RCX_TIMESTAMPS];
};

#define RCX_CORE_BIND	_IOWR('x', 1, struct rcx_bind)
#define RCX_CORE_UNBIND	_IO('x', 2)
#define RCX_CORE_EMIT	_IOW('x', 3, struct rcx_emission)
#define RCX_CORE_STOP	_IO('x', 4)		/* end a raise, wait for its producer */
#define RCX_CORE_COUNTS	_IOR('x', 5, struct rcx_counts)

#endif /* RINGCROSS_H */
