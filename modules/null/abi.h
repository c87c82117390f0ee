/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
#ifndef RC_NULL_ABI_H
#define RC_NULL_ABI_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define RC_NULL_DEVICE	"/dev/rc_null"
#define RC_NULL_ANSWER	0x52		/* what only our handler returns */

#define RC_NULL_NOTHING	_IO('x', 0x20)
#define RC_NULL_WAIT	_IOWR('x', 0x21, __u64)	/* sleep until more events than this */

#endif
