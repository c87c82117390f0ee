/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * Layout of the area that both halves share:
 *
 *	0		struct rcx_mmap_ends
 *	RCX_MMAP_SLOTS	slot 0
 *	  + stride	slot 1, ...
 *
 * Head and tail of a ring count messages, not slots, and wrap around at 32 bits.  Message i
 * lies in slot (i modulo slots); slots is a power of two.
 */
#ifndef RCX_MMAP_ABI_H
#define RCX_MMAP_ABI_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define RCX_MMAP_DEVICE	   "/dev/ringcross/mmap"
#define RCX_MMAP_SLOTS	   4096u
#define RCX_MMAP_SLOTS_MAX 1024u
#define RCX_MMAP_AREA_MAX  (8u << 20) /* bytes of all slots together */

/**
 * struct rcx_mmap_ends - head and tail of a ring
 * @head: number of messages put in so far; only the producer writes it
 * @tail: number of messages taken out so far; only the consumer writes it
 * @asleep: of a ring to the user with an eventfd: the consumer writes 1 before it sleeps, and then
 *	looks at @head again; the producer writes 0 when it signals
 *
 * Head and tail have their own cache lines, to avoid false sharing.
 */
struct rcx_mmap_ends {
	__u32 head;
	__u32 pad[15];
	__u32 tail;
	__u32 asleep;
	__u32 pad2[14];
};

/**
 * struct rcx_mmap_slot - room for one message
 * @len: bytes of @message in use, header and body
 * @pad: aligns @message; neither side reads it
 * @message: a struct rcx_msg
 */
struct rcx_mmap_slot {
	__u32 len;
	__u32 pad;
	__u8 message[];
};

enum rcx_mmap_kind {
	RCX_MMAP_PAGE,	    /* one slot for both directions, with doorbells; ends unused */
	RCX_MMAP_TO_KERNEL, /* a ring: user space produces, the kernel consumes */
	RCX_MMAP_TO_USER,   /* a ring: the kernel produces, user space consumes */
	RCX_MMAP_UPCALL,    /* one slot: the kernel's request, replaced by its reply; with head */
	RCX_MMAP_TABLE,	    /* one slot with records; head is even while they are consistent */
	RCX_MMAP_KINDS,
};

/**
 * struct rcx_mmap_setup - the area of this open file; accepted once per file
 * @kind: enum rcx_mmap_kind
 * @room: bytes of the largest message, header and body; for RCX_MMAP_TABLE bytes of all
 *	records, at most RCX_RECORDS_MAX of them
 * @slots: a power of two; 1 for RCX_MMAP_PAGE, RCX_MMAP_UPCALL and RCX_MMAP_TABLE
 * @stride: set by the kernel: bytes from one slot to the next; 0 before
 * @len: set by the kernel: bytes to map from offset 0; 0 before
 */
struct rcx_mmap_setup {
	__u32 kind;
	__u32 room;
	__u32 slots;
	__u32 stride;
	__u64 len;
};

#define RCX_MMAP_SETUP _IOWR('x', 0x50, struct rcx_mmap_setup)

/**
 * struct rcx_mmap_bell - an eventfd that the kernel signals, of a ring to the user
 * @fd: descriptor of the eventfd
 * @flags: none are known; must be 0
 */
struct rcx_mmap_bell {
	__s32 fd;
	__u32 flags;
};

/* Accepted once per file, after the setup. */
#define RCX_MMAP_BELL _IOW('x', 0x57, struct rcx_mmap_bell)

/* Doorbells of a page. */
#define RCX_MMAP_PUSH _IO('x', 0x51) /* consume the message in the slot */
#define RCX_MMAP_PULL _IO('x', 0x52) /* make a message; the argument is its length */
#define RCX_MMAP_CALL _IO('x', 0x53) /* consume the request, replace it by its reply */
/* Doorbell of a ring to the kernel: consume all messages, return their number. */
#define RCX_MMAP_KICK _IO('x', 0x54)
/* Doorbell of an upcall: the slot has the reply. */
#define RCX_MMAP_ANSWER _IO('x', 0x55)
/* Doorbell of a table: write it anew, return the number of records. */
#define RCX_MMAP_DUMP _IO('x', 0x56)

#endif
