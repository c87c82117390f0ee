/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
#ifndef RCX_UMH_ABI_H
#define RCX_UMH_ABI_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define RCX_UMH_DEVICE "/dev/ringcross/umh"
/* A write to it is the reply to the kernel's request. */
#define RCX_UMH_REPLY_DEVICE "/dev/ringcross/umh-reply"
#define RCX_UMH_PATH	     256
#define RCX_UMH_WORD	     64

/*
 * The longest message: exec accepts arguments of up to 128 KiB, including the NUL
 * (MAX_ARG_STRLEN), and a byte takes two digits.
 */
#define RCX_UMH_MAX 65535

/*
 * The most starts in progress at once; the kernel has the same limit for modprobe.  A
 * program that has started to run no longer counts, since the kernel half is not notified
 * of its end.  In mode wait it is, and there a start counts until its program has ended.
 */
#define RCX_UMH_AT_ONCE 50

/**
 * struct rcx_umh_program - the program that the kernel starts for each event
 * @path: absolute path, terminated by a NUL.  The program runs as root in the initial
 *	namespaces, with the arguments --program umh @word MESSAGE; the message is in
 *	hexadecimal
 * @word: an argument for the program, terminated by a NUL
 * @flags: none are known; must be 0
 */
struct rcx_umh_program {
	char path[RCX_UMH_PATH];
	char word[RCX_UMH_WORD];
	__u32 flags;
};

/**
 * struct rcx_umh_counts - results of the starts of this file's program
 * @started: starts requested from the kernel
 * @failed: of those, starts whose program did not run or, in mode wait, refused
 */
struct rcx_umh_counts {
	__u32 started;
	__u32 failed;
};

/* From now until this file is closed, each event starts that program. */
#define RCX_UMH_PROGRAM _IOW('x', 0x90, struct rcx_umh_program)
#define RCX_UMH_COUNTS	_IOR('x', 0x91, struct rcx_umh_counts)

#endif
