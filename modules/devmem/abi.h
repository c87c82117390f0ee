/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * Layout of the shared memory.  The demonstration (make demo) uses every page as a
 * struct rcx_devmem_page.  Measurements use:
 *
 *	RCX_DEVMEM_RING		struct rcx_devmem_ring
 *	RCX_DEVMEM_SLOTS	slot 0
 *	  + stride		slot 1, ... to the end
 *
 * The first page belongs to the demonstration only.  Messages are numbered from 1, and
 * the numbers continue as long as the module is loaded.  Message n lies in slot
 * (n - 1) modulo slots.
 */
#ifndef RCX_DEVMEM_ABI_H
#define RCX_DEVMEM_ABI_H

#include <linux/types.h>

/* Files in /proc with the location of the memory: a hexadecimal address, and a size in bytes. */
#define RCX_DEVMEM_FOLDER "memshare"
#define RCX_DEVMEM_ADDR	  "phymem_addr"
#define RCX_DEVMEM_SIZE	  "phymem_size"

#define RCX_DEVMEM_PAGE	     4096u
#define RCX_DEVMEM_TEXT	     2040u
#define RCX_DEVMEM_RING	     RCX_DEVMEM_PAGE
#define RCX_DEVMEM_SLOTS     (2 * RCX_DEVMEM_PAGE)
#define RCX_DEVMEM_SLOTS_MAX 1024u

/**
 * struct rcx_devmem_page - a page; each side writes half of it
 * @from_user: text, ended by NUL
 * @user_page: the number of this page as the user counts, from 1; 0: not written
 * @from_kernel: text, ended by NUL
 * @kernel_page: the number of this page as the kernel counts, from 1
 *
 * A page with the number of another page was mapped at the wrong place.
 */
struct rcx_devmem_page {
	char from_user[RCX_DEVMEM_TEXT];
	__u64 user_page;
	char from_kernel[RCX_DEVMEM_TEXT];
	__u64 kernel_page;
};

/**
 * struct rcx_devmem_ring - the shared description of the ring
 * @room: bytes of the largest message, header and body; written by the user
 * @slots: number of slots, a power of two; written by the user
 * @pad: puts the words that the two sides write into different cache lines
 * @head: number of the newest message, 0 before the first; written by the kernel
 *
 * The user has no other way to make a request.  The kernel half reads @room and @slots at
 * each event and refuses the event when they are invalid or do not fit the memory.
 */
struct rcx_devmem_ring {
	__u32 room;
	__u32 slots;
	__u32 pad[14];
	__u64 head;
};

/**
 * struct rcx_devmem_slot - room for one message
 * @number: number of the message in this slot; 0 while the kernel writes it
 * @len: bytes of @message in use, header and body
 * @pad: aligns @message; neither side reads it
 * @message: a struct rcx_msg
 */
struct rcx_devmem_slot {
	__u64 number;
	__u32 len;
	__u32 pad;
	__u8 message[];
};

/* Bytes from one slot to the next: whole cache lines. */
static inline __u32 rcx_devmem_stride(__u32 room)
{
	return ((__u32)sizeof(struct rcx_devmem_slot) + room + 63) & ~63u;
}

#endif
