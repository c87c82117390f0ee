/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
#ifndef RC_UEVENT_ABI_H
#define RC_UEVENT_ABI_H

#define RC_UEVENT_NAME	"rc_uevent"
#define RC_UEVENT_PATH	"/devices/virtual/misc/" RC_UEVENT_NAME	/* in sysfs */
#define RC_UEVENT_GROUP	1	/* of NETLINK_KOBJECT_UEVENT: from the kernel */

/* First in the datagram, with its NUL; what follows are strings KEY=VALUE. */
#define RC_UEVENT_HEAD	"change@" RC_UEVENT_PATH

/* Ours among them, in any order: two decimal numbers, and the body in hexadecimal. */
#define RC_UEVENT_SEQ	"RC_SEQ="
#define RC_UEVENT_STAMP	"RC_STAMP="
#define RC_UEVENT_BODY	"RC_BODY="

/*
 * Bytes of body: the kernel's buffer takes 2048 characters with all that it adds
 * itself, and two of them are a byte.
 */
#define RC_UEVENT_MAX	896u

#endif
