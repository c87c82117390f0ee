/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
#ifndef RCX_NULL_ABI_H
#define RCX_NULL_ABI_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define RCX_NULL_DEVICE "/dev/ringcross/null"
#define RCX_NULL_ANSWER 0x52 /* returned by our handler alone */

#define RCX_NULL_NOTHING _IO('x', 0x20)
#define RCX_NULL_WAIT	 _IOWR('x', 0x21, __u64) /* sleep until there were more events than this */

/* Sleep until the kernel asks, and let it go on. */
#define RCX_NULL_TAKE  _IO('x', 0x22)
#define RCX_NULL_REPLY _IO('x', 0x23)

#endif
