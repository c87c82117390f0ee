/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
#ifndef RCX_RELAY_ABI_H
#define RCX_RELAY_ABI_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define RCX_RELAY_DEVICE "/dev/ringcross/relay"
#define RCX_RELAY_MOUNT	 "/sys/kernel/debug"
#define RCX_RELAY_DIR	 "ringcross_relay" /* holds <id>/cpu<number> for each setup */
#define RCX_RELAY_FILE	 "cpu"

/*
 * A record is a message, padded to a multiple of 8 bytes, so that the next record is
 * aligned as well.  The length of the message is in its header.
 */
#define RCX_RELAY_RECORD(len) (((len) + 7ul) & ~7ul)

/**
 * struct rcx_relay_head - header of each sub-buffer of a setup with RCX_RELAY_HEADS
 * @number: 1 in the first sub-buffer that this CPU hands over, 2 in the next, and so
 *	on, also when the buffer wraps around.  While it is not the number that the
 *	reader expects next, the sub-buffer still belongs to the kernel
 * @fill: used bytes of the sub-buffer, including this header
 * @pad: 0
 */
struct rcx_relay_head {
	__u64 number;
	__u32 fill;
	__u32 pad;
};

/**
 * struct rcx_relay_setup - a buffer for each CPU, once per open of the device
 * @size: bytes of a sub-buffer; a multiple of 8, with room for at least one message
 * @count: sub-buffers of each buffer, 2 to RCX_RELAY_COUNT_MAX
 * @flags: RCX_RELAY_OVERWRITE, RCX_RELAY_HEADS
 * @id: 0; set by the kernel: name of the directory that holds the buffers' files
 *
 * The sub-buffers of a CPU have at most RCX_RELAY_BYTES_MAX bytes in total.
 *
 * A read() returns bytes of sub-buffers that were handed over, and of no others.  With
 * RCX_RELAY_HEADS, read() fails with EINVAL.
 */
struct rcx_relay_setup {
	__u32 size;
	__u32 count;
	__u32 flags;
	__u32 id;
};

#define RCX_RELAY_OVERWRITE 0x1 /* full: lose the oldest sub-buffer; one less is kept */
#define RCX_RELAY_HEADS	    0x2 /* a header in each sub-buffer, for mappings */

#define RCX_RELAY_COUNT_MAX 4096u
#define RCX_RELAY_BYTES_MAX (64u << 20)

/**
 * struct rcx_relay_consumed - sub-buffers that a reader of a mapping has consumed
 * @cpu: number of the CPU whose buffer it is
 * @count: how many since the last report
 */
struct rcx_relay_consumed {
	__u32 cpu;
	__u32 count;
};

#define RCX_RELAY_SETUP	   _IOWR('x', 1, struct rcx_relay_setup)
#define RCX_RELAY_CONSUMED _IOW('x', 2, struct rcx_relay_consumed)
#define RCX_RELAY_FLUSH	   _IO('x', 3) /* hand over partly filled sub-buffers */

#endif
