/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * Layout of the area that both halves share:
 *
 *	0			struct rcx_ring_control
 *	RCX_RING_SLOTS		slots of the ring to the kernel
 *	  + slots * stride	slots of the ring to the user
 *
 * A slot holds a struct rcx_msg.  Head and tail count messages, not slots, and wrap around
 * at 32 bits.  Message i lies in slot (i modulo slots); slots is a power of two.
 */
#ifndef RCX_RING_ABI_H
#define RCX_RING_ABI_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define RCX_RING_DEVICE	   "/dev/ringcross/ring"
#define RCX_RING_SLOTS	   4096u
#define RCX_RING_SLOTS_MAX 1024u
#define RCX_RING_BYTES_MAX (8u << 20) /* of all slots of one ring */
#define RCX_RING_WAIT_MAX  60000u     /* milliseconds */

/**
 * struct rcx_ring_ends - the two ends of a ring
 * @head: number of messages put in so far; only the producer writes it
 * @tail: number of messages taken out so far; only the consumer writes it
 * @wake_at: number of the message that must wake the consumer, which announces it before
 *	it sleeps.  poll() and RCX_RING_WAIT announce it for their caller.  A consumer
 *	that sleeps in another way, such as an edge-triggered epoll, stores tail here
 *	and must then, after a full barrier, look at head once more
 *
 * Each has its own cache line: a store to one of them does not take the others away from
 * the CPU that reads them.
 */
struct rcx_ring_ends {
	__u32 head;
	__u32 pad[15];
	__u32 tail;
	__u32 pad2[15];
	__u32 wake_at;
	__u32 pad3[15];
};

/* The kernel consumes in the caller's context and never sleeps: to_kernel.wake_at is unused. */
struct rcx_ring_control {
	struct rcx_ring_ends to_kernel;
	struct rcx_ring_ends to_user;
};

/**
 * struct rcx_ring_setup - the area of this open file; accepted once per file
 * @room: bytes of the largest message, header and body
 * @slots: of each ring; a power of two
 * @batch: 0: the ring to the user carries what RCX_RING_PULL and RCX_RING_CALL make.
 *	Else it carries events, and up to so many of a burst are published together
 * @stride: set by the kernel: bytes from one slot to the next; 0 before
 * @len: set by the kernel: bytes to map from offset 0; 0 before
 */
struct rcx_ring_setup {
	__u32 room;
	__u32 slots;
	__u32 batch;
	__u32 stride;
	__u64 len;
};

#define RCX_RING_SETUP _IOWR('x', 0x58, struct rcx_ring_setup)
/* Doorbells.  Each returns how many messages it moved. */
#define RCX_RING_KICK _IO('x', 0x59) /* consume all messages in the ring to the kernel */
#define RCX_RING_PULL _IO('x', 0x5a) /* make messages; the argument is their number */
#define RCX_RING_CALL \
	_IO('x', 0x5b) /* consume requests, and put their replies into the other ring */
/* Sleep until the ring to the user is not empty; the argument is a limit in ms, or 0. */
#define RCX_RING_WAIT _IO('x', 0x5c)

/*
 * Messages are copied in whole words; a slot has room for that.  x86 does it with string
 * instructions, as the kernel's copies from and to user space do.
 */
static inline __u64 rcx_ring_words(__u32 bytes)
{
	return ((__u64)bytes + 7) / 8;
}

static inline void rcx_ring_copy(void *to, const void *from, __u64 words)
{
#if defined(__x86_64__)
	__asm__ volatile("rep movsq" : "+D"(to), "+S"(from), "+c"(words)::"memory");
#else
	__builtin_memcpy(to, from, 8 * words);
#endif
}

#endif
