/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
#ifndef RCX_UEVENT_ABI_H
#define RCX_UEVENT_ABI_H

#define RCX_UEVENT_NAME	 "ringcross_uevent"
#define RCX_UEVENT_PATH	 "/devices/virtual/misc/" RCX_UEVENT_NAME /* in sysfs */
#define RCX_UEVENT_GROUP 1 /* of NETLINK_KOBJECT_UEVENT: from the kernel */

/* The datagram starts with this string and its NUL; KEY=VALUE strings follow. */
#define RCX_UEVENT_HEAD "change@" RCX_UEVENT_PATH

/* The keys of our strings, in any order: two decimal numbers and the body in hexadecimal. */
#define RCX_UEVENT_SEQ	     "RCX_SEQ="
#define RCX_UEVENT_TIMESTAMP "RCX_STAMP="
#define RCX_UEVENT_BODY	     "RCX_BODY="

/*
 * Bytes of body.  The kernel's buffer has 2048 characters, including the kernel's own
 * strings, and a byte takes two.
 */
#define RCX_UEVENT_MAX 896u

#endif
