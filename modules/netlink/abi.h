/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
#ifndef RC_NETLINK_ABI_H
#define RC_NETLINK_ABI_H

#include <linux/netlink.h>
#include <linux/types.h>

/* The last protocol number there is; the kernel gives them out from below. */
#define RC_NETLINK_PROTOCOL	31
#define RC_NETLINK_GROUP	1

/*
 * Every datagram is a struct nlmsghdr with one of these types.  Requests need
 * NLM_F_REQUEST, may have NLM_F_ACK, and must have no other flag.
 */
enum {
	RC_NETLINK_JOIN = NLMSG_MIN_TYPE,	/* first: struct rc_netlink_join */
	RC_NETLINK_PUSH,			/* a message */
	RC_NETLINK_PULL,			/* no payload; a message comes back */
	RC_NETLINK_CALL,			/* a message; its reply comes back */
	RC_NETLINK_EVENT,			/* from the kernel: an event's message */
};

/**
 * struct rc_netlink_join - make this socket a peer of the kernel half
 * @flags: RC_NETLINK_EVENTS, or 0
 * @pad: 0
 */
struct rc_netlink_join {
	__u32 flags;
	__u32 pad;
};

#define RC_NETLINK_EVENTS	0x1	/* send events to this socket's address */

#endif
