/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
#ifndef RCX_UMH_ABI_H
#define RCX_UMH_ABI_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define RCX_UMH_DEVICE	"/dev/ringcross/umh"
#define RCX_UMH_PATH	256
#define RCX_UMH_WORD	64

/*
 * The longest message: exec takes arguments of up to 128 KiB with their end
 * (MAX_ARG_STRLEN), and a byte is two digits there.
 */
#define RCX_UMH_MAX	65535

/*
 * Starts on their way at once; so many modprobes the kernel allows itself.  A
 * program that has come to run is no longer counted, except in mode wait: that it
 * ends is told to nobody.
 */
#define RCX_UMH_AT_ONCE	50

/**
 * struct rcx_umh_program - what the kernel shall start for each event
 * @path: absolute, ended by 0.  It is run as root, in the first namespaces, with
 *	the arguments --program umh @word MESSAGE, the message in hexadecimal
 * @word: for the program, ended by 0
 * @flags: none are known; must be 0
 */
struct rcx_umh_program {
	char  path[RCX_UMH_PATH];
	char  word[RCX_UMH_WORD];
	__u32 flags;
};

/**
 * struct rcx_umh_counts - what became of the starts of this file's program
 * @started: those the kernel was asked for
 * @failed: of those, where no program came to run or, in mode wait, it refused
 */
struct rcx_umh_counts {
	__u32 started;
	__u32 failed;
};

/* From now to the close of this file each event starts that program. */
#define RCX_UMH_PROGRAM	_IOW('x', 0x90, struct rcx_umh_program)
#define RCX_UMH_COUNTS	_IOR('x', 0x91, struct rcx_umh_counts)

#endif
