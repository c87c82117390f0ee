/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
#ifndef RCX_RELAY_ABI_H
#define RCX_RELAY_ABI_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define RCX_RELAY_DEVICE	"/dev/ringcross/relay"
#define RCX_RELAY_MOUNT	"/sys/kernel/debug"
#define RCX_RELAY_DIR	"ringcross_relay"	/* in it, for each setup <id>/cpu<number> */
#define RCX_RELAY_FILE	"cpu"

/*
 * A record is a message, filled up to whole words so that the next one is
 * aligned as well; its own header says where it ends.
 */
#define RCX_RELAY_RECORD(len)	(((len) + 7ul) & ~7ul)

/**
 * struct rcx_relay_head - first in each sub-buffer of a setup with RCX_RELAY_HEADS
 * @number: 1 in the first sub-buffer that this CPU hands over, 2 in the next, and so
 *	on round the buffer.  With any other number than the one that is due, the
 *	sub-buffer is still the kernel's
 * @fill: bytes of the sub-buffer that are used, with this head
 * @pad: 0
 */
struct rcx_relay_head {
	__u64 number;
	__u32 fill;
	__u32 pad;
};

/**
 * struct rcx_relay_setup - a buffer for each CPU, once per open of the device
 * @size: bytes of a sub-buffer; whole words, and room for a message at least
 * @count: sub-buffers of each buffer, 2 to RCX_RELAY_COUNT_MAX.  Without flags there
 *	is a spare one behind them, so that as many can be complete
 * @flags: RCX_RELAY_OVERWRITE, RCX_RELAY_HEADS
 * @id: 0; set by the kernel: the folder that has the buffers' files
 *
 * All sub-buffers of a CPU have RCX_RELAY_BYTES_MAX bytes at most, without the spare one.
 *
 * A read() returns bytes of sub-buffers that were handed over, and of no other.  With
 * RCX_RELAY_HEADS there is no read().
 */
struct rcx_relay_setup {
	__u32 size;
	__u32 count;
	__u32 flags;
	__u32 id;
};

#define RCX_RELAY_OVERWRITE	0x1	/* when full, lose the oldest sub-buffer: one less is kept */
#define RCX_RELAY_HEADS		0x2	/* a head in each, for who maps the buffer */

#define RCX_RELAY_COUNT_MAX	4096u
#define RCX_RELAY_BYTES_MAX	(64u << 20)

/**
 * struct rcx_relay_consumed - sub-buffers that a mapping's user is done with
 * @cpu: whose buffer
 * @count: how many more than so far
 */
struct rcx_relay_consumed {
	__u32 cpu;
	__u32 count;
};

#define RCX_RELAY_SETUP		_IOWR('x', 1, struct rcx_relay_setup)
#define RCX_RELAY_CONSUMED	_IOW('x', 2, struct rcx_relay_consumed)
#define RCX_RELAY_FLUSH		_IO('x', 3)	/* hand over what is partly filled */

#endif
