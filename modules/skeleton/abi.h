/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * Optional: what both halves must agree on and <linux/...> does not say, such
 * as a device's name, command numbers, limits.  Both compilers read it: use
 * __u32 and its like, and include nothing but <linux/...>.
 */
#ifndef RCX_SKELETON_ABI_H
#define RCX_SKELETON_ABI_H

#define RCX_SKELETON_DEVICE	"/dev/ringcross/skeleton"
#define RCX_SKELETON_MAX		4096u		/* bytes of a message, header and body */

#endif
