/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
#ifndef RCX_SYSCTL_ABI_H
#define RCX_SYSCTL_ABI_H

#define RCX_SYSCTL_DIR			"dev/ringcross"		/* under /proc/sys */

/* A sequence number alone, 32 bits as decimal text. */
#define RCX_SYSCTL_INTEGER		"integer"		/* write: push, read: pull */
#define RCX_SYSCTL_INTEGER_REPLY		"integer_reply"		/* write one, read its reply */

/* Whole messages, as the bytes they are. */
#define RCX_SYSCTL_MESSAGE		"message"
#define RCX_SYSCTL_TRANSACTION		"transaction"

/* What the sysctl layer allocates at most for a read or a write, its NUL counted. */
#define RCX_SYSCTL_LAYER_MAX		(4u << 20)

#endif
