/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
#ifndef RCX_EVENTFD_ABI_H
#define RCX_EVENTFD_ABI_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define RCX_EVENTFD_DEVICE "/dev/ringcross/eventfd"

/**
 * struct rcx_eventfd_register - register an eventfd for events
 * @fd: descriptor of the eventfd
 * @flags: none are known; must be 0
 */
struct rcx_eventfd_register {
	__s32 fd;
	__u32 flags;
};

/* From now until this file is closed, each event adds 1 to the eventfd. */
#define RCX_EVENTFD_REGISTER _IOW('x', 0xa0, struct rcx_eventfd_register)

#endif
