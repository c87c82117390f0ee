/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
#ifndef RC_SYSCTL_ABI_H
#define RC_SYSCTL_ABI_H

#define RC_SYSCTL_DIR			"dev/ringcross"		/* under /proc/sys */

/* A sequence number alone, 32 bits as decimal text. */
#define RC_SYSCTL_INTEGER		"integer"		/* write: push, read: pull */
#define RC_SYSCTL_INTEGER_REPLY		"integer_reply"		/* write one, read its reply */

/* Whole messages, as the bytes they are. */
#define RC_SYSCTL_MESSAGE		"message"
#define RC_SYSCTL_TRANSACTION		"transaction"

/* What the sysctl layer allocates at most for a read or a write, its NUL counted. */
#define RC_SYSCTL_LAYER_MAX		(4u << 20)

#endif
