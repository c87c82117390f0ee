/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
#ifndef RCX_SYSCTL_ABI_H
#define RCX_SYSCTL_ABI_H

#define RCX_SYSCTL_DIR "dev/ringcross" /* under /proc/sys */

/* A sequence number alone, 32 bits as decimal text. */
#define RCX_SYSCTL_INTEGER	 "integer"	 /* write: push, read: pull */
#define RCX_SYSCTL_INTEGER_REPLY "integer_reply" /* write, then read the reply */

/* Whole messages, in binary. */
#define RCX_SYSCTL_MESSAGE     "message"
#define RCX_SYSCTL_TRANSACTION "transaction"

/* The largest buffer that the sysctl layer allocates for a read or write, with a NUL. */
#define RCX_SYSCTL_LAYER_MAX (4u << 20)

#endif
