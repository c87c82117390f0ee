/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
#ifndef RCX_GENETLINK_ABI_H
#define RCX_GENETLINK_ABI_H

#include <linux/genetlink.h>
#include <linux/netlink.h>
#include <linux/types.h>

/* What programs look for; the kernel gives out numbers for both as it likes. */
#define RCX_GENETLINK_FAMILY	"ringcross"
#define RCX_GENETLINK_GROUP	"events"
#define RCX_GENETLINK_VERSION	1

/* Commands of the family, which all need CAP_NET_ADMIN. */
enum {
	RCX_GENETLINK_PUSH = 1,	/* a message */
	RCX_GENETLINK_PULL,	/* nothing; a message comes back, of a dump in parts */
	RCX_GENETLINK_CALL,	/* a message; its reply comes back */
	RCX_GENETLINK_EVENT,	/* from the kernel, to the group: an event's message */
};

/* Attributes: exactly one of a message, or none. */
enum {
	RCX_GENETLINK_A_MESSAGE = 1,	/* all of it */
	RCX_GENETLINK_A_PART,		/* of one in a dump: the next bytes of it */
};

/* An attribute's length has 16 bits and counts its own header. */
#define RCX_GENETLINK_BODY_MAX	(0xffff - NLA_HDRLEN - RCX_HEADER)

/* Bytes of a record in a dump.  Not above 3 KiB: it must fit the smallest buffer. */
#define RCX_GENETLINK_PART_MAX	1024

#endif
