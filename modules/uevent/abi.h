/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
#ifndef RCX_UEVENT_ABI_H
#define RCX_UEVENT_ABI_H

#define RCX_UEVENT_NAME	"ringcross_uevent"
#define RCX_UEVENT_PATH	"/devices/virtual/misc/" RCX_UEVENT_NAME	/* in sysfs */
#define RCX_UEVENT_GROUP	1	/* of NETLINK_KOBJECT_UEVENT: from the kernel */

/* First in the datagram, with its NUL; what follows are strings KEY=VALUE. */
#define RCX_UEVENT_HEAD	"change@" RCX_UEVENT_PATH

/* Ours among them, in any order: two decimal numbers, and the body in hexadecimal. */
#define RCX_UEVENT_SEQ	"RCX_SEQ="
#define RCX_UEVENT_TIMESTAMP	"RCX_STAMP="
#define RCX_UEVENT_BODY	"RCX_BODY="

/*
 * Bytes of body: the kernel's buffer takes 2048 characters with all that it adds
 * itself, and two of them are a byte.
 */
#define RCX_UEVENT_MAX	896u

#endif
