/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
#ifndef RCX_VVAR_ABI_H
#define RCX_VVAR_ABI_H

#include <linux/types.h>

#define RCX_VVAR_DEVICE "/dev/ringcross/vvar"
#define RCX_VVAR_SIZE	4096u /* bytes to map */
#define RCX_VVAR_ROOM	(RCX_VVAR_SIZE - 8u)

/**
 * struct rcx_vvar_page - the page that the kernel writes and every reader maps
 * @sequence: odd while the kernel writes; it grows by 2 with each message and wraps around
 * @len: bytes of @message in use, header and body
 * @message: the newest message, a struct rcx_msg
 *
 * A copy is one intact message if @sequence was even before it and is the same after it.
 */
struct rcx_vvar_page {
	__u32 sequence;
	__u32 len;
	__u8 message[RCX_VVAR_ROOM];
};

#endif
