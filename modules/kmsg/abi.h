/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * A record's text is RCX_KMSG_TAG, followed by a struct rcx_msg with its body as lower-case
 * hexadecimal digits, two for each byte.
 */
#ifndef RCX_KMSG_ABI_H
#define RCX_KMSG_ABI_H

#include <linux/types.h>

#define RCX_KMSG_FILE "/dev/kmsg"
#define RCX_KMSG_TAG  "ringcross_kmsg: "

/* All supported kernels store texts of 976 bytes; 944 remain for the message. */
#define RCX_KMSG_BODY 448u
#define RCX_KMSG_TEXT (sizeof(RCX_KMSG_TAG) - 1 + 2 * (sizeof(struct rcx_msg) + RCX_KMSG_BODY))

#endif
