/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
#ifndef RCX_FILEWRITE_ABI_H
#define RCX_FILEWRITE_ABI_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define RCX_FILEWRITE_DEVICE "/dev/ringcross/filewrite"

/* A file has no message boundaries, so each message begins at a multiple of this offset. */
#define RCX_FILEWRITE_ALIGN 8

/* Bounds of @limit below. */
#define RCX_FILEWRITE_LEAST 4096
#define RCX_FILEWRITE_MOST  (64 << 20)

/**
 * struct rcx_filewrite_file - a file to which the kernel half appends messages
 * @fd: a file on tmpfs, open for writing with O_APPEND
 * @flags: no flag is defined; must be 0
 * @limit: bytes of memory that the file may occupy.  An event that would exceed the limit
 *	is refused.  The reader frees memory by punching holes where it has read
 */
struct rcx_filewrite_file {
	__s32 fd;
	__u32 flags;
	__u64 limit;
};

/* Append each event to that file until this control file is closed. */
#define RCX_FILEWRITE_FILE _IOW('x', 0x98, struct rcx_filewrite_file)

#endif
