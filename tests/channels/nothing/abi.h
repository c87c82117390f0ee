/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
#ifndef RCX_NOTHING_ABI_H
#define RCX_NOTHING_ABI_H

#include <linux/ioctl.h>

#define RCX_NOTHING_DEVICE "/dev/ringcross/nothing"

/* Sleep until the last event of the emission; it may have been emitted before. */
#define RCX_NOTHING_WAIT _IO('x', 0x7d)

#endif
