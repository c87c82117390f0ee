/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
#ifndef RCX_IOCTL_ABI_H
#define RCX_IOCTL_ABI_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define RCX_IOCTL_DEVICE "/dev/ringcross/ioctl"

/*
 * Direct: the argument is the message itself, and the command number encodes the length
 * in 14 bits.
 */
enum { RCX_IOCTL_NR_PUSH = 0x40, RCX_IOCTL_NR_PULL, RCX_IOCTL_NR_CALL, RCX_IOCTL_NR_NEXT };

#define RCX_IOCTL_DIRECT_MAX ((1u << _IOC_SIZEBITS) - 1)
#define RCX_IOCTL_PUSH(len)  _IOC(_IOC_WRITE, 'x', RCX_IOCTL_NR_PUSH, len)
#define RCX_IOCTL_PULL(len)  _IOC(_IOC_READ, 'x', RCX_IOCTL_NR_PULL, len)
#define RCX_IOCTL_CALL(len)  _IOC(_IOC_READ | _IOC_WRITE, 'x', RCX_IOCTL_NR_CALL, len)
/* The next event; sleeps until there is one, EAGAIN with O_NONBLOCK. */
#define RCX_IOCTL_NEXT(len) _IOC(_IOC_READ, 'x', RCX_IOCTL_NR_NEXT, len)

/* Indirect: the argument holds the message's address and a length of up to 32 bits. */
struct rcx_ioctl_buffer {
	__u64 address; /* of the message, in the caller's memory */
	__u32 len;     /* header and body */
	__u32 flags;   /* no flag is defined; must be 0 */
};

#define RCX_IOCTL_PUSH_AT _IOW('x', 0x44, struct rcx_ioctl_buffer)
#define RCX_IOCTL_PULL_AT _IOW('x', 0x45, struct rcx_ioctl_buffer)
#define RCX_IOCTL_CALL_AT _IOW('x', 0x46, struct rcx_ioctl_buffer)
#define RCX_IOCTL_NEXT_AT _IOW('x', 0x47, struct rcx_ioctl_buffer)

/*
 * Upcalls have a device of their own, so that its poll() reports nothing but a request.  Take the
 * request of the kernel; sleeps until there is one, EAGAIN with O_NONBLOCK.  Then answer it.
 */
#define RCX_IOCTL_UPCALL_DEVICE "/dev/ringcross/ioctl-upcall"

enum { RCX_IOCTL_NR_TAKE = 0x48, RCX_IOCTL_NR_ANSWER };

#define RCX_IOCTL_TAKE(len)   _IOC(_IOC_READ, 'x', RCX_IOCTL_NR_TAKE, len)
#define RCX_IOCTL_ANSWER(len) _IOC(_IOC_WRITE, 'x', RCX_IOCTL_NR_ANSWER, len)
#define RCX_IOCTL_TAKE_AT     _IOW('x', 0x4a, struct rcx_ioctl_buffer)
#define RCX_IOCTL_ANSWER_AT   _IOW('x', 0x4b, struct rcx_ioctl_buffer)

/*
 * Dump: fills an array with the whole table, and returns the number of records.  ENOSPC when
 * the array is too short for it.
 */
enum { RCX_IOCTL_NR_DUMP = 0x4c };

#define RCX_IOCTL_DUMP(len) _IOC(_IOC_READ, 'x', RCX_IOCTL_NR_DUMP, len)
#define RCX_IOCTL_DUMP_AT   _IOW('x', 0x4d, struct rcx_ioctl_buffer)

#endif
