/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
#ifndef RCX_INPUT_ABI_H
#define RCX_INPUT_ABI_H

#include <linux/input-event-codes.h>

/* Name of the device.  The kernel chooses the number of its node, /dev/input/eventN. */
#define RCX_INPUT_NAME "ringcross input"

/* The code distinguishes the senders, because all events pass through the same device. */
#define RCX_INPUT_EVENT MSC_RAW	     /* the kernel half */
#define RCX_INPUT_PUSH	MSC_PULSELED /* user space */

/* Both carry the low 32 bits of the sequence number in their value. */
#define RCX_INPUT_MASK 0xffffffffull

#endif
