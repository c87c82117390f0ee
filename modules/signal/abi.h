/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
#ifndef RCX_SIGNAL_ABI_H
#define RCX_SIGNAL_ABI_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define RCX_SIGNAL_DEVICE "/dev/ringcross/signal"

/**
 * struct rcx_signal_register - register the calling thread for events
 * @signo: number of the signal; not SIGKILL or SIGSTOP
 * @flags: none are known; must be 0
 */
struct rcx_signal_register {
	__u32 signo;
	__u32 flags;
};

/* From now until this file is closed, each event is sent to the calling thread. */
#define RCX_SIGNAL_REGISTER _IOW('x', 0x60, struct rcx_signal_register)

/*
 * Answer the kernel's request that the last signal announced: the bits of its number, inverted.
 * Only for the file that has registered the thread.
 */
#define RCX_SIGNAL_ANSWER _IOW('x', 0x61, __u32)

#endif
