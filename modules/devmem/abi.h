/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * The shared memory, from its first byte on:
 *
 *	0			struct rcx_devmem_page, in every page: the classic
 *	RCX_DEVMEM_RING		struct rcx_devmem_ring, while the suite measures
 *	RCX_DEVMEM_SLOTS		slot 0
 *	  + stride		slot 1, ... to the end
 *
 * The first page belongs to the classic alone.  Messages are numbered from 1 on
 * and never start again while the module is loaded: message n lies in slot
 * (n - 1) modulo slots.
 */
#ifndef RCX_DEVMEM_ABI_H
#define RCX_DEVMEM_ABI_H

#include <linux/types.h>

/* Where the kernel half tells of its memory: an address in hexadecimal, and bytes. */
#define RCX_DEVMEM_FOLDER	"memshare"
#define RCX_DEVMEM_ADDR		"phymem_addr"
#define RCX_DEVMEM_SIZE		"phymem_size"

#define RCX_DEVMEM_PAGE		4096u
#define RCX_DEVMEM_TEXT		2040u
#define RCX_DEVMEM_RING		RCX_DEVMEM_PAGE
#define RCX_DEVMEM_SLOTS		(2 * RCX_DEVMEM_PAGE)
#define RCX_DEVMEM_SLOTS_MAX	1024u

/**
 * struct rcx_devmem_page - a page, half of it for each side to write
 * @from_user: text, ended by NUL
 * @user_page: which page this is by the user's count, from 1 on; 0: not written
 * @from_kernel: text, ended by NUL
 * @kernel_page: which page this is by the kernel's count, from 1 on
 *
 * A page that carries another one's number was mapped in the wrong place.
 */
struct rcx_devmem_page {
	char  from_user[RCX_DEVMEM_TEXT];
	__u64 user_page;
	char  from_kernel[RCX_DEVMEM_TEXT];
	__u64 kernel_page;
};

/**
 * struct rcx_devmem_ring - what both sides know of the ring
 * @room: bytes of the largest message, header and body; the user writes it
 * @slots: a power of two; the user writes it
 * @pad: keeps what the two sides write in a cache line each
 * @head: number of the newest message, 0 before the first; the kernel writes it
 *
 * There is no other way to ask for anything: the kernel half looks at @room and
 * @slots at each event, and refuses the event when they do not fit.
 */
struct rcx_devmem_ring {
	__u32 room;
	__u32 slots;
	__u32 pad[14];
	__u64 head;
};

/**
 * struct rcx_devmem_slot - room for one message
 * @number: of the message that lies here; 0 while the kernel writes it
 * @len: bytes of @message in use, header and body
 * @pad: keeps @message aligned; neither side reads it
 * @message: a struct rcx_msg
 */
struct rcx_devmem_slot {
	__u64 number;
	__u32 len;
	__u32 pad;
	__u8  message[];
};

/* Bytes from one slot to the next: whole cache lines. */
static inline __u32 rcx_devmem_stride(__u32 room)
{
	return ((__u32)sizeof(struct rcx_devmem_slot) + room + 63) & ~63u;
}

#endif
