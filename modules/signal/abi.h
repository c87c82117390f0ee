/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
#ifndef RC_SIGNAL_ABI_H
#define RC_SIGNAL_ABI_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define RC_SIGNAL_DEVICE	"/dev/rc_signal"

/**
 * struct rc_signal_register - who wants events, and as which signal
 * @signo: number of the signal; not SIGKILL or SIGSTOP
 * @flags: none are known; must be 0
 */
struct rc_signal_register {
	__u32 signo;
	__u32 flags;
};

/* From now to the close of this file the calling thread gets each event. */
#define RC_SIGNAL_REGISTER	_IOW('x', 0x60, struct rc_signal_register)

#endif
