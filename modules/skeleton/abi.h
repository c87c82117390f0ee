/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * Optional: definitions that both halves share and that <linux/...> does not have, such
 * as the name of a device, command numbers and limits.  Kernel and user space compile
 * this file: use __u32 and similar types, and include only <linux/...>.
 */
#ifndef RCX_SKELETON_ABI_H
#define RCX_SKELETON_ABI_H

#define RCX_SKELETON_DEVICE "/dev/ringcross/skeleton"
#define RCX_SKELETON_MAX    4096u /* bytes of a message, header and body */

#endif
