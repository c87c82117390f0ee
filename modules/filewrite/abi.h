/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
#ifndef RCX_FILEWRITE_ABI_H
#define RCX_FILEWRITE_ABI_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define RCX_FILEWRITE_DEVICE	"/dev/ringcross/filewrite"

/* A file has no messages, only bytes: each one begins at a multiple of this. */
#define RCX_FILEWRITE_ALIGN	8

/* Bounds of what the kernel half may let lie in the file. */
#define RCX_FILEWRITE_LEAST	4096
#define RCX_FILEWRITE_MOST	(64 << 20)

/**
 * struct rcx_filewrite_file - where the kernel shall append messages to
 * @fd: a file of tmpfs, open for writing with O_APPEND
 * @flags: none are known; must be 0
 * @limit: no message is appended that would have the file take more memory than
 *	so many bytes; who reads gives it back by punching a hole behind himself
 */
struct rcx_filewrite_file {
	__s32 fd;
	__u32 flags;
	__u64 limit;
};

/* From now to the close of this file each event is appended to that one. */
#define RCX_FILEWRITE_FILE	_IOW('x', 0x98, struct rcx_filewrite_file)

#endif
