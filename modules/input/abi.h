/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
#ifndef RCX_INPUT_ABI_H
#define RCX_INPUT_ABI_H

#include <linux/input-event-codes.h>

/* What the device is called; its node has any number: /dev/input/eventN. */
#define RCX_INPUT_NAME	"ringcross input"

/* Who sends is told by the code: both go through the same device to its handlers. */
#define RCX_INPUT_EVENT	MSC_RAW		/* the kernel half */
#define RCX_INPUT_PUSH	MSC_PULSELED	/* user space */

/* Both carry the sequence number in their value, which has so many bits. */
#define RCX_INPUT_MASK	0xffffffffull

#endif
