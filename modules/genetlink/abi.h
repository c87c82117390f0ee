/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
#ifndef RCX_GENETLINK_ABI_H
#define RCX_GENETLINK_ABI_H

#include <linux/genetlink.h>
#include <linux/netlink.h>
#include <linux/types.h>

/* Names by which programs find the family and its group; the kernel assigns the numbers. */
#define RCX_GENETLINK_FAMILY  "ringcross"
#define RCX_GENETLINK_GROUP   "events"
#define RCX_GENETLINK_VERSION 1

/* Commands of the family, which all need CAP_NET_ADMIN. */
enum {
	RCX_GENETLINK_PUSH = 1, /* a message */
	RCX_GENETLINK_PULL,	/* no attribute; a message comes back, of a dump in parts */
	RCX_GENETLINK_CALL,	/* a message; its reply comes back */
	RCX_GENETLINK_EVENT,	/* from the kernel to the group: the message of an event */
	RCX_GENETLINK_SERVE,  /* no attribute; from now on this socket gets the kernel's requests */
	RCX_GENETLINK_ASK,    /* from the kernel to one socket: a request */
	RCX_GENETLINK_ANSWER, /* a message: the reply to the kernel's request */
	RCX_GENETLINK_TABLE,  /* a dump, no attribute; a record comes back in each message */
};

/* Attributes: a request has one A_MESSAGE or none. */
enum {
	RCX_GENETLINK_A_MESSAGE = 1, /* a complete message */
	RCX_GENETLINK_A_PART,	     /* in a dump: the next bytes of its message */
	RCX_GENETLINK_A_INDEX,	     /* of a record: its members */
	RCX_GENETLINK_A_GENERATION,
	RCX_GENETLINK_A_BODY,
	RCX_GENETLINK_A_PAD, /* aligns the members where a machine needs that */
};

/* An attribute's length has 16 bits and counts its own header. */
#define RCX_GENETLINK_BODY_MAX (0xffff - NLA_HDRLEN - RCX_HEADER)

/* Bytes of a record in a dump.  At most 3 KiB, to fit into the smallest buffer of netlink. */
#define RCX_GENETLINK_PART_MAX 1024

#endif
