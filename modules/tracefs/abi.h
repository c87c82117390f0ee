/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
#ifndef RCX_TRACEFS_ABI_H
#define RCX_TRACEFS_ABI_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define RCX_TRACEFS_DEVICE "/dev/ringcross/tracefs"
#define RCX_TRACEFS_NAME   "ringcross_tracefs" /* of the trace event's group, and of instances */
#define RCX_TRACEFS_EVENT  "rcx_tracefs"

/*
 * Largest body: a page holds a header of 16 bytes, an event's header of 8, a timestamp of 8,
 * and 36 bytes of fields and message header, and is not filled to the last byte.
 */
#define RCX_TRACEFS_MAX 4000u

/*
 * Each open of the device makes a trace instance, RCX_TRACEFS_NAME and "_" and its number,
 * in which the event is enabled until the device is closed.  Get the number.
 */
#define RCX_TRACEFS_INSTANCE _IOR('x', 1, __u64)

#endif
